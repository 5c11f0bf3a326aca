"""A portal that calls itself: deep, too deep, and the handler of that."""

import sys

from metatracer import JitDriver

driver = JitDriver(greens=["pc", "code"], reds="auto", name="recursive")


@driver.portal
def run(code, n):
    pc = 0
    total = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        op = code[pc]
        if op == "down":
            if n > 0:
                total += run(code, n - 1)
            pc += 1
        elif op == "add":
            total += n
            pc += 1
        elif op == "forever":
            total += run(code, n + 1)
            pc += 1
        else:
            return total


def attempt():
    try:
        run(("forever", "return"), 0)
    except RecursionError as error:
        return type(error).__name__
    return "no error"


def main():
    for _ in range(30):
        print(run(("down", "add", "return"), 40))
    print(run(("down", "add", "return"), 300))
    for _ in range(5):
        print(attempt())
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(4000)
    try:
        print(run(("down", "add", "return"), 1500))
    finally:
        sys.setrecursionlimit(limit)
    print(attempt())
    print(run(("down", "add", "return"), 100))
