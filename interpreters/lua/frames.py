"""Functions' code, frames, and how a call gets from one frame to the next.

Frames are objects linked by `parent`, so guest calls, coroutines and protected calls use no host stack. What continues
after a call is the instruction at which the caller's frame waits: it is given the results. What PUC Lua does in C
functions with continuations (`pcall`, `coroutine.resume`) are frames here whose code is one or two special instructions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua.errors import lua_error
from interpreters.lua.values import LuaFunction
from metatracer import promote, unroll_safe

if TYPE_CHECKING:
    from interpreters.lua.syntax import Variable

SWITCH = -(1 << 30)  # what an instruction returns when another frame goes on: `frame.next`
LEAVE = SWITCH - 1  # and when the machine's loop ends: with `frame.next` as its result
MAX_DEPTH = 199_990
DIRECT_DEPTH = 200  # frames with fewer below them call on the host's stack


class Slow(Exception):
    """A fused instruction met something out of the ordinary, before it had any effect: its plain form has to run."""


class Instruction:
    """One instruction.

    `execute` returns the number of the next instruction; its complement (which is negative) where that goes backwards;
    or SWITCH. `receive` is told the results of the call that the instruction made; it says where its frame goes on by
    setting `pc`.
    """

    _immutable_fields_ = ["pc", "next", "slow"]
    __slots__ = ("next", "pc", "slow")
    pc: int
    next: int
    slow: int
    what: tuple[bytes, bytes] | None = None

    def execute(self, frame: Frame) -> int:
        raise NotImplementedError

    def receive(self, frame: Frame, results: list[Any]) -> None:
        raise NotImplementedError

    def receive_one(self, frame: Frame, value: Any) -> None:
        self.receive(frame, [value])

    def link(self) -> None:
        """Replace labels by the numbers of instructions, when all are known."""


class Proto:
    """A function's code.

    Attributes:
        code: its instructions, `lines` their lines.
        size: how many registers it needs: the function itself, parameters, the list of extra arguments of a vararg
            function, then local variables and temporaries.
        fixed: how many parameters it has; -1 for a vararg function.
        tbc_register: where it keeps the list of registers to be closed; 0 for none.
        captures: for each upvalue whether it comes from the enclosing function's registers, and from which number.
        catches: whether an error that is on its way stops at a frame of it.
    """

    _immutable_fields_ = [
        "code[*]", "size", "n_parameters", "fixed", "is_vararg", "tbc_register", "captures[*]", "is_lua", "catches", "itself",
    ]  # fmt: skip
    __slots__ = (
        "captures",
        "catches",
        "chunk_name",
        "code",
        "environment_is_cell",
        "fixed",
        "is_lua",
        "is_vararg",
        "itself",
        "last_line",
        "line",
        "lines",
        "locals",
        "n_parameters",
        "name",
        "size",
        "source",
        "tbc_register",
        "upvalue_names",
    )  # fmt: skip

    def __init__(self, name: bytes, source: bytes, chunk_name: bytes) -> None:
        self.name = name
        self.source = source
        self.chunk_name = chunk_name
        self.code: list[Instruction] = []
        self.lines: list[int] = []
        self.size = 1
        self.n_parameters = 0
        self.fixed = -1
        self.is_vararg = False
        self.tbc_register = 0
        self.captures: list[tuple[bool, int]] = []
        self.upvalue_names: list[bytes] = []
        self.is_lua = True
        self.catches = False
        self.environment_is_cell = False  # of a chunk that assigns to _ENV
        self.itself: tuple[int, ...] = ()  # which upvalues are the function that is being made
        self.line = 0
        self.last_line = 0
        self.locals: list[tuple[Variable, int, int, int]] = []  # variable, register, first and last instruction


class Frame:
    """One call of a function.

    Attributes:
        registers: number 0 is the function.
        parent: who called; the results are for the instruction at which it waits. DIRECT: a call on the host's stack.
        pc: where it waits, or begins.
        next: the frame that goes on, when an instruction returned SWITCH; the result, when it returned LEAVE.
        depth: how many frames it stands on.
        is_tail: whether it took the place of its caller's frame.
    """

    _immutable_fields_ = ["registers", "proto"]
    __slots__ = ("depth", "is_tail", "next", "parent", "pc", "proto", "registers")

    def __init__(self, proto: Proto, registers: list[Any], parent: Any, depth: int) -> None:
        self.proto = proto
        self.registers = registers
        self.parent: Frame | Any = parent
        self.pc = 0
        self.next: Any = None
        self.depth = depth
        self.is_tail = False


class Direct:
    """Stands for the caller of a frame that was called on the host's stack: its results end the machine's loop.

    The caller is not told, because a caller that the callee knows would have to exist: in a trace it need not.
    """

    __slots__ = ()


DIRECT = Direct()


class Values:
    """The results of a call on the host's stack, when they are not exactly one."""

    _immutable_fields_ = ["items"]
    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items


NO_VALUES = Values([])


def stack_overflow() -> Exception:
    return lua_error(b"stack overflow")


@unroll_safe
def registers_for(function: LuaFunction, proto: Proto, arguments: list[Any]) -> list[Any]:
    """Make the registers of a call."""
    wanted = proto.n_parameters
    registers: list[Any] = [None] * proto.size
    registers[0] = function
    given = len(arguments)
    for number in range(wanted if wanted < given else given):
        registers[number + 1] = arguments[number]
    if proto.is_vararg:
        registers[wanted + 1] = arguments[wanted:] if wanted else arguments
    return registers


def frame_for(function: LuaFunction, arguments: list[Any], parent: Frame) -> Frame:
    """Make the frame of a call."""
    proto = promote(function.proto)
    depth = parent.depth + 1
    if depth > MAX_DEPTH:
        raise stack_overflow()
    return Frame(proto, registers_for(function, proto, arguments), parent, depth)


def deliver(frame: Frame, results: list[Any]) -> Frame:
    """Give results to the instruction at which a frame waits; the frame is ready to go on."""
    proto = promote(frame.proto)
    proto.code[promote(frame.pc)].receive(frame, results)
    return frame


def deliver_one(frame: Frame, value: Any) -> Frame:
    """Give one result to the instruction at which a frame waits."""
    proto = promote(frame.proto)
    proto.code[promote(frame.pc)].receive_one(frame, value)
    return frame
