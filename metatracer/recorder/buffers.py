"""Numbers in bytes and bytearrays: `struct.unpack_from`, `pack_into`, `int.from_bytes`.

The memory of an emulator is read and written so. Where the format is a constant, and all that it names are integers, each of
them is one load or store of machine code.
"""

from __future__ import annotations

import functools
import re
import struct
import sys
from typing import TYPE_CHECKING, Any

from metatracer.ir import opcodes as ops
from metatracer.ir.opcodes import wrap_i64
from metatracer.ir.values import Const, Value
from metatracer.recorder.calls import intrinsic, set_result
from metatracer.recorder.containers import guard_range, length_of
from metatracer.recorder.frames import Box, const_box
from metatracer.recorder.numeric import as_int
from metatracer.recorder.tuples import new_tuple
from metatracer.recorder.unsigned import unsigned_box, unsigned_value
from metatracer.recorder.virtuals import VirtualBox

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.ir.opcodes import Opcode
    from metatracer.recorder.frames import MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter

MOST_ITEMS = 16
_STANDARD = {"b": "b", "B": "B", "h": "h", "H": "H", "i": "i", "I": "I", "l": "i", "L": "I", "q": "q", "Q": "Q"}
_SIZES = {"b": 1, "h": 2, "i": 4, "q": 8}
_ORDERS = {"little": "<", "big": ">"}
_LOADS: dict[type, Opcode] = {bytes: ops.BYTES_LOAD, bytearray: ops.BYTEARRAY_LOAD}


@functools.cache
def items_of(form: str | bytes) -> tuple[tuple[int, str], ...] | None:
    """Offset and format of each number of a `struct` format; None if it is made of anything else."""
    text = form.decode("latin-1") if isinstance(form, bytes) else form
    prefix, codes = (text[0], text[1:]) if text[:1] in tuple("<>!=@") else ("@", text)
    parts = re.findall(r"(\d*)([a-zA-Z?])", codes)
    if sys.byteorder != "little" or "".join(count + code for count, code in parts) != codes or len(parts) > MOST_ITEMS:
        return None
    if not all(code in _STANDARD and int(count or 1) <= MOST_ITEMS for count, code in parts):
        return None
    expanded = [code for count, code in parts for _ in range(int(count or 1))]
    if not 0 < len(expanded) <= MOST_ITEMS or (prefix == "@" and len(expanded) > 1):
        return None  # native formats are aligned
    order = ">" if prefix in ">!" else "<"
    found, offset = [], 0
    for code in expanded:
        size = struct.calcsize(prefix + code)
        letter = next(letter for letter, bytes_ in _SIZES.items() if bytes_ == size)
        found.append((offset, order + (letter if code.islower() else letter.upper())))
        offset += size
    return tuple(found)


def _format_of(box: Box) -> str | bytes | None:
    """The format that a `struct` function is given, or the constant Struct is of."""
    if not box.is_const:
        return None
    if type(box.object) is struct.Struct:
        return box.object.format
    return box.object if type(box.object) in (str, bytes) else None


def _place(meta: MetaInterpreter, buffer: Box, offset: Box, size: int) -> tuple[Value, Value] | None:
    """The buffer and the offset in it, of so many bytes within bounds; None if it is not such."""
    if type(offset.object) is not int or not 0 <= offset.object <= len(buffer.object) - size:
        return None
    at = meta.int_value(offset)
    length = length_of(meta, buffer)
    assert at is not None
    assert length is not None
    if not isinstance(at, Const):
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_LE, Const("i", 0), at))
    if not (isinstance(at, Const) and isinstance(length, Const)):
        last = Const("i", length.value - size) if isinstance(length, Const) else meta.emit(ops.INT_SUB, length, Const("i", size))
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_LE, at, last))
    return meta.ref(buffer), at


def _plus(meta: MetaInterpreter, at: Value, amount: int) -> Value:
    if isinstance(at, Const):
        return Const("i", at.value + amount)
    return meta.emit(ops.INT_ADD, at, Const("i", amount)) if amount else at


def _load(meta: MetaInterpreter, buffer: Box, owner: Value, at: Value, form: str, obj: int) -> Box:
    raw = meta.emit(_LOADS[type(buffer.object)], owner, at, descr=form)
    return unsigned_box(meta, obj, raw) if form[1] == "Q" else Box(obj, None, raw)


def _unpack(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, form: str | bytes, buffer: Box, offset: Box
) -> bool:
    items = items_of(form)
    if items is None:
        return False
    place = _place(meta, buffer, offset, struct.calcsize(form))
    if place is None:
        return False
    owner, at = place
    objects = struct.unpack_from(form, buffer.object, offset.object)
    numbers = [
        _load(meta, buffer, owner, _plus(meta, at, start), item, obj) for (start, item), obj in zip(items, objects, strict=True)
    ]
    set_result(frame, instruction, Box(objects, new_tuple(meta, [meta.ref(number) for number in numbers])))
    return True


