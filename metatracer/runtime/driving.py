"""The drive loop: into machine code, out of it, through resume twins, and in again.

A portal's hot place calls `drive(loop, values)`. From there on one loop of this module runs the portal's frame to its
end, whatever happens: machine code exits with frames to be continued, twins of these frames run until they return,
raise or ask for machine code again. The frames that wait are a list, so neither the Python stack nor the C stack grows
with the number of entries and exits.

This module loads all that native code needs, and is itself loaded when something first becomes hot.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import traceback
from time import perf_counter
from typing import TYPE_CHECKING, Any

from metatracer import hooks, log
from metatracer.backend.compile import set_exit_handler
from metatracer.backend.llvm import loading_problem
from metatracer.backend.once import once
from metatracer.backend.support import FORMATS, StackFull, Unwound, set_recursion_handler, set_stack_handlers
from metatracer.backend.threadstate import FRAMES, MORE_FRAMES, give_to_generator, pop_exc_info
from metatracer.errors import AbortReason, RecordingAborted
from metatracer.ir.known import known_classes
from metatracer.ir.shapes import put_together
from metatracer.ir.values import NULL_OBJECT, VirtualSequence
from metatracer.params import set_param
from metatracer.platforms import warn_untraced
from metatracer.recorder.frames import AGAIN
from metatracer.recorder.kept import FINISHING, abandon
from metatracer.recorder.metainterp import Limits
from metatracer.recorder.polymorphism import Branches, merge_context
from metatracer.recorder.record import record_bridge, record_loop
from metatracer.recorder.tracebacks import without_toolkit
from metatracer.runtime import assumptions, hotness, replacing
from metatracer.runtime.compiling import NotRepeated, install_recorded, note_abort, note_miss
from metatracer.runtime.host import RecordingHost
from metatracer.runtime.hotness import CLOCK
from metatracer.runtime.joints import passed_by
from metatracer.runtime.loops import GUARDS, GuardState, Loop, Version, began, ended
from metatracer.runtime.pace import Pace
from metatracer.runtime.portal import Request, result_of
from metatracer.runtime.scattered import keys_of
from metatracer.runtime.scouting import MOST_LOOKED_AT, recording_begins
from metatracer.runtime.tiers import attend
from metatracer.runtime.twin import twin_for
from metatracer.runtime.unentered import frame_of_callee
from metatracer.runtime.versions import visit
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from metatracer.params import Parameters
    from metatracer.recorder.frames import ResumeFrame
    from metatracer.recorder.metainterp import Recorded
    from metatracer.recorder.record import Ended
    from metatracer.runtime.portal import Portal

_exit_log = log.section("exit")
_ROOM_AT_EXIT = 200
"""Frames that may be needed to understand an exit, with a recording from there."""
_FRAMES_BELOW = 6
"""Frames on the stack below that of a twin: the portal's own, which waits, and five of the runtime. The guest's frames that wait
in a list are not on it, so a guest reaches its recursion limit where it would untraced, more or less."""
_recording = threading.local()


@once
def _can_compile() -> bool:
    """Whether this process can have machine code. If not, that is told, and nothing is recorded.

    Found out before the first recording: what fails while guest and recorder are at work might be taken for the guest's.
    """
    with MORE_FRAMES, hotness.Compiling():
        reason = loading_problem()
    if reason:
        set_param(None, "enable", False)
        with contextlib.suppress(Warning):
            warn_untraced(reason)
    return not reason


class _Driving:
    """One portal frame on its way to its end.

    Attributes:
        frames: Frames that wait for the one above them, outermost first; the last one is next.
        exception: To be thrown into the next frame.
        result: To be given to the next frame; `fresh` says instead that it goes on where it stands.
        request: The loop to enter next (then `values` are its greens and reds).
        exits: Exit tuples not looked at yet. Machine code puts its tuple here without returning to the interpreter
            in between, where a signal handler could raise and the tuple be lost.
        ticket: Of the machine code that is being run (`loops.began`), 0 if none.
        left: The guard of the last exit, or the loop without code that it was to, until what it costs is known; left_at: When
            that was, in `hotness.interpreter_time`.
    """

    __slots__ = ("exception", "exits", "frames", "fresh", "left", "left_at", "request", "result", "ticket", "values")

    def __init__(self) -> None:
        self.frames: list[ResumeFrame] = []
        self.exception: BaseException | None = None
        self.result: Any = None
        self.fresh = False
        self.request: Loop | None = None
        self.values: list[Any] = []
        self.exits: list[tuple[Any, ...]] = []
        self.ticket = 0
        self.left: GuardState | Loop | None = None
        self.left_at = 0.0

    def run(self) -> tuple[BaseException | None, Any]:
        """Run to the end; gives (exception, value)."""
        while True:
            try:
                while True:
                    if self.exits:
                        if FRAMES.left.value > _ROOM_AT_EXIT:
                            self._take_exit()
                        else:
                            with MORE_FRAMES:
                                self._take_exit()
                    elif self.request is not None:
                        self._enter()
                    elif self.frames:
                        self._continue_frame()
                    else:
                        self._charge()
                        return self._take_outcome()
            except BaseException as arrived:  # noqa: BLE001 - a signal handler's exception belongs to the guest
                caught = [arrived]
            with MORE_FRAMES:
                self._interrupted(caught.pop())

    def _take_outcome(self) -> tuple[BaseException | None, Any]:
        """The frames of the exception's traceback know those that run this: it must not be found here any more."""
        outcome = self.exception, self.result
        self.exception = self.result = None
        return outcome

    # --- in ---------------------------------------------------------------------------------------------------------------

    def _enter(self) -> None:
        loop = self.request
        assert loop is not None
        self.ticket = began()  # from here until the exit has been understood no code is freed
        piece = loop.piece
        replacement = loop.replacement
        if replacement is not None:
            if piece is None:
                piece = replacement.recover()
            elif self._may_challenge(loop) and replacement.claim():
                self._left_code()
                with MORE_FRAMES, hotness.Compiling():
                    self._record_loop(loop)
                return
        if piece is None:
            self._left_code()
            if self._may_record(loop):
                with MORE_FRAMES, hotness.Compiling():
                    self._record_loop(loop)
            else:
                self._interpret(loop)
            return
        self._charge()
        n_greens = len(loop.portal.green_numbers)
        start, before = hotness.interpreter_time(), CLOCK.machine
        reds = self.values[n_greens:]
        self.values = []
        self.request = None
        STATISTICS.loop_entries += 1
        loop.record.entries += 1
        enter = piece.code.enter
        assert enter is not None
        try:
            self.exits.extend(map(enter, (reds,)))
        except StackFull:
            self._go_on_without_code(loop, reds)
        finally:
            hotness.was_machine_code(start)
            if loop.pace is not None:
                loop.pace.machine += CLOCK.machine - before

    def _go_on_without_code(self, loop: Loop, reds: list[Any]) -> None:
        """There is code for a loop, but nothing left of the C stack to run it on."""
        self.request, self.values = loop, [*loop.greens, *reds]  # from here on an interruption finds the frame
        self._left_code()
        self._interpret(loop)

    def _charge(self) -> None:
        """The time since the last exit was what its guard's failure has cost, or that there is no code."""
        left, self.left = self.left, None
        if isinstance(left, Loop):
            hotness.charge_since(left, self.left_at)
        elif left is not None:
            spent = max(0.0, hotness.interpreter_time() - self.left_at)
            pace = left.piece.loop.base.pace
            if pace is not None and spent < _LONGEST_WAY_BACK:
                pace.outside += spent
            left.spent += spent

    def _left_code(self) -> None:
        if self.ticket:
            ticket, self.ticket = self.ticket, 0
            ended(ticket)

    def _interpret(self, loop: Loop) -> None:
        """Go on from the merge point in the interpreter."""
        self.frames.append(loop.portal.frame_at_merge_point(self.values))
        self.request, self.values = None, []
        self.fresh = True

    def _may_record(self, loop: Loop) -> bool:
        params = loop.portal.driver.params
        if not params.enable or loop.is_recording or getattr(_recording, "active", False):
            return False
        due = hotness.back_edges_pay(loop) or hotness.entries_pay(loop)
        return due and _can_compile() and _is_confirmed(loop, self.values)

    def _may_challenge(self, loop: Loop) -> bool:
        if loop.is_recording or getattr(_recording, "active", False):
            return False
        return bool(loop.portal.driver.params.enable)

    def _record_loop(self, loop: Loop) -> None:
        recording_begins()
        host = RecordingHost()
        portal = loop.portal
        loop.is_recording = _recording.active = True
        STATISTICS.recordings_started += 1
        start = time.perf_counter()
        # While recording runs the guest, nothing here may keep its objects alive: `record_loop` empties the list.
        values, self.request, self.values = self.values, None, []
        try:
            ended_ = record_loop(
                host, portal, _limits(loop), loop.ref, loop.key, portal.function, values, loop.ref.name
            )
        finally:
            loop.is_recording = _recording.active = False
        seconds = time.perf_counter() - start
        STATISTICS.recording_seconds += seconds
        self._recorded(loop, ended_, host, None, seconds)

    # --- out --------------------------------------------------------------------------------------------------------------

    def _take_exit(self) -> None:
        exit_tuple = self.exits.pop()
        number = exit_tuple[0]
        if number <= 0:
            self._left_code()
            self._left_without_guard(number, exit_tuple)
            return
        guard = GUARDS[number]
        left_at = hotness.interpreter_time()
        exception = exit_tuple[1]
        is_unwinding = exception.__class__ is Unwound
        if not is_unwinding:
            self._left_code()
        snapshot = guard.operation.snapshot
        assert snapshot is not None
        if guard.plan is None:
            guard.keys = keys_of(guard.operation)
        rebuilt = guard.rebuild(exit_tuple[2:])
        del exit_tuple
        if is_unwinding:
            # A callee has left its machine code: these frames wait for it, and it goes on from its own exit.
            self.frames.extend(rebuilt.frames)
            self.exits.append(exception.exit)
            _note_unwound(guard, exception.exit)
            return
        guard.failures += 1
        self.left, self.left_at = guard, left_at
        loop = guard.piece.loop
        STATISTICS.guard_exits += 1
        loop.record.guard_exits += 1
        _note_left(loop.base)
        if _exit_log.on:
            _exit_log.write(f"{guard.piece.code.name}: guard {number} {guard.operation.opcode.name} x{guard.failures}")
        if hooks.registered["guard_failure"]:
            record = loop.record
            hooks.fire(
                "guard_failure",
                hooks.GuardFailureEvent(
                    driver=record.driver,
                    location=record.location,
                    filename=record.filename,
                    lineno=record.lineno,
                    guard=number,
                    failures=guard.failures,
                ),
            )
        if not rebuilt.frames:
            assert snapshot.raising is not None
            self._raised(exception or rebuilt.raised())
            return
        left_early = guard.refused and replacing.is_used_up(guard)
        if guard.refused and not (left_early and self._strayed(guard)):
            self._left_for_attention(guard, rebuilt.frames, exception, left_early=left_early)
        elif guard.refused or self._wants_bridge(guard, rebuilt.frames[-1]):
            state = [exception, rebuilt]
            del exception, rebuilt
            with hotness.Compiling():
                self._record_bridge(guard, state)
        else:
            self.frames.extend(rebuilt.frames)
            self.exception, self.fresh = exception, exception is None

    def _strayed(self, guard: GuardState) -> bool:
        """Whether a bridge is to be recorded from the header of a root whose loop has got another one."""
        return not getattr(_recording, "active", False) and replacing.strayed(guard)

    def _left_for_attention(
        self, guard: GuardState, frames: list[ResumeFrame], exception: BaseException | None, *, left_early: bool
    ) -> None:
        """Something wants attention: CPython, an assumption that broke, or whoever looks at roots (`left_early`)."""
        loop = guard.piece.loop
        if guard.operation.opcode.name == "guard_not_invalidated" and not guard.piece.reason:
            _recheck(guard)
        is_early_root = left_early and guard.piece.parent is None
        left_at_entry = guard.piece.reason or is_early_root
        if left_at_entry and _is_entry(guard) and self._waits_for_code(loop.portal, frames):
            if isinstance(loop, Version):
                visit(loop)
        else:
            self.frames.extend(frames)
            self.exception, self.fresh = exception, exception is None
        # From here on the state is complete: what is freed may run code, and signals may come.
        if left_early:
            replacing.used_up(guard)
        attend(guard)

    def _left_without_guard(self, number: int, exit_tuple: tuple[Any, ...]) -> None:
        """The frame has come to its end; or a callee was not entered."""
        if number == 0:
            self.exception, self.result, self.fresh = None, exit_tuple[2], False
        elif number == -1:
            self._raised(exit_tuple[1])
        elif number == _UNENTERED:
            self._enter_after_callers(exit_tuple[1], exit_tuple[2])
        else:
            self.exception, self.result, self.fresh = None, put_together(FORMATS[number].shape, exit_tuple[2:]), False

    def _enter_after_callers(self, loop: Loop, frame: ResumeFrame) -> None:
        """A loop's callers wait on the heap, so that there is room for it on the C stack.

        They may not be more than CPython allows.
        """
        if len(self.frames) >= sys.getrecursionlimit():
            self._raised(RecursionError("maximum recursion depth exceeded"))
        elif not self._waits_for_code(loop.portal, [frame]):
            self.frames.append(frame)
            self.fresh = True

    def _waits_for_code(self, portal: Portal, frames: list[ResumeFrame]) -> bool:
        """Whether code that is not valid (any more, or yet) was left at its entry: that visit counts like any other."""
        if len(frames) != 1 or frames[0].index != portal.merge_start:
            return False
        self.values = portal.values_of(frames[0])
        # A bridge may begin at a merge point, too: where the greens were not those that the parent went on with.
        greens = tuple(self.values[: len(portal.green_numbers)])
        if any(green is NULL_OBJECT for green in greens):
            self.values = []
            return False
        loop = self.request = portal.loop_of(portal.key(greens), greens)
        loop.entries += 1
        if loop.piece is None:
            # No marker of it is met on the way in from machine code: without this it would never be worth compiling.
            self.left = loop
        return True

    def _raised(self, exception: BaseException | None) -> None:
        assert exception is not None
        exception.__traceback__ = without_toolkit(exception.__traceback__)
        self.exception, self.result, self.fresh = exception, None, False

    def _wants_bridge(self, guard: GuardState, frame: ResumeFrame) -> bool:
        params = guard.piece.loop.portal.driver.params
        keys, share = guard.keys, 1.0
        if keys is not None:
            share = keys.note(frame)
            guard.passes = share < 1.0 and keys.may_be_passed(params.promotion_limit)
            if guard.passes:
                share = 1.0
        if guard.bridge is not None or guard.piece.reason or guard.piece.is_retired or not params.enable:
            return False
        if getattr(_recording, "active", False):
            return False
        loop = guard.piece.loop
        if loop.record.bridges >= params.bridge_limit or not hotness.failures_pay(guard, params, share):
            return False
        if guard.is_before_label and guard.bridges_seen != loop.base.branches.total:
            # Each exit of the loop comes in again this way: as long as the loop itself gets bridges, these would be in vain.
            guard.bridges_seen = loop.base.branches.total
            guard.wait = guard.failures + _PATIENCE * hotness.wanted_failures(params)
            return False
        return not _is_given_up(guard)

    def _record_bridge(self, guard: GuardState, state: list[Any]) -> None:
        """Record from the failure with this exception and what was rebuilt; the list is emptied (see `_record_loop`)."""
        recording_begins()
        host = RecordingHost()
        loop = guard.piece.loop
        _recording.active = True
        STATISTICS.recordings_started += 1
        start = time.perf_counter()
        name = f"{loop.ref.name}_bridge_{guard.operation.guard_id}"
        try:
            classes = known_classes(guard.piece.trace, guard.operation)
            ended_ = record_bridge(
                host, loop.portal, _limits(loop), guard.operation, state.pop(), state.pop(), classes, name,
                passes=guard.passes, passes_by=passed_by(guard),
            )  # fmt: skip
        finally:
            _recording.active = False
        seconds = time.perf_counter() - start
        STATISTICS.recording_seconds += seconds
        self._recorded(loop, ended_, host, guard, seconds)

    # --- what recordings leave behind ---------------------------------------------------------------------------------------

    def _recorded(
        self, loop: Loop, ended_: Ended, host: RecordingHost, guard: GuardState | None, seconds: float
    ) -> None:
        """Put a recording in place or give it up, and go on where it left the guest."""
        recorded = ended_.recorded
        if recorded is None:
            self.frames.extend(ended_.frames)
            ended_.frames = []
            self.exception, ended_.exception = ended_.exception, None
            self.fresh = self.exception is None
            assert ended_.aborted is not None
            if guard is None and loop.replacement is not None and loop.replacement.is_recorder():
                loop.replacement.given_up(ended_.aborted)
                return
            self._given_up(loop, ended_.aborted, host, guard)
            return
        own = loop
        if recorded.restarted:
            # The recording began again at an inner loop's header: it is that loop's root.
            own = ended_.own_loop.token
        where = guard if guard is not None and not recorded.restarted else None
        if recorded.kind in ("loop", "jump"):
            reached = recorded.portal
            greens = tuple(recorded.values[: len(reached.green_numbers)])
            self.request = reached.loop_of(recorded.key, greens)
            self.values, recorded.values = recorded.values, []
        elif recorded.kind == "finish":
            self.exception, self.result, self.fresh = None, recorded.values.pop(), False
        else:
            self._raised(recorded.values.pop())
        if guard is None and loop.replacement is not None and loop.replacement.is_recorder():
            loop.replacement.recorded(ended_, host, seconds)
            return
        aborted = None
        if where is None and not _is_wanted(own, recorded):
            return
        try:
            thrown_away = (own.misses + 1) * len(recorded.trace.operations)
            tries_others = where is None and own.misses < _MOST_MISSES and thrown_away <= _MOST_UNREPEATED
            piece = install_recorded(own, ended_, host, where, seconds, repeated_only=tries_others)
            if piece is None:
                aborted = RecordingAborted(AbortReason.ASSUMPTION_BROKEN)
            elif where is None:
                replacing.watch(own)
            else:
                replacing.bridge_added(piece)
                if where.passes and where.keys is not None:
                    where.keys.portal.note_passed(where.operation)
        except NotRepeated:
            own.misses += 1
            note_miss(own, AbortReason.NOT_REPEATED)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is: the guest goes on in the interpreter
            detail = "".join(traceback.format_exception(error)).strip()
            aborted = RecordingAborted(AbortReason.COMPILE_FAILED, detail)
        if aborted is not None:
            note_abort(own, aborted, where)
        if where is not None:
            where.wait = where.failures * loop.portal.driver.params.backoff_factor

    def _given_up(self, loop: Loop, aborted: RecordingAborted, host: RecordingHost, guard: GuardState | None) -> None:
        """What follows from a recording that was given up."""
        if guard is not None and guard.keys is not None and guard.passes and aborted.reason is AbortReason.GREEN_NOT_CONSTANT:
            guard.keys.can_be_passed = False
            return
        note_abort(loop, aborted, guard)
        if aborted.reason in (AbortReason.JOINT_FIRST, AbortReason.CALLEE_FIRST):
            self._wants_code_first(aborted.reason, host)
        if guard is not None:
            _wait(guard, aborted.reason, loop.portal.driver.params)

    def _wants_code_first(self, reason: AbortReason, host: RecordingHost) -> None:
        """What begins where the innermost frame stands, a joint or the entry of a helper, is wanted at once."""
        frame = self.frames.pop()
        portal = host.portal_of(frame.function) if reason is AbortReason.JOINT_FIRST else host.entry_of(frame.function)
        if portal is None or not self._waits_for_code(portal, [frame]):
            self.frames.append(frame)

    # --- frames -----------------------------------------------------------------------------------------------------------

    def _continue_frame(self) -> None:
        frame = self.frames.pop()
        exception, result = self.exception, self.result
        self.exception = self.result = None
        index, stack = frame.index, frame.stack
        if exception is None and not self.fresh:
            if frame.finish is not None:
                exception, result = _finish(frame, result)
            if result is AGAIN:
                index = frame.throw_index
            elif exception is None and frame.pushes:
                stack = (*stack, result)
        elif exception is not None and frame.finish in FINISHING:
            abandon(*frame.kept)
        if exception is not None:
            exception.__traceback__ = without_toolkit(exception.__traceback__)
            if frame.throw_index >= 0:
                index = frame.throw_index
        self.fresh = False
        function = frame.function
        code = frame.jitcode.code
        twin = twin_for(code)
        slot = twin.handling.get(index)
        handled: list[Any] = []
        if slot is not None:
            handled.append(stack[slot])
            stack = (*stack[:slot], None, *stack[slot + 1 :])
        given: list[Any] = [exception, stack, frame.locals]
        del frame, result, exception, stack
        more = FRAMES.give(max(0, _FRAMES_BELOW - len(self.frames)))
        try:
            outcome, value = twin.go_on(function, index, given.pop(), given.pop(), given.pop())
        finally:
            FRAMES.give(-more)
        if handled and outcome is None:
            give_to_generator(value, handled.pop())
        elif handled:  # a signal, say, came before there was a generator
            pop_exc_info(handled.pop())
        if type(value) is Request:
            self.request, self.values = value.loop, value.values
        else:
            self.exception, self.result = outcome, value
        # This frame stays the caller of those in the traceback, so that the exception would be in a cycle.
        del outcome, value

    def _interrupted(self, arrived: BaseException) -> None:
        """An exception came from outside while this loop itself was running: throw it where the guest stands."""
        if not self.exits:
            self._left_code()
        if self.request is not None:
            self.frames.append(self.request.portal.frame_at_merge_point(self.values))
            self.request, self.values = None, []
        while self.exits:
            # Machine code has just exited: its frames first.
            try:
                self._take_exit()
            except BaseException as again:  # noqa: BLE001 - the later one wins, with the earlier as its context
                again.__context__ = arrived
                arrived = again
        if self.exception is not None and arrived.__context__ is None and arrived is not self.exception:
            arrived.__context__ = self.exception
        if self.request is not None:
            self.frames.append(self.request.portal.frame_at_merge_point(self.values))
            self.request, self.values = None, []
        if self.frames and self.frames[-1].throw_index < 0:
            self.frames[-1].throw_index = self.frames[-1].index
        self._raised(arrived)


