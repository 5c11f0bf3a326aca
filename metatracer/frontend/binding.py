"""Binding the arguments of a call to the parameters of a Python function, without looking at the arguments.

The recorder binds its own boxes, so values are never compared, hashed or tested here.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metatracer.errors import MetatracerError
from metatracer.frontend.decode import jitcode_for
from metatracer.ir.values import NULL_OBJECT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FunctionType

    from metatracer.frontend.jitcode import JitCode


class ArgumentMismatch(MetatracerError):
    """The arguments do not fit the parameters: a real call raises the right TypeError."""


@dataclass(slots=True)
class BoundArguments:
    """The initial localsplus of a call.

    Attributes:
        values: One entry per local register. `NULL_OBJECT` where nothing is bound.
        star_args: Register of `*args`, whose value is a Python tuple of the given values; -1 if there is none.
        star_kwargs: Register of `**kwargs`, whose value is a Python dict of the given values by name; -1 if none.
        own: Registers whose value comes from the function itself (a default, a closure cell): a real object, where all
            others are (collections of) what the caller gave.
    """

    values: list[Any]
    star_args: int
    star_kwargs: int
    own: frozenset[int]


def bind_arguments(
    function: FunctionType, args: Sequence[Any], kwargs: Mapping[str, Any], jitcode: JitCode | None = None
) -> BoundArguments:
    """Bind a call's arguments as CPython does.

    Args:
        function: Whose parameters.
        args: The positional arguments, which are not looked at.
        kwargs: The keyword arguments; their values are not looked at.
        jitcode: The function's JitCode, if it is not that of its present code (a rewritten portal).

    Raises:
        ArgumentMismatch: They do not fit.
    """
    code = function.__code__
    if jitcode is None:
        jitcode = jitcode_for(code)
    values: list[Any] = [NULL_OBJECT] * jitcode.n_locals
    n_positional, n_keyword_only = code.co_argcount, code.co_kwonlyargcount
    n_named = n_positional + n_keyword_only
    has_star_args = bool(code.co_flags & inspect.CO_VARARGS)
    has_star_kwargs = bool(code.co_flags & inspect.CO_VARKEYWORDS)
    star_args = n_named if has_star_args else -1
    star_kwargs = n_named + has_star_args if has_star_kwargs else -1

    given = min(len(args), n_positional)
    values[:given] = args[:given]
    if has_star_args:
        values[star_args] = tuple(args[given:])
    elif len(args) > n_positional:
        raise ArgumentMismatch(f"{code.co_qualname} takes {n_positional} positional arguments, {len(args)} were given")

    bound = set(range(given))
    extra = _bind_keywords(function, kwargs, values, bound)
    if has_star_kwargs:
        values[star_kwargs] = extra
    elif extra:
        raise ArgumentMismatch(f"{code.co_qualname} has no parameter {next(iter(extra))!r}")

    own = _bind_defaults(function, values, bound)
    for register, cell in zip(jitcode.free_registers, function.__closure__ or (), strict=True):
        values[register] = cell
        own.add(register)
    return BoundArguments(values, star_args, star_kwargs, frozenset(own))


def _bind_keywords(
    function: FunctionType, kwargs: Mapping[str, Any], values: list[Any], bound: set[int]
) -> dict[str, Any]:
    """Bind the keyword arguments that name a parameter; gives the others."""
    code = function.__code__
    if not kwargs:
        return {}
    first, end = code.co_posonlyargcount, code.co_argcount + code.co_kwonlyargcount
    registers = {code.co_varnames[register]: register for register in range(first, end)}
    extra: dict[str, Any] = {}
    for name, value in kwargs.items():
        if type(name) is not str:
            raise ArgumentMismatch(f"a keyword of the call of {code.co_qualname} is not a plain string")
        register = registers.get(name, -1)
        if register < 0:
            extra[name] = value
        elif register in bound:
            raise ArgumentMismatch(f"{code.co_qualname} was given {name!r} twice")
        else:
            values[register] = value
            bound.add(register)
    return extra


def _bind_defaults(function: FunctionType, values: list[Any], bound: set[int]) -> set[int]:
    """Fill in the parameters that the call did not give; gives their registers."""
    code = function.__code__
    defaults = function.__defaults__ or ()
    keyword_defaults = function.__kwdefaults__ or {}
    first_default = code.co_argcount - len(defaults)
    own: set[int] = set()
    for register in range(code.co_argcount + code.co_kwonlyargcount):
        if register in bound:
            continue
        name = code.co_varnames[register]
        if first_default <= register < code.co_argcount:
            values[register] = defaults[register - first_default]
        elif register >= code.co_argcount and name in keyword_defaults:
            values[register] = keyword_defaults[name]
        else:
            raise ArgumentMismatch(f"{code.co_qualname} needs an argument {name!r}")
        own.add(register)
    return own
