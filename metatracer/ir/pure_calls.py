"""C functions that depend on their arguments only, and have no effect, if these are of immutable builtin classes."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

IMMUTABLE = frozenset({int, float, complex, bool, str, bytes, type(None), range})
"""Classes of arguments and results; tuples of such are immutable, too."""
NOTHING = object()

_METHODS: dict[type, str] = {
    str: "capitalize casefold center count endswith expandtabs find index isalnum isalpha isascii isdecimal isdigit "
    "isidentifier islower isnumeric isprintable isspace istitle isupper ljust lower lstrip partition removeprefix "
    "removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title "
    "upper zfill",
    bytes: "count decode endswith find hex index isalnum isalpha isdigit islower isspace isupper lower lstrip partition "
    "removeprefix removesuffix replace rfind rindex rpartition rsplit rstrip split splitlines startswith strip upper",
    int: "bit_length bit_count to_bytes conjugate",
    float: "is_integer as_integer_ratio hex conjugate",
    tuple: "count index",
}
PURE = frozenset(
    [
        *[getattr(cls, name) for cls, names in _METHODS.items() for name in names.split()],
        abs, ascii, bin, bool, bytes, chr, divmod, float, hash, hex, int, len, max, min, oct, ord, pow, repr, round, str,
        sum, tuple, math.ceil, math.floor, math.sqrt, math.trunc, math.gcd, math.isqrt, math.pow, math.fmod, math.log2,
        math.log10, math.hypot, math.copysign, math.isnan, math.isinf, operator.add, operator.sub, operator.mul,
        operator.truediv, operator.floordiv, operator.mod, operator.neg, operator.eq, operator.ne, operator.lt,
        operator.le, operator.gt, operator.ge, operator.and_, operator.or_, operator.xor, operator.not_,
    ]
)  # fmt: skip


_GIVES_LIST = frozenset([getattr(cls, name) for cls in (str, bytes) for name in ("rsplit", "split", "splitlines")])


def is_immutable(obj: Any) -> bool:
    """Whether an object and all that it consists of never change."""
    cls = type(obj)
    return cls in IMMUTABLE or (cls is tuple and all(map(is_immutable, obj)))


def is_pure(function: Any) -> bool:
    """Whether a callable is one of the table; asking runs no code of the guest."""
    return type(function) in _KINDS and function in PURE


def gives_immutable(function: Any) -> bool:
    """Whether what a function of the table gives never changes, so that two equal calls may give the same object."""
    return function not in _GIVES_LIST


_KINDS = (type, type(len), type(str.split))


def fold(function: Any, arguments: Sequence[Any]) -> Any:
    """The result of a pure function for immutable arguments, or NOTHING when it has to be called (and raises, say)."""
    if not all(map(is_immutable, arguments)):
        return NOTHING
    try:
        return function(*arguments)
    except Exception:  # noqa: BLE001 - it raises when it is called, too
        return NOTHING
