"""Integer ranges: bounds of every integer, what follows from guards, and what the bounds decide.

Overflow checks that cannot fail become plain operations, and comparisons that are decided become constants. Rules whose
conditions are about bounds (of `rules`) are applied here, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.ir.opcodes import (
    ARRAY_GETITEM_I,
    ARRAY_LEN,
    BOOL_NOT,
    BOOL_TO_INT,
    BYTEARRAY_GETITEM,
    BYTEARRAY_LEN,
    BYTES_GETITEM,
    BYTES_LEN,
    CALL_C_I,
    FLOAT_TO_INT,
    INT_ADD,
    INT_ADD_OVF,
    INT_EQ,
    INT_GE,
    INT_GT,
    INT_INVERT,
    INT_LE,
    INT_LSHIFT,
    INT_LSHIFT_OVF,
    INT_LT,
    INT_MUL,
    INT_MUL_OVF,
    INT_NE,
    INT_NEG,
    INT_SUB,
    INT_SUB_OVF,
    LIST_LEN,
    STR_LEN,
    STR_ORD_AT,
    TUPLE_LEN,
    UINT_GE,
    UINT_GT,
    UINT_LE,
    UINT_LT,
    Opcode,
)
from metatracer.ir.values import Const, Operation, Value
from metatracer.optimizer.bounds import BINARY, Bounds, decide
from metatracer.optimizer.rewriting import Rewriter
from metatracer.optimizer.state import MAX_INT, MIN_INT
from metatracer.optimizer.verdicts import EMIT, Verdict

if TYPE_CHECKING:
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.verdicts import Handlers

_MAX_LENGTH = MAX_INT // 8  # no object can hold more items than this
_CHECKED: dict[Opcode, Opcode] = {
    INT_ADD_OVF: INT_ADD,
    INT_SUB_OVF: INT_SUB,
    INT_MUL_OVF: INT_MUL,
    INT_LSHIFT_OVF: INT_LSHIFT,
}
_RESULTS: dict[Opcode, Bounds] = {
    LIST_LEN: (0, _MAX_LENGTH),
    TUPLE_LEN: (0, _MAX_LENGTH),
    STR_LEN: (0, MAX_INT - 1),
    BYTES_LEN: (0, MAX_INT - 1),
    BYTEARRAY_LEN: (0, MAX_INT - 1),
    ARRAY_LEN: (0, MAX_INT - 1),
    STR_ORD_AT: (0, 0x10FFFF),
    BYTES_GETITEM: (0, 255),
    BYTEARRAY_GETITEM: (0, 255),
    BOOL_TO_INT: (0, 1),
    FLOAT_TO_INT: (-92 * 10**17, 92 * 10**17),
}
_TYPECODE_BITS = {"b": 7, "h": 15, "i": 31, "B": 8, "H": 16, "I": 32}
_COMPARISONS = (INT_LT, INT_LE, INT_EQ, INT_NE, INT_GT, INT_GE)
_UNSIGNED_COMPARISONS: dict[Opcode, Opcode] = {UINT_LT: INT_LT, UINT_LE: INT_LE, UINT_GT: INT_GT, UINT_GE: INT_GE}


class Ranges:
    """See the module's docstring."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._state = forward.state
        self._pool = forward.pool
        self._rules = Rewriter(forward, by_ranges=True)

    def handlers(self) -> Handlers:
        yield from self._rules.handlers()
        for opcode in _CHECKED:
            yield opcode, self.checked
        for opcode in BINARY:
            yield opcode, self.binary
        yield INT_NEG, self.negate
        yield INT_INVERT, self.invert
        for opcode in _COMPARISONS:
            yield opcode, self.compare
        for opcode in _RESULTS:
            yield opcode, self.result
        yield ARRAY_GETITEM_I, self.array_item
        yield CALL_C_I, self.c_result

    def _set(self, op: Operation, lo: int, hi: int) -> None:
        if lo > MIN_INT or hi < MAX_INT:
            info = self._state.info(op)
            info.lo = max(lo, MIN_INT)
            info.hi = min(hi, MAX_INT)

    def checked(self, op: Operation) -> Verdict:
        """An overflow check: not needed when the exact result fits, and its result is within bounds when it is."""
        left, right = op.args
        lo, hi = BINARY[_CHECKED[op.opcode]](*self._state.bounds(left), *self._state.bounds(right))
        if lo >= MIN_INT and hi <= MAX_INT:
            return self._forward.run(Operation(_CHECKED[op.opcode], op.args))
        if lo > MAX_INT or hi < MIN_INT:
            return self._forward.failing()
        self._set(op, lo, hi)
        return EMIT

    def binary(self, op: Operation) -> Verdict:
        left, right = op.args
        lo, hi = BINARY[op.opcode](*self._state.bounds(left), *self._state.bounds(right))
        if MIN_INT <= lo <= hi <= MAX_INT:  # otherwise it may wrap
            if lo == hi:
                return self._pool.get("i", lo)
            self._set(op, lo, hi)
        return EMIT

    def negate(self, op: Operation) -> Verdict:
        lo, hi = self._state.bounds(op.args[0])
        if lo > MIN_INT:
            self._set(op, -hi, -lo)
        return EMIT

    def invert(self, op: Operation) -> Verdict:
        lo, hi = self._state.bounds(op.args[0])
        self._set(op, ~hi, ~lo)
        return EMIT

    def result(self, op: Operation) -> Verdict:
        self._set(op, *_RESULTS[op.opcode])
        return EMIT

    def array_item(self, op: Operation) -> Verdict:
        bits = _TYPECODE_BITS.get(op.descr)
        if bits is not None:
            self._set(op, 0 if op.descr.isupper() else -(1 << bits), (1 << bits) - 1)
        return EMIT

    def c_result(self, op: Operation) -> Verdict:
        if op.descr.c_result == "i32":
            self._set(op, -(1 << 31), (1 << 31) - 1)
        return EMIT

    def compare(self, op: Operation) -> Verdict:
        left, right = op.args
        difference = self._difference(left, right)
        if difference is not None:  # x + c against x
            return self._decide(op.opcode, difference, self._pool.get("i", 0))
        difference = self._difference(right, left)
        if difference is not None:
            return self._decide(op.opcode, self._pool.get("i", 0), difference)
        return self._decide(op.opcode, left, right)

    def _difference(self, value: Value, part: Value) -> Const | None:
        """The constant of which `value` is greater than `part`, if it is known to be its sum without wrapping."""
        if not isinstance(value, Operation) or (value.opcode is not INT_ADD and value.opcode is not INT_ADD_OVF):
            return None
        left, right = [self._state.resolve(arg) for arg in value.args]
        if left.__class__ is Const:
            left, right = right, left
        if left is not part or not isinstance(right, Const):
            return None
        lo, hi = self._state.bounds(part)
        if value.opcode is INT_ADD and (lo + right.value < MIN_INT or hi + right.value > MAX_INT):
            return None
        return right

    def _decide(self, opcode: Opcode, left: Value, right: Value) -> Verdict:
        known = decide(opcode, self._state.bounds(left), self._state.bounds(right))
        return EMIT if known is None else self._pool.true if known else self._pool.false

    # --- what guards tell -------------------------------------------------------------------------------------------

    def learn(self, condition: Value, truth: bool) -> None:
        """Take note that a comparison came out as `truth`."""
        while isinstance(condition, Operation) and condition.opcode is BOOL_NOT:
            condition, truth = self._state.resolve(condition.args[0]), not truth
        if not isinstance(condition, Operation):
            return
        opcode = condition.opcode
        if opcode in _COMPARISONS:
            left, right = [self._state.resolve(arg) for arg in condition.args]
            if not truth:
                opcode = _INVERSE[opcode]
            self._learn(opcode, left, right)
        elif opcode in _UNSIGNED_COMPARISONS:
            left, right = [self._state.resolve(arg) for arg in condition.args]
            if not truth:
                opcode = _INVERSE[opcode]
            if opcode in (UINT_GT, UINT_GE):
                opcode, left, right = (UINT_LT if opcode is UINT_GT else UINT_LE), right, left
            if self._state.bounds(right)[0] >= 0:  # then the left side is not negative either
                self._narrow(left, 0, MAX_INT)
                self._learn(_UNSIGNED_COMPARISONS[opcode], left, right)

    def _learn(self, opcode: Opcode, left: Value, right: Value) -> None:
        if opcode is INT_GT or opcode is INT_GE:
            opcode, left, right = (INT_LT if opcode is INT_GT else INT_LE), right, left
        a, b = self._state.bounds(left)
        c, d = self._state.bounds(right)
        if opcode is INT_LT:
            self._narrow(left, MIN_INT, d - 1)
            self._narrow(right, a + 1, MAX_INT)
        elif opcode is INT_LE:
            self._narrow(left, MIN_INT, d)
            self._narrow(right, a, MAX_INT)
        elif opcode is INT_EQ:
            self._narrow(left, c, d)
            self._narrow(right, a, b)
        else:
            self._exclude(left, c, d)
            self._exclude(right, a, b)

    def _narrow(self, value: Value, lo: int, hi: int) -> None:
        """Intersect the bounds of a value; bounds that contradict are left alone (the code is dead)."""
        if isinstance(value, Const):
            return
        info = self._state.info(value)
        lo, hi = max(lo, info.lo), min(hi, info.hi)
        if lo == hi:
            self._state.substitute(value, self._pool.get("i", lo))
        if lo <= hi:
            info.lo, info.hi = lo, hi

    def _exclude(self, value: Value, lo: int, hi: int) -> None:
        if lo != hi:
            return
        a, b = self._state.bounds(value)
        if a == lo:
            self._narrow(value, a + 1, MAX_INT)
        elif b == lo:
            self._narrow(value, MIN_INT, b - 1)


_INVERSE: dict[Opcode, Opcode] = {
    INT_LT: INT_GE,
    INT_LE: INT_GT,
    INT_GT: INT_LE,
    INT_GE: INT_LT,
    INT_EQ: INT_NE,
    INT_NE: INT_EQ,
    UINT_LT: UINT_GE,
    UINT_LE: UINT_GT,
    UINT_GT: UINT_LE,
    UINT_GE: UINT_LT,
}
