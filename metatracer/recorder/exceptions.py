"""Exceptions inside traces: raising, traceback entries, the handled exception, matching."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

from metatracer.backend import threadstate
from metatracer.backend.fields import lookup_attribute
from metatracer.errors import AbortReason
from metatracer.ir import opcodes as ops
from metatracer.ir.values import CallShape, Const, Operation, Snapshot
from metatracer.recorder import residual
from metatracer.recorder.calls import call_python, can_inline
from metatracer.recorder.frames import Box, MetaFrame, Pending, const_box
from metatracer.recorder.kept import Kept, leave_to_cpython
from metatracer.recorder.metainterp import MetaInterpreter, Thrown, handles
from metatracer.recorder.tracebacks import Place, entries_adder, raise_here
from metatracer.recorder.virtual_exceptions import (
    add_places,
    has_handler,
    is_made_by_raising,
    is_virtual_exception,
    make_handled,
    make_raised,
    note_raised,
    virtual_exception,
)
from metatracer.recorder.virtuals import HandledBefore, VirtualBox, virtual_method

if TYPE_CHECKING:
    from metatracer.frontend.jitcode import Handler, Instruction


class Raise(Thrown):
    """A `raise` statement: the exception is made where its handler is known.

    Attributes:
        what, cause: The operands; cause None without `from`.
    """

    def __init__(self, what: Box, cause: Box | None) -> None:
        super().__init__(what)
        self.cause = cause


def record_raise(what: Box, cause: Box | None = None) -> NoReturn:
    """Record a `raise` at the current instruction."""
    raise Raise(what, cause)


def unwind(meta: MetaInterpreter, thrown: Thrown) -> None:
    """Go to the handler of a guest exception, leaving frames that have none."""
    frame = meta.frames[-1]
    if isinstance(frame.generator, Kept) and frame.index not in frame.jitcode.handlers:
        raise leave_to_cpython(meta, frame, "an exception leaves it")
    _make_virtual_or_real(meta, thrown)
    places = []
    if thrown.add_entry:
        places.append(place_of(frame))
    while True:
        handler = frame.jitcode.handlers.get(frame.index)
        if handler is not None:
            break
        meta.pop_frame()
        if not meta.frames:
            break
        frame = meta.frames[-1]
        assert frame.pending is not None
        frame.index = frame.pending.instruction.index
        frame.pending = None
        places.append(place_of(frame))
    # One call makes the exception and adds the traceback entries of all frames left.
    box = thrown.box
    if isinstance(thrown, Raise):
        function: Any = raise_here
        boxes = [box, thrown.cause or const_box(None), const_box(thrown.cause is not None)]
    else:
        function = entries_adder()
        boxes = [box]
    boxes += [const_box(place) for place in places]
    op = None
    if is_virtual_exception(box):
        if places:
            add_places(meta, box, places)
    elif function is raise_here or places:
        op = meta.emit(ops.CALL, Const("r", function), *(meta.ref(item) for item in boxes), descr=CallShape())
        outcome = [*meta.execute(function, *[item.object for item in boxes])]
        assert outcome[1] is None, outcome
        meta.forget_heap()
        box = Box(outcome.pop(0), op)
    _handle(meta, frame, handler, box, op)
    # The author's constructor, when it was that which raised, has this frame as its caller.
    del box


def _handle(meta: MetaInterpreter, frame: MetaFrame, handler: Handler | None, box: Box, op: Operation | None) -> None:
    """Go on at the handler with the exception that `op` made, if it was made; without one it leaves the portal."""
    if handler is None:
        if op is not None:
            meta.guard(ops.GUARD_NO_EXCEPTION, op, snapshot=Snapshot((), (), box.ref))
        meta.finish_raise(box)
        return
    jitcode = frame.jitcode
    base = jitcode.n_locals
    depth = handler.depth
    if handler.push_lasti:
        # CPython pushes the instruction's offset; only RERAISE looks at it, for the line number.
        frame.registers[base + depth] = const_box(frame.index // 2)
        depth += 1
    frame.registers[base + depth] = box
    frame.position = jitcode.positions[handler.target]
    if op is not None:
        after = meta.snapshot_of(frame.state_at(handler.target, frame.index))
        meta.guard(ops.GUARD_NO_EXCEPTION, op, snapshot=after)
    # What raised may have run code before (a `raise` of a virtual exception has not).
    if not is_virtual_exception(box):
        meta.guard(ops.GUARD_NOT_INVALIDATED, snapshot=meta.snapshot_of(frame.state_at(handler.target)))


def _make_virtual_or_real(meta: MetaInterpreter, thrown: Thrown) -> None:
    """Decide whether what is thrown has to exist."""
    box = thrown.box
    caught = has_handler(meta)
    if isinstance(thrown, Raise) and caught and box.is_const and isinstance(box.object, type):
        # `raise Break`: the class is called without arguments.
        cls = box.object
        if is_made_by_raising(meta, cls):
            box = virtual_exception(cls, ())
            if note_raised(meta, box, thrown.cause):
                thrown.box = box
        return
    if not is_virtual_exception(box):
        return
    if not caught or (isinstance(thrown, Raise) and not note_raised(meta, box, thrown.cause)):
        make_handled(meta)
        meta.ref(box)


def place_of(frame: MetaFrame) -> Place:
    """The place a frame stands at; one per instruction."""
    places = frame.jitcode.notes.setdefault("places", {})
    key = (frame.index, id(frame.function.__globals__))
    place = places.get(key)
    if place is None:
        place = places[key] = Place(frame.jitcode.code, frame.function.__globals__, frame.index, frame.line)
    return place  # type: ignore[no-any-return]


@handles("raise")
def raise_(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`raise`, `raise x`, `raise x from y`."""
    if not instruction.src:
        # Like RERAISE, a bare `raise` adds no traceback entry for its frame.
        if meta.handling:
            raise Thrown(meta.handling[-1].parts[0], add_entry=False)
        handled = meta.residual_call(frame, instruction, const_box(sys.exception), [], store=lambda _: None,
                                     snapshot=lambda: meta.snapshot_of(frame.state_at(instruction.index, instruction.index)))
        if handled.object is None:
            record_raise(const_box(residual.NewException(RuntimeError, "No active exception to reraise")))
        meta.guard(
            ops.GUARD_FALSE,
            meta.emit(ops.PTR_EQ, meta.ref(handled), Const("r", None)),
            snapshot=meta.snapshot_of(frame.state_at(instruction.index, instruction.index)),
        )
        raise Thrown(handled, add_entry=False)
    boxes = [frame.box(register) for register in instruction.src]
    record_raise(boxes[0], boxes[1] if len(boxes) > 1 else None)


