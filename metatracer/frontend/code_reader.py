"""Reading what a code object consists of: instructions, exception table, names of locals, CPython's numbering."""

from __future__ import annotations

import dis
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metatracer.frontend.jitcode import Handler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

FUNCTION_ATTRIBUTES = ("defaults", "kwdefaults", "annotations", "closure")
"""What bits 1, 2, 4, 8 of MAKE_FUNCTION and SET_FUNCTION_ATTRIBUTE stand for."""

_GENERATOR_FLAGS = {
    inspect.CO_COROUTINE: "a coroutine",
    inspect.CO_ASYNC_GENERATOR: "an async generator",
    inspect.CO_ITERABLE_COROUTINE: "a coroutine",
    inspect.CO_GENERATOR: "a generator",
}


@dataclass(frozen=True, slots=True)
class RawInstruction:
    """One instruction of `co_code` with its EXTENDED_ARG prefixes and caches.

    Attributes:
        index: Byte offset of the first prefix, or of the instruction itself.
        next_index: Byte offset behind the caches.
        opname: CPython's name.
        arg: The whole argument.
        number: Its place among the raw instructions.
    """

    index: int
    next_index: int
    opname: str
    arg: int
    number: int


@dataclass(frozen=True, slots=True)
class Target:
    """A byte offset in a jump's `arg`, until all positions are known."""

    index: int


def read_instructions(code: CodeType) -> list[RawInstruction]:
    """Split `co_code` into instructions."""
    units = code.co_code
    found: list[RawInstruction] = []
    start, arg, offset, end = 0, 0, 0, len(units)
    while offset < end:
        opname = dis.opname[units[offset]]
        arg = arg << 8 | units[offset + 1]
        offset += 2
        if opname == "EXTENDED_ARG":
            continue
        while offset < end and units[offset] == 0:  # CACHE
            offset += 2
        found.append(RawInstruction(start, offset, opname, arg, len(found)))
        start, arg = offset, 0
    return found


def read_exception_table(code: CodeType) -> list[tuple[int, int, Handler]]:
    """Parse `co_exceptiontable`: (first byte offset, end byte offset, handler), in order and not overlapping."""
    data = iter(code.co_exceptiontable)

    def varint(first: int) -> int:
        value = first & 63
        while first & 64:
            first = next(data)
            value = value << 6 | first & 63
        return value

    found = []
    for first in data:
        start = varint(first) * 2
        length = varint(next(data)) * 2
        target = varint(next(data)) * 2
        depth_and_lasti = varint(next(data))
        found.append((start, start + length, Handler(target, depth_and_lasti >> 1, bool(depth_and_lasti & 1))))
    return found


def local_names(code: CodeType) -> tuple[str, ...]:
    """Names of the localsplus, in CPython's order."""
    names = code.co_varnames
    return names + tuple(name for name in code.co_cellvars if name not in names) + code.co_freevars


def refusal(code: CodeType) -> str:
    """Why `code` cannot be looked into, as a sentence, or ""."""
    for flag, noun in _GENERATOR_FLAGS.items():
        if code.co_flags & flag:
            return f"{code.co_qualname} is {noun}; it is called, not traced"
    if not code.co_flags & inspect.CO_OPTIMIZED:
        return f"{code.co_qualname} is a class body or a module, whose variables live in a dictionary; it is run, not traced"
    return ""


def _binary_operators() -> Iterator[str]:
    symbols = ("+", "&", "//", "<<", "@", "*", "%", "|", "**", ">>", "-", "/", "^")
    yield from symbols
    yield from (symbol + "=" for symbol in symbols)


BINARY_OPERATORS = tuple(_binary_operators())
"""The operators by BINARY_OP's argument, the same in all supported versions."""

COMPARISONS = ("<", "<=", "==", "!=", ">", ">=")
"""The operators by COMPARE_OP's number, the same in all supported versions."""

CONVERSIONS = ("", "s", "r", "a")
"""The conversions by number of FORMAT_VALUE and CONVERT_VALUE."""
