"""Entering a peeled loop at its label, from another trace that has arrived at the loop's merge point.

A bridge (or any other trace that ends in a jump to a loop) would have to box what it knows unboxed, do all the stores it
put off, and go through the loop's preamble, which takes everything apart again. Instead its state is compared with the
state at the label, as that of the loop's own back edge was when the loop was made. What is lacking is found out here:
classes, lengths, contents of fields that the loop takes as known are checked and read, by operations whose exits go
to the merge point. If the states differ in a way that no check can mend (the loop has a virtual object where this trace
has a real one), one iteration of the loop's recorded operations is run behind the trace, and the states are compared
behind that. If this does not help either, the trace is left to jump to the loop's entry.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from metatracer.hints import is_value_class
from metatracer.ir import opcodes as ops
from metatracer.ir.opcodes import JUMP
from metatracer.ir.values import Const, Field, Input, LabelRef, LoopRef, Operation, Snapshot, Trace, Value
from metatracer.optimizer.carrying import numbers_made
from metatracer.optimizer.heap import read_constant
from metatracer.optimizer.matching import Matcher
from metatracer.optimizer.state import BOXED_TYPE, CELL, MAX_INT, MIN_INT, UNBOX, Virtual, VirtualBox, VirtualInstance
from metatracer.optimizer.verdicts import Contradiction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from metatracer.optimizer.carrying import Place as CarriedPlace
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.matching import Place
    from metatracer.optimizer.peeling import LabelState
    from metatracer.optimizer.state import FactKey, Pending
    from metatracer.optimizer.versions import Goal

MAX_ROUNDS = 20
MAX_REPEATED = 1500
"""A loop of more recorded operations than this is not run once more behind a bridge."""


@dataclass(slots=True, eq=False)
class Entry:
    """What is kept of a peeled loop.

    Attributes:
        inputs, recorded, ends: Of the recorded trace: inputs, operations before the jump, and the jump's arguments.
        header: Snapshot at the merge point, in terms of the inputs.
        label: The label state.
        value_of: Value in the label state of each of the label's parameters.
        used: Facts of the label state that the loop relies on; `used_valid`: so for the validity of its assumptions.
        assumptions: Of the loop.
        carried: The numbers that it was made to carry.
    """

    inputs: tuple[Input, ...]
    recorded: list[Operation]
    ends: tuple[Value, ...]
    header: Snapshot
    label: LabelState
    value_of: dict[Input, Value]
    used: list[FactKey]
    used_valid: bool
    assumptions: list[Any]
    carried: tuple[CarriedPlace, ...] = ()


def header_of(recorded: list[Operation]) -> Snapshot | None:
    """The snapshot at the merge point with which a root trace begins."""
    for op in recorded:
        if op.opcode.is_guard:
            snapshot = op.snapshot
            if op.opcode is ops.GUARD_NO_ATTENTION and snapshot is not None and len(snapshot.frames) == 1:
                return snapshot
            return None
        if op.opcode is not ops.MERGE_POINT:
            return None
    return None


def enter_at_label(trace: Trace, enabled: Collection[str], goal: Goal, *, repeat: bool) -> Trace | None:
    """The optimized trace with a jump to the target's label, or None when it has to go to the target's entry.

    Args:
        trace: As recorded.
        enabled: Passes.
        goal: What the code is for. The label of its own code is tried first.
        repeat: Whether an iteration of the loop may be put at the end.
    """
    jump = trace.operations[-1]
    target = jump.descr
    if jump.opcode is not JUMP or not isinstance(target, LoopRef):
        return None
    if not any(op.opcode.is_guard and op.opcode is not ops.GUARD_NOT_INVALIDATED for op in trace.operations):
        # It starts at the merge point, where the check of another trace has failed: the preamble finds out the rest.
        return None
    labels = [label for label in (goal.own_label, target.label) if label is not None and label.entry is not None]
    for repeated in (False, True):
        for label in dict.fromkeys(labels):
            entry: Entry = label.entry
            if repeated and (not repeat or len(entry.recorded) > MAX_REPEATED):
                continue
            try:
                attempted = _attempt(trace, label, enabled, goal, repeated=repeated)
            except Contradiction:
                continue
            if attempted is not None:
                assumptions = list(dict.fromkeys([*trace.assumptions, *entry.assumptions]))
                classes = attempted.state.classes
                return Trace(attempted.inputs, attempted.out, assumptions, trace.name, None, repeated, classes)
    return None


def _attempt(
    trace: Trace, label: LabelRef, enabled: Collection[str], goal: Goal, *, repeated: bool
) -> Forward | None:
    from metatracer.optimizer.pipeline import start

    entry: Entry = label.entry
    forward = start(trace, enabled, goal, entry.label.forward.pool)
    if trace.classes is not None:
        forward.state.classes = trace.classes.united(entry.label.forward.state.classes)
    forward.run_all(trace.operations[:-1])
    args = trace.operations[-1].args
    if repeated:
        for given, arg in zip(entry.inputs, args, strict=True):
            forward.state.replaced[given] = forward.state.resolve(arg)
        forward.state.attended = False
        forward.run_all(entry.recorded)
        args = entry.ends
    forward.heap.appends.flush_all()
    header = header_with(entry.header, dict(zip(entry.inputs, args, strict=True)))
    if header is None:
        return None
    forward.snapshot = forward.retry = header
    read_here: set[Value] = set()
    made = numbers_made(forward, args) if label is goal.own_label and not repeated else []
    for _ in range(MAX_ROUNDS):
        ends = [forward.state.resolve(arg) for arg in args]
        matcher = EntryMatcher(entry, forward, ends, read_here, is_own=label is goal.own_label)
        matcher.match()
        if matcher.has_failed:
            return None
        if not matcher.settle():
            if not _close(forward, label, matcher.found):
                return None
            boxed = [place for place, number in made if not isinstance(forward.state.resolve(number), Virtual)]
            goal.boxed[:] = dict.fromkeys(boxed)
            return forward
    return None


def _close(forward: Forward, label: LabelRef, found: dict[Value, Value]) -> bool:
    assert label.params is not None
    values: list[Value] = []
    for param in label.params:
        value = label.entry.value_of[param]
        end = value if isinstance(value, Const) else found.get(value)
        if end is None:
            return False
        values.append(forward.state.resolve(end))
    forward.emit(Operation(JUMP, values, label))
    return True


def header_with(header: Snapshot, values: Mapping[Value, Value]) -> Snapshot | None:
    """The snapshot of the merge point with other values for the loop's inputs."""
    frame = header.frames[0]
    if any(not isinstance(value, Value) for value in frame.values()):
        return None
    frame = dataclasses.replace(
        frame,
        locals=tuple([values.get(value, value) for value in frame.locals]),
        stack=tuple([values.get(value, value) for value in frame.stack]),
        kept=tuple([values.get(value, value) for value in frame.kept]),
    )
    return Snapshot((frame,), header.pending, header.raising)


