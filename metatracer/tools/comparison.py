"""One guest program, untraced and traced, in separate processes: running both and comparing what came out."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from metatracer.tools.guest import Job, Result, start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass
class Side:
    """The runs of one side, untraced or traced.

    Attributes:
        cold_seconds: Each run's first iteration.
        warm_seconds: Each run's median of the second half of its iterations.
        loading_seconds: Each run's time to execute the script's file.
        peak_memory_bytes: Each run's.
        statistics: Of the last run.
        loops: Explain records of the last run.
    """

    cold_seconds: list[float] = field(default_factory=list)
    warm_seconds: list[float] = field(default_factory=list)
    loading_seconds: list[float] = field(default_factory=list)
    peak_memory_bytes: list[int] = field(default_factory=list)
    statistics: dict[str, Any] = field(default_factory=dict)
    loops: list[dict[str, Any]] = field(default_factory=list)

    def add(self, report: dict[str, Any]) -> None:
        """Take in one run's report."""
        seconds = [each["seconds"] for each in report["iterations"]]
        self.cold_seconds.append(seconds[0])
        self.warm_seconds.append(statistics.median(seconds[len(seconds) // 2 :]))
        self.loading_seconds.append(report["loading_seconds"])
        self.peak_memory_bytes.append(report["peak_memory_bytes"])
        self.statistics = report["statistics"]
        self.loops = report["loops"]


@dataclass
class Comparison:
    """What came out of comparing.

    Attributes:
        script: Its file.
        args: Its arguments.
        runs, iterations: Processes on each side, and iterations in each.
        has_main: Whether the script has a `prepare` or `main` to call again; without it each run is one cold iteration.
        untraced, traced: Both sides.
        result: How the first iteration ended on the untraced side.
        difference: The first difference in what the two did, as a sentence; "" when they agree.
        failures: Runs that gave no result, as sentences.
        messages: What the traced processes wrote to standard error, of the first run that wrote anything.
    """

    script: str
    args: list[str]
    runs: int
    iterations: int
    has_main: bool = True
    untraced: Side = field(default_factory=Side)
    traced: Side = field(default_factory=Side)
    result: str = ""
    difference: str = ""
    failures: list[str] = field(default_factory=list)
    messages: str = ""

    @property
    def is_good(self) -> bool:
        """Both sides ran and did the same."""
        return not self.difference and not self.failures

    def ratio(self, what: str) -> float | None:
        """How many times faster the traced side is, by medians; `what` is "cold_seconds" or "warm_seconds"."""
        slow: list[float] = getattr(self.untraced, what)
        fast: list[float] = getattr(self.traced, what)
        if not slow or not fast or statistics.median(fast) <= 0:
            return None
        return statistics.median(slow) / statistics.median(fast)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found = asdict(self)
        found["outputs_agree"] = not self.difference and not self.failures
        found["cold_ratio"] = self.ratio("cold_seconds")
        found["warm_ratio"] = self.ratio("warm_seconds")
        return found


def first_difference(untraced: dict[str, Any], traced: dict[str, Any]) -> str:
    """The first difference between two reports of the same job, as a sentence; "" when there is none."""
    ours, theirs = traced["iterations"], untraced["iterations"]
    for number, (one, other) in enumerate(zip(theirs, ours, strict=False), start=1):
        if one["result"] != other["result"]:
            return f"iteration {number}: untraced {one['result']}, traced {other['result']}"
        if one["output_sha256"] != other["output_sha256"]:
            return f"iteration {number}: the outputs differ" + _line_difference(one.get("output"), other.get("output"))
    if len(ours) != len(theirs):
        return f"untraced made {len(theirs)} iterations, traced {len(ours)}"
    return ""


def _line_difference(untraced: str | None, traced: str | None) -> str:
    if untraced is None or traced is None:
        return ", though those of the first iteration were the same"
    one, other = untraced.splitlines(), traced.splitlines()
    for number in range(max(len(one), len(other))):
        left = repr(one[number]) if number < len(one) else "nothing"
        right = repr(other[number]) if number < len(other) else "nothing"
        if left != right:
            return f" in line {number + 1}: untraced {left}, traced {right}"
    return " behind the part that was kept"


def compare(
    script: Path,
    args: list[str],
    *,
    runs: int,
    iterations: int,
    parameters: str = "",
    timeout_seconds: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
    run_job: Callable[[Job, float | None], Result] | None = None,
) -> Comparison:
    """Run both sides, interleaved, so that a slow minute of the machine meets both.

    Args:
        script: The guest script.
        args: Its arguments.
        runs: Processes on each side.
        iterations: Iterations in each process.
        parameters: For the traced side.
        timeout_seconds: For each process.
        progress: Called with the name of the side after each process.
        run_job: How a job is run; given by tests.

    Raises:
        UsageError: A process took too long.
    """
    if run_job is None:
        run_job = _run_job
    found = Comparison(str(script), args, runs, iterations)
    for run in range(runs):
        reports: dict[str, dict[str, Any]] = {}
        for name, side in (("untraced", found.untraced), ("traced", found.traced)):
            traced = name == "traced"
            given = parameters if traced else ""
            job = Job(script, args, mode="measure", traced=traced, iterations=iterations, parameters=given)
            result = run_job(job, timeout_seconds)
            progress(name)
            if result.failure:
                detail = f": {result.errors.strip().splitlines()[-1]}" if result.errors.strip() else ""
                found.failures.append(f"run {run + 1}, {name}: {result.failure}{detail}")
                continue
            if traced and result.errors and not found.messages:
                found.messages = result.errors
            reports[name] = result.report
            if not traced:
                found.result = result.report["iterations"][0]["result"]
            found.has_main = result.report["has_main"]
            side.add(result.report)
        if len(reports) == 2 and not found.difference:
            found.difference = first_difference(reports["untraced"], reports["traced"])
    return found


def _run_job(job: Job, timeout_seconds: float | None) -> Result:
    return start(job, capture=True, show_output=False, timeout_seconds=timeout_seconds)
