"""Where the plan takes and gives up references."""

from __future__ import annotations

from typing import Any

import pytest

from metatracer.backend import refcounts
from metatracer.backend.refcounts import BORROWED_RESULTS, CONSUMED, IMMORTAL_RESULTS, OWNED_RESULTS, plan_refcounts
from metatracer.ir.opcodes import OPCODES
from metatracer.ir.text import parse_trace


class Box:
    __slots__ = ("item", "other")


def planned(text: str, **names: Any) -> list[str]:
    trace = parse_trace(text, {"Box": Box, **names})
    return plan_refcounts(trace).describe(trace).split("\n")


@pytest.fixture(autouse=True)
def _collector_runs_between_bytecodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refcounts, "GC_RUNS_IN_ALLOCATION", False)


def test_every_operation_with_a_reference_result_is_known() -> None:
    known = OWNED_RESULTS | BORROWED_RESULTS | IMMORTAL_RESULTS
    assert known == {name for name, opcode in OPCODES.items() if opcode.result == "r"}
    assert set(CONSUMED) <= set(OPCODES)


def test_a_loaded_value_that_is_only_looked_at_costs_nothing() -> None:
    assert planned(
        """trace t(r0: Box)
          r1 = getfield(r0) {Box.item}
          guard_type(r1) {int} -> [r0]
          i2 = int_unbox(r1) -> [r0]
          jump(r0)"""
    ) == ["r1 = getfield(r0)", "guard_type(r1)", "i2 = int_unbox(r1)", "jump(r0)"]


def test_a_loaded_value_is_retained_before_a_store_and_not_earlier() -> None:
    assert planned(
        """trace t(r0: Box)
          r1 = getfield(r0) {Box.item}
          guard_nonnull(r1) -> [r0]
          setfield(r0, None) {Box.item}
          guard_type(r1) {int} -> [r0]
          jump(r0)"""
    ) == [
        "r1 = getfield(r0)",
        "guard_nonnull(r1)",
        "retain(r1)",
        "retain(None)",
        "setfield(r0, None)",
        "guard_type(r1)",
        "release(r1)",
        "jump(r0)",
    ]


def test_snapshots_count_as_uses() -> None:
    steps = planned("trace t(r0, r1)\n  guard_nonnull(r0) -> [r1]\n  guard_nonnull(r0) -> [r0]\n  finish(None)")
    assert steps == ["guard_nonnull(r0)", "release(r1)", "guard_nonnull(r0)", "release(r0)", "retain(None)", "finish(None)"]


def test_an_owned_value_is_given_to_its_last_user() -> None:
    assert planned("trace t(r0: Box, r1)\n  setfield(r0, r1) {Box.item}\n  finish(r0)") == ["setfield(r0, r1)", "finish(r0)"]
    assert planned("trace t(r0: Box, r1)\n  setfield(r0, r1) {Box.item}\n  setfield(r0, r1) {Box.other}\n  finish(r0)") == [
        "retain(r1)", "setfield(r0, r1)", "setfield(r0, r1)", "finish(r0)",
    ]  # fmt: skip


def test_a_value_passed_twice_needs_a_second_reference() -> None:
    assert planned("trace t(r0, r1)\n  guard_nonnull(r1) -> []\n  jump(r0, r0)") == [
        "guard_nonnull(r1)", "release(r1)", "retain(r0)", "jump(r0, r0)",
    ]  # fmt: skip


def test_calls_keep_their_arguments_alive() -> None:
    assert planned(
        """trace t(r0: Box)
          r1 = getfield(r0) {Box.item}
          r2 = call(r1, r0)
          guard_no_exception(r2) -> [r0]
          finish(r2)"""
    ) == [
        "r1 = getfield(r0)",
        "retain(r1)",
        "r2 = call(r1, r0)",
        "release(r1)",
        "guard_no_exception(r2)",
        "release(r0)",
        "finish(r2)",
    ]


def test_an_item_of_a_live_tuple_needs_no_reference() -> None:
    text = """trace t(r0: tuple, r1: Box)
      r2 = tuple_getitem(r0, 0)
      setfield(r1, None) {Box.item}
      guard_nonnull(r2) -> [r0]
      finish(r1)"""
    assert "retain(r2)" not in planned(text)
    assert "takeapart(r0, 0: r2)" in planned(text.replace("[r0]", "[]"))


def test_a_finalizer_at_a_release_ends_borrowing() -> None:
    text = """trace t(r0: Box, r1{})
      r2 = getfield(r0) {{Box.item}}
      guard_nonnull(r1) -> []
      guard_nonnull(r2) -> [r0]
      jump(r0, r2)"""
    steps = planned(text.format(""))
    assert steps.index("retain(r2)") < steps.index("release(r1)")
    steps = planned(text.format(": float"))  # whose deallocation runs nothing
    assert steps.index("release(r1)") < steps.index("retain(r2)")


def test_exits_retain_what_is_borrowed_and_release_what_is_not_wanted() -> None:
    trace = parse_trace(
        "trace t(r0: Box, r1)\n  r2 = getfield(r0) {Box.item}\n  guard_nonnull(r2) -> [r2, r1]\n"
        "  r3 = new_tuple(r0, r1)\n  finish(r3)",
        {"Box": Box},
    )
    plan = plan_refcounts(trace)
    (leaving,) = plan.exits.values()
    getfield = trace.operations[0]
    assert leaving.live == (getfield, trace.inputs[1])
    assert [step.value for step in leaving.retain] == [getfield]
    assert leaving.retain[0].nullable
    assert [step.value for step in leaving.release] == [trace.inputs[0]]