class EntryMatcher(Matcher):
    """Compares the label state with the end of another trace; the label state stays as it is.

    What is not known at the end is found out by operations (settlements). What would weaken the label state is a failure.
    """

    def __init__(
        self, entry: Entry, forward: Forward, ends: list[Value], read_here: set[Value], *, is_own: bool
    ) -> None:
        super().__init__(entry.label, forward, ends)
        self._is_own = is_own
        self._entry = entry
        self._read_here = read_here

    @property
    def has_failed(self) -> bool:
        """Whether the states cannot be made equal."""
        return bool(self._weakenings)

    def _wanted_facts(self) -> list[FactKey]:
        return list(self._entry.used)

    def _wants_validity(self) -> bool:
        return self._entry.used_valid

    def _fail(self) -> None:
        self._weakenings.append(lambda: None)

    def _pair_virtual(self, value: Virtual, end: Value) -> None:
        """An instance without identity may be there: its fields are the loop's.

        Not for traces of other trees, unless the loop was made to carry such: in all loops this let traces enter that are better
        off in a version for their arguments: matmul.rvm took 0.25 ms instead of 0.18.
        """
        may_differ = self._is_own or bool(self._entry.carried)
        if may_differ and value not in self.found and isinstance(value, VirtualInstance) and not isinstance(end, Virtual):
            known = self._after.type_of(end)
            if is_value_class(value.cls) and (known is value.cls or (known is None and not isinstance(end, Const))):
                self._pair_fields(value, end)
                return
        super()._pair_virtual(value, end)

    def _pair_fields(self, value: VirtualInstance, end: Value) -> None:
        contents = {field: self._field_of(end, field) for field in value.fields}
        if self._after.type_of(end) is value.cls and None not in contents.values():
            self.found[value] = end
            for field, content in contents.items():
                assert content is not None
                self._pair(lambda _: None, value.fields[field], content)
            return

        def read() -> None:
            real, run = self._after.resolve(end), self._body.run
            run(Operation(ops.GUARD_TYPE, (real,), value.cls))
            for field in value.fields:
                run(Operation(ops.GUARD_NONNULL, (self._body.new(ops.GETFIELD, real, descr=field),)))

        self._settlements.append(read)

    def _field_of(self, owner: Value, field: Field) -> Value | None:
        """The content of an immutable field, as far as it is known."""
        if isinstance(owner, Const):
            content = read_constant(owner.value, field)
            return None if content is None else self._body.pool.get("r", content)
        return self._after.lookup("immutable", field, (owner,))

    def _unbox_before(self, place: Place, value: Value, box: ops.Opcode, payload: Value) -> bool:
        return False  # the number is boxed here

    # --- what is lacking --------------------------------------------------------------------------------------------

    def _lacks_validity(self) -> None:
        if not self._settlements:  # the last thing to do
            self._settlements.append(lambda: self._body.run(Operation(ops.GUARD_NOT_INVALIDATED, ())))

    def _lacks_info(self, value: Value, end: Value, weaken: Callable[[], object]) -> None:
        info, after = self._before.infos[value], self._after
        known = after.type_of(end)
        if isinstance(end, (Const, Virtual)) or (
            known is not None and info.type is not None and known is not info.type
        ):
            self._fail()
            return
        known_info = after.infos.get(end)
        if info.frozen_items and not (known_info is not None and known_info.frozen_items):
            self._fail()
            return
        self._settlements.append(lambda: self._check(end, info))

    def _check(self, end: Value, info: Any) -> None:
        run = self._body.run
        end = self._after.resolve(end)
        if info.type is not None:
            run(Operation(ops.GUARD_TYPE, (end,), info.type))
        elif info.nonnull:
            run(Operation(ops.GUARD_NONNULL, (end,)))
        if end.kind == "i":
            lo, hi = self._after.bounds(end)
            if info.lo != MIN_INT and lo < info.lo:
                self._require(ops.INT_LE, self._body.pool.get("i", info.lo), end)
            if info.hi != MAX_INT and hi > info.hi:
                self._require(ops.INT_LE, end, self._body.pool.get("i", info.hi))

    def _require(self, opcode: ops.Opcode, left: Value, right: Value) -> None:
        condition = self._body.new(opcode, left, right)
        self._body.run(Operation(ops.GUARD_TRUE, (condition,)))

    def _lacks_constant(self, place: Place, value: Const, end: Value) -> None:
        """Only truth is checked, and what was read just now: elsewhere the constant may be that of one iteration."""
        run = self._body.run
        if isinstance(end, Const):
            self._fail()
        elif value.kind == "b":
            opcode = ops.GUARD_TRUE if value.value else ops.GUARD_FALSE
            self._settlements.append(lambda: run(Operation(opcode, (end,))))
        elif end in self._read_here and not value.is_null:
            guard = ops.GUARD_VALUE if value.kind == "r" else ops.GUARD_INT_VALUE
            if value.kind in "ri":
                self._settlements.append(lambda: run(Operation(guard, (end,), value.value)))
            else:
                self._fail()
        else:
            self._fail()

    def _lacks_payload(self, value: VirtualBox, end: Value) -> None:
        """A number is there as an object."""
        cls = BOXED_TYPE[value.box]
        if isinstance(end, VirtualBox) and BOXED_TYPE[end.box] is cls:
            # A signed number where the loop has an unsigned one, or the other way round.
            payload = self._after.resolve(end.payload)
            if isinstance(payload, Const):
                self._fail()
            else:
                self._settlements.append(lambda: self._require(ops.INT_LE, self._body.pool.get("i", 0), payload))
            return
        known = self._after.type_of(end)
        if isinstance(end, (Const, Virtual)) or (known is not None and known is not cls):
            self._fail()
            return

        def unbox() -> None:
            number = self._after.resolve(end)
            self._body.run(Operation(ops.GUARD_TYPE, (number,), cls))
            self._body.run(Operation(UNBOX[value.box], (number,)))

        self._settlements.append(unbox)

    def _lacks_store(self, store: Pending) -> None:
        """What the loop carries as a pending store is in the object itself: no store is pending."""
        owner = self._at_end(store.args[0])
        if owner is None:
            self._fail()
            return
        head: Any = None
        args: tuple[Value, ...] = (owner,)
        if len(store.args) == 3:
            index = self._at_end(store.args[1])
            if index is None:
                self._fail()
                return
            table, args = "item", (owner, index)
        else:
            head = CELL if store.descr is None else store.descr
            table = "immutable" if head is not CELL and head.immutable else "field"
        content = self._after.lookup(table, head, args)
        if content is None:
            self._read((table, head, args), args)
        else:
            self._pair(self._store_place(store), store.args[-1], content)

    def _lacks_fact(self, fact: FactKey, args: tuple[Value, ...]) -> None:
        self._read(fact, args)

    def _unreached_fact(self, fact: FactKey) -> None:
        if not self._settlements:  # else they may lead to it
            self._fail()

    def _unreached_store(self, store: Pending) -> None:
        if not self._settlements:
            self._fail()

    # --- finding out ------------------------------------------------------------------------------------------------

    def _read(self, fact: FactKey, args: tuple[Value, ...]) -> None:
        """Let a fact be read from the objects, if it is safe."""
        if any(isinstance(arg, Virtual) for arg in args):
            if not self._settlements:
                self._fail()
            return  # it is being allocated: next time
        table, head, _ = fact
        readers = {
            "field": self._field,
            "immutable": self._field,
            "item": self._item,
            "length": self._length,
            "pure": self._pure,
            "buffer": self._buffer,
            "shape": self._shape,
            "place": self._shape,
        }
        reader = readers[table](head, args)
        if reader is None:
            if not self._settlements:  # else what it needs may be known then
                self._fail()
            return

        def read() -> None:
            value = reader()
            self._after.note_fact(table, head, args, value)
            self._read_here.add(value)

        self._settlements.append(read)

    def _field(self, head: Any, args: tuple[Value, ...]) -> Callable[[], Value] | None:
        owner = args[0]
        cls = self._after.type_of(owner)
        if cls is None:
            return None
        body = self._body
        if head is CELL:
            return lambda: body.new(ops.CELL_GET, owner)
        if not issubclass(cls, head.owner):
            return None
        if cls is GeneratorType and not self._holds(owner, head):
            return None

        def read() -> Value:
            if head.storage == "inline":
                body.run(Operation(ops.GUARD_INLINE_VALUES, (owner,)))
            elif head.in_dict:
                body.run(Operation(ops.GUARD_DICT_FIELD, (owner,), head))
            return body.new(ops.GETFIELD, owner, descr=head)

        return read

    def _holds(self, owner: Value, field: Field) -> bool:
        """Whether a generator is known to wait where this slot is in use."""
        places = self._after.memo["place"]
        return any(key[2][0] is owner and key[1].has_in_use(field) for key in places)

    def _item(self, head: Any, args: tuple[Value, ...]) -> Callable[[], Value] | None:
        owner, index = args
        if self._after.type_of(owner) is not list:
            return None

        def read() -> Value:
            self._require(ops.UINT_LT, index, self._body.new(ops.LIST_LEN, owner))
            return self._body.new(ops.LIST_GETITEM, owner, index)

        return read

    def _length(self, head: Any, args: tuple[Value, ...]) -> Callable[[], Value] | None:
        owner = args[0]
        if self._after.type_of(owner) is not list:
            return None

        def read() -> Value:
            length = self._body.new(ops.LIST_LEN, owner)
            if head:
                length = self._body.new(ops.INT_SUB, length, self._body.pool.get("i", head))
            return length

        return read

    def _pure(self, head: Any, args: tuple[Value, ...]) -> Callable[[], Value] | None:
        opcode, descr = head
        body, after = self._body, self._after
        safe = opcode in _ALWAYS_SAFE
        if opcode in _CONDITIONAL:
            safe = isinstance(args[1], Const) and 1 <= args[1].value <= 63
        if safe:
            return lambda: body.new(opcode, *args, descr=descr)
        if opcode in _SAFE_FOR_TYPE:
            if after.type_of(args[0]) is not _SAFE_FOR_TYPE[opcode]:
                return None
            return lambda: body.new(opcode, *args, descr=descr)
        lengths = {ops.TUPLE_GETITEM: (tuple, ops.TUPLE_LEN), ops.LIST_GETITEM: (list, ops.LIST_LEN)}
        if opcode in lengths:
            cls, length = lengths[opcode]
            if after.type_of(args[0]) is not cls:
                return None

            def read() -> Value:
                self._require(ops.UINT_LT, args[1], body.new(length, args[0]))
                return body.new(opcode, *args)

            return read
        return None

    def _buffer(self, head: Any, args: tuple[Value, ...]) -> Callable[[], Value] | None:
        opcode, descr = head
        if opcode is not ops.BYTEARRAY_LEN or self._after.type_of(args[0]) is not bytearray:
            return None
        return lambda: self._body.new(opcode, *args, descr=descr)

    def _shape(self, head: Any, args: tuple[Value, ...]) -> Callable[[], Value] | None:
        opcode, descr = head
        if self._after.type_of(args[0]) is None:
            return None

        def check() -> Value:
            self._body.run(Operation(opcode, args, descr))
            return self._body.pool.true

        return check


