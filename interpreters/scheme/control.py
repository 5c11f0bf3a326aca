"""Procedures that say how the machine goes on: continuations, exceptions, dynamic environments, promises, `apply`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interpreters.scheme.calls import APPLICABLE, Frame, State, apply_procedure, arity_error, is_procedure
from interpreters.scheme.machine import MACHINE, Dynamic
from interpreters.scheme.nodes import Node
from interpreters.scheme.objects import (
    NIL, UNSPECIFIED, Cell, Condition, ControlPrimitive, Pair, Parameter, Promise, SchemeError, String, Values, error,
    to_python_list, wrong_type,
)  # fmt: skip
from metatracer import dont_look_inside, unroll_safe

CONTROL: dict[str, ControlPrimitive] = {}


def control(name: str, least: int, most: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register `function(arguments, frame)` as a procedure."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        CONTROL[name] = ControlPrimitive(name, function, least, most)
        return function

    return register


def give(value: Any, cont: Any) -> State:
    """Return a value to a frame."""
    return cont[0], value, cont


def check_procedure(who: str, value: Any) -> Any:
    if not is_procedure(value):
        raise wrong_type(who, "a procedure", value)
    return value


class _Point(Node):
    __slots__ = ()


# --- apply, values


@control("apply", 1, -1)
@unroll_safe
def _apply(args: Any, cont: Any) -> State:
    if len(args) == 1:
        return apply_procedure(args[0], (), cont)
    if len(args) == 2:
        return apply_procedure(args[0], spread(args[1]), cont)
    return apply_procedure(args[0], [*args[1:-1], *spread(args[-1])], cont)


@unroll_safe
def spread(items: Any) -> list[Any]:
    """The arguments that are given as a list."""
    result = []
    rest = items
    while type(rest) is Pair:
        result.append(rest.car)
        rest = rest.cdr
        if len(result) > 6:
            return to_python_list(items, "apply")
    if len(result) == 0 or type(rest) is not Pair:
        check_end(rest, items)
    return result


def check_end(rest: Any, items: Any) -> None:
    if rest is not NIL:
        raise wrong_type("apply", "a proper list", items)


class _ConsumerPoint(_Point):
    """The values for a consumer have come."""

    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        if type(env) is Values:
            return apply_procedure(cont[3], env.items, cont[2])
        return apply_procedure(cont[3], (env,), cont[2])


_CONSUMER = _ConsumerPoint()


@control("call-with-values", 2, 2)
def _call_with_values(args: Any, cont: Any) -> State:
    return apply_procedure(args[0], (), (_CONSUMER, (), cont, args[1]))


# --- the dynamic environment


class _RestorePoint(_Point):
    """A value passes on its way out of a dynamic environment; the frame has the one outside."""

    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        MACHINE.dynamic = cont[3]
        cont = cont[2]
        return cont[0], env, cont


_RESTORE = _RestorePoint()


def restoring(cont: Any) -> Frame:
    """A frame that puts the present dynamic environment back."""
    return (_RESTORE, (), cont, MACHINE.dynamic)


class Wind:
    """A `dynamic-wind` that is active."""

    _immutable_fields_ = ["before", "after", "outer", "depth", "dynamic"]
    __slots__ = ("after", "before", "depth", "dynamic", "outer")

    def __init__(self, before: Any, after: Any, outer: Wind | None, dynamic: Dynamic) -> None:
        self.before = before
        self.after = after
        self.outer = outer
        self.depth: int = 1 + (outer.depth if outer is not None else 0)
        self.dynamic = dynamic


class _WindEnter(_Point):
    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        before, thunk, after = cont[3]
        outside = MACHINE.dynamic
        wind = Wind(before, after, outside.winds, outside)
        MACHINE.dynamic = Dynamic(outside.handlers, outside.parameters, wind)
        return apply_procedure(thunk, (), (_WIND_LEAVE, (), cont[2], wind))


class _WindLeave(_Point):
    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        wind = cont[3]
        MACHINE.dynamic = wind.dynamic
        return apply_procedure(wind.after, (), (_WIND_LEFT, (), cont[2], env))


class _WindLeft(_Point):
    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        value = cont[3]
        cont = cont[2]
        return cont[0], value, cont


_WIND_ENTER = _WindEnter()
_WIND_LEAVE = _WindLeave()
_WIND_LEFT = _WindLeft()


@control("dynamic-wind", 3, 3)
def _dynamic_wind(args: Any, cont: Any) -> State:
    return apply_procedure(args[0], (), (_WIND_ENTER, (), cont, tuple(args)))


class _Rewind(_Point):
    """A thunk on the way to another dynamic environment has been called; `values` says what follows."""

    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        return _next_wind(*cont[3])


_REWIND = _Rewind()


def _next_wind(steps: Any, number: int, target: Any, value: Any, cont: Any) -> State:
    if number == len(steps):
        MACHINE.dynamic = target
        return cont[0], value, cont
    thunk, dynamic = steps[number]
    MACHINE.dynamic = dynamic
    return apply_procedure(thunk, (), (_REWIND, (), cont, (steps, number + 1, target, value, cont)))


def rewind(target: Any, value: Any, cont: Any) -> State:
    """Go to a dynamic environment, calling what `dynamic-wind` asks for on the way; then return a value to the frame."""
    if MACHINE.dynamic.winds is target.winds:
        MACHINE.dynamic = target
        return cont[0], value, cont
    return _next_wind(_wind_steps(MACHINE.dynamic.winds, target.winds), 0, target, value, cont)


@dont_look_inside
def _wind_steps(here: Any, there: Any) -> tuple[tuple[Any, Any], ...]:
    out: list[tuple[Any, Any]] = []
    into: list[tuple[Any, Any]] = []
    while here is not there:
        if there is None or (here is not None and here.depth >= there.depth):
            out.append((here.after, here.dynamic))
            here = here.outer
        else:
            into.append((there.before, there.dynamic))
            there = there.outer
    return (*out, *reversed(into))


class Continuation:
    _immutable_fields_ = ["cont", "dynamic"]
    __slots__ = ("cont", "dynamic")
    scheme_name = "continuation"

    def __init__(self, cont: Any, dynamic: Any) -> None:
        self.cont = cont
        self.dynamic = dynamic


def _throw(function: Any, args: Any, cont: Any) -> State:
    value = args[0] if len(args) == 1 else Values(tuple(args))
    return rewind(function.dynamic, value, function.cont)


@control("call-with-current-continuation", 1, 1)
def _call_cc(args: Any, cont: Any) -> State:
    return apply_procedure(args[0], (Continuation(cont, MACHINE.dynamic),), cont)


CONTROL["call/cc"] = CONTROL["call-with-current-continuation"]


@control("within-continuation", 2, 2)
def _within_continuation(args: Any, cont: Any) -> State:
    if type(args[0]) is not Continuation:
        raise wrong_type("within-continuation", "a continuation", args[0])
    return rewind(args[0].dynamic, UNSPECIFIED, (_CALL_THUNK, (), args[0].cont, args[1]))


class _CallThunk(_Point):
    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        return apply_procedure(cont[3], (), cont[2])


_CALL_THUNK = _CallThunk()

# --- parameters


def parameter_value(parameter: Any) -> Any:
    binding = MACHINE.dynamic.parameters
    return _bound_value(binding, parameter) if binding is not None else parameter.value


@dont_look_inside
def _bound_value(binding: Any, parameter: Any) -> Any:
    while binding is not None:
        if binding[0] is parameter:
            return binding[1].value
        binding = binding[2]
    return parameter.value


def set_parameter(parameter: Any, value: Any) -> None:
    """Change the innermost value (`(p v)`, which R7RS leaves open)."""
    binding = MACHINE.dynamic.parameters
    while binding is not None:
        if binding[0] is parameter:
            binding[1].value = value
            return
        binding = binding[2]
    parameter.value = value


def _call_parameter(function: Any, args: Any, cont: Any) -> State:
    if not args:
        return give(parameter_value(function), cont)
    if len(args) > 1:
        raise arity_error("#<parameter>", 0, 1, len(args))
    set_parameter(function, args[0])
    return give(UNSPECIFIED, cont)


class _NewParameter(_Point):
    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        return give(Parameter(env, cont[3]), cont[2])


_NEW_PARAMETER = _NewParameter()


@control("make-parameter", 1, 2)
def _make_parameter(args: Any, cont: Any) -> State:
    if len(args) == 1:
        return give(Parameter(args[0], None), cont)
    return apply_procedure(args[1], (args[0],), (_NEW_PARAMETER, (), cont, args[1]))


class _Converted(_Point):
    """A parameter's new value has come out of its converter."""

    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        thunk, rest, done = cont[3]
        return _parameterize_next(thunk, rest[2:], (*done, (rest[0], env)), cont[2])


