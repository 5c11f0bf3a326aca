"""Arithmetic modulo 2**64: hashes, random numbers, and a processor with 64-bit registers."""

from tests.scenarios.loops import fold

M = 0xFFFFFFFFFFFFFFFF
SIGN = 1 << 63


def xorshift(i, x):
    x ^= (x << 13) & M
    x ^= x >> 7
    x ^= (x << 17) & M
    return x or 88172645463325252


def fnv(i, h):
    for byte in (i & 0xFF, i >> 8):
        h = ((h ^ byte) * 0x100000001B3) & M
    return h


def splitmix(i, x):
    x = (x + 0x9E3779B97F4A7C15) & M
    z = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & M
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & M
    return z ^ (z >> 31)


def rotl(x, k):
    return ((x << k) & M) | (x >> (64 - k))


class Xoshiro:
    def __init__(self, *state):
        self.state = list(state)

    def next(self):
        s = self.state
        result = (rotl((s[1] * 5) & M, 7) * 9) & M
        t = (s[1] << 17) & M
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)
        return result


XOSHIRO = Xoshiro(SIGN + 1, 2, M, 4)


def xoshiro(i, x):
    return XOSHIRO.next() ^ x


def to_signed(x):
    return x - (1 << 64) if x & SIGN else x


def to_signed_too(x):
    return (x ^ SIGN) - SIGN


def clz(x):
    n = 0
    while n < 64 and not x >> (63 - n):
        n += 1
    return n


class Processor:
    __slots__ = ("registers",)

    def __init__(self):
        self.registers = [1, 3, 5, M]

    def step(self, op, d, a, b):
        r = self.registers
        x, y = r[a], r[b]
        if op == 0:
            r[d] = (x + y) & M
        elif op == 1:
            r[d] = (x - y) & M
        elif op == 2:
            r[d] = (x * y) & M
        elif op == 3:
            r[d] = (x << (y & 63)) & M
        elif op == 4:
            r[d] = x >> (y & 63)
        elif op == 5:
            r[d] = (to_signed(x) >> (y & 63)) & M
        elif op == 6:
            r[d] = x // y if y else M
        elif op == 7:
            r[d] = x % y if y else x
        elif op == 8:
            r[d] = int(to_signed(x) < to_signed_too(y)) + (x < y)
        elif op == 9:
            r[d] = x ^ y
        elif op == 10:
            r[d] = ~(x | y) & M
        else:
            r[d] = (clz(x) + y) & M


PROCESSOR = Processor()
PROGRAM = [(0, 0, 1, 2), (2, 1, 0, 3), (9, 2, 1, 0), (4, 3, 2, 1), (11, 0, 3, 2), (1, 3, 0, 1), (5, 1, 3, 0), (10, 2, 1, 3),
           (3, 0, 2, 1), (6, 1, 0, 2), (7, 2, 0, 3), (8, 0, 1, 2), (0, 3, 3, 1)]  # fmt: skip


def processor(i, x):
    op, d, a, b = PROGRAM[i % len(PROGRAM)]
    PROCESSOR.step(op, d, a, b)
    return (x * 31 + PROCESSOR.registers[d]) & M


def grows(i, x):
    x = (x * 3 + i) & M
    if i % 11 == 5:
        x += M
    return x if i % 13 else -x


def prints(i, x):
    x = (x * 6364136223846793005 + 1442695040888963407) & M
    return (x + len(f"{x:016x}{x}{float(x)!r}") + len([x] * 2) + hash(x) % 7) & M


def main():
    for body in (xorshift, fnv, splitmix, xoshiro, processor, grows, prints):
        print(body.__name__, fold(body, 400, 88172645463325252))
    print(PROCESSOR.registers, XOSHIRO.state)
