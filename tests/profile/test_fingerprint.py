"""Names for guest code that do not depend on the process, and tell different code apart."""

from __future__ import annotations

from typing import Any

import pytest

from metatracer.backend import fields
from metatracer.profile.fingerprint import fingerprint


class Code:
    _immutable_fields_ = ["instructions[*]", "size", "next?", "missing"]
    __slots__ = ("instructions", "missing", "next", "other", "size")

    def __init__(self, instructions: Any, size: int = 1, other: Any = None) -> None:
        self.instructions = instructions
        self.size = size
        self.next: Any = None
        self.other = other


class Noisy:
    _immutable_fields_ = ["name", "given"]

    def __init__(self, given: int) -> None:
        self.given = given

    @property
    def name(self) -> str:
        raise AssertionError("code of the author's runs")


class Machine:
    _immutable_fields_ = ["depth?", "missing", "kind"]
    kind = "plain"

    def __init__(self, depth: int) -> None:
        self.depth = depth


def test_equal_content_gives_the_same() -> None:
    assert fingerprint(3, Code([1, (2.5, b"x")])) == fingerprint(3, Code([1, (2.5, b"x")]))


@pytest.mark.parametrize("value", [4, True, "3", b"3", 3.0, None, (3,), [3], Code([3]), Code([3], 2), Code([[3]]), int])
def test_other_content_gives_another(value: Any) -> None:
    assert fingerprint(value) != fingerprint(3)
    assert fingerprint(value) != fingerprint(Code([3], 3))


def test_only_what_is_declared_immutable_counts() -> None:
    assert fingerprint(Code([1], other=1)) == fingerprint(Code([1], other=2))


def test_an_object_within_itself_comes_to_an_end() -> None:
    first, second = Code([1]), Code([1])
    first.next, second.next = first, second
    assert fingerprint(first) == fingerprint(second)


def test_long_code_is_told_apart_by_its_length() -> None:
    assert fingerprint(list(range(100_000))) != fingerprint(list(range(100_001)))


def test_no_code_of_the_author_runs() -> None:
    assert fingerprint(Noisy(1)) == fingerprint(Noisy(1))
    assert fingerprint(Noisy(1)) != fingerprint(Noisy(2))


def test_attributes_stay_in_the_instance() -> None:
    """Code that assumes something of them there would not be valid any more."""
    machine = Machine(200)
    assert fingerprint(machine) == fingerprint(Machine(200))
    assert fingerprint(machine) != fingerprint(Machine(0))
    assert fields.values_address(machine)


def test_it_is_the_same_in_each_process() -> None:
    assert fingerprint("loop", 10) == "13c20d88c25dc1b5993f"
