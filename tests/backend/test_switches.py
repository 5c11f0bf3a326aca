"""Chains of guards on one value in a tree: where there is a switch, where there is none, and that both do the same."""

from __future__ import annotations

import re
from typing import Any

import pytest

from metatracer import JitDriver, parameters, promote
from metatracer.backend import switches
from metatracer.backend.compile import CompiledCode, TreeText, branch_of, compile_trace, emit_tree, link_tree
from metatracer.ir.text import parse_trace
from metatracer.ir.values import LabelRef
from metatracer.runtime.host import PORTALS
from metatracer.statistics import STATISTICS
from tests.backend.machine import Counts

ROOT = """trace t(r0: int, r1)
  i2 = int_unbox(r0) -> []
  label(i3 = 0, i4 = 0, i5 = i2, r6 = r1)
  b7 = int_lt(i3, i5)
  guard_true(b7) -> [i4, r6]
  i8 = int_mod(i3, 7)
  guard_int_value(i8) {0} -> [i3, i4, i5, r6, i8]
  i9 = int_add_ovf(i3, 1) -> []
  jump(i9, i4, i5, r6)"""
BRIDGE = """trace b{number}(i0, i1, i2, r3, i4)
  guard_not_invalidated() -> [i0, i1, i2, r3, i4]
  {before}
  guard_int_value({guarded}) {{{number}}} -> [i0, i1, i2, r3, i4]
  i8 = int_add_ovf(i1, {worth}) -> []
  i9 = int_add_ovf(i0, 1) -> []
  jump(i9, i8, i2, r3) {{label own}}"""
NUMBERS = (3, 1, 6, 2, 4)
"""Of the bridges, in their order in the chain. 5 has none."""


@pytest.fixture(autouse=True)
def _short_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switches, "LEAST_CASES", 3)


class Chain:
    """A root and a chain of bridges; `altered` says what is different in the bridge for a number."""

    def __init__(self, altered: dict[int, dict[str, str]] | None = None) -> None:
        trace = parse_trace(ROOT, {})
        assert trace.label is not None
        self.root = compile_trace(trace)
        self.own = LabelRef("own", trace.label.params, self.root.label_cell)
        self.traces = [trace]
        self.codes = [self.root]
        for number in NUMBERS:
            parts = {"before": "", "guarded": "i4", "worth": str(10**number), **(altered or {}).get(number, {})}
            bridge = parse_trace(BRIDGE.format(number=number, **parts), {"own": self.own})
            self.traces.append(bridge)
            self.codes.append(compile_trace(bridge, is_bridge=True))
        for parent, bridge_code in zip(self.codes, self.codes[1:], strict=False):
            parent.attach(switching_guard(parent), bridge_code)
        self.trees: list[Any] = []

    def text(self) -> TreeText:
        branches = [
            branch_of(trace, code, 1000 - 100 * n)
            for n, (trace, code) in enumerate(zip(self.traces, self.codes, strict=True))
        ]
        for parent, code, below in zip(branches, self.codes, branches[1:], strict=False):
            parent.branches[code.guards[switching_guard(code)]] = below
        return emit_tree(branches[0], own_label=self.own)

    def enter_tree(self) -> None:
        self.trees.append(link_tree(self.text()))
        self.root.redirect(self.trees[-1])

    def run(self, count: int, marker: object = None) -> tuple[Any, ...]:
        """The number of the piece that is left, and what it gives."""
        assert self.root.enter is not None
        guard_id, _, *values = self.root.enter([count, marker])
        for number, code in zip((0, *NUMBERS), self.codes, strict=True):
            if guard_id in code.guards:
                return number, code.guards[guard_id].opcode.name, *values
        raise AssertionError(guard_id)

    def free(self) -> None:
        for code in (*self.trees, *self.codes):
            code.free()


def switching_guard(code: CompiledCode) -> int:
    return next(guard_id for guard_id, op in code.guards.items() if op.opcode.name == "guard_int_value")


def ways(text: str) -> list[list[int]]:
    """The numbers of each switch of a text."""
    return [
        [int(number) for number in re.findall(r"i64 (-?\d+), label", line)] for line in re.findall(r"switch .*", text)
    ]


def test_a_chain_becomes_a_switch_behind_its_first_bridge() -> None:
    chain = Chain()
    text = chain.text().text
    assert ways(text) == [[1, 6, 2, 4]]
    weights = re.search(r"switch .* !prof (!\d+)", text)
    assert weights is not None
    assert f'{weights[1]} = !{{!"branch_weights", i32 100, i32 100, i32 100, i32 100, i32 500}}' in text
    chain.free()


def test_a_switch_does_what_the_chain_does() -> None:
    chain, marker = Chain(), object()
    counts = Counts(marker).start()
    alone = [chain.run(count, marker) for count in range(7)]
    chain.enter_tree()
    together = [chain.run(count, marker) for count in range(7)]
    assert alone == together
    assert alone[5] == (0, "guard_true", 10 + 100 + 1000 + 10000, marker)
    assert alone[6][:5] == (4, "guard_int_value", 5, 10 + 100 + 1000 + 10000, 6)
    del alone, together
    assert counts.changes() == [0]
    chain.free()


