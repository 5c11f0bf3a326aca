"""Generators that the trace has not made, or that somebody else holds: a variable, a field, the guest's scheduler.

Where the guest asks one for an item (`next`, `send`, a `for` loop), its frame is entered, at the `yield` where it waits, which a
guard checks. What the frame holds is read from the generator, whose slots are fields, and stored there at the next
`yield`; such stores are put off as others are. Meanwhile the generator is marked as running.

An exit in the middle of an item makes a generator that goes on there, as `generators` says. The frame below waits with one of the
functions here for its `finish`: it asks that generator for the item, and lets the real one take over what it holds then.

Not for generators that an exception leaves, in a recording; nor where a variable lets go in the middle of an item what somebody
may see end: until the `yield` the generator still has it. They are left to CPython.
"""

from __future__ import annotations

from gc import get_referents
from types import CellType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from metatracer.backend.fields import read_field, write_field
from metatracer.backend.generators import (
    NOT_BEGUN,
    OVER,
    Place,
    clear_unused,
    cleared_fields,
    drop_content,
    end_generator,
    frame_object_field,
    is_over,
    namespace_of,
    place_at,
    slot_field,
    take_over,
    waits_at,
)
from metatracer.backend.yields import delegating, yield_places
from metatracer.errors import AbortReason
from metatracer.frontend.decode import jitcode_for
from metatracer.ir import opcodes as ops
from metatracer.ir.values import NULL, NULL_OBJECT
from metatracer.recorder.calls import refusal
from metatracer.recorder.frames import (
    AGAIN,
    NULL_BOX,
    Box,
    MetaFrame,
    Pending,
    const_box,
    is_observed,
    runs_code_at_end,
)
from metatracer.recorder.generators import is_in_tree
from metatracer.recorder.polymorphism import call_context
from metatracer.recorder.virtuals import GeneratorBox

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from metatracer.frontend.jitcode import Instruction, JitCode
    from metatracer.recorder.metainterp import MetaInterpreter

_LEFT = "left to CPython"


class Kept:
    """The generator whose frame runs.

    Attributes:
        box: The generator.
        place: Where it waited.
        slots: What it was found to hold, by the number of the slot; a slot that is not here may hold anything.
    """

    __slots__ = ("box", "place", "slots")

    def __init__(self, box: Box, place: Place) -> None:
        self.box = box
        self.place = place
        self.slots: dict[int, Box | None] = {}


# --- what exits do ----------------------------------------------------------------------------------------------------------


def give_item(made: Any, generator: Any, place: Place) -> Any:
    """A `finish` for `next(generator)` and `generator.send(x)`: `made` goes on in the middle of the item."""
    drop_content(generator, place.top)
    try:
        item = next(made)
    except BaseException:
        end_generator(generator, place)
        raise
    take_over(generator, made, place)
    return item


def give_item_or(made: Any, generator: Any, place: Place, default: Any) -> Any:
    """For `next(generator, default)`."""
    try:
        return give_item(made, generator, place)
    except StopIteration:
        return default


def give_item_to_loop(made: Any, generator: Any, place: Place) -> Any:
    """For a `for` loop: at the end the loop asks the generator once more, which is over then."""
    try:
        return give_item(made, generator, place)
    except StopIteration:
        return AGAIN


FINISHING = (give_item, give_item_or, give_item_to_loop)


def end_kept(generator: Any, place: Place, value: Any) -> None:
    """The end of a generator that waits nowhere any more: what `next` raises."""
    end_quietly(generator, place)
    raise StopIteration if value is None else StopIteration(value)


def end_quietly(generator: Any, place: Place) -> None:
    """As above, where nobody looks at what it returned."""
    drop_content(generator, place.top)
    end_generator(generator, place)


def abandon(generator: Any, place: Place, *_: Any) -> None:
    """An exception from outside came before the item was asked for."""
    end_quietly(generator, place)


# --- entering ---------------------------------------------------------------------------------------------------------------


