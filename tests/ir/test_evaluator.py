"""The evaluator: each operation's meaning on chosen values, exits, loops, bridges, and what is observable."""

from __future__ import annotations

import array
import enum
import math
import re
import types
from typing import Any

import pytest
from hypothesis import given, settings

from metatracer.errors import IRError
from metatracer.ir.cfunctions import CFUNCTIONS
from metatracer.ir.evaluator import EVALUATED, Exit, call_c_function, observable, run
from metatracer.ir.opcodes import OPCODES, GuardFailed
from metatracer.ir.snapshots import live_values
from metatracer.ir.text import format_trace, parse_trace
from metatracer.ir.values import NULL_OBJECT, Const, Operation, Trace
from tests.ir.strategies import NAMESPACE, Case, Plain, W_Int, W_Node, bump, cases, leave_at_attention

MIN, MAX = -(1 << 63), (1 << 63) - 1
NAN, INF = math.nan, math.inf
FAILS = GuardFailed
HERE = object()
MATCH: Any = re.search("(b)|(x)", "abc")


class Small(enum.IntEnum):
    TWO = 2
    LARGE = 1 << 63

PURE: dict[str, list[tuple[Any, ...]]] = {
    "int_add": [(2, 3, 5), (MAX, 1, MIN)],
    "int_sub": [(2, 3, -1), (MIN, 1, MAX)],
    "int_mul": [(-2, 3, -6), (1 << 62, 2, MIN), (MIN, -1, MIN)],
    "int_and": [(-1, 6, 6)],
    "int_or": [(MIN, 1, MIN + 1)],
    "int_xor": [(-1, 5, -6)],
    "int_neg": [(5, -5), (MIN, MIN)],
    "int_invert": [(5, -6), (MIN, MAX)],
    "int_lshift": [(1, 63, MIN), (3, 63, MIN), (-1, 1, -2)],
    "int_rshift": [(-5, 1, -3), (MIN, 63, -1)],
    "uint_rshift": [(-1, 1, MAX), (-1, 0, -1)],
    "int_floordiv": [(-7, 2, -4), (7, -2, -4)],
    "int_mod": [(-7, 2, 1), (7, -2, -1)],
    "uint_floordiv": [(-1, 2, MAX), (-1, 1, -1), (7, -1, 0)],
    "uint_mod": [(-1, 10, 5), (7, -1, 7)],
    "int_add_ovf": [(2, 3, 5), (MAX, 1, FAILS), (MIN, -1, FAILS)],
    "int_sub_ovf": [(2, 3, -1), (MIN, 1, FAILS), (MAX, -1, FAILS)],
    "int_mul_ovf": [(2, 3, 6), (MIN, -1, FAILS)],
    "int_lshift_ovf": [(-1, 63, MIN), (1, 63, FAILS)],
    "int_lt": [(1, 2, True), (2, 2, False), (-1, 0, True)],
    "int_le": [(2, 2, True), (3, 2, False)],
    "int_eq": [(2, 2, True), (1, 2, False)],
    "int_ne": [(2, 2, False), (1, 2, True)],
    "int_gt": [(3, 2, True), (2, 2, False)],
    "int_ge": [(2, 2, True), (1, 2, False)],
    "uint_lt": [(1, -1, True), (-1, 1, False), (2, 2, False)],
    "uint_le": [(1, -1, True), (2, 2, True), (-1, 1, False)],
    "uint_gt": [(-1, 1, True), (2, 2, False)],
    "uint_ge": [(-1, 1, True), (2, 2, True), (1, -1, False)],
    "int_to_float": [(3, 3.0), (2**53 + 1, 2.0**53)],
    "float_add": [(0.5, 0.25, 0.75), (INF, -INF, NAN)],
    "float_sub": [(0.5, 0.25, 0.25), (0.0, 0.0, 0.0)],
    "float_mul": [(0.5, -0.0, -0.0), (1e308, 10.0, INF)],
    "float_truediv": [(1.0, 4.0, 0.25), (1.0, -0.0, -INF), (0.0, 0.0, NAN), (NAN, 0.0, NAN)],
    "float_neg": [(0.0, -0.0), (NAN, NAN)],
    "float_abs": [(-0.0, 0.0), (-2.0, 2.0)],
    "float_sqrt": [(9.0, 3.0), (-1.0, NAN), (-0.0, -0.0), (NAN, NAN)],
    "float_floor": [(1.5, 1.0), (-0.5, -1.0), (-0.0, -0.0), (0.5, 0.0), (INF, INF), (1e300, 1e300)],
    "float_lt": [(1.0, 2.0, True), (NAN, 1.0, False)],
    "float_le": [(2.0, 2.0, True), (NAN, NAN, False)],
    "float_eq": [(0.0, -0.0, True), (NAN, NAN, False)],
    "float_ne": [(NAN, NAN, True), (1.0, 1.0, False)],
    "float_gt": [(2.0, 1.0, True), (1.0, NAN, False)],
    "float_ge": [(2.0, 2.0, True), (1.0, NAN, False)],
    "float_to_int": [(-2.9, -2), (9.1e18, 9100000000000000000), (9.3e18, FAILS), (NAN, FAILS), (-INF, FAILS)],
    "bool_not": [(True, False), (False, True)],
    "bool_to_int": [(True, 1), (False, 0)],
    "uint_bit_length": [(0, 0), (255, 8), (-1, 64), (MAX, 63)],
    "uint_bit_count": [(0, 0), (255, 8), (-1, 64), (MIN, 1)],
    "int_box": [(7, 7)],
    "float_box": [(-0.0, -0.0)],
    "bool_box": [(True, True), (False, False)],
    "int_unbox": [(7, 7), (MAX + 1, FAILS), (MIN - 1, FAILS)],
    "uint_box": [(7, 7), (-1, 2**64 - 1), (MIN, 2**63)],
    "uint_unbox": [(7, 7), (2**64 - 1, -1), (2**63, MIN), (-1, FAILS), (2**64, FAILS)],
    "int_of_subclass": [(True, 1), (Small.TWO, 2), (Small.LARGE, FAILS)],
    "int_truncate": [(7, 7), (-1, -1), (2**64 + 5, 5), (2**63, MIN), (-(2**100) + 3, 3)],
    "float_unbox": [(2.5, 2.5)],
    "bool_unbox": [(True, True), (False, False)],
    "ptr_eq": [(HERE, HERE, True), (HERE, W_Int, False), (HERE, NULL_OBJECT, False)],
    "ptr_ne": [(HERE, HERE, False), (HERE, W_Int, True)],
    "tuple_len": [((1, 2), 2)],
    "tuple_getitem": [((1, HERE), 1, HERE)],
    "str_len": [("\U0001f600a", 2)],
    "str_ord_at": [("a\U0001f600", 1, 0x1F600)],
    "str_chr": [(0x1F600, "\U0001f600")],
    "str_eq": [("ab", str(b"ab", "ascii"), True), ("a", "b", False)],
    "match_groups": [(MATCH, 3)],
    "match_mark": [(MATCH, 0, 1), (MATCH, 1, 2), (MATCH, 2, 1), (MATCH, 4, -1), (MATCH, 5, -1)],
    "match_string": [(MATCH, MATCH.string)],
    "bytes_eq": [(b"ab", bytes([97, 98]), True), (b"a", b"b", False)],
    "bytes_len": [(b"ab", 2)],
    "bytes_getitem": [(b"a\xff", 1, 255)],
}


