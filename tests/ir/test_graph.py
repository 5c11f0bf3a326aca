"""The trace graph: its edges, the questions passes ask, and schedules that mean the same."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatracer.ir.evaluator import observable, run
from metatracer.ir.graph import (
    dead_operations,
    exit_only_operations,
    loop_invariants,
    operations,
    schedule,
    trace_graph,
)
from metatracer.ir.text import Printer, parse_trace
from metatracer.ir.values import Operation, Trace
from metatracer.ir.verifier import verify
from tests.ir.strategies import NAMESPACE, Case, cases, leave_at_attention


def parse(text: str) -> Trace:
    trace = parse_trace(text, dict(NAMESPACE))
    verify(trace)
    return trace


def edges(trace: Trace) -> set[tuple[str, str, str]]:
    """Edges as (source, target, kind), operations by name and position, inputs and parameters by their text."""
    printer = Printer(trace)
    graph = trace_graph(trace)

    def name(node: Any) -> str:
        if isinstance(node, Operation):
            return f"{node.opcode.name}{graph.nodes[node]['position']}"
        return printer.value(node)

    return {(name(source), name(target), edge["kind"]) for source, target, edge in graph.edges(data=True)}


def names(found: list[Operation]) -> list[str]:
    return [op.opcode.name for op in found]


def test_data_and_snapshot_edges() -> None:
    trace = parse(
        "trace t(r0)\n i1 = int_unbox(r0) -> [r0]\n b2 = int_lt(i1, 5)\n guard_true(b2) -> [r0, i1]\n finish(r0)"
    )
    found = edges(trace)
    assert {
        ("r0", "int_unbox0", "data"),
        ("int_unbox0", "int_lt1", "data"),
        ("int_lt1", "guard_true2", "data"),
    } <= found
    assert {("r0", "guard_true2", "snapshot"), ("int_unbox0", "guard_true2", "snapshot")} <= found
    assert ("r0", "finish3", "data") in found


def test_values_inside_virtuals_and_delayed_stores_are_needed_at_the_exit() -> None:
    trace = parse(
        "trace t(r0, i1, i2)\n"
        " guard_no_attention() -> [virtual list[i1] ; setfield(r0, i2) {W_Int.value}]\n finish(None)"
    )
    assert {(name, "guard_no_attention0", "snapshot") for name in ("r0", "i1", "i2")} <= edges(trace)


def test_effect_edges_keep_reads_and_writes_of_one_place_apart() -> None:
    trace = parse(
        """trace t(r0, r1)
        r2 = getfield(r0) {W_Node.value}
        r3 = getfield(r1) {W_Node.value}
        setfield(r0, r3) {W_Node.value}
        r4 = getfield(r1) {W_Node.value}
        r5 = getfield(r1) {W_Node.next}
        finish(r4)"""
    )
    effect = {(source, target) for source, target, kind in edges(trace) if kind == "effect"}
    # r3 is data of the store as well, and data goes first
    assert effect == {("getfield0", "setfield2"), ("setfield2", "getfield3")}


def test_calls_touch_everything() -> None:
    trace = parse(
        """trace t(r0, r1)
        r2 = getfield(r0) {W_Node.value}
        i3 = list_len(r1)
        r4 = call(bump, r0)
        guard_no_exception(r4) -> []
        i5 = list_len(r1)
        r6 = getfield(r0) {W_Node.next}
        finish(r6)"""
    )
    found = edges(trace)
    assert {
        ("getfield0", "call2", "effect"),
        ("list_len1", "call2", "effect"),
        ("call2", "list_len4", "effect"),
        ("call2", "getfield5", "effect"),
    } <= found


def test_reads_of_all_places_are_kept_apart_from_each_write() -> None:
    trace = parse(
        """trace t(r0, r1)
        setfield(r0, r1) {W_Node.value}
        setfield(r0, r1) {W_Node.next}
        r2 = call_c_r(r0) {builtin_iter}
        guard_no_exception(r2) -> []
        setfield(r0, r2) {W_Node.next}
        finish(r2)"""
    )
    found = {(source, target) for source, target, kind in edges(trace) if kind in ("effect", "data")}
    assert {("setfield0", "call_c_r2"), ("setfield1", "call_c_r2"), ("call_c_r2", "setfield4")} <= found


def test_guards_hold_side_effects_in_place() -> None:
    trace = parse(
        """trace t(r0, b1, b2)
        guard_true(b1) -> []
        list_append(r0, None)
        guard_true(b2) -> []
        list_append(r0, None)
        i3 = int_add(1, 2)
        finish(r0)"""
    )
    found = edges(trace)
    assert {
        ("guard_true0", "list_append1", "guard"),
        ("list_append1", "guard_true2", "guard"),
        ("guard_true0", "guard_true2", "guard"),
        ("guard_true2", "list_append3", "guard"),
    } <= found
    assert not [edge for edge in found if edge[0] == "guard_true2" and edge[1] == "int_add4"]


@pytest.mark.parametrize(
    "line", ["r2 = getfield(r0) {W_Int.value}", "i2 = int_mod(7, i1)", "r2 = tuple_getitem(r0, 0)"]
)
def test_what_relies_on_a_guard_stays_behind_it(line: str) -> None:
    trace = parse(f"trace t(r0, i1)\n guard_type(r0) {{W_Int}} -> []\n {line}\n finish(r0)")
    graph = trace_graph(trace)
    assert graph.edges[trace.operations[0], trace.operations[1]]["kind"] == "guard"


def test_nothing_crosses_the_label_or_the_end() -> None:
    trace = parse(
        """trace t(r0)
        i1 = int_add(1, 2)
        label(r2 = r0)
        i3 = int_add(1, 2)
        jump(r2)"""
    )
    found = edges(trace)
    assert {("int_add0", "label1", "guard"), ("label1", "int_add2", "guard"), ("int_add2", "jump3", "guard")} <= found
    assert ("label1", "r2", "data") in found
    bare = parse("trace t()\n label()\n i3 = int_add(1, 2)\n jump()")
    assert ("label0", "int_add1", "guard") in edges(bare)


def test_dead_operations() -> None:
    trace = parse(
        """trace t(r0)
        i1 = int_unbox(r0) -> [r0]
        i2 = int_add(i1, 1)
        i3 = int_mul(i2, i2)
        r4 = new() {W_Int}
        i5 = int_neg(i1)
        r6 = getfield(r0) {W_Int.value}
        f7 = call_c_f(1.0) {float_sin}
        r8 = call_c_r(r0, r0) {dict_getitem}
        guard_no_exception(r8) -> [i5]
        finish(r0)"""
    )
    assert names(dead_operations(trace_graph(trace))) == ["int_add", "int_mul", "new", "getfield", "call_c_f"]


def test_operations_that_only_exits_need() -> None:
    trace = parse(
        """trace t(r0, i1)
        i2 = int_add(i1, 1)
        r3 = int_box(i2)
        i4 = int_neg(i1)
        guard_no_attention() -> [r3, i4]
        b5 = int_lt(i4, 0)
        guard_true(b5) -> []
        finish(r0)"""
    )
    assert names(exit_only_operations(trace_graph(trace))) == ["int_add", "int_box"]


INVARIANTS = """trace t(r0, r1, i2)
  label(r3 = r0, r4 = r1, i5 = i2, i6 = i2)
  guard_type(r3) {W_Node} -> []
  r7 = getfield(r3) {W_Node.value}
  r8 = getfield(r3) {W_Node.next}
  setfield(r4, r7) {W_Node.next}
  i9 = int_mul(i5, i5)
  i10 = int_add_ovf(i9, 1) -> []
  i11 = int_neg(i10)
  i12 = int_add(i6, i11)
  r13 = int_box(i11)
  r14 = new() {W_Int}
  r15 = call_c_r('a', 'b') {str_concat}
  guard_no_exception(r15) -> []
  i16 = str_len(r15)
  r17 = call_c_r() {new_dict}
  guard_no_exception(r17) -> []
  f18 = call_c_f(0.5) {float_sin}
  i19 = list_len(r8)
  jump(r3, r4, i5, i12)"""


def test_loop_invariants() -> None:
    trace = parse(INVARIANTS)
    found = loop_invariants(trace_graph(trace), trace)
    shown = [Printer(trace, snapshots=False).line(op).split(" = ")[0] for op in found]
    # r7: the loop writes another field. r8 may be written. i10 and r15 are guards' and raising calls' results.
    assert shown == ["r7", "i9", "i11", "r13", "i16", "f18"]


def test_calls_make_reads_variant() -> None:
    text = INVARIANTS.replace("  r14 =", "  r20 = call(bump, r3)\n  guard_no_exception(r20) -> []\n  r14 =")
    trace = parse(text)
    found = loop_invariants(trace_graph(trace), trace)
    assert "getfield" not in names(found)
    assert "int_mul" in names(found)


def test_a_trace_that_leaves_its_loop_has_no_invariant_parameters() -> None:
    trace = parse("trace t(i0)\n label(i1 = i0)\n i2 = int_neg(i1)\n i3 = int_neg(5)\n jump(i2) {other}")
    found = loop_invariants(trace_graph(trace), trace)
    assert [op.args[0] for op in found] == [trace.operations[2].args[0]]
    assert loop_invariants(trace_graph(bare := parse("trace t(i0)\n jump(i0)")), bare) == []


@settings(max_examples=60, deadline=None)
@given(cases(virtuals=True))
def test_the_graph_is_acyclic_and_follows_the_trace(case: Case) -> None:
    graph = trace_graph(case.trace)
    assert nx.is_directed_acyclic_graph(graph)
    for source, target in graph.edges:
        assert graph.nodes[source]["position"] <= graph.nodes[target]["position"]
    assert operations(graph) == case.trace.operations
    assert schedule(graph) == case.trace.operations


@settings(max_examples=60, deadline=None)
@given(cases(virtuals=True), st.integers(0, 1 << 30))
def test_any_schedule_means_the_same(case: Case, seed: int) -> None:
    shuffle = random.Random(seed)
    weights = {op: shuffle.random() for op in case.trace.operations}
    other = Trace(case.trace.inputs, schedule(trace_graph(case.trace), weights.__getitem__))
    assert sorted(map(id, other.operations)) == sorted(map(id, case.trace.operations))
    verify(other)
    for k in (1, 3):
        one, two = case.make_args(), case.make_args()
        first = run(case.trace, one, max_iterations=4, force_exit=leave_at_attention(k))
        second = run(other, two, max_iterations=4, force_exit=leave_at_attention(k))
        assert observable(first, one) == observable(second, two)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_a_trace_without_its_dead_operations_means_the_same(case: Case) -> None:
    graph = trace_graph(case.trace)
    graph.remove_nodes_from(dead_operations(graph))
    other = verify(Trace(case.trace.inputs, schedule(graph)))
    one, two = case.make_args(), case.make_args()
    first = run(case.trace, one, max_iterations=4)
    second = run(other, two, max_iterations=4)
    assert observable(first, one) == observable(second, two)


def test_the_number_of_edges_is_linear() -> None:
    def edges_of(count: int) -> int:
        lines = ["trace t(r0, r1)"]
        for number in range(count):
            lines.append(f"r{3 * number + 2} = getfield(r0) {{W_Node.value}}")
            lines.append(f"i{3 * number + 3} = list_len(r1)")
            lines.append(f"setfield(r0, r{3 * number + 2}) {{W_Node.next}}")
            if number % 7 == 0:
                lines.append("list_append(r1, None)")
                lines.append("guard_no_attention() -> [r0, r1]")
        return trace_graph(parse("\n".join([*lines, "finish(r0)"]))).number_of_edges()

    assert edges_of(400) < 2.2 * edges_of(200)


def test_importing_the_graph_module_does_not_import_networkx() -> None:
    code = "import sys, metatracer.ir.graph; sys.exit('networkx' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=root).returncode == 0
