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
    BYTEARRAY_LOAD,
    BYTES_GETITEM,
    BYTES_LEN,
    BYTES_LOAD,
    CALL_C_I,
    FLOAT_TO_INT,
    INT_ADD,
    INT_ADD_OVF,
    INT_AND,
    INT_EQ,
    INT_FLOORDIV,
    INT_GE,
    INT_GT,
    INT_INVERT,
    INT_LE,
    INT_LSHIFT,
    INT_LSHIFT_OVF,
    INT_LT,
    INT_MOD,
    INT_MUL,
    INT_MUL_OVF,
    INT_NE,
    INT_NEG,
    INT_RSHIFT,
    INT_SUB,
    INT_SUB_OVF,
    LIST_LEN,
    STR_LEN,
    STR_ORD_AT,
    TUPLE_LEN,
    UINT_BIT_COUNT,
    UINT_BIT_LENGTH,
    UINT_FLOORDIV,
    UINT_GE,
    UINT_GT,
    UINT_LE,
    UINT_LT,
    UINT_MOD,
    UINT_RSHIFT,
    Opcode,
)
from metatracer.ir.values import Const, Operation, Value
from metatracer.optimizer.bounds import BINARY, Bounds, decide
from metatracer.optimizer.relations import Relations
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
_SHRINKING = frozenset({INT_RSHIFT, UINT_RSHIFT, INT_FLOORDIV, UINT_FLOORDIV})
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
    UINT_BIT_LENGTH: (0, 64),
    UINT_BIT_COUNT: (0, 64),
    FLOAT_TO_INT: (-92 * 10**17, 92 * 10**17),
}
_TYPECODE_BITS = {"b": 7, "h": 15, "i": 31, "B": 8, "H": 16, "I": 32}
_COMPARISONS = (INT_LT, INT_LE, INT_EQ, INT_NE, INT_GT, INT_GE)
_UNSIGNED_COMPARISONS: dict[Opcode, Opcode] = {UINT_LT: INT_LT, UINT_LE: INT_LE, UINT_GT: INT_GT, UINT_GE: INT_GE}


