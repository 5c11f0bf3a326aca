"""Big integers that appear late, booleans, division, shifts, and comparisons at 2**53."""

from tests.scenarios.loops import each, fold


def grows_late(i, value):
    if i > 400:
        return value * 3 + i
    return value + 1


def grows_and_shrinks(i, value):
    return value // 1000003 if value > 2**70 else value * 7 + i


def near_the_edge(i, value):
    return value + (2**62 if i % 2 else -(2**62)) + (i == 333) * 2**63


def negation(i, value):
    return -value if i != 200 else -(2**63)


def absolute(i, log):
    log.append(abs(-(2**63) + (i & 1)))
    del log[:-2]


def booleans(i, log):
    flag = i % 2 == 0
    log[0] = log[0] + flag
    log[1] = flag + flag
    log[2] = type(flag).__name__ + type(flag & 1).__name__ + type(flag & flag).__name__ + type(-flag).__name__
    log[3] = f"{flag} {flag + 0} {flag!r:>7} {flag:d}"
    log[4] = (flag is True, flag == 1, isinstance(flag, int), flag in (1, 0))
    log[5] = [10, 20][flag]
    log[6] = {1: "one", 0: "zero"}[flag]
    log[7] = not flag


def bool_then_int(i, value):
    return (value == 3) if i % 3 else value + 1


PAIRS = [(2**53, 2.0**53), (2**53 + 1, 2.0**53), (2**53 - 1, 2.0**53), (-(2**53) - 1, -(2.0**53)), (2**63, 2.0**63),
         (2**63 - 1, 2.0**63), (2**1024, 1e308), (1, float("nan")), (10**400, float("inf")), (0, -0.0)]


def compares(i, log):
    a, b = PAIRS[i % len(PAIRS)]
    log[i % len(PAIRS)] = (a < b, a <= b, a == b, a != b, a > b, a >= b, b < a, b == a, b >= a)


DIVISIONS = [(-7, 2), (7, -2), (-7, -2), (7, 2), (0, -3), (-(2**63), -1), (2**63, -3), (1, 0), (-8, 2), (2**70, 3)]


def divides(i, log):
    a, b = DIVISIONS[i % len(DIVISIONS)]
    try:
        log[i % len(DIVISIONS)] = (a // b, a % b, divmod(a, b), a / b, float(a) // b, float(a) % b)
    except ZeroDivisionError as error:
        log[i % len(DIVISIONS)] = str(error)


def shifts(i, log):
    n = i % 80
    try:
        log[0] = (1 << n, -1 << n, (2**70) >> n, -5 >> n, i >> 64, i << 0)
        log[1] = i << (3 - i % 5)
    except ValueError as error:
        log[2] = str(error)


def bits(i, value):
    return (value ^ (i * 2654435761)) & (2**64 - 1) | 1


def powers(i, log):
    log[0] = i % 5
    log[1] = (i % 7) ** (i % 6)
    log[2] = 2 ** -(i % 3)
    log[3] = (-2) ** (i % 4)
    log[4] = pow(3, i, 1000)


def main():
    print(fold(grows_late, 500, 1))
    print(fold(grows_and_shrinks, 800, 1))
    print(fold(near_the_edge, 500, 5))
    print(fold(negation, 401, 2**62))
    print(each(absolute, 300, []))
    print(each(booleans, 401, [0] * 8))
    print(fold(bool_then_int, 500, 0))
    print(each(compares, 300, [None] * len(PAIRS)))
    print(each(divides, 300, [None] * len(DIVISIONS)))
    print(each(shifts, 400, [0, 0, 0]))
    print(fold(bits, 500, 0))
    print(each(powers, 300, [0] * 5))
