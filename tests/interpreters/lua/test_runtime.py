"""Lua from Python and Python from Lua."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import subprocess
import sys
import weakref
from enum import IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from interpreters.lua import (
    LuaError,
    LuaSyntaxError,
    Runtime,
    Table,
    as_attrgetter,
    as_itemgetter,
    lua_type,
    unpacks_lua_table,
    unpacks_lua_table_method,
)  # fmt: skip
from interpreters.lua.frames import Proto
from interpreters.lua.lexer import END, Lexer
from interpreters.lua.state import new_state

ROOT = Path(__file__).parents[3]
EAGER = "threshold=1,function_threshold=1,trace_eagerness=1,compile_level=0"


@pytest.fixture
def lua() -> Runtime:
    return Runtime()


class Thing:
    def __init__(self) -> None:
        self.size = 1

    def grow(self, by: int) -> int:
        self.size += by
        return self.size

    def __repr__(self) -> str:
        return "a thing"


def test_eval_converts_values(lua: Runtime) -> None:
    assert lua.eval("1 + 1, 'text', 1.5, true, nil") == (2, "text", 1.5, True, None)
    assert lua.eval("'\\xff'") == b"\xff"


def test_globals_are_a_mapping(lua: Runtime) -> None:
    lua.globals["x"] = lua.table_from([1, 2, {"k": "v"}], recursive=True)
    assert lua.eval("#x, x[3].k") == (3, "v")
    lua.execute("y = {a = 1}")
    assert dict(lua.globals["y"]) == {"a": 1}
    assert "y" in lua.globals
    assert "z" not in lua.globals
    lua.globals.z = 4
    assert lua.globals().z == lua.eval("z") == 4
    del lua.globals["z"], lua.globals.y
    assert lua.eval("z, y") == (None, None)


def test_functions_call_both_ways(lua: Runtime) -> None:
    lua.globals["double"] = lambda value: value * 2
    assert lua.eval("double(21)") == 42
    assert lua.eval("function(a, b) return b, a end")(1, 2) == (2, 1)
    assert lua.compile("return 1, ...")(5) == (1, 5)
    assert lua.eval("select('#', ...)", 1, None) == 2
    assert lua.execute("x = 1") is None


# --- values


class Number(IntEnum):
    TWO = 2


class Word(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "nil"), (True, "boolean"), (3, "number"), (-(2**63), "number"), (1.5, "number"), ("é", "string"),
        (b"\xff", "string"), (Number.TWO, "number"), (Word("w"), "string"), ((1, 2), "userdata"), ([1], "userdata"),
        ({"a": 1}, "userdata"), (1j, "userdata"), (len, "userdata"), (Thing, "userdata"), (bytearray(b"x"), "userdata"),
    ],
)  # fmt: skip
def test_values_come_back_as_they_went(lua: Runtime, value: Any, kind: str) -> None:
    type_of, same, back = lua.eval("function(value) return type(value), value == value, value end")(value)
    assert (type_of, same, back) == (kind, True, value)
    assert kind != "userdata" or back is value


def test_lua_has_no_subclasses(lua: Runtime) -> None:
    assert lua.eval("math.type(...)", Number.TWO) == "integer"
    assert type(lua.eval("...", Number.TWO)) is int
    assert type(lua.eval("...", Word("w"))) is str
    assert lua.eval("({5, 6, w = 7})[...]", Number.TWO) == 6
    assert lua.eval("({5, 6, w = 7})[...]", Word("w")) == 7


def test_an_object_is_one_object_in_lua(lua: Runtime) -> None:
    one, other = [1], [1]
    assert lua.to_python(lua.to_lua(one)) is one
    assert lua.to_lua(one) is lua.to_lua(one)
    assert lua.eval("function(a, b, c) local t = {[a] = 1} return a == b, rawequal(a, b), t[b], a == c, t[c] end")(
        one, one, other
    ) == (True, True, 1, False, None)
    lua.execute("kept = ...", one)
    assert lua.eval("kept == ...", one)


def test_lua_lets_objects_go(lua: Runtime) -> None:
    thing = Thing()
    reference = weakref.ref(thing)
    lua.execute("kept = ...", thing)
    del thing
    assert reference() is not None
    lua.execute("kept = nil")
    gc.collect()
    assert reference() is None


def test_large_integers_overflow_unless_there_is_a_handler(lua: Runtime) -> None:
    with pytest.raises(OverflowError):
        lua.eval("...", 2**63)
    lua.globals.large = lambda: -(2**63) - 1
    with pytest.raises(OverflowError):
        lua.eval("large()")
    assert lua.eval("pcall(large)")[0] is False
    lua.set_overflow_handler(float)
    assert lua.eval("large()") == -(2.0**63)
    assert Runtime(overflow_handler=str).eval("...", 2**64) == str(2**64)
    lua.execute("python.set_overflow_handler(nil)")
    with pytest.raises(OverflowError):
        lua.eval("large()")


def test_strings_are_decoded_where_they_can_be(lua: Runtime) -> None:
    assert lua.eval("#...", "é") == 2
    assert lua.eval("#...", "\udcff") == 1
    latin = Runtime("latin-1")
    assert latin.eval("'\\xff'") == "ÿ"
    assert latin.eval("#'é'") == 1
    plain = Runtime(None)
    assert plain.eval("'a', type(...)", b"x") == (b"a", b"string")
    assert plain.eval("{a = 1}").a == 1
    text = "text"
    assert plain.eval("..., type(...)", text) == (text, b"userdata")


def test_values_of_another_runtime_are_refused(lua: Runtime) -> None:
    other = Runtime()
    with pytest.raises(LuaError, match="cannot mix objects from different Lua runtimes"):
        lua.eval("...", other.table(1))
    lua.globals.foreign = lambda: other.globals
    with pytest.raises(LuaError, match="cannot mix"):
        lua.eval("foreign()")


# --- Lua's values in Python


def test_tables_have_items_attributes_and_a_length(lua: Runtime) -> None:
    table = lua.table(10, 20, a=1)
    assert (table[1], table["a"], table.a, table.nothing, table[99], len(table)) == (10, 1, 1, None, None, 2)
    assert list(table) == list(table.keys()) == [1, 2, "a"]
    assert list(table.values()) == [10, 20, 1]
    assert dict(table.items()) == {1: 10, 2: 20, "a": 1}
    table[3], table.b = 30, None
    table[None] = "none"
    assert (len(table), table[3], table[None]) == (3, 30, "none")
    del table[3], table.a
    assert (len(table), table.a) == (2, None)
    with pytest.raises(AttributeError):
        table.__nothing__
    with pytest.raises(LuaError, match="NaN"):
        table[float("nan")] = 1
    assert lua.eval("function(t) return t end")(table) == table
    assert len({table, lua.eval("...", table)}) == 1
    assert lua.table() != lua.table()
    assert repr(table).startswith("<Lua table at 0x")


def test_metamethods_apply_in_python(lua: Runtime) -> None:
    table = lua.eval("""setmetatable({}, {
        __index = function(t, k) return k .. '!' end, __newindex = function(t, k, v) rawset(t, k, v * 2) end,
        __len = function() return 7 end, __tostring = function() return 'text' end, __call = function(self, a) return a end})""")
    table.x = 2
    assert (table["a"], table.b, len(table), str(table), table(5), table.x) == ("a!", "b!", 7, "text", 5, 4)
    with pytest.raises(LuaError, match="attempt to call a table value"):
        lua.table()()


def test_a_table_that_grows_during_iteration_is_told(lua: Runtime) -> None:
    table = lua.eval("{a = 1, [{}] = 2, [3.5] = 3}")
    seen = []
    with pytest.raises(LuaError, match="invalid key to 'next'"):  # noqa: PT012
        for key in table:
            seen.append(key)
            for number in range(30):
                table[number + 0.25] = None
            table[key] = None
            for number in range(30):
                table[number + 0.5] = number
    assert seen


def test_table_from_puts_sources_together(lua: Runtime) -> None:
    table = lua.table_from([10, 20, 30], {"a": 11, "b": 22}, (40, None, 50), {"b": 42}, lua.table(c=5), (n for n in "x"))
    assert dict(table.items()) == {1: 10, 2: 20, 3: 30, 4: 40, 6: 50, 7: "x", "a": 11, "b": 42, "c": 5}
    nested = [1]
    assert lua.table_from([nested])[1] is nested
    with pytest.raises(TypeError):
        lua.table_from(5)


def test_table_from_makes_tables_of_what_is_inside(lua: Runtime) -> None:
    shared: list[Any] = [{"k": (1, 2)}, {3}, "text"]
    shared.append(shared)
    table = lua.table_from({"one": shared, "two": shared}, recursive=True)
    assert table.one == table.two == table.one[4]
    assert (table.one[1].k[2], table.one[2], table.one[3]) == (2, {3}, "text")


def test_other_values_are_wrapped(lua: Runtime) -> None:
    assert [lua_type(lua.eval(text)) for text in ("{}", "print", "coroutine.create(print)", "io.stdout", "1")] == [
        "table", "function", "thread", "userdata", None]  # fmt: skip
    assert isinstance(lua.globals, Table)
    assert str(lua.eval("io.stdout")).startswith("file (")
    assert lua.eval("io.stdout").write == lua.eval("io.stdout.write")
    assert lua.require("string") == lua.globals.string
    with pytest.raises(AttributeError):
        lua.globals.print.attribute


# --- coroutines


def test_coroutines_are_generators(lua: Runtime) -> None:
    function = lua.eval("function(n) for i = 0, n do coroutine.yield(i % 2) end end")
    assert list(function.coroutine(4)) == [0, 1, 0, 1, 0]
    function = lua.eval("function(a) local b = coroutine.yield(a) local c, d = coroutine.yield(b) return c, d end")
    coroutine = function.coroutine(1)
    assert (next(coroutine), coroutine.send(2), coroutine.send((3, 4)), bool(coroutine)) == (1, 2, (3, 4), False)
    with pytest.raises(StopIteration):
        coroutine.send(5)
    with pytest.raises(TypeError):
        function.coroutine().send(1)
    assert list(lua.eval("function() coroutine.yield() coroutine.yield(nil, 2) end").coroutine()) == [None, (None, 2)]


def test_coroutines_that_lua_made_go_on_in_python(lua: Runtime) -> None:
    made, begun = lua.execute("""
        local function f(n) for i = 1, n do coroutine.yield(i) end end
        local begun = coroutine.create(f)
        coroutine.resume(begun, 3)
        return coroutine.create(f), begun""")
    assert list(begun) == [2, 3]
    assert list(made(2)) == list(made(2)) == [1, 2]
    with pytest.raises(LuaError, match="attempt to call a thread value"):
        begun(1)
    assert lua.eval("coroutine.status(...)", begun) == "dead"


def test_errors_in_coroutines_reach_python(lua: Runtime) -> None:
    coroutine = lua.eval("function() error('in it') end").coroutine()
    with pytest.raises(LuaError, match="in it"):
        next(coroutine)
    with pytest.raises(LuaError, match="cannot resume dead coroutine"):
        next(coroutine)
    with pytest.raises(ZeroDivisionError):
        next(lua.eval("function(f) f() end").coroutine(lambda: 1 // 0))
    lua.globals.yielding = lua.eval("coroutine.yield")
    lua.globals.indirect = lambda: lua.globals.yielding(1)
    with pytest.raises(LuaError, match="attempt to yield across a C-call boundary"):
        next(lua.eval("function() indirect() end").coroutine())


# --- Python's objects in Lua


def test_indexing_gets_items_or_else_attributes(lua: Runtime) -> None:
    thing, items, table = Thing(), [1, 2], {"keys": "an item", 1: "one"}
    change = lua.eval("function(o, k, v) o[k] = v return o[k] end")
    assert (change(thing, "size", 5), change(items, 0, thing), change(table, "new", None)) == (5, thing, None)
    assert (thing.size, items, table["new"]) == (5, [thing, 2], None)
    assert lua.eval("function(o) return o.keys, o[1] end")(table) == ("an item", "one")
    assert lua.eval("function(o) return o:grow(2), o.grow(1), tostring(o) end")(thing) == (7, 8, "a thing")
    get = lua.eval("function(o, k) return o[k] end")
    for subject, key, error in ((thing, "nothing", AttributeError), (items, 7, IndexError), (table, "x", KeyError),
                                (thing, 1, TypeError), (items, "append", TypeError), (items, 1.0, TypeError)):  # fmt: skip
        with pytest.raises(error):
            get(subject, key)


def test_the_way_of_indexing_can_be_chosen(lua: Runtime) -> None:
    table = {"get": "an item"}
    get = lua.eval("function(o) return o.get end")
    assert get(as_attrgetter(table))("get") == get(as_itemgetter(table)) == "an item"
    assert lua.eval("function(o) return python.as_attrgetter(o).get('get'), python.as_itemgetter(o).get end")(table) == (
        "an item", "an item")  # fmt: skip
    assert lua.eval("function(o) return python.as_attrgetter(o) end")(table) is table
    with pytest.raises(LuaError, match=r"bad argument #1 to 'as_attrgetter' \(not a python object\)"):
        lua.eval("python.as_attrgetter('text')")


def test_objects_have_neither_arithmetic_nor_length(lua: Runtime) -> None:
    for text in ("o + 1", "-o", "o < o", "#o", "o .. 'a'", "o & 1"):
        with pytest.raises(LuaError, match="POBJECT"):
            lua.eval(f"(function(o) return {text} end)(...)", Fraction(1, 2))
    assert lua.eval("... == 0.5, not ...", Fraction(1, 2)) == (False, False)


def test_python_functions_become_functions_where_lua_wants_some(lua: Runtime) -> None:
    lua.globals.before = lambda a, b: a > b
    with pytest.raises(LuaError, match="function expected, got POBJECT"):
        lua.execute("table.sort({3, 1, 2}, before)")
    assert lua.execute(
        "local t = {3, 1, 2} table.sort(t, python.as_function(before)) return table.concat(t), type(python.as_function(before))"
    ) == ("321", "function")
    assert lua.eval("('abc'):gsub('b', python.as_function(...))", str.upper) == ("aBc", 1)
    assert lua.eval("python.as_function(...)", len) is len


def test_tuples_are_results_if_that_is_asked_for(lua: Runtime) -> None:
    counted = "function(f) return select('#', f()), f() end"
    pair = (1, None)
    assert lua.eval(counted)(lambda: pair) == (1, pair)
    unpacking = Runtime(unpack_returned_tuples=True)
    assert unpacking.eval(counted)(lambda: pair) == (2, 1, None)
    assert unpacking.eval(counted)(lambda: ()) == 0
    assert unpacking.eval("(...)[0]", [pair]) is pair


def test_arguments_can_have_names(lua: Runtime) -> None:
    def told(*arguments: Any, **named: Any) -> str:
        return f"{arguments} {named}"

    assert lua.eval("(...)(python.args{1, nil, 3, a = 4})", told) == "(1, None, 3) {'a': 4}"
    assert lua.eval("(...)(5, python.args{1})", told) == "(5, 1) {}"
    assert lua.eval("(...){1, a = 2}", unpacks_lua_table(told)) == "(1,) {'a': 2}"
    assert lua.eval("(...)(1, 2)", unpacks_lua_table(told)) == "(1, 2) {}"
    owner = type("Owner", (), {"told": unpacks_lua_table_method(lambda self, *a, **n: told(*a, **n))})()
    assert lua.eval("(...):told{1, a = 2}", owner) == "(1,) {'a': 2}"
    with pytest.raises(TypeError, match="an argument's key"):
        lua.eval("(...)(python.args{[true] = 4})", told)


def test_loops_go_through_iterables(lua: Runtime) -> None:
    collect = "local r = {} for a, b in python.%s do r[#r+1] = tostring(a)..' '..tostring(b) end return table.concat(r, ',')"
    assert lua.execute(collect % "iter(...)", [1, None, "x"]) == "1 nil,None nil,x nil"
    assert lua.execute(collect % "iterex(...)", [(1, None), (None, 2), 3]) == "1 nil,None 2,3 nil"
    assert lua.execute(collect % "iterex(...)", {"a": 1}.items()) == "a 1"
    assert lua.execute(collect % "enumerate(...)", ["x", None]) == "0 x,1 nil"
    assert lua.execute(collect % "enumerate(..., 5)", ["x"]) == "5 x"
    assert lua.eval("python.none == nil, type(python.none), tostring(python.none)") == (False, "userdata", "None")
    assert lua.eval("(...)(python.none)", lambda value: value is None) is True
    with pytest.raises(TypeError):
        lua.execute(collect % "iter(...)", Thing())

    def failing() -> Any:
        yield 1
        raise ValueError("from the generator")

    with pytest.raises(ValueError, match="from the generator"):
        lua.execute(collect % "iter(...)", failing())


def test_python_is_there_unless_it_is_left_out(lua: Runtime) -> None:
    assert lua.eval("python.eval('2 ** 2'), python.builtins.str(4), require('python') == python") == (4, "4", True)
    without = Runtime(register_eval=False, register_builtins=False)
    assert without.eval("python.eval, python.builtins, type(python.iter)") == (None, None, "function")
    sandbox = Runtime(sandbox=True)
    assert sandbox.eval("python.eval, python.builtins, os.exit, type(python.iter)") == (None, None, None, "function")
    done = subprocess.run(
        [sys.executable, "-m", "interpreters.lua", "-e", "print(python, package.loaded.python)"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == b"nil\tnil\n"


def test_a_sandbox_keeps_back_what_leads_out() -> None:
    def function() -> Any:
        yield 1

    lua = Runtime(sandbox=True)
    assert lua.eval("(...).size", Thing()) == 1
    for text, value in (("(...).__globals__", function), ("python.as_attrgetter(...).__class__", []),
                        ("(...).gi_frame", function()), ("python.as_attrgetter(...).format", str)):  # fmt: skip
        with pytest.raises(AttributeError, match="sandbox"):
            lua.eval(text, value)
    with pytest.raises(AttributeError, match="sandbox"):
        lua.execute("(...)._hidden = 1", Thing())


def test_attributes_go_through_a_filter(lua: Runtime) -> None:
    asked = []

    def guard(value: Any, name: Any, is_setting: bool) -> Any:
        asked.append((name, is_setting))
        if name == "secret":
            raise AttributeError("access denied")
        return "size" if name == "alias" else name

    lua = Runtime(attribute_filter=guard)
    assert lua.execute("local o = ... o.alias = 4 return o.size, o:grow(1)", Thing()) == (4, 5)
    assert asked == [("alias", True), ("size", False), ("grow", False)]
    assert lua.eval("(...)[0]", [7]) == 7
    with pytest.raises(AttributeError, match="access denied"):
        lua.eval("(...).secret", Thing())
    with pytest.raises(ValueError, match="callable"):
        Runtime(attribute_filter=3)  # type: ignore[arg-type]


def test_handlers_get_and_set() -> None:
    written = []
    lua = Runtime(attribute_handlers=(lambda o, name: f"got {name}", lambda o, name, value: written.append((name, value))))
    assert lua.execute("local o, l = ... o.x = 1 l[1] = 2 return o.y, l[3]", Thing(), []) == ("got y", "got 3")
    assert written == [("x", 1), (1, 2)]
    for handlers in ((len,), (1, 2)):
        with pytest.raises(ValueError, match="attribute_handlers"):
            Runtime(attribute_handlers=handlers)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mutually exclusive"):
        Runtime(attribute_handlers=(len, len), attribute_filter=len)


# --- errors


def test_errors_of_lua_reach_python(lua: Runtime) -> None:
    with pytest.raises(LuaError, match=r'^\[string "<python>"\]:1: boom$'):
        lua.execute("error('boom')")
    with pytest.raises(LuaError, match="^mine:1: boom$"):
        lua.execute("error('boom')", name="=mine")
    with pytest.raises(LuaSyntaxError):
        lua.eval("1 +")
    with pytest.raises(LuaSyntaxError, match="attempt to load a text chunk"):
        lua.eval("1", mode="b")
    with pytest.raises(LuaError, match="object is a table") as caught:
        lua.execute("error({code = 5})")
    assert caught.value.payload.code == 5
    with pytest.raises(LuaError, match="^the text$"):
        lua.execute("error(setmetatable({}, {__tostring = function() return 'the text' end}))")


def test_exceptions_of_python_are_values_in_lua(lua: Runtime) -> None:
    failure = ValueError("from Python")

    def fail() -> None:
        raise failure

    lua.globals.fail = fail
    assert lua.eval("pcall(fail)") == (False, failure)
    assert lua.execute("local _, e = pcall(fail) return type(e), tostring(e), e.args[0]") == (
        "userdata", "from Python", "from Python")  # fmt: skip
    assert lua.eval("xpcall(fail, function(e) return type(e) end)") == (False, "userdata")
    assert lua.eval("coroutine.resume(coroutine.create(function() fail() end))") == (False, failure)


@pytest.mark.parametrize(
    "text",
    ["fail()", "local _, e = pcall(fail) error(e)", "coroutine.wrap(function() fail() end)()",
     "local f <close> = setmetatable({}, {__close = fail}) error('lost')",
     "return tostring(setmetatable({}, {__tostring = function() fail() end}))",
     "load(function() fail() end)", "table.sort({1, 2, 3}, function() fail() end)", "again('fail()')"],
)  # fmt: skip
def test_an_exception_that_nobody_catches_reaches_python_as_it_is(lua: Runtime, text: str) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("the key") from ZeroDivisionError()

    lua.globals.fail = fail
    lua.globals.again = lua.execute
    if text.startswith("load"):
        assert isinstance(lua.eval(text)[1], KeyError)
        return
    with pytest.raises(KeyError, match="the key") as caught:
        lua.execute(text)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    if "<close>" not in text:  # there it is the error that got lost
        assert caught.value.__context__ is None
    assert caught.traceback[-1].name == "fail"


def test_an_error_of_lua_stays_one_on_its_way_through_python(lua: Runtime) -> None:
    lua.globals.again = lua.execute
    code = "local ok, e = pcall(again, 'error({code = 5})') return ok, e.code"
    assert lua.execute(code) == (False, 5)
    assert lua.eval("pcall(again, 'error(\"text\", 0)')") == (False, "text")
    other = Runtime()
    lua.globals.elsewhere = other.execute
    assert lua.eval("pcall(elsewhere, 'error({})')") == (False, "(error object is a table value)")

    def mine() -> None:
        raise LuaError("mine")

    lua.globals.mine = mine
    assert lua.eval("pcall(mine)") == (False, "mine")
    with pytest.raises(LuaError, match="^mine$"):
        lua.eval("mine()")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_lua_does_not_catch_what_ends_a_program(lua: Runtime, error: type[BaseException]) -> None:
    def stop() -> None:
        raise error

    lua.globals.stop = stop
    with pytest.raises(error):
        lua.eval("pcall(stop)")
    assert lua.eval("1 + 1") == 2
    lua.globals.again = lua.execute
    with pytest.raises(SystemExit) as caught:
        lua.eval("pcall(again, 'os.exit(3)')")
    assert caught.value.code == 3


def test_output_goes_to_streams_of_text_alone() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        Runtime().execute("print('é')")
    assert stream.getvalue() == "é\n"


@pytest.mark.parametrize("mode", ["off", "payback=0,threshold=50", EAGER])
def test_values_cross_alike_in_traces(mode: str) -> None:
    command = [sys.executable, "-m", "tests.interpreters.lua.embedding_program"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "METATRACER": mode}, capture_output=True, text=True, check=True
    )
    assert done.stdout == Path(__file__).with_name("embedding_program.out").read_text(encoding="utf-8")


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


def test_leaving_a_scope_looks_at_its_own_variables_only(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0

    class Locals(list[Any]):
        def __getitem__(self, number: Any) -> Any:
            nonlocal reads
            reads += 1
            return super().__getitem__(number)

    make = Proto.__init__

    def make_counting(proto: Proto, *arguments: bytes) -> None:
        make(proto, *arguments)
        proto.locals = Locals()

    monkeypatch.setattr(Proto, "__init__", make_counting)
    new_state().load(b"do local a end " * 1000, b"=many")
    assert 1000 <= reads < 5000
