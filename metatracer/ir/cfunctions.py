"""The C functions that machine code calls directly, one row each.

All but the searches of dicts and the slices are part of CPython's C API, and return new references unless the row's `error` says that NULL
is possible. A row that may run arbitrary code (`runs_code`) may also observe and change the whole heap.
"""

from __future__ import annotations

import ctypes
import math
import operator
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

from metatracer.ir.opcodes import Effect
from metatracer.ir.values import NULL_OBJECT, CFunction

CFUNCTIONS: dict[str, CFunction] = {}


def _row(  # noqa: PLR0913 - the columns of the table
    name: str,
    symbol: str,
    args: str,
    result: str,
    *,
    c_args: tuple[str, ...] | None = None,
    c_result: str | None = None,
    error: str | None = None,
    effects: Effect | None = None,
    reads: Effect = Effect.NONE,
    writes: Effect = Effect.NONE,
    runs_code: bool = False,
    pure: bool = False,
    evaluate: Any = None,
    releases: bool = False,
) -> CFunction:
    c_type = {"r": "ptr", "i": "i64", "f": "double"}
    if runs_code:
        reads = writes = Effect.ANY
    row = CFunction(
        name,
        symbol,
        args,
        result,
        c_args or tuple(c_type[kind] for kind in args),
        c_result or c_type[result],
        error or ("null" if result == "r" else "minus1"),
        reads,
        writes if effects is None else effects,
        runs_code,
        pure,
        evaluate,
        releases,
    )
    assert name not in CFUNCTIONS
    CFUNCTIONS[name] = row
    return row


def _new_function(code: CodeType, namespace: dict[str, Any]) -> FunctionType:
    closure = tuple([CellType() for _ in code.co_freevars]) or None
    return FunctionType(code, namespace, None, None, closure)


def _set_closure(function: FunctionType, closure: tuple[CellType, ...]) -> int:
    return int(ctypes.pythonapi.PyFunction_SetClosure(ctypes.py_object(function), ctypes.py_object(closure)))


# --- any object: may run code -----------------------------------------------------------------------------------------

BINARY: dict[str, CFunction] = {}
"""Row of each binary operator, also with "=" behind it for the in-place form."""
for _symbol, _stem, _function, _inplace in [
    ("+", "Add", operator.add, operator.iadd),
    ("-", "Subtract", operator.sub, operator.isub),
    ("*", "Multiply", operator.mul, operator.imul),
    ("@", "MatrixMultiply", operator.matmul, operator.imatmul),
    ("/", "TrueDivide", operator.truediv, operator.itruediv),
    ("//", "FloorDivide", operator.floordiv, operator.ifloordiv),
    ("%", "Remainder", operator.mod, operator.imod),
    ("<<", "Lshift", operator.lshift, operator.ilshift),
    (">>", "Rshift", operator.rshift, operator.irshift),
    ("&", "And", operator.and_, operator.iand),
    ("|", "Or", operator.or_, operator.ior),
    ("^", "Xor", operator.xor, operator.ixor),
]:
    BINARY[_symbol] = _row(f"number_{_stem.lower()}", f"PyNumber_{_stem}", "rr", "r", runs_code=True, evaluate=_function)
    BINARY[_symbol + "="] = _row(
        f"number_inplace_{_stem.lower()}", f"PyNumber_InPlace{_stem}", "rr", "r", runs_code=True, evaluate=_inplace
    )
_IPOW: Any = operator.ipow
_SETATTR: Any = setattr
NUMBER_POWER = _row("number_power", "PyNumber_Power", "rrr", "r", runs_code=True, evaluate=lambda a, b, none: a**b)
NUMBER_INPLACE_POWER = _row("number_inplace_power", "PyNumber_InPlacePower", "rrr", "r", runs_code=True, evaluate=lambda a, b, none: _IPOW(a, b))
NUMBER_NEGATIVE = _row("number_negative", "PyNumber_Negative", "r", "r", runs_code=True, evaluate=operator.neg)
NUMBER_POSITIVE = _row("number_positive", "PyNumber_Positive", "r", "r", runs_code=True, evaluate=operator.pos)
NUMBER_INVERT = _row("number_invert", "PyNumber_Invert", "r", "r", runs_code=True, evaluate=operator.invert)

