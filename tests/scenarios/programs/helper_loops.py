"""Functions that a portal calls and that loop too often to be unrolled: their loops have traces of their own."""

import sys
import traceback

from metatracer import JitDriver, unroll_safe
from tests.scenarios.loops import each, fold

other_driver = JitDriver(greens=["step"], reds="auto", name="other")


@other_driver.portal
def backwards(step, n, value):
    while n > 0:
        other_driver.jit_merge_point(step=step)
        n -= 1
        value = step(n, value)
    return value


# --- searching and scanning


def find(items, wanted):
    i, n = 0, len(items)
    while i < n:
        if items[i] == wanted:
            return i
        i += 1
    return -1


def find_with_else(items, wanted):
    i = 0
    for each_item in items:
        if each_item == wanted:
            break
        i += 1
    else:
        i = -len(items)
    return i


def count_letter(text, letter):
    count = 0
    for i in range(len(text)):
        if text[i] == letter:
            count += 1
        elif text[i] == "!":
            break
    return count


def next_word(text, start):
    while start < len(text) and text[start] == " ":
        start += 1
    end = start
    while end < len(text) and text[end] != " ":
        end += 1
    return text[start:end], end


NUMBERS = list(range(300))
TEXT = "abcab cab!" * 3 + "abc " * 60
BLANKS = (" " * 40 + "word") * 5 + " " * 70 + "x" * 50


def search(i, value):
    return value + find(NUMBERS, i % 310)


def search_with_else(i, value):
    return value + find_with_else(NUMBERS, i % 310)


def scan(i, value):
    return value + count_letter(TEXT if i & 1 else TEXT.replace("!", "?"), "abc"[i % 3])


def words(i, value):
    at, found = 0, 0
    while at < len(BLANKS):
        word, at = next_word(BLANKS, at)
        found += len(word)
    return value + found


# --- loops in loops


def bubble(items):
    n = len(items)
    swaps = 0
    for i in range(n):
        changed = False
        for j in range(n - 1 - i):
            if items[j] > items[j + 1]:
                items[j], items[j + 1] = items[j + 1], items[j]
                changed = True
                swaps += 1
        if not changed:
            break
    return swaps


def sort(i, value):
    items = [(k * 7919 + i) % 101 for k in range(30)]
    return (value + bubble(items) + items[i % 30]) % 1000003


def triangle(rows):
    total = 0
    for row in rows:
        for x in row:
            if x < 0:
                continue
            total += x
        for y in reversed(row):
            total ^= y
        while total > 5000:
            total -= 37
    return total


ROWS = [list(range(-2, n)) for n in range(0, 40, 3)]


def add_rows(i, value):
    return value + triangle(ROWS[: 3 + i % 11])


# --- ways out


class NotFound(Exception):
    pass


def require(items, wanted):
    i = 0
    while True:
        if i >= len(items):
            raise NotFound(wanted)
        if items[i] == wanted:
            return i
        i += 1


def missing(i, value):
    try:
        value += require(NUMBERS, i % 320 + 5)
    except NotFound as error:
        value -= error.args[0]
    return value


def divide_all(items, divisors):
    total = 0
    for i, item in enumerate(items):
        try:
            total += item // divisors[i % len(divisors)]
        except ZeroDivisionError:
            total -= 1
        finally:
            total += 1
    return total


def guarded(i, value):
    return value + divide_all(NUMBERS[:60], [1, 2, 0, 3] if i % 3 else [1, 2])


DONE = []


def cleaned(items, last):
    try:
        for item in items:
            if item == last:
                return item
    finally:
        DONE.append(last)
    raise LookupError(last)


def clean(i, value):
    try:
        return value + cleaned(NUMBERS, i % 305)
    except LookupError:
        return value - 1


def after_failure(items):
    try:
        return items[1000]
    except IndexError as error:
        total = 0
        for item in items:
            total += item
        return total + len(error.args)


def failing(i, value):
    return value + after_failure(NUMBERS)


class Held:
    depth = 0

    def __enter__(self):
        Held.depth += 1
        return self

    def __exit__(self, *exception):
        Held.depth -= 1
        return exception[0] is NotFound


def in_with(items, wanted):
    with Held() as held:
        for item in items:
            if item == wanted:
                return item + held.depth
        raise NotFound(wanted)
    return -1


def held(i, value):
    return value + in_with(NUMBERS, i % 310) + Held.depth


# --- variables


def unbound(items, which):
    for item in items:
        if item == which:
            found = item
        elif item > which + 20:
            return found
    return len(items)


def may_be_unbound(i, value):
    try:
        return value + unbound(NUMBERS, i % 290 - 5)
    except UnboundLocalError as error:
        return value + len(str(error))


def make_counter(step):
    def count(n):
        nonlocal total
        i = 0
        while i < n:
            total += step
            i += 1
        return total

    total = 0
    return count


COUNTERS = [make_counter(1), make_counter(3)]


def closures(i, value):
    return value + COUNTERS[i & 1](40 + i % 3)


def keeps_cells(n):
    total = 0

    def add(x):
        nonlocal total
        total += x
        return total

    for i in range(n):
        add(i)
    return total


def cells(i, value):
    return value + keeps_cells(30 + i % 5)


def starred(*numbers, factor=1, **others):
    total = 0
    for number in numbers:
        total += number * factor
    for name in others:
        total += len(name)
    return total


def with_stars(i, value):
    return value + starred(*NUMBERS[:40], factor=i % 3, a=1, bc=2)


