"""Named log sections: METATRACER_LOG=record,opt:FILE writes the sections `record` and `opt` to FILE.

Code that logs keeps the section and asks before it formats anything, so that a section that is off costs one
attribute read:

    _log = log.section("record")
    ...
    if _log.on:
        _log.write(f"{location}: {n} operations")

The text of a section is meant to be read and compared: no addresses, one fact a line, printed IR is IR that parses.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from io import FileIO
from typing import TYPE_CHECKING

from metatracer.errors import ParameterError
from metatracer.params import near_names

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT_VARIABLE = "METATRACER_LOG"

SECTIONS: dict[str, str] = {
    "record": "each recording: where it began and ended, and the recorded trace",
    "opt": "each trace as it leaves the optimizer",
    "llvm": "the LLVM text of each compiled trace",
    "compile": "one line for each compiled loop and bridge",
    "tree": "one line for each tree that was compiled as one function, with its bridges and how often they ran",
    "exit": "one line for each guard exit into the interpreter",
    "abort": "one line for each recording that was given up, with its reason",
    "invalidate": "one line for each assumption that broke, and what it took down",
    "replace": "one line for each decision about a loop's root",
    "portal": "what the rewriting of each portal found and did",
}


class Section:
    """One named section.

    Attributes:
        name: A key of `SECTIONS`.
        on: Whether anybody reads it. Look before formatting.
    """

    __slots__ = ("_file", "name", "on")

    def __init__(self, name: str) -> None:
        self.name = name
        self.on = False
        self._file: FileIO | None = None

    def write(self, text: str) -> None:
        """Write one line, or several that belong together; does nothing when the section is off."""
        if not self.on:
            return
        stamp = f"[{self.name} {time.monotonic() - _started:.6f}] "
        lines = text.rstrip("\n").split("\n")
        block = stamp + ("\n" + " " * 4).join(lines) + "\n"
        with _lock:
            try:
                if self._file is not None:
                    self._file.write(block.encode("utf-8", "backslashreplace"))
                elif sys.stderr is not None:  # a process may have no standard error
                    sys.stderr.write(block)
                    sys.stderr.flush()
            except (OSError, ValueError):
                # A full disk or a stream closed at exit must not reach the guest; the section says no more.
                self.on = False


_started = time.monotonic()
_lock = threading.Lock()
_sections: dict[str, Section] = {name: Section(name) for name in SECTIONS}


def section(name: str) -> Section:
    """The section of this name; always the same object."""
    return _sections[name]


def sections_on() -> Iterator[str]:
    """Names of the sections that are on."""
    return (name for name, found in _sections.items() if found.on)


def parse(spec: str) -> tuple[list[str], str]:
    """Split "a,b:FILE" into names and file ("" for standard error); "all" stands for every section.

    Raises:
        ParameterError: An unknown section.
    """
    names_text, _, filename = spec.partition(":")
    names = [name.strip() for name in names_text.split(",") if name.strip()]
    if "all" in names:
        names = list(SECTIONS)
    for name in names:
        if name not in SECTIONS:
            raise ParameterError(f"there is no log section {name!r}{near_names(name, SECTIONS)}")
    return names, "" if filename == "-" else filename


def configure(spec: str) -> None:
    """Turn exactly the sections of "a,b:FILE" on; "" turns all off. `%p` in FILE is the process's id.

    Raises:
        ParameterError: An unknown section, or a file that cannot be written; nothing has changed then.
    """
    names, filename = parse(spec)
    file: FileIO | None = None
    if filename:
        path = filename.replace("%p", str(os.getpid()))
        try:
            file = FileIO(path, "a")  # unbuffered: what was logged before a crash is in the file
        except OSError as error:
            raise ParameterError(f"the log file {path!r} cannot be written: {error.strerror}") from None
    with _lock:
        old = {found._file for found in _sections.values() if found._file is not None}
        for name, found in _sections.items():
            found.on = name in names
            found._file = file if found.on else None
        for closing in old:
            closing.close()


def _read_environment() -> None:
    spec = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if spec:
        try:
            configure(spec)
        except ParameterError as error:
            raise ParameterError(f"in the environment variable {ENVIRONMENT_VARIABLE}={spec!r}: {error}") from None


_read_environment()
