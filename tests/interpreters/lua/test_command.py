"""The command: its options, its exit codes, and its limits for scripts that nobody trusts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(*arguments: str, text: str = "", **variables: str) -> tuple[int, str, str]:
    """Run the command with `text` as its input: exit code, output and what it wrote on standard error."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "METATRACER": "", **variables}
    command = [sys.executable, "-m", "interpreters.lua", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, input=text, capture_output=True, text=True, timeout=100, check=False
    )
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


def test_what_the_toolkit_takes_is_not_the_script_s() -> None:
    script = "local s = 0 for i = 1, 1000000 do s = s + i % 7 end print(s)"
    assert run("--max-memory", "30", "-e", script) == (0, "2999998\n", "")


def test_script_sees_its_arguments_and_the_command_s() -> None:
    assert run("-e", "print(#arg, arg[0], arg[1])") == (0, "2\tlua\t-e\n", "")
    code, out, _ = run("-", "a", "b", text="print(arg[0], arg[1], arg[-1], #arg, ...)")
    assert (code, out) == (0, "-\ta\tlua\t2\ta\tb\n")
    code, out, _ = run("-E", "--jit", "off", "-", "--stats", text="#!shell\nprint(arg[-4], arg[-1], ...)")
    assert (code, out) == (0, "lua\toff\t--stats\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--max-seconds", "soon"], "--max-seconds needs a number above 0, not soon"),
        (["--max-memory=-1"], "--max-memory needs a number above 0, not -1"),
        (["--jit", "maybe"], "--jit is on or off, not maybe"),
        (["--param", "unknown=1"], "there is no parameter 'unknown'"),
        (["--param"], "--param needs a value"),
        (["-l"], "'-l' needs argument"),
        (["-x"], "unrecognized option '-x'"),
    ],
)
def test_wrong_option_is_told_with_the_usage(arguments: list[str], told: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"lua: {told}")
    assert "usage: lua [options] [script [args]]" in err


def test_files_that_cannot_be_read_are_told() -> None:
    assert run("absent.lua") == (1, "", "lua: cannot open absent.lua: No such file or directory\n")
    assert run("-e", "", LUA_INIT="@absent.lua") == (1, "", "lua: cannot open absent.lua: No such file or directory\n")


def test_exit_codes_are_lua_s() -> None:
    assert [run("-e", f"os.exit({code})")[0] for code in ("true", "false", "7")] == [0, 1, 7]
    code, _, err = run("-e", "error({code = 2})")
    assert code == 1
    assert err.startswith("lua: (error object is a table value)\nstack traceback:")


def test_modules_are_looked_for_where_the_environment_says(tmp_path: Path) -> None:
    (tmp_path / "found.lua").write_text("return 'it'")
    script = "print(require 'found', package.path:find('/usr', 1, true))"
    path = f"{tmp_path}/?.lua"
    assert run("-e", script, LUA_PATH=path) == (0, "it\tnil\n", "")
    assert run("-e", script, LUA_PATH_5_4=f"{path};;", LUA_PATH="")[1] == f"it\t{len(path) + 2}\t{len(path) + 5}\n"
    assert run("-E", "-e", script, LUA_PATH=path)[0] == 1


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (b"\x1bLua", "attempt to load a binary chunk (there are none here)"),
        (b"x\xff", "program:1: syntax error near '<\\255>'"),
        (b"\n\xff", "program:2: unexpected symbol near '<\\255>'"),
        (b"local \x01", "program:1: <name> expected near '<\\1>'"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_lua_are_told(source: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(source)
    code, out, err = run(str(tmp_path / "program"))
    assert (code, out) == (1, "")
    assert err.startswith("lua: ")
    assert err.endswith(f"{told}\n")


def test_prompt_takes_statements_of_several_lines_and_goes_on_after_errors() -> None:
    code, out, err = run("-i", text="1 + 1\nfor i = 1, 2 do\nprint(i)\nend\n= 5\nx x\nnil + 1\n#'abc'\nerror({})\n")
    assert code == 0
    assert out.replace("> ", "").replace(">", "").splitlines()[1:] == ["2", "1", "2", "5", "3", ""]
    assert err.splitlines()[:2] == [
        "stdin:1: syntax error near 'x'",
        "stdin:1: attempt to perform arithmetic on a nil value",
    ]
    assert "(error object is a table value)" in err


def test_counters_are_json() -> None:
    code, out, err = run("--stats", "--param", "threshold=50", "-e", "for i = 1, 1000 do end print('done')")
    assert (code, out) == (0, "done\n")
    assert json.loads(err)["loops_compiled"] == 1
