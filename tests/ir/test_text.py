"""Trace text: what is printed parses to the same, and mistakes are shown with their place."""

from __future__ import annotations

import textwrap
import types
from typing import Any

import pytest
from hypothesis import given, settings

from metatracer.errors import IRError
from metatracer.ir.cfunctions import CFUNCTIONS
from metatracer.ir.opcodes import OPCODES
from metatracer.ir.text import format_trace, parse_trace
from metatracer.ir.values import (
    NULL,
    NULL_OBJECT,
    CallShape,
    Const,
    Field,
    FrameState,
    Input,
    LabelRef,
    LoopRef,
    Operation,
    Site,
    Snapshot,
    Trace,
    Value,
    VirtualObject,
    VirtualSequence,
)
from metatracer.ir.verifier import verify
from tests.ir.strategies import NAMESPACE, Case, W_Int, W_Node, bump, cases


def same(left: Any, right: Any, pairs: dict[int, Any]) -> bool:
    """Structural equality of IR; `pairs` maps values and virtuals of one trace to those of the other."""
    if isinstance(left, Const):
        return left.same_as(right) or (left.kind == right.kind == "f" and left.value != left.value != right.value)
    if isinstance(left, (tuple, list)):
        return len(left) == len(right) and all(same(a, b, pairs) for a, b in zip(left, right, strict=True))
    if id(left) in pairs:
        return pairs[id(left)] is right
    if isinstance(left, Input):
        pairs[id(left)] = right
        return left.kind == right.kind and left.known_type is right.known_type
    if isinstance(left, Operation):
        shown = (
            left.opcode is right.opcode
            and same(left.args, right.args, pairs)
            and same(left.params, right.params, pairs)
            and left.descr == right.descr
            and same(left.snapshot, right.snapshot, pairs)
        )
        pairs[id(left)] = right
        return shown
    if isinstance(left, Snapshot):
        return same([left.frames, left.pending, left.raising], [right.frames, right.pending, right.raising], pairs)
    if isinstance(left, FrameState):
        plain = all(
            getattr(left, name) == getattr(right, name)
            for name in ("jitcode", "function", "index", "throw_index", "finish", "pushes")
        )
        return plain and left.numbers == right.numbers and same(list(left.values()), list(right.values()), pairs)
    if isinstance(left, VirtualObject):
        pairs[id(left)] = right
        fields = [field for field, _ in left.fields] == [field for field, _ in right.fields]
        return left.cls is right.cls and fields and same(
            [value for _, value in left.fields], [value for _, value in right.fields], pairs
        )  # fmt: skip
    if isinstance(left, VirtualSequence):
        pairs[id(left)] = right
        return left.cls is right.cls and same(left.items, right.items, pairs)
    if hasattr(left, "opcode"):
        return left.opcode is right.opcode and same(left.args, right.args, pairs) and left.descr == right.descr
    return left is right


def same_trace(left: Trace, right: Trace) -> bool:
    pairs: dict[int, Any] = {}
    return left.name == right.name and all(
        same(a, b, pairs) for a, b in [(left.inputs, right.inputs), (left.operations, right.operations)]
    )


@settings(max_examples=100, deadline=None)
@given(cases(virtuals=True))
def test_round_trip_gives_the_same_trace(case: Case) -> None:
    namespace = dict(NAMESPACE)
    text = format_trace(case.trace, namespace)
    parsed = parse_trace(text, namespace)
    assert same_trace(case.trace, parsed)
    assert format_trace(parsed, namespace) == text


def test_comparison_of_the_round_trip_test_sees_differences() -> None:
    text = "trace t(r0)\n  i1 = int_unbox(r0) -> [r0]\n  finish(r0)\n"
    other = text.replace("-> [r0]", "-> [&1]")
    assert same_trace(parse_trace(text, {}), parse_trace(text, {}))
    assert not same_trace(parse_trace(text, {}), parse_trace(other, {}))


