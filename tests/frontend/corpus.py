# ruff: noqa: C416, F541, F821, FURB171, I001, PLC3002, PLE0704, PYI034, PYI036, PTH118, RUF021, UP008, UP031, E731
# The odd constructs are what these functions are for.
"""Ordinary functions, written as interpreter authors write them, that between them use every construct.

`CASES` holds (function, arguments) pairs; the tests run each in CPython and by its JitCode. Arguments are copied deeply
before every run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

CASES: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []


def on(*argument_tuples: Any) -> Callable[[Any], Any]:
    """Add the decorated function to `CASES`, once per argument tuple."""

    def note(function: Any) -> Any:
        CASES.extend((function, args if isinstance(args, tuple) else (args,)) for args in argument_tuples or ((),))
        return function

    return note


# --- what the functions work on ---------------------------------------------------------------------------------------


class Point:
    __slots__ = ("x", "y")
    __match_args__ = ("x", "y")

    def __init__(self, x: Any, y: Any = 0) -> None:
        self.x = x
        self.y = y

    def norm1(self) -> Any:
        return abs(self.x) + abs(self.y)

    def moved(self, *, dx: Any = 0, dy: Any = 0) -> Point:
        return Point(self.x + dx, self.y + dy)

    def __repr__(self) -> str:
        return f"Point({self.x!r}, {self.y!r})"

    def __eq__(self, other: object) -> Any:
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)


class Base:
    kind = "base"

    def __init__(self, value: Any) -> None:
        self.value = value
        self.log: list[Any] = []

    def describe(self, prefix: str = "") -> str:
        return f"{prefix}{self.kind}:{self.value}"

    @property
    def doubled(self) -> Any:
        return self.value * 2

    @doubled.setter
    def doubled(self, new: Any) -> None:
        self.value = new / 2

    @classmethod
    def make(cls, value: Any) -> Base:
        return cls(value)

    @staticmethod
    def helper(a: Any, b: Any) -> Any:
        return (a, b)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    def __eq__(self, other: object) -> Any:
        return type(self) is type(other) and vars(self) == vars(other)


class Derived(Base):
    kind = "derived"

    def __init__(self, value: Any, extra: Any = None) -> None:
        super().__init__(value)
        self.extra = extra

    def describe(self, prefix: str = "") -> str:
        return "<" + super().describe(prefix) + ">"

    def super_attribute(self) -> Any:
        return super().kind, super().doubled

    def super_kept(self) -> Any:
        parent = super()
        return parent.describe("kept ")

    def super_old_style(self) -> Any:
        return super(Derived, self).describe("old ")

    def super_captured(self) -> Any:
        def inner() -> Any:
            return self.value

        return super().describe(), inner()


class Manager:
    def __init__(self, log: list[Any], swallow: bool = False) -> None:
        self.log = log
        self.swallow = swallow

    def __enter__(self) -> Manager:
        self.log.append("enter")
        return self

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> bool:
        self.log.append(("exit", kind, str(value), traceback is None))
        return self.swallow


class Fuse:
    """Iterator that fails at its end."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Fuse:
        return self

    def __next__(self) -> int:
        if not self.count:
            raise OSError("blown")
        self.count -= 1
        return self.count


class Callee:
    def __repr__(self) -> str:
        return "Callee()"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args: (name, *args)


class Odd:
    """Comparisons that give no bool; truth that fails."""

    def __repr__(self) -> str:
        return "Odd()"

    def __lt__(self, other: Any) -> Any:
        return ["lt", other]

    def __bool__(self) -> bool:
        raise ValueError("no truth")


TALLY = 0
LIMIT = 10


