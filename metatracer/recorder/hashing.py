"""Dicts and keys of which it is known that looking a key up runs no code of the guest."""

from __future__ import annotations

import enum
from collections import defaultdict
from types import WrapperDescriptorType
from typing import TYPE_CHECKING
from weakref import ReferenceType

from metatracer.backend.fields import is_immutable_type, raw_lookup
from metatracer.ir.values import Const
from metatracer.recorder.frames import const_box
from metatracer.recorder.tuples import guard_tuple_length, known_items, tuple_item
from metatracer.recorder.virtuals import VirtualBox

if TYPE_CHECKING:
    from metatracer.recorder.frames import Box
    from metatracer.recorder.metainterp import MetaInterpreter

HASHED_BY_VALUE = frozenset({str, int, bytes, float, bool, type(None)})
_PLAIN = frozenset({object, str, int, bytes, float, bool})
"""Classes whose own `__hash__` and `__eq__` look at nothing but the two objects."""


def know_key(meta: MetaInterpreter, key: Box) -> bool:
    """Whether hashing and comparing the key runs no code; guards what makes it so."""
    cls = type(key.object)
    if cls in HASHED_BY_VALUE:
        meta.guard_class(key)
        return True
    if cls is ReferenceType:
        return key.is_const and _know_referent(meta, key.object())
    if cls is tuple:
        return _know_items(meta, key)
    if not meta.is_steady(cls) or not _is_plain(cls):
        return False
    meta.guard_class(key)
    if not is_immutable_type(cls):
        meta.rely_on_class(cls)
    return True


_MOST_ITEMS = 4
"""Of a tuple that is a key, and whose number of items the trace does not know."""


def _know_items(meta: MetaInterpreter, key: Box) -> bool:
    """Whether hashing and comparing the items of a tuple runs no code; guards how many there are, and their classes."""
    if key.is_const:
        return all(know_key(meta, const_box(item)) for item in key.object)
    if isinstance(key, VirtualBox) and key.is_virtual:
        return False
    if known_items(meta, key) is None:
        if len(key.object) > _MOST_ITEMS:
            return False
        meta.guard_class(key)
        guard_tuple_length(meta, meta.ref(key), len(key.object))
    owner = meta.ref(key)
    boxes = [tuple_item(meta, owner, Const("i", place), item) for place, item in enumerate(key.object)]
    return all(know_key(meta, box) for box in boxes)


def _know_referent(meta: MetaInterpreter, obj: object) -> bool:
    """Whether hashing and comparing a class that a weak reference leads to runs no code: its metaclass may know better."""
    metaclass = type(obj)
    if not isinstance(obj, type) or not meta.is_steady(metaclass) or not _is_plain(metaclass):
        return False
    if not is_immutable_type(metaclass):
        meta.rely_on_class(metaclass)
    return True


def _is_plain(cls: type) -> bool:
    hashing, equality = raw_lookup(cls, "__hash__")[0], raw_lookup(cls, "__eq__")[0]
    is_enum = hashing is enum.Enum.__dict__["__hash__"]  # of the member's name
    if not is_enum and (type(hashing) is not WrapperDescriptorType or hashing.__objclass__ not in _PLAIN):
        return False
    return type(equality) is WrapperDescriptorType and equality.__objclass__ in _PLAIN


def has_plain_equality(cls: type) -> bool:
    """Whether `==` and `!=` of instances are those of a builtin class of numbers or strings."""
    found = [raw_lookup(cls, name)[0] for name in ("__eq__", "__ne__")]
    return all(type(method) is WrapperDescriptorType and method.__objclass__ in _VALUES for method in found)


_VALUES = _PLAIN - {object}


def is_plain_int(cls: type, *names: str) -> bool:
    """Whether a class, such as an `IntEnum`, is a subclass of int that has these methods from it."""
    if cls is bool or not any(base is int for base in type.__dict__["__mro__"].__get__(cls)):
        return False
    found = [raw_lookup(cls, name)[0] for name in names]
    return all(type(method) is WrapperDescriptorType and method.__objclass__ is int for method in found)


def is_plain_tuple(cls: type, *names: str) -> bool:
    """Whether a class, such as a named tuple's, is a subclass of tuple that has these methods from it."""
    if not any(base is tuple for base in type.__dict__["__mro__"].__get__(cls)):
        return False
    return all(raw_lookup(cls, name)[1] is tuple for name in names)


def is_dict_class(cls: type) -> bool:
    """Whether instances are dicts."""
    return any(base is dict for base in type.__dict__["__mro__"].__get__(cls))


def know_dict(meta: MetaInterpreter, container: Box, *methods: str) -> bool:
    """Whether an object is a dict, or of a subclass that has these methods from dict; guards it.

    What it does with a key that it has not may be up to a `__missing__`.
    """
    cls = type(container.object)
    is_builtin = cls is dict or cls is defaultdict
    if not is_builtin:
        if not meta.is_steady(cls):
            return False
        own = [name for name in methods if raw_lookup(cls, name)[1] not in (dict, None)]
        if own or is_immutable_type(cls):
            return False
    meta.guard_class(container)
    if not is_builtin:
        meta.rely_on_class(cls)
    return True
