"""Values, calls and errors that cross between Lua and Python in loops; prints what comes of it, for test_runtime.py."""

from __future__ import annotations

import traceback
from enum import IntEnum
from fractions import Fraction
from typing import Any

from interpreters.lua import LuaError, Runtime, as_attrgetter


class Colour(IntEnum):
    RED = 3


class Account:
    def __init__(self, balance: int) -> None:
        self.balance = balance

    def pay(self, amount: int) -> int:
        self.balance += amount
        return self.balance


def refuse(number: int) -> Any:
    if number % 7 == 3:
        raise ValueError(f"no {number}")
    if number % 7 == 5:
        return Fraction(number, 7)
    return number, number + 1


def told(failure: BaseException) -> str:
    names = [frame.name for frame in traceback.extract_tb(failure.__traceback__)]
    return f"{type(failure).__name__}: {failure}, raised in {names[-1]}"


def hot_loop(lua: Runtime) -> None:
    """Lua reads and writes a list, a dict and an object, and calls functions and methods."""
    items, table, account = [0] * 8, {"n": 0}, Account(5)
    function = lua.eval("""function(n, items, dict, account, double, pay)
        local sum = 0
        for i = 1, n do
            items[i % 8] = items[(i + 3) % 8] + double(i)
            dict.n = dict.n + 1
            account.balance = account.balance - 1
            sum = sum + account:pay(i % 3) + pay(1) + #tostring(items[i % 8])
            if i % 50 == 0 then items[i % 8] = i / 4 end
        end
        return sum
    end""")
    print(function(400, items, table, account, lambda number: number * 2, account.pay), items, table, account.balance)


def types_in_turn(lua: Runtime) -> None:
    """One place in Lua sees values of all kinds."""
    same = lua.eval("function(...) local r = {} for i = 1, select('#', ...) do r[i] = (select(i, ...)) end return r end")
    kind = lua.eval("function(value) return type(value), math.type(value), value == value end")
    values = [1, True, None, 1.5, "é", b"\xff", Colour.RED, [1], {"a": 1}, (1, 2), len, Account(1), lua.globals, same, -(2**63)]
    seen = {}
    for turn in range(60):
        value = values[turn % len(values)]
        seen[turn % len(values)] = kind(value)
    print(seen)
    for _ in range(40):
        back = same(*values)
    print([value is back[number] or value == back[number] for number, value in enumerate(values, 1)])


def errors(lua: Runtime) -> None:
    function = lua.eval("""function(n, f)
        local caught, others, objects = 0, 0, 0
        for i = 1, n do
            local ok, value = pcall(f, i)
            if not ok then caught = caught + #tostring(value)
            elseif type(value) == 'userdata' then objects = objects + 1
            else others = others + value end
        end
        return caught, others, objects
    end""")
    lua.globals.refuse = refuse
    print(function(200, refuse))
    print(lua.eval("function(n) local r for i = 1, n do r = {pcall(refuse, 3)} end return r[1], tostring(r[2]) end")(90))
    for text in (
        "for i = 8, 80 do refuse(i) end",
        "for i = 1, 90 do if i == 80 then error('plain') end end",
        "local ok, e = pcall(refuse, 3) for i = 1, 80 do if i == 80 then error(e) end end",
        "for i = 1, 80 do coroutine.wrap(function() refuse(i == 80 and 3 or 1) end)() end",
        "local t = setmetatable({}, {__index = python.as_function(refuse)}) for i = 1, 80 do rawequal(t[1], 1) end",
    ):
        try:
            lua.execute(text)
        except (ValueError, LuaError, TypeError) as failure:
            print(told(failure))


def back_and_forth(lua: Runtime) -> None:
    """Python is called by Lua that is called by Python that is called by Lua."""
    lua.globals.down = lambda n: lua.globals.up(n - 1) + 1 if n else 0
    lua.execute("function up(n) local sum = 0 for i = 1, 3 do sum = sum + i end return n > 0 and down(n) + sum or sum end")
    print([lua.globals.up(number % 6) for number in range(60)])
    print(lua.eval("pcall(up, 1000)")[0])
    generator = lua.eval("function(a) while true do a = a + coroutine.yield(a) end end").coroutine(5)
    print(next(generator), [generator.send(number) for number in range(60)][-1])
    text = "local s = 0 for key, value in python.iterex(d) do s = s + value * #key end return s"
    print(lua.execute(f"d = ... {text}", {"k" * number: number for number in range(80)}.items()))
    print(lua.execute("local s = '' for v in python.iter(...) do s = s .. tostring(v) end return s", [1, None, "x"] * 30))
    print(lua.execute("local t = {} for i, v in python.enumerate(...) do t[v] = i end return t[70]", range(1, 80)))
    items: list[int] = []
    lua.execute("local l, n = ... for i = 1, n do l.append(i) if i % 2 == 0 then l.pop() end end", as_attrgetter(items), 90)
    print(len(items), sum(items))


def main() -> None:
    for unpacks in (False, True):
        lua = Runtime(unpack_returned_tuples=unpacks)
        hot_loop(lua)
        types_in_turn(lua)
        if unpacks:
            errors(lua)
        back_and_forth(lua)


if __name__ == "__main__":
    main()
