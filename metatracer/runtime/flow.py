"""What the counters of a loop's root and its bridges say: which ways its passes took, and what making its code costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.backend.counting import PLENTY
from metatracer.profile.inheriting import inherited
from metatracer.profile.policy import Way
from metatracer.runtime.loops import GUARDS, tree_of

if TYPE_CHECKING:
    from metatracer.ir.opcodes import Opcode
    from metatracer.ir.values import Operation
    from metatracer.recorder.polymorphism import Site
    from metatracer.runtime.loops import GuardState, Loop, Piece

LEAST_ENTRIES = 2000
"""Of a bridge between two looks, that are no surprise."""
WHOLE_COST = 2.0
"""Recording, optimizing and compiling together take so many times what compiling takes."""


def site_of(guard: Operation) -> Site | None:
    """Where the interpreter stands at a guard."""
    snapshot = guard.snapshot
    if snapshot is None or not snapshot.frames:
        return None
    return snapshot.frames[-1].context, snapshot.frames[-1].index


class Flow:
    """The counts of one tree since they were last asked for.

    A guard of a peeled loop stands in the code twice, in front of the label and behind it, with bridges of either: they are the
    same way of the guest's. Ways are told apart by what the guards ask where, then, and named after the first guard of each.
    """

    def __init__(self) -> None:
        self._alike: dict[tuple[tuple[int, ...], Site, Opcode], list[tuple[object, int]]] = {}
        self._seen: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._passes = 0
        self._usual: dict[int, int] = {}
        self._usual_passes = 0

    def start(self, root: Piece) -> None:
        """What was counted before does not count."""
        self._seen, self._alike, self._usual, self._usual_passes = {}, {}, {}, 0
        self.ways(root, 0, deep=True)

    def ways(self, root: Piece, passes: int, *, deep: bool) -> list[Way]:
        """The ways that the passes since the last call took, the root's own first.

        Args:
            root: The root.
            passes: Of its header.
            deep: Tell ways apart by exits of bridges, too, and not only by those of the root.
        """
        counts: dict[tuple[int, ...], int] = {}
        self._last, self._passes = {}, passes

        def walk(piece: Piece, entries: int, exits: tuple[int, ...]) -> None:
            counts.setdefault(exits, 0)
            left = entries
            for number, guard in piece.guards.items():
                taken = 0 if guard.refused else self._since(number, guard)
                if taken == 0:
                    continue
                left -= taken
                way = (*exits, self._first_alike(exits, number, guard))
                if guard.bridge is not None and (deep or not exits):
                    walk(guard.bridge, taken, way)
                else:
                    counts[way] = counts.get(way, 0) + taken
            counts[exits] += max(left, 0)

        walk(root, passes, ())
        self._usual_passes = self._usual_passes // 2 + passes
        for number in self._usual.keys() | self._last.keys():
            self._usual[number] = self._usual.get(number, 0) // 2 + self._last.get(number, 0)
        return [Way(exits, count) for exits, count in counts.items()]

    def _first_alike(self, exits: tuple[int, ...], number: int, guard: GuardState) -> int:
        """The first guard behind these exits that asked for the same at the same place."""
        operation = guard.operation
        site = site_of(operation)
        if site is None:
            return number
        alike = self._alike.setdefault((exits, site, operation.opcode), [])
        for descr, first in alike:
            if descr is operation.descr or descr == operation.descr:
                return first
        alike.append((operation.descr, number))
        return number

    def inherit(self, root: Piece, way: Way) -> dict[tuple[Site, Opcode | None], float]:
        """How often a new root on this way would have left at its guards since the last look.

        Args:
            root: The present root.
            way: Of the new root, one of those last seen.

        Returns:
            By a guard's site and operation; where the new root goes on and the present one leaves, by the site and None.
        """
        found: dict[tuple[Site, Opcode | None], float] = {}
        piece, entries = root, self._passes
        for number in (*way.exits, 0):
            for other, guard in piece.guards.items():
                site, taken = site_of(guard.operation), self._last.get(other, 0)
                if site is not None and other != number:
                    found[site, guard.operation.opcode] = inherited(min(way.count, entries), taken, entries)
                elif site is not None:
                    found[site, None] = entries - taken
            leaving = piece.guards.get(number)
            if leaving is None or leaving.bridge is None:
                break
            piece, entries = leaving.bridge, self._last.get(number, 0)
        return found

    def note_runs(self, root: Piece) -> None:
        """Let the code of a tree be laid out by what was seen in the last looks, each with twice the weight of the one before.

        One alone may have seen a part of what goes on again and again: the short rounds of a loop, say, and not the long ones.
        """
        root.runs = self._usual_passes
        pieces = [root]
        while pieces:
            for number, guard in pieces.pop().guards.items():
                if guard.bridge is not None:
                    guard.bridge.runs = self._usual.get(number, 0)
                    pieces.append(guard.bridge)

    def grant(self, root: Piece, factor: float) -> None:
        """Let each bridge be entered twice as often as is to be expected until the next look: then something has changed.

        Args:
            root: Whose bridges.
            factor: Passes until the next look over those of the last one.
        """
        pieces = [root]
        while pieces:
            for number, guard in pieces.pop().guards.items():
                bridge = guard.bridge
                if bridge is not None and not bridge.is_retired:
                    taken = self._last.get(number, 0)
                    bridge.give_passes(int(min(max(LEAST_ENTRIES, 2 * taken * factor), PLENTY)))
                    pieces.append(bridge)

    def unseen(self, bridge: Piece) -> int:
        """Entries of a bridge since the last look."""
        guard = bridge.parent
        assert guard is not None
        return max(guard.failures + bridge.passes - self._seen.get(guard.operation.guard_id, 0), 0)

    def _since(self, number: int, guard: GuardState) -> int:
        """How often a guard has failed, into its bridge or the interpreter."""
        total = guard.failures
        bridge = guard.bridge
        if bridge is not None and not bridge.code.is_freed:
            total += bridge.passes
        before = self._seen.get(number, 0)
        self._seen[number] = total
        self._last[number] = taken = max(total - before, 0)
        return taken


MOST_INSIDE = 500
"""Pieces of code that are gone through for the loops inside a loop: in a large program each function reaches most others."""


def loops_inside(root: Piece) -> list[Loop]:
    """The loops that are looked at and that a tree goes to, or calls, or that these do."""
    found: list[Loop] = []
    reached = {root.loop}
    pieces = [root]
    for piece in pieces:
        for number in list(piece.code.bridges):
            guard = GUARDS.get(number)
            if guard is not None and guard.bridge is not None:
                pieces.append(guard.bridge)
        for loop in piece.summary[1]:
            if loop not in reached:
                reached.add(loop)
                pieces += [other for other in (loop.piece, *loop.beside) if other is not None]
                if loop.replacement is not None:
                    found.append(loop)
        if len(pieces) > MOST_INSIDE:
            break
    return found


def operations_of_pass(root: Piece) -> int:
    """Operations of one pass on the root's own way."""
    operations, label = root.trace.operations, root.trace.label
    return len(operations) - (operations.index(label) if label is not None else 0)


def cost_of_tree(root: Piece) -> float:
    """Seconds that recording, optimizing and compiling a tree again are expected to take: from what compiling it took.

    Code of other trees that enters the root at its label has to be made again, too.
    """
    compiling = sum([piece.cpu_seconds for piece in (*root.enterers, *tree_of(root))])
    return WHOLE_COST * compiling + (0.0 if root.tree is None else root.tree.seconds)
