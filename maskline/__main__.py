"""`python -m maskline`."""

from __future__ import annotations

import sys

from maskline.cli import main

if __name__ == "__main__":
    sys.exit(main())
