"""One object under two names, and attributes, classes, cells and lists that change behind a trace's back."""

from tests.scenarios.loops import each, fold


class Counter:
    count = 0

    def __init__(self, x):
        self.x = x

    def name(self):
        return 1


class Other(Counter):
    count = 1000

    def name(self):
        return 2


class Loose:
    def __init__(self, a):
        self.a = a

    def __getattr__(self, name):
        return len(name)


class Slotted:
    __slots__ = ("left", "right")

    def __init__(self, left, right):
        self.left = left
        self.right = right


class OtherSlotted:
    __slots__ = ("left", "right")

    def sum(self):
        return self.left * self.right


def shadows(i, total):
    a = Counter(i)
    b = a if i % 7 == 3 else Counter(i)
    before = a.count
    b.count = i
    return total + before + a.count + b.count


KEPT = [Counter(0), Counter(1)]


def fields(i, total):
    a = KEPT[0]
    b = KEPT[i % 2] if i % 5 else KEPT[0]
    a.x = i
    b.x = i + 1
    total += a.x
    b.x += a.x
    return total + a.x * 2 + b.x


def lists(i, total):
    a = [i, i + 1, i + 2]
    b = a if i % 3 == 2 else [5, 6, 7]
    first = a[1]
    b[1] = 100
    b.append(first)
    total += a[1] + len(a)
    b.pop()
    b.pop()
    return total + a[-1] + len(a)


def set_class(obj, cls):
    obj.__class__ = cls


def classes(i, total):
    a = Counter(i)
    total += a.name() + a.count
    if i % 4 == 1:
        a.__class__ = Other
    total += a.name() * 10 + a.count
    return total


def classes_in_call(i, total):
    a = Counter(i)
    total += a.name() + a.x
    sorted([1], key=lambda _: set_class(a, Other if i % 4 == 2 else Counter) or 0)
    total += a.name() * 10 + a.count + a.x
    return total


ESCAPED = [Counter(0), Counter(5)]


def classes_of_kept(i, total):
    a = ESCAPED[i % 2]
    total += a.name() + a.count
    ESCAPED[0].__class__ = Other if i % 3 == 0 else Counter
    return total + a.name() + a.count + a.x


def dicts(i, total):
    a = Counter(i)
    total += a.x
    vars(a)["x"] = 7
    total += a.x
    a.__dict__["count"] = 3
    total += a.count
    a.y = i
    a.__dict__ = {"x": 50}
    return total + a.x + a.count + getattr(a, "y", 1)


def deletes(i, total):
    a = Counter(i)
    a.count = 5
    total += a.count
    if i % 2:
        del a.count
    total += a.count
    setattr(a, "count", 9)
    delattr(a, "x")
    return total + a.count + hasattr(a, "x")


def missing(i, total):
    a = Loose(i)
    total += a.a + a.bcd
    a.bcd = 10
    total += a.bcd
    del a.bcd
    return total + a.bcd


def slots(i, total):
    a = Slotted(i, 2)
    total += a.left * a.right
    if i % 3 == 0:
        del a.left
    try:
        total += a.left
    except AttributeError:
        a.left = 1
    a.__class__ = OtherSlotted
    return total + a.sum()


def cells(i, total):
    n = i

    def bump(k):
        nonlocal n
        n += k
        return k

    sorted([3, 1, 2], key=bump)
    total += n
    bump(10)
    return total + n


def changes_list(i, total):
    items = [1, 2, 3]

    def shrink(value):
        if i % 2:
            items.clear()
        return value

    total += items[2]
    max([4, 5], key=shrink)
    try:
        total += items[2]
    except IndexError as error:
        total += len(str(error))
    return total


class Index:
    def __init__(self, items):
        self.items = items

    def __index__(self):
        self.items.append(1)
        return -1


def index_method(i, total):
    items = [i, 20]
    total += items[Index(items)]
    items[Index(items)] = 50
    return total + sum(items) + len(items)


def class_counter(i, total):
    Counter.made = getattr(Counter, "made", 0) + 1
    return total + Counter.made


def main():
    for step in (
        shadows, fields, lists, classes, classes_in_call, classes_of_kept, dicts, deletes, missing, slots, cells,
        changes_list, index_method, class_counter,
    ):  # fmt: skip
        print(step.__name__, fold(step, 150, 0))
    KEPT[0].x = KEPT[1].x = 0
    print(each(lambda i, log: log.append(fields(i, 1)) or (log.clear() if len(log) > 5 else None), 100, []))
