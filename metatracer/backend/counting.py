"""Counting passes in machine code: of a loop's header, or of a bridge's entry.

There is one word for each piece of code, and it is counted *down*. A bridge takes one from it when it is entered, a root at its
header. When nothing is left, a root leaves through the exit of its check for attention, and a bridge through that of the check
of assumptions with which it begins: so the runtime gets to look at a loop that never leaves on its own, after as many
passes as it wants.

Inside a loop what is left is a loop variable, in a register; the exits take from the word what the loop has used up. (One
instruction in memory for each pass would take as long as the shortest loops do.) They subtract instead of storing, so that a
loop that is entered again by what it calls loses no count; and all this happens with the GIL held.

A tree counts in the words of its traces' own code: its root at the header, its branches when they are entered. What is left of
the root's passes goes along into the branches, in the register, and comes back with their jumps to the label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from metatracer.backend.emit import Emitter

Counted = Literal["", "header", "entries"]
"""What is counted: nothing, the passes of the header, or entries."""

PLENTY = 1 << 62
"""A count that is not used up."""

Passes = tuple[str, str] | None
"""Operands for what was left of the passes at the loop's start and is left here; None where they are not in a register."""


class PassCounter:
    """Emits the counting of one trace, or of one tree.

    Args:
        counted: What of the trace, or of the root.
        word: The operand for the address of its word.

    Attributes:
        passes: At the place in hand.
    """

    def __init__(self, counted: Counted, word: str) -> None:
        self._counted = counted
        self._word = word
        self._variable = ""
        self._less = self._entered = ""
        self._place = -1
        self._in_branch = False
        self._edges: list[tuple[str, str]] = []
        self.passes: Passes = None

    def enter(self, e: Emitter) -> None:
        """At the start of the code."""
        if self._counted == "entries":
            self._entered = self._take_from_word(e, self._word)

    def enter_branch(self, e: Emitter, counted: Counted, word: str, passes: Passes) -> None:
        """At the start of a branch.

        Args:
            e: The emitter.
            counted: What of the branch is counted.
            word: Of the branch.
            passes: As they were where the root (or another branch) goes on in this one.
        """
        self._in_branch, self.passes = True, passes
        self._entered = self._take_from_word(e, word) if counted == "entries" else ""

    def end_branches(self) -> None:
        """Behind the branches of a function."""
        self._in_branch, self._entered = False, ""

    def goes_on(self, e: Emitter) -> str | None:
        """At a bridge's first check of its assumptions: the operand that says whether to go on."""
        if not self._entered:
            return None
        left, self._entered = self._entered, ""
        return e.value(f"icmp sge i64 {left}, 0")

    @staticmethod
    def _take_from_word(e: Emitter, word: str) -> str:
        left = e.value(f"sub i64 {e.load('i64', word)}, 1")
        e.store(f"i64 {left}", word)
        return left

    def before_loop(self, e: Emitter) -> None:
        """In the block in front of the loop's."""
        if self._counted == "header":
            e.declare("declare i64 @llvm.smax.i64(i64, i64)")
            word = e.load("i64", self._word)
            # One more than are left, so that the loop's test for zero is the flag of the subtraction.
            start = e.value(f"add i64 {e.value(f'call i64 @llvm.smax.i64(i64 {word}, i64 0)')}, 1")
            self._edges = [(e.current_block, start)]

    def open_loop(self, e: Emitter) -> None:
        """Behind the loop's other variables."""
        if self._counted == "header":
            self._variable = e.temporary()
            self.passes = self._edges[0][1], self._variable
            self._place = len(e.lines)
            e.lines.append("")  # filled in by `fill_header`

    def close_loop(self, e: Emitter) -> None:
        """At a jump back to the header."""
        if self.passes is not None:
            self._edges.append((e.current_block, self.passes[1]))

    def fill_header(self, e: Emitter) -> None:
        """At the end of the loop's function: give the variable all that comes to the header."""
        if self._variable:
            incoming = ", ".join([f"[{left}, %{block}]" for block, left in self._edges])
            e.lines[self._place] = f"  {self._variable} = phi i64 {incoming}"
            self._variable, self.passes = "", None

    def header(self, e: Emitter) -> str | None:
        """At the check for attention: the operand that says whether to go on, None if nothing is counted here.

        In a loop the pass counts from `passed` on: an exit through this check is not one.
        """
        if self._counted != "header" or self._in_branch:
            return None
        if self.passes is None:
            return e.value(f"icmp sge i64 {self._take_from_word(e, self._word)}, 0")
        if self.passes[1] != self._variable:
            return None
        self._less = e.value(f"sub i64 {self._variable}, 1")
        return e.value(f"icmp ne i64 {self._less}, 0")

    def passed(self) -> None:
        """Behind the check for attention."""
        if self.passes is not None and not self._in_branch and self.passes[1] == self._variable:
            self.passes = self.passes[0], self._less

    def settle(self, e: Emitter, passes: Passes) -> None:
        """Where the function is left: take the passes from the word."""
        if passes is not None:
            used = e.value(f"sub i64 {passes[0]}, {passes[1]}")
            word = e.load("i64", self._word)
            e.store(f"i64 {e.value(f'sub i64 {word}, {used}')}", self._word)
