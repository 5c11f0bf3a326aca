"""Lua patterns: compiled once, then matched by Python's `re` or by a backtracking matcher of our own.

A pattern is a straight sequence of nodes: no alternation, and only single characters are repeated. Python's engine tries
the same possibilities in the same order for everything but `%b`, so that what it finds first is what Lua finds first.
Traces match simple patterns themselves (`direct`). The backtracking matcher is left with `%b`, with patterns that are malformed
further on than a match may ever get (Lua complains when it gets there, not before), with those that Lua may find too complex,
and with those seen for the first few times, for which making a regular expression costs more than it gains.

A match is one of `re` or a `BacktrackMatch`; what is needed of them both offer: `start()`, `end()`, `group()`.
"""

from __future__ import annotations

import re

from interpreters.lua.strings.classes import Membership, class_table, complement, literal_table, regex_of, set_table
from interpreters.lua.strings.direct import is_direct, match_directly, skipped, span
from interpreters.lua.strings.nodes import (
    AT_END, BALANCE, CLOSE, FINISH, FRONTIER, IS_POSITION, LAZY, MALFORMED, NEVER, ONE, OPEN, OPTIONAL, PLUS, POSITION, REPEATED,
    STAR, UNFINISHED, Node,
)  # fmt: skip
from metatracer import dont_look_inside, elidable, isconstant, promote, unroll_safe, we_are_jitted

MAX_CAPTURES = 32
MAX_DEPTH = 200  # how deep PUC Lua's matcher may go into itself before it finds the pattern too complex
WARMING_MATCHES = 4  # making a regular expression costs as much as some dozens of short matches
LONG_SUBJECT = 200
CACHE_SIZE = 512

_SUFFIXES = {63: OPTIONAL, 42: STAR, 43: PLUS, 45: LAZY}
_REGEX_SUFFIXES = {ONE: b"", OPTIONAL: b"?", STAR: b"*", PLUS: b"+", LAZY: b"*?"}
_SPECIALS = frozenset(b"^$*+?.([%-")

class PatternError(Exception):
    """A pattern or a replacement string that is malformed; the message is PUC Lua's."""


class BacktrackMatch:
    """What the backtracking matcher found, with the part of `re.Match` that is used here."""

    __slots__ = ("_end", "_ends", "_start", "_starts", "_subject")

    def __init__(self, subject: bytes, start: int, end: int, starts: list[int], ends: list[int]) -> None:
        self._subject = subject
        self._start = start
        self._end = end
        self._starts = starts
        self._ends = ends

    def start(self) -> int:
        return self._start

    def end(self) -> int:
        return self._end

    def group(self) -> bytes:
        return self._subject[self._start : self._end]

    def capture(self, number: int) -> bytes | int:
        """Return a capture, counted from 0: its text, or its position counted from 1."""
        end = self._ends[number]
        if end == IS_POSITION:
            return self._starts[number] + 1
        if end == UNFINISHED:
            raise PatternError("unfinished capture")
        return self._subject[self._starts[number] : end]


Match = re.Match[bytes] | BacktrackMatch


