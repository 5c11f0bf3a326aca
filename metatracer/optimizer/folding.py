"""Constant folding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.ir.opcodes import (
    BOOL_BOX,
    BOOL_UNBOX,
    CALL_C_F,
    CALL_C_I,
    CALL_C_R,
    FLOAT_BOX,
    FLOAT_UNBOX,
    INT_BOX,
    INT_LSHIFT,
    INT_LSHIFT_OVF,
    INT_RSHIFT,
    INT_UNBOX,
    OPCODES,
    UINT_BOX,
    UINT_RSHIFT,
    UINT_UNBOX,
    GuardFailed,
    fits_i64,
)
from metatracer.ir.values import Const, Operation
from metatracer.optimizer.verdicts import EMIT, Verdict

if TYPE_CHECKING:
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.verdicts import Handlers

_BOXES = frozenset({INT_BOX, UINT_BOX, FLOAT_BOX, BOOL_BOX})
_UNBOXED = {INT_UNBOX: int, UINT_UNBOX: int, FLOAT_UNBOX: float, BOOL_UNBOX: bool}
_SHIFTS = frozenset({INT_LSHIFT, INT_LSHIFT_OVF, INT_RSHIFT, UINT_RSHIFT})
_CALLS = (CALL_C_R, CALL_C_I, CALL_C_F)
_EXPLOSIVE = frozenset({"PyNumber_Power", "PyNumber_Lshift", "PyNumber_Multiply"})
"""C functions whose result may be huge although their arguments are small: not for the optimizer to try."""


class ConstantFolding:
    """Replace a pure operation on constants by its result.

    An operation whose precondition does not hold (a division by zero in dead code, a call that raises) stays.
    """

    def __init__(self, forward: Forward) -> None:
        self._forward = forward

    def handlers(self) -> Handlers:
        for opcode in OPCODES.values():
            if opcode.is_pure and opcode not in _BOXES:
                yield opcode, self.fold
        for opcode in _CALLS:
            yield opcode, self.fold_call

    def fold(self, op: Operation) -> Verdict:
        for arg in op.args:
            if arg.__class__ is not Const:
                return EMIT
        values = [arg.value for arg in op.args]  # type: ignore[attr-defined]
        if op.opcode in _SHIFTS and not 0 <= values[1] < 64:
            return EMIT
        assert op.opcode.evaluate is not None
        try:
            result = op.opcode.evaluate(*values)
        except GuardFailed:
            return self._forward.failing()
        except (ArithmeticError, ValueError, TypeError, IndexError):
            return EMIT
        if op.opcode in _UNBOXED and type(result) is not _UNBOXED[op.opcode]:
            return EMIT  # the guard before it fails always
        return self._forward.pool.get(op.opcode.result, result)

    def fold_call(self, op: Operation) -> Verdict:
        function = op.descr
        if not function.pure or function.evaluate is None or function.symbol in _EXPLOSIVE:
            return EMIT
        if any(arg.__class__ is not Const for arg in op.args):
            return EMIT
        try:
            result = function.evaluate(*[arg.value for arg in op.args])  # type: ignore[attr-defined]
        except (ArithmeticError, ValueError, TypeError, IndexError):
            return EMIT
        if op.kind == "i" and not fits_i64(result):
            return EMIT
        return self._forward.pool.get(op.kind, result)