_RICH = (operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge)
RICH_OPERATORS = {"<": 0, "<=": 1, "==": 2, "!=": 3, ">": 4, ">=": 5}
"""CPython's numbers of the comparison operators (Py_LT ...), the third argument of `object_compare`."""

OBJECT_COMPARE = _row("object_compare", "PyObject_RichCompare", "rri", "r", c_args=("ptr", "ptr", "i32"), runs_code=True, evaluate=lambda a, b, op: _RICH[op](a, b))
OBJECT_IS_TRUE = _row("object_is_true", "PyObject_IsTrue", "r", "i", c_result="i32", runs_code=True, evaluate=lambda a: int(bool(a)))
OBJECT_GETATTR = _row("object_getattr", "PyObject_GetAttr", "rr", "r", runs_code=True, evaluate=getattr)
OBJECT_SETATTR = _row("object_setattr", "PyObject_SetAttr", "rrr", "i", c_result="i32", runs_code=True, evaluate=lambda o, n, v: _SETATTR(o, n, v) or 0)
OBJECT_GETITEM = _row("object_getitem", "PyObject_GetItem", "rr", "r", runs_code=True, evaluate=operator.getitem)
OBJECT_SETITEM = _row("object_setitem", "PyObject_SetItem", "rrr", "i", c_result="i32", runs_code=True, evaluate=lambda o, k, v: operator.setitem(o, k, v) or 0)
OBJECT_DELITEM = _row("object_delitem", "PyObject_DelItem", "rr", "i", c_result="i32", runs_code=True, evaluate=lambda o, k: operator.delitem(o, k) or 0)
OBJECT_CONTAINS = _row("object_contains", "PySequence_Contains", "rr", "i", c_result="i32", runs_code=True, evaluate=lambda o, k: int(k in o))
OBJECT_ITER = _row("object_iter", "PyObject_GetIter", "r", "r", runs_code=True, evaluate=iter)
OBJECT_NEXT = _row("object_next", "PyIter_Next", "r", "r", error="null_maybe", runs_code=True, evaluate=next)
OBJECT_FORMAT = _row("object_format", "PyObject_Format", "rr", "r", runs_code=True, evaluate=format)
OBJECT_STR = _row("object_str", "PyObject_Str", "r", "r", runs_code=True, evaluate=str)
OBJECT_REPR = _row("object_repr", "PyObject_Repr", "r", "r", runs_code=True, evaluate=repr)
OBJECT_ASCII = _row("object_ascii", "PyObject_ASCII", "r", "r", runs_code=True, evaluate=ascii)

# --- exact builtin types: the recorder has guarded the classes (and that dict keys are exactly str, int or bytes) ------

