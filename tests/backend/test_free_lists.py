"""Tuples and instances made and freed by machine code: as CPython makes and frees them."""

from __future__ import annotations

import ctypes
import gc
import sys
import weakref

import pytest

from metatracer.backend import free_lists, support
from metatracer.backend.layout import layout, write_word

_dealloc = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(support.function_address("dealloc"))
_plain_dealloc = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(("_Py_Dealloc", ctypes.pythonapi))
DEALLOCS = {"ours": _dealloc, "CPython's": _plain_dealloc}


class Pair:
    __slots__ = ("car", "cdr")

    def __init__(self, car, cdr):
        self.car = car
        self.cdr = cdr


def new_tuple(*items):
    make = support.tuple_maker(len(items))
    for item in items:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
    return ctypes.PYFUNCTYPE(ctypes.py_object, *[ctypes.py_object] * len(items))(make)(*items)


def new_instance(cls):
    make = support.instance_maker(len(cls.__slots__))
    return ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(make)(cls)


def free(holder, dealloc=_dealloc):
    """Free the object that a list alone holds."""
    address = id(holder[0])
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(holder[0]))
    holder.clear()
    assert ctypes.c_uint32.from_address(address + layout().ob_refcnt).value == 1
    write_word(address + layout().ob_refcnt, 0)
    dealloc(address)


def test_the_lists_are_found():
    assert free_lists.free_lists() is not None


@pytest.mark.parametrize("length", [0, 1, 3, 20, 21])
def test_a_tuple_is_made(length):
    items = [object() for _ in range(length)]
    for _ in range(3):
        made = new_tuple(*items)
        assert made == tuple(items)
        assert gc.is_tracked(made) == (length > 0)
        assert all(sys.getrefcount(item) == 4 for item in items)  # items, made, the loop variable, the argument
        before = sys.getrefcount(tuple)
        if length:
            holder = [made]
            del made
            free(holder)
        assert sys.getrefcount(tuple) <= before
    assert all(sys.getrefcount(item) == 3 for item in items)


def test_an_instance_is_made():
    references = sys.getrefcount(Pair)
    for _ in range(3):
        made = new_instance(Pair)
        assert type(made) is Pair
        assert gc.is_tracked(made)
        assert not hasattr(made, "car")
        assert not hasattr(made, "cdr")
        assert sys.getrefcount(Pair) == references + 1
        holder = [made]
        del made
        free(holder)
        assert sys.getrefcount(Pair) == references


class Told:
    def __init__(self, log, name):
        self.log = log
        self.name = name

    def __del__(self):
        self.log.append(self.name)


def structures(log):
    def told(name):
        return Told(log, name)

    yield (told(1), told(2), (told(3), Pair(told(4), told(5)), told(6)))
    yield Pair((told(1), told(2)), Pair(told(3), Pair(told(4), [told(5)])))
    yield Pair(None, told(1))
    yield tuple([told(number) for number in range(25)])


@pytest.mark.parametrize("number", range(4))
def test_references_are_given_up_in_cpythons_order(number):
    logs = []
    for dealloc in DEALLOCS.values():
        log: list[int] = []
        holder = [list(structures(log))[number]]
        log.clear()
        free(holder, dealloc)
        logs.append(log)
    assert logs[0] == logs[1] != []


def test_what_others_hold_stays():
    kept = object()
    free([(kept, Pair(kept, (kept,)))])
    assert sys.getrefcount(kept) == 2


@pytest.mark.parametrize("link", ["car", "cdr", "tuple"])
def test_long_chains(link):
    chain = None
    for _ in range(200_000):
        chain = Pair(chain, None) if link == "car" else Pair(None, chain) if link == "cdr" else (None, None, chain)
    holder = [(chain, None)]
    del chain
    free(holder)
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Pair]


def test_a_finalizer_added_later_runs():
    class Item:
        __slots__ = ("value",)

    log = []
    assert free_lists.is_plain(Item)
    Item.__del__ = lambda item: log.append(item.value)  # type: ignore[attr-defined]
    item = Item()
    item.value = 7
    holder = [(item,)]
    del item
    free(holder)
    assert log == [7]


def test_a_finalizer_may_use_the_same_lists():
    log = []

    class Busy:
        def __del__(self):
            log.append(len([(number, number + 1000) for number in range(3000)]))
            log.append(len([Pair(number, None) for number in range(3000)]))

    for _ in range(3):
        free([(Busy(), Pair(Busy(), 1))])
    assert log == [3000] * 12


def test_freed_things_leave_the_collectors_lists():
    before = len(gc.get_objects())
    for _ in range(100):
        free([(1, Pair((2, 3), [4]))])
    assert len(gc.get_objects()) <= before + 20
    pair = new_instance(Pair)
    pair.car = new_tuple(pair, 1)
    pair.cdr = None
    del pair
    assert gc.collect() >= 2


class Tuple(tuple):
    __slots__ = ()


class Weak:
    __slots__ = ("__weakref__", "item")


class WithDict:
    pass


class Derived(Pair):
    __slots__ = ("more",)


def test_other_classes_are_cpythons_business():
    for cls in (Tuple, Weak, WithDict, Derived, int, list, object):
        assert not free_lists.is_plain(cls)
    weak = Weak()
    gone = []
    reference = weakref.ref(weak, gone.append)
    item = object()
    derived = Derived(item, None)
    derived.more = item
    holder = [(weak, derived, Tuple([item]))]
    del weak, derived
    free(holder)
    assert gone == [reference]
    assert sys.getrefcount(item) == 2


def test_a_class_may_go_with_its_last_instance():
    class Item:
        __slots__ = ("value",)

    gone = weakref.ref(Item)
    item = new_instance(Item)
    item.value = 1
    holder = [item]
    del item, Item
    gc.collect()
    assert gone() is not None
    free(holder)
    gc.collect()
    assert gone() is None
