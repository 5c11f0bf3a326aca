"""An exception that was caught keeps nothing alive: what its frames held is freed at once, not by the collector of cycles."""

import gc

from metatracer import JitDriver, dont_look_inside
from tests.scenarios.loops import each, fold

LOG = []
LINES = []


class Noisy:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        LOG.append(f"del {self.name}")


class Holder:
    def __init__(self, content):
        self.content = content


class Picky:
    """A class whose operators and whose key raise, from frames that hold something."""

    def __init__(self, number):
        self.noisy = Noisy(f"in picky {number}")
        self.number = number

    def __add__(self, other):
        if self.number % 4:
            noisy = Noisy(f"in operator {self.number}")
            raise ArithmeticError(noisy.name)
        return other

    def __lt__(self, other):
        noisy = Noisy(f"in order {self.number}")
        if self.number % 5 == 1:
            raise LookupError(noisy.name)
        return self.number < other.number


@dont_look_inside
def note(text):
    """What is freed within an iteration may be freed in another order: a frame that is left in a trace holds nothing."""
    LINES.append(f"{text}: {sorted(LOG)}")
    LOG.clear()


def raises(noisy, number):
    local = Holder(noisy)
    if number % 3 == 0:
        raise ValueError(number)
    return local


def passes_on(noisy, number):
    holder = raises(noisy, number)
    holder.content = None
    return number


@dont_look_inside
def raises_unseen(noisy, number):
    local = Holder(noisy)
    if number % 3 == 0:
        raise ValueError(number)
    return len(vars(local))


def caught(i, value):
    try:
        value += passes_on(Noisy(i), i)
    except ValueError:
        value += 1
    note(f"behind {i}")
    return value


def caught_by_name(i, value):
    try:
        value += passes_on(Noisy(i), i)
    except ValueError as error:
        value += error.args[0]
    note(f"behind {i}")
    return value


def caught_unseen(i, value):
    noisy = Noisy(i)
    try:
        value += raises_unseen(noisy, i)
    except ValueError as error:
        value += error.args[0]
    noisy = None
    note(f"behind {i}")
    return value


def caught_from_index(i, value):
    noisy = Noisy(i)
    try:
        value += [1, 2, 3][i % 7]
    except IndexError as error:
        value += len(error.args)
    noisy = None
    note(f"behind {i}")
    return value


def caught_from_operator(i, value):
    try:
        value = Picky(i) + value
    except ArithmeticError as error:
        value += len(error.args[0])
    note(f"behind {i}")
    return value


def caught_from_c(i, value):
    try:
        value += min(Picky(i), Picky(i + 1)).number
    except LookupError as error:
        value += len(error.args[0])
    note(f"behind {i}")
    return value


def raised_again(i, value):
    try:
        try:
            value += passes_on(Noisy(i), i)
        finally:
            value += 1
    except ValueError as error:
        try:
            raise KeyError(i) from error
        except KeyError as second:
            value += second.__cause__.args[0]
    note(f"behind {i}")
    return value


class Leave(Exception):
    """Takes a number in a constructor of its own, which refuses some."""

    def __init__(self, number):
        noisy = Noisy(f"in constructor {number}")
        if number % 8 == 5:
            raise TypeError(noisy.name)
        self.number = number


class Refuses(Exception):
    def __init__(self):
        noisy = Noisy("refusing")
        raise TypeError(noisy.name)


def not_constructed(i, value):
    noisy = Noisy(i)
    try:
        raise Refuses if i % 4 else ValueError
    except TypeError as error:
        value += len(error.args)
    except ValueError:
        value += 10
    noisy = None
    note(f"behind {i}")
    return value


def constructed(i, value):
    try:
        raise Leave(i)
    except Leave as leave:
        value += leave.number
    except TypeError as error:
        value += len(error.args)
    note(f"behind {i}")
    return value


inner_driver = JitDriver(greens=["code"], reds="auto", name="inner")


@inner_driver.portal
def inner(code, n, noisy):
    while n:
        inner_driver.jit_merge_point(code=code)
        if n == code:
            raise ValueError(n)
        n -= 1
    return Holder(noisy).content.name


def caught_from_portal(i, value):
    try:
        value += len(str(inner(i % 3, 9, Noisy(i))))
    except ValueError as error:
        value += error.args[0]
    note(f"behind {i}")
    return value


def out_of_portal(i, state):
    if i == state:
        passes_on(Noisy(f"last {i}"), 3 * i)


def main():
    gc.collect()
    gc.disable()
    try:
        for step in (
            caught, caught_by_name, caught_unseen, caught_from_index, caught_from_operator, caught_from_c, raised_again,
            constructed, not_constructed, caught_from_portal,
        ):  # fmt: skip
            print(step.__name__, fold(step, 90, 0))
        for k in range(30):
            text = ""
            try:
                each(out_of_portal, 90, k)
            except ValueError as error:
                text = str(error)
            note(f"left with {text}")
        for line in LINES:
            print(line)
    finally:
        LINES.clear()
        gc.enable()
