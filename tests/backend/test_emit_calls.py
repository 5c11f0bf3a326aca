"""Machine code of calls, their exceptions, the handled exception, and portal calls."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from metatracer.backend import support
from metatracer.backend.compile import allocate_cell, compile_trace, set_cell, set_exit_handler
from metatracer.ir.cfunctions import CFUNCTIONS
from metatracer.ir.text import parse_trace
from metatracer.ir.values import NULL_OBJECT, LoopRef
from tests.backend.machine import Counts, compiled, outcome, run


def collect(*args: Any, **keywords: Any) -> Any:
    return args, keywords


def fail(*args: Any) -> Any:
    raise ValueError(*args)


NAMES: dict[str, Any] = {"collect": collect, "fail": fail, "KeyError": KeyError}


@pytest.fixture(autouse=True)
def _no_exit_handler() -> Iterator[None]:
    before = set_exit_handler(None)
    yield
    set_exit_handler(before)


def test_calls_pass_positional_and_keyword_arguments() -> None:
    code = compiled(
        "trace t(r0, r1)\n  r2 = call(collect, r0, r1, r0) {b, c}\n  guard_no_exception(r2) -> [r0, r1]\n"
                "  finish(r2)", NAMES
    )
    one, two = object(), object()
    counts = Counts(one, two, collect).start()
    assert outcome(code, one, two)[2] == ((one,), {"b": two, "c": one})
    assert counts.changes() == [0, 0, 0]
    code.free()


def test_calls_of_every_sort_of_callable() -> None:
    class Callable:
        def __call__(self, value: Any) -> Any:
            return value, "instance"

        def method(self, value: Any) -> Any:
            return value, "method"

    code = compiled("trace t(r0, r1)\n  r2 = call(r0, r1)\n  guard_no_exception(r2) -> []\n  finish(r2)")
    assert outcome(code, Callable(), 3)[2] == (3, "instance")
    assert outcome(code, Callable().method, 3)[2] == (3, "method")
    assert outcome(code, [1, 2, 3].index, 3)[2] == 2
    assert outcome(code, str, 3)[2] == "3"
    assert outcome(code, lambda value: value + 1, 3)[2] == 4
    code.free()


def test_a_raising_call_exits_with_the_exception_and_its_traceback() -> None:
    code = compiled("trace t(r0)\n  r1 = call(fail, r0)\n  guard_no_exception(r1) -> [r0]\n  finish(r1)", NAMES)
    value = object()
    counts = Counts(value).start()
    name, error, kept = outcome(code, value)
    assert (name, kept) == ("guard_no_exception", value)
    assert type(error) is ValueError
    assert error.args == (value,)
    assert error.__traceback__.tb_frame.f_code is fail.__code__
    del error, kept
    gc.collect()  # tracebacks and the test's frames refer to each other
    assert counts.changes() == [0]
    code.free()


def test_guard_exception_takes_the_exception() -> None:
    code = compiled(
        "trace t(r0, r1)\n  r2 = call(r0, r1)\n  r3 = guard_exception(r2) -> [r1, r2]\n"
                "  guard_type(r3) {ValueError} -> [r3]\n  finish(r3)",
        NAMES,
    )
    value = object()
    counts = Counts(value).start()
    error = outcome(code, fail, value)[2]
    assert type(error) is ValueError
    assert error.__traceback__ is not None
    assert sys.exc_info() == (None, None, None)
    error = None
    assert outcome(code, collect, value) == ("guard_exception", None, value, ((value,), {}))
    assert outcome(code, len, value)[0] == "guard_type"
    gc.collect()
    assert counts.changes() == [0]
    code.free()


def test_c_functions_signal_errors_in_their_ways() -> None:
    code = compiled("trace t(r0: dict, r1)\n  r2 = call_c_r(r0, r1) {dict_getitem}\n"
            "  guard_no_exception(r2) -> [r0]\n  finish(r2)")
    assert outcome(code, {"k": 5}, "k") == ("finish", None, 5)
    name, error, _ = outcome(code, {}, "k")
    assert (name, type(error), error.args) == ("guard_no_exception", KeyError, ("k",))
    code.free()
    code = compiled("trace t(r0, r1)\n  i2 = call_c_i(r0, r1) {object_contains}\n"
            "  guard_no_exception(i2) -> [r0]\n  r3 = int_box(i2)\n  finish(r3)")
    assert outcome(code, [1, 2], 2)[2] == 1
    assert outcome(code, [1, 2], 3)[2] == 0
    assert type(outcome(code, 5, 3)[1]) is TypeError
    code.free()


@pytest.mark.parametrize("symbol", sorted(row.name for row in CFUNCTIONS.values()))
def test_every_c_function_exists_in_this_process(symbol: str) -> None:
    row = CFUNCTIONS[symbol]
    from metatracer.backend.support import function_address

    assert function_address(row.symbol) > 0


def test_exhausted_iterators() -> None:
    text = """trace t(r0)
      r1 = call_c_r(r0) {builtin_next}
      guard_no_exception(r1) -> [r0]
      guard_next(r1) -> [r0, r1]
      finish(r1)"""
    code = compiled(text)
    value = object()
    counts = Counts(value).start()
    iterator = iter([value])
    assert outcome(code, iterator)[2] is value
    assert outcome(code, iterator) == ("guard_next", None, iterator, NULL_OBJECT)
    del iterator
    assert counts.changes() == [0]

    def generator() -> Iterator[int]:
        yield 1
        raise KeyError("inside")

    running = generator()
    assert outcome(code, running)[2] == 1
    assert type(outcome(code, running)[1]) is KeyError
    code.free()
    code = compiled(text.replace("guard_next", "guard_exhausted").replace("finish(r1)", "finish(None)"))
    assert outcome(code, iter([value]))[3] is value
    assert outcome(code, iter([])) == ("finish", None, None)
    assert counts.changes() == [0]
    code.free()


def test_the_handled_exception_is_the_threads() -> None:
    text = """trace t(r0, r1)
      r2 = push_exc_info(r0)
      r3 = call(r1)
      guard_no_exception(r3) -> [r0, r2]
      pop_exc_info(r2)
      r4 = call(r1)
      guard_no_exception(r4) -> [r0, r2]
      r5 = new_tuple(r3, r4)
      finish(r5)"""
    code = compiled(text)
    inner, outer = KeyError("inner"), ValueError("outer")
    counts = Counts(inner, outer).start()
    assert outcome(code, inner, sys.exception)[2] == (inner, None)
    try:
        raise outer
    except ValueError:
        assert outcome(code, inner, sys.exception)[2] == (inner, outer)
        assert sys.exception() is outer
    outer.__traceback__ = None
    assert sys.exception() is None
    assert counts.changes() == [0, 0]
    code.free()


def test_finish_raise_hands_the_exception_out() -> None:
    code = compiled("trace t(r0)\n  finish_raise(r0)")
    error = ValueError("x")
    counts = Counts(error).start()
    assert outcome(code, error) == ("raise", error)
    assert counts.changes() == [0]
    code.free()


# --- portal calls ---------------------------------------------------------------------------------------------------------

SUM = """trace sum(r0, r1)
  i2 = int_unbox(r0) -> [r0, r1]
  b3 = int_gt(i2, 0)
  guard_true(b3) -> [r1, r0]
  i4 = int_sub(i2, 1)
  r5 = int_box(i4)
  r6 = call_portal(r5, r1) {sum}
  guard_no_exception(r6) -> [r0, r1]
  guard_type(r6) {int} -> [r0, r6]
  i7 = int_unbox(r6) -> [r0, r6]
  i8 = int_add_ovf(i7, i2) -> [r0, r6]
  r9 = int_box(i8)
  finish(r9)"""


def portal(text: str = SUM, **options: Any) -> tuple[Any, LoopRef]:
    loop = LoopRef("sum", allocate_cell())
    code = compile_trace(parse_trace(text, {"sum": loop}), **options)
    set_cell(loop, code)
    return code, loop


def test_portal_calls_recurse_natively() -> None:
    code, _ = portal()
    names = {guard_id: op.opcode.name for guard_id, op in code.guards.items()}
    marker = object()
    exits: list[Any] = []

    def handle(leaving: tuple[Any, ...]) -> Any:
        assert names[leaving[0]] == "guard_true"
        exits.append(leaving[2:])
        return 1000

    set_exit_handler(handle)
    counts = Counts(marker).start()
    assert outcome(code, 100, marker)[2] == 1000 + 5050
    assert exits == [(marker, 0)]
    exits.clear()
    assert counts.changes() == [0]
    code.free()


def test_an_exception_of_the_exit_handler_passes_through_the_callers() -> None:
    code, _ = portal()

    def handle(leaving: tuple[Any, ...]) -> Any:
        if leaving[1] is not None:
            raise leaving[1]
        raise KeyError("deep")

    set_exit_handler(handle)
    marker = object()
    counts = Counts(marker).start()
    name, error, *_ = outcome(code, 20, marker)
    assert (name, type(error), error.args) == ("guard_no_exception", KeyError, ("deep",))
    del error, _
    gc.collect()
    assert counts.changes() == [0]
    code.free()


def test_finish_raise_of_a_called_portal_raises_in_the_caller() -> None:
    loop = LoopRef("thrower", allocate_cell())
    thrower = compiled("trace thrower(r0)\n  finish_raise(r0)")
    set_cell(loop, thrower)
    caller = compile_trace(
        parse_trace("trace t(r0)\n  r1 = call_portal(r0) {thrower}\n  r2 = guard_exception(r1) -> []\n"
                "  finish(r2)", {"thrower": loop})
    )
    try:
        raise ValueError("x")
    except ValueError as caught:
        error = caught
    before = error.__traceback__
    assert outcome(caller, error)[2] is error
    assert error.__traceback__ is before
    caller.free()
    thrower.free()


def test_without_a_handler_a_guard_exit_of_a_portal_call_raises() -> None:
    set_exit_handler(None)  # whatever tests before in this process have loaded
    code, _ = portal()
    assert type(outcome(code, 3, None)[1]) is SystemError
    code.free()


def recursion_depth(code: Any) -> int:
    """How deep portal calls get before RecursionError; the limit is restored afterwards."""
    deepest: list[int] = []

    def handle(leaving: tuple[Any, ...]) -> Any:
        if leaving[1] is not None and not deepest:
            deepest.append(leaving[3 - 1])
        raise leaving[1] or KeyError

    set_exit_handler(handle)
    before = support.set_recursion_handler(None)
    name, error, *_ = outcome(code, 10_000_000, None)
    support.set_recursion_handler(before)
    assert name == "guard_no_exception"
    assert type(error) is RecursionError
    assert str(error) == "maximum recursion depth exceeded"
    return 10_000_000 - deepest[0]


def test_recursion_is_limited_as_in_python() -> None:
    code, _ = portal()
    limit = sys.getrecursionlimit()
    depth = recursion_depth(code)
    assert limit - 150 < depth < limit
    assert recursion_depth(code) == depth
    code.free()


def test_what_the_recursion_limit_does_not_allow_is_asked_for() -> None:
    code, loop = portal()
    asked: list[list[Any]] = []

    def call(given: list[Any]) -> int:
        asked.append(list(given))
        return 1000

    before = support.set_recursion_handler(call)
    try:
        result = outcome(code, 1_000_000, None)[2]
    finally:
        support.set_recursion_handler(before)
    ((cell, left, _),) = asked  # `left` is what remains to be summed up
    assert cell == loop.cell
    assert result == 1000 + sum(range(left + 1, 1_000_001))
    assert sys.getrecursionlimit() - 150 < 1_000_000 - left < sys.getrecursionlimit()
    code.free()


def on_small_stack(work: Callable[[], Any], handlers: support.StackHandlers | None) -> Any:
    """What `work` gives in a thread with 2 MB of stack, Python's limit of frames out of the way."""
    before = support.set_stack_handlers(handlers)
    limit, size = sys.getrecursionlimit(), threading.stack_size(2 << 20)
    found: list[Any] = []
    try:
        sys.setrecursionlimit(50_000_000)
        thread = threading.Thread(target=lambda: found.append(work()))
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
        support.set_stack_handlers(before)
    return found.pop()


