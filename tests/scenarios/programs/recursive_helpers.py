"""Interpreters whose guests call themselves through helpers that are no portals."""

import sys

from tests.scenarios.loops import each, fold

# --- a tree walker with classes, environments in dicts, and an exception for `return` ----------------------------------


class Return(Exception):
    def __init__(self, value):
        self.value = value


class Environment:
    def __init__(self, outer=None):
        self.values = {}
        self.outer = outer

    def get(self, name):
        if name in self.values:
            return self.values[name]
        if self.outer is not None:
            return self.outer.get(name)
        raise NameError(name)


class Literal:
    def __init__(self, value):
        self.value = value

    def eval(self, env):
        return self.value


class Variable:
    def __init__(self, name):
        self.name = name

    def eval(self, env):
        return env.get(self.name)


class Binary:
    def __init__(self, left, op, right):
        self.left, self.op, self.right = left, op, right

    def eval(self, env):
        left, right = self.left.eval(env), self.right.eval(env)
        if self.op == "+":
            return left + right
        if self.op == "-":
            return left - right
        return left < right


class If:
    def __init__(self, condition, then):
        self.condition, self.then = condition, then

    def execute(self, env):
        if self.condition.eval(env):
            self.then.execute(env)


class ReturnStatement:
    def __init__(self, value):
        self.value = value

    def execute(self, env):
        raise Return(self.value.eval(env))


class Call:
    def __init__(self, callee, *arguments):
        self.callee, self.arguments = callee, arguments

    def eval(self, env):
        return self.callee.eval(env).call([argument.eval(env) for argument in self.arguments])


def execute_block(statements, env):
    for statement in statements:
        statement.execute(env)


class Function:
    def __init__(self, parameters, body, closure):
        self.parameters, self.body, self.closure = parameters, body, closure

    def call(self, arguments):
        env = Environment(self.closure)
        for name, value in zip(self.parameters, arguments):
            env.values[name] = value
        try:
            execute_block(self.body, env)
        except Return as result:
            return result.value
        return None


V, L, B = Variable, Literal, Binary
TOP = Environment()
FIB_BODY = [
    If(B(V("n"), "<", L(2)), ReturnStatement(V("n"))),
    ReturnStatement(
        B(Call(V("fib"), B(V("n"), "-", L(1))), "+", Call(V("fib"), B(V("n"), "-", L(2))))
    ),
]
TOP.values["fib"] = Function(["n"], FIB_BODY, TOP)
TOP.values["even"] = Function(
    ["n"],
    [If(B(V("n"), "<", L(1)), ReturnStatement(L(True))), ReturnStatement(Call(V("odd"), B(V("n"), "-", L(1))))],
    TOP,
)
TOP.values["odd"] = Function(
    ["n"],
    [If(B(V("n"), "<", L(1)), ReturnStatement(L(False))), ReturnStatement(Call(V("even"), B(V("n"), "-", L(1))))],
    TOP,
)
TOP.values["fails"] = Function(
    ["n"],
    [If(B(V("n"), "<", L(1)), ReturnStatement(V("missing"))), ReturnStatement(Call(V("fails"), B(V("n"), "-", L(1))))],
    TOP,
)


def walks(i, t):
    return t + TOP.values["fib"].call([i % 7])


def mutual(i, t):
    return t + TOP.values["even"].call([i % 9])


def fails(i, t):
    try:
        return TOP.values["fails"].call([i % 6])
    except NameError as error:
        return t + len(str(error))


def floats_come(i, t):
    return t + TOP.values["fib"].call([i % 7 if i < 40 else 5.5 if i < 60 else 2**65 - 2**65 + 4])


def made_again(i, t):
    """Each time another function of the guest, with the same body. (Traces may keep what they have as constants.)"""
    env = Environment(TOP)
    env.values["fib"] = Function(["n"], FIB_BODY, env)
    KEPT.append(env)
    return t + env.values["fib"].call([i % 6])


def deep(i, t):
    try:
        return t + TOP.values["even"].call([10 if i % 40 else 100000])
    except RecursionError:
        return t + 1


KEPT = [TOP.values["fib"]]


def redefined(i, t):
    if i == 35:
        TOP.values["fib"] = Function(["n"], [ReturnStatement(B(V("n"), "+", L(3)))], TOP)
        KEPT.append(TOP.values["fib"])
    if i == 60:
        FIB_BODY[0].condition.right.value = 3
        TOP.values["fib"] = Function(["n"], FIB_BODY, TOP)
    return t + TOP.values["fib"].call([i % 6])


# --- lists as expressions ------------------------------------------------------------------------------------------------


def evaluate(x, env):
    if isinstance(x, str):
        return env[x]
    if not isinstance(x, list):
        return x
    op, *rest = x
    if op == "if":
        return evaluate(rest[1] if evaluate(rest[0], env) else rest[2], env)
    if op in ("+", "-", "<"):
        a, b = evaluate(rest[0], env), evaluate(rest[1], env)
        return a + b if op == "+" else a - b if op == "-" else a < b
    parameters, body, outer = env[op]
    return evaluate(body, {**outer, **dict(zip(parameters, [evaluate(each, env) for each in rest]))})


