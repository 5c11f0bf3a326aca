"""Nodes that are evaluated at once: `eval(env)` gives their value.

An environment is a tuple. Item 0 of a function's is its closure, item 0 of a `let`'s the environment around it; the
variables follow. Tuples never change, so a trace that made one knows its items: variables that are assigned to are in
Cells. Everything here is *simple*: it calls no guest procedure and needs no continuation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interpreters.scheme import arithmetic
from interpreters.scheme.core import Function, Place
from interpreters.scheme.equality import is_eqv
from interpreters.scheme.objects import (
    NIL, UNINITIALIZED, UNSPECIFIED, CaseLambda, Cell, Closure, Condition, Pair, Primitive, SchemeError, error, wrong_type,
)  # fmt: skip
from interpreters.scheme.syntax import NOT_CONSTANT, UNBOUND, GlobalCell
from metatracer import dont_look_inside, unroll_safe

PYTHON_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    OSError,
    MemoryError,
    RecursionError,
)
"""What primitives let happen to them when an argument is wrong."""


class Node:
    """Base of all nodes.

    Attributes:
        header: The portal's loop counts visits of this node: a function's body, or what follows a call.
        place: Where it stands in the program's text.
        whose: Of a function's body: the function, which knows its name and place.
    """

    _immutable_fields_ = ["header"]
    __slots__ = ("header", "whose")
    place: Place | None = None
    whose: Function

    def __init__(self) -> None:
        self.header = False

    def step(self, env: Any, cont: Any) -> tuple[Any, Any, Any]:
        """One step of the machine: the next node, its environment (or, for a point, its value), and the frame."""
        raise NotImplementedError


class Simple(Node):
    """Base of the nodes that are evaluated at once."""

    __slots__ = ()

    def eval(self, env: Any) -> Any:
        raise NotImplementedError

    def step(self, env: Any, cont: Any) -> tuple[Any, Any, Any]:
        return cont[0], self.eval(env), cont


class Literal(Simple):
    _immutable_fields_ = ["value"]
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.header = False
        self.value = value

    def eval(self, env: Any) -> Any:
        return self.value


# --- variables


class Local(Simple):
    """A variable of the innermost frame; at index 0, the running closure itself."""

    _immutable_fields_ = ["index"]
    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.header = False
        self.index = index

    def eval(self, env: Any) -> Any:
        return env[self.index]


class LocalAroundLet(Simple):
    """A variable of the frame around a `let`."""

    _immutable_fields_ = ["index"]
    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.header = False
        self.index = index

    def eval(self, env: Any) -> Any:
        return env[0][self.index]


class LocalAroundFunction(Simple):
    """A variable of the frame that a closure was made in."""

    _immutable_fields_ = ["index"]
    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.header = False
        self.index = index

    def eval(self, env: Any) -> Any:
        return env[0].env[self.index]


class LocalFar(Simple):
    """A variable further out. `path` tells for each frame on the way whether it is a function's."""

    _immutable_fields_ = ["path", "index"]
    __slots__ = ("index", "path")

    def __init__(self, path: tuple[bool, ...], index: int) -> None:
        self.header = False
        self.path = path
        self.index = index

    @unroll_safe
    def eval(self, env: Any) -> Any:
        for is_function in self.path:
            env = env[0].env if is_function else env[0]
        return env[self.index]


class CellValue(Simple):
    """A variable that is assigned to."""

    _immutable_fields_ = ["cell"]
    __slots__ = ("cell",)

    def __init__(self, cell: Simple) -> None:
        self.header = False
        self.cell = cell

    def eval(self, env: Any) -> Any:
        return self.cell.eval(env).value


class CheckedCellValue(Simple):
    """The same for a variable that may not have its value yet."""

    _immutable_fields_ = ["cell", "name"]
    __slots__ = ("cell", "name", "place")

    def __init__(self, cell: Simple, name: str, place: Place | None) -> None:
        self.header = False
        self.cell = cell
        self.name = name
        self.place = place

    def eval(self, env: Any) -> Any:
        value = self.cell.eval(env).value
        if value is UNINITIALIZED:
            raise located(error("", f"variable used before its definition: {self.name}"), self.place)
        return value


