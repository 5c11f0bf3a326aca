"""Heap operations and guards on Python objects: what they mean, for the evaluator.

Fields are read and written where machine code finds them, past properties and `__getattr__` of the guest's classes.
"""

from __future__ import annotations

import struct
import types
from typing import TYPE_CHECKING, Any

from metatracer.errors import IRError
from metatracer.ir.opcodes import GuardFailed, fits_i64, wrap_i64
from metatracer.ir.values import NULL_OBJECT, Field

if TYPE_CHECKING:
    from collections.abc import Callable


def _find_on_type(cls: type, name: str) -> Any:
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def get_field(instance: Any, place: Field) -> Any:
    """The field's content, or NULL_OBJECT. Neither properties nor `__getattr__` of the guest class are run."""
    if place.storage == "item":
        return dict.get(instance, place.name, NULL_OBJECT)
    try:
        if place.storage == "slot":
            return place.owner.__dict__[place.name].__get__(instance)
        if _find_on_type(type(instance), place.name) is not None:
            return object.__getattribute__(instance, "__dict__").get(place.name, NULL_OBJECT)
        # Looking at __dict__ would make CPython move the attributes out of the instance; this does not.
        return object.__getattribute__(instance, place.name)
    except AttributeError:
        return NULL_OBJECT


def set_field(instance: Any, place: Field, value: Any) -> None:
    """Store to a field; NULL_OBJECT clears it."""
    if place.storage == "item":
        dict.__setitem__(instance, place.name, value)
    elif value is NULL_OBJECT:
        if get_field(instance, place) is not NULL_OBJECT:
            object.__delattr__(instance, place.name)
    elif place.storage == "slot":
        place.owner.__dict__[place.name].__set__(instance, value)
    elif _find_on_type(type(instance), place.name) is not None:
        object.__getattribute__(instance, "__dict__")[place.name] = value
    else:
        object.__setattr__(instance, place.name, value)


def set_cell(cell: Any, value: Any) -> None:
    """Store to a cell; NULL_OBJECT empties it."""
    if value is not NULL_OBJECT:
        cell.cell_contents = value
    else:
        try:
            del cell.cell_contents
        except ValueError:  # Python versions differ in whether clearing an empty cell is an error
            return


def get_cell(cell: Any) -> Any:
    """The cell's content, or NULL_OBJECT."""
    try:
        return cell.cell_contents
    except ValueError:
        return NULL_OBJECT


def require(condition: bool) -> None:
    """Fail the guard unless `condition` holds."""
    if not condition:
        raise GuardFailed


def _at(sequence: Any, index: int) -> Any:
    if not 0 <= index < len(sequence):
        raise IRError(f"index {index} is outside a {type(sequence).__name__} of length {len(sequence)}")
    return sequence[index]


def _put(sequence: Any, index: int, value: Any) -> None:
    _at(sequence, index)
    sequence[index] = value


def _typed(sequence: Any, typecode: str) -> Any:
    if sequence.typecode != typecode:
        raise IRError(f"the array has typecode {sequence.typecode!r}, not {typecode!r}")
    return sequence


def _array_int(sequence: Any, index: int, typecode: str) -> int:
    value: int = _at(_typed(sequence, typecode), index)
    require(fits_i64(value))
    return value


def _load(buffer: Any, offset: int, form: str) -> int:
    if not 0 <= offset <= len(buffer) - struct.calcsize(form):
        raise IRError(f"offset {offset} is out of bounds")
    value: int = struct.unpack_from(form, buffer, offset)[0]
    return wrap_i64(value)


def _store(buffer: Any, offset: int, value: int, form: str) -> None:
    size = struct.calcsize(form)
    if not 0 <= offset <= len(buffer) - size:
        raise IRError(f"offset {offset} is out of bounds")
    struct.pack_into(form[0] + form[1].upper(), buffer, offset, value & ((1 << 8 * size) - 1))


