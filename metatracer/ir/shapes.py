"""Shapes: what a loop's arguments are made of, when the trace that enters the loop has not allocated them.

A loop is compiled anew for the shapes that it is entered with (a *version*): the parts of virtual arguments become its
inputs, in the order of `Shape.leaves`, and what is constant is known to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


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
