"""`metatracer explain` and `info`: what is said about each loop."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from metatracer import params
from metatracer.errors import AbortReason
from metatracer.statistics import LoopRecord, ReplacementRecord, ResidualCall
from metatracer.tools import advice, report

FAKE_RUNTIME = """
    import sys, types
    import metatracer.runtime
    from metatracer.statistics import LoopRecord
    fake = types.ModuleType("metatracer.runtime.driver")
    compiled = LoopRecord("calc", "pc=3", "calc.py", 10, status="compiled", traces=1, entries=2)
    aborted = LoopRecord("calc", "pc=9", "calc.py", 10, status="aborted")
    aborted.add_abort("UNSUPPORTED", "an instruction that cannot be traced was reached", "YIELD", "calc.py", 42)
    fake.explain_records = lambda: [compiled, aborted]
    fake.statistics_snapshot = dict
    fake.short_lived_greens = list
    sys.modules["metatracer.runtime.driver"] = metatracer.runtime.driver = fake
    print("the guest's own output")
"""


def test_every_abort_reason_has_advice():
    assert advice.reasons_with_advice() == set(AbortReason.__members__)


def _shown(*records: LoopRecord) -> str:
    console = Console(file=io.StringIO(), width=60)
    report.show_loops(console, [record.as_dict() for record in records], {"threshold": 77})
    return console.file.getvalue()


def test_nothing_seen():
    assert "no guest loop was seen" in _shown()


def test_cold_loop_says_how_far_it_came():
    text = _shown(LoopRecord("calc", "pc=3", "calc.py", 10, back_edges=7))
    assert "counting: calc pc=3" in text
    assert "merge point at calc.py:10" in text
    assert "seen 7 times; loops are recorded after 77 (the parameter `threshold`)" in text


def test_aborted_loop_says_why_where_and_what_to_change():
    record = LoopRecord("calc", "pc=3", "calc.py", 10, status="aborted")
    for _ in range(3):
        reason = AbortReason.HELPER_LOOP
        record.add_abort(reason.name, reason.value, "unpack", "calc.py", 42)
    text = _shown(record)
    assert f"given up (3 times): {AbortReason.HELPER_LOOP.value}" in text
    assert "exactly: unpack" in text
    assert "at calc.py:42" in text
    assert "to change: mark the helper @unroll_safe" in text


@pytest.mark.parametrize(
    ("status", "reason", "line"),
    [
        ("refused", "confirm_enter_jit returned False", "refused: confirm_enter_jit returned False"),
        ("invalidated", "the global LIMIT was assigned", "thrown away: the global LIMIT was assigned"),
        ("replaced", "", "another trace took its place"),
    ],
)
def test_other_states(status, reason, line):
    assert line in _shown(LoopRecord("calc", "pc=3", status=status, reason=reason))


def test_attempts_to_replace_a_root_are_told_in_words():
    record = LoopRecord("calc", "pc=3", status="compiled")
    record.note_replacement(
        ReplacementRecord(1, 0.1, 0.75, 0.625, 0.31, 2.0, 0.5, 2, "installed", "3.23 times as fast")
    )
    text = _shown(record).replace("\n", " ")
    assert (
        "attempt 1 to replace the root, because 75% of the passes took one other way and 10% its own: "
        "time was to fall to 0.62 of what it was, and was measured as 0.31 of it (after 2 recordings): "
        "installed, 3.23 times as fast"
    ) in text


def test_not_compiled_come_first_and_places_are_not_wrapped():
    long = "/a" * 60 + "/calc.py"
    text = _shown(
        LoopRecord("calc", "pc=1", long, 10, status="compiled", traces=1, bridges=2, entries=3, guard_exits=4),
        LoopRecord("calc", "pc=2", long, 10),
    )
    assert text.index("pc=2") < text.index("pc=1")
    assert f"{long}:10" in text
    assert "1 traces, 2 bridges, 3 entries, 4 guard exits" in text
    assert "1 loops compiled, 1 not" in text


def test_a_green_with_too_many_values_is_told_with_what_to_change():
    console = Console(file=io.StringIO(), width=60)
    green = {"driver": "calc", "filename": "calc.py", "lineno": 10, "green": "code", "kind": "Closure"}
    report.show_short_lived_greens(console, [{**green, "values": 900, "keys": 1000, "keys_met_again": 3}])
    text = console.file.getvalue()
    assert "hardly green: the variable `code` of driver calc" in text
    assert "merge point at calc.py:10" in text
    assert "900 different values (Closure objects) were looked at; of 1000 combinations of greens 3 were met again" in text
    assert "make `code` a red" in text


def test_functions_not_looked_into_are_listed_once():
    first, second = LoopRecord("calc", "pc=1"), LoopRecord("calc", "pc=2")
    for record in (first, second):
        record.add_residual_call(ResidualCall("print", "a C function", call_filename="calc.py", call_lineno=5))
    first.add_residual_call(ResidualCall("walk", "a generator", "tree.py", 8))
    text = _shown(first, second)
    assert "print: a C function, called at calc.py:5 (2 places)" in text
    assert "walk (tree.py:8): a generator" in text


def test_markup_in_names_is_shown_as_it_is():
    assert "x=[bold]" in _shown(LoopRecord("calc", "x=[bold]"))


def test_command(command, script, capfd):
    path = script(FAKE_RUNTIME)
    result = command("explain", path)
    assert result.exit_code == 0
    assert "aborted: calc pc=9" in result.stdout
    assert "at calc.py:42" in result.stdout
    assert "compiled: calc pc=3" in result.stdout
    assert "own output" not in capfd.readouterr().out
    result = command("explain", "--show-output", "--json", path)
    assert [record["status"] for record in json.loads(result.stdout)] == ["compiled", "aborted"]
    assert "own output" in capfd.readouterr().out


def test_command_passes_the_scripts_status_on_and_needs_a_report(command, script):
    assert command("explain", script("raise SystemExit(3)")).exit_code == 3
    result = command("explain", script("import os; os._exit(4)"))
    assert "nothing to explain: the process ended with status 4 before it could report" in str(result.exception)


def test_info(command):
    result = command("info")
    assert result.exit_code == 0
    assert "this machine and Python are supported" in result.stdout
    assert "trace_limit" in result.stdout
    facts = json.loads(command("info", "--json").stdout)
    assert [row["name"] for row in facts["parameters"]] == [row.name for row in params.TABLE]
    assert facts["libraries"]["llvmlite"] != "not installed"


def test_info_says_why_untraced(command, monkeypatch):
    monkeypatch.setattr("metatracer.platforms.unsupported_reason", lambda: "it needs a better machine")
    assert "everything runs untraced: it needs a better machine" in command("info").stdout


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (2.5e-9, "2.5 ns"), (1.5e-5, "15 us"), (0.25, "250 ms"), (12.345, "12.3 s")]
)
def test_durations(seconds, text):
    assert report.seconds_text(seconds) == text


def test_ratios():
    assert report.ratio_text(2.0) == "2x faster"
    assert report.ratio_text(0.5) == "2x slower"
    assert report.ratio_text(None) == ""
    assert report.bytes_text(2_500_000) == "2.5 MB"
    assert report.bytes_text(512) == "0.5 KB"
