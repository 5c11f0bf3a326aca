"""The JitCode of any function is well formed, and agrees with what `dis` says about the same code."""

from __future__ import annotations

import dis
import importlib
import itertools
import threading
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from metatracer.frontend import decode
from metatracer.frontend.decode import jitcode_for
from metatracer.frontend.evaluator import FRAME_OPERATIONS, evaluate
from metatracer.frontend.jitcode import INSTRUCTIONS, Handler, JitCode
from metatracer.frontend.liveness import JUMPS, NO_FALL_THROUGH
from metatracer.frontend.operations import OPERATIONS
from tests.frontend import corpus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

STDLIB = (
    "argparse", "ast", "collections", "configparser", "contextlib", "dataclasses", "decimal", "difflib", "enum",
    "functools", "heapq", "inspect", "json.decoder", "json.encoder", "logging", "pathlib", "pprint", "subprocess",
    "textwrap", "threading", "tokenize", "typing", "_pydecimal",
)  # fmt: skip


def code_objects(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from code_objects(constant)


def stdlib_codes(name: str) -> list[CodeType]:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    source = Path(module.__file__).read_text(encoding="utf-8")
    return list(code_objects(compile(source, module.__file__, "exec")))


def ops(function: Any) -> list[str]:
    return [instruction.op for instruction in jitcode_for(function.__code__).instructions]


def check_form(jitcode: JitCode) -> None:
    """Registers, targets, tables and flags of a JitCode are consistent."""
    instructions = jitcode.instructions
    n_stack = jitcode.code.co_stacksize
    for position, ins in enumerate(instructions):
        assert ins.op in INSTRUCTIONS
        assert all(0 <= register < jitcode.n_registers for register in (*ins.dst, *ins.src))
        assert 0 <= ins.depth <= n_stack
        assert ins.depth == jitcode.depths[ins.index]
        assert ins.is_start == (position == jitcode.positions[ins.index])
        assert ins.index < ins.next_index <= len(jitcode.code.co_code)
        if ins.op in JUMPS:
            assert instructions[ins.arg].is_start
        if ins.op not in NO_FALL_THROUGH:
            following = instructions[position + 1]
            assert following.index == ins.index or following.index in (ins.next_index, *jitcode.positions)
    for table in (jitcode.depths, jitcode.live_locals):
        assert table.keys() == jitcode.positions.keys()
    for index, handler in jitcode.handlers.items():
        assert index in jitcode.positions
        assert jitcode.depths[handler.target] == handler.depth + handler.push_lasti + 1
        assert handler.depth <= jitcode.depths[index]
    check_no_early_overwriting(jitcode)


def check_no_early_overwriting(jitcode: JitCode) -> None:
    """Whatever may leave the trace inside a CPython instruction still finds all of its operands."""
    harmless = {"move", "null", "const", "push_exc_info"}
    overwritten: set[int] = set()
    for ins in jitcode.instructions:
        if ins.is_start:
            overwritten = set()
        assert not overwritten or ins.op in harmless, ins
        top = jitcode.n_locals + ins.depth
        overwritten.update(register for register in ins.dst if register < top)


def expected_depths(code: CodeType) -> dict[int, tuple[int, int]]:
    """Byte offset -> (offset of the next instruction, stack effect when control falls through to it)."""
    found = {}
    real = [ins for ins in dis.get_instructions(code) if ins.opname != "CACHE"]
    start = 0
    fresh = True
    for ins, following in itertools.pairwise(real):
        if fresh:
            start = ins.offset
        fresh = ins.opname != "EXTENDED_ARG"
        if fresh:
            arg = ins.arg if ins.opcode >= dis.HAVE_ARGUMENT else None
            found[start] = (following.offset, dis.stack_effect(ins.opcode, arg, jump=False))
    return found


def check_depths(jitcode: JitCode) -> None:
    """The depths follow `dis.stack_effect` wherever one instruction falls through to the next."""
    effects = expected_depths(jitcode.code)
    for position, ins in enumerate(jitcode.instructions):
        last = position + 1 == len(jitcode.instructions) or jitcode.instructions[position + 1].index != ins.index
        if not last or ins.op in NO_FALL_THROUGH:
            continue
        index, depth = ins.index, ins.depth
        while index != ins.next_index:
            index, effect = effects[index]
            depth += effect
        assert jitcode.depths[ins.next_index] == depth, ins


@pytest.mark.parametrize("name", STDLIB)
def test_stdlib_functions_decode_completely(name: str) -> None:
    for code in stdlib_codes(name):
        jitcode = jitcode_for(code)
        if jitcode.refusal:
            is_function = bool(code.co_flags & 1)
            assert ("generator" in jitcode.refusal or "coroutine" in jitcode.refusal) == is_function
            continue
        assert not [ins.arg for ins in jitcode.instructions if ins.op == "unsupported"]
        check_form(jitcode)
        check_depths(jitcode)


def test_corpus_is_well_formed() -> None:
    for function, _ in corpus.CASES:
        for code in code_objects(function.__code__):
            check_form(jitcode_for(code))
            check_depths(jitcode_for(code))


def test_every_operation_is_evaluated() -> None:
    own = {"return", "reraise"}
    own.add("yield")  # is done by the recorder only
    assert OPERATIONS.keys() | FRAME_OPERATIONS.keys() | own == INSTRUCTIONS.keys()
    assert not OPERATIONS.keys() & FRAME_OPERATIONS.keys()


def test_same_jitcode_every_time_and_for_every_thread() -> None:
    code = stdlib_codes("heapq")[5]
    found: list[JitCode] = []
    threads = [threading.Thread(target=lambda: found.append(jitcode_for(code))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(jitcode) for jitcode in found} == {id(jitcode_for(code))}


def test_equal_code_objects_have_their_own_jitcode() -> None:
    first, second = (compile("def f(): return 1", "same", "exec").co_consts[0] for _ in range(2))
    assert first == second
    assert jitcode_for(first) is not jitcode_for(second)
    assert jitcode_for(second).code is second


def test_quickened_code_decodes_the_same() -> None:
    def loop(n: int) -> int:
        total = 0
        for i in range(n):
            total += i if i % 3 < 2 else -i
        return total

    def shape(code: CodeType) -> list[Any]:
        jitcode = decode._decoder_class()(code).decode()
        return [(i.op, i.dst, i.src, i.arg, i.index, i.depth) for i in jitcode.instructions]

    before = shape(loop.__code__)
    for _ in range(100):
        loop(100)
    assert shape(loop.__code__) == before


async def _coroutine() -> None: ...


async def _async_generator() -> Any:
    yield 1


def _generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "noun"),
    [(_coroutine, "a coroutine"), (_async_generator, "an async generator"), (_generator, "a generator")],
)
def test_generators_and_coroutines_are_refused(function: Any, noun: str) -> None:
    jitcode = jitcode_for(function.__code__)
    assert noun in jitcode.refusal
    assert function.__name__ in jitcode.refusal
    assert not jitcode.instructions


