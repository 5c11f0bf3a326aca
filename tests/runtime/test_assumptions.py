"""Assumptions break when they should, and only then; both when changes are noticed and when memory is polled."""

import abc
import builtins
import ctypes
import gc
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest

from metatracer.backend.fields import field_for
from metatracer.backend.layout import native_support
from metatracer.backend.watchers import watchers
from metatracer.ir.values import NULL_OBJECT
from metatracer.runtime import assumptions as module
from metatracer.runtime.assumptions import (
    MISSING,
    VOLATILE_CLASS_BREAKS,
    ClassUnchanged,
    DictItemIs,
    FunctionUnchanged,
    QuasiFieldIs,
    Registry,
)
from metatracer.runtime.given_code import give_code
from metatracer.runtime.polling import NOISY_DICT, DependentWord

pytestmark = pytest.mark.skipif(native_support() != "", reason=native_support() or "supported")

_SIZES = {1: ctypes.c_uint8, 4: ctypes.c_uint32, 8: ctypes.c_uint64}


@pytest.fixture(params=["watch", "poll"])
def registry(request, monkeypatch):
    if request.param == "watch":
        watching = watchers()
        assert watching is not None
        watching.clean()
    made = Registry(use_watchers=request.param == "watch")
    monkeypatch.setattr(module, "REGISTRY", made)
    return made


@pytest.fixture
def no_garbage():
    """What other tests left is freed now: freeing a class or dict that was watched is a change of it."""
    gc.collect()


class Compiled:
    """Code as the machine code behaves: it polls, and asks when a word differs."""

    def __init__(self, registry, *assumptions):
        self.registry = registry
        self.assumptions = assumptions
        self.words = [assumption.poll_words() for assumption in assumptions]
        self.reason = None
        self.rechecks = 0
        self.registered = registry.register(assumptions, self)

    def invalidate(self, reason):
        assert self.reason is None, "invalidated twice"
        self.reason = reason

    def words_match(self):
        for words in self.words:
            matched = True
            for word in words:
                if not matched and isinstance(word, DependentWord):
                    break  # must not be read
                kind = _SIZES[word.size]
                matched = matched and kind.from_address(word.address).value == kind.from_address(word.cell).value
            if not matched:
                return False
        return True

    def runs_among_threads(self):
        """As `runs`, where others change things and check at the same time."""
        while not self.words_match():
            if not self.registry.recheck(self):
                return False
        return self.reason is None

    def runs(self):
        """What `guard_not_invalidated` and the runtime do together: whether the code is still used."""
        if self.reason is not None:
            return False
        if self.words_match():
            return True
        self.rechecks += 1
        valid = self.registry.recheck(self)
        assert valid == (self.reason is None)
        if valid:
            assert self.words_match(), "would ask for ever"
        return valid


def class_family():
    class Base:
        value = 1

        def method(self):
            return 1

    class Middle(Base):
        pass

    class Leaf(Middle):
        pass

    return Base, Middle, Leaf


# --- classes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize(
    "change",
    [
        lambda cls: setattr(cls, "value", 2),
        lambda cls: setattr(cls, "method", lambda self: 2),
        lambda cls: setattr(cls, "__getattr__", lambda self, name: 2),
        lambda cls: (setattr(cls, "added", 2), delattr(cls, "added")),
        lambda cls: setattr(
            cls, "__bases__", (type("Other", (*cls.__bases__[:1],) if cls.__bases__ != (object,) else (), {}),)
        ),
    ],
    ids=["attribute", "method", "hook", "added and removed", "bases"],
)
def test_change_of_class_or_base_breaks(registry, level, change):
    family = class_family()
    code = Compiled(registry, ClassUnchanged(family[2]))
    assert code.runs()
    try:
        change(family[level])
    except TypeError:
        pytest.skip("CPython refuses this change of bases")
    assert not code.runs()
    assert "Leaf" in code.reason


def test_other_classes_and_instances_do_not_matter(no_garbage, registry):
    _, middle, leaf = class_family()
    code = Compiled(registry, ClassUnchanged(middle), ClassUnchanged(int))
    leaf.value = 3
    instance = leaf()
    instance.value = 4
    type("Another", (middle,), {}).value = 5
    assert code.runs()
    assert code.rechecks == 0


