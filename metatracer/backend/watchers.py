"""CPython's watchers (3.12 on), with callbacks in machine code.

CPython calls a watcher in the middle of changing a dict, a class or a function. A callback written in Python could run
other threads, finalizers or signal handlers there, which CPython's dict code does not expect, and would cost about a
microsecond for every assignment to a global of a watched module. So the callbacks here are a few instructions each: they
only set the word `Watchers.dirty_address`, which all code that relies on assumptions polls and which
`runtime.assumptions` answers by checking its assumptions again.

* Types: every change of a watched class sets it.
* Functions: every change of the code or defaults of any function sets it (creation and destruction do not).
* Dicts: a hash table tells which keys of which dicts are relied on, and with which value. A change of another key does
  not set it, provided the key is an interned string, so that identity decides.

`ChangeNotices` is what `runtime.assumptions` knows of all this; on 3.11 `interposers` gives one for classes and functions.
"""

from __future__ import annotations

import atexit
import ctypes
import sys
from typing import Any

from metatracer.backend.layout import layout
from metatracer.backend.once import once
from metatracer.errors import LayoutError

_MASK_64 = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_ENTRY_WORDS = 3
_EMPTY, _DELETED = 0, 1
CHECKING = 2
"""Content of the dirty word while assumptions are checked: not 0, so that code goes on asking; a change makes it 1."""

END_CHECK = """
define void @end_check() nounwind {{
entry:
  %word = load i64, ptr inttoptr (i64 {dirty} to ptr)
  %unchanged = icmp eq i64 %word, {checking}
  br i1 %unchanged, label %clean, label %done
clean:
  store i64 0, ptr inttoptr (i64 {dirty} to ptr)
  br label %done
done:
  ret void
}}
"""

_LLVM = END_CHECK + """
define i32 @on_type(ptr %type) {{
  store i64 1, ptr inttoptr (i64 {dirty} to ptr)
  ret i32 0
}}

define i32 @on_function(i32 %event, ptr %function, ptr %new) {{
entry:
  %is_change = icmp uge i32 %event, 2
  br i1 %is_change, label %dirty, label %done
dirty:
  store i64 1, ptr inttoptr (i64 {dirty} to ptr)
  br label %done
done:
  ret i32 0
}}

define i32 @on_dict(i32 %event, ptr %dict, ptr %key, ptr %new) {{
entry:
  %no_key = icmp eq ptr %key, null
  %is_whole = icmp ugt i32 %event, 2
  %unclear = or i1 %no_key, %is_whole
  br i1 %unclear, label %dirty, label %hash
hash:
  %table = load ptr, ptr inttoptr (i64 {table} to ptr)
  %mask = load i64, ptr %table
  %dict_word = ptrtoint ptr %dict to i64
  %key_word = ptrtoint ptr %key to i64
  %spread = mul i64 %key_word, {golden}
  %mixed = xor i64 %spread, %dict_word
  %high = lshr i64 %mixed, 20
  %first = and i64 %high, %mask
  br label %probe
probe:
  %index = phi i64 [ %first, %hash ], [ %following, %next ]
  %words = mul i64 %index, {entry_bytes}
  %offset = add i64 %words, 8
  %entry_dict = getelementptr i8, ptr %table, i64 %offset
  %found_dict = load i64, ptr %entry_dict
  %is_empty = icmp eq i64 %found_dict, {empty}
  br i1 %is_empty, label %unknown, label %compare
compare:
  %entry_key = getelementptr i8, ptr %entry_dict, i64 8
  %found_key = load i64, ptr %entry_key
  %same_dict = icmp eq i64 %found_dict, %dict_word
  %same_key = icmp eq i64 %found_key, %key_word
  %same = and i1 %same_dict, %same_key
  br i1 %same, label %known, label %next
next:
  %plus_one = add i64 %index, 1
  %following = and i64 %plus_one, %mask
  br label %probe
known:
  %entry_value = getelementptr i8, ptr %entry_dict, i64 16
  %expected = load ptr, ptr %entry_value
  %unchanged = icmp eq ptr %expected, %new
  br i1 %unchanged, label %done, label %dirty
unknown:
  %key_type_place = getelementptr i8, ptr %key, i64 {ob_type}
  %key_type = load ptr, ptr %key_type_place
  %is_string = icmp eq ptr %key_type, inttoptr (i64 {str_type} to ptr)
  br i1 %is_string, label %string, label %dirty
string:
  %state_place = getelementptr i8, ptr %key, i64 {str_state}
  %state = load i32, ptr %state_place
  %interned = and i32 %state, 3
  %is_interned = icmp ne i32 %interned, 0
  br i1 %is_interned, label %done, label %dirty
dirty:
  store i64 1, ptr inttoptr (i64 {dirty} to ptr)
  br label %done
done:
  ret i32 0
}}
"""


