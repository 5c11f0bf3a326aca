"""`python -m benchmarks.guard_exit`: leaving machine code into the interpreter, and going on there.

A loop leaves its trace every hundredth iteration, bridges being switched off; the same loop that never leaves is taken
off. What remains is the exit, the rest of the iteration in the interpreter with its inlined frames, and the next entry.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.common import median, python_code, show_seconds, write_json

_SCRIPT = """
import json, time
import metatracer
from metatracer import JitDriver

driver = JitDriver(greens=["step"], reds="auto", name="exits")

@driver.portal
def run(step, n, value, rare):
    i = 0
    while i < n:
        driver.jit_merge_point(step=step)
        value = step(i, value, rare)
        i += 1
    return value

def flat(i, value, rare):
    if i % 100 == rare:
        value += 1
    return value + 2

def inner(i, value, rare):
    if i % 100 == rare:
        value += 1
    return value + 2

def middle(i, value, rare):
    return inner(i, value, rare) - 1

def deep(i, value, rare):
    return middle(i, value, rare) + 1

found = {}
for step in (flat, deep):
    run(step, 5000, 0, 100)
    costs = []
    for _ in range(9):
        times = []
        for rare in (100, 99):
            before = metatracer.statistics_snapshot()["guard_exits"]
            started = time.perf_counter()
            run(step, 200000, 0, rare)
            times.append(time.perf_counter() - started)
            exits = metatracer.statistics_snapshot()["guard_exits"] - before
        costs.append((times[1] - times[0]) / exits if exits else None)
    found[step.__name__] = {"costs": costs, "exits": exits}
print(json.dumps(found))
"""


def main(
    rounds: Annotated[int, typer.Option(help="Fresh processes.")] = 3,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
) -> None:
    """Measure a guard exit; the figure to reach is 20 us, median."""
    found: list[dict[str, Any]] = [python_code(_SCRIPT, "bridge_limit=0") for _ in range(rounds)]
    results: dict[str, float | None] = {}
    table = Table("frames", "exits per run", "seconds per exit")
    for name, frames in (("flat", "portal and one inlined"), ("deep", "portal and three inlined")):
        costs = [cost for each in found for cost in each[name]["costs"] if cost is not None]
        results[name] = median(costs) if costs else None
        table.add_row(frames, str(found[0][name]["exits"]), show_seconds(results[name]))
    console = Console()
    console.print(table)
    console.print(f"written to {write_json('guard_exit', results, json_path)}")
    if None in results.values():
        console.print("no exit was seen", style="red")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
