"""Attribute access: slots, inline values, methods, properties, class attributes, modules."""

from __future__ import annotations

import enum
import sys
from collections import namedtuple
from enum import EnumType
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import (
    Lookup,
    class_name_field,
    field_for,
    has_custom_getattribute,
    has_custom_setattr,
    has_getattr_hook,
    has_instance_dict,
    is_immutable_type,
    lookup_attribute,
    raw_lookup,
    read_field,
    shadow_check,
    shadow_field,
)
from metatracer.backend.own_dicts import own_dict
from metatracer.frontend.operations import OPERATIONS
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.heap import get_field
from metatracer.ir.values import NULL_OBJECT, Const, Field, Value
from metatracer.recorder.calls import call_python, can_inline
from metatracer.recorder.frames import NULL_BOX, Box, MetaFrame, Pending, const_box, finish_discard, runs_code_at_end
from metatracer.recorder.metainterp import MetaInterpreter, handles
from metatracer.recorder.tuples import know_piece, tuple_item
from metatracer.recorder.virtual_exceptions import (
    is_base_initializer,
    is_virtual_exception,
    read_attribute,
    write_attribute,
)
from metatracer.recorder.virtuals import VirtualBox, virtual_method

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction

_ABSENT = object()


# --- fields -------------------------------------------------------------------------------------------------------------


def read_fixed(meta: MetaInterpreter, box: Box, field: Field, obj: Any) -> Box:
    """Record the read of an attribute in a fixed place, which is set; `obj` is its present value."""
    if field.immutable and box.is_const:
        if field.immutable_items and type(obj) is list:
            meta.frozen[id(obj)] = obj
        return const_box(obj)
    owner = meta.ref(box)
    if field.quasi and box.is_const:
        assumption = meta.host.quasi_field_is(box.object, field, obj)
        if assumption is not None:
            meta.assume(assumption)
            return const_box(obj)
    key = (owner, field)
    value = meta.heap.get(key)
    if value is None:
        meta.guard_place(owner, field)
        value = meta.emit(ops.GETFIELD, owner, descr=field)
        meta.guard(ops.GUARD_NONNULL, value)
        meta.heap[key] = value = _as_stored(meta, obj, value)
    if isinstance(value, Const):
        return const_box(value.value)
    if value.kind != "r":
        return Box(obj, None, value)
    return meta.ref_box(obj, value)


def _as_stored(meta: MetaInterpreter, obj: Any, value: Value) -> Value:
    """In a bridge, the list that has just been read under the name by which the parent trace knew it, if it did.

    With two names for a list the optimizer would take them for two lists, and that guess would always be wrong.
    """
    known = meta.stored.get(id(obj))
    if known is None or type(obj) is not list:
        return value
    meta.guard(ops.GUARD_TRUE, meta.emit(ops.PTR_EQ, value, known))
    return known


def _guard_not_shadowed(meta: MetaInterpreter, box: Box, cls: type, name: str) -> bool:
    """Guard that the instance has no attribute of its own of this name; False if that cannot be checked cheaply."""
    if shadow_check(cls, name).kind == "never":
        return True
    field = shadow_field(cls, name, box.object)
    if field is None:
        return False
    owner = meta.ref(box)
    key = ("shadow", owner, name)
    if key not in meta.heap:
        meta.guard(ops.GUARD_NOT_SHADOWED, owner, descr=field)
        meta.heap[key] = owner
    return True


# --- reading ------------------------------------------------------------------------------------------------------------


class _Found:
    """How an attribute is to be read: exactly one of the fields is set, or none (ask CPython).

    With a `name` the getter is a `__getattr__`, which is told it.
    """

    __slots__ = ("box", "getter", "method", "name")

    def __init__(
        self,
        box: Box | None = None,
        method: FunctionType | None = None,
        getter: FunctionType | None = None,
        name: str | None = None,
    ) -> None:
        self.box = box
        self.method = method
        self.getter = getter
        self.name = name


_ASK = _Found()


