"""The options that all interpreters' commands have, and what they do."""

from __future__ import annotations

import contextlib
import gc
import json
import signal
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

from metatracer import ParameterError, set_user_param, statistics_snapshot


@dataclass
class Options:
    """Attributes:
    jit: False: run untraced.
    parameters: `name=value` for the toolkit.
    stats: Show counters afterwards on standard error.
    sandbox: No files, no environment, no other processes.
    max_seconds: Time to run; None: no limit.
    max_memory: Resident megabytes; None: no limit.
    expressions: Given with `-e`.
    interactive: A REPL after everything else.
    file: The program, or None; "-" is standard input.
    arguments: What follows it.
    """

    jit: bool = True
    parameters: list[str] = field(default_factory=list)
    stats: bool = False
    sandbox: bool = False
    max_seconds: float | None = None
    max_memory: float | None = None
    expressions: list[str] = field(default_factory=list)
    interactive: bool = False
    help: bool = False
    file: str | None = None
    arguments: list[str] = field(default_factory=list)


class OptionError(Exception):
    """A wrong command line."""


class LimitExceededError(BaseException):
    """A program ran longer, or grew larger, than it may. Not an Exception: no handler of a guest gets it."""


OPTIONS_HELP = """\
  -e EXPRESSION        evaluate this; may be given more than once
  -i                   a prompt after everything else
  --jit on|off         trace and compile (default), or only interpret
  --param NAME=VALUE   set a parameter of the toolkit
  --stats              show counters afterwards, as JSON on standard error
  --sandbox            no files, no environment variables, no other processes
  --max-seconds N      stop after so many seconds
  --max-memory N       stop when the process has grown to so many megabytes
  --help               this
"""


def parse_options(argv: Sequence[str]) -> Options:
    """The options before the first file's name, the name, and what follows it."""
    options = Options()
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            rest.insert(0, word)
            break
        name, _, value = word.partition("=")
        flag = {"--stats": "stats", "--sandbox": "sandbox", "-i": "interactive", "--help": "help", "-h": "help"}.get(
            name
        )
        if flag is not None:
            setattr(options, flag, True)
            continue
        if name not in ("-e", "--jit", "--param", "--max-seconds", "--max-memory"):
            raise OptionError(f"unknown option {name}")
        if not value:
            if not rest:
                raise OptionError(f"{name} needs a value")
            value = rest.pop(0)
        _set(options, name, value)
    if rest and not options.expressions:
        options.file = rest.pop(0)
    options.arguments = rest
    return options


def _set(options: Options, name: str, value: str) -> None:
    if name == "-e":
        options.expressions.append(value)
    elif name == "--jit":
        if value not in ("on", "off"):
            raise OptionError("--jit is on or off")
        options.jit = value == "on"
    elif name == "--param":
        options.parameters.append(value)
    else:
        try:
            number = float(value)
        except ValueError:
            raise OptionError(f"{name} needs a number, not {value}") from None
        setattr(options, name[2:].replace("-", "_"), number)


def apply_parameters(options: Options) -> None:
    """Tell the toolkit."""
    if not options.jit:
        set_user_param(None, "off")
    for text in options.parameters:
        try:
            set_user_param(None, text)
        except ParameterError as failure:
            raise OptionError(str(failure)) from None


def resident_megabytes() -> float:
    """What this process occupies."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


@contextmanager
def limits(options: Options) -> Iterator[None]:
    """Raise LimitExceededError inside when the program has used up what it may."""
    if options.max_seconds is None and options.max_memory is None:
        yield
        return
    start = time.monotonic()

    def check(_number: int, _frame: Any) -> None:
        if options.max_seconds is not None and time.monotonic() - start > options.max_seconds:
            raise LimitExceededError(f"the program ran longer than {options.max_seconds:g} seconds")
        if options.max_memory is not None and resident_megabytes() > options.max_memory:
            raise LimitExceededError(f"the program took more than {options.max_memory:g} megabytes")

    before = signal.signal(signal.SIGALRM, check)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def collect_seldom() -> None:
    """For a process that does nothing else than run a guest: the collector of cycles runs less often than Python's default has
    it, and not over what is there before the guest. Guests allocate much, and little of it is ever in a cycle."""
    gc.collect()
    gc.freeze()
    # No callback of the collector's adapts this: a signal's handler might run in it, and CPython throws away what that raises.
    gc.set_threshold(YOUNG, 10, 50)


YOUNG = 200_000
"""Objects that are made, and not freed, before the collector of cycles looks at them."""

AnyFile = TypeVar("AnyFile", bound=IO[Any])

_written: weakref.WeakSet[IO[Any]] = weakref.WeakSet()
"""Files that a guest has opened for writing, and perhaps not closed."""


def note_written(file: AnyFile) -> AnyFile:
    """Have a file's contents written out when the process ends, whether somebody still refers to it or not."""
    _written.add(file)
    return file


def before_the_end() -> None:
    """For a process that is about to end: what the guest leaves behind is not looked through for cycles, only what it wrote
    is kept. CPython looks for cycles several times as it ends: 11 s after a run of 4 s (lazy streams) that left 400 megabytes."""
    for file in list(_written):
        with contextlib.suppress(OSError, ValueError):
            file.flush()
    gc.freeze()


def show_statistics() -> None:
    print(json.dumps(statistics_snapshot(), indent=2, default=str), file=sys.stderr)
