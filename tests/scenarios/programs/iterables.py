"""Objects with an `__iter__` of Python, `iter` and `next`, `map` and `filter` where a builtin takes all they give."""

import traceback

from tests.scenarios.loops import fold


class Scan:
    def __init__(self, table):
        self.table = table

    def __iter__(self):
        for row in self.table:
            yield row


class Filter:
    def __init__(self, child, predicate):
        self.child, self.predicate = child, predicate

    def __iter__(self):
        for row in self.child:
            if self.predicate(row):
                yield row


class Project:
    def __init__(self, child, function):
        self.child, self.function = child, function

    def __iter__(self):
        return self.rows()

    def rows(self):
        function = self.function
        for row in self.child:
            yield function(row)


class Limit:
    def __init__(self, child, count):
        self.child, self.count = child, count

    def __iter__(self):
        for number, row in enumerate(self.child):
            if number >= self.count:
                return
            yield row


class Bag:
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


class Count:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        self.i = 0
        return self

    def __next__(self):
        if self.i >= self.n:
            raise StopIteration
        self.i += 1
        return self.i


class Tree:
    def __init__(self, left, value, right):
        self.left, self.value, self.right = left, value, right

    def __iter__(self):
        if self.left is not None:
            yield from self.left
        yield self.value
        if self.right is not None:
            yield from self.right


class Wrong:
    def __iter__(self):
        return 5


class Failing:
    def __iter__(self):
        yield 1
        raise KeyError("in the middle")


class Changing:
    def __init__(self):
        self.asked = 0

    def __iter__(self):
        self.asked += 1
        return iter([1, 2]) if self.asked % 3 else (n for n in (3, 4, 5))


NUMBERS = list(range(20))
PLAN = Project(Filter(Scan(NUMBERS), lambda row: row % 3), lambda row: row * 2)
BAG = Bag([3, 1, 2])
LIMIT = Limit(PLAN, 4)
TREE = Tree(Tree(Tree(None, 1, None), 2, Tree(None, 3, None)), 4, Tree(None, 5, None))
CHANGING = Changing()


def plan(i, t):
    for x in PLAN:
        t += x
        if x > i % 50:
            break
    for x in LIMIT:
        t += x
    return t % 1000003


def plan_taken(i, t):
    first = [x for x in PLAN if x != i]
    second = {x: y for x, y in zip(LIMIT, LIMIT)}
    return (t + sum(x + i for x in PLAN) + len(first) + sum(second.values()) + max(LIMIT) + len(list(LIMIT))) % 1000003


def plan_changes(i, t):
    if i == 120:
        NUMBERS.append("x")
    if i == 150:
        NUMBERS.pop()
    if i == 160:
        Scan.__iter__ = lambda self: iter(self.table[:3])
    try:
        for x in PLAN:
            t += x
    except TypeError as error:
        t += len(str(error)) + len(traceback.format_tb(error.__traceback__))
    return t % 1000003


def bags(i, t):
    for x in BAG:
        t += x
    a, b, c = BAG
    for x in Count(i % 5):
        t += x
    for x in CHANGING:
        t += x
    for x in TREE:
        t += x
    return (t + a + 2 * b + c) % 1000003


def asked(i, t):
    it = iter(BAG)
    t += next(it) * 3 + next(it)
    other = iter((1, i))
    t += next(other) + next(other, 5) + next(other, 7) + next(other, 9)
    try:
        next(other)
    except StopIteration as stop:
        t += len(stop.args)
    counter = iter(Count(i % 4))
    try:
        while True:
            t += next(counter)
    except StopIteration:
        t += 1
    pairs = enumerate(BAG.items, i)
    return (t + next(pairs)[0] + next(pairs)[1]) % 1000003


def asked_on(it, t):
    return t + next(it, 0) + next(it, 0)


def shared(i, t):
    it = iter([i, 2, 3, 4])
    t = asked_on(it, t) * 3
    for x in it:
        t += x
        t = asked_on(it, t)
    rows = iter({"a": 1, "b": i}.items())
    t += next(rows)[1] + next(rows)[1]
    return (t + (next(rows, None) is None)) % 1000003


def fails(i, t):
    try:
        for x in Wrong():
            t += x
    except TypeError as error:
        t += len(str(error))
    try:
        for x in Failing():
            t += x
    except KeyError as error:
        t += len(traceback.format_tb(error.__traceback__))
    try:
        iter(i)
    except TypeError as error:
        t += len(str(error))
    return t % 1000003


class Node:
    def __init__(self, op, *args):
        self.op, self.args = op, args


class Evaluator:
    def __init__(self):
        self.seen = 0

    def evaluate(self, node):
        self.seen += 1
        if type(node) is int:
            return node
        values = list(map(self.evaluate, node.args))
        return values[0] + values[1]


EXPRESSION = Node("+", 1, Node("+", 2, Node("+", 3, 4)))
EVALUATOR = Evaluator()


def half(x):
    if x == 77:
        raise ValueError(x)
    if x == 78:
        raise StopIteration
    return x // 2


def mapped(i, t):
    t += EVALUATOR.evaluate(EXPRESSION) + EVALUATOR.seen
    t += sum(list(map(half, range(i, i + 3)))) if i not in (76, 77, 75) else 0
    t += len(",".join(map(str, (i, 2, "x")))) + tuple(map(half, [i + 100, 5]))[0]
    t += len(list(filter(lambda x: x % 3 == i % 3, NUMBERS))) + sorted(map(lambda x: -x, (1, i, 3)))[0]
    t += any(map(lambda x: x > i % 30, NUMBERS)) + all(map(lambda x: x < i % 40, NUMBERS))
    t += len(set(map(lambda x: x % 5, NUMBERS)))
    for x in map(half, (i + 200, 4)):
        t += x
    return t % 1000003


def mapped_fails(i, t):
    for first in (76, 77, 70 + i % 20):
        try:
            t += sum(list(map(half, range(first, first + 3))))
        except ValueError as error:
            t += error.args[0] + len(traceback.format_tb(error.__traceback__))
    try:
        t += len(sorted(map(lambda x: x if x % 3 else None, range(i % 4))))
    except TypeError as error:
        t += len(traceback.format_tb(error.__traceback__))
    try:
        t += len(",".join(map(half, (i + 200, 2))))
    except TypeError as error:
        t += len(str(error)) + len(traceback.format_tb(error.__traceback__))
    later = map(half, [i + 200, 8, 9])
    t += next(later) + sum(later)
    kept = filter(None, [0, i % 2, 3])
    return (t + len(list(kept)) + len(list(kept))) % 1000003


def main():
    NUMBERS[:] = range(20)
    for function in (plan, plan_taken, bags, asked, shared, fails, mapped, mapped_fails, plan_changes):
        print(function.__name__, fold(function, 200, 0))
