"""Loops of helpers that have traces of their own, without their author: implicit portals.

(Calls of helpers: `implicit_entry`.)

A helper is a function that a trace looks into and that is no portal. When a recording has gone round a loop of it
`max_unroll_loops` times, the loop's header (where its backward jump leads) becomes a merge point without greens; its
reds are the locals that are alive there, the function's free variables and the operand stack, which holds the iterators
of `for` loops, as far as they can be in parts (`iterators`). From then on

- a recording that comes to the header in an inlined call turns the rest of that call into a call of the loop
  (`call_portal`), which goes on to the end of the function;
- the function's twin counts at the header and asks for machine code there, so a frame that has left machine code gets
  in again (`implicit_twin`).

The function itself is not touched: its code stays what the author wrote, and where no trace calls it, it runs as before.

Not for loops inside of an exception handler, whose exception the thread would have to hold, nor where the stack may hold
a NULL (a comprehension that CPython has inlined, a loop in the arguments of a call: neither can be jumped into).
"""

from __future__ import annotations

import math
import re
import sys
import threading
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from metatracer.backend.threadstate import FRAMES, ROOM
from metatracer.frontend.decode import jitcode_for
from metatracer.frontend.liveness import JUMPS, NO_FALL_THROUGH
from metatracer.recorder.frames import NO_HEADERS
from metatracer.runtime.given_code import original_code
from metatracer.runtime.hotness import wanted_back_edges
from metatracer.runtime.implicit_twin import build_implicit_twin
from metatracer.runtime.iterators import kinds_of, put_together_again, take_apart_own
from metatracer.runtime.portal import Portal, Request
from metatracer.runtime.portal_layout import PortalLayout, definitely_bound
from metatracer.runtime.tick import STRIDE, Marker
from metatracer.runtime.ticker import PERIOD, Ticker
from metatracer.runtime.twin import replace_twin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType

    from metatracer.frontend.jitcode import JitCode
    from metatracer.params import Parameters
    from metatracer.recorder.frames import Kind
    from metatracer.runtime.loops import Loop

MOST_ATTEMPTS = 3
"""Recordings of a loop given up in a row: then its helper is called."""
_MOST_KINDS = 6
"""Combinations of kinds of iterators at one header that have loops of their own."""


class ImplicitDriver:
    """What a portal needs of its driver. The parameters are those of the driver whose trace came to the loop first."""

    confirm_enter_jit = None

    def __init__(self, name: str, location: str, params: Parameters, greens: tuple[str, ...] = ()) -> None:
        self.name = name
        self.params = params
        self.greens = greens
        self._location = location

    def printable_location(self, greens: Sequence[object]) -> str:
        """The place in the helper."""
        return self._location


class ImplicitPortal(Portal):
    """A portal that its author has not made one, found by a trace of `caller`.

    Its frames belong to a function of its own, which nobody else can change and which has empty cells for free variables.
    """

    is_implicit = True

    def __init__(self, function: FunctionType, driver: ImplicitDriver, layout: PortalLayout, caller: Portal) -> None:
        super().__init__(_without_cells(function), driver, layout, caller.drive)
        self.frozen = caller.frozen

    def _check_greens(self, greens: tuple[Any, ...]) -> None:
        """Nobody has chosen them: they are told apart by identity."""


def _without_cells(function: FunctionType) -> FunctionType:
    code = original_code(function)
    cells = tuple([CellType() for _ in code.co_freevars])
    return FunctionType(code, function.__globals__, function.__name__, None, cells)


def name_of(function: FunctionType, lineno: int) -> str:
    """A driver's name for a place in a helper."""
    return re.sub(r"[<>]", "", f"{function.__qualname__.replace('<locals>.', '')}_{lineno}")


