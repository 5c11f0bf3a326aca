"""Generators that wait: where they do, and what they hold.

A trace goes through a generator that it has not made by taking what its frame holds from the generator, and storing there
what the frame holds at the next `yield` (`recorder.kept`). Meanwhile the generator is marked as running, as CPython does, so
nobody else asks it. What a slot of the frame holds is a field like others (`slot_field`), and a store to it may be put off: what
the slot holds until then is good enough for the collector. Where the generator waits, a `Place`, is stored at once.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from metatracer.backend import layout as lay
from metatracer.backend.fields import release_slot
from metatracer.backend.layout import layout, read_byte, read_word, write_word
from metatracer.backend.yields import delegating, yield_places
from metatracer.ir.values import Field

if TYPE_CHECKING:
    from types import CodeType

NOT_BEGUN = -1
OVER = -2


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Place:
    """Where generators of one code, with the same globals, wait.

    Attributes:
        code: The author's, which the generators run.
        namespace: Their globals.
        number: Of the `yield`, in order of the code, or NOT_BEGUN; OVER: it waits nowhere, and holds nothing.
        depth: Of the operand stack there.
        state: The generator's byte.
        address: Of the code unit that its frame has; the code is kept by the place.
    """

    code: CodeType
    namespace: dict[str, Any]
    number: int
    depth: int
    state: int
    address: int

    def is_where(self, generator: Any) -> bool:
        """Whether a generator waits there."""
        figures = layout()
        frame = id(generator) + figures.generator_frame
        return (
            read_byte(id(generator) + figures.generator_state) == self.state & 0xFF
            and read_word(frame + figures.frame_place) == self.address
            and read_word(frame + figures.frame_globals) == id(self.namespace)
        )

    def enter(self, generator: Any) -> None:
        """Mark a generator that waits there as running."""
        ctypes.c_int8.from_address(id(generator) + layout().generator_state).value = 0

    def leave(self, generator: Any) -> None:
        """Let a generator that is marked as running wait there; its slots are in order."""
        figures = layout()
        frame = id(generator) + figures.generator_frame
        write_word(frame + figures.frame_place, self.address)
        ctypes.c_int32.from_address(frame + figures.frame_top).value = self.top
        ctypes.c_int8.from_address(id(generator) + figures.generator_state).value = self.state

    def has_in_use(self, field: Field) -> bool:
        """Whether the slot that a field stands for is one of those that are in use."""
        figures = layout()
        number = (field.position - figures.generator_frame - figures.frame_slots) // lay.WORD
        return 0 <= number < self.top and field == slot_field(self.code, number)

    @property
    def top(self) -> int:
        """How many slots are in use."""
        return slot_count(self.code) + self.depth


def slot_names(code: CodeType) -> tuple[str, ...]:
    """What the slots are of: locals, cells that are no locals, free variables."""
    arguments = set(code.co_varnames)
    return (*code.co_varnames, *(name for name in code.co_cellvars if name not in arguments), *code.co_freevars)


def slot_count(code: CodeType) -> int:
    """How many slots come before the operand stack."""
    return len(slot_names(code))


def place_at(code: CodeType, namespace: dict[str, Any], number: int, depth: int, *, delegates: bool = False) -> Place:
    """The place of a `yield`; `delegates`: it is that of a `yield from`."""
    figures = layout()
    yields, start = yield_places(code)
    if number == NOT_BEGUN:
        state, offset = figures.generator_begins, start
    elif number == OVER:
        state, offset = figures.generator_over, start
    else:
        state, offset = figures.generator_waits, yields[number]
        if delegates and figures.version >= (3, 13):
            state += 1
    address = id(code) + figures.code_units + offset + figures.place_ahead
    return Place(code, namespace, number, depth, state, address)


def namespace_of(generator: Any) -> dict[str, Any]:
    """The globals of a generator that is not over; no frame object is made for that."""
    figures = layout()
    return lay.object_at(read_word(id(generator) + figures.generator_frame + figures.frame_globals))  # type: ignore[return-value]


def is_over(generator: Any) -> bool:
    """Whether a generator has come to its end; no frame object is made for that."""
    figures = layout()
    state = read_byte(id(generator) + figures.generator_state)
    return state - (state >> 7 << 8) >= figures.generator_over


def waits_at(generator: Any) -> int | None:
    """The number of the `yield` where a generator waits, NOT_BEGUN; None: it runs, or is over, or is in a `yield from`."""
    figures = layout()
    state = read_byte(id(generator) + figures.generator_state)
    state -= state >> 7 << 8
    if state not in (figures.generator_begins, figures.generator_waits):
        return None
    yields, start = yield_places(generator.gi_code)
    address = read_word(id(generator) + figures.generator_frame + figures.frame_place)
    offset = address - id(generator.gi_code) - figures.code_units - figures.place_ahead
    if state == figures.generator_begins:
        return NOT_BEGUN if offset == start else None
    return yields.index(offset) if offset in yields else None


def slot_field(code: CodeType, number: int) -> Field:
    """A slot of the generators of a code, as a field; those of other codes are others."""
    figures = layout()
    names = slot_names(code)
    name = names[number] if number < len(names) else f"stack[{number - len(names)}]"
    position = figures.generator_frame + figures.frame_slots + lay.WORD * number
    return Field(GeneratorType, f"{code.co_qualname}:{id(code):x}.{name}", "slot", position)


def cleared_fields(code: CodeType) -> tuple[Field, ...]:
    """What else a generator must not hold when it is over: on 3.11, its function and its code."""
    figures = layout()
    if figures.version >= (3, 12):
        return ()
    places = {"function": figures.frame_function, "code": figures.frame_code}
    return tuple([_frame_field(code, name, offset) for name, offset in places.items()])


def frame_object_field(code: CodeType) -> Field:
    """The frame object of a generator: NULL as long as nobody has looked at the frame."""
    return _frame_field(code, "frame", layout().frame_object)


def _frame_field(code: CodeType, name: str, offset: int) -> Field:
    return Field(GeneratorType, f"{code.co_qualname}:{id(code):x}({name})", "slot", layout().generator_frame + offset)


# --- what a recording does --------------------------------------------------------------------------------------------------


def clear_unused(generator: Any, start: int, end: int) -> None:
    """`generator_clear`: slots that are not in use, and may hold anything, hold nothing."""
    figures = layout()
    base = id(generator) + figures.generator_frame + figures.frame_slots
    for number in range(start, end):
        write_word(base + lay.WORD * number, 0)


# --- what exits do ----------------------------------------------------------------------------------------------------------


def drop_content(generator: Any, top: int) -> None:
    """Let go what the first `top` slots of a generator that is marked as running hold."""
    figures = layout()
    base = figures.generator_frame + figures.frame_slots
    for offset in range(base, base + lay.WORD * top, lay.WORD):
        release_slot(generator, offset)


def end_generator(generator: Any, place: Place) -> None:
    """What CPython does at the end of a generator, whose content has been dropped: the frame goes."""
    start = place_at(place.code, place.namespace, NOT_BEGUN, 0)
    clear_unused(generator, 0, start.top)
    start.leave(generator)
    generator.close()


def take_over(generator: Any, other: Any, place: Place) -> None:
    """Let a generator that is marked as running, and holds nothing, wait where another one does, with what that holds.

    Args:
        generator: Of `place.code`.
        other: With other code, which has the same `yield`s, and among its locals all of `place.code`; it is used up.
        place: Any of the generator's.
    """
    figures = layout()
    code, given = place.code, other.gi_code
    source = id(other) + figures.generator_frame
    number = yield_places(given)[0].index(
        read_word(source + figures.frame_place) - id(given) - figures.code_units - figures.place_ahead
    )
    top = ctypes.c_int32.from_address(source + figures.frame_top).value
    names, given_names = slot_names(code), slot_names(given)
    depth = top - len(given_names)
    pairs = [(slot, given_names.index(name)) for slot, name in enumerate(names)]
    pairs += [(len(names) + slot, len(given_names) + slot) for slot in range(depth)]
    target = id(generator) + figures.generator_frame + figures.frame_slots
    source += figures.frame_slots
    for to, start in pairs:
        write_word(target + lay.WORD * to, read_word(source + lay.WORD * start))
        write_word(source + lay.WORD * start, 0)
    ctypes.c_int8.from_address(id(other) + figures.generator_state).value = figures.generator_over
    place_at(code, place.namespace, number, depth, delegates=delegating(code)[number]).leave(generator)

