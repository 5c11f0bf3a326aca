"""Random Lua programs print the same in all modes of tracing, and on PUC Lua where it is installed.

More of them: `python -m tests.interpreters.lua.random_programs SEED FIRST LAST --check`.
"""

from __future__ import annotations

import pytest

from tests.interpreters.lua.random_programs import check

pytestmark = pytest.mark.timeout(400)  # a program is run in four modes, with a trace for everything that it does


def test_a_random_program_prints_the_same_in_all_modes(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(5, 1, 2) == 0, capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("number", range(2))
def test_more_random_programs_print_the_same_in_all_modes(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(6, number, number + 1) == 0, capsys.readouterr().out
