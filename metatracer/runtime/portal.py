"""A portal at run time: the counters behind its ticks, its loops, and what the recorder asks of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metatracer.errors import UsageError
from metatracer.frontend.code_reader import local_names
from metatracer.frontend.decode import jitcode_for
from metatracer.ir.values import NULL_OBJECT, Const, Site
from metatracer.recorder.frames import ResumeFrame
from metatracer.recorder.polymorphism import Polymorphism
from metatracer.runtime.hotness import back_edges_pay, charge, entries_pay, wanted_entries
from metatracer.runtime.iterators import put_together_again, taken_apart
from metatracer.runtime.loops import Loop
from metatracer.runtime.newcomers import Newcomer, Newcomers, only_held_by
from metatracer.runtime.tick import BY_VALUE, STRIDE, Marker, make_tick
from metatracer.runtime.ticker import PERIOD, Ticker
from metatracer.statistics import LoopRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FunctionType

    from metatracer.ir.values import LoopRef, Operation
    from metatracer.jit import JitDriver
    from metatracer.recorder.frames import Kind
    from metatracer.runtime.implicit import ImplicitDriver
    from metatracer.runtime.portal_layout import PortalLayout
    from metatracer.runtime.scattered import Keys

_HEAP_TYPE = 1 << 9
_MOST_COLD_LOOPS = 20_000
_SOME_LOOPS = 256
"""From so many on it is asked, each time they have doubled, which cold ones have greens that nobody else refers to."""
_MOST_IN_VAIN = 4000
"""Visits in a row that found no code, at which a portal that has some asks at each. One costs a third of a microsecond."""
_MOST_WAITING = 3
"""Recordings that wait for the code of one callee."""
_SEVERAL = 4
"""Iterations of an inner loop for each of an outer one."""


class Request:
    """What a portal's twin returns instead of driving a loop itself: the drive loop that runs the twin does it."""

    __slots__ = ("loop", "values")

    def __init__(self, loop: Loop, values: list[Any]) -> None:
        self.loop = loop
        self.values = values


def result_of(outcome: tuple[BaseException | None, Any]) -> Any:
    """What a frame that was run gave: (exception, value) of `drive`. Raises the exception."""
    exception, value = outcome
    del outcome
    if exception is None:
        return value
    try:
        raise exception
    finally:
        del exception  # its traceback refers to this frame


