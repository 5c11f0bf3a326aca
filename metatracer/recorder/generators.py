"""Generators in parts. One that nobody has asked for an item yet is its function with the arguments, which an exit calls.

The builtins that consume one whole are recorded as one function with it (`consuming`). A `for` loop asks for one item after the
other: each time the generator's frame is entered, and left at the `yield`, where its locals and its operand stack become the
parts. The frame of the loop waits at FOR_ITER. An exit while the generator runs makes a real one that goes on in the middle (its
code's twin is a generator function) and lets FOR_ITER ask that for the item. For everything else a generator is made.
"""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING

from metatracer.backend.fields import is_unmarked
from metatracer.errors import AbortReason
from metatracer.frontend.binding import ArgumentMismatch, bind_arguments
from metatracer.recorder.frames import const_box
from metatracer.recorder.virtuals import GeneratorBox, VirtualBox, closure_of, held_by

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FunctionType

    from metatracer.frontend.jitcode import JitCode
    from metatracer.recorder.frames import Box
    from metatracer.recorder.metainterp import MetaInterpreter

_MARKS = ("_jit_look_inside_", "_jit_not_in_trace_", "_jit_elidable_", "_jit_loop_invariant_", "_jit_look_inside_iff_")


def is_generator_function(meta: MetaInterpreter, function: FunctionType) -> bool:
    """Whether calling it makes a generator that the trace may consume."""
    if not is_unmarked(function) and not all(vars(function).get(name) is None for name in _MARKS):
        return False
    return meta.limits.inlining and meta.host.is_consumable(function.__code__)


def virtual_generator(
    meta: MetaInterpreter, function: Box, arguments: Sequence[Box], keywords: tuple[str, ...]
) -> VirtualBox | None:
    """What calling a generator function gives; None if the call raises, or the function's cells are not known."""
    target = function.object
    is_new = isinstance(function, VirtualBox) and function.is_virtual
    if is_new and closure_of(meta, function) is None:  # type: ignore[arg-type]
        return None
    split = len(arguments) - len(keywords)
    objects = [box.object for box in arguments]
    named = dict(zip(keywords, objects[split:], strict=True))
    try:
        bind_arguments(target, objects[:split], named, meta.host.jitcode_of(target))
        made = target(*objects[:split], **named)
    except (ArgumentMismatch, RecursionError):
        return None
    if not is_new:
        meta.assume(meta.host.function_unchanged(target))
    return GeneratorBox(made, [function, const_box(keywords), *arguments])


def is_virtual_generator(box: Box | None) -> bool:
    """Whether this is a generator that has not been made."""
    return isinstance(box, VirtualBox) and box.is_virtual and box.cls is GeneratorType


def is_held_once(meta: MetaInterpreter, box: Box, index: int) -> bool:
    """Whether nothing but one place of one frame holds it; in the innermost one, locals count that are read from `index` on."""
    found = 0
    for frame in meta.frames:
        pending = frame.pending
        place, throw = (index, -1) if pending is None else (pending.place, pending.instruction.index)
        jitcode, registers = frame.jitcode, frame.registers
        live, _ = jitcode.liveness(place, throw)
        stack = registers[jitcode.n_locals :]
        if pending is not None and pending.instruction.op != "for_iter":
            stack = stack[: jitcode.depths[place] - pending.pushes]  # the callee has taken its arguments
        found += held_by([registers[number] for number in live], box) + held_by(stack, box)
        if pending is not None:
            found += held_by(pending.kept, box)
    return found == 1


def take_from_locals(meta: MetaInterpreter, box: Box) -> None:
    """What is held once is used up, or runs: locals that are not read any more let it go."""
    for frame in meta.frames:
        for number in range(frame.jitcode.n_locals):
            if frame.registers[number] is box:
                frame.registers[number] = None


MOST_NESTED = 4
"""Frames of generators with the same code above each other, as in a pipeline of operators."""


def is_in_tree(meta: MetaInterpreter, jitcode: JitCode) -> bool:
    """Whether a generator is to be asked by CPython, because others like it run.

    More of them above each other than a pipeline has walk a tree. From the next recording on, one of them is looked into.
    """
    count = sum(1 for other in meta.frames if other.jitcode is jitcode)
    if count < MOST_NESTED and not (count and jitcode.notes.get(_WALKS)):
        return False
    if not jitcode.notes.get(_WALKS):
        jitcode.notes[_WALKS] = True
        raise meta.aborted(AbortReason.UNSUPPORTED, f"{jitcode.code.co_qualname} walks a tree")
    return True


_WALKS = "walks a tree"
