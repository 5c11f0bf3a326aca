"""Loops of helpers that have traces of their own, without their author: implicit portals.

A helper is a function that a trace looks into and that is no portal. When a recording has gone round a loop of it
`max_unroll_loops` times, the loop's header (where its backward jump leads) becomes a merge point without greens; its
reds are the locals that are alive there, the function's free variables and the operand stack, which holds the iterators
of `for` loops. From then on

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

from metatracer.frontend.decode import jitcode_for
from metatracer.frontend.liveness import JUMPS, NO_FALL_THROUGH
from metatracer.recorder.frames import NO_HEADERS
from metatracer.runtime.hotness import wanted_back_edges
from metatracer.runtime.implicit_twin import build_implicit_twin
from metatracer.runtime.portal import Portal
from metatracer.runtime.portal_layout import PortalLayout, definitely_bound
from metatracer.runtime.twin import replace_twin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType

    from metatracer.frontend.jitcode import JitCode
    from metatracer.params import Parameters
    from metatracer.runtime.loops import Loop
    from metatracer.runtime.tick import Marker

_MOST_ATTEMPTS = 3
"""Recordings of a loop given up in a row: then its helper is called."""


class ImplicitDriver:
    """What a portal needs of its driver. The parameters are those of the driver whose trace came to the loop first."""

    greens: tuple[str, ...] = ()
    confirm_enter_jit = None

    def __init__(self, name: str, lineno: int, params: Parameters) -> None:
        self.name = name
        self.params = params
        self._location = f"loop in line {lineno}"

    def printable_location(self, greens: Sequence[object]) -> str:
        """The loop's place."""
        return self._location


class ImplicitPortal(Portal):
    """One loop of a helper.

    Its frames belong to a function of its own, which nobody else can change and which has empty cells for free variables.
    """

    is_implicit = True

    def __init__(self, function: FunctionType, driver: ImplicitDriver, layout: PortalLayout, caller: Portal) -> None:
        super().__init__(function, driver, layout, caller.drive)
        self.frozen = caller.frozen
        ask, namespace = self.tick, function.__globals__

        def tick(marker: Marker) -> Loop | None:
            # The twin is that of a code object, which functions with other globals may share.
            loop = ask(marker)
            return loop if loop is None or sys._getframe(1).f_globals is namespace else None

        self.tick = tick

    @property
    def marker(self) -> Marker:
        """What the ticker of its back-edges gives."""
        return self._back_edge.marker  # type: ignore[no-any-return]

    def key(self, greens: Sequence[Any]) -> tuple[Any, ...]:
        """One loop has one key, another than those of the function's other loops."""
        return (self.merge_start,)

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
        if loop.piece is None and loop.attempts >= _MOST_ATTEMPTS:
            notes = jitcode_for(self.layout.code).notes
            notes.setdefault("called, not traced", f"recordings of its loop in line {self.layout.lineno} were given up")


class _Headers:
    """The implicit portals of one code object."""

    __slots__ = ("code", "namespace", "portals")

    def __init__(self, code: CodeType, namespace: dict[str, Any]) -> None:
        self.code = code
        self.namespace = namespace
        self.portals: dict[int, ImplicitPortal] = {}


_known: dict[int, _Headers] = {}
"""By the id() of the code, as for twins."""
_lock = threading.Lock()


def implicit_portals() -> list[ImplicitPortal]:
    """All there are."""
    return [portal for headers in list(_known.values()) for portal in list(headers.portals.values())]


def headers_of(function: FunctionType) -> Mapping[int, ImplicitPortal]:
    """The implicit portals of a function by the byte offsets of their headers."""
    headers = _known.get(id(function.__code__))
    if headers is None or headers.namespace is not function.__globals__:
        return NO_HEADERS
    return headers.portals


def make_header(caller: Portal, function: FunctionType, index: int) -> bool:
    """Make the loop whose header is at a byte offset an implicit portal, if it can be one; its code is wanted next.

    Args:
        caller: Whose trace came there.
        function: The helper.
        index: The header's first instruction.
    """
    code = function.__code__
    with _lock:
        headers = _known.get(id(code)) or _Headers(code, function.__globals__)
        if headers.namespace is not function.__globals__:
            return False
        portal = headers.portals.get(index)
        if portal is None:
            portal = _made(caller, function, index)
            if portal is None:
                return False
            _known[id(code)] = headers
            portals = headers.portals = {**headers.portals, index: portal}
            replace_twin(code, lambda: build_implicit_twin(code, tuple(portals.values())))
    portal.comes_first(portal.key(()), ())
    return True


def _made(caller: Portal, function: FunctionType, index: int) -> ImplicitPortal | None:
    code = function.__code__
    jitcode = jitcode_for(code)
    if not _can_be_entered(jitcode, index):
        return None
    name = re.sub(r"[<>]", "", function.__qualname__.replace("<locals>.", ""))
    lineno = jitcode.instructions[jitcode.positions[index]].lineno
    driver = ImplicitDriver(f"{name}_{lineno}", lineno, caller.driver.params)
    cells = tuple([CellType() for _ in code.co_freevars])
    own = FunctionType(code, function.__globals__, function.__name__, None, cells)
    return ImplicitPortal(own, driver, _layout(jitcode, driver, index, lineno), caller)


def _layout(jitcode: JitCode, driver: ImplicitDriver, index: int, lineno: int) -> PortalLayout:
    alive = {*jitcode.live_locals[index], *jitcode.free_registers}
    reds = (*sorted(alive), *range(jitcode.n_locals, jitcode.n_locals + jitcode.depths[index]))
    bound = definitely_bound(jitcode, index)
    unbound = frozenset([number for number in reds if not bound >> number & 1])
    names = tuple([jitcode.local_names[number] for number in reds if number < jitcode.n_locals])
    return PortalLayout(jitcode.code, driver, index, index, {}, (), (), reds, unbound, names, lineno, (), True)


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
