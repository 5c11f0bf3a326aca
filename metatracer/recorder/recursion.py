"""Guest recursion through helpers: which calls become native calls of a function's own traces.

A tree walker calls itself where its guest does. If the function that runs a guest function is no portal, recordings would
inline it in itself until a limit, and leave the rest to CPython. So a function that is entered from below itself with the same
arguments as before, except for what the trace has made or computed in between, and is on the stack once more, is taken for one
that runs a piece of the guest program. The objects that were the same say which piece: the greens. The others, and all
numbers and strings, are what it works on: the reds. Arguments that are others and were not made in between speak against it:
a function that goes down a tree of nodes is given others each time. An argument that has been the same in all calls of the
function that the trace has seen, where another one told them apart, says nothing (an interpreter object, or its visitor): it is a
red, too, so the next run of the guest, which may have another one, finds the code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Operation
from metatracer.recorder.polymorphism import merge_context
from metatracer.recorder.virtuals import VirtualBox

if TYPE_CHECKING:
    from metatracer.recorder.frames import Box, MetaFrame
    from metatracer.recorder.metainterp import EntryView, MetaInterpreter

_PLAIN = frozenset({int, float, bool, type(None), str, bytes, complex})
_READS = frozenset({ops.GETFIELD, ops.LIST_GETITEM, ops.TUPLE_GETITEM, ops.CELL_GET})
_SEARCHES = frozenset({c.DICT_FIND, c.DICT_FIND_INT, c.DICT_GETITEM, c.BUILTIN_GETITEM, c.DEQUE_GETITEM})
"""C functions that give what a container holds: a procedure that is looked up by its name was there before."""


def native_call(meta: MetaInterpreter, callee: MetaFrame) -> tuple[EntryView, Any, list[Any]] | None:
    """For a helper's frame that is about to be entered: None if it is to be inlined, or portal, green key and greens of the call.

    The greens are constants of the trace then.
    """
    callee.note_given()
    if not meta.limits.helper_loops or callee.portal is not None:
        return None
    portal = meta.host.entry_of(callee.function)
    if portal is None or portal.is_outer:
        varied = _varied(meta, callee)
        greens = _repeated(meta, callee)
        greens = greens and ([number for number in greens if number in varied] or greens)
        portal = None if greens is None else meta.host.make_entry(meta.portal, callee.function, greens)
        if portal is None:
            return None
    boxes = [callee.box(number) for number in portal.green_numbers]
    key = callee.entry_key = portal.key([box.object for box in boxes])
    recursion = sum(1 for frame in meta.frames if frame.jitcode is callee.jitcode and _is_entered(frame, key, callee, portal))
    is_called = merge_context(portal, key) in meta.polymorphism.called or not portal.may_inline(key)
    if (recursion < meta.limits.max_unroll_recursion and not is_called) or portal.is_hopeless(key):
        return None
    for box in boxes:
        if type(box.object) in _PLAIN or not (box.is_const or meta.promote_unless_polymorphic(box)):
            return None
    portal.let_in(callee.function)
    return portal, key, [box.object for box in boxes]


def branching_call(meta: MetaInterpreter, callee: MetaFrame) -> tuple[EntryView, Any, list[Any]] | None:
    """For a helper's frame whose branches have made too many bridges where it was inlined: as `native_call`, or None.

    Its branches are those of a tree of its own then. The objects that the trace knows are the greens.
    """
    callee.note_given()
    if not meta.limits.helper_loops:
        return None
    portal = meta.host.entry_of(callee.function)
    if portal is None:
        boxes = enumerate(callee.registers[: callee.jitcode.n_locals])
        greens = [number for number, box in boxes if box is not None and box.is_const and type(box.object) not in _PLAIN]
        portal = meta.host.make_entry(meta.portal, callee.function, greens)
    if portal is None:
        return None
    known = [callee.box(number) for number in portal.green_numbers]
    key = portal.key([box.object for box in known])
    if portal.is_hopeless(key) or not all(box.is_const for box in known):
        return None
    callee.entry_key = key
    portal.let_in(callee.function)
    return portal, key, [box.object for box in known]


def _varied(meta: MetaInterpreter, callee: MetaFrame) -> set[int]:
    """Registers of the arguments that have not been the same object in all calls of the function that the trace has seen."""
    first, varied = meta.given.setdefault(callee.jitcode, (callee.given, set()))
    varied.update(number for number, (before, now) in enumerate(zip(first, callee.given, strict=True)) if before != now)
    return varied


def _is_entered(frame: MetaFrame, key: Any, callee: MetaFrame, portal: EntryView) -> bool:
    """Whether a frame of the same function was entered with this key."""
    if frame.entry_key is not None or not frame.given:
        return bool(frame.entry_key == key)
    return all(frame.given[number] == callee.given[number] for number in portal.green_numbers)


def _repeated(meta: MetaInterpreter, callee: MetaFrame) -> list[int] | None:
    """Registers of the arguments that are the same as those of a frame further out; None if this is no recursion.

    A primitive for call/cc calls its receiver with the function that has called the primitive, and that is all. A
    function that recurs is on the stack once more: in the trace, or below the frame that the recording began with.
    """
    found = []
    for number, frame in enumerate(meta.frames):
        if frame.jitcode is callee.jitcode and frame.given:
            if any(inner.portal is not None for inner in meta.frames[number + 1 :]):
                return None  # it goes through a portal of the author's, which is called natively where it recurs
            greens = _same(frame.given, callee.registers)
            if greens is not None:
                found.append(greens)
    return found[0] if len(found) > 1 or (found and meta.host.is_running(callee.jitcode.code)) else None


def _same(given: tuple[int, ...], registers: list[Box | None]) -> list[int] | None:
    greens = []
    for number, (before, box) in enumerate(zip(given, registers, strict=False)):
        if box is None:
            continue
        if id(box.object) != before:
            if not _is_made(box):
                return None
        elif type(box.object) not in _PLAIN:
            greens.append(number)
    return greens


def _is_made(box: Box) -> bool:
    """Whether an operation of the trace has given the value, and not only found it somewhere."""
    ref = box.ref
    if isinstance(box, VirtualBox) or ref is None:
        return True
    if not isinstance(ref, Operation):
        return False
    is_found = ref.descr in _SEARCHES if ref.opcode is ops.CALL_C_R else ref.opcode in _READS
    return not is_found
