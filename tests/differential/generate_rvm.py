"""Random guest programs for the register machine.

Every program ends: loops count down a fuel register that nothing else writes, functions call only later ones, and the
one that calls itself counts down an argument. A program may well end with a guest error; that is compared too. Numbers
grow at most by a constant number of bits a step, and products are reduced, so that nothing explodes.
"""

from __future__ import annotations

import random

INTS = (
    "0", "1", "2", "-1", "3", "7", "10", "-13", "255", "1000003", "2147483647", "-2147483648", "4294967296",
    "9007199254740992", "9007199254740993", "4611686018427387904", "9223372036854775807", "-9223372036854775808",
    "18446744073709551616", "123456789012345678901234567890",
)  # fmt: skip
FLOATS = ("0.0", "-0.0", "1.0", "0.1", "-2.5", "1e16", "9007199254740992.0", "1e308", "5e-324", "nan", "inf", "-inf")
STRINGS = ('"a"', '"xyz"', '""', '"0"', '"\\u00e9"', '"\\u20ac"')
OTHERS = ("none", "true", "false")
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
MAX_COST = 4000
"""Upper bound for the guest iterations that one function body may make."""

_INT_NAMES = ("i0", "i1", "i2", "i3")
_FLOAT_NAMES = ("f0", "f1", "f2")
_ANY_NAMES = ("a0", "a1")
_CONSTANT_NAMES = ("k0", "k1", "k2", "k3")


