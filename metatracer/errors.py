"""Every error that metatracer raises on purpose, and the table of reasons for giving up a recording."""

from __future__ import annotations

import enum


class MetatracerError(Exception):
    """Base of all errors of this package."""


class UsageError(MetatracerError):
    """A mistake in how the toolkit is used; the message says what to change.

    Attributes:
        filename: The author's file, or None when there is no place to point at.
        lineno: The line in that file, or None.
    """

    def __init__(self, message: str, filename: str | None = None, lineno: int | None = None) -> None:
        where = f"{filename}:{lineno}: " if filename is not None else ""
        super().__init__(where + message)
        self.filename = filename
        self.lineno = lineno


class ParameterError(UsageError):
    """An unknown parameter, or a value of the wrong type or range."""


class IRError(MetatracerError):
    """Invalid IR: found by the verifier or by the parser of trace text."""


class LayoutError(MetatracerError):
    """A CPython object layout is not what this version of the toolkit knows."""


class AbortReason(enum.Enum):
    """Why a recording was given up. The value is the sentence shown to the author."""

    TRACE_TOO_LONG = "the trace grew past `trace_limit`; raise it, or mark a big callee with @dont_look_inside"
    LONG_CALLEE = "the trace grew past `trace_limit` in a guest function that it looked into; that is called from now on"
    HELPER_LOOP = "a helper's loop was unrolled too often; it is now called instead of traced"
    CALLEE_FIRST = "it calls a guest function that has a loop and no code yet; that is compiled first"
    JOINT_FIRST = "ways of the guest meet again at a place that has no code of its own yet; that is compiled first"
    TOO_DEEP = "too many inlined frames; the deepest callee is now called instead of traced"
    UNSUPPORTED = "an instruction that cannot be traced was reached"
    GREEN_NOT_CONSTANT = "a green variable keeps changing its value at one place; is it really green?"
    LEFT_PORTAL = "the portal returned before the loop closed"
    LEFT_LOOP = "the guest went round an outer loop first; that is no iteration of this loop, another one is tried"
    NOT_REPEATED = "this way round the loop cannot be gone again with what it leaves behind; another one is tried first"
    OTHER_WAY = "an earlier run of the program has found another way round the loop to be the better one to start from"
    ESCAPED_EXCEPTION = "an exception left the portal before the loop closed"
    INTERRUPTED = "a signal or another exception arrived while recording"
    ASSUMPTION_BROKEN = "an assumption of the recording was invalidated while it was made"
    COMPILE_FAILED = "the recorded trace could not be compiled"
    ASSERT_GREEN = "assert_green was given a value that is not constant in the trace"
    INTERNAL_ERROR = "a mistake in the toolkit itself; please report it with the detail"
    HOOK_REFUSED = "confirm_enter_jit or a hook refused the loop"


class RecordingAborted(MetatracerError):
    """Raised inside the recorder to give up; the frames are then continued in the interpreter.

    Attributes:
        reason: One of the table.
        detail: What exactly, for `explain`.
        filename, lineno: The author's place, when there is one.
    """

    def __init__(
        self, reason: AbortReason, detail: str = "", filename: str | None = None, lineno: int | None = None
    ) -> None:
        super().__init__(f"{reason.value}{': ' + detail if detail else ''}")
        self.reason = reason
        self.detail = detail
        self.filename = filename
        self.lineno = lineno
