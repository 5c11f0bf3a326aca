"""Instances of subclasses of int and tuple, which have what the builtin class has: operators, comparisons, items, unpacking."""

import collections
import enum
import typing

from tests.scenarios.loops import fold


class Op(enum.IntEnum):
    ADD = 0
    SUB = 1
    MUL = 2
    HUGE = 1 << 70
    FAR = -(1 << 40)


class Wide(int):
    def __eq__(self, other):
        return int(self) % 10 == int(other) % 10

    def __hash__(self):
        return int(self) % 10

    def __radd__(self, other):
        return (other, "radd")


class Plain(int):
    pass


class Inst(typing.NamedTuple):
    op: Op
    x: object = None
    y: int = 0


Pair = collections.namedtuple("Pair", "left right")


class Odd(tuple):
    def __iter__(self):
        return iter([tuple.__len__(self), "odd"])

    def __len__(self):
        return 7

    def __getitem__(self, index):
        return ("odd", index)


CODE = [Inst(Op.ADD, 1), Inst(Op.SUB, 2), Inst(Op.MUL, 3, 4), Inst(Op.HUGE, "h"), Inst(Op.FAR, None, 9)]
NUMBERS = [Op.ADD, Op.SUB, Op.MUL, Op.HUGE, Op.FAR, 0, 1, True, 2.0, 1 << 70, Plain(1), Plain(1 << 70), Wide(11), Wide(1)]
SEQUENCES = [Pair(1, 2), (3, 4), Odd((5, 6, 7)), [8, 9], Inst(Op.ADD, 5)]
SEEN = []


def dispatch(i, total):
    op, x, y = CODE[i % 3]
    if op == Op.ADD:
        return total + x
    if op == Op.SUB:
        return total - x
    if Op.MUL == op:
        return total * x % 1009 + y
    return None


def dispatch_all(i, total):
    op, *rest = CODE[i % 5]
    if op == Op.HUGE:
        return total + len(rest)
    if op < Op.ADD:
        return total + op % 7 + rest[1]
    return total + op * 3 + (op | 4) - (op ^ 1)


def compare(i, total):
    a, b = NUMBERS[i % 14], NUMBERS[i // 14 % 14]
    return total * 3 % 1000003 + (a == b) + 2 * (a != b) + 4 * (a < b) + 8 * (b >= a)


def compute(i, total):
    a, b = NUMBERS[i % 12], NUMBERS[i // 12 % 12]
    SEEN.append((type(a + b).__name__, type(a * b).__name__, a - b))
    if type(a) is not float and type(b) is not float and abs(a) < 100:
        SEEN.append((type(a & b).__name__, a | b, 1 << abs(a)))
    return total + 1


def reflected(i, total):
    return (*total, i + NUMBERS[12 + i % 2])[-5:]


def divide(i, total):
    try:
        return total + 100 // [Op.MUL, Op.ADD, Plain(3)][i % 3]
    except ZeroDivisionError as error:
        return total + len(str(error))


def index(i, total):
    table = (10, 20, 30)
    items = [1, 2, 3]
    items[CODE[i % 3].op] += i
    pair = SEQUENCES[i % 2]
    return total + table[CODE[i % 3].op] + sum(items) + pair[-1] + pair[Op.SUB] + pair[i % 2]


def outside(i, total):
    pair = SEQUENCES[i % 2]
    try:
        return total + pair[Op.MUL]
    except IndexError as error:
        return total + len(str(error))


def unpack(i, total):
    try:
        a, b = SEQUENCES[i % 5]
    except ValueError as error:
        return total + len(str(error))
    return total + a + len(str(b))


def lengths(i, total):
    return total + len(SEQUENCES[i % 5]) + len(str(SEQUENCES[i % 5][0]))


def called(i, total):
    return max(*SEQUENCES[0]) + total + max(*CODE[i % 3][1:])


def changed(i, total):
    if i == 150:
        Pair.__getitem__ = lambda self, at: 1000
        Op.__eq__ = lambda self, other: False
        Pair.__iter__ = lambda self: iter("ab")
    if i == 200:
        del Pair.__getitem__, Pair.__iter__
        del Op.__eq__
    a, b = SEQUENCES[0]
    return total + SEQUENCES[0][1] + (CODE[i % 3].op == Op.ADD) + len(str(a)) + len(str(b) * 3)


def matched(i, total):
    match CODE[i % 5]:
        case [Op.ADD, x, _]:
            return total + x
        case Inst(Op.SUB, x):
            return total - x
        case Inst(op=Op.FAR, y=y):
            return total + y
        case (_, str(), _):
            return total + 17
    return total


def main():
    for body in (dispatch, dispatch_all, compare, compute, divide, index, outside, unpack, lengths, called, changed, matched):
        print(body.__name__, fold(body, 300, 0))
    print(fold(reflected, 60, ()))
    print(len(SEEN), collections.Counter(map(str, SEEN)).most_common(4), hash(tuple(map(str, SEEN[-3:]))) and SEEN[-3:])