def _is_entry(guard: GuardState) -> bool:
    """Whether a helper's frame has the iterators that its loop is given in parts, which nobody else refers to; or it has none."""
    kinds = guard.piece.loop.portal.kinds
    if not kinds:
        return True
    assert guard.operation.snapshot is not None
    frames = guard.operation.snapshot.frames
    if guard.piece.parent is not None or len(frames) != 1 or len(frames[0].stack) != len(kinds):
        return False
    given = zip(kinds, frames[0].stack, strict=True)
    return all(kind is None or isinstance(value, VirtualSequence) for kind, value in given)


def _finish(frame: ResumeFrame, result: Any) -> tuple[BaseException | None, Any]:
    try:
        return None, frame.finish(result, *frame.kept)
    except BaseException as error:  # noqa: BLE001 - thrown into the frame
        return error, None


def _is_confirmed(loop: Loop, values: list[Any]) -> bool:
    """Ask the author's `confirm_enter_jit`, which may name greens and reds."""
    driver = loop.portal.driver
    if driver.confirm_enter_jit is None:
        return True
    if driver.confirm_enter_jit(*[None if value is NULL_OBJECT else value for value in values]):
        return True
    if loop.record.status == "counting":
        loop.record.status = "refused"
        loop.record.reason = AbortReason.HOOK_REFUSED.value
    loop.count = loop.entries = 0
    loop.spent = 0.0
    return False


