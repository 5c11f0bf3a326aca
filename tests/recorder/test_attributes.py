"""Attributes: slots, inline values, properties, class attributes, methods, super."""

from __future__ import annotations

import functools
import re

import pytest

from tests.recorder.recording import agrees, cases, check, record, recorded

PATTERN = re.compile("b+")
ERROR = ValueError()
ERROR.with_traceback = abs  # type: ignore[assignment]


class Slotted:
    __slots__ = ("count", "name")

    def __init__(self, count):
        self.count = count
        self.name = None


class Plain:
    step = 3

    def __init__(self, count):
        self.count = count

    def __deepcopy__(self, memo):
        return type(self)(self.count)  # copy's own way gives instances a dict in place of inline values

    def bump(self, by):
        self.count += by
        return self.count

    @property
    def double(self):
        return self.count * 2

    @double.setter
    def double(self, value):
        self.count = value // 2

    @staticmethod
    def half(value):
        return value // 2

    @classmethod
    def steps(cls):
        return cls.step


class Derived(Plain):
    step = 5

    def bump(self, by):
        return super().bump(by) + 1


class Dynamic:
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return len(name)


class Sprawling:
    """More attributes than CPython keeps inline: its instances have a dict each."""

    _immutable_fields_ = ["mode?"]

    def __init__(self, count):
        self.count = count
        for number in range(40):
            setattr(self, f"field{number}", number)
        self.mode = 7
        self.last = count

    def bump(self, by):
        self.last += by
        return self.last


class Scope(dict):
    """On 3.13, instances of subclasses of dict have no inline values: their dicts share the class's keys."""

    def __init__(self, outer=None):
        super().__init__(x=3)
        self.outer = outer

    def find(self, name):
        return self if name in self else self.outer.find(name)


def seen_through(instance):
    """An instance whose dict somebody has."""
    vars(instance)
    return instance


SPRAWLING = Sprawling(5)


class Immutable:
    _immutable_fields_ = ["size", "table[*]", "mode?"]

    def __init__(self):
        self.size = 4
        self.table = [1, 2, 3, 4]
        self.mode = 7


class Descriptor:
    def __get__(self, instance, owner):
        return instance.count + 1


class WithDescriptor(Plain):
    next = Descriptor()


IMMUTABLE = Immutable()


@recorded(1, Slotted(5))
def slot_read(a, b):
    """
    guard_type(r1) {Slotted}
    r2 = getfield(r1) {Slotted.count slot:16}
    guard_nonnull(r2)
    guard_type(r0) {int}
    i3 = int_unbox(r0)
    guard_type(r2) {int}
    i4 = int_unbox(r2)
    i5 = int_add_ovf(i3, i4)
    r6 = int_box(i5)
    jump(r6, r1)
    """
    return a + b.count


@recorded(1, Slotted(5))
def slot_write(a, b):
    """
    guard_type(r1) {Slotted}
    setfield(r1, r0) {Slotted.count slot:16}
    jump(r0, r1)
    """
    b.count = a
    return b.count


@recorded(1, Slotted(5))
def slot_read_again_is_known(a, b):
    """
    guard_type(r1) {Slotted}
    r2 = getfield(r1) {Slotted.count slot:16}
    guard_nonnull(r2)
    guard_type(r2) {int}
    i3 = int_unbox(r2)
    i4 = int_add_ovf(i3, i3)
    r5 = int_box(i4)
    jump(r5, r1)
    """
    return b.count + b.count


@recorded(1, Plain(5))
def instance_attribute(a, b):
    """
    ...
    ! object_getattr
    """
    b.count = b.count + a
    return 1


@recorded(1, Plain(5))
def class_attribute(a, b):
    """
    guard_type(r1) {Plain}
    ...
    ! getfield
    ! object_getattr
    """
    return b.step


@recorded(1, Plain(5))
def method(a, b):
    """
    ...
    ! call
    """
    return b.bump(2) - b.count + a


@recorded(1, Sprawling(5))
def attributes_in_a_dict(a, b):
    """
    guard_type(r1) {Sprawling}
    ...
    ! getattr
    ! call
    """
    b.count = b.bump(2) + a
    b.last = b.count
    return b.field39 - 38


@recorded(1, seen_through(Plain(5)))
def attributes_in_a_dict_that_shares_its_keys(a, b):
    """
    guard_type(r1) {Plain}
    ...
    ! getattr
    ! call
    """
    return b.bump(2) - b.count + a


@recorded(1, Scope(Scope()))
def attributes_of_a_subclass_of_dict(a, b):
    """
    ...
    ! getattr
    """
    return b.find("x").outer is not None and a


