"""When __del__ and weak reference callbacks run is visible, and must be the same."""

import weakref

from metatracer import dont_look_inside
from tests.scenarios.loops import each, fold

LOG = []


class Noisy:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        LOG.append(f"del {self.name}")


class Plain:
    __slots__ = ("__weakref__", "value")

    def __init__(self, value):
        self.value = value


@dont_look_inside
def note(text):
    LOG.append(text)


def dropped_at_once(i, state):
    Noisy(i)
    note(f"after {i}")


def replaced(i, holder):
    note(f"before {i}")
    holder[0] = Noisy(i)
    note(f"stored {i}")


def local_until_return(i, state):
    noisy = Noisy(i)
    note(f"have {i}")
    noisy = None
    note(f"gone {i}")


def weak(i, log):
    plain = Plain(i)
    reference = weakref.ref(plain)
    log[0] += reference() is plain
    del plain
    log[1] += reference() is None


def weak_callback(i, value):
    plain = Plain(i)
    reference = weakref.ref(plain, lambda _: LOG.append(f"callback {i}"))
    note(f"alive {reference().value}")
    plain = None
    note("dead")
    return value + 1


def raising_finalizer(i, value):
    class Bad(Exception):
        pass

    try:
        raise Bad(Noisy(f"in error {i}"))
    except Bad:
        note("caught")
    note("left")
    return value + 1


def main():
    each(dropped_at_once, 60, None)
    holder = [None]
    each(replaced, 60, holder)
    holder.clear()
    each(local_until_return, 60, None)
    print(each(weak, 300, [0, 0]))
    fold(weak_callback, 60, 0)
    fold(raising_finalizer, 60, 0)
    for line in LOG:
        print(line)
