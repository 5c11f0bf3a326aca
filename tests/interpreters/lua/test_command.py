"""The command's limits, for scripts that nobody trusts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command: exit code, output and what it wrote on standard error."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "METATRACER": ""}
    command = [sys.executable, "-m", "interpreters.lua", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)
    return done.returncode, done.stdout, done.stderr


def test_sandboxed_script_finds_neither_files_nor_the_system() -> None:
    script = "print(io, os.execute, os.remove, os.getenv, require, package, debug, loadfile, dofile) print(load('return 42')())"
    assert run("--sandbox", "-e", script) == (0, "nil\t" * 8 + "nil\n42\n", "")


def test_sandboxed_script_cannot_load_binaries() -> None:
    code, out, err = run("--sandbox", "-e", r"print(load('\27Lua'))")
    assert (code, err) == (0, "")
    assert out.startswith("nil\tattempt to load a binary chunk")


@pytest.mark.parametrize("jit", ["on", "off"])
def test_loop_without_end_ends_with_its_time(jit: str) -> None:
    code, out, err = run("--jit", jit, "--max-seconds", "1.5", "-e", "print('started') while true do end")
    assert (code, out) == (1, "started\n")
    assert "ran longer than 1.5 seconds" in err


def test_script_cannot_catch_the_end_of_its_time() -> None:
    script = "while true do pcall(function() while true do end end) end"
    code, _, err = run("--max-seconds", "1", "-e", script)
    assert code == 1
    assert "ran longer than 1 seconds" in err


def test_growing_script_ends_with_its_memory() -> None:
    code, _, err = run("--max-memory", "300", "-e", "local t = {} while true do t[#t + 1] = {} end")
    assert code == 1
    assert "took more than 300 megabytes" in err


def test_string_larger_than_the_memory_is_an_error() -> None:
    script = "print(pcall(string.rep, 'x', 1 << 32)) print('still here')"
    code, out, _ = run("--max-memory", "300", "-e", script)
    assert (code, out) == (0, "false\tresulting string too large\nstill here\n")
