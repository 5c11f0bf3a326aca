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


def main():
    for body in (by_type, by_op, missing, number, raising, conditional, freed, inner):
        print(body.__name__, fold(body, 300, 0))
