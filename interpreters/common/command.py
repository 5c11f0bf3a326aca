"""The options that all interpreters' commands have, and what they do."""

from __future__ import annotations

import contextlib
import gc
import json
import resource
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

from metatracer import ParameterError, preload, set_user_param, statistics_snapshot


@dataclass
class Shared:
    """Attributes:
    jit: False: run untraced.
    parameters: `name=value` for the toolkit.
    stats: Show counters afterwards on standard error.
    sandbox: No files, no environment, no other processes.
    max_seconds: Time to run; None: no limit.
    max_memory: Megabytes that the program may take beside what interpreter and toolkit take before it begins; None: no limit.
    """

    jit: bool = True
    parameters: list[str] = field(default_factory=list)
    stats: bool = False
    sandbox: bool = False
    max_seconds: float | None = None
    max_memory: float | None = None


@dataclass
class Options(Shared):
    """Attributes, beside those of `Shared`:
    expressions: Given with `-e`.
    interactive: A REPL after everything else.
    file: The program, or None; "-" is standard input.
    arguments: What follows it.
    """

    expressions: list[str] = field(default_factory=list)
    interactive: bool = False
    help: bool = False
    file: str | None = None
    arguments: list[str] = field(default_factory=list)


class OptionError(Exception):
    """A wrong command line."""


class LimitExceededError(BaseException):
    """A program ran longer, or grew larger, than it may. Not an Exception: no handler of a guest gets it."""


SHARED_HELP = """\
  --jit on|off         trace and compile (default), or only interpret
  --param NAME=VALUE   set a parameter of the toolkit
  --stats              show counters afterwards, as JSON on standard error
  --sandbox            no files, no environment variables, no other processes
  --max-seconds N      stop after so many seconds
  --max-memory N       stop when the program has taken so many megabytes
"""

OPTIONS_HELP = f"""\
  -e EXPRESSION        evaluate this; may be given more than once
  -i                   a prompt after everything else
{SHARED_HELP}  --help               this
"""


def take_shared(options: Shared, rest: list[str]) -> bool:
    """Take the first word off a command line, with its value, if it is one of the options that all commands have.

    Raises:
        OptionError: It has no value, or a wrong one.
    """
    name, equals, value = rest[0].partition("=")
    if name in ("--stats", "--sandbox") and not equals:
        setattr(options, name[2:], True)
    elif name not in ("--jit", "--param", "--max-seconds", "--max-memory"):
        return False
    elif not equals:
        value = value_of(rest)
    del rest[0]
    if name == "--jit":
        if value not in ("on", "off"):
            raise OptionError(f"--jit is on or off, not {value}")
        options.jit = value == "on"
    elif name == "--param":
        options.parameters.append(value)
    elif name in ("--max-seconds", "--max-memory"):
        setattr(options, name[2:].replace("-", "_"), _positive(name, value))
    return True


def value_of(rest: list[str]) -> str:
    """The word after the first, which is an option; both, but one word, are taken off."""
    if len(rest) < 2:
        raise OptionError(f"{rest[0]} needs a value")
    return rest.pop(1)


def _positive(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0.0 < number < float("inf"):
        raise OptionError(f"{name} needs a number above 0, not {value}")
    return number


def parse_options(argv: Sequence[str]) -> Options:
    """The options before the first file's name, the name, and what follows it."""
    options = Options()
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        if rest[0] == "--":
            del rest[0]
            break
        if take_shared(options, rest):
            continue
        name, equals, value = rest[0].partition("=")
        if name in ("-i", "--help", "-h"):
            setattr(options, "interactive" if name == "-i" else "help", True)
        elif name == "-e":
            options.expressions.append(value if equals else value_of(rest))
        else:
            raise OptionError(f"unknown option {name}")
        del rest[0]
    if rest and not options.expressions:
        options.file = rest.pop(0)
    options.arguments = rest
    return options


def apply_parameters(options: Shared) -> None:
    """Tell the toolkit."""
    if not options.jit:
        set_user_param(None, "off")
    for text in options.parameters:
        try:
            set_user_param(None, text)
        except ParameterError as failure:
            raise OptionError(str(failure)) from None


def _memory_bytes(column: int) -> int:
    """Bytes by a column of `/proc/self/statm`: 0 the address space, 1 what is resident."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[column]) * resource.getpagesize()


Result = TypeVar("Result")


def limited(options: Shared, work: Callable[[], Result]) -> Result:
    """Do it, and raise LimitExceededError when it has used up what it may: again and again until it ends, never later.

    The address space is limited, too, but less: what takes too much at one stroke gets a MemoryError before the clock looks.
    """
    if options.max_seconds is None and options.max_memory is None:
        return work()
    most, space = None, resource.getrlimit(resource.RLIMIT_AS)
    soft = space[0]
    if options.max_memory is not None:
        if options.jit:
            preload()  # what the toolkit takes is not the program's
        most = _memory_bytes(1) + options.max_memory * 1e6
        size = _memory_bytes(0) + int(options.max_memory * 2e6) + (COMPILER_BYTES if options.jit else 0)
        soft = min([size, *[each for each in space if each != resource.RLIM_INFINITY]])
    start = time.monotonic()
    is_left = False

    def check(_number: int, _frame: Any) -> None:
        if is_left:
            return
        if options.max_seconds is not None and time.monotonic() - start > options.max_seconds:
            raise LimitExceededError(f"the program ran longer than {options.max_seconds:g} seconds")
        if most is not None and _memory_bytes(1) > most:
            raise LimitExceededError(f"the program took more than {options.max_memory:g} megabytes")

    before = signal.signal(signal.SIGALRM, check)
    resource.setrlimit(resource.RLIMIT_AS, (soft, space[1]))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        return work()
    finally:
        is_left = True  # CPython looks for signals behind calls, so none comes between the call above and this
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, space)


@contextmanager
def as_the_program(file: str | None, arguments: Sequence[str]) -> Iterator[None]:
    """Have `sys.argv` begin with the guest's file: by that the toolkit knows a program from run to run."""
    before = sys.argv
    if file is not None and file != "-":
        sys.argv = [file, *arguments]
    try:
        yield
    finally:
        sys.argv = before


@contextmanager
def like_a_program_of_the_shell() -> Iterator[None]:
    """End the process silently when it writes into a pipe that nobody reads any more, as programs that leave the signal alone do:
    a guest that passes by the error would write for ever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)


COMPILER_BYTES = 64 << 20
"""Of address space that is left to the toolkit beside what the program may take: without any, it compiles nothing."""


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
