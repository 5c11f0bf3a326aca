"""`python -m benchmarks.idioms`: what interpreters write every day, one thing at a time, untraced and traced.

The bodies are those of the scenario `tests/scenarios/programs/idioms.py`; each is called by the smallest portal there is. One
process of each kind runs them all, one after the other; of some runs of a body the fastest counts, so compiling does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import python_code, show_ratio, show_seconds, show_table

_SCRIPT = """
import json, time
from tests.scenarios.loops import fold
from tests.scenarios.programs.idioms import BODIES
found = {{}}
for body in BODIES:
    times = []
    for _ in range({runs}):
        start = time.thread_time()
        fold(body, {iterations}, 0)
        times.append(time.thread_time() - start)
    found[body.__name__] = min(times) / {iterations}
print(json.dumps(found))
"""


def main(
    iterations: Annotated[int, typer.Option(help="Of a body in each run.")] = 20_000,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
    write_docs: Annotated[bool, typer.Option(help="Write the table into docs/performance.md.")] = False,
) -> None:
    """Measure what each idiom costs; a ratio below 1 is a fault."""
    untraced: dict[str, float] = python_code(_SCRIPT.format(runs=3, iterations=iterations), "off")
    traced: dict[str, float] = python_code(_SCRIPT.format(runs=10, iterations=iterations), "")
    order = sorted(untraced, key=lambda name: untraced[name] / traced[name])
    headings = ("idiom", "untraced", "traced", "untraced / traced")
    rows = [
        (name, show_seconds(untraced[name]), show_seconds(traced[name]), show_ratio(untraced[name], traced[name]))
        for name in order
    ]
    results: list[dict[str, Any]] = [{"idiom": name, "untraced": untraced[name], "traced": traced[name]} for name in order]
    show_table("idioms", headings, rows, results, json_path, write_docs=write_docs)


if __name__ == "__main__":
    typer.run(main)