GLOBALS = {}
ACK = ["if", ["<", "m", 1], ["+", "n", 1],
       ["if", ["<", "n", 1], ["ack", ["-", "m", 1], 1], ["ack", ["-", "m", 1], ["ack", "m", ["-", "n", 1]]]]]  # fmt: skip
GLOBALS["ack"] = (["m", "n"], ACK, GLOBALS)


def lists(i, t):
    return t + evaluate(["ack", 1, i % 4], GLOBALS)


# --- closures as code ----------------------------------------------------------------------------------------------------


def compiled(x, slots):
    if x == "n":
        return lambda frame: frame[0]
    if isinstance(x, int):
        return lambda frame: x
    op, *rest = x
    parts = [compiled(part, slots) for part in rest]
    if op == "call":
        (argument,) = parts

        def call(frame):
            return slots[0]([argument(frame)])

        return call
    if op == "if":
        condition, then, otherwise = parts
        return lambda frame: then(frame) if condition(frame) else otherwise(frame)
    a, b = parts
    if op == "+":
        return lambda frame: a(frame) + b(frame)
    if op == "-":
        return lambda frame: a(frame) - b(frame)
    return lambda frame: a(frame) < b(frame)


SLOTS = [None]
SLOTS[0] = compiled(
    ("if", ("<", "n", 2), "n", ("+", ("call", ("-", "n", 1)), ("call", ("-", "n", 2)))), SLOTS
)


def closures(i, t):
    return t + SLOTS[0]([i % 8])


def nested(i, t):
    k = i % 3

    def rec(n):
        return k if n == 0 else 1 + rec(n - 1)

    return t + rec(i % 6)


def fixed(i, t):
    """Functions that the trace makes, one inside of the other."""
    fix = lambda f: (lambda x: x(x))(lambda x: f(lambda *a: x(x)(*a)))  # noqa: E731
    return t + fix(lambda self: lambda n: 1 if n == 0 else n * self(n - 1))(i % 6)


# --- plain recursion of helpers ------------------------------------------------------------------------------------------


def hanoi(n, a, b, c):
    return 0 if n == 0 else hanoi(n - 1, a, c, b) + 1 + hanoi(n - 1, c, b, a)


def towers(i, t):
    return t + hanoi(i % 6, "a", "b", "c")


def collect(n, *items, sep="-", **named):
    return sep.join(items) + str(sorted(named)) if n == 0 else collect(n - 1, *items, str(n), sep=sep, **named)


def starred(i, t):
    return t + len(collect(i % 5, "x", sep="+", y=i)) + len(collect(i % 3))


class Matcher:
    def __init__(self):
        self.steps = 0

    def match(self, pattern, text, i, j):
        self.steps += 1
        if i == len(pattern):
            return j == len(text)
        if pattern[i] == "*":
            return self.match(pattern, text, i + 1, j) or (j < len(text) and self.match(pattern, text, i, j + 1))
        return j < len(text) and pattern[i] == text[j] and self.match(pattern, text, i + 1, j + 1)


MATCHER = Matcher()


def matches(i, t):
    return t + MATCHER.match("a*b*c", "axxb" * (i % 3) + "zc", 0, 0) + MATCHER.steps % 7


class Number:
    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        if other.value == 0:
            return self
        return Number(self.value + 1) + Number(other.value - 1)

    def __eq__(self, other):
        return self.value == other.value

    __hash__ = None


def operators(i, t):
    return t + (Number(i) + Number(i % 12)).value


class Chain:
    def __init__(self, n):
        self.rest = Chain(n - 1) if n else None
        self.n = n + (self.rest.n if self.rest else 0)


def constructors(i, t):
    return t + Chain(i % 14).n


def boom(n):
    if n == 0:
        raise ValueError(n)
    try:
        return boom(n - 1) + 1
    finally:
        MATCHER.steps += n


def raises(i, t):
    try:
        return t + boom(i % 11)
    except ValueError as error:
        count, frame = 0, error.__traceback__
        while frame is not None:
            count, frame = count + 1, frame.tb_next
        return t + count + MATCHER.steps % 5


def patched(n, k=1):
    return k if n == 0 else patched(n - 1, k) + k


def changed(i, t):
    global patched
    if i == 30:
        patched.__defaults__ = (2,)
    if i == 50:
        patched.__code__ = (lambda n, k=1: k * 3 if n == 0 else patched(n - 1, k) + k).__code__
    if i == 70:
        old = patched
        patched = lambda n, k=1: old(n, k) + 100
    return t + patched(i % 10)


def swallow(i, state):
    state[0] += sum(walk(node) for node in state[1])


def walk(node):
    return node[0] + sum(map(walk, node[1:])) if isinstance(node, tuple) else node


def main():
    for body in (walks, mutual, fails, floats_come, made_again, deep, lists, closures, nested, fixed, towers, starred, matches, operators,
                 constructors, raises, changed, redefined):  # fmt: skip
        print(body.__name__, fold(body, 90, 0))
    print(each(swallow, 100, [0, [(1, (2, 3), (4, (5, 6))), 7]])[0])
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(3000)
    try:
        print(TOP.values["odd"].call([150]), hanoi(9, 1, 2, 3), fold(deep, 45, 0))
    finally:
        sys.setrecursionlimit(limit)