def evaluate_one(name: str, args: tuple[Any, ...], descr: Any = None) -> Any:
    """Run an operation with constant arguments; its result, or FAILS when it leaves."""
    opcode = OPCODES[name]
    kinds = opcode.args.rstrip("*").ljust(len(args), opcode.args[-2:-1] or "r")
    consts = [Const(kind, arg) for kind, arg in zip(kinds, args, strict=True)]
    op = Operation(opcode, consts, descr, parse_trace(NOTHING, {}).operations[0].snapshot if opcode.is_guard else None)
    tail = [Operation(OPCODES["jump"], (op,) if op.kind else (), parse_trace(ELSEWHERE, {}).operations[0].descr)]
    leaving = run(Trace((), [op, *tail]), [])
    if leaving.kind == "guard":
        return FAILS
    return leaving.values[0] if op.kind else None


NOTHING = "trace t()\n guard_not_invalidated() -> []\n finish(None)"
ELSEWHERE = "trace t()\n jump() {elsewhere}"


def alike(left: Any, right: Any) -> bool:
    if type(left) is float and type(right) is float:
        return left.hex() == right.hex() or (left != left and right != right)
    return type(left) is type(right) and (left is right or bool(left == right))


@pytest.mark.parametrize("name", sorted(PURE))
def test_pure_operations_give_what_they_should(name: str) -> None:
    for *args, expected in PURE[name]:
        result = evaluate_one(name, tuple(args))
        assert result is expected if expected is FAILS else alike(result, expected), (name, args, result)


