"""Scheme's values.

Python's own types stand for numbers (int, Fraction, float, complex), booleans, vectors (list) and bytevectors
(bytearray). Everything else has a class here. Code tests `type(x) is C`, so none of these classes is subclassed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from metatracer import dont_look_inside


class Singleton:
    """A value of which there is one."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


NIL = Singleton("()")
UNSPECIFIED = Singleton("#<unspecified>")
EOF = Singleton("#<eof>")
DEFAULT = Singleton("#<default>")
"""What stands for an optional argument that was not given."""


class Symbol:
    _immutable_fields_ = ["name"]
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


_symbols: dict[str, Symbol] = {}


def intern(name: str) -> Symbol:
    """The one symbol of this name."""
    symbol = _symbols.get(name)
    if symbol is None:
        symbol = _symbols[name] = Symbol(name)
    return symbol


class Char:
    _immutable_fields_ = ["value"]
    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value


_LATIN = tuple([Char(chr(code)) for code in range(256)])
_characters: dict[str, Char] = {}


def char(value: str) -> Char:
    """The one object for this character."""
    code = ord(value)
    return _LATIN[code] if code < 256 else _other_char(value)


@dont_look_inside
def _other_char(value: str) -> Char:
    found = _characters.get(value)
    if found is None:
        found = _characters[value] = Char(value)
    return found


class String:
    """A mutable string: text, or a list of one-character strings after it was changed in place."""

    __slots__ = ("_chars", "_text")

    def __init__(self, text: str) -> None:
        self._text: str | None = text
        self._chars: list[str] | None = None

    @property
    def text(self) -> str:
        text = self._text
        if text is None:
            assert self._chars is not None
            text = self._text = "".join(self._chars)
        return text

    @text.setter
    def text(self, value: str) -> None:
        self._text = value
        self._chars = None

    def __len__(self) -> int:
        return len(self._text) if self._text is not None else len(self._chars or ())

    def get(self, index: int) -> str:
        return self._text[index] if self._text is not None else self._chars[index]  # type: ignore[index]

    def put(self, index: int, value: str) -> None:
        chars = self._chars
        if chars is None:
            chars = self._chars = list(self._text or "")
        chars[index] = value
        self._text = None


class Pair:
    __slots__ = ("car", "cdr")

    def __init__(self, car: Any, cdr: Any) -> None:
        self.car = car
        self.cdr = cdr


class Values:
    """Zero, two or more values returned at once."""

    _immutable_fields_ = ["items"]
    __slots__ = ("items",)

    def __init__(self, items: tuple[Any, ...]) -> None:
        self.items = items