def test_builtin_classes_cannot_change_and_cost_nothing():
    assumption = ClassUnchanged(int)
    assert assumption.holds()
    assert assumption.poll_words() == []


def test_metaclass_change_is_not_a_change_of_the_class(registry):
    meta = type("Meta", (type,), {})
    cls = meta("Cls", (), {})
    code, other = Compiled(registry, ClassUnchanged(cls)), Compiled(registry, ClassUnchanged(meta))
    meta.added = 1
    assert code.runs()
    assert not other.runs()


def test_custom_mro_cannot_be_relied_on(registry):
    class Meta(type):
        def mro(cls):
            return super().mro()

    cls = Meta("Cls", (), {})
    assumption = ClassUnchanged(cls)
    if not assumption.holds():
        code = Compiled(registry, assumption)
        assert not code.registered
    else:  # CPython gives it a tag, and tells of changes
        code = Compiled(registry, assumption)
        cls.added = 1
        assert not code.runs()


def test_class_can_be_relied_on_again(registry):
    cls = class_family()[0]
    for value in range(VOLATILE_CLASS_BREAKS):
        assert not registry.is_volatile(ClassUnchanged(cls))
        code = Compiled(registry, ClassUnchanged(cls))
        assert code.runs()
        cls.value = value
        assert not code.runs()
    assert registry.is_volatile(ClassUnchanged(cls))
    assert not registry.is_volatile(ClassUnchanged(class_family()[0]))


# --- globals and builtins -----------------------------------------------------------------------------------------------------


def test_rebinding_a_global_breaks(registry):
    space = {"limit": [], "other": 1}
    code = Compiled(registry, DictItemIs(space, "limit", space["limit"]))
    space["other"] = 2
    space["new"] = 3
    del space["other"]
    assert code.runs()
    exec("limit = 7", space)
    assert not code.runs()
    assert code.reason == "no longer true: limit is list object"


@pytest.mark.parametrize(
    "change",
    [
        lambda space: space.__delitem__("limit"),
        lambda space: space.pop("limit"),
        lambda space: space.clear(),
        lambda space: space.update(limit=5),
        lambda space: space.__ior__({"limit": 5}),
        lambda space: (space.clear(), space.update({"limit": 5})),
        lambda space: exec("global limit\ndel limit", space),
        lambda space: exec("def limit(): pass", space),
        lambda space: [space.popitem() for _ in range(len(space))],
        lambda space: space.__setitem__(str(b"limit", "ascii"), 5),
    ],
)
def test_every_way_of_changing_an_item_breaks(registry, change):
    space = {"first": 1, "limit": object(), "__builtins__": builtins}
    code = Compiled(registry, DictItemIs(space, "limit", space["limit"]))
    change(space)
    assert not code.runs()


def test_builtin_is_shadowed_by_a_new_global(registry):
    space = {"x": 1}
    code = Compiled(registry, DictItemIs(space, "len", MISSING), DictItemIs(vars(builtins), "len", len))
    space["y"] = 2
    assert code.runs()
    space["len"] = lambda value: 3
    assert not code.runs()
    assert code.reason == "no longer true: len is absent"


def test_builtin_is_monkeypatched(registry, monkeypatch):
    code = Compiled(registry, DictItemIs(vars(builtins), "abs", abs))
    monkeypatch.setattr(builtins, "ascii", ascii)
    assert code.runs()
    monkeypatch.setattr(builtins, "abs", lambda value: 3)
    assert not code.runs()


def test_many_items_of_many_dicts(registry):
    spaces = [{f"name{i}": object() for i in range(40)} for _ in range(12)]
    codes = {
        (number, name): Compiled(registry, DictItemIs(space, name, space[name]))
        for number, space in enumerate(spaces)
        for name in space
    }
    changed = [(number, f"name{index}") for number, index in zip(range(12), range(0, 40, 3), strict=False)]
    for number, name in changed:
        spaces[number][name] = None
    # One recheck tells everybody.
    assert not codes[changed[0]].runs()
    assert {place for place, code in codes.items() if code.reason} == set(changed)
    assert all(code.runs() for place, code in codes.items() if place not in changed)


