"""Whether a loop's root should be recorded again: shares of its ways, expected gain and cost, waiting, phases.

A *generation* is what was counted between two looks at a loop. Each pass of the header took one *way*: through the root alone,
or out of it through guards and on in bridges. If far more passes take another way than the root's, then a root recorded on
that way may save a part of what they cost (which part, is learned from the attempts that were measured; at first 70 %). An
attempt is made when what would be saved in as much time as has gone by exceeds what recording and compiling cost, with a factor
for hysteresis. After each attempt the next one waits twice as long, until the shares no longer resemble those on
which the attempts were based: then the guest is in another phase, and the waiting begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

FIRST_SAVING = 0.7
"""The part of the time of a way that a root of its own is expected to save, before anything was measured."""
LEAST_SAVING, MOST_SAVING = 0.1, 0.95
DOMINANCE = 1.5
"""A way is wanted for the root when it takes so many times the passes that the root's own does."""
LEAST_SHARE = 0.3
"""And at least this share of all."""
HYSTERESIS = 1.2
"""The gain must exceed the cost by this factor."""
FIRST_WAIT = 0.25
"""Seconds between an attempt and the next, at first."""
LONGEST_WAIT = 3600.0
PHASE_DISTANCE = 0.25
"""Two generations are of different phases when so large a share of the passes goes other ways."""
PHASE_GENERATIONS = 2
"""So many generations in a row must be of another phase: one alone may be a coincidence."""
SUSPICIOUS = 0.65
"""A root that another one is expected to beat by this ratio is not made a tree of: the other one is waited for."""
LAYOUT_SAVING = 0.1
"""The part of the time of a tree that laying it out by the present counts is expected to save."""
LEAST_PASSES = 200
"""Fewer passes say nothing."""
LEAST_SECONDS = 0.02
"""Nor do passes of a shorter time: what goes on again and again may go on in rounds of milliseconds."""


PART_OF_TIME = 0.1
"""Of a process's processor time, that all attempts together may cost."""
CREDIT = 0.1
"""Seconds that they may cost before."""


class Budget:
    """What all attempts of a process have cost, as far as could be foreseen."""

    def __init__(self) -> None:
        self.spent = 0.0

    def allows(self, cost: float, gone_by: float) -> bool:
        """Whether one may be made that costs so much, when the process has taken `gone_by` seconds."""
        return self.spent + cost <= CREDIT + PART_OF_TIME * gone_by

    def spend(self, cost: float) -> None:
        """One is made."""
        self.spent += cost


