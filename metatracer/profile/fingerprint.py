"""A name for guest code that is the same in each process: from the values of its greens.

Objects have no such name of their own. What their class declares as `_immutable_fields_` says what they are, as far as numbers,
strings, tuples, lists and further such objects are in them. Two loops with one fingerprint are possible; whoever uses
fingerprints must do without exactness.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from types import CodeType, FunctionType, MemberDescriptorType
from typing import Any

_BY_VALUE = (bool, int, float, str, bytes, type(None))
_MOST_VALUES = 500
"""That are looked at: the beginning of a long program tells it from others."""
_DEEPEST = 6
_HEX_DIGITS = 20


def fingerprint(*values: Any) -> str:
    """Hexadecimal digits that depend on the content of the values only."""
    tokens: list[str] = []
    for value in values:
        _describe(value, tokens, [])
    return hashlib.sha256("\0".join(tokens).encode("utf-8", "backslashreplace")).hexdigest()[:_HEX_DIGITS]


def _describe(value: Any, tokens: list[str], around: list[int]) -> None:
    """Add what a value is; `around` are the identities of the values that it is in."""
    cls = type(value)
    if cls in _BY_VALUE:
        tokens.append(repr(value))
        return
    tokens.append(f"{cls.__module__}.{cls.__qualname__}")
    if isinstance(value, (type, FunctionType)):
        tokens.append(f"{value.__module__}.{value.__qualname__}")
    elif isinstance(value, CodeType):
        tokens.append(value.co_qualname)
    elif id(value) not in around and len(around) < _DEEPEST:
        parts = list(value) if cls in (tuple, list) else _fields(value)
        tokens.append(str(len(parts)))
        around.append(id(value))
        for part in parts:
            if len(tokens) >= _MOST_VALUES:
                break
            _describe(part, tokens, around)
        around.pop()


def _fields(value: Any) -> list[Any]:
    """What the author has declared immutable, as far as it is there.

    This runs no code of the author's, and does not ask for `__dict__`: CPython would move the attributes out of the instance,
    and what code assumes of them there would not hold any more.
    """
    mro = type(value).__mro__
    names = [name.partition("[")[0].rstrip("?") for cls in mro for name in vars(cls).get("_immutable_fields_", ())]
    found = []
    for name in names:
        member = next((vars(cls)[name] for cls in mro if name in vars(cls)), None)
        with suppress(AttributeError):  # it has not been assigned
            if isinstance(member, MemberDescriptorType):
                found.append(member.__get__(value))
            elif not hasattr(type(member), "__get__"):
                found.append(object.__getattribute__(value, name))
    return found