class _Function:
    """Writes the body of one function."""

    def __init__(self, rnd: random.Random, index: int, n_functions: int) -> None:
        self.rnd = rnd
        self.index = index
        self.n_functions = n_functions
        self.lines: list[str] = []
        self.n_labels = 0
        self.n_fuels = 0

    def emit(self, *lines: str) -> None:
        self.lines += [f"    {line}" for line in lines]

    def place(self, label: str) -> None:
        self.lines.append(f"{label}:")

    def label(self) -> str:
        self.n_labels += 1
        return f"L{self.n_labels}"

    def int_name(self) -> str:
        return self.rnd.choice(_INT_NAMES)

    def float_name(self) -> str:
        return self.rnd.choice(_FLOAT_NAMES)

    def set_up(self) -> None:
        """Give every register a value of the kind in its name."""
        for name in _INT_NAMES:
            self.emit(f"loadk {name} {self.rnd.choice(INTS)}")
        for name in _FLOAT_NAMES:
            self.emit(f"loadk {name} {self.rnd.choice(FLOATS)}")
        for name in (*_ANY_NAMES, *_CONSTANT_NAMES):
            self.emit(f"loadk {name} {self.rnd.choice(INTS + FLOATS + STRINGS + OTHERS)}")
        self.emit(
            f"loadk s0 {self.rnd.choice(STRINGS)}", f"loadk size {self.rnd.randint(1, 5)}",
            f"newlist l0 size {self.int_name()}", "newobj o0 Thing", "setfield o0 x i0", "setfield o0 y i1",
            "setfield o0 z f0", "loadk one 1", "loadk zero 0", "loadk mask 63",
        )  # fmt: skip

    def arithmetic(self) -> None:
        kind = self.rnd.randint(0, 9)
        target, left, right = self.int_name(), self.int_name(), self.int_name()
        if kind <= 2:
            self.emit(f"{self.rnd.choice(('add', 'sub', 'and', 'or', 'xor'))} {target} {left} {right}")
        elif kind == 3:
            self.emit(f"{self.rnd.choice(('mod', 'floordiv'))} {target} {left} {right}")
        elif kind == 4:
            bound = 2 ** self.rnd.randint(8, 130) + self.rnd.randint(-1, 1)
            self.emit(f"mul {target} {left} {right}", f"loadk bound {bound}", f"mod {target} {target} bound")
        elif kind == 5:
            bound = 2 ** self.rnd.randint(8, 130)
            self.emit(f"and t {right} mask", f"{self.rnd.choice(('shl', 'shr'))} {target} {left} t")
            self.emit(f"loadk bound {bound}", f"mod {target} {target} bound")
        elif kind == 6:
            self.emit(f"neg {target} {left}")
        elif kind == 7:
            operation = self.rnd.choice(("add", "sub", "mul", "div", "mod", "floordiv"))
            self.emit(f"{operation} {self.float_name()} {self.float_name()} {self.float_name()}")
        elif kind == 8:
            operation = self.rnd.choice(("add", "sub", "mul", "div"))
            self.emit(f"{operation} {self.float_name()} {self.float_name()} {left}")
        else:
            operation = self.rnd.choice(("add", "sub", "mul", "div", "mod", "floordiv", "and", "eq", "lt"))
            other = self.rnd.choice(_CONSTANT_NAMES)
            self.emit(f"{operation} {self.rnd.choice(_ANY_NAMES)} {self.rnd.choice(_ANY_NAMES)} {other}")

    def comparison(self) -> None:
        pool = self.rnd.choice((_INT_NAMES, _FLOAT_NAMES, _INT_NAMES + _FLOAT_NAMES, _ANY_NAMES + _CONSTANT_NAMES))
        name = self.rnd.choice(COMPARISONS)
        if pool[0] == "a0" and self.rnd.randint(0, 3):
            name = "eq"
        self.emit(f"{name} c {self.rnd.choice(pool)} {self.rnd.choice(pool)}")

    def branch(self, cost: int, depth: int) -> None:
        self.comparison()
        otherwise, end = self.label(), self.label()
        self.emit(f"{self.rnd.choice(('jfalse', 'jtrue'))} c {otherwise}")
        self.statements(cost, depth + 1)
        self.emit(f"jump {end}")
        self.place(otherwise)
        self.statements(cost, depth + 1)
        self.place(end)
        self.emit("move c zero")

    def loop(self, cost: int, depth: int) -> None:
        most = min(60, MAX_COST // cost)
        if most < 2:
            return
        iterations = self.rnd.randint(2, most)
        fuel = f"fuel{self.n_fuels}"
        self.n_fuels += 1
        again, end = self.label(), self.label()
        self.emit(f"loadk {fuel} {iterations}")
        self.place(again)
        self.statements(cost * iterations, depth + 1)
        if self.rnd.randint(0, 3) == 0:
            self.comparison()
            self.emit(f"jtrue c {end}")
        self.emit(f"sub {fuel} {fuel} one", f"gt c {fuel} zero", f"jtrue c {again}")
        self.place(end)
        self.emit("move c zero")

    def attempt(self, cost: int, depth: int) -> None:
        handler, end = self.label(), self.label()
        self.emit(f"try {handler} e")
        self.statements(cost, depth + 1)
        if self.rnd.randint(0, 2) == 0:
            self.comparison()
            skip = self.label()
            self.emit(f"jfalse c {skip}", f"raise {self.rnd.choice(_INT_NAMES + _CONSTANT_NAMES)}")
            self.place(skip)
        self.emit("endtry", f"jump {end}")
        self.place(handler)
        self.emit("print e" if self.rnd.randint(0, 3) == 0 else "move a0 zero")
        self.statements(cost, depth + 2)
        self.place(end)
        self.emit("move c zero")

    def call(self, cost: int) -> None:
        if self.index + 1 >= self.n_functions or cost > 120:
            self.emit("loadk t 4", f"call {self.int_name()} deep t {self.int_name()}")
            return
        callee = self.rnd.randint(self.index + 1, self.n_functions - 1)
        self.emit(f"call a1 f{callee} {self.int_name()} {self.rnd.choice(_INT_NAMES + _FLOAT_NAMES)}")

    def container(self) -> None:
        kind = self.rnd.randint(0, 6)
        name = self.int_name()
        if kind == 0:
            self.emit("len t l0", f"mod t {name} t", f"getitem {self.rnd.choice(_ANY_NAMES)} l0 t")
        elif kind == 1:
            self.emit("len t l0", f"mod t {name} t", f"setitem l0 t {self.rnd.choice(_INT_NAMES + _FLOAT_NAMES)}")
        elif kind == 2:
            self.emit(f"append l0 {self.rnd.choice(_INT_NAMES + _FLOAT_NAMES + _CONSTANT_NAMES)}")
        elif kind == 3:
            self.emit("loadk t 3", f"and t t {name}", f"getitem {self.rnd.choice(_ANY_NAMES)} l0 t")
        elif kind == 4:
            self.emit(f"callmethod a0 o0 bump {name}")
        elif kind == 5:
            field = self.rnd.choice("xyz")
            self.emit(f"getfield a1 o0 {field}", f"setfield o0 {field} {self.rnd.choice(_INT_NAMES)}")
        else:
            literal = self.rnd.choice(STRINGS)
            self.emit(f"loadk t {literal}", "add s0 s0 t", f"len {name} s0")

    def statements(self, cost: int, depth: int) -> None:
        for _ in range(self.rnd.randint(1, 4 if depth else 7)):
            kind = self.rnd.randint(0, 13)
            if kind <= 5 or depth >= 4:
                self.arithmetic()
            elif kind <= 7:
                self.branch(cost, depth)
            elif kind == 8 or (kind == 9 and depth == 0):
                self.loop(cost, depth)
            elif kind == 10:
                self.attempt(cost, depth)
            elif kind == 11:
                self.call(cost)
            else:
                self.container()

    def body(self) -> list[str]:
        self.set_up()
        if self.index:
            self.emit("move i0 x", "move a0 y")
        else:
            self.loop(1, 0)
        self.statements(40 if self.index else 1, 0)
        if not self.index:
            for name in (*_INT_NAMES, *_FLOAT_NAMES, "s0", "l0"):
                self.emit(f"print {name}")
        self.emit(f"return {self.rnd.choice(_INT_NAMES + _FLOAT_NAMES)}")
        return self.lines


def generate_rvm(rnd: random.Random) -> str:
    """Make the text of a program; all choices come from `rnd`."""
    n_functions = rnd.randint(1, 3)
    lines = ["class Thing x y z", "    method bump = bump", "func bump self by", "    getfield t self x"]
    lines += ["    add t t by", "    setfield self x t", "    return t"]
    lines += ["func deep n acc", "    loadk zero 0", "    le c n zero", "    jtrue c done", "    loadk one 1"]
    lines += [f"    {rnd.choice(('add', 'sub', 'xor'))} acc acc n", "    sub n n one", "    call acc deep n acc"]
    lines += ["done:", "    return acc"]
    for index in range(n_functions):
        lines.append("func main" if index == 0 else f"func f{index} x y")
        lines += _Function(rnd, index, n_functions).body()
    return "\n".join(lines) + "\n"