class _Parser:
    """Turns a pattern's source into nodes, up to where it is malformed."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.nodes: list[Node] = []
        self.positions: list[bool] = []  # for each capture, whether it is one of a position
        self.open: list[int] = []

    def parse(self, index: int) -> None:
        source, nodes = self.source, self.nodes
        try:
            while index < len(source):
                index = self._step(index)
        except PatternError as error:
            nodes.append(Node(MALFORMED, message=str(error)))
        nodes.append(Node(FINISH))

    def _step(self, index: int) -> int:
        source = self.source
        byte = source[index]
        if byte == 40:
            return self._open(index)
        if byte == 41:
            if not self.open:
                raise PatternError("invalid pattern capture")
            self.nodes.append(Node(CLOSE, number=self.open.pop()))
            return index + 1
        if byte == 36 and index + 1 == len(source):
            self.nodes.append(Node(AT_END))
            return index + 1
        if byte == 37 and index + 1 < len(source):
            following = source[index + 1]
            if following == 98:
                if index + 4 > len(source):
                    raise PatternError("malformed pattern (missing arguments to '%b')")
                self.nodes.append(Node(BALANCE, number=source[index + 2], other=source[index + 3]))
                return index + 4
            if following == 102:
                if source[index + 2 : index + 3] != b"[":
                    raise PatternError("missing '[' after '%f' in pattern")
                table, end = set_table_at(source, index + 2)
                self.nodes.append(Node(FRONTIER, table))
                return end
            if 48 <= following <= 57:
                self._repeat(following - 49)
                return index + 2
        table, end = _single(source, index)
        kind = _SUFFIXES.get(source[end], ONE) if end < len(source) else ONE
        self.nodes.append(Node(kind, table))
        return end if kind == ONE else end + 1

    def _open(self, index: int) -> int:
        number = len(self.positions)
        if number >= MAX_CAPTURES:
            raise PatternError("too many captures")
        is_position = self.source[index + 1 : index + 2] == b")"
        self.positions.append(is_position)
        self.nodes.append(Node(POSITION if is_position else OPEN, number=number))
        if is_position:
            return index + 2
        self.open.append(number)
        return index + 1

    def _repeat(self, number: int) -> None:
        if not 0 <= number < len(self.positions) or number in self.open:
            raise PatternError(f"invalid capture index %{number + 1}")
        # The text of a position capture is longer than any string, in PUC Lua's words.
        self.nodes.append(Node(NEVER if self.positions[number] else REPEATED, number=number))


def set_table_at(source: bytes, start: int) -> tuple[Membership, int]:
    """Return the members of the set that begins at `start`, and the index behind it."""
    index = start + 1
    if source[index : index + 1] == b"^":
        index += 1
    first = True
    while first or source[index : index + 1] != b"]":
        first = False
        if index >= len(source):
            raise PatternError("malformed pattern (missing ']')")
        index += 2 if source[index] == 37 and index + 1 < len(source) else 1
    return set_table(source[start + 1 : index]), index + 1


def _single(source: bytes, index: int) -> tuple[Membership, int]:
    byte = source[index]
    if byte == 37:
        if index + 1 >= len(source):
            raise PatternError("malformed pattern (ends with '%')")
        return class_table(source[index + 1]), index + 2
    if byte == 91:
        return set_table_at(source, index)
    if byte == 46:
        return b"\1" * 256, index + 1
    return literal_table(byte), index + 1


class Pattern:
    """A compiled pattern.

    Attributes:
        anchored: whether it matches at the place where one begins only.
        captures: how many captures it has.
        has_positions: whether one of them is of a position.
        can_be_empty: whether it may match the empty string.
    """

    # The regular expression is made once: a trace that began without it is made again.
    _immutable_fields_ = [
        "anchored", "can_be_empty", "captures", "has_positions", "positions[*]", "_regex?", "_nodes[*]", "_is_direct", "_skipped",
    ]  # fmt: skip
    __slots__ = (
        "_first", "_is_direct", "_nodes", "_regex", "_skipped", "_translatable", "_warming", "anchored", "can_be_empty",
        "captures", "has_positions", "positions",
    )  # fmt: skip

    def __init__(self, source: bytes, *, anchors: bool = True) -> None:
        parser = _Parser(source)
        self.anchored = anchors and source[:1] == b"^"
        parser.parse(1 if self.anchored else 0)
        nodes = self._nodes = parser.nodes
        self.positions = parser.positions
        self.captures = len(parser.positions)
        self.has_positions = True in parser.positions
        self.can_be_empty = all(node.kind not in {ONE, PLUS, BALANCE} for node in nodes)
        deep = sum(node.kind in {OPTIONAL, STAR, PLUS, LAZY, OPEN, POSITION, CLOSE} for node in nodes)
        self._translatable = (
            deep < MAX_DEPTH and not parser.open and all(node.kind not in {BALANCE, MALFORMED} for node in nodes)
        )
        self._first = _first_byte(nodes[0])
        self._is_direct = self._translatable and is_direct(nodes, anchored=self.anchored)
        self._skipped = None if self.anchored else skipped(nodes)
        self._warming = WARMING_MATCHES
        self._regex: re.Pattern[bytes] | None = None

    def search(self, subject: bytes, position: int) -> Match | None:
        """Return the first match that begins at a position or later, or at it only where the pattern is anchored."""
        if we_are_jitted() and self._is_direct:
            promote(self)
            if isconstant(self):
                return self.search_directly(subject, position)
        regex = self._regex
        if regex is None:
            regex = self._warm_up(subject)
            if regex is None:
                return self.search_backtracking(subject, position)
        return regex.match(subject, position) if self.anchored else regex.search(subject, position)

    @unroll_safe
    def search_directly(self, subject: bytes, position: int) -> BacktrackMatch | None:
        """Do the same for a pattern that `is_direct`."""
        if self._skipped is not None:
            position = span(self._skipped, subject, position)
        starts, ends = [0] * self.captures, [UNFINISHED] * self.captures
        end = match_directly(self._nodes, subject, position, starts, ends)
        return None if end < 0 else BacktrackMatch(subject, position, end, starts, ends)

    @dont_look_inside
    def _warm_up(self, subject: bytes) -> re.Pattern[bytes] | None:
        """Count a use; make the regular expression and return it when it begins to pay."""
        if self._translatable:
            self._warming -= 1
            if self._warming <= 0 or len(subject) >= LONG_SUBJECT:
                self._regex = self.translate()
        return self._regex

    def translate(self) -> re.Pattern[bytes] | None:
        """Return the regular expression that finds just what this pattern does, or None where there is none."""
        return re.compile(regex_source(self._nodes), re.DOTALL) if self._translatable else None

    def match_backtracking(self, subject: bytes, position: int) -> BacktrackMatch | None:
        """Return the match that begins at a position, found without `re`."""
        starts, ends = [0] * self.captures, [UNFINISHED] * self.captures
        end = _run(self._nodes, subject, position, 0, starts, ends, MAX_DEPTH)
        return None if end < 0 else BacktrackMatch(subject, position, end, starts, ends)

    @dont_look_inside
    def search_backtracking(self, subject: bytes, position: int) -> BacktrackMatch | None:
        """Return the first match at a position or later, found without `re`."""
        if self.anchored:
            return self.match_backtracking(subject, position)
        first = self._first
        while position <= len(subject):
            if first is not None:
                position = subject.find(first, position)
                if position < 0:
                    return None
            found = self.match_backtracking(subject, position)
            if found is not None:
                return found
            position += 1
        return None

    @unroll_safe
    def values(self, match: Match) -> list[bytes | int]:
        """Return a match's captures, or the whole match where the pattern has none."""
        if not self.captures:
            return [match.group()]
        if self.has_positions or isinstance(match, BacktrackMatch):
            return [self.value(match, number) for number in range(self.captures)]
        return list(match.groups())

    def captures_of(self, match: Match) -> list[bytes | int]:
        """Return a match's captures, none where the pattern has none."""
        return self.values(match) if self.captures else []

    def value(self, match: Match, number: int) -> bytes | int:
        """Return one capture, counted from 0; the first of a pattern without captures is the whole match."""
        if number >= self.captures:
            if number:
                raise PatternError(f"invalid capture index %{number + 1}")
            return match.group()
        if isinstance(match, BacktrackMatch):
            return match.capture(number)
        return match.start(number + 1) + 1 if self.positions[number] else match.group(number + 1)

    def regex_for(self, subject: bytes) -> re.Pattern[bytes] | None:
        """Return the regular expression for use on a subject, None as long as there is none."""
        return self._regex or self._warm_up(subject)


