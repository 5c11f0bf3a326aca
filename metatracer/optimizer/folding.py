"""Constant folding, and algebraic identities as a table of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from metatracer.ir.opcodes import (
    BOOL_BOX,
    CALL_C_F,
    CALL_C_I,
    CALL_C_R,
    FLOAT_BOX,
    INT_ADD,
    INT_ADD_OVF,
    INT_AND,
    INT_BOX,
    INT_FLOORDIV,
    INT_LSHIFT,
    INT_LSHIFT_OVF,
    INT_MOD,
    INT_RSHIFT,
    INT_SUB,
    OPCODES,
    UINT_RSHIFT,
    GuardFailed,
    Opcode,
    fits_i64,
    wrap_i64,
)
from metatracer.ir.values import Const, Operation, Value
from metatracer.optimizer.verdicts import EMIT, Verdict

if TYPE_CHECKING:
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.verdicts import Handlers

_BOXES = frozenset({INT_BOX, FLOAT_BOX, BOOL_BOX})
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


class Rule(NamedTuple):
    """``opcode(*pattern) -> result``.

    A pattern is a variable ("x", "y"), a constant, or (name of a unary opcode, "x"). The result is a variable, a
    constant, or (opcode name, patterns...). Commuting opcodes are also matched with their arguments swapped.
    """

    opcode: str
    pattern: tuple[Any, ...]
    result: Any


RULES: tuple[Rule, ...] = (
    Rule("int_add", ("x", 0), "x"),
    Rule("int_add_ovf", ("x", 0), "x"),
    Rule("int_sub", ("x", 0), "x"),
    Rule("int_sub_ovf", ("x", 0), "x"),
    Rule("int_sub", (0, "x"), ("int_neg", "x")),
    Rule("int_sub", ("x", "x"), 0),
    Rule("int_sub_ovf", ("x", "x"), 0),
    Rule("int_mul", ("x", 0), 0),
    Rule("int_mul_ovf", ("x", 0), 0),
    Rule("int_mul", ("x", 1), "x"),
    Rule("int_mul_ovf", ("x", 1), "x"),
    Rule("int_mul", ("x", -1), ("int_neg", "x")),
    Rule("int_and", ("x", "x"), "x"),
    Rule("int_and", ("x", 0), 0),
    Rule("int_and", ("x", -1), "x"),
    Rule("int_or", ("x", "x"), "x"),
    Rule("int_or", ("x", 0), "x"),
    Rule("int_or", ("x", -1), -1),
    Rule("int_xor", ("x", "x"), 0),
    Rule("int_xor", ("x", 0), "x"),
    Rule("int_xor", ("x", -1), ("int_invert", "x")),
    Rule("int_neg", (("int_neg", "x"),), "x"),
    Rule("int_invert", (("int_invert", "x"),), "x"),
    Rule("int_lshift", ("x", 0), "x"),
    Rule("int_lshift_ovf", ("x", 0), "x"),
    Rule("int_rshift", ("x", 0), "x"),
    Rule("uint_rshift", ("x", 0), "x"),
    Rule("int_floordiv", ("x", 1), "x"),
    Rule("int_mod", ("x", 1), 0),
    Rule("uint_floordiv", ("x", 1), "x"),
    Rule("uint_mod", ("x", 1), 0),
    # Greater-than is written as less-than, so that equal comparisons are found equal.
    Rule("int_gt", ("x", "y"), ("int_lt", "y", "x")),
    Rule("int_ge", ("x", "y"), ("int_le", "y", "x")),
    Rule("uint_gt", ("x", "y"), ("uint_lt", "y", "x")),
    Rule("uint_ge", ("x", "y"), ("uint_le", "y", "x")),
    Rule("float_gt", ("x", "y"), ("float_lt", "y", "x")),
    Rule("float_ge", ("x", "y"), ("float_le", "y", "x")),
    Rule("int_lt", ("x", "x"), False),
    Rule("int_le", ("x", "x"), True),
    Rule("int_eq", ("x", "x"), True),
    Rule("int_ne", ("x", "x"), False),
    Rule("uint_lt", ("x", "x"), False),
    Rule("uint_lt", ("x", 0), False),
    Rule("uint_le", ("x", "x"), True),
    Rule("uint_le", (0, "x"), True),
    Rule("int_eq", (("bool_to_int", "x"), 0), ("bool_not", "x")),
    Rule("int_eq", (("bool_to_int", "x"), 1), "x"),
    Rule("int_ne", (("bool_to_int", "x"), 0), "x"),
    Rule("int_ne", (("bool_to_int", "x"), 1), ("bool_not", "x")),
    Rule("bool_not", (("bool_not", "x"),), "x"),
    # Exact for every double, NaN and -0.0 included. That x * 1.0 is x is no rule: for NaN, `[x] == [x * 1.0]` shows that
    # they are two objects.
    Rule("float_mul", ("x", -1.0), ("float_neg", "x")),
    Rule("float_neg", (("float_neg", "x"),), "x"),
    Rule("float_abs", (("float_neg", "x"),), ("float_abs", "x")),
    Rule("float_abs", (("float_abs", "x"),), ("float_abs", "x")),
    Rule("str_eq", ("x", "x"), True),
)


class Algebra:
    """Apply `RULES`, and turn division by a power of two into shifts and masks."""

    fired: set[Rule] | None = None
    """When set (by tests), the rules that were applied are added to it."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward

    def handlers(self) -> Handlers:
        for name in _BY_OPCODE:
            yield OPCODES[name], self.rewrite
        yield INT_MOD, self.mod_by_power
        yield INT_FLOORDIV, self.floordiv_by_power
        yield INT_ADD, self.add_constants
        yield INT_SUB, self.add_constants

    def rewrite(self, op: Operation) -> Verdict:
        args = op.args
        opcode = op.opcode
        for rule in _BY_OPCODE[opcode.name]:
            bound: dict[str, Value] = {}
            if not self._match(rule.pattern, args, bound):
                if not opcode.commutes:
                    continue
                bound = {}
                if not self._match(rule.pattern, (args[1], args[0]), bound):
                    continue
            if Algebra.fired is not None:
                Algebra.fired.add(rule)
            return self._build(rule.result, opcode, bound)
        return EMIT

    def _match(self, pattern: tuple[Any, ...], args: tuple[Value, ...], bound: dict[str, Value]) -> bool:
        for want, arg in zip(pattern, args, strict=True):
            cls = want.__class__
            if cls is str:
                if bound.setdefault(want, arg) is not arg:
                    return False
            elif cls is tuple:
                if not isinstance(arg, Operation) or arg.opcode.name != want[0]:
                    return False
                if not self._match(want[1:], tuple([self._forward.state.resolve(part) for part in arg.args]), bound):
                    return False
            elif not isinstance(arg, Const) or not _equal(arg.value, want):
                return False
        return True

    def _build(self, result: Any, opcode: Opcode, bound: dict[str, Value]) -> Verdict:
        if isinstance(result, str):
            return bound[result]
        if isinstance(result, tuple):
            return self._forward.new(OPCODES[result[0]], *[bound[name] for name in result[1:]])
        return self._forward.pool.get(opcode.result, result)

    def add_constants(self, op: Operation) -> Verdict:
        """(x + a) + b is x + (a + b), and subtracting a constant is adding its negative: all wrap alike."""
        value, right = op.args
        if op.opcode is INT_ADD and isinstance(value, Const):
            value, right = right, value
        if not isinstance(right, Const) or not isinstance(value, Operation):
            return EMIT
        if value.opcode is not INT_ADD and value.opcode is not INT_ADD_OVF:
            return EMIT
        inner, constant = [self._forward.state.resolve(arg) for arg in value.args]
        if isinstance(inner, Const):
            inner, constant = constant, inner
        if not isinstance(constant, Const):
            return EMIT
        total = constant.value + (right.value if op.opcode is INT_ADD else -right.value)
        return self._forward.new(INT_ADD, inner, self._forward.pool.get("i", wrap_i64(total)))

    def mod_by_power(self, op: Operation) -> Verdict:
        """X % 2**k is x & (2**k - 1), for negative x too: Python rounds down."""
        value, divisor = op.args
        if isinstance(divisor, Const) and divisor.value > 0 and divisor.value & (divisor.value - 1) == 0:
            return self._forward.new(INT_AND, value, self._forward.pool.get("i", divisor.value - 1))
        return EMIT

    def floordiv_by_power(self, op: Operation) -> Verdict:
        """X // 2**k is an arithmetic shift."""
        value, divisor = op.args
        if isinstance(divisor, Const) and divisor.value > 0 and divisor.value & (divisor.value - 1) == 0:
            count = self._forward.pool.get("i", divisor.value.bit_length() - 1)
            return self._forward.new(INT_RSHIFT, value, count)
        return EMIT


def _equal(value: Any, want: Any) -> bool:
    """Equality of machine values: -0.0 is not 0.0."""
    if type(want) is float:
        return bool(value == want) and repr(value) == repr(want)
    return bool(value == want)


_BY_OPCODE: dict[str, list[Rule]] = {}
for _rule in RULES:
    _BY_OPCODE.setdefault(_rule.opcode, []).append(_rule)
