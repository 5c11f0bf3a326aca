"""`python -m tests.differential.replay FILE.json ...`: run saved scenarios again in all modes."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.differential.differential import Comparison, read_saved, supported_modes


def main(paths: list[str]) -> int:
    """Print what differs; 1 if anything does."""
    failed = False
    with Comparison(supported_modes()) as comparison:
        for path in paths:
            problems = comparison.check(read_saved(Path(path)))
            print(f"{path}: {'agrees' if not problems else ''}")
            for problem in problems:
                print(problem)
            failed = failed or bool(problems)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