def find_attribute(meta: MetaInterpreter, box: Box, name: str) -> _Found:
    """Find `box.name` for the class seen, with the guards and assumptions that make it so."""
    obj = box.object
    cls = type(obj)
    if cls is ModuleType:
        return _find_in_module(meta, box, name)
    if isinstance(obj, type):
        return _find_in_class(meta, box, name)
    if cls is FunctionType or cls is MethodType or not meta.is_steady(cls):
        return _ASK
    slot = meta.known_slot(cls, name)
    if slot is not None:
        return _read_slot(meta, box, cls, slot)
    if has_custom_getattribute(cls):
        return _ASK
    found = lookup_attribute(cls, name)
    if found.attribute is _CLASS:
        _know_class(meta, box, cls)
        return _Found(const_box(cls))
    if found.kind == "data_descriptor":
        if type(found.attribute) is _TUPLE_GETTER:
            return _find_tuple_field(meta, box, found.attribute)
        getter: Any = found.attribute.fget if type(found.attribute) in (property, enum.property) else None
        # With a `__getattr__`, an AttributeError that leaves the getter is not the access's last word.
        if getter is None or has_getattr_hook(cls) or not can_inline(meta, getter):
            return _ASK
        _know_class(meta, box, cls)
        return _Found(getter=getter)
    if found.kind == "slot":
        return _find_slot(meta, box, cls, name)
    return _find_own_or_class(meta, box, cls, name, found)


_CLASS: Any = vars(object)["__class__"]
_TUPLE_GETTER: type = type(namedtuple("_Named", "field").__dict__["field"])  # noqa: PYI024 - for its attribute's class


def _find_tuple_field(meta: MetaInterpreter, box: Box, getter: Any) -> _Found:
    """A field of a named tuple."""
    index: int = getter.__reduce__()[1][0]
    know_piece(meta, box)
    _know_class(meta, box, type(box.object))
    item = tuple.__getitem__(box.object, index)
    return _Found(tuple_item(meta, meta.ref(box), Const("i", index), item))


def _know_class(meta: MetaInterpreter, box: Box, cls: type) -> None:
    meta.guard_class(box)
    meta.rely_on_class(cls)


def _find_slot(meta: MetaInterpreter, box: Box, cls: type, name: str) -> _Found:
    field = field_for(cls, name)
    if field is None:
        return _ASK
    meta.note_slot(cls, name, field)
    return _read_slot(meta, box, cls, field)


def _read_slot(meta: MetaInterpreter, box: Box, cls: type, field: Field) -> _Found:
    obj = read_field(box.object, field)
    if obj is NULL_OBJECT:
        return _ASK
    _know_class(meta, box, cls)
    return _Found(read_fixed(meta, box, field, obj))


def _find_own_or_class(meta: MetaInterpreter, box: Box, cls: type, name: str, found: Lookup) -> _Found:
    """The instance's own attribute comes first, then what the class gives."""
    if has_instance_dict(cls):
        field = field_for(cls, name, box.object)
        if field is not None:
            obj = read_field(box.object, field)
            if obj is not NULL_OBJECT:
                _know_class(meta, box, cls)
                return _Found(read_fixed(meta, box, field, obj))
        elif (own := own_dict(box.object)) is not None and dict.__contains__(own, name):
            return _ASK
    if found.kind == "missing":
        return _find_by_hook(meta, box, cls, name)
    if found.kind == "nondata_descriptor":
        if type(found.attribute) is staticmethod:
            value: Any = found.attribute.__func__
        else:
            return _ASK
    else:
        value = found.attribute
    _know_class(meta, box, cls)
    if not _guard_not_shadowed(meta, box, cls, name):
        return _ASK
    if found.kind == "method":
        return _Found(method=value)
    return _Found(const_box(value))


def _find_by_hook(meta: MetaInterpreter, box: Box, cls: type, name: str) -> _Found:
    """What is nowhere is given by a `__getattr__`, if there is one."""
    hook = raw_lookup(cls, "__getattr__")[0]
    if not can_inline(meta, hook):
        return _ASK
    _know_class(meta, box, cls)
    return _Found(getter=hook, name=name) if _guard_not_shadowed(meta, box, cls, name) else _ASK


def lacks_attribute(meta: MetaInterpreter, box: Box, name: str) -> bool:
    """Guard that an instance has no attribute of a name, and nobody who is asked for it; False: it may have."""
    cls = type(box.object)
    if isinstance(box.object, type) or cls in (ModuleType, FunctionType, MethodType, super) or not meta.is_steady(cls):
        return False
    if has_custom_getattribute(cls) or has_getattr_hook(cls) or lookup_attribute(cls, name).kind != "missing":
        return False
    if isinstance(box, VirtualBox) and box.is_virtual:
        return False
    _know_class(meta, box, cls)
    return _guard_not_shadowed(meta, box, cls, name)


