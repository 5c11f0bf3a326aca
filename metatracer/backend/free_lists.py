"""Free lists: CPython's own of tuples, and the toolkit's for instances and lists; and the machine code that uses them.

A freed tuple of up to 20 items is kept in a list of its length, linked by its first item: with its type and its size, untracked.
`PyTuple_New` and `tupledealloc` do little with it, but by way of several functions of libpython, which take more time than a
guest's frame is worth. The same goes for instances of plain ``__slots__`` classes (`is_plain`), of which CPython keeps no lists,
and for lists, of which it keeps 80, without their items' memory: here the memory of up to `_MOST_LISTED` of each size is kept, of
lists and of their items apart, because items move when a list grows. The functions do CPython's steps: ::

    ptr tuple3(ptr item0, ptr item1, ptr item2)     a new tracked tuple; takes over the items
    ptr instance2(ptr class)                        a new tracked instance with two unset slots
    ptr list3()                                     a new tracked list with room for three items, which its caller fills at once
    i32 list_push(ptr list, ptr item)               what PyList_Append does to a full list; takes over the item
    void dealloc(ptr object)                        what _Py_Dealloc does
    void release(ptr object)                        what Py_DecRef does

Where CPython's lists are in the interpreter's state differs between builds, so they are looked for: a tuple that was just freed
is the head of its list. Where that is not found (a build without free lists), the functions call CPython's.

What a tuple, list or instance alone holds is freed in the same way, up to `_DEPTH` inside of each other, and a list linked by its
last slot in a loop; the rest by CPython, whose "trashcan" keeps long chains from using the C stack up. As with CPython's own free
lists, the collector's count of allocations knows nothing of what goes through a list; like in-place reuse (`reuse`), it is not
seen by tracemalloc and reference tracers.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass

from metatracer.backend import free_numbers
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

LENGTHS = 20
"""Tuples of 1 to so many items have a list."""
_MOST_LISTED = 2000
_PROBED = (11, 17, 19)
"""Lengths that nothing uses while the lists are looked for."""
_MOST_BYTES = 2 << 20
_GC_HEADER = 16
_DEPTH = 40
_MOST_SLOTS = 16
_MOST_ROOM = 16
"""Items' memory of lists is kept up to so many words."""
_HEADER = object.__basicsize__
_TPFLAGS_HAVE_GC = 1 << 14
_FLAGS_WANTED = TPFLAGS_HEAPTYPE | _TPFLAGS_HAVE_GC
_FLAGS_LOOKED_AT = _FLAGS_WANTED | TPFLAGS_INLINE_VALUES | TPFLAGS_MANAGED_DICT | TPFLAGS_IS_ABSTRACT


class _Instances(ctypes.Structure):
    """Free memory for instances: by the number of slots, the first of a list, and how many it has.

    Those of classes that allow weak references follow, because their memory is larger.
    """

    _fields_ = (("heads", ctypes.c_void_p * (2 * _MOST_SLOTS)), ("counts", ctypes.c_uint32 * (2 * _MOST_SLOTS)))


class _Lists(ctypes.Structure):
    """Free memory for lists, without items (number 0), and for so many items: the first, and how many there are."""

    _fields_ = (("heads", ctypes.c_void_p * (_MOST_ROOM + 1)), ("counts", ctypes.c_uint32 * (_MOST_ROOM + 1)))


class _Plain:
    __slots__ = ("item",)


