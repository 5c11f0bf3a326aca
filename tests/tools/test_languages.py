"""The bundled languages as subcommands."""

from __future__ import annotations

import subprocess
import sys

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