def test_the_result_of_a_failed_call_is_not_released() -> None:
    trace = parse_trace("trace t(r0)\n  r1 = call(r0)\n  guard_no_exception(r1) -> [r0]\n  finish(r1)", {})
    (leaving,) = plan_refcounts(trace).exits.values()
    assert leaving.release == ()


def test_the_first_store_into_a_new_object_releases_nothing() -> None:
    trace = parse_trace(
        """trace t(r0)
          r1 = new() {Box}
          setfield(r1, r0) {Box.item}
          setfield(r1, r0) {Box.other}
          setfield(r1, None) {Box.item}
          r2 = call(r0)
          guard_no_exception(r2) -> []
          finish(r1)""",
        {"Box": Box},
    )
    plan = plan_refcounts(trace)
    assert plan.unset_fields == {trace.operations[1], trace.operations[2]}


def test_a_call_ends_what_is_known_of_new_objects() -> None:
    trace = parse_trace(
        "trace t(r0)\n  r1 = new() {Box}\n  r2 = call(r0, r1)\n"
        "  guard_no_exception(r2) -> []\n  setfield(r1, None) {Box.item}\n  finish(r1)",
        {"Box": Box},
    )
    assert plan_refcounts(trace).unset_fields == set()


def test_values_from_before_the_loop_are_kept_through_it() -> None:
    steps = planned(
        """trace t(r0, r1: Box)
          r2 = getfield(r1) {Box.item}
          label(r3 = r0)
          guard_nonnull(r2) -> []
          jump(r3)"""
    )
    assert steps == ["r2 = getfield(r1)", "retain(r2)", "release(r1)", "label(r0)", "guard_nonnull(r2)", "jump(r3)"]


def test_planning_is_linear() -> None:
    def work(count: int) -> int:
        lines = ["trace t(r0: list, r9)"]
        for number in range(count):
            lines.append(f"  r{number + 10} = list_getitem(r0, {number % 3})")
            lines.append(f"  guard_nonnull(r{number + 10}) -> [r0]")
            lines.append(f"  list_setitem(r0, 0, r{number + 10})")
        trace = parse_trace("\n".join([*lines, "  finish(r0)"]), {})
        calls = 0

        def profile(frame: Any, event: str, arg: Any) -> None:
            nonlocal calls
            calls += 1

        import sys

        sys.setprofile(profile)
        try:
            plan_refcounts(trace)
        finally:
            sys.setprofile(None)
        return calls

    assert work(400) < 4.5 * work(100)


def test_a_string_is_given_to_the_concatenation_that_is_its_last_use() -> None:
    assert planned(
        """trace t(r0: str, r1: str)
          r2 = call_c_r(r0, r1) {str_concat}
          guard_no_exception(r2) -> [r0, r1]
          finish(r2)"""
    ) == ["r2 = call_c_r(r0, r1)", "guard_no_exception(r2)", "release(r1)", "finish(r2)"]


@pytest.mark.parametrize(
    ("operands", "result"), [("r0, r0", "r1"), ("r0, r1", "r0")], ids=["also the right one", "used again"]
)
def test_a_string_that_is_used_again_is_kept(operands: str, result: str) -> None:
    trace = parse_trace(
        f"trace t(r0: str, r1: str)\n  r2 = call_c_r({operands}) {{str_concat}}\n  guard_no_exception(r2) -> [r0]\n"
        f"  r3 = new_tuple(r2, {result})\n  finish(r3)",
        {},
    )
    assert not plan_refcounts(trace).appends


def test_a_tuple_whose_items_are_wanted_longer_is_taken_apart() -> None:
    assert planned(
        """trace t(r0: tuple, r1: Box)
          r2 = tuple_getitem(r0, 1)
          r3 = tuple_getitem(r0, 3)
          r4 = tuple_getitem(r0, 0)
          guard_nonnull(r4) -> [r0]
          setfield(r1, None) {Box.item}
          finish(r2)"""
    ) == [
        "r2 = tuple_getitem(r0, 1)",
        "r3 = tuple_getitem(r0, 3)",
        "r4 = tuple_getitem(r0, 0)",
        "guard_nonnull(r4)",
        "takeapart(r0, 1: r2)",
        "retain(None)",
        "setfield(r1, None)",
        "release(r1)",
        "finish(r2)",
    ]


def test_an_item_that_was_read_twice_is_taken_once() -> None:
    steps = planned(
        """trace t(r0: tuple, r1: Box)
          r2 = tuple_getitem(r0, 1)
          r3 = tuple_getitem(r0, 1)
          guard_nonnull(r2) -> [r0]
          setfield(r1, None) {Box.item}
          r4 = new_tuple(r2, r3)
          finish(r4)"""
    )
    assert steps[3:5] == ["retain(r3)", "takeapart(r0, 1: r2)"]


def test_a_tuple_that_is_kept_is_not_taken_apart() -> None:
    text = "trace t(r0: tuple)\n  r1 = tuple_getitem(r0, 1)\n  guard_nonnull(r1) -> [r0]\n  r2 = new_tuple(r0, r1)\n  finish(r2)"
    assert "takeapart" not in "".join(planned(text))
