"""The command line: `maskline COMMAND …`. Says what is wrong in one line and exits with 1."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from maskline.cli.parser import build_parser
from maskline.errors import MasklineError
from maskline.toolbox import ToolboxError
from storage.errors import StorageError
from telephony.ami import AmiError
from telephony.errors import TelephonyError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0, or 1 after one line on stderr."""
    chosen = build_parser().parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
    except (MasklineError, ToolboxError, StorageError, TelephonyError, AmiError) as error:
        print(f"maskline: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return code
