"""How `benchmarks.replacement` sums up and classes processes."""

from __future__ import annotations

import random

import pytest

from benchmarks.replacement.__main__ import Measured, binned
from benchmarks.replacement.classes import classify


def series(*parts: tuple[int, float]) -> list[float]:
    rng = random.Random(3)
    return [mean * (1 + 0.02 * rng.random()) for count, mean in parts for _ in range(count)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (((40, 1.0),), "flat"),
        (((5, 20.0), (35, 1.0)), "warm-up"),
        (((5, 1.0), (35, 3.0)), "slow-down"),
        (((37, 1.0), (3, 5.0)), "no steady state"),
        (((10, 8.0), (10, 4.0), (20, 1.0)), "warm-up"),
    ],
)
def test_classes(parts, expected):
    pytest.importorskip("ruptures")
    assert classify(series(*parts)) == expected


def measured(name: str, off: list[list[float]], pace: float = 1.0) -> Measured:
    found = Measured(name, "rvm")
    found.times["off"] = off
    found.references["off"] = [[pace] * len(times) for times in off]
    return found


def test_the_steady_state_is_the_last_eighth_of_the_time():
    slow_then_fast = [70.0] * 10 + [1.0] * 100
    assert measured("drift", [slow_then_fast]).steady("off") == [1.0]


def test_times_are_at_the_pace_of_the_reference():
    """The second process ran while the machine was half as fast."""
    found = measured("drift", [[3.0] * 40, [6.0] * 40])
    found.references["off"] = [[1.0] * 40, [2.0] * 40]
    assert found.spread("off") == 1.0


def test_where_chance_decides_the_oracle_is_the_faster_half():
    found = measured("rare_branch", [[4.0] * 9, [1.0] * 9, [2.0] * 9, [3.0] * 9])
    assert found.steady("oracle") == [1.0, 2.0]
    assert measured("unbiased", [[4.0] * 9]).steady("oracle") == []


def test_the_slowest_tenth():
    found = measured("drift", [[float(number)] * 9 for number in range(1, 31)])
    assert found.slowest("off") == pytest.approx(29.0)


def test_a_long_iteration_fills_several_bins():
    assert binned([0.5, 0.75, 1.0], [5.0, 1.0, 1.0]) == [5.0] * 60 + [1.0] * 60
