"""Environments as Norvig's Lisp has them: a subclass of dict that is filled from a zip; lists whose first item is popped."""

import traceback

from tests.scenarios.loops import fold


class Symbol(str):
    pass


class Env(dict):
    def __init__(self, names=(), values=(), outer=None):
        self.update(zip(names, values))
        self.outer = outer

    def find(self, name):
        return self if name in self else self.outer.find(name)


class Made(dict):
    def __init__(self, names, values):
        super().__init__(zip(names, values))


class Loud(dict):
    def __setitem__(self, key, value):
        raise KeyError(key)


class Own(dict):
    def __init__(self, names):
        self.update(zip(names, names))

    def update(self, pairs):
        super().update(pairs)
        self["own"] = 1


X, Y = Symbol("x"), Symbol("y")
GLOBAL = Env((X, Symbol("g")), (7, 100))
NAMES = (X, Y)


def environments(i, t):
    env = Env(NAMES, [i, t % 7], GLOBAL)
    inner = Env((Y,), (i % 3,), env)
    inner.find(X)[X] = inner.find(X)[X] + inner.find(Symbol("g"))["g"]
    inner.setdefault(Symbol("z"), i)
    return (t + env[X] + inner.find(Y)[Y] + len(inner) + inner.get(X, 5) + inner.pop(Symbol("z"))) % 1000003


def kinds(i, t):
    t += sum(dict(zip("abc", (i, 2, 3))).values()) + len(dict(enumerate([i, 2])))
    made = Made(["a", "b", "a"], (i, 2, 3, 4))
    plain = {}
    plain.update(zip((i, "k"), (1, 2)))
    plain.update(enumerate("ab", i))
    pairs = zip([1, 2], (i, t))
    first = next(pairs)
    rest = dict(pairs)
    loud = Loud()
    loud.update(zip("a", "b"))
    return (t + made["a"] + len(plain) + first[1] + rest[2] + len(loud) + len(Own("xy"))) % 1000003


def fails(i, t):
    try:
        Env(([i], 2), (1, 2))
    except TypeError as error:
        t += len(str(error)) + len(traceback.format_tb(error.__traceback__))
    try:
        {}.update(zip((1, i), (2,), strict=i % 2 == 0))
    except ValueError as error:
        t += len(str(error))
    kept = {}
    try:
        kept.update(zip((1, [i]), (2, 3)))
    except TypeError:
        t += len(kept)
    return t


def shadowed(i, t):
    env = Env(NAMES, (i, 2), None)
    if i > 100:
        env.update = lambda pairs: None
    env.update(zip((X,), (5,)))
    return t + env[X] % 1009


class Stack(list):
    def top(self):
        return self[-1]


STACK = Stack([1])


def lists(i, t):
    parts = [i, t, 3, 4]
    first = parts.pop(0)
    last = parts.pop(-1)
    middle = parts.pop(1)
    STACK.append(first)
    STACK.extend([last, middle])
    t += STACK.top() + STACK.pop() + STACK.pop() + STACK.index(1) + len(STACK)
    if len(STACK) > 50:
        STACK.clear()
        STACK.append(1)
    grown = [x for x in range(i % 4 + 1)]
    t += grown.pop(0) + len(grown)
    try:
        grown.pop(3)
    except IndexError as error:
        t += len(str(error))
    return (t + parts[0]) % 1000003


def main():
    for function in (environments, kinds, fails, shadowed, lists):
        print(function.__name__, fold(function, 200, 1))
