"""Matches of regular expressions: bounds and texts of groups are read in place."""

from __future__ import annotations

import re

import pytest

from tests.recorder.recording import agrees, cases, check, recorded


def match(text):
    """Not deep, as copies of matches are themselves."""
    return re.search("(b)|(x)" if isinstance(text, str) else b"(b)|(x)", text)


@recorded(match("abc"), 1)
def bounds_of_the_whole_match(a, b):
    """
    guard_type(r0) {Match}
    i2 = match_mark(r0, 1)
    i3 = match_mark(r0, 0)
    i4 = int_sub_ovf(i2, i3)
    r5 = int_box(i4)
    jump(r5, r1)
    """
    return a.end() - a.start()


@recorded(match("abc"), 1)
def a_group_that_took_no_part(a, b):
    """
    guard_type(r0) {Match}
    i2 = match_groups(r0)
    b3 = int_lt(2, i2)
    guard_true(b3)
    i4 = match_mark(r0, 4)
    r5 = int_box(i4)
    jump(r5, r1)
    """
    return a.start(2)


@recorded(match(b"abc"), 1)
def the_text_of_a_match(a, b):
    """
    guard_type(r0) {Match}
    r2 = match_string(r0)
    guard_type(r2) {bytes}
    i3 = match_mark(r0, 0)
    i4 = match_mark(r0, 1)
    r5 = call_c_r(r2, i3, i4) {bytes_slice}
    guard_no_exception(r5)
    jump(r5, r1)
    """
    return a.group()


@recorded(match("abc"), 1)
def the_bounds_together(a, b):
    """
    ...
    r4 = int_box(i2)
    r5 = int_box(i3)
    r6 = new_tuple(r4, r5)
    ...
    ! call
    """
    return a.span()


@recorded(match("abc"), 1)
def groups_named_otherwise_are_asked_for(a, b):
    """
    ...
    r5 = call(start, r0, r4)
    ...
    """
    return a.start(b == 1)


@recorded(match(bytearray(b"abc")), 1)
def the_text_of_what_changes_is_asked_for(a, b):
    """
    ...
    r2 = call(group, r0)
    ...
    """
    return a.group()


@pytest.mark.parametrize("step", cases(globals()), ids=lambda step: step.__name__)
def test_recorded(step):
    check(step)


def all_of_it(a, b):
    total = a.end() * 3 + a.start(1) + a.end(1) * 5 + a.start(2) + sum(a.span()) + sum(a.span(1))
    return total, a.group(), a.group(1), a.group(2), a.group(0)


@pytest.mark.parametrize("text", ["abc", "x", "\u00e9b", b"abc", bytearray(b"ax"), "b"], ids=repr)
def test_agrees(text):
    agrees(all_of_it, match(text), 0)
