"""A cache for functions that make native things: each is made once, whatever the threads do, and kept for ever."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

_lock = threading.RLock()


def once(function: F) -> F:
    """Call `function` once for each tuple of arguments.

    Not `functools.cache`: that lets two threads compute the same result, and gives one of them an object that the cache
    does not keep; a C structure whose address is in use then dies.
    """
    results: dict[tuple[object, ...], object] = {}

    @functools.wraps(function)
    def cached(*args: object) -> object:
        try:
            return results[args]
        except KeyError:
            pass
        with _lock:
            if args not in results:
                results[args] = function(*args)
            return results[args]

    return cast("F", cached)
