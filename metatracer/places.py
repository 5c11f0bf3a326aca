"""Where in the author's own files a mistake was made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_OWN = "metatracer"


def is_own(frame: FrameType) -> bool:
    """Whether a frame runs code of this package: by its module, as the file's name is not the same in a native build."""
    name = frame.f_globals.get("__name__", "")
    return name == _OWN or (isinstance(name, str) and name.startswith(_OWN + "."))


def author_place() -> tuple[str | None, int | None]:
    """File and line of the innermost running frame that is not this package's; (None, None) if there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not is_own(frame):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None, None


def function_place(function: object) -> tuple[str | None, int | None]:
    """File and line where a Python function begins, looking through bound methods; (None, None) for anything else."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return None, None
    return code.co_filename, code.co_firstlineno