def test_equal_number_counts_as_the_same(registry):
    space = {"big": 10**6, "half": 0.5, "zero": 0.0}
    codes = [Compiled(registry, DictItemIs(space, name, value)) for name, value in space.items()]
    space["big"] = int("1000000")
    space["half"] = float("0.5")
    assert all(code.runs() for code in codes)
    assert all(code.runs() for code in codes)
    space["zero"] = -0.0
    assert [code.runs() for code in codes] == [True, True, False]
    space["big"] = 10.0**6
    assert [code.runs() for code in codes] == [False, True, False]


def test_growing_dict_moves_its_items(registry):
    space = {"limit": object()}
    code = Compiled(registry, DictItemIs(space, "limit", space["limit"]))
    for index in range(1000):
        space[f"name{index}"] = index
    assert code.runs()
    space["limit"] = 1
    assert not code.runs()


def test_noisy_dict_is_polled_item_by_item():
    registry = Registry(use_watchers=False)
    previous, module.REGISTRY = module.REGISTRY, registry
    try:
        space = {"limit": object(), "counter": 0}
        space["gone"] = 1
        facts = lambda: (DictItemIs(space, "limit", space["limit"]), DictItemIs(space, "len", MISSING))  # noqa: E731
        code = Compiled(registry, *facts())
        for index in range(1000, 1000 + 10 * NOISY_DICT):
            space["counter"] = index
            if not code.runs():
                break
        assert code.rechecks == NOISY_DICT
        assert "change too often" in code.reason
        assert not any(map(registry.is_volatile, facts()))

        code = Compiled(registry, *facts())
        for index in range(1000, 2000):
            space["counter"] = index
            assert code.runs()
        assert code.rechecks == 0
        space["limit"] = 3
        assert not code.runs()

        code = Compiled(registry, *facts())
        space["len"] = 3
        assert not code.runs()
        code = Compiled(registry, DictItemIs(space, "limit", 3))
        for index in range(1000):
            space[f"name{index}"] = index
        assert not code.runs(), "the items have moved"
        code = Compiled(registry, DictItemIs(space, "limit", 3), DictItemIs(space, "gone", 1))
        del space["gone"]
        assert not code.runs()
    finally:
        module.REGISTRY = previous


# --- functions ------------------------------------------------------------------------------------------------------------------


def make_function():
    def function(a, b=1, *, key=2):
        return a + b + key

    return function


@pytest.mark.parametrize(
    "change",
    [
        lambda f: setattr(f, "__code__", make_function().__code__.replace(co_name="other")),
        lambda f: setattr(f, "__defaults__", (5,)),
        lambda f: delattr(f, "__defaults__"),
        lambda f: setattr(f, "__kwdefaults__", {"key": 3}),
        lambda f: f.__kwdefaults__.update(key=object()),
        lambda f: f.__kwdefaults__.clear(),
    ],
)
def test_change_of_a_function_breaks(registry, change):
    function = make_function()
    code = Compiled(registry, FunctionUnchanged(function))
    for _ in range(50):
        function(1)
    function.attribute = 5
    function.__name__ = "renamed"
    make_function().__defaults__ = (8,)
    assert code.runs()
    change(function)
    assert not code.runs()


def test_code_that_a_function_is_given_by_the_toolkit_breaks_nothing(registry):
    function = make_function()
    own = function.__code__
    code = Compiled(registry, FunctionUnchanged(function))
    give_code(function, own.replace(co_name="with_a_tick"))
    assert code.runs()
    later = Compiled(registry, FunctionUnchanged(function))
    function.__code__ = own
    assert code.runs()
    assert later.runs()
    function.__code__ = own.replace(co_name="other")
    assert not code.runs()
    assert not later.runs()


# --- fields ---------------------------------------------------------------------------------------------------------------------


class SlottedCell:
    __slots__ = ("content", "other")
    _immutable_fields_ = ("content?",)


def inline_cell():
    class InlineCell:
        _immutable_fields_ = ("content?",)

        def __init__(self):
            self.other = 1
            self.content = None

    return InlineCell


def has_many(cell):
    """Gives an instance more attributes than are kept inline."""
    for number in range(40):
        setattr(cell, f"field{number}", number)