@dataclass(frozen=True, slots=True)
class Way:
    """One way round a loop.

    Attributes:
        exits: The guards it leaves code through, outermost first; () for the root's own way.
        count: Passes that went this way to its end.
    """

    exits: tuple[int, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Generation:
    """What was counted between two looks.

    Attributes:
        passes: Of the header.
        seconds: That they took, without those of loops inside.
        ways: The root's own first.
        cost: Seconds that recording and compiling the tree again are expected to take.
        whole: Seconds with those of loops inside; 0: there are none.
    """

    passes: int
    seconds: float
    ways: tuple[Way, ...]
    cost: float
    whole: float = 0.0

    @property
    def is_enough(self) -> bool:
        """Whether it says anything."""
        return self.passes >= LEAST_PASSES and (self.whole or self.seconds) >= LEAST_SECONDS

    @property
    def own(self) -> float:
        """The part of the time of the passes that is not in loops inside."""
        return self.seconds / self.whole if self.whole else 1.0

    def shares(self) -> dict[tuple[int, ...], float]:
        """The share of the passes of each way."""
        total = sum(way.count for way in self.ways) or 1
        return {way.exits: way.count / total for way in self.ways}


def usual(generation: Generation, before: Generation | None) -> Generation:
    """A generation together with half of what was usual before it."""
    if before is None:
        return generation
    counts = {way.exits: way.count // 2 for way in before.ways}
    for way in generation.ways:
        counts[way.exits] = counts.get(way.exits, 0) + way.count
    ways = tuple([Way(exits, count) for exits, count in counts.items()])
    return replace(generation, passes=generation.passes + before.passes // 2, ways=ways)


@dataclass(slots=True)
class History:
    """What is remembered of one loop.

    Attributes:
        attempts: Challengers asked for. installed: How many of them took over.
        wait: Seconds from an attempt to the next.
        not_before: When the next attempt may be made.
        saving: The part of a way's time that a root of its own is expected to save.
        reference: Shares on which the last attempt was based. strange: Generations in a row that did not resemble them.
        seconds: In all generations, without those of loops inside. watched: With them.
        phases: Changes of phase seen. changed: What `watched` was at the last one.
    """

    attempts: int = 0
    installed: int = 0
    wait: float = FIRST_WAIT
    not_before: float = 0.0
    saving: float = FIRST_SAVING
    reference: dict[tuple[int, ...], float] = field(default_factory=dict)
    strange: int = 0
    seconds: float = 0.0
    watched: float = 0.0
    phases: int = 0
    changed: float = 0.0

    def attempted(self, shares: dict[tuple[int, ...], float], now: float) -> None:
        """An attempt was made because of these shares: the next one waits."""
        self.attempts += 1
        self.reference = dict(shares)
        self.strange = 0
        self.not_before = now + self.wait
        self.wait = min(2 * self.wait, LONGEST_WAIT)

    def measured(self, ratio: float, share: float) -> None:
        """A challenger took `ratio` times the champion's time per pass, of which its way had this share."""
        saving = (1.0 - ratio) / max(share, LEAST_SHARE)
        self.saving = min(max((self.saving + saving) / 2, LEAST_SAVING), MOST_SAVING)

    def replaced(self) -> None:
        """The tree is another one: shares of its ways cannot be compared with the old ones."""
        self.installed += 1
        self.reference = {}
        self.strange = 0

    def look(self, generation: Generation) -> bool:
        """Note a generation; says whether a new phase has begun, in which case the waiting begins anew."""
        self.seconds += generation.seconds
        self.watched += generation.whole or generation.seconds
        if not generation.is_enough:
            return False
        shares = generation.shares()
        if not self.reference:
            self.reference = shares
            return False
        if distance(shares, self.reference) < PHASE_DISTANCE:
            self.strange = 0
            return False
        self.strange += 1
        if self.strange < PHASE_GENERATIONS:
            return False
        self.reference, self.strange = shares, 0
        self.phases += 1
        self.changed = self.watched
        self.wait, self.not_before = FIRST_WAIT, 0.0
        return True


@dataclass(slots=True)
class Layout:
    """What the code of a tree was laid out by.

    Attributes:
        shares: Of the ways, then; {} if they are not known yet.
        seconds: That have gone by since. strange: Generations in a row that did not resemble them.
    """

    shares: dict[tuple[int, ...], float] = field(default_factory=dict)
    seconds: float = 0.0
    strange: int = 0

    def is_outdated(self, generation: Generation, cost: float) -> bool:
        """Note a generation; says whether to lay the code out anew, by this one's counts.

        Args:
            generation: The last one.
            cost: Seconds that it would take.
        """
        shares = generation.shares()
        self.seconds += generation.seconds
        if not self.shares:
            self.shares = shares
        if distance(shares, self.shares) < PHASE_DISTANCE:
            self.strange = 0
            return False
        self.strange += 1
        return self.strange >= PHASE_GENERATIONS and LAYOUT_SAVING * self.seconds >= HYSTERESIS * cost


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a loop.

    Attributes:
        wanted: The way to record a root on, or None.
        reason: In words.
        share: Of the wanted way (or the one closest to it). root_share: Of the root's own.
        predicted: Time per pass with the challenger over time per pass now. own: The part of it that is not in loops inside.
        gain, cost: In seconds.
        is_suspicion: Much is to be gained, only not yet for certain: no other work on the present root is worth while.
        shares: Of all ways.
    """

    wanted: Way | None
    reason: str
    share: float = 0.0
    root_share: float = 0.0
    predicted: float = 1.0
    gain: float = 0.0
    cost: float = 0.0
    is_suspicion: bool = False
    shares: dict[tuple[int, ...], float] = field(default_factory=dict)
    own: float = 1.0


def distance(first: dict[tuple[int, ...], float], second: dict[tuple[int, ...], float]) -> float:
    """The share of the passes that goes other ways (total variation distance)."""
    return sum(abs(first.get(key, 0.0) - second.get(key, 0.0)) for key in {*first, *second}) / 2


def decide(generation: Generation, history: History, now: float, margin: float = 1.0) -> Decision:
    """Whether a challenger is worth recording.

    Args:
        generation: The last one, already looked at by `history`.
        history: Of the loop.
        now: In seconds, of the clock that `history` knows.
        margin: A challenger must be so many times as fast to stay.
    """
    if not generation.is_enough:
        return Decision(None, f"only {generation.passes} passes")
    shares = generation.shares()
    root_share = shares[()]
    ways = [way for way in generation.ways if way.exits]
    if not ways:
        return Decision(None, "it is not left", root_share=root_share)
    best = max(ways, key=_count)
    share = shares[best.exits]
    if share < LEAST_SHARE or share < DOMINANCE * root_share:
        return Decision(None, "no other way dominates", share, root_share)
    predicted = 1.0 - generation.own * share * history.saving
    gain = share * history.saving * history.seconds
    found = Decision(best, "", share, root_share, predicted, gain, generation.cost, own=generation.own, shares=shares)
    if predicted * margin > 1.0:
        return Decision(None, "it would not be faster by the margin", share, root_share, predicted, own=generation.own)
    if gain < HYSTERESIS * generation.cost:
        reason = "the gain does not pay for it yet"
        return Decision(
            None, reason, share, root_share, predicted, gain, generation.cost, is_suspicion=predicted <= SUSPICIOUS
        )
    if now < history.not_before:
        return Decision(None, "it waits after the last attempt", share, root_share, predicted, gain, generation.cost)
    return found


def _count(way: Way) -> int:
    return way.count
