"""`for` loops over generators that the trace has made: the generator's frame is entered for each item (see `generators`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.frontend.decode import jitcode_for
from metatracer.recorder.calls import generator_frame, refusal
from metatracer.recorder.frames import NULL_BOX, Box, MetaFrame, Pending, const_box, live_numbers
from metatracer.recorder.generators import is_held_once, is_in_tree, take_from_locals
from metatracer.recorder.kept import Kept, is_to_be_kept, yield_item
from metatracer.recorder.metainterp import MetaInterpreter, handles
from metatracer.recorder.polymorphism import call_context
from metatracer.recorder.virtuals import GeneratorBox, Suspended

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction


def begin_generator(meta: MetaInterpreter, frame: MetaFrame, box: GeneratorBox, index: int) -> None:
    """A loop is going to ask a generator for items, at `index`: it has a frame from now on.

    Not where a tree is walked: the inner ones are asked by CPython.
    """
    where = box.parts[0].object
    if type(where) is Suspended or not is_held_once(meta, box, index):
        return
    if is_to_be_kept(frame, frame.jitcode.positions[index]):
        return
    code = meta.host.stepping(where.__code__)
    if code is None or is_in_tree(meta, jitcode_for(code)):
        return
    begun = generator_frame(meta, frame, box, code)
    if begun is None:
        return
    for part in box.parts:
        if isinstance(part, GeneratorBox) and part.is_virtual:
            begin_generator(meta, frame, part, index)
    registers = begun.registers[: begun.jitcode.n_locals]
    numbers = tuple([number for number, held in enumerate(registers) if held is not None])
    box.set_parts([_where(meta, begun, begun.index, numbers), *[begun.box(number) for number in numbers]])


def enter_generator(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: GeneratorBox) -> bool:
    """Enter the frame of a generator that FOR_ITER asks for an item; False if the generator is to be made."""
    if not is_held_once(meta, box, instruction.index):
        return False
    where = box.parts[0].object
    if type(where) is not Suspended or is_in_tree(meta, where.jitcode):
        return False
    if refusal(meta, where.function):
        return False
    entered = _suspended_frame(meta, box)
    entered.context = call_context(frame, entered.jitcode, entered.registers)
    if entered.context in meta.polymorphism.called:
        return False
    take_from_locals(meta, box)
    wait_for(frame, instruction, box, entered)
    meta.push_frame(entered, waiting(instruction))
    return True


def waiting(instruction: Instruction) -> Pending:
    """What a `for` loop does at the end of the generator that it has asked for an item."""

    def ended(_meta: MetaInterpreter, below: MetaFrame, _result: Box) -> None:
        if instruction.src[0] >= below.jitcode.n_locals:
            below.registers[instruction.src[0]] = None
        below.position = instruction.arg

    return Pending(instruction, ended, again=True)


def wait_for(frame: MetaFrame, instruction: Instruction, box: GeneratorBox, entered: MetaFrame) -> None:
    """Let a loop's frame hold a generator that runs."""
    frame.registers[instruction.src[0]] = box
    entered.generator = box
    box.set_parts([])


def _suspended_frame(meta: MetaInterpreter, box: GeneratorBox) -> MetaFrame:
    """The frame of a generator that waits at a `yield`."""
    where = box.parts[0].object
    jitcode, numbers = where.jitcode, where.numbers
    entered = MetaFrame(jitcode, where.function, None, meta.host.headers_of(where.function))
    split = 1 + len(numbers)
    for number, part in zip(numbers, box.parts[1:split], strict=True):
        entered.registers[number] = part
    for register, part in enumerate(box.parts[split:], jitcode.n_locals):
        entered.registers[register] = part
    entered.index = where.index
    entered.position = jitcode.positions[where.index]
    return entered


@handles("yield")
def yield_(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Give the loop its item, and keep what the frame holds."""
    value = frame.box(instruction.src[0])
    box = frame.generator
    if isinstance(box, Kept):
        yield_item(meta, frame, instruction, box)
        return
    below = meta.frames[-2]
    pending = below.pending
    assert pending is not None
    assert isinstance(box, GeneratorBox)
    jitcode, registers = frame.jitcode, frame.registers
    live = live_numbers(jitcode, registers, instruction.next_index)
    numbers = tuple([number for number in live if registers[number] is not None])
    stack = registers[jitcode.n_locals : instruction.src[0]]
    parts = [_where(meta, frame, instruction.next_index, numbers), *[frame.box(number) for number in numbers]]
    parts += [NULL_BOX if held is None else held for held in stack]
    parts.append(const_box(None))
    del registers, stack
    meta.pop_frame()
    below.pending = None
    below.index = pending.instruction.index
    meta.effect_done = True
    below.registers[pending.instruction.dst[0]] = value
    box.set_parts(parts)


def _where(meta: MetaInterpreter, frame: MetaFrame, index: int, numbers: tuple[int, ...]) -> Box:
    """The first part of a generator that waits; one for each place, so that snapshots name it alike."""
    places = frame.jitcode.notes.setdefault("suspended", {})
    key = (index, numbers, id(frame.function))
    place = places.get(key)
    if place is None:
        where = Suspended(meta.host, frame.jitcode, frame.function, index, numbers)
        place = places[key] = const_box(where)
    return place  # type: ignore[no-any-return]
