"""Whether a root is worth recording again: shares, gain and cost, waiting, phases."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from metatracer.profile import policy
from metatracer.profile.policy import Budget, Generation, History, Layout, Way, decide, distance, usual


def generation(root: int, *others: int, seconds: float = 1.0, cost: float = 0.01) -> Generation:
    ways = [Way((), root), *[Way((number,), count) for number, count in enumerate(others, 1)]]
    return Generation(root + sum(others), seconds, tuple(ways), cost)


def looked_at(*generations: Generation) -> History:
    history = History()
    for each in generations:
        history.look(each)
    return history


def wanted(found: Generation, now: float = 100.0) -> tuple[int, ...] | None:
    decision = decide(found, looked_at(found), now)
    return None if decision.wanted is None else decision.wanted.exits


def test_a_way_that_most_passes_take_is_wanted() -> None:
    assert wanted(generation(1000, 200, 5000)) == (2,)


def test_a_root_that_most_passes_take_stays() -> None:
    assert wanted(generation(5000, 1000)) is None


def test_two_equal_ways_are_no_reason() -> None:
    assert wanted(generation(5000, 5000)) is None
    assert wanted(generation(4800, 5200)) is None


def test_eight_equal_ways_are_no_reason() -> None:
    assert wanted(generation(*[1000] * 8)) is None
    assert wanted(generation(*[0, *[1000] * 7])) is None


def test_a_root_that_is_not_left_stays() -> None:
    assert wanted(generation(5000)) is None


def test_few_passes_say_nothing() -> None:
    assert wanted(generation(0, policy.LEAST_PASSES - 1)) is None


def test_the_gain_must_exceed_the_cost() -> None:
    assert wanted(generation(0, 1000, seconds=1.0, cost=0.1)) == (1,)
    assert wanted(generation(0, 1000, seconds=1.0, cost=0.7)) is None


def test_what_loops_inside_take_is_not_saved() -> None:
    each = Generation(1000, 0.1, (Way((), 0), Way((1,), 1000)), 0.01, whole=1.0)
    history = looked_at(each)
    assert (history.seconds, history.watched) == (0.1, 1.0)
    decision = decide(each, history, 100.0)
    assert decision.predicted == 1.0 - 0.1 * policy.FIRST_SAVING
    assert decision.gain == 0.1 * policy.FIRST_SAVING


def test_a_gain_within_the_margin_is_no_reason() -> None:
    each = Generation(1000, 1.0, (Way((), 0), Way((1,), 1000)), 0.01, whole=20.0)
    assert decide(each, looked_at(each), 100.0, 1.03).wanted is not None
    assert decide(each, looked_at(each), 100.0, 1.05).wanted is None


def test_seconds_add_up_until_it_pays() -> None:
    each = generation(0, 1000, seconds=0.125, cost=0.2)
    history = History()
    looks = 0
    while decide(each, history, 0.0).wanted is None:
        history.look(each)
        looks += 1
    assert 0.125 * looks * policy.FIRST_SAVING >= policy.HYSTERESIS * 0.2 > 0.125 * (looks - 1) * policy.FIRST_SAVING


def test_each_attempt_waits_twice_as_long() -> None:
    each = generation(0, 1000)
    history = looked_at(each)
    now, waits = 0.0, []
    for _ in range(5):
        assert decide(each, history, now).wanted is not None
        history.attempted(each.shares(), now)
        waits.append(history.not_before - now)
        assert decide(each, history, history.not_before - 1e-6).wanted is None
        now = history.not_before
    assert [round(second / first, 9) for first, second in itertools.pairwise(waits)] == [2.0] * 4


def test_attempts_of_a_whole_day_are_few() -> None:
    each = generation(0, 1000)
    history, now = looked_at(each), 0.0
    while now < 86400:
        if decide(each, history, now).wanted is not None:
            history.attempted(each.shares(), now)
        now = max(now + 1, history.not_before)
    assert history.attempts <= 40


def test_another_phase_ends_the_waiting() -> None:
    first, second = generation(0, 1000, 0), generation(0, 0, 1000)
    history = looked_at(first)
    for _ in range(6):
        history.attempted(first.shares(), 0.0)
    assert decide(second, history, 1.0).wanted is None
    assert [history.look(second) for _ in range(policy.PHASE_GENERATIONS)][-1]
    assert decide(second, history, 1.0).wanted is not None
    assert history.wait == policy.FIRST_WAIT
    assert history.changed == history.watched == 1.0 + policy.PHASE_GENERATIONS


def test_one_odd_generation_is_no_phase() -> None:
    usual, odd = generation(900, 100), generation(100, 900)
    history = looked_at(usual)
    assert not any(history.look(each) for each in (odd, usual, odd, usual, odd))


def test_what_was_saved_is_learned() -> None:
    history = History()
    history.measured(0.1, 1.0)
    assert history.saving > policy.FIRST_SAVING
    for _ in range(20):
        history.measured(1.2, 1.0)
    assert history.saving == policy.LEAST_SAVING


shares = st.dictionaries(st.tuples(st.integers(0, 3)), st.floats(0, 1), max_size=5)


@settings(deadline=None)
@given(shares, shares, shares)
def test_distance_is_a_metric(a: dict, b: dict, c: dict) -> None:
    assert distance(a, a) == 0
    assert distance(a, b) == distance(b, a)
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9


def test_a_gain_that_does_not_pay_yet_is_a_suspicion_when_it_would_be_large() -> None:
    costly = generation(100, 5000, cost=100.0)
    assert decide(costly, looked_at(costly), 100.0).is_suspicion
    history = looked_at(costly)
    history.saving = 0.2
    assert not decide(costly, history, 100.0).is_suspicion


def test_waiting_after_an_attempt_is_no_suspicion() -> None:
    found = generation(100, 5000)
    history = looked_at(found)
    history.attempted(found.shares(), 100.0)
    decision = decide(found, history, 100.1)
    assert decision.wanted is None
    assert not decision.is_suspicion


def test_a_layout_is_outdated_when_two_generations_go_other_ways_and_time_pays_for_it() -> None:
    layout = Layout(generation(5000, 100).shares())
    other = generation(100, 5000, seconds=1.0)
    assert not layout.is_outdated(other, 0.1)
    assert layout.is_outdated(other, 0.1)


def test_what_is_usual_is_mostly_what_was_seen_last() -> None:
    seen = usual(generation(100, 60), None)
    assert seen == generation(100, 60)
    seen = usual(generation(0, 0, 40), seen)
    assert {way.exits: way.count for way in seen.ways} == {(): 50, (1,): 30, (2,): 40}
    assert seen.passes == 120
    for _ in range(10):
        seen = usual(generation(1000), seen)
    assert distance(seen.shares(), generation(1000).shares()) < 0.001


def test_a_layout_is_kept_in_a_loop_that_is_seen_at_one_time_in_long_rounds_and_at_another_in_short_ones() -> None:
    layout, seen = Layout(generation(50_000, 5000).shares()), None
    for _ in range(10):
        for each in (generation(50_000, 10), generation(2000, 5000)):
            seen = usual(each, seen)
            assert not layout.is_outdated(seen, 0.0)


def test_a_layout_is_kept_while_its_shares_hold() -> None:
    layout = Layout(generation(5000, 100).shares())
    same, other = generation(4900, 150), generation(100, 5000)
    assert not any(layout.is_outdated(each, 0.0) for each in (same, other, same, other, same))


def test_a_layout_is_kept_while_changing_it_costs_more_than_it_saves() -> None:
    layout = Layout(generation(5000, 100).shares())
    other = generation(100, 5000, seconds=0.1)
    assert not any(layout.is_outdated(other, 0.1) for _ in range(11))
    assert any(layout.is_outdated(other, 0.1) for _ in range(3))


def test_the_passes_of_a_moment_are_no_reason() -> None:
    assert wanted(generation(100, 5000, seconds=policy.LEAST_SECONDS)) is not None
    assert wanted(generation(100, 5000, seconds=policy.LEAST_SECONDS / 2)) is None
    history = looked_at(generation(5000, 100), *[generation(100, 5000, seconds=policy.LEAST_SECONDS / 2)] * 5)
    assert history.phases == 0


def test_after_an_attempt_the_same_shares_are_no_other_phase() -> None:
    """In a loop of many ways, too, of which the wanted one takes the most."""
    found = generation(1000, 3500, 1500, 1500, 1500, 1000)
    history = looked_at(found)
    decision = decide(found, history, 100.0)
    assert decision.wanted is not None
    history.attempted(decision.shares, 100.0)
    assert not any(history.look(generation(1300, 3100, 1800, 1200, 1700, 900)) for _ in range(5))


def test_attempts_cost_a_part_of_the_time_at_most() -> None:
    budget = Budget()
    made, now = 0.0, 0.0
    while now < 100.0:
        now += 0.05
        if budget.allows(0.3, now):
            budget.spend(0.3)
            made += 0.3
        assert made <= policy.CREDIT + policy.PART_OF_TIME * now
    assert made > 0.9 * policy.PART_OF_TIME * now
