"""`python -m examples.brainfuck PROGRAM.bf [NUMBER ...]`."""

from __future__ import annotations

import sys

from examples.brainfuck.brainfuck import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
