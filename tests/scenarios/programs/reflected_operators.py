"""Numbers on the left of values whose classes are the author's, and the truth of such values."""

import abc
import enum

from tests.scenarios.loops import fold


class Dual:
    __slots__ = ("slope", "value")

    def __init__(self, value, slope=0):
        self.value = value
        self.slope = slope

    def __add__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    __radd__ = __add__

    def __mul__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.value * other.value, self.value * other.slope + self.slope * other.value)

    def __rmul__(self, other):
        return Dual(other * self.value, other * self.slope)

    def __rsub__(self, other):
        return Dual(other - self.value, -self.slope)

    def __rpow__(self, other):
        return Dual(other**self.value)

    def __rlshift__(self, other):
        return Dual(other << (self.value % 5))

    def __rtruediv__(self, other):
        if self.value == 0:
            raise ZeroDivisionError("nothing to divide by")
        return Dual(other / self.value)


class Picky:
    def __init__(self, value):
        self.value = value

    def __radd__(self, other):
        return NotImplemented if self.value % 3 == 0 else other + self.value

    def __rmod__(self, other):
        return NotImplemented

    __rsub__ = None


class Wrapped(int):
    def __radd__(self, other):
        return NotImplemented if self % 4 == 0 else ("own", other, int(self))

    def __rmul__(self, other):
        return Wrapped(int(other) * int(self) + 1)


class Items(list):
    def __rmul__(self, other):
        return NotImplemented if other % 2 else Items([other])


class Real(float):
    def __radd__(self, other):
        return ("real", other, float(self))


def duals(i, total):
    x = Dual(i, 1)
    y = 2 * x + 1
    y = 3 + (10 - y) * x
    y = 0.5 * y
    i += x
    return (total + int(y.value) + int(y.slope) + i.value + (True + x).value) % 100003


def other_operators(i, total):
    x = Dual(i % 7, 1)
    total += (2**x).value + (3 << x).value
    try:
        return (total + int((7 / x).value)) % 100003
    except ZeroDivisionError as error:
        return (total + len(str(error))) % 100003


def not_implemented(i, total):
    picky = Picky(i)
    try:
        total += i + picky
        total += int(2.5 + picky)
        if i % 2:
            total += i % picky
        total += i - picky
    except TypeError as error:
        total += len(str(error))
    try:
        i += picky
        total += i
    except TypeError as error:
        total += len(str(error))
    return total % 100003


def ints_of_their_own(i, total):
    wrapped = Wrapped(i)
    added = i + wrapped
    total += added[1] if type(added) is tuple else added
    total += (3 * wrapped) + (True * wrapped)
    mixed = 1 + Real(i)
    try:
        total += len((2 + i % 2) * Items([1, i]))
    except TypeError as error:
        total += len(str(error))
    return (total + mixed[1] + (i - wrapped)) % 100003


class Flag(enum.IntFlag):
    P = 1
    Z = 2
    N = 4


class Level(enum.IntEnum):
    OFF = 0
    ON = 1


class Colour(enum.Enum):
    RED = 0


class Node(abc.ABC):
    pass


class Leaf(Node):
    pass


def truths(i, total):
    for value in (i & Flag.Z, Flag.P & 6, 7 ^ Flag(i & 7), Level(i & 1), Colour(0), Leaf(), Flag.P if i % 2 else None):
        if value:
            total += 1
        total += 0 if not value else 2
    return total + ((5 | Flag.Z) == 7) + int(i & Flag.N)


class Odd(int):
    def __bool__(self):
        return self % 2 == 1


def truths_of_their_own(i, total):
    odd = Odd(i)
    return total + (1 if odd else 3) + (1 if ODD else 5) + (Flag.Z and 1 or 2)


ODD = Odd(2)


def main():
    for body in (duals, other_operators, not_implemented, ints_of_their_own, truths, truths_of_their_own):
        print(body.__name__, fold(body, 300, 1))
