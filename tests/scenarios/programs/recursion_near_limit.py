"""Guest recursion that takes much of CPython's recursion limit, and leaves machine code on its way down: it must not fail earlier."""

import functools
import sys

from tests.scenarios.loops import fold


class Num:
    def __init__(self, value):
        self.value = value


class Name:
    def __init__(self, name):
        self.name = name


class Sum:
    def __init__(self, *parts):
        self.parts = parts


class If:
    def __init__(self, test, then, other):
        self.test, self.then, self.other = test, then, other


class Call:
    def __init__(self, function, argument):
        self.function, self.argument = function, argument


@functools.singledispatch
def evaluate(node, env):
    raise TypeError(node)


@evaluate.register
def _(node: Num, env):
    return node.value


@evaluate.register
def _(node: Name, env):
    return env[node.name]


@evaluate.register
def _(node: Sum, env):
    return sum([evaluate(part, env) for part in node.parts])


@evaluate.register
def _(node: If, env):
    return evaluate(node.then if evaluate(node.test, env) > 0 else node.other, env)


@evaluate.register
def _(node: Call, env):
    return evaluate(node.function[0], {"n": evaluate(node.argument, env), "k": env["k"]})


DOWN = []
STEP = Sum(Name("n"), Num(-1))
OTHER = Sum(Name("k"), Num(1), Call(DOWN, STEP))
DOWN.append(If(Name("n"), If(Name("k"), Sum(Num(1), Call(DOWN, STEP)), OTHER), Num(0)))
CALL = Call(DOWN, Name("start"))


def deep(i, t):
    """70 calls of the guest: some 700 frames without the tracer."""
    return (t + evaluate(CALL, {"start": 70 if i % 3 else 4, "k": i % 5 - 2})) % 1000003


def main():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000 + 40)
    try:
        print(fold(deep, 60, 0))
    finally:
        sys.setrecursionlimit(limit)
