"""The bundled languages as subcommands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.differential.differential import ROOT


@pytest.mark.parametrize(
    ("arguments", "status", "output", "error"),
    [
        (["lua", "-e", "print(6 * 7)"], 0, "42\n", ""),
        (["lua", "-e", "error('no')"], 1, "", "no"),
        (["scheme", "-e", "(display (* 6 7))"], 0, "42", ""),
        (["scheme", "-e", "(car 5)"], 70, "", "car"),
    ],
)
def test_languages_run_from_the_command(arguments: list[str], status: int, output: str, error: str) -> None:
    command = [sys.executable, "-m", "metatracer", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == status, done.stderr
    assert output in done.stdout
    assert error in done.stderr
    assert "Traceback (most recent call last)" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("METATRACER=treshold=7", "in the environment variable METATRACER='treshold=7': there is no parameter 'treshold'"),
        ("METATRACER_OPT=peal", "METATRACER_OPT: no pass named 'peal'"),
        ("METATRACER_LOG=everything", "in the environment variable METATRACER_LOG='everything': there is no log section"),
    ],
)
@pytest.mark.parametrize("arguments", [["lua", "-e", "print(1)"], ["run", "calc", "--", "sum", "10"], ["info"]])
def test_wrong_environment_is_told_in_a_sentence(variable: str, told: str, arguments: list[str]) -> None:
    name, _, value = variable.partition("=")
    command = [sys.executable, "-m", "metatracer", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, name: value}, capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"metatracer: {told}")


@pytest.mark.parametrize(
    ("language", "program", "place"),
    [
        ("lua", "local s = 0\nfor i = 1, 3000 do s = s + i end\n", "{file}:2: main chunk, instruction"),
        ("lua", "local function f(n)\n  return n == 0 and 0 or f(n - 1)\nend\nfor i = 1, 300 do f(9) end\n", "{file}:2: f, ins"),
        ("scheme", "(define (f i)\n  (if (< i 3000) (f (+ i 1))))\n(f 0)\n", "{file}:1:1: f"),
    ],
)
def test_loops_are_named_by_their_place_in_the_program(language: str, program: str, place: str, tmp_path: Path) -> None:
    file = tmp_path / "p"
    file.write_text(program, encoding="utf-8")
    command = [sys.executable, "-m", "metatracer", "explain", language, "-p", "threshold=20,function_threshold=20"]
    done = subprocess.run(
        [*command, "--", file.name], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert f"compiled: {language} {place.format(file=file.name)}" in done.stdout
