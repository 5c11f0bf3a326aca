"""Arguments of the library's functions: what counts as a string or a number, and the complaint where something does not.

An index counts from 0 here, and from 1 in messages. `LuaError` of `bad_argument` knows how the VM words it for methods.
"""

from __future__ import annotations

from typing import Any

from interpreters.lua.errors import LuaError, bad_argument
from interpreters.lua.strings.numbers import Number, float_to_integer, format_number, parse_number
from interpreters.lua.values import LuaTable, Userdata, type_name
from metatracer import dont_look_inside


@dont_look_inside
def type_error(args: list[Any], index: int, name: str, expected: str) -> LuaError:
    """Make the error about an argument of the wrong type."""
    return bad_argument(index + 1, name, f"{expected} expected, got {described_type(args, index)}")


def check_any(args: list[Any], index: int, name: str) -> Any:
    """Return an argument that may be nil but must be there."""
    if index >= len(args):
        raise bad_argument(index + 1, name, "value expected")
    return args[index]


def described_type(args: list[Any], index: int) -> str:
    """Return what an argument is called in a message; a metatable may say."""
    if index >= len(args):
        return "no value"
    value = args[index]
    if isinstance(value, (LuaTable, Userdata)) and value.metatable is not None:
        described = value.metatable.get(b"__name")
        if type(described) is bytes:
            return described.decode("utf-8", "surrogateescape")
    return type_name(value).decode("ascii")


def check_string(args: list[Any], index: int, name: str) -> bytes:
    """Return an argument that is a string, or a number as a string."""
    if index < len(args):
        value = args[index]
        if type(value) is bytes:
            return value
        if type(value) is int or type(value) is float:
            return format_number(value)
    raise type_error(args, index, name, "string")


def check_integer(args: list[Any], index: int, name: str) -> int:
    """Return an argument that is an integer, or a float or string that is equal to one."""
    if index < len(args):
        value = args[index]
        if type(value) is int:
            return value
        number = parse_number(value) if type(value) is bytes else value
        if type(number) is int:
            return number
        if type(number) is float:
            integer = float_to_integer(number)
            if integer is None:
                raise bad_argument(index + 1, name, "number has no integer representation")
            return integer
    raise type_error(args, index, name, "number")


def check_number(args: list[Any], index: int, name: str) -> Number:
    """Return an argument that is a number, or a string that stands for one."""
    if index < len(args):
        value = args[index]
        if type(value) is float or type(value) is int:
            return value
        number = parse_number(value) if type(value) is bytes else None
        if number is not None:
            return number
    raise type_error(args, index, name, "number")


def optional_integer(args: list[Any], index: int, name: str, default: int) -> int:
    """Return an integer argument, or the default where it is nil or missing."""
    if index >= len(args) or args[index] is None:
        return default
    return check_integer(args, index, name)
