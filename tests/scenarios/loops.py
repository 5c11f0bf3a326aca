"""The smallest portals there are: a loop that calls a function, which the tracer looks into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metatracer import JitDriver

each_driver = JitDriver(greens=["step"], reds="auto", name="each")
fold_driver = JitDriver(greens=["step"], reds="auto", name="fold")


@each_driver.portal
def each(step: Callable[[int, Any], Any], n: int, state: Any) -> Any:
    """Call `step(i, state)` for i from 0 to n - 1; gives the state back."""
    i = 0
    while i < n:
        each_driver.jit_merge_point(step=step)
        step(i, state)
        i += 1
    return state


@fold_driver.portal
def fold(step: Callable[[int, Any], Any], n: int, value: Any) -> Any:
    """Replace a value by `step(i, value)` n times; gives the last one."""
    i = 0
    while i < n:
        fold_driver.jit_merge_point(step=step)
        value = step(i, value)
        i += 1
    return value
