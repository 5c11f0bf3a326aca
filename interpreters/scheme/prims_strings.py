"""Strings, and comparison of strings and characters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interpreters.scheme.nodes import OF_TWO
from interpreters.scheme.objects import (
    NIL, UNSPECIFIED, Char, Pair, String, char, error, is_circular, make_list, to_python_list, wrong_type,
)  # fmt: skip
from interpreters.scheme.primitives import driver, index, opaque, primitive, span
from interpreters.scheme.prims_data import vector
from interpreters.scheme.printer import display_text
from metatracer import dont_look_inside, unroll_safe


def text(who: str, value: Any) -> str:
    if type(value) is not String:
        raise wrong_type(who, "a string", value)
    return value.text


def letter(who: str, value: Any) -> str:
    if type(value) is not Char:
        raise wrong_type(who, "a character", value)
    return value.value


def code_of(who: str, value: Any) -> int:
    return ord(letter(who, value))


def folded_letter(who: str, value: Any) -> str:
    return letter(who, value).casefold()


def folded_text(who: str, value: Any) -> str:
    return text(who, value).casefold()


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left == right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
}


def _comparison(name: str, get: Callable[[str, Any], Any], compare: Callable[[Any, Any], bool]) -> None:
    """A procedure that compares two or more; two are compared by a function of their own."""

    def two(first: Any, second: Any) -> bool:
        return compare(get(name, first), get(name, second))

    @primitive(name)
    @unroll_safe
    def all_of(first: Any, *items: Any) -> bool:
        left = get(name, first)
        result = True
        for item in items:
            right = get(name, item)
            if not compare(left, right):
                result = False
            left = right
        return result

    OF_TWO[name] = two


for _sign, _compare in COMPARE.items():
    _comparison(f"char{_sign}?", code_of, _compare)
    _comparison(f"char-ci{_sign}?", folded_letter, _compare)
    _comparison(f"string{_sign}?", text, _compare)
    _comparison(f"string-ci{_sign}?", folded_text, _compare)


@primitive("string?")
def is_string(value: Any) -> bool:
    return type(value) is String


@primitive("make-string")
def make_string(count: Any, fill: Any = None) -> Any:
    return String((letter("make-string", fill) if fill is not None else " ") * index("make-string", count))


@primitive("string")
def new_string(*items: Any) -> Any:
    if len(items) == 1 and type(items[0]) is Char:
        return String(items[0].value)
    return String("".join([item.value if type(item) is Char else display_text(item) for item in items]))


@primitive("string-length")
def string_length(value: Any) -> int:
    if type(value) is not String:
        raise wrong_type("string-length", "a string", value)
    return len(value)


@primitive("string-ref")
def string_ref(value: Any, number: Any) -> Any:
    if type(value) is not String:
        raise wrong_type("string-ref", "a string", value)
    if type(number) is not int or not 0 <= number < len(value):
        raise error("string-ref", "index out of range:", number)
    return char(value.get(number))


@primitive("string-set!")
def string_set(value: Any, number: Any, item: Any) -> Any:
    if type(value) is not String:
        raise wrong_type("string-set!", "a string", value)
    if type(number) is not int or not 0 <= number < len(value):
        raise error("string-set!", "index out of range:", number)
    value.put(number, letter("string-set!", item))
    return UNSPECIFIED


@primitive("substring", "string-copy")
def substring(value: Any, start: Any = 0, end: Any = None) -> Any:
    content = text("substring", value)
    start, end = span("substring", len(content), start, end)
    return String(content[start:end])


@primitive("string-head")
def string_head(value: Any, end: Any) -> Any:
    return substring(value, 0, end)


@primitive("string-tail")
def string_tail(value: Any, start: Any) -> Any:
    return substring(value, start)


@primitive("string-append")
def string_append(*items: Any) -> Any:
    if len(items) == 2:
        return append_two(items[0], items[1])
    if len(items) == 3:
        first, second, third = items
        return String(text("string-append", first) + text("string-append", second) + text("string-append", third))
    return _append(items)


def append_two(first: Any, second: Any) -> Any:
    return String(text("string-append", first) + text("string-append", second))


OF_TWO["string-append"] = append_two


@dont_look_inside
def _append(items: Any) -> Any:
    return String("".join([text("string-append", item) for item in items]))


@primitive("string->list")
def string_to_list(value: Any, start: Any = 0, end: Any = None) -> Any:
    content = text("string->list", value)
    start, end = span("string->list", len(content), start, end)
    return _characters(content, start, end)


@driver.portal
def _characters(content: str, start: int, end: int) -> Any:
    result: Any = NIL
    while end > start:
        driver.jit_merge_point()
        end -= 1
        result = Pair(char(content[end]), result)
    return result


@primitive("list->string")
def list_to_string(items: Any) -> Any:
    return String("".join(_letters(items)))


@driver.portal
def _letters(items: Any) -> list[str]:
    result: list[str] = []
    rest = items
    while type(rest) is Pair:
        driver.jit_merge_point()
        result.append(letter("list->string", rest.car))
        rest = rest.cdr
        if len(result) & 0xFFFFF == 0 and is_circular(items):
            break
    if rest is not NIL:
        raise wrong_type("list->string", "a proper list", items)
    return result


@opaque("string->vector")
def string_to_vector(value: Any, start: Any = 0, end: Any = None) -> Any:
    content = text("string->vector", value)
    start, end = span("string->vector", len(content), start, end)
    return [char(item) for item in content[start:end]]


@opaque("vector->string")
def vector_to_string(items: Any, start: Any = 0, end: Any = None) -> Any:
    start, end = span("vector->string", len(vector("vector->string", items)), start, end)
    return String("".join([letter("vector->string", item) for item in items[start:end]]))


@opaque("string-fill!")
def string_fill(value: Any, item: Any, start: Any = 0, end: Any = None) -> Any:
    content = text("string-fill!", value)
    start, end = span("string-fill!", len(content), start, end)
    value.text = content[:start] + letter("string-fill!", item) * (end - start) + content[end:]
    return UNSPECIFIED


@opaque("string-copy!")
def string_copy_to(to: Any, at: Any, source: Any, start: Any = 0, end: Any = None) -> Any:
    content = text("string-copy!", source)
    old = text("string-copy!", to)
    start, end = span("string-copy!", len(content), start, end)
    at, stop = span("string-copy!", len(old), at, index("string-copy!", at) + end - start)
    to.text = old[:at] + content[start:end] + old[stop:]
    return UNSPECIFIED


@primitive("string-upcase")
def string_upcase(value: Any) -> Any:
    return String(text("string-upcase", value).upper())


@primitive("string-downcase")
def string_downcase(value: Any) -> Any:
    return String(text("string-downcase", value).lower())


@primitive("string-foldcase")
def string_foldcase(value: Any) -> Any:
    return String(text("string-foldcase", value).casefold())


@primitive("string-null?")
def string_null(value: Any) -> bool:
    return text("string-null?", value) == ""


@primitive("string-reverse")
def string_reverse(value: Any) -> Any:
    return String(text("string-reverse", value)[::-1])


@opaque("string-join")
def string_join(items: Any, separator: Any = None) -> Any:
    parts = [text("string-join", item) for item in to_python_list(items, "string-join")]
    return String((text("string-join", separator) if separator is not None else " ").join(parts))


@primitive("string-contains", "string-search-forward")
def string_search(first: Any, second: Any, start: Any = None) -> Any:
    if start is None:  # SRFI 13: the text comes first
        found = text("string-contains", first).find(text("string-contains", second))
    else:
        found = text("string-search-forward", second).find(text("string-search-forward", first), start)
    return False if found < 0 else found


@primitive("string-prefix?")
def string_prefix(prefix: Any, value: Any) -> bool:
    return text("string-prefix?", value).startswith(text("string-prefix?", prefix))


@primitive("string-suffix?")
def string_suffix(suffix: Any, value: Any) -> bool:
    return text("string-suffix?", value).endswith(text("string-suffix?", suffix))


@primitive("string-trim")
def string_trim(value: Any) -> Any:
    return String(text("string-trim", value).strip())


@primitive("string-pad-left")
def string_pad_left(value: Any, size: Any, fill: Any = None) -> Any:
    content = text("string-pad-left", value)
    size = index("string-pad-left", size)
    return String(content.rjust(size, letter("string-pad-left", fill) if fill else " ")[max(len(content) - size, 0) :])


@primitive("string-pad-right")
def string_pad_right(value: Any, size: Any, fill: Any = None) -> Any:
    content = text("string-pad-right", value)
    size = index("string-pad-right", size)
    return String(content.ljust(size, letter("string-pad-right", fill) if fill else " ")[:size])


@opaque("string-search-all")
def string_search_all(pattern: Any, value: Any) -> Any:
    wanted, content = text("string-search-all", pattern), text("string-search-all", value)
    return make_list([at for at in range(len(content)) if content.startswith(wanted, at)])


@primitive("string-index")
def string_index(value: Any, item: Any) -> Any:
    found = text("string-index", value).find(letter("string-index", item))
    return False if found < 0 else found