def test_every_pure_operation_has_its_examples() -> None:
    assert set(PURE) == {name for name, opcode in OPCODES.items() if opcode.evaluate is not None}


def test_every_other_operation_has_a_meaning() -> None:
    assert {name for name, opcode in OPCODES.items() if opcode.evaluate is None} == EVALUATED


@pytest.mark.parametrize(
    ("name", "holds", "fails", "descr"),
    [
        ("guard_true", True, False, None),
        ("guard_false", False, True, None),
        ("guard_answer", True, False, None),
        ("guard_type", 3, True, int),
        ("guard_type", 3, NULL_OBJECT, int),
        ("guard_value", HERE, W_Int, HERE),
        ("guard_int_value", 7, 8, 7),
        ("guard_nonnull", None, NULL_OBJECT, None),
        ("guard_null", NULL_OBJECT, None, None),
        ("guard_next", None, NULL_OBJECT, None),
        ("guard_exhausted", NULL_OBJECT, None, None),
        ("guard_array_typecode", array.array("i"), array.array("d"), "i"),
    ],
)
def test_guards_hold_or_fail(name: str, holds: Any, fails: Any, descr: Any) -> None:
    assert evaluate_one(name, (holds,), descr) is None
    assert evaluate_one(name, (fails,), descr) is FAILS


def leave(text: str, *args: Any, namespace: dict[str, Any] | None = None, **keywords: Any) -> Exit:
    return run(parse_trace(text, dict(NAMESPACE) if namespace is None else namespace), args, **keywords)


# --- the heap ---------------------------------------------------------------------------------------------------------


def test_fields_of_slots() -> None:
    text = """trace t(r0)
      r1 = getfield(r0) {W_Node.value}
      setfield(r0, 'new') {W_Node.value}
      r2 = new() {W_Node}
      r3 = getfield(r2) {W_Node.next}
      guard_true(false) -> [r1, r2, r3]"""
    node = W_Node("old", None)
    frame = leave(text + "\n finish(None)", node).frames()[0]
    assert frame.locals[0] == "old"
    assert node.value == "new"
    assert type(frame.locals[1]) is W_Node
    assert not hasattr(frame.locals[1], "value")
    assert frame.locals[2] is NULL_OBJECT


def test_inline_fields_pass_by_the_class() -> None:
    class Tricky:
        shown = "on the class"

        def __getattr__(self, name: str) -> str:
            raise AssertionError("the guest's __getattr__ ran")

        @property
        def other(self) -> str:
            raise AssertionError("the guest's property ran")

    text = """trace t(r0)
      r1 = getfield(r0) {T.shown inline:0}
      guard_not_shadowed(r0) {T.shown inline:0} -> []
      guard_inline_values(r0) -> []
      setfield(r0, &5) {T.shown inline:0}
      setfield(r0, &6) {T.plain inline:1}
      r2 = getfield(r0) {T.shown inline:0}
      r3 = getfield(r0) {T.plain inline:1}
      r4 = getfield(r0) {T.missing inline:2}
      guard_not_shadowed(r0) {T.shown inline:0} -> [r1, r2, r3, r4]
      finish(None)""".replace("(r0, 5)", "(r0, &5)").replace("(r0, 6)", "(r0, &6)")
    instance = Tricky()
    leaving = leave(text, instance, namespace={"T": Tricky})
    assert leaving.operation.opcode.name == "guard_not_shadowed"
    assert leaving.values == (NULL_OBJECT, 5, 6, NULL_OBJECT)
    assert vars(instance) == {"shown": 5, "plain": 6}


