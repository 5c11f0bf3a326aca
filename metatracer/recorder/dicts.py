"""Items of dicts: `d[k]`, `d.get(k)`, `k in d` and `d[k] = v`, with keys whose hash runs no code.

An item whose key is a constant, or a string that a field of an object has had few of, is read and written in its
place in the dict's table (`backend.own_dicts`), as an attribute is: it is known afterwards, and stays in a register while
nothing can see it. Where the place has turned out to change, and for other keys, the dict is searched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.backend.own_dicts import find_item
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import NULL, NULL_OBJECT, Const, Field, Operation, Value
from metatracer.recorder.attributes import read_fixed, store_fixed
from metatracer.recorder.frames import const_box, runs_code_at_end
from metatracer.recorder.hashing import know_key
from metatracer.recorder.virtuals import VirtualBox, is_virtual_dict

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.frames import Box, MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter

MOST_MOVES = 3
"""An item that guards have not found in its place so often is searched."""


def note_made(meta: MetaInterpreter, made: Box) -> None:
    """An empty dict has been made: what it has is known, as long as everything that is stored in dicts is seen."""
    meta.contents[meta.ref(made)] = (made.object, {})


def _known_item(meta: MetaInterpreter, mapping: Box, key: Box) -> Value | None:
    """What a dict that the trace has made holds at a constant name, NULL if nothing; None: not known."""
    content = meta.contents.get(meta.ref(mapping))
    if content is None or not _has_constant_name(meta, key):
        return None
    return content[1].get(key.object, NULL)


def get_item(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, mapping: Box, key: Box) -> Box | None:
    """The item, or None if there is none; guards which of the two. The classes are known."""
    known = _known_item(meta, mapping, key)
    if known is not None:
        if known is NULL:
            return None
        return const_box(known.value) if isinstance(known, Const) else meta.ref_box(dict.get(mapping.object, key.object), known)
    field = fixed_item(meta, frame, instruction, mapping, key)
    if field is not None:
        return read_fixed(meta, mapping, field, dict.get(mapping.object, key.object))
    found = _search(meta, frame, instruction, mapping, key)
    assert found.ref is not None
    if found.object is NULL_OBJECT:
        meta.guard(ops.GUARD_NULL, found.ref)
        return None
    meta.guard(ops.GUARD_NONNULL, found.ref)
    return found


def has_item(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, mapping: Box, key: Box) -> Value | None:
    """A truth that says whether there is an item; None: there is, which is guarded. The classes are known."""
    known = _known_item(meta, mapping, key)
    if known is not None:
        return Const("b", False) if known is NULL else None
    if fixed_item(meta, frame, instruction, mapping, key) is not None:
        return None
    found = _search(meta, frame, instruction, mapping, key).ref
    assert found is not None
    return meta.emit(ops.PTR_NE, found, NULL)


def set_item(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, mapping: Box, key: Box, value: Box
) -> None:
    """Record and do the store to an item. The classes are known."""
    owner = meta.ref(mapping)
    _has_constant_name(meta, key)  # without it, a dict that the trace has made would have to exist
    refs = [owner, meta.ref(key), meta.ref(value)]
    objects = [mapping.object, key.object, value.object]
    if runs_code_at_end(value.object) or runs_code_at_end(dict.get(mapping.object, key.object)):
        # What the dict holds now, or will hold when the trace comes by again, is freed by the store.
        meta.c_call(frame, instruction, c.OBJECT_SETITEM, refs, objects, store=lambda _: None)
        return
    content = meta.contents.get(owner)
    if content is None:
        _tell_apart(meta, owner, mapping.object)
        if _set_in_place(meta, frame, instruction, mapping, key, value):
            return
    is_new = not dict.__contains__(mapping.object, key.object)
    is_known = content is not None and _has_constant_name(meta, key)
    contents = dict(meta.contents)
    meta.c_call(frame, instruction, c.DICT_SETITEM, refs, objects, store=lambda _: None)
    if content is None or not is_new:
        return  # or what was there may have had a finalizer
    meta.contents.update(contents)
    if is_known:
        meta.contents[owner] = (content[0], {**content[1], key.object: refs[2]})
    else:
        del meta.contents[owner]


def _tell_apart(meta: MetaInterpreter, owner: Value, mapping: Any) -> None:
    """Guard that a dict that is stored to is none whose items are known, or forget these."""
    for made in list(meta.contents):
        if meta.contents[made][0] is mapping:
            del meta.contents[made]
        else:
            meta.guard(ops.GUARD_FALSE, meta.emit(ops.PTR_EQ, owner, made))


def _set_in_place(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, mapping: Box, key: Box, value: Box
) -> bool:
    """Record and do the store to an item that has a place; whether it has."""
    field = fixed_item(meta, frame, instruction, mapping, key)
    if field is None:
        return False
    meta.effect_done = True
    dict.__setitem__(mapping.object, key.object, value.object)
    store_fixed(meta, meta.ref(mapping), meta.ref(value), field)
    return True


def _search(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, mapping: Box, key: Box) -> Box:
    """What is at the key, NULL_OBJECT if nothing. No code is known to run, so the instruction may be repeated."""
    effect_done, start = meta.effect_done, meta.snapshot()
    _has_constant_name(meta, key)  # without it, a dict that the trace has made would have to exist
    refs, objects = [meta.ref(mapping), meta.ref(key)], [mapping.object, key.object]
    found = meta.c_call(frame, instruction, c.DICT_FIND, refs, objects, store=lambda _: None, snapshot=lambda: start)
    meta.effect_done = effect_done
    return found


def fixed_item(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, mapping: Box, key: Box
) -> Field | None:
    """The place of an item with a constant key, guarded; None if it is to be searched."""
    name = key.object
    if not key.is_const and (type(name) is not str or not _is_attribute(key)):
        return None
    if dict.__contains__(mapping.object, "__builtins__") and not meta.host.is_stored_item(mapping.object, name):
        return None  # somebody's globals: assumptions are made on them
    if meta.host.moves_of_item(frame.jitcode.code, instruction.index, name) >= MOST_MOVES:
        return None
    place = find_item(mapping.object, name)
    if place is None or not know_constant(meta, key):
        return None
    field = Field(type(mapping.object), place[0], "item", place[1])
    meta.guard_place(meta.ref(mapping), field)
    return field


def _has_constant_name(meta: MetaInterpreter, key: Box) -> bool:
    """Make the key a constant if it is a string that may be one; whether it is."""
    return type(key.object) is str and know_constant(meta, key)


def know_constant(meta: MetaInterpreter, key: Box) -> bool:
    """Make a key a constant if it comes from an object and is one of few there; whether it is one."""
    if not key.is_const:
        if not (_is_attribute(key) and meta.may_promote(key.object)):
            return False
        meta.promote(key)
    return True


def _is_attribute(key: Box) -> bool:
    """Whether a key comes from an object, such as a node of a syntax tree: there is a good chance that it is the same again."""
    read = key.ref
    if not isinstance(read, Operation):
        return False
    is_item = read.opcode is ops.LIST_GETITEM or read.opcode is ops.TUPLE_GETITEM
    return read.opcode is ops.GETFIELD or (is_item and isinstance(read.args[1], Const))


def copy_dict(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box) -> bool:
    """`dict(x)` and `x.copy()` of an exact dict; False for anything else."""
    if type(box.object) is not dict or is_virtual_dict(box):
        return False
    meta.guard_class(box)
    meta.c_call(frame, instruction, c.DICT_COPY, [meta.ref(box)], [box.object], known=dict)
    return True


def is_known_in_parts(meta: MetaInterpreter, mapping: Box, key: Box) -> bool:
    """Whether a dict has not been made, and the trace knows the key that it is asked for: makes it a constant.

    One that is worked out, too, if it is one of the few that the dict has: to make the dict takes longer than another bridge.
    """
    if not is_virtual_dict(mapping) or not know_key(meta, key):
        return False
    if know_constant(meta, key):
        return True
    is_one = type(key.object) in _WORKED_OUT and key.object in mapping.object and meta.may_promote(key.object)
    if is_one and (type(key.object) is str or meta.int_value(key) is not None):
        meta.promote(key)
    return key.is_const


_WORKED_OUT = (int, str)


def item_in_parts(mapping: Box, key: Box) -> Box:
    """What a dict that has not been made holds at a key that it has."""
    assert isinstance(mapping, VirtualBox)
    places = {name: place for place, name in enumerate(mapping.parts[0].object, 1)}
    return mapping.parts[places[key.object]]


def delete_item(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, mapping: Box, key: Box) -> None:
    """Record and do `del d[key]` of an exact dict. The classes are known."""
    is_freed_quietly = not runs_code_at_end(dict.get(mapping.object, key.object))
    row = c.DICT_DELITEM if is_freed_quietly else c.OBJECT_DELITEM
    refs, objects = [meta.ref(mapping), meta.ref(key)], [mapping.object, key.object]
    meta.c_call(frame, instruction, row, refs, objects, store=lambda _: None)


def update_display(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, target: Box, source: Box) -> bool:
    """`{**source}`: store what an exact dict has in one that is being made; False for another mapping."""
    if any(type(box.object) is not dict or is_virtual_dict(box) for box in (target, source)):
        return False
    meta.guard_class(target)
    meta.guard_class(source)
    refs, objects = [meta.ref(target), meta.ref(source)], [target.object, source.object]
    content = meta.contents.get(refs[0])
    is_empty = content is not None and not content[1] and not target.object
    row = c.DICT_FILL_FROM if is_empty else c.DICT_UPDATE
    meta.c_call(frame, instruction, row, refs, objects, store=lambda _: None)
    return True
