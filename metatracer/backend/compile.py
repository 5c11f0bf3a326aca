"""Traces to machine code: `compile_trace`, guard slots, loop cells, invalidation, freeing.

Guard ids are numbered through the process from 1; 0 and -1 in exit tuples are the two ways to finish (`support`).
All functions here are to be called with the GIL held, as ordinary Python code is.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metatracer.backend import (
    annotate,
    emit_boxes,
    emit_buffers,
    emit_calls,
    emit_control,
    emit_floats,
    emit_heap,
    emit_integers,
    llvm,
    support,
)
from metatracer.backend.counting import PLENTY, Counted
from metatracer.backend.emit import EMITTERS, CodeMemory, Emitter, GuardExit, PolledWord
from metatracer.backend.layout import layout, write_word
from metatracer.backend.refcounts import plan_refcounts
from metatracer.backend.reuse import fuse_stores
from metatracer.ir.values import LoopRef, Operation, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CompiledCode", "allocate_cell", "compile_trace", "free_cell", "set_cell", "set_exit_handler"]

EMITTER_MODULES = (
    emit_boxes, emit_buffers, emit_calls, emit_control, emit_floats, emit_heap, emit_integers,
)  # fmt: skip
"""The modules whose import fills `EMITTERS`."""
assert EMITTERS

set_exit_handler = support.set_exit_handler

_guard_ids = itertools.count(1)
_trace_numbers = itertools.count(1)


class CompiledCode:
    """The machine code of one trace.

    Attributes:
        name: The trace's, for people and profilers.
        address: Of the code: what loop cells and guard slots hold.
        label_address: Of the loop behind its preamble, where jumps with a `LabelRef` go; 0 when there is no preamble.
        enter: Builtin function that takes a list of the input values (consuming its references: the list is empty
            afterwards), runs the code and gives the exit tuple: ``(guard_id, exception or None, value...)`` for a
            guard exit, ``(0, None, result)`` for a finish, ``(-1, exception)`` for an exception that leaves the portal.
            None when an input is not a reference (bridges).
        guards: Guard operations by their ids.
        ir_text: LLVM text as emitted.
        marks: What the lines of the text come from, if that was to be kept (`annotate.marking`).
        size_bytes: Of the machine code.
        seconds: Compile time by phase: refcounts, emit, parse, passes, codegen, link, stubs.
        level: The compile level.
        bridges: Attached code by guard id.
    """

    def __init__(
        self,
        trace: Trace,
        level: int,
        machine: llvm.Machine,
        memory: CodeMemory,
        ir_text: str,
        symbol: str,
        exits: list[GuardExit],
        stub: Callable[[str], int],
        seconds: dict[str, float],
    ) -> None:
        self.name = trace.name
        self.level = level
        self.address = machine.addresses[symbol]
        self.label_address = machine.addresses.get(f"{symbol}.loop", 0)
        self.guards: dict[int, Operation] = {item.op.guard_id: item.op for item in exits}
        self.bridges: dict[int, CompiledCode] = {}
        self.ir_text = ir_text
        self.marks: annotate.Marks | None = None
        self.size_bytes = machine.size_bytes
        self.seconds = seconds
        self._machine: llvm.Machine | None = machine
        self._memory: CodeMemory | None = memory
        self._flag = memory.flag_address
        memory.passes_left = PLENTY
        self._slots: dict[int, tuple[int, int]] = {}
        for item in exits:
            slot = memory.slot_address(item.number)
            address = stub(item.kinds)
            write_word(slot, address)
            self._slots[item.op.guard_id] = (slot, address)
        self._entry: support.EntryPoint | None = None
        self.enter: Callable[[list[Any]], tuple[Any, ...]] | None = None
        if all(value.kind == "r" for value in trace.inputs):
            self._entry = support.EntryPoint(self.address, len(trace.inputs))
            self.enter = self._entry.enter

    def attach(self, guard_id: int, bridge: CompiledCode) -> None:
        """Let failures of the guard go on in `bridge`, whose inputs are the guard's live values."""
        self._require_live()
        write_word(self._slots[guard_id][0], bridge.address)
        self.bridges[guard_id] = bridge

    def detach(self, guard_id: int) -> None:
        """Let failures of the guard exit again."""
        self._require_live()
        slot, address = self._slots[guard_id]
        write_word(slot, address)
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
        memory = self._memory  # which another thread may let go of meanwhile
        return PLENTY if memory is None else memory.passes_left

    def give_passes(self, count: int) -> None:
        """Let counted code run for so many passes; a header is left when there are none."""
        memory = self._memory
        if memory is not None:
            memory.passes_left = count

    @property
    def is_invalid(self) -> bool:
        """Whether `invalidate` was called."""
        return self._memory is not None and ctypes.c_uint64.from_address(self._flag).value != 0

    @property
    def is_freed(self) -> bool:
        """Whether `free` was called."""
        return self._machine is None

    @property
    def llvm_text(self) -> str:
        """The LLVM text behind the passes of this level."""
        return str(llvm.optimized_module(self.ir_text, self.level))

    def assembly(self) -> str:
        """The machine code as assembly text."""
        return llvm.assembly(self.ir_text, self.level)

    def free(self) -> None:
        """Unmap the code and let go of the objects it refers to.

        No thread may be in the code, and no cell, slot or jump of live code may lead to it.
        """
        if self._machine is None:
            return
        if self._entry is not None:
            self._entry.close()
        self.bridges.clear()
        self._machine.free()
        self._machine = None
        self._memory = None

    def _require_live(self) -> None:
        if self._machine is None:
            raise ValueError(f"{self.name} has been freed")