class Global(Simple):
    _immutable_fields_ = ["cell"]
    __slots__ = ("cell", "place")

    def __init__(self, cell: GlobalCell, place: Place | None) -> None:
        self.header = False
        self.cell = cell
        self.place = place

    def eval(self, env: Any) -> Any:
        value = self.cell.const
        if value is NOT_CONSTANT:
            value = self.cell.value
            if value is UNBOUND:
                raise located(error("", f"unbound variable: {self.cell.name}"), self.place)
        return value


class SetCell(Simple):
    _immutable_fields_ = ["cell", "value"]
    __slots__ = ("cell", "value")

    def __init__(self, cell: Simple, value: Simple) -> None:
        self.header = False
        self.cell = cell
        self.value = value

    def eval(self, env: Any) -> Any:
        value = self.value.eval(env)
        self.cell.eval(env).value = value
        return UNSPECIFIED


class NewCell(Simple):
    """The cell of a variable that begins to exist."""

    _immutable_fields_ = ["value"]
    __slots__ = ("value",)

    def __init__(self, value: Simple) -> None:
        self.header = False
        self.value = value

    def eval(self, env: Any) -> Any:
        return Cell(self.value.eval(env))


class SetGlobal(Simple):
    _immutable_fields_ = ["cell", "value", "defines"]
    __slots__ = ("cell", "defines", "place", "value")

    def __init__(self, cell: GlobalCell, value: Simple, defines: bool, place: Place | None) -> None:
        self.header = False
        self.cell = cell
        self.value = value
        self.defines = defines
        self.place = place

    def eval(self, env: Any) -> Any:
        return set_global(self.cell, self.value.eval(env), self.defines, self.place)


def set_global(cell: GlobalCell, value: Any, defines: bool, place: Place | None) -> Any:
    if cell.const is NOT_CONSTANT and cell.users is None and cell.value is not UNBOUND:
        cell.value = value
        return UNSPECIFIED
    return _set_seldom_set(cell, value, defines, place)


@dont_look_inside
def _set_seldom_set(cell: GlobalCell, value: Any, defines: bool, place: Place | None) -> Any:
    if cell.value is UNBOUND and not defines:
        raise located(error("set!", f"unbound variable: {cell.name}"), place)
    if defines and type(value) is Closure and not value.code.name:
        value.code.name = cell.name
    cell.assign(value, defines)
    return UNSPECIFIED


# --- control


class SimpleIf(Simple):
    _immutable_fields_ = ["test", "then", "otherwise"]
    __slots__ = ("otherwise", "test", "then")

    def __init__(self, test: Simple, then: Simple, otherwise: Simple) -> None:
        self.header = False
        self.test = test
        self.then = then
        self.otherwise = otherwise

    def eval(self, env: Any) -> Any:
        if self.test.eval(env) is not False:
            return self.then.eval(env)
        return self.otherwise.eval(env)


class SimpleSeq(Simple):
    _immutable_fields_ = ["first", "rest"]
    __slots__ = ("first", "rest")

    def __init__(self, first: Simple, rest: Simple) -> None:
        self.header = False
        self.first = first
        self.rest = rest

    def eval(self, env: Any) -> Any:
        self.first.eval(env)
        return self.rest.eval(env)


class SimpleLet1(Simple):
    _immutable_fields_ = ["init", "body"]
    __slots__ = ("body", "init")

    def __init__(self, init: Simple, body: Simple) -> None:
        self.header = False
        self.init = init
        self.body = body

    def eval(self, env: Any) -> Any:
        return self.body.eval((env, self.init.eval(env)))


class SimpleLet(Simple):
    _immutable_fields_ = ["inits[*]", "body"]
    __slots__ = ("body", "inits")

    def __init__(self, inits: list[Simple], body: Simple) -> None:
        self.header = False
        self.inits = inits
        self.body = body

    def eval(self, env: Any) -> Any:
        return self.body.eval(extend(env, self.inits, env))


