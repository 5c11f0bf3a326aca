"""Which expressions become nodes of fused instructions."""

from __future__ import annotations

from interpreters.lua.code import fused
from interpreters.lua.code.fused import Branch, Node
from interpreters.lua.code.moves import Label as Place
from interpreters.lua.syntax import (
    Binary, Call, Constant, Expression, Index, LocalName, Parenthesized, Unary, UpvalueName, Vararg,
)  # fmt: skip

MAX_DEPTH = 12
MAX_SMALL = 1 << 30

BINARY: dict[bytes, type[fused.Binary]] = {
    b"+": fused.Add, b"-": fused.Subtract, b"*": fused.Multiply, b"/": fused.Divide, b"%": fused.Modulo,
    b"//": fused.FloorDivide, b"&": fused.BitAnd, b"|": fused.BitOr, b"~": fused.BitXor, b"<<": fused.ShiftLeft,
    b">>": fused.ShiftRight, b"^": fused.Power,
}  # fmt: skip
OF_LOCALS: dict[bytes, type[fused.BinaryOfLocals]] = {
    b"+": fused.AddLocals,
}  # fmt: skip
UNARY: dict[bytes, type[fused.Length]] = {b"#": fused.Length, b"-": fused.Negate, b"not": fused.Not}
# For each comparison: the class that goes on if it holds, the one that goes on if not, and whether operands change places.
BRANCHES: dict[bytes, tuple[type[Branch], type[Branch], bool]] = {
    b"<": (fused.IfLess, fused.UnlessLess, False), b">": (fused.IfLess, fused.UnlessLess, True),
    b"<=": (fused.IfLessEqual, fused.UnlessLessEqual, False), b">=": (fused.IfLessEqual, fused.UnlessLessEqual, True),
    b"==": (fused.IfEqual, fused.UnlessEqual, False), b"~=": (fused.UnlessEqual, fused.IfEqual, False),
}  # fmt: skip


def register_of(expression: Expression) -> int:
    """Return the register of a local variable that is no cell; -1 for other expressions."""
    if isinstance(expression, LocalName) and not expression.variable.is_cell:
        return expression.variable.register
    return -1


def node_of(expression: Expression, depth: int = 0) -> Node | None:
    """Return the node for an expression; None when it has a call in it, or something else that is not fused."""
    if depth > MAX_DEPTH:
        return None
    if isinstance(expression, Constant):
        return fused.Constant(expression.value)
    if isinstance(expression, LocalName):
        variable = expression.variable
        return fused.LocalCell(variable.register) if variable.is_cell else fused.Local(variable.register)
    if isinstance(expression, UpvalueName):
        is_cell = expression.upvalue.variable.is_cell
        return fused.UpvalueCell(expression.index) if is_cell else fused.UpvalueNode(expression.index)
    if isinstance(expression, Parenthesized):
        return None if isinstance(expression.inner, (Call, Vararg)) else node_of(expression.inner, depth)
    if isinstance(expression, Index):
        return index_node(expression, depth)
    if isinstance(expression, Binary):
        return concatenation(expression, depth) if expression.operator == b".." else binary_node(expression, depth)
    if isinstance(expression, Unary):
        kind = UNARY.get(expression.operator)
        operand = None if kind is None else node_of(expression.operand, depth + 1)
        return None if kind is None or operand is None else kind(operand)
    return None


def index_node(expression: Index, depth: int) -> Node | None:
    key, table = expression.key, expression.table
    if isinstance(key, Constant) and type(key.value) is bytes:
        register = register_of(table)
        if register >= 0:
            return fused.FieldOfLocal(register, key.value)
        if isinstance(table, UpvalueName) and not table.upvalue.variable.is_cell:
            return fused.FieldOfUpvalue(table.index, key.value)
        holder = node_of(table, depth + 1)
        return None if holder is None else fused.Field(holder, key.value)
    table_register, key_register = register_of(table), register_of(key)
    if table_register >= 0 and key_register >= 0:
        return fused.ItemOfLocals(table_register, key_register)
    holder, index = node_of(table, depth + 1), node_of(key, depth + 1)
    return None if holder is None or index is None else fused.Item(holder, index)


def binary_node(expression: Binary, depth: int) -> Node | None:
    operator, left, right = expression.operator, expression.left, expression.right
    kind = BINARY.get(operator)
    if kind is None:
        return None
    left_register, right_register = register_of(left), register_of(right)
    small = isinstance(right, Constant) and type(right.value) is int and 0 < right.value < MAX_SMALL
    if left_register >= 0 and right_register >= 0 and operator in OF_LOCALS:
        return OF_LOCALS[operator](left_register, right_register)
    if left_register >= 0 and small and operator in (b"+", b"-"):
        assert isinstance(right, Constant)
        return fused.AddInteger(left_register, right.value if operator == b"+" else -right.value)
    a = node_of(left, depth + 1)
    if a is not None and small and operator == b"%":
        assert isinstance(right, Constant)
        return fused.ModuloInteger(a, fused.Constant(right.value))
    b = node_of(right, depth + 1)
    return None if a is None or b is None else kind(a, b)


def concatenation(expression: Binary, depth: int) -> Node | None:
    """Return the node for `a .. b .. c`, which is a .. (b .. c)."""
    operands: list[Node] = []
    rest: Expression = expression
    while isinstance(rest, Binary) and rest.operator == b"..":
        operand = node_of(rest.left, depth + 1)
        if operand is None:
            return None
        operands.append(operand)
        rest = rest.right
    last = node_of(rest, depth + 1)
    if last is None:
        return None
    operands.append(last)
    return fused.Concatenation(operands)


def branch_for(condition: Expression, place: Place, if_true: bool) -> Branch | None:
    """Return the instruction that goes to a place if a condition is true, or if it is false."""
    if isinstance(condition, Binary) and condition.operator in BRANCHES:
        goes_on_if_true, goes_on_if_false, changes_places = BRANCHES[condition.operator]
        left, right = condition.left, condition.right
        if changes_places:
            left, right = right, left
        kind = goes_on_if_false if if_true else goes_on_if_true
        a, b = node_of(left), node_of(right)
        return None if a is None or b is None else kind(a, b, place)
    node = node_of(condition)
    if node is None:
        return None
    return (fused.UnlessTrue if if_true else fused.IfTrue)(node, node, place)
