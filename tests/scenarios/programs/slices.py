"""Slices of builtin sequences: bounds of all kinds, what they are taken of, and lists that change meanwhile."""

from tests.scenarios.loops import fold

SEQUENCES = (b"hello, world", "hello, w\u00f6rld", "hello \U0001f40d", tuple(range(12)), list(range(12)), bytearray(b"hello, world"))
BOUNDS = (None, 0, 1, -1, 3, -3, 11, 12, -12, 13, -13, 2**62, -(2**62), 2**63 - 1, -(2**63), 2**63, -(2**70), True)
PLAIN = BOUNDS[:15]


class Place:
    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


class Bytes(bytes):
    def __getitem__(self, key):
        return b"mine", bytes.__getitem__(self, key)


class Text(str):
    __slots__ = ()


class Row(list):
    pass


OTHERS = (Bytes(b"hello, world"), Text("hello, world"), Row(range(12)), range(12), memoryview(b"hello, world"))


def summed(part):
    return len(part) * 7 + (hash(tuple(part)) % 1000 if part else 0)


def of_bytes(i, value):
    text = SEQUENCES[0]
    start, stop = PLAIN[i % 15], PLAIN[i // 15 % 15]
    part, front, back = text[start:stop], text[:stop], text[start:]
    return (value * 3 + len(part) + len(front) * 5 + len(back) * 7 + sum(part) + (part is text) + (front == text)) % 2**40


def of_text(i, value):
    text = SEQUENCES[1 + i % 2]
    start, stop = PLAIN[i % 15], PLAIN[i // 15 % 15]
    return (value * 3 + len(text[start:stop]) + len(text[:stop]) * 5 + len(text[start:]) * 7 + (text[start:stop] is text)) % 2**40


def of_tuple(i, value):
    row = SEQUENCES[3]
    start, stop = PLAIN[i % 15], PLAIN[i // 15 % 15]
    part = row[start:stop]
    return (value * 3 + sum(part) + len(row[:stop]) * 5 + sum(row[start:]) + (part is row)) % 2**40


def of_list(i, value):
    row = SEQUENCES[4]
    start, stop = PLAIN[i % 15], PLAIN[i // 15 % 15]
    part = row[start:stop]
    part.append(i)
    return (value * 3 + sum(part) + len(row[:stop]) * 5 + sum(row[start:]) + (row[:] is row)) % 2**40


def of_any(i, value):
    row = SEQUENCES[i % 6]
    return (value * 3 + len(row[BOUNDS[i % 18] : BOUNDS[i // 18 % 18]]) + len(row[:: 1 + i % 3]) * 3) % 2**40


def of_others(i, value):
    row = OTHERS[i % 5]
    start, stop = i % 13, -(i % 5)
    part = row[start : stop or None]
    return (value * 3 + len(part) + (type(part) is list) + 2 * (type(part) is str) + len(row[Place(i % 4) :])) % 2**40


def mistaken(i, value):
    row = SEQUENCES[i % 4]
    try:
        return value + len(row[i % 3 : "x" if i % 10 == 9 else i % 7])
    except TypeError as error:
        return value + len(str(error))


def known_items(i, value):
    made = [i, i + 1, i + 2, value % 100]
    rest, ends, nothing, all_of_it = made[1:], made[:-1], made[5:2], made[:]
    rest.append(i)
    made[0] = 1000
    return (value + rest[-1] + sum(ends) + len(nothing) + all_of_it[0] * 3 + (all_of_it is made)) % 2**40


def changed_between(i, value):
    made = [i, i + 1, i + 2]
    before = made[1:]
    made[2] = 7
    made.append(value % 50)
    after = made[1:]
    made.pop()
    return (value + before[1] * 3 + after[1] + after[2] + len(made[1:])) % 2**40


def arguments(i, *given):
    first, rest = given[0], given[1:]
    return first + len(rest) * 10 + sum(rest[1:]) - i


def passed_on(i, value):
    return (value + arguments(i, i, value % 11, 3, 4)) % 2**40


def held(i, value):
    cut = slice(i % 5, i % 7)
    return (value * 3 + len(SEQUENCES[i % 4][cut]) + cut.start + len(SEQUENCES[4][cut])) % 2**40


def stored(i, value):
    row = [1, 2, 3, 4]
    row[i % 3 : i % 5] = [i]
    del row[:1]
    return (value + sum(row)) % 2**40


def tokens(i, value):
    text = SEQUENCES[0]
    found = 0
    for at in range(12):
        if text[at : at + 1] == b"l" or text[at : at + 2] == b"wo":
            found += at
        elif text[at : at + 1] != b"o":
            found += 100
    return (value + found + i) % 2**40


def main():
    for body in (of_bytes, of_text, of_tuple, of_list, of_any, of_others, mistaken, known_items, changed_between, passed_on,
                 held, stored, tokens):  # fmt: skip
        print(body.__name__, fold(body, 700, 0), fold(body, 20, 5))


if __name__ == "__main__":
    main()
