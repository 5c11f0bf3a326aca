"""Machine code that searches dicts and replaces their values, as CPython does it (`Objects/dictobject.c`).

The functions are: ::

    ptr dict_find(ptr mapping, ptr key)                 a new reference to the value, or NULL: there is none, or it raised
    ptr dict_find_int(ptr mapping, i64 key)             the same, for a key that is an int
    i32 dict_store(ptr mapping, ptr key, ptr value)     what PyDict_SetItem does
    i32 dict_store_int(ptr mapping, i64 key, ptr value)
    i32 dict_put(ptr mapping, ptr place, ptr key, ptr value)    the same where the value's place is known; takes over the value

They decide what needs no comparison but that of machine integers: the key is an int, or its hash is known without asking
(strings and bytes keep it, and it is the address of objects whose class inherits it from object), and the table has the very key,
or none with the same hash. All else, and what changes the table, is left to CPython, and an epoch begins behind it
(`emit.Addresses`): comparing keys may run code.

A value is replaced with a new version of the dict (PEP 509). CPython's versions count up from 1, ours down from the highest.
Where traces poll the version of a dict, it has been given a marked one of ours (`polled_version`): such a dict is left alone.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from metatracer.backend.free_lists import GC_HEADER, TPFLAGS_HAVE_GC
from metatracer.backend.layout import (
    DICT_KEYS_GENERAL,
    DICT_KEYS_UNICODE,
    INT_DIGIT_BITS,
    WORD,
    layout,
    read_word,
    write_word,
)
from metatracer.backend.operands import pointer
from metatracer.backend.own_dicts import ENTRY_SIZE, GENERAL_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.backend.layout import Layout

_VERSION_STEP = 1 << 13
_version = (ctypes.c_int64 * 1)(-_VERSION_STEP)
"""What the next replaced value makes its dict's version."""


def _polled_mark() -> int:
    """The bit of one of our versions that says that it is polled, above those that say who watches."""
    return layout().dict_watched + 1


def polled_version(mapping: int) -> int:
    """The version of the dict at an address, from now on one by which machine code knows that the dict is polled."""
    place = mapping + layout().dict_version
    word = read_word(place)
    if not (word >> 63 and word & _polled_mark()):
        word = _version[0] % (1 << 64) | _polled_mark() | word & layout().dict_watched
        _version[0] -= _VERSION_STEP
        write_word(place, word)
    return word


def dict_texts(symbol: Callable[[str], str], begin_epoch: Callable[[str], str]) -> str:
    """LLVM text of the functions.

    Args:
        symbol: Gives the operand of a C function.
        begin_epoch: Gives instructions.
    """
    figures = layout()
    texts = [_asking(figures, symbol, begin_epoch)]
    for suffix, kind, search in (("", "ptr", _search_object(figures)), ("_int", "i64", _search_number(figures))):
        texts.append(f"""
define ptr @dict_find{suffix}(ptr %mapping, {kind} %key) nounwind {{
{search}
  %value = load ptr, ptr %place
{_retain(figures, "value")}
  ret ptr %value
absent:
  ret ptr null
ask:
{_with_object(kind, "call ptr @ask(ptr %mapping, ptr %key)")}
  ret ptr %asked
}}
define i32 @dict_store{suffix}(ptr %mapping, {kind} %key, ptr %value) nounwind {{
{search}
{_replace(figures, _retain(figures, "value"))}
absent:
  br label %ask
ask:
{_with_object(kind, "call i32 @ask_to_store(ptr %mapping, ptr %key, ptr %value)")}
  ret i32 %asked
}}""")
    texts.append(f"""
define i32 @dict_put(ptr %mapping, ptr %place, ptr %key, ptr %value) nounwind {{
{_replace(figures, "")}
ask:
  %asked = call i32 @ask_to_store(ptr %mapping, ptr %key, ptr %value)
  call void @release(ptr %value)
  ret i32 %asked
}}""")
    return "".join(texts)


