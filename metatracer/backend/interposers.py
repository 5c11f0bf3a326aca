"""Noticing changes of classes and functions on CPython 3.11, which has no watchers: functions put before CPython's own.

The C functions through which Python code changes a class or a function are reached through pointers in writable memory.
They are replaced by machine code that calls the original and sets the dirty word (see `watchers`):

* ``tp_setattro`` of `type` and of all metaclasses that inherited it; metaclasses made later inherit ours. Metaclasses with
  a ``__setattr__`` of their own get to the pointer in ``type.__setattr__``, the wrapper, which is replaced, too; those written
  in C call ``PyType_Type.tp_setattro``.
* The setters of `type` (``__bases__``, ``__abstractmethods__``, ...), which can be called without ``tp_setattro``.
* The setters of ``__code__``, ``__defaults__`` and ``__kwdefaults__`` of functions (``__closure__`` is read-only).

A class sets the word only if it is relied on or is a base of such a class: programs may store class attributes often. The
word is set before the original runs, and again afterwards: the original may run finalizers, whose code may make the
runtime check (and clean) before CPython has given the class its new version tag.

What does not come here are classes changed by C code, which stores into ``tp_dict`` and calls ``PyType_Modified``. It always
gives the class a new version tag. So the tags of all relied-on classes are compared (`ChangeNotices.sweep_address`) when
machine code is entered from Python, but not at each guard: that would cost as many loads as there are classes, half of the
time of a small recursive function, for changes that happen while an extension module sets itself up. A change by C code
that a trace itself calls is therefore noticed at the next entry. Functions changed through ``PyFunction_SetDefaults`` and
the like by C code after they have been called are not noticed.

CPython keeps the pointers until the process ends, so neither the machine code nor what it reads is ever freed, and nothing
is put back: classes may change while modules are torn down.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from pathlib import Path
from types import FunctionType, GetSetDescriptorType, WrapperDescriptorType
from typing import Any

from metatracer.backend.layout import WORD, layout, read_u32, read_word, write_word
from metatracer.backend.watchers import CHECKING, END_CHECK, ChangeNotices
from metatracer.errors import LayoutError

_GETSET_NAME, _GETSET_SET = 0, 16
"""Offsets in a PyGetSetDef."""
_WRAPPER_BASE, _WRAPPER_FUNCTION = 40, 48
"""Offsets in a slot wrapper: its slot definition, and the C function that it calls."""
_FUNCTION_SETTERS = ("__code__", "__defaults__", "__kwdefaults__")
_DELETED = 1
"""Marks a table's entry that was in use: the search goes on behind it."""
MASK_64 = (1 << 64) - 1
SPREAD = 0x9E3779B97F4A7C15 - (1 << 64)

_LLVM = END_CHECK + """
define void @mark_class(ptr %class) nounwind {{
entry:
  %table = load ptr, ptr inttoptr (i64 {table} to ptr)
  %mask = load i64, ptr %table
  %word = ptrtoint ptr %class to i64
  %mixed = mul i64 %word, {spread}
  %high = lshr i64 %mixed, 32
  br label %probe
probe:
  %index = phi i64 [ %high, %entry ], [ %next, %other ]
  %at = and i64 %index, %mask
  %next = add i64 %at, 1
  %place = getelementptr i64, ptr %table, i64 %next
  %found = load i64, ptr %place
  %empty = icmp eq i64 %found, 0
  br i1 %empty, label %done, label %compare
compare:
  %same = icmp eq i64 %found, %word
  br i1 %same, label %dirty, label %other
other:
  br label %probe
dirty:
  store i64 1, ptr inttoptr (i64 {dirty} to ptr)
  br label %done
done:
  ret void
}}

define void @mark_function(ptr %function) nounwind {{
  store i64 1, ptr inttoptr (i64 {dirty} to ptr)
  ret void
}}

define void @sweep() nounwind {{
entry:
  %table = load ptr, ptr inttoptr (i64 {tags} to ptr)
  %count = load i64, ptr %table
  br label %test
test:
  %number = phi i64 [ 0, %entry ], [ %following, %item ]
  %unlike = phi i64 [ 0, %entry ], [ %together, %item ]
  %all = icmp uge i64 %number, %count
  br i1 %all, label %decide, label %item
item:
  %words = shl i64 %number, 1
  %first = add i64 %words, 1
  %pair = getelementptr i64, ptr %table, i64 %first
  %tag_place = load ptr, ptr %pair
  %tag = load i32, ptr %tag_place
  %now = zext i32 %tag to i64
  %expected_place = getelementptr i64, ptr %pair, i64 1
  %expected = load i64, ptr %expected_place
  %difference = xor i64 %now, %expected
  %together = or i64 %unlike, %difference
  %following = add i64 %number, 1
  br label %test
decide:
  %fine = icmp eq i64 %unlike, 0
  br i1 %fine, label %done, label %dirty
dirty:
  store i64 1, ptr inttoptr (i64 {dirty} to ptr)
  br label %done
done:
  ret void
}}
"""

