"""Code objects taken apart into items, and put together again.

A `Unit` is a code object in pieces: the instructions as `Item`s in order, jumps and exception table entries pointing at
items instead of offsets. Items can be inserted, removed and copied; `assemble` works out EXTENDED_ARG prefixes, jump
distances, the exception table and the line table. Items that come from the original code object keep its byte offset
in `offset`, and its source position, so that tracebacks of the new code show the author's lines.

The `bytecode` library is not used here: it does not say which of its instructions came from which offset, and an
exception table that it has rebuilt may differ in the depths of handlers that nobody can reach; both are what resuming
in the middle of a function depends on.

What it does not do: check stack depths. Stack depth at a place may even depend on the way there (see `twin`).
"""

from __future__ import annotations

import dis
import opcode
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import CodeType

VERSION = sys.version_info[:2]

Position = tuple[int | None, int | None, int | None, int | None]
"""First line, last line, first column, last column, as `CodeType.co_positions` gives them."""

_EXTENDED_ARG = opcode.opmap["EXTENDED_ARG"]
_HAS_LOCAL = frozenset(dis.haslocal)
_HAS_FREE = frozenset(dis.hasfree)
_JUMPS = frozenset(dis.hasjrel)
_BACKWARD = frozenset(number for name, number in opcode.opmap.items() if "JUMP_BACKWARD" in name)
_PAIRS = frozenset(
    opcode.opmap[name]
    for name in ("LOAD_FAST_LOAD_FAST", "STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST")
    if VERSION >= (3, 13) and name in opcode.opmap
)
_NO_FALL_THROUGH = frozenset(
    opcode.opmap[name]
    for name in (
        "RETURN_VALUE",
        "RETURN_CONST",
        "RAISE_VARARGS",
        "RERAISE",
        "JUMP_FORWARD",
        "JUMP_BACKWARD",
        "JUMP_BACKWARD_NO_INTERRUPT",
    )
    if name in opcode.opmap
)


def _cache_counts() -> list[int]:
    """Number of inline cache units behind each opcode."""
    table: Any = opcode._inline_cache_entries  # type: ignore[attr-defined]  # the table `dis` itself uses
    if isinstance(table, dict):
        counts = [0] * 256
        for name, count in table.items():
            if opcode.opmap.get(name, 256) < 256:
                counts[opcode.opmap[name]] = count
        return counts
    return list(table)


_CACHES = _cache_counts()
LABEL = -1
"""The opcode of an item that stands for a place only and makes no code."""


class Item:
    """An instruction, or a place between instructions.

    Attributes:
        opcode: Its number (never a specialised form), or LABEL.
        arg: Its argument, 0 if it has none; worked out by `assemble` for jumps.
        target: Where a jump goes, else None.
        offset: Byte offset in the original code object, of the first EXTENDED_ARG if it has any; -1 for new items.
        position: The author's source position.
        address: Byte offset in the assembled code, once there is one.
        prefixes: Number of EXTENDED_ARG units in the assembled code.
    """

    __slots__ = ("address", "arg", "offset", "opcode", "position", "prefixes", "target")

    def __init__(
        self, number: int, arg: int = 0, target: Item | None = None, offset: int = -1, position: Position | None = None
    ) -> None:
        self.opcode = number
        self.arg = arg
        self.target = target
        self.offset = offset
        self.position: Position = position if position is not None else (None, None, None, None)
        self.address = 0
        self.prefixes = 0

    @property
    def name(self) -> str:
        """The name of the instruction."""
        return "<label>" if self.opcode == LABEL else opcode.opname[self.opcode]

    @property
    def falls_through(self) -> bool:
        """Whether control can go on at the next item."""
        return self.opcode not in _NO_FALL_THROUGH

    @property
    def unit(self) -> int:
        """Place of the instruction itself (behind its prefixes) in the assembled code, in code units."""
        return self.address // 2 + self.prefixes

    def copy(self) -> Item:
        """The same instruction as a new item, with the same target."""
        return Item(self.opcode, self.arg, self.target, -1, self.position)

    def __repr__(self) -> str:
        return f"<{self.name} {self.arg} at {self.offset}>"