_LONGEST_WAY_BACK = 1e-3
"""Seconds from an exit to the next machine code that are taken for what the exit costs, and not for something else."""
_MOST_UNWOUND = 1000
"""So often in a second: callers do not unwind for a loop that leaves its machine code more often."""


def _note_unwound(guard: GuardState, inner: tuple[Any, ...]) -> None:
    """Callers are interpreted for a while when a callee leaves its machine code: too costly for one that always does."""
    left = GUARDS.get(inner[0])
    if left is None or inner[1].__class__ is Unwound:
        return  # the one that has left is further in
    callee = left.piece.loop.base
    now = time.monotonic()
    if now - callee.unwound_since > 1.0:
        callee.unwound_since, callee.unwound = now, 0
    callee.unwound += 1
    if callee.unwound > _MOST_UNWOUND and callee.may_unwind:
        callee.may_unwind = False
        root = guard.piece
        while root.parent is not None:
            root = root.parent.piece
        root.invalidate("a callee leaves its machine code too often to unwind for it")


_MOST_MISSES = 4
_MOST_UNREPEATED = 512
"""Operations of roots that cannot be peeled, thrown away. Their versions allocate what they are given, only to go on in the root:
beside a long iteration that is little, and recording others costs more."""
_PATIENCE = 8
"""Factor on `trace_eagerness` in front of a loop's label."""
_MOST_CALLEES = 16
"""Recordings of a bridge that are soon done again as a callee had no code. (A recursive evaluator has many.)"""
_MOST_RECHECKS = 500
"""So often may one guard find its polled words changed: as many exits cost about what compiling a loop does."""


