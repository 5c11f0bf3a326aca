"""Traces that arrive at a loop that has been peeled, and enter it at its label."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metatracer.ir.evaluator import observable, run
from metatracer.ir.opcodes import GUARD_NO_ATTENTION
from metatracer.ir.text import parse_trace
from metatracer.ir.values import FrameState, LabelRef, LoopRef, Operation, Snapshot, Trace
from metatracer.ir.verifier import verify
from metatracer.optimizer.pipeline import PASSES, optimize
from tests.ir.strategies import leave_at_attention
from tests.optimizer.guest import Guest, guests
from tests.optimizer.text import NAMESPACE, names, optimized

# Guards that two lists are different return to an earlier snapshot, which in these traces is not where the guest stands.
COMPARABLE = frozenset(PASSES) - {"alias"}

COUNTING = """t(r0: int, r1: int)
 guard_no_attention() -> [r0, r1]
 guard_type(r0) {int} -> [r0, r1]
 guard_type(r1) {int} -> [r0, r1]
 i2 = int_unbox(r0) -> [r0, r1]
 i3 = int_unbox(r1) -> [r0, r1]
 b4 = int_lt(i2, i3)
 guard_true(b4) -> [r0, r1]
 i5 = int_add_ovf(i2, 1) -> [r0, r1]
 r6 = int_box(i5)
 jump(r6, r1)"""

SUM_IN_A_PAIR = """t(r0, r1)
 guard_no_attention() -> [r0, r1]
 guard_type(r0) {W_Pair} -> [r0, r1]
 guard_type(r1) {int} -> [r0, r1]
 r2 = getfield(r0) {W_Pair.left}
 guard_type(r2) {int} -> [r0, r1]
 i3 = int_unbox(r2) -> [r0, r1]
 i4 = int_unbox(r1) -> [r0, r1]
 i5 = int_add_ovf(i3, i4) -> [r0, r1]
 r6 = int_box(i5)
 r7 = new() {W_Pair}
 setfield(r7, r6) {W_Pair.left}
 i8 = int_sub_ovf(i4, 1) -> [r0, r1]
 b9 = int_lt(i8, 0)
 guard_false(b9) -> [r7, r1]
 r10 = int_box(i8)
 jump(r7, r10)"""


def loop(text: str) -> LoopRef:
    return with_label(optimized(text))


def with_label(trace: Trace) -> LoopRef:
    """The optimized loop behind a name, as the runtime puts it in place."""
    verify(trace)
    label = trace.label
    assert label is not None
    name = LoopRef("target", token=trace)
    if trace.entry is not None:
        name.label = LabelRef("target_label", label.params, entry=trace.entry)
    return name


def bridge(text: str, target: LoopRef, **options: Any) -> Trace:
    trace = optimize(parse_trace("trace " + text + "\n", {**NAMESPACE, "target": target}), passes=PASSES, **options)
    verify(trace)
    return trace


def test_numbers_are_handed_over_unboxed() -> None:
    trace = bridge(
        "b(i0, r1: int)\n guard_no_attention() -> [r1]\n r2 = int_box(i0)\n jump(r2, r1) {target}", loop(COUNTING)
    )
    # What the loop knows of the ranges of its numbers must hold here, too.
    assert set(names(trace.operations)) == {"guard_no_attention", "int_unbox", "int_le", "guard_true", "jump"}
    assert isinstance(trace.operations[-1].descr, LabelRef)


def test_unknown_classes_are_checked() -> None:
    trace = bridge("b(r0, r1)\n guard_no_attention() -> [r0, r1]\n jump(r0, r1) {target}", loop(COUNTING))
    assert isinstance(trace.operations[-1].descr, LabelRef)
    done = names(trace.operations)
    assert done.count("guard_type") == done.count("int_unbox") == 2
    check = next(op for op in trace.operations if op.opcode.name == "guard_type")
    assert check.snapshot is not None
    assert list(check.snapshot.frames[0].locals) == list(trace.inputs)


def test_wrong_class_goes_to_the_entry() -> None:
    trace = bridge(
        "b(f0, r1: int)\n guard_no_attention() -> [r1]\n r2 = float_box(f0)\n jump(r2, r1) {target}", loop(COUNTING)
    )
    assert isinstance(trace.operations[-1].descr, LoopRef)
    assert names(trace.operations) == ["guard_no_attention", "float_box", "jump"]


def test_virtual_object_stays_virtual() -> None:
    target = loop(SUM_IN_A_PAIR)
    trace = bridge(
        """b(i0, r1: int)
 guard_no_attention() -> [r1]
 r2 = int_box(i0)
 r3 = new() {W_Pair}
 setfield(r3, r2) {W_Pair.left}
 jump(r3, r1) {target}""",
        target,
    )
    assert not trace.repeats
    assert "new" not in names(trace.operations)
    assert isinstance(trace.operations[-1].descr, LabelRef)


def test_real_object_is_replaced_by_an_iteration() -> None:
    target = loop(SUM_IN_A_PAIR)
    text = "b(r0: W_Pair, r1: int)\n guard_no_attention() -> [r1]\n jump(r0, r1) {target}"
    trace = bridge(text, target)
    assert trace.repeats
    assert names(trace.operations).count("int_add_ovf") == 2
    assert isinstance(trace.operations[-1].descr, LabelRef)
    assert isinstance(bridge(text, target, repeat=False).operations[-1].descr, LoopRef)


def test_trace_that_checks_nothing_goes_to_the_entry() -> None:
    # Else the bridge of a check made for the label would make the same check again.
    trace = bridge("b(r0, r1)\n jump(r0, r1) {target}", loop(COUNTING))
    assert isinstance(trace.operations[-1].descr, LoopRef)


def test_assumptions_of_the_loop_are_those_of_the_bridge() -> None:
    recorded = parse_trace("trace " + COUNTING + "\n", dict(NAMESPACE))
    recorded.assumptions.append("one")
    target = with_label(optimize(recorded, passes=PASSES))
    other = parse_trace(
        "trace b(r0, r1)\n guard_no_attention() -> [r0, r1]\n jump(r0, r1) {target}\n", {**NAMESPACE, "target": target}
    )
    other.assumptions.append("other")
    assert optimize(other, passes=PASSES).assumptions == ["other", "one"]


# --- random loops -----------------------------------------------------------------------------------------------------

AT_HEADER = 77
"""Stands for the merge point in snapshots."""


def mark_header(trace: Trace) -> None:
    """Let the snapshot at the loop's header tell where it is."""
    for op in trace.operations:
        if op.opcode is GUARD_NO_ATTENTION:
            assert op.snapshot is not None
            frame = op.snapshot.frames[0]
            op.snapshot = Snapshot((FrameState(None, None, AT_HEADER, -1, frame.numbers, frame.locals, ()),))


