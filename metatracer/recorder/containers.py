"""Items, displays, iteration, unpacking."""

from __future__ import annotations

import array
import operator
from collections import deque
from types import CellType, GeneratorType
from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import lookup_attribute, raw_lookup
from metatracer.errors import AbortReason
from metatracer.frontend.operations import OPERATIONS
from metatracer.frontend.operations import unpack_sequence as unpack_operation
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const, Snapshot, Value
from metatracer.recorder import residual
from metatracer.recorder.calls import call_python, can_inline, intrinsic, refusal
from metatracer.recorder.control import operation_call
from metatracer.recorder.dicts import delete_item, get_item, has_item, is_known_in_parts, item_in_parts, set_item
from metatracer.recorder.exceptions import record_raise
from metatracer.recorder.frames import (
    LIST_ITERATOR,
    RANGE_ITERATOR,
    TUPLE_ITERATOR,
    Box,
    MetaFrame,
    Pending,
    const_box,
    finish_discard,
    runs_code_at_end,
)
from metatracer.recorder.generators import is_generator_function, virtual_generator
from metatracer.recorder.hashing import HASHED_BY_VALUE, is_dict_class, is_plain_tuple, know_dict, know_key
from metatracer.recorder.kept import ask_kept, give_item, give_item_or, give_item_to_loop, is_to_be_kept
from metatracer.recorder.lists import (
    append_item,
    constant_index,
    guard_length,
    list_item,
    list_length,
    new_list,
    store_item,
)
from metatracer.recorder.metainterp import MetaInterpreter, handles
from metatracer.recorder.numeric import as_int, plain_number
from metatracer.recorder.slicing import drop_top, is_number_read, is_plain, items_on_top, take_slice
from metatracer.recorder.stepping import begin_generator, enter_generator
from metatracer.recorder.tuples import (
    guard_bound,
    guard_tuple_length,
    know_piece,
    know_texts,
    lasting_length,
    new_tuple,
    tuple_item,
)
from metatracer.recorder.virtuals import GeneratorBox, Suspended, VirtualBox, is_virtual_dict, step, virtual_iterator

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.ir.opcodes import Opcode

_NO_CODE_ITERABLES = (list, tuple, range, dict, str, bytes, bytearray, set, frozenset)
_EMPTY: dict[str, int] = {}
_BUILTIN_ITERATORS: tuple[type, ...] = tuple(
    type(iterator)
    for iterator in (
        *map(iter, ([], (), range(1), range(1 << 70), "", "\u1234", b"", bytearray(), set())),
        *map(iter, (_EMPTY, _EMPTY.values(), _EMPTY.items())),
        reversed([]),
    )
)
_VIEWS = (type(_EMPTY.keys()), type(_EMPTY.values()), type(_EMPTY.items()))


# --- sequences ------------------------------------------------------------------------------------------------------------

_LENGTHS: dict[type, Opcode] = {
    list: ops.LIST_LEN,
    tuple: ops.TUPLE_LEN,
    str: ops.STR_LEN,
    bytes: ops.BYTES_LEN,
    bytearray: ops.BYTEARRAY_LEN,
    array.array: ops.ARRAY_LEN,
}


def length_of(meta: MetaInterpreter, box: Box) -> Value | None:
    """`len(x)` of an exact builtin sequence or a named tuple as an i; None for anything else. The class is guarded."""
    cls = type(box.object)
    opcode = _LENGTHS.get(cls)
    if opcode is None:
        if not meta.is_steady(cls) or not is_plain_tuple(cls, "__len__"):
            return None
        opcode = ops.TUPLE_LEN
        meta.rely_on_class(cls)
    if cls is list:
        return list_length(meta, box)
    meta.guard_class(box)
    if box.is_const and opcode.is_pure:
        return Const("i", len(box.object))
    owner = meta.ref(box)
    return lasting_length(meta, opcode, owner) if opcode.is_pure else meta.emit(opcode, owner)


def _index(meta: MetaInterpreter, sequence: Box, key: Box) -> Value | None:
    """The index as an i within bounds, counted from the start; None if it is out of bounds or no index."""
    key = plain_number(meta, key)
    if type(key.object) not in (int, bool):
        return None
    position, count = int(key.object), len(sequence.object)
    if not -count <= position < count:
        return None
    index = as_int(meta, key)
    assert index is not None
    if type(sequence.object) is list and isinstance(index, Const) and position >= 0:
        return constant_index(meta, sequence, index)
    length = length_of(meta, sequence)
    assert length is not None
    if position < 0:
        if not isinstance(index, Const):
            meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_LT, index, Const("i", 0)))
        if isinstance(index, Const) and isinstance(length, Const):
            return Const("i", position + count)
        index = meta.emit(ops.INT_ADD, index, length)
    if isinstance(index, Const) and _LENGTHS.get(type(sequence.object), ops.TUPLE_LEN).is_pure:
        guard_bound(meta, meta.ref(sequence), index, length)
    elif not (isinstance(index, Const) and isinstance(length, Const)):
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.UINT_LT, index, length))
    return index


