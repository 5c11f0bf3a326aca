"""Random programs, well typed by construction: loops, closures, tail calls, continuations, exceptions, assignments.

`python -m tests.interpreters.scheme.random_programs SEED FIRST LAST` runs some and prints their results, to be compared
between runs under different settings of METATRACER.
"""

from __future__ import annotations

import contextlib
import io
import random
import sys

from interpreters.common.command import LimitExceededError, Options, limited
from interpreters.scheme import Runtime, SchemeError

PROGRAM = """\
(define total 0)
(define i 0)
(define (g p1 p2) (if (> (abs p1) 1000000) 7 {g}))
(define (h f y) (if (> (abs y) 1000000) (f 3) (modulo (f {h}) 65537)))
(define (body i) (modulo {body} 1000003))
(let loop ((j 0) (s 0))
  (if (< j 40)
      (begin (set! i j) (loop (+ j 1) (modulo (+ (* 31 s) (body j)) 1000000007)))
      (begin (write (list s total)) (newline))))
"""


class Generator:
    """Expressions of a type, at most so deep, over the given integer variables."""

    def __init__(self, source: random.Random) -> None:
        self.source = source

    def program(self) -> str:
        body = self.integer(4, [])
        g = self.integer(2, ["p1", "p2"]).replace("(g ", "(- ")
        h = self.integer(2, ["y"]).replace("(h ", "(- 1 ").replace("(g ", "(* ")
        return PROGRAM.format(body=body, g=g, h=h)

    def integer(self, depth: int, names: list[str]) -> str:
        pick = self.source
        if depth <= 0:
            return pick.choice([*names, str(pick.randrange(-5, 20)), "i"])

        def e() -> str:
            return self.integer(depth - 1, names)

        def under(*more: str) -> str:
            return self.integer(depth - 1, names + list(more))

        def test() -> str:
            return self.boolean(depth - 1, names)

        def real() -> str:
            return self.real(depth - 1, names)

        n, a = f"n{pick.randrange(100)}", f"a{pick.randrange(100)}"
        case = pick.randrange(22)
        if case < 5:
            return f"({pick.choice('+-*')} {e()} {e()})"
        if case == 5:
            return f"(if {test()} {e()} {e()})"
        if case == 6:
            return f"(let (({n} {e()})) {under(n)})"
        if case == 7:
            return f"((lambda ({n}) {under(n)}) {e()})"
        if case == 8:
            return f"(call/cc (lambda ({n}) (+ 1 (if {test()} ({n} {e()}) {e()}))))"
        if case == 9:
            return f"(guard (x ((number? x) (+ x {e()}))) (if {test()} (raise {e()}) {e()}))"
        if case == 10:
            step = f"(loop (- {n} 1) (modulo (+ {a} {under(n, a)}) 100003))"
            return f"(let loop (({n} {pick.randrange(3, 9)}) ({a} {e()})) (if (= {n} 0) {a} {step}))"
        if case == 11:
            return f"(let ((c {e()})) (set! c (+ c {e()})) (begin (set! c (* 2 c)) c))"
        if case == 12:
            return f"(apply + (map (lambda (m) {under('m')}) (list {e()} {e()})))"
        if case == 13:
            return f"(vector-ref (vector {e()} {e()} {e()}) (modulo {e()} 3))"
        if case == 14:
            return f"(call-with-values (lambda () (values {e()} {e()})) (lambda (p q) (- p {under('p', 'q')})))"
        if case == 15:
            after = "(lambda () (set! total (modulo (+ total 1) 1000)))"
            during = "(lambda () (+ (car l) (cadr l)))"
            return f"(let ((l (list {e()} {e()}))) (dynamic-wind (lambda () (set-car! l {e()})) {during} {after}))"
        if case == 16:
            return f"(g {e()} {e()})"
        if case == 17:
            return f"(begin (set! total (modulo (+ total {e()}) 10007)) total)"
        if case == 18:
            return f"(with-exception-handler (lambda (x) {e()}) (lambda () (+ {e()} (raise-continuable {e()}))))"
        if case == 19:
            return f"(exact (truncate (min 1e15 (max -1e15 {real()}))))"
        if case == 20:
            return f"(string-length (number->string {e()}))"
        return f"(h (lambda (z) {under('z')}) {e()})"

    def real(self, depth: int, names: list[str]) -> str:
        pick = self.source
        if depth <= 0:
            return pick.choice(["1.5", "0.25", "-2.0", "(inexact i)"])
        case = pick.randrange(5)
        if case == 0:
            return f"({pick.choice('+-*')} {self.real(depth - 1, names)} {self.real(depth - 1, names)})"
        if case == 1:
            return f"(inexact {self.integer(depth - 1, names)})"
        if case == 2:
            branches = f"{self.real(depth - 1, names)} {self.real(depth - 1, names)}"
            return f"(if {self.boolean(depth - 1, names)} {branches})"
        if case == 3:
            return f"(/ {self.real(depth - 1, names)} 3.0)"
        return f"(+ {self.integer(depth - 1, names)} {self.real(depth - 1, names)})"

    def boolean(self, depth: int, names: list[str]) -> str:
        pick = self.source
        if depth <= 0:
            return pick.choice(["#t", "#f", "(even? i)", "(< i 7)"])
        case = pick.randrange(6)
        if case == 0:
            sign = pick.choice(["<", ">", "=", "<=", ">="])
            return f"({sign} {self.integer(depth - 1, names)} {self.integer(depth - 1, names)})"
        if case == 1:
            return f"(not {self.boolean(depth - 1, names)})"
        if case in (2, 3):
            word = "and" if case == 2 else "or"
            return f"({word} {self.boolean(depth - 1, names)} {self.boolean(depth - 1, names)})"
        if case == 4:
            return f"(odd? {self.integer(depth - 1, names)})"
        return f"(> {self.real(depth - 1, names)} 0.5)"


def result_of(program: str, seconds: float = 60) -> str:
    """What a program prints, or its error."""
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            limited(Options(max_seconds=seconds), lambda: Runtime().evaluate(program))
    except SchemeError as failure:
        return f"error: {failure}"
    except LimitExceededError:
        return "too long"
    return output.getvalue().strip()


def main(argv: list[str]) -> None:
    seed, first, last = (int(word) for word in argv)
    for number in range(first, last):
        print(number, result_of(Generator(random.Random(seed * 100_000 + number)).program()))


if __name__ == "__main__":
    main(sys.argv[1:])
