"""Generators that somebody holds: schedulers, plans pulled with `next`, token streams; sent to, ended, closed, failing, running."""

import gc
import sys
import traceback
import weakref

from tests.scenarios.loops import each, fold

NUMBERS = [3, 1, 4, 1, 5, 9, 2, 6]


def counter(n, step):
    while True:
        yield n
        n = (n + step) & 0xFFFF


def pairs():
    a, b = 0, 1
    while True:
        yield a
        a, b = b, (a + b) & 0xFFF


def averager():
    total = count = 0
    while True:
        got = yield total
        if got is not None:
            total = (total + got) & 0xFFFFF
            count += 1


class State:
    pass


def scheduled(i, state):
    total = 0
    for task in state.tasks:
        total += next(task)
    state.total = (state.total + total) & 0xFFFFFF
    state.mean = state.averager.send(total)
    if i % 10 == 9:
        state.tasks = state.tasks[1:] + state.tasks[:1]


def schedules():
    state = State()
    state.tasks = [counter(3, 7), pairs(), counter(1, 1)]
    state.averager = averager()
    next(state.averager)
    state.total = 0
    each(scheduled, 60, state)
    print(state.total, state.mean, [next(task) for task in state.tasks], state.averager.send(1))


def phases(n):
    """Depths of the operand stack differ, names come and go."""
    yield "begin"
    for x in range(n):
        for y in NUMBERS:
            if y < 4:
                yield x, y
            z = x * y
        yield z
        del z
    got = yield "middle"
    while got:
        got = yield got + (yield got)
    yield [(yield "in"), n, (yield "display")]


def through(i, state):
    item = next(state.source, None)
    if item is None:
        state.source = phases(i % 5)
        state.ended += 1
    state.log.append(item)
    if len(state.log) > 7:
        state.seen = (state.seen * 31 + len(repr(state.log))) % 1000003
        state.log.clear()


def goes_through():
    state = State()
    state.source, state.ended, state.log, state.seen = phases(3), 0, [], 0
    each(through, 400, state)
    print(state.ended, state.log, state.seen)


def conversation():
    got = 0
    while True:
        got = yield got
        if got is None:
            got = -1
        elif got % 7 == 0:
            more = yield "seven"
            got = (yield more) or 7


def talked(i, state):
    state.said.append(state.source.send(i if i % 4 else None))


def talks():
    state = State()
    state.source, state.said = conversation(), []
    try:
        state.source.send(5)
    except TypeError as error:
        print(error)
    next(state.source)
    each(talked, 80, state)
    print(state.said)


class Row:
    def __init__(self, k, v):
        self.k = k
        self.v = v


class Scan:
    def __init__(self, n):
        self.n = n

    def rows(self):
        for k in range(self.n):
            yield Row(k, k * 7 % 10)


class Filter:
    def __init__(self, child, limit):
        self.child = child
        self.limit = limit

    def rows(self):
        for row in self.child.rows():
            if row.v < self.limit:
                yield row


class Project:
    def __init__(self, child):
        self.child = child

    def rows(self):
        for row in self.child.rows():
            yield row.k + row.v, row


def pulled(i, state):
    row = next(state.rows, None)
    if row is None:
        state.rows = Project(Filter(Filter(Scan(9 + i % 7), 8), 6)).rows()
        return
    state.total += row[0] * row[1].v


def pulls():
    state = State()
    state.rows, state.total = iter(()), 0
    state.rows = Project(Filter(Scan(5), 9)).rows()
    each(pulled, 300, state)
    print(state.total)


def lex(text):
    i, n = 0, len(text)
    while i < n:
        c = text[i]
        if c == " ":
            i += 1
        elif "0" <= c <= "9":
            v = 0
            while i < n and "0" <= text[i] <= "9":
                v = v * 10 + ord(text[i]) - 48
                i += 1
            yield "number", v
        elif c == "?":
            raise SyntaxError(i)
        else:
            i += 1
            yield c, None
    yield "end", None


