"""Heap cache and lazy stores: reads of known contents are forwarded, stores are put off.

A store to a field, list item or cell of a real object stays *pending*: exits do it from their snapshot, a later store to
the same place replaces it, and only what could see it flushes it. Pending stores never overlap one another, so their
order does not matter.

Aliasing: different Fields never overlap, but those in dicts, of one name (an instance's, and its dict's own); objects
of different exact classes, two fresh objects, and a fresh object and an older one are different; so are two lists
that `ptr_eq` found different. Where two lists come from different places (a guest frame's registers, a guest list's
items) and may only in theory be one, a guard says that they are not: without it each store to a guest list would
flush all registers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir.heap import get_field
from metatracer.ir.opcodes import (
    ARRAY_GETITEM_F,
    ARRAY_GETITEM_I,
    ARRAY_LEN,
    ARRAY_SETITEM_F,
    ARRAY_SETITEM_I,
    BYTEARRAY_GETITEM,
    BYTEARRAY_LEN,
    BYTEARRAY_SETITEM,
    BYTEARRAY_STORE,
    CELL_GET,
    CELL_SET,
    FINISH,
    FINISH_PARTS,
    FINISH_RAISE,
    GENERATOR_ENTER,
    GENERATOR_LEAVE,
    GETFIELD,
    GUARD_FALSE,
    GUARD_WAITS,
    INT_ADD,
    JUMP,
    LIST_APPEND,
    LIST_GETITEM,
    LIST_LEN,
    LIST_POP,
    LIST_SETITEM,
    PTR_EQ,
    SETFIELD,
    Effect,
)
from metatracer.ir.values import NULL_OBJECT, Const, Field, Operation, Value
from metatracer.optimizer.appends import DelayedAppends
from metatracer.optimizer.state import CELL, Pending, Virtual
from metatracer.optimizer.verdicts import DROP, EMIT, Verdict
from metatracer.optimizer.versions import returned_parts, specialise

if TYPE_CHECKING:
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.verdicts import Handlers

_BUFFER_READS = {
    ARRAY_SETITEM_F: ARRAY_GETITEM_F,
    ARRAY_SETITEM_I: ARRAY_GETITEM_I,
    BYTEARRAY_SETITEM: BYTEARRAY_GETITEM,
}
_BUFFER_LENGTHS = (BYTEARRAY_LEN, ARRAY_LEN)


class HeapCache:
    """See the module's docstring. Switches: "heap" (forwarding), "lazy" (pending stores), "alias" (own guards)."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._state = forward.state
        self._pool = forward.pool
        self._caching = "heap" in forward.enabled
        self._lazy = "lazy" in forward.enabled
        self._guessing = "alias" in forward.enabled
        self._delaying = "append" in forward.enabled
        self.appends = DelayedAppends(forward)

    def handlers(self) -> Handlers:
        yield GETFIELD, self.getfield
        yield SETFIELD, self.setfield
        yield CELL_GET, self.cell_get
        yield CELL_SET, self.cell_set
        yield LIST_LEN, self.list_len
        yield LIST_GETITEM, self.list_getitem
        yield LIST_SETITEM, self.list_setitem
        yield LIST_APPEND, self.list_append
        yield LIST_POP, self.list_pop
        for opcode in _BUFFER_READS:
            yield opcode, self.buffer_store
        yield BYTEARRAY_STORE, self.number_store
        yield GUARD_WAITS, self.guard_waits
        yield GENERATOR_ENTER, self.generator_moves
        yield GENERATOR_LEAVE, self.generator_moves
        for opcode in (FINISH, FINISH_RAISE, JUMP):
            yield opcode, self.leave

    # --- fields and cells -------------------------------------------------------------------------------------------

    def getfield(self, op: Operation) -> Verdict:
        field: Field = op.descr
        owner = op.args[0]
        if field.immutable and owner.__class__ is Const:
            constant = read_constant(owner.value, field)
            if constant is not None:
                value = self._pool.get("r", constant)
                if field.immutable_items:
                    self._state.info(value).frozen_items = True
                return value
        verdict = self._read(op, field, "immutable" if field.immutable else "field")
        if verdict is EMIT:
            info = self._state.info(op)
            info.source = field
            if field.immutable_items:
                info.frozen_items = True
        return verdict

    def cell_get(self, op: Operation) -> Verdict:
        return self._read(op, CELL, "field")

    def _read(self, op: Operation, place: Any, table: str) -> Verdict:
        state = self._state
        owner = op.args[0]
        if place is not CELL and place.in_dict:
            self._flush_renamed(place)
        pending = state.pending_fields.get(place)
        if pending:
            store = pending.get(owner)
            if store is not None:
                return state.resolve(store.args[1])
            self._flush_aliases(pending, owner)
        if not self._caching:
            return EMIT
        tables = state.immutable if table == "immutable" else state.fields
        contents = tables.get(place)
        if contents is None:
            contents = tables[place] = {}
        known = contents.get(owner)
        if known is not None:
            state.hit(table, place, (owner,), known)
            return state.resolve(known)
        contents[owner] = op
        return EMIT

    def setfield(self, op: Operation) -> Verdict:
        return self._write(op, op.descr, "immutable" if op.descr.immutable else "field")

    def cell_set(self, op: Operation) -> Verdict:
        return self._write(op, CELL, "field")

    def _write(self, op: Operation, place: Any, table: str) -> Verdict:
        state = self._state
        owner, value = op.args
        if place is not CELL and place.in_dict:
            state.found_items.clear()
            self._flush_renamed(place)
            for other in [other for other in state.fields if _is_renamed(other, place)]:
                del state.fields[other]
        contents = (state.immutable if table == "immutable" else state.fields).setdefault(place, {})
        pending = state.pending_fields.get(place)
        if pending is None or owner not in pending:
            known = contents.get(owner)
            if known is not None and state.resolve(known) is value:
                state.hit(table, place, (owner,), known)
                return DROP  # it holds that already
        if pending:
            self._flush_aliases(pending, owner)
        for other in [other for other in contents if state.may_alias(other, owner)]:
            del contents[other]
        state.stores_version += 1
        if self._lazy:
            if pending is None:
                pending = state.pending_fields[place] = {}
            pending[owner] = Pending(op.opcode, op.args, op.descr)
            return DROP
        self._store(op)
        return DROP

    def _flush_renamed(self, place: Field) -> None:
        """Do the stores to fields in dicts that may be this one under another name: of an instance, and of its dict."""
        for other in [other for other in self._state.pending_fields if _is_renamed(other, place)]:
            self._flush_field(other)

    def dict_find(self, op: Operation) -> Verdict:
        """Search a dict at most once; stores to items of the name that is searched are done before."""
        found = self._state.found_items.get(op.args)
        if found is not None:
            return self._state.resolve(found)
        key = op.args[1]
        name = key.value if isinstance(key, Const) and type(key.value) is str else None
        for place in [place for place in self._state.pending_fields if place is not CELL and place.in_dict]:
            if name is None or place.name == name:
                self._flush_field(place)
        if self._caching:
            self._state.found_items[op.args] = op
        return EMIT

    def _flush_field(self, place: Field) -> None:
        pending = self._state.pending_fields[place]
        while pending:
            self.do(pending.pop(next(iter(pending))))
        del self._state.pending_fields[place]

    def _flush_aliases(self, pending: dict[Value, Pending], owner: Value) -> None:
        """Do the stores to this field of objects that may be `owner` under another name."""
        for other in [other for other in pending if other is not owner and self._state.may_alias(other, owner)]:
            self.do(pending.pop(other))

    # --- lists ------------------------------------------------------------------------------------------------------

    def _lists_alias(self, left: Value, right: Value) -> bool:
        """Whether two lists may be one; emits a guard that they are not where that is a good guess."""
        state = self._state
        if not state.may_alias(left, right):
            return False
        retry = self._forward.retry
        if left is right or not self._guessing or retry is None:
            return True
        left_source, right_source = self._source(left), self._source(right)
        if left_source is None or right_source is None or (left_source == right_source != "input"):
            return True
        args = (left, right) if id(left) <= id(right) else (right, left)
        same = self._forward.emit(Operation(PTR_EQ, args))
        self._forward.emit_guard(Operation(GUARD_FALSE, (same,)), retry)
        state.pure[PTR_EQ, None, args] = self._pool.false
        return False

    def _source(self, value: Value) -> Field | str | None:
        if value.__class__ is Const:
            return "constant"
        info = self._state.infos.get(value)
        return None if info is None else info.source

    def list_len(self, op: Operation) -> Verdict:
        owner = op.args[0]
        if self._is_frozen(owner):
            return self._frozen(op)
        state = self._state
        self.appends.flush_others(owner, self._lists_alias)
        delayed = len(state.appended.get(owner, ()))
        if not self._caching and not delayed:
            return EMIT
        known = state.lengths.get(owner)
        if known is None:
            known = state.lengths[owner] = self._forward.emit(op)
            state.offsets[owner] = delayed
        state.hit("length", None, (owner,), known)
        offset = state.offsets.get(owner, 0)
        known = state.resolve(known)
        if offset == 0:
            return known
        length = self._forward.new(INT_ADD, known, self._pool.get("i", offset))
        self.appends.sums[length] = (known, offset)
        return length

    def _forget_lengths(self, owner: Value, change: int) -> None:
        """The length of a list changes; those of lists that may be the same are not known any more."""
        state = self._state
        for other in list(state.lengths):
            if other is owner:
                state.offsets[other] = state.offsets.get(other, 0) + change
            elif self._lists_alias(other, owner):
                del state.lengths[other]
                state.offsets.pop(other, None)

    def _is_frozen(self, owner: Value) -> bool:
        info = self._state.infos.get(owner)
        return info is not None and info.frozen_items and self._caching

    def _frozen(self, op: Operation) -> Verdict:
        """A read of a list that never changes is as good as pure."""
        owner = op.args[0]
        if owner.__class__ is Const and type(owner.value) is list:
            content: list[Any] = owner.value
            if op.opcode is LIST_LEN:
                return self._pool.get("i", len(content))
            index = op.args[1]
            if isinstance(index, Const) and 0 <= index.value < len(content):
                return self._pool.get("r", content[index.value])
        key = (op.opcode, None, op.args)
        known = self._state.pure.get(key)
        if known is not None:
            self._state.hit("pure", key[:2], op.args, known)
            return self._state.resolve(known)
        self._state.pure[key] = op
        return EMIT

    def list_getitem(self, op: Operation) -> Verdict:
        state = self._state
        owner, index = op.args
        if self._is_frozen(owner):
            return self._frozen(op)
        if state.appended:
            found = self._find_delayed(owner, index)
            if found is not None:
                return state.resolve(state.appended[owner][found])
        pending = state.pending_items
        if pending:
            own = pending.get(owner)
            if own is not None and index in own:
                return state.resolve(own[index].args[2])
            self._flush_items(owner, index)
        if not self._caching:
            return EMIT
        items = state.items.get(owner)
        if items is None:
            items = state.items[owner] = {}
        known = items.get(index)
        if known is not None:
            state.hit("item", None, (owner, index), known)
            return state.resolve(known)
        items[index] = op
        state.info(op).source = "item"
        return EMIT

    def _find_delayed(self, owner: Value, index: Value) -> int | None:
        """The delayed item at an index. None: it is in the list itself (what may be in the way has been appended)."""
        self.appends.flush_others(owner, self._lists_alias)
        if owner not in self._state.appended:
            return None
        place = self.appends.locate(owner, index)
        if place is None or place >= len(self._state.appended[owner]):
            self.appends.flush(owner)
            return None
        return place if place >= 0 else None

    def _flush_items(self, owner: Value, index: Value) -> None:
        """Do the pending stores to list items that may be this one, but not to this very place."""
        state = self._state
        for other, stores in list(state.pending_items.items()):
            meeting = [place for place in stores if state.may_equal(place, index)]
            if other is owner:
                meeting = [place for place in meeting if place is not index]
            elif meeting and not self._lists_alias(other, owner):
                continue
            for place in meeting:
                self.do(stores.pop(place))
            if not stores:
                state.pending_items.pop(other, None)

    def list_setitem(self, op: Operation) -> Verdict:
        state = self._state
        owner, index, value = op.args
        if state.appended:
            found = self._find_delayed(owner, index)
            if found is not None:
                state.appended[owner][found] = value
                state.stores_version += 1
                return DROP
        own = state.pending_items.get(owner)
        if own is None or index not in own:
            known = state.items.get(owner, {}).get(index)
            if known is not None and state.resolve(known) is value:
                state.hit("item", None, (owner, index), known)
                return DROP
        if state.pending_items:
            self._flush_items(owner, index)
        for other, items in state.items.items():
            meeting = [place for place in items if state.may_equal(place, index)]
            if meeting and (other is owner or self._lists_alias(other, owner)):
                for place in meeting:
                    del items[place]
        state.stores_version += 1
        if self._lazy:
            state.pending_items.setdefault(owner, {})[index] = Pending(op.opcode, op.args, None)
        else:
            self._store(op)
        return DROP

    def list_append(self, op: Operation) -> Verdict:
        """Items stay what they are, and pending stores stay within range."""
        owner, value = op.args
        self._forget_lengths(owner, 1)
        self.appends.flush_others(owner, self._lists_alias)
        if not self._delaying:
            return EMIT
        self.appends.append(owner, value)
        return DROP

    def list_pop(self, op: Operation) -> Verdict:
        state = self._state
        owner = op.args[0]
        self.appends.flush_others(owner, self._lists_alias)
        self._forget_lengths(owner, -1)
        value = self.appends.pop(owner)
        if value is not None:
            return value
        for other in [other for other in state.pending_items if self._lists_alias(other, owner)]:
            for store in state.pending_items.pop(other).values():
                self.do(store)
        for other in [other for other in state.items if self._lists_alias(other, owner)]:
            del state.items[other]
        state.valid = False  # the item may be released by whoever got it
        return EMIT

    # --- buffers ----------------------------------------------------------------------------------------------------

    def number_store(self, op: Operation) -> Verdict:
        """A store of several bytes: nothing is known of them singly."""
        buffer = self._state.memo["buffer"]
        for key in [key for key in buffer if key[0] not in _BUFFER_LENGTHS]:
            del buffer[key]
        return EMIT

    def buffer_store(self, op: Operation) -> Verdict:
        """Buffers do not overlap partly, but several arrays may not be told apart: all known contents are forgotten."""
        self.number_store(op)
        buffer = self._state.memo["buffer"]
        if self._caching and op.descr != "f":  # which rounds
            owner, index, value = op.args
            buffer[_BUFFER_READS[op.opcode], op.descr, (owner, index)] = value
        return EMIT

    # --- generators -------------------------------------------------------------------------------------------------

    def guard_waits(self, op: Operation) -> Verdict:
        """Checked each time: it costs little, and a finalizer that nobody knew of may have asked the generator.

        But who enters the loop at its label has to make sure of it first.
        """
        places, key = self._state.memo["place"], (GUARD_WAITS, op.descr, op.args)
        known = places.get(key)
        if known is not None:
            self._state.hit("place", key[:2], op.args, known)
        places[key] = self._state.pool.true
        return EMIT

    def generator_moves(self, op: Operation) -> Verdict:
        """It runs, or waits somewhere; those of other codes are others."""
        state = self._state
        places, (owner,) = state.memo["place"], op.args
        for key in [key for key in places if key[1].code is op.descr.code and state.may_alias(key[2][0], owner)]:
            del places[key]
        if op.opcode is GENERATOR_LEAVE:
            places[GUARD_WAITS, op.descr, op.args] = state.pool.true
        return EMIT

    # --- doing what was put off -------------------------------------------------------------------------------------

    def do(self, store: Pending) -> None:
        """Emit a pending store, which the caller has taken out of its table."""
        self._state.stores_version += 1
        args = tuple([self._forward.force(arg) for arg in store.args])
        self._store(Operation(store.opcode, args, store.descr))

    def _store(self, op: Operation) -> None:
        """Emit a store and note the content."""
        state = self._state
        op = self._forward.emit(op)
        state.valid = False  # the old content is released, and its finalizer may run
        if not self._caching:
            return
        owner, value = op.args[0], op.args[-1]
        if op.opcode is LIST_SETITEM:
            state.items.setdefault(owner, {})[op.args[1]] = value
        else:
            place = CELL if op.opcode is CELL_SET else op.descr
            immutable = isinstance(place, Field) and place.immutable
            (state.immutable if immutable else state.fields).setdefault(place, {})[owner] = value

    def flush(self, seen: Effect = Effect.ANY) -> None:
        """Do the pending stores that an operation with these effects could see."""
        state = self._state
        if seen & Effect.FIELD:
            for pending in state.pending_fields.values():
                while pending:
                    self.do(pending.pop(next(iter(pending))))
            state.pending_fields.clear()
        elif seen & Effect.DICT:
            for place in [place for place in state.pending_fields if place is not CELL and place.in_dict]:
                self._flush_field(place)
        if seen & Effect.LIST:
            for indexed in state.pending_items.values():
                while indexed:
                    self.do(indexed.pop(next(iter(indexed))))
            state.pending_items.clear()
            self.appends.flush_all()

    def dict_store(self, op: Operation) -> None:
        """Something is stored in a dict at some key: other dicts, if they are certainly others, stay as they are."""
        state = self._state
        mapping, wanted, value = op.args

        def concerns(place: Any, owner: Value) -> bool:
            return place is not CELL and place.in_dict and (place.storage != "item" or state.may_alias(owner, mapping))

        for place in list(state.pending_fields):
            pending = state.pending_fields[place]
            for owner in [owner for owner in pending if concerns(place, owner)]:
                self.do(pending.pop(owner))
            if not pending:
                del state.pending_fields[place]
        for place, contents in state.fields.items():
            for owner in [owner for owner in contents if concerns(place, owner)]:
                del contents[owner]
        for args in [args for args in state.found_items if state.may_alias(args[0], mapping)]:
            del state.found_items[args]
        shapes = state.memo["shape"]
        for key in [key for key in shapes if _sees_dict(key[1])]:
            if key[1].storage != "item" or state.may_alias(key[2][0], mapping):
                del shapes[key]
        if self._caching:
            state.found_items[mapping, wanted] = value

    def invalidate(self, written: Effect, runs_code: bool) -> None:
        """Forget what an operation with these effects may change."""
        state = self._state
        if written & Effect.FIELD:
            state.fields.clear()
        elif written & Effect.DICT:
            for place in [place for place in state.fields if place is not CELL and place.in_dict]:
                del state.fields[place]
        if written & Effect.DICT:
            state.found_items.clear()
            shapes = state.memo["shape"]
            for key in [key for key in shapes if _sees_dict(key[1])]:
                del shapes[key]
        if written & Effect.LIST:
            state.items.clear()
            state.lengths.clear()
            state.offsets.clear()
        if written & Effect.BUFFER:
            state.memo["buffer"].clear()
        if runs_code or written & Effect.ITERATOR:
            state.memo["place"].clear()
        if runs_code:
            state.memo["shape"].clear()
            state.valid = False
            state.forget_classes()

    def leave(self, op: Operation) -> Verdict:
        """The trace ends here: everything must be as the interpreter would have it."""
        self.flush()
        if op.opcode is JUMP and specialise(self._forward, op):
            return EMIT
        if op.opcode is FINISH and self._forward.returns_parts:
            taken = returned_parts(self._state, op.args[0])
            if taken is not None:
                shape, numbers = taken
                self._forward.emit(Operation(FINISH_PARTS, numbers, shape))
                return DROP
        op.args = tuple([self._forward.force(arg) for arg in op.args])
        assert not any(isinstance(arg, Virtual) for arg in op.args)
        return EMIT


def _sees_dict(field: Field | None) -> bool:
    """Whether a guard on an instance's shape, with this descriptor, looks at a dict."""
    return field is not None and field.storage != "inline"


def _is_renamed(other: Any, place: Field) -> bool:
    return other is not CELL and other.in_dict and other.name == place.name and other != place


def read_constant(owner: Any, field: Field) -> Any:
    """The content of an immutable field of a live object, or None when it is unset (or None)."""
    try:
        found = get_field(owner, field)
    except (KeyError, TypeError):  # it is of another class than the field
        return None
    return None if found is NULL_OBJECT else found
