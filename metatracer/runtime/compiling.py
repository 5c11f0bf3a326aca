"""Recordings become code: optimize, compile, put in place; or are given up and tried again later."""

from __future__ import annotations

import itertools
import time
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from metatracer import hooks, log
from metatracer.backend.compile import compile_trace, set_cell
from metatracer.errors import AbortReason
from metatracer.frontend.decode import jitcode_for
from metatracer.ir.opcodes import FINISH, GUARD_FALSE, GUARD_NOT_INVALIDATED, LABEL, PTR_EQ
from metatracer.ir.values import (
    Const,
    FrameState,
    Input,
    LabelRef,
    LoopRef,
    Operation,
    Snapshot,
    Trace,
    Value,
    VirtualSequence,
)
from metatracer.optimizer.versions import Goal
from metatracer.platforms import warn_mistake
from metatracer.recorder.frames import RANGE_ITERATOR
from metatracer.recorder.polymorphism import Branches
from metatracer.runtime import assumptions, hotness
from metatracer.runtime.collector import collector_waits
from metatracer.runtime.host import portal_entered
from metatracer.runtime.loops import (
    PLACING,
    GuardState,
    Loop,
    Piece,
    hold,
    note_tails,
    register_guards,
    release,
    retire,
    root_of,
)
from metatracer.runtime.summaries import code_added, collecting, still_hold
from metatracer.runtime.summaries import register as register_reliances
from metatracer.runtime.tiers import first_heat, heat_alone
from metatracer.runtime.untracked import put_aside
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metatracer.backend.counting import Counted
    from metatracer.errors import RecordingAborted
    from metatracer.recorder.frames import Kind
    from metatracer.recorder.record import Ended
    from metatracer.runtime.host import RecordingHost
    from metatracer.runtime.stages import Watch
    from metatracer.runtime.summaries import Reliance

_record_log = log.section("record")
_opt_log = log.section("opt")
_llvm_log = log.section("llvm")
_abort_log = log.section("abort")
_numbers = itertools.count(1)

watching: Watch | None = None
"""Who is shown every trace; set by `stages.watch`."""


def optimized_trace(trace: Trace, **how: Any) -> Trace:
    """`optimize`, and tell who watches."""
    from metatracer.optimizer.pipeline import optimize

    with collector_waits():
        result = optimize(trace, **how)
    if watching is not None:
        watching.optimized(trace, how, result)
    return result


class NotRepeated(Exception):
    """A root cannot be peeled: its iteration does not fit the state in which it ends."""


def install_recorded(
    loop: Loop, ended: Ended, host: RecordingHost, guard: GuardState | None, seconds: float, *, repeated_only: bool = False
) -> Piece | None:
    """Optimize, compile and put in place what was recorded.

    Args:
        loop: Whose root it is, or whose tree the bridge belongs to.
        ended: The recording, with a trace.
        host: Where its residual calls were noted.
        guard: For a bridge, the guard it hangs on.
        seconds: What recording took.
        repeated_only: Nothing is put in place of a loop that cannot be peeled.

    Returns:
        The code in place, or None if it could not be used (an assumption broke meanwhile).

    Raises:
        NotRepeated: Such a loop.
    """
    assert ended.recorded is not None
    trace = ended.recorded.trace
    if _record_log.on:
        _record_log.write(_text(trace))
    start = time.perf_counter()
    # Guards of a repeated iteration have bridges, too: without a limit, each would repeat it again.
    repeat = guard is None or not guard.piece.trace.repeats
    # A bridge from a wrong guess (these two are different lists) would guess the same again, and so would its bridges.
    guess = guard is None or not _is_guess(guard)
    is_loop = ended.recorded.kind == "loop"
    goal = _goal(loop, trace, guard)
    with collecting() as reliances:
        if guard is not None and guard.refused:  # to the cell, whatever the arguments are: see `replacing`
            optimized = optimized_trace(trace, passes=())
        else:
            optimized = optimized_trace(trace, peel=is_loop, repeat=repeat, guess=guess, goal=goal)
    optimizing = time.perf_counter() - start
    if repeated_only and is_loop and optimized.operations[0].opcode is LABEL and _peels():
        raise NotRepeated
    piece = install_optimized(loop, trace, optimized, guard, reliances, seconds, optimizing)
    if piece is None:
        return None
    piece.boxed = tuple(goal.boxed)
    note_tails(piece, ended.recorded.tails)
    if guard is None:
        loop.recorded = trace, is_loop
        loop.carried = ()
        put_aside(piece, trace)
    for call in host.residual_calls:
        loop.record.add_residual_call(call)
    return piece


