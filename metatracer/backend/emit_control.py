"""LLVM text of control operations and of the guards that look at values or at the state of the process."""

from __future__ import annotations

import itertools

from metatracer.backend.emit import Emitter, emits
from metatracer.backend.layout import eval_breaker_address, thread_state
from metatracer.backend.operands import KEEPS_REGISTERS, pointer
from metatracer.backend.support import result_format
from metatracer.errors import IRError
from metatracer.ir import opcodes as ops
from metatracer.ir.values import LabelRef, LoopRef, Operation


@emits(ops.MERGE_POINT)
def emit_merge_point(e: Emitter, op: Operation) -> None:
    """Nothing to run: the mark is for people."""


@emits(ops.LABEL)
def emit_label(e: Emitter, op: Operation) -> None:
    e.label(op)


@emits(ops.JUMP)
def emit_jump(e: Emitter, op: Operation) -> None:
    if op.descr is None:
        e.close_loop(op.args)
        return
    if isinstance(op.descr, LabelRef):
        if op.descr is e.own_label:
            e.jump_to_own_label(op.args)
            return
        e.leave_loop()
        if not op.descr.cell:
            raise IRError(f"label {op.descr.name} has no code")
        e.memory.objects.append(op.descr)
        target = e.value(f"load ptr, ptr {pointer(op.descr.cell)}")
        e.tail_call(target, "null", op.args)
        return
    e.leave_loop()
    target = e.value(f"load ptr, ptr {loop_cell(e, op)}")
    e.tail_call(target, "null", op.args)


def loop_cell(e: Emitter, op: Operation) -> str:
    """The cell of the loop that a jump or portal call goes to."""
    assert isinstance(op.descr, LoopRef)
    if not op.descr.cell:
        raise IRError(f"loop {op.descr.name} has no cell yet")
    e.memory.objects.append(op.descr)
    return pointer(op.descr.cell)


@emits(ops.FINISH)
def emit_finish(e: Emitter, op: Operation) -> None:
    e.leave_loop()
    e.line(f"store ptr {e.arg(op.args[0])}, ptr {pointer(e.addresses.buffer)}")
    e.line(f"ret ptr {pointer(e.addresses.finish)}")


@emits(ops.FINISH_PARTS)
def emit_finish_parts(e: Emitter, op: Operation) -> None:
    e.leave_loop()
    for number, value in enumerate(op.args):
        e.store_word(value, pointer(e.addresses.buffer + 8 * number))
    e.line(f"ret ptr {pointer(result_format(op.descr).address)}")


@emits(ops.FINISH_RAISE)
def emit_finish_raise(e: Emitter, op: Operation) -> None:
    e.leave_loop()
    e.line(f"store ptr {e.arg(op.args[0])}, ptr {pointer(e.addresses.buffer)}")
    e.line(f"ret ptr {pointer(e.addresses.finish_raise)}")


# --- references and truth -----------------------------------------------------------------------------------------------


@emits(ops.INCREF)
def emit_incref(e: Emitter, op: Operation) -> None:
    e.retain(e.arg(op.args[0]))


@emits(ops.DECREF, ops.XDECREF)
def emit_decref(e: Emitter, op: Operation) -> None:
    e.release(e.arg(op.args[0]), nullable=op.opcode is ops.XDECREF)


@emits(ops.PTR_EQ, ops.PTR_NE)
def emit_identity(e: Emitter, op: Operation) -> None:
    left, right = op.args
    e.result(op, f"icmp {op.opcode.name.removeprefix('ptr_')} ptr {e.arg(left)}, {e.arg(right)}")


@emits(ops.GUARD_TRUE, ops.GUARD_ANSWER)
def emit_guard_true(e: Emitter, op: Operation) -> None:
    e.guard(op, e.arg(op.args[0]))


@emits(ops.GUARD_FALSE)
def emit_guard_false(e: Emitter, op: Operation) -> None:
    e.guard(op, e.value(f"xor i1 {e.arg(op.args[0])}, true"))


@emits(ops.GUARD_INT_VALUE)
def emit_guard_int_value(e: Emitter, op: Operation) -> None:
    e.guard(op, e.value(f"icmp eq i64 {e.arg(op.args[0])}, {int(op.descr)}"))


@emits(ops.GUARD_VALUE)
def emit_guard_value(e: Emitter, op: Operation) -> None:
    e.guard(op, e.value(f"icmp eq ptr {e.arg(op.args[0])}, {e.object(op.descr)}"))


@emits(ops.GUARD_TYPE)
def emit_guard_type(e: Emitter, op: Operation) -> None:
    operand = e.arg(op.args[0])
    if op in e.plan.nullable:
        operand = e.instead_of_null(operand)  # whose class is NULL
    cls = e.load("ptr", operand, e.layout.ob_type)
    e.guard(op, e.value(f"icmp eq ptr {cls}, {e.object(op.descr)}"))


@emits(ops.GUARD_NONNULL, ops.GUARD_NEXT)
def emit_guard_nonnull(e: Emitter, op: Operation) -> None:
    e.guard(op, e.value(f"icmp ne ptr {e.arg(op.args[0])}, null"))


@emits(ops.GUARD_NULL, ops.GUARD_EXHAUSTED)
def emit_guard_null(e: Emitter, op: Operation) -> None:
    e.guard(op, e.value(f"icmp eq ptr {e.arg(op.args[0])}, null"))


# --- the state of the process ---------------------------------------------------------------------------------------------
# Loads are volatile: other threads, signal handlers and invalidation write these words while a loop runs.


