"""Counts that new code starts with: what they would have been, had it been there.

If passes come to *b* by *ab*, and leave it by *bc*, then of those that came by *ab* about f(ab) f(bc) / f(b) leave by *bc*: the
past of a pass is taken to say nothing about its future. The total is preserved: over all ways out of *b* it is f(ab).
"""

from __future__ import annotations


def inherited(ab: float, bc: float, b: float) -> float:
    """How many of `ab` passes that come to a place leave it by a way that `bc` of all its `b` passes take."""
    return ab * bc / b if b else 0.0