def test_storing_null_clears_a_field() -> None:
    for instance, place in [(W_Int(1), "W_Int.value"), (Plain(1, 2), "Plain.x inline:0")]:
        leave(f"trace t(r0)\n setfield(r0, NULL) {{{place}}}\n setfield(r0, NULL) {{{place}}}\n finish(r0)", instance)
        assert not hasattr(instance, place.split(".")[1].split()[0])


def test_lists() -> None:
    text = """trace t(r0)
      i1 = list_len(r0)
      r2 = list_getitem(r0, 1)
      list_setitem(r0, 0, 'set')
      list_append(r0, 'more')
      r3 = list_pop(r0)
      r4 = list_pop(r0)
      r5 = new_list(r3, r4)
      guard_true(false) -> [i1, r2, r5]
      finish(None)"""
    items = ["a", "b", "c"]
    assert leave(text, items).values == (3, "b", ["more", "c"])
    assert items == ["set", "b"]


def test_tuples_and_cells() -> None:
    text = """trace t()
      r1 = new_cell(NULL)
      r2 = cell_get(r1)
      cell_set(r1, 'content')
      r3 = cell_get(r1)
      r4 = new_cell('full')
      cell_set(r4, NULL)
      cell_set(r4, NULL)
      r5 = new_tuple(r1, r3)
      guard_true(false) -> [r1, r2, r3, r4, r5]
      finish(None)"""
    cell, empty, content, cleared, pair = leave(text).values
    assert type(cell) is types.CellType
    assert cell.cell_contents == "content"
    assert empty is NULL_OBJECT
    assert content == "content"
    assert pair == (cell, "content")
    with pytest.raises(ValueError, match="empty"):
        _ = cleared.cell_contents


def test_buffers() -> None:
    text = """trace t(r0, r1, r2, r3)
      i4 = bytearray_len(r0)
      i5 = bytearray_getitem(r0, 1)
      bytearray_setitem(r0, 0, 200)
      i6 = array_len(r1)
      i7 = array_getitem_i(r1, 0) {'h'} -> []
      array_setitem_i(r1, 0, -3) {'h'}
      f8 = array_getitem_f(r2, 0) {'d'}
      array_setitem_f(r2, 0, 0.5) {'d'}
      i9 = array_getitem_i(r3, 0) {'Q'} -> [i4, i5, i6, i7, f8]
      finish(None)"""
    data, shorts, doubles = bytearray(b"ab"), array.array("h", [7]), array.array("d", [2.5])
    leaving = leave(text, data, shorts, doubles, array.array("Q", [1 << 63]))
    assert leaving.operation.opcode.name == "array_getitem_i"
    assert leaving.values == (2, 98, 1, 7, 2.5)
    assert (data, shorts[0], doubles[0]) == (bytearray(b"\xc8b"), -3, 0.5)
    assert leave(text, data, shorts, doubles, array.array("Q", [1 << 62])).kind == "finish"


def test_reference_counts_are_not_the_traces_business() -> None:
    leaving = leave("trace t(r0)\n incref(r0)\n decref(r0)\n xdecref(NULL)\n merge_point() {'a', 'b'}\n finish(r0)", 5)
    assert leaving.values == (5,)


