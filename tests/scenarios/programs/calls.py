"""All the ways to pass arguments, and functions that are called, not looked into."""

from tests.scenarios.loops import each, fold


def plain(a, b=2, *rest, key=3, **options):
    return a + b * 2 + sum(rest) * 3 + key * 4 + sum(options.values()) * 5


def only_positional(a, /, b):
    return a - b


def numbers(n):
    for k in range(n):
        yield k
    return


def first(n):
    for k in numbers(n):
        if k > 2:
            return k
    return -1


class Base:
    @classmethod
    def make(cls, x):
        made = cls()
        made.x = x
        return made

    @staticmethod
    def double(x):
        return 2 * x

    @property
    def square(self):
        return self.x * self.x

    def get(self):
        return self.x


class Derived(Base):
    def get(self):
        return super().get() + 1


def ways(i, value):
    args = (i, 1)
    options = {"key": 2, "z": i}
    value += plain(i) + plain(i, 1) + plain(*args) + plain(*args, 4, 5, key=i) + plain(i, **options)
    value += plain(b=1, a=i) + only_positional(i, b=3)
    return value % 1000003


def wrong(i, log):
    try:
        if i % 4 == 0:
            plain()
        elif i % 4 == 1:
            only_positional(a=1, b=2)
        elif i % 4 == 2:
            plain(1, a=2)
        else:
            only_positional(1, 2, 3)
    except TypeError as error:
        log[i % 4] = str(error)


def residual(i, value):
    return value + sum(numbers(i % 6)) + first(i % 6) + sum(k for k in (i, 1) if k)


def methods(i, value):
    obj = Derived.make(i) if i % 2 else Base.make(i)
    bound = obj.get
    return (value + bound() + obj.square + obj.double(3) + Base.double(i)) % 1000003


def closures(i, value):
    def inner(x, step=i):
        nonlocal value
        value += step
        return x + value

    return inner(1) + inner(2) - value


def builtins(i, log):
    log[0] = (min(i, 5), max((i, 3)), abs(-i), len("abc"), isinstance(i, (str, int)), ord("a"), chr(97 + i % 5))
    log[0] += (max(2**63 - 1, i), min(-(2**63), i))
    log[1] = (list(map(str, (i, 1))), sorted([3, i, 1]), any([0, i]), list(zip((1, i), "ab")), list(enumerate("a", i)))
    log[2] = (divmod(i, 7), round(i / 3, 2), int("1" + str(i)), hash(i), repr(i), type(i) is int, callable(i))
    log[3] = ("%d-%s" % (i, "x"), "{:04d}".format(i), f"{i:x}", ",".join([str(i)] * 2), str(i).zfill(5))


def main():
    print(fold(ways, 300, 0))
    print(each(wrong, 200, [0] * 4))
    print(fold(residual, 300, 0))
    print(fold(methods, 400, 0))
    print(fold(closures, 300, 0))
    print(each(builtins, 300, [0] * 4))
