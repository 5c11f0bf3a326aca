"""Guard exits, bridges, loop cells, invalidation, attention, forced exits, freeing."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from metatracer.backend.compile import CompiledCode, allocate_cell, compile_trace, free_cell, set_cell
from metatracer.errors import IRError
from metatracer.ir.snapshots import live_values
from metatracer.ir.text import parse_trace
from metatracer.ir.values import NULL_OBJECT, LoopRef
from tests.backend.machine import Counts, compiled, outcome

COUNT = """trace count(r0: int, r9)
  i1 = int_unbox(r0) -> [r0, r9]
  label(i2 = 0, i3 = i1, r4 = r9)
  b5 = int_lt(i2, i3)
  guard_true(b5) -> [i2, r4]
  i6 = int_and(i2, 1)
  guard_int_value(i6) {0} -> [i2, i3, r4, i6]
  i7 = int_add_ovf(i2, 1) -> [i2, r4]
  jump(i7, i3, r4)"""
ODD = """trace odd(i0, i1, r2, i3)
  i4 = int_add_ovf(i0, 1) -> [i0, r2]
  jump(i4, i1, r2) {header}"""
HEADER = """trace header(i0, i1, r2)
  i8 = int_sub(i1, i0)
  b3 = int_lt(i0, i1)
  guard_true(b3) -> [i0, r2]
  i6 = int_and(i0, 1)
  guard_int_value(i6) {0} -> [i0, i1, r2, i6]
  i7 = int_add_ovf(i0, 1) -> [i0, r2]
  jump(i7, i1, r2)"""


def guard_named(code: CompiledCode, name: str) -> int:
    return next(guard_id for guard_id, op in code.guards.items() if op.opcode.name == name)


def test_an_exit_hands_over_every_kind_in_order() -> None:
    code = compiled(
        """trace t(r0, r1: int)
          i2 = int_unbox(r1) -> []
          f3 = int_to_float(i2)
          b4 = int_lt(i2, 5)
          r5 = int_box(i2)
          guard_null(r0) -> [r0, i2, f3, b4, NULL, r5, r0]
          finish(None)"""
    )
    value = object()
    counts = Counts(value).start()
    assert outcome(code, value, -(10**18)) == ("guard_null", None, value, -(10**18), -1e18, True, -(10**18))
    assert outcome(code, value, 7) == ("guard_null", None, value, 7, 7.0, False, 7)
    assert counts.changes() == [0]
    code.free()


def test_an_exit_hands_over_more_values_than_there_are_registers() -> None:
    lines = [f"  i{n + 10} = int_add(i1, {n})\n  f{n + 10} = int_to_float(i{n + 10})" for n in range(40)]
    live = ", ".join(f"i{n + 10}, f{n + 10}" for n in range(40))
    head = ["trace t(r0: int)", "  i1 = int_unbox(r0) -> []"]
    code = compiled("\n".join([*head, *lines, f"  guard_true(false) -> [{live}]", "  finish(None)"]))
    expected = [value for n in range(40) for value in (n + 3, n + 3.0)]
    assert list(outcome(code, 3)[2:]) == expected
    code.free()


@pytest.mark.parametrize("level", [0, 2])
def test_exits_with_the_same_first_values_share_their_stores(level: int) -> None:
    code = compiled(
        """trace t(r0, r1, r2)
          guard_null(r0) -> [r1, r2]
          guard_nonnull(r1) -> [r1, r2, r0]
          r3 = new_tuple(r1)
          guard_null(r1) -> [r1, r2, r3]
          r4 = new_tuple(r2)
          guard_null(r2) -> [r1, r2, r3, r4]
          finish(r4)""",
        level=level,
    )
    if level == 0:
        stores = [line.split()[2] for line in code.ir_text.splitlines() if line.strip().startswith("store ptr %a")]
        assert sorted(stores) == ["%a0,", "%a1,", "%a2,"]
    first, second = object(), object()
    counts = Counts(first, second).start()
    null = NULL_OBJECT
    assert outcome(code, first, first, second) == ("guard_null", None, first, second)
    assert outcome(code, null, null, second) == ("guard_nonnull", None, null, second, null)
    assert outcome(code, null, first, null) == ("guard_null", None, first, null, (first,))
    assert outcome(code, null, first, second) == ("guard_null", None, first, second, (first,))
    assert counts.changes() == [0, 0]
    code.free()


@pytest.mark.parametrize("count", [1, 2, 62, 63, 64, 70])
def test_an_exit_keeps_any_number_of_references(count: int) -> None:
    names = ", ".join(f"r{n}" for n in range(count))
    code = compiled(f"trace t({names})\n  guard_null(r0) -> [{names}]\n  finish(None)")
    values = [object() for _ in range(count)]
    counts = Counts(*values).start()
    for _ in range(3):
        assert list(outcome(code, *values)[2:]) == values
    assert counts.changes() == [0] * count
    code.free()


@pytest.mark.parametrize("level", [0, 2])
def test_jumps_between_loops_with_values_on_the_stack_do_not_grow_it(level: int) -> None:
    """Arguments beyond the registers, different numbers of them, and 300,000 jumps: 8 MB would not be enough."""
    loops = {name: LoopRef(name, allocate_cell()) for name in ("wide", "narrow")}
    names = ", ".join(f"i{n}" for n in range(10, 30))
    wide = f"""trace wide(i0, {names})
      b1 = int_gt(i0, 0)
      guard_true(b1) -> [{names}]
      i2 = int_sub(i0, 1)
      jump(i2, i29) {{narrow}}"""
    spread = "\n".join(f"      i{n} = int_add(i1, {n - 29})" for n in range(10, 30))
    narrow = f"""trace narrow(i0, i1)
{spread}
      jump(i0, {names}) {{wide}}"""
    root = "trace root(r0: int)\n  i1 = int_unbox(r0) -> []\n  jump(i1, 7) {narrow}"
    codes = [compile_trace(parse_trace(text, loops), level=level) for text in (wide, narrow, root)]
    set_cell(loops["wide"], codes[0])
    set_cell(loops["narrow"], codes[1])
    assert codes[2].enter is not None
    assert codes[2].enter([300_000])[2:] == tuple(range(7 - 19, 8))
    for code in codes:
        code.free()


def test_a_null_reference_is_handed_over_as_such() -> None:
    code = compiled("trace t(r0: cell)\n  r1 = cell_get(r0)\n  guard_nonnull(r1) -> [r1, r0]\n  finish(None)")
    cell = (lambda: code).__closure__[0]  # type: ignore[index]
    saved, empty = cell.cell_contents, type(cell)()
    assert outcome(saved, empty) == ("guard_nonnull", None, NULL_OBJECT, empty)
    saved.free()


@pytest.mark.parametrize("levels", [(0, 0), (2, 2), (0, 2)])
def test_bridges_are_attached_and_detached(levels: tuple[int, int]) -> None:
    root_trace = parse_trace(COUNT, {})
    root = compile_trace(root_trace, level=levels[0])
    marker = object()
    assert outcome(root, 10, marker) == ("guard_int_value", None, 1, 10, marker, 1)
    header = LoopRef("header", allocate_cell())
    loop = compile_trace(parse_trace(HEADER, {}), level=levels[0])
    set_cell(header, loop)
    bridge = compile_trace(parse_trace(ODD, {"header": header}), level=levels[1], is_bridge=True)
    assert bridge.enter is None
    parity = guard_named(root, "guard_int_value")
    root.attach(parity, bridge)
    loop.attach(guard_named(loop, "guard_int_value"), bridge)
    counts = Counts(marker).start()
    assert root.enter is not None
    result = root.enter([1001, marker])
    assert loop.guards[result[0]].opcode.name == "guard_true"
    assert result[1:] == (None, 1001, marker)
    del result
    assert counts.changes() == [0]
    root.detach(parity)
    assert outcome(root, 10, marker)[0] == "guard_int_value"
    for code in (root, loop, bridge):
        code.free()
    free_cell(header)


def test_a_bridge_owns_its_inputs() -> None:
    root = compiled("trace t(r0: list, r1)\n  r2 = list_getitem(r0, 0)\n  guard_null(r1) -> [r2, r0, r1]\n  finish(None)")
    bridge = compiled(
        "trace b(r0, r1: list, r2)\n  list_setitem(r1, 0, None)\n  r3 = new_tuple(r0, r2)\n  finish(r3)",
        is_bridge=True,
    )
    root.attach(guard_named(root, "guard_null"), bridge)
    item, other = object(), object()
    counts = Counts(item, other).start()
    items: Any = [item]
    assert outcome_of_any(root, items, other) == (item, other)
    del items
    assert counts.changes() == [0, 0]
    root.free()
    bridge.free()


def outcome_of_any(code: Any, *args: Any) -> Any:
    return code.enter(list(args))[2]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_forced_exits_fail_each_guard_at_its_kth_execution(k: int) -> None:
    trace = parse_trace(COUNT.replace("guard_int_value(i6) {0} -> [i2, i3, r4, i6]", "guard_not_invalidated() -> [i2, r4]"), {})
    code = compile_trace(trace, force_exits=k)
    seen = [outcome(code, 100, None) for _ in range(k + 4)]
    # int_unbox runs once an entry; the others once an iteration, and each of those fails once and never again.
    expected_in_loop = [("guard_true", None, k - 1, None)]
    forced = [item for item in seen if item[0] == "int_unbox"]
    assert len(forced) == 1
    assert (expected_in_loop[0] in seen) == (k > 1 or seen[1] == expected_in_loop[0])
    assert seen[-1] == ("guard_true", None, 100, None)
    code.free()


def test_calls_are_not_failed_by_force() -> None:
    code = compiled("trace t(r0)\n  r1 = call(r0)\n  guard_no_exception(r1) -> []\n  finish(r1)", force_exits=1)
    assert outcome(code, dict)[0] == "finish"
    code.free()


def test_invalidated_code_leaves() -> None:
    code = compiled("trace t(r0)\n  guard_not_invalidated() -> [r0]\n  finish(None)")
    assert outcome(code, 1)[0] == "finish"
    assert not code.is_invalid
    code.invalidate()
    assert code.is_invalid
    assert outcome(code, 1) == ("guard_not_invalidated", None, 1)
    code.free()


def test_assumptions_are_polled() -> None:
    class Assumption:
        def __init__(self) -> None:
            self.word = ctypes.c_uint32(7)
            self.expected = ctypes.c_uint32(7)

        def poll_words(self) -> list[tuple[int, int, int]]:
            return [(ctypes.addressof(self.word), 4, ctypes.addressof(self.expected))]

    assumption = Assumption()
    trace = parse_trace("trace t(r0)\n  guard_not_invalidated() -> [r0]\n  finish(None)", {})
    trace.assumptions.append(assumption)
    code = compile_trace(trace)
    assert outcome(code, 1)[0] == "finish"
    assumption.word.value = 8
    assert outcome(code, 1)[0] == "guard_not_invalidated"
    assumption.expected.value = 8
    assert outcome(code, 1)[0] == "finish"
    code.free()


def test_a_word_behind_a_broken_one_is_not_read() -> None:
    class Assumption:
        first, expected = ctypes.c_uint64(1), ctypes.c_uint64(1)

        def poll_words(self) -> list[tuple[int, int, int]]:
            cell = ctypes.addressof(self.expected)
            return [(ctypes.addressof(self.first), 8, cell), (self.second, 8, cell)]

        second = ctypes.addressof(first)

    assumption = Assumption()
    assumption.first.value = 2
    assumption.second = 8  # reading there would be a crash
    trace = parse_trace("trace t(r0)\n  guard_not_invalidated() -> [r0]\n  finish(None)", {})
    trace.assumptions.append(assumption)
    for level in (0, 2):
        code = compile_trace(trace, level=level)
        assert outcome(code, 1)[0] == "guard_not_invalidated"
        code.free()


SPIN = """trace spin(r0)
  guard_no_attention() -> [r0]
  jump(r0)"""


@pytest.mark.parametrize("level", [0, 2])
def test_a_signal_stops_a_loop(level: int) -> None:
    code = compiled(SPIN, level=level)
    caught: list[int] = []
    previous = signal.signal(signal.SIGALRM, lambda number, frame: caught.append(number))
    try:
        # Again and again: on a busy machine the first one may come before the code is entered.
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        deadline = time.monotonic() + 20
        while not caught and time.monotonic() < deadline:
            assert outcome(code, 1) == ("guard_no_attention", None, 1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert caught
    code.free()


def test_other_threads_get_their_turn() -> None:
    code = compiled(SPIN)
    turns: list[int] = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            turns.append(1)
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    deadline = time.monotonic() + 20
    while len(turns) < 5 and time.monotonic() < deadline:
        assert outcome(code, 1)[0] == "guard_no_attention"
    stop.set()
    thread.join()
    assert len(turns) >= 5
    code.free()


def test_entering_checks_the_list() -> None:
    code = compiled("trace t(r0)\n  finish(r0)")
    assert code.enter is not None
    for wrong in ([], [1, 2], (1,)):
        with pytest.raises(SystemError, match="wrong number of values"):
            code.enter(wrong)  # type: ignore[arg-type]
    code.free()
    with pytest.raises(SystemError, match="has been freed"):
        code.enter([1])
    with pytest.raises(ValueError, match="has been freed"):
        code.invalidate()
    code.free()


class Kept:
    pass


def test_freeing_lets_go_of_constants() -> None:
    kept = Kept()
    gone = weakref.ref(kept)
    code = compiled("trace t()\n  r0 = new_tuple(kept)\n  finish(r0)", {"kept": kept})
    del kept
    gc.collect()
    assert gone() is not None
    assert outcome(code)[2] == (gone(),)
    code.free()
    assert code.is_freed
    del code
    gc.collect()
    assert gone() is None


def test_ten_thousand_exits_leave_no_memory_behind() -> None:
    import sys

    code = compiled("trace t(r0, r1: int)\n  i2 = int_unbox(r1) -> []\n  r3 = new_list(r0)\n"
                    "  guard_null(r0) -> [r0, i2, r3]\n  finish(None)")
    value = object()
    for _ in range(100):
        outcome(code, value, 1 << 40)
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(10_000):
        outcome(code, value, 1 << 40)
    gc.collect()
    assert sys.getallocatedblocks() - before < 1_000  # one each would be ten thousand; the machinery has some of its own
    code.free()


DOT = """trace dot(r0: int, r1, r2)
  i3 = int_unbox(r0) -> []
  label(i4 = 0, i5 = i3, r6 = r1, r7 = r2, f8 = 0.0, f9 = 0.5, i10 = 0, i11 = 0, i12 = 0)
  b13 = int_lt(i4, i5)
  guard_true(b13) -> [i4, f8, f9, i10, i11, i12, r7]
  b14 = int_lt(i10, 1000)
  guard_true(b14) -> [i4, f8, f9, i10, i11, i12]
  b15 = int_lt(i11, 2000)
  guard_true(b15) -> [i4, f8, f9, i10, r6]
  f16 = float_add(f8, f9)
  i17 = int_add_ovf(i10, 1) -> [i4, f8, f16]
  i18 = int_add_ovf(i11, 2) -> [i4, f16, i17]
  i19 = int_add_ovf(i12, 3) -> [i4, i12, f16, f9, i18]
  i20 = int_add_ovf(i4, 1) -> [i4, f16]
  jump(i20, i5, r6, r7, f16, f9, i17, i18, i19)"""


def test_a_loop_keeps_its_values_in_registers_although_its_exits_give_up_references() -> None:
    code = compiled(DOT, level=2)
    lines = [line.strip() for line in code.assembly().splitlines()]
    added = next(number for number, line in enumerate(lines) if line.startswith(("vaddsd", "addsd")))
    start = max(number for number in range(added) if lines[number].startswith(".LBB"))
    end = next(number for number in range(added, len(lines)) if lines[number].startswith("jl"))
    assert [line for line in lines[end:] if line.startswith("call")], "nothing is given up at the exits"
    assert not [line for line in lines[start:end] if "(%rsp)" in line]
    code.free()


@pytest.mark.parametrize("level", [0, 1, 2])
def test_references_given_up_at_an_exit_leave_the_values_handed_over_as_they_are(level: int) -> None:
    code = compiled(DOT, level=level)
    first, second = object(), object()
    counts = Counts(first, second).start()
    assert outcome(code, 100, first, second) == ("guard_true", None, 100, 50.0, 0.5, 100, 200, 300, second)
    assert outcome(code, 5000, first, second) == ("guard_true", None, 1000, 500.0, 0.5, 1000, 2000, 3000)
    assert counts.changes() == [0, 0]
    code.free()


def test_guards_get_ids_and_live_values_of_their_snapshots() -> None:
    trace = parse_trace(COUNT, {})
    code = compile_trace(trace)
    guards = [op for op in trace.operations if op.opcode.is_guard]
    assert [op.guard_id for op in guards] == sorted(code.guards)
    assert all(code.guards[op.guard_id] is op for op in guards)
    assert all(guard_id >= 1 for guard_id in code.guards)
    assert guards[1].snapshot is not None
    assert len(live_values(guards[1].snapshot)) == 2
    code.free()


def test_code_describes_itself() -> None:
    code = compiled(COUNT)
    assert set(code.seconds) == {"refcounts", "emit", "parse", "passes", "codegen", "link"}
    assert "define tailcc ptr @" in code.ir_text
    assert "define tailcc ptr @" in code.llvm_text
    assert "jmp" in code.assembly()
    assert 100 < code.size_bytes < 2000
    code.free()


def test_perf_map(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("METATRACER_PERF", "1")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = compiled(COUNT)
    line = (tmp_path / f"perf-{os.getpid()}.map").read_text()
    assert line.startswith(f"{code.address:x} ")
    assert line.endswith(" metatracer:count\n")
    code.free()


def test_jumps_must_match_the_label() -> None:
    with pytest.raises(IRError, match="the jump has 1 arguments"):
        compiled("trace t(r0, r1)\n  jump(r0)")


def test_cells_are_reused() -> None:
    loop = LoopRef("l", allocate_cell())
    cell = loop.cell
    free_cell(loop)
    assert loop.cell == 0
    assert allocate_cell() == cell