@pytest.mark.parametrize("kind", ["slot", "inline", "split", "entry"])
def test_an_equal_number_is_expected_by_all_codes_that_share_an_assumption(registry, kind):
    cls = SlottedCell if kind == "slot" else inline_cell()
    cell = cls()
    cell.content = value = 10**9
    if kind == "split":
        vars(cell)
    elif kind == "entry":
        has_many(cell)
    shared = QuasiFieldIs(cell, field_for(cls, "content", cell), value)
    codes = [Compiled(registry, shared) for _ in range(3)]
    cell.content = int("1000000000")
    assert cell.content is not value
    assert all(code.runs() for code in codes)
    assert all(code.words_match() for code in codes)


@pytest.mark.parametrize("kind", ["slot", "inline", "split", "entry"])
def test_quasi_immutable_field(registry, kind):
    cls = SlottedCell if kind == "slot" else inline_cell()
    cell = cls()
    cell.content = value = object()
    if kind == "split":
        vars(cell)
    elif kind == "entry":
        has_many(cell)
    field = field_for(cls, "content", cell)
    assert (field.storage, field.quasi) == (kind, True)
    code = Compiled(registry, QuasiFieldIs(cell, field, value))
    cell.other = 5
    another = cls()
    another.content = 7
    assert code.runs()
    cell.content = object()
    assert not code.runs()
    assert "content" in code.reason
    if kind in ("split", "entry"):
        return  # an attribute that is not there has no place

    del cell.content
    code = Compiled(registry, QuasiFieldIs(cell, field, NULL_OBJECT))
    assert code.runs()
    cell.content = 5000
    assert not code.runs()

    code = Compiled(registry, QuasiFieldIs(cell, field, cell.content))
    cell.content = int("5000")
    assert code.runs()
    assert code.runs()
    assert code.rechecks == 1
    cell.content = 5001
    assert not code.runs()


