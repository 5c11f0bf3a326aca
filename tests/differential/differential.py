"""The differential harness: scenarios, modes, workers, and the comparison.

A *scenario* is a guest program with arguments, or the text of a Python module with a function `main`. A *mode* is a
setting of METATRACER. A *worker* is a process of one mode that runs scenarios one after another (`child`), so that the
start of Python and of LLVM is paid once. What is compared: output, result, exception with message and traceback lines,
and how many objects of each of the interpreter's classes a scenario leaves behind. A worker that dies or hangs is a
failure; the scenario is then saved as a file that `python -m tests.differential.replay` runs again.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
SAVED = Path(os.environ.get("METATRACER_FAILURES", Path(tempfile.gettempdir()) / "metatracer-failures"))
ONES = "threshold=1,function_threshold=1,trace_eagerness=1"
EAGER = f"{ONES},compile_level=0"
"""Nearly everything is compiled, so the code generator is the fast one; the others are for `OPTIMIZED` and `TRACED`."""


@dataclass(frozen=True)
class Mode:
    """A name and the value of METATRACER."""

    name: str
    setting: str


UNTRACED = Mode("untraced", "off")
TRACED = Mode("traced", "payback=0")
EAGERLY = Mode("thresholds 1", EAGER)
OPTIMIZED = Mode("thresholds 1, optimized", f"{ONES},compile_level=2")
# Every guard fails, so without a limit there would be a bridge for each guard of each bridge, hundreds to compile.
FEW = "bridge_limit=6"
# Bridges end at joints in the second one.
FORCED = tuple(
    Mode(f"exits forced at {k}", f"{EAGER},{FEW},force_exits={k}{',tail_limit=4' if k == 2 else ''}") for k in (1, 2, 7)
)
# Again and again, at moments that are random but the same in each run, by turns installed and rolled back.
OFTEN = "replace=full,backoff_factor=1.2"
REPLACED = Mode("roots replaced", f"{EAGER},{FEW},{OFTEN},force_replace=3,tail_limit=8")
AT_ONCE = f"{EAGER},tier2_threshold=3,tier2_level=0"
REPLACED_TREES = Mode(
    "trees at once, roots replaced", f"{AT_ONCE},background=off,{FEW},{OFTEN},force_replace=5"
)
REPLACED_BEHIND = Mode("trees in the background, roots replaced", f"{AT_ONCE},{FEW},{OFTEN},force_replace=9")
TREES = Mode("trees at once", f"{AT_ONCE},background=off,tail_limit=6")
FORCED_TREES = Mode("trees at once, exits forced at 7", f"{AT_ONCE},background=off,{FEW},force_exits=7")
"""The first executions are counted in each trace's own code, the one that fails is in a tree."""
TREES_BEHIND = Mode("trees in the background", AT_ONCE)
TRACED_MODES = (
    TRACED, EAGERLY, OPTIMIZED, REPLACED, *FORCED, TREES, FORCED_TREES, TREES_BEHIND, REPLACED_TREES,
    REPLACED_BEHIND,
)  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """One thing to run.

    Attributes:
        name: For messages.
        interpreter: Module with `load(path)` and `run_program(program, *arguments)`; "" for a Python module.
        path: A guest program's file, or "" when it is in `text`.
        text: The guest program, or the Python module's text.
        arguments: For the guest program.
        counted: Names of the classes whose objects are counted; for Python modules all of the module's own.
        threads: So many run it at the same time, each for itself.
    """

    name: str
    interpreter: str = ""
    path: str = ""
    text: str = ""
    arguments: tuple[int, ...] = ()
    counted: tuple[str, ...] = ()
    threads: int = 1


@dataclass
class Outcome:
    """What one run did. `died` says how the process ended when it did not answer."""

    stdout: str = ""
    value: str = ""
    error: dict[str, Any] | None = None
    live: dict[str, int] = field(default_factory=dict)
    died: str = ""
    statistics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    mistake: str = ""

    def compared(self) -> dict[str, Any]:
        """The part that must not differ between modes."""
        error = self.error
        if error is not None and error["type"] == "RecursionError":
            # How deep the stack is when it overflows is not part of the meaning.
            error = {"type": "RecursionError"}
        return {
            "output": self.stdout,
            "result": self.value,
            "exception": error,
            "live objects": self.live,
            "process": self.died,
            "mistakes of the toolkit": self.mistake,
        }


