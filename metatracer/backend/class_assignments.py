"""Noticing assignments to ``__class__``: a function put before CPython's own, on all versions.

CPython has no watcher for objects that change their class. All of Python's ways to do it (``obj.__class__ = cls``, `setattr`,
``object.__setattr__``, the descriptor itself; modules and classes, too) end in the C setter of ``object.__dict__["__class__"]``,
which is reached through a pointer in writable memory. It is replaced by machine code that calls the original and, when the
object's class is another one afterwards, counts that for the object and for the class that it had, if somebody counts them
(`Counter`). If somebody relies on the count, the dirty word is set (see `watchers`).

C code that stores into ``ob_type`` itself is not noticed.

As with `interposers`, CPython keeps the pointer until the process ends, so nothing that the machine code needs is ever freed.
"""

from __future__ import annotations

import ctypes
import threading

from metatracer.backend.interposers import MASK_64, SPREAD, check_memory, setter_place
from metatracer.backend.layout import WORD, layout, read_word, write_word
from metatracer.backend.once import once
from metatracer.backend.watchers import watchers
from metatracer.errors import LayoutError

_EMPTY, _DELETED = 0, 1

_LLVM = """
define internal void @count(i64 %word) nounwind {{
entry:
  %table = load ptr, ptr inttoptr (i64 {table} to ptr)
  %mask = load i64, ptr %table
  %mixed = mul i64 %word, {spread}
  %high = lshr i64 %mixed, 32
  br label %probe
probe:
  %index = phi i64 [ %high, %entry ], [ %next, %other ]
  %at = and i64 %index, %mask
  %next = add i64 %at, 1
  %pair = shl i64 %at, 1
  %first = add i64 %pair, 1
  %place = getelementptr i64, ptr %table, i64 %first
  %found = load i64, ptr %place
  %empty = icmp eq i64 %found, {empty}
  br i1 %empty, label %done, label %compare
compare:
  %same = icmp eq i64 %found, %word
  br i1 %same, label %known, label %other
other:
  br label %probe
known:
  %counter_place = getelementptr i64, ptr %place, i64 1
  %counter = load ptr, ptr %counter_place
  %before = load i64, ptr %counter
  %after = add i64 %before, 1
  store i64 %after, ptr %counter
  %users_place = getelementptr i64, ptr %counter, i64 1
  %users = load i64, ptr %users_place
  %unused = icmp eq i64 %users, 0
  br i1 %unused, label %done, label %dirty
dirty:
  store i64 1, ptr inttoptr (i64 {dirty} to ptr)
  br label %done
done:
  ret void
}}

define i32 @set_class(ptr %object, ptr %value, ptr %closure) nounwind {{
entry:
  %type_place = getelementptr i8, ptr %object, i64 {ob_type}
  %old = load ptr, ptr %type_place
  ; Kept alive until the change has been counted: its death may run code.
  call void inttoptr (i64 {incref} to ptr)(ptr %old)
  %result = call i32 inttoptr (i64 {original} to ptr)(ptr %object, ptr %value, ptr %closure)
  %new = load ptr, ptr %type_place
  %same = icmp eq ptr %old, %new
  br i1 %same, label %done, label %changed
changed:
  %object_word = ptrtoint ptr %object to i64
  call void @count(i64 %object_word)
  %old_word = ptrtoint ptr %old to i64
  call void @count(i64 %old_word)
  br label %done
done:
  call void inttoptr (i64 {decref} to ptr)(ptr %old)
  ret i32 %result
}}
"""


def _words(count: int) -> ctypes.Array[ctypes.c_uint64]:
    return (ctypes.c_uint64 * count)()


class Counter:
    """How often the class of the instances of a class (or of one object) has changed since somebody began to count.

    Attributes:
        memory: The count, and whether somebody wants the dirty word to be set.
        lasts: It counts as long as the process lives.
    """

    __slots__ = ("lasts", "memory")

    def __init__(self) -> None:
        self.memory = (ctypes.c_uint64 * 2)()
        self.lasts = False

    @property
    def address(self) -> int:
        """Where the count is."""
        return ctypes.addressof(self.memory)

    @property
    def count(self) -> int:
        """Changes so far."""
        return self.memory[0]


