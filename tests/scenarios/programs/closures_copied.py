"""Functions that one `def` makes again and again: each call is of another one, with cells of its own."""

import functools

from tests.scenarios.loops import fold


def adder(n):
    def add(x):
        return x + n

    return add


def counter(start):
    count = start

    def step(by):
        nonlocal count
        count += by
        if count > 1000:
            count -= 997
        return count

    return step


def made_anew(i, total):
    table = {"f": adder(i), "g": adder(-1)}
    for name in ("f", "g"):
        total = call(table, name, total)
    return total % 100003


def call(table, name, argument):
    return table[name](argument)


ADDERS = [adder(n) for n in range(12)]
COUNTERS = [counter(n) for n in range(5)]


def taken_from_list(i, total):
    return (ADDERS[i % 12](total) + COUNTERS[i % 5](i)) % 100003


def with_defaults(limit):
    base = limit * 2

    def clamp(x, low=limit, high=limit + 5, *rest):
        return base + (low if x < low else high if x > high else x) + len(rest)

    return clamp


def with_keyword_defaults(limit):
    def clamp(x, *, low=limit):
        return max(x, low) + limit

    return clamp


CLAMPS = [with_defaults(n) for n in range(4)]
KEYWORDS = [with_keyword_defaults(n) for n in range(4)]


def defaults_differ(i, total):
    clamp = CLAMPS[i % 4]
    return (total + clamp(i % 9) + clamp(i, 1) + clamp(i, 2, 8, i) + KEYWORDS[i % 4](i % 3)) % 100003


def marked(n):
    @functools.wraps(adder)
    def add(x):
        return x + n

    add.mark = n
    return add


MARKED = [marked(n) for n in range(4)]


def attributes_of_their_own(i, total):
    function = MARKED[i % 4]
    return (function(total) + function.mark) % 100003


def other_code(x):
    return x


def doubler(n):
    def twice(x):
        return 2 * x + n

    return twice


def tripler(n):
    def thrice(x):
        return 3 * x - n

    return thrice


def code_replaced(i, total):
    function = CHANGING[i % 5]
    total = function(total)
    if i % 50 == 49:
        function.__code__ = (tripler if i % 100 == 99 else doubler)(0).__code__
    if i % 70 == 69:
        function.__defaults__ = (i,)
    if i % 70 == 10:
        function.__defaults__ = None
    return total % 100003


CHANGING = [doubler(n) for n in range(5)]


def dropped_while_it_runs(i, total):
    table = {}

    def make(n):
        text = ["kept", n]

        def run(x):
            table.clear()
            return x + len(text) + text[1]

        return run

    table["f"] = make(i)
    return call(table, "f", total) % 100003


class Table:
    def __init__(self):
        self.functions = {"push": lambda items, x: items.append(x), "len": len, "top": lambda items: items[-1]}


def without_cells(i, total):
    table = Table()
    items = []
    table.functions["push"](items, i)
    table.functions["push"](items, total)
    return (table.functions["top"](items) + table.functions["len"](items)) % 100003


def raising(limit):
    def check(x):
        if x % 7 == limit % 7:
            raise ValueError(limit, x)
        return x

    return check


CHECKS = [raising(n) for n in range(6)]


def caught(i, total):
    try:
        return (total + CHECKS[i % 6](i)) % 100003
    except ValueError as error:
        return total + error.args[0] - error.__traceback__.tb_next.tb_lineno + error.__traceback__.tb_lineno


def fibonacci():
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    return fib


def recursion(i, total):
    return (total + fibonacci()(i % 8)) % 100003


FIBS = [fibonacci() for _ in range(4)]


def recursion_of_many(i, total):
    return (total + FIBS[i % 4](i % 9)) % 100003


def unbound(flag):
    def read():
        return later

    if flag:
        later = 5
    return read


READERS = [unbound(n % 3) for n in range(5)]


def unbound_cells(i, total):
    try:
        return total + READERS[i % 5]()
    except NameError as error:
        return total + len(str(error))


class Machine:
    def __init__(self, seed):
        self.value = seed
        self.table = [self.make(n) for n in range(4)]

    def make(self, n):
        def run():
            self.value = (self.value * 3 + n) % 1009

        return run


MACHINES = [Machine(n) for n in range(6)]


def of_machines(i, total):
    machine = MACHINES[i % 6]
    for n in (0, 3, 1, 2, 2):
        machine.table[n]()
    return (total + machine.value) % 100003


def main():
    for body in (
        made_anew, taken_from_list, defaults_differ, attributes_of_their_own, code_replaced, dropped_while_it_runs,
        without_cells, caught, recursion, recursion_of_many, unbound_cells, of_machines,
    ):
        print(body.__name__, fold(body, 300, 1))
    print([step(0) for step in COUNTERS])