def _first_byte(node: Node) -> bytes | None:
    """Return the one byte that each match has to begin with, if there is one."""
    if node.kind == BALANCE:
        return bytes([node.number])
    if node.kind in {ONE, PLUS} and node.table.count(1) == 1:
        return bytes([node.table.index(1)])
    return None


def _run(
    nodes: list[Node], subject: bytes, position: int, index: int, starts: list[int], ends: list[int], depth: int
) -> int:
    """Match the nodes from `index` on at a position; return where the match ends, or -1.

    The captures are filled in on the way; those behind a failure are stale, and set again before they are read.
    """
    if depth == 0:
        raise PatternError("pattern too complex")
    length = len(subject)
    while True:
        node = nodes[index]
        kind = node.kind
        index += 1
        if kind == ONE:
            if position >= length or not node.table[subject[position]]:
                return -1
            position += 1
        elif kind == FINISH:
            return position
        elif STAR <= kind <= PLUS:
            table = node.table
            if position >= length or not table[subject[position]]:
                if kind == STAR:
                    continue  # not into itself, or what is too complex would not be what is for PUC Lua
                return -1
            last = position + 1
            while last < length and table[subject[last]]:
                last += 1
            least = position if kind == STAR else position + 1
            while last >= least:
                end = _run(nodes, subject, last, index, starts, ends, depth - 1)
                if end >= 0:
                    return end
                last -= 1
            return -1
        elif kind == LAZY:
            table = node.table
            if position >= length or not table[subject[position]]:
                continue
            while True:
                end = _run(nodes, subject, position, index, starts, ends, depth - 1)
                if end >= 0:
                    return end
                if position >= length or not table[subject[position]]:
                    return -1
                position += 1
        elif kind == OPTIONAL:
            if position < length and node.table[subject[position]]:
                end = _run(nodes, subject, position + 1, index, starts, ends, depth - 1)
                if end >= 0:
                    return end
        elif OPEN <= kind <= POSITION:
            number = node.number
            # The node that closes it comes later in the sequence, and sets the end anew on each way there.
            starts[number] = position
            ends[number] = UNFINISHED if kind == OPEN else IS_POSITION
            return _run(nodes, subject, position, index, starts, ends, depth - 1)
        elif kind == CLOSE:
            ends[node.number] = position
            return _run(nodes, subject, position, index, starts, ends, depth - 1)
        elif kind == BALANCE:
            position = _balance(subject, position, node.number, node.other)
            if position < 0:
                return -1
        elif kind == FRONTIER:
            before = subject[position - 1] if position > 0 else 0
            after = subject[position] if position < length else 0
            if node.table[before] or not node.table[after]:
                return -1
        elif kind == REPEATED:
            text = subject[starts[node.number] : ends[node.number]]
            if not subject.startswith(text, position):
                return -1
            position += len(text)
        elif kind == AT_END:
            if position != length:
                return -1
        elif kind == NEVER:
            return -1
        else:
            raise PatternError(node.message)


