"""Loop peeling: the first iteration becomes the preamble, the second, which knows what the first found out, the loop.

The recorded operations are run twice. What is known at the end of the first run is the *label state*: which loop-carried
values are boxed numbers or virtual objects (their parts become the label's parameters), which classes, ranges and heap
contents are known, which stores are pending, which pure results exist. The second run starts from that state with every
value renamed to a parameter, so whatever does not change in the loop is found there and is not computed again: it is
passed as a parameter, unchanged.

At its end the body must give back the same state. `Matcher` walks both and pairs each parameter with the value it gets
in the next iteration. Where they differ the label state is *weakened* (a virtual is forced before the label, a pending
store done, a fact forgotten, a constant made a parameter) and the body is made again. Each round weakens, and after
`MAX_ROUNDS` the loop is left unpeeled.

Parameters that the body does not use are left out, and only facts it used have to hold at its end.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from metatracer.ir.opcodes import GETFIELD, JUMP, LABEL, LIST_GETITEM
from metatracer.ir.snapshots import live_values
from metatracer.ir.values import Const, Input, Operation, Trace, Value
from metatracer.optimizer.carrying import Carried
from metatracer.optimizer.entering import Entry, header_of, header_with
from metatracer.optimizer.forward import Forward
from metatracer.optimizer.matching import Alias, Matcher
from metatracer.optimizer.state import (
    BOX_OF_TYPE,
    MAX_INT,
    MIN_INT,
    FactKey,
    Pending,
    State,
    Virtual,
    VirtualBox,
    VirtualInstance,
    VirtualItems,
)
from metatracer.optimizer.verdicts import Contradiction

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from metatracer.ir.opcodes import Opcode
    from metatracer.ir.values import Snapshot
    from metatracer.optimizer.carrying import Place as CarriedPlace
    from metatracer.optimizer.matching import Place
    from metatracer.optimizer.versions import Goal

MAX_ROUNDS = 8
_WORTH_A_CONSTANT = 3
"""Of `_cost`, an iteration: a comparison and its guard, or some operations that a constant makes unnecessary."""


class Renaming:
    """Values of the label state to what they are inside the loop.

    Attributes:
        params: Parameter of each concrete value, in order of creation.
        virtuals: Copy of each virtual.
    """

    def __init__(self, label: Forward, body: Forward) -> None:
        self._label = label.state
        self._body = body.state
        self.params: dict[Value, Input] = {}
        self.virtuals: dict[Virtual, Virtual] = {}

    def rename(self, value: Value) -> Value:
        """The value inside the loop; parameters and copies of virtuals are made on demand."""
        value = self._label.resolve(value)
        if isinstance(value, Const):
            info = self._label.infos.get(value)
            if info is not None:
                self._body.infos[value] = info.copy()
            return value
        if isinstance(value, Virtual):
            return self._copy(value)
        param = self.params.get(value)
        if param is None:
            param = self.params[value] = Input(value.kind)
            info = self._label.infos.get(value)
            if info is not None:
                self._body.infos[param] = info.copy()
                param.known_type = info.type
        return param

    def _copy(self, value: Virtual) -> Virtual:
        known = self.virtuals.get(value)
        if known is not None:
            return known
        copy: Virtual
        if isinstance(value, VirtualBox):
            copy = self.virtuals[value] = VirtualBox(value.box, self.rename(value.payload))
        elif isinstance(value, VirtualInstance):
            copy = self.virtuals[value] = instance = VirtualInstance(value.cls, {})
            instance.fields.update({field: self.rename(content) for field, content in value.fields.items()})
        else:
            assert isinstance(value, VirtualItems)
            copy = self.virtuals[value] = items = VirtualItems(value.cls, [])
            items.items.extend([self.rename(item) for item in value.items])
        return copy


class LabelState:
    """The end of the preamble, as the loop's label sees it; weakened in place.

    Attributes:
        forward: The preamble's walk. Forcing and flushing add to it.
        roots: What the loop's inputs are at the label.
        has_orders: The orders of its numbers, and their bits, have been made facts.
        bits: Those facts about bits.
        given: The contents of the virtual arguments, and what these were before the first iteration.
    """

    def __init__(self, forward: Forward, roots: list[Value], given: Iterable[tuple[Any, dict[Any, Value]]] = ()) -> None:
        self.forward = forward
        self.state: State = forward.state
        self.roots = roots
        self.given = given
        self.has_orders = False
        self.bits: list[FactKey] = []
        for value in self.state.infos:
            forward.ranges.forget_edge(value)

    def prepare(self) -> None:
        """Do the pending stores that are not carried: to places that the loop may not meet again."""
        reachable = self.reachable()
        heap = self.forward.heap
        heap.appends.flush_all()
        state = self.state
        for owner in list(state.pending_items):
            stores = state.pending_items[owner]
            for index in list(stores):
                if owner not in reachable or not isinstance(index, Const):
                    heap.do(stores.pop(index))
            if not stores:
                del state.pending_items[owner]
        for place, owners in list(state.pending_fields.items()):
            for owner in list(owners):
                if owner not in reachable:
                    heap.do(owners.pop(owner))
            if not owners:
                del state.pending_fields[place]

    def reachable(self) -> set[Value]:
        """The values that the loop can meet again: from the roots, through virtuals, stores and facts."""
        state = self.state
        found: set[Value] = set()
        work: list[Value] = []

        def add(value: Value) -> None:
            value = state.resolve(value)
            if value not in found and value.__class__ is not Const:
                found.add(value)
                work.append(value)

        def drain() -> None:
            while work:
                value = work.pop()
                if isinstance(value, Virtual):
                    for part in value.parts():
                        add(part)

        for root in self.roots:
            add(root)
        drain()
        facts = [([state.resolve(arg) for arg in args], value) for _, _, args, value in state.facts()] + [
            ([state.resolve(store.args[0])], store.args[-1]) for store in state.stores()
        ]
        progress = True
        while progress:
            progress = False
            later = []
            for args, value in facts:
                if all(arg in found or arg.__class__ is Const for arg in args):
                    add(value)
                    progress = True
                else:
                    later.append((args, value))
            drain()
            facts = later
        found.update(const for const in map(state.resolve, self._owners()) if const.__class__ is Const)
        return found

    def _owners(self) -> list[Value]:
        owners = list(self.state.pending_items)
        for table in self.state.pending_fields.values():
            owners.extend(table)
        return owners

    def enter(self, body: Forward, inputs: tuple[Input, ...]) -> Renaming:
        """Give the body the label state, renamed."""
        renaming = Renaming(self.forward, body)
        rename = renaming.rename
        state, inside = self.state, body.state
        for given, root in zip(inputs, self.roots, strict=True):
            inside.replaced[given] = rename(root)
        reachable = self.reachable()
        self._note_orders(reachable)
        for place, owners in state.pending_fields.items():
            inside.pending_fields[place] = {rename(o): self._rename_store(s, rename) for o, s in owners.items()}
        for owner, stores in state.pending_items.items():
            inside.pending_items[rename(owner)] = {rename(i): self._rename_store(s, rename) for i, s in stores.items()}
        for table, head, args, value in state.facts():
            key = (table, head, args)
            args = tuple([state.resolve(arg) for arg in args])
            if all(arg in reachable or arg.__class__ is Const for arg in args):
                inside.import_fact(key, tuple([rename(arg) for arg in args]), rename(value))
        if "relations" in body.enabled:
            body.ranges.relations.import_facts()
        if "bits" in body.enabled:
            body.bits.import_facts()
        inside.valid = inside.imported_valid = state.valid
        return renaming

    def _note_orders(self, reachable: set[Value]) -> None:
        """Make facts of the orders between numbers that the loop meets: others than those compared, which may be gone.

        And of the bits that are known of them.

        Once: each that the body relies on and cannot keep up costs another round.
        """
        state = self.state
        if self.has_orders:
            return
        self.has_orders = True
        numbers = {value for value in reachable if value.kind == "i" and value.__class__ is not Const}
        if "relations" in self.forward.enabled:
            for opcode, left, right in self.forward.ranges.relations.orders_among(numbers):
                fact: FactKey = ("pure", (opcode, None), (left, right))
                if state.lookup(*fact) is None:
                    state.note_fact(*fact, state.pool.true)
        if "bits" in self.forward.enabled:
            for fact, ones in self.forward.bits.facts_about(numbers):
                if state.lookup(*fact) is None:
                    state.note_fact(*fact, ones)
                    self.bits.append(fact)

    def forget_bits(self) -> bool:
        """Forget the facts about bits; says whether there were any."""
        for fact in self.bits:
            self.state.forget(*fact)
        found = bool(self.bits)
        self.bits = []
        return found

    def free_bounds(self, values: Iterable[Value]) -> dict[Value, tuple[int, int]]:
        """Give integers the bounds from before comparisons with constants; returns those that were changed, as they were."""
        freed: dict[Value, tuple[int, int]] = {}
        for value in values:
            given = self.forward.ranges.given.get(value)
            info = self.state.infos.get(value)
            if given is None or info is None:
                continue
            lo, hi = min(given[0], info.lo), max(given[1], info.hi)
            if MIN_INT < info.lo != lo or MAX_INT > info.hi != hi:
                freed[value] = info.lo, info.hi
                info.lo, info.hi = lo, hi
                self.forward.ranges.forget_edge(value)
        return freed

    def free_constants(self, length: int) -> list[tuple[Place, Value]]:
        """Make parameters of the constant numbers that are left where the preamble has read a number.

        Args:
            length: Of the preamble without what was done for the label.

        Returns:
            What puts the constants back, with the constants.
        """
        state, freed = self.state, []
        for place, before, value in [*self._stored(length), *self._left()]:
            value = state.resolve(value)
            box = BOX_OF_TYPE.get(type(value.value)) if isinstance(value, Const) and value.kind == "r" else None
            payload = None if box is None else state.payload(value, box)
            if box is None or payload is None or not self._was_read(before, box, length):
                continue
            place(VirtualBox(box, Alias(payload)))
            freed.append((place, value))
        return freed

    def _stored(self, length: int) -> Iterator[tuple[Place, Value, Value]]:
        """Pending stores to places that the preamble has read: the place, what was read, what is stored."""
        read: dict[tuple[Value, Any], Value] = {}
        for op in self.forward.out[:length]:
            if op.opcode is LIST_GETITEM:
                read.setdefault((op.args[0], op.args[1]), op)
            elif op.opcode is GETFIELD:
                read.setdefault((op.args[0], op.descr), op)
        for store in self.state.stores():
            where = store.args[1] if len(store.args) == 3 else store.descr
            before = read.get((self.state.resolve(store.args[0]), where))
            if before is not None:
                yield partial(_store_instead, store), before, store.args[-1]

    def _left(self) -> Iterator[tuple[Place, Value, Value]]:
        """Contents of virtual arguments: the place, what was there, what is there now."""
        for contents, before in self.given:
            for place, value in before.items():
                if place in contents if isinstance(contents, dict) else place < len(contents):
                    yield partial(contents.__setitem__, place), value, contents[place]

    def _was_read(self, before: Value, box: Opcode, length: int) -> bool:
        """Whether the preamble has used the number that was there before."""
        before = self.state.resolve(before)
        if not isinstance(before, VirtualBox):
            return not isinstance(before, Const) and self.state.payload(before, box) is not None
        number = self.state.resolve(before.payload)
        return before.box is box and number.__class__ is not Const and any(number in op.args for op in self.forward.out[:length])

    def take_bits(self) -> list[tuple[FactKey, Value]]:
        """Forget the facts about bits; gives them for `put_bits`."""
        taken = [(fact, value) for fact in self.bits if (value := self.state.lookup(*fact)) is not None]
        for fact, _ in taken:
            self.state.forget(*fact)
        return taken

    def put_bits(self, taken: list[tuple[FactKey, Value]]) -> None:
        """Take note of facts about bits again."""
        for fact, value in taken:
            self.state.note_fact(*fact, value)

    @staticmethod
    def _rename_store(store: Pending, rename: Callable[[Value], Value]) -> Pending:
        return Pending(store.opcode, tuple([rename(arg) for arg in store.args]), store.descr)


def peel_loop(trace: Trace, enabled: Collection[str], goal: Goal) -> Trace | None:
    """The loop with one iteration peeled, or None when it cannot be."""
    from metatracer.optimizer.pipeline import start

    recorded, jump = trace.operations[:-1], trace.operations[-1]
    preamble = start(trace, enabled, goal)
    given = _contents(preamble.state, trace.inputs)
    try:
        preamble.run_all(recorded)
        ends = list(jump.args)
        carried = _carried(trace, preamble, ends, goal)
        length = len(preamble.out)
        if carried is not None:
            carried.put()
        label = LabelState(preamble, [preamble.state.resolve(arg) for arg in ends], given)
        for _ in range(MAX_ROUNDS):
            label.prepare()
            body = Forward(preamble.pool, enabled)
            body.state.classes = trace.classes
            renaming = label.enter(body, trace.inputs)
            try:
                body.run_all(recorded)
            except Contradiction:
                # An iteration may prepare another than itself (even numbers, then odd ones): its bits do not go round.
                if not label.forget_bits():
                    raise
                continue
            body.heap.appends.flush_all()
            ends = [body.state.resolve(arg) for arg in jump.args]
            matched = _match(label, body, ends)
            if matched is not None:
                body, renaming, matched = _without_bounds(trace, label, body, renaming, matched)
                body, renaming, matched = _without_constants(trace, label, body, renaming, matched, length)
                operations = _assemble(preamble, length, body, renaming, matched)
                entry = _entry(trace, label, body, renaming, () if carried is None else carried.kept())
                return Trace(preamble.inputs, operations, trace.assumptions, trace.name, entry, classes=trace.classes)
    except Contradiction:
        return None
    return None


def _contents(state: State, inputs: Iterable[Value]) -> list[tuple[Any, dict[Any, Value]]]:
    """The lists and dicts of what virtual arguments are made of, and copies of them as they are now."""
    found: list[tuple[Any, dict[Any, Value]]] = []
    work, seen = [state.resolve(value) for value in inputs], set()
    while work:
        value = work.pop()
        if value in seen or isinstance(value, VirtualBox) or not isinstance(value, Virtual):
            continue
        seen.add(value)
        if isinstance(value, VirtualInstance):
            found.append((value.fields, dict(value.fields)))
        elif isinstance(value, VirtualItems) and value.cls is list:
            found.append((value.items, dict(enumerate(value.items))))
        work += [state.resolve(part) for part in value.parts()]
    return found


def _store_instead(store: Pending, value: Value) -> None:
    store.args = (*store.args[:-1], value)


def _without_bounds(
    trace: Trace, label: LabelState, body: Forward, renaming: Renaming, matched: dict[Value, Value]
) -> tuple[Forward, Renaming, dict[Value, Value]]:
    """The loop again without bounds that comparisons with constants told, if it is as good.

    Whoever goes the other way has other bounds, and could not enter at the label. The bits that are known are forgotten, too, as
    some follow from these bounds.
    """
    freed = label.free_bounds([value for value, param in renaming.params.items() if param in body.state.infos])
    if not freed:
        return body, renaming, matched
    bits = label.take_bits()
    again, renamed, found = _again(trace, label, body)
    if found is not None and _cost(again) <= _cost(body):
        return again, renamed, found
    for value, bounds in freed.items():
        info = label.state.info(value)
        info.lo, info.hi = bounds
    label.put_bits(bits)
    return body, renaming, matched


def _without_constants(
    trace: Trace, label: LabelState, body: Forward, renaming: Renaming, matched: dict[Value, Value], length: int
) -> tuple[Forward, Renaming, dict[Value, Value]]:
    """The loop again without the numbers that the first iteration left in variables it has read, if it is about as good.

    A carry, or a counter that is set back: whoever goes the other way leaves another number, and could not enter at the label.
    """
    freed = label.free_constants(length)
    if not freed:
        return body, renaming, matched
    again, renamed, found = _again(trace, label, body)
    if found is not None and _cost(again) <= _cost(body) + _WORTH_A_CONSTANT * len(freed):
        return again, renamed, found
    for place, value in freed:
        place(value)
    return body, renaming, matched


def _again(trace: Trace, label: LabelState, body: Forward) -> tuple[Forward, Renaming, dict[Value, Value] | None]:
    """The loop made once more from what the label is now, and what its parameters are matched with, if they can be."""
    recorded, jump = trace.operations[:-1], trace.operations[-1]
    again = Forward(body.pool, body.enabled)
    again.state.classes = trace.classes
    renamed = label.enter(again, trace.inputs)
    try:
        again.run_all(recorded)
        again.heap.appends.flush_all()
        found = _match(label, again, [again.state.resolve(arg) for arg in jump.args], may_weaken=False)
    except Contradiction:
        found = None
    return again, renamed, found


def _cost(body: Forward) -> int:
    """A number for a loop's operations; those that check something count twice."""
    return sum([2 if op.opcode.is_guard else 1 for op in body.out])


