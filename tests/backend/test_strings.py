"""Strings: concatenation in place (the same results, the same references, and less copying), comparison, slices and matches."""

from __future__ import annotations

import itertools
import re
import sys
from typing import Any

import pytest

from tests.backend.machine import Counts, compiled, outcome

CONCAT = """trace t(r0: list, r1: str)
  r2 = list_pop(r0)
  guard_type(r2) {str} -> [r0, r1, r2]
  r3 = call_c_r(r2, r1) {str_concat}
  guard_no_exception(r3) -> [r0, r1, r2]
  finish(r3)"""


@pytest.fixture(scope="module")
def concat() -> Any:
    code = compiled(CONCAT)
    yield lambda items, right: outcome(code, items, right)[2]
    code.free()


def new(text: str) -> str:
    """A string of its own."""
    return "".join(list(text))


LEFT = ["", "a", "ascii", "caf\xe9", "\u0416\u4e2d", "a\U0001f600", "x" * 1000]
RIGHT = ["", "b", "more", "\xe9", "\u0416", "\U0001f600", "y" * 1000]


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("right", RIGHT)
def test_a_string_that_nobody_else_has_is_joined_like_others(concat: Any, left: str, right: str) -> None:
    kept = new(left)
    counts = Counts(kept, right).start()
    assert concat([kept], right) == left + right
    assert kept == left
    assert concat([new(left)], right) == left + right
    if len(left) > 1 and right:
        assert counts.changes() == [0, 0]


def test_a_hash_that_somebody_asked_for_is_not_kept(concat: Any) -> None:
    items = [new("firstpart")]
    hash(items[0])
    joined = concat(items, "second")
    assert hash(joined) == hash("firstpartsecond")
    assert {joined: 1}["firstpartsecond"] == 1


def test_interned_strings_stay_as_they_are(concat: Any) -> None:
    name = sys.intern(new("a_name_of_mine"))
    assert concat([name], "!") == "a_name_of_mine!"
    del name
    items = [sys.intern(new("another_name_of_mine"))]
    assert concat(items, "!") == "another_name_of_mine!"
    assert sys.intern(new("another_name_of_mine")) == "another_name_of_mine"


def test_a_long_string_is_built_without_copying_it_each_time(concat: Any) -> None:
    items = [""]
    moves = 0
    for _ in range(2000):
        place = id(items[0])
        items.append(concat(items, "0123456789"))
        moves += id(items[0]) != place
    assert items[0] == "0123456789" * 2000
    assert moves < 1000


TEXTS = [
    "", "a", "b", "ab", "ba", "a\0", "\0a", "\x7f", "\x80", "é", "è", "aé", "bé", "€", "a€", "b€", "😀", "x" * 9, "x" * 8 + "y",
]  # fmt: skip


def test_equality_of_strings() -> None:
    code = compiled("trace t(r0: str, r1: str)\n  b2 = str_eq(r0, r1)\n  r3 = bool_box(b2)\n  finish(r3)")
    for left, right in itertools.product([*TEXTS, *map(new, TEXTS)], TEXTS):
        assert outcome(code, left, right)[2] is (left == right), (left, right)
    code.free()


WORDS = [b"", b"a", b"b", b"ab", b"ba", b"a\0", b"\0", b"\0a", b"abcdefgh", b"abcdefgi", b"\xff"]


@pytest.mark.parametrize("constant", [None, *WORDS])
def test_equality_of_bytes(constant: bytes | None) -> None:
    right = "r1" if constant is None else repr(constant)
    code = compiled(f"trace t(r0: bytes, r1: bytes)\n  b2 = bytes_eq({right}, r0)\n  r3 = bool_box(b2)\n  finish(r3)")
    for word, other in itertools.product([*WORDS, *[bytes(list(word)) for word in WORDS]], WORDS):
        expected = word == (other if constant is None else constant)
        assert outcome(code, word, other)[2] is expected, (word, other)
    code.free()


BOUNDS = [*range(-7, 8), 2**62, -(2**62), 2**63 - 1, -(2**63)]


@pytest.mark.parametrize(
    "whole", [b"hello", b"", "hello", "", "h\xe9ll\u20ac", (1, 2, 3, 4, 5), (), [1, 2, 3, 4, 5], []], ids=repr
)
def test_slices(whole: Any) -> None:
    cls = type(whole).__name__
    text = f"""trace t(r0: {cls}, r1: int, r2: int)
  i3 = int_unbox(r1) -> [r0]
  i4 = int_unbox(r2) -> [r0]
  r5 = call_c_r(r0, i3, i4) {{{cls}_slice}}
  guard_no_exception(r5) -> [r5]
  finish(r5)"""
    code = compiled(text)
    counts = Counts(whole).start()
    for start, stop in itertools.product(BOUNDS, BOUNDS):
        expected = whole[start:stop]
        part = outcome(code, whole, start, stop)[2]
        assert part == expected, (start, stop)
        assert type(part) is type(expected)
        assert (part is whole) == (expected is whole), (start, stop)
        del part, expected
    assert counts.changes() == [0]
    code.free()


@pytest.mark.parametrize("text", ["a word", b"some words"], ids=repr)
def test_matches(text: Any) -> None:
    form: Any = "(w)(x)?(o)"
    match = re.compile(form if type(text) is str else form.encode()).search(text)
    assert match is not None
    code = compiled(
        "trace t(r0: Match, r1: int)\n  i2 = int_unbox(r1) -> [r0]\n  i3 = match_mark(r0, i2)\n  i4 = match_groups(r0)\n"
        "  r5 = match_string(r0)\n  r6 = int_box(i3)\n  r7 = int_box(i4)\n  r8 = new_tuple(r5, r6, r7)\n  finish(r8)",
        {"Match": re.Match},
    )
    counts = Counts(match, text).start()
    for number in range(8):
        mark = (match.end if number % 2 else match.start)(number // 2)
        assert outcome(code, match, number)[2] == (text, mark, 4)
    assert counts.changes() == [0, 0]
    code.free()


DIGITS = """trace t(r0: int)
  i1 = int_unbox(r0) -> [r0]
  r2 = call_c_r(i1) {bytes_of_int}
  guard_no_exception(r2) -> [r0]
  r3 = call_c_r(i1) {str_of_int}
  guard_no_exception(r3) -> [r0]
  r4 = new_tuple(r2, r3)
  finish(r4)"""


def test_the_digits_of_integers_are_those_of_formats() -> None:
    code = compiled(DIGITS)
    edges = {sign * (10**power + step) for power in range(19) for step in (-1, 0, 1) for sign in (1, -1)}
    for number in [*sorted(edges), 2**63 - 1, -(2**63), 1 - 2**63]:
        found = outcome(code, number)[2]
        assert found == (b"%d" % number, str(number))
        if len(found[1]) == 1:  # strings of one character are CPython's own
            assert found[0] is bytes([found[0][0]])
            assert found[1] is chr(ord(found[1]))
    code.free()