def _peels() -> bool:
    """Whether METATRACER_OPT lets loops be peeled."""
    from metatracer.optimizer.pipeline import selected_passes

    return "peel" in selected_passes()


def _goal(loop: Loop, trace: Trace, guard: GuardState | None) -> Goal:
    """What code recorded for a loop's tree is for."""
    returns_parts = loop.base is not loop
    target = trace.operations[-1].descr
    if guard is None or not isinstance(target, LoopRef):
        return Goal(returns_parts=returns_parts)
    root = guard.piece
    while root.parent is not None:
        root = root.parent.piece
    label = root.label if target.token is root.loop.base and not root.reason else None
    return Goal(own_label=label, returns_parts=returns_parts)


def install_optimized(
    loop: Loop,
    trace: Trace,
    optimized: Trace,
    guard: GuardState | None,
    reliances: list[Reliance],
    recording: float,
    optimizing: float,
) -> Piece | None:
    """Compile and put in place an optimized trace; `recording` and `optimizing` are the seconds spent so far.

    Returns:
        The code in place, or None if an assumption broke meanwhile.
    """
    if _opt_log.on:
        _opt_log.write(_text(optimized))
    params = loop.portal.driver.params
    entered = _hold_entered(optimized, guard)
    if entered is None:
        return None
    held = _with_parent(entered, guard)
    if held is None:
        return None
    start, cpu_start = time.perf_counter(), time.thread_time()
    try:
        heat = first_heat(optimized, guard, params.tier2_threshold)
        counted = _counted(loop, guard)
        is_quick = heat > 0
        if counted:
            heat = 0  # one counter is enough
        elif not heat:
            heat = heat_alone(optimized, params)
            is_quick = heat > 0
        with collector_waits():
            code = compile_trace(
                optimized,
                # What gets a second level if it stays hot is compiled quickly first.
                level=0 if is_quick else params.compile_level,
                force_exits=params.force_exits or None,
                counted=counted,
                heat=heat,
                is_bridge=guard is not None,
            )
    except BaseException:
        _release(held)
        raise
    compiling, cpu = time.perf_counter() - start, time.thread_time() - cpu_start
    if _llvm_log.on:
        _llvm_log.write(code.ir_text)
    STATISTICS.recorded_operations += len(trace.operations)
    STATISTICS.optimized_operations += len(optimized.operations)
    STATISTICS.optimizing_seconds += optimizing
    STATISTICS.compiling_seconds += compiling
    STATISTICS.machine_code_bytes += code.size_bytes
    piece = Piece(loop, code, optimized, guard, next(_numbers))
    piece.cpu_seconds = cpu
    hotness.compiled(guard is not None, recording + optimizing + compiling)
    piece.targets = list({
        id(op.descr): op.descr.token for op in optimized.operations if isinstance(op.descr, LoopRef)
    }.values())
    piece.entered = entered
    label = optimized.label
    if label is not None and code.label_address and optimized.entry is not None:
        piece.label = LabelRef(f"{optimized.name}_label", label.params, code.label_cell, optimized.entry, piece)
    # Compiling lets other threads run: what this code relies on may be gone by now.
    if (
        any(target is not loop and target.piece is None and target.stale is None for target in piece.targets)
        or not assumptions.register(optimized.assumptions, piece)
        or any(other.reason for other in entered)
        or not still_hold(reliances)
    ):
        _release(held)
        code.free()
        return None
    for target in piece.targets:
        target.incoming += 1
    register_guards(piece)
    register_reliances(piece, reliances)
    _put_in_place(piece)
    _release(held[len(entered) :])
    for other in entered:
        other.enterers.append(piece)
        if other.reason:
            piece.invalidate(f"it goes to {other.code.name}, which was invalidated")
    code_added(piece)
    put_aside(piece)
    if watching is not None:
        watching.compiled(piece, trace, optimized, code)
    kind = "compile" if guard is None else "bridge"
    if hooks.registered[kind]:
        record = loop.record
        hooks.fire(
            kind,
            hooks.CompileEvent(
                driver=record.driver,
                location=record.location,
                filename=record.filename,
                lineno=record.lineno,
                trace=piece.number,
                greens=loop.greens,
                recorded_operations=len(trace.operations),
                operations=len(optimized.operations),
                machine_code_bytes=code.size_bytes,
                recording_seconds=recording,
                optimizing_seconds=optimizing,
                compiling_seconds=compiling,
                guard=guard.operation.guard_id if guard is not None else None,
            ),
        )
    return piece


