"""Showing results in a terminal, with rich."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from metatracer.tools.advice import abort_lines, green_lines, loop_lines, place_of, residual_line

if TYPE_CHECKING:
    from rich.console import Console

    from metatracer.tools.comparison import Comparison

_STYLES = {"compiled": "green", "counting": "dim", "aborted": "red", "refused": "red", "invalidated": "yellow"}


def seconds_text(seconds: float) -> str:
    """A duration with three digits and the fitting unit."""
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns" if seconds else "0 s"


def bytes_text(count: float) -> str:
    """A size in KB or MB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} KB"


def ratio_text(ratio: float | None) -> str:
    """How many times faster, or slower."""
    if ratio is None:
        return ""
    return f"{ratio:.3g}x faster" if ratio >= 1 else f"{1 / ratio:.3g}x slower"


def plain(console: Console, text: str, style: str = "") -> None:
    """Print a line as it is: no markup, no wrapping, so that places can be copied."""
    console.print(Text(text, style=style), soft_wrap=True)


def show_comparison(console: Console, found: Comparison) -> None:
    """The table of `metatracer compare`, and below it what needs words."""
    if not found.untraced.cold_seconds and not found.traced.cold_seconds:
        show_verdict(console, found)
        return
    path = Path(found.script)
    name = path.parent.name if path.name == "__main__.py" else path.name
    title = " ".join([name, *(Path(arg).name if "/" in arg else arg for arg in found.args)])
    table = Table(title=title, title_justify="left")
    table.add_column("median of runs")
    table.add_column("untraced", justify="right")
    table.add_column("traced", justify="right")
    table.add_column("", justify="right")
    rows = [("first iteration (cold)", "cold_seconds")]
    if found.has_main and found.iterations > 1:
        rows.append(("later iterations (warm)", "warm_seconds"))
    for label, name in rows:
        sides = [getattr(side, name) for side in (found.untraced, found.traced)]
        cells = [seconds_text(statistics.median(side)) if side else "no result" for side in sides]
        table.add_row(label, *cells, Text(ratio_text(found.ratio(name)), style="bold"))
    memory = [side.peak_memory_bytes for side in (found.untraced, found.traced)]
    table.add_row("peak memory", *(bytes_text(statistics.median(side)) if side else "no result" for side in memory), "")
    table.add_section()
    figures = found.traced.statistics
    if figures:
        spent = sum(figures.get(f"{part}_seconds", 0.0) for part in ("recording", "optimizing", "compiling"))
        table.add_row("loops compiled", "", str(figures.get("loops_compiled", 0)), "")
        table.add_row("bridges compiled", "", str(figures.get("bridges_compiled", 0)), "")
        table.add_row("trees compiled", "", str(figures.get("trees_compiled", 0)), "")
        table.add_row("recordings given up", "", str(sum(figures.get("aborts", {}).values())), "")
        table.add_row("guard exits", "", str(figures.get("guard_exits", 0)), "")
        table.add_row("recording, optimizing, compiling", "", seconds_text(spent), "")
        table.add_row("machine code", "", bytes_text(figures.get("machine_code_bytes", 0)), "")
    console.print(table)
    show_verdict(console, found)


def show_verdict(console: Console, found: Comparison) -> None:
    """Whether both sides did the same, and everything that went wrong."""
    for failure in found.failures:
        plain(console, failure, "red")
    if found.difference:
        plain(console, f"DIFFERENT: {found.difference}", "bold red")
    elif not found.failures:
        plain(console, f"outputs agree in {found.runs} runs of each side", "green")
    if found.result.startswith(("raised", "exit status")) or found.result in ("returned 1", "returned 2"):
        plain(console, f"the program {found.result}", "yellow")
    if not found.has_main:
        plain(console, "the script has neither prepare(argv) nor main(argv): it ran once in each process, so all times are cold")
    for record in found.traced.loops:
        for abort in record.get("aborts", ()):
            plain(console, f"{record['driver']} {record['location']}: " + "; ".join(abort_lines(abort)), "yellow")
    if found.messages:
        plain(console, "the traced program wrote to standard error:")
        for line in found.messages.splitlines()[:20]:
            plain(console, "  " + line, "dim")


def show_statistics(console: Console, figures: dict[str, Any]) -> None:
    """The counters as a table."""
    table = Table(title="what the tracer did", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("how much", justify="right")
    for name, value in figures.items():
        if isinstance(value, dict):
            shown = ", ".join(f"{key}: {count}" for key, count in value.items()) or "none"
        elif name.endswith("_seconds"):
            shown = seconds_text(value)
        elif name.endswith("_bytes"):
            shown = bytes_text(value)
        else:
            shown = str(value)
        label = name.removesuffix("_seconds").removesuffix("_bytes").replace("_", " ")
        table.add_row(label, shown)
    console.print(table)


def show_loops(console: Console, loops: list[dict[str, Any]], parameters: dict[str, Any]) -> None:
    """What became of each loop and why: those that were not compiled first, they are what one looks for."""
    if not loops:
        plain(console, "no guest loop was seen: no portal ran, or nothing in the script calls can_enter_jit")
        return
    compiled = [record for record in loops if record["status"] == "compiled"]
    others = [record for record in loops if record["status"] != "compiled"]
    plain(console, f"{len(compiled)} loops compiled, {len(others)} not", "bold")
    for record in [*others, *compiled]:
        style = _STYLES.get(record["status"], "")
        console.print()
        plain(console, f"{record['status']}: {record['driver']} {record['location']}", style)
        place = place_of(record)
        if place:
            plain(console, f"  merge point at {place}")
        if record["status"] in ("compiled", "replaced", "invalidated"):
            plain(
                console,
                f"  {record['traces']} traces, {record['bridges']} bridges, {record['entries']} entries, "
                f"{record['guard_exits']} guard exits",
            )
        for line in loop_lines(record, parameters):
            plain(console, "  " + line)
    show_residual_calls(console, loops)


def show_residual_calls(console: Console, loops: list[dict[str, Any]]) -> None:
    """The functions that were not looked into, each once, with the reason."""
    lines: dict[str, int] = {}
    for record in loops:
        for call in record.get("residual_calls", ()):
            line = residual_line(call)
            lines[line] = lines.get(line, 0) + int(call.get("times", 1))
    if not lines:
        return
    console.print()
    plain(console, "functions that traces call without looking into them:", "bold")
    for line, times in sorted(lines.items(), key=lambda item: -item[1]):
        plain(console, f"  {line}" + (f" ({times} places)" if times > 1 else ""))


def show_short_lived_greens(console: Console, greens: list[dict[str, Any]]) -> None:
    """The greens that have too many values, with what to change."""
    for green in greens:
        console.print()
        first, *more = green_lines(green)
        plain(console, first, "red")
        for line in more:
            plain(console, f"  {line}")
