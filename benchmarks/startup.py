"""`python -m benchmarks.startup`: CPU time of a process whose only loop becomes hot, against the same untraced.

What tracing costs before the first machine code runs: loading the toolkit and LLVM, making the code that all traces share
(or loading it from the user's cache directory), one small trace. CPU time, so that other work on the machine matters little.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.common import ROOT, median, show_seconds, write_json

COMMAND = [sys.executable, "-m", "examples.registervm", "examples/registervm/programs/count.rvm", "2000"]


def cpu_seconds(environment: dict[str, str]) -> float:
    """CPU seconds of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(COMMAND, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(
    rounds: Annotated[int, typer.Option(help="Fresh processes of each kind.")] = 9,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
) -> None:
    """Measure what starting up costs."""
    with tempfile.TemporaryDirectory() as directory:
        # The modules are compiled once, as they are for users, whatever the setting of this shell is.
        base = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        base |= {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": directory}
        kinds = {
            "untraced": base | {"METATRACER": "off"},
            "traced": base | {"METATRACER_CACHE": str(Path(directory, "cache"))},
            "traced, nothing kept": base | {"METATRACER_CACHE": "off"},
        }
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for environment in kinds.values():
            cpu_seconds(environment)
        for _ in range(rounds):
            for name, environment in kinds.items():
                times[name].append(cpu_seconds(environment))
    table = Table("process", "CPU time, median", "least")
    for name, found in times.items():
        table.add_row(name, show_seconds(median(found)), show_seconds(min(found)))
    console = Console()
    console.print(table)
    console.print(f"written to {write_json('startup', times, json_path)}")


if __name__ == "__main__":
    typer.run(main)
