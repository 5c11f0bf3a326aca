"""Attributes of live objects as the recorder and machine code see them: where one is kept, and what a class gives.

`lookup_attribute` says what ``type(obj)`` contributes to ``obj.name``; `field_for` says in which fixed place of the object
the attribute itself is kept: a slot made by ``__slots__``, or one of the inline values (`layout`). `read_field` and
`write_field` use that place directly, without descriptors, ``__getattribute__`` or ``__setattr__``.

Nothing here calls into the classes that are looked at: metaclasses, properties and descriptors are examined, not run.
What is found stays true only as long as the classes do (`runtime.assumptions.ClassUnchanged`), also the classes of custom
descriptors that were found.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from types import FunctionType, MemberDescriptorType, WrapperDescriptorType
from typing import TYPE_CHECKING, Any

from metatracer.backend import layout as lay
from metatracer.backend.layout import layout, read_byte, read_signed, read_u32, read_word
from metatracer.backend.once import once
from metatracer.backend.own_dicts import dict_place, entries, find_place, own_dict, place_of_absence, shared_keys
from metatracer.errors import LayoutError, UsageError
from metatracer.ir.values import NULL_OBJECT, Field

if TYPE_CHECKING:
    from collections.abc import Callable

_mro_of = type.__dict__["__mro__"].__get__
_dict_of = type.__dict__["__dict__"].__get__
_flags_of = type.__dict__["__flags__"].__get__
_dictoffset_of = type.__dict__["__dictoffset__"].__get__
_MISSING = object()


# --- what a class gives -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """What ``type(obj)`` contributes to an attribute.

    Attributes:
        kind: "slot" (made by ``__slots__``), "data_descriptor" (property and everything else that defines setting: comes
            before the instance's own attribute), "method" (a plain function), "nondata_descriptor" (staticmethod,
            classmethod, anything else that defines getting), "class_value" (a plain value) or "missing". The last four
            come after the instance's own attribute.
        attribute: The raw class attribute, not bound; None when missing.
        owner: The class of the MRO that defines it; None when missing.
    """

    kind: str
    attribute: Any = None
    owner: type | None = None


_NOT_FOUND = Lookup("missing")


def raw_lookup(cls: type, name: str) -> tuple[Any, type | None]:
    """The attribute `name` in the first class of the MRO that has it, not bound, and that class; (None, None) if none."""
    for base in _mro_of(cls):
        attribute = _dict_of(base).get(name, _MISSING)
        if attribute is not _MISSING:
            return attribute, base
    return None, None


def has_special(cls: type, name: str) -> bool:
    """Whether a class of the MRO defines `name`."""
    return raw_lookup(cls, name)[1] is not None


def lookup_attribute(cls: type, name: str) -> Lookup:
    """Classify what `cls` contributes to attribute `name` of its instances."""
    attribute, owner = raw_lookup(cls, name)
    if owner is None:
        return _NOT_FOUND
    kind = type(attribute)
    if kind is FunctionType:
        return Lookup("method", attribute, owner)
    if (
        kind is MemberDescriptorType
        and slot_offset(attribute) is not None
        and _is_subclass(cls, attribute.__objclass__)
    ):
        return Lookup("slot", attribute, owner)
    if has_special(kind, "__set__") or has_special(kind, "__delete__"):
        return Lookup("data_descriptor", attribute, owner)
    if has_special(kind, "__get__"):
        return Lookup("nondata_descriptor", attribute, owner)
    return Lookup("class_value", attribute, owner)


def _is_subclass(cls: type, base: type) -> bool:
    return any(found is base for found in _mro_of(cls))


def slot_offset(descriptor: MemberDescriptorType) -> int | None:
    """Offset in bytes of a slot made by ``__slots__``; None for any other C-level member (read-only, typed, relative)."""
    figures = layout()
    member = read_word(id(descriptor) + figures.descr_member)
    if read_u32(member + figures.member_type) != lay.MEMBER_OBJECT_EX or read_u32(member + figures.member_flags):
        return None
    return read_signed(member + figures.member_offset)


def has_custom_getattribute(cls: type) -> bool:
    """Whether reading attributes of instances is anything but the default (``__getattr__`` aside: `has_getattr_hook`)."""
    found = raw_lookup(cls, "__getattribute__")[0]
    if found is object.__dict__["__getattribute__"]:
        return False
    # Most builtin classes name the default once more.
    return type(found) is not WrapperDescriptorType or not _has_default_getattro(found.__objclass__)


_GENERIC_GETATTR = ctypes.cast(ctypes.pythonapi.PyObject_GenericGetAttr, ctypes.c_void_p).value


def _has_default_getattro(cls: type) -> bool:
    place = layout().tp_setattro - lay.WORD  # tp_getattro stands before it
    return read_word(id(cls) + place) == _GENERIC_GETATTR


def has_getattr_hook(cls: type) -> bool:
    """Whether ``__getattr__`` is called for attributes that are not found."""
    return has_special(cls, "__getattr__")


def has_custom_setattr(cls: type) -> bool:
    """Whether setting attributes of instances is anything but the default."""
    return raw_lookup(cls, "__setattr__")[0] is not object.__dict__["__setattr__"]


def has_instance_dict(cls: type) -> bool:
    """Whether instances can have attributes of their own beyond slots."""
    return bool(_dictoffset_of(cls)) or bool(_flags_of(cls) & lay.TPFLAGS_MANAGED_DICT)


def has_finalizer(cls: type) -> bool:
    """Whether ``__del__`` is called on instances."""
    return has_special(cls, "__del__")


_type_lookup = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.py_object)(
    ("_PyType_Lookup", ctypes.pythonapi)
)


def version_tag(cls: type) -> int:
    """The class's version tag, which changes when the class or a base is changed; one is assigned if it has none.

    0 when CPython refuses one: a metaclass with its own ``mro``, or too many changes of the class (3.12 on).
    """
    place = id(cls) + layout().tp_version_tag
    if not read_u32(place):
        if layout().version >= (3, 12):
            assign = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object)
            assign(("PyUnstable_Type_AssignVersionTag", ctypes.pythonapi))(cls)
        else:
            _type_lookup(cls, "__metatracer__")  # a look-up, found or not, assigns it
    return read_u32(place)


def is_immutable_type(cls: type) -> bool:
    """Whether CPython lets nobody change the class or a base."""
    return all(_flags_of(base) & lay.TPFLAGS_IMMUTABLETYPE for base in _mro_of(cls))


@dataclass(frozen=True, slots=True, eq=False)
class Creation:
    """How ``cls(...)`` makes an instance, when it does so in the default way.

    Attributes:
        init: The raw ``__init__`` found in the MRO, None when it is `object`'s (which accepts no arguments here).
        is_function: `init` is a plain Python function.
    """

    init: Any
    is_function: bool


def plain_creation(cls: type) -> Creation | None:
    """How ``cls(...)`` works if it is ``object.__new__(cls)`` and then ``__init__``; None for anything else.

    Anything else is: a metaclass with its own ``__call__``, a ``__new__`` of the class or of a C base, an abstract class.
    """
    if raw_lookup(type(cls), "__call__")[0] is not type.__dict__["__call__"]:
        return None
    if raw_lookup(cls, "__new__")[0] is not object.__dict__["__new__"]:
        return None
    figures = layout()
    if read_word(id(cls) + figures.tp_new) != read_word(id(object) + figures.tp_new):
        return None
    if _flags_of(cls) & lay.TPFLAGS_IS_ABSTRACT:
        return None
    init = raw_lookup(cls, "__init__")[0]
    if init is object.__dict__["__init__"]:
        return Creation(None, False)
    return Creation(init, type(init) is FunctionType)


_CONTAINERS = (dict, list)


def container_creation(cls: type) -> tuple[Any, FunctionType] | None:
    """`__new__` of dict or list, and the Python function `__init__`, if ``cls(...)`` is these two; None for anything else."""
    if raw_lookup(type(cls), "__call__")[0] is not type.__dict__["__call__"] or _flags_of(cls) & lay.TPFLAGS_IS_ABSTRACT:
        return None
    figures = layout()
    made_by, init = raw_lookup(cls, "__new__")[0], raw_lookup(cls, "__init__")[0]
    for base in _CONTAINERS:
        if made_by is base.__dict__["__new__"] and read_word(id(cls) + figures.tp_new) == read_word(id(base) + figures.tp_new):
            return (made_by, init) if type(init) is FunctionType else None
    return None


def own_creation(cls: type) -> FunctionType | None:
    """The Python function `__new__` if ``cls(...)`` is a call of it, as with named tuples; None for anything else."""
    if raw_lookup(type(cls), "__call__")[0] is not type.__dict__["__call__"] or not has_default_initializer(cls):
        return None
    new = raw_lookup(cls, "__new__")[0]
    return new.__func__ if type(new) is staticmethod and type(new.__func__) is FunctionType else None


def is_plain_tuple(cls: type) -> bool:
    """Whether instances of a subclass of tuple hold their items and nothing else, and nothing runs when they end."""
    size = type.__dict__["__basicsize__"].__get__
    is_small = size(cls) == size(tuple) and not _dictoffset_of(cls) and not type.__dict__["__weakrefoffset__"].__get__(cls)
    allocate = layout().tp_alloc
    return is_small and not has_finalizer(cls) and read_word(id(cls) + allocate) == read_word(id(object) + allocate)


def has_default_initializer(cls: type) -> bool:
    """Whether instances are initialized by nobody when ``__new__`` is not `object`'s."""
    return raw_lookup(cls, "__init__")[0] is object.__dict__["__init__"]


