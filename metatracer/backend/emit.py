"""Trace -> LLVM IR text: the frame that the emitters of single operations (`emit_*` modules) fill in.

A trace becomes one function::

    define tailcc ptr @trace(ptr %exit, ptr %a0, i64 %a1, ...)

`exit` is the descriptor of the guard exit the code is entered through (a bridge), else null; no code reads it. A guard's exit
takes and releases references as its `ExitPlan` says, stores its live values into the exit buffer, value n into its word n, and
tail-calls through the guard's *slot*: into a bridge, which takes its inputs from there, or into `leave`, which returns
the descriptor. So attaching a bridge is one store. Exits are more than half of a trace's code, and cold. So guards whose exits do
the same with the same values share them, and a function jumps through slots at one place only. Against exits of their own with
values in registers, code generation for 68 traces (a JSON parser in Lua) went from 2.4 to 0.8 s at level 0, from 11.6 to 6.9 s
at level 1.

A peeled loop becomes two functions: the preamble, which ends in a tail call, and the body (`@trace.loop`), whose
arguments are the label's parameters; other traces tail-call the body, too. Its own back edge is a branch within it.

Arguments of loops and labels that do not fit into registers are passed in the exit buffer, too. They are not passed on the
stack because LLVM (22) forgets them in a musttail call whose callee takes more stack than the caller, and a mere `tail`
is lost at level 0 when returns are merged. Nothing runs between the stores and the loads.

A *tree* (`Branch`) becomes one such pair of functions: where a guard has a branch, its exit goes on in the branch's
operations, with the values where they are, if the slot still holds the branch's own code; if not, through the slot.
A branch's jump to the label of the root is a branch to the loop's header.

Names in the text: ``%v7`` values, ``%t7`` temporaries, ``g7``/``x7`` the block behind guard 7 of the trace and its exit
(``g7b2`` for guard 7 of branch 2).
Addresses of objects, cells and C functions appear as ``inttoptr`` constants: the text is for this process only.
Blocks that are rarely run are collected in `Emitter.cold` and stand at the end of the function.
"""

from __future__ import annotations

import ctypes
import itertools
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metatracer.backend.counting import Counted, PassCounter, Passes, calls_nothing
from metatracer.backend.emit_exits import ExitCode, Exits, SecondLook
from metatracer.backend.layout import Layout, read_u32
from metatracer.backend.operands import LLVM_TYPES, pointer, register_positions
from metatracer.backend.refcounts import ExitPlan, RefcountPlan, Retain, Step, TakeApart, may_change_polled
from metatracer.backend.switches import cases
from metatracer.errors import IRError
from metatracer.ir.values import Const, Operation, Trace, Value

if TYPE_CHECKING:
    from metatracer.backend.annotate import Marks
    from metatracer.ir.opcodes import Opcode
    from metatracer.ir.values import LabelRef

_OFTEN = 100_000
"""Weight of the side of a guard that goes on, where nothing was counted."""

Emit = Callable[["Emitter", Operation], None]
EMITTERS: dict[str, Emit] = {}
"""The emitter of each operation, by name; filled by the `emit_*` modules."""


def emits(*opcodes: Opcode) -> Callable[[Emit], Emit]:
    """Register the decorated function as the emitter of `opcodes`."""

    def register(function: Emit) -> Emit:
        for opcode in opcodes:
            assert opcode.name not in EMITTERS
            EMITTERS[opcode.name] = function
        return function

    return register


_FIRST_SLOT = 5
"""Words of a `CodeMemory` in front of the slots: flag, passes, epoch of polling, label, heat."""


