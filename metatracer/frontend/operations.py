"""The meaning of JitCode operations on ordinary Python values: those that need nothing but their operands.

Most are the Python expression itself. Where only an instruction of CPython gives the exact behaviour and message
(matching, `except*`, unpacking ...), a *snippet* is used: a function whose code is that one instruction between loads
of its operands and a return. This is the frontend's own checking tool; nothing of it runs in a traced program.
"""

from __future__ import annotations

import builtins
import dis
import functools
import operator
import sys
import types
from typing import TYPE_CHECKING, Any

from metatracer.frontend.decode_312 import INTRINSICS_1, INTRINSICS_2
from metatracer.ir.values import NULL_OBJECT

if TYPE_CHECKING:
    from collections.abc import Callable

_CODEUNITS_OF_CACHE = {"UNPACK_SEQUENCE": 1}


def _assemble(*instructions: tuple[str, int]) -> bytes:
    out = bytearray()
    for opname, arg in instructions:
        if arg > 0xFF:
            out += bytes((dis.opmap["EXTENDED_ARG"], arg >> 8))
        out += bytes((dis.opmap[opname], arg & 0xFF))
        out += bytes(2 * _CODEUNITS_OF_CACHE.get(opname, 0))
    return bytes(out)


@functools.cache
def snippet(
    opname: str, arg: int, operands: tuple[int, ...], results: int, dropped: int = 0, name: str = ""
) -> Callable[..., Any]:
    """A function that runs one CPython instruction.

    Args:
        opname: The instruction.
        arg: Its argument.
        operands: What to load before it, as numbers of the function's parameters, in stack order.
        results: How many of the topmost values it leaves are the result: 1 gives the value, else a tuple, lowest first.
        dropped: How many values below the results are to be dropped.
        name: The only entry of `co_names`.
    """
    template = (lambda: None).__code__
    count = max(operands) + 1
    body = [("RESUME", 0), *(("LOAD_FAST", number) for number in operands), (opname, arg)]
    if results != 1:
        body.append(("BUILD_TUPLE", results))
    for _ in range(dropped):
        body += [("SWAP", 2), ("POP_TOP", 0)]
    body.append(("RETURN_VALUE", 0))
    code = template.replace(
        co_code=_assemble(*body),
        co_varnames=tuple(f"operand{number}" for number in range(count)),
        co_nlocals=count,
        co_argcount=count,
        co_names=(name,) if name else (),
        co_stacksize=len(operands) + results + 2,
        co_exceptiontable=b"",
        co_name=opname.lower(),
    )
    return types.FunctionType(code, {"__builtins__": builtins})


# --- tables by operation --------------------------------------------------------------------------------------------

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "@": lambda a, b: a @ b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "**": lambda a, b: a**b,
    "+=": operator.iadd,
    "-=": operator.isub,
    "*=": operator.imul,
    "@=": operator.imatmul,
    "/=": operator.itruediv,
    "//=": operator.ifloordiv,
    "%=": operator.imod,
    "<<=": operator.ilshift,
    ">>=": operator.irshift,
    "&=": operator.iand,
    "|=": operator.ior,
    "^=": operator.ixor,
    "**=": operator.ipow,
}

UNARY: dict[str, Callable[[Any], Any]] = {"+": operator.pos, "-": operator.neg, "~": operator.invert}

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
}

CONVERT: dict[str, Callable[[Any], Any]] = {"": lambda value: value, "s": str, "r": repr, "a": ascii}


def _is(inverted: bool, left: Any, right: Any) -> bool:
    return (left is right) is not inverted


def _contains(inverted: bool, item: Any, container: Any) -> bool:
    return (item in container) is not inverted


def _getattr(name: str, owner: Any) -> Any:
    return getattr(owner, name)


def _setattr(name: str, owner: Any, value: Any) -> None:
    setattr(owner, name, value)


def _delattr(name: str, owner: Any) -> None:
    delattr(owner, name)


def _super_getattr(name: str, super_class: Any, cls: Any, owner: Any) -> Any:
    return getattr(super_class(cls, owner), name)


def _setitem(_: None, container: Any, key: Any, value: Any) -> None:
    container[key] = value


def _delitem(_: None, container: Any, key: Any) -> None:
    del container[key]


def _call_ex(_: None, function: Any, args: Any, kwargs: Any) -> Any:
    return function(*args) if kwargs is NULL_OBJECT else function(*args, **kwargs)


def _intrinsic(name: str, *operands: Any) -> Any:
    if name == "INTRINSIC_PREP_RERAISE_STAR" and "PREP_RERAISE_STAR" in dis.opmap:
        return snippet("PREP_RERAISE_STAR", 0, (0, 1), 1)(*operands)
    if len(operands) == 1:
        return snippet("CALL_INTRINSIC_1", INTRINSICS_1.index(name), (0,), 1)(*operands)
    return snippet("CALL_INTRINSIC_2", INTRINSICS_2.index(name), (0, 1), 1)(*operands)


def _build_map(_: None, *items: Any) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _format_value(conversion: str, value: Any, spec: str = "") -> str:
    return format(CONVERT[conversion](value), spec)


def _list_append(_: None, items: list[Any], value: Any) -> None:
    items.append(value)


def _set_add(_: None, items: set[Any], value: Any) -> None:
    items.add(value)


def _map_add(_: None, items: dict[Any, Any], key: Any, value: Any) -> None:
    items[key] = value


