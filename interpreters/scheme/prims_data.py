"""Booleans, symbols, characters, vectors, bytevectors, records."""

from __future__ import annotations

import unicodedata
from typing import Any

from interpreters.scheme.calls import is_procedure
from interpreters.scheme.equality import is_equal, is_eqv
from interpreters.scheme.objects import (
    NIL, UNSPECIFIED, Char, Primitive, Promise, Record, RecordType, String, Symbol, Values, char, error, intern,
    to_python_list, wrong_type,
)  # fmt: skip
from interpreters.scheme.primitives import index, opaque, primitive, span
from interpreters.scheme.prims_lists import items_of, list_from
from metatracer import unroll_safe


@primitive("eq?", "eqv?")
def eqv(left: Any, right: Any) -> bool:
    return left is right or is_eqv(left, right)


@primitive("equal?")
def equal(left: Any, right: Any) -> bool:
    return is_equal(left, right)


@primitive("not")
def not_(value: Any) -> bool:
    return value is False


@primitive("boolean?")
def is_boolean(value: Any) -> bool:
    return type(value) is bool


@primitive("boolean=?")
def booleans_equal(first: Any, second: Any, *items: Any) -> bool:
    for item in (first, second, *items):
        if type(item) is not bool:
            raise wrong_type("boolean=?", "a boolean", item)
    return all(item is first for item in (second, *items))


@primitive("procedure?")
def procedure(value: Any) -> bool:
    return is_procedure(value)


@primitive("default-object?")
def is_default(value: Any) -> bool:
    return value is UNSPECIFIED


@primitive("void")
def void(*items: Any) -> Any:
    return UNSPECIFIED


@primitive("values")
def values(*items: Any) -> Any:
    return items[0] if len(items) == 1 else Values(items)


# --- symbols


@primitive("symbol?")
def is_symbol(value: Any) -> bool:
    return type(value) is Symbol


@primitive("symbol=?")
def symbols_equal(first: Any, second: Any, *items: Any) -> bool:
    if not items and type(first) is Symbol and type(second) is Symbol:
        return first is second
    for item in (first, second, *items):
        if type(item) is not Symbol:
            raise wrong_type("symbol=?", "a symbol", item)
    return all(item is first for item in (second, *items))


@primitive("symbol->string")
def symbol_to_string(value: Any) -> Any:
    if type(value) is not Symbol:
        raise wrong_type("symbol->string", "a symbol", value)
    return String(value.name)


@primitive("string->symbol", "intern")
def string_to_symbol(value: Any) -> Any:
    if type(value) is not String:
        raise wrong_type("string->symbol", "a string", value)
    return intern(value.text)


@opaque("string->uninterned-symbol")
def uninterned(value: Any) -> Any:
    if type(value) is not String:
        raise wrong_type("string->uninterned-symbol", "a string", value)
    return Symbol(value.text)


@opaque("symbol-append")
def symbol_append(*items: Any) -> Any:
    return intern("".join([item.name for item in items]))


_COUNTER = [0]


@opaque("gensym", "generate-uninterned-symbol")
def gensym(prefix: Any = None) -> Any:
    _COUNTER[0] += 1
    name = prefix.text if type(prefix) is String else "g"
    return Symbol(f"{name}{_COUNTER[0]}")


# --- characters


@primitive("char?")
def is_char(value: Any) -> bool:
    return type(value) is Char


def letter(who: str, value: Any) -> str:
    if type(value) is not Char:
        raise wrong_type(who, "a character", value)
    return value.value


@primitive("char->integer")
def char_to_integer(value: Any) -> int:
    return ord(letter("char->integer", value))


@primitive("integer->char")
def integer_to_char(value: Any) -> Any:
    if type(value) is not int or not (0 <= value < 0xD800 or 0xE000 <= value < 0x110000):
        raise wrong_type("integer->char", "a character's number", value)
    return char(chr(value))


@primitive("char-upcase")
def char_upcase(value: Any) -> Any:
    upper = letter("char-upcase", value).upper()
    return char(upper) if len(upper) == 1 else value


@primitive("char-downcase")
def char_downcase(value: Any) -> Any:
    lower = letter("char-downcase", value).lower()
    return char(lower) if len(lower) == 1 else value


@primitive("char-foldcase")
def char_foldcase(value: Any) -> Any:
    folded = letter("char-foldcase", value).casefold()
    return char(folded) if len(folded) == 1 else value


@primitive("char-alphabetic?")
def is_alphabetic(value: Any) -> bool:
    return letter("char-alphabetic?", value).isalpha()


