"""Machine code with operations beside it: right places, and the same code."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings

from metatracer.backend import annotate, llvm
from metatracer.backend.compile import CompiledCode, compile_trace
from tests.backend.machine import compiled, run
from tests.ir.strategies import Case, cases

COUNT = """
trace count(r0: int)
  i1 = int_unbox(r0) -> [r0]
  label(i2 = i1)
  b3 = int_lt(i2, 100)
  guard_true(b3) -> [i2]
  i4 = int_add(i2, 3)
  jump(i4)
"""
STORE = """
trace store(r0: list, r1)
  list_append(r0, r1)
  finish(r0)
"""


@pytest.fixture(autouse=True)
def _marking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotate, "marking", True)


def rows(code: CompiledCode) -> list[tuple[str, str]]:
    """Instructions, and the step beside each."""
    found = []
    for line in code.marks.table(code.level).splitlines():  # type: ignore[union-attr]
        text, _, beside = line.partition("  # ")
        found.append((text.strip(), beside))
    return found


def test_instructions_stand_beside_their_operations() -> None:
    code = compiled(COUNT, level=1)
    beside = {step: text for text, step in rows(code) if step}
    assert beside["i4 = int_add(i2, 3)"].startswith("addq $3,")
    assert beside["b3 = int_lt(i2, 100)"].startswith("cmpq $99,")
    assert beside["guard_true(b3)"].startswith("j")
    assert "rare: guard_true(b3)" in beside
    code.free()


def test_reference_counting_is_told_apart_from_operations() -> None:
    code = compiled(STORE, level=0)
    steps = [step for _, step in rows(code)]
    assert "list_append(r0, r1)" in steps
    assert any(step.startswith("release r") for step in steps) or "finish(r0)" in steps
    code.free()


def test_known_addresses_have_names() -> None:
    code = compiled(COUNT, level=0)
    text = code.marks.table(0)  # type: ignore[union-attr]
    assert re.search(r"<slot \d+>", text)
    assert "PyLong" in text or "unbox" in text
    code.free()


def test_code_that_runs_has_no_locations() -> None:
    code = compiled(COUNT)
    assert "!dbg" not in code.ir_text
    assert "!dbg" in code.marks.marked_text  # type: ignore[union-attr]
    code.free()
    kind, _, last = run(COUNT, 1)
    assert (kind, last) == ("guard_true", 100)


def test_nothing_is_kept_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotate, "marking", False)
    code = compiled(COUNT)
    assert code.marks is None
    code.free()


def instructions(assembly: str) -> list[str]:
    """The instructions without the names of places.

    An addition to a register is the same with `lea`, which leaves the flags alone: which one LLVM takes depends on how far it
    looks for their next use, and there locations count.
    """
    lines = [" ".join(line.partition("#")[0].split()) for line in assembly.splitlines()]
    lines = [re.sub(r"^leaq (-?\d+)\((%\w+)\), \2$", r"addq $\1, \2", line) for line in lines]
    return [
        re.sub(r"\.L\w+", ".L", line) for line in lines if line and not line.startswith(".") and not line.endswith(":")
    ]


@pytest.mark.parametrize("level", llvm.LEVELS)
def test_locations_change_no_instruction(level: int) -> None:
    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases())
    def check(case: Case) -> None:
        code = compile_trace(case.trace, level=level)
        assert code.marks is not None
        marked = llvm.assembly(code.marks.marked_text, level)
        assert instructions(marked) == instructions(code.assembly())
        shown = [line.text for line in code.marks.machine_lines(level) if not line.is_label]
        assert len(shown) == len(instructions(code.assembly()))
        code.free()

    check()
