"""What `metatracer` starts: a bundled language at once, all else through the command line, whose modules take 0.1 s to load."""

from __future__ import annotations

import importlib
import sys

from metatracer.errors import MetatracerError
from metatracer.jit import check_environment

LANGUAGES = ("lua", "scheme")


def run_language(name: str, arguments: list[str]) -> int:
    """Run the command of a bundled language; gives its exit status."""
    status: int = importlib.import_module(f"interpreters.{name}.command").main(arguments)
    return status


def main() -> None:
    """Run the command; a mistake is told in a sentence, with status 2."""
    try:
        check_environment()
        if sys.argv[1:2] and sys.argv[1] in LANGUAGES:
            status = run_language(sys.argv[1], sys.argv[2:])
            importlib.import_module("interpreters.common.command").before_the_end()
            sys.exit(status)
        from metatracer.tools.cli import app

        app(standalone_mode=True)
    except MetatracerError as error:
        sys.stderr.write(f"metatracer: {error}\n")
        sys.exit(2)
