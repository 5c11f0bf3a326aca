"""The verifier accepts what is valid and says what is wrong with the rest, one mistake a test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings

from metatracer.errors import IRError
from metatracer.ir.cfunctions import CFUNCTIONS
from metatracer.ir.opcodes import OPCODES, Opcode
from metatracer.ir.text import parse_trace
from metatracer.ir.values import (
    NULL,
    CallShape,
    Const,
    Field,
    FrameState,
    Input,
    Operation,
    PendingStore,
    Snapshot,
    Trace,
    Value,
    VirtualObject,
)
from metatracer.ir.verifier import verify
from tests.ir.strategies import FIELDS, NAMESPACE, Case, W_Int, cases


@settings(max_examples=100, deadline=None)
@given(cases(virtuals=True))
def test_drawn_traces_are_valid(case: Case) -> None:
    assert verify(case.trace) is case.trace


VALID = [
    "trace t(r0)\n jump(r0)",
    "trace t(r0, i1)\n label(i2 = i1, r3 = r0)\n jump(i2, r3)",
    "trace t(r0, i1)\n jump(i1) {elsewhere}",
    "trace t(r0)\n guard_nonnull(r0) -> [raise r0]\n finish(r0)",
    "trace bridge(r0)\n guard_no_exception() -> [r0]\n finish(r0)",
    "trace bridge(r0)\n r1 = guard_exception() -> [r0]\n finish_raise(r1)",
    "trace t(r0)\n i1 = call_c_i(r0) {dict_len}\n finish(r0)",
    "trace t(r0)\n r1 = call(r0, r0) {k}\n r2 = guard_exception(r1) -> [r0]\n finish_raise(r2)",
    "trace t(r0)\n guard_true(true) -> [v1: virtual W_Node(next=v1, value=3) ; setfield(v1, 3) {W_Node.next}]\n finish(r0)",
]


@pytest.mark.parametrize("text", VALID)
def test_valid_traces_pass(text: str) -> None:
    verify(parse_trace(text, dict(NAMESPACE)))


INVALID = [
    ("trace t(r0)", "the trace is empty", ""),
    ("trace t(r0)\n r1 = new() {W_Int}", "does not end in jump or finish", "r1 = new()"),
    ("trace t(r0)\n finish(r0)\n finish(r0)", "goes on behind its end", "finish(r0)"),
    ("trace t(r0)\n finish(3)", "argument 1 of finish is of kind 'i', not 'r'", "finish(3)"),
    ("trace t(r0)\n i1 = int_add(1)\n finish(r0)", "int_add takes 'ii', 1 arguments given", "int_add(1)"),
    ("trace t(r0)\n i1 = int_add(1, 1.0)\n finish(r0)", "argument 2 of int_add is of kind 'f'", "int_add(1, 1.0)"),
    ("trace t(r0)\n r1 = new_list(r0, 1)\n finish(r0)", "argument 2 of new_list is of kind 'i'", "new_list(r0, 1)"),
    ("trace t(r0)\n r1 = call()\n finish(r0)", "nothing to call", "r1 = call()"),
    ("trace t(r0)\n r1 = call(r0) {a}\n finish(r0)", "more keywords than arguments", "r1 = call(r0) {a}"),
    ("trace t(r0)\n i1 = int_neg(9223372036854775808)\n finish(r0)", "does not fit 64 bits", "int_neg("),
    ("trace t(r0)\n guard_nonnull(r0)\n finish(r0)", "a guard without a snapshot", "guard_nonnull(r0)"),
    ("trace t(r0)\n i1 = int_neg(1) -> [r0]\n finish(r0)", "only a guard has a snapshot", "int_neg(1)"),
    ("trace t(r0)\n guard_nonnull(r0) -> [nothing]\n finish(r0)", "a snapshot without frames", "guard_nonnull"),
    ("trace t(i0)\n guard_true(true) -> [raise i0]\n finish(None)", "argument 1 of raise is of kind", "guard_true"),
    ("trace t(r0)\n guard_nonnull(r0) -> [_ @ 2: 1=r0, 1=r0]\n finish(r0)", "local is given twice", "guard_nonnull"),
    ("trace t(r0)\n guard_nonnull(r0) -> [_ @ 2: -1=r0]\n finish(r0)", "negative number", "guard_nonnull"),
    ("trace t(r0)\n guard_nonnull(r0) -> [_ @ -2]\n finish(r0)", "index is negative", "guard_nonnull"),
    (
        "trace t(r0)\n guard_nonnull(r0) -> [r0 ; list_pop(r0)]\n finish(r0)",
        "list_pop is not a store that can be delayed",
        "guard_nonnull",
    ),
    (
        "trace t(r0)\n guard_nonnull(r0) -> [r0 ; list_setitem(r0, r0, r0)]\n finish(r0)",
        "argument 2 of the delayed list_setitem is of kind 'r'",
        "guard_nonnull",
    ),
    ("trace t(r0)\n r1 = getfield(r0)\n finish(r0)", "getfield needs a Field", "r1 = getfield(r0)"),
    ("trace t(r0)\n r1 = new()\n finish(r0)", "new needs a type", "r1 = new()"),
    ("trace t(r0)\n merge_point()\n finish(r0)", "merge_point needs a Site", "merge_point()"),
    ("trace t(r0)\n r1 = call_c_r(r0)\n finish(r0)", "call_c_r needs a CFunction", "call_c_r(r0)"),
    ("trace t(r0)\n r1 = call_portal(r0)\n finish(r0)", "call_portal needs a LoopRef", "call_portal(r0)"),
    ("trace t(r0)\n i1 = int_neg(1) {3}\n finish(r0)", "int_neg takes no descriptor", "int_neg(1) {3}"),
    ("trace t(i0)\n guard_int_value(i0) {'a'} -> [i0]\n finish(None)", "no 64-bit int", "guard_int_value"),
    ("trace t(r0)\n guard_value(r0) {NULL} -> [r0]\n finish(r0)", "descriptor is NULL", "guard_value"),
    ("trace t(r0)\n guard_array_typecode(r0) {'x'} -> [r0]\n finish(r0)", "'x' is no typecode", "guard_array"),
    ("trace t(r0)\n i1 = array_getitem_i(r0, 0) {'d'} -> [r0]\n finish(r0)", "'d' is no typecode", "array_getitem_i"),
    ("trace t(r0)\n f1 = array_getitem_f(r0, 0) {'i'}\n finish(r0)", "'i' is no typecode", "array_getitem_f"),
    ("trace t(r0)\n i1 = call_c_i(r0) {object_str}\n finish(r0)", "gives kind 'r', call_c_i 'i'", "call_c_i"),
    ("trace t(r0)\n r1 = call_c_r(r0) {number_add}\n finish(r0)", "call_c_r takes 'rr', 1 arguments", "call_c_r"),
    ("trace t(r0)\n r1 = call(r0)\n finish(r0)", "not followed by its exception guard", "finish(r0)"),
    ("trace t(r0)\n r1 = call_c_r(r0) {object_str}\n finish(r0)", "not followed by its exception guard", "finish"),
    (
        "trace t(r0)\n r1 = call(r0)\n i2 = int_neg(1)\n guard_no_exception(r1) -> [r0]\n finish(r0)",
        "not followed by its exception guard",
        "int_neg",
    ),
    (
        "trace t(r0)\n i1 = call_c_i(r0) {dict_len}\n guard_no_exception(i1) -> [r0]\n finish(r0)",
        "follows no operation that may raise",
        "guard_no_exception(i1)",
    ),
    (
        "trace t(r0)\n r1 = call(r0)\n guard_no_exception(r0) -> [r0]\n finish(r0)",
        "whose argument is not the operation before",
        "guard_no_exception(r0)",
    ),
    ("trace t(r0)\n guard_no_exception(r0) -> [r0]\n finish(r0)", "first exception guard has no argument", "guard_no"),
    ("trace t(r0)\n label(r1 = r0)\n label(r2 = r1)\n jump(r2)", "a second label", "label(r2 = r1)"),
    ("trace t(r0)\n label(i1 = r0)\n jump(i1)", "a parameter of kind 'i' is given 'r'", "label("),
    (
        "trace t(r0)\n label(r1 = r0)\n jump(r0)",
        "a value from before the label is used behind it",
        "jump(r0)",
    ),
    (
        "trace t(r0)\n label(r1 = r0)\n guard_nonnull(r1) -> [r0]\n jump(r1)",
        "a value from before the label is used behind it",
        "guard_nonnull",
    ),
    ("trace t(r0)\n jump()", "the jump gives 0 values for 1", "jump()"),
    ("trace t(r0)\n jump(1)", "argument 1 of the jump is of kind 'i', not 'r'", "jump(1)"),
    ("trace t(r0)\n label(i1 = 1)\n jump(r0)", "from before the label", "jump("),
    ("trace t()\n label(i1 = 1)\n jump(true)", "argument 1 of the jump is of kind 'b', not 'i'", "jump(true)"),
]


@pytest.mark.parametrize(("text", "message", "line"), INVALID)
def test_each_mistake_is_found_and_its_line_shown(text: str, message: str, line: str) -> None:
    trace = parse_trace(text, dict(NAMESPACE))
    with pytest.raises(IRError) as caught:
        verify(trace)
    found, _, shown = str(caught.value).partition(" in: ")
    assert message in found
    assert line in shown


def _op(name: str, *args: Value, **rest: object) -> Operation:
    return Operation(OPCODES[name], args, **rest)  # type: ignore[arg-type]


def _plain(*values: object) -> Snapshot:
    return Snapshot((FrameState(None, None, 0, -1, tuple(range(len(values))), tuple(values), ()),))


def _use_before_definition() -> Trace:
    late = _op("int_neg", Const("i", 1))
    return Trace((), [_op("int_neg", late), late, _op("finish", NULL)])


def _defined_twice() -> Trace:
    op = _op("int_neg", Const("i", 1))
    return Trace((), [op, op, _op("finish", NULL)])


def _own_result_in_snapshot() -> Trace:
    value = Input("r")
    guard = _op("int_unbox", value)
    guard.snapshot = _plain(guard)
    return Trace((value,), [guard, _op("finish", value)])


def _virtual_of_an_undefined_value() -> Trace:
    virtual = VirtualObject(W_Int, [(FIELDS[W_Int][0], Input("i"))])
    return Trace((), [_op("guard_not_invalidated", snapshot=_plain(virtual)), _op("finish", NULL)])


def _virtual_with_a_foreign_field() -> Trace:
    virtual = VirtualObject(W_Int, [(Field(dict, "x", "slot", 16), NULL)])
    return Trace((), [_op("guard_not_invalidated", snapshot=_plain(virtual)), _op("finish", NULL)])


def _snapshot_used_before_and_behind_the_label() -> Trace:
    value, param = Input("r"), Input("r")
    snapshot = _plain(value)
    return Trace(
        (value,),
        [
            _op("guard_nonnull", value, snapshot=snapshot),
            _op("label", value, params=(param,)),
            _op("guard_nonnull", param, snapshot=snapshot),
            _op("jump", param),
        ],
    )


def _not_a_value_in_a_snapshot() -> Trace:
    return Trace((), [_op("guard_not_invalidated", snapshot=_plain(3)), _op("finish", NULL)])


def _pending_of_an_undefined_value() -> Trace:
    snapshot = Snapshot(_plain().frames, (PendingStore(OPCODES["cell_set"], (Input("r"), NULL)),))
    return Trace((), [_op("guard_not_invalidated", snapshot=snapshot), _op("finish", NULL)])


def _label_of_other_length() -> Trace:
    return Trace((), [_op("label", NULL), _op("jump")])


def _params_elsewhere() -> Trace:
    return Trace((), [_op("finish", NULL, params=(Input("r"),))])


def _unknown_operation() -> Trace:
    return Trace((), [Operation(Opcode("int_add", "ii", "i"), (Const("i", 1), Const("i", 1))), _op("finish", NULL)])


def _wrong_constant(kind: str, value: object) -> Callable[[], Trace]:
    return lambda: Trace((), [_op("jump", Const(kind, value), descr=None)])


def _kept_without_finish() -> Trace:
    snapshot = Snapshot((FrameState(None, None, 0, -1, (), (), (), None, (NULL,)),))
    return Trace((), [_op("guard_not_invalidated", snapshot=snapshot), _op("finish", NULL)])


def _operation_as_input() -> Trace:
    op = _op("int_neg", Const("i", 1))
    return Trace((op,), [_op("finish", NULL)])  # type: ignore[arg-type]


def _call_without_shape() -> Trace:
    return Trace((), [_op("call", NULL), _op("finish", NULL)])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (_use_before_definition, "used that is not defined before"),
        (_defined_twice, "a value is defined twice"),
        (_own_result_in_snapshot, "used that is not defined before"),
        (_virtual_of_an_undefined_value, "used that is not defined before"),
        (_virtual_with_a_foreign_field, "a virtual W_Int has no field of dict"),
        (_snapshot_used_before_and_behind_the_label, "from before the label"),
        (_not_a_value_in_a_snapshot, "3 is not a value"),
        (_pending_of_an_undefined_value, "used that is not defined before"),
        (_label_of_other_length, "parameters do not match"),
        (_params_elsewhere, "only a label has parameters"),
        (_unknown_operation, "not in the table"),
        (_wrong_constant("i", True), "constant True is not of kind 'i'"),
        (_wrong_constant("f", 1), "constant 1 is not of kind 'f'"),
        (_wrong_constant("b", 1), "constant 1 is not of kind 'b'"),
        (_wrong_constant("x", 1), "a constant of kind 'x'"),
        (_kept_without_finish, "keeps values for no finish"),
        (_operation_as_input, "an input is not an Input"),
        (_call_without_shape, "call needs a CallShape"),
    ],
)
def test_mistakes_that_text_cannot_say_are_found(build: Callable[[], Trace], message: str) -> None:
    with pytest.raises(IRError) as caught:
        verify(build())
    assert message in str(caught.value)


def test_every_operation_has_a_descriptor_sort_the_verifier_knows() -> None:
    sorts = {opcode.descr for opcode in OPCODES.values()}
    assert sorts == {"", "field", "type", "value", "cfunction", "call", "site", "loop"}


def test_the_shape_of_a_call_is_checked_with_its_row() -> None:
    value = Input("r")
    call = _op("call_c_r", value, value, descr=CFUNCTIONS["number_add"])
    guard = _op("guard_no_exception", call, snapshot=_plain(value))
    verify(Trace((value,), [call, guard, _op("finish", call)]))
    call = _op("call", value, value, value, descr=CallShape(("a", "b")))
    verify(Trace((value,), [call, _op("guard_no_exception", call, snapshot=_plain()), _op("finish", call)]))
