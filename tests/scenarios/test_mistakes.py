"""An author's mistake gets a sentence with the file and the line of it."""

from __future__ import annotations

import pytest

from metatracer import UsageError, parameters

_PORTAL = """
from metatracer import JitDriver
driver = JitDriver({driver})
@driver.portal
def run(code, stack):
{body}
"""

_GOOD_BODY = """
    pc = 0
    while pc < len(code):
        driver.jit_merge_point(pc=pc, code=code)
        pc += 1
    return pc
"""


def author_file(driver: str, body: str) -> dict[str, object]:
    """Execute a module as though it were the file author.py."""
    module: dict[str, object] = {"__name__": "author"}
    exec(compile(_PORTAL.format(driver=driver, body=body.strip("\n")), "author.py", "exec"), module)
    return module


GREENS = 'greens=["pc", "code"], reds="auto"'

CASES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "a green that is no local": (
        'greens=["pc", "bytecode"], reds="auto"',
        """
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, bytecode=bytecode)
        pc += 1
""",
        ("author.py:", "bytecode", "local"),
    ),
    "a green that is not passed": (
        GREENS,
        """
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc)
        pc += 1
""",
        ("author.py:8", "code"),
    ),
    "an argument that is no plain local": (
        GREENS,
        """
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc + 1, code=code)
        pc += 1
""",
        ("author.py:8", "pc"),
    ),
    "a red that is missing": (
        'greens=["pc", "code"], reds=["stack"]',
        """
    pc = 0
    total = 0
    while pc < 10:
        driver.jit_merge_point(pc=pc, code=code, stack=stack)
        total += stack[pc]
        pc += 1
    return total
""",
        ("author.py:9", "total", "red"),
    ),
    "a merge point in a for loop": (
        GREENS,
        """
    pc = 0
    for pc in code:
        driver.jit_merge_point(pc=pc, code=code)
    return pc
""",
        ("author.py:8", "for"),
    ),
    "two merge points": (
        GREENS,
        """
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        pc += 1
        driver.jit_merge_point(pc=pc, code=code)
""",
        ("author.py:10", "second merge point"),
    ),
    "no merge point": (
        GREENS,
        """
    return len(code)
""",
        ("author.py:", "jit_merge_point"),
    ),
    "a generator": (
        GREENS,
        """
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        yield pc
""",
        ("author.py:", "generator"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_mistake_in_a_portal_is_told_when_it_is_installed(name: str) -> None:
    driver, body, words = CASES[name]
    with pytest.raises(UsageError) as caught:
        author_file(driver, body)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.filename == "author.py"


def test_good_portal_is_installed_and_runs() -> None:
    run = author_file(GREENS, _GOOD_BODY)["run"]
    assert callable(run)
    assert run((1, 2, 3), []) == 3


def test_unhashable_green_is_told_with_its_line() -> None:
    run = author_file(GREENS, _GOOD_BODY)["run"]
    assert callable(run)
    with parameters(threshold=1, function_threshold=1), pytest.raises(UsageError) as caught:
        run([1, 2, 3] * 50, [])
    for word in ("author.py:8", "code", "hash", "list"):
        assert word in str(caught.value)
