"""Where the `yield`s of a generator's code are."""

from __future__ import annotations

import dis
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType


@functools.lru_cache(256)
def yield_places(code: CodeType) -> tuple[tuple[int, ...], int]:
    """The byte offsets of its `yield`s in order, and of the instruction that makes the generator."""
    found: list[int] = []
    start = 0
    for instruction in dis.get_instructions(code):
        if instruction.opname == "YIELD_VALUE":
            found.append(instruction.offset)
        elif instruction.opname == "RETURN_GENERATOR":
            start = instruction.offset
    return tuple(found), start


@functools.lru_cache(256)
def delegating(code: CodeType) -> tuple[bool, ...]:
    """For each `yield` whether it is that of a `yield from`."""
    found: list[bool] = []
    before = ""
    for instruction in dis.get_instructions(code):
        if instruction.opname == "YIELD_VALUE":
            found.append(before == "SEND")
        before = instruction.opname
    return tuple(found)
