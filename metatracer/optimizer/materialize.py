"""Virtual objects made real, in the trace (forcing) or at an exit (snapshots)."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from metatracer.ir.cfunctions import DICT_FILL, EMPTY_DICT
from metatracer.ir.opcodes import (
    CALL_C_I,
    CALL_C_R,
    CELL_SET,
    LIST_SETITEM,
    NEW,
    NEW_CELL,
    NEW_LIST,
    NEW_NAMED_TUPLE,
    NEW_TUPLE,
    SETFIELD,
    TUPLE_GETITEM,
    TUPLE_LEN,
    UINT_BOX,
)
from metatracer.ir.snapshots import virtual_parts
from metatracer.ir.values import (
    Const,
    FrameState,
    Input,
    Operation,
    PendingStore,
    Snapshot,
    Value,
    VirtualObject,
    VirtualSequence,
)
from metatracer.optimizer.state import BOXED_TYPE, CELL, UNBOX, Virtual, VirtualBox, VirtualInstance, VirtualItems

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metatracer.optimizer.forward import Forward


class Materializer:
    """Forces virtuals and builds snapshots, for one forward walk."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._state = forward.state
        self._fills: list[tuple[Virtual, Value]] = []
        self._forcing = False
        self._version = self._substitutions = self._stores_version = -1
        # By the id of the recorded frame, which the second item keeps alive.
        self._frames: dict[int, tuple[FrameState, FrameState]] = {}
        self._plain_frames: dict[int, tuple[FrameState, FrameState]] = {}
        self._stores: list[PendingStore] | None = None
        self._virtuals: dict[Any, Any] = {}
        self._met_virtual = False
        self._last: tuple[Snapshot, Snapshot] | None = None

    # --- forcing ----------------------------------------------------------------------------------------------------

    def force(self, virtual: Virtual) -> Value:
        """Allocate a virtual and everything it refers to.

        Mutable objects are allocated empty and filled when the outermost allocation is done, so cycles are no problem
        (a cycle always goes through a mutable object).
        """
        self._state.version += 1
        outermost = not self._forcing
        self._forcing = True
        try:
            real = self._allocate(virtual)
            while outermost and self._fills:
                self._fill(*self._fills.pop(0))
        finally:
            if outermost:
                self._forcing = False
        return real

    def _allocate(self, value: Value) -> Value:
        value = self._state.resolve(value)
        if isinstance(value, VirtualBox):
            real = self._allocate_box(value)
        elif isinstance(value, VirtualInstance):
            opcode, descr = (CALL_C_R, EMPTY_DICT) if value.cls is dict else (NEW, value.cls)
            real = self._append(opcode, (), descr, value.cls)
            self._fills.append((value, real))
        elif isinstance(value, VirtualItems):
            if value.cls is types.CellType:
                real = self._allocate_cell(value)
            elif value.cls is list:
                real = self._allocate_list(value)
            else:
                real = self._allocate_tuple(value)
        else:
            return value
        self._state.replaced[value] = real
        return real

    def _append(self, opcode: Any, args: tuple[Value, ...], descr: Any, cls: type) -> Operation:
        op = self._forward.emit(Operation(opcode, args, descr))
        info = self._state.info(op)
        info.type = cls
        info.nonnull = True
        return op

    def _allocate_box(self, value: VirtualBox) -> Value:
        state = self._state
        payload = state.resolve(value.payload)
        known = state.boxes.get((value.box, payload))
        if known is not None:
            return state.resolve(known)
        op = self._append(value.box, (payload,), None, BOXED_TYPE[value.box])
        state.boxes[value.box, payload] = op
        state.pure[UNBOX[value.box], None, (op,)] = payload
        return op

    def _allocate_tuple(self, value: VirtualItems) -> Value:
        state = self._state
        items = tuple([self._allocate(item) for item in value.items])
        named = None if value.cls is tuple else value.cls
        op = self._append(NEW_TUPLE if named is None else NEW_NAMED_TUPLE, items, named, value.cls)
        pool = state.pool
        state.pure[TUPLE_LEN, None, (op,)] = pool.get("i", len(items))
        for index, item in enumerate(items):
            state.pure[TUPLE_GETITEM, None, (op, pool.get("i", index))] = item
        return op

    def _now(self, item: Value) -> Value | None:
        """An item that can be put into a new container at once, without a risk of endless recursion."""
        item = self._state.resolve(item)
        return None if isinstance(item, VirtualItems) else self._allocate(item)

    def _allocate_list(self, value: VirtualItems) -> Value:
        state = self._state
        pool = state.pool
        ready = [self._now(item) for item in value.items]
        none = pool.get("r", None)
        op = self._append(NEW_LIST, tuple([none if item is None else item for item in ready]), None, list)
        state.lengths[op] = pool.get("i", len(ready))
        state.items[op] = {pool.get("i", n): item for n, item in enumerate(ready) if item is not None}
        if None in ready:
            self._fills.append((value, op))
        return op

    def _allocate_cell(self, value: VirtualItems) -> Value:
        ready = self._now(value.items[0])
        content = self._state.pool.null if ready is None else ready
        op = self._append(NEW_CELL, (content,), None, types.CellType)
        self._state.fields.setdefault(CELL, {})[op] = content
        if ready is None:
            self._fills.append((value, op))
        return op

    def _fill(self, virtual: Virtual, real: Value) -> None:
        """Store what could not be given at allocation."""
        state, emit = self._state, self._forward.emit
        if isinstance(virtual, VirtualInstance):
            for field, content in virtual.fields.items():
                value = self._allocate(content)
                if field.storage == "item":
                    emit(Operation(CALL_C_I, (real, state.pool.get("r", field.name), value), DICT_FILL))
                elif value is not state.pool.null:
                    emit(Operation(SETFIELD, (real, value), field))
                table = state.immutable if field.immutable else state.fields
                table.setdefault(field, {})[real] = value
        elif isinstance(virtual, VirtualItems):
            if virtual.cls is list:
                known = state.items[real]
                for number, content in enumerate(virtual.items):
                    index = state.pool.get("i", number)
                    if index not in known:
                        value = known[index] = self._allocate(content)
                        emit(Operation(LIST_SETITEM, (real, index, value)))
            else:
                value = self._allocate(virtual.items[0])
                emit(Operation(CELL_SET, (real, value)))
                state.fields.setdefault(CELL, {})[real] = value

    # --- snapshots --------------------------------------------------------------------------------------------------

    def snapshot(self, recorded: Snapshot) -> Snapshot:
        """The recorded snapshot in terms of what has been built, with virtuals and pending stores."""
        state = self._state
        if state.version != self._version:
            self._version = state.version
            self._virtuals.clear()
            self._frames.clear()
            self._stores = None
            if state.substitutions != self._substitutions:
                self._substitutions = state.substitutions
                self._plain_frames.clear()
        elif state.stores_version != self._stores_version:
            self._stores = None
        elif self._last is not None and self._last[0] is recorded:
            return self._last[1]
        frames = [self._frame(frame) for frame in recorded.frames]
        if self._stores is None:
            self._stores_version = state.stores_version
            self._stores = [self._store(store.opcode, store.args, store.descr) for store in state.stores()]
        pending = [self._store(store.opcode, store.args, store.descr) for store in recorded.pending]
        pending += self._stores
        raising = None if recorded.raising is None else self._value(recorded.raising)
        snapshot = Snapshot(tuple(frames), tuple(pending), raising)
        self._last = (recorded, snapshot)
        return snapshot

    def _frame(self, frame: FrameState) -> FrameState:
        """A recorded frame in terms of what has been built. One without virtuals is kept while no value is substituted."""
        known = self._plain_frames.get(id(frame)) or self._frames.get(id(frame))
        if known is not None:
            return known[0]
        self._met_virtual = False
        built = self._build_frame(frame)
        (self._frames if self._met_virtual else self._plain_frames)[id(frame)] = built, frame
        return built

    def _build_frame(self, frame: FrameState) -> FrameState:
        values = self._values
        return FrameState(
            frame.jitcode,
            frame.function,
            frame.index,
            frame.throw_index,
            frame.numbers,
            tuple(values(frame.locals)),
            tuple(values(frame.stack)),
            frame.finish,
            tuple(values(frame.kept)),
            frame.pushes,
            frame.entry_key,
            frame.context,
        )

    def _store(self, opcode: Any, args: tuple[Any, ...], descr: Any) -> PendingStore:
        return PendingStore(opcode, tuple(self._values(args)), descr)

    def _values(self, contents: Iterable[Any]) -> list[Any]:
        """`_value` of each; a third of the optimizer's time was spent in asking one by one."""
        newer = self._state.replaced.get
        unique = self._state.pool.unique
        built: list[Any] = []
        for content in contents:
            value = content
            cls = value.__class__
            if cls is not VirtualObject and cls is not VirtualSequence:  # which have no hash
                following = newer(value)
                while following is not None:
                    value = following
                    following = newer(value)
                cls = value.__class__
            if cls is Operation or cls is Input:
                built.append(value)
            elif cls is Const:
                built.append(unique(value))
            else:
                self._met_virtual = True
                built.append(self._value(value))
        return built

    def _value(self, value: Any) -> Any:
        if not isinstance(value, Value):
            return self._recorded_virtual(value)
        value = self._state.resolve(value)
        if not isinstance(value, Virtual):
            return value
        if isinstance(value, VirtualBox) and value.box is not UINT_BOX:
            return self._state.resolve(value.payload)
        known = self._virtuals.get(value)
        if known is not None:
            return known
        if isinstance(value, VirtualBox):
            number = self._virtuals[value] = VirtualSequence(int, [self._state.resolve(value.payload)])
            return number
        if isinstance(value, VirtualInstance):
            instance = self._virtuals[value] = VirtualObject(value.cls)
            null = self._state.pool.null
            for field, content in value.fields.items():
                part = self._value(content)
                if part is not null:
                    instance.fields.append((field, part))
            return instance
        assert isinstance(value, VirtualItems)
        sequence = self._virtuals[value] = VirtualSequence(value.cls)
        sequence.items.extend(self._values(value.items))
        return sequence

    def _recorded_virtual(self, virtual: VirtualObject | VirtualSequence) -> Any:
        """A virtual that the trace already had (its parts are values of that trace)."""
        known = self._virtuals.get(id(virtual))
        if known is None:
            parts = virtual_parts(virtual)
            if isinstance(virtual, VirtualObject):
                known = self._virtuals[id(virtual)] = VirtualObject(virtual.cls)
                known.fields.extend(
                    (field, self._value(part)) for (field, _), part in zip(virtual.fields, parts, strict=True)
                )
            else:
                known = self._virtuals[id(virtual)] = VirtualSequence(virtual.cls)
                known.items.extend(self._values(parts))
        return known