def _asking(figures: Layout, symbol: Callable[[str], str], begin_epoch: Callable[[str], str]) -> str:
    """What CPython is left to do. Code that compares keys may give up the last references to the dict and the key."""
    return f"""
declare i64 @llvm.fshl.i64(i64, i64, i64)
define internal ptr @ask(ptr %mapping, ptr %key) nounwind {{
{_retain(figures, "mapping")}
{_retain(figures, "key")}
  %value = call ptr {symbol("PyDict_GetItemWithError")}(ptr %mapping, ptr %key)
  %isnone = icmp eq ptr %value, null
  br i1 %isnone, label %done, label %keep
keep:
{_retain(figures, "value")}
  br label %done
done:
{begin_epoch("epoch")}
  call void @release(ptr %key)
  call void @release(ptr %mapping)
  ret ptr %value
}}
define internal i32 @ask_to_store(ptr %mapping, ptr %key, ptr %value) nounwind {{
  %failed = call i32 {symbol("PyDict_SetItem")}(ptr %mapping, ptr %key, ptr %value)
{begin_epoch("epoch")}
  ret i32 %failed
}}"""


def _with_object(kind: str, call: str) -> str:
    """The result, %asked, of a call that wants the key as an object."""
    if kind == "ptr":
        return f"  %asked = {call}"
    return f"""  %object = call ptr @box_int(i64 %key)
  %asked = {call.replace("%key", "%object")}
  call void @release(ptr %object)"""


def _retain(figures: Layout, name: str) -> str:
    """Take a reference to an object."""
    if figures.has_immortal:
        return f"""  %{name}.refs = load i32, ptr %{name}
  %{name}.more = call i32 @llvm.uadd.sat.i32(i32 %{name}.refs, i32 1)
  store i32 %{name}.more, ptr %{name}"""
    return f"""  %{name}.refs = load i64, ptr %{name}
  %{name}.more = add i64 %{name}.refs, 1
  store i64 %{name}.more, ptr %{name}"""


def _replace(figures: Layout, retain: str) -> str:
    """Replace the value at %place and return 0; or to block `ask` with nothing done.

    Somebody watches, or there is no value yet, or the collector has to know of the dict from now on.
    """
    version = pointer(ctypes.addressof(_version))
    return f"""  %versionp = getelementptr i8, ptr %mapping, i64 {figures.dict_version}
  %before = load i64, ptr %versionp
  %ours = ashr i64 %before, 63
  %flags.set = and i64 %before, {figures.dict_watched | _polled_mark()}
  %flags.valid = or i64 %ours, {figures.dict_watched}
  %watched = and i64 %flags.set, %flags.valid
  %unwatched = icmp eq i64 %watched, 0
  br i1 %unwatched, label %alone, label %ask
alone:
  %old = load ptr, ptr %place
  %isunset = icmp eq ptr %old, null
  br i1 %isunset, label %ask, label %set
set:
  %gcp = getelementptr i8, ptr %mapping, i64 {-GC_HEADER}
  %gc = load ptr, ptr %gcp
  %untracked = icmp eq ptr %gc, null
  br i1 %untracked, label %untracked.set, label %store
untracked.set:
  %value.classp = getelementptr i8, ptr %value, i64 {figures.ob_type}
  %value.class = load ptr, ptr %value.classp
  %flagsp = getelementptr i8, ptr %value.class, i64 {figures.tp_flags}
  %flags = load i64, ptr %flagsp
  %collected = and i64 %flags, {TPFLAGS_HAVE_GC}
  %simple = icmp eq i64 %collected, 0
  br i1 %simple, label %store, label %ask
store:
  %version = load i64, ptr {version}
  %lower = sub i64 %version, {_VERSION_STEP}
  store i64 %lower, ptr {version}
  store i64 %version, ptr %versionp
{retain}
  store ptr %value, ptr %place
  call void @release(ptr %old)
  ret i32 0"""


