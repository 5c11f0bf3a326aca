"""Iterators of `for` loops as the parts of which they are made: as such they enter machine code, which makes none.

A *kind* tells what an iterator is taken apart into: the class of a list's or tuple's iterator (container, index); the
step of a range's (next, stop); for a generator that a trace has made the place where it waits, with the kinds of what it holds
there; None for anything else, which stays whole, and for an iterator that somebody else can see.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from metatracer.ir.opcodes import fits_i64
from metatracer.recorder.frames import LIST_ITERATOR, RANGE_ITERATOR, TUPLE_ITERATOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metatracer.recorder.frames import Kind

_CONTAINERS: dict[type, type] = {LIST_ITERATOR: list, TUPLE_ITERATOR: tuple}
_OWN = 3
"""References to an object that only one list, and this module, know."""


def kinds_of(iterators: Sequence[Any]) -> tuple[Kind, ...]:
    """The kinds of what lies on an operand stack, as far as their classes say."""
    return tuple([_kind(iterator) for iterator in iterators])


def _kind(iterator: Any) -> Kind:
    cls = type(iterator)
    if cls in _CONTAINERS:
        return cls if type(iterator.__reduce__()[1][0]) is _CONTAINERS[cls] else None
    if cls is not RANGE_ITERATOR:
        return None
    left = iterator.__reduce__()[1][0]
    return left.step if fits_i64(left.start) and fits_i64(left.stop) and fits_i64(left.step) else None


def take_apart_own(values: list[Any], start: int) -> tuple[Kind, ...]:
    """Replace what stands in a list from `start` on by its parts, where nobody else refers to it. Gives the kinds."""
    kinds: list[Kind] = []
    parts: list[Any] = []
    for place in range(start, len(values)):
        iterator = values[place]
        kind = _kind(iterator) if sys.getrefcount(iterator) <= _OWN else None
        kinds.append(kind)
        parts += (iterator,) if kind is None else _parts(iterator)
    values[start:] = parts
    return tuple(kinds)


def taken_apart(kinds: Sequence[Kind], iterators: Sequence[Any]) -> list[Any]:
    """The parts of what was put together from such."""
    found: list[Any] = []
    for kind, iterator in zip(kinds, iterators, strict=True):
        if isinstance(kind, tuple):
            found += taken_apart(kind[1:], kind[0].take_apart(iterator))
        else:
            found += (iterator,) if kind is None else _parts(iterator)
    return found


def _parts(iterator: Any) -> tuple[Any, Any]:
    _, (container, *_), *rest = iterator.__reduce__()
    index = (rest[0] if rest else 0) or 0
    if type(container) is range:
        return container.start + index * container.step, container.stop
    return container, index


def put_together_again(kinds: Sequence[Kind], values: Sequence[Any]) -> list[Any]:
    """What lies on the operand stack, from its parts."""
    given = iter(values)
    return [_put_together(kind, given) for kind in kinds]


def _put_together(kind: Kind, given: Iterator[Any]) -> Any:
    from metatracer.recorder.virtuals import make_from_parts  # not needed before something is hot

    if isinstance(kind, tuple):
        return kind[0].make(*[_put_together(own, given) for own in kind[1:]])
    first = next(given)
    if kind is None:
        return first
    if isinstance(kind, int):
        return iter(range(first, next(given), kind))
    return make_from_parts(kind, first, next(given))


def count(kinds: Sequence[Kind]) -> int:
    """How many parts there are in all."""
    return sum([count(kind[1:]) if isinstance(kind, tuple) else 1 if kind is None else 2 for kind in kinds])