def _wait(guard: GuardState, reason: AbortReason, params: Parameters) -> None:
    """A recording of a bridge was given up: what waits for other code is tried again soon, anything else later each time."""
    if reason is AbortReason.CALLEE_FIRST and guard.callees < _MOST_CALLEES:
        guard.callees += 1
        guard.wait = guard.failures + 3
    elif reason is not AbortReason.JOINT_FIRST:
        guard.wait = guard.failures * params.backoff_factor


def _is_wanted(loop: Loop, recorded: Recorded) -> bool:
    """Whether a recording is to become a loop's root."""
    if not loop.portal.takes(loop, recorded.kind):
        return False
    if (recorded.left_loop or recorded.kind in ("finish", "raise")) and _left_the_loop(loop):
        note_miss(loop, AbortReason.LEFT_LOOP if recorded.left_loop else AbortReason.LEFT_PORTAL)
        return False
    if _is_too_short(loop, recorded):
        note_abort(loop, RecordingAborted(AbortReason.LEFT_PORTAL, "what was left of it is short"), None)
        return False
    if replacing.is_to_be_avoided(loop, recorded.trace):
        note_miss(loop, AbortReason.OTHER_WAY)
        return False
    return True


def _left_the_loop(loop: Loop) -> bool:
    """Whether a root that was recorded because of back-edges, and then left the loop, is worth another attempt.

    What is recorded first becomes the root; a loop's rare last iteration must not. Function entries may well end so.
    """
    if loop.entries >= hotness.wanted_entries(loop) or loop.misses >= _MOST_MISSES:
        return False
    loop.misses += 1
    return True


