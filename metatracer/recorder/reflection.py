"""Attributes by names that the interpreter puts together: `getattr(self, "visit_" + kind)`, `hasattr`, `setattr`.

A name is what the interpreter goes on with, like the class of a node: it is made a constant, unless there are too many.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from metatracer.recorder.attributes import call_getter, find_attribute, lacks_attribute, store_attribute
from metatracer.recorder.calls import intrinsic, set_result
from metatracer.recorder.frames import Box, MetaFrame, Pending, const_box
from metatracer.recorder.virtuals import virtual_method

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.metainterp import MetaInterpreter


def _know_name(meta: MetaInterpreter, box: Box) -> bool:
    """Make a name a constant of the trace; False if it is none, or this place has seen too many."""
    if type(box.object) is not str:
        return False
    if not box.is_const:
        if not meta.may_promote(sys.intern(box.object)):
            return False
        meta.promote(box)
    return True


@intrinsic(getattr)
def _getattr(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """`getattr(x, name)` as `x.name`; the third argument if x certainly has it not."""
    if len(boxes) not in (2, 3) or not _know_name(meta, boxes[1]):
        return False
    found = find_attribute(meta, boxes[0], boxes[1].object)
    if found.box is not None:
        set_result(frame, instruction, found.box)
        return True
    if found.method is not None:
        bound = virtual_method(found.method, boxes[0])
        set_result(frame, instruction, const_box(bound.object) if boxes[0].is_const else bound)
        return True
    if found.getter is not None:
        return len(boxes) == 2 and call_getter(meta, frame, instruction, found, boxes[0])
    if len(boxes) == 2 or not lacks_attribute(meta, boxes[0], boxes[1].object):
        return False
    set_result(frame, instruction, boxes[2])
    return True


@intrinsic(hasattr)
def _hasattr(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """Whether `x.name` is there, when no code is run to find out."""
    if len(boxes) != 2 or not _know_name(meta, boxes[1]):
        return False
    found = find_attribute(meta, boxes[0], boxes[1].object)
    is_there = found.box is not None or found.method is not None
    if not is_there and (found.getter is not None or not lacks_attribute(meta, boxes[0], boxes[1].object)):
        return False
    set_result(frame, instruction, const_box(is_there))
    return True


def _finish_setattr(_result: object) -> None:
    """`setattr` gives None."""


@intrinsic(setattr)
def _setattr(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """`setattr(x, name, value)` as `x.name = value`, of instances that have such an attribute."""
    if len(boxes) != 3 or isinstance(boxes[0].object, type) or not _know_name(meta, boxes[1]):
        return False

    def deliver(_meta: MetaInterpreter, below: MetaFrame, _result: Box) -> None:
        set_result(below, instruction, const_box(None))

    pending = Pending(instruction, deliver, _finish_setattr)
    stored = store_attribute(meta, frame, boxes[0], boxes[1].object, boxes[2], pending)
    if stored and meta.frames[-1] is frame:
        set_result(frame, instruction, const_box(None))
    return stored
