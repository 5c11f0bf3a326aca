"""The shapes of objects that exist: what would have to be known of one like them in place of allocating it."""

from __future__ import annotations

from types import MemberDescriptorType
from typing import Any

from metatracer.backend.fields import field_for, has_finalizer, has_instance_dict, plain_creation, read_field
from metatracer.ir.opcodes import FLOAT_BOX, INT_BOX, fits_i64
from metatracer.ir.shapes import Known, Shape, instance_shape

_NUMBERS = {int: (INT_BOX, "i"), float: (FLOAT_BOX, "f")}


def slots_of(cls: type) -> list[str]:
    """The names of all slots of instances."""
    return [name for base in cls.__mro__ for name, entry in vars(base).items() if type(entry) is MemberDescriptorType]


def _number_shape(obj: Any) -> Shape | None:
    """The shape of an int or a float that fits into a word; else None."""
    number = _NUMBERS.get(type(obj))
    if number is None:
        return None
    opcode, kind = number
    return Shape("box", "r", Known(opcode), ((None, Shape("leaf", kind)),)) if kind != "i" or fits_i64(obj) else None


def object_shape(obj: Any) -> Shape | None:
    """The shape of an object that consists of numbers: an int, a float, or an instance whose slots all hold such; or None.

    Slots that hold instances are not followed: these may be long lists, or circular.
    """
    cls = type(obj)
    if cls in _NUMBERS:
        return _number_shape(obj)
    if has_finalizer(cls) or has_instance_dict(cls) or plain_creation(cls) is None:
        return None
    parts = []
    for name in slots_of(cls):
        field = field_for(cls, name)
        content = None if field is None else _number_shape(read_field(obj, field))
        if content is None:
            return None
        parts.append((field, content))
    return instance_shape(cls, parts)