MOVES = {
    "another dict": lambda c: setattr(c, "__dict__", {"content": 1}),
    "an equal dict": lambda c: setattr(c, "__dict__", dict(vars(c))),
    "no dict": lambda c: delattr(c, "__dict__"),
    "removed": lambda c: delattr(c, "content"),
    "removed and set": lambda c: (delattr(c, "content"), setattr(c, "content", 1)),
    "set in the dict": lambda c: vars(c).update(content=1),
    "keys of all kinds": lambda c: vars(c).update({1: 2, "content": 1}),
    "resized": lambda c: (vars(c).update({f"more{i}": i for i in range(500)}), setattr(c, "content", 1)),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("spread", [vars, has_many], ids=["split", "entry"])
def test_quasi_field_in_a_dict_that_changes(registry, spread, move):
    cls = inline_cell()
    cell = cls()
    cell.content = value = object()
    spread(cell)
    code = Compiled(registry, QuasiFieldIs(cell, field_for(cls, "content", cell), value))
    assert code.runs()
    MOVES[move](cell)
    gc.collect()
    is_same = getattr(cell, "content", None) is value
    assert not code.runs() or is_same


@pytest.mark.parametrize(
    "move", [lambda c: setattr(c, "__dict__", {"content": 1}), lambda c: vars(c).update(content=1)]
)
def test_quasi_field_changed_behind_its_back(registry, move):
    cls = inline_cell()
    cell = cls()
    cell.content = value = object()
    code = Compiled(registry, QuasiFieldIs(cell, field_for(cls, "content"), value))
    move(cell)
    gc.collect()
    assert not code.runs()


def test_quasi_field_of_an_object_that_changes_its_class(registry):
    cls = inline_cell()
    cell = cls()
    other = type("Other", (cls,), {"_immutable_fields_": ("content?",)})
    code = Compiled(registry, QuasiFieldIs(cell, field_for(cls, "content"), None))
    cell.__class__ = other
    assert not code.runs()


# --- the registry ----------------------------------------------------------------------------------------------------------


def test_what_is_false_at_registration_is_refused(registry):
    space = {"a": 1}
    assumption = DictItemIs(space, "a", 1)
    space["a"] = 2
    code = Compiled(registry, assumption)
    assert not code.registered
    assert code.reason == "no longer true: a is 1"
    assert list(registry.registered()) == []


def test_all_codes_are_told_once_and_others_not(registry):
    space = {"a": 1, "b": 2}
    users = [Compiled(registry, DictItemIs(space, "a", 1), DictItemIs(space, "b", 2)) for _ in range(3)]
    bystander = Compiled(registry, DictItemIs(space, "b", 2))
    space["a"] = 5
    assert not users[0].runs()
    assert [code.reason for code in users] == ["no longer true: a is 1"] * 3
    assert bystander.runs()
    space["a"] = 6
    assert bystander.runs()
    assert [found for found, _ in registry.registered()] == [bystander]


def test_invalidate_may_use_the_registry(registry):
    class Eager(Compiled):
        def invalidate(self, reason):
            super().invalidate(reason)
            self.again = Compiled(self.registry, DictItemIs(space, "a", space["a"]))

    space = {"a": 1}
    code = Eager(registry, DictItemIs(space, "a", 1))
    space["a"] = 2
    assert not code.runs()
    assert code.again.runs()


def test_nothing_is_kept_alive_longer_than_the_code(registry):
    class Thing:
        def __call__(self):
            pass

    cls = inline_cell()
    cell, thing = cls(), Thing()
    space = {"thing": thing}
    function = make_function()
    code = Compiled(
        registry,
        ClassUnchanged(cls),
        QuasiFieldIs(cell, field_for(cls, "content", cell), None),
        DictItemIs(space, "thing", thing),
        FunctionUnchanged(function),
    )
    alive = [weakref.ref(item) for item in (cls, cell, thing, function)]
    del cls, cell, thing, function, space
    gc.collect()
    assert all(reference() is not None for reference in alive)
    assert code.runs()
    registry.forget(code)
    del code
    gc.collect()
    assert [reference() for reference in alive] == [None] * 4


def test_collected_code_is_forgotten(registry):
    space = {"a": 1}
    code = Compiled(registry, DictItemIs(space, "a", 1))
    alive = weakref.ref(code)
    del code
    gc.collect()
    assert alive() is None
    assert list(registry.registered()) == []
    assert not registry._users
    assert not registry._watched
    space["a"] = 2


def test_equal_assumptions_are_equal():
    cls, space, function = class_family()[0], {"a": 1}, make_function()
    for make in (lambda: ClassUnchanged(cls), lambda: DictItemIs(space, "a", 1), lambda: FunctionUnchanged(function)):
        assert make() == make()
        assert hash(make()) == hash(make())
    before = ClassUnchanged(cls)
    cls.value = 9
    assert before != ClassUnchanged(cls)
    assert DictItemIs(space, "a", 1) != DictItemIs(space, "a", 2)
    assert DictItemIs(space, "a", 1).is_about(space, "a")
    assert not DictItemIs(space, "a", 1).is_about({"a": 1}, "a")


def test_threads_may_register_and_change_at_once(registry):
    space = {f"name{i}": i + 1000 for i in range(8)}
    wrong = []

    def work(name):
        for value in range(40):
            space[name] = fact = object()
            code = Compiled(registry, DictItemIs(space, name, fact))
            if not code.runs_among_threads() and "no longer true" in (code.reason or ""):  # or the dict is noisy
                wrong.append((name, code.reason))
            space[name] = value
            if code.runs_among_threads():
                wrong.append((name, "runs though false"))

    threads = [threading.Thread(target=work, args=(name,)) for name in space]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def test_code_is_told_before_others_find_everything_clean(registry):
    """Code of another thread, which is broken and not told yet, must ask as well."""
    space = {"a": 1, "b": 1}
    first = Compiled(registry, DictItemIs(space, "a", 1))
    second = Compiled(registry, DictItemIs(space, "b", 1))
    seen = []
    for code in (first, second):
        code.invalidate = lambda reason: seen.append([first.words_match(), second.words_match()])
    space["a"] = space["b"] = 2
    assert not registry.recheck(first)
    assert seen == [[False, False], [False, False]]


# --- watchers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no watchers before 3.12")
def test_watchers_ignore_what_nobody_relies_on(no_garbage):
    watching, registry = watchers(), Registry()
    space = {"a": object(), "b": 1}
    cls = class_family()[0]
    code = Compiled(
        registry, DictItemIs(space, "a", space["a"]), ClassUnchanged(cls), FunctionUnchanged(make_function())
    )
    watching.clean()
    space["b"] = 2
    space["a"] = space["a"]
    exec("c = 3\ndel c", space)
    other = class_family()[0]
    other.x = 1
    for _ in range(10):
        make_function()(1)
    assert not watching.is_dirty
    space["a"] = 1
    assert watching.is_dirty
    assert not code.runs()
    assert not watching.is_dirty
    space["a"] = 2
    assert not watching.is_dirty, "the assumption was forgotten"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no watchers before 3.12")
def test_watchers_table_survives_much_coming_and_going(no_garbage):
    watching, registry = watchers(), Registry()
    spaces = [{f"name{i}": object() for i in range(30)} for _ in range(20)]
    for _ in range(5):
        codes = [Compiled(registry, *(DictItemIs(s, n, v) for n, v in s.items())) for s in spaces]
        watching.clean()
        for space in spaces:
            space["unknown"] = 1
            del space["unknown"]
        assert not watching.is_dirty
        for code in codes[::2]:
            registry.forget(code)
        for space in spaces[::2]:
            space["name3"] = object()
        assert not watching.is_dirty
        for space in spaces[1::2]:
            space["name3"] = object()
            assert watching.is_dirty
            watching.clean()
        for code in codes:
            registry.forget(code)


# --- functions put before CPython's own (3.11) --------------------------------------------------------------------------------

only_interposed = pytest.mark.skipif(sys.version_info >= (3, 12), reason="watchers are used from 3.12 on")


class Meta(type):
    pass


class MetaWithSetattr(type):
    def __setattr__(cls, name, value):
        super().__setattr__(name, value)

    def __delattr__(cls, name):
        type.__delattr__(cls, name)


class MetaOfAbstractClasses(MetaWithSetattr, abc.ABCMeta):
    pass


@only_interposed
@pytest.mark.parametrize("meta", [type, Meta, MetaWithSetattr, MetaOfAbstractClasses, None])
@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        lambda cls: setattr(cls, "value", 2),
        lambda cls: delattr(cls, "value"),
        lambda cls: type.__setattr__(cls, "added", 2),
        lambda cls: type.__delattr__(cls, "value"),
        lambda cls: type.__dict__["__setattr__"].__get__(cls)("added", 2),
        lambda cls: setattr(cls, "__doc__", "text"),
        lambda cls: type.__dict__["__abstractmethods__"].__set__(cls, frozenset({"value"})),
        lambda cls: setattr(cls, "__module__", "other"),
        lambda cls: exec("cls.value = 5", {"cls": cls}),
        lambda cls: ctypes.pythonapi.PyObject_SetAttrString(ctypes.py_object(cls), b"x", ctypes.py_object(1)),
    ],
)
def test_every_way_of_changing_a_class_is_noticed(meta, where, change):
    watching, registry = watchers(), Registry()
    if meta is None:  # made later than the functions were put in place
        meta = type("Later", (type,), {})
    base = type.__new__(meta, "Base", (), {"value": 1})
    leaf = type.__new__(meta, "Leaf", (base,), {})
    code = Compiled(registry, ClassUnchanged(leaf))
    assert code.runs()
    watching.clean()
    change((base, leaf)[where] if "value" in vars((base, leaf)[where]) else base)
    assert watching.is_dirty
    assert not code.runs()
    assert not watching.is_dirty


