"""Sets of bytes in patterns: character classes and sets in brackets, as tables of 256 zeros and ones."""

from __future__ import annotations

import string
from functools import lru_cache

Membership = bytes  # 256 of them, 1 for the members


def _table(members: bytes | set[int]) -> Membership:
    table = bytearray(256)
    for byte in members:
        table[byte] = 1
    return bytes(table)


def complement(table: Membership) -> Membership:
    """Return the set of all other bytes."""
    return bytes(1 - bit for bit in table)


_CLASSES = {
    "a": string.ascii_letters.encode(),
    "c": bytes([*range(32), 127]),
    "d": string.digits.encode(),
    "g": bytes(range(33, 127)),
    "l": string.ascii_lowercase.encode(),
    "p": string.punctuation.encode(),
    "s": b" \t\n\v\f\r",
    "u": string.ascii_uppercase.encode(),
    "w": (string.ascii_letters + string.digits).encode(),
    "x": string.hexdigits.encode(),
    "z": b"\0",  # not in the manual any more, but in PUC Lua
}
_CLASS_TABLES = {ord(letter): _table(members) for letter, members in _CLASSES.items()} | {
    ord(letter.upper()): complement(_table(members)) for letter, members in _CLASSES.items()
}
_LITERALS = [_table(bytes([byte])) for byte in range(256)]


def literal_table(byte: int) -> Membership:
    """Return the set of one byte."""
    return _LITERALS[byte]


def class_table(letter: int) -> Membership:
    """Return the members of `%letter`: a class, or the character itself."""
    return _CLASS_TABLES.get(letter) or _LITERALS[letter]


@lru_cache(maxsize=256)
def set_table(inner: bytes) -> Membership:
    """Return the members of a set, given what stands between its brackets."""
    table = bytearray(256)
    negated = inner[:1] == b"^"
    index = 1 if negated else 0
    while index < len(inner):
        byte = inner[index]
        if byte == 37:
            # In `[a-%%]` the first percent sign ends a range, and the second one escapes the closing bracket, as PUC has it.
            letter = inner[index + 1] if index + 1 < len(inner) else 93
            for member, bit in enumerate(class_table(letter)):
                table[member] |= bit
            index += 2
        elif inner[index + 1 : index + 2] == b"-" and index + 2 < len(inner):
            for member in range(byte, inner[index + 2] + 1):
                table[member] = 1
            index += 3
        else:
            table[byte] = 1
            index += 1
    return complement(bytes(table)) if negated else bytes(table)


@lru_cache(maxsize=256)
def regex_of(table: Membership) -> bytes:
    """Return the regular expression (with `re.DOTALL`) for one byte of a set."""
    count = table.count(1)
    if count == 256:
        return b"."
    if count == 1:
        return _escaped(table.index(1))
    negated = count > 128
    wanted = 0 if negated else 1
    ranges: list[bytes] = []
    byte = table.find(wanted)
    while 0 <= byte < 256:
        end = table.find(1 - wanted, byte)
        last = 255 if end < 0 else end - 1
        ranges.append(_escaped(byte) if last == byte else _escaped(byte) + b"-" + _escaped(last))
        byte = table.find(wanted, last + 1)
    if not ranges:  # no byte at all
        return b"[^\\x00-\\xff]"
    return b"[%s%s]" % (b"^" if negated else b"", b"".join(ranges))


def _escaped(byte: int) -> bytes:
    return b"%c" % byte if bytes([byte]).isalnum() else b"\\x%02x" % byte
