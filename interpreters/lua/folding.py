"""Constant folding, as far as it changes nothing: numbers only, and no errors, NaNs or zeros."""

from __future__ import annotations

from interpreters.lua import arithmetic
from interpreters.lua.errors import LuaError
from interpreters.lua.syntax import Binary, Constant, Expression, Unary


def _number(expression: Expression) -> bool:
    return isinstance(expression, Constant) and type(expression.value) in (int, float)


def fold_binary(node: Binary) -> Expression:
    """Return the constant that an operation on numbers gives, or the operation."""
    if not (_number(node.left) and _number(node.right)):
        return node
    function = arithmetic.BINARY.get(node.operator)
    if function is None:
        return node
    try:
        value = function(node.left.value, node.right.value)  # type: ignore[attr-defined]
    except LuaError:
        return node
    return _constant(node.line, value) or node


def fold_unary(node: Unary) -> Expression:
    """Return the constant that an operation on a constant gives, or the operation."""
    operand = node.operand
    if not isinstance(operand, Constant):
        return node
    if node.operator == b"not":
        return Constant(node.line, operand.value is None or operand.value is False)
    if not _number(operand):
        return node
    try:
        if node.operator == b"-":
            return _constant(node.line, arithmetic.negate(operand.value)) or node
        if node.operator == b"~":
            return Constant(node.line, ~arithmetic.to_bits(operand.value))
    except LuaError:
        return node
    return node


def _constant(line: int, value: object) -> Constant | None:
    if value is None or (type(value) is float and (value != value or value == 0.0)):
        return None
    return Constant(line, value)
