"""The lines of a traceback, wherever the exception was raised; the last one leaves the program."""

import traceback

from metatracer import dont_look_inside
from tests.scenarios.loops import each, fold


def leaf(i, limit):
    if i == limit:
        raise ValueError(f"at {i}")
    return i


def branch(i, limit):
    total = 0
    for k in (1,
              2):
        total += leaf(
            i, limit
        )
    return total + k


def stays(i, limit):
    branch(i, limit)
    return limit


def divides(i, value):
    x = (value
         + 1)
    return (x //
            (i - 350)) + 2


def sometimes(i, value):
    if i % 10 == 9:
        try:
            leaf(i, i)
        except ValueError as error:
            return value + sum(frame.lineno for frame in traceback.extract_tb(error.__traceback__))
    return value


@dont_look_inside
def called(i):
    raise LookupError(i)


def calls(i, log):
    try:
        called(i)
    except LookupError as error:
        log[0] = describe(error)


def with_context(i, log):
    try:
        try:
            leaf(i, i)
        finally:
            leaf(i, i)
    except ValueError as error:
        log[0] = describe(error) + describe(error.__context__)


def rethrown(i, log):
    error = log[1]
    try:
        raise error
    except ValueError:
        log[0] = len(traceback.extract_tb(error.__traceback__))
        error.__traceback__ = None


def describe(error):
    return [(frame.name, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]


def show(function, *arguments):
    try:
        function(*arguments)
    except (ValueError, ZeroDivisionError) as error:
        print(type(error).__name__, error, describe(error))


def main():
    show(fold, stays, 500, 420)
    show(fold, stays, 500, 3)
    show(fold, divides, 500, 0)
    print(fold(sometimes, 500, 0))
    print(each(calls, 300, [0])[0])
    print(each(with_context, 300, [0])[0])
    print(each(rethrown, 300, [0, ValueError("kept")])[0])
    fold(stays, 600, 555)
