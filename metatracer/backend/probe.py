"""Finding the word by which CPython's evaluation loop is asked to pause, by making such a request and looking.

The request must be seen before the evaluation loop sees (and clears) it, so request and copies of memory are made by C
functions called in a row by one C loop: ``list(map(operator.call, ...))`` over ctypes functions that keep the GIL.
Three requests are used, none of which leaves anything behind:

* 3.13: ``PyThreadState_SetAsyncExc(own thread, NULL)``, which raises nothing. (Before 3.13 the breaker would stay set.)
* 3.11 and 3.12 in the main thread: a pending call that does nothing.
* 3.11 and 3.12 in other threads: sleeping with the GIL while a second thread waits for it.
"""

from __future__ import annotations

import ctypes
import operator
import struct
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from metatracer.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Callable

_WINDOW = 256
"""Bytes searched on each side of the expected place; both structures extend at least that far."""

_ASYNC_EXCEPTION_BIT = 8
"""Bit of a 3.13 thread state's breaker for an asynchronous exception."""

_ATTEMPTS = 20
"""A real request (another thread wanting the GIL, a signal) at the same moment spoils an attempt."""

_AGREEING = 3
"""Attempts that have found a word elsewhere than expected, of which the first word in memory is believed."""

_SWITCH_SECONDS = 0.001
"""Switch interval while a thread waits for the GIL on purpose."""

_process = ctypes.PyDLL(None)
_copy = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(("memmove", _process))
_sleep = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_uint)(("usleep", _process))
_set_async_exc = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)
_add_pending_call = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(
    ("Py_AddPendingCall", ctypes.pythonapi)
)


def _before_and_after(start: int, size: int, request: Callable[[], Any]) -> tuple[bytes, bytes]:
    """Memory at `start` just before and just after `request`, which must not run Python code."""
    before, after = ctypes.create_string_buffer(size), ctypes.create_string_buffer(size)
    steps: list[Callable[[], Any]] = [partial(_copy, before, start, size), request, partial(_copy, after, start, size)]
    call: Callable[[Callable[[], Any]], Any] = operator.call
    list(map(call, steps))
    return before.raw, after.raw


def _while_another_waits(start: int, size: int) -> tuple[bytes, bytes]:
    """Memory at `start` before and after another thread asks for the GIL."""
    done = threading.Event()

    def want_the_gil() -> None:
        while not done.is_set():
            pass

    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    waiting = threading.Thread(target=want_the_gil, name="metatracer-probe", daemon=True)
    try:
        waiting.start()
        return _before_and_after(start, size, partial(_sleep, int(10 * _SWITCH_SECONDS * 1e6)))
    finally:
        done.set()
        waiting.join()
        sys.setswitchinterval(interval)


def _look(start: int, size: int, *, in_thread: bool) -> tuple[bytes, bytes]:
    """Memory at `start` before and after the request that suits the version and thread."""
    if in_thread:
        return _before_and_after(start, size, partial(_set_async_exc, threading.get_ident(), None))
    if threading.current_thread() is threading.main_thread():
        # As a pending call it handles signals, which is due at that point anyway, and returns 0.
        harmless = ctypes.cast(ctypes.pythonapi.PyErr_CheckSignals, ctypes.c_void_p).value
        return _before_and_after(start, size, partial(_add_pending_call, harmless, None))
    return _while_another_waits(start, size)


def changed_words(start: int, size: int, *, in_thread: bool) -> list[int]:
    """Offsets from `start` of the words that a request sets.

    Args:
        start: Aligned address.
        size: Bytes, a multiple of eight.
        in_thread: Look for 64-bit words with the event's bit (3.13) instead of 32-bit words that become 1.
    """
    before, after = _look(start, size, in_thread=in_thread)
    if in_thread:
        pairs = zip(struct.unpack(f"<{size // 8}Q", before), struct.unpack(f"<{size // 8}Q", after), strict=True)
        return [8 * index for index, (old, new) in enumerate(pairs) if old ^ new == _ASYNC_EXCEPTION_BIT]
    words = zip(struct.unpack(f"<{size // 4}I", before), struct.unpack(f"<{size // 4}I", after), strict=True)
    return [4 * index for index, (old, new) in enumerate(words) if (old, new) == (0, 1)]


def attention_offset(base: int, expected: int, *, in_thread: bool) -> int:
    """Offset from `base` of the evaluation loop's breaker: `expected`, or where it is nearby.

    Args:
        base: Address of the thread state (`in_thread`) or of the interpreter state.
        expected: The offset in the releases that were looked at.
        in_thread: As in `changed_words`.

    Raises:
        LayoutError: No word behaves like the breaker.
    """
    start = base + max(0, (expected - _WINDOW) & ~7)
    found: list[int] = []
    for _ in range(_ATTEMPTS):
        changed = changed_words(start, 2 * _WINDOW, in_thread=in_thread)
        if changed:
            # A request also sets a flag of its own, which stands behind the breaker in the same structure.
            found.append(start + changed[0] - base)
        if expected in found:
            return expected
        # Where the breaker was set already, for another reason, only the flag has changed.
        if len(found) == _AGREEING:
            return min(found)
    raise LayoutError("native code is off: the evaluation loop's breaker was not found in this build of CPython")