def _balance(subject: bytes, position: int, opening: int, closing: int) -> int:
    """Return where the balanced text ends that begins at a position, or -1."""
    if position >= len(subject) or subject[position] != opening:
        return -1
    level = 1
    position += 1
    while position < len(subject):
        byte = subject[position]
        position += 1
        if byte == closing:
            level -= 1
            if level == 0:
                return position
        elif byte == opening:
            level += 1
    return -1


def regex_source(nodes: list[Node]) -> bytes:
    """Return the source of the regular expression for nodes that have one."""
    parts: list[bytes] = []
    for node in nodes:
        if node.kind in _REGEX_SUFFIXES:
            parts.append(regex_of(node.table) + _REGEX_SUFFIXES[node.kind])
        elif node.kind == FRONTIER:
            # Before the first byte and behind the last, PUC Lua sees a zero.
            members, others = regex_of(node.table), regex_of(complement(node.table))
            form = b"(?<=%s)(?!%s)" % (others, others) if node.table[0] else b"(?<!%s)(?=%s)" % (members, members)
            parts.append(form)
        elif node.kind in _FIXED:
            parts.append(_FIXED[node.kind])
        elif node.kind == REPEATED:
            parts.append(b"(?:\\%d)" % (node.number + 1))
    return b"".join(parts)


_FIXED = {OPEN: b"(", POSITION: b"()", CLOSE: b")", AT_END: rb"\Z", NEVER: b"(?!)"}

_patterns: dict[bytes, Pattern] = {}
_iterating_patterns: dict[bytes, Pattern] = {}


def _compile(cache: dict[bytes, Pattern], source: bytes, *, anchors: bool) -> Pattern:
    pattern = Pattern(source, anchors=anchors)
    if len(cache) >= CACHE_SIZE:
        cache.clear()
    cache[source] = pattern
    return pattern


@elidable
def compile_pattern(source: bytes) -> Pattern:
    """Return the pattern for `find`, `match` and `gsub`."""
    pattern = _patterns.get(source)
    if pattern is None:
        pattern = _compile(_patterns, source, anchors=True)
    return pattern


@elidable
def compile_iterating_pattern(source: bytes) -> Pattern:
    """Return the pattern for `gmatch`, where `^` at the beginning is no anchor."""
    if source[:1] != b"^":
        return compile_pattern(source)
    pattern = _iterating_patterns.get(source)
    if pattern is None:
        pattern = _compile(_iterating_patterns, source, anchors=False)
    return pattern


@elidable
def has_specials(source: bytes) -> bool:
    """Return whether a pattern is more than the text that it finds."""
    return not _SPECIALS.isdisjoint(source)