def test_a_detached_case_is_left_where_its_chain_is_left() -> None:
    chain = Chain()
    chain.enter_tree()
    chain.codes[2].detach(switching_guard(chain.codes[2]))  # the bridge for 6 and all behind it
    assert chain.run(7)[:2] == (1, "guard_int_value")
    chain.codes[2].attach(switching_guard(chain.codes[2]), chain.codes[3])
    assert chain.run(7)[:2] == (4, "guard_int_value")
    chain.free()


def test_a_case_whose_assumptions_broke_is_left_at_its_start() -> None:
    chain = Chain()
    chain.enter_tree()
    chain.codes[4].invalidate()  # the bridge for 2
    assert chain.run(7)[:3] == (2, "guard_not_invalidated", 2)
    chain.free()


@pytest.mark.parametrize(
    ("altered", "left"),
    [
        ({6: {"before": "i7 = int_add(i0, 3)"}}, []),
        ({6: {"before": "b7 = int_lt(i0, 1000)\n  guard_true(b7) -> [i0]"}}, []),
        ({6: {"guarded": "i0"}}, []),
        ({4: {"guarded": "i0"}}, [[1, 6, 2]]),
        ({3: {"guarded": "i0"}}, []),
    ],
)
def test_a_bridge_that_begins_otherwise_ends_the_chain(
    altered: dict[int, dict[str, str]], left: list[list[int]]
) -> None:
    chain = Chain(altered)
    assert ways(chain.text().text) == left
    alone = [chain.run(count)[:2] for count in range(1, 7)]
    chain.enter_tree()
    assert [chain.run(count)[:2] for count in range(1, 7)] == alone
    chain.free()


def test_guards_of_other_places_are_no_chain() -> None:
    chain = Chain()
    snapshot = chain.codes[3].guards[switching_guard(chain.codes[3])].snapshot
    assert snapshot is not None
    snapshot.frames[0].index += 2
    assert ways(chain.text().text) == []
    chain.free()


def test_few_constants_stay_a_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switches, "LEAST_CASES", 5)
    chain = Chain()
    assert ways(chain.text().text) == []
    chain.free()


# --- whole loops --------------------------------------------------------------------------------------------------------


class Shape:
    """Of many classes; what it does is found out by its class or by its number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def step(self, total: int) -> int:
        return (total * 3 + self.number) & 0xFFFFF


NUMBERS_PROMOTED = bytearray([3, 8, 1, 6, 2, 7, 5, 4, 0])
SHAPES = [type(f"Shape{number}", (Shape,), {"worth": number})(number) for number in range(9)]
driver = JitDriver(greens=[], reds="auto", name="switching")


@driver.portal
def by_number(shapes: list[Any], count: int) -> int:
    i = total = 0
    while i < count:
        driver.jit_merge_point()
        number = promote(shapes[(i * i + i // 7) % len(shapes)])
        total = (total * 5 + number if number & 1 else total ^ (number << 3)) & 0xFFFFF
        i += 1
    return total


@driver.portal
def by_class(shapes: list[Any], count: int) -> int:
    i = total = 0
    while i < count:
        driver.jit_merge_point()
        shape = shapes[(i * i + i // 7) % len(shapes)]
        total = shape.step(total) + shape.worth
        i += 1
    return total


@driver.portal
def by_object(shapes: list[Any], count: int) -> int:
    i = total = 0
    while i < count:
        driver.jit_merge_point()
        total = promote(shapes[(i * i + i // 7) % len(shapes)]).step(total)
        i += 1
    return total


@pytest.mark.parametrize(("portal", "force_exits"), [(by_number, 0), (by_number, 7), (by_class, 1), (by_object, 7)])
def test_loops_with_switches_do_what_cpython_does(
    portal: Any, force_exits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    things: Any = NUMBERS_PROMOTED if portal is by_number else SHAPES
    texts: list[str] = []
    emit = emit_tree

    def watched(*args: Any, **options: Any) -> TreeText:
        found = emit(*args, **options)
        texts.append(found.text)
        return found

    monkeypatch.setattr("metatracer.runtime.tiers.emit_tree", watched)
    with parameters(threshold=10**6):
        expected = portal(things, 3000)
    with parameters(
        threshold=3, trace_eagerness=2, promotion_limit=100, tree_limit=1000, tier2_threshold=5000, force_exits=force_exits,
        background=False,
    ):  # fmt: skip
        PORTALS[portal.__code__].keep_loops(lambda _: False)
        for _ in range(5):
            assert portal(things, 3000) == expected
    assert STATISTICS.as_dict()["aborts"].get("INTERNAL_ERROR", 0) == 0
    assert any(ways(text) for text in texts)
