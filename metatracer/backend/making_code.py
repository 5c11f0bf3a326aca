"""Machine code that makes tuples, instances and lists from free lists (`free_lists`).

    ptr tuple3(ptr item0, ptr item1, ptr item2)     a new tracked tuple; takes over the items
    ptr instance2(ptr class)                        a new tracked instance with two unset slots
    ptr list3()                                     a new tracked list with room for three items, which its caller fills at once
    i32 list_push(ptr list, ptr item)               what PyList_Append does to a full list; takes over the item
    ptr list_concat(ptr left, ptr right)            a new list, or NULL with MemoryError; so
    ptr list_slice(ptr list, i64 start, i64 stop)   is this

These are the functions, which take CPython's steps. Where CPython allocates, it may collect garbage (3.11) and so run code: then
the first three begin an epoch (`emit.Addresses`) by the instructions that are given.
"""

from __future__ import annotations

import ctypes

from metatracer.backend.free_lists import (
    HEADER,
    INSTANCES,
    LENGTHS,
    LISTS,
    MOST_ROOM,
    MOST_SLOTS,
    counts_of,
    free_lists,
    give_room,
    pop,
    take,
    take_object,
    track,
)
from metatracer.backend.layout import WORD, layout, read_word
from metatracer.backend.llvm import symbol_address
from metatracer.backend.operands import pointer
from metatracer.backend.string_code import within


def tuple_text(name: str, length: int, no_memory: int, epoch: str) -> str:
    """LLVM text of the function that makes tuples of a length."""
    figures, lists = layout(), free_lists()
    params = ", ".join(f"ptr %a{number}" for number in range(length))
    fills = "\n".join(
        f"  %p{number} = getelementptr i8, ptr %new, i64 {figures.tuple_items + WORD * number}\n"
        f"  store ptr %a{number}, ptr %p{number}"
        for number in range(length)
    )
    if lists is None or not 1 <= length <= LENGTHS:
        making, listed = "  br label %allocate", ""
    else:
        making = f"""{take_object(lists.heads, lists.counts, str(length - 1), figures.tuple_items)}
{track(lists)}
  br label %fill"""
        listed = "[%head, %listed], "
    return f"""
define ptr @{name}({params}) nounwind {{
{making}
allocate:
  %made = call ptr {pointer(symbol_address("PyTuple_New"))}(i64 {length})
{epoch}
  %none = icmp eq ptr %made, null
  br i1 %none, label %nomemory, label %fill
fill:
  %new = phi ptr {listed}[%made, %allocate]
{fills}
  ret ptr %new
nomemory:
  call void {pointer(no_memory)}() noreturn
  unreachable
}}"""


def instance_text(name: str, slots: int, weak: bool, no_memory: int, epoch: str) -> str:
    """LLVM text of the function that makes instances of plain classes with so many slots, which allow weak references or not.

    The place of these is unset already: what has any does not get into a list.
    """
    figures, lists = layout(), free_lists()
    if lists is None:
        making = "  br label %allocate"
    else:
        unset = "\n".join(
            f"  %p{number} = getelementptr i8, ptr %head, i64 {HEADER + WORD * number}\n  store ptr null, ptr %p{number}"
            for number in range(slots)
        )
        number = slots - 1 + (MOST_SLOTS if weak else 0)
        making = f"""{take_object(ctypes.addressof(INSTANCES), counts_of(INSTANCES), str(number), HEADER)}
  %typep = getelementptr i8, ptr %head, i64 {figures.ob_type}
  store ptr %class, ptr %typep
{_retain_class()}
{unset}
{track(lists)}
  ret ptr %head"""
    return f"""
declare i32 @llvm.uadd.sat.i32(i32, i32)
define ptr @{name}(ptr %class) nounwind {{
{making}
allocate:
  %made = call ptr {pointer(read_word(id(object) + figures.tp_alloc))}(ptr %class, i64 0)
{epoch}
  %none = icmp eq ptr %made, null
  br i1 %none, label %nomemory, label %done
done:
  ret ptr %made
nomemory:
  call void {pointer(no_memory)}() noreturn
  unreachable
}}"""


def _retain_class() -> str:
    """Take a reference to %class."""
    word = "i32" if layout().has_immortal else "i64"
    more = "call i32 @llvm.uadd.sat.i32(i32 %users, i32 1)" if layout().has_immortal else "add i64 %users, 1"
    return f"""  %users = load {word}, ptr %class
  %more = {more}
  store {word} %more, ptr %class"""