_SHORTEST = 40
"""Operations of a root that returns from its portal. In the interpreter, so few take no longer than entering their code."""


def _is_too_short(loop: Loop, recorded: Recorded) -> bool:
    """Whether what is left of the portal takes no longer than entering its code, for which nothing but the interpreter asks."""
    is_asked_for = loop.waited_for or loop.incoming or loop.entries >= hotness.wanted_entries(loop)
    is_short = recorded.kind == "finish" and len(recorded.trace.operations) < _SHORTEST
    return is_short and not is_asked_for and not loop.portal.driver.params.threshold


def _is_given_up(guard: GuardState) -> bool:
    """Throw a tree away instead of adding a bridge, if recording it again will give a smaller one."""
    loop = guard.piece.loop.base
    if loop.piece is None:
        return False
    portal, params = loop.portal, loop.portal.driver.params
    if loop.branches.total < params.tree_limit and not _grows_in_vain(loop):
        return False
    branches, loop.branches = loop.branches, Branches()
    if not portal.polymorphism.restrict(branches, merge_context(portal, loop.key)):
        return False
    _give_up(loop, "its branches made too many bridges")
    return True


def _grows_in_vain(loop: Loop) -> bool:
    """Whether bridges have not made the exits of a tree fewer; not asked where they are made after plain counts."""
    if loop.portal.driver.params.trace_eagerness:
        return False
    return loop.branches.is_in_vain(hotness.guest_time(), loop.record.guard_exits)


