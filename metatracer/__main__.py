"""`python -m metatracer`: the command."""

from metatracer.tools.command import main

main()
