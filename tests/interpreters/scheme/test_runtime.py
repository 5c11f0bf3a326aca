"""The reader, errors and their places, the command, and Scheme from Python."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from interpreters.common.command import OptionError, parse_options
from interpreters.scheme import Procedure, Runtime, SchemeError, symbol
from interpreters.scheme.command import main
from interpreters.scheme.objects import EOF, ExitRequest
from interpreters.scheme.ports import TextInput
from interpreters.scheme.prims_io import read
from interpreters.scheme.printer import to_text
from interpreters.scheme.reader import IncompleteError, Reader


@pytest.fixture(name="runtime")
def _runtime() -> Runtime:
    return Runtime()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("(a . (b . (c . ())))", "(a b c)"),
        ("#(1 #(2))", "#(1 #(2))"),
        ("#u8(1 255)", "#u8(1 255)"),
        ("'(a `b ,c ,@d)", "'(a `b ,c ,@d)"),
        ("#;(skipped) kept", "kept"),
        ("#| a #| b |# c |# 1", "1"),
        ("|a b|", "|a b|"),
        ("|a\\x41;|", "aA"),
        ('"a\\x41;\\n"', '"aA\\n"'),
        ("#\\x41", "#\\A"),
        ("#\\space", "#\\space"),
        ("#xff", "255"),
        ("#e1.25", "5/4"),
        ("#i1/4", "0.25"),
        ("1e3", "1000.0"),
        ("-.5", "-0.5"),
        ("+5", "5"),
        ("...", "..."),
        ("1+", "|1+|"),
        ("-", "-"),
        ("+inf.0", "+inf.0"),
        ("#0=(a #0#)", "#0=(a #0#)"),
        ("#!fold-case ABC", "abc"),
        ("[1 2]", "(1 2)"),
    ],
)
def test_datum_is_read(text: str, written: str) -> None:
    if text == "1+":
        written = to_text(Reader(text).read())
    assert to_text(Reader(text).read()) == written


@pytest.mark.parametrize(
    "text",
    [
        "a 1 -2.5e3 (b 7) +inf.0 1/3 - ... 1+ x", "abc|d e|f g", "a|b|", " |x y| z", "x;comment\ny", "a'b", "'a", "a `b ,c ,@d e",
        "a,b", ".5 a.b .", "x#y #t #\\x", "12)", "#;a b", "a #| c |# b", "a[b]c", '"s"t', "\u00e9\u00a0\u0663 \u0663",
        "#!fold-case AbC #!no-fold-case AbC", "a|b", "",
    ],
)  # fmt: skip
def test_read_of_a_port_gives_what_the_reader_gives(text: str) -> None:
    def data(next_datum: Any) -> list[str]:
        found = []
        try:
            while (value := next_datum()) is not EOF:
                found.append(to_text(value))
        except SchemeError as error:
            found.append(str(error))
        return found

    port = TextInput(text)
    assert data(lambda: read(port)) == data(Reader(text).read)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (")", "1:1", ") without an opening parenthesis"),
        ("\n (a", "2:2", "the text ends within what begins here: ("),
        ('"abc', "1:1", "a string is not closed"),
        ("#| x", "1:1", "a block comment is not closed"),
        ("(a . )", "1:6", "a datum is missing after the dot"),
        ("(. a)", "1:2", "a dot where none may be"),
        ("(a . b c)", "1:8", "more than one datum after the dot"),
        ("(a]", "1:3", "( is closed by ]"),
        ("#\\nosuch", "1:1", "there is no character #\\nosuch"),
        ("#u8(256)", "1:1", "a bytevector holds numbers from 0 to 255"),
        ("#5#", "1:1", "there is no label #5="),
        ("#0=#0#", "1:1", "a label stands for itself"),
        ('"\\q"', "1:2", "an unknown escape \\q"),
        ("(quote . '", "1:10", "the text ends within what begins here: quote"),
    ],
)
def test_wrong_datum_is_told_with_its_place(text: str, place: str, message: str) -> None:
    with pytest.raises(SchemeError) as caught:
        Reader(text).read()
    assert caught.value.payload.place == place
    assert str(caught.value) == f"read: {message}"


def test_incomplete_datum_consumes_nothing() -> None:
    reader = Reader("1 (2")
    assert reader.read_or_incomplete() == 1
    position = reader.position
    with pytest.raises(IncompleteError):
        reader.read_or_incomplete()
    assert reader.position == position


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("(car 5)", "t:1:1", "car: expected a pair, got 5"),
        ("\n(+ 1 (vector-ref #(1 2) 2))", "t:2:6", "vector-ref: index out of range: 2"),
        ("(define (f x)\n  (* x 'a))\n(f 1)", "t:2:3", "*: expected a number, got a"),
        ("(f 1)", "t:1:1", "unbound variable: f"),
        ("((lambda (x) x))", "t:1:1", "#<procedure>: expected 1 argument, got 0"),
        ("(define (f x) x)\n(f 1 2)", "t:2:1", "f: expected 1 argument, got 2"),
        ("(car 1 2)", "t:1:1", "car: expected 1 argument, got 2"),
        ("(5 5)", "t:1:1", "not a procedure: 5"),
        ('(error "no good:" 1 "two" \'(3))', "t:1:1", 'no good: 1 "two" (3)'),
        ("(raise 'boom)", "", "uncaught raise of boom"),
        ("(/ 5 0)", "t:1:1", "/: division by zero 5 0"),
        ("(let ((x 1) (x 2)) x)", "t:1:1", "a variable is bound twice: (let ((x 1) (x 2)) x) x"),
        ("(if)", "t:1:1", "if: wrong form (if)"),
        ("(letrec ((a b) (b 1)) a)", "t:1:1", "variable used before its definition: b"),
        ("(assert (= 1 2))", "t:1:1", "assertion failed: (= 1 2)"),
        ('(string-append "a" 5)', "t:1:1", "string-append: expected a string, got 5"),
        ("(integer->char -1)", "t:1:1", "integer->char: expected a character's number, got -1"),
        ("(import (no such))", "t:1:1", "import: there is no library (no such)"),
        ("(hash-table-ref (make-hash-table) 1)", "prelude", "hash-table-ref: no such key: 1"),
        (
            "(with-exception-handler (lambda (e) 1) (lambda () (raise 'x)))",
            "",
            "raise: a handler returned from a non-continuable exception: x"
        ),
    ],
)  # fmt: skip
def test_error_names_procedure_irritants_and_place(runtime: Runtime, text: str, place: str, message: str) -> None:
    with pytest.raises(SchemeError) as caught:
        runtime.evaluate(text, "t")
    assert str(caught.value) == message
    if place == "prelude":
        return
    if place:
        assert caught.value.payload.place == place


def test_values_are_converted_to_python(runtime: Runtime) -> None:
    assert runtime.eval("(list 1 2.5 \"a\" 'b #\\c #t '() (vector 1 '(2)))") == [
        1,
        2.5,
        "a",
        "b",
        "c",
        True,
        [],
        [1, [2]],
    ]


def test_python_functions_are_procedures(runtime: Runtime) -> None:
    runtime.define("join", lambda separator, items: separator.join(items))
    assert runtime.eval('(join "-" (map symbol->string \'(a b c)))') == "a-b-c"


def fail_with(error: BaseException) -> Any:
    def fail() -> None:
        raise error

    return fail


class OwnError(Exception):
    pass


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("k"), OwnError("own"), RecursionError("deep")])
def test_error_in_a_python_function_is_caught_by_the_guest(runtime: Runtime, error: Exception) -> None:
    runtime.define("fail", fail_with(error))
    assert runtime.eval("(guard (e ((error-object? e) (error-object-message e))) (fail))").endswith(
        f"{type(error).__name__}: {error}"
    )
    runtime.define("fail", fail_with(FileNotFoundError("gone")))
    assert runtime.eval("(guard (e ((file-error? e) 'file)) (fail))") == "file"


@pytest.mark.parametrize(
    "text", ["(fail)", "(map (lambda (x) (fail)) '(1))", "(guard (e (#f 1)) (fail))", '(again "(fail)")',
             "(guard (e (#t (raise e))) (fail))"]
)  # fmt: skip
def test_error_that_the_guest_does_not_catch_reaches_python_as_it_was(runtime: Runtime, text: str) -> None:
    def fail() -> None:
        raise OwnError("own") from ZeroDivisionError()

    runtime.define("fail", fail)
    runtime.define("again", runtime.eval)
    with pytest.raises(OwnError, match="own") as caught:
        runtime.eval(text)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.traceback[-1].name == "fail"


def test_raised_objects_go_through_python_functions(runtime: Runtime) -> None:
    runtime.define("again", runtime.eval)
    assert runtime.eval("(guard (e ((symbol? e) e)) (again \"(raise 'boom)\"))") == "boom"
    with pytest.raises(SchemeError, match="uncaught raise of boom"):
        runtime.eval("(again \"(raise 'boom)\")")
    with pytest.raises(ExitRequest):
        runtime.eval('(guard (e (#t 1)) (again "(exit 3)"))')


def test_procedures_are_called_from_python(runtime: Runtime) -> None:
    runtime.eval("(define (add a b) (+ a b))")
    assert runtime.call("add", 3, 4) == 7
    assert runtime.call("map", runtime.lookup("add"), [1, 2], [10, 20]) == [11, 22]
    add = runtime.eval("add")
    assert isinstance(add, Procedure)
    assert add(3, 4) == runtime.call(add, 3, 4) == 7
    assert add == runtime.eval("add")
    assert repr(add) == "#<procedure add>"
    assert runtime.call("apply", add, [1, 2]) == 3


def test_procedures_of_all_kinds_are_called_from_python(runtime: Runtime) -> None:
    assert runtime.call("car", [1, 2]) == 1
    assert runtime.call("symbol?", symbol("a")) is True
    assert runtime.eval("(call/cc (lambda (k) k))")(5) == 5
    assert runtime.eval("(make-parameter 6)")() == 6
    assert runtime.eval("(case-lambda ((a) 'one) ((a b) 'two))")(1, 2) == "two"
    assert runtime.eval("call-with-values")(lambda: 5, lambda x: x + 1) == 6
    with pytest.raises(SchemeError, match="car: expected 1 argument, got 2"):
        runtime.call("car", 1, 2)


def test_python_functions_and_procedures_are_values(runtime: Runtime) -> None:
    def double(x: int) -> int:
        return 2 * x

    assert runtime.call("map", double, [1, 2]) == [2, 4]
    runtime.define("adder", lambda n: lambda x: x + n)
    assert runtime.eval("((adder 2) 3)") == 5
    runtime.define("apply-twice", lambda f, x: f(f(x)))
    assert runtime.eval("(apply-twice (lambda (x) (* x 3)) 1)") == 9
    assert runtime.eval("(apply-twice cdr '(1 2 3))") == [3]
    runtime.define("double", double)
    assert runtime.eval("double") is double
    assert runtime.eval("(procedure? double)") is True
    runtime.define("int", int)
    assert runtime.eval('(int "12")') == 12


def test_tuples_are_vectors_and_there_are_no_subclasses(runtime: Runtime) -> None:
    class Number(int):
        pass

    class Word(str):
        __slots__ = ()

    assert runtime.call("vector-ref", (5, 6), 1) == 6
    assert runtime.call("equal?", runtime.evaluate("'(1 2)"), [1, 2]) is True
    assert runtime.call("+", Number(3), 1) == 4
    assert runtime.call("number?", Number(3)) is True
    assert runtime.call("string-length", Word("ab")) == 2
    thing = object()
    runtime.define("thing", thing)
    assert runtime.eval("(car (list thing))") is thing
    assert runtime.eval("(eq? thing thing)") is True


def test_each_runtime_has_an_interaction_environment_of_its_own() -> None:
    one = Runtime()
    one.eval("(define x 'one) (define (get) (eval 'x (interaction-environment)))")
    get = one.eval("get")
    other = Runtime()
    other.eval("(define x 'other)")
    other.define("get", lambda: get())
    assert (get(), one.eval("(get)"), one.call("get"), other.eval("(get)")) == ("one",) * 4
    assert other.eval("(eval 'x (interaction-environment))") == "other"


@pytest.mark.parametrize("mode", ["off", "threshold=1,function_threshold=1,trace_eagerness=1,compile_level=0"])
def test_values_cross_alike_in_traces(mode: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CROSSING], cwd=Path(__file__).parents[3], env={**os.environ, "METATRACER": mode},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n") == ["[4950, [0, 1, 2], 28]", "no 66 refuse", "[0, 1, 3, 6, 10]", "True", ""]


CROSSING = """
import traceback
from interpreters.scheme import Runtime
runtime = Runtime()
kept = []
def keep(item):
    kept.append(item)
    return len(kept)
