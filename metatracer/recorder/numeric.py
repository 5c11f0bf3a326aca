"""Arithmetic and comparison, specialised on the classes seen while recording."""

from __future__ import annotations

import operator
from abc import ABCMeta
from dataclasses import dataclass
from enum import EnumType
from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import lookup_attribute, raw_lookup
from metatracer.frontend.operations import BINARY as BINARY_FUNCTIONS
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const, Value
from metatracer.recorder import residual
from metatracer.recorder.calls import call_python, can_inline
from metatracer.recorder.frames import Box, MetaFrame, Pending, const_box
from metatracer.recorder.hashing import has_plain_equality, is_plain_int
from metatracer.recorder.lists import guard_length, list_item, new_list
from metatracer.recorder.masking import feeds_mask
from metatracer.recorder.metainterp import MetaInterpreter, handles
from metatracer.recorder.sequences import extend
from metatracer.recorder.truth import negate
from metatracer.recorder.tuples import know_texts, known_items, new_tuple
from metatracer.recorder.unsigned import unsigned_binary, unsigned_compare, wrapping_unary

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.frontend.jitcode import Instruction
    from metatracer.ir.opcodes import Opcode

_NUMBERS = (int, float, bool)
_IMMUTABLE = (int, float, bool, str, bytes, complex, type(None))

_DUNDER = {
    "+": ("__add__", "__radd__", "__iadd__"),
    "-": ("__sub__", "__rsub__", "__isub__"),
    "*": ("__mul__", "__rmul__", "__imul__"),
    "@": ("__matmul__", "__rmatmul__", "__imatmul__"),
    "/": ("__truediv__", "__rtruediv__", "__itruediv__"),
    "//": ("__floordiv__", "__rfloordiv__", "__ifloordiv__"),
    "%": ("__mod__", "__rmod__", "__imod__"),
    "<<": ("__lshift__", "__rlshift__", "__ilshift__"),
    ">>": ("__rshift__", "__rrshift__", "__irshift__"),
    "&": ("__and__", "__rand__", "__iand__"),
    "|": ("__or__", "__ror__", "__ior__"),
    "^": ("__xor__", "__rxor__", "__ixor__"),
    "**": ("__pow__", "__rpow__", "__ipow__"),
}
_COMPARE_DUNDER = {"<": "__lt__", "<=": "__le__", "==": "__eq__", "!=": "__ne__", ">": "__gt__", ">=": "__ge__"}
_REFLECTED = {"<": ">", "<=": ">=", "==": "==", "!=": "!=", ">": "<", ">=": "<="}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXACT_FLOAT = 1 << 53
_SMALLEST, _LARGEST = -(1 << 63), (1 << 63) - 1


def as_int(meta: MetaInterpreter, box: Box) -> Value | None:
    """An exact int or bool as an i; None beyond 64 bits."""
    if type(box.object) is bool:
        raw = meta.bool_value(box)
        return Const("i", int(raw.value)) if isinstance(raw, Const) else meta.emit(ops.BOOL_TO_INT, raw)
    return meta.int_value(box)


def plain_number(meta: MetaInterpreter, box: Box, *names: str) -> Box:
    """For an instance of a subclass of int, such as an `IntEnum`, that has these methods from it: the int that it is.

    Anything else is given back as it is.
    """
    cls = type(box.object)
    if cls in _NUMBERS or not is_plain_int(cls, *names) or not meta.is_steady(cls):
        return box
    number = int.__int__(box.object)
    if not ops.fits_i64(number):
        return box
    meta.guard_class(box)
    if names:
        meta.rely_on_class(cls)
    if box.is_const:
        return const_box(number)
    value = meta.ref(box)
    key = (value, "number")
    raw = meta.lasting.get(key)
    if raw is None:
        raw = meta.lasting[key] = meta.guard(ops.INT_OF_SUBCLASS, value)
    return Box(number, None, raw)


def as_float(meta: MetaInterpreter, box: Box) -> Value | None:
    """An exact int, bool or float as an f, rounded as CPython rounds; None for an int beyond 64 bits."""
    if type(box.object) is float:
        return meta.float_value(box)
    raw = as_int(meta, box)
    if raw is None:
        return None
    if isinstance(raw, Const):
        return Const("f", float(raw.value))
    return meta.emit(ops.INT_TO_FLOAT, raw)


def _fold_or_emit(meta: MetaInterpreter, opcode: Opcode, result: Any, *args: Value) -> Box:
    """A box of the result; constant if all arguments are."""
    if all(isinstance(arg, Const) for arg in args):
        return Box(result, None, Const(opcode.result, result))
    op = meta.guard(opcode, *args) if opcode.is_guard else meta.emit(opcode, *args)
    return Box(result, None, op)


# --- integers -----------------------------------------------------------------------------------------------------------

