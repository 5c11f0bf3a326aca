"""Which locals may still be read: backward data flow over JitCode, exception edges included."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Instruction, JitCode

JUMPS = frozenset({"jump", "branch", "branch_not", "branch_none", "branch_not_none", "for_iter"})
"""Operations whose `arg` is a target position."""

NO_FALL_THROUGH = frozenset({"jump", "return", "raise", "reraise"})
"""Operations behind which control does not go on."""


def live_locals(jitcode: JitCode) -> dict[int, frozenset[int]]:
    """Byte offset -> numbers of the localsplus that may be read at or after that instruction.

    Always live are cells and free variables (others may share them), and the first argument where a call of `super()`
    without arguments could read it.
    """
    always = _always_live(jitcode)
    instructions = jitcode.instructions
    masks = [_masks(instruction, jitcode.n_locals) for instruction in instructions]
    handler_positions = [_handler_position(jitcode, instruction) for instruction in instructions]
    live = [0] * (len(instructions) + 1)
    changed = True
    while changed:
        changed = False
        for position in range(len(instructions) - 1, -1, -1):
            instruction = instructions[position]
            after = 0 if instruction.op in NO_FALL_THROUGH else live[position + 1]
            if instruction.op in JUMPS:
                after |= live[instruction.arg]
            reads, writes = masks[position]
            before = (after & ~writes) | reads
            handler = handler_positions[position]
            if handler >= 0:
                before |= live[handler]
            if before != live[position]:
                live[position] = before
                changed = True
    sets: dict[int, frozenset[int]] = {}
    found: dict[int, frozenset[int]] = {}
    for index, position in jitcode.positions.items():
        mask = live[position] | always
        if mask not in sets:
            sets[mask] = frozenset(number for number in range(jitcode.n_locals) if mask >> number & 1)
        found[index] = sets[mask]
    return found


def _always_live(jitcode: JitCode) -> int:
    code = jitcode.code
    mask = 0
    shared = set(code.co_cellvars)
    first_free = jitcode.n_locals - len(code.co_freevars)
    for number, name in enumerate(jitcode.local_names):
        if name in shared or number >= first_free:
            mask |= 1 << number
    if jitcode.super_arguments is not None and code.co_flags & inspect.CO_OPTIMIZED:
        mask |= 1 << jitcode.super_arguments[1]
    return mask


def _masks(instruction: Instruction, n_locals: int) -> tuple[int, int]:
    reads = writes = 0
    for register in instruction.src:
        if register < n_locals:
            reads |= 1 << register
    for register in instruction.dst:
        if register < n_locals:
            writes |= 1 << register
    return reads, writes


def _handler_position(jitcode: JitCode, instruction: Instruction) -> int:
    handler = jitcode.handlers.get(instruction.index)
    return -1 if handler is None else jitcode.positions[handler.target]
