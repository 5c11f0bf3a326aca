"""Generated programs do the same in every mode; `fuzz` runs many more of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.differential.differential import (
    EAGERLY,
    FORCED,
    REPLACED_BEHIND,
    REPLACED_TREES,
    Comparison,
    Scenario,
    supported_modes,
)
from tests.differential.fuzz import threads_scenario
from tests.differential.generate_python import generate_python
from tests.differential.generate_rvm import generate_rvm
from tests.differential.programs import INTERPRETERS

RANDOMS = st.randoms(use_true_random=False)
SETTINGS = settings(
    max_examples=8,
    deadline=None,  # a first compilation takes as long as it takes
    phases=[Phase.explicit, Phase.generate],  # a failing program is saved whole; shrinking would run for minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    derandomize=True,
    database=None,
)


@pytest.fixture(scope="module")
def comparison() -> Iterator[Comparison]:
    with Comparison(supported_modes((EAGERLY, FORCED[1]))) as opened:
        yield opened


@pytest.mark.slow
@SETTINGS
@given(rnd=RANDOMS)
def test_generated_guest_program_does_the_same(comparison: Comparison, rnd: random.Random) -> None:
    module, counted = INTERPRETERS["registervm"]
    scenario = Scenario("generated rvm", interpreter=module, text=generate_rvm(rnd), counted=counted)
    problems = comparison.check(scenario)
    assert not problems, "\n".join(problems)


@pytest.mark.slow
@SETTINGS
@given(rnd=RANDOMS)
def test_generated_python_does_the_same(comparison: Comparison, rnd: random.Random) -> None:
    problems = comparison.check(Scenario("generated python", text=generate_python(rnd)))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("seed", [pytest.param(n, marks=pytest.mark.slow if n % 8 else ()) for n in range(0, 40, 4)])
def test_seeded_program_does_the_same(comparison: Comparison, seed: int) -> None:
    module, counted = INTERPRETERS["registervm"]
    text = generate_rvm(random.Random(seed))
    problems = comparison.check(Scenario(f"rvm seed {seed}", interpreter=module, text=text, counted=counted))
    problems += comparison.check(Scenario(f"python seed {seed}", text=generate_python(random.Random(seed))))
    assert not problems, "\n".join(problems)


@pytest.mark.slow
def test_seeded_program_does_the_same_in_threads_while_roots_are_replaced() -> None:
    with Comparison(supported_modes((REPLACED_TREES, REPLACED_BEHIND))) as comparison:
        problems = comparison.check(threads_scenario(2))
    assert not problems, "\n".join(problems)
