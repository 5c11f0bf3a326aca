"""Every function of the corpus does by its JitCode what it does in CPython."""

from __future__ import annotations

import copy
import sys
import textwrap
from typing import Any

import pytest

from metatracer.frontend.decode import jitcode_for
from metatracer.frontend.evaluator import EvaluationError, evaluate, evaluate_forgetting
from tests.frontend import corpus


def chain_of(exc: BaseException | None) -> list[Any]:
    """Types and messages of an exception, its causes and its contexts."""
    if exc is None:
        return []
    parts: list[Any] = [type(exc), str(exc), exc.__suppress_context__]
    if isinstance(exc, BaseExceptionGroup):
        parts.append([chain_of(inner) for inner in exc.exceptions])
    return [*parts, chain_of(exc.__cause__), chain_of(exc.__context__)]


def outcome(run: Any, args: tuple[Any, ...]) -> Any:
    """What a run gives, as comparable data: the result or the exception, and the arguments as they are afterwards."""
    args = copy.deepcopy(args)
    try:
        result: Any = ("result", run(*args))
    except EvaluationError:
        raise
    except Exception as exc:  # noqa: BLE001 - whatever it raises is compared
        result = ("raised", chain_of(exc))
    return repr(result), repr(args)


@pytest.mark.parametrize(
    ("function", "args"),
    corpus.CASES,
    ids=[f"{function.__qualname__}-{number}" for number, (function, _) in enumerate(corpus.CASES)],
)
def test_evaluate_agrees_with_cpython(function: Any, args: tuple[Any, ...]) -> None:
    def native(*given: Any) -> Any:
        return function(*given)

    def by_jitcode(*given: Any) -> Any:
        return evaluate(function, *given)

    def from_snapshots(*given: Any) -> Any:
        return evaluate_forgetting(function, *given)

    expected = outcome(native, args)
    assert outcome(by_jitcode, args) == expected
    assert outcome(from_snapshots, args) == expected


def test_evaluate_shares_cells_with_native_code() -> None:
    step = corpus.make_counter()
    assert evaluate(step, 1) == (11, ["a", "11"])
    assert step(2, 3) == (14, ["a", "11", "14"])
    assert evaluate(step, 0) == (14, ["a", "11", "14", "14"])


def test_corpus_is_large_enough() -> None:
    assert len({function for function, _ in corpus.CASES}) >= 80


def test_corpus_has_no_unsupported_instruction() -> None:
    found = [
        (function.__qualname__, instruction.arg)
        for function, _ in corpus.CASES
        for instruction in jitcode_for(function.__code__).instructions
        if instruction.op == "unsupported"
    ]
    assert not found


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are new in 3.12")
def test_type_parameters_agree_with_cpython() -> None:
    source = """
    def outer(n):
        def first[T: int](items: list[T]) -> T:
            return items[n]
        type Alias[K] = dict[K, int]
        class Box[V]:
            def __init__(self, value: V) -> None:
                self.value = value
        return first([1, 2]), Alias.__name__, Box(3).value, [p.__name__ for p in first.__type_params__]
    """
    space: dict[str, Any] = {}
    exec(textwrap.dedent(source), space)  # the syntax is not valid in 3.11
    assert evaluate(space["outer"], 0) == space["outer"](0)
