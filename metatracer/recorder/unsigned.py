"""Integers from 0 to 2**64 - 1 in machine words: what a mask of 64 bits leaves.

``(a * b + c) & 0xFFFFFFFFFFFFFFFF`` gives a Python int that a signed word holds only half of the time. Its box refers to a
``uint_box`` of the word, which the optimizer makes only where an object is wanted; the trace keeps the word of each such
reference (`MetaInterpreter.unsigned`). Operators on it are the unsigned instructions, and their other operand has to be one,
too: a number that is known as a signed word is guarded not to be negative.

Under a mask (`masking`) nothing but the low 64 bits of the operands matters, whatever their sign and size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.arithmetic import LONG_MAX
from metatracer.ir import opcodes as ops
from metatracer.ir.opcodes import fits_i64, wrap_i64
from metatracer.ir.values import Const, Operation, Value
from metatracer.recorder.frames import Box, const_box

if TYPE_CHECKING:
    from metatracer.ir.opcodes import Opcode
    from metatracer.recorder.frames import MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter

LARGEST = (1 << 64) - 1
_WRAPPING: dict[str, Opcode] = {
    "+": ops.INT_ADD, "-": ops.INT_SUB, "*": ops.INT_MUL, "&": ops.INT_AND, "|": ops.INT_OR, "^": ops.INT_XOR,
}  # fmt: skip
_BITWISE = frozenset("&|^")


def is_unsigned(meta: MetaInterpreter, box: Box) -> bool:
    """Whether an operand is one of these numbers, and not known as a signed word."""
    if type(box.object) is not int or box.raw is not None:
        return False
    return LONG_MAX < box.object <= LARGEST or box.ref in meta.unsigned


def is_wide_mask(box: Box) -> bool:
    """Whether a constant is a mask that a signed word does not hold."""
    return box.is_const and type(box.object) is int and LONG_MAX < box.object <= LARGEST


def unsigned_value(meta: MetaInterpreter, box: Box) -> Value | None:
    """The number as an unsigned word; None for one that is negative or larger (the class is guarded then)."""
    obj = box.object
    if type(obj) is not int:
        return None
    if box.raw is None and box.ref is not None and not isinstance(box.ref, Const):
        meta.guard_class(box)
        raw = meta.unsigned.get(box.ref)
        if raw is None and 0 <= obj <= LARGEST and box.ref not in meta.raws:
            raw = meta.unsigned[box.ref] = meta.guard(ops.UINT_UNBOX, box.ref)
        if raw is not None:
            return raw
    if not 0 <= obj <= LARGEST:
        return None
    if box.is_const:
        return Const("i", wrap_i64(obj))
    raw = meta.int_value(box)
    assert raw is not None
    _guard_not_negative(meta, raw)
    return raw


def _guard_not_negative(meta: MetaInterpreter, raw: Value) -> None:
    meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_LE, Const("i", 0), raw))


def low_bits(meta: MetaInterpreter, box: Box) -> Value:
    """The low 64 bits of an int or bool of any size."""
    if box.is_const:
        return Const("i", wrap_i64(int(box.object)))
    if type(box.object) is bool:
        return meta.emit(ops.BOOL_TO_INT, meta.bool_value(box))
    if box.raw is not None:
        return box.raw
    meta.guard_class(box)
    assert box.ref is not None
    known = meta.unsigned.get(box.ref) or meta.raws.get(box.ref)
    return meta.emit(ops.INT_TRUNCATE, box.ref) if known is None else known


def _word(obj: int, opcode: Opcode, *args: Value, meta: MetaInterpreter) -> Value:
    """The result of a pure operation; a constant if all arguments are."""
    if all(isinstance(arg, Const) for arg in args):
        return Const("i", wrap_i64(obj))
    return meta.emit(opcode, *args)


def unsigned_box(meta: MetaInterpreter, obj: int, raw: Value) -> Box:
    """A box for a computed unsigned number."""
    if isinstance(raw, Const):
        return const_box(obj)
    op: Operation = meta.emit(ops.UINT_BOX, raw)
    meta.types[op] = int
    meta.unsigned[op] = raw
    return Box(obj, op)


def _has_wide_mask(meta: MetaInterpreter, frame: MetaFrame) -> bool:
    """Whether a function masks with 64 bits, so that its numbers are rather unsigned than signed."""
    notes = frame.jitcode.notes
    found = notes.get("wide mask")
    if found is None:
        namespace = frame.function.__globals__
        candidates = [
            instruction.arg if instruction.op == "const" else namespace.get(instruction.arg)
            for instruction in frame.jitcode.instructions
            if instruction.op in ("const", "load_global")
        ]
        found = any(type(value) is int and LONG_MAX < value <= LARGEST for value in candidates)
        notes["wide mask"] = found
    return bool(found)


# --- operators ----------------------------------------------------------------------------------------------------------


def unsigned_binary(
    meta: MetaInterpreter, frame: MetaFrame, symbol: str, left: Box, right: Box, masked: int
) -> Box | None:
    """`left symbol right` of two ints; None if they are rather signed numbers, or machine words cannot give it.

    Args:
        meta: The meta-interpreter.
        frame: Where that stands.
        symbol: Operator.
        left: Left operand.
        right: Right operand.
        masked: Nothing else than these bits of the result will be used; 0 if all are.
    """
    if symbol == "&":
        for mask, other in ((right, left), (left, right)):
            if mask.is_const and 0 <= mask.object <= LARGEST and _wants_low_bits(meta, mask, other):
                return _masked(meta, mask.object, other)
    if masked and (masked > LONG_MAX or not _fit(left, right)):
        return _wrapping(meta, symbol, left, right)
    if type(left.object) is not int or type(right.object) is not int:
        return None
    if symbol in "+-" and right.is_const and LONG_MAX < right.object <= LARGEST + 1:
        return _change_sign(meta, symbol, left, right.object)
    if not (is_unsigned(meta, left) or is_unsigned(meta, right)):
        hidden = [box.raw is None and not box.is_const and box.ref not in meta.raws for box in (left, right)]
        shifts = symbol == ">>" and hidden[0]
        if not (shifts or (symbol in _BITWISE and all(hidden))) or not _has_wide_mask(meta, frame):
            return None
    if left.object < 0 or right.object < 0:
        return None
    if symbol in _BITWISE:
        return _bitwise(meta, symbol, left, right)
    if symbol == ">>":
        return _shift_right(meta, left, right)
    if symbol in ("//", "%"):
        return _divide(meta, symbol, left, right)
    return None


def _change_sign(meta: MetaInterpreter, symbol: str, left: Box, amount: int) -> Box | None:
    """``x - 2**64`` of an unsigned number from 2**63 on, ``x + 2**64`` of a negative one, and such."""
    if symbol == "-":
        obj = left.object - amount
        raw = unsigned_value(meta, left) if fits_i64(obj) else None
        if raw is None:
            return None
        least, opcode = amount - LONG_MAX - 1, ops.INT_SUB
        if least and not isinstance(raw, Const):
            meta.guard(ops.GUARD_TRUE, meta.emit(ops.UINT_LE, Const("i", wrap_i64(least)), raw))
        return Box(obj, None, _word(obj, opcode, raw, Const("i", wrap_i64(amount)), meta=meta))
    obj = left.object + amount
    if is_unsigned(meta, left) or not (fits_i64(left.object) and 0 <= obj <= LARGEST):
        return None
    raw = meta.int_value(left)
    assert raw is not None
    if not isinstance(raw, Const):
        # From -amount on, and so that the sum stays below 2**64: the bounds that leave room for both.
        for low, high in ((Const("i", max(-amount, -LONG_MAX - 1)), raw), (raw, Const("i", min(LARGEST - amount, LONG_MAX)))):
            meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_LE, low, high))
    return unsigned_box(meta, obj, _word(obj, ops.INT_ADD, raw, Const("i", wrap_i64(amount)), meta=meta))


def _fit(*boxes: Box) -> bool:
    return all(fits_i64(box.object) for box in boxes)


def _wants_low_bits(meta: MetaInterpreter, mask: Box, other: Box) -> bool:
    return mask.object > LONG_MAX or not fits_i64(other.object) or is_unsigned(meta, other)


def _masked(meta: MetaInterpreter, mask: int, other: Box) -> Box:
    obj = int(other.object) & mask
    bits = Const("i", wrap_i64(mask))
    raw = low_bits(meta, other)
    if mask != LARGEST or isinstance(raw, Const):
        raw = _word(obj, ops.INT_AND, raw, bits, meta=meta)
    return Box(obj, None, raw) if mask <= LONG_MAX else unsigned_box(meta, obj, raw)


def _wrapping(meta: MetaInterpreter, symbol: str, left: Box, right: Box) -> Box | None:
    """An operator of which only the low bits are used: the result is congruent to the right one."""
    x, y = int(left.object), int(right.object)
    if symbol == "<<":
        if not 0 <= y < 64 or (type(right.object) is not int and not right.is_const):
            return None
        count = Const("i", y) if right.is_const else meta.int_value(right)
        assert count is not None
        if not isinstance(count, Const):
            meta.guard(ops.GUARD_TRUE, meta.emit(ops.UINT_LT, count, Const("i", 64)))
        result = wrap_i64(x << y)
        return Box(result, None, _word(result, ops.INT_LSHIFT, low_bits(meta, left), count, meta=meta))
    opcode = _WRAPPING.get(symbol)
    if opcode is None or (symbol in _BITWISE and type(left.object) is type(right.object) is bool):
        return None
    a, b = low_bits(meta, left), low_bits(meta, right)
    result = wrap_i64(opcode.evaluate(wrap_i64(x), wrap_i64(y)))  # type: ignore[misc]
    return Box(result, None, _word(result, opcode, a, b, meta=meta))


def _bitwise(meta: MetaInterpreter, symbol: str, left: Box, right: Box) -> Box | None:
    a, b = unsigned_value(meta, left), unsigned_value(meta, right)
    if a is None or b is None:
        return None
    opcode = _WRAPPING[symbol]
    obj = {"&": left.object & right.object, "|": left.object | right.object, "^": left.object ^ right.object}[symbol]
    raw = _word(obj, opcode, a, b, meta=meta)
    is_small = symbol == "&" and any(box.raw is not None or (box.is_const and fits_i64(box.object)) for box in (left, right))
    return Box(obj, None, raw) if is_small else unsigned_box(meta, obj, raw)


def _shift_right(meta: MetaInterpreter, left: Box, right: Box) -> Box | None:
    """Of at least one place: the result is a signed number."""
    if not 0 < right.object < 64:
        return None
    a = unsigned_value(meta, left)
    count = meta.int_value(right)
    if a is None or count is None:
        return None
    if not isinstance(count, Const):
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.UINT_LT, meta.emit(ops.INT_ADD, count, Const("i", -1)), Const("i", 63)))
    obj = left.object >> right.object
    return Box(obj, None, _word(obj, ops.UINT_RSHIFT, a, count, meta=meta))


def _divide(meta: MetaInterpreter, symbol: str, left: Box, right: Box) -> Box | None:
    divisor = right.object
    if divisor == 0:
        return None
    a, b = unsigned_value(meta, left), unsigned_value(meta, right)
    if a is None or b is None:
        return None
    if not isinstance(b, Const):
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_NE, b, Const("i", 0)))
    if symbol == "//":
        obj, opcode = left.object // divisor, ops.UINT_FLOORDIV
        is_small = right.is_const and divisor > 1
    else:
        obj, opcode = left.object % divisor, ops.UINT_MOD
        is_small = right.raw is not None or (right.is_const and fits_i64(divisor))
    raw = _word(obj, opcode, a, b, meta=meta)
    return Box(obj, None, raw) if is_small else unsigned_box(meta, obj, raw)


def unsigned_compare(meta: MetaInterpreter, symbol: str, left: Box, right: Box, result: bool) -> Box | None:
    """A comparison of two ints one of which is unsigned; None if the other one is negative or too large."""
    if not (is_unsigned(meta, left) or is_unsigned(meta, right)):
        return None
    if not all(type(box.object) is int and 0 <= box.object <= LARGEST for box in (left, right)):
        return None
    a, b = unsigned_value(meta, left), unsigned_value(meta, right)
    assert a is not None
    assert b is not None
    if isinstance(a, Const) and isinstance(b, Const):
        return const_box(result)
    return Box(result, None, meta.emit(ops.COMPARISONS[symbol][1], a, b))


def wrapping_unary(meta: MetaInterpreter, symbol: str, box: Box) -> Box:
    """`-x` or `~x` of an int of which only the low bits are used."""
    raw = low_bits(meta, box)
    obj = wrap_i64(-box.object if symbol == "-" else ~box.object)
    opcode = ops.INT_NEG if symbol == "-" else ops.INT_INVERT
    return Box(obj, None, _word(obj, opcode, raw, meta=meta))
