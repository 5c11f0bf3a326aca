"""The syntax tree: expressions have `evaluate(frame)`, statements `execute(frame)`.

There are two places where guest programs spend their time: `While.execute` and `call_body`. Each has a merge point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from examples.astlang.objects import (
    Builtin, Class, Frame, Function, GuestError, Instance, display, fail, type_name,
)  # fmt: skip
from metatracer import JitDriver, promote, unroll_safe

loop_driver = JitDriver(greens=["self"], reds="auto", name="astlang loop")
call_driver = JitDriver(greens=["body"], reds="auto", name="astlang call")


class ReturnValue(Exception):
    """Leaves a function's body with its result."""

    def __init__(self, value: Any) -> None:
        self.value = value


class BreakLoop(Exception):
    """Leaves the innermost loop."""


class ContinueLoop(Exception):
    """Goes on with the innermost loop's next iteration."""


class Node:
    """Base of all nodes; they do not change once the parser has made them."""

    __slots__ = ()

    def evaluate(self, frame: Frame) -> Any:
        raise NotImplementedError

    def execute(self, frame: Frame) -> None:
        self.evaluate(frame)


class Literal(Node):
    _immutable_fields_ = ["value"]
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def evaluate(self, frame: Frame) -> Any:
        return self.value


class Variable(Node):
    """A variable of this function (depth 0) or of one around it."""

    _immutable_fields_ = ["depth", "slot"]
    __slots__ = ("depth", "slot")

    def __init__(self, depth: int, slot: int) -> None:
        self.depth = depth
        self.slot = slot

    def evaluate(self, frame: Frame) -> Any:
        return frame.ancestor(self.depth).slots[self.slot]


class Assign(Node):
    _immutable_fields_ = ["depth", "slot", "value"]
    __slots__ = ("depth", "slot", "value")

    def __init__(self, depth: int, slot: int, value: Node) -> None:
        self.depth = depth
        self.slot = slot
        self.value = value

    def execute(self, frame: Frame) -> None:
        frame.ancestor(self.depth).slots[self.slot] = self.value.evaluate(frame)


class Binary(Node):
    """Base of the operators with two operands."""

    _immutable_fields_ = ["left", "right"]
    __slots__ = ("left", "right")
    sign = ""

    def __init__(self, left: Node, right: Node) -> None:
        self.left = left
        self.right = right

    def evaluate(self, frame: Frame) -> Any:
        left = self.left.evaluate(frame)
        right = self.right.evaluate(frame)
        try:
            return self.compute(left, right)
        except TypeError:
            fail(f"no {self.sign} between {type_name(left)} and {type_name(right)}")
        except ZeroDivisionError:
            fail("division by zero")
        except OverflowError:
            fail("number too large for a float")

    def compute(self, left: Any, right: Any) -> Any:
        raise NotImplementedError


class Add(Binary):
    __slots__ = ()
    sign = "+"

    def compute(self, left: Any, right: Any) -> Any:
        return left + right


class Subtract(Binary):
    __slots__ = ()
    sign = "-"

    def compute(self, left: Any, right: Any) -> Any:
        return left - right


class Multiply(Binary):
    __slots__ = ()
    sign = "*"

    def compute(self, left: Any, right: Any) -> Any:
        return left * right


class Divide(Binary):
    """`/`: a floor division of ints, a division of floats."""

    __slots__ = ()
    sign = "/"

    def compute(self, left: Any, right: Any) -> Any:
        if isinstance(left, int) and isinstance(right, int):
            return left // right
        return left / right


class Modulo(Binary):
    __slots__ = ()
    sign = "%"

    def compute(self, left: Any, right: Any) -> Any:
        if isinstance(left, str):
            fail("no % between str and " + type_name(right))
        return left % right


class Less(Binary):
    __slots__ = ()
    sign = "<"

    def compute(self, left: Any, right: Any) -> Any:
        return left < right


class LessEqual(Binary):
    __slots__ = ()
    sign = "<="

    def compute(self, left: Any, right: Any) -> Any:
        return left <= right


