"""The mode "auto": what a run leaves behind, and what the next run of the same program does with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.differential.differential import ROOT

PROGRAM = """
import json, sys
from metatracer import JitDriver, statistics_snapshot
from metatracer.profile import policy, trial
from metatracer.runtime import replacing
from metatracer.runtime.host import PORTALS

replacing.cost_of_tree = lambda root: 0.0
replacing.FIRST_PASSES = 40
policy.LEAST_PASSES = 20
policy.LEAST_SECONDS = 0.0
replacing.LEAST_PERIOD = 0.0
policy.FIRST_WAIT = 1000.0
policy.PHASE_DISTANCE = 2.0

def window(self, seconds, passes, exits, compiled):
    self.side = "champion" if self.side == "challenger" else "challenger"
    self.warm_ups += 1
    if self.warm_ups == 4:
        self.end("installed", "for the test")

trial.Trial.window = window
trial.Trial.passes = lambda self: 30

driver = JitDriver(greens=["pc", "code"], reds="auto", name="ways")

class Code:
    _immutable_fields_ = ["number"]
    def __init__(self, number):
        self.number = number

@driver.portal
def run(code, ways, n):
    i = total = pc = 0
    while i < n:
        driver.jit_merge_point(pc=pc, code=code)
        if ways[i % len(ways)]:
            total += code.number
        else:
            total += i * 3
        i += 1
    return total

code = Code(5)
for ways, n in json.loads(sys.argv[1]):
    assert run(code, ways, n) == sum(code.number if ways[i % len(ways)] else i * 3 for i in range(n))
found = statistics_snapshot()
print(json.dumps([found["replacements_installed"], found["aborts"].get("OTHER_WAY", 0), found["replacement_looks"]]))
"""
SETTING = "threshold=3,function_threshold=1000,trace_eagerness=2,compile_level=0,tier2_threshold=0,replace=auto"
RARE_FIRST: list[Any] = [[[0], 60], [[1], 3000]]
RARE_AT_TIMES: list[Any] = [[[0] * 6 + [1] * 54, 3000]]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def runs(script: Path, work: Any, **more: str) -> list[int]:
    """Run the program; gives replacements, recordings thrown away because of earlier runs, and looks."""
    environment = {
        **os.environ, "METATRACER": SETTING, "PYTHONPATH": str(ROOT), "METATRACER_CACHE": str(script.parent / "cache"), **more,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), json.dumps(work)],
        env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[int] = json.loads(done.stdout)
    return found


def profiles(script: Path) -> list[Any]:
    files = (script.parent / "cache").glob("*.profile")
    return [json.loads(path.read_bytes()[32:])["loops"] for path in files]


def test_a_way_that_was_replaced_is_not_recorded_first_again(script: Path) -> None:
    assert runs(script, RARE_FIRST)[:2] == [1, 0]
    (loops,) = profiles(script)
    (hint,) = loops.values()
    assert len(hint["avoid"]) == 1
    installed, thrown_away, _ = runs(script, RARE_AT_TIMES)
    assert installed == 0
    assert 1 <= thrown_away <= 3


def test_a_way_that_cannot_be_avoided_is_taken_and_not_avoided_again(script: Path) -> None:
    runs(script, RARE_FIRST)
    assert runs(script, RARE_FIRST)[:2] == [1, 3]
    (loops,) = profiles(script)
    assert list(loops.values()) == [{"avoid": [], "is_steady": False, "is_futile": True}]
    assert runs(script, RARE_FIRST)[:2] == [1, 0]


def test_other_modes_leave_nothing_behind(script: Path) -> None:
    runs(script, RARE_FIRST, METATRACER=SETTING.replace("auto", "full"))
    assert profiles(script) == []


def test_nothing_is_left_behind_when_nothing_is_to_be_kept(script: Path) -> None:
    assert runs(script, RARE_FIRST, METATRACER_CACHE="off")[:2] == [1, 0]
    assert profiles(script) == []


def test_a_short_run_without_news_leaves_nothing_behind(script: Path) -> None:
    runs(script, [[[1], 3000]])
    assert profiles(script) == []


def test_a_steady_loop_is_looked_at_less_often(script: Path) -> None:
    long = "(loop,) = PORTALS[run.__code__].loops.values()\nloop.replacement.history.watched = 5.0\n"
    script.write_text(PROGRAM.replace("found = stat", f"{long}found = stat"), encoding="utf-8")
    work = [[[1], 300_000]]
    before = runs(script, work)[2]
    (loops,) = profiles(script)
    assert [hint["is_steady"] for hint in loops.values()] == [True]
    assert runs(script, work)[2] <= before
