"""What builtins do with a list or tuple whose items the trace knows one by one: ``sum(args)``, ``stack.extend(args)``.

How many items there are is known where the trace has made the sequence (a display, a slice of so many items, `*args`); no
guard is made on the length of any other. Then each item is handled by itself, so that neither the sequence nor its copy need
exist. Other lists and tuples are copied, or appended, by one C function, which runs no code of the guest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.ir import cfunctions as c
from metatracer.ir.opcodes import fits_i64
from metatracer.ir.values import Const
from metatracer.recorder.frames import Box, const_box
from metatracer.recorder.lists import append_item, forget_items, forget_lengths, list_item, new_list, store_item
from metatracer.recorder.tuples import known_items, tuple_item
from metatracer.recorder.virtuals import VirtualBox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.frames import MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter

_MOST_ITEMS = 16
"""Of a sequence that is handled item by item."""
_WHOLE = (0, (1 << 63) - 1)
_COPIED = (tuple, dict, set, frozenset)


def items_of(meta: MetaInterpreter, box: Box) -> list[Box] | None:
    """The items of an exact list or tuple, if the trace knows how many there are, and they are few."""
    cls, content = type(box.object), box.object
    if cls not in (list, tuple) or len(content) > _MOST_ITEMS or (isinstance(box, VirtualBox) and box.is_virtual):
        return None
    owner = meta.ref(box)
    if meta.is_frozen(box):
        return [const_box(item) for item in content]
    if cls is tuple:
        if known_items(meta, box) is None:
            return None
        meta.guard_class(box)
        return [tuple_item(meta, owner, Const("i", place), item) for place, item in enumerate(content)]
    length = meta.heap.get((owner, "length"))
    if not isinstance(length, Const) or length.value != len(content):
        return None
    return [list_item(meta, owner, Const("i", place), item) for place, item in enumerate(content)]


def copy_to_list(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box) -> bool:
    """`list(x)` and `x.copy()`; False for what may run code, or is no container of a builtin class."""
    cls = type(box.object)
    if (cls is not list and cls not in _COPIED) or (isinstance(box, VirtualBox) and box.is_virtual):
        return False
    boxes = items_of(meta, box)
    if boxes is not None:
        made = new_list(meta, [meta.ref(each) for each in boxes])
        frame.registers[instruction.dst[0]] = Box([each.object for each in boxes], made)
        return True
    meta.guard_class(box)
    owner = meta.ref(box)
    if cls is list:
        arguments = [owner, *[Const("i", bound) for bound in _WHOLE]]
        meta.c_call(frame, instruction, c.SLICES[list], arguments, [box.object, *_WHOLE], known=list)
    else:
        meta.c_call(frame, instruction, c.LIST_OF, [owner], [box.object], known=list)
    return True


def extend(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, target: Box, values: Box, result: Box) -> bool:
    """`target.extend(values)` and `target += values` of a list by a list or tuple; False for anything else."""
    if type(target.object) is not list or type(values.object) not in (list, tuple):
        return False
    if isinstance(values, VirtualBox) and values.is_virtual:
        return False
    boxes = items_of(meta, values)
    meta.guard_class(target)
    if boxes is not None:
        for box in boxes:
            append_item(meta, target, box)
        frame.registers[instruction.dst[0]] = result
        return True
    meta.guard_class(values)
    end = Const("i", _WHOLE[1])
    arguments = [meta.ref(target), end, end, meta.ref(values)]

    def store(_: Box) -> None:
        frame.registers[instruction.dst[0]] = result

    objects = [target.object, _WHOLE[1], _WHOLE[1], values.object]
    forget_lengths(meta, arguments[0])
    meta.c_call(frame, instruction, c.LIST_SET_SLICE, arguments, objects, store=store)
    return True


def insert(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: Sequence[Box]) -> bool:
    """`target.insert(place, item)` of a list by an exact int."""
    target, place, item = boxes
    if type(target.object) is not list or type(place.object) is not int or not fits_i64(place.object):
        return False
    held = items_of(meta, target) if place.is_const else None
    meta.guard_class(target)
    if held is not None and len(held) < _MOST_ITEMS:
        at = max(0, place.object + len(held)) if place.object < 0 else min(place.object, len(held))
        moved = [item, *held[at:]]
        refs = [meta.ref(box) for box in moved]
        append_item(meta, target, moved[-1])
        for number, ref in enumerate(refs[:-1], at):
            store_item(meta, meta.ref(target), Const("i", number), ref)
        target.object[at:] = [box.object for box in moved]
        frame.registers[instruction.dst[0]] = const_box(None)
        return True
    index = meta.int_value(place)
    assert index is not None
    arguments, objects = [meta.ref(target), index, meta.ref(item)], [box.object for box in boxes]

    def store(_: Box) -> None:
        frame.registers[instruction.dst[0]] = const_box(None)

    forget_items(meta, arguments[0])
    forget_lengths(meta, arguments[0])
    meta.c_call(frame, instruction, c.LIST_INSERT, arguments, objects, store=store)
    return True
