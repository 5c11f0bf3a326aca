"""Objects are given other classes behind a trace's back: by what it calls, now and then or all the time."""

import sys
import types

from tests.scenarios.loops import each, fold


class Flip:
    __slots__ = ("count", "left")

    def __init__(self):
        self.count = 0
        self.left = 3

    def step(self, i):
        return i + self.count

    @property
    def weight(self):
        return 2

    def __add__(self, other):
        return other + 1

    def __bool__(self):
        return True


class Flop:
    __slots__ = ("count", "left")

    def step(self, i):
        return -i * 2 + self.count

    @property
    def weight(self):
        return 5

    def __add__(self, other):
        return other - 3

    def __bool__(self):
        return False


class Base:
    pass


class Loose(Base):
    def kind(self):
        return 1


class Tight(Base):
    def kind(self):
        return 2


class Loud(Exception):
    def note(self):
        return 10


class Quiet(Exception):
    def note(self):
        return 20


def other(obj):
    return Flop if type(obj) is Flip else Flip


class Flipper:
    """Turns an object's class round at every `every`-th call, in a way that is not looked into."""

    def __init__(self, every, assign, raises=False):
        self.calls = 0
        self.every = every
        self.assign = assign
        self.raises = raises

    def __call__(self, obj):
        # A sort key is called from C.
        sorted([obj], key=self.look)

    def look(self, obj):
        self.calls += 1
        if self.calls % self.every == 0:
            self.assign(obj)
            if self.raises:
                raise ValueError(self.calls)
        return 0


WAYS = [
    lambda obj: setattr(obj, "__class__", other(obj)),
    lambda obj: object.__setattr__(obj, "__class__", other(obj)),
    lambda obj: object.__dict__["__class__"].__set__(obj, other(obj)),
    lambda obj: obj.__setattr__("__class__", other(obj)),
]


def works(i, state):
    obj, flipper, total = state
    total += obj.step(i)
    flipper(obj)
    total += obj.step(i) + obj.weight
    if isinstance(obj, Flip):
        total += 7
    if type(obj) is Flop:
        total += 11
    if obj:
        total = obj + total
    state[2] = total % 1000003


def catches(i, state):
    obj, flipper, total = state
    total += obj.step(i)
    try:
        flipper(obj)
    except ValueError as error:
        total += obj.step(i) + len(str(error))
    total += obj.weight
    state[2] = total % 1000003


SINGLE = Flip()
FLIP_SINGLE = [None]


def constant(i, total):
    total += SINGLE.step(i) + SINGLE.weight
    FLIP_SINGLE[0](SINGLE)
    total += SINGLE.step(i) + SINGLE.weight
    if isinstance(SINGLE, Flop):
        total += 3
    return total % 1000003


def inside(i, state):
    obj, _, total = state
    total += obj.step(i)
    obj.__class__ = Flop if i % 3 else Flip
    total += obj.step(i) + obj.weight
    state[2] = total % 1000003


def fresh(i, state):
    flipper = state[1]
    obj = Flip()
    obj.count = i
    total = state[2] + obj.step(i)
    flipper(obj)
    state[2] = (total + obj.step(i) + obj.weight) % 1000003


def between(i, state):
    obj, _, total = state
    state[2] = (total + obj.step(i) + obj.weight) % 1000003


def loose(i, state):
    obj, flipper, total = state
    total += obj.kind()
    flipper(obj)
    state[2] = total + 10 * obj.kind() + isinstance(obj, Loose)


def exceptions(i, state):
    error, flipper, total = state
    total += error.note()
    flipper(error)
    state[2] = total + error.note()


class Shouting(types.ModuleType):
    @property
    def answer(self):
        return 42


MODULE = types.ModuleType("made_up")
MODULE.answer = 1
MODULE.other = 2


def module(i, total):
    total += MODULE.answer + MODULE.other
    if i == 200:
        set_module_class(Shouting)
    if i == 300:
        set_module_class(types.ModuleType)
    return total + MODULE.answer


def set_module_class(cls):
    sorted([1], key=lambda _: setattr(MODULE, "__class__", cls) or 0)


def failing(i, state):
    obj, _, total = state
    total += obj.step(i)
    try:
        sorted([obj], key=lambda o: setattr(o, "__class__", int))
    except TypeError:
        total += 1
    state[2] = (total + obj.step(i)) % 1000003


def main():
    for way in WAYS:
        for every in (1, 2, 3, 7, 50, 150):
            flipper = Flipper(every, way)
            print(every, each(works, 400, [Flip(), flipper, 0])[2], flipper.calls)
    for every in (2, 5, 90):
        flipper = Flipper(every, WAYS[0], raises=True)
        print(every, each(catches, 400, [Flip(), flipper, 0])[2])
        FLIP_SINGLE[0] = Flipper(every, WAYS[0])
        print(every, fold(constant, 400, 0))
        flipper = Flipper(every, WAYS[0])
        print(every, each(fresh, 400, [None, flipper, 0])[2])
        flipper = Flipper(every, lambda obj: setattr(obj, "__class__", Tight if type(obj) is Loose else Loose))
        print(every, each(loose, 400, [Loose(), flipper, 0])[2])
        flipper = Flipper(every, lambda obj: setattr(obj, "__class__", Quiet if type(obj) is Loud else Loud))
        print(every, each(exceptions, 400, [Loud(), flipper, 0])[2])
    print(each(inside, 400, [Flip(), None, 0])[2])
    state = [Flip(), None, 0]
    for _ in range(8):
        each(between, 100, state)
        state[0].__class__ = other(state[0])
        print(state[2])
    print(fold(module, 400, 0))
    print(each(failing, 300, [Flip(), None, 0])[2])
    print(sys.getrefcount(Flip) > 1, type(SINGLE).__name__)