class Greater(Binary):
    __slots__ = ()
    sign = ">"

    def compute(self, left: Any, right: Any) -> Any:
        return left > right


class GreaterEqual(Binary):
    __slots__ = ()
    sign = ">="

    def compute(self, left: Any, right: Any) -> Any:
        return left >= right


class Equal(Binary):
    __slots__ = ()
    sign = "=="

    def compute(self, left: Any, right: Any) -> Any:
        return left == right


class NotEqual(Binary):
    __slots__ = ()
    sign = "!="

    def compute(self, left: Any, right: Any) -> Any:
        return left != right


class And(Binary):
    __slots__ = ()

    def evaluate(self, frame: Frame) -> Any:
        left = self.left.evaluate(frame)
        return self.right.evaluate(frame) if left else left


class Or(Binary):
    __slots__ = ()

    def evaluate(self, frame: Frame) -> Any:
        return self.left.evaluate(frame) or self.right.evaluate(frame)


class Negate(Node):
    _immutable_fields_ = ["operand"]
    __slots__ = ("operand",)

    def __init__(self, operand: Node) -> None:
        self.operand = operand

    def evaluate(self, frame: Frame) -> Any:
        value = self.operand.evaluate(frame)
        if isinstance(value, (int, float)):
            return -value
        fail(f"no - before a {type_name(value)}")


class Not(Node):
    _immutable_fields_ = ["operand"]
    __slots__ = ("operand",)

    def __init__(self, operand: Node) -> None:
        self.operand = operand

    def evaluate(self, frame: Frame) -> Any:
        return not self.operand.evaluate(frame)


class ListDisplay(Node):
    _immutable_fields_ = ["items[*]"]
    __slots__ = ("items",)

    def __init__(self, items: list[Node]) -> None:
        self.items = items

    @unroll_safe
    def evaluate(self, frame: Frame) -> Any:
        return [item.evaluate(frame) for item in self.items]


class Index(Node):
    _immutable_fields_ = ["target", "index"]
    __slots__ = ("index", "target")

    def __init__(self, target: Node, index: Node) -> None:
        self.target = target
        self.index = index

    def evaluate(self, frame: Frame) -> Any:
        target = self.target.evaluate(frame)
        index = self.index.evaluate(frame)
        if not isinstance(target, (list, str)) or not isinstance(index, int):
            fail(f"cannot index a {type_name(target)} with a {type_name(index)}")
        try:
            return target[index]
        except IndexError:
            fail("index out of range")


class SetIndex(Node):
    _immutable_fields_ = ["target", "index", "value"]
    __slots__ = ("index", "target", "value")

    def __init__(self, target: Node, index: Node, value: Node) -> None:
        self.target = target
        self.index = index
        self.value = value

    def execute(self, frame: Frame) -> None:
        target = self.target.evaluate(frame)
        index = self.index.evaluate(frame)
        if not isinstance(target, list) or not isinstance(index, int):
            fail(f"cannot assign to an item of a {type_name(target)}")
        try:
            target[index] = self.value.evaluate(frame)
        except IndexError:
            fail("index out of range")


class GetField(Node):
    _immutable_fields_ = ["target", "name"]
    __slots__ = ("name", "target")

    def __init__(self, target: Node, name: str) -> None:
        self.target = target
        self.name = name

    def evaluate(self, frame: Frame) -> Any:
        target = self.target.evaluate(frame)
        if not isinstance(target, Instance):
            fail(f"a {type_name(target)} has no fields")
        return target.get(self.name)


class SetField(Node):
    _immutable_fields_ = ["target", "name", "value"]
    __slots__ = ("name", "target", "value")

    def __init__(self, target: Node, name: str, value: Node) -> None:
        self.target = target
        self.name = name
        self.value = value

    def execute(self, frame: Frame) -> None:
        target = self.target.evaluate(frame)
        if not isinstance(target, Instance):
            fail(f"a {type_name(target)} has no fields")
        target.set(self.name, self.value.evaluate(frame))


