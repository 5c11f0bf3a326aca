"""A portal whose red may be unbound, called by another portal and entered again from the interpreter; and `super()` in closures."""

from metatracer import JitDriver
from tests.scenarios.loops import fold

maybe_driver = JitDriver(greens=[], reds="auto", name="maybe")


@maybe_driver.portal
def last_seen(n, which):
    i = 0
    while i < n:
        maybe_driver.jit_merge_point()
        if i == which:
            found = i
        elif i > which + 20:
            return found
        i += 1
    return n


def sometimes(i, value):
    try:
        return value + last_seen(60, i % 50 - 5)
    except UnboundLocalError:
        return value + 1000


class Base:
    def size(self):
        return 2


class Derived(Base):
    def size(self):
        def same():
            return self

        return super().size() + (same() is self)


DERIVED = Derived()


def sizes(i, value):
    return value + DERIVED.size()


def main():
    for n in (3, 50, 200, 300):
        print(fold(sometimes, n, 0), fold(sizes, n, 0))


if __name__ == "__main__":
    main()
