"""Calls: which functions are looked into, which are called, and how classes make instances."""

from __future__ import annotations

import builtins
import sys
from enum import Enum, EnumType
from functools import partial
from types import (
    BuiltinFunctionType,
    BuiltinMethodType,
    CellType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import (
    container_creation,
    has_default_initializer,
    has_finalizer,
    is_unmarked,
    lookup_attribute,
    method_fields,
    own_creation,
    plain_creation,
)
from metatracer.errors import AbortReason
from metatracer.frontend.binding import ArgumentMismatch, BoundArguments, bind_arguments
from metatracer.frontend.decode import jitcode_for
from metatracer.hints import HINT_FLAGS, PROMOTING_FLAGS, hint
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.opcodes import fits_i64
from metatracer.ir.pure_calls import NOTHING, fold, is_immutable, is_pure
from metatracer.ir.values import NULL_OBJECT, Const
from metatracer.recorder.closures import closure_by_code
from metatracer.recorder.control import make_cell
from metatracer.recorder.frames import NULL_BOX, Box, MetaFrame, Pending, const_box
from metatracer.recorder.generators import is_generator_function, take_from_locals, virtual_generator
from metatracer.recorder.lists import guard_length, list_item, new_list
from metatracer.recorder.metainterp import MetaInterpreter, handles, is_base
from metatracer.recorder.partials import parts_of_partial
from metatracer.recorder.polymorphism import call_context
from metatracer.recorder.recursion import branching_call, native_call
from metatracer.recorder.tuples import guard_tuple_length, know_texts, new_tuple, tuple_item
from metatracer.recorder.virtual_exceptions import (
    initializer,
    is_base_initializer,
    is_initialized_plainly,
    is_plain_class,
    is_virtual_exception,
    set_arguments,
    virtual_exception,
)
from metatracer.recorder.virtuals import VirtualBox, closure_of, held_by, is_virtual_dict, virtual_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from metatracer.frontend.jitcode import Instruction
    from metatracer.ir.values import Value

NAMED_FUNCTIONS: dict[CodeType, Callable[..., bool]] = {}
"""Code of functions that are made for each named tuple -> handler(meta, frame, instruction, function, arguments, keywords)."""
INTRINSICS: dict[Any, Callable[..., bool]] = {}
"""Builtin function or hint -> handler(meta, frame, instruction, argument boxes) -> whether it was handled.

A handler stores the result itself (`meta.frames[-1].registers`); it may decline (False) before any effect.
"""


def intrinsic(*functions: Any) -> Callable[[Any], Any]:
    """Register the handler of a builtin function or hint (an unhashable or missing one cannot be given)."""

    def register(handler: Any) -> Any:
        for function in functions:
            assert function not in INTRINSICS, function
            INTRINSICS[function] = handler
        return handler

    return register


_FRAME_READERS = {builtins.locals, builtins.vars, builtins.dir, builtins.eval, builtins.exec, builtins.globals, sys._getframe}
"""Functions that look at their caller's frame, which does not exist in a trace."""
_READ_WITHOUT_ARGUMENTS = (builtins.vars, builtins.dir)
"""Those of them that look at an argument instead, if there is one."""


_BRANCHES = "its branches made too many bridges (parameter `tree_limit`)"
_POLYMORPHIC = "many different functions are called here (parameter `promotion_limit`)"

# --- what may be inlined --------------------------------------------------------------------------------------------------


def refusal(meta: MetaInterpreter, function: FunctionType) -> str:
    """Why a Python function is called instead of being looked into; "" if it is looked into."""
    if getattr(function, "_jit_look_inside_", True) is False:
        return "marked @dont_look_inside"
    if getattr(function, "_jit_not_in_trace_", False):
        return "marked @not_in_trace"
    jitcode = meta.host.jitcode_of(function)
    if jitcode.refusal:
        return jitcode.refusal
    noted = jitcode.notes.get("called, not traced")
    if noted:
        return str(noted)
    if not meta.limits.inlining:
        return "the parameter `inlining` is off"
    if len(meta.frames) >= meta.limits.max_inline_depth:
        return "inlined too deeply (parameter `max_inline_depth`)"
    if meta.host.portal_of(function) is None and meta.host.entry_of(function) is None:
        same = sum(1 for frame in meta.frames if frame.jitcode is jitcode)
        if same >= meta.limits.max_inline_recursion:
            return "a recursion that does not go through a portal (parameter `max_unroll_recursion`)"
    return ""


_C_CALLABLES = (BuiltinFunctionType, BuiltinMethodType, MethodDescriptorType, WrapperDescriptorType)


def can_inline(meta: MetaInterpreter, function: Any) -> bool:
    """Whether a callable is a Python function that is looked into."""
    return (
        isinstance(function, FunctionType)
        and not _has_hint(function)
        and function not in INTRINSICS
        and meta.host.portal_of(function) is None
        and not refusal(meta, function)
    )


def _has_hint(function: FunctionType) -> bool:
    return not is_unmarked(function) and any(
        name in vars(function) for name in ("_jit_elidable_", "_jit_loop_invariant_", "_jit_look_inside_iff_")
    )


def call_python(
    meta: MetaInterpreter,
    frame: MetaFrame,
    function: FunctionType,
    arguments: Sequence[Box],
    pending: Pending,
    keywords: Mapping[str, Box] | None = None,
    closure: Sequence[Box] | None = None,
) -> bool:
    """Enter a Python function; False if it is to be called, or the arguments do not fit (which the call finds out).

    Args:
        meta: The meta-interpreter.
        frame: The frame that calls.
        function: What is called.
        arguments: The positional ones.
        pending: What is done with its result.
        keywords: The others.
        closure: The cells of a function that the trace has made, which need not exist.
    """
    jitcode = meta.host.jitcode_of(function)
    try:
        bound = bind_arguments(function, list(arguments), keywords or {}, jitcode)
    except ArgumentMismatch:
        return False
    callee = MetaFrame(jitcode, function, meta.host.portal_of(function), meta.host.headers_of(function))
    _give_arguments(meta, callee, bound)
    callee.context = call_context(frame, jitcode, callee.registers)
    called = None
    if closure is not None:
        for register, cell in zip(jitcode.free_registers, closure, strict=True):
            callee.registers[register] = cell
        callee.function = _template(function.__code__, function)
    if callee.context in meta.polymorphism.called and callee.portal is None:
        called = None if closure is not None or pending.again else branching_call(meta, callee)
        if called is None:
            _note(meta, frame, function, _BRANCHES)
            return False
    if closure is None:
        called = None if pending.again else called or native_call(meta, callee)
        meta.assume(meta.host.function_unchanged(function))
    meta.push_frame(callee, pending)
    if called is not None:
        _make_cells(meta, callee)
        meta.call_inlined(callee, *called)
    return True


def _make_cells(meta: MetaInterpreter, callee: MetaFrame) -> None:
    """Go on to the merge point at the entry of a helper."""
    instructions = callee.jitcode.instructions
    while (instruction := instructions[callee.position]).op == "make_cell":
        make_cell(meta, callee, instruction)
        callee.position += 1
    meta.stand_at(callee, instruction.index)


def _give_arguments(meta: MetaInterpreter, callee: MetaFrame, bound: BoundArguments) -> None:
    """Put the arguments of a call into the registers of the frame."""
    for register, value in enumerate(bound.values):
        if value is NULL_OBJECT:
            continue
        if register in bound.own:
            value = const_box(value)
        elif register == bound.star_args:
            refs = [meta.ref(box) for box in value]
            objects = tuple([box.object for box in value])
            value = Box(objects, new_tuple(meta, refs)) if objects else const_box(())
        elif register == bound.star_kwargs:
            value = virtual_dict(tuple(value), list(value.values()))
        callee.registers[register] = value


def enter_fused(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    consumer: str,
    generator: VirtualBox,
    others: Sequence[Box],
) -> bool:
    """Enter the function that makes a generator and consumes it; False if there is none, or it is not looked into."""
    fused = meta.host.fused(generator.parts[0].object.__code__, consumer)
    callee = None if fused is None else generator_frame(meta, frame, generator, fused.code)
    if callee is None:
        return False
    for register, box in zip(fused.arguments, others, strict=True):
        callee.registers[register] = box
    take_from_locals(meta, generator)
    for register in instruction.src:
        if frame.registers[register] is generator:
            frame.registers[register] = None  # what it held, the callee's frame holds alone
    callee.context = call_context(frame, callee.jitcode, callee.registers)
    meta.push_frame(callee, Pending(instruction, deliver_result))
    return True


def generator_frame(meta: MetaInterpreter, frame: MetaFrame, generator: VirtualBox, code: CodeType) -> MetaFrame | None:
    """A frame at the beginning of a generator, which runs other code made of the generator's; None if it is not looked into."""
    function, keywords, *arguments = generator.parts
    target = function.object
    template = _template(code, target)
    reason = refusal(meta, template)
    if reason:
        _note(meta, frame, target, reason)
        return None
    if isinstance(function, VirtualBox) and function.is_virtual:
        closure = closure_of(meta, function)
    else:
        closure = tuple([const_box(cell) for cell in target.__closure__ or ()])
    if closure is None:
        return None
    split = len(arguments) - len(keywords.object)
    named = dict(zip(keywords.object, arguments[split:], strict=True))
    bound = bind_arguments(target, arguments[:split], named, meta.host.jitcode_of(target))
    del bound.values[len(target.__code__.co_varnames) :]
    jitcode = meta.host.jitcode_of(template)
    callee = MetaFrame(jitcode, template, None, meta.host.headers_of(template))
    _give_arguments(meta, callee, bound)
    for register, box in zip(jitcode.free_registers, closure, strict=True):
        callee.registers[register] = box
    return callee


# --- results ----------------------------------------------------------------------------------------------------------------


def set_result(frame: MetaFrame, instruction: Instruction, box: Box) -> None:
    """Put a call's result where the instruction wants it."""
    frame.registers[instruction.dst[0]] = box


def deliver_result(meta: MetaInterpreter, frame: MetaFrame, result: Box) -> None:
    """Put a result where the call that the frame waits in wants it."""
    set_result(frame, frame.jitcode.instructions[frame.position - 1], result)


# --- the call instructions ----------------------------------------------------------------------------------------------------


@handles("call")
def call(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """A call with explicit arguments."""
    lower, upper = frame.box(instruction.src[0]), frame.box(instruction.src[1])
    arguments = [frame.box(register) for register in instruction.src[2:]]
    if frame.jitcode.call_layout == "null_first" and lower.object is NULL_OBJECT:
        function = upper
    else:
        function = lower
        if upper.object is not NULL_OBJECT:
            arguments.insert(0, upper)
    call_object(meta, frame, instruction, function, arguments, instruction.arg)


@handles("call_ex")
def call_ex(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """A call with `*args` or `**kwargs`."""
    function, args = frame.box(instruction.src[0]), frame.box(instruction.src[1])
    keywords = frame.registers[instruction.src[2]] if len(instruction.src) > 2 else None
    if keywords is not None and keywords.object is NULL_OBJECT:
        keywords = None
    names: tuple[str, ...] = ()
    given: list[Box] = []
    no_keywords = keywords is None or (type(keywords.object) is dict and not keywords.object and keywords.is_const)
    if is_virtual_dict(keywords):
        assert isinstance(keywords, VirtualBox)
        names, given, no_keywords = keywords.parts[0].object, keywords.parts[1:], True
    if no_keywords and type(args.object) is tuple and len(args.object) < 32:
        meta.guard_class(args)
        value = meta.ref(args)
        count = len(args.object)
        if not isinstance(value, Const):
            guard_tuple_length(meta, value, count)
        boxes = [tuple_item(meta, value, Const("i", position), item) for position, item in enumerate(args.object)]
        call_object(meta, frame, instruction, function, [*boxes, *given], names)
        return
    if no_keywords and type(args.object) is list and len(args.object) < 32:
        guard_length(meta, args)
        value = meta.ref(args)
        boxes = [list_item(meta, value, Const("i", position), item) for position, item in enumerate(args.object)]
        call_object(meta, frame, instruction, function, [*boxes, *given], names)
        return
    helper = const_box(_call_ex)
    boxes = [function, args, keywords if keywords is not None else const_box(None)]
    meta.residual_call(frame, instruction, helper, boxes)


def _call_ex(function: Any, args: Any, keywords: Any) -> Any:
    return function(*args) if keywords is None else function(*args, **keywords)


def call_object(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    function: Box,
    arguments: list[Box],
    keywords: tuple[str, ...],
) -> None:
    """Call any object: look into it if possible, else record a call of it."""
    parts = _called(meta, frame, instruction, function, arguments, keywords)
    if parts is not None:
        call_object(meta, frame, instruction, *parts)
        return
    target = function.object
    kind = type(target)
    if not keywords and _call_intrinsic(meta, frame, instruction, function, arguments):
        return
    if target is hint and function.is_const and _call_hint(meta, frame, instruction, arguments, keywords):
        return
    if not keywords and function.is_const and is_pure(target):
        know_texts(meta, *arguments)
        folded = _fold(meta, function, arguments)
        if folded is not None:
            set_result(frame, instruction, folded)
            return
    if kind is FunctionType:
        if _call_function(meta, frame, instruction, function, arguments, keywords):
            return
    elif isinstance(target, type):
        if _call_class(meta, frame, instruction, function, arguments, keywords):
            return
    else:
        found = lookup_attribute(kind, "__call__")
        if found.kind == "method" and meta.is_steady(kind) and can_inline(meta, found.attribute):
            meta.guard_class(function)
            meta.rely_on_class(kind)
            pending = Pending(instruction, deliver_result)
            if _enter(meta, frame, found.attribute, [function, *arguments], keywords, pending):
                return
        elif not isinstance(target, (*_C_CALLABLES, MethodType)):
            _note(meta, frame, target, "an object that is no Python function")
    if _reads_frame(target, arguments):
        name = getattr(target, "__name__", repr(target))
        frame.jitcode.notes["called, not traced"] = f"it calls {name}, which looks at its caller's frame"
        raise meta.aborted(AbortReason.UNSUPPORTED, f"{name}() looks at its caller's frame")
    if isinstance(target, _C_CALLABLES):
        _note(meta, frame, target, "a C function")
    meta.residual_call(frame, instruction, function, arguments, keywords, known=_result_type(target))


def _called(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    function: Box,
    arguments: list[Box],
    keywords: tuple[str, ...],
) -> tuple[Box, list[Box], tuple[str, ...]] | None:
    """What a call of a bound method, or of a partial, really calls and with what; None: it is called as it is."""
    kind = type(function.object)
    if isinstance(function, VirtualBox) and function.is_virtual and function.cls is MethodType:
        method, receiver = function.parts
        return method, [receiver, *arguments], keywords
    if kind is MethodType:
        method, receiver = _method_parts(meta, function)
        return method, [receiver, *arguments], keywords
    return parts_of_partial(meta, frame, instruction, function, arguments, keywords) if kind is partial else None


def _reads_frame(target: Any, arguments: list[Box]) -> bool:
    if not any(target is reader for reader in _FRAME_READERS):
        return False
    return not arguments or not any(target is reader for reader in _READ_WITHOUT_ARGUMENTS)


_MOST_ITEMS = 64


def _fold(meta: MetaInterpreter, function: Box, arguments: list[Box]) -> Box | None:
    """The result of a pure function of constants; a list is made anew each time, of constant items."""
    if not all(box.is_const for box in arguments):
        return None
    result = fold(function.object, [box.object for box in arguments])
    if result is NOTHING:
        return None
    if is_immutable(result):
        return const_box(result)
    if type(result) is not list or len(result) > _MOST_ITEMS or not all(map(is_immutable, result)):
        return None
    return Box(result, new_list(meta, [Const("r", item) for item in result]))


def _method_parts(meta: MetaInterpreter, method: Box) -> tuple[Box, Box]:
    """Function and receiver of a bound method: the method itself may be another one each time."""
    from metatracer.recorder.attributes import read_fixed

    target = method.object
    fields = method_fields()
    if method.is_const:
        return const_box(target.__func__), const_box(target.__self__)
    meta.guard_class(method)
    return read_fixed(meta, method, fields[0], target.__func__), read_fixed(meta, method, fields[1], target.__self__)


def _result_type(target: Any) -> type | None:
    """Exact class of what some builtin classes and functions give."""
    if type(target) not in (type, BuiltinFunctionType):
        return None  # comparing anything else may be code of the guest
    if target in (list, tuple, dict, set, frozenset, range, enumerate, zip, slice, bytearray, repr, sorted):
        cls: type = {repr: str, sorted: list}.get(target, target)
        return cls
    return None


def _note(meta: MetaInterpreter, frame: MetaFrame, target: Any, reason: str) -> None:
    """Keep for `explain` why a call is not looked into."""
    name = getattr(target, "__qualname__", None) or type(target).__qualname__
    code = frame.jitcode.code
    meta.host.note_residual(name, code.co_filename, frame.line, reason)


def _call_intrinsic(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, function: Box, arguments: list[Box]
) -> bool:
    target = function.object
    if is_base_initializer(target):
        return _set_arguments(meta, frame, instruction, function, arguments)
    # Only of these classes are there intrinsics; the hash of anything else may be code of the guest.
    if type(target) not in (FunctionType, BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType, type):
        return False
    handler = INTRINSICS.get(target)
    if handler is None:
        return False
    if not function.is_const and not meta.promote_unless_polymorphic(function):
        return False
    return handler(meta, frame, instruction, arguments)


def _call_hint(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, arguments: list[Box], keywords: tuple[str, ...]
) -> bool:
    """`hint(x, flag=True, ...)` is `x`; False if the call is for CPython, which finds the mistake in it."""
    value, flags = arguments[0] if arguments else NULL_BOX, arguments[1:]
    if len(flags) != len(keywords) or value is NULL_BOX or not HINT_FLAGS.issuperset(keywords):
        return False
    given = {name for name, flag in zip(keywords, flags, strict=True) if flag.is_const and type(flag.object) is bool}
    if len(given) < len(keywords):
        return False
    if any(flag.object and name in PROMOTING_FLAGS for name, flag in zip(keywords, flags, strict=True)):
        meta.promote_unless_polymorphic(value)
    set_result(frame, instruction, value)
    return True


def _enter(
    meta: MetaInterpreter,
    frame: MetaFrame,
    function: FunctionType,
    arguments: list[Box],
    keywords: tuple[str, ...],
    pending: Pending,
    closure: Sequence[Box] | None = None,
) -> bool:
    split = len(arguments) - len(keywords)
    named = dict(zip(keywords, arguments[split:], strict=True))
    return call_python(meta, frame, function, arguments[:split], pending, named, closure)


def _call_function(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    function: Box,
    arguments: list[Box],
    keywords: tuple[str, ...],
) -> bool:
    target = function.object
    marks = {} if is_unmarked(target) else vars(target)
    if marks and (marks.get("_jit_elidable_") or marks.get("_jit_loop_invariant_")):
        if _call_elidable(meta, frame, instruction, function, arguments, keywords):
            return True
        # Nobody needs the call itself; where an argument is one of too many values, looking into it is what is left.
        if all(box.ref not in meta.unpromoted for box in arguments):
            return False
    handler = NAMED_FUNCTIONS.get(target.__code__)
    if handler is not None and handler(meta, frame, instruction, function, arguments, keywords):
        return True
    reason = refusal(meta, target)
    if reason and is_generator_function(meta, target):
        made = _call_generator(meta, function, arguments, keywords)
        if made is not None:
            set_result(frame, instruction, made)
            return True
    predicate = marks.get("_jit_look_inside_iff_") if marks else None
    if not reason and predicate is not None and not _ask_predicate(meta, predicate, arguments):
        reason = "the predicate of @look_inside_iff said no"
    if reason:
        _note(meta, frame, target, reason)
        return False
    closure = None
    if isinstance(function, VirtualBox) and function.is_virtual:
        closure = closure_of(meta, function)
        if closure is None:
            return False
    elif not function.is_const:
        closure = closure_by_code(meta, function)
        if closure is None and not meta.promote_unless_polymorphic(function):
            _note(meta, frame, target, _POLYMORPHIC)
            return False
    return _enter(meta, frame, target, arguments, keywords, Pending(instruction, deliver_result), closure)


def _call_generator(
    meta: MetaInterpreter, function: Box, arguments: list[Box], keywords: tuple[str, ...]
) -> VirtualBox | None:
    """Calling a generator function does nothing yet; None if it has to be called."""
    is_known = function.is_const or (isinstance(function, VirtualBox) and function.is_virtual)
    if not is_known and not meta.promote_unless_polymorphic(function):
        return None
    return virtual_generator(meta, function, arguments, keywords)


def _template(code: CodeType, made: FunctionType) -> FunctionType:
    """A function like the one just made, for snapshots: they stay as long as the trace, its cells must not."""
    templates = jitcode_for(code).notes.setdefault("templates", {})
    template = templates.get(id(made.__globals__))
    if template is None:
        cells = tuple([CellType() for _ in code.co_freevars])
        template = FunctionType(code, made.__globals__, made.__name__, None, cells)
        templates[id(made.__globals__)] = template
    return template  # type: ignore[no-any-return]


def _ask_predicate(meta: MetaInterpreter, predicate: Callable[..., bool], arguments: list[Box]) -> bool:
    """The predicate sees the arguments; `isconstant` and `isvirtual` inside it see what the trace knows of them."""
    from metatracer.hints import constants_of_predicate

    with constants_of_predicate([box.object for box in arguments if box.is_const]):
        return bool(predicate(*[box.object for box in arguments]))


def _call_elidable(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    function: Box,
    arguments: list[Box],
    keywords: tuple[str, ...],
) -> bool:
    """A function promised to depend on its arguments only: folded when they are known."""
    if not function.is_const or not all(box.is_const for box in arguments):
        return False
    split = len(arguments) - len(keywords)
    named = {name: box.object for name, box in zip(keywords, arguments[split:], strict=True)}
    outcome = [*meta.execute(function.object, *[box.object for box in arguments[:split]], **named)]
    if outcome.pop() is not None:
        return False  # called again below, visibly: an elidable function may be called any number of times
    meta.effect_done = False
    meta.assume(meta.host.function_unchanged(function.object))
    set_result(frame, instruction, const_box(outcome[0]))
    return True


# --- classes ----------------------------------------------------------------------------------------------------------------


def _call_enum(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, function: Box, argument: Box) -> bool:
    """`Op(value)`: the member that has a value, which is made a constant; a member itself is what it gives."""
    cls, value = function.object, argument.object
    if not function.is_const or not meta.is_steady(cls) or cls.__new__ is not Enum.__new__:
        return False
    member = value
    if type(value) in _VALUES:
        member = cls._value2member_map_.get(value)
    if type(member) is not cls:
        return False
    if member is value:
        meta.guard_class(argument)
        meta.rely_on_class(cls)
        set_result(frame, instruction, argument)
        return True
    if not argument.is_const and not _promote_value(meta, argument, member):
        return False
    meta.rely_on_class(cls)  # EnumType lets nobody take a member away
    set_result(frame, instruction, const_box(member))
    return True


def _promote_value(meta: MetaInterpreter, value: Box, member: Any) -> bool:
    """Make the value of a member of an enumeration a constant of the trace, unless this place has seen too many."""
    if type(value.object) not in (int, str) or (type(value.object) is int and not fits_i64(value.object)):
        return False
    if not meta.may_promote(member):
        return False
    meta.promote(value)
    return True


_VALUES = (int, str, bytes, bool, float)


def _call_class(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    function: Box,
    arguments: list[Box],
    keywords: tuple[str, ...],
) -> bool:
    """`cls(...)` with `object.__new__` and a Python-level `__init__` or none."""
    cls = function.object
    if type(cls) is EnumType and len(arguments) == 1 and not keywords:
        return _call_enum(meta, frame, instruction, function, arguments[0])
    creation = plain_creation(cls)
    if creation is None and (new := own_creation(cls)) is not None:
        return _call_new(meta, frame, instruction, function, new, arguments, keywords)
    if creation is None and is_plain_class(cls) and meta.is_steady(cls):
        return _call_exception_class(meta, frame, instruction, function, arguments, keywords)
    if creation is None:
        return _call_container_class(meta, frame, instruction, function, arguments, keywords)
    if not meta.is_steady(cls) or has_finalizer(cls):
        return False
    if creation.init is not None and not (creation.is_function and can_inline(meta, creation.init)):
        return False
    if creation.init is None and (arguments or keywords):
        return False
    if not function.is_const and not meta.promote_unless_polymorphic(function):
        return False
    if creation.init is not None and not _fits(meta, creation.init, arguments, keywords):
        return False
    meta.rely_on_class(cls)
    op = meta.emit(ops.NEW, descr=cls)
    meta.know_type(op, cls)
    instance = Box(object.__new__(cls), op)
    if creation.init is None:
        set_result(frame, instruction, instance)
        return True
    return _initialize(meta, frame, instruction, instance, creation.init, arguments, keywords)


def _call_new(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    function: Box,
    new: FunctionType,
    arguments: list[Box],
    keywords: tuple[str, ...],
) -> bool:
    """A class with a Python-level `__new__`, which says what the call gives; that is not initialized, if it is as it was."""
    cls = function.object
    if not meta.is_steady(cls) or not can_inline(meta, new):
        return False
    if not function.is_const and not meta.promote_unless_polymorphic(function):
        return False
    meta.rely_on_class(cls)

    def check(meta: MetaInterpreter, result: Box) -> None:
        made = type(result.object)
        if is_base(cls, made):
            if not has_default_initializer(made) or not meta.is_steady(made):
                raise meta.aborted(AbortReason.UNSUPPORTED, "a __new__ gave an instance that is initialized")
            meta.rely_on_class(made)
        meta.guard_class(result)

    finish = _FINISH_NEW.setdefault(keywords, _FinishNew(keywords))
    pending = Pending(instruction, deliver_result, finish, (function, *arguments), True, check)
    return _enter(meta, frame, new, [function, *arguments], keywords, pending)


class _FinishNew:
    """What is left of a call of a class when its `__new__` has returned."""

    __slots__ = ("keywords",)

    def __init__(self, keywords: tuple[str, ...]) -> None:
        self.keywords = keywords

    def __call__(self, result: Any, cls: type, *arguments: Any) -> Any:
        if is_base(cls, type(result)):
            split = len(arguments) - len(self.keywords)
            type(result).__init__(result, *arguments[:split], **dict(zip(self.keywords, arguments[split:], strict=True)))
        return result


_FINISH_NEW: dict[tuple[str, ...], _FinishNew] = {}


def _initialize(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    instance: Box,
    init: Any,
    arguments: list[Box],
    keywords: tuple[str, ...],
) -> bool:
    """Look into the initializer of an instance that has been made; the call gives the instance."""

    def deliver(meta: MetaInterpreter, below: MetaFrame, _result: Box) -> None:
        set_result(below, instruction, instance)

    pending = Pending(instruction, deliver, finish_init, (instance,), True, _check_init)
    return _enter(meta, frame, init, [instance, *arguments], keywords, pending)


def _fits(meta: MetaInterpreter, init: Any, arguments: list[Box], keywords: tuple[str, ...]) -> bool:
    """Whether an initializer takes these arguments, which must be known before anything is recorded."""
    try:
        split = len(arguments) - len(keywords)
        named = dict(zip(keywords, arguments[split:], strict=True))
        bound = bind_arguments(init, [NULL_BOX, *arguments[:split]], named, meta.host.jitcode_of(init))
    except ArgumentMismatch:
        return False
    return bound.star_kwargs < 0 or not bound.values[bound.star_kwargs]


def _call_container_class(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    function: Box,
    arguments: list[Box],
    keywords: tuple[str, ...],
) -> bool:
    """A subclass of dict or list with an `__init__` of its own."""
    cls = function.object
    creation = container_creation(cls)
    if creation is None or not meta.is_steady(cls) or has_finalizer(cls):
        return False
    new, init = creation
    if not can_inline(meta, init) or not _fits(meta, init, arguments, keywords):
        return False
    if not function.is_const and not meta.promote_unless_polymorphic(function):
        return False
    meta.rely_on_class(cls)
    start = meta.snapshot()
    refs: list[Value] = [Const("r", new), Const("r", cls)]
    instance = meta.c_call(
        frame, instruction, c.NEW_CONTAINER, refs, [new, cls], store=lambda _: None, snapshot=lambda: start
    )
    assert instance.ref is not None
    meta.know_type(instance.ref, cls)
    meta.effect_done = False  # nobody has seen it yet: the instruction may still be repeated
    return _initialize(meta, frame, instruction, instance, init, arguments, keywords)


def _call_exception_class(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    function: Box,
    arguments: list[Box],
    keywords: tuple[str, ...],
) -> bool:
    """An exception that may never have to exist."""
    cls = function.object
    init = initializer(cls)
    if not function.is_const or not _may_be_parts(arguments):
        return False
    if init is None:
        if keywords or not is_initialized_plainly(cls):
            return False
        meta.rely_on_class(cls)
        set_result(frame, instruction, virtual_exception(cls, arguments))
        return True
    if not can_inline(meta, init):
        return False
    # `__new__` takes the positional arguments; those with a name are for `__init__` alone.
    instance = virtual_exception(cls, arguments[: len(arguments) - len(keywords)])
    meta.rely_on_class(cls)
    return _initialize(meta, frame, instruction, instance, init, arguments, keywords)


def _may_be_parts(arguments: list[Box]) -> bool:
    """Whether these may be parts of an exception that has not been made."""
    return all(not isinstance(box, VirtualBox) or is_virtual_exception(box) for box in arguments)


def _set_arguments(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, function: Box, arguments: list[Box]
) -> bool:
    """`super().__init__(...)` in the initializer of an exception that has not been made."""
    if not function.is_const or not arguments or not is_virtual_exception(arguments[0]):
        return False
    exception, *given = arguments
    if not _may_be_parts(given) or held_by(given, exception):
        return False
    set_arguments(meta, exception, given)
    set_result(frame, instruction, const_box(None))
    return True


def finish_init(result: Any, instance: Any) -> Any:
    """What `cls(...)` gives when `__init__` has returned."""
    if result is not None:
        raise TypeError(f"__init__() should return None, not '{type(result).__name__}'")
    return instance


def _check_init(meta: MetaInterpreter, result: Box) -> None:
    """At the return of `__init__`."""
    if result.object is not None:
        raise meta.aborted(AbortReason.UNSUPPORTED, "an __init__ returned a value")
    if not result.is_const:
        meta.promote(result)
