"""Tuples and instances made and freed by machine code: as CPython makes and frees them."""

from __future__ import annotations

import ctypes
import gc
import sys
import weakref

import pytest

from metatracer.backend import free_lists, support
from metatracer.backend.layout import layout, object_at, read_word
from tests.backend.machine import DEALLOC, compiled, free

_plain_dealloc = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(("_Py_Dealloc", ctypes.pythonapi))
_decref = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("Py_DecRef", ctypes.pythonapi))
DEALLOCS = {"ours": DEALLOC, "CPython's": _plain_dealloc}


class Pair:
    __slots__ = ("car", "cdr")

    def __init__(self, car, cdr):
        self.car = car
        self.cdr = cdr


class Weak:
    __slots__ = ("__weakref__", "item")

    def __init__(self, item):
        self.item = item


class Wide:
    __slots__ = tuple(f"slot{number}" for number in range(17))


def new_tuple(*items):
    make = support.tuple_maker(len(items))
    for item in items:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
    return ctypes.PYFUNCTYPE(ctypes.py_object, *[ctypes.py_object] * len(items))(make)(*items)


def new_instance(cls):
    weak = free_lists.allows_weak(cls)
    make = support.instance_maker(len(cls.__slots__) - weak, weak)
    return ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(make)(cls)


def new_list(*items):
    """A new list; the caller of what makes it has to fill it before anything else is done."""
    make = ctypes.PYFUNCTYPE(ctypes.c_void_p)(support.list_maker(len(items)))
    places = (ctypes.c_void_p * len(items))(*[id(item) for item in items])
    for item in items:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
    gc.disable()
    address = make()
    ctypes.memmove(read_word(address + layout().list_items), places, ctypes.sizeof(places))
    gc.enable()
    made = object_at(address)
    _decref(made)
    return made


