"""Machine code that frees objects into free lists (`free_lists`).

`dealloc` does what `_Py_Dealloc` does, `release` what `Py_DecRef` does. `untuple_1_2` frees a tuple that has one reference, and
gives up its items except for 1 and 2, whose references are the caller's then.

What a tuple, list or instance alone holds is freed in the same way, up to `_DEPTH` inside of each other, and a list linked by its
last slot in a loop; the rest by CPython, whose "trashcan" keeps long chains from using the C stack up. Behind that an epoch
begins (`emit.Addresses`), except for strings: a finalizer may have run.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from metatracer.backend import free_numbers
from metatracer.backend.free_lists import (
    CLASSES,
    FLAGS_LOOKED_AT,
    FLAGS_WANTED,
    GC_HEADER,
    HEADER,
    INSTANCES,
    KNOWN_CLASSES,
    LENGTHS,
    LISTS,
    MOST_SLOTS,
    FreeLists,
    Plain,
    counts_of,
    free_lists,
    give_room,
    put,
)
from metatracer.backend.layout import WORD, Layout, layout, read_word
from metatracer.backend.llvm import symbol_address
from metatracer.backend.operands import pointer

if TYPE_CHECKING:
    from collections.abc import Callable

_DEPTH = 40


def dealloc_text(name: str, inner: str, begin_epoch: Callable[[str], str]) -> str:
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
  call void {pointer(symbol_address("_Py_Dealloc"))}(ptr %object)
{begin_epoch("epoch.o")}
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
  %istuple = icmp eq ptr %type, {pointer(id(tuple))}
  br i1 %istuple, label %tuple, label %nottuple
nottuple:
  %isint = icmp eq ptr %type, {pointer(id(int))}
  br i1 %isint, label %int, label %notint
notint:
  %isfloat = icmp eq ptr %type, {pointer(id(float))}
  br i1 %isfloat, label %float, label %notfloat
notfloat:
  %islist = icmp eq ptr %type, {pointer(id(list))}
  br i1 %islist, label %list, label %notlist
notlist:
  %isstr = icmp eq ptr %type, {pointer(id(str))}
  br i1 %isstr, label %str, label %class
str:
  call void {pointer(symbol_address("_Py_Dealloc"))}(ptr %object)
  ret void
{free_numbers.free_blocks(figures)}
{_tuple(figures, lists, inner)}
{_list(figures, inner)}
{_instance(figures, inner, begin_epoch("epoch.c"))}
{other}"""


def _untrack(suffix: str, then: str) -> str:
    """Take %object out of the collector's list, if it is in one; then to block `then`."""
    return f"""  %gc.{suffix} = getelementptr i8, ptr %object, i64 {-GC_HEADER}
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


def untuple_text(name: str, taken: tuple[int, ...], functions: Callable[[str], int], epoch: str) -> str:
    """LLVM text of what takes a tuple apart that has one reference; it has more items than the last of those that are taken.

    What is no tuple of a length that has a free list is freed by CPython.
    """
    figures, lists = layout(), free_lists()
    known = taken[-1] + 1
    word = "i32" if figures.has_immortal else "i64"
    more = "call i32 @llvm.uadd.sat.i32(i32 %kept{0}, i32 1)" if figures.has_immortal else "add i64 %kept{0}, 1"
    retains = "\n".join(
        f"""  %keptp{index} = getelementptr i8, ptr %object, i64 {figures.tuple_items + WORD * index}
  %item{index} = load ptr, ptr %keptp{index}
  %kept{index} = load {word}, ptr %item{index}
  %more{index} = {more.format(index)}
  store {word} %more{index}, ptr %item{index}"""
        for index in taken
    )
    other = f"""other:
{retains}
  store {word} 0, ptr %object
  call void {pointer(symbol_address("_Py_Dealloc"))}(ptr %object)
{epoch}
  ret void
}}"""
    head = f"""
