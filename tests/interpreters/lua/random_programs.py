"""Random Lua programs: arithmetic of both kinds, strings, tables, closures, methods, errors, varargs, coroutines.

`python -m tests.interpreters.lua.random_programs SEED FIRST LAST` runs some of them in this process and prints what they
print, to be compared between settings of METATRACER. With `--check` it compares by itself: every program runs untraced,
traced, with all thresholds at 1, with forced guard failures, and on PUC Lua where that is installed; it prints those that
differ, with their sources, and returns how many.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
EAGER = "threshold=1,function_threshold=1,trace_eagerness=1,compile_level=0,tail_limit=10"
MODES = {
    "untraced": "off",
    "traced": "threshold=20,function_threshold=20,trace_eagerness=5,compile_level=0",
    "thresholds 1": EAGER,
    "forced failures": f"{EAGER},force_exits=3",
}
PRELUDE = """\
local log = 0
local function note(v) log = (log * 31 + v) % 1000003 return v end
local Point = {} Point.__index = Point
local function point(x, y) return setmetatable({x = x, y = y}, Point) end
function Point.__add(a, b) return point(a.x + b.x, a.y - b.y) end
function Point.__eq(a, b) return a.x == b.x end
function Point.__lt(a, b) return a.x < b.x end
function Point:norm(k) return (self.x * k + self.y) % 1009 end
local Derived = setmetatable({}, {__index = Point}) Derived.__index = Derived
function Derived:norm(k) return Point.norm(self, k) + 1 end
local function derived(x, y) return setmetatable({y = y, x = x}, Derived) end
local function spread(n, ...) if n <= 0 then return ... end return spread(n - 1, n, ...) end
local function sum(...) local s = 0 for _, v in ipairs{...} do s = s + v end return s % 10007 end
local function counter(start) local n = start return function(d) n = (n + d) % 997 return n end end
local function numbers(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i * i) end return 0 end) end
local shared = counter(3)
local list, map = {}, {}
"""
DRIVER = """\
local total = 0
for round = 1, 30 do
  local ok, v = pcall(body, round, round % 7, list)
  if ok then total = (total * 17 + v) % 1000003 else total = total + 1 note(type(v) == 'string' and #v or 3) end
  if round % 10 == 0 then print(round, total, log, #list, type(v)) end
end
"""


class Generator:
    """Makes expressions and statements over the integer variables in scope."""

    def __init__(self, source: random.Random) -> None:
        self.pick = source
        self.names = 0

    def program(self) -> str:
        helper = self.function("helper", ["p", "q"], 2, ["p", "q"])
        body = self.function("body", ["a", "b", "t"], 3, ["a", "b"])
        return PRELUDE + helper + body + DRIVER

    def function(self, name: str, parameters: list[str], depth: int, variables: list[str]) -> str:
        lines = self.block(depth, list(variables), "  ")
        return f"local function {name}({', '.join(parameters)})\n{lines}end\n"

    def fresh(self) -> str:
        self.names += 1
        return f"v{self.names}"

    def block(self, depth: int, variables: list[str], indent: str, *, returns: bool = True) -> str:
        lines = [self.statement(depth, variables, indent) for _ in range(self.pick.randrange(1, 5))]
        if returns:
            lines.append(f"{indent}return ({self.integer(depth, variables)}) % 65537\n")
        return "".join(lines)

    def statement(self, depth: int, variables: list[str], indent: str) -> str:
        pick, inner = self.pick, indent + "  "
        case = pick.randrange(13)
        if depth <= 0 or case < 3:
            name = self.fresh()
            text = f"{indent}local {name} = {self.integer(depth, variables)}\n"
            variables.append(name)
            return text
        condition = self.condition(depth - 1, variables)
        body = self.block(depth - 1, list(variables), inner, returns=False)
        if case < 5:
            otherwise = self.block(depth - 1, list(variables), inner, returns=False)
            return f"{indent}if {condition} then\n{body}{indent}else\n{otherwise}{indent}end\n"
        if case == 5:
            step = pick.choice(["", ", 2", ", -1"])
            ends = "5, 1" if step == ", -1" else f"1, {pick.randrange(2, 9)}"
            name = self.fresh()
            loop = self.block(depth - 1, [*variables, name], inner, returns=False)
            return f"{indent}for {name} = {ends}{step} do\n{loop}{indent}end\n"
        if case == 6:
            name = self.fresh()
            return (
                f"{indent}local {name} = {pick.randrange(2, 7)}\n"
                f"{indent}while {name} > 0 do\n{inner}{name} = {name} - 1\n"
                f"{inner}if {condition} then break end\n{body}{indent}end\n"
            )
        if case == 7:
            return f"{indent}list[#list % 20 + 1] = {self.integer(depth - 1, variables)}\n"
        if case == 8:
            key = pick.choice(["x", "y", "z", f"[{self.integer(depth - 1, variables)} % 5]"])
            return f"{indent}map{key if key[0] == '[' else '.' + key} = {self.integer(depth - 1, variables)}\n"
        if case == 9:
            target = pick.choice(variables)
            return f"{indent}{target} = {self.integer(depth - 1, variables)}\n"
        if case == 10:
            message = pick.choice(['"oops"', "{}", "nil", self.integer(0, variables)])
            return f"{indent}if {condition} and {condition} then error({message}) end\n"
        if case == 11:
            name = self.fresh()
            return f"{indent}for _, {name} in ipairs(list) do note({name} % 100) {'if ' + condition + ' then break end'} end\n"
        return f"{indent}note({self.integer(depth - 1, variables)} % 1000)\n"

    def condition(self, depth: int, variables: list[str]) -> str:
        pick = self.pick
        left, right = self.integer(depth - 1, variables), self.integer(depth - 1, variables)
        compare = f"({left}) {pick.choice(['<', '<=', '==', '~=', '>', '>='])} ({right})"
        case = pick.randrange(6)
        if case == 0:
            return f"not ({compare})"
        if case == 1:
            return f"({compare} {pick.choice(['and', 'or'])} {self.condition(depth - 1, variables) if depth > 0 else 'true'})"
        if case == 2:
            return f"point({left} % 9, 1) {pick.choice(['<', '=='])} point({right} % 9, 2)"
        return compare

    def integer(self, depth: int, variables: list[str]) -> str:
        pick = self.pick
        if depth <= 0:
            return pick.choice([*variables, str(pick.randrange(-9, 40)), "(#list)", "(map.x or 7)", "log"])

        def e() -> str:
            return self.integer(depth - 1, variables)

        choices = [
            lambda: f"({e()} {pick.choice(['+', '-', '*'])} {e()} % 1000)",
            lambda: f"({e()} {pick.choice(['//', '%'])} ({e()} % 13 + 14))",
            lambda: f"({e()} {pick.choice(['&', '|', '~'])} {e()})",
            lambda: f"({e()} {pick.choice(['<<', '>>'])} ({e()} % 5))",
            lambda: f"math.floor({e()} / {pick.randrange(2, 9)} + {pick.choice(['0.5', '-0.25', '1e3'])})",
            lambda: f"(math.tointeger({e()} % 1000 + 0.0) or 3)",
            lambda: f"helper({e()} % 100, {e()} % 50)" if "p" not in variables else e(),
            lambda: f"note({e()} % 777)",
            lambda: f"({self.condition(depth - 1, variables)} and {e()} or {e()})",
            lambda: f"point({e()} % 99, {e()} % 98):norm({e()} % 11)",
            lambda: f"derived({e()} % 99, {e()} % 98):norm({e()} % 11)",
            lambda: f"(point({e()} % 50, 3) + derived(2, {e()} % 51)).y",
            lambda: f"sum(spread({e()} % 5, {e()} % 100, {e()} % 100))",
            lambda: f"select('#', spread({e()} % 4))",
            lambda: f"shared({e()} % 10)",
            lambda: f"#({e()} % 100 .. ',' .. {e()} % 1000)",
            lambda: f"(('abcdefgh'):byte({e()} % 9 + 1) or 5)",
            lambda: f"(tonumber(('x%d'):format({e()} % 100):sub(2)) or 1)",
            lambda: f"(function(z) return z + {e()} % 10 end)({e()} % 1000)",
            lambda: f"(list[{e()} % 25 + 1] or 11)",
            lambda: f"(map[{e()} % 5] or {e()})",
            lambda: f"(select(2, pcall(function(n) if n % 3 == 0 then error({{}}) end return n end, {e()})) == nil and 1 or 2)",
            lambda: f"(function(s) for v in numbers({e()} % 4) do s = s + v if v == 0 then break end end return s end)(0)",
            lambda: f"({pick.choice([9223372036854775807, -9223372036854775807])} + {e()})",
        ]  # fmt: skip
        return pick.choice(choices)()


def program_of(seed: int, number: int) -> str:
    """Return one program."""
    return Generator(random.Random(f"{seed} {number}")).program()


def output_of(command: list[str], mode: str) -> str:
    environment = {**os.environ, "METATRACER": mode, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)
    return f"{done.returncode}\n{done.stdout}{done.stderr}"


def check(seed: int, first: int, last: int) -> int:
    """Compare all ways to run programs; returns how many programs differ."""
    puc = shutil.which("lua5.4")
    differing = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, last):
            path = Path(folder) / "program.lua"
            path.write_text(program_of(seed, number))
            ours = [sys.executable, "-m", "interpreters.lua", str(path)]
            results = {mode: output_of(ours, text) for mode, text in MODES.items()}
            if puc is not None:
                results["PUC"] = output_of([puc, str(path)], "")
            if len(set(results.values())) > 1:
                differing += 1
                print(f"--- program {number} of seed {seed}\n{program_of(seed, number)}")
                for mode, result in results.items():
                    print(f"--- {mode}: {result}")
    return differing


def main(arguments: list[str]) -> int:
    checking = "--check" in arguments
    seed, first, last = (int(argument) for argument in arguments if argument != "--check")
    if checking:
        return check(seed, first, last)
    from interpreters.lua.runtime import Runtime

    for number in range(first, last):
        print(f"program {number}", flush=True)
        Runtime().execute(program_of(seed, number))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
