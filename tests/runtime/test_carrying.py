"""Hot loops are made again to carry what their bridges count; the guest sees no difference."""

from __future__ import annotations

import pytest

from metatracer import JitDriver, dont_look_inside, parameters
from metatracer.runtime.host import PORTALS
from metatracer.statistics import STATISTICS

EAGERLY = {
    "threshold": 2, "function_threshold": 2, "trace_eagerness": 2, "compile_level": 0, "tier2_threshold": 60,
    "tier2_level": 0, "background": False,
}  # fmt: skip


class Stop(Exception):
    pass


def counting():
    """A portal, new for each test: one way counts registers 0 up, the other one register 1; now and then somebody looks."""
    driver = JitDriver(greens=["pc"], reds=["registers", "left", "look"], name="counting")

    @dont_look_inside
    def call(look, registers, left):
        look(registers, left)

    @driver.portal
    def run(registers, left, look):
        pc = 0
        while left > 0:
            driver.jit_merge_point(pc=pc, registers=registers, left=left, look=look)
            left -= 1
            if left % 3:
                registers[0] = registers[0] + 1
            else:
                registers[1] = registers[1] + registers[2]
                if left % 100 == 0:
                    call(look, registers, left)
            driver.can_enter_jit(pc=pc, registers=registers, left=left, look=look)

    return run


def untraced(registers, left, look):
    while left > 0:
        left -= 1
        if left % 3:
            registers[0] = registers[0] + 1
        else:
            registers[1] = registers[1] + registers[2]
            if left % 100 == 0:
                look(registers, left)


@pytest.fixture(autouse=True)
def _eagerly():
    with parameters(**EAGERLY):
        yield


def carried(run):
    """What the loop's code carries."""
    return [
        place
        for loop in PORTALS[run.__code__].loops.values()
        if loop.piece is not None and loop.piece.trace.entry is not None
        for place in loop.piece.trace.entry.carried
    ]


def outcome(run, make, left, look):
    registers, seen = make(), []

    def looking(registers, left):
        seen.append((left, list(registers)))
        look(registers, left)

    try:
        run(registers, left, looking)
    except Stop:
        seen.append("stopped")
    return list(registers), [[type(value) for value in registers]], seen


def nothing(registers, left):
    pass


def stop(registers, left):
    if left == 300:
        raise Stop


def become_float(registers, left):
    if left == 600:
        registers[1] = 0.5


def become_text(registers, left):
    if left == 600:
        registers[1], registers[2] = "a", "b"


def grow(registers, left):
    registers[1] += 1 << 60


def shrink(registers, left):
    if left == 600:
        del registers[3:]


@pytest.mark.parametrize("look", [nothing, stop, become_float, become_text, grow, shrink])
@pytest.mark.parametrize("start", [0, (1 << 63) - 500, -(1 << 63), 1.5])
def test_what_the_guest_sees_is_the_same(look, start) -> None:
    run = counting()

    def make():
        return [0, start, 2, None, None]

    for left in (3000, 1501, 2):
        assert outcome(run, make, left, look) == outcome(untraced, make, left, look)


def test_the_loop_carries_what_its_bridge_counts() -> None:
    run = counting()
    registers = [0, 0, 2]
    run(registers, 3000, nothing)
    ((number,),) = [place.steps for place in carried(run)]
    assert number in (0, 1)  # the way that was recorded first counts the other one
    assert registers == [2000, 2000, 2]
    before = STATISTICS.guard_exits
    run(registers, 3000, nothing)
    assert STATISTICS.guard_exits - before < 100
    assert registers == [4000, 4000, 2]


def test_a_loop_that_does_not_stay_hot_is_not_made_again() -> None:
    run = counting()
    with parameters(tier2_threshold=50000):
        run([0, 0, 2], 3000, nothing)
    assert carried(run) == []


def test_two_lists_or_one() -> None:
    """The bridge may count in the very place that the loop itself counts in."""
    driver = JitDriver(greens=["pc"], reds=["one", "other", "left"], name="two")

    @driver.portal
    def run(one, other, left):
        pc = 0
        while left > 0:
            driver.jit_merge_point(pc=pc, one=one, other=other, left=left)
            left -= 1
            if left % 3:
                one[0] = one[0] + 1
            else:
                other[0] = other[0] + 5
            driver.can_enter_jit(pc=pc, one=one, other=other, left=left)

    for _ in range(3):
        one, other = [0], [0]
        run(one, other, 1500)
        assert (one, other) == ([1000], [2500])
        run(one, one, 1500)
        assert one == [1000 + 3500]