# A list, tuple, range, dict or string iterator (or its view's) of a builtin class.
BUILTIN_ITER = _row("builtin_iter", "PyObject_GetIter", "r", "r", reads=Effect.HEAP, evaluate=iter)
BUILTIN_NEXT = _row("builtin_next", "PyIter_Next", "r", "r", error="null_maybe", reads=Effect.HEAP, writes=Effect.ITERATOR, evaluate=next)
DICT_GETITEM = _row("dict_getitem", "PyObject_GetItem", "rr", "r", reads=Effect.DICT, evaluate=operator.getitem)
# A support function: NULL also when there is no such key.
DICT_FIND = _row("dict_find", "dict_find", "rr", "r", error="null_maybe", reads=Effect.DICT, evaluate=lambda d, k: dict.get(d, k, NULL_OBJECT))
DICT_FIND_INT = _row("dict_find_int", "dict_find_int", "ri", "r", error="null_maybe", reads=Effect.DICT, evaluate=lambda d, k: dict.get(d, k, NULL_OBJECT))
DICT_SETITEM = _row("dict_setitem", "dict_store", "rrr", "i", c_result="i32", writes=Effect.DICT, releases=True, evaluate=lambda d, k, v: operator.setitem(d, k, v) or 0)
DICT_SETITEM_INT = _row("dict_setitem_int", "dict_store_int", "rir", "i", c_result="i32", writes=Effect.DICT, releases=True, evaluate=lambda d, k, v: operator.setitem(d, k, v) or 0)
DICT_CONTAINS = _row("dict_contains", "PyDict_Contains", "rr", "i", c_result="i32", reads=Effect.DICT, evaluate=lambda d, k: int(k in d))
DICT_COPY = _row("dict_copy", "PyDict_Copy", "r", "r", reads=Effect.DICT, evaluate=dict)
# What one dict has is stored in another one, where keys are compared.
DICT_UPDATE = _row("dict_update", "PyDict_Update", "rr", "i", c_result="i32", runs_code=True, evaluate=lambda d, e: dict.update(d, e) or 0)
# The same, where the other one is empty.
DICT_FILL_FROM = _row("dict_fill_from", "PyDict_Update", "rr", "i", c_result="i32", reads=Effect.DICT, writes=Effect.DICT, evaluate=lambda d, e: dict.update(d, e) or 0)
DICT_DELITEM = _row("dict_delitem", "PyDict_DelItem", "rr", "i", c_result="i32", reads=Effect.DICT, writes=Effect.DICT, releases=True, evaluate=lambda d, k: operator.delitem(d, k) or 0)
# `dict.pop` or `dict.setdefault` of an exact dict, with a key, and with a default.
DICT_POP = _row("dict_pop", "PyObject_Vectorcall", "rrr", "r", reads=Effect.DICT, writes=Effect.DICT, releases=True, evaluate=lambda method, d, k: method(d, k))
DICT_POP_OR = _row("dict_pop_or", "PyObject_Vectorcall", "rrrr", "r", reads=Effect.DICT, writes=Effect.DICT, releases=True, evaluate=lambda method, d, k, v: method(d, k, v))
# The recorder has seen that the class has no descriptor for the name that would run code, and no hook.
INSTANCE_GETATTR = _row("instance_getattr", "PyObject_GetAttr", "rr", "r", reads=Effect.HEAP, evaluate=getattr)
DICT_LEN = _row("dict_len", "PyDict_Size", "r", "i", error="never", reads=Effect.DICT, evaluate=len)
# `dict.keys` and the like, of a dict, and `reversed` of a list or tuple: what is made looks at it later.
VIEW_OF = _row("view_of", "PyObject_CallOneArg", "rr", "r", writes=Effect.NONE, evaluate=lambda method, d: method(d))
SET_CONTAINS = _row("set_contains", "PySet_Contains", "rr", "i", c_result="i32", reads=Effect.DICT, evaluate=lambda s, k: int(k in s))
# The recorder has seen that neither the item nor those of the tuple compare with code of the guest.
TUPLE_CONTAINS = _row("tuple_contains", "PySequence_Contains", "rr", "i", c_result="i32", pure=True, evaluate=lambda t, k: int(k in t))
# Both are str, or both bytes.
TEXT_CONTAINS = _row("text_contains", "PySequence_Contains", "rr", "i", c_result="i32", pure=True, evaluate=lambda t, p: int(p in t))
STR_CONCAT = _row("str_concat", "PyUnicode_Concat", "rr", "r", pure=True, evaluate=operator.add)
STR_GETITEM = _row("str_getitem", "PySequence_GetItem", "ri", "r", pure=True, evaluate=operator.getitem)
STR_COMPARE = _row("str_compare", "PyUnicode_Compare", "rr", "i", c_result="i32", error="never", pure=True, evaluate=lambda a, b: (a > b) - (a < b))
# Of numbers, strings and None, with a specification that does not ask for the locale.
PURE_FORMAT = _row("pure_format", "PyObject_Format", "rr", "r", pure=True, evaluate=format)
PURE_REPR = _row("pure_repr", "PyObject_Repr", "r", "r", pure=True, evaluate=repr)
INT_STR = _row("int_str", "PyObject_Str", "r", "r", pure=True, evaluate=str)
# Support functions: the decimal digits of a machine integer.
BYTES_OF_INT = _row("bytes_of_int", "bytes_of_int", "i", "r", pure=True, evaluate=lambda n: b"%d" % n)
STR_OF_INT = _row("str_of_int", "str_of_int", "i", "r", pure=True, evaluate=str)
FLOAT_STR = _row("float_str", "PyObject_Str", "r", "r", pure=True, evaluate=str)
LIST_CONCAT = _row("list_concat", "list_concat", "rr", "r", reads=Effect.LIST, evaluate=operator.add)
# `x[i:j] = y` of two lists, or a list and a tuple, where nothing is replaced.
LIST_SET_SLICE = _row("list_set_slice", "PyList_SetSlice", "riir", "i", c_result="i32", reads=Effect.LIST, writes=Effect.LIST, evaluate=lambda x, i, j, y: operator.setitem(x, slice(i, j), y) or 0)
LIST_INSERT = _row("list_insert", "PyList_Insert", "rir", "i", c_result="i32", reads=Effect.LIST, writes=Effect.LIST, evaluate=lambda x, i, y: x.insert(i, y) or 0)
# Of an exact tuple, dict or set.
LIST_OF = _row("list_of", "PySequence_List", "r", "r", reads=Effect.DICT, evaluate=list)
# Support functions: `sequence[start:stop]` for any two machine integers.
SLICES: dict[type, CFunction] = {
    bytes: _row("bytes_slice", "bytes_slice", "rii", "r", pure=True, evaluate=lambda s, i, j: s[i:j]),
    str: _row("str_slice", "str_slice", "rii", "r", pure=True, evaluate=lambda s, i, j: s[i:j]),
    tuple: _row("tuple_slice", "tuple_slice", "rii", "r", pure=True, evaluate=lambda s, i, j: s[i:j]),
    list: _row("list_slice", "list_slice", "rii", "r", reads=Effect.LIST, evaluate=lambda s, i, j: s[i:j]),
}
"""Row of each class whose slices are taken without a slice object; the class is exactly that."""
NEW_SLICE = _row("new_slice", "PySlice_New", "rrr", "r", pure=True, evaluate=slice)
NEW_DICT = _row("new_dict", "PyDict_New", "", "r", writes=Effect.NONE, evaluate=dict)
# A dict that was kept in parts until now is made of its items. (Without memory for it the process ends, as for other objects.)
EMPTY_DICT = _row("empty_dict", "PyDict_New", "", "r", error="never", writes=Effect.NONE, evaluate=dict)
DICT_FILL = _row("dict_fill", "PyDict_SetItem", "rrr", "i", c_result="i32", error="never", writes=Effect.DICT, evaluate=lambda d, k, v: operator.setitem(d, k, v) or 0)
NEW_SET = _row("new_set", "PySet_New", "r", "r", runs_code=True, evaluate=set)
# Of the class deque, and of exact deques that drop nothing: their methods are called as CPython calls them.
NEW_DEQUE = _row("new_deque", "PyObject_CallNoArgs", "r", "r", writes=Effect.NONE, evaluate=lambda cls: cls())
DEQUE_MAXLEN = _row("deque_maxlen", "PyObject_GetAttr", "rr", "r", pure=True, evaluate=getattr)
DEQUE_TAKE = _row("deque_take", "PyObject_CallOneArg", "rr", "r", reads=Effect.ITERATOR, writes=Effect.ITERATOR, evaluate=lambda method, d: method(d))
DEQUE_PUT = _row("deque_put", "PyObject_Vectorcall", "rrr", "r", reads=Effect.ITERATOR, writes=Effect.ITERATOR, evaluate=lambda method, d, x: method(d, x))
DEQUE_GETITEM = _row("deque_getitem", "PySequence_GetItem", "ri", "r", reads=Effect.ITERATOR, evaluate=operator.getitem)
# Of an exact set, frozenset or deque.
CONTAINER_LEN = _row("container_len", "PyObject_Size", "r", "i", error="never", reads=Effect.DICT | Effect.ITERATOR, evaluate=len)
# `__new__` of a container's class that looks at nothing but the class it is to make an instance of.
NEW_CONTAINER = _row("new_container", "PyObject_CallOneArg", "rr", "r", writes=Effect.NONE, evaluate=lambda new, cls: new(cls))
# Of a tuple of keys whose classes hash and compare without the guest's code.
SET_OF = _row("set_of", "PySet_New", "r", "r", writes=Effect.NONE, evaluate=set)
SET_ADD = _row("set_add", "PySet_Add", "rr", "i", c_result="i32", writes=Effect.DICT, evaluate=lambda s, k: s.add(k) or 0)
SET_DISCARD = _row("set_discard", "PySet_Discard", "rr", "i", c_result="i32", writes=Effect.DICT, releases=True, evaluate=lambda s, k: s.discard(k) or 0)
NEW_FUNCTION = _row("new_function", "PyFunction_New", "rr", "r", reads=Effect.DICT, evaluate=_new_function)
SET_CLOSURE = _row("function_set_closure", "PyFunction_SetClosure", "rr", "i", c_result="i32", evaluate=_set_closure)
NEW_METHOD = _row("new_method", "PyMethod_New", "rr", "r", evaluate=MethodType)
LIST_AS_TUPLE = _row("list_as_tuple", "PyList_AsTuple", "r", "r", reads=Effect.LIST, evaluate=tuple)

