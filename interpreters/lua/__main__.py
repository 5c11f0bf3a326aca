"""`python -m interpreters.lua [options] [script [args]]`."""

from __future__ import annotations

import sys

from interpreters.lua.command import main, prepare

__all__ = ["main", "prepare"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
