"""f(abc) ~ f(ab) f(bc) / f(b): the total is preserved, and what is independent is exact."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatracer.profile.inheriting import inherited

counts = st.integers(0, 10**9)


@settings(deadline=None)
@given(counts, st.lists(counts, min_size=1))
def test_the_total_over_the_ways_out_is_what_came_in(ab: int, out: list[int]) -> None:
    b = sum(out)
    total = sum(inherited(ab, bc, b) for bc in out)
    assert total == pytest.approx(ab if b else 0)


@settings(deadline=None)
@given(st.lists(counts, min_size=1), counts)
def test_the_total_over_the_ways_in_is_what_goes_out(ways_in: list[int], bc: int) -> None:
    b = sum(ways_in)
    assert sum(inherited(ab, bc, b) for ab in ways_in) == pytest.approx(bc if b else 0)


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 1000), st.integers(1, 1000))
def test_independent_ways_are_exact(first: int, second: int, other_first: int, other_second: int) -> None:
    """Of n*m passes, each of n ways in is followed by each of m ways out."""
    ab = first * (second + other_second)
    bc = second * (first + other_first)
    b = (first + other_first) * (second + other_second)
    assert inherited(ab, bc, b) == pytest.approx(first * second)


def test_code_that_never_ran_gives_nothing() -> None:
    assert inherited(5, 0, 0) == 0