def compile_trace(
    trace: Trace, *, level: int = 0, force_exits: int | None = None, counted: Counted = ""
) -> CompiledCode:
    """Compile a trace.

    Sets `guard_id` of its guards.

    Args:
        trace: Valid IR; may be a loop, a bridge, or end by finishing.
        level: One of `llvm.LEVELS`.
        force_exits: Build in that every guard that may fail at will does so at its `force_exits`-th execution.
        counted: What of the code is counted (`backend.counting`).

    Raises:
        IRError: The trace is malformed.
        LayoutError: Native code is not possible in this process.
    """
    start = time.perf_counter()
    trace = fuse_stores(trace)
    plan = plan_refcounts(trace)
    planned = time.perf_counter()
    memory = CodeMemory(len(plan.exits), force_exits is not None)
    memory.objects.extend(trace.assumptions)
    for op in trace.operations:
        if isinstance(op.descr, LoopRef) and not op.descr.cell:
            op.descr.cell = allocate_cell()
    emitter = Emitter(
        trace,
        plan,
        memory,
        layout(),
        support.addresses(),
        _guard_ids.__next__,
        force_exits=force_exits,
        polled=_polled_words(trace),
        counted=counted,
        marks=annotate.Marks(trace) if annotate.marking else None,
    )
    symbol = f"trace{next(_trace_numbers)}"
    text = emitter.emit(symbol)
    if emitter.marks is not None:
        text = emitter.marks.finish(text)
        _name_addresses(emitter)
    emitted = time.perf_counter()
    stub = support.spill_stubs(item.kinds for item in emitter.guards)
    stubbed = time.perf_counter()
    symbols = [symbol, f"{symbol}.loop"] if emitter.has_label_function else [symbol]
    machine = llvm.compile_text(text, symbols, level=level)
    seconds = {"refcounts": planned - start, "emit": emitted - planned, "stubs": stubbed - emitted, **machine.seconds}
    code = CompiledCode(trace, level, machine, memory, text, symbol, emitter.guards, stub, seconds)
    code.marks = emitter.marks
    if os.environ.get("METATRACER_PERF"):
        _write_perf_map(code)
    return code


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
    for item in emitter.guards:
        names[emitter.memory.slot_address(item.number)] = f"slot {item.op.guard_id}"
    for position in range(_NAMED_WORDS):
        names[emitter.addresses.buffer + 8 * position] = f"buffer[{position}]"


_NAMED_WORDS = 64
"""Of the exit buffer."""


def _write_perf_map(code: CompiledCode) -> None:
    """Name the code for Linux `perf`."""
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


def set_cell(loop: LoopRef, code: CompiledCode) -> None:
    """Let jumps and portal calls to `loop` reach `code` (which the caller keeps from being freed)."""
    if not loop.cell:
        loop.cell = allocate_cell()
    write_word(loop.cell, code.address)