_CONVERTED = _Converted()


@control("%parameterize", 1, -1)
def _parameterize(args: Any, cont: Any) -> State:
    return _parameterize_next(args[0], tuple(args[1:]), (), cont)


@unroll_safe
def _parameterize_next(thunk: Any, rest: Any, done: Any, cont: Any) -> State:
    while rest:
        parameter = rest[0]
        if type(parameter) is not Parameter:
            raise wrong_type("parameterize", "a parameter", parameter)
        if parameter.converter is not None:
            return apply_procedure(parameter.converter, (rest[1],), (_CONVERTED, (), cont, (thunk, rest, done)))
        done = (*done, (parameter, rest[1]))
        rest = rest[2:]
    cont = restoring(cont)
    outside = MACHINE.dynamic
    bindings = outside.parameters
    for parameter, value in done:
        bindings = (parameter, Cell(value), bindings)
    MACHINE.dynamic = Dynamic(outside.handlers, bindings, outside.winds)
    return apply_procedure(thunk, (), cont)


# --- exceptions


class Guard:
    """The handler that a `guard` installs."""

    _immutable_fields_ = ["clauses", "cont", "dynamic"]
    __slots__ = ("clauses", "cont", "dynamic")

    def __init__(self, clauses: Any, cont: Any, dynamic: Any) -> None:
        self.clauses = clauses
        self.cont = cont
        self.dynamic = dynamic


