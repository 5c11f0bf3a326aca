"""Going through a pattern's matches: what `gmatch` and `gsub` do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interpreters.lua.strings.machine import Machine
from interpreters.lua.strings.patterns import Match, Pattern, PatternError
from interpreters.lua.values import LuaFunction
from metatracer import JitDriver, dont_look_inside, elidable

driver = JitDriver(greens=["replacer", "proto"], reds="auto", name="lua gsub")

CACHE_SIZE = 512


class MatchIterator:
    """The matches of a pattern one after the other, as `gmatch` and `gsub` go through them."""

    __slots__ = ("_last_end", "pattern", "position", "subject")

    def __init__(self, pattern: Pattern, subject: bytes, position: int = 0) -> None:
        self.pattern = pattern
        self._last_end = -1
        self.subject = subject
        self.position = position

    def next(self) -> Match | None:
        """Return the next match; one that is empty where the last one ended does not count."""
        position = self.position
        if position > len(self.subject):
            return None
        found = self.pattern.search(self.subject, position)
        if found is not None and found.end() == self._last_end:
            found = self.pattern.search(self.subject, position + 1) if position < len(self.subject) else None
        if found is None:
            self.position = len(self.subject) + 1
            return None
        self.position = self._last_end = found.end()
        return found


Replacer = Callable[[Any, Any, Pattern, Match], "bytes | None"]
"""`replacer(vm, replacement, pattern, match)` returns the text for a match, None for leaving it."""


def substitute(
    vm: Machine, pattern: Pattern, subject: bytes, replacer: Replacer, replacement: Any, limit: int | None
) -> tuple[bytes, int]:
    """Do `gsub`: return the text with each match replaced, and how many matches there were."""
    matches = MatchIterator(pattern, subject)
    found = matches.next() if limit is None or limit > 0 else None
    if found is None:
        return subject, 0
    proto = replacement.proto if type(replacement) is LuaFunction else None
    return replace_matches(vm, matches, found, replacer, replacement, proto, limit)


@driver.portal
def replace_matches(
    vm: Machine, matches: MatchIterator, found: Match, replacer: Replacer, replacement: Any, proto: Any, limit: int | None
) -> tuple[bytes, int]:
    """Replace a match, and what follows it.

    Args:
        proto: the code of `replacement`, if that is a function of Lua.
    """
    subject, pattern = matches.subject, matches.pattern
    parts: list[bytes] = []
    copied = count = 0
    while True:
        driver.jit_merge_point(replacer=replacer, proto=proto)
        count += 1
        text = replacer(vm, replacement, pattern, found)
        if text is not None:
            parts.append(subject[copied : found.start()])
            parts.append(text)
            copied = found.end()
        if pattern.anchored or (limit is not None and count >= limit):
            break
        following = matches.next()
        if following is None:
            break
        found = following
        driver.can_enter_jit(replacer=replacer, proto=proto)
    if not parts:
        return subject, count
    parts.append(subject[copied:])
    return b"".join(parts), count


class Replacement:
    """A replacement string: text, and numbers of captures (0 for the whole match).

    Attributes:
        parts: the pieces, up to where it is malformed.
        is_malformed: whether a use of it raises an error after these.
    """

    __slots__ = ("_pattern", "_template", "is_malformed", "parts")

    def __init__(self, source: bytes) -> None:
        self.parts: list[bytes | int] = []
        self.is_malformed = False
        self._pattern: Pattern | None = None  # the one that the template below was made for
        self._template: bytes | None = None
        index = 0
        while True:
            percent = source.find(b"%", index)
            if percent < 0:
                self._add(source[index:])
                return
            self._add(source[index:percent])
            following = source[percent + 1 : percent + 2]
            if following == b"%":
                self._add(b"%")
            elif following.isdigit():
                self.parts.append(int(following))
            else:
                self.is_malformed = True
                return
            index = percent + 2

    def _add(self, text: bytes) -> None:
        if text:
            self.parts.append(text)

    @dont_look_inside
    def expand(self, pattern: Pattern, match: Match) -> bytes:
        """Return what a match is replaced with."""
        parts: list[bytes] = []
        for part in self.parts:
            if isinstance(part, bytes):
                parts.append(part)
            elif part == 0:
                parts.append(match.group())
            else:
                value = pattern.value(match, part - 1)
                parts.append(value if isinstance(value, bytes) else b"%d" % value)
        if self.is_malformed:
            raise PatternError("invalid use of '%' in replacement string")
        return b"".join(parts)

    @elidable
    def template(self, pattern: Pattern) -> bytes | None:
        """Return the template that `re` takes for this, or None where there is none."""
        if self._pattern is not pattern:
            self._pattern, self._template = pattern, self._make_template(pattern)
        return self._template

    def _make_template(self, pattern: Pattern) -> bytes | None:
        if self.is_malformed or pattern.has_positions:
            return None
        parts: list[bytes] = []
        for part in self.parts:
            if isinstance(part, bytes):
                parts.append(part.replace(b"\\", b"\\\\"))
            elif part == 0 or (part == 1 and not pattern.captures):
                parts.append(b"\\g<0>")
            elif part > pattern.captures:
                return None
            else:
                parts.append(b"\\g<%d>" % part)
        return b"".join(parts)


_replacements: dict[bytes, Replacement] = {}


@elidable
def compile_replacement(source: bytes) -> Replacement:
    """Return a replacement string, read once."""
    replacement = _replacements.get(source)
    if replacement is None:
        replacement = Replacement(source)
        if len(_replacements) >= CACHE_SIZE:
            _replacements.clear()
        _replacements[source] = replacement
    return replacement


def expand(_vm: Machine, replacement: Replacement, pattern: Pattern, match: Match) -> bytes:
    return replacement.expand(pattern, match)


def substitute_text(
    vm: Machine, pattern: Pattern, subject: bytes, source: bytes, limit: int | None
) -> tuple[bytes, int]:
    """Do `gsub` with a replacement string, inside `re` where that gives the same."""
    replacement = compile_replacement(source)
    if not (pattern.anchored or pattern.can_be_empty) and (limit is None or limit > 0):
        template = replacement.template(pattern)
        regex = None if template is None else pattern.regex_for(subject)
        if template is not None and regex is not None:
            return regex.subn(template, subject, limit or 0)
    return substitute(vm, pattern, subject, expand, replacement, limit)