def _counted(loop: Loop, guard: GuardState | None) -> Counted:
    """What of new code is counted so that its root can be looked at (`replacing`)."""
    if guard is not None:
        return "entries" if root_of(guard.piece).code.counted else ""
    return "header" if loop.is_watched else ""


def _hold_entered(trace: Trace, guard: GuardState | None) -> list[Piece] | None:
    """The code of other trees that a trace enters at its label, kept; None when it is gone by now."""
    target = trace.operations[-1].descr
    if not isinstance(target, LabelRef):
        return []
    own: Piece | None = guard.piece if guard is not None else None
    while own is not None and own.parent is not None:
        own = own.parent.piece
    if target.token is own:  # a bridge goes with its root
        return []
    return [target.token] if hold(target.token) else None


def _with_parent(entered: list[Piece], guard: GuardState | None) -> list[Piece] | None:
    """Also what a bridge belongs to, kept until the bridge is in place; None when it is gone by now."""
    if guard is None:
        return entered
    if hold(guard.piece):
        return [*entered, guard.piece]
    _release(entered)
    return None


def _release(held: list[Piece]) -> None:
    for piece in held:
        release(piece)


def _is_guess(guard: GuardState) -> bool:
    """Whether a guard says that two references differ: as those do that the optimizer adds on its own."""
    operation = guard.operation
    condition = operation.args[0] if operation.opcode is GUARD_FALSE else None
    return isinstance(condition, Operation) and condition.opcode is PTR_EQ


def _put_in_place(piece: Piece) -> None:
    loop, guard = piece.loop, piece.parent
    record = loop.record
    if guard is None and loop.replacement is not None and loop.replacement.takes_over(piece):
        record.traces += 1
        STATISTICS.loops_compiled += 1
        return
    record.status = "compiled"
    record.reason = ""
    if guard is not None and guard.refused:
        # At the header of a root that another one may replace: entered only where that is in the cell.
        STATISTICS.bridges_compiled += 1
        record.bridges += 1
        if loop.replacement is not None:
            loop.replacement.takes_handover(piece)
        return
    if guard is not None:
        guard.piece.code.attach(guard.operation.guard_id, piece.code)
        guard.bridge = piece
        STATISTICS.bridges_compiled += 1
        record.bridges += 1
        loop.base.branches.note(guard.operation, portal_entered)
        if loop.base.pace is not None:
            loop.base.pace.in_vain = 0
        return
    with PLACING:
        set_cell(loop.ref, piece.code)
        loop.ref.label = piece.label
        loop.piece = piece
        stale, loop.stale = loop.stale, None
    if stale is not None:
        retire(stale)
    loop.wait = 1.0
    loop.attempts = 0
    if loop.base is not loop:
        STATISTICS.versions_compiled += 1
        return
    loop.branches = Branches()
    STATISTICS.loops_compiled += 1
    record.traces += 1
    loop.portal.code_appeared()


