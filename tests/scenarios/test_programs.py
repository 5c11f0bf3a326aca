"""Each program under `programs/` does the same in all modes: traced, eagerly, with forced exits and with replaced roots.

That a program was traced at all is tested too: a comparison of two untraced runs shows nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential.differential import (
    EAGERLY,
    FORCED,
    FORCED_TREES,
    REPLACED_TREES,
    TRACED,
    UNTRACED,
    Mode,
    Scenario,
    Worker,
    differences,
    mode_params,
    save,
)  # fmt: skip

END_BY_RAISING = ("recursion_uncaught", "tracebacks")
PROGRAMS = {path.stem: path for path in sorted((Path(__file__).parent / "programs").glob("*.py"))}


def scenario(name: str) -> Scenario:
    return Scenario(name, text=PROGRAMS[name].read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def reference() -> Iterator[Worker]:
    with Worker(UNTRACED) as worker:
        yield worker


# These take minutes: each program goes through one of the two, and on other versions through the other one; the generated
# programs go through all modes.
IN_TURN = (FORCED_TREES, REPLACED_TREES) if sys.version_info < (3, 12) else (REPLACED_TREES, FORCED[0])


@pytest.fixture(scope="module", params=mode_params((TRACED, EAGERLY, *IN_TURN)))
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    mode: Mode = request.param
    with Worker(mode) as started:
        yield started


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_does_the_same(name: str, worker: Worker, reference: Worker) -> None:
    if worker.mode in IN_TURN and worker.mode is not IN_TURN[list(PROGRAMS).index(name) % 2]:
        pytest.skip("its turn is in the other one of the modes that take long")
    expected = reference.run(scenario(name))
    assert expected.died == ""
    assert (expected.error is not None) == (name in END_BY_RAISING), "the rest of the program was not run"
    outcome = worker.run(scenario(name))
    problems = differences(name, worker.mode, expected, outcome)
    if problems:
        problems.append(f"saved as {save(scenario(name))}")
    assert not problems, "\n".join(problems)
    if worker.mode is EAGERLY:
        assert outcome.statistics["loops_compiled"] >= 1
