"""`string.format`: a format is read once, and what is wrong with it is said when its turn comes, as in PUC Lua."""

from __future__ import annotations

import re
from typing import Any

from interpreters.lua.errors import bad_argument, lua_error
from interpreters.lua.strings.arguments import check_integer, check_number
from interpreters.lua.strings.machine import Machine
from interpreters.lua.strings.numbers import MIN_INTEGER, format_number, hex_float, is_negative
from metatracer import dont_look_inside, elidable, isconstant, look_inside_iff, unroll_safe

CACHE_SIZE = 512
LONGEST_SPECIFICATION = 22
LONG_TEXT = 100  # a string of that length is not padded or cut unless a precision is given

_SPECIFICATION = re.compile(rb"[-+ #0-9.]*", re.DOTALL)
_FIELDS = re.compile(rb"([-+ #0]*)([1-9][0-9]?)?(?:(\.)([0-9]{0,2}))?")
_FLAGS = {
    "d": b"-+ 0", "i": b"-+ 0", "u": b"-0", "o": b"-#0", "x": b"-#0", "X": b"-#0", "c": b"-", "p": b"-", "s": b"-",
    "a": b"-+ #0", "A": b"-+ #0", "e": b"-+ #0", "E": b"-+ #0", "f": b"-+ #0", "g": b"-+ #0", "G": b"-+ #0", "q": b"",
}  # fmt: skip
_QUOTED = re.compile(rb"[\x00-\x1f\x7f\"\\]")


class Directive:
    """A `%` and what belongs to it.

    Attributes:
        text: the whole of it, for messages.
        conversion: its letter.
        error: what is wrong with its flags, width and precision, or None.
        simple: what Python's `%` takes instead where that gives the same, or None.
    """

    _immutable_fields_ = ["text", "conversion", "error", "simple", "flags", "width", "precision"]
    __slots__ = ("conversion", "error", "flags", "precision", "simple", "text", "width")

    def __init__(self, text: bytes, conversion: str) -> None:
        self.text = text
        self.conversion = conversion
        self.flags = b""
        self.width = 0
        self.precision: int | None = None
        self.simple: bytes | None = None
        self.error = self._read()

    def _read(self) -> str | None:
        shown = self.text.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        if self.conversion not in _FLAGS:
            return f"invalid conversion '{shown}' to 'format'"
        if self.conversion == "i":
            self.conversion = "d"
        if self.conversion == "q":
            return None if self.text == b"%q" else "specifier '%q' cannot have modifiers"
        fields = _FIELDS.fullmatch(self.text, 1, len(self.text) - 1)
        if fields is None or fields.group(1).strip(_FLAGS[self.conversion]):
            return f"invalid conversion specification: '{shown}'"
        if fields.group(3) is not None and self.conversion in "cp":
            return f"invalid conversion specification: '{shown}'"
        self.flags = fields.group(1)
        self.width = int(fields.group(2) or 0)
        self.precision = None if fields.group(3) is None else int(fields.group(4) or 0)
        self._simplify()
        return None

    def _simplify(self) -> None:
        if self.conversion in "duoxX":
            if self.precision is None and b"#" not in self.flags:
                self.simple = self.text[:-1] + self.conversion.encode().replace(b"u", b"d")
        elif self.conversion in "eEfgG":
            self.simple = self.text

    def pad(self, text: bytes, sign: bytes = b"", *, zeros: bool = False) -> bytes:
        """Return a text in its width, with zeros between sign and digits where these are asked for and allowed."""
        if b"-" in self.flags:
            return (sign + text).ljust(self.width)
        if zeros and b"0" in self.flags:
            return sign + text.rjust(self.width - len(sign), b"0")
        return (sign + text).rjust(self.width)

    def sign(self, negative: bool) -> bytes:
        """Return what stands before a number."""
        if negative:
            return b"-"
        if b"+" in self.flags:
            return b"+"
        return b" " if b" " in self.flags else b""


class Format:
    """A format string that has been read.

    Attributes:
        parts: text, and directives, each of which takes an argument.
    """

    _immutable_fields_ = ["parts[*]"]
    __slots__ = ("parts",)

    def __init__(self, source: bytes) -> None:
        self.parts: list[bytes | Directive] = []
        index = 0
        while True:
            percent = source.find(b"%", index)
            if percent < 0:
                self._add(source[index:])
                return
            self._add(source[index:percent])
            index = percent + 1
            if source[index : index + 1] == b"%":
                self._add(b"%")
                index += 1
                continue
            span = _SPECIFICATION.match(source, index)
            end = span.end() if span is not None else index
            letter = source[end : end + 1]
            directive = Directive(source[percent : end + 1], letter.decode("latin-1"))
            if end - index + 1 >= LONGEST_SPECIFICATION:
                directive.error = "invalid format (too long)"
                directive.conversion = ""
            self.parts.append(directive)
            index = end + 1

    def _add(self, text: bytes) -> None:
        if text:
            self.parts.append(text)


_formats: dict[bytes, Format] = {}


@elidable
def compile_format(source: bytes) -> Format:
    """Return a format string, read once."""
    compiled = _formats.get(source)
    if compiled is None:
        compiled = Format(source)
        if len(_formats) >= CACHE_SIZE:
            _formats.clear()
        _formats[source] = compiled
    return compiled


