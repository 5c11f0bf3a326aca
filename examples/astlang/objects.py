"""Values that Python does not have: guest functions, classes, instances, errors. Numbers and strings are Python's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from metatracer import elidable, promote, unroll_safe

if TYPE_CHECKING:
    from examples.astlang.nodes import FunctionBody


class GuestError(Exception):
    """An error of the guest program; `value` is what `catch` gets."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value


def fail(message: str) -> NoReturn:
    raise GuestError(message)


class Frame:
    """The variables of one function call, by the number that the parser gave them, and the enclosing function's."""

    _immutable_fields_ = ["parent", "slots"]
    __slots__ = ("parent", "slots")

    def __init__(self, n_slots: int, parent: Frame | None) -> None:
        self.slots: list[Any] = [None] * n_slots
        self.parent = parent

    @unroll_safe
    def ancestor(self, depth: int) -> Frame:
        """The frame `depth` functions further out."""
        frame = self
        for _ in range(depth):
            assert frame.parent is not None
            frame = frame.parent
        return frame


class Function:
    """A function value: its body, and the frame that it was made in."""

    _immutable_fields_ = ["body", "closure"]
    __slots__ = ("body", "closure")

    def __init__(self, body: FunctionBody, closure: Frame) -> None:
        self.body = body
        self.closure = closure


class Builtin:
    """A function written in Python."""

    _immutable_fields_ = ["name", "n_parameters", "implementation"]
    __slots__ = ("implementation", "n_parameters", "name")

    def __init__(self, name: str, n_parameters: int, implementation: Callable[..., Any]) -> None:
        self.name = name
        self.n_parameters = n_parameters
        self.implementation = implementation


class Shape:
    """The names of an instance's fields, shared by all instances that got the same fields in the same order."""

    _immutable_fields_ = ["positions"]
    __slots__ = ("positions", "successors")

    def __init__(self, positions: dict[str, int]) -> None:
        self.positions = positions
        self.successors: dict[str, Shape] = {}

    @elidable
    def find(self, name: str) -> int:
        """The field's position, or -1."""
        return self.positions.get(name, -1)

    @elidable
    def with_field(self, name: str) -> Shape:
        """The shape with one more field; always the same one for the same name."""
        if name not in self.successors:
            self.successors[name] = Shape({**self.positions, name: len(self.positions)})
        return self.successors[name]


EMPTY_SHAPE = Shape({})


class Class:
    """A class value."""

    _immutable_fields_ = ["name", "parent", "methods", "closure"]
    __slots__ = ("closure", "methods", "name", "parent")

    def __init__(self, name: str, parent: Class | None, methods: dict[str, FunctionBody], closure: Frame) -> None:
        self.name = name
        self.parent = parent
        self.methods = methods
        self.closure = closure

    @elidable
    def find_method(self, name: str) -> Function | None:
        """The method with its closure, from this class or the nearest base that has it; None without one."""
        cls: Class | None = self
        while cls is not None:
            if name in cls.methods:
                return Function(cls.methods[name], cls.closure)
            cls = cls.parent
        return None


class Instance:
    """An object of a guest class."""

    _immutable_fields_ = ["cls"]
    __slots__ = ("cls", "shape", "storage")

    def __init__(self, cls: Class) -> None:
        self.cls = cls
        self.shape = EMPTY_SHAPE
        self.storage: list[Any] = []

    def get(self, name: str) -> Any:
        position = promote(self.shape).find(name)
        if position < 0:
            fail(f"a {self.cls.name} has no field {name}")
        return self.storage[position]

    def set(self, name: str, value: Any) -> None:
        shape = promote(self.shape)
        position = shape.find(name)
        if position < 0:
            self.shape = shape.with_field(name)
            self.storage.append(value)
        else:
            self.storage[position] = value


def type_name(value: Any) -> str:
    """The guest's name for a value's type."""
    if value is None:
        return "nil"
    if isinstance(value, Instance):
        return value.cls.name
    if isinstance(value, (Function, Builtin)):
        return "function"
    if isinstance(value, Class):
        return "class"
    return type(value).__name__


def display(value: Any) -> str:
    """A value as `print` shows it."""
    if value is None:
        return "nil"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, list):
        return f"[{', '.join([display(item) for item in value])}]"
    if isinstance(value, (str, int, float)):
        return str(value)
    return f"<{type_name(value)}>"