@primitive("char-numeric?")
def is_numeric(value: Any) -> bool:
    text = letter("char-numeric?", value)
    code = ord(text)
    return 48 <= code <= 57 if code < 128 else unicodedata.category(text) == "Nd"


@primitive("char-whitespace?")
def is_whitespace(value: Any) -> bool:
    return letter("char-whitespace?", value).isspace()


@primitive("char-upper-case?")
def is_upper(value: Any) -> bool:
    return letter("char-upper-case?", value).isupper()


@primitive("char-lower-case?")
def is_lower(value: Any) -> bool:
    return letter("char-lower-case?", value).islower()


@opaque("digit-value")
def digit_value(value: Any) -> Any:
    text = letter("digit-value", value)
    return unicodedata.decimal(text) if unicodedata.category(text) == "Nd" else False


@primitive("char->digit")
def char_to_digit(value: Any, radix: Any = 10) -> Any:
    try:
        return int(letter("char->digit", value), radix)
    except ValueError:
        return False


@primitive("digit->char")
def digit_to_char(value: Any, radix: Any = 10) -> Any:
    return char("0123456789abcdefghijklmnopqrstuvwxyz"[value]) if 0 <= value < radix else False


# --- vectors


def vector(who: str, value: Any) -> list[Any]:
    if type(value) is not list:
        raise wrong_type(who, "a vector", value)
    return value


@primitive("vector?")
def is_vector(value: Any) -> bool:
    return type(value) is list


@primitive("make-vector")
def make_vector(count: Any, fill: Any = UNSPECIFIED) -> Any:
    return [fill] * index("make-vector", count)


@primitive("vector")
def new_vector(*items: Any) -> Any:
    return list(items)


@primitive("vector-length")
def vector_length(value: Any) -> int:
    return len(vector("vector-length", value))


@primitive("vector-ref")
def vector_ref(items: Any, number: Any) -> Any:
    if type(items) is not list:
        raise wrong_type("vector-ref", "a vector", items)
    if type(number) is not int or not 0 <= number < len(items):
        raise error("vector-ref", "index out of range:", number)
    return items[number]


@primitive("vector-set!")
def vector_set(items: Any, number: Any, value: Any) -> Any:
    if type(items) is not list:
        raise wrong_type("vector-set!", "a vector", items)
    if type(number) is not int or not 0 <= number < len(items):
        raise error("vector-set!", "index out of range:", number)
    items[number] = value
    return UNSPECIFIED


@primitive("vector->list", "subvector->list")
def vector_to_list(items: Any, start: Any = 0, end: Any = None) -> Any:
    start, end = span("vector->list", len(vector("vector->list", items)), start, end)
    return list_from(items[start:end], NIL)


@primitive("list->vector")
def list_to_vector(items: Any) -> Any:
    return items_of(items, "list->vector")


@primitive("vector-fill!")
def vector_fill(items: Any, value: Any, start: Any = 0, end: Any = None) -> Any:
    start, end = span("vector-fill!", len(vector("vector-fill!", items)), start, end)
    items[start:end] = [value] * (end - start)
    return UNSPECIFIED


@opaque("vector-grow")
def vector_grow(items: Any, size: Any) -> Any:
    return vector("vector-grow", items) + [UNSPECIFIED] * (size - len(items))


@primitive("vector-copy", "subvector")
def vector_copy(items: Any, start: Any = 0, end: Any = None) -> Any:
    start, end = span("vector-copy", len(vector("vector-copy", items)), start, end)
    return items[start:end]


@primitive("vector-copy!")
def vector_copy_to(to: Any, at: Any, source: Any, start: Any = 0, end: Any = None) -> Any:
    start, end = span("vector-copy!", len(vector("vector-copy!", source)), start, end)
    at, _ = span("vector-copy!", len(vector("vector-copy!", to)), at, index("vector-copy!", at) + end - start)
    to[at : at + end - start] = source[start:end]
    return UNSPECIFIED


@opaque("vector-append")
def vector_append(*vectors: Any) -> Any:
    result: list[Any] = []
    for items in vectors:
        result.extend(vector("vector-append", items))
    return result


# --- bytevectors


def octets(who: str, value: Any) -> bytearray:
    if type(value) is not bytearray:
        raise wrong_type(who, "a bytevector", value)
    return value