def ask_kept(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    box: Box,
    finish: Callable[..., Any],
    *others: Box,
    sent: Box | None = None,
) -> bool:
    """Enter the frame of a generator that is asked for an item; False if CPython is to ask it.

    Args:
        meta: The meta-interpreter.
        frame: Whose instruction asks.
        instruction: The one.
        box: The generator.
        finish: One of `FINISHING`.
        others: Its last arguments.
        sent: What is sent; None: nothing.
    """
    generator = box.object
    if type(generator) is not GeneratorType or (isinstance(box, GeneratorBox) and box.is_virtual):
        return False
    number = waits_at(generator)
    if number is None:
        return False
    code, namespace = generator.gi_code, namespace_of(generator)
    stepping = meta.host.stepping(code)
    if stepping is None or (number >= 0 and delegating(code)[number]):
        return False
    if number == NOT_BEGUN and (sent is not None or meta.host.restores(code)):
        return False
    jitcode = jitcode_for(stepping)
    function = _template(stepping, namespace)
    if jitcode.notes.get(_LEFT) or refusal(meta, function):
        return False
    place = _place(jitcode, code, namespace, number)
    index = _index(jitcode, place)
    if is_in_tree(meta, jitcode) or not meta.may_promote(jitcode.instructions[jitcode.positions[index]]):
        return False
    meta.guard_class(box)
    owner = meta.ref(box)
    meta.guard(ops.GUARD_WAITS, owner, descr=place)
    entered = MetaFrame(jitcode, function)
    kept = entered.generator = Kept(box, place)
    live, _ = jitcode.liveness(index)
    for slot in (*live, *range(jitcode.n_locals, jitcode.n_locals + place.depth)):
        kept.slots[slot] = entered.registers[slot] = _slot(meta, box, code, slot, slot >= jitcode.n_locals)
    if number >= 0:
        entered.registers[jitcode.n_locals + place.depth] = const_box(None) if sent is None else sent
    entered.index = index
    entered.position = jitcode.positions[index]
    entered.context = call_context(frame, jitcode, entered.registers)
    if entered.context in meta.polymorphism.called:
        return False
    meta.emit(ops.GENERATOR_ENTER, owner, descr=place)
    place.enter(generator)
    meta.push_frame(entered, _waiting(jitcode, instruction, finish, (box, const_box(place), *others)))
    return True


def is_to_be_kept(frame: MetaFrame, position: int) -> bool:
    """Whether a generator that the loop at a position goes through will be stored in another one, at a `yield` of the loop."""
    instructions = frame.jitcode.instructions
    if not isinstance(frame.generator, Kept) or instructions[position].op != "for_iter":
        return False
    return any(instruction.op == "yield" for instruction in instructions[position : instructions[position].arg])


def _slot(meta: MetaInterpreter, box: Box, code: CodeType, slot: int, on_stack: bool) -> Box | None:
    """What a slot of a generator holds."""
    field = slot_field(code, slot)
    content = read_field(box.object, field)
    value = meta.emit(ops.GETFIELD, meta.ref(box), descr=field)
    if content is NULL_OBJECT:
        meta.guard(ops.GUARD_NULL, value)
        return NULL_BOX if on_stack else None
    meta.guard(ops.GUARD_NONNULL, value)
    return Box(content, value)


def _template(code: CodeType, namespace: dict[str, Any]) -> FunctionType:
    """A function with this code, for snapshots."""
    templates = jitcode_for(code).notes.setdefault("templates", {})
    template = templates.get(id(namespace))
    if template is None:
        cells = tuple([CellType() for _ in code.co_freevars])
        template = templates[id(namespace)] = FunctionType(code, namespace, code.co_name, None, cells)
    return template  # type: ignore[no-any-return]


