"""Exceptions raised in inlined frames: caught above, in a bridge, in finally, chained, and with an else."""

from tests.scenarios.loops import each, fold


class Low(Exception):
    pass


class Lower(Low):
    def __init__(self, number):
        super().__init__(f"number {number}")
        self.number = number


def thrower(i):
    if i % 3 == 0:
        raise Lower(i)
    if i % 7 == 0:
        raise KeyError(i)
    return i


def middle(i):
    return thrower(i) + 1


def caught_above(i, total):
    try:
        total += middle(i)
    except Low as error:
        total += error.number * 2
    except KeyError as error:
        total -= error.args[0]
    else:
        total += 1
    return total


def in_finally(i, log):
    try:
        try:
            middle(i)
        finally:
            log[0] += 1
            try:
                thrower(i + 1)
            except Low:
                log[1] += 1
    except (Low, KeyError):
        log[2] += 1


def return_in_finally(i, total):
    try:
        middle(i)
    finally:
        return total + 1


def loop_control(i, total):
    for k in (1, 2, 3):
        try:
            if (i + k) % 3 == 0:
                continue
            if (i + k) % 5 == 0:
                break
            total += 1
        finally:
            total += 10
    else:
        total += 100
    return total


def chained(i, seen):
    try:
        try:
            thrower(i * 3)
        except Low as error:
            raise ValueError("outer") from error
    except ValueError as error:
        seen[0] += error.__cause__.number
    try:
        try:
            thrower(i * 3)
        except Low:
            thrower(i * 21 + 7 - 7 * (i % 3))
    except Low as error:
        seen[1] += error.__context__ is not None
    except KeyError as error:
        seen[2] += error.__context__.number


def reraised(i, total):
    try:
        try:
            middle(i)
        except Low:
            total += 1
            raise
    except Low as error:
        total += error.number
    except KeyError:
        pass
    return total


def error_name_is_unbound(i, total):
    try:
        thrower(0)
    except Low as error:
        total += error.number + 1
    try:
        error
    except UnboundLocalError:
        total += 1
    return total


def main():
    print(fold(caught_above, 700, 0))
    print(each(in_finally, 500, [0, 0, 0]))
    print(fold(return_in_finally, 500, 0))
    print(fold(loop_control, 500, 0))
    print(each(chained, 500, [0, 0, 0]))
    print(fold(reraised, 500, 0))
    print(fold(error_name_is_unbound, 500, 0))
