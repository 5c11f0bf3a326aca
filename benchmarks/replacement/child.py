"""Runs one workload in this process and prints the CPU time of each in-process iteration as JSON.

    python -m benchmarks.replacement.child PROGRAM SECONDS PASSES SEED FIRST

The program is told how far the run has come, so its phases are shares of SECONDS of processor time. `FIRST` is where it begins:
an oracle begins behind the change and does the rest as well, so that its root is recorded on the way that counts. Each
iteration has its *reference*, the time of a fixed loop of machine code right before it: what else the machine does makes both
slower.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TICKS = 1000
"""Places in a run that the program can tell apart."""
REFERENCE_PASSES = 60_000
_REFERENCE = """
define double @reference(i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %x = phi double [1.0, %entry], [%sum, %loop]
  %half = fmul double %x, 0.5
  %sum = fadd double %half, 0.25
  %next = add i64 %i, 1
  %done = icmp eq i64 %next, %n
  br i1 %done, label %end, label %loop
end:
  ret double %sum
}
"""


def reference() -> Callable[[], float]:
    """A function that runs the fixed loop; its time per pass."""
    from metatracer.backend.llvm import compile_text

    machine = compile_text(_REFERENCE, ["reference"])
    prototype = ctypes.PYFUNCTYPE(ctypes.c_double, ctypes.c_int64)

    def run() -> float:
        function = prototype(machine.addresses["reference"])
        taken = 0.0
        while taken <= 0.0:  # a loaded virtual machine's clock may stand still
            start = time.thread_time()
            function(REFERENCE_PASSES)
            taken = time.thread_time() - start
        return taken / REFERENCE_PASSES

    return run


def runner(path: Path, passes: int, seed: int) -> Callable[[int], Any]:
    """A function that does an in-process iteration at a place of the run, counted in ticks."""
    if path.suffix == ".rvm":
        from examples.registervm.vm import load, run_program

        program = load(str(path))
        return lambda k: run_program(program, passes, k, TICKS, seed)
    from interpreters.lua.state import new_state

    vm = new_state()
    function = vm.load(path.read_bytes(), b"@" + path.name.encode())
    return lambda k: vm.call(function, [passes, k, TICKS, seed])


def main() -> None:
    path, seconds, passes, seed, first = Path(sys.argv[1]), float(sys.argv[2]), *map(int, sys.argv[3:5]), float(sys.argv[5])
    run, measure_reference = runner(path, passes, seed), reference()
    times: list[float] = []
    references: list[float] = []
    elapsed = first * seconds
    while elapsed < seconds:
        references.append(measure_reference())
        start = time.thread_time()
        run(int(TICKS * elapsed / seconds))
        taken = time.thread_time() - start
        elapsed += taken
        times.append(taken / passes)
    import metatracer

    figures = metatracer.statistics_snapshot()
    names = (
        "replacement_looks", "replacement_attempts", "replacements_installed", "replacements_rolled_back",
        "replacement_recordings_missed", "phases", "trees_compiled",
    )  # fmt: skip
    statistics = {name: figures[name] for name in names}
    print(json.dumps({"seconds": times, "references": references, "statistics": statistics}))


if __name__ == "__main__":
    main()