def _search_object(figures: Layout) -> str:
    """The search for a key of any class: to block `absent`, to `ask`, or goes on with the value's %place in block `found`."""
    assert figures.str_hash == figures.bytes_hash
    hash_of_object = read_word(id(object) + figures.tp_hash)
    return f"""{_table(figures)}
  %classp = getelementptr i8, ptr %key, i64 {figures.ob_type}
  %class = load ptr, ptr %classp
  %isstr = icmp eq ptr %class, {pointer(id(str))}
  br i1 %isstr, label %text, label %nostr
nostr:
  %isint = icmp eq ptr %class, {pointer(id(int))}
  br i1 %isint, label %int, label %noint
noint:
  %isbytes = icmp eq ptr %class, {pointer(id(bytes))}
  br i1 %isbytes, label %text, label %nobytes
nobytes:
  %hasherp = getelementptr i8, ptr %class, i64 {figures.tp_hash}
  %hasher = load ptr, ptr %hasherp
  %isplain = icmp eq ptr %hasher, {pointer(hash_of_object)}
  br i1 %isplain, label %plain, label %ask
plain:
  %address = ptrtoint ptr %key to i64
  %turned = call i64 @llvm.fshl.i64(i64 %address, i64 %address, i64 60)
  br label %hashed
text:
  %hashp = getelementptr i8, ptr %key, i64 {figures.str_hash}
  %kept = load i64, ptr %hashp
  %unknown = icmp eq i64 %kept, -1
  br i1 %unknown, label %ask, label %hashed
hashed:
  %hash = phi i64 [%turned, %plain], [%kept, %text]
  br i1 %isgeneral, label %general, label %special
special:
  %isunicode = icmp eq i8 %kind, {DICT_KEYS_UNICODE}
  %both = and i1 %isunicode, %isstr
  br i1 %both, label %texts, label %ask
{_probes("g", "general", "%hash", GENERAL_SIZE)}
  %g.keyp = getelementptr i8, ptr %g.at, i64 {WORD}
  %g.key = load ptr, ptr %g.keyp
  %g.same = icmp eq ptr %g.key, %key
  br i1 %g.same, label %found, label %g.other
g.other:
  %g.hash = load i64, ptr %g.at
  %g.collides = icmp eq i64 %g.hash, %hash
  br i1 %g.collides, label %ask, label %g.next
{_probes("t", "texts", "%hash", ENTRY_SIZE)}
  %t.key = load ptr, ptr %t.at
  %t.same = icmp eq ptr %t.key, %key
  br i1 %t.same, label %found, label %t.other
t.other:
  %t.hashp = getelementptr i8, ptr %t.key, i64 {figures.str_hash}
  %t.hash = load i64, ptr %t.hashp
  %t.collides = icmp eq i64 %t.hash, %hash
  br i1 %t.collides, label %ask, label %t.next
int:
{_unbox(figures, "%key", "key", "ask")}
{_among_numbers(figures, "%key.number")}
found:
  %place = phi ptr [%g.value, %g.entry], [%t.value, %t.entry], [%n.value, %its.small]"""


def _search_number(figures: Layout) -> str:
    """The same for an int."""
    return f"""{_table(figures)}
  %above = add i64 %key, {(1 << 60) - 1}
  %inside = icmp ult i64 %above, {(1 << 61) - 1}
  br i1 %inside, label %int, label %ask
int:
{_among_numbers(figures, "%key")}
found:
  %place = phi ptr [%n.value, %its.small]"""


def _table(figures: Layout) -> str:
    """What is to be known of the table of %mapping."""
    return f"""  %keysp = getelementptr i8, ptr %mapping, i64 {figures.dict_keys}
  %keys = load ptr, ptr %keysp
  %sizep = getelementptr i8, ptr %keys, i64 {figures.keys_log2_size}
  %size8 = load i8, ptr %sizep
  %size = zext i8 %size8 to i64
  %bytesp = getelementptr i8, ptr %keys, i64 {figures.keys_log2_index_bytes}
  %bytes8 = load i8, ptr %bytesp
  %bytes = zext i8 %bytes8 to i64
  %kindp = getelementptr i8, ptr %keys, i64 {figures.keys_kind}
  %kind = load i8, ptr %kindp
  %isgeneral = icmp eq i8 %kind, {DICT_KEYS_GENERAL}
  %count = shl i64 1, %size
  %mask = sub i64 %count, 1
  %width = sub i64 %bytes, %size
  %bits = shl i64 8, %width
  %unused = sub i64 64, %bits
  %indices = getelementptr i8, ptr %keys, i64 {figures.keys_indices}
  %length = shl i64 1, %bytes
  %entries = getelementptr i8, ptr %indices, i64 %length"""


def _among_numbers(figures: Layout, number: str) -> str:
    """The search for an int below 2**60 in magnitude: an entry with its hash has it if it has an int of this value."""
    return f"""  %n.isminus = icmp eq i64 {number}, -1
  %n.hash = select i1 %n.isminus, i64 -2, i64 {number}
  br i1 %isgeneral, label %numbers, label %n.special
n.special:
  %n.nosuch = icmp eq i8 %kind, {DICT_KEYS_UNICODE}
  br i1 %n.nosuch, label %absent, label %ask
{_probes("n", "numbers", "%n.hash", GENERAL_SIZE)}
  %its.hash = load i64, ptr %n.at
  %its.collides = icmp eq i64 %its.hash, %n.hash
  br i1 %its.collides, label %compare, label %n.next
compare:
  %its.keyp = getelementptr i8, ptr %n.at, i64 {WORD}
  %its.key = load ptr, ptr %its.keyp
  %its.classp = getelementptr i8, ptr %its.key, i64 {figures.ob_type}
  %its.class = load ptr, ptr %its.classp
  %its.isint = icmp eq ptr %its.class, {pointer(id(int))}
  br i1 %its.isint, label %its.int, label %ask
its.int:
{_unbox(figures, "%its.key", "its", "n.next")}
  %its.equal = icmp eq i64 %its.number, {number}
  br i1 %its.equal, label %found, label %n.next"""


