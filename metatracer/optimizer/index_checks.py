"""The two checks of an index, against 0 and against a length, as one comparison of unsigned numbers.

::

    b2 = int_le(0, i1)                  b2 = int_le(0, i1)          (only the exit needs it)
    guard_true(b2) -> [i1, b2]          b3 = uint_lt(i1, i0)
    b3 = int_lt(i1, i0)                 guard_true(b3) -> [i1, b2]
    guard_true(b3) -> [b3]

An index below 0 is a large unsigned number, and a length is none: so the one check holds where both did. It leaves where the
first one did, with its outcome, and the interpreter makes the second check anew. So there may be nothing between the two but
reads that any index allows. Guests that look at their indices themselves (``if 0 <= i < len(items)``) have such pairs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from metatracer.ir.opcodes import (
    ARRAY_LEN,
    BYTEARRAY_LEN,
    BYTES_LEN,
    GETFIELD,
    GUARD_FALSE,
    GUARD_TRUE,
    INT_GE,
    INT_GT,
    INT_LE,
    INT_LT,
    JUMP,
    LABEL,
    LIST_LEN,
    MERGE_POINT,
    STR_LEN,
    TUPLE_LEN,
    UINT_LT,
)
from metatracer.ir.values import Const, Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metatracer.ir.opcodes import Opcode
    from metatracer.ir.values import Trace, Value

_LENGTHS = frozenset({ARRAY_LEN, BYTEARRAY_LEN, BYTES_LEN, LIST_LEN, STR_LEN, TUPLE_LEN})
_COMPARISONS = {INT_LT: INT_GE, INT_LE: INT_GT, INT_GT: INT_LE, INT_GE: INT_LT}
"""And what holds where they do not."""
_MAY_BE_BETWEEN = frozenset({*_LENGTHS, *_COMPARISONS, GETFIELD, MERGE_POINT})


def join_index_checks(trace: Trace) -> Trace:
    """The trace with one guard instead of each such pair."""
    lengths = _lengths(trace.operations)
    operations: list[Operation] = []
    first, index = -1, None  # where the check against 0 is whose index may be compared with a length now
    for op in trace.operations:
        checked = _checked(op)
        if checked is None:
            if op.opcode not in _MAY_BE_BETWEEN:
                index = None
        elif checked[0] is INT_LE and _is_zero(checked[1]):
            first, index = len(operations), checked[2]
        elif index is not None and checked[0] is INT_LT and checked[1] is index and checked[2] in lengths:
            before = operations.pop(first)
            unsigned = Operation(UINT_LT, checked[1:])
            operations.append(unsigned)
            op = Operation(GUARD_TRUE, (unsigned,), None, before.snapshot)
            index = None
        else:
            index = None
        operations.append(op)
    return replace(trace, operations=operations)


def _is_zero(value: Value) -> bool:
    return isinstance(value, Const) and bool(value.value == 0)


def _checked(op: Operation) -> tuple[Opcode, Value, Value] | None:
    """What holds behind a guard, as `int_lt` or `int_le`, if it is an order of two integers."""
    condition = op.args[0] if op.opcode is GUARD_TRUE or op.opcode is GUARD_FALSE else None
    if not isinstance(condition, Operation) or condition.opcode not in _COMPARISONS:
        return None
    opcode = condition.opcode if op.opcode is GUARD_TRUE else _COMPARISONS[condition.opcode]
    left, right = condition.args
    if opcode is INT_GT:
        return INT_LT, right, left
    if opcode is INT_GE:
        return INT_LE, right, left
    return opcode, left, right


def _lengths(operations: Sequence[Operation]) -> set[Value]:
    """The values that are lengths, also as parameters of the loop."""
    found: set[Value] = {op for op in operations if op.opcode in _LENGTHS}
    number = next((number for number, op in enumerate(operations) if op.opcode is LABEL), None)
    if number is None or not found:
        return found
    label, last = operations[number], operations[-1]
    if last.opcode is not JUMP or last.descr is not None:
        return found
    pairs = zip(label.params, label.args, last.args, strict=True)
    found.update(param for param, before, after in pairs if before in found and (after is param or after in found))
    return found
