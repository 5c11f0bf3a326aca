"""Statements of all kinds inside inlined frames: finally, with, match, unpacking, deleted names, keyword arguments."""

import traceback

from tests.scenarios.loops import each, fold


class Suppress:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        self.log.append("in")
        return len(self.log)

    def __exit__(self, kind, error, trace):
        self.log.append(kind.__name__ if kind else "out")
        return kind is KeyError


def with_block(i, total):
    log = []
    with Suppress(log) as size:
        total += size
        if i % 3 == 1:
            raise KeyError(i)
        total += 10
    try:
        with Suppress(log):
            if i % 5 == 2:
                raise ValueError(i)
    except ValueError as error:
        total += error.args[0]
    return total + len("".join(log))


def finally_return(i):
    for k in range(4):
        try:
            if k == i % 5:
                continue
            if k == 3:
                return k
            if i % 7 == 6:
                raise ValueError(k)
        except ValueError:
            if i % 2:
                break
        finally:
            if i % 11 == 10:
                return -5
    else:
        return 100
    return 50


def finally_(i, total):
    return total + finally_return(i)


def nested_handlers(i, total):
    try:
        try:
            if i % 3 == 0:
                raise KeyError(i)
            total += {1: 2}[i % 4]
        except KeyError as error:
            total += error.args[0]
            if i % 4 == 2:
                raise ValueError("again") from error
        finally:
            total += 1
    except ValueError as error:
        total += len(repr(error.__cause__)) + (error.__context__ is error.__cause__)
    return total


def lines_of(error):
    return [(entry.name, entry.lineno) for entry in traceback.extract_tb(error.__traceback__)]


class Fails:
    def __init__(self, i):
        self.i = i
        if i % 9 == 8:
            raise ValueError("init")

    @property
    def value(self):
        if self.i % 9 == 7:
            raise ValueError("property")
        return self.i

    def __add__(self, other):
        if self.i % 9 == 6:
            raise ValueError("add")
        return NotImplemented if self.i % 2 else self.i + other

    def __radd__(self, other):
        return self.i * 2 + other

    def __eq__(self, other):
        if self.i % 9 == 5:
            raise ValueError("eq")
        return self.i % 2 == 0

    def __bool__(self):
        if self.i % 9 == 4:
            raise ValueError("bool")
        return self.i % 3 == 0

    def __len__(self):
        return 3

    def __getitem__(self, key):
        if key > 2:
            raise IndexError(key)
        return key + self.i

    def __contains__(self, key):
        return key == self.i

    def __call__(self, *args, scale=2, **rest):
        return sum(args) * scale + len(rest)

    def __iter__(self):
        return iter((self.i, 1))

    def __hash__(self):
        return self.i


def failing(i, log):
    try:
        thing = Fails(i)
        total = thing.value
        try:
            total += thing + 5
        except TypeError as error:
            total += len(str(error))
        total += 5 + thing
        total += thing == 3
        if thing:
            total += 1000
        if not thing:
            total += 2000
        total += thing[1] + (i in thing) + (3 not in thing) + len(thing)
        total += thing(1, 2) + thing(1, scale=3) + thing(*[1, 2], **{"x": 1})
        a, b = thing
        total += a * b + thing[i % 5]
        log[0] += total
    except (ValueError, IndexError) as error:
        log.append((str(error), lines_of(error)))
        if len(log) > 12:
            del log[1:5]


def arguments(a, b=2, *rest, c, d=4, **more):
    return a + b * 10 + sum(rest) * 100 + c * 1000 + d + len(more)


def calls(i, total):
    total += arguments(1, c=i) + arguments(1, 2, 3, 4, c=1, d=2)
    total += arguments(*(1, 2, 3), **{"c": 1, "z": 5})
    try:
        total += arguments(1, 2) if i % 3 else arguments(1, c=2)
    except TypeError as error:
        total += len(str(error))
    return total


def names(i, total):
    if i % 3:
        value = i
    try:
        total += value
        del value
        total += value
    except UnboundLocalError as error:
        total += len(str(error))
    return total


def matches(i, total):
    subject = [(1, i), {"x": i}, "text", [i, 2, 3, 4], None, i][i % 6]
    match subject:
        case (1, n):
            total += n
        case {"x": n}:
            total += n * 2
        case str():
            total += 3
        case [first, *rest]:
            total += first + len(rest)
        case None:
            total += 5
        case int(n) if n > 50:
            total += n
        case _:
            total -= 1
    return total


def unpacks(i, total):
    a, (b, *c), d = i, [1, 2, i], "x"
    total += a + b + sum(c) + len(d)
    (first, second), third = divmod(i, 7), True
    total += first * second + third
    try:
        x, y = range(2 + (i % 4 == 3))
        total += x + y
    except ValueError as error:
        total += len(str(error))
    return total


def comprehensions(i, total):
    squares = [k * k for k in range(i % 6) if k != 2]
    table = {k: str(k) for k in squares}
    unique = {k % 3 for k in squares}
    total += sum(squares) + len(table) + sum(unique) + sum(k for k in squares if k > i % 3)
    nested = [[a + b for b in range(2)] for a in range(2)]
    return total + sum(map(sum, nested)) + len(f"{i:>5}{total!r}{squares}")


def booleans(i, total):
    flag = i % 2 == 0
    total += flag + (flag & True) * 3 + [10, 20][flag] + (flag is True) + (not flag)
    total += isinstance(flag, int) + (type(flag) is bool) + -flag + (flag == 1) + (flag | 2)
    return total + len(str(flag)) + int(flag) + (1 if flag ^ True else 0)


LIMITS = (2**63 - 1, -(2**63), 2**62, 2**64, 0, -1)


def limits(i, total):
    a = LIMITS[i % 6] + i // 6 % 3 - 1
    total ^= hash((a + 1, a - 1, a * 2, -a, ~a, abs(a), a >> 3, a << (i % 5), a & 0xFF, a | 1, a // 7, a % 7))
    total ^= hash((a // -1, a % -3, a < 2**63, a == 2**62, a / 3, float(a), int(float(a) / 4), a**2, divmod(a, -5)))
    return total


def main():
    for step in (
        with_block, finally_, nested_handlers, calls, names, matches, unpacks, comprehensions, booleans, limits,
    ):  # fmt: skip
        print(step.__name__, fold(step, 150, 0))
    print(each(failing, 150, [0]))
