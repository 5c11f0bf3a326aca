"""Generators that builtins consume: short and long ones, left early, held by others, raising, with closures and recursion."""

import sys
import traceback

from tests.scenarios.loops import each, fold

NUMBERS = [3, 1, 4, 1, 5, 9, 2, 6]
LONG = list(range(150))
FLOATS = [0.1, 0.2, 0.3, 1e16, 1.0, -1e16]


class Node:
    def __init__(self, value, *parts):
        self.value = value
        self.parts = parts

    def total(self):
        return self.value + sum(part.total() for part in self.parts)

    def depth(self):
        return 1 + max((part.depth() for part in self.parts), default=0)

    def text(self):
        return f"({self.value}{''.join(' ' + part.text() for part in self.parts)})"

    def evaluated(self, scale):
        return tuple(part.value * scale for part in self.parts)

    def values(self):
        yield self.value
        for part in self.parts:
            yield part.value
        return "the end"


TREE = Node(1, Node(2, Node(3), Node(4)), Node(5), Node(6, Node(7, Node(8))))


def short(i, t):
    limit = i % 7
    t += any(x > limit for x in NUMBERS) + 2 * all(x != limit for x in NUMBERS)
    t += sum(x * i for x in (1, 2, 3)) + max(x ^ i for x in NUMBERS) - min(x + limit for x in NUMBERS)
    t += len(tuple(x for x in NUMBERS if x > limit)) + len(list(x for x in NUMBERS if x < limit))
    t += len({x % 3 for x in NUMBERS}) + len(set(x % 4 for x in NUMBERS)) + len(frozenset(x % 5 for x in NUMBERS))
    t += sorted(x * 7 % 10 for x in NUMBERS)[i % 8]
    t += next(x for x in NUMBERS if x > i % 5) + next((x for x in NUMBERS if x > 90), limit)
    return t % 1000003


def made(i, log):
    pair = dict((x, i) for x in NUMBERS[: i % 4])
    names = {str(k): v for k, v in dict((k, v) for k, v in zip(NUMBERS, range(i % 3 + 1))).items()}
    items = [0]
    items.extend(x + i for x in NUMBERS[: i % 5])
    log.append((pair, names, items, "-".join(str(x) for x in items), [*(x for x in items if x), i]))
    if len(log) > 3:
        log.clear()


def long(i, t):
    t += sum(x * i for x in LONG) + sum(x for x in range(i % 200)) + any(x == i for x in LONG)
    t += sum(a * b for a, b in zip(LONG, range(100, i % 120, -1))) + all(x < 100 + i for n, x in enumerate(LONG))
    t += sum(x * y for x in NUMBERS for y in LONG if y % 9 == x)
    return t % 1000003


def floats(i, t):
    t = t / 2 + sum(x * 0.1 for x in FLOATS) + sum((x for x in NUMBERS), 0.5)
    t += sum(x if x < 100 else i for x in FLOATS) + sum(True for x in NUMBERS if x > i % 9)
    return t + sum(x * 2.5 if x % 50 == 49 else x for x in LONG)


def big(i, t):
    return (t + sum(x << i for x in NUMBERS) + max((x << 60) - i for x in NUMBERS)) % (1 << 70)


def methods(i, t):
    values = sum(TREE.values()) + len(list(TREE.values())) + max(TREE.values())
    return (t + TREE.total() * i + TREE.depth() + len(TREE.text()) + sum(TREE.evaluated(i)) + values) % 1000003


def closures(i, t):
    k = i % 5
    add = 0

    def scaled(x):
        nonlocal add
        add += 1
        return x * k

    t += sum(scaled(x) + add for x in NUMBERS) + sum(sum(x * y for y in range(k)) for x in NUMBERS)
    k += 1
    late = (x * k for x in NUMBERS)
    k += 1
    return (t + sum(late) + add) % 1000003


def held(i, t):
    numbers = (x * i for x in NUMBERS)
    again = numbers
    t += next(numbers)
    t += sum(again)
    other = (x for x in NUMBERS)
    any(x > 3 for x in other)
    t += sum(other)
    both = (x for x in NUMBERS), (x for x in range(i % 3))
    for x, y in zip(*both):
        t += x * y
    return t % 1000003


