"""Calls by machine code that are not made because the C stack is used up: which loop they are of, and its frame.

RecursionError is CPython's to raise, when its own limit of Python frames is reached (at the callee's merge point then, as its
frame has been entered so far); what the machine's stack holds is nobody's business but the toolkit's. A callee that there is
no room for is run by the interpreter, which needs none of it; or its callers give their frames back and wait on the heap
(`Unwound`), and the callee enters its machine code as the first one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.backend.threadstate import MORE_FRAMES
from metatracer.ir.opcodes import GUARD_NOT_INVALIDATED
from metatracer.optimizer.versions import Goal
from metatracer.recorder.resume import ExitPlan
from metatracer.runtime.compiling import stub_trace
from metatracer.runtime.driver import portals
from metatracer.runtime.loops import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metatracer.recorder.frames import ResumeFrame
    from metatracer.runtime.loops import Loop

_found: dict[int, tuple[Loop, ExitPlan]] = {}
"""By the address of a loop's cell."""


def frame_of_callee(cell: int, values: Sequence[Any]) -> tuple[Loop, ResumeFrame]:
    """The loop whose cell is at an address, and its portal's frame at the merge point, from the arguments of the call."""
    found = _found.get(cell)
    if found is None or found[0].ref.cell != cell:
        with MORE_FRAMES:
            loop = _loop_at(cell)
            found = _found[cell] = loop, _entry_plan(loop)
    loop, plan = found
    (frame,) = plan.rebuild(values).frames
    return loop, frame


def _loop_at(cell: int) -> Loop:
    for portal in portals():
        for loop in list(portal.loops.values()):
            for called in (loop, *list(loop.versions.values())):
                if called.ref.cell == cell:
                    return called
    raise LookupError("machine code has called a loop that no portal has")


def _entry_plan(loop: Loop) -> ExitPlan:
    """How the frame is built from what a call hands over: as the loop's stub does it."""
    from metatracer.optimizer.pipeline import optimize

    trace = stub_trace(loop)
    if isinstance(loop, Version):
        trace = optimize(trace, goal=Goal(loop.shapes))
    leave = next(op for op in trace.operations if op.opcode is GUARD_NOT_INVALIDATED)
    assert leave.snapshot is not None
    return ExitPlan(leave.snapshot, trace.inputs)
