"""The steps of a pattern, as its source is taken apart."""

from __future__ import annotations

from interpreters.lua.strings.classes import Membership

(
    ONE,
    OPTIONAL,
    STAR,
    PLUS,
    LAZY,
    OPEN,
    POSITION,
    CLOSE,
    BALANCE,
    FRONTIER,
    REPEATED,
    AT_END,
    NEVER,
    MALFORMED,
    FINISH,
) = range(15)

UNFINISHED = -1
IS_POSITION = -2
"""Where a capture ends that is still open, or is one of a position."""


class Node:
    """One step of a pattern.

    Attributes:
        kind: one of the constants above.
        table: for characters and frontiers, which bytes belong (`table[byte]`).
        number: the capture's number, counted from 0, or the byte that opens a balance.
        other: the byte that closes a balance.
        message: what is wrong, for MALFORMED.
    """

    _immutable_fields_ = ["kind", "table", "number", "other", "message"]
    __slots__ = ("kind", "message", "number", "other", "table")

    def __init__(self, kind: int, table: Membership = b"", number: int = 0, other: int = 0, message: str = "") -> None:
        self.kind = kind
        self.table = table
        self.number = number
        self.other = other
        self.message = message