@only_interposed
@pytest.mark.parametrize("through_descriptor", [False, True])
def test_changed_bases_are_noticed(through_descriptor):
    watching, registry = watchers(), Registry()
    first, second = class_family()[0], class_family()[0]
    middle = type("Middle", (first,), {})
    code = Compiled(registry, ClassUnchanged(type("Leaf", (middle,), {})))
    watching.clean()
    if through_descriptor:
        type.__dict__["__bases__"].__set__(middle, (second,))
    else:
        middle.__bases__ = (second,)
    assert watching.is_dirty
    assert not code.runs()


@only_interposed
def test_classes_that_nobody_relies_on_may_change():
    watching, registry = watchers(), Registry()
    _, middle, leaf = class_family()
    code = Compiled(registry, ClassUnchanged(middle))
    watching.clean()
    for cls in (leaf, *class_family(), type("Other", (leaf,), {})):
        cls.value = 5
        del cls.value
    assert not watching.is_dirty
    assert code.runs()


@only_interposed
def test_failing_stores_fail_as_before():
    cls = class_family()[0]
    with pytest.raises(TypeError, match="cannot set 'x' attribute of immutable type 'int'"):
        int.x = 1
    with pytest.raises(AttributeError, match="missing"):
        del cls.missing
    with pytest.raises(TypeError, match="can't apply this __setattr__ to"):
        object.__setattr__(cls, "value", 3)
    with pytest.raises(TypeError, match="must be set to a code object"):
        make_function().__code__ = 1


