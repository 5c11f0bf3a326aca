"""Where in the author's own files a mistake was made."""

from __future__ import annotations

import sys

_OWN = "metatracer"


def author_place() -> tuple[str | None, int | None]:
    """File and line of the innermost running frame that is not this package's; (None, None) if there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name != _OWN and not name.startswith(_OWN + "."):
            return frame.f_code.co_filename, frame.f_lineno
        if frame.f_back is None:
            break
        frame = frame.f_back
    return None, None


def function_place(function: object) -> tuple[str | None, int | None]:
    """File and line where a Python function begins, looking through bound methods; (None, None) for anything else."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return None, None
    return code.co_filename, code.co_firstlineno
