"""The core language to nodes."""

from __future__ import annotations

from typing import Any

from interpreters.scheme import core, nodes
from interpreters.scheme.calls import (
    CALLS, BoxParameters, CallN, Code, Finish, FinishCall, FinishLet, FinishPrimitive, If, IfPoint, Let, Let1,
    LetPoint, OneOfPoint, OperandPoint, Prim1Point, Prim2PointBoth, Prim2PointFirst, Prim2PointNext,
    Prim2PointSecond, SeqPoint, SeqSimple, SetCellPoint, SetGlobalPoint, arity_error, evaluate,
)  # fmt: skip
from interpreters.scheme.core import Core, Place, Var
from interpreters.scheme.nodes import Node, Simple
from interpreters.scheme.objects import Primitive, Symbol, error
from interpreters.scheme.syntax import GlobalCell, identifier_text

_DEEPEST = 40
"""Simple nodes nested deeper than this take steps: evaluation of simple nodes recurses in Python."""


class Layout:
    """Where a frame's variables are.

    Attributes:
        variables: At index 1 and up.
        itself: The variable that stands for the running closure, at index 0; None in a `let`'s frame.
    """

    __slots__ = ("is_function", "itself", "parent", "variables")

    def __init__(
        self, variables: list[Var], parent: Layout | None, is_function: bool, itself: Var | None = None
    ) -> None:
        self.variables = variables
        self.parent = parent
        self.is_function = is_function
        self.itself = itself


def generate_top(expression: Core) -> Node:
    """The node of a top-level form; its environment is ()."""
    try:
        return _Generator(None).node(expression, Layout([], None, is_function=False), tail=True)
    except RecursionError:
        raise error("", "the program is nested too deeply") from None


def generate_body(code: Code) -> Node:
    """Generate, keep and return the body of a function."""
    function = code.function
    variables = [*function.params, function.rest] if function.rest is not None else function.params
    layout = Layout(variables, code.layout[0], is_function=True, itself=code.layout[1])
    try:
        body = _Generator(code).node(function.body, layout, tail=True)
    except RecursionError:
        raise error(code.name, "the procedure is nested too deeply") from None
    leaf = isinstance(body, Simple)
    if any(variable.assigned for variable in variables):
        body = BoxParameters(tuple([variable.assigned for variable in variables]), body)
    body.header = not leaf
    body.whose = function
    code.body = body
    return body