def _find_in_module(meta: MetaInterpreter, box: Box, name: str) -> _Found:
    namespace = box.object.__dict__
    value = dict.get(namespace, name, _ABSENT)
    if value is _ABSENT or not box.is_const or meta.host.is_mutable_item(namespace, name):
        return _ASK
    meta.guard_class(box)
    if raw_lookup(ModuleType, name)[1] is not None and name in ("__dict__", "__class__"):
        return _ASK
    meta.assume(meta.host.item_is(namespace, name, value))
    return _Found(const_box(value))


def _find_in_class(meta: MetaInterpreter, box: Box, name: str) -> _Found:
    """`cls.name` for an ordinary class that the trace knows."""
    cls = box.object
    if type(cls) is EnumType and box.is_const and meta.is_steady(cls) and name in cls._member_map_:
        meta.rely_on_class(cls)
        return _Found(const_box(cls._member_map_[name]))  # EnumType lets nobody assign to a member
    if type(cls) is not type or not meta.is_steady(cls):
        return _ASK
    if raw_lookup(type, name)[1] is not None:
        if name not in ("__name__", "__qualname__") or not box.is_const:
            return _ASK
        value = type.__dict__[name].__get__(cls)
        if is_immutable_type(cls):
            return _Found(const_box(value))
        if sys.version_info < (3, 13):
            meta.rely_on_class(cls)
            return _Found(const_box(value))
        # CPython tells nobody of a new name: the text is looked at each time.
        text = read_fixed(meta, box, class_name_field(name), value)
        meta.promote(text)
        return _Found(text)
    attribute, owner = raw_lookup(cls, name)
    if owner is None:
        return _ASK
    if type(attribute) is staticmethod:
        value = attribute.__func__
    elif type(attribute) is FunctionType or not hasattr(type(attribute), "__get__"):
        value = attribute
    elif type(attribute) is ClassMethodDescriptorType and is_immutable_type(cls):
        value = attribute.__get__(None, cls)
    else:
        return _ASK
    if not box.is_const:
        meta.promote(box)
    meta.rely_on_class(cls)
    return _Found(const_box(value))


