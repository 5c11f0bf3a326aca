"""Polled words are looked at again after everything that may have changed them, and not oftener."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

import pytest

from metatracer.backend.compile import compile_trace, set_cell, set_exit_handler
from metatracer.backend.emit_control import MOST_INLINE_WORDS, POLLING_FUNCTION
from metatracer.backend.support import addresses
from metatracer.ir.text import parse_trace
from metatracer.ir.values import LoopRef
from tests.backend.machine import outcome


class Words:
    """An assumption about words of memory; `change` breaks it."""

    def __init__(self) -> None:
        count = MOST_INLINE_WORDS + 1
        self.words = (ctypes.c_uint64 * count)()
        self.cells = (ctypes.c_uint64 * count)()

    def poll_words(self) -> list[tuple[int, int, int]]:
        return [
            (ctypes.addressof(self.words) + 8 * number, 8, ctypes.addressof(self.cells) + 8 * number)
            for number in range(len(self.words))
        ]

    def change(self, *_: Any) -> None:
        self.words[1] += 1


class Gone(Words):
    """Its later words are where no memory is, once its first one is changed."""

    def __init__(self, gone_after: int) -> None:
        super().__init__()
        self.gone_after = gone_after

    def poll_words(self) -> list[tuple[int, int, int]]:
        words = super().poll_words()
        return [*words[: self.gone_after], *((8, size, cell) for _, size, cell in words[self.gone_after :])]


class Box:
    __slots__ = ("value",)


class Breaking:
    """Changes a word when it is freed."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def __del__(self) -> None:
        self.words.change()


def code_for(words: Words, body: str, params: str = "r0", **names: Any) -> Any:
    text = f"trace t({params})\n  guard_not_invalidated() -> []\n{body}\n  guard_not_invalidated() -> []\n  finish(None)"
    trace = parse_trace(text, {"Box": Box, **names})
    trace.assumptions.append(words)
    return compile_trace(trace)


def ends(code: Any, *args: Any) -> str:
    result: str = outcome(code, *args)[0]
    code.free()
    return result


def breaking_box(words: Words) -> Box:
    box = Box()
    box.value = Breaking(words)
    return box


@pytest.mark.parametrize(
    "body",
    [
        "  setfield(r0, None) {Box.value}",
        "  r1 = getfield(r0) {Box.value}\n  setfield(r0, None) {Box.value}\n  guard_nonnull(r1) -> []",
        "  f1 = int_to_float(1)\n  r2 = float_box(f1)\n  setfield(r0, r2) {Box.value}",
        "  r1 = getfield(r0) {Box.value}\n  r2 = new_tuple(r1)\n  setfield(r0, r2) {Box.value}\n  setfield(r0, None) {Box.value}",
        "  r1 = getfield(r0) {Box.value}\n  r2 = new_list(r1)\n  setfield(r0, r2) {Box.value}\n  setfield(r0, None) {Box.value}",
    ],
)
def test_a_finalizer_that_a_store_runs(body: str) -> None:
    words = Words()
    assert ends(code_for(words, body), breaking_box(words)) == "guard_not_invalidated"
    assert ends(code_for(Words(), body), breaking_box(Words())) == "finish"


def test_a_finalizer_of_what_an_instance_held_that_is_used_again() -> None:
    words = Words()
    body = "  r1 = new() {Box}\n  setfield(r1, None) {Box.value}\n  list_setitem(r0, 0, r1)"
    assert ends(code_for(words, body, "r0: list"), [breaking_box(words)]) == "guard_not_invalidated"


def test_a_number_put_into_the_old_object_or_beside_it_begins_no_epoch() -> None:
    trace = parse_trace(
        """trace t(r0: list, r1: int)
          i2 = int_unbox(r1) -> []
          f3 = int_to_float(i2)
          r4 = float_box(f3)
          list_setitem(r0, 0, r4)
          finish(None)""",
        {},
    )
    code = compile_trace(trace)
    items = [float("1.5")]
    epoch = ctypes.c_int64.from_address(addresses().epoch)

    def epochs(number: int) -> int:
        before = epoch.value
        assert outcome(code, items, number)[0] == "finish"
        assert items == [float(number)]
        return epoch.value - before

    entering = epochs(1000)
    assert epochs(2000) == entering
    shared = items[0]
    assert epochs(3000) == entering
    assert shared == 2000.0
    code.free()


def test_objects_that_come_and_go_through_free_lists_begin_no_epoch() -> None:
    text = """trace t(r0, r9: Box)
      r1 = new_tuple(r0, r0)
      r2 = new_list(r1)
      r3 = new() {Box}
      setfield(r3, r2) {Box.value}
      setfield(r9, r3) {Box.value}
      setfield(r9, None) {Box.value}
      finish(None)"""
    code = compile_trace(parse_trace(text, {"Box": Box}))
    box = Box()
    epoch = ctypes.c_int64.from_address(addresses().epoch)
    epochs = []
    for _ in range(3):
        before = epoch.value
        assert outcome(code, "x", box)[0] == "finish"
        epochs.append(epoch.value - before)
    assert epochs[1:] == [1, 1]  # of entering
    code.free()


