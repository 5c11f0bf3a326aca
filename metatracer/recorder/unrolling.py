"""Which loops of helpers are part of a trace, and up to where; and which guest functions are, no longer.

Up to `max_unroll_loops` iterations of any loop are. A loop through a list or tuple that a constant leads to by way of fields and
constant indices,

    for statement in self.body:
        statement.execute(frame)

walks through a piece of the guest program, such as the statements of a block: each is another one each time, and to have one
trace for all of them would be to have a loop of an interpreter. Such loops are unrolled further. In a bridge, the container of a
loop that the bridge begins in the middle of is nobody's field; there it is a piece of the program if the trace before it took it
for one, which is to say if the loop has been unrolled so far.

When a trace grows too long, the loop that took most of it, of those through data if there is one, is kept out of the next
recording: it gets traces of its own (`runtime.implicit`) however few iterations it has. Where no loop did, the guest function
whose calls took much of it is called from then on, as in RPython (`find_biggest_function`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir.values import Input
from metatracer.recorder.frames import LIST_ITERATOR, TUPLE_ITERATOR
from metatracer.recorder.tuples import is_found_from_constant
from metatracer.recorder.virtuals import VirtualBox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.frames import Box, MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter

if TYPE_CHECKING:
    InlinedCalls = tuple[Sequence[Any], int, int]
    """Greens, calls that have ended, and how many operations they have added."""

MOST_STATEMENTS = 100
"""Items of a piece of the guest program through which a loop is unrolled."""
_APART = "loops apart"
"""A note of a function: headers of loops through data, and headers with the id() of the piece of the program they go through."""
_SHARE = 3
"""A loop, or a function, that is kept out of a trace that was too long took at least one part in so many of it."""
_WORTH_A_CALL = 200
"""Operations that a guest function has to add for each call: smaller ones are not what is to be called."""


def walks_program(frame: MetaFrame, instruction: Instruction) -> bool:
    """Whether the loop with this header goes through a piece of the guest program, and is to be unrolled."""
    return _piece(frame, instruction) is not None


def _piece(frame: MetaFrame, instruction: Instruction) -> Any:
    """The piece of the guest program that a loop goes through, or None."""
    if instruction.op != "for_iter":
        return None
    container = _container(frame.registers[instruction.src[0]])
    if container is None or len(container.object) > MOST_STATEMENTS:
        return None
    if (instruction.index, id(container.object)) in frame.jitcode.notes.get(_APART, ()):
        return None
    value = container.ref
    if isinstance(value, Input):
        return container.object if frame.is_resumed and instruction.index not in frame.headers else None
    return container.object if is_found_from_constant(value) else None


def _container(box: Box | None) -> Box | None:
    """What an iterator in parts goes through."""
    while isinstance(box, VirtualBox) and box.is_virtual and box.cls in (enumerate, zip, LIST_ITERATOR, TUPLE_ITERATOR):
        is_last = box.cls in (LIST_ITERATOR, TUPLE_ITERATOR)
        box = box.parts[0] if box.parts else None
        if is_last:
            return box
    return None


def may_go_round(meta: MetaInterpreter, frame: MetaFrame, target: Instruction) -> bool:
    """A frame goes round a loop of its own: whether that is part of the trace."""
    frame.backward_jumps += 1
    piece = _piece(frame, target)
    if piece is None and target.index in frame.jitcode.notes.get(_APART, ()):
        return False
    if frame.backward_jumps == 1:
        frame.went_round = target.index if piece is None else (target.index, id(piece)), len(meta.operations)
    if frame.backward_jumps <= meta.limits.max_unroll_loops:
        return True
    if piece is None:
        return False
    assert frame.went_round is not None
    start = frame.went_round[1]
    if start + (len(meta.operations) - start) / frame.backward_jumps * len(piece) > meta.limits.trace_limit:
        frame.jitcode.notes.setdefault(_APART, set()).add((target.index, id(piece)))
        return False
    return True


def note_unrolled(meta: MetaInterpreter, frame: MetaFrame) -> None:
    """A frame that has gone round ends, or the recording does: what its iterations, all but the first, have added."""
    assert frame.went_round is not None
    place, start = frame.went_round
    if frame.portal is None and frame.generator is None:
        key = (frame.jitcode, place)
        meta.unrolled[key] = meta.unrolled.get(key, 0) + len(meta.operations) - start


def note_inlined(meta: MetaInterpreter, frame: MetaFrame) -> None:
    """A portal call that was looked into ends: what it has added."""
    assert frame.portal is not None
    assert frame.entry_greens is not None
    key = (frame.portal, frame.entry_key)
    _, calls, size = meta.inlined.get(key, ((), 0, 0))
    meta.inlined[key] = (frame.entry_greens, calls + 1, size + len(meta.operations) - frame.entered_at)


def keep_apart(meta: MetaInterpreter) -> bool:
    """The trace is too long: keep the loop, or the guest function, that took most of it out of the next one.

    Returns:
        Whether it was a guest function, which is called from now on.
    """
    for frame in meta.frames:
        if frame.went_round is not None:
            note_unrolled(meta, frame)
    enough = meta.limits.trace_limit // _SHARE
    sizes = [(type(place) is int, size, jitcode, place) for (jitcode, place), size in meta.unrolled.items() if size >= enough]
    if sizes:
        *_, jitcode, place = max(sizes, key=lambda found: found[:2])
        jitcode.notes.setdefault(_APART, set()).add(place)
        return False
    return _call_apart(meta, enough)


def _call_apart(meta: MetaInterpreter, enough: int) -> bool:
    """Refuse to look into a guest function that took much, one that is called often rather than one that is called once.

    Of calls that have ended, if there are such: one that goes on has no size yet. Else the innermost that is long already.
    """
    ended = [
        (size * (2 - 1 / calls), portal, key, greens)
        for (portal, key), (greens, calls, size) in meta.inlined.items()
        if size >= enough and size >= calls * _WORTH_A_CALL and portal.may_inline(key)
    ]
    if ended:
        _, portal, key, greens = max(ended, key=lambda found: found[0])
        portal.refuse_inlining(key, greens)
        return True
    for frame in reversed(meta.frames):
        if frame.entry_greens is not None and len(meta.operations) - frame.entered_at >= enough:
            assert frame.portal is not None
            frame.portal.refuse_inlining(frame.entry_key, frame.entry_greens)
            return True
    return False
