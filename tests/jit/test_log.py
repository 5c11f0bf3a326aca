"""Log sections: what is written, where, and what it costs when off."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from metatracer import ParameterError, log

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _off():
    before = list(log.sections_on())
    assert before == []
    yield
    log.configure("")


def test_off_by_default_and_silent(capsys):
    section = log.section("record")
    assert section is log.section("record")
    assert section.on is False
    section.write("nobody reads this")
    assert capsys.readouterr() == ("", "")


def test_named_sections_go_to_standard_error(capsys):
    log.configure("record,abort")
    log.section("record").write("begin\nend\n")
    log.section("opt").write("not this")
    shown = capsys.readouterr().err
    assert re.fullmatch(r"\[record \d+\.\d{6}\] begin\n    end\n", shown)
    assert list(log.sections_on()) == ["record", "abort"]


def test_file_with_process_id_is_appended_to(tmp_path):
    spec = f"all:{tmp_path}/log-%p.txt"
    for text in ("one", "two"):
        log.configure(spec)
        log.section("llvm").write(text)
        log.configure("")
    written = (tmp_path / f"log-{os.getpid()}.txt").read_text(encoding="utf-8")
    assert [line.split("] ")[1] for line in written.splitlines()] == ["one", "two"]


def test_all_means_all():
    assert log.parse("all:x")[0] == list(log.SECTIONS)
    assert log.parse("record:-") == (["record"], "")


def test_mistakes(tmp_path):
    log.configure("record")
    with pytest.raises(ParameterError, match="no log section 'recrd'; did you mean record"):
        log.configure("recrd:x")
    with pytest.raises(ParameterError, match="cannot be written"):
        log.configure(f"opt:{tmp_path}/no/such/folder/x")
    assert list(log.sections_on()) == ["record"]


def test_a_full_disk_does_not_reach_the_guest():
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    log.configure("exit:/dev/full")
    section = log.section("exit")
    section.write("x")
    assert section.on is False


def test_environment():
    env = {**os.environ, "PYTHONPATH": str(ROOT), "METATRACER_LOG": "exit,opt"}
    code = "from metatracer import log; print(*log.sections_on()); log.section('exit').write('hello')"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["opt", "exit"]
    assert done.stderr.endswith("] hello\n")
    env["METATRACER_LOG"] = "nonsense"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert "in the environment variable METATRACER_LOG='nonsense': there is no log section" in done.stderr
