"""`metatracer trace`: which traces and stages are printed, and that they are those of the run."""

from __future__ import annotations

import json

import pytest

from metatracer.ir.text import parse_trace
from metatracer.optimizer.pipeline import PASSES
from metatracer.runtime.stages import STAGES
from metatracer.tools import guest
from tests.tools.test_real import INTERPRETER

pytestmark = pytest.mark.slow


@pytest.fixture
def interpreter(script):
    return script(INTERPRETER, "toy.py")


def test_recorded_optimized_and_machine_code_are_shown(command, interpreter):
    result = command("trace", interpreter, "--", "3000")
    assert result.exit_code == 0
    assert "trace 1: loop toy_" in result.stdout
    assert "toy pc 0" in result.stdout
    recorded, optimized, machine = (
        result.stdout.index(f"--- 1 {name}: ") for name in ("recorded", "optimized", "machine")
    )
    assert recorded < optimized < machine
    assert "# i" in result.stdout[machine:]
    assert "--- 1 llvm" not in result.stdout


def test_stages_come_in_their_order(command, interpreter):
    result = command("trace", "-s", "llvm,virtuals", "--stage", "recorded", interpreter, "--", "3000")
    headings = [line for line in result.stdout.splitlines() if line.startswith("--- 1 ")]
    assert [line.split(":")[0].split()[-1] for line in headings] == ["recorded", "virtuals", "llvm"]


def test_every_trace_has_every_stage(command, interpreter):
    result = command("trace", "--json", "-p", "trace_eagerness=2", "--stage", "all", interpreter, "--", "6000")
    traces = json.loads(result.stdout)
    assert traces[0]["kind"] == "loop"
    assert any(trace["kind"] == "bridge" and trace["guard"] for trace in traces)
    for trace in traces:
        assert set(trace["texts"]) == set(STAGES)
        assert all(trace["texts"].values())
        operations = len(trace["texts"]["optimized"].splitlines()) - 1
        assert operations == trace["operations"]
        assert trace["texts"]["dead"] == trace["texts"]["optimized"]


def test_passes_do_their_work_stage_by_stage(command, interpreter):
    result = command("trace", "--json", "-s", "recorded,virtuals,fold,peel", interpreter, "--", "3000")
    texts = json.loads(result.stdout)[0]["texts"]
    assert "label(" not in texts["recorded"]
    assert texts["virtuals"].splitlines()[1].strip().startswith("label(")
    assert not texts["peel"].splitlines()[1].strip().startswith("label(")
    assert len(texts["fold"]) <= len(texts["virtuals"])


def test_passes_that_are_off_change_nothing(command, interpreter, monkeypatch):
    monkeypatch.setenv("METATRACER_OPT", "none")
    result = command("trace", "--json", "-s", f"{PASSES[0]},{PASSES[-1]}", interpreter, "--", "3000")
    texts = json.loads(result.stdout)[0]["texts"]
    assert texts[PASSES[0]] == texts[PASSES[-1]]


def test_looking_at_stages_changes_no_trace(command, interpreter):
    few = json.loads(command("trace", "--json", "-s", "optimized", interpreter, "--", "3000").stdout)
    all_stages = json.loads(command("trace", "--json", "-s", "all", interpreter, "--", "3000").stdout)
    assert [trace["texts"]["optimized"] for trace in few] == [trace["texts"]["optimized"] for trace in all_stages]


def test_a_loop_is_chosen_by_number_and_by_place(command, interpreter):
    by_number = command("trace", "-l", "1", "-s", "optimized", interpreter, "--", "3000").stdout
    assert by_number.count("--- ") == 1
    by_place = json.loads(command("trace", "--json", "-l", "pc 0", interpreter, "--", "3000").stdout)
    assert by_place
    assert all("pc 0" in trace["location"] for trace in by_place)


def test_snapshots_are_shown_when_asked_for(command, interpreter):
    without = json.loads(command("trace", "--json", "-s", "optimized", interpreter, "--", "3000").stdout)
    with_them = json.loads(
        command("trace", "--json", "--snapshots", "-s", "optimized", interpreter, "--", "3000").stdout
    )
    assert " -> " not in without[0]["texts"]["optimized"]
    assert " -> " in with_them[0]["texts"]["optimized"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("-s", "optimised"), "there is no stage 'optimised'; did you mean optimized"),
        (("-l", "pc 77"), "no trace is called 'pc 77'; there are: 1 (pc 0)"),
    ],
)
def test_a_wrong_name_is_told(command, interpreter, options, sentence):
    result = command("trace", *options, interpreter, "--", "3000")
    assert result.exit_code != 0
    assert sentence in str(result.exception)


def test_nothing_compiled_points_to_explain(command, script):
    result = command("trace", script("print('nothing to trace')\n"))
    assert "nothing was compiled; `metatracer explain` tells why" in result.stdout


def test_lines_are_not_wrapped_and_not_coloured_in_a_pipe(command, interpreter, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    result = command("trace", "-s", "recorded", interpreter, "--", "3000")
    assert "\x1b" not in result.stdout
    text = result.stdout.split("--- 1 recorded: ")[1].partition("\n")[2].split("\ntrace 2")[0]
    assert parse_trace(text, {}).operations


def test_languages_are_found_by_name(command, tmp_path):
    assert {"lua", "scheme"} <= set(guest.language_names())
    program = tmp_path / "loop.lua"
    program.write_text("local s = 0\nfor i = 1, 5000 do s = s + i % 7 end\nprint(s)\n", encoding="utf-8")
    result = command("trace", "lua", "-s", "optimized", "--", program)
    assert "--- 1 optimized: " in result.stdout