def stub_trace(loop: Loop) -> Trace:
    """A trace that leaves to the interpreter at once, as if recorded."""
    portal = loop.portal
    reds = tuple(Input("r") for _ in portal.red_numbers)
    bound: dict[int, Value] = {
        number: Const("r", green) for number, green in zip(portal.green_numbers, loop.greens, strict=True)
    }
    bound.update(zip(portal.red_numbers, reds, strict=True))
    numbers = tuple(sorted(bound))
    values = tuple(bound[number] for number in numbers)
    parts, stack = _stack_in_parts(portal.kinds)
    state = FrameState(jitcode_for(portal.layout.code), portal.function, portal.merge_start, -1, numbers, values, stack)
    leave = Operation(GUARD_NOT_INVALIDATED, (), None, Snapshot((state,)))
    return Trace((*reds, *parts), [leave, Operation(FINISH, (Const("r", None),))], [], f"{loop.ref.name}_stub")


def _stack_in_parts(kinds: Sequence[Kind]) -> tuple[list[Input], tuple[Any, ...]]:
    """Inputs for what lies on the operand stack at a merge point, and what is made of them."""
    parts: list[Input] = []
    stack: list[Any] = []
    for kind in kinds:
        if isinstance(kind, tuple):
            own, held = _stack_in_parts(kind[1:])
            stack.append(VirtualSequence(GeneratorType, [Const("r", kind[0]), *held]))
        else:
            own = [Input("r") for _ in range(1 if kind is None else 2)]
            if kind is None:
                stack.append(own[0])
            elif isinstance(kind, int):
                stack.append(VirtualSequence(RANGE_ITERATOR, [*own, Const("r", kind)]))
            else:
                stack.append(VirtualSequence(kind, [*own]))
        parts += own
    return parts, tuple(stack)


def install_stub(loop: Loop, trace: Trace) -> None:
    """Let machine code enter a loop that has no code yet; `trace` is the stub, optimized."""
    code = compile_trace(trace, level=0)
    piece = Piece(loop, code, trace, None, next(_numbers), reason="it has no code yet")
    code.invalidate()
    register_guards(piece)
    set_cell(loop.ref, code)
    loop.stale = piece


def note_miss(loop: Loop, reason: AbortReason = AbortReason.LEFT_PORTAL) -> None:
    """A recording left the loop, or is not the one wanted: it is thrown away, and the next visit but two is recorded."""
    STATISTICS.count_abort(reason.name)
    loop.record.add_abort(reason.name, reason.value)
    loop.count = max(0, int(hotness.wanted_back_edges(loop)) - 2)


def note_abort(loop: Loop, aborted: RecordingAborted, guard: GuardState | None) -> None:
    """Count an abort, tell about it, and make the next attempt wait longer."""
    params = loop.portal.driver.params
    record = loop.record
    reason = aborted.reason
    STATISTICS.count_abort(reason.name)
    record.add_abort(reason.name, reason.value, aborted.detail, aborted.filename, aborted.lineno)
    if reason in (AbortReason.COMPILE_FAILED, AbortReason.INTERNAL_ERROR):
        warn_mistake(reason.value, record.location)
    if guard is None and reason in (AbortReason.CALLEE_FIRST, AbortReason.LONG_CALLEE):
        loop.count = max(0, int(hotness.wanted_back_edges(loop)) - 2)
    elif guard is None:
        loop.count = loop.entries = 0
        loop.spent = 0.0
        loop.attempts += 1
        loop.wait = min(loop.wait * params.backoff_factor, params.backoff_limit)
        if loop.piece is None:
            record.status = "aborted"
        loop.portal.given_up(loop)
    if _abort_log.on:
        _abort_log.write(f"{record.driver} {record.location}: {aborted}")
    if hooks.registered["abort"]:
        hooks.fire(
            "abort",
            hooks.AbortEvent(
                driver=record.driver,
                location=record.location,
                filename=aborted.filename,
                lineno=aborted.lineno,
                reason=reason.name,
                sentence=reason.value,
                detail=aborted.detail,
            ),
        )


def _text(trace: Any) -> str:
    from metatracer.ir.text import format_trace

    return format_trace(trace)