@only_interposed
def test_finalizer_that_makes_the_runtime_check_does_not_hide_the_change():
    registry = Registry()
    cls = class_family()[0]

    class Finalized:
        def __del__(self):
            registry.recheck(code)

    cls.held = Finalized()
    code = Compiled(registry, ClassUnchanged(cls))
    cls.held = None
    assert not code.runs()


@only_interposed
def test_class_changed_by_c_code_is_noticed_by_the_sweep(no_garbage):
    watching, registry = watchers(), Registry()
    families = [class_family() for _ in range(100)]
    sweep = ctypes.PYFUNCTYPE(None)(watching.sweep_address)
    codes = [Compiled(registry, ClassUnchanged(leaf)) for _, _, leaf in families]
    for code in codes[::3]:
        registry.forget(code)
    watching.clean()
    sweep()
    assert not watching.is_dirty
    modified = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("PyType_Modified", ctypes.pythonapi))
    for number in (1, 50, 98):
        modified(families[number][0])
        assert codes[number].words_match()
        sweep()
        assert not codes[number].runs()
    sweep()
    assert not watching.is_dirty
    assert [number for number, code in enumerate(codes) if code.reason] == [1, 50, 98]


@only_interposed
def test_class_changed_by_c_code_and_relied_on_again_breaks_older_code():
    registry = Registry()
    cls = class_family()[0]
    code = Compiled(registry, ClassUnchanged(cls))
    ctypes.PYFUNCTYPE(None, ctypes.py_object)(("PyType_Modified", ctypes.pythonapi))(cls)
    newer = Compiled(registry, ClassUnchanged(cls))
    assert not code.runs()
    assert newer.runs()


@only_interposed
def test_entering_machine_code_sweeps(no_garbage):
    from metatracer.backend.compile import compile_trace
    from metatracer.ir.text import parse_trace

    watching, registry = watchers(), Registry()
    cls = class_family()[0]
    code = Compiled(registry, ClassUnchanged(cls))
    compiled = compile_trace(parse_trace("trace plain(r0)\n  finish(r0)", {}))
    watching.clean()
    assert compiled.enter([cls]) == (0, None, cls)
    assert not watching.is_dirty
    ctypes.PYFUNCTYPE(None, ctypes.py_object)(("PyType_Modified", ctypes.pythonapi))(cls)
    compiled.enter([cls])
    assert watching.is_dirty
    assert not code.runs()


@only_interposed
def test_cost_of_a_check_does_not_grow_with_classes_and_functions(registry, request):
    if "poll" in request.node.name:
        pytest.skip("all words are polled then")
    functions = [make_function() for _ in range(20)]
    for function in functions:
        function.__kwdefaults__ = None
    facts = [*map(ClassUnchanged, class_family()), *map(FunctionUnchanged, functions)]
    assert len({word for fact in facts for word in fact.poll_words()}) == 1


def test_process_ends_quietly_with_live_assumptions():
    script = textwrap.dedent(
        """
        from metatracer.runtime.assumptions import *
        class Code:
            def invalidate(self, reason): print("late", reason)
        class Cls:
            def __del__(self):
                global other
                other = 3
        other = 1
        code, kept = Code(), Cls()
        facts = [ClassUnchanged(Cls), DictItemIs(globals(), "other", 1), DictItemIs(globals(), "kept", kept)]
        assert register(facts, code)
        class Late:
            def __del__(self, cls=Cls, function=lambda: 1, other=lambda: 2):
                cls.value = 5
                function.__code__ = other.__code__
                type("New", (cls,), {}).value = 3
        import sys, builtins
        sys.late = builtins.late = late = Late()
        late.cycle = [late]
        """
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
