"""Exceptions that exist only in the trace: those by which interpreters return, break and continue.

`raise Return(value)` caught by a frame of the same trace is a jump with a value. So an instance of an ordinary exception
class is kept in parts (`virtuals.VirtualBox` with the class BaseException): a `Recipe` and the values for it. Raising adds
traceback entries to the recipe; a handler that computes, and stores what it has computed, never needs the object, and so
the thread's handled exception is not set either: exits do that (`virtuals.HandledBefore`). What runs other code, which could
look at it, makes it for real first.

An exception's context is what is handled when it is raised. If that is virtual itself, it is a part, as a cause is. If the trace
handles nothing itself, it is left to the time when the object is made: in between, the thread's handled exception is the one of
whoever called the trace.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import has_finalizer, lookup_attribute, raw_lookup
from metatracer.ir import opcodes as ops
from metatracer.ir.opcodes import Effect
from metatracer.ir.values import Const
from metatracer.recorder.frames import Box, const_box
from metatracer.recorder.tracebacks import add_entries, raise_here
from metatracer.recorder.tuples import new_tuple
from metatracer.recorder.virtuals import VirtualBox, held_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metatracer.frontend.jitcode import Instruction, JitCode
    from metatracer.ir.opcodes import Opcode
    from metatracer.recorder.frames import MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter
    from metatracer.recorder.tracebacks import Place


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """How an exception is made from values: `n_args` arguments, one for each of `names`, and perhaps its context and cause.

    Attributes:
        cls: Its class.
        n_args: How many values are its `args`.
        names: Its attributes.
        places: Its traceback entries, innermost first; () if it has not been raised.
        has_context: It was raised while the trace handled another. Without, the context is what is handled when it is made.
        has_cause: It was raised `from` something.
    """

    cls: type[BaseException]
    n_args: int
    names: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    has_context: bool = False
    has_cause: bool = False

    @property
    def n_values(self) -> int:
        """How many values are arguments and attributes."""
        return self.n_args + len(self.names)

    def make(self, *values: Any) -> BaseException:
        """The real exception."""
        cls, n_args, n_values = self.cls, self.n_args, self.n_values
        made = cls.__new__(cls, *values[:n_args])
        if self.names:
            made.__dict__.update(zip(self.names, values[n_args:n_values], strict=True))
        if not self.places:
            return made
        if self.has_cause:
            made.__cause__ = values[-1]
        if self.has_context:
            made.__context__ = values[n_values]
        elif sys.exception() is not None:
            return raise_here(made, None, False, *self.places)
        entries = None
        for place in self.places:
            entries = TracebackType(entries, place.frame, place.lasti, place.lineno)
        made.__traceback__ = entries
        return made


_PLAIN = (
    BaseException, Exception, object, ArithmeticError, ZeroDivisionError, OverflowError, FloatingPointError, LookupError,
    IndexError, KeyError, ValueError, TypeError, RuntimeError, NotImplementedError, RecursionError, AssertionError, EOFError,
)  # fmt: skip
"""Builtin classes whose instances have what BaseException gives them, and no more."""
_INITIALIZERS = frozenset({cls.__init__ for cls in _PLAIN if cls is not object})


def is_initialized_plainly(cls: type) -> bool:
    """Whether a plain class has no `__init__` of its own."""
    return raw_lookup(cls, "__init__")[1] in _PLAIN


def is_made_by_raising(meta: MetaInterpreter, cls: type) -> bool:
    """Whether `raise cls` needs no instance; relies on what makes it so. StopIteration without a value is as plain as others."""
    if cls is StopIteration:
        return True
    if not is_plain_class(cls) or not meta.is_steady(cls) or not is_initialized_plainly(cls):
        return False
    meta.rely_on_class(cls)
    return True


def is_plain_class(cls: type) -> bool:
    """Whether making an instance is `BaseException.__new__` and `__init__`, and its attributes are in its dictionary."""
    if type(cls) is not type or not issubclass(cls, BaseException) or has_finalizer(cls):
        return False
    if any(base not in _PLAIN and (base.__module__ == "builtins" or "__slots__" in vars(base)) for base in cls.__mro__):
        return False
    owners = [raw_lookup(cls, name)[1] for name in ("__new__", "__setattr__", "__getattribute__")]
    return all(owner in _PLAIN for owner in owners) and raw_lookup(cls, "__getattr__")[1] is None


def initializer(cls: type) -> FunctionType | None:
    """The Python function that is a class's `__init__`."""
    init = raw_lookup(cls, "__init__")[0]
    return init if type(init) is FunctionType else None


def virtual_exception(cls: type[BaseException], arguments: Sequence[Box]) -> VirtualBox:
    """An instance on which `__init__` has not run."""
    made = cls.__new__(cls, *[box.object for box in arguments])
    return VirtualBox(made, BaseException, [const_box(Recipe(cls, len(arguments))), *arguments])