class ClassAssignments:
    """The function put before CPython's own, and its table of counters. Use `class_assignments()`.

    Raises:
        LayoutError: The pointer is not where it is expected; nothing has been replaced then.
    """

    def __init__(self) -> None:
        from metatracer.backend import llvm
        from metatracer.backend.stored_code import compile_stored

        self._state = (ctypes.c_uint64 * 2)()
        self._lock = threading.RLock()
        self._counters: dict[int, Counter] = {}
        self._table = _words(1)
        self._build(64)
        noticing = watchers()
        place = setter_place(object, "__class__")
        check_memory([place])
        address = ctypes.addressof(self._state)
        api = ctypes.pythonapi
        text = _LLVM.format(
            table=address,
            dirty=address + WORD if noticing is None else noticing.dirty_address,
            spread=SPREAD,
            empty=_EMPTY,
            ob_type=layout().ob_type,
            original=read_word(place),
            incref=ctypes.cast(api.Py_IncRef, ctypes.c_void_p).value,
            decref=ctypes.cast(api.Py_DecRef, ctypes.c_void_p).value,
        )
        self._code = compile_stored(text, ["set_class"], level=1)
        for needed in (self, self._code, self._state, *llvm.owners(self._code)):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(needed))
        write_word(place, self._code.addresses["set_class"])

    def counter(self, cls: type) -> Counter:
        """The counter of the instances of a class, the same for everybody.

        It is never given up: an address that is used again only means a count that has begun earlier.
        """
        with self._lock:
            found = self._counter_at(id(cls))
            found.lasts = True
            return found

    def watch(self, obj: object) -> None:
        """Set the dirty word when an object, or an instance of a class, changes its class. The caller keeps it alive."""
        with self._lock:
            self._counter_at(id(obj)).memory[1] = 1

    def unwatch(self, obj: object) -> None:
        """The opposite of `watch`."""
        with self._lock:
            counter = self._counter_at(id(obj))
            counter.memory[1] = 0
            if not counter.lasts:
                self._table[self._find(id(obj))] = _DELETED
                del self._counters[id(obj)]

    def _counter_at(self, word: int) -> Counter:
        found = self._counters.get(word)
        if found is None:
            found = self._counters[word] = Counter()
            if 2 * (self._used + 1) > self._table[0]:
                self._build(4 * len(self._counters))
            else:
                self._insert(word, found)
        return found

    def _find(self, word: int) -> int:
        """Index in the table's words of the entry with this key, or of the empty one where it belongs."""
        mask = self._table[0]
        index = ((word * (SPREAD & MASK_64)) & MASK_64) >> 32
        while True:
            place = 1 + 2 * (index & mask)
            if self._table[place] in (_EMPTY, word):
                return place
            index += 1

    def _insert(self, word: int, counter: Counter) -> None:
        place = self._find(word)
        self._used += 1
        # The key comes last: until then another thread's assignment takes the entry for empty.
        self._table[place + 1] = counter.address
        self._table[place] = word

    def _build(self, capacity: int) -> None:
        """A table of at least `capacity` entries behind its mask, with all counters."""
        mask = (1 << max(6, (capacity - 1).bit_length())) - 1
        previous = self._table
        self._table, self._used = _words(3 + 2 * mask), 0
        self._table[0] = mask
        for word, counter in self._counters.items():
            self._insert(word, counter)
        self._state[0] = ctypes.addressof(self._table)
        del previous  # only now: no thread can be in it before


@once
def class_assignments() -> ClassAssignments | None:
    """What counts assignments to ``__class__`` in this process; None where that is not possible."""
    try:
        return ClassAssignments()
    except LayoutError:
        return None
