"""Instances of classes whose metaclasses are not `type`, and may come to have an idea of their own of what an instance is."""

import abc
import enum

from tests.scenarios.loops import fold


class Flags(enum.IntFlag):
    A = 1
    B = 2
    C = 4


class Kind(enum.Enum):
    ONE = 1
    TEXT = "y"


class Plain(type):
    pass


class Odd(type):
    def __instancecheck__(cls, obj):
        return type(obj) is int


class Base(metaclass=Plain):
    pass


class Derived(Base):
    pass


class Ints(metaclass=Odd):
    pass


class Abstract(abc.ABC):
    pass


class Concrete(Abstract):
    pass


THINGS = [Flags.A, Flags.B | Flags.C, Kind.ONE, Base(), Derived(), Ints(), Abstract(), Concrete(), 3, "x", None]


def kinds(i, total):
    thing = THINGS[i % 11]
    found = isinstance(thing, Flags) + 2 * isinstance(thing, Kind) + 4 * isinstance(thing, Base)
    found += 8 * isinstance(thing, (Derived, Ints)) + 16 * isinstance(thing, Abstract) + 32 * isinstance(thing, Concrete)
    return (total * 3 + found) % 1000003


def flags(i, total):
    value = Flags.A | Flags.B if i % 3 else Flags.C & ~Flags.A
    return total + value + (Flags.B in value)


def changes(i, total):
    if i % 100 == 40:
        Plain.__instancecheck__ = lambda cls, obj: True
    if i % 100 == 60:
        del Plain.__instancecheck__
    if i == 150:
        Abstract.register(int)
    return kinds(i, total)


def main():
    for body in (kinds, flags, changes):
        print(body.__name__, fold(body, 240, 0))
