"""Named tuples as values, results and continuations, and tuples that are put together."""

from collections import namedtuple
from typing import NamedTuple

from tests.scenarios.loops import fold


class Point(NamedTuple):
    x: int
    y: int = 3

    def moved(self, by):
        return self._replace(x=self.x + by)

    @property
    def sum(self):
        return self.x + self.y


Pair = namedtuple("Pair", "left right")
Nothing = namedtuple("Nothing", "")


class Loose(Pair):
    """With a dict of its own."""


class Checked(Pair):
    __slots__ = ()

    def __new__(cls, left, right):
        if right is None:
            raise ValueError("no right side")
        return super().__new__(cls, right, left)

    @classmethod
    def _make(cls, iterable):
        return Pair._make(iterable)

    def __eq__(self, other):
        return isinstance(other, Checked) and self.left == other.left

    __hash__ = Pair.__hash__


class Ending(Pair):
    __slots__ = ()
    count = 0

    def __del__(self):
        Ending.count += 1


def used_up(i, total):
    point = Point(i).moved(2)
    nearer = point._replace(y=point.x, x=1)
    return (total + point.sum + nearer.x + nearer[1] + len(nearer) + sum(nearer)) % 100003


def kept(i, state):
    state.append(Pair(i, Point(i, len(state))))
    if len(state) > 7:
        del state[2:]
    return state


def taken_apart(i, total):
    left, right = Pair(i, total)
    match Point(i, 4):
        case Point(x, 4) if x % 2:
            total += x
        case Point(x=0):
            total += 7
        case (a, b):
            total += a * b
    return (total + left + (right == total) + (Pair(1, i) < Pair(1, 5)) + hash(Pair(i, 1)) % 3) % 100003


def of_classes(i, total):
    for cls in (Pair, Loose, Checked, Ending):
        made = cls(i, total)
        total += (type(made) is cls) + isinstance(made, Pair) + made.left % 7
        if cls is Loose:
            made.extra = i
            total += made.extra
    total += Checked(1, i) == Checked(2, i)
    try:
        total += len(Checked(1, None if i % 3 else 2)._replace(left=3))
    except ValueError as error:
        total += len(str(error))
    return (total + len(Nothing()) + Ending.count % 2) % 100003


def wrongly_replaced(i, total):
    for instance, names in ((Pair(1, i), {"middle": 1}), (tuple.__new__(Pair, (1,)), {"left": i}), (Checked(1, 2), {"left": i})):
        try:
            made = instance._replace(**names)
            total += type(made).__name__ == "Pair"
        except (TypeError, ValueError) as error:
            total += len(type(error).__name__)
    return total % 100003


class ToEnd(NamedTuple):
    done: tuple
    todo: tuple
    next: object


def continuations(i, total):
    k = ToEnd((), (1, 2, i), None)
    k = ToEnd((0,), (5,), k)
    while k is not None:
        done = k.done + (len(k.todo),)
        if not k.todo:
            total += sum(done)
            k = k.next
            continue
        first, *rest = k.todo
        k = k._replace(done=done + (first,), todo=tuple(rest))
    return total % 100003


EMPTY, FULL = (), (1, 2)


def put_together(i, total):
    pair = (i, total)
    longer = pair + (1,) + FULL
    same = EMPTY + pair is pair and pair + EMPTY is pair and () + () is ()
    longer += pair
    ints = Pair(1, i) + (2,)
    many = longer * 3 + longer + longer + longer
    return (total + sum(longer) % 101 + same + len(ints) + (type(ints) is tuple) + len(many) + len(FULL + many)) % 100003


def in_circles(i, total):
    items = []
    pair = Pair(items, i)
    items.append(pair)
    if i % 50 == 49:
        return total + len(pair.left[0].left)
    return (total + pair.left[0].right) % 100003


def in_plain_circles(i, total):
    items = []
    pair = (items, i)
    items.append(pair)
    items.append(items)
    if i % 50 == 49:
        items.append(i)
    same = (pair[0][0] is pair) + (items[1] is items)
    if i % 70 == 69:
        CHANGED.append(items[1][0] is pair)
    return (total + same + pair[0][0][1] + len(items[1])) % 100003


class Node:
    def __init__(self, siblings):
        self.siblings = siblings


def in_circles_with_objects(i, total):
    siblings = []
    node = Node(siblings)
    siblings.append(node)
    last = (siblings, node)
    if i % 50 == 49:
        total += 1
    if i % 60 == 59:
        siblings.append(Node(siblings))
    same = (siblings[0].siblings is siblings) + (last[0] is node.siblings) + (node.siblings[0] is node)
    return (total + same + len(node.siblings)) % 100003


def raised(i, total):
    point = Point(i, 7)
    try:
        return (total + point.x // (point.x % 5)) % 100003
    except ZeroDivisionError:
        return total + point.y + len(repr(point)) % 5


class Changing(NamedTuple):
    value: int


def class_changes(i, total):
    made = Changing(i)
    if i == 150:
        Changing.twice = property(lambda self: 2 * self.value)
    if i == 200:
        Changing.__del__ = lambda self: CHANGED.append(1)
    if i == 250:
        del Changing.__del__
    return (total + (made.twice if i >= 150 else made.value) + len(CHANGED)) % 100003


CHANGED = []


def main():
    for body in (
        used_up, taken_apart, of_classes, wrongly_replaced, continuations, put_together, in_circles, in_plain_circles,
        in_circles_with_objects, raised, class_changes,
    ):
        print(body.__name__, fold(body, 300, 1))
    print(fold(kept, 300, []))
