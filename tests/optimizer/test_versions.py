"""Versions of loops: what is passed for arguments that were not allocated, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest

from metatracer.backend.fields import field_for
from metatracer.hints import value_class
from metatracer.ir.opcodes import INT_BOX, Effect
from metatracer.ir.shapes import Known, Shape, joined, put_together, take_apart
from metatracer.ir.text import parse_trace
from metatracer.ir.values import NULL_OBJECT, LoopRef, Trace
from metatracer.ir.verifier import verify
from metatracer.optimizer.pipeline import optimize
from metatracer.optimizer.verdicts import Contradiction
from metatracer.optimizer.versions import Goal
from tests.optimizer.text import NAMESPACE, W_Int, W_Pair, names

INT = Shape("leaf", "i")
BOXED = Shape("box", "r", Known(INT_BOX), ((None, INT),))


@value_class
class Number:
    __slots__ = ("value",)
    _immutable_fields_ = ["value"]


def boxed(cls: type, name: str, number: int = 0) -> Shape:
    """An instance with a boxed int in one field."""
    return Shape("object", "r", Known(cls), ((field_for(cls, name), BOXED),), number)


class Callee:
    """A loop that notes the shapes it is asked for."""

    def __init__(self, effects: tuple[Effect, Effect, bool] = (Effect.NONE, Effect.NONE, False)) -> None:
        self.asked: list[Any] = []
        self.version = LoopRef("version", effects=lambda: effects, returns_parts=True)
        self.ref = LoopRef("callee", version_for=self.version_for, effects=lambda: effects)

    def version_for(self, shapes: Any) -> LoopRef:
        self.asked.append(shapes)
        return self.version


def read(text: str, **more: Any) -> Trace:
    trace = parse_trace("trace " + text, {**NAMESPACE, "Number": Number, **more})
    verify(trace)
    return trace


def made(trace: Trace, goal: Goal | None = None) -> Trace:
    built = optimize(trace, goal=goal or Goal())
    verify(built)
    return built


CALL = """t(r0: int, r1)
 i2 = int_unbox(r0) -> [r0]
 i3 = int_add_ovf(i2, 1) -> [r0]
 r4 = int_box(i3)
 r5 = new() {CLASS}
 setfield(r5, r4) {CLASS.value}
 r6 = call_loop(r5) {callee}
 guard_no_exception(r6) -> [SNAPSHOT]
 guard_not_invalidated() -> [SNAPSHOT]
 finish(r6)"""


def test_a_call_passes_the_parts_of_what_only_the_callee_gets() -> None:
    callee = Callee()
    built = made(read(CALL.replace("CLASS", "W_Int").replace("SNAPSHOT", "r1"), callee=callee.ref))
    assert "new" not in names(built.operations)
    (call,) = [op for op in built.operations if op.opcode.name == "call_loop"]
    assert call.descr is callee.version
    assert [arg.kind for arg in call.args] == ["i"]
    assert callee.asked[-1] == (boxed(W_Int, "value"),)


def test_an_object_that_the_caller_keeps_is_allocated() -> None:
    callee = Callee()
    built = made(read(CALL.replace("CLASS", "W_Int").replace("SNAPSHOT", "r5"), callee=callee.ref))
    assert names(built.operations).count("new") == 1
    (call,) = [op for op in built.operations if op.opcode.name == "call_loop"]
    assert [arg.kind for arg in call.args] == ["r"]


def test_a_value_that_the_caller_keeps_is_passed_in_parts_all_the_same() -> None:
    callee = Callee()
    built = made(read(CALL.replace("CLASS", "Number").replace("SNAPSHOT", "r5"), callee=callee.ref))
    assert "new" not in names(built.operations)
    assert callee.asked[-1][0].known == Known(Number)


STORED = """t(r0, r1: W_Pair)
 guard_type(r0) {int} -> [r0]
 setfield(r1, r0) {W_Pair.left}
 r2 = call_loop(r0) {callee}
 guard_no_exception(r2) -> [r1]
 guard_not_invalidated() -> [r1]
 r3 = getfield(r1) {W_Pair.left}
 finish(r3)"""


@pytest.mark.parametrize(
    ("effects", "before"),
    [
        ((Effect.NONE, Effect.NONE, False), False),
        ((Effect.LIST, Effect.LIST, False), False),
        ((Effect.FIELD, Effect.NONE, False), True),
        ((Effect.NONE, Effect.FIELD, False), True),
        ((Effect.ANY, Effect.ANY, True), True),
    ],
)
def test_a_store_waits_behind_a_call_that_cannot_see_it(effects: Any, before: bool) -> None:
    callee = Callee(effects)
    built = made(read(STORED, callee=callee.ref))
    order = names(built.operations)
    assert (order.index("setfield") < order.index("call_loop")) is before
    assert ("getfield" in order) is bool(effects[1] & Effect.FIELD)


RETURNS = """t(r0)
 guard_type(r0) {W_Int} -> [r0]
 r1 = getfield(r0) {W_Int.value}
 guard_type(r1) {int} -> [r0]
 i2 = int_unbox(r1) -> [r0]
 i3 = int_add_ovf(i2, 1) -> [r0]
 r4 = int_box(i3)
 r5 = new() {W_Int}
 setfield(r5, r4) {W_Int.value}
 finish(r5)"""


def test_a_version_takes_and_returns_numbers() -> None:
    built = made(read(RETURNS), Goal((boxed(W_Int, "value"),), returns_parts=True))
    assert [value.kind for value in built.inputs] == ["i"]
    assert names(built.operations) == ["int_add_ovf", "finish_parts"]
    (shape,) = [op.descr for op in built.operations if op.opcode.name == "finish_parts"]
    assert shape == boxed(W_Int, "value", -1)


def test_who_does_not_take_parts_gets_an_object() -> None:
    built = made(read(RETURNS), Goal((boxed(W_Int, "value"),)))
    assert names(built.operations) == ["int_add_ovf", "new", "int_box", "setfield", "finish"]


def test_a_version_of_another_class_is_refused() -> None:
    with pytest.raises(Contradiction):
        optimize(read(RETURNS), goal=Goal((boxed(W_Pair, "left"),), returns_parts=True))


RECEIVES = """t(r0: int)
 r1 = call_loop(r0) {callee}
 guard_no_exception(r1) -> [r0]
 guard_parts(r1) {shape} -> [r1]
 guard_not_invalidated() -> [r1]
 guard_type(r1) {W_Int} -> [r1]
 r2 = getfield(r1) {W_Int.value}
 guard_type(r2) {int} -> [r1]
 i3 = int_unbox(r2) -> [r1]
 i4 = int_add_ovf(i3, 1) -> [r1]
 r5 = int_box(i4)
 finish(r5)"""


def test_a_result_in_parts_is_not_allocated() -> None:
    callee = Callee()
    callee.ref.returns_parts = True
    built = made(read(RECEIVES, callee=callee.ref, shape=boxed(W_Int, "value", -1)))
    order = names(built.operations)
    assert order[-3:] == ["int_add_ovf", "int_box", "finish"]
    assert "result_part_i" in order
    assert "getfield" not in order


def test_the_common_entry_gives_objects() -> None:
    callee = LoopRef("callee")
    built = made(read(RECEIVES, callee=callee, shape=boxed(W_Int, "value", -1)))
    assert "guard_parts" not in names(built.operations)
    assert "getfield" in names(built.operations)


def test_objects_of_a_shape_are_taken_apart_and_put_together() -> None:
    shape = boxed(W_Int, "value", -1)
    made_again = put_together(shape, [5])
    assert type(made_again) is W_Int
    assert made_again.value == 5
    assert take_apart(shape, made_again) == [5]
    made_again.value = 1 << 64
    assert take_apart(shape, made_again) is None
    made_again.value = True
    assert take_apart(shape, made_again) is None
    assert take_apart(shape, W_Pair()) is None
    assert take_apart(shape, W_Int()) is None
    assert take_apart(BOXED, 7) == [7]
    assert put_together(BOXED, [7]) == 7


# --- shapes that serve several


def leaf(cls: type | None = None) -> Shape:
    return Shape("leaf", "r", None if cls is None else Known(cls))


def constant(value: Any) -> Shape:
    return Shape("const", "r", Known(value))


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (leaf(int), leaf(str), leaf()),
        (leaf(int), leaf(), leaf()),
        (leaf(int), constant("x"), leaf()),
        (leaf(int), constant(NULL_OBJECT), None),
        (constant("x"), constant("y"), None),
        (BOXED, leaf(), None),
        (INT, leaf(), None),
    ],
)
def test_shapes_are_joined_where_only_leaves_differ(first: Shape, second: Shape, both: Shape | None) -> None:
    assert joined(first, second) == joined(second, first) == both
    around, other = (Shape("items", "r", Known(tuple), ((None, part), (None, BOXED)), 0) for part in (first, second))
    expected = None if both is None else Shape("items", "r", Known(tuple), ((None, both), (None, BOXED)), 0)
    assert joined(around, other) == expected


def test_items_of_other_lengths_are_not_joined() -> None:
    assert joined(Shape("items", "r", Known(tuple), (), 0), Shape("items", "r", Known(tuple), ((None, leaf()),), 0)) is None


def test_a_more_general_version_is_passed_constants_as_values() -> None:
    general = (Shape("items", "r", Known(tuple), ((None, leaf()), (None, leaf())), 0),)
    callee = Callee()
    callee.version.shapes = general
    built = made(
        read(
            """t(r0: int, r1)
             r5 = new_tuple("x", r0)
             r6 = call_loop(r5) {callee}
             guard_no_exception(r6) -> [r1]
             guard_not_invalidated() -> [r1]
             finish(r6)""",
            callee=callee.ref,
        )
    )
    (call,) = [op for op in built.operations if op.opcode.name == "call_loop"]
    assert callee.asked[-1][0].parts[0][1].form == "const"
    assert [getattr(arg, "value", arg) for arg in call.args] == ["x", built.inputs[0]]
