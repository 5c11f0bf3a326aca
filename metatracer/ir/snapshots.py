"""Walking the values of a snapshot, in the one order that exits, bridges and resume agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir.values import Const, Snapshot, Value, VirtualObject, VirtualSequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def _roots(snapshot: Snapshot) -> Iterator[Any]:
    for frame in snapshot.frames:
        yield from frame.values()
    for store in snapshot.pending:
        yield from store.args
    if snapshot.raising is not None:
        yield snapshot.raising


def virtual_parts(virtual: VirtualObject | VirtualSequence) -> Iterable[Any]:
    """The values a virtual is built from, in order."""
    if isinstance(virtual, VirtualObject):
        return [value for _, value in virtual.fields]
    return virtual.items


def live_values(snapshot: Snapshot) -> tuple[Value, ...]:
    """The distinct values (operations and inputs, no constants) that an exit must hand over, in a fixed order.

    Order: depth first from the frames, outermost frame first (locals, stack, kept), then the pending stores, then
    the exception that is raised; parts of a virtual at the virtual's first appearance. A bridge's inputs correspond to
    these one by one.
    """
    found: dict[int, Value] = {}
    seen_virtuals: set[int] = set()

    def visit(value: Any) -> None:
        if isinstance(value, (VirtualObject, VirtualSequence)):
            if id(value) not in seen_virtuals:
                seen_virtuals.add(id(value))
                for part in virtual_parts(value):
                    visit(part)
        elif isinstance(value, Value) and not isinstance(value, Const):
            found.setdefault(id(value), value)

    for root in _roots(snapshot):
        visit(root)
    return tuple(found.values())
