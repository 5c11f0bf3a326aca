"""Shapes: what a loop's arguments are made of, when the trace that enters the loop has not allocated them.

A loop is compiled anew for the shapes that it is entered with (a *version*): the parts of virtual arguments become its
inputs, in the order of `Shape.leaves`, and what is constant is known to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metatracer.ir.heap import get_field, set_field
from metatracer.ir.opcodes import fits_i64
from metatracer.ir.values import NULL_OBJECT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Known:
    """An object compared by identity and kept alive, whatever its class says about equality."""

    __slots__ = ("object",)

    def __init__(self, obj: Any) -> None:
        self.object = obj

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and self.object is other.object

    def __hash__(self) -> int:
        return id(self.object)


@dataclass(frozen=True, slots=True)
class Shape:
    """One value. Shapes are equal exactly when one version of a loop serves both.

    Attributes:
        form: "leaf": a value that is passed; "const": the constant `known`; "box": an unboxed number; "object": an
            instance; "items": a list, tuple or cell; "same": the virtual numbered `number` once more.
        kind: Of a leaf.
        known: For a leaf of kind r its exact class, or None; for a box its opcode; for virtuals their class.
        parts: Of virtuals and boxes: (Field or None, shape).
        number: Of a virtual, in depth-first order over all arguments.
    """

    form: str
    kind: str = "r"
    known: Known | None = None
    parts: tuple[tuple[Any, Shape], ...] = ()
    number: int = -1

    def leaves(self) -> Iterator[Shape]:
        """The leaves below, depth first."""
        if self.form == "leaf":
            yield self
        for _, part in self.parts:
            yield from part.leaves()

    @property
    def is_plain(self) -> bool:
        """Whether the value is passed as it is."""
        return self.form == "leaf" and self.kind == "r"


Shapes = tuple[Shape, ...]
"""Of all arguments."""


def joined(first: Shape, second: Shape) -> Shape | None:
    """The shape of a value that may be of either shape; None if they differ in more than what is known of leaves.

    Two constants are not joined: that a frame's code is known is what a version is for.
    """
    if first == second:
        return first
    if first.form in ("leaf", "const") and second.form in ("leaf", "const") and "leaf" in (first.form, second.form):
        is_nullable = any(shape.known is not None and shape.known.object is NULL_OBJECT for shape in (first, second))
        return None if first.kind != "r" or second.kind != "r" or is_nullable else Shape("leaf")
    same = (first.form, first.known, first.number) == (second.form, second.known, second.number)
    if not same or first.form == "const" or len(first.parts) != len(second.parts):
        return None
    parts = []
    for (field, part), (other_field, other_part) in zip(first.parts, second.parts, strict=True):
        both = joined(part, other_part)
        if both is None or field != other_field:
            return None
        parts.append((field, both))
    return Shape(first.form, first.kind, first.known, tuple(parts), first.number)


def all_joined(first: Shapes, second: Shapes) -> Shapes | None:
    """The shapes of arguments that may be of either shapes; None if there are none."""
    shapes = [joined(one, other) for one, other in zip(first, second, strict=True)]
    found = [shape for shape in shapes if shape is not None]
    return tuple(found) if len(found) == len(shapes) else None


def instance_shape(cls: type, parts: list[tuple[Any, Shape]]) -> Shape | None:
    """The shape of an instance with these fields, if it can be returned as numbers."""
    if not parts or any(field.storage != "slot" or part.form != "box" for field, part in parts):
        return None
    return Shape("object", "r", Known(cls), tuple(sorted(parts, key=lambda item: item[0].position)))


def take_apart(shape: Shape, obj: Any) -> list[Any] | None:
    """The numbers that an object consists of, or None when it is not of this (returnable) shape."""
    assert shape.known is not None
    known = shape.known.object
    if shape.form == "box":
        cls: type = {"i": int, "f": float, "b": bool}[shape.parts[0][1].kind]
        return [obj] if type(obj) is cls and (type(obj) is not int or fits_i64(obj)) else None
    if type(obj) is not known:
        return None
    numbers: list[Any] = []
    for field, part in shape.parts:
        content = get_field(obj, field)
        found = None if content is NULL_OBJECT else take_apart(part, content)
        if found is None:
            return None
        numbers += found
    return numbers


def put_together(shape: Shape, numbers: Sequence[Any]) -> Any:
    """An object of a returnable shape."""
    if shape.form == "box":
        return numbers[0]
    assert shape.known is not None
    obj = object.__new__(shape.known.object)
    for (field, _), number in zip(shape.parts, numbers, strict=True):
        set_field(obj, field, number)
    return obj