def test_class_bodies_and_modules_are_refused() -> None:
    module = compile("class A:\n    x = 1", "m", "exec")
    assert "module" in jitcode_for(module).refusal
    assert "class body" in jitcode_for(module.co_consts[0]).refusal


def test_unknown_instruction_is_unsupported_and_not_an_error() -> None:
    def plain(a: Any) -> Any:
        return -a

    units = bytearray(plain.__code__.co_code)
    units[units.index(dis.opmap["UNARY_NEGATIVE"])] = dis.opmap["GET_YIELD_FROM_ITER"]
    jitcode = jitcode_for(plain.__code__.replace(co_code=bytes(units)))
    (found,) = [ins for ins in jitcode.instructions if ins.op == "unsupported"]
    assert found.arg[0] == "GET_YIELD_FROM_ITER"
    assert jitcode.instructions[-1].op == "return"


# --- particular contracts ----------------------------------------------------------------------------------------------


def test_has_loop() -> None:
    assert jitcode_for(corpus.collatz.__code__).has_loop
    assert not jitcode_for(corpus.chain.__code__).has_loop


def test_cells_and_free_registers() -> None:
    step = corpus.make_counter()
    jitcode = jitcode_for(step.__code__)
    assert [jitcode.local_names[register] for register in jitcode.free_registers] == list(step.__code__.co_freevars)
    outer = jitcode_for(corpus.make_counter.__code__)
    assert [i.op for i in outer.instructions[outer.entry :]].count("make_cell") == len(outer.code.co_cellvars)


def test_keyword_call_is_one_instruction() -> None:
    def caller(f: Any) -> Any:
        return f(1, a=2, b=3)

    jitcode = jitcode_for(caller.__code__)
    (call,) = [ins for ins in jitcode.instructions if ins.op == "call"]
    assert call.arg == ("a", "b")
    first = call.src[0]
    assert call.src == tuple(range(first, first + 5))
    assert call.dst == (first,)
    assert jitcode.depths[call.next_index] == 1


