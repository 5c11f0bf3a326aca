"""The register machine's assembler and the corners of its arithmetic."""

from __future__ import annotations

import pytest

from examples.registervm.assembler import AssemblyError, assemble
from examples.registervm.objects import GuestError
from examples.registervm.vm import run_program


def run(body: str) -> str:
    return run_program(assemble(f"func main\n{body}\n")).display()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("func main\n bogus a\n return a", "line 2: unknown instruction 'bogus'"),
        ("func main\n add a b\n return a", "line 2: add takes 3 operands, not 2"),
        ("func main\n loadk a 1x\n return a", "line 2: '1x' is not a literal"),
        ("func main\n move 1 a\n return a", "line 2: '1' is not a register name"),
        ("add a b c", "line 1: an instruction outside of a function"),
        ("func main\n jump away\n return a", "main: no label 'away'"),
        ("func main\n call a other\n return a", "main: no function 'other'"),
        ("func f x\n return x\nfunc main\n call a f\n return a", "f takes 1 arguments, not 0"),
        ("func main\n newobj a Thing\n return a", "main: no class 'Thing'"),
        ("func main\n try h e\n return e\nh:\n return e", "main: try without endtry"),
        ("func main\nl:\nl:\n return a", "line 3: label 'l' is defined twice"),
        ("func other\n return a", "no function main"),
        ("func main\n return a\nend:", "main runs off its end"),
    ],
)
def test_mistake_is_told(text: str, message: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("operation", "left", "right", "result"),
    [
        ("floordiv", "-7", "2", "-4"),
        ("mod", "-7", "2", "1"),
        ("mod", "7", "-2", "-1"),
        ("mod", "-7.5", "2", "0.5"),
        ("add", "9223372036854775807", "1", "9223372036854775808"),
        ("mul", "-9223372036854775808", "-1", "9223372036854775808"),
        ("shl", "1", "64", "18446744073709551616"),
        ("shr", "-5", "1", "-3"),
        ("add", "true", "true", "2"),
        ("lt", "9007199254740992.0", "9007199254740993", "true"),
        ("eq", "nan", "nan", "false"),
        ("ne", "nan", "nan", "true"),
        ("mul", "-0.0", "1", "-0.0"),
        ("eq", "0.0", "-0.0", "true"),
        ("eq", "1", '"1"', "false"),
        ("div", "1", "3", "0.3333333333333333"),
    ],
)
def test_operation_has_pythons_result(operation: str, left: str, right: str, result: str) -> None:
    assert run(f"loadk a {left}\nloadk b {right}\n{operation} c a b\nreturn c") == result


@pytest.mark.parametrize(
    ("operation", "left", "right", "message"),
    [
        ("floordiv", "1", "0", "division by zero"),
        ("mod", "1.5", "0", "float modulo by zero"),
        ("add", "1", '"x"', "add is not supported between a int and a str"),
        ("shl", "1", "-1", "negative shift count"),
        ("getitem", '"abc"', "3", "string index out of range"),
    ],
)
def test_guest_error_has_a_message(operation: str, left: str, right: str, message: str) -> None:
    with pytest.raises(GuestError, match=message):
        run(f"loadk a {left}\nloadk b {right}\n{operation} c a b\nreturn c")


def test_innermost_handler_gets_the_error() -> None:
    body = """
        loadk one 1
        loadk zero 0
        try outer e
        try inner e
        mod x one zero
        endtry
        endtry
    inner:
        loadk r "inner"
        add e r e
        return e
    outer:
        return e
    """
    assert run(body) == "innermodulo by zero"


def test_scattered_arguments_are_moved_together() -> None:
    text = "func f x y z\n sub a x y\n sub a a z\n return a\n"
    text += "func main\n loadk a 9\n loadk b 3\n loadk c 1\n call r f a c b\n return r\n"
    assert run_program(assemble(text)).display() == "5"
