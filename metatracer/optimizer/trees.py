"""A bridge as part of a tree: it begins with all that its parent trace knows where it leaves, not only with what exits hand over.

A bridge is compiled for the values of its guard's exit. What else the parent has found out or keeps in registers (constants of
the guest that it has loaded, unboxed and checked before the loop) it has to read and check again, and so it does, in each pass
that takes it, to enter the loop at its label. Where both are one function (`runtime.tiers`) the values are simply there::

    label(r0: list, i1, r2: int, i3)            bridge(r4, i5), at the guard's exit [r0, i1]
    ...                                           r6 = list_getitem(r4, 2)
    guard_true(b7) -> [r0, i1]                    guard_type(r6) {int}
                                                  i8 = int_unbox(r6)
                                                  jump(r4, i5, r6, i8) {label}

If the loop relies on ``r2`` being item 2 of ``r0`` and on ``i3`` being its value, the bridge becomes ``jump(r4, i5, r9, i10)``,
with two more inputs that are given ``r2`` and ``i3``.

Each trace of the tree is walked once. The root stays as it is; what is known at its label are the facts that it relies on,
which whoever enters there makes true. Where a guard has a bridge, what is known is handed to a walk of the bridge's operations,
which may drop and replace some. Loads, checks and pure operations become fewer, stores and allocations stay: no store is put off,
nothing is virtual. Exits keep their numbers and hand over the same values in the same order; so a guard that is left stands
for the one that it was, and the values of its exit may be constants, or the same one twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metatracer.backend import switches
from metatracer.ir import opcodes as ops
from metatracer.ir.class_facts import ClassFacts
from metatracer.ir.snapshots import live_values
from metatracer.ir.values import Const, Input, Operation, Snapshot, Trace, Value
from metatracer.optimizer.dead import is_needed
from metatracer.optimizer.forward import Forward
from metatracer.optimizer.pipeline import selected_passes
from metatracer.optimizer.state import CELL, ConstantPool, Virtual
from metatracer.optimizer.verdicts import Contradiction, Verdict

if TYPE_CHECKING:
    from metatracer.optimizer.entering import Entry
    from metatracer.optimizer.state import FactKey, Info

_LEFT_OUT = frozenset({"virtuals", "lazy", "append", "alias", "peel", "dead"})
"""Passes that would move stores and allocations, or guess."""
_AS_THEY_ARE = frozenset({ops.GUARD_PARTS, ops.FINISH_PARTS, ops.RESULT_PART_I, ops.RESULT_PART_F})
"""Rows of what has been made of virtual objects already."""
_CHAINED = frozenset({ops.GUARD_INT_VALUE, ops.GUARD_VALUE, ops.GUARD_TYPE})
MAX_ATTEMPTS = 4
_OLDER = 1 << 40


@dataclass(slots=True, eq=False)
class Part:
    """A trace of a tree.

    Attributes:
        trace: As optimized, or what it has become.
        bridges: By the guard of the trace that they hang on.
        origins: Of the guards of a trace that has become another: those of the trace as it was.
        extras: What guards give their bridges beyond the values of their exits: values of the trace.
    """

    trace: Trace
    bridges: dict[Operation, Part] = field(default_factory=dict)
    origins: dict[Operation, Operation] = field(default_factory=dict)
    extras: dict[Operation, tuple[Value, ...]] = field(default_factory=dict)


def refined(root: Part, *, forced: bool = False) -> Part:
    """The tree whose bridges begin with what is known where they leave.

    Args:
        root: The root with the bridges below it.
        forced: Guards may fail for no reason.
    """
    enabled = selected_passes() - _LEFT_OUT
    entry: Entry | None = root.trace.entry
    pool = ConstantPool() if entry is None else entry.label.forward.pool
    result = Part(root.trace, dict(root.bridges))
    walk = _Walk(root, result, pool, enabled, forced=forced)
    for value in root.trace.inputs:
        walk.add_input(value)
    try:
        for number, op in enumerate(root.trace.operations):
            if op.opcode is ops.LABEL:
                walk = _Walk(root, result, pool, enabled, forced=forced)
                for param in op.params:
                    walk.add_input(param)
                if number and entry is not None:
                    walk.know_label(entry)
            else:
                walk.step(op, root.trace.operations[number + 1 : number + 2])
    except Contradiction:  # what is known does not fit the code: the bridges from here on stay as they are
        pass
    return result


class _Walk(Forward):
    """One walk over a trace of a tree that stays as it is: what is known, in terms of its values."""

    def __init__(self, part: Part, result: Part, pool: ConstantPool, enabled: frozenset[str], *, forced: bool) -> None:
        super().__init__(pool, enabled)
        self.part = part
        self.result = result
        self.forced = forced
        self.scope: set[Value] = set()
        self.depth = 0
        self._old: dict[Value, Value] = {}
        self.state.classes = part.trace.classes or ClassFacts(has_fickle=True)
        self._definitions: dict[Value, FactKey] | None = None

    def add_input(self, value: Input) -> None:
        """A value that the trace is given."""
        self.scope.add(value)
        if value.known_type is not None:
            info = self.state.info(value)
            info.type = value.known_type
            info.nonnull = True

    def know_label(self, entry: Entry) -> None:
        """Take over the facts at a loop's label that the loop relies on."""
        label = entry.label.state
        if label.classes is not None:
            self.state.classes = label.classes
        params = {label.resolve(value): param for param, value in entry.value_of.items()}

        def renamed(value: Value) -> Value | None:
            value = label.resolve(value)
            return value if isinstance(value, Const) else params.get(value)

        for table, head, args in entry.used:
            value = label.lookup(table, head, args)
            if value is None:
                continue
            known, inside = [renamed(arg) for arg in args], renamed(value)
            present = [arg for arg in known if arg is not None]
            if inside is not None and len(present) == len(known):
                self.state.note_fact(table, head, tuple(present), inside)
                self._note_info(label.infos.get(label.resolve(value)), inside)
        for value, param in params.items():
            if param in self.scope:
                self._note_info(label.infos.get(value), param)

    def _note_info(self, info: Info | None, value: Value) -> None:
        if info is not None and not isinstance(value, Const):
            self.state.infos[value] = info.copy()

    def step(self, old: Operation, following: list[Operation]) -> None:
        """Walk over an operation, with the bridge that hangs on it."""
        self.following = following[0] if following else None
        fork = self._fork(old) if old in self.part.bridges else None
        self.run_old(old)
        if fork is not None:
            self.result.bridges[old] = fork.result
            if fork.extras:
                self.result.extras[old] = fork.extras

    def run_old(self, old: Operation) -> None:
        """Note what an operation does; it stays as it is, and what is known is known of a copy.

        (Other threads may be reading the trace.)
        """
        new = Operation(old.opcode, [self.state.resolve(arg) for arg in old.args], old.descr)
        verdict = self.run(new)
        if old.opcode.result:
            assert isinstance(verdict, Value)
            self.state.replaced[old] = verdict
            if verdict is new:
                self._old[new] = old
                self.scope.add(new)

    def real(self, value: Value) -> Value:
        """The value in the code."""
        return self._old.get(value, value)

    def run(self, op: Operation) -> Verdict:
        return self.emit(op) if op.opcode in _AS_THEY_ARE else super().run(op)

    def exit_of(self, op: Operation) -> Snapshot | None:
        return op.snapshot

    # --- bridges ------------------------------------------------------------------------------------------------------

    def _fork(self, guard: Operation) -> _Bridge:
        """The bridge of a guard, walked with what is known in front of it.

        Bridges one behind the other for the values of one promotion stay as they are where the backend makes a switch of
        them, which passes them by.
        """
        self._definitions = None
        bridge = self.part.bridges[guard]
        same_place = guard.opcode in _CHAINED and _first_guard(bridge.trace) is guard.opcode
        depth = self.depth + 1 if guard.opcode in _CHAINED else 0
        if not (same_place or depth > 1) or _chain_length(self.part, guard) + self.depth < switches.LEAST_CASES:
            made = self._made(bridge, guard, depth)
            if made is not None:
                return made
        fork = _Bridge(bridge, self, guard, depth, [])
        fork.stay()
        return fork

    def _made(self, bridge: Part, guard: Operation, depth: int) -> _Bridge | None:
        """The bridge as another trace, if it can be had.

        What it has to load is found out without the bridges below it, which need nothing that is not there: each walk with them
        would be one of theirs, too.
        """
        loaded: list[Value] = []
        try:
            for _ in range(MAX_ATTEMPTS):
                fork = _Bridge(bridge, self, guard, depth, loaded)
                missing = fork.make(alone=True)
                if not missing:
                    break
                loaded = [*loaded, *missing]
            else:
                return None
            if bridge.bridges:
                fork = _Bridge(bridge, self, guard, depth, loaded)
                missing = fork.make()
        except Contradiction:
            return None
        return None if missing else fork

    def has(self, value: Value) -> bool:
        """Whether there is such a value in the code."""
        return isinstance(value, Const) or value in self.scope

    def definition(self, value: Value) -> FactKey | None:
        """A fact by which a value can be had at the guard in hand."""
        if self._definitions is None:
            self._definitions = {}
            for table, head, args, known in self.state.facts():
                self._definitions.setdefault(self.state.resolve(known), (table, head, args))
        return self._definitions.get(value)