class Portal:
    """One portal function (or one loop of a helper: `implicit`).

    Attributes:
        function: The author's function object.
        driver: Its JitDriver.
        layout: Where its merge point is.
        loops: By green key. newcomers: Keys that have none yet.
        failed_with: Green keys of guards that failed at the merge point, by the context in which it was reached.
        frozen: Lists whose items never change (`_immutable_fields_ = ['x[*]']`) that traces have met, by id(). Bridges
            meet them as constants of their parents, not as contents of the field that says so.
        polymorphism: Where its guests take many values and ways.
        drive: Runs a loop to the end of the portal's frame (`driver.drive`).
        only_looks: Recordings that begin here are thrown away (`scouting`).
        is_implicit: Its author has not made it one. kinds: Then, of what lies on the operand stack at the merge point.
        tick: What rewritten code calls at a marker, `tick(marker, *greens)`: a token if machine code or a recording is due.
    """

    is_implicit = False
    only_looks = False
    kinds: tuple[Kind, ...] = ()

    def __init__(
        self,
        function: FunctionType,
        driver: JitDriver | ImplicitDriver,
        layout: PortalLayout,
        drive: Callable[[Loop, list[Any]], tuple[BaseException | None, Any]],
    ) -> None:
        self.function = function
        self.driver = driver
        self.layout = layout
        self.drive = drive
        self.loops: dict[Any, Loop] = {}
        self.newcomers = Newcomers(len(layout.green_numbers), self._check_greens)
        self._sweep_at = _SOME_LOOPS
        self._passed: set[int] = set()
        self.failed_with: dict[int, Keys] = {}
        self.frozen: dict[int, list[Any]] = {}
        self.polymorphism = Polymorphism()
        self.merge_start = layout.merge_start
        self.merge_end = layout.merge_end
        self.skips = layout.skips
        self.green_numbers = layout.green_numbers
        self.red_numbers = layout.red_numbers
        self.maybe_unbound = layout.maybe_unbound
        self.n_locals = len(local_names(layout.code))
        self._entry = Ticker(Marker(True))
        self._back_edge = Ticker(Marker(False))
        self._marker = Marker(False)
        self.tick = make_tick(self, len(self.green_numbers))
        driver.params.watch(self._parameter_changed)
        self._parameter_changed("")

    # --- what rewritten code uses -------------------------------------------------------------------------------------

    @property
    def entry_ticker(self) -> Any:
        """Stepped at function entry."""
        return self._entry.iterator

    @property
    def back_edge_ticker(self) -> Any:
        """Stepped at back-edges."""
        return self._back_edge.iterator

    def refill(self) -> Any:
        """Never needed: the tickers have no end."""
        return self._marker

    def request(self, loop: Loop, values: list[Any]) -> Request:
        """What the twin returns."""
        return Request(loop, values)

    def look(self, loop: Loop | Newcomer, marker: Marker) -> Loop | None:
        """A loop without code was met as often as `marker` wants: count, and say whether a recording is due."""
        if not self.driver.params.enable:
            return None
        marker.in_vain += marker.stride
        if marker.in_vain > _MOST_IN_VAIN and marker.stride == STRIDE:
            self._ask_seldom(marker)
        if isinstance(loop, Newcomer) and not loop.is_new:
            loop = marker.last = self.loop_of(loop.key, loop.values())
        loop.until_look = marker.stride
        charge(loop)
        if marker.is_entry:
            loop.entries += marker.weight
        else:
            loop.count += marker.weight
        if isinstance(loop, Newcomer):
            loop.is_new = False
            return None
        if marker.is_entry:
            due = entries_pay(loop)
        else:
            loop.record.back_edges += marker.weight
            due = back_edges_pay(loop)
        return loop if due and not loop.is_recording else None

    def found(self, marker: Marker) -> None:
        """A visit has found code behind others that did not."""
        marker.in_vain = 0
        if marker.weight == PERIOD:
            self._parameter_changed("")

    def _ask_seldom(self, marker: Marker) -> None:
        """Asking at each visit costs more than it finds: only one of `PERIOD` asks, until one has found code again."""
        for ticker in (self._entry, self._back_edge):
            if ticker.marker is marker:
                marker.stride, marker.weight = 1, PERIOD
                ticker.set_always(False)

    # --- keys and loops -----------------------------------------------------------------------------------------------

    def key(self, greens: Sequence[Any]) -> tuple[Any, ...]:
        """The green key: small builtin values by value and class, other objects by identity."""
        return tuple([(type(green), green) if type(green) in BY_VALUE else id(green) for green in greens])

    def find(self, key: tuple[Any, ...], greens: tuple[Any, ...]) -> Loop | Newcomer:
        """What a visit with a green key that has no loop counts for."""
        params = self.driver.params
        if params.threshold or params.function_threshold:
            return self._new_loop(key, greens)
        return self.newcomers.get(key, greens)

    def _new_loop(self, key: Any, greens: tuple[Any, ...]) -> Loop:
        self._check_greens(greens)
        if len(self.loops) > _MOST_COLD_LOOPS:
            self.keep_loops(lambda loop: loop.is_in_use)
        elif len(self.loops) > self._sweep_at:
            self._let_go()
        loop = self.loops[key] = Loop(self, key, greens)
        self.newcomers.becomes(loop)
        return loop

    def _let_go(self) -> None:
        """Forget cold loops that can never be met again, as nobody else refers to their greens."""
        cold = [loop for loop in self.loops.values() if not loop.is_in_use and loop.record.status == "counting"]
        gone = {id(cold[number]) for number, _ in only_held_by([loop.greens for loop in cold])}
        if gone:
            self.keep_loops(lambda loop: id(loop) not in gone)
        self._sweep_at = max(_SOME_LOOPS, 2 * len(self.loops))

    def _check_greens(self, greens: tuple[Any, ...]) -> None:
        for name, green in zip(self.driver.greens, greens, strict=True):
            # Instances of the author's classes that compare by value (dataclasses, say) are told apart by identity all the same.
            if type(green).__hash__ is None and not type(green).__flags__ & _HEAP_TYPE:
                code = self.layout.code
                raise UsageError(
                    f"the green {name!r} of driver {self.driver.name} is a {type(green).__name__}, which cannot be "
                    "hashed; greens must be immutable: pass a tuple, bytes or an object instead",
                    code.co_filename,
                    self.layout.lineno,
                )

    def keep_loops(self, wanted: Callable[[Loop], bool]) -> None:
        """Forget all loops but the wanted ones: where they are met again, they begin anew."""
        self.loops = {key: loop for key, loop in self.loops.items() if wanted(loop)}
        self._entry.marker.last = self._back_edge.marker.last = None

    def loop_of(self, key: Any, greens: tuple[Any, ...]) -> Loop:
        """The loop of a key; made if need be."""
        return self.loops.get(key) or self._new_loop(key, greens)

    def new_record(self, greens: tuple[Any, ...]) -> LoopRecord:
        """A record for `explain`."""
        return LoopRecord(
            self.driver.name, self.driver.printable_location(greens), self.layout.code.co_filename, self.layout.lineno
        )

    def records_of_newcomers(self) -> list[LoopRecord]:
        """Records of keys that were looked at once, unless there are very many of these."""
        if self.newcomers.is_scattered():
            return []
        records = []
        for newcomer in list(self.newcomers.known.values()):
            record = self.new_record(newcomer.values())
            record.back_edges = newcomer.count
            records.append(record)
        return records

    def note_passed(self, guard: Operation) -> None:
        """There is a bridge for any values of the greens that a guard at the merge point asks for."""
        assert guard.snapshot is not None
        top = guard.snapshot.frames[-1]
        for place, number in enumerate(self.green_numbers):
            if not isinstance(top.locals[top.numbers.index(number)], Const):
                self._passed.add(place)

    def short_lived_greens(self) -> list[dict[str, Any]]:
        """See `driver.short_lived_greens`."""
        met = self.newcomers
        return [
            {
                "driver": self.driver.name,
                "filename": self.layout.code.co_filename,
                "lineno": self.layout.lineno,
                "green": self.driver.greens[number],
                "kind": met.kinds[number],
                "values": met.different[number],
                "keys": met.met,
                "keys_met_again": met.met_again,
            }
            for number in sorted({*met.short_lived(), *self._passed})
        ]

    def code_appeared(self) -> None:
        """From now on every visit must ask whether there is code for it."""
        self._parameter_changed("")

    def _parameter_changed(self, _name: str) -> None:
        params = self.driver.params
        has_code = self._has_code()
        is_counted = bool(params.threshold or params.function_threshold)  # what the user has set is a plain count
        for ticker, threshold in ((self._entry, params.function_threshold), (self._back_edge, params.threshold)):
            marker = ticker.marker
            marker.in_vain = 0
            always = has_code or 0 < threshold < PERIOD
            marker.stride = 1 if is_counted or not always else STRIDE
            marker.weight = marker.stride if always else PERIOD
            ticker.set_always(always)

    def _has_code(self) -> bool:
        return any(loop.piece is not None for loop in self.loops.values())

    # --- what the recorder asks -----------------------------------------------------------------------------------------

    def compiled_loop(self, key: Any, *, joints: bool = True) -> LoopRef | None:
        """The name of the loop with this key if it has valid code; perhaps not if that is a joint."""
        loop = self.loops.get(key)
        return loop.ref if loop is not None and loop.piece is not None and (joints or not loop.ref.is_joint) else None

    def comes_rarely(self, key: Any, other: Any) -> bool:
        """Whether the back-edges to one key, which has no code, have been few beside those to another one."""
        loop, often = self.loops.get(key), self.loops.get(other)
        return often is not None and (loop is None or (loop.piece is None and loop.count * _SEVERAL <= often.count))

    def site(self, greens: Sequence[Any], lineno: int) -> Site:
        """Where the guest stands."""
        return Site(
            self.driver.name, self.driver.printable_location(greens), self.layout.code.co_filename, lineno
        )

    def may_inline(self, key: Any) -> bool:
        """Whether calls that begin at this key are looked into."""
        loop = self.loops.get(key)
        return loop is None or loop.may_inline

    def refuse_inlining(self, key: Any, greens: Sequence[Any]) -> None:
        """Calls that begin at this key are made as calls from now on; its code is wanted next."""
        self.loop_of(key, tuple(greens)).may_inline = False
        self.comes_first(key, greens)

    def may_unwind(self, key: Any) -> bool:
        """Whether a call of a loop is to unwind its callers when the loop leaves its machine code."""
        return self.loops[key].may_unwind

    def comes_first(self, key: Any, greens: Sequence[Any]) -> bool:
        """Ask for code of a loop that a recording wants to call; says whether it is worth waiting for."""
        loop = self.loop_of(key, tuple(greens))
        if loop.piece is not None or loop.attempts or loop.waited_for >= _MOST_WAITING:
            return False
        loop.waited_for += 1
        loop.entries = int(wanted_entries(loop)) + 1
        loop.spent = math.inf
        loop.until_look = 0
        return True

    def note_joint(self, key: Any, greens: Sequence[Any]) -> None:
        """Where the ways of a tree meet again something of its own begins, which may be no loop of the guest's."""
        loop = self.loop_of(key, tuple(greens))
        if loop.piece is None and not loop.count:
            loop.ref.is_joint = True

    def run_from_merge_point(self, values: list[Any]) -> Any:
        """Run a frame of the portal from its merge point to its end (for recorded calls)."""
        greens = tuple(values[: len(self.green_numbers)])
        loop = self.loop_of(self.key(greens), greens)
        return result_of(self.drive(loop, values))

    def given_up(self, loop: Loop) -> None:
        """A recording of the loop was given up."""

    def takes(self, loop: Loop, kind: str) -> bool:
        """Whether a recording that ended so (`Recorded.kind`) is to be the loop's root."""
        return True

    def frame_at_merge_point(self, values: Sequence[Any]) -> ResumeFrame:
        """The frame that has these values at the merge point."""
        bound: list[Any] = [NULL_OBJECT] * self.n_locals
        numbers = self.green_numbers + self.red_numbers
        for number, value in zip(numbers, values, strict=False):
            bound[number] = value
        start, stack = self.merge_start, put_together_again(self.kinds, values[len(numbers) :])
        return ResumeFrame(jitcode_for(self.layout.code), self.function, start, start, tuple(bound), tuple(stack))

    def values_of(self, frame: ResumeFrame) -> list[Any]:
        """Greens and reds of a frame that stands at the merge point, as its loop was given them."""
        bound = frame.locals
        values = [bound[number] for number in self.green_numbers + self.red_numbers]
        return values + taken_apart(self.kinds, frame.stack)
