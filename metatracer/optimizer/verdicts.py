"""What a handler of the forward pass can answer, and what it can ask about an operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from metatracer.ir.opcodes import Effect, Opcode
from metatracer.ir.values import CFunction, Operation, Value


class Drop:
    """The type of `DROP`."""

    __slots__ = ()


EMIT = None
"""Nothing to say: ask the next handler, and emit the operation after the last."""
DROP = Drop()
"""The operation (one without a result) is not needed, or has been emitted already."""

Verdict = Value | Drop | None
"""`EMIT`, `DROP`, or the value that stands for the result."""
Handler = Callable[[Operation], Verdict]
Handlers = Iterable[tuple[Opcode, Handler]]


class Contradiction(Exception):
    """A guard was found that always fails: what was recorded cannot happen from this state."""


def can_raise(op: Operation) -> bool:
    """Whether an exception may be pending behind an operation."""
    return op.opcode.can_raise or (op.opcode.descr == "cfunction" and op.descr.can_raise)


def effects(op: Operation) -> tuple[Effect, Effect, bool]:
    """What an operation reads, what it writes, and whether it runs code."""
    if op.opcode.descr == "cfunction":
        function: CFunction = op.descr
        return function.reads, function.writes, function.runs_code
    return op.opcode.reads, op.opcode.writes, op.opcode.runs_code
