"""Reference counting: which values a trace owns, where it takes references and where it gives them up.

Every value of kind ``r`` is *owned* (the trace holds one reference), or *borrowed* (somebody else's reference keeps it
alive: a constant's, or that of the place in the heap it was loaded from). Owned from the start are inputs, label
parameters and the results of allocations and calls. A value loaded from the heap stays borrowed until the first
operation that may release references or run code while the value is still wanted; there, and not earlier, the trace
takes a reference of its own. Values that are only looked at between two such operations cost nothing.

An owned value is released right after its last use; the snapshots of guards count as uses. A tuple whose items are wanted longer
(a frame that is returned to) is *taken apart* there: if the trace had the only reference, the items' are the trace's then.

Operations in `CONSUMED` take over one reference to some of their arguments: they are given the trace's own if this is the
argument's last use, and a new one else.

At the exit of a guard every live value of the snapshot is handed over as one reference. `ExitPlan` says which are new
references and which of the trace's own references nobody wants any more.

The decision is made in one forward walk. Whether a value is owned at its last use depends only on what came before, so
the releases (which may themselves run finalizers, and so end the safety of borrowing) are known when they are reached.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metatracer.backend.reuse import STORE_NEW
from metatracer.errors import IRError
from metatracer.ir.cfunctions import STR_CONCAT
from metatracer.ir.snapshots import live_values
from metatracer.ir.values import Const, Input, Operation, Trace, Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GC_RUNS_IN_ALLOCATION = sys.version_info < (3, 12)
"""3.11 collects garbage (and runs finalizers) inside the allocation of a container; later versions between bytecodes."""

CONSUMED: dict[str, tuple[int, ...] | None] = {
    "setfield": (1,),
    "list_setitem": (2,),
    "list_append": (1,),
    "cell_set": (1,),
    "new_list": None,
    "new_tuple": None,
    "new_named_tuple": None,
    "new_cell": (0,),
    "push_exc_info": (0,),
    "pop_exc_info": (0,),
    "call_portal": None,
    "call_loop": None,
    "label": None,
    "jump": None,
    "finish": (0,),
    "finish_raise": (0,),
    "decref": (0,),
    "xdecref": (0,),
}
"""Argument positions (None: all of kind r) of which an operation takes over one reference each."""

OWNED_RESULTS = frozenset(
    {
        "int_box", "uint_box", "float_box", "str_chr", "new", "new_list", "new_tuple", "new_named_tuple", "new_cell", "list_pop",
        "call", "call_c_r", "call_portal", "call_loop", "guard_exception", "push_exc_info",
    }
)  # fmt: skip
"""Operations whose result is a new reference (or NULL)."""

BORROWED_RESULTS = frozenset({"getfield", "list_getitem", "tuple_getitem", "cell_get", "match_string"})
"""Operations whose result is owned by the place in the heap it was read from."""

IMMORTAL_RESULTS = frozenset({"bool_box"})
"""Operations whose result lives for ever."""

_RELEASES_OLD = frozenset({"setfield", "list_setitem", "cell_set", "pop_exc_info", "decref", "xdecref", "store_new"})
_GC_ALLOCATIONS = frozenset({"new", "new_list", "new_tuple", "new_named_tuple", "new_cell"})
_QUIET_CALLS = frozenset({"str_concat", "str_getitem", "str_slice", "bytes_slice", "int_str", "float_str"})
"""Rows that allocate nothing the collector knows and run no code, though they give a new reference."""
_TELLING_CALLS = frozenset({"dict_find", "dict_find_int", "dict_setitem", "dict_setitem_int"})
"""Rows that begin an epoch themselves, and only where they run code or call CPython."""
_NOT_ALLOCATING = _QUIET_CALLS | {"dict_find", "dict_find_int"}
_NOT_TOLD = _QUIET_CALLS | _TELLING_CALLS
_MAYBE_NULL = frozenset({"getfield", "cell_get", "call", "call_c_r", "call_portal", "call_loop"})
_PROVES_FIRST = frozenset(
    {
        "guard_type", "guard_value", "guard_nonnull", "guard_next", "guard_array_typecode", "guard_inline_values",
        "guard_dict_field", "guard_not_shadowed", "int_unbox", "uint_unbox", "int_of_subclass", "int_truncate", "float_unbox",
        "bool_unbox", "getfield", "setfield", "list_len", "list_getitem", "list_setitem", "list_append", "list_pop", "tuple_len",
        "tuple_getitem", "cell_get", "cell_set", "str_len", "str_ord_at", "str_eq", "bytes_eq", "bytes_len",
        "bytes_getitem", "match_groups", "match_mark", "match_string",
        "bytearray_len", "bytearray_getitem", "bytearray_setitem", "bytes_load", "bytearray_load", "bytearray_store",
        "array_len", "array_getitem_i", "array_getitem_f", "array_setitem_i", "array_setitem_f", "push_exc_info",
        "store_new",
    }
)  # fmt: skip
"""Operations behind which their first argument is known not to be NULL."""
_HARMLESS_TYPES = frozenset({int, float, complex, str, bytes, bool, type(None), range})
_HARMLESS_RESULTS = frozenset({"int_box", "uint_box", "float_box", "str_chr"})
_UNBOXING = frozenset({"int_unbox", "uint_unbox", "int_truncate", "float_unbox", "bool_unbox"})
_FOREVER = 1 << 60
MOST_TAKEN = 8
"""Items of a tuple are taken from so many places: there is a function for each set of them."""


@dataclass(frozen=True, slots=True)
class Retain:
    """A step of the plan: take a new reference."""

    value: Value
    nullable: bool


@dataclass(frozen=True, slots=True)
class Release:
    """A step of the plan: give up one reference."""

    value: Value
    nullable: bool


@dataclass(frozen=True, slots=True)
class TakeApart:
    """A step of the plan: give up one reference to a tuple, and have one to each of these items.

    Where nobody else has the tuple, the items change hands, and no reference is counted.

    Attributes:
        value: The tuple.
        items: Index and value of each item, no index twice.
    """

    value: Value
    items: tuple[tuple[int, Value], ...]


Step = Operation | Retain | Release | TakeApart


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """What the exit of a guard does with references, retains first.

    Attributes:
        live: The values to hand over, in the order of `ir.snapshots.live_values`.
        retain: Those of them that need a new reference.
        release: References of the trace that are not handed over.
        branch: The same for going on in a branch that is given more values than the exit has; None where it is given no more.
    """

    live: tuple[Value, ...]
    retain: tuple[Retain, ...]
    release: tuple[Release, ...]
    branch: ExitPlan | None = None


@dataclass(slots=True)
class RefcountPlan:
    """A trace's operations with the reference counting between them.

    Attributes:
        steps: In order of execution.
        exits: Of each guard.
        unset_fields: `setfield` operations that are the first store into a field of a new object: nothing to release.
        nullable: `guard_type` operations whose argument may be NULL, which then fail.
        appends: Concatenations of strings that take over the reference to the left one unless they raise, and so may
            make the result of it.
    """

    steps: list[Step] = field(default_factory=list)
    exits: dict[Operation, ExitPlan] = field(default_factory=dict)
    unset_fields: set[Operation] = field(default_factory=set)
    nullable: set[Operation] = field(default_factory=set)
    appends: set[Operation] = field(default_factory=set)

    def describe(self, trace: Trace) -> str:
        """One line per step, for tests and people; values are numbered in order of definition."""
        names: dict[Value, str] = {}
        for value in (*trace.inputs, *(value for op in trace.operations for value in (*op.params, op))):
            if value.kind:
                names[value] = f"{value.kind}{len(names)}"

        def name(value: Value) -> str:
            return repr(value.value) if isinstance(value, Const) else names[value]

        lines = []
        for step in self.steps:
            if isinstance(step, Operation):
                text = f"{step.opcode.name}({', '.join(name(arg) for arg in step.args)})"
                lines.append(f"{name(step)} = {text}" if step.kind else text)
            elif isinstance(step, TakeApart):
                items = ", ".join(f"{index}: {name(item)}" for index, item in step.items)
                lines.append(f"takeapart({name(step.value)}, {items})")
            else:
                lines.append(f"{type(step).__name__.lower()}({name(step.value)})")
        return "\n".join(lines)


def consumed_positions(op: Operation) -> Sequence[int]:
    """The argument positions of which `op` takes over a reference."""
    if op.opcode is STORE_NEW:
        return [number for number, arg in enumerate(op.args) if arg.kind == "r" and number >= op.descr.first_leaf]
    if op.opcode.name not in CONSUMED:
        return ()
    positions = CONSUMED[op.opcode.name]
    if positions is None:
        return [number for number, arg in enumerate(op.args) if arg.kind == "r"]
    return positions


def plan_refcounts(trace: Trace, extras: Mapping[Operation, tuple[Value, ...]] | None = None) -> RefcountPlan:
    """Return where `trace` takes and gives up references, in time linear in its size.

    Args:
        trace: Whose.
        extras: The values that guards give to their branches beside those of their exits.

    Raises:
        IRError: An operation with a reference result is not known here.
    """
    return _Planner(trace, extras or {}).run()


class _Planner:
    """The forward walk."""

    def __init__(self, trace: Trace, extras: Mapping[Operation, tuple[Value, ...]]) -> None:
        self.trace = trace
        self.extras = extras
        self.plan = RefcountPlan()
        self.owned: dict[Value, None] = {}
        self.borrowed: dict[Value, None] = {}
        self.base: dict[Value, Value] = {}
        self.nullable: set[Value] = set()
        self.harmless: set[Value] = set()
        self.fresh: dict[Value, set[Any]] = {}
        self.last: dict[Value, int] = {}
        self.ends: dict[int, list[Value]] = {}

    def run(self) -> RefcountPlan:
        self._find_last_uses()
        for value in self.trace.inputs:
            self._define(value, -1)
        self._release_ended([value for value in self.trace.inputs if value not in self.last], -1)
        for position, op in enumerate(self.trace.operations):
            self._step(position, op)
        return self.plan

    # --- last uses ----------------------------------------------------------------------------------------------------

    def _find_last_uses(self) -> None:
        last = self.last
        operations = self.trace.operations
        label_at = -1
        for position, op in enumerate(operations):
            if op.opcode.name == "label":
                label_at = position
            for arg in op.args:
                if arg.kind == "r":
                    last[arg] = position
            if op.snapshot is not None:
                for value in (*live_values(op.snapshot), *self.extras.get(op, ())):
                    if value.kind == "r":
                        last[value] = position
        if label_at >= 0 and operations[-1].opcode.name == "jump" and operations[-1].descr is None:
            # What the loop uses from before it must outlive every iteration.
            before: set[Value] = {*self.trace.inputs, *operations[:label_at]}
            for value in before:
                if last.get(value, -1) > label_at:
                    last[value] = _FOREVER
        for value, position in last.items():
            self.ends.setdefault(position, []).append(value)

    # --- the walk -----------------------------------------------------------------------------------------------------

    def _step(self, position: int, op: Operation) -> None:
        name = op.opcode.name
        runs_code = _runs_code(op)
        if runs_code:
            self._protect(position)
        elif name == "label" or (name in _RELEASES_OLD and not self._stores_into_unset(op)):
            self._protect(position + 1)
        self._consume(position, op)
        if name == "call_c_r" and op.descr is STR_CONCAT:
            self._append(position, op)
        if op.opcode.is_guard:
            self.plan.exits[op] = self._exit(op)
            if name == "guard_type" and op.args[0] in self.nullable:
                self.plan.nullable.add(op)
        self.plan.steps.append(op)
        self._learn(op)
        if runs_code:
            self.fresh.clear()
        if op.kind == "r":
            self._define(op, position)
        for param in op.params:
            self._define(param, position)
        ended = [value for value in self.ends.get(position, ()) if not isinstance(value, Const)]
        unused = [value for value in (op, *op.params) if value.kind == "r" and value not in self.last]
        self._release_ended(ended + unused, position)

    def _consume(self, position: int, op: Operation) -> None:
        """Make sure that a reference is there for each position that `op` consumes."""
        positions = consumed_positions(op)
        if not positions:
            return
        kept = {arg for number, arg in enumerate(op.args) if number not in positions}
        for number in positions:
            value = op.args[number]
            if value in self.owned and self.last[value] == position and value not in kept:
                del self.owned[value]
            elif op.opcode.name not in ("decref", "xdecref") and not (isinstance(value, Const) and value.is_null):
                self.plan.steps.append(Retain(value, value in self.nullable))

    def _append(self, position: int, op: Operation) -> None:
        """Let a concatenation have the left string if only the exit for its exception still wants that."""
        left, right = op.args
        guard = self.trace.operations[position + 1]
        if left not in self.owned or left is right or self.last[left] > position + 1:
            return
        if guard.opcode.name == "guard_no_exception" and guard.args[0] is op:
            self.plan.appends.add(op)
            self.ends[self.last[left]].remove(left)
            self.last[left] = position + 1

    def _exit(self, op: Operation) -> ExitPlan:
        live = live_values(op.snapshot) if op.snapshot is not None else ()
        extras = self.extras.get(op)
        branch = None if extras is None else self._leave(op, (*live, *extras))
        return self._leave(op, live, branch)

    def _leave(self, op: Operation, live: tuple[Value, ...], branch: ExitPlan | None = None) -> ExitPlan:
        """What leaving with these values does. In trees some of them may be constants, or the same value twice."""
        handed: set[Value] = set()
        retain: list[Retain] = []
        for value in live:
            is_null = isinstance(value, Const) and value.is_null
            if value.kind == "r" and not is_null and (value not in self.owned or value in handed):
                retain.append(Retain(value, value in self.nullable))
            handed.add(value)
        skipped = op.args[0] if op.args and op.opcode.name in _NULL_AT_EXIT else None
        release = tuple(
            Release(value, value in self.nullable)
            for value in self.owned
            if value not in handed and value is not skipped
        )
        return ExitPlan(live, tuple(retain), release, branch)

    def _learn(self, op: Operation) -> None:
        """Note what `op` tells about its first argument and about new objects."""
        name = op.opcode.name
        if not op.args:
            return
        first = op.args[0]
        if name in _PROVES_FIRST:
            self.nullable.discard(first)
            if name in _UNBOXING or (name == "guard_type" and op.descr in _HARMLESS_TYPES):
                self.harmless.add(first)
        elif name == "guard_parts":
            self.owned.pop(first, None)  # it is no object: the parts are numbers
        elif name in ("guard_null", "guard_exhausted", "guard_exception"):
            self.owned.pop(first, None)  # it is NULL: nothing is owned
            self.borrowed.pop(first, None)
        elif name == "guard_no_exception" and isinstance(first, Operation) and not _null_without_error(first):
            self.nullable.discard(first)
            if first in self.plan.appends:
                del self.owned[first.args[0]]

    def _stores_into_unset(self, op: Operation) -> bool:
        if op.opcode.name != "setfield" or op.args[0] not in self.fresh:
            return False
        stored = self.fresh[op.args[0]]
        if op.descr in stored:
            return False
        stored.add(op.descr)
        self.plan.unset_fields.add(op)
        return True

    def _define(self, value: Value, position: int) -> None:
        if value.kind != "r":
            return
        if isinstance(value, Input):
            self.owned[value] = None
            if value.known_type is None:
                self.nullable.add(value)
            elif value.known_type in _HARMLESS_TYPES:
                self.harmless.add(value)
            return
        assert isinstance(value, Operation)
        name = value.opcode.name
        if name in OWNED_RESULTS:
            self.owned[value] = None
        elif name in BORROWED_RESULTS:
            if self.last.get(value, -1) > position:
                self.borrowed[value] = None
            if name in ("tuple_getitem", "match_string"):
                self.base[value] = value.args[0]
        elif name not in IMMORTAL_RESULTS:
            raise IRError(f"reference counting does not know the result of {name}")
        if name in _MAYBE_NULL:
            self.nullable.add(value)
        if name in _HARMLESS_RESULTS or (name == "call_c_r" and value.descr.name in _QUIET_CALLS):
            self.harmless.add(value)
        if name == "new":
            self.fresh[value] = set()

    # --- protection and release ----------------------------------------------------------------------------------------

    def _protect(self, position: int, leaving: Sequence[Value] = ()) -> dict[Value, dict[int, Value]]:
        """Take references to borrowed values that are still wanted at `position` or later.

        Gives the items that need none, of tuples among `leaving`, which are released next: those are taken apart.
        """
        taken: dict[Value, dict[int, Value]] = {}
        for value in list(self.borrowed):
            if self.last[value] < position:
                del self.borrowed[value]
            elif not self._kept_by_base(value):
                del self.borrowed[value]
                self.owned[value] = None
                base, index = _item_of(value)
                if base is not None and base in leaving and index not in taken.get(base, ()):
                    taken.setdefault(base, {})[index] = value
                else:
                    self.plan.steps.append(Retain(value, value in self.nullable))
        return taken

    def _kept_by_base(self, value: Value) -> bool:
        """Whether a tuple that is alive for as long as `value` is wanted keeps it alive."""
        wanted = self.last[value]
        base = self.base.get(value)
        while base is not None:
            if isinstance(base, Const) or (base in self.owned and self.last[base] >= wanted):
                return True
            base = self.base.get(base)
        return False

    def _release_ended(self, values: list[Value], position: int) -> None:
        """Give up owned values behind their last use."""
        for value in values:
            self.borrowed.pop(value, None)
        releases = [value for value in values if value in self.owned]
        taken: dict[Value, dict[int, Value]] = {}
        if any(value not in self.harmless for value in releases):
            for value in releases:  # a tuple that goes no longer keeps its items
                del self.owned[value]
            taken = self._protect(position + 1, releases)
        for value in releases:
            self.owned.pop(value, None)
            items = taken.get(value)
            self.plan.steps.append(
                Release(value, value in self.nullable) if items is None else TakeApart(value, tuple(sorted(items.items())))
            )


_NULL_AT_EXIT = frozenset({"guard_no_exception", "guard_next"})
"""Guards that fail only when their argument is NULL (or, for calls with an integer result, no reference).