def list_text(name: str, length: int, no_memory: int, epoch: str) -> str:
    """LLVM text of the function that makes lists of a length."""
    figures, lists = layout(), free_lists()
    if lists is None:
        making = "  br label %allocate"
    else:
        room, items = _room(length)
        making = f"""{take_object(ctypes.addressof(LISTS), counts_of(LISTS), "0", figures.list_items)}
{room}  store ptr {items}, ptr %linkp
  %sizep = getelementptr i8, ptr %head, i64 {figures.ob_size}
  store i64 {length}, ptr %sizep
  %allocatedp = getelementptr i8, ptr %head, i64 {figures.list_allocated}
  store i64 {length}, ptr %allocatedp
{track(lists)}
  ret ptr %head"""
    return f"""
define ptr @{name}() nounwind {{
{making}
allocate:
  %made = call ptr {pointer(symbol_address("PyList_New"))}(i64 {length})
{epoch}
  %none = icmp eq ptr %made, null
  br i1 %none, label %nomemory, label %done
done:
  ret ptr %made
nomemory:
  call void {pointer(no_memory)}() noreturn
  unreachable
}}"""


def _room(length: int) -> tuple[str, str]:
    """Instructions that get memory for so many items, and the operand that it is."""
    if not length:
        return "", "null"
    malloc = f"""  %new = call ptr {pointer(symbol_address("PyMem_Malloc"))}(i64 {WORD * length})
  %full = icmp eq ptr %new, null
  br i1 %full, label %nomemory, label %roomy
roomy:
"""
    if length > MOST_ROOM:
        return malloc, "%new"
    return f"""{take(ctypes.addressof(LISTS), counts_of(LISTS), str(length), 0, suffix=".r", empty="malloc")}
  br label %found
malloc:
{malloc}  br label %found
found:
  %items = phi ptr [%head.r, %listed.r], [%new, %roomy]
""", "%items"


def push_text(name: str) -> str:
    """LLVM text of the function that appends to a full list: the memory it leaves and the memory it gets are of the lists here.

    How much it gets is `list_resize`'s rule.
    """
    figures = layout()
    return f"""
define i32 @{name}(ptr %list, ptr %item) nounwind {{
  %sizep = getelementptr i8, ptr %list, i64 {figures.ob_size}
  %size = load i64, ptr %sizep
  %longer = add i64 %size, 1
  %eighth = lshr i64 %longer, 3
  %sum = add i64 %longer, %eighth
  %spare = add i64 %sum, 6
  %wanted = and i64 %spare, -4
  %short = icmp ule i64 %wanted, {MOST_ROOM}
  br i1 %short, label %look, label %other
look:
{take(ctypes.addressof(LISTS), counts_of(LISTS), "%wanted", 0, suffix=".r", empty="other")}
  %itemsp = getelementptr i8, ptr %list, i64 {figures.list_items}
  %object = load ptr, ptr %itemsp
  br label %test
test:
  %at = phi i64 [0, %listed.r], [%at1, %copy]
  %all = icmp eq i64 %at, %size
  br i1 %all, label %set, label %copy
copy:
  %from = getelementptr ptr, ptr %object, i64 %at
  %moved = load ptr, ptr %from
  %to = getelementptr ptr, ptr %head.r, i64 %at
  store ptr %moved, ptr %to
  %at1 = add i64 %at, 1
  br label %test
set:
  %last = getelementptr ptr, ptr %head.r, i64 %size
  store ptr %item, ptr %last
  store ptr %head.r, ptr %itemsp
  %allocatedp = getelementptr i8, ptr %list, i64 {figures.list_allocated}
  %left = load i64, ptr %allocatedp
  store i64 %wanted, ptr %allocatedp
  store i64 %longer, ptr %sizep
  %bare = icmp eq ptr %object, null
  br i1 %bare, label %given.p, label %leave
leave:
{give_room("p", "%left", "%object")}
given.p:
  ret i32 0
other:
  %failed = call i32 {pointer(symbol_address("PyList_Append"))}(ptr %list, ptr %item)
  call void {pointer(symbol_address("Py_DecRef"))}(ptr %item)
  ret i32 %failed
}}"""


