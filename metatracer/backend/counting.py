"""Counting passes in machine code: of a loop's header, or of a bridge's entry.

There is one word for each piece of code, and it is counted *down*. A bridge takes one from it when it is entered, a root at its
header. When nothing is left, a root leaves through the exit of its check for attention, and a bridge through that of the check
of assumptions with which it begins: so the runtime gets to look at a loop that never leaves on its own, after as many
passes as it wants.

Inside a loop what is left is a loop variable, in a register; the exits take from the word what the loop has used up. (One
instruction in memory for each pass would take as long as the shortest loops do.) They subtract instead of storing, so that a
loop that is entered again by what it calls loses no count; and all this happens with the GIL held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from metatracer.backend.emit import Emitter

Counted = Literal["", "header", "entries"]
"""What is counted: nothing, the passes of the header, or entries."""

PLENTY = 1 << 62
"""A count that is not used up."""


class PassCounter:
    """Emits the counting of one trace.

    Args:
        counted: What.
        word: The operand for the address of its word.
    """

    def __init__(self, counted: Counted, word: str) -> None:
        self._counted = counted
        self._word = word
        self._start = ""
        self._variable = ""
        self._left = ""
        self._less = self._entered = ""
        self._place = -1

    def enter(self, e: Emitter) -> None:
        """At the start of the code."""
        if self._counted == "entries":
            self._entered = self._take_from_word(e)

    def goes_on(self, e: Emitter) -> str | None:
        """At a bridge's first check of its assumptions: the operand that says whether to go on."""
        if not self._entered:
            return None
        left, self._entered = self._entered, ""
        return e.value(f"icmp sge i64 {left}, 0")

    def _take_from_word(self, e: Emitter) -> str:
        left = e.value(f"sub i64 {e.load('i64', self._word)}, 1")
        e.store(f"i64 {left}", self._word)
        return left

    def before_loop(self, e: Emitter) -> None:
        """In the block in front of the loop's."""
        if self._counted == "header":
            e.declare("declare i64 @llvm.smax.i64(i64, i64)")
            word = e.load("i64", self._word)
            # One more than are left, so that the loop's test for zero is the flag of the subtraction.
            self._start = e.value(f"add i64 {e.value(f'call i64 @llvm.smax.i64(i64 {word}, i64 0)')}, 1")

    def open_loop(self, e: Emitter) -> None:
        """Behind the loop's other variables."""
        if self._counted == "header":
            self._variable = self._left = e.temporary()
            self._place = len(e.lines)
            e.lines.append("")  # filled in by `close_loop`

    def close_loop(self, e: Emitter, before: str) -> None:
        """At the jump back; `before` is the block in front of the loop's."""
        if self._variable:
            e.lines[self._place] = (
                f"  {self._variable} = phi i64 [{self._start}, %{before}], [{self._left}, %{e.current_block}]"
            )
            self._variable = ""

    def header(self, e: Emitter) -> str | None:
        """At the check for attention: the operand that says whether to go on, None if nothing is counted here.

        In a loop the pass counts from `passed` on: an exit through this check is not one.
        """
        if self._counted != "header" or self._left != self._variable:
            return None
        if not self._variable:
            return e.value(f"icmp sge i64 {self._take_from_word(e)}, 0")
        self._less = e.value(f"sub i64 {self._variable}, 1")
        return e.value(f"icmp ne i64 {self._less}, 0")

    def passed(self) -> None:
        """Behind the check for attention."""
        if self._variable and self._left == self._variable:
            self._left = self._less

    def passes(self) -> tuple[str, str] | None:
        """At an exit: operands for what was left at the loop's start and is left here; None where nothing is counted."""
        return (self._start, self._left) if self._variable else None

    def settle(self, e: Emitter, passes: tuple[str, str] | None) -> None:
        """In the code of an exit: take the passes from the word."""
        if passes is not None:
            used = e.value(f"sub i64 {passes[0]}, {passes[1]}")
            word = e.load("i64", self._word)
            e.store(f"i64 {e.value(f'sub i64 {word}, {used}')}", self._word)
