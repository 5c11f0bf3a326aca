"""Champion and challenger, measured in turn on what the guest does anyway.

The one that is in place runs for a *window*: a number of passes that takes some milliseconds. First the challenger alone runs
until it has grown the bridges it needs (no code was compiled and it hardly left for the interpreter in a window), within
bounds. Then both run in the order A B B A A B B A, so that what changes steadily meanwhile concerns both alike. Compared are
the medians of the time per pass. A trial ends early when the first windows leave no doubt.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["champion", "challenger"]

WINDOW = 0.004
"""Seconds that a window is to take."""
PAIRS = 4
"""Windows of each side, less when there is no doubt."""
CLEAR_PAIRS = 2
CLEAR = 1.5
"""A ratio as far from 1 as this leaves no doubt, if all windows of one side were better than all of the other."""
MOST_WARM_UPS = 60
"""Windows for warming up."""
QUIET = 2
"""Exits into the interpreter in a window of a challenger that is warm."""
LEAST_PASSES, MOST_PASSES = 50, 1 << 40
MOST_LOST = 40
"""Windows that do not count (another thread's, say) before a trial is given up."""


@dataclass(slots=True)
class Trial:
    """One trial.

    Attributes:
        pace: Seconds per pass expected of each side.
        margin: The challenger must be so many times faster.
        side: Whose window it is.
        outcome: "" while it runs, then "installed" or "rolled back". reason: In words.
        ratio: Challenger over champion, once it is known.
    """

    pace: dict[Side, float]
    margin: float
    side: Side = "challenger"
    outcome: str = ""
    reason: str = ""
    ratio: float = 0.0
    is_warm: bool = False
    warm_ups: int = 0
    lost: int = 0
    measured: dict[Side, list[float]] = field(default_factory=lambda: {"champion": [], "challenger": []})

    def passes(self) -> int:
        """How many passes the window to come has."""
        return int(min(max(WINDOW / max(self.pace[self.side], 1e-12), LEAST_PASSES), MOST_PASSES))

    def window(self, seconds: float, passes: int, exits: int, compiled: int) -> None:
        """A window is over.

        Args:
            seconds: That it took, of this thread's time.
            passes: In it.
            exits: Into the interpreter meanwhile.
            compiled: Pieces of code compiled meanwhile.
        """
        each = seconds / max(passes, 1)
        self.pace[self.side] = each
        if not self.is_warm:
            self.warm_ups += 1
            if self.warm_ups >= MOST_WARM_UPS or (compiled == 0 and exits <= QUIET and self.warm_ups > 1):
                self.is_warm = True
                self.side = "champion"
            return
        if compiled:
            self.lose()
            return
        self.measured[self.side].append(each)
        champion, challenger = self.measured["champion"], self.measured["challenger"]
        done = len(champion) + len(challenger)
        self.side = "champion" if done % 4 in (0, 3) else "challenger"
        if len(champion) == len(challenger) >= CLEAR_PAIRS:
            self._judge(champion, challenger)

    def begin_anew(self) -> None:
        """What was measured says nothing any more: both sides run as something else from now on."""
        self.side = "champion"
        for measured in self.measured.values():
            measured.clear()

    def lose(self) -> None:
        """A window says nothing: it is repeated."""
        self.lost += 1
        if self.lost >= MOST_LOST:
            self.end("rolled back", "it could not be measured")

    def _judge(self, champion: list[float], challenger: list[float]) -> None:
        self.ratio = statistics.median(challenger) / statistics.median(champion)
        is_clear = (self.ratio * CLEAR < 1 and max(challenger) < min(champion)) or (
            self.ratio > CLEAR and min(challenger) > max(champion)
        )
        if len(champion) < PAIRS and not is_clear:
            return
        if self.ratio * self.margin <= 1:
            self.end("installed", f"{1 / self.ratio:.2f} times as fast")
        else:
            self.end("rolled back", f"{1 / self.ratio:.2f} times as fast is not {self.margin:g}")

    def end(self, outcome: str, reason: str) -> None:
        """The trial is over."""
        self.outcome, self.reason = outcome, reason


class Moments:
    """For tests: numbers of passes at random, the same ones in each run."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = 1

    def passes(self, mean: int) -> int:
        """From 1 to nearly twice the mean."""
        self._state = (1103515245 * self._state + 12345) & 0x7FFFFFFF
        return 1 + (self._state >> 8) % (2 * mean - 1)


class ForcedTrial(Trial):
    """For tests: windows of a few passes, and an outcome that was settled before; installed and rolled back in turn.

    Args:
        pace, margin: As for every trial.
        force: Passes of a window, on the mean.
        number: Of the attempt.
        moments: Say how many passes a window has.
    """

    __slots__ = ("_force", "_moments", "_number", "_windows")

    def __init__(self, pace: dict[Side, float], margin: float, *, force: int, number: int, moments: Moments) -> None:
        super().__init__(pace, margin)
        self._force = force
        self._number = number
        self._moments = moments
        self._windows = 0

    def passes(self) -> int:
        return self._moments.passes(self._force)

    def window(self, seconds: float, passes: int, exits: int, compiled: int) -> None:
        self._windows += 1
        self.side = "champion" if self._windows % 2 else "challenger"
        if self._windows > 2 + self._number % 2:
            self.end("rolled back" if self._number % 2 else "installed", "it is forced")