def is_virtual_exception(box: Box) -> bool:
    """Whether a box is an exception that has not been made."""
    return isinstance(box, VirtualBox) and box.is_virtual and box.cls is BaseException


def _recipe(box: VirtualBox) -> Recipe:
    recipe: Recipe = box.parts[0].object
    return recipe


def read_attribute(meta: MetaInterpreter, frame: MetaFrame, box: Box, instruction: Instruction) -> Box | None:
    """What an attribute holds, if it is one of the parts, or its arguments."""
    assert isinstance(box, VirtualBox)
    recipe, name = _recipe(box), instruction.arg
    if not _is_readable(meta, frame.jitcode, recipe, instruction):
        return None
    if recipe.cls is not StopIteration:
        meta.rely_on_class(recipe.cls)
    if name in recipe.names:
        return box.parts[1 + recipe.n_args + recipe.names.index(name)]
    arguments = box.parts[1 : 1 + recipe.n_args]
    if name == "value":
        return const_box(None)
    if not arguments:
        return const_box(())
    return Box(tuple([argument.object for argument in arguments]), new_tuple(meta, [meta.ref(each) for each in arguments]))


def _is_readable(meta: MetaInterpreter, jitcode: JitCode, recipe: Recipe, instruction: Instruction) -> bool:
    """Whether an attribute can be read of an exception that has not been made."""
    cls, name = recipe.cls, instruction.arg
    if cls is not StopIteration and not meta.is_steady(cls):
        return False
    if name in recipe.names or (cls is StopIteration and name == "value"):
        return True
    if name != "args" or raw_lookup(cls, name)[1] is not BaseException:
        return False
    return recipe.n_args == 0 or _is_taken_apart(jitcode, instruction)


def _is_taken_apart(jitcode: JitCode, instruction: Instruction) -> bool:
    """Whether what an instruction gives is a tuple of which nobody sees more than its items: `error.args[0]`."""
    register = instruction.dst[0]
    position = jitcode.positions[instruction.next_index]
    for following in jitcode.instructions[position : position + 2]:
        if register in following.src:
            return following.op in ("getitem", "unpack_sequence") and following.src.index(register) == 0
        if following.op not in ("const", "load_local"):
            return False
    return False


def write_attribute(meta: MetaInterpreter, box: Box, name: str, value: Box) -> bool:
    """Set an attribute; False if that does more than to put it into the dictionary."""
    assert isinstance(box, VirtualBox)
    recipe = _recipe(box)
    if name.startswith("__") or not meta.is_steady(recipe.cls) or lookup_attribute(recipe.cls, name).kind != "missing":
        return False
    meta.rely_on_class(recipe.cls)
    if held_by([value], box):
        return False
    parts = list(box.parts)
    if name in recipe.names:
        parts[1 + recipe.n_args + recipe.names.index(name)] = value
    else:
        parts[0] = const_box(replace(recipe, names=(*recipe.names, name)))
        parts.insert(1 + recipe.n_values, value)
    meta.effect_done = True
    box.object.__dict__[name] = value.object
    box.set_parts(parts)
    meta.forget_states()
    return True


def is_base_initializer(function: Any) -> bool:
    """Whether this is the `__init__` that sets the arguments of an exception, as making it has done before."""
    return type(function) is type(BaseException.__init__) and function in _INITIALIZERS


def set_arguments(meta: MetaInterpreter, box: Box, arguments: Sequence[Box]) -> None:
    """A base initializer is called for the exception."""
    assert isinstance(box, VirtualBox)
    recipe = _recipe(box)
    meta.effect_done = True
    BaseException.__init__(box.object, *[argument.object for argument in arguments])
    attributes = box.parts[1 + recipe.n_args :]
    box.set_parts([const_box(replace(recipe, n_args=len(arguments))), *arguments, *attributes])
    meta.forget_states()


def add_places(meta: MetaInterpreter, box: Box, places: Sequence[Place]) -> None:
    """It has been raised, or left frames."""
    assert isinstance(box, VirtualBox)
    recipe = _recipe(box)
    meta.effect_done = True
    add_entries(box.object, *places)
    box.set_parts([const_box(replace(recipe, places=(*recipe.places, *places))), *box.parts[1:]])
    meta.forget_states()