EVERYTHING = textwrap.dedent(
    """\
    trace loop_calc_12(r0, r1: W_Int, i2, f3, b4)
      merge_point() {'calc', 'pc 12', 'calc.py', 30}
      guard_type(r0) {W_Int} -> [bump @ 24: 0=r0, 3=r1 | r0, NULL]
      r5 = getfield(r0) {W_Int.value slot:16 immutable quasi items}
      i6 = int_unbox(r5) -> [r0, i2, f3, b4]
      i7 = int_add_ovf(i6, -9223372036854775808) -> [bump @ 4!2 finish add_one(r1) nopush / _ @ 2: 1=r0 | i6]
      f8 = float_add(nan, -inf)
      f9 = float_mul(-0.0, 1e+300)
      b10 = int_lt(i7, 3)
      guard_value(r1) {None} -> []
      guard_value(r1) {3} -> [&3, &-2.5, true, false, True, None, Ellipsis, 'a\\n#"', b'\\x00']
      guard_int_value(i2) {-7} -> [v1: virtual W_Node(W_Node.next slot:16 = v1, W_Node.value slot:24 = i2), v1]
      guard_true(b10) -> [virtual list[r0, virtual tuple[i2]], virtual cell[NULL]]
      guard_false(b10) -> [r0 ; setfield(r0, i2) {W_Int.value slot:16}, list_setitem(r1, 0, r0)]
      guard_no_attention() -> [nothing]
      r11 = call(bump, r0, r1) {a, b_2}
      guard_no_exception(r11) -> [r0]
      r12 = call_c_r(r0, r1) {number_add}
      r13 = guard_exception(r12) -> [r0]
      guard_array_typecode(r0) {'i'} -> [r0]
      guard_nonnull(r13) -> [raise r13 ; setfield(r0, i2) {W_Int.value slot:16}]
      guard_nonnull(r13) -> [r0, r1 raise v1: virtual W_Int(W_Int.value slot:16 = v1)]
      guard_nonnull(r13) -> [_ @ 0 raise r13]
      r14 = new() {W_Int}
      r15 = call_portal(r14) {inner}
      label(i16 = i7, r17 = r0, r18: W_Int = r1)
      jump(i16, r17, r18) {outer}
    """
)


def test_every_form_is_printed_as_it_is_read() -> None:
    namespace = dict(NAMESPACE)
    assert format_trace(parse_trace(EVERYTHING, namespace), namespace) == EVERYTHING


def test_parsed_forms_mean_what_they_say() -> None:
    namespace = dict(NAMESPACE)
    trace = parse_trace(EVERYTHING, namespace)
    by_name = {op.opcode.name: op for op in trace.operations}
    assert trace.name == "loop_calc_12"
    assert [value.kind for value in trace.inputs] == ["r", "r", "i", "f", "b"]
    assert trace.inputs[1].known_type is W_Int
    assert by_name["merge_point"].descr == Site("calc", "pc 12", "calc.py", 30)
    assert by_name["getfield"].descr == Field(W_Int, "value", "slot", 16, True, True, True)
    frame = by_name["guard_type"].snapshot.frames[0]
    assert frame.function is bump
    assert frame.index == 24
    assert frame.throw_index == -1
    assert frame.numbers == (0, 3)
    assert frame.locals == (trace.inputs[0], trace.inputs[1])
    assert frame.stack == (trace.inputs[0], NULL)
    outer, inner = by_name["int_add_ovf"].snapshot.frames
    assert (outer.index, outer.throw_index, outer.pushes) == (4, 2, False)
    assert outer.finish is NAMESPACE["add_one"]
    assert outer.kept == (trace.inputs[1],)
    assert inner.function is None
    assert inner.numbers == (1,)
    assert inner.locals == (trace.inputs[0],)
    cyclic = by_name["guard_int_value"].snapshot.frames[0].locals[0]
    assert cyclic.cls is W_Node
    assert cyclic.fields[0][1] is cyclic
    assert by_name["guard_int_value"].descr == -7
    cell = by_name["guard_true"].snapshot.frames[0].locals[1]
    assert cell.cls is types.CellType
    assert cell.items == [NULL]
    assert [store.opcode.name for store in by_name["guard_false"].snapshot.pending] == ["setfield", "list_setitem"]
    assert by_name["guard_no_attention"].snapshot == Snapshot(())
    assert by_name["call"].descr == CallShape(("a", "b_2"))
    assert by_name["call_c_r"].descr is CFUNCTIONS["number_add"]
    assert by_name["call_portal"].descr is namespace["inner"]
    assert isinstance(by_name["jump"].descr, LoopRef)
    assert by_name["jump"].descr.name == "outer"
    assert [param.kind for param in by_name["label"].params] == ["i", "r", "r"]
    assert trace.label is by_name["label"]


def test_raising_snapshots() -> None:
    trace = parse_trace(
        """trace t(r0)
        guard_nonnull(r0) -> [raise r0]
        guard_nonnull(r0) -> [_ @ 0 raise r0]
        finish(r0)""",
        {},
    )
    first, second = [op.snapshot for op in trace.operations[:2]]
    assert first.frames == ()
    assert first.raising is trace.inputs[0]
    assert len(second.frames) == 1
    assert second.raising is trace.inputs[0]


