"""Dictionaries, sets and strings that are written out: `{key: value}`, `{item}`, f-strings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import raw_lookup
from metatracer.frontend.operations import OPERATIONS
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.pure_calls import NOTHING, fold
from metatracer.ir.values import Const
from metatracer.recorder.control import operation_call
from metatracer.recorder.dicts import note_made, set_item, update_display
from metatracer.recorder.frames import Box, MetaFrame, const_box, runs_code_at_end
from metatracer.recorder.hashing import know_key
from metatracer.recorder.metainterp import MetaInterpreter, handles
from metatracer.recorder.numeric import text_of_number
from metatracer.recorder.special_calls import look_into_text
from metatracer.recorder.tuples import know_texts, new_tuple
from metatracer.recorder.virtuals import VirtualBox, is_virtual_dict, virtual_dict

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.ir.values import CFunction, Snapshot, Value


@handles("build_map", "build_const_key_map")
def build_map(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`{key: value}`; keys whose class is not known to compare without the guest's code are left to CPython.

    So are values whose end runs code: what another one replaces ends at once.
    """
    boxes = [frame.box(register) for register in instruction.src]
    if instruction.op == "build_map":
        items = list(zip(boxes[::2], boxes[1::2], strict=True))
    else:
        items = list(zip(map(const_box, instruction.arg), boxes, strict=True))
    if not all(know_key(meta, key) for key, _ in items) or any(runs_code_at_end(value.object) for _, value in items):
        operation_call(meta, frame, instruction)
        return
    if items and _is_table(frame, instruction) and all(key.is_const for key, _ in items):
        keys = tuple([key.object for key, _ in items])
        if len(set(keys)) == len(keys):
            frame.registers[instruction.dst[0]] = virtual_dict(keys, [value for _, value in items])
            return
    if not items and _is_for_keywords(frame, instruction):
        frame.registers[instruction.dst[0]] = virtual_dict((), [])
        return
    if not items:
        note_made(meta, meta.c_call(frame, instruction, c.NEW_DICT, [], [], known=dict))
        return
    stores = [([meta.ref(key), meta.ref(value)], [key.object, value.object]) for key, value in items]
    start = meta.snapshot()
    made = _unseen(meta, frame, instruction, start, c.NEW_DICT, [], [], dict)
    for refs, objects in stores[:-1]:
        _unseen(meta, frame, instruction, start, c.DICT_SETITEM, [meta.ref(made), *refs], [made.object, *objects])

    def store(_: Box) -> None:
        frame.registers[instruction.dst[0]] = made

    # Values that another one has replaced go with the operands, behind this: only now may code of the guest run.
    refs, objects = stores[-1]
    meta.c_call(frame, instruction, c.DICT_SETITEM, [meta.ref(made), *refs], [made.object, *objects], store=store)


