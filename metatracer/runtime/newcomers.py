"""Green keys that were met, and not yet again: what there is of a loop until then.

An author may have made a green of something that the guest makes anew all the time (a closure, a frame, a number). Nearly all of
the keys are then met once, by the look that counts them, and never again. So a key that is new gets no `Loop`, which keeps its
greens alive and has a record; it gets a `Newcomer`, and becomes a loop when it is looked at once more:

- greens that can be referred to weakly are, and a newcomer goes when one of them is freed;
- others are kept, and asked for from time to time: one to which nobody else refers is let go (`_SOME` at most are kept in vain,
  or as many as are kept with reason);
- of very many newcomers the oldest are forgotten;
- where newcomers follow newcomers and none is met again, only one of `_SELDOM` keys that are not known gets one.

`different` says which green it was (`statistics_snapshot()["short_lived_greens"]`, `explain`).

It does not find garbage that is kept by a cycle. Where thresholds are plain counts every key has a loop at once.
"""

from __future__ import annotations

import weakref
from collections import Counter
from itertools import islice
from sys import getrefcount
from typing import TYPE_CHECKING, Any

from metatracer.runtime.tick import BY_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metatracer.runtime.loops import Loop

_SOME = 64
MOST_NEWCOMERS = 2000
_VAIN = 256
"""Newcomers in a row of which none was met again."""
_SELDOM = 31
_MANY = 1000
"""Newcomers from which on `is_scattered` tells."""
_FEW = 10
"""Fewer than one in so many was met again."""
_OF_ITSELF = 1
"""References that `getrefcount` counts of its own."""


class Newcomer:
    """What the tick and `hotness` ask a loop for, of a green key that was met for the first time.

    Attributes:
        greens: In the place of those that are referred to weakly stands an object that is no green.
        watches: The weak references.
        is_new: It has not been looked at.
    """

    __slots__ = ("charged", "count", "entries", "greens", "is_new", "key", "spent", "until_look", "watches")

    piece = None

    def __init__(self, key: tuple[Any, ...], greens: tuple[Any, ...], watches: list[_Watch]) -> None:
        self.key = key
        self.greens = greens
        self.watches = watches
        self.count = self.entries = self.until_look = 0
        self.spent = self.charged = 0.0
        self.is_new = True

    def values(self) -> tuple[Any, ...]:
        """Its greens; None for one that has just been freed."""
        values = list(self.greens)
        for watch in self.watches:
            values[watch.place] = watch()
        return tuple(values)


class _Watch(weakref.ref[Any]):
    """On a green that is an object, with its number."""

    __slots__ = ("home", "key", "place")
    home: Newcomers
    key: tuple[Any, ...]
    place: int


def _freed(watch: weakref.ref[Any]) -> None:
    assert isinstance(watch, _Watch)
    watch.home.known.pop(watch.key, None)
    watch.home.forget_value(watch.place, watch.key[watch.place])


_NOT_A_GREEN = object()


class Newcomers:
    """Those of one portal.

    Args:
        n_greens: How many greens its driver has.
        check: Raises an error for greens that cannot be such.

    Attributes:
        known: By green key.
        met: How many there ever were. met_again: How many of them became loops. passed_by: Visits for which none was made.
        different: Of each green, how many values were new in these. kinds: Names of the latest one's class.
    """

    def __init__(self, n_greens: int, check: Callable[[tuple[Any, ...]], None]) -> None:
        self._check = check
        self.known: dict[tuple[Any, ...], Newcomer] = {}
        self.met = self.met_again = self.passed_by = 0
        self.different = [0] * n_greens
        self.kinds = [""] * n_greens
        self._values: list[dict[Any, None]] = [{} for _ in range(n_greens)]
        self._kept: list[Newcomer] = []
        self._sweep_at = _SOME
        self._in_vain = 0
        self._until_next = 0
        self._passer_by = Newcomer((), (_NOT_A_GREEN,) * n_greens, [])

    def get(self, key: tuple[Any, ...], greens: tuple[Any, ...]) -> Newcomer:
        """The one with this key, a new one if there is none."""
        known = self.known.get(key)
        if known is not None:
            return known
        if self._in_vain > _VAIN:
            if self._until_next:
                self._until_next -= 1
                self.passed_by += 1
                self._passer_by.until_look = _SELDOM
                return self._passer_by
            self._until_next = _SELDOM
        return self._add(key, greens)

    def becomes(self, loop: Loop) -> None:
        """There is a loop: what was counted is the loop's."""
        known = self.known.pop(loop.key, None)
        if known is None:
            return
        self.met_again += 1
        self._in_vain = 0
        loop.count, loop.entries = known.count, known.entries
        loop.spent, loop.charged = known.spent, known.charged
        loop.record.back_edges = known.count

    def is_scattered(self) -> bool:
        """Whether there were many, and few of them were met again."""
        return self.met + self.passed_by >= _MANY and self.met_again * _FEW < self.met

    def short_lived(self) -> list[int]:
        """The numbers of the greens that were nearly always new, if `is_scattered`."""
        if not self.is_scattered():
            return []
        most = max(self.different)
        return [number for number, count in enumerate(self.different) if 2 * count > most]

    def forget_value(self, place: int, part: Any) -> None:
        """An object was freed: another one may have its address."""
        self._values[place].pop(part, None)

    def _add(self, key: tuple[Any, ...], greens: tuple[Any, ...]) -> Newcomer:
        self._check(greens)
        self.met += 1
        self._in_vain += 1
        shown, watches, is_kept = list(greens), [], False
        for place, (part, green) in enumerate(zip(key, greens, strict=True)):
            values = self._values[place]
            if part not in values:
                if len(values) > 2 * MOST_NEWCOMERS:
                    values.clear()
                values[part] = None
                self.different[place] += 1
                self.kinds[place] = type(green).__qualname__
            if type(green) in BY_VALUE:
                continue
            if type(green).__weakrefoffset__:
                watch = _Watch(green, _freed)
                watch.home, watch.key, watch.place = self, key, place
                watches.append(watch)
                shown[place] = _NOT_A_GREEN
            else:
                is_kept = True
        newcomer = self.known[key] = Newcomer(key, tuple(shown), watches)
        if is_kept:
            self._keep(newcomer)
        if len(self.known) > MOST_NEWCOMERS:
            for oldest in list(islice(self.known, MOST_NEWCOMERS // 2)):
                self.known.pop(oldest, None)
        return newcomer

    def _keep(self, newcomer: Newcomer) -> None:
        self._kept.append(newcomer)
        if len(self._kept) < self._sweep_at:
            return
        kept = [each for each in self._kept if self.known.get(each.key) is each]
        for each, place in only_held_by([each.greens for each in kept]):
            self.known.pop(kept[each].key, None)
            self.forget_value(place, kept[each].key[place])
        self._kept = [each for each in kept if self.known.get(each.key) is each]
        self._sweep_at = max(_SOME, 2 * len(self._kept))


def only_held_by(holders: Iterable[tuple[Any, ...]]) -> list[tuple[int, int]]:
    """Where in these tuples of greens something stands to which nothing but these tuples refers: (number of the tuple, place)."""
    tuples = list(holders)
    counts = Counter([id(green) for greens in tuples for green in greens])
    return [
        (number, place)
        for number, greens in enumerate(tuples)
        for place in range(len(greens))
        if type(greens[place]) not in BY_VALUE and getrefcount(greens[place]) - _OF_ITSELF <= counts[id(greens[place])]
    ]
