"""Arithmetic of which only the low bits are ever seen: it may wrap, and needs no overflow check.

In ``(a * b + 7) & 0xFFFF`` the product and the sum are used for nothing else: they are on CPython's operand stack until the
mask is applied. The low bits of a sum, difference, product, of the bitwise operators and of a shift to the left depend on
nothing but the low bits of their operands, so the wrapped numbers lead to the same result. (If a trace is left in between, the
interpreter goes on with the wrapped number, and masks that.) The same goes for ``intmask(a * b + 7)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.arithmetic import LONG_MAX, intmask
from metatracer.ir.opcodes import fits_i64
from metatracer.recorder.frames import Box, MetaFrame, const_box

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.metainterp import MetaInterpreter

MAX_INSTRUCTIONS = 16
"""Behind the operation that are looked at."""
_OF_LOW_BITS = frozenset("+-*&|^")


def feeds_mask(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> bool:
    """Whether all that ever becomes of an operator's result is masked by a constant, or goes into `intmask`.

    Other operands on the way must be ints whose class and value need no guard any more: a guard that fails because an operand is
    no int would let the interpreter go on with a wrapped number and, say, a float.
    """
    instructions = frame.jitcode.instructions
    result = instruction.dst[0]
    loaded: dict[int, Box | None] = {}
    for following in instructions[frame.position : frame.position + MAX_INSTRUCTIONS]:
        op = following.op
        if op == "binary":
            left, right = following.src
            if result not in (left, right):
                return False
            other = right if left == result else left
            box = loaded.get(other, frame.registers[other])
            symbol = following.arg.removesuffix("=")
            if box is None or not _is_number(box):
                return False
            if symbol not in _OF_LOW_BITS and not (symbol == "<<" and left == result and box.is_const):
                return False
            if symbol == "&" and box.is_const and 0 <= box.object <= LONG_MAX:
                return True
            result = following.dst[0]
        elif op == "call":
            return _is_intmask(frame, following, result)
        elif op in ("load_local", "move", "const", "load_global"):
            if result in following.src:
                return False
            loaded[following.dst[0]] = _loaded(meta, frame, following)
        else:
            return False
    return False


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


def _is_number(box: Box) -> bool:
    """An int of 64 bits, and the trace knows."""
    return type(box.object) is int and fits_i64(box.object) and (box.is_const or box.raw is not None)


def _is_intmask(frame: MetaFrame, call: Instruction, argument: int) -> bool:
    if len(call.src) != 3 or call.src[2] != argument or call.arg:
        return False
    return any(
        (box := frame.registers[register]) is not None and box.object is intmask and box.is_const
        for register in call.src[:2]
    )
