"""Hints: what an interpreter's author tells the recorder.

In plain Python every hint is the identity or does nothing: a program means the same with and without it, and with
`METATRACER=off`. The recorder knows them in two ways: the *calls* (`promote`, `we_are_jitted`, ...) by the function
objects of this module, the *decorators* by the attribute that they set:

    _jit_elidable_         elidable            same arguments, same result, no effect that matters
    _jit_unroll_safe_      unroll_safe         its loops are unrolled into the trace
    _jit_look_inside_      look_inside (True), dont_look_inside (False): always traced into, always called
    _jit_look_inside_iff_  look_inside_iff     a predicate over the same arguments decides at each call
    _jit_loop_invariant_   loop_invariant      no arguments; the same result for the whole of a loop
    _jit_not_in_trace_     not_in_trace        left out of machine code
    _jit_value_class_      value_class         (of a class) its instances are told apart by their fields alone
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from types import FunctionType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, TypeVar

from metatracer.errors import UsageError
from metatracer.places import author_place, function_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., Any]")
C = TypeVar("C", bound="type[Any]")

# Flags of code objects; `inspect` has names for them, and takes a tenth of the time to import this package.
_GENERATOR_FLAGS = 0x20 | 0x80 | 0x200
_STAR_FLAGS = 0x04 | 0x08

_CONTRADICTIONS: tuple[tuple[str, str], ...] = (
    ("dont_look_inside", "unroll_safe"),
    ("dont_look_inside", "look_inside"),
    ("dont_look_inside", "look_inside_iff"),
    ("look_inside", "look_inside_iff"),
    ("elidable", "look_inside_iff"),
    ("elidable", "not_in_trace"),
)


def _check_function(hint_name: str, function: object) -> FunctionType:
    """The plain Python function a decorator was put on.

    Raises:
        UsageError: It is something else, a generator, or already has a hint that says the opposite.
    """
    if isinstance(function, (staticmethod, classmethod, property)):
        kind = type(function).__name__
        raise UsageError(
            f"@{hint_name} needs a plain function; put it below @{kind}, directly above the def", *author_place()
        )
    if not isinstance(function, FunctionType):
        raise UsageError(f"@{hint_name} goes on a function written in Python, not on {function!r}", *author_place())
    if function.__code__.co_flags & _GENERATOR_FLAGS:
        raise UsageError(
            f"@{hint_name} cannot go on {function.__qualname__}: generators and coroutines take no hints; "
            "remove the hint",
            *function_place(function),
        )
    given = {*getattr(function, "_jit_hints_", ()), hint_name}
    for one, other in _CONTRADICTIONS:
        if one in given and other in given:
            raise UsageError(
                f"{function.__qualname__} has both @{one} and @{other}, which contradict each other; keep one",
                *function_place(function),
            )
    function.__dict__["_jit_hints_"] = (*getattr(function, "_jit_hints_", ()), hint_name)
    return function


# --- decorators


def elidable(function: F) -> F:
    """The same arguments always give the same result, and nobody sees whether it was called.

    A call whose arguments are constants of the trace is done once, while recording; its result is a constant.
    """
    _check_function("elidable", function).__dict__["_jit_elidable_"] = True
    return function


def elidable_promote(promote_args: str = "all") -> Callable[[F], F]:
    """Like `elidable`, and promotes arguments first.

    Args:
        promote_args: "all", or the numbers of the arguments to promote: "0,2".

    Raises:
        UsageError: When it is put on a function without the parentheses, or the numbers do not fit.
    """
    if not isinstance(promote_args, str):
        raise UsageError(
            "@elidable_promote is written with parentheses: @elidable_promote() or @elidable_promote('0,2')",
            *author_place(),
        )

    def decorate(function: F) -> F:
        plain = _check_function("elidable", function)
        code = plain.__code__
        names = code.co_varnames[: code.co_argcount]
        if code.co_kwonlyargcount or code.co_flags & _STAR_FLAGS:
            raise UsageError(
                f"@elidable_promote needs plain positional arguments only in {plain.__qualname__}",
                *function_place(plain),
            )
        try:
            chosen = set(range(len(names))) if promote_args == "all" else {int(n) for n in promote_args.split(",")}
        except ValueError:
            chosen = {-1}
        if not chosen <= set(range(len(names))):
            raise UsageError(
                f"@elidable_promote takes 'all' or argument numbers below {len(names)} like '0,2', "
                f"not {promote_args!r}",
                *function_place(plain),
            )
        plain.__dict__["_jit_elidable_"] = True
        arguments = ", ".join(f"_promote({name})" if i in chosen else name for i, name in enumerate(names))
        # Made from text, as RPython does, so that the wrapper has the same fixed arguments and can itself be traced.
        namespace: dict[str, Any] = {"_promote": promote, "_elidable": plain}
        source = f"def wrapper({', '.join(names)}):\n    return _elidable({arguments})\n"
        exec(compile(source, "<elidable_promote>", "exec"), namespace)  # noqa: S102 - our own text, see above
        wrapper = namespace["wrapper"]
        wrapper.__defaults__ = plain.__defaults__
        wrapper.__name__, wrapper.__qualname__ = plain.__name__, plain.__qualname__
        wrapper.__doc__, wrapper.__module__ = plain.__doc__, plain.__module__
        wrapper.__wrapped__ = plain
        return wrapper  # type: ignore[no-any-return]

    return decorate


def unroll_safe(function: F) -> F:
    """Its loops run a small, constant number of times: trace through all of their iterations."""
    _check_function("unroll_safe", function).__dict__["_jit_unroll_safe_"] = True
    return function


def dont_look_inside(function: F) -> F:
    """Never trace into it: traces call it."""
    _check_function("dont_look_inside", function).__dict__["_jit_look_inside_"] = False
    return function


def look_inside(function: F) -> F:
    """Always trace into it."""
    _check_function("look_inside", function).__dict__["_jit_look_inside_"] = True
    return function


def look_inside_iff(predicate: Callable[..., Any]) -> Callable[[F], F]:
    """Trace into it when `predicate(the same arguments)` is true while recording; call it otherwise.

    The predicate typically asks `isconstant` and `isvirtual`.
    """
    if not isinstance(predicate, FunctionType):
        raise UsageError(
            "@look_inside_iff takes a predicate, a Python function of the same arguments: "
            f"@look_inside_iff(lambda x: isconstant(x)); not {predicate!r}",
            *author_place(),
        )

    def decorate(function: F) -> F:
        _check_function("look_inside_iff", function).__dict__["_jit_look_inside_iff_"] = predicate
        return function

    return decorate


def loop_invariant(function: F) -> F:
    """It takes no arguments and gives the same result as long as one loop runs.

    Raises:
        UsageError: When it takes arguments.
    """
    plain = _check_function("loop_invariant", function)
    code = plain.__code__
    if code.co_argcount + code.co_kwonlyargcount or code.co_flags & _STAR_FLAGS:
        raise UsageError(
            f"@loop_invariant needs a function without arguments; {plain.__qualname__} takes some. "
            "For results that depend on arguments use @elidable",
            *function_place(plain),
        )
    plain.__dict__["_jit_loop_invariant_"] = True
    return function


def not_in_trace(function: F) -> F:
    """Calls to it are left out of machine code; they happen in the interpreter only. Its result must not be used."""
    _check_function("not_in_trace", function).__dict__["_jit_not_in_trace_"] = True
    return function


# --- calls


def value_class(cls: C) -> C:
    """Instances have no identity: nobody compares them with `is`, asks for their `id`, or refers to one weakly.

    A trace may then have one value in two places as two objects, which saves allocating it where a guest function is
    called: boxes of the guest's numbers, most of all. It holds for the class alone, not for its subclasses.

    Raises:
        UsageError: Instances can change, or have a `__dict__`: list every slot in `_immutable_fields_`.
    """
    if not isinstance(cls, type):
        raise UsageError(f"@value_class goes on a class, not on {cls!r}", *author_place())
    slots = [name for base in cls.__mro__ for name, entry in vars(base).items() if type(entry) is MemberDescriptorType]
    listed: set[str] = set()
    for base in cls.__mro__:
        listed.update(name.rstrip("?").removesuffix("[*]") for name in vars(base).get("_immutable_fields_", ()))
    if cls.__dictoffset__ != 0 or not slots:
        raise UsageError(f"@value_class: {cls.__qualname__} needs __slots__, as have all its bases", *author_place())
    missing = [name for name in slots if name not in listed]
    if missing:
        raise UsageError(
            f"@value_class: {cls.__qualname__}.{missing[0]} could change; list it in _immutable_fields_", *author_place()
        )
    cls._jit_value_class_ = True
    return cls


def is_value_class(cls: type) -> bool:
    """Whether `@value_class` stands on this very class."""
    return "_jit_value_class_" in vars(cls)



def promote(x: T) -> T:
    """Make the value of `x` a constant of the trace, behind a guard."""
    return x


def promote_string(x: T) -> T:
    """Like `promote`, for bytes and str by their contents instead of their identity."""
    return x


def promote_unicode(x: T) -> T:
    """The same as `promote_string`."""
    return x


def we_are_jitted() -> bool:
    """False in the interpreter, True in a trace."""
    return False


class _Asked(threading.local):
    """What a predicate of `look_inside_iff` that this thread's recorder is asking just now may find out."""

    constants: Sequence[object] = ()
    virtuals: Sequence[object] = ()


