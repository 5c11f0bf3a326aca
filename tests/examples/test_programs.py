"""The example programs compute what plain Python computes."""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.differential.differential import ROOT
from tests.differential.programs import INTERPRETERS, program_path


def reference_count(n: int) -> list[object]:
    return [sum(i % 7 for i in range(n))]


def reference_mandelbrot_registervm(n: int) -> list[object]:
    return [sum(_escape(x * 3.0 / n - 2.0, (y + 0.5) / n * 2.0 - 1.0, False) for y in range(n) for x in range(n))]


def reference_mandelbrot_astlang(n: int) -> list[object]:
    return [sum(_escape(x * 3.0 / n - 2.0, y * 2.0 / n - 1.0, True) for y in range(n) for x in range(n))]


def _escape(cr: float, ci: float, doubled_first: bool) -> int:
    zr = zi = 0.0
    for k in range(50):
        if zr * zr + zi * zi > 4.0:
            return k
        cross = 2.0 * zr * zi if doubled_first else zr * zi + zr * zi
        zr, zi = zr * zr - zi * zi + cr, cross + ci
    return 50


def reference_sieve(n: int) -> list[object]:
    return [sum(all(i % d for d in range(2, math.isqrt(i) + 1)) for i in range(2, n))]


def reference_fib(n: int) -> list[object]:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return [a]


def reference_strings(n: int) -> list[object]:
    text = ("the quick brown fox jumps over the lazy dog" * n)[:n]
    total = 0
    for character in text:
        total = (total * 31 + ord(character)) % 65521
    return [f"{sum(character in 'aeiou' for character in text)} {total}"]


def reference_branch(n: int) -> list[object]:
    seed, left = 12345, 0
    for _ in range(n):
        seed = (seed * 1103515245 + 12345) % 2**31
        left += seed < 2**30
    return [left, 3 * (n - left)]


def reference_errors(n: int) -> list[object]:
    return [sum(100 // (i % 4) for i in range(n) if i % 4 in (1, 2)), sum(i % 4 in (0, 3) for i in range(n))]


def reference_bigint(n: int) -> list[object]:
    return [len(str(math.factorial(n))), math.factorial(n) % 1000000007]


def reference_matmul(n: int) -> list[object]:
    def fill(seed: int) -> list[int]:
        numbers = []
        for _ in range(n * n):
            seed = (seed * 37 + 1) % 101
            numbers.append(seed)
        return numbers

    a, b = fill(1), fill(2)
    return [float(sum(a[i * n + k] * b[k * n + j] for i in range(n) for j in range(n) for k in range(n)))]


def reference_objects(n: int) -> list[object]:
    return [sum(8 if i % 2 else 9 for i in range(n)), (n + 9) // 10]


def reference_closures(n: int) -> list[object]:
    return [3 * n, sum(i + 2 for i in range(n))]


def reference_collatz(n: int) -> list[object]:
    def length(x: int) -> int:
        return 1 if x == 1 else 1 + length(3 * x + 1 if x % 2 else x // 2)

    best = max(range(1, n), key=length)
    return [best, length(best)]


CASES: dict[str, tuple[int, Callable[[int], list[object]]]] = {
    "calc/count.calc": (95, lambda n: [sum(i * i % 7 for i in range(1, n + 1))]),
    "calc/collatz.calc": (30, reference_collatz),
    "calc/factorial.calc": (40, lambda n: [math.factorial(n) % 1000000007]),
    "calc/gcd.calc": (60, lambda n: [sum(math.gcd(i, n) for i in range(1, n + 1))]),
    "brainfuck/count.bf": (1, lambda n: [n]),
    "brainfuck/triangle.bf": (30, lambda n: [n * (n + 1) // 2 % 256]),
    "brainfuck/alphabet.bf": (60, lambda n: [("abcdefghijklmnopqrstuvwxyz" * n)[:n]]),
    "astlang/count.ast": (300, reference_count),
    "astlang/fib.ast": (10, reference_fib),
    "astlang/mandelbrot.ast": (6, reference_mandelbrot_astlang),
    "astlang/sieve.ast": (200, reference_sieve),
    "astlang/objects.ast": (101, reference_objects),
    "astlang/closures.ast": (100, reference_closures),
    "astlang/strings.ast": (100, reference_strings),
    "astlang/branch.ast": (100, reference_branch),
    "astlang/errors.ast": (100, reference_errors),
    "astlang/bigint.ast": (60, reference_bigint),
    "registervm/count.rvm": (300, reference_count),
    "registervm/mandelbrot.rvm": (6, reference_mandelbrot_registervm),
    "registervm/sieve.rvm": (200, reference_sieve),
    "registervm/matmul.rvm": (5, reference_matmul),
    "registervm/fib.rvm": (10, reference_fib),
    "registervm/methods.rvm": (100, lambda n: [3 * n]),
    "registervm/strings.rvm": (100, reference_strings),
    "registervm/branch.rvm": (100, reference_branch),
    "registervm/errors.rvm": (100, reference_errors),
    "registervm/bigint.rvm": (60, reference_bigint),
}


@pytest.mark.parametrize("name", CASES)
def test_program_computes_what_python_computes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    argument, reference = CASES[name]
    interpreter = importlib.import_module(INTERPRETERS[name.partition("/")[0]][0])
    assert interpreter.main([str(program_path(name)), str(argument)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(value) for value in reference(argument)]


def test_every_program_has_a_case() -> None:
    files = {f"{package}/{path.name}" for package in INTERPRETERS for path in program_path(f"{package}/x").parent.iterdir()}
    assert files == set(CASES)


def test_calculator_differs_by_at_most_ten_lines() -> None:
    plain, decorated = [(ROOT / "examples/calc" / f"{name}.py").read_text().splitlines() for name in ("plain", "calc")]
    changes = [line for line in difflib.unified_diff(plain, decorated, n=0) if line[0] in "+-" and line[:3] not in ("+++", "---")]
    added = [line for line in changes if line[0] == "+"]
    assert len(added) <= 10
    assert len(changes) - len(added) <= 1  # the module's docstring


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("calc/")])
def test_plain_calculator_prints_the_same(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for module in ("examples.calc.plain", "examples.calc.calc"):
        importlib.import_module(module).main([str(program_path(name)), "25"])
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] != ""


def test_examples_import_only_the_public_package() -> None:
    for path in (ROOT / "examples").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words[:1] in (["from"], ["import"]) and words[1].startswith("metatracer"):
                assert words[1] == "metatracer", f"{path}: {line}"


@pytest.mark.parametrize("package", INTERPRETERS)
def test_failed_self_check_is_an_error(package: str, tmp_path: Path) -> None:
    failing = {
        "calc": "push 0\ncheck\n",
        "brainfuck": "<",
        "astlang": "check(1 > 2);",
        "registervm": "func main\n loadk c false\n check c\n return c\n",
    }
    path = tmp_path / "guest"
    path.write_text(failing[package])
    interpreter = importlib.import_module(INTERPRETERS[package][0])
    with pytest.raises(Exception, match="check failed|no cell to the left"):
        interpreter.run_program(interpreter.load(str(path)))
