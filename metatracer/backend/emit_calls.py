"""LLVM text of calls, of the guards on their exceptions, and of the thread's handled exception."""

from __future__ import annotations

from metatracer.backend import support
from metatracer.backend.emit import Emitter, emits
from metatracer.backend.emit_control import loop_cell
from metatracer.backend.layout import WORD
from metatracer.backend.operands import LLVM_TYPES, pointer
from metatracer.ir import opcodes as ops
from metatracer.ir.values import CFunction, Operation

_ARGUMENTS_OFFSET = -(1 << 63)
"""PY_VECTORCALL_ARGUMENTS_OFFSET: the callee may use the word in front of the arguments."""


@emits(ops.CALL)
def emit_call(e: Emitter, op: Operation) -> None:
    keywords = op.descr.keywords if op.descr is not None else ()
    _vectorcall(e, op, keywords)


def _vectorcall(e: Emitter, op: Operation, keywords: tuple[str, ...]) -> None:
    """Call the first argument with the others, the last of which have these names."""
    callee, *args = op.args
    slots = e.argument_slots(len(args))
    for number, value in enumerate(args):
        e.store(e.typed(value), slots, WORD * number)
    positional = len(args) - len(keywords)
    names = e.object(keywords) if keywords else "null"
    result = e.call(
        "ptr",
        "PyObject_Vectorcall",
        f"ptr {e.arg(callee)}, ptr {slots}, i64 {_ARGUMENTS_OFFSET + positional}, ptr {names}",
    )
    e.alias(op, result)


@emits(ops.CALL_C_R, ops.CALL_C_I, ops.CALL_C_F)
def emit_call_c(e: Emitter, op: Operation) -> None:
    row: CFunction = op.descr
    if op in e.plan.appends:
        left, right = (e.typed(value) for value in op.args)
        e.alias(op, e.call("ptr", "str_append", f"{left}, {right}"))
        return
    if row.symbol == "PyObject_Vectorcall":
        _vectorcall(e, op, ())
        return
    args = []
    for value, c_type in zip(op.args, row.c_args, strict=True):
        operand = e.arg(value)
        if c_type != LLVM_TYPES[value.kind]:
            operand = e.value(f"trunc {LLVM_TYPES[value.kind]} {operand} to {c_type}")
        args.append(f"{c_type} {operand}")
    result = e.call(row.c_result, row.symbol, ", ".join(args))
    if row.c_result == "i32":
        result = e.value(f"sext i32 {result} to i64")
    e.alias(op, result)


@emits(ops.CALL_PORTAL, ops.CALL_LOOP)
def emit_call_portal(e: Emitter, op: Operation) -> None:
    """The callee's frame counts against the recursion limit, and so do the frames inlined around the call."""
    guard = e.following()
    frames = len(guard.snapshot.frames) if guard is not None and guard.snapshot is not None else 1
    args = "".join(f", {e.typed(value)}" for value in op.args)
    kinds = "".join(value.kind for value in op.args)
    wanted = _result_format(e, op)
    place, slots, parts = "null", "null", 0
    if wanted is not None:
        place, parts = pointer(wanted.address), len(wanted.kinds)
        slots = e.result_slots(parts)
    target = pointer(support.portal_call(kinds, unwinds=op.opcode is ops.CALL_LOOP, parts=parts))
    e.result(op, f"call ptr {target}(ptr {loop_cell(e, op)}, i32 {frames}, ptr {place}, ptr {slots}{args}) ; portal call")


def _result_format(e: Emitter, call: Operation) -> support.ResultFormat | None:
    """The format of the result that a call's guard asks for."""
    behind = e.following(2)
    if behind is None or behind.opcode is not ops.GUARD_PARTS or behind.args[0] is not call:
        return None
    return support.result_format(behind.descr)


@emits(ops.GUARD_PARTS)
def emit_guard_parts(e: Emitter, op: Operation) -> None:
    wanted = pointer(support.result_format(op.descr).address)
    e.guard(op, e.value(f"icmp eq ptr {e.arg(op.args[0])}, {wanted}"), forcible=False)


