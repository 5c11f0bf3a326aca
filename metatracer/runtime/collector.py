"""The cyclic collector waits while a trace is optimized and compiled.

That makes tens of thousands of objects which live as long as the code, and next to no garbage. The collector would go through
them again and again: a fifth of the optimizer's time where traces have a thousand operations.
"""

from __future__ import annotations

import _thread
import contextlib
import gc
from typing import TYPE_CHECKING

from metatracer.runtime import tiers

if TYPE_CHECKING:
    from collections.abc import Iterator


def other_threads() -> int:
    """How many threads there are besides this one and the toolkit's own."""
    return max(_thread._count() - tiers.is_at_work(), 0)


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
