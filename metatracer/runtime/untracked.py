"""What is kept with machine code is nothing for CPython's cyclic collector to look at.

A trace with its snapshots is a dozen objects for each operation. They live as long as the code, and a full collection of the
guest's would go through them each time: half a second where 35,000 operations were recorded. So they are taken out of the
collector's lists (`put_aside`). What they refer to is then, to the collector, held by somebody whom it does not know, and that is
true as long as the code is there. Before the code is freed they are put into the lists again (`take_back`), because some are in
cycles.

An object of the guest's that was put aside by mistake would be freed all the same when nobody refers to it any more, unless it is
in a cycle. So nothing is looked into that may refer to lists and dictionaries of the guest.
"""

from __future__ import annotations

import ctypes
import gc
from enum import Enum
from typing import TYPE_CHECKING, Any

from metatracer.frontend.jitcode import Instruction, JitCode
from metatracer.ir.class_facts import ClassFacts
from metatracer.ir.values import CallShape, CFunction, Const, Field, LoopRef, Operation, Site

if TYPE_CHECKING:
    from metatracer.ir.values import Trace
    from metatracer.runtime.loops import Piece


class _Kind(Enum):
    """What is done with the objects of a class: nothing, or they are taken alone, or with what they refer to.

    STRICT is with what they refer to except lists and dictionaries: those are the guest's there.
    """

    FOREIGN = 0
    ALONE = 1
    STRICT = 2
    OPEN = 3


_HAVE_GC = 1 << 14
_DESCRIBING = ("metatracer.ir.", "metatracer.optimizer.", "metatracer.backend.emit.", "metatracer.backend.refcounts.")
_ASSUMING = ("metatracer.runtime.assumptions.", "metatracer.runtime.class_facts.")
_kinds: dict[type, _Kind] = {
    **dict.fromkeys((tuple, list, dict, JitCode, Instruction), _Kind.OPEN),
    **dict.fromkeys((Const, Field, CFunction, CallShape, LoopRef, Site, ClassFacts), _Kind.ALONE),
    Operation: _Kind.STRICT,
}
_untrack = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("PyObject_GC_UnTrack", ctypes.pythonapi))
_track = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("PyObject_GC_Track", ctypes.pythonapi))


def put_aside(piece: Piece, recorded: Trace | None = None) -> None:
    """Take what is kept with code, and with the recording that it was made from, out of the collector's lists."""
    _change([*_kept_with(piece), recorded], aside=True)
    for guard in piece.guards.values():
        _untrack(guard)


def take_back(piece: Piece) -> None:
    """Undo `put_aside`, before the code is freed."""
    _change(_kept_with(piece), aside=False)
    for guard in piece.guards.values():
        if not gc.is_tracked(guard):
            _track(guard)


def _kept_with(piece: Piece) -> list[Any]:
    """From where the objects that describe code are found; those that lead to other code or to the guest are not among them."""
    found: list[Any] = [piece.trace, piece.code.guards]
    for guard in piece.guards.values():
        found += (guard.operation, guard.live)
    if piece.code.memory is not None:
        found += (piece.code.memory.exits, piece.code.memory.polled)
    if piece.label is not None:
        found += (piece.label.params, piece.label.entry)
    return found


def _change(found: list[Any], *, aside: bool) -> None:
    """Track or untrack objects and what they refer to; what is as wanted already is not looked into."""
    change = _untrack if aside else _track
    is_tracked = gc.is_tracked
    while found:
        strict: list[Any] = []
        open_: list[Any] = []
        for obj in found:
            if is_tracked(obj) is not aside:
                continue
            cls = type(obj)
            kind = _kinds.get(cls) or _kind_of(cls)
            if kind is _Kind.FOREIGN or (cls is tuple and not obj):  # the empty tuple is everybody's
                continue
            change(obj)
            if kind is _Kind.OPEN:
                open_.append(obj)
            elif kind is _Kind.STRICT:
                strict.append(obj)
        found = gc.get_referents(*open_)
        found += [obj for obj in gc.get_referents(*strict) if type(obj) not in (list, dict)]


def _kind_of(cls: type) -> _Kind:
    module = f"{cls.__module__}."
    if not cls.__flags__ & _HAVE_GC:
        kind = _Kind.FOREIGN
    elif module.startswith(_ASSUMING):
        kind = _Kind.ALONE
    else:
        kind = _Kind.OPEN if module.startswith(_DESCRIBING) else _Kind.FOREIGN
    _kinds[cls] = kind
    return kind
