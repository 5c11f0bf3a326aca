"""The operation table: every IR operation is one row here.

Kinds of values: ``i`` a signed 64-bit integer, ``f`` a double, ``r`` a reference to a Python object (may be NULL where
the row says so), ``b`` a truth value. An operation's `args` string gives the kinds of its arguments; ``*`` at the end
repeats the kind before it (``"r*"``: any number of references).

A *guard* carries a `Snapshot`: when it fails, execution goes on in the plain interpreter from there. Guarding
operations that also compute (``int_add_ovf``, ``int_unbox``) are guards with a result: when they fail the result does
not exist.

Integer operations without ``_ovf`` wrap modulo 2**64.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Effect(enum.Flag):
    """What an operation may read or write beyond its arguments and result."""

    NONE = 0
    FIELD = enum.auto()  # instance fields (those in dicts are written by DICT, too), cells
    LIST = enum.auto()  # list items and lengths
    BUFFER = enum.auto()  # bytearray and array.array contents
    DICT = enum.auto()  # dict contents
    ITERATOR = enum.auto()  # state of builtin iterators
    EXC_INFO = enum.auto()  # the thread's handled exception
    HEAP = 0b011111  # all up to ITERATOR; written out because mypyc does not take sums of members
    ANY = 0b111111


def wrap_i64(value: int) -> int:
    """Return `value` modulo 2**64 as a signed 64-bit integer."""
    return ((value + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)


def fits_i64(value: int) -> bool:
    """Whether `value` is representable as a signed 64-bit integer."""
    return -(1 << 63) <= value < (1 << 63)


@dataclass(frozen=True, slots=True, eq=False)
class Opcode:
    """One row of the table.

    Attributes:
        name: As printed in trace text.
        args: Argument kinds, see the module docstring.
        result: Kind of the result, "" for none.
        is_guard: Carries a snapshot and may leave the trace.
        reads, writes: Memory effects.
        runs_code: May run arbitrary Python code (and so may observe and change anything, and break assumptions).
        can_raise: May leave an exception pending; a `guard_no_exception` or `guard_exception` follows at once.
        allocates: The result is a fresh object that nobody else refers to.
        commutes: Arguments may be swapped.
        inverse: Name of the comparison that gives the opposite truth value, for total orders only.
        descr: What kind of descriptor the operation carries: "" none, "field", "type", "value", "cfunction",
            "call", "site" (see `values`).
        forcible: The forced-failure build may fail this guard at will: failing spuriously is harmless.
        evaluate: Meaning on Python values, for pure operations. Guards among them raise `GuardFailed`.
        doc: One line.
    """

    name: str
    args: str
    result: str
    is_guard: bool = False
    reads: Effect = Effect.NONE
    writes: Effect = Effect.NONE
    runs_code: bool = False
    can_raise: bool = False
    allocates: bool = False
    commutes: bool = False
    inverse: str = ""
    descr: str = ""
    forcible: bool = True
    is_control: bool = False
    evaluate: Callable[..., Any] | None = None
    doc: str = ""

    @property
    def is_pure(self) -> bool:
        """Same arguments, same result, no effect: may be folded, merged, hoisted, and dropped when unused.

        Pure guards (``int_add_ovf``) are included: merging two equal ones is sound, dropping an unused one is not.
        """
        return self.evaluate is not None

    @property
    def has_side_effect(self) -> bool:
        """Must be kept, in order, even when the result is unused."""
        return bool(self.writes) or self.runs_code or self.is_guard or self.is_control

    def __repr__(self) -> str:
        return self.name


class GuardFailed(Exception):
    """Raised by `Opcode.evaluate` of a guarding operation whose condition does not hold."""


OPCODES: dict[str, Opcode] = {}


def _op(name: str, args: str, result: str, doc: str = "", **fields: Any) -> Opcode:
    opcode = Opcode(name, args, result, doc=doc, **fields)
    assert name not in OPCODES
    OPCODES[name] = opcode
    return opcode


def _checked(compute: Callable[..., int]) -> Callable[..., int]:
    def evaluate(*args: int) -> int:
        value = compute(*args)
        if not fits_i64(value):
            raise GuardFailed
        return value

    return evaluate


def _require(condition: Callable[..., bool]) -> Callable[..., None]:
    def evaluate(*args: Any) -> None:
        if not condition(*args):
            raise GuardFailed

    return evaluate


def _uint(value: int) -> int:
    return value & ((1 << 64) - 1)


def _as_uint(value: int) -> int:
    if _uint(value) != value:
        raise GuardFailed
    return wrap_i64(value)


# --- integers -------------------------------------------------------------------------------------------------------

INT_ADD = _op("int_add", "ii", "i", commutes=True, evaluate=lambda a, b: wrap_i64(a + b))
INT_SUB = _op("int_sub", "ii", "i", evaluate=lambda a, b: wrap_i64(a - b))
INT_MUL = _op("int_mul", "ii", "i", commutes=True, evaluate=lambda a, b: wrap_i64(a * b))
INT_AND = _op("int_and", "ii", "i", commutes=True, evaluate=lambda a, b: a & b)
INT_OR = _op("int_or", "ii", "i", commutes=True, evaluate=lambda a, b: a | b)
INT_XOR = _op("int_xor", "ii", "i", commutes=True, evaluate=lambda a, b: a ^ b)
INT_NEG = _op("int_neg", "i", "i", evaluate=lambda a: wrap_i64(-a))
INT_INVERT = _op("int_invert", "i", "i", evaluate=lambda a: ~a)
INT_LSHIFT = _op("int_lshift", "ii", "i", "wraps; 0 <= count < 64", evaluate=lambda a, b: wrap_i64(a << b))
INT_RSHIFT = _op("int_rshift", "ii", "i", "arithmetic; 0 <= count < 64", evaluate=lambda a, b: a >> b)
UINT_RSHIFT = _op("uint_rshift", "ii", "i", "logical; 0 <= count < 64", evaluate=lambda a, b: wrap_i64(_uint(a) >> b))
INT_FLOORDIV = _op("int_floordiv", "ii", "i", "Python's //; divisor not 0, not MIN // -1", evaluate=lambda a, b: a // b)
INT_MOD = _op("int_mod", "ii", "i", "Python's %; divisor not 0 and not -1 with MIN", evaluate=lambda a, b: a % b)
UINT_FLOORDIV = _op("uint_floordiv", "ii", "i", "unsigned; divisor not 0", evaluate=lambda a, b: wrap_i64(_uint(a) // _uint(b)))
UINT_MOD = _op("uint_mod", "ii", "i", "unsigned; divisor not 0", evaluate=lambda a, b: wrap_i64(_uint(a) % _uint(b)))
INT_ADD_OVF = _op("int_add_ovf", "ii", "i", is_guard=True, commutes=True, evaluate=_checked(lambda a, b: a + b))
INT_SUB_OVF = _op("int_sub_ovf", "ii", "i", is_guard=True, evaluate=_checked(lambda a, b: a - b))
INT_MUL_OVF = _op("int_mul_ovf", "ii", "i", is_guard=True, commutes=True, evaluate=_checked(lambda a, b: a * b))
INT_LSHIFT_OVF = _op("int_lshift_ovf", "ii", "i", "0 <= count < 64", is_guard=True, evaluate=_checked(lambda a, b: a << b))
INT_LT = _op("int_lt", "ii", "b", inverse="int_ge", evaluate=lambda a, b: a < b)
INT_LE = _op("int_le", "ii", "b", inverse="int_gt", evaluate=lambda a, b: a <= b)
INT_EQ = _op("int_eq", "ii", "b", commutes=True, inverse="int_ne", evaluate=lambda a, b: a == b)
INT_NE = _op("int_ne", "ii", "b", commutes=True, inverse="int_eq", evaluate=lambda a, b: a != b)
INT_GT = _op("int_gt", "ii", "b", inverse="int_le", evaluate=lambda a, b: a > b)
INT_GE = _op("int_ge", "ii", "b", inverse="int_lt", evaluate=lambda a, b: a >= b)
UINT_LT = _op("uint_lt", "ii", "b", inverse="uint_ge", evaluate=lambda a, b: _uint(a) < _uint(b))
UINT_LE = _op("uint_le", "ii", "b", inverse="uint_gt", evaluate=lambda a, b: _uint(a) <= _uint(b))
UINT_GT = _op("uint_gt", "ii", "b", inverse="uint_le", evaluate=lambda a, b: _uint(a) > _uint(b))
UINT_GE = _op("uint_ge", "ii", "b", inverse="uint_lt", evaluate=lambda a, b: _uint(a) >= _uint(b))
UINT_BIT_LENGTH = _op("uint_bit_length", "i", "i", "of the unsigned number", evaluate=lambda a: _uint(a).bit_length())
UINT_BIT_COUNT = _op("uint_bit_count", "i", "i", "of the unsigned number", evaluate=lambda a: _uint(a).bit_count())
INT_TO_FLOAT = _op("int_to_float", "i", "f", "rounds to nearest even", evaluate=float)

# --- floats ---------------------------------------------------------------------------------------------------------


def _float_to_int(value: float) -> int:
    if not -9.2e18 < value < 9.2e18:  # also false for NaN
        raise GuardFailed
    return int(value)


def _float_sqrt(value: float) -> float:
    return math.sqrt(value) if value >= 0.0 else math.nan


def _float_floor(value: float) -> float:
    # math.floor gives an int and so loses the sign of -0.0.
    return math.copysign(math.floor(value), value) if math.isfinite(value) else value


def _float_truediv(left: float, right: float) -> float:
    if right == 0.0:
        return math.nan if left == 0.0 or left != left else math.copysign(math.inf, left) * math.copysign(1.0, right)
    return left / right


FLOAT_ADD = _op("float_add", "ff", "f", commutes=True, evaluate=lambda a, b: a + b)
FLOAT_SUB = _op("float_sub", "ff", "f", evaluate=lambda a, b: a - b)
FLOAT_MUL = _op("float_mul", "ff", "f", commutes=True, evaluate=lambda a, b: a * b)
FLOAT_TRUEDIV = _op("float_truediv", "ff", "f", "IEEE; the recorder guards the divisor", evaluate=_float_truediv)
FLOAT_NEG = _op("float_neg", "f", "f", evaluate=lambda a: -a)
FLOAT_ABS = _op("float_abs", "f", "f", evaluate=abs)
FLOAT_SQRT = _op("float_sqrt", "f", "f", "NaN below zero; the recorder guards", evaluate=_float_sqrt)
FLOAT_FLOOR = _op("float_floor", "f", "f", "keeps the sign of zero", evaluate=_float_floor)
# Comparisons with NaN are false, so only == and != are inverses of each other.
FLOAT_LT = _op("float_lt", "ff", "b", evaluate=lambda a, b: a < b)
FLOAT_LE = _op("float_le", "ff", "b", evaluate=lambda a, b: a <= b)
FLOAT_EQ = _op("float_eq", "ff", "b", commutes=True, inverse="float_ne", evaluate=lambda a, b: a == b)
FLOAT_NE = _op("float_ne", "ff", "b", commutes=True, inverse="float_eq", evaluate=lambda a, b: a != b)
FLOAT_GT = _op("float_gt", "ff", "b", evaluate=lambda a, b: a > b)
FLOAT_GE = _op("float_ge", "ff", "b", evaluate=lambda a, b: a >= b)
FLOAT_TO_INT = _op("float_to_int", "f", "i", "truncates; fails outside +-9.2e18 and for NaN", is_guard=True, evaluate=_float_to_int)

# --- truth ----------------------------------------------------------------------------------------------------------

BOOL_NOT = _op("bool_not", "b", "b", evaluate=lambda a: not a)
BOOL_TO_INT = _op("bool_to_int", "b", "i", evaluate=int)

# --- boxing ---------------------------------------------------------------------------------------------------------

INT_BOX = _op("int_box", "i", "r", "a Python int of this value; identity unspecified", allocates=True, evaluate=lambda a: a)
UINT_BOX = _op("uint_box", "i", "r", "a Python int: the argument as an unsigned number; identity unspecified", allocates=True, evaluate=_uint)
FLOAT_BOX = _op("float_box", "f", "r", "a fresh Python float", allocates=True, evaluate=lambda a: a)
BOOL_BOX = _op("bool_box", "b", "r", "True or False", evaluate=bool)
INT_UNBOX = _op("int_unbox", "r", "i", "argument known to be exactly int; fails outside 64 bits", is_guard=True, evaluate=_checked(lambda a: a))
UINT_UNBOX = _op("uint_unbox", "r", "i", "argument known to be exactly int; fails below 0 and from 2**64 on", is_guard=True, evaluate=_as_uint)
INT_OF_SUBCLASS = _op("int_of_subclass", "r", "i", "argument known to be of a subclass of int; fails outside 64 bits", is_guard=True, evaluate=_checked(int.__int__))
INT_TRUNCATE = _op("int_truncate", "r", "i", "the low 64 bits; argument known to be exactly int", evaluate=wrap_i64)
FLOAT_UNBOX = _op("float_unbox", "r", "f", "argument known to be exactly float", evaluate=lambda a: a)
BOOL_UNBOX = _op("bool_unbox", "r", "b", "argument known to be exactly bool", evaluate=lambda a: a is True)

# --- references -----------------------------------------------------------------------------------------------------

PTR_EQ = _op("ptr_eq", "rr", "b", "identity; not for boxed numbers", commutes=True, inverse="ptr_ne", evaluate=lambda a, b: a is b)
PTR_NE = _op("ptr_ne", "rr", "b", commutes=True, inverse="ptr_eq", evaluate=lambda a, b: a is not b)

# --- guards ---------------------------------------------------------------------------------------------------------

GUARD_TRUE = _op("guard_true", "b", "", is_guard=True)
GUARD_FALSE = _op("guard_false", "b", "", is_guard=True)
GUARD_ANSWER = _op("guard_answer", "b", "", "arg, what was asked just now and is not asked again, is true; on failure it is false for good", is_guard=True, forcible=False)
GUARD_TYPE = _op("guard_type", "r", "", "type(arg) is descr; arg not NULL", is_guard=True, descr="type")
GUARD_VALUE = _op("guard_value", "r", "", "arg is descr (by identity)", is_guard=True, descr="value")
GUARD_INT_VALUE = _op("guard_int_value", "i", "", "arg == descr", is_guard=True, descr="value")
GUARD_NONNULL = _op("guard_nonnull", "r", "", "arg is not NULL", is_guard=True)
GUARD_NULL = _op("guard_null", "r", "", "arg is NULL", is_guard=True)
GUARD_NEXT = _op("guard_next", "r", "", "the iterator gave an item (arg not NULL)", is_guard=True, forcible=False)
GUARD_EXHAUSTED = _op("guard_exhausted", "r", "", "the iterator is exhausted (arg is NULL); on failure arg is its item", is_guard=True, forcible=False)
GUARD_NO_EXCEPTION = _op("guard_no_exception", "*", "", "the call before (its only argument, if it has a result) did not raise", is_guard=True, forcible=False)
GUARD_EXCEPTION = _op("guard_exception", "*", "r", "the call before raised; takes the exception (normalized, traceback attached), clears it", is_guard=True, forcible=False)
GUARD_NOT_INVALIDATED = _op("guard_not_invalidated", "", "", "all assumptions of the trace still hold", is_guard=True)
GUARD_NO_ATTENTION = _op("guard_no_attention", "", "", "no signal, GIL request or pending call waits", is_guard=True)
GUARD_NOT_SHADOWED = _op("guard_not_shadowed", "r", "", "the instance (of known type) has no instance attribute descr.name", is_guard=True, reads=Effect.FIELD, descr="field")

# --- instance fields (descr: Field) ---------------------------------------------------------------------------------

GETFIELD = _op("getfield", "r", "r", "value or NULL when unset", reads=Effect.FIELD, descr="field")
SETFIELD = _op("setfield", "rr", "", "the old value is released", writes=Effect.FIELD, descr="field")
GUARD_DICT_FIELD = _op("guard_dict_field", "r", "", "the dict, or the own dict of the instance (of known type), has this field at its place", is_guard=True, reads=Effect.FIELD | Effect.DICT, descr="field")
GUARD_INLINE_VALUES = _op("guard_inline_values", "r", "", "the instance (of known type) still keeps attributes inline", is_guard=True, reads=Effect.FIELD)
NEW = _op("new", "", "r", "object.__new__(descr): all fields unset", allocates=True, descr="type")

# --- lists, tuples, cells -------------------------------------------------------------------------------------------

LIST_LEN = _op("list_len", "r", "i", reads=Effect.LIST)
LIST_GETITEM = _op("list_getitem", "ri", "r", "0 <= index < length, checked before", reads=Effect.LIST)
LIST_SETITEM = _op("list_setitem", "rir", "", "0 <= index < length; the old item is released", writes=Effect.LIST)
LIST_APPEND = _op("list_append", "rr", "", writes=Effect.LIST)
LIST_POP = _op("list_pop", "r", "r", "the last item; the list is not empty, checked before", writes=Effect.LIST, reads=Effect.LIST)
NEW_LIST = _op("new_list", "r*", "r", allocates=True)
NEW_TUPLE = _op("new_tuple", "r*", "r", allocates=True)
NEW_NAMED_TUPLE = _op("new_named_tuple", "r*", "r", "tuple.__new__(descr, items)", allocates=True, descr="type")
TUPLE_LEN = _op("tuple_len", "r", "i", evaluate=len)
TUPLE_GETITEM = _op("tuple_getitem", "ri", "r", "0 <= index < length", evaluate=lambda t, i: t[i])
NEW_CELL = _op("new_cell", "r", "r", "the content may be NULL", allocates=True)
CELL_GET = _op("cell_get", "r", "r", "content or NULL", reads=Effect.FIELD)
CELL_SET = _op("cell_set", "rr", "", "content may be NULL; the old one is released", writes=Effect.FIELD)

# --- strings and buffers --------------------------------------------------------------------------------------------

STR_LEN = _op("str_len", "r", "i", evaluate=len)
STR_ORD_AT = _op("str_ord_at", "ri", "i", "ord(s[i]); 0 <= index < length", evaluate=lambda s, i: ord(s[i]))
STR_CHR = _op("str_chr", "i", "r", "chr(i); 0 <= i < 0x110000", evaluate=chr)
STR_EQ = _op("str_eq", "rr", "b", "both exactly str", commutes=True, evaluate=lambda a, b: a == b)
BYTES_EQ = _op("bytes_eq", "rr", "b", "both exactly bytes", commutes=True, evaluate=lambda a, b: a == b)
BYTES_LEN = _op("bytes_len", "r", "i", evaluate=len)
BYTES_GETITEM = _op("bytes_getitem", "ri", "i", "0 <= index < length", evaluate=lambda s, i: s[i])
BYTEARRAY_LEN = _op("bytearray_len", "r", "i", reads=Effect.BUFFER)
BYTEARRAY_GETITEM = _op("bytearray_getitem", "ri", "i", "0 <= index < length", reads=Effect.BUFFER)
BYTEARRAY_SETITEM = _op("bytearray_setitem", "rii", "", "0 <= index < length, 0 <= value < 256", writes=Effect.BUFFER)
BYTES_LOAD = _op("bytes_load", "ri", "i", "the number in these bytes, of the struct format descr, from an offset on; within bounds, checked before; Q wraps", reads=Effect.BUFFER, descr="value")
BYTEARRAY_LOAD = _op("bytearray_load", "ri", "i", "the same of a bytearray", reads=Effect.BUFFER, descr="value")
BYTEARRAY_STORE = _op("bytearray_store", "rii", "", "the low bits of a number, in the struct format descr, at an offset; within bounds, checked before", writes=Effect.BUFFER, descr="value")
ARRAY_LEN = _op("array_len", "r", "i", "array.array", reads=Effect.BUFFER)
GUARD_ARRAY_TYPECODE = _op("guard_array_typecode", "r", "", "array.array with typecode descr (a one-character str)", is_guard=True, descr="value")
ARRAY_GETITEM_I = _op("array_getitem_i", "ri", "i", "descr: typecode, one of bBhHiIlLqQ (Q and L only below 2**63: else fails)", is_guard=True, reads=Effect.BUFFER, descr="value")
ARRAY_GETITEM_F = _op("array_getitem_f", "ri", "f", "descr: typecode d or f", reads=Effect.BUFFER, descr="value")
ARRAY_SETITEM_I = _op("array_setitem_i", "rii", "", "value in range for typecode descr", writes=Effect.BUFFER, descr="value")
ARRAY_SETITEM_F = _op("array_setitem_f", "rif", "", "descr: typecode d or f", writes=Effect.BUFFER, descr="value")

# --- matches of regular expressions (exactly re.Match) ----------------------------------------------------------------

MATCH_GROUPS = _op("match_groups", "r", "i", "how many groups it has, the whole match included", evaluate=lambda m: m.re.groups + 1)
MATCH_MARK = _op("match_mark", "ri", "i", "where a group begins (2 * group) or ends (2 * group + 1), -1 if it took no part; 0 <= group < match_groups", evaluate=lambda m, i: (m.end if i % 2 else m.start)(i // 2))
MATCH_STRING = _op("match_string", "r", "r", "what it was found in", evaluate=lambda m: m.string)

# --- generators that somebody else has made (descr: where they wait, backend/generators.py) ----------------------------

GUARD_WAITS = _op("guard_waits", "r", "", "the generator (of known type) waits at the place descr", is_guard=True, reads=Effect.ITERATOR, descr="value")
GENERATOR_ENTER = _op("generator_enter", "r", "", "it is marked as running; it waited at the place descr", writes=Effect.ITERATOR, descr="value")
GENERATOR_CLEAR = _op("generator_clear", "r", "", "slots that are not in use, from descr[0] up to descr[1], hold NULL from now on", reads=Effect.FIELD, writes=Effect.FIELD, descr="value")
GENERATOR_LEAVE = _op("generator_leave", "r", "", "it waits at the place descr", writes=Effect.ITERATOR, descr="value")

# --- calls ----------------------------------------------------------------------------------------------------------

CALL = _op("call", "r*", "r", "vectorcall args[0](*args[1:]); descr: CallShape with keyword names", reads=Effect.ANY, writes=Effect.ANY, runs_code=True, can_raise=True, descr="call")
CALL_C_R = _op("call_c_r", "*", "r", "a row of ir/cfunctions.py; new reference, or NULL as that row says", descr="cfunction")
CALL_C_I = _op("call_c_i", "*", "i", "a row of ir/cfunctions.py", descr="cfunction")
CALL_C_F = _op("call_c_f", "*", "f", "a row of ir/cfunctions.py", descr="cfunction")
CALL_PORTAL = _op("call_portal", "r*", "r", "enter another loop's machine code with these reds and run it to the end of its frame; descr: LoopRef", reads=Effect.ANY, writes=Effect.ANY, runs_code=True, can_raise=True, descr="loop")
CALL_LOOP = _op("call_loop", "*", "r", "as call_portal; but when the callee leaves its machine code, NULL is returned with an Unwound exception: the caller leaves, too", reads=Effect.ANY, writes=Effect.ANY, runs_code=True, can_raise=True, descr="loop")

GUARD_PARTS = _op("guard_parts", "r", "", "the call_loop just done gave its result as parts of an object of the Shape descr; else it is there as an object", is_guard=True, forcible=False, descr="value")
RESULT_PART_I = _op("result_part_i", "r", "i", "the part of this number of what the call gave; the guard stands before", descr="value")
RESULT_PART_F = _op("result_part_f", "r", "f", "the same", descr="value")

# --- the handled exception of the thread ------------------------------------------------------------------------------

PUSH_EXC_INFO = _op("push_exc_info", "r", "r", "make arg the handled exception; gives the one before (None if none)", reads=Effect.EXC_INFO, writes=Effect.EXC_INFO)
POP_EXC_INFO = _op("pop_exc_info", "r", "", "make arg (or None) the handled exception again", writes=Effect.EXC_INFO)

# --- reference counting, inserted late --------------------------------------------------------------------------------

INCREF = _op("incref", "r", "", "arg not NULL", writes=Effect.NONE, is_control=True)
DECREF = _op("decref", "r", "", "arg not NULL; may run a finalizer", writes=Effect.NONE, is_control=True, runs_code=True)
XDECREF = _op("xdecref", "r", "", "arg may be NULL", writes=Effect.NONE, is_control=True, runs_code=True)

# --- control ----------------------------------------------------------------------------------------------------------

MERGE_POINT = _op("merge_point", "", "", "marks where the guest stands; descr: the printable location", descr="site", is_control=True)
LABEL = _op("label", "*", "", "loop header: args are the values on first entry; `params` the values inside", is_control=True)
JUMP = _op("jump", "*", "", "to the label of this trace, or (descr: LoopRef) to the entry of another loop, or (descr: LabelRef) to its label", is_control=True, descr="loop")
FINISH = _op("finish", "r", "", "the portal returns arg", is_control=True)
FINISH_RAISE = _op("finish_raise", "r", "", "the exception arg leaves the portal (traceback already attached)", is_control=True)

FINISH_PARTS = _op("finish_parts", "*", "", "the portal returns an object of the Shape descr, made of these numbers", is_control=True, descr="value")

COMPARISONS: dict[str, tuple[Opcode, Opcode, Opcode]] = {
    "<": (INT_LT, UINT_LT, FLOAT_LT),
    "<=": (INT_LE, UINT_LE, FLOAT_LE),
    "==": (INT_EQ, INT_EQ, FLOAT_EQ),
    "!=": (INT_NE, INT_NE, FLOAT_NE),
    ">": (INT_GT, UINT_GT, FLOAT_GT),
    ">=": (INT_GE, UINT_GE, FLOAT_GE),
}
"""Signed, unsigned and float opcode of each comparison operator."""
