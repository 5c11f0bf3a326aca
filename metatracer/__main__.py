"""`python -m metatracer`: the command."""

from metatracer.tools.cli import main

main()
