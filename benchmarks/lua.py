"""`python -m benchmarks.lua [PROGRAM ...]`: Lua programs on ours traced and untraced, PUC Lua, LuaJIT and its interpreter.

Each side runs in fresh processes, by turns. A process loads the program once and runs it `--iterations` times, with its
output thrown away; the steady state is the median of the second half. Sides that are not installed, or cannot run a
program (LuaJIT has no integers), are left out.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 20.0  # seconds for a process
PROGRAMS = ROOT / "interpreters" / "lua" / "benchmarks"


def measure_here(program: str, iterations: int, size: str | None) -> list[float]:
    """Run a program in this process; returns seconds per iteration."""
    from interpreters.lua.__main__ import prepare

    run = prepare([program] if size is None else [program, size])
    times = []
    for _ in range(iterations):
        out, sys.stdout = sys.stdout, io.StringIO()
        started = time.perf_counter()
        try:
            run()
        finally:
            times.append(time.perf_counter() - started)
            sys.stdout = out
    return times


def measure(side: str, program: Path, iterations: int, size: str | None) -> tuple[list[float], float] | None:
    """Run a program in a fresh process; returns seconds per iteration and of the whole process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if side in ("traced", "untraced"):
        environment["METATRACER"] = "off" if side == "untraced" else environment.get("METATRACER", "")
        command = [sys.executable, "-m", "benchmarks.lua", "--here", str(program), "--iterations", str(iterations)]
        command += ["--size", size] if size is not None else []
    else:
        executable = shutil.which("luajit" if side.startswith("luajit") else "lua5.4")
        if executable is None:
            return None
        script = ROOT / "benchmarks" / "measuring" / "loop.lua"
        command = [executable, *(["-joff"] if side == "luajit off" else []), "-e", f"N={iterations}", str(script), str(program)]
        command += ["-", size] if size is not None else []
    started = time.perf_counter()
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return None
    whole = time.perf_counter() - started
    if run.returncode != 0:
        return None
    return [float(word) for word in run.stdout.split()], whole


def steady(times: list[float]) -> float:
    return statistics.median(times[len(times) // 2 :])


def geomean(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--size")
    parser.add_argument("--sides", default="traced,untraced,puc,luajit,luajit off")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.here:
        print(*measure_here(arguments.here, arguments.iterations, arguments.size))
        return 0
    programs = [PROGRAMS / f"{name}.lua" for name in arguments.programs] or sorted(PROGRAMS.glob("*.lua"))
    sides = arguments.sides.split(",")
    table: dict[str, dict[str, float]] = {}
    for program in programs:
        found: dict[str, list[float]] = {}
        for _ in range(arguments.runs):
            for side in sides:
                iterations = 1 if side == "untraced" else arguments.iterations
                measured = measure(side, program, iterations, arguments.size)
                if measured is not None:
                    found.setdefault(side, []).append(steady(measured[0]))
                    found.setdefault(f"{side} whole", []).append(measured[1])
        table[program.stem] = {side: statistics.median(times) for side, times in found.items()}
        row = table[program.stem]
        if not arguments.json:
            print(f"{program.stem:14}", *(f"{side} {row[side] * 1000:9.2f} ms" for side in sides if side in row), flush=True)
    if arguments.json:
        print(json.dumps(table, indent=1))
        return 0
    for upper, lower in (("traced", "puc"), ("traced", "luajit"), ("untraced", "traced"), ("untraced", "puc")):
        ratios = [row[upper] / row[lower] for row in table.values() if upper in row and lower in row]
        print(f"geomean {upper} / {lower}: {geomean(ratios):.2f} ({len(ratios)} programs)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
