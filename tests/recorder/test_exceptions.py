"""Exceptions in traces: raised and caught, in frames further out, finally, with, and those that leave the portal."""

from __future__ import annotations

import pytest

from tests.recorder.recording import agrees, cases, check, outcome, record, recorded


class Stop(Exception):
    pass


class Manager:
    def __init__(self, swallow):
        self.swallow = swallow
        self.log = 0

    def __deepcopy__(self, memo):
        return Manager(self.swallow)

    def __enter__(self):
        self.log += 1
        return self

    def __exit__(self, kind, error, traceback):
        self.log += 10 if kind is None else 100
        return self.swallow


def stop_at(a, limit):
    if a % 5 == limit:
        raise Stop(a)
    return a + 1


@recorded(3, 3)
def caught_in_the_same_frame(a, b):
    """
    ...
    ! finish
    """
    try:
        raise Stop(a)
    except Stop as error:
        return error.args[0]


@recorded(3, 3)
def caught_in_a_frame_further_out(a, b):
    """
    ...
    ! finish
    """
    try:
        return stop_at(a, b)
    except Stop:
        return a


@recorded(4, Manager(True))
def with_statement(a, b):
    """
    guard_type(r1) {Manager}
    ...
    setfield(r1, r5) {Manager.log inline:1}
    ...
    setfield(r1, r7) {Manager.log inline:1}
    ...
    jump(r0, r1)
    """
    with b:
        return a


@recorded(4, 4)
def not_taken_handlers_cost_nothing(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    i4 = int_add_ovf(i2, i3)
    r5 = int_box(i4)
    jump(r5, r1)
    """
    try:
        return a + b
    except TypeError:
        return 0


@pytest.mark.parametrize("step", cases(globals()), ids=lambda step: step.__name__)
def test_recorded(step):
    check(step)


def _finally(a, b):
    try:
        a = stop_at(a, 3)
    except Stop as error:
        a = error.args[0] + 2
    finally:
        b.append(a)
        del b[:-5]
    return a


def _finally_returns(a, b):
    try:
        return stop_at(a, b)
    finally:
        if a % 5 == b:
            return a + 3


def _with_swallowed(a, b):
    with b as manager:
        manager.log += stop_at(a, 2)
        return a + 1
    return a + 2 + b.log % 2


def _reraised(a, b):
    try:
        try:
            a = stop_at(a, b)
        except Stop:
            a += 1
            raise
    except Stop as error:
        return a + len(error.args) + (error.__traceback__ is not None)
    return a


def _chained(a, b):
    try:
        try:
            a = stop_at(a, b)
        except Stop as error:
            raise ValueError("chained") from error
    except ValueError as error:
        return a + type(error.__cause__).__name__.count("t") + (error.__context__ is error.__cause__)
    return a


def _context(a, b):
    try:
        try:
            a = stop_at(a, b)
        except Stop:
            return a + b["x"]
    except TypeError as error:
        return a + (type(error.__context__) is Stop)
    return a


def _traceback(a, b):
    try:
        return stop_at(a, b)
    except Stop as error:
        lines = []
        traceback = error.__traceback__
        while traceback is not None:
            lines.append(traceback.tb_lineno - traceback.tb_frame.f_code.co_firstlineno)
            traceback = traceback.tb_next
        return a + len(lines) * 10 + lines[-1] * 5 + 1


def _raises_class(a, b):
    try:
        if a % 2:
            raise Stop
        raise Stop from None
    except (KeyError, Stop) as error:
        return a + len(error.args) + error.__suppress_context__ + 1


def _assertion(a, b):
    try:
        assert a % 4, f"message {a}"
    except AssertionError as error:
        return a + len(str(error)) - 7
    return a + 1


def _division(a, b):
    try:
        return a + 100 // (a % b)
    except ZeroDivisionError:
        return a + 1


def _handler_leaves(a, b):
    total = 0
    for i in range(4):
        try:
            if i == b:
                continue
            total += stop_at(i, 2)
        except Stop:
            if a % 2:
                break
    return a + total + 1


def _unbound(a, b):
    if a % 3:
        x = a
    try:
        return x + 1
    except UnboundLocalError as error:
        return a + (error.__class__ is UnboundLocalError)


@pytest.mark.parametrize(
    ("step", "a", "b"),
    [
        (_finally, 0, []),
        (_finally_returns, 0, 2),
        (_with_swallowed, 0, Manager(True)),
        (_with_swallowed, 0, Manager(False)),
        (_reraised, 0, 1),
        (_chained, 0, 1),
        (_context, 0, 1),
        (_traceback, 0, 1),
        (_raises_class, 0, 1),
        (_assertion, 0, 1),
        (_division, 0, 7),
        (_handler_leaves, 0, 1),
        (_unbound, 0, 1),
        (lambda a, b: stop_at(a, 4), 0, 1),
        (lambda a, b: a + 1 if a < 25 else b.missing, 0, 1),
        (lambda a, b: a + 1 if a < 25 else [][a], 0, 1),
    ],
)
def test_same_as_plain(step, a, b):
    agrees(step, a, b)


def test_exceptions_that_leave_the_portal_end_the_trace():
    recording = record(stop_at, 3, 3)
    assert recording.names[-1] == "finish_raise"
    assert recording.ended.recorded.kind == "raise"
    assert isinstance(recording.ended.recorded.values[0], Stop)


def test_the_handled_exception_is_that_of_the_guest():
    import sys

    def step(a, b):
        try:
            raise Stop(a)
        except Stop:
            return sys.exc_info()[0] is Stop and sys.exception() is not None

    assert record(step, 1, 2).result is True
    assert sys.exception() is None
    assert outcome(step, 1, 2)[1] is type(None)
