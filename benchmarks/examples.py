"""`python -m benchmarks.examples`: the example programs, traced, untraced, on PyPy and in C.

For every program fresh processes of each kind run in turn, several rounds. Each warms up and measures the steady state
per run in the process; another process runs the program once from start to end. Medians over the rounds are shown.
The steady state of untraced CPython needs no warming.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.common import (
    DOCS,
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

MODULES = {
    "registervm": "examples.registervm.vm",
    "astlang": "examples.astlang.interpreter",
    "calc": "examples.calc.calc",
    "brainfuck": "examples.brainfuck.brainfuck",
}
PROGRAMS: dict[str, tuple[int, ...]] = {
    "registervm/count.rvm": (300_000,),
    "registervm/mandelbrot.rvm": (64,),
    "registervm/sieve.rvm": (100_000,),
    "registervm/matmul.rvm": (48,),
    "registervm/fib.rvm": (27,),
    "registervm/methods.rvm": (100_000,),
    "registervm/strings.rvm": (50_000,),
    "registervm/branch.rvm": (200_000,),
    "registervm/errors.rvm": (50_000,),
    "registervm/bigint.rvm": (1000,),
    "astlang/count.ast": (300_000,),
    "astlang/mandelbrot.ast": (64,),
    "astlang/sieve.ast": (100_000,),
    "astlang/fib.ast": (22,),
    "astlang/objects.ast": (100_000,),
    "astlang/closures.ast": (100_000,),
    "astlang/strings.ast": (50_000,),
    "astlang/branch.ast": (200_000,),
    "astlang/errors.ast": (50_000,),
    "calc/count.calc": (200_000,),
    "calc/collatz.calc": (3000,),
    "calc/gcd.calc": (20_000,),
    "brainfuck/count.bf": (5,),
    "brainfuck/triangle.bf": (250,),
}
"""Program -> arguments: a second or so of untraced CPython for most."""

IN_C = {"count", "mandelbrot", "sieve", "matmul", "fib", "methods", "branch", "strings", "collatz"}


@dataclass
class Measured:
    """Medians over the rounds, in seconds; None where a kind of process is not there."""

    program: str
    arguments: tuple[int, ...]
    steady: dict[str, float] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    whole: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Kind:
    """A kind of process: the Python, its environment, and how long it warms up."""

    name: str
    python: str
    environment: dict[str, str]
    warm_seconds: float


def kinds(warm_seconds: float, pypy: str | None) -> list[Kind]:
    """The kinds that this machine has."""
    found = [
        Kind("untraced", sys.executable, {"METATRACER": "off"}, 0.0),
        Kind("traced", sys.executable, {"METATRACER": "on"}, warm_seconds),
    ]
    if pypy is not None:
        path = os.pathsep.join([str(ROOT / "benchmarks" / "pypy_shim"), str(ROOT)])
        found.append(Kind("pypy", pypy, {"PYTHONPATH": path}, warm_seconds))
    return found


def command(kind: Kind, program: str, arguments: tuple[int, ...], warm_seconds: float, seconds: float) -> list[str]:
    """The command line of a measured process."""
    package, _, file = program.partition("/")
    path = ROOT / "examples" / package / "programs" / file
    numbers = [str(warm_seconds), str(seconds), *[str(argument) for argument in arguments]]
    return [kind.python, str(ROOT / "benchmarks/measuring/child.py"), MODULES[package], str(path), *numbers]


def run_once(kind: Kind, program: str, arguments: tuple[int, ...]) -> float:
    """Seconds of a whole process that runs a program once, with its start and end."""
    package, _, file = program.partition("/")
    path = ROOT / "examples" / package / "programs" / file
    code = f"import metatracer, sys; from {MODULES[package]} import main; sys.exit(main(sys.argv[1:]))"
    # From a folder without the package, so that PyPy finds the shim and not `metatracer`.
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run(
            [kind.python, "-c", code, str(path), *[str(argument) for argument in arguments]],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **kind.environment},
            stdout=subprocess.DEVNULL, check=True, timeout=900,
        )  # fmt: skip
        return time.perf_counter() - started


def compile_c(folder: Path) -> dict[str, Path]:
    """Compile the C versions; nothing without a C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return {}
    binaries: dict[str, Path] = {}
    for source in sorted((ROOT / "benchmarks" / "c").glob("*.c")):
        binary = folder / source.stem
        subprocess.run([compiler, "-O2", "-o", str(binary), str(source), "-lm"], check=True)
        binaries[source.stem] = binary
    return binaries


def c_name(program: str) -> str | None:
    """The C version's name of a program, or None."""
    package, _, file = program.partition("/")
    stem = file.partition(".")[0]
    if package == "calc" and stem == "count":
        return "squares"
    return stem if stem in IN_C and package != "brainfuck" else None


