"""Initializers that call those of their base classes: of exceptions that need not exist, and of objects; `super` kept and used."""

from tests.scenarios.loops import fold


class Return(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value


class Two(Return):
    def __init__(self, a, b):
        self.b = b
        super().__init__(a)
        if a == 3:
            self.args = (b,)


class ByName(Exception):
    def __init__(self, value):
        Exception.__init__(self, "by name", value)
        self.value = value


class Spread(Exception):
    def __init__(self, values):
        super(Spread, self).__init__(*values)


class Base:
    def __init__(self, x):
        self.x = x

    def area(self):
        return self.x


class Derived(Base):
    def __init__(self, x):
        super().__init__(x + 1)
        above = super()
        self.above = above

    def area(self):
        return super().area() * 2 + self.above.area()


class Described(Derived):
    scale = 5

    @property
    def value(self):
        return self.x

    @classmethod
    def kind(cls):
        return cls.scale

    @staticmethod
    def same(value):
        return value


class Special(Described):
    @property
    def value(self):
        return super().value + 1

    @classmethod
    def kind(cls):
        return super().kind() + 1

    def total(self):
        above = super()
        kept = (above.__self__ is self) + hasattr(above, "missing") + str(above).startswith("<super: ")
        return self.value + self.kind() + above.same(2) + above.scale + above.value + kept


def of_classes(i, total):
    return total + Special(i % 7).total()


def returned(i, total):
    try:
        raise Return(i % 5)
    except Return as result:
        total += result.value + len(result.args)
    return total


def changed(i, total):
    try:
        raise Two(i % 5, i)
    except Return as result:
        total += result.value + result.b + len(str(result)) + len(result.args)
    return total


def named(i, total):
    try:
        raise ByName(i % 5)
    except Exception as result:
        total += result.value + len(result.args) + len(repr(result))
    return total


def spread(i, total):
    try:
        raise Spread((i, i + 1) if i % 3 else ())
    except Exception as result:
        total += len(repr(result))
    return total


def kept(i, total):
    return total + Derived(i).area() + isinstance(Derived(1).above, super)


def leaf(i):
    if i % 4:
        raise Return(i)
    if i % 8 == 4:
        raise Two(i, i) from None


def left(i, total):
    try:
        leaf(i)
    except Return as result:
        return total + result.value
    return total


def main():
    for body in (of_classes, returned, changed, named, spread, kept, left):
        print(body.__name__, fold(body, 240, 0))