@dataclass(slots=True, eq=False)
class Range:
    """An exception table entry: exceptions raised in [start, end) go to `target` at stack height `depth`."""

    start: Item
    end: Item
    target: Item
    depth: int
    push_lasti: bool


@dataclass(slots=True, eq=False)
class Unit:
    """A code object in pieces.

    Attributes:
        code: Where all fields that are not here come from: names, flags, file name, qualified name ...
        items: In order; the last one is always a label (the end).
        ranges: Exception table entries; they do not overlap.
        varnames: As `co_varnames`; `add_local` appends.
        consts: As `co_consts`; `const` appends.
        argcount: Positional parameters, or None to leave the signature alone.
        stacksize: Operand stack slots.
    """

    code: CodeType
    items: list[Item]
    ranges: list[Range]
    varnames: list[str]
    consts: list[Any]
    argcount: int | None
    stacksize: int
    _const_numbers: dict[Any, int]

    def const(self, value: Any) -> int:
        """Number of a constant that is added to the code; the same object gets the same number."""
        key = (int, value) if type(value) is int else id(value)
        number = self._const_numbers.get(key)
        if number is None:
            number = self._const_numbers[key] = len(self.consts)
            self.consts.append(value)
        return number

    def add_local(self, name: str) -> int:
        """Append a local variable behind the author's, which moves cells and free variables up by one.

        Every item of the unit is adjusted; items that are copied or made later must use the new numbers.
        """
        number = len(self.varnames)
        self.varnames.append(name)
        for item in self.items:
            if (item.opcode in _HAS_LOCAL or item.opcode in _HAS_FREE) and item.opcode not in _PAIRS:
                if item.arg >= number:
                    item.arg += 1
            elif item.opcode in _PAIRS and max(item.arg >> 4, item.arg & 15) >= number:
                # CPython makes pairs of plain locals only, never of cells.
                raise AssertionError(f"{item.name} of a cell in {self.code.co_qualname}")
        return number

    def range_of(self) -> dict[Item, Range]:
        """The exception table entry that holds for each item that has one."""
        starts = {entry.start: entry for entry in self.ranges}
        found: dict[Item, Range] = {}
        current: Range | None = None
        for item in self.items:
            if current is not None and item is current.end:
                current = None
            if item in starts:
                current = starts[item]
            if current is not None:
                found[item] = current
        return found

    def prefix_length(self) -> int:
        """Number of items that set up the frame: up to RESUME, inclusive."""
        resume = opcode.opmap["RESUME"]
        for number, item in enumerate(self.items):
            if item.opcode == resume:
                return number + 1
        return 0


