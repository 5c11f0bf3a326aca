"""`python -m examples.calc PROGRAM.calc [NUMBER ...]`."""

from __future__ import annotations

import sys

from examples.calc.calc import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
