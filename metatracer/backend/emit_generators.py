"""LLVM text of what traces do with generators that they have not made; see `generators`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.backend.emit import Emitter, emits
from metatracer.backend.layout import WORD
from metatracer.backend.operands import pointer
from metatracer.ir import opcodes as ops

if TYPE_CHECKING:
    from metatracer.backend.generators import Place
    from metatracer.ir.values import Operation


@emits(ops.GUARD_WAITS)
def emit_guard_waits(e: Emitter, op: Operation) -> None:
    place: Place = op.descr
    layout, generator = e.layout, e.arg(op.args[0])
    namespace = e.load("ptr", generator, layout.generator_frame + layout.frame_globals)
    tests = [
        f"icmp eq i8 {e.load('i8', generator, layout.generator_state)}, {place.state}",
        f"icmp eq ptr {e.load('ptr', generator, layout.generator_frame + layout.frame_place)}, {pointer(place.address)}",
        f"icmp eq ptr {namespace}, {e.object(place.namespace)}",
    ]
    state, address, same = [e.value(test) for test in tests]
    e.guard(op, e.value(f"and i1 {e.value(f'and i1 {state}, {address}')}, {same}"))


@emits(ops.GENERATOR_ENTER)
def emit_generator_enter(e: Emitter, op: Operation) -> None:
    e.store("i8 0", e.arg(op.args[0]), e.layout.generator_state)


@emits(ops.GENERATOR_CLEAR)
def emit_generator_clear(e: Emitter, op: Operation) -> None:
    slots = e.layout.generator_frame + e.layout.frame_slots
    for number in range(*op.descr):
        e.store("ptr null", e.arg(op.args[0]), slots + WORD * number)


@emits(ops.GENERATOR_LEAVE)
def emit_generator_leave(e: Emitter, op: Operation) -> None:
    place: Place = op.descr
    layout, generator = e.layout, e.arg(op.args[0])
    e.store(f"ptr {pointer(place.address)}", generator, layout.generator_frame + layout.frame_place)
    e.store(f"i32 {place.top}", generator, layout.generator_frame + layout.frame_top)
    e.store(f"i8 {place.state}", generator, layout.generator_state)
