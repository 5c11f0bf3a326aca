"""Random Python modules that look like small interpreters: helper functions called in a hot loop by a portal.

The text goes through what the frontend must understand. Every module ends: loops are over short sequences or count, and
a helper calls only helpers before it. Numbers are reduced at a helper's end. What a helper raises is caught in the
portal, most of the time, and noted in a log that is printed at the end.
"""

from __future__ import annotations

import random
from collections.abc import Callable

_HEADER = '''from metatracer import JitDriver

driver = JitDriver(greens=["pc", "code"], reds="auto", name="generated")
LOG = []
SCALE = 3
INF = float("inf")
NAN = float("nan")


def as_int(value):
    if isinstance(value, float):
        return int(value) if -1e18 < value < 1e18 else 4
    return value


def note(*values):
    LOG.append(" ".join([repr(value) for value in values]))
    del LOG[400:]


class Oops(Exception):
    pass


class Worse(Oops):
    def __init__(self, number, text="worse"):
        super().__init__(text)
        self.number = number


class Slots:
    __slots__ = ("left", "right")

    def __init__(self, left, right=2):
        self.left = left
        self.right = right

    def total(self):
        return self.left + self.right

    def swap(self, times=1):
        for _ in range(times):
            self.left, self.right = self.right, self.left
        return self

    def __eq__(self, other):
        return isinstance(other, Slots) and self.left == other.left

    def __hash__(self):
        return 7


class Wide(Slots):
    __slots__ = ("extra",)

    def __init__(self, left, right, extra=None):
        super().__init__(left, right)
        self.extra = extra

    def total(self):
        return super().total() + (self.extra if self.extra is not None else -1)


class Plain:
    count = 0
    factor = 2

    def __init__(self, value):
        self.value = value
        self.cache = {}

    @property
    def double(self):
        return self.value * self.factor

    @double.setter
    def double(self, value):
        self.value = value // self.factor

    @classmethod
    def make(cls, value):
        return cls(value + 1)

    @staticmethod
    def mix(a, b=5):
        return a ^ b if isinstance(a, int) and isinstance(b, int) else 1

    def __add__(self, other):
        return self.value + other

    def __getitem__(self, key):
        return self.cache.setdefault(key, self.value)

    def __len__(self):
        return len(self.cache)

    def __bool__(self):
        return self.value > 0

    def __enter__(self):
        note("enter")
        return self

    def __exit__(self, kind, error, traceback):
        note("exit", kind.__name__ if kind else None)
        return kind is Oops


class Child(Plain):
    factor = 5

    def __init__(self, value):
        super().__init__(value)
        self.late = value * 2

    @property
    def double(self):
        return super().double + self.late


def pick(value, *rest, key=None, **options):
    if key is not None:
        return key
    if options:
        return sorted(options.items())[0][1]
    return rest[-1] if rest else value
'''

_INT_LITERALS = (
    "0", "1", "2", "3", "-1", "-7", "10", "255", "2**31", "2**53", "2**53 + 1", "2**62", "-2**63", "2**63 - 1", "2**70",
)  # fmt: skip
_FLOAT_LITERALS = ("0.0", "-0.0", "1.5", "0.1", "1e300", "INF", "NAN", "2.0**53")
_INDENT = "    "
Lines = list[str]


