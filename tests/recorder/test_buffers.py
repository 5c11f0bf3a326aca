"""Numbers in bytes and bytearrays are loaded and stored by machine code."""

from __future__ import annotations

import struct

import pytest

from metatracer.recorder.buffers import items_of
from tests.recorder.recording import agrees, cases, check, recorded

WORD = struct.Struct("<I")
PAIR = struct.Struct(">hQ")
MEMORY = bytearray(range(256))
FIXED = bytes(range(255, -1, -1))


@recorded(3, bytearray(64))
def a_number_is_loaded(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {bytearray}
    i3 = bytearray_len(r1)
    b4 = int_le(0, i2)
    guard_true(b4)
    i5 = int_sub(i3, 4)
    b6 = int_le(i2, i5)
    guard_true(b6)
    i7 = bytearray_load(r1, i2) {'<I'}
    ...
    ! call
    """
    return WORD.unpack_from(b, a)[0]


@recorded(3, bytes(64))
def several_numbers_are_loaded(a, b):
    """
    ...
    i7 = bytes_load(r1, i2) {'>h'}
    i8 = int_add(i2, 2)
    i9 = bytes_load(r1, i8) {'>Q'}
    ...
    r12 = new_tuple(r11, r10)
    ...
    ! call
    """
    x, y = PAIR.unpack_from(b, a)
    return x + (y & 255)


@recorded(3, bytearray(64))
def a_number_is_stored(a, b):
    """
    ...
    b7 = uint_lt(i2, 4294967296)
    guard_true(b7)
    bytearray_store(r1, i2, i2) {'<I'}
    jump(r0, r1)
    """
    WORD.pack_into(b, a, a)
    return a


@recorded(3, bytes(8))
def a_whole_buffer_is_a_number(a, b):
    """
    guard_type(r1) {bytes}
    i2 = bytes_len(r1)
    guard_int_value(i2) {8}
    i3 = bytes_load(r1, 0) {'>Q'}
    r4 = uint_box(i3)
    jump(r4, r1)
    """
    return int.from_bytes(b, "big")


@recorded(3, bytearray(64))
def a_slice_is_a_number(a, b):
    """
    ...
    i4 = int_sub(i3, i2)
    guard_int_value(i4) {4}
    ...
    i9 = bytearray_load(r1, i2) {'<I'}
    ...
    ! call
    """
    return int.from_bytes(b[a : a + 4], "little")


@recorded(3, bytearray(64))
def a_slice_that_is_used_otherwise_is_made(a, b):
    """
    ...
    r5 = call_c_r(r0, r4, None) {new_slice}
    ...
    """
    return len(b[a : a + 4])


@recorded(3, bytearray(8))
def floats_are_left_to_cpython(a, b):
    """
    ...
    r2 = call(unpack_from, '<d', r1)
    ...
    """
    return struct.unpack_from("<d", b)[0]


@pytest.mark.parametrize("step", cases(globals()), ids=lambda step: step.__name__)
def test_recorded(step):
    check(step)


def test_formats():
    assert items_of("<IhQ") == ((0, "<I"), (4, "<h"), (6, "<Q"))
    assert items_of(b">2B") == ((0, ">B"), (1, ">B"))
    assert items_of("!l") == ((0, ">i"),)
    assert items_of("L") == ((0, f"<{'Q' if struct.calcsize('L') == 8 else 'I'}"),)
    for unknown in ("", "<", "II", "<d", "<4s", "<Ix", "<99B", "@hI", "<0I", "n", "< I"):
        assert items_of(unknown) is None, unknown


def all_formats(a, b):
    at = a % 200
    total = 0
    for code in "bBhHiIlLqQ":
        for order in "<>":
            total ^= FORMATS[order + code].unpack_from(b, at)[0] ^ FORMATS[order + code].unpack_from(FIXED, at)[0]
    return (a * 31 + total) % 2**61


FORMATS = {order + code: struct.Struct(order + code) for order in "<>" for code in "bBhHiIlLqQ"}


def stores(a, b):
    at = a % 200
    struct.pack_into("<q", b, at, a - 2**62)
    struct.pack_into(">Q", b, at + 3, (a * 0xD1342543DE82EF95) & (2**64 - 1))
    struct.pack_into("<bHi", b, at + 9, a % 256 - 128, a % 65536, -(a % 2**31))
    b[at] ^= 5
    return (a * 7 + struct.unpack_from(">q", b, at + 1)[0] + struct.unpack_from("<Q", b, at)[0] + b[at + 2]) % 2**62


def out_of_bounds(a, b):
    try:
        return a + struct.unpack_from("<I", b, a * 40)[0] % 3 + 1
    except struct.error as error:
        return len(str(error)) % 5


def too_large(a, b):
    try:
        struct.pack_into("<H", b, 3, a * 900)
        return a + 1
    except struct.error:
        return 3


def from_the_end(a, b):
    return (a + struct.unpack_from("<I", b, -4 - a % 3)[0]) % 1000003


def whole(a, b):
    at = a % 100
    b[at] = a & 255
    return (a + int.from_bytes(b[at : at + 4], "little") + int.from_bytes(FIXED[at : at + 8], "big") * 3
            + int.from_bytes(b[at : at + 3], "little") + struct.unpack("<I", b[at : at + 4])[0]) % 2**60  # fmt: skip


def slices(a, b):
    at = a % 300
    b[a % 256] = a & 255
    total = int.from_bytes(b[at : at + 4], "big") + int.from_bytes(FIXED[at % 8 :][: a % 9], "little")
    total += int.from_bytes(b[a % 7 : a % 11], "little") + int.from_bytes(b[-4:-2], "little") + int.from_bytes(b[at : at + 2])
    if a % 3 == 1:
        total += int.from_bytes(b[at : at + 4], "little", signed=True)
    return (a * 3 + total) % 2**60


def mistakes(a, b):
    found = 0
    for order in ("little", "big", "middle", 3):
        try:
            found += int.from_bytes(b[a % 5 : a % 5 + 4], order)
        except (TypeError, ValueError) as error:
            found += len(str(error))
    return (a + found) % 1000003


def changes_length(a, b):
    if a % 5 == 3 and len(b) < 300:
        b.append(a & 255)
    return (a + struct.unpack_from("<H", b, len(b) - 2)[0]) % 65537


@pytest.mark.parametrize(
    "step",
    [all_formats, stores, out_of_bounds, too_large, from_the_end, whole, slices, mistakes, changes_length],
    ids=lambda step: step.__name__,
)
def test_same_as_plain(step):
    agrees(step, 1, bytearray(MEMORY))
