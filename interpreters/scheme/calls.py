"""Nodes that take steps: calls, and everything that has a call inside.

A frame says what happens with a value. It is a tuple: (point, environment, next frame, values that were computed before
...). The point is a node whose `step(value, frame)` goes on. Tuples never change, so a continuation is nothing but the
frame, and can be returned to any number of times; and CPython makes and drops them faster than any other object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interpreters.scheme.core import Place
from interpreters.scheme.nodes import CAUGHT, Node, Simple, extend, failed, located, set_global
from interpreters.scheme.objects import (
    NIL, UNSPECIFIED, CaseLambda, Cell, Closure, ControlPrimitive, Pair, Parameter, Primitive, SchemeError, error,
)  # fmt: skip
from interpreters.scheme.prims_lists import list_from
from interpreters.scheme.syntax import GlobalCell
from metatracer import dont_look_inside, promote, unroll_safe

State = tuple[Any, Any, Any]
Frame = tuple[Any, ...]

APPLICABLE: dict[type, Callable[[Any, Any, Any], State]] = {}
"""Procedures that are none of the frequent kinds: `function(procedure, arguments, frame)`."""


class Code:
    """A function's code; its body is generated when it is first called, and again when that has become wrong.

    Attributes:
        arity: The number of arguments; with a rest argument, -1 minus the number of the others.
        body: The node, or None.
        function: The core's `Function`.
        layout: Where the variables around it are.
    """

    _immutable_fields_ = ["arity", "body?"]
    __slots__ = ("__weakref__", "arity", "body", "function", "layout", "name")

    def __init__(self, function: Any, layout: Any) -> None:
        count = len(function.params)
        self.arity = count if function.rest is None else -1 - count
        self.body: Node | None = None
        self.function = function
        self.layout = layout
        self.name = function.name

    @dont_look_inside
    def generate(self) -> Node:
        from interpreters.scheme.generate import generate_body

        return generate_body(self)


def arity_error(name: str, least: int, most: int, given: int) -> SchemeError:
    if most == least:
        wanted = f"{least} argument{'' if least == 1 else 's'}"
    elif most < 0:
        wanted = f"at least {least} argument{'' if least == 1 else 's'}"
    else:
        wanted = f"{least} to {most} arguments"
    return error(name or "#<procedure>", f"expected {wanted}, got {given}")


@unroll_safe
def enter(closure: Any, args: Any, cont: Any) -> State:
    """Go into a closure's body; `args` is a tuple or list."""
    code = promote(closure.code)
    arity = code.arity
    given = len(args)
    body = code.body
    if body is None:
        body = code.generate()
    if arity >= 0:
        if given != arity:
            raise arity_error(code.name, arity, arity, given)
        if given == 1:
            return body, (closure, args[0]), cont
        if given == 2:
            return body, (closure, args[0], args[1]), cont
        if given == 3:
            return body, (closure, args[0], args[1], args[2]), cont
        return body, (closure, *args), cont
    required = -1 - arity
    if given < required:
        raise arity_error(code.name, required, -1, given)
    rest: Any = NIL
    if given - required > 6:
        rest = list_from(args[required:], NIL)
    else:
        for number in range(given - 1, required - 1, -1):
            rest = Pair(args[number], rest)
    if required == 0:
        return body, (closure, rest), cont
    if required == 1:
        return body, (closure, args[0], rest), cont
    if required == 2:
        return body, (closure, args[0], args[1], rest), cont
    return body, (closure, *args[:required], rest), cont


def apply_procedure(function: Any, args: Any, cont: Any) -> State:
    """Call any procedure with evaluated arguments."""
    kind = type(function)
    if kind is Closure:
        return enter(function, args, cont)
    if kind is Primitive:
        function = promote(function)
        given = len(args)
        if given < function.least or 0 <= function.most < given:
            raise arity_error(function.name, function.least, function.most, given)
        try:
            if given == 1:
                value = function.function(args[0])
            elif given == 2:
                value = function.function(args[0], args[1])
            else:
                value = function.function(*args)
        except CAUGHT as failure:
            raise failed(failure, function.name, args, None) from None
        return cont[0], value, cont
    if kind is ControlPrimitive:
        function = promote(function)
        given = len(args)
        if given < function.least or 0 <= function.most < given:
            raise arity_error(function.name, function.least, function.most, given)
        return function.function(args, cont)  # type: ignore[no-any-return]
    return apply_other(function, args, cont)