@pytest.mark.parametrize(
    ("text", "args", "message"),
    [
        ("r1 = list_getitem(r0, 2)", [[1]], "index 2 is outside a list of length 1 in: r1 = list_getitem(r0, 2)"),
        ("list_setitem(r0, -1, r0)", [[1]], "index -1 is outside"),
        ("r1 = list_pop(r0)", [[]], "pop from empty list in: r1 = list_pop(r0)"),
        ("i1 = list_len(r0)", [(1,)], "TypeError"),
        ("r1 = getfield(r0) {W_Int.value}", [W_Node(1, 2)], "TypeError"),
        ("i1 = int_unbox(r0) -> []", [True], "True is no value of kind i"),
        ("f1 = float_unbox(r0)", [3], "3 is no value of kind f"),
        ("i1 = array_getitem_i(r0, 0) {'i'} -> []", [array.array("h", [1])], "typecode 'h', not 'i'"),
        ("r1 = call_portal(r0) {inner}", [1], "no trace is given for loop inner"),
    ],
)
def test_what_a_row_does_not_allow_is_an_error(text: str, args: list[Any], message: str) -> None:
    with pytest.raises(IRError) as caught:
        leave(f"trace t(r0)\n {text}\n finish(r0)", *args)
    assert message in str(caught.value)


def test_arguments_are_checked() -> None:
    with pytest.raises(IRError, match="takes 1 values, 2 given"):
        leave("trace t(r0)\n finish(r0)", 1, 2)
    with pytest.raises(IRError, match="no value of kind i"):
        leave("trace t(i0)\n finish(None)", MAX + 1)


# --- calls and exceptions ---------------------------------------------------------------------------------------------


def test_call_with_keywords() -> None:
    def show(*args: Any, **keywords: Any) -> Any:
        return args, keywords

    text = "trace t(r0)\n r1 = call(show, r0, 'x', 'y') {a, b}\n guard_no_exception(r1) -> []\n finish(r1)"
    assert leave(text, 3, namespace={"show": show}).values == (((3,), {"a": "x", "b": "y"}),)


def test_an_exception_is_pending_at_its_guard() -> None:
    text = "trace t(r0)\n r1 = call(add_one, r0)\n guard_no_exception(r1) -> [r0]\n finish(r1)"
    assert leave(text, 2).values == (3,)
    leaving = leave(text, "x")
    assert leaving.kind == "guard"
    assert leaving.values == ("x",)
    assert isinstance(leaving.exception, TypeError)


def test_guard_exception_takes_the_exception() -> None:
    text = """trace t(r0)
      r1 = call(add_one, r0)
      r2 = guard_exception(r1) -> [r1]
      r3 = push_exc_info(r2)
      pop_exc_info(r3)
      r4 = push_exc_info(r2)
      finish_raise(r2)"""
    leaving = leave(text, "x")
    assert leaving.kind == "raise"
    assert isinstance(leaving.values[0], TypeError)
    assert leaving.exception is None
    assert leaving.handled is leaving.values[0]
    assert leave(text, 2).values == (3,)  # the call did not raise: the guard fails with its result


def test_c_functions_behave_as_in_c() -> None:
    text = "trace t(r0)\n r1 = call_c_r(r0) {builtin_next}\n guard_no_exception(r1) -> []\n guard_next(r1) -> [r1]\n finish(r1)"
    iterator = iter([5])
    assert leave(text, iterator).values == (5,)
    leaving = leave(text, iterator)
    assert leaving.operation.opcode.name == "guard_next"
    assert leaving.values == (NULL_OBJECT,)
    text = "trace t(r0)\n i1 = call_c_i(r0, 'k') {object_contains}\n guard_no_exception(i1) -> [i1]\n finish(r0)"
    leaving = leave(text, 3)
    assert leaving.values == (-1,)
    assert isinstance(leaving.exception, TypeError)
    assert call_c_function(CFUNCTIONS["float_log"], (0.0,)) == -INF
    assert math.isnan(call_c_function(CFUNCTIONS["float_sin"], (INF,)))
    assert call_c_function(CFUNCTIONS["float_pow"], (-10.0, 309.0)) == -INF
    with pytest.raises(StopIteration):
        call_c_function(CFUNCTIONS["object_str"], (_RaisesStop(),))