class _Generator:
    def __init__(self, code: Code | None) -> None:
        self.code = code
        self.depths: dict[int, int] = {}

    # --- variables

    def access(self, variable: Var, layout: Layout) -> Simple:
        path: list[bool] = []
        frame: Layout | None = layout
        while frame is not None:
            if frame.itself is variable:
                return self.at(path, 0)
            if variable in frame.variables:
                return self.at(path, frame.variables.index(variable) + 1)
            path.append(frame.is_function)
            frame = frame.parent
        raise AssertionError(f"variable {variable.name} is in no frame")

    def at(self, path: list[bool], index: int) -> Simple:
        if not path:
            return nodes.Local(index)
        if len(path) == 1:
            return nodes.LocalAroundFunction(index) if path[0] else nodes.LocalAroundLet(index)
        return nodes.LocalFar(tuple(path), index)

    def cell(self, env: Any, ident: Any) -> GlobalCell:
        cell = env.cell(ident)
        if type(cell) is not GlobalCell:
            raise error("", f"a keyword is no variable: {identifier_text(ident)}")
        if cell.autoload is not None:
            cell.autoload()
        return cell

    # --- expressions

    def node(self, item: Core, layout: Layout, tail: bool) -> Node:
        kind = type(item)
        if isinstance(item, core.Const):
            return nodes.Literal(item.value)
        if isinstance(item, core.LocalRef):
            access = self.access(item.var, layout)
            if not item.var.assigned:
                return access
            if item.var.checked:
                return nodes.CheckedCellValue(access, item.var.name, item.place)
            return nodes.CellValue(access)
        if isinstance(item, core.GlobalRef):
            cell = self.cell(item.env, item.ident)
            if self.code is not None and cell.owner is not item.env:
                cell.add_user(self.code)
            return nodes.Global(cell, item.place)
        if isinstance(item, core.Apply):
            return self.call(item, layout, tail)
        if isinstance(item, core.If):
            return self.conditional(item, layout, tail)
        if isinstance(item, core.Seq):
            return self.seq(item, layout, tail)
        if isinstance(item, core.Let):
            return self.let(item, layout, tail)
        if isinstance(item, core.FixOne):
            code = Code(item.function, (layout, item.var))
            inner = Layout([item.var], layout, is_function=False)
            return self.let_node([nodes.MakeClosure(code)], [False], self.node(item.body, inner, tail), tail)
        if isinstance(item, core.Function):
            return nodes.MakeClosure(Code(item, (layout, None)))
        if isinstance(item, core.CaseFunction):
            return nodes.MakeCaseLambda(tuple([Code(clause, (layout, None)) for clause in item.clauses]))
        if isinstance(item, core.SetLocal):
            access = self.access(item.var, layout)
            value = self.node(item.value, layout, tail=False)
            if isinstance(value, Simple):
                return self.simple(nodes.SetCell(access, value), value)
            return evaluate(value, self.point(SetCellPoint(access), tail))
        if isinstance(item, core.SetGlobal):
            return self.set_global(item, layout, tail)
        assert isinstance(item, core.OneOf), kind
        value = self.node(item.value, layout, tail=False)
        if isinstance(value, Simple):
            return self.simple(nodes.OneOf(value, item.items), value)
        return evaluate(value, self.point(OneOfPoint(nodes.OneOf(nodes.Local(1), item.items)), tail))

    def simple(self, node: Simple, *parts: Simple) -> Node:
        """Note how deep it is."""
        self.depths[id(node)] = 1 + max([self.depths.get(id(part), 0) for part in parts], default=0)
        return node

    def is_shallow(self, parts: list[Node]) -> bool:
        return all(isinstance(part, Simple) and self.depths.get(id(part), 0) < _DEEPEST for part in parts)

    def point(self, point: Node, tail: bool) -> Any:
        """In tail position a point is where a returning recursion passes: the portal's loop counts it."""
        point.header = tail
        return point

    def set_global(self, item: core.SetGlobal, layout: Layout, tail: bool) -> Node:
        value = self.node(item.value, layout, tail=False)
        if item.defines:
            cell = item.env.define(item.ident)
        else:
            cell = self.cell(item.env, item.ident)
            if cell.owner is not item.env and type(item.ident) is Symbol and item.env.mutable:
                imported = cell.value
                cell = item.env.define(item.ident)  # the program gets a variable of its own
                cell.assign(imported, defines=True)
        if isinstance(value, Simple):
            return nodes.SetGlobal(cell, value, item.defines, item.place)
        return evaluate(value, SetGlobalPoint(cell, item.defines, item.place))

    def conditional(self, item: core.If, layout: Layout, tail: bool) -> Node:
        test = self.node(item.test, layout, tail=False)
        then = self.node(item.then, layout, tail)
        otherwise = self.node(item.otherwise, layout, tail)
        if not isinstance(test, Simple):
            return evaluate(test, self.point(IfPoint(then, otherwise), tail))
        if isinstance(then, Simple) and isinstance(otherwise, Simple) and self.is_shallow([test, then, otherwise]):
            return self.simple(nodes.SimpleIf(test, then, otherwise), test, then, otherwise)
        return If(test, then, otherwise)

    def seq(self, item: core.Seq, layout: Layout, tail: bool) -> Node:
        first = self.node(item.first, layout, tail=False)
        rest = self.node(item.rest, layout, tail)
        if not isinstance(first, Simple):
            return evaluate(first, self.point(SeqPoint(rest), tail))
        if isinstance(rest, Simple) and self.is_shallow([first, rest]):
            return self.simple(nodes.SimpleSeq(first, rest), first, rest)
        return SeqSimple(first, rest)

    def let(self, item: core.Let, layout: Layout, tail: bool) -> Node:
        inits = [self.node(init, layout, tail=False) for init in item.inits]
        body = self.node(item.body, Layout(item.vars, layout, is_function=False), tail)
        return self.let_node(inits, [variable.assigned for variable in item.vars], body, tail)

    def let_node(self, inits: list[Any], boxed: list[bool], body: Node, tail: bool) -> Node:
        if not all(isinstance(init, Simple) for init in inits):
            if len(inits) == 1:
                return evaluate(inits[0], self.point(LetPoint(body, boxed[0]), tail))
            return self.operands(inits, lambda operands: FinishLet(operands, body, tuple(boxed)), tail)
        inits = [nodes.NewCell(init) if box else init for init, box in zip(inits, boxed, strict=True)]
        if isinstance(body, Simple) and self.is_shallow([*inits, body]):
            if len(inits) == 1:
                return self.simple(nodes.SimpleLet1(inits[0], body), inits[0], body)
            return self.simple(nodes.SimpleLet(inits, body), *inits, body)
        return Let1(inits[0], body) if len(inits) == 1 else Let(inits, body)

    def call(self, item: core.Apply, layout: Layout, tail: bool) -> Node:
        function = item.function
        constant: Any = None
        if isinstance(function, core.Const):
            constant = function.value
        elif isinstance(function, core.GlobalRef):
            cell = self.cell(function.env, function.ident)
            if type(cell.const) is Primitive:
                constant = cell.const
                if self.code is not None:
                    cell.add_user(self.code)
        args: list[Any] = [self.node(arg, layout, tail=False) for arg in item.args]
        if type(constant) is Primitive:
            return self.primitive(constant, args, item.place, tail)
        operator: Any = self.node(function, layout, tail=False)
        if all(isinstance(part, Simple) for part in [operator, *args]):
            make = CALLS[len(args)] if len(args) < len(CALLS) else CallN
            return make(operator, args, item.place)
        return self.operands([operator, *args], lambda operands: FinishCall(operands, item.place), tail)

    def primitive(self, primitive: Primitive, args: list[Any], place: Place | None, tail: bool) -> Node:
        count = len(args)
        if count < primitive.least or 0 <= primitive.most < count:
            failure = nodes.located(arity_error(primitive.name, primitive.least, primitive.most, count), place)
            return nodes.Prim0(Primitive(primitive.name, _raiser(failure), 0, 0), [], place)
        is_built_in = BUILT_IN.get(primitive.name) is primitive
        if all(isinstance(arg, Simple) for arg in args) and self.is_shallow(args):
            own = nodes.own_node(primitive, args, place) if is_built_in else None
            if own is not None:
                return self.simple(own, *args)
            make = nodes.GENERIC[count] if count < len(nodes.GENERIC) else nodes.PrimN
            return self.simple(make(primitive, args, place), *args)
        if count == 2 and is_built_in and primitive.name in nodes.OF_TWO:
            primitive = Primitive(primitive.name, nodes.OF_TWO[primitive.name], 2, 2)
        if count == 1:
            return evaluate(args[0], self.point(Prim1Point(primitive, place), tail))
        if count == 2 and isinstance(args[1], Simple):
            return evaluate(args[0], self.point(Prim2PointFirst(primitive, args[1], place), tail))
        if count == 2 and isinstance(args[0], Simple):
            return evaluate(args[1], self.point(Prim2PointSecond(primitive, args[0], place), tail))
        if count == 2:
            both = self.point(Prim2PointBoth(primitive, place), tail)
            return evaluate(args[0], Prim2PointNext(args[1], both))
        return self.operands(args, lambda operands: FinishPrimitive(operands, primitive, place), tail)

    def operands(self, parts: list[Any], make: Any, tail: bool) -> Node:
        """Steps for the parts that are not simple, one after the other; then what is made of all of them."""
        pending = [part for part in parts if not isinstance(part, Simple)]
        if not pending:  # simple, but nested too deeply
            pending = [parts[0]]
            finish: Finish = make([None, *parts[1:]])
        else:
            finish = make([part if isinstance(part, Simple) else None for part in parts])
        points = [OperandPoint(number, finish) for number in range(len(pending))]
        for number in range(len(pending) - 1):
            points[number].node = pending[number + 1]
            points[number].point = points[number + 1]
        self.point(points[-1], tail)
        return evaluate(pending[0], points[0])


BUILT_IN: dict[str, Primitive] = {}
"""The primitives of BASE, by name."""


def _raiser(failure: Exception) -> Any:
    def fail() -> Any:
        raise failure

    return fail