class Reraise:
    """What a `guard` calls when no clause is taken: back to where it was raised, and on to the next handler."""

    _immutable_fields_ = ["payload", "cont", "dynamic"]
    __slots__ = ("cont", "dynamic", "payload")

    def __init__(self, payload: Any, cont: Any, dynamic: Any) -> None:
        self.payload = payload
        self.cont = cont
        self.dynamic = dynamic


class _ClausesPoint(_Point):
    """The guard's own dynamic environment is in force again: choose a clause."""

    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        return apply_procedure(cont[3].clauses, (env.payload, env), cont[2])


_CLAUSES = _ClausesPoint()


class _NotContinuable(_Point):
    """A handler has returned from a `raise`."""

    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        raise error("raise", "a handler returned from a non-continuable exception:", cont[3])


_NOT_CONTINUABLE = _NotContinuable()


class _RaisePoint(_Point):
    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        return raise_object(cont[3], True, cont[2])


_RAISE = _RaisePoint()


def raise_object(payload: Any, continuable: bool, cont: Any) -> State:
    """Call the innermost handler; there is one."""
    dynamic = MACHINE.dynamic
    if dynamic.handlers is None:
        raise SchemeError(payload, continuable)
    handler, others = dynamic.handlers
    cont = (_RESTORE, (), cont, dynamic) if continuable else (_NOT_CONTINUABLE, (), cont, payload)
    outer = Dynamic(others, dynamic.parameters, dynamic.winds)
    if type(handler) is Guard:
        reraise = Reraise(payload, cont, outer)
        MACHINE.dynamic = outer
        return rewind(handler.dynamic, reraise, (_CLAUSES, (), handler.cont, handler))
    MACHINE.dynamic = outer
    return apply_procedure(handler, (payload,), cont)


