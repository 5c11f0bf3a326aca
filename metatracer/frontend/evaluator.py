"""A plain evaluator of JitCode on ordinary Python values: what the decoders are checked against CPython with.

`evaluate(function, ...)` runs one function by its JitCode and calls all others natively. The thread's handled exception is
kept as CPython would keep it, so that `raise`, `sys.exc_info()` and `__context__` agree. Tracebacks do not: they show the
evaluator.
"""

from __future__ import annotations

import builtins
import ctypes
import sys
import types
from typing import TYPE_CHECKING, Any

from metatracer.errors import MetatracerError
from metatracer.frontend.binding import ArgumentMismatch, bind_arguments
from metatracer.frontend.decode import jitcode_for
from metatracer.frontend.operations import OPERATIONS, unpack_sequence
from metatracer.ir.values import NULL_OBJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.frontend.jitcode import Instruction, JitCode

_set_handled = ctypes.pythonapi.PyErr_SetHandledException
_set_handled.argtypes = [ctypes.py_object]
_set_handled.restype = None

_METHOD_TYPES = (types.FunctionType, types.MethodDescriptorType)


class _Forgotten:
    """What `evaluate_forgetting` puts into dead registers; any use of it fails or shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "FORGOTTEN"


FORGOTTEN = _Forgotten()


class EvaluationError(MetatracerError):
    """The function cannot be evaluated: it is refused, or reached an "unsupported" instruction."""


class _Frame:
    __slots__ = ("first_free", "function", "jitcode", "registers")

    def __init__(self, function: types.FunctionType, jitcode: JitCode, registers: list[Any]) -> None:
        self.function = function
        self.jitcode = jitcode
        self.registers = registers
        self.first_free = jitcode.n_locals - len(jitcode.free_registers)


def evaluate(function: types.FunctionType, /, *args: Any, **kwargs: Any) -> Any:
    """Call `function` by running its JitCode.

    Raises:
        EvaluationError: It cannot be evaluated.
        BaseException: Whatever the function raises.
    """
    return _evaluate(function, args, kwargs, forget=False)


def evaluate_forgetting(function: types.FunctionType, /, *args: Any, **kwargs: Any) -> Any:
    """Like `evaluate`, but keep before each CPython instruction only what a snapshot there would keep.

    All registers that are neither live locals nor stack slots below the instruction's depth are overwritten with an
    object that is like no other, so a wrong liveness or depth shows as a wrong result.
    """
    return _evaluate(function, args, kwargs, forget=True)


def _evaluate(function: types.FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any], forget: bool) -> Any:
    jitcode = jitcode_for(function.__code__)
    if jitcode.refusal:
        raise EvaluationError(jitcode.refusal)
    try:
        bound = bind_arguments(function, args, kwargs)
    except ArgumentMismatch:
        bound = None
    if bound is None:
        return function(*args, **kwargs)
    registers = bound.values + [NULL_OBJECT] * (jitcode.n_registers - jitcode.n_locals)
    return _run(_Frame(function, jitcode, registers), forget)


def _run(frame: _Frame, forget: bool) -> Any:
    jitcode, registers = frame.jitcode, frame.registers
    position = jitcode.entry
    while True:
        instruction = jitcode.instructions[position]
        caught: BaseException | None = None
        if forget and instruction.is_start:
            _forget_dead(jitcode, registers, instruction)
        try:
            if instruction.op == "return":
                return registers[instruction.src[0]]
            if instruction.op == "reraise":
                caught = registers[instruction.src[0]]
            else:
                position = _step(frame, instruction, position)
        except EvaluationError:
            raise
        except BaseException as raised:  # noqa: BLE001 - every exception belongs to the function that is run
            caught = raised
        if caught is not None:
            position = _unwind(jitcode, registers, instruction, caught)


def _forget_dead(jitcode: JitCode, registers: list[Any], instruction: Instruction) -> None:
    live = jitcode.live_locals[instruction.index]
    top = jitcode.n_locals + jitcode.depths[instruction.index]
    for register in range(len(registers)):
        if register >= top or (register < jitcode.n_locals and register not in live):
            registers[register] = FORGOTTEN


def _unwind(jitcode: JitCode, registers: list[Any], instruction: Instruction, caught: BaseException) -> int:
    """Go to the handler of `instruction`, or raise `caught` out of the function."""
    handler = jitcode.handlers.get(instruction.index)
    if handler is None:
        raise caught
    top = jitcode.n_locals + handler.depth
    if handler.push_lasti:
        registers[top] = instruction.index // 2
        top += 1
    registers[top] = caught
    for register in range(top + 1, len(registers)):
        registers[register] = NULL_OBJECT
    return jitcode.positions[handler.target]


def _step(frame: _Frame, instruction: Instruction, position: int) -> int:
    """Run one instruction; gives the position of the next."""
    registers = frame.registers
    op, arg = instruction.op, instruction.arg
    special = FRAME_OPERATIONS.get(op)
    if special is not None:
        target = special(frame, instruction)
        return position + 1 if target is None else target
    result = OPERATIONS[op](arg, *[registers[source] for source in instruction.src])
    if len(instruction.dst) == 1:
        registers[instruction.dst[0]] = result
    else:
        for register, value in zip(instruction.dst, result or (), strict=True):
            registers[register] = value
    return position + 1


# --- operations that need the frame -----------------------------------------------------------------------------------
# Each takes the frame and the instruction, and gives the position to jump to, or None.


def _move(frame: _Frame, ins: Instruction) -> None:
    frame.registers[ins.dst[0]] = frame.registers[ins.src[0]]


def _swap(frame: _Frame, ins: Instruction) -> None:
    first, second = (frame.registers[source] for source in ins.src)
    frame.registers[ins.dst[0]], frame.registers[ins.dst[1]] = first, second


def _const(frame: _Frame, ins: Instruction) -> None:
    frame.registers[ins.dst[0]] = ins.arg


def _null(frame: _Frame, ins: Instruction) -> None:
    frame.registers[ins.dst[0]] = NULL_OBJECT


def _unbound(name: str) -> UnboundLocalError:
    return UnboundLocalError(f"cannot access local variable '{name}' where it is not associated with a value")


def _load_local(frame: _Frame, ins: Instruction) -> None:
    value = frame.registers[ins.src[0]]
    if value is NULL_OBJECT:
        raise _unbound(ins.arg)
    frame.registers[ins.dst[0]] = value


def _delete_local(frame: _Frame, ins: Instruction) -> None:
    if frame.registers[ins.dst[0]] is NULL_OBJECT:
        raise _unbound(ins.arg)
    frame.registers[ins.dst[0]] = NULL_OBJECT


def _make_cell(frame: _Frame, ins: Instruction) -> None:
    content = frame.registers[ins.dst[0]]
    frame.registers[ins.dst[0]] = types.CellType() if content is NULL_OBJECT else types.CellType(content)


def _cell_content(frame: _Frame, register: int, name: str) -> Any:
    try:
        return frame.registers[register].cell_contents
    except ValueError:
        pass
    if register < frame.first_free:
        raise _unbound(name)
    raise NameError(f"cannot access free variable '{name}' where it is not associated with a value in enclosing scope")


def _load_cell(frame: _Frame, ins: Instruction) -> None:
    frame.registers[ins.dst[0]] = _cell_content(frame, ins.src[0], ins.arg)


def _store_cell(frame: _Frame, ins: Instruction) -> None:
    frame.registers[ins.src[0]].cell_contents = frame.registers[ins.src[1]]


def _delete_cell(frame: _Frame, ins: Instruction) -> None:
    _cell_content(frame, ins.src[0], ins.arg)
    del frame.registers[ins.src[0]].cell_contents


def _load_class_cell(frame: _Frame, ins: Instruction) -> None:
    mapping = frame.registers[ins.src[0]]
    try:
        value = mapping[ins.arg]
    except KeyError:
        value = NULL_OBJECT
    frame.registers[ins.dst[0]] = _cell_content(frame, ins.src[1], ins.arg) if value is NULL_OBJECT else value


def _global(frame: _Frame, name: str) -> Any:
    for namespace in (frame.function.__globals__, frame.function.__builtins__):
        if name in namespace:
            return namespace[name]
    raise NameError(f"name '{name}' is not defined", name=name)


def _load_global(frame: _Frame, ins: Instruction) -> None:
    frame.registers[ins.dst[0]] = _global(frame, ins.arg)


def _store_global(frame: _Frame, ins: Instruction) -> None:
    frame.function.__globals__[ins.arg] = frame.registers[ins.src[0]]


def _delete_global(frame: _Frame, ins: Instruction) -> None:
    if ins.arg not in frame.function.__globals__:
        raise NameError(f"name '{ins.arg}' is not defined", name=ins.arg)
    del frame.function.__globals__[ins.arg]


def _load_build_class(frame: _Frame, ins: Instruction) -> None:
    frame.registers[ins.dst[0]] = builtins.__build_class__


def _load_method(frame: _Frame, ins: Instruction) -> None:
    owner = frame.registers[ins.src[0]]
    _put_method(frame, ins, *_find_method(type(owner), owner, ins.arg))


def _find_method(cls: type, owner: Any, name: str) -> tuple[Any, Any]:
    """(function, owner) for a plain method of a class that looks attributes up in the plain way, else (attribute, NULL)."""
    plain_lookup: Any = object.__getattribute__
    if cls.__getattribute__ is plain_lookup and name not in getattr(owner, "__dict__", ()):
        for base in cls.__mro__:
            if name in vars(base):
                found = vars(base)[name]
                if isinstance(found, _METHOD_TYPES):
                    return found, owner
                break
    return getattr(owner, name), NULL_OBJECT


def _put_method(frame: _Frame, ins: Instruction, function: Any, owner: Any) -> None:
    lower, upper = ins.dst
    if owner is NULL_OBJECT and frame.jitcode.call_layout == "null_first":
        function, owner = owner, function
    frame.registers[lower], frame.registers[upper] = function, owner


def _super_method(frame: _Frame, ins: Instruction) -> None:
    super_class, cls, owner = (frame.registers[source] for source in ins.src)
    found = getattr(super_class(cls, owner), ins.arg)
    if type(found) is types.MethodType and found.__self__ is owner:
        _put_method(frame, ins, found.__func__, owner)
    else:
        _put_method(frame, ins, found, NULL_OBJECT)


def _call(frame: _Frame, ins: Instruction) -> None:
    lower: Any
    upper: Any
    lower, upper, *given = (frame.registers[source] for source in ins.src)
    if frame.jitcode.call_layout == "null_first" and lower is NULL_OBJECT:
        lower, upper = upper, lower
    arguments = given if upper is NULL_OBJECT else [upper, *given]
    if lower is builtins.super and not arguments:
        arguments = _super_arguments(frame)
    keywords = ins.arg
    split = len(arguments) - len(keywords)
    named = dict(zip(keywords, arguments[split:], strict=True))
    frame.registers[ins.dst[0]] = lower(*arguments[:split], **named)


def _super_arguments(frame: _Frame) -> list[Any]:
    if frame.jitcode.super_arguments is None:
        raise RuntimeError("super(): __class__ cell not found")
    class_register, first_register = frame.jitcode.super_arguments
    first = frame.registers[first_register]
    if frame.jitcode.local_names[first_register] in frame.jitcode.code.co_cellvars:
        first = first.cell_contents
    return [frame.registers[class_register].cell_contents, first]


def _unpack_sequence(frame: _Frame, ins: Instruction) -> None:
    values = unpack_sequence(len(ins.dst), frame.registers[ins.src[0]])
    for register, value in zip(ins.dst, values, strict=True):
        frame.registers[register] = value


def _make_function(frame: _Frame, ins: Instruction) -> None:
    code, *given = (frame.registers[source] for source in ins.src)
    attributes = dict(zip(ins.arg, given, strict=True))
    closure = attributes.pop("closure", None)
    if closure is None and code.co_freevars:
        # 3.13 sets the closure afterwards; FunctionType asks for one at once.
        closure = tuple(types.CellType() for _ in code.co_freevars)
    function = types.FunctionType(code, frame.function.__globals__, None, None, closure)
    for name, value in attributes.items():
        function = OPERATIONS["set_function_attribute"](name, value, function)
    frame.registers[ins.dst[0]] = function


def _import_name(frame: _Frame, ins: Instruction) -> None:
    level, fromlist = (frame.registers[source] for source in ins.src)
    importer = frame.function.__builtins__["__import__"]
    frame.registers[ins.dst[0]] = importer(ins.arg, frame.function.__globals__, None, fromlist, level)


def _for_iter(frame: _Frame, ins: Instruction) -> int | None:
    value = next(frame.registers[ins.src[0]], NULL_OBJECT)
    if value is NULL_OBJECT:
        frame.registers[ins.src[0]] = NULL_OBJECT
        target: int = ins.arg
        return target
    frame.registers[ins.dst[0]] = value
    return None


def _jump(_frame: _Frame, ins: Instruction) -> int:
    target: int = ins.arg
    return target


def _branch_if(test: Callable[[Any], bool]) -> Callable[[_Frame, Instruction], int | None]:
    def branch(frame: _Frame, ins: Instruction) -> int | None:
        return ins.arg if test(frame.registers[ins.src[0]]) else None

    return branch


def _raise(frame: _Frame, ins: Instruction) -> None:
    values = [frame.registers[source] for source in ins.src]
    if not values:
        raise  # noqa: PLE0704 - the handled exception of the thread, as `push_exc_info` set it
    if len(values) == 1:
        raise values[0]
    raise values[0] from values[1]


def _push_exc_info(frame: _Frame, ins: Instruction) -> None:
    frame.registers[ins.dst[0]] = sys.exc_info()[1]
    _set_handled(frame.registers[ins.src[0]])


def _pop_except(frame: _Frame, ins: Instruction) -> None:
    _set_handled(frame.registers[ins.src[0]])


def _unsupported(frame: _Frame, ins: Instruction) -> None:
    raise EvaluationError(f"{frame.jitcode.code.co_qualname}, line {ins.lineno}: {ins.op} {ins.arg}")


FRAME_OPERATIONS: dict[str, Callable[[_Frame, Instruction], int | None]] = {
    "move": _move,
    "swap": _swap,
    "const": _const,
    "null": _null,
    "load_local": _load_local,
    "delete_local": _delete_local,
    "make_cell": _make_cell,
    "load_cell": _load_cell,
    "store_cell": _store_cell,
    "delete_cell": _delete_cell,
    "load_class_cell": _load_class_cell,
    "load_global": _load_global,
    "store_global": _store_global,
    "delete_global": _delete_global,
    "load_build_class": _load_build_class,
    "load_method": _load_method,
    "super_method": _super_method,
    "call": _call,
    "unpack_sequence": _unpack_sequence,
    "make_function": _make_function,
    "import_name": _import_name,
    "for_iter": _for_iter,
    "jump": _jump,
    "branch": _branch_if(bool),
    "branch_not": _branch_if(lambda value: not value),
    "branch_none": _branch_if(lambda value: value is None),
    "branch_not_none": _branch_if(lambda value: value is not None),
    "raise": _raise,
    "push_exc_info": _push_exc_info,
    "pop_except": _pop_except,
    "load_locals": _unsupported,
    "unsupported": _unsupported,
}
"""Operation -> what it does to the frame. "return" and "reraise" are the evaluator's own."""