@unroll_safe
def extend(first: Any, inits: list[Simple], env: Any) -> tuple[Any, ...]:
    """An environment with `first` at index 0 and the values of the nodes."""
    count = len(inits)
    if count == 1:
        return (first, inits[0].eval(env))
    if count == 2:
        return (first, inits[0].eval(env), inits[1].eval(env))
    if count == 3:
        return (first, inits[0].eval(env), inits[1].eval(env), inits[2].eval(env))
    if count == 4:
        return (first, inits[0].eval(env), inits[1].eval(env), inits[2].eval(env), inits[3].eval(env))
    return (first, *[init.eval(env) for init in inits])


class MakeClosure(Simple):
    _immutable_fields_ = ["code"]
    __slots__ = ("code",)

    def __init__(self, code: Any) -> None:
        self.header = False
        self.code = code

    def eval(self, env: Any) -> Any:
        return Closure(self.code, env)


class MakeCaseLambda(Simple):
    _immutable_fields_ = ["codes"]
    __slots__ = ("codes",)

    def __init__(self, codes: tuple[Any, ...]) -> None:
        self.header = False
        self.codes = codes

    @unroll_safe
    def eval(self, env: Any) -> Any:
        return CaseLambda([Closure(code, env) for code in self.codes])


class OneOf(Simple):
    """Whether a value is one of some constants: those that `eq?` finds, and numbers."""

    _immutable_fields_ = ["value", "objects", "numbers"]
    __slots__ = ("numbers", "objects", "value")

    def __init__(self, value: Simple, items: list[Any]) -> None:
        self.header = False
        self.value = value
        numbers = arithmetic.NUMBERS
        self.objects = tuple([item for item in items if type(item) not in numbers])
        self.numbers = tuple([item for item in items if type(item) in numbers])

    @unroll_safe
    def eval(self, env: Any) -> Any:
        value = self.value.eval(env)
        for item in self.objects:
            if value is item:
                return True
        for item in self.numbers:  # noqa: SIM110  no generator in a trace
            if is_eqv(value, item):
                return True
        return False


# --- calls of primitives


def located(failure: SchemeError, place: Place | None) -> SchemeError:
    """Tell an error where it happened, unless it knows."""
    payload = failure.payload
    known = payload.place if type(payload) is Condition else ""
    if not failure.place:
        failure.place = known or (f"{place[0]}:{place[1]}:{place[2]}" if place is not None else "")
    if type(payload) is Condition:
        payload.place = known or failure.place
    return failure


@dont_look_inside
def failed(failure: BaseException, name: str, args: Any, place: Place | None) -> SchemeError:
    """What a primitive ran into, as an error of the guest."""
    if isinstance(failure, SchemeError):
        payload = failure.payload
        if type(payload) is Condition and payload.kind == "error" and not failure.continuable and not payload.place:
            # Just made: by a primitive that has several names, or calls another one.
            if name and (not payload.who or name[0] != "%"):
                payload.who = name
        return located(failure, place)
    if isinstance(failure, MemoryError):
        return located(error(name, "out of memory"), place)
    if isinstance(failure, RecursionError):
        return located(error(name, "data nested too deeply"), place)
    if isinstance(failure, OverflowError):
        return located(error(name, "number too large", *args), place)
    if isinstance(failure, ZeroDivisionError):
        return located(error(name, "division by zero", *args), place)
    if isinstance(failure, IndexError):
        return located(error(name, "index out of range", *args), place)
    if isinstance(failure, OSError):
        return located(SchemeError(_file_condition(name, failure, args)), place)
    return located(error(name, "wrong argument", *args), place)


def _file_condition(name: str, failure: OSError, args: Any) -> Condition:
    from interpreters.scheme.objects import String

    return Condition(String(failure.strerror or str(failure)), list(args), kind="file", who=name)


