"""The table of procedures written in Python; modules `prims_*` fill it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from interpreters.scheme.objects import Primitive, error, wrong_type
from metatracer import JitDriver, dont_look_inside

driver = JitDriver(greens=[], reds="auto", name="scheme loops")
"""Of the primitives that loop: each is a portal of its own."""

PRIMITIVES: dict[str, Primitive] = {}
_F = TypeVar("_F", bound=Callable[..., Any])


def primitive(*names: str) -> Callable[[_F], _F]:
    """Register a function; how many arguments there may be is taken from its signature."""

    def register(function: _F) -> _F:
        code = function.__code__
        count = code.co_argcount
        least = count - len(function.__defaults__ or ())
        most = -1 if code.co_flags & 4 else count
        for name in names:
            PRIMITIVES[name] = Primitive(name, function, least, most)
        return function

    return register


def opaque(*names: str) -> Callable[[_F], _F]:
    """The same for one that traces are to call: it loops, or has many cases."""

    def register(function: _F) -> _F:
        return primitive(*names)(dont_look_inside(function))

    return register


def index(who: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise wrong_type(who, "an index", value)
    return value


def span(who: str, size: int, start: Any, end: Any) -> tuple[int, int]:
    """Start and end of a part, checked."""
    if end is None:
        end = size
    if type(start) is not int or type(end) is not int:
        raise wrong_type(who, "an index", end if type(start) is int else start)
    if not 0 <= start <= end <= size:
        raise error(who, "range out of bounds:", start, end)
    return start, end
