"""Data to text. Nothing here recurses."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from interpreters.scheme.numerals import number_text
from interpreters.scheme.objects import (
    NIL, CaseLambda, Char, Closure, Condition, ControlPrimitive, Pair, Parameter, Primitive, Promise, Record, RecordType,
    Singleton, String, Symbol, Values,
)  # fmt: skip
from interpreters.scheme.reader import CHARACTER_NAMES, is_plain_symbol

_NAMES = {value: name for name, value in reversed(list(CHARACTER_NAMES.items()))}
_STRING_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b"}
_QUOTES = {"quote": "'", "quasiquote": "`", "unquote": ",", "unquote-splicing": ",@"}


def string_literal(text: str) -> str:
    """The text as `write` shows a string."""
    parts = []
    for letter in text:
        escape = _STRING_ESCAPES.get(letter)
        if escape is None and not letter.isprintable() and ord(letter) < 0x100:
            escape = f"\\x{ord(letter):x};"
        parts.append(escape or letter)
    return f'"{"".join(parts)}"'


def symbol_literal(name: str) -> str:
    """The name as `write` shows a symbol."""
    if is_plain_symbol(name):
        return name
    text = "".join([f"\\{letter}" if letter in "|\\" else _escaped(letter) for letter in name])
    return f"|{text}|"


def _escaped(letter: str) -> str:
    if letter.isprintable():
        return letter
    return _STRING_ESCAPES.get(letter) or f"\\x{ord(letter):x};"


def character_literal(value: str) -> str:
    """The character as `write` shows it."""
    if value in _NAMES:
        return f"#\\{_NAMES[value]}"
    return f"#\\{value}" if value.isprintable() else f"#\\x{ord(value):x}"


def _atom(value: Any, quote: bool) -> str:
    kind = type(value)
    if kind is String:
        return string_literal(value.text) if quote else str(value.text)
    if kind is Symbol:
        return symbol_literal(value.name) if quote else str(value.name)
    if kind is bool:
        return "#t" if value else "#f"
    if kind is Char:
        return character_literal(value.value) if quote else str(value.value)
    if kind in _NUMBER_TYPES:
        return number_text(value)
    if kind is bytearray:
        return f"#u8({' '.join(map(str, value))})"
    if kind is Singleton:
        return str(value.text)
    return _opaque(value)


def _opaque(value: Any) -> str:
    kind = type(value)
    if kind is Closure:
        return f"#<procedure {value.code.name}>" if value.code.name else "#<procedure>"
    if kind is Primitive or kind is ControlPrimitive:
        return f"#<procedure {value.name}>"
    if kind is CaseLambda:
        return "#<procedure>"
    if kind is Parameter:
        return "#<parameter>"
    if kind is Promise:
        return "#<promise>"
    if kind is RecordType:
        return f"#<record-type {value.name}>"
    if kind is Condition:
        return f"#<condition {error_text(value)}>"
    if kind is Values:
        return " ".join([to_text(item) for item in value.items])
    return f"#<{getattr(kind, 'scheme_name', kind.__name__.lower())}>"


def _is_compound(value: Any) -> bool:
    kind = type(value)
    return kind is Pair or (kind is list and len(value) > 0) or kind is Record


def _children(value: Any) -> list[Any]:
    if type(value) is Pair:
        return [value.cdr, value.car]
    return list(reversed(value if type(value) is list else value.fields))


def _shared(value: Any) -> set[int]:
    """The ids of the compound data that are met more than once."""
    seen: set[int] = set()
    twice: set[int] = set()
    work = [value]
    while work:
        item = work.pop()
        if not _is_compound(item):
            continue
        if id(item) in seen:
            twice.add(id(item))
            continue
        seen.add(id(item))
        work.extend(_children(item))
    return twice


def _cyclic(value: Any) -> set[int]:
    """The ids of the compound data where a cycle closes."""
    if not _shared(value):
        return set()
    on_path: set[int] = set()
    done: set[int] = set()
    found: set[int] = set()
    work: list[tuple[bool, Any]] = [(False, value)]
    while work:
        leaving, item = work.pop()
        if leaving:
            on_path.discard(id(item))
            done.add(id(item))
            continue
        if not _is_compound(item):
            continue
        if id(item) in on_path:
            found.add(id(item))
            continue
        if id(item) in done:
            continue
        on_path.add(id(item))
        work.append((True, item))
        work.extend([(False, child) for child in _children(item)])
    return found


def to_text(value: Any, quote: bool = True, labels: str = "cycles") -> str:
    """The text of a value.

    Args:
        value: Any Scheme value.
        quote: As `write` does; else as `display`.
        labels: Data that get labels: "cycles", "shared" or "none".
    """
    if not _is_compound(value):
        return _atom(value, quote)
    marked: set[int] = set()
    if labels == "shared":
        marked = _shared(value)
    elif labels == "cycles":
        marked = _cyclic(value)
    numbers: dict[int, int] = {}
    parts: list[str] = []
    # What is still to be written: (kind, value); a "text" is ready, a "tail" is the rest of a list.
    work: list[tuple[str, Any]] = [("datum", value)]
    while work:
        kind, item = work.pop()
        if kind == "text":
            parts.append(item)
            continue
        if kind == "tail":
            if item is NIL:
                parts.append(")")
                continue
            if type(item) is Pair and id(item) not in marked:
                parts.append(" ")
                work.append(("tail", item.cdr))
                work.append(("datum", item.car))
                continue
            parts.append(" . ")
            work.append(("text", ")"))
        if not _is_compound(item):
            parts.append(_atom(item, quote))
            continue
        if id(item) in marked:
            if id(item) in numbers:
                parts.append(f"#{numbers[id(item)]}#")
                continue
            numbers[id(item)] = len(numbers)
            parts.append(f"#{numbers[id(item)]}=")
        _open(item, work, parts, marked)
    return "".join(parts)


def _open(item: Any, work: list[tuple[str, Any]], parts: list[str], marked: set[int]) -> None:
    if type(item) is Pair:
        rest = item.cdr
        quotes = type(item.car) is Symbol and item.car.name in _QUOTES and type(rest) is Pair and rest.cdr is NIL
        if quotes and id(rest) not in marked:
            parts.append(_QUOTES[item.car.name])
            work.append(("datum", rest.car))
            return
        parts.append("(")
        work.append(("tail", rest))
        work.append(("datum", item.car))
    elif type(item) is list:
        parts.append("#(")
        work.append(("text", ")"))
        for number in range(len(item) - 1, -1, -1):
            work.append(("datum", item[number]))
            if number:
                work.append(("text", " "))
    else:
        parts.append(f"#<{item.type.name}")
        work.append(("text", ">"))
        for name, part in zip(reversed(item.type.fields), reversed(item.fields), strict=True):
            work.append(("datum", part))
            work.append(("text", f" {name}="))


_NUMBER_TYPES = frozenset((int, float, complex, Fraction))


def display_text(value: Any) -> str:
    """As `display` shows it."""
    return to_text(value, quote=False)


def error_text(payload: Any) -> str:
    """What the user is told about an object that was raised and not handled."""
    if type(payload) is not Condition:
        return f"uncaught raise of {to_text(payload)}"
    parts = [f"{payload.who}:"] if payload.who else []
    parts.append(display_text(payload.message))
    parts.extend([shortened(to_text(item)) for item in payload.irritants])
    return " ".join(parts)


def shortened(text: str, limit: int = 400) -> str:
    return text if len(text) <= limit else f"{text[:limit]}..."