declare i32 @llvm.uadd.sat.i32(i32, i32)
define void @{name}(ptr %object) nounwind {{
entry:"""
    if lists is None:
        return f"{head}\n  br label %other\n{other}"
    dealloc = pointer(functions("dealloc"))
    dropped = [index for index in reversed(range(known)) if index not in taken]
    drops = []
    for place, index in enumerate(dropped):
        following = f"known{dropped[place + 1]}" if place + 1 < len(dropped) else "empty"
        drops.append(f"""known{index}:
  %place{index} = getelementptr ptr, ptr %items.t, i64 {index}
  %value{index} = load ptr, ptr %place{index}
{_release(figures, f"k{index}", f"%value{index}", f"drop{index}", following)}
drop{index}:
  call void {dealloc}(ptr %value{index})
  br label %{following}""")
    blocks = "\n".join(drops)
    return f"""{head}
  %typep = getelementptr i8, ptr %object, i64 {figures.ob_type}
  %type = load ptr, ptr %typep
  %istuple = icmp eq ptr %type, {pointer(id(tuple))}
  br i1 %istuple, label %tuple, label %other
tuple:
  %sizep = getelementptr i8, ptr %object, i64 {figures.ob_size}
  %size = load i64, ptr %sizep
  %index = sub i64 %size, 1
  %short = icmp ult i64 %index, {LENGTHS}
  br i1 %short, label %ours, label %other
ours:
{_untrack("t", "items")}
items:
  %items.t = getelementptr i8, ptr %object, i64 {figures.tuple_items}
  br label %loop
loop:
  %left = phi i64 [%size, %items], [%number, %after]
  %done = icmp eq i64 %left, {known}
  br i1 %done, label %{f"known{dropped[0]}" if dropped else "empty"}, label %item
item:
  %number = sub i64 %left, 1
  %place = getelementptr ptr, ptr %items.t, i64 %number
  %value = load ptr, ptr %place
  %unset = icmp eq ptr %value, null
  br i1 %unset, label %after, label %set
set:
{_release(figures, "t", "%value", "drop", "after")}
drop:
  call void {dealloc}(ptr %value)
  br label %after
after:
  br label %loop
{blocks}
empty:
{_give_back("t", lists.heads, lists.counts, "%index", "%items.t")}
given.t:
  ret void
{other}"""


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
{give_room("r", "%allocated.l", "%items.l")}
given.r:
{_give_back("l", ctypes.addressof(LISTS), counts_of(LISTS), "0", "%itemsp.l")}
given.l:
  ret void"""


def _give_back(suffix: str, heads: int, counts: int, index: str, link: str) -> str:
    """Put %object into the list number `index` if that has room, or free it; then to block `given`."""
    return put(suffix, heads, counts, index, "%object", link, "PyObject_GC_Del")


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


def _instance(figures: Layout, inner: str, epoch: str) -> str:
    """From block `class`: slots are given up from the first to the last, as `subtype_dealloc` does.

    The instance itself is gone before what its last slot alone referred to, which is freed in the same loop. A class that was
    looked at is remembered with its version tag, which changes with whatever may make it another one (a finalizer, other bases).
    """
    plain = id(Plain)
    same = (figures.tp_dealloc, figures.tp_base, figures.tp_free)
    looks = []
    for number, offset in enumerate(same):
        looks += [
            f"  %wp{number} = getelementptr i8, ptr %type, i64 {offset}",
            f"  %w{number} = load i64, ptr %wp{number}",
            f"  %ok{number} = icmp eq i64 %w{number}, ptrtoint (ptr {pointer(read_word(plain + offset))} to i64)",
        ]
    own = ctypes.addressof(INSTANCES)
    tests = "\n".join(looks)
    return f"""class:
  %typen = ptrtoint ptr %type to i64
  %spread = lshr i64 %typen, 4
  %typen8 = lshr i64 %typen, 9
  %mixed = xor i64 %spread, %typen8
  %place = and i64 %mixed, {KNOWN_CLASSES - 1}
  %known = getelementptr [{ctypes.sizeof(CLASSES) // KNOWN_CLASSES} x i8], ptr {pointer(ctypes.addressof(CLASSES))}, i64 %place
  %knowntagp = getelementptr i8, ptr %known, i64 {WORD}
  %knownslotsp = getelementptr i8, ptr %known, i64 {WORD + 4}
  %tagp = getelementptr i8, ptr %type, i64 {figures.tp_version_tag}
  %tag = load i32, ptr %tagp
  %knowntype = load ptr, ptr %known
  %knowntag = load i32, ptr %knowntagp
  %istype = icmp eq ptr %type, %knowntype
  %istag = icmp eq i32 %tag, %knowntag
  %isknown = and i1 %istype, %istag
  br i1 %isknown, label %known.i, label %unknown.i
known.i:
  %slots32 = load i32, ptr %knownslotsp
  %slots.k = zext i32 %slots32 to i64
  %which.k = sub i64 %slots.k, 1
  br label %ours.i
unknown.i:
{tests}
  %finalp = getelementptr i8, ptr %type, i64 {figures.tp_finalize}
  %final = load ptr, ptr %finalp
  %quiet = icmp eq ptr %final, null
  %same0 = and i1 %ok0, %ok1
  %same1 = and i1 %ok2, %quiet
  %same = and i1 %same0, %same1
  %flagsp = getelementptr i8, ptr %type, i64 {figures.tp_flags}
  %flags = load i64, ptr %flagsp
  %looked = and i64 %flags, {FLAGS_LOOKED_AT}
  %wanted = icmp eq i64 %looked, {FLAGS_WANTED}
  %slotsp = getelementptr i8, ptr %type, i64 {figures.ob_size}
  %slots.u = load i64, ptr %slotsp
  %which0 = sub i64 %slots.u, 1
  %few = icmp ult i64 %which0, {MOST_SLOTS}
  %bytesp = getelementptr i8, ptr %type, i64 {figures.tp_basicsize}
  %bytes = load i64, ptr %bytesp
  %words = shl i64 %slots.u, 3
  %whole = add i64 %words, {HEADER}
  %weakp = getelementptr i8, ptr %type, i64 {figures.tp_weaklistoffset}
  %weak = load i64, ptr %weakp
  %strong = icmp eq i64 %weak, 0
  %which1 = add i64 %which0, {MOST_SLOTS}
  %which.u = select i1 %strong, i64 %which0, i64 %which1
{_weak_fits(figures)}
  %fits = and i1 %fits0, %fits1
  %plain0 = and i1 %same, %wanted
  %plain1 = and i1 %few, %fits
  %plain = and i1 %plain0, %plain1
  br i1 %plain, label %weakness, label %other
weakness:
  br i1 %strong, label %strong.i, label %referred
strong.i:
  %tagged = icmp ne i32 %tag, 0
  br i1 %tagged, label %note.i, label %ours.i
note.i:
  store ptr %type, ptr %known
  store i32 %tag, ptr %knowntagp
  %slots.n = trunc i64 %slots.u to i32
  store i32 %slots.n, ptr %knownslotsp
  br label %ours.i
referred:
  %refsp = getelementptr i8, ptr %object, i64 %weak
  %weakrefs = load ptr, ptr %refsp
  %unreferred = icmp eq ptr %weakrefs, null
  br i1 %unreferred, label %ours.i, label %other
ours.i:
  %slots = phi i64 [%slots.k, %known.i], [%slots.u, %strong.i], [%slots.u, %note.i], [%slots.u, %referred]
  %which = phi i64 [%which.k, %known.i], [%which.u, %strong.i], [%which.u, %note.i], [%which.u, %referred]
{_untrack("i", "slots.i")}
slots.i:
  %items.i = getelementptr i8, ptr %object, i64 {HEADER}
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
{_give_back("i", own, counts_of(INSTANCES), "%which", "%items.i")}
given.i:
{_release(figures, "c", "%type", "drop.c", "gone.c")}
drop.c:
  call void {pointer(symbol_address("_Py_Dealloc"))}(ptr %type)
{epoch}
  br label %gone.c
gone.c:
  br i1 %more, label %again, label %end
again:
  br label %start
end:
  ret void"""
