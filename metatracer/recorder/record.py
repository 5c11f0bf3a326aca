"""Recording a loop or a bridge: the two ways in, and the state that a recording leaves behind."""

from __future__ import annotations

import dataclasses
import traceback
from dataclasses import dataclass
from types import CellType, GeneratorType
from typing import TYPE_CHECKING, Any

from metatracer.errors import AbortReason, RecordingAborted
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.class_facts import keeps_instances
from metatracer.ir.snapshots import is_in_circle, live_values
from metatracer.ir.values import NULL_OBJECT, Const, Input, Snapshot, Value, VirtualObject, VirtualSequence
from metatracer.places import is_own
from metatracer.recorder import (
    attributes,
    buffers,
    calls,
    consuming,
    containers,
    control,
    deques,
    exceptions,
    intrinsics,
    literals,
    matches,
    named_tuples,
    numeric,
    operator_functions,
    patterns,
    reflection,
)
from metatracer.recorder.exceptions import unwind
from metatracer.recorder.frames import (
    NULL_BOX,
    Box,
    MetaFrame,
    Pending,
    ResumeFrame,
    const_box,
    finish_discard,
    resume_frame,
)
from metatracer.recorder.kept import FINISHING, wait_for_kept
from metatracer.recorder.lists import new_list
from metatracer.recorder.metainterp import HANDLERS, Limits, MetaInterpreter, PortalView, Recorded, Thrown, Unrecordable
from metatracer.recorder.special_calls import asking
from metatracer.recorder.stepping import wait_for, waiting
from metatracer.recorder.tracebacks import without_toolkit
from metatracer.recorder.tuples import new_tuple
from metatracer.recorder.unsigned import unsigned_box
from metatracer.recorder.virtuals import MADE_FROM_PARTS, GeneratorBox, HandledBefore, VirtualBox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FunctionType

    from metatracer.frontend.jitcode import Instruction
    from metatracer.ir.values import FrameState, LoopRef, Operation
    from metatracer.recorder.metainterp import Host
    from metatracer.recorder.resume import Rebuilt

HANDLER_MODULES = (
    attributes, buffers, calls, consuming, containers, control, deques, exceptions, intrinsics, literals, matches, named_tuples,
    numeric, operator_functions, patterns, reflection,
)  # fmt: skip
"""The modules whose import fills `HANDLERS`."""
assert HANDLERS


@dataclass(slots=True)
class Ended:
    """How a recording ended.

    Attributes:
        recorded: The trace, or None if it was given up.
        aborted: Why it was given up.
        frames: Where the guest stands then (if there is no trace): outermost first.
        exception: To be thrown into the innermost frame at its `throw_index`; None: go on at its `index`.
        own_loop: The loop that a root trace becomes (a bridge that began again as a root has one, too).
    """

    recorded: Recorded | None
    aborted: RecordingAborted | None
    frames: list[ResumeFrame]
    exception: BaseException | None
    own_loop: Any
    operations: int = 0


def record_loop(
    host: Host, portal: PortalView, limits: Limits, loop: Any, key: Any, function: FunctionType, values: list[Any],
    name: str,
) -> Ended:
    """Record a root trace from a merge point, with the greens and reds `values` (unbound reds are NULL_OBJECT).

    The list is emptied: objects die while recording when they would die anyway.
    """
    meta = MetaInterpreter(host, portal, limits, loop, key, name)
    meta.start_at_merge_point(portal, key, function, values)
    values.clear()
    return _run(meta)