def measure_program(
    program: str, arguments: tuple[int, ...], processes: list[Kind], binaries: dict[str, Path], rounds: int, seconds: float
) -> Measured:
    """All kinds in turn, `rounds` times."""
    measured = Measured(program, arguments)
    steady: dict[str, list[float]] = {}
    first: dict[str, list[float]] = {}
    whole: dict[str, list[float]] = {}
    outputs: dict[str, str] = {}
    for _ in range(rounds):
        for kind in processes:
            try:
                result: dict[str, Any] = run_json(
                    command(kind, program, arguments, kind.warm_seconds, seconds), kind.environment
                )
                whole.setdefault(kind.name, []).append(run_once(kind, program, arguments))
            except (RuntimeError, subprocess.SubprocessError) as error:
                measured.problems.append(f"{kind.name}: {str(error)[-300:]}")
                continue
            steady.setdefault(kind.name, []).append(median(result["seconds"]))
            first.setdefault(kind.name, []).append(result["first_seconds"])
            outputs[kind.name] = result["output"]
        name = c_name(program)
        if name in binaries:
            result = run_json([str(binaries[name]), str(arguments[0])])
            steady.setdefault("c", []).append(result["seconds"])
    if len(set(outputs.values())) > 1:
        measured.problems.append(f"outputs differ: {outputs}")
    measured.steady = {name: median(values) for name, values in steady.items()}
    measured.first = {name: median(values) for name, values in first.items()}
    measured.whole = {name: median(values) for name, values in whole.items()}
    return measured


HEADINGS = (
    "program", "size", "untraced", "traced", "PyPy", "C -O2", "untraced / traced", "PyPy / traced", "traced / C",
    "whole process: untraced", "traced", "PyPy",
)  # fmt: skip


def row(measured: Measured) -> list[str]:
    """The columns of `HEADINGS`."""
    steady, whole = measured.steady, measured.whole
    return [
        measured.program, " ".join(str(argument) for argument in measured.arguments),
        *[show_seconds(steady.get(name)) for name in ("untraced", "traced", "pypy", "c")],
        show_ratio(steady.get("untraced"), steady.get("traced")), show_ratio(steady.get("pypy"), steady.get("traced")),
        show_ratio(steady.get("traced"), steady.get("c")),
        *[show_seconds(whole.get(name)) for name in ("untraced", "traced", "pypy")],
    ]  # fmt: skip


def write_docs(rows: list[list[str]], pypy: str | None) -> None:
    """Replace the table in `docs/performance.md`."""
    about = machine()
    version = ""
    if pypy is not None:
        version = subprocess.run([pypy, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    head = (
        f"{about['date']}, {about['processor']}, CPython {about['python']}, {version.strip('[]') or 'no PyPy'};\n"
        f"`{about['command']}`"
    )
    write_section("examples", head, HEADINGS, rows)


def main(
    only: Annotated[str, typer.Option(help="Programs whose name contains this.")] = "",
    rounds: Annotated[int, typer.Option(help="Fresh processes of each kind for each program.")] = 3,
    warm: Annotated[float, typer.Option(help="Seconds of warming up in each traced and PyPy process.")] = 3.0,
    seconds: Annotated[float, typer.Option(help="Seconds of measuring in each process.")] = 1.0,
    pypy: Annotated[str, typer.Option(help="The PyPy to compare with; empty: none.")] = "pypy3",
    scale: Annotated[float, typer.Option(help="Factor on the sizes of the programs.")] = 1.0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the JSON goes.")] = None,
    docs: Annotated[bool, typer.Option("--write-docs", help="Put the table into docs/performance.md.")] = False,
) -> None:
    """Measure the example programs traced, untraced, on PyPy and in C."""
    found_pypy = shutil.which(pypy) if pypy else None
    chosen = {name: arguments for name, arguments in PROGRAMS.items() if only in name}
    processes = kinds(warm, found_pypy)
    results: list[Measured] = []
    console = Console()
    with modules_kept(), tempfile.TemporaryDirectory() as folder, Progress(console=console, transient=True) as progress:
        binaries = compile_c(Path(folder))
        task = progress.add_task("measuring", total=len(chosen))
        for name, arguments in chosen.items():
            progress.update(task, description=name)
            sized = tuple(argument if "bf" in name or "fib" in name else int(argument * scale) for argument in arguments)
            results.append(measure_program(name, sized, processes, binaries, rounds, seconds))
            progress.advance(task)
    table = Table(*HEADINGS)
    rows = [row(measured) for measured in results]
    for columns in rows:
        table.add_row(*columns)
    console.print(table)
    for measured in results:
        for problem in measured.problems:
            console.print(f"[red]{measured.program}[/red]: {problem}", markup=True, highlight=False)
    console.print(f"written to {write_json('examples', [asdict(measured) for measured in results], json_path)}")
    if docs:
        write_docs(rows, found_pypy)
        console.print(f"table put into {DOCS.relative_to(ROOT)}")
    if any(measured.problems for measured in results):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