_CONDITIONAL = frozenset(
    {
        ops.INT_LSHIFT, ops.INT_RSHIFT, ops.UINT_RSHIFT, ops.INT_LSHIFT_OVF, ops.INT_FLOORDIV, ops.INT_MOD,
        ops.UINT_FLOORDIV, ops.UINT_MOD,
    }
)  # fmt: skip
"""Operations that want a certain second argument; 1 to 63 is right for all of them."""

_ALWAYS_SAFE = (
    frozenset(
        {
            row
            for row in ops.OPCODES.values()
            if row.is_pure and row.result in ("i", "f", "b") and row.args and set(row.args) <= {"i", "f", "b"}
        }
        | {ops.PTR_EQ, ops.PTR_NE, ops.BOOL_BOX}
    )
    - _CONDITIONAL
    - {ops.FLOAT_TRUEDIV}
)
"""Pure operations that any arguments of their kinds can be given (those with an overflow check leave through it)."""

_SAFE_FOR_TYPE: dict[ops.Opcode, type] = {
    ops.INT_UNBOX: int,
    ops.UINT_UNBOX: int,
    ops.INT_TRUNCATE: int,
    ops.FLOAT_UNBOX: float,
    ops.BOOL_UNBOX: bool,
    ops.TUPLE_LEN: tuple,
    ops.STR_LEN: str,
    ops.BYTES_LEN: bytes,
    ops.LIST_LEN: list,
}
"""Pure reads that only need the class of their argument."""