def record_bridge(
    host: Host,
    portal: PortalView,
    limits: Limits,
    guard: Operation,
    rebuilt: Rebuilt,
    exception: BaseException | None,
    classes: Mapping[Value, type],
    name: str,
    *,
    passes: bool = False,
    passes_by: Callable[[LoopRef], bool] | None = None,
) -> Ended:
    """Record a bridge from a guard that has just failed.

    Args:
        host: The runtime.
        portal: Whose loop the guard belongs to.
        limits: Bounds.
        guard: The guard; its snapshot says what the inputs of the bridge are.
        rebuilt: The frames and objects of this failure.
        exception: The exception that was pending at the exit.
        classes: Of values at the guard, as the trace has found out.
        name: Of the trace.
        passes: The guard asks for the greens at a merge point, and the bridge is for any others.
        passes_by: Tells the loops whose code the bridge does not end at; None: no loop.
    """
    meta = MetaInterpreter(host, portal, limits, None, None, name)
    meta.passes = passes
    meta.passes_by = passes_by
    snapshot = guard.snapshot
    assert snapshot is not None
    if guard.opcode is ops.GUARD_DICT_FIELD and guard.descr.storage == "item":
        place = snapshot.frames[-1]
        host.note_moved_item(place.jitcode.code, place.index, guard.descr.name)
    start = _BridgeStart(meta, snapshot, rebuilt, classes)
    start.frames()
    # What the guard of an unbound variable at a merge point fails for is no reason to go there again; that of a green is.
    meta.is_at_start = meta.frames[-1].portal is None or guard.opcode in (ops.GUARD_NULL, ops.GUARD_NONNULL)
    frames = rebuilt.frames
    del rebuilt
    if exception is not None:
        # The first thing the bridge does is to take the exception over from the thread.
        frame = meta.frames[-1]
        throw_index = snapshot.frames[-1].throw_index
        if throw_index < 0:
            throw_index = frame.index
        # Or it is no exception: the callee has left its machine code, and the frames wait for its result.
        waiting = meta.snapshot_of(start.waiting(frame, snapshot.frames[-1], throw_index))
        caught = meta.guard(ops.GUARD_EXCEPTION, snapshot=waiting)
        frame.index = throw_index
        box = Box(exception, caught)
        try:
            unwind(meta, Thrown(box))
        except RecordingAborted as aborted:
            return Ended(None, aborted, frames, exception, None)
        if meta.outcome is not None:
            return Ended(meta.outcome, None, [], None, meta.own_loop, len(meta.operations))
        del box
    else:
        # The parent may have checked nothing yet, and in any case only its own assumptions.
        meta.guard(ops.GUARD_NOT_INVALIDATED)
    del start, frames, exception
    return _run(meta)


