"""Generators of the same functions above each other: pipelines of operators, and trees."""

from tests.scenarios.loops import fold


class Source:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        yield from range(self.n)


class Keep:
    def __init__(self, child, divisor):
        self.child, self.divisor = child, divisor

    def __iter__(self):
        for item in self.child:
            if item % self.divisor:
                yield item


class Scale:
    def __init__(self, child, by):
        self.child, self.by = child, by

    def __iter__(self):
        for item in self.child:
            yield item * self.by


class Limit:
    def __init__(self, child, count):
        self.child, self.count = child, count

    def __iter__(self):
        if self.count:
            for number, item in enumerate(self.child, 1):
                yield item
                if number == self.count:
                    return


PLAN = Scale(Keep(Scale(Keep(Source(9), 2), 3), 5), 7)
DEEP = Source(6)
for _ in range(6):
    DEEP = Scale(DEEP, 2)


def pipelines(i, total):
    for item in PLAN:
        total += item
    for item in Limit(Limit(Keep(PLAN, 2), 3), i % 4):
        total += item + 1
    return total % 100003


def deep_pipelines(i, total):
    for item in DEEP:
        if item > i:
            break
        total += item
    return total % 100003


class Tree:
    def __init__(self, left, value, right):
        self.left, self.value, self.right = left, value, right

    def __iter__(self):
        if self.left is not None:
            yield from self.left
        yield self.value
        if self.right is not None:
            yield from self.right


def build(depth, value=1):
    return Tree(build(depth - 1, 2 * value), value, build(depth - 1 - value % 2, 2 * value + 1)) if depth > 0 else None


TREES = [build(depth) for depth in (1, 2, 3, 6)]


def trees(i, total):
    for value in TREES[i % 4]:
        total += value
    found = next((value for value in TREES[2] if value > i % 5), 0)
    return (total + found) % 100003


def walk(tree, depth):
    if tree is None:
        return 0
    below = yield from walk(tree.left, depth + 1)
    yield depth
    below += yield from walk(tree.right, depth + 1)
    return below + 1


def results(i, total):
    walked = walk(TREES[i % 4], 0)
    while True:
        try:
            total += next(walked)
        except StopIteration as stop:
            return (total + stop.value) % 100003


def permutations(items):
    if len(items) <= 1:
        yield items
        return
    for position in range(len(items)):
        for rest in permutations(items[:position] + items[position + 1 :]):
            yield [items[position], *rest]


def permuted(i, total):
    for each in permutations([1, 2, 3, i % 5]):
        total = (total * 3 + each[0] - each[-1]) % 100003
    return total


LOG = []


def guarded(items, name):
    try:
        for item in items:
            if item == 13:
                raise ValueError(name)
            yield item
    except KeyError as error:
        LOG.append((name, error.args[0]))
        yield -1
    finally:
        LOG.append(name)


def exceptions(i, total):
    del LOG[:-3]
    items = (1, 2, 13 if i % 7 == 3 else 5, i)
    try:
        for item in guarded(guarded(guarded(items, "in"), "middle"), "out"):
            total += item
            if item == 5 and i % 3 == 0:
                break
            if i % 5 == 4:
                raise KeyError(i)
    except (ValueError, KeyError) as error:
        entry, entries = error.__traceback__, 0
        while entry is not None:
            entry, entries = entry.tb_next, entries + 1
        total += entries + len(str(error))
    return (total + len(LOG)) % 100003


def stopping(items):
    for item in items:
        if item == 3:
            next(iter(()))
        yield item


def stopped(i, total):
    try:
        for item in stopping(stopping((1, 2, i % 4))):
            total += item
    except RuntimeError as error:
        total += len(str(error)) + (type(error.__cause__) is StopIteration)
    return total % 100003


def main():
    for body in (pipelines, deep_pipelines, trees, results, permuted, exceptions, stopped):
        print(body.__name__, fold(body, 200, 1))
    print(LOG)
