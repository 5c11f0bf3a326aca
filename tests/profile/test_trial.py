"""Champion and challenger measured in turn: order, warming up, verdicts, bounds."""

from __future__ import annotations

import random

from metatracer.profile import trial as trials
from metatracer.profile.trial import ForcedTrial, Moments, Trial


def run(champion: float, challenger: float, *, margin: float = 1.05, noise: float = 0.0, drift: float = 1.0) -> Trial:
    """A trial of sides that take so many seconds per pass; gives it when it is over."""
    found = Trial({"champion": champion, "challenger": champion}, margin)
    rng = random.Random(1)
    slower = 1.0
    for _ in range(1000):
        passes = found.passes()
        each = (champion if found.side == "champion" else challenger) * slower * (1 + noise * rng.random())
        found.window(each * passes, passes, 0, 0)
        slower *= drift
        if found.outcome:
            return found
    raise AssertionError("it does not end")


def test_a_faster_challenger_is_installed() -> None:
    assert run(100e-9, 60e-9).outcome == "installed"


def test_a_slower_challenger_is_rolled_back() -> None:
    assert run(100e-9, 120e-9).outcome == "rolled back"


def test_hardly_faster_is_not_enough() -> None:
    assert run(100e-9, 98e-9).outcome == "rolled back"
    assert run(100e-9, 98e-9, margin=1.01).outcome == "installed"


def test_noise_does_not_matter_much() -> None:
    assert run(100e-9, 80e-9, noise=0.3).outcome == "installed"
    assert run(100e-9, 100e-9, noise=0.3).outcome == "rolled back"


def test_what_changes_steadily_concerns_both_alike() -> None:
    found = run(100e-9, 98e-9, drift=1.02)
    assert abs(found.ratio - 0.98) < 0.02


def test_both_have_the_same_number_of_windows() -> None:
    found = run(100e-9, 90e-9)
    assert len(found.measured["champion"]) == len(found.measured["challenger"]) == trials.PAIRS


def test_a_clear_case_ends_early() -> None:
    assert len(run(100e-9, 10e-9).measured["champion"]) == trials.CLEAR_PAIRS


def test_windows_in_which_code_was_compiled_are_for_warming_up() -> None:
    found = Trial({"champion": 1e-7, "challenger": 1e-7}, 1.05)
    for _ in range(5):
        found.window(1.0, found.passes(), 50, 1)
        assert not found.is_warm
    found.window(0.004, 40000, 0, 0)
    assert found.is_warm
    assert found.measured == {"champion": [], "challenger": []}


def test_warming_up_is_bounded() -> None:
    found = Trial({"champion": 1e-7, "challenger": 1e-7}, 1.05)
    for _ in range(trials.MOST_WARM_UPS):
        found.window(0.01, 100, 1000, 1)
    assert found.is_warm


def test_windows_that_say_nothing_are_bounded() -> None:
    found = Trial({"champion": 1e-7, "challenger": 1e-7}, 1.05)
    for _ in range(trials.MOST_LOST):
        found.lose()
    assert found.outcome == "rolled back"


def test_forced_outcomes_alternate() -> None:
    outcomes = []
    for number in range(4):
        found = ForcedTrial({"champion": 1.0, "challenger": 1.0}, 1.05, force=7, number=number, moments=Moments())
        while not found.outcome:
            assert 1 <= found.passes() < 14
            found.window(0.0, 7, 0, 0)
        outcomes.append(found.outcome)
    assert outcomes == ["installed", "rolled back", "installed", "rolled back"]


def test_moments_are_random_around_their_mean_and_the_same_each_time() -> None:
    first, second = Moments(), Moments()
    drawn = [first.passes(50) for _ in range(1000)]
    assert drawn == [second.passes(50) for _ in range(1000)]
    assert (min(drawn), max(drawn)) == (1, 99)
    assert 48 < sum(drawn) / 1000 < 52
    assert [Moments().passes(1) for _ in range(3)] == [1, 1, 1]
