"""The register machine's interpreter loop and its command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from examples.registervm.assembler import AssemblyError, Program, assemble
from examples.registervm.bytecode import (
    ADD, AND, APPEND, CALL, CALLMETHOD, CHECK, CHR, DIV, EQ, FLOORDIV, GE, GETFIELD, GETITEM, GT, JFALSE, JTRUE, JUMP,
    LE, LEN, LOADK, LT, MOD, MOVE, MUL, NE, NEG, NEWARRAY, NEWLIST, NEWOBJ, NOT, OR, ORD, PRINT, RAISE, RETURN,
    SETFIELD, SETITEM, SHL, SHR, SUB, TOFLOAT, TOINT, TOSTR, XOR, Code,
)  # fmt: skip
from examples.registervm.objects import (
    W_NONE, GuestError, W_Array, W_Int, W_List, W_Object, W_Root, W_Str, fail, w_bool,
)  # fmt: skip
from metatracer import JitDriver, unroll_safe

driver = JitDriver(greens=["pc", "code"], reds="auto", name="registervm")


class Frame:
    """The registers of one call; their number is fixed by the code."""

    _immutable_fields_ = ["registers"]
    __slots__ = ("registers",)

    def __init__(self, code: Code) -> None:
        self.registers: list[W_Root] = [W_NONE] * code.n_registers

    @unroll_safe
    def copy_arguments(self, caller: list[W_Root], first: int, start: int, count: int) -> None:
        """Copy `count` registers of the caller into this frame's, from `start` on."""
        for number in range(count):
            self.registers[start + number] = caller[first + number]


