"""Tokens of Lua source text, one at a time, so that the first mistake in the text is the one that is reported."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from interpreters.lua.errors import LuaSyntaxError
from interpreters.lua.strings.numbers import parse_number

KEYWORDS = frozenset(
    b"and break do else elseif end false for function goto if in local nil not or repeat return then true until "
    b"while".split()
)
_SPACE = re.compile(rb"[ \t\f\v]+")
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(
    rb"0[xX](?:[pP][+-]?|[0-9a-fA-F.])*[A-Za-z_]?|\.?[0-9](?:[eE][+-]?|[0-9a-fA-F.])*[A-Za-z_]?"
)
_OPERATOR = re.compile(rb"\.\.\.|\.\.|==|~=|<=|>=|<<|>>|//|::|[-+*/%^#&~|<>=(){}\[\];:,.]")
_LONG_OPEN = re.compile(rb"\[(=*)\[")
_PLAIN = re.compile(rb"[^\\\r\n'\"]+")
_NEWLINE = re.compile(rb"\r\n|\n\r|\r|\n")
_LINE = re.compile(rb"[^\r\n]*")
_HEX = re.compile(rb"[0-9a-fA-F]")
_ESCAPES = {
    b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"\\": b"\\",
    b'"': b'"', b"'": b"'",
}  # fmt: skip
END = b"<eof>"
UNKNOWN = b"<unknown>"


MAX_STRINGS = 20_000

_strings: dict[bytes, bytes] = {}


def the_same(text: bytes) -> bytes:
    """Return the same object for equal names and literals: a dict finds a key that is the object itself without comparing."""
    if len(_strings) >= MAX_STRINGS:
        _strings.clear()
    return _strings.setdefault(text, text)


def display_name(chunk_name: bytes) -> bytes:
    """Return a chunk's name as messages show it."""
    if chunk_name.startswith(b"="):
        return chunk_name[1:60]
    if chunk_name.startswith(b"@"):
        name = chunk_name[1:]
        return name if len(name) <= 59 else b"..." + name[-56:]
    line, newline, _ = chunk_name.partition(b"\n")
    room = 59 - len(b'[string "..."]')
    if newline or len(line) > room + 0:
        return b'[string "' + line[: room] + b'..."]'
    return b'[string "' + line + b'"]'


def encode_utf8(code: int) -> bytes:
    """Encode a number below 2**31 in the original UTF-8 of up to six bytes."""
    if code < 0x80:
        return bytes([code])
    tail: list[int] = []
    first_limit = 0x3F
    while code > first_limit:
        tail.append(0x80 | (code & 0x3F))
        code >>= 6
        first_limit >>= 1
    tail.append(((~first_limit << 1) & 0xFF) | code)
    return bytes(reversed(tail))


