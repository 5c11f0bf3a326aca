"""`python -m examples.registervm PROGRAM.rvm [NUMBER ...]`."""

from __future__ import annotations

import sys

from examples.registervm.vm import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