class _BridgeStart:
    """Boxes and frames for the first instruction of a bridge, from the guard's snapshot and the objects of its exit."""

    def __init__(
        self, meta: MetaInterpreter, snapshot: Snapshot, rebuilt: Rebuilt, classes: Mapping[Value, type]
    ) -> None:
        self.meta = meta
        self.snapshot = snapshot
        self.objects = rebuilt.objects()
        self.boxes: dict[int, Box] = {}
        self.handling: list[VirtualBox] = []
        for value in live_values(snapshot):
            known = classes.get(value)
            obj = self.objects[id(value)]
            if known is not None and (known is not type(obj) or (not keeps_instances(known) and meta.classes.is_fickle(known))):
                known = None  # it was so at the parent's label
            given = Input(value.kind, known_type=known)
            meta.inputs.append(given)
            if value.kind == "r":
                box = NULL_BOX if obj is NULL_OBJECT else Box(obj, given)
                if known is not None:
                    meta.know_type(given, known)
            else:
                box = Box(obj, None, given)
            self.boxes[id(value)] = box

    def frames(self) -> None:
        """Make the frames, and record the stores that the parent trace had delayed."""
        meta = self.meta
        states = self.snapshot.frames
        for state in states:
            frame = MetaFrame(
                state.jitcode, state.function, meta.host.portal_of(state.function), meta.host.headers_of(state.function)
            )
            base = state.jitcode.n_locals
            for number, value in zip(state.numbers, state.locals, strict=True):
                box = self.box(value)
                frame.registers[number] = None if box is NULL_BOX else box
            for depth, value in enumerate(state.stack):
                frame.registers[base + depth] = self.box(value)
            frame.index = state.index
            frame.position = state.jitcode.positions[state.index]
            frame.entry_key = state.entry_key
            frame.context = state.context
            frame.is_resumed = True
            meta.frames.append(frame)
        for frame, above, state in zip(meta.frames[:-1], meta.frames[1:], states[:-1], strict=True):
            if state.index == state.throw_index and _instruction_at(state).op == "for_iter":
                _wait_for_generator(frame, above, state)
                continue
            kept = tuple([self.box(value) for value in state.kept])
            if state.finish in FINISHING:
                wait_for_kept(frame, above, _instruction_at(state), state.finish, kept)
                continue
            _set_pending(frame, state, kept)
        for store in self.snapshot.pending:
            kinds = store.opcode.args
            arguments = [self._argument(value, kind) for value, kind in zip(store.args, kinds, strict=True)]
            meta.emit(store.opcode, *arguments, descr=store.descr)
            if isinstance(arguments[0], Input):
                meta.stored[id(self.objects[id(store.args[0])])] = arguments[0]
        meta.handling += self.handling

    def waiting(self, frame: MetaFrame, state: FrameState, throw_index: int) -> FrameState:
        """The innermost frame as it is at the guard: it may still wait for the result of a call."""
        kept = tuple([self.box(value).snapshot_value() for value in state.kept])
        now = frame.state_at_depth(state.index, len(state.stack), throw_index)
        return dataclasses.replace(now, finish=state.finish, kept=kept, pushes=state.pushes)

    def _argument(self, value: Any, kind: str) -> Value:
        """The value as an operation wants it: what was stored may be an unboxed number."""
        box = self.box(value)
        if kind == "r":
            return self.meta.ref(box)
        assert box.raw is not None
        return box.raw

    def box(self, value: Any) -> Box:
        """The box of a snapshot's value; virtual objects are allocated again, in the bridge."""
        if isinstance(value, Const):
            if value.is_null:
                return NULL_BOX
            return const_box(value.value) if value.kind == "r" else Box(value.value, None, value)
        known = self.boxes.get(id(value))
        if known is not None:
            return known
        if isinstance(value, VirtualObject):
            return self._virtual_object(value)
        assert isinstance(value, VirtualSequence), value
        return self._virtual_sequence(value)

    def _virtual_object(self, value: VirtualObject) -> Box:
        meta = self.meta
        if value.cls is dict:
            return self._virtual_dict(value)
        op = meta.emit(ops.NEW, descr=value.cls)
        meta.know_type(op, value.cls)
        box = self.boxes[id(value)] = Box(self.objects[id(value)], op)
        for field, part in value.fields:
            content = self.box(part)
            if content is not NULL_BOX:
                stored = meta.ref(content)
                meta.emit(ops.SETFIELD, op, stored, descr=field)
                meta.heap[op, field] = stored
        return box

    def _virtual_dict(self, value: VirtualObject) -> Box:
        meta = self.meta
        op = meta.emit(ops.CALL_C_R, descr=c.EMPTY_DICT)
        meta.know_type(op, dict)
        box = self.boxes[id(value)] = Box(self.objects[id(value)], op)
        items = {}
        for field, part in value.fields:
            items[field.name] = meta.ref(self.box(part))
            meta.emit(ops.CALL_C_I, op, Const("r", field.name), items[field.name], descr=c.DICT_FILL)
        meta.contents[op] = box.object, items
        return box

    def _virtual_sequence(self, value: VirtualSequence) -> Box:
        meta = self.meta
        if value.cls is int:
            raw = self.box(value.items[0]).raw
            assert raw is not None
            box = self.boxes[id(value)] = unsigned_box(meta, self.objects[id(value)], raw)
            return box
        if value.cls in MADE_FROM_PARTS:
            parts = [self.box(part) for part in value.items]
            obj = self.objects[id(value)]
            virtual = GeneratorBox(obj, parts) if value.cls is GeneratorType else VirtualBox(obj, value.cls, parts)
            self.boxes[id(value)] = virtual
            if value.cls is HandledBefore:
                self.handling.append(virtual)
            return virtual
        if value.cls in (list, CellType) and is_in_circle(value):
            return self._circular(value)
        items = [meta.ref(self.box(part)) for part in value.items]
        known = self.boxes.get(id(value))
        if known is not None:
            return known  # one of its parts, which is in a circle with it, has asked for it
        if value.cls is list:
            op = new_list(meta, items)
        elif issubclass(value.cls, tuple):
            op = new_tuple(meta, items, value.cls)
        else:
            op = meta.emit(ops.NEW_CELL, *items)
            meta.types[op] = value.cls
        box = self.boxes[id(value)] = Box(self.objects[id(value)], op)
        return box

    def _circular(self, value: VirtualSequence) -> Box:
        """A list or cell that is among its own parts, or theirs: it is made first, and filled then."""
        meta = self.meta
        is_list = value.cls is list
        content = Const("r", None if is_list else NULL_OBJECT)
        op = new_list(meta, [content] * len(value.items)) if is_list else meta.emit(ops.NEW_CELL, content)
        meta.types[op] = value.cls
        box = self.boxes[id(value)] = Box(self.objects[id(value)], op)
        for index, part in enumerate(value.items):
            item = meta.ref(self.box(part))
            if is_list:
                meta.emit(ops.LIST_SETITEM, op, Const("i", index), item)
                meta.heap[op, "item", index] = item
            else:
                meta.emit(ops.CELL_SET, op, item)
        return box


def _instruction_at(state: FrameState) -> Instruction:
    """The first one at the place of the pending call."""
    instruction: Instruction = state.jitcode.instructions[state.jitcode.positions[state.throw_index]]
    return instruction