@recorded(1, None)
def quasi_immutable_attribute_in_a_dict(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    i3 = int_add_ovf(i2, 7)
    r4 = int_box(i3)
    jump(r4, r1)
    """
    return a + SPRAWLING.mode


@recorded(1, Plain(5))
def attributes_seen_from_outside(a, b):
    """
    ...
    r2 = call(dir, r1)
    ...
    r5 = call(vars, r1)
    ...
    """
    return vars(b)["count"] - 4 if "count" in dir(b) else a


@recorded(1, Plain(5))
def property_read_and_write(a, b):
    """
    ...
    ! call
    """
    b.double = 12 + a
    return b.double - 11


@recorded(8, Plain(5))
def static_methods(a, b):
    """
    ...
    ! call
    """
    return b.half(a) + Plain.half(a)


@recorded(8, Derived(5))
def method_of_super(a, b):
    """
    guard_type(r1) {Derived}
    ...
    ! object_getattr
    ! call(bump
    """
    return b.bump(0) + a - a


@recorded(8, None)
def immutable_fields_of_a_constant(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    i3 = int_add_ovf(i2, 4)
    i4 = int_sub_ovf(i3, 4)
    i5 = int_add_ovf(i4, 7)
    i6 = int_sub_ovf(i5, 7)
    r7 = int_box(i6)
    jump(r7, r1)
    """
    return a + IMMUTABLE.size - IMMUTABLE.table[3] + IMMUTABLE.mode - 7


@recorded(8, Plain(5))
def class_of_an_instance(a, b):
    """
    guard_type(r1) {Plain}
    jump(r0, r1)
    """
    return a if b.__class__ is Plain else 0


@recorded(8, Dynamic())
def computed_attributes_are_left_to_python(a, b):
    """
    ...
    ! getfield
    """
    return b.four + a - 4


@recorded("ab", "abbc")
def method_of_a_class_written_in_c(a, b):
    """
    ...
    ! object_getattr
    """
    found = PATTERN.search(b)
    return a if found.end() - found.start() == 2 else b


@recorded(1, 2)
def method_behind_an_attribute_of_the_instance(a, b):
    """
    ...
    ! with_traceback' of
    """
    return a + ERROR.with_traceback(b)


@pytest.mark.parametrize("step", cases(globals()), ids=lambda step: step.__name__)
def test_recorded(step):
    check(step)


def _shadowed(a, b):
    if a == 20:
        b.step = 10
    if a > 60:
        del b.step
    return a + b.step if a < 100 else 0


def _new_attributes(a, b):
    if a % 7 == 3:
        b.other = a
    return a + getattr(b, "other", 1) % 3


def _missing(a, b):
    try:
        return a + b.missing
    except AttributeError as error:
        return a + len(str(error))


def _deleted(a, b):
    b.name = a
    del b.name
    return a + hasattr(b, "name")


def _other_classes(a, b):
    obj = b[a % len(b)]
    obj.count += 1
    return a + obj.count


@pytest.mark.parametrize(
    ("step", "a", "b"),
    [
        (_shadowed, 0, Plain(3)),
        (_new_attributes, 0, Plain(3)),
        (_missing, 0, Plain(3)),
        (_missing, 0, Slotted(3)),
        (_deleted, 0, Slotted(3)),
        (_deleted, 0, Plain(3)),
        (_other_classes, 0, [Plain(1), Slotted(2), Derived(3)]),
        (lambda a, b: a + b.steps() + Plain.steps(), 0, Derived(1)),
        (lambda a, b: a + b.next, 0, WithDescriptor(1)),
        (lambda a, b: a + b.__class__.step, 0, Derived(1)),
        (lambda a, b: a + getattr(b, "count") + len(vars(b)), 0, Derived(1)),
        (lambda a, b: a + Plain.bump(b, 1), 0, Plain(1)),
        (lambda a, b: a + b.__dict__["count"], 0, Plain(1)),
        (lambda a, b: setattr(b, "count", a) or a + b.count + 1, 0, Plain(1)),
    ],
)
def test_same_as_plain(step, a, b):
    agrees(step, a, b)


def test_classes_taken_as_constant_are_assumptions():
    recording = record(lambda a, b: a + b.step, 1, Plain(5))
    assert recording.ended.recorded is not None
    assert "Plain" in " ".join(map(repr, recording.ended.recorded.trace.assumptions))


def test_a_getattr_hook_is_looked_into():
    recording = record(lambda a, b: a + b.four, 1, Dynamic())
    assert recording.result == 5
    assert not {"call", "call_c_r"} & {*recording.names}


def test_what_is_certainly_not_there_is_decided_by_a_guard():
    recording = record(lambda a, b: a + getattr(b, "weight", 7) + hasattr(b, "weight"), 1, Plain(5))
    assert recording.result == 8
    assert "guard_not_shadowed" in recording.names
    assert not {"call", "call_c_r"} & {*recording.names}


def test_a_slot_that_becomes_a_property_meanwhile_is_read_as_one() -> None:
    class Changing:
        __slots__ = ("count",)

    replace = functools.partial(type.__setattr__, Changing, "count", property(lambda self: 1000))

    def step(a, b):
        first = b.count + b.count
        replace()
        return a + first + b.count

    changing = Changing()
    changing.count = 4
    assert record(step, 1, changing).result == 1009
