"""Trees: a root and bridges as one function, which leaves through the slots of the traces' own code."""

from __future__ import annotations

from typing import Any

import pytest

from metatracer.backend.compile import CompiledCode, TreeCode, branch_of, compile_trace, emit_tree, link_tree
from metatracer.ir.text import parse_trace
from metatracer.ir.values import LabelRef
from metatracer.optimizer.trees import Part, refined
from tests.backend.machine import Counts, compiled, outcome

pytestmark = pytest.mark.usefixtures("_left_alone")

ROOT = """trace t(r0: int, r1)
  i3 = int_unbox(r0) -> []
  label(i4 = 0, i5 = 0, i6 = i3, r7 = r1, f8 = 0.0, i30 = 1, i31 = 2, i32 = 3, i33 = 4)
  b9 = int_lt(i4, i6)
  guard_true(b9) -> [i5, r7, f8, i30, i33]
  i10 = int_and(i4, 1)
  guard_int_value(i10) {0} -> [i4, i5, i6, r7, f8, i10, i30, i31, i32, i33]
  i11 = int_add_ovf(i4, 1) -> []
  jump(i11, i5, i6, r7, f8, i30, i31, i32, i33)"""
ODD = """trace odd(i0, i1, i2, r3, f4, i5, i6, i7, i8, i9)
  guard_not_invalidated() -> [i0, r3]
  f10 = float_add(f4, 0.5)
  b11 = int_lt(i0, 51)
  guard_true(b11) -> [i0, i1, i2, r3, f10, i6, i7, i8, i9]
  i12 = int_add_ovf(i0, 1) -> []
  i13 = int_add_ovf(i1, 1) -> []
  jump(i12, i13, i2, r3, f10, i6, i7, i8, i9) {label own}"""
LATE = """trace late(i0, i1, i2, r3, f4, i5, i6, i7, i8)
  i12 = int_add_ovf(i0, 1) -> []
  i13 = int_add_ovf(i1, 1000) -> []
  jump(i12, i13, i2, r3, f4, i5, i6, i7, i8) {label own}"""


class Made:
    """The code of the root and of two bridges, and what trees are made of it."""

    def __init__(self, **options: Any) -> None:
        trace = parse_trace(ROOT, {})
        assert trace.label is not None
        self.options = options
        self.root = compile_trace(trace, **options)
        self.own = LabelRef("own", trace.label.params, self.root.label_cell)
        namespace = {"own": self.own}
        self.traces = trace, parse_trace(ODD, namespace), parse_trace(LATE, namespace)
        self.odd, self.late = (compile_trace(each, **options, is_bridge=True) for each in self.traces[1:])
        self.root.attach(guard(self.root, "guard_int_value"), self.odd)
        self.trees: list[TreeCode] = []

    def tree(self, *, with_late: bool = False, level: int = 2) -> TreeCode:
        """Put a tree of the root and the bridge in place."""
        root, odd, late = (
            branch_of(trace, code) for trace, code in zip(self.traces, (self.root, self.odd, self.late), strict=True)
        )
        root.branches[self.root.guards[guard(self.root, "guard_int_value")]] = odd
        if with_late:
            odd.branches[self.odd.guards[guard(self.odd, "guard_true")]] = late
        text = emit_tree(root, level=level, force_exits=self.options.get("force_exits"), own_label=self.own)
        self.trees.append(link_tree(text))
        self.root.redirect(self.trees[-1])
        return self.trees[-1]

    def free(self) -> None:
        for code in (*self.trees, self.odd, self.late, self.root):
            code.free()


def guard(code: CompiledCode, name: str) -> int:
    return next(guard_id for guard_id, op in code.guards.items() if op.opcode.name == name)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_tree_does_what_its_traces_do(level: int) -> None:
    made = Made()
    marker = object()
    counts = Counts(marker).start()
    alone = outcome(made.root, 40, marker)
    made.tree(level=level)
    together = outcome(made.root, 40, marker)
    assert alone == together == ("guard_true", None, 20, marker, 10.0, 1, 4)
    del alone, together
    assert counts.changes() == [0]
    made.free()


