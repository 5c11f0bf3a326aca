"""Dictionaries, sets, starred targets and strings that are written out, deletions and `with` in what is looked into."""

from tests.scenarios.loops import fold


class Key:
    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return self.number % 3

    def __eq__(self, other):
        return isinstance(other, Key) and self.number % 3 == other.number % 3


class Shown(str):
    def __format__(self, spec):
        return f"<{spec}>"


class Depth:
    def __init__(self):
        self.now = 0
        self.most = 0

    def __enter__(self):
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now > 2:
            raise OverflowError(self.now)
        return self

    def __exit__(self, kind, error, trace):
        self.now -= 1
        return kind is ValueError


class NoExit:
    def __enter__(self):
        return self


class Gone:
    freed = 0

    def __del__(self):
        Gone.freed += 1


DEPTH = Depth()


def maps(i, total):
    env = {"a": i, "b": i + 1, "a": i * 2}
    mixed = {1: "x", b"k": 2, "s": i, (i, 2): 3}
    same = {Key(i): 1, Key(i + 3): 2, Key(i + 1): 3}
    names = {"f": i, "g": [i]}
    return (total + env["a"] + len(env) + len(mixed) + len(same) + len(names) + list(env).index("b")) % 1000003


def unhashable(i, total):
    try:
        found = {"a": 1, [i][0] if i % 4 else [i]: 2}
    except TypeError as error:
        return total + len(str(error))
    return total + len(found)


def replaced(i, total):
    held = {"a": Gone(), "b": 1, "a": i}
    return total + held["a"] + Gone.freed % 7


def texts(i, total):
    text = f"op_{i % 5}:{'even' if i % 2 == 0 else 'odd'}/{i / 4}"
    more = f"{i!r}{text!s}{Shown('x')}{Shown('y'):>3}{i % 3 == 0}{10 ** 30 + i}{None}"
    return (total + len(text) + len(more) + ord(text[3]) + ord(more[-5])) % 1000003


def deletions(i, total):
    items = [1, 2, 3, i]
    del items[-2:]
    env = {"a": i, "b": 2}
    del env["a" if i % 2 else "b"]
    try:
        del env["c" if i % 5 == 0 else ("b" if i % 2 else "a")]
    except KeyError as error:
        total += len(error.args)
    return total + len(items) + len(env)


def blocks(i, total):
    with DEPTH as depth:
        total += depth.now
        if i % 4 == 3:
            raise ValueError(i)
        with depth:
            total += depth.now
            if i % 7 == 6:
                return total + 100
    return total + DEPTH.now


def failing(i, total):
    try:
        with DEPTH, DEPTH:
            if i % 3 == 2:
                with DEPTH:
                    total += 1000
            if i % 5 == 4:
                raise KeyError(i)
    except (OverflowError, KeyError) as error:
        total += error.args[0]
        DEPTH.now = 0
    return total


def no_exit(i, total):
    try:
        with NoExit() if i % 3 == 0 else DEPTH:
            total += 1
    except (TypeError, AttributeError) as error:
        total += len(str(error))
    return total


def starred(i, total):
    a, *b = (1, 2, i % 3)
    *c, d = [i, i + 1]
    e, *f, g = (i,) * (2 + i % 4)
    h, *k = "ab"
    b.append(len(f))
    return (total + a + len(b) + b[1] + d + len(c) + e + g + len(k)) % 1000003


def too_few(i, total):
    try:
        a, b, *c = (1,) * (i % 3)
    except ValueError as error:
        return total + len(str(error))
    return total + a + b + len(c)


def sets(i, total):
    pair = {i % 3, 1}
    made = {x % 2 for x in (i, i + 1, i + 2)}
    keys = {Key(i % 2), Key(0)}
    wide = {1, 2, 3}
    wide.add(i % 7)
    return total + len(pair) + len(made) + len(keys) + len(wide) + (2 in pair)


def no_key(i, total):
    try:
        return total + len({1, [i]})
    except TypeError:
        return total + 1


def main():
    for function in (starred, too_few, sets, no_key):
        print(function.__name__, fold(function, 60, 0))
    for body in (maps, unhashable, replaced, texts, deletions, blocks, failing, no_exit):
        print(body.__name__, fold(body, 200, 0), DEPTH.now, DEPTH.most)
