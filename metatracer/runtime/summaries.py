"""What calling a loop may do to the heap, found out from its code; and who relies on that.

A caller need not store what it has put off, nor forget what it knows, before it calls machine code that looks at nothing
it could mean. What a loop may do is the union over its tree: root, bridges, and the loops these jump to or call. When a
tree grows by something that does more, the callers that relied on less are invalidated. (What happens after a callee has
left its machine code does not count: its callers have left theirs then, see `Unwound`.)
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metatracer.ir.effects import effects
from metatracer.ir.opcodes import CALL_LOOP, JUMP, Effect
from metatracer.ir.values import LabelRef, LoopRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metatracer.ir.values import Trace
    from metatracer.runtime.loops import Loop, Piece

_LEAVING = frozenset({"finish", "finish_parts", "finish_raise", "jump", "label", "merge_point"})


@dataclass(frozen=True, slots=True)
class Summary:
    """Effects on objects that existed before.

    Attributes:
        reads, writes: Kinds of places.
        runs_code: It may run any Python code.
    """

    reads: Effect = Effect.NONE
    writes: Effect = Effect.NONE
    runs_code: bool = False

    def __or__(self, other: Summary) -> Summary:
        return Summary(self.reads | other.reads, self.writes | other.writes, self.runs_code or other.runs_code)

    def covers(self, other: Summary) -> bool:
        """Whether the other does nothing more."""
        return self | other == self


NOTHING = Summary()
EVERYTHING = Summary(Effect.ANY, Effect.ANY, True)


@dataclass(slots=True, eq=False)
class Reliance:
    """Code relies on what a loop may do.

    Attributes:
        loop: The loop.
        summary: What is relied on.
        reached: The loops whose code was looked at.
        piece: The code that relies on it; None while it is being made.
    """

    loop: Loop
    summary: Summary
    reached: frozenset[Loop]
    piece: Piece | None = None


_relying: dict[Loop, list[Reliance]] = {}
"""Reliances by the loops that they reach."""
_collecting = threading.local()


def own_summary(trace: Trace) -> tuple[Summary, tuple[Loop, ...]]:
    """What the operations of a trace do, apart from the loops that it goes to or calls; and these."""
    summary = NOTHING
    fresh: set[object] = set()
    loops: list[Loop] = []
    for op in trace.operations:
        opcode = op.opcode
        if opcode is CALL_LOOP or opcode is JUMP:
            if isinstance(op.descr, LoopRef):
                loops.append(op.descr.token)
            elif isinstance(op.descr, LabelRef):
                loops.append(op.descr.token.loop)
            continue
        if opcode.name in _LEAVING or opcode.is_guard:
            continue
        if opcode.allocates:
            fresh.add(op)
            continue
        if op.args and op.args[0] in fresh and not opcode.runs_code and opcode.descr != "cfunction":
            continue
        reads, writes = effects(op)
        runs_code = opcode.runs_code or (opcode.descr == "cfunction" and op.descr.runs_code)
        summary = summary | Summary(reads, writes, runs_code)
    return summary, tuple(loops)


def summary_of(loop: Loop) -> tuple[Summary, frozenset[Loop]]:
    """What entering a loop may do, and the loops that can be reached from it."""
    summary = NOTHING
    reached: dict[Loop, None] = {loop: None}
    work = [loop]
    while work:
        found = work.pop()
        if found.piece is None:
            return EVERYTHING, frozenset(reached)
        pieces = [found.piece, *found.beside]
        while pieces:
            piece = pieces.pop()
            pieces += [guard.bridge for guard in piece.guards.values() if guard.bridge is not None]
            own, targets = piece.summary
            summary = summary | own
            for target in targets:
                if target not in reached:
                    reached[target] = None
                    work.append(target)
        if summary.runs_code:
            return EVERYTHING, frozenset(reached)
    return summary, frozenset(reached)


def rely_on(loop: Loop) -> Summary:
    """What calling a loop may do, as things are; the code being optimized relies on it from now on."""
    summary, reached = summary_of(loop)
    collected: list[Reliance] | None = getattr(_collecting, "reliances", None)
    summary = summary | loop.done_before
    if collected is None or summary == EVERYTHING:
        return EVERYTHING
    collected.append(Reliance(loop, summary, reached))
    return summary


@contextmanager
def collecting() -> Iterator[list[Reliance]]:
    """Collect what the trace that is optimized inside relies on."""
    outer = getattr(_collecting, "reliances", None)
    _collecting.reliances = []
    try:
        yield _collecting.reliances
    finally:
        _collecting.reliances = outer


def still_hold(reliances: list[Reliance]) -> bool:
    """Whether nothing was added meanwhile that does more."""
    return all(reliance.summary.covers(summary_of(reliance.loop)[0]) for reliance in reliances)


def register(piece: Piece, reliances: list[Reliance]) -> None:
    """Invalidate the code when one of its reliances breaks."""
    for reliance in reliances:
        reliance.piece = piece
        for loop in reliance.reached:
            _relying.setdefault(loop, []).append(reliance)


def forget(piece: Piece) -> None:
    """The code is gone, and with it what it relied on."""
    for loop, reliances in list(_relying.items()):
        left = [reliance for reliance in reliances if reliance.piece is not piece]
        if left:
            _relying[loop] = left
        else:
            del _relying[loop]


def code_added(piece: Piece) -> None:
    """Code was put in place: invalidate what relied on its loop doing less."""
    for reliance in list(_relying.get(piece.loop, ())):
        relying = reliance.piece
        assert relying is not None
        if relying.reason:
            continue
        summary, reached = summary_of(reliance.loop)
        if not reliance.summary.covers(summary):
            # Functions that call each other would else be invalidated, and compiled again without each other, for ever.
            reliance.loop.done_before = reliance.loop.done_before | summary
            relying.invalidate("code that it calls does more than it did")
            continue
        for loop in reached - reliance.reached:
            _relying.setdefault(loop, []).append(reliance)
        reliance.reached = reached
