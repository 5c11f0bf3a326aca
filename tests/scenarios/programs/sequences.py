"""What interpreters do with short lists and tuples: taken off a stack, copied, put together, summed, and used as keys."""

from tests.scenarios.loops import fold


class Machine:
    def __init__(self):
        self.stack = []
        self.other = self.stack
        self.frames = []


class Noted(list):
    def copy(self):
        return [7]

    def __iter__(self):
        return iter((1, 2, 3))


class Thing:
    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return hash(self.number)

    def __eq__(self, other):
        return self.number == (other.number if isinstance(other, Thing) else other)

    def __radd__(self, other):
        return other + self.number

    def __str__(self):
        return f"thing {self.number}"


M = Machine()


def call_with_slice(i, t):
    stack = M.stack
    stack.append(i)
    stack.append(i % 5)
    stack.append(3)
    args = stack[-2:]
    del stack[-2:]
    args.append(stack.pop())
    return (t + sum(args) + len(args)) % 1000003


def slice_is_kept(i, t):
    """The slice itself becomes the stack that is read again: both names are one list."""
    M.stack += [i, 1, 2]
    args = M.stack[-2:]
    M.frames = args
    M.frames.append(i)
    found = len(args) + sum(args)
    M.frames.pop()
    found += len(args) * 3
    kept = M.frames
    del kept[-1:]
    found += len(args) * 5 + args[0]
    args.append(4)
    found += len(M.frames) * 7 + M.frames[-1]
    del M.stack[-3:]
    return (t + found) % 1000003


def two_names(i, t):
    """A list with two names: what goes through one is seen through the other."""
    a = [i, 2]
    b = a
    c = [i, 2]
    b.append(5)
    a.pop()
    c += a
    c.extend(c)
    b.insert(1, i)
    b.insert(-1, 6)
    b.insert(100, 7)
    b.insert(-100, 8)
    return (t + len(a) * 3 + len(c) * 5 + a[1] + a[-1] + a[0] + sum(c) + sum(b)) % 1000003


def grow(i, t):
    """Of a length that the trace does not know."""
    row = M.frames
    row.extend((i, 1))
    row += [2]
    row.extend(row)
    row += row
    row.insert(i % 3, 9)
    row.insert(-(i % 70), 11)
    copies = (list(row), row.copy(), row[:], list(tuple(row)), [*row])
    total = sum(row) + sum(len(copy) for copy in copies) + (copies[0] == copies[1] == copies[2] == copies[3] == copies[4])
    copies[0].append(1)
    if len(row) > 100:
        del row[1:]
    return (t + total + len(row) + row[i % len(row)]) % 1000003


def copies(i, t):
    a = [i % 3, 2]
    b, c, d = a.copy(), list(a), list((i % 3, 2))
    b.append(1)
    c.insert(0, i)
    d[0] = 5
    e = list({i % 4: 1, "b": 2})
    f = list({"a": i}.values()) + list({"a": i}.items()) + list({"a": i}.keys())
    return (t + len(a) + len(b) * 3 + sum(c) + sum(d) + len(e) + (e[0] if i % 4 else 1) + f[0] + f[1][1] + (b is a)) % 1000003


def sums(i, t):
    a, x = i % 7, (1 << 62)
    total = sum([a, 2, a]) + sum((a, 1), 5) + sum([]) + sum([True, a])
    total += int(sum([0.5, a, 0.25])) + int(sum([a, 0.5], 0.25) * 4)
    total += sum([x, x, a]) % 11 + sum([-x, -x, -a, x]) % 13 + sum([x + x, a]) % 17
    return (t + total + sum([Thing(a), a])) % 1000003


def extremes(i, t):
    a, b = i % 7, i % 5
    total = min(a, b, 3) + max(a, b, 3) * 2 + min([a, b]) * 3 + max((a, b)) * 5 + max([a, 2.5]) * 2
    nan = float("nan")
    total += (max([nan, a]) != max([nan, a])) + min([a, nan]) + (max(True, b - 1) is True) + len(max("a", "bc"[: i % 3]))
    try:
        max([])
    except ValueError:
        total += 1
    return (t + int(total)) % 1000003


KEYS = {}


