"""Finalizers that change what a trace has in registers: they see what was stored before, and their changes are seen behind."""

from tests.scenarios.loops import each


class Machine:
    def __init__(self):
        self.steps = 0
        self.other = 0
        self.slot = None
        self.list = [None]
        self.log = []


class Counting:
    def __init__(self, machine):
        self.machine = machine

    def __del__(self):
        self.machine.steps += 1
        self.machine.log.append("end")


class Slotted(Counting):
    __slots__ = ("extra",)


class Box:
    def __init__(self, content):
        self.content = content


def temporary(i, machine):
    machine.steps += 1
    Counting(machine)
    machine.steps += 1


def local(i, machine):
    counting = Counting(machine)
    machine.steps += 1
    machine.log.append("before")
    counting = None
    machine.log.append("behind")
    machine.steps += 1


def deleted(i, machine):
    counting = Counting(machine)
    machine.steps += 1
    machine.log.append("before")
    del counting
    machine.log.append("behind")
    machine.steps += 1


def callee(machine):
    counting = Slotted(machine)
    machine.steps += 1
    machine.log.append("in callee")
    return counting.machine.other


def called(i, machine):
    machine.steps += callee(machine)
    machine.log.append("behind")
    machine.steps += 1


def argument(counting, machine):
    machine.steps += 1
    machine.log.append("in callee")


def passed(i, machine):
    argument(Counting(machine), machine)
    machine.log.append("behind")
    machine.steps += 1


def stored(i, machine):
    machine.steps += 1
    machine.slot = Counting(machine)
    machine.steps += 1


def exchanged(i, machine):
    machine.slot, old = Counting(machine), machine.slot
    machine.steps += 1
    machine.log.append("exchanged")
    return old is None


def item(i, machine):
    machine.steps += 1
    machine.list[0] = Counting(machine)
    machine.steps += 1


def boxed(i, machine):
    machine.steps += 1
    machine.slot = Box(Counting(machine))
    machine.steps += 1


def in_tuple(i, machine):
    machine.steps += 1
    pair = (Counting(machine), i)
    machine.steps += 1
    del pair
    machine.steps += 1


def captured(i, machine):
    counting = Counting(machine)
    get = lambda: counting
    machine.steps += 1
    del get
    machine.steps += 1
    counting = 1
    machine.steps += 1


def generate(machine):
    try:
        yield 1
        yield 2
    finally:
        machine.steps += 1
        machine.log.append("end of generator")


def suspended(i, machine):
    generator = generate(machine)
    machine.other += next(generator)
    machine.steps += 1
    machine.log.append("before")
    generator = None
    machine.log.append("behind")
    machine.steps += 1


def main():
    steps = (
        temporary, local, deleted, called, passed, stored, exchanged, item, boxed, in_tuple, captured, suspended
    )  # fmt: skip
    for step in steps:
        machine = Machine()
        machine.slot = Counting(machine)
        each(step, 90, machine)
        print(step.__name__, machine.steps, machine.other, len(machine.log), machine.log[-7:], machine.log[:7])
        counts = {}
        for first, second in zip(machine.log, machine.log[1:]):
            counts[first, second] = counts.get((first, second), 0) + 1
        print(sorted(counts.items()))
        machine.slot = machine.list = None
