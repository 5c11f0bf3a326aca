"""The list of passes, and the optimizer as a whole.

In order: one forward pass ("virtuals" ... "cse"), run twice when the loop is peeled ("peel"), then the whole-trace
passes ("index", "dead"). The environment variable METATRACER_OPT selects: "all" (the default), "none", names to use
("fold,cse"), or names to leave out ("-peel,-lazy"). METATRACER_CHECK=1 verifies the trace after each step.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from metatracer.errors import UsageError
from metatracer.ir.opcodes import JUMP, LABEL
from metatracer.ir.values import Input, Operation, Trace
from metatracer.optimizer.forward import Forward
from metatracer.optimizer.state import ConstantPool
from metatracer.optimizer.verdicts import Contradiction
from metatracer.optimizer.versions import ANY_USE, Goal, start_version

if TYPE_CHECKING:
    from collections.abc import Collection


PASSES: tuple[str, ...] = (
    "virtuals",  # allocation removal, unboxing
    "fold",  # constant folding
    "algebra",  # rules
    "ranges",  # integer bounds
    "relations",  # orders of two integers
    "bits",  # known bits
    "types",  # guard subsumption
    "heap",  # forwarding of reads
    "lazy",  # pending stores
    "append",  # appends and pops that cancel
    "alias",  # guards of our own that two lists are different
    "cse",  # common subexpressions
    "peel",  # loop peeling: unboxed loop variables, hoisting of invariants
    "index",  # both checks of an index in one
    "dead",  # dead operations
)
"""Every pass, in order. Each can be switched off on its own."""


def selected_passes(selection: str | None = None) -> frozenset[str]:
    """The passes that METATRACER_OPT (or `selection`) asks for."""
    text = os.environ.get("METATRACER_OPT", "all") if selection is None else selection
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = (*PASSES, "all", "none")
    unknown = [name for name in names if name.lstrip("-") not in known]
    if unknown:
        raise UsageError(f"METATRACER_OPT: no pass named {unknown[0].lstrip('-')!r}; there are: {', '.join(PASSES)}")
    chosen = set(PASSES) if not names or names[0].startswith("-") else set()
    for name in names:
        if name == "all":
            chosen.update(PASSES)
        elif name == "none":
            chosen.clear()
        elif name.startswith("-"):
            chosen.discard(name[1:])
        else:
            chosen.add(name)
    return frozenset(chosen)


def optimize(
    trace: Trace,
    *,
    peel: bool = True,
    repeat: bool = True,
    guess: bool = True,
    goal: Goal = ANY_USE,
    passes: Collection[str] | None = None,
) -> Trace:
    """Optimize a recorded trace.

    Args:
        trace: Linear, without a label. Not changed, and not to be used any more (operations are shared).
        peel: False forbids peeling, whatever `passes` says.
        repeat: Whether the loop that a trace jumps to may be repeated at its end, so that it can enter it at its label.
        guess: False forbids the guesses of the pass "alias": for a bridge from a guess that was wrong.
        goal: What the code is for.
        passes: Names from `PASSES`; None means what METATRACER_OPT says.

    Returns:
        A new trace. A root loop has a label: behind its preamble when it was peeled, else at its start. A jump to a loop
        that has a label goes there if that is possible.

    Raises:
        Contradiction: The trace does not fit the shapes of its `goal`.
    """
    enabled = selected_passes() if passes is None else frozenset(passes)
    if not guess:
        enabled = frozenset(enabled) - {"alias"}
    last = trace.operations[-1]
    is_loop = last.opcode is JUMP and last.descr is None
    if not is_loop:
        result = _straight(trace, enabled, repeat, goal)
    else:
        peeled = None
        if peel and "peel" in enabled:
            from metatracer.optimizer.peeling import peel_loop

            peeled = peel_loop(trace, enabled, goal)
        if peeled is None and goal.shapes is not None:
            raise Contradiction
        result = _simple_loop(trace, enabled) if peeled is None else peeled
    _check(result)
    if "index" in enabled:
        from metatracer.optimizer.index_checks import join_index_checks

        result = join_index_checks(result)
        _check(result)
    if "dead" in enabled:
        from metatracer.optimizer.dead import remove_dead_operations

        result = remove_dead_operations(result)
        _check(result)
    return result


def _check(trace: Trace) -> None:
    if os.environ.get("METATRACER_CHECK", "0") not in ("", "0"):
        from metatracer.ir.verifier import verify

        verify(trace)


def start(trace: Trace, enabled: Collection[str], goal: Goal, pool: ConstantPool | None = None) -> Forward:
    """A forward pass that knows what the trace's inputs are known to be."""
    forward = Forward(ConstantPool() if pool is None else pool, enabled)
    forward.state.classes = trace.classes
    forward.inputs = trace.inputs
    forward.returns_parts = goal.returns_parts
    if goal.shapes is not None:
        forward.inputs = start_version(forward, trace.inputs, goal.shapes)
        return forward
    for value in trace.inputs:
        if value.kind == "r":
            info = forward.state.info(value)
            info.source = "input"
            info.type = value.known_type
            info.nonnull = value.known_type is not None
    return forward


def _straight(trace: Trace, enabled: Collection[str], repeat: bool, goal: Goal) -> Trace:
    """A bridge, or a root that does not loop."""
    if "peel" in enabled:
        from metatracer.optimizer.entering import enter_at_label

        entered = enter_at_label(trace, enabled, goal, repeat=repeat)
        if entered is not None:
            return entered
    forward = start(trace, enabled, goal)
    try:
        forward.run_all(trace.operations)
    except Contradiction:
        if goal.shapes is not None:
            raise
        return trace
    return Trace(forward.inputs, forward.out, trace.assumptions, trace.name, classes=trace.classes)


def _simple_loop(trace: Trace, enabled: Collection[str]) -> Trace:
    """A loop whose label stands at its start and takes the inputs as they are."""
    body = trace.operations
    inputs: tuple[Input, ...] = tuple([Input(value.kind, value.name) for value in trace.inputs])
    forward = Forward(ConstantPool(), enabled)
    forward.state.classes = trace.classes
    for old, new in zip(trace.inputs, inputs, strict=True):
        forward.state.replaced[old] = new
    label = Operation(LABEL, trace.inputs, None, None, inputs)
    try:
        forward.run_all(body)
        operations: list[Operation] = forward.out
    except Contradiction:
        forward = Forward(ConstantPool(), ())
        forward.state.classes = trace.classes
        for old, new in zip(trace.inputs, inputs, strict=True):
            forward.state.replaced[old] = new
        forward.run_all(body)
        operations = forward.out
    return Trace(trace.inputs, [label, *operations], trace.assumptions, trace.name, classes=trace.classes)