class CodeMemory:
    """The words outside the code that a trace uses: invalid flag, passes left, guard slots, failure counters, descriptors.

    All code made from a trace (its own, and that of the tree it is a branch of) shares them.

    Attributes:
        flag_address: Of the 64-bit word that is not 0 once the code is invalid.
        passes_address: Of the 64-bit word that is counted down (`backend.counting`).
        polled_address: Of the word that holds `Addresses.epoch` as it was when all polled words were as expected.
        label_cell: Address of the word that holds the address of the code behind the trace's label, if it has one.
        heat_address: Of the 64-bit word that counts down how often the code runs.
        objects: Everything the code's constants refer to, kept alive.
        exits: Of the guards, as far as they have been emitted.
        polled: The words that the trace's assumptions want looked at.
    """

    def __init__(self, guards: int, counted: bool, polled: Sequence[PolledWord] = ()) -> None:
        self._words = (ctypes.c_uint64 * (_FIRST_SLOT + guards * (3 if counted else 2)))()
        self.flag_address = ctypes.addressof(self._words)
        self.passes_address = self.flag_address + 8
        self.polled_address = self.flag_address + 16
        self.label_cell = self.flag_address + 24
        self.heat_address = self.flag_address + 32
        self._guards = guards
        self.objects: list[Any] = []
        self.exits: dict[Operation, GuardExit] = {}
        self.polled = polled

    @property
    def passes_left(self) -> int:
        """The word that is counted down."""
        return ctypes.c_int64.from_address(self.passes_address).value

    @passes_left.setter
    def passes_left(self, count: int) -> None:
        ctypes.c_int64.from_address(self.passes_address).value = count

    def slot_address(self, number: int) -> int:
        """Address of the slot of the trace's guard `number`."""
        return self.flag_address + 8 * (_FIRST_SLOT + 2 * number)

    def describe(self, number: int, descriptor: int) -> None:
        """Put the exit descriptor of the trace's guard `number` behind its slot."""
        self._words[_FIRST_SLOT + 2 * number + 1] = descriptor

    def counter_address(self, number: int) -> int:
        """Address of the execution counter of the trace's guard `number`."""
        return self.flag_address + 8 * (_FIRST_SLOT + 2 * self._guards + number)

    def descriptor(self, guard_id: int, kinds: str) -> int:
        """Address of a new exit descriptor: guard id, number of values (64 bits each), a byte per kind."""
        content = struct.pack("<qq", guard_id, len(kinds)) + kinds.encode("ascii")
        self.objects.append(content)
        return id(content) + 32  # bytes_data, the same in all supported versions


@dataclass(frozen=True, slots=True)
class PolledWord:
    """A word of `size` bytes that must equal the one in a cell, for an assumption to hold.

    `depends`: it may be read only if all words before it are as expected: its memory may be gone else.
    """

    address: int
    size: int
    cell: int
    depends: bool


@dataclass(slots=True)
class GuardExit:
    """An exit as compiled: the operation, its number in the trace, and the kinds of its live values."""

    op: Operation
    number: int
    kinds: str


