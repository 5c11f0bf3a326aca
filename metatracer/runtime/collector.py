"""The cyclic collector waits while a trace is optimized and compiled.

That makes tens of thousands of objects which live as long as the code, and next to no garbage. The collector would go through
them again and again: a fifth of the optimizer's time where traces have a thousand operations.
"""

from __future__ import annotations

import _thread
import contextlib
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


OWN_THREADS: list[Callable[[], bool]] = []
"""For each thread that the toolkit may have: whether there is one now."""


def other_threads() -> int:
    """How many threads there are besides this one and the toolkit's own."""
    return max(_thread._count() - sum(is_there() for is_there in OWN_THREADS), 0)


@contextlib.contextmanager
def collector_waits() -> Iterator[None]:
    """Put off automatic collections; for code that runs nothing of the guest's.

    Not when there are other threads, which may switch the collector on and off meanwhile or ask whether it is on.
    """
    if not gc.isenabled() or other_threads():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
