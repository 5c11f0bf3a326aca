"""Installing portals, and what the public interface asks of the runtime.

The drive loop (`driving`) and with it everything that native code needs is loaded when something first becomes hot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.backend.threadstate import MORE_FRAMES
from metatracer.runtime.host import PORTALS
from metatracer.runtime.implicit import loop_portals
from metatracer.runtime.implicit_entry import entry_portals
from metatracer.runtime.portal import Portal
from metatracer.runtime.scouting import watch
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType

    from metatracer.jit import JitDriver
    from metatracer.runtime.loops import Loop

_drive: list[Callable[[Loop, list[Any]], tuple[BaseException | None, Any]]] = []


def drive(loop: Loop, values: list[Any]) -> tuple[BaseException | None, Any]:
    """Run a portal's frame from its merge point to its end: `driving.drive`, loaded at the first call."""
    if not _drive:
        with MORE_FRAMES:
            from metatracer.runtime import driving

        _drive.append(driving.drive)
    return _drive[0](loop, values)


def preload() -> None:
    """What `metatracer.preload` loads: a trace of each level is compiled, and freed."""
    from metatracer.backend.compile import compile_trace
    from metatracer.backend.layout import native_support
    from metatracer.backend.llvm import LEVELS
    from metatracer.ir.opcodes import FINISH
    from metatracer.ir.values import Const, Operation, Trace
    from metatracer.optimizer import pipeline, trees  # noqa: F401 - loaded is all they are to be
    from metatracer.runtime import driving, tiers  # noqa: F401

    if native_support():
        return
    for level in LEVELS:
        compile_trace(Trace((), [Operation(FINISH, (Const("r", None),))], [], "preloaded"), level=level).free()


# --- installing -------------------------------------------------------------------------------------------------------------


def install_portal(function: FunctionType, driver: JitDriver) -> FunctionType:
    """Make a function a portal of `driver`: its code is rewritten in place, the function object stays the same.

    Raises:
        UsageError: The function cannot be a portal; says what to change.
    """
    from metatracer.params import STARTED_OFF, Parameters
    from metatracer.runtime.rewrite import analyse_portal, build_portal_twin, rewrite_portal, strip_portal

    def resolve(receiver: object) -> Any:
        # Known by its parameters: this package is below the one that defines the class.
        return receiver if isinstance(getattr(receiver, "params", None), Parameters) else None

    # A function that makes portals gives them one code object, and twins and JitCode belong to a code object.
    function.__code__ = function.__code__.replace()
    layout = analyse_portal(function, resolve, driver)
    if STARTED_OFF:
        function.__code__ = strip_portal(layout)
        return function
    portal = Portal(function, driver, layout, drive)
    rewritten = rewrite_portal(layout, portal)
    build_portal_twin(layout, portal)
    function.__code__ = rewritten
    PORTALS[function.__code__] = portal
    STATISTICS.portals_installed += 1
    watch(portal)
    return function


def portals() -> list[Portal]:
    """Every installed portal, and the loops and entries of helpers that have traces of their own."""
    return [*PORTALS.values(), *loop_portals(), *entry_portals()]


def statistics_snapshot() -> dict[str, Any]:
    """The totals of the process; and the greens that are hardly such, with the number of their values."""
    short_lived = {f"{each['driver']}.{each['green']}": each["values"] for each in short_lived_greens()}
    return {**STATISTICS.as_dict(), "short_lived_greens": short_lived}


def explain_records() -> list[dict[str, Any]]:
    """What became of every guest loop seen so far; of a portal with very many that were met once, not of these."""
    records = []
    for portal in portals():
        records += [loop.record for loop in list(portal.loops.values())]
        records += portal.records_of_newcomers()
    return [record.as_dict() for record in records]


def short_lived_greens() -> list[dict[str, Any]]:
    """The greens of which portals have met very many values: nearly each of them once, or none of them often.

    Returns:
        Plain data: `driver`, `filename` and `lineno` of the merge point, `green`, `kind` (name of the latest value's class),
        `values` (how many the looks have met: a look is one of a hundred visits or so), and `keys` and `keys_met_again`.
    """
    return [each for portal in portals() for each in portal.short_lived_greens()]


def set_enabled(on: bool) -> None:
    """Switch tracing on or off for all drivers."""
    from metatracer.params import set_param

    set_param(None, "enable", on)
