"""The handled exception of the current thread, changed as PUSH_EXC_INFO and POP_EXCEPT change it.

These must not be called inside an `except` block of the caller: leaving the block would undo them.
"""

from __future__ import annotations

import ctypes

from metatracer.backend.layout import layout, object_at, read_word, thread_state, write_word

_incref = ctypes.pythonapi.Py_IncRef
_incref.argtypes = [ctypes.py_object]
_incref.restype = None
_decref = ctypes.pythonapi.Py_DecRef
_decref.argtypes = [ctypes.c_void_p]
_decref.restype = None


def _slot() -> int:
    figures = layout()
    return read_word(thread_state() + figures.exc_info) + figures.exc_value


def handled_exception() -> BaseException | None:
    """What the innermost exception-info slot of the thread holds (None: nothing is handled there)."""
    address = read_word(_slot())
    return object_at(address) if address else None  # type: ignore[return-value]


def push_exc_info(exception: BaseException) -> BaseException | None:
    """Make `exception` the handled one; gives the one before."""
    slot = _slot()
    old = read_word(slot)
    previous = object_at(old) if old else None
    _incref(exception)
    write_word(slot, id(exception))
    if old:
        _decref(old)
    return previous  # type: ignore[return-value]


def pop_exc_info(previous: BaseException | None) -> None:
    """Make `previous` (None: nothing) the handled exception again."""
    slot = _slot()
    old = read_word(slot)
    _incref(previous)
    write_word(slot, id(previous))
    if old:
        _decref(old)
