"""What traces know of builtin functions, of methods of builtin classes, and of the hints.

A handler declines (returns False) for arguments it does not know exactly; then the function is called as any other.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType

from metatracer import arithmetic, hints
from metatracer.backend.fields import lookup_attribute, raw_lookup
from metatracer.errors import AbortReason
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const, Operation
from metatracer.recorder.attributes import virtual_super
from metatracer.recorder.calls import intrinsic, set_result
from metatracer.recorder.containers import length_of
from metatracer.recorder.dicts import copy_dict, get_item, is_known_in_parts, item_in_parts
from metatracer.recorder.frames import Box, MetaFrame, const_box, runs_code_at_end
from metatracer.recorder.hashing import know_key
from metatracer.recorder.lists import append_item, guard_length, list_item, note_shorter, store_item
from metatracer.recorder.metainterp import is_base
from metatracer.recorder.numeric import as_float, as_int, int_binary, text_of_number
from metatracer.recorder.sequences import copy_to_list, insert
from metatracer.recorder.truth import SIZED, truth_raw
from metatracer.recorder.tuples import lasting_length, new_tuple
from metatracer.recorder.unsigned import unsigned_value
from metatracer.recorder.virtuals import (
    VirtualBox,
    is_virtual_dict,
    virtual_enumerate,
    virtual_mapping,
    virtual_range,
    virtual_zip,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.frontend.jitcode import Instruction
    from metatracer.ir.opcodes import Opcode
    from metatracer.recorder.metainterp import MetaInterpreter

    Handler = Callable[[MetaInterpreter, MetaFrame, Instruction, list[Box]], bool]


def _one(handler: Callable[[Any, Box], Box | None]) -> Handler:
    """A handler of functions of one argument whose result is a box."""

    def handle(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
        if len(boxes) != 1:
            return False
        result = handler(meta, boxes[0])
        if result is None:
            return False
        set_result(frame, instruction, result)
        return True

    return handle


# --- hints ----------------------------------------------------------------------------------------------------------------


@intrinsic(hints.promote, hints.promote_string, hints.promote_unicode)
@_one
def _promote(meta: MetaInterpreter, box: Box) -> Box:
    meta.promote_unless_polymorphic(box)
    return box


@intrinsic(hints.we_are_jitted)
def _we_are_jitted(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    set_result(frame, instruction, const_box(True))
    return not boxes


@intrinsic(hints.isconstant)
@_one
def _isconstant(_meta: MetaInterpreter, box: Box) -> Box:
    return const_box(box.is_const)


@intrinsic(hints.isvirtual)
@_one
def _isvirtual(_meta: MetaInterpreter, box: Box) -> Box:
    return const_box(isinstance(box.ref, Operation) and box.ref.opcode.allocates)


@intrinsic(hints.assert_green)
@_one
def _assert_green(meta: MetaInterpreter, box: Box) -> Box:
    if not box.is_const:
        raise meta.aborted(AbortReason.ASSERT_GREEN, f"a value such as {box.object!r}")
    return const_box(None)


@intrinsic(hints.current_trace_length)
def _trace_length(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    set_result(frame, instruction, const_box(len(meta.operations)))
    return not boxes


@intrinsic(hints.jit_debug)
def _jit_debug(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    set_result(frame, instruction, const_box(None))
    return True


# --- machine arithmetic -----------------------------------------------------------------------------------------------------


@intrinsic(arithmetic.intmask)
@_one
def _intmask(meta: MetaInterpreter, box: Box) -> Box | None:
    if type(box.object) is not int or meta.int_value(box) is None:
        return None
    return box


@intrinsic(arithmetic.ovfcheck)
@_one
def _ovfcheck(meta: MetaInterpreter, box: Box) -> Box | None:
    if type(box.object) is not int or meta.int_value(box) is None:
        return None  # the call raises
    return box


# --- builtins ----------------------------------------------------------------------------------------------------------------


@intrinsic(len)
@_one
def _len(meta: MetaInterpreter, box: Box) -> Box | None:
    length = length_of(meta, box)
    if length is not None:
        return meta.int_box(len(box.object), length)
    if is_virtual_dict(box):
        return const_box(len(box.object))
    if type(box.object) is dict or type(box.object) in SIZED:
        row = c.DICT_LEN if type(box.object) is dict else c.CONTAINER_LEN
        meta.guard_class(box)
        return meta.int_box(len(box.object), meta.emit(ops.CALL_C_I, meta.ref(box), descr=row))
    return None


@intrinsic(range)
def _range(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return _made(frame, instruction, virtual_range(meta, boxes))


@intrinsic(enumerate)
def _enumerate(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return _made(frame, instruction, virtual_enumerate(meta, boxes))


@intrinsic(zip)
def _zip(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return _made(frame, instruction, virtual_zip(meta, boxes))


@intrinsic(map)
def _map(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return _made(frame, instruction, virtual_mapping(meta, map, boxes))


@intrinsic(filter)
def _filter(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return _made(frame, instruction, virtual_mapping(meta, filter, boxes))


def _made(frame: MetaFrame, instruction: Instruction, box: Box | None) -> bool:
    if box is None:
        return False
    set_result(frame, instruction, box)
    return True


@intrinsic(isinstance)
def _isinstance(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if len(boxes) != 2 or not boxes[1].is_const:
        return False
    box, classes = boxes
    wanted = classes.object if type(classes.object) is tuple else (classes.object,)
    if not all(_has_plain_instances(meta, cls) for cls in wanted):
        return False
    kind = type(box.object)
    if not meta.is_steady(kind) or lookup_attribute(kind, "__class__").owner is not object:
        return False
    meta.guard_class(box)
    meta.rely_on_class(kind)
    for metaclass in {type(cls) for cls in wanted} - {type}:
        meta.rely_on_class(metaclass)
    set_result(frame, instruction, const_box(any(is_base(cls, kind) for cls in wanted)))
    return True


def _has_plain_instances(meta: MetaInterpreter, cls: Any) -> bool:
    """Whether an object is an instance of a class because of its own class; a metaclass may have another idea of that."""
    metaclass = type(cls)
    if metaclass is type:
        return True
    plain = issubclass(metaclass, type) and raw_lookup(metaclass, "__instancecheck__")[1] is type
    return plain and meta.is_steady(metaclass)


@intrinsic(issubclass)
def _issubclass(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if len(boxes) != 2 or not all(box.is_const and type(box.object) is type for box in boxes):
        return False
    if not meta.is_steady(boxes[0].object):
        return False
    meta.rely_on_class(boxes[0].object)
    set_result(frame, instruction, const_box(issubclass(boxes[0].object, boxes[1].object)))
    return True


@intrinsic(type)
@_one
def _type(meta: MetaInterpreter, box: Box) -> Box:
    return const_box(meta.guard_class(box))


@intrinsic(ReferenceType)
@_one
def _weak_reference(meta: MetaInterpreter, box: Box) -> Box | None:
    """Of a class that the trace knows, and so keeps: there is one weak reference without a callback."""
    return const_box(ReferenceType(box.object)) if box.is_const and isinstance(box.object, type) else None


@intrinsic(bool)
@_one
def _bool(meta: MetaInterpreter, box: Box) -> Box | None:
    return truth_raw(meta, box)


@intrinsic(int)
@_one
def _int(meta: MetaInterpreter, box: Box) -> Box | None:
    cls = type(box.object)
    if cls in (int, bool):
        raw = as_int(meta, box)
        if raw is None:
            return box
        return Box(int(box.object), box.ref if cls is int else None, raw)
    if cls is float and -9.2e18 < box.object < 9.2e18:
        value = meta.float_value(box)
        if isinstance(value, Const):
            return const_box(int(box.object))
        return meta.int_box(int(box.object), meta.guard(ops.FLOAT_TO_INT, value))
    return None


@intrinsic(float)
@_one
def _float(meta: MetaInterpreter, box: Box) -> Box | None:
    cls = type(box.object)
    if cls is float:
        meta.guard_class(box)
        return box
    if cls not in (int, bool):
        return None
    value = as_float(meta, box)
    return None if value is None else Box(float(box.object), None, value)


@intrinsic(abs)
@_one
def _abs(meta: MetaInterpreter, box: Box) -> Box | None:
    cls = type(box.object)
    if cls is float:
        value = meta.float_value(box)
        if isinstance(value, Const):
            return const_box(abs(box.object))
        return Box(abs(box.object), None, meta.emit(ops.FLOAT_ABS, value))
    if cls is not int:
        return None
    raw = meta.int_value(box)
    if raw is None or not ops.fits_i64(-box.object):
        return None
    if isinstance(raw, Const):
        return const_box(abs(box.object))
    negative = meta.emit(ops.INT_LT, raw, Const("i", 0))
    if box.object >= 0:
        meta.guard(ops.GUARD_FALSE, negative)
        return box
    meta.guard(ops.GUARD_TRUE, negative)
    return meta.int_box(-box.object, meta.guard(ops.INT_SUB_OVF, Const("i", 0), raw))


def _bits(opcode: Opcode) -> Handler:
    """A number of bits of an unsigned word."""

    @_one
    def handle(meta: MetaInterpreter, box: Box) -> Box | None:
        raw = unsigned_value(meta, box)
        if raw is None:
            return None
        assert opcode.evaluate is not None
        bits = opcode.evaluate(box.object)
        return Box(bits, None, Const("i", bits) if isinstance(raw, Const) else meta.emit(opcode, raw))

    return handle


intrinsic(int.bit_length)(_bits(ops.UINT_BIT_LENGTH))
intrinsic(int.bit_count)(_bits(ops.UINT_BIT_COUNT))


@intrinsic(divmod)
def _divmod(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """Of ints, as quotient and remainder."""
    if len(boxes) != 2 or any(type(box.object) is not int for box in boxes) or all(box.is_const for box in boxes):
        return False
    left, right = boxes
    parts = []
    for symbol in ("//", "%"):
        part = int_binary(meta, symbol, left, right, masked=False)
        if part is None:
            return False
        parts.append(part)
    made = new_tuple(meta, [meta.ref(part) for part in parts])
    set_result(frame, instruction, Box(divmod(left.object, right.object), made))
    return True


@intrinsic(ord)
@_one
def _ord(meta: MetaInterpreter, box: Box) -> Box | None:
    obj = box.object
    if type(obj) is not str or len(obj) != 1:
        return None
    meta.guard_class(box)
    if box.is_const:
        return const_box(ord(obj))
    value = meta.ref(box)
    meta.guard(ops.GUARD_INT_VALUE, lasting_length(meta, ops.STR_LEN, value), descr=1)
    return meta.int_box(ord(obj), meta.emit(ops.STR_ORD_AT, value, Const("i", 0)))


@intrinsic(chr)
@_one
def _chr(meta: MetaInterpreter, box: Box) -> Box | None:
    obj = box.object
    if type(obj) is not int or not 0 <= obj < 0x110000:
        return None
    raw = meta.int_value(box)
    assert raw is not None
    if isinstance(raw, Const):
        return const_box(chr(obj))
    meta.guard(ops.GUARD_TRUE, meta.emit(ops.UINT_LT, raw, Const("i", 0x110000)))
    op = meta.emit(ops.STR_CHR, raw)
    meta.types[op] = str
    return Box(chr(obj), op)


@intrinsic(str)
def _str(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if len(boxes) != 1:
        return False
    box = boxes[0]
    cls = type(box.object)
    if cls is str:
        meta.guard_class(box)
        set_result(frame, instruction, box)
        return True
    if cls not in (int, float):
        return False
    text_of_number(meta, frame, instruction, box)
    return True


@intrinsic(super)
def _super(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if not boxes:
        places = frame.jitcode.super_arguments
        if places is None:
            return False
        cell, first = frame.box(places[0]), frame.box(places[1])
        cls = cell.object.cell_contents
        value = meta.emit(ops.CELL_GET, meta.ref(cell))
        meta.guard(ops.GUARD_VALUE, value, descr=cls)
        if frame.jitcode.local_names[places[1]] in frame.jitcode.code.co_cellvars:
            held = meta.emit(ops.CELL_GET, meta.ref(first))
            meta.guard(ops.GUARD_NONNULL, held)
            first = meta.ref_box(first.object.cell_contents, held)
        boxes = [const_box(cls), first]
    if len(boxes) != 2:
        return False
    made = virtual_super(meta, boxes[0], boxes[1])
    if made is not None:
        set_result(frame, instruction, made)
    else:  # with its arguments: they are those of the traced frame
        meta.residual_call(frame, instruction, const_box(super), boxes, known=super)
    return True


# --- math --------------------------------------------------------------------------------------------------------------------


@intrinsic(math.sqrt)
@_one
def _sqrt(meta: MetaInterpreter, box: Box) -> Box | None:
    if type(box.object) not in (float, int) or not box.object >= 0:
        return None
    value = as_float(meta, box)
    if value is None:
        return None
    if isinstance(value, Const):
        return const_box(math.sqrt(box.object))
    meta.guard(ops.GUARD_TRUE, meta.emit(ops.FLOAT_GE, value, Const("f", 0.0)))
    return Box(math.sqrt(box.object), None, meta.emit(ops.FLOAT_SQRT, value))


@intrinsic(math.fabs)
@_one
def _fabs(meta: MetaInterpreter, box: Box) -> Box | None:
    if type(box.object) is not float:
        return None
    return Box(abs(box.object), None, meta.emit(ops.FLOAT_ABS, meta.float_value(box)))


@intrinsic(math.floor)
@_one
def _floor(meta: MetaInterpreter, box: Box) -> Box | None:
    if type(box.object) is int:
        meta.guard_class(box)
        return box
    if type(box.object) is not float or not -9.2e18 < box.object < 9.2e18:
        return None
    floored = meta.emit(ops.FLOAT_FLOOR, meta.float_value(box))
    return meta.int_box(math.floor(box.object), meta.guard(ops.FLOAT_TO_INT, floored))


def _bounded(function: Callable[[float], float], low: float, high: float) -> None:
    """A function of `math` that neither raises nor overflows for low < x < high."""

    def handle(meta: MetaInterpreter, box: Box) -> Box | None:
        if type(box.object) is not float or not low < box.object < high:
            return None
        value = meta.float_value(box)
        if isinstance(value, Const):
            return const_box(function(box.object))
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.FLOAT_GT, value, Const("f", low)))
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.FLOAT_LT, value, Const("f", high)))
        return Box(function(box.object), None, meta.emit(ops.CALL_C_F, value, descr=c.MATH[function]))

    intrinsic(function)(_one(handle))


_bounded(math.sin, -1e300, 1e300)
_bounded(math.cos, -1e300, 1e300)
_bounded(math.tan, -1e300, 1e300)
_bounded(math.atan, -1e300, 1e300)
_bounded(math.exp, -700.0, 700.0)
_bounded(math.log, 1e-300, 1e300)


# --- methods of builtin classes ------------------------------------------------------------------------------------------------


@intrinsic(list.append)
def _append(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if len(boxes) != 2 or type(boxes[0].object) is not list:
        return False
    append_item(meta, boxes[0], boxes[1])
    set_result(frame, instruction, const_box(None))
    return True


@intrinsic(list.pop)
def _pop(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if type(boxes[0].object) is not list or not boxes[0].object:
        return False
    if len(boxes) != 1:
        return len(boxes) == 2 and _pop_at(meta, frame, instruction, *boxes)
    target = boxes[0]
    length = length_of(meta, target)
    assert length is not None
    meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_NE, length, Const("i", 0)))
    owner = meta.ref(target)
    op = meta.emit(ops.LIST_POP, owner)
    meta.effect_done = True
    item = target.object.pop()
    note_shorter(meta, owner, 1)
    set_result(frame, instruction, meta.ref_box(item, op))
    return True


@intrinsic(list.insert)
def _insert(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return len(boxes) == 3 and insert(meta, frame, instruction, boxes)


@intrinsic(list.copy)
def _copy(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return len(boxes) == 1 and type(boxes[0].object) is list and copy_to_list(meta, frame, instruction, boxes[0])


_MOST_MOVED = 16


def _pop_at(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, target: Box, index: Box) -> bool:
    """`x.pop(0)` of a list that the trace has made: what is behind the item moves down, if the list has to exist at all."""
    count, place = len(target.object), index.object
    is_made = isinstance(target.ref, Operation) and target.ref.opcode is ops.NEW_LIST
    if not is_made or not index.is_const or type(place) is not int or not -count <= place < count or count > _MOST_MOVED:
        return False
    place %= count
    guard_length(meta, target)
    owner = meta.ref(target)
    boxes = [list_item(meta, owner, Const("i", number), target.object[number]) for number in range(place, count)]
    refs = [meta.ref(box) for box in boxes]
    for number, ref in enumerate(refs[1:], place):
        store_item(meta, owner, Const("i", number), ref)
    meta.emit(ops.LIST_POP, owner)
    meta.effect_done = True
    target.object.pop(place)
    note_shorter(meta, owner, 1)
    set_result(frame, instruction, boxes[0])
    return True


def _of_set(method: Any, row: Any) -> None:
    """A method of an exact set with a key whose hash and equality run no code."""

    def handle(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
        if len(boxes) != 2 or type(boxes[0].object) is not set or not know_key(meta, boxes[1]):
            return False
        meta.guard_class(boxes[0])
        refs, objects = [meta.ref(box) for box in boxes], [box.object for box in boxes]

        def store(_: Box) -> None:
            set_result(frame, instruction, const_box(None))

        meta.c_call(frame, instruction, row, refs, objects, store=store)
        return True

    intrinsic(method)(handle)


_of_set(set.add, c.SET_ADD)
_of_set(set.discard, c.SET_DISCARD)


def _view(method: Any) -> None:
    """`d.items()` and the like, of a dict: makes a view, and looks at nothing."""

    def handle(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
        if len(boxes) != 1 or type(boxes[0].object) is not dict:
            return False
        meta.guard_class(boxes[0])
        refs, objects = [Const("r", method), meta.ref(boxes[0])], [method, boxes[0].object]
        meta.c_call(frame, instruction, c.VIEW_OF, refs, objects, known=type(method({})))
        return True

    intrinsic(method)(handle)


_view(dict.keys)
_view(dict.values)
_view(dict.items)


@intrinsic(reversed)
def _reversed(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if len(boxes) != 1 or type(boxes[0].object) not in (list, tuple) or isinstance(boxes[0], VirtualBox):
        return False
    meta.guard_class(boxes[0])
    made = meta.c_call(frame, instruction, c.VIEW_OF, [Const("r", reversed), meta.ref(boxes[0])], [reversed, boxes[0].object])
    assert made.ref is not None
    meta.types[made.ref] = type(made.object)
    return True


@intrinsic(dict.copy)
def _dict_copy(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return len(boxes) == 1 and copy_dict(meta, frame, instruction, boxes[0])


def _taking(method: Any) -> None:
    """`d.pop(key)` or `d.setdefault(key)`, with a default or without, of an exact dict."""

    def handle(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
        if len(boxes) not in (2, 3) or type(boxes[0].object) is not dict or not know_key(meta, boxes[1]):
            return False
        # What is taken, or not stored, may end right behind the call: for its finalizer everything has to be stored.
        if any(runs_code_at_end(obj) for obj in (dict.get(boxes[0].object, boxes[1].object), boxes[-1].object)):
            return False
        if is_virtual_dict(boxes[0]) or dict.__contains__(boxes[0].object, "__builtins__"):
            return False
        meta.guard_class(boxes[0])
        refs, objects = [Const("r", method), *map(meta.ref, boxes)], [method, *[box.object for box in boxes]]
        meta.c_call(frame, instruction, c.DICT_POP if len(boxes) == 2 else c.DICT_POP_OR, refs, objects)
        return True

    intrinsic(method)(handle)


_taking(dict.pop)
_taking(dict.setdefault)


@intrinsic(dict.get)
def _dict_get(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """`d.get(key)` and `d.get(key, default)` with a key whose hash runs no code."""
    if len(boxes) not in (2, 3):
        return False
    table, key = boxes[:2]
    if type(table.object) is not dict or not know_key(meta, key):
        return False
    default = boxes[2] if len(boxes) == 3 else const_box(None)
    if is_known_in_parts(meta, table, key):
        set_result(frame, instruction, item_in_parts(table, key) if key.object in table.object else default)
        return True
    meta.guard_class(table)
    item = get_item(meta, frame, instruction, table, key)
    set_result(frame, instruction, default if item is None else item)
    return True


