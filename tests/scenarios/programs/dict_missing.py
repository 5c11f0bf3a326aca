"""Dicts that know what to do with a key that they have not: environments, counters, memories."""

from collections import Counter, OrderedDict, defaultdict

from tests.scenarios.loops import fold


class Env(dict):
    def __init__(self, names=(), values=(), outer=None):
        self.update(zip(names, values))
        self.outer = outer

    def __missing__(self, name):
        if self.outer is None:
            raise NameError(name)
        return self.outer[name]


GLOBALS = Env(("x", "y"), (3, 4))
LOCALS = Env(("z",), (5,), GLOBALS)


def environments(i, total):
    inner = Env(("w", "n"), (i, 7), LOCALS)
    if i % 40 == 39:
        LOCALS["x"] = i
    if i % 80 == 79:
        del LOCALS["x"]
    total += inner["x"] + inner["z"] + inner["w"] + inner["y"]
    try:
        total += inner["nowhere" if i % 9 == 8 else "n"]
    except NameError as error:
        total += len(str(error))
    GLOBALS["y"] = i % 17
    return (total + len(inner)) % 100003


COUNTS, MEMORY, LISTS = Counter(), defaultdict(int), defaultdict(list)


def counters(i, total):
    COUNTS[i % 7] += 1
    COUNTS["total"] += i
    MEMORY[i % 12] += i
    LISTS[i % 5].append(i)
    if len(LISTS[2]) > 6:
        LISTS.clear()
        MEMORY.pop(i % 12)
    return (total + COUNTS[3] + COUNTS["nobody"] + MEMORY[i % 3] + len(LISTS) + len(MEMORY) + ("nobody" in COUNTS)) % 100003


class Growing(defaultdict):
    def __missing__(self, key):
        self[key] = value = [key, len(self)]
        return value


GROWING = Growing()
NO_FACTORY = defaultdict(None)


def factories(i, total):
    try:
        total += NO_FACTORY[i % 3]
    except KeyError as error:
        total += error.args[0]
        if i % 50 == 49:
            NO_FACTORY.default_factory = int
    table = defaultdict(lambda: i)
    table["a"] += 1
    return (total + GROWING[i % 30][1] + table["a"] + table["b"] + len(table)) % 100003


class Strict(dict):
    def __missing__(self, key):
        return f"no {key}"

    def __getitem__(self, key):
        return super().__getitem__(key) if key != "hidden" else None


class Ordered(OrderedDict):
    def __missing__(self, key):
        return 1


STRICT, ORDERED = Strict(a=1, hidden=2), Ordered(a=1)


def overridden(i, total):
    total += STRICT["a"] + (STRICT["hidden"] is None) + len(STRICT["b"]) + (STRICT.get("b") is None)
    ORDERED[i % 3] = i
    ORDERED.move_to_end("a")
    return (total + ORDERED["a"] + ORDERED["b"] + ORDERED[i % 4] + list(ORDERED).index("a")) % 100003


class Asked(dict):
    count = 0

    def __contains__(self, key):
        Asked.count += 1
        return True

    def __len__(self):
        Asked.count += 1
        return 100

    def get(self, key, default=None):
        Asked.count += 1
        return default


class Plain:
    pass


ASKED, PLAIN = Asked(a=1), Plain()
PLAIN.__dict__ = Asked(b=2)


def not_asked(i, total):
    total += ASKED["a"] + PLAIN.b + hasattr(PLAIN, "c")
    ASKED["a"] = i % 5
    ASKED[i % 3] = 2
    PLAIN.b = i % 4
    try:
        total += ASKED["b"]
    except KeyError:
        total += 1
    return (total + ("zzz" in ASKED) + Asked.count) % 100003


class Changing(dict):
    pass


def class_changes(i, total):
    changing = Changing(a=i)
    if i == 150:
        Changing.__missing__ = lambda self, key: 5
    try:
        return (total + changing["a"] + changing["b"]) % 100003
    except KeyError:
        return total + 1


def main():
    for body in (environments, counters, factories, overridden, not_asked, class_changes):
        print(body.__name__, fold(body, 300, 1))
    print(COUNTS.most_common(3), sorted(MEMORY), len(GROWING))