def _probes(name: str, start: str, hashed: str, entry_size: int) -> str:
    """Blocks that go through a table, from block `start`.

    To block `absent`, or on with the entry's address, %at, and that of its value, in block `entry`. Block `next` goes on.
    An index is read as a word, of whose bytes the lowest are it: the word reaches at most into the entries behind the indices.
    """
    return f"""{start}:
  %{name}.first = and i64 {hashed}, %mask
  br label %{name}.probe
{name}.next:
  %{name}.shifted = lshr i64 %{name}.perturb, 5
  %{name}.fivefold = mul i64 %{name}.i, 5
  %{name}.sum = add i64 %{name}.fivefold, %{name}.shifted
  %{name}.more = add i64 %{name}.sum, 1
  %{name}.again = and i64 %{name}.more, %mask
  br label %{name}.probe
{name}.probe:
  %{name}.i = phi i64 [%{name}.first, %{start}], [%{name}.again, %{name}.next]
  %{name}.perturb = phi i64 [{hashed}, %{start}], [%{name}.shifted, %{name}.next]
  %{name}.offset = shl i64 %{name}.i, %width
  %{name}.indexp = getelementptr i8, ptr %indices, i64 %{name}.offset
  %{name}.word = load i64, ptr %{name}.indexp, align 1
  %{name}.high = shl i64 %{name}.word, %unused
  %{name}.index = ashr i64 %{name}.high, %unused
  %{name}.isentry = icmp sge i64 %{name}.index, 0
  br i1 %{name}.isentry, label %{name}.entry, label %{name}.free
{name}.free:
  %{name}.isempty = icmp eq i64 %{name}.index, -1
  br i1 %{name}.isempty, label %absent, label %{name}.next
{name}.entry:
  %{name}.distance = mul i64 %{name}.index, {entry_size}
  %{name}.at = getelementptr i8, ptr %entries, i64 %{name}.distance
  %{name}.value = getelementptr i8, ptr %{name}.at, i64 {entry_size - WORD}"""


def _unbox(figures: Layout, value: str, name: str, large: str) -> str:
    """The value of an int of at most two digits as %name.number; others lead to the block `large`."""
    if figures.int_tagged:
        size = f"""  %{name}.digits = lshr i64 %{name}.size, 3
  %{name}.bits = and i64 %{name}.size, 3
  %{name}.sign = sub i64 1, %{name}.bits"""
    else:
        size = f"""  %{name}.isnegative = icmp slt i64 %{name}.size, 0
  %{name}.minus = sub i64 0, %{name}.size
  %{name}.digits = select i1 %{name}.isnegative, i64 %{name}.minus, i64 %{name}.size
  %{name}.sign = select i1 %{name}.isnegative, i64 -1, i64 1"""
    return f"""  %{name}.sizep = getelementptr i8, ptr {value}, i64 {figures.int_size}
  %{name}.size = load i64, ptr %{name}.sizep
{size}
  %{name}.fits = icmp ult i64 %{name}.digits, 3
  br i1 %{name}.fits, label %{name}.small, label %{large}
{name}.small:
  %{name}.lowp = getelementptr i8, ptr {value}, i64 {figures.int_digits}
  %{name}.word = load i64, ptr %{name}.lowp
  %{name}.low = and i64 %{name}.word, {(1 << INT_DIGIT_BITS) - 1}
  %{name}.upper = lshr i64 %{name}.word, 32
  %{name}.iswide = icmp eq i64 %{name}.digits, 2
  %{name}.wide = shl i64 %{name}.upper, {INT_DIGIT_BITS}
  %{name}.high = select i1 %{name}.iswide, i64 %{name}.wide, i64 0
  %{name}.isnone = icmp eq i64 %{name}.digits, 0
  %{name}.first = select i1 %{name}.isnone, i64 0, i64 %{name}.low
  %{name}.magnitude = or i64 %{name}.first, %{name}.high
  %{name}.number = mul i64 %{name}.magnitude, %{name}.sign"""