# --- `_immutable_fields_` -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Immutability:
    """What ``_immutable_fields_`` says of one attribute; see `Field`."""

    immutable: bool = False
    quasi: bool = False
    immutable_items: bool = False


_MUTABLE = Immutability()


def immutability(cls: type, name: str) -> Immutability:
    """What the classes of the MRO declare about attribute `name`: 'x', 'x?', 'x[*]' or 'x?[*]' in ``_immutable_fields_``.

    Raises:
        UsageError: A declaration is no list or tuple of strings.
    """
    for base in _mro_of(cls):
        declared = _dict_of(base).get("_immutable_fields_")
        if declared is None:
            continue
        if not isinstance(declared, (list, tuple)) or not all(isinstance(entry, str) for entry in declared):
            raise UsageError(
                f"{base.__module__}.{base.__qualname__}._immutable_fields_ must be a list of strings like "
                f"'x', 'x?' or 'x[*]', not {declared!r}"
            )
        for entry in declared:
            items = entry.endswith("[*]")
            stem = entry[:-3] if items else entry
            quasi = stem.endswith("?")
            if stem.removesuffix("?") == name:
                return Immutability(immutable=not quasi, quasi=quasi, immutable_items=items)
    return _MUTABLE


# --- places ---------------------------------------------------------------------------------------------------------------


