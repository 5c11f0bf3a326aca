"""Random programs give the same traced and untraced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EAGER = "threshold=3,function_threshold=3,trace_eagerness=2,compile_level=0,tail_limit=10"


def results(mode: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT, env={**os.environ, "METATRACER": mode, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()



@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 24, 8))
def test_random_programs_give_the_same_traced(first: int) -> None:
    arguments = ("-m", "tests.interpreters.scheme.random_programs", "7", str(first), str(first + 8))
    expected = results("off", *arguments)
    assert len(expected) == 8
    assert not any("too long" in line for line in expected)
    assert results(EAGER, *arguments) == expected


STALE = """
(define i 0)
(define (g p) (- i (let loop ((n 4) (a p)) (if (= n 0) a (loop (- n 1) (+ a 1))))))
(let loop ((j 0)) (if (< j 8) (begin (set! i j) (write (list (g 0) (g 1) (g 1))) (loop (+ j 1)))))
"""


def test_assigned_global_is_never_stale() -> None:
    arguments = ("-m", "interpreters.scheme", "-e", STALE)
    assert results(EAGER, *arguments) == results("off", *arguments)


SCHEME = """
(define i 0)
(define (g p) (apply + (map (lambda (m) (let loop ((n LAST) (a i)) (if (= n 0) a (loop (- n 1) (+ a STEP))))) VALUES)))
(let loop ((j 0) (s 0))
  (if (< j 40) (begin (set! i j) (loop (+ j 1) (+ s (g 1)))) (begin (write s) (newline))))
"""
TWO_PROGRAMS = f"""
from interpreters.scheme import Runtime
text = {SCHEME!r}
Runtime().evaluate(text.replace("LAST", "3").replace("STEP", "1").replace("VALUES", "(list i 1)"))
Runtime().evaluate(text.replace("LAST", "4").replace("STEP", "p").replace("VALUES", "(list (+ i i) 5)"))
"""


def test_second_runtime_is_as_right_as_the_first() -> None:
    assert results("off", "-c", TWO_PROGRAMS) == ["1800", "1880"]
    assert results(EAGER, "-c", TWO_PROGRAMS) == ["1800", "1880"]
