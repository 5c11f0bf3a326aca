"""Loops behind a preamble, and traces that jump to their labels."""

from __future__ import annotations

from typing import Any

import pytest

from metatracer.backend.compile import CompiledCode, compile_trace
from metatracer.ir.text import parse_trace
from metatracer.ir.values import LabelRef
from tests.backend.machine import Counts, compiled, outcome

LOOP = """trace t(r0: int, r1)
  i2 = int_unbox(r0) -> [r0, r1]
  label(i3 = i2, f4 = 0.5, b5 = true, i6 = 1, i7 = 2, i8 = 3, i9 = 4, r10 = r1, i11 = 5, b12 = false)
  f13 = float_add(f4, 1.0)
  i14 = int_sub_ovf(i3, 1) -> [i3]
  b15 = int_lt(0, i14)
  guard_true(b15) -> [i14, f13, b5, i6, i7, i8, i9, r10, i11, b12]
  jump(i14, f13, b5, i6, i7, i8, i9, r10, i11, b12)"""

OTHER = """trace o(r0: int, r1)
  i2 = int_unbox(r0) -> [r0, r1]
  jump(i2, 10.0, false, 21, 22, 23, 24, r1, 25, true) {label inside}"""


def with_label(text: str, **options: Any) -> tuple[CompiledCode, dict[str, Any]]:
    trace = parse_trace(text, {})
    code = compile_trace(trace, **options)
    assert trace.label is not None
    return code, {"inside": LabelRef("inside", trace.label.params, code.label_cell)}


@pytest.mark.parametrize("levels", [(0, 0), (1, 1), (2, 2), (0, 2), (2, 0)])
def test_values_beyond_the_registers_reach_the_label(levels: tuple[int, int]) -> None:
    loop, namespace = with_label(LOOP, level=levels[0])
    other = compiled(OTHER, namespace, level=levels[1])
    marker = object()
    counts = Counts(marker).start()
    assert outcome(loop, 3, marker) == ("guard_true", None, 0, 3.5, True, 1, 2, 3, 4, marker, 5, False)
    assert other.enter is not None
    result = other.enter([4, marker])
    assert loop.guards[result[0]].opcode.name == "guard_true"
    assert result[1:] == (None, 0, 14.0, False, 21, 22, 23, 24, marker, 25, True)
    del result
    assert counts.changes() == [0]
    other.free()
    loop.free()


def test_reference_is_kept_by_the_loop() -> None:
    loop, namespace = with_label(
        """trace t(r0, r1: list)
  guard_nonnull(r0) -> [r0]
  label(r2 = r0, r3: list = r1)
  i4 = list_len(r3)
  b5 = int_lt(i4, 3)
  guard_true(b5) -> [r3]
  list_append(r3, r2)
  jump(r2, r3)"""
    )
    other = compiled("trace o(r0: list)\n  r1 = new_tuple(None, r0)\n  jump(r1, r0) {label inside}", namespace)
    items: list[Any] = []
    result = other.enter([items]) if other.enter is not None else ()
    assert result[2] is items
    assert [item[0] for item in items] == [None] * 3
    assert items[0] is items[2]
    assert items[0][1] is items
    items.clear()
    other.free()
    loop.free()


def test_loop_without_a_preamble_has_no_label_of_its_own() -> None:
    code = compiled("trace t(r0)\n  label(r1 = r0)\n  guard_null(r1) -> [r1]\n  jump(r1)")
    assert code.label_address == 0
    code.free()
