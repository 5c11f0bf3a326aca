"""The times of all processes of all workloads, as a PNG file and an HTML page with a table of the steady states."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.replacement.__main__ import Measured

_COLOURS = {"off": "tab:red", "full": "tab:blue", "oracle": "tab:green"}


def draw(found: Sequence[Measured], folder: Path) -> None:
    """Write `replacement.png` and `replacement.html`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(len(found), 2, figsize=(11, 2.6 * len(found)), squeeze=False, width_ratios=(3, 1))
    for (series, box), each in zip(axes, found, strict=True):
        for side, colour in _COLOURS.items():
            for number, times in enumerate(each.times[side]):
                start = len(each.times["off"][0]) - len(times)
                places = range(start, start + len(times))
                label = side if number == 0 else None
                series.plot(places, [1e9 * time for time in times], color=colour, alpha=0.4, linewidth=0.8, label=label)
        series.set_yscale("log")
        series.set_title(f"{each.name} ({each.language}): ns per pass, by in-process iteration", fontsize=9)
        series.legend(fontsize=7)
        box.boxplot([[1e9 * time for time in each.steady(side)] for side in _COLOURS])
        box.set_xticks(range(1, 1 + len(_COLOURS)), list(_COLOURS), fontsize=7)
        box.set_title("steady states", fontsize=9)
    figure.tight_layout()
    figure.savefig(folder / "replacement.png", dpi=110)
    plt.close(figure)
    cells = [
        "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in (
            each.name, each.language, *(f"{each.slowest(side) * 1e9:.2f}" for side in _COLOURS)
        )) + "</tr>"
        for each in found
    ]  # fmt: skip
    head = "".join(f"<th>{text}</th>" for text in ("workload", "language", *(f"{side}: ns" for side in _COLOURS)))
    (folder / "replacement.html").write_text(
        "<!doctype html><meta charset='utf-8'><title>Replacing roots</title><h1>Replacing roots</h1>"
        f"<p>Steady state of the slowest tenth of the processes.</p><table border='1'><tr>{head}</tr>{''.join(cells)}</table>"
        "<p><img src='replacement.png' alt='times of all processes'></p>\n",
        encoding="utf-8",
    )