def _carried(trace: Trace, preamble: Forward, ends: list[Value], goal: Goal) -> Carried | None:
    """The numbers that the loop is to carry besides those that its iteration makes."""
    header = header_of(trace.operations)
    if not goal.carried or header is None:
        return None
    at_end = header_with(header, dict(zip(trace.inputs, ends, strict=True)))
    return None if at_end is None else Carried(preamble, ends, at_end, goal.carried)


def _entry(
    trace: Trace, label: LabelState, body: Forward, renaming: Renaming, carried: tuple[CarriedPlace, ...]
) -> Entry | None:
    """What other traces that enter the loop have to know."""
    recorded, jump = trace.operations[:-1], trace.operations[-1]
    header = header_of(recorded)
    if header is None:
        return None
    return Entry(
        trace.inputs,
        recorded,
        jump.args,
        header,
        label,
        {param: value for value, param in renaming.params.items()},
        list(body.state.used),
        body.state.used_valid,
        trace.assumptions,
        carried,
    )


def _match(
    label: LabelState, body: Forward, ends: list[Value], *, may_weaken: bool = True
) -> dict[Value, Value] | None:
    """Pair the label state with the end of the body; None when the label state had (or has) to be weakened."""
    while True:
        matcher = Matcher(label, body, ends)
        matcher.match()
        if matcher.is_stronger and not may_weaken:
            return None
        if matcher.weaken():
            return None
        if not matcher.settle():
            return matcher.found
        ends = [body.state.resolve(end) for end in ends]


