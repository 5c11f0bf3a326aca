"""Shapes (maps): which string keys a table has, and where their values are.

Tables that are filled with the same constant names in the same order share a shape, so that an access to a field is a
comparison of shapes and one load.
"""

from __future__ import annotations

from metatracer import elidable_promote

MAX_FIELDS = 256


class Shape:
    """The names of a table's fields, in the order in which they came; never changed once made."""

    _immutable_fields_ = ["indices", "names", "count"]
    __slots__ = ("count", "indices", "names", "transitions")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        self.names = names
        self.count = len(names)
        self.indices = {name: index for index, name in enumerate(names)}
        self.transitions: dict[bytes, Shape] = {}


EMPTY_SHAPE = Shape(())


@elidable_promote("0,1")
def find_field(shape: Shape, name: bytes) -> int:
    """Return where a name's value is, -1 for nowhere."""
    return shape.indices.get(name, -1)


@elidable_promote("0,1")
def extend(shape: Shape, name: bytes) -> Shape | None:
    """Return the shape with one more name; None when it has too many."""
    found = shape.transitions.get(name)
    if found is None:
        if shape.count >= MAX_FIELDS:
            return None
        found = shape.transitions[name] = Shape((*shape.names, name))
    return found