class FunctionBody:
    """What all function values made at one place of the program share.

    Attributes:
        name: For messages.
        n_parameters: The first slots; a method's first is `this`.
        n_slots: All variables.
        block: The statements.
    """

    _immutable_fields_ = ["name", "n_parameters", "n_slots", "block"]
    __slots__ = ("block", "n_parameters", "n_slots", "name")

    def __init__(self, name: str, n_parameters: int, n_slots: int, block: Node) -> None:
        self.name = name
        self.n_parameters = n_parameters
        self.n_slots = n_slots
        self.block = block


@call_driver.portal
def call_body(body: FunctionBody, frame: Frame) -> Any:
    """Run a function's body in a frame that holds its arguments."""
    call_driver.jit_merge_point(body=body)
    try:
        body.block.execute(frame)
    except ReturnValue as returned:
        return returned.value
    return None


@unroll_safe
def call_function(function: Function, arguments: list[Any]) -> Any:
    """Call a guest function with evaluated arguments."""
    body = promote(function.body)
    if len(arguments) != body.n_parameters:
        fail(f"{body.name} takes {body.n_parameters} arguments, not {len(arguments)}")
    frame = Frame(body.n_slots, function.closure)
    for number in range(len(arguments)):
        frame.slots[number] = arguments[number]
    return call_body(body, frame)


class FunctionDisplay(Node):
    """`fn (...) {...}`: makes a closure over the current frame."""

    _immutable_fields_ = ["body"]
    __slots__ = ("body",)

    def __init__(self, body: FunctionBody) -> None:
        self.body = body

    def evaluate(self, frame: Frame) -> Any:
        return Function(self.body, frame)


class ClassDisplay(Node):
    """`class Name (Parent) {...}`."""

    _immutable_fields_ = ["name", "parent", "methods"]
    __slots__ = ("methods", "name", "parent")

    def __init__(self, name: str, parent: Node | None, methods: dict[str, FunctionBody]) -> None:
        self.name = name
        self.parent = parent
        self.methods = methods

    def evaluate(self, frame: Frame) -> Any:
        parent = self.parent.evaluate(frame) if self.parent is not None else None
        if parent is not None and not isinstance(parent, Class):
            fail(f"{self.name} cannot inherit from a {type_name(parent)}")
        return Class(self.name, parent, self.methods, frame)


class Call(Node):
    _immutable_fields_ = ["callee", "arguments[*]"]
    __slots__ = ("arguments", "callee")

    def __init__(self, callee: Node, arguments: list[Node]) -> None:
        self.callee = callee
        self.arguments = arguments

    @unroll_safe
    def evaluate(self, frame: Frame) -> Any:
        callee = self.callee.evaluate(frame)
        arguments = [argument.evaluate(frame) for argument in self.arguments]
        if isinstance(callee, Function):
            return call_function(callee, arguments)
        if isinstance(callee, Class):
            instance = Instance(callee)
            init = promote(callee).find_method("init")
            if init is not None:
                call_function(init, [instance, *arguments])
            elif arguments:
                fail(f"{callee.name} takes no arguments")
            return instance
        if isinstance(callee, Builtin):
            if len(arguments) != callee.n_parameters:
                fail(f"{callee.name} takes {callee.n_parameters} arguments, not {len(arguments)}")
            return promote(callee).implementation(*arguments)
        fail(f"a {type_name(callee)} cannot be called")


class CallMethod(Node):
    """`target.name(...)`: a method of the class, or a function in a field."""

    _immutable_fields_ = ["target", "name", "arguments[*]"]
    __slots__ = ("arguments", "name", "target")

    def __init__(self, target: Node, name: str, arguments: list[Node]) -> None:
        self.target = target
        self.name = name
        self.arguments = arguments

    @unroll_safe
    def evaluate(self, frame: Frame) -> Any:
        target = self.target.evaluate(frame)
        if not isinstance(target, Instance):
            fail(f"a {type_name(target)} has no methods")
        method = promote(target.cls).find_method(self.name)
        if method is None:
            function = target.get(self.name)
            if not isinstance(function, Function):
                fail(f"{self.name} is not a function")
            return call_function(function, [argument.evaluate(frame) for argument in self.arguments])
        return call_function(method, [target, *[argument.evaluate(frame) for argument in self.arguments]])


