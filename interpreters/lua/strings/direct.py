"""Matching without going back, for traces: each step of such a pattern goes as far as it can, and nothing else has to be tried.

A trace has the steps of a constant pattern one behind the other, so that a match is some comparisons and loops over bytes, and
no object is made of it. In the interpreter a regular expression is faster.
"""

from __future__ import annotations

from interpreters.lua.strings.classes import Membership, complement
from interpreters.lua.strings.nodes import (
    AT_END, CLOSE, FINISH, IS_POSITION, ONE, OPEN, OPTIONAL, PLUS, POSITION, STAR, UNFINISHED, Node,
)  # fmt: skip
from metatracer import JitDriver, unroll_safe

driver = JitDriver(greens=[], reds="auto", name="lua span")

_TAKEN = frozenset({ONE, OPTIONAL, STAR, PLUS, OPEN, POSITION, CLOSE, AT_END, FINISH})
_NOTHING = bytes(256)


def is_direct(nodes: list[Node], *, anchored: bool) -> bool:
    """Return whether a match has to be tried at one place only, and there in one way only.

    That is so where each node goes on with bytes that the one before does not take, or nothing behind it can fail. A match that
    may begin anywhere must not fail behind its first byte, or only because there are no more.
    """
    if any(node.kind not in _TAKEN for node in nodes):
        return False
    consuming = [node for node in nodes if node.kind <= PLUS]
    for place, node in enumerate(nodes):
        rest = nodes[place + 1 :]
        if OPTIONAL <= node.kind <= PLUS and _may_fail(rest) and _overlap(node.table, _following(rest)):
            return False
    if anchored:
        return True
    rest = consuming[1:]
    if consuming and consuming[0].kind == STAR and rest and rest[0].kind == ONE:
        if rest[0].table != complement(consuming[0].table):
            return False
        rest = rest[1:]
    return AT_END not in {node.kind for node in nodes} and not _may_fail(rest)


def _may_fail(nodes: list[Node]) -> bool:
    return any(node.kind in (ONE, PLUS, AT_END) for node in nodes)


def _overlap(one: Membership, other: Membership) -> bool:
    return any(a and b for a, b in zip(one, other))


def _following(nodes: list[Node]) -> Membership:
    """Return the bytes that nodes may begin with."""
    found = _NOTHING
    for node in nodes:
        if node.kind == AT_END:
            break
        if node.kind <= PLUS:
            found = bytes(a | b for a, b in zip(found, node.table))
            if node.kind in (ONE, PLUS):
                break
    return found


def skipped(nodes: list[Node]) -> Membership | None:
    """Return the bytes that no match begins with; None where it may begin with any, or be empty."""
    for node in nodes:
        if node.kind in (ONE, PLUS):
            return complement(node.table)
        if node.kind not in (OPEN, POSITION):
            break
    return None


@driver.portal
def span(table: Membership, subject: bytes, position: int) -> int:
    """Return the place from `position` on where a byte stands that does not belong to a set."""
    while True:
        driver.jit_merge_point()
        if position >= len(subject) or not table[subject[position]]:
            return position
        position += 1


@unroll_safe
def match_directly(nodes: list[Node], subject: bytes, position: int, starts: list[int], ends: list[int]) -> int:
    """Match at a position: fill in the captures, and return where the match ends, or -1."""
    for number in range(len(nodes)):
        node = nodes[number]
        kind = node.kind
        if kind == ONE:
            if position >= len(subject) or not node.table[subject[position]]:
                return -1
            position += 1
        elif kind == OPTIONAL:
            if position < len(subject) and node.table[subject[position]]:
                position += 1
        elif kind == STAR:
            position = span(node.table, subject, position)
        elif kind == PLUS:
            if position >= len(subject) or not node.table[subject[position]]:
                return -1
            position = span(node.table, subject, position + 1)
        elif kind == OPEN:
            starts[node.number] = position
            ends[node.number] = UNFINISHED
        elif kind == POSITION:
            starts[node.number] = position
            ends[node.number] = IS_POSITION
        elif kind == CLOSE:
            ends[node.number] = position
        elif kind == AT_END and position != len(subject):
            return -1
    return position
