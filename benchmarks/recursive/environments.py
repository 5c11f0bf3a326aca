"""A tree walker with scopes in dicts and `return` by an exception; its driver is in `while`, which is not used."""

import json
import sys
import time

from metatracer import JitDriver

driver = JitDriver(greens=["self"], reds="auto", name="environments")


class Return(Exception):
    def __init__(self, value):
        self.value = value


class Scope:
    def __init__(self, outer=None):
        self.values = {}
        self.outer = outer

    def get(self, name):
        scope = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        raise NameError(name)


class Number:
    def __init__(self, value):
        self.value = value

    def evaluate(self, scope):
        return self.value


class Name:
    def __init__(self, name):
        self.name = name

    def evaluate(self, scope):
        return scope.get(self.name)


class Binary:
    def __init__(self, operator, left, right):
        self.operator = operator
        self.left = left
        self.right = right

    def evaluate(self, scope):
        left = self.left.evaluate(scope)
        right = self.right.evaluate(scope)
        operator = self.operator
        if operator == "+":
            return left + right
        if operator == "-":
            return left - right
        if operator == "<":
            return left < right
        raise TypeError(operator)


class Call:
    def __init__(self, function, arguments):
        self.function = function
        self.arguments = arguments

    def evaluate(self, scope):
        function = self.function.evaluate(scope)
        return function.call([argument.evaluate(scope) for argument in self.arguments])


class Function:
    def __init__(self, parameters, body, closure):
        self.parameters = parameters
        self.body = body
        self.closure = closure

    def call(self, arguments):
        scope = Scope(self.closure)
        for name, value in zip(self.parameters, arguments):
            scope.values[name] = value
        try:
            for statement in self.body:
                statement.execute(scope)
        except Return as result:
            return result.value
        return None


class Give:
    def __init__(self, value):
        self.value = value

    def execute(self, scope):
        raise Return(self.value.evaluate(scope))


class If:
    def __init__(self, test, then):
        self.test = test
        self.then = then

    def execute(self, scope):
        if self.test.evaluate(scope):
            self.then.execute(scope)


class While:
    def __init__(self, test, body):
        self.test = test
        self.body = body

    @driver.portal
    def execute(self, scope):
        while True:
            driver.jit_merge_point(self=self)
            if not self.test.evaluate(scope):
                return
            self.body.execute(scope)


def timed(n):
    scope = Scope()
    name = Name("n")
    calls = [Call(Name("fib"), [Binary("-", name, Number(less))]) for less in (1, 2)]
    body = [If(Binary("<", name, Number(2)), Give(name)), Give(Binary("+", *calls))]
    scope.values["fib"] = Function(["n"], body, scope)
    start = time.perf_counter()
    result = Call(Name("fib"), [Number(n)]).evaluate(scope)
    return result, time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps(timed(int(sys.argv[1]))))