_OVERFLOWING = {"+": ops.INT_ADD_OVF, "-": ops.INT_SUB_OVF, "*": ops.INT_MUL_OVF}
_WRAPPING = {"+": ops.INT_ADD, "-": ops.INT_SUB, "*": ops.INT_MUL}
_WRAPS = frozenset({*_WRAPPING, "<<", "^", "|"})
_BITWISE = {"&": ops.INT_AND, "|": ops.INT_OR, "^": ops.INT_XOR}


def int_binary(meta: MetaInterpreter, symbol: str, left: Box, right: Box, masked: bool) -> Box | None:
    """`left symbol right` on ints or bools; None if machine integers cannot give it.

    Args:
        meta: The meta-interpreter.
        symbol: Operator.
        left: Left operand.
        right: Right operand.
        masked: Only the low bits of the result will be used: it may wrap.
    """
    a, b = as_int(meta, left), as_int(meta, right)
    if a is None or b is None:
        return None
    x, y = int(left.object), int(right.object)
    if symbol in _OVERFLOWING:
        result = BINARY_FUNCTIONS[symbol](x, y)
        if masked:
            return _fold_or_emit(meta, _WRAPPING[symbol], ops.wrap_i64(result), a, b)
        if not ops.fits_i64(result):
            return None
        return _fold_or_emit(meta, _OVERFLOWING[symbol], result, a, b)
    if symbol in _BITWISE:
        if type(left.object) is bool and type(right.object) is bool:
            return None
        return _fold_or_emit(meta, _BITWISE[symbol], BINARY_FUNCTIONS[symbol](x, y), a, b)
    if symbol in ("//", "%"):
        if y in (0, -1):
            return None
        if not isinstance(b, Const):
            # One comparison excludes both 0 (ZeroDivisionError) and -1 (the smallest integer by -1 overflows).
            meta.guard(ops.GUARD_TRUE, meta.emit(ops.UINT_LT, Const("i", 1), meta.emit(ops.INT_ADD, b, Const("i", 1))))
        opcode = ops.INT_FLOORDIV if symbol == "//" else ops.INT_MOD
        return _fold_or_emit(meta, opcode, BINARY_FUNCTIONS[symbol](x, y), a, b)
    if symbol in ("<<", ">>"):
        return _int_shift(meta, symbol, x, y, a, b, masked)
    if symbol == "/":
        return _int_truediv(meta, x, y, a, b)
    if symbol == "**" and isinstance(b, Const) and y == 2:
        return _fold_or_emit(meta, ops.INT_MUL_OVF, x * x, a, a) if ops.fits_i64(x * x) else None
    return None


def _int_shift(meta: MetaInterpreter, symbol: str, x: int, y: int, a: Value, b: Value, masked: bool) -> Box | None:
    if not 0 <= y < 64:
        return None
    result = x << y if symbol == "<<" else x >> y
    if symbol == "<<" and not masked and not ops.fits_i64(result):
        return None
    if not isinstance(b, Const):
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.UINT_LT, b, Const("i", 64)))
    if symbol == ">>":
        return _fold_or_emit(meta, ops.INT_RSHIFT, result, a, b)
    if masked:
        return _fold_or_emit(meta, ops.INT_LSHIFT, ops.wrap_i64(result), a, b)
    return _fold_or_emit(meta, ops.INT_LSHIFT_OVF, result, a, b)


def _int_truediv(meta: MetaInterpreter, x: int, y: int, a: Value, b: Value) -> Box | None:
    """Both exact as doubles: then the IEEE quotient is the correctly rounded one that Python gives."""
    if y == 0 or abs(x) > _EXACT_FLOAT or abs(y) > _EXACT_FLOAT:
        return None
    for number in (a, b):
        _guard_exact(meta, number)
    if not isinstance(b, Const):
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_NE, b, Const("i", 0)))
    if isinstance(a, Const) and isinstance(b, Const):
        return const_box(x / y)
    floats = [Const("f", float(v.value)) if isinstance(v, Const) else meta.emit(ops.INT_TO_FLOAT, v) for v in (a, b)]
    return _fold_or_emit(meta, ops.FLOAT_TRUEDIV, x / y, *floats)


def _guard_exact(meta: MetaInterpreter, number: Value) -> None:
    """Guard that an i converts to a double exactly."""
    if not isinstance(number, Const):
        shifted = meta.emit(ops.INT_ADD, number, Const("i", _EXACT_FLOAT))
        meta.guard(ops.GUARD_TRUE, meta.emit(ops.UINT_LE, shifted, Const("i", 2 * _EXACT_FLOAT)))


# --- floats -------------------------------------------------------------------------------------------------------------

_FLOAT = {"+": ops.FLOAT_ADD, "-": ops.FLOAT_SUB, "*": ops.FLOAT_MUL}