def test_light_forms_are_filled_in() -> None:
    namespace = {"W_Node": W_Node, "W.x": Field(W_Int, "x", "inline", 3)}
    trace = parse_trace(
        """
        # names are free, results may stay unnamed
        trace(r7)
          getfield(r7) {W_Node.value}   # a comment
          r2 = getfield(r7) {W.x}
          guard_nonnull(r2) -> [virtual W_Node(value=r7)]
          finish(None)
        """,
        namespace,
    )
    assert trace.name == "trace"
    assert trace.operations[0].descr == Field(W_Node, "value", "slot", 24)
    assert trace.operations[1].descr == Field(W_Int, "x", "inline", 3)
    virtual = trace.operations[2].snapshot.frames[0].locals[0]
    assert virtual.fields == [(Field(W_Node, "value", "slot", 24), trace.inputs[0])]


def test_light_field_is_placed_where_the_slot_is() -> None:
    class Base:
        __slots__ = ("b", "a")  # noqa: RUF023 (CPython sorts them itself)

    class Derived(Base):
        __slots__ = ("c",)

    namespace = {"Derived": Derived}
    trace = parse_trace("trace t(r0)\n getfield(r0) {Derived.c}\n getfield(r0) {Derived.b}\n finish(r0)", namespace)
    assert [op.descr for op in trace.operations[:2]] == [
        Field(Derived, "c", "slot", 32),
        Field(Base, "b", "slot", 24),
    ]


def test_objects_without_names_are_given_names_that_parse() -> None:
    class W_Int:  # another one of this name
        pass

    things = [W_Int, W_Int(), W_Int(), object(), [1], lambda: 1, types.CellType, ValueError("x"), len, (1, 2)]
    namespace = dict(NAMESPACE)
    args = [Const("r", thing) for thing in things]
    trace = Trace((), [Operation(OPCODES["new_list"], args), Operation(OPCODES["finish"], (NULL,))])
    text = format_trace(trace, namespace)
    assert (
        "r0 = new_list(W_Int~2, <W_Int>, <W_Int 2>, <object>, <list>, <lambda>, cell, <ValueError>, len, <tuple>)"
        in text
    )
    parsed = parse_trace(text, namespace)
    assert all(const.value is thing for const, thing in zip(parsed.operations[0].args, things, strict=True))


def test_literals_keep_their_identity_through_the_namespace() -> None:
    first, second = str(b"abc", "ascii"), str(b"abc", "ascii")
    big = int("1" * 30)
    args = [Const("r", value) for value in (first, second, first, big, 1.5)]
    trace = Trace((), [Operation(OPCODES["new_list"], args), Operation(OPCODES["finish"], (NULL,))])
    namespace: dict[str, Any] = {}
    parsed = parse_trace(format_trace(trace, namespace), namespace)
    for old, new in zip(args, parsed.operations[0].args, strict=True):
        assert new.value is old.value


def test_frames_of_one_function_with_two_jitcodes_keep_theirs() -> None:
    codes = [object(), object(), None]
    snapshots = [Snapshot((FrameState(code, bump, 2, -1, (), (), ()),)) for code in codes]
    guards = [Operation(OPCODES["guard_not_invalidated"], (), None, snapshot) for snapshot in snapshots]
    trace = Trace((), [*guards, Operation(OPCODES["finish"], (NULL,))])
    namespace = dict(NAMESPACE)
    parsed = parse_trace(format_trace(trace, namespace), namespace)
    for code, op in zip(codes, parsed.operations, strict=False):
        assert op.snapshot.frames[0].jitcode is code
        assert op.snapshot.frames[0].function is bump


def test_equal_snapshots_of_a_trace_are_shared() -> None:
    trace = parse_trace("trace t(r0)\n guard_nonnull(r0) -> [r0]\n guard_nonnull(r0) -> [r0]\n finish(r0)", {})
    assert trace.operations[0].snapshot is trace.operations[1].snapshot


def test_loops_are_shared_between_texts_of_one_namespace() -> None:
    namespace: dict[str, Any] = {}
    first = parse_trace("trace t()\n jump() {there}", namespace)
    second = parse_trace("trace u()\n jump() {there}", namespace)
    assert first.operations[0].descr is second.operations[0].descr


def test_compact_form_leaves_snapshots_out() -> None:
    trace = parse_trace("trace t(r0)\n guard_nonnull(r0) -> [r0]\n finish(r0)", {})
    text = format_trace(trace, snapshots=False, annotate=lambda op: op.opcode.doc.split(";")[0])
    assert text == "trace t(r0)\n  guard_nonnull(r0)  # arg is not NULL\n  finish(r0)  # the portal returns arg\n"
    assert parse_trace(text, {}).operations[0].snapshot is None