def _note_left(loop: Loop) -> None:
    """Code of a loop's tree was left at a guard: perhaps it is not entered for a while."""
    if loop.pace is not None:
        loop.pace.left(loop)
    elif not loop.portal.driver.params.trace_eagerness:
        loop.pace = Pace()


def _recheck(guard: GuardState) -> None:
    """Polled words were not as expected. Code that asks on and on though all it assumes is true is made anew."""
    piece = guard.piece
    if assumptions.recheck(piece) and guard.failures % _MOST_RECHECKS == 0:
        assumptions.forget(piece)
        piece.invalidate("the words that it polls change too often")


def _give_up(loop: Loop, reason: str) -> None:
    """Throw the tree of a loop away, with the versions that were made from its recording."""
    replacing.cancel(loop)
    loop.recorded = None
    for root in [loop.piece, *[version.piece for version in tuple(loop.versions.values())]]:
        if root is not None:
            root.invalidate(reason)


def _limits(loop: Loop) -> Any:
    params = loop.portal.driver.params
    return Limits(
        trace_limit=min(params.trace_limit, MOST_LOOKED_AT) if loop.portal.only_looks else params.trace_limit,
        tail_limit=params.tail_limit,
        max_inline_depth=params.max_inline_depth,
        max_unroll_recursion=params.max_unroll_recursion,
        max_unroll_loops=params.max_unroll_loops,
        promotion_limit=params.promotion_limit,
        inlining=params.inlining,
        helper_loops=params.helper_loops,
    )