class Odd:
    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"Odd({self.value})"

    def __bool__(self):
        if self.value > 3:
            raise StopIteration(self.value)
        return self.value == 3

    def __radd__(self, other):
        if self.value == 5:
            raise KeyError(self.value)
        return other + self.value

    def __lt__(self, other):
        return self.value % 3 < other.value % 3

    def __gt__(self, other):
        raise ArithmeticError(self.value)


def stopping(limit):
    for x in NUMBERS:
        if x == limit:
            next(iter(()))
        yield x


def unfinished(log):
    try:
        yield 1
        yield 2
    finally:
        log.append("closed")


def handling(limit):
    for x in NUMBERS:
        try:
            y = 10 // (x - limit)
        except ZeroDivisionError:
            y = 0
        yield y


def failing(i):
    kind = i % 16
    if kind == 0:
        return any(Odd(x) for x in (1, 2, i % 5))
    if kind == 1:
        return sum(Odd(x) for x in (1, 2, i % 6))
    if kind == 2:
        return max(Odd(x) for x in NUMBERS[: i % 3])
    if kind == 3:
        return min(Odd(x) for x in NUMBERS[: i % 3]).value
    if kind == 4:
        return sum(stopping(i % 7))
    if kind == 5:
        return ",".join(x if x > 1 else str(x) for x in NUMBERS[: i % 4])
    if kind == 6:
        return dict((x,) * (i % 4) for x in NUMBERS)
    if kind == 7:
        return dict(x if i % 3 else "ab" for x in NUMBERS)
    if kind == 8:
        return next(x for x in NUMBERS if x > i % 12)
    if kind == 9:
        return list(x // (i % 3) for x in NUMBERS)
    if kind == 10:
        return sum(str(x) if x > i % 12 else x for x in NUMBERS)
    if kind == 11:
        return set([x] if x == i % 8 else x for x in NUMBERS)
    if kind == 12:
        return any(unbound for x in NUMBERS)  # noqa: F821
    if kind == 13:
        return list(x for x in i)
    if kind == 14:
        return sorted(Odd(x) if x > i % 10 else x for x in NUMBERS)
    return sum(handling(i % 10))


def told(error):
    places = [(entry.name, entry.lineno) for entry in traceback.extract_tb(error.__traceback__)]
    cause = None if error.__cause__ is None else told(error.__cause__)
    return (type(error).__name__, str(error), places, cause, type(error.__context__).__name__)


def fails(i, log):
    try:
        log.append(failing(i))
    except Exception as error:
        log.append(told(error))
    if len(log) > 32:
        print(log)
        log.clear()


def drops(i, log):
    log.append(any(unfinished(log)))
    log.append(sum(unfinished(log)))
    if len(log) > 12:
        log.clear()


def arguments(*numbers, scale=2, **others):
    for x in numbers:
        yield x * scale
    yield from others.values()


def starred(*numbers, scale=2, **others):
    for x in numbers:
        yield x * scale + len(others)


def called(i, t):
    t += sum(arguments(i, 1, 2)) + sum(arguments(i, scale=3, other=i))
    return (t + sum(starred(i, 1, 2)) + sum(starred(i, scale=3, other=i)) + len(list(starred()))) % 1000003


class Unwilling:
    def __init__(self, left):
        self.left = left

    def __iter__(self):
        if not self.left:
            raise TypeError("does not begin")
        yield self.left
        if self.left == 1:
            raise TypeError("does not go on")
        yield 5


def unpaired(i, t):
    try:
        return t + sum(dict(part for part in [Unwilling(i % 3)]))
    except TypeError as error:
        return t + len(str(error)) + (error.__context__ is None)


SCALE = 1


def changes(i, t):
    global SCALE
    if i % 60 == 59:
        SCALE += 1
    if i == 100:
        Node.values.__code__ = other_values.__code__
    return (t + sum(x * SCALE for x in NUMBERS) + sum(TREE.values())) % 1000003


def other_values(self):
    yield -self.value


def frames(i, t):
    return t + sum(len(sys._getframe().f_code.co_name) for x in NUMBERS[: i % 3])


def main():
    for body in (short, long, big, methods, closures, held, called, frames, unpaired):
        print(fold(body, 80, 0))
    print(repr(fold(floats, 60, 0.0)))
    print(each(made, 63, []))
    print(each(fails, 132, []))
    print(each(drops, 40, []))
    print(fold(changes, 130, 0))