def test_method_call_names_physical_slots() -> None:
    def caller(a: Any) -> Any:
        return a.f(1)

    jitcode = jitcode_for(caller.__code__)
    (load,) = [ins for ins in jitcode.instructions if ins.op == "load_method"]
    (call,) = [ins for ins in jitcode.instructions if ins.op == "call"]
    assert load.dst == (jitcode.n_locals, jitcode.n_locals + 1)
    assert call.src == (*load.dst, jitcode.n_locals + 2)
    assert jitcode.call_layout in ("null_first", "callable_first")


def test_super_arguments() -> None:
    jitcode = jitcode_for(corpus.Derived.super_kept.__code__)
    assert jitcode.super_arguments is not None
    assert [jitcode.local_names[register] for register in jitcode.super_arguments] == ["__class__", "self"]
    assert jitcode_for(corpus.Base.describe.__code__).super_arguments is None


def test_exhausted_for_drops_the_iterator() -> None:
    def loop(items: Any) -> Any:
        for _ in items:
            pass
        return 5

    jitcode = jitcode_for(loop.__code__)
    (step,) = [ins for ins in jitcode.instructions if ins.op == "for_iter"]
    assert step.dst == (step.src[0] + 1,)
    target = jitcode.instructions[step.arg]
    assert target.op in ("const", "return")
    assert target.depth == step.depth - 1


def test_liveness() -> None:
    def function(a: Any, b: Any, c: Any) -> Any:
        first = a + b
        try:
            second = first(a)
        except ValueError:
            return c
        return second

    jitcode = jitcode_for(function.__code__)
    names = jitcode.local_names

    def live_at(op: str) -> set[str]:
        (found,) = [ins for ins in jitcode.instructions if ins.op == op]
        return {names[number] for number in jitcode.live_locals[found.index]}

    assert live_at("binary") == {"a", "b", "c"} - {"a", "b"} | {"a"}
    assert live_at("call") == {"c"}
    assert live_at("check_exc_match") == {"c"}


def test_cells_are_always_live() -> None:
    jitcode = jitcode_for(corpus.make_counter.__code__)
    numbers = {jitcode.local_names.index(name) for name in jitcode.code.co_cellvars}
    assert all(numbers <= live for live in jitcode.live_locals.values())


def test_handlers_name_the_innermost_try() -> None:
    def function(a: Any) -> Any:
        try:
            try:
                a()
            except ValueError:
                a(1)
        except TypeError:
            return 2
        return 3

    jitcode = jitcode_for(function.__code__)
    calls = [ins for ins in jitcode.instructions if ins.op == "call"]
    inner, outer = (jitcode.handlers[call.index] for call in calls)
    assert (inner.depth, inner.push_lasti) == (0, False)
    assert outer.target != inner.target
    assert jitcode.instructions[jitcode.positions[inner.target]].op == "move"
    assert "push_exc_info" in ops(function)


def test_handler_gets_the_number_of_the_raising_code_unit() -> None:
    def template(a: Any) -> Any:
        return a

    body = [
        ("RESUME", 0),
        ("LOAD_FAST", 0),
        ("UNARY_NEGATIVE", 0),
        ("RETURN_VALUE", 0),
        ("POP_TOP", 0),
        ("RETURN_VALUE", 0),
    ]
    units = bytes(byte for name, arg in body for byte in (dis.opmap[name], arg))
    table = bytes([0x80 | 1, 2, 4, 0 << 1 | 1])  # units 1 and 2: to unit 4, depth 0, with lasti
    code = template.__code__.replace(co_code=units, co_exceptiontable=table, co_stacksize=4)
    raised_at = types.FunctionType(code, {})("x")
    assert raised_at == 2
    assert jitcode_for(code).handlers[4] == Handler(target=8, depth=0, push_lasti=True)
    assert evaluate(types.FunctionType(code, {}), "x") == raised_at


def test_lines_are_the_authors() -> None:
    jitcode = jitcode_for(corpus.collatz.__code__)
    first = jitcode.code.co_firstlineno
    (divide,) = [ins for ins in jitcode.instructions if ins.op == "binary" and ins.arg == "//"]
    assert divide.lineno == first + 4
