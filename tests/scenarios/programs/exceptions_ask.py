"""What handlers ask of exceptions that need not be made: their arguments, and the end of an iterator."""

import traceback

from tests.scenarios.loops import each, fold


class Stop(Exception):
    pass


class Told(Stop):
    def __init__(self, place, *values):
        super().__init__(*values, place)
        self.place = place


class Own(Exception):
    args = ("own",)


class Shown(Exception):
    @property
    def args(self):
        return (self.number, "shown")

    def __init__(self, number):
        self.number = number


class Numbers:
    def __init__(self, n):
        self.n = n
        self.k = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.k += 1
        if self.k > self.n:
            raise StopIteration
        return self.k


class Saying(Numbers):
    def __next__(self):
        self.k += 1
        if self.k > self.n:
            raise StopIteration(self.k)
        return self.k


def thrown(i):
    if i % 7 == 0:
        raise Own(i)
    if i % 7 == 1:
        raise Shown(i)
    if i % 7 == 2:
        raise Told(i, "a", i + 1)
    if i % 7 == 3:
        raise Stop
    if i % 7 == 4:
        raise Stop(i, (i, "x"))
    if i % 7 == 5:
        raise KeyError(i)
    return i


def arguments(i, total):
    try:
        return total + thrown(i)
    except Told as told:
        first, *rest = told.args
        return total + len(first) + sum(rest) + told.place
    except Stop as stop:
        return total + (stop.args[0] + stop.args[1][0] if stop.args else len(stop.args) - 3)
    except KeyError as error:
        return total + error.args[0] + len(str(error))
    except Exception as error:
        return total + len(error.args) + len(repr(error.args))


def changed(i, state):
    try:
        thrown(i % 3 + 2)
    except Stop as error:
        state.append(error.args is error.args)
        error.args = (*error.args, i)
        state.append(error.args)
        error.__init__(5)
        state.append((error.args, str(error)))
    if len(state) > 9:
        del state[:-4]


class State:
    pass


def ended(i, state):
    try:
        state.total += next(state.source)
    except StopIteration as end:
        state.total += 100 if end.value is None else end.value
        state.total += len(end.args)
        state.source = (Numbers if i % 2 else Saying)(i % 5)
    state.total &= 0xFFFFF


def ends():
    state = State()
    state.source, state.total = Numbers(3), 0
    each(ended, 300, state)
    print(state.total)


def gives(n):
    for k in range(n):
        yield k
    if n % 2:
        return n


def generated(i, state):
    try:
        state.total += next(state.source)
    except StopIteration as end:
        if end.value is None:
            state.total += 3
        state.last = end if i % 3 else (end.value, end.args, end.__context__, end.__cause__)
        state.source = gives(i % 4)


def generates():
    state = State()
    state.source, state.total, state.last = gives(3), 0, None
    each(generated, 300, state)
    print(state.total, repr(state.last))


def told(error):
    places = [(entry.name, entry.lineno) for entry in traceback.extract_tb(error.__traceback__)]
    chain = error.__context__
    return type(error).__name__, error.args, getattr(error, "value", 0), places, chain and told(chain)


def passed_on(i, log):
    """It leaves frames, is raised again, becomes a context, and what a generator makes of it."""
    source = Numbers(i % 3)
    try:
        try:
            next(source)
            next(source)
        except StopIteration as end:
            if i % 4 == 0:
                raise
            if i % 4 == 1:
                raise Stop(len(end.args)) from None
            if i % 4 == 2:
                raise Told(i, end.value)
            next(iter(leaks(source)))
    except Exception as error:
        log.append(told(error))
    if len(log) > 12:
        del log[:-5]


def leaks(source):
    if source.n < 9:
        raise StopIteration
    yield 1


def filled(i, total):
    """Numbers that are consumed whole, by loops and by builtins."""
    for k in Numbers(i % 4):
        total += k
    return (total + sum(Numbers(i % 3)) + len(list(Saying(2)))) & 0xFFFFF


def main():
    print(fold(arguments, 500, 0))
    print(each(changed, 200, []))
    ends()
    generates()
    print(each(passed_on, 200, []))
    print(fold(filled, 200, 0))
