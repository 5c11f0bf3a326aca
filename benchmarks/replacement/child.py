"""Runs one workload in this process and prints the CPU time of each in-process iteration as JSON.

    python -m benchmarks.replacement.child PROGRAM ITERATIONS PASSES SEED FIRST

`FIRST` is the in-process iteration to begin with: an oracle begins behind the change and does the rest as well, so that its root
is recorded on the way that counts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def runner(path: Path, passes: int, iterations: int, seed: int) -> Callable[[int], Any]:
    """A function that does the in-process iteration with a given number."""
    if path.suffix == ".rvm":
        from examples.registervm.vm import load, run_program

        program = load(str(path))
        return lambda k: run_program(program, passes, k, iterations, seed)
    from interpreters.lua.state import new_state

    vm = new_state()
    function = vm.load(path.read_bytes(), b"@" + path.name.encode())
    return lambda k: vm.call(function, [passes, k, iterations, seed])


def main() -> None:
    path, iterations, passes, seed, first = Path(sys.argv[1]), *map(int, sys.argv[2:6])
    run = runner(path, passes, iterations, seed)
    times = []
    for k in range(first, iterations):
        start = time.thread_time()
        run(k)
        times.append((time.thread_time() - start) / passes)
    import metatracer

    figures = metatracer.statistics_snapshot()
    names = ("replacement_attempts", "replacements_installed", "replacements_rolled_back", "bridges_compiled", "phases")
    print(json.dumps({"seconds": times, "statistics": {name: figures[name] for name in names}}))


if __name__ == "__main__":
    main()
