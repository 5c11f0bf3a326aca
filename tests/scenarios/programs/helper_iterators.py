"""Loops of helpers over iterators that others hold, that are of several kinds, or that end early."""

from tests.scenarios.loops import fold


class Source:
    def __init__(self, items):
        self.items = items
        self.held = iter(items)

    def __iter__(self):
        return self.held


def drains(sources):
    """The inner loop's iterator belongs to somebody else, or is new."""
    total = 0
    for source in sources:
        for item in source:
            total += item
            if item % 23 == 22:
                break
        for item in source:
            total -= 2 * item
            if item % 29 == 28:
                break
    return total


def held_by_others(i, value):
    shared = Source(list(range(60)))
    return value + drains([shared, list(range(40)), shared, range(0, 90, 3), shared, tuple(range(30)), iter([1, 2, 3])])


def both(items):
    again = iter(items)
    pairs = total = 0
    for item in again:
        pairs += 1
        for other in again:
            total += item * other
            if other % 7 == 3:
                break
    return total + pairs


def same_iterator_twice(i, value):
    return value + both(range(100)) - both(list(range(50))) + both(tuple(range(70)))


def passed(items):
    total = 0
    for item in items:
        total += item
        if item == 20:
            return total
    return -total


def goes_on(i, value):
    items = iter(range(i % 7, 80)) if i % 3 else iter(list(range(60)))
    first = passed(items)
    return value + first + passed(items) + sum(items)


def shrinks(n):
    items = list(range(n))
    total = 0
    for item in items:
        total += item
        if item % 3 == 0:
            items.pop()
    for item in items:
        items.append(item) if len(items) < 2 * n else None
        total += 1
    return total


def lists_change(i, value):
    return value + shrinks(30 + i % 9)


def steps(n, step):
    total = 0
    for k in range(n * step, -step, -step):
        total += k
        for j in range(k % 5, 60, 1 + k % 3):
            total ^= j
    return total


def ranges(i, value):
    return value + steps(20 + i % 5, 1 + i % 4)


BIG = 1 << 62


def near_the_end(n):
    total = 0
    for k in range(2 * BIG - n, 2 * BIG + n // 2):
        total += k & 7
    for k in range(-(2 * BIG), -(2 * BIG) + n, 3):
        total += k & 7
    return total


def machine_limits(i, value):
    return value + near_the_end(30 + i % 5)


def numbered(items):
    total = 0
    for i, item in enumerate(items, 3):
        total += i * item
        for a, b in zip(items, range(i)):
            total += a - b
    return total


def whole(i, value):
    return value + numbered(list(range(20 + i % 3))) + numbered(range(25))


def raising(items, bad):
    total = 0
    try:
        for item in items:
            try:
                total += 10 // (item - bad)
            finally:
                total += 1
    except ZeroDivisionError:
        for item in items:
            total += item
    return total


def errors(i, value):
    return value + raising(list(range(40)), i % 50) + raising(range(40), i % 45)


STEPS = (held_by_others, same_iterator_twice, goes_on, lists_change, ranges, machine_limits, whole, errors)


def main():
    for step in STEPS:
        print(step.__name__, fold(step, 150, 0), fold(step, 200, 1))


if __name__ == "__main__":
    main()