@intrinsic(struct.unpack_from, struct.Struct.unpack_from)
def _unpack_from(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if not 2 <= len(boxes) <= 3 or type(boxes[1].object) not in _LOADS:
        return False
    form = _format_of(boxes[0])
    return form is not None and _unpack(meta, frame, instruction, form, boxes[1], boxes[2] if len(boxes) > 2 else const_box(0))


def _guard_length(meta: MetaInterpreter, buffer: Box, size: int) -> bool:
    """Guard that a buffer has so many bytes; False if it has not."""
    if type(buffer.object) not in _LOADS or len(buffer.object) != size:
        return False
    length = length_of(meta, buffer)
    if not isinstance(length, Const):
        assert length is not None
        meta.guard(ops.GUARD_INT_VALUE, length, descr=size)
    return True


@intrinsic(struct.unpack, struct.Struct.unpack)
def _unpack_all(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    form = _format_of(boxes[0]) if len(boxes) == 2 else None
    if form is None or items_of(form) is None or not _guard_length(meta, boxes[1], struct.calcsize(form)):
        return False
    return _unpack(meta, frame, instruction, form, boxes[1], const_box(0))


@intrinsic(int.from_bytes)
def _from_bytes(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """Of a whole buffer, or of a slice that is not made for it (`slicing`)."""
    if not 1 <= len(boxes) <= 2 or type(boxes[0].object) not in _LOADS or not all(box.is_const for box in boxes[1:]):
        return False
    order = _ORDERS.get(boxes[1].object if len(boxes) == 2 else "big")
    size = len(boxes[0].object)
    letter = next((letter for letter, bytes_ in _SIZES.items() if bytes_ == size), None)
    if order is None or letter is None:
        return False
    buffer = boxes[0]
    place: tuple[Value, Value] | None
    if isinstance(buffer, VirtualBox) and buffer.is_virtual:
        buffer, start, stop = buffer.parts
        first, last = meta.int_value(start), meta.int_value(stop)
        assert first is not None
        assert last is not None
        if not (isinstance(first, Const) and isinstance(last, Const)):
            meta.guard(ops.GUARD_INT_VALUE, meta.emit(ops.INT_SUB, last, first), descr=size)
        place = _place(meta, buffer, start, size)
    elif _guard_length(meta, buffer, size):
        place = meta.ref(buffer), Const("i", 0)
    else:
        return False
    assert place is not None
    obj = int.from_bytes(boxes[0].object, "little" if order == "<" else "big")
    set_result(frame, instruction, _load(meta, buffer, *place, order + letter.upper(), obj))
    return True


@intrinsic(struct.pack_into, struct.Struct.pack_into)
def _pack_into(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    form = _format_of(boxes[0]) if len(boxes) > 3 and type(boxes[1].object) is bytearray else None
    items = None if form is None else items_of(form)
    if form is None or items is None or len(items) != len(boxes) - 3:
        return False
    _, buffer, offset, *values = boxes
    if not all(_fits(value.object, item) for value, (_, item) in zip(values, items, strict=True)):
        return False
    place = _place(meta, buffer, offset, struct.calcsize(form))
    if place is None:
        return False
    owner, at = place
    words = [_word(meta, value, item) for value, (_, item) in zip(values, items, strict=True)]
    for (start, item), word in zip(items, words, strict=True):
        meta.emit(ops.BYTEARRAY_STORE, owner, _plus(meta, at, start), word, descr=item)
    meta.effect_done = True
    struct.pack_into(form, buffer.object, offset.object, *[value.object for value in values])
    set_result(frame, instruction, const_box(None))
    return True


def _bounds(item: str) -> tuple[int, int]:
    bits = 8 * _SIZES[item[1].lower()]
    return (0, 1 << bits) if item[1].isupper() else (-(1 << bits - 1), 1 << bits - 1)


def _fits(obj: Any, item: str) -> bool:
    low, high = _bounds(item)
    return type(obj) is int and low <= obj < high


def _word(meta: MetaInterpreter, box: Box, item: str) -> Value:
    """A number as it is stored, guarded to be within the bounds of its format."""
    if box.is_const:
        return Const("i", wrap_i64(box.object))
    if item[1] == "Q":
        word = unsigned_value(meta, box)
    else:
        word = as_int(meta, box)
        assert word is not None
        guard_range(meta, word, *_bounds(item))
    assert word is not None
    return word
