"""`python -m tests.differential.fuzz --seconds N --seed S`: random programs in all modes for a stated time.

Two processes generate and compare; each has one worker for each mode. Seeds count up from S, the two processes taking
turns, so that a run can be repeated. Workers are started anew now and then, because they keep what they have compiled.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from tests.differential.differential import (
    EAGERLY,
    FORCED,
    REPLACED,
    REPLACED_BEHIND,
    REPLACED_TREES,
    ROOT,
    Comparison,
    Scenario,
    supported_modes,
)
from tests.differential.generate_python import generate_python
from tests.differential.generate_rvm import generate_rvm
from tests.differential.programs import INTERPRETERS

N_PROCESSES = 2
PROGRAMS_PER_WORKER = 150
MAX_SHOWN = 5
"""Failures shown at length by each process; the others are saved and named."""


def rvm_scenario(seed: int) -> Scenario:
    """A random guest program of the register machine."""
    module, counted = INTERPRETERS["registervm"]
    return Scenario(f"rvm seed {seed}", interpreter=module, text=generate_rvm(random.Random(seed)), counted=counted)


def threads_scenario(seed: int) -> Scenario:
    """A random guest program of the register machine that several threads run at the same time."""
    return replace(rvm_scenario(seed), name=f"rvm seed {seed}, in threads", threads=3)


def python_scenario(seed: int) -> Scenario:
    """A random Python module."""
    return Scenario(f"python seed {seed}", text=generate_python(random.Random(seed)))


GENERATORS: tuple[tuple[str, Callable[[int], Scenario]], ...] = (
    ("register VM programs", rvm_scenario),
    ("Python modules", python_scenario),
    ("register VM programs in threads", threads_scenario),
    ("Python modules", python_scenario),
)


def fuzz(seconds: float, seed: int, step: int) -> Counter[str]:
    """Compare programs for a time; prints each failure as it is found and returns the counts."""
    end = time.monotonic() + seconds
    counts: Counter[str] = Counter()
    modes = supported_modes((EAGERLY, REPLACED, REPLACED_TREES, REPLACED_BEHIND, *FORCED))
    while time.monotonic() < end:
        with Comparison(modes, timeout=240) as comparison:
            for _ in range(PROGRAMS_PER_WORKER):
                if time.monotonic() >= end:
                    break
                kind, make = GENERATORS[(seed // step) % len(GENERATORS)]
                problems = comparison.check(make(seed))
                counts[kind] += 1
                counts["failures"] += bool(problems)
                for problem in problems if counts["failures"] <= MAX_SHOWN else problems[-1:]:
                    print(problem, file=sys.stderr, flush=True)
                seed += step
            counts.update({name: int(total) for name, total in comparison.totals.items()})
    return counts


def main() -> int:
    """Run the processes and print the sum of their counts; 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, default=None, help="run in this process, as one of the two")
    options = parser.parse_args()
    if options.only is not None:
        print(json.dumps(fuzz(options.seconds, options.seed + options.only, N_PROCESSES)))
        return 0
    command = [sys.executable, "-m", "tests.differential.fuzz", "--seconds", str(options.seconds)]
    processes = [
        subprocess.Popen(
            [*command, "--seed", str(options.seed), "--only", str(number)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for number in range(N_PROCESSES)
    ]
    counts: Counter[str] = Counter()
    crashed = 0
    for process in processes:
        output, _ = process.communicate()
        crashed += process.returncode != 0
        if process.returncode == 0:
            counts.update(json.loads(output))
    for name, count in counts.items():
        print(f"{name.replace('_', ' ')}: {count}")
    if crashed:
        print(f"{crashed} of the fuzzing processes failed themselves")
    return int(crashed > 0 or counts["failures"] > 0)


if __name__ == "__main__":
    sys.exit(main())
