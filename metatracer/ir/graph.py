"""The trace as a graph, for passes that are graph problems.

Nodes are the operations, the inputs and the label's parameters (constants are not nodes); each has its `position` in
the trace. An edge u -> v says that u comes before v; its `kind` says why, the first that applies of:

- "data": v takes u as an argument (and a label's parameters come from the label);
- "snapshot": u's value is handed over when guard v exits;
- "effect": u and v touch the same memory and one of them writes (two reads are free);
- "guard": order around exits and the loop header. Guards keep their order; what has a side effect stays between the
  guards it stands between; what may only be executed because a guard held (any access to an object, divisions, shifts)
  stays behind the guards before it; nothing crosses the label or the end.

Any order that the edges allow is a valid trace with the same meaning (`schedule`). The number of edges is linear in
the trace (an amortized constant per operation, plus its live values per guard).

networkx takes 0.2 s to import, so it is imported when the first graph is built.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metatracer.ir.effects import can_raise, effects, has_side_effect
from metatracer.ir.opcodes import Effect
from metatracer.ir.snapshots import live_values
from metatracer.ir.values import CFunction, Const, Field, Input, Operation, Trace, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import networkx as nx

    TraceGraph = nx.DiGraph[Value]

# Pure operations on unboxed values that are only defined for some of them: a guard before has made sure.
_PARTIAL = frozenset(
    ["int_lshift", "int_rshift", "uint_rshift", "int_floordiv", "int_mod", "uint_floordiv", "uint_mod", "str_chr"]
)
_FLAGS = tuple(Effect)
_EXCEPTION_GUARDS = frozenset(["guard_no_exception", "guard_exception"])
_ENDS = frozenset(["jump", "finish", "finish_raise", "finish_parts"])


def is_speculable(op: Operation) -> bool:
    """Whether the operation is harmless on any arguments of the right kinds, so that no guard need hold before."""
    opcode = op.opcode
    if not opcode.is_pure or opcode.is_guard or opcode.name in _PARTIAL:
        return False
    return "r" not in opcode.args or opcode.name.startswith("ptr_")


@dataclass(slots=True)
class _Memory:
    """Who touched one kind of memory last.

    Places within it (fields) never overlap; an access without a place touches them all.
    """

    everything: Operation | None = None  # last writer of all places
    writers: dict[Any, Operation] = field(default_factory=dict)
    readers: dict[Any, list[Operation]] = field(default_factory=dict)

    def read(self, op: Operation, place: Any) -> Iterable[Operation]:
        """Record a read; gives what comes before it."""
        self.readers.setdefault(place, []).append(op)
        before: list[Operation] = [] if self.everything is None else [self.everything]
        if place is None:
            before.extend(self.writers.values())
        elif place in self.writers:
            before.append(self.writers[place])
        return before

    def write(self, op: Operation, place: Any) -> Iterable[Operation]:
        """Record a write; gives what comes before it."""
        before: list[Operation] = [] if self.everything is None else [self.everything]
        if place is None:
            before.extend(self.writers.values())
            for readers in self.readers.values():
                before.extend(readers)
            self.everything = op
            self.writers.clear()
            self.readers.clear()
            return before
        if place in self.writers:
            before.append(self.writers[place])
        before.extend(self.readers.pop(place, ()))
        # Readers of all places stay: a write to another place must come behind them too.
        before.extend(self.readers.get(None, ()))
        self.writers[place] = op
        return before


def _place(op: Operation) -> Any:
    """What an operation touches of its memory: a field, "cell", or None for possibly all of it."""
    if isinstance(op.descr, Field):
        return op.descr
    return "cell" if op.opcode.name in ("cell_get", "cell_set") else None


class _Builder:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.data: list[tuple[Value, Value]] = []
        self.exits: list[tuple[Value, Value]] = []
        self.memory: list[tuple[Value, Value]] = []
        self.order: list[tuple[Value, Value]] = []
        self.memories = {flag: _Memory() for flag in _FLAGS}
        self.guard: Operation | None = None  # the last guard or label
        self.since_guard: list[Operation] = []  # side effects since then
        self.section: list[Value] = []  # operations since the label (or the start)
        self.label: Operation | None = None

    def build(self) -> TraceGraph:
        import networkx as nx

        graph: TraceGraph = nx.DiGraph()
        for value in self.trace.inputs:
            graph.add_node(value, position=-1)
        for position, op in enumerate(self.trace.operations):
            graph.add_node(op, position=position)
            for param in op.params:
                graph.add_node(param, position=position)
            self.operation(op)
        # Later edges overwrite the kind of earlier ones between the same nodes.
        graph.add_edges_from(self.order, kind="guard")
        graph.add_edges_from(self.memory, kind="effect")
        graph.add_edges_from(self.exits, kind="snapshot")
        graph.add_edges_from(self.data, kind="data")
        return graph

    def operation(self, op: Operation) -> None:
        opcode = op.opcode
        has_source = False
        for arg in op.args:
            if not isinstance(arg, Const):
                self.data.append((arg, op))
                has_source = True
        reads, writes = effects(op)
        if reads or writes:
            self.accesses(op, reads, writes)
        if opcode.name == "label" or opcode.name in _ENDS:
            self.barrier(op)
        elif opcode.is_guard:
            self.exit(op)
        elif opcode.has_side_effect or writes:
            self.behind_guard(op)
            self.since_guard.append(op)
        elif not is_speculable(op):
            self.behind_guard(op)
        elif not has_source and self.label is not None:
            self.order.append((self.label, op))
        self.section.append(op)

    def behind_guard(self, op: Operation) -> None:
        if self.guard is not None:
            self.order.append((self.guard, op))

    def accesses(self, op: Operation, reads: Effect, writes: Effect) -> None:
        place = _place(op)
        before: list[Operation] = []
        for flag, memory in self.memories.items():
            if flag in writes:
                before.extend(memory.write(op, place))
            elif flag in reads:
                before.extend(memory.read(op, place))
        self.memory.extend((other, op) for other in before)

    def exit(self, op: Operation) -> None:
        """A guard: side effects before it are done at its exit, those behind it are not."""
        self.behind_guard(op)
        self.order.extend((other, op) for other in self.since_guard)
        self.since_guard.clear()
        self.guard = op
        snapshot = op.snapshot
        if snapshot is not None:
            self.exits.extend((value, op) for value in live_values(snapshot))

    def barrier(self, op: Operation) -> None:
        """The label or the end: all before it stays before it."""
        self.order.extend((other, op) for other in self.section)
        self.section.clear()
        self.since_guard.clear()
        self.behind_guard(op)
        self.guard = op
        if op.opcode.name == "label":
            self.label = op
            self.data.extend((op, param) for param in op.params)


def trace_graph(trace: Trace) -> TraceGraph:
    """Build the graph of a valid trace; about 10 us an operation."""
    return _Builder(trace).build()


# --- questions --------------------------------------------------------------------------------------------------------


def operations(graph: TraceGraph) -> list[Operation]:
    """The graph's operations, in the order of the trace."""
    positions = graph.nodes
    found = [node for node in graph if isinstance(node, Operation)]
    return sorted(found, key=lambda op: int(positions[op]["position"]))


