"""`metatracer compare`: the measuring protocol, differences, failures, and the table."""

from __future__ import annotations

import json

import pytest

from metatracer.errors import UsageError
from metatracer.tools import comparison, guest
from metatracer.tools.comparison import Comparison, compare, first_difference
from metatracer.tools.guest import Job, Result

COUNTING = """
    import metatracer, sys
    calls = 0
    def main(argv):
        global calls
        calls += 1
        print("call", calls, argv, sys.argv[1:])
        return calls
"""


def _report(seconds=(4.0, 1.0, 2.0, 3.0), result="returned None", output="a\nb\n", **more):
    iterations = [{"seconds": each, "output_sha256": output, "result": result} for each in seconds]
    iterations[0]["output"] = output
    return {
        "has_main": True,
        "loading_seconds": 0.5,
        "iterations": iterations,
        "peak_memory_bytes": 1000,
        "statistics": {"loops_compiled": 2, "aborts": {}},
        "loops": [],
        **more,
    }


def _compare(script, untraced, traced, **options):
    """Compare with results made up: each a Result or a report."""
    jobs: list[Job] = []

    def run_job(job, timeout_seconds):
        jobs.append(job)
        found = traced if job.traced else untraced
        return found if isinstance(found, Result) else Result(0, found)

    found = compare(script(""), ["x"], runs=2, iterations=4, run_job=run_job, **options)
    return found, jobs


def test_sides_alternate_and_only_the_traced_one_gets_parameters(script):
    _, jobs = _compare(script, _report(), _report(), parameters="threshold=3")
    assert [(job.traced, job.parameters) for job in jobs] == [(False, ""), (True, "threshold=3")] * 2
    assert all(job.mode == "measure" and job.iterations == 4 for job in jobs)


def test_cold_is_the_first_and_warm_the_median_of_the_later_half(script):
    found, _ = _compare(script, _report((8.0, 6.0, 4.0, 6.0)), _report((4.0, 9.0, 0.5, 0.5)))
    assert found.untraced.cold_seconds == [8.0, 8.0]
    assert found.untraced.warm_seconds == [5.0, 5.0]
    assert found.ratio("cold_seconds") == 2.0
    assert found.ratio("warm_seconds") == 10.0
    assert found.is_good
    assert found.as_dict()["warm_ratio"] == 10.0


@pytest.mark.parametrize(
    ("traced", "sentence"),
    [
        (_report(output="a\nc\n"), "iteration 1: the outputs differ in line 2: untraced 'b', traced 'c'"),
        (_report(output="a\nb\nc\n"), "iteration 1: the outputs differ in line 3: untraced nothing, traced 'c'"),
        (_report(result="raised X"), "iteration 1: untraced returned None, traced raised X"),
        (_report((1.0,)), "untraced made 4 iterations, traced 1"),
    ],
)
def test_differences_are_told(script, traced, sentence):
    found, _ = _compare(script, _report(), traced)
    assert found.difference == sentence
    assert not found.is_good


def test_a_difference_in_a_later_iteration_is_seen():
    untraced, traced = _report(), _report()
    traced["iterations"][2]["output_sha256"] = "other"
    assert first_difference(untraced, traced).startswith("iteration 3: the outputs differ, though")


def test_a_crash_is_a_failure_with_its_last_words(script):
    found, _ = _compare(script, _report(), Result(-11, {}, "warming up\nFatal Python error\n"))
    assert found.failures == [
        f"run {run}, traced: the process was killed by signal 11: Fatal Python error" for run in (1, 2)
    ]
    assert not found.is_good
    assert found.ratio("cold_seconds") is None


def test_real_processes_follow_the_protocol(script):
    found = compare(script(COUNTING), ["a", "b"], runs=1, iterations=3)
    assert found.is_good
    assert found.has_main
    assert found.result == "returned 1"
    assert found.traced.peak_memory_bytes[0] > 1_000_000
    report = guest.start(
        Job(script(COUNTING), ["a", "b"], mode="measure", iterations=3), capture=True, show_output=False
    ).report
    assert [each["result"] for each in report["iterations"]] == ["returned 1", "returned 2", "returned 3"]
    assert report["iterations"][0]["output"] == "call 1 ['a', 'b'] ['a', 'b']\n"
    assert report["statistics"]["loops_compiled"] == 0


