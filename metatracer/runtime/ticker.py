"""Tickers: iterators whose step costs a few nanoseconds and that say from time to time "look here".

A ticker goes round a short list of None with a marker at its end; rewritten portals step it at each back-edge. One
marker stands for `period` visits. Sampling by a fixed period cannot fall into step with guest loops easily, as the
period is a prime number.
"""

from __future__ import annotations

import gc
import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PERIOD = 127


class Ticker:
    """Gives a marker every `PERIOD` steps, or (`always`) at every step.

    Attributes:
        marker: What it gives.
        iterator: What is stepped: an `itertools.cycle`, which is never exhausted and safe to step from any thread.
    """

    def __init__(self, marker: Any) -> None:
        self.marker = marker
        self.iterator: Iterator[Any] = itertools.cycle([None] * (PERIOD - 1) + [marker])
        for _ in range(2 * PERIOD):
            next(self.iterator)  # from the second round on, the cycle goes round a list of its own
        (self._slots,) = (item for item in gc.get_referents(self.iterator) if type(item) is list)

    def set_always(self, always: bool) -> None:
        """Give the marker at every step, or every `PERIOD` steps."""
        # The list keeps its length: the cycle does not check its index against it.
        self._slots[: PERIOD - 1] = [self.marker if always else None] * (PERIOD - 1)
