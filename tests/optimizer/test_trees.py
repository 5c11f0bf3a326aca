"""Bridges as parts of a tree: they begin with what is known where they leave."""

from __future__ import annotations

from typing import Any

import pytest

from metatracer.backend import switches
from metatracer.ir.snapshots import live_values
from metatracer.ir.text import parse_trace
from metatracer.ir.values import Const, LabelRef, Operation, Trace, Value
from metatracer.optimizer import trees
from metatracer.optimizer.trees import Part, refined
from tests.optimizer.text import NAMESPACE, optimized, parse

ROOT = """t(r0: list, i1)
 label(r2: list = r0, i3 = i1)
 guard_no_attention() -> [r2, i3]
 r4 = list_getitem(r2, 0)
 guard_type(r4) {int} -> [r2, i3]
 i5 = int_unbox(r4) -> [r2, i3]
 b6 = int_lt(i3, i5)
 guard_true(b6) -> [r2, i3]
 i7 = int_add_ovf(i3, 1) -> [r2, i3]
 jump(r2, i7)"""


def guard_of(trace: Trace, name: str, number: int = 0) -> Operation:
    return [op for op in trace.operations if op.opcode.name == name][number]


def own_label(root: Trace) -> dict[str, Any]:
    assert root.label is not None
    return {"own": LabelRef("own", root.label.params)}


class Shown:
    """A refined bridge as lines; values are named by kind and order of definition."""

    def __init__(self, part: Part) -> None:
        self._names: dict[Value, str] = {}
        trace = part.trace
        self.inputs = [self._define(value) for value in trace.inputs]
        self.lines: list[str] = []
        self.exits: list[list[str]] = []
        for op in trace.operations:
            text = f"{op.opcode.name}({', '.join([self.name(arg) for arg in op.args])})"
            if op.opcode.is_guard:
                assert op.snapshot is not None
                self.exits.append([self.name(value) for value in live_values(op.snapshot)])
            self.lines.append(f"{self._define(op)} = {text}" if op.kind else text)

    def _define(self, value: Value) -> str:
        name = self._names[value] = f"{value.kind}{len(self._names)}"
        return name

    def name(self, value: Value) -> str:
        return repr(value.value) if isinstance(value, Const) else self._names[value]


def bridge_in_tree(root_text: str, bridge_text: str, name: str, number: int = 0, *, forced: bool = False) -> tuple[Part, Part]:
    """The refined tree of a root (optimized already) and a bridge on one of its guards, and that bridge's part."""
    root = parse_trace("trace " + root_text + "\n", dict(NAMESPACE))
    bridge = parse_trace("trace " + bridge_text + "\n", {**NAMESPACE, **own_label(root)})
    guard = guard_of(root, name, number)
    tree = refined(Part(root, {guard: Part(bridge)}), forced=forced)
    assert tree.trace is root
    return tree, tree.bridges[guard]


def test_what_the_parent_has_loaded_and_checked_is_given_to_the_bridge() -> None:
    tree, part = bridge_in_tree(
        ROOT,
        """b(r0: list, i1)
        guard_not_invalidated() -> [r0, i1]
        r2 = list_getitem(r0, 0)
        guard_type(r2) {int} -> [r0, i1]
        i3 = int_unbox(r2) -> [r0, i1]
        i4 = int_sub(i3, i1)
        jump(r0, i4) {label own}""",
        "guard_true",
    )
    shown = Shown(part)
    assert shown.inputs == ["r0", "i1", "i2"]
    assert shown.lines == ["guard_not_invalidated()", "i3 = int_sub(i2, i1)", "jump(r0, i3)"]
    (given,) = tree.extras.values()
    assert [value.opcode.name for value in given if isinstance(value, Operation)] == ["int_unbox"]


def test_what_the_parent_stores_before_the_guard_is_not_known_as_it_was() -> None:
    root = ROOT.replace(" b6 = int_lt", " r8 = int_box(i3)\n list_setitem(r2, 0, r8)\n b6 = int_lt")
    _, part = bridge_in_tree(
        root,
        """b(r0: list, i1)
        guard_not_invalidated() -> [r0, i1]
        r2 = list_getitem(r0, 0)
        guard_type(r2) {int} -> [r0, i1]
        i3 = int_unbox(r2) -> [r0, i1]
        jump(r0, i3) {label own}""",
        "guard_true",
    )
    assert "r2 = list_getitem(r0, 0)" not in Shown(part).lines  # it is the box that was stored
    assert "i3" not in Shown(part).inputs


def test_what_a_call_of_the_bridge_may_change_is_read_again() -> None:
    _, part = bridge_in_tree(
        ROOT,
        """b(r0: list, i1)
        guard_not_invalidated() -> [r0, i1]
        r5 = call(callee, r0)
        guard_no_exception(r5) -> [r0, i1, r5]
        r2 = list_getitem(r0, 0)
        guard_type(r2) {int} -> [r0, i1]
        i3 = int_unbox(r2) -> [r0, i1]
        jump(r0, i3) {label own}""",
        "guard_true",
    )
    assert [line.partition(" = ")[2] or line for line in Shown(part).lines][-4:] == [
        "list_getitem(r0, 0)", "guard_type(r3)", "int_unbox(r3)", "jump(r0, i4)",
    ]  # fmt: skip


