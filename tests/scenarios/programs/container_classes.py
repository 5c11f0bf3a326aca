"""Subclasses of dict and list with initializers: environments, rows, and those whose making is not only that."""

from tests.scenarios.loops import fold


class Environment(dict):
    def __init__(self, names=(), values=(), outer=None):
        self.update(zip(names, values))
        self.outer = outer

    def find(self, name):
        return self if name in self else self.outer.find(name)


class Slotted(dict):
    __slots__ = ("outer",)

    def __init__(self, outer, **names):
        super().__init__(names)
        self.outer = outer


class Row(list):
    def __init__(self, *items):
        list.__init__(self, items)
        self.total = sum(items)


class Counted(dict):
    made = 0

    def __new__(cls, *_arguments):
        Counted.made += 1
        return super().__new__(cls)

    def __init__(self, first):
        self["first"] = first


class Missing(dict):
    def __init__(self, default):
        self.default = default

    def __missing__(self, key):
        return self.default + key


class Wrong(dict):
    def __init__(self, value):
        self["value"] = value
        return value if value % 3 == 0 else None


class Freed(list):
    count = 0

    def __init__(self, item):
        self.append(item)

    def __del__(self):
        Freed.count += len(self)


GLOBAL = Environment(("g", "h"), (1, 2))


def environments(i, total):
    inner = Environment(("a", "b"), (i, i + 1), Environment(("c",), (2,), GLOBAL))
    inner["a"] = inner["b"] + 1
    return total + inner.find("a")["a"] + inner.find("c")["c"] + inner.find("g")["g"] + len(inner)


def others(i, total):
    slotted, row, counted, missing = Slotted(i, x=i, y=2), Row(i, 2, i), Counted(i), Missing(i)
    return total + slotted["x"] + slotted.outer + row.total + row[1] + counted["first"] + missing[3] + len(missing)


def wrong(i, total):
    try:
        return total + Wrong(i)["value"]
    except TypeError as error:
        return total + len(str(error))


def arguments(i, total):
    try:
        return total + len(Environment(("a",), (i,), None, *[None] * (i % 2)))
    except TypeError as error:
        return total + len(str(error))


def freed(i, total):
    Freed(i)
    kept = Freed(i)
    kept.append(total)
    return total + Freed.count % 7


def main():
    for body in (environments, others, wrong, arguments, freed):
        print(body.__name__, fold(body, 240, 0), Counted.made, Freed.count)
