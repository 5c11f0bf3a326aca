"""Passes and entries are counted exactly, by the traces' own code and by trees, in the same words."""

from __future__ import annotations

from typing import Any

import pytest

from metatracer.backend.compile import CompiledCode, TreeCode, branch_of, compile_trace, emit_tree, link_tree
from metatracer.backend.counting import PLENTY
from metatracer.ir.text import parse_trace
from metatracer.ir.values import LabelRef
from tests.backend.machine import outcome

pytestmark = pytest.mark.usefixtures("_left_alone")

ROOT = """trace t(r0: int)
  i1 = int_unbox(r0) -> []
  {preamble}label(i2 = 0, i3 = i1)
  guard_no_attention() -> [i2, i3]
  b4 = int_lt(i2, i3)
  guard_true(b4) -> [i2]
  i5 = int_and(i2, 3)
  guard_int_value(i5) {{0}} -> [i2, i3, i5]
  i6 = int_add_ovf(i2, 1) -> []
  jump(i6, i3)"""
OTHER = """trace other(i0, i1, i2)
  guard_not_invalidated() -> [i0]
  guard_int_value(i2) {1} -> [i0, i1, i2]
  i3 = int_add_ovf(i0, 1) -> []
  jump(i3, i1) {label own}"""
THIRD = """trace third(i0, i1, i2)
  guard_not_invalidated() -> [i0]
  i3 = int_add_ovf(i0, 1) -> []
  jump(i3, i1) {label own}"""
LAST = """trace last(i0, i1, i2)
  finish(None)"""


class Made:
    """A loop of three ways round and, of a fourth, one out: passes 0, 4, 8 ... stay in the root."""

    def __init__(self, *, preamble: bool = True, has_end: bool = False) -> None:
        text = ROOT.format(preamble="guard_no_attention() -> []\n  " if preamble else "")
        trace = parse_trace(text, {})
        assert trace.label is not None
        self.root = compile_trace(trace, counted="header")
        self.own = LabelRef("own", trace.label.params, self.root.label_cell)
        named = {"own": self.own}
        self.traces = [trace, parse_trace(OTHER, named), parse_trace(LAST if has_end else THIRD, named)]
        self.codes = [self.root]
        for each in self.traces[1:]:
            code = compile_trace(each, counted="entries", is_bridge=True)
            self.codes[-1].attach(guard(self.codes[-1], "guard_int_value"), code)
            self.codes.append(code)
        self.tree: TreeCode | None = None

    def make_tree(self) -> None:
        branches = [branch_of(trace, code) for trace, code in zip(self.traces, self.codes, strict=True)]
        for upper, lower, code in zip(branches, branches[1:], self.codes, strict=False):
            upper.branches[code.guards[guard(code, "guard_int_value")]] = lower
        self.tree = link_tree(emit_tree(branches[0], own_label=self.own))
        self.root.redirect(self.tree)

    def run(self, passes: int) -> tuple[Any, ...]:
        """The exit tuple; the guard may be of any of the traces."""
        assert self.root.enter is not None
        return self.root.enter([passes])

    def counts(self) -> list[int]:
        """What was counted since everything had plenty."""
        found = [PLENTY - code.passes_left for code in self.codes]
        for code in self.codes:
            code.give_passes(PLENTY)
        return found

    def free(self) -> None:
        for code in (*([self.tree] if self.tree else []), *reversed(self.codes)):
            code.free()


def guard(code: CompiledCode, name: str) -> int:
    return next(guard_id for guard_id, op in code.guards.items() if op.opcode.name == name)


@pytest.mark.parametrize("passes", [0, 1, 2, 3, 4, 5, 41])
def test_passes_and_entries_are_counted_by_own_code_and_by_the_tree(passes: int) -> None:
    made = Made()
    assert outcome(made.root, passes) == ("guard_true", None, passes)
    # The pass in front of the loop counts, and so does the last one, which finds the end.
    others = [sum(n % 4 != 0 for n in range(passes)), sum(n % 4 > 1 for n in range(passes))]
    own = made.counts()
    assert own == [passes + 2, *others]
    made.make_tree()
    assert outcome(made.root, passes) == ("guard_true", None, passes)
    assert made.counts() == own
    made.free()


def test_a_root_leaves_when_its_passes_are_used_up_in_a_tree() -> None:
    made = Made(preamble=False)
    made.make_tree()
    for passes in (1, 7, 10):
        made.root.give_passes(passes)
        assert outcome(made.root, 1000) == ("guard_no_attention", None, passes, 1000)
        assert made.root.passes_left == 0
    made.free()


def test_a_bridge_leaves_a_tree_when_its_entries_are_used_up() -> None:
    made = Made(preamble=False)
    made.make_tree()
    made.codes[2].give_passes(3)
    assert made.run(1000) == (guard(made.codes[2], "guard_not_invalidated"), None, 7)
    assert made.codes[2].passes_left == -1
    assert made.counts()[:2] == [8, 6]
    made.free()


def test_a_branch_that_ends_the_loop_settles_the_passes() -> None:
    made = Made(has_end=True)
    assert outcome(made.root, 50) == ("finish", None, None)
    own = made.counts()
    assert own == [4, 2, 1]
    made.make_tree()
    assert outcome(made.root, 50) == ("finish", None, None)
    assert made.counts() == own
    made.free()


def test_a_bridge_that_is_not_in_the_tree_is_counted_by_its_own_code() -> None:
    made = Made(preamble=False)
    made.make_tree()
    middle, last = made.codes[1:]
    number = guard(middle, "guard_int_value")
    middle.detach(number)
    assert made.run(50) == (number, None, 2, 50, 2)
    assert made.counts() == [3, 2, 0]
    other = compile_trace(made.traces[2], counted="entries", is_bridge=True)
    middle.attach(number, other)
    assert outcome(made.root, 5) == ("guard_true", None, 5)
    assert PLENTY - other.passes_left == 2
    assert made.counts() == [6, 3, 0]
    middle.attach(number, last)
    other.free()
    made.free()