def _assemble(
    preamble: Forward, preamble_length: int, body: Forward, renaming: Renaming, found: dict[Value, Value]
) -> list[Operation]:
    """Preamble, label, body, jump; with the parameters that the body needs."""
    value_of = {param: value for value, param in renaming.params.items()}
    next_values: dict[Input, Value] = {}
    work = [param for param in used_inputs(body.out) if param in value_of]
    while work:
        param = work.pop()
        if param in next_values:
            continue
        value = found.get(value_of[param])
        if value is None:
            raise Contradiction  # a value that the body got from nowhere: not a loop we understand
        value = body.state.resolve(value)
        next_values[param] = value
        if isinstance(value, Input) and value in value_of:
            work.append(value)

    def before(value: Value) -> Value:
        while isinstance(value, Alias):
            value = preamble.state.resolve(value.source)
        return value

    params = tuple([param for param in value_of if param in next_values])
    label = Operation(LABEL, [before(value_of[param]) for param in params], None, None, params)
    for op in preamble.out[preamble_length:]:  # allocations and stores done for the label
        op.args = tuple([before(arg) for arg in op.args])
    jump = Operation(JUMP, [next_values[param] for param in params])
    return [*preamble.out, label, *body.out, jump]


def used_inputs(operations: list[Operation]) -> list[Input]:
    """The inputs and parameters that operations and their snapshots mention, each once, in order."""
    found: dict[Input, None] = {}
    seen: dict[int, Snapshot] = {}
    for op in operations:
        for arg in op.args:
            if arg.__class__ is Input:
                found[arg] = None
        snapshot = op.snapshot
        if snapshot is not None and id(snapshot) not in seen:
            seen[id(snapshot)] = snapshot
            for value in live_values(snapshot):
                if value.__class__ is Input:
                    found[value] = None
    return list(found)
