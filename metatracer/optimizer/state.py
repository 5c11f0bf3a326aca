"""What the forward pass knows at one point of a trace.

A `State` holds, for the values of the trace being *built*: what they are (`Info`), what older values they stand for,
which pure results exist, what the heap is known to hold, and which stores and allocations have been put off. Facts about
the heap describe it *as if every pending store had been done*.

Two values are the same exactly when they are the same Python object; constants are made unique by `ConstantPool`.

Facts are also reached uniformly, as (table, head, arguments, value), because peeling carries them over the loop's back
edge: see `facts`, `lookup` and `forget`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir.opcodes import (
    BOOL_BOX,
    BOOL_UNBOX,
    FLOAT_BOX,
    FLOAT_UNBOX,
    INT_BOX,
    INT_UNBOX,
    LIST_APPEND,
    PTR_EQ,
    UINT_BOX,
    UINT_UNBOX,
    Opcode,
    fits_i64,
    wrap_i64,
)
from metatracer.ir.values import NULL, NULL_OBJECT, Const, Operation, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metatracer.ir.class_facts import ClassFacts
    from metatracer.ir.values import Field

MIN_INT = -(1 << 63)
MAX_INT = (1 << 63) - 1

BOXED_TYPE: dict[Opcode, type] = {INT_BOX: int, UINT_BOX: int, FLOAT_BOX: float, BOOL_BOX: bool}
"""Class of the object that each boxing operation makes."""
UNBOX: dict[Opcode, Opcode] = {INT_BOX: INT_UNBOX, UINT_BOX: UINT_UNBOX, FLOAT_BOX: FLOAT_UNBOX, BOOL_BOX: BOOL_UNBOX}
"""The operation that undoes each boxing operation."""
BOX_OF_TYPE: dict[type, Opcode] = {int: INT_BOX, float: FLOAT_BOX, bool: BOOL_BOX}
OTHER_SIGN = {INT_BOX: UINT_BOX, UINT_BOX: INT_BOX}
"""Boxes of one word that make equal ints if it is not negative."""


class Info:
    """What is known of one value besides its definition.

    Attributes:
        type: Exact class (kind r), or None.
        nonnull: Known not to be NULL (kind r).
        lo, hi: Inclusive bounds (kind i).
        source: Where the value came from: the Field it was read from, "input" or "item". A hint, never a fact.
        frozen_items: The value is a list that never changes.
    """

    __slots__ = ("frozen_items", "hi", "lo", "nonnull", "source", "type")

    def __init__(self) -> None:
        self.type: type | None = None
        self.nonnull = False
        self.lo = MIN_INT
        self.hi = MAX_INT
        self.source: Field | str | None = None
        self.frozen_items = False

    def copy(self) -> Info:
        other = Info()
        other.type = self.type
        other.nonnull = self.nonnull
        other.lo = self.lo
        other.hi = self.hi
        other.source = self.source
        other.frozen_items = self.frozen_items
        return other


class Virtual(Value):
    """An object that has not been allocated. Once it is forced, `State.replaced` leads to the real one."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("r")

    def parts(self) -> list[Value]:
        """The values it is made of."""
        raise NotImplementedError


class VirtualBox(Virtual):
    """A Python int, float or bool of which only the machine value exists."""

    __slots__ = ("box", "payload")

    def __init__(self, box: Opcode, payload: Value) -> None:
        super().__init__()
        self.box = box
        self.payload = payload

    def parts(self) -> list[Value]:
        return [self.payload]


class VirtualInstance(Virtual):
    """An instance of `cls`; a field that is not in `fields` is unset."""

    __slots__ = ("cls", "fields")

    def __init__(self, cls: type, fields: dict[Field, Value]) -> None:
        super().__init__()
        self.cls = cls
        self.fields = fields

    def parts(self) -> list[Value]:
        return list(self.fields.values())


class VirtualItems(Virtual):
    """A list, a tuple or a cell (one item, may be NULL)."""

    __slots__ = ("cls", "items")

    def __init__(self, cls: type, items: list[Value]) -> None:
        super().__init__()
        self.cls = cls
        self.items = items

    def parts(self) -> list[Value]:
        return self.items


