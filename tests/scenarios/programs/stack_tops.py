"""Stacks as lists: what lies on top is taken and dropped with slices, and with pops."""

from tests.scenarios.loops import fold

STACK = [1]
SHORT = []


def arguments(count):
    taken = STACK[-count:]
    del STACK[-count:]
    return taken


def machine(i, t):
    STACK.append(i)
    STACK.append(t)
    a, b = STACK[-2:]
    del STACK[-2:]
    STACK.append(a + b)
    STACK.append(i % 5)
    STACK.append(3)
    taken = arguments(3)
    t += sum(taken) + len(STACK)
    if i == 150:
        STACK.extend(range(6))
    if len(STACK) > 5:
        t += len(arguments(5))
    return t % 1000003


def short(i, t):
    SHORT.extend([i] * (i % 4))
    taken = SHORT[-2:]
    del SHORT[-2:]
    t += sum(taken) + len(SHORT)
    if len(SHORT) > 20:
        del SHORT[:]
    try:
        del SHORT[-3:-1]
    except TypeError:
        t += 1
    return (t + len(SHORT)) % 1000003


class Noisy:
    ended = 0

    def __init__(self, number):
        self.number = number

    def __del__(self):
        Noisy.ended += self.number


def noisy(i, t):
    stack = [i, Noisy(i), Noisy(1)]
    top = stack[-2:]
    del stack[-2:]
    t += len(top) + Noisy.ended
    del top[-1:]
    return (t + Noisy.ended + len(stack)) % 1000003


def aliased(i, t):
    stack = [i, 2, t]
    other = stack
    top = stack[-2:]
    other.append(5)
    del other[-2:]
    return (t + len(stack) + top[1] + stack[-1]) % 1000003


def main():
    for function in (machine, short, noisy, aliased):
        print(function.__name__, fold(function, 200, 1), len(STACK), len(SHORT), Noisy.ended)
