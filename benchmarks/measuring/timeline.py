"""Runs one guest program in this process again and again and prints when each run began and how long it took, as JSON.

    python timeline.py MODULE PROGRAM SECONDS ARGUMENT...

Times are those of `time.time`, so that whoever started the process can tell how long after that a run was. A script and not a
module, so that `benchmarks` is not on the path before the shim for PyPy.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
import time


def main() -> None:
    module_name, path, seconds = sys.argv[1:4]
    arguments = [int(argument) for argument in sys.argv[4:]]
    # The shim's loader must be there before the interpreter's own file is read.
    importlib.import_module("metatracer")
    interpreter = importlib.import_module(module_name)
    program = interpreter.load(path)
    stdout, sys.stdout = sys.stdout, io.StringIO()
    runs: list[tuple[float, float]] = []
    clock = time.perf_counter
    end = clock() + float(seconds)
    try:
        while clock() < end:
            sys.stdout.seek(0)
            sys.stdout.truncate()
            began, started = time.time(), clock()
            interpreter.run_program(program, *arguments)
            runs.append((began, clock() - started))
        output = sys.stdout.getvalue()
    finally:
        sys.stdout = stdout
    print(json.dumps({"runs": runs, "output": output}))


if __name__ == "__main__":
    main()
