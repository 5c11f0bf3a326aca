"""The string and utf8 libraries answer as PUC Lua does."""

from __future__ import annotations

import pytest

from interpreters.lua.strings import patterns
from tests.interpreters.lua import puc, string_cases
from tests.interpreters.lua.machines import answer

ALL_CASES = [
    case for name in sorted(dir(string_cases)) if name.endswith("_CASES") for case in getattr(string_cases, name)
]


def _named(case: string_cases.Case) -> str:
    return f"{case[0]}{case[1]}"[:60]


def _same(ours: object, expected: object) -> bool:
    # repr tells 1 from 1.0 and True, 0.0 from -0.0, and takes NaNs for equal.
    return repr(ours) == repr(expected)


@pytest.mark.parametrize("case", ALL_CASES, ids=_named)
def test_answer_is_that_of_puc_lua(case: string_cases.Case) -> None:
    name, args, expected = case
    assert _same(answer(name, *args), expected), (answer(name, *args), expected)


@pytest.mark.parametrize("case", string_cases.PATTERN_CASES, ids=_named)
def test_answer_of_warm_patterns_is_that_of_puc_lua(case: string_cases.Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "WARMING_MATCHES", 0)
    monkeypatch.setattr(patterns, "_patterns", {})
    name, args, expected = case
    assert _same(answer(name, *args), expected), (answer(name, *args), expected)


@pytest.mark.skipif(puc.LUA is None, reason="PUC Lua 5.4 is not installed")
def test_cases_are_what_puc_lua_answers() -> None:
    calls = [(name if "." in name or name.startswith("to") else f"string.{name}", args) for name, args, _ in ALL_CASES]
    wrong = [
        (name, args, expected, theirs)
        for (name, args, expected), theirs in zip(ALL_CASES, puc.ask(calls), strict=True)
        if not _same(theirs, expected)
    ]
    assert not wrong