def _api(name: str, *arguments: Any) -> Any:
    """A C API function that returns an int and raises when it is negative."""
    return ctypes.PYFUNCTYPE(ctypes.c_int, *arguments)((name, ctypes.pythonapi))


class ChangeNotices:
    """Something that sets a word when what is relied on may have changed. Use `watchers()`.

    All methods must be called with one lock held (the registry's). Watched objects must be kept alive by the caller.

    Attributes:
        sees_dicts: Whether changes of dict items set the word, too.
        dirty_address: Address of an 8-byte word: 0 until something that is relied on may have changed.
        clean_address: Address of an 8-byte word that is always 0, to compare with.
        sweep_address: Of a C function ``void (void)`` that looks for changes that nothing else notices; to be called
            when machine code is entered. 0: there is none.
    """

    sees_dicts = False
    dirty_address: int
    clean_address: int
    sweep_address = 0

    @property
    def is_dirty(self) -> bool:
        """Whether something that is relied on may have changed since `clean`."""
        return bool(ctypes.c_uint64.from_address(self.dirty_address).value)

    def clean(self) -> None:
        """Forget past changes."""
        ctypes.c_uint64.from_address(self.dirty_address).value = 0

    def begin_check(self) -> None:
        """What changed so far is about to be checked. Until `end_check` the word is not 0: other threads must not go on."""
        ctypes.c_uint64.from_address(self.dirty_address).value = CHECKING

    def end_check(self) -> None:
        """All codes have been told: clean, unless something has changed since `begin_check`."""
        self._end_check()

    def _take_end_check(self, address: int) -> None:
        """The machine code of `END_CHECK`; it is called with the GIL held, so that no change comes in between."""
        self._end_check = ctypes.PYFUNCTYPE(None)(address)

    def watch_type(self, cls: type) -> None:
        """Notice changes of `cls` and its bases. It must have a version tag, else CPython does not tell."""

    def unwatch_type(self, cls: type) -> None:
        """Stop noticing changes of `cls`."""

    def watch_dict(self, mapping: dict[Any, Any]) -> None:
        """Notice changes of the items of `mapping` that `expect_item` names."""

    def unwatch_dict(self, mapping: dict[Any, Any]) -> None:
        """Stop noticing changes of `mapping`."""

    def expect_item(self, mapping: dict[Any, Any], key: str, value_address: int) -> None:
        """Rely on an item: its value's address, or 0 when the key is absent. Replaces an earlier expectation."""

    def forget_item(self, mapping: dict[Any, Any], key: str) -> None:
        """Rely on the item no longer."""