def drive(loop: Loop, values: list[Any]) -> tuple[BaseException | None, Any]:
    """Run a portal's frame from its merge point to its end.

    Args:
        loop: The token that the tick gave.
        values: Greens and reds; taken over.

    Returns:
        (exception, value): what the frame raises, or None and what it returns.
    """
    try:
        driving = _spare.pop()
    except IndexError:
        driving = _Driving()
    if loop.piece is None or loop.replacement is not None:
        driving.request, driving.values = loop, values
        return driving.run()
    # What `_Driving._enter` does, in less than half of the time for a frame that runs to its end in machine code.
    has_entered = has_finished = False
    try:
        driving.ticket = began()  # from here on no code is freed; until here another thread may have done so
        piece = loop.piece
        if piece is None:
            driving._left_code()
            driving.request, driving.values = loop, values
        else:
            enter = piece.code.enter
            assert enter is not None
            exits, reds = driving.exits, values[len(loop.portal.green_numbers) :]
            before = CLOCK.machine
            start = perf_counter() - before - CLOCK.toolkit
            STATISTICS.loop_entries += 1
            loop.record.entries += 1
            has_entered = True
            del values[:]
            try:
                exits.extend(map(enter, (reds,)))
            except StackFull:
                driving._go_on_without_code(loop, reds)
            finally:
                CLOCK.machine = perf_counter() - CLOCK.toolkit - start
                if loop.pace is not None:
                    loop.pace.machine += CLOCK.machine - before
            has_finished = bool(exits) and exits[0][0] == 0
            if has_finished:
                driving._left_code()
                result = exits.pop()[2]
    except BaseException as arrived:  # noqa: BLE001 - a signal handler's exception belongs to the guest
        if not has_entered:
            driving.request, driving.values = loop, values
        caught = [arrived]
    else:
        if has_finished:
            _spare.append(driving)
            return None, result
        return driving.run()
    with MORE_FRAMES:
        driving._interrupted(caught.pop())
    return driving.run()


