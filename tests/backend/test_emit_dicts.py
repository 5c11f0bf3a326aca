"""Machine code that looks into instances' own dicts: fields, and names that are not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from metatracer.backend.fields import field_for, read_field, shadow_field, write_field
from metatracer.backend.own_dicts import MOST_AT_FIRST, find_item, position_at_first
from metatracer.ir.values import NULL_OBJECT
from tests.backend.machine import Counts, compiled, outcome


class Shared:
    """Instances whose dict somebody has: it shares the class's keys."""

    def __init__(self, x: Any) -> None:
        self.x = x
        self.y = 1
        vars(self)


class Own:
    """Instances with more attributes than shared keys have."""

    def __init__(self, x: Any) -> None:
        self.x = x
        for number in range(40):
            setattr(self, f"field{number}", number)


class Failure(Exception):
    """Exceptions have a dict from the first attribute on."""

    def __init__(self, x: Any) -> None:
        super().__init__()
        self.x = x


CLASSES = [Shared, Own, Failure]
READ = """trace t(r0: {cls}, r1)
  guard_dict_field(r0) {{x}} -> [r0]
  r2 = getfield(r0) {{x}}
  guard_nonnull(r2) -> [r0]
  setfield(r0, r1) {{x}}
  finish(r2)"""
ABSENT = "trace t(r0: {cls})\n  guard_not_shadowed(r0) {{name}} -> []\n  finish(None)"


@pytest.mark.parametrize("cls", CLASSES)
def test_fields_are_read_and_written(cls: type) -> None:
    old, new = object(), object()
    instance = cls(old)
    field = field_for(cls, "x", instance)
    assert field is not None
    assert field.in_dict
    code = compiled(READ.format(cls=cls.__name__), {cls.__name__: cls, "x": field})
    counts = Counts(old, new).start()
    names = list(vars(instance))
    assert outcome(code, instance, new)[2] is old
    assert instance.x is new
    assert counts.changes() == [-1, 1]
    assert list(vars(instance)) == names
    instance.later = 5  # there is room for it, and x stays where it is
    assert outcome(code, instance, old)[2] is new
    assert read_field(instance, field) is old
    write_field(instance, field, new)
    assert instance.x is new
    code.free()


CHANGES: dict[str, Callable[[Any], object]] = {
    "removed": lambda thing: delattr(thing, "x"),
    "another dict": lambda thing: setattr(thing, "__dict__", {"x": 1, 2: 3}),
    "a dict with x elsewhere": lambda thing: setattr(thing, "__dict__", {"a": 1, "b": 2, "x": 3}),
    "a large dict": lambda thing: vars(thing).update({f"more{number}": number for number in range(500)}),
    "no dict": lambda thing: delattr(thing, "__dict__"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("cls", CLASSES)
def test_a_field_that_is_not_there_any_more_fails_the_guard(cls: type, change: str) -> None:
    if cls is Failure and change == "no dict":
        pytest.skip("exceptions keep theirs")
    instance = cls(1)
    field = field_for(cls, "x", instance)
    code = compiled(READ.format(cls=cls.__name__), {cls.__name__: cls, "x": field})
    CHANGES[change](instance)
    before = dict(vars(instance)) if change != "no dict" else None
    assert outcome(code, instance, 7)[0] == "guard_dict_field"
    assert before is None or vars(instance) == before
    assert read_field(instance, field) is getattr(instance, "x", NULL_OBJECT)
    code.free()


@pytest.mark.parametrize("cls", CLASSES)
def test_a_name_that_is_not_there(cls: type) -> None:
    instance = cls(1)
    field = shadow_field(cls, "method", instance)
    assert field is not None
    assert field.storage in ("keys", "split")
    code = compiled(ABSENT.format(cls=cls.__name__), {cls.__name__: cls, "name": field})
    assert outcome(code, instance)[0] == "finish"
    instance.x = 2
    assert outcome(code, instance)[0] == "finish"
    vars(instance)["method"] = 3
    assert outcome(code, instance)[0] == "guard_not_shadowed"
    del instance.method
    instance.__dict__ = {"method": 1}
    assert outcome(code, instance)[0] == "guard_not_shadowed"
    code.free()


def test_an_instance_without_a_dict_fails_the_guards() -> None:
    class Fresh:
        pass

    seen = Fresh()
    seen.x = 1  # type: ignore[attr-defined]
    vars(seen)
    names = {"Fresh": Fresh, "x": field_for(Fresh, "x", seen), "name": shadow_field(Fresh, "method", seen)}
    read = compiled(READ.format(cls="Fresh"), names)
    absent = compiled(ABSENT.format(cls="Fresh"), names)
    assert outcome(absent, seen)[0] == "finish"
    fresh = Fresh()
    assert outcome(read, fresh, 1)[0] == "guard_dict_field"
    fresh.x = 5  # type: ignore[attr-defined]
    assert outcome(read, fresh, 1)[0] == "guard_dict_field"
    assert outcome(absent, fresh)[0] == "guard_not_shadowed"
    read.free()
    absent.free()


def test_places_of_the_first_items() -> None:
    made: dict[str, int] = {}
    names = [f"name {number}" for number in range(MOST_AT_FIRST)]
    for name in names:
        made[name] = 1
        assert [find_item(made, each) for each in made] == [
            (each, position_at_first(number)) for number, each in enumerate(made)
        ]
