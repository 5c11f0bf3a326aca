"""Deques that keep all that is put into them: a stack or a queue of the guest's is often one.

Each step is a call of CPython's own method, without a frame or a tuple, and in front of it nothing that the trace has put off
needs to be done: it runs no code of the guest. A deque that drops what is at its other end is left to CPython.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const
from metatracer.recorder.calls import intrinsic, set_result
from metatracer.recorder.frames import Box, const_box, runs_code_at_end

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.frames import MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter


@intrinsic(deque)
def _deque(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """An empty one."""
    if boxes:
        return False
    made = meta.c_call(frame, instruction, c.NEW_DEQUE, [Const("r", deque)], [deque], known=deque)
    assert made.ref is not None
    meta.lasting[made.ref, "unbounded"] = Const("b", True)
    return True


def _is_unbounded(meta: MetaInterpreter, box: Box) -> bool:
    """Whether a deque drops nothing; guards it, once for each: that does not change."""
    if box.object.maxlen is not None:
        return False
    owner = meta.ref(box)
    if (owner, "unbounded") not in meta.lasting:
        most = meta.emit(ops.CALL_C_R, owner, Const("r", "maxlen"), descr=c.DEQUE_MAXLEN)
        meta.guard(ops.GUARD_NO_EXCEPTION, most)
        meta.guard(ops.GUARD_VALUE, most, descr=None)
        meta.lasting[owner, "unbounded"] = Const("b", True)
    return True


def _method(method: Any, count: int) -> None:
    """A method with so many arguments."""
    row = (c.DEQUE_TAKE, c.DEQUE_PUT)[count]

    def handle(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
        if len(boxes) != 1 + count or type(boxes[0].object) is not deque:
            return False
        items = boxes[0].object
        if items and not count and runs_code_at_end(items[0 if method is deque.popleft else -1]):
            return False  # it may end right behind the call: for its finalizer everything has to be stored
        meta.guard_class(boxes[0])
        if count and not _is_unbounded(meta, boxes[0]):
            return False
        refs = [Const("r", method), *[meta.ref(box) for box in boxes]]

        def store(result: Box) -> None:
            set_result(frame, instruction, const_box(None) if count else result)

        meta.c_call(frame, instruction, row, refs, [method, *[box.object for box in boxes]], store=store)
        return True

    intrinsic(method)(handle)


_method(deque.append, 1)
_method(deque.appendleft, 1)
_method(deque.pop, 0)
_method(deque.popleft, 0)
