"""Tuples, and lengths of strings: what a trace knows of them while it is recorded.

Nothing of this ever changes, so what has been read or checked once is not recorded again. Kept in `meta.lasting`:

    (tuple, "item", 3)      the item at a constant index
    (sequence, "length")    how long it is
    (sequence, "bound")     the largest constant index that is known to be within it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import is_plain_tuple
from metatracer.ir import opcodes as ops
from metatracer.ir.pure_calls import IMMUTABLE
from metatracer.ir.values import Const, Operation, Value
from metatracer.recorder.frames import Box, const_box

if TYPE_CHECKING:
    from metatracer.ir.opcodes import Opcode
    from metatracer.recorder.metainterp import MetaInterpreter


_MRO_OF = type.__dict__["__mro__"].__get__
_LARGEST_PIECE = 2000
"""Tuples that a piece may consist of: finding out takes time."""
_MOST_PIECES = 3
"""Tuples or strings that are made constants at one place: where more come by, they are data."""


def is_found_from_constant(value: Value | None) -> bool:
    """Whether a constant leads to a value by way of fields and constant indices, as to a piece of the guest program."""
    while isinstance(value, Operation) and (
        value.opcode is ops.GETFIELD
        or (value.opcode in (ops.LIST_GETITEM, ops.TUPLE_GETITEM) and isinstance(value.args[1], Const))
    ):
        value = value.args[0]
    return isinstance(value, Const)


def know_piece(meta: MetaInterpreter, box: Box) -> None:
    """A tuple, an exact or a named one, or a string is looked into: make it a constant if it is a piece of the guest program.

    (The tokens of a line, the operands of an instruction.) One guard, and all that it consists of is known. It consists of
    names and numbers only, as the trace keeps it alive: nobody notices when these end.
    """
    if box.is_const or not is_found_from_constant(box.ref) or not _is_text(box.object):
        return
    if meta.may_promote(box.object, most=_MOST_PIECES):
        meta.promote(box)


def know_texts(meta: MetaInterpreter, *boxes: Box) -> None:
    """Something is found out from strings: make them constants if all of them are, or are pieces of the guest program."""
    if all(box.is_const or (type(box.object) is str and is_found_from_constant(box.ref)) for box in boxes):
        for box in boxes:
            know_piece(meta, box)


def _is_text(obj: Any) -> bool:
    """Whether a tuple consists of names, numbers, and tuples of such."""
    work, seen = [obj], 0
    while work:
        obj = work.pop()
        cls = type(obj)
        if cls is tuple or (tuple in _MRO_OF(cls) and is_plain_tuple(cls)):
            work.extend(tuple.__iter__(obj))
            seen += 1
            if seen > _LARGEST_PIECE:
                return False
        elif cls not in IMMUTABLE:
            return False
    return True


def new_tuple(meta: MetaInterpreter, items: list[Value], cls: type = tuple) -> Operation:
    """Record a tuple display, or the making of a named tuple; its length and items are known."""
    if cls is tuple:
        made = meta.emit(ops.NEW_TUPLE, *items)
        meta.types[made] = tuple
    else:
        made = meta.emit(ops.NEW_NAMED_TUPLE, *items, descr=cls)
        meta.know_type(made, cls)
    lasting = meta.lasting
    lasting[made, "length"] = Const("i", len(items))
    for index, item in enumerate(items):
        lasting[made, "item", index] = item
    return made


def known_items(meta: MetaInterpreter, box: Box) -> list[Value] | None:
    """The items of a tuple whose length the trace knows; None of any other."""
    if box.is_const:
        return [Const("r", item) for item in box.object]
    owner = meta.ref(box)
    length = meta.lasting.get((owner, "length"))
    if not isinstance(length, Const):
        return None
    return [meta.ref(tuple_item(meta, owner, Const("i", index), item)) for index, item in enumerate(box.object)]


def lasting_length(meta: MetaInterpreter, opcode: Opcode, owner: Value) -> Value:
    """The length of a tuple, str or bytes as an i; `opcode` reads it."""
    key = (owner, "length")
    known = meta.lasting.get(key)
    if known is None:
        known = meta.lasting[key] = meta.emit(opcode, owner)
    return known


def guard_tuple_length(meta: MetaInterpreter, owner: Value, count: int) -> None:
    """Make the length of a tuple, which is `count`, a constant."""
    length = lasting_length(meta, ops.TUPLE_LEN, owner)
    if not isinstance(length, Const):
        meta.guard(ops.GUARD_INT_VALUE, length, descr=count)
        meta.lasting[owner, "length"] = Const("i", count)


def guard_bound(meta: MetaInterpreter, owner: Value, index: Const, length: Value) -> None:
    """Guard that a constant index is within a sequence whose length never changes."""
    if isinstance(length, Const):
        return
    bound = (owner, "bound")
    checked = meta.lasting.get(bound)
    if not isinstance(checked, Const) or checked.value < index.value:
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.UINT_LT, index, length))
        meta.lasting[bound] = index


def tuple_item(meta: MetaInterpreter, owner: Value, index: Value, obj: Any) -> Box:
    """The item of a tuple at an index within bounds, which is `obj`."""
    if not isinstance(index, Const):
        return meta.ref_box(obj, meta.emit(ops.TUPLE_GETITEM, owner, index))
    if isinstance(owner, Const):
        return const_box(obj)
    key = (owner, "item", index.value)
    value = meta.lasting.get(key)
    if value is None:
        value = meta.lasting[key] = meta.emit(ops.TUPLE_GETITEM, owner, index)
    if isinstance(value, Const):
        return const_box(value.value)
    return meta.ref_box(obj, value)
