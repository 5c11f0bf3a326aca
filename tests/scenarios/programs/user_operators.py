"""Operators, attributes and truth defined by the program; they may do anything."""

from tests.scenarios.loops import each, fold


class Number:
    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        if isinstance(other, Number):
            return Number(self.value + other.value)
        return NotImplemented

    def __radd__(self, other):
        return Number(self.value + other)

    def __lt__(self, other):
        return self.value < other.value

    def __bool__(self):
        if self.value % 13 == 0:
            raise ValueError("unlucky")
        return self.value % 2 == 0

    def __len__(self):
        return self.value % 5

    def __index__(self):
        return self.value % 3

    def __call__(self, x, *, y=1):
        return self.value + x * y

    def __contains__(self, x):
        return x == self.value

    def __iter__(self):
        return iter((self.value, 1))

    def __format__(self, spec):
        return f"<{self.value}|{spec}>"


class Dynamic:
    def __init__(self):
        self.reads = 0

    def __getattr__(self, name):
        self.__dict__["reads"] += 1
        if name == "missing":
            raise AttributeError(name)
        return len(name)

    def __setattr__(self, name, value):
        self.__dict__[name] = value


class Descriptor:
    def __get__(self, instance, owner):
        return instance.base + 1 if instance is not None else 0

    def __set__(self, instance, value):
        instance.base = value * 2


class Described:
    field = Descriptor()

    def __init__(self):
        self.base = 0


class Meta(type):
    def __instancecheck__(cls, instance):
        return instance == 3


class Odd(metaclass=Meta):
    pass


def adds(i, value):
    return 1 + (value + Number(i)) if i % 2 else value + Number(1)


def adds_wrong(i, log):
    try:
        log[0] = Number(i) + "x"
    except TypeError as error:
        log[1] = str(error)


def truth(i, log):
    try:
        if Number(i):
            log[0] += 1
        else:
            log[1] += 1
    except ValueError:
        log[2] += 1


def several(i, log):
    n = Number(i)
    a, b = n
    log[0] = (len(n), [7, 8, 9][n], n(2, y=3), i in n, a, b, f"{n:>4}", max(Number(1), n).value)


def dynamic(i, obj):
    obj.total = obj.total + obj.abc if i else 0
    try:
        obj.missing
    except AttributeError:
        obj.total += 1


def described(i, obj):
    obj.field = obj.field % 1000


def instances(i, log):
    log[0] += isinstance(i % 5, Odd)


def main():
    print(fold(adds, 400, Number(0)).value)
    print(each(adds_wrong, 200, [0, 0]))
    print(each(truth, 400, [0, 0, 0]))
    print(each(several, 300, [0]))
    dynamic_object = each(dynamic, 300, Dynamic())
    print(dynamic_object.total, dynamic_object.reads)
    print(each(described, 300, Described()).base)
    print(each(instances, 300, [0]))
