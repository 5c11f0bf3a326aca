"""What can be observed of an exit, as structures of builtin values that are equal when the exits are."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from metatracer.ir.heap import get_cell, get_field
from metatracer.ir.values import NULL_OBJECT, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metatracer.ir.evaluator import Exit, ResumedFrame


class _Description:
    """Turns objects into nested tuples; objects met again become back references, so sharing is part of it."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []

    def describe(self, value: Any) -> Any:
        """A structure of builtin values that is equal for equal-looking object graphs."""
        if value is None or value is NULL_OBJECT or value is ... or isinstance(value, (bool, str, bytes)):
            return (type(value).__name__, repr(value))
        if type(value) is int:
            return ("int", value)
        if type(value) is float:
            return ("float", value.hex() if value == value else "nan")
        if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, types.ModuleType, types.CodeType)):
            return ("object", value)
        if type(value) is tuple:
            # The identity of a tuple may change (two equal ones may be one constant), its items' may not.
            return ("tuple", *map(self.describe, value))
        if id(value) in self._numbers:
            return ("again", self._numbers[id(value)])
        self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)
        return (type(value), *self._parts(value))

    def _builtin(self, value: Any) -> Any:
        """Any other object of a builtin class (an iterator, a bound method): as it would be pickled, else itself."""
        try:
            return self.describe(value.__reduce_ex__(2))
        except TypeError:
            return ("object", value)

    def _parts(self, value: Any) -> tuple[Any, ...]:
        parts: list[Any] = []
        if isinstance(value, (list, tuple)):
            parts.append([self.describe(item) for item in value])
        elif isinstance(value, dict):
            parts.append([(self.describe(key), self.describe(item)) for key, item in value.items()])
        elif isinstance(value, (set, frozenset)):
            parts.append(sorted(repr(self.describe(item)) for item in value))
        elif isinstance(value, types.CellType):
            parts.append(self.describe(get_cell(value)))
        elif isinstance(value, BaseException):
            parts.append([self.describe(item) for item in value.args])
        elif isinstance(value, bytearray):
            parts.append(bytes(value))
        elif hasattr(value, "typecode"):
            parts.append((value.typecode, list(value)))
        elif isinstance(value, int):
            parts.append(int.__repr__(value))
        elif isinstance(value, float):
            parts.append(float.hex(value))
        elif type(value).__module__ == "builtins":
            parts.append(self._builtin(value))
        for cls in type(value).__mro__:
            # Members of builtin classes (a function's, an exception's) are read above or do not matter.
            members = cls.__dict__.items() if cls.__module__ != "builtins" else ()
            names = sorted(name for name, member in members if isinstance(member, types.MemberDescriptorType))
            parts.extend((name, self.describe(get_field(value, Field(cls, name, "slot", 0)))) for name in names)
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            parts.append(sorted((name, self.describe(item)) for name, item in attributes.items()))
        return tuple(parts)


def observable(leaving: Exit, roots: Sequence[Any] = ()) -> Any:
    """What the interpreter, and the guest, can tell about an exit, as a structure to compare with ``==``.

    Does the delayed stores on the objects. Numbers have no identity; other objects do.

    Args:
        leaving: The exit.
        roots: Further objects to look at (the arguments of the run): effects on them belong to what is observable.
    """
    look = _Description()
    frames: list[Any] = []
    values: list[Any] = []
    if leaving.kind == "guard":
        resumed = leaving.frames()
        leaving.apply_pending()
        frames = [_frame(frame, look) for frame in resumed]
        values = [look.describe(leaving.raising())]
    elif leaving.kind != "jump":
        # The values of a jump are the loop's own business: a pass may unbox them.
        values = [look.describe(value) for value in leaving.values]
    return (
        leaving.kind,
        values,
        frames,
        look.describe(leaving.exception),
        look.describe(leaving.handled),
        [look.describe(root) for root in roots],
    )


def _frame(frame: ResumedFrame, look: _Description) -> tuple[Any, ...]:
    return (
        frame.function,
        frame.index,
        frame.throw_index,
        [(number, look.describe(frame.locals[number])) for number in sorted(frame.locals)],
        [look.describe(value) for value in frame.stack],
        frame.finish,
        [look.describe(value) for value in frame.kept],
        frame.pushes,
    )
