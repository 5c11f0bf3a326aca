"""Counters of what the tracer did, and the records behind `explain`.

The runtime adds to `STATISTICS` and to `LoopRecord`s under the GIL: a figure read while another thread works may lag by
what that thread is just counting. Everything turns into JSON, with the unit in the name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

Status = Literal["compiled", "counting", "aborted", "refused", "invalidated", "replaced"]


@dataclass(slots=True)
class Statistics:
    """Totals of the process.

    Attributes:
        portals_installed: Functions rewritten.
        loops_compiled, bridges_compiled: Traces that were compiled and put in place.
        trees_compiled: Roots that were compiled once more as one function with their bridges. trees_laid_out_anew: How many of
            these because the counts were not those any more that a tree was laid out by.
        traces_compiled_again: Traces that are no part of a tree and were compiled once more because they ran often.
        versions_compiled: Loops compiled once more for arguments that the traces entering them have not allocated.
        carrying_compiled: Loops made again to carry numbers that their bridges counted in memory.
        recordings_started: Of loops and bridges together.
        aborts: Name of an AbortReason -> how often.
        guard_exits: Exits of machine code into the interpreter (those that a bridge takes are not seen).
        loop_entries: Entries from the interpreter into machine code.
        residual_call_sites: Calls in recorded traces that were not looked into.
        recorded_operations, optimized_operations: Before and after the optimizer.
        shared_code_loaded, shared_code_compiled: Pieces of the code that all traces share, from the user's cache directory and
            made anew; `shared_code_not_kept` counts those that could not be put there.
        machine_code_bytes: Ever made; `retired_codes_freed` counts the pieces of code given back.
        invalidations: Traces thrown away because an assumption broke.
        recording_seconds, optimizing_seconds, compiling_seconds: Wall-clock.
        replacement_looks: Looks at the counts of a loop. phases: How many of them saw a new phase.
        replacement_attempts: How many asked for a challenger. replacement_recordings_missed: Recordings of one that took
            another way.
        replacements_installed, replacements_rolled_back: How trials ended.
        background_seconds: What LLVM took for trees, on a thread of its own.
        hook_errors: Exceptions in the user's hooks.
        short_lived_greens: "driver.green" -> how many values were looked at, of greens with so many that loops with them seldom
            become hot (filled in by `statistics_snapshot`).
    """

    portals_installed: int = 0
    loops_compiled: int = 0
    versions_compiled: int = 0
    carrying_compiled: int = 0
    bridges_compiled: int = 0
    trees_compiled: int = 0
    trees_laid_out_anew: int = 0
    traces_compiled_again: int = 0
    recordings_started: int = 0
    aborts: dict[str, int] = field(default_factory=dict)
    guard_exits: int = 0
    loop_entries: int = 0
    residual_call_sites: int = 0
    recorded_operations: int = 0
    optimized_operations: int = 0
    shared_code_loaded: int = 0
    shared_code_compiled: int = 0
    shared_code_not_kept: int = 0
    machine_code_bytes: int = 0
    invalidations: int = 0
    retired_codes_freed: int = 0
    recording_seconds: float = 0.0
    optimizing_seconds: float = 0.0
    compiling_seconds: float = 0.0
    replacement_looks: int = 0
    phases: int = 0
    replacement_attempts: int = 0
    replacement_recordings_missed: int = 0
    replacements_installed: int = 0
    replacements_rolled_back: int = 0
    background_seconds: float = 0.0
    hook_errors: int = 0
    short_lived_greens: dict[str, int] = field(default_factory=dict)

    def count_abort(self, reason: str) -> None:
        """Count one abort; `reason` is the name of an AbortReason."""
        self.aborts[reason] = self.aborts.get(reason, 0) + 1

    def as_dict(self) -> dict[str, Any]:
        """A copy that json can write."""
        return asdict(self)

    def reset(self) -> None:
        """Set everything back to nothing, in place."""
        fresh = Statistics()
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))


@dataclass(slots=True)
class AbortRecord:
    """A recording of one loop that was given up, and how often for this reason at this place.

    Attributes:
        reason: Name of an AbortReason.
        sentence: Its text, which says what to change.
        detail: What exactly.
        filename, lineno: The author's place.
        times: How often.
    """

    reason: str
    sentence: str
    detail: str = ""
    filename: str | None = None
    lineno: int | None = None
    times: int = 1


@dataclass(slots=True)
class ResidualCall:
    """A function that traces call instead of looking into it.

    Attributes:
        function: Its qualified name.
        reason: Why it is not looked into, as a sentence.
        filename, lineno: Where it is defined, None for C functions.
        call_filename, call_lineno: Where it was called.
        times: How many recorded calls.
    """

    function: str
    reason: str
    filename: str | None = None
    lineno: int | None = None
    call_filename: str | None = None
    call_lineno: int | None = None
    times: int = 1


MOST_REPLACEMENT_RECORDS = 100
"""Kept of one loop."""


@dataclass(slots=True)
class ReplacementRecord:
    """An attempt to replace the root of a loop.

    Attributes:
        attempt: Its number.
        root_share, share: Of the passes: those that took the root's own way, and the wanted one.
        predicted: Time per pass with the new root over that with the old one; ratio: as measured, 0.0 if it was not.
        gain_seconds, cost_seconds: As expected.
        recordings: Made for it.
        outcome: "installed", "rolled back", "given up" (no trial) or "cancelled" (a trial that could not end).
        reason: In words.
    """

    attempt: int
    root_share: float
    share: float
    predicted: float
    ratio: float
    gain_seconds: float
    cost_seconds: float
    recordings: int
    outcome: str
    reason: str


@dataclass(slots=True)
class LoopRecord:
    """What became of one guest loop (one green key of one driver).

    Attributes:
        driver: Name of the driver.
        location: The driver's `get_printable_location`, or the greens.
        filename, lineno: The merge point in the author's file.
        status: What it is now.
        reason: For "refused" and "invalidated", why; else "".
        traces: Compiled traces (versions of the loop).
        bridges: Compiled bridges below them.
        trees: How often a root was compiled once more with its bridges.
        entries: Entries from the interpreter.
        guard_exits: Exits into the interpreter.
        back_edges: Visits counted by the interpreter, as far as the counters say.
        aborts: Recordings given up.
        residual_calls: Calls in its traces that were not looked into.
        replacements: Attempts to replace its root.
    """

    driver: str
    location: str
    filename: str | None = None
    lineno: int | None = None
    status: Status = "counting"
    reason: str = ""
    traces: int = 0
    bridges: int = 0
    trees: int = 0
    entries: int = 0
    guard_exits: int = 0
    back_edges: int = 0
    aborts: list[AbortRecord] = field(default_factory=list)
    residual_calls: list[ResidualCall] = field(default_factory=list)
    replacements: list[ReplacementRecord] = field(default_factory=list)

    def note_replacement(self, record: ReplacementRecord) -> None:
        """Note an attempt; of very many the first ones are dropped."""
        if len(self.replacements) >= MOST_REPLACEMENT_RECORDS:
            del self.replacements[: MOST_REPLACEMENT_RECORDS // 2]
        self.replacements.append(record)

    def add_abort(
        self, reason: str, sentence: str, detail: str = "", filename: str | None = None, lineno: int | None = None
    ) -> None:
        """Note an abort; the same reason at the same place is counted, not repeated."""
        for known in self.aborts:
            if (known.reason, known.detail, known.filename, known.lineno) == (reason, detail, filename, lineno):
                known.times += 1
                return
        self.aborts.append(AbortRecord(reason, sentence, detail, filename, lineno))

    def add_residual_call(self, call: ResidualCall) -> None:
        """Note a residual call; the same function for the same reason is counted, not repeated."""
        for known in self.residual_calls:
            if (known.function, known.reason, known.filename, known.lineno) == (
                call.function,
                call.reason,
                call.filename,
                call.lineno,
            ):
                known.times += call.times
                return
        self.residual_calls.append(call)

    def as_dict(self) -> dict[str, Any]:
        """A copy that json can write."""
        return asdict(self)


STATISTICS = Statistics()
"""The totals of this process."""