def _wait_for_generator(frame: MetaFrame, above: MetaFrame, state: FrameState) -> None:
    """Let the frame of a loop wait for the item of a generator that runs."""
    instruction = _instruction_at(state)
    frame.index = state.throw_index
    frame.position = state.jitcode.positions[instruction.next_index]
    wait_for(frame, instruction, GeneratorBox(None, []), above)
    frame.pending = waiting(instruction)


def _set_pending(frame: MetaFrame, state: FrameState, kept: tuple[Box, ...]) -> None:
    """Let an outer frame of a bridge wait for the result of its callee."""
    jitcode = state.jitcode
    instruction = jitcode.instructions[jitcode.positions[state.throw_index]]
    position = jitcode.positions[state.throw_index]
    # The pending operation is the last JitCode instruction of its CPython instruction.
    while position + 1 < len(jitcode.instructions) and jitcode.instructions[position + 1].index == instruction.index:
        position += 1
    instruction = jitcode.instructions[position]
    frame.index = state.throw_index
    frame.position = jitcode.positions[state.index]
    slot = jitcode.n_locals + len(state.stack)
    finish = None if state.finish is finish_discard else state.finish
    pushes = state.pushes

    def deliver(meta: MetaInterpreter, below: MetaFrame, result: Box) -> None:
        if finish is None:
            if pushes:
                below.registers[slot] = result
            return
        # What is left to do of the operation is done by the function that an exit would call.
        def store(box: Box) -> None:
            if pushes:
                below.registers[slot] = box

        meta.residual_call(below, instruction, const_box(finish), [result, *kept], store=store)

    if state.index == state.throw_index:
        frame.pending = asking(instruction, slot, state.finish)
        return
    frame.pending = Pending(instruction, deliver, state.finish, kept, pushes, records=finish is not None)


def _run(meta: MetaInterpreter) -> Ended:
    """Run to the end."""
    try:
        return _ended(meta)
    finally:
        meta.let_go()


def _ended(meta: MetaInterpreter) -> Ended:
    """Run; turns everything that can stop a recording into an `Ended`."""
    aborted: RecordingAborted | None = None
    arrived: BaseException | None = None
    try:
        meta.run()
    except RecordingAborted as reason:
        aborted = reason
        aborted.__traceback__ = None
    except Unrecordable as left:
        aborted = meta.aborted(AbortReason.UNSUPPORTED, left.detail)
        return Ended(None, aborted, _frames_now(meta), left.exception, meta.own_loop, len(meta.operations))
    except BaseException as exception:  # noqa: BLE001 - told apart by `_why_arrived`
        arrived = exception
    if meta.outcome is not None and arrived is None:
        return Ended(meta.outcome, None, [], None, meta.own_loop, len(meta.operations))
    if arrived is not None:
        aborted = _why_arrived(meta, arrived)
        if aborted.reason is AbortReason.INTERNAL_ERROR:
            arrived = None
    return Ended(None, aborted, _frames_now(meta), arrived, meta.own_loop, len(meta.operations))


def _why_arrived(meta: MetaInterpreter, exception: BaseException) -> RecordingAborted:
    """Tell a signal handler's exception, which goes to the guest, from a failure of the recorder itself.

    Raises:
        The exception itself, if it is a failure of the recorder in the middle of an instruction's side effect: going
        on would do that effect twice.
    """
    last = exception.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    own = last is not None and is_own(last.tb_frame)
    if isinstance(exception, KeyboardInterrupt) or not own:
        exception.__traceback__ = without_toolkit(exception.__traceback__)
        return meta.aborted(AbortReason.INTERRUPTED, repr(exception))
    if meta.effect_done:
        raise exception
    detail = "".join(traceback.format_exception(exception)).strip()
    return meta.aborted(AbortReason.INTERNAL_ERROR, detail)


def _frames_now(meta: MetaInterpreter) -> list[ResumeFrame]:
    """Where the guest stands: the innermost frame at the start of its current instruction."""
    frames = []
    for frame in meta.frames[:-1]:
        pending = frame.pending
        assert pending is not None
        index = pending.place
        depth = frame.jitcode.depths[index] - pending.pushes
        frames.append(resume_frame(frame, index, pending.instruction.index, depth, pending))
    if meta.frames:
        top = meta.frames[-1]
        frames.append(resume_frame(top, top.index, top.index, top.jitcode.depths[top.index], None))
    return frames
