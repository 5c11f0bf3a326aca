"""Operations of the register machine and the form of a function's code.

An instruction is its opcode followed by its operands, all ints in one tuple. What each operand means is in `FORMATS`,
one letter each: ``w`` a register that is written, ``r`` one that is read, ``k`` a constant's number, ``f`` a callee's
number, ``c`` a class's number, ``s`` a field or method name's number among the constants, ``t`` a jump target, ``n`` a
count; ``r`` before ``n`` is the first of a run of argument registers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer import elidable

if TYPE_CHECKING:
    from examples.registervm.objects import W_Class, W_Root

(
    MOVE, LOADK, ADD, SUB, MUL, MOD, FLOORDIV, DIV, LT, LE, GT, GE, EQ, NE, JUMP, JTRUE, JFALSE, GETITEM, SETITEM,
    CALL, RETURN, GETFIELD, SETFIELD, CALLMETHOD, AND, OR, XOR, SHL, SHR, NEG, NOT, LEN, APPEND, NEWLIST, NEWARRAY,
    NEWOBJ, ORD, CHR, TOSTR, TOFLOAT, TOINT, RAISE, CHECK, PRINT,
) = range(44)  # fmt: skip

FORMATS: dict[str, tuple[int, str]] = {
    "move": (MOVE, "wr"),
    "loadk": (LOADK, "wk"),
    "add": (ADD, "wrr"),
    "sub": (SUB, "wrr"),
    "mul": (MUL, "wrr"),
    "mod": (MOD, "wrr"),
    "floordiv": (FLOORDIV, "wrr"),
    "div": (DIV, "wrr"),
    "lt": (LT, "wrr"),
    "le": (LE, "wrr"),
    "gt": (GT, "wrr"),
    "ge": (GE, "wrr"),
    "eq": (EQ, "wrr"),
    "ne": (NE, "wrr"),
    "jump": (JUMP, "t"),
    "jtrue": (JTRUE, "rt"),
    "jfalse": (JFALSE, "rt"),
    "getitem": (GETITEM, "wrr"),
    "setitem": (SETITEM, "rrr"),
    "call": (CALL, "wfrn"),
    "return": (RETURN, "r"),
    "getfield": (GETFIELD, "wrs"),
    "setfield": (SETFIELD, "rsr"),
    "callmethod": (CALLMETHOD, "wrsrn"),
    "and": (AND, "wrr"),
    "or": (OR, "wrr"),
    "xor": (XOR, "wrr"),
    "shl": (SHL, "wrr"),
    "shr": (SHR, "wrr"),
    "neg": (NEG, "wr"),
    "not": (NOT, "wr"),
    "len": (LEN, "wr"),
    "append": (APPEND, "rr"),
    "newlist": (NEWLIST, "wrr"),
    "newarray": (NEWARRAY, "wr"),
    "newobj": (NEWOBJ, "wc"),
    "ord": (ORD, "wr"),
    "chr": (CHR, "wr"),
    "tostr": (TOSTR, "wr"),
    "tofloat": (TOFLOAT, "wr"),
    "toint": (TOINT, "wr"),
    "raise": (RAISE, "r"),
    "check": (CHECK, "r"),
    "print": (PRINT, "r"),
}


class Handler:
    """Guest errors raised in `start <= pc < end` go to `target`, with the value in `register`."""

    _immutable_fields_ = ["start", "end", "target", "register"]
    __slots__ = ("end", "register", "start", "target")

    def __init__(self, start: int, end: int, target: int, register: int) -> None:
        self.start = start
        self.end = end
        self.target = target
        self.register = register


class Code:
    """A function of the guest program; not changed once the assembler has linked it."""

    _immutable_fields_ = [
        "name",
        "ops",
        "constants[*]",
        "callees[*]",
        "classes[*]",
        "handlers[*]",
        "n_arguments",
        "n_registers",
    ]
    __slots__ = ("callees", "classes", "constants", "handlers", "n_arguments", "n_registers", "name", "ops")

    def __init__(self, name: str, n_arguments: int) -> None:
        self.name = name
        self.n_arguments = n_arguments
        self.n_registers = 0
        self.ops: tuple[int, ...] = ()
        self.constants: list[W_Root] = []
        self.callees: list[Code] = []
        self.classes: list[W_Class] = []
        self.handlers: list[Handler] = []

    @elidable
    def find_handler(self, pc: int) -> Handler | None:
        """Return the innermost handler around `pc`, or None."""
        for handler in self.handlers:
            if handler.start <= pc < handler.end:
                return handler
        return None