_WRAPPER = """
define i32 @{name}(ptr %object, ptr %second, ptr %third) nounwind {{
  call void @{mark}(ptr %object)
  %result = call i32 inttoptr (i64 {original} to ptr)(ptr %object, ptr %second, ptr %third)
  call void @{mark}(ptr %object)
  ret i32 %result
}}
"""


class Interposers(ChangeNotices):
    """The functions put before CPython's own, and the tables that they use.

    Raises:
        LayoutError: The pointers are not where they are expected; nothing has been replaced then.
    """

    def __init__(self) -> None:
        from metatracer.backend import llvm
        from metatracer.backend.stored_code import compile_stored

        if sys.version_info[:2] != (3, 11):
            raise LayoutError("functions are put before CPython's own on 3.11 only")
        self._state: ctypes.Array[ctypes.c_uint64] = (ctypes.c_uint64 * 4)()
        self.dirty_address = ctypes.addressof(self._state)
        self.clean_address = self.dirty_address + 2 * WORD
        self._bases: dict[int, int] = {}
        self._tags: list[int] = []
        self._tag_words: ctypes.Array[ctypes.c_uint64] = (ctypes.c_uint64 * 1)()
        self._watched_bases: dict[int, tuple[int, ...]] = {}
        self._references: dict[int, weakref.ref[type]] = {}
        self._build_classes(256)
        self._build_tags(64)

        class_places, function_places = _class_places(), _function_places()
        check_memory([*class_places, *function_places])
        names: dict[tuple[str, int], str] = {}
        for mark, places in (("mark_class", class_places), ("mark_function", function_places)):
            for place in places:
                names.setdefault((mark, read_word(place)), f"changed{len(names)}")
        text = _LLVM.format(
            dirty=self.dirty_address,
            checking=CHECKING,
            table=self.dirty_address + WORD,
            tags=self.dirty_address + 3 * WORD,
            spread=SPREAD,
        ) + "".join(_WRAPPER.format(name=name, mark=mark, original=code) for (mark, code), name in names.items())
        self._code = compile_stored(text, ["sweep", "end_check", *names.values()], level=1)
        self._take_end_check(self._code.addresses["end_check"])
        for needed in (self, self._code, self._state, *llvm.owners(self._code)):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(needed))
        for mark, places in (("mark_class", class_places), ("mark_function", function_places)):
            for place in places:
                write_word(place, self._code.addresses[names[mark, read_word(place)]])
        self.sweep_address = self._code.addresses["sweep"]

    def watch_type(self, cls: type) -> None:
        """Notice changes of `cls` and its bases."""
        place = id(cls) + layout().tp_version_tag
        tag = read_u32(place)
        if place in self._tags:
            number = self._tags.index(place)
            if self._tag_words[2 + 2 * number] != tag:
                # Whoever relies on it as it was must still be told.
                self._tag_words[2 + 2 * number] = tag
                self._state[0] = 1
            return
        if 2 * len(self._tags) + 4 > len(self._tag_words):
            self._build_tags(2 * len(self._tags))
        number = len(self._tags)
        self._tags.append(place)
        self._tag_words[1 + 2 * number] = place
        self._tag_words[2 + 2 * number] = tag
        self._tag_words[0] = number + 1
        self._references[place] = weakref.ref(cls, lambda reference: self._forget_dead(place, reference))
        bases = self._watched_bases[id(cls)] = tuple(map(id, type.__dict__["__mro__"].__get__(cls)))
        for base in bases:
            self._bases[base] = self._bases.get(base, 0) + 1
            self._insert(base)

    def unwatch_type(self, cls: type) -> None:
        """Stop noticing changes of `cls`."""
        place = id(cls) + layout().tp_version_tag
        if place not in self._tags:
            return
        number, last = self._tags.index(place), len(self._tags) - 1
        # Another thread may enter machine code between two of these: it sees a wrong tag at worst, and asks.
        for word in (1, 2):
            self._tag_words[word + 2 * number] = self._tag_words[word + 2 * last]
        self._tag_words[0] = last
        self._tags[number] = self._tags[last]
        self._tags.pop()
        del self._references[place]
        self._forget_bases(id(cls))

    def _forget_bases(self, number: int) -> None:
        for base in self._watched_bases.pop(number):
            self._bases[base] -= 1
            if not self._bases[base]:
                del self._bases[base]
                self._classes[self._find(base)] = _DELETED

    def _forget_dead(self, place: int, reference: weakref.ref[type]) -> None:
        """A class went without `unwatch_type`, with its registry. This may come in the middle of the other methods."""
        if self._references.get(place) is reference:
            number = self._tags.index(place)
            self._tags[number] = 0
            self._tag_words[1 + 2 * number] = self.clean_address
            self._tag_words[2 + 2 * number] = 0
            del self._references[place]
            self._forget_bases(place - layout().tp_version_tag)

    def _build_tags(self, capacity: int) -> None:
        words = (ctypes.c_uint64 * (1 + 2 * capacity))()
        ctypes.memmove(words, self._tag_words, WORD * min(len(words), len(self._tag_words)))
        self._state[3] = ctypes.addressof(words)
        self._tag_words = words

    def _build_classes(self, capacity: int) -> None:
        """A table of `capacity` (a power of two) entries behind its mask, with the classes in `_bases`."""
        table = (ctypes.c_uint64 * (1 + capacity))()
        table[0] = capacity - 1
        previous = getattr(self, "_classes", None)
        self._classes, self._used = table, 0
        for base in list(self._bases):
            self._insert(base)
        self._state[1] = ctypes.addressof(table)
        del previous  # only now: no thread can be in the table before

    def _insert(self, base: int) -> None:
        capacity = len(self._classes) - 1
        place = self._find(base)
        self._used += not self._classes[place]
        self._classes[place] = base
        if 2 * self._used > capacity:
            while capacity < 4 * len(self._bases):
                capacity *= 2
            self._build_classes(capacity)

    def _find(self, base: int) -> int:
        """Word of the table with the class, or the empty one where it belongs."""
        mask = len(self._classes) - 2
        index = ((base * (SPREAD & MASK_64)) & MASK_64) >> 32
        while self._classes[1 + (index & mask)] not in (base, 0):
            index += 1
        return 1 + (index & mask)


