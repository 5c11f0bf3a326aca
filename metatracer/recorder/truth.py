"""Truth of values, and branching on it."""

from __future__ import annotations

from abc import ABCMeta
from collections import deque
from enum import EnumType
from typing import TYPE_CHECKING

from metatracer.backend.fields import lookup_attribute, raw_lookup
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const, Operation, Snapshot
from metatracer.recorder.frames import Box, MetaFrame, Pending, const_box
from metatracer.recorder.lists import list_length
from metatracer.recorder.tuples import lasting_length
from metatracer.recorder.virtuals import is_virtual_dict

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.ir.opcodes import Opcode
    from metatracer.recorder.metainterp import MetaInterpreter


def truth_raw(meta: MetaInterpreter, box: Box) -> Box | None:
    """The truth as a box with a `b`, guarding the class; None if asking runs code of the class."""
    if box.is_const and type(box.object) in (int, float, bool, str, type(None), tuple, bytes):
        return Box(bool(box.object), None, Const("b", bool(box.object)))
    number = _value_of_member(meta, box)
    if number is not None:
        return number
    raw = box.raw
    cls = meta.guard_class(box)
    obj = box.object
    if cls is bool:
        return Box(obj, None, meta.bool_value(box))
    if cls is int:
        raw = meta.unsigned.get(box.ref) if box.ref is not None else None
        if raw is None:
            raw = meta.int_value(box)
        if raw is None:
            return None  # beyond 64 bits: asked by a call
        return Box(obj != 0, None, meta.emit(ops.INT_NE, raw, Const("i", 0)))
    if cls is float:
        return Box(obj != 0.0, None, meta.emit(ops.FLOAT_NE, meta.float_value(box), Const("f", 0.0)))
    if obj is None:
        return Box(False, None, Const("b", False))
    lengths: dict[type, Opcode] = {
        str: ops.STR_LEN,
        list: ops.LIST_LEN,
        tuple: ops.TUPLE_LEN,
        bytes: ops.BYTES_LEN,
        bytearray: ops.BYTEARRAY_LEN,
    }
    length = lengths.get(cls)
    if length is not None:
        if cls is list:
            value = list_length(meta, box)
        else:
            value = lasting_length(meta, length, meta.ref(box)) if length.is_pure else meta.emit(length, meta.ref(box))
        return Box(bool(obj), None, meta.emit(ops.INT_NE, value, Const("i", 0)))
    if is_virtual_dict(box):
        return Box(bool(obj), None, Const("b", bool(obj)))
    if cls is dict:
        value = meta.emit(ops.CALL_C_I, meta.ref(box), descr=c.DICT_LEN)
        return Box(bool(obj), None, meta.emit(ops.INT_NE, value, Const("i", 0)))
    if cls in SIZED:
        value = meta.emit(ops.CALL_C_I, meta.ref(box), descr=c.CONTAINER_LEN)
        return Box(bool(obj), None, meta.emit(ops.INT_NE, value, Const("i", 0)))
    is_plain = type(cls) in (type, EnumType, ABCMeta)
    always = is_plain and all(lookup_attribute(cls, name).kind == "missing" for name in ("__bool__", "__len__"))
    if always and meta.is_steady(cls):
        meta.rely_on_class(cls)
        return Box(True, None, Const("b", True))
    return None


def _value_of_member(meta: MetaInterpreter, box: Box) -> Box | None:
    """The truth of an int that the trace knows and whose class is the author's, such as a member of an IntEnum."""
    cls = type(box.object)
    if not box.is_const or not isinstance(box.object, int) or not meta.is_steady(cls):
        return None
    if raw_lookup(cls, "__bool__")[1] is not int:
        return None
    meta.rely_on_class(meta.guard_class(box))
    truth = int.__bool__(box.object)
    return Box(truth, None, Const("b", truth))


SIZED = frozenset({set, frozenset, deque})
"""Classes whose instances a C function tells the number of items of."""
_ANSWERED = frozenset({bool, int, float, str, type(None), list, tuple, dict, bytes})


