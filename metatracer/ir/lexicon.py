"""The words of trace text: names that mean something without a namespace, and what a name may look like."""

from __future__ import annotations

import array
import builtins
import re
import types
from typing import Any

_EXAMPLES: tuple[Any, ...] = ([], (), range(0), range(1 << 70), {}, {}.values(), {}.items(), "", "\u0100", b"", set())
_ITERATORS: list[type] = [type(iter(example)) for example in _EXAMPLES]

WELL_KNOWN: dict[str, Any] = {
    **vars(builtins),
    "array": array.array,
    "cell": types.CellType,
    "function": types.FunctionType,
    "builtin_function_or_method": types.BuiltinFunctionType,
    "method": types.MethodType,
    "module": types.ModuleType,
    "NoneType": type(None),
    **{iterator.__name__: iterator for iterator in _ITERATORS},
}
"""Names that need not be in the namespace: the builtins, and types that builtins does not name."""

VALUE_NAME = re.compile(r"[ifrbv]\d+\Z")
"""A value (kind letter and number), or a virtual (v)."""
BARE_NAME = re.compile(r"[A-Za-z_]\w*\Z")
RESERVED = frozenset(["true", "false", "NULL", "nan", "inf", "virtual", "finish", "nopush", "nothing", "trace", "_"])
CONSTANT_WORDS: dict[str, tuple[str, Any]] = {
    "true": ("b", True),
    "false": ("b", False),
    "nan": ("f", float("nan")),
    "inf": ("f", float("inf")),
    "None": ("r", None),
    "True": ("r", True),
    "False": ("r", False),
    "Ellipsis": ("r", ...),
    "NotImplemented": ("r", NotImplemented),
}
"""Words for constants: kind and value."""
