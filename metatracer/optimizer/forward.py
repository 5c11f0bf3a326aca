"""The forward pass: one walk over a recorded trace that builds the optimized one.

The passes of `PASSES` cooperate. Each registers handlers for rows of the operation table; an operation, its
arguments already resolved, is shown to the handlers of its row in the order of the passes until one gives a verdict
(see `verdicts`). A handler that wants another operation instead answers with `forward.run(...)` of that one. Handlers
may emit operations before the one in hand (a flushed store, a forced allocation), never after it: an operation that
may raise is followed at once by its guard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from metatracer.ir.cfunctions import EMPTY_DICT, NEW_DICT
from metatracer.ir.opcodes import GUARD_NO_EXCEPTION, OPCODES, Opcode
from metatracer.ir.values import Input, Operation, Value
from metatracer.optimizer.calls import Calls
from metatracer.optimizer.cse import CommonSubexpressions
from metatracer.optimizer.folding import ConstantFolding
from metatracer.optimizer.heap import HeapCache
from metatracer.optimizer.knowledge import Knowledge
from metatracer.optimizer.known_bits import KnownBits
from metatracer.optimizer.materialize import Materializer
from metatracer.optimizer.ranges import Ranges
from metatracer.optimizer.rewriting import Rewriter
from metatracer.optimizer.state import ConstantPool, State, Virtual
from metatracer.optimizer.verdicts import Contradiction, Handler, Verdict, can_raise
from metatracer.optimizer.virtuals import Virtuals

if TYPE_CHECKING:
    from collections.abc import Collection

    from metatracer.ir.values import Snapshot


class Forward:
    """One walk. After `run_all`, `out` holds the operations built and `state` what is known behind them.

    Attributes:
        enabled: Names of the passes that are switched on.
        inputs: Of the trace that is being built.
        returns_parts: Its result may be returned in parts.
        snapshot: The recorded snapshot of the operation in hand.
        retry: A recorded snapshot to which it is safe to return at this point (nothing but reads and allocations was
            recorded since), or None.
        following: The recorded operation behind the one in hand.
        call_removed: The last operation that could raise was removed, and so is the guard behind it.
    """

    def __init__(self, pool: ConstantPool, enabled: Collection[str]) -> None:
        self.pool = pool
        self.enabled = frozenset(enabled)
        self.state = State(pool)
        self.inputs: tuple[Input, ...] = ()
        self.returns_parts = False
        self.out: list[Operation] = []
        self.snapshot: Snapshot | None = None
        self.retry: Snapshot | None = None
        self.call_removed = False
        self.following: Operation | None = None
        self.materializer = Materializer(self)
        self.heap = HeapCache(self)
        self.bits = KnownBits(self)
        self.ranges = Ranges(self)
        self.parts: dict[str, Any] = {
            "virtuals": Virtuals(self),
            "fold": ConstantFolding(self),
            "algebra": Rewriter(self, "algebra"),
            "ranges": self.ranges,
            "bits": self.bits,
            "types": Knowledge(self),
            "heap": self.heap,
            "calls": Calls(self),
            "cse": CommonSubexpressions(self),
        }
        handlers: dict[Opcode, list[Handler]] = {opcode: [] for opcode in OPCODES.values()}
        for name, part in self.parts.items():
            if name in self.enabled or name in KEEP_ORDER:
                for opcode, handler in part.handlers():
                    handlers[opcode].append(handler)
        self._handlers: dict[Opcode, tuple[Handler, ...]] = {opcode: tuple(found) for opcode, found in handlers.items()}

    def run_all(self, operations: list[Operation]) -> None:
        """Process recorded operations."""
        resolve = self.state.resolve
        replaced = self.state.replaced
        for number, old in enumerate(operations, 1):
            self.snapshot = old.snapshot
            self.following = operations[number] if number < len(operations) else None
            opcode = old.opcode
            verdict = self.run(Operation(opcode, [resolve(arg) for arg in old.args], old.descr))
            if opcode.result:
                assert isinstance(verdict, Value), opcode
                replaced[old] = verdict
            self._note_retry(old)

    def _note_retry(self, old: Operation) -> None:
        """Keep `retry` up to date behind a recorded operation."""
        opcode = old.opcode
        if opcode.is_guard:
            snapshot = old.snapshot
            usable = (
                opcode.forcible
                and opcode is not GUARD_NO_EXCEPTION
                and snapshot is not None
                and snapshot.raising is None
                and bool(snapshot.frames)
                and snapshot.frames[-1].throw_index < 0
            )
            self.retry = snapshot if usable else None
        elif opcode.writes or opcode.runs_code or opcode.descr == "cfunction":
            self.retry = None

    def run(self, op: Operation) -> Verdict:
        """Show an operation (arguments resolved) to the handlers; give back its value, or `DROP`."""
        for handler in self._handlers[op.opcode]:
            verdict = handler(op)
            if verdict is not None:
                if verdict is not op and can_raise(op):
                    self.call_removed = True
                return verdict
        return self.emit(op)

    def new(self, opcode: Opcode, *args: Value, descr: Any = None) -> Value:
        """Run an operation that was not recorded, and give its result."""
        value = self.run(Operation(opcode, args, descr))
        assert isinstance(value, Value)
        return value

    def emit(self, op: Operation) -> Operation:
        """Append an operation, forcing its virtual arguments first."""
        for arg in op.args:
            if isinstance(arg, Virtual):
                op.args = tuple([self.force(arg) for arg in op.args])
                break
        opcode = op.opcode
        if opcode.is_guard:
            op.snapshot = self.exit_of(op)
        elif can_raise(op):
            self.call_removed = False
        if opcode.result == "r":
            self.state.positions[op] = len(self.out)
            if opcode.allocates or op.descr is NEW_DICT or op.descr is EMPTY_DICT:
                self.state.births[op] = len(self.out)
        self.out.append(op)
        return op

    def exit_of(self, op: Operation) -> Snapshot | None:
        """The snapshot of a guard that is about to be emitted."""
        assert self.snapshot is not None, f"{op.opcode.name} without a snapshot"
        return self.materializer.snapshot(self.snapshot)

    def emit_guard(self, op: Operation, snapshot: Snapshot) -> None:
        """Emit a guard of the optimizer's own, which returns to a recorded snapshot."""
        saved, self.snapshot = self.snapshot, snapshot
        self.emit(op)
        self.snapshot = saved

    def force(self, value: Value) -> Value:
        """The real value: a virtual is allocated now."""
        value = self.state.resolve(value)
        return self.materializer.force(value) if isinstance(value, Virtual) else value

    def failing(self) -> NoReturn:
        """Give up on a guard that is known to fail: what is known does not fit the code behind it."""
        raise Contradiction


KEEP_ORDER = frozenset({"heap", "calls"})
"""These also keep memory effects in order; when they are switched off, that is all they do."""