class Worker:
    """A process of one mode; started when first used and again after it died."""

    def __init__(self, mode: Mode, python: str = sys.executable, timeout: float = 120.0) -> None:
        self.mode = mode
        self.python = python
        self.timeout = timeout
        self.process: subprocess.Popen[str] | None = None
        self.answers: queue.Queue[str] = queue.Queue()
        self.stderr = tempfile.TemporaryFile()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "METATRACER": self.mode.setting, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
        self.stderr.seek(0)
        self.stderr.truncate()
        process = subprocess.Popen(
            [self.python, "-X", "faulthandler", "-m", "tests.differential.child"],
            cwd=ROOT, env=environment, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr,
        )  # fmt: skip
        answers: queue.Queue[str] = queue.Queue()
        self.answers = answers

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                answers.put(line)
            answers.put("")

        self.reader = threading.Thread(target=read, daemon=True)
        self.reader.start()
        return process

    def run(self, scenario: Scenario) -> Outcome:
        """Run one scenario; a death of the process is in the outcome, and the next call starts a new one."""
        if self.process is None:
            self.process = self._start()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(asdict(scenario)) + "\n")
            self.process.stdin.flush()
            line = self.answers.get(timeout=self.timeout)
        except BrokenPipeError:
            line = ""
        except queue.Empty:
            self.stop()
            return Outcome(died=f"no answer within {self.timeout:g} s")
        if line:
            return Outcome(**json.loads(line))
        status = self.process.wait()
        self.stop()
        self.stderr.seek(0)
        said = self.stderr.read().decode("utf-8", "replace")
        if len(said) > 4000:  # why it died comes first, where the main thread was last
            said = f"{said[:1500]}\n...\n{said[-2500:]}"
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return Outcome(died=f"{how}\n{said}")

    def stop(self) -> None:
        """End the process; the next `run` starts another one."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                continue
        self.process = None

    def close(self) -> None:
        """End the process for good."""
        self.stop()
        self.stderr.close()


class Comparison:
    """One untraced worker and one for each other mode."""

    def __init__(
        self, modes: Sequence[Mode] = TRACED_MODES, python: str = sys.executable, timeout: float = 120.0
    ) -> None:
        self.reference = Worker(UNTRACED, python, timeout)
        self.workers = [Worker(mode, python, timeout) for mode in modes]
        self.totals: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for worker in (self.reference, *self.workers):
            worker.close()

    def check(self, scenario: Scenario) -> list[str]:
        """Run a scenario in all modes; gives a text for each mode that differs, and saves the scenario if one does."""
        expected = self.reference.run(scenario)
        problems: list[str] = []
        if expected.died:
            problems.append(f"{scenario.name}: untraced: {expected.died}")
        for worker in self.workers:
            outcome = worker.run(scenario)
            for key, value in outcome.statistics.items():
                self.totals[key] = self.totals.get(key, 0) + value
            problems += differences(scenario.name, worker.mode, expected, outcome)
        if problems:
            problems.append(f"saved as {save(scenario)}")
        return problems


def differences(name: str, mode: Mode, expected: Outcome, outcome: Outcome) -> list[str]:
    """A text for each thing in which a run differs from the untraced one."""
    if outcome.died:
        return [f"{name}: {mode.name} (METATRACER={mode.setting}): the process died: {outcome.died}"]
    problems: list[str] = []
    found = outcome.compared()
    for what, value in expected.compared().items():
        if found[what] != value:
            problems.append(
                f"{name}: {mode.name} (METATRACER={mode.setting}): {what} differs\n"
                f"  untraced: {_short(value)}\n  traced:   {_short(found[what])}"
            )
    return problems


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 2000 else f"{text[:1000]} ... {text[-1000:]}"


def save(scenario: Scenario) -> Path:
    """Write a scenario where `replay` can read it, named by its content."""
    SAVED.mkdir(parents=True, exist_ok=True)
    if scenario.path and not scenario.text:
        scenario = Scenario(**{**asdict(scenario), "text": Path(scenario.path).read_text(encoding="utf-8")})
    data = json.dumps(asdict(scenario), indent=1)
    path = SAVED / f"{hashlib.sha256(data.encode()).hexdigest()[:12]}.json"
    path.write_text(data, encoding="utf-8")
    path.with_suffix(".txt").write_text(scenario.text, encoding="utf-8")
    return path


def read_saved(path: Path) -> Scenario:
    """Read a scenario that `save` wrote."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return Scenario(**{**data, "arguments": tuple(data["arguments"]), "counted": tuple(data["counted"])})


def supported_modes(modes: Iterable[Mode] = TRACED_MODES) -> list[Mode]:
    """The modes whose parameters this build knows: `force_exits` belongs to the backend and may be absent."""
    from metatracer.params import BY_NAME

    return [mode for mode in modes if "force_exits" in BY_NAME or "force_exits" not in mode.setting]


def mode_params(modes: Iterable[Mode]) -> list[Any]:
    """The supported modes as parameters of a fixture; what only some runs need to check is marked slow."""
    import pytest

    quick = (TRACED, EAGERLY, FORCED[0])
    return [
        pytest.param(mode, id=mode.name, marks=() if mode in quick else pytest.mark.slow)
        for mode in supported_modes(modes)
    ]
