"""The plain evaluator: runs a trace on Python objects, one operation at a time, as the definition of what it means.

Machine code, and every optimizer pass, must agree with it. Values are Python ints within 64 bits (i), floats (f), bools
(b) and objects or `NULL_OBJECT` (r). Heap operations act on the real objects, calls are really made.

A run ends with an `Exit`. For a failed guard it knows the values that machine code would hand over (`Exit.values`, in
the order of `ir.snapshots.live_values`) and can rebuild the interpreter's frames; `observable` gives a structure by
which the exits of two traces (before and after a pass) can be compared.

Two things are only modelled: the thread's handled exception is a variable of the run (`Exit.handled`), not the
thread's; and no assumption breaks and nothing wants attention unless `force_exit` says so.
"""

from __future__ import annotations

import ctypes
import math
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metatracer.errors import IRError
from metatracer.ir.heap import HEAP_OPERATIONS, require, set_field
from metatracer.ir.observation import observable
from metatracer.ir.opcodes import GuardFailed, fits_i64
from metatracer.ir.printer import Printer
from metatracer.ir.shapes import put_together, take_apart
from metatracer.ir.snapshots import live_values
from metatracer.ir.values import (
    NULL_OBJECT,
    CFunction,
    Const,
    FrameState,
    LabelRef,
    LoopRef,
    Operation,
    Snapshot,
    Trace,
    Value,
    VirtualObject,
    VirtualSequence,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["EVALUATED", "Exit", "ResumedFrame", "call_c_function", "observable", "run"]


@dataclass(slots=True)
class ResumedFrame:
    """An interpreter frame rebuilt at an exit: a `FrameState` with Python objects for its values."""

    function: Any
    jitcode: Any
    index: int
    throw_index: int
    locals: dict[int, Any]
    stack: list[Any]
    finish: Any
    kept: list[Any]
    pushes: bool


@dataclass(slots=True, eq=False)
class Exit:
    """How a run ended.

    Attributes:
        kind: "guard" (a guard failed), "finish", "raise" (finish_raise), or "jump": left to another loop, or stopped
            after `max_iterations`.
        operation: The operation it ended at.
        values: Of a guard: its live values, in the order of `live_values`. Of the others: the operation's arguments.
        exception: The exception that is pending at a guard, or None.
        handled: The thread's handled exception as the trace left it (None if it never set it).
        iterations: How often the loop's header was passed (by the jump, or from the preamble into the label).
        environment: For a guard, what each of its live values is, by id; keeps nothing else.
    """

    kind: str
    operation: Operation
    values: tuple[Any, ...]
    exception: BaseException | None = None
    handled: BaseException | None = None
    iterations: int = 0
    environment: dict[int, Any] = field(default_factory=dict)
    _built: dict[int, Any] = field(default_factory=dict)
    _is_applied: bool = False

    @property
    def snapshot(self) -> Snapshot:
        """The failed guard's snapshot."""
        if self.operation.snapshot is None:
            raise IRError(f"{self.operation.opcode.name} has no snapshot")
        return self.operation.snapshot

    def materialize(self, value: Any) -> Any:
        """The object for a value or virtual of the snapshot; a virtual is built once."""
        if isinstance(value, Const):
            return value.value
        if isinstance(value, Value):
            return self.environment[id(value)]
        if id(value) not in self._built:
            self._build(value)
        return self._built[id(value)]

    def _build(self, virtual: VirtualObject | VirtualSequence) -> None:
        if isinstance(virtual, VirtualObject):
            instance: Any = {} if virtual.cls is dict else object.__new__(virtual.cls)
            self._built[id(virtual)] = instance
            for place, value in virtual.fields:
                set_field(instance, place, self.materialize(value))
        elif virtual.cls is list:
            items: list[Any] = []
            self._built[id(virtual)] = items
            items.extend(self.materialize(item) for item in virtual.items)
        elif virtual.cls is types.CellType:
            cell = types.CellType()
            self._built[id(virtual)] = cell
            content = self.materialize(virtual.items[0])
            if content is not NULL_OBJECT:
                cell.cell_contents = content
        elif virtual.cls is int:
            self._built[id(virtual)] = self.materialize(virtual.items[0]) & ((1 << 64) - 1)
        else:
            parts = [self.materialize(item) for item in virtual.items]
            # One of the parts, which is in a circle with it, may have asked for it.
            self._built.setdefault(id(virtual), tuple.__new__(virtual.cls, parts))

    def pending(self) -> list[tuple[str, tuple[Any, ...], Any]]:
        """The delayed stores: (operation name, arguments, descriptor) of each, in order."""
        return [(s.opcode.name, tuple(map(self.materialize, s.args)), s.descr) for s in self.snapshot.pending]

    def apply_pending(self) -> None:
        """Do the delayed stores on the objects (once)."""
        if not self._is_applied:
            self._is_applied = True
            for name, args, descr in self.pending():
                HEAP_OPERATIONS[name](args, descr)

    def raising(self) -> Any:
        """The exception that the snapshot says is raised, or None."""
        return None if self.snapshot.raising is None else self.materialize(self.snapshot.raising)

    def frames(self) -> list[ResumedFrame]:
        """The frames to go on in, outermost first. Delayed stores are not done by this."""
        return [self._frame(state) for state in self.snapshot.frames]

    def _frame(self, state: FrameState) -> ResumedFrame:
        return ResumedFrame(
            state.function,
            state.jitcode,
            state.index,
            state.throw_index,
            {number: self.materialize(value) for number, value in zip(state.numbers, state.locals, strict=True)},
            [self.materialize(value) for value in state.stack],
            state.finish,
            [self.materialize(value) for value in state.kept],
            state.pushes,
        )


# --- running ---------------------------------------------------------------------------------------------------------


def call_c_function(row: CFunction, args: Sequence[Any]) -> Any:
    """Call a row of `cfunctions` as its C function behaves.

    Raises:
        BaseException: Whatever the call raises (the C function's error value with a pending exception).
    """
    try:
        return row.evaluate(*args)
    except StopIteration:
        if row.error != "null_maybe":
            raise
        return NULL_OBJECT
    except (ValueError, OverflowError):
        if row.error != "never" or row.result != "f":
            raise
        # math's functions raise where libm gives an infinity or NaN: ask libm itself.
        function = getattr(ctypes.CDLL(None), row.symbol)
        function.restype = ctypes.c_double
        function.argtypes = [ctypes.c_double] * len(row.args)
        return function(*args)


_KIND_TYPES: dict[str, Any] = {"i": int, "f": float, "b": bool}


class _Run:
    """One run: the current trace, the values computed so far, the pending and the handled exception."""

    def __init__(
        self,
        bridges: Mapping[Operation, Trace],
        loops: Mapping[LoopRef | LabelRef, Trace],
        max_iterations: int,
        force_exit: Callable[[Operation, int], bool] | None,
    ) -> None:
        self.bridges = bridges
        self.loops = loops
        self.max_iterations = max_iterations
        self.force_exit = force_exit
        self.guard_counts: dict[Operation, int] = {}
        self.environment: dict[int, Any] = {}
        self.pending: BaseException | None = None
        self.handled: BaseException | None = None
        self.iterations = 0
        self.trace: Trace
        self.position = 0

    def enter(self, trace: Trace, args: Sequence[Any]) -> None:
        """Go to the start of a trace."""
        if len(args) != len(trace.inputs):
            raise IRError(f"trace {trace.name} takes {len(trace.inputs)} values, {len(args)} given")
        self.trace = trace
        self.position = 0
        self.environment = {}
        for value, arg in zip(trace.inputs, args, strict=True):
            self.bind(value, arg)

    def bind(self, value: Value, result: Any) -> None:
        wanted = _KIND_TYPES.get(value.kind)
        if wanted is not None and (type(result) is not wanted or (wanted is int and not fits_i64(result))):
            raise IRError(f"{result!r} is no value of kind {value.kind}")
        self.environment[id(value)] = result

    def value(self, value: Value) -> Any:
        if isinstance(value, Const):
            return value.value
        return self.environment[id(value)]

    def loop(self) -> Exit:
        while True:
            op = self.trace.operations[self.position]
            self.position += 1
            try:
                leaving = self.step(op)
            except IRError as error:
                raise self._located(error, op) from error
            except Exception as error:
                raise self._located(IRError(f"{type(error).__name__}: {error}"), op) from error
            if leaving is not None:
                return leaving

    def _located(self, error: IRError, op: Operation) -> IRError:
        line = Printer(self.trace, snapshots=False).line(op)
        return error if line in str(error) else IRError(f"{error} in: {line}")

    def step(self, op: Operation) -> Exit | None:
        """Execute one operation; an Exit ends the run."""
        name = op.opcode.name
        args = tuple(map(self.value, op.args))
        control = _CONTROL.get(name)
        if control is not None:
            return control(self, op, args)
        if op.opcode.is_guard and self._is_forced(op):
            return self.leave(op)
        evaluate = op.opcode.evaluate
        try:
            result = evaluate(*args) if evaluate is not None else _EFFECTS.get(name, _plain)(self, op, args)
        except GuardFailed:
            return self.leave(op)
        if op.kind:
            self.bind(op, result)
        return None

    def _is_forced(self, guard: Operation) -> bool:
        if self.force_exit is None or not guard.opcode.forcible:
            return False
        count = self.guard_counts.get(guard, 0) + 1
        self.guard_counts[guard] = count
        # A pending exception must reach whoever takes it: failing is not spurious then.
        return self.pending is None and self.force_exit(guard, count)

    def leave(self, guard: Operation) -> Exit | None:
        """A guard failed: go on in its bridge, or end the run."""
        if guard.snapshot is None:
            raise IRError("the failing guard has no snapshot")
        live = live_values(guard.snapshot)
        values = tuple(map(self.value, live))
        bridge = self.bridges.get(guard)
        if bridge is not None:
            self.enter(bridge, values)
            return None
        leaving = self.exit("guard", guard, values)
        leaving.environment = {id(value): self.environment[id(value)] for value in live}
        return leaving

    def exit(self, kind: str, op: Operation, values: tuple[Any, ...]) -> Exit:
        return Exit(kind, op, values, self.pending, self.handled, self.iterations)

    def pass_header(self, op: Operation, values: tuple[Any, ...]) -> Exit | None:
        self.iterations += 1
        return self.exit("jump", op, values) if self.iterations >= self.max_iterations else None

    def label(self, op: Operation, args: tuple[Any, ...]) -> Exit | None:
        leaving = self.pass_header(op, args)
        if leaving is None:
            self.enter_label(op, args)
        return leaving

    def enter_label(self, label: Operation, args: tuple[Any, ...]) -> None:
        # Only the parameters survive: a value from before the label must not be used behind it.
        if len(args) != len(label.params):
            raise IRError(f"the label takes {len(label.params)} values, {len(args)} given")
        self.environment = {}
        for param, arg in zip(label.params, args, strict=True):
            self.bind(param, arg)

    def jump(self, op: Operation, args: tuple[Any, ...]) -> Exit | None:
        if op.descr is not None:
            target = self.loops.get(op.descr)
            if target is None:
                return self.exit("jump", op, args)
            leaving = self.pass_header(op, args)
            if leaving is None and isinstance(op.descr, LabelRef):
                self.trace = target
                self.go_to_label(args)
            elif leaving is None:
                self.enter(target, args)
            return leaving
        leaving = self.pass_header(op, args)
        if leaving is not None:
            return leaving
        self.go_to_label(args)
        return None

    def go_to_label(self, args: tuple[Any, ...]) -> None:
        """Go to the label of the current trace, or to its start when there is none."""
        label = self.trace.label
        if label is None:
            self.enter(self.trace, args)
        else:
            self.enter_label(label, args)
            self.position = self.trace.operations.index(label) + 1

    def finish_parts(self, op: Operation, args: tuple[Any, ...]) -> Exit:
        return self.exit("finish", op, (put_together(op.descr, args),))

    def guard_parts(self, op: Operation, args: tuple[Any, ...]) -> None:
        require(take_apart(op.descr, args[0]) is not None)

    def result_part(self, op: Operation, args: tuple[Any, ...]) -> Any:
        guard = next(other for other in self.trace.operations if other.args == op.args and other.opcode.name == "guard_parts")
        numbers = take_apart(guard.descr, args[0])
        assert numbers is not None
        return numbers[op.descr]

    def finish(self, op: Operation, args: tuple[Any, ...]) -> Exit:
        return self.exit("finish" if op.opcode.name == "finish" else "raise", op, args)

    # -- operations that use the run's state --

    def attempt(self, op: Operation, function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Make a call; what it raises becomes the pending exception, and its result is the error value."""
        try:
            return function(*args, **keywords)
        except BaseException as error:  # noqa: BLE001 (what the guest raises is for the guard behind the call)
            self.pending = error
            return {"i": -1, "f": math.nan, "r": NULL_OBJECT}[op.kind]

    def call(self, op: Operation, args: tuple[Any, ...]) -> Any:
        names = op.descr.keywords
        split = len(args) - len(names)
        return self.attempt(op, args[0], *args[1:split], **dict(zip(names, args[split:], strict=True)))

    def call_c(self, op: Operation, args: tuple[Any, ...]) -> Any:
        if not op.descr.can_raise:
            return call_c_function(op.descr, args)
        return self.attempt(op, call_c_function, op.descr, args)

    def call_portal(self, op: Operation, args: tuple[Any, ...]) -> Any:
        target = self.loops.get(op.descr)
        if target is None:
            raise IRError(f"no trace is given for loop {op.descr.name}")
        inner = run(target, args, bridges=self.bridges, loops=self.loops, force_exit=self.force_exit)
        if inner.kind == "raise":
            self.pending = inner.values[0]
            return NULL_OBJECT
        if inner.kind != "finish":
            place = inner.operation.opcode.name
            raise IRError(f"the called loop left its trace at {place}: only the runtime can go on")
        return inner.values[0]

    def guard_no_exception(self, op: Operation, args: tuple[Any, ...]) -> None:
        require(self.pending is None)

    def guard_exception(self, op: Operation, args: tuple[Any, ...]) -> Any:
        require(self.pending is not None)
        error, self.pending = self.pending, None
        return error

    def push_exc_info(self, op: Operation, args: tuple[Any, ...]) -> Any:
        previous, self.handled = self.handled, args[0]
        return previous

    def pop_exc_info(self, op: Operation, args: tuple[Any, ...]) -> None:
        self.handled = args[0]


def _plain(_: _Run, op: Operation, args: tuple[Any, ...]) -> Any:
    return HEAP_OPERATIONS[op.opcode.name](args, op.descr)


_CONTROL: dict[str, Callable[[_Run, Operation, tuple[Any, ...]], Exit | None]] = {
    "label": _Run.label,
    "jump": _Run.jump,
    "finish": _Run.finish,
    "finish_raise": _Run.finish,
    "finish_parts": _Run.finish_parts,
}
_EFFECTS: dict[str, Callable[[_Run, Operation, tuple[Any, ...]], Any]] = {
    "call": _Run.call,
    "call_c_r": _Run.call_c,
    "call_c_i": _Run.call_c,
    "call_c_f": _Run.call_c,
    "call_portal": _Run.call_portal,
    "call_loop": _Run.call_portal,
    "guard_parts": _Run.guard_parts,
    "result_part_i": _Run.result_part,
    "result_part_f": _Run.result_part,
    "guard_no_exception": _Run.guard_no_exception,
    "guard_exception": _Run.guard_exception,
    "push_exc_info": _Run.push_exc_info,
    "pop_exc_info": _Run.pop_exc_info,
}

EVALUATED = frozenset(HEAP_OPERATIONS) | frozenset(_CONTROL) | frozenset(_EFFECTS)
"""Names of the operations without `Opcode.evaluate` that this module gives a meaning."""


def run(
    trace: Trace,
    args: Sequence[Any],
    *,
    bridges: Mapping[Operation, Trace] | None = None,
    loops: Mapping[LoopRef | LabelRef, Trace] | None = None,
    max_iterations: int = 10_000,
    force_exit: Callable[[Operation, int], bool] | None = None,
) -> Exit:
    """Run a trace until it is left.

    Args:
        trace: Valid IR (see `verifier`); what is not raises IRError when it is met.
        args: A value for each input.
        bridges: Traces that go on where a guard fails; their inputs are the guard's live values.
        loops: Targets of jumps with a LoopRef or LabelRef, and of call_portal. A jump to a loop that is not given ends
            the run.
        max_iterations: Stop with an Exit of kind "jump" when a loop header is passed for this many times. Falling
            into the label counts, so that a trace counts the same before and after peeling.
        force_exit: Asked at each forcible guard, with the number of times it was reached: True makes it fail.

    Raises:
        IRError: An operation was given what its row does not allow.
    """
    running = _Run(bridges or {}, loops or {}, max_iterations, force_exit)
    running.enter(trace, args)
    return running.loop()
