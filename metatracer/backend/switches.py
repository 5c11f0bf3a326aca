"""Guards on one value with several constants, in a tree: a switch to their branches.

A promoted value that has had other constants gives a chain: the guard's bridge begins with a guard on the same value, that
guard's bridge does, and so on. As one function this would be a chain of comparisons, with the checks between them that each
bridge begins with. Where the first guard of a long chain fails, a switch goes to the branch for the value it met, if that branch
is attached; any other value, and one whose branch has been detached, takes the chain.

The branches in between are passed by. That is right because nothing happens in them before their guard: it stands in the same
instruction of the same frames, so that no assumption can have been used, and what a branch gets is what the first guard had.

Cases are 64-bit numbers: integers, addresses of objects (`guard_value`) and of classes (`guard_type`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const, Operation, Value

if TYPE_CHECKING:
    from metatracer.backend.emit import Branch
    from metatracer.ir.opcodes import Opcode

LEAST_CASES = 18
"""Of fewer a chain is as good: its branches are predicted one by one. An interpreter with a promoted opcode took, in ns an opcode
as a chain and with a switch: with 16 opcodes in a sequence of 4096 that repeats 19 and 27, in random order 33 and 29; with 24
25 and 22, 38 and 28; with 64 62 and 30, 83 and 31. Classes and objects make a tree of comparisons: with 24 25 and 16, 38 and
38; with 64 62 and 45, 83 and 57."""
_GUARDS = frozenset({ops.GUARD_INT_VALUE, ops.GUARD_VALUE, ops.GUARD_TYPE})


class Case(NamedTuple):
    """One way that a switch goes.

    Attributes:
        number: What the value is then.
        parent, guard: The branch and its guard that `branch` hangs on.
        branch: Where to go.
        times: How often that value came.
    """

    number: int
    parent: Branch
    guard: Operation
    branch: Branch
    times: int


def cases(root: Branch, guard: Operation) -> list[Case]:
    """The cases behind the first branch of a guard that starts a chain; none if there are too few."""
    found: list[Case] = []
    opcode = guard.opcode
    if (
        opcode not in _GUARDS or guard in root.plan.nullable
    ):  # in the branches it is not known to be no NULL, but it is none
        return found
    seen = {number_of(guard)}
    parent, value = root, guard.args[0]
    while True:
        branch = parent.branches.get(guard)
        if branch is None:
            break
        exit_plan = parent.plan.exits[guard]
        first = _first_guard(branch, opcode)
        if first is None or value not in exit_plan.live or not _in_same_place(guard, first):
            break
        argument: Value = branch.trace.inputs[exit_plan.live.index(value)]
        if first.args[0] is not argument or number_of(first) in seen:
            break
        seen.add(number_of(first))
        if parent is not root:
            following = branch.branches.get(first)
            count = branch.count - (0 if following is None else following.count)
            found.append(Case(number_of(first), parent, guard, branch, max(count, 1)))
        exits = branch.plan.exits[first]
        if exits.retain or exits.release:
            break
        parent, guard, value = branch, first, argument
    return found if len(found) >= LEAST_CASES else []


def number_of(guard: Operation) -> int:
    """The constant of a guard as a case."""
    return int(guard.descr) if guard.opcode is ops.GUARD_INT_VALUE else id(guard.descr)


def _first_guard(branch: Branch, opcode: Opcode) -> Operation | None:
    """The guard of this row that a branch begins with, behind nothing but the check of its assumptions."""
    for step in branch.plan.steps:
        if not isinstance(step, Operation):
            return None
        if step.opcode is opcode:
            return None if isinstance(step.args[0], Const) else step
        if step.opcode is not ops.GUARD_NOT_INVALIDATED and step.opcode is not ops.MERGE_POINT:
            return None
    return None


def _in_same_place(left: Operation, right: Operation) -> bool:
    """Whether two guards go on in the same instructions of the same frames."""
    if left.snapshot is None or right.snapshot is None:
        return False
    places = [[(frame.jitcode, frame.index) for frame in guard.snapshot.frames] for guard in (left, right)]  # type: ignore[union-attr]
    return places[0] == places[1]