@emits(ops.RESULT_PART_I, ops.RESULT_PART_F)
def emit_result_part(e: Emitter, op: Operation) -> None:
    kind = "i64" if op.opcode is ops.RESULT_PART_I else "double"
    e.result(op, f"load {kind}, ptr {e.field(e.result_slots(op.descr + 1), 8 * op.descr)}")


# --- pending exceptions -------------------------------------------------------------------------------------------------


def _raised(e: Emitter, op: Operation) -> str:
    """An i1: the call before `op` (its argument, if it has a result) has raised."""
    if not op.args:
        # At the start of a bridge. A callee that was left is no exception of the guest's: that goes on unwinding.
        pending = e.call("ptr", "PyErr_Occurred", "")
        some = e.value(f"icmp ne ptr {pending}, null")
        return e.value(f"and i1 {some}, {e.value(f'icmp ne ptr {pending}, {pointer(id(support.Unwound))}')}")
    call = op.args[0]
    error = call.descr.error if isinstance(call, Operation) and isinstance(call.descr, CFunction) else "null"
    if error == "never":
        return "false"
    if error == "minus1":
        return e.value(f"icmp slt i64 {e.arg(call)}, 0")
    failed = e.value(f"icmp eq ptr {e.arg(call)}, null")
    if error == "null":
        return failed
    ask, done = e.new_label("q"), e.new_label("c")
    before = e.current_block
    pending, raised = e.temporary(), e.temporary()
    e.likely(e.value(f"xor i1 {failed}, true"), done, ask)
    e.cold += [
        f"{ask}:",
        f"  {pending} = call ptr {e.function('PyErr_Occurred')}() ; PyErr_Occurred",
        f"  {raised} = icmp ne ptr {pending}, null",
        f"  br label %{done}",
    ]
    e.block(done)
    return e.value(f"phi i1 [false, %{before}], [{raised}, %{ask}]")


@emits(ops.GUARD_NO_EXCEPTION)
def emit_guard_no_exception(e: Emitter, op: Operation) -> None:
    """Never forced: the call has happened, and without an exception there is nothing to go on with at the exit."""
    e.guard(op, e.value(f"xor i1 {_raised(e, op)}, true"), forcible=False)


@emits(ops.GUARD_EXCEPTION)
def emit_guard_exception(e: Emitter, op: Operation) -> None:
    e.guard(op, _raised(e, op))
    e.result(op, f"call ptr {e.function('fetch')}() ; fetch the pending exception")


# --- the handled exception ----------------------------------------------------------------------------------------------


def _handled_place(e: Emitter) -> str:
    item = e.load("ptr", e.thread(), e.layout.exc_info)
    return e.field(item, e.layout.exc_value)


@emits(ops.PUSH_EXC_INFO)
def emit_push_exc_info(e: Emitter, op: Operation) -> None:
    place = _handled_place(e)
    old = e.value(f"load ptr, ptr {place}")
    e.line(f"store {e.typed(op.args[0])}, ptr {place}")
    missing, done = e.new_label("n"), e.new_label("c")
    before = e.current_block
    none = pointer(e.layout.none_address)
    e.line(f"br i1 {e.value(f'icmp eq ptr {old}, null')}, label %{missing}, label %{done}")
    e.block(missing)
    e.retain(none)
    e.line(f"br label %{done}")
    e.block(done)
    e.result(op, f"phi ptr [{old}, %{before}], [{none}, %{missing}]")


@emits(ops.POP_EXC_INFO)
def emit_pop_exc_info(e: Emitter, op: Operation) -> None:
    place = _handled_place(e)
    value = e.arg(op.args[0])
    if e.layout.version >= (3, 13):  # which stores no None there
        is_none = e.value(f"icmp eq ptr {value}, {pointer(e.layout.none_address)}")
        value = e.value(f"select i1 {is_none}, ptr null, ptr {value}")
    old = e.value(f"load ptr, ptr {place}")
    e.line(f"store ptr {value}, ptr {place}")
    e.release(old, nullable=True)