class Ranges:
    """See the module's docstring.

    Attributes:
        relations: The orders of integers.
        given: The bounds that integers had before guards compared them with constants.
    """

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._state = forward.state
        self._pool = forward.pool
        self._rules = Rewriter(forward, "ranges")
        self.relations = Relations(forward.state)
        self.given: dict[Value, Bounds] = {}
        self._relates = "relations" in forward.enabled

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
        for opcode in (ARRAY_GETITEM_I, BYTES_LOAD, BYTEARRAY_LOAD):
            yield opcode, self.array_item
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
        if self._relates:
            self._relate(op, _CHECKED[op.opcode])
        return EMIT

    def binary(self, op: Operation) -> Verdict:
        left, right = op.args
        lo, hi = BINARY[op.opcode](*self._state.bounds(left), *self._state.bounds(right))
        if MIN_INT <= lo <= hi <= MAX_INT:  # otherwise it may wrap
            if lo == hi:
                return self._pool.get("i", lo)
            self._set(op, lo, hi)
            if self._relates:
                self._relate(op, op.opcode)
        return EMIT

    def _relate(self, op: Operation, opcode: Opcode) -> None:
        """What the definition of a result that has not wrapped says of its order to the arguments."""
        left, right = op.args
        note = self.relations.note
        a, b = self._state.bounds(left)
        c, d = self._state.bounds(right)
        if opcode is INT_ADD:
            for part, lo, hi in ((left, c, d), (right, a, b)):
                if hi < MAX_INT:
                    note(op, part, hi)
                if lo > MIN_INT:
                    note(part, op, -lo)
        elif opcode is INT_SUB:
            if c > MIN_INT:
                note(op, left, -c)
            if d < MAX_INT:
                note(left, op, d)
        elif opcode is INT_MOD or opcode is UINT_MOD:
            if c > 0:
                note(op, right, -1)
                if a >= 0:
                    note(op, left, 0)
        elif opcode is INT_AND:
            if a >= 0:
                note(op, left, 0)
            if c >= 0:
                note(op, right, 0)
        elif opcode in _SHRINKING and a >= 0 and c >= 0:
            note(op, left, 0)

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
        """A number of a typecode: so many bits of an array, a bytearray or bytes."""
        bits = _TYPECODE_BITS.get(op.descr[-1])
        if bits is not None:
            self._set(op, 0 if op.descr.isupper() else -(1 << bits), (1 << bits) - 1)
        return EMIT

    def c_result(self, op: Operation) -> Verdict:
        if op.descr.c_result == "i32":
            self._set(op, -(1 << 31), (1 << 31) - 1)
        return EMIT

    def compare(self, op: Operation) -> Verdict:
        left, right = op.args
        known = decide(op.opcode, self._state.bounds(left), self._state.bounds(right))
        if known is None and self._relates:
            known = self._decide_by_relations(op.opcode, left, right)
        return EMIT if known is None else self._pool.true if known else self._pool.false

    def _decide_by_relations(self, opcode: Opcode, left: Value, right: Value) -> bool | None:
        if opcode is INT_GT or opcode is INT_GE:
            opcode, left, right = (INT_LT if opcode is INT_GT else INT_LE), right, left
        if opcode is INT_LT or opcode is INT_LE:
            return self.relations.decides(opcode, left, right)
        if self.relations.proves(left, right, -1) or self.relations.proves(right, left, -1):
            return opcode is INT_NE
        return None

    def follows(self, opcode: Opcode, left: Value, right: Value) -> bool:
        """Whether a comparison must come out as true."""
        if decide(opcode, self._state.bounds(left), self._state.bounds(right)):
            return True
        return self._relates and self._decide_by_relations(opcode, left, right) is True

    def narrowed(self, value: Value, depth: int = 3) -> Bounds:
        """The bounds of a value by what is known of its arguments now: guards may have told more since it was computed."""
        lo, hi = self._state.bounds(value)
        if not depth or not isinstance(value, Operation):
            return lo, hi
        row = _CHECKED.get(value.opcode, value.opcode)
        if row not in BINARY:
            return lo, hi
        left, right = [self.narrowed(self._state.resolve(arg), depth - 1) for arg in value.args]
        least, most = BINARY[row](*left, *right)
        if row is value.opcode and not MIN_INT <= least <= most <= MAX_INT:
            return lo, hi  # it may have wrapped
        return max(lo, least), min(hi, most)

    def forget_edge(self, value: Value) -> None:
        """Forget a bound near the end of the range of integers that tells nothing but that a sum has not overflowed.

        At a loop's label it would hardly ever save a check, and every trace that enters there would need one for it.
        """
        if not isinstance(value, Operation) or value.opcode not in (INT_ADD_OVF, INT_SUB_OVF):
            return
        info = self._state.info(value)
        (a, b), (c, d) = [self._state.bounds(self._state.resolve(arg)) for arg in value.args]
        if value.opcode is INT_SUB_OVF:
            c, d = -d, -c
        if info.lo <= a + c and (a == MIN_INT or c <= MIN_INT):
            info.lo = MIN_INT
        if info.hi >= b + d and (b == MAX_INT or d >= MAX_INT):
            info.hi = MAX_INT

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
        if isinstance(right, Const):
            self.given.setdefault(left, (a, b))
        elif isinstance(left, Const):
            self.given.setdefault(right, (c, d))
        if self._relates:
            self._learn_order(opcode, left, right)
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

    def _learn_order(self, opcode: Opcode, left: Value, right: Value) -> None:
        relations = self.relations
        if opcode is INT_LT or opcode is INT_LE:
            relations.note_order(opcode, left, right)
        elif opcode is INT_EQ:
            relations.note(left, right, 0)
            relations.note(right, left, 0)
        elif relations.proves(left, right, 0):
            relations.note(left, right, -1)
        elif relations.proves(right, left, 0):
            relations.note(right, left, -1)

    def _narrow(self, value: Value, lo: int, hi: int) -> None:
        """Intersect the bounds of a value; bounds that contradict are left alone (the code is dead)."""
        if isinstance(value, Const):
            return
        info = self._state.info(value)
        lo, hi = max(lo, info.lo), min(hi, info.hi)
        if lo == hi:
            self._state.substitute(value, self._pool.get("i", lo))
            self._forward.bits.learn(value, (lo, 0))
        if lo <= hi and (lo > info.lo or hi < info.hi):
            info.lo, info.hi = lo, hi
            self._narrow_summand(value, lo, hi)

    def _narrow_summand(self, value: Value, lo: int, hi: int) -> None:
        """What is known of x + c is known of x, if the sum has not wrapped."""
        if not isinstance(value, Operation) or (value.opcode is not INT_ADD and value.opcode is not INT_ADD_OVF):
            return
        part, constant = [self._state.resolve(arg) for arg in value.args]
        if isinstance(part, Const):
            part, constant = constant, part
        if not isinstance(constant, Const) or isinstance(part, Const):
            return
        a, b = self._state.bounds(part)
        if value.opcode is INT_ADD_OVF or (a + constant.value >= MIN_INT and b + constant.value <= MAX_INT):
            self._narrow(part, lo - constant.value, hi - constant.value)

    def _exclude(self, value: Value, lo: int, hi: int) -> None:
        if lo != hi:
            return
        a, b = self._state.bounds(value)
        if a == lo:
            self._narrow(value, a + 1, MAX_INT)
        elif b == lo:
            self._narrow(value, MIN_INT, b - 1)
        self._forward.bits.exclude(value, lo)


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
