"""Writes docs/ops.md from the tables of operations and C functions: `python docs/generate_ops.py [--check]`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from metatracer.ir import opcodes  # noqa: E402 (the checkout is put on the path first)
from metatracer.ir.cfunctions import CFUNCTIONS  # noqa: E402
from metatracer.ir.opcodes import OPCODES, Effect, Opcode  # noqa: E402

if TYPE_CHECKING:
    from metatracer.ir.values import CFunction

PAGE = ROOT / "docs" / "ops.md"

INTRODUCTION = """\
# Operations of the intermediate representation

This page is generated from the tables in `metatracer/ir` by `python docs/generate_ops.py`; do not edit it.

Kinds of values: `i` a signed 64-bit integer, `f` a double, `r` a reference to a Python object, `b` a truth value. `*`
repeats the kind before it; alone it stands for values of any kinds. How operations are written down is described in
`metatracer/ir/text.py`.

Marks: **pure** - same arguments, same result, no effect; **guard** - carries a snapshot and leaves the trace when its
condition does not hold; **commutes** - the arguments may be swapped; **fresh** - the result is a new object; **raises** -
may leave an exception pending, which the next operation must look at; **runs code** - may run arbitrary Python code;
**not forcible** - the forced-failure build must not fail it at will; *reads*, *writes* - the memory it touches;
*inverse* - the comparison with the opposite result; *descr* - what it carries in braces.
"""


def _memory(effect: Effect) -> str:
    if effect == Effect.ANY:
        return "anything"
    if effect == Effect.HEAP:
        return "heap"
    return ", ".join(str(flag.name).lower() for flag in Effect if flag in effect)


def _effects(row: Opcode | CFunction) -> list[str]:
    marks = ["runs code"] if row.runs_code else []
    marks += ["raises"] if row.can_raise else []
    if not row.runs_code:
        marks += [f"reads {_memory(row.reads)}"] if row.reads else []
        marks += [f"writes {_memory(row.writes)}"] if row.writes else []
    return marks


def _marks(row: Opcode) -> str:
    marks = [
        word
        for word, holds in [
            ("pure", row.is_pure),
            ("guard", row.is_guard),
            ("not forcible", row.is_guard and not row.forcible),
            ("commutes", row.commutes),
            ("fresh", row.allocates),
        ]
        if holds
    ]
    marks += _effects(row)
    marks += [f"inverse `{row.inverse}`"] if row.inverse else []
    marks += [f"descr {row.descr}"] if row.descr else []
    return ", ".join(marks)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _sections() -> list[tuple[str, list[Opcode]]]:
    """The table under the headings of its source."""
    sections: list[tuple[str, list[Opcode]]] = []
    for line in Path(opcodes.__file__).read_text(encoding="utf-8").splitlines():
        heading = re.match(r"# --- (.*?) -{3,}$", line)
        if heading:
            sections.append((heading.group(1), []))
        row = re.match(r'[A-Z][A-Z0-9_]* = _op\("(\w+)"', line)
        if row:
            sections[-1][1].append(OPCODES[row.group(1)])
    return [section for section in sections if section[1]]


def page() -> str:
    """The text of docs/ops.md."""
    lines = [INTRODUCTION]
    for heading, rows in _sections():
        lines += [f"## {heading[0].upper()}{heading[1:]}", ""]
        lines += ["| operation | arguments | result | marks | meaning |", "| --- | --- | --- | --- | --- |"]
        lines += [
            _row(f"`{row.name}`", f"`{row.args}`" if row.args else "", row.result, _marks(row), row.doc) for row in rows
        ]
        lines.append("")
    lines += ["## C functions (descriptors of `call_c_r`, `call_c_i`, `call_c_f`)", ""]
    lines += ["| name | symbol | arguments | result | error | marks |", "| --- | --- | --- | --- | --- | --- |"]
    for function in CFUNCTIONS.values():
        marks = ", ".join((["pure"] if function.pure else []) + _effects(function))
        args = f"`{function.args}`" if function.args else ""
        name, symbol = f"`{function.name}`", f"`{function.symbol}`"
        lines.append(_row(name, symbol, args, function.result, function.error, marks))
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or with --check say whether it is up to date."""
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
