"""Passes counted in machine code: exact at every exit, and a header that is left when none are left."""

from __future__ import annotations

import ctypes
import operator
from functools import partial
from typing import Any

import pytest

from metatracer.backend.compile import CompiledCode
from metatracer.backend.counting import AHEAD, PLENTY
from metatracer.backend.layout import eval_breaker_address, layout, thread_state
from metatracer.ir.values import LoopRef
from tests.backend.machine import compiled, outcome

pytestmark = pytest.mark.usefixtures("_left_alone")

LOOP = """trace count(r0: int, r9)
  i1 = int_unbox(r0) -> [r0, r9]
  guard_no_attention() -> [r0, r9]
  label(i2 = 0, i3 = i1, r4 = r9)
  guard_no_attention() -> [i2, r4]
  b5 = int_lt(i2, i3)
  guard_true(b5) -> [i2, r4]
  i6 = int_and(i2, 1)
  guard_int_value(i6) {0} -> [i2, i3, r4, i6]
  i7 = int_add_ovf(i2, 2) -> [i2, r4]
  jump(i7, i3, r4)"""
SIMPLE = """trace simple(i2, i3, r4)
  guard_no_attention() -> [i2, r4]
  b5 = int_lt(i2, i3)
  guard_true(b5) -> [i2, r4]
  i7 = int_add_ovf(i2, 1) -> [i2, r4]
  jump(i7, i3, r4)"""
FUNCTION = """trace function(r0)
  guard_no_attention() -> [r0]
  finish(r0)"""
BRIDGE = """trace bridge(i0, r1)
  r2 = int_box(i0)
  finish(r2)"""

levels = pytest.mark.parametrize("level", [0, 1, 2])


def exit_named(code: CompiledCode, *args: Any) -> str:
    return outcome(code, *args)[0]


@levels
def test_passes_are_subtracted_at_an_exit(level: int) -> None:
    code = compiled(LOOP, level=level, counted="header")
    code.give_passes(1000)
    assert exit_named(code, 20, None) == "guard_true"
    # One in front of the label, eleven behind it: the last of these leaves.
    assert code.passes_left == 1000 - 1 - 11
    assert exit_named(code, 10, None) == "guard_true"
    assert code.passes_left == 1000 - 12 - 1 - 6
    code.free()


@levels
def test_a_header_is_left_when_no_passes_are_left(level: int) -> None:
    code = compiled(LOOP, level=level, counted="header")
    code.give_passes(5)
    assert outcome(code, 1000, None)[:3] == ("guard_no_attention", None, 8)
    assert code.passes_left == 0
    code.free()


def test_a_loop_without_passes_is_left_at_once() -> None:
    code = compiled(LOOP, counted="header")
    code.give_passes(0)
    assert exit_named(code, 1000, None) == "guard_no_attention"
    assert code.passes_left < 0
    code.free()


@levels
def test_the_entry_of_code_that_is_no_loop_is_its_header(level: int) -> None:
    code = compiled(FUNCTION, level=level, counted="header")
    code.give_passes(2)
    assert [exit_named(code, None) for _ in range(3)] == ["finish", "finish", "guard_no_attention"]
    code.free()


def test_a_loop_to_its_own_start_is_counted() -> None:
    """Such a trace takes unboxed numbers: it is entered from another one."""
    inner = compiled(SIMPLE, counted="header")
    inner.give_passes(100)
    loop = LoopRef("inner")
    from metatracer.backend.compile import set_cell

    set_cell(loop, inner)
    outer = compiled("trace outer(r0)\n  jump(3, 10, r0) {inner}", {"inner": loop})
    assert outer.enter is not None
    left = outer.enter([None])
    assert inner.guards[left[0]].opcode.name == "guard_true"
    assert inner.passes_left == 100 - 8
    outer.free()
    inner.free()


def test_entries_of_a_bridge_are_counted() -> None:
    root = compiled(LOOP, counted="header")
    bridge = compiled(BRIDGE, counted="entries", is_bridge=True)
    guard = next(guard_id for guard_id, op in root.guards.items() if op.opcode.name == "guard_true")
    root.attach(guard, bridge)
    for _ in range(3):
        assert exit_named(root, 6, None) == "finish"
    assert PLENTY - bridge.passes_left == 3
    root.detach(guard)
    bridge.free()
    root.free()


def test_nothing_is_counted_unless_asked_for() -> None:
    code = compiled(LOOP)
    code.give_passes(3)
    assert exit_named(code, 100, None) == "guard_true"
    assert code.passes_left == 3
    assert "phi i64" in code.ir_text
    code.free()