@handles("reraise")
def reraise(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """An exception goes on its way (end of `finally`, no handler matched)."""
    raise Thrown(frame.box(instruction.src[0]), add_entry=False)


@handles("push_exc_info")
def push_exc_info(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Enter a handler."""
    box = frame.box(instruction.src[0])
    if is_virtual_exception(box):
        meta.effect_done = True
        before = VirtualBox(threadstate.push_exc_info(box.object), HandledBefore, [box])
        meta.handling.append(before)
        previous: Box = before
    else:
        make_raised(meta)
        op = meta.emit(ops.PUSH_EXC_INFO, meta.ref(box))
        meta.effect_done = True
        previous = Box(threadstate.push_exc_info(box.object), op)
    results = [previous, box]
    for register, result in zip(instruction.dst, results, strict=False):
        frame.registers[register] = result


@handles("pop_except")
def pop_except(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Leave a handler."""
    box = frame.box(instruction.src[0])
    if meta.handling:
        entered = meta.handling.pop()
        assert entered is box
        # Where a `finally` passes on an exception, a copy stays on the stack below it. Nobody looks at that again.
        box.ref = Const("r", None)
    else:
        meta.emit(ops.POP_EXC_INFO, meta.ref(box))
    meta.effect_done = True
    threadstate.pop_exc_info(box.object)


@handles("check_exc_match")
def check_exc_match(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`except classes:`."""
    exception, classes = (frame.box(register) for register in instruction.src)
    wanted = classes.object if isinstance(classes.object, tuple) else (classes.object,)
    plain = all(isinstance(cls, type) and issubclass(cls, BaseException) for cls in wanted)
    if plain and classes.is_const and meta.is_steady(type(exception.object)):
        cls = meta.guard_class(exception)
        matches = issubclass(cls, tuple(wanted))
        meta.rely_on_class(cls)
        frame.registers[instruction.dst[0]] = const_box(matches)
        return
    helper = const_box(_matches)
    meta.residual_call(frame, instruction, helper, [exception, classes], known=bool)


def _matches(exception: BaseException, classes: Any) -> bool:
    for cls in classes if isinstance(classes, tuple) else (classes,):
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            raise TypeError("catching classes that do not inherit from BaseException is not allowed")
    # Not isinstance: CPython looks at the real class and ignores __instancecheck__.
    return issubclass(type(exception), classes)


@handles("check_eg_match")
def check_eg_match(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`except*`: groups are split by CPython, not by the trace."""
    frame.jitcode.notes["called, not traced"] = "except* is not traced"
    raise meta.aborted(AbortReason.UNSUPPORTED, "except*")


@handles("before_with")
def before_with(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Enter a `with` block."""
    manager = frame.box(instruction.src[0])
    if _enter_inlined(meta, frame, instruction, manager):
        return
    # Looking up the exit method may be done again; entering may not.
    again = meta.snapshot_of(frame.state_at(instruction.index, instruction.index))
    leave = meta.residual_call(
        frame,
        instruction,
        const_box(residual.exit_method),
        [manager],
        store=lambda _: None,
        snapshot=lambda: again,
    )

    def store(entered: Box) -> None:
        frame.registers[instruction.dst[0]] = leave
        frame.registers[instruction.dst[1]] = entered

    meta.residual_call(frame, instruction, const_box(residual.enter), [manager], store=store)


def _enter_inlined(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, manager: Box) -> bool:
    """Look into `__enter__`, and bind `__exit__` without making a method."""
    cls = type(manager.object)
    entering, leaving = lookup_attribute(cls, "__enter__"), lookup_attribute(cls, "__exit__")
    if entering.kind != "method" or leaving.kind != "method" or isinstance(manager.object, type):
        return False
    if not meta.is_steady(cls) or not can_inline(meta, entering.attribute):
        return False
    meta.guard_class(manager)
    meta.rely_on_class(cls)
    leave = virtual_method(leaving.attribute, manager)
    register = instruction.dst[0]
    frame.registers[register] = const_box(leave.object) if manager.is_const else leave
    if call_python(meta, frame, entering.attribute, [manager], Pending(instruction, _entered)):
        return True
    frame.registers[instruction.src[0]] = manager
    return False


def _entered(meta: MetaInterpreter, frame: MetaFrame, result: Box) -> None:
    instruction = frame.jitcode.instructions[frame.position - 1]
    frame.registers[instruction.dst[1]] = result