class _RaisesStop:
    def __str__(self) -> str:
        raise StopIteration


def test_system_exit_of_the_guest_stays_in_the_trace() -> None:
    def stop(value: Any) -> None:
        raise SystemExit(value)

    text = "trace t(r0)\n r1 = call(stop, r0)\n r2 = guard_exception(r1) -> []\n finish_raise(r2)"
    assert isinstance(leave(text, 3, namespace={"stop": stop}).values[0], SystemExit)


def test_call_portal_runs_the_other_loop() -> None:
    namespace: dict[str, Any] = dict(NAMESPACE)
    inner = parse_trace(
        "trace u(r0)\n guard_type(r0) {int} -> [r0]\n r1 = call(add_one, r0)\n guard_no_exception(r1) -> []\n finish(r1)",
        namespace,
    )
    raising = parse_trace("trace u(r0)\n finish_raise(r0)", namespace)
    text = "trace t(r0)\n r1 = call_portal(r0) {inner}\n guard_no_exception(r1) -> []\n finish(r1)"
    outer = parse_trace(text, namespace)
    assert run(outer, [4], loops={namespace["inner"]: inner}).values == (5,)
    error = ValueError()
    assert run(outer, [error], loops={namespace["inner"]: raising}).exception is error
    with pytest.raises(IRError, match="left its trace at guard_type"):
        run(outer, ["x"], loops={namespace["inner"]: inner})


# --- control ----------------------------------------------------------------------------------------------------------

COUNT = """trace count(r0)
  i1 = int_unbox(r0) -> [r0]
  label(i2 = i1, r3 = r0)
  guard_no_attention() -> [i2, r3]
  b4 = int_lt(i2, 10)
  guard_true(b4) -> [r3, i2]
  i5 = int_add_ovf(i2, 1) -> [r3]
  jump(i5, r3)"""


def test_loop_through_the_label() -> None:
    leaving = leave(COUNT, 3)
    assert leaving.operation.opcode.name == "guard_true"
    assert leaving.values == (3, 10)
    assert leaving.iterations == 8


def test_loop_back_to_the_inputs() -> None:
    text = """trace t(r0)
      i1 = int_unbox(r0) -> []
      b2 = int_lt(i1, 10)
      guard_true(b2) -> [i1]
      i3 = int_add(i1, 1)
      r4 = int_box(i3)
      jump(r4)"""
    leaving = leave(text, 3)
    assert leaving.values == (10,)
    assert leaving.iterations == 7


def test_max_iterations_stops_the_run_at_the_header() -> None:
    leaving = leave(COUNT, 3, max_iterations=3)
    assert leaving.kind == "jump"
    assert leaving.iterations == 3
    assert leaving.values == (5, 3)
    assert leave(COUNT, 3, max_iterations=1).operation.opcode.name == "label"


def test_jump_to_another_loop() -> None:
    namespace = dict(NAMESPACE)
    first = parse_trace("trace t(r0)\n jump(1, r0) {other}", namespace)
    leaving = run(first, ["x"])
    assert leaving.kind == "jump"
    assert leaving.values == (1, "x")
    assert leaving.iterations == 0
    second = parse_trace("trace u(i0, r1)\n finish(r1)", namespace)
    assert run(first, ["x"], loops={namespace["other"]: second}).values == ("x",)


def test_bridges_go_on_where_the_guard_fails() -> None:
    namespace = dict(NAMESPACE)
    root = parse_trace(COUNT, namespace)
    guard = root.operations[4]
    assert guard.opcode.name == "guard_true"
    bridge = parse_trace("trace b(r0, i1)\n r2 = int_box(i1)\n r3 = new_tuple(r0, r2)\n finish(r3)", namespace)
    assert run(root, [3], bridges={guard: bridge}).values == ((3, 10),)


