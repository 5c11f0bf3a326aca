"""Traceback entries of frames that the trace stands for, and raising in their name (called from traces)."""

from __future__ import annotations

import struct
import sys
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import field_for
from metatracer.backend.once import once
from metatracer.backend.traceback_code import entry_adder
from metatracer.places import is_own
from metatracer.recorder import residual

if TYPE_CHECKING:
    from collections.abc import Callable


class Place:
    """An instruction of the author's code, as a traceback shows it.

    Its frame is that of a generator which is never started: it has no caller that it would keep alive, and so can be
    used by every traceback.
    """

    __slots__ = ("code", "frame", "index", "lasti", "lineno", "numbers")

    def __init__(self, code: CodeType, namespace: dict[str, Any], index: int, lineno: int) -> None:
        self.code = code
        self.index = index
        self.lineno = lineno
        self.frame: FrameType = FunctionType(_stub_code(code, index, lineno), namespace)().gi_frame
        self.lasti = max(self.frame.f_lasti, 0)
        self.numbers = struct.pack("ii", self.lasti, lineno)


def _stub_code(code: CodeType, index: int, lineno: int) -> CodeType:
    """A generator's code, named and placed like the author's; every instruction stands at one place."""
    from bytecode import Bytecode, Instr
    from bytecode.instr import InstrLocation

    position = list(code.co_positions())[index // 2]
    line, end_line, column, end_column = position
    if line is None:
        line = lineno
    if end_line is None or end_line < line:
        end_line = line
    location = InstrLocation(line, end_line, column, end_column if column is not None else None)
    template = Bytecode.from_code(_never_started.__code__)
    placed = Bytecode()
    for item in template:
        if isinstance(item, Instr):
            item.location = location
        placed.append(item)
    placed.filename = code.co_filename
    placed.name = code.co_name
    placed.qualname = code.co_qualname
    placed.first_lineno = code.co_firstlineno
    placed.flags = template.flags
    return placed.to_code()


def _never_started() -> Any:
    yield


@once
def entries_adder() -> Callable[..., BaseException]:
    """`add_entries`, in machine code (called from traces)."""
    frame, numbers = (field_for(Place, name) for name in ("frame", "numbers"))
    assert frame is not None
    assert numbers is not None
    some_frame = Place(_never_started.__code__, globals(), 0, 1).frame
    return entry_adder(add_entries, frame.position, numbers.position, some_frame)


def add_entries(exception: BaseException, *places: Place) -> BaseException:
    """Add the traceback entries that the author's frames, innermost first, would have added."""
    traceback = without_toolkit(exception.__traceback__)
    for place in places:
        traceback = TracebackType(traceback, place.frame, place.lasti, place.lineno)
    exception.__traceback__ = traceback
    return exception


def without_toolkit(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback without the leading entries that are the toolkit's own frames."""
    while traceback is not None and is_own(traceback.tb_frame):
        traceback = traceback.tb_next
    return traceback


def raise_here(what: Any, cause: Any, has_cause: bool, *places: Place) -> BaseException:
    """What `raise what [from cause]` raises, on its way through `places` (called from traces).

    Normalized, with cause and context. An error while making the exception (its class's constructor raises) is what is
    raised then.
    """
    if not has_cause and isinstance(what, BaseException) and sys.exception() is None:
        # With nothing to become its context, raising it would only give it this function's traceback entry.
        return add_entries(what, *places)
    exception = None
    try:
        exception = residual.make_exception(what)
        if has_cause:
            if isinstance(cause, type) and issubclass(cause, BaseException):
                cause = cause()
            if cause is not None and not isinstance(cause, BaseException):
                raise TypeError("exception causes must derive from BaseException")  # noqa: TRY301 - as `raise` does
            exception.__cause__ = cause
        traceback = exception.__traceback__
        raise exception  # noqa: TRY301 - raising it gives it its context
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the guest
        if error is exception:
            error.__traceback__ = traceback
        raised = [error]
    # The author's constructor, when it was that which raised, has this frame as its caller.
    del exception
    return add_entries(raised.pop(), *places)