def ask_truth(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> bool:
    """Look into the `__bool__` or `__len__` of an instance, of Python, that is asked whether it is true; False if it has none."""
    from metatracer.recorder.special_calls import asking, look_into_truth

    box = frame.box(instruction.src[0])
    if type(box.object) in _ANSWERED:
        return False
    if not instruction.op.startswith("branch"):

        def answer(meta: MetaInterpreter, below: MetaFrame, result: Box) -> None:
            known = truth_raw(meta, result)
            assert known is not None
            below.registers[instruction.dst[0]] = negate(meta, known) if instruction.op == "not" else known

        return look_into_truth(meta, frame, box, Pending(instruction, answer, is_false if instruction.op == "not" else bool))
    jitcode = frame.jitcode
    is_first = jitcode.instructions[jitcode.positions[instruction.index]] is instruction
    if not is_first or _keeps_operand(frame, instruction):
        return False

    return look_into_truth(meta, frame, box, asking(instruction, instruction.src[0], bool))


def truth_value(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box) -> Box:
    """The truth as a box; may be a residual call whose result becomes the instruction's."""
    known = truth_raw(meta, box)
    if known is not None:
        return known
    invert = instruction.op == "not"
    helper = const_box(is_false if invert else bool)
    result = meta.residual_call(frame, instruction, helper, [box], known=bool)
    result = Box(result.object, result.ref, meta.emit(ops.BOOL_UNBOX, meta.ref(result)))
    return negate(meta, result) if invert else result


def is_false(obj: object) -> bool:
    """`not obj`."""
    return not obj


def negate(meta: MetaInterpreter, box: Box) -> Box:
    """The opposite of a truth."""
    raw = meta.bool_value(box)
    if isinstance(raw, Const):
        return Box(not box.object, None, Const("b", not box.object))
    if isinstance(raw, Operation) and raw.opcode is ops.BOOL_NOT:
        return Box(not box.object, None, raw.args[0])
    opposite = meta.lasting.get((raw, "not"))
    if opposite is None:
        opposite = meta.lasting[raw, "not"] = meta.emit(ops.BOOL_NOT, raw)
    return Box(not box.object, None, opposite)


def guard_truth(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> bool:
    """Guard the truth of a branch's operand; returns it."""
    register = instruction.src[0]
    box = frame.box(register)
    known = truth_raw(meta, box)
    snapshot: Snapshot | None = None
    if known is None:
        if _keeps_operand(frame, instruction):
            return _guard_kept(meta, frame, instruction, box)

        # The truth is asked once: from here on the operand on the stack is the answer, 0 or 1, which is as true.
        def store(result: Box) -> None:
            frame.registers[register] = result

        def behind() -> Snapshot:
            return meta.snapshot_of(frame.state_at(instruction.index, instruction.index))

        meta.c_call(
            frame, instruction, c.OBJECT_IS_TRUE, [meta.ref(box)], [box.object], store=store, snapshot=behind
        )
        snapshot = behind()
        asked = frame.box(register)
        assert asked.raw is not None
        known = Box(bool(asked.object), None, meta.emit(ops.INT_NE, asked.raw, Const("i", 0)))
    raw = known.raw
    assert raw is not None
    meta.guard_bool(raw, bool(known.object), snapshot)
    return bool(known.object)


def _target_index(frame: MetaFrame, instruction: Instruction) -> int:
    target: int = instruction.arg
    return frame.jitcode.instructions[target].index


def _keeps_operand(frame: MetaFrame, instruction: Instruction) -> bool:
    """Whether the branch leaves its operand on the stack where it jumps, as `x or y` does (3.11)."""
    jitcode = frame.jitcode
    return instruction.src[0] < jitcode.n_locals + jitcode.depths[_target_index(frame, instruction)]


def _guard_kept(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box) -> bool:
    """As `guard_truth` where the operand lives on: an exit goes on behind the branch, as the truth is asked only once."""

    def raising() -> Snapshot:
        return meta.snapshot_of(frame.state_at(instruction.next_index, instruction.index))

    asked = meta.c_call(
        frame, instruction, c.OBJECT_IS_TRUE, [meta.ref(box)], [box.object],
        store=lambda _: None, snapshot=raising, may_raise=False,
    )  # fmt: skip
    assert asked.raw is not None
    truth = bool(asked.object)
    # Behind the branch, with either answer.
    ways = {instruction.op == "branch": _target_index(frame, instruction)}
    other, taken = (
        meta.snapshot_of(frame.state_at(ways.get(way, instruction.next_index))) for way in (not truth, truth)
    )
    answer = meta.emit(ops.INT_NE if truth else ops.INT_EQ, asked.raw, Const("i", 0))
    meta.guard(ops.GUARD_ANSWER, answer, snapshot=other)
    meta.guard(ops.GUARD_NOT_INVALIDATED, snapshot=taken)
    return truth