def has_inline_values(cls: type) -> bool:
    """Whether instances of `cls` start with their attributes in inline values."""
    flags = _flags_of(cls)
    if not flags & lay.TPFLAGS_MANAGED_DICT or not flags & lay.TPFLAGS_HEAPTYPE:
        return False
    figures = layout()
    if figures.values_mode == "embedded" and not flags & lay.TPFLAGS_INLINE_VALUES:
        return False
    return read_word(id(cls) + figures.ht_cached_keys) != 0


def inline_names(cls: type) -> list[str]:
    """The names in the shared keys, in order of their index. The list only ever grows."""
    return [str(lay.object_at(name)) for name in entries(shared_keys(cls))[::2]]


def inline_index(cls: type, name: str) -> int | None:
    """Index of attribute `name` among the inline values of instances of `cls`, for ever; None when it has none (yet)."""
    if not has_inline_values(cls):
        return None
    names = inline_names(cls)
    return names.index(name) if name in names else None


def is_inline(instance: object) -> bool:
    """Whether the instance keeps its attributes in inline values now and nobody has its ``__dict__``.

    This is the condition of `guard_inline_values`.
    """
    return has_inline_values(type(instance)) and values_address(instance) != 0


def values_address(instance: object) -> int:
    """Address of inline value 0 of an instance whose class `has_inline_values`; 0 when it has a dict instead."""
    figures = layout()
    address = id(instance)
    if figures.values_mode == "pointer":
        return read_word(address + figures.values_word)
    if figures.values_mode == "tagged":
        word = read_word(address + figures.values_word)
        return word + 1 if word & 1 else 0
    if read_byte(address + figures.values_valid) and not read_word(address + figures.dict_word):
        return address + figures.values_items
    return 0


