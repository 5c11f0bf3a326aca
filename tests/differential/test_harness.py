"""The harness itself notices what it is there to notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential import differential
from tests.differential.differential import (
    UNTRACED,
    Comparison,
    Mode,
    Outcome,
    Scenario,
    Worker,
    differences,
    read_saved,
)  # fmt: skip

HELLO = Scenario("hello", text="def main():\n    print('hello')\n    return 3\n")


def run_untraced(text: str, timeout: float = 60.0) -> Outcome:
    with Worker(UNTRACED, timeout=timeout) as worker:
        return worker.run(Scenario("case", text=text))


def test_output_and_result_are_reported() -> None:
    outcome = run_untraced(HELLO.text)
    assert (outcome.stdout, outcome.value, outcome.error, outcome.died) == ("hello\n", "3", None, "")


def test_exception_is_reported_with_lines_and_cause() -> None:
    outcome = run_untraced(
        "def fail():\n    raise KeyError('k')\n\ndef main():\n    try:\n        fail()\n"
        "    except KeyError as error:\n        raise ValueError('v') from error\n"
    )
    assert outcome.error is not None
    assert (outcome.error["type"], outcome.error["message"]) == ("ValueError", "v")
    assert outcome.error["frames"] == [["case.py", 8, "main"]]
    assert outcome.error["cause"]["frames"] == [["case.py", 6, "main"], ["case.py", 2, "fail"]]


def test_objects_left_behind_are_counted() -> None:
    outcome = run_untraced(
        "class Kept:\n    pass\nclass Gone:\n    pass\nKEPT = []\n"
        "def main():\n    KEPT.extend([Kept(), Kept()])\n    Gone()\n"
    )
    assert outcome.live == {"Gone": 0, "Kept": 2}


def test_death_by_signal_is_an_outcome_and_the_next_scenario_runs() -> None:
    with Worker(UNTRACED) as worker:
        outcome = worker.run(Scenario("crash", text="import ctypes\ndef main():\n    ctypes.string_at(0)\n"))
        assert "SIGSEGV" in outcome.died
        assert worker.run(HELLO).stdout == "hello\n"


def test_hang_is_an_outcome() -> None:
    assert "no answer" in run_untraced("def main():\n    while True:\n        pass\n", timeout=1.5).died


def test_recursion_depth_is_not_compared() -> None:
    one = Outcome(error={"type": "RecursionError", "message": "a", "frames": [1]})
    other = Outcome(error={"type": "RecursionError", "message": "b", "frames": [2]})
    assert differences("x", UNTRACED, one, other) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stdout", "other"),
        ("value", "2"),
        ("error", {"type": "E"}),
        ("live", {"W": 1}),
        ("died", "signal"),
    ],
)
def test_each_difference_is_told(field: str, value: object) -> None:
    assert len(differences("x", UNTRACED, Outcome(), Outcome(**{field: value}))) == 1


def test_failing_scenario_is_saved_and_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differential, "SAVED", tmp_path)
    text = "import os\ndef main():\n    print(os.environ['METATRACER'])\n"
    with Comparison([Mode("other", "threshold=77")]) as comparison:
        problems = comparison.check(Scenario("environment", text=text))
    assert len(problems) == 2
    assert "output differs" in problems[0]
    saved = list(tmp_path.glob("*.json"))
    assert [read_saved(path).text for path in saved] == [text]


def threaded(text: str) -> Outcome:
    with Worker(UNTRACED) as worker:
        return worker.run(Scenario("case", text=text, threads=3))


def test_threads_that_do_the_same_are_one_outcome() -> None:
    outcome = threaded("def main():\n    for i in range(200):\n        print(i)\n    raise ValueError(i)\n")
    assert outcome.stdout == "".join([f"{i}\n" for i in range(200)])
    assert outcome.error is not None
    assert (outcome.error["message"], outcome.died) == ("199", "")


def test_a_thread_that_differs_is_reported() -> None:
    outcome = threaded("from itertools import count\nNUMBERS = count()\n\ndef main():\n    print(next(NUMBERS))\n")
    assert "other threads" in outcome.stdout
