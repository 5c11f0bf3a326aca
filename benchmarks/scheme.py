"""`python -m benchmarks.scheme`: the Scheme programs, traced, untraced, on Guile, Racket CS and Chez Scheme.

Every side runs in fresh processes, by turns, several rounds. A process compiles the program once, warms up, and runs it
again and again with its output thrown away; another process does a single run from start to end. All times are CPU times,
as other work of the machine does not count; what LLVM does on its background thread counts for whole processes only. The
other systems get the program's definitions inside one procedure, so that their compilers know all of them, and warm up for
a second at most: they compile before they run. Ours runs the program's top level as it stands. Sides that are not installed
are left out; a side that fails, or whose output differs, is told.
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.common import (
    ROOT,
    machine,
    median,
    modules_kept,
    run_json,
    show_ratio,
    show_seconds,
    write_json,
    write_section,
)

PROGRAMS = ROOT / "interpreters" / "scheme" / "benchmarks"
MEASURING = ROOT / "benchmarks" / "measuring"
CONTINUATIONS = ("coroutines", "ctak", "generators")
"""Programs that live on call/cc."""


@dataclass(frozen=True)
class Side:
    """What programs are run on: how its processes are started, and how to ask for its version."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    version: tuple[str, ...]


def sides() -> list[Side]:
    """Those that this machine has."""
    here = (sys.executable, "-m", "benchmarks.measuring.prepared", "interpreters.scheme")
    version = (sys.executable, "--version")
    found = [
        Side("traced", here, {"METATRACER": "on"}, version),
        Side("untraced", here, {"METATRACER": "off"}, version),
    ]
    for name, executable, options, driver in (
        ("guile", "guile", (), "guile.scm"),
        ("racket", "racket", (), "racket.rkt"),
        ("chez", "chezscheme", ("--script",), "chez.scm"),
    ):
        path = shutil.which(executable)
        if path is not None:
            found.append(Side(name, (path, *options, str(MEASURING / driver)), {}, (path, "--version")))
    return found


@dataclass
class Measured:
    """Medians over the rounds, in seconds, by side."""

    program: str
    steady: dict[str, float] = field(default_factory=dict)
    whole: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def whole_process(side: Side, program: Path) -> float:
    """CPU seconds of a process that runs a program once, from its start to its end."""
    if side.environment:
        command = [sys.executable, "-m", "interpreters.scheme", str(program)]
    else:
        command = [*side.command, str(program), "0", "0"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **side.environment}, check=True, timeout=300,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_program(program: Path, found: list[Side], rounds: int, warm: float, seconds: float) -> Measured:
    """All sides by turns, `rounds` times."""
    measured = Measured(program.stem)
    steady: dict[str, list[float]] = {}
    whole: dict[str, list[float]] = {}
    outputs: dict[str, str] = {}
    for _ in range(rounds):
        for side in found:
            warm_seconds = warm if side.name == "traced" else 0.0 if side.name == "untraced" else min(warm, 1.0)
            try:
                result = run_json([*side.command, str(program), str(warm_seconds), str(seconds)], side.environment)
                process_seconds = whole_process(side, program)
            except (RuntimeError, subprocess.SubprocessError) as error:
                measured.problems.append(f"{side.name}: {str(error)[-300:]}")
                continue
            whole.setdefault(side.name, []).append(process_seconds)
            steady.setdefault(side.name, []).append(median(result["seconds"]))
            outputs[side.name] = result["output"]
    if len(set(outputs.values())) > 1:
        measured.problems.append(f"outputs differ: {outputs}")
    measured.steady = {name: median(values) for name, values in steady.items()}
    measured.whole = {name: median(values) for name, values in whole.items()}
    return measured


def geomean(results: list[Measured], over: str, under: str, whole: bool = False) -> float | None:
    """The geometric mean of `over / under` over the programs that both sides ran; None if there are none."""
    times = [measured.whole if whole else measured.steady for measured in results]
    logarithms = [math.log(row[over] / row[under]) for row in times if over in row and under in row]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else None


RATIOS = (("untraced", "traced"), ("traced", "guile"), ("traced", "racket"), ("traced", "chez"))