def field_for(cls: type, name: str, instance: object = NULL_OBJECT) -> Field | None:
    """The fixed place of attribute `name` in instances that are exactly of class `cls`.

    A custom ``__getattribute__`` or ``__setattr__`` is not looked at. An inline place may hold NULL (the attribute is unset),
    and what the class gives then shows through.

    Args:
        cls: The class.
        name: The attribute, mangled as in the code.
        instance: When given, the place is where this instance keeps it: inline if it has its values inline now, or else in
            its own dict if it is there (`own_dicts`).

    Returns:
        The place, or None: a data descriptor, an attribute that has no index yet or is not in the instance's dict.
    """
    found = lookup_attribute(cls, name)
    if found.kind == "data_descriptor":
        return None
    if found.kind == "slot":
        offset = slot_offset(found.attribute)
        assert offset is not None
        owner, storage, position = found.attribute.__objclass__, "slot", offset
    elif instance is NULL_OBJECT or is_inline(instance):
        index = inline_index(cls, name)
        if index is None:
            return None
        owner, storage, position = cls, "inline", index
    else:
        place = find_place(instance, name)
        if place is None:
            return None
        owner, (storage, position) = cls, place
    # Asked of the owner, not of `cls`: the same slot must give equal Fields whatever subclass it is reached through.
    declared = immutability(owner, name)
    return Field(owner, name, storage, position, declared.immutable, declared.quasi, declared.immutable_items)


@once
def method_fields() -> tuple[Field, Field]:
    """The places of function and receiver in a bound method, found in one that is made for that."""

    class Receiver:
        def method(self) -> None: ...

    receiver = Receiver()
    method, instance = _places_in(receiver.method, {"__func__": Receiver.method, "__self__": receiver}, immutable=True)
    return method, instance


@once
def partial_fields() -> tuple[Field, Field, Field]:
    """The places of function, arguments and keyword arguments in a `functools.partial`, found in one that is made for that."""
    made: functools.partial[Any] = functools.partial(dict, (), key=1)
    function, arguments, keywords = _places_in(made, {"func": made.func, "args": made.args, "keywords": made.keywords})
    return function, arguments, keywords


@once
def function_fields() -> dict[str, Field]:
    """The places of a function's parts, found in one that is made for that; closure and globals stay as they are."""
    held = object()

    def made(first: object = held, *, second: object = held) -> object:
        return held, first, second

    vars(made)["mark"] = held
    places = {}
    for name in ("__code__", "__closure__", "__globals__", "__defaults__", "__kwdefaults__", "__dict__"):
        immutable = name in ("__closure__", "__globals__")
        places[name] = _places_in(made, {name: getattr(made, name)}, immutable=immutable)[0]
    return places


def is_unmarked(function: FunctionType) -> bool:
    """Whether a function has no attributes of its own; asking makes no dict for them."""
    return not read_word(id(function) + function_fields()["__dict__"].position) or not vars(function)


def _places_in(instance: object, parts: dict[str, object], *, immutable: bool = False) -> list[Field]:
    """The places of a builtin class's members in an instance, whose parts are objects that stand there once."""
    places = []
    size = int(type.__dict__["__basicsize__"].__get__(type(instance)))
    for name, part in parts.items():
        offsets = [
            offset for offset in range(2 * lay.WORD, size, lay.WORD) if read_word(id(instance) + offset) == id(part)
        ]
        if len(offsets) != 1:
            raise LayoutError(f"{name} was not found in a {type(instance).__name__}")
        places.append(Field(type(instance), name, "slot", offsets[0], immutable=immutable))
    return places


@once
def class_name_field(name: str) -> Field:
    """The place of `__name__` or `__qualname__` in a class that Python code has made, found in one that is made for that."""

    class Probe: ...

    texts = {"__name__": f"Probe of {__name__}", "__qualname__": f"Probe in {__name__}"}
    Probe.__name__, Probe.__qualname__ = texts["__name__"], texts["__qualname__"]
    wanted = id(texts[name])
    size = int(type.__dict__["__basicsize__"].__get__(type))
    offsets = [offset for offset in range(0, size, lay.WORD) if read_word(id(Probe) + offset) == wanted]
    if len(offsets) != 1:
        raise LayoutError(f"{name} was not found in a class")
    return Field(type, name, "slot", offsets[0])