def _reraise(function: Any, args: Any, cont: Any) -> State:
    return rewind(function.dynamic, UNSPECIFIED, (_RAISE, (), function.cont, function.payload))


@control("%guard", 2, 2)
def _guard(args: Any, cont: Any) -> State:
    outside = MACHINE.dynamic
    handlers = (Guard(args[1], cont, outside), outside.handlers)
    cont = restoring(cont)
    MACHINE.dynamic = Dynamic(handlers, outside.parameters, outside.winds)
    return apply_procedure(args[0], (), cont)


@control("with-exception-handler", 2, 2)
def _with_exception_handler(args: Any, cont: Any) -> State:
    check_procedure("with-exception-handler", args[0])
    check_procedure("with-exception-handler", args[1])
    outside = MACHINE.dynamic
    cont = restoring(cont)
    MACHINE.dynamic = Dynamic((args[0], outside.handlers), outside.parameters, outside.winds)
    return apply_procedure(args[1], (), cont)


@control("raise", 1, 1)
def _raise(args: Any, cont: Any) -> State:
    return raise_object(args[0], False, cont)


@control("raise-continuable", 1, 1)
def _raise_continuable(args: Any, cont: Any) -> State:
    return raise_object(args[0], True, cont)


@control("error", 0, -1)
def _error(args: Any, cont: Any) -> State:
    condition = Condition(args[0] if args else String(""), list(args[1:]))
    raise SchemeError(condition)


@control("%assertion-failed", 1, -1)
def _assertion_failed(args: Any, cont: Any) -> State:
    raise SchemeError(Condition(String("assertion failed:"), list(args)))


# --- promises


class _ForcePoint(_Point):
    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        promise = cont[3]
        if not promise.box[0]:
            if type(env) is Promise:
                promise.box[0] = env.box[0]
                promise.box[1] = env.box[1]
                env.box = promise.box
            else:
                raise wrong_type("delay-force", "a promise", env)
        return force(promise, cont[2])


_FORCE = _ForcePoint()


class _DelayedPoint(_Point):
    """The value of a `delay` has come."""

    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        promise = cont[3]
        if not promise.box[0]:
            promise.box[0] = True
            promise.box[1] = env
        return force(promise, cont[2])


_DELAYED = _DelayedPoint()


class _Thunk:
    """What an unforced promise holds: the procedure, and whether it gives a value (`delay`) or a promise."""

    __slots__ = ("gives_value", "procedure")

    def __init__(self, procedure: Any, gives_value: bool) -> None:
        self.procedure = procedure
        self.gives_value = gives_value


def force(promise: Any, cont: Any) -> State:
    if type(promise) is not Promise:
        return give(promise, cont)
    done, value = promise.box
    if done:
        return give(value, cont)
    return apply_procedure(value.procedure, (), (_DELAYED if value.gives_value else _FORCE, (), cont, promise))


@control("force", 1, 1)
def _force(args: Any, cont: Any) -> State:
    return force(args[0], cont)


@control("%delay", 1, 1)
def _delay(args: Any, cont: Any) -> State:
    return give(Promise(False, _Thunk(args[0], gives_value=True)), cont)


@control("%delay-force", 1, 1)
def _delay_force(args: Any, cont: Any) -> State:
    return give(Promise(False, _Thunk(args[0], gives_value=False)), cont)


APPLICABLE[Continuation] = _throw
APPLICABLE[Parameter] = _call_parameter
APPLICABLE[Reraise] = _reraise
