"""Numbers that a bridge has to box because the loop it enters has them in memory, and loops that carry such numbers unboxed.

What a loop's first iteration does not touch is no parameter of the loop. So a counter that only one of two ways counts is in
memory: the bridge of the other way reads, checks and unboxes it, and makes a new object of the sum before it enters the
loop. Which places these are is found where the bridge enters (`numbers_made`), in terms of the loop's arguments::

    argument 0, .regs, [6]: a W_Int whose .value is an int

The loop can be peeled once more so that it carries them (`Carried`): behind its first iteration they are read and checked, by
guards that leave to the merge point, and stored again as virtual objects; so the loop has their values as parameters, and
stores what is new only where it is left. Only what has no identity is taken apart: numbers, and instances of value classes
with one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metatracer.hints import is_value_class
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const, Field, Operation, Value
from metatracer.optimizer.matching import Alias
from metatracer.optimizer.state import (
    BOXED_TYPE,
    CELL,
    UNBOX,
    Virtual,
    VirtualBox,
    VirtualInstance,
    VirtualItems,
    is_defined_by,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metatracer.ir.values import Snapshot
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.state import State

MOST_STEPS = 4
_BOXES = (ops.INT_BOX, ops.FLOAT_BOX)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a loop finds a number.

    Attributes:
        argument: Of the loop, by its position.
        steps: From there: fields, and indices of lists.
        box: The row that makes the number.
        field: Of the instance of a value class that holds the number, if there is one between.
    """

    argument: int
    steps: tuple[Field | int, ...]
    box: ops.Opcode
    field: Field | None
    cls: type | None

    def matches(self, state: State, value: Value) -> bool:
        """Whether a value is such a number, not allocated."""
        return _virtual_number(state, value) == (self.box, self.field, self.cls)


def _virtual_number(state: State, value: Value) -> tuple[ops.Opcode, Field | None, type | None] | None:
    value = state.resolve(value)
    if isinstance(value, VirtualBox):
        return (value.box, None, None) if value.box in _BOXES else None
    if isinstance(value, VirtualInstance) and len(value.fields) == 1 and is_value_class(value.cls):
        ((field, content),) = value.fields.items()
        content = state.resolve(content)
        if isinstance(content, VirtualBox) and content.box in _BOXES:
            return content.box, field, value.cls
    return None


# --- what a bridge makes --------------------------------------------------------------------------------------------------


def numbers_made(forward: Forward, ends: Sequence[Value]) -> list[tuple[Place, Value]]:
    """The places where a trace is about to leave other numbers than it has found there, and these, not allocated.

    Args:
        forward: At the end of the trace.
        ends: The arguments of its jump.
    """
    state = forward.state
    paths = _paths(state, ends)
    found: list[tuple[Place, Value]] = []

    def note(argument: int, steps: tuple[Field | int, ...], value: Value) -> None:
        number = _virtual_number(state, value)
        if number is not None:
            found.append((Place(argument, steps, *number), state.resolve(value)))

    for (owner, step), before in _reads(forward).items():
        path, now = paths.get(state.resolve(owner)), _pending(state, state.resolve(owner), step)
        if path is not None and now is not None and _is_number(state, before, now):
            note(path[0], (*path[1], step), now)
    for value, (argument, steps) in paths.items():
        if _comes_of_another(state, value):
            note(argument, steps, value)
    return found


def _reads(forward: Forward) -> dict[tuple[Value, Field | int], Value]:
    """What was read first from each place in memory."""
    found: dict[tuple[Value, Field | int], Value] = {}
    for op in forward.out:
        if op.opcode is ops.GETFIELD:
            found.setdefault((op.args[0], op.descr), op)
        elif op.opcode is ops.LIST_GETITEM and isinstance(op.args[1], Const):
            found.setdefault((op.args[0], op.args[1].value), op)
    return found


def _pending(state: State, owner: Value, step: Field | int) -> Value | None:
    """What is to be stored in a place."""
    if isinstance(step, Field):
        store = state.pending_fields.get(step, {}).get(owner)
    else:
        store = state.pending_items.get(owner, {}).get(state.pool.get("i", step))
    return None if store is None else store.args[-1]


def _is_number(state: State, before: Value, now: Value) -> bool:
    """Whether a number of the same kind was there before, and was used."""
    number = _virtual_number(state, now)
    if number is None:
        return False
    box, field, cls = number
    before = state.resolve(before)
    if field is not None:
        if state.type_of(before) is not cls:
            return False
        content = state.lookup("immutable", field, (before,))
        if content is None:
            return False
        before = content
    return state.payload(before, box) is not None


def _comes_of_another(state: State, value: Value) -> bool:
    """Whether a number that was not allocated was computed from one that was."""
    if isinstance(value, VirtualInstance) and _virtual_number(state, value) is not None:
        (value,) = [state.resolve(part) for part in value.parts()]
    if not isinstance(value, VirtualBox):
        return False
    payload = state.resolve(value.payload)
    return isinstance(payload, Operation) and any(is_defined_by(state.resolve(arg), UNBOX[value.box]) for arg in payload.args)


