"""Dead operations: what has no effect and is an ancestor of nothing that has one.

The trace is a graph whose edges lead from a value to what uses it (arguments, snapshots, and from a jump's argument to
the label's parameter it becomes). What is alive are the ancestors of the operations with effects. A parameter that only
feeds itself is dead, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir.opcodes import JUMP, LABEL
from metatracer.ir.snapshots import live_values
from metatracer.ir.values import Operation, Trace, Value

if TYPE_CHECKING:
    from metatracer.ir.values import Input, Snapshot


def _is_needed(op: Operation) -> bool:
    opcode = op.opcode
    if opcode.has_side_effect or opcode.can_raise:
        return True
    return opcode.descr == "cfunction" and not (op.descr.pure and op.descr.error == "never")


def build_graph(trace: Trace) -> tuple[Any, list[Any]]:
    """The use graph (a `networkx.DiGraph`: edges from value to user) and its roots."""
    import networkx as nx

    edges: list[tuple[Any, Any]] = []
    roots: list[Any] = []
    params: tuple[Input, ...] = ()
    snapshots: dict[int, Snapshot] = {}
    for op in trace.operations:
        if op.opcode is LABEL:
            params = op.params
            edges.extend(zip(op.args, params, strict=True))
            continue
        if op.opcode is JUMP and op.descr is None and params:
            edges.extend(zip(op.args, params, strict=True))
            continue
        edges.extend([(arg, op) for arg in op.args])
        snapshot = op.snapshot
        if snapshot is not None:
            if id(snapshot) not in snapshots:  # shared by the guards of an instruction
                snapshots[id(snapshot)] = snapshot
                edges.extend([(value, snapshot_node(snapshot)) for value in live_values(snapshot)])
            edges.append((snapshot_node(snapshot), op))
        if _is_needed(op):
            roots.append(op)
    graph: Any = nx.DiGraph()
    graph.add_nodes_from(roots)
    graph.add_edges_from(edges)
    return graph, roots


def snapshot_node(snapshot: Snapshot) -> tuple[str, int]:
    """The node that stands for a snapshot."""
    return ("snapshot", id(snapshot))


def remove_dead_operations(trace: Trace) -> Trace:
    """Drop dead operations and dead loop parameters."""
    graph, roots = build_graph(trace)
    alive = set(roots)
    frontier = list(roots)
    predecessors = graph.pred
    while frontier:
        for node in predecessors[frontier.pop()]:
            if node not in alive:
                alive.add(node)
                frontier.append(node)
    operations: list[Operation] = []
    kept: list[int] | None = None
    for op in trace.operations:
        if op.opcode is LABEL:
            kept = [number for number, param in enumerate(op.params) if param in alive]
            args: tuple[Value, ...] = tuple([op.args[number] for number in kept])
            op = Operation(LABEL, args, None, None, tuple([op.params[number] for number in kept]))
        elif op.opcode is JUMP and op.descr is None and kept is not None:
            op = Operation(JUMP, tuple([op.args[number] for number in kept]))
        elif op not in alive:
            continue
        operations.append(op)
    return Trace(trace.inputs, operations, trace.assumptions, trace.name, trace.entry, trace.repeats)
