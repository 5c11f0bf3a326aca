"""What the commands of the bundled languages do when a program has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = {
    "lua": """local t = {} t.itself = t t.file = io.open("%s", "w") t.file:write("kept\\n") keep = t print("end")""",
    "scheme": """(define port (open-output-file "%s")) (define again (list port)) (set-cdr! again again)
                 (write-string "kept" port) (newline port) (display "end") (newline)""",
}  # fmt: skip


@pytest.mark.parametrize("start", ["module", "metatracer"])
@pytest.mark.parametrize("language", ["lua", "scheme"])
def test_files_that_nobody_has_closed_are_written(language: str, start: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(PROGRAMS[language] % (tmp_path / "out"), encoding="utf-8")
    run = {"module": ["-m", f"interpreters.{language}"], "metatracer": ["-c", START, language]}[start]
    done = subprocess.run(
        [sys.executable, *run, str(program)], cwd=ROOT, env={**os.environ, "METATRACER": ""}, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"end\n", b"")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "kept\n"


START = "from metatracer.tools.command import main; main()"


def test_the_collector_calls_nothing_in_which_a_signal_could_be_lost() -> None:
    code = "import gc; from interpreters.common import command; command.collect_seldom(); print(gc.callbacks)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def run(*arguments: str, reads: bool = True) -> tuple[int, str, str]:
    """Run `metatracer`: exit code, output (of which one line is read, and then no more, unless `reads`) and what is told."""
    with subprocess.Popen(
        [sys.executable, "-c", START, *arguments], cwd=ROOT, env={**os.environ, "METATRACER": ""},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        if reads:
            out, err = process.communicate(timeout=60)
        else:
            assert process.stdout is not None
            assert process.stderr is not None
            out = process.stdout.readline()
            process.stdout.close()
            err = process.stderr.read()
        return process.wait(timeout=60), out, err


@pytest.mark.parametrize(
    ("language", "program", "status"),
    [
        ("lua", "setmetatable({}, {__gc = function() while true do end end})", 1),
        ("lua", "setmetatable({}, {__gc = function() while true do end end}) os.exit(3, true)", 1),
        # What has been made is freed for longer than it takes until the clock looks again.
        ("scheme", "(define-syntax m (syntax-rules () ((_ a) (m (a a))))) (m 1)", 75),
    ],
)  # fmt: skip
def test_a_limit_holds_until_the_end_and_is_told_once(language: str, program: str, status: int) -> None:
    code, out, err = run(language, "--max-seconds", "1", "-e", program)
    assert (code, out) == (status, "")
    assert err in {f"{who}: the program ran longer than 1 seconds\n" for who in ("lua", "stopped")}


@pytest.mark.parametrize(
    ("language", "program"),
    [
        ("lua", 'while true do io.write("1\\n") end'),
        ("lua", "while true do pcall(print, 1) end"),
        ("scheme", "(let loop () (guard (e (#t #f)) (display 1) (newline)) (loop))"),
    ],
)  # fmt: skip
def test_a_program_whose_output_nobody_reads_ends(language: str, program: str) -> None:
    assert run(language, "-e", program, reads=False) == (-signal.SIGPIPE, "1\n", "")


@pytest.mark.parametrize("language", ["lua", "scheme"])
def test_the_toolkit_knows_the_guest_s_program_by_its_own_name(language: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("")
    code = (
        "import sys; from metatracer.tools.command import main; from interpreters.common import command as common\n"
        f"from interpreters.{language} import command\n"
        "command.show_statistics = common.show_statistics = lambda: print(sys.argv)\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, language, "--stats", str(program), "a"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{[str(program), 'a']}\n"
