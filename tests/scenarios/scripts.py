"""Runs a script in a process of its own, eagerly traced, and reads what it prints as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.differential.differential import EAGER, ROOT


def run_script(text: str, setting: str = EAGER, timeout: float = 100.0) -> Any:
    """Run Python text; gives the JSON value on its last line of output.

    Raises:
        AssertionError: The process failed; its error output is in the message.
    """
    environment = {**os.environ, "METATRACER": setting, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", text],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])
