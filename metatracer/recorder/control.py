"""Data movement, variables, jumps, returns."""

from __future__ import annotations

import builtins
from types import CellType
from typing import TYPE_CHECKING, Any, TypeGuard

from metatracer.errors import AbortReason
from metatracer.frontend.operations import OPERATIONS
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import NULL_OBJECT, Const
from metatracer.recorder import residual
from metatracer.recorder.frames import NULL_BOX, Box, MetaFrame, const_box, runs_code_at_end
from metatracer.recorder.metainterp import MetaInterpreter, handles
from metatracer.recorder.slicing import is_taken_at_once
from metatracer.recorder.truth import ask_truth, guard_truth, negate, truth_value
from metatracer.recorder.unrolling import may_go_round, walks_program
from metatracer.recorder.virtuals import VirtualBox, virtual_function, with_attribute

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.frontend.jitcode import Instruction
    from metatracer.ir.values import Snapshot

_ABSENT = object()


@handles("move")
def move(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Copy a register."""
    dropped = [_moved(frame, instruction)]
    if not _ends(dropped[0], meta):
        return
    # Code of the guest runs, and the state behind it is that behind both halves of a superinstruction (3.13).
    following = frame.jitcode.instructions[frame.position]
    if following.op == "move" and following.index == instruction.index:
        frame.position += 1
        dropped.append(_moved(frame, following))
    ending = [box for box in dropped if _ends(box, meta)]
    dropped.clear()
    while ending:
        _let_go(meta, frame, instruction, ending.pop(0))


def _moved(frame: MetaFrame, instruction: Instruction) -> Box | None:
    """Copy a register; gives what a local variable has held before."""
    box = frame.registers[instruction.src[0]]
    register = instruction.dst[0]
    if register >= frame.jitcode.n_locals:
        frame.registers[register] = box
        return None
    dropped = frame.registers[register]
    frame.registers[register] = None if box is NULL_BOX else box
    return dropped


def _ends(box: Box | None, meta: MetaInterpreter) -> TypeGuard[Box]:
    """Whether the variable that held a box may have been the last to hold an object whose end runs code."""
    if box is None or box.is_const or box.is_never_observed or not runs_code_at_end(box.object):
        return False
    return not any(other is box for frame in meta.frames for other in frame.registers[: frame.jitcode.n_locals])


def _let_go(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box, snapshot: Callable[[], Snapshot] | None = None
) -> None:
    """Record that an object goes here, and not at its last use: a call, before which all is stored that was put off."""
    meta.residual_call(frame, instruction, const_box(id), [box], store=lambda _: None, snapshot=snapshot)


@handles("swap")
def swap(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Copy two registers at once."""
    registers = frame.registers
    first, second = (registers[register] for register in instruction.src)
    registers[instruction.dst[0]] = first
    registers[instruction.dst[1]] = second


@handles("const")
def const(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Load a constant of the code object."""
    frame.registers[instruction.dst[0]] = const_box(instruction.arg)


@handles("null")
def null(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Clear a register, visibly for the stack."""
    register = instruction.dst[0]
    frame.registers[register] = None if register < frame.jitcode.n_locals else NULL_BOX


@handles("load_local")
def load_local(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Read a local that may be unbound."""
    box = frame.registers[instruction.src[0]]
    if box is None:
        residual.raise_new(
            meta,
            frame,
            UnboundLocalError,
            f"cannot access local variable '{instruction.arg}' where it is not associated with a value",
        )
    frame.registers[instruction.dst[0]] = box


@handles("delete_local")
def delete_local(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`del x`."""
    register = instruction.dst[0]
    if frame.registers[register] is None:
        residual.raise_new(
            meta,
            frame,
            UnboundLocalError,
            f"cannot access local variable '{instruction.arg}' where it is not associated with a value",
        )
    dropped = frame.registers[register]
    frame.registers[register] = None
    if _ends(dropped, meta):
        _let_go(meta, frame, instruction, dropped)


# --- cells --------------------------------------------------------------------------------------------------------------


@handles("make_cell")
def make_cell(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """A local that inner functions capture moves into a cell."""
    register = instruction.dst[0]
    box = frame.registers[register] or NULL_BOX
    cell = CellType() if box is NULL_BOX else CellType(box.object)
    op = meta.emit(ops.NEW_CELL, meta.ref(box))
    meta.types[op] = CellType
    frame.registers[register] = Box(cell, op)


@handles("load_cell")
def load_cell(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Read a captured variable."""
    cell = frame.box(instruction.src[0])
    content = _cell_content(cell.object)
    value = meta.emit(ops.CELL_GET, meta.ref(cell))
    if content is NULL_OBJECT:
        meta.guard(ops.GUARD_NULL, value)
        name = instruction.arg
        code = frame.jitcode.code
        if name in code.co_freevars:
            message = f"cannot access free variable '{name}' where it is not associated with a value in enclosing scope"
            residual.raise_new(meta, frame, NameError, message)
        message = f"cannot access local variable '{name}' where it is not associated with a value"
        residual.raise_new(meta, frame, UnboundLocalError, message)
    meta.guard(ops.GUARD_NONNULL, value)
    frame.registers[instruction.dst[0]] = meta.ref_box(content, value)


@handles("store_cell")
def store_cell(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Assign a captured variable."""
    cell, box = (frame.box(register) for register in instruction.src)
    if runs_code_at_end(box.object) or runs_code_at_end(_cell_content(cell.object)):
        meta.residual_call(frame, instruction, const_box(residual.store_cell), [cell, box], store=lambda _: None)
        return
    meta.emit(ops.CELL_SET, meta.ref(cell), meta.ref(box))
    meta.effect_done = True
    cell.object.cell_contents = box.object


@handles("delete_cell")
def delete_cell(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`del` of a captured variable."""
    cell = frame.box(instruction.src[0])
    value = meta.emit(ops.CELL_GET, meta.ref(cell))
    if _cell_content(cell.object) is NULL_OBJECT:
        raise meta.aborted(AbortReason.UNSUPPORTED, f"del of the unbound variable {instruction.arg}")
    meta.guard(ops.GUARD_NONNULL, value)
    meta.emit(ops.CELL_SET, meta.ref(cell), meta.ref(NULL_BOX))
    meta.effect_done = True
    del cell.object.cell_contents


def _cell_content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return NULL_OBJECT


@handles("load_class_cell")
def load_class_cell(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """A free variable of a class body."""
    mapping, cell = (frame.box(register) for register in instruction.src)
    helper = const_box(residual.class_cell)
    meta.residual_call(frame, instruction, helper, [mapping, cell, const_box(instruction.arg)])


# --- globals ------------------------------------------------------------------------------------------------------------


@handles("load_global")
def load_global(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """A global or builtin is a constant of the trace, and watched."""
    name = instruction.arg
    namespace = frame.function.__globals__
    value = dict.get(namespace, name, _ABSENT)
    mutable = meta.host.is_mutable_item(namespace, name)
    if mutable:
        found = _read_mutable(meta, frame, instruction, namespace, name)
        if found is not None:
            frame.registers[instruction.dst[0]] = found
            return
    elif value is not _ABSENT:
        meta.assume(meta.host.item_is(namespace, name, value))
    if value is _ABSENT:
        builtin = frame.function.__builtins__
        value = builtin.get(name, _ABSENT)
        if not mutable:
            meta.assume(meta.host.item_absent(namespace, name))
        if value is _ABSENT:
            meta.assume(meta.host.item_absent(builtin, name))
            residual.raise_new(meta, frame, NameError, f"name '{name}' is not defined")
        meta.assume(meta.host.item_is(builtin, name, value))
    frame.registers[instruction.dst[0]] = const_box(value)


def _read_mutable(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, namespace: dict[str, Any], name: str
) -> Box | None:
    """A global that has been seen to change, and may come and go, is read each time; None: it is not there."""
    from metatracer.recorder.dicts import get_item

    meta.host.note_mutable_item(namespace, name)
    return get_item(meta, frame, instruction, const_box(namespace), const_box(name))


@handles("store_global")
def store_global(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Assign a global: it is no constant from now on."""
    from metatracer.recorder.dicts import set_item

    namespace = frame.function.__globals__
    meta.host.note_mutable_item(namespace, instruction.arg)
    meta.forget_assumption(namespace, instruction.arg)
    set_item(meta, frame, instruction, const_box(namespace), const_box(instruction.arg), frame.box(instruction.src[0]))


@handles("delete_global")
def delete_global(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`del` of a global."""
    namespace = frame.function.__globals__
    meta.host.note_mutable_item(namespace, instruction.arg)
    meta.forget_assumption(namespace, instruction.arg)
    meta.residual_call(
        frame, instruction, const_box(residual.delete_item), [const_box(namespace), const_box(instruction.arg)]
    )


@handles("load_build_class")
def load_build_class(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`class` statements call this."""
    frame.registers[instruction.dst[0]] = const_box(builtins.__build_class__)


# --- jumps --------------------------------------------------------------------------------------------------------------


def _go(meta: MetaInterpreter, frame: MetaFrame, target: int) -> None:
    backward = target < frame.position
    frame.position = target
    if backward and frame.portal is None:
        start = frame.jitcode.instructions[target]
        is_inside = start.index not in frame.headers or walks_program(frame, start)
        if is_inside and not may_go_round(meta, frame, start):
            _unrolled(meta, frame, start.index)


def _unrolled(meta: MetaInterpreter, frame: MetaFrame, header: int) -> None:
    """A helper goes round and round: its loop gets traces of its own if it can, or the helper is called."""
    if getattr(frame.function, "_jit_unroll_safe_", False):
        return
    limits, name = meta.limits, frame.jitcode.code.co_qualname
    if frame.generator is not None:
        frame.jitcode.notes["called, not traced"] = f"it goes round more than {limits.max_unroll_loops} times"
        raise meta.aborted_at(frame, AbortReason.HELPER_LOOP, name)
    if limits.helper_loops and meta.host.make_header(
        meta.portal, frame.function, header, meta.kinds_at(frame, header)
    ):
        meta.stand_at(frame, header)
        raise meta.aborted(AbortReason.CALLEE_FIRST, f"{name} loops")
    if len(meta.frames) > 1:
        frame.jitcode.notes["called, not traced"] = f"its loop was unrolled more than {limits.max_unroll_loops} times"
        raise meta.aborted_at(frame, AbortReason.HELPER_LOOP, name)


@handles("jump")
def jump(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Unconditional."""
    _go(meta, frame, instruction.arg)


@handles("branch")
def branch(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Jump if true."""
    if ask_truth(meta, frame, instruction):
        return
    if guard_truth(meta, frame, instruction):
        _go(meta, frame, instruction.arg)


@handles("branch_not")
def branch_not(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Jump if false."""
    if ask_truth(meta, frame, instruction):
        return
    if not guard_truth(meta, frame, instruction):
        _go(meta, frame, instruction.arg)


def _is_none(meta: MetaInterpreter, box: Box) -> bool:
    """Guard whether a value is None."""
    result = box.object is None
    if box.ref is None or isinstance(box.ref, Const) or box.raw is not None or box.ref in meta.types:
        return result
    if result:
        meta.guard(ops.GUARD_VALUE, box.ref, descr=None)
        meta.types[box.ref] = type(None)
        box.ref = Const("r", None)
    elif box.ref not in meta.nonnull:
        meta.guard(ops.GUARD_FALSE, meta.emit(ops.PTR_EQ, box.ref, Const("r", None)))
        meta.nonnull.add(box.ref)
    return result


@handles("branch_none")
def branch_none(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Jump if None."""
    if _is_none(meta, frame.box(instruction.src[0])):
        _go(meta, frame, instruction.arg)


@handles("branch_not_none")
def branch_not_none(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Jump if not None."""
    if not _is_none(meta, frame.box(instruction.src[0])):
        _go(meta, frame, instruction.arg)


@handles("not")
def not_(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`not x`."""
    if ask_truth(meta, frame, instruction):
        return
    frame.registers[instruction.dst[0]] = negate(meta, truth_value(meta, frame, instruction, frame.box(instruction.src[0])))


@handles("truth")
def truth(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`bool(x)`."""
    if ask_truth(meta, frame, instruction):
        return
    frame.registers[instruction.dst[0]] = truth_value(meta, frame, instruction, frame.box(instruction.src[0]))


@handles("return")
def return_(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Give the value to the frame below, or end the trace."""
    box = frame.box(instruction.src[0])
    if len(meta.frames) == 1:
        meta.finish(box)
        return
    below = meta.frames[-2]
    pending = below.pending
    assert pending is not None
    held = frame.registers[: frame.jitcode.n_locals]
    if meta.handling and (pending.may_record(box) or any(other and runs_code_at_end(other.object) for other in held)):
        meta.make_handled_first()  # once the frame is gone, this instruction cannot be done again
    if pending.check is not None:
        pending.check(meta, box)
    meta.pop_frame()
    dropped = [other for other in held if other is not box and _ends(other, meta)]
    del held
    below.pending = None
    below.index = pending.instruction.index
    meta.effect_done = True
    pending.deliver(meta, below, box)
    if meta.frames[-1] is below:
        while dropped:
            _let_go(meta, below, pending.instruction, dropped.pop(0), _behind_loop(meta, below) if pending.again else None)


def _behind_loop(meta: MetaInterpreter, frame: MetaFrame) -> Callable[[], Snapshot]:
    """The state where a loop's frame goes on at the end of its generator."""
    index = frame.jitcode.instructions[frame.position].index
    return lambda: meta.snapshot_of(frame.state_at(index, frame.index))


@handles("unsupported", "load_locals")
def unsupported(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """The whole function is called instead, from the next recording on."""
    what = instruction.arg if instruction.op == "unsupported" else ("locals", "a class body")
    frame.jitcode.notes["called, not traced"] = f"{what[0]}: {what[1]}"
    raise meta.aborted(AbortReason.UNSUPPORTED, f"{what[0]} ({what[1]})")


# --- functions and imports ------------------------------------------------------------------------------------------------


@handles("make_function")
def make_function(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """A closure or a lambda."""
    code, *values = (frame.box(register) for register in instruction.src)
    namespace = frame.function.__globals__
    frame.registers[instruction.dst[0]] = virtual_function(namespace, instruction.arg, code, values)


@handles("set_function_attribute")
def set_function_attribute(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """3.13's way to give a new function its defaults and closure."""
    value, function = (frame.box(register) for register in instruction.src)
    if isinstance(function, VirtualBox) and function.is_virtual:
        frame.registers[instruction.dst[0]] = with_attribute(function, instruction.arg, value)
        return
    operation_call(meta, frame, instruction)


@handles("import_name")
def import_name(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`import x` inside a function."""
    boxes = [frame.box(register) for register in instruction.src]
    arguments = [const_box(frame.function.__globals__), const_box(instruction.arg), *boxes]
    meta.residual_call(frame, instruction, const_box(residual.import_name), arguments)


_AS_CALLS = (
    "intrinsic",
    "import_from",
    "set_update",
    "match_keys",
    "with_except_start",
    "delattr",
)
_RESULT_TYPES: dict[str, type] = {
    "build_set": set,
    "build_map": dict,
    "build_const_key_map": dict,
    "build_string": str,
    "list_to_tuple": tuple,
    "match_mapping": bool,
    "match_sequence": bool,
}


@handles("build_slice")
def build_slice(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """`a:b:c`; the first half of an instruction that takes or stores a slice."""
    boxes = [frame.box(register) for register in instruction.src]
    if is_taken_at_once(frame, instruction):
        made = slice(*[box.object for box in boxes])
        frame.registers[instruction.dst[0]] = VirtualBox(made, slice, boxes)
        return
    boxes += [const_box(None)] * (3 - len(boxes))
    start = meta.snapshot()
    refs, objects = [meta.ref(box) for box in boxes], [box.object for box in boxes]
    result = meta.c_call(
        frame, instruction, c.NEW_SLICE, refs, objects, store=lambda _: None, snapshot=lambda: start, known=slice
    )
    frame.registers[instruction.dst[0]] = result
    # Nobody has seen the slice yet, so the instruction may still be repeated.
    meta.effect_done = False


@handles(*_AS_CALLS)
def as_call(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """Operations that are called, not looked into."""
    operation_call(meta, frame, instruction)


def operation_call(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> Box:
    """Do the current instruction by calling what it means (`frontend.operations`)."""
    boxes = [frame.box(register) for register in instruction.src]
    function = const_box(OPERATIONS[instruction.op])
    known = _RESULT_TYPES.get(instruction.op)
    return meta.residual_call(frame, instruction, function, [const_box(instruction.arg), *boxes], known=known)
