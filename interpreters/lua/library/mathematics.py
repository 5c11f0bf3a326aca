"""The math library."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from interpreters.lua import arithmetic
from interpreters.lua.errors import bad_argument, lua_error
from interpreters.lua.strings.arguments import check_any, check_integer, check_number, optional_integer
from interpreters.lua.strings.numbers import tointeger
from interpreters.lua.values import LuaBuiltin, LuaTable
from metatracer import intmask

if TYPE_CHECKING:
    from interpreters.lua.vm import VM

MASK = (1 << 64) - 1
MIN_INTEGER, MAX_INTEGER = -(1 << 63), (1 << 63) - 1


class Random:
    """xoshiro256**, seeded as PUC Lua seeds it."""

    def __init__(self) -> None:
        self.state = [0, 0, 0, 0]
        self.seed(int(time.time()), os.getpid())

    def seed(self, first: int, second: int) -> None:
        self.state = [first & MASK, 0xFF, second & MASK, 0]
        for _ in range(16):
            self.next()

    def next(self) -> int:
        """Return 64 random bits."""
        s0, s1, s2, s3 = self.state
        s2 ^= s0
        s3 ^= s1
        product = (s1 * 5) & MASK
        result = (((product << 7) | (product >> 57)) * 9) & MASK
        shifted = (s1 << 17) & MASK
        s1 ^= s2
        s0 ^= s3
        s2 ^= shifted
        s3 = ((s3 << 45) | (s3 >> 19)) & MASK
        self.state = [s0, s1, s2, s3]
        return result

    def project(self, bits: int, limit: int) -> int:
        """Return a number in [0, limit] made of random bits and, where they will not do, further ones."""
        if limit & (limit + 1) == 0:
            return bits & limit
        mask = (1 << limit.bit_length()) - 1
        bits &= mask
        while bits > limit:
            bits = self.next() & mask
        return bits


def random_function(state: Random) -> Callable[[VM, list[Any]], list[Any]]:
    def random(vm: VM, args: list[Any]) -> list[Any]:
        bits = state.next()
        if not args:
            return [(bits >> 11) * 2.0**-53]
        if len(args) == 1:
            low, high = 1, check_integer(args, 0, "random")
            if high == 0:
                return [intmask(bits)]
        elif len(args) == 2:
            low, high = check_integer(args, 0, "random"), check_integer(args, 1, "random")
        else:
            raise lua_error(b"wrong number of arguments")
        if low > high:
            raise bad_argument(1, "random", "interval is empty")
        return [intmask(state.project(bits, high - low) + low)]

    return random


def randomseed_function(state: Random) -> Callable[[VM, list[Any]], list[Any]]:
    def randomseed(vm: VM, args: list[Any]) -> list[Any]:
        if not args:
            first, second = int(time.time()), id(args)
        else:
            number = check_number(args, 0, "randomseed")
            integer = tointeger(number)
            if integer is None:
                # In 5.4.4 the float is cast: its integer part, where it has one.
                integer = int(number) if -(2.0**63) <= number < 2.0**63 else MIN_INTEGER
            first = integer
            second = optional_integer(args, 1, "randomseed", 0)
        state.seed(first, second)
        return [intmask(first), intmask(second)]

    return randomseed


def rounded(number: float) -> int | float:
    """Return a float without a fraction as an integer where it is one."""
    return int(number) if -(2.0**63) <= number < 2.0**63 else number


def lua_floor(vm: VM, args: list[Any]) -> list[Any]:
    number = check_number(args, 0, "floor")
    if type(number) is int:
        return [number]
    return [rounded(number // 1.0) if number - number == 0.0 else number]


def lua_ceil(vm: VM, args: list[Any]) -> list[Any]:
    number = check_number(args, 0, "ceil")
    if type(number) is int:
        return [number]
    return [rounded(-(-number // 1.0)) if number - number == 0.0 else number]


def lua_abs(vm: VM, args: list[Any]) -> list[Any]:
    number = check_number(args, 0, "abs")
    return [intmask(abs(number)) if type(number) is int else abs(number)]


def lua_sqrt(vm: VM, args: list[Any]) -> list[Any]:
    number = float(check_number(args, 0, "sqrt"))
    return [arithmetic.NEGATIVE_NAN if number < 0.0 else math.sqrt(number)]


def of_one(name: str, function: Callable[[float], float]) -> Callable[[VM, list[Any]], list[Any]]:
    def apply(vm: VM, args: list[Any]) -> list[Any]:
        number = float(check_number(args, 0, name))
        try:
            return [function(number)]
        except ValueError:
            return [arithmetic.NEGATIVE_NAN if name in ("sin", "cos", "tan") else math.nan]
        except OverflowError:
            return [math.inf]

    return apply


def logarithm(number: float, function: Callable[[float], float]) -> float:
    if number > 0.0:
        return function(number)
    if number == 0.0:
        return -math.inf
    return number if number != number else arithmetic.NEGATIVE_NAN


def lua_log(vm: VM, args: list[Any]) -> list[Any]:
    number = float(check_number(args, 0, "log"))
    if len(args) < 2 or args[1] is None:
        return [logarithm(number, math.log)]
    base = float(check_number(args, 1, "log"))
    if base == 2.0:
        return [logarithm(number, math.log2)]
    if base == 10.0:
        return [logarithm(number, math.log10)]
    return [arithmetic.divide(logarithm(number, math.log), logarithm(base, math.log))]


def lua_atan(vm: VM, args: list[Any]) -> list[Any]:
    y = float(check_number(args, 0, "atan"))
    x = float(check_number(args, 1, "atan")) if len(args) > 1 and args[1] is not None else 1.0
    return [math.atan2(y, x)]


def lua_fmod(vm: VM, args: list[Any]) -> list[Any]:
    a, b = check_number(args, 0, "fmod"), check_number(args, 1, "fmod")
    if type(a) is int and type(b) is int:
        if b == 0:
            raise bad_argument(2, "fmod", "zero")
        remainder = abs(a) % abs(b)
        return [-remainder if a < 0 else remainder]
    x, y = float(a), float(b)
    if y == 0.0 or x - x != 0.0:
        return [x if x != x else (y if y != y else arithmetic.NEGATIVE_NAN)]
    return [math.fmod(x, y)]


def lua_modf(vm: VM, args: list[Any]) -> list[Any]:
    number = check_number(args, 0, "modf")
    if type(number) is int:
        return [number, 0.0]
    if number - number != 0.0:
        return [number, 0.0 if number == number else number]
    whole = float(math.trunc(number)) if abs(number) < 2.0**53 else number
    return [rounded(whole), number - whole]


def lua_tointeger(vm: VM, args: list[Any]) -> list[Any]:
    if not args:
        raise bad_argument(1, "tointeger", "value expected")
    value = args[0]
    if type(value) is int:
        return [value]
    return [tointeger(value) if type(value) in (float, bytes) else None]


def lua_type(vm: VM, args: list[Any]) -> list[Any]:
    if not args:
        raise bad_argument(1, "type", "value expected")
    kind = type(args[0])
    return [b"integer" if kind is int else b"float" if kind is float else None]


def lua_ult(vm: VM, args: list[Any]) -> list[Any]:
    return [check_integer(args, 0, "ult") & MASK < check_integer(args, 1, "ult") & MASK]


def is_less(vm: VM, a: Any, b: Any) -> bool:
    """Compare by `<`: numbers, as a rule."""
    if (type(a) is int or type(a) is float) and (type(b) is int or type(b) is float):
        return a < b
    return vm.less(a, b)


def lua_max(vm: VM, args: list[Any]) -> list[Any]:
    best = check_any(args, 0, "max")
    for index in range(1, len(args)):
        value = args[index]
        if is_less(vm, best, value):
            best = value
    return [best]


def lua_min(vm: VM, args: list[Any]) -> list[Any]:
    best = check_any(args, 0, "min")
    for index in range(1, len(args)):
        value = args[index]
        if is_less(vm, value, best):
            best = value
    return [best]


def lua_exp(number: float) -> float:
    return math.exp(number)


FUNCTIONS: dict[str, Callable[[Any, list[Any]], list[Any]]] = {
    "floor": lua_floor, "ceil": lua_ceil, "abs": lua_abs, "sqrt": lua_sqrt, "log": lua_log, "atan": lua_atan,
    "fmod": lua_fmod, "modf": lua_modf, "tointeger": lua_tointeger, "type": lua_type, "ult": lua_ult, "max": lua_max,
    "min": lua_min, "exp": of_one("exp", lua_exp), "sin": of_one("sin", math.sin), "cos": of_one("cos", math.cos),
    "tan": of_one("tan", math.tan), "asin": of_one("asin", math.asin), "acos": of_one("acos", math.acos),
    "deg": of_one("deg", lambda number: number * (180.0 / math.pi)),
    "rad": of_one("rad", lambda number: number * (math.pi / 180.0)),
}  # fmt: skip


def open_mathematics(vm: VM) -> LuaTable:
    """Make the library's table."""
    table = LuaTable()
    state = Random()
    for name, function in FUNCTIONS.items():
        table.set_field(name.encode(), LuaBuiltin(name, function, is_leaf=True))
    table.set_field(b"random", LuaBuiltin("random", random_function(state), is_leaf=True))
    table.set_field(b"randomseed", LuaBuiltin("randomseed", randomseed_function(state), is_leaf=True))
    table.set_field(b"pi", math.pi)
    table.set_field(b"huge", math.inf)
    table.set_field(b"maxinteger", MAX_INTEGER)
    table.set_field(b"mininteger", MIN_INTEGER)
    return table

