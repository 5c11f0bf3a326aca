"""The handled exception of the current thread, and how many frames it may still enter.

The handled exception is changed as PUSH_EXC_INFO and POP_EXCEPT change it. The functions for that must not be called inside
an `except` block of the caller: leaving the block would undo them.
"""

from __future__ import annotations

import ctypes
import threading
from types import FunctionType
from typing import TYPE_CHECKING, Any

from metatracer.backend.layout import layout, object_at, read_word, thread_state, write_word

if TYPE_CHECKING:
    from types import FrameType

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


def give_to_generator(generator: Any, previous: BaseException | None) -> None:
    """Let a generator that has not begun handle what the thread handles, which goes back to what it was before.

    An exit in a handler of a generator's frame has entered it for the thread: machine code has no generator.
    """
    exception = handled_exception()
    _incref(exception)
    write_word(id(generator) + layout().generator_handled, id(exception))
    pop_exc_info(previous)


# --- frames ---------------------------------------------------------------------------------------------------------------------


def function_of(frame: FrameType) -> FunctionType:
    """The function that a frame runs."""
    figures = layout()
    function = object_at(read_word(read_word(id(frame) + figures.frame_running) + figures.running_function))
    assert isinstance(function, FunctionType)
    return function


# --- the recursion limit ------------------------------------------------------------------------------------------------------


class _Frames(threading.local):
    """How many more frames the thread may enter before its recursion limit, as a number that may be changed: `left.value`.

    Attributes:
        given: How many of them make up for frames of the runtime's own that are on the stack.
    """

    def __init__(self) -> None:
        self.left = ctypes.c_int32.from_address(thread_state() + layout().recursion_remaining)
        self.given = 0

    def give(self, count: int) -> int:
        """Allow that many frames more, which the caller takes back (`give` of less than 0); gives 0 if there are enough.

        Each level of the runtime takes some KB of the C stack, so its frames are made up for only up to a bound.
        """
        if count > 0 and self.given >= _MOST_GIVEN:
            return 0
        self.given += count
        self.left.value += count
        return count


_MOST_GIVEN = 3000
FRAMES = _Frames()
ROOM = 24
"""Frames that the runtime may need where a guest hands over to it: it runs where the guest's own calls would just fit."""
_MORE = 300


class _MoreFrames:
    """A context in which the thread may enter more frames than its recursion limit allows.

    For what the runtime does between two steps of the guest, as failing there would lose the guest's frame; at the first time
    that includes imports.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        FRAMES.left.value += _MORE

    def __exit__(self, *_exception: object) -> None:
        FRAMES.left.value -= _MORE


MORE_FRAMES = _MoreFrames()