_asked = _Asked()


@contextmanager
def constants_of_predicate(constants: Sequence[object], virtuals: Sequence[object] = ()) -> Iterator[None]:
    """While the recorder asks a predicate: `isconstant` and `isvirtual` are true for these very objects."""
    before = _asked.constants, _asked.virtuals
    _asked.constants, _asked.virtuals = constants, virtuals
    try:
        yield
    finally:
        _asked.constants, _asked.virtuals = before


def isconstant(x: object) -> bool:
    """In a trace: whether `x` is known to be a constant of it. In the interpreter False."""
    return any(x is each for each in _asked.constants)


def isvirtual(x: object) -> bool:
    """In a trace: whether `x` was made in it and nobody outside has seen it. In the interpreter False."""
    return any(x is each for each in _asked.virtuals)


def loop_unrolling_heuristic(lst: object, size: int, cutoff: int = 2) -> bool:
    """Whether a loop over `lst` of length `size` is worth unrolling; for predicates of `look_inside_iff`."""
    return size == 0 or isvirtual(lst) or (isconstant(size) and size <= cutoff)


def assert_green(x: object) -> None:
    """While recording: give up, with a reason, unless `x` is a constant of the trace."""


def jit_debug(string: str, *args: object) -> None:
    """Leave a remark in the recorded trace."""


