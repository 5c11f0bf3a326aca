"""Generators that loops go through: short and long ones, nested, left early, held by others, raising, with closures and handlers."""

import sys
import traceback

from tests.scenarios.loops import each, fold

NUMBERS = [3, 1, 4, 1, 5, 9, 2, 6]
LONG = list(range(120))


class Node:
    def __init__(self, value, *parts):
        self.value = value
        self.parts = parts

    def values(self):
        yield self.value
        for part in self.parts:
            yield part.value

    def walk(self):
        yield self
        for part in self.parts:
            for each_ in part.walk():
                yield each_

    def all(self):
        yield self.value
        for part in self.parts:
            yield from part.all()
        return len(self.parts)

    def pairs(self):
        return ((part.value, n) for n, part in enumerate(self.parts))


TREE = Node(1, Node(2, Node(3), Node(4)), Node(5), Node(6, Node(7, Node(8))))


def parts(i):
    yield i
    yield i + 1
    for x in NUMBERS:
        if x != i % 7:
            yield x * i


def simple(i, t):
    for x in parts(i):
        t += x
    for x, n in TREE.pairs():
        t += x * n
    for x in (x ^ i for x in NUMBERS if x > i % 5):
        t += x
    for x in TREE.values():
        t += x * i
    return t % 1000003


def leaves(i, t):
    for x in parts(i):
        if x > i + 5:
            break
        t += x
    else:
        t += 7
    for x in parts(t % 11):
        if x == 3:
            continue
        for y in parts(x % 5):
            if y == i % 9:
                return t + y
            t += x * y
    return t % 1000003


def mapped(source, k):
    for x in source:
        yield x * k
        if x % 3 == 0:
            yield -x


def pipeline(i, t):
    for x in mapped(mapped(parts(i % 4), 3), i):
        t += x
    for x in mapped(NUMBERS, i):
        for y in mapped(range(i % 3), x):
            t += y
    t += sum(mapped(parts(i), 2)) + len([x for x in mapped(parts(2), i) if x != 4])
    return t % 1000003


def walks(i, t):
    for node in TREE.walk():
        t += node.value * i
    for value in TREE.all():
        t = t * 3 + value
        t %= 1000003
    return t + sum(TREE.all())


def long(i, t):
    for x in (x * i for x in LONG if x % 7 != i % 7):
        t += x
    for n, x in enumerate(mapped(LONG, i)):
        t += n ^ x
    for x in mapped(LONG, i):
        if x == 60 * i:
            break
        t += x
    for x in mapped((y for y in LONG if y < i % 90), 3):
        t += x
    return t % 1000003


def tokens(text):
    i, n = 0, len(text)
    while i < n:
        c = text[i]
        if c == " ":
            i += 1
        elif "0" <= c <= "9":
            v = 0
            while i < n and "0" <= text[i] <= "9":
                v = v * 10 + ord(text[i]) - 48
                i += 1
            yield "number", v
        elif c == "!":
            return
        elif c == "?":
            raise Stops(i)
        else:
            yield "operator", c
            i += 1


TEXTS = ["12 + 34 * (56 - 7) " * 8, "1+2" * 30 + "!", "7 * 88 - 9 / " * 20 + "?" + "1"]


def tokenizes(i, t):
    kept = []
    try:
        for kind, value in tokens(TEXTS[i % 3]):
            if kind == "number":
                t += value
            elif value == "(":
                kept.append(t)
            elif value == ")":
                t ^= kept.pop()
            if t % 1009 == i:
                break
    except Stops as stop:
        t += stop.args[0]
    return t % 1000003


def evens(xs):
    for x in xs:
        if x % 2 == 0:
            yield x


def crossed(i, t):
    for x in evens(LONG[: i % 90]):
        for y in mapped(evens(LONG if i % 3 else (1, 2, x)), x):
            t += y
            if y > 90 * i + 200:
                break
        for y in evens(range(x)):
            t ^= y
    pending = mapped(evens(LONG), i)
    for x in pending:
        if x > i * 40:
            t += takes(pending, i % 7 + 1)
        t += x
    return t % 1000003


def sparse(i, t):
    for x in (x for x in LONG if x % 60 == i % 60):
        t += x
    return t


def held(i, t):
    numbers = parts(i)
    for x in numbers:
        t += x
        if x > i:
            break
    for x in numbers:
        t += x * 2
    both = parts(i)
    for x in both:
        for y in both:
            t += x * y
            break
    one = (x for x in NUMBERS)
    for x, y in zip(one, one):
        t += x * y
    kept = [parts(i), parts(2)]
    for source in kept:
        for x in source:
            t += x
            if t % 2:
                break
    return (t + sum(kept[0])) % 1000003


