"""The calculator with the hints of metatracer: see `plain` for what was there before."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from examples.calc.assembler import (
    ADD, CHECK, DIV, DUP, EQUAL, HALT, JUMP, JUMP_IF_ZERO, LESS, LOAD, MOD, MUL, NOT, POP, PRINT, PUSH, STORE, SUB,
    SWAP, Program, assemble,
)  # fmt: skip
from metatracer import JitDriver

driver = JitDriver(greens=["pc", "code"], reds="auto", name="calc")


@driver.portal
def run(code: tuple[int, ...], variables: list[int]) -> None:
    """Run a program from its first instruction until it halts."""
    stack: list[int] = []
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        op = code[pc]
        if op == PUSH:
            stack.append(code[pc + 1])
            pc += 2
        elif op == LOAD:
            stack.append(variables[code[pc + 1]])
            pc += 2
        elif op == STORE:
            variables[code[pc + 1]] = stack.pop()
            pc += 2
        elif op == ADD:
            right = stack.pop()
            stack.append(stack.pop() + right)
            pc += 1
        elif op == SUB:
            right = stack.pop()
            stack.append(stack.pop() - right)
            pc += 1
        elif op == MUL:
            right = stack.pop()
            stack.append(stack.pop() * right)
            pc += 1
        elif op == DIV:
            right = stack.pop()
            stack.append(stack.pop() // right)
            pc += 1
        elif op == MOD:
            right = stack.pop()
            stack.append(stack.pop() % right)
            pc += 1
        elif op == LESS:
            right = stack.pop()
            stack.append(1 if stack.pop() < right else 0)
            pc += 1
        elif op == EQUAL:
            right = stack.pop()
            stack.append(1 if stack.pop() == right else 0)
            pc += 1
        elif op == NOT:
            stack.append(0 if stack.pop() else 1)
            pc += 1
        elif op == DUP:
            stack.append(stack[-1])
            pc += 1
        elif op == POP:
            stack.pop()
            pc += 1
        elif op == SWAP:
            stack[-1], stack[-2] = stack[-2], stack[-1]
            pc += 1
        elif op == JUMP:
            pc = code[pc + 1]
            driver.can_enter_jit(pc=pc, code=code)
        elif op == JUMP_IF_ZERO:
            pc = pc + 2 if stack.pop() else code[pc + 1]
        elif op == PRINT:
            print(stack.pop())
            pc += 1
        elif op == CHECK:
            if not stack.pop():
                raise ValueError("check failed")
            pc += 1
        elif op == HALT:
            return


def load(path: str) -> Program:
    """Read and assemble a program."""
    with open(path, encoding="utf-8") as file:
        return assemble(file.read())


def run_program(program: Program, *arguments: int) -> None:
    """Run a program with its parameters set; output goes to stdout."""
    variables = [0] * program.n_variables
    variables[: program.n_parameters] = arguments[: program.n_parameters]
    run(program.code, variables)


def main(argv: Sequence[str]) -> int:
    """Run `argv[0]`, a program file, with the other arguments as numbers."""
    if not argv:
        print("usage: python -m examples.calc PROGRAM.calc [NUMBER ...]", file=sys.stderr)
        return 2
    try:
        run_program(load(argv[0]), *[int(argument) for argument in argv[1:]])
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
