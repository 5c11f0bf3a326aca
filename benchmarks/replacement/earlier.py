"""`python -m benchmarks.replacement.earlier [WORKLOAD.LANGUAGE ...]`: what a profile of earlier runs is worth (mode `auto`).

Each pair of processes has a seed and a cache directory of its own; the second one finds what the first has left behind. Of each:
the processor time that it *lost*, which is what its iterations took beyond as many in its own steady state, and its looks at
roots. Told apart are pairs whose first process has replaced a root, because the first recording was of the wrong way, and the
others, in which nothing was to be found out.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from benchmarks.common import run_json
from benchmarks.replacement.__main__ import LAST, PROGRAMS

HEAD = (
    "workload", "first root", "pairs", "lost: first", "lost: second", "steady: second over first", "looks", "recordings missed",
)  # fmt: skip


def lost(result: dict[str, Any], passes: int) -> tuple[float, float]:
    """Seconds lost on the way to the steady state, and that state's time per pass in passes of the fixed loop."""
    times = [time / reference for time, reference in zip(result["seconds"], result["references"], strict=True)]
    pace = statistics.median(result["references"])
    steady = statistics.median(times[-max(int(LAST * len(times)), 1) :])
    # What else the machine does makes some iterations slower; only the first half is on the way to anything.
    early = times[: len(times) // 2]
    return sum(time - steady for time in early) * pace * passes, steady


def pairs(workload: str, seeds: Sequence[int], seconds: float, passes: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The results of first and second processes."""
    found = []
    for seed in seeds:
        command = [sys.executable, "-m", "benchmarks.replacement.child", str(PROGRAMS / workload)]
        command += [str(each) for each in (seconds, passes, seed, 0.0)]
        with tempfile.TemporaryDirectory() as cache:
            setting = {"METATRACER": "replace=auto", "XDG_CACHE_HOME": cache}
            found.append((run_json(command, setting), run_json(command, setting)))
    return found


def rows(workload: str, found: Sequence[tuple[dict[str, Any], dict[str, Any]]], passes: int) -> list[list[str]]:
    """A row for pairs whose first process has replaced a root, and one for the others."""
    table = []
    for kind in ("wrong", "right"):
        chosen = [pair for pair in found if bool(pair[0]["statistics"]["replacements_installed"]) == (kind == "wrong")]
        if not chosen:
            continue
        first, second = ([lost(pair[side], passes) for pair in chosen] for side in (0, 1))
        figures = [
            " to ".join(f"{statistics.median(pair[side]['statistics'][name] for pair in chosen):g}" for side in (0, 1))
            for name in ("replacement_looks", "replacement_recordings_missed")
        ]
        ratio = statistics.median(after[1] / before[1] for before, after in zip(first, second, strict=True))
        medians = [f"{statistics.median(each[0] for each in side):.2f} s" for side in (first, second)]
        table.append([workload, kind, str(len(chosen)), *medians, f"{ratio:.2f}", *figures])
    return table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replacement.earlier", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", default=["rare_branch.rvm", "rare_branch.lua"])
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=3.0, help="of processor time that each process runs")
    parser.add_argument("--passes", type=int, default=50_000, help="of the loop in each in-process iteration")
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}")
    for workload in chosen.workloads:
        seeds = [chosen.seed + 977 * number for number in range(chosen.pairs)]
        for row in rows(workload, pairs(workload, seeds, chosen.seconds, chosen.passes), chosen.passes):
            print(f"| {' | '.join(row)} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
