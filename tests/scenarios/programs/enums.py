"""Interpreters whose operation codes and results are members of enumerations."""

import enum

from tests.scenarios.loops import fold


class Op(enum.IntEnum):
    ADD = 0
    SUB = 1
    NEG = 2
    BACK = 3


class Kind(enum.Enum):
    SMALL = "s"
    LARGE = "l"

    @property
    def weight(self):
        return 1 if self is Kind.SMALL else 10

    @classmethod
    def _missing_(cls, value):
        return cls.LARGE if value == "x" else None


class Flags(enum.Flag):
    A = 1
    B = 2


CODE = bytes([Op.ADD, Op.SUB, Op.NEG, Op.ADD, Op.BACK])


def by_number(i, total):
    for position in range(len(CODE)):
        op = Op(CODE[position])
        match op:
            case Op.ADD:
                total += i
            case Op.SUB:
                total -= 3
            case Op.NEG:
                total = -total
            case Op.BACK:
                break
    return total % 1000003


def by_value(i, total):
    kind = Kind("s") if i % 3 else Kind("l")
    return total + kind.weight + len(kind.value) + len(kind.name)


def by_member(i, total):
    return total + Kind(Kind.SMALL).weight + Op(Op.SUB)


def by_missing(i, total):
    try:
        kind = Kind("x" if i % 5 else "y")
    except ValueError as error:
        return total + len(str(error))
    return total + kind.weight


def by_changing_number(i, total):
    op = Op(i % 4)
    return total + (op.value if op is not Op.NEG else -1)


def by_flags(i, total):
    return total + len((Flags(3) & Flags.A).name) + Flags(i % 4).value


def main():
    for body in (by_number, by_value, by_member, by_missing, by_changing_number, by_flags):
        print(body.__name__, fold(body, 200, 0))
