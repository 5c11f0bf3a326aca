"""What interpreters do with dicts besides items: copies, merges, removals; and with texts, unpacking and membership."""

from tests.scenarios.loops import fold


class Finalized:
    ended = 0
    seen = None

    def __init__(self, number):
        self.number = number

    def __del__(self):
        Finalized.ended += self.number
        if Finalized.seen is not None:
            Finalized.seen.number += 1


class Key:
    asked = 0

    def __init__(self, name):
        self.name = name

    def __hash__(self):
        return hash(self.name)

    def __eq__(self, other):
        Key.asked += 1
        return self.name == (other.name if isinstance(other, Key) else other)


class Held(dict):
    def pop(self, key, default=0):
        return 5

    def __delitem__(self, key):
        dict.__delitem__(self, key)
        Key.asked += 1


class Pairs:
    def __init__(self, *parts):
        self.parts = parts

    def keys(self):
        return self.parts

    def __getitem__(self, key):
        return 3

    def __iter__(self):
        return iter(self.parts)

    def __contains__(self, item):
        return item == 2


NAMES = {"a": 1, "b": 2}
OTHERS = {Key("a"): 3, 4: 5}
HELD = Held(a=1)


class Holder:
    def __init__(self):
        self.number = 0
        self.names = {}


HOLDER = Holder()


def taken(i, t):
    NAMES["c"] = i
    t += NAMES.pop("c") + NAMES.pop("d", 3) + NAMES.pop("a" if i % 16 > 12 else "x", 0)
    NAMES[i % 3, "k"] = i
    t += NAMES.setdefault("a", 7) + NAMES.setdefault((i % 4, "k"), 9)
    try:
        t += NAMES.pop(i % 5)
    except KeyError as error:
        t += error.args[0]
    try:
        NAMES.pop([i])
    except TypeError:
        t += 1
    NAMES.setdefault("n")
    t += NAMES.pop("n") is None
    t += len(NAMES) + NAMES["a"]
    del NAMES[i % 4, "k"]
    return t % 1000003


def removed(i, t):
    NAMES["c"] = i
    t += NAMES["c"]
    del NAMES["c"]
    t += "c" in NAMES
    try:
        del NAMES["c"]
    except KeyError as error:
        t += len(error.args[0])
    HELD["z"] = i
    del HELD["z"]
    t += HELD.pop("a")
    try:
        del NAMES[[i]]
    except TypeError:
        t += 2
    NAMES[i % 7] = i
    del NAMES[i % 7]
    return (t + len(HELD) + Key.asked) % 1000003


def ended(i, t):
    """What goes with an item may have a finalizer, which looks at what was put off."""
    Finalized.seen = HOLDER
    HOLDER.number = i
    HOLDER.names["x"] = Finalized(1)
    HOLDER.number += 2
    if i % 4 == 0:
        del HOLDER.names["x"]
    elif i % 4 == 1:
        HOLDER.names.pop("x")
    elif i % 4 == 2:
        HOLDER.names.setdefault("x", Finalized(3))
    else:
        HOLDER.names = {**HOLDER.names, "x": 1}
    HOLDER.number += 1
    Finalized.seen = None
    return (t + HOLDER.number + Finalized.ended) % 1000003


def own_names(i, t):
    """The dict of an instance, and one whose items the trace knows."""
    holder = Holder()
    names = vars(holder)
    holder.number = i
    names["other"] = 4
    t += holder.other + names.pop("other") + hasattr(holder, "other")
    del names["number"]
    t += len(names) + names.setdefault("number", 6) + holder.number
    made = {}
    made["a"] = i
    made["b"] = 2
    t += made.pop("a") + len(made)
    del made["b"]
    return (t + len(made) + ("a" in made)) % 1000003


def copied(i, t):
    NAMES["c"] = i
    first, second, third = dict(NAMES), NAMES.copy(), {**NAMES}
    first["c"] = second["d"] = 5
    merged = {**NAMES, "c": 3, **second, **{"e": i}}
    mixed = {**OTHERS, "a": i, **NAMES}
    again = dict(HELD)
    t += len(mixed) + mixed[Key("a")] + len(merged) + merged["c"] + NAMES["c"] + third["c"] + len(first) + len(again)
    more = {**Pairs(1, i), **HELD}
    try:
        more = {**more, **(7 if i % 5 == 4 else HELD)}
    except TypeError as error:
        t += len(str(error))
    del NAMES["c"]
    return (t + len(more) + (dict(first) is first)) % 1000003


def texts(i, t):
    value = (i, "x", 2.5, None, True, 1 << 70, Key("q"), -3)[i // 8 % 8]
    text = f"{i:5}|{i % 7:02x}|{value!r:>4}" if type(value) is not Key else f"{i:>8}|{i / 3:.2f}|{'a' * (i % 3):>4}"
    text += f"{'x'!r}{i!r}{2.5 * i!r}{i:n}"
    try:
        text += f"{value:5}{value:d}"
    except (TypeError, ValueError) as error:
        text += str(error)
    width = i % 6
    text += f"{i:{width}}{width!s:>3}{text!r:.4}{value!s}" if type(value) is not Key else "key"
    return (t * 3 + len(text) + sum(map(ord, text[-6:]))) % 1000003


def backwards(i, t):
    row = [1, 2, i]
    for number in reversed(row):
        t = (t * 3 + number) % 1000003
    for number in reversed((i, 5)):
        t = (t * 5 + number) % 1000003
    for number in reversed(range(i % 4)):
        t += number
    for number in reversed(row):
        if len(row) > 1:
            row.pop()
        t += number
    return t + len(list(reversed(NAMES)))


def unpacked(i, t):
    a, b = map(int, ("1", str(i)))
    c, d, e = {"x": 1, "y": 2, "z": i}.values()
    f, g = Pairs(i, 2)
    try:
        h, j = range(i % 4)
        t += h + j
    except ValueError as error:
        t += len(str(error))
    try:
        h, j, k = i if i % 3 == 0 else Pairs(1, 2)
    except (TypeError, ValueError) as error:
        t += len(str(error))
    return (t + a + b + c + d * e + f * g) % 1000003


def held(i, t):
    row, pairs = [1, Key(2), "a"], Pairs(1, 2)
    found = (i % 4 in row) + 2 * (2 in row) + 4 * ("b" not in row) + 8 * (2 in pairs) + 16 * (1 not in pairs) + 32 * (i in range(50))
    try:
        found += 1 in i
    except TypeError as error:
        found += len(str(error))
    return (t + found) % 1000003


BODIES = (taken, removed, ended, own_names, copied, texts, backwards, unpacked, held)


def main():
    for body in BODIES:
        print(body.__name__, fold(body, 200, 0))
    print(sorted(map(str, NAMES)), len(OTHERS), Key.asked, Finalized.ended)
