"""Items of dicts at constant keys that are no strings: numbers, classes, members, tuples, strings of a subclass, weak references."""

import enum
import weakref

from tests.scenarios.loops import fold


class Symbol(str):
    pass


class Op(enum.Enum):
    ADD = 1
    SUB = 2


class Kind(enum.IntEnum):
    LEFT = 1
    RIGHT = 2


class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return isinstance(other, Point) and self.x == other.x

    def __hash__(self):
        return hash(self.x)


X, OTHER = Symbol("x"), Symbol("x")
NUMBERS = {0: 5, 1: 7, 2.5: 9, None: 11, 1 << 70: 13, b"k": 15}
CLASSES = {int: 1, str: 2, Point: 3}
MEMBERS = {Op.ADD: 4, Op.SUB: 5, Kind.LEFT: 6}
TUPLES = {(1, "a"): 7, (2, "b"): 8}
MIXED = {"x": 1, X: 2, 3: 3, Point(4): 4}
WEAK = {weakref.ref(Point): 10, "p": 1}
BIG = 1 << 70
MISSING = Point(9)


def reads(i, t):
    t += NUMBERS[0] + NUMBERS[True] + NUMBERS[2.5] + NUMBERS[None] + NUMBERS[BIG] + NUMBERS[b"k"] + NUMBERS[1.0]
    t += CLASSES[type(i)] + CLASSES[Point] + CLASSES.get(str, 0) + (Point in CLASSES) + (float in CLASSES)
    t += MEMBERS[Op.ADD] + MEMBERS[Op.SUB] + MEMBERS[Kind.LEFT] + MEMBERS[1] + MEMBERS.get(Op(2), 0)
    t += TUPLES[1, "a"] + MIXED[X] + MIXED["x"] + MIXED[OTHER] + MIXED[3] + WEAK[weakref.ref(Point)]
    return t % 1000003


def stores(i, t):
    NUMBERS[0] = i
    NUMBERS[False] += 1
    CLASSES[int] = CLASSES[int] + 1
    MEMBERS[Op.ADD] = NUMBERS[0]
    MIXED[OTHER] = i
    t += MIXED["x"] + MIXED[X] + NUMBERS[0.0] + MEMBERS[Op.ADD] + CLASSES[int]
    MIXED[X] += 2
    return (t + MIXED["x"]) % 1000003


def moves(i, t):
    if i % 50 == 20:
        del NUMBERS[1]
        NUMBERS[True] = i
    if i % 60 == 30:
        NUMBERS[i + 1000] = i
    if i == 150:
        CLASSES.clear()
        CLASSES.update({int: 30, Point: 31, str: 32})
    if i == 160:
        del MIXED["x"]
        MIXED[Symbol("x")] = 100
    return (t + NUMBERS[1] + CLASSES[Point] + MIXED[X]) % 1000003


def fresh(i, t):
    made = {1: i, Point: 2}
    made[X] = t
    made[Kind.RIGHT] = 5
    other = dict(made)
    other[1] = 7
    return (t + made[1] + made["x"] + made[2] + other[1] + other[Point] + len(made)) % 1000003


def guests_own(i, t):
    keyed = MIXED[Point(4)]
    try:
        return t + keyed + MIXED[MISSING]
    except KeyError as error:
        return t + keyed + error.args[0].x


class Machine:
    def __init__(self):
        self.registers = {0: 0, 1: 0, 2: 0}
        self.handlers = {10: self.load, 20: self.add, 30: self.move}

    def load(self, to, value):
        self.registers[to] = value

    def add(self, to, value):
        self.registers[to] += self.registers[value]

    def move(self, to, value):
        self.registers[to] = self.registers[value]


PROGRAM = ((10, 0, 3), (20, 1, 0), (30, 2, 1), (20, 2, 0))
MACHINE = Machine()


def machine(i, t):
    for op, to, value in PROGRAM:
        MACHINE.handlers[op](to, value)
    return (t + MACHINE.registers[2]) % 1000003


def main():
    for function in (reads, stores, moves, fresh, guests_own, machine, reads, stores):
        print(function.__name__, fold(function, 200, 1), sum(NUMBERS.values()), list(CLASSES.values()), list(MIXED.values()))
