"""Verification of a `Layout` on live objects: every figure is compared with what Python itself says.

Memory is read through ``/proc/self/mem`` where possible, so that a wrong pointer gives a `LayoutError` and not a crash.
One function per group of figures; `verify` runs them all (about two milliseconds).
"""

from __future__ import annotations

import array
import ctypes
import dataclasses
import os
import re
import struct
import sys
import types
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from metatracer.backend import layout as known
from metatracer.backend.probe import attention_offset
from metatracer.backend.yields import yield_places
from metatracer.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metatracer.backend.layout import Layout


class Memory:
    """Reads the process's own memory.

    Args:
        descriptor: An open file descriptor of ``/proc/self/mem``, or -1 to read directly.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, address: int, size: int) -> bytes:
        """The bytes at `address`.

        Raises:
            LayoutError: There is no memory at that address.
        """
        if address < 4096 or address >= 1 << 63:
            raise LayoutError(f"a pointer to {address:#x} was found where an object's data should be")
        if self._descriptor < 0:
            return ctypes.string_at(address, size)
        try:
            data = os.pread(self._descriptor, size, address)
        except OSError as error:
            raise LayoutError(f"a pointer to {address:#x}, which cannot be read, was found") from error
        if len(data) != size:
            raise LayoutError(f"a pointer to {address:#x}, which cannot be read, was found")
        return data

    def word(self, address: int) -> int:
        """The unsigned 64-bit word."""
        return int(struct.unpack("<Q", self.read(address, 8))[0])

    def signed(self, address: int) -> int:
        """The signed 64-bit word."""
        return int(struct.unpack("<q", self.read(address, 8))[0])

    def i32(self, address: int) -> int:
        """The signed 32-bit word."""
        return int(struct.unpack("<i", self.read(address, 4))[0])

    def u32(self, address: int) -> int:
        """The unsigned 32-bit word."""
        return int(struct.unpack("<I", self.read(address, 4))[0])

    def byte(self, address: int) -> int:
        """The byte."""
        return self.read(address, 1)[0]


@contextmanager
def open_memory() -> Iterator[Memory]:
    """A `Memory`, for the time of the ``with`` block."""
    try:
        descriptor = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        descriptor = -1
    try:
        yield Memory(descriptor)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _expect(actual: object, expected: object, what: str) -> None:
    """Raise LayoutError unless the two are equal."""
    if actual != expected:
        raise LayoutError(
            f"native code is off: {what} is not where Python {sys.version_info[0]}.{sys.version_info[1]} keeps it "
            f"(found {actual!r}, expected {expected!r}); please report this build of CPython: {sys.version}"
        )


def _symbol(name: str) -> int:
    """Address of an exported C function of CPython."""
    try:
        address = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    except AttributeError:
        address = None
    if not address:
        raise LayoutError(f"native code is off: this build of CPython does not export {name}")
    return address


# --- numbers ----------------------------------------------------------------------------------------------------------


def decode_int(memory: Memory, figures: Layout, value: int) -> int:
    """The value of the int object `value`, worked out from its memory."""
    address = id(value)
    size = memory.signed(address + figures.int_size)
    if figures.int_tagged:
        count, sign = size >> 3, 1 - (size & 3)
    else:
        count, sign = abs(size), (size > 0) - (size < 0)
    if not 0 <= count < 1 << 20:
        raise LayoutError(f"native code is off: an int of {count} digits was found where {value} is")
    result = 0
    for index in range(count):
        result |= memory.u32(address + figures.int_digits + 4 * index) << (known.INT_DIGIT_BITS * index)
    return sign * result


def _check_header(memory: Memory, figures: Layout) -> None:
    probe = object()
    _expect(memory.word(id(probe) + figures.ob_type), id(object), "an object's type")
    before = memory.word(id(probe) + figures.ob_refcnt)
    holders = [probe] * 7
    _expect(memory.word(id(probe) + figures.ob_refcnt) - before, len(holders), "an object's reference count")
    _expect(memory.i32(id(None) + figures.ob_refcnt) < 0, figures.has_immortal, "the mark of immortal objects")


def _check_numbers(memory: Memory, figures: Layout) -> None:
    for number in (0.0, -2.5, 1e300):
        _expect(struct.unpack("<d", memory.read(id(number) + figures.float_value, 8))[0], number, "a float's value")
    _expect(sys.int_info.bits_per_digit, known.INT_DIGIT_BITS, "the size of an int's digits")
    _expect(sys.int_info.sizeof_digit, 4, "the size of an int's digits")
    for value in (0, 1, -1, 2**30 - 1, 2**30, -(2**30), 2**63 - 1, -(2**63), 2**64, -(3**90), 10**40):
        _expect(decode_int(memory, figures, value), value, "an int's value")
    text = "{}".format
    for value in range(figures.small_int_min, figures.small_int_max + 1):
        # Through a string, so that the object is the one the interpreter makes and not a constant of this code.
        place = figures.small_int_base + figures.small_int_stride * value
        _expect(id(int(text(value))), place, "the table of small ints")
    _expect(memory.word(figures.true_address + figures.ob_type), id(bool), "True")
    _expect(memory.word(figures.false_address + figures.ob_type), id(bool), "False")


# --- sequences, strings, buffers ----------------------------------------------------------------------------------------


def _check_sequences(memory: Memory, figures: Layout) -> None:
    first, second = object(), object()
    items = [first, second, first]
    items.append(second)
    items.pop()
    _expect(memory.word(id(items) + figures.ob_size), 3, "a list's length")
    block = memory.word(id(items) + figures.list_items)
    _expect([memory.word(block + 8 * i) for i in range(3)], [id(item) for item in items], "a list's items")
    room = (items.__sizeof__() - [].__sizeof__()) // 8
    _expect(memory.word(id(items) + figures.list_allocated), room, "a list's room")
    pair = (first, second)
    _expect(memory.word(id(pair) + figures.ob_size), 2, "a tuple's length")
    found = [memory.word(id(pair) + figures.tuple_items + 8 * i) for i in range(2)]
    _expect(found, [id(item) for item in pair], "a tuple's items")
    full, empty = types.CellType(first), types.CellType()
    _expect(memory.word(id(full) + figures.cell_content), id(first), "a cell's content")
    _expect(memory.word(id(empty) + figures.cell_content), 0, "an empty cell's content")


def _check_strings(memory: Memory, figures: Layout) -> None:
    for text, width in (("", 1), ("plain ascii", 1), ("caf\xe9", 1), ("\u0416\u4e2d", 2), ("a\U0001f600", 4)):
        _expect(memory.word(id(text) + figures.str_length), len(text), "a string's length")
        value = hash(text)  # which the string keeps from now on
        _expect(memory.signed(id(text) + figures.str_hash), value, "a string's hash")
        state = memory.u32(id(text) + figures.str_state)
        _expect(
            ((state >> 2) & 7, (state >> 5) & 1, (state >> 6) & 1), (width, 1, int(text.isascii())), "a string's kind"
        )
        start = id(text) + (figures.str_ascii_data if text.isascii() else figures.str_compact_data)
        data = memory.read(start, width * (len(text) + 1))
        codec = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[width]
        _expect(data, (text + "\0").encode(codec), "a string's characters")
    new = "a string of characters"[2:]
    _expect(memory.signed(id(new) + figures.str_hash), -1, "the hash of a new string")
    data = b"some bytes"
    _expect(memory.word(id(data) + figures.ob_size), len(data), "the length of bytes")
    value = hash(data)
    _expect(memory.signed(id(data) + figures.bytes_hash), value, "the hash of bytes")
    _expect(memory.read(id(data) + figures.bytes_data, len(data)), data, "the contents of bytes")


def _check_buffers(memory: Memory, figures: Layout) -> None:
    buffer = bytearray(b"xxsome buffer")
    del buffer[:2]  # the start is then behind the beginning of the allocation
    _expect(memory.word(id(buffer) + figures.ob_size), len(buffer), "a bytearray's length")
    start = memory.word(id(buffer) + figures.bytearray_start)
    _expect(memory.read(start, len(buffer)), bytes(buffer), "a bytearray's contents")
    room = buffer.__sizeof__() - bytearray().__sizeof__()
    _expect(memory.word(id(buffer) + figures.bytearray_alloc), room, "a bytearray's room")
    numbers = array.array("i", [3, -4, 5])
    for thing, place in ((buffer, figures.bytearray_exports), (numbers, figures.array_exports)):
        _expect(memory.word(id(thing) + place), 0, "the number of a buffer's views")
        view = memoryview(thing)
        _expect(memory.word(id(thing) + place), 1, "the number of a buffer's views")
        view.release()
    for typecode in "bBhHiIlLqQfd":
        numbers = array.array(typecode, [1, 2, 3])
        _expect(memory.word(id(numbers) + figures.ob_size), 3, "an array's length")
        items = memory.word(id(numbers) + figures.array_items)
        _expect(memory.read(items, 3 * numbers.itemsize), numbers.tobytes(), "an array's items")
        descr = memory.word(id(numbers) + figures.array_descr)
        _expect(memory.byte(descr + figures.arraydescr_typecode), ord(typecode), "an array's typecode")
        _expect(memory.i32(descr + figures.arraydescr_itemsize), numbers.itemsize, "an array's item size")


# --- types, functions, descriptors ----------------------------------------------------------------------------------------


def _check_matches(memory: Memory, figures: Layout) -> None:
    for text in ("in a text", b"in bytes"):
        form: Any = "(i)(x)?(n)"
        match = re.compile(form if isinstance(text, str) else form.encode()).search(text)
        assert match is not None
        _expect(memory.word(id(match) + figures.match_string), id(text), "the string of a match")
        _expect(memory.signed(id(match) + figures.match_groups), 4, "the number of a match's groups")
        marks = [memory.signed(id(match) + figures.match_marks + known.WORD * number) for number in range(8)]
        _expect(marks, [0, 2, 0, 1, -1, -1, 1, 2], "the marks of a match")


def _check_types(memory: Memory, figures: Layout) -> None:
    class Plain:
        pass

    class Custom:
        __slots__ = ("first", "second")

        def __init__(self) -> None:
            self.first = 1

    class Referred:
        __slots__ = ("__weakref__", "first")

    classes: list[type] = [Plain, Custom, Referred, int, tuple, property]
    for cls in classes:
        start = id(cls)
        _expect(memory.signed(start + figures.tp_basicsize), cls.__basicsize__, "tp_basicsize")
        _expect(memory.signed(start + figures.tp_itemsize), cls.__itemsize__, "tp_itemsize")
        _expect(memory.word(start + figures.tp_flags), cls.__flags__, "tp_flags")
        _expect(memory.signed(start + figures.tp_weaklistoffset), cls.__weakrefoffset__, "tp_weaklistoffset")
    referred = Referred()
    reference = weakref.ref(referred)
    place = figures.managed_weak or Referred.__basicsize__ - known.WORD
    _expect(memory.word(id(referred) + place), id(reference), "the place of weak references")
    classes = [Custom, types.SimpleNamespace, BaseException]
    for cls in classes:
        _expect(memory.signed(id(cls) + figures.tp_dictoffset), cls.__dictoffset__, "tp_dictoffset")
    slots: list[tuple[type, int, str]] = [
        (property, figures.tp_new, "PyType_GenericNew"),
        (property, figures.tp_alloc, "PyType_GenericAlloc"),
        (property, figures.tp_getattro, "PyObject_GenericGetAttr"),
        (Plain, figures.tp_setattro, "PyObject_GenericSetAttr"),
        (types.FunctionType, figures.tp_call, "PyVectorcall_Call"),
        (list, figures.tp_hash, "PyObject_HashNotImplemented"),
        (type(iter([])), figures.tp_iter, "PyObject_SelfIter"),
        (Custom, figures.tp_free, "PyObject_GC_Del"),
    ]
    for cls, place, name in slots:
        _expect(memory.word(id(cls) + place), _symbol(name), f"the slot that holds {name}")
    plain, custom, base = id(Plain), id(Custom), id(object)
    _expect((memory.word(plain + figures.tp_base), memory.word(id(bool) + figures.tp_base)), (base, id(int)), "tp_base")
    _expect(memory.word(plain + figures.tp_new), memory.word(base + figures.tp_new), "tp_new")
    _expect(memory.word(plain + figures.tp_hash), memory.word(base + figures.tp_hash), "tp_hash")
    by_address = object()
    place = id(by_address)
    _expect(hash(by_address) % (1 << 64), place >> 4 | (place & 15) << 60, "the hash of an object's address")
    _expect(memory.word(plain + figures.tp_init), memory.word(base + figures.tp_init), "tp_init")
    _expect(memory.word(custom + figures.tp_init) != memory.word(base + figures.tp_init), True, "tp_init")
    _expect(memory.word(plain + figures.tp_dealloc), memory.word(custom + figures.tp_dealloc), "tp_dealloc")
    _expect(memory.word(plain + figures.tp_dealloc) != memory.word(base + figures.tp_dealloc), True, "tp_dealloc")
    step = memory.word(id(type(iter([]))) + figures.tp_iternext)
    _expect(memory.word(id(list) + figures.tp_iternext), 0, "tp_iternext of list")
    numbers = iter([object, int])
    _expect(ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(step)(numbers), object, "tp_iternext")
    getattr(Plain, "anything", None)  # a look-up gives the class a version tag
    tag = memory.u32(plain + figures.tp_version_tag)
    Plain.anything = 1  # type: ignore[attr-defined]
    _expect(tag != 0 and memory.u32(plain + figures.tp_version_tag) != tag, True, "tp_version_tag")
    _expect(memory.word(plain + figures.tp_finalize), 0, "tp_finalize")
    Plain.__del__ = lambda self: None  # type: ignore[attr-defined]
    _expect(memory.word(plain + figures.tp_finalize) != 0, True, "tp_finalize")
    del Plain.__del__  # type: ignore[attr-defined]


def _check_functions(memory: Memory, figures: Layout) -> None:
    def function(a: int = 1, *, b: int = 2) -> int:
        return a + b

    start = id(function)
    _expect(memory.word(start + figures.function_code), id(function.__code__), "a function's code")
    _expect(memory.word(start + figures.function_defaults), id(function.__defaults__), "a function's defaults")
    _expect(
        memory.word(start + figures.function_kwdefaults), id(function.__kwdefaults__), "a function's keyword defaults"
    )
    method = types.MethodType(function, figures)
    _expect(memory.word(id(method) + figures.method_function), id(function), "a method's function")
    _expect(memory.word(id(method) + figures.method_self), id(figures), "a method's self")

    class Slotted:
        __slots__ = ("first", "second")

    instance = Slotted()
    instance.second = marker = object()  # type: ignore[attr-defined]
    member = memory.word(id(Slotted.__dict__["second"]) + figures.descr_member)
    _expect(memory.i32(member + figures.member_type), known.MEMBER_OBJECT_EX, "the type of a slot")
    _expect(memory.i32(member + figures.member_flags) & known.MEMBER_READONLY, 0, "the flags of a slot")
    offset = memory.signed(member + figures.member_offset)
    _expect(memory.word(id(instance) + offset), id(marker), "the offset of a slot")
    member = memory.word(id(types.FunctionType.__dict__["__closure__"]) + figures.descr_member)
    _expect(memory.i32(member + figures.member_flags) & known.MEMBER_READONLY, known.MEMBER_READONLY, "read-only slots")


# --- dicts and instance attributes ------------------------------------------------------------------------------------------


def keys_names(memory: Memory, figures: Layout, keys: int) -> list[int]:
    """Addresses of the key objects (0 for a deleted one) of a keys object, in order of their index."""
    count = memory.signed(keys + figures.keys_nentries)
    log2_bytes = memory.byte(keys + figures.keys_log2_index_bytes)
    kind = memory.byte(keys + figures.keys_kind)
    if not 0 <= count < 1 << 20 or log2_bytes > 32 or kind > 2:
        raise LayoutError("native code is off: the keys of a dict do not look as expected")
    start = keys + figures.keys_indices + (1 << log2_bytes)
    size, place = (24, 8) if kind == known.DICT_KEYS_GENERAL else (16, 0)
    return [memory.word(start + size * index + place) for index in range(count)]


def _check_dicts(memory: Memory, figures: Layout) -> None:
    # What stands behind a dict in memory may be zero by chance, but not behind so many that the collector tracks.
    row = [{"key": [number]} for number in range(64)]
    found = [memory.word(id(mapping) + figures.dict_values) for mapping in row]
    _expect(found, [0] * len(row), "the values of dicts in a row")
    names = [f"key number {index}" for index in range(300)]
    for keys in (names[:1], names, [*names, 5]):
        mapping: dict[Any, Any] = dict.fromkeys(keys, keys)
        start = memory.word(id(mapping) + figures.dict_keys)
        found = keys_names(memory, figures, start)
        _expect(found, [id(key) for key in keys], "the keys of a dict")
        _expect(
            memory.byte(start + figures.keys_kind) == known.DICT_KEYS_GENERAL,
            keys[-1] == 5,
            "the kind of a dict's keys",
        )
        _expect(memory.word(id(mapping) + figures.dict_used), len(mapping), "the length of a dict")
        _expect(memory.word(id(mapping) + figures.dict_values), 0, "the values of a dict")
        is_shape = figures.keys_kind == figures.keys_log2_index_bytes + 1  # machine code reads the two as one
        _expect(is_shape, True, "the bytes that describe a dict's keys")
        version = memory.word(id(mapping) + figures.dict_version)
        mapping[names[0]] = None
        _expect(memory.word(id(mapping) + figures.dict_version) != version, True, "the version of a dict")
        _expect(version & figures.dict_watched, 0, "what a dict's version says of watchers")
        step = memory.word(id(mapping) + figures.dict_version) - version
        _expect(step % (figures.dict_watched + 1), 0, "the step of dicts' versions")
        for number in (*range(0, len(keys), 11), len(keys) - 1):
            _expect(_search(memory, figures, start, keys[number], found), number, "the place of a dict's key")


def _search(memory: Memory, figures: Layout, keys: int, wanted: object, names: list[int]) -> int:
    """The number of the entry with a key in a table that has these: the search of machine code (`dict_code`)."""
    log2_size, log2_bytes = memory.byte(keys + figures.keys_log2_size), memory.byte(keys + figures.keys_log2_index_bytes)
    if not log2_size <= log2_bytes <= log2_size + 3:
        raise LayoutError("native code is off: the keys of a dict do not look as expected")
    mask, width = (1 << log2_size) - 1, 1 << (log2_bytes - log2_size)
    perturb = hash(wanted) % (1 << 64)
    place = perturb & mask
    for _ in range(mask + 64):
        data = memory.read(keys + figures.keys_indices + width * place, width)
        number = int.from_bytes(data, "little", signed=True)
        if 0 <= number < len(names) and names[number] == id(wanted):
            return number
        perturb >>= 5
        place = (5 * place + perturb + 1) & mask
    return -1


def _check_keys_version(memory: Memory, figures: Layout) -> None:
    """Whoever adds or removes a name makes the version of the keys 0; assigning to one does not."""
    changes: list[Callable[[dict[str, int]], object]] = [
        lambda mapping: mapping.__setitem__("new", 1),
        lambda mapping: mapping.setdefault("new", 1),
        lambda mapping: mapping.update(new=1),
        lambda mapping: mapping.__delitem__("old"),
        lambda mapping: mapping.pop("old"),
        lambda mapping: mapping.popitem(),
    ]
    for change in changes:
        mapping = {"old": 1, "other": 2}
        version = ctypes.c_uint32.from_address(memory.word(id(mapping) + figures.dict_keys) + figures.keys_version)
        _expect(version.value, 0, "the version of new keys")
        version.value = 0xFFFF_FFFF
        mapping["other"] = 3
        _expect(version.value, 0xFFFF_FFFF, "the version of keys whose values change")
        change(mapping)
        keys = memory.word(id(mapping) + figures.dict_keys)
        _expect(memory.i32(keys + figures.keys_version), 0, "the version of keys that change")


def _check_instances(memory: Memory, figures: Layout) -> None:
    class Instance:
        pass

    instance = Instance()
    first, second = object(), object()
    instance.first = first  # type: ignore[attr-defined]
    instance.second = second  # type: ignore[attr-defined]
    instance.third = first  # type: ignore[attr-defined]
    del instance.third  # type: ignore[attr-defined]
    flag = known.TPFLAGS_INLINE_VALUES if figures.values_mode == "embedded" else known.TPFLAGS_MANAGED_DICT
    _expect(bool(Instance.__flags__ & flag), True, "the flag of classes with inline values")
    shared = memory.word(id(Instance) + figures.ht_cached_keys)
    names = [known.object_at(name) for name in keys_names(memory, figures, shared)]
    _expect(names, ["first", "second", "third"], "the shared keys of a class")
    values = _values_base(memory, figures, id(instance)) + figures.values_items
    _expect([memory.word(values + 8 * i) for i in range(3)], [id(first), id(second), 0], "inline values")
    # Two numbers of values beside the same first one: a byte of its address may be one of them by chance, but not both.
    short = Instance()
    short.first = first  # type: ignore[attr-defined]
    for kept, order in ((instance, [0, 1]), (short, [0])):
        _expect(_insertion_order(memory, figures, id(kept)), order, "the insertion order of inline values")
    vars(instance)["fourth"] = 4
    materialized = vars(instance)
    _expect(memory.word(id(instance) + figures.dict_word), id(materialized), "the dict of an instance")
    _expect(_are_inline(memory, figures, id(instance)), False, "the mark of inline values")
    if figures.values_mode == "embedded":
        other = Instance()
        other.first = first  # type: ignore[attr-defined]
        _expect(memory.byte(id(other) + figures.values_valid), 1, "the mark of valid inline values")
        other.__dict__ = {}
        _expect(memory.byte(id(other) + figures.values_valid), 0, "the mark of valid inline values")
    for cls in (type("Sloppy", (), {"__slots__": ("__dict__",)}), type("Small", (), {"__slots__": ("x",)})):
        expected = cls.__dictoffset__ != 0
        _expect(bool(cls.__flags__ & known.TPFLAGS_MANAGED_DICT), expected, "the flag of classes with a managed dict")


def _are_inline(memory: Memory, figures: Layout, address: int) -> bool:
    """Whether the instance keeps its attributes in values, and nobody has asked for its dict."""
    if figures.values_mode == "pointer":
        return memory.word(address + figures.values_word) != 0
    if figures.values_mode == "tagged":
        return memory.word(address + figures.values_word) & 1 == 1
    return memory.byte(address + figures.values_valid) != 0 and memory.word(address + figures.dict_word) == 0


def _values_base(memory: Memory, figures: Layout, address: int) -> int:
    """What `values_items` counts from, for an instance that keeps its attributes inline."""
    _expect(_are_inline(memory, figures, address), True, "the mark of inline values")
    if figures.values_mode == "pointer":
        return memory.word(address + figures.values_word)
    if figures.values_mode == "tagged":
        return memory.word(address + figures.values_word) + 1
    return address


def _insertion_order(memory: Memory, figures: Layout, address: int) -> list[int]:
    """Indexes of the bound attributes in the order they were bound."""
    base = _values_base(memory, figures, address)
    count = memory.byte(base + figures.values_size)
    if figures.values_mode == "embedded":
        capacity = memory.byte(base + figures.values_capacity)
        start = base + figures.values_items + 8 * capacity
        return [memory.byte(start + index) for index in range(count)]
    return [memory.byte(base + figures.values_size - 1 - index) for index in range(count)]


# --- thread state -----------------------------------------------------------------------------------------------------------


def _check_thread(memory: Memory, figures: Layout) -> None:
    thread = known.thread_state()
    get_interpreter = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyInterpreterState_Get", ctypes.pythonapi))
    interpreter = memory.word(thread + figures.thread_interpreter)
    _expect(interpreter, get_interpreter(), "a thread's interpreter state")

    def handled() -> int:
        return memory.word(memory.word(thread + figures.exc_info) + figures.exc_value)

    def generator() -> Iterator[tuple[int, int]]:
        # A generator has an exception state of its own, in front of the thread's.
        previous = memory.word(memory.word(thread + figures.exc_info) + figures.exc_previous)
        yield memory.word(previous + figures.exc_value), memory.word(thread + figures.exc_info)

    def handling() -> Iterator[int]:
        try:
            [].pop()
        except IndexError as error:
            yield id(error)

    made = handling()
    _expect(memory.word(id(made) + figures.generator_handled), 0, "what a generator that has not begun handles")
    _expect(next(made), memory.word(id(made) + figures.generator_handled), "what a generator handles itself")
    try:
        [].pop()
    except IndexError as error:
        _expect(handled(), id(error), "the handled exception of a thread")
        before = memory.word(thread + figures.exc_info)
        seen, inside = next(generator())
        _expect((seen, inside != before), (id(error), True), "the handled exceptions of a generator's caller")

    def remaining(depth: int) -> int:
        return remaining(depth - 1) if depth else memory.i32(thread + figures.recursion_remaining)

    here = remaining(0)
    _expect(here - remaining(5), 5, "the recursion count of a thread")
    _expect(0 < here < sys.getrecursionlimit(), True, "the recursion count of a thread")


def _check_frames(memory: Memory, figures: Layout) -> None:
    def stand() -> int:
        return memory.word(memory.word(id(sys._getframe()) + figures.frame_running) + figures.running_function)

    _expect(stand(), id(stand), "the function of a frame")


def _check_generators(memory: Memory, figures: Layout) -> None:
    marks = object(), object(), object()
    inside: list[tuple[int, ...]] = []

    def generator(first: object, second: object) -> Iterator[object]:
        held = first
        inside.append(state())
        for item in (marks[2],):
            yield second
            del item, first
            yield held
        yield from (second,)

    made: Any = generator(*marks[:2])
    frame = id(made) + figures.generator_frame
    code = generator.__code__
    names = (*code.co_varnames, *code.co_freevars)

    def state() -> tuple[int, ...]:
        signed = memory.byte(id(made) + figures.generator_state)
        place = memory.word(frame + figures.frame_place) - id(code) - figures.code_units - figures.place_ahead
        return signed - (signed >> 7 << 8), place, memory.i32(frame + figures.frame_top)

    def slots(*wanted: str) -> list[int]:
        return [memory.word(frame + figures.frame_slots + 8 * names.index(name)) for name in wanted]

    yields, start = yield_places(code)
    _expect(state(), (figures.generator_begins, start, len(names)), "a generator that has not begun")
    _expect(slots("first", "second", "held"), [id(marks[0]), id(marks[1]), 0], "the slots of a generator")
    _expect(memory.word(frame + figures.frame_globals), id(globals()), "the globals of a generator")
    _expect(memory.word(frame + figures.frame_function), id(generator), "the function of a generator")
    _expect(memory.word(frame + figures.frame_code), id(code), "the code of a generator")
    _expect(memory.word(frame + figures.frame_object), 0, "the frame object of a generator")
    _expect(id(made.gi_frame), memory.word(frame + figures.frame_object), "the frame object of a generator")
    next(made)
    _expect(inside[0][0], 0, "the state of a generator that runs")
    _expect(state(), (figures.generator_waits, yields[0], len(names) + 1), "a generator that waits")
    _expect(slots("first", "item", "held"), [id(marks[0]), id(marks[2]), id(marks[0])], "the slots of a generator")
    stacked = memory.word(frame + figures.frame_slots + 8 * len(names))
    _expect(memory.word(stacked + figures.ob_type), id(type(iter(()))), "the operand stack of a generator")
    next(made)
    _expect(state(), (figures.generator_waits, yields[1], len(names) + 1), "a generator that waits")
    _expect(slots("first", "item"), [0, 0], "the slots of a generator that are not bound")
    next(made)
    in_yield_from = figures.generator_waits + (figures.version >= (3, 13))
    _expect(state(), (in_yield_from, yields[2], len(names) + 1), "a generator that waits in a `yield from`")
    next(made, None)
    _expect((made.gi_frame, state()[0] >= figures.generator_over), (None, True), "a generator at its end")


def _attention(memory: Memory, figures: Layout) -> Layout:
    """Verify where the evaluation loop's breaker is; look around if it has moved by a few words."""
    thread = known.thread_state()
    base = thread if figures.eval_breaker_in_thread else memory.word(thread + figures.thread_interpreter)
    found = attention_offset(base, figures.eval_breaker, in_thread=figures.eval_breaker_in_thread)
    return figures if found == figures.eval_breaker else dataclasses.replace(figures, eval_breaker=found)


CHECKS: tuple[Callable[[Memory, Layout], None], ...] = (
    _check_header,
    _check_numbers,
    _check_sequences,
    _check_strings,
    _check_buffers,
    _check_matches,
    _check_types,
    _check_functions,
    _check_frames,
    _check_generators,
    _check_dicts,
    _check_keys_version,
    _check_instances,
    _check_thread,
)


def verify(figures: Layout) -> Layout:
    """Check every figure.

    Returns:
        The layout, with the place of the evaluation loop's breaker corrected where this build keeps it elsewhere.

    Raises:
        LayoutError: A figure does not hold; the message says which.
    """
    with open_memory() as memory:
        for check in CHECKS:
            check(memory, figures)
        return _attention(memory, figures)
