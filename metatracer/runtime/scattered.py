"""Guards of a merge point that fail with many green keys.

A bridge behind such a guard holds the greens of the exit it was recorded at as constants, and takes the exits with these only. So
what counts is not how often guards have failed there, but how often with this key.

Where there are more keys than `promotion_limit`, and none is frequent, one bridge is tried that takes all: it passes the merge
point without asking where it is, as if the greens were reds (an author may have made a green of a value that the guest computes).
If there is much to do behind it, or the next merge point cannot be told either, it is really a place in the guest program that is
many places, and each one that pays gets a bridge of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir import opcodes as ops
from metatracer.runtime.host import PORTALS

if TYPE_CHECKING:
    from metatracer.ir.values import Operation
    from metatracer.recorder.frames import ResumeFrame
    from metatracer.runtime.portal import Portal

_PROMOTING = frozenset({ops.GUARD_INT_VALUE, ops.GUARD_VALUE, ops.GUARD_TRUE, ops.GUARD_FALSE, ops.GUARD_TYPE})
_MOST_KEYS = 256
_OFTEN = 8
"""A key with one failure in so many is one of few."""


class Keys:
    """The green keys with which guards have failed at a merge point of a portal, where it was reached the same way.

    Attributes:
        portal: Whose.
        can_be_passed: No bridge that passes the merge point was given up.
    """

    __slots__ = ("_counts", "_total", "can_be_passed", "portal")

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self._total = 0
        self._counts: dict[int, int] = {}
        self.can_be_passed = True

    def note(self, frame: ResumeFrame) -> float:
        """A guard has failed, with this innermost frame; gives the key's share of the failures, 1.0 if it is one of few."""
        key = hash(self.portal.key([frame.locals[number] for number in self.portal.green_numbers]))
        count = self._counts[key] = self._counts.get(key, 0) + 1
        self._total += 1
        if len(self._counts) > _MOST_KEYS:
            self._forget()
        return 1.0 if count * _OFTEN >= self._total else count / self._total

    def may_be_passed(self, limit: int) -> bool:
        """Whether a bridge for all keys is to be tried; `limit` is how many may get one each."""
        return self.can_be_passed and len(self._counts) > limit

    def _forget(self) -> None:
        self._counts = {key: count // 2 for key, count in self._counts.items() if count > 1}
        self._total //= 2


def keys_of(guard: Operation) -> Keys | None:
    """For a guard that asks at a merge point whether the greens are those of its trace."""
    snapshot: Any = guard.snapshot
    if guard.opcode not in _PROMOTING or not snapshot.frames:
        return None
    top = snapshot.frames[-1]
    portal = PORTALS.get(top.function.__code__)
    if portal is None or not portal.green_numbers or top.index != portal.merge_start:
        return None
    known: Keys = portal.failed_with.setdefault(top.context, Keys(portal))
    return known