@levels
def test_a_bridge_without_entries_left_is_left_by_its_first_check(level: int) -> None:
    root = compiled(LOOP, level=level, counted="header")
    checked = "trace bridge(i0, r1)\n  guard_not_invalidated() -> [i0, r1]\n  r2 = int_box(i0)\n  finish(r2)"
    bridge = compiled(checked, level=level, counted="entries", is_bridge=True)
    guard = next(guard_id for guard_id, op in root.guards.items() if op.opcode.name == "guard_true")
    root.attach(guard, bridge)
    bridge.give_passes(2)
    names = []
    for _ in range(3):
        assert root.enter is not None
        left = root.enter([6, None])[0]
        names.append("finish" if left == 0 else bridge.guards[left].opcode.name)
    assert names == ["finish", "finish", "guard_not_invalidated"]
    root.detach(guard)
    bridge.free()
    root.free()


# --- passes taken ahead -------------------------------------------------------------------------------------------------------

CALLING = LOOP.replace("  i6 = int_and", "  r8 = call(&f) -> [i2, r4]\n  guard_no_exception(r8) -> [i2, r4]\n  i6 = int_and")


@pytest.mark.parametrize("granted", [AHEAD - 1, AHEAD, AHEAD + 1, 3 * AHEAD + 7, 100 * AHEAD])
@pytest.mark.parametrize("passes", [1, AHEAD - 1, AHEAD, AHEAD + 1, 2 * AHEAD, 2 * AHEAD + 500, 3 * AHEAD + 7])
def test_passes_that_were_taken_ahead_are_given_back(granted: int, passes: int) -> None:
    code = compiled(LOOP, level=1, counted="header")
    code.give_passes(granted + 1)  # one in front of the label
    left = outcome(code, 2 * (passes - 1), None)
    if passes <= granted:
        assert left[0] == "guard_true"
        assert code.passes_left == granted - passes
    else:
        assert (left[0], left[2]) == ("guard_no_attention", 2 * granted)
        assert code.passes_left == 0
    code.free()


def test_a_pass_that_is_left_before_its_check_is_none() -> None:
    before = "  b4 = int_ne(i2, 7)\n  guard_true(b4) -> [i2, r4]\n"
    body = SIMPLE[SIMPLE.index("\n") :].replace("  guard_no_attention", f"{before}  guard_no_attention")
    head = "trace enter(r9)\n  i1 = int_unbox(r9) -> [r9]\n  label(i2 = 0, i3 = i1, r4 = r9)"
    code = compiled(head + body, level=1, counted="header")
    code.give_passes(100)
    assert outcome(code, 50)[:1] == ("guard_true",)
    assert code.passes_left == 100 - 7
    code.free()


def _looks_for_attention(text: str) -> bool:
    """Whether the first block of the loop reads CPython's word."""
    block = text[text.index("\nloop:") :]
    return "load volatile" in block[: block.index(" br ")]


@pytest.mark.parametrize("counted", ["", "header"])
def test_a_loop_that_calls_nothing_seldom_looks_for_attention(counted: Any) -> None:
    assert not _looks_for_attention(compiled(LOOP, level=1, counted=counted).ir_text)
    # Quick code has as few blocks as possible: what is in registers is stored at the end of each.
    assert _looks_for_attention(compiled(LOOP, level=0, counted=counted).ir_text)
    # What is called may take long; a guard that is forced to fail at its n-th execution has to be executed in each pass.
    assert _looks_for_attention(compiled(CALLING, {"f": id}, level=1, counted=counted).ir_text)
    assert _looks_for_attention(compiled(LOOP, level=1, counted=counted, force_exits=3).ir_text)


@pytest.mark.skipif(layout().eval_breaker_in_thread, reason="its bits belong to CPython")
def test_attention_is_noticed_at_the_next_look() -> None:
    text = """trace attended(r0: int, r9)
  i1 = int_unbox(r0) -> [r0, r9]
  label(i2 = 0, i3 = i1, r4 = r9)
  guard_no_attention() -> [i2, r4]
  b5 = int_lt(i2, i3)
  guard_true(b5) -> [i2, r4]
  i7 = int_add_ovf(i2, 1) -> [i2, r4]
  jump(i7, i3, r4)"""
    code = compiled(text, level=1)
    memset = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)(("memset", ctypes.pythonapi))
    ask = partial(memset, eval_breaker_address(layout(), thread_state()), 1, 1)
    assert code.enter is not None
    _, left = map(operator.call, [ask, partial(code.enter, [10, None])])  # without bytecode between, which would attend
    assert code.guards[left[0]].opcode.name == "guard_no_attention"
    assert left[2] == 0  # whoever comes in looks at once
    code.free()