def test_a_value_that_the_trace_does_not_define_is_still_printed() -> None:
    stray: Value = Input("i", "x")
    trace = Trace((), [Operation(OPCODES["int_neg"], (stray,)), Operation(OPCODES["finish"], (NULL,))])
    assert "i0 = int_neg(i1)" in format_trace(trace)


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("i1 = int_sum(i0, 1)", 6, "unknown operation 'int_sum'"),
        ("i1 = int_add(i0, i9)", 18, "i9 is not defined"),
        ("i1 = int_add(i0 1)", 17, "expected ',' or ')', found '1'"),
        ("i1 = int_add(i0, 1", 19, "found 'end of line'"),
        ("r1 = int_add(i0, 1)", 1, "r1 cannot name this: the operation gives kind 'i'"),
        ("i0 = int_add(i0, 1)", 1, "i0 is defined twice"),
        ("x = int_add(i0, 1)", 1, "'x' is no name for a value"),
        ("i1 = finish(r2)", 13, "r2 is not defined"),
        ("i1 = jump()", 1, "i1 cannot name this: the operation has no result"),
        ("i1 = int_add(i0, 1) i0", 21, "unexpected 'i0'"),
        ("i1 = int_add(i0, $)", 18, "cannot read '$)'"),
        ("finish('abc)", 8, "cannot read"),
        ("finish(W_Float)", 8, "the namespace has no 'W_Float'"),
        ("finish(])", 8, "expected a value, found ']'"),
        ("r1 = new() {add_one}", 13, "is not a type"),
        ("r1 = getfield(NULL) {W_Int}", 22, "the namespace has no type ''"),
        ("r1 = getfield(NULL) {W_Int.other}", 22, "W_Int has no slot 'other': say slot:OFFSET or inline:INDEX"),
        ("r1 = getfield(NULL) {W_Int.value slot}", 38, "expected ':', found '}'"),
        ("r1 = getfield(NULL) {W_Int.value slot:x}", 39, "expected a whole number, found 'x'"),
        ("r1 = call_c_r() {number_sum}", 18, "no C function 'number_sum'"),
        ("jump() {add_one}", 9, "'add_one' is not a loop"),
        ("guard_true(true) -> [v1]", 22, "v1 is not defined in this snapshot"),
        ("guard_true(true) -> [bump @ x]", 29, "expected a whole number, found 'x'"),
        ("guard_true(true) -> [what @ 3]", 22, "the namespace has no 'what'"),
        ("guard_true(true) -> [i0", 24, "expected ']', found 'end of line'"),
        ("label(i0)", 7, "i0 is defined twice"),
        ("label(i1)", 9, "expected '=', found ')'"),
    ],
)
def test_parse_errors_name_line_and_column(line: str, column: int, message: str) -> None:
    with pytest.raises(IRError) as caught:
        parse_trace(f"\ntrace t(i0)\n{line}\n", dict(NAMESPACE))
    assert str(caught.value).startswith(f"line 3, column {column}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: expected 'trace', found nothing"),
        ("finish(r0)", "line 1, column 1: expected 'trace', found 'finish'"),
        ("trace t(x0)", "line 1, column 9: 'x0' is no name for a value"),
        ("trace t(r0: 3)", "line 1, column 13: 3 is not a type"),
        ("trace t(r0) r1", "line 1, column 13: unexpected 'r1'"),
    ],
)
def test_parse_errors_in_the_header(text: str, message: str) -> None:
    with pytest.raises(IRError) as caught:
        parse_trace(text, {})
    assert message in str(caught.value)


def test_trace_names_that_are_no_words_are_quoted() -> None:
    trace = Trace((), [Operation(OPCODES["finish"], (NULL,))], name="calc: pc 3")
    text = format_trace(trace)
    assert text.startswith("trace 'calc: pc 3'()")
    assert parse_trace(text, {}).name == "calc: pc 3"


def test_null_is_the_null_object() -> None:
    trace = parse_trace("trace t()\n finish(NULL)", {})
    assert trace.operations[0].args[0].value is NULL_OBJECT


def test_jump_to_a_label() -> None:
    namespace: dict[str, Any] = {}
    text = "trace t(r0)\n  jump(1, r0) {label inside}\n"
    trace = parse_trace(text, namespace)
    assert trace.operations[0].descr is namespace["inside"]
    assert isinstance(namespace["inside"], LabelRef)
    assert format_trace(trace, namespace) == text
    verify(trace)
    with pytest.raises(IRError, match="is not a label"):
        parse_trace("trace t(r0)\n jump(r0) {label int}", {"int": int})
    namespace["inside"].params = (Input("i"),)
    with pytest.raises(IRError, match="the jump gives 2 values for 1"):
        verify(trace)
    namespace["inside"].params = (Input("r"), Input("r"))
    with pytest.raises(IRError, match="argument 1 of the jump is of kind 'i', not 'r'"):
        verify(trace)
