"""`python -m examples.brainfuck PROGRAM.bf [NUMBER ...]`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from examples.brainfuck.brainfuck import load, main, run_program


def prepare(argv: Sequence[str]) -> Callable[[], object]:
    """For `metatracer compare`: the program is read once and run many times."""
    program = load(argv[0])
    arguments = [int(argument) for argument in argv[1:]]
    return lambda: run_program(program, *arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
