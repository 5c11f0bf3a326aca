"""The times of all processes of all workloads, as a PNG file and an HTML page with a table of the steady states."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from benchmarks.replacement.__main__ import BEHIND, BINS, HEAD, Measured, binned, row

_COLOURS = {"off": "tab:red", "on": "tab:blue", "oracle": "tab:green"}


def draw(found: Sequence[Measured], folder: Path) -> None:
    """Write `replacement.png` and `replacement.html`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(len(found), 2, figsize=(11, 2.6 * len(found)), squeeze=False, width_ratios=(3, 1))
    for (series, box), each in zip(axes, found, strict=True):
        for side, colour in _COLOURS.items():
            first = BEHIND[each.name] if side == "oracle" and each.name in BEHIND else 0.0
            for number, (places, times) in enumerate(each.series(side)):
                ends = [first + (1 - first) * (bin_number + 1) / BINS for bin_number in range(BINS)]
                label = side if number == 0 else None
                series.plot(
                    ends, [1e9 * time for time in binned(places, times)], color=colour, alpha=0.4, linewidth=0.8, label=label
                )
        series.set_yscale("log")
        series.set_title(f"{each.name} ({each.language}): ns per pass, by share of the run", fontsize=9)
        series.legend(fontsize=7)
        box.boxplot([[1e9 * time for time in each.steady(side)] for side in _COLOURS])
        box.set_xticks(range(1, 1 + len(_COLOURS)), list(_COLOURS), fontsize=7)
        box.set_title("steady states", fontsize=9)
    figure.tight_layout()
    figure.savefig(folder / "replacement.png", dpi=110)
    plt.close(figure)
    cells = ["<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row(each)) + "</tr>" for each in found]
    head = "".join(f"<th>{text}</th>" for text in HEAD)
    (folder / "replacement.html").write_text(
        "<!doctype html><meta charset='utf-8'><title>Replacing roots</title><h1>Replacing roots</h1>"
        f"<p>Steady state of the slowest tenth of the processes.</p><table border='1'><tr>{head}</tr>{''.join(cells)}</table>"
        "<p><img src='replacement.png' alt='times of all processes'></p>\n",
        encoding="utf-8",
    )