class Cell:
    """A variable that is assigned to."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


UNINITIALIZED = Singleton("#<uninitialized>")


class Primitive:
    """A procedure written in Python that needs no machine.

    Attributes:
        name: For messages.
        function: Takes the arguments.
        least: Arguments that must be given.
        most: Arguments that may be given; -1: any number.
        pure: Calling it has no effect and gives a value by its arguments alone (kept for constant arguments).
    """

    _immutable_fields_ = ["name", "function", "least", "most"]
    __slots__ = ("function", "least", "most", "name")

    def __init__(self, name: str, function: Callable[..., Any], least: int, most: int) -> None:
        self.name = name
        self.function = function
        self.least = least
        self.most = most


class ControlPrimitive:
    """A procedure written in Python that says how the machine goes on: `function(arguments, frame)` gives a state."""

    _immutable_fields_ = ["name", "function", "least", "most"]
    __slots__ = ("function", "least", "most", "name")

    def __init__(self, name: str, function: Callable[[Any, Any], Any], least: int, most: int) -> None:
        self.name = name
        self.function = function
        self.least = least
        self.most = most


class Closure:
    """A procedure of the guest: a `Lambda` and the environment around it."""

    _immutable_fields_ = ["code", "env"]
    __slots__ = ("code", "env")

    def __init__(self, code: Any, env: Any) -> None:
        self.code = code
        self.env = env


class CaseLambda:
    _immutable_fields_ = ["clauses[*]"]
    __slots__ = ("clauses",)

    def __init__(self, clauses: list[Closure]) -> None:
        self.clauses = clauses


class Parameter:
    __slots__ = ("converter", "value")

    def __init__(self, value: Any, converter: Any) -> None:
        self.value = value
        self.converter = converter


class RecordType:
    _immutable_fields_ = ["name", "fields[*]"]
    __slots__ = ("fields", "name")

    def __init__(self, name: str, fields: list[str]) -> None:
        self.name = name
        self.fields = fields


class Record:
    _immutable_fields_ = ["type"]
    __slots__ = ("fields", "type")

    def __init__(self, record_type: RecordType, fields: list[Any]) -> None:
        self.type = record_type
        self.fields = fields


class Promise:
    """`box` is shared between promises that a chain of `delay-force` made one; it is [done, value or thunk]."""

    __slots__ = ("box",)

    def __init__(self, done: bool, value: Any) -> None:
        self.box: list[Any] = [done, value]


class Condition:
    """An error object.

    Attributes:
        message: Any value; nearly always a String.
        irritants: A Python list.
        kind: "error", "read", "file" or "system".
        who: The procedure that found it, or "".
        place: "file:line:column" or "".
        exception: What a Python function raised, if it tells of that.
    """

    __slots__ = ("exception", "irritants", "kind", "message", "place", "who")

    def __init__(self, message: Any, irritants: list[Any], kind: str = "error", who: str = "") -> None:
        self.message = message
        self.irritants = irritants
        self.kind = kind
        self.who = who
        self.place = ""
        self.exception: Exception | None = None


class SchemeError(Exception):
    """A raised Scheme object on its way to the machine, or out of it.

    Attributes:
        payload: The object.
        continuable: Raised by `raise-continuable`.
        place: "file:line:column" where it was raised, or "".
    """

    def __init__(self, payload: Any, continuable: bool = False) -> None:
        super().__init__()
        self.payload = payload
        self.continuable = continuable
        self.place = ""

    def __str__(self) -> str:
        from interpreters.scheme.printer import error_text

        return error_text(self.payload)


@dont_look_inside
def error(who: str, message: str, *irritants: Any) -> SchemeError:
    """An error for `raise`: found by procedure `who`."""
    return SchemeError(Condition(String(message), list(irritants), who=who))


@dont_look_inside
def wrong_type(who: str, expected: str, value: Any) -> SchemeError:
    """An argument is not what it should be."""
    return error(who, f"expected {expected}, got", value)


class ExitRequest(Exception):
    """`(exit)` or `(emergency-exit)` reached the machine's end."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def make_list(items: Iterable[Any], tail: Any = NIL) -> Any:
    """A Scheme list of the items."""
    result = tail
    for item in reversed(list(items)):
        result = Pair(item, result)
    return result


def iterate(value: Any, who: str = "") -> Iterator[Any]:
    """The items of a proper list; an error when it is none."""
    start = value
    count = 0
    while type(value) is Pair:
        yield value.car
        value = value.cdr
        count += 1
        if count & 0xFFFFF == 0 and is_circular(start):
            raise wrong_type(who, "a proper list", start)
    if value is not NIL:
        raise wrong_type(who, "a proper list", start)


def to_python_list(value: Any, who: str = "") -> list[Any]:
    """The items of a proper list."""
    result = []
    start = value
    while type(value) is Pair:
        result.append(value.car)
        value = value.cdr
        if len(result) & 0xFFFFF == 0 and is_circular(start):
            raise wrong_type(who, "a proper list", start)
    if value is not NIL:
        raise wrong_type(who, "a proper list", start)
    return result


@dont_look_inside
def is_circular(value: Any) -> bool:
    """Whether following the cdrs never ends."""
    slow = value
    while type(value) is Pair:
        value = value.cdr
        if type(value) is not Pair:
            return False
        value = value.cdr
        slow = slow.cdr
        if value is slow:
            return True
    return False


@dont_look_inside
def is_list(value: Any) -> bool:
    """Whether this is a proper list."""
    slow = value
    while True:
        if value is NIL:
            return True
        if type(value) is not Pair:
            return False
        value = value.cdr
        if value is NIL:
            return True
        if type(value) is not Pair:
            return False
        value = value.cdr
        slow = slow.cdr
        if value is slow:
            return False
