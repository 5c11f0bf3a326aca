"""Places of attributes, classification of class attributes, checks for shadowing."""

import abc
import gc
import sys
import weakref

import pytest

from metatracer.backend import fields
from metatracer.backend.fields import (
    field_for,
    field_writer,
    is_inline,
    is_not_shadowed,
    lookup_attribute,
    plain_creation,
    read_field,
    shadow_check,
    write_field,
)
from metatracer.backend.layout import native_support
from metatracer.errors import UsageError
from metatracer.ir.values import NULL_OBJECT, Field

pytestmark = pytest.mark.skipif(native_support() != "", reason=native_support() or "supported")


def write_by_field(instance, field, value):
    field_writer(field)(instance, value)


@pytest.fixture(params=[write_field, write_by_field])
def write(request):
    """Both ways to write a field."""
    return request.param


class Slotted:
    __slots__ = ("first", "second")


class Derived(Slotted):
    __slots__ = ("third",)


def make_plain():
    class Plain:
        shared = 5

        def __init__(self, x=1, y=2):
            self.x = x
            self.y = y

        def method(self):
            return self.x

        @property
        def both(self):
            return self.x + self.y

        @staticmethod
        def static():
            return 1

        @classmethod
        def clsmethod(cls):
            return cls

    return Plain


# --- classification -----------------------------------------------------------------------------------------------------


class DataDescriptor:
    def __get__(self, instance, owner):
        return 1

    def __set__(self, instance, value):
        raise AssertionError("examined, not run")


class OnlySet:
    def __set__(self, instance, value):
        pass


class OnlyDelete:
    def __delete__(self, instance):
        pass


class OnlyGet:
    def __get__(self, instance, owner):
        raise AssertionError("examined, not run")


class CallableValue:
    def __call__(self):
        return 1


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (DataDescriptor(), "data_descriptor"),
        (OnlySet(), "data_descriptor"),
        (OnlyDelete(), "data_descriptor"),
        (OnlyGet(), "nondata_descriptor"),
        (property(lambda self: 1), "data_descriptor"),
        (staticmethod(len), "nondata_descriptor"),
        (classmethod(len), "nondata_descriptor"),
        (lambda self: 1, "method"),
        (len, "class_value"),
        (CallableValue(), "class_value"),
        (5, "class_value"),
        (int, "class_value"),
        (None, "class_value"),
        (Slotted.__dict__["first"], "data_descriptor"),  # a slot of another class
        (type(lambda: 1).__dict__["__closure__"], "data_descriptor"),
        (str.upper, "nondata_descriptor"),
    ],
)
def test_class_attribute_is_classified(value, kind):
    base = type("Base", (), {"name": value})
    found = lookup_attribute(type("Sub", (base,), {}), "name")
    assert (found.kind, found.attribute, found.owner) == (kind, value, base)


def test_missing_attribute():
    assert lookup_attribute(Slotted, "nothing").kind == "missing"


def test_lookup_takes_the_first_class_of_the_mro():
    class A:
        name = 1

    class B(A):
        pass

    class C(A):
        def name(self):
            return 2

    class D(B, C):
        pass

    found = lookup_attribute(D, "name")
    assert (found.kind, found.owner) == ("method", C)


def test_metaclass_is_examined_and_not_run():
    class Meta(type):
        def __getattribute__(cls, name):
            raise AssertionError("run")

        def __eq__(cls, other):
            raise AssertionError("run")

        __hash__ = None
        __mro__ = property(lambda cls: 1 / 0)

    cls = Meta("Cls", (), {"value": 3, "__slots__": ("slot",)})
    assert lookup_attribute(cls, "value").kind == "class_value"
    assert lookup_attribute(cls, "slot").kind == "slot"
    instance = cls()
    field = field_for(cls, "slot")
    write_field(instance, field, 8)
    assert read_field(instance, field) == 8


def test_custom_attribute_access_is_noticed():
    class Get:
        def __getattribute__(self, name):
            return 1

    class Hook:
        def __getattr__(self, name):
            return 1

    class Set(Slotted):
        def __setattr__(self, name, value):
            pass

    class SubSet(Set):
        pass

    assert [fields.has_custom_getattribute(c) for c in (Get, Hook, Set, type, type(sys))] == [
        True,
        False,
        False,
        True,
        True,
    ]
    assert [fields.has_getattr_hook(c) for c in (Get, Hook)] == [False, True]
    assert [fields.has_custom_setattr(c) for c in (Get, Set, SubSet, type)] == [False, True, True, True]


