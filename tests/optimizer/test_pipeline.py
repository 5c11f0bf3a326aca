"""Selection of passes, dead operations, and the optimizer as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

from metatracer.errors import UsageError
from metatracer.optimizer.pipeline import PASSES, optimize, selected_passes
from tests.optimizer.text import check, names, optimized, parse, unchanged


def test_selection() -> None:
    assert selected_passes("all") == frozenset(PASSES)
    assert selected_passes("") == frozenset(PASSES)
    assert selected_passes("none") == frozenset()
    assert selected_passes("fold, cse") == {"fold", "cse"}
    assert selected_passes("-peel") == frozenset(PASSES) - {"peel"}
    assert selected_passes("all,-peel,-lazy") == frozenset(PASSES) - {"peel", "lazy"}


def test_selection_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METATRACER_OPT", "fold")
    text = "t(r0)\n i1 = int_add(1, 2)\n r2 = int_box(i1)\n i3 = int_unbox(r2) -> [r0]\n r4 = int_box(i3)\n finish(r4)"
    assert names(optimize(parse(text)).operations) == ["int_box", "int_unbox", "int_box", "finish"]


def test_unknown_pass_is_refused() -> None:
    with pytest.raises(UsageError, match="no pass named 'folding'"):
        selected_passes("folding")


def test_nothing_selected_changes_nothing() -> None:
    unchanged(
        "t(r0)\n i1 = int_add(1, 2)\n r2 = int_box(i1)\n i3 = int_unbox(r2) -> [r0]\n r4 = int_box(i3)\n finish(r4)", ()
    )


def test_name_and_assumptions_are_kept() -> None:
    trace = parse("named(r0)\n jump(r0)")
    trace.assumptions.append("frozen")
    for passes in (PASSES, ()):
        result = optimize(trace, passes=passes)
        assert (result.name, result.assumptions) == ("named", ["frozen"])


def test_merge_points_stay_and_block_nothing() -> None:
    check(
        "t(r0)\n r1 = getfield(r0) {W_Int.value}\n merge_point() {'d', 'here', '', 0}\n"
        " r2 = getfield(r0) {W_Int.value}\n finish(r2)",
        "t(r0)\n r1 = getfield(r0) {W_Int.value}\n merge_point() {'d', 'here', '', 0}\n finish(r1)",
    )


def test_unused_read_is_dead() -> None:
    check("t(r0)\n r1 = getfield(r0) {W_Int.value}\n i2 = int_add(1, 2)\n finish(r0)", "t(r0)\n finish(r0)", {"dead"})


def test_unused_guard_and_call_are_not_dead() -> None:
    unchanged(
        "t(r0: int)\n i1 = int_unbox(r0) -> [r0]\n r2 = call(callee)\n guard_no_exception(r2) -> [r0]\n"
        " r3 = call_c_r('a', 'b') {str_concat}\n guard_no_exception(r3) -> [r0]\n finish(r0)",
        {"dead"},
    )


def test_value_that_only_an_exit_needs_is_not_dead() -> None:
    unchanged("t(r0)\n r1 = getfield(r0) {W_Int.value}\n guard_not_invalidated() -> [r1]\n finish(r0)", {"dead"})


def test_parameter_that_feeds_only_itself_is_dead() -> None:
    trace = optimized("t(r0, r1)\n guard_no_attention() -> [r0]\n jump(r0, r1)", {"dead"})
    assert trace.label is not None
    assert len(trace.label.params) == 1


def test_bridge_to_another_loop_hands_over_objects() -> None:
    namespace_free = (
        "t(i0, r1: list)\n i2 = int_add_ovf(i0, 1) -> [i0]\n r3 = int_box(i2)\n"
        " list_setitem(r1, 0, r3)\n jump(r1, r3) {elsewhere}"
    )
    assert names(optimized(namespace_free).operations) == ["int_add_ovf", "int_box", "list_setitem", "jump"]


def test_import_is_light() -> None:
    code = "import sys, metatracer.optimizer.pipeline; sys.exit('networkx' in sys.modules or 'llvmlite' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_verification_after_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    import metatracer.ir.verifier as verifier

    calls = []
    monkeypatch.setattr(verifier, "verify", calls.append)
    monkeypatch.setenv("METATRACER_CHECK", "1")
    optimize(parse("t(r0)\n jump(r0)"), passes=PASSES)
    assert len(calls) == 3