def _ancestors(graph: TraceGraph, roots: Iterable[Value], kinds: frozenset[str]) -> set[Value]:
    """The roots and everything they depend on through edges of these kinds."""
    found = set(roots)
    stack = list(found)
    while stack:
        for source, edge in graph.pred[stack.pop()].items():
            if edge["kind"] in kinds and source not in found:
                found.add(source)
                stack.append(source)
    return found


def dead_operations(graph: TraceGraph) -> list[Operation]:
    """Operations without side effect whose result no side effect, guard, exit or loop needs; in trace order."""
    roots = [node for node in graph if isinstance(node, Operation) and has_side_effect(node)]
    alive = _ancestors(graph, roots, frozenset(["data", "snapshot"]))
    return [op for op in operations(graph) if op not in alive]


def exit_only_operations(graph: TraceGraph) -> list[Operation]:
    """Operations that are needed, but at exits alone: candidates for being sunk into them; in trace order."""
    roots = [node for node in graph if isinstance(node, Operation) and has_side_effect(node)]
    on_path = _ancestors(graph, roots, frozenset(["data"]))
    needed = _ancestors(graph, roots, frozenset(["data", "snapshot"]))
    return [op for op in operations(graph) if op in needed and op not in on_path]


def loop_invariants(graph: TraceGraph, trace: Trace) -> list[Operation]:
    """Operations of the loop body that give the same in every iteration; in trace order.

    Variant is what is reachable by data from a parameter that the jump changes, from a side effect, a fresh object, or
    a read of memory that the loop writes. Guards, and calls that have a guard behind them, are never in the answer, but
    their results may be invariant. An operation that relies on a guard may be executed before the label only where
    that guard has held, as it has in a peeled first iteration.
    """
    label = trace.label
    if label is None:
        return []
    body = trace.operations[trace.operations.index(label) + 1 :]
    end = body[-1]
    is_closed = end.opcode.name == "jump" and end.descr is None
    varying: list[Value] = [
        param for number, param in enumerate(label.params) if not (is_closed and end.args[number] is param)
    ]
    written: dict[Effect, set[Any]] = {}
    for op in body:
        for flag in effects(op)[1]:
            written.setdefault(flag, set()).add(_place(op))
    varying += [op for op in body if _varies_by_itself(op, written)]
    variant = set(varying)
    stack = list(varying)
    while stack:
        for target, edge in graph.succ[stack.pop()].items():
            if edge["kind"] == "data" and target not in variant:
                variant.add(target)
                stack.append(target)
    return [op for op in body if op not in variant and op.kind and not op.opcode.is_guard and not can_raise(op)]


