"""The syntax tree: names are resolved to variables when it is made, since Lua's scopes follow the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Variable:
    """A local variable; what the whole function does with it is known when the function has been read."""

    name: bytes
    attribute: bytes | None = None
    captured: bool = False
    assigned: bool = False
    constant: Constant | None = None  # what a <const> with a constant value stands for
    register: int = -1
    looped: bool = False  # a function may capture it before it has its value, or it is declared without one

    @property
    def is_cell(self) -> bool:
        return self.captured and self.assigned


@dataclass(slots=True, eq=False)
class Upvalue:
    """A variable of an enclosing function, as a function knows it."""

    name: bytes
    variable: Variable
    from_parent_register: bool
    parent_index: int  # among the parent's upvalues otherwise


@dataclass(slots=True, eq=False)
class Expression:
    line: int


@dataclass(slots=True, eq=False)
class Constant(Expression):
    value: Any


@dataclass(slots=True, eq=False)
class Vararg(Expression):
    pass


@dataclass(slots=True, eq=False)
class LocalName(Expression):
    variable: Variable


@dataclass(slots=True, eq=False)
class UpvalueName(Expression):
    index: int
    upvalue: Upvalue


@dataclass(slots=True, eq=False)
class Index(Expression):
    table: Expression
    key: Expression
    is_global: bool = False


@dataclass(slots=True, eq=False)
class Call(Expression):
    function: Expression
    arguments: list[Expression]
    method: bytes | None = None


@dataclass(slots=True, eq=False)
class Binary(Expression):
    operator: bytes
    left: Expression
    right: Expression


@dataclass(slots=True, eq=False)
class Logical(Expression):
    is_and: bool
    left: Expression
    right: Expression


@dataclass(slots=True, eq=False)
class Unary(Expression):
    operator: bytes
    operand: Expression


@dataclass(slots=True, eq=False)
class Parenthesized(Expression):
    inner: Expression


@dataclass(slots=True, eq=False)
class Table(Expression):
    fields: list[tuple[Expression | None, Expression]]  # in order; without a key: the next item
    is_object: bool = False  # gets a metatable at once, so that it is likely to have fields alone


@dataclass(slots=True, eq=False)
class FunctionBody:
    """A function's text."""

    line: int
    last_line: int = 0
    parameters: list[Variable] = field(default_factory=list)
    is_vararg: bool = False
    upvalues: list[Upvalue] = field(default_factory=list)
    block: Block | None = None
    name: bytes = b""
    has_tbc: bool = False


@dataclass(slots=True, eq=False)
class Function(Expression):
    body: FunctionBody


@dataclass(slots=True, eq=False)
class Statement:
    line: int


@dataclass(slots=True, eq=False)
class Block:
    statements: list[Statement] = field(default_factory=list)
    last_line: int = 0
    end: Label | None = None  # where breaks lead to, of a loop


@dataclass(slots=True, eq=False)
class Local(Statement):
    variables: list[Variable]
    values: list[Expression]


@dataclass(slots=True, eq=False)
class LocalFunction(Statement):
    variable: Variable
    function: Function


@dataclass(slots=True, eq=False)
class Assign(Statement):
    targets: list[Expression]
    values: list[Expression]


@dataclass(slots=True, eq=False)
class CallStatement(Statement):
    call: Call


@dataclass(slots=True, eq=False)
class Do(Statement):
    block: Block


@dataclass(slots=True, eq=False)
class While(Statement):
    condition: Expression
    block: Block


@dataclass(slots=True, eq=False)
class Repeat(Statement):
    block: Block
    condition: Expression


@dataclass(slots=True, eq=False)
class If(Statement):
    clauses: list[tuple[Expression, Block]]
    otherwise: Block | None


@dataclass(slots=True, eq=False)
class NumericFor(Statement):
    variable: Variable
    start: Expression
    limit: Expression
    step: Expression | None
    block: Block


@dataclass(slots=True, eq=False)
class GenericFor(Statement):
    variables: list[Variable]
    values: list[Expression]
    block: Block


@dataclass(slots=True, eq=False)
class Return(Statement):
    values: list[Expression]
    inside_tbc: bool  # then it is no tail call


@dataclass(slots=True, eq=False)
class Label(Statement):
    """Where a goto leads; a block's end may be one, for breaks."""

    name: bytes
    scope: int = 0  # how many variables were in scope
    tbc_depth: int = 0  # how many of them are to be closed
    place: Any = None


@dataclass(slots=True, eq=False)
class Goto(Statement):
    name: bytes
    target: Label | None = None
    is_break: bool = False
    scope: int = 0
    tbc_depth: int = 0
