"""Attributes of instances that keep them in a dict of their own.

An instance begins with inline values where its class has them (`layout`). It has a dict instead once it has more
attributes than 30 or so, or somebody has asked for `__dict__` (`vars`, `copy.copy`, pickling); others, such as exceptions,
begin with one. In both kinds of such dicts an attribute has a place that stays where it is while others are added and
assigned, and so has an item of a dict that is no instance's:

* ``"entry"``: the dict has keys of its own, which are strings only. The place is an entry of its table; that the entry is
  still this attribute's is seen from its key. `Field.position` is the number of the entry times 256, plus the
  binary logarithm of the size of the table's indices, which stand in front of the entries: a table of another size is not read.
* ``"item"``: the same for the object itself, which is a dict. If its keys are not all strings, its entries are larger, and
  `Field.position` has the bit `GENERAL`.
* ``"split"``: it shares the keys of the class, and `Field.position` is the number of the value, for ever.

That an attribute is *not* there is seen from the version of the keys (3.11's ``dk_version``): while it stays the same, no
name comes or goes. CPython gives versions to keys when it specializes code, counting up from 1; ours count down from the
highest.
"""

from __future__ import annotations

import ctypes
import itertools
import struct
import sys
import weakref
from typing import Any

from metatracer.backend import layout as lay
from metatracer.backend.layout import layout, read_byte, read_signed, read_u32, read_word

_flags_of = type.__dict__["__flags__"].__get__
_dictoffset_of = type.__dict__["__dictoffset__"].__get__
_versions = itertools.count(0xFFFF_FFFF, -1)
_LOWEST_VERSION = 0x8000_0000
_MOST_SEARCHED = 1000
ENTRY_SIZE = 16


def dict_place(cls: type) -> int:
    """Offset, in instances of a class, of the word that refers to their own dict; 0 if they have none at a fixed place."""
    if _flags_of(cls) & lay.TPFLAGS_MANAGED_DICT:
        return layout().dict_word
    offset: int = _dictoffset_of(cls)
    return max(offset, 0)


def own_dict(instance: object) -> dict[str, Any] | None:
    """The dict that an instance has now; none is made."""
    place = dict_place(type(instance))
    word = read_word(id(instance) + place) if place else 0
    if not word or (place == layout().dict_word and layout().values_mode == "tagged" and word & 1):
        return None
    own: Any = lay.object_at(word)
    return own if type(own) is dict else None


def shared_keys(cls: type) -> int:
    """Address of the keys that instances of a class share; 0: none. It never changes, and lives as long as the class."""
    return read_word(id(cls) + layout().ht_cached_keys) if _flags_of(cls) & lay.TPFLAGS_HEAPTYPE else 0


def keys_address(mapping: dict[Any, Any]) -> int:
    """Address of a dict's keys."""
    return read_word(id(mapping) + layout().dict_keys)


def entries(keys: int) -> tuple[int, ...]:
    """The words of a table of string keys: by turns the address of a key (0: deleted) and of its value."""
    figures = layout()
    count = read_signed(keys + figures.keys_nentries)
    start = keys + figures.keys_indices + (1 << read_byte(keys + figures.keys_log2_index_bytes))
    return struct.unpack(f"<{2 * count}Q", ctypes.string_at(start, ENTRY_SIZE * count))


def values_start(mapping: dict[str, Any]) -> int:
    """Address of value 0 of a dict that shares its keys; 0 for others."""
    values = read_word(id(mapping) + layout().dict_values)
    return values + values_items() if values else 0


def values_items() -> int:
    """Distance of value 0 from what a dict with shared keys refers to."""
    figures = layout()
    return figures.values_items - figures.values_capacity if figures.values_mode == "embedded" else 0


GENERAL = 0x80
GENERAL_SIZE = 24
"""An entry of a table whose keys are not all strings: hash, key and value."""


def entry_offset(position: int) -> int:
    """Distance of an entry's key, behind which its value stands, from the keys' address; `position` is that of a Field."""
    start = layout().keys_indices + (1 << (position & ~GENERAL & 0xFF))
    if position & GENERAL:
        return start + GENERAL_SIZE * (position >> 8) + lay.WORD
    return start + ENTRY_SIZE * (position >> 8)


def table_shape(position: int) -> int:
    """The two bytes that tell a table's size and what keys it has, as the table at a Field's position has them."""
    kind = lay.DICT_KEYS_GENERAL if position & GENERAL else lay.DICT_KEYS_UNICODE
    return position & ~GENERAL & 0xFF | kind << 8


