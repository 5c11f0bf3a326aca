"""Machine code with the operations that it comes from beside it.

Each instruction of a trace's LLVM text is given a debug location whose line is a step of the trace (an operation, or the
taking or giving up of a reference) and whose column tells whether it stands in a block that is rarely run. LLVM carries
these through its passes and code generation, and its assembly text tells them: `.loc 1 12 2`. The code that runs is
compiled from the text without locations; LLVM promises that they change no instruction, and a test compares.

Nothing is marked unless `marking` was set (by `metatracer trace`), as it doubles the time for emitting text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metatracer.backend import llvm
from metatracer.ir.text import Printer
from metatracer.ir.values import Operation, Trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metatracer.backend.refcounts import Step

marking = False
"""Whether code compiled from now on keeps its marked text."""

_USUAL, _RARE = 1, 2
_FIRST_FREE = 10  # numbers of metadata below are named in `_FOOT`
_FOOT = """\
!llvm.dbg.cu = !{!1}
!llvm.module.flags = !{!2}
!1 = distinct !DICompileUnit(language: DW_LANG_C, file: !3, isOptimized: true, emissionKind: LineTablesOnly)
!2 = !{i32 2, !"Debug Info Version", i32 3}
!3 = !DIFile(filename: "trace", directory: "")
!4 = !DISubroutineType(types: !5)
!5 = !{}
"""
_LOCATION = re.compile(r"(?:,)? !dbg !\d+")
_CALLED = re.compile(r"inttoptr \(i64 (\d+) to ptr\)\(.*\) ; (\w+)$", re.MULTILINE)
_DIRECTIVE = re.compile(r"\s+\.loc\s+\d+\s+(\d+)\s+(\d+)")
_LABEL = re.compile(r"([.\w]+):")
_ADDRESS = re.compile(r"\$?(?<![\w.])(\d{6,})(?!\w)")


@dataclass(frozen=True, slots=True)
class MachineLine:
    """A line of assembly text.

    Attributes:
        text: The instruction, or the name of a place with a colon.
        step: Number of the step it comes from, from 1; 0 where LLVM does not say (spills, reloads).
        is_rare: It stands in a block that is rarely run: a guard's exit, the slow way of an allocation.
    """

    text: str
    step: int
    is_rare: bool

    @property
    def is_label(self) -> bool:
        """Whether it is the name of a place."""
        return self.text.endswith(":")


class Marks:
    """The steps of one trace, and the locations given to the lines of its text.

    Attributes:
        steps: What each step is, in order, as text.
        step: Number of the step in hand, from 1; 0 for none.
        marked_text: The LLVM text with locations.
        names: What addresses in the code stand for.
    """

    def __init__(self, trace: Trace) -> None:
        self.steps: list[str] = []
        self.step = 0
        self.marked_text = ""
        self.names: dict[int, str] = {}
        self._printer = Printer(trace, snapshots=False)
        self._done = [0, 0]
        self._locations: dict[tuple[int, int, int], int] = {}
        self._functions: dict[str, int] = {}
        self._number = _FIRST_FREE
        self._function = self._next()

    def _next(self) -> int:
        self._number += 1
        return self._number

    def begin(self, step: Step, lines: list[str], cold: list[str]) -> None:
        """What is appended to the lines from here on comes from `step`."""
        self.mark(lines, cold)
        if isinstance(step, Operation):
            self.steps.append(self._printer.line(step))
        else:
            self.steps.append(f"{type(step).__name__.lower()} {self._printer.value(step.value)}")
        self.step = len(self.steps)

    def go_to(self, step: int, lines: list[str], cold: list[str]) -> None:
        """What is appended to the lines from here on comes from an earlier step (or from none: 0)."""
        self.mark(lines, cold)
        self.step = step

    def mark(self, lines: list[str], cold: list[str]) -> None:
        """Give the step's location to the lines that have no location yet."""
        for which, (column, block) in enumerate(((_USUAL, lines), (_RARE, cold))):
            for number in range(self._done[which], len(block)):
                text = block[number]
                if text.startswith("  ") and self.step:
                    key = (self.step, column, self._function)
                    if key not in self._locations:
                        self._locations[key] = self._next()
                    code, semicolon, comment = text.partition(" ; ")
                    block[number] = f"{code}, !dbg !{self._locations[key]}{semicolon}{comment}"
            self._done[which] = len(block)

    def end_function(self, name: str, lines: list[str], cold: list[str]) -> str:
        """Mark the rest of a function; gives what its first line says of its place."""
        self.mark(lines, cold)
        self._functions[name] = function = self._function
        self._done = [0, 0]
        self._function = self._next()
        return f" !dbg !{function}"

    def finish(self, text: str) -> str:
        """Keep the module's text, all locations explained; gives it back without any."""
        foot = _FOOT
        for name, number in self._functions.items():
            foot += (
                f'!{number} = distinct !DISubprogram(name: "{name}", scope: !3, file: !3, line: 1, type: !4, unit: !1, '
            )
            foot += "spFlags: DISPFlagDefinition)\n"
        for (line, column, function), number in self._locations.items():
            foot += f"!{number} = !DILocation(line: {line}, column: {column}, scope: !{function})\n"
        self.marked_text = text + foot
        self.names.update((int(address), name) for address, name in _CALLED.findall(_LOCATION.sub("", text)))
        return _LOCATION.sub("", text)

    def machine_lines(self, level: int) -> list[MachineLine]:
        """The assembly text of the code as compiled at `level`."""
        return list(_machine_lines(llvm.assembly(self.marked_text, level), self.names))

    def table(self, level: int) -> str:
        """The assembly text with the steps beside it, each where its instructions begin."""
        rows: list[str] = []
        before: tuple[int, bool] | None = None
        for line in self.machine_lines(level):
            if line.is_label:
                rows.append(line.text)
                before = None
                continue
            beside = ""
            if line.step and (line.step, line.is_rare) != before:
                beside = ("rare: " if line.is_rare else "") + self.steps[line.step - 1]
                before = (line.step, line.is_rare)
            rows.append(f"    {line.text:<{_WIDTH}}  # {beside}".rstrip("# "))
        return "\n".join(rows) + "\n"


_WIDTH = 44


def _machine_lines(assembly: str, names: Mapping[int, str]) -> Iterator[MachineLine]:
    step, is_rare, is_code = 0, False, True
    for line in assembly.splitlines():
        text = " ".join(line.split())
        location = _DIRECTIVE.match(line)
        if location:
            step, is_rare = int(location[1]), int(location[2]) == _RARE
        elif text.startswith(".section"):
            is_code = text.startswith(".section .text")
        elif text == ".text":
            is_code = True
        elif not is_code or not text:
            continue
        elif _LABEL.match(text):
            if not text.startswith("."):
                step = 0  # another function
            if not text.startswith((".Lfunc", ".Ltmp")):
                yield MachineLine(text.partition(":")[0] + ":", step, is_rare)
        elif not text.startswith((".", "#")):
            yield MachineLine(
                _ADDRESS.sub(lambda found: _named(found, names), text.partition("#")[0].rstrip()), step, is_rare
            )


def _named(found: re.Match[str], names: Mapping[int, str]) -> str:
    name = names.get(int(found[1]))
    if name is None:
        return found[0]
    return ("$" if found[0].startswith("$") else "") + f"<{name}>"