def test_a_tree_leaves_with_the_numbers_of_its_traces() -> None:
    made = Made()
    made.tree()
    assert made.root.enter is not None
    left = made.root.enter([60, None])
    assert left == (guard(made.odd, "guard_true"), None, 51, 25, 60, None, 13.0, 1, 2, 3, 4)
    made.free()


def test_a_bridge_attached_later_is_entered_from_the_tree_and_comes_back() -> None:
    made = Made()
    made.tree()
    made.odd.attach(guard(made.odd, "guard_true"), made.late)
    assert outcome(made.root, 60, None) == ("guard_true", None, 25 + 5 * 1000, None, 15.0, 1, 4)
    made.tree(with_late=True)
    assert outcome(made.root, 60, None) == ("guard_true", None, 25 + 5 * 1000, None, 15.0, 1, 4)
    made.free()


def test_a_detached_bridge_is_not_entered() -> None:
    made = Made()
    made.tree()
    marker = object()
    counts = Counts(marker).start()
    number = guard(made.root, "guard_int_value")
    made.root.detach(number)
    assert outcome(made.root, 40, marker) == ("guard_int_value", None, 1, 0, 40, marker, 0.0, 1, 1, 2, 3, 4)
    made.root.attach(number, made.odd)
    assert outcome(made.root, 40, marker)[0] == "guard_true"
    assert counts.changes() == [0]
    made.free()


def test_an_invalid_bridge_is_left_at_its_start() -> None:
    made = Made()
    made.tree()
    made.odd.invalidate()
    assert made.root.enter is not None
    assert made.root.enter([40, None]) == (guard(made.odd, "guard_not_invalidated"), None, 1, None)
    made.free()


def test_code_entered_at_the_label_runs_the_tree() -> None:
    made = Made()
    other = compiled(
        """trace o(r0)
          jump(0, 0, 4, r0, 0.0, 5, 6, 7, 8) {label own}""",
        {"own": made.own},
    )
    assert other.enter is not None
    before = other.enter([None])
    tree = made.tree()
    assert other.enter([None]) == before == (guard(made.root, "guard_true"), None, 2, None, 1.0, 5, 8)
    made.root.redirect(None)
    tree.free()
    assert other.enter([None]) == before
    other.free()
    made.free()


def test_exits_are_forced_in_a_tree_at_the_same_execution() -> None:
    made = Made(force_exits=30)
    before = outcome(made.root, 10, None)
    made.tree()
    assert before[0] == "guard_true"
    # ten passes were executions of the guard in the root's own code, which looked eleven times at its condition
    assert outcome(made.root, 100, None) == ("guard_true", None, 9, None, 4.5, 1, 4)
    made.free()


def test_references_taken_at_the_exit_are_the_branches_own() -> None:
    """The list is borrowed by the root where it leaves, and dropped by the bridge."""
    holder: list[Any] = [[]]
    trace = parse_trace(
        """trace t(r0: list, r1: int)
          i2 = int_unbox(r1) -> []
          r3 = list_getitem(r0, 0)
          guard_int_value(i2) {0} -> [r3]
          finish(r0)""",
        {},
    )
    bridge_trace = parse_trace("trace b(r0)\n  finish(None)", {})
    root, bridge = compile_trace(trace), compile_trace(bridge_trace, is_bridge=True)
    number = next(iter(root.guards.keys() - {guard(root, "int_unbox")}))
    root.attach(number, bridge)
    top = branch_of(trace, root)
    top.branches[root.guards[number]] = branch_of(bridge_trace, bridge)
    counts = Counts(holder, holder[0]).start()
    assert outcome(root, holder, 5) == ("finish", None, None)
    tree = link_tree(emit_tree(top))
    root.redirect(tree)
    assert outcome(root, holder, 5) == ("finish", None, None)
    assert outcome(root, holder, 0)[0] == "finish"
    assert counts.changes() == [0, 0]
    for code in (tree, bridge, root):
        code.free()