@handles("map_add")
def map_add(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """An item of a dict comprehension."""
    made, key, value = [frame.box(register) for register in instruction.src]
    if type(made.object) is not dict or not know_key(meta, key):
        operation_call(meta, frame, instruction)
        return
    meta.guard_class(made)
    set_item(meta, frame, instruction, made, key, value)


@handles("dict_update")
def dict_update(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`{**mapping}`."""
    target, source = [frame.box(register) for register in instruction.src]
    if not update_display(meta, frame, instruction, target, source):
        operation_call(meta, frame, instruction)


def _is_table(frame: MetaFrame, instruction: Instruction) -> bool:
    """Whether a dict is written out to take one item of it: `{int: 1, str: 2}[type(x)]`.

    It may have a name in between, which is not read any more behind that, and be asked first whether it has the key.
    """
    held = {instruction.dst[0]}
    jitcode = frame.jitcode
    for following in jitcode.instructions[frame.position : frame.position + _MOST_BETWEEN]:
        used = held.intersection(following.src)
        if used and following.op in ("move", "load_local"):
            held.update(following.dst)
            continue
        if used and following.op == "contains" and following.src[0] not in held:
            held.discard(following.src[1])
            continue
        if used:
            is_taken = following.op == "getitem" and following.src[1] not in held
            is_asked = following.op in ("load_method", "getattr") and following.arg == "get"
            if not (is_taken or is_asked) or following.src[0] not in held:
                return False
            live, _ = jitcode.liveness(following.next_index)
            return held.isdisjoint(live)
        held.difference_update(following.dst)
        if not held:
            return False
    return False


_MOST_BETWEEN = 40
"""Instructions that work out the key of the item that is taken."""


def _is_for_keywords(frame: MetaFrame, instruction: Instruction) -> bool:
    """Whether an empty dict is there to take the keyword arguments of a call, from a variable."""
    following = frame.jitcode.instructions[frame.position : frame.position + 2]
    if len(following) < 2 or following[0].op not in ("load_local", "move") or following[1].op != "dict_merge":
        return False
    return following[1].src[0] == instruction.dst[0]


@handles("dict_merge")
def dict_merge(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`**keywords` of a call: they are passed on without a dict if both have not been made."""
    target, source = (frame.box(register) for register in instruction.src[:2])
    if type(source.object) is dict and not source.object and is_virtual_dict(target) and not is_virtual_dict(source):
        meta.guard_class(source)
        meta.guard(ops.GUARD_INT_VALUE, meta.emit(ops.CALL_C_I, meta.ref(source), descr=c.DICT_LEN), descr=0)
        return
    if not (is_virtual_dict(target) and is_virtual_dict(source)) or target.object.keys() & source.object.keys():
        operation_call(meta, frame, instruction)
        return
    assert isinstance(target, VirtualBox)
    assert isinstance(source, VirtualBox)
    meta.effect_done = True
    target.object.update(source.object)
    target.set_parts([const_box(tuple(target.object)), *target.parts[1:], *source.parts[1:]])
    meta.forget_states()


@handles("build_set")
def build_set(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`{a, b}`, as the set of a tuple."""
    boxes = [frame.box(register) for register in instruction.src]
    if not all(know_key(meta, key) for key in boxes):
        operation_call(meta, frame, instruction)
        return
    objects, refs = tuple([box.object for box in boxes]), [meta.ref(box) for box in boxes]
    if refs:
        items: Value = new_tuple(meta, refs)
    else:
        items = Const("r", objects)
    meta.c_call(frame, instruction, c.SET_OF, [items], [objects], known=set)


@handles("set_add")
def set_add(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """An item of a set comprehension."""
    boxes = [frame.box(register) for register in instruction.src]
    if not know_key(meta, boxes[1]):
        operation_call(meta, frame, instruction)
        return
    refs, objects = [meta.ref(box) for box in boxes], [box.object for box in boxes]
    meta.c_call(frame, instruction, c.SET_ADD, refs, objects, store=lambda _: None)


def _unseen(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    start: Snapshot,
    row: CFunction,
    refs: list[Value],
    objects: list[Any],
    known: type | None = None,
) -> Box:
    """A call of a C function that makes or changes what nobody has seen yet: the instruction may still be repeated."""
    box = meta.c_call(
        frame, instruction, row, refs, objects, store=lambda _: None, snapshot=lambda: start, known=known
    )
    meta.effect_done = False
    return box


_MOST_CONCATENATED = 4


def _fold(frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """Do a step of an f-string of constants; False if it depends on anything else, or raises."""
    if not all(box.is_const for box in boxes):
        return False
    if instruction.op == "format_value" and any("n" in box.object for box in boxes[1:] if type(box.object) is str):
        return False  # a number in the way of the locale
    text = fold(partial(OPERATIONS[instruction.op], instruction.arg), [box.object for box in boxes])
    if text is not NOTHING:
        frame.registers[instruction.dst[0]] = const_box(text)
    return text is not NOTHING


@handles("convert_value")
def convert_value(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`{x!r}` in an f-string, from 3.13 on an instruction of its own."""
    if not _fold(frame, instruction, [frame.box(instruction.src[0])]):
        operation_call(meta, frame, instruction)


@handles("build_string")
def build_string(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """The parts of an f-string, put together."""
    boxes = [frame.box(register) for register in instruction.src]
    know_texts(meta, *boxes)
    if _fold(frame, instruction, boxes):
        return
    if len(boxes) > _MOST_CONCATENATED or any(type(box.object) is not str for box in boxes):
        operation_call(meta, frame, instruction)
        return
    for box in boxes:
        meta.guard_class(box)
    refs, start = [meta.ref(box) for box in boxes], meta.snapshot()
    made = boxes[0]
    for box, ref in zip(boxes[1:], refs[1:], strict=True):
        made = _unseen(meta, frame, instruction, start, c.STR_CONCAT, [meta.ref(made), ref], [made.object, box.object], str)
    frame.registers[instruction.dst[0]] = made


_NUMBERS = (int, float)

_PLAIN_TEXTS = frozenset({int, float, str, bool, type(None)})
"""Classes whose instances are formatted without code of the guest."""


def _format_plainly(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> bool:
    """`{x:5}` with a constant specification, and `{x!r}`, of a number or string: no code runs, nothing is looked at."""
    box, *specification = [frame.box(register) for register in instruction.src]
    cls, conversion = type(box.object), instruction.arg
    if cls not in _PLAIN_TEXTS:
        return False
    if not specification:
        row, refs, objects = c.PURE_REPR, [meta.ref(box)], [box.object]
        if conversion != "r":
            return False
    else:
        text = specification[0]
        is_known = text.is_const and type(text.object) is str and "n" not in text.object
        if conversion not in ("", "s") or not is_known or (conversion and cls is not str):
            return False
        row, refs, objects = c.PURE_FORMAT, [meta.ref(box), Const("r", text.object)], [box.object, text.object]
    meta.guard_class(box)
    meta.c_call(frame, instruction, row, refs, objects, known=str)
    return True


@handles("format_value")
def format_value(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """A part of an f-string: of a string or a number without a format its text."""
    box = frame.box(instruction.src[0])
    cls = type(box.object)
    if _fold(frame, instruction, [frame.box(register) for register in instruction.src]):
        return
    if len(instruction.src) == 1 and instruction.arg in ("", "s") and (cls is str or cls in _NUMBERS):
        if cls is str:
            meta.guard_class(box)
            frame.registers[instruction.dst[0]] = box
        else:
            text_of_number(meta, frame, instruction, box)
        return
    if _format_plainly(meta, frame, instruction):
        return
    is_text = len(instruction.src) == 1 and instruction.arg in ("", "s") and raw_lookup(cls, "__format__")[1] is object
    if not is_text or not look_into_text(meta, frame, instruction, box):
        operation_call(meta, frame, instruction)
