"""Two variables that are assigned one after the other, each of which drops an object whose end runs code (one instruction on 3.13)."""

from tests.scenarios.loops import fold

ended = []


class Noisy:
    def __init__(self, number):
        self.number = number

    def __del__(self):
        ended.append(self.number)


def make(i):
    return Noisy(i), Noisy(-i)


def both(i, t):
    first, second = make(i)
    first, second = second, i
    t += first.number
    first, second = make(t)
    return (t + first.number + second.number + len(ended)) % 1000003


def generator(i):
    value = Noisy(i)
    try:
        while True:
            value = yield value.number
    finally:
        ended.append(0)


def waiting(i, t):
    process, value = generator(i), i
    t += process.send(None)
    process, value = generator(i + 1), t % 3
    other = process.send(None)
    process, value = None, other
    return (t + value + len(ended)) % 1000003


def then_read(i, t):
    kept = Noisy(i)
    kept = i % 7
    kept += t
    kept, other = Noisy(kept), kept
    return other % 1000003


def main():
    for function in (both, waiting, then_read):
        print(function.__name__, fold(function, 100, 1), len(ended), sum(ended) % 1009, ended[-5:])
