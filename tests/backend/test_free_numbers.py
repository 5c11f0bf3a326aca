"""Numbers made and freed by machine code: as CPython makes and frees them."""

from __future__ import annotations

import ctypes
import math
import sys

import pytest

from metatracer.backend import support
from metatracer.backend.layout import layout
from tests.backend.machine import free

_release = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(support.function_address("release"))
box_int = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_int64)(support.function_address("box_int"))
box_float = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_double)(support.function_address("box_float"))

EDGES = [257, 2**30 - 1, 2**30, 2**30 + 1, 3 << 40, 2**60 - 1, 2**60, 2**63 - 1]
INTS = [*range(-6, 258), *EDGES, *[-value for value in EDGES], -(2**63)]
FLOATS = [0.0, -0.0, 1.5, -math.pi, math.inf, -math.inf, 5e-324, 1.7976931348623157e308]


def is_shared(value):
    return isinstance(value, int) and layout().small_int_min <= value <= layout().small_int_max


@pytest.mark.parametrize("order", [1, -1])
def test_numbers_are_made_in_freed_memory(order):
    boxes = [(box_int, value) for value in INTS] + [(box_float, value) for value in FLOATS]
    for _ in range(3):  # each kind gets memory of the other lengths and signs
        made = [box(value) for box, value in boxes[::order]]
        for number, (_, value) in zip(made, boxes[::order], strict=True):
            assert type(number) is type(value)
            assert repr(number) == repr(value)
            assert hash(number) == hash(value)
            assert number + number == value + value
            assert sys.getsizeof(number) == sys.getsizeof(value)
            if is_shared(value):
                assert number is int(str(value))
        del number, value
        while made:
            holder = [made.pop()]
            if not is_shared(holder[0]):
                free(holder)


def test_nan_is_made():
    assert math.isnan(box_float(math.nan))


def test_numbers_of_the_interpreter_are_freed_into_the_lists():
    for text in ["1000", str(2**40), str(-(2**59)), str(2**90)] * 3:
        holder = [int(text)]
        free(holder)
        assert str(box_int(-12345)) == "-12345"
    for _ in range(3):
        holder = [float("2.5")]
        free(holder)
        assert box_float(7.25) == 7.25


def test_what_is_freed_is_kept_up_to_a_limit():
    made = [box_int(1000 + number) for number in range(5000)]
    blocks = sys.getallocatedblocks()
    while made:
        free([made.pop()])
    assert blocks - sys.getallocatedblocks() > 2500  # no more than 2000 are kept
    made = [box_int(10**6 + number) for number in range(5000)]
    assert made == list(range(10**6, 10**6 + 5000))


def test_release_gives_a_reference_up():
    _release(None)
    item = object()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
    references = sys.getrefcount(item)
    _release(id(item))
    assert sys.getrefcount(item) == references - 1
    holder = [box_int(10**15)]
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(holder[0]))
    address = id(holder.pop())
    _release(address)
    assert id(box_int(10**16)) == address
    if layout().has_immortal:
        shared = sys.getrefcount(1)
        _release(id(1))
        assert sys.getrefcount(1) == shared