def test_instance_dict_and_finalizer():
    class Finalized:
        def __del__(self):
            pass

    assert [fields.has_instance_dict(c) for c in (Slotted, Derived, Finalized, int, Exception)] == [
        False, False, True, False, True,
    ]  # fmt: skip
    assert [fields.has_finalizer(c) for c in (Finalized, type("Sub", (Finalized,), {}), Slotted)] == [True, True, False]


def test_creation():
    plain = make_plain()
    found = plain_creation(plain)
    assert (found.init, found.is_function) == (plain.__init__, True)
    assert plain_creation(Slotted).init is None
    assert plain_creation(type("Odd", (), {"__init__": len})).is_function is False

    class Meta(type):
        def __call__(cls):
            return 1

    class New:
        def __new__(cls):
            return object.__new__(cls)

    class Abstract(abc.ABC):
        @abc.abstractmethod
        def run(self):
            pass

    class Concrete(Abstract):
        def run(self):
            pass

    for cls in (Meta("Made", (), {}), New, type("SubNew", (New,), {}), Abstract, int, list, type("SubInt", (int,), {})):
        assert plain_creation(cls) is None, cls
    assert plain_creation(Concrete) is not None
    assert plain_creation(type("Err", (Exception,), {})) is None


# --- places ----------------------------------------------------------------------------------------------------------------


def test_slots_of_a_base_belong_to_the_base():
    assert field_for(Derived, "first") == field_for(Slotted, "first")
    assert field_for(Derived, "first").owner is Slotted
    assert field_for(Derived, "third").owner is Derived
    positions = {field_for(Derived, name).position for name in ("first", "second", "third")}
    assert len(positions) == 3


def test_slot_is_read_and_written(write):
    instance = Derived()
    field = field_for(Derived, "third")
    assert read_field(instance, field) is NULL_OBJECT
    write(instance, field, NULL_OBJECT)
    write(instance, field, [1])
    assert instance.third == [1] == read_field(instance, field)
    write(instance, field, NULL_OBJECT)
    assert not hasattr(instance, "third")


def test_inline_attribute_is_read_and_written(write):
    cls = make_plain()
    instance = cls()
    field = field_for(cls, "y", instance)
    assert (field.owner, field.storage) == (cls, "inline")
    assert read_field(instance, field) == 2
    write(instance, field, "new")
    assert instance.y == "new"
    write(instance, field, NULL_OBJECT)
    assert not hasattr(instance, "y")
    assert read_field(instance, field) is NULL_OBJECT
    write(instance, field, 4)
    assert is_inline(instance)
    assert vars(instance) == {"x": 1, "y": 4}


def test_field_is_found_after_the_move_to_a_dict(write):
    cls = make_plain()
    instance = cls()
    field = field_for(cls, "x")
    vars(instance)["extra"] = 1
    assert field_for(cls, "x", instance).in_dict
    assert field_for(cls, "x") == field
    write(instance, field, 9)
    assert (instance.x, read_field(instance, field)) == (9, 9)
    write(instance, field, NULL_OBJECT)
    assert read_field(instance, field) is NULL_OBJECT
    instance.__dict__ = {}
    assert read_field(instance, field) is NULL_OBJECT


def test_writing_releases_the_old_value(write):
    class Tracked:
        pass

    for instance, cls in ((Slotted(), Slotted), (make_plain()(), None)):
        name = "first" if cls else "x"
        instance_field = None
        value = Tracked()
        setattr(instance, name, value)
        instance_field = field_for(type(instance), name)
        alive = weakref.ref(value)
        count = sys.getrefcount(value)
        assert read_field(instance, instance_field) is value
        assert sys.getrefcount(value) == count
        del value
        assert alive() is not None
        write(instance, instance_field, 0)
        assert alive() is None


def test_no_place_for_properties_and_names_without_index():
    cls = make_plain()
    cls()
    assert field_for(cls, "both") is None
    assert field_for(cls, "method") is None
    assert field_for(cls, "nothing") is None
    assert field_for(int, "real") is None


def test_data_descriptor_hides_an_inline_attribute_but_not_pending_stores(write):
    cls = make_plain()
    instance = cls()
    field = field_for(cls, "x")
    cls.x = property(lambda self: "property", lambda self, value: 1 / 0)
    assert field_for(cls, "x") is None
    write(instance, field, 3)
    assert instance.x == "property"
    assert vars(instance)["x"] == 3


