"""Matches of regular expressions: where a group begins and ends, and its text.

Nothing of a match ever changes, so these are loads of machine code. Searching is left to CPython.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const
from metatracer.recorder.calls import intrinsic, set_result
from metatracer.recorder.frames import Box
from metatracer.recorder.tuples import new_tuple

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.frames import MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter


def _group_of(meta: MetaInterpreter, boxes: list[Box]) -> int:
    """The group that a method is asked for, guarded to exist; -1 if that is no constant number of one."""
    match, *asked = boxes
    if type(match.object) is not re.Match or len(asked) > 1:
        return -1
    group = 0
    if asked:
        if not asked[0].is_const or type(asked[0].object) is not int:
            return -1
        group = asked[0].object
    if not 0 <= group <= match.object.re.groups:
        return -1
    meta.guard_class(match)
    if group and not match.is_const:
        groups = meta.emit(ops.MATCH_GROUPS, meta.ref(match))
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_LT, Const("i", group), groups))
    return group


def _mark(meta: MetaInterpreter, match: Box, number: int) -> Box:
    obj = (match.object.end if number % 2 else match.object.start)(number // 2)
    return meta.int_box(obj, meta.emit(ops.MATCH_MARK, meta.ref(match), Const("i", number)))


@intrinsic(re.Match.start)
def _start(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    group = _group_of(meta, boxes)
    if group >= 0:
        set_result(frame, instruction, _mark(meta, boxes[0], 2 * group))
    return group >= 0


@intrinsic(re.Match.end)
def _end(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    group = _group_of(meta, boxes)
    if group >= 0:
        set_result(frame, instruction, _mark(meta, boxes[0], 2 * group + 1))
    return group >= 0


@intrinsic(re.Match.span)
def _span(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    group = _group_of(meta, boxes)
    if group >= 0:
        bounds = [_mark(meta, boxes[0], number) for number in (2 * group, 2 * group + 1)]
        made = new_tuple(meta, [meta.ref(bound) for bound in bounds])
        set_result(frame, instruction, Box(tuple([bound.object for bound in bounds]), made))
    return group >= 0


@intrinsic(re.Match.group)
def _group(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """The text of a group that took part in the match, of exactly a `str` or `bytes`."""
    match = boxes[0]
    if type(match.object) is not re.Match or type(match.object.string) not in (str, bytes):
        return False
    group = _group_of(meta, boxes)
    if group < 0 or match.object.start(group) < 0:
        return False
    text = meta.ref_box(match.object.string, meta.emit(ops.MATCH_STRING, meta.ref(match)))
    cls = meta.guard_class(text)
    start, end = (_mark(meta, match, number) for number in (2 * group, 2 * group + 1))
    assert start.raw is not None
    assert end.raw is not None
    if group:
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_GE, start.raw, Const("i", 0)))
    arguments = [meta.ref(text), start.raw, end.raw]
    meta.c_call(frame, instruction, c.SLICES[cls], arguments, [text.object, start.object, end.object], known=cls)
    return True
