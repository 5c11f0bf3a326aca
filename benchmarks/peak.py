"""`python -m benchmarks.peak`: how long after its start a process runs the example programs at 90 % of its peak.

A process runs a guest program again and again for some seconds. Its *peak* is the median time of the runs in the last
third; it has reached 90 % of it when for the first time three runs in a row take, in the mean, at most the peak's time / 0.9.
The time from the start of the process to the first of these runs is shown, start-up and compilation included, on CPython
with metatracer and on PyPy: each against its own peak.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import ROOT, median, modules_kept, run_json, show_ratio, show_seconds, show_table
from benchmarks.examples import MODULES, PROGRAMS, Kind, kinds

IN_A_ROW = 3
SIZES = {program: arguments[0] for program, arguments in PROGRAMS.items() if program.startswith(("registervm", "astlang"))}
SHORT = {"mandelbrot": 24, "matmul": 20, "fib": 18, "bigint": 300}
"""Sizes of programs whose work does not grow linearly."""


def size_of(program: str) -> int:
    """A size that makes a run last a few hundredths of a second untraced."""
    return SHORT.get(program.partition("/")[2].partition(".")[0], SIZES[program] // 10)


def seconds_to_peak(runs: list[list[float]], started: float, share: float = 0.9) -> float | None:
    """See the module docstring; `runs` are pairs of the time at which a run began and the seconds it took."""
    seconds = [length for _, length in runs]
    if len(seconds) < 3 * IN_A_ROW:
        return None
    peak = statistics.median(seconds[-(len(seconds) // 3) :])
    for number in range(len(seconds) - IN_A_ROW + 1):
        if statistics.fmean(seconds[number : number + IN_A_ROW]) <= peak / share:
            return runs[number][0] - started
    return None


def measure(kind: Kind, program: str, seconds: float) -> dict[str, Any]:
    """One process: its time to peak, and its peak."""
    package, _, file = program.partition("/")
    path = ROOT / "examples" / package / "programs" / file
    script = str(ROOT / "benchmarks" / "measuring" / "timeline.py")
    started = time.time()
    command = [kind.python, script, MODULES[package], str(path), str(seconds), str(size_of(program))]
    result = run_json(command, kind.environment)
    lengths = [length for _, length in result["runs"]]
    return {
        "to_peak_seconds": seconds_to_peak(result["runs"], started),
        "peak_seconds": statistics.median(lengths[-max(len(lengths) // 3, 1) :]),
        "output": result["output"],
    }


def main(
    only: Annotated[str, typer.Option(help="Programs whose name contains this.")] = "",
    rounds: Annotated[int, typer.Option(help="Fresh processes of each kind for each program.")] = 3,
    seconds: Annotated[float, typer.Option(help="Seconds that each process runs.")] = 6.0,
    pypy: Annotated[str, typer.Option(help="The PyPy to compare with.")] = "pypy3",
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
    docs: Annotated[bool, typer.Option("--write-docs", help="Put the table into docs/performance.md.")] = False,
) -> None:
    """Measure the time to 90 % of the peak, against PyPy's."""
    found = shutil.which(pypy)
    processes = [kind for kind in kinds(0.0, found) if kind.name != "untraced"]
    headings = ("program", "size", "traced: time to 90 % of peak", "PyPy: the same", "traced / PyPy", "peak: traced", "PyPy")
    with modules_kept():
        rows, results = measure_all(only, rounds, seconds, processes)
    show_table("peak", headings, rows, results, json_path, write_docs=docs, note=f"load average {os.getloadavg()[0]:.1f}, ")


def measure_all(
    only: str, rounds: int, seconds: float, processes: list[Kind]
) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """The rows of the table, and what they were made from."""
    rows: list[list[str]] = []
    results: list[dict[str, Any]] = []
    for program in SIZES:
        if only not in program:
            continue
        to_peak: dict[str, list[float]] = {}
        peaks: dict[str, list[float]] = {}
        outputs: set[str] = set()
        for _ in range(rounds):
            for kind in processes:
                item = measure(kind, program, seconds)
                outputs.add(item["output"])
                peaks.setdefault(kind.name, []).append(item["peak_seconds"])
                if item["to_peak_seconds"] is not None:
                    to_peak.setdefault(kind.name, []).append(item["to_peak_seconds"])
        if len(outputs) > 1:
            raise typer.Exit(f"{program}: outputs differ")
        reached = {name: median(values) for name, values in to_peak.items()}
        peak = {name: median(values) for name, values in peaks.items()}
        results.append({"program": program, "size": size_of(program), "to_peak_seconds": reached, "peak_seconds": peak})
        traced, other = reached.get("traced"), reached.get("pypy")
        rows.append([
            program, str(size_of(program)), show_seconds(traced), show_seconds(other), show_ratio(traced, other),
            show_seconds(peak.get("traced")), show_seconds(peak.get("pypy")),
        ])  # fmt: skip
    return rows, results


if __name__ == "__main__":
    typer.run(main)
