"""`metatracer run`: a script runs as Python would run it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from metatracer.errors import ParameterError, UsageError
from metatracer.tools import guest

ROOT = Path(__file__).resolve().parents[2]


def test_script_sees_what_python_gives(command, script, capfd):
    path = script(
        """
        import os, sys
        import beside
        print(__name__, __file__, sys.argv[1:], sys.modules["__main__"].__dict__ is globals(), beside.here)
        print(os.environ.get("METATRACER"))
        """
    )
    script("here = 'beside'", "beside.py")
    result = command("run", path, "--", "one", "--two", "-p")
    assert result.exit_code == 0
    shown = capfd.readouterr().out.splitlines()
    assert shown == [f"__main__ {path} ['one', '--two', '-p'] True beside", "None"]


def test_script_in_a_package_finds_its_package(command, script, capfd):
    script("", "pack/__init__.py")
    script("word = 'hello'", "pack/inner.py")
    path = script("from pack.inner import word\nimport inner\nprint(word, inner.word)", "pack/__main__.py")
    assert command("run", path.parent).exit_code == 0
    assert capfd.readouterr().out == "hello hello\n"


@pytest.mark.parametrize(
    ("text", "status"),
    [("import sys; sys.exit(7)", 7), ("raise SystemExit", 0), ("1/0", 1), ("raise SystemExit('why')", 1)],
)
def test_exit_status(command, script, text, status):
    assert command("run", script(text)).exit_code == status


def test_a_killed_process_is_told_as_a_shell_does(command, script):
    result = command("run", script("import os; os.kill(os.getpid(), 9)"))
    assert result.exit_code == 128 + 9
    assert "killed by signal 9" in result.stderr


def test_traceback_has_the_scripts_lines_only(command, script, capfd):
    path = script("def f():\n    raise ValueError('inside')\nf()\n")
    command("run", path)
    shown = capfd.readouterr().err
    assert re.findall(r'File "(.*)", line (\d+)', shown) == [(str(path), "3"), (str(path), "2")]
    assert shown.rstrip().endswith("ValueError: inside")


def test_off_and_parameters_reach_the_process(command, script, capfd):
    path = script("import metatracer as m, os; p = m.JitDriver(['pc']).params; print(p.enable, p.threshold)")
    command("run", "--off", path)
    command("run", "-p", "threshold=3", path)
    assert capfd.readouterr().out.splitlines() == ["False 0", "True 3"]


def test_log_reaches_the_process(command, script, tmp_path):
    path = script("from metatracer import log; log.section('record').write('hello')")
    command("run", "--log", f"record:{tmp_path}/log.txt", path)
    assert (tmp_path / "log.txt").read_text(encoding="utf-8").endswith("] hello\n")


def test_statistics_go_to_standard_error(command, script):
    result = command("run", "--stats", script("print('output')"))
    assert "loops compiled" in result.stderr
    result = command("run", "--json", script("print('output')"))
    assert json.loads(result.stderr)["loops_compiled"] == 0
    assert result.stdout == ""


def test_mistakes_are_sentences(command, script):
    assert isinstance(command("run", "nowhere.py").exception, UsageError)
    assert isinstance(command("run", "-p", "tresh=1", script("")).exception, ParameterError)


def test_the_command_itself_tells_mistakes_with_status_2():
    done = subprocess.run(
        [sys.executable, "-m", "metatracer", "run", "nowhere.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("metatracer: there is no file nowhere.py; the bundled examples are ")
    assert len(done.stderr.splitlines()) == 1


def test_examples_are_found_by_name():
    names = guest.example_names()
    assert guest.DEFAULT_EXAMPLE in names
    for name in names:
        assert guest.find_script(name) == ROOT / "examples" / name / "__main__.py"
    path = guest.find_script(guest.DEFAULT_EXAMPLE)
    program = guest.find_programs(path, list(guest.DEFAULT_ARGUMENTS))[0]
    assert Path(program).is_file()


def test_program_names_are_left_alone_for_other_scripts(script):
    assert guest.find_programs(script(""), ["count.rvm"]) == ["count.rvm"]


def test_a_bundled_language_starts_without_the_command_line(tmp_path):
    program = tmp_path / "program.lua"
    program.write_text("print(package.loaded ~= nil, arg[1]) os.exit(3)")
    code = (
        "import sys\n"
        f"sys.argv = ['metatracer', 'lua', {str(program)!r}, '--', 'x']\n"
        "from metatracer.tools.command import main\n"
        "try:\n    main()\nfinally:\n    print('typer' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "true\t--\nFalse\n"), done.stderr
