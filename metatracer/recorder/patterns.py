"""`match` statements: patterns whose subject's class is known are decided while recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import is_immutable_type, lookup_attribute, raw_lookup
from metatracer.recorder.attributes import find_attribute
from metatracer.recorder.control import operation_call
from metatracer.recorder.frames import Box, MetaFrame, const_box
from metatracer.recorder.metainterp import MetaInterpreter, handles
from metatracer.recorder.tuples import new_tuple

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction

_KIND_FLAGS = {"match_sequence": 1 << 5, "match_mapping": 1 << 6}
"""Py_TPFLAGS_SEQUENCE and Py_TPFLAGS_MAPPING."""
_MATCH_SELF = 1 << 22
"""_Py_TPFLAGS_MATCH_SELF: the one positional pattern of such a class is the subject itself."""
_FLAGS_OF = type.__dict__["__flags__"].__get__


@handles("match_sequence", "match_mapping")
def match_kind(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Whether the subject is a sequence, or a mapping. Classes of the author may still be registered as one."""
    box = frame.box(instruction.src[0])
    cls = type(box.object)
    if not is_immutable_type(cls):
        operation_call(meta, frame, instruction)
        return
    meta.guard_class(box)
    frame.registers[instruction.dst[0]] = const_box(bool(_FLAGS_OF(cls) & _KIND_FLAGS[instruction.op]))


@handles("match_class")
def match_class(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`case C(x, name=y)`: the attributes asked for, or None."""
    subject, cls, names = [frame.box(register) for register in instruction.src]
    found = _attributes(meta, subject, cls, names, instruction.arg)
    if found is None:
        operation_call(meta, frame, instruction)
    else:
        frame.registers[instruction.dst[0]] = found


def _attributes(meta: MetaInterpreter, subject: Box, cls: Box, names: Box, count: int) -> Box | None:
    """The result, or None where CPython is to be asked."""
    wanted, kind = cls.object, type(subject.object)
    if type(wanted) is not type or not names.is_const or not meta.is_steady(wanted, kind):
        return None
    if lookup_attribute(kind, "__class__").owner is not object:
        return None
    if not cls.is_const:
        meta.promote(cls)
    meta.guard_class(subject)
    meta.rely_on_class(kind)
    if wanted not in kind.__mro__:
        return const_box(None)
    meta.rely_on_class(wanted)
    boxes: list[Box] = []
    asked: tuple[Any, ...] = names.object
    if count:
        positional = raw_lookup(wanted, "__match_args__")[0]
        if count == 1 and type(positional) is not tuple and _FLAGS_OF(wanted) & _MATCH_SELF:
            boxes.append(subject)
        elif type(positional) is not tuple or len(positional) < count:
            return None
        else:
            asked = (*positional[:count], *asked)
    if any(type(name) is not str for name in asked) or len(set(asked)) < len(asked):
        return None
    for name in asked:
        attribute = find_attribute(meta, subject, name).box
        if attribute is None:
            return None
        boxes.append(attribute)
    made = new_tuple(meta, [meta.ref(box) for box in boxes])
    return Box(tuple([box.object for box in boxes]), made)
