"""A visitor with a method for each class of nodes, found by name; its driver is in `while`, which is not used."""

import json
import sys
import time
from dataclasses import dataclass

from metatracer import JitDriver

driver = JitDriver(greens=["node", "self"], reds="auto", name="visitor")


@dataclass(frozen=True)
class Number:
    value: int


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Binary:
    operator: str
    left: object
    right: object


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple


@dataclass(frozen=True)
class If:
    test: object
    then: object
    otherwise: object


@dataclass(frozen=True)
class While:
    test: object
    body: object


@dataclass(frozen=True)
class Function:
    parameters: tuple
    body: object


class Interpreter:
    def __init__(self):
        self.functions = {}
        self.scopes = [{}]

    def visit(self, node):
        return getattr(self, "visit_" + type(node).__name__)(node)

    def visit_Number(self, node):
        return node.value

    def visit_Name(self, node):
        return self.scopes[-1][node.name]

    def visit_Binary(self, node):
        left = self.visit(node.left)
        right = self.visit(node.right)
        if node.operator == "+":
            return left + right
        if node.operator == "-":
            return left - right
        if node.operator == "<":
            return left < right
        raise SyntaxError(node.operator)

    def visit_If(self, node):
        return self.visit(node.then) if self.visit(node.test) else self.visit(node.otherwise)

    def visit_Call(self, node):
        function = self.functions[node.name]
        arguments = [self.visit(argument) for argument in node.arguments]
        self.scopes.append(dict(zip(function.parameters, arguments)))
        try:
            return self.visit(function.body)
        finally:
            self.scopes.pop()

    @driver.portal
    def visit_While(self, node):
        while True:
            driver.jit_merge_point(node=node, self=self)
            if not self.visit(node.test):
                return
            self.visit(node.body)


def timed(n):
    interpreter = Interpreter()
    name = Name("n")
    calls = [Call("fib", (Binary("-", name, Number(less)),)) for less in (1, 2)]
    interpreter.functions["fib"] = Function(("n",), If(Binary("<", name, Number(2)), name, Binary("+", *calls)))
    start = time.perf_counter()
    result = interpreter.visit(Call("fib", (Number(n),)))
    return result, time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps(timed(int(sys.argv[1]))))
