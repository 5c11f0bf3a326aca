"""How LLVM's text spells what traces are made of, and how values are passed."""

from __future__ import annotations

LLVM_TYPES = {"i": "i64", "f": "double", "r": "ptr", "b": "i1"}
"""LLVM's spelling of the kinds of values."""
KEEPS_REGISTERS = "preserve_allcc"
"""Calling convention of what cold code calls. With C's, the values that an exit hands over behind the call could not be in
registers there, and LLVM (22) keeps them in memory where the loop uses them, too: the sum in a dot product's loop was
stored and loaded in each iteration, which took three times as long."""
_INTEGER_REGISTERS = 5
"""Registers for integers and pointers in the convention tailcc, less the one for the descriptor."""
_FLOAT_REGISTERS = 8


def register_positions(kinds: str) -> frozenset[int]:
    """Which of the values of these kinds are passed in registers; the others go through the exit buffer (`emit`)."""
    integers = floats = 0
    positions = []
    for position, kind in enumerate(kinds):
        if kind == "f":
            floats += 1
            if floats <= _FLOAT_REGISTERS:
                positions.append(position)
        else:
            integers += 1
            if integers <= _INTEGER_REGISTERS:
                positions.append(position)
    return frozenset(positions)


def pointer(address: int) -> str:
    """An address as an operand of type ptr."""
    return f"inttoptr (i64 {address} to ptr)" if address else "null"
