"""Searching dicts and replacing their values in machine code: as dicts do it."""

from __future__ import annotations

import ctypes
import gc
import random
import sys
from typing import Any

import pytest

from metatracer.backend import support
from metatracer.backend.dict_code import _VERSION_STEP, _version, polled_version
from metatracer.backend.layout import layout, read_word

NOTHING = object()
_OBJECT, _WORD, _NUMBER = ctypes.py_object, ctypes.c_void_p, ctypes.c_int64
_dec_ref = ctypes.PYFUNCTYPE(None, _WORD)(("Py_DecRef", ctypes.pythonapi))


def _function(name: str, *types: Any) -> Any:
    return ctypes.PYFUNCTYPE(*types)(support.function_address(name))


def _taken(address: int | None) -> object:
    if address is None:
        return NOTHING
    found = ctypes.cast(address, ctypes.py_object).value
    _dec_ref(address)
    return found


def find(mapping: dict[Any, Any], key: object) -> object:
    return _taken(_function("dict_find", _WORD, _OBJECT, _OBJECT)(mapping, key))


def find_int(mapping: dict[Any, Any], key: int) -> object:
    return _taken(_function("dict_find_int", _WORD, _OBJECT, _NUMBER)(mapping, key))


def store(mapping: dict[Any, Any], key: object, value: object) -> None:
    assert _function("dict_store", ctypes.c_int, _OBJECT, _OBJECT, _OBJECT)(mapping, key, value) == 0


def store_int(mapping: dict[Any, Any], key: int, value: object) -> None:
    assert _function("dict_store_int", ctypes.c_int, _OBJECT, _NUMBER, _OBJECT)(mapping, key, value) == 0


def version(mapping: dict[Any, Any]) -> int:
    return read_word(id(mapping) + layout().dict_version)


class Plain:
    pass


class Seven:
    def __eq__(self, other: object) -> bool:
        return other == 7

    def __hash__(self) -> int:
        return 7


def _keys(source: random.Random) -> list[Any]:
    """Keys of all kinds, many with the same hash: `hash(-1) == hash(-2)`, ints that differ by 2**61 - 1, `1 == 1.0 == True`."""
    texts = ["".join(["k", str(number)]) for number in range(30)]
    numbers = [*range(-20, 20), *[sign * (1 << bits) + more for bits in range(63) for sign in (1, -1) for more in (-1, 0, 1)]]
    multiples = [factor * ((1 << 61) - 1) + more for factor in range(-9, 9) for more in range(-3, 3)]
    others: list[Any] = [True, False, None, (1, 2), Seven(), frozenset([1]), *[float(number) for number in range(-9, 9)]]
    kinds: list[list[Any]] = [texts, [*map(sys.intern, texts)], [text.encode() for text in texts], numbers, multiples, others]
    kinds.append([Plain() for _ in range(50)])
    return source.choice(kinds)


def _is_machine_int(key: object) -> bool:
    return type(key) is int and -(2**63) <= key < 2**63


@pytest.mark.parametrize("only", [None, str, int])
@pytest.mark.parametrize("seed", range(8))
def test_searches_and_stores_as_a_dict_does(seed: int, only: type | None) -> None:
    source = random.Random(seed)
    for _ in range(10):
        mapping: dict[Any, Any] = {}
        wanted: dict[Any, Any] = {}
        for number in range(source.randrange(150)):
            key = source.choice(_keys(source))
            if only is not None and type(key) is not only:
                continue
            value = source.choice([number, [number]])
            how = source.randrange(4)
            if how == 0 and key in wanted:
                del wanted[key], mapping[key]
            elif how == 1 and _is_machine_int(key):
                wanted[key] = value
                store_int(mapping, key, value)
            else:
                wanted[key] = value
                store(mapping, key, value)
            for key in (source.choice(_keys(source)), *wanted):
                assert find(mapping, key) is wanted.get(key, NOTHING)
                if _is_machine_int(key):
                    assert find_int(mapping, key) is wanted.get(key, NOTHING)
        assert [*mapping.items()] == [*wanted.items()]
        assert not mapping or gc.is_tracked(mapping) >= any(type(value) is list for value in mapping.values())


