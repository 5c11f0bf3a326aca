"""Loading and running programs of the language, and its command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from examples.astlang.nodes import FunctionBody, call_body, call_function
from examples.astlang.objects import Frame, Function, GuestError, display
from examples.astlang.parser import ParseError, parse


class Program:
    """A parsed program."""

    def __init__(self, body: FunctionBody, names: dict[str, int]) -> None:
        self.body = body
        self.names = names


def load(path: str) -> Program:
    """Read and parse a program."""
    with open(path, encoding="utf-8") as file:
        return Program(*parse(file.read()))


def run_program(program: Program, *arguments: int) -> Any:
    """Run the top level, then its function `main` with int arguments; output goes to stdout."""
    frame = Frame(program.body.n_slots, None)
    call_body(program.body, frame)
    function = frame.slots[program.names["main"]] if "main" in program.names else None
    if not isinstance(function, Function):
        return None
    return call_function(function, list(arguments[: function.body.n_parameters]))


def main(argv: Sequence[str]) -> int:
    """Run `argv[0]`, a program file, with the other arguments as ints."""
    if not argv:
        print("usage: python -m examples.astlang PROGRAM.ast [NUMBER ...]", file=sys.stderr)
        return 2
    try:
        run_program(load(argv[0]), *[int(argument) for argument in argv[1:]])
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        return 2
    except ParseError as error:
        print(f"{argv[0]}: {error}", file=sys.stderr)
        return 2
    except GuestError as error:
        print(f"guest error: {display(error.value)}", file=sys.stderr)
        return 1
    return 0
