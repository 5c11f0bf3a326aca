"""Python objects as Lua has them, userdata with the object inside, and the library `python`.

Each function here is one call to a trace: what Python does with its objects is Python's business, with all its frames.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from interpreters.lua.embedding.wrappers import Table, arguments_of
from interpreters.lua.errors import bad_argument
from interpreters.lua.strings.arguments import check_integer, optional_integer, type_error
from interpreters.lua.values import LuaBuiltin, LuaTable, Userdata
from metatracer import dont_look_inside

if TYPE_CHECKING:
    from interpreters.lua.embedding.converter import Converter
    from interpreters.lua.vm import VM

Action = Callable[["PythonObject", list[Any]], list[Any]]
END = object()


class PythonObject(Userdata):
    """A Python object; Lua has one such of it at a time for each way to index it.

    Attributes:
        value: the object.
        by_items: whether indexing gets items, not attributes; None until somebody indexes it.
    """

    __slots__ = ("by_items", "converter", "value")

    def __init__(self, value: Any, converter: Converter, by_items: bool | None) -> None:
        super().__init__(converter.metatable)
        self.value = value
        self.converter = converter
        self.by_items = by_items


class PythonArguments:
    """Arguments of a call, named ones among them: what `python.args` makes of a table."""

    def __init__(self, positional: list[Any], named: dict[str, Any]) -> None:
        self.positional = positional
        self.named = named


def carry_out(action: Action, name: str, args: list[Any]) -> list[Any]:
    """Do something with the object that is the first argument; what Python raises becomes a Lua error."""
    if not args or type(args[0]) is not PythonObject:
        raise bad_argument(1, name, "not a python object")
    subject = args[0]
    try:
        return action(subject, args)
    except Exception as error:  # noqa: BLE001  whatever it is, Lua may catch it
        failure = subject.converter.raised(error)
    raise failure  # here, where no exception is being handled that would become its context


def builtin(name: str, action: Action) -> LuaBuiltin:
    """Make a Lua function of an action."""

    @dont_look_inside
    def function(vm: VM, args: list[Any]) -> list[Any]:
        return carry_out(action, name, args)

    return LuaBuiltin(name, function)


# --- metamethods


def argument(args: list[Any], number: int) -> Any:
    return args[number] if number < len(args) else None


def get(subject: PythonObject, args: list[Any]) -> list[Any]:
    converter = subject.converter
    return [converter.to_lua(converter.get(subject, argument(args, 1)))]


def put(subject: PythonObject, args: list[Any]) -> list[Any]:
    converter = subject.converter
    converter.put(subject, argument(args, 1), converter.to_python(argument(args, 2)))
    return []


def call(subject: PythonObject, args: list[Any]) -> list[Any]:
    return subject.converter.apply(subject.value, args[1:])


def text(subject: PythonObject, args: list[Any]) -> list[Any]:
    return [subject.converter.encode(str(subject.value))]


# As lupa has it: no arithmetic, no order, no `#` and no `pairs`, which count from 1 and would mislead.
METAMETHODS = {
    b"__index": builtin("__index", get), b"__newindex": builtin("__newindex", put), b"__call": builtin("__call", call),
    b"__tostring": builtin("__tostring", text), b"__name": b"POBJECT",
}  # fmt: skip


# --- iteration: None would end a loop, so `python.none` takes its place


def next_item(subject: PythonObject, args: list[Any]) -> list[Any]:
    item = next(subject.value, END)
    return [None if item is END else subject.converter.to_lua_not_nil(item)]


def next_exploded(subject: PythonObject, args: list[Any]) -> list[Any]:
    item = next(subject.value, END)
    converter = subject.converter
    if not isinstance(item, tuple):
        return [None if item is END else converter.to_lua_not_nil(item)]
    return [converter.to_lua_not_nil(item[0]), *map(converter.to_lua, item[1:])] if item else []


def next_numbered(subject: PythonObject, args: list[Any]) -> list[Any]:
    number = check_integer(args, 1, "for iterator") + 1
    item = next(subject.value, END)
    return [None] if item is END else [number, subject.converter.to_lua(item)]


NEXT = builtin("for iterator", next_item)
NEXT_EXPLODED = builtin("for iterator", next_exploded)
NEXT_NUMBERED = builtin("for iterator", next_numbered)


def iterate(subject: PythonObject, args: list[Any]) -> list[Any]:
    return [NEXT, subject.converter.wrap(iter(subject.value)), None]


def iterate_exploding(subject: PythonObject, args: list[Any]) -> list[Any]:
    return [NEXT_EXPLODED, subject.converter.wrap(iter(subject.value)), None]


def iterate_numbering(subject: PythonObject, args: list[Any]) -> list[Any]:
    start = optional_integer(args, 1, "enumerate", 0)
    return [NEXT_NUMBERED, subject.converter.wrap(iter(subject.value)), start - 1]


# --- the rest of the library


def as_attrgetter(subject: PythonObject, args: list[Any]) -> list[Any]:
    return [subject.converter.wrap(subject.value, by_items=False)]


def as_itemgetter(subject: PythonObject, args: list[Any]) -> list[Any]:
    return [subject.converter.wrap(subject.value, by_items=True)]


def as_function(subject: PythonObject, args: list[Any]) -> list[Any]:
    return [LuaBuiltin(getattr(subject.value, "__name__", "python"), partial(call_object, subject))]


@dont_look_inside
def call_object(subject: PythonObject, vm: VM, args: list[Any]) -> list[Any]:
    """Call an object that `python.as_function` made a function of."""
    return carry_out(call, "__call", [subject, *args])


def object_of_function(function: LuaBuiltin) -> PythonObject | None:
    """Return what `python.as_function` made this function of."""
    called = function.function
    return called.args[0] if type(called) is partial and called.func is call_object else None


def evaluate(source: Any) -> Any:
    """Evaluate a Python expression."""
    return eval(source, {"__builtins__": builtins})  # noqa: S307  that is what it is for; it can be left out


def open_python(converter: Converter, *, register_eval: bool, register_builtins: bool) -> LuaTable:
    """Make the library's table."""

    def args(vm: VM, args: list[Any]) -> list[Any]:
        if not args or type(args[0]) is not LuaTable:
            raise type_error(args, 0, "args", "table")
        return [converter.wrap(PythonArguments(*arguments_of(Table(converter, args[0]))))]

    def set_overflow_handler(vm: VM, args: list[Any]) -> list[Any]:
        converter.set_overflow_handler(converter.to_python(argument(args, 0)))
        return []

    table = LuaTable()
    for action in (as_attrgetter, as_itemgetter, as_function):
        table.set_field(action.__name__.encode(), builtin(action.__name__, action))
    table.set_field(b"iter", builtin("iter", iterate))
    table.set_field(b"iterex", builtin("iterex", iterate_exploding))
    table.set_field(b"enumerate", builtin("enumerate", iterate_numbering))
    for function in (args, set_overflow_handler):
        table.set_field(function.__name__.encode(), LuaBuiltin(function.__name__, dont_look_inside(function)))
    table.set_field(b"none", converter.none)
    if register_eval:
        table.set_field(b"eval", converter.wrap(evaluate))
    if register_builtins:
        table.set_field(b"builtins", converter.wrap(builtins))
    return table