def note_raised(meta: MetaInterpreter, box: Box, cause: Box | None) -> bool:
    """Note the context and the cause that a `raise` gives it; False if it has to exist for that."""
    assert isinstance(box, VirtualBox)
    recipe = _recipe(box)
    context = meta.handling[-1].parts[0] if meta.handling else None
    if context is None and sys.exception() is not None:
        return False  # what the trace has handled for real is not known any more
    if context is box:
        context = None  # its own handler raises it again
    if context is not None and recipe.places:
        return False  # it may be in the chain of contexts already, which must not become a circle
    if cause is None and context is None:
        return True
    if recipe.has_cause or recipe.has_context or (cause is not None and held_by([cause], box)):
        return False
    if cause is not None and not (cause.is_const and cause.object is None):
        if not isinstance(cause.object, BaseException):
            return False
        meta.guard_class(cause)
    meta.effect_done = True
    parts = [part for part in (context, cause) if part is not None]
    recipe = replace(recipe, has_context=context is not None, has_cause=cause is not None)
    box.set_parts([const_box(recipe), *box.parts[1:], *parts])
    if cause is not None:
        box.object.__cause__ = cause.object
    if context is not None:
        box.object.__context__ = context.object
    meta.forget_states()
    return True


def has_handler(meta: MetaInterpreter) -> bool:
    """Whether an exception that is raised or passed on now has a handler in the trace."""
    frames = meta.frames
    outer = [frame.pending.instruction.index for frame in frames[:-1] if frame.pending is not None]
    indices = [*outer, frames[-1].index]
    return any(index in frame.jitcode.handlers for frame, index in zip(frames, indices, strict=True))


# --- handling -------------------------------------------------------------------------------------------------------------


def is_unobserved(opcode: Opcode) -> bool:
    """Whether nobody who looks at the handled exception can run because of an operation."""
    return not (
        opcode.runs_code
        or opcode.can_raise
        or opcode.is_control
        or opcode.name.startswith("call")
        or (opcode.reads | opcode.writes) & Effect.EXC_INFO
    )


def keeps_virtual(meta: MetaInterpreter, frame: MetaFrame) -> bool:
    """Whether what is handled need not be real yet when the CPython instruction that begins now has started.

    Either nobody can see it, or what it records first comes before anything that it does (`_WATCHED`), so that the
    exception can still be made then.
    """
    if frame.index in frame.jitcode.notes.get("records late", ()):
        return False
    instructions = frame.jitcode.instructions
    position = frame.position
    start = position
    while position < len(instructions) and (position == start or not instructions[position].is_start):
        if not _keeps_virtual(meta, frame, instructions[position]):
            return False
        position += 1
    return True


_SILENT = frozenset({"move", "swap", "const", "null", "jump", "pop_except", "reraise", "push_exc_info"})


_WATCHED = frozenset(
    {
        "load_method", "call", "compare", "compare_truth", "is", "get_iter", "for_iter", "getitem", "return", "truth", "not",
        "branch_none", "branch_not_none", "raise", "unpack_sequence", "binary", "unary", "setattr", "setitem", "load_cell",
        "store_cell", "build_tuple", "build_list", "list_append", "super_method",
    }
)  # fmt: skip


def _keeps_virtual(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> bool:
    name = instruction.op
    if name in _SILENT or name in _WATCHED:
        return True
    registers = frame.registers
    if name in ("load_local", "delete_local"):
        return registers[instruction.src[0] if instruction.src else instruction.dst[0]] is not None
    if name == "load_global":
        namespace = frame.function.__globals__
        known = instruction.arg in namespace or instruction.arg in frame.function.__builtins__
        return known and not meta.host.is_mutable_item(namespace, instruction.arg)
    if name == "check_exc_match":
        exception, classes = (frame.box(register) for register in instruction.src)
        return is_virtual_exception(exception) and classes.is_const and meta.is_steady(type(exception.object))
    if name in ("branch", "branch_not"):
        return True
    if name == "getattr":
        box = frame.box(instruction.src[0])
        if not (is_virtual_exception(box) and isinstance(box, VirtualBox)):
            return True
        return _is_readable(meta, frame.jitcode, _recipe(box), instruction)
    return False


def make_handled(meta: MetaInterpreter) -> None:
    """Make the exceptions that are handled, and make them the thread's handled ones."""
    handling, meta.handling = meta.handling, []
    for previous in handling:
        (exception_box,) = previous.parts
        # Making it wants to know what was handled before, both for its context and for the exit it may take.
        previous.ref = meta.emit(ops.PUSH_EXC_INFO, Const("r", None))
        meta.emit(ops.POP_EXC_INFO, previous.ref)
        meta.forget_states()
        exception = meta.ref(exception_box)
        make_raised(meta)
        meta.emit(ops.PUSH_EXC_INFO, exception)


def make_raised(meta: MetaInterpreter) -> None:
    """Make what has been raised, before the trace handles anything for real, which would become its context."""
    for frame in meta.frames:
        for box in frame.registers:
            if box is not None:
                _make_raised(meta, box)


def _make_raised(meta: MetaInterpreter, box: Box) -> None:
    if isinstance(box, VirtualBox) and box.is_virtual:
        if box.cls is BaseException and _recipe(box).places:
            meta.ref(box)
            return
        for part in box.parts:
            _make_raised(meta, part)
