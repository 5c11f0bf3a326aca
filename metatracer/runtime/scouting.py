"""Recursion that no marker sees: finding what calls itself for its guest when no loop of a portal is hot.

A tree walker whose portal is its `while` runs a guest function that calls itself without ever meeting a merge point. So from time
to time a thread looks at the stacks. The seconds that went by outside of machine code are charged to the functions that are on a
stack more than once; of those the rarest, as a tree walker's `evaluate` is there for each level of an expression, and what runs
a guest function once for each call. When a recording pays, the function that is there is given code with a tick at its entry:
the next calls take it back and are recorded, only to see what the recorder finds (`recorder.recursion`), and thrown away. Calls
of what it has found are recorded at once.

What has been found belongs to one guest function, or one node: others that call themselves are looked for from the same entry,
as long as its code is not entered. Where each run of the guest brings others (a closure that is made anew), no code is entered
again, and what is next on the stack is looked at instead.

Where portals are entered often, what is charged as well is the innermost loop around them (`outer`).

Only functions of the interpreter are looked at: those of a portal's top-level package, or directory if it is in none. Nothing
is looked at where thresholds are plain counts.
"""

from __future__ import annotations

import _thread
import contextlib
import math
import os
import sys
import time
from collections import Counter
from itertools import accumulate, repeat
from operator import attrgetter
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

from metatracer.backend.threadstate import FRAMES, ROOM, function_of
from metatracer.errors import AbortReason
from metatracer.platforms import warn_mistake
from metatracer.runtime import hotness
from metatracer.runtime.collector import OWN_THREADS, collector_waits
from metatracer.runtime.given_code import author_code, give_code, original_code
from metatracer.runtime.host import PORTALS
from metatracer.runtime.implicit import ImplicitDriver, ImplicitPortal, name_of
from metatracer.runtime.implicit_entry import EntryPortal, entry_layout, entry_portals, entry_with
from metatracer.runtime.outer import SECONDS_PER_ENTRY, give_entry, loop_around
from metatracer.runtime.rewrite import rewrite_portal
from metatracer.runtime.twin import is_twin
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Iterator
    from types import CodeType, FrameType

    from metatracer.runtime.loops import Loop
    from metatracer.runtime.portal import Portal
    from metatracer.runtime.portal_layout import PortalLayout
    from metatracer.runtime.tick import Marker

INTERVAL = 0.02
"""Seconds between two looks at first; each that finds nothing to do makes them a little longer, up to the next figure."""
LONGEST_INTERVAL = 0.5
_DEEPEST = 200
"""Frames of a stack that are looked at."""
_MOST_CHARGED = 1000
"""Functions whose seconds are kept."""
MOST_TRIES = 24
"""Recordings from one function's entry that may find nothing. (Most calls of a recursive function go no deeper.)"""
_LATER = 1.15
"""Each that finds nothing makes the next one wait so much longer, whichever function's it is."""
MOST_LOOKED_AT = 2000
"""Operations that such a recording may have."""
_TOOLKIT = __file__.rsplit(os.sep, 2)[0] + os.sep
_PLACE = attrgetter("f_code", "f_lasti")
_MADE_ANEW = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
"""Functions that are called once."""


