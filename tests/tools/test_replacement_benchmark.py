"""How `benchmarks.replacement` classes a process."""

from __future__ import annotations

import random

import pytest

from benchmarks.replacement.classes import classify

pytest.importorskip("ruptures")


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
    assert classify(series(*parts)) == expected
