"""`python -m benchmarks.replacement.costs [WORD ...]`: what replacing costs programs that nobody wrote for it.

The benchmark programs of the bundled languages and of the examples, each in fresh processes with `replace` off and on, by turns,
for some seconds of processor time. Of each process: the steady state, which is the median of the last quarter of its runs, and
how much it got done in all, recording, compiling and what was tried in vain contained. All times are at the pace of a fixed loop
that is measured right before each run (`child.reference`), because what else the machine does makes both slower.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import examples
from benchmarks.common import ROOT, run_json, show_table

HEADINGS = ("program", "off: us", "on: us", "steady state: on / off", "time for as much: on / off", "attempts, installed")
LAST = 1 / 4
"""The share of a process's runs that is its steady state."""


def programs(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Names and the child's arguments of the programs whose names contain one of the words; of all, if there are none."""
    found = [
        (f"{language}/{path.name}", [f"interpreters.{language}", str(path)])
        for language in ("lua", "scheme")
        for path in sorted((ROOT / "interpreters" / language / "benchmarks").glob("*.[ls][uc][am]"))
    ]
    for name, arguments in examples.PROGRAMS.items():
        package, _, file = name.partition("/")
        path = ROOT / "examples" / package / "programs" / file
        found.append((name, [f"examples.{package}", str(path), *map(str, arguments)]))
    return [each for each in found if not words or any(word in each[0] for word in words)]


def child(seconds: float, module: str, arguments: list[str]) -> dict[str, Any]:
    """Run a program again and again; times of the runs, and of the fixed loop before each."""
    from benchmarks.replacement.child import reference

    run, measure_reference = importlib.import_module(f"{module}.__main__").prepare(arguments), reference()
    times: list[float] = []
    references: list[float] = []
    with contextlib.redirect_stdout(io.StringIO()) as output:
        while sum(times) < seconds:
            output.seek(0)
            output.truncate()
            references.append(measure_reference())
            start = time.thread_time()
            run()
            times.append(time.thread_time() - start)
    import metatracer

    figures = metatracer.statistics_snapshot()
    return {
        "seconds": times, "references": references, "output": output.getvalue(),
        "attempts": figures["replacement_attempts"], "installed": figures["replacements_installed"],
    }  # fmt: skip


def steady(result: dict[str, Any]) -> float:
    """A run's time in passes of the fixed loop, in the steady state."""
    times = [time / reference for time, reference in zip(result["seconds"], result["references"], strict=True)]
    return statistics.median(times[-max(int(LAST * len(times)), 1) :])


def whole(result: dict[str, Any], runs: int) -> float:
    """The time of the first runs together, in passes of the fixed loop."""
    pace = statistics.median(result["references"])
    return sum(result["seconds"][:runs]) / pace


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replacement.costs", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="programs whose names contain one of them")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each mode")
    parser.add_argument("--seconds", type=float, default=6.0, help="of processor time that each process runs")
    parser.add_argument("--mode", default="full", help="what is compared with `off`")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(child(chosen.seconds, chosen.child[0], chosen.child[1:])))
        return 0
    rows, results, states, wholes = [], {}, [], []
    for name, arguments in programs(chosen.words):
        command = [sys.executable, "-m", "benchmarks.replacement.costs", "--seconds", str(chosen.seconds), "--child", *arguments]
        sides: dict[str, list[dict[str, Any]]] = {"off": [], chosen.mode: []}
        for number in range(chosen.rounds):
            for mode in sorted(sides, reverse=number % 2 == 0):
                sides[mode].append(run_json(command, {"METATRACER": f"replace={mode}", "METATRACER_CACHE": "off"}))
        off, on = sides.values()
        if len({each["output"] for each in [*off, *on]}) != 1:
            raise RuntimeError(f"{name}: the processes' outputs differ")
        pace = statistics.median(each for result in [*off, *on] for each in result["references"]) * 1e6
        state_off, state_on = (statistics.median(map(steady, side)) for side in (off, on))
        runs = min(len(each["seconds"]) for each in [*off, *on])
        whole_off, whole_on = (statistics.median(whole(each, runs) for each in side) for side in (off, on))
        states.append(state_on / state_off)
        wholes.append(whole_on / whole_off)
        tried = f"{sum(each['attempts'] for each in on)}, {sum(each['installed'] for each in on)}"
        rows.append([name, f"{state_off * pace:.4g}", f"{state_on * pace:.4g}", f"{states[-1]:.3f}", f"{wholes[-1]:.3f}", tried])
        results[name] = {mode: [[steady(each), whole(each, runs)] for each in side] for mode, side in sides.items()}
        print(" ".join(rows[-1]), flush=True)
    means = [f"{statistics.geometric_mean(each):.3f}" for each in (states, wholes)]
    rows.append([f"geometric mean of {len(states)}", "", "", *means, ""])
    show_table("replacement_costs", HEADINGS, rows, results, chosen.json, write_docs=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
