"""Classes with a `__new__` of their own: named tuples, objects that are shared, factories of subclasses, numbers, what fails."""

import collections
import fractions
import typing

from tests.scenarios.loops import fold


class Event(typing.NamedTuple):
    when: int
    what: str = "tick"
    data: object = None

    def later(self, by):
        return self._replace(when=self.when + by)


Pair = collections.namedtuple("Pair", "left right", defaults=(7,))


class Atom:
    table = {}
    __slots__ = ("name",)

    def __new__(cls, name):
        found = cls.table.get(name)
        if found is None:
            found = cls.table[name] = object.__new__(cls)
            found.name = name
        return found


class Shape:
    made = 0

    def __new__(cls, kind, *sizes, **named):
        Shape.made += 0
        return super().__new__(KINDS.get(kind, cls))

    def area(self):
        return -1


class Square(Shape):
    def area(self):
        return 4


class Rect(Shape):
    def __init__(self, kind, *sizes, scale=1):
        self.sizes = sizes
        self.scale = scale

    def area(self):
        total = self.scale
        for size in self.sizes:
            total *= size
        return total


KINDS = {"square": Square, "rect": Rect}


class Other:
    def __new__(cls, value):
        return [value] if value % 3 else None


class Metres(float):
    def __new__(cls, value, unit=1):
        if value < 0:
            raise ValueError(f"negative: {value}")
        return super().__new__(cls, value * unit)


class Counted(tuple):
    def __new__(cls, *items):
        return tuple.__new__(cls, items)

    def __init__(self, *items):
        COUNTS.append(len(items))


class Wrapped(tuple):
    def __new__(cls, items):
        return tuple.__new__(cls, (items, len(items), *items[:1]))


class Finished(tuple):
    __slots__ = ()

    def __new__(cls, value):
        return tuple.__new__(cls, (value, value + 1))

    def __del__(self):
        COUNTS.append(self[0])


COUNTS = []


def events(i, total):
    event = Event(i, data=total)
    later = Event(i + 1, "x", event)
    when, what, data = later
    return (total + event.when + later.data.when + when + len(what) + (data is event)) % 100003


def replaced(i, total):
    event = Event(total).later(i)
    return event.when % 1009 + len(event) + hash(event == Event(total + i))


def pairs(i, total):
    pair = Pair(total, i) if i % 3 else Pair(total)
    return (pair.left * 3 + pair.right + sum(pair) + pair[0]) % 100003


def kept(i, found):
    return [*found[-3:], Pair(i, Event(i % 5))]


def atoms(i, total):
    return total + len(Atom("abc"[: i % 4]).name) + (Atom("a") is Atom("a"))


def shapes(i, total):
    shape = Shape("square") if i % 3 else Shape("rect", i, 2, scale=3) if i % 2 else Shape("none")
    return total + shape.area()


def others(i, total):
    return total + len(Other(i) or ())


def metres(i, total):
    try:
        return total + Metres(i % 7 - 2, 0.5)
    except ValueError as error:
        return total + len(str(error))


def wrong(i, total):
    try:
        Event() if i % 2 else Pair(1, 2, 3)
    except TypeError as error:
        return total + len(str(error))
    return total


def counted(i, total):
    return total + len(Counted(*range(i % 3))) + len(COUNTS)


def wrapped(i, total):
    return total + len(Wrapped([i] * (i % 3))) + Wrapped((i,))[2]


def finished(i, total):
    return total + Finished(i)[1] + len(COUNTS)


def rational(i, total):
    return fractions.Fraction(total.numerator % 97, i + 1) + fractions.Fraction(1, 3)


def changed(i, total):
    if i == 60:
        Event.__new__ = lambda cls, when, data=None: (1000, "old", when)
    if i == 70:
        Pair.__init__ = lambda self, *items: COUNTS.append(items)
    return total + len(Event(i, data=1)[1]) + len(Pair(i, 2)) + len(COUNTS) % 10


def main():
    for body in (events, replaced, pairs, atoms, shapes, others, metres, wrong, counted, wrapped, finished):
        print(body.__name__, fold(body, 120, 0))
    print(fold(kept, 100, []), fold(rational, 50, fractions.Fraction(1)))
    print(fold(changed, 120, 0), len(COUNTS), len(Atom.table))
