"""What the counters of a loop's root and its bridges say: which ways its passes took, and what making its code costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.backend.counting import PLENTY
from metatracer.profile.policy import Way
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from metatracer.runtime.loops import GuardState, Piece

_LEAST_OPERATIONS = 200
"""Of fewer operations the mean cost says nothing; then making code is taken to cost so many times what LLVM's part did."""
_COMPILING_SHARE = 3.0


class Flow:
    """The counts of one tree since they were last asked for."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def start(self, root: Piece) -> None:
        """What was counted before does not count."""
        self._seen = {}
        self.ways(root, 0, deep=True)

    def ways(self, root: Piece, passes: int, *, deep: bool) -> list[Way]:
        """The ways that the passes since the last call took, the root's own first.

        Args:
            root: The root.
            passes: Of its header.
            deep: Tell ways apart by exits of bridges, too, and not only by those of the root.
        """
        ways: list[Way] = []

        def walk(piece: Piece, entries: int, exits: tuple[int, ...]) -> None:
            place = len(ways)
            ways.append(Way(exits, 0))
            left = entries
            for number, guard in piece.guards.items():
                taken = 0 if guard.refused else self._since(number, guard)
                if taken == 0:
                    continue
                left -= taken
                if guard.bridge is not None and (deep or not exits):
                    walk(guard.bridge, taken, (*exits, number))
                else:
                    ways.append(Way((*exits, number), taken))
            ways[place] = Way(exits, max(left, 0))

        walk(root, passes, ())
        return ways

    def _since(self, number: int, guard: GuardState) -> int:
        """How often a guard has failed, into its bridge or the interpreter."""
        total = guard.failures
        bridge = guard.bridge
        if bridge is not None and not bridge.code.is_freed:
            total += PLENTY - bridge.code.passes_left
        before = self._seen.get(number, 0)
        self._seen[number] = total
        return max(total - before, 0)


class Costs:
    """What making code costs in this process.

    Loading the libraries is part of what the first root took, and of no other: what was spent before `start` is left out.
    """

    def __init__(self) -> None:
        self._before: tuple[float, int] | None = None

    def start(self) -> None:
        """The first root is there."""
        if self._before is None:
            self._before = _spent()

    def of_tree(self, root: Piece) -> float:
        """Seconds that recording and compiling a tree again are expected to take."""
        operations, compiling = 0, 0.0
        pieces = [root]
        while pieces:
            piece = pieces.pop()
            operations += len(piece.trace.operations)
            compiling += sum(piece.code.seconds.values())
            pieces += [guard.bridge for guard in piece.guards.values() if guard.bridge is not None]
        seconds, count = _spent()
        seconds_before, count_before = self._before or (0.0, 0)
        if count - count_before < _LEAST_OPERATIONS:
            return _COMPILING_SHARE * compiling
        return (seconds - seconds_before) / (count - count_before) * operations


def _spent() -> tuple[float, int]:
    seconds = STATISTICS.recording_seconds + STATISTICS.optimizing_seconds + STATISTICS.compiling_seconds
    return seconds, STATISTICS.optimized_operations


COSTS = Costs()