def _varies_by_itself(op: Operation, written: dict[Effect, set[Any]]) -> bool:
    """Whether the operation may give something else next time on the same arguments."""
    if op.opcode.is_pure or op.opcode.is_control:
        return False
    if isinstance(op.descr, CFunction) and op.kind == "r":
        return not op.descr.pure  # what it gives may be a fresh object
    reads, writes = effects(op)
    if writes or op.opcode.allocates:
        return True
    place = _place(op)
    for flag in reads:
        places = written.get(flag)
        if places and (place is None or place in places or None in places):
            return True
    return False


def schedule(graph: TraceGraph, key: Callable[[Operation], Any] | None = None) -> list[Operation]:
    """The graph's operations in an order that its edges allow, the smallest `key` first where there is a choice.

    An operation that may raise keeps its exception guard right behind it. With the default key (the position in the
    trace) an unchanged graph gives the trace's own order.

    Args:
        graph: May have lost nodes (dead operations) or edges since it was built. Not changed.
        key: Must give values that compare with each other.
    """
    import networkx as nx

    positions = graph.nodes
    after: list[tuple[Value, Value]] = []
    guards: dict[Value, Value] = {}
    for node in graph:
        if isinstance(node, Operation) and node.opcode.name in _EXCEPTION_GUARDS and node.args:
            call = node.args[0]
            if call in graph:
                guards[node] = call
                after.extend((source, call) for source in graph.pred[node] if source is not call)
    if after:
        graph = graph.copy()
        graph.add_edges_from(after, kind="guard")

    def rank(node: Value) -> Any:
        if isinstance(node, Input) or node in guards:
            return (0, positions[node]["position"], 0)  # ready: at once
        position = positions[node]["position"]
        return (1, position if key is None else key(node), position)  # type: ignore[arg-type]

    order = nx.lexicographical_topological_sort(graph, key=rank)
    return [node for node in order if isinstance(node, Operation)]
