"""What is kept with machine code is nothing for CPython's cyclic collector to look at.

A trace with its snapshots is some ten objects for each operation. They live as long as the code, and a full collection of the
guest's would go through them each time. So they are taken out of the collector's lists (`put_aside`). To the collector, what they
refer to is then held by somebody whom it does not know, and that is true as long as the code is there. Before the code is freed
they are put into the lists again (`take_back`), because some are in cycles. This is not put off until a collection begins:
whoever is called then may be the one to run a signal's handler, and CPython throws away what that raises there.

An object of the guest's that was put aside by mistake would be freed all the same when nobody refers to it any more, unless it is
in a cycle. So nothing is looked into that may refer to lists and dictionaries of the guest.
"""

from __future__ import annotations

import ctypes
import gc
from collections import deque
from enum import Enum
from itertools import filterfalse
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
_ALONE = ("metatracer.runtime.assumptions.", "metatracer.runtime.class_facts.", "metatracer.runtime.loops.GuardState.")
_kinds: dict[type, _Kind] = {
    **dict.fromkeys((tuple, list, dict, JitCode, Instruction), _Kind.OPEN),
    **dict.fromkeys((Const, Field, CFunction, CallShape, LoopRef, Site, ClassFacts), _Kind.ALONE),
    Operation: _Kind.STRICT,
}
_untrack = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("PyObject_GC_UnTrack", ctypes.pythonapi))
_track = ctypes.PYFUNCTYPE(None, ctypes.py_object)(("PyObject_GC_Track", ctypes.pythonapi))


_recordings: dict[int, Trace] = {}
"""Of code that has been put aside with its recording."""


def put_aside(piece: Piece, recorded: Trace | None = None) -> None:
    """Let the collector leave out what is kept with code and its recording."""
    if recorded is not None:
        _recordings[id(piece)] = recorded
    _change([*_kept_with(piece), recorded], aside=True)


def take_back(piece: Piece) -> None:
    """Undo `put_aside`, before the code is freed."""
    _change([*_kept_with(piece), _recordings.pop(id(piece), None)], aside=False)


def _kept_with(piece: Piece) -> list[Any]:
    """From where the objects that describe code are found; those that lead to other code or to the guest are not among them."""
    guards = piece.guards.values()
    found: list[Any] = [piece.trace, piece.code.guards, *guards]
    for guard in guards:
        found += (guard.operation, guard.live)
    if piece.code.memory is not None:
        found += (piece.code.memory.exits, piece.code.memory.polled)
    if piece.label is not None:
        found += (piece.label.params, piece.label.entry)
    return found


def _change(found: list[Any], *, aside: bool) -> None:
    """Track or untrack objects and what they refer to; what is as wanted already is not looked into.

    JitCode lives for ever: it is not tracked again. Other threads may be at the same objects. So whether one is tracked is looked
    at again at once before that is changed, where no other thread gets its turn: in C. (To track an object twice is fatal.)
    """
    change, select = (_untrack, filter) if aside else (_track, filterfalse)
    kind_of = _kinds.get
    alone, strict, foreign = _Kind.ALONE, _Kind.STRICT, _Kind.FOREIGN
    while found:
        changed: list[Any] = []
        looked_into: list[Any] = []
        operations: list[Any] = []
        for obj in {id(obj): obj for obj in select(gc.is_tracked, found)}.values():
            cls = type(obj)
            kind = kind_of(cls) or _kind_of(cls)
            # The empty tuple is everybody's.
            if kind is foreign or (cls is tuple and not obj) or (cls is JitCode and not aside):
                continue
            changed.append(obj)
            if kind is strict:
                operations.append(obj)
            elif kind is not alone:
                looked_into.append(obj)
        deque(map(change, select(gc.is_tracked, changed)), maxlen=0)
        found = gc.get_referents(*looked_into)
        found += [obj for obj in gc.get_referents(*operations) if type(obj) not in (list, dict)]


def _kind_of(cls: type) -> _Kind:
    name = f"{cls.__module__}.{cls.__qualname__}."
    if not cls.__flags__ & _HAVE_GC:
        kind = _Kind.FOREIGN
    elif name.startswith(_ALONE):
        kind = _Kind.ALONE
    else:
        kind = _Kind.OPEN if name.startswith(_DESCRIBING) else _Kind.FOREIGN
    _kinds[cls] = kind
    return kind
