"""The tick: what rewritten code calls at a marker, to ask whether machine code or a recording is due.

Once a portal has machine code for one of its loops, every visit of its merge points asks, also those of loops that have
none yet and take a microsecond in the interpreter. So the function is made for the number of greens, finds the loop
met last without looking it up, and of a loop without code counts and times only one visit of `STRIDE`. Where thousands of visits
in a row have found no code, only one of `PERIOD` asks, until one has found some (`Portal.found`).

Just below the recursion limit the guest goes on in the interpreter: the portal gives its variables away when it hands over, and
if the runtime could not be called then, no `finally` of the portal would run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.backend.threadstate import FRAMES, ROOM

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.runtime.loops import Loop
    from metatracer.runtime.newcomers import Newcomer
    from metatracer.runtime.portal import Portal

BY_VALUE = frozenset({int, str, bytes, bool, float, type(None)})
"""Classes of greens that are the same when they are equal; others are when they are identical."""
STRIDE = 31
"""Visits of a loop without code that one look at it stands for. A prime number, as guests' loops seldom are."""


class Marker:
    """What a ticker gives.

    Attributes:
        is_entry: Of the entry ticker.
        stride: One of so many visits of a loop without code is looked at.
        weight: So many visits, the ticker's steps without a marker included, are counted then.
        in_vain: Visits since one has found code.
        last: The loop that it led to last.
    """

    __slots__ = ("in_vain", "is_entry", "last", "stride", "weight")

    def __init__(self, is_entry: bool) -> None:
        self.is_entry = is_entry
        self.stride = self.weight = 1
        self.in_vain = 0
        self.last: Loop | Newcomer | None = None


_TEXT = """
def tick(marker, {greens}):
    loop = marker.last
    if loop is None:
        key = ({keys})
        loop = marker.last = portal.loops.get(key) or find(key, ({greens}))
    else:
        {known} = loop.greens
        if {differs}:
            key = ({keys})
            loop = marker.last = portal.loops.get(key) or find(key, ({greens}))
    if loop.piece is None:
        if loop.until_look > 1:
            loop.until_look -= 1
            return None
        loop = look(loop, marker)
    elif not params.enable:
        return None
    elif loop.rests:
        loop.rests -= 1
        if loop.rests <= 0:
            loop.rests = 0
            loop.pace.rested()
        return None
    elif marker.in_vain:
        found(marker)
    return loop if frames.left.value > room else None
"""


_LOOKUP_TEXT = """
def tick(marker, {greens}):
    loop = marker.last
    if loop is None:
        loop = portal.loops.get(({keys}))
    else:
        {known} = loop.greens
        if {differs}:
            loop = portal.loops.get(({keys}))
    if loop is None or loop.piece is None:
        return None
    marker.last = loop
    return loop if params.enable and frames.left.value > room else None
"""


def make_tick(portal: Portal, count: int) -> Callable[..., Loop | None]:
    """The tick of a portal whose driver has so many greens."""
    return _made(_TEXT, portal, count)


def make_lookup(portal: Portal, count: int) -> Callable[..., Loop | None]:
    """The tick of a portal that is only entered where it has code, and in which nothing is counted."""
    return _made(_LOOKUP_TEXT, portal, count)


def _made(template: str, portal: Portal, count: int) -> Callable[..., Loop | None]:
    numbers = range(count)
    text = template.format(
        greens="".join(f"g{n}, " for n in numbers),
        known="".join(f"k{n}, " for n in numbers) or "()",
        differs=" or ".join(f"k{n} is not g{n}" for n in numbers) or "False",
        keys="".join(f"(t{n}, g{n}) if (t{n} := type(g{n})) in by_value else id(g{n}), " for n in numbers),
    )
    names: dict[str, Any] = {
        "portal": portal,
        "find": portal.find,
        "look": portal.look,
        "found": portal.found,
        "params": portal.driver.params,
        "by_value": BY_VALUE,
        "frames": FRAMES,
        "room": ROOM,
    }
    exec(text, names)  # noqa: S102 - of numbered names
    tick: Callable[..., Loop | None] = names["tick"]
    return tick