class LoopPortal(ImplicitPortal):
    """One loop of a helper, for iterators of certain kinds."""

    def __init__(self, header: Header, driver: ImplicitDriver, layout: PortalLayout, kinds: tuple[Kind, ...]) -> None:
        self.header = header
        self.kinds = kinds
        super().__init__(header.function, driver, layout, header.caller)

    def _parameter_changed(self, _name: str) -> None:
        self.header.tune()

    def key(self, greens: Sequence[Any]) -> tuple[Any, ...]:
        """One loop has one key, another than those of the function's other loops."""
        return (self.merge_start, *self.kinds)

    def comes_first(self, key: Any, greens: Sequence[Any]) -> bool:
        """As for other portals; but entries do not count, as a recording that leaves the loop is no root of it."""
        is_awaited = super().comes_first(key, greens)
        if is_awaited:
            loop = self.loop_of(key, ())
            loop.entries = 0
            loop.count = math.ceil(wanted_back_edges(loop))
        return is_awaited

    def given_up(self, loop: Loop) -> None:
        """What cannot be recorded is called: at CPython's speed, and without a way through the runtime."""
        if loop.piece is None and loop.attempts >= MOST_ATTEMPTS:
            notes = jitcode_for(self.layout.code).notes
            notes.setdefault("called, not traced", f"recordings of its loop in line {self.layout.lineno} were given up")


class Header:
    """The header of a helper's loop: a portal for each combination of kinds of the iterators on the operand stack.

    Attributes:
        function: The helper.
        caller: The portal whose trace came here first.
        index: Byte offset of the header.
        depth: Height of the operand stack there.
        red_numbers, maybe_unbound: The locals that are alive there, the free variables; those that may be unbound.
        ticker: What the helper's twin steps here.
    """

    def __init__(self, function: FunctionType, caller: Portal, index: int) -> None:
        code = original_code(function)
        jitcode = jitcode_for(code)
        self.function = _without_cells(function)
        self.caller = caller
        self.index = index
        self.depth = jitcode.depths[index]
        lineno = jitcode.instructions[jitcode.positions[index]].lineno
        self._name = name_of(function, lineno)
        self._layout = _layout(jitcode, index, lineno)
        self.red_numbers = self._layout.red_numbers
        self.maybe_unbound = self._layout.maybe_unbound
        self.ticker = Ticker(Marker(False))
        self._namespace = function.__globals__
        self._portals: dict[tuple[Kind, ...], LoopPortal] = {}
        self._until_look = 0

    @property
    def portals(self) -> list[LoopPortal]:
        """Those there are."""
        return list(self._portals.values())

    def portal_for(self, kinds: tuple[Kind, ...]) -> LoopPortal:
        """The portal for these kinds; beyond `_MOST_KINDS` iterators are given as they are."""
        portal = self._portals.get(kinds)
        if portal is None:
            if len(self._portals) >= _MOST_KINDS:
                kinds = (None,) * self.depth
            driver = ImplicitDriver(self._name, f"loop in line {self._layout.lineno}", self.caller.driver.params)
            portal = self._portals.setdefault(kinds, LoopPortal(self, driver, self._layout, kinds))
        return portal

    def tune(self) -> None:
        """A parameter has changed, or there is code now."""
        portals = self.portals
        has_code = any(loop.piece is not None for portal in portals for loop in portal.loops.values())
        params = self.caller.driver.params
        always = has_code or 0 < params.threshold < PERIOD
        marker = self.ticker.marker
        marker.stride = STRIDE if always and not params.threshold else 1
        marker.weight = marker.stride if always else PERIOD
        self._until_look = 0
        self.ticker.set_always(always)

    def wants(self, kinds: tuple[Kind, ...]) -> None:
        """The next time round with these kinds is to be recorded."""
        portal = self.portal_for(kinds)
        portal.comes_first(portal.key(()), ())
        self._until_look = 0

    # --- what the twin calls ------------------------------------------------------------------------------------------

    def tick(self, marker: Marker, *stack: Any) -> Header | None:
        """The marker was met with this operand stack: something if machine code or a recording is due."""
        if sys._getframe(1).f_globals is not self._namespace:
            return None  # the twin is that of a code object, which functions with other globals may share
        if self._until_look > 1:
            self._until_look -= 1
            return None
        portal = self.portal_for(kinds_of(stack))
        loop = portal.loop_of(portal.key(()), ())
        if loop.piece is None:
            self._until_look = marker.stride
            wanted = portal.look(loop, marker) is not None
        else:
            wanted = portal.driver.params.enable
        return self if wanted and FRAMES.left.value > ROOM else None

    def request(self, _token: Header, values: list[Any]) -> Request:
        """What the twin returns; `values` are the reds with the operand stack behind them."""
        start = len(self.red_numbers)
        kinds = take_apart_own(values, start)
        portal = self.portal_for(kinds)
        if portal.kinds != kinds:
            values[start:] = put_together_again(kinds, values[start:])
        return Request(portal.loop_of(portal.key(()), ()), values)