# --- the pointers -----------------------------------------------------------------------------------------------------------


def _function_places() -> list[int]:
    """Where the setters of functions are kept."""
    return [setter_place(FunctionType, name) for name in _FUNCTION_SETTERS]


def _class_places() -> list[int]:
    """Where the functions that change classes are kept."""
    slot = layout().tp_setattro
    original = read_word(id(type) + slot)
    places = [_wrapper_place(name, original) for name in ("__setattr__", "__delattr__")]
    found: dict[int, type] = {}
    todo: list[type] = [type]
    while todo:
        metaclass = todo.pop()
        if id(metaclass) not in found:
            found[id(metaclass)] = metaclass
            todo += type.__subclasses__(metaclass)
    places += [metaclass + slot for metaclass in found if read_word(metaclass + slot) == original]
    for name, descriptor in type.__dict__.items():
        if type(descriptor) is GetSetDescriptorType:
            place = setter_place(type, name)
            if read_word(place):
                places.append(place)
    return places


def setter_place(cls: type, name: str) -> int:
    """Where the C setter of a getset descriptor of a builtin class is kept."""
    descriptor = cls.__dict__.get(name)
    if type(descriptor) is not GetSetDescriptorType or descriptor.__objclass__ is not cls:
        raise LayoutError(f"{cls.__name__}.{name} is not a getset descriptor")
    definition = read_word(id(descriptor) + layout().descr_member)
    _check_readable(definition, 40)
    _check_name(read_word(definition + _GETSET_NAME), name)
    return definition + _GETSET_SET


def _wrapper_place(name: str, original: int) -> int:
    descriptor = type.__dict__.get(name)
    if type(descriptor) is not WrapperDescriptorType:
        raise LayoutError(f"type.{name} is not a slot wrapper")
    definition = read_word(id(descriptor) + _WRAPPER_BASE)
    _check_readable(definition, 40)
    _check_name(read_word(definition), name)
    place = id(descriptor) + _WRAPPER_FUNCTION
    if read_u32(definition + WORD) != layout().tp_setattro or read_word(place) != original:
        raise LayoutError(f"type.{name} does not call the type's own function")
    return place


def _check_name(address: int, name: str) -> None:
    expected = name.encode() + b"\0"
    _check_readable(address, len(expected))
    if ctypes.string_at(address, len(expected)) != expected:
        raise LayoutError(f"the definition of {name} is not where it is expected")


def _mappings() -> list[tuple[int, int, str]]:
    """Start, end and permissions of the process's memory mappings."""
    found = []
    try:
        with Path("/proc/self/maps").open(encoding="utf-8") as file:
            for line in file:
                places, permissions = line.split(None, 2)[:2]
                start, end = places.split("-")
                found.append((int(start, 16), int(end, 16), permissions))
    except OSError as error:
        raise LayoutError(f"the process's memory mappings cannot be read: {error}") from None
    return found


def _is_mapped(mappings: list[tuple[int, int, str]], address: int, size: int, permission: str) -> bool:
    return any(
        start <= address and address + size <= end and permission in permissions for start, end, permissions in mappings
    )


_known_mappings: list[tuple[int, int, str]] = []


def _check_readable(address: int, size: int) -> None:
    """The mappings are read again only for what was not there before: descriptors of C types never go away."""
    if _is_mapped(_known_mappings, address, size, "r"):
        return
    _known_mappings[:] = _mappings()
    if not _is_mapped(_known_mappings, address, size, "r"):
        raise LayoutError("a pointer in a descriptor does not lead to memory")


def check_memory(places: list[int]) -> None:
    """All places must be writable and hold addresses of code."""
    mappings = _mappings()
    for place in places:
        if not _is_mapped(mappings, place, WORD, "w") or not _is_mapped(mappings, read_word(place), 1, "x"):
            raise LayoutError("a C function's pointer is not writable, or does not lead to code")


def sweep_address() -> int:
    """See `ChangeNotices.sweep_address`; 0 when this process does without."""
    from metatracer.backend.watchers import watchers

    noticing: Any = watchers()
    return 0 if noticing is None else int(noticing.sweep_address)
