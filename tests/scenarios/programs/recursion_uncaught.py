"""RecursionError leaves the program."""

from tests.scenarios.loops import fold


def deeper(i, value):
    return fold(deeper, i + 2, value)


def main():
    print("start")
    fold(deeper, 5, 0)
