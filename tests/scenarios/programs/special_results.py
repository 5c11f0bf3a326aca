"""Special methods' answers and exceptions: operands of `and` and `or`, getters that fail, dictionaries that are hidden."""

import typing

from tests.scenarios.loops import each


class Truth:
    """Tells what it was asked."""

    asked = 0

    def __init__(self, i):
        self.i = i

    def __bool__(self):
        Truth.asked += 1
        if self.i % 11 == 0:
            raise ValueError(self.i)
        return self.i % 3 != 0


class Length:
    def __init__(self, i):
        self.i = i

    def __len__(self):
        return self.i % 4


class Changing:
    """Asked for its truth it changes what the trace relied upon."""

    value = 0

    def __init__(self, i):
        self.i = i

    def __bool__(self):
        if self.i % 25 == 0:
            Changing.value += 1
        return self.i % 2 == 0


def kind(x):
    return type(x).__name__


def operands(i, log):
    try:
        either = Truth(i) or i
        both = Truth(i + 1) and i
        log.append(
            kind(either)
            + kind(both)
            + kind(Truth(i + 2) and Truth(i + 3) or Length(i) or None)
        )
    except ValueError as error:
        log.append(str(error))


def lengths(i, log):
    log.append(
        kind(Length(i) or None)
        + kind(Length(i + 1) and 1.5)
        + kind(i % 2 and Length(i) and "s")
    )


def changing(i, log):
    x = Changing(i) or i
    log.append((kind(x), Changing.value))


class Hooked:
    """A getter's AttributeError is not the last word where there is a `__getattr__`."""

    def __init__(self, i):
        self.i = i

    @property
    def sometimes(self):
        if self.i % 7 == 3:
            raise AttributeError("hidden")
        return self.i

    @property
    def through(self):
        return self.absent

    @property
    def broken(self):
        raise KeyError("broken")

    def __getattr__(self, name):
        if name == "absent" and self.i % 5 == 0:
            raise AttributeError(name)
        return f"{name} {self.i}"


class Bare:
    def __init__(self, i):
        self.i = i

    sometimes = Hooked.sometimes


def getters(i, log):
    hooked, bare = Hooked(i), Bare(i)
    log.append(
        (
            hooked.sometimes,
            getattr(hooked, "sometimes"),
            hooked.through,
            hasattr(bare, "sometimes"),
        )
    )
    try:
        log.append(bare.sometimes)
    except AttributeError as error:
        log.append(str(error))
    try:
        log.append(hooked.broken)
    except KeyError as error:
        log.append(error.args)


KIND = typing.TypeVar("KIND")  # from 3.12 on an instance with a dictionary and without a `__dict__`


class Hiding:
    """Its `__dict__` is not the dictionary of its attributes."""

    x = "class"
    __dict__ = property(lambda self: {"x": "hidden"})

    def __init__(self, i):
        for k in range(40):
            setattr(self, f"a{k}", i)
        if i % 3 == 0:
            self.x = i


def dictionaries(i, log):
    hiding = Hiding(i)
    log.append((KIND.__module__, KIND.__name__, hiding.x, hiding.a39, hasattr(KIND, "absent")))


def main():
    for step in (operands, lengths, changing, getters, dictionaries):
        print(step.__name__, *each(step, 120, []))
    print(Truth.asked, Changing.value)
