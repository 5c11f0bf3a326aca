"""The command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from interpreters.common.command import (
    OPTIONS_HELP, LimitExceededError, OptionError, Options, apply_parameters, as_the_program, collect_seldom,
    like_a_program_of_the_shell, limited, parse_options, show_statistics,
)  # fmt: skip
from interpreters.common.prompt import keep_history
from interpreters.scheme import prims_system
from interpreters.scheme.files import text_of
from interpreters.scheme.objects import (
    EOF, UNSPECIFIED, Condition, ExitRequest, SchemeError, Values,
)  # fmt: skip
from interpreters.scheme.ports import SANDBOX
from interpreters.scheme.printer import error_text, to_text
from interpreters.scheme.reader import IncompleteError, Reader
from interpreters.scheme.runtime import Runtime

USAGE = f"""usage: scheme [options] [file [arguments]]

{OPTIONS_HELP}"""


def report(failure: SchemeError) -> None:
    """Tell about an error that nobody handled."""
    payload = failure.payload
    place = failure.place or (payload.place if type(payload) is Condition else "")
    kind = "syntax error" if type(payload) is Condition and payload.kind == "syntax" else "error"
    print(f"{place}: {kind}: {error_text(payload)}" if place else f"{kind}: {error_text(payload)}", file=sys.stderr)


def guarded(work: Callable[[], Any]) -> int:
    """Run it; the exit status."""
    try:
        work()
    except SchemeError as failure:
        sys.stdout.flush()
        report(failure)
        return 70
    except ExitRequest as request:
        return request.status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _text_of(file: str) -> str:
    return sys.stdin.read() if file == "-" else text_of(file)


def main(argv: Sequence[str]) -> int:
    """The command; gives the exit status."""
    try:
        options = parse_options(argv)
        apply_parameters(options)
    except OptionError as failure:
        print(f"scheme: {failure}\n{USAGE}", file=sys.stderr)
        return 2
    with like_a_program_of_the_shell(), as_the_program(options.file, options.arguments):
        if options.help:
            print(USAGE)
        status = 0 if options.help else _run(options)
        if options.stats:
            show_statistics()
        sys.stdout.flush()
    return status


def _new_runtime() -> Runtime:
    runtime = Runtime()
    collect_seldom()
    return runtime


def _run(options: Options) -> int:
    runtime = _new_runtime()
    text = ""
    prims_system.set_command_line([options.file or "scheme", *options.arguments])
    if options.file is not None:
        try:
            text = _text_of(options.file)
        except OSError as failure:
            print(f"scheme: cannot read {options.file}: {failure.strerror}", file=sys.stderr)
            return 2
    SANDBOX[0] = options.sandbox

    def work() -> None:
        for expression in options.expressions:
            value = runtime.evaluate(expression, "-e")
            if value is not UNSPECIFIED:
                print(to_text(value))
        if options.file is not None:
            runtime.run_program(text, options.file)
        if options.interactive or (options.file is None and not options.expressions):
            repl(runtime)

    try:
        return limited(options, lambda: guarded(work))
    except LimitExceededError as failure:
        sys.stdout.flush()
        print(f"stopped: {failure}", file=sys.stderr)
        return 75


def prepare(argv: Sequence[str]) -> Callable[[], Any]:
    """For `metatracer compare`: the program is read once and run many times."""
    options = parse_options(argv)
    assert options.file is not None
    prims_system.set_command_line([options.file, *options.arguments])
    program = _new_runtime().load_program(_text_of(options.file), options.file)

    def run() -> Any:
        return guarded(program)

    return run


def repl(runtime: Runtime) -> None:
    """Read, evaluate, print; a form may go over several lines."""
    interactive = sys.stdin.isatty()
    if interactive:
        keep_history("scheme")
        print("Scheme, made with metatracer. (exit) or end of input leaves.")
    buffer = ""
    while True:
        try:
            line = _ask("> " if not buffer else "  ", interactive)
        except KeyboardInterrupt:
            print()
            buffer = ""
            continue
        if line is None:
            if buffer.strip():
                guarded_form(runtime, buffer, complete=True)
            if interactive:
                print()
            return
        buffer = guarded_form(runtime, buffer + line + "\n", complete=False)


def _ask(prompt: str, interactive: bool) -> str | None:
    if not interactive:
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None
    try:
        return input(prompt)
    except EOFError:
        return None


def guarded_form(runtime: Runtime, text: str, complete: bool) -> str:
    """Evaluate the forms of a text; gives the rest, which is not complete yet."""
    reader = Reader(text, "repl")
    while True:
        start = reader.position
        try:
            form = reader.read() if complete else reader.read_or_incomplete()
        except IncompleteError:
            return text[start:]
        except SchemeError as failure:
            report(failure)
            return ""
        if form is EOF:
            return ""
        try:
            show(runtime.evaluate(text[start : reader.position], "repl"))
        except SchemeError as failure:
            report(failure)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)


def show(value: Any) -> None:
    if type(value) is Values:
        for item in value.items:
            print(to_text(item))
    elif value is not UNSPECIFIED:
        print(to_text(value))


__all__ = ["main", "prepare"]