_UNENTERED = -(1 << 62)
"""In place of a guard's number, for a callee that was not entered; then come its loop and its frame."""


def _run_callee(call: list[Any]) -> Any:
    """The C stack is used up: run a callee in the interpreter. The list, which is emptied: address of its cell, arguments."""
    _, frame = frame_of_callee(call[0], call[1:])
    call.clear()
    driving = _Driving()
    driving.frames.append(frame)
    driving.fresh = True
    del frame
    return result_of(driving.run())


def _unwind_for_callee(call: list[Any]) -> Any:
    """The C stack is used up: let the callers of a callee leave their machine code, so that there is room."""
    exit_tuple = (_UNENTERED, *frame_of_callee(call[0], call[1:]))
    call.clear()
    raise Unwound(exit_tuple)


set_stack_handlers((_run_callee, _unwind_for_callee))


def _raise_in_callee(call: list[Any]) -> Any:
    """The recursion limit is reached at the merge point of a callee, whose frame may have something left to do."""
    _, frame = frame_of_callee(call[0], call[1:])
    call.clear()
    frame.throw_index = frame.index
    driving = _Driving()
    driving.frames.append(frame)
    driving._raised(RecursionError("maximum recursion depth exceeded"))
    del frame
    return result_of(driving.run())


set_recursion_handler(_raise_in_callee)


_spare: list[_Driving] = []
"""As new: making one takes a quarter of the time that entering code does."""


def _finish_portal_call(exit_tuple: tuple[Any, ...]) -> Any:
    """A portal called by machine code left its own: run it to its end in the interpreter."""
    driving = _Driving()
    driving.exits.append(exit_tuple)
    del exit_tuple
    return result_of(driving.run())


set_exit_handler(_finish_portal_call)
