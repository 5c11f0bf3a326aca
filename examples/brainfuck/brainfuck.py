"""The interpreter: characters of the program are its instructions, brackets are matched once, when it is loaded.

The numbers of the command line are the program's input, one byte each.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from metatracer import JitDriver

driver = JitDriver(greens=["pc", "program"], reds="auto", name="brainfuck")


class Program:
    """The instructions without comments, and for each bracket the position of its partner."""

    _immutable_fields_ = ["code", "partners"]

    def __init__(self, text: str) -> None:
        self.code = "".join([character for character in text if character in "<>+-.,[]"])
        partners = [0] * len(self.code)
        open_brackets: list[int] = []
        for position, character in enumerate(self.code):
            if character == "[":
                open_brackets.append(position)
            elif character == "]":
                if not open_brackets:
                    raise SyntaxError(f"']' without '[' at instruction {position}")
                start = open_brackets.pop()
                partners[start] = position
                partners[position] = start
        if open_brackets:
            raise SyntaxError(f"'[' without ']' at instruction {open_brackets[-1]}")
        self.partners = tuple(partners)


class Tape:
    """Cells of one byte; the tape grows to the right."""

    def __init__(self) -> None:
        self.cells = bytearray(64)
        self.position = 0

    def get(self) -> int:
        return self.cells[self.position]

    def set(self, value: int) -> None:
        self.cells[self.position] = value & 255

    def right(self) -> None:
        self.position += 1
        if self.position == len(self.cells):
            self.cells.extend(bytes(len(self.cells)))

    def left(self) -> None:
        if self.position == 0:
            raise IndexError("the tape has no cell to the left of the first")
        self.position -= 1


class Terminal:
    """The input that is left, and the output so far."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.output: list[str] = []

    def read(self) -> int:
        """The next byte; 0 when there is none."""
        if self.position == len(self.data):
            return 0
        self.position += 1
        return self.data[self.position - 1]

    def write(self, value: int) -> None:
        self.output.append(chr(value))


@driver.portal
def run(program: Program, tape: Tape, terminal: Terminal) -> None:
    """Run a program from its first instruction to its end."""
    pc = 0
    while pc < len(program.code):
        driver.jit_merge_point(pc=pc, program=program)
        instruction = program.code[pc]
        if instruction == ">":
            tape.right()
        elif instruction == "<":
            tape.left()
        elif instruction == "+":
            tape.set(tape.get() + 1)
        elif instruction == "-":
            tape.set(tape.get() - 1)
        elif instruction == "[":
            if tape.get() == 0:
                pc = program.partners[pc]
        elif instruction == "]":
            if tape.get() != 0:
                pc = program.partners[pc]
                driver.can_enter_jit(pc=pc, program=program)
        elif instruction == ".":
            terminal.write(tape.get())
        elif instruction == ",":
            tape.set(terminal.read())
        pc += 1


def load(path: str) -> Program:
    """Read a program."""
    with open(path, encoding="utf-8") as file:
        return Program(file.read())


def run_program(program: Program, *arguments: int) -> str:
    """Run a program with numbers below 256 as input; print and return its output."""
    terminal = Terminal(bytes(arguments))
    run(program, Tape(), terminal)
    output = "".join(terminal.output)
    print(output)
    return output


def main(argv: Sequence[str]) -> int:
    """Run `argv[0]`, a program file, with the other arguments as numbers to read."""
    if not argv:
        print("usage: python -m examples.brainfuck PROGRAM.bf [NUMBER ...]", file=sys.stderr)
        return 2
    try:
        run_program(load(argv[0]), *[int(argument) for argument in argv[1:]])
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        return 2
    return 0
