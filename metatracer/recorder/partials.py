"""Calls of `functools.partial` objects: those of their functions, with more arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.backend.fields import partial_fields
from metatracer.backend.own_dicts import find_item
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const
from metatracer.recorder.frames import Box, const_box
from metatracer.recorder.tuples import guard_tuple_length, tuple_item

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.frames import MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter

_MOST_ARGUMENTS = 16


def parts_of_partial(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    partial: Box,
    arguments: list[Box],
    keywords: tuple[str, ...],
) -> tuple[Box, list[Box], tuple[str, ...]] | None:
    """What is called when a partial is: the function, all arguments, and the names of the last of them; None: not known."""
    from metatracer.recorder.attributes import read_fixed

    target = partial.object
    if len(target.args) > _MOST_ARGUMENTS or type(target.args) is not tuple or type(target.keywords) is not dict:
        return None
    meta.guard_class(partial)
    objects = (target.func, target.args, target.keywords)
    function, given, named = [
        read_fixed(meta, partial, field, obj) for field, obj in zip(partial_fields(), objects, strict=True)
    ]
    meta.guard_class(given)
    meta.guard_class(named)
    kept = _kept_keywords(meta, frame, instruction, named)
    if kept is None:
        return None
    owner, count = meta.ref(given), len(target.args)
    guard_tuple_length(meta, owner, count)
    first = [tuple_item(meta, owner, Const("i", position), item) for position, item in enumerate(target.args)]
    split = len(arguments) - len(keywords)
    kept.update(zip(keywords, arguments[split:], strict=True))
    return function, [*first, *arguments[:split], *kept.values()], tuple(kept)


def _kept_keywords(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, named: Box
) -> dict[str, Box] | None:
    """The keyword arguments of a partial, which may be assigned to; None if they are not in their places in its dict."""
    from metatracer.recorder.attributes import read_fixed
    from metatracer.recorder.dicts import fixed_item

    count = meta.emit(ops.CALL_C_I, meta.ref(named), descr=c.DICT_LEN)
    meta.guard(ops.GUARD_INT_VALUE, count, descr=len(named.object))
    kept = {}
    for name, value in named.object.items():
        if type(name) is not str or find_item(named.object, name) is None:
            return None
        field = fixed_item(meta, frame, instruction, named, const_box(name))
        if field is None:
            return None
        kept[name] = read_fixed(meta, named, field, value)
    return kept