# --- reading and writing ----------------------------------------------------------------------------------------------------


class _MemberDef(ctypes.Structure):
    """PyMemberDef."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_member_get = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_void_p)(
    ("PyMember_GetOne", ctypes.pythonapi)
)
_member_set = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p, ctypes.py_object)(
    ("PyMember_SetOne", ctypes.pythonapi)
)
_member_delete = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p)(
    ("PyMember_SetOne", ctypes.pythonapi)
)
_generic_set = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.py_object, ctypes.py_object)(
    ("PyObject_GenericSetAttr", ctypes.pythonapi)
)
_generic_delete = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.py_object, ctypes.c_void_p)(
    ("PyObject_GenericSetAttr", ctypes.pythonapi)
)
_generic_dict = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object, ctypes.c_void_p)(
    ("PyObject_GenericGetDict", ctypes.pythonapi)
)


def instance_dict(instance: object) -> dict[str, Any]:
    """The dictionary of an instance that can have one, also where its class hides or renames ``__dict__``."""
    own: dict[str, Any] = _generic_dict(instance, None)
    return own


@once
def _member(offset: int) -> tuple[_MemberDef, int]:
    """A member definition of our own for a slot at `offset`, and its address; one for each offset in use, kept."""
    definition = _MemberDef(b"slot", lay.MEMBER_OBJECT_EX, offset, 0, None)
    return definition, ctypes.addressof(definition)


def _check_owner(instance: object, field: Field) -> None:
    """Refuse memory accesses to objects that do not have the field: they would crash the process."""
    cls = type(instance)
    fits = _is_subclass(cls, field.owner) if field.storage in ("slot", "item") else cls is field.owner
    if not fits:
        raise TypeError(
            f"{cls.__qualname__} objects do not have the field {field.name!r} of {field.owner.__qualname__}"
        )


def read_field(instance: object, field: Field) -> Any:
    """The attribute's value, or NULL_OBJECT when it is unset. Fields are found also after they have moved to, or in, a dict."""
    _check_owner(instance, field)
    if field.storage == "slot":
        try:
            return _member_get(instance, _member(field.position)[1])
        except AttributeError:
            return NULL_OBJECT
    if field.storage == "item":
        return dict.get(instance, field.name, NULL_OBJECT)  # type: ignore[call-overload]
    if is_inline(instance):
        index = field.position if field.storage == "inline" else inline_index(field.owner, field.name)
        value = 0 if index is None else read_word(values_address(instance) + lay.WORD * index)
        return lay.object_at(value) if value else NULL_OBJECT
    own = own_dict(instance)
    return NULL_OBJECT if own is None else dict.get(own, field.name, NULL_OBJECT)


def write_field(instance: object, field: Field, value: Any) -> None:
    """Set the attribute in its place, or unset it when `value` is NULL_OBJECT; the old value is released.

    A data descriptor that the class has got since the field was named is not called.
    """
    _check_owner(instance, field)
    if field.storage == "slot":
        definition = _member(field.position)[1]
        if value is not NULL_OBJECT:
            _member_set(instance, definition, value)
        elif read_word(id(instance) + field.position):
            _member_delete(instance, definition, None)
        return
    if field.storage == "item":
        mapping: Any = instance
        dict.__setitem__(mapping, field.name, value)
        return
    if lookup_attribute(type(instance), field.name).kind in ("slot", "data_descriptor"):
        own = _generic_dict(instance, None)
        if value is NULL_OBJECT:
            dict.pop(own, field.name, None)
        else:
            dict.__setitem__(own, field.name, value)
    elif value is not NULL_OBJECT:
        _generic_set(instance, field.name, value)
    elif read_field(instance, field) is not NULL_OBJECT:
        _generic_delete(instance, field.name, None)


def release_slot(instance: object, offset: int) -> None:
    """Let go what the slot at an offset holds, if it holds something."""
    if read_word(id(instance) + offset):
        _member_delete(instance, _member(offset)[1], None)