def float_binary(meta: MetaInterpreter, symbol: str, left: Box, right: Box) -> Box | None:
    """`left symbol right` where one is a float and the other a number."""
    if symbol not in _FLOAT and symbol != "/":
        return None
    if symbol == "/" and right.object == 0:
        return None
    a, b = as_float(meta, left), as_float(meta, right)
    if a is None or b is None:
        return None
    result = BINARY_FUNCTIONS[symbol](left.object, right.object)
    if symbol == "/":
        if not isinstance(b, Const):
            meta.guard(ops.GUARD_TRUE, meta.emit(ops.FLOAT_NE, b, Const("f", 0.0)))
        return _fold_or_emit(meta, ops.FLOAT_TRUEDIV, result, a, b)
    return _fold_or_emit(meta, _FLOAT[symbol], result, a, b)


# --- errors -------------------------------------------------------------------------------------------------------------

_DIVISIONS = frozenset({"/", "//", "%"})


def _divide_by_zero(meta: MetaInterpreter, symbol: str, left: Box, right: Box) -> None:
    """Raise ZeroDivisionError for two numbers, the right one being 0; gives up if a number is too large."""
    if float in (type(left.object), type(right.object)):
        if as_float(meta, left) is None:
            return  # converting it is tried first
        zero = as_float(meta, right)
        comparison, expected = ops.FLOAT_EQ, Const("f", 0.0)
    else:
        meta.guard_class(left)
        zero = as_int(meta, right)
        comparison, expected = ops.INT_EQ, Const("i", 0)
    assert zero is not None
    if not isinstance(zero, Const):
        meta.guard(ops.GUARD_TRUE, meta.emit(comparison, zero, expected))
    residual.raise_known(meta, ZeroDivisionError, BINARY_FUNCTIONS[symbol], left.object, right.object)


# --- operators ----------------------------------------------------------------------------------------------------------


