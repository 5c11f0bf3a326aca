"""Calls: what is looked into, how arguments are bound, how classes make instances, what is called instead."""

from __future__ import annotations

import math

import pytest

from metatracer.hooks import on_abort, unregister
from tests.recorder.recording import agrees, cases, check, record, recorded


def add(x, y=10, *rest, scale=1, **named):
    return (x + y + len(rest) + len(named)) * scale


def adder(n):
    def inner(x):
        return x + n

    return inner


def counter(n):
    def inner():
        nonlocal n
        n += 1
        return n

    return inner


class Pair:
    __slots__ = ("left", "right")

    def __init__(self, left, right=2):
        self.left = left
        self.right = right

    def __call__(self, x):
        return self.left + x

    def __add__(self, other):
        return Pair(self.left + other.left, self.right)

    def __eq__(self, other):
        return self.left == other.left

    def __hash__(self):
        return 1

    def __len__(self):
        return self.right

    def __getitem__(self, index):
        return self.left * index

    def __contains__(self, item):
        return item == self.left

    def __bool__(self):
        return self.right > 0

    def __lt__(self, other):
        return self.left < other.left


class Made:
    def __new__(cls, value):
        made = object.__new__(cls)
        made.value = value + 1
        return made


class Meta(type):
    def __call__(cls, value):
        return super().__call__(value + 1)


class WithMeta(metaclass=Meta):
    def __init__(self, value):
        self.value = value


class Asked(type):
    def __instancecheck__(cls, obj):
        return obj > 3


class WithAsked(metaclass=Asked):
    pass


ADD_FIVE = adder(5)


def generate(n):
    try:
        yield from range(n)
    finally:
        n = 0


@recorded(WithMeta(3), Made)
def isinstance_of_a_class_with_a_metaclass(a, b):
    """
    guard_type(r0) {WithMeta}
    jump(r0, r1)
    """
    return a if isinstance(a, WithMeta) and not isinstance(a, (Pair, Meta)) else b


@recorded(5, 2)
def isinstance_that_a_metaclass_is_asked_for(a, b):
    """
    ...
    r2 = call(isinstance, r0, WithAsked)
    ...
    """
    return a if isinstance(a, WithAsked) else b


