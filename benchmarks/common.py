"""What the benchmark commands share: running measured processes, the machine, JSON files."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DOCS = ROOT / "docs" / "performance.md"


@contextlib.contextmanager
def modules_kept() -> Iterator[None]:
    """Let the processes that are started compile each module once, as users' do, whatever the setting of this shell is."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as directory:
        os.environ |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": directory}
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def run_json(command: list[str], environment: dict[str, str] | None = None, timeout: float = 900.0) -> Any:
    """Run a command from the checkout's root; gives the JSON on its last line of output.

    Raises:
        RuntimeError: It failed; its error output is in the message.
    """
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def python_code(text: str, setting: str, python: str = sys.executable) -> Any:
    """Run Python text with METATRACER set; gives the JSON on its last line of output."""
    return run_json([python, "-c", text], {"METATRACER": setting})


def machine() -> dict[str, str]:
    """The machine, for the files that figures go to."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": model,
        "python": platform.python_version(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": " ".join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]]),
    }


def write_json(name: str, data: object, path: Path | None = None) -> Path:
    """Write a result file; under `benchmarks/results/` unless a path is given."""
    path = path or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), "results": data}, indent=1) + "\n", encoding="utf-8")
    return path


def write_section(name: str, head: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Replace the table of `benchmarks.NAME` in `docs/performance.md`, between its two comments there."""
    mark = f"<!-- {name}: written by `python -m benchmarks.{name} --write-docs` -->"
    end = f"<!-- end of {name} -->"
    lines = [
        mark, "", head, "", "| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1),
        *["| " + " | ".join(columns) + " |" for columns in rows], "",
    ]  # fmt: skip
    text = DOCS.read_text(encoding="utf-8")
    before, found, rest = text.partition(mark)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise RuntimeError(f"{DOCS.name} has no place for the table of {name}")
    DOCS.write_text(before + "\n".join(lines) + end + after, encoding="utf-8")


def show_table(
    name: str, headings: Sequence[str], rows: Sequence[Sequence[str]], results: object, json_path: Path | None, *,
    write_docs: bool, note: str = "",
) -> None:  # fmt: skip
    """Print a table, write its figures as JSON and, if asked to, put it into `docs/performance.md`.

    Args:
        name: Of the benchmark.
        headings, rows: Of the table.
        results: The figures.
        json_path: As for `write_json`.
        write_docs: Whether the document gets it.
        note: What is to be said of the run there, with a comma behind it.
    """
    table = Table(*headings)
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(f"written to {write_json(name, results, json_path)}")
    if write_docs:
        about = machine()
        head = f"{about['date']}, {about['processor']}, {note}CPython {about['python']}; `{about['command']}`"
        write_section(name, head, headings, rows)
        console.print(f"table put into {DOCS.relative_to(ROOT)}")


def median(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


def show_seconds(seconds: float | None) -> str:
    """A time with three digits and a fitting unit; "-" for none."""
    if seconds is None:
        return "-"
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def show_ratio(over: float | None, under: float | None) -> str:
    """`over / under` with an x; "-" when one is missing."""
    if over is None or not under:
        return "-"
    ratio = over / under
    return f"{ratio:.0f}x" if ratio >= 100 else f"{ratio:.3g}x"
