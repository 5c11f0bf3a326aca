"""Pieces of the guest program that are tuples: tokens that are read anew each time, also where the program is changed or is data."""

from typing import NamedTuple

from tests.scenarios.loops import fold


class Token(NamedTuple):
    kind: str
    text: str


class Line:
    def __init__(self, text):
        self.tokens = tuple(text.split())
        self.pair = (1, 2)


class Program:
    def __init__(self, *texts):
        self.lines = [Line(text) for text in texts]
        self.names = [Token("name", text) for text in texts]
        self.last = (0, 0)


PROGRAM = Program("LET a 7", "ADD a .5", "LET b -3", "ADD b 4", "Neg a")


class Machine:
    def __init__(self, program):
        self.program = program
        self.names = {}

    def peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self):
        token = self.peek()
        self.at += 1
        return token

    def number(self):
        word = self.next()
        if word[0] == "-":
            return -int(word[1:])
        return float(word) if "." in word else int(word) if word.isdigit() else len(word)

    def run(self, line):
        self.tokens, self.at = line.tokens, 0
        getattr(self, "do_" + self.next().lower(), self.nothing)()

    def nothing(self):
        self.names["?"] = self.names.get("?", 0) + 1

    def do_let(self):
        name = self.next()
        self.names[name] = self.number()

    def do_add(self):
        name = self.next()
        self.names[name] = self.names.get(name, 0) + self.number()

    def do_neg(self):
        name = self.next()
        self.names[name] = -self.names.get(name, 0)


def tokens_read(i, total):
    machine = Machine(PROGRAM)
    for line in PROGRAM.lines:
        machine.run(line)
    return (total + int(sum(machine.names.values()) * 2)) % 100003


def program_changed(i, total):
    if i % 7 == 3:
        PROGRAM.lines[1].tokens = ("ADD", "a", str(i))
    elif i % 7 == 5:
        PROGRAM.lines[1].tokens = ("LET", "a", str(i), "and", "more")
    return tokens_read(i, total)


def tuple_replaced(i, total):
    """Data, as it is another one each time."""
    first, second = PROGRAM.last
    PROGRAM.last = (second, i)
    return (total * 3 + first + PROGRAM.last[0] + PROGRAM.lines[i % 5].pair[1]) % 100003


class Ended:
    count = 0

    def __del__(self):
        Ended.count += 1


def tuple_of_what_ends(i, total):
    """What a tuple holds ends when it is replaced, whatever a trace knows of it."""
    PROGRAM.last = (Ended.count, Ended(), i)
    PROGRAM.lines[3].pair = (PROGRAM.last, 3)
    first, _, last = PROGRAM.last
    (first, *_), _ = PROGRAM.lines[3].pair
    return (total + first + last + Ended.count) % 100003


def named_tuple_moved(i, total):
    names = PROGRAM.names
    if i % 11 == 0:
        names[2], names[4] = names[4], names[2]
    name = names[2]
    return (total + len(name.kind) + len(name.text) + (name.kind == "number")) % 100003


class Node:
    def __init__(self, op, name, *parts):
        self.op = op
        self.name = name
        self.parts = list(parts)


TREE = [Node("plus", "a.b", Node("Times", "x"), Node("minus", "-y")), "10", "3.5", "-4"]


def text_of_nodes(i, total):
    """Names that lists and attributes lead to: cut, put together, compared, looked for."""
    node = TREE[0]
    for part in node.parts:
        head, rest = part.name[0], part.name[1:]
        total += (head == "-") + 2 * (part.op.lower() in ("times", "minus")) + len("visit_" + part.op.lower()) + len(rest)
        total += ("." in part.name) + (part.op < "b") + len(f"{part.op}_{part.name}:{i}")
    before, _, after = node.name.partition(".")
    total += len(before + after) + node.name.count(".") + (node.name.split(".") == ["a", "b"])
    number = TREE[1 + i % 3]
    return (total + int(float(number) * 2) + number.startswith("-") + (number in {"10", "x"})) % 100003


def text_replaced(i, total):
    """Data, as it is another one each time, and once no string."""
    node = TREE[0]
    total += len(node.name) + (node.name[0] == "a") + ("b" in node.name)
    node.name = str(i) + "a.b"[i % 3 :]
    node.op = ("plus", ("minus",), "Plus")[i % 3]
    total += (node.op == "plus") + ("plus" in node.op) * 2
    node.name, node.op = "a.b", "plus"
    TREE[2] = str(i / 4)
    return total % 100003


def methods_of_text(i, total):
    text = str(i * i)
    again = text.upper().lower() + text.upper().lower()
    parts, same = text.split("1"), text.split("1")
    parts.append("more")
    return (total + len(again) + len(parts) + len(same) + text.count("1") + text.count("1") + hash(text.strip()) % 2 * 0) % 100003


def lists_of_text_are_others(i, total):
    text = "a,b" if i % 2 else "c"
    first, second = text.split(","), text.split(",")
    first.append(i)
    return total + len(first) * 10 + len(second) + (first is second)


def methods_that_raise(i, total):
    text = "12x" if i % 5 == 0 else "12"
    try:
        total += int(text) + int(text)
        total += text.index("x") + text.index("x")
    except ValueError as error:
        total += len(str(error))
    return total % 100003


class Word(str):
    __slots__ = ()

    def lower(self):
        return "mine"


def text_of_other_classes(i, total):
    text = Word("ABC") if i % 3 == 0 else "ABC"
    return (total + len(text.lower()) + len(str.lower(text))) % 100003


def main():
    for body in (
        tokens_read, program_changed, tuple_replaced, named_tuple_moved, tuple_of_what_ends, text_of_nodes,
        text_replaced, methods_of_text, lists_of_text_are_others,
        methods_that_raise, text_of_other_classes,
    ):
        print(body.__name__, fold(body, 400, 0))
