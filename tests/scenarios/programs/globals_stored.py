"""State in globals: counters, registers and flags of the module, which functions assign and others read."""

import sys

from tests.scenarios.loops import fold

count = 0
accumulator = 1
flag = False
last = None
scale = 3
total = 0.5
MODULE = sys.modules[__name__]


def tick(i):
    global count, flag
    count += 1
    flag = count % 3 == 0
    return count


def run(i, t):
    global accumulator, last
    accumulator = (accumulator * 5 + tick(i)) % 1009
    last = (i, accumulator)
    return (t + accumulator + flag + last[0]) % 1000003


def uses_scale(i, t):
    """A global that is a constant of this trace until `sets_scale` is traced, which stores the same object at first."""
    return (t + scale * i) % 1000003


def sets_scale(i, t):
    global scale
    scale = 3 if i < 100 else i % 5
    return t + scale


width = 3


def reads_width(i, t):
    return t + width * i


def folds_width(i, t):
    """What a loop inside took for constant is stored in machine code right before it, and is the same object at first."""
    global width
    width = 3 if i < 120 else i % 5
    return fold(reads_width, 4, t) % 1000003


def floats(i, t):
    global total
    total = total * 0.5 + i
    return t + int(total)


def by_name(i, t):
    global count
    count = i
    space = globals()
    space["count"] += 2
    t += count
    MODULE.count = count + 1
    t += MODULE.count + vars(MODULE)["count"] + eval("count")
    return t


def comes_and_goes(i, t):
    global fresh
    if i % 7 == 0:
        fresh = i
    try:
        t += fresh
    except NameError:
        t += 1
    if i % 7 == 3:
        del fresh
    return t


def hides_builtin(i, t):
    global len
    t += len("abc")
    if i == 150:
        len = lambda x: 10  # noqa: E731
    if i == 180:
        del len
    return t


class Noisy:
    def __init__(self, number):
        self.number = number

    def __del__(self):
        global freed
        freed = freed + self.number % 3


freed = 0
held = None


def finalized(i, t):
    global held
    held = Noisy(i)
    return t + freed


def fails(i, t):
    global accumulator
    accumulator = i
    try:
        if i % 4 == 0:
            raise ValueError(accumulator)
        accumulator += 1
    except ValueError as error:
        accumulator = error.args[0] * 2
    return t + accumulator


def many(i, t):
    """The table of the module's globals grows while places in it are known."""
    global count
    count = i
    globals()[f"extra_{i}"] = i
    return t + count + globals()[f"extra_{i}"]


def swapped(i, t):
    """Seen through another module's name for the function."""
    return run(i, t) + READER(i, t) % 3


exec(compile("def read(i, t):\n    return t + count", "reader", "exec"), globals())
READER = globals()["read"]


def main():
    functions = (
        run, uses_scale, sets_scale, uses_scale, folds_width, floats, by_name, comes_and_goes, hides_builtin, finalized, fails,
        many, swapped,
    )  # fmt: skip
    for function in functions:
        print(function.__name__, fold(function, 200, 0), count, accumulator, flag, last, total, freed)