def octet(who: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value < 256:
        raise wrong_type(who, "a byte", value)
    return value


@primitive("bytevector?")
def is_bytevector(value: Any) -> bool:
    return type(value) is bytearray


@opaque("bytevector")
def new_bytevector(*items: Any) -> Any:
    return bytearray([octet("bytevector", item) for item in items])


@primitive("make-bytevector")
def make_bytevector(count: Any, fill: Any = 0) -> Any:
    return bytearray([octet("make-bytevector", fill)]) * index("make-bytevector", count)


@primitive("bytevector-length")
def bytevector_length(value: Any) -> int:
    return len(octets("bytevector-length", value))


@primitive("bytevector-u8-ref")
def bytevector_ref(items: Any, number: Any) -> int:
    octets("bytevector-u8-ref", items)
    if type(number) is not int or not 0 <= number < len(items):
        raise error("bytevector-u8-ref", "index out of range:", number)
    return items[number]  # type: ignore[no-any-return]


@primitive("bytevector-u8-set!")
def bytevector_set(items: Any, number: Any, value: Any) -> Any:
    octets("bytevector-u8-set!", items)
    if type(number) is not int or not 0 <= number < len(items):
        raise error("bytevector-u8-set!", "index out of range:", number)
    items[number] = octet("bytevector-u8-set!", value)
    return UNSPECIFIED


@primitive("bytevector-copy")
def bytevector_copy(items: Any, start: Any = 0, end: Any = None) -> Any:
    start, end = span("bytevector-copy", len(octets("bytevector-copy", items)), start, end)
    return items[start:end]


@opaque("bytevector-copy!")
def bytevector_copy_to(to: Any, at: Any, source: Any, start: Any = 0, end: Any = None) -> Any:
    start, end = span("bytevector-copy!", len(octets("bytevector-copy!", source)), start, end)
    at, _ = span(
        "bytevector-copy!", len(octets("bytevector-copy!", to)), at, index("bytevector-copy!", at) + end - start
    )
    to[at : at + end - start] = source[start:end]
    return UNSPECIFIED


@opaque("bytevector-fill!")
def bytevector_fill(items: Any, value: Any, start: Any = 0, end: Any = None) -> Any:
    start, end = span("bytevector-fill!", len(octets("bytevector-fill!", items)), start, end)
    items[start:end] = bytes([octet("bytevector-fill!", value)]) * (end - start)
    return UNSPECIFIED


@opaque("bytevector-append")
def bytevector_append(*items: Any) -> Any:
    return bytearray(b"".join([octets("bytevector-append", item) for item in items]))


@opaque("utf8->string")
def utf8_to_string(items: Any, start: Any = 0, end: Any = None) -> Any:
    start, end = span("utf8->string", len(octets("utf8->string", items)), start, end)
    return String(items[start:end].decode("utf-8", errors="replace"))


@opaque("string->utf8")
def string_to_utf8(text: Any, start: Any = 0, end: Any = None) -> Any:
    if type(text) is not String:
        raise wrong_type("string->utf8", "a string", text)
    start, end = span("string->utf8", len(text), start, end)
    return bytearray(text.text[start:end].encode("utf-8"))


# --- records


@opaque("%make-record-type")
def make_record_type(name: Any, fields: Any) -> Any:
    return RecordType(name.text, [field.name for field in to_python_list(fields)])


@opaque("%record-constructor")
def record_constructor(record_type: Any, name: Any, order: Any) -> Any:
    indexes = to_python_list(order)
    size = len(record_type.fields)
    if indexes == list(range(size)):

        def construct(*items: Any) -> Any:
            return Record(record_type, list(items))

    else:

        def construct(*items: Any) -> Any:
            fields: list[Any] = [False] * size
            for number in range(len(indexes)):
                fields[indexes[number]] = items[number]
            return Record(record_type, fields)

        construct = unroll_safe(construct)
    return Primitive(name.name, construct, len(indexes), len(indexes))


@opaque("%record-predicate")
def record_predicate(record_type: Any, name: Any) -> Any:
    def is_instance(value: Any) -> bool:
        return type(value) is Record and value.type is record_type

    return Primitive(name.name, is_instance, 1, 1)


@opaque("%record-accessor")
def record_accessor(record_type: Any, name: Any, number: Any) -> Any:
    who = name.name

    def access(record: Any) -> Any:
        if type(record) is not Record or record.type is not record_type:
            raise wrong_type(who, f"a {record_type.name}", record)
        return record.fields[number]

    return Primitive(who, access, 1, 1)


@opaque("%record-modifier")
def record_modifier(record_type: Any, name: Any, number: Any) -> Any:
    who = name.name

    def modify(record: Any, value: Any) -> Any:
        if type(record) is not Record or record.type is not record_type:
            raise wrong_type(who, f"a {record_type.name}", record)
        record.fields[number] = value
        return UNSPECIFIED

    return Primitive(who, modify, 2, 2)


@primitive("promise?")
def is_promise(value: Any) -> bool:
    return type(value) is Promise


@primitive("make-promise")
def make_promise(value: Any) -> Any:
    return value if type(value) is Promise else Promise(True, value)
