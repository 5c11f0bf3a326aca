"""`python -m benchmarks.phases`: what each phase of compiling takes, per recorded operation, in Lua programs.

Each program runs once in a fresh process, with the thresholds as plain counts, so that every run compiles the same. Times are
the processor's, and the least of the rounds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.common import python_code, show_seconds, write_json

_SETTING = "threshold=200,function_threshold=400,trace_eagerness=50,background=off"
_PHASES = ("refcounts", "emit", "parse", "passes", "codegen", "link")
_SCRIPT = """
import io, json, sys, time
time.perf_counter = time.thread_time  # what the statistics measure with: the processor's time, whatever else is running
import metatracer
from interpreters.lua.__main__ import prepare
from metatracer.runtime import compiling

class Sums:
    def __init__(self):
        self.seconds = dict.fromkeys({phases!r}, 0.0)

    def optimized(self, recorded, how, result):
        pass

    def compiled(self, piece, recorded, optimized, code):
        for phase, seconds in code.seconds.items():
            self.seconds[phase] += seconds

sums = compiling.watching = Sums()
run = prepare([{path!r}])
output, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO())
run()
sys.stdout = output
figures = metatracer.statistics_snapshot()
print(json.dumps(dict(sums.seconds, operations=figures["recorded_operations"], recording=figures["recording_seconds"],
                      optimizing=figures["optimizing_seconds"])))
"""


def main(
    programs: Annotated[list[str] | None, typer.Argument(help="Of interpreters/lua/benchmarks.")] = None,
    rounds: Annotated[int, typer.Option(help="Fresh processes for each program.")] = 2,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
) -> None:
    """Measure the phases of compiling."""
    console = Console()
    names = ("recording", "optimizing", *_PHASES)
    table = Table("program", "recorded operations", *names, "all")
    results: list[dict[str, Any]] = []
    for program in programs or ["json", "richards", "deltablue", "bounce"]:
        path = str(Path("interpreters/lua/benchmarks") / f"{program}.lua")
        found = [python_code(_SCRIPT.format(phases=_PHASES, path=path), _SETTING) for _ in range(rounds)]
        operations = found[0]["operations"]
        row = {name: min(each[name] for each in found) / operations for name in names}
        results.append({"program": program, "operations": operations, **row})
        table.add_row(program, str(operations), *[show_seconds(row[name]) for name in names], show_seconds(sum(row.values())))
    console.print(table)
    console.print(f"written to {write_json('phases', results, json_path)}")


if __name__ == "__main__":
    typer.run(main)
