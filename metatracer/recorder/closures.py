"""Functions that one `def` makes again and again, of which each has cells of its own: what is traced into is their code.

The guest's closures are such functions where the interpreter is made of Python functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.backend.fields import function_fields, is_unmarked, read_field
from metatracer.ir import opcodes as ops
from metatracer.ir.values import NULL_OBJECT, Const
from metatracer.recorder.metainterp import known_place
from metatracer.recorder.tuples import tuple_item

if TYPE_CHECKING:
    from metatracer.recorder.frames import Box
    from metatracer.recorder.metainterp import MetaInterpreter


def closure_by_code(meta: MetaInterpreter, function: Box) -> tuple[Box, ...] | None:
    """The cells of a function that is one of many made by the same `def`, when the trace has made sure of the rest of it.

    The first one that comes by is a constant, and what it holds with it. So is the code of those that come after it.
    """
    from metatracer.recorder.attributes import read_fixed

    target = function.object
    if target.__kwdefaults__ is not None or not is_unmarked(target) or function.ref is None:
        return None
    if meta.host.portal_of(target) is not None or not meta.has_met_copy(target, known_place(function.ref)):
        return None
    fields = function_fields()
    if read_field(target, fields["__dict__"]) is not NULL_OBJECT:
        return None
    meta.guard_class(function)
    for name in ("__dict__", "__kwdefaults__"):
        meta.guard(ops.GUARD_NULL, meta.emit(ops.GETFIELD, function.ref, descr=fields[name]))
    if target.__defaults__ is None:
        meta.guard(ops.GUARD_NULL, meta.emit(ops.GETFIELD, function.ref, descr=fields["__defaults__"]))
    else:
        meta.promote(read_fixed(meta, function, fields["__defaults__"], target.__defaults__))
    meta.promote(read_fixed(meta, function, fields["__code__"], target.__code__))
    meta.promote(read_fixed(meta, function, fields["__globals__"], target.__globals__))
    if target.__closure__ is None:
        return ()  # by its code
    closure = read_fixed(meta, function, fields["__closure__"], target.__closure__)
    meta.guard_class(closure)
    owner = meta.ref(closure)
    return tuple([
        tuple_item(meta, owner, Const("i", position), cell) for position, cell in enumerate(target.__closure__)
    ])
