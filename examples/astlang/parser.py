"""Text to syntax tree, with every variable's slot found while parsing.

    program    = statement*
    statement  = "let" NAME "=" expr ";" | "fn" NAME function | "class" NAME ("(" NAME ")")? "{" (NAME function)* "}"
               | "if" "(" expr ")" block ("else" (block | if))? | "while" "(" expr ")" block
               | "return" expr? ";" | "break" ";" | "continue" ";" | "throw" expr ";"
               | "try" block "catch" "(" NAME ")" block | expr ("=" expr)? ";"
    function   = "(" (NAME ("," NAME)*)? ")" block

`//` starts a comment. A variable belongs to the function that has its `let`, and may be used in functions inside that.
"""

from __future__ import annotations

import json
import re

from examples.astlang import nodes
from examples.astlang.nodes import BUILTINS, Block, FunctionBody, Node
from examples.astlang.objects import Builtin

_TOKEN = re.compile(
    r'\s+|//[^\n]*|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<name>[A-Za-z_]\w*)'
    r"|(?P<sign><=|>=|==|!=|&&|\|\||[-+*/%<>=!(){}\[\],;.])"
)
_KEYWORDS = frozenset(
    "let fn class if else while return break continue throw try catch true false nil this".split()
)
_LEVELS: tuple[dict[str, type[nodes.Binary]], ...] = (
    {"||": nodes.Or},
    {"&&": nodes.And},
    {"==": nodes.Equal, "!=": nodes.NotEqual},
    {"<": nodes.Less, "<=": nodes.LessEqual, ">": nodes.Greater, ">=": nodes.GreaterEqual},
    {"+": nodes.Add, "-": nodes.Subtract},
    {"*": nodes.Multiply, "/": nodes.Divide, "%": nodes.Modulo},
)


class ParseError(Exception):
    """A mistake in a program's text; the message has line and column."""


class Scope:
    """The variables of a function under construction."""

    def __init__(self, parent: Scope | None) -> None:
        self.parent = parent
        self.slots: dict[str, int] = {}

    def declare(self, name: str) -> int:
        return self.slots.setdefault(name, len(self.slots))

    def find(self, name: str) -> tuple[int, int] | None:
        """(how many functions out, slot), or None."""
        depth = 0
        scope: Scope | None = self
        while scope is not None:
            if name in scope.slots:
                return depth, scope.slots[name]
            scope = scope.parent
            depth += 1
        return None


