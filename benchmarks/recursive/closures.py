"""A guest program made of Python closures; the driver is in the loop, which is not used."""

import json
import sys
import time

from metatracer import JitDriver

driver = JitDriver(greens=["test", "body"], reds="auto", name="closures")


class Frame:
    __slots__ = ("slots",)

    def __init__(self, slots):
        self.slots = slots


def number(value):
    return lambda frame: value


def local(index):
    return lambda frame: frame.slots[index]


def plus(left, right):
    return lambda frame: left(frame) + right(frame)


def minus(left, right):
    return lambda frame: left(frame) - right(frame)


def less(left, right):
    return lambda frame: left(frame) < right(frame)


def if_else(test, then, otherwise):
    return lambda frame: then(frame) if test(frame) else otherwise(frame)


def call(target, arguments):
    def run(frame):
        return target[0](Frame([argument(frame) for argument in arguments]))

    return run


@driver.portal
def run_while(test, body, frame):
    while True:
        driver.jit_merge_point(test=test, body=body)
        if not test(frame):
            return
        body(frame)


def timed(n):
    fib = []
    name = local(0)
    calls = [call(fib, [minus(name, number(by))]) for by in (1, 2)]
    fib.append(if_else(less(name, number(2)), name, plus(*calls)))
    start = time.perf_counter()
    result = fib[0](Frame([n]))
    return result, time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps(timed(int(sys.argv[1]))))
