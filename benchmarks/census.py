"""`python -m benchmarks.census`: objects allocated per guest iteration by the example programs, untraced and traced.

What is counted are blocks of CPython's object allocator (`measuring/allocations.py`): the difference between a run of twice
the size and a run, so what a run allocates once does not count. The programs whose work does not grow linearly with their
size are counted per guest call or inner iteration.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import ROOT, run_json, show_table
from benchmarks.examples import MODULES

PROGRAMS: dict[str, int] = {
    "registervm/count.rvm": 10_000,
    "registervm/mandelbrot.rvm": 16,
    "registervm/sieve.rvm": 10_000,
    "registervm/matmul.rvm": 16,
    "registervm/fib.rvm": 9,
    "registervm/methods.rvm": 10_000,
    "registervm/strings.rvm": 5_000,
    "registervm/branch.rvm": 10_000,
    "registervm/errors.rvm": 5_000,
    "astlang/count.ast": 10_000,
    "astlang/mandelbrot.ast": 16,
    "astlang/sieve.ast": 10_000,
    "astlang/fib.ast": 9,
    "astlang/objects.ast": 10_000,
    "astlang/closures.ast": 10_000,
    "astlang/strings.ast": 5_000,
    "astlang/branch.ast": 10_000,
    "astlang/errors.ast": 5_000,
}
"""Program -> size of the smaller run."""


def iterations(program: str, size: int) -> tuple[int, str]:
    """How many of what a run of this size does; whatever a program is, the smaller run and the larger one count alike."""
    stem = program.partition("/")[2].partition(".")[0]
    if stem == "fib":
        before, now = 1, 1  # calls: f(n) = 1 + f(n - 1) + f(n - 2)
        for _ in range(size - 1):
            before, now = now, 1 + now + before
        return now, "call"
    if stem == "mandelbrot":
        return size * size, "point"
    if stem == "matmul":
        return size**3, "product"
    return size, "iteration"


def per_iteration(program: str, size: int, blocks: list[int]) -> float:
    """Blocks for each iteration that the larger run does more."""
    more = iterations(program, 2 * size)[0] - iterations(program, size)[0]
    return (blocks[1] - blocks[0]) / more


def measure(program: str, size: int, setting: str, warm: float) -> dict[str, Any]:
    """The blocks of the two runs in a fresh process."""
    package, _, file = program.partition("/")
    path = ROOT / "examples" / package / "programs" / file
    script = str(ROOT / "benchmarks" / "measuring" / "allocations.py")
    command = [sys.executable, script, MODULES[package], str(path), str(warm if setting == "on" else 0), str(size)]
    result: dict[str, Any] = run_json(command, {"METATRACER": setting})
    return result


def main(
    only: Annotated[str, typer.Option(help="Programs whose name contains this.")] = "",
    warm: Annotated[float, typer.Option(help="Seconds of warming up in each traced process.")] = 4.0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
    docs: Annotated[bool, typer.Option("--write-docs", help="Put the table into docs/performance.md.")] = False,
) -> None:
    """Count the objects that the example programs allocate per guest iteration."""
    headings = ("program", "size", "per", "untraced", "traced")
    rows = []
    results = []
    for program, size in PROGRAMS.items():
        if only not in program:
            continue
        measured = {name: measure(program, size, setting, warm) for name, setting in (("untraced", "off"), ("traced", "on"))}
        if measured["untraced"]["output"] != measured["traced"]["output"]:
            raise typer.Exit(f"{program}: outputs differ")
        counts = {name: per_iteration(program, size, item["blocks"]) for name, item in measured.items()}
        results.append({"program": program, "size": size, "blocks": {n: m["blocks"] for n, m in measured.items()}, **counts})
        unit = iterations(program, size)[1]
        rows.append([program, f"{size}, {2 * size}", unit, *[f"{abs(count):.2f}" for count in counts.values()]])
    show_table("census", headings, rows, results, json_path, write_docs=docs)


if __name__ == "__main__":
    typer.run(main)
