"""`string.pack`, `packsize` and `unpack`: a format is read once into options with sizes and alignments.

What is wrong with a format is said when its turn comes: options before it may complain first.
"""

from __future__ import annotations

import struct
from typing import Any

from interpreters.lua.errors import LuaError, bad_argument, lua_error
from interpreters.lua.strings.arguments import check_integer, check_number, check_string
from interpreters.lua.strings.numbers import MAX_INTEGER, MIN_INTEGER, wrap
from metatracer import dont_look_inside

CACHE_SIZE = 512
LARGEST_INTEGER = 16  # bytes
INTEGER_SIZE = 8
NATIVE_ALIGNMENT = 8
LARGEST_SIZE = 2**31 - 1  # of what may be packed, as PUC Lua has it
_LAST_DIGIT_AT = (LARGEST_SIZE - 9) // 10

SIGNED, UNSIGNED, FLOAT, FIXED, COUNTED, ZERO_ENDED, PADDING, ALIGNMENT, FAULT = range(9)
VARIABLE = frozenset({COUNTED, ZERO_ENDED})

_INTEGERS = {"b": 1, "h": 2, "l": 8, "j": 8, "B": 1, "H": 2, "L": 8, "J": 8, "T": 8}
_FLOATS = {"f": 4, "d": 8, "n": 8}


class Option:
    """One option of a format.

    Attributes:
        kind: one of the constants above.
        size: in bytes; of COUNTED that of the count.
        align: a power of 2, to which the offset is rounded up first.
        little: whether the least significant byte comes first.
        coder: for floats.
        message: for FAULT.
        argument: whether a fault is one of the format as an argument.
    """

    _immutable_fields_ = ["kind", "size", "align", "little", "coder", "message", "argument"]
    __slots__ = ("align", "argument", "coder", "kind", "little", "message", "size")

    def __init__(self, kind: int, size: int = 0, align: int = 1, *, little: bool = True) -> None:
        self.kind = kind
        self.size = size
        self.align = align
        self.little = little
        self.message = ""
        self.argument = False
        self.coder = struct.Struct(("<" if little else ">") + ("f" if size == 4 else "d"))

    def fault(self, function_name: str) -> LuaError:
        """Return the error of a FAULT."""
        return bad_argument(1, function_name, self.message) if self.argument else lua_error(self.message)


class _Fault(Exception):
    """Something wrong with a format; `argument` as in `Option`."""

    def __init__(self, message: str, *, argument: bool = False) -> None:
        super().__init__(message)
        self.argument = argument