class _Helper:
    """Writes one helper function of the ints a and b; more variables have fixed kinds too.

    x, y, z are numbers, s a string, items a list of numbers, table a dict of numbers by number, obj an object.
    """

    def __init__(self, rnd: random.Random, index: int) -> None:
        self.rnd = rnd
        self.index = index
        self.n_names = 0
        self.in_loop = 0

    def number(self, depth: int = 0) -> str:
        """An expression that is a number, unless it raises."""
        rnd = self.rnd
        kind = rnd.randint(0, 11 if depth < 3 else 3)
        if kind <= 1:
            return rnd.choice(("a", "b", "x", "y", "z"))
        if kind == 2:
            return f"({rnd.choice(_INT_LITERALS)})"
        if kind == 3:
            return rnd.choice(_FLOAT_LITERALS) if rnd.randint(0, 3) == 0 else rnd.choice(("x", "y", "len(items)"))
        first, second = self.number(depth + 1), self.number(depth + 1)
        if kind <= 5:
            return f"({first} {rnd.choice(('+', '-', '*'))} {second})"
        if kind == 6:
            return f"({first} {rnd.choice(('//', '%', '/'))} ({second}))"
        if kind == 7:
            operator = rnd.choice(("&", "|", "^"))
            if rnd.randint(0, 9):  # most of the time without a TypeError
                first, second = f"as_int({first})", f"as_int({second})"
            return f"({first} {operator} {second})"
        if kind == 8:
            return f"({first} if {self.condition(depth + 1)} else {second})"
        return rnd.choice(
            (
                f"-{first}", f"~as_int({rnd.choice('xyab')})", f"abs({first})", f"max({first}, {second})",
                f"min({first}, {second}, 3)", f"(as_int({rnd.choice('xyz')}) >> (as_int({rnd.choice('ab')}) & 15))",
                f"(as_int({rnd.choice('xyz')}) << (as_int({rnd.choice('ab')}) & 7))", "sum(items)", "items[0]", "items[-1]",
                f"items[as_int({rnd.choice('xy')}) % 4]", f"table.get({rnd.choice('xyz')}, 9)", "table[1]", "obj.total()",
                "obj.left", "plain.value", "plain.double", f"Plain.mix({first})", f"plain + {second}", "SCALE",
                f"pick({first}, {second})", f"pick({first}, key={second})", f"pick(0, n={first}, m=1)",
                f"pick(*items, {first})", "len(s)", f"int({first} > {second})", f"divmod({first}, 7)[1]",
                f"plain[as_int({rnd.choice('ab')}) & 3]", f"(x := {first})",
                f"[{first}, {second}][as_int({rnd.choice('ab')}) % 2]",
                f"(lambda q, r=2: q + r)({first})", f"int({rnd.choice(('True', 'False'))}) + {second}",
            )
        )  # fmt: skip

    def condition(self, depth: int = 0) -> str:
        rnd = self.rnd
        kind = rnd.randint(0, 9)
        first, second = self.number(depth + 1), self.number(depth + 1)
        if kind <= 4:
            return f"{first} {rnd.choice(('<', '<=', '==', '!=', '>', '>='))} {second}"
        if kind == 5:
            return f"0 <= {first} < {second}"
        if kind == 6:
            return rnd.choice(
                (
                    "x in items", "y not in table", "'b' in s", "isinstance(x, int)", "isinstance(z, float)",
                    "isinstance(obj, Wide)", "obj is None", "plain", "type(x) is bool", "isinstance(x, (bool, str))",
                )
            )  # fmt: skip
        if kind == 7 and depth < 2:
            return f"({self.condition(depth + 1)}) {rnd.choice(('and', 'or'))} ({self.condition(depth + 1)})"
        if kind == 8 and depth < 2:
            return f"not ({self.condition(depth + 1)})"
        return rnd.choice(("x", "y", "items", "table", "s"))

    def target(self) -> str:
        return self.rnd.choice(("x", "y", "z"))

    def block(self, depth: int) -> Lines:
        """One to three statements, indented once."""
        lines: Lines = []
        for _ in range(self.rnd.randint(1, 3)):
            lines += self.statement(depth)
        return [_INDENT + line for line in lines]

    def statement(self, depth: int) -> Lines:
        compound: tuple[Callable[[int], Lines], ...] = (
            self.branch, self.for_loop, self.while_loop, self.try_except, self.try_finally, self.with_statement,
            self.match_statement, self.closure,
        )  # fmt: skip
        if depth < 3 and self.rnd.randint(0, 9) < 4:
            return self.rnd.choice(compound)(depth + 1)
        return self.simple()

    def simple(self) -> Lines:
        rnd = self.rnd
        target = self.target()
        number = self.number()
        kind = rnd.randint(0, 23)
        if kind <= 5:
            return [f"{target} = {number}"]
        if kind <= 7:
            return [f"{target} {rnd.choice(('+=', '-=', '*=', '//='))} {number}"]
        if kind == 8 and self.in_loop:
            return [f"if {self.condition()}:", f"    {rnd.choice(('break', 'continue'))}"]
        if kind == 9:
            return [f"if {self.condition()}:", f"    return {number}"]
        if kind == 10:
            error = rnd.choice(
                ("Oops('early')", "Worse(x)", "Worse(1, text='text')", "ValueError(x)", "KeyError('k')", "Oops")
            )
            origin = rnd.choice(("", "", " from None", " from ValueError('origin')"))
            return [f"if {self.condition()}:", f"    raise {error}{origin}"]
        return rnd.choice(
            (
                [f"x, y = y, {number}"], [f"x, *rest = items; y = len(rest); {target} = rest[0]"],
                [f"items.append({number}); del items[6:]"], [f"items[as_int({rnd.choice('xyab')}) % 3] = {number}"],
                [f"items = [{number}, *items[:3]]"], [f"table[as_int({rnd.choice('xyab')}) & 7] = {number}"],
                [f"{target} = table.pop(x, 4); table[1] = 1"], [f"s = f'{{x}}-{{{number}!r:>4}}'[:9]"],
                [f"s += str({rnd.choice('xyz')})[:2]; s = s[-6:]"], [f"obj.left = {number}"],
                [f"obj = Wide(x, {number}, extra={rnd.choice('xyab')})"], [f"obj = Slots({number}).swap(as_int(x) & 3)"],
                [f"plain = {rnd.choice(('Plain', 'Child', 'Child.make'))}({number})"], [f"plain.value = {number}"],
                [f"{target} = sum(q * 2 for q in items if q)"], [f"items = [q + {rnd.choice('xy')} for q in items]"],
                [f"table = {{q: q & 3 for q in range(4)}}; {target} = table[2]"], ["items = sorted(items)[:4]"],
                [f"{target} = len({{q for q in (x, y, 1)}})"], [f"note(x, {number})"],
                [f"assert {self.condition()}, 'assertion'"], [f"{target} = not {rnd.choice('xyz')}"],
                [f"{target} = x is y" if rnd.randint(0, 5) == 0 else f"{target} = x == y"],
                [f"Plain.count += 1; {target} = Plain.count & 1"], [f"{target} = '{{}}'.format(x) == str(x)"],
                [f"{target} = s.startswith('1') + s.count('0')"], [f"{target} = ord(s[0]) if s else {number}"],
                [f"for {target}, q in zip(items, (1, 2)): pass"], [f"(x, (y, z)) = ({number}, (a, b))"],
                [f"{target} = helper{rnd.randint(0, self.index - 1)}(x, {rnd.choice('ab')})"]
                if self.index
                else [f"{target} = abs(x)"],
            )
        )  # fmt: skip

    def branch(self, depth: int) -> Lines:
        lines = [f"if {self.condition()}:", *self.block(depth)]
        if self.rnd.randint(0, 1):
            lines += [f"elif {self.condition()}:", *self.block(depth)]
        if self.rnd.randint(0, 1):
            lines += ["else:", *self.block(depth)]
        return lines

    def loop_body(self, depth: int) -> Lines:
        self.in_loop += 1
        body = self.block(depth)
        self.in_loop -= 1
        return body

    def for_loop(self, depth: int) -> Lines:
        head = self.rnd.choice(
            (
                "for i in range(3):", "for i in range(1, 8, 3):", "for x in items[:3]:", "for i, y in enumerate(items):",
                "for i, j in zip(range(3), [1, x, 3]):", "for z in (1, x, 2):", "for i in sorted(table):",
                "for i, q in list(table.items())[:3]:", "for c in s[:3]:", "for i in reversed([1, 2]):",
            )
        )  # fmt: skip
        before = ["items = items[:3]"] if "items)" in head else []
        lines = [*before, head, *self.loop_body(depth)]
        if "enumerate" in head:
            # The list that is walked must not grow for ever.
            lines[-1:] = [lines[-1], f"{_INDENT}if i > 4:", f"{_INDENT * 2}break"]
        if self.rnd.randint(0, 2) == 0:
            lines += ["else:", *self.block(depth)]
        return lines

    def while_loop(self, depth: int) -> Lines:
        name = self.fresh("n")
        extra = f" and ({self.condition()})" if self.rnd.randint(0, 1) else ""
        return [f"{name} = 0", f"while {name} < {self.rnd.randint(1, 4)}{extra}:", f"    {name} += 1",
                *self.loop_body(depth)]  # fmt: skip

    def try_except(self, depth: int) -> Lines:
        lines = ["try:", *self.block(depth)]
        kinds = self.rnd.choice(
            (
                ("Oops",), ("Worse", "Oops"), ("(Oops, ValueError)",), ("ZeroDivisionError", "Exception"),
                ("TypeError", "(KeyError, IndexError)"), ("ArithmeticError",), ("Exception",),
            )
        )  # fmt: skip
        for kind in kinds:
            lines += [f"except {kind} as error:", "    note(type(error).__name__)", *self.block(depth)]
            if self.rnd.randint(0, 5) == 0:
                lines.append("    raise")
        if self.rnd.randint(0, 2) == 0:
            lines += ["else:", *self.block(depth)]
        if self.rnd.randint(0, 2) == 0:
            lines += ["finally:", f"    note('finally', {self.index})"]
        return lines

    def try_finally(self, depth: int) -> Lines:
        outer, self.in_loop = self.in_loop, 0
        final = self.block(depth)
        self.in_loop = outer
        return ["try:", *self.block(depth), "finally:", *final]

    def with_statement(self, depth: int) -> Lines:
        return ["with Plain(x) as plain:", *self.block(depth)]

    def match_statement(self, depth: int) -> Lines:
        subject, cases = self.rnd.choice(
            (
                ("x", ("0", "1 | 2", "int() as q if q > 5", "float()", "_")),
                ("(x, y)", ("(0, q)", "(q, 1)", "[int(), float()]", "_")),
                ("items", ("[]", "[q]", "[q, *others]", "_")),
                ("table", ("{1: q}", "{0: 0, **others}", "_")),
                ("obj", ("Wide(left=0)", "Wide(extra=None)", "Slots(left=q)", "_")),
            )
        )  # fmt: skip
        lines = [f"match {subject}:"]
        for case in cases:
            lines += [f"    case {case}:", *[_INDENT + line for line in self.block(depth)]]
        return lines

    def closure(self, depth: int) -> Lines:
        name = self.fresh("inner")
        kind = self.rnd.randint(0, 2)
        if kind == 0:
            return [f"def {name}(q, r={self.rnd.choice('xy')}, *, t=1):", "    nonlocal z", "    z = r",
                    "    return q + t", f"x = {name}({self.number()}, t={self.rnd.choice('ab')})"]  # fmt: skip
        if kind == 1:
            return [f"def {name}(q):", "    if q <= 0:", "        return b", f"    return {name}(q - 1) + 1",
                    f"{self.target()} = {name}({self.rnd.randint(0, 4)})"]  # fmt: skip
        return [f"{name} = [lambda q, n=n: q + n + b for n in range(3)]", f"x = {name}[{self.rnd.choice('ab')} % 3](y)"]

    def fresh(self, prefix: str) -> str:
        self.n_names += 1
        return f"{prefix}{self.n_names}"

    def text(self) -> Lines:
        lines = [f"def helper{self.index}(a, b):"]
        body = [
            "x, y, z = a, b, 1", "s = 'ab0'", "items = [a, 2, b]", "table = {0: a, 1: 5}", "obj = Slots(a, b)",
            "plain = Plain(b)", "i = j = q = 0",
        ]  # fmt: skip
        for _ in range(self.rnd.randint(2, 6)):
            body += self.statement(0)
        body.append(f"return {self.number()}")
        return [*lines, *[_INDENT + line for line in body]]