Not `guard_nonnull`, which tests make fail at will: what a search of a dict has found is owned."""


def _item_of(value: Value) -> tuple[Value | None, int]:
    """The tuple that a value was read from, and the index; None for what is none of the first items of a tuple."""
    if isinstance(value, Operation) and value.opcode.name == "tuple_getitem":
        index = value.args[1]
        if isinstance(index, Const) and 0 <= index.value < MOST_TAKEN:
            return value.args[0], index.value
    return None, 0


def _null_without_error(call: Operation) -> bool:
    return call.opcode.name == "call_c_r" and call.descr.error == "null_maybe"


def _runs_code(op: Operation) -> bool:
    """Whether arbitrary code may run while `op` still needs its arguments."""
    name = op.opcode.name
    if name in ("decref", "xdecref"):
        return False
    if name in ("call_c_r", "call_c_i", "call_c_f"):
        row = op.descr
        if row.runs_code or row.releases or row.name == "builtin_next":  # which releases items of reused tuples
            return True
        return GC_RUNS_IN_ALLOCATION and (row.can_raise or row.result == "r") and row.name not in _NOT_ALLOCATING
    if op.opcode is STORE_NEW:
        return GC_RUNS_IN_ALLOCATION and op.descr.cls is not None
    return op.opcode.runs_code or (GC_RUNS_IN_ALLOCATION and name in _GC_ALLOCATIONS)


def may_change_polled(op: Operation) -> bool:
    """Whether an operation may run code, or call C code that changes what traces assume (such as a dict's version).

    Deallocations and allocations are not counted: the code that does them knows when anything else happens. Neither are calls of
    loops, nor stores of new objects: the callee counts.
    """
    name = op.opcode.name
    if name in ("call_portal", "call_loop", "store_new", "decref", "xdecref"):
        return False
    if name in ("call_c_r", "call_c_i", "call_c_f"):
        row = op.descr
        return not (row.pure and row.result != "r") and row.name not in _NOT_TOLD
    return op.opcode.runs_code or name == "guard_exception"