_instances = _Instances()
_lists = _Lists()


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
    place = id(new) - _GC_HEADER
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
    """Whether an instance is a header and 1 to `_MOST_SLOTS` slots, and making and freeing one is `object`'s business alone.

    A place for weak references may follow the slots (from 3.12 on it is before the object). A finalizer may be added to the
    class later; `dealloc` looks at that.
    """
    figures = layout()
    address, plain = id(cls), id(_Plain)
    slots = read_word(address + figures.ob_size)
    return (
        1 <= slots <= _MOST_SLOTS
        and cls.__basicsize__ == _HEADER + WORD * slots + (WORD if allows_weak(cls) and not figures.managed_weak else 0)
        and cls.__weakrefoffset__ in {0, _weak_place(figures, slots)}
        and read_word(address + figures.tp_flags) & _FLAGS_LOOKED_AT == _FLAGS_WANTED
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
    return figures.managed_weak or _HEADER + WORD * slots


# --- machine code ---------------------------------------------------------------------------------------------------------


def regions() -> tuple[tuple[int, int], ...]:
    """Address and size of each piece of memory that the functions here index."""
    own = [(ctypes.addressof(memory), ctypes.sizeof(memory)) for memory in (_instances, _lists)]
    lists = free_lists()
    return (free_numbers.REGION, *own, *([] if lists is None else [lists.region]))


def _counts(memory: _Instances | _Lists) -> int:
    """Address of how many the first list has."""
    return ctypes.addressof(memory) + type(memory).counts.offset


def _pointer(address: int) -> str:
    return f"inttoptr (i64 {address} to ptr)"


def _take(head: int, count: int, link: int) -> str:
    """Take %head from the list at `head`, or go to block `allocate`. Ends in block `listed`."""
    return f"""  %head = load ptr, ptr {_pointer(head)}
  %empty = icmp eq ptr %head, null
  br i1 %empty, label %allocate, label %listed
listed:
  %linkp = getelementptr i8, ptr %head, i64 {link}
  %link = load ptr, ptr %linkp
  store ptr %link, ptr {_pointer(head)}
  %count = load i32, ptr {_pointer(count)}
  %less = sub i32 %count, 1
  store i32 %less, ptr {_pointer(count)}
  store i64 1, ptr %head"""


def _track(lists: FreeLists) -> str:
    """Let the collector know of %head: last in the list of the youngest."""
    young, last = _pointer(lists.young), _pointer(lists.young + WORD)
    return f"""  %gc = getelementptr i8, ptr %head, i64 {-_GC_HEADER}
  %last = load ptr, ptr {last}
  store ptr %gc, ptr %last
  %prevp = getelementptr i8, ptr %gc, i64 {WORD}
  store ptr %last, ptr %prevp
  store ptr {young}, ptr %gc
  store ptr %gc, ptr {last}"""


def tuple_text(name: str, length: int, no_memory: int) -> str:
    """LLVM text of the function that makes tuples of a length."""
    figures, lists = layout(), free_lists()
    params = ", ".join(f"ptr %a{number}" for number in range(length))
    fills = "\n".join(
        f"  %p{number} = getelementptr i8, ptr %new, i64 {figures.tuple_items + WORD * number}\n"
        f"  store ptr %a{number}, ptr %p{number}"
        for number in range(length)
    )
    if lists is None or not 1 <= length <= LENGTHS:
        take, listed = "  br label %allocate", ""
    else:
        at = WORD * (length - 1)
        take = f"""{_take(lists.heads + at, lists.counts + at // 2, figures.tuple_items)}
{_track(lists)}
  br label %fill"""
        listed = "[%head, %listed], "
    return f"""
define ptr @{name}({params}) nounwind {{
{take}
allocate:
  %made = call ptr {_pointer(symbol_address("PyTuple_New"))}(i64 {length})
  %none = icmp eq ptr %made, null
  br i1 %none, label %nomemory, label %fill
fill:
  %new = phi ptr {listed}[%made, %allocate]
{fills}
  ret ptr %new
nomemory:
  call void {_pointer(no_memory)}() noreturn
  unreachable
}}"""


def instance_text(name: str, slots: int, weak: bool, no_memory: int) -> str:
    """LLVM text of the function that makes instances of plain classes with so many slots, which allow weak references or not.

    The place of these is unset already: what has any does not get into a list.
    """
    figures, lists = layout(), free_lists()
    if lists is None:
        take = "  br label %allocate"
    else:
        unset = "\n".join(
            f"  %p{number} = getelementptr i8, ptr %head, i64 {_HEADER + WORD * number}\n  store ptr null, ptr %p{number}"
            for number in range(slots)
        )
        number = slots - 1 + (_MOST_SLOTS if weak else 0)
        head, count = ctypes.addressof(_instances) + WORD * number, _counts(_instances) + 4 * number
        take = f"""{_take(head, count, _HEADER)}
  %typep = getelementptr i8, ptr %head, i64 {figures.ob_type}
  store ptr %class, ptr %typep
  call void {_pointer(symbol_address("Py_IncRef"))}(ptr %class)
{unset}
{_track(lists)}
  ret ptr %head"""
    return f"""
define ptr @{name}(ptr %class) nounwind {{
{take}
allocate:
  %made = call ptr {_pointer(read_word(id(object) + figures.tp_alloc))}(ptr %class, i64 0)
  %none = icmp eq ptr %made, null
  br i1 %none, label %nomemory, label %done
done:
  ret ptr %made
nomemory:
  call void {_pointer(no_memory)}() noreturn
  unreachable
}}"""


def list_text(name: str, length: int, no_memory: int) -> str:
    """LLVM text of the function that makes lists of a length."""
    figures, lists = layout(), free_lists()
    if lists is None:
        take = "  br label %allocate"
    else:
        room, items = _room(length)
        take = f"""{_take(ctypes.addressof(_lists), _counts(_lists), figures.list_items)}
{room}  store ptr {items}, ptr %linkp
  %sizep = getelementptr i8, ptr %head, i64 {figures.ob_size}
  store i64 {length}, ptr %sizep
  %allocatedp = getelementptr i8, ptr %head, i64 {figures.list_allocated}
  store i64 {length}, ptr %allocatedp
{_track(lists)}
  ret ptr %head"""
    return f"""
define ptr @{name}() nounwind {{
{take}
allocate:
  %made = call ptr {_pointer(symbol_address("PyList_New"))}(i64 {length})
  %none = icmp eq ptr %made, null
  br i1 %none, label %nomemory, label %done
done:
  ret ptr %made
nomemory:
  call void {_pointer(no_memory)}() noreturn
  unreachable
}}"""


def _room(length: int) -> tuple[str, str]:
    """Instructions that get memory for so many items, and the operand that it is."""
    if not length:
        return "", "null"
    malloc = f"""  %new = call ptr {_pointer(symbol_address("PyMem_Malloc"))}(i64 {WORD * length})
  %full = icmp eq ptr %new, null
  br i1 %full, label %nomemory, label %roomy
roomy:
"""
    if length > _MOST_ROOM:
        return malloc, "%new"
    head, count = _pointer(ctypes.addressof(_lists) + WORD * length), _pointer(_counts(_lists) + 4 * length)
    return f"""  %room = load ptr, ptr {head}
  %noroom = icmp eq ptr %room, null
  br i1 %noroom, label %malloc, label %kept
kept:
  %next = load ptr, ptr %room
  store ptr %next, ptr {head}
  %rooms = load i32, ptr {count}
  %fewer = sub i32 %rooms, 1
  store i32 %fewer, ptr {count}
  br label %found
malloc:
{malloc}  br label %found
found:
  %items = phi ptr [%room, %kept], [%new, %roomy]
""", "%items"


def push_text(name: str) -> str:
    """LLVM text of the function that appends to a full list: the memory it leaves and the memory it gets are of the lists here.

    How much it gets is `list_resize`'s rule.
    """
    figures = layout()
    heads, counts = _pointer(ctypes.addressof(_lists)), _pointer(_counts(_lists))
    return f"""
define i32 @{name}(ptr %list, ptr %item) nounwind {{
  %sizep = getelementptr i8, ptr %list, i64 {figures.ob_size}
  %size = load i64, ptr %sizep
  %longer = add i64 %size, 1
  %eighth = lshr i64 %longer, 3
  %sum = add i64 %longer, %eighth
  %spare = add i64 %sum, 6
  %wanted = and i64 %spare, -4
  %short = icmp ule i64 %wanted, {_MOST_ROOM}
  br i1 %short, label %look, label %other
look:
  %headp = getelementptr ptr, ptr {heads}, i64 %wanted
  %room = load ptr, ptr %headp
  %none = icmp eq ptr %room, null
  br i1 %none, label %other, label %take
take:
  %next = load ptr, ptr %room
  store ptr %next, ptr %headp
  %countp = getelementptr i32, ptr {counts}, i64 %wanted
  %count = load i32, ptr %countp
  %less = sub i32 %count, 1
  store i32 %less, ptr %countp
  %itemsp = getelementptr i8, ptr %list, i64 {figures.list_items}
  %object = load ptr, ptr %itemsp
  br label %test
test:
  %at = phi i64 [0, %take], [%at1, %copy]
  %all = icmp eq i64 %at, %size
  br i1 %all, label %set, label %copy
copy:
  %from = getelementptr ptr, ptr %object, i64 %at
  %moved = load ptr, ptr %from
  %to = getelementptr ptr, ptr %room, i64 %at
  store ptr %moved, ptr %to
  %at1 = add i64 %at, 1
  br label %test
set:
  %last = getelementptr ptr, ptr %room, i64 %size
  store ptr %item, ptr %last
  store ptr %room, ptr %itemsp
  %allocatedp = getelementptr i8, ptr %list, i64 {figures.list_allocated}
  %left = load i64, ptr %allocatedp
  store i64 %wanted, ptr %allocatedp
  store i64 %longer, ptr %sizep
  %bare = icmp eq ptr %object, null
  br i1 %bare, label %given.p, label %leave
leave:
{_give_room("p", "%left", "%object")}
given.p:
  ret i32 0
other:
  %failed = call i32 {_pointer(symbol_address("PyList_Append"))}(ptr %list, ptr %item)
  call void {_pointer(symbol_address("Py_DecRef"))}(ptr %item)
  ret i32 %failed
}}"""


def _give_room(suffix: str, words: str, memory: str) -> str:
    """Put the memory of so many items into its list if it has one with room, or free it; then to block `given`."""
    return f"""  %number.{suffix} = sub i64 {words}, 1
  %kept.{suffix} = icmp ult i64 %number.{suffix}, {_MOST_ROOM}
  br i1 %kept.{suffix}, label %look.{suffix}, label %free.{suffix}
look.{suffix}:
{_put(suffix, ctypes.addressof(_lists), _counts(_lists), words, memory, memory, "PyMem_Free")}"""


def dealloc_text(name: str, inner: str) -> str:
    """LLVM text of what frees objects or gives references up, and of `inner`, which they call with the depth that is left."""
    figures, lists = layout(), free_lists()
    outer = f"""
define void @{name}(ptr %object) nounwind {{
  call void @{inner}(ptr %object, i32 {_DEPTH})
  ret void
}}
define void @release(ptr %object) nounwind {{
  %unset = icmp eq ptr %object, null
  br i1 %unset, label %kept, label %set
set:
{_release(figures, "r", "%object", "dead", "kept")}
dead:
  call void @{inner}(ptr %object, i32 {_DEPTH})
  br label %kept
kept:
  ret void
}}"""
    head = f"""
define internal void @{inner}(ptr %first, i32 %depth) nounwind {{
entry:
  %less = sub i32 %depth, 1
  br label %start
start:
  %object = phi ptr [%first, %entry]{", [%value.i, %again]" if lists is not None else ""}"""
    other = f"""
other:
  call void {_pointer(symbol_address("_Py_Dealloc"))}(ptr %object)
  ret void
}}"""
    if lists is None:
        return f"{outer}{head}\n  br label %other{other}"
    return f"""{outer}{head}
  %shallow = icmp ne i32 %depth, 0
  br i1 %shallow, label %look, label %other
look:
  %typep = getelementptr i8, ptr %object, i64 {figures.ob_type}
  %type = load ptr, ptr %typep
  %istuple = icmp eq ptr %type, {_pointer(id(tuple))}
  br i1 %istuple, label %tuple, label %nottuple
nottuple:
  %isint = icmp eq ptr %type, {_pointer(id(int))}
  br i1 %isint, label %int, label %notint
notint:
  %isfloat = icmp eq ptr %type, {_pointer(id(float))}
  br i1 %isfloat, label %float, label %notfloat
notfloat:
  %islist = icmp eq ptr %type, {_pointer(id(list))}
  br i1 %islist, label %list, label %class
{free_numbers.free_blocks(figures, _put)}
{_tuple(figures, lists, inner)}
{_list(figures, inner)}
{_instance(figures, inner)}
{other}"""


def _untrack(suffix: str, then: str) -> str:
    """Take %object out of the collector's list, if it is in one; then to block `then`."""
    return f"""  %gc.{suffix} = getelementptr i8, ptr %object, i64 {-_GC_HEADER}
  %next.{suffix} = load ptr, ptr %gc.{suffix}
  %unseen.{suffix} = icmp eq ptr %next.{suffix}, null
  br i1 %unseen.{suffix}, label %{then}, label %untrack.{suffix}
untrack.{suffix}:
  %prevp.{suffix} = getelementptr i8, ptr %gc.{suffix}, i64 {WORD}
  %prev.{suffix} = load i64, ptr %prevp.{suffix}
  %before.{suffix} = and i64 %prev.{suffix}, -4
  %beforep.{suffix} = inttoptr i64 %before.{suffix} to ptr
  store ptr %next.{suffix}, ptr %beforep.{suffix}
  %backp.{suffix} = getelementptr i8, ptr %next.{suffix}, i64 {WORD}
  %back.{suffix} = load i64, ptr %backp.{suffix}
  %flags.{suffix} = and i64 %back.{suffix}, 3
  %linked.{suffix} = or i64 %flags.{suffix}, %before.{suffix}
  store i64 %linked.{suffix}, ptr %backp.{suffix}
  store ptr null, ptr %gc.{suffix}
  store i64 0, ptr %prevp.{suffix}
  br label %{then}"""


def _release(figures: Layout, suffix: str, value: str, dead: str, then: str) -> str:
    """Give up a reference: to block `dead` with the last one, else to block `then`."""
    word = "i32" if figures.has_immortal else "i64"
    look = f"""  %immortal.{suffix} = icmp slt {word} %refs.{suffix}, 0
  br i1 %immortal.{suffix}, label %{then}, label %mortal.{suffix}
mortal.{suffix}:
""" if figures.has_immortal else ""  # fmt: skip
    return f"""  %refs.{suffix} = load {word}, ptr {value}
{look}  %fewer.{suffix} = sub {word} %refs.{suffix}, 1
  store {word} %fewer.{suffix}, ptr {value}
  %dead.{suffix} = icmp eq {word} %fewer.{suffix}, 0
  br i1 %dead.{suffix}, label %{dead}, label %{then}"""


def _tuple(figures: Layout, lists: FreeLists, inner: str) -> str:
    """From block `tuple`: items are given up from the last to the first, as `tupledealloc` does."""
    return f"""tuple:
  %sizep = getelementptr i8, ptr %object, i64 {figures.ob_size}
  %size = load i64, ptr %sizep
  %index = sub i64 %size, 1
  %short = icmp ult i64 %index, {LENGTHS}
  br i1 %short, label %ours.t, label %other
ours.t:
{_untrack("t", "items")}
items:
  %items.t = getelementptr i8, ptr %object, i64 {figures.tuple_items}
  br label %loop.t
loop.t:
  %left = phi i64 [%size, %items], [%number, %after.t]
  %done = icmp eq i64 %left, 0
  br i1 %done, label %empty.t, label %item
item:
  %number = sub i64 %left, 1
  %place.t = getelementptr ptr, ptr %items.t, i64 %number
  %value.t = load ptr, ptr %place.t
  %unset.t = icmp eq ptr %value.t, null
  br i1 %unset.t, label %after.t, label %set.t
set.t:
{_release(figures, "t", "%value.t", "drop.t", "after.t")}
drop.t:
  call void @{inner}(ptr %value.t, i32 %less)
  br label %after.t
after.t:
  br label %loop.t
empty.t:
{_give_back("t", lists.heads, lists.counts, "%index", "%items.t")}
given.t:
  ret void"""


def _list(figures: Layout, inner: str) -> str:
    """From block `list`: items are given up from the last to the first, as `list_dealloc` does."""
    return f"""list:
{_untrack("l", "look.l")}
look.l:
  %itemsp.l = getelementptr i8, ptr %object, i64 {figures.list_items}
  %items.l = load ptr, ptr %itemsp.l
  %bare.l = icmp eq ptr %items.l, null
  br i1 %bare.l, label %given.r, label %full.l
full.l:
  %sizep.l = getelementptr i8, ptr %object, i64 {figures.ob_size}
  %size.l = load i64, ptr %sizep.l
  br label %loop.l
loop.l:
  %left.l = phi i64 [%size.l, %full.l], [%number.l, %after.l]
  %done.l = icmp eq i64 %left.l, 0
  br i1 %done.l, label %empty.l, label %item.l
item.l:
  %number.l = sub i64 %left.l, 1
  %place.l = getelementptr ptr, ptr %items.l, i64 %number.l
  %value.l = load ptr, ptr %place.l
  %unset.l = icmp eq ptr %value.l, null
  br i1 %unset.l, label %after.l, label %set.l
set.l:
{_release(figures, "l", "%value.l", "drop.l", "after.l")}
drop.l:
  call void @{inner}(ptr %value.l, i32 %less)
  br label %after.l
after.l:
  br label %loop.l
empty.l:
  %allocatedp.l = getelementptr i8, ptr %object, i64 {figures.list_allocated}
  %allocated.l = load i64, ptr %allocatedp.l
{_give_room("r", "%allocated.l", "%items.l")}
given.r:
{_give_back("l", ctypes.addressof(_lists), _counts(_lists), "0", "%itemsp.l")}
given.l:
  ret void"""


def _give_back(suffix: str, heads: int, counts: int, index: str, link: str) -> str:
    """Put %object into the list number `index` if that has room, or free it; then to block `given`."""
    return _put(suffix, heads, counts, index, "%object", link, "PyObject_GC_Del")


def _put(suffix: str, heads: int, counts: int, index: str, memory: str, link: str, free: str) -> str:
    """Put memory into the list number `index`, linked at `link`, if that has room, or free it; then to block `given`."""
    return f"""  %countp.{suffix} = getelementptr i32, ptr {_pointer(counts)}, i64 {index}
  %count.{suffix} = load i32, ptr %countp.{suffix}
  %room.{suffix} = icmp ult i32 %count.{suffix}, {_MOST_LISTED}
  br i1 %room.{suffix}, label %list.{suffix}, label %free.{suffix}
list.{suffix}:
  %headp.{suffix} = getelementptr ptr, ptr {_pointer(heads)}, i64 {index}
  %head.{suffix} = load ptr, ptr %headp.{suffix}
  store ptr %head.{suffix}, ptr {link}
  store ptr {memory}, ptr %headp.{suffix}
  %more.{suffix} = add i32 %count.{suffix}, 1
  store i32 %more.{suffix}, ptr %countp.{suffix}
  br label %given.{suffix}
free.{suffix}:
  call void {_pointer(symbol_address(free))}(ptr {memory})
  br label %given.{suffix}"""


def _weak_fits(figures: Layout) -> str:
    """%fits0 and %fits1: the class's %bytes and %weak are those of slots that take %whole bytes."""
    if figures.managed_weak:
        return f"""  %fits0 = icmp eq i64 %bytes, %whole
  %managed = icmp eq i64 %weak, {figures.managed_weak}
  %fits1 = or i1 %strong, %managed"""
    return f"""  %one = select i1 %strong, i64 0, i64 {WORD}
  %both = add i64 %whole, %one
  %fits0 = icmp eq i64 %bytes, %both
  %behind = icmp eq i64 %weak, %whole
  %fits1 = or i1 %strong, %behind"""


def _instance(figures: Layout, inner: str) -> str:
    """From block `class`: slots are given up from the first to the last, as `subtype_dealloc` does.

    The instance itself is gone before what its last slot alone referred to, which is freed in the same loop.
    """
    plain = id(_Plain)
    same = (figures.tp_dealloc, figures.tp_base, figures.tp_free)
    looks = []
    for number, offset in enumerate(same):
        looks += [
            f"  %wp{number} = getelementptr i8, ptr %type, i64 {offset}",
            f"  %w{number} = load i64, ptr %wp{number}",
            f"  %ok{number} = icmp eq i64 %w{number}, ptrtoint (ptr {_pointer(read_word(plain + offset))} to i64)",
        ]
    own = ctypes.addressof(_instances)
    tests = "\n".join(looks)
    return f"""class:
{tests}
  %finalp = getelementptr i8, ptr %type, i64 {figures.tp_finalize}
  %final = load ptr, ptr %finalp
  %quiet = icmp eq ptr %final, null
  %same0 = and i1 %ok0, %ok1
  %same1 = and i1 %ok2, %quiet
  %same = and i1 %same0, %same1
  %flagsp = getelementptr i8, ptr %type, i64 {figures.tp_flags}
  %flags = load i64, ptr %flagsp
  %looked = and i64 %flags, {_FLAGS_LOOKED_AT}
  %wanted = icmp eq i64 %looked, {_FLAGS_WANTED}
  %slotsp = getelementptr i8, ptr %type, i64 {figures.ob_size}
  %slots = load i64, ptr %slotsp
  %which0 = sub i64 %slots, 1
  %few = icmp ult i64 %which0, {_MOST_SLOTS}
  %bytesp = getelementptr i8, ptr %type, i64 {figures.tp_basicsize}
  %bytes = load i64, ptr %bytesp
  %words = shl i64 %slots, 3
  %whole = add i64 %words, {_HEADER}
  %weakp = getelementptr i8, ptr %type, i64 {figures.tp_weaklistoffset}
  %weak = load i64, ptr %weakp
  %strong = icmp eq i64 %weak, 0
  %which1 = add i64 %which0, {_MOST_SLOTS}
  %which = select i1 %strong, i64 %which0, i64 %which1
{_weak_fits(figures)}
  %fits = and i1 %fits0, %fits1
  %plain0 = and i1 %same, %wanted
  %plain1 = and i1 %few, %fits
  %plain = and i1 %plain0, %plain1
  br i1 %plain, label %weakness, label %other
weakness:
  br i1 %strong, label %ours.i, label %referred
referred:
  %refsp = getelementptr i8, ptr %object, i64 %weak
  %weakrefs = load ptr, ptr %refsp
  %unreferred = icmp eq ptr %weakrefs, null
  br i1 %unreferred, label %ours.i, label %other
ours.i:
{_untrack("i", "slots.i")}
slots.i:
  %items.i = getelementptr i8, ptr %object, i64 {_HEADER}
  br label %slot
slot:
  %at = phi i64 [0, %slots.i], [%after, %next.slot]
  %place.i = getelementptr ptr, ptr %items.i, i64 %at
  %value.i = load ptr, ptr %place.i
  %after = add i64 %at, 1
  %islast = icmp eq i64 %after, %slots
  %unset.i = icmp eq ptr %value.i, null
  br i1 %unset.i, label %kept, label %set.i
set.i:
  store ptr null, ptr %place.i
{_release(figures, "i", "%value.i", "drop.i", "kept")}
drop.i:
  br i1 %islast, label %shell, label %nested
nested:
  call void @{inner}(ptr %value.i, i32 %less)
  br label %next.slot
kept:
  br i1 %islast, label %shell, label %next.slot
next.slot:
  br label %slot
shell:
  %more = phi i1 [true, %drop.i], [false, %kept]
{_give_back("i", own, _counts(_instances), "%which", "%items.i")}
given.i:
{_release(figures, "c", "%type", "drop.c", "gone.c")}
drop.c:
  call void {_pointer(symbol_address("_Py_Dealloc"))}(ptr %type)
  br label %gone.c
gone.c:
  br i1 %more, label %again, label %end
again:
  br label %start
end:
  ret void"""