def field_writer(field: Field) -> Callable[[Any, Any], None]:
    """`write_field` for one field, several times as fast where the attribute's own descriptor can do it."""
    if field.storage == "slot":
        descriptor = _dict_of(field.owner).get(field.name)
        if type(descriptor) is MemberDescriptorType and slot_offset(descriptor) == field.position:
            set_slot = descriptor.__set__

            def write_slot(instance: object, value: Any) -> None:
                if value is NULL_OBJECT:
                    write_field(instance, field, value)
                else:
                    set_slot(instance, value)

            return write_slot
        return lambda instance, value: write_field(instance, field, value)
    cls, name = field.owner, field.name
    if field.storage == "item":
        return lambda instance, value: dict.__setitem__(instance, name, value)
    tag = ctypes.c_uint32.from_address(id(cls) + layout().tp_version_tag)
    plain_at = 0

    def write(instance: object, value: Any) -> None:
        nonlocal plain_at
        if value is not NULL_OBJECT and type(instance) is cls:
            now = tag.value
            if now and now == plain_at:
                _generic_set(instance, name, value)  # the class has no descriptor of this name
                return
            if lookup_attribute(cls, name).kind not in ("slot", "data_descriptor"):
                plain_at = version_tag(cls)
        write_field(instance, field, value)

    return write


# --- `guard_not_shadowed` -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShadowCheck:
    """How to see in machine code that an instance of a known class has no attribute of its own of some name.

    Attributes:
        kind: "never": instances cannot have one, there is nothing to check.
            "unset": the values are inline (`Layout`) and value number `index` is NULL.
            "no_key": the values are inline, and the word at `address` (absolute) equals `count`: the shared keys have
            not got new names since the check was made, and the name was not among them.
            "no_dict": the word at offset `index` in the object is NULL: the instance has no dict yet.
            "never_holds": it cannot be checked cheaply; the recorder must not ask.

    Where the instance has a dict of its own, `own_dicts.place_of_absence` says how.
    """

    kind: str
    index: int = -1
    address: int = 0
    count: int = 0


def shadow_check(cls: type, name: str) -> ShadowCheck:
    """The check for instances of exactly `cls` and attribute `name`, which is not a slot or data descriptor."""
    if not has_instance_dict(cls):
        return ShadowCheck("never")
    figures = layout()
    if has_inline_values(cls):
        index = inline_index(cls, name)
        if index is not None:
            return ShadowCheck("unset", index=index)
        address = shared_keys(cls) + figures.keys_nentries
        return ShadowCheck("no_key", address=address, count=read_signed(address))
    place = dict_place(cls)
    if not place or (place == figures.dict_word and figures.values_mode == "tagged"):
        return ShadowCheck("never_holds")
    return ShadowCheck("no_dict", index=place)


def is_not_shadowed(instance: object, check: ShadowCheck) -> bool:
    """Whether the check holds for the instance now: exactly what the machine code computes."""
    if check.kind == "never":
        return True
    if check.kind == "no_dict":
        return read_word(id(instance) + check.index) == 0
    if check.kind == "never_holds" or not is_inline(instance):
        return False
    if check.kind == "unset":
        return read_word(values_address(instance) + lay.WORD * check.index) == 0
    return read_signed(check.address) == check.count


def attribute_words(cls: type) -> tuple[int, ...]:
    """Offsets in instances with a managed dict of the words that refer to their values or their dict."""
    figures = layout()
    places = {dict_place(cls), figures.dict_word}
    return tuple(sorted(places | {figures.values_word} if figures.values_mode == "pointer" else places))


def shadow_field(cls: type, name: str, instance: object) -> Field | None:
    """The descriptor of `guard_not_shadowed` that holds for an instance now; None if it cannot be checked cheaply.

    Its storage says how: "inline" as `shadow_check` says; "none": it has neither values nor a dict yet (a dict or list of
    a subclass, just made); for instances with a dict of their own, as `place_of_absence` does.
    """
    if is_not_shadowed(instance, shadow_check(cls, name)):
        index = inline_index(cls, name)
        return Field(cls, name, "inline", -1 if index is None else index)
    if has_inline_values(cls) and not any(read_word(id(instance) + place) for place in attribute_words(cls)):
        return Field(cls, name, "none", -1)
    place = place_of_absence(instance, name)
    return None if place is None else Field(cls, name, *place)
