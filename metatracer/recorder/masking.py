"""Arithmetic of which only the low bits are ever seen: it may wrap, and needs no overflow check.

In ``(a * b + 7) & 0xFFFF`` the product and the sum are used for nothing else: they are on CPython's operand stack until the
mask is applied. The low bits of a sum, difference, product, of the bitwise operators and of a shift to the left depend on
nothing but the low bits of their operands, so the wrapped numbers lead to the same result. (If a trace is left in between, the
interpreter goes on with the wrapped number, and masks that.) The same goes for ``intmask(a * b + 7)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.arithmetic import LONG_MAX, intmask
from metatracer.recorder.frames import Box, MetaFrame, const_box
from metatracer.recorder.unsigned import LARGEST

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.metainterp import MetaInterpreter

MAX_INSTRUCTIONS = 40
"""Behind the operation that are looked at."""
_OF_LOW_BITS = frozenset("+-*&|^")
_INT_OF_INTS = frozenset({*_OF_LOW_BITS, "<<", ">>", "//", "%"})
_SOME_INT = Box(0)
"""An int that will have been computed."""


def feeds_mask(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> int:
    """The constant mask (for `intmask`, LONG_MAX) that all that becomes of an operator's result goes through; 0 if there is none.

    Other operands on the way must be ints, and are guarded to be: a guard behind the operator that fails because an operand is
    no int would let the interpreter go on with a wrapped number and, say, a float.
    """
    instructions = frame.jitcode.instructions
    result = instruction.dst[0]
    loaded: dict[int, Box | None] = {}
    operands: list[Box] = []
    for following in instructions[frame.position : frame.position + MAX_INSTRUCTIONS]:
        op = following.op
        if op == "binary":
            left, right = following.src
            symbol = following.arg.removesuffix("=")
            others = [register for register in (left, right) if register != result]
            boxes = [loaded.get(register, frame.registers[register]) for register in others]
            if not boxes or any(box is None or type(box.object) is not int for box in boxes):
                return 0
            operands += [box for box in boxes if box is not None]
            if len(others) == 2:
                # Another operand on its way. If it raises, nobody sees the wrapped number.
                if symbol not in _INT_OF_INTS:
                    return 0
                loaded[following.dst[0]] = _SOME_INT
                continue
            box = operands[-1]
            if symbol not in _OF_LOW_BITS and not (symbol == "<<" and left == result and box.is_const):
                return 0
            if symbol == "&" and box.is_const and 0 < box.object <= LARGEST:
                return _with_ints(meta, operands, box.object)
            result = following.dst[0]
        elif op == "unary" and following.src[0] == result:
            result = following.dst[0]
        elif op == "call":
            return _with_ints(meta, operands, LONG_MAX) if _is_intmask(frame, following, result) else 0
        elif op in ("load_local", "move", "const", "load_global"):
            if result in following.src:
                return 0
            loaded[following.dst[0]] = _loaded(meta, frame, following)
        else:
            return 0
    return 0


def _loaded(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> Box | None:
    """What an instruction is going to load, if that takes no guard."""
    if instruction.op == "const":
        return const_box(instruction.arg)
    if instruction.op != "load_global":
        return frame.registers[instruction.src[0]]
    namespace, name = frame.function.__globals__, instruction.arg
    if name not in namespace or meta.host.is_mutable_item(namespace, name):
        return None
    return const_box(dict.__getitem__(namespace, name))


def _with_ints(meta: MetaInterpreter, operands: list[Box], mask: int) -> int:
    for box in operands:
        if box is not _SOME_INT:
            meta.guard_class(box)
    return mask


def _is_intmask(frame: MetaFrame, call: Instruction, argument: int) -> bool:
    if len(call.src) != 3 or call.src[2] != argument or call.arg:
        return False
    return any(
        (box := frame.registers[register]) is not None and box.object is intmask and box.is_const
        for register in call.src[:2]
    )
