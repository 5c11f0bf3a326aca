"""What is worth compiling: time spent at places against the cost of compiling, with a clock of the test's own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from metatracer import JitDriver
from metatracer.errors import AbortReason
from metatracer.runtime import driving, hotness
from metatracer.runtime.loops import GuardState


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The compiler is loaded, and nothing has taken long; a root costs 0.1 s, a bridge 0.04 s."""
    clock = Clock()
    monkeypatch.setattr(hotness, "perf_counter", clock)
    monkeypatch.setattr(hotness, "CLOCK", hotness._Clock())
    hotness.CLOCK.toolkit = 1e-9
    monkeypatch.setattr(hotness, "_roots", hotness._Mean(0.1))
    monkeypatch.setattr(hotness, "_bridges", hotness._Mean(0.04))
    return clock


@pytest.fixture
def loop():
    """As much of a loop as is asked for here."""
    driver = JitDriver(greens=["pc"], name="hotness")
    driver.params._own["payback"] = 0.5
    driver.params._refresh("payback")
    return SimpleNamespace(
        portal=SimpleNamespace(driver=driver), count=0, entries=0, spent=0.0, charged=hotness.interpreter_time(), wait=1.0
    )


def visit(loop, clock, times, seconds_each):
    for _ in range(times):
        clock.now += seconds_each
        hotness.charge(loop)
        loop.count += 1


def guard_that_failed(failures, spent):
    return GuardState(None, None, (), failures=failures, spent=spent)


def test_a_loop_pays_when_it_took_what_compiling_costs(loop, clock):
    visit(loop, clock, 300, 0.0001)
    assert not hotness.back_edges_pay(loop)
    visit(loop, clock, 300, 0.0001)
    assert hotness.back_edges_pay(loop)


def test_the_first_root_pays_when_it_took_what_loading_the_compiler_costs_too(loop, clock):
    hotness.CLOCK.toolkit = 0.0
    visit(loop, clock, 1900, 0.0001)
    assert not hotness.back_edges_pay(loop)
    visit(loop, clock, 200, 0.0001)
    assert hotness.back_edges_pay(loop)


def test_a_few_long_visits_do_not_pay(loop, clock):
    visit(loop, clock, hotness.FEWEST_BACK_EDGES - 1, 0.01)
    assert not hotness.back_edges_pay(loop)


def test_a_loop_that_failed_to_compile_pays_later(loop, clock):
    visit(loop, clock, 600, 0.0001)
    loop.wait = 2.0
    assert not hotness.back_edges_pay(loop)
    visit(loop, clock, 600, 0.0001)
    assert hotness.back_edges_pay(loop)


def test_a_threshold_that_was_set_is_a_plain_count(loop, clock):
    loop.portal.driver.params._own["threshold"] = 3
    loop.portal.driver.params._refresh("threshold")
    visit(loop, clock, 2, 10.0)
    assert not hotness.back_edges_pay(loop)
    visit(loop, clock, 1, 0.0)
    assert hotness.back_edges_pay(loop)


def test_machine_code_and_compiling_are_not_charged(loop, clock):
    hotness.charge(loop)
    start = hotness.interpreter_time()
    clock.now += 5.0
    hotness.was_machine_code(start)
    start = hotness.interpreter_time()
    clock.now += 7.0
    hotness.was_compiling(start)
    clock.now += 0.01
    hotness.charge(loop)
    assert loop.spent == pytest.approx(0.01)


def test_what_is_compiled_while_machine_code_waits_is_left_out_once(clock):
    before = hotness.interpreter_time()
    clock.now += 2.0
    inner = hotness.interpreter_time()
    clock.now += 3.0
    hotness.was_compiling(inner)
    clock.now += 1.0
    hotness.was_machine_code(before)
    assert hotness.interpreter_time() == pytest.approx(before)
    assert (hotness.CLOCK.toolkit, hotness.CLOCK.machine) == pytest.approx((3.0, 3.0))


def test_waiting_is_not_charged_as_work(loop, clock):
    visit(loop, clock, 1, 3600.0)
    assert loop.spent == hotness.MOST_AT_ONCE


def test_time_long_ago_counts_half(loop, clock):
    visit(loop, clock, 2, 0.05)
    before = loop.spent
    clock.now += 2 * hotness.HALF_LIFE
    hotness.CLOCK.seen = hotness.interpreter_time()
    hotness.charge(loop)
    assert loop.spent == pytest.approx(before / 4)


def test_what_compiling_cost_is_what_it_is_expected_to_cost(loop, clock):
    for _ in range(50):
        hotness.compiled(False, 0.4)
    visit(loop, clock, 1500, 0.0001)
    assert not hotness.back_edges_pay(loop)
    visit(loop, clock, 1000, 0.0001)
    assert hotness.back_edges_pay(loop)


def test_compiling_takes_no_longer_than_the_guest(loop, clock):
    visit(loop, clock, 600, 0.0001)
    start = hotness.interpreter_time()
    clock.now += 1.2
    hotness.was_compiling(start)
    assert not hotness.back_edges_pay(loop)
    start = hotness.interpreter_time()
    clock.now += 0.9
    hotness.was_machine_code(start)
    assert hotness.back_edges_pay(loop)


def test_compiling_may_take_three_times_what_a_longer_run_goes_on_for(loop, clock):
    visit(loop, clock, 600, 0.0001)
    clock.now += 2.0
    start = hotness.interpreter_time()
    clock.now += 4.3
    hotness.was_compiling(start)
    assert hotness.back_edges_pay(loop)
    start = hotness.interpreter_time()
    clock.now += 1.0
    hotness.was_compiling(start)
    assert not hotness.back_edges_pay(loop)


def test_a_guard_pays_when_its_failures_took_what_a_bridge_costs(loop):
    params = loop.portal.driver.params
    assert not hotness.failures_pay(guard_that_failed(failures=1000, spent=0.01), params)
    assert not hotness.failures_pay(guard_that_failed(failures=2, spent=0.5), params)
    assert hotness.failures_pay(guard_that_failed(failures=1000, spent=0.03), params)


def test_a_bridge_that_waits_for_a_callee_is_tried_again_soon():
    state = guard_that_failed(100, 1.0)
    params = JitDriver(greens=[], reds="auto", name="bridges").params
    driving._wait(state, AbortReason.JOINT_FIRST, params)
    assert state.wait == 0.0
    for failures in range(100, 100 + driving._MOST_CALLEES):
        state.failures = failures
        driving._wait(state, AbortReason.CALLEE_FIRST, params)
        assert state.wait == failures + 3
    driving._wait(state, AbortReason.CALLEE_FIRST, params)
    assert state.wait == state.failures * 2
    other = guard_that_failed(100, 1.0)
    driving._wait(other, AbortReason.UNSUPPORTED, params)
    assert other.wait == 200