def test_a_bridge_finds_the_pending_exception() -> None:
    root = parse_trace(
        "trace t(r0)\n r1 = call(add_one, r0)\n guard_no_exception(r1) -> [r0]\n finish(r1)", dict(NAMESPACE)
    )
    bridge = parse_trace("trace b(r0)\n r1 = guard_exception() -> [r0]\n finish_raise(r1)", {})
    leaving = run(root, ["x"], bridges={root.operations[1]: bridge})
    assert leaving.kind == "raise"
    assert isinstance(leaving.values[0], TypeError)


def test_force_exit_fails_forcible_guards_only() -> None:
    asked = []

    def force(op: Operation, count: int) -> bool:
        asked.append((op.opcode.name, count))
        return op.opcode.name == "guard_no_attention" and count == 2

    leaving = leave(COUNT, 3, force_exit=force)
    assert leaving.operation.opcode.name == "guard_no_attention"
    assert leaving.values == (4, 3)
    assert asked.count(("guard_no_attention", 1)) == 1
    assert ("int_add_ovf", 1) in asked
    text = "trace t(r0)\n guard_next(r0) -> []\n finish(r0)"
    assert leave(text, 1, force_exit=lambda op, count: True).kind == "finish"
    text = "trace t(r0)\n r1 = call(add_one, r0)\n guard_no_exception(r1) -> [r1]\n finish(r1)"
    assert leave(text, 1, force_exit=lambda op, count: True).values == (2,)


def test_leave_at_attention_counts_over_copies_of_the_guard() -> None:
    assert leave(COUNT, 0, force_exit=leave_at_attention(4)).values == (3, 0)


# --- exits ------------------------------------------------------------------------------------------------------------

VIRTUALS = """trace t(r0, i1)
  guard_no_attention() -> [bump @ 4!2: 0=v1: virtual W_Node(next=v1, value=i1) | v1, NULL finish add_one(v1) nopush \
/ bump @ 8: 2=virtual list[v1, virtual tuple[i1, r0], virtual cell[NULL], virtual cell[i1]] \
; setfield(r0, v1) {W_Int.value}]
  finish(r0)"""


def test_frames_are_rebuilt_with_their_virtuals() -> None:
    target = W_Int(0)
    leaving = leave(VIRTUALS, target, 7, force_exit=lambda op, count: True)
    assert leaving.values == (7, target)
    outer, inner = leaving.frames()
    node = outer.locals[0]
    assert type(node) is W_Node
    assert node.next is node
    assert node.value == 7
    assert outer.stack == [node, NULL_OBJECT]
    assert outer.kept == [node]
    assert (outer.function, outer.index, outer.throw_index, outer.pushes) == (bump, 4, 2, False)
    shared, pair, empty, cell = inner.locals[2]
    assert shared is node
    assert pair == (7, target)
    assert cell.cell_contents == 7
    assert type(empty) is types.CellType
    assert target.value == 0
    assert leaving.pending()[0][:2] == ("setfield", (target, node))
    leaving.apply_pending()
    assert target.value is node
    target.value = 1
    leaving.apply_pending()
    assert target.value == 1  # only once


def test_values_are_in_the_order_of_live_values() -> None:
    trace = parse_trace(VIRTUALS, dict(NAMESPACE))
    guard = trace.operations[0]
    assert live_values(guard.snapshot) == (trace.inputs[1], trace.inputs[0])


def test_an_exit_may_raise_instead_of_going_on() -> None:
    error = ValueError("x")
    leaving = leave("trace t(r0)\n guard_true(false) -> [raise r0]\n finish(r0)", error)
    assert leaving.frames() == []
    assert leaving.raising() is error
    other = leave("trace t(r0)\n guard_true(false) -> [raise r0]\n finish(r0)", ValueError("y"))
    assert observable(leaving) != observable(other)


def test_only_guards_have_frames() -> None:
    with pytest.raises(IRError, match="finish has no snapshot"):
        leave("trace t(r0)\n finish(r0)", 1).frames()


def optimized_pair(first: str, second: str, make: Any) -> bool:
    """Whether two traces leave observably alike."""
    seen = []
    for text in (first, second):
        args = make()
        seen.append(observable(leave(text, *args), args))
    return seen[0] == seen[1]


