"""The worker process: reads scenarios as JSON lines, answers each with an outcome as a JSON line."""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

KEPT: list[object] = []
"""Programs and modules stay alive: traces may hold on to them, and the untraced process must not differ in that."""

SWITCH_INTERVAL = 1e-4
"""Seconds after which another thread wants its turn: in most programs several times."""

_TOTALS = (
    "loops_compiled", "bridges_compiled", "trees_compiled", "guard_exits", "loop_entries", "recordings_started",
    "invalidations", "replacements_installed", "replacements_rolled_back",
)  # fmt: skip

_MISTAKES = ("COMPILE_FAILED", "INTERNAL_ERROR")
"""Aborts that no guest program may cause."""


def count_objects(classes: list[type]) -> dict[str, int]:
    """How many objects of each class are alive, after a collection."""
    gc.collect()
    counts = {cls.__qualname__: 0 for cls in classes}
    wanted = set(classes)
    for value in gc.get_objects():
        if type(value) in wanted:
            counts[type(value).__qualname__] += 1
    return counts


def statistics() -> dict[str, float]:
    """The totals so far."""
    import metatracer

    snapshot = metatracer.statistics_snapshot()
    totals = {name: float(snapshot.get(name, 0)) for name in _TOTALS}
    aborts = snapshot.get("aborts", {})
    totals["aborts"] = float(sum(aborts.values()))
    totals["mistakes"] = float(sum(aborts.get(name, 0) for name in _MISTAKES))
    return totals


def last_mistake() -> str:
    """What `explain` says of the latest abort that was the toolkit's own mistake."""
    import metatracer

    details = [
        abort["detail"]
        for record in metatracer.explain_records()
        for abort in record["aborts"]
        if abort["reason"] in _MISTAKES
    ]
    return details[-1] if details else "no detail"


def describe_error(error: BaseException) -> dict[str, Any]:
    """Type, message, causes and the lines of the traceback below this file."""
    frames = [
        [Path(frame.filename).name, frame.lineno, frame.name]
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__
    ]
    try:
        message = str(error)
    except ValueError as second:  # an int too long to be turned into text
        message = f"no message: {second}"
    described: dict[str, Any] = {"type": type(error).__name__, "message": message, "frames": frames}
    if error.__cause__ is not None:
        described["cause"] = describe_error(error.__cause__)
    elif error.__context__ is not None:
        described["context"] = describe_error(error.__context__)
    return described


def prepare(scenario: dict[str, Any]) -> tuple[Any, list[type]]:
    """The function that runs a scenario, and the classes to count."""
    if not scenario["interpreter"]:
        module = types.ModuleType("generated")
        module.__file__ = f"{scenario['name']}.py"
        sys.modules["generated"] = module
        KEPT.append(module)
        exec(compile(scenario["text"], module.__file__, "exec"), module.__dict__)
        main = module.__dict__["main"]
        own = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == "generated"]
        return main, own
    interpreter = importlib.import_module(scenario["interpreter"])
    if scenario["path"]:
        program = interpreter.load(scenario["path"])
    else:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".guest") as file:
            file.write(scenario["text"])
            file.flush()
            program = interpreter.load(file.name)
    KEPT.append(program)
    arguments = scenario["arguments"]

    def run() -> object:
        result = interpreter.run_program(program, *arguments)
        display = getattr(result, "display", None)
        return display() if display is not None else result

    package = scenario["interpreter"].rpartition(".")[0]
    classes = {
        value
        for name, module in list(sys.modules.items())
        if name.startswith(package + ".")
        for value in vars(module).values()
        if isinstance(value, type) and value.__name__ in scenario["counted"]
    }
    return run, sorted(classes, key=lambda cls: cls.__qualname__)


class Outputs(io.TextIOBase):
    """A standard output that keeps what each thread writes apart."""

    def __init__(self) -> None:
        self._own = threading.local()

    def write(self, text: str) -> int:
        self._own.text = self.text() + text
        return len(text)

    def text(self) -> str:
        """What this thread has written."""
        text: str = getattr(self._own, "text", "")
        return text


def run_once(run: Callable[[], object], output: Outputs) -> tuple[str, str, dict[str, Any] | None]:
    """What the program writes, its result, and its exception, on this thread."""
    error: dict[str, Any] | None = None
    value = ""
    try:
        value = repr(run())
    except Exception as caught:  # noqa: BLE001 - whatever the program raises is what is compared
        error = describe_error(caught)
        caught.__traceback__ = None
    return output.text(), value, error


def run_in_threads(run: Callable[[], object], output: Outputs, count: int) -> tuple[str, str, dict[str, Any] | None]:
    """The same of a number of threads at a time; what differs between them is told in the text."""
    results: list[tuple[str, str, dict[str, Any] | None]] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        threads = [threading.Thread(target=lambda: results.append(run_once(run, output))) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    text, value, error = results[0]
    others = [result for result in results if result != results[0]]
    return (f"{text}\nother threads: {others}" if others or len(results) < count else text), value, error


def run_scenario(scenario: dict[str, Any]) -> dict[str, Any]:
    """Run one scenario; gives the fields of an Outcome."""
    stdout, output = sys.stdout, Outputs()
    sys.stdout = output
    statistics_before = statistics()
    try:
        run, classes = prepare(scenario)
        before = count_objects(classes)
        started = time.perf_counter()
        if scenario["threads"] > 1:
            text, value, error = run_in_threads(run, output, scenario["threads"])
        else:
            text, value, error = run_once(run, output)
        seconds = time.perf_counter() - started
    except Exception as caught:  # noqa: BLE001 - a program that cannot be made is compared, too
        text, value, error, classes, before, seconds = output.text(), "", describe_error(caught), [], {}, 0.0
    finally:
        sys.stdout = stdout
    after = count_objects(classes)
    statistics_after = statistics()
    mistaken = statistics_after["mistakes"] > statistics_before["mistakes"]
    return {
        "stdout": text,
        "value": value,
        "error": error,
        "live": {name: count - before.get(name, 0) for name, count in after.items()},
        "statistics": {name: total - statistics_before[name] for name, total in statistics_after.items()},
        "seconds": seconds,
        "mistake": last_mistake() if mistaken else "",
    }


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Whatever writes to the real standard output by mistake must not be taken for an answer.
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(run_scenario(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