GIVING = """trace t(r0: list, r1: int)
  i2 = int_unbox(r1) -> []
  label(r3: list = r0, i4 = 0, i5 = i2, r30 = None)
  guard_no_attention() -> [r3, i4]
  r6 = list_getitem(r3, 0)
  guard_type(r6) {list} -> [r3, i4]
  i7 = int_and(i4, 1)
  r31 = list_getitem(r3, 1)
  guard_int_value(i7) {0} -> [r3, i4, i5]
  i8 = int_add_ovf(i4, 1) -> []
  jump(r3, i8, i5, r31)"""
GIVEN = """trace b(r0: list, i1, i2)
  guard_not_invalidated() -> [r0, i1]
  r3 = list_getitem(r0, 0)
  guard_type(r3) {list} -> [r0, i1]
  r4 = list_getitem(r0, 1)
  r5 = list_getitem(r0, 1)
  b6 = int_lt(i1, i2)
  guard_true(b6) -> [r4, i1, r3, r5, r0]
  list_append(r3, r5)
  i7 = int_add_ovf(i1, 1) -> []
  jump(r0, i7, i2, r4) {label own}"""


@pytest.mark.parametrize("force_exits", [None, 4])
@pytest.mark.parametrize("level", [0, 2])
def test_a_bridge_is_given_what_the_root_has_at_hand(level: int, force_exits: int | None) -> None:
    """References that the root owns, or has borrowed from a list, and exits with one value twice."""
    trace = parse_trace(GIVING, {})
    assert trace.label is not None
    root = compile_trace(trace, force_exits=force_exits)
    own = LabelRef("own", trace.label.params, root.label_cell)
    bridge_trace = parse_trace(GIVEN, {"own": own})
    bridge = compile_trace(bridge_trace, is_bridge=True, force_exits=force_exits)
    number = guard(root, "guard_int_value")
    root.attach(number, bridge)
    inner, marker = [], object()
    counts = Counts(inner, marker).start()
    assert root.enter is not None
    names = {number: op.opcode.name for code in (root, bridge) for number, op in code.guards.items()}

    def ran() -> tuple[Any, ...]:
        assert root.enter is not None
        left = root.enter([[inner, marker], 6])
        try:
            return (names[left[0]], *left[2:])
        finally:
            inner.clear()

    alone = ran()
    part = refined(Part(trace, {root.guards[number]: Part(bridge_trace)}), forced=force_exits is not None)
    changed = part.bridges[root.guards[number]]
    assert len(changed.trace.inputs) == 5
    below = branch_of(changed.trace, bridge, 0, {}, changed.origins, changed.extras)
    top = branch_of(trace, root, 0, {root.guards[number]: below}, part.origins, part.extras)
    tree = link_tree(emit_tree(top, level=level, own_label=own, force_exits=force_exits))
    root.redirect(tree)
    if force_exits is None:
        assert ran() == alone == ("guard_true", marker, 7, inner, marker, [inner, marker])
    else:
        found = {ran()[0] for _ in range(12)}
        assert found >= {"guard_true", "guard_type", "guard_not_invalidated", "int_add_ovf"}
    root.detach(number)
    if force_exits is None:
        assert ran() == ("guard_int_value", [inner, marker], 1, 6)
    del alone
    assert counts.changes() == [0, 0]
    for code in (tree, bridge, root):
        code.free()


def test_runs_are_counted_and_the_last_one_leaves() -> None:
    trace = parse_trace(
        """trace t(r0: int)
          i1 = int_unbox(r0) -> []
          label(i2 = 0, i3 = i1)
          guard_no_attention() -> [i2]
          b4 = int_lt(i2, i3)
          guard_true(b4) -> [i2]
          i5 = int_add_ovf(i2, 1) -> []
          jump(i5, i3)""",
        {},
    )
    code = compile_trace(trace, heat=10)
    assert outcome(code, 5) == ("guard_true", None, 5)
    assert (code.runs, code.is_hot) == (6, False)
    assert outcome(code, 50) == ("guard_no_attention", None, 3)
    assert code.is_hot
    assert outcome(code, 50) == ("guard_true", None, 50)
    code.set_heat(0)
    assert not code.is_hot
    assert outcome(code, 50) == ("guard_true", None, 50)
    code.free()