def test_what_the_parent_does_behind_the_guard_is_not_known() -> None:
    _, part = bridge_in_tree(
        ROOT,
        """b(r0: list, i1)
        guard_not_invalidated() -> [r0, i1]
        r2 = list_getitem(r0, 0)
        guard_type(r2) {int} -> [r0, i1]
        i3 = int_unbox(r2) -> [r0, i1]
        jump(r0, i3) {label own}""",
        "guard_no_attention",
    )
    assert len(part.trace.operations) == 5
    assert len(part.trace.inputs) == 2


@pytest.mark.parametrize("forced", [False, True])
def test_the_condition_that_failed_is_known_unless_guards_fail_at_will(forced: bool) -> None:
    _, part = bridge_in_tree(
        ROOT.replace("guard_true(b6) -> [r2, i3]", "guard_true(b6) -> [r2, i3, b6]"),
        """b(r0: list, i1, b2)
        guard_not_invalidated() -> [r0, i1, b2]
        guard_false(b2) -> [r0, b2, i1]
        i3 = int_and(i1, 7)
        jump(r0, i3) {label own}""",
        "guard_true", forced=forced,
    )  # fmt: skip
    assert ("guard_false(b2)" in Shown(part).lines) is forced


def test_exits_hand_over_the_same_values_in_the_same_order_constants_and_values_that_became_one_included() -> None:
    _, part = bridge_in_tree(
        """t(r0: list, i1, i9)
        label(r2: list = r0, i3 = i1, i8 = i9)
        r4 = list_getitem(r2, 0)
        guard_int_value(i3) {5} -> [r2, i3]
        b6 = int_lt(i8, 3)
        guard_true(b6) -> [r2, i3, r4, b6]
        jump(r2, 4, i8)""",
        """b(r0: list, i1, r2, b3)
        guard_not_invalidated() -> [r0, i1]
        guard_false(b3) -> [b3]
        r4 = list_getitem(r0, 0)
        r5 = list_getitem(r0, 1)
        guard_type(r5) {int} -> [r4, i1, r2, b3]
        jump(r0, 2, 3) {label own}""",
        "guard_true",
    )
    assert Shown(part).exits == [["r0", "5"], ["r2", "5", "r2", "False"]]
    assert [op.opcode.name for op in part.origins.values()] == ["guard_not_invalidated", "guard_type"]


COUNTING = """t(r0, r1)
 guard_no_attention() -> [r0, r1]
 guard_type(r0) {list} -> [r0, r1]
 guard_type(r1) {int} -> [r0, r1]
 i2 = int_unbox(r1) -> [r0, r1]
 i3 = list_len(r0)
 b4 = int_lt(0, i3)
 guard_true(b4) -> [r0, r1]
 r5 = list_getitem(r0, 0)
 guard_type(r5) {Code} -> [r0, r1]
 r6 = getfield(r5) {Code.limit}
 guard_nonnull(r6) -> [r0, r1]
 guard_type(r6) {int} -> [r0, r1]
 i7 = int_unbox(r6) -> [r0, r1]
 b8 = int_lt(i2, i7)
 guard_true(b8) -> [r0, r1]
 i9 = int_add_ovf(i2, 1) -> [r0, r1]
 r10 = int_box(i9)
 jump(r0, r10)"""


def test_facts_that_the_loop_relies_on_are_known_in_its_bridges() -> None:
    root = optimized(COUNTING)
    bridge = parse_trace(
        """trace b(r0: list, i1)
        guard_not_invalidated() -> [r0, i1]
        i2 = list_len(r0)
        b3 = int_lt(0, i2)
        guard_true(b3) -> [r0, i1]
        r4 = list_getitem(r0, 0)
        guard_type(r4) {Code} -> [r0, i1]
        r5 = getfield(r4) {Code.limit}
        guard_nonnull(r5) -> [r0, i1]
        guard_type(r5) {int} -> [r0, i1]
        i6 = int_unbox(r5) -> [r0, i1]
        i7 = int_sub(i1, i6)
        finish(r4)\n""",
        dict(NAMESPACE),
    )
    assert root.label is not None
    guard = [op for op in root.operations if op.opcode.name == "guard_true"][-1]
    tree = refined(Part(root, {guard: Part(bridge)}))
    lines = Shown(tree.bridges[guard]).lines
    # The object itself is in no register of the loop: it is loaded again, without checks.
    assert lines == ["guard_not_invalidated()", "r2 = list_getitem(r0, 0)", "finish(r2)"]
    assert tree.extras == {}