class Prim0(Simple):
    _immutable_fields_ = ["function", "name"]
    __slots__ = ("function", "name", "place")

    def __init__(self, primitive: Primitive, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.function = primitive.function
        self.name = primitive.name
        self.place = place

    def eval(self, env: Any) -> Any:
        try:
            return self.function()
        except (SchemeError, *PYTHON_ERRORS) as failure:
            raise failed(failure, self.name, (), self.place) from None


class Prim1(Simple):
    _immutable_fields_ = ["function", "name", "first"]
    __slots__ = ("first", "function", "name", "place")

    def __init__(self, primitive: Primitive, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.function = primitive.function
        self.name = primitive.name
        self.first = args[0]
        self.place = place

    def eval(self, env: Any) -> Any:
        first = self.first.eval(env)
        try:
            return self.function(first)
        except CAUGHT as failure:
            raise failed(failure, self.name, (first,), self.place) from None


CAUGHT = (SchemeError, *PYTHON_ERRORS)


class Prim2(Simple):
    _immutable_fields_ = ["function", "name", "first", "second"]
    __slots__ = ("first", "function", "name", "place", "second")

    def __init__(self, primitive: Primitive, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.function = primitive.function
        self.name = primitive.name
        self.first = args[0]
        self.second = args[1]
        self.place = place

    def eval(self, env: Any) -> Any:
        first = self.first.eval(env)
        second = self.second.eval(env)
        try:
            return self.function(first, second)
        except CAUGHT as failure:
            raise failed(failure, self.name, (first, second), self.place) from None


class Prim3(Simple):
    _immutable_fields_ = ["function", "name", "first", "second", "third"]
    __slots__ = ("first", "function", "name", "place", "second", "third")

    def __init__(self, primitive: Primitive, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.function = primitive.function
        self.name = primitive.name
        self.first, self.second, self.third = args
        self.place = place

    def eval(self, env: Any) -> Any:
        first = self.first.eval(env)
        second = self.second.eval(env)
        third = self.third.eval(env)
        try:
            return self.function(first, second, third)
        except CAUGHT as failure:
            raise failed(failure, self.name, (first, second, third), self.place) from None


class PrimN(Simple):
    _immutable_fields_ = ["function", "name", "args[*]"]
    __slots__ = ("args", "function", "name", "place")

    def __init__(self, primitive: Primitive, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.function = primitive.function
        self.name = primitive.name
        self.args = args
        self.place = place

    @unroll_safe
    def eval(self, env: Any) -> Any:
        args = [arg.eval(env) for arg in self.args]
        try:
            return self.function(*args)
        except CAUGHT as failure:
            raise failed(failure, self.name, args, self.place) from None


class _One(Simple):
    """Base of the primitives of one argument that have a node of their own."""

    _immutable_fields_ = ["first"]
    __slots__ = ("first", "place")

    def __init__(self, primitive: Primitive, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.first = args[0]
        self.place = place


class _Two(Simple):
    """Base of the primitives of two arguments that have a node of their own."""

    _immutable_fields_ = ["first", "second"]
    __slots__ = ("first", "place", "second")

    def __init__(self, primitive: Primitive, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.first = args[0]
        self.second = args[1]
        self.place = place


class Car(_One):
    __slots__ = ()

    def eval(self, env: Any) -> Any:
        pair = self.first.eval(env)
        if type(pair) is not Pair:
            raise located(wrong_type("car", "a pair", pair), self.place)
        return pair.car


class Cdr(_One):
    __slots__ = ()

    def eval(self, env: Any) -> Any:
        pair = self.first.eval(env)
        if type(pair) is not Pair:
            raise located(wrong_type("cdr", "a pair", pair), self.place)
        return pair.cdr


class IsPair(_One):
    __slots__ = ()

    def eval(self, env: Any) -> Any:
        return type(self.first.eval(env)) is Pair


class IsNull(_One):
    __slots__ = ()

    def eval(self, env: Any) -> Any:
        return self.first.eval(env) is NIL


class Not(_One):
    __slots__ = ()

    def eval(self, env: Any) -> Any:
        return self.first.eval(env) is False


class Cons(_Two):
    __slots__ = ()

    def eval(self, env: Any) -> Any:
        return Pair(self.first.eval(env), self.second.eval(env))


class IsEqv(_Two):
    __slots__ = ()

    def eval(self, env: Any) -> Any:
        first = self.first.eval(env)
        second = self.second.eval(env)
        if first is second:
            return True
        return is_eqv(first, second)


class VectorRef(_Two):
    __slots__ = ()

    def eval(self, env: Any) -> Any:
        vector = self.first.eval(env)
        index = self.second.eval(env)
        if type(vector) is list and type(index) is int and 0 <= index < len(vector):
            return vector[index]
        raise located(vector_error("vector-ref", vector, index), self.place)


def vector_error(who: str, vector: Any, index: Any) -> SchemeError:
    if type(vector) is not list:
        return wrong_type(who, "a vector", vector)
    if type(index) is not int:
        return wrong_type(who, "an index", index)
    return error(who, "index out of range:", index)


class VectorSet(Simple):
    _immutable_fields_ = ["first", "second", "third"]
    __slots__ = ("first", "place", "second", "third")

    def __init__(self, primitive: Primitive, args: list[Simple], place: Place | None) -> None:
        self.header = False
        self.first, self.second, self.third = args
        self.place = place

    def eval(self, env: Any) -> Any:
        vector = self.first.eval(env)
        index = self.second.eval(env)
        value = self.third.eval(env)
        if type(vector) is list and type(index) is int and 0 <= index < len(vector):
            vector[index] = value
            return UNSPECIFIED
        raise located(vector_error("vector-set!", vector, index), self.place)


class _Arithmetic(_Two):
    """Base of the two-operand operators; `slow` does what is not small ints or floats."""

    __slots__ = ()
    slow: Callable[[Any, Any], Any]

    def other(self, left: Any, right: Any) -> Any:
        try:
            return type(self).slow(left, right)
        except CAUGHT as failure:
            raise failed(failure, "", (left, right), self.place) from None


class Add(_Arithmetic):
    __slots__ = ()
    slow = staticmethod(arithmetic.add_mixed)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        right = self.second.eval(env)
        if type(left) is int and type(right) is int:
            return left + right
        if type(left) is float and type(right) is float:
            return left + right
        return self.other(left, right)


class Subtract(_Arithmetic):
    __slots__ = ()
    slow = staticmethod(arithmetic.subtract_mixed)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        right = self.second.eval(env)
        if type(left) is int and type(right) is int:
            return left - right
        if type(left) is float and type(right) is float:
            return left - right
        return self.other(left, right)


class Multiply(_Arithmetic):
    __slots__ = ()
    slow = staticmethod(arithmetic.multiply_mixed)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        right = self.second.eval(env)
        if type(left) is int and type(right) is int:
            return left * right
        if type(left) is float and type(right) is float:
            return left * right
        return self.other(left, right)


class Equal(_Arithmetic):
    __slots__ = ()
    slow = staticmethod(arithmetic.equal)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        right = self.second.eval(env)
        if type(left) is int and type(right) is int:
            return left == right
        return self.other(left, right)


class Less(_Arithmetic):
    __slots__ = ()
    slow = staticmethod(arithmetic.less)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        right = self.second.eval(env)
        if type(left) is int and type(right) is int:
            return left < right
        return self.other(left, right)


class Greater(_Arithmetic):
    __slots__ = ()
    slow = staticmethod(arithmetic.greater)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        right = self.second.eval(env)
        if type(left) is int and type(right) is int:
            return left > right
        return self.other(left, right)


class LessEqual(_Arithmetic):
    __slots__ = ()
    slow = staticmethod(arithmetic.less_equal)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        right = self.second.eval(env)
        if type(left) is int and type(right) is int:
            return left <= right
        return self.other(left, right)


class GreaterEqual(_Arithmetic):
    __slots__ = ()
    slow = staticmethod(arithmetic.greater_equal)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        right = self.second.eval(env)
        if type(left) is int and type(right) is int:
            return left >= right
        return self.other(left, right)


class _WithInteger(Simple):
    """Base of the operators whose second operand is an integer in the program's text."""

    _immutable_fields_ = ["first", "number"]
    __slots__ = ("first", "number", "place")
    slow: Callable[[Any, Any], Any]

    def __init__(self, first: Simple, number: int, place: Place | None) -> None:
        self.header = False
        self.first = first
        self.number = number
        self.place = place

    def other(self, left: Any) -> Any:
        try:
            return type(self).slow(left, self.number)
        except CAUGHT as failure:
            raise failed(failure, "", (left, self.number), self.place) from None


class AddInteger(_WithInteger):
    __slots__ = ()
    slow = staticmethod(arithmetic.add_mixed)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        return left + self.number if type(left) is int else self.other(left)


class SubtractInteger(_WithInteger):
    __slots__ = ()
    slow = staticmethod(arithmetic.subtract_mixed)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        return left - self.number if type(left) is int else self.other(left)


class EqualInteger(_WithInteger):
    __slots__ = ()
    slow = staticmethod(arithmetic.equal)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        return left == self.number if type(left) is int else self.other(left)


class LessInteger(_WithInteger):
    __slots__ = ()
    slow = staticmethod(arithmetic.less)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        return left < self.number if type(left) is int else self.other(left)


class GreaterInteger(_WithInteger):
    __slots__ = ()
    slow = staticmethod(arithmetic.greater)

    def eval(self, env: Any) -> Any:
        left = self.first.eval(env)
        return left > self.number if type(left) is int else self.other(left)


GENERIC = (Prim0, Prim1, Prim2, Prim3)
OWN_NODES: dict[tuple[str, int], Callable[[Primitive, list[Simple], Place | None], Simple]] = {
    ("car", 1): Car, ("cdr", 1): Cdr, ("pair?", 1): IsPair, ("null?", 1): IsNull, ("not", 1): Not,
    ("cons", 2): Cons, ("eqv?", 2): IsEqv, ("eq?", 2): IsEqv, ("vector-ref", 2): VectorRef, ("vector-set!", 3): VectorSet,
    ("+", 2): Add, ("-", 2): Subtract, ("*", 2): Multiply, ("=", 2): Equal, ("<", 2): Less, (">", 2): Greater,
    ("<=", 2): LessEqual, (">=", 2): GreaterEqual,
}  # fmt: skip
"""Primitives that have a node of their own, by name and number of arguments. `eq?` is `eqv?`: numbers and characters
that are the same are the same object to the guest, whether or not they are to Python."""

WITH_INTEGER = {
    "+": AddInteger, "-": SubtractInteger, "=": EqualInteger, "<": LessInteger, ">": GreaterInteger,
}  # fmt: skip
OF_TWO: dict[str, Callable[[Any, Any], Any]] = {
    "+": arithmetic.add, "-": arithmetic.subtract, "*": arithmetic.multiply, "/": arithmetic.divide,
    "=": arithmetic.equal, "<": arithmetic.less, ">": arithmetic.greater, "<=": arithmetic.less_equal,
    ">=": arithmetic.greater_equal,
}  # fmt: skip
"""Variadic primitives as functions of two arguments."""

FOLDED = frozenset({"+", "-", "*", "/"})
"""Those that are, with more arguments, themselves of what they are with all but the last, and of the last."""
MOST_FOLDED = 6


def own_node(primitive: Primitive, args: list[Simple], place: Place | None) -> Simple | None:
    """The node made for this built-in primitive, if there is one."""
    count = len(args)
    if count == 2 and type(args[1]) is Literal and type(args[1].value) is int and primitive.name in WITH_INTEGER:
        return WITH_INTEGER[primitive.name](args[0], args[1].value, place)
    make = OWN_NODES.get((primitive.name, count))
    if make is not None:
        return make(primitive, args, place)
    if count == 2 and primitive.name in OF_TWO:
        return Prim2(Primitive(primitive.name, OF_TWO[primitive.name], 2, 2), args, place)
    if 2 < count <= MOST_FOLDED and primitive.name in FOLDED:
        value: Simple | None = args[0]
        for arg in args[1:]:
            assert value is not None
            value = own_node(primitive, [value, arg], place)
        return value
    return None
