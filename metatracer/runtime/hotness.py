"""When code pays: the time that was spent at a place in the interpreter, against what compiling it will cost.

Whether a guest loop goes on for ever or ends now is not known. If costs were known, compiling it once the interpreter has
spent on it what compiling costs would be at most twice as slow as knowing (the ski-rental rule); the parameter `payback`
scales that, and costs are estimates. Both sides are measured: the clock,
without machine code and compiling, goes to the loop whose marker is met next, as a sampling profiler would do it, and
from an exit to the next machine code to the guard that failed; what compiling costs is a mean over what was compiled.

A threshold that the user has set is a plain count and nothing here is asked.
"""

from __future__ import annotations

import os
from _thread import get_ident
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metatracer.params import Parameters
    from metatracer.runtime.loops import GuardState, Loop
    from metatracer.runtime.newcomers import Newcomer

FEWEST_BACK_EDGES = 200
"""A loop is not recorded before it has had so many, however long they took."""
FEWEST_ENTRIES = 400
"""Of a portal at one place, likewise."""
FEWEST_FAILURES = 20
"""Of a guard before it gets a bridge, likewise."""
MOST_AT_ONCE = 0.1
"""Seconds from one marker to the next that may be the guest's: beyond them it has waited for something."""
HALF_LIFE = 20.0
"""Seconds after which time spent at a place counts half."""
LOADING = 0.3
"""Seconds that the first compile of a process takes beside its own cost: modules, LLVM, the code that all traces share."""
GRACE = 0.5
"""Seconds of compiling that every process may have."""
SHORT_RUN = 1.0
"""Seconds of the guest's after which a process is taken to go on: of what comes then, compiling may take three times as much."""


class _Clock:
    """Where the time of the process went.

    Attributes:
        start: When it began.
        machine: Seconds in machine code (and in what it called).
        toolkit: Seconds of recording and compiling.
        seen: When a marker was met last, in `interpreter_time`.
    """

    __slots__ = ("machine", "seen", "start", "toolkit")

    def __init__(self) -> None:
        self.machine = self.toolkit = 0.0
        self.start = self.seen = perf_counter()


class _Mean:
    """What one compile took: a mean that follows the latest, and begins with an estimate."""

    __slots__ = ("count", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.count = 1

    def add(self, seconds: float) -> None:
        self.count = min(self.count + 1, 8)
        self.seconds += (seconds - self.seconds) / self.count


CLOCK = _Clock()
_roots = _Mean(0.1)
_bridges = _Mean(0.04)


def interpreter_time() -> float:
    """Seconds, from any start, without those in machine code and compiling."""
    return perf_counter() - CLOCK.machine - CLOCK.toolkit


def guest_time() -> float:
    """Seconds, from any start, without compiling."""
    return perf_counter() - CLOCK.toolkit


def was_machine_code(since: float) -> None:
    """The `interpreter_time` since then was machine code's: what in it was left out before is not left out twice."""
    CLOCK.machine += interpreter_time() - since


def was_compiling(since: float) -> None:
    """The `interpreter_time` since then was the toolkit's."""
    CLOCK.toolkit += interpreter_time() - since


class Compiling:
    """While a thread records and compiles: the time is the toolkit's, and `is_compiling`."""

    __slots__ = ("_is_inner", "_since")

    def __enter__(self) -> None:
        own = get_ident()
        self._is_inner = own in _compiling
        _compiling.add(own)
        self._since = interpreter_time()

    def __exit__(self, *_: object) -> None:
        was_compiling(self._since)
        if not self._is_inner:
            _compiling.discard(get_ident())


_compiling: set[int] = set()
"""Threads that record or compile."""


def is_compiling() -> bool:
    """Whether any thread records or compiles."""
    return bool(_compiling)


os.register_at_fork(after_in_child=lambda: _compiling.intersection_update({get_ident()}))


def charge(loop: Loop | Newcomer) -> None:
    """A marker of a loop was met: the time since the one before is the loop's."""
    now = interpreter_time()
    spent = now - CLOCK.seen
    CLOCK.seen = now
    _add(loop, spent, now)


def charge_since(loop: Loop, since: float) -> None:
    """Machine code wanted to go on in a loop that has no code: what the interpreter did `since` then is the loop's."""
    now = interpreter_time()
    _add(loop, now - since, now)


def _add(loop: Loop | Newcomer, spent: float, now: float) -> None:
    if now - loop.charged > HALF_LIFE:
        loop.spent *= 0.5 ** ((now - loop.charged) / HALF_LIFE)
    loop.charged = now
    if spent > 0.0:
        loop.spent += min(spent, MOST_AT_ONCE)


def compiled(is_bridge: bool, seconds: float) -> None:
    """Note what recording, optimizing and compiling have taken together."""
    (_bridges if is_bridge else _roots).add(seconds)


def cost_of_bridges() -> float:
    """Seconds that one bridge may be expected to cost."""
    return _bridges.seconds


# --- what is due ----------------------------------------------------------------------------------------------------------


def wanted_back_edges(loop: Loop) -> float:
    """How many a loop must have seen."""
    return (loop.portal.driver.params.threshold or FEWEST_BACK_EDGES) * loop.wait


def wanted_entries(loop: Loop) -> float:
    """How many a place must have seen."""
    return (loop.portal.driver.params.function_threshold or FEWEST_ENTRIES) * loop.wait


def wanted_failures(params: Parameters) -> int:
    """How many a guard must have seen."""
    return params.trace_eagerness or FEWEST_FAILURES


def back_edges_pay(loop: Loop) -> bool:
    """Whether a loop is to be recorded for its back-edges."""
    params = loop.portal.driver.params
    return loop.count >= wanted_back_edges(loop) and (params.threshold > 0 or _root_pays(loop, params.payback))


def entries_pay(loop: Loop) -> bool:
    """Whether a portal is to be recorded for its entries at a place."""
    params = loop.portal.driver.params
    return loop.entries >= wanted_entries(loop) and (params.function_threshold > 0 or _root_pays(loop, params.payback))


def recursion_pays(spent: float, payback: float) -> bool:
    """Whether recordings are to find out what calls itself: `spent` seconds went by in functions that no code runs for.

    Not before all that it will cost has gone by: many a script is done by then.
    """
    return _pays(spent, _roots.seconds if CLOCK.toolkit else _roots.seconds + LOADING, payback and max(payback, 1.0))


def failures_pay(guard: GuardState, params: Parameters, share: float = 1.0) -> bool:
    """Whether a bridge is to be recorded for a guard's failures, of which it will take a share."""
    return guard.failures >= max(guard.wait, wanted_failures(params)) and (
        params.trace_eagerness > 0 or _pays(guard.spent * share, _bridges.seconds, params.payback)
    )


def _root_pays(loop: Loop, payback: float) -> bool:
    cost = _roots.seconds * loop.wait
    return _pays(loop.spent, cost if CLOCK.toolkit else cost + LOADING, payback)


def _pays(spent: float, cost: float, payback: float) -> bool:
    if spent < payback * cost:
        return False
    guest = perf_counter() - CLOCK.start - CLOCK.toolkit
    budget = guest + GRACE + 2.0 * max(0.0, guest - SHORT_RUN)
    return payback == 0.0 or CLOCK.toolkit + cost <= budget
