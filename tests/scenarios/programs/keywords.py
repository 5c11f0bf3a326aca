"""Keyword arguments that are passed on: by decorators, to `super().__init__`, and kept, changed and looked at."""

import functools

from tests.scenarios.loops import fold


def deco(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@deco
def add(a, b=1, *, c=0):
    return (a + b * 2 + c) % 1000


@deco
def no_arguments():
    return 3


@deco
def keep(*args, **kw):
    return args, kw


def plain(i, t):
    return add(i, t) + add(i, b=t) + add(i, c=t, b=2) + no_arguments()


def kept(i, t):
    _, kw = keep(i, x=t, y=i)
    kw["z"] = 3
    return len(kw) + kw["x"] + list(kw)[0].count("x") + sorted(kw.items())[0][1]


def looks(i, **kw):
    n = len(kw)
    for name, value in kw.items():
        n += len(name) + value
    if "x" in kw:
        n += kw["x"]
    if not kw:
        n += 1
    n += kw.get("q", 5) + kw.pop("y", 1)
    kw["new"] = n
    return n % 100 + len(kw)


def looked_at(i, t):
    return looks(i) + looks(i, x=t) + looks(i, y=1, x=2) + looks(i, **{"x": 1})


def branches(i, **kw):
    if i % 3 == 0:
        kw["i"] = i
    return add(i, **kw) if "i" not in kw else sum(kw.values())


def changed(i, t):
    return branches(i, b=t % 7) + branches(i)


def unknown(i, t):
    try:
        return add(i, 1, b=2)
    except TypeError as error:
        return len(str(error))


def with_b(i, **kw):
    return add(i, b=1, **kw)


def twice(i, t):
    try:
        return with_b(i, c=2) + (with_b(i, b=2) if i % 5 == 0 else 0)
    except TypeError as error:
        return len(str(error))


class Base:
    def __init__(self, *args, **kw):
        self.args, self.kw = args, kw


class Derived(Base):
    def __init__(self, *args, **kw):
        super().__init__(*args, **kw)


def made(i, t):
    derived = Derived(i, z=t)
    return derived.kw["z"] + derived.args[0] + len(derived.kw)


def closure(i, **kw):
    def inner():
        return kw["v"] + len(kw)

    return inner()


def closed_over(i, t):
    return closure(i, v=t)


@functools.singledispatch
def visit(node):
    raise TypeError


@visit.register
def _(node: int):
    return node % 7


@visit.register
def _(node: list):
    return sum([visit(item) for item in node])


def dispatched(i, t):
    return visit([i, [i + 1, t], t])


def main():
    for body in (plain, kept, looked_at, changed, unknown, twice, made, closed_over, dispatched):
        print(body.__name__, fold(body, 300, 1) % 10**9)
