"""Every example program does the same in every mode."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.differential.differential import (
    FORCED,
    REPLACED,
    TRACED_MODES,
    UNTRACED,
    Mode,
    Outcome,
    Worker,
    differences,
    mode_params,
    save,
)  # fmt: skip
from tests.differential.programs import SMALL, example_scenarios, program_path

SCENARIOS = {scenario.name: scenario for scenario in example_scenarios()}


@pytest.fixture(scope="module")
def reference() -> Iterator[Worker]:
    with Worker(UNTRACED) as worker:
        yield worker


@pytest.fixture(scope="module")
def expected(reference: Worker) -> dict[str, Outcome]:
    return {name: reference.run(scenario) for name, scenario in SCENARIOS.items()}


@pytest.fixture(scope="module", params=mode_params(TRACED_MODES))
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    mode: Mode = request.param
    with Worker(mode) as started:
        yield started


def test_every_program_is_in_the_table() -> None:
    packages = {name.partition("/")[0] for name in SMALL}
    files = {f"{package}/{file.name}" for package in packages for file in program_path(f"{package}/x").parent.iterdir()}
    assert files == set(SMALL)


@pytest.mark.parametrize("name", SCENARIOS)
def test_example_passes_its_own_checks_untraced(name: str, expected: dict[str, Outcome]) -> None:
    assert expected[name].died == ""
    assert expected[name].error is None
    assert expected[name].stdout != ""


# These take longest: each program goes through one of the two; generated programs and scenarios go through both.
IN_TURN = (REPLACED, FORCED[1])


@pytest.mark.parametrize("name", SCENARIOS)
def test_example_does_the_same(name: str, worker: Worker, expected: dict[str, Outcome]) -> None:
    if worker.mode in IN_TURN and worker.mode is not IN_TURN[list(SCENARIOS).index(name) % 2]:
        pytest.skip("its turn is in the other one of the modes that take long")
    problems = differences(name, worker.mode, expected[name], worker.run(SCENARIOS[name]))
    if problems:
        problems.append(f"saved as {save(SCENARIOS[name])}")
    assert not problems, "\n".join(problems)
