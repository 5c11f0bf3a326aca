"""Attributes whose names are put together, and other things that follow from a value which the trace finds out."""

import enum
from dataclasses import dataclass

from tests.scenarios.loops import fold

CODE = (("push", 3), ("add", 2), ("neg", 0), ("nope", 1), ("half", 2))


class VM:
    def __init__(self):
        self.stack = []
        self.missing = 0

    def op_push(self, argument):
        self.stack.append(argument)

    def op_add(self, argument):
        self.stack[-1] += argument

    def op_neg(self, _):
        self.stack[-1] = -self.stack[-1]

    @property
    def op_half(self):
        return self.halve

    def halve(self, argument):
        self.stack.append(argument // 2)

    def dispatch(self, op, argument):
        method = getattr(self, f"op_{op}", None)
        if method is None:
            self.missing += 1
            return
        method(argument)


def dispatched(i, total):
    vm = VM()
    vm.dispatch("push", i)
    for k in range(3):
        vm.dispatch(*CODE[(i + k) % 5])
    return (total + sum(vm.stack) + vm.missing) % 100003


def formatted(i, total):
    name, number = CODE[i % 2]
    text = f"{name}_{number:>4}|{number!r:3}|{name!r}|{i % 10:02d}|{1.5:n}"
    return total + len(text) + hash(f"{'a'}{'b'!r}{3:x}") % 2


class Slotted:
    __slots__ = ("a", "b")


class Plain:
    shared = 7

    def __init__(self):
        self.a = 1
        self.b = 2
        self.log = []

    @property
    def both(self):
        return self.a + self.b

    @both.setter
    def both(self, value):
        self.a, self.b = divmod(value, 16)

    @property
    def fixed(self):
        return 1


class Watched(Plain):
    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)
        if hasattr(self, "log"):
            self.log.append(name)


@dataclass(frozen=True)
class Frozen:
    a: int = 1


PLAIN, WATCHED, SLOTTED = Plain(), Watched(), Slotted()
NAMES = ("a", "b", "both")


def stored_by_name(i, total):
    name = NAMES[i % 3]
    result = setattr(PLAIN, name, i)
    setattr(WATCHED, "a", i)
    setattr(SLOTTED, "ab"[i % 2], total)
    if i % 40 == 0:
        setattr(PLAIN, f"new_{i}", i)
        setattr(Plain, "shared", i)
    if len(WATCHED.log) > 20:
        WATCHED.log.clear()
    return (total + (result is None) + PLAIN.a + PLAIN.b + PLAIN.both + PLAIN.shared + len(WATCHED.log) + WATCHED.a) % 100003


def refused_by_name(i, total):
    for target, name in ((PLAIN, "fixed"), (Frozen(), "a"), (SLOTTED, "c"), (5, "real"), (PLAIN, 3)):
        try:
            setattr(target, name, i)
        except (AttributeError, TypeError) as error:
            total += len(str(error))
    return total % 100003


def many_names(i, total):
    name = f"field{i % 20}"
    if not hasattr(PLAIN, name):
        setattr(PLAIN, name, i)
    return (total + getattr(PLAIN, name) + getattr(PLAIN, "fieldx" + name, 2)) % 100003


class Op(enum.IntEnum):
    ADD = 1
    SUB = 2
    MUL = 7


class Flag(enum.IntFlag):
    P = 1
    Z = 2
    N = 4


class Text(str, enum.Enum):
    LEFT = "l"
    RIGHT = "r"


MEMORY = [1, 2, 7, 2, True, 9, 1.0, 1 << 80]


def members_of_values(i, total):
    try:
        op = Op(MEMORY[i % 8])
    except ValueError:
        return total + 1
    if op is Op.ADD:
        total += i
    elif op is Op.SUB:
        total -= 2
    else:
        total = total * 3 % 1009
    return total + (Op(op) is op)


def flags_of_values(i, total):
    flag = Flag.Z if i % 3 == 0 else Flag.N if i % 3 == 1 else Flag.P
    if (i & 7) & flag:
        total += 1
    return total + Flag(i & 7).value + (Flag(3) == flag | Flag.P) + len(Text("lr"[i % 2]).name)


def quotients(i, total):
    for divisor in (7, -3, 1, -1, 2.5, True):
        quotient, remainder = divmod(total - i, divisor)
        total += int(quotient * 3 + remainder)
    try:
        divmod(i, i % 2)
    except ZeroDivisionError as error:
        total += len(str(error))
    both = divmod((1 << 70) + i, 10)
    return (total + both[1] + len(both)) % 100003


def main():
    for body in (
        dispatched, formatted, stored_by_name, refused_by_name, many_names, members_of_values, flags_of_values, quotients,
    ):
        print(body.__name__, fold(body, 300, 1))