def takes(source, n):
    total = 0
    for x in source:
        total += x
        n -= 1
        if n == 0:
            break
    return total


def given(i, t):
    t += takes(parts(i), i % 4 + 1) + takes((x * 2 for x in LONG), 3)
    source = parts(i)
    return (t + takes(source, 2) + takes(source, i % 5 + 1) + takes(source, 90)) % 1000003


def closures(i, t):
    k = i % 5

    def scaled(xs):
        nonlocal k
        for x in xs:
            k += 1
            yield lambda: x * k

    for f in scaled(NUMBERS):
        t += f()
    late = [f for f in scaled([1, 2])]
    return (t + late[0]() + late[1]() + k) % 1000003


def receives(i, t):
    def echo():
        n = i
        while n < i + 3:
            given = yield n
            n += 1 if given is None else given

    for x in echo():
        t += x
    source = echo()
    t += next(source) + source.send(1)
    for x in source:
        t += x
    return t % 1000003


class Stops(Exception):
    pass


def raising(n, limit):
    for k in range(n):
        if k == limit:
            raise Stops(k)
        yield k


def stopping(limit):
    for x in NUMBERS:
        if x == limit:
            next(iter(()))
        yield x


def handling(limit):
    for x in NUMBERS:
        try:
            y = 10 // (x - limit)
        except ZeroDivisionError:
            y = 0
        yield y


def unfinished(log):
    try:
        yield 1
        yield 2
    finally:
        log.append("closed")


def failing(i, log):
    kind, total = i % 6, 0
    if kind == 0:
        for x in raising(i % 7, 4):
            total += x
    elif kind == 1:
        for x in stopping(i % 10):
            total += x
    elif kind == 2:
        for x in handling(i % 8):
            total += 12 // (x - 1 - i % 3)
    elif kind == 3:
        for x in unfinished(log):
            total += x
            if i % 4:
                break
    elif kind == 4:
        for x in mapped(raising(i % 7, 3), i):
            total += x
    else:
        for x in mapped(i if i % 4 == 3 else [i], 2):
            total += x
    return total


def told(error):
    places = [(entry.name, entry.lineno) for entry in traceback.extract_tb(error.__traceback__)]
    cause = None if error.__cause__ is None else told(error.__cause__)
    return (type(error).__name__, str(error), places, cause, type(error.__context__).__name__)


def fails(i, log):
    try:
        log.append(failing(i, log))
    except Exception as error:
        log.append(told(error))
    if len(log) > 32:
        print(log)
        log.clear()


def caught(i, t):
    try:
        for x in raising(i % 6, 3):
            t += x
    except Stops as stop:
        t += 100 * stop.args[0]
    return t


class Last:
    ended = 0

    def __init__(self, value):
        self.value = value

    def __del__(self):
        Last.ended += self.value


def lasts(n):
    for k in range(n):
        yield Last(k)
    last = Last(1000)
    yield last


def finalized(i, t):
    for last in lasts(i % 4):
        t += last.value + Last.ended % 7
    del last
    return (t + Last.ended) % 1000003


def calls_back(i, t):
    def inner(n):
        for x in range(n):
            yield fold(lambda j, u: u + j * x, 3, i)

    for x in inner(i % 4):
        t += x
    return t % 1000003


def asks_in_handlers(xs, limit):
    for x in xs:
        try:
            y = 10 // (x - limit)
        except ZeroDivisionError as error:
            try:
                y = int(str(error)[:1])
            except ValueError as other:
                y = hash(x) + (other.__context__ is error) + (sys.exc_info()[1] is other)
            y += sys.exc_info()[1] is error
        yield y


def in_handlers(i, box):
    try:
        [].pop(i % 3)
    except IndexError as error:
        for y in asks_in_handlers((1, 2, 3), 2):
            box[0] += y
        box[0] += next(box[1], 0) + (sys.exc_info()[1] is error)
    box[0] += sys.exc_info()[1] is None
    if i % 3 == 2:
        box[1] = asks_in_handlers((1, 2, 3), 2)


def handled():
    """What a generator handles is not handled behind it, wherever machine code was left."""
    box = [0, asks_in_handlers((1, 2, 3), 2)]
    each(in_handlers, 60, box)
    print(box[0], sys.exc_info()[1])


def main():
    for body in (simple, leaves, pipeline, walks, long, sparse, held, given, closures, receives, caught, finalized, calls_back):
        print(fold(body, 50, 0))
    print(fold(crossed, 40, 0), fold(tokenizes, 60, 0))
    print(each(fails, 110, []))
    handled()
