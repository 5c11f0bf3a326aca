"""What stands right of a starred target is iterated over, and not asked for anything else."""

from tests.scenarios.loops import fold

LOG = []


class Sized:
    def __init__(self, count):
        self.count = count

    def __len__(self):
        LOG.append("length")
        return self.count

    def __iter__(self):
        LOG.append("iter")
        yield from range(self.count)


def starred(i, value):
    first, *rest = Sized(i % 4 + 1)
    return value + first + len(rest)


def main():
    print(fold(starred, 90, 0), len(LOG), sorted(set(LOG)))
    LOG.clear()