class ConstantPool:
    """Makes equal constants identical, for one trace."""

    __slots__ = ("_boxed", "_by_key", "_unique", "false", "null", "true")

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, Any], Const] = {}
        self._unique: set[Const] = set()
        self._boxed: dict[Const, Const] = {}
        self.true = self.get("b", True)
        self.false = self.get("b", False)
        self.null = self.unique(NULL)

    def unique(self, const: Const) -> Const:
        """The one constant that stands for all that are `same_as` this one."""
        if const in self._unique:
            return const
        found = self._by_key.setdefault(const.key(), const)
        self._unique.add(found)
        return found

    def get(self, kind: str, value: Any) -> Const:
        return self.unique(Const(kind, value))

    def boxed(self, payload: Const, cls: type) -> Const:
        """The object for a machine constant, always the same one."""
        found = self._boxed.get(payload)
        if found is None:
            found = self._boxed[payload] = self.get("r", cls(payload.value))
        return found


class Pending:
    """A store that has been put off: `args` and `descr` as of the operation; the stored value may be virtual."""

    __slots__ = ("args", "descr", "opcode")

    def __init__(self, opcode: Opcode, args: tuple[Value, ...], descr: Any) -> None:
        self.opcode = opcode
        self.args = args
        self.descr = descr


FactKey = tuple[str, Any, tuple[Value, ...]]
"""Table, head (a Field, or an opcode with its descriptor), arguments."""


