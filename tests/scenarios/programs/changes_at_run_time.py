"""Classes, globals, functions and closures change while a trace that relies on them runs."""

from tests.scenarios.loops import each, fold

SCALE = 2


class Thing:
    factor = 3

    def __init__(self, value):
        self.value = value

    def get(self):
        return self.value * self.factor


class Other(Thing):
    def get(self):
        return -self.value


class WithGetattr:
    value = 5


def helper(x):
    return x + 1


def other_helper(x):
    return x + 1000


def rebinds_global(i, total):
    global SCALE
    if i == 300:
        SCALE = 5
    return total + SCALE


def rebinds_function(i, total):
    global helper
    if i == 300:
        helper = other_helper
    return helper(total) % 100003


def changes_code(i, total):
    if i == 300:
        third_helper.__code__ = (lambda x: x - 2).__code__
    if i == 350:
        third_helper.__defaults__ = (7,)
    return third_helper(total)


def third_helper(x):
    return x + 2


def changes_method(i, state):
    thing, total = state
    if i == 300:
        Thing.get = lambda self: self.value
    state[1] = total + thing.get()


def changes_class_attribute(i, state):
    thing, total = state
    if i == 200:
        Thing.factor = 10
    if i == 250:
        thing.factor = 100
    if i == 300:
        del thing.factor
    state[1] = total + thing.factor


def changes_class(i, state):
    thing, total = state
    if i == 300:
        thing.__class__ = Other
    state[1] = total + thing.get()


def adds_getattr(i, total):
    thing = WithGetattr()
    if i == 300:
        WithGetattr.__getattribute__ = lambda self, name: 7
    return total + thing.value


def hides_builtin(i, total):
    global len
    if i == 300:
        len = lambda _: 50  # noqa: E731, A001
    if i == 350:
        del len
    return total + len((1, 2, 3))


def make_closure():
    step = 1

    def closure(i, total):
        nonlocal step
        if i == 300:
            step = 4
        return total + step

    return closure


def deletes_global(i, total):
    global GONE
    if i == 300:
        del GONE
    try:
        return total + GONE
    except NameError as error:
        GONE = 9
        return total + len(str(error))


GONE = 1


def main():
    print(fold(rebinds_global, 500, 0))
    print(fold(rebinds_function, 500, 0))
    print(fold(changes_code, 500, 0))
    print(each(changes_class_attribute, 500, [Thing(1), 0])[1])
    print(each(changes_method, 500, [Thing(2), 0])[1])
    print(each(changes_class, 500, [Thing(2), 0])[1])
    print(fold(adds_getattr, 500, 0))
    print(fold(hides_builtin, 500, 0))
    print(fold(make_closure(), 500, 0))
    print(fold(deletes_global, 500, 0))