def _place(jitcode: JitCode, code: CodeType, namespace: dict[str, Any], number: int) -> Place:
    """The place of a `yield`, one for each, while somebody refers to it."""
    places: WeakValueDictionary[Any, Place] = jitcode.notes.setdefault("waits at", WeakValueDictionary())
    key = (id(namespace), number)
    place = places.get(key)
    if place is None or place.code is not code:
        depth = 0 if number < 0 else _yield(jitcode, number).src[0] - jitcode.n_locals
        place = places[key] = place_at(code, namespace, number, depth)
    return place


def _yield(jitcode: JitCode, number: int) -> Instruction:
    return jitcode.instructions[jitcode.positions[yield_places(jitcode.code)[0][number]]]


def _index(jitcode: JitCode, place: Place) -> int:
    """The byte offset where the recorder's code goes on; at the beginning that is behind the making of cells: they are there."""
    if place.number != NOT_BEGUN:
        return _yield(jitcode, place.number).next_index
    position = jitcode.entry
    while jitcode.instructions[position].op == "make_cell":
        position += 1
    return jitcode.instructions[position].index


def _waiting(jitcode: JitCode, instruction: Instruction, finish: Callable[..., Any], kept: tuple[Box, ...]) -> Pending:
    """What the frame below does with an item, or at the end."""
    from metatracer.recorder.exceptions import record_raise

    frame_is_bare = False

    def check(meta: MetaInterpreter, _result: Box) -> None:
        nonlocal frame_is_bare
        box, place = kept[:2]
        field = frame_object_field(place.object.code)
        found = meta.emit(ops.GETFIELD, meta.ref(box), descr=field)
        frame_is_bare = read_field(box.object, field) is NULL_OBJECT
        meta.guard(ops.GUARD_NULL if frame_is_bare else ops.GUARD_NONNULL, found)

    def ended(meta: MetaInterpreter, below: MetaFrame, result: Box) -> None:
        box, place, *others = kept
        returns_none = result.is_const and result.object is None
        is_plain = frame_is_bare and (finish is not give_item or returns_none)
        if is_plain and _end(meta, jitcode, box, place.object):
            if finish is give_item_or:
                below.registers[instruction.dst[0]] = others[0]
            elif finish is give_item_to_loop:
                below.position = instruction.arg
                if instruction.src[0] >= below.jitcode.n_locals:
                    below.registers[instruction.src[0]] = None
            else:
                record_raise(const_box(StopIteration))
            return
        arguments, function = [box, place], const_box(end_quietly)
        if finish is give_item_or:

            def default(_: Box) -> None:
                below.registers[instruction.dst[0]] = others[0]

            meta.residual_call(below, instruction, function, arguments, store=default)
        elif finish is give_item_to_loop:
            below.position = instruction.arg
            target = below.jitcode.instructions[instruction.arg].index

            def leave(_: Box) -> None:
                if instruction.src[0] >= below.jitcode.n_locals:
                    below.registers[instruction.src[0]] = None

            meta.residual_call(
                below,
                instruction,
                function,
                arguments,
                store=leave,
                snapshot=lambda: meta.snapshot_of(below.state_at(target, instruction.index)),
            )
        else:
            meta.residual_call(below, instruction, const_box(end_kept), [*arguments, result])

    return Pending(instruction, ended, finish, kept, True, check, True)


def _end(meta: MetaInterpreter, jitcode: JitCode, box: Box, place: Place) -> bool:
    """Record the end of a generator that has run; False if what it holds may run code when it goes."""
    generator, owner, code = box.object, meta.ref(box), place.code
    fields = [*[slot_field(code, slot) for slot in range(place.top)], *cleared_fields(code)]
    if any(_is_observed(meta, read_field(generator, field)) for field in fields):
        return False
    for field in fields:
        meta.emit(ops.SETFIELD, owner, NULL, descr=field)
        write_field(generator, field, NULL_OBJECT)
    over = _place(jitcode, code, place.namespace, OVER)
    meta.emit(ops.GENERATOR_LEAVE, owner, descr=over)
    over.leave(generator)
    return True


