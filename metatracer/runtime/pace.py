"""Whether it is worth entering code that is soon left again.

Until a tree has bridges for the ways that the guest goes, each entry of its root may end at an exit after a pass or two, and an
exit costs as much as several passes in the interpreter. As long as the guest gets on faster there, the loop *rests*: its code is
not entered for a number of visits, so many that they take twice as long as what the exits before have lost. So there are exits,
which are counted, until there are bridges, and they cost the guest a third of its time; less if many rests bring no bridge. (With
longer rests more of the first second is the guest's, and the bridges come later.)

How fast the guest gets on is measured: in machine code by counting passes (`CompiledCode.runs`) as long as they are counted, and
then by what a pass has taken; in the interpreter by timing the rests, of which the first ones are short, for that purpose.

Nothing rests where bridges are made after plain counts, nor do loops whose passes have never been counted (`tiers.first_heat`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.runtime import hotness

if TYPE_CHECKING:
    from metatracer.runtime.loops import Loop, Piece

_WINDOW = 64
"""Exits after which is decided."""
_TRIAL = 16
"""Visits of the rests that only measure. They are so many:"""
_TRIALS = 4
_LEAST_LOST = 0.2
"""Of the time of a window: with less in vain the loop does not rest."""
_LEAST = 2.0
"""Times as long as what was lost is a rest."""
_MOST = 32.0
_PATIENCE = 16
"""Rests in a row, without a new bridge, after which they become twice as long."""
_LONGEST = 1 << 15
"""Visits."""
_ENTERING = 1e-6
"""Seconds of the machine code's time that are spent on the way in and out."""
_SHORTEST_PASS = 2e-8
"""Seconds."""


class Pace:
    """How a loop gets on.

    Attributes:
        exits: Until the next decision.
        machine: Seconds in its code since the last one. outside: From its exits to the next machine code.
        in_vain: Decisions in a row to rest, since there was a new bridge.
    """

    __slots__ = (
        "_by_pass", "_by_visit", "_resting_since", "_root", "_runs", "_trials", "_visits",
        "exits", "in_vain", "machine", "outside",
    )  # fmt: skip

    def __init__(self) -> None:
        self.exits = _WINDOW
        self.machine = self.outside = 0.0
        self.in_vain = 0
        self._by_pass = 0.0
        self._by_visit = 0.0
        self._trials = _TRIALS
        self._root: Piece | None = None
        self._runs = 0
        self._resting_since = 0.0
        self._visits = 0

    def left(self, loop: Loop) -> None:
        """The loop's code, or a bridge's, was left at a guard."""
        self.exits -= 1
        if self.exits > 0:
            return
        seconds, passes = self.machine + self.outside, self._passes(loop)
        self.machine = self.outside = 0.0
        self.exits = _WINDOW
        if not passes or loop.rests:
            return
        if self._trials or not self._by_visit:
            self._trials = max(self._trials - 1, 0)
            self._rest(loop, _TRIAL)
            return
        lost = seconds - (passes + _WINDOW / 2) * self._by_visit
        if lost < _LEAST_LOST * seconds:
            self.in_vain = 0
            return
        self.in_vain += 1
        factor = min(_LEAST * 2.0 ** (self.in_vain // _PATIENCE), _MOST)
        self._rest(loop, max(1, min(int(factor * lost / self._by_visit), _LONGEST)))

    def rested(self) -> None:
        """The rest is over."""
        seconds = (hotness.interpreter_time() - self._resting_since) / self._visits
        self._by_visit = min(seconds, 1.1 * self._by_visit) if self._by_visit else seconds

    def _rest(self, loop: Loop, visits: int) -> None:
        loop.rests = self._visits = visits
        self._resting_since = hotness.interpreter_time()

    def _passes(self, loop: Loop) -> float:
        """How many there were since this was asked last, 0 if that is not known."""
        root, before, runs_before = loop.piece, self._root, self._runs
        runs = root.code.runs if root is not None else 0
        self._root, self._runs = root, runs
        seconds = max(self.machine - _WINDOW * _ENTERING, 0.0)
        if root is before and runs > runs_before:
            passes = runs - runs_before + _WINDOW
            by_pass = max(seconds / passes, _SHORTEST_PASS)
            self._by_pass = min(by_pass, self._by_pass or by_pass)
            return passes
        return seconds / self._by_pass + _WINDOW if self._by_pass else 0.0
