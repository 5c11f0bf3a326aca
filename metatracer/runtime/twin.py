"""Resume twins: a function's code with a prologue that jumps into the middle of it.

A twin has the author's instructions, names, lines and exception table. It is called with the place to go on at, the
content of every local and the operand stack, restores them, and jumps. Leaving machine code therefore needs no other
interpreter than CPython.

    twin_for(code).resume(function, index, locals, stack)             continue at byte offset `index`
    twin_for(code).throw(function, index, locals, stack, exception)   `exception` is raised at `index`
    twin_for(code).run(...)                                           either; gives (exception, value), raises nothing

How the prologue works: locals are unpacked from one list, each slot stored or, for NULL_OBJECT, unbound (STORE_FAST of
a NULL does that in every version). The operand stack is pushed by a FOR_ITER loop in which each turn leaves one item
below the iterator. The place is then found by binary search. No version verifies the stack depth of code, so one search
tree serves places of all depths. A throw goes to a stub that adds the traceback entry by hand and uses RERAISE, which
leaves traceback and `__context__` alone; one stub for each exception handler, inside that handler's range.

RESUME has the argument 2 ("after yield from"), for which no version handles signals: a signal handled in the prologue
could raise past the author's `finally`.

The twin of a generator's code (as `fusion.stepping` gives it) is a generator function: what it returns is a generator that
goes on there when it is asked for an item, or in which the exception is raised then.

What it does not do: coroutines; restoring what a debugger has attached to a frame.
"""

from __future__ import annotations

import inspect
import itertools
import opcode
import sys
import threading
import weakref
from bisect import bisect_right
from dataclasses import dataclass, field
from operator import is_
from types import CodeType, FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from metatracer.backend.threadstate import MORE_FRAMES
from metatracer.errors import MetatracerError
from metatracer.ir.values import NULL_OBJECT
from metatracer.recorder.tracebacks import without_toolkit
from metatracer.runtime.assembly import LABEL, Item, Position, Unit, Writer, assemble, take_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_RESUME_AFTER_YIELD_FROM = 2
_FEWEST_LOCALS = 3
"""A twin's arguments arrive in the first local slots: the place, the list of locals, the iterator over the stack."""

_NOT_A_FRAME_OF_ITS_OWN = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


F = TypeVar("F", bound="Callable[..., Any]")


def _without_traceback_entry(function: F) -> F:
    """`function` with its `raise x` changed to RERAISE, which adds no traceback entry and sets no `__context__`."""
    assert isinstance(function, FunctionType)
    unit = take_apart(function.__code__)
    for item in unit.items:
        if item.name == "RAISE_VARARGS":
            item.opcode = opcode.opmap["RERAISE"]
            item.arg = 0
    function.__code__ = assemble(unit)
    return function


