"""`bind_arguments` binds as CPython does, and never looks at the values."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from metatracer.frontend.binding import ArgumentMismatch, bind_arguments
from metatracer.ir.values import NULL_OBJECT


class Opaque:
    """A value that must not be compared, hashed or tested."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __hash__(self) -> int:
        raise AssertionError("hashed")

    def __bool__(self) -> bool:
        raise AssertionError("tested")


def none() -> Any:
    return locals()


def plain(a: Any, b: Any = 2) -> Any:
    return locals()


def every(a: Any, b: Any = 2, /, c: Any = 3, *rest: Any, d: Any, e: Any = 5, **more: Any) -> Any:
    return locals()


def keyword_only(*, k: Any, m: Any = 1) -> Any:
    return locals()


def collecting(*rest: Any, **more: Any) -> Any:
    return locals()


def positional_only(a: Any, /, **more: Any) -> Any:
    return locals()


FUNCTIONS = (none, plain, every, keyword_only, collecting, positional_only)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_binding_agrees_with_cpython(function: Any) -> None:
    keyword_sets = [
        names for size in range(4) for names in itertools.combinations(("a", "b", "c", "d", "e", "k", "z"), size)
    ]
    for count, names in itertools.product(range(6), keyword_sets):
        args = tuple(f"p{number}" for number in range(count))
        kwargs = {name: f"k{name}" for name in names}
        try:
            expected = function(*args, **kwargs)
        except TypeError:
            with pytest.raises(ArgumentMismatch):
                bind_arguments(function, args, kwargs)
            continue
        bound = bind_arguments(function, args, kwargs)
        got = {
            name: value
            for name, value in zip(function.__code__.co_varnames, bound.values, strict=True)
            if value is not NULL_OBJECT
        }
        assert got == expected


def test_values_are_not_looked_at() -> None:
    values = [Opaque() for _ in range(6)]
    bound = bind_arguments(every, values[:4], {"d": values[4], "z": values[5]})
    assert all(got is given for got, given in zip(bound.values, values[:3], strict=False))
    assert bound.star_args == 5
    assert bound.values[5][0] is values[3]
    assert bound.star_kwargs == 6
    assert bound.values[6]["z"] is values[5]
    assert bound.own == {4}


def test_closure_cells_are_bound() -> None:
    free = 1

    def function(a: Any) -> Any:
        inner = free
        return a, inner

    bound = bind_arguments(function, ("x",), {})
    assert bound.values[0] == "x"
    assert bound.values[1] is NULL_OBJECT
    assert bound.values[2] is function.__closure__[0]  # type: ignore[index]
    assert bound.own == {2}
    assert (bound.star_args, bound.star_kwargs) == (-1, -1)
