"""Frames from a guard's snapshot: what is virtual is made once, whatever refers to it."""

from __future__ import annotations

from types import CellType, SimpleNamespace

import pytest

from metatracer.backend.fields import field_for
from metatracer.ir import opcodes as ops
from metatracer.ir.snapshots import live_values
from metatracer.ir.values import (
    NULL_OBJECT,
    Const,
    FrameState,
    Input,
    PendingStore,
    Snapshot,
    VirtualObject,
    VirtualSequence,
)
from metatracer.recorder.resume import ExitPlan


class Node:
    __slots__ = ("other", "value")


OTHER, VALUE = field_for(Node, "other"), field_for(Node, "value")
N_LOCALS = 4


def frame(locals_, stack=()):
    """A frame with these locals, by number."""
    return FrameState(
        SimpleNamespace(n_locals=N_LOCALS), None, 0, -1, tuple(locals_), tuple(locals_.values()), tuple(stack)
    )


def rebuild(snapshot, values):
    return ExitPlan(snapshot, live_values(snapshot)).rebuild(values)


def test_locals_are_in_their_places_and_the_others_unbound():
    first, second = Input("r"), Input("i")
    snapshot = Snapshot((frame({3: first, 1: Const("r", "c")}, [second, Const("r", NULL_OBJECT)]), frame({0: first})))
    outer, inner = rebuild(snapshot, ["a", 7]).frames
    assert outer.locals == (NULL_OBJECT, "c", NULL_OBJECT, "a")
    assert outer.stack == (7, NULL_OBJECT)
    assert inner.locals == ("a", NULL_OBJECT, NULL_OBJECT, NULL_OBJECT)


def test_objects_in_a_circle_through_a_tuple_and_a_cell():
    value = Input("r")
    node, cell = VirtualObject(Node), VirtualSequence(CellType)
    pair = VirtualSequence(tuple, [node, cell])
    node.fields.extend([(OTHER, pair), (VALUE, value)])
    cell.items.append(node)
    again = VirtualSequence(list, [node, node])
    (built,) = rebuild(Snapshot((frame({0: node, 1: pair, 2: again}),)), ["v"]).frames
    made, made_pair, made_list, _ = built.locals
    assert made.other is made_pair
    assert made_pair[0] is made
    assert made_pair[1].cell_contents is made
    assert (made_list[0], made_list[1]) == (made, made)
    assert made.value == "v"


def test_what_is_unbound_stays_unbound():
    value = Input("r")
    node = VirtualObject(Node, [(OTHER, Const("r", NULL_OBJECT)), (VALUE, value)])
    cell = VirtualSequence(CellType, [value])
    (built,) = rebuild(Snapshot((frame({0: node, 1: cell}),)), [NULL_OBJECT]).frames
    assert not hasattr(built.locals[0], "other")
    assert not hasattr(built.locals[0], "value")
    assert built.locals[1] == CellType()


def test_stores_that_were_put_off_are_done_in_order_on_finished_objects():
    target, node = Input("r"), VirtualObject(Node)
    node.fields.append((VALUE, Const("r", "in")))
    stores = (
        PendingStore(ops.SETFIELD, (node, Const("r", "first")), VALUE),
        PendingStore(ops.SETFIELD, (node, Const("r", "second")), VALUE),
        PendingStore(ops.LIST_SETITEM, (target, Const("i", 0), node)),
    )
    items = [None]
    rebuild(Snapshot((frame({}),), stores), [items])
    assert items[0].value == "second"


def test_each_exit_makes_its_own():
    plan = ExitPlan(Snapshot((frame({0: VirtualSequence(list, [Const("r", 1)])}),)), ())
    first, second = (plan.rebuild(()).frames[0].locals[0] for _ in range(2))
    assert first == second == [1]
    assert first is not second


def test_the_number_of_values_is_checked():
    snapshot = Snapshot((frame({0: Input("r")}),))
    with pytest.raises(ValueError, match="2 values for an exit that hands over 1"):
        rebuild(snapshot, [1, 2])
