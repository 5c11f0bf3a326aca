"""Traces to machine code: `compile_trace`, guard slots, loop cells, invalidation, freeing.

Guard ids are numbered through the process from 1; 0 and -1 in exit tuples are the two ways to finish (`support`).
All functions here are to be called with the GIL held, as ordinary Python code is.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metatracer.backend import (
    annotate,
    emit_boxes,
    emit_buffers,
    emit_calls,
    emit_control,
    emit_floats,
    emit_generators,
    emit_heap,
    emit_integers,
    llvm,
    support,
)
from metatracer.backend.counting import PLENTY, Counted
from metatracer.backend.emit import EMITTERS, Branch, CodeMemory, Emitter, PolledWord
from metatracer.backend.layout import layout, read_word, write_word
from metatracer.backend.refcounts import plan_refcounts
from metatracer.backend.reuse import fuse_stores
from metatracer.ir.values import LoopRef, Operation, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.ir.values import LabelRef, Value

__all__ = [
    "CompiledCode", "TreeCode", "TreeText", "allocate_cell", "branch_of", "compile_trace", "emit_tree", "free_cell",
    "link_tree", "set_cell", "set_exit_handler",
]  # fmt: skip

EMITTER_MODULES = (
    emit_boxes, emit_buffers, emit_calls, emit_control, emit_floats, emit_generators, emit_heap, emit_integers,
)  # fmt: skip
"""The modules whose import fills `EMITTERS`."""
assert EMITTERS

set_exit_handler = support.set_exit_handler

_WORD_MASK = (1 << 64) - 1
_guard_ids = itertools.count(1)
_trace_numbers = itertools.count(1)


class CompiledCode:
    """The machine code of one trace.

    Attributes:
        name: The trace's, for people and profilers.
        address: Of the code: what loop cells and guard slots hold.
        label_address: Of the loop behind its preamble; 0 when there is no preamble.
        label_cell: Address of the cell through which jumps with a `LabelRef` reach it.
        enter: Builtin function that takes a list of the input values (consuming its references: the list is empty
            afterwards), runs the code and gives the exit tuple: ``(guard_id, exception or None, value...)`` for a
            guard exit, ``(0, None, result)`` for a finish, ``(-1, exception)`` for an exception that leaves the portal.
            None when an input is not a reference (bridges).
        guards: Guard operations by their ids.
        ir_text: LLVM text as emitted.
        marks: What the lines of the text come from, if that was to be kept (`annotate.marking`).
        size_bytes: Of the machine code.
        seconds: Compile time by phase: refcounts, emit, parse, passes, codegen, link.
        level: The compile level.
        bridges: Attached code by guard id.
        is_bridge: It takes its inputs from the exit buffer.
        counted: What of it is counted (`backend.counting`).
        memory: The words that it shares with the code of its tree; None when it has been freed.
    """

    def __init__(
        self,
        trace: Trace,
        level: int,
        machine: llvm.Machine,
        memory: CodeMemory,
        ir_text: str,
        symbol: str,
        seconds: dict[str, float],
        heat: int = 0,
        *,
        counted: Counted = "",
        is_bridge: bool,
    ) -> None:
        self.name = trace.name
        self.level = level
        self.address = machine.addresses[symbol]
        self.label_address = machine.addresses.get(f"{symbol}.loop", 0)
        self.label_cell = memory.label_cell if self.label_address else 0
        self.guards: dict[int, Operation] = {op.guard_id: op for op in memory.exits}
        self.bridges: dict[int, CompiledCode] = {}
        self.ir_text = ir_text
        self.marks: annotate.Marks | None = None
        self.size_bytes = machine.size_bytes
        self.seconds = seconds
        self._machine: llvm.Machine | None = machine
        self.memory: CodeMemory | None = memory
        self._heat = heat
        self.counted = counted
        self.is_bridge = is_bridge
        self._flag = memory.flag_address
        memory.passes_left = PLENTY
        self._slots: dict[int, int] = {}
        leave = support.function_address("leave")
        write_word(memory.heat_address, heat)
        write_word(memory.label_cell, self.label_address)
        for item in memory.exits.values():
            slot = memory.slot_address(item.number)
            write_word(slot, leave)
            self._slots[item.op.guard_id] = slot
        self._entry: support.EntryPoint | None = None
        self.enter: Callable[[list[Any]], tuple[Any, ...]] | None = None
        if not is_bridge and all(value.kind == "r" for value in trace.inputs):
            self._entry = support.EntryPoint(self.address, len(trace.inputs))
            self.enter = self._entry.enter

    def attach(self, guard_id: int, bridge: CompiledCode) -> None:
        """Let failures of the guard go on in `bridge`, whose inputs are the guard's live values.

        Raises:
            ValueError: The code was not compiled as a bridge: it would look for its inputs elsewhere.
        """
        self._require_live()
        if not bridge.is_bridge:
            raise ValueError(f"{bridge.name} was not compiled as a bridge")
        write_word(self._slots[guard_id], bridge.address)
        self.bridges[guard_id] = bridge

    def reroute(self, guard_id: int, code: TreeCode) -> None:
        """Let failures of a guard with a bridge go on in other code made from the bridge's trace."""
        self._require_live()
        write_word(self._slots[guard_id], code.address)

    def redirect(self, tree: TreeCode | None) -> None:
        """Let entries from Python, and jumps to the label, run the tree's code, or (None) this one."""
        self._require_live()
        assert self.memory is not None
        if self._entry is not None:
            self._entry.redirect(self.address if tree is None else tree.address)
        write_word(self.memory.label_cell, self.label_address if tree is None else tree.label_address)

    @property
    def runs(self) -> int:
        """How often it has run since its heat was set, if that is counted."""
        memory, heat = self.memory, self._heat
        if memory is None or not heat:
            return 0
        return (heat - read_word(memory.heat_address)) & _WORD_MASK

    @property
    def is_hot(self) -> bool:
        """Whether it has run as often as its heat says."""
        return 0 < self._heat <= self.runs

    def set_heat(self, runs: int) -> None:
        """Count from nothing again, until it has run so often (0: do not ask)."""
        memory, self._heat = self.memory, runs
        if memory is not None:
            write_word(memory.heat_address, runs)

    def detach(self, guard_id: int) -> None:
        """Let failures of the guard exit again."""
        self._require_live()
        write_word(self._slots[guard_id], support.function_address("leave"))
        self.bridges.pop(guard_id, None)

    def invalidate(self) -> None:
        """Make `guard_not_invalidated` fail from now on."""
        self._require_live()
        write_word(self._flag, 1)

    @property
    def passes_left(self) -> int:
        """How many passes are left of those that were last given by `give_passes` (or of `PLENTY`); may be negative.

        Code that was freed has `PLENTY`.
        """
        memory = self.memory  # which another thread may let go of meanwhile
        return PLENTY if memory is None else memory.passes_left

    def give_passes(self, count: int) -> None:
        """Let counted code run for so many passes; a header is left when there are none."""
        memory = self.memory
        if memory is not None:
            memory.passes_left = count

    @property
    def is_invalid(self) -> bool:
        """Whether `invalidate` was called."""
        return self.memory is not None and read_word(self._flag) != 0

    @property
    def is_freed(self) -> bool:
        """Whether `free` was called."""
        return self._machine is None

    @property
    def llvm_text(self) -> str:
        """The LLVM text behind the passes of this level."""
        return llvm.optimized_text(self.ir_text, self.level)

    def assembly(self) -> str:
        """The machine code as assembly text."""
        return llvm.assembly(self.ir_text, self.level)

    def free(self) -> None:
        """Unmap the code and let go of the objects it refers to.

        No thread may be in the code, and no cell, slot or jump of live code may lead to it.
        """
        machine, self._machine = self._machine, None
        if machine is None:
            return
        if self._entry is not None:
            self._entry.close()
        self.bridges.clear()
        machine.free()
        self.memory = None

    def _require_live(self) -> None:
        if self._machine is None:
            raise ValueError(f"{self.name} has been freed")


