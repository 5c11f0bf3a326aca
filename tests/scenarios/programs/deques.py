"""Deques and sets that an interpreter keeps things in: stacks, queues, what has been seen; with and without an end."""

from collections import deque

from tests.scenarios.loops import fold

QUEUE = deque()
LAST = deque(maxlen=4)
SEEN = set()


class Deque(deque):
    def append(self, item):
        deque.append(self, item + 1)

    def __len__(self):
        return 7


class Thing:
    def __init__(self, number):
        self.number = number
        self.made = [number]

    def __hash__(self):
        return hash(self.number)

    def __eq__(self, other):
        return isinstance(other, Thing) and self.number == other.number


class Finalized:
    ended = 0
    seen = None

    def __init__(self, number):
        self.number = number

    def __del__(self):
        Finalized.ended += self.number
        if Finalized.seen is not None:
            Finalized.ended += Finalized.seen.number
            Finalized.seen.number += 1


def own_stack(i, t):
    stack = deque()
    stack.append(i)
    stack.appendleft(3)
    stack.append((i, 2))
    held = len(stack) + stack[0] + stack[-1][1] + stack[1]
    last = stack.pop()
    while stack:
        held += stack.popleft()
    try:
        stack.pop()
    except IndexError as error:
        held += len(str(error))
    try:
        held += stack[i % 3]
    except IndexError as error:
        held += len(str(error))
    return (t + held + last[0] + bool(stack)) % 1000003


def queue(i, t):
    QUEUE.append(i)
    if i % 3 == 0:
        QUEUE.appendleft(Thing(i))
    while len(QUEUE) > 5:
        item = QUEUE.popleft()
        t += item if type(item) is int else item.number + item.made[0]
    for item in QUEUE:
        t += 1
    if i % 7 == 6:
        try:
            for item in QUEUE:
                QUEUE.append(1)
        except RuntimeError as error:
            t += len(str(error))
        QUEUE.pop()
    return t % 1000003


def bounded(i, t):
    LAST.append(i)
    if i % 2:
        LAST.appendleft(Finalized(1))
    row = (LAST, QUEUE, OWN, deque((1,), 1))[i // 8 % 4]
    row.append(i)
    t += len(row) + (row[0] is None) + (2 if row else 0)
    row.pop()
    return (t + Finalized.ended) % 1000003


OWN = Deque()


def subclassed(i, t):
    OWN.append(i)
    OWN.appendleft(2)
    return (t + OWN.pop() + OWN.popleft() + len(OWN) + bool(OWN)) % 1000003


class Holder:
    def __init__(self):
        self.number = 0
        self.items = deque()


HOLDER = Holder()


def fields_stay(i, t):
    """What is put off in front of a step is there when code runs."""
    HOLDER.number = i
    HOLDER.items.append(HOLDER)
    HOLDER.number += 1
    found = HOLDER.items.pop()
    found.number += 2
    HOLDER.items.append(Finalized(1))
    HOLDER.number += 1
    before = Finalized.ended
    Finalized.seen = HOLDER
    HOLDER.number += 5
    HOLDER.items.pop()
    Finalized.seen = None
    return (t + HOLDER.number + Finalized.ended - before) % 1000003


def given_away(i, t):
    row = deque()
    HOLDER.items = row
    row.append(i)
    HOLDER.items.append(2)
    total = sum(row) + len(HOLDER.items)
    row.clear()
    return (t + total + len(row)) % 1000003


def seen(i, t):
    key = (i % 5, "a", (i % 3, None), Thing(i % 4), 2.0, True)[i // 8 % 6]
    before = len(SEEN)
    SEEN.add(key)
    own = {1, 2}
    own.add(i % 4)
    own.discard(2)
    own.discard("b")
    if i % 16 > 9:
        SEEN.discard(key)
        SEEN.discard((i, i))
    try:
        SEEN.add([i])
    except TypeError:
        t += 1
    t += len(SEEN) - before + len(own) + (key in SEEN) + (3 if SEEN else 0) + len(frozenset(own)) + (5 if frozenset(()) else 0)
    return t % 1000003


def discarded(i, t):
    item = Finalized(2)
    held = {item}
    held.discard(item)
    held.add(item)
    del item
    before = Finalized.ended
    for kept in list(held):
        held.discard(kept)
    kept = None
    return (t + Finalized.ended - before) % 1000003


BODIES = (own_stack, queue, bounded, subclassed, fields_stay, given_away, seen, discarded)


def main():
    for body in BODIES:
        print(body.__name__, fold(body, 200, 0))
    print(len(QUEUE), len(LAST), len(OWN), Finalized.ended)