class _Bridge(_Walk):
    """The walk over a bridge, which becomes another trace."""

    def __init__(self, part: Part, parent: _Walk, guard: Operation, depth: int, loaded: list[Value]) -> None:
        super().__init__(part, Part(part.trace, dict(part.bridges)), parent.pool, parent.enabled, forced=parent.forced)
        self.parent = parent
        self.guard = guard
        self.live = live_values(guard.snapshot) if guard.snapshot is not None else ()
        self.old: Operation | None = None
        self.extras: tuple[Value, ...] = ()
        self.depth = depth
        self._inputs = frozenset(part.trace.inputs)
        self._is_kept = False
        self._loaded = loaded
        self._names: dict[Value, Value] = {}
        self._of: dict[Value, Value] = {}
        self._exits: dict[Operation, Operation] = {}
        self._left_by: set[Operation] = set()
        self._bridges: dict[Operation, Part] = {}
        self._given: dict[Operation, tuple[Value, ...]] = {}

    # --- what the parent knows ----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Take over the parent's knowledge, in terms of inputs."""
        parent, state = self.parent.state, self.state
        inputs = self.part.trace.inputs
        for given, value in zip(inputs, self.live, strict=True):
            known = parent.resolve(value)
            if known not in self._names and not isinstance(known, Const):
                self._names[known] = given
                self._of[given] = known
                self._describe(known, given)
            name = self._name(known)
            if name is not given:
                state.replaced[given] = name
            self.add_input(given)
        for table, head, args, value in parent.facts():
            names = [self._name(parent.resolve(arg)) for arg in args]
            state.note_fact(table, head, tuple(names), self._name(parent.resolve(value)))
        known_classes = self.part.trace.classes
        state.classes = ClassFacts(has_fickle=True).united(known_classes)

    def _name(self, value: Value) -> Value:
        if isinstance(value, Const):
            return value
        if isinstance(value, Virtual):
            raise Contradiction
        name = self._names.get(value)
        if name is None:
            name = self._names[value] = Input(value.kind)
            self._of[name] = value
            self._describe(value, name)
        return name

    def _describe(self, value: Value, name: Input) -> None:
        parent = self.parent.state
        info = parent.infos.get(value)
        if info is not None:
            copied = self.state.infos[name] = info.copy()
            if name.known_type is None:
                name.known_type = copied.type
        born = parent.births.get(value)
        if born is not None:
            self.state.births[name] = born - _OLDER
        appeared = parent.positions.get(value)
        if appeared is not None:
            self.state.positions[name] = appeared - _OLDER

    def has(self, value: Value) -> bool:
        if value in self._of and value not in self._inputs:
            return not self._is_kept and self.parent.has(self._of[value])
        return super().has(value)

    # --- walking ------------------------------------------------------------------------------------------------------

    def stay(self) -> None:
        """Walk over the bridge as it is."""
        self._is_kept = True
        try:
            self._begin()
            operations = self.part.trace.operations
            for number, op in enumerate(operations):
                self.step(op, operations[number + 1 : number + 2])
        except Contradiction:
            return

    def make(self, *, alone: bool = False) -> list[Value]:
        """Make the bridge's new trace; gives the values (of what the parent knows) that it would need and that are not there.

        Args:
            alone: Without the bridges below.
        """
        self._begin()
        if not self.forced and self.guard.opcode in (ops.GUARD_TRUE, ops.GUARD_FALSE):
            self._learn_failure()
        operations = self.part.trace.operations
        for number, old in enumerate(operations):
            self.following = operations[number + 1] if number + 1 < len(operations) else None
            self.old = old
            at = len(self.out)
            fork = self._fork(old) if old in self.part.bridges and not alone else None
            verdict = self.run(Operation(old.opcode, [self.state.resolve(arg) for arg in old.args], old.descr))
            if old.opcode.result:
                assert isinstance(verdict, Value)
                self.state.replaced[old] = verdict
            if fork is not None:
                self._note_fork(old, fork, at)
            if number == 0 and self._loaded:
                self._load()
        self._drop_dead()
        used = self._used()
        missing = [self._of[value] for value in used if not self.has(value)]
        if not missing:
            self._finish(used)
        return missing

    def _learn_failure(self) -> None:
        """The guard's condition was not as it should be."""
        condition = self.state.resolve(self._name(self.parent.state.resolve(self.guard.args[0])))
        if not isinstance(condition, Const):
            failed = self.guard.opcode is ops.GUARD_TRUE
            self.state.substitute(condition, self.pool.false if failed else self.pool.true)

    def _load(self) -> None:
        """Read what the parent knows but has no value of."""
        for value in self._loaded:
            name = self._name(value)
            fact = self.parent.definition(value)
            if fact is None:
                raise Contradiction
            table, head, args = fact
            names = tuple([self.state.resolve(self._name(self.parent.state.resolve(arg))) for arg in args])
            if table == "item":
                load = Operation(ops.LIST_GETITEM, names)
            elif table in ("field", "immutable") and head is CELL:
                load = Operation(ops.CELL_GET, names)
            elif table in ("field", "immutable") and head.storage == "slot":
                load = Operation(ops.GETFIELD, names, head)
            elif table == "pure" and head[0].is_pure and not head[0].is_guard and not head[0].allocates and head[0].result:
                load = Operation(head[0], names, head[1])
            else:
                raise Contradiction
            info = self.state.infos.get(name)
            self.emit(load)
            if info is not None:
                self.state.infos[load] = info
            self.state.substitute(name, load)

    def emit(self, op: Operation) -> Operation:
        if not self._is_kept:
            self.scope.add(op)
        return super().emit(op)

    def exit_of(self, op: Operation) -> Snapshot | None:
        """The exit of the guard that this one stands for, with the values as they are now, in the same order."""
        if self._is_kept:
            return None
        old = self.old
        if old is None or not old.opcode.is_guard or old.snapshot is None or old in self._left_by:
            raise Contradiction
        self._left_by.add(old)
        self._exits[op] = old
        snapshot = Snapshot(old.snapshot.frames)
        snapshot.live = tuple([self.state.resolve(value) for value in live_values(old.snapshot)])
        return snapshot

    def _note_fork(self, old: Operation, fork: _Bridge, at: int) -> None:
        for op in self.out[at:]:
            if self._exits.get(op) is old:
                self._bridges[op] = fork.result
                if fork.extras:
                    self._given[op] = fork.extras

    # --- the new trace ------------------------------------------------------------------------------------------------

    def _uses(self, op: Operation) -> tuple[Value, ...]:
        live = () if op.snapshot is None else live_values(op.snapshot)
        return (*op.args, *live, *self._given.get(op, ()))

    def _drop_dead(self) -> None:
        alive: set[Value] = set()
        kept: list[Operation] = []
        for op in reversed(self.out):
            if op in alive or is_needed(op):
                kept.append(op)
                alive.update(self._uses(op))
        self.out = kept[::-1]

    def _used(self) -> list[Value]:
        """The inputs that are used."""
        found: dict[Value, None] = {}
        for op in self.out:
            for value in self._uses(op):
                if value in self._of:
                    found[value] = None
                elif not isinstance(value, Const) and value not in self.scope:
                    raise Contradiction
        return list(found)

    def _finish(self, used: list[Value]) -> None:
        trace = self.part.trace
        further = [value for value in used if isinstance(value, Input) and value not in self._inputs]
        self.extras = tuple([self.parent.real(self._of[value]) for value in further])
        inputs = (*trace.inputs, *further)
        new = Trace(inputs, self.out, trace.assumptions, trace.name, trace.entry, trace.repeats, trace.classes)
        kept = set(self.out)
        origins = {op: old for op, old in self._exits.items() if op in kept}
        self.result = Part(new, self._bridges, origins, self._given)


def _first_guard(trace: Trace) -> ops.Opcode | None:
    """The row of the first guard behind the check of a bridge's assumptions, if it begins with one."""
    for op in trace.operations:
        if op.opcode is not ops.GUARD_NOT_INVALIDATED and op.opcode is not ops.MERGE_POINT:
            return op.opcode if op.opcode.is_guard else None
    return None


def _chain_length(part: Part, guard: Operation) -> int:
    """How many bridges follow one another, each on the first guard of the one before."""
    length = 0
    opcode = guard.opcode
    while guard in part.bridges:
        length += 1
        part = part.bridges[guard]
        following = next((op for op in part.trace.operations if op.opcode is opcode), None)
        if following is None or _first_guard(part.trace) is not opcode:
            break
        guard = following
    return length
