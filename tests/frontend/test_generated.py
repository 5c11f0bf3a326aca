"""Generated functions (nested ifs, loops, handlers, calls over ints, strings and lists) agree with CPython."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metatracer.frontend.decode import jitcode_for
from metatracer.frontend.evaluator import evaluate, evaluate_forgetting
from tests.frontend.test_corpus import outcome
from tests.frontend.test_decode import check_depths, check_form

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

NAMES = ("a", "b", "c", "d", "e")
"""Arguments are a, b and c; d and e may be unbound."""

ATOMS = (
    *NAMES,
    "(0)",
    "(1)",
    "(7)",
    "(-3)",
    "'x'",
    "'long one'",
    "[]",
    "[1, 'y']",
    "None",
    "True",
    "1.5",
    "a",
    "b",
    "c",
)
BINARY = ("+", "-", "//", "%", "&", "|", "<", "==", "!=", ">=", "in", "is", "and", "or")
CALLS = ("clip({})", "len({})", "str({})", "helper({})", "helper({}, k={})", "helper(*[{}])", "{}.count({})", "abs({})")
OTHERS = (
    "({} if {} else {})", "({}, {})", "[{}, {}]", "{}[0]", "{}[1:]", "(-{})", "(not {})", "f'{{{}}}|{{{}!r:>4}}'",
    "[v for v in ({}, {}) if v]", "(lambda x: (x, a))({})", "{{'k': {}}}", "({} < {} < {})", "{}.real", "[*{}, {}]",
    "{}.upper()", "isinstance({}, (int, str))", "{{y: {} for y in range(2)}}",
)  # fmt: skip
EXCEPTIONS = ("TypeError", "(ValueError, IndexError)", "NameError", "Exception", "ZeroDivisionError", "AttributeError")


@st.composite
def expressions(draw: DrawFn, depth: int = 2) -> str:
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(ATOMS))
    inner = expressions(depth - 1)
    if draw(st.booleans()):
        return f"({draw(inner)} {draw(st.sampled_from(BINARY))} {draw(inner)})"
    template = draw(st.sampled_from(CALLS + OTHERS))
    count = template.replace("{{", "").replace("}}", "").count("{") + template.count("{{{")
    if template.startswith("f'"):
        first, second = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
        return f"f'{{{first}}}|{{{second}!r:>4}}'"
    return template.format(*[draw(inner) for _ in range(count)])


def indent(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


@st.composite
def blocks(draw: DrawFn, depth: int, in_loop: bool) -> list[str]:
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        lines += draw(statements(depth, in_loop))
    return lines


@st.composite
def statements(draw: DrawFn, depth: int, in_loop: bool) -> list[str]:
    value = draw(expressions())
    name = draw(st.sampled_from(NAMES))
    kinds = ["assign", "assign", "aug", "unpack", "append", "return", "raise", "del", "cell"]
    if in_loop:
        kinds += ["break", "continue"]
    if depth > 0:
        kinds += ["if", "while", "for", "try", "with", "match"] * 2
    kind = draw(st.sampled_from(kinds))
    body = blocks(depth - 1, in_loop)
    match kind:
        case "assign":
            return [f"{name} = clip({value})"]
        case "aug":
            return [f"{name} {draw(st.sampled_from(['+=', '-=', '|=', '//=']))} {value}", f"{name} = clip({name})"]
        case "unpack":
            return [f"{name}, *{draw(st.sampled_from(NAMES))} = {value}, {draw(expressions())}"]
        case "append":
            return [f"log.append(clip({value}))"]
        case "return":
            return [f"if {value}: return {draw(expressions())}"]
        case "raise":
            return [f"if {value}: raise {draw(st.sampled_from(['ValueError(a)', 'KeyError', 'TypeError from None']))}"]
        case "del":
            return [f"del {name}"]
        case "cell":
            return [f"log.append((lambda: clip({name}))())", f"log.append(clip(w := {value}) and w)"]
        case "break" | "continue":
            return [f"if {value}: {kind}"]
        case "if":
            return [f"if {value}:", *indent(draw(body)), "else:", *indent(draw(body))]
        case "while":
            inner = indent(draw(blocks(depth - 1, True)))
            return ["n = 0", f"while n < 3 and {value}:", "    n += 1", *inner, "else:", "    log.append('else')"]
        case "for":
            iterable = draw(st.sampled_from(["range(3)", "'ab'", "enumerate([1, 2])", "zip('ab', [3, 4])", value]))
            return [f"for {name} in {iterable}:", *indent(draw(blocks(depth - 1, True)))]
        case "try":
            lines = ["try:", *indent(draw(body))]
            handler = draw(st.sampled_from(["except", "finally", "both"]))
            if handler != "finally":
                kind_of = draw(st.sampled_from(EXCEPTIONS))
                lines += [f"except {kind_of} as exc:", "    log.append(repr(exc))", *indent(draw(body))]
            if handler != "except":
                lines += ["finally:", *indent(draw(blocks(depth - 1, False)))]
            return lines
        case "with":
            return [f"with manager(log, {draw(st.booleans())}):", *indent(draw(body))]
        case _:
            cases = draw(
                st.lists(st.sampled_from(["int(d)", "str()", "[d, *e]", "None", "{'k': e}", "1.5"]), max_size=2)
            )
            lines = [f"match {value}:"]
            for pattern in cases:
                lines += [f"    case {pattern}:", *indent(indent(draw(body)))]
            return [*lines, "    case _:", "        log.append('no match')"]


@st.composite
def functions(draw: DrawFn) -> str:
    lines = ["def function(a, b, c):", "    log = []", *indent(draw(blocks(3, False))), "    return log, a, b, c"]
    return "\n".join(lines)


def clip(value: Any) -> Any:
    """Keeps values small, whatever loops do to them."""
    if isinstance(value, int):
        return int(value) % 10007
    return value[:6] if isinstance(value, (str, list, tuple)) else value


def helper(*args: Any, **kwargs: Any) -> Any:
    if args[0] == 7:
        raise ValueError("seven")
    return args[0] if not kwargs else kwargs["k"]


class Manager:
    def __init__(self, log: list[Any], swallow: bool) -> None:
        self.log = log
        self.swallow = swallow

    def __enter__(self) -> None:
        self.log.append("enter")

    def __exit__(self, kind: object, value: object, traceback: object) -> bool:
        self.log.append(kind)
        return self.swallow


ARGUMENTS = st.sampled_from(
    [(1, "s", [1, 2]), (0, 0, 0), ("ab", 3, None), ([], {}, 2.5), (7, -1, "x"), (True, [3], ())]
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(functions(), ARGUMENTS)
def test_generated_function_agrees_with_cpython(source: str, args: tuple[Any, ...]) -> None:
    space: dict[str, Any] = {"clip": clip, "helper": helper, "manager": Manager}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # "perhaps you missed a comma?": perhaps
        exec(compile(source, "<generated>", "exec"), space)
    function = space["function"]
    check_form(jitcode_for(function.__code__))
    check_depths(jitcode_for(function.__code__))
    expected = outcome(function, args)
    assert outcome(lambda *given_args: evaluate(function, *given_args), args) == expected
    assert outcome(lambda *given_args: evaluate_forgetting(function, *given_args), args) == expected
