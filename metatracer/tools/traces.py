"""What `metatracer trace` prints: the traces of a run, each at the stages asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from metatracer.errors import UsageError
from metatracer.tools.report import bytes_text, plain

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT_STAGES = ("recorded", "optimized", "machine")


def chosen_stages(words: list[str] | None) -> tuple[str, ...]:
    """The stages that "a,b" and "all" stand for, in the order in which they are gone through.

    Raises:
        UsageError: There is no such stage.
    """
    from metatracer.params import near_names
    from metatracer.runtime.stages import STAGES  # loads the optimizer, which no other command needs

    wanted = {name.strip() for word in words or DEFAULT_STAGES for name in word.split(",") if name.strip()}
    if "all" in wanted:
        return tuple(STAGES)
    for name in sorted(wanted):
        if name not in STAGES:
            raise UsageError(f"there is no stage {name!r}{near_names(name, [*STAGES, 'all'])}")
    return tuple(name for name in STAGES if name in wanted)


def chosen_traces(traces: list[dict[str, Any]], loops: list[str] | None) -> list[dict[str, Any]]:
    """The traces whose number, name or location is among `loops` (a location may be a part of it); all without any.

    Raises:
        UsageError: None is like that.
    """
    if not loops:
        return traces
    found = [trace for trace in traces if any(_is_meant(trace, text) for text in loops)]
    if not found:
        known = ", ".join(f"{trace['number']} ({trace['location']})" for trace in traces[:10]) or "none at all"
        raise UsageError(f"no trace is called {' or '.join(map(repr, loops))}; there are: {known}")
    return found


def _is_meant(trace: dict[str, Any], text: str) -> bool:
    if text.isdecimal():
        return bool(trace["number"] == int(text))
    return text == trace["name"] or text in trace["location"]


def show_traces(console: Console, traces: list[dict[str, Any]], stages: tuple[str, ...]) -> None:
    """Print the traces, one after the other, each stage under a heading."""
    from metatracer.runtime.stages import STAGES

    if not traces:
        plain(console, "nothing was compiled; `metatracer explain` tells why")
    for trace in traces:
        plain(console, _heading(trace), "bold")
        for stage in stages:
            text = trace["texts"].get(stage)
            if text is None:
                continue
            console.print()
            plain(console, f"--- {trace['number']} {stage}: {STAGES[stage]}", "bold cyan")
            _show_text(console, text)
        console.print()


def _heading(trace: dict[str, Any]) -> str:
    what = f"trace {trace['number']}: {trace['kind']} {trace['name']}, {trace['driver']} {trace['location']}"
    if trace["parent"] is not None:
        what += f"\n  hangs on a guard of trace {trace['parent']}: {trace['guard']}"
    return (
        f"{what}\n  {trace['recorded_operations']} operations recorded, {trace['operations']} optimized, "
        f"{bytes_text(trace['machine_code_bytes'])} of machine code at level {trace['level']}"
    )


_STYLES = {"guard": "yellow", "label": "bold green", "jump": "bold green", "finish": "bold green"}


def _show_text(console: Console, text: str) -> None:
    """Lines as they are: nothing is wrapped, cut or taken for markup; comments and guards are coloured in a terminal."""
    for line in text.splitlines():
        shown = Text(line, no_wrap=True, overflow="ignore")
        code, mark, _ = line.partition("  # ")
        word = code.split(" = ", 1)[-1].strip().partition("(")[0].partition("_")[0]
        if word in _STYLES and "(" in code:
            shown.stylize(_STYLES[word], 0, len(code))
        if mark:
            shown.stylize("dim", len(code))
        console.print(shown, soft_wrap=True, highlight=False, markup=False)
