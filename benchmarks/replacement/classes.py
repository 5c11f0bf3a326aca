"""Is a process flat, warming up, slowing down, or without a steady state? After "Virtual Machine Warmup Blows Hot and Cold".

Change points (PELT, `ruptures`) cut the series of iterations into segments. The last one is the steady state; a process without a
steady state changes in its last quarter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

CLASSES = ("flat", "warm-up", "slow-down", "no steady state", "not classed")
TOLERANCE = 1.15
"""Segments whose means differ by no more are the same."""
LAST = 0.75


def segments(times: Sequence[float]) -> list[tuple[int, int]]:
    """The segments between change points, of logarithms: a change is a ratio."""
    import numpy as np
    import ruptures

    signal = np.log(np.array(times))
    # The penalty is that of the schwarz criterion, for the noise between neighbours.
    noise = float(np.median(np.abs(np.diff(signal)))) / 0.954 or 1e-3
    penalty = 8.0 * math.log(len(times)) * max(noise, 0.02) ** 2
    ends = ruptures.Pelt(model="l2", min_size=2, jump=1).fit(signal).predict(pen=penalty)
    return list(zip([0, *ends[:-1]], ends, strict=True))


def classify(times: Sequence[float]) -> str:
    """One of `CLASSES`; "not classed" where `ruptures` is not installed."""
    try:
        found = segments(times)
    except ImportError:
        return CLASSES[-1]
    means = [sum(times[start:end]) / (end - start) for start, end in found]
    last = means[-1]
    differing = [
        (end, mean) for (_, end), mean in zip(found, means, strict=True) if max(mean, last) > TOLERANCE * min(mean, last)
    ]
    if not differing:
        return "flat"
    if differing[-1][0] > LAST * len(times):
        return "no steady state"
    return "slow-down" if min(mean for _, mean in differing) * TOLERANCE < last else "warm-up"
