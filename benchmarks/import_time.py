"""`python -m benchmarks.import_time`: what `import metatracer` adds to the start of Python."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.common import ROOT, median, show_seconds, write_json


def start_python(text: str) -> float:
    """Seconds of a whole process that runs `text`."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", text], check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return time.perf_counter() - started


def main(
    rounds: Annotated[int, typer.Option(help="Processes of each kind.")] = 31,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
) -> None:
    """Measure bare Python and `import metatracer` in turn; the figure to reach is 60 ms more."""
    start_python("import metatracer")  # writes the bytecode files
    bare: list[float] = []
    importing: list[float] = []
    for _ in range(rounds):
        bare.append(start_python("pass"))
        importing.append(start_python("import metatracer"))
    results = {"bare_seconds": median(bare), "import_seconds": median(importing)}
    results["added_seconds"] = results["import_seconds"] - results["bare_seconds"]
    console = Console()
    for name, value in results.items():
        console.print(f"{name.removesuffix('_seconds')}: {show_seconds(value)}")
    console.print(f"written to {write_json('import_time', results, json_path)}")


if __name__ == "__main__":
    typer.run(main)
