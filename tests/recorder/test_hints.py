"""Hints: what they do to a recording. That they mean nothing in plain Python is tested with `agrees`."""

from __future__ import annotations

import pytest

import metatracer
from metatracer import (
    assert_green,
    dont_look_inside,
    elidable,
    isconstant,
    isvirtual,
    look_inside_iff,
    promote,
    unroll_safe,
    we_are_jitted,
)
from metatracer.errors import AbortReason
from tests.recorder.recording import agrees, cases, check, record, recorded


@elidable
def double(x):
    return x * 2


@dont_look_inside
def opaque(x):
    return x + 1


@look_inside_iff(lambda x: isconstant(x))
def sometimes(x):
    return x + 1


@unroll_safe
def summed(n):
    total = 0
    for i in range(n):
        total += i
    return total


class Box:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Settings:
    _immutable_fields_ = ["size", "mode?"]

    def __init__(self, size):
        self.size = size
        self.mode = 1

    def __deepcopy__(self, memo):
        return self


SETTINGS = Settings(3)


@recorded(5, 1)
def promoted(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_int_value(i2) {5}
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    i4 = int_mul_ovf(0, i3)
    i5 = int_add_ovf(5, i4)
    r6 = int_box(i5)
    jump(r6, r1)
    """
    return promote(a) + 0 * b


@recorded(5, 1)
def elidable_with_constants(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    i3 = int_add_ovf(i2, 8)
    i4 = int_sub_ovf(i3, 8)
    r5 = int_box(i4)
    jump(r5, r1)
    """
    return a + double(4) - 8


@recorded(5, 1)
def promoted_and_elidable(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_int_value(i2) {5}
    jump(&10, r1)
    """
    return double(promote(a))


@recorded(5, 1)
def called_by_hint(a, b):
    """
    r2 = call(opaque, r0)
    guard_no_exception(r2)
    guard_not_invalidated()
    jump(r2, r1)
    """
    return opaque(a)


@recorded(5, 1)
def unrolled(a, b):
    """
    ...
    ! call
    """
    return summed(6) + a


@recorded(5, SETTINGS)
def immutable_fields_of_what_is_promoted(a, b):
    """
    guard_value(r1) {SETTINGS}
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    i3 = int_add_ovf(i2, 3)
    r4 = int_box(i3)
    jump(r4, SETTINGS)
    """
    return a + promote(b).size


def _name(step):
    return step.__name__


@pytest.mark.parametrize("step", [step for step in cases(globals()) if "promoted" not in step.__name__], ids=_name)
def test_recorded(step):
    check(step)


@pytest.mark.parametrize("step", [promoted, promoted_and_elidable, immutable_fields_of_what_is_promoted], ids=_name)
def test_promoted(step):
    a, b, _ = step.case
    recording = record(step, a, b)
    import inspect

    assert recording.lines == inspect.cleandoc(step.__doc__).splitlines()
    assert recording.result == step(a, b)
    agrees(lambda a, b: a + 1 + 0 * step(a % 3, b), a, b)


@pytest.mark.parametrize(
    ("step", "a", "b"),
    [
        (lambda a, b: double(a) % 1009 + b, 1, 1),
        (lambda a, b: sometimes(a) + sometimes(3), 1, 1),
        (lambda a, b: opaque(a), 1, 1),
        (lambda a, b: summed(a % 7) + a + 1, 1, 1),
        (lambda a, b: promote(a % 4) + a + 1, 1, 1),
        (lambda a, b: Box(a).value + promote(b), 1, "x"),
    ],
)
def test_same_as_plain(step, a, b):
    agrees(step, a, b)


def test_a_recording_says_it_is_jitted():
    assert record(lambda a, b: we_are_jitted(), 1, 2).result is True
    assert we_are_jitted() is False


def test_constants_are_told_from_variables():
    recording = record(lambda a, b: (isconstant(4), isconstant(a), isconstant(promote(a)), isconstant(a)), 1, 2)
    assert recording.result == (True, False, True, True)


def test_objects_made_in_the_trace_are_virtual():
    def step(a, b):
        fresh = Box(a)
        return isvirtual(fresh), isvirtual(b), fresh.value

    assert record(step, 1, Box(3)).result == (True, False, 1)


def test_the_predicate_decides():
    recording = record(lambda a, b: (sometimes(4), sometimes(a)), 1, 2)
    assert recording.result == (5, 2)
    assert recording.names.count("call") == 1


def test_elidable_calls_with_variables_are_made():
    assert "call" in " ".join(record(lambda a, b: double(a), 1, 2).names)


def test_elidable_calls_are_made_once_for_the_same_arguments():
    made = []

    @elidable
    def pure(x):
        made.append(x)
        return x

    record(lambda a, b: pure(7), 1, 2)
    assert made == [7]


def test_assert_green_ends_a_recording():
    assert record(lambda a, b: assert_green(4), 1, 2).result is None
    aborted = record(lambda a, b: assert_green(a), 1, 2).aborted
    assert aborted.reason is AbortReason.ASSERT_GREEN
    assert aborted.filename == __file__


def test_every_hint_is_public():
    for name in ("promote", "we_are_jitted", "isvirtual", "isconstant", "assert_green", "elidable", "unroll_safe"):
        assert name in metatracer.__all__