class Parser:
    """Recursive descent over the list of tokens."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        self.position = 0
        self.scope = Scope(None)
        offset = 0
        while offset < len(text):
            match = _TOKEN.match(text, offset)
            if match is None:
                raise self.error(f"cannot read {text[offset]!r}", offset)
            if match.lastgroup is not None:
                kind = "word" if match.group() in _KEYWORDS else match.lastgroup
                self.tokens.append((kind, match.group(), offset))
            offset = match.end()
        self.tokens.append(("end", "the end", len(text)))

    def error(self, message: str, offset: int | None = None) -> ParseError:
        if offset is None:
            offset = self.tokens[self.position][2]
        line = self.text.count("\n", 0, offset) + 1
        column = offset - self.text.rfind("\n", 0, offset)
        return ParseError(f"line {line}, column {column}: {message}")

    def peek(self, *texts: str) -> bool:
        kind, text, _ = self.tokens[self.position]
        return kind in ("sign", "word") and text in texts

    def accept(self, *texts: str) -> bool:
        if self.peek(*texts):
            self.position += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.error(f"expected {text!r}, found {self.tokens[self.position][1]!r}")

    def take(self, kind: str) -> str:
        found, text, _ = self.tokens[self.position]
        if found != kind:
            raise self.error(f"expected a {kind}, found {text!r}")
        self.position += 1
        return text

    # --- statements

    def program(self) -> tuple[FunctionBody, dict[str, int]]:
        """Parse everything; the top level is a function without parameters, and its variables are returned as well."""
        statements: list[Node] = []
        while self.tokens[self.position][0] != "end":
            statements.append(self.statement())
        return FunctionBody("the program", 0, len(self.scope.slots), Block(statements)), self.scope.slots

    def block(self) -> Block:
        self.expect("{")
        statements: list[Node] = []
        while not self.accept("}"):
            statements.append(self.statement())
        return Block(statements)

    def statement(self) -> Node:
        text = self.tokens[self.position][1]
        parse = getattr(self, f"{text}_statement", None) if self.tokens[self.position][0] == "word" else None
        if parse is not None and not (text == "fn" and self.tokens[self.position + 1][0] != "name"):
            self.position += 1
            node: Node = parse()
            return node
        return self.expression_statement()

    def let_statement(self) -> Node:
        name = self.take("name")
        self.expect("=")
        slot = self.scope.declare(name)
        value = self.expression()
        self.expect(";")
        return nodes.Assign(0, slot, value)

    def fn_statement(self) -> Node:
        name = self.take("name")
        slot = self.scope.declare(name)
        return nodes.Assign(0, slot, nodes.FunctionDisplay(self.function(name, [])))

    def class_statement(self) -> Node:
        name = self.take("name")
        slot = self.scope.declare(name)
        parent: Node | None = None
        if self.accept("("):
            parent = self.variable(self.take("name"))
            self.expect(")")
        self.expect("{")
        methods: dict[str, FunctionBody] = {}
        while not self.accept("}"):
            method = self.take("name")
            methods[method] = self.function(f"{name}.{method}", ["this"])
        return nodes.Assign(0, slot, nodes.ClassDisplay(name, parent, methods))

    def if_statement(self) -> Node:
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        then = self.block()
        otherwise: Node | None = None
        if self.accept("else"):
            otherwise = self.if_statement() if self.accept("if") else self.block()
        return nodes.If(condition, then, otherwise)

    def while_statement(self) -> Node:
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        return nodes.While(condition, self.block())

    def return_statement(self) -> Node:
        value: Node = nodes.Literal(None)
        if not self.peek(";"):
            value = self.expression()
        self.expect(";")
        return nodes.Return(value)

    def break_statement(self) -> Node:
        self.expect(";")
        return nodes.Break()

    def continue_statement(self) -> Node:
        self.expect(";")
        return nodes.Continue()

    def throw_statement(self) -> Node:
        value = self.expression()
        self.expect(";")
        return nodes.Throw(value)

    def try_statement(self) -> Node:
        block = self.block()
        self.expect("catch")
        self.expect("(")
        slot = self.scope.declare(self.take("name"))
        self.expect(")")
        return nodes.Try(block, slot, self.block())

    def expression_statement(self) -> Node:
        offset = self.tokens[self.position][2]
        target = self.expression()
        if self.accept("="):
            value = self.expression()
            self.expect(";")
            if isinstance(target, nodes.Variable):
                return nodes.Assign(target.depth, target.slot, value)
            if isinstance(target, nodes.Index):
                return nodes.SetIndex(target.target, target.index, value)
            if isinstance(target, nodes.GetField):
                return nodes.SetField(target.target, target.name, value)
            raise self.error("this cannot be assigned to", offset)
        self.expect(";")
        return target

    # --- expressions

    def expression(self, level: int = 0) -> Node:
        if level == len(_LEVELS):
            return self.unary()
        node = self.expression(level + 1)
        while self.peek(*_LEVELS[level]):
            operator = _LEVELS[level][self.tokens[self.position][1]]
            self.position += 1
            node = operator(node, self.expression(level + 1))
        return node

    def unary(self) -> Node:
        if self.accept("-"):
            return nodes.Negate(self.unary())
        if self.accept("!"):
            return nodes.Not(self.unary())
        return self.postfix()

    def postfix(self) -> Node:
        node = self.primary()
        while True:
            if self.accept("("):
                node = nodes.Call(node, self.items(")"))
            elif self.accept("["):
                node = nodes.Index(node, self.expression())
                self.expect("]")
            elif self.accept("."):
                name = self.take("name")
                node = nodes.CallMethod(node, name, self.items(")")) if self.accept("(") else nodes.GetField(node, name)
            else:
                return node

    def items(self, end: str) -> list[Node]:
        items: list[Node] = []
        while not self.accept(end):
            if items:
                self.expect(",")
            items.append(self.expression())
        return items

    def primary(self) -> Node:
        kind, text, _ = self.tokens[self.position]
        self.position += 1
        if kind == "number":
            return nodes.Literal(int(text) if text.isdigit() else float(text))
        if kind == "string":
            return nodes.Literal(json.loads(text))
        if kind == "name" or text == "this":
            return self.variable(text)
        if text in ("true", "false", "nil"):
            return nodes.Literal({"true": True, "false": False, "nil": None}[text])
        if text == "fn":
            return nodes.FunctionDisplay(self.function("fn", []))
        if text == "(":
            node = self.expression()
            self.expect(")")
            return node
        if text == "[":
            return nodes.ListDisplay(self.items("]"))
        self.position -= 1
        raise self.error(f"expected an expression, found {text!r}")

    def variable(self, name: str) -> Node:
        found = self.scope.find(name)
        if found is not None:
            return nodes.Variable(*found)
        if name in BUILTINS:
            n_parameters, implementation = BUILTINS[name]
            return nodes.Literal(Builtin(name, n_parameters, implementation))
        self.position -= 1
        raise self.error(f"there is no variable {name!r}")

    def function(self, name: str, parameters: list[str]) -> FunctionBody:
        self.expect("(")
        while not self.accept(")"):
            if parameters and parameters != ["this"]:
                self.expect(",")
            parameters.append(self.take("name"))
        self.scope = Scope(self.scope)
        for parameter in parameters:
            self.scope.declare(parameter)
        block = self.block()
        n_slots = len(self.scope.slots)
        assert self.scope.parent is not None
        self.scope = self.scope.parent
        return FunctionBody(name, len(parameters), n_slots, block)


def parse(text: str) -> tuple[FunctionBody, dict[str, int]]:
    """Parse a program; gives its top level and the slots of the top level's variables."""
    return Parser(text).program()