def lists_text() -> str:
    """LLVM text of the functions that make lists of the items of others."""
    figures = layout()
    sizep = f"getelementptr i8, ptr %whole, i64 {figures.ob_size}"
    return f"""{_sized_text()}
{_fill_text()}
define ptr @list_concat(ptr %left, ptr %right) nounwind {{
  %leftp = getelementptr i8, ptr %left, i64 {figures.ob_size}
  %rightp = getelementptr i8, ptr %right, i64 {figures.ob_size}
  %m = load i64, ptr %leftp
  %n = load i64, ptr %rightp
  %all = add i64 %m, %n
  %made = call ptr @list_sized(i64 %all)
  %none = icmp eq ptr %made, null
  br i1 %none, label %nothing, label %look
nothing:
  ret ptr null
look:
  %m1 = load i64, ptr %leftp
  %n1 = load i64, ptr %rightp
  %same0 = icmp eq i64 %m, %m1
  %same1 = icmp eq i64 %n, %n1
  %same = and i1 %same0, %same1
  br i1 %same, label %copy, label %changed
copy:
  call void @list_fill(ptr %made, i64 0, ptr %left, i64 0, i64 %m)
  call void @list_fill(ptr %made, i64 %m, ptr %right, i64 0, i64 %n)
  ret ptr %made
changed:
  call void {pointer(symbol_address("Py_DecRef"))}(ptr %made)
  %other = call ptr {pointer(symbol_address("PySequence_Concat"))}(ptr %left, ptr %right)
  ret ptr %other
}}
{within("list_slice", figures.ob_size)}
  %count = sub i64 %to, %from
  %made = call ptr @list_sized(i64 %count)
  %none = icmp eq ptr %made, null
  br i1 %none, label %nothing, label %look
nothing:
  ret ptr null
look:
  %sizep = {sizep}
  %size = load i64, ptr %sizep
  %same = icmp eq i64 %size, %length
  br i1 %same, label %copy, label %changed
copy:
  call void @list_fill(ptr %made, i64 0, ptr %whole, i64 %from, i64 %count)
  ret ptr %made
changed:
  call void {pointer(symbol_address("Py_DecRef"))}(ptr %made)
  %other = call ptr {pointer(symbol_address("PyList_GetSlice"))}(ptr %whole, i64 %from, i64 %to)
  ret ptr %other
}}"""


def _sized_text() -> str:
    """`list_sized`: a new tracked list with room for so many items, which its caller fills at once, or NULL with MemoryError.

    Only where it is CPython's (its items are NULL then) may code have run that changes other lists.
    """
    figures, lists = layout(), free_lists()
    new = pointer(symbol_address("PyList_New"))
    if lists is None:
        return f"""
define internal ptr @list_sized(i64 %length) nounwind {{
  %made = call ptr {new}(i64 %length)
  ret ptr %made
}}"""
    heads, counts = ctypes.addressof(LISTS), counts_of(LISTS)
    return f"""
define internal ptr @list_sized(i64 %length) nounwind {{
start:
  %headp = getelementptr ptr, ptr {pointer(heads)}, i64 0
  %head = load ptr, ptr %headp
  %empty = icmp eq ptr %head, null
  br i1 %empty, label %allocate, label %some
some:
  %none = icmp eq i64 %length, 0
  br i1 %none, label %roomy, label %look
look:
  %short = icmp ule i64 %length, {MOST_ROOM}
  br i1 %short, label %search, label %malloc
search:
{take(heads, counts, "%length", 0, suffix=".r", empty="malloc")}
  br label %roomy
malloc:
  %bytes = shl i64 %length, 3
  %new = call ptr {pointer(symbol_address("PyMem_Malloc"))}(i64 %bytes)
  %full = icmp eq ptr %new, null
  br i1 %full, label %allocate, label %roomy
roomy:
  %items = phi ptr [null, %some], [%head.r, %listed.r], [%new, %malloc]
{pop(counts, "0", figures.list_items)}
  store i64 1, ptr %head
  store ptr %items, ptr %linkp
  %sizep = getelementptr i8, ptr %head, i64 {figures.ob_size}
  store i64 %length, ptr %sizep
  %allocatedp = getelementptr i8, ptr %head, i64 {figures.list_allocated}
  store i64 %length, ptr %allocatedp
{track(lists)}
  ret ptr %head
allocate:
  %made = call ptr {new}(i64 %length)
  ret ptr %made
}}"""


def _fill_text() -> str:
    """`list_fill`: put items of one list into another, from a place on in each."""
    figures = layout()
    word = "i32" if figures.has_immortal else "i64"
    more = "call i32 @llvm.uadd.sat.i32(i32 %refs, i32 1)" if figures.has_immortal else "add i64 %refs, 1"
    return f"""
define internal void @list_fill(ptr %list, i64 %at, ptr %other, i64 %start, i64 %count) nounwind {{
begin:
  %itemsp = getelementptr i8, ptr %list, i64 {figures.list_items}
  %items = load ptr, ptr %itemsp
  %to = getelementptr ptr, ptr %items, i64 %at
  %othersp = getelementptr i8, ptr %other, i64 {figures.list_items}
  %others = load ptr, ptr %othersp
  %from = getelementptr ptr, ptr %others, i64 %start
  br label %test
test:
  %number = phi i64 [0, %begin], [%following, %copy]
  %done = icmp eq i64 %number, %count
  br i1 %done, label %end, label %copy
copy:
  %source = getelementptr ptr, ptr %from, i64 %number
  %value = load ptr, ptr %source
  %refs = load {word}, ptr %value
  %more = {more}
  store {word} %more, ptr %value
  %place = getelementptr ptr, ptr %to, i64 %number
  store ptr %value, ptr %place
  %following = add i64 %number, 1
  br label %test
end:
  ret void
}}"""