def headings(found: list[Side]) -> list[str]:
    names = [side.name for side in found]
    pairs = [f"{over} / {under}" for over, under in RATIOS if under in names]
    return ["program", *names, *pairs, f"whole process: {names[0]}", *names[1:]]


def row(measured: Measured, found: list[Side]) -> list[str]:
    """The columns of `headings`."""
    names = [side.name for side in found]
    steady = measured.steady
    return [
        measured.program,
        *[show_seconds(steady.get(name)) for name in names],
        *[show_ratio(steady.get(over), steady.get(under)) for over, under in RATIOS if under in names],
        *[show_seconds(measured.whole.get(name)) for name in names],
    ]


def summary(results: list[Measured], found: list[Side]) -> list[str]:
    """The geometric means, a line each."""
    names = [side.name for side in found]
    lines = []
    heavy = [measured for measured in results if measured.program in CONTINUATIONS]
    for over, under in RATIOS:
        if over in names and under in names:
            lines.append(f"{over} / {under}, geometric mean: {show_ratio(geomean(results, over, under), 1.0)}")
    if heavy and {"traced", "guile"} <= set(names):
        named = ", ".join(measured.program for measured in heavy)
        lines.append(f"traced / guile, {named} (call/cc): {show_ratio(geomean(heavy, 'traced', 'guile'), 1.0)}")
    if {"traced", "untraced"} <= set(names):
        whole = geomean(results, "traced", "untraced", whole=True)
        lines.append(f"traced / untraced, whole process, geometric mean: {show_ratio(whole, 1.0)}")
    return lines


def write_docs(results: list[Measured], found: list[Side]) -> None:
    """Put the table into `docs/performance.md`."""
    versions = []
    for side in found[2:]:
        done = subprocess.run(side.version, capture_output=True, text=True, check=True)
        first = (done.stdout or done.stderr).splitlines()[0].removeprefix("Welcome to ").rstrip(".")
        versions.append(first if side.name in first.lower() else f"{side.name.capitalize()} {first}")
    about = machine()
    head = [
        f"{about['date']}, {about['processor']}, CPython {about['python']}, {', '.join(versions)};",
        f"`{about['command']}`", "", *[f"- {line}" for line in summary(results, found)],
    ]  # fmt: skip
    write_section("scheme", "\n".join(head), headings(found), [row(measured, found) for measured in results])


def main(
    only: Annotated[str, typer.Option(help="Programs of these names, separated by commas; all if empty.")] = "",
    rounds: Annotated[int, typer.Option(help="Fresh processes of each side for each program.")] = 3,
    warm: Annotated[float, typer.Option(help="Seconds of warming up in each traced process, of CPU time.")] = 3.0,
    seconds: Annotated[float, typer.Option(help="Seconds of measuring in each process, of CPU time.")] = 1.0,
    only_sides: Annotated[str, typer.Option("--sides", help="Sides, separated by commas; all if empty.")] = "",
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
    docs: Annotated[bool, typer.Option("--write-docs", help="Put the table into docs/performance.md.")] = False,
) -> None:
    """Measure the Scheme programs traced, untraced, on Guile, on Racket CS and on Chez Scheme."""
    names = only.split(",") if only else sorted(path.stem for path in PROGRAMS.glob("*.scm"))
    found = [side for side in sides() if not only_sides or side.name in only_sides.split(",")]
    results: list[Measured] = []
    console = Console() if sys.stdout.isatty() else Console(width=240)
    with modules_kept(), Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=len(names))
        for name in names:
            progress.update(task, description=name)
            results.append(measure_program(PROGRAMS / f"{name}.scm", found, rounds, warm, seconds))
            written = write_json("scheme", [asdict(measured) for measured in results], json_path)
            progress.advance(task)
    table = Table(*headings(found))
    for measured in results:
        table.add_row(*row(measured, found))
    console.print(table)
    for line in summary(results, found):
        console.print(line)
    for measured in results:
        for problem in measured.problems:
            console.print(f"[red]{measured.program}[/red]: {problem}", markup=True, highlight=False)
    console.print(f"written to {written}")
    if docs:
        write_docs(results, found)
        console.print("table put into docs/performance.md")
    if any(measured.problems for measured in results):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
