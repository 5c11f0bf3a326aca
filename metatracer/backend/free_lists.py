"""Free lists: CPython's own of tuples, and the toolkit's for instances and lists.

A freed tuple of up to 20 items is kept in a list of its length, linked by its first item: with its type and its size, untracked.
`PyTuple_New` and `tupledealloc` do little with it, but by way of several functions of libpython, which take more time than a
guest's frame is worth. The same goes for instances of plain ``__slots__`` classes (`is_plain`), of which CPython keeps no lists,
and for lists, of which it keeps 80, without their items' memory: here the memory of up to `_MOST_LISTED` of each size is kept, of
lists and of their items apart, because items move when a list grows. Objects are made from these lists by the machine code of
`making_code`, and freed into them by that of `freeing_code`; here is what both need.

Where CPython's lists are in the interpreter's state differs between builds, so they are looked for: a tuple that was just freed
is the head of its list. Where that is not found (a build without free lists), the functions call CPython's.

As with CPython's own free lists, the collector's count of allocations knows nothing of what goes through a list; like in-place
reuse (`reuse`), it is not seen by tracemalloc and reference tracers.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass

from metatracer.backend.layout import (
    TPFLAGS_HEAPTYPE,
    TPFLAGS_INLINE_VALUES,
    TPFLAGS_IS_ABSTRACT,
    TPFLAGS_MANAGED_DICT,
    WORD,
    Layout,
    layout,
    read_u32,
    read_word,
    thread_state,
)
from metatracer.backend.llvm import symbol_address
from metatracer.backend.once import once
from metatracer.backend.operands import pointer

LENGTHS = 20
"""Tuples of 1 to so many items have a list."""
_MOST_LISTED = 2000
_PROBED = (11, 17, 19)
"""Lengths that nothing uses while the lists are looked for."""
_MOST_BYTES = 2 << 20
GC_HEADER = 16
MOST_SLOTS = 16
MOST_ROOM = 16
"""Items' memory of lists is kept up to so many words."""
HEADER = object.__basicsize__
TPFLAGS_HAVE_GC = 1 << 14
FLAGS_WANTED = TPFLAGS_HEAPTYPE | TPFLAGS_HAVE_GC
FLAGS_LOOKED_AT = FLAGS_WANTED | TPFLAGS_INLINE_VALUES | TPFLAGS_MANAGED_DICT | TPFLAGS_IS_ABSTRACT


class _Instances(ctypes.Structure):
    """Free memory for instances: by the number of slots, the first of a list, and how many it has.

    Those of classes that allow weak references follow, because their memory is larger.
    """

    _fields_ = (("heads", ctypes.c_void_p * (2 * MOST_SLOTS)), ("counts", ctypes.c_uint32 * (2 * MOST_SLOTS)))


class _Lists(ctypes.Structure):
    """Free memory for lists, without items (number 0), and for so many items: the first, and how many there are."""

    _fields_ = (("heads", ctypes.c_void_p * (MOST_ROOM + 1)), ("counts", ctypes.c_uint32 * (MOST_ROOM + 1)))


class _Class(ctypes.Structure):
    """A class whose instances are freed into a list: which, its version tag then, and how many slots they have."""

    _fields_ = (("type", ctypes.c_void_p), ("tag", ctypes.c_uint32), ("slots", ctypes.c_uint32))


class Plain:
    """A class that is plain (`is_plain`)."""

    __slots__ = ("item",)


INSTANCES = _Instances()
LISTS = _Lists()
KNOWN_CLASSES = 16
CLASSES = (_Class * KNOWN_CLASSES)()
"""Classes that were found to be plain when an instance was freed last, each at the place that its address gives."""


@dataclass(frozen=True, slots=True)
class FreeLists:
    """Addresses in the interpreter's state.

    Attributes:
        heads: Of the first list's head; the others follow, a word each.
        counts: Of how many the first list has; the others follow, 32 bits each.
        young: Of the head of the list of objects that the collector has not looked at yet: next, previous.
    """

    heads: int
    counts: int
    young: int

    @property
    def region(self) -> tuple[int, int]:
        """Address and size of heads and counts."""
        return self.heads, self.counts + 4 * LENGTHS - self.heads


