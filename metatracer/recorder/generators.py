"""Generators that a trace has made and nobody has asked for an item yet: function and arguments, which an exit calls.

The builtins that consume one whole are recorded as one function with it (`consuming`); for everything else it is made.
"""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING

from metatracer.frontend.binding import ArgumentMismatch, bind_arguments
from metatracer.recorder.frames import const_box
from metatracer.recorder.virtuals import VirtualBox, closure_of, held_by

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FunctionType

    from metatracer.recorder.frames import Box
    from metatracer.recorder.metainterp import MetaInterpreter

_MARKS = ("_jit_look_inside_", "_jit_not_in_trace_", "_jit_elidable_", "_jit_loop_invariant_", "_jit_look_inside_iff_")


def is_generator_function(meta: MetaInterpreter, function: FunctionType) -> bool:
    """Whether calling it makes a generator that the trace may consume."""
    marks = function.__dict__
    if marks and not all(marks.get(name) is None for name in _MARKS):
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
    return VirtualBox(made, GeneratorType, [function, const_box(keywords), *arguments])


def is_virtual_generator(box: Box | None) -> bool:
    """Whether this is a generator that has not been made."""
    return isinstance(box, VirtualBox) and box.is_virtual and box.cls is GeneratorType


def is_held_once(meta: MetaInterpreter, box: Box) -> bool:
    """Whether nothing but one place of one frame holds it."""
    found = 0
    for frame in meta.frames:
        found += held_by(frame.registers, box)
        if frame.pending is not None:
            found += held_by(frame.pending.kept, box)
    return found == 1
