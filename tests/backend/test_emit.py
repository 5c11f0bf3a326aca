"""Machine code of the pure operations against their rows, over edge values; and the table of emitters."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from metatracer.backend.compile import compile_trace
from metatracer.backend.emit import EMITTERS
from metatracer.ir.cfunctions import CFUNCTIONS
from metatracer.ir.opcodes import OPCODES, GuardFailed, Opcode
from metatracer.ir.values import Const, FrameState, Input, Operation, Snapshot, Trace, Value
from tests.backend.machine import compiled, outcome, run

MIN, MAX = -(1 << 63), (1 << 63) - 1
INTS = [0, 1, -1, 2, -2, 3, 7, -7, 63, 64, 255, 256, 257, -5, -6, 1 << 30, (1 << 30) - 1, -(1 << 30), 1 << 31, 1 << 32,
        1 << 60, -(1 << 60), 1 << 62, MAX, MIN, MIN + 1, MAX - 1, 10**18, 2**53 + 1]  # fmt: skip
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -2.5, 3.0, 2.0**53, 9.1e18, -9.1e18, 9.2e18, -9.2e18, 1e19, 1e308, -1e308,
          5e-324, math.inf, -math.inf, math.nan]  # fmt: skip
BOOLS = [False, True]
VALUES: dict[str, list[Any]] = {"i": INTS, "f": FLOATS, "b": BOOLS}
TYPES: dict[str, type] = {"i": int, "f": float, "b": bool}
UNBOX = {"i": "int_unbox", "f": "float_unbox", "b": "bool_unbox"}
BOX = {"i": "int_box", "f": "float_box", "b": "bool_box"}
NUMERIC = [
    opcode
    for opcode in OPCODES.values()
    if opcode.evaluate is not None and opcode.args and set(opcode.args) <= set("ifb") and opcode.result in "ifb"
]


def numeric_trace(opcode: Opcode, constants: dict[int, Any]) -> Trace:
    """Unbox the arguments that are not constant, compute, box, finish."""
    operations: list[Operation] = []
    inputs: list[Input] = []
    args: list[Value] = []
    for number, kind in enumerate(opcode.args):
        if number in constants:
            args.append(Const(kind, constants[number]))
            continue
        inputs.append(Input("r", f"r{number}", TYPES[kind]))
        snapshot = Snapshot(()) if kind == "i" else None
        args.append(Operation(OPCODES[UNBOX[kind]], (inputs[-1],), None, snapshot))
        operations.append(args[-1])  # type: ignore[arg-type]
    result = Operation(opcode, args, None, Snapshot(()) if opcode.is_guard else None)
    box = Operation(OPCODES[BOX[opcode.result]], (result,))
    operations += [result, box, Operation(OPCODES["finish"], (box,))]
    return Trace(tuple(inputs), operations, name=opcode.name)


def is_allowed(name: str, args: tuple[Any, ...]) -> bool:
    """The row's precondition."""
    if "shift" in name:
        return 0 <= args[1] < 64
    if name in ("int_floordiv", "int_mod"):
        return args[1] not in (0, -1)
    if name in ("uint_floordiv", "uint_mod"):
        return bool(args[1] != 0)
    return True


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and left != left:
        return isinstance(right, float) and right != right
    return type(left) is type(right) and (left.hex() == right.hex() if isinstance(left, float) else left == right)


def check(opcode: Opcode, code: Any, args: tuple[Any, ...], given: tuple[Any, ...]) -> None:
    assert opcode.evaluate is not None
    seen = outcome(code, *given)
    try:
        expected = opcode.evaluate(*args)
    except GuardFailed:
        assert seen == (opcode.name, None), args
    else:
        assert seen[0] == "finish", args
        assert same(seen[2], expected), (args, seen[2], expected)


@pytest.mark.parametrize("opcode", NUMERIC, ids=lambda opcode: opcode.name)
def test_numeric_operation_agrees_with_its_row(opcode: Opcode) -> None:
    code = compile_trace(numeric_trace(opcode, {}))
    for args in itertools.product(*(VALUES[kind] for kind in opcode.args)):
        if is_allowed(opcode.name, args):
            check(opcode, code, args, args)
    code.free()


@pytest.mark.parametrize("level", [0, 2])
@pytest.mark.parametrize("divisor", [1, 2, 3, 8, 10, -2, -3, 1 << 62, MIN, MAX])
@pytest.mark.parametrize("name", ["int_floordiv", "int_mod", "uint_floordiv", "uint_mod"])
def test_division_by_a_constant_agrees_with_its_row(name: str, divisor: int, level: int) -> None:
    opcode = OPCODES[name]
    code = compile_trace(numeric_trace(opcode, {1: divisor}), level=level)
    for left in INTS:
        check(opcode, code, (left, divisor), (left,))
    code.free()


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("name", ["int_floordiv", "int_mod", "uint_floordiv", "uint_mod"])
def test_division_by_what_may_be_a_power_of_two_agrees_with_its_row(name: str, level: int) -> None:
    opcode = OPCODES[name]
    code = compile_trace(numeric_trace(opcode, {}), level=level)
    for left, divisor in itertools.product(INTS, [1, 2, 3, 4, 6, 8, 1 << 31, 1 << 62, -2, -3, -8, -(1 << 62), MIN, MIN + 1, MAX]):
        check(opcode, code, (left, divisor), (left, divisor))
    code.free()