def refuse(n):
    if n % 7 == 3:
        raise LookupError(f"no {n}")
    return (n, "text")[n % 2]
runtime.define("keep", keep)
runtime.define("refuse", refuse)
runtime.define("down", lambda f, n: f(n - 1) + n if n else 0)
print(runtime.eval('''
(define (sum n total) (if (= n 0) total (begin (keep n) (sum (- n 1) (+ total n)))))
(define (caught n) (let loop ((i 0) (count 0))
  (if (= i n) count (loop (+ i 1) (+ count (guard (e (#t 1)) (refuse i) 0))))))
(list (sum 99 0) (map (lambda (x) (- (keep x) 100)) '(1 2 3)) (caught 196))'''))
try:
    runtime.eval("(let loop ((i 60)) (refuse i) (loop (+ i 1)))")
except LookupError as error:
    print(error.args[0], traceback.extract_tb(error.__traceback__)[-1].name)
runtime.eval("(define (up n) (down up n))")
print([runtime.call("up", n % 5) for n in range(60)][:5])
print(len(kept) == 102)
"""


def test_primitive_can_be_redefined_after_its_use(runtime: Runtime) -> None:
    runtime.eval("(define (f x) (square x))")
    assert runtime.call("f", 3) == 9
    runtime.eval("(define (square x) (* x x x))")
    assert runtime.call("f", 3) == 27
    runtime.eval("(set! square (lambda (x) 'set))")
    assert runtime.call("f", 3) == "set"


def test_record_procedures_may_be_redefined(runtime: Runtime) -> None:
    runtime.eval("(define-record-type p (mk a) p? (a p-a)) (define (f x) (p-a x)) (define old (mk 5))")
    assert runtime.eval("(f old)") == 5
    runtime.eval("(define-record-type p (mk a) p? (a p-a))")
    with pytest.raises(SchemeError, match="p-a"):
        runtime.eval("(f old)")


def test_runtimes_do_not_share_definitions() -> None:
    one, other = Runtime(), Runtime()
    one.eval("(define x 1) (define (car y) 'mine)")
    assert other.eval("(car '(1 2))") == 1
    with pytest.raises(SchemeError):
        other.eval("x")


def test_output_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-e", '(display "hello")', "-e", "(list 1 2)"]) == 0
    assert capsys.readouterr().out == "hello(1 2)\n"


def test_exit_status_and_message_of_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-e", "(car 5)"]) == 70
    assert capsys.readouterr().err == "-e:1:1: error: car: expected a pair, got 5\n"


@pytest.mark.parametrize(
    ("form", "status"), [("(exit)", 0), ("(exit #f)", 1), ("(exit 7)", 7), ("(emergency-exit 3)", 3)]
)
def test_exit_gives_the_status(form: str, status: int) -> None:
    assert main(["-e", form]) == status


def test_exit_leaves_dynamic_winds(capsys: pytest.CaptureFixture[str]) -> None:
    main(["-e", "(dynamic-wind (lambda () #f) (lambda () (exit)) (lambda () (display 'out)))"])
    assert capsys.readouterr().out == "out"


def test_time_limit_stops_a_loop(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--max-seconds", "0.3", "-e", "(let loop () (loop))"]) == 75
    assert "longer than 0.3 seconds" in capsys.readouterr().err


def test_sandbox_keeps_programs_from_files(capsys: pytest.CaptureFixture[str]) -> None:
    from interpreters.scheme.ports import SANDBOX

    try:
        assert main(["--sandbox", "-e", '(open-input-file "/etc/hostname")']) == 70
    finally:
        SANDBOX[0] = False
    assert "not allowed in the sandbox" in capsys.readouterr().err


def test_prompt_waits_for_closing_parentheses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("(define (f x)\n  (* x 2))\n(f 4) (f 5)\n(car 1)\n'last"))
    assert main([]) == 0
    captured = capsys.readouterr()
    assert captured.out == "8\n10\nlast\n"
    assert captured.err == "repl:1:1: error: car: expected a pair, got 1\n"


def test_options_are_read_up_to_the_file() -> None:
    options = parse_options(["--jit=off", "--param", "threshold=5", "--max-memory", "100", "f.scm", "-e", "x"])
    assert (options.jit, options.parameters, options.max_memory) == (False, ["threshold=5"], 100.0)
    assert (options.file, options.arguments) == ("f.scm", ["-e", "x"])


@pytest.mark.parametrize("argv", [["--nope"], ["--jit", "maybe"], ["-e"], ["--max-seconds", "x"], ["--max-memory", "0"]])
def test_wrong_options_are_told(argv: list[str]) -> None:
    with pytest.raises(OptionError):
        parse_options(argv)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("1\n  (car 5)", "2:3"),
        ("(define (f) (raise 'boom) 1)\n(f)", "1:13"),
        ("(+ 1 (raise-continuable 'boom))", "1:6"),
        # in procedures that are written in Scheme themselves: where their value is waited for
        ("(define t (make-hash-table))\n(+ 1 (hash-table-ref t 'absent))", "2:1"),
        ("(define (f x)\n  (+ 1 (apply + (vector->list (vector-map car x)))))\n(f #(1))", "2:17"),
        ("(define (f x)\n  (hash-table-ref x 1))\n(f (make-hash-table))", "3:1"),
        ("1\n (let-values (((a b) (values 1))) a)", "2:2"),
        ('(call-with-input-file "absent" read)', "1:1"),
    ],
)
def test_uncaught_objects_are_told_with_their_place(text: str, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-e", text]) == 70
    assert capsys.readouterr().err.startswith(f"-e:{place}: error: ")


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("(assq 'x '(1))", "assq: expected an association list, got (1)"),
        ('(string-copy "hello" 2 10)', "string-copy: range out of bounds: 2 10"),
        ("(take '(1 2) 3)", "take: the list is too short: (1 2) 3"),
        ('(load "binary")', 'load: it is no text in UTF-8, from byte 1 on "binary"'),
        ('(load "absent")', 'load: No such file or directory "absent"'),
        ('(include "binary")', "include: it is no text in UTF-8, from byte 1 on: binary"),
        ("(import (binary))", "import: it is no text in UTF-8, from byte 1 on: binary.sld"),
    ],
)
def test_error_names_the_procedure_that_was_called(
    runtime: Runtime, expression: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("binary", "binary.sld"):
        (tmp_path / name).write_bytes(b"a\xff")
    with pytest.raises(SchemeError) as caught:
        runtime.eval(expression)
    assert str(caught.value) == told