def test_a_dict_grows_beyond_indices_of_one_byte_and_of_two() -> None:
    mapping: dict[Any, Any] = {}
    for number in range(100_000):
        store_int(mapping, 3 * number, number)
    assert [find_int(mapping, 3 * number) for number in range(0, 100_000, 97)] == [*range(0, 100_000, 97)]
    assert find_int(mapping, 4) is NOTHING
    assert find(mapping, 299_997) == 99_999


@pytest.mark.parametrize("key", [5000, -5000, 2**40, "five", b"five", Plain()])
def test_references_are_counted(key: object) -> None:
    hash(key)
    old, new = Plain(), Plain()
    mapping = {key: old, 1.5: None}
    counts = sys.getrefcount(old), sys.getrefcount(new), sys.getrefcount(key)
    for _ in range(5):
        assert find(mapping, key) is old
        store(mapping, key, new)
        assert find(mapping, key) is new
        if isinstance(key, int):
            store_int(mapping, key, old)
            assert find_int(mapping, key) is old
        else:
            store(mapping, key, old)
    assert (sys.getrefcount(old), sys.getrefcount(new), sys.getrefcount(key)) == counts


def test_a_replaced_value_makes_a_new_version() -> None:
    mapping, other = {"name": [1], 2: [2]}, {"name": [1], 2: [2]}
    seen = {version(mapping), version(other)}
    for number in range(10):
        before = _version[0]
        store(mapping, "name", [number])
        store_int(other, 2, [number])
        assert _version[0] < before, "the value was not replaced in machine code"
        seen |= {version(mapping), version(other)}
    mapping["name"] = 5
    assert len(seen | {version(mapping)}) == 23


def test_the_version_of_a_dict_that_is_polled_is_left_to_python() -> None:
    mapping = {"name": 1, 2: 2}
    seen = {polled_version(id(mapping))}
    assert polled_version(id(mapping)) in seen
    before = _version[0]
    store(mapping, "name", 2)
    seen.add(version(mapping))
    store(mapping, "name", 3)  # the version is Python's, and nobody polls it
    seen |= {version(mapping), polled_version(id(mapping))}
    assert len(seen) == 4
    assert _version[0] == before - 2 * _VERSION_STEP
    assert mapping == {"name": 3, 2: 2}


def test_an_object_that_is_replaced_is_freed() -> None:
    freed = []

    class Noted:
        def __del__(self) -> None:
            freed.append(1)

    mapping: dict[Any, Any] = {3: Noted()}
    store_int(mapping, 3, None)
    assert freed == [1]
    mapping[3] = Noted()
    store(mapping, 3, [])
    assert freed == [1, 1]


def test_a_dict_that_the_collector_does_not_know_is_made_known_to_it() -> None:
    mapping: dict[Any, Any] = {number: number for number in range(3)}
    if gc.is_tracked(mapping):
        pytest.skip("all dicts are tracked")
    store_int(mapping, 1, 5)
    assert not gc.is_tracked(mapping)
    store_int(mapping, 1, [mapping])
    assert gc.is_tracked(mapping)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="dicts have no watchers")
def test_who_watches_a_dict_is_told() -> None:
    told = []
    callback_type = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int, _OBJECT, _OBJECT, _OBJECT)

    @callback_type
    def callback(event: int, mapping: object, key: object, value: object) -> int:
        told.append((key, value))
        return 0

    watcher = ctypes.pythonapi.PyDict_AddWatcher(callback)
    mapping = {"name": 1}
    try:
        ctypes.pythonapi.PyDict_Watch(watcher, _OBJECT(mapping))
        store(mapping, "name", 2)
    finally:
        ctypes.pythonapi.PyDict_Unwatch(watcher, _OBJECT(mapping))
        ctypes.pythonapi.PyDict_ClearWatcher(watcher)
    store(mapping, "name", 3)
    assert told == [("name", 2)]
    assert mapping == {"name": 3}


def test_a_key_that_raises_when_it_is_compared() -> None:
    class Bad:
        def __eq__(self, other: object) -> bool:
            raise ValueError("bad")

        def __hash__(self) -> int:
            return 7

    mapping = {Bad(): 1}
    with pytest.raises(ValueError, match="bad"):
        find_int(mapping, 7)
    with pytest.raises(ValueError, match="bad"):
        _function("dict_store_int", ctypes.c_int, _OBJECT, _NUMBER, _OBJECT)(mapping, 7, 1)
    assert find_int(mapping, 8) is NOTHING