def find_place(instance: object, name: str) -> tuple[str, int] | None:
    """The storage and position of an attribute that the instance has in its own dict; None if it has no fixed place."""
    mapping = own_dict(instance)
    if mapping is None or dict.__contains__(mapping, "__builtins__"):  # somebody's globals: assumptions are made on them
        return None
    keys, values = keys_address(mapping), values_start(mapping)
    wanted = id(sys.intern(name))
    if not values:
        position = _entry(keys, wanted)
        return None if position is None else ("entry", position)
    if keys != shared_keys(type(instance)):
        return None
    names = entries(keys)[::2]
    if wanted not in names or not read_word(values + lay.WORD * names.index(wanted)):
        return None
    return "split", names.index(wanted)


def _entry(keys: int, wanted: int) -> int | None:
    """The position of the entry with the key at an address, in a table of strings only."""
    figures = layout()
    if read_byte(keys + figures.keys_kind) != lay.DICT_KEYS_UNICODE:
        return None
    names = entries(keys)[::2]
    return names.index(wanted) << 8 | read_byte(keys + figures.keys_log2_index_bytes) if wanted in names else None


MOST_AT_FIRST = 5
"""So many items are in the table that a dict gets with its first one."""
_FIRST_SIZE = 3


def position_at_first(number: int) -> int:
    """The position of an item in a dict that was empty, and has got at most `MOST_AT_FIRST` items, by its number."""
    return number << 8 | _FIRST_SIZE


def find_item(mapping: dict[Any, Any], key: Any) -> tuple[Any, int] | None:
    """The key, as the dict has it, and its position, in a dict that has keys of its own; None otherwise.

    Args:
        mapping: The dict.
        key: Its hash and its equality run no code of the guest.
    """
    if dict.__len__(mapping) > _MOST_SEARCHED or not dict.__contains__(mapping, key):
        return None
    keys = keys_address(mapping)
    kind = read_byte(keys + layout().keys_kind)
    if values_start(mapping) or kind not in (lay.DICT_KEYS_UNICODE, lay.DICT_KEYS_GENERAL):
        return None
    is_general = kind == lay.DICT_KEYS_GENERAL
    addresses = _general_keys(keys) if is_general else entries(keys)[::2]
    wanted = id(key)
    if wanted in addresses:
        number = addresses.index(wanted)
    else:  # an equal one
        equal = (number for number, address in enumerate(addresses) if address and _is_same_key(lay.object_at(address), key))
        number = next(equal, -1)
    if number < 0:
        return None
    position = number << 8 | read_byte(keys + layout().keys_log2_index_bytes) | (GENERAL if is_general else 0)
    return lay.object_at(addresses[number]), position


def _general_keys(keys: int) -> tuple[int, ...]:
    """The addresses of the keys of a table whose keys are not all strings (0: deleted)."""
    figures = layout()
    count = read_signed(keys + figures.keys_nentries)
    start = keys + figures.keys_indices + (1 << read_byte(keys + figures.keys_log2_index_bytes))
    return struct.unpack(f"<{3 * count}Q", ctypes.string_at(start, GENERAL_SIZE * count))[1::3]


PLAIN_KEYS = frozenset({str, int, bytes, float, bool, type(None)})
"""Classes whose instances are compared without code of the guest's."""


def _is_same_key(found: Any, key: Any) -> bool:
    """Whether a key of a dict is equal to one that compares plainly; others of the guest's classes are not asked."""
    cls = type(found)
    if cls is weakref.ReferenceType:
        return type(key) is cls and found() is not None and found() is key()
    return (cls in PLAIN_KEYS or cls is type(key)) and bool(found == key)


def place_of_absence(instance: object, name: str) -> tuple[str, int] | None:
    """How to see that an instance with a dict of its own has no attribute of a name; None: not cheaply, or it has one.

    Returns:
        ("split", the number of its value, or -1 while the shared keys have no such name) or ("keys", the version of its keys).
    """
    mapping = own_dict(instance)
    if mapping is None or dict.__contains__(mapping, name):
        return None
    figures = layout()
    keys = keys_address(mapping)
    if values_start(mapping):
        if keys != shared_keys(type(instance)):
            return None
        names = entries(keys)[::2]
        wanted = id(sys.intern(name))
        return "split", names.index(wanted) if wanted in names else -1
    if read_byte(keys + figures.keys_kind) == lay.DICT_KEYS_GENERAL:
        return None
    version = read_u32(keys + figures.keys_version)
    if not version:
        version = next(_versions)
        if version < _LOWEST_VERSION:
            return None
        ctypes.c_uint32.from_address(keys + figures.keys_version).value = version
    return "keys", version