def test_sides_are_told_by_the_environment(script, monkeypatch):
    monkeypatch.setenv("METATRACER", "off")
    path = script("import metatracer\ndef main():\n    print(metatracer.JitDriver(['pc']).params.enable)\n")
    found = compare(path, [], runs=1, iterations=1)
    assert found.difference == "iteration 1: the outputs differ in line 1: untraced 'False', traced 'True'"


def test_prepare_is_called_once_and_preferred(script):
    path = script(
        """
        prepared = 0
        def prepare(argv):
            global prepared
            prepared += 1
            return lambda: print(prepared, argv)
        def main(argv):
            raise AssertionError
        """
    )
    job = Job(path, ["x"], mode="measure", iterations=2)
    report = guest.start(job, capture=True, show_output=False).report
    assert report["has_main"] is True
    assert [each["result"] for each in report["iterations"]] == ["returned None"] * 2
    assert report["iterations"][0]["output"] == "1 ['x']\n"


def test_a_failing_prepare_is_the_result(script):
    path = script("def prepare(argv):\n    raise ValueError('no program')\n")
    report = guest.start(Job(path, [], mode="measure", iterations=2), capture=True).report
    assert [each["result"] for each in report["iterations"]] == ["raised ValueError: no program"]


def test_a_script_without_main_runs_once_as_main(script):
    path = script("print(__name__)\n")
    report = guest.start(Job(path, [], mode="measure", iterations=5), capture=True, show_output=False).report
    assert report["has_main"] is False
    assert [each["output"] for each in report["iterations"]] == ["__main__\n"]


def test_a_script_that_cannot_be_loaded_is_compared_by_its_error(script):
    report = guest.start(Job(script("import nothing_like_it\n"), [], mode="measure"), capture=True).report
    assert report["iterations"][0]["result"] == "raised ModuleNotFoundError: No module named 'nothing_like_it'"


def test_time_limit(script):
    with pytest.raises(UsageError, match="did not end within 0.5 seconds; give more with --timeout"):
        guest.start(Job(script("import time; time.sleep(60)"), []), capture=True, timeout_seconds=0.5)


def test_command_shows_a_table(command, script):
    result = command("compare", script(COUNTING), "--runs", 1, "--iterations", 2)
    assert result.exit_code == 0
    for text in ("first iteration (cold)", "later iterations (warm)", "peak memory", "outputs agree in 1 runs"):
        assert text in result.stdout
    assert "the program returned 1" in result.stdout


def test_command_gives_json(command, script):
    result = command("compare", script(COUNTING), "--runs", 1, "--iterations", 2, "--json", "--", "x")
    found = json.loads(result.stdout)
    assert found["outputs_agree"] is True
    assert found["args"] == ["x"]
    assert set(found["traced"]) == set(found["untraced"])


def test_command_fails_on_a_difference(command, script):
    path = script("import metatracer\ndef main():\n    print(metatracer.JitDriver(['pc']).params.enable)\n")
    result = command("compare", path, "--runs", 1, "--iterations", 1)
    assert result.exit_code == 1
    assert "DIFFERENT: iteration 1" in result.stdout


def test_command_fails_on_a_crash_without_a_table(command, script):
    result = command("compare", script("import os; os.abort()"), "--runs", 1)
    assert result.exit_code == 1
    assert "killed by signal 6" in result.stdout
    assert "median" not in result.stdout


def test_command_compares_a_bundled_program_by_default(command, monkeypatch):
    seen = []

    def fake(script, args, **options):
        seen.append((script, args))
        return Comparison(str(script), args, 1, 1)

    monkeypatch.setattr("metatracer.tools.cli.compare", fake)
    assert command("compare").exit_code == 0
    script, args = seen[0]
    assert script == guest.find_script(guest.DEFAULT_EXAMPLE)
    assert args[0].endswith("examples/registervm/programs/count.rvm")
    assert comparison.Side().cold_seconds == []
