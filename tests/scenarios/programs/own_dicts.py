"""Instances that keep their attributes in dicts of their own: many attributes, `vars`, exceptions, subclasses of builtins."""

import copy

from metatracer import dont_look_inside
from tests.scenarios.loops import each


class Machine:
    """The state of an interpreter: more attributes than CPython keeps inline."""

    _immutable_fields_ = ["limit?"]

    def __init__(self):
        for number in range(35):
            setattr(self, f"register{number}", number)
        self.stack = []
        self.count = 0
        self.limit = 10

    def push(self, value):
        self.stack.append(value)
        if len(self.stack) > self.limit:
            self.stack.clear()
        self.count += 1

    def step(self):
        self.register0 += 1
        return self.register34


class Scope(dict):
    def __init__(self, outer=None):
        super().__init__()
        self.outer = outer
        self.reads = 0

    def find(self, name):
        self.reads += 1
        return self if name in self else self.outer.find(name)


class Signal(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.value = value
        self.seen = 0


class Number(int):
    pass


class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def total(self):
        return self.x + self.y


def ignore(value):
    """In place of a method."""


def find_elsewhere(name):
    """In place of a method; a trace may keep it, and it keeps nothing."""
    return {name: 0}


def machine(i, state):
    things, log = state
    vm = things["machine"]
    vm.push(i)
    try:
        vm.count += vm.step()
    except TypeError as error:
        log.append(str(error))
    if i == 150:
        vm.limit = 3
    if i == 200:
        vm.push = ignore
    if i == 230:
        del vm.push
    if i == 250:
        vm.register34 = "x"
    if i == 255:
        vm.register34 = 2.5
    if i == 300:
        vars(vm).update({f"more{n}": n for n in range(200)})


def scopes(i, state):
    things, log = state
    scope = things["scope"]
    scope.find("x")["x"] = i
    if i % 90 == 5:
        things["scope"] = Scope(scope)
    if i == 333:
        scope.find = find_elsewhere
    log.append(scope.reads) if i % 50 == 0 else None


def signals(i, state):
    things, log = state
    try:
        raise things["signal"] if i % 3 else Signal(i)
    except Signal as signal:
        signal.seen += 1
        if signal.seen > 100:
            signal.extra = i
            things["signal"] = Signal(-1)
        things["sum"] += signal.value + signal.seen


def copies(i, state):
    things, log = state
    point = copy.copy(things["point"])
    point.x += 1
    point.y = point.total() % 1000
    things["point"] = point


def own_view(i, state):
    """The dict itself is read and written beside the attributes."""
    things, log = state
    point = things["seen"]
    view = point.__dict__
    point.x += 1
    view["y"] = view["x"] + point.y
    point.y %= 997
    if i % 100 == 50:
        view["z"] = i
        log.append((len(view), dict(view)))
        del view["z"]
    if i == 370:
        point.__dict__ = {"y": 1, "x": 2}


@dont_look_inside
def meddle(number, i):
    if i == 200:
        del number.size
        number.size = 1.5


def numbers(i, state):
    things, log = state
    number = things["number"]
    number.size += number
    meddle(number, i)
    if i % 99 == 0:
        things["number"] = Number(i)
        things["number"].size = 0


def main():
    top = Scope()
    top["x"] = 0
    seen, number = Point(1, 2), Number(5)
    vars(seen)
    number.size = 1
    things = {
        "machine": Machine(), "scope": Scope(top), "top": top, "signal": Signal(1), "sum": 0, "point": Point(1, 2),
        "seen": seen, "number": number,
    }  # fmt: skip
    for step in (machine, scopes, signals, copies, own_view, numbers):
        things, log = each(step, 400, (things, []))
        print(step.__name__, log)
    vm = things["machine"]
    print(vm.stack, vm.count, vm.register0, vm.limit, len(vars(vm)))
    print(top, things["scope"].reads, things["sum"], vars(things["signal"]), vars(things["point"]), vars(seen))
    print(things["number"], things["number"].size)