def tuple_keys(i, t):
    kind = i // 16 % 5
    key = (i % 3, "a")
    if kind == 1:
        key = (i % 3, "a", None)
    elif kind == 2:
        key = (Thing(i % 3), "a")
    elif kind == 3:
        key = (True, ("x", i % 3))
    elif kind == 4:
        key = (float(i % 3), "a")
    KEYS[key] = KEYS.get(key, 0) + 1
    if (i % 4, "a") in KEYS:
        t += KEYS[i % 4, "a"]
    held = {(i % 3, 1): i, (i % 2, 1): 5}
    try:
        t += held[i % 4, 1]
    except KeyError as error:
        t += error.args[0][0]
    try:
        t += {}.get(([], i), 1)
    except TypeError:
        t += 2
    return (t + len(KEYS) + len(held)) % 1000003


def formats(i, t):
    value = (i % 5, 2.5, None, "x", True, Thing(3))[i // 8 % 6]
    text = "%s:%s" % (value, i)
    text %= ()
    try:
        text += "%d %5.1f" % (value, 1)
        text += "%d" % (value, i)
    except TypeError as error:
        text += str(error)
    return (t * 3 + len(text) + ord(text[-1])) % 1000003


def members(i, t):
    item = (1, True, 1.0, "a", None, 2, b"a", Thing(2), float("nan"))[i // 8 % 9]
    found = (item in (2, "a", None)) + 2 * (item in (1, b"a", 3.0)) + 4 * (item not in ("a", "b")) + 8 * (item in ())
    word, number = ("push", "pop", "add", "p" + "op", "")[i % 5], i % 9
    found += 16 * (word in ("push", "pop")) + 32 * (word not in ("add", "sub", "")) + 64 * (word in ("mul",))
    if number in (1, 4, 1 << 70) or number in (7, 8):
        found += 128
    if number not in (2, 3, 5):
        found += 256
    found += 512 * (-(1 << 63) + number * (1 << 62) in (0, 1 << 62, -(1 << 63)))
    return (t * 3 + found) % 1000003


def comprehensions(i, t):
    made = {name: value for name, value in (("a", i), ("b", 2), ("a", 3))}
    lengths = {len(name) + i % 3: name for name in ("a", "bb", "cc")}
    things = {Thing(n % 2): n for n in range(i % 5)}
    nested = {n: {m: n + m for m in range(2)} for n in range(i % 3)}
    return (t + made["a"] + len(made) + len(lengths) + len(things) + sum(things.values()) + len(nested)) % 1000003


NAMES = {"a": 1, "b": 2}


def views(i, t):
    keys, values, items = NAMES.keys(), NAMES.values(), NAMES.items()
    NAMES["a"] = i
    NAMES[i % 3] = 4
    t += sum(values) + len(keys) + len(items) + ("a" in keys) + (("b", 2) in items)
    for name, value in items:
        if value == 4:
            t += 3
    try:
        for name in NAMES.keys():
            if i % 5 == 4:
                del NAMES["a"]
                NAMES["a"] = i
                NAMES[i] = 1
    except RuntimeError as error:
        t += len(str(error))
    NAMES.pop(i, None)
    return t % 1000003


NOTED = Noted((4, 5))


def subclasses(i, t):
    NOTED.append(i % 2)
    row = list(NOTED) + NOTED.copy() + NOTED[:]
    more = [1]
    more += NOTED
    more.extend(NOTED)
    NOTED.extend((1,))
    NOTED.insert(0, 2)
    del NOTED[-3:]
    return (t + sum(row) + sum(more) + len(NOTED)) % 1000003


class Finalized:
    ended = 0

    def __del__(self):
        Finalized.ended += 1


def finalizers(i, t):
    row = [Finalized(), i]
    copy = list(row)
    row.insert(1, 3)
    row.extend([copy[0]])
    copy += row
    del row[-2:]
    row.clear()
    copy[0] = copy[2] = 1
    before = Finalized.ended
    copy.pop()
    return (t + Finalized.ended - before + sum(map(int, [x for x in copy if type(x) is int]))) % 1000003


BODIES = (
    call_with_slice, slice_is_kept, two_names, grow, copies, sums, extremes, tuple_keys, formats, members, comprehensions, views,
    subclasses, finalizers,
)  # fmt: skip


def main():
    for body in BODIES:
        M.stack.clear()
        M.frames = []
        print(body.__name__, fold(body, 200, 0))
    print(M.other is M.stack, len(M.stack), Finalized.ended)
