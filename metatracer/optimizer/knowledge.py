"""Guard subsumption: what is known of types, NULL, truth and identity, and guards that follow from it.

What a guard establishes is noted *after* it is emitted: its own snapshot describes the case that it fails.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

from metatracer.ir.cfunctions import SLICES
from metatracer.ir.opcodes import (
    BOOL_NOT,
    CALL_C_R,
    GUARD_EXHAUSTED,
    GUARD_FALSE,
    GUARD_INT_VALUE,
    GUARD_NEXT,
    GUARD_NO_ATTENTION,
    GUARD_NONNULL,
    GUARD_NOT_INVALIDATED,
    GUARD_NULL,
    GUARD_TRUE,
    GUARD_TYPE,
    GUARD_VALUE,
    LIST_GETITEM,
    LIST_POP,
    MATCH_STRING,
    NEW,
    NEW_CELL,
    NEW_LIST,
    NEW_NAMED_TUPLE,
    NEW_TUPLE,
    OPCODES,
    PTR_EQ,
    PTR_NE,
    PUSH_EXC_INFO,
    STR_CHR,
    TUPLE_GETITEM,
)
from metatracer.ir.values import Const, Operation, Value
from metatracer.optimizer.state import BOX_OF_TYPE, BOXED_TYPE, UNBOX, Virtual, VirtualBox
from metatracer.optimizer.verdicts import DROP, EMIT, Verdict

if TYPE_CHECKING:
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.verdicts import Handlers

_RESULT_TYPES = {
    **BOXED_TYPE,
    STR_CHR: str,
    NEW_LIST: list,
    NEW_TUPLE: tuple,
    NEW_CELL: types.CellType,
}
_C_RESULT_TYPES: dict[str, type] = {
    "str_concat": str,
    "str_getitem": str,
    "int_str": str,
    "float_str": str,
    **{row.name: cls for cls, row in SLICES.items()},
    "list_as_tuple": tuple,
    "new_slice": slice,
    "new_dict": dict,
    "new_set": set,
}
_BOX_OF = {unbox: box for box, unbox in UNBOX.items()}
_NEVER_NULL = (LIST_GETITEM, LIST_POP, TUPLE_GETITEM, MATCH_STRING, PUSH_EXC_INFO)
_SWAPPED = {"int_gt": "int_lt", "int_ge": "int_le", "uint_gt": "uint_lt", "uint_ge": "uint_le"}


class Knowledge:
    """See the module's docstring."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._state = forward.state
        self._pool = forward.pool

    def handlers(self) -> Handlers:
        yield GUARD_TRUE, self.guard_true
        yield GUARD_FALSE, self.guard_false
        yield GUARD_TYPE, self.guard_type
        yield GUARD_VALUE, self.guard_value
        yield GUARD_INT_VALUE, self.guard_int_value
        yield GUARD_NONNULL, self.guard_nonnull
        yield GUARD_NEXT, self.guard_nonnull
        yield GUARD_NULL, self.guard_null
        yield GUARD_EXHAUSTED, self.guard_null
        yield GUARD_NOT_INVALIDATED, self.guard_not_invalidated
        yield GUARD_NO_ATTENTION, self.guard_no_attention
        yield PTR_EQ, self.ptr_eq
        yield PTR_NE, self.ptr_ne
        for opcode in _BOX_OF:
            yield opcode, self.unbox
        for opcode in _RESULT_TYPES:
            yield opcode, self.result_type
        for opcode in _NEVER_NULL:
            yield opcode, self.never_null
        yield NEW, self.new
        yield NEW_NAMED_TUPLE, self.new
        yield CALL_C_R, self.c_result

    # --- truth ------------------------------------------------------------------------------------------------------

    def guard_true(self, op: Operation) -> Verdict:
        return self._guard_truth(op, True)

    def guard_false(self, op: Operation) -> Verdict:
        return self._guard_truth(op, False)

    def _guard_truth(self, op: Operation, truth: bool) -> Verdict:
        condition = op.args[0]
        if isinstance(condition, Const):
            return DROP if condition.value is truth else self._forward.failing()
        if isinstance(condition, Operation) and condition.opcode is BOOL_NOT:
            inner = self._state.resolve(condition.args[0])
            self._forward.run(Operation(GUARD_FALSE if truth else GUARD_TRUE, (inner,)))
            self._state.substitute(condition, self._pool.true if truth else self._pool.false)
            return DROP
        self._forward.emit(op)
        self._learn(condition, truth)
        return DROP

    def _learn(self, condition: Value, truth: bool) -> None:
        """Take note of a condition that holds from here on."""
        pool = self._pool
        self._state.substitute(condition, pool.true if truth else pool.false)
        if not isinstance(condition, Operation):
            return
        opcode = condition.opcode
        if opcode is PTR_EQ or opcode is PTR_NE:
            self._learn_identity(condition, truth is (opcode is PTR_EQ))
            return
        if opcode.inverse:
            inverse = opcode.inverse
            args = condition.args
            if inverse in _SWAPPED:
                inverse, args = _SWAPPED[inverse], (args[1], args[0])
            row = OPCODES[inverse]
            if row.commutes and id(args[0]) > id(args[1]):
                args = (args[1], args[0])
            self._state.pure[row, None, args] = pool.false if truth else pool.true
        if "ranges" in self._forward.enabled:
            self._forward.ranges.learn(condition, truth)

    def _learn_identity(self, condition: Operation, same: bool) -> None:
        left, right = [self._state.resolve(arg) for arg in condition.args]
        if isinstance(left, Const):
            left, right = right, left
        if isinstance(left, (Const, Virtual)) or isinstance(right, Virtual):
            return
        if not isinstance(right, Const):
            # A fact from over the back-edge is not found to be used under another name.
            if same and left is not right and not self._state.imported:
                self._unite(left, right)
            return
        if same:
            self._state.substitute(left, right)
        elif right.is_null:
            self._state.info(left).nonnull = True

    def _unite(self, left: Value, right: Value) -> None:
        """Two references turned out to be one: the older one stands for both."""
        state = self._state
        if state.positions.get(left, -1) < state.positions.get(right, -1):
            left, right = right, left
        of_left, of_right = state.info(left), state.info(right)
        of_right.type = of_right.type or of_left.type
        of_right.nonnull = of_right.nonnull or of_left.nonnull
        of_right.frozen_items = of_right.frozen_items or of_left.frozen_items
        state.substitute(left, right)

    # --- classes, identity ------------------------------------------------------------------------------------------

    def guard_type(self, op: Operation) -> Verdict:
        value = op.args[0]
        known = self._state.type_of(value)
        if known is not None:
            return DROP if known is op.descr else self._forward.failing()
        if isinstance(value, Const):
            if value.is_null:
                return self._forward.failing()
            return EMIT  # an object that changes its class too often to rely on it
        self._forward.emit(op)
        info = self._state.info(value)
        info.type = op.descr
        info.nonnull = True
        return DROP

    def guard_value(self, op: Operation) -> Verdict:
        value = op.args[0]
        wanted = self._pool.get("r", op.descr)
        if isinstance(value, Const):
            return DROP if value is wanted else self._forward.failing()
        if isinstance(value, VirtualBox) and type(op.descr) is bool and BOXED_TYPE[value.box] is bool:
            payload = self._state.resolve(value.payload)
            return self._forward.run(Operation(GUARD_TRUE if op.descr else GUARD_FALSE, (payload,)))
        known = self._state.type_of(value)
        if known is not None and known is not type(op.descr):
            return self._forward.failing()
        real = self._forward.emit(op).args[0]
        self._state.substitute(real, wanted)
        return DROP

    def guard_int_value(self, op: Operation) -> Verdict:
        value = op.args[0]
        if isinstance(value, Const):
            return DROP if value.value == op.descr else self._forward.failing()
        lo, hi = self._state.bounds(value)
        bits = self._forward.bits
        if not lo <= op.descr <= hi or bits.excludes(value, op.descr):
            return self._forward.failing()
        self._forward.emit(op)
        self._state.substitute(value, self._pool.get("i", op.descr))
        bits.learn(value, (op.descr, 0))
        return DROP

    def guard_nonnull(self, op: Operation) -> Verdict:
        value = op.args[0]
        if self._state.is_nonnull(value):
            return DROP
        if isinstance(value, Const):
            return self._forward.failing()
        self._forward.emit(op)
        self._state.info(value).nonnull = True
        return DROP

    def guard_null(self, op: Operation) -> Verdict:
        value = op.args[0]
        if isinstance(value, Const) and value.is_null:
            return DROP
        if self._state.is_nonnull(value):
            return self._forward.failing()
        self._forward.emit(op)
        self._state.substitute(value, self._pool.null)
        return DROP

    def ptr_eq(self, op: Operation) -> Verdict:
        return self._identity(op, True)

    def ptr_ne(self, op: Operation) -> Verdict:
        return self._identity(op, False)

    def _identity(self, op: Operation, wanted: bool) -> Verdict:
        left, right = op.args
        pool = self._pool
        if isinstance(left, Const):
            left, right = right, left
        same: bool | None = None
        if left is right:
            same = True
        elif isinstance(left, Virtual) or isinstance(right, Virtual):
            same = self._virtual_identity(left, right)
            if same is None and isinstance(left, VirtualBox) and isinstance(right, Const):
                payload = self._state.payload(left, BOX_OF_TYPE[bool])
                if payload is not None and isinstance(right.value, bool):
                    return payload if right.value is wanted else self._forward.new(BOOL_NOT, payload)
        elif isinstance(right, Const) and right.is_null:
            same = False if self._state.is_nonnull(left) else None
        elif not self._state.may_alias(left, right) and (self._state.is_nonnull(left) or self._state.is_nonnull(right)):
            same = False
        if same is None:
            return EMIT
        return pool.true if same is wanted else pool.false

    def _virtual_identity(self, left: Value, right: Value) -> bool | None:
        """Objects that were not allocated are nobody else; boxed numbers have an identity only when real."""
        if isinstance(left, VirtualBox) or isinstance(right, VirtualBox):
            left_type, right_type = self._state.type_of(left), self._state.type_of(right)
            if left_type is right_type:
                return None
            if left_type is not None and right_type is not None:
                return False
            return False if (left if isinstance(right, Virtual) else right) is self._pool.null else None
        return False

    # --- assumptions, attention -------------------------------------------------------------------------------------

    def guard_not_invalidated(self, op: Operation) -> Verdict:
        state = self._state
        if state.valid:
            state.used_valid = state.used_valid or state.imported_valid
            return DROP
        self._forward.emit(op)
        state.valid = True
        state.imported_valid = False
        return DROP

    def guard_no_attention(self, op: Operation) -> Verdict:
        """Once per iteration is enough; a long trace of calls asks in what it calls."""
        if self._state.attended:
            return DROP
        self._state.attended = True
        return EMIT

    # --- results ----------------------------------------------------------------------------------------------------

    def unbox(self, op: Operation) -> Verdict:
        value = op.args[0]
        if not isinstance(value, (Const, Virtual)):
            info = self._state.info(value)
            box = _BOX_OF[op.opcode]
            info.type = BOXED_TYPE[box]
            info.nonnull = True
            self._state.boxes[box, op] = value
        return EMIT

    def result_type(self, op: Operation) -> Verdict:
        info = self._state.info(op)
        info.type = _RESULT_TYPES[op.opcode]
        info.nonnull = True
        return EMIT

    def new(self, op: Operation) -> Verdict:
        info = self._state.info(op)
        info.type = op.descr
        info.nonnull = True
        return EMIT

    def never_null(self, op: Operation) -> Verdict:
        self._state.info(op).nonnull = True
        return EMIT

    def c_result(self, op: Operation) -> Verdict:
        cls = _C_RESULT_TYPES.get(op.descr.name)
        if cls is not None:
            # True once the guard behind the call has passed, and nobody asks before.
            self._state.info(op).type = cls
        return EMIT