def push(items, item):
    """Append to a full list."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
    function = ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.py_object, ctypes.py_object)(support.function_address("list_push"))
    assert function(items, item) == 0


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


@pytest.mark.parametrize("length", [0, 1, 3, 16, 17])
def test_a_list_is_made(length):
    items = [object() for _ in range(length)]
    for _ in range(3):
        made = new_list(*items)
        assert made == items
        assert gc.is_tracked(made)
        assert sys.getsizeof(made) == sys.getsizeof([None] * length)
        assert all(sys.getrefcount(item) == 4 for item in items)
        made.extend(items)
        assert made == items * 2
        del made[length:]
        holder = [made]
        del made
        free(holder)
    assert all(sys.getrefcount(item) == 3 for item in items)


@pytest.mark.parametrize("start", range(6))
def test_a_list_grows_as_cpythons(start):
    free([list(range(20))])
    for _ in range(3):
        grown, plain = new_list(*range(start)), list(range(start))
        plain = [*plain] if plain else []
        other = new_list(*plain)
        for number in range(40):
            if sys.getsizeof(grown) == object.__sizeof__([]) + 8 * len(grown):
                push(grown, number)
            else:
                grown.append(number)
            other.append(number)
            assert grown == other
            assert sys.getsizeof(grown) == sys.getsizeof(other)
        assert grown == other == [*range(start), *range(40)]
        holders = [[grown], [other]]
        del grown, other
        for holder in holders:
            free(holder)


_concat = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.py_object)(support.function_address("list_concat"))
_slice = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_int64, ctypes.c_int64)(
    support.function_address("list_slice")
)


def test_lists_of_others_items():
    for size in (0, 1, 3, 17):
        items = [object() for _ in range(size)]
        for _ in range(3):
            made = [_concat(items, items), _concat([], items), _concat(items, [1]), _slice(items, 1, -1), _slice(items, -90, 90)]
            assert made == [items * 2, items, [*items, 1], items[1:-1], items]
            assert all(gc.is_tracked(each) for each in made)
            assert all(sys.getsizeof(each) == sys.getsizeof([None] * len(each)) for each in made)
            while made:
                free([made.pop()])
        assert all(sys.getrefcount(item) == 3 for item in items)


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
    yield [told(1), [], [told(2), told(3)], Weak(told(4)), told(5)]
    yield Weak((told(1), [told(2)] * 30, [told(number) for number in range(3, 20)]))


@pytest.mark.parametrize("number", range(6))
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


LINKS = {
    "car": lambda chain: Pair(chain, None),
    "cdr": lambda chain: Pair(None, chain),
    "tuple": lambda chain: (None, None, chain),
    "list": lambda chain: [chain],
    "weak": lambda chain: Weak([chain, 1]),
}


@pytest.mark.parametrize("link", LINKS)
def test_long_chains(link):
    chain = None
    for _ in range(200_000):
        chain = LINKS[link](chain)
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
            log.append(len([new_list(number) for number in range(3000)]))

    for _ in range(3):
        free([(Busy(), Pair([Busy()], 1))])
    assert log == [3000] * 18


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


class WithDict:
    pass


class Derived(Pair):
    __slots__ = ("more",)


class WeakDerived(Pair):
    __slots__ = ("__weakref__",)


def test_instances_with_weak_references():
    assert free_lists.is_plain(Weak)
    log = []
    for _ in range(3):
        weak = new_instance(Weak)
        weak.item = Told(log, "item")
        reference = weakref.ref(weak, lambda _: log.append("weak"))
        assert reference() is weak
        holder = [(weak,)]
        del weak
        free(holder)
        assert reference() is None
        assert log == ["weak", "item"]
        log.clear()
        plain = new_instance(Weak)
        assert weakref.getweakrefcount(plain) == 0
        assert not hasattr(plain, "item")
        holder = [plain]
        del plain
        free(holder)


def test_other_classes_are_cpythons_business():
    for cls in (Tuple, WeakDerived, WithDict, Derived, Wide, int, list, object):
        assert not free_lists.is_plain(cls)
    weak = Weak(None)
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


class Named(tuple):  # a subclass is freed by CPython
    __slots__ = ()


@pytest.mark.parametrize("kind", [tuple, Named])
@pytest.mark.parametrize("length", [3, 5, 20, 21])
@pytest.mark.parametrize("is_shared", [False, True], ids=["alone", "shared"])
def test_a_tuple_is_taken_apart(kind, length, is_shared):
    code = compiled(
        """trace t(r0, r9: Box)
          guard_nonnull(r0) -> [r9]
          r1 = tuple_getitem(r0, 2)
          r2 = tuple_getitem(r0, 0)
          setfield(r9, None) {Box.item}
          r3 = new_tuple(r1, r2)
          finish(r3)""",
        {"Box": Weak},
    )
    items = [object() for _ in range(length)]
    freed = weakref.WeakSet()
    items[1] = Weak(None)
    freed.add(items[1])
    for _ in range(3):
        whole = kind(items)
        counts = [sys.getrefcount(item) for item in items]
        holder = whole if is_shared else None
        values = [whole, Weak(None)]
        del whole
        exit_tuple = code.enter(values)
        assert exit_tuple[0] == 0
        assert exit_tuple[2] == (items[2], items[0])
        assert holder is None or (holder == tuple(items) and gc.is_tracked(holder) and sys.getrefcount(holder) == 2)
        del exit_tuple
        assert [sys.getrefcount(item) for item in items] == [count - (not is_shared) for count in counts]
        del holder
    del items
    assert not freed
    code.free()


def test_a_class_that_was_freed_before_and_gets_a_finalizer_is_finalized():
    class Changing:
        __slots__ = ("car", "cdr")

    def freed():
        holder = [new_instance(Changing)]
        holder[0].car = holder[0].cdr = None
        free(holder)

    for _ in range(3):
        freed()
        assert Changing().__class__ is Changing  # a look-up gives the class a version tag
    called = []
    Changing.__del__ = lambda self: called.append(type(self))
    freed()
    assert len(called) == 1
    del Changing.__del__
    freed()
    assert len(called) == 1
