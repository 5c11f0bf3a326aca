"""`python -m benchmarks.compile_cost`: recording, optimizing and compiling, per recorded operation.

Guest loops of the register machine with more and more instructions in their body are compiled in fresh processes; the
times and numbers are those of the statistics snapshot.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.common import median, python_code, show_seconds, write_json

_SCRIPT = """
import json
import metatracer
from examples.registervm.assembler import assemble
from examples.registervm.vm import run_program

BODY = ["add a a b", "mul t a one", "mod a t m", "sub b b one", "xor b b a", "and b b mask"]
lines = ["func main n", "loadk a 1", "loadk b 5", "loadk one 1", "loadk m 1000003", "loadk mask 65535", "loadk i 0"]
lines += ["loop:"] + [BODY[k % len(BODY)] for k in range({instructions})]
lines += ["add i i one", "lt c i n", "jtrue c loop", "return a"]
program = assemble("\\n".join(lines))
# A first small loop loads LLVM and networkx, which is not part of the cost of an operation.
run_program(assemble("func main n\\nloadk i 0\\nloadk one 1\\nl:\\nadd i i one\\nlt c i n\\njtrue c l\\nreturn i"), 2000)
before = metatracer.statistics_snapshot()
run_program(program, 2000)
after = metatracer.statistics_snapshot()
names = ["loops_compiled", "recorded_operations", "optimized_operations", "recording_seconds", "optimizing_seconds",
         "compiling_seconds", "machine_code_bytes"]
print(json.dumps({{name: after[name] - before[name] for name in names}}))
"""


def main(
    rounds: Annotated[int, typer.Option(help="Fresh processes for each size.")] = 3,
    level: Annotated[int, typer.Option(help="The parameter compile_level.")] = 2,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
) -> None:
    """Measure the cost of a recorded operation; the figure to reach is 1 ms, linear up to 5,000 operations."""
    results: list[dict[str, Any]] = []
    console = Console()
    table = Table(
        "instructions", "recorded operations", "after optimizing", "recording", "optimizing", "compiling", "all",
        "per recorded operation",
    )  # fmt: skip
    for instructions in (12, 24, 48, 96, 192, 288):
        found: list[dict[str, Any]] = [
            python_code(_SCRIPT.format(instructions=instructions), f"trace_limit=50000,compile_level={level}")
            for _ in range(rounds)
        ]
        row: dict[str, Any] = {name: median([each[name] for each in found]) for name in found[0]}
        row["instructions"] = instructions
        row["seconds"] = row["recording_seconds"] + row["optimizing_seconds"] + row["compiling_seconds"]
        operations = row["recorded_operations"]
        row["seconds_per_operation"] = row["seconds"] / operations if operations else None
        results.append(row)
        table.add_row(
            str(instructions), f"{operations:.0f}", f"{row['optimized_operations']:.0f}",
            *[show_seconds(row[f"{part}seconds"]) for part in ("recording_", "optimizing_", "compiling_", "")],
            show_seconds(row["seconds_per_operation"]),
        )  # fmt: skip
    console.print(table)
    console.print(f"written to {write_json('compile_cost', results, json_path)}")
    if not all(row["loops_compiled"] for row in results):
        console.print("some loops were not compiled", style="red")
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
