"""An exit in a handler of a generator's frame: the generator that goes on there handles the exception, and not the thread."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from metatracer import parameters
from metatracer.runtime.twin import Twin
from tests.scenarios.loops import each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def handling(limit: int) -> Iterator[int]:
    for x in (1, 2, 3):
        try:
            y = 10 // (x - limit)
        except ZeroDivisionError as error:
            y = len(str(error)) + hash(x)
        yield y


def making_a_step() -> Callable[[int, list[int]], None]:
    """Each function has a loop, and guards that are forced to fail once, of its own."""

    def goes_through(i: int, box: list[int]) -> None:
        for y in handling(2):
            box[0] += y

    return goes_through


SETTING = {"threshold": 1, "function_threshold": 1, "trace_eagerness": 1, "bridge_limit": 6, "force_exits": 1}


def test_the_thread_handles_nothing_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = Twin.go_on
    seen: list[int | None] = []

    def counted(twin: Twin, function: Any, index: int, *given: Any) -> tuple[BaseException | None, Any]:
        seen.append(twin.handling.get(index))
        return go_on(twin, function, index, *given)

    monkeypatch.setattr(Twin, "go_on", counted)
    box = [0]
    with parameters(**SETTING):
        each(making_a_step(), 40, box)
    assert box == [36 * 40]
    assert any(slot is not None for slot in seen)
    assert sys.exc_info()[1] is None


def test_what_comes_before_there_is_a_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal in the prologue of the twin: there is nothing to give the exception to."""
    go_on = Twin.go_on
    arrived: list[BaseException] = []

    def interrupted(twin: Twin, function: Any, index: int, *given: Any) -> tuple[BaseException | None, Any]:
        if twin.handling.get(index) is not None and not arrived:
            arrived.append(KeyboardInterrupt())
            return arrived[0], None
        return go_on(twin, function, index, *given)

    monkeypatch.setattr(Twin, "go_on", interrupted)
    with parameters(**SETTING), pytest.raises(KeyboardInterrupt):
        each(making_a_step(), 40, [0])
    assert arrived
    assert sys.exc_info()[1] is None
