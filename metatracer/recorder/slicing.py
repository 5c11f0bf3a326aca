"""Slices that are taken only to read a number: ``int.from_bytes(memory[at : at + 4], "little")``.

Neither the slice nor what it gives has to be made: between it and the call that reads the number nothing happens.
"""

from __future__ import annotations

from types import BuiltinFunctionType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.frames import MetaFrame

_SIZES = frozenset({1, 2, 4, 8})


def is_number_sliced(frame: MetaFrame, instruction: Instruction) -> bool:
    """Whether a slice within the bounds of a buffer is given to `int.from_bytes` at once."""
    following = iter(frame.jitcode.instructions[frame.position : frame.position + 3])
    taken, call = next(following, None), next(following, None)
    if taken is None or taken.op != "getitem" or taken.src[1] != instruction.dst[0] or len(instruction.src) != 2:
        return False
    if call is not None and call.op == "const":
        call = next(following, None)
    if call is None or call.op != "call" or call.arg or call.src[2:3] != taken.dst:
        return False
    callee = [box.object for register in call.src[:2] if (box := frame.registers[register]) is not None]
    if not any(type(obj) is BuiltinFunctionType and obj == int.from_bytes for obj in callee):
        return False
    container = frame.box(taken.src[0]).object
    start, stop = (frame.box(register).object for register in instruction.src)
    if type(container) not in (bytes, bytearray) or type(start) is not int or type(stop) is not int:
        return False
    return 0 <= start <= stop <= len(container) and stop - start in _SIZES
