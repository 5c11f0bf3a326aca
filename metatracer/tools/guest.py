"""Finding guest scripts, and starting workers that run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import metatracer
from metatracer import log, params
from metatracer.errors import UsageError

DEFAULT_EXAMPLE = "registervm"
DEFAULT_ARGUMENTS = ["count.rvm", "300000"]
"""What `metatracer compare` runs when nothing is said: a loop of 300,000 additions and remainders."""


def examples_folder() -> Path | None:
    """The bundled interpreters of a checkout; None when the package was installed without them."""
    folder = Path(metatracer.__file__).resolve().parent.parent / "examples"
    return folder if (folder / "__init__.py").exists() else None


def example_names() -> list[str]:
    """Names of the bundled interpreters."""
    folder = examples_folder()
    return sorted(path.parent.name for path in folder.glob("*/__main__.py")) if folder is not None else []


def language_names() -> list[str]:
    """Names of the bundled languages."""
    return sorted(path.parent.name for path in _languages_folder().glob("*/__main__.py"))


def _languages_folder() -> Path:
    return Path(metatracer.__file__).resolve().parent.parent / "interpreters"


def find_script(target: str) -> Path:
    """The file of a script: a path, a folder with a `__main__.py`, or the name of a bundled example or language.

    Raises:
        UsageError: There is none.
    """
    path = Path(target)
    if path.is_file():
        return path.resolve()
    if (path / "__main__.py").is_file():
        return (path / "__main__.py").resolve()
    folder = examples_folder()
    if folder is not None and target in example_names():
        return folder / target / "__main__.py"
    if target in language_names():
        return _languages_folder() / target / "__main__.py"
    names, languages = example_names(), language_names()
    known = f"; the bundled examples are {', '.join(names)}" if names else ""
    known += f"; the bundled languages are {', '.join(languages)}" if languages else ""
    raise UsageError(f"there is no file {target}{known}")


def find_programs(script: Path, args: list[str]) -> list[str]:
    """The arguments, with the names of a bundled example's guest programs replaced by their files."""
    folder = examples_folder()
    if folder is None or script.parent.parent != folder:
        return args
    programs = script.parent / "programs"
    return [str(programs / arg) if not Path(arg).exists() and (programs / arg).is_file() else arg for arg in args]


@dataclass(frozen=True)
class Job:
    """What a worker is to do.

    Attributes:
        script: The file.
        args: The script's own arguments.
        mode: "run" or "measure" (see worker.py).
        traced: False starts it with METATRACER=off.
        parameters: "a=1,b=2" for METATRACER.
        log: Text for METATRACER_LOG; None leaves the environment's.
        iterations: For "measure".
        stages: For "run": which stages of each trace go into the report (see `runtime.stages`).
        snapshots: With the snapshots of guards.
    """

    script: Path
    args: list[str]
    mode: str = "run"
    traced: bool = True
    parameters: str = ""
    log: str | None = None
    iterations: int = 1
    stages: tuple[str, ...] = ()
    snapshots: bool = False

    def environment(self) -> dict[str, str]:
        """The environment of the worker: this process's, with the tracer's variables set."""
        found = dict(os.environ)
        if not self.traced:
            found[params.ENVIRONMENT_VARIABLE] = "off"
        else:
            params.parse(self.parameters)  # a mistake is told here, not in the child
            before = found.get(params.ENVIRONMENT_VARIABLE, "")
            # The later word wins: a comparison's traced side is traced even where the environment says off.
            on = "on" if self.mode == "measure" else ""
            words = ",".join(filter(None, (before, on, self.parameters)))
            if words:
                found[params.ENVIRONMENT_VARIABLE] = words
        if self.log is not None:
            log.parse(self.log)
            found[log.ENVIRONMENT_VARIABLE] = self.log
        # The worker must find this very package, installed or not.
        root = str(Path(metatracer.__file__).resolve().parent.parent)
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (root, found.get("PYTHONPATH", ""))))
        return found

    def write(self, path: Path, report: Path | None) -> None:
        """Write the job file."""
        job = {
            "mode": self.mode,
            "script": str(self.script),
            "args": self.args,
            "iterations": self.iterations,
            "stages": list(self.stages),
            "snapshots": self.snapshots,
            "report": str(report) if report is not None else None,
        }
        path.write_text(json.dumps(job), encoding="utf-8")


@dataclass
class Result:
    """What came of a worker.

    Attributes:
        status: Exit status of the process; negative: killed by that signal.
        report: The worker's report; empty when it could not write one.
        errors: What it wrote to standard error, if that was captured.
    """

    status: int
    report: dict[str, Any] = field(default_factory=dict)
    errors: str = ""

    @property
    def failure(self) -> str:
        """Why there is no report, as a sentence; "" if there is one."""
        if self.report:
            return ""
        if self.status < 0:
            return f"the process was killed by signal {-self.status}"
        return f"the process ended with status {self.status} before it could report"


def start(job: Job, *, capture: bool, show_output: bool = True, timeout_seconds: float | None = None) -> Result:
    """Run a job in a fresh process and wait for it.

    Args:
        job: What to do.
        capture: Keep standard error instead of letting it through.
        show_output: Let the script's standard output through.
        timeout_seconds: Kill it after that long.

    Raises:
        UsageError: It took longer than `timeout_seconds`.
        KeyboardInterrupt: Ctrl-C; the worker gets it too and is waited for.
    """
    with tempfile.TemporaryDirectory(prefix="metatracer-") as folder:
        job_file, report_file = Path(folder) / "job.json", Path(folder) / "report.json"
        job.write(job_file, report_file)
        command = [sys.executable, "-m", "metatracer.tools.worker", str(job_file)]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and module
                command,
                env=job.environment(),
                stdout=None if show_output else subprocess.DEVNULL,
                stderr=subprocess.PIPE if capture else None,
                stdin=subprocess.DEVNULL if job.mode == "measure" else None,
                timeout=timeout_seconds,
                check=False,
                text=True,
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            limit = f"{timeout_seconds:g} seconds"
            raise UsageError(f"{job.script.name} did not end within {limit}; give more with --timeout") from None
        report: dict[str, Any] = {}
        if report_file.exists():
            report = json.loads(report_file.read_text(encoding="utf-8"))
        return Result(done.returncode, report, done.stderr or "")
