"""What a particular operation may do: its row's effects, and those of the C function it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir.opcodes import Effect
from metatracer.ir.values import CFunction

if TYPE_CHECKING:
    from metatracer.ir.values import Operation


def effects(op: Operation) -> tuple[Effect, Effect]:
    """What the operation may read and write, the descriptor of a C call included."""
    row: Any = op.descr if isinstance(op.descr, CFunction) else op.opcode
    if row.runs_code:
        return Effect.ANY, Effect.ANY
    return row.reads, row.writes


def has_side_effect(op: Operation) -> bool:
    """Whether the operation must be kept, in order, even when its result is unused."""
    return op.opcode.has_side_effect or bool(effects(op)[1])


def can_raise(op: Operation) -> bool:
    """Whether the operation may leave an exception pending (and so has a guard right behind it)."""
    return op.opcode.can_raise or (isinstance(op.descr, CFunction) and op.descr.can_raise)
