"""A loop in a portal of its own that is inlined while it goes round once, and then goes round more often."""

from metatracer import JitDriver

walk_driver = JitDriver(greens=[], reds="auto", name="walk")
count_driver = JitDriver(greens=["step"], reds="auto", name="count")


class Pair:
    __slots__ = ("car", "cdr")

    def __init__(self, car, cdr):
        self.car = car
        self.cdr = cdr


@walk_driver.portal
def last(items, least):
    while items.cdr is not None:
        walk_driver.jit_merge_point()
        if items.car < least:
            raise ValueError(items.car)
        items = items.cdr
    return items.car


def listed(numbers):
    result = None
    for number in reversed(numbers):
        result = Pair(number, result)
    return result


@count_driver.portal
def count(step, lists, rounds):
    total = i = 0
    while i < rounds:
        count_driver.jit_merge_point(step=step)
        try:
            total += last(lists[i % len(lists)], 0)
        except ValueError as error:
            total -= error.args[0]
        i += step
    return total


def main():
    short = [listed([1, 2])]
    print(count(1, short, 300))
    mixed = [listed(list(range(n))) for n in (2, 7, 1, 2, 12, 3)]
    print(count(1, mixed, 600), count(1, short, 100))
    print(count(1, [*mixed, listed([3, -1, 4])], 700))


if __name__ == "__main__":
    main()
