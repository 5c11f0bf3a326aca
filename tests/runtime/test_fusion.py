"""A generator and the builtin that consumes it as one function: it gives and raises what the two give and raise."""

from __future__ import annotations

import traceback
from types import CellType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any

import pytest

from metatracer.frontend.code_reader import read_instructions
from metatracer.frontend.decode import jitcode_for
from metatracer.runtime.consumers import CONSUMERS
from metatracer.runtime.fusion import fused, is_consumable, stepping
from metatracer.runtime.twin import twin_for

if TYPE_CHECKING:
    from collections.abc import Callable

BUILTINS: dict[str, Callable[..., Any]] = {
    **{function.__name__: function for function in (any, all, next, list, tuple, set, dict, sorted, min, max, sum)},
    "next_or": next,
    "join": lambda items, separator: separator.join(items),
    "extend": lambda items, target: target.extend(items),
}
OTHERS: dict[str, list[Any]] = {"sum": [0, 0.0, 5], "next_or": [None], "join": ["-"], "extend": [[1]]}


def plain(items):
    for item in items:  # noqa: UP028
        yield item


def branches(items):
    for item in items:
        if item:
            yield item
        else:
            yield 8
            yield 0
    try:
        number = int("z")
    except ValueError:
        number = 5
    yield number
    return 7


def nested(items):
    for item in items:
        for other in items:
            if other == 9:
                return
            yield item - other


def delegating(items):
    yield from items
    for item in items:
        yield from (item, item)


def stopping(items):
    yield next(iter(items))


def sent(item):
    given = yield item
    yield given is None


def closure(number):
    def made(items):
        other = number
        for item in items:
            add = lambda: item + other  # noqa: E731
            yield add()

    return made


class Odd:
    def __add__(self, other):
        raise KeyError("added")

    __radd__ = __add__

    def __bool__(self):
        raise StopIteration("asked")

    def __repr__(self):
        return "Odd()"


MANY = [
    *([], [0], [1, 2, 3], [1.5, 2, 0.1], [0, 0, 5, 0.1, 0.2, 0.3], ["a", "b"], [(1, 2), (3, 4)], [(1, 2, 3)], [3], [Odd()]),
    *([1, Odd()], [None], [1, True, 10**30, 0.5, 0.25], [[1, 2]], [10**18] * 20, [1e16, 1.0, -1e16], [True, False], 5),
]
CASES = [(plain, items) for items in MANY] + [
    *((branches, [1, 0, 2]), (nested, [1, 2, 3]), (nested, [9]), (stopping, []), (stopping, [1]), (sent, 1)),
    *((closure(4), [1, 2]), (closure(4), [1, "x"]), (delegating, [0, 2]), (delegating, 5)),
]


def outcome(function: Callable[[], Any]) -> Any:
    try:
        return repr(function())
    except Exception as error:  # noqa: BLE001 - compared
        own = {"outcome", "run_fused", "resume", "<lambda>"}
        places = [(entry.name, entry.lineno) for entry in traceback.extract_tb(error.__traceback__) if entry.name not in own]
        return type(error), str(error), type(error.__cause__), type(error.__context__), places


def run_fused(generator: Any, consumer: str, items: Any, others: list[Any]) -> Any:
    found = fused(generator.__code__, consumer)
    assert found is not None
    function = FunctionType(found.code, globals(), generator.__name__, None, generator.__closure__)
    jitcode, twin = jitcode_for(found.code), twin_for(found.code)
    given = [(0, items), *zip(found.arguments, others, strict=True)]
    given += list(zip(jitcode.free_registers, generator.__closure__ or (), strict=True))
    given += [(jitcode.local_names.index(name), CellType()) for name in found.code.co_cellvars]
    return twin.resume(function, begin(found.code), given, [])


@pytest.mark.parametrize("consumer", CONSUMERS)
def test_it_does_what_the_two_do(consumer: str) -> None:
    builtin = BUILTINS[consumer]
    for generator, items in CASES:
        for other in OTHERS.get(consumer, [()]):
            first, second = ([list(other) if type(other) is list else other] if other != () else [] for _ in range(2))
            expected = outcome(lambda: (builtin(generator(items), *first), first))
            assert outcome(lambda: (run_fused(generator, consumer, items, second), second)) == expected, (generator, items)


def test_generators_left_to_cpython() -> None:
    def guarded():
        try:
            yield 1
        finally:
            pass

    def managed(manager):
        with manager:
            yield 1

    def delegated(items):
        given = yield from items
        yield given

    def delegated_within(items):
        try:
            yield from items
        except ValueError:
            pass

    async def asynchronous():
        yield 1

    for function in (guarded, managed, delegated, delegated_within, asynchronous, test_generators_left_to_cpython):
        assert not is_consumable(function.__code__)
        assert fused(function.__code__, "any") is None
    assert is_consumable(plain.__code__)


def test_made_once() -> None:
    assert fused(plain.__code__, "any") is fused(plain.__code__, "any")
    assert fused(plain.__code__, "any") is not fused(plain.__code__, "all")


def begin(code: Any) -> int:
    return min(place for place in twin_for(code).places if place >= after_resume(code))


def after_resume(code: Any) -> int:
    return next(raw.next_index for raw in read_instructions(code) if raw.opname == "RESUME")


@pytest.mark.parametrize("wrapped", [list, sum])
def test_twin_of_a_generator_is_a_generator(wrapped: Any) -> None:
    for generator, items in CASES:
        code = stepping(generator.__code__)
        assert code is not None
        function = FunctionType(code, globals(), generator.__name__, None, generator.__closure__)
        jitcode = jitcode_for(code)
        given = [(0, items), *zip(jitcode.free_registers, generator.__closure__ or (), strict=True)]
        given += [(jitcode.local_names.index(name), CellType()) for name in code.co_cellvars]
        made = twin_for(code).resume(function, begin(code), given, [])
        assert type(made) is GeneratorType
        assert outcome(lambda: wrapped(made)) == outcome(lambda: wrapped(generator(items)))


def test_an_exception_is_raised_when_it_is_asked() -> None:
    code = stepping(plain.__code__)
    assert code is not None
    function = FunctionType(code, globals(), "plain")
    made = twin_for(code).throw(function, begin(code), [(0, [])], [], KeyError("thrown"))
    with pytest.raises(KeyError, match="thrown"):
        next(made)
    assert list(made) == []
