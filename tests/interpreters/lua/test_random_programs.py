"""Random Lua programs print the same in all modes of tracing, and on PUC Lua where it is installed."""

from __future__ import annotations

import pytest

from tests.interpreters.lua.random_programs import check


@pytest.mark.parametrize("number", range(2))
def test_random_program_prints_the_same_in_all_modes(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(5, number, number + 1) == 0, capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 30, 5))
def test_more_random_programs_print_the_same_in_all_modes(first: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(6, first, first + 5) == 0, capsys.readouterr().out