class TreeCode:
    """The machine code of a tree: a root and some of its bridges as one function.

    It leaves through the slots of the traces' own code, with their guard numbers. So bridges that come later attach to
    both, and what is known of a guard stays known. What the traces' own code refers to is kept for as long as it lives.

    Attributes:
        name: The root's, for people and profilers.
        address: Of the code.
        label_address: Of the loop behind its preamble; 0 when there is no preamble.
        ir_text: LLVM text as emitted.
        size_bytes: Of the machine code.
        seconds: Compile time by phase.
        level: The compile level.
    """

    def __init__(self, tree: TreeText, machine: llvm.Machine) -> None:
        self.name = f"{tree.root.trace.name}_tree"
        self.level = tree.level
        self.address = machine.addresses[tree.symbols[0]]
        self.label_address = machine.addresses.get(f"{tree.symbols[0]}.loop", 0)
        self.ir_text = tree.text
        self.size_bytes = machine.size_bytes
        self.seconds = {"emit": tree.seconds, **machine.seconds}
        self._machine: llvm.Machine | None = machine
        self._memories = _memories(tree.root)

    @property
    def is_freed(self) -> bool:
        """Whether `free` was called."""
        return self._machine is None

    def free(self) -> None:
        """Unmap the code and let go of the objects it refers to; see `CompiledCode.free`."""
        machine, self._machine = self._machine, None
        if machine is not None:
            machine.free()
            self._memories = []


