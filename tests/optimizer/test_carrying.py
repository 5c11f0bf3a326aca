"""Loops that carry numbers which only their bridges count: what is found, what the loop looks like, and what stays in memory."""

from __future__ import annotations

from typing import Any

import pytest

from metatracer.ir.evaluator import run
from metatracer.ir.text import parse_trace
from metatracer.ir.values import LabelRef, LoopRef, Trace
from metatracer.ir.verifier import verify
from metatracer.optimizer.carrying import Place
from metatracer.optimizer.pipeline import PASSES, optimize
from metatracer.optimizer.versions import Goal
from tests.ir.strategies import leave_at_attention
from tests.optimizer.text import NAMESPACE, Amount, W_Int, body, names

READ = """
 r20 = list_getitem(r0, {number})
 guard_type(r20) {{Amount}} -> [r0]
 r21 = getfield(r20) {{Amount.value}}
 guard_nonnull(r21) -> [r0]
 guard_type(r21) {{int}} -> [r0]
 i22 = int_unbox(r21) -> [r0]
 i23 = int_add_ovf(i22, {step}) -> [r0]
 r24 = int_box(i23)
 r25 = new() {{Amount}}
 setfield(r25, r24) {{Amount.value}}
 list_setitem(r0, {number}, r25)
"""
LOOP = (
    "t(r0)\n guard_no_attention() -> [r0]\n guard_type(r0) {list} -> [r0]\n i1 = list_len(r0)\n"
    " b2 = int_lt(2, i1)\n guard_true(b2) -> [r0]"
    + READ.format(number=0, step=1)
    + " b30 = int_lt(i23, 40)\n guard_true(b30) -> [r0]\n jump(r0)"
)
"""Counts item 0 up; its bridges count item 1."""
BRIDGE = (
    "b(r0: list)\n guard_no_attention() -> [r0]\n i1 = list_len(r0)\n b2 = int_lt(2, i1)\n guard_true(b2) -> [r0]"
    + READ.format(number=1, step=3)
    + " jump(r0) {target}"
)


def amount(value: Any, cls: type = Amount) -> Any:
    made = cls()
    made.value = value
    return made


def loop(text: str = LOOP, carried: tuple[Place, ...] = ()) -> tuple[Trace, LoopRef]:
    trace = optimize(parse_trace("trace " + text + "\n", dict(NAMESPACE)), passes=PASSES, goal=Goal(carried=carried))
    verify(trace)
    assert trace.label is not None
    target = LoopRef("target", token=trace)
    target.label = LabelRef("target_label", trace.label.params, entry=trace.entry)
    return trace, target


def bridge(target: LoopRef, text: str = BRIDGE) -> tuple[Trace, list[Place]]:
    goal = Goal(own_label=target.label)
    trace = optimize(parse_trace("trace " + text + "\n", {**NAMESPACE, "target": target}), passes=PASSES, goal=goal)
    verify(trace)
    return trace, goal.boxed


def found(text: str = BRIDGE) -> tuple[Place, ...]:
    return tuple(bridge(loop()[1], text)[1])


def test_what_a_bridge_boxes_is_found() -> None:
    (place,) = found()
    assert (place.argument, place.steps, place.cls) == (0, (1,), Amount)
    assert place.box.name == "int_box"


def test_a_number_that_is_only_stored_is_not_wanted() -> None:
    """Nothing says that the loop finds a number there."""
    stores = "b(r0: list, i5)\n guard_no_attention() -> [r0, i5]\n r6 = int_box(i5)\n list_setitem(r0, 1, r6)\n jump(r0) {target}"
    assert found(stores) == ()


def test_objects_with_identity_stay_in_memory() -> None:
    assert found(BRIDGE.replace("Amount", "W_Int")) == ()


def test_the_loop_carries_the_number_and_its_bridges_box_nothing() -> None:
    trace, target = loop(carried=found())
    inside = body(trace)
    assert not {"list_getitem", "getfield", "new", "int_box", "list_setitem"} & set(names(inside))
    assert trace.label is not None
    assert sum(param.kind == "i" for param in trace.label.params) == 2
    made, boxed = bridge(target)
    assert not {"new", "int_box", "list_setitem"} & set(names(made.operations))
    assert isinstance(made.operations[-1].descr, LabelRef)
    assert boxed == []


def left(trace: Trace, second: Any, at: int | None = None) -> list[Any]:
    """The list after a run, left at that iteration."""
    items = [amount(0), second, amount(1)]
    leaving = run(trace, [items], force_exit=None if at is None else leave_at_attention(at))
    leaving.apply_pending()
    return items


@pytest.mark.parametrize("at", [2, 3, 7, None])
@pytest.mark.parametrize("second", [5, 0, -(1 << 63)])
def test_whoever_leaves_finds_the_number_in_its_place(at: int | None, second: int) -> None:
    items = left(loop(carried=found())[0], amount(second), at)
    assert [item.value for item in items] == [40 if at is None else at - 1, second, 1]


@pytest.mark.parametrize("other", ["text", amount(5, W_Int), amount(5.0), amount("text"), amount(1 << 63)])
def test_another_thing_in_that_place_is_left_alone(other: Any) -> None:
    """The loop is left behind its first iteration."""
    items = left(loop(carried=found())[0], other)
    assert items[1] is other
    assert items[0].value == 1


def test_a_place_that_is_not_there_is_not_carried() -> None:
    (place,) = found()
    trace = loop(carried=(Place(0, (1, 4), place.box, place.field, place.cls),))[0]
    assert trace.entry.carried == ()
    assert sum(param.kind == "i" for param in trace.label.params) == 1
