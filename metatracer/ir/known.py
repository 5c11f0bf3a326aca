"""What a trace has found out before one of its guards: a bridge that begins there need not ask again."""

from __future__ import annotations

from types import CellType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metatracer.ir.values import Operation, Trace, Value

_MADE: dict[str, type] = {
    "int_box": int,
    "uint_box": int,
    "float_box": float,
    "bool_box": bool,
    "new_list": list,
    "new_tuple": tuple,
    "new_cell": CellType,
    "str_chr": str,
}


def known_classes(trace: Trace, guard: Operation) -> dict[Value, type]:
    """The exact classes of values at a guard of an optimized trace, as far as they stay what they are."""
    found: dict[Value, type] = {}
    label = trace.label
    for value in (*trace.inputs, *(() if label is None else label.params)):
        if value.known_type is not None:
            found[value] = value.known_type
    for op in trace.operations:
        if op is guard:
            break
        name = op.opcode.name
        if name == "guard_type":
            found[op.args[0]] = op.descr
        elif name in ("new", "new_named_tuple"):
            found[op] = op.descr
        elif name in _MADE:
            found[op] = _MADE[name]
    classes = trace.classes
    if classes is None:
        return found
    return {value: cls for value, cls in found.items() if classes.is_settled(cls)}
