"""Whole programs: R7RS's examples section by section, and the benchmark programs, which check their results."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(__file__).parent / "programs"
BENCHMARKS = ROOT / "interpreters" / "scheme" / "benchmarks"
EAGER = "threshold=2,function_threshold=2,trace_eagerness=2,compile_level=0"
SMALL = {
    "ack": 3, "browse": 1, "closures": 2000, "compiler": 30, "coroutines": 300, "cpstak": 1, "ctak": 1, "deriv": 100,
    "earley": 12, "fft": 6, "fib": 14, "fibfp": 14, "gctrees": 6, "generators": 500, "mandelbrot": 30, "matcher": 20,
    "mazefun": 10, "nqueens": 5, "perm": 5, "pidigits": 60, "polygon": 400, "primes": 1, "quicksort": 500, "ray": 10,
    "strings": 40, "sumfp": 2000, "tak": 1, "takl": 1, "puzzle": 2000, "destruct": 1,
}  # fmt: skip


def run(mode: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "METATRACER": mode, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "interpreters.scheme", *arguments],
        cwd=PROGRAMS, env=environment, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "mode", [*(pytest.param(mode, marks=pytest.mark.slow) for mode in ("off", "enable=on")), EAGER], ids=["off", "on", "eager"]
)
@pytest.mark.parametrize("program", sorted(path.stem for path in PROGRAMS.glob("*.out")))
def test_transcript(program: str, mode: str) -> None:
    result = run(mode, f"{program}.scm")
    assert result.stderr == ""
    assert result.stdout == (PROGRAMS / f"{program}.out").read_text(encoding="utf-8")
    assert result.returncode == 0


def test_harness_tells_about_wrong_results() -> None:
    result = run("off", "-e", '(include "harness.scm")', "-e", "(test 5 (+ 2 2))", "-e", '(done "x")')
    assert result.stdout.splitlines() == ["WRONG: (+ 2 2) gives 4, expected 5", "x: 0"]


def test_each_benchmark_has_a_small_size() -> None:
    assert sorted(SMALL) == sorted(path.stem for path in BENCHMARKS.glob("*.scm"))


@pytest.mark.slow
@pytest.mark.parametrize("program", sorted(SMALL))
def test_benchmark_gives_the_same_traced(program: str) -> None:
    arguments = (str(BENCHMARKS / f"{program}.scm"), str(SMALL[program]))
    expected = run("off", *arguments)
    assert expected.stdout.startswith("ok ")
    result = run(EAGER, *arguments)
    assert (result.stdout, result.stderr, result.returncode) == (expected.stdout, "", 0)
