"""The functions of the module `operator`, which interpreters keep in tables: what they do is recorded as the operators are.

Of operands whose classes are the author's, they are called.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from metatracer.recorder.calls import intrinsic, set_result
from metatracer.recorder.numeric import builtin_binary, compare_builtin, is_same, unary_number
from metatracer.recorder.truth import negate, truth_raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.frames import Box, MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter

_BINARY = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow, "&": operator.and_, "|": operator.or_, "^": operator.xor,
    "<<": operator.lshift, ">>": operator.rshift, "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul,
}  # fmt: skip
_COMPARE = {
    "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_UNARY = {"-": operator.neg, "+": operator.pos, "~": operator.invert}


def _binary(symbol: str) -> Callable[..., bool]:
    def handle(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
        return len(boxes) == 2 and builtin_binary(meta, frame, instruction, symbol, *boxes)

    return handle


def _compare(symbol: str) -> Callable[..., bool]:
    def handle(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
        result = compare_builtin(meta, symbol, *boxes) if len(boxes) == 2 else None
        return _gives(frame, instruction, result)

    return handle


def _unary(symbol: str) -> Callable[..., bool]:
    def handle(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
        return _gives(frame, instruction, unary_number(meta, symbol, *boxes) if len(boxes) == 1 else None)

    return handle


def _gives(frame: MetaFrame, instruction: Instruction, result: Box | None) -> bool:
    if result is not None:
        set_result(frame, instruction, result)
    return result is not None


for _table, _handler in ((_BINARY, _binary), (_COMPARE, _compare), (_UNARY, _unary)):
    for _symbol, _function in _table.items():
        intrinsic(_function)(_handler(_symbol))


@intrinsic(operator.is_)
def _is(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return _gives(frame, instruction, is_same(meta, *boxes) if len(boxes) == 2 else None)


@intrinsic(operator.is_not)
def _is_not(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return _gives(frame, instruction, negate(meta, is_same(meta, *boxes)) if len(boxes) == 2 else None)


@intrinsic(operator.truth)
def _truth(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    return _gives(frame, instruction, truth_raw(meta, *boxes) if len(boxes) == 1 else None)


@intrinsic(operator.not_)
def _not(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    truth = truth_raw(meta, *boxes) if len(boxes) == 1 else None
    return _gives(frame, instruction, None if truth is None else negate(meta, truth))
