"""`python -m benchmarks.recursion`: guests that only recur, in interpreters whose drivers are in loops that are not used.

Each is one call of a guest function in a fresh process, so the times hold finding the recursion, compiling it and the rest of
the run; not starting the process.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common import ROOT, median, modules_kept, run_json, show_ratio, show_seconds, show_table

SIZES = {"environments": (24, 29), "visitor": (22, 28), "closures": (25, 31)}
"""Of the Fibonacci number that is asked for: below a second untraced, and some seconds."""


def main(
    rounds: Annotated[int, typer.Option(help="Fresh processes of each kind.")] = 5,
    pypy: Annotated[str, typer.Option(help="PyPy's command; left out if there is none.")] = "pypy3",
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
    write_docs: Annotated[bool, typer.Option(help="Put the table into docs/performance.md.")] = False,
) -> None:
    """Measure what finding recursion outside of loops gains."""
    with modules_kept():
        results, rows = measure(rounds, pypy)
    headings = ["program", "untraced", "traced", "PyPy", "untraced / traced", "traced / PyPy"]
    show_table("recursion", headings, rows, results, json_path, write_docs=write_docs)


def measure(rounds: int, pypy: str) -> tuple[dict[str, dict[str, list[float]]], list[list[str]]]:
    """The seconds of each kind of process, and the table's rows."""
    found_pypy = shutil.which(pypy)
    kinds = {"untraced": (sys.executable, {"METATRACER": "off"}), "traced": (sys.executable, {"METATRACER": ""})}
    if found_pypy is not None:
        kinds["PyPy"] = (found_pypy, {"PYTHONPATH": str(ROOT / "benchmarks" / "pypy_shim")})
    results: dict[str, dict[str, list[float]]] = {}
    rows: list[list[str]] = []
    for name, sizes in SIZES.items():
        for size in sizes:
            label = f"{name}, fib({size})"
            times = results[label] = {kind: [] for kind in kinds}
            answers = set()
            for python, environment in kinds.values():
                run_json([python, f"benchmarks/recursive/{name}.py", "5"], environment)
            for _ in range(rounds):
                for kind, (python, environment) in kinds.items():
                    answer, seconds = run_json([python, f"benchmarks/recursive/{name}.py", str(size)], environment)
                    times[kind].append(seconds)
                    answers.add(answer)
            if len(answers) != 1:
                raise RuntimeError(f"{label}: the answers differ: {answers}")
            untraced, traced, peer = (median(times[kind]) if kind in times else None for kind in ("untraced", "traced", "PyPy"))
            rows.append([
                label, show_seconds(untraced), show_seconds(traced), show_seconds(peer), show_ratio(untraced, traced),
                show_ratio(traced, peer),
            ])  # fmt: skip
    return results, rows


if __name__ == "__main__":
    typer.run(main)
