"""Comparing the end of a loop's body with the state at its label.

Both are walked together from the loop's inputs, through the parts of virtual objects, the facts that the body used and
the pending stores. Each concrete value of the label state (a parameter, inside the loop) is paired with the value it
gets in the next iteration. The comparison changes nothing; it collects what would make both agree:

* *weakenings* of the label state: then the body must be made again;
* *settlements* at the end of the body (a virtual to allocate, a store to do): then the two are compared again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from metatracer.ir.opcodes import INT_AND, INT_LE, INT_LT
from metatracer.ir.values import Const, Value
from metatracer.optimizer.state import (
    BOX_OF_TYPE,
    MAX_INT,
    MIN_INT,
    FactKey,
    Pending,
    Virtual,
    VirtualBox,
    VirtualInstance,
    VirtualItems,
)

if TYPE_CHECKING:
    from metatracer.ir.opcodes import Opcode
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.peeling import LabelState

Place = Callable[[Value], None]
"""Puts another value where one was found in the label state."""


class Alias(Value):
    """Stands, in the label state, for a value that is to be a parameter of its own."""

    __slots__ = ("source",)

    def __init__(self, source: Value) -> None:
        super().__init__(source.kind)
        self.source = source


class Matcher:
    """One comparison.

    Attributes:
        found: Value of the label state -> value at the end of the body.
    """

    def __init__(self, label: LabelState, body: Forward, ends: list[Value]) -> None:
        self._label = label
        self._body = body
        self._ends = ends
        self._before = label.state
        self._after = body.state
        self.found: dict[Value, Value] = {}
        self._taken: dict[Value, Virtual] = {}
        self._weakenings: list[Callable[[], object]] = []
        self._settlements: list[Callable[[], object]] = []

    def match(self) -> None:
        """Compare; afterwards `weaken` and `settle` say whether something is to be done."""
        for number, end in enumerate(self._ends):
            self._pair(self._root_place(number), self._label.roots[number], end)
        facts = self._wanted_facts()
        wanted = set(facts)
        stores = self._before.stores()
        matched: set[int] = set()
        progress = True
        while progress:
            facts, progress = self._match_facts(facts)
            for fact in self._wanted_facts():  # proofs may have relied on more
                if fact not in wanted:
                    wanted.add(fact)
                    facts.append(fact)
                    progress = True
            left = []
            for store in stores:
                if self._match_store(store, matched):
                    progress = True
                else:
                    left.append(store)
            stores = left
        if not self._weakenings:
            for fact in facts:  # used, but nothing leads to it any more
                self._unreached_fact(fact)
            for store in stores:
                self._unreached_store(store)
        self._flush_unmatched(matched)
        if self._wants_validity() and not self._after.valid:
            self._lacks_validity()

    def _wanted_facts(self) -> list[FactKey]:
        """The facts that the body relies on."""
        return list(self._after.used)

    def _wants_validity(self) -> bool:
        return self._after.used_valid

    # --- what does not hold at the end: the label state is weakened -----------------------------------------------------

    def _lacks_validity(self) -> None:
        self._weakenings.append(self._forget_validity)

    def _lacks_fact(self, fact: FactKey, args: tuple[Value, ...]) -> None:
        self._weakenings.append(lambda: self._before.forget(*fact))

    def _lacks_store(self, store: Pending) -> None:
        """The body does this store: do it before the label, too."""
        self._flush_before(store)

    def _unreached_fact(self, fact: FactKey) -> None:
        self._weakenings.append(lambda: self._before.forget(*fact))

    def _unreached_store(self, store: Pending) -> None:
        self._flush_before(store)

    def _lacks_payload(self, value: VirtualBox, end: Value) -> None:
        self._force_before(value)

    def _lacks_constant(self, place: Place, value: Const, end: Value) -> None:
        self._weakenings.append(lambda: self._generalize(place, value, end))

    def _lacks_info(self, value: Value, end: Value, weaken: Callable[[], object]) -> None:
        self._weakenings.append(weaken)

    # --- the comparison's two results -----------------------------------------------------------------------------------

    @property
    def is_stronger(self) -> bool:
        """Whether the label state says more than holds at the end."""
        return bool(self._weakenings)

    def weaken(self) -> bool:
        """Weaken the label state as needed; says whether anything was."""
        for action in self._weakenings:
            action()
        return bool(self._weakenings)

    def settle(self) -> bool:
        """Do at the end of the body what is needed there; says whether anything was."""
        for action in self._settlements:
            action()
        return bool(self._settlements)

    def _forget_validity(self) -> None:
        self._before.valid = False

    # --- places -----------------------------------------------------------------------------------------------------

    def _root_place(self, number: int) -> Place:
        def put(value: Value) -> None:
            self._label.roots[number] = value

        return put

    def _fact_place(self, fact: FactKey) -> Place:
        def forget(_: Value) -> None:
            self._before.forget(*fact)

        return forget

    @staticmethod
    def _store_place(store: Pending) -> Place:
        def put(value: Value) -> None:
            store.args = (*store.args[:-1], value)

        return put

    # --- facts and stores -------------------------------------------------------------------------------------------

    def _at_end(self, value: Value) -> Value | None:
        value = self._before.resolve(value)
        return value if isinstance(value, Const) else self.found.get(value)

    def _match_facts(self, facts: list[FactKey]) -> tuple[list[FactKey], bool]:
        later: list[FactKey] = []
        for fact in facts:
            table, head, args = fact
            ends = [self._at_end(arg) for arg in args]
            present = [end for end in ends if end is not None]
            if len(present) < len(ends):
                later.append(fact)
                continue
            value = self._before.lookup(table, head, args)
            if value is None:
                continue  # forgotten already
            end = self._after.lookup(table, head, tuple(present))
            if end is None and self._follows(table, head, value, present):
                continue
            if end is None:
                self._lacks_fact(fact, tuple(present))
            else:
                self._pair(self._fact_place(fact), value, end)
        return later, len(later) < len(facts)

    def _follows(self, table: str, head: Any, value: Value, args: list[Value]) -> bool:
        """Whether a fact about the order of two numbers, or about bits, is not noted, but can be proved."""
        if table != "pure" or not isinstance(value, Const):
            return False
        if head[0] is INT_AND:
            return self._body.bits.follows(args, value)
        if head[0] not in (INT_LT, INT_LE) or value is not self._before.pool.true:
            return False
        return self._body.ranges.follows(head[0], *args)

    def _find_store(self, store: Pending) -> Pending | None:
        """The store of the body to the place of a store of the label state; its owner has been paired."""
        owner = self._at_end(store.args[0])
        if owner is None:
            return None
        if len(store.args) == 3:
            index = self._at_end(store.args[1])
            return None if index is None else self._after.pending_items.get(owner, {}).get(index)
        place = "cell" if store.descr is None else store.descr
        return self._after.pending_fields.get(place, {}).get(owner)

    def _match_store(self, store: Pending, matched: set[int]) -> bool:
        if self._at_end(store.args[0]) is None:
            return False
        end = self._find_store(store)
        if end is None:
            self._lacks_store(store)
        else:
            matched.add(id(end))
            self._pair(self._store_place(store), store.args[-1], end.args[-1])
        return True

    def _flush_before(self, store: Pending) -> None:
        def flush() -> None:
            for table in (*self._before.pending_fields.values(), *self._before.pending_items.values()):
                for key in [key for key, pending in table.items() if pending is store]:
                    self._label.forward.heap.do(table.pop(key))

        self._weakenings.append(flush)

    def _flush_unmatched(self, matched: set[int]) -> None:
        """Stores that the body put off and the label does not know of are done at the body's end."""
        for table in (*self._after.pending_fields.values(), *self._after.pending_items.values()):
            for key, store in table.items():
                if id(store) not in matched:
                    self._flush_after(table, key, store)

    def _flush_after(self, table: dict[Any, Pending], key: Any, store: Pending) -> None:
        def flush() -> None:
            # Doing another store may have done this one before it.
            if table.get(key) is store:
                self._body.heap.do(table.pop(key))

        self._settlements.append(flush)

    # --- values -----------------------------------------------------------------------------------------------------

    def _pair(self, place: Place, value: Value, end: Value) -> None:
        value = self._before.resolve(value)
        end = self._after.resolve(end)
        if isinstance(value, Const):
            if value is not end and not self._equal_numbers(value, end):
                self._lacks_constant(place, value, end)
        elif isinstance(value, VirtualBox):
            payload = self._after.payload(end, value.box)
            if payload is None:
                self._lacks_payload(value, end)
            else:
                self._pair(lambda part: place(VirtualBox(value.box, part)), value.payload, payload)
        elif isinstance(value, Virtual):
            self._pair_virtual(value, end)
        else:
            self._pair_concrete(place, value, end)

    def _equal_numbers(self, value: Const, end: Value) -> bool:
        """Numbers have no identity: equal constants may be different objects."""
        box = BOX_OF_TYPE.get(type(value.value)) if value.kind == "r" else None
        if box is None or not isinstance(end, Const):
            return False
        payload = self._before.payload(value, box)
        return payload is not None and payload is self._after.payload(end, box)

    def _generalize(self, place: Place, value: Const, end: Value) -> None:
        """A constant of the first iteration is a parameter."""
        box = BOX_OF_TYPE.get(type(value.value)) if value.kind == "r" else None
        if box is not None:
            payload = self._before.payload(value, box)
            if payload is not None and self._after.payload(end, box) is not None:
                place(VirtualBox(box, Alias(payload)))
                return
        alias = Alias(value)
        if value.kind == "r":
            info = self._before.info(alias)
            cls = self._before.type_of(value)
            info.type = cls if cls is self._after.type_of(end) else None
            info.nonnull = self._before.is_nonnull(value) and self._after.is_nonnull(end)
        place(alias)

    def _force_before(self, value: Value) -> None:
        self._weakenings.append(lambda: self._label.forward.force(value))

    def _pair_virtual(self, value: Virtual, end: Value) -> None:
        """Virtual objects correspond one to one, or are allocated."""
        known = self.found.get(value)
        if known is not None:
            if known is not end:
                self._force_before(value)
            return
        owner = self._taken.get(end)
        if owner is not None:
            self._force_before(owner)
        if owner is not None or not self._same_shape(value, end):
            self._force_before(value)
            return
        self.found[value] = end
        assert isinstance(end, Virtual)
        self._taken[end] = value
        if isinstance(value, VirtualInstance):
            assert isinstance(end, VirtualInstance)
            fields = value.fields
            for field, content in list(fields.items()):
                self._pair(lambda new, field=field: fields.__setitem__(field, new), content, end.fields[field])  # type: ignore[misc]
        elif isinstance(value, VirtualItems):
            assert isinstance(end, VirtualItems)
            items = value.items
            for number, content in enumerate(list(items)):
                self._pair(lambda new, number=number: items.__setitem__(number, new), content, end.items[number])  # type: ignore[misc]

    def _same_shape(self, value: Virtual, end: Value) -> bool:
        if isinstance(value, VirtualInstance):
            if (
                not isinstance(end, VirtualInstance)
                or value.cls is not end.cls
                or value.fields.keys() != end.fields.keys()
            ):
                return False
            contents = [(value.fields[field], end.fields[field]) for field in value.fields]
        elif isinstance(value, VirtualItems):
            if not isinstance(end, VirtualItems) or value.cls is not end.cls or len(value.items) != len(end.items):
                return False
            contents = list(zip(value.items, end.items, strict=True))
        else:
            return False
        # Whether a part is there at all belongs to the shape.
        null = self._before.pool.null
        return all(
            (self._before.resolve(left) is null) is (self._after.resolve(right) is null) for left, right in contents
        )

    def _pair_concrete(self, place: Place, value: Value, end: Value) -> None:
        known = self.found.get(value)
        if known is not None:
            if known is not end and not self._same_box(known, end):
                self._weakenings.append(lambda: self._split(place, value))
            return
        if isinstance(end, VirtualBox):
            payload = self._before.payload(value, end.box)
            if payload is not None and self._unbox_before(place, value, end.box, payload):
                return
        self.found[value] = end
        self._check_info(value, end)
        if isinstance(end, Virtual):
            self._settlements.append(lambda: self._body.force(end))

    def _unbox_before(self, place: Place, value: Value, box: Opcode, payload: Value) -> bool:
        """Let the label take a number unboxed that is unboxed in the next iteration; says whether that is to be done."""
        self._weakenings.append(lambda: place(VirtualBox(box, payload)))
        return True

    def _same_box(self, left: Value, right: Value) -> bool:
        """Two boxes of one number become one object when they are forced."""
        if not isinstance(left, VirtualBox) or not isinstance(right, VirtualBox) or left.box is not right.box:
            return False
        return self._after.resolve(left.payload) is self._after.resolve(right.payload)

    def _split(self, place: Place, value: Value) -> None:
        """Values that were the same in the first iteration need not be the same in the next."""
        alias = Alias(value)
        info = self._before.infos.get(value)
        if info is not None:
            self._before.infos[alias] = info.copy()
        place(alias)

    def _check_info(self, value: Value, end: Value) -> None:
        """What the label says of a value must hold at the end of the body, too."""
        info = self._before.infos.get(value)
        if info is None:
            return
        after = self._after
        lo, hi = after.bounds(end) if value.kind == "i" else (info.lo, info.hi)
        if value.kind == "i" and (lo < info.lo or hi > info.hi):
            lo, hi = self._body.ranges.narrowed(end)
        known = after.infos.get(end)
        holds_type = info.type is None or after.type_of(end) is info.type
        holds_nonnull = not info.nonnull or after.is_nonnull(end)
        holds_frozen = not info.frozen_items or (known is not None and known.frozen_items)
        holds_lo, holds_hi = info.lo <= lo, hi <= info.hi
        if holds_type and holds_nonnull and holds_frozen and holds_lo and holds_hi:
            return

        def widen() -> None:
            info.type = info.type if holds_type else None
            info.nonnull = info.nonnull and holds_nonnull
            info.frozen_items = info.frozen_items and holds_frozen
            info.lo = info.lo if holds_lo else MIN_INT
            info.hi = info.hi if holds_hi else MAX_INT

        self._lacks_info(value, end, widen)