def test_a_kept_writer_follows_the_class():
    cls = make_plain()
    instance = cls()
    write = field_writer(field_for(cls, "x"))
    for value in (3, 4):
        write(instance, value)
        assert instance.x == value
    cls.x = property(lambda self: "property", lambda self, value: 1 / 0)
    write(instance, 5)
    assert (instance.x, vars(instance)["x"]) == ("property", 5)
    del cls.x
    write(instance, 6)
    assert instance.x == 6


def test_a_slot_whose_descriptor_is_gone_is_written():
    class Sloppy:
        __slots__ = ("value",)

    field = field_for(Sloppy, "value")
    descriptor = Sloppy.value
    kept = field_writer(field)
    del Sloppy.value
    for write in (kept, field_writer(field)):
        instance = Sloppy()
        write(instance, 7)
        assert descriptor.__get__(instance) == 7


def test_wrong_instances_are_refused():
    plain = make_plain()
    plain()
    for field in (field_for(Slotted, "first"), field_for(plain, "x")):
        for instance in (object(), 3, make_plain()()):
            with pytest.raises(TypeError, match="do not have the field"):
                read_field(instance, field)
            with pytest.raises(TypeError, match="do not have the field"):
                write_field(instance, field, 1)


def test_index_stays_when_others_come_and_go():
    cls = make_plain()
    first = cls()
    before = field_for(cls, "y")
    first.z = 3
    del first.x
    other = cls.__new__(cls)
    other.a = 1
    other.y = 7
    assert field_for(cls, "y") == before
    assert (read_field(first, before), read_field(other, before)) == (2, 7)


def test_class_with_slots_and_dict():
    class Mixed(Slotted):
        pass

    instance = Mixed()
    instance.first, instance.own = 1, 2
    assert field_for(Mixed, "first").owner is Slotted
    own = field_for(Mixed, "own", instance)
    if own is not None:  # 3.13 embeds values only in objects without slots
        assert read_field(instance, own) == 2


def test_immutability_declarations():
    class Node:
        _immutable_fields_ = ("left", "version?", "items[*]", "table?[*]")
        __slots__ = ("items", "left", "other", "table", "version")

    class Sub(Node):
        __slots__ = ("more",)
        _immutable_fields_ = ["more"]

    def flags(name):
        field = field_for(Sub, name)
        return field.immutable, field.quasi, field.immutable_items

    assert flags("left") == flags("more") == (True, False, False)
    assert flags("version") == (False, True, False)
    assert flags("items") == (True, False, True)
    assert flags("table") == (False, True, True)
    assert flags("other") == (False, False, False)


def test_bad_immutability_declaration_is_a_usage_error():
    cls = type("Bad", (), {"_immutable_fields_": "name", "__slots__": ("name",)})
    with pytest.raises(UsageError, match="_immutable_fields_ must be a list"):
        field_for(cls, "name")


# --- shadowing ---------------------------------------------------------------------------------------------------------------


def test_slotted_objects_are_never_shadowed():
    assert shadow_check(Slotted, "method").kind == "never"


def test_shadowing_by_a_name_outside_the_shared_keys():
    cls = make_plain()
    one, other = cls(), cls()
    check = shadow_check(cls, "method")
    assert check.kind == "no_key"
    assert is_not_shadowed(one, check)
    other.method = 5
    assert not is_not_shadowed(other, check)
    # The check has become too strict for `one`; a new one is exact.
    again = shadow_check(cls, "method")
    assert again.kind == "unset"
    assert is_not_shadowed(one, again)
    assert not is_not_shadowed(other, again)
    del other.method
    assert is_not_shadowed(other, again)


def test_instances_with_a_dict_do_not_pass():
    cls = make_plain()
    instance = cls()
    check = shadow_check(cls, "method")
    vars(instance)["method"] = 1
    assert not is_not_shadowed(instance, check)


def test_shadowing_in_a_class_with_another_kind_of_dict():
    class Err(Exception):
        def method(self):
            pass

    check = shadow_check(Err, "method")
    assert check.kind == "no_dict"
    instance = Err()
    assert is_not_shadowed(instance, check)
    instance.method = 1
    assert not is_not_shadowed(instance, check)


def test_shadow_field_names_class_and_attribute():
    cls = make_plain()
    cls()
    assert fields.shadow_field(cls, "method", cls()) == Field(cls, "method", "inline", -1)


def test_version_tag_follows_changes():
    class Base:
        pass

    class Sub(Base):
        pass

    tag = fields.version_tag(Sub)
    assert tag != 0
    assert fields.version_tag(Sub) == tag
    Base.new = 1
    assert fields.version_tag(Sub) not in (0, tag)
    assert fields.is_immutable_type(int)
    assert not fields.is_immutable_type(Sub)
    gc.collect()
