"""The split counter of `benchmarks.split_counters` loses nothing, with several native threads."""

from __future__ import annotations

import pytest

from benchmarks.split_counters import BATCH, measure


@pytest.mark.parametrize("times", [1, BATCH - 1, BATCH, 100_003])
def test_exact(times):
    lost = {(row["way"], row["threads"]): row["lost"] for row in measure([1, 3, 5], times, 1)}
    assert all(count == 0 for (way, _), count in lost.items() if way != "plain")
    assert lost["plain", 1] == 0