@look_inside_iff(lambda vm, source, args: isconstant(source))
@unroll_safe
def format_values(vm: Machine, source: bytes, args: list[Any]) -> bytes:
    """Return what `string.format` does; `args` has the format itself in front."""
    result: list[bytes] = []
    index = 0
    parts = compile_format(source).parts
    for number in range(len(parts)):
        part = parts[number]
        if isinstance(part, bytes):
            result.append(part)
        else:
            index += 1
            if index >= len(args):
                raise bad_argument(index + 1, "format", "no value")
            result.append(_convert(vm, part, args, index))
    return result[0] if len(result) == 1 else b"".join(result)


def _convert(vm: Machine, directive: Directive, args: list[Any], index: int) -> bytes:
    conversion = directive.conversion
    value = args[index]
    if conversion == "d":
        integer = value if type(value) is int else check_integer(args, index, "format")
        simple = directive.simple
        return simple % integer if simple is not None else _format_integer(directive, integer)
    if conversion == "s":
        return _format_string(vm, directive, value, index)
    if conversion and conversion in "feEgG":
        number = value if type(value) is float else float(check_number(args, index, "format"))
        if directive.simple is not None and number - number == 0.0:
            return directive.simple % number
        return _format_float(directive, number)
    if conversion and conversion in "xXou":
        integer = check_integer(args, index, "format")
        if directive.simple is None:
            return _format_integer(directive, integer)
        return directive.simple % (integer & (2**64 - 1))
    return _convert_rare(vm, directive, args, index)


@dont_look_inside
def _convert_rare(vm: Machine, directive: Directive, args: list[Any], index: int) -> bytes:
    if directive.error is not None:
        raise lua_error(directive.error)
    conversion = directive.conversion
    if conversion == "c":
        return directive.pad(bytes([check_integer(args, index, "format") & 255]))
    if conversion == "q":
        return quote(args[index], index)
    if conversion == "p":
        value = args[index]
        if value is None or type(value) in {bool, int, float}:
            return directive.pad(b"(null)")
        return directive.pad(vm.address(value))
    return _format_float(directive, float(check_number(args, index, "format")))


def _format_string(vm: Machine, directive: Directive, value: Any, index: int) -> bytes:
    text: bytes = value if type(value) is bytes else vm.tostring(value)
    if directive.text == b"%s":
        return text
    if b"\0" in text:
        raise bad_argument(index + 1, "format", "string contains zeros")
    if directive.error is not None:
        raise lua_error(directive.error)
    if directive.precision is None and len(text) >= LONG_TEXT:
        return text
    return directive.pad(text if directive.precision is None else text[: directive.precision])


@dont_look_inside
def _format_integer(directive: Directive, integer: int) -> bytes:
    """Format an integer as C does with `#` or a precision."""
    if directive.error is not None:
        raise lua_error(directive.error)
    conversion = directive.conversion
    if conversion == "d":
        digits, sign = b"%d" % abs(integer), directive.sign(integer < 0)
    else:
        digits, sign = (b"%" + conversion.encode().replace(b"u", b"d")) % (integer & (2**64 - 1)), b""
    precision = directive.precision
    if precision is not None:
        digits = b"" if precision == 0 and integer == 0 else digits.rjust(precision, b"0")
    if b"#" in directive.flags:
        if conversion in "xX" and integer:
            sign = b"0" + conversion.encode()
        elif conversion == "o" and digits[:1] != b"0":
            digits = b"0" + digits
    return directive.pad(digits, sign, zeros=precision is None)


@dont_look_inside
def _format_float(directive: Directive, number: float) -> bytes:
    """Format what Python's `%` does not format as C does: infinities, NaNs and hexadecimal."""
    if directive.error is not None:
        raise lua_error(directive.error)
    sign = directive.sign(is_negative(number))
    finite = number - number == 0.0
    if not finite:
        text = b"nan" if number != number else b"inf"
    elif directive.conversion in "aA":
        text = hex_float(abs(number), directive.precision, point=b"#" in directive.flags)
        sign, text = sign + text[:2], text[2:]
    else:
        raise AssertionError("finite numbers have been formatted")
    if directive.conversion in "AEG":
        sign, text = sign.upper(), text.upper()
    return directive.pad(text, sign, zeros=finite)


def quote(value: Any, index: int) -> bytes:
    """Return the source text of a value (`%q`), of the argument with that index."""
    if type(value) is bytes:
        return b'"' + _QUOTED.sub(_escape, value) + b'"'
    if type(value) is int:
        return b"0x8000000000000000" if value == MIN_INTEGER else format_number(value)
    if type(value) is float:
        if value != value:
            return b"(0/0)"
        sign = b"-" if is_negative(value) else b""
        return sign + (b"1e9999" if value - value != 0.0 else hex_float(abs(value)))
    if value is None:
        return b"nil"
    if type(value) is bool:
        return b"true" if value else b"false"
    raise bad_argument(index + 1, "format", "value has no literal form")


def _escape(found: re.Match[bytes]) -> bytes:
    byte = found.group()
    if byte in b'"\\\n':
        return b"\\" + byte
    following = found.string[found.end() : found.end() + 1]
    return b"\\%03d" % byte[0] if following.isdigit() else b"\\%d" % byte[0]
