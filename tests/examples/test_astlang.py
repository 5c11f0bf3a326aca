"""The AST language's parser and semantics."""

from __future__ import annotations

import pytest

from examples.astlang.interpreter import Program, run_program
from examples.astlang.objects import GuestError
from examples.astlang.parser import ParseError, parse


def run(text: str) -> object:
    return run_program(Program(*parse(f"fn main() {{ {text} }}")))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("return 1 + 2 * 3 - 4 / 2;", 5),
        ("return -7 / 2;", -4),
        ("return -7 % 3;", 2),
        ("return 7.0 / 2;", 3.5),
        ("return 1 < 2 && 2 <= 2 || false;", True),
        ('return "a" + "b";', "ab"),
        ("let a = [1, 2, 3]; a[1] = 5; return a[1] + a[2];", 8),
        ("let i = 0; while (true) { i = i + 1; if (i < 5) { continue; } break; } return i;", 5),
        ("fn f(n) { if (n == 0) { return 0; } return n + f(n - 1); } return f(10);", 55),
        ("let x = 1; let f = fn () { x = x + 1; return x; }; f(); return f() + x;", 6),
        ("class A { init(v) { this.v = v; } get() { return this.v; } } class B(A) { } return B(4).get();", 4),
        ('try { throw 3; } catch (e) { return e + 1; }', 4),
        ("try { return 1 / 0; } catch (e) { return e; }", "division by zero"),
        ("let a = 1; if (a == 2) { return 2; } else if (a == 1) { return 7; } else { return 3; }", 7),
        ("return str([1, nil, true, 2.5]);", "[1, nil, true, 2.5]"),
    ],
)
def test_program_has_result(text: str, result: object) -> None:
    value = run(text)
    assert value == result
    assert type(value) is type(result)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("let a = ;", "line 1, column 9: expected an expression, found ';'"),
        ("let a = 1;\nreturn b;", "line 2, column 8: there is no variable 'b'"),
        ("let a = 1", "line 1, column 10: expected ';', found 'the end'"),
        ("1 = 2;", "line 1, column 1: this cannot be assigned to"),
        ("let $ = 1;", "line 1, column 5: cannot read '$'"),
    ],
)
def test_mistake_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('return 1 + "a";', r"no \+ between int and str"),
        ("return [1][3];", "index out of range"),
        ("class A { } return A().x;", "a A has no field x"),
        ("fn f(a) { } f();", "f takes 1 arguments, not 0"),
        ("let a = 1; a();", "a int cannot be called"),
    ],
)
def test_guest_error_has_a_message(text: str, message: str) -> None:
    with pytest.raises(GuestError, match=message):
        run(text)