@dataclass(slots=True)
class Branch:
    """A trace of a tree that is emitted as one function: the root, or a bridge where its guard's exit goes on.

    Attributes:
        trace, plan: What is emitted.
        memory: Of the code that was made from the trace alone. It has its exits already.
        address: Of that code: what the slot of the guard holds as long as the bridge may be taken. 0 for the root.
        count: How often it has run.
        branches: By the guard they hang on.
        counted: What of that code is counted (`counting`).
        origins: Guards of that code that guards of the trace stand for, where these are others.
    """

    trace: Trace
    plan: RefcountPlan
    memory: CodeMemory
    address: int = 0
    count: int = 0
    branches: dict[Operation, Branch] = field(default_factory=dict)
    counted: Counted = ""
    origins: dict[Operation, Operation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses of the support module that code refers to.

    `epoch` is the word that is counted up whenever the interpreter, or C code that may change what traces assume, has run:
    polled words need not be looked at again in the same epoch. `leaving` are the two words of `emit_exits`.
    """

    buffer: int
    epoch: int
    buffer_pointer: int
    leaving: int
    scratch: int
    finish: int
    finish_raise: int
    function: Callable[[str], int]


class Emitter:
    """Builds the text of one trace, or of one tree."""

    def __init__(
        self,
        root: Branch,
        layout: Layout,
        addresses: Addresses,
        next_guard_id: Callable[[], int],
        *,
        force_exits: int | None = None,
        marks: Marks | None = None,
        counts: bool = False,
        own_label: LabelRef | None = None,
        is_bridge: bool = False,
        takes_ahead: bool = False,
    ) -> None:
        """Prepare to emit.

        Args:
            root: The trace, with the branches that are to be part of its function.
            layout: Of this process.
            addresses: Of the support module.
            next_guard_id: Gives numbers for guards that have none yet.
            force_exits: See `compile.compile_trace`.
            marks: What ties the text to the operations, for people.
            counts: Count runs down in the trace's heat word, and leave at the guard that does it when that gets to 0.
            own_label: The label of the root, as bridges name it.
            is_bridge: The root is a bridge: its inputs are in the exit buffer.
            takes_ahead: A loop that calls nothing takes its passes ahead (`counting`).

        Attributes:
            put_off: The reference that the store in hand has to take.
        """
        self.marks = marks
        self._is_bridge = is_bridge
        self.layout = layout
        self.addresses = addresses
        self.counter = PassCounter(
            root.counted, pointer(root.memory.passes_address),
            ahead=takes_ahead and force_exits is None and not counts and calls_nothing(root),
        )  # fmt: skip
        self.own_label = own_label
        self.polling_functions: dict[str, str] = {}
        self.lines: list[str] = []
        self.cold: list[str] = []
        self._exits = Exits()
        self.current_block = "start"
        self._next_guard_id = next_guard_id
        self._force_exits = force_exits
        self._names: dict[Value, str] = {}
        self._temporaries = 0
        self._declarations: dict[str, None] = {}
        self._call_slots = 0
        self._result_slots = 0
        self._needs_overflow = False
        self._needs_thread = False
        self._needs_no_memory = False
        self._header: tuple[str, int, tuple[Value, ...], list[str]] | None = None
        self._edges: list[tuple[str, list[str]]] = []
        self._name = ""
        self._function_params: list[str] = []
        self._functions: list[str] = []
        self._weights: dict[tuple[int, ...], int] = {(_OFTEN, 1): 0}
        self._waiting: list[tuple[Branch, str, list[str], Passes]] = []
        self._branch_numbers = itertools.count(1)
        self._switched: dict[Operation, str] = {}  # guards whose branches are cases of a switch, and their suffixes
        self._counting = counting_guard(root.trace) if counts else None
        self.put_off: Retain | None = None
        self.has_label_function = False
        self._begin(root, "")

    def _begin(self, branch: Branch, suffix: str) -> None:
        """Go on with the operations of `branch`; `suffix` ends its names."""
        self.branch = branch
        self.trace = branch.trace
        self.plan = branch.plan
        self.memory = branch.memory
        self.suffix = suffix
        self._position = -1
        self._reached = branch.count

    # --- names and operands -------------------------------------------------------------------------------------------

    def temporary(self) -> str:
        """A new name for an intermediate value."""
        self._temporaries += 1
        return f"%t{self._temporaries}"

    def define(self, value: Value) -> str:
        """The name of the result of an operation that is being emitted."""
        name = f"%v{len(self._names)}"
        self._names[value] = name
        return name

    def alias(self, value: Value, operand: str) -> None:
        """Let `operand` stand for the result of an operation."""
        self._names[value] = operand

    def arg(self, value: Value) -> str:
        """The operand text of a value, without its type."""
        if isinstance(value, Const):
            return self._constant(value)
        return self._names[value]

    def typed(self, value: Value) -> str:
        """The operand text of a value, with its type."""
        return f"{LLVM_TYPES[value.kind]} {self.arg(value)}"

    def _constant(self, const: Const) -> str:
        if const.kind == "i":
            return str(const.value)
        if const.kind == "b":
            return "true" if const.value else "false"
        if const.kind == "f":
            return f"0x{struct.unpack('<Q', struct.pack('<d', const.value))[0]:016X}"
        return "null" if const.is_null else self.object(const.value)

    def object(self, value: Any) -> str:
        """The address of a Python object as an operand; the code keeps it alive."""
        self.memory.objects.append(value)
        return pointer(id(value))

    # --- lines and blocks ---------------------------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """Append an instruction to the current block."""
        self.lines.append("  " + text)

    def value(self, text: str) -> str:
        """Append an instruction with a result; return its new name."""
        name = self.temporary()
        self.lines.append(f"  {name} = {text}")
        return name

    def result(self, op: Operation, text: str) -> str:
        """Append the instruction that gives the result of `op`."""
        name = self.define(op)
        self.lines.append(f"  {name} = {text}")
        return name

    def new_label(self, stem: str) -> str:
        """A new name for a block."""
        self._temporaries += 1
        return f"{stem}{self._temporaries}"

    def block(self, name: str) -> None:
        """Start a block; the one before must have been ended."""
        self.lines.append(f"{name}:")
        self.current_block = name

    def declare(self, text: str) -> None:
        """Add a declaration of an LLVM intrinsic."""
        self._declarations[text] = None

    def field(self, base: str, offset: int) -> str:
        """The address `offset` bytes from a pointer."""
        return self.value(f"getelementptr i8, ptr {base}, i64 {offset}") if offset else base

    def load(self, llvm_type: str, base: str, offset: int = 0) -> str:
        """Load from `offset` bytes behind a pointer."""
        return self.value(f"load {llvm_type}, ptr {self.field(base, offset)}")

    def store(self, typed: str, base: str, offset: int = 0) -> None:
        """Store to `offset` bytes behind a pointer."""
        self.line(f"store {typed}, ptr {self.field(base, offset)}")

    def function(self, name: str) -> str:
        """The operand for calling a C function or a function of the support module."""
        return pointer(self.addresses.function(name))

    def call(self, result: str, name: str, args: str) -> str:
        """Call a C function by name; gives the result's name ("" for void)."""
        text = f"call {result} {self.function(name)}({args})"
        if result == "void":
            self.line(f"{text} ; {name}")
            return ""
        return self.value(f"{text} ; {name}")

    def allocated(self, operand: str) -> str:
        """The operand, a new object; without memory for it the process ends with a message (`support`)."""
        self.end_unless(self.value(f"icmp ne ptr {operand}, null"))
        return operand

    def end_unless(self, has_memory: str) -> None:
        """End the process with a message unless an allocation succeeded."""
        self._needs_no_memory = True
        go_on = self.new_label("y")
        self.likely(has_memory, go_on, "nomemory")
        self.block(go_on)

    def following(self, distance: int = 1) -> Operation | None:
        """The operation so many places behind the one in hand, or None."""
        position = self._position + distance
        operations = self.trace.operations
        return operations[position] if position < len(operations) else None

    def argument_slots(self, count: int) -> str:
        """An array for `count` call arguments with one more word in front of the place returned."""
        self._call_slots = max(self._call_slots, count + 1)
        return "%slots"

    def result_slots(self, count: int) -> str:
        """Words on the stack for the parts of a result."""
        self._result_slots = max(self._result_slots, count)
        return "%parts"

    def overflow_slot(self) -> str:
        """A 32-bit word on the stack."""
        self._needs_overflow = True
        return "%overflow"

    def thread(self) -> str:
        """The thread state."""
        self._needs_thread = True
        return "%thread"

    def likely(self, condition: str, then: str, otherwise: str, weights: tuple[int, int] = (_OFTEN, 1)) -> None:
        """End the block with a branch that is nearly always taken to `then`, or as often as the weights say."""
        number = self._weights.setdefault(weights, len(self._weights))
        self.line(f"br i1 {condition}, label %{then}, label %{otherwise}, !prof !{number}")

    # --- references ---------------------------------------------------------------------------------------------------

    def is_immortal(self, value: Value) -> bool:
        """Whether a constant's references need not be counted."""
        return (
            self.layout.has_immortal
            and isinstance(value, Const)
            and read_u32(id(value.value) + self.layout.ob_refcnt) >= 1 << 31
        )

    def instead_of_null(self, operand: str) -> str:
        """The operand, or if it is NULL, an object of class NULL whose reference count nobody looks at."""
        empty = self.value(f"icmp eq ptr {operand}, null")
        return self.value(f"select i1 {empty}, ptr {pointer(self.addresses.scratch)}, ptr {operand}")

    def retain(self, operand: str, *, nullable: bool = False) -> None:
        """Take a reference, without a branch."""
        if nullable:
            operand = self.instead_of_null(operand)
        if self.layout.has_immortal:
            self.declare("declare i32 @llvm.uadd.sat.i32(i32, i32)")
            count = self.load("i32", operand)
            more = self.value(f"call i32 @llvm.uadd.sat.i32(i32 {count}, i32 1)")
            self.store(f"i32 {more}", operand)
        else:
            count = self.load("i64", operand)
            more = self.value(f"add i64 {count}, 1")
            self.store(f"i64 {more}", operand)

    def release(self, operand: str, *, nullable: bool = False) -> None:
        """Give up a reference; the object is deallocated in place if it was the last."""
        done = self.new_label("r")
        if nullable:
            there = self.new_label("n")
            empty = self.value(f"icmp eq ptr {operand}, null")
            self.line(f"br i1 {empty}, label %{done}, label %{there}")
            self.block(there)
        word = "i64"
        if self.layout.has_immortal:
            word = "i32"
            mortal = self.new_label("m")
            count = self.load(word, operand)
            immortal = self.value(f"icmp slt {word} {count}, 0")
            self.line(f"br i1 {immortal}, label %{done}, label %{mortal}")
            self.block(mortal)
        else:
            count = self.load(word, operand)
        less = self.value(f"sub {word} {count}, 1")
        self.store(f"{word} {less}", operand)
        dead = self.value(f"icmp eq {word} {less}, 0")
        last = self.new_label("d")
        self.line(f"br i1 {dead}, label %{last}, label %{done}")
        self.cold += [
            f"{last}:",
            f"  call void {self.function('dealloc')}(ptr {operand}) ; dealloc",
            f"  br label %{done}",
        ]
        self.block(done)

    def begin_epoch(self) -> None:
        """Count `Addresses.epoch` up: code has run that may have changed what the polled words hold."""
        place = pointer(self.addresses.epoch)
        epoch = self.value(f"load i64, ptr {place}")
        self.line(f"store i64 {self.value(f'add i64 {epoch}, 1')}, ptr {place}")

    # --- guards -------------------------------------------------------------------------------------------------------

    def guard(self, op: Operation, holds: str, *, forcible: bool = True, second: SecondLook | None = None) -> None:
        """End the block: leave through the exit of `op` unless `holds` (an i1), or what is found at the second look does."""
        exit_plan = self.plan.exits[op]
        leaving = self.memory.exits.get(self.branch.origins.get(op, op))
        if leaving is None:
            kinds = "".join(value.kind for value in exit_plan.live)
            op.guard_id = self._next_guard_id()
            descriptor = self.memory.descriptor(op.guard_id, kinds)
            leaving = self.memory.exits[op] = GuardExit(op, len(self.memory.exits), kinds)
            self.memory.describe(leaving.number, descriptor)
        number = leaving.number
        is_forced = self._force_exits is not None and forcible and op.opcode.forcible
        if second is not None and (is_forced or op is self._counting):
            holds, second = self._look_twice(holds, second), None
        if is_forced:
            holds = self._count_execution(number, holds)
        if op is self._counting:
            holds = self._count_run(holds)
        go_on, out = f"g{number}{self.suffix}", f"x{number}{self.suffix}"
        branch = self.branch.branches.get(op)
        weights = self._branch_weights(branch)
        before = self.current_block
        self.likely(holds, go_on, out if second is None else second.label, weights)
        slot = pointer(self.memory.slot_address(number))
        if branch is not None:
            self._branch_off(branch, op, out, slot)
        else:
            self._leave(exit_plan, out, slot)
        self.block(go_on)
        if second is not None:
            self.cold += [f"{second.label}:", *second.lines, f"  br i1 {second.holds}, label %{go_on}, label %{out}"]
            self.line(second.merged(before))

    def _look_twice(self, holds: str, second: SecondLook) -> str:
        """The same before the guard: whether it holds at first or at second look."""
        done, before = self.new_label("u"), self.current_block
        self.likely(holds, done, second.label)
        self.cold += [f"{second.label}:", *second.lines, f"  br label %{done}"]
        self.block(done)
        self.line(second.merged(before))
        return self.value(f"phi i1 [true, %{before}], [{second.holds}, %{second.last}]")

    def _leave(self, exit_plan: ExitPlan, out: str, slot: str) -> None:
        """Let the exit `out` do what the plan says."""
        code = ExitCode(
            self.counter.owed,
            tuple([(self.arg(step.value), step.nullable) for step in exit_plan.retain]),
            tuple([self.typed(step.value) for step in exit_plan.release]),
            tuple([self.typed(value) for value in exit_plan.live]),
        )
        self._exits.add(code, out, slot, 0 if self.marks is None else self.marks.step)

    def _branch_weights(self, branch: Branch | None) -> tuple[int, int]:
        """How often the guard in hand holds, and how often it goes on in `branch`."""
        if branch is None:
            return _OFTEN, 1
        self._reached = max(self._reached - branch.count, branch.count >> 4)  # counts of other times may not fit
        shift = max(max(self._reached, branch.count).bit_length() - 31, 0)
        return max(self._reached >> shift, 1), max(branch.count >> shift, 1)

    def _branch_off(self, branch: Branch, op: Operation, out: str, slot: str) -> None:
        """The exit `out` of a guard with a branch: on in `branch` if the slot says so, else out through the slot.

        A bridge that has been detached (its assumptions broke) is not entered any more.
        """
        exit_plan = self.plan.exits[op]
        if exit_plan.branch is not None:
            self._branch_off_with_more(branch, exit_plan, out, slot)
            return
        main, block, self.lines = self.lines, self.current_block, self.cold
        self.block(out)
        for step in exit_plan.retain:
            self.retain(self.arg(step.value), nullable=step.nullable)
        for released in exit_plan.release:
            self.release(self.arg(released.value), nullable=released.nullable)
        suffix = self._switched.pop(op, None)
        if suffix is None:
            suffix = f"b{next(self._branch_numbers)}"
            self._switch(op)
        self._enter_if_attached(branch, slot, f"in{suffix}", f"out{suffix}")
        self._waiting.append((branch, suffix, [self.arg(value) for value in exit_plan.live], self.counter.passes))
        self.lines, self.current_block = main, block
        self._leave(ExitPlan(exit_plan.live, (), ()), f"out{suffix}", slot)

    def _branch_off_with_more(self, branch: Branch, exit_plan: ExitPlan, out: str, slot: str) -> None:
        """The same for a branch that is given more values than the exit hands over: the way out does otherwise."""
        more = exit_plan.branch
        assert more is not None
        main, block, self.lines = self.lines, self.current_block, self.cold
        suffix = f"b{next(self._branch_numbers)}"
        self.block(out)
        self._enter_if_attached(branch, slot, f"to{suffix}", f"out{suffix}")
        self.block(f"to{suffix}")
        for step in more.retain:
            self.retain(self.arg(step.value), nullable=step.nullable)
        for released in more.release:
            self.release(self.arg(released.value), nullable=released.nullable)
        self.line(f"br label %in{suffix}")
        self._waiting.append((branch, suffix, [self.arg(value) for value in more.live], self.counter.passes))
        self.lines, self.current_block = main, block
        self._leave(exit_plan, f"out{suffix}", slot)

    def _enter_if_attached(self, branch: Branch, slot: str, then: str, otherwise: str) -> None:
        target = self.value(f"load volatile ptr, ptr {slot}")
        self.likely(self.value(f"icmp eq ptr {target}, {pointer(branch.address)}"), then, otherwise)

    def _switch(self, op: Operation) -> None:
        """Where the guard in hand has failed: to the branch for the value that it met; see `switches`."""
        found = cases(self.branch, op)
        if not found:
            return
        operand = self.arg(op.args[0])
        if op.opcode.name == "guard_type":
            operand = self.load("ptr", operand, self.layout.ob_type)
        if op.opcode.name != "guard_int_value":
            operand = self.value(f"ptrtoint ptr {operand} to i64")
        chain = self.new_label("chain")
        labels = [self.new_label("case") for _ in found]
        counts = [max(self.branch.branches[op].count - sum(case.times for case in found), 1), *[case.times for case in found]]
        shift = max(max(counts).bit_length() - 31, 0)
        weights = self._weights.setdefault(tuple([max(count >> shift, 1) for count in counts]), len(self._weights))
        ways = " ".join([f"i64 {case.number}, label %{label}" for case, label in zip(found, labels, strict=True)])
        self.line(f"switch i64 {operand}, label %{chain} [{ways}], !prof !{weights}")
        for case, label in zip(found, labels, strict=True):
            suffix = self._switched[case.guard] = f"b{next(self._branch_numbers)}"
            self.block(label)
            slot = pointer(case.parent.memory.slot_address(case.parent.memory.exits[case.guard].number))
            self._enter_if_attached(case.branch, slot, f"in{suffix}", chain)
        self.block(chain)

    def tail_call(self, target: str, descriptor: str, values: tuple[Value, ...]) -> None:
        """Leave the function into other trace code."""
        args = [f"ptr {descriptor}"]
        in_registers = register_positions("".join(value.kind for value in values))
        for position, value in enumerate(values):
            if position in in_registers:
                args.append(self.typed(value))
            else:
                self.store_word(value, pointer(self.addresses.buffer + 8 * position))
        outcome = self.value(f"musttail call tailcc ptr {target}({', '.join(args)})")
        self.line(f"ret ptr {outcome}")

    def leave_loop(self) -> None:
        """The operations end here without a jump back to the header: settle what was counted in registers."""
        self.counter.settle(self, self.counter.passes)

    def store_word(self, value: Value, place: str) -> None:
        """Store a value of any kind into a word of the exit buffer."""
        self.store_operand(self.typed(value), place)

    def store_operand(self, typed: str, place: str) -> None:
        """The same for an operand with its type."""
        word = f"i64 {self.value(f'zext {typed} to i64')}" if typed.startswith("i1 ") else typed
        self.line(f"store {word}, ptr {place}")

    def _receive(self, values: tuple[Value, ...], *, in_buffer: bool = False) -> tuple[list[str], list[str]]:
        """Parameters of a function that takes `values`, and their operands; loads those that are in the buffer."""
        params, operands = [], []
        in_registers = frozenset() if in_buffer else register_positions("".join(value.kind for value in values))
        for position, value in enumerate(values):
            if position in in_registers:
                operands.append(f"%a{position}")
                params.append(f"{LLVM_TYPES[value.kind]} %a{position}")
                continue
            place = pointer(self.addresses.buffer + 8 * position)
            if value.kind == "b":
                operands.append(self.value(f"trunc i64 {self.value(f'load i64, ptr {place}')} to i1"))
            else:
                operands.append(self.value(f"load {LLVM_TYPES[value.kind]}, ptr {place}"))
        return params, operands

    def _count_run(self, holds: str) -> str:
        heat = pointer(self.memory.heat_address)
        left = self.value(f"sub i64 {self.load('i64', heat)}, 1")
        self.store(f"i64 {left}", heat)
        return self.value(f"and i1 {holds}, {self.value(f'icmp ne i64 {left}, 0')}")

    def _count_execution(self, number: int, holds: str) -> str:
        counter = pointer(self.memory.counter_address(number))
        count = self.load("i64", counter)
        more = self.value(f"add i64 {count}, 1")
        self.store(f"i64 {more}", counter)
        spared = self.value(f"icmp ne i64 {more}, {self._force_exits}")
        return self.value(f"and i1 {holds}, {spared}")

    # --- loops --------------------------------------------------------------------------------------------------------

    def label(self, op: Operation) -> None:
        """The loop's label: behind a preamble a function of its own starts here."""
        if op is self.trace.operations[0]:
            self.open_loop(op.params, [self.arg(arg) for arg in op.args])
            return
        name = self._label_function
        self.has_label_function = True
        self.tail_call(f"@{name}", "null", op.args)
        self._end_function(self._name)
        self._name = name
        self._function_params, operands = self._receive(op.params)
        self.open_loop(op.params, operands)

    @property
    def _label_function(self) -> str:
        return self._name.removesuffix(".loop") + ".loop"

    def jump_to_own_label(self, args: tuple[Value, ...]) -> None:
        """Go from a branch to the root's label."""
        if self._header is not None:
            self.close_loop(args)
        else:  # from the preamble
            self.tail_call(f"@{self._label_function}", "null", args)

    def _end_function(self, name: str) -> None:
        """Put the function built so far away, with the branches that wait, and be ready for another one."""
        outer = self.branch, self.suffix, self._position, self._reached
        while self._waiting:
            branch, suffix, operands, passes = self._waiting.pop()
            self._begin(branch, suffix)
            self.block(f"in{suffix}")
            for value, operand in zip(branch.trace.inputs, operands, strict=True):
                self._names[value] = operand
            self.counter.enter_branch(self, branch.counted, pointer(branch.memory.passes_address), passes)
            self._emit_steps()
        self.counter.end_branches()
        self._begin(*outer[:2])
        _, _, self._position, self._reached = outer
        self._exits.emit(self)
        self._fill_header()
        params = "".join(", " + param for param in self._function_params)
        mark = "" if self.marks is None else self.marks.end_function(name, self.lines, self.cold)
        head = [f"define tailcc ptr @{name}(ptr %exit{params}) nounwind{mark} {{", "entry:"]
        if self._call_slots:
            head.append(f"  %frame = alloca [{self._call_slots} x ptr]")
            head.append("  %slots = getelementptr ptr, ptr %frame, i64 1")
        if self._result_slots:
            head.append(f"  %parts = alloca [{self._result_slots} x i64]")
        if self._needs_overflow:
            head.append("  %overflow = alloca i32")
        if self._needs_thread:
            head.append(f"  %thread = call ptr {self.function('PyThreadState_Get')}() ; PyThreadState_Get")
        head += ["  br label %start", "start:"]
        if self._needs_no_memory:
            function = self.function("no_memory")
            self.cold += ["nomemory:", f"  call void {function}() noreturn ; no_memory", "  unreachable"]
        self._functions.append("\n".join([*head, *self.lines, *self.cold, "}"]))
        self.lines, self.cold = [], []
        self.current_block = "start"
        self._call_slots = self._result_slots = 0
        self._needs_overflow = self._needs_thread = self._needs_no_memory = False

    def open_loop(self, params: tuple[Value, ...], operands: list[str]) -> None:
        """Start the loop header: `params` become phis of `operands` and of what the jumps will give."""
        assert self._header is None
        before = self.current_block
        self.counter.before_loop(self)
        self.line("br label %loop")
        self.block("loop")
        self._header = (before, len(self.lines), params, operands)
        for param in params:
            self.define(param)
            self.lines.append("")  # the phi, filled in at the end of the function
        self.counter.open_loop(self)

    def close_loop(self, args: tuple[Value, ...]) -> None:
        """Jump back to the loop header."""
        if self._header is None:
            raise IRError(f"trace {self.trace.name}: a jump without a target needs a loop label")
        params = self._header[2]
        if len(args) != len(params):
            raise IRError(f"trace {self.trace.name}: the jump has {len(args)} arguments, the label {len(params)}")
        self._edges.append((self.current_block, [self.arg(arg) for arg in args]))
        self.counter.close_loop(self)
        self.line("br label %loop")

    def _fill_header(self) -> None:
        """Give the phis of the loop header all that come there."""
        if self._header is None:
            return
        before, start, params, operands = self._header
        edges = [(before, operands), *self._edges]
        for number, param in enumerate(params):
            incoming = ", ".join([f"[{args[number]}, %{block}]" for block, args in edges])
            self.lines[start + number] = f"  {self.arg(param)} = phi {LLVM_TYPES[param.kind]} {incoming}"
        self.counter.fill_header(self)
        self._header = None
        self._edges = []

    # --- the whole ----------------------------------------------------------------------------------------------------

    def emit(self, name: str) -> str:
        """Return the module's text: the function named `name`, and behind a preamble `name.loop`."""
        self._name = name
        operations = self.trace.operations
        loops_to_start = (
            operations[-1].opcode.name == "jump" and operations[-1].descr is None and self.trace.label is None
        )
        self._function_params, operands = self._receive(self.trace.inputs, in_buffer=self._is_bridge)
        self.counter.enter(self)
        if loops_to_start:
            self.open_loop(self.trace.inputs, operands)
        else:
            for value, operand in zip(self.trace.inputs, operands, strict=True):
                self._names[value] = operand
        self._emit_steps()
        self._end_function(self._name)
        metadata = [
            f'!{number} = !{{!"branch_weights", {", ".join([f"i32 {weight}" for weight in weights])}}}'
            for weights, number in self._weights.items()
        ]
        return "\n".join([*self._declarations, *self._functions, *self.polling_functions.values(), *metadata, ""])

    def _take_apart(self, step: TakeApart) -> None:
        """Where others have the tuple, too, the items are retained."""
        operand = self.arg(step.value)
        word = "i32" if self.layout.has_immortal else "i64"
        count = self.load(word, operand)
        alone, shared, done = self.new_label("a"), self.new_label("s"), self.new_label("p")
        less = self.value(f"sub {word} {count}, 1")
        if self.layout.has_immortal:
            less = self.value(f"select i1 {self.value(f'icmp slt {word} {count}, 0')}, {word} {count}, {word} {less}")
        self.line(f"br i1 {self.value(f'icmp eq {word} {count}, 1')}, label %{alone}, label %{shared}")
        main, self.lines = self.lines, self.cold
        self.block(shared)
        for _, item in step.items:
            self.retain(self.arg(item))
        self.store(f"{word} {less}", operand)
        self.line(f"br label %{done}")
        self.lines = main
        self.block(alone)
        function = self.function(f"untuple_{'_'.join([str(index) for index, _ in step.items])}")
        self.line(f"call void {function}(ptr {operand}) ; take apart")
        self.line(f"br label %{done}")
        self.block(done)

    def _emit_steps(self) -> None:
        """Emit the operations of the branch in hand."""
        marks = self.marks
        following: list[Step | None] = [*self.plan.steps[1:], None]
        for step, after in zip(self.plan.steps, following, strict=True):
            if marks is not None:
                marks.begin(step, self.lines, self.cold)
            if isinstance(step, Operation):
                self._position += 1
                EMITTERS[step.opcode.name](self, step)
                if may_change_polled(step):
                    self.begin_epoch()
            elif not self.is_immortal(step.value):
                if isinstance(step, Retain) and _is_for_item(step, after):
                    self.put_off = step
                elif isinstance(step, Retain):
                    self.retain(self.arg(step.value), nullable=step.nullable)
                elif isinstance(step, TakeApart):
                    self._take_apart(step)
                else:
                    self.release(self.arg(step.value), nullable=step.nullable)


def _is_for_item(step: Retain, after: Step | None) -> bool:
    """Whether a reference is taken for the store of a list item behind it."""
    return isinstance(after, Operation) and after.opcode.name == "list_setitem" and after.args[2] is step.value


def counting_guard(trace: Trace) -> Operation | None:
    """The guard at which runs of a trace are counted: the first in each iteration that may fail at any time."""
    found = None
    for op in trace.operations:
        if op.opcode.name == "label":
            found = None
        elif found is None and op.opcode.name in ("guard_no_attention", "guard_not_invalidated"):
            found = op
    return found
