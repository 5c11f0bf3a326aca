"""Traceback entries added by machine code are those that Python adds."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from metatracer.recorder.tracebacks import Place, add_entries, entries_adder


def _places(count: int) -> list[Place]:
    def author() -> None:
        pass

    return [Place(author.__code__, {"__name__": "author"}, 0, 7 + number) for number in range(count)]


def _entries(error: BaseException) -> list[tuple[Any, ...]]:
    found = []
    entry = error.__traceback__
    while entry is not None:
        found.append((entry.tb_frame, entry.tb_lasti, entry.tb_lineno))
        entry = entry.tb_next
    return found


def _raised(namespace: dict[str, Any]) -> BaseException:
    try:
        exec("1 / 0", namespace)
    except ZeroDivisionError as error:
        traceback = error.__traceback__
        assert traceback is not None
        return error.with_traceback(traceback.tb_next)  # without this function
    raise AssertionError


def test_it_is_machine_code() -> None:
    assert entries_adder() is not add_entries
    assert entries_adder() is entries_adder()


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("name", ["", "author", "metatracer", "metatracer.runtime.twin", "metatracers", 3, None])
def test_entries_are_those_of_the_python_function(name: Any, count: int) -> None:
    places = _places(count)
    namespaces = [{} if name == "" else {"__name__": name} for _ in range(2)]
    mine, theirs = map(_raised, namespaces)
    assert entries_adder()(mine, *places) is mine
    add_entries(theirs, *places)
    assert [entry[1:] for entry in _entries(mine)] == [entry[1:] for entry in _entries(theirs)]
    assert [entry[0] for entry in _entries(mine)[:count]] == [entry[0] for entry in _entries(theirs)[:count]]


def test_an_exception_that_was_not_raised() -> None:
    places = _places(3)
    for error in (ValueError(), ValueError().with_traceback(None)):
        entries_adder()(error, *places)
        assert _entries(error) == [(place.frame, place.lasti, place.lineno) for place in reversed(places)]


def test_references_are_counted() -> None:
    place, error = _places(1)[0], ValueError()
    before = [sys.getrefcount(counted) for counted in (place, place.frame, error)]
    for _ in range(1000):
        entries_adder()(error, place, place)
        error.__traceback__ = None
    assert [sys.getrefcount(counted) for counted in (place, place.frame, error)] == before