def test_a_finalizer_that_the_end_of_a_value_runs() -> None:
    words = Words()
    code = code_for(words, "  guard_nonnull(r0) -> []")
    assert code.guards[code.enter([Breaking(words)])[0]].opcode.name == "guard_not_invalidated"
    code.free()


def test_a_counted_entry_is_checked_without_merging_what_the_check_says() -> None:
    words = Words()
    trace = parse_trace("trace t(r0)\n  guard_not_invalidated() -> []\n  finish(None)", {})
    trace.assumptions.append(words)
    code = compile_trace(trace, level=1, counted="entries")
    assert "phi i1" not in code.llvm_text.partition("define internal")[0]
    code.give_passes(2)
    assert [outcome(code, None)[0] for _ in range(3)] == ["finish", "finish", "guard_not_invalidated"]
    code.free()


def test_a_call() -> None:
    words = Words()
    code = code_for(words, "  r1 = call(r0)\n  guard_no_exception(r1) -> []")
    assert ends(code, words.change) == "guard_not_invalidated"


def test_c_code_that_changes_a_dict() -> None:
    """Its version is what is polled on 3.11."""
    words = Words()

    class Key(str):
        __slots__ = ()

        def __hash__(self) -> int:
            words.change()
            return 1

    body = "  i1 = call_c_i(r0, Key, None) {dict_setitem}\n  guard_no_exception(i1) -> []"
    assert ends(code_for(words, body, Key=Key("a")), {}) == "guard_not_invalidated"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="later versions collect garbage between bytecodes only")
@pytest.mark.parametrize("body", ["  r1 = new_tuple(r0)", "  r1 = new() {Box}\n  setfield(r1, r0) {Box.value}"])
def test_garbage_that_an_allocation_collects(body: str) -> None:
    words = Words()
    code = code_for(words, body + "\n  guard_nonnull(r1) -> []")
    thresholds = gc.get_threshold()
    gc.collect()
    gc.disable()
    try:
        cycle: list[Any] = [Breaking(words)]
        cycle.append(cycle)
        del cycle
        gc.set_threshold(1, 1, 1)
        gc.enable()
        assert ends(code, None) == "guard_not_invalidated"
    finally:
        gc.set_threshold(*thresholds)
        gc.enable()


def test_a_callee_that_leaves_its_machine_code() -> None:
    words = Words()
    callee = LoopRef("callee")
    left = compile_trace(parse_trace("trace c(r0)\n  guard_null(r0) -> [r0]\n  finish(r0)", {}))
    code = code_for(words, "  r1 = call_portal(r0) {callee}\n  guard_no_exception(r1) -> []", callee=callee)
    set_cell(callee, left)
    before = set_exit_handler(words.change)
    try:
        assert ends(code, "x") == "guard_not_invalidated"
    finally:
        set_exit_handler(before)
        left.free()


def test_a_bridge_behind_an_exit_that_frees_something() -> None:
    words = Words()
    text = "trace t(r0)\n  guard_not_invalidated() -> []\n  guard_null(r0) -> []\n  finish(None)"
    trace = parse_trace(text, {})
    other = parse_trace("trace b()\n  guard_not_invalidated() -> []\n  finish(None)", {})
    for each in (trace, other):
        each.assumptions.append(words)
    code, bridge = compile_trace(trace), compile_trace(other, is_bridge=True)
    guard = next(number for number, op in code.guards.items() if op.opcode.name == "guard_null")
    code.attach(guard, bridge)
    assert code.enter is not None
    assert code.enter([object()])[0] == 0
    assert bridge.guards[code.enter([Breaking(words)])[0]].opcode.name == "guard_not_invalidated"
    code.free()
    bridge.free()


def test_each_entry_looks() -> None:
    words = Words()
    code = code_for(words, "  guard_nonnull(r0) -> []")
    assert outcome(code, "x")[0] == "finish"
    words.change()
    assert outcome(code, "x")[0] == "guard_not_invalidated"
    words.cells[1] = words.words[1]
    assert ends(code, "x") == "finish"


def test_words_are_compared_in_a_cold_block() -> None:
    code = code_for(Words(), "  guard_nonnull(r0) -> []")
    text = code.ir_text
    assert text.index(f"@{POLLING_FUNCTION}()") > text.index("ret ptr inttoptr")
    code.free()


@pytest.mark.parametrize("before", [1, 2])
def test_words_that_depend_on_a_changed_one_are_not_read(before: int) -> None:
    words = Gone(before)
    words.words[before - 1] = 1
    assert ends(code_for(words, ""), None) == "guard_not_invalidated"