class Scout(ImplicitPortal):
    """The entry of a function, from which calls are to be recorded; never has code.

    Attributes:
        tries: How often one was asked for.
    """

    only_looks = True

    def __init__(self, code: CodeType, namespace: dict[str, Any], entry: PortalLayout, caller: Portal) -> None:
        function = FunctionType(code, namespace, code.co_name, None, tuple([CellType() for _ in code.co_freevars]))
        name = name_of(function, entry.lineno)
        super().__init__(function, ImplicitDriver(name, f"a call of {code.co_qualname}", caller.driver.params), entry, caller)
        self.tries = 0
        self.tick = self._tick
        self._code_with_tick = rewrite_portal(entry, self)
        self._sent: FunctionType | None = None
        self._before = entry.code
        self._last: FunctionType | None = None
        self._until = 0.0

    def send(self, function: FunctionType) -> None:
        """Let the next call of a function be recorded, and those after it for a while, until one tells something."""
        entry = entry_with(self.layout.code)
        if entry is not None and entry.is_wanted_again():
            self.tries = 0
        self.tries += 1
        self._until = time.perf_counter() + INTERVAL
        self.take_back()
        self._give(function)

    def _give(self, function: FunctionType) -> None:
        if original_code(function) is self.layout.code:
            self._sent, self._before = function, function.__code__
            give_code(function, self._code_with_tick)

    def take_back(self) -> bool:
        """Let the function have the code again that it had; whether it had not."""
        function, self._sent = self._sent, None
        if function is not None and function.__code__ is self._code_with_tick:
            function.__code__ = self._before
        self._last = function
        return function is not None

    def _has_code(self) -> bool:
        """As if it had: each call asks."""
        return True

    def takes(self, loop: Loop, kind: str) -> bool:
        """None: the recording has told all it could. It has come to its end, so that call was not one of those wanted."""
        if self._last is not None and time.perf_counter() < self._until:
            self._give(self._last)
        return False

    def _tick(self, _marker: Marker) -> Loop | None:
        is_first = self.take_back()  # or another thread's call was
        if not is_first or FRAMES.left.value <= ROOM or not self.driver.params.enable:
            return None
        loop = self.loop_of((), ())
        loop.entries = math.ceil(hotness.wanted_entries(loop))
        loop.spent = math.inf
        return loop


class _Watch:
    """The state of the thread.

    Attributes:
        is_on: There is a thread, or about to be one.
        bell: To be released to end it. ended: Held as long as it is there.
        seen: What `hotness.interpreter_time` and the process's clock were at the last look.
        sent: What `hotness.interpreter_time` and the toolkit's clock were when a recording was asked for last.
        tries: Asked for since something was found.
        spent: Seconds charged to functions, by their code.
        scouts: By the code.
        refused: Code that cannot be recorded from its entry.
        homes: Where the interpreters are (`_home`), each with a portal.
        entries: How often code had been entered at the last look.
        recurred: What has been on a stack more than once.
    """

    is_on = False
    bell = _thread.allocate_lock()
    ended = _thread.allocate_lock()
    seen = (0.0, 0.0)
    sent = (-math.inf, 0.0)
    tries = 0
    spent: ClassVar[dict[CodeType, float]] = {}
    scouts: ClassVar[dict[CodeType, Scout]] = {}
    refused: ClassVar[set[CodeType]] = set()
    homes: ClassVar[dict[str, Portal]] = {}
    entries = 0
    recurred: ClassVar[set[CodeType]] = set()


def watch(portal: Portal) -> None:
    """There is a portal: look at the stacks from now on, whenever its parameters allow it."""
    _Watch.homes.setdefault(_home(portal), portal)
    portal.driver.params.watch(_parameter_changed)
    _parameter_changed("")


def recording_begins() -> None:
    """A recording relies on the code that functions have: let them have the author's."""
    for scout in list(_Watch.scouts.values()):
        scout.take_back()


def _parameter_changed(_name: str) -> None:
    if not _Watch.is_on and _is_allowed():
        _start()


def _is_allowed() -> bool:
    return any(map(_may_be_sent, list(_Watch.homes.values())))


def _start() -> None:
    _Watch.is_on = True
    _Watch.seen = _clocks()
    bell = _Watch.bell = _thread.allocate_lock()
    ended = _Watch.ended = _thread.allocate_lock()
    bell.acquire()
    ended.acquire()
    try:
        _thread.start_new_thread(_run, (bell, ended))
    except RuntimeError:  # no more threads for this process
        _Watch.is_on = False