class _Headers:
    """The headers of one code object."""

    __slots__ = ("by_index", "code", "namespace")

    def __init__(self, code: CodeType, namespace: dict[str, Any]) -> None:
        self.code = code
        self.namespace = namespace
        self.by_index: dict[int, Header] = {}


_known: dict[int, _Headers] = {}
"""By the id() of the code, as for twins."""
_lock = threading.Lock()


def loop_portals() -> list[LoopPortal]:
    """All there are."""
    headers = [header for known in list(_known.values()) for header in list(known.by_index.values())]
    return [portal for header in headers for portal in header.portals]


def headers_of(function: FunctionType) -> Mapping[int, Header]:
    """The headers of a function by their byte offsets."""
    headers = _known.get(id(original_code(function)))
    if headers is None or headers.namespace is not function.__globals__:
        return NO_HEADERS
    return headers.by_index


def make_header(caller: Portal, function: FunctionType, index: int, kinds: tuple[Kind, ...]) -> bool:
    """Make the loop whose header is at a byte offset an implicit portal, if it can be one; its code is wanted next.

    Args:
        caller: Whose trace came there.
        function: The helper.
        index: The header's first instruction.
        kinds: Of the iterators on the operand stack.
    """
    code = original_code(function)
    with _lock:
        known = _known.get(id(code)) or _Headers(code, function.__globals__)
        if known.namespace is not function.__globals__ or not _can_be_entered(jitcode_for(code), index):
            return False
        header = known.by_index.get(index)
        if header is None:
            header = Header(function, caller, index)
            headers = known.by_index = {**known.by_index, index: header}
            _known[id(code)] = known
            replace_twin(code, lambda: build_implicit_twin(code, tuple(headers.values())))
    header.wants(kinds)
    return True


def _layout(jitcode: JitCode, index: int, lineno: int) -> PortalLayout:
    reds = tuple(sorted({*jitcode.live_locals[index], *jitcode.free_registers}))
    bound = definitely_bound(jitcode, index)
    unbound = frozenset([number for number in reds if not bound >> number & 1])
    names = tuple([jitcode.local_names[number] for number in reds])
    return PortalLayout(jitcode.code, None, index, index, {}, (), (), reds, unbound, names, lineno, (), True)


def _can_be_entered(jitcode: JitCode, index: int) -> bool:
    bound = definitely_bound(jitcode, index)
    stack = range(jitcode.n_locals, jitcode.n_locals + jitcode.depths[index])
    return all(bound >> slot & 1 for slot in stack) and not _is_in_handler(jitcode, jitcode.positions[index])


def _is_in_handler(jitcode: JitCode, wanted: int) -> bool:
    """Whether an exception may be handled at a position."""
    instructions = jitcode.instructions
    pending = [(position + 1, 1) for position, each in enumerate(instructions) if each.op == "push_exc_info"]
    reached: set[tuple[int, int]] = set()
    while pending:
        position, level = pending.pop()
        if (position, level) in reached or position >= len(instructions):
            continue
        reached.add((position, level))
        if position == wanted:
            return True
        instruction = instructions[position]
        if instruction.op == "push_exc_info":
            continue  # where it leads is looked at on its own; what comes behind its end is inside of the outer one
        level -= instruction.op == "pop_except"
        if level == 0:
            continue
        if instruction.op in JUMPS:
            pending.append((instruction.arg, level))
        if instruction.op not in NO_FALL_THROUGH:
            pending.append((position + 1, level))
    return False
