"""`python -m benchmarks.replacement [WORKLOAD ...]`: fresh processes with and without replacement of roots, by turns.

Each process runs a workload for a number of in-process iterations. Its steady state is the median CPU time of a pass in the
last eighth of them. Compared is the steady state of the slowest tenth of the processes (of few: the slowest one). The *oracle* is
a process without replacement that begins behind the change, so that its root is recorded on the way that counts. `--plot
FOLDER` draws the times of all processes (needs the extra `bench`), `--write-docs` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common import ROOT, run_json, write_json
from benchmarks.replacement.classes import CLASSES, classify

PROGRAMS = Path(__file__).parent / "programs"
DOCS = ROOT / "docs" / "performance.md"
MARK = "<!-- replacement: written by `python -m benchmarks.replacement --write-docs` -->"
END = "<!-- end of replacement -->"
BEHIND = {"rare_first": 0.1, "two_types": 0.5, "drift": 0.75, "receivers": 0.67}
"""Where the oracle begins: this share of the iterations is left out."""
GAINING = ("rare_branch", "rare_first", "two_types", "drift", "receivers")
SIDES = ("off", "full", "oracle")


@dataclass
class Measured:
    """The processes of one workload: seconds per pass of each in-process iteration, by side."""

    name: str
    language: str
    times: dict[str, list[list[float]]] = field(default_factory=lambda: {side: [] for side in SIDES})
    attempts: int = 0
    installed: int = 0

    def steady(self, side: str) -> list[float]:
        """Seconds per pass in the last eighth, of each process."""
        return sorted(statistics.median(times[-max(len(times) // 8, 1) :]) for times in self.times[side])

    def slowest(self, side: str) -> float:
        """Of the slowest tenth."""
        found = self.steady(side)
        return statistics.mean(found[-max(len(found) // 10, 1) :])

    def spread(self, side: str) -> float:
        """90th over 10th percentile."""
        found = self.steady(side)
        return found[min(math.ceil(0.9 * len(found)), len(found) - 1)] / found[int(0.1 * len(found))]


def measure(name: str, language: str, processes: int, iterations: int, passes: int) -> Measured:
    found = Measured(name, language)
    suffix = {"rvm": ".rvm", "lua": ".lua"}[language]
    for number in range(processes):
        for side in SIDES:
            first = int(BEHIND.get(name, 0.0) * iterations) if side == "oracle" else 0
            command = [sys.executable, "-m", "benchmarks.replacement.child", str(PROGRAMS / f"{name}{suffix}")]
            command += [str(each) for each in (iterations, passes, 7 + 977 * number, first)]
            mode = "full" if side == "full" else "off"
            result = run_json(command, {"METATRACER": f"replace={mode}"})
            found.times[side].append(result["seconds"])
            if side == "full":
                found.attempts += result["statistics"]["replacement_attempts"]
                found.installed += result["statistics"]["replacements_installed"]
    return found


def row(found: Measured) -> list[str]:
    off, full, oracle = (found.slowest(side) for side in SIDES)
    processes = len(found.times["full"])
    classes = [classify(times) for times in found.times["full"]]
    counted = ", ".join(f"{classes.count(name)} {name}" for name in CLASSES if name in classes)
    return [
        found.name, found.language, f"{off * 1e9:.1f}", f"{full * 1e9:.1f}", f"{off / full:.2f}", f"{full / oracle:.2f}",
        f"{found.spread('full'):.2f}", f"{found.attempts / processes:.1f}, {found.installed / processes:.1f}", counted,
    ]  # fmt: skip


HEAD = [
    "workload", "language", "off: ns", "full: ns", "faster", "over oracle", "spread", "attempts, installed", "processes",
]  # fmt: skip


def table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (HEAD, ["---"] * len(HEAD), *rows)]
    return "\n".join(lines)


def write_docs(text: str, note: str) -> None:
    content = DOCS.read_text(encoding="utf-8")
    block = f"{MARK}\n\n{text}\n\n{note}\n\n{END}"
    if MARK in content:
        before, _, rest = content.partition(MARK)
        content = before + block + rest.partition(END)[2]
    else:
        content = content.rstrip() + f"\n\n## Replacing roots\n\n{block}\n"
    DOCS.write_text(content, encoding="utf-8")


def main() -> int:
    names = sorted(path.stem for path in PROGRAMS.glob("*.rvm"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replacement", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(names))
    parser.add_argument("--language", choices=["rvm", "lua"], action="append")
    parser.add_argument("--processes", type=int, default=30)
    parser.add_argument("--iterations", type=int, default=60, help="in-process iterations")
    parser.add_argument("--passes", type=int, default=200_000, help="of the loop in each")
    parser.add_argument("--plot", type=Path, metavar="FOLDER")
    parser.add_argument("--write-docs", action="store_true")
    chosen = parser.parse_args()
    rows: list[list[str]] = []
    ratios: list[float] = []
    everything: list[Measured] = []
    for language in chosen.language or ["rvm", "lua"]:
        for name in chosen.workloads or names:
            found = measure(name, language, chosen.processes, chosen.iterations, chosen.passes)
            everything.append(found)
            rows.append(row(found))
            print(" | ".join(rows[-1]), flush=True)
            if name in GAINING:
                ratios.append(found.slowest("off") / found.slowest("full"))
    note = f"{chosen.processes} processes of {chosen.iterations} iterations of {chosen.passes} passes, CPU time."
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        note += f" Geometric mean of \"faster\" over the workloads with something to gain: {mean:.2f}."
    print(note)
    write_json("replacement", [{"name": each.name, "language": each.language, "seconds": each.times} for each in everything])
    if chosen.plot is not None:
        from benchmarks.replacement.plot import draw

        draw(everything, chosen.plot)
    if chosen.write_docs:
        write_docs(table(rows), note)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