class Lexer:
    """The current token of a text.

    Attributes:
        kind: what it is: b"name", b"string", b"number", END, or the keyword or operator itself.
        value: the value of a name, string or number.
        line: its line.
        start: where it begins in the text.
    """

    def __init__(self, source: bytes, chunk_name: bytes) -> None:
        self.source = source
        self.chunk = display_name(chunk_name)
        self.position = 0
        self.line = 1
        self.last_line = 1
        self.start = 0
        self.kind = END
        self.value: Any = None
        self.ahead: tuple[bytes, Any, int, int, int] | None = None

    def fail(self, message: bytes, near: bytes | None = None) -> NoReturn:
        text = b"%s:%d: %s" % (self.chunk, self.line, message)
        if near is not None:
            text += b" near " + near
        raise LuaSyntaxError(text)

    def token_text(self) -> bytes:
        """Return the current token as messages show it."""
        if self.kind == END:
            return END
        text = self.source[self.start : self.position]
        return b"'<\\%d>'" % text[0] if self.kind == UNKNOWN and not 32 <= text[0] < 127 else b"'" + text + b"'"

    def fail_here(self, message: bytes) -> NoReturn:
        self.fail(message, self.token_text())

    def fail_lexing(self, message: bytes, end: int) -> NoReturn:
        near = END if end > len(self.source) else b"'" + self.source[self.start : end] + b"'"
        self.fail(message, near)

    def advance(self) -> None:
        """Go to the next token."""
        self.last_line = self.line
        if self.ahead is not None:
            self.kind, self.value, self.line, self.start, self.position = self.ahead
            self.ahead = None
            return
        self.scan()

    def peek(self) -> bytes:
        """Return the kind of the token after the current one."""
        if self.ahead is None:
            current = (self.kind, self.value, self.line, self.start, self.position)
            self.scan()
            self.ahead = (self.kind, self.value, self.line, self.start, self.position)
            self.kind, self.value, self.line, self.start, self.position = current
        return self.ahead[0]

    def scan(self) -> None:
        source = self.source
        position = self.position
        size = len(source)
        while True:
            if position >= size:
                self.start = self.position = size
                self.kind = END
                return
            first = source[position]
            if first in b" \t\f\v":
                position = _SPACE.match(source, position).end()  # type: ignore[union-attr]
            elif first in b"\r\n":
                position = _NEWLINE.match(source, position).end()  # type: ignore[union-attr]
                self.line += 1
            elif first == 0x2D and source.startswith(b"--", position):
                self.start = position
                opened = _LONG_OPEN.match(source, position + 2)
                if opened:
                    position = self.long_text(opened, b"comment")[1]
                else:
                    position = _LINE.match(source, position).end()  # type: ignore[union-attr]
            else:
                break
        self.start = position
        if found := _NAME.match(source, position):
            self.position = found.end()
            name = found.group()
            self.kind = name if name in KEYWORDS else b"name"
            self.value = the_same(name)
        elif found := _NUMBER.match(source, position):
            self.position = found.end()
            self.kind = b"number"
            self.value = parse_number(found.group())
            if self.value is None:
                self.fail_lexing(b"malformed number", self.position)
        elif first in b"'\"":
            self.kind = b"string"
            value, self.position = self.short_string(position)
            self.value = the_same(value)
        elif found := _LONG_OPEN.match(source, position):
            self.kind = b"string"
            self.value, self.position = self.long_text(found, b"string")
        elif source.startswith(b"[=", position):
            end = position + 1
            while end < size and source[end] == 0x3D:
                end += 1
            self.fail_lexing(b"invalid long string delimiter", end)
        elif found := _OPERATOR.match(source, position):
            self.position = found.end()
            self.kind = found.group()
        else:
            self.position = position + 1
            self.kind = UNKNOWN

    def long_text(self, opened: re.Match[bytes], what: bytes) -> tuple[bytes, int]:
        """Return what stands between long brackets, and where it ends."""
        close = b"]" + opened.group(1) + b"]"
        end = self.source.find(close, opened.end())
        if end < 0:
            line = self.line
            self.line += len(_NEWLINE.findall(self.source, opened.end()))
            self.fail(b"unfinished long %s (starting at line %d)" % (what, line), END)
        text = self.source[opened.end() : end]
        if b"\r" in text or b"\n" in text:
            newlines = _NEWLINE.findall(text)
            self.line += len(newlines)
            if b"\r" in text:
                text = _NEWLINE.sub(b"\n", text)
            text = text.removeprefix(b"\n")
        return text, end + len(close)

    def short_string(self, position: int) -> tuple[bytes, int]:
        """Return the value of a quoted string, and where it ends."""
        source = self.source
        quote = source[position : position + 1]
        position += 1
        parts: list[bytes] = []
        while True:
            if found := _PLAIN.match(source, position):
                parts.append(found.group())
                position = found.end()
            here = source[position : position + 1]
            if here == quote:
                return b"".join(parts), position + 1
            if not here:
                self.fail(b"unfinished string", END)
            if here in b"\r\n":
                self.fail_lexing(b"unfinished string", position)
            if here != b"\\":
                parts.append(here)
                position += 1
                continue
            text, position = self.escape(position + 1)
            parts.append(text)

    def escape(self, position: int) -> tuple[bytes, int]:
        """Return what an escape sequence stands for, and where it ends; `position` is after the backslash."""
        source = self.source
        here = source[position : position + 1]
        if here in _ESCAPES and here:
            return _ESCAPES[here], position + 1
        if not here:
            self.fail(b"unfinished string", END)
        if here in b"\r\n":
            self.line += 1
            return b"\n", _NEWLINE.match(source, position).end()  # type: ignore[union-attr]
        if here == b"z":
            position += 1
            while position < len(source) and source[position] in b" \t\f\v\r\n":
                if source[position] in b"\r\n":
                    self.line += 1
                    position = _NEWLINE.match(source, position).end()  # type: ignore[union-attr]
                else:
                    position += 1
            return b"", position
        if here == b"x":
            code = 0
            for offset in (1, 2):
                digit = source[position + offset : position + offset + 1]
                if not _HEX.match(digit):
                    self.fail_lexing(b"hexadecimal digit expected", position + offset + 1)
                code = code * 16 + int(digit, 16)
            return bytes([code]), position + 3
        if here == b"u":
            return self.unicode_escape(position + 1)
        if here.isdigit():
            end = position
            while end < position + 3 and source[end : end + 1].isdigit():
                end += 1
            code = int(source[position:end])
            if code > 255:
                self.fail_lexing(b"decimal escape too large", end + 1)
            return bytes([code]), end
        self.fail_lexing(b"invalid escape sequence", position + 1)

    def unicode_escape(self, position: int) -> tuple[bytes, int]:
        source = self.source
        if source[position : position + 1] != b"{":
            self.fail_lexing(b"missing '{'", position + 1)
        position += 1
        if not _HEX.match(source, position):
            self.fail_lexing(b"hexadecimal digit expected", position + 1)
        code = 0
        while _HEX.match(source, position):
            code = code * 16 + int(source[position : position + 1], 16)
            if code >= 1 << 31:
                self.fail_lexing(b"UTF-8 value too large", position + 1)
            position += 1
        if source[position : position + 1] != b"}":
            self.fail_lexing(b"missing '}'", position + 1)
        return encode_utf8(code), position + 1