def generate_python(rnd: random.Random) -> str:
    """Make the text of a module whose `main()` prints what happened; all choices come from `rnd`."""
    n_helpers = rnd.randint(1, 4)
    lines = _HEADER.splitlines()
    for index in range(n_helpers):
        lines += ["", "", *_Helper(rnd, index).text()]
    caught = rnd.choice(("Exception", "Exception", "Exception", "(Oops, ArithmeticError, LookupError)"))
    bound = rnd.choice(("1000", "2**31", "2**62", "2**66"))
    lines += ["", "", "def reduce(value):", "    if isinstance(value, float):",
              "        return value if abs(value) < 1e6 else 0.5", f"    return value % ({bound})"]  # fmt: skip
    lines += ["", "", "@driver.portal", "def run(code, a, b):", "    pc = 0", "    rounds = 0", "    while True:"]
    lines += ["        driver.jit_merge_point(pc=pc, code=code)", "        op = code[pc]"]
    for index in range(n_helpers):
        lines += [
            f"        {'if' if index == 0 else 'elif'} op == {index}:", "            try:",
            f"                a, b = b, reduce(helper{index}(a, b))", f"            except {caught} as error:",
            "                note(type(error).__name__, str(error))", "                a, b = b, 3",
            "            pc += 1",
        ]  # fmt: skip
    lines += ["        else:", "            rounds += 1", f"            if rounds == {rnd.choice((5, 12, 40))}:",
              "                return a, b"]  # fmt: skip
    if rnd.randint(0, 4) == 0:
        change = rnd.choice(("SCALE += 1", "Plain.factor += 1", "Wide.total = Slots.total", "Child.double = 4"))
        lines += ["            if rounds == 4:", f"                {change}"]
        if change.startswith("SCALE"):
            lines.insert(lines.index("    rounds = 0"), "    global SCALE")
    lines += ["            pc = 0", "            a += 1", "            driver.can_enter_jit(pc=pc, code=code)"]
    code = ", ".join([str(rnd.randrange(n_helpers)) for _ in range(rnd.randint(1, 4))] + [str(n_helpers)])
    start = ", ".join(rnd.choice(_INT_LITERALS + _FLOAT_LITERALS[:4]) for _ in range(2))
    lines += ["", "", "def main():", "    try:", f"        print(run(({code}), {start}))", "    finally:",
              "        for line in LOG:", "            print(line)"]  # fmt: skip
    return "\n".join(lines) + "\n"
