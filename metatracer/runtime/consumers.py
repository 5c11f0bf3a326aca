"""What builtins do with the items of an iterable, as functions of which `fusion` takes the loop.

Each has one loop, `for value in it`, over its first parameter. Their other parameters are the other arguments of the builtin,
which the recorder looks at first: a `start` is a plain number, a separator a string, a target a list. Their globals are taken for
constants; they use no attributes, and return nothing but constants inside of the loop.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from metatracer.hints import dont_look_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_append = list.append
_add = set.add
_join = str.join
_sort = list.sort
_NOTHING = object()


def _any(it: Iterable[Any]) -> Any:
    for value in it:  # noqa: SIM110
        if value:
            return True
    return False


def _all(it: Iterable[Any]) -> Any:
    for value in it:  # noqa: SIM110
        if not value:
            return False
    return True


def _next(it: Iterable[Any]) -> Any:
    for value in it:  # noqa: B007
        break
    else:
        raise StopIteration
    return value


def _next_or(it: Iterable[Any], default: Any) -> Any:
    for value in it:
        default = value
        break
    return default


def _list(it: Iterable[Any]) -> Any:
    result: list[Any] = []
    for value in it:
        _append(result, value)
    return result


def _tuple(it: Iterable[Any]) -> Any:
    result: list[Any] = []
    for value in it:
        _append(result, value)
    return tuple(result)


def _set(it: Iterable[Any]) -> Any:
    result: set[Any] = set()
    for value in it:
        _add(result, value)
    return result


def _dict(it: Iterable[Any]) -> Any:
    result: dict[Any, Any] = {}
    count = 0
    for value in it:
        if type(value) is tuple and len(value) == 2:  # noqa: SIM108
            pair = value
        else:
            pair = _pair(value, count)
        key, item = pair
        result[key] = item
        count += 1  # noqa: SIM113
    return result


@dont_look_inside
def _pair(value: Any, count: int) -> tuple[Any, ...]:
    """The two parts of an item that a dict is made of, with the messages of CPython's for other things."""
    pair = None
    with contextlib.suppress(TypeError):  # one that its own iterator raises, too: CPython says the same of it
        pair = tuple(value)
    if pair is None:
        raise TypeError(f"cannot convert dictionary update sequence element #{count} to a sequence")
    if len(pair) != 2:
        raise ValueError(f"dictionary update sequence element #{count} has length {len(pair)}; 2 is required")
    return pair


def _join_strings(it: Iterable[Any], separator: Any) -> Any:
    result: list[Any] = []
    for value in it:
        _append(result, value)
    return _join(separator, result)


def _sorted(it: Iterable[Any]) -> Any:
    result: list[Any] = []
    for value in it:
        _append(result, value)
    _sort(result)
    return result


def _extend(it: Iterable[Any], target: Any) -> None:
    for value in it:
        _append(target, value)


def _min(it: Iterable[Any]) -> Any:
    result: Any = _NOTHING
    for value in it:
        if result is _NOTHING or value < result:
            result = value
    if result is _NOTHING:
        return min(())
    return result


def _max(it: Iterable[Any]) -> Any:
    result: Any = _NOTHING
    for value in it:
        if result is _NOTHING or value > result:
            result = value
    if result is _NOTHING:
        return max(())
    return result


def _sum(it: Iterable[Any], result: Any) -> Any:
    for value in it:
        result = result + value
    return result


def _sum_compensated(it: Iterable[Any], result: Any) -> Any:
    """CPython sums floats with compensation from 3.12 on, beginning at the first one, as long as there was nothing but ints."""
    rest: Any = _NOTHING if type(result) is float else None
    collected: list[Any] = []
    for value in it:
        if rest is None:
            if type(value) is int or type(value) is bool:
                result = result + value
                continue
            if type(value) is not float:
                rest = False
                result = result + value
                continue
            rest = _NOTHING
        if rest is False:
            result = result + value
        else:
            _append(collected, value)
    if rest is _NOTHING:
        return sum(collected, result)
    return result


CONSUMERS: dict[str, Callable[..., Any]] = {
    "any": _any,
    "all": _all,
    "next": _next,
    "next_or": _next_or,
    "list": _list,
    "tuple": _tuple,
    "set": _set,
    "dict": _dict,
    "join": _join_strings,
    "sorted": _sorted,
    "extend": _extend,
    "min": _min,
    "max": _max,
    "sum": _sum if sys.version_info < (3, 12) else _sum_compensated,
}
"""By the names that the recorder uses."""


@dont_look_inside
def without_entry(exception: BaseException) -> None:
    """Take away the outermost traceback entry."""
    entry = exception.__traceback__
    exception.__traceback__ = entry.tb_next if entry is not None else None


# --- map and filter -------------------------------------------------------------------------------------------------------
# `list(map(f, xs))` in one function. Builtins have no frames, so no traceback entry is left of it. What the iterator of a `map`
# raises as StopIteration, because `f` did, is its end for whoever consumes it.


def _collect_mapped(function: Any, it: Iterable[Any], result: list[Any]) -> Any:
    try:
        for value in it:
            _append(result, function(value))
    except StopIteration:
        pass
    except BaseException as error:
        without_entry(error)
        raise
    return result


def _collect_filtered(function: Any, it: Iterable[Any], result: list[Any]) -> Any:
    try:
        for value in it:
            if function(value):
                _append(result, value)
    except StopIteration:
        pass
    except BaseException as error:
        without_entry(error)
        raise
    return result


def _any_mapped(function: Any, it: Iterable[Any], _result: Any) -> Any:
    try:
        for value in it:
            if function(value):
                return True
    except StopIteration:
        pass
    except BaseException as error:
        without_entry(error)
        raise
    return False


def _all_mapped(function: Any, it: Iterable[Any], _result: Any) -> Any:
    try:
        for value in it:
            if not function(value):
                return False
    except StopIteration:
        pass
    except BaseException as error:
        without_entry(error)
        raise
    return True


def _fill(it: Iterable[Any], target: Any) -> Any:
    """Items of a `zip` of two, or of an `enumerate`, into a dict."""
    try:
        for key, value in it:
            target[key] = value
    except BaseException as error:
        without_entry(error)
        raise
    return target


COLLECTORS: dict[tuple[type, str], Callable[..., Any]] = {
    (map, "list"): _collect_mapped,
    (filter, "list"): _collect_filtered,
    (map, "any"): _any_mapped,
    (map, "all"): _all_mapped,
    (zip, "dict"): _fill,
    (enumerate, "dict"): _fill,
}
"""By class and what is wanted. Those of `map` and `filter` are given the function, an iterator, and an empty list for items."""