class _Reader:
    """Reads a format."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.index = 0
        self.little = True
        self.largest_alignment = 1
        self.options: list[Option] = []

    def read(self) -> list[Option]:
        try:
            while self.index < len(self.source):
                option = self._option()
                if option is not None:
                    self.options.append(option)
        except _Fault as fault:
            option = Option(FAULT)
            option.message, option.argument = str(fault), fault.argument
            self.options.append(option)
        return self.options

    def _option(self) -> Option | None:
        letter = self._letter()
        if letter in " <>=!":
            self._setting(letter)
            return None
        if letter == "X":
            return self._alignment()
        kind, size = self._kind_and_size(letter)
        align = self._alignment_for(size) if kind in {SIGNED, UNSIGNED, FLOAT, COUNTED} else 1
        return Option(kind, size, align, little=self.little)

    def _letter(self) -> str:
        letter = self.source[self.index]
        self.index += 1
        return letter

    def _setting(self, letter: str) -> None:
        if letter in "<=":
            self.little = True
        elif letter == ">":
            self.little = False
        elif letter == "!":
            self.largest_alignment = self._integer_size(NATIVE_ALIGNMENT)

    def _alignment(self) -> Option:
        """Read `Xop`: an alignment as of another option, and nothing else of that."""
        kind, size = ALIGNMENT, 0
        if self.index < len(self.source):
            letter = self._letter()
            if letter not in " <>=!X":
                kind, size = self._kind_and_size(letter)
            elif letter == "!":
                self._setting(letter)
        if kind in {FIXED, ALIGNMENT} or size == 0:
            raise _Fault("invalid next option for option 'X'", argument=True)
        return Option(ALIGNMENT, 0, self._alignment_for(size), little=self.little)

    def _alignment_for(self, size: int) -> int:
        align = min(size, self.largest_alignment)
        if align & (align - 1):
            raise _Fault("format asks for alignment not power of 2", argument=True)
        return max(align, 1)

    def _kind_and_size(self, letter: str) -> tuple[int, int]:
        if letter in _INTEGERS:
            return SIGNED if letter.islower() else UNSIGNED, _INTEGERS[letter]
        if letter in "iI":
            return SIGNED if letter == "i" else UNSIGNED, self._integer_size(4)
        if letter in _FLOATS:
            return FLOAT, _FLOATS[letter]
        if letter == "s":
            return COUNTED, self._integer_size(8)
        if letter == "c":
            size = self._number()
            if size is None:
                raise _Fault("missing size for format option 'c'")
            return FIXED, size
        if letter == "z":
            return ZERO_ENDED, 0
        if letter == "x":
            return PADDING, 1
        raise _Fault(f"invalid format option '{letter}'")

    def _integer_size(self, default: int) -> int:
        size = self._number()
        if size is None:
            return default
        if not 1 <= size <= LARGEST_INTEGER:
            raise _Fault(f"integral size ({size}) out of limits [1,{LARGEST_INTEGER}]")
        return size

    def _number(self) -> int | None:
        number = None
        while self.index < len(self.source) and self.source[self.index] in "0123456789":
            if number is not None and number > _LAST_DIGIT_AT:
                break
            number = (number or 0) * 10 + int(self.source[self.index])
            self.index += 1
        return number


_formats: dict[bytes, list[Option]] = {}


def compile_options(source: bytes) -> list[Option]:
    """Return the options of a format, read once."""
    options = _formats.get(source)
    if options is None:
        # A zero byte ends a format in PUC Lua.
        options = _Reader(source.split(b"\0", 1)[0].decode("latin-1")).read()
        if len(_formats) >= CACHE_SIZE:
            _formats.clear()
        _formats[source] = options
    return options


@dont_look_inside
def pack(source: bytes, args: list[Any]) -> bytes:
    """Return the binary string of the arguments; `args` has the format itself in front."""
    result = bytearray()
    # PUC Lua has its buffer on the stack behind the arguments: the first that is missing is nil to it.
    args = [*args, None]
    index = 0
    for option in compile_options(source):
        kind = option.kind
        if option.align > 1:
            result += bytes(-len(result) & (option.align - 1))
        if kind <= UNSIGNED:
            index += 1
            result += _pack_integer(option, args, index)
        elif kind == FLOAT:
            index += 1
            result += _pack_float(option, float(check_number(args, index, "pack")))
        elif kind == PADDING:
            result.append(0)
        elif kind == FAULT:
            raise option.fault("pack")
        elif kind != ALIGNMENT:
            index += 1
            result += _pack_text(option, check_string(args, index, "pack"), index)
    return bytes(result)


def _pack_integer(option: Option, args: list[Any], index: int) -> bytes:
    number, size = check_integer(args, index, "pack"), option.size
    order = "little" if option.little else "big"
    if option.kind == SIGNED:
        if size < INTEGER_SIZE and not -(1 << (8 * size - 1)) <= number < 1 << (8 * size - 1):
            raise bad_argument(index + 1, "pack", "integer overflow")
        return number.to_bytes(size, order, signed=True)  # type: ignore[arg-type] # one of the two orders
    number &= 2**64 - 1
    if size < INTEGER_SIZE and number >= 1 << (8 * size):
        raise bad_argument(index + 1, "pack", "unsigned overflow")
    return number.to_bytes(size, order)  # type: ignore[arg-type] # one of the two orders


def _pack_float(option: Option, number: float) -> bytes:
    try:
        return option.coder.pack(number)
    except OverflowError:  # C makes an infinity of what is too large for a float
        return option.coder.pack(float("inf") if number > 0 else float("-inf"))


def _pack_text(option: Option, text: bytes, index: int) -> bytes:
    size = option.size
    if option.kind == FIXED:
        if len(text) > size:
            raise bad_argument(index + 1, "pack", "string longer than given size")
        return text.ljust(size, b"\0")
    if option.kind == COUNTED:
        if size < INTEGER_SIZE and len(text) >= 1 << (8 * size):
            raise bad_argument(index + 1, "pack", "string length does not fit in given size")
        return len(text).to_bytes(size, "little" if option.little else "big") + text
    if b"\0" in text:
        raise bad_argument(index + 1, "pack", "string contains zeros")
    return text + b"\0"


@dont_look_inside
def packed_size(source: bytes) -> int:
    """Return the length of what `pack` makes with a format."""
    total = 0
    for option in compile_options(source):
        if option.kind == FAULT:
            raise option.fault("packsize")
        if option.kind in VARIABLE:
            raise bad_argument(1, "packsize", "variable-length format")
        size = option.size + (-total & (option.align - 1))
        if total > LARGEST_SIZE - size:
            raise bad_argument(1, "packsize", "format result too large")
        total += size
    return total


@dont_look_inside
def unpack(source: bytes, data: bytes, position: int) -> list[Any]:
    """Return the values read from a position on, counted from 0, and at the end where reading stopped, counted from 1."""
    results: list[Any] = []
    for option in compile_options(source):
        kind, size = option.kind, option.size
        if kind == FAULT:
            raise option.fault("unpack")
        padding = -position & (option.align - 1) if option.align > 1 else 0
        if padding + size > len(data) - position:
            raise bad_argument(2, "unpack", "data string too short")
        position += padding
        if kind <= UNSIGNED:
            results.append(_unpack_integer(data, position, option))
        elif kind == FLOAT:
            results.append(option.coder.unpack_from(data, position)[0])
        elif kind == FIXED:
            results.append(data[position : position + size])
        elif kind == COUNTED:
            length = _unpack_integer(data, position, option) & (2**64 - 1)
            if length > len(data) - position - size:
                raise bad_argument(2, "unpack", "data string too short")
            results.append(data[position + size : position + size + length])
            position += length
        elif kind == ZERO_ENDED:
            end = data.find(b"\0", position)
            if end < 0:
                raise bad_argument(2, "unpack", "unfinished string for format 'z'")
            results.append(data[position:end])
            position = end + 1
        position += size
    results.append(position + 1)
    return results


def _unpack_integer(data: bytes, position: int, option: Option) -> int:
    size = option.size
    order = "little" if option.little else "big"
    signed = option.kind == SIGNED
    number = int.from_bytes(data[position : position + size], order, signed=signed)  # type: ignore[arg-type] # an order
    if size < INTEGER_SIZE:
        return number
    # The bytes beyond the eighth have to be zeros, or to extend the sign of an integer that has one.
    if not MIN_INTEGER <= number <= MAX_INTEGER if signed else number >> 64:
        raise lua_error(f"{size}-byte integer does not fit into Lua Integer")
    return wrap(number)
