"""Walking the values of a snapshot, in the one order that exits, bridges and resume agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir.values import Const, FrameState, Input, Operation, Snapshot, Value, VirtualObject, VirtualSequence

if TYPE_CHECKING:
    from collections.abc import Iterable


def virtual_parts(virtual: VirtualObject | VirtualSequence) -> Iterable[Any]:
    """The values a virtual is built from, in order."""
    if isinstance(virtual, VirtualObject):
        return [value for _, value in virtual.fields]
    return virtual.items


def is_in_circle(sequence: VirtualSequence) -> bool:
    """Whether a sequence is among its own parts, or among theirs."""
    found: set[int] = set()
    left = list(sequence.items)
    while left:
        part = left.pop()
        if part is sequence:
            return True
        if isinstance(part, (VirtualObject, VirtualSequence)) and id(part) not in found:
            found.add(id(part))
            left += virtual_parts(part)
    return False


def live_values(snapshot: Snapshot) -> tuple[Value, ...]:
    """The distinct values (operations and inputs, no constants) that an exit must hand over, in a fixed order.

    Order: depth first from the frames, outermost frame first (locals, stack, kept), then the pending stores, then
    the exception that is raised; parts of a virtual at the virtual's first appearance. A bridge's inputs correspond to
    these one by one. They are found once and kept: whoever builds virtuals fills them before the snapshot is made.
    """
    if snapshot.live is None:
        found: dict[Value, None] = {}
        virtuals: set[int] = set()
        for frame in snapshot.frames:
            if frame.live is None:
                frame.live = _plain_values(frame)
            if frame.live is None:
                _collect(frame.values(), found, virtuals)
            else:
                found.update(frame.live)
        for store in snapshot.pending:
            _collect(store.args, found, virtuals)
        _collect((snapshot.raising,), found, virtuals)
        snapshot.live = tuple(found)
    return snapshot.live


def _plain_values(frame: FrameState) -> dict[Value, None] | None:
    """The frame's own values; None if it has virtuals, whose parts may have come up in a frame before it."""
    found: dict[Value, None] = {}
    for value in frame.values():
        cls = value.__class__
        if cls is Operation or cls is Input:
            found[value] = None
        elif cls is not Const:
            return None
    return found


def _collect(values: Iterable[Any], found: dict[Value, None], virtuals: set[int]) -> None:
    for value in values:
        cls = value.__class__
        if cls is Operation or cls is Input:
            found[value] = None  # one that is there keeps its place
        elif cls is VirtualObject or cls is VirtualSequence:
            if id(value) not in virtuals:
                virtuals.add(id(value))
                _collect(virtual_parts(value), found, virtuals)
        else:
            assert cls is Const or value is None, value
