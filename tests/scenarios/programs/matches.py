"""Matches of regular expressions: groups by number and by name, those that took no part, and texts of all kinds."""

import re

from tests.scenarios.loops import fold

TOKEN = re.compile(r"\s*(?:(\d+)|(?P<name>[a-z]+)|(\S))")
BYTES = re.compile(rb"(a)|(b+)(c)?")
SOURCE = "let x = 12 + y * (3 - 40) ; "


class Text(str):
    def __getitem__(self, key):
        return "sliced" if isinstance(key, slice) else str.__getitem__(self, key)


TEXTS = (b"xxabbc", bytearray(b"xxabbc"), memoryview(b"xxbb"), b"a", b"xx")
STRINGS = ("say x1", Text("say x1"), "12", "\u00e9 ab", "", "x" * 300 + "7")


def tokens(i, value):
    at = i % 7
    while at < len(SOURCE):
        match = TOKEN.match(SOURCE, at)
        if match is None:
            break
        at = match.end()
        if match.start(1) >= 0:
            value += int(match.group(1))
        elif match.group("name"):
            value += len(match.group("name")) * 3 + match.start("name")
        else:
            value += ord(match.group(3)) + match.end(3)
    return value % 2**40


def marks(i, value):
    match = BYTES.search(TEXTS[i % 5])
    if match is None:
        return value + 1
    for group in (0, 1, 2, 3):
        value = value * 3 + match.start(group) + 2 * match.end(group)
    start, end = match.span()
    return (value + start - end + sum(match.span(i % 4))) % 2**40


def texts(i, value):
    match = BYTES.search(TEXTS[i % 5])
    if match is None:
        return value + 1
    whole, first, second, third = match.group(), match.group(1), match.group(2), match.group(3)
    return (value * 3 + len(whole) + (first is None) + 2 * (second is None) + 4 * (third is None) + len(match[0])
            + (type(whole) is bytes) * 8 + (whole is match.string)) % 2**40  # fmt: skip


def strings(i, value):
    match = TOKEN.search(STRINGS[i % 6])
    if match is None:
        return value + 1
    return (value * 3 + len(match.group()) + (match.group() is match.string) + (match.group(0) == "sliced") * 7 + match.end(0)) % 2**40


def mistaken(i, value):
    match = TOKEN.match("abc")
    try:
        return value + len(match.group(1 + i % 5) or "none")
    except IndexError as error:
        return value + len(str(error))


def asked_otherwise(i, value):
    match = BYTES.search(b"bbc", i % 2)
    group = i % 3
    return (value * 3 + match.start(group) + len(match.group(0, 2)) + match.end(True) + len(match.groups())) % 2**40


def kept(i, value):
    found = [BYTES.search(bytes(b"x" * (i % 40)) + b"abc" * 2), BYTES.search(b"bb")]
    texts = [match.string for match in found]
    last = found.pop(0).group()
    return (value + len(last) + len(texts[0]) + found[0].end()) % 2**40


def mixed(i, value):
    match = (TOKEN if i % 3 else BYTES).search("12" if i % 3 else b"bc")
    return (value + match.end() * 2 + match.start(2) + len(match.group())) % 2**40


def main():
    for body in (tokens, marks, texts, strings, mistaken, asked_otherwise, kept, mixed):
        print(body.__name__, fold(body, 400, 0), fold(body, 20, 5))


if __name__ == "__main__":
    main()
