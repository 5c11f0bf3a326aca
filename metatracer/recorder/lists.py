"""Lists: what a trace knows of their items and lengths while it is recorded.

Kept in `meta.heap`, which is cleared when any code may have run:

    (list, "item", 3)   the item at a constant index
    (list, "bound")     the largest constant index that is known to be in the list
    (list, "length")    how long a list is that the trace has made (no two of these are one list)

and in `meta.lasting`:

    (list, "since")     how many operations there were when it was first asked for something

So what an interpreter puts into a list of arguments, or into the registers of a frame that it makes, is known behind it,
and a constant stays one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const, Operation, Value
from metatracer.recorder.frames import Box, const_box

if TYPE_CHECKING:
    from metatracer.recorder.metainterp import MetaInterpreter


def new_list(meta: MetaInterpreter, items: list[Value]) -> Operation:
    """Record a list display; its length and items are known."""
    made = meta.emit(ops.NEW_LIST, *items)
    note_list(meta, made)
    meta.types[made] = list
    heap = meta.heap
    heap[made, "length"] = Const("i", len(items))
    if items:
        heap[made, "bound"] = Const("i", len(items) - 1)
    for index, item in enumerate(items):
        heap[made, "item", index] = item
    return made


def list_length(meta: MetaInterpreter, box: Box) -> Value:
    """The length of an exact list; its class is guarded."""
    meta.guard_class(box)
    if box.is_const and meta.is_frozen(box):
        return Const("i", len(box.object))
    owner = meta.ref(box)
    note_list(meta, owner)
    known = meta.heap.get((owner, "length"))
    return known if known is not None else meta.emit(ops.LIST_LEN, owner)


def guard_length(meta: MetaInterpreter, box: Box) -> None:
    """Make the length of an exact list a constant."""
    length = list_length(meta, box)
    if not isinstance(length, Const):
        meta.guard(ops.GUARD_INT_VALUE, length, descr=len(box.object))


def constant_index(meta: MetaInterpreter, box: Box, index: Const) -> Const:
    """A constant index of a list, checked unless a larger one has been: an interpreter's registers are asked for often."""
    meta.guard_class(box)
    bound = (meta.ref(box), "bound")
    checked = meta.heap.get(bound)
    if not isinstance(checked, Const) or checked.value < index.value:
        length = list_length(meta, box)
        if isinstance(length, Const):
            return index
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.UINT_LT, index, length))
        meta.heap[bound] = index
    return index


def list_item(meta: MetaInterpreter, owner: Value, index: Value, obj: Any) -> Box:
    """The item at an index within bounds, which is `obj` now."""
    key = (owner, "item", index.value) if isinstance(index, Const) else None
    value = meta.heap.get(key) if key is not None else None
    if value is None:
        value = meta.emit(ops.LIST_GETITEM, owner, index)
        if key is not None:
            meta.heap[key] = value
    if isinstance(value, Const):
        return const_box(value.value)
    return meta.ref_box(obj, value)


def store_item(meta: MetaInterpreter, owner: Value, index: Value, content: Value) -> None:
    """Record a store at an index within bounds."""
    meta.emit(ops.LIST_SETITEM, owner, index, content)
    if isinstance(index, Const):
        forget_items(meta, owner, index.value)
        meta.heap[owner, "item", index.value] = content
    else:
        forget_items(meta, owner)


def append_item(meta: MetaInterpreter, target: Box, item: Box) -> None:
    """Record and do `target.append(item)` on an exact list."""
    meta.guard_class(target)
    owner, content = meta.ref(target), meta.ref(item)
    note_list(meta, owner)
    length = meta.heap.get((owner, "length"))
    meta.emit(ops.LIST_APPEND, owner, content)
    meta.effect_done = True
    target.object.append(item.object)
    if not isinstance(length, Const):
        forget_lengths(meta, owner)
        return
    meta.heap[owner, "item", length.value] = content
    meta.heap[owner, "bound"] = length
    meta.heap[owner, "length"] = Const("i", length.value + 1)


def note_list(meta: MetaInterpreter, owner: Value) -> None:
    """A list is asked for something: one that the trace makes later is another one."""
    meta.lasting.setdefault((owner, "since"), Const("i", len(meta.operations)))


def _may_be(meta: MetaInterpreter, one: Value, other: Value) -> bool:
    """Whether two values may be the same list: not if one was made after the other was there."""
    if one is other:
        return True
    lasting = meta.lasting
    for made, there in ((one, other), (other, one)):
        if not isinstance(made, Operation) or made.opcode is not ops.NEW_LIST:
            continue
        if not isinstance(there, Operation) or there.opcode is ops.NEW_LIST:
            return False
        first, then = lasting.get((there, "since")), lasting.get((made, "since"))
        if isinstance(first, Const) and isinstance(then, Const) and first.value < then.value:
            return False
    return True


def forget_items(meta: MetaInterpreter, owner: Value, index: int = -1) -> None:
    """A store to a list at an index (-1: at any) may be to other lists that the trace knows items of."""
    for key in [key for key in meta.heap if type(key) is tuple and len(key) == 3 and key[1] == "item"]:
        if (index < 0 or key[2] == index) and _may_be(meta, owner, key[0]):
            del meta.heap[key]


def note_shorter(meta: MetaInterpreter, owner: Value, count: int) -> None:
    """A list has lost some items at its end; it may be other lists."""
    length = meta.heap.get((owner, "length"))
    if not isinstance(length, Const):
        forget_items(meta, owner)
        _forget(meta, owner, "bound")
        _forget(meta, owner, "length")
        return
    left = length.value - count
    for key in [(owner, "item", index) for index in range(left, length.value)]:
        meta.heap.pop(key, None)
    meta.heap[owner, "length"] = Const("i", left)
    if left:
        meta.heap[owner, "bound"] = Const("i", left - 1)
    else:
        meta.heap.pop((owner, "bound"), None)


def forget_lengths(meta: MetaInterpreter, owner: Value) -> None:
    """A list has become longer; it may be other lists."""
    _forget(meta, owner, "length")


def _forget(meta: MetaInterpreter, owner: Value, what: str) -> None:
    for key in [key for key in meta.heap if type(key) is tuple and key[1] == what and _may_be(meta, owner, key[0])]:
        del meta.heap[key]
