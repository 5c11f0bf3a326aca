"""Dicts that are written out for one item to be taken of them, as tables by class, operator or kind."""

import enum

from tests.scenarios.loops import fold


class K(enum.Enum):
    A = 1
    B = 2


class Node:
    def __init__(self, op, kind):
        self.op, self.kind = op, kind


NODES = [Node("+", K.A), Node("-", K.B), Node("*", K.A)]
VALUES = [1, "a", 2.5, None, [1], True]


class Loud:
    def __del__(self):
        GONE.append(1)


GONE = []


def by_type(i, total):
    return total + {bool: 1, int: 2, str: 3, float: 4, list: 5, type(None): 6}[type(VALUES[i % 6])]


def by_op(i, total):
    node = NODES[i % 3]
    return {"+": total + i, "-": total - i, "*": total * i % 1009}[node.op] + {K.A: 3, K.B: 4}[node.kind]


def missing(i, total):
    try:
        return total + {"a": 1, "b": 2}["abc"[i % 3]]
    except KeyError as error:
        return total + len(str(error))


def number(i, total):
    return total + {0: 5, 1: 7, 2: i}[i % 3] + {1: 2, 1.0: 3, True: 4}[1] + {False: 1}[0]


def raising(i, total):
    try:
        return total + {0: 1, 1: 2}[[0, 1, "x", (), []][i % 5]]
    except (KeyError, TypeError) as error:
        return total + len(repr(error))


def conditional(i, total):
    return total + {0: i, 1: 2, 3: 4}[0 if i % 3 else 1 if i % 2 else 3]


def freed(i, total):
    {0: Loud(), 1: 2}[i % 2]
    return total + len(GONE)


def inner(i, total):
    return total + {0: lambda: i, 1: lambda: {3: 4, i: 5}[i]}[i % 2]()


def named(i, total):
    """A table with a name, asked with what is worked out."""
    conditions = {0: lambda: total == i, 1: lambda: total > i, 4: lambda: total < i, 2**70: lambda: False}
    word = i * 37 >> 2 & 5
    return (total + i if word in conditions and conditions[word]() else total + 1) & 0xFFFFF


def asked(i, total):
    table = {"+": lambda: total + i, "-": lambda: total - i, True: lambda: 5}
    apply = table.get("+-*"[i % 3], None)
    return (total ^ i if apply is None else apply()) & 0xFFFFF


def equal_keys(i, total):
    table = {1: i, 0: -i}
    return total + table[i % 2 == 1] + {1: 2, 0: 3}.get(float(i % 2), 7) + {"a": i}.get(("a", i)[i % 2], 1)


def large_keys(i, total):
    sizes = {1 << 60: i, 1 << 70: 2, "x": 3}
    try:
        return total + sizes[1 << (60 + i % 3 * 10)]
    except KeyError as error:
        return total + error.args[0] % 1000


def lasting(i, total):
    """Tables that are read again: in a loop, behind a change, by somebody else."""
    table = {0: lambda: i, 1: lambda: 2 * i, 2: lambda: -1}
    for k in range(i % 4):
        total += table[k % 3]()
    other = {0: i, 1: 2}
    first = other[i % 2]
    other[i % 3] = 9
    return total + first + sum(other.values()) + len(sorted(other)) + (len(GONE) if i % 50 == 49 else 0)


def freed_by_name(i, total):
    table = {0: Loud(), 1: 2}
    got = table[i % 2]
    return total + len(GONE) + (got == 2)


def main():
    bodies = (named, asked, equal_keys, large_keys, lasting, freed_by_name)
    for body in (by_type, by_op, missing, number, raising, conditional, freed, inner, *bodies):
        print(body.__name__, fold(body, 300, 0))
