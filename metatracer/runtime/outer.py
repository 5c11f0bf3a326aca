"""Loops around portals: what enters machine code again and again, and that no trace calls.

    while self.ready:
        fiber = self.ready.pop(0)
        with self.running(fiber):
            self.step(fiber)                # the portal

The portal's traces are entered from CPython each time, and the loop itself, a scheduler of green threads here, runs there. Where
that takes long (`scouting` looks at the stacks), the function with the loop is given a tick at its entry: it is counted how often
portals are entered in one call of it, and where that is often, its next call is recorded, as those of a portal are. Its loop gets
traces of its own then (`implicit`), which call the portal's natively.

A call that is running goes on as it is, so a function that is called once gains nothing. Nor is anything known of what it is
called with: all is red. Where it turns out that a guest's recursion goes through it (`recorder.recursion`), which has greens, the
entry for these comes instead.
"""

from __future__ import annotations

import dis
import math
import weakref
from functools import lru_cache
from inspect import CO_GENERATOR
from typing import TYPE_CHECKING

from metatracer.runtime import hotness
from metatracer.runtime.given_code import author_code
from metatracer.runtime.implicit import MOST_ATTEMPTS, ImplicitDriver, name_of
from metatracer.runtime.implicit_entry import EntryPortal, entry_layout, forget_entry, set_entry
from metatracer.runtime.tick import make_tick
from metatracer.runtime.twin import is_twin
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, FunctionType
    from typing import Any

    from metatracer.runtime.loops import Loop
    from metatracer.runtime.portal import Portal
    from metatracer.runtime.portal_layout import PortalLayout
    from metatracer.runtime.tick import Marker

SECONDS_PER_ENTRY = 0.0001
"""At most: where what portals do takes longer, entering them is not what does. And a portal that is called from a trace gets
bridges of its own for the shapes of its arguments, which takes long if it has many."""
_FEWEST_IN_A_CALL = 16
"""Entries of portals in one call of a function, on the mean: of fewer it is no loop around them, or a short one."""
_MOST_TRIED = 50
"""Calls that are counted before that is decided against a function."""
refused: set[CodeType] = set()
"""Functions that enter portals too seldom, or cannot be recorded from their entry."""


class OuterPortal(EntryPortal):
    """The entry of a function with a loop around portals; under trial at first."""

    is_outer = True

    def __init__(self, function: FunctionType, driver: ImplicitDriver, layout: PortalLayout, caller: Portal) -> None:
        self._given_to = weakref.ref(function)
        self._calls = self._entered_before = 0
        self._is_wanted = False
        super().__init__(function, driver, layout, caller)

    def _make_tick(self) -> Callable[..., Loop | None]:
        self._count = make_tick(self, 0)
        return self._tick

    def _has_code(self) -> bool:
        """As if it had: each call asks."""
        return True

    def _tick(self, marker: Marker) -> Loop | None:
        if not self._is_wanted:
            self._try()
            return None
        loop = self.loop_of((), ())
        if loop.piece is None:
            if loop.attempts >= MOST_ATTEMPTS:
                self._take_back()
                return None
            if not loop.record.traces:
                loop.entries = math.ceil(hotness.wanted_entries(loop))
                loop.spent = math.inf
                loop.until_look = 0
        return self._count(marker)

    def _try(self) -> None:
        """A call under trial begins: those before it have entered portals so often."""
        if not self._calls:
            self._entered_before = STATISTICS.loop_entries
        elif STATISTICS.loop_entries - self._entered_before >= _FEWEST_IN_A_CALL * self._calls:
            self._is_wanted = True
        elif self._calls >= _MOST_TRIED:
            self._take_back()
        self._calls += 1

    def _take_back(self) -> None:
        refused.add(self.layout.code)
        function = self._given_to()
        if function is not None and function.__code__ is self._code_with_tick:
            function.__code__ = self.layout.code
        forget_entry(self)


def give_entry(function: FunctionType, caller: Portal) -> None:
    """Let it be counted how often portals are entered in a call of a function that has the author's code."""
    code = function.__code__
    layout = entry_layout(code, ())
    if layout is None:
        refused.add(code)
        return
    name = name_of(function, layout.lineno)
    driver = ImplicitDriver(name, f"calls of {code.co_qualname}", caller.driver.params)
    portal = OuterPortal(function, driver, layout, caller)
    if set_entry(function, portal):
        portal.let_in(function)


def loop_around(places: Iterable[tuple[CodeType, int]], portals: Any, is_own: Callable[[CodeType], bool]) -> CodeType | None:
    """The function that a stack's innermost loop around portals belongs to, or None.

    Args:
        places: Code and byte offset of the frames, innermost first.
        portals: The code of portals.
        is_own: Whether code is the interpreter's.
    """
    within = list(places)
    inner = next((number + 1 for number, (code, _) in enumerate(within) if code in portals), 0)
    is_inside = False
    for code, offset in within[inner:]:
        if code in portals or author_code(code) is not code or is_twin(code):
            return None  # it has traces of its own, or will have
        if code in refused or not is_own(code):
            continue
        is_inside = is_inside or is_in_loop(code, offset)
        if is_inside and not code.co_flags & CO_GENERATOR:
            return code
    return None


@lru_cache(maxsize=500)
def _loops(code: CodeType) -> tuple[tuple[int, int], ...]:
    """First and last offset of each loop."""
    jumps = [(each.argval, each.offset) for each in dis.get_instructions(code) if each.opcode in dis.hasjrel]
    return tuple([(target, offset) for target, offset in jumps if target <= offset])


def is_in_loop(code: CodeType, offset: int) -> bool:
    """Whether a frame that stands at an offset is in a loop of its own."""
    return any(first <= offset <= last for first, last in _loops(code))
