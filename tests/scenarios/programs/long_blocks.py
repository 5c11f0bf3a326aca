"""Blocks of many statements, through which helpers' loops go, beside loops of the same helpers through data; traces that grow too long."""

from tests.scenarios.loops import fold


class Assign:
    def __init__(self, name, amount):
        self.name, self.amount = name, amount

    def run(self, frame):
        frame[self.name] = (frame[self.name] * 3 + self.amount) % 1009


class Block:
    def __init__(self, items):
        self.items = items

    def run(self, frame):
        for item in self.items:
            item.run(frame)


class Numbered(Block):
    def run(self, frame):
        for number, item in enumerate(self.items):
            item.run(frame)
            frame["a"] += number


class Leave(Exception):
    pass


class Stop:
    def __init__(self, at):
        self.at = at

    def run(self, frame):
        if frame["a"] % 7 == self.at:
            raise Leave


class Grow:
    def __init__(self, most):
        self.most = most
        self.block = None

    def run(self, frame):
        items = self.block.items
        if len(items) < self.most:
            items.append(Assign("b", len(items)))
        elif frame["a"] % 2:
            del items[-3:]


def statements(count, step=1):
    return [Assign("abc"[number % 3], number * step) for number in range(count)]


def grown(count, most):
    grow = Grow(most)
    grow.block = Block([grow, *statements(count)])
    return grow.block


BLOCKS = {
    "short": Block(tuple(statements(5))),
    "middle": Block(tuple(statements(24))),
    "listed": Block(statements(30, 7)),
    "long": Block(statements(90)),
    "very long": Block(statements(130)),
    "nested": Block((*statements(4), Block(statements(20)), Numbered(statements(19)), Assign("c", 4))),
    "numbered": Numbered(tuple(statements(40))),
    "left": Block((*statements(10), Stop(3), *statements(10), Stop(5), Assign("a", 1))),
    "grown": grown(14, 26),
}


def runner(name):
    node = BLOCKS[name]

    def step(i, frame):
        try:
            node.run(frame)
        except Leave:
            frame["c"] += 1
        return frame

    return step


def total(values):
    found = 0
    for value in values:
        found = (found * 3 + value) % 10007
    return found


def pairs(left, right):
    return [a * b % 101 for a, b in zip(left, right, strict=False)]


TABLE = tuple(range(25))
MATRIX = [[row * column % 13 for column in range(12)] for row in range(14)]


def through_data(i, state):
    values = list(range(i % 40))
    return (state + total(values) + total(TABLE) + sum(pairs(values, TABLE))) % 100003


def add(a, b):
    if isinstance(a, list):
        return [add(x, b) for x in a] if not isinstance(b, list) else [add(x, y) for x, y in zip(a, b, strict=True)]
    return [add(a, y) for y in b] if isinstance(b, list) else (a + b) % 31


def matrices(i, state):
    made = add(add(MATRIX, MATRIX), i)
    made = add(made, add(1, made))
    return (state + sum(sum(row) for row in made) + made[i % 14][i % 12]) % 100003


def main():
    for name in BLOCKS:
        print(name, fold(runner(name), 40, {"a": 1, "b": 2, "c": 3}))
    print(fold(through_data, 90, 0), fold(matrices, 40, 0))
    print(len(BLOCKS["grown"].items))