@recorded(3, 4)
def defaults(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    i3 = int_add_ovf(i2, 10)
    i4 = int_add_ovf(i3, 0)
    i5 = int_add_ovf(i4, 0)
    i6 = int_mul_ovf(i5, 1)
    guard_type(r1) {int}
    i7 = int_unbox(r1)
    i8 = int_sub_ovf(i6, i7)
    r9 = int_box(i8)
    jump(r9, r1)
    """
    return add(a) - b


@recorded(3, 4)
def keywords(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    i4 = int_add_ovf(i2, i3)
    i5 = int_add_ovf(i4, 0)
    i6 = int_add_ovf(i5, 0)
    i7 = int_mul_ovf(i6, 2)
    r8 = int_box(i7)
    jump(r8, r1)
    """
    return add(y=b, x=a, scale=2)


@recorded(3, 4)
def star_arguments_collected(a, b):
    """
    r2 = new_tuple(&1, &1)
    ...
    i6 = int_add_ovf(i5, 2)
    ...
    ! tuple_len
    ! call(
    """
    return add(a, b, 1, 1)


@recorded(3, 4)
def closures_are_looked_into(a, b):
    """
    ...
    ! call
    """
    return ADD_FIVE(a) - b


@recorded(3, 4)
def closures_made_in_the_trace(a, b):
    """
    ...
    ! call
    """
    return adder(b)(a)


@recorded(3, 4)
def instances_made_in_the_trace(a, b):
    """
    r2 = new() {Pair}
    setfield(r2, r0) {Pair.left slot:16}
    setfield(r2, &2) {Pair.right slot:24}
    guard_type(r0) {int}
    i3 = int_unbox(r0)
    guard_type(r1) {int}
    i4 = int_unbox(r1)
    i5 = int_add_ovf(i3, i4)
    r6 = int_box(i5)
    jump(r6, r1)
    """
    return Pair(a).left + b


@recorded(3, Pair(4))
def instances_that_are_called(a, b):
    """
    guard_type(r1) {Pair}
    ...
    ! call
    """
    return b(a)


@recorded(3, Pair(4))
def operators_of_classes(a, b):
    """
    ...
    ! call
    """
    total = b + Pair(a)
    return total.left + total[2] if total == b or total < b else total[1] + total.left


@recorded(Pair(1), Pair(4))
def results_that_are_instances(a, b):
    """
    guard_type(r0) {Pair}
    guard_type(r1) {Pair}
    r2 = getfield(r0) {Pair.left slot:16}
    guard_nonnull(r2)
    r3 = getfield(r1) {Pair.left slot:16}
    guard_nonnull(r3)
    guard_type(r2) {int}
    i4 = int_unbox(r2)
    guard_type(r3) {int}
    i5 = int_unbox(r3)
    i6 = int_add_ovf(i4, i5)
    r7 = getfield(r0) {Pair.right slot:24}
    guard_nonnull(r7)
    r8 = new() {Pair}
    r9 = int_box(i6)
    setfield(r8, r9) {Pair.left slot:16}
    setfield(r8, r7) {Pair.right slot:24}
    jump(r8, r1)
    """
    return a + b


@recorded(3, 4)
def generators_are_called(a, b):
    """
    ...
    ! getfield
    """
    return sum(generate(b)) + a


def forward(*args, **named):
    return scaled(*args, **named)


def scaled(x, y=1, *, scale=2):
    return (x + y) * scale


@recorded(3, 4)
def keywords_that_are_passed_on_need_no_dict(a, b):
    """
    r2 = new_tuple(r0)
    ...
    ! call
    """
    return (forward(a, y=b) + forward(a, scale=b) + forward(a, b)) & 1023


@pytest.mark.parametrize("step", cases(globals()), ids=lambda step: step.__name__)
def test_recorded(step):
    check(step)


def _count(a, b):
    tick = counter(a)
    tick()
    return tick() + b


def _lambda_default(a, b):
    return (lambda x, y=b: x + y)(a)


def _recursive(a, b):
    return _fibonacci(a % 8) + b


def _fibonacci(n):
    return n if n < 2 else _fibonacci(n - 1) + _fibonacci(n - 2)


def _polymorphic(a, b):
    return b[a % len(b)](a) % 1000


def _named(a, b):
    return add(a, **{"scale": 1, "other": b}) % 1000


def _starred(a, b):
    return add(*(a, b, 1), **{}) % 1000


@pytest.mark.parametrize(
    ("step", "a", "b"),
    [
        (_count, 0, 1),
        (_lambda_default, 0, 1),
        (_recursive, 0, 1),
        (_polymorphic, 0, [ADD_FIVE, add, Pair(3), abs, lambda x: x * 2]),
        (_named, 0, 1),
        (_starred, 0, 1),
        (lambda a, b: Made(a).value + WithMeta(b).value, 0, 1),
        (lambda a, b: sorted([b, a], key=lambda x: -x)[0] + 1, 0, 1),
        (lambda a, b: (a + 1 if a in Pair(a) else a - 1) + len(Pair(b)), 0, 1),
        (lambda a, b: (a + 1 if Pair(a) < Pair(b) else a + 2), 0, 10),
        (lambda a, b: add(), 0, 1),
        (lambda a, b: add(1, x=2), 0, 1),
        (lambda a, b: Pair(), 0, 1),
        (lambda a, b: a(), 0, 1),
        (lambda a, b: list(map(ADD_FIVE, [a, b]))[0], 0, 1),
        (lambda a, b: math.floor(math.sqrt(a * a)) + b, 5, 1),
        (lambda a, b: type("Fresh", (), {"value": a})().value + b, 5, 1),
    ],
)
def test_same_as_plain(step, a, b):
    agrees(step, a, b)


def test_what_is_not_looked_into_is_noted():
    recording = record(lambda a, b: sum(generate(b)) + hash(a), 3, 4)
    notes = "\n".join(recording.residual)
    assert "generate" in notes
    assert "generator" in notes


def test_calls_are_not_looked_into_below_the_depth():
    recording = record(lambda a, b: ADD_FIVE(a) + b, 3, 4, max_inline_depth=2)
    assert "call" in recording.names
    assert any("max_inline_depth" in note for note in recording.residual)


def test_calls_are_not_looked_into_without_inlining():
    recording = record(lambda a, b: a + b, 3, 4, inlining=False)
    assert recording.names.count("call") == 1
    assert any("inlining" in note for note in recording.residual)


def test_functions_taken_as_constant_are_assumptions():
    recording = record(lambda a, b: ADD_FIVE(a) + b, 3, 4)
    assert recording.ended.recorded is not None
    assert "ADD_FIVE" in " ".join(map(repr, recording.ended.recorded.trace.assumptions))


def test_portals_may_have_free_variables_of_their_own():
    from metatracer import JitDriver, parameters

    driver = JitDriver(greens=["n"], reds="auto")
    scale = 2

    @driver.portal
    def run(n, total):
        while total < n:
            driver.jit_merge_point(n=n)
            total += scale if n > 10 else run(20, 0)
        return total

    aborts = []
    with parameters(threshold=1, function_threshold=1):
        register = on_abort(lambda event: aborts.append(event.reason))
        try:
            assert run(1000, 1) == 1001
            assert run(9, 0) == 20
        finally:
            unregister(register)
    assert "INTERNAL_ERROR" not in aborts
