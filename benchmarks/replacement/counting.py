"""`python -m benchmarks.replacement.counting [WORKLOAD.LANGUAGE ...]`: what counting costs, by turns in one process.

Processes differ by more than counting costs. So a workload runs with `replace=full` until it has a tree, behind its changes. The
tree is made twice more, from the same root, bridges and counts: as it is, and without counting. Both are put into the loop's cell
in turn, A B B A, for an in-process iteration each; the result is the median of the ratios of neighbours.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.common import run_json
from benchmarks.replacement.__main__ import PROGRAMS
from benchmarks.replacement.child import TICKS, runner

if TYPE_CHECKING:
    from metatracer.backend.compile import Branch

LATE = int(0.9 * TICKS)
"""The place in the run where all iterations are done."""


def uncounted(branch: Branch) -> Branch:
    """The same part of a tree, without counting."""
    below = {guard: uncounted(each) for guard, each in branch.branches.items()}
    return replace(branch, counted="", branches=below)


def measure(workload: str, warm_up: float, seconds: float, passes: int, seed: int) -> dict[str, Any]:
    """The ratio of counted to uncounted, in this process."""
    from metatracer.backend.compile import TreeText, emit_tree, link_tree, set_cell
    from metatracer.runtime import tiers
    from metatracer.runtime.host import PORTALS

    emitted: list[tuple[Branch, dict[str, Any]]] = []

    def remember(root: Branch, **options: Any) -> TreeText:
        emitted.append((root, options))
        return emit_tree(root, **options)

    run = runner(PROGRAMS / workload, passes, seed)
    start = time.thread_time()
    with patch.object(tiers, "emit_tree", remember):
        while time.thread_time() - start < warm_up:
            run(LATE)
        tiers.wait_for_trees()
    run(LATE)
    pieces = [loop.piece for portal in PORTALS.values() for loop in portal.loops.values() if loop.piece is not None]
    roots = {piece.code.memory: piece for piece in pieces if piece.tree is not None}
    chosen = [(root, options) for root, options in emitted if root.memory in roots]
    if not chosen:
        return {"workload": workload, "pairs": 0}
    root, options = chosen[-1]
    piece = roots[root.memory]
    codes = [link_tree(emit_tree(each, **options)) for each in (root, uncounted(root))]
    ratios: list[float] = []
    nanoseconds: list[float] = []
    start = time.thread_time()
    while time.thread_time() - start < seconds:
        times = {}
        for number in (0, 1) if len(ratios) % 2 else (1, 0):
            piece.code.redirect(codes[number])
            set_cell(piece.loop.ref, codes[number])
            before = time.thread_time()
            run(LATE)
            times[number] = time.thread_time() - before
        ratios.append(times[0] / max(times[1], 1e-9))
        nanoseconds.append(1e9 * times[1] / passes)
    piece.code.redirect(piece.tree.code if piece.tree is not None else None)
    set_cell(piece.loop.ref, piece.in_use)
    return {
        "workload": workload,
        "pairs": len(ratios),
        "ratio": statistics.median(ratios),
        "nanoseconds": statistics.median(nanoseconds),
        "branches": len(root.branches),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replacement.counting", description=__doc__)
    names = sorted(path.name for path in PROGRAMS.glob("*.*"))
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", default=names, help=", ".join(names))
    parser.add_argument("--warm-up", type=float, default=4.0, help="processor seconds until the tree is taken")
    parser.add_argument("--seconds", type=float, default=4.0, help="of processor time that is measured")
    parser.add_argument("--passes", type=int, default=100_000, help="of the loop in each in-process iteration")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--here", action="store_true", help="in this process, as JSON")
    chosen = parser.parse_args()
    if chosen.here:
        print(json.dumps(measure(chosen.workloads[0], chosen.warm_up, chosen.seconds, chosen.passes, chosen.seed)))
        return 0
    print(
        "| workload | ns a pass, uncounted | counted | bridges of the root | pairs |\n| --- | --- | --- | --- | --- |"
    )
    for workload in chosen.workloads:
        command = [sys.executable, "-m", "benchmarks.replacement.counting", workload, "--here"]
        for name in ("warm_up", "seconds", "passes", "seed"):
            command += [f"--{name.replace('_', '-')}", str(getattr(chosen, name))]
        found = run_json(command, {"METATRACER": "replace=full"})
        if found["pairs"]:
            print(
                f"| {workload} | {found['nanoseconds']:.2f} | {found['ratio']:.3f} | {found['branches']} | {found['pairs']} |",
                flush=True,
            )
        else:
            print(f"| {workload} | | no tree by then | | |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
