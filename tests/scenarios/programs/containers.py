"""Lists, dicts, tuples, strings and arrays, changed while they are used."""

from array import array

from tests.scenarios.loops import each, fold


def grows_while_walked(i, log):
    items = [1, 2, 3]
    for item in items:
        if len(items) < 5 + i % 3:
            items.append(item * 2)
    log[0] += sum(items)


def shrinks_while_walked(i, log):
    items = [1, 2, 3, 4, 5, 6]
    for item in items:
        if item % 2:
            items.remove(item)
    log[0] += len(items)


def dict_changes_size(i, log):
    table = {1: 1, 2: 2, 3: 3}
    try:
        for key in table:
            if i % 3 == 0:
                table[key + 10] = 1
        log[0] += 1
    except RuntimeError as error:
        log[1] = str(error)


def dict_order(i, table):
    table.pop(i % 7, None)
    table[i % 7] = i
    if i % 50 == 0:
        table["s" + str(i)] = i
    if len(table) > 12:
        table.clear()


def indexes(i, log):
    items = [10, 20, 30]
    try:
        log[0] = items[i % 9 - 5]
    except IndexError as error:
        log[1] = str(error)
    try:
        items[i % 9 - 5] = i
    except IndexError as error:
        log[2] = str(error)
    log[3] = items
    log[4] = (items[1:], items[::-1], items[-2:5], items[:0], (1, 2, 3)[i % 3])


def unpacks(i, log):
    first, *rest = range(i % 4 + 1)
    (a, b), c = (i, rest), first
    log[0] = (first, rest, a, b, c)
    try:
        a, b = range(i % 4)
    except ValueError as error:
        log[1] = str(error)


def arrays(i, state):
    numbers, small, data = state
    numbers[i % 4] += i * 0.5
    small[i % 4] = (small[i % 4] + i) % 128
    try:
        data[i % 6] = i
    except (ValueError, IndexError) as error:
        data[0] = len(str(error))


def strings(i, text):
    c = text[i % len(text)]
    text = text.replace(c, chr(97 + i % 26), 1) if i % 3 else text + c
    return text[-20:].upper().lower() + ("" if c != "q" else "\u20ac")


def nested(i, value):
    a = [[0] * 3 for _ in range(3)]
    a[i % 3][1] += i
    b = [row[:] for row in a]
    b[0][0] = 9
    return (value + sum(sum(row) for row in a) + len({x for row in b for x in row})) % 10007


def aliasing(i, log):
    a = [i]
    b = a
    b.append(1)
    a += [2]
    t = (a, a)
    t[0].append(3)
    log[0] = (a is b, len(a), t[1] is a)
    a = a + [4]
    log[1] = (a is b, len(a), len(b))


def main():
    print(each(grows_while_walked, 300, [0]))
    print(each(shrinks_while_walked, 300, [0]))
    print(each(dict_changes_size, 300, [0, 0]))
    print(each(dict_order, 500, {}))
    print(each(indexes, 300, [0] * 5))
    print(each(unpacks, 300, [0, 0]))
    print(each(arrays, 400, (array("d", [0.0] * 4), array("b", [0] * 4), bytearray(5))))
    print(fold(strings, 500, "the quick"))
    print(fold(nested, 300, 0))
    print(each(aliasing, 300, [0, 0]))
