"""`python -m benchmarks.replacement [WORKLOAD ...]`: fresh processes with and without replacement of roots, by turns.

Each process runs a workload for some seconds of processor time, in in-process iterations of equally many passes. The time of
each iteration is given at the pace of a fixed loop that ran right before it (`child`): on a machine that does other work, too,
the same machine code takes 8 or 12 ns. The steady state of a process is the median in the last eighth of its time, or another
quantile: what else the machine does comes on top. Compared is
the slowest tenth of the processes (of few: the slowest one). The *oracle* is a process without replacement that begins behind
the change, so that its root is recorded on the way that counts (the faster half of them, for chance may decide, too); where
chance alone decides it is the faster half of the processes without. `--plot FOLDER` draws the times of all processes (needs the
extra `bench`), `--write-docs` puts the table into docs/performance.md, `--read FILE` does both with what earlier runs have
measured.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.common import ROOT, run_json, write_json
from benchmarks.replacement.classes import CLASSES, classify

PROGRAMS = Path(__file__).parent / "programs"
DOCS = ROOT / "docs" / "performance.md"
MARK = "<!-- replacement: written by `python -m benchmarks.replacement --write-docs` -->"
END = "<!-- end of replacement -->"
BEHIND = {"rare_first": 0.1, "two_types": 0.5, "drift": 0.75, "receivers": 0.67}
"""Where the oracle begins: this share of the run is left out."""
GAINING = ("rare_branch", "rare_first", "two_types", "drift", "receivers")
SECONDS = {
    "rare_first": 1.6, "two_types": 3.0, "drift": 12.0, "receivers": 4.0, "rare_branch": 4.0, "unbiased": 4.0, "optional": 6.0,
}  # fmt: skip
"""Of processor time that a process runs: some of them need that long for their bridges."""
LAST = 1 / 8
"""The share of a process's time that is its steady state."""
BINS = 120
SIDES = ("off", "on", "oracle")


