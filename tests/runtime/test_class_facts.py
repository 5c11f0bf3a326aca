"""Objects that are given another class: what is counted, what breaks, and what does not."""

import ctypes
import gc
import threading
import types
import weakref

import pytest

from metatracer.backend.class_assignments import class_assignments
from metatracer.backend.layout import native_support
from metatracer.backend.watchers import watchers
from metatracer.ir.class_facts import keeps_instances
from metatracer.runtime import assumptions as module
from metatracer.runtime.assumptions import VOLATILE_BREAKS, Registry
from metatracer.runtime.class_facts import InstancesKeepClass, ObjectKeepsClass

pytestmark = pytest.mark.skipif(native_support() != "", reason=native_support() or "supported")

_SIZES = {4: ctypes.c_uint32, 8: ctypes.c_uint64}


@pytest.fixture(params=["watch", "poll"])
def registry(request, monkeypatch):
    made = Registry(use_watchers=request.param == "watch")
    if made.polling.watching is not None:
        made.polling.watching.clean()
    monkeypatch.setattr(module, "REGISTRY", made)
    return made


class Code:
    def __init__(self, registry, assumption):
        self.registry = registry
        self.words = assumption.poll_words()
        self.reason = None
        assert registry.register([assumption], self)

    def invalidate(self, reason):
        self.reason = reason

    @property
    def asks(self):
        """Whether a polled word differs."""
        return any(
            _SIZES[word.size].from_address(word.address).value != _SIZES[word.size].from_address(word.cell).value
            for word in self.words
        )

    def runs(self):
        return self.reason is None and (not self.asks or self.registry.recheck(self))


class Late:
    reason = ""

    def invalidate(self, reason):
        self.reason = reason


def pair():
    class Left:
        __slots__ = ("a",)

    class Right:
        __slots__ = ("a",)

    return Left, Right


WAYS = {
    "assignment": lambda obj, cls: setattr(obj, "__class__", cls),
    "object.__setattr__": lambda obj, cls: object.__setattr__(obj, "__class__", cls),
    "method wrapper": lambda obj, cls: obj.__setattr__("__class__", cls),
    "descriptor": lambda obj, cls: object.__dict__["__class__"].__set__(obj, cls),
    "C": lambda obj, cls: ctypes.pythonapi.PyObject_SetAttrString(
        ctypes.py_object(obj), b"__class__", ctypes.py_object(cls)
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fact", [InstancesKeepClass, ObjectKeepsClass])
def test_every_way_of_assigning_a_class_is_noticed(registry, fact, way):
    left, right = pair()
    obj = left()
    code = Code(registry, fact(left if fact is InstancesKeepClass else obj))
    assert code.runs()
    assert not code.asks
    WAYS[way](obj, right)
    assert type(obj) is right
    assert code.asks
    assert not code.runs()
    assert "class" in code.reason


@pytest.mark.parametrize("change", ["module", "class", "subclass of a builtin"])
def test_all_kinds_of_objects_are_noticed(registry, change):
    if change == "module":
        obj, other = types.ModuleType("m"), type("Other", (types.ModuleType,), {})
    elif change == "class":
        obj, other = type("Meta", (type,), {})("C", (), {}), type("OtherMeta", (type,), {})
    else:
        obj, other = type("Text", (str,), {})("x"), type("OtherText", (str,), {})
    codes = [Code(registry, InstancesKeepClass(type(obj))), Code(registry, ObjectKeepsClass(obj))]
    obj.__class__ = other
    assert not any(code.runs() for code in codes)


def test_what_concerns_others_breaks_nothing(registry):
    left, right = pair()
    obj, bystander = left(), right()
    codes = [Code(registry, InstancesKeepClass(left)), Code(registry, ObjectKeepsClass(obj))]
    bystander.__class__ = left  # an object comes to the class
    obj.__class__ = left  # no change
    with pytest.raises(TypeError):
        obj.__class__ = int
    with pytest.raises(TypeError):
        object.__dict__["__class__"].__set__(obj, 5)
    with pytest.raises(TypeError):
        del obj.__class__
    assert not any(code.asks for code in codes)
    bystander.__class__ = right  # but this instance of the class was none when it was made
    assert not codes[0].runs()
    assert codes[1].runs()


def test_object_that_is_back_in_its_class_is_as_before(registry):
    left, right = pair()
    obj = left()
    code = Code(registry, ObjectKeepsClass(obj))
    obj.__class__ = right
    obj.__class__ = left
    assert code.runs()
    assert not code.asks


def test_nobody_is_told_when_nobody_relies_on_it():
    watching = watchers()
    assert watching is not None
    left, right = pair()
    obj = left()
    registry = Registry()
    code = Code(registry, InstancesKeepClass(left))
    registry.forget(code)
    code = Code(registry, ObjectKeepsClass(obj))
    registry.forget(code)
    watching.clean()
    obj.__class__ = right
    assert not watching.is_dirty


def test_repeated_changes_are_volatile_once_per_change(registry):
    left, right = pair()
    obj = left()
    for _ in range(VOLATILE_BREAKS):
        assert not registry.is_volatile(InstancesKeepClass(left))
        codes = [Code(registry, InstancesKeepClass(left)) for _ in range(5)]
        obj.__class__ = right
        assert not any(code.runs() for code in codes)
        obj.__class__ = left
    assert registry.is_volatile(InstancesKeepClass(left))
    assert not registry.is_volatile(InstancesKeepClass(right))


@pytest.mark.parametrize("fact", [InstancesKeepClass, ObjectKeepsClass])
def test_change_between_assuming_and_registering_is_noticed(registry, fact):
    left, right = pair()
    obj = left()
    assumed = fact(left if fact is InstancesKeepClass else obj)
    obj.__class__ = right
    late = Late()
    assert not registry.register([assumed], late)
    assert late.reason


def test_table_survives_much_coming_and_going():
    counting = class_assignments()
    assert counting is not None
    left, right = pair()
    kept = [left() for _ in range(300)]
    for obj in kept:
        counting.watch(obj)
    for _ in range(2000):
        passing = left()
        counting.watch(passing)
        counting.unwatch(passing)
    watching = watchers()
    for obj in kept:
        watching.clean()
        obj.__class__ = right
        assert watching.is_dirty
        counting.unwatch(obj)
        watching.clean()
        obj.__class__ = left
        assert not watching.is_dirty
    assert len(counting._table) < 20000


def test_old_class_that_dies_of_it_is_released(registry):
    right = pair()[1]
    obj = type("Left", (), {"__slots__": ("a",)})()
    deaths = []
    dead = weakref.ref(type(obj), deaths.append)
    for _ in range(3):
        obj.__class__ = right
    gc.collect()
    assert deaths == [dead]


def test_threads_may_watch_and_assign_at_once():
    counting = class_assignments()
    left, right = pair()
    failures = []

    def watch():
        try:
            for _ in range(2000):
                obj = left()
                counting.watch(obj)
                counting.unwatch(obj)
        except (AssertionError, KeyError, IndexError, TypeError) as error:
            failures.append(error)

    def assign():
        obj = left()
        for _ in range(4000):
            obj.__class__ = right
            obj.__class__ = left

    threads = [threading.Thread(target=target) for target in (watch, watch, assign, assign)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_instances_of_builtin_classes_keep_their_class():
    for obj in (1, "", [], {}, None, len, (), object(), ValueError(), int):
        assert keeps_instances(type(obj))
        with pytest.raises(TypeError):
            obj.__class__ = type("Other", (), {})
    for cls in (pair()[0], types.ModuleType, type("Meta", (type,), {})):
        assert not keeps_instances(cls)