@once
def free_lists() -> FreeLists | None:
    """Where the lists are, verified; None if this interpreter has none like that."""
    interpreter = read_word(thread_state() + layout().thread_interpreter)
    heads = {_found_head(interpreter, length) - WORD * (length - 1) for length in _PROBED}
    young = _found_young(interpreter)
    if len(heads) != 1 or not young:
        return None
    found = FreeLists(min(heads), min(heads) + WORD * LENGTHS, young)
    return found if all(_is_counted(found, length) for length in _PROBED) else None


def _fresh(length: int) -> tuple[object, ...]:
    return tuple([object() for _ in range(length)])


def _state(interpreter: int) -> bytes:
    """The interpreter's state, as far as there is memory."""
    parts = []
    try:
        descriptor = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        place = interpreter
        while place < interpreter + _MOST_BYTES:
            part = os.pread(descriptor, 4096 - place % 4096, place)
            parts.append(part)
            place += len(part)
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return b"".join(parts)


def _found_head(interpreter: int, length: int) -> int:
    """The address of the only word of the state that holds a tuple freed just now; 0 if there is none, or several."""
    address = id(_fresh(length))
    state = _state(interpreter)
    wanted = struct.pack("<Q", address)
    place = state.find(wanted)
    if place < 0 or place % WORD or state.find(wanted, place + 1) >= 0:
        return 0
    return interpreter + place


def _found_young(interpreter: int) -> int:
    """The end of the list that a new object is tracked in: its head, which lies in the state."""
    new: list[object] = [[]]
    place = id(new) - GC_HEADER
    for _ in range(20):
        following = read_word(place)
        if interpreter < following < interpreter + _MOST_BYTES:
            return following
        if not following or read_word(following + WORD) & ~3 != place:
            return 0
        place = following
    return 0


def _is_counted(found: FreeLists, length: int) -> bool:
    """Whether the list of a length grows and shrinks as it should."""
    head, count = found.heads + WORD * (length - 1), found.counts + 4 * (length - 1)
    one, two = _fresh(length), _fresh(length)
    before, addresses = read_u32(count), (id(one), id(two))
    del one
    del two
    after, last = read_u32(count), read_word(head)
    linked = read_word(last + layout().tuple_items)
    return after == before + 2 and (linked, last) == addresses


# --- classes --------------------------------------------------------------------------------------------------------------


def is_plain(cls: type) -> bool:
    """Whether an instance is a header and 1 to `MOST_SLOTS` slots, and making and freeing one is `object`'s business alone.

    A place for weak references may follow the slots (from 3.12 on it is before the object). A finalizer may be added to the
    class later; `dealloc` looks at that.
    """
    figures = layout()
    address, plain = id(cls), id(Plain)
    slots = read_word(address + figures.ob_size)
    return (
        1 <= slots <= MOST_SLOTS
        and cls.__basicsize__ == HEADER + WORD * slots + (WORD if allows_weak(cls) and not figures.managed_weak else 0)
        and cls.__weakrefoffset__ in {0, _weak_place(figures, slots)}
        and read_word(address + figures.tp_flags) & FLAGS_LOOKED_AT == FLAGS_WANTED
        and all(
            read_word(address + offset) == read_word(plain + offset)
            for offset in (figures.tp_dealloc, figures.tp_base, figures.tp_alloc, figures.tp_free)
        )
    )


def allows_weak(cls: type) -> bool:
    """Whether instances of a plain class have a place for weak references."""
    return cls.__weakrefoffset__ != 0


def _weak_place(figures: Layout, slots: int) -> int:
    """Where that is."""
    return figures.managed_weak or HEADER + WORD * slots


# --- machine code ---------------------------------------------------------------------------------------------------------


def regions() -> tuple[tuple[int, int], ...]:
    """Address and size of each piece of memory that the functions here index."""
    own = [(ctypes.addressof(memory), ctypes.sizeof(memory)) for memory in (INSTANCES, LISTS, CLASSES)]
    lists = free_lists()
    return (*own, *([] if lists is None else [lists.region]))