class Parser:
    def __init__(self, text):
        self.tokens = lex(text)
        self.now = next(self.tokens)

    def take(self):
        self.now = next(self.tokens)

    def sum(self):
        v = self.product()
        while self.now[0] == "+" or self.now[0] == "-":
            op = self.now[0]
            self.take()
            w = self.product()
            v = v + w if op == "+" else v - w
        return v

    def product(self):
        v = self.atom()
        while self.now[0] == "*":
            self.take()
            v = v * self.atom() & 0xFFFFFF
        return v

    def atom(self):
        kind, value = self.now
        self.take()
        if kind == "(":
            value = self.sum()
            self.take()
        return value


TEXTS = ["12 + 3 * (4 + 5) - 6", "7 * 8 * (1 + 2 * 3)", "100 - 20 + (3)", "1 + 2 ? 3", "4 * (5 +"]


def parsed(i, t):
    try:
        return (t * 3 + Parser(TEXTS[i % 5]).sum()) % 1000003
    except SyntaxError as error:
        return t + error.args[0]
    except (TypeError, StopIteration) as error:
        return t + len(type(error).__name__)


def summed(source, n):
    total = 0
    for x in source:
        total += x
        n -= 1
        if not n:
            break
    else:
        total -= 1
    return total


def looped(i, state):
    state.total += summed(state.source, i % 3 + 1)
    for x in state.short:
        state.total += x
        break
    else:
        state.short = iter_of(i % 6)
        state.ends += 1


def iter_of(n):
    for x in NUMBERS[:n]:
        yield x
    return n


def loops():
    state = State()
    state.source, state.short, state.total, state.ends = counter(0, 3), iter_of(4), 0, 0
    each(looped, 150, state)
    print(state.total, state.ends, next(state.source))


class Stops(Exception):
    pass


def raising(n):
    k = 0
    while True:
        k += 1
        if k == n:
            raise Stops(k)
        yield k


def stopping(n):
    for k in range(n):
        yield k
    next(iter(()))


def told(error):
    places = [(entry.name, entry.lineno) for entry in traceback.extract_tb(error.__traceback__)]
    cause = None if error.__cause__ is None else told(error.__cause__)
    return (type(error).__name__, str(error), getattr(error, "value", None), places, cause, type(error.__context__).__name__)


def failed(i, state):
    source = state.sources[i % 3]
    try:
        state.log.append(next(source))
    except Exception as error:
        state.log.append(told(error))
        state.sources[i % 3] = [raising, stopping, iter_of][i % 3](i % 11)
        state.ended.append((next(source, "over"), source.gi_frame, source.gi_running))


def fails():
    state = State()
    state.sources, state.log, state.ended = [raising(5), stopping(4), iter_of(6)], [], []
    each(failed, 200, state)
    print(state.log, state.ended)


def recursive(box):
    k = 0
    while True:
        k += 1
        if k % 5 == 0:
            try:
                next(box[0])
            except ValueError as error:
                box.append(str(error))
        yield k, box[0].gi_running


def asks_itself(i, box):
    box.append(next(box[0]))


def itself():
    box = []
    box.append(recursive(box))
    each(asks_itself, 40, box)
    print(box[1:], box[0].gi_running)
    box.clear()


def mutual(state, me, n):
    while True:
        n += 1
        other = state.others[1 - me]
        state.depth += 1
        if state.depth < 3:
            try:
                n += next(other)
            except ValueError:
                n += 1000
        state.depth -= 1
        yield n % 4096


def together(i, state):
    state.total += next(state.others[i % 2])


def mutually():
    state = State()
    state.depth = state.total = 0
    state.others = [mutual(state, 0, 5), mutual(state, 1, 7)]
    each(together, 60, state)
    print(state.total)


def interfered(i, state):
    """Others advance, close and look at the generator between."""
    state.total += next(state.source, -1)
    if i % 9 == 8:
        sys.intern(str(next(state.source, -2)))
        state.total += next(iter(state.source), -3)
    if i % 13 == 12:
        frame = state.source.gi_frame
        if frame is not None:
            state.seen.append((frame.f_lineno - frame.f_code.co_firstlineno, sorted(frame.f_locals.items())))
    if i % 31 == 30:
        state.source.close()
        state.seen.append(state.source.gi_frame)
    if i % 31 == 5 and state.source.gi_frame is None:
        state.source = counter(i, 5)
    if i % 17 == 16:
        try:
            state.source.throw(Stops(i))
        except Stops as error:
            state.seen.append(error.args)
            state.source = counter(i, 7)


