"""Lua from Python and Python from Lua."""

from __future__ import annotations

import pytest

from interpreters.lua.errors import LuaError
from interpreters.lua.lexer import END, Lexer
from interpreters.lua.runtime import Runtime


@pytest.fixture
def lua() -> Runtime:
    return Runtime()


def test_eval_converts_values(lua: Runtime) -> None:
    assert lua.eval("1 + 1, 'text', 1.5, true, nil") == (2, "text", 1.5, True, None)
    assert lua.eval("'\\xff'") == b"\xff"


def test_globals_are_a_mapping(lua: Runtime) -> None:
    lua.globals["x"] = [1, 2, {"k": "v"}]
    assert lua.eval("#x, x[3].k") == (3, "v")
    lua.execute("y = {a = 1}")
    assert dict(lua.globals["y"]) == {"a": 1}


def test_functions_call_both_ways(lua: Runtime) -> None:
    lua.globals["double"] = lambda value: value * 2
    assert lua.eval("double(21)") == 42
    assert lua.eval("function(a, b) return b, a end")(1, 2) == (2, 1)


def test_errors_cross_in_both_directions(lua: Runtime) -> None:
    with pytest.raises(LuaError, match="boom"):
        lua.execute("error('boom')")

    def fail() -> None:
        raise ValueError("from Python")

    lua.globals["fail"] = fail
    assert lua.eval("pcall(fail)")[1].endswith("ValueError: from Python")


def test_a_hook_is_its_own_machine_s(lua: Runtime) -> None:
    lua.execute("calls = 0 debug.sethook(function() calls = calls + 1 end, '', 10)")
    other = Runtime()
    assert other.execute("for i = 1, 1000 do end return debug.gethook()") is None
    assert lua.eval("calls") == 0
    lua.execute("for i = 1, 1000 do end")
    assert 80 < lua.eval("calls") < 120


def test_sandbox_has_no_way_out() -> None:
    lua = Runtime(sandbox=True)
    assert lua.eval("io, os.execute, require, loadfile, dofile, package, debug") == (None,) * 7


@pytest.mark.parametrize("source", ["(" * 5000, "{" * 5000, "x = " + "-" * 5000, "do " * 5000, "a" * 100 + "(" * 300])
def test_source_of_any_depth_is_a_syntax_error_with_its_line(lua: Runtime, source: str) -> None:
    with pytest.raises(LuaError, match=r":1: "):
        lua.execute(source)


def test_long_chains_compile(lua: Runtime) -> None:
    assert lua.eval("+".join(["1"] * 20000)) == 20000
    assert lua.execute("local a = 1 return " + "+".join(["a"] * 5000)) == 5000
    assert lua.eval("(" + ".x".join(["t"] + [""] * 0) + ")") is None


def test_deep_recursion_is_a_lua_error(lua: Runtime) -> None:
    assert lua.execute("local function f() return 1 + f() end return (select(2, pcall(f)))").endswith("stack overflow")


def test_equal_names_and_literals_are_one_object() -> None:
    lexer = Lexer(b"some_name 'some_name' [[x]] \"some_name\"", b"=test")
    found = []
    lexer.advance()
    while lexer.kind != END:
        if lexer.value == b"some_name":
            found.append(lexer.value)
        lexer.advance()
    assert len(found) == 3
    assert found[0] is found[1] is found[2]
