"""Ways in which ordinary interpreters dispatch: by name, by pattern, by bound method, on text; and what can go wrong."""

from collections import OrderedDict, UserList
from dataclasses import dataclass

from metatracer import JitDriver

driver = JitDriver(greens=["pc", "code"], reds="auto", name="dispatch")


@dataclass(frozen=True, eq=False)
class Number:
    value: object


@dataclass(frozen=True, eq=False)
class Binary:
    op: str
    left: object
    right: object


class Point:
    __match_args__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y


class Lazy(Point):
    @property
    def x(self):
        return self.__dict__["_x"] * 2

    @x.setter
    def x(self, value):
        self.__dict__["_x"] = value


class Partial:
    __match_args__ = ("present", "absent")
    present = 1


class Unmatched:
    pass


def evaluate(expression):
    match expression:
        case Number(value):
            return value
        case Binary("+", left, right):
            return evaluate(left) + evaluate(right)
        case Binary("*", left, right):
            return evaluate(left) * evaluate(right)
        case Binary(op=other):
            return len(other)
        case _:
            return -1


def shape(value):
    match value:
        case bool() | None:
            return "truth"
        case int(number) if number > 1000:
            return "big"
        case int() | float():
            return "number"
        case str(text):
            return text + "!"
        case []:
            return "empty"
        case [first]:
            return ("one", first)
        case [first, *rest]:
            return (first, len(rest))
        case {"kind": kind, **rest}:
            return (kind, sorted(rest))
        case Point(0, y=0):
            return "origin"
        case Point(x, y):
            return (x, y)
        case Partial(present, absent):
            return (present, absent)
        case Partial(present):
            return present
        case _:
            return type(value).__name__


class Machine:
    def __init__(self):
        self.stack = []
        self.names = {}
        self.log = []

    def push(self, value):
        self.stack.append(value)

    def pop(self):
        return self.stack.pop()

    @property
    def depth(self):
        return len(self.stack)

    def op_const(self, value):
        self.push(value)

    def op_load(self, name):
        self.push(self.names[name])

    def op_store(self, name):
        self.names[name] = self.pop()

    def op_add(self, _):
        push, pop = self.push, self.pop
        right = pop()
        push(pop() + right)

    def op_shape(self, values):
        self.push(shape(values[self.names["i"] % len(values)]))

    def op_eval(self, expressions):
        self.push(evaluate(expressions[self.names["i"] % len(expressions)]))

    def op_text(self, line):
        name, *rest = line.split()
        value = int(rest[0]) + len(rest) + max(3, len(name)) + ord(name[0])
        if name.startswith("x") and not rest[-1].isdigit():
            value += 1
        self.push(value + abs(round(float(rest[0]))))

    def op_missing(self, name):
        try:
            self.push(getattr(self, name)(1))
        except AttributeError:
            self.push(getattr(self, name, -1))

    def op_depth(self, _):
        self.push(getattr(self, "depth"))

    def op_keep(self, _):
        # each of these is a new object
        first, second = self.push, self.push
        self.log.append((first is second, first == second, first.__self__ is self))
        self.push(first)

    def op_call(self, value):
        method = self.pop()
        method(value)

    def op_parse(self, texts):
        text = texts[self.names["i"] % len(texts)]
        try:
            self.push(int(text))
        except ValueError as error:
            self.push(len(str(error)))

    def op_fresh(self, _):
        table = {}
        table["a"] = self.names["i"]
        table.setdefault("b", []).append(1)
        self.push(len(table) + table["a"] + len(table["b"]))


@driver.portal
def run(code, machine):
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        name, argument = code[pc]
        pc += 1
        if name == "less":
            if machine.names["i"] < argument:
                pc = 0
                driver.can_enter_jit(pc=pc, code=code)
        elif name == "end":
            return machine
        else:
            getattr(machine, "op_" + name)(argument)


def loop(*body, times=60):
    return (*body, ("load", "i"), ("const", 1), ("add", None), ("store", "i"), ("less", times), ("end", None))


codes = []
"""They stay alive, because loops keep their greens."""


def show(name, *body, times=60):
    code = loop(*body, times=times)
    codes.append(code)
    for _ in range(4):
        machine = Machine()
        machine.names["i"] = 0
        run(code, machine)
        kept = [getattr(value, "__qualname__", value) for value in machine.stack]
        print(name, kept[:12], kept[-3:], len(kept), machine.log[-2:], sorted(machine.names))


def renamed():
    """The name that is looked at changes while the loop is hot."""
    for number in range(3):
        Unmatched.__name__ = f"Unmatched{number}"
        yield Unmatched()
    Unmatched.__name__ = "Unmatched"


def main():
    show("push", ("const", 2), ("load", "i"), ("add", None))
    show("keep", ("keep", None), ("call", 5))
    show("missing", ("missing", "push"), ("missing", "nothing"), ("depth", None))
    show("text", ("text", "x 12 a"), ("text", "yy 3"), ("text", "x 7 8"))
    show("parse", ("parse", ("1", "22", "x", " 3 ", "")))
    show("fresh", ("fresh", None))
    values = (
        True, None, 5, 5000, 1 << 70, 2.5, "text", [], [1], [1, 2, 3], (4, 5), (), {"kind": "a", "z": 1, "b": 2}, {},
        OrderedDict(kind="o"), UserList([7]), range(3), b"bytes", Point(0, 0), Point(1, 2), Lazy(3, 4), Partial(), object(),
    )  # fmt: skip
    show("shape", ("shape", values), times=2 * len(values))
    show("sequences", ("shape", ([1, 2], (3,), [])))
    show("points", ("shape", (Point(1, 2), Point(0, 0), Lazy(0, 0))))
    tree = Binary("+", Number(2), Binary("*", Number(3), Number(4.5)))
    show("eval", ("eval", (tree, Number(1), Binary("?", tree, tree), "other", Binary("+", tree, Number(1 << 65)))))
    show("one tree", ("eval", (tree,)))
    unnamed = ("shape", (object(), Machine))
    show("names", unnamed)
    for number in range(2):
        code = loop(("shape", tuple([Unmatched() for _ in range(1 + number)])))
        codes.append(code)
        for _ in renamed():
            machine = Machine()
            machine.names["i"] = 0
            run(code, machine)
            print("renamed", machine.stack[:2], len(machine.stack))
