"""The command line: `maskline COMMAND …`. Says what is wrong in one line and exits with 1."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from maskline.cli.parser import build_parser

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0, or 1 after one line on stderr."""
    chosen = build_parser().parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        # Every room's errors have an `error_id` and a text that is one line for people. To import
        # the rooms for their classes alone would make each command a second slower.
        if not hasattr(error, "error_id"):
            raise
        print(f"maskline: {error}", file=sys.stderr)
        return 1
    return code