@handles("binary")
def binary(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """A binary or in-place operator."""
    symbol = instruction.arg
    left, right = frame.box(instruction.src[0]), frame.box(instruction.src[1])
    if builtin_binary(meta, frame, instruction, symbol, left, right):
        return
    if _inline_binary(meta, frame, instruction, symbol, left, right):
        return
    if _inline_reflected(meta, frame, instruction, symbol, left, right):
        return
    _generic_binary(meta, frame, instruction, symbol, left, right)


def _concatenate(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, left: Box, right: Box) -> bool:
    """`a + b` of tuples whose lengths the trace knows."""
    items = []
    for box in (left, right):
        known = known_items(meta, box)
        if known is None:
            return False
        items += known
    if len(items) > _MOST_CONCATENATED:
        return False
    meta.guard_class(left)
    meta.guard_class(right)
    if not left.object or not right.object:
        frame.registers[instruction.dst[0]] = left if left.object else right
        return True
    frame.registers[instruction.dst[0]] = Box(left.object + right.object, new_tuple(meta, items))
    return True


_MOST_CONCATENATED = 16


def builtin_binary(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, symbol: str, left: Box, right: Box
) -> bool:
    """An operator, or a call of a function that does the same, whose operands are of builtin classes. Whether it was done."""
    plain = symbol.removesuffix("=")
    kinds = (type(left.object), type(right.object))
    if plain == "+" and kinds == (tuple, tuple):
        return _concatenate(meta, frame, instruction, left, right)
    if kinds[0] not in _NUMBERS or kinds[1] not in _NUMBERS:
        left, right = _plain_numbers(meta, symbol, left, right)
    if type(left.object) in _NUMBERS and type(right.object) in _NUMBERS:
        if right.object == 0 and plain in _DIVISIONS:
            _divide_by_zero(meta, symbol, left, right)
        if float in (type(left.object), type(right.object)):
            result = float_binary(meta, plain, left, right)
        else:
            mask = feeds_mask(meta, frame, instruction) if plain in _WRAPS else 0
            result = unsigned_binary(meta, frame, plain, left, right, mask)
            if result is None:
                result = int_binary(meta, plain, left, right, mask != 0)
        if result is not None:
            frame.registers[instruction.dst[0]] = result
            return True
    if kinds == (list, int) and plain == symbol == "*" and _repeat_list(meta, frame, instruction, left, right):
        return True
    if kinds == (list, list) and symbol == "+":
        _concat_lists(meta, frame, instruction, left, right)
        return True
    if symbol == "+=" and extend(meta, frame, instruction, left, right, left):
        return True
    if symbol in ("%", "%=") and kinds == (str, tuple) and _is_plain_format(meta, right):
        _pure_binary(meta, frame, instruction, symbol, left, right)
        return True
    if all(kind in _IMMUTABLE for kind in kinds):
        _pure_binary(meta, frame, instruction, symbol, left, right)
        return True
    return False


def _is_plain_format(meta: MetaInterpreter, values: Box) -> bool:
    """Whether the values of `text % values` are of builtin classes, whose texts need no code of the guest's; guards it."""
    items = known_items(meta, values)
    if items is None or not all(type(item) in _IMMUTABLE for item in values.object):
        return False
    for item, ref in zip(values.object, items, strict=True):
        meta.guard_class(meta.ref_box(item, ref))
    return True


def _plain_numbers(meta: MetaInterpreter, symbol: str, left: Box, right: Box) -> tuple[Box, Box]:
    """The operands, those of subclasses of int as ints if both are numbers and none has a method of its own for the operator."""
    names = _DUNDER[symbol.removesuffix("=")]
    own = [kind for kind in (type(left.object), type(right.object)) if kind not in _NUMBERS]
    if not all(is_plain_int(kind, *names[:2]) and raw_lookup(kind, names[2])[1] is None for kind in own):
        return left, right
    return plain_number(meta, left, *names[:2]), plain_number(meta, right, *names[:2])


_MOST_REPEATED = 64


def _repeat_list(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, left: Box, right: Box) -> bool:
    """`[x] * n` of a known and small result length, which may be 0: a display of the items."""
    count = len(left.object)
    if not right.is_const or count * right.object > _MOST_REPEATED:
        return False
    guard_length(meta, left)
    owner = meta.ref(left)
    items = [
        meta.ref(list_item(meta, owner, Const("i", position), item)) for position, item in enumerate(left.object)
    ]
    made = new_list(meta, items * right.object)
    frame.registers[instruction.dst[0]] = Box(left.object * right.object, made)
    return True


def _concat_lists(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, left: Box, right: Box) -> None:
    """`a + b` of two lists: a display of the items, if their numbers are known."""
    meta.guard_class(left)
    meta.guard_class(right)
    owners = [meta.ref(left), meta.ref(right)]
    counts = [meta.heap.get((owner, "length")) for owner in owners]
    if all(isinstance(count, Const) for count in counts) and len(left.object) + len(right.object) <= _MOST_REPEATED:
        items = [
            meta.ref(list_item(meta, owner, Const("i", position), item))
            for owner, content in zip(owners, (left.object, right.object), strict=True)
            for position, item in enumerate(content)
        ]
        frame.registers[instruction.dst[0]] = Box(left.object + right.object, new_list(meta, items))
        return
    meta.c_call(frame, instruction, c.LIST_CONCAT, owners, [left.object, right.object], known=list)


def _pure_binary(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, symbol: str, left: Box, right: Box
) -> None:
    """Operands of immutable builtin classes: a call without side effects."""
    know_texts(meta, left, right)
    meta.guard_class(left)
    meta.guard_class(right)
    if not (symbol.startswith("%") and type(left.object) in (str, bytes)):
        # An error of type does not depend on the values, but for formats.
        samples = [type(operand.object)() for operand in (left, right)]
        residual.raise_known(meta, TypeError, BINARY_FUNCTIONS[symbol], *samples)
    function = BINARY_FUNCTIONS[symbol]
    if left.is_const and right.is_const:
        result, exception = meta.execute(function, left.object, right.object)
        if exception is None:
            meta.effect_done = False
            frame.registers[instruction.dst[0]] = const_box(result)
            return
    if symbol.startswith("**"):
        arguments = [meta.ref(left), meta.ref(right), Const("r", None)]
        power = c.PURE_POWER if symbol == "**" else c.PURE_INPLACE_POWER
        meta.c_call(frame, instruction, power, arguments, [left.object, right.object, None])
        return
    if symbol == "%" and left.is_const and left.object in _DECIMAL and type(right.object) is int:
        digits = meta.int_value(right)
        if digits is not None:
            row = c.BYTES_OF_INT if type(left.object) is bytes else c.STR_OF_INT
            meta.c_call(frame, instruction, row, [digits], [right.object], known=type(left.object))
            return
    both_str = type(left.object) is str and type(right.object) is str and symbol in ("+", "+=")
    row = c.STR_CONCAT if both_str else c.PURE_BINARY[symbol]
    box = meta.c_call(
        frame, instruction, row, [meta.ref(left), meta.ref(right)], [left.object, right.object], evaluate=function
    )
    if both_str:
        assert box.ref is not None
        meta.types[box.ref] = str


_DECIMAL = ("%d", b"%d", "%s")
"""Formats of which an int makes its decimal digits."""


def text_of_number(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box) -> None:
    """`str(x)` of an exact int or float."""
    digits = None
    if type(box.object) is int:
        digits = meta.int_value(box)
        row = c.INT_STR
    else:
        meta.guard_class(box)
        row = c.FLOAT_STR
    if digits is not None:
        meta.c_call(frame, instruction, c.STR_OF_INT, [digits], [box.object], known=str)
    else:
        meta.c_call(frame, instruction, row, [meta.ref(box)], [box.object], known=str)


def _generic_binary(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, symbol: str, left: Box, right: Box
) -> None:
    arguments, objects = [meta.ref(left), meta.ref(right)], [left.object, right.object]
    function = BINARY_FUNCTIONS[symbol]
    if symbol.startswith("**"):
        row = c.NUMBER_INPLACE_POWER if symbol == "**=" else c.NUMBER_POWER
        none = Const("r", None)
        meta.c_call(
            frame, instruction, row, [*arguments, none], [*objects, None], evaluate=lambda a, b, _: function(a, b)
        )
        return
    meta.c_call(frame, instruction, c.BINARY[symbol], arguments, objects, evaluate=function)


def _inline_binary(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, symbol: str, left: Box, right: Box
) -> bool:
    """Look into a Python-level operator method of the left operand. Whether that was done."""
    cls, other = type(left.object), type(right.object)
    plain = symbol.removesuffix("=")
    forward, _, inplace = _DUNDER[plain]
    if symbol != plain and raw_lookup(cls, inplace)[1] is not None:
        return False  # an in-place method: called as it is
    if not meta.is_steady(cls, other):
        return False
    if other is not cls and issubclass(other, cls):
        return False  # the reflected method of a subclass comes first
    found = lookup_attribute(cls, forward)
    if found.kind != "method" or not can_inline(meta, found.attribute):
        return False
    meta.guard_class(left)
    meta.guard_class(right)
    meta.rely_on_class(cls)
    meta.rely_on_class(other)
    finish = _finish_binary(symbol)
    return call_python(
        meta,
        frame,
        found.attribute,
        [left, right],
        Pending(instruction, _deliver, finish, (left, right), True, _check_implemented),
    )


def _inline_reflected(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, symbol: str, left: Box, right: Box
) -> bool:
    """Look into the reflected method of the right operand, the left one being a plain number. Whether that was done.

    A number knows nothing of other classes, and those made from its own have the first turn.
    """
    cls, other = type(left.object), type(right.object)
    if cls not in _NUMBERS or not meta.is_steady(other) or issubclass(other, _SEQUENCES):
        return False
    found = lookup_attribute(other, _DUNDER[symbol.removesuffix("=")][1])
    if found.kind != "method" or not can_inline(meta, found.attribute):
        return False
    if issubclass(other, _NUMBERS) and not issubclass(other, cls):
        return False  # the number's own method may know it
    meta.guard_class(left)
    meta.guard_class(right)
    meta.rely_on_class(other)
    finish = _FinishReflected(symbol)
    pending = Pending(instruction, _deliver_reflected, finish, (left, right), True, _check_implemented)
    return call_python(meta, frame, found.attribute, [right, left], pending)


_SEQUENCES = (list, tuple, str, bytes, bytearray)


def _deliver_reflected(meta: MetaInterpreter, frame: MetaFrame, result: Box) -> None:
    """Store the result of a reflected method."""
    instruction = frame.jitcode.instructions[frame.position - 1]
    if result.object is NotImplemented:
        left, right = (frame.box(register) for register in instruction.src)
        function = const_box(_FinishReflected(instruction.arg))
        result = meta.residual_call(frame, instruction, function, [result, left, right])
    frame.registers[instruction.dst[0]] = result


@dataclass(frozen=True, slots=True)
class _FinishReflected:
    """What is left of an operator when the reflected method of its right operand has returned: the number's turn, perhaps."""

    symbol: str

    def __call__(self, result: Any, left: Any, right: Any) -> Any:
        if result is not NotImplemented:
            return result
        plain = self.symbol.removesuffix("=")
        if isinstance(right, type(left)):
            result = getattr(type(left), _DUNDER[plain][0])(left, right)
        if result is NotImplemented:
            raise _unsupported(self.symbol, left, right)
        return result


def _deliver(meta: MetaInterpreter, frame: MetaFrame, result: Box) -> None:
    """Store the result of an operator method; NotImplemented lets the reflected one have its turn."""
    pending_instruction = frame.jitcode.instructions[frame.position - 1]
    if result.object is NotImplemented:
        left, right = (frame.box(register) for register in pending_instruction.src)
        truth = pending_instruction.op == "compare_truth"
        if pending_instruction.op == "binary":
            function = _finish_binary(pending_instruction.arg)
        else:
            function = _finish_compare(pending_instruction.arg, truth)
        known = bool if truth else None
        box = meta.residual_call(frame, pending_instruction, const_box(function), [result, left, right], known=known)
        _finish_truth(meta, frame, pending_instruction, box)
        return
    frame.registers[pending_instruction.dst[0]] = result
    _finish_truth(meta, frame, pending_instruction, result)


def _finish_truth(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, result: Box) -> None:
    """The bool flag of a comparison: the result is already known to be a plain bool (see `_check_implemented`)."""
    if instruction.op == "compare_truth" and type(result.object) is bool:
        frame.registers[instruction.dst[0]] = Box(result.object, result.ref, meta.bool_value(result))


def _check_implemented(meta: MetaInterpreter, result: Box) -> None:
    """At the method's return: make the trace know whether the result is NotImplemented."""
    if result.object is NotImplemented:
        meta.promote(result)
    else:
        meta.guard_class(result)


class _Finish:
    """What is left of an operator when its Python-level method has returned: the reflected method's turn, perhaps."""

    __slots__ = ("compare", "symbol", "truth")

    def __init__(self, symbol: str, compare: bool, truth: bool = False) -> None:
        self.symbol = symbol
        self.compare = compare
        self.truth = truth

    def __call__(self, result: Any, left: Any, right: Any) -> Any:
        if result is NotImplemented:
            result = self._reflect(left, right)
        return bool(result) if self.truth else result

    def _reflect(self, left: Any, right: Any) -> Any:
        symbol = self.symbol
        plain = symbol[:-1] if symbol.endswith("=") and not self.compare else symbol
        name = _COMPARE_DUNDER[_REFLECTED[symbol]] if self.compare else _DUNDER[plain][1]
        if self.compare or type(left) is not type(right):
            method = getattr(type(right), name, None)
            if method is not None:
                result = method(right, left)
                if result is not NotImplemented:
                    return result
        if self.compare:
            if symbol in ("==", "!="):
                return (left is right) == (symbol == "==")
            raise TypeError(
                f"'{symbol}' not supported between instances of '{type(left).__name__}' and '{type(right).__name__}'"
            )
        raise _unsupported(symbol, left, right)


def _unsupported(symbol: str, left: Any, right: Any) -> TypeError:
    shown = "** or pow()" if symbol == "**" else symbol
    return TypeError(f"unsupported operand type(s) for {shown}: '{type(left).__name__}' and '{type(right).__name__}'")


_FINISHERS: dict[tuple[str, bool, bool], _Finish] = {}


def _finish_binary(symbol: str) -> _Finish:
    return _FINISHERS.setdefault((symbol, False, False), _Finish(symbol, False))


def _finish_compare(symbol: str, truth: bool = False) -> _Finish:
    return _FINISHERS.setdefault((symbol, True, truth), _Finish(symbol, True, truth))


@handles("unary")
def unary(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`+x`, `-x`, `~x`."""
    symbol = instruction.arg
    box = frame.box(instruction.src[0])
    if symbol != "+" and type(box.object) is int and feeds_mask(meta, frame, instruction) > _LARGEST:
        result: Box | None = wrapping_unary(meta, symbol, box)
    else:
        result = unary_number(meta, symbol, box)
    if result is not None:
        frame.registers[instruction.dst[0]] = result
        return
    pure = type(box.object) in _NUMBERS
    if pure:
        meta.guard_class(box)
    rows = {
        "-": (c.NUMBER_NEGATIVE, c.PURE_NEGATIVE),
        "+": (c.NUMBER_POSITIVE, c.PURE_POSITIVE),
        "~": (c.NUMBER_INVERT, c.PURE_INVERT),
    }
    meta.c_call(frame, instruction, rows[symbol][pure], [meta.ref(box)], [box.object])


def unary_number(meta: MetaInterpreter, symbol: str, box: Box) -> Box | None:
    """`+x`, `-x`, `~x` of a number in a machine word or a double; None for others."""
    cls = type(box.object)
    if cls is float and symbol != "~":
        raw = meta.float_value(box)
        return Box(box.object, box.ref, raw) if symbol == "+" else _fold_or_emit(meta, ops.FLOAT_NEG, -box.object, raw)
    if cls not in (int, bool) or (cls is bool and symbol == "~"):
        return None
    value = as_int(meta, box)
    if value is None:
        return None
    x = int(box.object)
    if symbol == "+":
        return Box(x, box.ref if cls is int else None, value)
    if symbol == "~":
        return _fold_or_emit(meta, ops.INT_INVERT, ~x, value)
    return _fold_or_emit(meta, ops.INT_SUB_OVF, -x, Const("i", 0), value) if ops.fits_i64(-x) else None


# --- comparisons --------------------------------------------------------------------------------------------------------


def _is_limit(symbol: str, right: Value) -> bool:
    """Whether each 64-bit integer compares in the same way with this constant."""
    if not isinstance(right, Const):
        return False
    return right.value == (_LARGEST if symbol in ("<=", ">") else _SMALLEST) and symbol not in ("==", "!=")


def compare_numbers(meta: MetaInterpreter, symbol: str, left: Box, right: Box) -> Box | None:
    """Exact comparison of ints, bools and floats; None if it needs big integers."""
    result = _COMPARE[symbol](left.object, right.object)
    signed, _, floating = ops.COMPARISONS[symbol]
    floats = [type(box.object) is float for box in (left, right)]
    if not any(floats):
        unsigned = unsigned_compare(meta, symbol, left, right, result)
        if unsigned is not None:
            return unsigned
        a, b = as_int(meta, left), as_int(meta, right)
        if a is None or b is None:
            return None
        if _is_limit(symbol, b) or _is_limit(_REFLECTED[symbol], a):
            return const_box(result)
        return _fold_or_emit(meta, signed, result, a, b)
    if not all(floats):
        # An int beyond 2**53 is not always a double: such comparisons are left to CPython.
        number = right if floats[0] else left
        raw = as_int(meta, number)
        if raw is None or abs(int(number.object)) > _EXACT_FLOAT:
            return None
        _guard_exact(meta, raw)
    x, y = as_float(meta, left), as_float(meta, right)
    assert x is not None
    assert y is not None
    return _fold_or_emit(meta, floating, result, x, y)


@handles("compare", "compare_truth")
def compare(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """A rich comparison."""
    symbol = instruction.arg
    left, right = frame.box(instruction.src[0]), frame.box(instruction.src[1])
    result = compare_builtin(meta, symbol, left, right)
    if result is not None:
        frame.registers[instruction.dst[0]] = result
        return
    if _inline_compare(meta, frame, instruction, symbol, left, right):
        return
    if instruction.op == "compare_truth":
        function = const_box(_COMPARE_TRUTH[symbol])
        result = meta.residual_call(frame, instruction, function, [left, right], known=bool)
        return
    pure = all(
        kind in _IMMUTABLE or (symbol in ("==", "!=") and meta.is_steady(kind) and has_plain_equality(kind))
        for kind in (type(left.object), type(right.object))
    )
    if pure:
        meta.guard_class(left)
        meta.guard_class(right)
    row = c.PURE_COMPARE if pure else c.OBJECT_COMPARE
    number = c.RICH_OPERATORS[symbol]
    arguments = [meta.ref(left), meta.ref(right), Const("i", number)]
    box = meta.c_call(frame, instruction, row, arguments, [left.object, right.object, number])
    if pure:
        assert box.ref is not None
        meta.types[box.ref] = bool


def _truth_of(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    def compare_and_ask(left: Any, right: Any) -> bool:
        return bool(function(left, right))

    return compare_and_ask


_COMPARE_TRUTH = {symbol: _truth_of(function) for symbol, function in _COMPARE.items()}


def compare_builtin(meta: MetaInterpreter, symbol: str, left: Box, right: Box) -> Box | None:
    """A comparison of which what the operands are says the result; None if it may be code of theirs."""
    kinds = (type(left.object), type(right.object))
    if all(kind in _NUMBERS for kind in kinds):
        return compare_numbers(meta, symbol, left, right)
    names = (_COMPARE_DUNDER[symbol], _COMPARE_DUNDER[_REFLECTED[symbol]])
    if all(kind in _NUMBERS or is_plain_int(kind, *names) for kind in kinds):
        numbers = [plain_number(meta, box, *names) for box in (left, right)]
        if all(type(number.object) in _NUMBERS for number in numbers):
            return compare_numbers(meta, symbol, *numbers)
    if kinds == (str, str):
        know_texts(meta, left, right)
        meta.guard_class(left)
        meta.guard_class(right)
        result = _COMPARE[symbol](left.object, right.object)
        if left.is_const and right.is_const:
            return const_box(result)
        if symbol in ("==", "!="):
            return _compare_text(meta, symbol, left, right, ops.STR_EQ)
        a, b = meta.ref(left), meta.ref(right)
        order = meta.emit(ops.CALL_C_I, a, b, descr=c.STR_COMPARE)
        return Box(result, None, meta.emit(ops.COMPARISONS[symbol][0], order, Const("i", 0)))
    if kinds == (bytes, bytes) and symbol in ("==", "!="):
        meta.guard_class(left)
        meta.guard_class(right)
        return _compare_text(meta, symbol, left, right, ops.BYTES_EQ)
    if symbol in ("==", "!=") and all(map(has_plain_equality, kinds)) and meta.is_steady(*kinds):
        return _compare_values(meta, symbol, left, right)
    if symbol in ("==", "!="):
        return _compare_identity(meta, symbol, left, right, kinds)
    return None


def _compare_text(meta: MetaInterpreter, symbol: str, left: Box, right: Box, opcode: Opcode) -> Box:
    """`==` and `!=` of two strings, or of two bytes objects."""
    same = left.object == right.object
    if left.is_const and right.is_const:
        return const_box(same == (symbol == "=="))
    equal = Box(same, None, meta.emit(opcode, meta.ref(left), meta.ref(right)))
    return equal if symbol == "==" else negate(meta, equal)


def _compare_values(meta: MetaInterpreter, symbol: str, left: Box, right: Box) -> Box | None:
    """`==` and `!=` of strings and numbers, or of what has these from them."""
    for box in (left, right):
        meta.guard_class(box)
        if type(box.object) not in _IMMUTABLE:
            meta.rely_on_class(type(box.object))
    if left.is_const and right.is_const:
        return const_box(_COMPARE[symbol](left.object, right.object))
    return None


def _compare_identity(
    meta: MetaInterpreter, symbol: str, left: Box, right: Box, kinds: tuple[type, type]
) -> Box | None:
    """`==` and `!=` that come down to identity, or to False because the classes know nothing of each other."""
    plain = [_has_default_equality(kind) for kind in kinds]
    if all(plain) and meta.is_steady(*kinds):
        meta.guard_class(left)
        meta.guard_class(right)
        for kind in kinds:
            if kind is not type(None):
                meta.rely_on_class(kind)
        if kinds[0] is not kinds[1] and (type(None) in kinds):
            return const_box(symbol == "!=")
        same = is_same(meta, left, right)
        return same if symbol == "==" else negate(meta, same)
    builtin = [kind in _IMMUTABLE for kind in kinds]
    if all(builtin) and type(None) in kinds:
        meta.guard_class(left)
        meta.guard_class(right)
        return const_box((left.object is right.object) == (symbol == "=="))
    return None


_DEFAULT = vars(object)


def _has_default_equality(cls: type) -> bool:
    return all(
        raw_lookup(cls, name)[0] is _DEFAULT[name] for name in ("__eq__", "__ne__")
    ) and type(cls) in (type, EnumType, ABCMeta)


def _inline_compare(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, symbol: str, left: Box, right: Box
) -> bool:
    """Look into a Python-level comparison method of the left operand. Whether that was done."""
    cls, other = type(left.object), type(right.object)
    if not meta.is_steady(cls, other) or (other is not cls and issubclass(other, cls)):
        return False
    found = lookup_attribute(cls, _COMPARE_DUNDER[symbol])
    if found.kind != "method" or not can_inline(meta, found.attribute):
        return False
    meta.guard_class(left)
    meta.guard_class(right)
    meta.rely_on_class(cls)
    meta.rely_on_class(other)
    truth = instruction.op == "compare_truth"
    check = _check_bool if truth else _check_implemented
    pending = Pending(instruction, _deliver, _finish_compare(symbol, truth), (left, right), True, check)
    return call_python(meta, frame, found.attribute, [left, right], pending)


def _check_bool(meta: MetaInterpreter, result: Box) -> None:
    """At the method's return: only a plain bool is its own truth."""
    _check_implemented(meta, result)
    if result.object is not NotImplemented and type(result.object) is not bool:
        from metatracer.errors import AbortReason

        raise meta.aborted(AbortReason.UNSUPPORTED, "a comparison method gave something else than a bool")


# --- identity -----------------------------------------------------------------------------------------------------------


def is_same(meta: MetaInterpreter, left: Box, right: Box) -> Box:
    """`left is right`."""
    same = left.object is right.object
    if left.is_const and right.is_const:
        return const_box(same)
    # Of different classes, both known: never the same. (Also the usual `x is None` of an unboxed number.)
    known = meta.known_type(left), meta.known_type(right)
    if None not in known and known[0] is not known[1]:
        return const_box(False)
    for box, other in ((left, right), (right, left)):
        if box.raw is not None and box.raw.kind == "b" and isinstance(other.object, bool):
            a, b = meta.bool_value(left), meta.bool_value(right)
            if isinstance(a, Const) and isinstance(b, Const):
                return const_box(same)
            for raw, wanted, variable in ((a, b, left), (b, a, right)):
                if isinstance(wanted, Const):
                    return Box(same, None, raw) if wanted.value else negate(meta, variable)
            x, y = meta.emit(ops.BOOL_TO_INT, a), meta.emit(ops.BOOL_TO_INT, b)
            return Box(same, None, meta.emit(ops.INT_EQ, x, y))
    a, b = meta.ref(left), meta.ref(right)
    key = (_identity(a), "is", _identity(b))
    found = meta.lasting.get(key)
    if found is None:
        found = meta.lasting[key] = meta.emit(ops.PTR_EQ, a, b)
    return Box(same, None, found)


def _identity(value: Value) -> Any:
    return id(value.value) if isinstance(value, Const) else value


@handles("is")
def is_(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`is` and `is not`."""
    left, right = frame.box(instruction.src[0]), frame.box(instruction.src[1])
    result = is_same(meta, left, right)
    frame.registers[instruction.dst[0]] = negate(meta, result) if instruction.arg else result