MOST_INLINE_WORDS = 2
"""Polled words that a guard compares in place; more are compared in a function of the trace (code size, not time,
is what counts there: a trace of the AST language had 42 such guards of 48 words)."""


@emits(ops.GUARD_NOT_INVALIDATED)
def emit_guard_not_invalidated(e: Emitter, op: Operation) -> None:
    goes_on = e.counter.goes_on(e) if op is e.trace.operations[0] else None
    if len(e.memory.polled) > MOST_INLINE_WORDS:
        e.guard(op, _poll_once(e, goes_on))
        return
    lines: list[str] = []
    holds = compare_polled(e, lines, "%w" + str(len(e.lines)))
    e.lines += lines
    e.guard(op, holds if goes_on is None else e.value(f"and i1 {goes_on}, {holds}"))


def _poll_once(e: Emitter, goes_on: str | None) -> str:
    """The polled words are compared once in each epoch.

    An entry that is not to go on (`goes_on`) takes the cold way, too, so that LLVM sees that the other one leads on, always.
    """
    function = POLLING_FUNCTION + e.suffix
    if function not in e.polling_functions:
        e.polling_functions[function] = polling_function(e, function)
    flag = e.value(f"load volatile i64, ptr {pointer(e.memory.flag_address)}")
    epoch = e.value(f"load i64, ptr {pointer(e.addresses.epoch)}")
    polled = e.value(f"load i64, ptr {pointer(e.memory.polled_address)}")
    valid = e.value(f"icmp eq i64 {flag}, 0")
    known = e.value(f"and i1 {valid}, {e.value(f'icmp eq i64 {epoch}, {polled}')}")
    if goes_on is not None:
        known = e.value(f"and i1 {goes_on}, {known}")
    look, note, done = e.new_label("k"), e.new_label("w"), e.new_label("c")
    before, holds = e.current_block, e.temporary()
    e.likely(known, done, look)
    e.cold += [
        f"{look}:",
        f"  {holds} = call {KEEPS_REGISTERS} i1 @{function}()",
        f"  br i1 {holds}, label %{note}, label %{done}",
        f"{note}:",
        f"  store i64 {epoch}, ptr {pointer(e.memory.polled_address)}",
        f"  br label %{done}",
    ]
    e.block(done)
    return e.value(f"phi i1 [true, %{before}], [false, %{look}], [{goes_on or 'true'}, %{note}]")


POLLING_FUNCTION = "assumptions_hold"


def polling_function(e: Emitter, name: str) -> str:
    """The function that compares all polled words of the trace in hand, as text of the module."""
    lines: list[str] = []
    holds = compare_polled(e, lines, "%w", "broken")
    text = [f"define internal {KEEPS_REGISTERS} i1 @{name}() noinline nounwind {{", *lines, f"  ret i1 {holds}"]
    if any(polled.depends for polled in e.memory.polled):
        text += ["broken:", "  ret i1 false"]
    return "\n".join([*text, "}"])


def compare_polled(e: Emitter, lines: list[str], prefix: str, broken: str = "") -> str:
    """Add the instructions that compare the flag and all polled words; gives the operand that says whether all hold.

    When a word that others depend on is not as expected, they go to the block `broken`. Without it there are no branches, and
    each of these loads waits for the one before: with 28 such words of 37, a look takes 29 ns longer then.
    """
    numbers = itertools.count()

    def value(text: str) -> str:
        name = f"{prefix}_{next(numbers)}"
        lines.append(f"  {name} = {text}")
        return name

    flag = value(f"load volatile i64, ptr {pointer(e.memory.flag_address)}")
    holds = value(f"icmp eq i64 {flag}, 0")
    for polled in e.memory.polled:
        word = f"i{8 * polled.size}"
        place, cell = pointer(polled.address), pointer(polled.cell)
        if polled.depends and broken:
            label = f"{prefix[1:]}_{next(numbers)}"
            lines += [f"  br i1 {holds}, label %{label}, label %{broken}", f"{label}:"]
        elif polled.depends:  # compare the cell with itself rather than look at memory that may be gone
            place = value(f"select i1 {holds}, ptr {place}, ptr {cell}")
        current = value(f"load volatile {word}, ptr {place}")
        expected = value(f"load volatile {word}, ptr {cell}")
        same = value(f"icmp eq {word} {current}, {expected}")
        holds = value(f"and i1 {holds}, {same}")
    return holds


@emits(ops.GUARD_NO_ATTENTION)
def emit_guard_no_attention(e: Emitter, op: Operation) -> None:
    if e.counter.takes_ahead():
        holds = e.counter.first_look(e)
        second = e.counter.second_look(e, lambda: _no_attention(e))
        e.guard(op, holds, second=second)
        e.counter.took(second)
        return
    holds = _no_attention(e)
    goes_on = e.counter.header(e)
    if goes_on is not None:
        holds = e.value(f"and i1 {goes_on}, {holds}")
    e.guard(op, holds)
    e.counter.passed()


def _no_attention(e: Emitter) -> str:
    """The operand that says that CPython wants no attention."""
    if e.layout.eval_breaker_in_thread:
        place = e.field(e.thread(), e.layout.eval_breaker)
        word = "i64"
    else:
        place = pointer(eval_breaker_address(e.layout, thread_state()))
        word = "i32"
    breaker = e.value(f"load volatile {word}, ptr {place}")
    if e.layout.eval_breaker_in_thread:
        breaker = e.value(f"and {word} {breaker}, {e.layout.eval_breaker_mask}")
    return e.value(f"icmp eq {word} {breaker}, 0")