def _memories(root: Branch) -> list[CodeMemory]:
    """The words of a tree's traces, which hold what the code refers to."""
    found = [root.memory]
    for branch in root.branches.values():
        found += _memories(branch)
    return found


def compile_trace(
    trace: Trace,
    *,
    level: int = 0,
    force_exits: int | None = None,
    counted: Counted = "",
    heat: int = 0,
    is_bridge: bool = False,
) -> CompiledCode:
    """Compile a trace.

    Sets `guard_id` of its guards.

    Args:
        trace: Valid IR; may be a loop, a bridge, or end by finishing.
        level: One of `llvm.LEVELS`.
        is_bridge: It is entered from a guard's exit only, which leaves its inputs in the exit buffer.
        force_exits: Build in that every guard that may fail at will does so at its `force_exits`-th execution.
        counted: What of the code is counted (`backend.counting`).
        heat: Count how often it runs, and leave at a `counting_guard` when it has run so often; 0: do not count.

    Raises:
        IRError: The trace is malformed.
        LayoutError: Native code is not possible in this process.
    """
    start = time.perf_counter()
    trace = fuse_stores(trace)
    plan = plan_refcounts(trace)
    planned = time.perf_counter()
    memory = CodeMemory(len(plan.exits), force_exits is not None, _polled_words(trace))
    memory.objects.extend(trace.assumptions)
    for op in trace.operations:
        if isinstance(op.descr, LoopRef) and not op.descr.cell:
            op.descr.cell = allocate_cell()
    emitter = Emitter(
        Branch(trace, plan, memory, counted=counted),
        layout(),
        support.addresses(),
        _guard_ids.__next__,
        force_exits=force_exits,
        marks=annotate.Marks(trace) if annotate.marking else None,
        counts=heat > 0,
        is_bridge=is_bridge,
        takes_ahead=level > 0,
    )
    symbol = f"trace{next(_trace_numbers)}"
    text = emitter.emit(symbol)
    if emitter.marks is not None:
        text = emitter.marks.finish(text)
        _name_addresses(emitter)
    emitted = time.perf_counter()
    support.require_buffer(max((len(item.kinds) for item in memory.exits.values()), default=0))
    machine = llvm.compile_text(text, _symbols(emitter, symbol), level=level)
    seconds = {"refcounts": planned - start, "emit": emitted - planned, **machine.seconds}
    code = CompiledCode(trace, level, machine, memory, text, symbol, seconds, heat, counted=counted, is_bridge=is_bridge)
    code.marks = emitter.marks
    if os.environ.get("METATRACER_PERF"):
        _write_perf_map(code)
    return code


@dataclass(frozen=True, slots=True)
class TreeText:
    """A tree as LLVM text; `link_tree` makes code of it, on any thread.

    Attributes:
        root: What it was emitted from.
        text: Of the module.
        symbols: The functions in it that are entered, the tree itself first.
        level: One of `llvm.LEVELS`.
        seconds: What emitting took.
    """

    root: Branch
    text: str
    symbols: tuple[str, ...]
    level: int
    seconds: float


def branch_of(
    trace: Trace,
    code: CompiledCode,
    count: int = 0,
    branches: dict[Operation, Branch] | None = None,
    origins: dict[Operation, Operation] | None = None,
    extras: dict[Operation, tuple[Value, ...]] | None = None,
) -> Branch:
    """The part of a tree that a compiled trace becomes.

    Args:
        trace: What the code was made from, or what that has become for the tree (`optimizer.trees`).
        code: Not freed.
        count: How often it has run.
        branches: The bridges below it, by guard.
        origins: For another trace, which guard of the code's each guard stands for.
        extras: What guards give to their branches beside the values of their exits.
    """
    assert code.memory is not None
    extras = extras or {}
    trace = fuse_stores(trace, itertools.chain.from_iterable(extras.values()))
    plan = plan_refcounts(trace, extras)
    return Branch(trace, plan, code.memory, code.address, count, branches or {}, code.counted, origins or {})