def _guard_out_of_bounds(meta: MetaInterpreter, sequence: Box, key: Box) -> bool:
    """Guard that what is no index within bounds is an integer out of bounds; False if it is none that fits a machine integer."""
    if type(key.object) not in (int, bool):
        return False
    index = as_int(meta, key)
    if index is None:
        return False
    length = length_of(meta, sequence)
    assert length is not None
    bounds = (length, index) if key.object >= 0 else (index, meta.emit(ops.INT_SUB, Const("i", 0), length))
    opcode = ops.INT_LE if key.object >= 0 else ops.INT_LT
    if not all(isinstance(bound, Const) for bound in bounds):
        meta.guard(ops.GUARD_TRUE, meta.emit(opcode, *bounds))
    return True


@handles("getitem")
def getitem(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`x[key]`."""
    container, key = frame.box(instruction.src[0]), frame.box(instruction.src[1])
    if isinstance(key, VirtualBox) and key.is_virtual and key.cls is slice:
        if is_number_read(frame, frame.position, instruction, container, key.parts):
            cls = meta.guard_class(container)
            frame.registers[instruction.dst[0]] = VirtualBox(container.object[key.object], cls, [container, *key.parts])
            return
        if is_plain(container, key.parts):
            take_slice(meta, frame, instruction, container, key)
            return
    result = _get_sequence_item(meta, frame, instruction, container, key)
    if result is not None:
        frame.registers[instruction.dst[0]] = result
        return
    if is_known_in_parts(meta, container, key) and key.object in container.object:
        frame.registers[instruction.dst[0]] = item_in_parts(container, key)
        return
    cls = type(container.object)
    if is_dict_class(cls) and know_dict(meta, container, "__getitem__") and know_key(meta, key):
        if dict.__contains__(container.object, key.object):
            item = get_item(meta, frame, instruction, container, key)
            assert item is not None
            frame.registers[instruction.dst[0]] = item
        elif raw_lookup(cls, "__missing__")[1] is None:
            _c_getitem(meta, frame, instruction, c.DICT_GETITEM, container, key)
        elif not _call_missing(meta, frame, instruction, container, key):
            _c_getitem(meta, frame, instruction, c.OBJECT_GETITEM, container, key)
        return
    if cls in (list, tuple, str, bytes, bytearray) and _is_plain_slice(key.object):
        meta.guard_class(container)
        meta.guard_class(key)
        # The bounds of a slice are exactly ints or None only as far as seen: others have `__index__`, which is code.
        _c_getitem(meta, frame, instruction, c.OBJECT_GETITEM, container, key, cls)
        return
    if cls is deque and type(key.object) is int and (place := meta.int_value(key)) is not None:
        meta.guard_class(container)
        meta.c_call(frame, instruction, c.DEQUE_GETITEM, [meta.ref(container), place], [container.object, key.object])
        return
    found = lookup_attribute(cls, "__getitem__")
    if (
        found.kind == "method"
        and not isinstance(container.object, type)
        and meta.is_steady(cls)
        and can_inline(meta, found.attribute)
    ):
        meta.guard_class(container)
        meta.rely_on_class(cls)
        if call_python(meta, frame, found.attribute, [container, key], Pending(instruction, _deliver)):
            return
    _c_getitem(meta, frame, instruction, c.OBJECT_GETITEM, container, key)


def _call_missing(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, container: Box, key: Box) -> bool:
    """Look into the `__missing__` of a dict that has not got the key, which is guarded; False if that is not Python's."""
    found = lookup_attribute(type(container.object), "__missing__")
    if found.kind != "method" or not can_inline(meta, found.attribute):
        return False
    get_item(meta, frame, instruction, container, key)
    return call_python(meta, frame, found.attribute, [container, key], Pending(instruction, _deliver))


def _is_plain_slice(key: Any) -> bool:
    return type(key) is slice and all(type(part) in (int, type(None)) for part in (key.start, key.stop, key.step))


def _c_getitem(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    row: Any,
    container: Box,
    key: Box,
    known: type | None = None,
) -> None:
    refs = [meta.ref(container), meta.ref(key)]
    box = meta.c_call(frame, instruction, row, refs, [container.object, key.object])
    if known is not None and box.ref is not None and type(box.object) is known:
        meta.types[box.ref] = known


def _deliver(meta: MetaInterpreter, frame: MetaFrame, result: Box) -> None:
    instruction = frame.jitcode.instructions[frame.position - 1]
    if instruction.dst:
        frame.registers[instruction.dst[0]] = result


def _get_sequence_item(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, container: Box, key: Box
) -> Box | None:
    """An item of an exact builtin sequence by an index within bounds; IndexError for one out of bounds."""
    cls = type(container.object)
    if cls not in _LENGTHS:
        if not meta.is_steady(cls) or not is_plain_tuple(cls, "__getitem__", "__len__"):
            return None
        cls = tuple
    if cls in (tuple, str) and key.is_const:
        know_piece(meta, container)
    index = _index(meta, container, key)
    if index is None:
        if type(container.object) is cls and _guard_out_of_bounds(meta, container, key):
            residual.raise_known(meta, IndexError, operator.getitem, container.object, key.object)
        return None
    obj = container.object[key.object]
    owner = meta.ref(container)
    both_const = container.is_const and isinstance(index, Const)
    if cls is tuple:
        return tuple_item(meta, owner, index, obj)
    if cls is list:
        if both_const and meta.is_frozen(container):
            return const_box(obj)
        return list_item(meta, owner, index, obj)
    if cls is bytes:
        return const_box(obj) if both_const else meta.int_box(obj, meta.emit(ops.BYTES_GETITEM, owner, index))
    if cls is bytearray:
        return meta.int_box(obj, meta.emit(ops.BYTEARRAY_GETITEM, owner, index))
    if cls is str:
        if both_const:
            return const_box(obj)
        return meta.c_call(
            frame, instruction, c.STR_GETITEM, [owner, index], [container.object, key.object], known=str
        )
    return _get_array_item(meta, container, owner, index, obj)


def _get_array_item(meta: MetaInterpreter, container: Box, owner: Value, index: Value, obj: Any) -> Box | None:
    typecode = container.object.typecode
    if typecode in ("u", "w"):
        return None
    if typecode in "QL" and not ops.fits_i64(obj):
        return None
    _guard_typecode(meta, owner, typecode)
    if typecode in "df":
        return Box(obj, None, meta.emit(ops.ARRAY_GETITEM_F, owner, index, descr=typecode))
    return meta.int_box(obj, meta.guard(ops.ARRAY_GETITEM_I, owner, index, descr=typecode))


def _guard_typecode(meta: MetaInterpreter, owner: Value, typecode: str) -> None:
    key: Any = (owner, "typecode", typecode)
    if key not in meta.raws:
        meta.guard(ops.GUARD_ARRAY_TYPECODE, owner, descr=typecode)
        meta.raws[key] = owner  # an array never changes its typecode, so this is never forgotten


@handles("delitem")
def delitem(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`del x[key]`."""
    boxes = [frame.box(register) for register in instruction.src]
    container, key = boxes
    if isinstance(key, VirtualBox) and key.is_virtual and key.cls is slice:
        count = items_on_top(container, key.parts)
        if count and drop_top(meta, container, count):
            return
    is_plain_dict = type(container.object) is dict and not is_virtual_dict(container)
    if is_plain_dict and "__builtins__" not in container.object and know_key(meta, key):
        meta.guard_class(container)
        delete_item(meta, frame, instruction, container, key)
        return
    refs, objects = [meta.ref(box) for box in boxes], [box.object for box in boxes]
    meta.c_call(frame, instruction, c.OBJECT_DELITEM, refs, objects, store=lambda _: None)


@handles("setitem")
def setitem(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`x[key] = value`."""
    container, key, value = (frame.box(register) for register in instruction.src)
    cls = type(container.object)
    if cls in (list, bytearray, array.array) and _set_sequence_item(meta, container, key, value):
        return
    if is_dict_class(cls) and know_dict(meta, container, "__setitem__") and know_key(meta, key):
        set_item(meta, frame, instruction, container, key, value)
        return
    found = lookup_attribute(cls, "__setitem__")
    if (
        found.kind == "method"
        and not isinstance(container.object, type)
        and meta.is_steady(cls)
        and can_inline(meta, found.attribute)
    ):
        meta.guard_class(container)
        meta.rely_on_class(cls)
        pending = Pending(instruction, _deliver, finish_discard, (), False)
        if call_python(meta, frame, found.attribute, [container, key, value], pending):
            return
    refs = [meta.ref(container), meta.ref(key), meta.ref(value)]
    objects = [container.object, key.object, value.object]
    meta.c_call(frame, instruction, c.OBJECT_SETITEM, refs, objects, store=lambda _: None)


_ARRAY_RANGES = {
    "b": (-(1 << 7), 1 << 7), "B": (0, 1 << 8), "h": (-(1 << 15), 1 << 15), "H": (0, 1 << 16), "i": (-(1 << 31), 1 << 31),
    "I": (0, 1 << 32), "l": (-(1 << 63), 1 << 63), "q": (-(1 << 63), 1 << 63), "L": (0, 1 << 63), "Q": (0, 1 << 63),
}  # fmt: skip


def _set_sequence_item(meta: MetaInterpreter, container: Box, key: Box, value: Box) -> bool:
    cls = type(container.object)
    index = None
    if cls is list:
        index = _index(meta, container, key)
        if index is None:
            if _guard_out_of_bounds(meta, container, key):
                residual.raise_known(meta, IndexError, operator.setitem, container.object, key.object, None)
            return False
        if runs_code_at_end(value.object) or runs_code_at_end(container.object[key.object]):
            return False  # as for attributes
        owner, content = meta.ref(container), meta.ref(value)
        store_item(meta, owner, index, content)
        meta.effect_done = True
        container.object[key.object] = value.object
        return True
    if cls is array.array:
        return _set_array_item(meta, container, key, value)
    if type(value.object) not in (int, bool) or not 0 <= value.object < 256:
        return False
    index = _index(meta, container, key)
    number = as_int(meta, value)
    if index is None or number is None:
        return False
    guard_range(meta, number, 0, 256)
    meta.emit(ops.BYTEARRAY_SETITEM, meta.ref(container), index, number)
    meta.effect_done = True
    container.object[key.object] = value.object
    return True


def guard_range(meta: MetaInterpreter, number: Value, low: int, high: int) -> None:
    """Guard low <= number < high."""
    if isinstance(number, Const):
        return
    if low == 0 and high < 1 << 63:
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.UINT_LT, number, Const("i", high)))
        return
    if low > -(1 << 63):
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_GE, number, Const("i", low)))
    if high < 1 << 63:
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_LT, number, Const("i", high)))