@dataclass(slots=True, eq=False)
class Body:
    """What a twin is built over: the code's own unit, or a rewritten one.

    Attributes:
        unit: The instructions; original ones have their offset.
        code: The original code object, whose offsets the twin is asked for.
        places: Original byte offset -> item to go on at. None: every item that has an offset.
        moved: Original byte offset inside a removed statement -> (offset to go on at instead, stack height there).
    """

    unit: Unit
    code: CodeType
    places: dict[int, Item] | None = None
    moved: dict[int, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class _Raise:
    """How an exception is raised at an instruction: stub, stack height of the handler, place and line to report."""

    stub: int
    depth: int
    unit: int
    lineno: int


class Twin:
    """The resume twin of one code object. Immutable but for its caches; may be used by several threads at once.

    Attributes:
        code: The twin's code object.
        places: The byte offsets at which it can resume.
        handling: Of a generator function: byte offsets in handlers -> the stack slot of what was handled before the outermost.
    """

    def __init__(self, body: Body) -> None:
        builder = _Builder(body)
        self.handling = builder.handling
        self.code = builder.code
        self.places = frozenset(builder.places)
        self._moved = body.moved
        self._raises = builder.raises
        self._lasti = builder.lasti
        self._offsets = sorted(builder.raises)
        self._size = len(_localsplus(body.code))
        self._n_free = len(body.code.co_freevars)
        self._bound: dict[int, tuple[weakref.ref[FunctionType], FunctionType]] = {}

    def run(
        self,
        function: FunctionType,
        index: int,
        locals_: Iterable[tuple[int, Any]],
        stack: Sequence[Any],
        exception: BaseException | None = None,
    ) -> tuple[BaseException | None, Any]:
        """Continue a frame of `function`, at an instruction or with an exception raised at it.

        Args:
            function: Whose globals are used, and whose closure for free variables that are not among the locals.
            index: Byte offset in the original code.
            locals_: (number, value) for each bound local; numbers index "localsplus". Cells are given as cells.
            stack: The operand stack, bottom first, NULL_OBJECT for NULL.
            exception: Raised at `index` if not None.

        Returns:
            (None, value) if the function returned; (exception, None) if it raised. The exception's traceback begins
            with the frame of `function`.

        `locals_` and `stack` are let go before the frame continues, so a caller that passes temporaries keeps no
        object alive.
        """
        slots: list[Any] = [NULL_OBJECT] * self._size
        for number, value in locals_:
            slots[number] = value
        value = None
        given: list[Any] = [exception, stack, slots]
        del exception, stack, slots, locals_
        return self.go_on(function, index, given.pop(), given.pop(), given.pop())

    def go_on(
        self,
        function: FunctionType,
        index: int,
        slots: Sequence[Any],
        stack: Sequence[Any],
        exception: BaseException | None,
    ) -> tuple[BaseException | None, Any]:
        """As `run`, with an item of `slots` for each of "localsplus", NULL_OBJECT for those that are not bound."""
        bound = self._with_cells(function, slots) if self._n_free else self.function(function)
        if index in self._moved:
            index, depth = self._moved[index]
            stack = stack[:depth]
        if exception is not None or index in self._lasti:
            index, stack = self._prepared(index, stack, exception)
            exception = None
        elif index not in self.places:
            raise MetatracerError(f"{self.code.co_qualname} cannot be resumed at offset {index}")
        # Slots and iterator are handed over: the twin's frame holds the only references when it continues.
        holder = [iter(stack), slots]
        del slots, stack
        try:
            return None, bound(index, holder.pop(), holder.pop())
        except BaseException as error:  # noqa: BLE001 - handed on as it is, whatever it is
            # This frame stays the caller of those in the traceback: a variable for the traceback would close a cycle.
            error.__traceback__ = without_toolkit(error.__traceback__)
            return error, None

    def _prepared(
        self, index: int, stack: Sequence[Any], exception: BaseException | None
    ) -> tuple[int, Sequence[Any]]:
        """The place and the stack, where that holds places of the original's or something is to be raised."""
        items = list(stack)
        for slot in self._lasti.get(index, ()):
            if slot < len(items) and type(items[slot]) is int:
                items[slot] = self._unit_of(items[slot])
        if exception is not None:
            place = self._raise_at(index)
            items[place.depth :] = (place.unit, place.lineno, exception)
            index = place.stub
        elif index not in self.places:
            raise MetatracerError(f"{self.code.co_qualname} cannot be resumed at offset {index}")
        return index, items

    @_without_traceback_entry
    def resume(
        self, function: FunctionType, index: int, locals_: Iterable[tuple[int, Any]], stack: Sequence[Any]
    ) -> Any:
        """Continue `function` at byte offset `index`; see `run`. Returns and raises what the function does."""
        exception, value = self.run(function, index, locals_, stack)
        if exception is None:
            return value
        try:
            raise exception
        finally:
            del exception  # the traceback refers to this frame

    @_without_traceback_entry
    def throw(
        self,
        function: FunctionType,
        index: int,
        locals_: Iterable[tuple[int, Any]],
        stack: Sequence[Any],
        exception: BaseException,
    ) -> Any:
        """Raise `exception` at byte offset `index` of `function`; see `run`. Returns and raises what the function does.

        `stack` may hold more items than the handler's depth.
        """
        raised, value = self.run(function, index, locals_, stack, exception)
        del exception
        if raised is None:
            return value
        try:
            raise raised
        finally:
            del raised  # the traceback refers to this frame

    def function(self, function: FunctionType) -> FunctionType:
        """The twin as a function with the globals and closure of `function`; the same object while `function` lives."""
        found = self._bound.get(id(function))
        if found is not None and found[0]() is function:
            return found[1]
        twin = FunctionType(self.code, function.__globals__, function.__name__, None, function.__closure__)
        key = id(function)
        bound = self._bound

        def forget(reference: weakref.ref[FunctionType]) -> None:
            if key in bound and bound[key][0] is reference:
                del bound[key]

        bound[key] = (weakref.ref(function, forget), twin)
        return twin

    def _with_cells(self, function: FunctionType, slots: Sequence[Any]) -> FunctionType:
        """The twin with the cells of a frame: those of a function made in a trace are made at each exit anew."""
        closure = function.__closure__ or ()
        cells = slots[self._size - self._n_free :]
        given = tuple([own if cell is NULL_OBJECT else cell for cell, own in zip(cells, closure, strict=True)])
        if all(map(is_, given, closure)):
            return self.function(function)
        return FunctionType(self.code, function.__globals__, function.__name__, None, given)

    def _raise_at(self, index: int) -> _Raise:
        try:
            return self._raises[index]
        except KeyError:
            raise MetatracerError(f"{self.code.co_qualname} has no instruction at offset {index}") from None

    def _unit_of(self, unit: int) -> int:
        """Where the twin has the instruction that the original has at code unit `unit` (or with a prefix before it)."""
        place = bisect_right(self._offsets, 2 * unit) - 1
        return self._raises[self._offsets[max(place, 0)]].unit


_of_generators: weakref.WeakValueDictionary[int, CodeType] = weakref.WeakValueDictionary()
"""Codes of twins that are generator functions, by their id()."""


_codes: weakref.WeakValueDictionary[int, CodeType] = weakref.WeakValueDictionary()
"""Codes of twins by their id()."""


def is_twin(code: CodeType) -> bool:
    """Whether a frame with this code is one that a twin goes on with: its function is the toolkit's, and nobody else's."""
    return id(code) in _codes


def is_twin_of_generator(code: CodeType) -> bool:
    """Whether a generator with this code was made by a twin: at its beginning it restores what it was given."""
    return id(code) in _of_generators


def given_to(generator: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """Locals and operand stack of a generator that a twin has made, as long as it has not been asked for an item."""
    frame = generator.gi_frame
    _, slots, stack = [frame.f_locals[name] for name in frame.f_code.co_varnames[:_FEWEST_LOCALS]]
    return slots, stack.__reduce__()[1][0]


def _add_traceback_entry(exception: BaseException, unit: int, lineno: int) -> None:
    """Called by a twin's frame that is thrown into: the traceback entry that CPython would have added."""
    exception.__traceback__ = TracebackType(exception.__traceback__, sys._getframe(1), 2 * unit, lineno)


def _localsplus(code: CodeType) -> tuple[str, ...]:
    arguments = set(code.co_varnames)
    return (*code.co_varnames, *(name for name in code.co_cellvars if name not in arguments), *code.co_freevars)


class _Builder:
    """Builds the code of one twin."""

    def __init__(self, body: Body) -> None:
        unit = self._unit = body.unit
        original = body.code
        if original.co_flags & _NOT_A_FRAME_OF_ITS_OWN:
            raise MetatracerError(f"{original.co_qualname} is a generator or coroutine and has no twin")
        while len(unit.varnames) < _FEWEST_LOCALS:
            unit.add_local(f".{len(unit.varnames)}")
        self._first_line: Position = (original.co_firstlineno, original.co_firstlineno, 0, 0)
        self._slots = self._slot_numbers(original)
        self._is_generator = any(item.name == "YIELD_VALUE" for item in unit.items)
        places = body.places
        if places is None:
            places = {item.offset: item for item in unit.items if item.offset >= 0 and item.opcode != LABEL}
        self.places = places
        stubs = self._stubs(places)
        items: list[Item] = []
        self._header(items)
        self._restore_locals(items)
        self._restore_stack(items)
        targets = dict(places)
        targets.update(stubs.places)
        self._search(items, targets)
        items.extend(unit.items[:-1])
        for label, entry in stubs.entries:
            items.append(label)
            items.extend(entry)
        items.append(unit.items[-1])
        unit.items = items
        unit.argcount = _FEWEST_LOCALS
        unit.stacksize = max(unit.stacksize + 9, len(self._slots) + 6)
        self.code = assemble(unit)
        if self._is_generator:
            self.code = self.code.replace(co_flags=self.code.co_flags | inspect.CO_GENERATOR)
            _of_generators[id(self.code)] = self.code
        _codes[id(self.code)] = self.code
        lines = self._lines()
        self.raises = {
            offset: _Raise(stub, depth, places[offset].unit, lines[offset])
            for offset, (stub, depth) in stubs.raises.items()
        }
        self.lasti = _lasti_slots(original)
        self.handling = _handling_slots(original) if self._is_generator else {}

    def _slot_numbers(self, original: CodeType) -> list[int]:
        """For each of the original's localsplus the number in the twin, -1 for free variables."""
        added = len(self._unit.varnames) - original.co_nlocals
        names = _localsplus(original)
        first_free = len(names) - len(original.co_freevars)
        numbers = []
        for number in range(len(names)):
            if number >= first_free:
                numbers.append(-1)
            else:
                numbers.append(number if number < original.co_nlocals else number + added)
        return numbers

    def _header(self, items: list[Item]) -> None:
        """Frame set-up. MAKE_CELLs are there, jumped over: CPython looks for them to tell cells from their content."""
        unit = self._unit
        write = Writer(unit, items, self._first_line)
        behind = Item(LABEL)
        cells = []
        for item in unit.items[: unit.prefix_length()]:
            if item.name == "COPY_FREE_VARS":
                write.op(item.name, item.arg)
                item.opcode, item.arg = opcode.opmap["NOP"], 0
            elif item.name == "MAKE_CELL":
                cells.append(item.copy())
            elif item.name == "RESUME":
                item.opcode, item.arg = opcode.opmap["NOP"], 0
        if cells:
            write.jump(behind)
            items.extend(cells)
        write.place(behind)
        if self._is_generator:
            write.op("RETURN_GENERATOR")
            write.op("POP_TOP")
        write.op("RESUME", _RESUME_AFTER_YIELD_FROM)

    def _restore_locals(self, items: list[Item]) -> None:
        """Leaves [place, iterator over the stack] on the stack."""
        write = Writer(self._unit, items, self._first_line)
        write.op("LOAD_FAST", 0)
        write.op("LOAD_FAST", 2)
        write.op("LOAD_FAST", 1)
        for number in range(_FEWEST_LOCALS):
            write.unbind(number)
        write.op("UNPACK_SEQUENCE", len(self._slots))
        for number in self._slots:
            if number < 0:
                write.op("POP_TOP")
                continue
            self._null_if_sentinel(write)
            write.op("STORE_FAST", number)

    def _null_if_sentinel(self, write: Writer) -> None:
        bound = Item(LABEL)
        write.op("COPY", 1)
        write.const(NULL_OBJECT)
        write.op("IS_OP", 0)
        write.jump_if("FALSE", bound)
        write.op("POP_TOP")
        write.op("PUSH_NULL")
        write.place(bound)

    def _restore_stack(self, items: list[Item]) -> None:
        """Leaves the author's stack and above it the place."""
        write = Writer(self._unit, items, self._first_line)
        end = Item(LABEL)
        again = write.label()
        write.op("FOR_ITER", 0, end)
        self._null_if_sentinel(write)
        write.op("SWAP", 3)
        write.op("SWAP", 2)
        write.jump_back(again)
        write.exhausted(end)

    def _search(self, items: list[Item], targets: dict[int, Item]) -> None:
        """Jump to the target whose key is on top of the stack, popping it."""
        write = Writer(self._unit, items, self._first_line)
        keys = sorted(targets)

        def between(first: int, last: int) -> None:
            if last - first == 1:
                write.op("POP_TOP")
                write.jump(targets[keys[first]])
                return
            middle = (first + last) // 2
            above = Item(LABEL)
            write.op("COPY", 1)
            write.const(keys[middle])
            write.less_than()
            write.jump_if("FALSE", above)
            between(first, middle)
            write.place(above)
            between(middle, last)

        between(0, len(keys))

    def _stubs(self, places: dict[int, Item]) -> _Stubs:
        """One stub for each handler, which raises what is on the stack as if inside the handler's range."""
        unit = self._unit
        stubs = _Stubs()
        ranges = unit.range_of()
        numbers: dict[tuple[Item, int, bool] | None, int] = {}
        for offset, item in places.items():
            entry = ranges.get(item)
            key = (entry.target, entry.depth, entry.push_lasti) if entry is not None else None
            number = numbers.get(key)
            if number is None:
                # Below every offset; the stack is [..., place, line, exception].
                number = numbers[key] = -1 - len(numbers)
                code: list[Item] = []
                write = Writer(unit, code, self._first_line)
                write.callee(_add_traceback_entry)
                write.op("COPY", 3)
                write.op("COPY", 6)
                write.op("COPY", 6)
                write.call(3)
                write.op("POP_TOP")
                write.op("RERAISE", 2)
                start, end = Item(LABEL), Item(LABEL)
                code.append(end)
                stubs.places[number] = start
                stubs.entries.append((start, code))
                if entry is not None:
                    unit.ranges.append(type(entry)(start, end, entry.target, entry.depth, entry.push_lasti))
            stubs.raises[offset] = (number, entry.depth if entry is not None else 0)
        return stubs

    def _lines(self) -> dict[int, int]:
        lines: dict[int, int] = {}
        line = self._first_line[0] or 0
        for offset in sorted(self.places):
            line = self.places[offset].position[0] or line
            lines[offset] = line
        return lines


@dataclass(slots=True, eq=False)
class _Stubs:
    """Keys and code of the stubs that raise.

    Attributes:
        places: Key in the search tree -> label of the stub.
        entries: (label, code) of each stub.
        raises: Original byte offset -> (key, stack height of the handler).
    """

    places: dict[int, Item] = field(default_factory=dict)
    entries: list[tuple[Item, list[Item]]] = field(default_factory=list)
    raises: dict[int, tuple[int, int]] = field(default_factory=dict)


def _lasti_slots(code: CodeType) -> dict[int, tuple[int, ...]]:
    """Byte offset -> stack slots that hold the place of a raising instruction (for RERAISE in a handler).

    A handler that is entered with that place finds it at the handler's depth, and keeps it there until it leaves: all
    of its instructions up to the next handler's are covered by an exception table entry that is deeper.
    """
    unit = take_apart(code)
    found: dict[int, tuple[int, ...]] = {}
    for start, slot in {entry.target: entry.depth for entry in unit.ranges if entry.push_lasti}.items():
        for item in _while_deeper(unit, start, slot + 2, slot, raises=False):
            found[item.offset] = tuple(sorted({*found.get(item.offset, ()), slot}))
    return found


def _handling_slots(code: CodeType) -> dict[int, int]:
    """Byte offset in a handler -> the stack slot that holds what was handled before the outermost one was entered."""
    unit = take_apart(code)
    found: dict[int, int] = {}
    following = dict(itertools.pairwise(unit.items))
    for entry in unit.ranges:
        slot = entry.depth + entry.push_lasti
        if entry.target.name == "PUSH_EXC_INFO":
            for inside in _while_deeper(unit, following[entry.target], slot + 2, slot, raises=True):
                found[inside.offset] = min(slot, found.get(inside.offset, slot))
    return found


def _while_deeper(unit: Unit, start: Item, depth: int, slot: int, *, raises: bool) -> Iterator[Item]:
    """The instructions that can be reached from one, where the stack has this depth, while it holds more than `slot` items.

    If it `raises`, also those in handlers that are reached by an exception.
    """
    following = dict(itertools.pairwise(unit.items))
    ranges = unit.range_of() if raises else {}
    pending, seen = [(start, depth)], set()
    while pending:
        item, depth = pending.pop()
        if item in seen or depth <= slot or item.opcode == LABEL:
            continue
        seen.add(item)
        yield item
        entry = ranges.get(item)
        if entry is not None:
            pending.append((entry.target, entry.depth + entry.push_lasti + 1))
        if item.falls_through:
            pending.append((following[item], depth + _effect(item, jumps=False)))
        if item.target is not None:
            pending.append((item.target, depth + _effect(item, jumps=True)))


def _effect(item: Item, *, jumps: bool) -> int:
    argument = item.arg if item.opcode >= opcode.HAVE_ARGUMENT else None
    return opcode.stack_effect(item.opcode, argument, jump=jumps)


_twins: dict[int, tuple[weakref.ref[CodeType], Twin]] = {}
_promised: dict[int, tuple[weakref.ref[CodeType], Callable[[], Twin]]] = {}
_lock = threading.Lock()


def twin_for(code: CodeType | FunctionType) -> Twin:
    """The twin of a code object (of a function: of its present code), built when first asked for.

    For a portal, give its *original* code object: `promise_twin` has put the twin over the rewritten body there.
    """
    if isinstance(code, FunctionType):
        code = code.__code__
    found = _twins.get(id(code))
    if found is not None:
        return found[1]
    with _lock, MORE_FRAMES:
        found = _twins.get(id(code))
        if found is not None:
            return found[1]
        promised = _promised.pop(id(code), None)
        twin = promised[1]() if promised is not None else Twin(Body(take_apart(code), code))
        _twins[id(code)] = (_until_freed(code, _twins), twin)
        return twin


def promise_twin(code: CodeType, build: Callable[[], Twin]) -> None:
    """Let `build` make the twin of `code` when it is first asked for; for code objects that have none yet."""
    _promised[id(code)] = (_until_freed(code, _promised), build)


def replace_twin(code: CodeType, build: Callable[[], Twin]) -> None:
    """Let `build` make another twin of `code`, which is asked for from now on."""
    with _lock:
        _twins.pop(id(code), None)
        promise_twin(code, build)


def _until_freed(code: CodeType, table: dict[int, Any]) -> weakref.ref[CodeType]:
    """A weak reference; the code object's entry in `table` goes when it is freed.

    Code objects are told apart by identity, as equal ones may come from different files, and are not kept alive.
    """
    key = id(code)

    def forget(reference: weakref.ref[CodeType]) -> None:
        if key in table and table[key][0] is reference:
            del table[key]

    return weakref.ref(code, forget)


@_without_traceback_entry
def resume(function: FunctionType, index: int, locals_: Iterable[tuple[int, Any]], stack: Sequence[Any]) -> Any:
    """Continue a frame of `function` (for portals: see `twin_for`) at byte offset `index`; see `Twin.run`."""
    exception, value = twin_for(function.__code__).run(function, index, locals_, stack)
    if exception is None:
        return value
    try:
        raise exception
    finally:
        del exception


@_without_traceback_entry
def throw(
    function: FunctionType,
    index: int,
    locals_: Iterable[tuple[int, Any]],
    stack: Sequence[Any],
    exception: BaseException,
) -> Any:
    """Raise `exception` at byte offset `index` of a frame of `function` (for portals: see `twin_for`)."""
    raised, value = twin_for(function.__code__).run(function, index, locals_, stack, exception)
    del exception
    if raised is None:
        return value
    try:
        raise raised
    finally:
        del raised
