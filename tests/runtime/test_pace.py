"""Loops rest whose code is left so soon that the guest gets on faster without it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from metatracer import JitDriver, parameters
from metatracer.runtime import pace
from metatracer.runtime.host import PORTALS
from metatracer.runtime.pace import _LONGEST, _MOST, _PATIENCE, _TRIAL, _TRIALS, _WINDOW, Pace

MICROSECOND = 1e-6


class Guest:
    """A loop whose code is left after so many passes; a clock of the test's own."""

    def __init__(self, monkeypatch, passes, outside=20.0, by_visit=5.0):
        self.passes, self.outside, self.by_visit = passes, outside, by_visit
        self.now = 100.0
        monkeypatch.setattr(pace, "hotness", SimpleNamespace(interpreter_time=lambda: self.now))
        self.loop = SimpleNamespace(rests=0, piece=SimpleNamespace(code=SimpleNamespace(runs=0)))
        self.pace = Pace()

    def window(self):
        """Exits until the next decision, and the rest behind them; how long it was."""
        for _ in range(_WINDOW):
            self.loop.piece.code.runs += self.passes
            self.pace.machine += (1.0 + 0.5 * self.passes) * MICROSECOND
            self.pace.outside += self.outside * MICROSECOND
            self.pace.left(self.loop)
        visits, self.loop.rests = self.loop.rests, 0
        if visits:
            self.now += visits * self.by_visit * MICROSECOND
            self.pace.rested()
        return visits

    def rests(self, windows=12):
        return [self.window() for _ in range(windows)]


def test_a_loop_rests_twice_as_long_as_its_exits_have_lost(monkeypatch):
    guest = Guest(monkeypatch, passes=1)
    first, *trials, last = guest.rests(2 + _TRIALS)
    assert (first, trials) == (0, [_TRIAL] * _TRIALS)  # nothing has been counted in the first window
    lost = 1.5 + 20.0 - 2.5 * 5.0  # in each pass, with its entry; half a visit is done on the way out
    assert last == pytest.approx(2 * _WINDOW * lost / 5.0, rel=0.02)


@pytest.mark.parametrize(("passes", "outside"), [(20, 20.0), (1, 5.0)])
def test_code_that_gets_on_faster_does_not_rest(monkeypatch, passes, outside):
    guest = Guest(monkeypatch, passes, outside)
    assert set(guest.rests()[1 + _TRIALS :]) == {0}


def test_rests_get_longer_until_there_is_a_bridge(monkeypatch):
    guest = Guest(monkeypatch, passes=1)
    rests = guest.rests(2 + _TRIALS + 6 * _PATIENCE)[1 + _TRIALS :]
    assert rests == sorted(rests)
    assert rests[-1] == pytest.approx(rests[0] * _MOST / 2, rel=0.02)
    assert rests[-1] <= _LONGEST
    guest.pace.in_vain = 0
    assert guest.window() == rests[0]


def test_when_passes_are_counted_no_more_their_time_tells(monkeypatch):
    guest = Guest(monkeypatch, passes=1)
    guest.rests()
    guest.loop.piece.code = SimpleNamespace(runs=0)
    guest.passes = 0
    assert guest.window() > 0
    for _ in range(_WINDOW):
        guest.pace.machine += 20 * MICROSECOND  # as long as 40 passes take
        guest.pace.outside += 20 * MICROSECOND
        guest.pace.left(guest.loop)
    assert guest.loop.rests == 0


def test_what_was_never_counted_does_not_rest(monkeypatch):
    assert set(Guest(monkeypatch, passes=0).rests()) == {0}


def machine():
    driver = JitDriver(greens=["pc"], reds="auto", name="rests")

    @driver.portal
    def run(pc, n):
        total = 0
        while n:
            driver.jit_merge_point(pc=pc)
            n -= 1
            if (total * 7919 + n) % 3:
                total += n
            else:
                total -= 1
        return total

    return run


def test_the_code_of_a_loop_that_rests_is_not_entered():
    run = machine()
    with parameters(payback=0, bridge_limit=0):
        expected = run(1, 5000)
        (loop,) = PORTALS[run.__code__].loops.values()
        assert loop.piece is not None
        assert loop.pace is not None
        loop.pace.exits = 10**9  # decides nothing
        loop.pace._rest(loop, 4000)
        entries = loop.record.entries
        assert run(1, 3900) == run(1, 3900)
        assert loop.rests == 0
        assert loop.record.entries > entries
        assert loop.pace._by_visit > 0.0
        loop.pace._rest(loop, 10**6)
        entries = loop.record.entries
        assert run(1, 5000) == expected
        assert loop.record.entries == entries


def test_plain_counts_let_nothing_rest():
    run = machine()
    with parameters(threshold=2, trace_eagerness=10**6):
        run(1, 3000)
    (loop,) = PORTALS[run.__code__].loops.values()
    assert loop.record.guard_exits > 100
    assert (loop.pace, loop.rests) == (None, 0)