def _set_array_item(meta: MetaInterpreter, container: Box, key: Box, value: Box) -> bool:
    typecode = container.object.typecode
    obj = value.object
    if typecode == "d":
        if type(obj) is not float:
            return False
    elif typecode not in _ARRAY_RANGES or type(obj) is not int:
        return False
    else:
        low, high = _ARRAY_RANGES[typecode]
        if not low <= obj < high:
            return False
    index = _index(meta, container, key)
    if index is None:
        return False
    owner = meta.ref(container)
    _guard_typecode(meta, owner, typecode)
    if typecode == "d":
        meta.emit(ops.ARRAY_SETITEM_F, owner, index, meta.float_value(value), descr=typecode)
    else:
        number = as_int(meta, value)
        assert number is not None
        guard_range(meta, number, low, high)
        meta.emit(ops.ARRAY_SETITEM_I, owner, index, number, descr=typecode)
    meta.effect_done = True
    container.object[key.object] = obj
    return True


@handles("contains")
def contains(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`x in y`."""
    item, container = frame.box(instruction.src[0]), frame.box(instruction.src[1])
    cls = type(container.object)
    invert = instruction.arg
    know_texts(meta, item)
    if cls is tuple and container.is_const and item.is_const and _compare_plainly(item.object, *container.object):
        frame.registers[instruction.dst[0]] = const_box((item.object in container.object) != invert)
        return
    row = None
    if cls is tuple and container.is_const and type(item.object) in _COMPARED and _compare_plainly(*container.object):
        truth = _is_one_of(meta, item, container.object)
        if truth is not None:
            found = (item.object in container.object) != invert
            truth = meta.emit(ops.BOOL_NOT, truth) if invert else truth
            frame.registers[instruction.dst[0]] = Box(found, None, truth)
            return
        meta.guard_class(item)
        row = c.TUPLE_CONTAINS
    elif cls in (set, frozenset) and know_key(meta, item):
        meta.guard_class(container)
        row = c.SET_CONTAINS
    elif cls in (str, bytes) and type(item.object) is cls:
        meta.guard_class(container)
        meta.guard_class(item)
        row = c.TEXT_CONTAINS
    elif is_known_in_parts(meta, container, item):
        frame.registers[instruction.dst[0]] = const_box((item.object in container.object) != invert)
        return
    elif is_dict_class(cls) and know_dict(meta, container, "__contains__") and know_key(meta, item):
        truth = has_item(meta, frame, instruction, container, item)
        is_there = item.object in container.object
        if truth is not None and invert:
            truth = meta.emit(ops.BOOL_NOT, truth)
        frame.registers[instruction.dst[0]] = (
            const_box(not invert) if truth is None else Box(is_there != invert, None, truth)
        )
        return
    if row is not None:
        if cls is not set and item.is_const and container.is_const:
            frame.registers[instruction.dst[0]] = const_box((item.object in container.object) != invert)
            return
        objects = [container.object, item.object]
    else:
        found = lookup_attribute(cls, "__contains__")
        if found.kind == "method" and not invert and meta.is_steady(cls) and can_inline(meta, found.attribute):
            meta.guard_class(container)
            meta.rely_on_class(cls)
            pending = Pending(instruction, _deliver_truth, finish_truth, (), True, _check_truth)
            if call_python(meta, frame, found.attribute, [container, item], pending):
                return
        row = c.OBJECT_CONTAINS
        objects = [container.object, item.object]

    _contains_call(meta, frame, instruction, row, [meta.ref(container), meta.ref(item)], objects, invert)


_COMPARED = HASHED_BY_VALUE - {float}
"""Classes whose instances a tuple has if an equal one is there; a float that is no number is equal only as the same object."""


_MOST_COMPARED = 6
"""Constants that a number or string is compared with one by one."""


def _is_one_of(meta: MetaInterpreter, item: Box, constants: tuple[Any, ...]) -> Value | None:
    """Whether an int or string is one of some constants of its class, as a truth; None: they are too many, or others."""
    cls = type(item.object)
    if cls not in (int, str) or not 0 < len(constants) <= _MOST_COMPARED or any(type(each) is not cls for each in constants):
        return None
    if cls is int:
        raw = meta.int_value(item)
        if raw is None or not all(map(ops.fits_i64, constants)):
            return None
        truths = [meta.emit(ops.INT_EQ, raw, Const("i", each)) for each in constants]
    else:
        meta.guard_class(item)
        truths = [meta.emit(ops.STR_EQ, meta.ref(item), Const("r", each)) for each in constants]
    if len(truths) == 1:
        return truths[0]
    found = meta.emit(ops.BOOL_TO_INT, truths[0])
    for truth in truths[1:]:
        found = meta.emit(ops.INT_OR, found, meta.emit(ops.BOOL_TO_INT, truth))
    return meta.emit(ops.INT_NE, found, Const("i", 0))


def _compare_plainly(*objects: Any) -> bool:
    """Whether comparing constants with each other runs no code: numbers, strings, and classes without a metaclass."""
    return all(type(obj) in HASHED_BY_VALUE or type(obj) is type for obj in objects)


def _contains_call(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    row: Any,
    refs: list[Value],
    objects: list[Any],
    invert: bool,
) -> None:
    helper = const_box(_not_contains if invert else operator.contains)
    if row is c.OBJECT_CONTAINS:
        boxes = [Box(obj, ref) for obj, ref in zip(objects, refs, strict=True)]
        result = meta.residual_call(frame, instruction, helper, boxes, known=bool)
        frame.registers[instruction.dst[0]] = Box(result.object, result.ref, meta.bool_value(result))
        return
    # No code runs, so the instruction may be repeated: the guard's snapshot is its start.
    start = meta.snapshot()
    result = meta.c_call(frame, instruction, row, refs, objects, store=lambda _: None, snapshot=lambda: start)
    assert result.raw is not None
    opcode = ops.INT_EQ if invert else ops.INT_NE
    truth = meta.emit(opcode, result.raw, Const("i", 0))
    frame.registers[instruction.dst[0]] = Box(bool(result.object) != invert, None, truth)


def _not_contains(container: Any, item: Any) -> bool:
    return item not in container


def _check_truth(meta: MetaInterpreter, result: Box) -> None:
    if type(result.object) is bool:
        meta.guard_class(result)
        return
    raise meta.aborted(AbortReason.UNSUPPORTED, "a __contains__ gave something else than a bool")


def _deliver_truth(meta: MetaInterpreter, frame: MetaFrame, result: Box) -> None:
    instruction = frame.jitcode.instructions[frame.position - 1]
    frame.registers[instruction.dst[0]] = Box(result.object, result.ref, meta.bool_value(result))


def finish_truth(result: Any) -> bool:
    """What `in` makes of the result of `__contains__`."""
    return bool(result)


# --- displays -------------------------------------------------------------------------------------------------------------


@handles("build_tuple")
def build_tuple(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`(a, b)`."""
    boxes = [frame.box(register) for register in instruction.src]
    items = tuple([box.object for box in boxes])
    if all(box.is_const for box in boxes):
        frame.registers[instruction.dst[0]] = const_box(items)
        return
    op = new_tuple(meta, [meta.ref(box) for box in boxes])
    if all(type(item) is CellType for item in items):
        meta.cells[op] = tuple(boxes)
    frame.registers[instruction.dst[0]] = Box(items, op)


@handles("build_list")
def build_list(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`[a, b]`."""
    boxes = [frame.box(register) for register in instruction.src]
    made = new_list(meta, [meta.ref(box) for box in boxes])
    frame.registers[instruction.dst[0]] = Box([box.object for box in boxes], made)


@handles("list_append")
def list_append(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """The append of a comprehension."""
    target, item = frame.box(instruction.src[0]), frame.box(instruction.src[1])
    append_item(meta, target, item)


_MOST_EXTENDED = 8


@handles("list_extend")
def list_extend(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`[a, *items]`: a few items of a list or tuple are appended one by one, so that neither need exist."""
    target, values = frame.box(instruction.src[0]), frame.box(instruction.src[1])
    cls = type(values.object)
    if cls not in (list, tuple) or type(target.object) is not list or len(values.object) > _MOST_EXTENDED:
        operation_call(meta, frame, instruction)
        return
    meta.guard_class(target)
    meta.guard_class(values)
    items = list(values.object)
    source = meta.ref(values)
    if meta.is_frozen(values):
        boxes = [const_box(item) for item in items]
    elif cls is list:
        guard_length(meta, values)
        boxes = [list_item(meta, source, Const("i", position), item) for position, item in enumerate(items)]
    else:
        guard_tuple_length(meta, source, len(items))
        boxes = [tuple_item(meta, source, Const("i", position), item) for position, item in enumerate(items)]
    for box in boxes:
        append_item(meta, target, box)


# --- iteration --------------------------------------------------------------------------------------------------------------


@handles("get_iter")
def get_iter(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`iter(x)`."""
    box = frame.box(instruction.src[0])
    if not iterate(meta, frame, instruction, box):
        meta.c_call(frame, instruction, c.OBJECT_ITER, [meta.ref(box)], [box.object])


def iterate(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box) -> bool:
    """Put an iterator over what the box holds where the instruction wants it; False if CPython must be asked."""
    cls = type(box.object)
    if isinstance(box, GeneratorBox) and box.is_virtual:
        _begin_and_store(meta, frame, instruction, box)
        return True
    is_mapping = isinstance(box, VirtualBox) and box.is_virtual and box.cls in (map, filter)
    virtual = box if is_mapping else virtual_iterator(meta, box)
    if virtual is not None:
        frame.registers[instruction.dst[0]] = virtual
        return True
    if cls in _BUILTIN_ITERATORS or cls is GeneratorType:
        meta.guard_class(box)
        frame.registers[instruction.dst[0]] = box
        return True
    if cls in _NO_CODE_ITERABLES or cls in _VIEWS:
        meta.guard_class(box)
        start = meta.snapshot()
        result = meta.c_call(
            frame, instruction, c.BUILTIN_ITER, [meta.ref(box)], [box.object], store=lambda _: None, snapshot=lambda: start
        )
        assert result.ref is not None
        meta.types[result.ref] = type(result.object)
        frame.registers[instruction.dst[0]] = result
        return True
    return not isinstance(box.object, type) and _iterate_instance(meta, frame, instruction, box)


@intrinsic(iter)
def _iter(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return len(boxes) == 1 and iterate(meta, frame, instruction, boxes[0])


def advance(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """`next(it)` and `next(it, default)` of iterators in parts, of builtin ones, and of instances with a `__next__` of Python."""
    iterator, *default = boxes
    if isinstance(iterator, VirtualBox) and iterator.is_virtual:
        if iterator.cls is GeneratorType and type(iterator.parts[0].object) is not Suspended:
            meta.ref(iterator)
            return _ask_generator(meta, frame, instruction, boxes)
        if iterator.cls not in _ITERATORS_IN_PARTS or iterator.cls is GeneratorType:
            return False
        item = step(meta, iterator)
    elif type(iterator.object) is GeneratorType:
        return _ask_generator(meta, frame, instruction, boxes)
    elif type(iterator.object) in _BUILTIN_ITERATORS:
        item = _next_of_builtin(meta, frame, instruction, iterator)
    else:
        found = lookup_attribute(type(iterator.object), "__next__")
        if default or found.kind != "method" or not meta.is_steady(type(iterator.object)):
            return False
        if isinstance(iterator.object, type) or not can_inline(meta, found.attribute):
            return False
        meta.rely_on_class(meta.guard_class(iterator))
        return call_python(meta, frame, found.attribute, [iterator], Pending(instruction, _deliver))
    if item is None and not default:
        record_raise(const_box(StopIteration))
    frame.registers[instruction.dst[0]] = default[0] if item is None else item
    return True


def _ask_generator(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    finish = give_item if len(boxes) == 1 else give_item_or
    return ask_kept(meta, frame, instruction, boxes[0], finish, *boxes[1:])


@intrinsic(GeneratorType.send)
def _send(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if len(boxes) != 2:
        return False
    return ask_kept(meta, frame, instruction, boxes[0], give_item, sent=boxes[1])


def _next_of_builtin(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, iterator: Box) -> Box | None:
    """The next item, None at the end; an exception (a dict has changed) ends the recording."""
    meta.guard_class(iterator)
    start = meta.snapshot()

    def store(result: Box) -> None:
        frame.registers[instruction.dst[0]] = result

    item = meta.c_call(
        frame, instruction, c.BUILTIN_NEXT, [meta.ref(iterator)], [iterator.object], store=store, evaluate=_next, may_raise=False
    )
    assert item.ref is not None
    if item.object is _END:
        meta.guard(ops.GUARD_EXHAUSTED, item.ref, snapshot=meta.snapshot_after(frame, instruction))
        return None
    # Without an item the iterator may be asked again, which raises.
    meta.guard(ops.GUARD_NEXT, item.ref, snapshot=start)
    return item


def _begin_and_store(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: GeneratorBox) -> None:
    """A generator is its own iterator, and is only held where that goes."""
    held, at_iter = frame.registers[instruction.src[0]], instruction.op == "get_iter"
    if at_iter:
        frame.registers[instruction.src[0]] = None
        frame.registers[instruction.dst[0]] = box
        begin_generator(meta, frame, box, instruction.next_index)
        frame.registers[instruction.src[0]] = held
    frame.registers[instruction.dst[0]] = box


def _iterate_instance(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box) -> bool:
    """Look into an `__iter__` of Python; one that is a generator function gives a generator that need not exist."""
    cls = type(box.object)
    found = lookup_attribute(cls, "__iter__")
    if found.kind != "method" or not meta.is_steady(cls):
        return False
    function = const_box(found.attribute)
    if refusal(meta, found.attribute) and is_generator_function(meta, found.attribute):
        made = virtual_generator(meta, function, [box], ())
        if made is None:
            return False
        meta.guard_class(box)
        meta.rely_on_class(cls)
        assert isinstance(made, GeneratorBox)
        _begin_and_store(meta, frame, instruction, made)
        return True
    if not can_inline(meta, found.attribute):
        return False
    meta.guard_class(box)
    meta.rely_on_class(cls)
    pending = Pending(instruction, _deliver_iterator, finish_iterator, (), True, _check_iterator, True)
    return call_python(meta, frame, found.attribute, [box], pending)


def _check_iterator(meta: MetaInterpreter, result: Box) -> None:
    """At the return of `__iter__`."""
    if isinstance(result, VirtualBox) and result.is_virtual and result.cls not in _ITERATORS_IN_PARTS:
        meta.ref(result)
    if isinstance(result, VirtualBox) and result.is_virtual:
        return
    cls = type(result.object)
    if not meta.is_steady(cls) or raw_lookup(cls, "__next__")[1] is None:
        raise meta.aborted(AbortReason.UNSUPPORTED, "an __iter__ gave no iterator")
    meta.guard_class(result)
    meta.rely_on_class(cls)


_ITERATORS_IN_PARTS = (GeneratorType, LIST_ITERATOR, TUPLE_ITERATOR, RANGE_ITERATOR, enumerate, zip)


def _deliver_iterator(meta: MetaInterpreter, frame: MetaFrame, result: Box) -> None:
    instruction = frame.jitcode.instructions[frame.position - 1]
    if isinstance(result, GeneratorBox) and result.is_virtual:
        _begin_and_store(meta, frame, instruction, result)
    else:
        frame.registers[instruction.dst[0]] = result


def finish_iterator(result: Any) -> Any:
    """What `iter` makes of the result of `__iter__`."""
    if not hasattr(type(result), "__next__"):
        raise TypeError(f"iter() returned non-iterator of type '{type(result).__name__}'")
    return result


class _Exhausted:
    """What a recorded `next` gives at the end."""


_END = _Exhausted()


def _next(iterator: Any) -> Any:
    return next(iterator, _END)


@handles("for_iter")
def for_iter(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """One step of a `for` loop."""
    iterator = frame.box(instruction.src[0])
    if isinstance(iterator, GeneratorBox) and iterator.is_virtual and enter_generator(meta, frame, instruction, iterator):
        return
    if isinstance(iterator, VirtualBox) and iterator.is_virtual and iterator.cls not in (GeneratorType, map, filter):
        following = step(meta, iterator)
        frame.registers[instruction.dst[0]] = following
        if following is None:
            if instruction.src[0] >= frame.jitcode.n_locals:
                frame.registers[instruction.src[0]] = None
            frame.position = instruction.arg
        return
    if isinstance(iterator, GeneratorBox) and iterator.is_virtual and is_to_be_kept(frame, frame.position - 1):
        meta.ref(iterator)
    cls = type(iterator.object)
    if cls is GeneratorType and ask_kept(meta, frame, instruction, iterator, give_item_to_loop):
        return
    builtin = cls in _BUILTIN_ITERATORS
    if builtin:
        meta.guard_class(iterator)
    row = c.BUILTIN_NEXT if builtin else c.OBJECT_NEXT
    jitcode = frame.jitcode
    target = jitcode.instructions[instruction.arg]
    register = instruction.dst[0]

    def store(result: Box) -> None:
        frame.registers[register] = result

    # An exception cannot be recorded: without one there may be an item or none, which one guard cannot tell.
    item = meta.c_call(
        frame, instruction, row, [meta.ref(iterator)], [iterator.object], store=store, evaluate=_next, may_raise=False
    )
    value = item.ref
    assert value is not None
    if item.object is _END:
        # On failure there is an item: go on behind the instruction, with it on the stack.
        meta.guard(ops.GUARD_EXHAUSTED, value, snapshot=meta.snapshot_after(frame, instruction))
        frame.registers[register] = None
        if instruction.src[0] >= jitcode.n_locals:
            frame.registers[instruction.src[0]] = None
        frame.position = instruction.arg
        if row.runs_code:
            behind = meta.snapshot_of(frame.state_at(target.index, instruction.index))
            meta.guard(ops.GUARD_NOT_INVALIDATED, snapshot=behind)
        return
    # On failure the iterator is exhausted: go on behind the loop, without it.
    end: Snapshot = meta.snapshot_of(frame.state_at(target.index, instruction.index))
    meta.guard(ops.GUARD_NEXT, value, snapshot=end)
    if row.runs_code:
        meta.guard(ops.GUARD_NOT_INVALIDATED, snapshot=meta.snapshot_after(frame, instruction))


# --- unpacking --------------------------------------------------------------------------------------------------------------


@handles("unpack_sequence")
def unpack_sequence(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`a, b = x`."""
    box = frame.box(instruction.src[0])
    cls = type(box.object)
    count = len(instruction.dst)
    if cls is not tuple and _is_unpacked_plainly(meta, cls):
        cls = tuple
    if cls in (tuple, list) and len(box.object) == count:
        items = list(box.object)
        if cls is tuple:
            know_piece(meta, box)
        _guard_count(meta, box)
    else:
        # Unpacking something else may run code; it is done once, into a tuple which is then taken apart.
        helper = _UNPACKING.get(count)
        behind: list[Box] = []

        def store(result: Box) -> None:
            behind.append(result)

        box = meta.residual_call(
            frame,
            instruction,
            const_box(helper or unpack_operation),
            [box] if helper else [const_box(count), box],
            store=store,
            known=tuple,
            snapshot=lambda: _with_unpacked(meta, frame, instruction, behind[0]),
        )
        cls, items = tuple, list(box.object)
    owner = meta.ref(box)
    read = tuple_item if cls is tuple else list_item
    for position, (register, item) in enumerate(zip(instruction.dst, items, strict=True)):
        frame.registers[register] = read(meta, owner, Const("i", position), item)


def _unpack_two(values: Any) -> tuple[Any, ...]:
    first, second = values
    return first, second


def _unpack_three(values: Any) -> tuple[Any, ...]:
    first, second, third = values
    return first, second, third


_UNPACKING = {2: _unpack_two, 3: _unpack_three}


def _is_unpacked_plainly(meta: MetaInterpreter, cls: type) -> bool:
    """Whether instances of a subclass of tuple are unpacked as tuples are."""
    return meta.is_steady(cls) and is_plain_tuple(cls, "__iter__", "__len__")


def _guard_count(meta: MetaInterpreter, box: Box) -> None:
    """Make the length of a list or tuple, exact or of a subclass that unpacks plainly, a constant."""
    if type(box.object) is list:
        guard_length(meta, box)
        return
    cls = meta.guard_class(box)
    if cls is not tuple:
        meta.rely_on_class(cls)
    if not box.is_const:
        guard_tuple_length(meta, meta.ref(box), len(box.object))


def _with_unpacked(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, result: Box) -> Snapshot:
    """The state at the instruction with its operand replaced by the tuple of the items: then it may be repeated."""
    register = instruction.src[0]
    before = frame.registers[register]
    frame.registers[register] = result
    snapshot = meta.snapshot_of(frame.state_at(instruction.index, instruction.index))
    frame.registers[register] = before
    return snapshot


@handles("unpack_ex")
def unpack_ex(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`a, *b = x`."""
    # In two steps, so that the instruction may be repeated after each: the items into a list, once, which replaces the
    # operand; then that list is taken apart, which runs no code.
    register = instruction.src[0]
    box = frame.box(register)
    cls = type(box.object)
    plain = cls in (list, tuple) or _is_unpacked_plainly(meta, cls)
    if plain and sum(instruction.arg) <= len(box.object) <= _MOST_UNPACKED:
        _unpack_known(meta, frame, instruction, box)
        return
    if type(box.object) not in (list, tuple):
        flat: list[Box] = []
        box = meta.residual_call(
            frame,
            instruction,
            const_box(_list_of),
            [box],
            store=flat.append,
            known=list,
            snapshot=lambda: _with_unpacked(meta, frame, instruction, flat[0]),
        )
    again = _with_unpacked(meta, frame, instruction, box)
    result = meta.residual_call(
        frame,
        instruction,
        const_box(OPERATIONS["unpack_ex"]),
        [const_box(instruction.arg), box],
        store=lambda _: None,
        known=tuple,
        snapshot=lambda: again,
    )
    owner = meta.ref(result)
    for position, register in enumerate(instruction.dst):
        frame.registers[register] = tuple_item(meta, owner, Const("i", position), result.object[position])


_MOST_UNPACKED = 16
"""Items of what is unpacked into a starred target, for whose number a trace is made."""


def _unpack_known(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box) -> None:
    """Each item has its place: those of the starred target are a list that need not be made."""
    before, after = instruction.arg
    items = list(box.object)
    _guard_count(meta, box)
    owner = meta.ref(box)
    read = list_item if type(box.object) is list else tuple_item
    boxes = [read(meta, owner, Const("i", position), item) for position, item in enumerate(items)]
    end = len(boxes) - after
    rest = new_list(meta, [meta.ref(each) for each in boxes[before:end]])
    given = [*boxes[:before], Box(items[before:end], rest), *boxes[end:]]
    for register, each in zip(instruction.dst, given, strict=True):
        frame.registers[register] = each


def _list_of(iterable: Any) -> list[Any]:
    """The items of what stands right of a starred assignment."""
    cls = type(iterable)
    if not hasattr(cls, "__iter__") and not hasattr(cls, "__getitem__"):
        raise TypeError(f"cannot unpack non-iterable {cls.__name__} object")
    return list(iter(iterable))  # the iterable itself is not asked for its length


@handles("get_len")
def get_len(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """The length of a match subject."""
    box = frame.box(instruction.src[0])
    length = length_of(meta, box)
    if length is None:
        operation_call(meta, frame, instruction)
        return
    frame.registers[instruction.dst[0]] = meta.int_box(len(box.object), length)