def test_recursion_checks_the_c_stack() -> None:
    code, _ = portal()
    assert 1000 < on_small_stack(lambda: recursion_depth(code), None) < 1_000_000
    code.free()


def test_what_the_c_stack_has_no_room_for_is_asked_for() -> None:
    code, loop = portal()
    asked: list[list[Any]] = []

    def call(given: list[Any]) -> int:
        asked.append(list(given))
        return 1000

    marker = object()
    before = sys.getrefcount(marker)
    result = on_small_stack(lambda: outcome(code, 1_000_000, marker)[2], (call, call))
    ((cell, left, passed),) = asked  # `left` is what remains to be summed up
    assert (cell, passed) == (loop.cell, marker)
    assert result == 1000 + sum(range(left + 1, 1_000_001))
    asked.clear()
    del passed
    assert sys.getrefcount(marker) == before
    code.free()


def test_call_c_result_kinds() -> None:
    assert run("trace t(r0: str, r1: str)\n  i2 = call_c_i(r0, r1) {str_compare}\n  r3 = int_box(i2)\n"
            "  finish(r3)", "a", "b")[2] == -1
    assert run("trace t(r0: dict)\n  i1 = call_c_i(r0) {dict_len}\n  r2 = int_box(i1)\n  finish(r2)", {1: 2})[2] == 1
    assert run("trace t(r0, r1)\n  r2 = call_c_r(r0, r1, 5) {object_compare}\n"
            "  guard_no_exception(r2) -> []\n  finish(r2)", 3, 3)[2] is True