def emit_tree(
    root: Branch,
    *,
    level: int = 2,
    force_exits: int | None = None,
    own_label: LabelRef | None = None,
    is_bridge: bool = False,
) -> TreeText:
    """Emit a root and bridges below it as one function.

    Args:
        root: Of code made by `compile_trace`, and so are its branches.
        level: One of `llvm.LEVELS`.
        force_exits: The value that the code of its traces was made with.
        own_label: The root's label, as jumps of the bridges name it.
        is_bridge: The root is a bridge itself, of a tree that is not one function.
    """
    start = time.perf_counter()
    emitter = Emitter(
        root,
        layout(),
        support.addresses(),
        _guard_ids.__next__,
        force_exits=force_exits,
        own_label=own_label,
        is_bridge=is_bridge,
        takes_ahead=level > 0,
    )
    symbol = f"tree{next(_trace_numbers)}"
    text = emitter.emit(symbol)
    return TreeText(root, text, tuple(_symbols(emitter, symbol)), level, time.perf_counter() - start)


def link_tree(tree: TreeText) -> TreeCode:
    """Make machine code of a tree. Touches nothing of the guest's."""
    machine = llvm.compile_text(tree.text, tree.symbols, level=tree.level, apart=True)
    code = TreeCode(tree, machine)
    if os.environ.get("METATRACER_PERF"):
        _write_perf_map(code)
    return code


def _symbols(emitter: Emitter, symbol: str) -> list[str]:
    """The functions that an emitter has made."""
    return [symbol, f"{symbol}.loop"] if emitter.has_label_function else [symbol]


def _polled_words(trace: Trace) -> list[PolledWord]:
    """The distinct words that the trace's assumptions want looked at."""
    found: dict[tuple[int, int, int], PolledWord] = {}
    for assumption in trace.assumptions:
        words: list[tuple[int, int, int]] = getattr(assumption, "poll_words", list)()
        for number, (address, size, cell) in enumerate(words):
            found.setdefault((address, size, cell), PolledWord(address, size, cell, number > 0))
    return list(found.values())


def _name_addresses(emitter: Emitter) -> None:
    """Tell the marks what the words outside the code are."""
    assert emitter.marks is not None
    names = emitter.marks.names
    names[emitter.memory.flag_address] = "invalid"
    for item in emitter.memory.exits.values():
        names[emitter.memory.slot_address(item.number)] = f"slot {item.op.guard_id}"
    for position in range(_NAMED_WORDS):
        names[emitter.addresses.buffer + 8 * position] = f"buffer[{position}]"


_NAMED_WORDS = 64
"""Of the exit buffer."""


def _write_perf_map(code: CompiledCode | TreeCode) -> None:
    """Name the code for Linux `perf`."""
    import tempfile

    path = Path(tempfile.gettempdir()) / f"perf-{os.getpid()}.map"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{code.address:x} {code.size_bytes:x} metatracer:{code.name}\n")


# --- loop cells -----------------------------------------------------------------------------------------------------------

_CELLS_PER_BLOCK = 512
_free_cells: list[int] = []
_cell_blocks: list[Any] = []


def allocate_cell() -> int:
    """Address of a new 8-byte cell, empty, to be given back with `free_cell`."""
    if not _free_cells:
        block = (ctypes.c_uint64 * _CELLS_PER_BLOCK)()
        _cell_blocks.append(block)
        start = ctypes.addressof(block)
        _free_cells.extend(range(start + 8 * (_CELLS_PER_BLOCK - 1), start - 1, -8))
    address = _free_cells.pop()
    write_word(address, 0)
    return address


def free_cell(loop: LoopRef) -> None:
    """Give back the cell of a loop that no live code refers to."""
    if loop.cell:
        _free_cells.append(loop.cell)
        loop.cell = 0


def set_cell(loop: LoopRef, code: CompiledCode | TreeCode) -> None:
    """Let jumps and portal calls to `loop` reach `code` (which the caller keeps from being freed)."""
    if not loop.cell:
        loop.cell = allocate_cell()
    write_word(loop.cell, code.address)
