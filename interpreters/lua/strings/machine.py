"""What the library's functions ask of the virtual machine that runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Machine(Protocol):
    """The part of the virtual machine that builtins get to use."""

    def call(self, function: Any, args: list[Any], /) -> list[Any]:
        """Call any value, with the metamethod `__call` where it is no function, and return the results."""

    def tostring(self, value: Any, /) -> bytes:
        """Return what `tostring` does, with the metamethods `__tostring` and `__name`."""

    def index(self, value: Any, key: Any, /) -> Any:
        """Return `value[key]`, with the metamethod `__index`."""

    def metamethod(self, value: Any, event: bytes, /) -> Any:
        """Return a value's metamethod, nil where there is none."""

    def address(self, value: Any, /) -> bytes:
        """Return the address that `tostring` shows of a table or a function."""


Builtin = Callable[[Machine, list[Any]], list[Any]]
