"""Greens that the guest makes anew all the time: what is counted for them costs little, and keeps nothing alive."""

from __future__ import annotations

import pytest

import metatracer
from metatracer import JitDriver, parameters
from metatracer.runtime.driver import explain_records, short_lived_greens, statistics_snapshot
from metatracer.runtime.host import PORTALS
from metatracer.runtime.newcomers import _SOME, MOST_NEWCOMERS
from metatracer.runtime.portal import _SOME_LOOPS
from metatracer.runtime.tick import STRIDE
from metatracer.runtime.ticker import PERIOD

SOON = {"payback": 0}
"""Code as soon as the counts are reached; thresholds that are plain counts would make a loop of every key."""


class Alive:
    """Its instances can be referred to weakly, and are counted; not in a class attribute, which traces rely on."""

    count = [0]

    def __init__(self, rounds=1):
        self.rounds = rounds
        self.count[0] += 1

    def __del__(self):
        self.count[0] -= 1


class AliveWithSlots:
    __slots__ = ("rounds",)
    count = [0]
    __init__ = Alive.__init__
    __del__ = Alive.__del__


@pytest.fixture(params=[Alive, AliveWithSlots])
def made(request):
    """A class of guest functions. Portals live for ever, and what they keep is another test's business."""
    return type("Made", (request.param,), {"__slots__": (), "count": [0], "is_weak": request.param is Alive})


def machine(name="newcomers"):
    driver = JitDriver(greens=["pc", "code"], reds="auto", name=name)

    @driver.portal
    def run(code):
        pc = 0
        rounds = 0
        while True:
            driver.jit_merge_point(pc=pc, code=code)
            if pc < 2:
                pc += 1
                continue
            rounds += 1
            if rounds >= code.rounds:
                return rounds
            pc = 0
            driver.can_enter_jit(pc=pc, code=code)

    return run


def compiled(run):
    return [loop for loop in PORTALS[run.__code__].loops.values() if loop.piece is not None]


def test_greens_that_nobody_else_refers_to_are_freed(made):
    run = machine()
    for _ in range(100 * PERIOD):
        run(made())
    assert made.count[0] <= (0 if made.is_weak else _SOME)
    assert len(PORTALS[run.__code__].newcomers.known) <= made.count[0]


def test_they_are_freed_beside_a_loop_that_has_code(made):
    run, own = machine(), made(2000)
    with parameters(**SOON):
        run(own)
        assert compiled(run)
        for _ in range(100 * PERIOD):
            run(made())
    assert made.count[0] - 1 <= (0 if made.is_weak else _SOME)


def test_what_is_met_again_gets_code(made):
    run, own = machine(), made(2000)
    with parameters(**SOON):
        assert run(own) == 2000
    (loop,) = compiled(run)
    assert loop.greens == (0, own)
    assert loop.record.back_edges >= 200  # also those before there was a loop


def test_short_runs_of_one_green_get_code_between_those_of_others(made):
    run, own = machine(), made(20)
    with parameters(**SOON):
        for _ in range(4000):
            run(own)
            run(made())
    assert [loop.greens for loop in compiled(run)] == [(0, own)]


def test_numbers_that_are_not_met_again_are_forgotten():
    driver = JitDriver(greens=["number"], reds="auto", name="numbers")

    @driver.portal
    def run(number):
        while True:
            driver.jit_merge_point(number=number)
            if number % 10 == 0:
                return number
            number += 1
            driver.can_enter_jit(number=number)

    portal = PORTALS[run.__code__]
    portal.newcomers._in_vain = -(10**9)  # as if some were met again
    for number in range(1, 4 * MOST_NEWCOMERS * PERIOD // 10):
        run(10 * number + 1)
    assert 0 < len(portal.newcomers.known) <= MOST_NEWCOMERS
    assert not portal.loops


def test_loops_are_forgotten_whose_greens_nobody_else_refers_to(made):
    run = machine()
    with parameters(payback=1000):
        kept = [made(2 * PERIOD) for _ in range(10)]
        for _ in range(3 * _SOME_LOOPS):
            run(made(4 * PERIOD))
            for each in kept:
                run(each)
    loops = PORTALS[run.__code__].loops
    assert len(loops) <= 2 * _SOME_LOOPS
    assert {id(loop.greens[1]) for loop in loops.values()} >= set(map(id, kept))
    PORTALS.pop(run.__code__)


def test_a_portal_that_asks_in_vain_asks_seldom_until_it_finds_code():
    run, own = machine(), Alive(2000)
    with parameters(**SOON):
        run(own)
        (loop,) = compiled(run)
        portal = PORTALS[run.__code__]
        marker = portal._entry.marker
        assert (marker.stride, marker.weight) == (STRIDE, STRIDE)
        for _ in range(300 * STRIDE):
            run(Alive())
        assert (marker.stride, marker.weight) == (1, PERIOD)
        entries = loop.record.entries
        for _ in range(2 * PERIOD):
            run(own)
        assert loop.record.entries > entries + PERIOD // 2
        assert (marker.stride, marker.weight) == (STRIDE, STRIDE)


def test_plain_counts_ask_each_time():
    run, own = machine(), Alive(2000)
    with parameters(threshold=5, function_threshold=5):
        run(own)
        marker = PORTALS[run.__code__]._entry.marker
        for _ in range(300 * STRIDE):
            run(Alive())
        assert (marker.stride, marker.weight) == (1, 1)
        assert not PORTALS[run.__code__].newcomers.known
    PORTALS.pop(run.__code__)


def test_what_is_new_each_time_is_named():
    run, before = machine("named"), Alive(3)
    for _ in range(300):
        run(before)
    assert "named.code" not in statistics_snapshot()["short_lived_greens"]
    for _ in range(1000 * PERIOD):
        run(Alive())
    (found,) = [each for each in short_lived_greens() if each["driver"] == "named"]
    assert (found["green"], found["kind"], found["keys_met_again"]) == ("code", "Alive", 1)
    assert found["values"] > 200
    assert statistics_snapshot()["short_lived_greens"]["named.code"] == found["values"]
    assert found in metatracer.jit.short_lived_greens()


def test_what_was_seen_once_is_in_the_records():
    run, own = machine("once"), Alive(2)
    for _ in range(PERIOD):
        run(own)
    (record,) = [each for each in explain_records() if each["driver"] == "once" and each["back_edges"]]
    assert (record["status"], record["back_edges"]) == ("counting", PERIOD)
