"""What `metatracer` starts: a bundled language at once, all else through the command line, whose modules take 0.1 s to load."""

from __future__ import annotations

import importlib
import sys

from metatracer.errors import MetatracerError

LANGUAGES = ("lua", "scheme")


def main() -> None:
    """Run the command; a mistake is told in a sentence, with status 2."""
    try:
        if sys.argv[1:2] and sys.argv[1] in LANGUAGES:
            sys.exit(importlib.import_module(f"interpreters.{sys.argv[1]}.command").main(sys.argv[2:]))
        from metatracer.tools.cli import app

        app(standalone_mode=True)
    except MetatracerError as error:
        sys.stderr.write(f"metatracer: {error}\n")
        sys.exit(2)
