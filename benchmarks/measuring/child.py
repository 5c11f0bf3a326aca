"""Runs one guest program in this process again and again and prints the times as JSON.

    python child.py MODULE PROGRAM WARM_SECONDS SECONDS ARGUMENT...

It warms up for a time (at least two runs, none if the time is 0), then measures for a time (at least three runs). A
script and not a module, so that `benchmarks` is not on the path before the shim for PyPy.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any


def measure(
    run: Any, warm_seconds: float, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Any]:
    """Give the first run's time and those of the steady state, in seconds."""
    end = clock() + warm_seconds
    first = 0.0
    runs = 0
    while warm_seconds > 0 and (runs < 2 or clock() < end):
        started = clock()
        run()
        if runs == 0:
            first = clock() - started
        runs += 1
    times = []
    end = clock() + seconds
    while len(times) < 3 or clock() < end:
        started = clock()
        run()
        times.append(clock() - started)
    return {"first_seconds": first or times[0], "seconds": times, "warm_runs": runs}


def main() -> None:
    module_name, path, warm_seconds, seconds = sys.argv[1:5]
    arguments = [int(argument) for argument in sys.argv[5:]]
    # The shim's loader must be there before the interpreter's own file is read.
    importlib.import_module("metatracer")
    interpreter = importlib.import_module(module_name)
    program = interpreter.load(path)
    stdout, sys.stdout = sys.stdout, io.StringIO()

    def run() -> None:
        sys.stdout.seek(0)
        sys.stdout.truncate()
        interpreter.run_program(program, *arguments)

    try:
        result = measure(run, float(warm_seconds), float(seconds))
        result["output"] = sys.stdout.getvalue()
    finally:
        sys.stdout = stdout
    print(json.dumps(result))


if __name__ == "__main__":
    main()
