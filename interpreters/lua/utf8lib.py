"""The library `utf8`. Lua's UTF-8 goes up to 2^31 and, when lax, has surrogates; Python's codec is of no use here."""

from __future__ import annotations

from typing import Any

from interpreters.lua.errors import bad_argument, lua_error
from interpreters.lua.strings.arguments import check_integer, check_string, optional_integer
from interpreters.lua.strings.machine import Builtin, Machine
from interpreters.lua.strings.numbers import tointeger
from interpreters.lua.values import LuaBuiltin

CHARACTER_PATTERN = b"[\0-\x7f\xc2-\xfd][\x80-\xbf]*"
LARGEST_CODE = 0x7FFFFFFF
_LEAST_OF_LENGTH = (0, 0, 0x80, 0x800, 0x10000, 0x200000, 0x4000000)


def encode_code(code: int) -> bytes:
    """Return a code below 2^31 as UTF-8 of one to six bytes."""
    if code < 0x80:
        return b"%c" % code
    tail: list[int] = []
    lead_room = 0x3F  # what fits into the first byte beside the mark of the length
    while code > lead_room:
        tail.append(0x80 | code & 0x3F)
        code >>= 6
        lead_room >>= 1
    return bytes([(~lead_room << 1) & 0xFF | code, *reversed(tail)])


def decode_code(text: bytes, index: int, lax: bool) -> tuple[int, int]:
    """Return the code that begins at an index and the index behind it; (-1, index) where there is no valid one."""
    lead = text[index]
    if lead < 0x80:
        return lead, index + 1
    length = 0
    while length < 8 and lead & (0x80 >> length):
        length += 1
    end = index + length
    if not 2 <= length <= 6 or end > len(text):
        return -1, index
    code = lead & (0x7F >> length)
    for position in range(index + 1, end):
        byte = text[position]
        if byte & 0xC0 != 0x80:
            return -1, index
        code = code << 6 | byte & 0x3F
    if code < _LEAST_OF_LENGTH[length]:
        return -1, index
    if not lax and (code > 0x10FFFF or 0xD800 <= code <= 0xDFFF):
        return -1, index
    return code, end


def _is_continuation(text: bytes, index: int) -> bool:
    return index < len(text) and text[index] & 0xC0 == 0x80


def _relative(position: int, length: int) -> int:
    """Return a position counted from 1, of one that counts from the end when negative; 0 where it is before the text."""
    if position >= 0:
        return position
    return 0 if -position > length else length + position + 1


def _is_true(args: list[Any], index: int) -> bool:
    return index < len(args) and args[index] is not None and args[index] is not False


def utf8_char(vm: Machine, args: list[Any]) -> list[Any]:
    characters: list[bytes] = []
    for index in range(len(args)):
        code = check_integer(args, index, "char")
        if not 0 <= code <= LARGEST_CODE:
            raise bad_argument(index + 1, "char", "value out of range")
        characters.append(encode_code(code))
    return [b"".join(characters)]


def utf8_codes(vm: Machine, args: list[Any]) -> list[Any]:
    text = check_string(args, 0, "codes")
    return [_LAX_STEP if _is_true(args, 1) else _STRICT_STEP, text, 0]


def _step(args: list[Any], lax: bool) -> list[Any]:
    text = check_string(args, 0, "for iterator")
    # A control value that is no number counts as 0; a negative one is behind every end.
    index = (tointeger(args[1]) if len(args) > 1 else None) or 0
    if index < 0:
        return []
    while _is_continuation(text, index):
        index += 1
    if index >= len(text):
        return []
    code, _ = decode_code(text, index, lax)
    if code < 0:
        raise lua_error("invalid UTF-8 code")
    return [index + 1, code]


def _strict_step(vm: Machine, args: list[Any]) -> list[Any]:
    return _step(args, lax=False)


def _lax_step(vm: Machine, args: list[Any]) -> list[Any]:
    return _step(args, lax=True)


_STRICT_STEP = LuaBuiltin("for iterator", _strict_step)
_LAX_STEP = LuaBuiltin("for iterator", _lax_step)


def utf8_codepoint(vm: Machine, args: list[Any]) -> list[Any]:
    text = check_string(args, 0, "codepoint")
    start = _relative(optional_integer(args, 1, "codepoint", 1), len(text))
    end = _relative(optional_integer(args, 2, "codepoint", start), len(text))
    lax = _is_true(args, 3)
    if start < 1:
        raise bad_argument(2, "codepoint", "out of bounds")
    if end > len(text):
        raise bad_argument(3, "codepoint", "out of bounds")
    results: list[Any] = []
    index = start - 1
    while index < end:
        code, index = decode_code(text, index, lax)
        if code < 0:
            raise lua_error("invalid UTF-8 code")
        results.append(code)
    return results


def utf8_len(vm: Machine, args: list[Any]) -> list[Any]:
    text = check_string(args, 0, "len")
    index = _relative(optional_integer(args, 1, "len", 1), len(text)) - 1
    last = _relative(optional_integer(args, 2, "len", -1), len(text)) - 1
    lax = _is_true(args, 3)
    if not 0 <= index <= len(text):
        raise bad_argument(2, "len", "initial position out of bounds")
    if last >= len(text):
        raise bad_argument(3, "len", "final position out of bounds")
    count = 0
    while index <= last:
        code, index = decode_code(text, index, lax)
        if code < 0:
            return [None, index + 1]
        count += 1
    return [count]


def utf8_offset(vm: Machine, args: list[Any]) -> list[Any]:
    text, count = check_string(args, 0, "offset"), check_integer(args, 1, "offset")
    index = _relative(optional_integer(args, 2, "offset", 1 if count >= 0 else len(text) + 1), len(text)) - 1
    if not 0 <= index <= len(text):
        raise bad_argument(3, "offset", "position out of bounds")
    if count == 0:
        while index > 0 and _is_continuation(text, index):
            index -= 1
        return [index + 1]
    if _is_continuation(text, index):
        raise lua_error("initial position is a continuation byte")
    while count < 0 and index > 0:
        index -= 1
        while index > 0 and _is_continuation(text, index):
            index -= 1
        count += 1
    if count > 0:
        count -= 1
        while count > 0 and index < len(text):
            index += 1
            while _is_continuation(text, index):
                index += 1
            count -= 1
    return [index + 1 if count == 0 else None]


def make_utf8_library() -> dict[str, Builtin | bytes]:
    """Return the functions of `utf8`, and its pattern, by name."""
    return {
        "char": utf8_char,
        "charpattern": CHARACTER_PATTERN,
        "codepoint": utf8_codepoint,
        "codes": utf8_codes,
        "len": utf8_len,
        "offset": utf8_offset,
    }
