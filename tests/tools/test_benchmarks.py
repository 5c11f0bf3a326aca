"""The reckoning of the benchmarks: what is counted per iteration, and when a process has reached its peak."""

from __future__ import annotations

import pytest

from benchmarks.census import iterations, per_iteration
from benchmarks.peak import seconds_to_peak


def test_calls_of_fib_are_counted() -> None:
    def calls(n: int) -> int:
        return 1 if n < 2 else 1 + calls(n - 1) + calls(n - 2)

    assert [iterations("registervm/fib.rvm", n)[0] for n in range(1, 12)] == [calls(n) for n in range(1, 12)]


def test_what_a_run_allocates_once_does_not_count() -> None:
    assert per_iteration("registervm/count.rvm", 100, [1000 + 300, 1000 + 600]) == 3.0
    assert per_iteration("registervm/mandelbrot.rvm", 10, [50 + 200, 50 + 800]) == 2.0


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([1.0] * 12, 0.0),
        ([3.0, 3.0, *[1.0] * 12], 6.0),
        ([3.0, 1.0, 3.0, *[1.0] * 12], 7.0),
        ([1.0] * 5, None),
    ],
)
def test_the_peak_is_reached_with_three_good_runs_in_a_row(lengths: list[float], expected: float | None) -> None:
    runs = [[100.0 + sum(lengths[:number]), length] for number, length in enumerate(lengths)]
    assert seconds_to_peak(runs, 100.0) == expected
