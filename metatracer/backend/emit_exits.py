"""LLVM text of guard exits: cold code that is more than half of a trace, made short by what exits have in common.

Guards whose exits do the same with the same values share one. The values go into the exit buffer, value n into its word n. The
live values of a function's exits make a tree (a trie). Stores run from an exit's last value to its first, and where ways meet
there is one piece of code for the rest (an *ending*). Which slot is left through, and which values have to be retained, waits
in two words meanwhile. All ways end in one block, which jumps through the slot: LLVM's quick instruction selector cannot do
such calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from metatracer.backend.operands import KEEPS_REGISTERS, pointer

if TYPE_CHECKING:
    from metatracer.backend.counting import Passes
    from metatracer.backend.emit import Emitter

MOST_DROPPED = 5
"""References that one call of `support`'s `drop1` ... gives up."""
_LAST_PLACE = 62
"""In the exit buffer, that has a bit in a word of places."""


class ExitCode(NamedTuple):
    """What an exit does.

    Attributes:
        passes: Of the header, to be taken from their word (see `counting`).
        retains: Operands to take a reference to, and whether they may be NULL.
        releases: Operands, with their types, whose references are given up.
        live: Operands, with their types, handed over.
    """

    passes: Passes
    retains: tuple[tuple[str, bool], ...]
    releases: tuple[str, ...]
    live: tuple[str, ...]

    def places(self) -> int:
        """What is retained once it is in the exit buffer, as bits for the words there.

        0 if it has to be before: when something is given up nothing is in the buffer, because finalizers may need that.
        """
        bits = 0
        if not self.releases:
            for operand, _ in self.retains:
                place = self.live.index(f"ptr {operand}")
                while bits & 1 << place:  # a value that is handed over twice
                    place = self.live.index(f"ptr {operand}", place + 1)
                if place > _LAST_PLACE:
                    return 0
                bits |= 1 << place
        return bits


@dataclass(frozen=True, slots=True)
class SecondLook:
    """What a guard that does not hold at once does before it leaves, and a value that it has then, or had at once.

    Attributes:
        label, lines: Of a cold block, up to its last instruction; it may be more than one.
        last: The label of the last one.
        holds: The operand that says whether the guard holds all the same.
        result, type: Name and LLVM type of the value.
        early, late: The value's operands.
    """

    label: str
    lines: list[str]
    last: str
    holds: str
    result: str
    type: str
    early: str
    late: str

    def merged(self, before: str) -> str:
        """The instruction that gives the value; the guard held at once in the block `before`."""
        return f"{self.result} = phi {self.type} [{self.early}, %{before}], [{self.late}, %{self.last}]"


class _Ending:
    """The stores of some first live values, up to `operand`: what several exits end with.

    Attributes:
        rest: The ending for all values before that one; None: there is no value.
        longer: By the next value, endings that have one more.
        exits: How many exits hand over just these values.
        label: Of its block, if it has one of its own.
    """

    __slots__ = ("exits", "label", "longer", "operand", "place", "rest")

    def __init__(self, operand: str, rest: _Ending | None) -> None:
        self.operand = operand
        self.rest = rest
        self.place: int = -1 if rest is None else rest.place + 1
        self.longer: dict[str, _Ending] = {}
        self.exits = 0
        self.label = ""

    def with_more(self, operands: tuple[str, ...]) -> _Ending:
        """The ending for these values, too."""
        found = self
        for operand in operands:
            following = found.longer.get(operand)
            if following is None:
                following = found.longer[operand] = _Ending(operand, found)
            found = following
        return found

    @property
    def is_shared(self) -> bool:
        """Whether ways meet here."""
        return self.exits + len(self.longer) > 1


class Exits:
    """The exits of the function in hand."""

    def __init__(self) -> None:
        self._guards: dict[ExitCode, list[tuple[str, str]]] = {}
        self._steps: dict[ExitCode, int] = {}

    def add(self, code: ExitCode, label: str, slot: str, step: int = 0) -> None:
        """The block `label` leaves through a slot, doing this; `step`: whose it is, for annotations."""
        self._guards.setdefault(code, []).append((label, slot))
        self._steps.setdefault(code, step)

    def emit(self, e: Emitter) -> None:
        """Append them to the function's cold code."""
        if not self._guards:
            return
        main, e.lines = e.lines, e.cold
        leaving = e.addresses.leaving
        nothing = _Ending("", None)
        waiting: list[_Ending] = []
        ends = {code: nothing.with_more(code.live) for code in self._guards}
        for ending in ends.values():
            ending.exits += 1
        places_of = {code: code.places() for code in self._guards}
        retains = any(places_of.values())
        for code, guards in self._guards.items():
            if e.marks is not None:
                e.marks.go_to(self._steps[code], main, e.cold)
            slot = _join(e, guards)
            e.counter.settle(e, code.passes)
            places = places_of[code]
            for operand, nullable in () if places else code.retains:
                e.retain(operand, nullable=nullable)
            for start in range(0, len(code.releases), MOST_DROPPED):
                some = code.releases[start : start + MOST_DROPPED]
                e.line(f"call {KEEPS_REGISTERS} void {e.function(f'drop{len(some)}')}({', '.join(some)})")
            e.line(f"store ptr {slot}, ptr {pointer(leaving)}")
            if retains:
                e.line(f"store i64 {places}, ptr {pointer(leaving + 8)}")
            _go_out(e, ends[code], waiting)
        if e.marks is not None:
            e.marks.go_to(0, main, e.cold)
        while waiting:
            ending = waiting.pop()
            e.block(ending.label)
            _store(e, ending, waiting)
        e.block("leave")
        if retains:
            buffer = e.load("ptr", pointer(e.addresses.buffer_pointer))
            e.call("void", "retain", f"ptr {buffer}, i64 {e.load('i64', pointer(leaving + 8))}")
        slot = e.load("ptr", pointer(leaving))
        target = e.value(f"load volatile ptr, ptr {slot}")
        e.tail_call(target, e.load("ptr", slot, 8), ())
        self._guards.clear()
        self._steps.clear()
        e.lines = main


def _join(e: Emitter, guards: list[tuple[str, str]]) -> str:
    """Open the block of the exits of these labels and slots; gives the operand for the slot of the guard that failed."""
    if len(guards) == 1:
        ((label, slot),) = guards
        e.block(label)
        return slot
    common = e.new_label("e")
    for label, _ in guards:
        e.block(label)
        # Keeps the block from being folded: the slot's address would be put into a register before the guard.
        e.line('call void asm sideeffect "", ""()')
        e.line(f"br label %{common}")
    e.block(common)
    return e.value("phi ptr " + ", ".join(f"[{slot}, %{label}]" for label, slot in guards))


def _go_out(e: Emitter, ending: _Ending, waiting: list[_Ending]) -> None:
    """Go to the block of an ending that is shared, or do here what it does; what has no block yet is `waiting` for it then."""
    if ending.rest is None or not ending.is_shared:
        _store(e, ending, waiting)
        return
    if not ending.label:
        ending.label = e.new_label("y")
        waiting.append(ending)
    e.line(f"br label %{ending.label}")


def _store(e: Emitter, ending: _Ending, waiting: list[_Ending]) -> None:
    """Store the values of an ending as far as they are its own, and go on."""
    base = "" if ending.rest is None else e.load("ptr", pointer(e.addresses.buffer_pointer))
    while ending.rest is not None:
        e.store_operand(ending.operand, e.field(base, 8 * ending.place))
        ending = ending.rest
        if ending.is_shared and ending.rest is not None:
            _go_out(e, ending, waiting)
            return
    e.line("br label %leave")
