"""Memories of emulators: numbers of all sizes in bytes and bytearrays, by `struct` and by `int.from_bytes`, in and out of bounds."""

import struct

from tests.scenarios.loops import fold

M = 0xFFFFFFFFFFFFFFFF
WORD, LONG, SIGNED, MIXED = struct.Struct("<I"), struct.Struct("<Q"), struct.Struct(">h"), struct.Struct("<BhIq")
ROM = bytes((i * 7 + 3) & 255 for i in range(128))


class Memory:
    def __init__(self, size):
        self.data = bytearray(size)

    def load32(self, at):
        return WORD.unpack_from(self.data, at)[0]

    def load64(self, at):
        return int.from_bytes(self.data[at : at + 8], "little")

    def store32(self, at, value):
        WORD.pack_into(self.data, at, value & 0xFFFFFFFF)

    def store64(self, at, value):
        LONG.pack_into(self.data, at, value & M)

    def store8(self, at, value):
        self.data[at] = value & 255


MEMORY = Memory(256)


def copies(i, x):
    at = (i * 5) % 240
    MEMORY.store64(at, x)
    MEMORY.store8(at + 3, i)
    MEMORY.store32(at + 4, MEMORY.load32(at) ^ i)
    return (x * 31 + MEMORY.load64(at)) & M


def reads_rom(i, x):
    at = i % 120
    value = int.from_bytes(ROM[at : at + 4], "big") - SIGNED.unpack_from(ROM, at)[0]
    return (x * 3 + value + int.from_bytes(ROM[at : at + 2])) & M


def mixed(i, x):
    MIXED.pack_into(MEMORY.data, i % 200, i & 255, i % 1000 - 500, x & 0xFFFFFFFF, (x >> 1) - (1 << 62))
    a, b, c, d = MIXED.unpack_from(MEMORY.data, i % 200)
    return (x + a * b + c - d) & M


def faults(i, x):
    at = i % 260
    try:
        return (x + MEMORY.load32(at)) & M
    except struct.error as error:
        return (x + len(str(error))) & M


def overflows(i, x):
    try:
        struct.pack_into("<H", MEMORY.data, 8, i * 300)
    except struct.error:
        return x ^ 1
    return (x * 5 + MEMORY.data[8] + MEMORY.data[9]) & M


def grows(i, x):
    data = MEMORY.data
    if i % 50 == 17:
        data.extend(b"abcd")
    elif i % 50 == 40:
        del data[-4:]
    return (x + int.from_bytes(data[len(data) - 4 : len(data)], "little")) & M


def kinds(i, x):
    source = (ROM, MEMORY.data, memoryview(ROM))[i % 3 if i % 20 > 14 else 0]
    return (x + struct.unpack_from("<I", source, i % 100)[0] + int.from_bytes(source[i % 100 : i % 100 + 4], "little")) & M


def main():
    for body in (copies, reads_rom, mixed, faults, overflows, grows, kinds):
        print(body.__name__, fold(body, 400, 88172645463325252), MEMORY.data.hex()[:80])
