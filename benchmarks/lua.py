"""`python -m benchmarks.lua [PROGRAM ...]`: Lua programs on ours traced and untraced, PUC Lua, LuaJIT and its interpreter.

Each side runs in fresh processes, by turns. A process loads the program once and runs it `--iterations` times (traced: and
for `--seconds` at least), with its output thrown away; the steady state is the median of the second half. The whole process
is another one, which runs the program once as a user would. All times are the processor's, so that other processes
matter less: in the steady state of the thread that runs the program, for whole processes of all threads, LLVM's in the
background among them. "One second" is a third process, which runs the program as often as PUC Lua does in a second.
Sides that are not installed, cannot run a program (LuaJIT has no integers) or take longer than `--timeout` have no
figure, and the geometric means say how many programs they are of.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.common import machine, modules_kept, show_ratio, show_seconds, write_section

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ROOT / "interpreters" / "lua" / "benchmarks"


RATIOS = (
    ("traced / PUC", "traced", "puc"),
    ("traced / LuaJIT", "traced", "luajit"),
    ("untraced / traced", "untraced", "traced"),
    ("untraced / PUC", "untraced", "puc"),
    ("whole process: traced / PUC", "traced whole", "puc whole"),
    ("whole process: traced / untraced", "traced whole", "untraced whole"),
    ("one second: traced / PUC", "traced second", "puc second"),
)


def measure_here(program: str, iterations: int, seconds: float, size: str | None) -> list[float]:
    """Run a program in this process; returns seconds per iteration."""
    from interpreters.lua.__main__ import prepare

    run = prepare([program] if size is None else [program, size])
    times: list[float] = []
    begun = time.thread_time()
    while len(times) < iterations or time.thread_time() - begun < seconds:
        out, sys.stdout = sys.stdout, io.StringIO()
        started = time.thread_time()
        try:
            run()
        finally:
            times.append(time.thread_time() - started)
            sys.stdout = out
    return times


def run(command: list[str], side: str, timeout: float) -> tuple[str, float] | None:
    """Run a process; returns its output and its processor time, or None where it failed or took too long."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if side == "untraced":
        environment["METATRACER"] = "off"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (done.stdout, seconds) if done.returncode == 0 else None


def commands(side: str, program: Path, iterations: int, seconds: float, size: str | None) -> tuple[list[str], list[str]] | None:
    """Return the commands for many runs in one process, and for one run; None when the side is not installed."""
    sized = [] if size is None else [size]
    if side in ("traced", "untraced"):
        many = [sys.executable, "-m", "benchmarks.lua", "--here", str(program), "--iterations", str(iterations)]
        many += ["--seconds", str(seconds if side == "traced" else 0)]
        return [*many, *(["--size", size] if size is not None else [])], [
            sys.executable, "-m", "interpreters.lua", str(program), *sized,
        ]  # fmt: skip
    executable = shutil.which("luajit" if side.startswith("luajit") else "lua5.4")
    if executable is None:
        return None
    lua = [executable, *(["-joff"] if side == "luajit off" else [])]
    script = ROOT / "benchmarks" / "measuring" / "loop.lua"
    many = [*lua, "-e", f"N={iterations}", str(script), str(program), *(["-", size] if size is not None else [])]
    return many, [*lua, str(program), *sized]


def one_second(program: Path, puc: float, sides: list[str], arguments: argparse.Namespace) -> dict[str, float]:
    """Processor seconds of processes that run a program as often as PUC Lua, which takes `puc` seconds, does in a second."""
    iterations = max(1, round(1.0 / puc))
    found = {}
    for side in sides:
        both = None if side == "untraced" else commands(side, program, iterations, 0.0, arguments.size)
        done = None if both is None else run(both[0], side, arguments.timeout)
        if done is not None:
            found[f"{side} second"] = done[1]
    return found


def steady(times: list[float]) -> float:
    return statistics.median(times[len(times) // 2 :])


def geomean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--size")
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--sides", default="traced,untraced,puc,luajit,luajit off")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.here:
        print(*measure_here(arguments.here, arguments.iterations, arguments.seconds, arguments.size))
        return 0
    programs = [PROGRAMS / f"{name}.lua" for name in arguments.programs] or sorted(PROGRAMS.glob("*.lua"))
    sides = arguments.sides.split(",")
    with modules_kept():
        table = measure(programs, sides, arguments)
    if arguments.json:
        print(json.dumps(table, indent=1))
        return 0
    means = {title: mean_of(table, upper, lower) for title, upper, lower in RATIOS}
    for title, (mean, count) in means.items():
        print(f"geomean {title}: {mean:.2f} ({count} programs)")
    if arguments.write_docs:
        write_docs(table, means)
    return 0


def measure(programs: list[Path], sides: list[str], arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Seconds of each program on each side, also "side whole" and "side second"."""
    table: dict[str, dict[str, float]] = {}
    for program in programs:
        found: dict[str, list[float]] = {}
        for _ in range(arguments.runs):
            for side in sides:
                iterations = 1 if side == "untraced" else arguments.iterations
                both = commands(side, program, iterations, arguments.seconds, arguments.size)
                if both is None:
                    continue
                many, one = run(both[0], side, arguments.timeout), run(both[1], side, arguments.timeout)
                if many is not None:
                    found.setdefault(side, []).append(steady([float(word) for word in many[0].split()]))
                if one is not None:
                    found.setdefault(f"{side} whole", []).append(one[1])
        row = table[program.stem] = {side: statistics.median(times) for side, times in found.items()}
        if "puc" in row:
            row |= one_second(program, row["puc"], sides, arguments)
        if not arguments.json:
            print(f"{program.stem:14}", *(f"{side} {row[side] * 1000:9.2f} ms" for side in sides if side in row), flush=True)
    return table


def mean_of(table: dict[str, dict[str, float]], upper: str, lower: str) -> tuple[float, int]:
    """Return the geometric mean of a ratio, and over how many programs."""
    ratios = [row[upper] / row[lower] for row in table.values() if upper in row and lower in row]
    return geomean(ratios), len(ratios)


def write_docs(table: dict[str, dict[str, float]], means: dict[str, tuple[float, int]]) -> None:
    """Replace the table in `docs/performance.md`."""
    about = machine()
    columns = ["untraced", "traced", "puc", "luajit", "luajit off"]
    rows = [
        [
            program,
            *[show_seconds(row.get(side)) for side in columns],
            *[show_ratio(row.get(upper), row.get(lower)) for _, upper, lower in RATIOS],
        ]
        for program, row in table.items()
    ]
    row = ["geomean"] + [""] * len(columns)
    rows.append(row + [f"{mean:.3g}x of {count}" if count else "-" for mean, count in means.values()])
    head = f"{about['date']}, {about['processor']}, CPython {about['python']};\n`{about['command']}`"
    write_section("lua", head, ["program", *columns, *means], rows)


if __name__ == "__main__":
    sys.exit(main())