@unroll_safe
def apply_other(function: Any, args: Any, cont: Any) -> State:
    kind = type(function)
    if kind is CaseLambda:
        given = len(args)
        for clause in function.clauses:
            arity = clause.code.arity
            if arity == given or (arity < 0 and given >= -1 - arity):
                return enter(clause, args, cont)
        raise error("case-lambda", "no clause for this number of arguments:", given)
    applicable = APPLICABLE.get(kind)
    if applicable is not None:
        return applicable(function, args, cont)
    raise error("", "not a procedure:", function)


def is_procedure(value: Any) -> bool:
    kind = type(value)
    if kind in (Closure, Primitive, ControlPrimitive, CaseLambda, Parameter):
        return True
    return kind in APPLICABLE


# --- calls with simple operands


class Call0(Node):
    _immutable_fields_ = ["function"]
    __slots__ = ("function", "place")

    def __init__(self, function: Simple, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.function = function
        self.place = place

    def step(self, env: Any, cont: Any) -> State:
        function = self.function.eval(env)
        if type(function) is Closure:
            code = promote(function.code)
            body = code.body
            if code.arity == 0 and body is not None:
                return body, (function,), cont
        return apply_procedure(function, (), cont)


class Call1(Node):
    _immutable_fields_ = ["function", "first"]
    __slots__ = ("first", "function", "place")

    def __init__(self, function: Simple, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.function = function
        self.first = args[0]
        self.place = place

    def step(self, env: Any, cont: Any) -> State:
        function = self.function.eval(env)
        if type(function) is Closure:
            code = promote(function.code)
            body = code.body
            if code.arity == 1 and body is not None:
                return body, (function, self.first.eval(env)), cont
        return apply_procedure(function, (self.first.eval(env),), cont)


class Call2(Node):
    _immutable_fields_ = ["function", "first", "second"]
    __slots__ = ("first", "function", "place", "second")

    def __init__(self, function: Simple, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.function = function
        self.first, self.second = args
        self.place = place

    def step(self, env: Any, cont: Any) -> State:
        function = self.function.eval(env)
        if type(function) is Closure:
            code = promote(function.code)
            body = code.body
            if code.arity == 2 and body is not None:
                return body, (function, self.first.eval(env), self.second.eval(env)), cont
        return apply_procedure(function, (self.first.eval(env), self.second.eval(env)), cont)


class Call3(Node):
    _immutable_fields_ = ["function", "first", "second", "third"]
    __slots__ = ("first", "function", "place", "second", "third")

    def __init__(self, function: Simple, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.function = function
        self.first, self.second, self.third = args
        self.place = place

    def step(self, env: Any, cont: Any) -> State:
        function = self.function.eval(env)
        if type(function) is Closure:
            code = promote(function.code)
            body = code.body
            if code.arity == 3 and body is not None:
                return body, (function, self.first.eval(env), self.second.eval(env), self.third.eval(env)), cont
        return apply_procedure(function, (self.first.eval(env), self.second.eval(env), self.third.eval(env)), cont)


class CallN(Node):
    _immutable_fields_ = ["function", "args[*]"]
    __slots__ = ("args", "function", "place")

    def __init__(self, function: Simple, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.function = function
        self.args = args
        self.place = place

    @unroll_safe
    def step(self, env: Any, cont: Any) -> State:
        function = self.function.eval(env)
        if type(function) is Closure:
            code = promote(function.code)
            body = code.body
            if code.arity == len(self.args) and body is not None:
                return body, extend(function, self.args, env), cont
        return apply_procedure(function, [arg.eval(env) for arg in self.args], cont)


CALLS = (Call0, Call1, Call2, Call3)


# --- control with simple parts


class If(Node):
    """The test is simple, a branch is not."""

    _immutable_fields_ = ["test", "then", "otherwise"]
    __slots__ = ("otherwise", "test", "then")

    def __init__(self, test: Simple, then: Node, otherwise: Node) -> None:
        self.header = False
        self.test = test
        self.then = then
        self.otherwise = otherwise

    def step(self, env: Any, cont: Any) -> State:
        if self.test.eval(env) is not False:
            return self.then, env, cont
        return self.otherwise, env, cont


class SeqSimple(Node):
    """The first is simple, the rest is not."""

    _immutable_fields_ = ["first", "rest"]
    __slots__ = ("first", "rest")

    def __init__(self, first: Simple, rest: Node) -> None:
        self.header = False
        self.first = first
        self.rest = rest

    def step(self, env: Any, cont: Any) -> State:
        self.first.eval(env)
        return self.rest, env, cont


class Let1(Node):
    _immutable_fields_ = ["init", "body"]
    __slots__ = ("body", "init")

    def __init__(self, init: Simple, body: Node) -> None:
        self.header = False
        self.init = init
        self.body = body

    def step(self, env: Any, cont: Any) -> State:
        return self.body, (env, self.init.eval(env)), cont


class Let(Node):
    _immutable_fields_ = ["inits[*]", "body"]
    __slots__ = ("body", "inits")

    def __init__(self, inits: list[Simple], body: Node) -> None:
        self.header = False
        self.inits = inits
        self.body = body

    def step(self, env: Any, cont: Any) -> State:
        return self.body, extend(env, self.inits, env), cont


class BoxParameters(Node):
    """At a function's start: parameters that are assigned to go into cells."""

    _immutable_fields_ = ["flags", "body"]
    __slots__ = ("body", "flags")

    def __init__(self, flags: tuple[bool, ...], body: Node) -> None:
        self.header = False
        self.flags = flags
        self.body = body

    @unroll_safe
    def step(self, env: Any, cont: Any) -> State:
        flags = self.flags
        count = len(flags)
        first = Cell(env[1]) if flags[0] else env[1]
        if count == 1:
            return self.body, (env[0], first), cont
        second = Cell(env[2]) if flags[1] else env[2]
        if count == 2:
            return self.body, (env[0], first, second), cont
        rest = [Cell(env[number + 1]) if flags[number] else env[number + 1] for number in range(2, count)]
        return self.body, (env[0], first, second, *rest), cont


# --- parts that are not simple


class IfPoint(Node):
    """The test's value has come."""

    _immutable_fields_ = ["then", "otherwise"]
    __slots__ = ("otherwise", "then")

    def __init__(self, then: Node, otherwise: Node) -> None:
        self.header = False
        self.then = then
        self.otherwise = otherwise

    def step(self, env: Any, cont: Any) -> State:
        if env is not False:
            return self.then, cont[1], cont[2]
        return self.otherwise, cont[1], cont[2]


class SeqPoint(Node):
    """The first value has come, and is dropped."""

    _immutable_fields_ = ["rest"]
    __slots__ = ("rest",)

    def __init__(self, rest: Node) -> None:
        self.header = False
        self.rest = rest

    def step(self, env: Any, cont: Any) -> State:
        return self.rest, cont[1], cont[2]


class LetPoint(Node):
    """The value of a `let` with one variable has come."""

    _immutable_fields_ = ["body", "boxed"]
    __slots__ = ("body", "boxed")

    def __init__(self, body: Node, boxed: bool) -> None:
        self.header = False
        self.body = body
        self.boxed = boxed

    def step(self, env: Any, cont: Any) -> State:
        return self.body, (cont[1], Cell(env) if self.boxed else env), cont[2]


class Prim1Point(Node):
    """The argument of a primitive has come."""

    _immutable_fields_ = ["function", "name"]
    __slots__ = ("function", "name", "place")

    def __init__(self, primitive: Primitive, place: Place | None) -> None:
        self.header = False
        self.function = primitive.function
        self.name = primitive.name
        self.place = place

    def step(self, env: Any, cont: Any) -> State:
        try:
            value = self.function(env)
        except CAUGHT as failure:
            raise failed(failure, self.name, (env,), self.place) from None
        cont = cont[2]
        return cont[0], value, cont


class Prim2PointFirst(Node):
    """The first of two arguments of a primitive has come; the second is simple."""

    _immutable_fields_ = ["function", "name", "second"]
    __slots__ = ("function", "name", "place", "second")

    def __init__(self, primitive: Primitive, second: Simple, place: Place | None) -> None:
        self.header = False
        self.function = primitive.function
        self.name = primitive.name
        self.second = second
        self.place = place

    def step(self, env: Any, cont: Any) -> State:
        second = self.second.eval(cont[1])
        try:
            value = self.function(env, second)
        except CAUGHT as failure:
            raise failed(failure, self.name, (env, second), self.place) from None
        cont = cont[2]
        return cont[0], value, cont


class Prim2PointSecond(Node):
    """The second of two arguments of a primitive has come; the first is simple."""

    _immutable_fields_ = ["function", "name", "first"]
    __slots__ = ("first", "function", "name", "place")

    def __init__(self, primitive: Primitive, first: Simple, place: Place | None) -> None:
        self.header = False
        self.function = primitive.function
        self.name = primitive.name
        self.first = first
        self.place = place

    def step(self, env: Any, cont: Any) -> State:
        first = self.first.eval(cont[1])
        try:
            value = self.function(first, env)
        except CAUGHT as failure:
            raise failed(failure, self.name, (first, env), self.place) from None
        cont = cont[2]
        return cont[0], value, cont


class Evaluate(Node):
    """Go on with a node that is not simple, and with its value at a point."""

    _immutable_fields_ = ["node", "point"]
    __slots__ = ("node", "point")

    def __init__(self, node: Node, point: Node) -> None:
        self.header = False
        self.node = node
        self.point = point

    def step(self, env: Any, cont: Any) -> State:
        return self.node, env, (self.point, env, cont)


class EvaluateCall(Node):
    """The same for a call, made at once: a step less."""

    _immutable_fields_ = ["node", "point"]
    __slots__ = ("node", "place", "point")

    def __init__(self, node: Node, point: Node) -> None:
        self.header = False
        self.node = node
        self.point = point
        self.place = node.place

    def step(self, env: Any, cont: Any) -> State:
        return self.node.step(env, (self.point, env, cont))


def evaluate(node: Node, point: Node) -> Node:
    """Go on with a node, and with its value at a point."""
    if isinstance(node, Call0 | Call1 | Call2 | Call3 | CallN):
        return EvaluateCall(node, point)
    return Evaluate(node, point)


class Prim2PointNext(Node):
    """The first of two arguments of a primitive has come; the second is not simple either."""

    _immutable_fields_ = ["node", "point"]
    __slots__ = ("node", "point")

    def __init__(self, node: Node, point: Node) -> None:
        self.header = False
        self.node = node
        self.point = point

    def step(self, env: Any, cont: Any) -> State:
        around = cont[1]
        return self.node, around, (self.point, around, cont[2], env)


class Prim2PointBoth(Node):
    """The second of two arguments of a primitive has come; the frame has the first."""

    _immutable_fields_ = ["function", "name"]
    __slots__ = ("function", "name", "place")

    def __init__(self, primitive: Primitive, place: Place | None) -> None:
        self.header = False
        self.function = primitive.function
        self.name = primitive.name
        self.place = place

    def step(self, env: Any, cont: Any) -> State:
        first = cont[3]
        try:
            value = self.function(first, env)
        except CAUGHT as failure:
            raise failed(failure, self.name, (first, env), self.place) from None
        cont = cont[2]
        return cont[0], value, cont


class OperandPoint(Node):
    """The value of an operand that is not simple has come.

    Attributes:
        before: The number of values that the frame has.
        node: The next operand that is not simple, with the point for its value; None after the last one.
        finish: Gets all values.
    """

    _immutable_fields_ = ["before", "node", "point", "finish"]
    __slots__ = ("before", "finish", "node", "point")

    def __init__(self, before: int, finish: Finish) -> None:
        self.header = False
        self.before = before
        self.finish = finish
        self.node: Node | None = None
        self.point: Node | None = None

    def step(self, env: Any, cont: Any) -> State:
        node = self.node
        if node is None:
            return self.finish.finish(env, cont)
        around = cont[1]
        before = self.before
        if before == 0:
            return node, around, (self.point, around, cont[2], env)
        if before == 1:
            return node, around, (self.point, around, cont[2], cont[3], env)
        if before == 2:
            return node, around, (self.point, around, cont[2], cont[3], cont[4], env)
        return node, around, (self.point, *cont[1:], env)


class Finish:
    """What is done when all operands of a node are there; simple ones are evaluated last.

    Attributes:
        operands: Nodes; None for one whose value has come.
        places: For each operand, where in the frame its value is; 0 for a node, -1 for the value that came last.
    """

    _immutable_fields_ = ["operands", "places"]
    __slots__ = ("operands", "places")

    def __init__(self, operands: list[Simple | None]) -> None:
        self.operands = tuple(operands)
        places = []
        next_place = 3
        for operand in operands:
            places.append(next_place if operand is None else 0)
            next_place += operand is None
        places[places.index(next_place - 1)] = -1
        self.places = tuple(places)

    def get(self, index: int, value: Any, frame: Any) -> Any:
        """The value of an operand."""
        place = self.places[index]
        if place > 0:
            return frame[place]
        if place < 0:
            return value
        return self.operands[index].eval(frame[1])  # type: ignore[union-attr]

    @unroll_safe
    def gather(self, first: int, value: Any, frame: Any) -> Any:
        """The values of the operands from number `first` on."""
        count = len(self.operands) - first
        if count == 1:
            return (self.get(first, value, frame),)
        if count == 2:
            return self.get(first, value, frame), self.get(first + 1, value, frame)
        if count == 3:
            return (self.get(first, value, frame), self.get(first + 1, value, frame), self.get(first + 2, value, frame))
        return [self.get(first + number, value, frame) for number in range(count)]

    def finish(self, value: Any, frame: Any) -> State:
        raise NotImplementedError


class FinishCall(Finish):
    """A call; operand 0 is the procedure."""

    __slots__ = ("place",)

    def __init__(self, operands: list[Simple | None], place: Place | None) -> None:
        super().__init__(operands)
        self.place = place

    def finish(self, value: Any, frame: Any) -> State:
        function = self.get(0, value, frame)
        try:
            return apply_procedure(function, self.gather(1, value, frame), frame[2])
        except SchemeError as failure:
            raise located(failure, self.place)  # noqa: B904


class FinishPrimitive(Finish):
    _immutable_fields_ = ["function", "name"]
    __slots__ = ("function", "name", "place")

    def __init__(self, operands: list[Simple | None], primitive: Primitive, place: Place | None) -> None:
        super().__init__(operands)
        self.function = primitive.function
        self.name = primitive.name
        self.place = place

    def finish(self, value: Any, frame: Any) -> State:
        items = self.gather(0, value, frame)
        try:
            if len(items) == 2:
                result = self.function(items[0], items[1])
            elif len(items) == 3:
                result = self.function(items[0], items[1], items[2])
            else:
                result = self.function(*items)
        except CAUGHT as failure:
            raise failed(failure, self.name, items, self.place) from None
        cont = frame[2]
        return cont[0], result, cont


class FinishLet(Finish):
    _immutable_fields_ = ["body", "boxed"]
    __slots__ = ("body", "boxed")

    def __init__(self, operands: list[Simple | None], body: Node, boxed: tuple[bool, ...]) -> None:
        super().__init__(operands)
        self.body = body
        self.boxed = boxed

    def variable(self, index: int, value: Any, frame: Any) -> Any:
        variable = self.get(index, value, frame)
        return Cell(variable) if self.boxed[index] else variable

    @unroll_safe
    def finish(self, value: Any, frame: Any) -> State:
        env = frame[1]
        count = len(self.boxed)
        if count == 2:
            return self.body, (env, self.variable(0, value, frame), self.variable(1, value, frame)), frame[2]
        if count == 3:
            first, second = self.variable(0, value, frame), self.variable(1, value, frame)
            return self.body, (env, first, second, self.variable(2, value, frame)), frame[2]
        return self.body, (env, *[self.variable(number, value, frame) for number in range(count)]), frame[2]


class SetCellPoint(Node):
    _immutable_fields_ = ["cell"]
    __slots__ = ("cell",)

    def __init__(self, cell: Simple) -> None:
        self.header = False
        self.cell = cell

    def step(self, env: Any, cont: Any) -> State:
        self.cell.eval(cont[1]).value = env
        cont = cont[2]
        return cont[0], UNSPECIFIED, cont


class SetGlobalPoint(Node):
    _immutable_fields_ = ["cell", "defines"]
    __slots__ = ("cell", "defines", "place")

    def __init__(self, cell: GlobalCell, defines: bool, place: Place | None) -> None:
        self.header = False
        self.cell = cell
        self.defines = defines
        self.place = place

    def step(self, env: Any, cont: Any) -> State:
        value = set_global(self.cell, env, self.defines, self.place)
        cont = cont[2]
        return cont[0], value, cont


class OneOfPoint(Node):
    """The value for a `case` has come."""

    _immutable_fields_ = ["test"]
    __slots__ = ("test",)

    def __init__(self, test: Simple) -> None:
        self.header = False
        self.test = test

    def step(self, env: Any, cont: Any) -> State:
        value = self.test.eval((cont[1], env))
        cont = cont[2]
        return cont[0], value, cont
