"""docs/ops.md is what the tables say."""

from __future__ import annotations

import runpy
from pathlib import Path

from metatracer.ir.cfunctions import CFUNCTIONS
from metatracer.ir.opcodes import OPCODES

DOCS = Path(__file__).parents[2] / "docs"


def test_ops_page_is_up_to_date() -> None:
    page = runpy.run_path(str(DOCS / "generate_ops.py"))["page"]()
    assert (DOCS / "ops.md").read_text(encoding="utf-8") == page, "run `python docs/generate_ops.py`"


def test_ops_page_has_every_row_once() -> None:
    lines = (DOCS / "ops.md").read_text(encoding="utf-8").splitlines()
    shown = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert sorted(shown) == sorted([*OPCODES, *CFUNCTIONS])