def _paths(state: State, ends: Sequence[Value]) -> dict[Value, tuple[int, tuple[Field | int, ...]]]:
    """How what is known at the end of a trace is reached from its jump's arguments, the shortest way."""
    contents: dict[Value, list[tuple[Field | int, Value]]] = {}
    for table, head, args, value in state.facts():
        if table == "item" and isinstance(args[1], Const):
            contents.setdefault(args[0], []).append((args[1].value, value))
        elif table in ("field", "immutable") and head is not CELL:
            contents.setdefault(args[0], []).append((head, value))
    paths: dict[Value, tuple[int, tuple[Field | int, ...]]] = {}
    waiting: list[tuple[Value, int, tuple[Field | int, ...]]] = [(end, number, ()) for number, end in enumerate(ends)]
    for value, argument, steps in waiting:  # grows meanwhile
        value = state.resolve(value)
        if value.kind != "r" or value in paths:
            continue
        paths[value] = argument, steps
        if len(steps) < MOST_STEPS:
            waiting += [(part, argument, (*steps, step)) for step, part in _parts(value, contents)]
    return paths


def _parts(value: Value, contents: dict[Value, list[tuple[Field | int, Value]]]) -> Iterator[tuple[Field | int, Value]]:
    if isinstance(value, VirtualInstance):
        yield from value.fields.items()
    elif isinstance(value, VirtualItems):
        if value.cls is list:
            yield from enumerate(value.items)
    else:
        yield from contents.get(value, ())


# --- what a loop carries --------------------------------------------------------------------------------------------------


class Carried:
    """The numbers that a loop is to carry: looked up at the end of its first iteration, and put there as virtual objects.

    Nothing may be emitted between `look_up` and `put` that has an exit.

    Args:
        forward: At the end of the first iteration.
        ends: The arguments of the jump.
        header: The snapshot at the merge point, with these for the loop's inputs.
    """

    def __init__(self, forward: Forward, ends: list[Value], header: Snapshot, places: Sequence[Place]) -> None:
        self._forward = forward
        self._ends = ends
        self._found: list[tuple[Place, Value, Value]] = []
        self._made: list[tuple[Place, Virtual]] = []
        forward.heap.appends.flush_all()
        forward.snapshot = forward.retry = header
        for place in places:
            owner = self._owner(place)
            payload = None if owner is None else self._look_up(place, owner)
            if owner is not None and payload is not None:
                self._found.append((place, owner, payload))

    def put(self) -> None:
        """Let the places hold virtual numbers."""
        for place, owner, payload in self._found:
            made: Virtual = VirtualBox(place.box, Alias(payload))
            if place.field is not None:
                assert place.cls is not None
                made = VirtualInstance(place.cls, {place.field: made})
            if not place.steps:
                self._ends[place.argument] = made
            else:
                self._store(self._forward.state.resolve(owner), place.steps[-1], made)
            self._made.append((place, made))

    def kept(self) -> tuple[Place, ...]:
        """The places whose numbers the label has as parameters, now that the loop is made."""
        state = self._forward.state
        return tuple([place for place, made in self._made if isinstance(state.resolve(made), Virtual)])

    def _owner(self, place: Place) -> Value | None:
        """What the last step to a place is taken from."""
        value: Value | None = self._forward.state.resolve(self._ends[place.argument])
        for step in place.steps[:-1]:
            value = None if value is None else self._content(value, step)
        return value

    def _look_up(self, place: Place, owner: Value) -> Value | None:
        """The number that is in a place, if it is one that can be taken apart there."""
        found = self._content(owner, place.steps[-1]) if place.steps else owner
        if found is None or isinstance(found, Virtual):
            return None
        if place.field is not None:
            if not self._is_of(found, place.cls):
                return None
            found = self._content(found, place.field)
        if found is None or not self._is_of(found, BOXED_TYPE[place.box]):
            return None
        known = self._forward.state.payload(found, place.box)
        return self._forward.new(UNBOX[place.box], found) if known is None else known

    def _is_of(self, value: Value, cls: type | None) -> bool:
        """Check that a value is an instance of a class, unless it is known not to be."""
        known = self._forward.state.type_of(value)
        if known is None and not isinstance(value, Const):
            self._forward.run(Operation(ops.GUARD_TYPE, (value,), cls))
            return True
        return known is cls

    def _content(self, owner: Value, step: Field | int) -> Value | None:
        """What is in a field or an item of a list; it is read if it is not known. It is not NULL."""
        forward, state = self._forward, self._forward.state
        found: Value | None
        if isinstance(owner, Virtual):
            parts: Any = {} if isinstance(owner, VirtualBox) else dict(_parts(owner, {}))
            found = parts.get(step)
        elif isinstance(step, Field):
            cls = state.type_of(owner)
            if step.storage != "slot" or cls is None or not issubclass(cls, step.owner):
                return None
            found = forward.new(ops.GETFIELD, owner, descr=step)
        else:
            if state.type_of(owner) is not list:
                return None
            number = state.pool.get("i", step)
            below = forward.new(ops.UINT_LT, number, forward.new(ops.LIST_LEN, owner))
            if below is state.pool.false:
                return None
            forward.run(Operation(ops.GUARD_TRUE, (below,)))
            found = forward.new(ops.LIST_GETITEM, owner, number)
        found = None if found is None else state.resolve(found)
        if found is None or found is state.pool.null:
            return None
        forward.run(Operation(ops.GUARD_NONNULL, (found,)))
        return found

    def _store(self, owner: Value, step: Field | int, made: Virtual) -> None:
        if isinstance(owner, VirtualInstance):
            assert isinstance(step, Field)
            owner.fields[step] = made
        elif isinstance(owner, VirtualItems):
            assert isinstance(step, int)
            owner.items[step] = made
        elif isinstance(step, Field):
            self._forward.run(Operation(ops.SETFIELD, (owner, made), step))
        else:
            self._forward.run(Operation(ops.LIST_SETITEM, (owner, self._forward.pool.get("i", step), made)))