@dataclass
class Measured:
    """The processes of one workload, by side.

    Attributes:
        times: Seconds per pass of each in-process iteration. references: The same of the fixed loop right before it.
        attempts, installed: In all processes with replacement.
        quantile: Of the times in the last eighth, that is called the steady state.
    """

    name: str
    language: str
    times: dict[str, list[list[float]]] = field(default_factory=lambda: {side: [] for side in SIDES})
    references: dict[str, list[list[float]]] = field(default_factory=lambda: {side: [] for side in SIDES})
    attempts: int = 0
    installed: int = 0
    quantile: float = 0.5

    def series(self, side: str) -> list[tuple[list[float], list[float]]]:
        """Of each process: where in its time each iteration ended (0 to 1), and the time per pass at the usual pace."""
        everywhere = [each for processes in self.references.values() for references in processes for each in references]
        pace = statistics.median(everywhere)
        found = []
        for times, references in zip(self.times[side], self.references[side], strict=True):
            total, so_far, places = sum(times), 0.0, []
            for each in times:
                so_far += each
                places.append(so_far / total)
            found.append((places, [pace * time / reference for time, reference in zip(times, references, strict=True)]))
        return found

    def steady(self, side: str) -> list[float]:
        """Seconds per pass in the steady state, of each process."""
        if side == "oracle" and self.name not in GAINING:
            return []
        measured = "off" if side == "oracle" and self.name not in BEHIND else side
        found = []
        for places, times in self.series(measured):
            last = sorted([time for place, time in zip(places, times, strict=True) if place > 1 - LAST])
            found.append(last[int(self.quantile * len(last))])
        found.sort()
        return found[: max(len(found) // 2, 1)] if side == "oracle" else found

    def slowest(self, side: str) -> float:
        """Of the slowest tenth."""
        found = self.steady(side)
        return statistics.mean(found[-max(len(found) // 10, 1) :])

    def spread(self, side: str) -> float:
        """90th over 10th percentile."""
        found = self.steady(side)
        return found[min(math.ceil(0.9 * len(found)), len(found) - 1)] / found[int(0.1 * len(found))]

    def classes(self, side: str) -> str:
        """How many processes are flat, warm up, and so on."""
        classes = [classify(binned(places, times)) for places, times in self.series(side)]
        return ", ".join(f"{classes.count(name)} {name}" for name in CLASSES if name in classes)


def binned(places: list[float], times: list[float]) -> list[float]:
    """The median time in each of `BINS` equal parts of a process's time; long iterations fill several."""
    found: list[float] = []
    index = 0
    for number in range(BINS):
        inside = []
        while index < len(places) and places[index] <= (number + 1) / BINS:
            inside.append(times[index])
            index += 1
        found.append(statistics.median(inside) if inside else times[min(index, len(times) - 1)])
    return found


def measure(name: str, language: str, processes: int, oracles: int, passes: int, mode: str) -> Measured:
    """Run the processes of one workload, one at a time, sides by turns.

    Args:
        name, language: Of the workload.
        processes: With, and without. oracles: At most so many.
        passes: In each in-process iteration.
        mode: Of the processes with replacement.
    """
    found = Measured(name, language)
    seconds = SECONDS[name]
    with tempfile.TemporaryDirectory() as cache:
        for number in range(processes):
            for side in SIDES:
                if side == "oracle" and (name not in BEHIND or number >= oracles):
                    continue
                first = BEHIND[name] if side == "oracle" else 0.0
                command = [sys.executable, "-m", "benchmarks.replacement.child", str(PROGRAMS / f"{name}.{language}")]
                command += [str(each) for each in (seconds, passes, 7 + 977 * number, first)]
                setting = {"METATRACER": f"replace={mode if side == 'on' else 'off'}", "XDG_CACHE_HOME": cache}
                result = run_json(command, setting)
                found.times[side].append(result["seconds"])
                found.references[side].append(result["references"])
                if side == "on":
                    found.attempts += result["statistics"]["replacement_attempts"]
                    found.installed += result["statistics"]["replacements_installed"]
    return found


def row(found: Measured) -> list[str]:
    off, on = found.slowest("off"), found.slowest("on")
    middle = [statistics.median(found.steady(side)) for side in ("off", "on")]
    processes = len(found.times["on"])
    has_oracle = bool(found.steady("oracle"))
    return [
        found.name, found.language, f"{off * 1e9:.1f}", f"{on * 1e9:.1f}", f"{off / on:.2f}", f"{middle[0] / middle[1]:.2f}",
        f"{on / found.slowest('oracle'):.2f}" if has_oracle else "-", f"{found.spread('off'):.2f}", f"{found.spread('on'):.2f}",
        f"{found.spread('oracle'):.2f}" if has_oracle else "-",
        f"{found.attempts / processes:.1f}, {found.installed / processes:.1f}", found.classes("off"), found.classes("on"),
    ]  # fmt: skip


HEAD = [
    "workload", "language", "off: ns", "on: ns", "faster", "medians", "over oracle", "spread off", "spread on",
    "spread of oracles", "attempts, installed", "processes off", "processes on",
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


def note_on(everything: list[Measured]) -> str:
    """What the table does not say."""
    numbers = sorted({len(each.times["on"]) for each in everything})
    lines = [f"{' or '.join(map(str, numbers))} processes a side, processor time."]
    for language in dict.fromkeys(each.language for each in everything):
        ratios = [
            each.slowest("off") / each.slowest("on") for each in everything if each.language == language and each.name in GAINING
        ]
        if ratios:
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            lines.append(f"Geometric mean of \"faster\" where something is to gain, {language}: {mean:.2f}.")
    return " ".join(lines)


def main() -> int:
    names = sorted(path.stem for path in PROGRAMS.glob("*.rvm"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replacement", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(names))
    parser.add_argument("--language", choices=["rvm", "lua"], action="append")
    parser.add_argument("--mode", choices=["full", "co", "pgo", "auto"], default="full", help="of the side with replacement")
    parser.add_argument("--processes", type=int, default=30)
    parser.add_argument("--oracles", type=int, default=10)
    parser.add_argument("--passes", type=int, default=200_000, help="of the loop in each in-process iteration")
    parser.add_argument("--result", type=Path, metavar="FILE", help="where to, instead of benchmarks/results")
    parser.add_argument("--read", type=Path, metavar="FILE", action="append", help="results of earlier runs")
    parser.add_argument("--quantile", type=float, default=0.5, help="of the last eighth: 0.1 are the quiet moments")
    parser.add_argument("--plot", type=Path, metavar="FOLDER")
    parser.add_argument("--write-docs", action="store_true")
    chosen = parser.parse_args()
    everything: list[Measured] = []
    for path in chosen.read or []:
        everything += [Measured(**each) for each in json.loads(path.read_text(encoding="utf-8"))["results"]]
    if not chosen.read:
        for language in chosen.language or ["rvm", "lua"]:
            for name in chosen.workloads or names:
                everything.append(measure(name, language, chosen.processes, chosen.oracles, chosen.passes, chosen.mode))
                print(" | ".join(row(everything[-1])), flush=True)
                write_json("replacement", [asdict(each) for each in everything], chosen.result)
    for each in everything:
        each.quantile = chosen.quantile
    text, note = table([row(each) for each in everything]), note_on(everything)
    print(f"{text}\n\n{note}")
    if chosen.plot is not None:
        from benchmarks.replacement.plot import draw

        draw(everything, chosen.plot)
    if chosen.write_docs:
        write_docs(text, note)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
