"""The patterns that the docstrings of recorder tests are."""

from __future__ import annotations

import pytest

from tests.recorder.recording import mismatch


@pytest.mark.parametrize(
    ("pattern", "lines", "problem"),
    [
        ("a b", "a b", ""),
        ("a", "a b", "more than expected: b"),
        ("a b", "a", "not found behind line 1: b"),
        ("b", "a", "not found behind line 0: b"),
        ("a ...", "a b c", ""),
        ("... c", "a b c", ""),
        ("a ... c", "a b d", "not found behind line 1: c"),
        ("... b", "a b c", "more than expected: c"),
        ("... b ...", "a b c", ""),
        ("!b ...", "a b c", "unexpected: b"),
        ("!d a b c", "a b c", ""),
    ],
)
def test_patterns(pattern, lines, problem):
    expected = [line.replace("!", "! ") for line in pattern.split()]
    assert mismatch(expected, lines.split()) == problem