def take_apart(code: CodeType) -> Unit:
    """The unit that assembles to the same code."""
    raw = code.co_code
    positions: list[Position] = list(code.co_positions())
    items: list[Item] = []
    at: dict[int, Item] = {}
    jumps: list[tuple[Item, int]] = []
    place = 0
    start = -1
    extended = 0
    size = len(raw)
    while place < size:
        number = raw[place]
        arg = raw[place + 1] | extended
        if start < 0:
            start = place
        place += 2
        if number == _EXTENDED_ARG:
            extended = arg << 8
            continue
        item = Item(number, arg, None, start, positions[place // 2 - 1])
        items.append(item)
        at[start] = item
        place += 2 * _CACHES[number]
        if number in _JUMPS:
            distance = -2 * arg if number in _BACKWARD else 2 * arg
            jumps.append((item, place + distance))
        start = -1
        extended = 0
    end = Item(LABEL, offset=size)
    items.append(end)
    at[size] = end
    for item, goal in jumps:
        item.target = at[goal]
    ranges = [
        Range(at[first], at[last], at[goal], depth, push_lasti)
        for first, last, goal, depth, push_lasti in _read_exception_table(code.co_exceptiontable)
    ]
    return Unit(code, items, ranges, list(code.co_varnames), list(code.co_consts), None, code.co_stacksize, {})


def jump_length(item: Item) -> int:
    """Units from the start of a jump (behind its prefixes) to where its distance counts from."""
    return 1 + _CACHES[item.opcode]


def assemble(unit: Unit) -> CodeType:
    """A new code object. Sets `address` and `prefixes` of every item.

    Ranges and jumps may point at removed items' successors only: every item that is pointed at must be in the list.
    """
    _place(unit.items)
    out = bytearray()
    for item in unit.items:
        if item.opcode == LABEL:
            continue
        arg = item.arg
        for prefix in range(item.prefixes, 0, -1):
            out.append(_EXTENDED_ARG)
            out.append(arg >> (8 * prefix) & 255)
        out.append(item.opcode)
        out.append(arg & 255)
        out.extend(b"\0\0" * _CACHES[item.opcode])
    changes: dict[str, Any] = {
        "co_code": bytes(out),
        "co_consts": tuple(unit.consts),
        "co_varnames": tuple(unit.varnames),
        "co_nlocals": len(unit.varnames),
        "co_stacksize": unit.stacksize,
        "co_linetable": _line_table(unit.items, unit.code.co_firstlineno),
        "co_exceptiontable": _exception_table(unit.ranges),
    }
    if unit.argcount is not None:
        changes["co_argcount"] = unit.argcount
        changes["co_posonlyargcount"] = 0
        changes["co_kwonlyargcount"] = 0
        changes["co_flags"] = unit.code.co_flags & ~0x0C  # no *args, no **kwargs
    return unit.code.replace(**changes)


def _place(items: list[Item]) -> None:
    """Give every item its address and every jump its distance: repeated until no prefix needs to be added."""
    jumps = []
    for item in items:
        if item.target is None:
            item.prefixes = _prefixes(item.arg)
        else:
            item.prefixes = 0
            jumps.append(item)
    while True:
        address = 0
        for item in items:
            item.address = address
            if item.opcode != LABEL:
                address += 2 * (1 + item.prefixes + _CACHES[item.opcode])
        grown = False
        for item in jumps:
            target = item.target
            assert target is not None
            after = item.address + 2 * (1 + item.prefixes + _CACHES[item.opcode])
            distance = target.address - after
            if item.opcode in _BACKWARD:
                distance = -distance
            if distance < 0:
                raise AssertionError(f"{item!r} jumps in the other direction")
            item.arg = distance // 2
            needed = _prefixes(item.arg)
            if needed > item.prefixes:
                item.prefixes = needed
                grown = True
        if not grown:
            return


def _prefixes(arg: int) -> int:
    return 0 if arg < 0x100 else 1 if arg < 0x1_0000 else 2 if arg < 0x100_0000 else 3


# --- exception table: Objects/exception_handling_notes.txt of CPython


def _read_exception_table(table: bytes) -> Iterable[tuple[int, int, int, int, bool]]:
    place = 0

    def varint() -> int:
        nonlocal place
        byte = table[place]
        place += 1
        value = byte & 63
        while byte & 64:
            byte = table[place]
            place += 1
            value = value << 6 | byte & 63
        return value

    while place < len(table):
        start = 2 * varint()
        length = 2 * varint()
        target = 2 * varint()
        depth_and_lasti = varint()
        yield start, start + length, target, depth_and_lasti >> 1, bool(depth_and_lasti & 1)


def _exception_table(ranges: Sequence[Range]) -> bytes:
    out = bytearray()

    def varint(value: int, mark: int) -> None:
        chunks = [value & 63]
        while value > 63:
            value >>= 6
            chunks.append(value & 63 | 64)
        chunks[-1] |= mark
        out.extend(reversed(chunks))

    for entry in sorted(ranges, key=lambda each: each.start.address):
        start, end = entry.start.address // 2, entry.end.address // 2
        if start < end:
            varint(start, 128)
            varint(end - start, 0)
            varint(entry.target.address // 2, 0)
            varint(entry.depth << 1 | entry.push_lasti, 0)
    return bytes(out)


# --- line table: Objects/locations.md of CPython


def _line_table(items: Sequence[Item], firstlineno: int) -> bytes:
    out = bytearray()
    line = firstlineno

    def entry(units: int, position: Position) -> None:
        nonlocal line
        first, last, column, last_column = position
        while units > 0:
            length = min(units, 8) - 1
            units -= 8
            if first is None:
                out.append(0x80 | 15 << 3 | length)
                continue
            delta = first - line
            line = first
            signed = (-delta << 1) | 1 if delta < 0 else delta << 1
            if last is None or column is None or last_column is None:
                out.append(0x80 | 13 << 3 | length)
                _line_varint(out, signed)
            else:
                out.append(0x80 | 14 << 3 | length)
                _line_varint(out, signed)
                _line_varint(out, last - first)
                _line_varint(out, column + 1)
                _line_varint(out, last_column + 1)

    units = 0
    position: Position = (None, None, None, None)
    is_new = False
    for item in items:
        if item.opcode == LABEL:
            continue
        # An original instruction begins an entry of its own, new ones are joined.
        if units and (item.offset >= 0 or is_new is False or item.position != position):
            entry(units, position)
            units = 0
        position = item.position
        is_new = item.offset < 0
        units += 1 + item.prefixes + _CACHES[item.opcode]
    if units:
        entry(units, position)
    return bytes(out)


def _line_varint(out: bytearray, value: int) -> None:
    while value > 63:
        out.append(value & 63 | 64)
        value >>= 6
    out.append(value)


# --- new instructions, the same source for all versions


def _less_than() -> int:
    """COMPARE_OP's argument for `<`, which each version encodes in its own way."""
    raw = compile("a < b", "", "eval").co_code
    number = opcode.opmap["COMPARE_OP"]
    # A bool flag (3.13) is absent here; the comparison of two ints gives a bool anyway.
    return next(raw[place + 1] for place in range(0, len(raw), 2) if raw[place] == number)


_LESS_THAN = _less_than()


class Writer:
    """Appends new items to a list; all have the same source position."""

    def __init__(self, unit: Unit, items: list[Item], position: Position) -> None:
        self._unit = unit
        self._items = items
        self._position = position

    def op(self, name: str, arg: int = 0, target: Item | None = None) -> Item:
        """Append an instruction."""
        item = Item(opcode.opmap[name], arg, target, -1, self._position)
        self._items.append(item)
        return item

    def place(self, label: Item) -> None:
        """Put a label here."""
        self._items.append(label)

    def label(self) -> Item:
        """A label that is put here."""
        label = Item(LABEL)
        self._items.append(label)
        return label

    def const(self, value: Any) -> None:
        """Push a constant: any object."""
        self.op("LOAD_CONST", self._unit.const(value))

    def unbind(self, local: int) -> None:
        """Make a local unbound, whether it is bound or not."""
        self.op("PUSH_NULL")
        self.op("STORE_FAST", local)

    def callee(self, function: Any) -> None:
        """Push a callable for `call`; the arguments come next."""
        if VERSION >= (3, 13):
            self.const(function)
            self.op("PUSH_NULL")
        else:
            self.op("PUSH_NULL")
            self.const(function)

    def call(self, argument_count: int) -> None:
        """Call what `callee` pushed."""
        if VERSION == (3, 11):
            self.op("PRECALL", argument_count)
        self.op("CALL", argument_count)

    def jump_if(self, condition: str, target: Item) -> None:
        """A forward jump that pops what it tests: condition is TRUE, FALSE, NONE or NOT_NONE. TRUE/FALSE need bools."""
        self.op(f"POP_JUMP_FORWARD_IF_{condition}" if VERSION == (3, 11) else f"POP_JUMP_IF_{condition}", 0, target)

    def jump(self, target: Item) -> None:
        """A forward jump."""
        self.op("JUMP_FORWARD", 0, target)

    def jump_back(self, target: Item) -> None:
        """A backward jump at which no signal is handled and no thread switch takes place."""
        self.op("JUMP_BACKWARD_NO_INTERRUPT", 0, target)

    def less_than(self) -> None:
        """Compare two ints."""
        self.op("COMPARE_OP", _LESS_THAN)

    def exhausted(self, label: Item) -> None:
        """Where a FOR_ITER goes when its iterator is exhausted; it has been popped behind this."""
        self.place(label)
        if VERSION >= (3, 12):
            self.op("END_FOR")
        if VERSION >= (3, 13):
            self.op("POP_TOP")