def follow(
    start: Trace, loops: dict[Any, Trace], plain: dict[Any, Trace], raw: Trace, args: list[Any], leave: int
) -> Any:
    """Run until the guest leaves; an exit at the header that nobody forced goes on in the interpreter: the plain loop."""
    roots = list(args)
    force = leave_at_attention(leave)
    leaving = run(start, args, loops=loops, force_exit=force, max_iterations=50)
    if leaving.kind == "guard" and leaving.operation.opcode is not GUARD_NO_ATTENTION:
        frame = leaving.frames()[0]
        if frame.index == AT_HEADER:
            leaving.apply_pending()
            again = [frame.locals[number] for number in range(len(raw.inputs))]
            leaving = run(raw, again, loops=plain, force_exit=force, max_iterations=50)
    return observable(leaving, roots)


@settings(deadline=None, max_examples=250, suppress_health_check=list(HealthCheck))
@given(guests(), guests(), st.integers(2, 6))
def test_entering_a_loop_from_another_path_is_equivalent(first: Guest, second: Guest, leave: int) -> None:
    for trace in (first.trace, second.trace):
        mark_header(trace)
        verify(trace)
    root = optimize(first.trace, passes=COMPARABLE)
    target = with_label(root)
    jump = second.trace.operations[-1]
    recorded = Trace(second.trace.inputs, [*second.trace.operations[:-1], Operation(jump.opcode, jump.args, target)])
    other = optimize(recorded, passes=COMPARABLE)
    verify(other)
    plain: dict[Any, Trace] = {target: first.trace}
    loops: dict[Any, Trace] = {target: root, target.label: root}
    want = follow(recorded, plain, plain, first.trace, second.make_args(), leave)
    assert follow(other, loops, plain, first.trace, second.make_args(), leave) == want
