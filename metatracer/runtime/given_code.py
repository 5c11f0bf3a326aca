"""Code that functions of the interpreter are given for a time, or for good: the author's, with a tick at its entry.

It does the same as the author's code, so what was assumed of a function with one of them holds with the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType, FunctionType

_given: dict[CodeType, CodeType] = {}
"""The author's code of functions by that which they have been given instead."""


def give_code(function: FunctionType, given: CodeType) -> None:
    """Let a function run other code from now on, which does the same."""
    _given[given] = original_code(function)
    function.__code__ = given


def author_code(code: CodeType) -> CodeType:
    """The author's code for code that a function may have been given."""
    return _given.get(code, code)


def original_code(function: FunctionType) -> CodeType:
    """The author's code of a function that may have been given another one."""
    return author_code(function.__code__)
