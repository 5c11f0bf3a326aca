"""The process in which a guest script runs: `python -m metatracer.tools.worker JOB.json`.

The command line starts one for everything it runs, so that the script has a fresh interpreter, the environment decides
whether it is traced, and neither typer nor rich is loaded beside it. The job file tells what to do:

    {"mode": "run" | "measure", "script": PATH, "args": [...], "iterations": N, "report": PATH or null,
     "stages": [...], "snapshots": BOOL}

`run` runs the script as `python SCRIPT ARGS` would; the report has the named stages of every trace. `measure` follows
this protocol: the file is executed once under another name than `__main__`. If it then has a function `prepare`, that is
called once, `prepare(args)`, and gives the function (without arguments) whose calls are the iterations: the guest program
is loaded once, as in a long-running process. Else, if it has a function `main`, an iteration is one call `main(args)`
(`main()` if it takes nothing). Standard output is captured; the first iteration is the cold one, and `iterations` of them
follow each other in the same process. A file with neither is executed once as `__main__`, and that is its only iteration.

The report is a JSON object: what happened, statistics and explain records. Units are in the names.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import inspect
import io
import json
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.runtime.stages import Watch

_OUTPUT_KEPT_CHARACTERS = 20_000


def prepare_path(script: Path) -> None:
    """Put on `sys.path` what Python would: the script's folder; and for a file in a package the package's parent."""
    folder = script.parent
    sys.path[0] = str(folder)
    top = folder
    while (top / "__init__.py").exists():
        top = top.parent
    if top != folder:
        # `python -m package.module` has the parent only; a script beside its package still finds its siblings.
        sys.path.insert(0, str(top))


def execute(script: Path, name: str) -> ModuleType:
    """Execute the file as module `name` and give the module.

    Raises:
        BaseException: Whatever the script raises.
    """
    module = ModuleType(name)
    module.__file__ = str(script)
    vars(module)["__builtins__"] = __builtins__
    sys.modules[name] = module
    code = compile(script.read_bytes(), str(script), "exec")
    exec(code, vars(module))  # noqa: S102 - running the user's script is the purpose
    return module


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far.

    `ru_maxrss` is not used where there is a better way: after fork and exec it still holds the parent's size.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _tracer_report() -> dict[str, Any]:
    """Statistics and records, if the script has loaded the package at all."""
    import metatracer  # only after the script has run, so that its import is the script's own
    from metatracer import jit

    return {
        "statistics": metatracer.statistics_snapshot(),
        "loops": metatracer.explain_records(),
        "short_lived_greens": jit.short_lived_greens(),
        "parameters": metatracer.params.defaults(),
    }


def _write_report(path: str | None, report: dict[str, Any]) -> None:
    if path is not None:
        Path(path).write_text(json.dumps(report, default=repr), encoding="utf-8")


def _print_exception() -> None:
    """Show the handled exception as Python would for the script itself: without the frames of this module."""
    kind, error, trace = sys.exc_info()
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    if error is not None:
        sys.excepthook(kind or type(error), error.with_traceback(trace), trace)


def _flush() -> None:
    # A reader that has gone away (`| head`) is no error of the script.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()


def run(script: Path, args: list[str], report: str | None, stages: list[str], *, snapshots: bool) -> int:
    """Run the script as `__main__`; the process's exit status."""
    watch: Watch | None = None
    if stages:
        from metatracer.runtime.stages import watch as watch_stages

        watch = watch_stages(stages, snapshots=snapshots)
    sys.argv = [str(script), *args]
    prepare_path(script)
    status = 0
    started = time.perf_counter()
    try:
        execute(script, "__main__")
    except SystemExit as leaving:
        status = _exit_status(leaving)
    except KeyboardInterrupt:
        _print_exception()
        status = 130
    except BaseException:  # noqa: BLE001 - shown as Python would show it, then the report is still written
        _print_exception()
        status = 1
    seconds = time.perf_counter() - started
    _flush()
    if report is not None:
        traces = [] if watch is None else [trace.as_dict() for trace in watch.traces]
        _write_report(report, {"status": status, "seconds": seconds, "traces": traces, **_tracer_report()})
    return status


def _exit_status(leaving: SystemExit) -> int:
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return leaving.code
    sys.stderr.write(f"{leaving.code}\n")
    return 1


class _Outcome:
    """How one iteration ended."""

    def __init__(self, seconds: float, output: str, result: str) -> None:
        self.seconds = seconds
        self.output = output
        self.result = result

    def as_dict(self, with_text: bool) -> dict[str, Any]:
        found = {
            "seconds": self.seconds,
            "output_sha256": hashlib.sha256(self.output.encode("utf-8", "surrogatepass")).hexdigest(),
            "output_characters": len(self.output),
            "result": self.result,
        }
        if with_text:
            found["output"] = self.output[:_OUTPUT_KEPT_CHARACTERS]
        return found


def _iterate(call: Any) -> _Outcome:
    """One iteration: its time, standard output, and how it ended."""
    captured = io.StringIO()
    gc.collect()  # garbage of the last iteration is not this one's time
    with contextlib.redirect_stdout(captured):
        started = time.perf_counter()
        try:
            value = call()
            result = f"returned {value!r}" if isinstance(value, (int, float, str, bool, type(None))) else "returned"
        except SystemExit as leaving:
            result = f"exit status {leaving.code!r}"
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - how it ended is what is compared
            result = "raised " + "".join(traceback.format_exception_only(error)).strip()
        seconds = time.perf_counter() - started
    return _Outcome(seconds, captured.getvalue(), result)


def _repeatable(module: ModuleType, args: list[str]) -> Callable[[], Any] | None:
    """What one iteration calls: what `prepare(args)` gives, or `main`; None when there is neither."""
    prepare = getattr(module, "prepare", None)
    if callable(prepare):
        prepared: Callable[[], Any] = prepare(list(args))
        return prepared
    main = getattr(module, "main", None)
    if not callable(main):
        return None
    takes_arguments = bool(inspect.signature(main).parameters)
    return lambda: main(list(args)) if takes_arguments else main()


def measure(script: Path, args: list[str], iterations: int, report: str | None) -> int:
    """Run the measuring protocol and write the report."""
    sys.argv = [str(script), *args]
    prepare_path(script)
    outcomes: list[_Outcome] = []
    modules: list[ModuleType] = []
    calls: list[Callable[[], Any] | None] = []
    loading = _iterate(lambda: modules.append(execute(script, "__metatracer_guest__")))
    call: Callable[[], Any] | None = None
    if modules:
        preparing = _iterate(lambda: calls.append(_repeatable(modules[0], args)))
        loading = preparing if not calls else _Outcome(loading.seconds + preparing.seconds, "", "")
        call = calls[0] if calls else None
    if not calls:
        # The file could not even be executed or prepared: that is its result.
        outcomes.append(loading)
    elif call is not None:
        outcomes.extend(_iterate(call) for _ in range(iterations))
    else:
        outcomes.append(_iterate(lambda: execute(script, "__main__") and None))
    _write_report(
        report,
        {
            "has_main": call is not None,
            "loading_seconds": loading.seconds,
            "iterations": [outcome.as_dict(with_text=number == 0) for number, outcome in enumerate(outcomes)],
            "peak_memory_bytes": peak_memory_bytes(),
            **_tracer_report(),
        },
    )
    return 0


def main(job_file: str) -> int:
    """Do the job described in the file."""
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    script = Path(job["script"])
    if job["mode"] == "measure":
        return measure(script, job["args"], job["iterations"], job["report"])
    return run(script, job["args"], job["report"], job["stages"], snapshots=job["snapshots"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