class Watchers(ChangeNotices):
    """The process's three watchers and their table of relied-on dict items.

    Raises:
        RuntimeError: CPython has no free watcher (there are eight of each kind).
    """

    sees_dicts = True

    def __init__(self) -> None:
        from metatracer.backend.stored_code import compile_stored

        figures = layout()
        self._state = (ctypes.c_uint64 * 3)()
        self.dirty_address = ctypes.addressof(self._state)
        self.clean_address = self.dirty_address + 16
        self._items: dict[tuple[int, int], int] = {}
        self._used = 0
        self._build_table(64)
        text = _LLVM.format(
            dirty=self.dirty_address,
            checking=CHECKING,
            table=self.dirty_address + 8,
            golden=_GOLDEN - (1 << 64),
            entry_bytes=8 * _ENTRY_WORDS,
            empty=_EMPTY,
            ob_type=figures.ob_type,
            str_type=id(str),
            str_state=figures.str_state,
        )
        self._code = compile_stored(text, ["on_type", "on_function", "on_dict", "end_check"])
        self._take_end_check(self._code.addresses["end_check"])
        # CPython may call the callbacks until it is gone: neither code nor memory may go before.
        for needed in (self, self._code, self._state):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(needed))
        self._registered: list[tuple[Any, int]] = []
        kinds = {}
        for kind, callback in (("Type", "on_type"), ("Function", "on_function"), ("Dict", "on_dict")):
            add = _api(f"Py{kind}_AddWatcher", ctypes.c_void_p)
            clear = _api(f"Py{kind}_ClearWatcher", ctypes.c_int)
            try:
                kinds[kind] = add(self._code.addresses[callback])
            except RuntimeError:
                self.close()
                raise
            self._registered.append((clear, kinds[kind]))
        self._type_id, self._dict_id = kinds["Type"], kinds["Dict"]
        self._watch_type = _api("PyType_Watch", ctypes.c_int, ctypes.py_object)
        self._unwatch_type = _api("PyType_Unwatch", ctypes.c_int, ctypes.py_object)
        self._watch_dict = _api("PyDict_Watch", ctypes.c_int, ctypes.py_object)
        self._unwatch_dict = _api("PyDict_Unwatch", ctypes.c_int, ctypes.py_object)
        atexit.register(self.close)

    def close(self) -> None:
        """Give the watchers back; nothing is noticed any more."""
        while self._registered:
            clear, number = self._registered.pop()
            clear(number)
        self._state[0] = 1

    def clean(self) -> None:
        """Forget past changes."""
        if self._registered:
            super().clean()

    def begin_check(self) -> None:
        """See the base class."""
        if self._registered:
            super().begin_check()

    def watch_type(self, cls: type) -> None:
        """Notice changes of `cls`. It must have a version tag, else CPython does not tell."""
        self._watch_type(self._type_id, cls)

    def unwatch_type(self, cls: type) -> None:
        """Stop noticing changes of `cls`."""
        if self._registered:
            self._unwatch_type(self._type_id, cls)

    def watch_dict(self, mapping: dict[Any, Any]) -> None:
        """Notice changes of the items of `mapping` that `expect_item` names."""
        self._watch_dict(self._dict_id, mapping)

    def unwatch_dict(self, mapping: dict[Any, Any]) -> None:
        """Stop noticing changes of `mapping`."""
        if self._registered:
            self._unwatch_dict(self._dict_id, mapping)

    def expect_item(self, mapping: dict[Any, Any], key: str, value_address: int) -> None:
        """Rely on an item: its value's address, or 0 when the key is absent. Replaces an earlier expectation."""
        place = (id(mapping), id(key))
        is_new = place not in self._items
        self._items[place] = value_address
        if is_new and 2 * (self._used + 1) > self._mask:
            self._build_table(max(64, 4 * len(self._items)))
        else:
            self._insert(place, value_address)

    def forget_item(self, mapping: dict[Any, Any], key: str) -> None:
        """Rely on the item no longer."""
        place = (id(mapping), id(key))
        if self._items.pop(place, None) is not None:
            self._table[self._find(place)] = _DELETED

    def _build_table(self, capacity: int) -> None:
        self._mask = (1 << (capacity - 1).bit_length()) - 1
        self._table = (ctypes.c_uint64 * (1 + _ENTRY_WORDS * (self._mask + 1)))()
        self._table[0] = self._mask
        self._used = 0
        for place, value in self._items.items():
            self._insert(place, value)
        # The callback runs with the GIL held and keeps nothing: the table before may go at once.
        self._state[1] = ctypes.addressof(self._table)

    def _find(self, place: tuple[int, int]) -> int:
        """Index in the table's words of the entry of `place`, or of the empty one where it belongs."""
        mapping, key = place
        index = ((((key * _GOLDEN) & _MASK_64) ^ mapping) >> 20) & self._mask
        while True:
            word = 1 + _ENTRY_WORDS * index
            if self._table[word] == _EMPTY or (self._table[word] == mapping and self._table[word + 1] == key):
                return word
            index = (index + 1) & self._mask

    def _insert(self, place: tuple[int, int], value: int) -> None:
        word = self._find(place)
        self._used += self._table[word] == _EMPTY
        # The dict comes last: until then another thread's callback takes the entry for empty.
        self._table[word + 2] = value
        self._table[word + 1] = place[1]
        self._table[word] = place[0]


@once
def watchers() -> ChangeNotices | None:
    """What notices changes in this process; None where nothing can: then memory must be polled."""
    try:
        if sys.version_info < (3, 12):
            from metatracer.backend.interposers import Interposers

            return Interposers()
        return Watchers()
    except (RuntimeError, LayoutError):
        return None
