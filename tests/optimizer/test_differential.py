"""Random traces do the same before and after optimization, with all passes and with each pass alone."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metatracer.ir.evaluator import observable, run
from metatracer.ir.verifier import verify
from metatracer.optimizer.pipeline import PASSES, optimize
from tests.ir.strategies import Case, cases, leave_at_attention
from tests.optimizer.guest import Guest, guests

# The optimizer's own guards return to an earlier snapshot, which is right only where execution from there does the same
# again. Snapshots of random traces are just values.
COMPARABLE = frozenset(PASSES) - {"alias"}

quick = settings(deadline=None, suppress_health_check=list(HealthCheck))


def outcome(case: Case, trace: object, leave: int) -> object:
    args = case.make_args()
    roots = list(args)
    leaving = run(trace, args, max_iterations=6, force_exit=leave_at_attention(leave))  # type: ignore[arg-type]
    return observable(leaving, roots)


def check(case: Case, passes: frozenset[str], leave: int) -> None:
    verify(case.trace)
    optimized = optimize(case.trace, passes=passes)
    verify(optimized)
    assert outcome(case, optimized, leave) == outcome(case, case.trace, leave)


@settings(quick, max_examples=150)
@given(cases(label=False, loop=False, max_steps=20))
def test_straight_trace_is_equivalent(case: Case) -> None:
    check(case, COMPARABLE, 100)


@settings(quick, max_examples=250)
@given(cases(label=False, loop=True, max_steps=12), st.integers(1, 5))
def test_loop_is_equivalent(case: Case, leave: int) -> None:
    check(case, COMPARABLE, leave)


@settings(quick, max_examples=100)
@given(cases(label=False, loop=True, max_steps=10), st.integers(1, 5), st.sampled_from(sorted(COMPARABLE)))
def test_loop_without_a_pass_is_equivalent(case: Case, leave: int, left_out: str) -> None:
    check(case, COMPARABLE - {left_out}, leave)


@pytest.mark.parametrize("name", sorted(COMPARABLE))
def test_pass_alone_is_sound(name: str) -> None:
    @settings(quick, max_examples=15, database=None)
    @given(cases(label=False, max_steps=12))
    def alone(case: Case) -> None:
        check(case, frozenset({name}), 3)

    alone()


def check_guest(guest: Guest, passes: frozenset[str], leave: int) -> None:
    case = Case(guest.trace, guest.make_args)
    check(case, passes, leave)


@settings(quick, max_examples=200)
@given(guests(), st.integers(1, 5))
def test_guest_loop_is_equivalent(guest: Guest, leave: int) -> None:
    check_guest(guest, COMPARABLE, leave)


@settings(quick, max_examples=100)
@given(guests(calls=False), st.integers(1, 5), st.sampled_from(sorted(COMPARABLE)))
def test_guest_loop_without_a_pass_is_equivalent(guest: Guest, leave: int, left_out: str) -> None:
    check_guest(guest, COMPARABLE - {left_out}, leave)
