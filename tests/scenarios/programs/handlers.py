"""What handlers of exceptions that need not exist do: compute, store, call, fail, and look at what is handled."""

import sys
import traceback

from metatracer import dont_look_inside
from tests.scenarios.loops import fold


class Return(Exception):
    def __init__(self, value):
        self.value = value


class Stop(Exception):
    pass


class Interpreter:
    __slots__ = ("depth", "environment", "log")

    def __init__(self):
        self.environment = None
        self.depth = 0
        self.log = [0, 0, 0]


INTERPRETER = Interpreter()


def leaves(i):
    if i % 3 != 1:
        raise Return(i % 7)
    return 1


def block(i, environment):
    previous = INTERPRETER.environment
    try:
        INTERPRETER.environment = environment
        INTERPRETER.depth += 1
        return leaves(i)
    finally:
        INTERPRETER.environment = previous
        INTERPRETER.depth -= 1


def adds(i, total):
    try:
        total += leaves(i)
    except Return as result:
        total += result.value
    return total


def restores(i, total):
    try:
        total += block(i, i)
    except Return as result:
        total = total + result.value * 2
    assert INTERPRETER.environment is None
    assert INTERPRETER.depth == 0
    return total


def stores(i, total):
    try:
        leaves(i)
    except Return as result:
        INTERPRETER.log[i % 3] += result.value
        INTERPRETER.log[0] = INTERPRETER.log[0] % 1009
    return total + sum(INTERPRETER.log)


def changes_type(i, total):
    try:
        raise Return(i if i % 11 else i + 0.5)
    except Return as result:
        total += result.value
        if i % 11 == 5:
            total = float(total)
        elif i % 11 == 9:
            total = int(total)
    return total


def overflows(i, total):
    try:
        raise Return(1 << (i % 70))
    except Return as result:
        grown = result.value + (1 << 62)
        total ^= grown * 3
    return total % (1 << 61)


def helper(value):
    error = sys.exception() if sys.version_info >= (3, 11) else sys.exc_info()[1]
    return value + len(type(error).__name__)


@dont_look_inside
def looks():
    kind, error, trace = sys.exc_info()
    return kind.__name__, error.args, [entry.name for entry in traceback.extract_tb(trace)], error.__context__


def sees(i, total):
    try:
        raise Return(i)
    except Return as result:
        kept = result.value + 1
        seen = helper(kept)
        if i % 5 == 3:
            kind, args, names, context = looks()
            seen += len(kind) + len(args) + len(names) + (context is None)
    return total + seen + (sys.exc_info()[1] is None)


def nested(i, total):
    try:
        try:
            raise Stop
        finally:
            total += 1
            try:
                leaves(i)
            except Return as inner:
                total += inner.value
                if i % 4 == 3:
                    total += len(looks()[0])
                if i % 9 == 4:
                    total += inner.__context__ is not None
            total += i % 2
    except Stop:
        total += 2 if sys.exc_info()[0] is Stop else 100
    return total


def fails(i, total):
    try:
        try:
            raise Return(i if i % 6 else "text")
        except Return as result:
            total = total + result.value
    except TypeError as error:
        context = error.__context__
        total += len(str(error)) + context.args.count("text") + len(traceback.extract_tb(context.__traceback__))
    return total


def divides(i, total):
    try:
        try:
            raise Return(i % 4)
        except Return as result:
            total += 100 // result.value
    except ZeroDivisionError as error:
        total += 7 if type(error.__context__) is Return else 1000
    return total


def raises_again(i, total):
    try:
        try:
            leaves(i)
        except Return as result:
            total += result.value
            if result.value > 3:
                raise
            if result.value == 2:
                raise Stop from result
    except Return as again:
        total += again.value + len(traceback.extract_tb(again.__traceback__))
    except Stop as stop:
        total += stop.__cause__.value
    return total


def loops_inside(i, total):
    try:
        raise Return(i % 5)
    except Return as result:
        for k in range(result.value):
            total += k
        parts = [result.value, i]
        parts.append(total)
        total = parts[-1] + len(parts)
    return total


def main():
    bodies = (
        adds, restores, stores, changes_type, overflows, sees, nested, fails, divides, raises_again, loops_inside,
    )  # fmt: skip
    for body in bodies:
        print(body.__name__, fold(body, 240, 0), INTERPRETER.log, sys.exc_info())
