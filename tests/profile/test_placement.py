"""One counter per header and one per bridge are enough, and as few as can be; `runtime.flow` derives the rest.

The flow of a trace tree is a graph: passes go from the header through code to exits, from exits into bridges or out to the
interpreter, and back to the header. What goes into a node comes out of it, so counts of the edges outside a spanning tree
determine all others (Knuth and Stevenson, "Optimal measurement points for program frequency counts"); a maximum spanning tree
of the frequencies leaves the rarest edges to be counted.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from metatracer.runtime.flow import Flow

Edge = tuple[str, str, str]


class Node:
    """A piece of code: an exit is a node below it, or None where the interpreter goes on."""

    def __init__(self, exits: list[Any]) -> None:
        self.exits = exits


nodes = st.recursive(
    st.builds(Node, st.just([])),
    lambda below: st.builds(Node, st.lists(st.one_of(st.none(), below), max_size=3)),
    max_leaves=8,
)


def run(root: Node, choices: list[int]) -> tuple[dict[Edge, int], dict[int, int]]:
    """Send passes through a tree; how often each edge was taken, and each exit (by number)."""
    numbers: dict[tuple[int, int], int] = {}
    edges: dict[Edge, int] = {}
    taken: dict[int, int] = {}

    def walk(node: Node, name: str) -> None:
        edges.setdefault((name, "header", "end"), 0)
        for place, below in enumerate(node.exits):
            number = numbers[id(node), place] = len(numbers) + 1
            taken[number] = 0
            edges[name, f"{name}.{place}", "exit"] = 0
            if below is None:
                edges[f"{name}.{place}", "header", "interpreter"] = 0
            else:
                walk(below, f"{name}.{place}")

    walk(root, "root")
    edges["header", "root", "pass"] = 0
    for choice in choices:
        node, name = root, "root"
        edges["header", "root", "pass"] += 1
        while True:
            place = choice % (len(node.exits) + 1)
            choice //= len(node.exits) + 1
            if place == len(node.exits):
                edges[name, "header", "end"] += 1
                break
            taken[numbers[id(node), place]] += 1
            edges[name, f"{name}.{place}", "exit"] += 1
            below = node.exits[place]
            name = f"{name}.{place}"
            if below is None:
                edges[name, "header", "interpreter"] += 1
                break
            node = below
    return edges, taken


def derive(edges: dict[Edge, int], counted: set[Edge]) -> dict[Edge, int]:
    """All counts from those of the counted edges: whatever is the only unknown edge of a node follows."""
    known = {edge: edges[edge] for edge in counted}
    found = True
    while found:
        found = False
        for node in {end for edge in edges for end in edge[:2]}:
            unknown = [edge for edge in edges if edge not in known and node in edge[:2]]
            if len(unknown) == 1:
                (edge,) = unknown
                balance = sum(count for other, count in known.items() if other[1] == node)
                balance -= sum(count for other, count in known.items() if other[0] == node)
                known[edge] = balance if edge[0] == node else -balance
                found = True
    return known


def placed(edges: dict[Edge, int]) -> set[Edge]:
    """The edges outside a maximum spanning tree."""
    graph = nx.MultiGraph()
    for (source, target, kind), count in edges.items():
        graph.add_edge(source, target, key=kind, weight=count)
    tree = nx.maximum_spanning_edges(graph, keys=True, data=False)
    inside = {(frozenset(edge[:2]), edge[2]) for edge in tree}
    return {edge for edge in edges if (frozenset(edge[:2]), edge[2]) not in inside}


choices = st.lists(st.integers(0, 10_000), max_size=40)


@settings(max_examples=40, deadline=None)
@given(nodes, choices)
def test_counts_outside_a_maximum_spanning_tree_determine_all(root: Node, chosen: list[int]) -> None:
    edges, _ = run(root, chosen)
    assert derive(edges, placed(edges)) == edges


@settings(max_examples=40, deadline=None)
@given(nodes, choices)
def test_headers_and_exits_determine_all_and_are_as_few(root: Node, chosen: list[int]) -> None:
    """An exit is counted by the bridge it goes to, or by the runtime it goes to."""
    edges, _ = run(root, chosen)
    counted = {edge for edge in edges if edge[2] in ("pass", "exit")}
    assert derive(edges, counted) == edges
    assert len(counted) == len(placed(edges))


@settings(max_examples=40, deadline=None)
@given(nodes, choices)
def test_flow_derives_the_ways(root: Node, chosen: list[int]) -> None:
    edges, taken = run(root, chosen)
    numbers = iter(range(1, len(taken) + 1))

    def piece(node: Node, entries: int) -> Any:
        guards: dict[int, Any] = {}
        made = SimpleNamespace(guards=guards, passes=entries, code=SimpleNamespace(is_freed=False))
        for below in node.exits:
            number = next(numbers)
            guard = guards[number] = SimpleNamespace(
                failures=0, bridge=None, refused=False, operation=SimpleNamespace(snapshot=None)
            )
            if below is None:
                guard.failures = taken[number]
            else:
                guard.bridge = piece(below, taken[number])
        return made

    tree = piece(root, len(chosen))
    ways = Flow().ways(tree, len(chosen), deep=True)
    assert sum(way.count for way in ways) == len(chosen)
    ends = [count for edge, count in edges.items() if edge[2] in ("end", "interpreter")]
    assert sorted(way.count for way in ways if way.count) == sorted(count for count in ends if count)


def guard_at(place: int, descr: int, failures: int = 0, bridge: Any = None) -> Any:
    snapshot = SimpleNamespace(frames=(SimpleNamespace(context=(), index=place),))
    operation = SimpleNamespace(snapshot=snapshot, opcode=None, descr=descr)
    return SimpleNamespace(failures=failures, bridge=bridge, refused=False, operation=operation)


def test_the_same_guard_in_front_of_a_label_and_behind_it_leaves_on_one_way() -> None:
    def bridge(passes: int, guards: dict[int, Any]) -> Any:
        return SimpleNamespace(guards=guards, passes=passes, code=SimpleNamespace(is_freed=False))

    first, second = bridge(0, {3: guard_at(9, 1)}), bridge(300, {4: guard_at(9, 1, failures=100)})
    guards = {1: guard_at(5, 0, bridge=first), 2: guard_at(5, 0, bridge=second), 5: guard_at(5, 7, failures=20)}
    root = SimpleNamespace(guards=guards)
    flow = Flow()
    counts = {way.exits: way.count for way in flow.ways(root, 1000, deep=True)}
    assert counts == {(): 680, (2,): 200, (2, 4): 100, (5,): 20}
    first.passes += 400
    first.guards[3].failures += 100
    counts = {way.exits: way.count for way in flow.ways(root, 1000, deep=True)}
    assert counts == {(): 600, (2,): 300, (2, 4): 100}
