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
    __slots__ = ("count", "indices", "names", "places", "transitions")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        self.names = names
        self.count = len(names)
        self.indices = {name: index for index, name in enumerate(names)}
        self.transitions: dict[bytes, Shape] = {}
        self.places: dict[bytes, Place] = {}


class Place:
    """Where a shape has a name, for the sites that remember it; true for ever."""

    _immutable_fields_ = ["shape", "index"]
    __slots__ = ("index", "shape")

    def __init__(self, shape: Shape, index: int) -> None:
        self.shape = shape
        self.index = index


EMPTY_SHAPE = Shape(())
NOWHERE = Place(Shape(()), 0)  # in the shape of no table


@elidable_promote("0,1")
def find_field(shape: Shape, name: bytes) -> int:
    """Return where a name's value is, -1 for nowhere."""
    return shape.indices.get(name, -1)


def place_of(shape: Shape, name: bytes) -> Place | None:
    """Return where a name's value is."""
    place = shape.places.get(name)
    if place is None:
        index = shape.indices.get(name, -1)
        if index < 0:
            return None
        place = shape.places[name] = Place(shape, index)
    return place


@elidable_promote("0,1")
def extend(shape: Shape, name: bytes) -> Shape | None:
    """Return the shape with one more name; None when it has too many."""
    found = shape.transitions.get(name)
    if found is None:
        if shape.count >= MAX_FIELDS:
            return None
        found = shape.transitions[name] = Shape((*shape.names, name))
    return found