def test_a_bridge_of_a_bridge_is_given_values_of_the_root_by_way_of_it() -> None:
    root = parse_trace("trace " + ROOT + "\n", dict(NAMESPACE))
    first = parse_trace(
        """trace b(r0: list, i1)
        guard_not_invalidated() -> [r0, i1]
        b2 = int_lt(i1, 100)
        guard_true(b2) -> [r0, i1]
        jump(r0, 0) {label own}\n""",
        {**NAMESPACE, **own_label(root)},
    )
    second = parse(
        """b(r0: list, i1)
        guard_not_invalidated() -> [r0, i1]
        r2 = list_getitem(r0, 0)
        finish(r2)"""
    )
    guard, inner = guard_of(root, "guard_true"), guard_of(first, "guard_true")
    tree = refined(Part(root, {guard: Part(first, {inner: Part(second)})}))
    part = tree.bridges[guard]
    ((new_inner, below),) = part.bridges.items()
    assert part.origins[new_inner] is inner
    assert Shown(below).lines == ["guard_not_invalidated()", "finish(r2)"]
    assert [len(each.trace.inputs) for each in (part, below)] == [3, 3]
    assert part.extras[new_inner] == (part.trace.inputs[2],)
    assert [value.opcode.name for value in tree.extras[guard] if isinstance(value, Operation)] == ["list_getitem"]


def test_each_bridge_of_a_deep_tree_is_walked_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them finds that it has to load something, which its parents do not need."""
    depth = 12
    reads = [
        f"r{n} = list_getitem(r0, {n - 10})\n guard_type(r{n}) {{Code}} -> [r0, i1]" for n in range(10, 10 + depth)
    ]
    lines = ["t(r0: list, i1)", "guard_no_attention() -> [r0, i1]", *reads, "b2 = int_lt(i1, 1000)"]
    root = optimized("\n ".join([*lines, "guard_true(b2) -> [r0, i1]", "i3 = int_add_ovf(i1, 1) -> [r0, i1]", "jump(r0, i3)"]))
    part: Part | None = None
    for number in reversed(range(depth)):
        bridge = parse(
            f"""b(r0: list, i1)
            guard_not_invalidated() -> [r0, i1]
            b2 = int_lt({number}, i1)
            guard_true(b2) -> [r0, i1]
            r3 = list_getitem(r0, {number})
            guard_type(r3) {{Code}} -> [r0, i1]
            finish(r3)"""
        )
        part = Part(bridge, {} if part is None else {guard_of(bridge, "guard_true"): part})
    assert part is not None
    made = 0
    make = trees._Bridge.make

    def counting(fork: Any, **how: Any) -> list[Value]:
        nonlocal made
        made += 1
        return make(fork, **how)

    monkeypatch.setattr(trees._Bridge, "make", counting)
    guard = [op for op in root.operations if op.opcode.name == "guard_true"][-1]
    part = refined(Part(root, {guard: part})).bridges[guard]
    assert made <= 3 * depth
    for _ in range(depth):
        assert "guard_type(r2)" not in Shown(part).lines
        part = next(iter(part.bridges.values()), part)


def test_a_bridge_that_cannot_happen_stays_as_it_is() -> None:
    tree, part = bridge_in_tree(
        ROOT,
        """b(r0: list, i1)
        guard_not_invalidated() -> [r0, i1]
        r2 = list_getitem(r0, 0)
        guard_type(r2) {str} -> [r0, i1]
        finish(r2)""",
        "guard_true",
    )
    assert Shown(part).lines[-2:] == ["guard_type(r2)", "finish(r2)"]
    assert tree.extras == {}


def test_bridges_that_become_a_switch_stay_as_they_are_and_give_what_they_have_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(switches, "LEAST_CASES", 2)
    root = parse_trace("trace " + ROOT.replace(" b6 = int_lt", " guard_int_value(i3) {1} -> [r2, i3]\n b6 = int_lt") + "\n", {})
    first = parse(
        """b(r0: list, i1)
        guard_not_invalidated() -> [r0, i1]
        guard_int_value(i1) {2} -> [r0, i1]
        r2 = list_getitem(r0, 1)
        r3 = list_getitem(r0, 1)
        b4 = ptr_eq(r2, None)
        guard_true(b4) -> [r0, r3]
        finish(r2)"""
    )
    text = """b(r0: list, r1)
        guard_not_invalidated() -> [r0, r1]
        r2 = list_getitem(r0, 1)
        r3 = list_getitem(r0, 0)
        r4 = new_tuple(r2, r3)
        finish(r4)"""
    last = parse("b(r0: list, i1)\n guard_not_invalidated() -> [r0, i1]\n finish(r0)")
    outer, inner, leaving = (
        guard_of(root, "guard_int_value"), guard_of(first, "guard_int_value"), guard_of(first, "guard_true"),
    )  # fmt: skip
    tree = refined(Part(root, {outer: Part(first, {inner: Part(last), leaving: Part(parse(text))})}))
    part = tree.bridges[outer]
    assert part.trace is first
    assert part.bridges[inner].trace is last
    assert tree.extras == {}
    # Item 0 is in a register of the root only, which a switch would pass by.
    shown = Shown(part.bridges[leaving])
    assert shown.lines == [
        "guard_not_invalidated()", "r2 = list_getitem(r0, 0)", "r3 = new_tuple(r1, r2)", "finish(r3)",
    ]  # fmt: skip
    assert part.extras == {}
