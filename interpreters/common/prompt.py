"""What all prompts share: editing of lines, and their history."""

from __future__ import annotations

import atexit
import contextlib
import sys
from pathlib import Path


def keep_history(language: str) -> None:
    """Edit lines, and remember them in the user's home from one session to the next, where there is a terminal and a readline."""
    if not sys.stdin.isatty():
        return
    try:
        import readline
    except ImportError:
        return
    path = Path.home() / f".{language}_metatracer_history"
    with contextlib.suppress(OSError):
        readline.read_history_file(path)

    def write_history() -> None:
        with contextlib.suppress(OSError):
            readline.write_history_file(path)

    atexit.register(write_history)