def counts_of(memory: _Instances | _Lists) -> int:
    """Address of how many the first list has."""
    return ctypes.addressof(memory) + type(memory).counts.offset


def take(heads: int, counts: int, index: str, link: int, *, suffix: str = "", empty: str = "allocate") -> str:
    """Take %head, the first of the list number `index`, or go to block `empty`. Ends in block `listed`.

    Args:
        heads: Address of the first of each list.
        counts: Address of how many each has.
        index: An operand.
        link: Where in its memory the next one is.
        suffix: Of all names.
        empty: A label.
    """
    return f"""  %headp{suffix} = getelementptr ptr, ptr {pointer(heads)}, i64 {index}
  %head{suffix} = load ptr, ptr %headp{suffix}
  %empty{suffix} = icmp eq ptr %head{suffix}, null
  br i1 %empty{suffix}, label %{empty}, label %listed{suffix}
listed{suffix}:
{pop(counts, index, link, suffix=suffix)}"""


def pop(counts: int, index: str, link: int, *, suffix: str = "") -> str:
    """Take %head, the first of the list at %headp."""
    return f"""  %linkp{suffix} = getelementptr i8, ptr %head{suffix}, i64 {link}
  %link{suffix} = load ptr, ptr %linkp{suffix}
  store ptr %link{suffix}, ptr %headp{suffix}
  %countp{suffix} = getelementptr i32, ptr {pointer(counts)}, i64 {index}
  %count{suffix} = load i32, ptr %countp{suffix}
  %less{suffix} = sub i32 %count{suffix}, 1
  store i32 %less{suffix}, ptr %countp{suffix}"""


def take_object(heads: int, counts: int, index: str, link: int) -> str:
    """`take` memory of an object: somebody refers to it now."""
    return f"""{take(heads, counts, index, link)}
  store i64 1, ptr %head"""


def track(lists: FreeLists) -> str:
    """Let the collector know of %head: last in the list of the youngest."""
    young, last = pointer(lists.young), pointer(lists.young + WORD)
    return f"""  %gc = getelementptr i8, ptr %head, i64 {-GC_HEADER}
  %last = load ptr, ptr {last}
  store ptr %gc, ptr %last
  %prevp = getelementptr i8, ptr %gc, i64 {WORD}
  store ptr %last, ptr %prevp
  store ptr {young}, ptr %gc
  store ptr %gc, ptr {last}"""


def give_room(suffix: str, words: str, memory: str) -> str:
    """Put the memory of so many items into its list if it has one with room, or free it; then to block `given`."""
    return f"""  %number.{suffix} = sub i64 {words}, 1
  %kept.{suffix} = icmp ult i64 %number.{suffix}, {MOST_ROOM}
  br i1 %kept.{suffix}, label %look.{suffix}, label %free.{suffix}
look.{suffix}:
{put(suffix, ctypes.addressof(LISTS), counts_of(LISTS), words, memory, memory, "PyMem_Free")}"""


def put(suffix: str, heads: int, counts: int, index: str, memory: str, link: str, free: str) -> str:
    """Put memory into the list number `index`, linked at `link`, if that has room, or free it; then to block `given`."""
    return f"""  %countp.{suffix} = getelementptr i32, ptr {pointer(counts)}, i64 {index}
  %count.{suffix} = load i32, ptr %countp.{suffix}
  %room.{suffix} = icmp ult i32 %count.{suffix}, {_MOST_LISTED}
  br i1 %room.{suffix}, label %list.{suffix}, label %free.{suffix}
list.{suffix}:
  %headp.{suffix} = getelementptr ptr, ptr {pointer(heads)}, i64 {index}
  %head.{suffix} = load ptr, ptr %headp.{suffix}
  store ptr %head.{suffix}, ptr {link}
  store ptr {memory}, ptr %headp.{suffix}
  %more.{suffix} = add i32 %count.{suffix}, 1
  store i32 %more.{suffix}, ptr %countp.{suffix}
  br label %given.{suffix}
free.{suffix}:
  call void {pointer(symbol_address(free))}(ptr {memory})
  br label %given.{suffix}"""
