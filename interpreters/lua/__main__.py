"""`python -m interpreters.lua [options] [script [args]]`."""

from __future__ import annotations

import sys

from interpreters.common.command import before_the_end
from interpreters.lua.command import main, prepare

__all__ = ["main", "prepare"]

if __name__ == "__main__":
    status = main(sys.argv[1:])
    before_the_end()
    sys.exit(status)
