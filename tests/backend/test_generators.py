"""What is done to the frames of generators that wait, from outside."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from metatracer.backend.generators import (
    NOT_BEGUN,
    drop_content,
    end_generator,
    namespace_of,
    place_at,
    slot_field,
    slot_names,
    take_over,
    waits_at,
)
from metatracer.backend.yields import delegating, yield_places


class Thing:
    pass


def maker(k: Any) -> Callable[..., Iterator[Any]]:
    def generate(n: int, thing: object = None) -> Iterator[Any]:
        for i in range(n):
            got = yield i, k
            yield got, thing
        thing = yield from (7, 8)
        return k

    return generate


def at(generator: Any, number: int, depth: int) -> Any:
    return place_at(generator.gi_code, globals(), number, depth)


def test_places_are_told_apart() -> None:
    generator = maker(1)(2)
    assert waits_at(generator) == NOT_BEGUN
    assert namespace_of(generator) is globals()
    places = []
    for _ in range(3):
        next(generator)
        places.append(waits_at(generator))
    assert places == [0, 1, 0]
    assert at(generator, 0, 1).is_where(generator)
    assert not at(generator, 1, 1).is_where(generator)
    assert not at(generator, NOT_BEGUN, 0).is_where(generator)
    other = place_at(generator.gi_code, {}, 0, 1)
    assert not other.is_where(generator), "the globals are others"
    generator.close()
    assert waits_at(generator) is None
    assert not at(generator, 0, 1).is_where(generator)


def test_code_tells_of_its_yields() -> None:
    code = maker(1)(2).gi_code  # type: ignore[attr-defined]
    offsets, start = yield_places(code)
    assert (len(offsets), list(delegating(code)), start < offsets[0]) == (3, [False, False, True], True)
    assert slot_names(code)[-1] == "k"
    assert slot_field(code, 0) == slot_field(code, 0) != slot_field(maker.__code__, 0)


def test_one_that_is_marked_as_running_is_not_asked() -> None:
    generator = maker(1)(2)
    next(generator)
    place = at(generator, 0, 1)
    place.enter(generator)
    gc.collect()
    with pytest.raises(ValueError, match="already executing"):
        next(generator)
    place.leave(generator)
    assert next(generator) == (None, None)


@pytest.mark.parametrize("asked", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("begun", [0, 1, 2])
def test_one_takes_over_what_another_holds(begun: int, asked: int) -> None:
    """Wherever they are; also a `yield from`, and from one that has not begun."""
    thing, old = Thing(), Thing()
    made = maker(1)
    generator, other, same = made(2, old), made(2, thing), made(2, thing)
    died = weakref.ref(old)
    del old
    for _ in range(begun):
        next(generator)
    for _ in range(asked + 1):
        assert next(other) == next(same)
    place = at(generator, begun - 1, min(begun, 1))
    place.enter(generator)
    drop_content(generator, place.top)
    assert died() is None
    if not begun:
        assert waits_at(generator) is None
    take_over(generator, other, place)
    assert next(other, "over") == "over"
    del other
    gc.collect()
    assert generator.gi_yieldfrom.__class__ is same.gi_yieldfrom.__class__  # type: ignore[attr-defined]
    assert generator.gi_frame.f_lineno == same.gi_frame.f_lineno  # type: ignore[attr-defined]
    assert [generator.send("s")] == [same.send("s")] if asked < 4 else True  # type: ignore[attr-defined]
    assert list(generator) == list(same)


def test_the_end_is_that_of_cpython() -> None:
    thing = Thing()
    died = weakref.ref(thing)
    generator = maker(1)(2, thing)
    del thing
    next(generator)
    place = at(generator, 0, 1)
    place.enter(generator)
    drop_content(generator, place.top)
    end_generator(generator, place)
    assert died() is None
    assert (generator.gi_frame, generator.gi_running, list(generator)) == (None, False, [])  # type: ignore[attr-defined]