def collect(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


def spread(a: Any, b: Any = 2, /, c: Any = 3, *rest: Any, d: Any, e: Any = 5, **more: Any) -> Any:
    return a, b, c, rest, d, e, more


# --- interpreters -----------------------------------------------------------------------------------------------------


@on(([0, 100, 1, 3, 4],), ([1, 2, 3],), ([9],))
def calculator(code: Any) -> Any:
    stack = [1]
    pc = 0
    while True:
        if pc >= len(code):
            return stack
        op = code[pc]
        pc += 1
        if op == 0:
            stack.append(code[pc])
            pc += 1
        elif op == 1:
            stack.append(stack[-1] + stack.pop())
        elif op == 2:
            stack[-1] -= 1
        elif op == 3:
            if stack[-1]:
                stack[0] *= 2
        elif op == 4:
            return stack.pop(), stack
        else:
            raise ValueError(f"bad op {op} at {pc - 1}")


@on("++[>+++<-]>.", "+[", "]", "+++.[-].")
def brainfuck(program: Any) -> Any:
    tape, pointer, out, pc = [0] * 10, 0, [], 0
    jumps: dict[int, int] = {}
    opened: list[int] = []
    for place, char in enumerate(program):
        if char == "[":
            opened.append(place)
        elif char == "]":
            start = opened.pop()
            jumps[start], jumps[place] = place, start
    while pc < len(program):
        match program[pc]:
            case ">":
                pointer += 1
            case "<":
                pointer -= 1
            case "+":
                tape[pointer] = (tape[pointer] + 1) & 255
            case "-":
                tape[pointer] = (tape[pointer] - 1) & 255
            case ".":
                out.append(tape[pointer])
            case "[" if not tape[pointer]:
                pc = jumps[pc]
            case "]" if tape[pointer]:
                pc = jumps[pc]
        pc += 1
    return out, tape


@on((("add", 1, ("mul", 2, 3)),), (("neg", 4),), ("x",), (("if", 0, 1, 2),), (("add", 1),), ({"v": 3},), (1.5,))
def tree(node: Any) -> Any:
    match node:
        case int(n) | float(n):
            return n
        case str():
            return f"name {node!s:>5}"
        case ("add", left, right):
            return tree(left) + tree(right)
        case ("mul", left, *rest):
            total = tree(left)
            for item in rest:
                total *= tree(item)
            return total
        case ("neg" | "minus" as op, value):
            return op, -tree(value)
        case ["if", test, yes, no] if (flag := tree(test)) is not None:
            return tree(yes) if flag else tree(no)
        case {"v": value, **rest}:
            return value, rest
        case _:
            raise TypeError("cannot evaluate", node)


@on((3,), (7,))
def collatz(n: Any) -> Any:
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    else:
        steps = -steps
    return steps


# --- arithmetic, comparison, truth -------------------------------------------------------------------------------------


@on((7, 3), (-7, 3), (7, -3), (2**70, 5), (1.5, 2), (5, 0), ("a", 3), (True, 2))
def operators(a: Any, b: Any) -> Any:
    return [a * b, a + a, a % b, a // b, a / b, a - b, a**b, a >> b, a << b, a & b, a | b, a ^ b, -a, +a, ~a, not a]


@on((7, 3), (9.0, 2), ([1], 2), ("ab", 2))
def inplace(a: Any, b: Any) -> Any:
    original = a
    a *= b
    c = a
    c += a
    d = 100
    d -= b
    d //= b
    d **= 2
    d %= 7
    d <<= b
    d >>= 1
    d |= 8
    d &= 12
    d ^= 5
    e = 9
    e /= b
    return original, a, c, d, e


@on((1, 2, 3), (3, 2, 1), (1, 1, 1), (1.0, 2, 2**60))
def chain(a: Any, b: Any, c: Any) -> Any:
    return a < b < c, a <= b <= c, a == b != c, a > b >= c, (a if a < b < c else c)


@on((1, [1, 2]), (5, (1, 2)), ("a", "abc"), (None, {None: 1}), (1, 2))
def membership(a: Any, b: Any) -> Any:
    return a in b, a not in b, a is b, a is not b, a is None, a is not None


@on((0, 1, ""), ([], None, {}), (1, 0, 5))
def boolean(a: Any, b: Any, c: Any) -> Any:
    x = a and b or c
    y = not (a or b) and (c or not a)
    if a and (b or c):
        x = [x]
    while not c and a:
        c = a
    return x, y, c, bool(a) is True


@on((Odd(),))
def odd_compare(value: Any) -> Any:
    found = value < 3
    try:
        if value:
            return 1
    except ValueError as exc:
        return found, str(exc)
    return 2


@on((Odd(),))
def odd_truth(value: Any) -> Any:
    return not value


@on((None,), (1,), (0,))
def none_tests(value: Any) -> Any:
    out = []
    for item in (value, None, 0):
        if item is None:
            out.append("none")
        if item is not None and not item:
            out.append("zero")
        while item is not None:
            out.append(item)
            item = None
    return out


@on((5,), (-1,))
def walrus(n: Any) -> Any:
    if (half := n / 2) > 1 and (rest := n % 2):
        return half, rest
    return half


@on((1,), (0,))
def asserting(n: Any) -> Any:
    assert n, f"n is {n}"
    assert isinstance(n, int)
    return n


# --- attributes, methods, classes ------------------------------------------------------------------------------------


@on((3, 4))
def slots(a: Any, b: Any) -> Any:
    point = Point(a, b)
    point.x += 1
    point.y = point.x * point.y
    moved = point.moved(dx=1).moved(dy=2, dx=-1)
    del point.y
    try:
        return point.y
    except AttributeError as exc:
        return str(exc), moved, moved.norm1()


@on((3,))
def attributes(value: Any) -> Any:
    base = Base(value)
    base.extra = [1]
    base.extra += [2]
    base.doubled = 9
    shown = base.describe("p "), base.describe(prefix="q "), base.doubled, Base.make(1), base.helper(1, 2)
    base.describe = lambda: "own"  # type: ignore[method-assign]
    del base.extra
    return shown, base.describe(), hasattr(base, "extra"), base.log


@on((3,))
def inheritance(value: Any) -> Any:
    derived = Derived.make(value)
    return (
        derived.describe("*"),
        isinstance(derived, Base),
        isinstance(derived, (int, Derived)),
        issubclass(Base, Derived),
        derived.super_attribute(),
        derived.super_kept(),
        derived.super_old_style(),
        derived.super_captured(),
    )


CASES += [
    (Derived.describe, (Derived(4),)),
    (Derived.describe, (Derived(4), "q")),
    (Derived.super_attribute, (Derived(4),)),
    (Derived.super_kept, (Derived(4),)),
    (Derived.super_old_style, (Derived(4),)),
    (Derived.super_captured, (Derived(4),)),
    (Derived.describe, (3,)),
]


@on((Base(1),), (3,), (Callee(),))
def missing(value: Any) -> Any:
    return value.nothing_here(1)


@on(("a b  c",), ("",))
def string_methods(text: Any) -> Any:
    parts = text.split()
    return "-".join(parts).upper(), text.replace(" ", "").startswith("a"), text.split(sep=" ", maxsplit=1)


@on((Callee(),))
def called_objects(callee: Any) -> Any:
    return (
        callee(1, k=2),
        callee.foo(3),
        callee.bar(*[4, 5]),
        [str.upper, len][0]("x"),
        int("12"),
        type(callee).__name__,
    )


@on((4,))
def nested_class(n: Any) -> Any:
    class Local(Base):
        size = n
        names = [str(i) for i in range(3)]

        def grown(self) -> Any:
            return self.size + n, __class__.__name__  # type: ignore[name-defined]

        def describe(self, prefix: str = "") -> str:
            return super().describe("local " + prefix)

    class Meta(type):
        def __new__(mcs, name: str, bases: Any, space: Any, **kwargs: Any) -> Any:
            made = super().__new__(mcs, name, bases, space)
            made.options = kwargs
            return made

    class Made(metaclass=Meta, option=n):
        pass

    local = Local(1)
    return local.grown(), local.describe("x"), Local.names, Made.options, Local.__qualname__


# --- calls ------------------------------------------------------------------------------------------------------------


@on()
def keyword_calls() -> Any:
    return (
        collect(1, 2, a=3, b=4),
        collect(a=1),
        spread(1, d=2),
        spread(1, 2, 3, 4, 5, d=6, z=7),
        collect("x", *[1], y=2),
    )


@on(([1, 2], {"d": 1}), ((), {"d": 1}), ([1, 2, 3, 4], {"d": 1, "q": 2}), (range(2), {}), ([1], {"d": 2, "c": 3}))
def star_calls(args: Any, kwargs: Any) -> Any:
    first = collect(*args, **kwargs)
    second = collect(0, *args, 9, *args, x=1, **kwargs)
    try:
        third: Any = spread(*args, **kwargs)
    except TypeError as exc:
        third = str(exc)
    return first, second, third


@on((3,), ([1, 2],))
def bad_star(value: Any) -> Any:
    return collect(*value)


@on((3,), ({"a": 1},), ({"b": 1},), ({1: 1},))
def bad_double_star(value: Any) -> Any:
    return collect(a=2, **value)


@on((Point(1, 2),))
def method_star(point: Any) -> Any:
    keywords = {"dx": 1}
    return point.moved(**keywords), point.moved(*(), dy=5, **keywords)


@on((1,), (1, 2), (1, 2, 3, 4), ())
def defaults(a: Any = 1, b: Any = [], *rest: Any, flag: Any = None) -> Any:
    return a, b, rest, flag


@on((1, 2, 3), (1,), (1, 2, 3, 4))
def wrong_arguments(a: Any, b: Any, c: Any) -> Any:
    return a, b, c


@on((spread, "x"), (len, [1]), (int, "z"))
def call_errors(function: Any, value: Any) -> Any:
    return function(value)


@on((3,))
def lambdas(n: Any) -> Any:
    add = lambda a, b=n: a + b
    return add(1), add(1, 2), (lambda *a, **k: (a, k))(1, x=2), sorted([3, 1, 2], key=lambda v: -v)


@on((5,))
def recursion(n: Any) -> Any:
    def fact(k: Any) -> Any:
        return 1 if k <= 1 else k * fact(k - 1)

    return fact(n)


# --- closures and cells ----------------------------------------------------------------------------------------------


@on((3,))
def closures(n: Any) -> Any:
    count = n
    functions = []

    def bump(by: Any = 1) -> Any:
        nonlocal count
        count += by
        return count

    for i in range(3):
        functions.append(lambda i=i: (i, n, count))
    n = bump(2)
    return bump(), [f() for f in functions], n


@on((True,), (False,))
def unbound_cell(flag: Any) -> Any:
    def inner() -> Any:
        return late

    if flag:
        late = 1
    try:
        return inner()
    except NameError as exc:
        return type(exc), str(exc)


@on((True,), (False,))
def unbound_local(flag: Any) -> Any:
    if flag:
        value = 1
    return value


@on()
def own_unbound_cell() -> Any:
    if LIMIT < 0:
        cell = 1
    function = lambda: cell
    return cell, function


@on()
def deleted_names() -> Any:
    value, cell = 1, 2
    function = lambda: cell
    first = function()
    del value
    del cell
    out = [first]
    try:
        out.append(value)
    except UnboundLocalError as exc:
        out.append(str(exc))
    try:
        del value
    except UnboundLocalError as exc:
        out.append(str(exc))
    try:
        del cell
    except NameError as exc:
        out.append(str(exc))
    try:
        out.append(function())
    except NameError as exc:
        out.append(str(exc))
    return out


def make_counter() -> Any:
    """A function that changes its own closure; it has a test of its own."""
    total = 10
    names = ["a"]

    def step(by: Any, *more: Any) -> Any:
        nonlocal total
        total += by + len(more)
        names.append(str(total))
        return total, names

    return step


@on((4,))
def global_names(n: Any) -> Any:
    global TALLY
    TALLY = n
    TALLY += LIMIT
    return TALLY, max(1, TALLY)


@on()
def deleted_global() -> Any:
    global SHORT_LIVED
    SHORT_LIVED = 3
    value = SHORT_LIVED
    del SHORT_LIVED
    try:
        del SHORT_LIVED
    except NameError as exc:
        return value, str(exc)
    return value


@on()
def undefined_global() -> Any:
    return undefined_name_here  # type: ignore[name-defined]


# --- displays, slices, unpacking, strings ----------------------------------------------------------------------------


@on((1, [2, 3]))
def displays(a: Any, items: Any) -> Any:
    constants = {"p": a, "q": items, "r": 3}
    return [a, *items, a], (a, *items), {a, *items}, {"x": a, **constants, "y": 2}, {1: a}, constants, [], (), {}, {a}


@on((3,))
def bad_display(a: Any) -> Any:
    return [1, *a]


@on((3,))
def bad_mapping_display(a: Any) -> Any:
    return {"x": 1, **a}


@on(([],))
def unhashable(a: Any) -> Any:
    return {a: 1}


@on(([1, 2, 3, 4, 5],), ("hello",), ((1, 2),))
def slices(items: Any) -> Any:
    n = 1
    return items[1:], items[:2], items[n:-1], items[::2], items[::-1], items[n:][0], items[:], items[-1]


@on(([1, 2, 3, 4, 5],), ((1,),))
def slice_stores(items: Any) -> Any:
    n = 3
    items[1:n] = [9]
    del items[:1]
    items[::2] = [0] * len(items[::2])
    items[n - 3 :] += [7]
    return items


@on(([1, 2, 3],), ([1, 2],), ("abc",), (5,), ([1, 2, 3, 4],))
def unpacking(items: Any) -> Any:
    a, b, c = items
    (d, e), f = (a, b), c
    return c, b, a, d, e, f


@on(([1, 2, 3],), ([1],), ((1, 2, 3, 4, 5),), (7,), ([],))
def star_unpacking(items: Any) -> Any:
    first, *middle, last = items
    *most, _ = items
    head, *tail = items
    (only,) = [first]
    [*everything] = items
    return first, middle, last, most, head, tail, only, everything


@on((1, 2, 3))
def swapping(a: Any, b: Any, c: Any) -> Any:
    a, b = b, a
    a, b, c = c, a, b
    items = [a, b, c]
    items[0], items[-1] = items[-1], items[0]
    x = y = z = a
    return items, x, y, z


@on((3, "s"), (1.25, None), ("é", [1]))
def formatted(a: Any, b: Any) -> Any:
    width = 8
    return (
        f"{a} {b!r} {a!s:>{width}} {b!a:<10}|{a!r:^{width}}|{width:03d} {{}} {a=}",
        f"{a}",
        f"x{b!s}",
        f"",
        "%s" % (a,),
    )


@on((3,))
def bad_format(a: Any) -> Any:
    return f"{a:zz}"


@on(({"a": 1, "b": 2},))
def dictionaries(table: Any) -> Any:
    table["c"] = table.get("a", 0) + table["b"]
    del table["a"]
    table["b"] += 10
    found = [key + str(value) for key, value in table.items()]
    for key in list(table):
        if table[key] > 11:
            table.pop(key)
    try:
        table["zz"]
    except KeyError as exc:
        found.append(exc.args)
    return table, found, sorted(table.keys())


# --- loops and comprehensions ----------------------------------------------------------------------------------------


@on(([3, 1, 2],), ([],), ((5,),))
def loops(items: Any) -> Any:
    total = 0
    for i, item in enumerate(items):
        if item == 1:
            continue
        total += i * item
        if total > 100:
            break
    else:
        total = -total
    for a, b in zip(items, range(10), strict=False):
        total += a * b
    for _ in range(2):
        for key in {"k": 1}:
            total += len(key)
    return total


@on((10,), (0,))
def breaking(n: Any) -> Any:
    seen = []
    for i in range(n):
        for j in range(i):
            if j * i == 12:
                break
            seen.append(j)
        else:
            continue
        break
    else:
        return "none"
    return i, j, seen


@on((4,))
def comprehensions(n: Any) -> Any:
    i = "kept"
    squares = [i * i for i in range(n)]
    pairs = [(a, b) for a in range(n) if a % 2 for b in range(a)]
    table = {str(k): [v for v in range(k)] for k in range(n)}
    chars = {c for c in "hello" if c not in "l"}
    return i, squares, pairs, table, sorted(chars), sum(x for x in squares), any(x > n for x in squares)


@on((3,))
def comprehension_closures(n: Any) -> Any:
    functions = [lambda: (x, n) for x in range(n)]
    x = "outer"
    kept = [lambda y=y: y for y in range(n)]
    return [f() for f in functions], x, [f() for f in kept]


@on((3,), (0,))
def comprehension_fails(n: Any) -> Any:
    k = "kept"
    try:
        values = [10 // k for k in range(n)]
    except ZeroDivisionError as exc:
        return k, str(exc)
    return values, k


@on((3,), (0,))
def comprehension_unbound(n: Any) -> Any:
    found = [late for late in range(n)]
    try:
        return found, late  # type: ignore[name-defined]
    except NameError as exc:
        return found, type(exc)


@on((3,))
def failing_iterator(n: Any) -> Any:
    seen = []
    try:
        for item in Fuse(n):
            seen.append(item)
    except OSError as exc:
        seen.append(str(exc))
    return seen


@on((5,), (None,))
def bad_iteration(value: Any) -> Any:
    for item in value:
        return item
    return None


@on((1000,))
def long_body(n: Any) -> Any:
    # Long enough for EXTENDED_ARG before jumps.
    total = 0
    while n > 0:
        total += n * 1 + n * 2 + n * 3 + n * 4 + n * 5 + n * 6 + n * 7 + n * 8 + n * 9 + n * 10
        total -= n * 1 + n * 2 + n * 3 + n * 4 + n * 5 + n * 6 + n * 7 + n * 8 + n * 9 + n * 10
        total += n * 1 + n * 2 + n * 3 + n * 4 + n * 5 + n * 6 + n * 7 + n * 8 + n * 9 + n * 10
        total -= n * 1 + n * 2 + n * 3 + n * 4 + n * 5 + n * 6 + n * 7 + n * 8 + n * 9 + n * 10
        total += n * 1 + n * 2 + n * 3 + n * 4 + n * 5 + n * 6 + n * 7 + n * 8 + n * 9 + n * 10
        total -= n * 1 + n * 2 + n * 3 + n * 4 + n * 5 + n * 6 + n * 7 + n * 8 + n * 9 + n * 10
        total += n * 1 + n * 2 + n * 3 + n * 4 + n * 5 + n * 6 + n * 7 + n * 8 + n * 9 + n * 10
        total -= n * 1 + n * 2 + n * 3 + n * 4 + n * 5 + n * 6 + n * 7 + n * 8 + n * 9 + n * 11
        n -= 400
    return total


# --- exceptions -------------------------------------------------------------------------------------------------------


@on((0,), (1,), ("a",), (None,), (2.5,))
def try_all(value: Any) -> Any:
    out = []
    try:
        out.append(10 / value)
        if value == 1:
            return out
    except ZeroDivisionError as exc:
        out.append(("zero", str(exc)))
    except (TypeError, ValueError) as exc:
        out.append(type(exc))
        if value is None:
            raise
    else:
        out.append("else")
    finally:
        out.append("finally")
    return out


@on((0,), (1,))
def finally_overrides(value: Any) -> Any:
    for i in range(3):
        try:
            if value:
                return i
            raise KeyError(i)
        except KeyError:
            continue
        finally:
            if i == 1:
                break
    return "end", i


@on((1,), (2,), (3,), (4,))
def raise_forms(kind: Any) -> Any:
    try:
        try:
            {}["k"]
        except KeyError as exc:
            if kind == 1:
                raise ValueError("from") from exc
            if kind == 2:
                raise ValueError("none") from None
            if kind == 3:
                raise ValueError("context")
            raise
    except (ValueError, KeyError) as exc:
        return repr(exc), repr(exc.__cause__), repr(exc.__context__), exc.__suppress_context__


@on((ValueError,), (ValueError("made"),), (3,), (None,))
def raise_anything(what: Any) -> Any:
    raise what


@on((3,), ("x",))
def raise_from_anything(what: Any) -> Any:
    raise ValueError from what


@on()
def raise_nothing() -> Any:
    raise


@on((0,), (1,))
def nested_handlers(value: Any) -> Any:
    import sys

    out = [sys.exc_info()[1]]
    try:
        raise OSError("first")
    except OSError:
        out.append(repr(sys.exc_info()[1]))
        try:
            1 // value
            out.append("fine")
        except ZeroDivisionError as exc:
            out.append((repr(sys.exc_info()[1]), repr(exc.__context__)))
        out.append(repr(sys.exc_info()[1]))
    out.append(sys.exc_info()[1])
    return out


@on((0,))
def escaping(value: Any) -> Any:
    try:
        raise OSError("first")
    except OSError:
        return 1 // value
    finally:
        LIMIT.real


@on((3,))
def bad_except(value: Any) -> Any:
    try:
        1 // 0
    except value:
        return 1


@on((1,), (0,))
def loop_try(value: Any) -> Any:
    out = []
    for item in (1, 0, "s", value):
        try:
            out.append(1 // item)
        except ZeroDivisionError:
            out.append("zero")
            continue
        except TypeError:
            out.append("type")
            break
        finally:
            out.append("f")
    return out


@on((0,), (1,), (2,), (3,))
def groups(kind: Any) -> Any:
    out = []
    try:
        try:
            if kind == 0:
                raise ExceptionGroup("g", [ValueError(1), TypeError(2)])
            if kind == 1:
                raise ExceptionGroup("g", [ValueError(1), OSError(2), ExceptionGroup("h", [TypeError(3)])])
            if kind == 2:
                raise ValueError("bare")
        except* ValueError as group:
            out.append(("value", repr(group)))
        except* TypeError as group:
            out.append(("type", repr(group)))
            if kind == 1:
                raise KeyError("new")
    except ExceptionGroup as rest:
        out.append(repr(rest))
    return out


@on((0,), (1,), (2,))
def with_statements(kind: Any) -> Any:
    log: list[Any] = []
    with Manager(log) as outer, Manager(log, swallow=True):
        log.append(outer.swallow)
        if kind == 1:
            return log
        if kind == 2:
            raise ValueError("inside")
    return log, "after"


@on((False,), (True,))
def with_raises(swallow: Any) -> Any:
    log: list[Any] = []
    try:
        for i in range(3):
            with Manager(log, swallow):
                if i == 1:
                    raise OSError(i)
                if i == 2:
                    break
    except OSError as exc:
        log.append(str(exc))
    return log


@on((3,))
def bad_with(value: Any) -> Any:
    with value:
        return 1


# --- match ------------------------------------------------------------------------------------------------------------


@on((Point(1, 2),), (Point(0, 5),), (Point(0, 0),), ([1, 2],), ({"k": 1},), (None,), (True,), ("s",), (b"x",), (3.5,))
def matching(value: Any) -> Any:
    match value:
        case Point(x=0, y=0):
            return "origin"
        case Point(0, y):
            return "on axis", y
        case Point(x, y) if x < y:
            return "point", x, y
        case None | True:
            return "constant", value
        case {"k": int(v)}:
            return "mapping", v
        case [1, *rest]:
            return "sequence", rest
        case str(text) | bytes(text):
            return "text", text
        case LimitHolder.LIMIT:
            return "limit"
    return "other"


class LimitHolder:
    LIMIT = 3.5


@on((Base(1),), (3,))
def bad_match(value: Any) -> Any:
    match value:
        case Base(1):
            return 1
        case int(1, 2):
            return 2
    return 3


# --- imports and builtins -----------------------------------------------------------------------------------------------


@on((2.0,))
def importing(value: Any) -> Any:
    import os.path as path
    from math import floor, sqrt

    import collections.abc

    return floor(sqrt(value) * 100), path.join("a", "b"), collections.abc.Sized.__name__, math.floor(value)


@on()
def bad_import_from() -> Any:
    from math import no_such_name  # type: ignore[attr-defined]

    return no_such_name


@on()
def bad_import() -> Any:
    import no_such_module_anywhere  # type: ignore[import-not-found]

    return no_such_module_anywhere


@on((3,))
def annotated(n: int) -> Any:
    total: int = n
    items: list[int]

    def typed(a: int, *, b: str = "x") -> bool:
        return bool(a and b)

    items = [total]
    return items, typed(1), typed.__annotations__, typed.__kwdefaults__, typed.__name__, typed.__qualname__


@on((2,))
def generator_use(n: Any) -> Any:
    def produce(k: Any) -> Any:
        for i in range(k):
            yield i, n

    return list(produce(3)), next(produce(1)), max(i for i in range(n))


@on((3,))
def decorated(n: Any) -> Any:
    def twice(function: Any) -> Any:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs), function(*args, **kwargs)

        return wrapper

    @twice
    @staticmethod
    def inner(a: Any, b: Any = n) -> Any:
        return a * b

    return inner(2), inner(2, b=5)


@on((0,), (3,))
def tuple_compare(n: Any) -> Any:
    return (n, 1) < (n, 2), [n] == [n], n.__class__ is int, (n and -n) or "zero", [] if n else {}, print is not None
