"""Slices that are taken at once, for which no slice object is made: ``text[at:]``, ``arguments[1:-1]``.

Those of `bytes`, `str`, tuples and lists with exact ints or None as bounds are calls of support functions that take two
machine integers; of a list whose items the trace knows they are displays of these. ``stack[-2:]`` and ``del stack[-2:]`` are
done item by item. Where a slice is taken only to read a number, ``int.from_bytes(memory[at : at + 4], "little")``, what it
gives is not made, either: nothing happens between it and the call that reads the number.
"""

from __future__ import annotations

from types import BuiltinFunctionType
from typing import TYPE_CHECKING

from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.opcodes import fits_i64
from metatracer.ir.values import Const
from metatracer.recorder.frames import Box, const_box, runs_code_at_end
from metatracer.recorder.lists import list_item, list_length, new_list, note_shorter
from metatracer.recorder.tuples import know_piece

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.ir.values import Value
    from metatracer.recorder.frames import MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter
    from metatracer.recorder.virtuals import VirtualBox

_SIZES = frozenset({1, 2, 4, 8})
_MOST_ITEMS = 64
"""Of a slice that becomes a display."""
_MOST_ON_TOP = 8
"""Items of a stack that are taken or dropped one by one."""
_ENDS = (0, (1 << 63) - 1)
"""What bounds that are left out stand for."""


def is_taken_at_once(frame: MetaFrame, instruction: Instruction) -> bool:
    """Whether the slice that is made here is given to the next instruction, which takes it of a builtin sequence."""
    taken = frame.jitcode.instructions[frame.position]
    if taken.op not in ("getitem", "delitem") or taken.src[1] != instruction.dst[0] or len(instruction.src) != 2:
        return False
    container = frame.box(taken.src[0])
    bounds = [frame.box(register) for register in instruction.src]
    if taken.op == "delitem":
        return items_on_top(container, bounds) > 0
    return is_plain(container, bounds) or is_number_read(frame, frame.position + 1, taken, container, bounds)


def is_plain(container: Box, bounds: list[Box]) -> bool:
    """Whether `take_slice` can do it. A bridge may begin at a slice that was taken of something else before."""
    return type(container.object) in c.SLICES and all(
        box.object is None or (type(box.object) is int and fits_i64(box.object)) for box in bounds
    )


def is_number_read(frame: MetaFrame, position: int, taken: Instruction, container: Box, bounds: list[Box]) -> bool:
    """Whether what `taken` takes, within the bounds of a buffer, is given to `int.from_bytes` from `position` on, at once."""
    following = iter(frame.jitcode.instructions[position : position + 2])
    call = next(following, None)
    if call is not None and call.op == "const":
        call = next(following, None)
    if call is None or call.op != "call" or call.arg or call.src[2:3] != taken.dst:
        return False
    callee = [box.object for register in call.src[:2] if (box := frame.registers[register]) is not None]
    if not any(type(obj) is BuiltinFunctionType and obj == int.from_bytes for obj in callee):
        return False
    start, stop = [box.object for box in bounds]
    if type(container.object) not in (bytes, bytearray) or type(start) is not int or type(stop) is not int:
        return False
    return 0 <= start <= stop <= len(container.object) and stop - start in _SIZES


def items_on_top(container: Box, bounds: list[Box]) -> int:
    """How many items `stack[-n:]` of an exact list takes from its end, if it is that, with a small known `n`; 0 otherwise."""
    start, stop = bounds
    if type(container.object) is not list or stop.object is not None or not (start.is_const and stop.is_const):
        return 0
    count = -start.object if type(start.object) is int else 0
    return count if 0 < count <= min(_MOST_ON_TOP, len(container.object)) else 0


def _guard_on_top(meta: MetaInterpreter, container: Box, count: int) -> Value:
    """Guard that a list has so many items; gives its length."""
    length = list_length(meta, container)
    if not isinstance(length, Const):
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_LE, Const("i", count), length))
    return length


def drop_top(meta: MetaInterpreter, container: Box, count: int) -> bool:
    """Record and do `del stack[-count:]`; False if the end of an item runs code."""
    if any(runs_code_at_end(item) for item in container.object[-count:]):
        return False
    _guard_on_top(meta, container, count)
    owner = meta.ref(container)
    for _ in range(count):
        meta.emit(ops.LIST_POP, owner)
    meta.effect_done = True
    del container.object[-count:]
    note_shorter(meta, owner, count)
    return True


def _take_top(meta: MetaInterpreter, container: Box, count: int) -> Box:
    """`stack[-count:]`, as a display of the items."""
    length = _guard_on_top(meta, container, count)
    owner, found = meta.ref(container), container.object[-count:]
    refs = []
    for position, item in enumerate(found):
        place = position - count
        if isinstance(length, Const):
            index: Value = Const("i", length.value + place)
        else:
            index = meta.emit(ops.INT_ADD, Const("i", place), length)
        refs.append(meta.ref(list_item(meta, owner, index, item)))
    return Box(found, new_list(meta, refs))


def take_slice(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, container: Box, key: VirtualBox
) -> None:
    """Record `container[start:stop]` of an exact builtin sequence."""
    cls = meta.guard_class(container)
    count = items_on_top(container, key.parts)
    if count:
        frame.registers[instruction.dst[0]] = _take_top(meta, container, count)
        return
    start, stop = (_bound(meta, part, limit) for part, limit in zip(key.parts, _ENDS, strict=True))
    if cls is str and isinstance(start, Const) and isinstance(stop, Const):
        know_piece(meta, container)
        if container.is_const:
            frame.registers[instruction.dst[0]] = const_box(container.object[key.object])
            return
    owner = meta.ref(container)
    if cls is list and isinstance(start, Const) and isinstance(stop, Const):
        length = meta.heap.get((owner, "length"))
        found = container.object[key.object]
        if isinstance(length, Const) and len(found) <= _MOST_ITEMS:
            first = key.object.indices(length.value)[0]
            items = [
                meta.ref(list_item(meta, owner, Const("i", first + position), item)) for position, item in enumerate(found)
            ]
            frame.registers[instruction.dst[0]] = Box(found, new_list(meta, items))
            return
    objects = [container.object, *[part.object for part in key.parts]]
    meta.c_call(frame, instruction, c.SLICES[cls], [owner, start, stop], objects, known=cls)


def _bound(meta: MetaInterpreter, box: Box, absent: int) -> Value:
    if box.object is None:
        meta.guard_class(box)
        return Const("i", absent)
    value = meta.int_value(box)
    assert value is not None
    return value
