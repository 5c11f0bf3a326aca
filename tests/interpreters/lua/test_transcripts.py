"""Each transcript prints what PUC Lua 5.4 printed when it was written, apart from addresses, in all modes of tracing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "transcripts"
ROOT = Path(__file__).parents[3]
TRANSCRIPTS = sorted(path.stem for path in FOLDER.glob("*.lua"))
EAGER = "threshold=1,function_threshold=1,trace_eagerness=1,compile_level=0"
MODES = {"untraced": "off", "traced": EAGER}
PUC = shutil.which("lua5.4")
_ADDRESS = re.compile(rb"0x[0-9a-f]{6,}")


def output_of(command: list[str], mode: str = "off") -> bytes:
    """What a program writes, its addresses made equal."""
    environment = {**os.environ, "METATRACER": mode, "PYTHONPATH": str(ROOT), "TZ": "UTC"}
    run = subprocess.run(
        command, capture_output=True, cwd=FOLDER, env=environment, check=False, timeout=280, stdin=subprocess.DEVNULL
    )
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    return _ADDRESS.sub(b"ADDRESS", run.stdout)


@pytest.mark.parametrize("mode", [pytest.param("untraced", marks=pytest.mark.slow), "traced"])
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript_is_what_puc_lua_printed(name: str, mode: str) -> None:
    expected = (FOLDER / f"{name}.out").read_bytes()
    assert output_of([sys.executable, "-m", "interpreters.lua", f"{name}.lua"], MODES[mode]) == expected


@pytest.mark.skipif(PUC is None, reason="PUC Lua 5.4 is not installed")
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript_is_what_puc_lua_prints(name: str) -> None:
    assert PUC is not None
    assert output_of([PUC, f"{name}.lua"]) == (FOLDER / f"{name}.out").read_bytes()
