"""Versions of loops: asked for by the optimizer, compiled from the loop's own recording when they turn out to be used.

A version is compiled from the recorded root trace of its loop, which holds for arguments of any shape because its guards
say what it needs. While there is none (a function that calls itself is being recorded), and when the code was invalidated,
a stub leaves to the interpreter with its arguments allocated; after a few visits it is replaced. If
the recording contradicts the shapes (another class than was recorded), the version only allocates its arguments and goes
on to the loop's common entry.
"""

from __future__ import annotations

import time
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from metatracer.errors import AbortReason, RecordingAborted
from metatracer.ir.opcodes import JUMP
from metatracer.ir.shapes import all_joined
from metatracer.ir.values import Input, Operation, Trace
from metatracer.optimizer.versions import Goal
from metatracer.runtime.compiling import install_optimized, install_stub, note_abort, optimized_trace, stub_trace
from metatracer.runtime.hotness import Compiling, wanted_failures
from metatracer.runtime.loops import Version
from metatracer.runtime.summaries import collecting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metatracer.ir.shapes import Shapes
    from metatracer.ir.values import LoopRef
    from metatracer.runtime.loops import Loop

MOST_VERSIONS = 3
"""Of one loop. Each has a tree of bridges of its own: with six, programs in continuation-passing style recorded twice as much
as with three and were no faster."""
MOST_VISITS = 4
"""After so many visits to its stub a version is compiled (or fewer, if bridges are recorded sooner)."""
_NEVER = 1 << 60


_looking = 0


@contextmanager
def only_looking() -> Iterator[None]:
    """What is optimized inside is not to be compiled: it makes no versions."""
    global _looking  # noqa: PLW0603 - an optimizer deep below asks
    _looking += 1
    try:
        yield
    finally:
        _looking -= 1


def version_for(loop: Loop, shapes: Shapes) -> LoopRef | None:
    """A version of a loop that serves arguments of these shapes; None when it has enough others.

    Each version grows a tree of bridges of its own. So arguments that differ from those of another version only in what is
    known of single values get one that serves both; the newest serves most. It is compiled at once, if its loop has been
    recorded.
    """
    from metatracer.optimizer.pipeline import optimize

    version = _fitting(loop, shapes)
    if version is None:
        return None
    if _looking:
        return None if version.piece is None and version.stale is None else version.ref
    if version.piece is None and version.stale is None:
        # New, or all that entered it is gone, and so is its code.
        install_stub(version, optimize(stub_trace(version), goal=Goal(version.shapes)))
        if loop.piece is not None:
            compile_version(version)
    return version.ref


def _fitting(loop: Loop, shapes: Shapes) -> Version | None:
    """The version that these arguments are passed to: one that there is or, unless there are enough, a new one."""
    wanted = shapes
    for version in reversed(tuple(loop.versions.values())):  # other threads may add some
        both = all_joined(version.shapes, shapes)
        if both is not None:
            wanted = both
            break
    found = loop.versions.get(wanted)
    if found is None and not _looking and len(loop.versions) < MOST_VERSIONS:
        found = loop.versions[wanted] = Version(loop, wanted)
    return found or loop.versions.get(shapes)


def visit(version: Version) -> None:
    """Machine code has entered a version that has no valid code: compile it when it is worth it."""
    base = version.base
    version.visits += 1
    params = base.portal.driver.params
    wanted = min(MOST_VISITS, wanted_failures(params))
    if version.visits >= wanted and version.piece is None and base.piece is not None:
        version.visits = 0
        with Compiling():
            compile_version(version)


def compile_version(version: Version) -> None:
    """Compile a version from its loop's recording."""
    base = version.base
    if base.recorded is None:
        return
    recorded, is_loop = base.recorded
    start = time.perf_counter()
    try:
        with collecting() as reliances:
            trace, optimized = _optimize(version, recorded, is_loop)
        install_optimized(version, trace, optimized, None, reliances, 0.0, time.perf_counter() - start)
    except Exception as error:  # noqa: BLE001 - whatever it is: the guest goes on without this version
        version.visits = -_NEVER
        detail = "".join(traceback.format_exception(error)).strip()
        note_abort(base, RecordingAborted(AbortReason.COMPILE_FAILED, detail), None)


def _optimize(version: Version, recorded: Trace, is_loop: bool) -> tuple[Trace, Trace]:
    from metatracer.optimizer.verdicts import Contradiction

    name = version.ref.name
    classes = recorded.classes
    trace = Trace(recorded.inputs, recorded.operations, recorded.assumptions, name, classes=classes)
    try:
        return trace, optimized_trace(trace, peel=is_loop, goal=Goal(version.shapes, returns_parts=True))
    except Contradiction:
        inputs = tuple([Input("r") for _ in recorded.inputs])
        trace = Trace(inputs, [Operation(JUMP, inputs, version.base.ref)], recorded.assumptions, name, classes=classes)
        return trace, optimized_trace(trace, goal=Goal(version.shapes), passes=())
