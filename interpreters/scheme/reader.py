"""Text to data. Nothing here recurses: data may be nested to any depth."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

from interpreters.scheme.numerals import parse_number
from interpreters.scheme.objects import EOF, NIL, Char, Condition, Pair, SchemeError, String, Symbol, char, intern

_SKIP = re.compile(r"(?:\s+|;[^\n]*)+")
_DELIMITED = re.compile(r'[^\s()\[\]";|\']*(?:\|(?:[^|\\]|\\.)*\|[^\s()\[\]";|\']*)*', re.DOTALL)
_PLAIN_ATOM = re.compile(r"""\s*([^\s()\[\]";|'`,#.][^\s()\[\]";|']*+)(?!\|)""")
"""White space and a number or symbol that has nothing special about it."""
_STRING_PLAIN = re.compile(r'[^"\\]*')
_NESTED = re.compile(r"\|#|#\|")
_LABEL = re.compile(r"#([0-9]+)([=#])")
_LINE_CONTINUES = re.compile(r"\\[ \t]*\n[ \t]*")
_HEX_ESCAPE = re.compile(r"\\x([0-9a-fA-F]+);")
_ESCAPES = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "r": "\r", '"': '"', "\\": "\\", "|": "|", "0": "\0"}
CHARACTER_NAMES = {
    "alarm": "\a", "backspace": "\b", "delete": "\x7f", "escape": "\x1b", "newline": "\n", "null": "\0",
    "return": "\r", "space": " ", "tab": "\t", "nul": "\0", "altmode": "\x1b", "linefeed": "\n", "page": "\f",
    "rubout": "\x7f",
}  # fmt: skip
_QUOTES = {"'": "quote", "`": "quasiquote", ",": "unquote", ",@": "unquote-splicing"}


class IncompleteError(Exception):
    """The text ends within a datum; more of it may follow."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class _Placeholder:
    """What `#1#` is until `#1=` has been read."""

    __slots__ = ("filled", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self.filled = False


class _Open:
    """A datum whose parts are being read.

    Attributes:
        kind: "(", "[", "#(", "#u8(", "quote" (one datum follows), "label" or "skip".
        mark: What a quote is called, or the label's number.
    """

    __slots__ = ("dotted", "items", "kind", "mark", "offset", "tail")

    def __init__(self, kind: str, mark: Any, offset: int) -> None:
        self.kind = kind
        self.mark = mark
        self.offset = offset
        self.items: list[Any] = []
        self.dotted = 0
        self.tail: Any = NIL


_NOTHING = object()


class Reader:
    """Reads data from a text one after the other.

    Attributes:
        text: The whole text.
        position: Where the next datum is looked for.
        places: For code: (line, column) by the `id` of each pair that was read and begins a list; the pairs must be kept
            alive while this is in use.
        fold: Whether `#!fold-case` is on.
    """

    def __init__(self, text: str, name: str = "", keep_places: bool = False) -> None:
        self.text = text
        self.name = name
        self.position = 0
        self.places: dict[int, tuple[int, int]] | None = {} if keep_places else None
        self.fold = False
        self._lines: list[int] | None = None

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, counted from 1."""
        if self._lines is None:
            self._lines = [0] + [match.end() for match in re.finditer("\n", self.text)]
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def extend(self, more: str) -> None:
        """More text has come."""
        self.text += more
        self._lines = None

    def fail(self, message: str, offset: int) -> SchemeError:
        condition = Condition(String(message), [], kind="read", who="read")
        line, column = self.place(offset)
        condition.place = f"{self.name}:{line}:{column}" if self.name else f"{line}:{column}"
        return SchemeError(condition)

    def read(self) -> Any:
        """The next datum, or EOF."""
        start = self.position
        try:
            return self._read()
        except IncompleteError as incomplete:
            self.position = len(self.text)
            raise self.fail(incomplete.message, incomplete.offset) from None
        except BaseException:
            self.position = max(start, self.position)
            raise

    def read_or_incomplete(self) -> Any:
        """The next datum; IncompleteError, and nothing is consumed, when the text ends in the middle of one."""
        start = self.position
        try:
            return self._read()
        except IncompleteError:
            self.position = start
            raise

    def read_plain(self) -> Any:
        """The next datum if that is a number or symbol with nothing special about it; otherwise None, and nothing is consumed."""
        match = _PLAIN_ATOM.match(self.text, self.position)
        if match is None or self.fold:
            return None
        self.position = match.end()
        token = match[1]
        number = parse_number(token)
        return intern(token) if number is None else number

    def _skip(self) -> None:
        text = self.text
        while True:
            match = _SKIP.match(text, self.position)
            if match is not None:
                self.position = match.end()
            if text[self.position : self.position + 1] != "#":
                return
            if text.startswith("#|", self.position):
                self._skip_nested()
            elif text.startswith("#!", self.position) and self.position == 0 and text[2:3] in (" ", "/"):
                self.position = (text.find("\n") + 1) or len(text)
            elif text.startswith("#!fold-case", self.position):
                self.fold = True
                self.position += 11
            elif text.startswith("#!no-fold-case", self.position):
                self.fold = False
                self.position += 14
            else:
                return

    def _skip_nested(self) -> None:
        start = self.position
        depth = 0
        position = start
        while True:
            match = _NESTED.search(self.text, position)
            if match is None:
                raise IncompleteError("a block comment is not closed", start)
            depth += 1 if match.group() == "#|" else -1
            position = match.end()
            if depth == 0:
                self.position = position
                return

    def _read(self) -> Any:
        stack: list[_Open] = []
        labels: dict[int, _Placeholder] = {}
        has_labels = False
        while True:
            self._skip()
            offset = self.position
            first = self.text[offset : offset + 1]
            value: Any = _NOTHING
            if first == "":
                if stack:
                    raise IncompleteError(f"the text ends within what begins here: {stack[-1].kind}", stack[-1].offset)
                return EOF
            if first in "([":
                self.position += 1
                stack.append(_Open(first, None, offset))
                continue
            if first in ")]":
                self.position += 1
                value = self._close(stack, first, offset)
            elif first in "'`,":
                mark = ",@" if self.text.startswith(",@", offset) else first
                self.position += len(mark)
                stack.append(_Open("quote", _QUOTES[mark], offset))
                continue
            elif first == '"':
                value = self._string(offset)
            elif first == "#":
                match = _LABEL.match(self.text, offset)
                if match is not None:
                    self.position = match.end()
                    number = int(match[1])
                    if match[2] == "=":
                        if number in labels:
                            raise self.fail(f"label #{number}= is there twice", offset)
                        labels[number] = _Placeholder()
                        stack.append(_Open("label", number, offset))
                        has_labels = True
                        continue
                    if number not in labels:
                        raise self.fail(f"there is no label #{number}=", offset)
                    placeholder = labels[number]
                    value = placeholder.value if placeholder.filled else placeholder
                else:
                    value = self._sharp(offset, stack)
                    if value is _NOTHING:
                        continue
            else:
                value = self._atom(offset, stack)
                if value is _NOTHING:
                    continue
            while True:  # hand the value to what is open around it
                if not stack:
                    return _patch(value) if has_labels else value
                top = stack[-1]
                if top.kind == "quote":
                    stack.pop()
                    value = Pair(intern(top.mark), Pair(value, NIL))
                    self._note(value, top.offset)
                elif top.kind == "label":
                    stack.pop()
                    if value is labels[top.mark]:
                        raise self.fail("a label stands for itself", top.offset)
                    labels[top.mark].value = value
                    labels[top.mark].filled = True
                elif top.kind == "skip":
                    stack.pop()
                    break
                else:
                    if top.dotted == 1:
                        top.tail = value
                        top.dotted = 2
                    elif top.dotted == 2:
                        raise self.fail("more than one datum after the dot", offset)
                    else:
                        top.items.append(value)
                    break

    def _note(self, value: Any, offset: int) -> None:
        if self.places is not None:
            self.places[id(value)] = self.place(offset)

    def _close(self, stack: list[_Open], first: str, offset: int) -> Any:
        if not stack:
            raise self.fail(f"{first} without an opening parenthesis", offset)
        top = stack.pop()
        if top.kind in ("quote", "label", "skip"):
            raise self.fail("a datum is missing", offset)
        if (top.kind == "[") != (first == "]"):
            raise self.fail(f"{top.kind} is closed by {first}", offset)
        if top.dotted == 1:
            raise self.fail("a datum is missing after the dot", offset)
        if top.kind == "#(":
            return top.items
        if top.kind == "#u8(":
            if not all(type(item) is int and 0 <= item < 256 for item in top.items):
                raise self.fail("a bytevector holds numbers from 0 to 255", top.offset)
            return bytearray(top.items)
        value = top.tail
        for item in reversed(top.items):
            value = Pair(item, value)
        if top.items:
            self._note(value, top.offset)
        return value

    def _string(self, offset: int) -> String:
        text = self.text
        position = offset + 1
        parts: list[str] = []
        while True:
            match = _STRING_PLAIN.match(text, position)
            assert match is not None
            parts.append(match.group())
            position = match.end()
            if position >= len(text):
                raise IncompleteError("a string is not closed", offset)
            if text[position] == '"':
                self.position = position + 1
                return String("".join(parts))
            position = self._escape(position, parts, offset)

    def _escape(self, position: int, parts: list[str], offset: int) -> int:
        text = self.text
        if position + 1 >= len(text):
            raise IncompleteError("a string is not closed", offset)
        letter = text[position + 1]
        match = _LINE_CONTINUES.match(text, position)
        if match is not None:
            return match.end()
        if letter in "xX":
            match = _HEX_ESCAPE.match(text, position)
            if match is None or not _is_scalar(int(match[1], 16)):
                raise self.fail("a wrong \\x escape", position)
            parts.append(chr(int(match[1], 16)))
            return match.end()
        if letter not in _ESCAPES:
            raise self.fail(f"an unknown escape \\{letter}", position)
        parts.append(_ESCAPES[letter])
        return position + 2

    def _token(self, offset: int) -> str:
        match = _DELIMITED.match(self.text, offset)
        assert match is not None
        self.position = match.end()
        return match.group()

    def _sharp(self, offset: int, stack: list[_Open]) -> Any:
        text = self.text
        second = text[offset + 1 : offset + 2]
        if second == "(":
            self.position = offset + 2
            stack.append(_Open("#(", None, offset))
            return _NOTHING
        if second == ";":
            self.position = offset + 2
            stack.append(_Open("skip", None, offset))
            return _NOTHING
        if second == "\\":
            return self._character(offset)
        token = self._token(offset).lower()
        if token in ("#t", "#true"):
            return True
        if token in ("#f", "#false"):
            return False
        if token == "#u8" and text[self.position : self.position + 1] == "(":
            self.position += 1
            stack.append(_Open("#u8(", None, offset))
            return _NOTHING
        if token in ("#!eof", "#!default", "#!unspecific"):
            return EOF
        number = parse_number(token)
        if number is None:
            raise self.fail(f"cannot read {text[offset : max(self.position, offset + 2)]}", offset)
        return number

    def _character(self, offset: int) -> Char:
        if offset + 2 >= len(self.text):
            raise IncompleteError("a character is missing", offset)
        self.position = offset + 3
        match = _DELIMITED.match(self.text, offset + 3)
        assert match is not None
        first = self.text[offset + 2]
        rest = match.group() if first not in "()[]\";'|" and not first.isspace() else ""
        if not rest:
            return char(first)
        self.position = match.end()
        name = first + rest
        if first in "xX":
            try:
                code = int(rest, 16)
            except ValueError:
                code = -1
            if _is_scalar(code):
                return char(chr(code))
        found = CHARACTER_NAMES.get(name) or CHARACTER_NAMES.get(name.lower() if self.fold else name)
        if found is None:
            raise self.fail(f"there is no character #\\{name}", offset)
        return char(found)

    def _atom(self, offset: int, stack: list[_Open]) -> Any:
        token = self._token(offset)
        if not token:
            if self.text[offset] == "|":
                raise IncompleteError("a symbol is not closed", offset)
            raise self.fail(f"cannot read {self.text[offset]!r}", offset)
        if self.text[self.position : self.position + 1] == "|":
            raise IncompleteError("a symbol is not closed", self.position)
        if token == ".":
            if not stack or stack[-1].kind not in "([" or not stack[-1].items or stack[-1].dotted:
                raise self.fail("a dot where none may be", offset)
            stack[-1].dotted = 1
            return _NOTHING
        if "|" in token:
            return intern(self._barred(token, offset))
        number = parse_number(token)
        if number is not None:
            return number
        return intern(token.casefold() if self.fold else token)

    def _barred(self, token: str, offset: int) -> str:
        parts: list[str] = []
        for number, piece in enumerate(re.split(r"\|((?:[^|\\]|\\.)*)\|", token, flags=re.DOTALL)):
            if number % 2 == 0:
                parts.append(piece.casefold() if self.fold else piece)
            elif "\\" in piece:
                parts.append(Reader(f'"{piece.replace(chr(34), chr(92) + chr(34))}"', self.name)._string(0).text)
            else:
                parts.append(piece)
        return "".join(parts)


def _is_scalar(code: int) -> bool:
    return 0 <= code < 0xD800 or 0xE000 <= code < 0x110000


def _patch(value: Any) -> Any:
    """Put the labelled data in the places of their placeholders."""
    if type(value) is _Placeholder:
        return value.value
    seen: set[int] = set()
    work = [value]
    while work:
        item = work.pop()
        if id(item) in seen:
            continue
        if type(item) is Pair:
            seen.add(id(item))
            if type(item.car) is _Placeholder:
                item.car = item.car.value
            if type(item.cdr) is _Placeholder:
                item.cdr = item.cdr.value
            work.append(item.car)
            work.append(item.cdr)
        elif type(item) is list:
            seen.add(id(item))
            item[:] = [part.value if type(part) is _Placeholder else part for part in item]
            work.extend(item)
    return value


def is_plain_symbol(name: str) -> bool:
    """Whether the symbol is written without bars."""
    if not name or name == "." or parse_number(name) is not None:
        return False
    if name[0] == "#" and name[:2] != "#%":
        return False
    return all(letter not in " ()\"';`,|\\\t\n\r[]{}" and letter.isprintable() for letter in name) and not any(
        letter.isspace() for letter in name
    )


def is_symbol(value: Any) -> bool:
    return type(value) is Symbol
