"""What the commands of the bundled languages do when a program has ended."""

from __future__ import annotations

import os
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
