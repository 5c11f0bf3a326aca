"""`python -m benchmarks.cold`: a decorated interpreter that is off, or on but cold, against the undecorated one.

The undecorated calculator is `examples/calc/plain.py`; the undecorated register machine and AST language are the same
files with the hint statements taken out of the source (the loader of `benchmarks/pypy_shim`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.common import ROOT, median, run_json, show_seconds, write_json

COLD = "threshold=1000000000,function_threshold=1000000000"
SHIM = os.pathsep.join([str(ROOT / "benchmarks" / "pypy_shim"), str(ROOT)])
PROGRAMS: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "calc/count.calc": ("examples.calc.plain", "examples.calc.calc", (30_000,)),
    "calc/collatz.calc": ("examples.calc.plain", "examples.calc.calc", (700,)),
    "registervm/count.rvm": ("examples.registervm.vm", "examples.registervm.vm", (60_000,)),
    "registervm/fib.rvm": ("examples.registervm.vm", "examples.registervm.vm", (17,)),
    "astlang/count.ast": ("examples.astlang.interpreter", "examples.astlang.interpreter", (50_000,)),
    "astlang/fib.ast": ("examples.astlang.interpreter", "examples.astlang.interpreter", (16,)),
}
"""Program -> undecorated module, decorated module, arguments."""


def measure(module: str, program: str, arguments: tuple[int, ...], environment: dict[str, str], seconds: float) -> float:
    """Median seconds of a run in a fresh process."""
    package, _, file = program.partition("/")
    path = ROOT / "examples" / package / "programs" / file
    command = [sys.executable, str(ROOT / "benchmarks/measuring/child.py"), module, str(path), "0.2", str(seconds)]
    result = run_json([*command, *[str(argument) for argument in arguments]], environment)
    return median(result["seconds"])


def main(
    rounds: Annotated[int, typer.Option(help="Fresh processes of each kind for each program.")] = 9,
    seconds: Annotated[float, typer.Option(help="Seconds of measuring in each process.")] = 1.0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
) -> None:
    """Measure what the decoration costs when nothing is traced; the figure to reach is 1.02."""
    results: dict[str, dict[str, float]] = {}
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=len(PROGRAMS) * rounds)
        for program, (plain, decorated, arguments) in PROGRAMS.items():
            undecorated = {"PYTHONPATH": SHIM} if plain == decorated else {"METATRACER": "off"}
            kinds = {
                "undecorated": (plain, undecorated),
                "off": (decorated, {"METATRACER": "off"}),
                "cold": (decorated, {"METATRACER": COLD}),
            }
            times: dict[str, list[float]] = {name: [] for name in kinds}
            for number in range(rounds):
                # Another order each round: a machine that heats up must not favour one kind.
                names = list(kinds)[number % 3 :] + list(kinds)[: number % 3]
                for name in names:
                    module, environment = kinds[name]
                    times[name].append(measure(module, program, arguments, environment, seconds))
                progress.advance(task)
            results[program] = {name: median(values) for name, values in times.items()}
    table = Table("program", "undecorated", "off", "cold", "off / undecorated", "cold / undecorated")
    for program, found in results.items():
        table.add_row(
            program, *[show_seconds(found[name]) for name in ("undecorated", "off", "cold")],
            f"{found['off'] / found['undecorated']:.3f}", f"{found['cold'] / found['undecorated']:.3f}",
        )  # fmt: skip
    console.print(table)
    console.print(f"written to {write_json('cold', results, json_path)}")


if __name__ == "__main__":
    typer.run(main)
