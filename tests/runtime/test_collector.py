"""The cyclic collector waits while code is made, and is then as the guest has it."""

from __future__ import annotations

import gc
import threading

import pytest

from metatracer import JitDriver, parameters
from metatracer.runtime import collector, compiling
from metatracer.runtime.collector import collector_waits


@pytest.fixture(autouse=True)
def _enabled_again():
    yield
    gc.enable()


@pytest.fixture
def alone(monkeypatch):
    """The threads of the test runner do not count."""
    monkeypatch.setattr(collector, "other_threads", lambda: 0)


def test_it_is_off_meanwhile_and_on_again_behind(alone) -> None:
    with collector_waits():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_on_again_behind_an_exception(alone) -> None:
    with pytest.raises(KeyError), collector_waits():
        raise KeyError
    assert gc.isenabled()


def test_a_guest_that_has_switched_it_off_finds_it_off(alone) -> None:
    gc.disable()
    with collector_waits():
        pass
    assert not gc.isenabled()


def test_it_stays_on_while_another_thread_could_see_it() -> None:
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        with collector_waits():
            assert gc.isenabled()
    finally:
        done.set()
        other.join()


def test_compiling_a_loop_is_such_a_time(alone, monkeypatch) -> None:
    driver = JitDriver(greens=["pc"], reds=["left"], name="collected")
    states = []
    compile_trace = compiling.compile_trace

    def compile_and_note(*args, **how):
        states.append(gc.isenabled())
        return compile_trace(*args, **how)

    @driver.portal
    def run(left):
        pc = 0
        while left > 0:
            driver.jit_merge_point(pc=pc, left=left)
            left -= 1
            driver.can_enter_jit(pc=pc, left=left)
        return gc.isenabled()

    monkeypatch.setattr(compiling, "compile_trace", compile_and_note)
    with parameters(threshold=3):
        assert run(50)
    assert states == [False]
