"""`python -m benchmarks.helpers`: functions with loops that a trace calls, whose loops have traces of their own.

The bodies are those of the scenario `tests/scenarios/programs/helper_loops.py`; each is called by the smallest portal there is.
Each kind of process runs them all, one after the other; of some runs of a body the fastest counts, so compiling does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import python_code, show_ratio, show_seconds, show_table

_SCRIPT = """
import json, time
from tests.scenarios.loops import fold
from tests.scenarios.programs import helper_loops
found = {{}}
for name in {names}:
    body, times = getattr(helper_loops, name), []
    for _ in range({runs}):
        start = time.thread_time()
        fold(body, {iterations}, 0)
        times.append(time.thread_time() - start)
    found[name] = min(times) / {iterations}
print(json.dumps(found))
"""
_BODIES = {
    "search": "`while` over a list of 300, `==`",
    "search_with_else": "`for` over it, `break`, `else`",
    "scan": "`for i in range(len(text))`, text[i]",
    "words": "two `while` loops, slices",
    "sort": "bubble sort of 30",
    "add_rows": "loops in a loop, `continue`",
    "missing": "`while True`, an exception leaves",
    "guarded": "`enumerate`, `try` in the loop",
    "big_numbers": "integers beyond 64 bits",
    "tables": "items and values of a dict, `zip`",
    "trees": "recursion in a loop",
    "mixed": "short, one of 50 long",
}
_SETTINGS = {"untraced": "off", "called": "helper_loops=off", "traced": ""}


def main(
    iterations: Annotated[int, typer.Option(help="Of a body in each run.")] = 2000,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
    write_docs: Annotated[bool, typer.Option(help="Write the table into docs/performance.md.")] = False,
) -> None:
    """Measure what a call of each helper costs: untraced, with the helper called, and with traces of its loop."""
    times: dict[str, dict[str, float]] = {}
    for kind, setting in _SETTINGS.items():
        script = _SCRIPT.format(names=list(_BODIES), runs=3 if kind == "untraced" else 10, iterations=iterations)
        times[kind] = python_code(script, setting)
    headings = ("helper", "untraced", "traced, helper called", "traced", "untraced / traced")
    rows = [
        (
            f"{name}: {what}",
            *[show_seconds(times[kind][name]) for kind in _SETTINGS],
            show_ratio(times["untraced"][name], times["traced"][name]),
        )
        for name, what in _BODIES.items()
    ]
    results: list[dict[str, Any]] = [{"helper": name, **{kind: times[kind][name] for kind in times}} for name in _BODIES]
    show_table("helpers", headings, rows, results, json_path, write_docs=write_docs)


if __name__ == "__main__":
    typer.run(main)