class State:
    """See the module's docstring.

    Attributes:
        pool: The trace's constants.
        replaced: Older values (of the recorded trace, forced virtuals, values found to be constant) -> what stands for
            them now. Chains are allowed.
        infos: What is known of each value.
        memo: Table name -> {(opcode, descr, args): result}. "pure" holds for ever; "buffer" until a buffer is
            written; "shape" (results of guards on an instance's shape) until code runs; "place" (where a generator waits)
            until some generator may be asked.
        fields: Field (or `CELL`) -> {object: content}; `immutable`: the same for fields that never change.
        items: list -> {index: item}.
        lengths, offsets: list -> value, list -> number, which together are the list's length.
        found_items: (dict, key) -> what the dict has there, from `dict_find`, until some dict changes.
        pending_fields: Field (or `CELL`) -> {object: store}; pending_items: list -> {index: store}.
        appended: list -> items whose append has been put off (they count in its length).
        boxes: boxing operation, machine value -> an existing object that it would make.
        births: fresh object -> when it was allocated; positions: r value -> when it appeared.
        valid: The assumptions of the trace were checked and nothing has run since.
        attended: The trace has asked for attention since its label.
        imported: Facts that came over the back edge, by key: (key on the other side, value here); `used`: those
            that something was concluded from; `used_valid`: the same for `valid`.
        classes: Which objects keep their class whatever runs; None: all.
        version: Changes whenever a snapshot of the same frames could look different, but for pending stores.
        substitutions: Changes whenever this could be so for frames without virtuals. stores_version: for pending stores.
    """

    def __init__(self, pool: ConstantPool) -> None:
        self.pool = pool
        self.replaced: dict[Value, Value] = {}
        self.infos: dict[Value, Info] = {}
        self.memo: dict[str, dict[tuple[Any, ...], Value]] = {"pure": {}, "buffer": {}, "shape": {}, "place": {}}
        self.pure = self.memo["pure"]
        self.fields: dict[Any, dict[Value, Value]] = {}
        self.immutable: dict[Any, dict[Value, Value]] = {}
        self.items: dict[Value, dict[Value, Value]] = {}
        self.lengths: dict[Value, Value] = {}
        self.offsets: dict[Value, int] = {}
        self.appended: dict[Value, list[Value]] = {}
        self.found_items: dict[tuple[Value, ...], Value] = {}
        self.pending_fields: dict[Any, dict[Value, Pending]] = {}
        self.pending_items: dict[Value, dict[Value, Pending]] = {}
        self.boxes: dict[tuple[Opcode, Value], Value] = {}
        self.births: dict[Value, int] = {}
        self.positions: dict[Value, int] = {}
        self.valid = False
        self.attended = False
        self.imported: dict[FactKey, tuple[FactKey, Value]] = {}
        self.used: dict[FactKey, None] = {}
        self.imported_valid = False
        self.used_valid = False
        self.version = 0
        self.substitutions = 0
        self.stores_version = 0
        self.classes: ClassFacts | None = None

    # --- values -----------------------------------------------------------------------------------------------------

    def resolve(self, value: Value) -> Value:
        """The value that stands for `value` now: constants are unique, forced virtuals are the real objects."""
        replaced = self.replaced
        while True:
            newer = replaced.get(value)
            if newer is None:
                break
            value = newer
        if value.__class__ is Const:
            return self.pool.unique(value)
        return value

    def info(self, value: Value) -> Info:
        """The changeable information of a value that is neither constant nor virtual."""
        found = self.infos.get(value)
        if found is None:
            found = self.infos[value] = Info()
        return found

    def type_of(self, value: Value) -> type | None:
        """The exact class, if known. NULL has none."""
        cls = value.__class__
        if cls is Const:
            constant = value.value  # type: ignore[attr-defined]
            if constant is NULL_OBJECT or (self.classes is not None and not self.classes.is_kept(constant)):
                return None
            return type(constant)
        if cls is VirtualBox:
            return BOXED_TYPE[value.box]  # type: ignore[attr-defined]
        if cls is VirtualInstance or cls is VirtualItems:
            return value.cls  # type: ignore[attr-defined, no-any-return]
        found = self.infos.get(value)
        return None if found is None else found.type

    def forget_classes(self) -> None:
        """Code has run that may have assigned ``__class__``."""
        classes = self.classes
        if classes is None or not classes.has_fickle:
            return
        for info in self.infos.values():
            if info.type is not None and not classes.is_settled(info.type):
                info.type = None

    def is_nonnull(self, value: Value) -> bool:
        if isinstance(value, Const):
            return value.value is not NULL_OBJECT
        if isinstance(value, Virtual):
            return True
        found = self.infos.get(value)
        return found is not None and found.nonnull

    def bounds(self, value: Value) -> tuple[int, int]:
        """Inclusive bounds of an integer value."""
        if isinstance(value, Const):
            return value.value, value.value
        found = self.infos.get(value)
        return (MIN_INT, MAX_INT) if found is None else (found.lo, found.hi)

    def payload(self, value: Value, box: Opcode) -> Value | None:
        """The machine value of a number that `box` makes, if it is at hand."""
        if isinstance(value, VirtualBox):
            payload = self.resolve(value.payload)
            return payload if value.box is box or self._is_either(value.box, box, payload) else None
        if isinstance(value, Const):
            content: Any = value.value
            if box is UINT_BOX:
                is_unsigned = type(content) is int and 0 <= content <= 2 * MAX_INT + 1
                return self.pool.get("i", wrap_i64(content)) if is_unsigned else None
            is_machine_number = box is not INT_BOX or (isinstance(content, int) and fits_i64(content))
            if type(content) is not BOXED_TYPE[box] or not is_machine_number:
                return None
            return self.pool.get(box.args, content)
        found = self._unboxed(value, box)
        if found is None and box in OTHER_SIGN:
            other = OTHER_SIGN[box]
            found = self.pure.get((UNBOX[other], None, (value,)))
            if found is None or not self._is_either(other, box, self.resolve(found)):
                return None
            found = self._unboxed(value, other)
        return found

    def _unboxed(self, value: Value, box: Opcode) -> Value | None:
        found = self.pure.get((UNBOX[box], None, (value,)))
        if found is None:
            return None
        self.hit("pure", (UNBOX[box], None), (value,), found)
        return self.resolve(found)

    def _is_either(self, box: Opcode, wanted: Opcode, payload: Value) -> bool:
        """Whether what one operation makes of a word is what the other one makes."""
        return OTHER_SIGN.get(box) is wanted and self.bounds(payload)[0] >= 0

    def substitute(self, value: Value, newer: Value) -> None:
        """Let `newer` stand for `value` from here on: it was found to be equal."""
        self.replaced[value] = newer
        self.version += 1
        self.substitutions += 1
        for stores in self.pending_fields.values():
            _rekey(stores, value, newer)
        for indexed in self.pending_items.values():
            _rekey(indexed, value, newer)
        _rekey(self.pending_items, value, newer)
        for contents in (*self.fields.values(), *self.immutable.values(), *self.items.values()):
            _rekey(contents, value, newer)
        _rekey(self.items, value, newer)
        for name in (self.lengths, self.offsets, self.appended):
            _rekey(name, value, newer)

    def stores(self) -> list[Pending]:
        """The pending stores, those to variable indices first.

        The order means nothing, as they do not overlap. But a bridge begins by doing them, and knows less of aliasing:
        a store to an unknown index would make it do all those before it.
        """
        first: list[Pending] = []
        then: list[Pending] = []
        for indexed in self.pending_items.values():
            for index, store in indexed.items():
                (then if index.__class__ is Const else first).append(store)
        fields = [store for owners in self.pending_fields.values() for store in owners.values()]
        appends = [
            Pending(LIST_APPEND, (owner, value), None) for owner, items in self.appended.items() for value in items
        ]
        return first + fields + then + appends

    # --- aliasing ---------------------------------------------------------------------------------------------------

    def may_alias(self, left: Value, right: Value) -> bool:
        """Whether two references, neither virtual, may be the same object."""
        if left is right:
            return True
        if left.__class__ is Const and right.__class__ is Const:
            return False
        left_type, right_type = self.type_of(left), self.type_of(right)
        if left_type is not right_type and left_type is not None and right_type is not None:
            return False
        left_birth, right_birth = self.births.get(left), self.births.get(right)
        if left_birth is not None and (right_birth is not None or self.positions.get(right, -1) < left_birth):
            return False
        if right_birth is not None and self.positions.get(left, -1) < right_birth:
            return False
        args = (left, right) if id(left) <= id(right) else (right, left)
        known = self.pure.get((PTR_EQ, None, args))
        if known is not None and self.resolve(known) is self.pool.false:
            self.hit("pure", (PTR_EQ, None), args, known)
            return False
        return True

    def may_equal(self, left: Value, right: Value) -> bool:
        """Whether two integers may be equal."""
        if left is right:
            return True
        left_lo, left_hi = self.bounds(left)
        right_lo, right_hi = self.bounds(right)
        return left_lo <= right_hi and right_lo <= left_hi

    # --- facts, uniformly -------------------------------------------------------------------------------------------

    def hit(self, table: str, head: Any, args: tuple[Value, ...], value: Value) -> None:
        """Note that a conclusion was drawn from a fact; only facts from over the back edge are interesting."""
        if self.imported:
            key = (table, head, args)
            origin = self.imported.get(key)
            if origin is not None and origin[1] is value:
                self.used[origin[0]] = None

    def facts(self) -> Iterator[tuple[str, Any, tuple[Value, ...], Value]]:
        """Every fact, older ones of a table first."""
        for field, contents in self.immutable.items():
            for owner, value in contents.items():
                yield "immutable", field, (owner,), value
        for field, contents in self.fields.items():
            for owner, value in contents.items():
                yield "field", field, (owner,), value
        for owner, items in self.items.items():
            for index, value in items.items():
                yield "item", None, (owner, index), value
        for owner, value in self.lengths.items():
            yield "length", self.offsets.get(owner, 0), (owner,), value
        for name, table in self.memo.items():
            for (opcode, descr, args), value in table.items():
                yield name, (opcode, descr), args, value

    def _table(self, table: str, head: Any, args: tuple[Value, ...]) -> tuple[dict[Any, Value], Any]:
        if table == "field":
            return self.fields.setdefault(head, {}), args[0]
        if table == "immutable":
            return self.immutable.setdefault(head, {}), args[0]
        if table == "item":
            return self.items.setdefault(args[0], {}), args[1]
        if table == "length":
            return self.lengths, args[0]
        if head[0].commutes and id(args[0]) > id(args[1]):
            args = (args[1], args[0])
        return self.memo[table], (*head, args)

    def lookup(self, table: str, head: Any, args: tuple[Value, ...]) -> Value | None:
        if table == "length" and self.offsets.get(args[0], 0) != head:
            return None
        contents, key = self._table(table, head, args)
        found = contents.get(key)
        return None if found is None else self.resolve(found)

    def forget(self, table: str, head: Any, args: tuple[Value, ...]) -> None:
        contents, key = self._table(table, head, args)
        contents.pop(key, None)

    def note_fact(self, table: str, head: Any, args: tuple[Value, ...], value: Value) -> None:
        """Take note of a fact that has just been found out."""
        contents, key = self._table(table, head, args)
        contents[key] = value
        if table == "length":
            self.offsets[args[0]] = head

    def import_fact(self, origin: FactKey, args: tuple[Value, ...], value: Value) -> None:
        """Take over a fact from the other side of the back edge."""
        table, head, _ = origin
        contents, key = self._table(table, head, args)
        contents[key] = value
        if table in self.memo:
            args = key[2]
        elif table == "length":
            self.offsets[args[0]], head = head, None  # the offset changes with every append
        self.imported[table, head, args] = (origin, value)


CELL = "cell"
"""Stands for the Field in tables of fields: the content of a cell object."""


def _rekey(table: dict[Any, Any], old: Value, new: Value) -> None:
    """Let what was filed under `old` be found under `new`, unless that already has something."""
    content = table.pop(old, None)
    if content is not None:
        present = table.get(new)
        if present is None:
            table[new] = content
        elif isinstance(present, dict):
            for key, value in content.items():
                present.setdefault(key, value)


def is_defined_by(value: Value, opcode: Opcode) -> bool:
    """Whether a value is the result of an operation of this row."""
    return isinstance(value, Operation) and value.opcode is opcode