def _list_extend(_: None, items: list[Any], values: Any) -> None:
    snippet("LIST_EXTEND", 1, (0, 1), 1)(items, values)


def _set_update(_: None, items: set[Any], values: Any) -> None:
    snippet("SET_UPDATE", 1, (0, 1), 1)(items, values)


def _dict_update(_: None, items: dict[Any, Any], values: Any) -> None:
    snippet("DICT_UPDATE", 1, (0, 1), 1)(items, values)


def _dict_merge(_: None, items: dict[Any, Any], values: Any, function: Any) -> None:
    # The callable lies two or three slots below the dict; what lies between does not matter.
    below = (2, 2, 2) if sys.version_info >= (3, 13) else (2, 2)
    snippet("DICT_MERGE", 1, (*below, 0, 1), 1, len(below))(items, values, function)


def _unpack_sequence(count: int, values: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = (
        snippet("UNPACK_SEQUENCE", count, (0,), count)(values)
        if count != 1
        else (snippet("UNPACK_SEQUENCE", 1, (0,), 1)(values),)
    )
    return found[::-1]


def _unpack_ex(counts: tuple[int, int], values: Any) -> Any:
    before, after = counts
    total = before + 1 + after
    found = snippet("UNPACK_EX", before | after << 8, (0,), total)(values)
    return found if total == 1 else found[::-1]


def _check_exc_match(_: None, exc: Any, cls: Any) -> bool:
    found: bool = snippet("CHECK_EXC_MATCH", 0, (0, 1), 1, 1)(exc, cls)
    return found


def _check_eg_match(_: None, exc: Any, cls: Any) -> Any:
    return snippet("CHECK_EG_MATCH", 0, (0, 1), 2)(exc, cls)


def _before_with(_: None, manager: Any) -> Any:
    return snippet("BEFORE_WITH", 0, (0,), 2)(manager)


def _with_except_start(_: None, exit_function: Any, exc: BaseException) -> Any:
    return exit_function(type(exc), exc, exc.__traceback__)


def _match_class(count: int, subject: Any, cls: Any, names: Any) -> Any:
    return snippet("MATCH_CLASS", count, (0, 1, 2), 1)(subject, cls, names)


def _set_function_attribute(name: str, value: Any, function: Any) -> Any:
    if name == "closure":
        made = types.FunctionType(function.__code__, function.__globals__, None, function.__defaults__, value)
        made.__kwdefaults__, made.__annotations__ = function.__kwdefaults__, function.__annotations__
        return made
    if name == "annotations" and type(value) is tuple:
        value = dict(zip(value[::2], value[1::2], strict=True))
    setattr(function, f"__{name}__", value)
    return function


def _import_from(name: str, module: Any) -> Any:
    return snippet("IMPORT_FROM", 0, (0,), 1, 1, name)(module)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "binary": lambda symbol, a, b: BINARY[symbol](a, b),
    "unary": lambda symbol, a: UNARY[symbol](a),
    "not": lambda _, value: not value,
    "truth": lambda _, value: bool(value),
    "compare": lambda symbol, a, b: COMPARE[symbol](a, b),
    "compare_truth": lambda symbol, a, b: bool(COMPARE[symbol](a, b)),
    "is": _is,
    "contains": _contains,
    "getattr": _getattr,
    "setattr": _setattr,
    "delattr": _delattr,
    "super_getattr": _super_getattr,
    "getitem": lambda _, container, key: container[key],
    "setitem": _setitem,
    "delitem": _delitem,
    "call_ex": _call_ex,
    "intrinsic": _intrinsic,
    "build_tuple": lambda _, *items: items,
    "build_list": lambda _, *items: list(items),
    "build_set": lambda _, *items: set(items),
    "build_map": _build_map,
    "build_const_key_map": lambda keys, *values: dict(zip(keys, values, strict=True)),
    "build_string": lambda _, *parts: "".join(parts),
    "build_slice": lambda _, *bounds: slice(*bounds),
    "format_value": _format_value,
    "convert_value": lambda conversion, value: CONVERT[conversion](value),
    "list_append": _list_append,
    "set_add": _set_add,
    "map_add": _map_add,
    "list_extend": _list_extend,
    "list_to_tuple": lambda _, items: tuple(items),
    "set_update": _set_update,
    "dict_update": _dict_update,
    "dict_merge": _dict_merge,
    "unpack_ex": _unpack_ex,
    "get_iter": lambda _, value: iter(value),
    "check_exc_match": _check_exc_match,
    "check_eg_match": _check_eg_match,
    "before_with": _before_with,
    "with_except_start": _with_except_start,
    "get_len": lambda _, value: len(value),
    "match_mapping": lambda _, value: snippet("MATCH_MAPPING", 0, (0,), 1, 1)(value),
    "match_sequence": lambda _, value: snippet("MATCH_SEQUENCE", 0, (0,), 1, 1)(value),
    "match_keys": lambda _, subject, keys: snippet("MATCH_KEYS", 0, (0, 1), 1, 2)(subject, keys),
    "match_class": _match_class,
    "set_function_attribute": _set_function_attribute,
    "import_from": _import_from,
}
"""Operation -> function of `arg` and the sources. It gives the value of the destination, or a tuple of several.

Missing are the operations that need the frame: see `evaluator`. "unpack_sequence" is one of them for its count only.
"""

unpack_sequence = _unpack_sequence
