"""Allocation removal: fresh objects are not allocated until somebody else could see them.

Allocations and boxing are dropped, reads and writes of what they would have made are tracked. Whatever hands a virtual
to an operation that is emitted forces it there (`Forward.emit`); exits build it from the snapshot.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

from metatracer.backend.own_dicts import MOST_AT_FIRST, position_at_first
from metatracer.ir.cfunctions import (
    DICT_FILL,
    DICT_FIND,
    DICT_LEN,
    DICT_SETITEM,
    EMPTY_DICT,
    LIST_CONCAT,
    NEW_DICT,
    SLICES,
)
from metatracer.ir.opcodes import (
    BOOL_BOX,
    BOOL_UNBOX,
    CALL_C_I,
    CALL_C_R,
    CELL_GET,
    CELL_SET,
    FLOAT_BOX,
    FLOAT_UNBOX,
    GETFIELD,
    GUARD_DICT_FIELD,
    GUARD_INLINE_VALUES,
    GUARD_NOT_SHADOWED,
    GUARD_TRUE,
    INT_BOX,
    INT_LE,
    INT_TRUNCATE,
    INT_UNBOX,
    LIST_APPEND,
    LIST_GETITEM,
    LIST_LEN,
    LIST_POP,
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
    UINT_UNBOX,
)
from metatracer.ir.values import Const, Field, Operation
from metatracer.optimizer.state import BOXED_TYPE, OTHER_SIGN, VirtualBox, VirtualInstance, VirtualItems
from metatracer.optimizer.verdicts import DROP, EMIT, Verdict

if TYPE_CHECKING:
    from metatracer.ir.opcodes import Opcode
    from metatracer.ir.values import Value
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.verdicts import Handlers

MAX_ITEMS = 128
"""Longer lists and tuples are allocated at once: each snapshot would repeat their items."""
_UNBOX = {INT_UNBOX: INT_BOX, UINT_UNBOX: UINT_BOX, FLOAT_UNBOX: FLOAT_BOX, BOOL_UNBOX: BOOL_BOX}


class Virtuals:
    """See the module's docstring."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._state = forward.state
        self._pool = forward.pool

    def handlers(self) -> Handlers:
        for opcode in _UNBOX.values():
            yield opcode, self.box
        for opcode in _UNBOX:
            yield opcode, self.unbox
        yield INT_TRUNCATE, self.truncate
        yield NEW, self.new
        yield CALL_C_R, self.dict_call
        yield CALL_C_I, self.dict_call
        yield CALL_C_R, self.list_call
        yield GUARD_DICT_FIELD, self.guard_dict_field
        yield NEW_LIST, self.new_items
        yield NEW_TUPLE, self.new_items
        yield NEW_NAMED_TUPLE, self.new_named_tuple
        yield NEW_CELL, self.new_items
        yield GETFIELD, self.getfield
        yield SETFIELD, self.setfield
        yield GUARD_INLINE_VALUES, self.guard_inline_values
        yield GUARD_NOT_SHADOWED, self.guard_not_shadowed
        yield LIST_LEN, self.length
        yield TUPLE_LEN, self.length
        yield LIST_GETITEM, self.getitem
        yield TUPLE_GETITEM, self.getitem
        yield LIST_SETITEM, self.setitem
        yield LIST_APPEND, self.append
        yield LIST_POP, self.pop
        yield CELL_GET, self.cell_get
        yield CELL_SET, self.cell_set

    # --- numbers ----------------------------------------------------------------------------------------------------

    def box(self, op: Operation) -> Verdict:
        payload = op.args[0]
        if isinstance(payload, Const):
            if op.opcode is UINT_BOX:
                return self._pool.get("r", payload.value & (1 << 64) - 1)
            return self._pool.boxed(payload, BOXED_TYPE[op.opcode])
        return VirtualBox(op.opcode, payload)

    def unbox(self, op: Operation) -> Verdict:
        value, box = op.args[0], _UNBOX[op.opcode]
        if isinstance(value, VirtualBox) and value.box is box:
            return self._state.resolve(value.payload)
        other = OTHER_SIGN.get(box)
        if other is None or isinstance(value, Const):
            return EMIT
        payload = self._state.payload(value, box)
        if payload is not None:
            return payload
        payload = self._word(value, other)
        if payload is None:
            return EMIT
        # An unsigned number is wanted as a signed one, or the other way round.
        not_negative = self._forward.new(INT_LE, self._pool.get("i", 0), payload)
        self._forward.run(Operation(GUARD_TRUE, (not_negative,)))
        return self._state.resolve(payload)

    def truncate(self, op: Operation) -> Verdict:
        for box in (UINT_BOX, INT_BOX):
            payload = self._word(op.args[0], box)
            if payload is not None:
                return payload
        return EMIT

    def _word(self, value: Value, box: Opcode) -> Value | None:
        """The word of an int that is virtual or has been unboxed, whatever its sign."""
        if isinstance(value, VirtualBox):
            return self._state.resolve(value.payload)
        return None if isinstance(value, Const) else self._state.payload(value, box)

    # --- instances --------------------------------------------------------------------------------------------------

    def new(self, op: Operation) -> Verdict:
        # A finalizer must run for every object that the program makes.
        return EMIT if hasattr(op.descr, "__del__") else VirtualInstance(op.descr, {})

    def getfield(self, op: Operation) -> Verdict:
        owner = op.args[0]
        if not isinstance(owner, VirtualInstance):
            return EMIT
        return self._state.resolve(owner.fields.get(op.descr, self._pool.null))

    def setfield(self, op: Operation) -> Verdict:
        owner, value = op.args
        if not isinstance(owner, VirtualInstance):
            return EMIT
        owner.fields[op.descr] = value
        self._state.version += 1
        return DROP

    def guard_inline_values(self, op: Operation) -> Verdict:
        return DROP if isinstance(op.args[0], VirtualInstance) else EMIT

    def guard_not_shadowed(self, op: Operation) -> Verdict:
        owner = op.args[0]
        if not isinstance(owner, VirtualInstance) or op.descr.storage != "inline":
            return EMIT
        present = any(field.name == op.descr.name and field.storage == "inline" for field in owner.fields)
        return EMIT if present else DROP

    # --- dicts --------------------------------------------------------------------------------------------------------
    # Instances of dict whose fields are the few items in their order, all at constant strings, in places that they will have.

    def dict_call(self, op: Operation) -> Verdict:
        """Calls of CPython that make a dict, and that ask and change one that has not been made."""
        row = op.descr
        if row is NEW_DICT or row is EMPTY_DICT:
            return VirtualInstance(dict, {})
        mapping = op.args[0] if op.args else None
        if not isinstance(mapping, VirtualInstance):
            return EMIT
        fields = mapping.fields
        if row is DICT_LEN:
            return self._pool.get("i", len(fields))
        if row not in (DICT_FIND, DICT_SETITEM, DICT_FILL):
            return EMIT
        name = op.args[1].value if isinstance(op.args[1], Const) else None
        if type(name) is not str:
            return EMIT
        field = next((field for field in fields if field.name == name), None)
        if row is DICT_FIND:
            return self._pool.null if field is None else self._state.resolve(fields[field])
        if field is None:
            if len(fields) >= MOST_AT_FIRST:
                return EMIT
            field = Field(dict, name, "item", position_at_first(len(fields)))
        fields[field] = op.args[2]
        self._state.version += 1
        return self._pool.get("i", 0)

    def guard_dict_field(self, op: Operation) -> Verdict:
        owner = op.args[0]
        return DROP if isinstance(owner, VirtualInstance) and op.descr in owner.fields else EMIT

    # --- lists, tuples, cells ---------------------------------------------------------------------------------------

    def new_items(self, op: Operation) -> Verdict:
        if len(op.args) > MAX_ITEMS:
            return EMIT
        cls = list if op.opcode is NEW_LIST else tuple if op.opcode is NEW_TUPLE else types.CellType
        return VirtualItems(cls, list(op.args))

    def new_named_tuple(self, op: Operation) -> Verdict:
        # A finalizer must run for every object that the program makes.
        return EMIT if hasattr(op.descr, "__del__") else VirtualItems(op.descr, list(op.args))

    def _place(self, op: Operation) -> tuple[VirtualItems, int] | None:
        """The virtual sequence and the constant index of an access; None (and a real sequence) otherwise."""
        sequence, index = op.args[:2]
        if not isinstance(sequence, VirtualItems):
            return None
        if isinstance(index, Const) and 0 <= index.value < len(sequence.items):
            return sequence, index.value
        self._force_first(op)
        return None

    def _force_first(self, op: Operation) -> None:
        op.args = (self._forward.force(op.args[0]), *op.args[1:])

    def length(self, op: Operation) -> Verdict:
        sequence = op.args[0]
        return self._pool.get("i", len(sequence.items)) if isinstance(sequence, VirtualItems) else EMIT

    def getitem(self, op: Operation) -> Verdict:
        place = self._place(op)
        return EMIT if place is None else self._state.resolve(place[0].items[place[1]])

    def setitem(self, op: Operation) -> Verdict:
        place = self._place(op)
        if place is None:
            return EMIT
        place[0].items[place[1]] = op.args[2]
        self._state.version += 1
        return DROP

    def append(self, op: Operation) -> Verdict:
        sequence = op.args[0]
        if not isinstance(sequence, VirtualItems):
            return EMIT
        if len(sequence.items) >= MAX_ITEMS:
            self._force_first(op)
            return EMIT
        sequence.items.append(op.args[1])
        self._state.version += 1
        return DROP

    def pop(self, op: Operation) -> Verdict:
        sequence = op.args[0]
        if not isinstance(sequence, VirtualItems):
            return EMIT
        if not sequence.items:  # dead code behind a guard that fails
            self._force_first(op)
            return EMIT
        self._state.version += 1
        return self._state.resolve(sequence.items.pop())

    def list_call(self, op: Operation) -> Verdict:
        """Lists that are made of the items of lists that have not been allocated."""
        row, args = op.descr, op.args
        items: list[Value] = []
        if row is LIST_CONCAT:
            for part in args:
                if not isinstance(part, VirtualItems):
                    return EMIT
                items += part.items
        elif row is SLICES[list]:
            whole, start, stop = args
            if not (isinstance(whole, VirtualItems) and isinstance(start, Const) and isinstance(stop, Const)):
                return EMIT
            items += whole.items[start.value : stop.value]
        else:
            return EMIT
        return VirtualItems(list, items) if len(items) <= MAX_ITEMS else EMIT

    def cell_get(self, op: Operation) -> Verdict:
        cell = op.args[0]
        return self._state.resolve(cell.items[0]) if isinstance(cell, VirtualItems) else EMIT

    def cell_set(self, op: Operation) -> Verdict:
        cell = op.args[0]
        if not isinstance(cell, VirtualItems):
            return EMIT
        cell.items[0] = op.args[1]
        self._state.version += 1
        return DROP
