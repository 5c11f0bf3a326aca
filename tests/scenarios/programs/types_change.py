"""A variable that has one type for a long time, and then another."""

from tests.scenarios.loops import each, fold


class A:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def next(self):
        return B(self.value + 1)


class B:
    __slots__ = ("other", "value")

    def __init__(self, value):
        self.value = value

    def next(self):
        return A(self.value * 2 % 1009)


def add(i, value):
    if i == 250:
        return float(value)
    if i == 350:
        return str(value)
    return value + ("x" if isinstance(value, str) else 1)


def alternates(i, value):
    return value.next()


def none_for_a_while(i, value):
    if value is None:
        return i if i % 50 == 0 else None
    return None if i % 90 == 0 else value + 1


def slot_unset(i, log):
    b = B(i)
    if i % 3:
        b.other = i
    try:
        log[0] += b.other
    except AttributeError as error:
        log[1] = str(error)


def identity(i, log):
    a = i + 100000
    b = i + 100000
    c = a
    log[0] = (a == b, c is a, a is not None, (a, b)[0] is a)
    x = i * 0.5
    y = x
    log[1] = (x is y, x == y, [x][0] is x)
    small = i % 10
    log[2] = small is (i + 10) % 10


def messages(i, log):
    try:
        if i % 6 == 0:
            i.missing
        elif i % 6 == 1:
            "x" + i
        elif i % 6 == 2:
            unknown_name
        elif i % 6 == 3:
            add(1)
        elif i % 6 == 4:
            a, b = (1, 2, 3)
        else:
            [][i]
    except Exception as error:
        log[i % 6] = f"{type(error).__name__}: {error}"


def unbound(i, value):
    if i % 2:
        late = 1
    try:
        return value + late
    except UnboundLocalError as error:
        return value + len(str(error))


def main():
    print(fold(add, 400, 0))
    print(fold(alternates, 501, A(3)).value)
    print(fold(none_for_a_while, 500, None))
    print(each(slot_unset, 300, [0, 0]))
    print(each(identity, 300, [0, 0, 0]))
    print(each(messages, 300, [0] * 6))
    print(fold(unbound, 300, 0))