def test_constants_keep_their_bits() -> None:
    for value in FLOATS:
        text = f"trace t()\n  r0 = float_box({value!r})\n  finish(r0)"
        assert same(run(text)[2], value)
    for value in INTS:
        text = f"trace t()\n  r0 = int_box({value})\n  finish(r0)"
        assert same(run(text)[2], value)


def test_int_unbox_fails_outside_64_bits_and_leaves_no_exception() -> None:
    code = compiled("trace t(r0: int)\n  i1 = int_unbox(r0) -> [r0]\n  r2 = int_box(i1)\n  finish(r2)")
    edges = [2**30 - 1, 2**30, 2**30 + 1, 3 << 40, 2**60 - 1, 2**60, MAX]
    for value in [*edges, *[-value for value in edges], MIN]:
        assert outcome(code, value) == ("finish", None, value)
    for value in [MAX + 1, MIN - 1, 1 << 64, -(1 << 64), 1 << 1000]:
        assert outcome(code, value) == ("int_unbox", None, value)
    code.free()


def test_uint_unbox_fails_for_what_is_no_unsigned_word() -> None:
    code = compiled("trace t(r0: int)\n  i1 = uint_unbox(r0) -> [r0]\n  r2 = uint_box(i1)\n  finish(r2)")
    for value in [0, 1, 2**30 - 1, 2**30, 2**60 - 1, 2**60, MAX, MAX + 1, 2**64 - 1]:
        assert outcome(code, value) == ("finish", None, value)
    for value in [-1, MIN, -(2**64), 2**64, 2**64 + 1, 2**90, 2**90 - 1, -(2**30), -(2**60), 1 << 1000]:
        assert outcome(code, value) == ("uint_unbox", None, value)
    code.free()


def test_int_of_subclass_gives_the_number_that_an_instance_is() -> None:
    code = compiled("trace t(r0)\n  i1 = int_of_subclass(r0) -> [r0]\n  r2 = int_box(i1)\n  finish(r2)")
    cls = type("Number", (int,), {"name": "an attribute behind the digits"})
    for value in [0, 1, -1, 12345, 2**40, MAX, MIN]:
        result = outcome(code, cls(value))
        assert result == ("finish", None, value)
        assert type(result[2]) is int
    beyond = cls(MAX + 1)
    assert outcome(code, beyond)[2] is beyond
    code.free()


def test_int_truncate_takes_any_int() -> None:
    code = compiled("trace t(r0: int)\n  i1 = int_truncate(r0)\n  r2 = uint_box(i1)\n  finish(r2)")
    for value in [0, -1, MAX, MIN, 2**64, 2**64 + 7, -(2**64) - 7, (1 << 1000) + 3, -(1 << 1000) - 3]:
        assert outcome(code, value) == ("finish", None, value % 2**64)
    code.free()


def test_small_ints_keep_their_identity() -> None:
    code = compiled("trace t(r0: int)\n  i1 = int_unbox(r0) -> [r0]\n  r2 = int_box(i1)\n  finish(r2)")
    for value in range(-5, 257):
        assert outcome(code, value)[2] is value
    code.free()


@pytest.mark.parametrize("name", [row.name for row in CFUNCTIONS.values() if row.result == "f" and row.pure])
def test_libm_rows_agree_with_python(name: str) -> None:
    row = CFUNCTIONS[name]
    params = ", ".join(f"r{number}: float" for number in range(len(row.args)))
    lines = [f"  f{number + 10} = float_unbox(r{number})" for number in range(len(row.args))]
    operands = ", ".join(f"f{number + 10}" for number in range(len(row.args)))
    text = "\n".join(
        [f"trace t({params})", *lines, f"  f20 = call_c_f({operands}) {{{name}}}", "  r21 = float_box(f20)", "  finish(r21)"]
    )
    code = compiled(text)
    for args in itertools.product([0.5, 1.0, 2.0, 3.25], repeat=len(row.args)):
        assert same(outcome(code, *args)[2], row.evaluate(*args))
    code.free()


def test_every_operation_has_an_emitter() -> None:
    assert set(EMITTERS) == {*OPCODES, "store_new"}  # which only the backend makes


def test_division_by_a_power_of_two_needs_no_division() -> None:
    code = compile_trace(numeric_trace(OPCODES["int_mod"], {1: 8}))
    assert "srem" not in code.ir_text
    code.free()


def test_frames_of_snapshots_need_not_be_anonymous() -> None:
    """Exits know values only: what a frame is does not matter to the backend."""
    value = Input("r", "r0")
    snapshot = Snapshot((FrameState("jitcode", None, 4, 8, (0,), (value,), (value, Const("i", 3))),))
    false = Const("b", False)
    trace = Trace((value,), [Operation(OPCODES["guard_true"], (false,), None, snapshot), Operation(OPCODES["finish"], (value,))])
    code = compile_trace(trace)
    assert outcome(code, "x") == ("guard_true", None, "x")
    code.free()
