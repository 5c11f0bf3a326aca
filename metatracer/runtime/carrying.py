"""A hot loop is made again from its recording so that it carries the numbers that its bridges box (`optimizer.carrying`).

Asked for where a tree would be compiled: what is not hot is left alone, and how often each bridge is taken has been counted. The
new root begins without bridges, and without a tree; both come again.
"""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING

from metatracer.errors import AbortReason, RecordingAborted
from metatracer.ir.values import Trace
from metatracer.optimizer.versions import Goal
from metatracer.runtime.compiling import install_optimized, note_abort, optimized_trace
from metatracer.runtime.hotness import Compiling
from metatracer.runtime.loops import Version, forget_tails, note_tails, retire
from metatracer.runtime.summaries import collecting
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metatracer.optimizer.carrying import Place
    from metatracer.runtime.loops import Piece

MOST_CARRIED = 8
MOST_TIMES = 2
"""That the root of a loop is made again."""


def carry(root: Piece, boxed: Iterable[Place]) -> bool:
    """Make a loop's root anew with these numbers as parameters; says whether that has been done.

    Args:
        root: The loop's code.
        boxed: Where hot bridges have to box a number.
    """
    loop = root.loop
    wanted = tuple(dict.fromkeys([*loop.carried, *boxed]))
    recorded = loop.base.recorded
    if (
        len(wanted) == len(loop.carried)
        or len(wanted) > MOST_CARRIED
        or loop.times_carried >= MOST_TIMES
        or recorded is None
        or not recorded[1]
        or (loop.replacement is not None and loop.replacement.is_busy)
        or loop.piece is not root
        or loop.stale is not None
    ):
        return False
    loop.times_carried += 1
    with Compiling():
        try:
            return _remade(root, recorded[0], wanted)
        except Exception as error:  # noqa: BLE001 - whatever it is: the guest goes on with the root that there is
            detail = "".join(traceback.format_exception(error)).strip()
            note_abort(loop.base, RecordingAborted(AbortReason.COMPILE_FAILED, detail), None)
            return False


def _remade(root: Piece, recorded: Trace, wanted: tuple[Place, ...]) -> bool:
    loop = root.loop
    start = time.perf_counter()
    shapes = loop.shapes if isinstance(loop, Version) else None
    goal = Goal(shapes, returns_parts=loop.base is not loop, carried=wanted)
    trace = Trace(recorded.inputs, recorded.operations, recorded.assumptions, loop.ref.name, classes=recorded.classes)
    with collecting() as reliances:
        optimized = optimized_trace(trace, peel=True, goal=goal)
    if optimized.entry is None or len(optimized.entry.carried) < len(wanted):
        return False
    tails = forget_tails(root)
    piece = install_optimized(loop, trace, optimized, None, reliances, 0.0, time.perf_counter() - start)
    if piece is None:
        note_tails(root, tails)
        return False
    STATISTICS.carrying_compiled += 1
    loop.carried = wanted
    note_tails(piece, tails)
    if root.holders:  # code of other trees goes to its label: that is made again, for the new one
        root.invalidate("its loop was made again to carry what its branches count")
        loop.record.status, loop.record.reason = "compiled", ""
    retire(root)
    if loop.replacement is not None:
        loop.replacement.start()
    return True