# --- numbers ----------------------------------------------------------------------------------------------------------

FLOAT_POW = _row("float_pow", "pow", "ff", "f", error="never", pure=True, evaluate=math.pow)
FLOAT_FMOD = _row("float_fmod", "fmod", "ff", "f", error="never", pure=True, evaluate=math.fmod)
MATH: dict[Any, CFunction] = {}
"""Row of each function of `math` that is total on finite doubles once the recorder has guarded its domain."""
for _of_float in (math.sin, math.cos, math.tan, math.atan, math.exp, math.log):
    _stem = _of_float.__name__
    MATH[_of_float] = _row(f"float_{_stem}", _stem, "f", "f", error="never", pure=True, evaluate=_of_float)
MATH[math.atan2] = _row("float_atan2", "atan2", "ff", "f", error="never", pure=True, evaluate=math.atan2)

# --- exact builtin numbers and strings: no code of the guest runs, but ZeroDivisionError and the like are possible ------

PURE_BINARY: dict[str, CFunction] = {}
"""Row of each binary operator on operands of immutable builtin classes; in-place forms differ in their errors' words."""
for _symbol, _row_of in list(BINARY.items()):
    PURE_BINARY[_symbol] = _row("pure_" + _row_of.name, _row_of.symbol, "rr", "r", pure=True, evaluate=_row_of.evaluate)
PURE_POWER = _row("pure_number_power", "PyNumber_Power", "rrr", "r", pure=True, evaluate=lambda a, b, none: a**b)
PURE_INPLACE_POWER = _row("pure_number_inplace_power", "PyNumber_InPlacePower", "rrr", "r", pure=True, evaluate=lambda a, b, none: _IPOW(a, b))
PURE_NEGATIVE = _row("pure_number_negative", "PyNumber_Negative", "r", "r", pure=True, evaluate=operator.neg)
PURE_POSITIVE = _row("pure_number_positive", "PyNumber_Positive", "r", "r", pure=True, evaluate=operator.pos)
PURE_INVERT = _row("pure_number_invert", "PyNumber_Invert", "r", "r", pure=True, evaluate=operator.invert)
PURE_COMPARE = _row("pure_compare", "PyObject_RichCompare", "rri", "r", c_args=("ptr", "ptr", "i32"), pure=True, evaluate=lambda a, b, op: _RICH[op](a, b))
BUILTIN_GETITEM = _row("builtin_getitem", "PyObject_GetItem", "rr", "r", reads=Effect.HEAP, evaluate=operator.getitem)