def _run(bell: LockType, ended: LockType) -> None:
    interval = INTERVAL
    try:
        while not bell.acquire(timeout=interval):
            if not _is_allowed():
                _Watch.is_on = False  # until a parameter changes
                break
            interval = INTERVAL if look() else min(interval * 1.05, LONGEST_INTERVAL)
    except Exception as error:  # noqa: BLE001 - whatever it is: the guest goes on
        _Watch.is_on = False
        warn_mistake(f"{AbortReason.INTERNAL_ERROR.value}: {error!r}", "what only recurs")
    finally:
        ended.release()


def _clocks() -> tuple[float, float]:
    return hotness.interpreter_time(), time.process_time()


# --- looking --------------------------------------------------------------------------------------------------------------


def look() -> bool:
    """Charge the time since the last look to what recurs; says whether anything does.

    Nothing of this may keep a frame of the guest for longer than it takes to read it: its objects would die late, and here.
    """
    before, _Watch.seen = _Watch.seen, _clocks()
    entries, _Watch.entries = STATISTICS.loop_entries - _Watch.entries, STATISTICS.loop_entries
    spent = min(now - then for now, then in zip(_Watch.seen, before, strict=True))
    if spent <= 0.0 or hotness.is_compiling():
        return False
    if len(_Watch.spent) > _MOST_CHARGED:
        _Watch.spent.clear()
    if len(_Watch.recurred) > _MOST_CHARGED:
        _Watch.recurred.clear()
    with collector_waits():
        in_use = [entry for entry in entry_portals() if entry.is_in_use()]
        stacks = _stacks()
        recurring = [
            (ident, code) for ident, places in stacks.items() for code in _recurring([code for code, _ in places], in_use)
        ]
        around = [] if entries * SECONDS_PER_ENTRY < _Watch.seen[1] - before[1] else _around(stacks)
        for _, code in [*recurring, *around]:
            _Watch.spent[code] = _Watch.spent.get(code, 0.0) + spent / len(stacks)
        due = next((pair for pair in recurring if _is_due(pair[1])), None)
        if due is not None:
            _send(*due)
        elif (due := next((pair for pair in around if _is_due(pair[1], tries=0)), None)) is not None:
            _give_entry(*due)
    return bool(recurring or around)


def _around(stacks: dict[int, list[tuple[CodeType, int]]]) -> list[tuple[int, CodeType]]:
    """What has loops around portals, by thread."""
    found = [(ident, loop_around(places, PORTALS, _is_own)) for ident, places in stacks.items()]
    return [(ident, code) for ident, code in found if code is not None]


def _is_own(code: CodeType) -> bool:
    return code not in _Watch.recurred and _home_of(code) is not None


def _give_entry(ident: int, code: CodeType) -> None:
    """Let it be counted how often the function on a thread's stack that has this code enters portals."""
    portal = _home_of(code)
    for frame in _frames(sys._current_frames().get(ident)):
        if frame.f_code is code and portal is not None:
            if not hotness.is_compiling():
                give_entry(function_of(frame), portal)
                _Watch.sent = hotness.interpreter_time(), hotness.CLOCK.toolkit
            break


def _stacks() -> dict[int, list[tuple[CodeType, int]]]:
    """Where the innermost frames of all threads but this one stand."""
    own = _thread.get_ident()
    return {ident: _places(ident) for ident in list(sys._current_frames()) if ident != own}


def _places(ident: int) -> list[tuple[CodeType, int]]:
    """Where a thread's innermost frames stand, in one call of C functions: so no other thread runs while frames are held."""
    places: list[tuple[CodeType, int]] = []
    with contextlib.suppress(AttributeError):  # behind the outermost there is None
        outwards = repeat("f_back", _DEEPEST - 1)
        places.extend(map(_PLACE, accumulate(outwards, getattr, initial=sys._current_frames().get(ident))))
    return places


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(_DEEPEST):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _recurring(codes: list[CodeType], in_use: list[EntryPortal]) -> list[CodeType]:
    """What of a stack is charged."""
    counts = Counter([author_code(code) for code in codes if not is_twin(code)])
    again = {code: count for code, count in counts.items() if count > 1 and code.co_name not in _MADE_ANEW}
    _Watch.recurred.update(code for code in again if _home_of(code) is not None)
    if any(code in PORTALS or entry_with(code) in in_use for code in again):
        _Watch.tries = 0
        return []  # there are traces of it, or will be
    again = {code: count for code, count in again.items() if _home_of(code) is not None and not _is_given_up(code)}
    again = {code: count for code, count in again.items() if entry_with(code)} or again
    rarest = min(again.values(), default=0)
    return [code for code, count in again.items() if count == rarest]


