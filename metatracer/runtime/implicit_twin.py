"""The twin of a helper whose loops have traces of their own: it counts at their headers, and asks for machine code.

What is put in front of a header, nothing else being changed (`rewrite` explains ticks):

    header:      FOR_ITER over the ticker, which gives None, or its marker
    (marker)     token = header.tick(marker, the stack...); None: go on
    (token)      return header.request(token, [the reds, the stack])

A frame that is resumed at a header goes on behind the tick, so it gets round once before it asks for the same loop again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.frontend.code_reader import local_names
from metatracer.ir.values import NULL_OBJECT
from metatracer.runtime.assembly import LABEL, VERSION, Item, Range, Unit, Writer, take_apart
from metatracer.runtime.twin import Body, Twin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

    from metatracer.runtime.implicit import Header

TOKEN = ".token"  # noqa: S105 - a local variable
SLOT = ".slot"
"""Hidden locals: the token, and with a number a slot of the operand stack, on the way out. Unbound everywhere else."""


def build_implicit_twin(code: CodeType, headers: Sequence[Header]) -> Twin:
    """The twin of a helper with these headers."""
    unit = take_apart(code)
    n_own = len(unit.varnames)
    token = unit.add_local(TOKEN)
    slots = [unit.add_local(f"{SLOT}{depth}") for depth in range(max(header.depth for header in headers))]
    exits = _Exits(unit, n_own, token, slots)
    for header in headers:
        exits.add(header)
    end = unit.items.pop()
    unit.items += [*exits.items, end]
    unit.stacksize = max([unit.stacksize, *[len(header.red_numbers) for header in headers]]) + len(slots) + 7
    return Twin(Body(unit, code))


class _Exits:
    """Puts ticks at headers; where they lead to is in `items`."""

    def __init__(self, unit: Unit, n_own: int, token: int, slots: list[int]) -> None:
        self.unit = unit
        self.items: list[Item] = []
        self._n_own = n_own
        self._n_bound = len(local_names(unit.code)) - len(unit.code.co_freevars)
        self._token = token
        self._slots = slots
        self._ranges = unit.range_of()

    def add(self, header: Header) -> None:
        """Put a tick at a header."""
        unit = self.unit
        start = next(item for item in unit.items if item.offset == header.index)
        place = unit.items.index(start)
        entry = self._ranges.get(start)
        first = start.copy()
        first.offset, start.offset = start.offset, -1
        start.opcode, start.arg, start.target = LABEL, 0, None
        position = start.position
        done, has_marker, has_token, never = Item(LABEL), Item(LABEL), Item(LABEL), Item(LABEL)
        code: list[Item] = []
        write = Writer(unit, code, position)
        write.const(header.ticker.iterator)
        write.op("FOR_ITER", 0, never)
        write.jump_if("NOT_NONE", has_marker)
        write.op("POP_TOP")
        unit.items[place + 1 : place + 1] = [*code, done, first]

        write = Writer(unit, self.items, position)
        write.place(has_marker)
        write.op("POP_TOP")
        write.callee(header.tick)
        write.const(header.ticker.marker)
        for _ in range(header.depth):
            write.op("COPY", 3 + header.depth)
        write.call(1 + header.depth)
        write.op("COPY", 1)
        write.jump_if("NOT_NONE", has_token)
        write.op("POP_TOP")
        write.jump_back(done)
        write.exhausted(never)
        write.jump_back(done)
        if entry is not None:
            unit.ranges.append(Range(has_marker, has_token, entry.target, entry.depth, entry.push_lasti))
        write.place(has_token)
        self._leave(write, header)

    def _leave(self, write: Writer, header: Header) -> None:
        """Pack the reds and the stack, clear the frame, return the request. Outside of every exception range."""
        handlers: list[Item] = []
        write.op("STORE_FAST", self._token)
        for depth in reversed(range(header.depth)):
            write.op("STORE_FAST", self._slots[depth])
        write.callee(header.request)
        write.op("LOAD_FAST", self._token)
        for count, number in enumerate(header.red_numbers):
            if number in header.maybe_unbound:
                self._load_or_null(write, handlers, self._number(number), 3 + count)
            else:
                write.op("LOAD_FAST", self._number(number))
        for depth in range(header.depth):
            write.op("LOAD_FAST", self._slots[depth])
        write.op("BUILD_LIST", len(header.red_numbers) + header.depth)
        for number in (*[self._number(number) for number in range(self._n_bound)], self._token, *self._slots):
            write.unbind(number)
        write.call(2)
        write.op("RETURN_VALUE")
        self.items += handlers

    def _number(self, original: int) -> int:
        """Number of an original local, cell or free variable."""
        return original if original < self._n_own else original + 1 + len(self._slots)

    def _load_or_null(self, write: Writer, handlers: list[Item], number: int, depth: int) -> None:
        """Push a local, or NULL_OBJECT if it is unbound."""
        start = write.label()
        write.op("LOAD_FAST" if VERSION == (3, 11) else "LOAD_FAST_CHECK", number)
        end = write.label()
        handler = Writer(self.unit, handlers, (None, None, None, None))
        target = handler.label()
        handler.op("POP_TOP")
        handler.const(NULL_OBJECT)
        handler.jump_back(end)
        self.unit.ranges.append(Range(start, end, target, depth, push_lasti=False))
