"""The two matchers find the same, and callbacks of gsub and iteration do what PUC Lua's do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreters.lua.strings import patterns
from interpreters.lua.strings.patterns import Pattern, PatternError
from tests.interpreters.lua import puc
from tests.interpreters.lua.machines import MACHINE, answer, builtin, table

_LETTERS = st.sampled_from(
    [b"a", b"b", b"c", b"1", b" ", b"\0", b"]", b"-", b"%%", b"\xff", b".", b"%a", b"%d", b"%s", b"%W", b"%A"]
)
_SETS = st.sampled_from(
    [
        b"[ab]",
        b"[^a]",
        b"[a-c]",
        b"[%a-]",
        b"[^%s\0]",
        b"[]a]",
        b"[^]]",
        b"[b-%%]",
        b"[\x80-\xff]",
        b"[%s%S]",
        b"[^%s%S]",
    ]
)
_SUFFIXES = st.sampled_from([b"", b"", b"", b"*", b"+", b"-", b"?"])
_SINGLES = st.builds(lambda item, suffix: item + suffix, _LETTERS | _SETS, _SUFFIXES)
_FRONTIERS = _SETS.map(lambda item: b"%f" + item)
_ITEMS = _SINGLES | _FRONTIERS | st.sampled_from([b"()", b"%1", b"%2", b"$"])
_GROUPS = st.recursive(
    _ITEMS, lambda inner: st.lists(inner, max_size=4).map(lambda items: b"(" + b"".join(items) + b")")
)
_PATTERNS = st.builds(
    lambda anchor, items, end: anchor + b"".join(items) + end,
    st.sampled_from([b"", b"", b"", b"^"]),
    st.lists(_GROUPS | st.just(b"%bab"), max_size=6),
    st.sampled_from([b"", b"", b"$"]),
)
_ANY_PATTERNS = _PATTERNS | st.lists(st.sampled_from([bytes([byte]) for byte in b"ab%[]()^$*+-?.f1"]), max_size=10).map(
    b"".join
)
_SUBJECTS = st.lists(
    st.sampled_from([b"a", b"b", b"ab", b"aab", b"c", b"1", b" ", b"\0", b"]", b"-", b"\xff", b"\n"]), max_size=14
).map(b"".join)


def _found(pattern: Pattern, match: Any) -> Any:
    return None if match is None else (match.start(), match.end(), pattern.values(match))


@settings(max_examples=600, deadline=None)
@given(_PATTERNS, _SUBJECTS, st.integers(0, 5))
def test_regular_expression_finds_what_backtracking_finds(source: bytes, subject: bytes, start: int) -> None:
    pattern = Pattern(source)
    regex = pattern.translate()
    if regex is None or start > len(subject):
        return
    by_regex = regex.match(subject, start) if pattern.anchored else regex.search(subject, start)
    assert _found(pattern, by_regex) == _found(pattern, pattern.search_backtracking(subject, start))


def test_regular_expression_is_made_for_ordinary_patterns() -> None:
    # Or the test above would compare nothing.
    for source in (b"(%w+)=(%w+)", b"^%s*(.-)%s*$", b"%f[%a]%a+()", b"(a)%1", b"[^%s]-$"):
        assert Pattern(source).translate() is not None, source
    for source in (b"%b()", b"(a", b"a?" * 200, b"[a", b"()" * 33):
        assert Pattern(source).translate() is None, source


_FEW_ITEMS = st.builds(
    lambda anchor, items, end: anchor + b"".join(items) + end,
    st.sampled_from([b"", b"^"]),
    st.lists(_SINGLES | st.sampled_from([b"()", b"(a*)", b"([^b]*)b", b"(%a+)", b"(%d?)"]), max_size=3),
    st.sampled_from([b"", b"$"]),
)


@settings(max_examples=1000, deadline=None)
@given(_FEW_ITEMS, _SUBJECTS, st.integers(0, 5))
def test_matching_directly_finds_what_backtracking_finds(source: bytes, subject: bytes, start: int) -> None:
    pattern = Pattern(source)
    if pattern._is_direct and start <= len(subject):
        found = pattern.search_directly(subject, start)
        assert _found(pattern, found) == _found(pattern, pattern.search_backtracking(subject, start))


def test_ordinary_patterns_are_matched_directly() -> None:
    for source in (
        b"%S", b"%a+", b"[^\n]+", b"([^,]*),", b"^%s*", b"^true", b"^-?%d+%.?%d*[eE]?[+-]?%d*", b"^(%a+)%s*=%s*(%d+)$", b"%d+()",
        b"^%s+$", b"(%s*)",
    ):  # fmt: skip
        assert Pattern(source)._is_direct, source
    for source in (b"ab", b"%a+1", b"a*a", b"^a*a", b"^(.*)$x", b"^%s*(.-)%s*$", b"%d+$", b"^(.*),", b"(a)%1", b"^%bab", b"^(a"):
        assert not Pattern(source)._is_direct, source


@settings(max_examples=150, deadline=None)
@given(
    _PATTERNS,
    _SUBJECTS,
    st.sampled_from([b"", b"x", b"%0%0", b"<%1>", b"%2", b"%", b"\\1"]),
    st.none() | st.integers(-1, 4),
)
def test_gsub_is_the_same_cold_and_warm(source: bytes, subject: bytes, replacement: bytes, limit: int | None) -> None:
    answers = []
    for warming in (10**9, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(patterns, "WARMING_MATCHES", warming)
            patch.setattr(patterns, "_patterns", {})
            answers.append(answer("gsub", subject, source, replacement, limit))
    assert answers[0] == answers[1]


@pytest.mark.skipif(puc.LUA is None, reason="PUC Lua 5.4 is not installed")
@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(_ANY_PATTERNS, _SUBJECTS, st.integers(-3, 5)), min_size=60, max_size=60))
def test_find_and_gsub_answer_as_puc_lua(cases: list[tuple[bytes, bytes, int]]) -> None:
    calls: list[tuple[str, tuple[Any, ...]]] = []
    for source, subject, start in cases:
        calls.append(("string.find", (subject, source, start)))
        calls.append(("string.gsub", (subject, source, b"<%0>")))
    for (name, args), theirs in zip(calls, puc.ask(calls), strict=True):
        assert answer(name.removeprefix("string."), *args) == theirs, (name, args)


def _gmatch(subject: bytes, source: bytes, *rest: Any) -> list[list[Any]]:
    iterator = answer("gmatch", subject, source, *rest)[0]
    results = []
    while (values := MACHINE.call(iterator, [])) != [None]:
        results.append(values)
    return results


def test_gmatch_goes_through_the_matches() -> None:
    assert _gmatch(b"one two", b"%a+") == [[b"one"], [b"two"]]
    assert _gmatch(b"a=1, b=2", b"(%w+)=(%w+)") == [[b"a", b"1"], [b"b", b"2"]]
    assert _gmatch(b"abc", b"()") == [[1], [2], [3], [4]]
    assert _gmatch(b"one two", b"%a*") == [[b"one"], [b"two"]]
    assert _gmatch(b"one two", b"%a+", 4) == [[b"two"]]
    assert _gmatch(b"one two", b"%a+", -2) == [[b"wo"]]
    assert _gmatch(b"one two", b"%a*", 100) == []


def test_gmatch_takes_a_leading_caret_for_a_character() -> None:
    assert _gmatch(b"abc", b"^a") == []
    assert _gmatch(b"^a^a", b"^a") == [[b"^a"], [b"^a"]]


def test_gmatch_complains_at_the_first_step() -> None:
    step = answer("gmatch", b"a", b"[")[0]
    with pytest.raises(Exception, match="malformed pattern"):
        MACHINE.call(step, [])
    assert answer("gmatch", b"a") == "bad argument #2 to 'gmatch' (string expected, got no value)"


def test_gsub_with_a_table_replaces_what_it_has() -> None:
    assert answer("gsub", b"abc", b"%w", table({b"a": 1, b"b": 2.5, b"c": False})) == [b"12.5c", 3]
    assert answer("gsub", b"abc", b"()", table({1: b"x", 2: 2})) == [b"xa2bc", 4]
    upper = table({}, {b"__index": builtin(lambda _, key: key.upper())})
    assert answer("gsub", b"abc", b"%w", upper) == [b"ABC", 3]
    assert answer("gsub", b"abc", b"%w", table({b"a": True})) == "invalid replacement value (a boolean)"
    assert answer("gsub", b"abc", b"%w", table({b"a": table({})})) == "invalid replacement value (a table)"


def test_gsub_with_a_function_gives_it_the_captures() -> None:
    assert answer("gsub", b"abc", b"%w", builtin(lambda x: None if x == b"b" else x + x)) == [b"aabcc", 3]
    assert answer("gsub", b"abc", b"(a)(b)(c)", builtin(lambda *xs: len(xs))) == [b"3", 1]
    assert answer("gsub", b"abc", b"%w", builtin(lambda x: ())) == [b"abc", 3]
    assert answer("gsub", b"abc", b"%w", builtin(lambda x: True)) == "invalid replacement value (a boolean)"
    assert answer("gsub", b"a(b)c", b"%b()", builtin(lambda x: b"!")) == [b"a!c", 1]


def test_deep_patterns_are_too_complex_only_when_they_get_deep() -> None:
    assert Pattern(b"a?" * 250).search(b"b", 0) is not None
    with pytest.raises(PatternError, match="too complex"):
        Pattern(b"a?" * 250).search(b"a" * 250, 0)


def test_exponential_patterns_do_not_use_up_the_stack() -> None:
    subject = b"a" * 100_000
    assert answer("find", subject, b"(a*)(.-)$") == [1, 100_000, subject, b""]
    assert answer("gsub", subject, b".-", b"") == [subject, 100_001]
    assert answer("match", b"(" * 100_000 + b")" * 100_000, b"^%b()$") == [b"(" * 100_000 + b")" * 100_000]


def test_caches_are_bounded() -> None:
    for number in range(3 * patterns.CACHE_SIZE):
        answer("find", b"x", b"%d%%" + b"%d" % number)
    assert len(patterns._patterns) <= patterns.CACHE_SIZE
