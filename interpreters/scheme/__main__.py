"""`python -m interpreters.scheme [options] [file [arguments]]`."""

from __future__ import annotations

import sys

from interpreters.scheme.command import main, prepare

__all__ = ["main", "prepare"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