def interferes():
    state = State()
    state.source, state.total, state.seen = counter(1, 3), 0, []
    each(interfered, 200, state)
    print(state.total, state.seen)


class Ends:
    log = 0

    def __init__(self, k):
        self.k = k

    def __del__(self):
        Ends.log = (Ends.log * 3 + self.k) % 1000003


def ending(n):
    for k in range(n):
        last = Ends(k)
        yield k
        last = None
        yield -k
    return Ends(1000)


def ended(i, state):
    got = next(state.source, None)
    if got is None:
        state.source = ending(i % 5 + 1)
        return
    state.total += got


def watched(i, state):
    """Weak references to what a generator holds."""
    thing = State()
    source = holding(thing)
    next(source)
    reference = weakref.ref(thing)
    next(source)
    del thing
    state.seen.add((1, reference() is None))
    next(source)
    state.seen.add((2, reference() is None))
    del source
    state.seen.add((3, reference() is None))
    if i % 20 == 0:
        gc.collect()


def holding(thing):
    yield 1
    other = thing
    yield 2
    thing = 5
    yield other
    yield thing


def observes():
    state = State()
    state.source, state.total, state.seen = ending(3), 0, set()
    each(ended, 100, state)
    each(watched, 60, state)
    state.source = None
    print(state.total, Ends.log, sorted(state.seen))


def closing_over(i):
    n = i

    def generate():
        nonlocal n
        while True:
            n += 1
            yield lambda: n
            yield n

    def add(k):
        nonlocal n
        n += k

    return generate(), add


def closed(i, state):
    source, add = state.made[i % 2]
    got = next(source)
    state.total += got if isinstance(got, int) else got()
    add(i % 3)


def closes():
    state = State()
    state.made, state.total = [closing_over(5), closing_over(9)], 0
    each(closed, 80, state)
    print(state.total)


def delegating(n):
    got = yield from iter_of(n)
    yield got
    while True:
        yield from NUMBERS


def delegated(i, state):
    state.total = (state.total * 3 + (next(state.source) or 0)) % 1000003
    if i % 29 == 28:
        state.source = delegating(i % 7)


def delegates():
    state = State()
    state.source, state.total = delegating(3), 0
    each(delegated, 120, state)
    print(state.total)


def calling(n):
    for x in range(n):
        yield fold(lambda j, u: u + j * x, 3, n)


def called(i, state):
    got = next(state.source, None)
    if got is None:
        state.source = calling(i % 7 + 3)
        return
    state.total += got


def calls():
    state = State()
    state.source, state.total = calling(5), 0
    each(called, 90, state)
    print(state.total)


def big(n):
    while True:
        n = n * 3 + 1
        yield n
        if n > 1 << 80:
            n = n & 0xFFFF
        f = n / 7
        yield f
        text = str(n)
        yield text[-1]


def grown(i, state):
    got = next(state.source)
    state.total = (state.total * 5 + (ord(got) if isinstance(got, str) else int(got) % 1009)) % 1000003


def grows():
    state = State()
    state.source, state.total = big(1), 0
    each(grown, 300, state)
    print(state.total)


def collected(i, state):
    got = next(state.source)
    state.kept.append([got, state.source])
    if i % 16 == 15:
        state.kept.clear()
        gc.collect()


def listing():
    rows = []
    while True:
        rows = [len(rows), rows][:2] if len(rows) < 2 else [rows[0]]
        yield [rows]


def collects():
    state = State()
    state.source, state.kept = listing(), []
    each(collected, 100, state)
    print(next(state.source))


def local(i, t):
    """Made here, and kept in a variable."""
    source = counter(i, t % 5)
    t += next(source) + next(source)
    other = iter_of(i % 4)
    while (x := next(other, None)) is not None:
        t += x
    both = [source, iter_of(2)]
    for each_ in both:
        t += next(each_)
    for x, y in zip(source, both[1]):
        t += x * y
    return t % 1000003


def main():
    for body in (schedules, goes_through, talks, pulls, loops, fails, itself, mutually, interferes, observes, closes, delegates, calls,
                 grows, collects):
        body()
    print(fold(parsed, 150, 0), fold(local, 60, 0))
