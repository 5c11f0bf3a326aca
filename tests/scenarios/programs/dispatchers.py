"""Who is called is found out on the way: `functools.singledispatch`, `functools.partial`, `__getattr__`, attributes that may lack."""

import functools
import operator
import traceback

from tests.scenarios.loops import fold


class Node:
    pass


class Num(Node):
    def __init__(self, value):
        self.value = value


class Add(Node):
    def __init__(self, left, right):
        self.left, self.right = left, right


class Neg(Node):
    def __init__(self, part):
        self.part = part


class Odd:
    pass


@functools.singledispatch
def evaluate(node, env=None, *, scale=1):
    return -1


@evaluate.register
def _(node: Num, env=None, *, scale=1):
    return node.value * scale


@evaluate.register
def _(node: Add, env=None, *, scale=1):
    return evaluate(node.left, env, scale=scale) + evaluate(node.right, env, scale=scale)


def negate(node, env=None, *, scale=1):
    return -evaluate(node.part, env)


TREE = Add(Num(1), Add(Neg(Num(5)), Add(Odd(), Num(3))))


def dispatched(i, t):
    if i == 60:
        evaluate.register(Neg, negate)
    if i == 120:
        evaluate.register(Odd, lambda node, env=None, *, scale=1: scale)
    return (t + evaluate(TREE) + evaluate(TREE, i) + evaluate(TREE, scale=i % 3)) % 1000003


class Printer:
    @functools.singledispatchmethod
    def show(self, node):
        return "?"

    @show.register
    def _(self, node: int):
        return f"int {node}"

    @show.register
    def _(self, node: list):
        return "+".join(self.show(part) for part in node)


PRINTER = Printer()


def dispatched_methods(i, t):
    return t + len(PRINTER.show([i, [1, 2], "x"]))


def scaled(a, b, c=1, *rest, d=0, **named):
    return a * b + c + sum(rest) + d + len(named) + list(named).index("z") if "z" in named else a * b + c + d


ADD3 = functools.partial(operator.add, 3)
TWICE = functools.partial(scaled, 2)
NAMED = functools.partial(scaled, 2, d=5)
NESTED = functools.partial(NAMED, c=7)
MANY = functools.partial(scaled, y=1, z=2)
INT2 = functools.partial(int, base=2)
MAKE = functools.partial(Num, 4)


def partials(i, t):
    t += ADD3(i) + TWICE(i) + NAMED(i) + NESTED(i, d=1) + MANY(1, i, x=2) + INT2("101") + MAKE().value
    if i == 100:
        NAMED.keywords["d"] = 50
    if i == 150:
        NAMED.keywords["z"] = 1
    if i == 170:
        del NAMED.keywords["z"]
    if i == 180:
        MANY.keywords.pop("y")
        MANY.keywords["y"] = 1
    if i == 190:
        TWICE.__setstate__((scaled, (3,), {}, None))
    return t % 1000003


def partials_made(i, t):
    step = functools.partial(scaled, i, d=t % 5)
    return (t + step(2) + functools.partial(step, 3)()) % 1000003


def partials_fail(i, t):
    try:
        TWICE()
    except TypeError as error:
        t += len(str(error))
    try:
        functools.partial(divmod, 1)(i % 3)
    except ZeroDivisionError as error:
        t += len(traceback.format_tb(error.__traceback__))
    return t


class Proxy:
    def __init__(self, target):
        self.target = target
        self.asked = 0

    def __getattr__(self, name):
        if name.startswith("no_"):
            raise AttributeError(name)
        self.asked += 1
        return getattr(self.target, name)


class Slots:
    __slots__ = ("x",)

    def __getattr__(self, name):
        return len(name)


PROXY = Proxy(Num(3))
SLOTS = Slots()


def hooks(i, t):
    t += PROXY.value + SLOTS.y + SLOTS.abc
    if i == 100:
        PROXY.value = 100
    if i == 130:
        SLOTS.x = 1
    if i == 160:
        del PROXY.value
    t += SLOTS.x
    try:
        t += PROXY.no_such
    except AttributeError:
        t += 1
    return (t + PROXY.asked) % 1000003


class Speaker:
    def hello(self, i):
        return i % 7

    def later(self, i):
        if i == 150:
            raise KeyError(i)
        return i % 5


SPEAKER = Proxy(Speaker())


def hooks_called(i, t):
    try:
        return (t + SPEAKER.hello(i) + SPEAKER.later(i)) % 1000003
    except KeyError:
        return t + 1


class Visitor:
    def visit(self, node):
        return getattr(self, "visit_" + type(node).__name__, self.generic)(node)

    def visit_Num(self, node):
        return node.value

    def visit_Add(self, node):
        return self.visit(node.left) + self.visit(node.right)

    def generic(self, node):
        return 10


VISITOR = Visitor()


def visit_later(node):
    return 1000


def defaults(i, t):
    t += VISITOR.visit(TREE)
    if i == 100:
        VISITOR.visit_Odd = visit_later
    if i == 150:
        Visitor.visit_Neg = lambda self, node: 7
    t += getattr(TREE, "weight", 5) + hasattr(TREE, "left") + hasattr(TREE, "weight") + hasattr(VISITOR, "visit_Odd")
    t += hasattr(Visitor, "visit_Neg") + getattr(i, "nothing", 2) + hasattr(i, "real") + hasattr(PROXY, "no_no")
    if i == 170:
        TREE.weight = 50
    return t % 1000003


def main():
    for function in (dispatched, dispatched_methods, partials, partials_made, partials_fail, hooks, hooks_called, defaults):
        print(function.__name__, fold(function, 200, 0))
