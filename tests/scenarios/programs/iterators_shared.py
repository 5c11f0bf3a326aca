"""Iterators that several frames hold, generators that end, raise or change what traces assume."""

from tests.scenarios.loops import each, fold

SCALE = 1
PARTS = [1, 2, 3, 4, 5, 6]


def take(iterator, n):
    total = 0
    for item in iterator:
        total += item[1]
        n -= 1
        if n == 0:
            break
    return total


def shared_iterator(i, value):
    pairs = enumerate(PARTS)
    first = take(pairs, 1 + i % 3)
    second = take(pairs, 2)
    return value + first * 10 + second + sum(item[1] for item in pairs)


def counted(n):
    for k in range(n):
        yield k * SCALE


def sums_generator(i, value):
    for k in counted(i % 4):
        value += k
    return value


def rescales(i, value):
    global SCALE
    for k in counted(3):
        value += k * SCALE
        if i % 50 == 49:
            SCALE = i % 7
    return value


def raising(n, limit):
    for k in range(n):
        if k == limit:
            raise ValueError(k)
        yield k


def generator_raises(i, value):
    try:
        for k in raising(i % 5, 3):
            value += k
    except ValueError as error:
        value += 100 * error.args[0]
    return value


def grows(i, log):
    items = [i, i]
    for item in items:
        if len(items) < 5:
            items.append(item + 1)
    log.append(sum(items))
    if len(log) > 9:
        log.clear()


def changes_dict(i, value):
    table = {1: i, 2: i}
    try:
        for key in table:
            value += table[key]
            if i % 10 == 9:
                table[key + 10] = 0
    except RuntimeError as error:
        value += len(str(error))
    return value


def zips(i, value):
    for a, b in zip(range(i % 4 + 1), [1, value, 3]):
        value += a * 3 + (b if i % 5 else b // 2)
        if value % 11 == i % 11:
            value += 1
    for n, (a, b) in enumerate(zip(PARTS, enumerate(range(i % 6))), i):
        value += n * a + b[1]
        if value % 7 == i % 7:
            break
    return value % 10007


def shared_part(i, value):
    pairs = enumerate(PARTS)
    both = zip(pairs, range(i % 5 + 1))
    for n, item in pairs:
        for (m, other), k in both:
            value += n * other + m * k
            if (value + i) % 3 == 0:
                break
        value += item
    return value % 10007


def over_at_the_end(i, value):
    items = [i, 1]
    numbered = enumerate(items)
    for n, item in numbered:
        value += n * item
    items.append(i)
    for n, item in numbered:
        value += 1000
    return value


def main():
    print(fold(over_at_the_end, 150, 0))
    print(fold(shared_part, 150, 0))
    print(fold(zips, 150, 0))
    print(fold(shared_iterator, 120, 0))
    print(fold(sums_generator, 120, 0))
    print(fold(rescales, 300, 0))
    print(fold(generator_raises, 120, 0))
    print(each(grows, 120, []))
    print(fold(changes_dict, 120, 0))
