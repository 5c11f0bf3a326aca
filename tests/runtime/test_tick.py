"""The tick: which loop a visit belongs to, and which visits are looked at."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from metatracer import JitDriver
from metatracer.runtime.tick import STRIDE, Marker, make_tick


class Alike:
    """All are equal, and say so loudly: greens that are objects are compared by identity."""

    def __eq__(self, other):
        raise AssertionError("a green was compared by its own method")

    def __hash__(self):
        raise AssertionError("a green was hashed by its own method")


@pytest.fixture
def portal():
    """As much of a portal as a tick asks; loops without code, all looked at."""
    driver = JitDriver(greens=["pc", "code"], name="tick")
    loops = {}

    def find(key, greens):
        return loops.setdefault(key, SimpleNamespace(greens=greens, piece=None, until_look=0, looks=0, rests=0))

    def look(loop, marker):
        loop.looks += 1
        loop.until_look = marker.stride

    return SimpleNamespace(driver=driver, loops=loops, find=find, found=None, look=look)


@pytest.mark.parametrize(("first", "second"), [(1, True), (0, False), (7, "7"), (Alike(), Alike())])
def test_other_greens_are_another_loop(portal, first, second):
    tick, marker = make_tick(portal, 2), Marker(False)
    code = Alike()
    for _ in range(3):
        tick(marker, first, code)
        tick(marker, second, code)
    assert [loop.looks for loop in portal.loops.values()] == [3, 3]


def test_equal_numbers_are_the_same_loop(portal):
    tick, marker = make_tick(portal, 2), Marker(False)
    code = Alike()
    for number in (10**20, int("1" + "0" * 20)):
        tick(marker, number, code)
    assert len(portal.loops) == 1


def test_no_greens_are_one_loop(portal):
    tick, marker = make_tick(portal, 0), Marker(False)
    tick(marker)
    tick(marker)
    assert [loop.greens for loop in portal.loops.values()] == [()]


def test_one_visit_of_a_stride_is_looked_at(portal):
    tick, marker = make_tick(portal, 1), Marker(False)
    marker.stride = STRIDE
    for _ in range(1 + 2 * STRIDE):
        for pc in range(3):
            tick(marker, pc)
    assert [loop.looks for loop in portal.loops.values()] == [3, 3, 3]


def test_a_loop_with_code_is_given_at_each_visit_unless_the_driver_is_off(portal):
    tick, marker = make_tick(portal, 1), Marker(False)
    marker.stride = STRIDE
    tick(marker, 1)
    (loop,) = portal.loops.values()
    loop.piece = object()
    assert [tick(marker, 1) for _ in range(3)] == [loop] * 3
    portal.driver.params._own["enable"] = False
    portal.driver.params._refresh("enable")
    assert tick(marker, 1) is None
