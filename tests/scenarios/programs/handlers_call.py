"""Handlers of exceptions that need not exist call setters, operators and initializers, after whose return more is to be done."""

import sys

from tests.scenarios.loops import fold


class Error(Exception):
    def __init__(self, value, *, write=False):
        super().__init__(value)
        self.value = value
        self.write = write


class Register:
    def __init__(self, value):
        self.cells = {"low": value, "high": 0}

    @property
    def low(self):
        return self.cells["low"]

    @low.setter
    def low(self, value):
        self.cells["low"] = value & 0xFFFF

    def __setitem__(self, name, value):
        self.cells[name] = value % 1009

    def __contains__(self, value):
        return value in self.cells.values()

    def __add__(self, other):
        if type(other) is not int:
            return NotImplemented
        return self.cells["low"] + other

    def __eq__(self, other):
        return NotImplemented if other.low % 3 else self.low == other.low

    def __lt__(self, other):
        return self.low < other.low

    __hash__ = None


class Other:
    def __init__(self, low):
        self.low = low

    def __radd__(self, other):
        return other.cells["high"] + self.low


class Counted:
    ended = 0

    def __init__(self, value):
        self.value = value

    def __del__(self):
        Counted.ended += self.value + (sys.exc_info()[0] is Error)


REGISTER = Register(3)
OTHER = Other(6)


def fails(i):
    if i % 3 != 1:
        raise Error(i % 300, write=i % 2 == 0)
    return i


def sets(i, total):
    try:
        total += fails(i)
    except Error as error:
        total += error.value if error.write else 1
        REGISTER.low = error.value
    return total + REGISTER.low


def sets_item(i, total):
    try:
        total += fails(i)
    except Error as error:
        REGISTER["high"] = error.value
    return total + REGISTER.cells["high"]


def adds(i, total):
    try:
        total += fails(i)
    except Error as error:
        total += REGISTER + error.value
    return total


def adds_reflected(i, total):
    try:
        total += fails(i)
    except Error as error:
        total += REGISTER + (OTHER if error.write else error.value)
    return total


def compares(i, total):
    try:
        total += fails(i)
    except Error as error:
        OTHER.low = error.value
        if REGISTER == OTHER:
            total += 1
        elif REGISTER < OTHER:
            total += 2
    return total


def contains(i, total):
    try:
        total += fails(i)
    except Error as error:
        if error.value in REGISTER:
            total += 1
    return total


def makes(i, total):
    try:
        total += fails(i)
    except Error as error:
        made = Other(error.value)
        total += made.low
    return total


def lets_go(value):
    counted = Counted(value)
    return counted.value + 1


def ends(i, total):
    try:
        total += fails(i)
    except Error as error:
        total += lets_go(error.value)
        total += Counted.ended % 7
    return total


def adds_twice(i, total):
    try:
        total += fails(i)
    except Error as error:
        try:
            total += REGISTER + (OTHER if error.write else None)
        except TypeError as inner:
            total += inner.__context__ is error
    return total


def main():
    bodies = (sets, sets_item, adds, adds_reflected, compares, contains, makes, ends, adds_twice)
    for body in bodies:
        print(body.__name__, fold(body, 240, 0), REGISTER.cells, OTHER.low, Counted.ended, sys.exc_info())