@handles("getattr")
def getattr_(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`x.name`."""
    box = frame.box(instruction.src[0])
    parts = _super_parts(box)
    if parts is not None and _super_attribute(meta, frame, instruction, parts):
        return
    register = instruction.dst[0]
    if is_virtual_exception(box):
        content = read_attribute(meta, frame, box, instruction)
        if content is not None:
            frame.registers[register] = content
            return
    found = find_attribute(meta, box, instruction.arg)
    if found.box is not None:
        frame.registers[register] = found.box
    elif found.getter is not None:
        if not call_getter(meta, frame, instruction, found, box):
            _ask(meta, frame, instruction, box)
    elif found.method is not None:
        bound = virtual_method(found.method, box)
        frame.registers[register] = const_box(bound.object) if box.is_const else bound
    else:
        _ask(meta, frame, instruction, box)


def call_getter(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, found: _Found, box: Box) -> bool:
    """Look into a property's function, or a `__getattr__`; whether that is possible."""
    assert found.getter is not None
    arguments = [box] if found.name is None else [box, const_box(found.name)]
    return call_python(meta, frame, found.getter, arguments, Pending(instruction, _deliver))


def _deliver(meta: MetaInterpreter, frame: MetaFrame, result: Box) -> None:
    instruction = frame.jitcode.instructions[frame.position - 1]
    frame.registers[instruction.dst[-1]] = result


def _ask(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box, store: Any = None) -> None:
    """Leave the access to CPython."""
    name = instruction.arg
    if box.is_const and type(box.object) is BuiltinFunctionType:
        frame.registers[instruction.dst[0]] = const_box(getattr(box.object, name))
        return
    row = c.INSTANCE_GETATTR if _is_plain(meta, box, name) else c.OBJECT_GETATTR
    meta.c_call(frame, instruction, row, [meta.ref(box), Const("r", name)], [box.object, name], store=store)


def _is_plain(meta: MetaInterpreter, box: Box, name: str) -> bool:
    """Whether CPython finds an attribute of an instance without running code; guards what makes it so."""
    cls = type(box.object)
    if cls in (ModuleType, FunctionType, MethodType, super) or issubclass(cls, type) or not meta.is_steady(cls):
        return False
    if has_custom_getattribute(cls) or has_getattr_hook(cls) or is_immutable_type(cls):
        return False
    found = lookup_attribute(cls, name)
    builtin = type(found.attribute) in (staticmethod, classmethod)
    if found.kind not in ("missing", "method", "class_value") and not (found.kind == "nondata_descriptor" and builtin):
        return False
    _know_class(meta, box, cls)
    return True


@handles("load_method")
def load_method(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`x.name` for a call: an unbound function and x where possible."""
    box = frame.box(instruction.src[0])
    lower, upper = instruction.dst
    null_first = frame.jitcode.call_layout == "null_first"

    def plain(value: Box) -> None:
        frame.registers[lower] = NULL_BOX if null_first else value
        frame.registers[upper] = value if null_first else NULL_BOX

    parts = _super_parts(box)
    if parts is not None and _super_attribute(meta, frame, instruction, parts):
        return
    found = find_attribute(meta, box, instruction.arg)
    if found.method is not None:
        frame.registers[lower] = const_box(found.method)
        frame.registers[upper] = box
    elif found.box is not None:
        plain(found.box)
    elif _is_builtin_method(meta, box, instruction.arg):
        # A method of a builtin class: what CPython's own LOAD_METHOD gives, (method descriptor, self).
        cls = type(box.object)
        frame.registers[lower] = const_box(raw_lookup(cls, instruction.arg)[0])
        frame.registers[upper] = box
    elif found.getter is not None and null_first:
        frame.registers[lower] = NULL_BOX  # what the getter gives comes on top of it
        if not call_getter(meta, frame, instruction, found, box):
            _ask(meta, frame, instruction, box, plain)
    else:
        _ask(meta, frame, instruction, box, plain)


def _is_builtin_method(meta: MetaInterpreter, box: Box, name: str) -> bool:
    """Whether the class, or a base written in C, has the method, and the instance nothing of this name before it; guards that."""
    cls = type(box.object)
    if has_custom_getattribute(cls) or type(raw_lookup(cls, name)[0]) is not MethodDescriptorType:
        return False
    if is_immutable_type(cls):
        if has_instance_dict(cls):
            return False
        meta.guard_class(box)
        return True
    if isinstance(box.object, type) or not meta.is_steady(cls):
        return False
    _know_class(meta, box, cls)
    return _guard_not_shadowed(meta, box, cls, name)


# --- super --------------------------------------------------------------------------------------------------------------


def virtual_super(meta: MetaInterpreter, cls: Box, obj: Box) -> VirtualBox | None:
    """`super(cls, obj)` of an instance, which need not be made to call a method; None if CPython must be asked."""
    start, kind = cls.object, type(obj.object)
    if not isinstance(start, type) or isinstance(obj.object, type) or start not in kind.__mro__ or not meta.is_steady(kind):
        return None
    if not cls.is_const:
        meta.promote(cls)
    _know_class(meta, obj, kind)
    return VirtualBox(super(start, obj.object), super, [cls, obj])


def _super_parts(box: Box) -> list[Box] | None:
    return box.parts if isinstance(box, VirtualBox) and box.is_virtual and box.cls is super else None


def _find_super(meta: MetaInterpreter, cls: Box, obj: Box, name: str) -> Any:
    """The raw attribute that `super(cls, obj).name` finds for an instance; _ABSENT if CPython must be asked."""
    start, instance = cls.object, obj.object
    kind = type(instance)
    if isinstance(instance, type) or not isinstance(start, type) or start not in kind.__mro__ or name == "__class__":
        return _ABSENT
    mro = kind.__mro__
    for base in mro[mro.index(start) + 1 :]:
        if name in base.__dict__:
            attribute = base.__dict__[name]
            break
    else:
        return _ABSENT
    is_call_known = type(attribute) is FunctionType or attribute is object.__init__ or attribute is dict.__init__
    # Of an exception that has not been made, `__init__` sets its arguments (`calls`).
    if not is_call_known and not (is_base_initializer(attribute) and is_virtual_exception(obj)):
        return _ABSENT
    if not meta.is_steady(kind):
        return _ABSENT
    if not cls.is_const:
        meta.promote(cls)
    _know_class(meta, obj, kind)
    return attribute


def _super_attribute(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, parts: list[Box]) -> bool:
    cls, obj = parts
    if instruction.op == "getattr":
        return False
    attribute = _find_super(meta, cls, obj, instruction.arg)
    if attribute is _ABSENT:
        return False
    lower, upper = instruction.dst
    frame.registers[lower] = const_box(attribute)
    frame.registers[upper] = obj
    return True


@handles("super_method")
def super_method(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`super().name` for a call (3.12 and later)."""
    function, cls, obj = (frame.box(register) for register in instruction.src)
    lower, upper = instruction.dst
    if function.object is super and function.is_const:
        attribute = _find_super(meta, cls, obj, instruction.arg)
        if attribute is not _ABSENT:
            frame.registers[lower] = const_box(attribute)
            frame.registers[upper] = obj
            return

    def store(value: Box) -> None:
        null_first = frame.jitcode.call_layout == "null_first"
        frame.registers[lower] = NULL_BOX if null_first else value
        frame.registers[upper] = value if null_first else NULL_BOX

    helper = const_box(OPERATIONS["super_getattr"])
    meta.residual_call(frame, instruction, helper, [const_box(instruction.arg), function, cls, obj], store=store)


@handles("super_getattr")
def super_getattr(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`super().name` (3.12 and later)."""
    boxes = [frame.box(register) for register in instruction.src]
    meta.residual_call(frame, instruction, const_box(OPERATIONS["super_getattr"]), [const_box(instruction.arg), *boxes])


# --- writing ------------------------------------------------------------------------------------------------------------


@handles("setattr")
def setattr_(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`x.name = value`."""
    box, value = frame.box(instruction.src[0]), frame.box(instruction.src[1])
    name = instruction.arg
    if is_virtual_exception(box) and write_attribute(meta, box, name, value):
        return
    if isinstance(box.object, type):
        meta.note_class_store(box.object)
    elif store_attribute(meta, frame, box, name, value, Pending(instruction, _discard, finish_discard, (), False)):
        return
    arguments = [meta.ref(box), Const("r", name), meta.ref(value)]
    meta.c_call(
        frame,
        instruction,
        c.OBJECT_SETATTR,
        arguments,
        [box.object, name, value.object],
        store=lambda _: None,
    )


def store_attribute(
    meta: MetaInterpreter, frame: MetaFrame, box: Box, name: str, value: Box, pending: Pending
) -> bool:
    """Store an attribute in its place, or look into its property's function, behind which `pending` goes on."""
    cls = type(box.object)
    if isinstance(box.object, ModuleType | FunctionType) or not meta.is_steady(cls) or has_custom_setattr(cls):
        return False
    found = lookup_attribute(cls, name)
    if found.kind != "data_descriptor":
        return _store_fixed(meta, box, value, cls, name, found.kind == "slot")
    setter: Any = found.attribute.fset if type(found.attribute) is property else None
    if setter is None or not can_inline(meta, setter):
        return False
    _know_class(meta, box, cls)
    return call_python(meta, frame, setter, [box, value], pending)


def _discard(meta: MetaInterpreter, frame: MetaFrame, _result: Box) -> None:
    """A setter's result is dropped."""


def _store_fixed(meta: MetaInterpreter, box: Box, value: Box, cls: type, name: str, is_slot: bool) -> bool:
    """Record and do a store to a slot, an inline value, or an attribute that is in the instance's dict."""
    if not is_slot and not has_instance_dict(cls):
        return False
    _know_class(meta, box, cls)
    owner = meta.ref(box)
    content = meta.ref(value)
    field = field_for(cls, name) if is_slot else field_for(cls, name, box.object)
    if field is None or field.quasi:
        return False  # a name that the class's instances have not got yet (or no room for it)
    if runs_code_at_end(value.object) or runs_code_at_end(get_field(box.object, field)):
        return False  # what the place holds now, or will hold when the trace comes by again, is freed by the store
    meta.guard_place(owner, field)
    meta.effect_done = True
    # Not setattr on the class's terms: the attribute's place is known, and nothing else is called.
    object.__setattr__(box.object, name, value.object)
    store_fixed(meta, owner, content, field)
    return True


def store_fixed(meta: MetaInterpreter, owner: Value, content: Value, field: Field) -> None:
    """Record a store that has been done to a field in its place."""
    meta.emit(ops.SETFIELD, owner, content, descr=field)
    # It may be to any object that has the field; and what is in a dict may be known under another field, too.
    for key in [key for key in meta.heap if type(key) is tuple and len(key) == 2 and _may_be_same(key[1], field)]:
        del meta.heap[key]
    meta.heap[owner, field] = content


def _may_be_same(other: Any, field: Field) -> bool:
    return other == field or (field.in_dict and type(other) is Field and other.in_dict and other.name == field.name)