def grows(n):
    product = 1
    for i in range(1, n):
        product = product * i % (1 << 70)
    return product % 1009


def big_numbers(i, value):
    return value + grows(30 + i % 20)


def listed(n):
    return sum([k * k for k in range(n)]) + sum(k for k in range(n))


def comprehensions(i, value):
    return value + listed(30 + i % 7)


def items_of(table):
    total = 0
    for key, number in table.items():
        total += number * len(key)
    for first, second in zip(table.values(), reversed(table.values()), strict=True):
        total += first - second
    return total


TABLES = [{str(k): k for k in range(n)} for n in (5, 30, 100)]


def tables(i, value):
    return value + items_of(TABLES[i % 3])


# --- where helpers are called from


class Base:
    def __init__(self, n):
        self.n = n

    def weight(self):
        return 1

    def total(self):
        total = 0
        for i in range(self.n):
            total += i * self.weight()
        return total


class Heavy(Base):
    def __init__(self, n):
        super().__init__(n)
        self.sums = []
        for i in range(n):
            self.sums.append(i + super().weight())

    def weight(self):
        return 2

    def __add__(self, other):
        total = 0
        for number in self.sums:
            total += number + other
        return total

    def __bool__(self):
        i = 0
        while i < len(self.sums):
            if self.sums[i] == 25:
                return True
            i += 1
        return False

    def __eq__(self, other):
        i = 0
        while i < self.n:
            if self.sums[i] != other.sums[i]:
                return False
            i += 1
        return True

    __hash__ = None

    def __iter__(self):
        i = 0
        while i < self.n:
            i += 1
        return iter([i])

    @property
    def last(self):
        last = 0
        for last in self.sums:  # noqa: B007 - a loop is what is wanted
            pass
        return last


def objects(i, value):
    heavy = Heavy(20 + i % 9)
    value += heavy + i
    if heavy:
        value += 3
    value += heavy == Heavy(20 + i % 9)
    for x in heavy:
        value += x
    return value + heavy.last + heavy.total() + Base(25).total()


def walk(tree, depth):
    total = 0
    for child in tree:
        total += walk(child, depth + 1) if isinstance(child, list) else child + depth
    return total


TREE = [[k, [k] * 18, [[k] * 20, 1]] for k in range(20)]


def trees(i, value):
    return value + walk(TREE, 0)


def short_or_long(n):
    total = 0
    while n:
        total += n
        n -= 1
    return total


def mixed(i, value):
    return value + short_or_long(i % 3 if i % 50 else 100)


@unroll_safe
def unrolled(n):
    total = 0
    for i in range(n):
        total += i
    return total


def marked(i, value):
    return value + unrolled(20)


def deep(n):
    for k in range(n):
        if k == 25:
            raise KeyError(k)
    return n


def raised(i, value):
    try:
        return value + deep(20 + i % 9)
    except KeyError as error:
        names = [entry.name for entry in traceback.extract_tb(error.__traceback__)]
        lines = [entry.lineno for entry in traceback.extract_tb(error.__traceback__)]
        return (
            value + len(names) + names.count("deep") * 10 + sum(lines) + error.args[0]
        )


def changing(n):
    total = 0
    for i in range(n):
        total += i
    return total


def changed(n):
    return n


def replaced(i, value):
    if i == 400:
        changing.__code__ = changed.__code__
    return value + changing(30)


LIMIT = 50


def below_limit(n):
    i = 0
    while i < n and i < LIMIT:
        i += 1
    return i


def globals_change(i, value):
    global LIMIT
    if i % 100 == 99:
        LIMIT += 1
    return value + below_limit(1000)


def mutate(i, state):
    items, seen = state
    for position in range(len(items)):
        items[position] += i
    seen.append(sum(items) % 97)
    if len(seen) > 50:
        seen.clear()


class Noisy:
    """An iterator that runs code of the guest."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if not self.n:
            raise StopIteration
        self.n -= 1
        return self.n


def drain(items):
    total = 0
    for item in items:
        total += item
        if item == 7:
            for rest in items:  # the same iterator
                total -= rest
    return total


def noisy(i, value):
    return (
        value
        + drain(Noisy(20 + i % 5))
        + drain(iter(NUMBERS[: 20 + i % 5]))
        + drain(NUMBERS[: 20 + i % 5])
    )


def growing(n):
    items = [1]
    for item in items:
        if len(items) < n:
            items.append(item + 1)
    return len(items) + items[-1]


def lists_grow(i, value):
    return value + growing(30 + i % 4)


STEPS = (
    search, search_with_else, scan, words, sort, add_rows, missing, guarded, clean, failing, held, may_be_unbound,
    closures, cells, with_stars, big_numbers, comprehensions, tables, objects, trees, mixed, marked, raised, replaced,
    globals_change, noisy, lists_grow,
)  # fmt: skip


def main():
    for step in STEPS:
        print(
            step.__name__,
            fold(step, 200, 0),
            fold(step, 300, 1),
            backwards(step, 60, 2),
        )
    print(fold(replaced, 500, 0), sum(DONE), Held.depth, sys.exc_info())
    items, seen = [0] * 40, []
    each(mutate, 500, (items, seen))
    print(items, seen)
    print(
        find(list(range(100_000)), 99_999),
        fold(lambda i, value: value + find(range(20_000), 19_999 - i), 6, 0),
    )


if __name__ == "__main__":
    main()