@driver.portal
def run(code: Code, frame: Frame) -> W_Root:
    """Run `code` in `frame` until it returns; guest errors that it does not handle leave as GuestError."""
    pc = 0
    registers = frame.registers
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        ops = code.ops
        op = ops[pc]
        try:
            if op == MOVE:
                registers[ops[pc + 1]] = registers[ops[pc + 2]]
                pc += 3
            elif op == LOADK:
                registers[ops[pc + 1]] = code.constants[ops[pc + 2]]
                pc += 3
            elif op == ADD:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].add(registers[ops[pc + 3]])
                pc += 4
            elif op == SUB:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].sub(registers[ops[pc + 3]])
                pc += 4
            elif op == MUL:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].mul(registers[ops[pc + 3]])
                pc += 4
            elif op == MOD:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].mod(registers[ops[pc + 3]])
                pc += 4
            elif op == FLOORDIV:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].floordiv(registers[ops[pc + 3]])
                pc += 4
            elif op == DIV:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].div(registers[ops[pc + 3]])
                pc += 4
            elif op == LT:
                registers[ops[pc + 1]] = w_bool(registers[ops[pc + 2]].lt(registers[ops[pc + 3]]))
                pc += 4
            elif op == LE:
                registers[ops[pc + 1]] = w_bool(registers[ops[pc + 2]].le(registers[ops[pc + 3]]))
                pc += 4
            elif op == GT:
                registers[ops[pc + 1]] = w_bool(registers[ops[pc + 2]].gt(registers[ops[pc + 3]]))
                pc += 4
            elif op == GE:
                registers[ops[pc + 1]] = w_bool(registers[ops[pc + 2]].ge(registers[ops[pc + 3]]))
                pc += 4
            elif op == EQ:
                registers[ops[pc + 1]] = w_bool(registers[ops[pc + 2]].eq(registers[ops[pc + 3]]))
                pc += 4
            elif op == NE:
                registers[ops[pc + 1]] = w_bool(not registers[ops[pc + 2]].eq(registers[ops[pc + 3]]))
                pc += 4
            elif op == JUMP:
                target = ops[pc + 1]
                if target < pc:
                    pc = target
                    driver.can_enter_jit(pc=pc, code=code)
                else:
                    pc = target
            elif op == JTRUE:
                if registers[ops[pc + 1]].is_true():
                    target = ops[pc + 2]
                    if target < pc:
                        pc = target
                        driver.can_enter_jit(pc=pc, code=code)
                    else:
                        pc = target
                else:
                    pc += 3
            elif op == JFALSE:
                if registers[ops[pc + 1]].is_true():
                    pc += 3
                else:
                    target = ops[pc + 2]
                    if target < pc:
                        pc = target
                        driver.can_enter_jit(pc=pc, code=code)
                    else:
                        pc = target
            elif op == GETITEM:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].getitem(registers[ops[pc + 3]])
                pc += 4
            elif op == SETITEM:
                registers[ops[pc + 1]].setitem(registers[ops[pc + 2]], registers[ops[pc + 3]])
                pc += 4
            elif op == CALL:
                callee = code.callees[ops[pc + 2]]
                callee_frame = Frame(callee)
                callee_frame.copy_arguments(registers, ops[pc + 3], 0, ops[pc + 4])
                registers[ops[pc + 1]] = run(callee, callee_frame)
                pc += 5
            elif op == RETURN:
                return registers[ops[pc + 1]]
            elif op == GETFIELD:
                registers[ops[pc + 1]] = get_object(registers[ops[pc + 2]]).getfield(name_of(code, ops[pc + 3]))
                pc += 4
            elif op == SETFIELD:
                get_object(registers[ops[pc + 1]]).setfield(name_of(code, ops[pc + 2]), registers[ops[pc + 3]])
                pc += 4
            elif op == CALLMETHOD:
                receiver = get_object(registers[ops[pc + 2]])
                callee = receiver.find_method(name_of(code, ops[pc + 3]))
                if callee.n_arguments != ops[pc + 5] + 1:
                    fail(f"wrong number of arguments for {callee.name}")
                callee_frame = Frame(callee)
                callee_frame.registers[0] = receiver
                callee_frame.copy_arguments(registers, ops[pc + 4], 1, ops[pc + 5])
                registers[ops[pc + 1]] = run(callee, callee_frame)
                pc += 6
            elif op == AND:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].and_(registers[ops[pc + 3]])
                pc += 4
            elif op == OR:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].or_(registers[ops[pc + 3]])
                pc += 4
            elif op == XOR:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].xor(registers[ops[pc + 3]])
                pc += 4
            elif op == SHL:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].shl(registers[ops[pc + 3]])
                pc += 4
            elif op == SHR:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].shr(registers[ops[pc + 3]])
                pc += 4
            elif op == NEG:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].neg()
                pc += 3
            elif op == NOT:
                registers[ops[pc + 1]] = w_bool(not registers[ops[pc + 2]].is_true())
                pc += 3
            elif op == LEN:
                registers[ops[pc + 1]] = W_Int(registers[ops[pc + 2]].length())
                pc += 3
            elif op == APPEND:
                registers[ops[pc + 1]].append(registers[ops[pc + 2]])
                pc += 3
            elif op == NEWLIST:
                registers[ops[pc + 1]] = W_List([registers[ops[pc + 3]]] * registers[ops[pc + 2]].index())
                pc += 4
            elif op == NEWARRAY:
                registers[ops[pc + 1]] = W_Array(registers[ops[pc + 2]].index())
                pc += 3
            elif op == NEWOBJ:
                registers[ops[pc + 1]] = W_Object(code.classes[ops[pc + 2]])
                pc += 3
            elif op == ORD:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].ord_()
                pc += 3
            elif op == CHR:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].chr_()
                pc += 3
            elif op == TOSTR:
                registers[ops[pc + 1]] = W_Str(registers[ops[pc + 2]].display())
                pc += 3
            elif op == TOFLOAT:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].to_float()
                pc += 3
            elif op == TOINT:
                registers[ops[pc + 1]] = registers[ops[pc + 2]].to_int()
                pc += 3
            elif op == RAISE:
                raise GuestError(registers[ops[pc + 1]])
            elif op == CHECK:
                if not registers[ops[pc + 1]].is_true():
                    fail("check failed")
                pc += 2
            elif op == PRINT:
                print(registers[ops[pc + 1]].display())
                pc += 2
            else:
                raise AssertionError(f"unknown opcode {op}")
        except GuestError as error:
            handler = code.find_handler(pc)
            if handler is None:
                raise
            registers[handler.register] = error.w_value
            pc = handler.target


def get_object(w_value: W_Root) -> W_Object:
    """Check that a value is an object with fields."""
    if isinstance(w_value, W_Object):
        return w_value
    fail(f"a {w_value.type_name} has no fields or methods")


def name_of(code: Code, number: int) -> str:
    """Return the field or method name that is constant `number`."""
    w_name = code.constants[number]
    assert isinstance(w_name, W_Str)
    return w_name.value


def load(path: str) -> Program:
    """Read and assemble a program."""
    with open(path, encoding="utf-8") as file:
        return assemble(file.read())


def run_program(program: Program, *arguments: int) -> W_Root:
    """Run the program's `main` with int arguments; missing ones are none. Output goes to stdout."""
    code = program.functions["main"]
    frame = Frame(code)
    for number, argument in enumerate(arguments[: code.n_arguments]):
        frame.registers[number] = W_Int(argument)
    return run(code, frame)


def main(argv: Sequence[str]) -> int:
    """Run `argv[0]`, a program file, with the other arguments as ints."""
    if not argv:
        print("usage: python -m examples.registervm PROGRAM.rvm [NUMBER ...]", file=sys.stderr)
        return 2
    try:
        run_program(load(argv[0]), *[int(argument) for argument in argv[1:]])
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        return 2
    except AssemblyError as error:
        print(f"{argv[0]}: {error}", file=sys.stderr)
        return 2
    except GuestError as error:
        print(f"guest error: {error}", file=sys.stderr)
        return 1
    return 0
