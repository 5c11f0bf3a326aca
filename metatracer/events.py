"""What hooks are told: one class of event for each kind (see `hooks`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event has.

    Attributes:
        driver: Name of the driver.
        location: What the driver's `get_printable_location` says, or the greens.
        filename, lineno: The place of the merge point in the author's file.
    """

    driver: str
    location: str = ""
    filename: str | None = None
    lineno: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileEvent(Event):
    """A loop (`on_compile`) or a bridge (`on_bridge`) has been compiled and will run.

    Attributes:
        trace: Number of the trace.
        greens: Values of the greens.
        recorded_operations, operations: Operations before and after optimizing.
        machine_code_bytes: Size of the code.
        recording_seconds, optimizing_seconds, compiling_seconds: Wall-clock.
        guard: For a bridge, the number of the guard that it hangs on; else None.
    """

    trace: int
    greens: tuple[Any, ...] = ()
    recorded_operations: int = 0
    operations: int = 0
    machine_code_bytes: int = 0
    recording_seconds: float = 0.0
    optimizing_seconds: float = 0.0
    compiling_seconds: float = 0.0
    guard: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortEvent(Event):
    """A recording was given up: `reason` is the name of an AbortReason, `sentence` its text, `detail` what exactly."""

    reason: str
    sentence: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardFailureEvent(Event):
    """A guard exit into the interpreter: `guard` is its number, `failures` how often it has failed so far."""

    guard: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidateEvent(Event):
    """A trace was thrown away because `assumption` (a sentence) no longer holds."""

    trace: int
    assumption: str