def _directory(code: CodeType) -> str:
    directory, separator, name = code.co_filename.rpartition(os.sep)
    return directory + separator or name


def _home(portal: Portal) -> str:
    """The directory of a portal's top-level package, with "**", or of its file if that is in no package."""
    directory = _directory(portal.layout.code)
    package = portal.function.__globals__.get("__package__")
    if not isinstance(package, str) or not package:
        return directory
    return directory.removesuffix(os.sep).rsplit(os.sep, package.count("."))[0] + f"{os.sep}**"


def _home_of(code: CodeType) -> Portal | None:
    """A portal of the interpreter that a function belongs to."""
    directory = _directory(code)
    if directory.startswith(_TOOLKIT):
        return None
    for home, portal in list(_Watch.homes.items()):
        if directory == home or (home.endswith("**") and directory.startswith(home[:-2])):
            return portal
    return None


def _is_given_up(code: CodeType) -> bool:
    scout, entry = _Watch.scouts.get(code), entry_with(code)
    is_tried = scout is not None and scout.tries >= MOST_TRIES
    return code in _Watch.refused or is_tried or (entry is not None and entry.is_short_lived())


def _may_be_sent(portal: Portal) -> bool:
    """Whether the parameters allow it."""
    params = portal.driver.params
    return params.enable and params.helper_loops and not params.threshold and not params.function_threshold


def _is_due(code: CodeType, tries: int | None = None) -> bool:
    portal = _home_of(code)
    if portal is None or not _may_be_sent(portal):
        return False
    gone_by = hotness.interpreter_time() - _Watch.sent[0]
    wait = INTERVAL * _LATER ** (_Watch.tries if tries is None else tries)
    is_settled = gone_by >= max(hotness.CLOCK.toolkit - _Watch.sent[1], wait)
    return is_settled and hotness.recursion_pays(_Watch.spent[code], portal.driver.params.payback)


def _send(ident: int, code: CodeType) -> None:
    """Let the next call of a function that is on a thread's stack be recorded, one that has this code."""
    scout = _Watch.scouts.get(code) or _make_scout(ident, code)
    if scout is None:
        return
    for frame in _frames(sys._current_frames().get(ident)):
        if author_code(frame.f_code) is code:
            if not hotness.is_compiling():  # which relies on the code that functions have
                scout.send(function_of(frame))
            break
    _Watch.sent = hotness.interpreter_time(), hotness.CLOCK.toolkit
    _Watch.tries += 1


def _make_scout(ident: int, code: CodeType) -> Scout | None:
    entry, portal = entry_layout(code, ()), _home_of(code)
    if entry is None or portal is None:
        _Watch.refused.add(code)
        return None
    for frame in _frames(sys._current_frames().get(ident)):
        if author_code(frame.f_code) is code:
            namespace = frame.f_globals
            del frame
            scout = _Watch.scouts[code] = Scout(code, namespace, entry, portal)
            return scout
    return None


def _before_fork() -> None:
    """A process with several threads must not fork (CPython 3.12 and later warn); it is looked at no longer."""
    if _Watch.is_on:
        _Watch.is_on = False
        _Watch.bell.release()
        _Watch.ended.acquire()
        time.sleep(0.001)  # until it is gone


def _after_fork_in_child() -> None:
    _parameter_changed("")


def _is_watching() -> bool:
    return _Watch.is_on


OWN_THREADS.append(_is_watching)
os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