def wait_for_kept(
    frame: MetaFrame, above: MetaFrame, instruction: Instruction, finish: Callable[..., Any], kept: tuple[Box, ...]
) -> None:
    """Let a frame that a bridge begins with wait for the item of a generator that runs."""
    frame.index = instruction.index
    frame.position = frame.jitcode.positions[instruction.next_index]
    frame.pending = _waiting(above.jitcode, instruction, finish, kept)
    above.generator = Kept(kept[0], kept[1].object)


# --- leaving ----------------------------------------------------------------------------------------------------------------


def leave_to_cpython(meta: MetaInterpreter, frame: MetaFrame, why: str) -> Exception:
    """From the next recording on this generator is not looked into."""
    frame.jitcode.notes[_LEFT] = True
    return meta.aborted(AbortReason.UNSUPPORTED, f"{frame.jitcode.code.co_qualname}: {why}")


def yield_item(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, kept: Kept) -> None:
    """Give an item to the frame below, and what the frame holds to the generator."""
    jitcode, code = frame.jitcode, kept.place.code
    number = yield_places(jitcode.code)[0].index(instruction.index)
    if delegating(code)[number]:
        raise leave_to_cpython(meta, frame, "a `yield from`")
    value = frame.box(instruction.src[0])
    place = _place(jitcode, code, kept.place.namespace, number)
    generator, owner = kept.box.object, meta.ref(kept.box)
    changed = _changed(frame, kept, place, instruction.next_index)
    fields = [slot_field(code, slot) for slot in changed]
    if place.depth > kept.place.depth:
        unused = kept.place.top, place.top
        meta.emit(ops.GENERATOR_CLEAR, owner, descr=unused)
        clear_unused(generator, *unused)
    objects = [NULL_OBJECT if held is None else held.object for held in changed.values()]
    for field, obj in zip(fields, objects, strict=True):
        old = read_field(generator, field)
        if old is not obj and (_is_observed(meta, old) or _is_observed(meta, obj)):
            del old, obj
            raise leave_to_cpython(meta, frame, "the end of what a variable held may be observed")
        del old, obj
    contents = [NULL if held is None or held is NULL_BOX else meta.ref(held) for held in changed.values()]
    for field, content, obj in zip(fields, contents, objects, strict=True):
        meta.emit(ops.SETFIELD, owner, content, descr=field)
        write_field(generator, field, obj)
    del objects
    meta.emit(ops.GENERATOR_LEAVE, owner, descr=place)
    place.leave(generator)
    below = meta.frames[-2]
    pending = below.pending
    assert pending is not None
    meta.pop_frame()
    below.pending = None
    below.index = pending.instruction.index
    meta.effect_done = True
    below.registers[pending.instruction.dst[0]] = value


def _is_observed(meta: MetaInterpreter, obj: Any, depth: int = 0) -> bool:
    """Whether somebody may see the end of what a slot holds; of a generator that waits in no `try`, of what that holds."""
    if type(obj) is not GeneratorType or is_over(obj) or not meta.host.is_consumable(obj.gi_code):
        return is_observed(obj) or runs_code_at_end(obj)
    return depth > _DEEPEST or any(_is_observed(meta, part, depth + 1) for part in get_referents(obj))


_DEEPEST = 8
"""Of generators that hold each other."""


def _changed(frame: MetaFrame, kept: Kept, place: Place, index: int) -> dict[int, Box | None]:
    """The slots that do not hold what they are to hold when the generator waits, with that."""
    jitcode, registers = frame.jitcode, frame.registers
    live, _ = jitcode.liveness(index)
    changed: dict[int, Box | None] = {}
    for slot in range(jitcode.n_locals):
        now = registers[slot]
        if slot in kept.slots:
            if now is not kept.slots[slot]:
                changed[slot] = now
        elif now is not None or slot in live:
            changed[slot] = now
    top = jitcode.n_locals
    for slot in range(top, top + max(place.depth, kept.place.depth)):
        now = registers[slot] if slot < top + place.depth else None
        if slot not in kept.slots or now is not kept.slots[slot]:
            changed[slot] = now
    return changed
