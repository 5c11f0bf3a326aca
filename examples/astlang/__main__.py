"""`python -m examples.astlang PROGRAM.ast [NUMBER ...]`."""

from __future__ import annotations

import sys

from examples.astlang.interpreter import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
