"""Stores of objects that nobody else refers to: found in a trace, and made by functions that reuse what was there.

A loop that keeps its variables in a list of boxes stores new boxes over old ones, and mostly nobody but the list refers
to the old ones. Then the new object is made *in* the old one: no allocation, no deallocation. Nobody can tell: the old
object would have been freed, and the allocator might have given the same memory again.

`fuse_stores` looks for ::

    r7 = new() {W_Int}
    r8 = int_box(i6)
    setfield(r7, r8) {W_Int.value}
    list_setitem(r1, 2, r7)

where r7 and r8 have no other uses, and makes one `STORE_NEW` of it, whose arguments are the place and the *leaves*
(``r1, 2, i6``); `reuse_code` has the machine code. An object is reused if it has exactly the class wanted
and one reference, and if nothing is noticed when it is freed (`is_reusable`: no finalizer, weak references, or dict). Its
numbers are reused in the same way; ints of more than one digit and small ones, of which there is only one each, are not.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metatracer.backend.layout import TPFLAGS_HEAPTYPE, TPFLAGS_IS_ABSTRACT, WORD, layout, read_word
from metatracer.ir import opcodes as ops
from metatracer.ir.opcodes import Effect, Opcode
from metatracer.ir.snapshots import live_values
from metatracer.ir.values import NULL, Field, Operation, Trace, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

STORE_NEW = Opcode("store_new", "r*", "", writes=Effect.FIELD | Effect.LIST, descr="construction")
"""The backend's own: `Construction` says what it stores and where. Takes over the leaves that are references."""

_BOXES = {ops.INT_BOX: "i", ops.FLOAT_BOX: "f"}
_STORED = {ops.LIST_SETITEM: 2, ops.SETFIELD: 1, ops.CELL_SET: 1}
"""Position of the value that is stored."""


@dataclass(frozen=True, slots=True)
class Construction:
    """What a `STORE_NEW` does.

    Attributes:
        store: The operation that stored; the first arguments are its place.
        field: Of a setfield.
        cls: Of the instance, or None for a number.
        kinds: Of the leaves: the number, or the words of the instance behind its header.
    """

    store: Opcode
    field: Field | None
    cls: type | None
    kinds: str

    @property
    def first_leaf(self) -> int:
        """The position of the first leaf among the arguments."""
        return _STORED[self.store]


# --- finding ------------------------------------------------------------------------------------------------------------


def fuse_stores(trace: Trace, extras: Iterable[Value] = ()) -> Trace:
    """The trace with `STORE_NEW` where it fits; the same one where it fits nowhere. Linear in its size.

    `extras` are values of it that are used elsewhere, too.
    """
    if not any(op.opcode in _STORED for op in trace.operations):
        return trace
    uses = _count_uses(trace)
    uses.update(extras)
    fields: dict[Value, list[Operation]] = {}
    fused: dict[Operation, Operation] = {}
    absorbed: set[Operation] = set()
    for op in trace.operations:
        if op.opcode is ops.SETFIELD and isinstance(op.args[0], Operation) and op.args[0].opcode is ops.NEW:
            fields.setdefault(op.args[0], []).append(op)
        elif op.opcode in _STORED and (op.descr is None or op.descr.storage == "slot"):
            parts = _construction(op, fields, uses)
            if parts is not None:
                fused[op], gone = parts
                absorbed.update(gone)
    if not fused:
        return trace
    operations = [fused.get(op, op) for op in trace.operations if op not in absorbed]
    return Trace(trace.inputs, operations, trace.assumptions, trace.name, trace.entry, trace.repeats)


def _count_uses(trace: Trace) -> Counter[Value]:
    uses: Counter[Value] = Counter()
    seen: set[int] = set()
    for op in trace.operations:
        uses.update(op.args)
        if op.snapshot is not None and id(op.snapshot) not in seen:
            seen.add(id(op.snapshot))
            uses.update(live_values(op.snapshot))
    return uses


def _construction(
    store: Operation, fields: dict[Value, list[Operation]], uses: Counter[Value]
) -> tuple[Operation, list[Operation]] | None:
    """The `STORE_NEW` for a store, and the operations that it makes needless."""
    position = _STORED[store.opcode]
    stored = store.args[position]
    if not isinstance(stored, Operation):
        return None
    cls = None
    if stored.opcode in _BOXES and uses[stored] == 1:
        leaves = [stored.args[0]]
        gone = [stored]
    elif stored.opcode is ops.NEW and uses[stored] == 1 + len(fields.get(stored, ())):
        words = _words(stored.descr, fields.get(stored, []))
        if words is None:
            return None
        cls = stored.descr
        boxes = [word for word in words if isinstance(word, Operation) and word.opcode in _BOXES and uses[word] == 1]
        leaves = [word.args[0] if isinstance(word, Operation) and word in boxes else word for word in words]
        gone = [stored, *fields[stored], *boxes]
    else:
        return None
    kinds = "".join(leaf.kind for leaf in leaves)
    construction = Construction(store.opcode, store.descr, cls, kinds)
    return Operation(STORE_NEW, (*store.args[:position], *leaves), construction), gone


def _words(cls: type, stores: list[Operation]) -> list[Value] | None:
    """The content of an instance behind its header, word by word, if it can be reused and each is set at most once."""
    count = (cls.__basicsize__ - object.__basicsize__) // WORD
    if not stores or not is_reusable(cls):
        return None
    words: list[Value] = [NULL] * count
    for store in stores:
        if store.descr.storage != "slot":
            return None
        number = (store.descr.position - object.__basicsize__) // WORD
        if words[number] is not NULL:
            return None
        words[number] = store.args[1]
    return words


def is_reusable(cls: type) -> bool:
    """Whether instances consist of slots alone, and freeing one that nobody refers to does nothing but release these.

    A finalizer may be added to the class later; the code looks at that.
    """
    figures = layout()
    if cls.__dictoffset__ or cls.__weakrefoffset__ or cls.__itemsize__ or cls.__flags__ & TPFLAGS_IS_ABSTRACT:
        return False
    dealloc = read_word(id(_Plain) + figures.tp_dealloc)
    if read_word(id(cls) + figures.tp_alloc) != read_word(id(object) + figures.tp_alloc):
        return False
    return all(
        read_word(id(base) + figures.tp_flags) & TPFLAGS_HEAPTYPE and read_word(id(base) + figures.tp_dealloc) == dealloc
        for base in cls.__mro__[:-1]
    )


class _Plain:
    __slots__ = ()
