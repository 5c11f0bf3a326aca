"""Common subexpressions: an operation that an equal one has computed already is replaced by it.

Pure operations and calls, pure guards (an overflow check that passed passes again), and reads that stay equal until
something is written: array contents, and guards on the shape of an instance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir.opcodes import (
    ARRAY_GETITEM_F,
    ARRAY_GETITEM_I,
    ARRAY_LEN,
    BYTEARRAY_GETITEM,
    BYTEARRAY_LEN,
    BYTEARRAY_LOAD,
    BYTES_LOAD,
    CALL,
    CALL_C_F,
    CALL_C_I,
    CALL_C_R,
    GUARD_ARRAY_TYPECODE,
    GUARD_DICT_FIELD,
    GUARD_INLINE_VALUES,
    GUARD_NOT_SHADOWED,
    INT_ADD,
    INT_ADD_OVF,
    INT_LSHIFT,
    INT_LSHIFT_OVF,
    INT_MUL,
    INT_MUL_OVF,
    INT_SUB,
    INT_SUB_OVF,
    OPCODES,
)
from metatracer.ir.pure_calls import gives_immutable
from metatracer.optimizer.calls import is_pure_call
from metatracer.optimizer.state import Virtual
from metatracer.optimizer.verdicts import DROP, EMIT, Verdict

if TYPE_CHECKING:
    from metatracer.ir.values import Operation, Value
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.verdicts import Handlers

_WRAPPING = {INT_ADD_OVF: INT_ADD, INT_SUB_OVF: INT_SUB, INT_MUL_OVF: INT_MUL, INT_LSHIFT_OVF: INT_LSHIFT}
_BUFFER_READS = (BYTEARRAY_LEN, BYTEARRAY_GETITEM, BYTEARRAY_LOAD, BYTES_LOAD, ARRAY_LEN, ARRAY_GETITEM_I, ARRAY_GETITEM_F)
_SHAPE_GUARDS = (GUARD_INLINE_VALUES, GUARD_DICT_FIELD, GUARD_NOT_SHADOWED)


class CommonSubexpressions:
    """See the module's docstring. The last of the passes: what it records is emitted."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._state = forward.state

    def handlers(self) -> Handlers:
        for opcode in OPCODES.values():
            if opcode.is_pure and not opcode.allocates:
                yield opcode, self.pure
        yield GUARD_ARRAY_TYPECODE, self.pure
        for opcode in (CALL_C_R, CALL_C_I, CALL_C_F):
            yield opcode, self.call
        yield CALL, self.python_call
        for opcode in _BUFFER_READS:
            yield opcode, self.buffer
        for opcode in _SHAPE_GUARDS:
            yield opcode, self.shape

    def pure(self, op: Operation) -> Verdict:
        return self._find("pure", op)

    def buffer(self, op: Operation) -> Verdict:
        return self._find("buffer", op)

    def shape(self, op: Operation) -> Verdict:
        return self._find("shape", op)

    def call(self, op: Operation) -> Verdict:
        return self._find("pure", op) if op.descr.pure else EMIT

    def python_call(self, op: Operation) -> Verdict:
        is_repeatable = is_pure_call(self._state, op) and gives_immutable(op.args[0].value)  # type: ignore[attr-defined]
        return self._find("pure", op) if is_repeatable else EMIT

    def _find(self, table: str, op: Operation) -> Verdict:
        opcode, args = op.opcode, op.args
        for arg in args:
            if isinstance(arg, Virtual):
                args = op.args = tuple([self._forward.force(arg) for arg in args])
                break
        if opcode.commutes and id(args[0]) > id(args[1]):
            args = (args[1], args[0])
        memo = self._state.memo[table]
        key: tuple[Any, ...] = (opcode, op.descr, args)
        found: Value | None = memo.get(key)
        if found is not None:
            self._state.hit(table, (opcode, op.descr), args, found)
            return self._state.resolve(found) if opcode.result else DROP
        memo[key] = op if opcode.result else self._state.pool.true
        wrapping = _WRAPPING.get(opcode)
        if wrapping is not None:
            memo[wrapping, None, args] = op
        return EMIT