def test_observable_does_not_tell_virtual_from_allocated() -> None:
    first = (
        "trace t(r0)\n r1 = new() {W_Int}\n setfield(r1, r0) {W_Int.value}\n guard_true(false) -> [r1, r1]\n finish(r0)"
    )
    second = "trace t(r0)\n guard_true(false) -> [v1: virtual W_Int(value=r0), v1]\n finish(r0)"
    assert optimized_pair(first, second, lambda: [[1, 2.5, "x", {"k": (1, b"")}]])
    assert not optimized_pair(first, second.replace(", v1]", ", virtual W_Int(value=r0)]"), lambda: [[]])
    assert not optimized_pair(first, second.replace("value=r0", "value=None"), lambda: [[]])


def test_observable_applies_delayed_stores() -> None:
    first = "trace t(r0)\n setfield(r0, &1) {W_Int.value}\n guard_true(false) -> [r0]\n finish(r0)"
    second = "trace t(r0)\n guard_true(false) -> [r0 ; setfield(r0, 1) {W_Int.value}]\n finish(r0)"
    assert optimized_pair(first, second, lambda: [W_Int(0)])
    assert not optimized_pair(first, second.replace("0, 1", "0, 2"), lambda: [W_Int(0)])


def test_observable_looks_at_the_arguments() -> None:
    plain = "trace t(r0)\n finish(None)"
    assert not optimized_pair(plain, "trace t(r0)\n list_append(r0, None)\n finish(None)", lambda: [[]])
    assert not optimized_pair(plain, "trace t(r0)\n finish(&0)", lambda: [[]])
    assert optimized_pair(plain, plain, lambda: [iter([1, 2])])
    step = "trace t(r0)\n r1 = call_c_r(r0) {builtin_next}\n guard_no_exception(r1) -> []\n finish(None)"
    assert not optimized_pair(plain, step, lambda: [iter([1, 2])])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, True), (1, 1.0), (0.0, -0.0), ("1", 1), (b"a", "a"), ([1], (1,)), ({1: 2, 3: 4}, {3: 4, 1: 2}),
        ({1}, {2}), (bytearray(b"a"), bytearray(b"b")), (array.array("i", [1]), array.array("h", [1])),
        (types.CellType(1), types.CellType()), (ValueError(1), ValueError(2)), (ValueError(), TypeError()),
        (W_Int(1), W_Int(2)), (Plain(1, 2), Plain(1, 3)), (add := (lambda: 1), lambda: 1), (NULL_OBJECT, None),
        (range(3), range(4)), (slice(1), slice(2)),
    ],
)  # fmt: skip
def test_observable_tells_values_apart(left: Any, right: Any) -> None:
    def seen(value: Any) -> Any:
        return observable(leave("trace t(r0)\n finish(r0)", value))

    assert seen(left) != seen(right)
    assert seen(left) == seen(left)


@settings(max_examples=60, deadline=None)
@given(cases(virtuals=True))
def test_a_parsed_copy_behaves_the_same(case: Case) -> None:
    namespace = dict(NAMESPACE)
    copy = parse_trace(format_trace(case.trace, namespace), namespace)
    for k in (1, 3):
        args, copied = case.make_args(), case.make_args()
        one = run(case.trace, args, max_iterations=4, force_exit=leave_at_attention(k))
        two = run(copy, copied, max_iterations=4, force_exit=leave_at_attention(k))
        assert observable(one, args) == observable(two, copied)


def test_jump_to_the_label_of_another_trace() -> None:
    namespace = dict(NAMESPACE)
    first = parse_trace("trace t(r0)\n jump(7, r0) {label inside}", namespace)
    assert run(first, ["x"]).values == (7, "x")
    second = parse_trace("trace u(r0)\n label(i1 = 3, r2 = r0)\n r3 = int_box(i1)\n finish(r3)", namespace)
    leaving = run(first, ["x"], loops={namespace["inside"]: second})
    assert leaving.values == (7,)
    assert leaving.iterations == 1