def record_exact_class(x: object, cls: type) -> None:
    """Promise that `type(x) is cls`."""


def current_trace_length() -> int:
    """While recording: operations recorded so far. In the interpreter -1."""
    return -1


def conditional_call(condition: object, function: Callable[..., object], *args: Any) -> None:
    """`if condition: function(*args)`; for a call that seldom happens."""
    if condition:
        function(*args)


def conditional_call_elidable(value: T, function: Callable[..., T], *args: Any) -> T:
    """`value` if there is one, else `function(*args)`: for what is worked out once. No value is None, or the int 0."""
    if value is None or (type(value) is int and value == 0):
        return function(*args)
    return value


def record_exact_value(x: object, value: object) -> None:
    """Promise that `x` is `value`."""


def record_known_result(result: object, function: Callable[..., object], *args: Any) -> None:
    """Promise that the elidable `function(*args)` gives `result`."""


def enter_portal_frame(unique_id: int) -> None:
    """The interpreter begins to run a guest function in the portal's frame; for profilers."""


def leave_portal_frame(unique_id: int) -> None:
    """It is done with that guest function."""


PROMOTING_FLAGS = frozenset(("promote", "promote_string", "promote_unicode"))
HINT_FLAGS = PROMOTING_FLAGS | {"access_directly", "fresh_virtualizable", "force_virtualizable"}
"""Of `hint`."""


def hint(x: T, **flags: bool) -> T:
    """`x` itself, with remarks: `hint(x, promote=True)`, `access_directly`, `fresh_virtualizable`, ...

    Raises:
        UsageError: A flag that does not exist.
    """
    for name in flags:
        if name not in HINT_FLAGS:
            known = ", ".join(sorted(HINT_FLAGS))
            raise UsageError(f"hint() has no flag {name!r}; there are {known}", *author_place())
    return x


# --- virtual references


class VirtualRef:
    """A reference to an object that a trace need not really make; call it to get the object.

    Attributes:
        virtual: Whether the object has not been made yet: never so in the interpreter.
    """

    __slots__ = ("_object",)
    virtual = False

    def __init__(self, x: object) -> None:
        self._object = x

    def __call__(self) -> Any:
        return self._object


vref_None = VirtualRef(None)  # noqa: N816 - the name authors know from RPython


def virtual_ref(x: object) -> VirtualRef:
    """A reference to `x`, to be ended with `virtual_ref_finish`."""
    return VirtualRef(x)


def virtual_ref_finish(vref: VirtualRef, x: object) -> None:
    """The reference made by `virtual_ref(x)` is no longer needed in this trace; it stays valid."""


def non_virtual_ref(x: object) -> VirtualRef:
    """A reference of the same kind to an object that really exists."""
    return VirtualRef(x) if x is not None else vref_None