HEAP_OPERATIONS: dict[str, Callable[[tuple[Any, ...], Any], Any]] = {
    # guards
    "guard_true": lambda a, d: require(a[0] is True),
    "guard_answer": lambda a, d: require(a[0] is True),
    "guard_false": lambda a, d: require(a[0] is False),
    "guard_type": lambda a, d: require(a[0] is not NULL_OBJECT and type(a[0]) is d),
    "guard_value": lambda a, d: require(a[0] is d),
    "guard_int_value": lambda a, d: require(a[0] == d),
    "guard_nonnull": lambda a, d: require(a[0] is not NULL_OBJECT),
    "guard_null": lambda a, d: require(a[0] is NULL_OBJECT),
    "guard_next": lambda a, d: require(a[0] is not NULL_OBJECT),
    "guard_exhausted": lambda a, d: require(a[0] is NULL_OBJECT),
    "guard_not_invalidated": lambda a, d: None,
    "guard_no_attention": lambda a, d: None,
    "guard_not_shadowed": lambda a, d: require(get_field(a[0], d) is NULL_OBJECT),
    "guard_inline_values": lambda a, d: None,
    "guard_dict_field": lambda a, d: require(get_field(a[0], d) is not NULL_OBJECT),
    "guard_array_typecode": lambda a, d: require(a[0].typecode == d),
    # fields, lists, tuples, cells
    "getfield": lambda a, d: get_field(a[0], d),
    "setfield": lambda a, d: set_field(a[0], d, a[1]),
    "new": lambda a, d: object.__new__(d),
    "list_len": lambda a, d: list.__len__(a[0]),
    "list_getitem": lambda a, d: _at(a[0], a[1]),
    "list_setitem": lambda a, d: _put(a[0], a[1], a[2]),
    "list_append": lambda a, d: list.append(a[0], a[1]),
    "list_pop": lambda a, d: list.pop(a[0]),
    "new_list": lambda a, d: list(a),
    "new_tuple": lambda a, d: tuple(a),
    "new_named_tuple": lambda a, d: tuple.__new__(d, a),
    "new_cell": lambda a, d: types.CellType() if a[0] is NULL_OBJECT else types.CellType(a[0]),
    "cell_get": lambda a, d: get_cell(a[0]),
    "cell_set": lambda a, d: set_cell(a[0], a[1]),
    # generators: the place does it; what slots hold that are not in use has no meaning
    "guard_waits": lambda a, d: require(d.is_where(a[0])),
    "generator_enter": lambda a, d: d.enter(a[0]),
    "generator_clear": lambda a, d: None,
    "generator_leave": lambda a, d: d.leave(a[0]),
    # buffers
    "bytearray_len": lambda a, d: bytearray.__len__(a[0]),
    "bytearray_getitem": lambda a, d: _at(a[0], a[1]),
    "bytearray_setitem": lambda a, d: _put(a[0], a[1], a[2]),
    "bytes_load": lambda a, d: _load(a[0], a[1], d),
    "bytearray_load": lambda a, d: _load(a[0], a[1], d),
    "bytearray_store": lambda a, d: _store(a[0], a[1], a[2], d),
    "array_len": lambda a, d: len(a[0]),
    "array_getitem_i": lambda a, d: _array_int(a[0], a[1], d),
    "array_getitem_f": lambda a, d: _at(_typed(a[0], d), a[1]),
    "array_setitem_i": lambda a, d: _put(_typed(a[0], d), a[1], a[2]),
    "array_setitem_f": lambda a, d: _put(_typed(a[0], d), a[1], a[2]),
    # counts of references are CPython's own here
    "incref": lambda a, d: None,
    "decref": lambda a, d: None,
    "xdecref": lambda a, d: None,
    "merge_point": lambda a, d: None,
}
"""Meaning of each operation that needs nothing of the run; gets the arguments and the descriptor."""