class Block(Node):
    _immutable_fields_ = ["statements[*]"]
    __slots__ = ("statements",)

    def __init__(self, statements: list[Node]) -> None:
        self.statements = statements

    @unroll_safe
    def execute(self, frame: Frame) -> None:
        for statement in self.statements:
            statement.execute(frame)


class If(Node):
    _immutable_fields_ = ["condition", "then", "otherwise"]
    __slots__ = ("condition", "otherwise", "then")

    def __init__(self, condition: Node, then: Node, otherwise: Node | None) -> None:
        self.condition = condition
        self.then = then
        self.otherwise = otherwise

    def execute(self, frame: Frame) -> None:
        if self.condition.evaluate(frame):
            self.then.execute(frame)
        elif self.otherwise is not None:
            self.otherwise.execute(frame)


class While(Node):
    _immutable_fields_ = ["condition", "body"]
    __slots__ = ("body", "condition")

    def __init__(self, condition: Node, body: Node) -> None:
        self.condition = condition
        self.body = body

    @loop_driver.portal
    def execute(self, frame: Frame) -> None:
        while True:
            loop_driver.jit_merge_point(self=self)
            if not self.condition.evaluate(frame):
                break
            try:
                self.body.execute(frame)
            except BreakLoop:
                break
            except ContinueLoop:
                pass


class Return(Node):
    _immutable_fields_ = ["value"]
    __slots__ = ("value",)

    def __init__(self, value: Node) -> None:
        self.value = value

    def execute(self, frame: Frame) -> None:
        raise ReturnValue(self.value.evaluate(frame))


class Break(Node):
    __slots__ = ()

    def execute(self, frame: Frame) -> None:
        raise BreakLoop


class Continue(Node):
    __slots__ = ()

    def execute(self, frame: Frame) -> None:
        raise ContinueLoop


class Throw(Node):
    _immutable_fields_ = ["value"]
    __slots__ = ("value",)

    def __init__(self, value: Node) -> None:
        self.value = value

    def execute(self, frame: Frame) -> None:
        raise GuestError(self.value.evaluate(frame))


class Try(Node):
    """`try {...} catch (name) {...}`."""

    _immutable_fields_ = ["block", "slot", "handler"]
    __slots__ = ("block", "handler", "slot")

    def __init__(self, block: Node, slot: int, handler: Node) -> None:
        self.block = block
        self.slot = slot
        self.handler = handler

    def execute(self, frame: Frame) -> None:
        try:
            self.block.execute(frame)
        except GuestError as error:
            frame.slots[self.slot] = error.value
            self.handler.execute(frame)


# --- functions written in Python


def _print(value: Any) -> None:
    print(display(value))


def _len(value: Any) -> int:
    if not isinstance(value, (list, str)):
        fail(f"a {type_name(value)} has no length")
    return len(value)


def _append(items: Any, value: Any) -> None:
    if not isinstance(items, list):
        fail(f"cannot append to a {type_name(items)}")
    items.append(value)


def _float(value: Any) -> float:
    if not isinstance(value, (int, float)):
        fail(f"a {type_name(value)} is no number")
    return float(value)


def _int(value: Any) -> int:
    if not isinstance(value, (int, float)):
        fail(f"a {type_name(value)} is no number")
    return int(value)


def _ord(value: Any) -> int:
    if not isinstance(value, str) or len(value) != 1:
        fail("ord takes one character")
    return ord(value)


def _check(value: Any) -> None:
    if not value:
        fail("check failed")


BUILTINS: dict[str, tuple[int, Callable[..., Any]]] = {
    "print": (1, _print),
    "len": (1, _len),
    "append": (2, _append),
    "str": (1, display),
    "float": (1, _float),
    "int": (1, _int),
    "ord": (1, _ord),
    "check": (1, _check),
}
