"""Counting passes in machine code: of a loop's header, or of a bridge's entry.

There is one word for each piece of code, and it is counted *down*. A bridge takes one from it when it is entered, a root at its
header. When nothing is left, a root leaves through the exit of its check for attention, and a bridge through that of the check
of assumptions with which it begins: so the runtime gets to look at a loop that never leaves on its own, after as many
passes as it wants.

Inside a loop what is left is a loop variable, in a register; the exits take from the word what the loop has used up. (One
instruction in memory for each pass would take as long as the shortest loops do.) They subtract instead of storing, so that a
loop that is entered again by what it calls loses no count; and all this happens with the GIL held.

A loop that calls nothing (`calls_nothing`) takes its passes from the word `AHEAD` at a time, and only then looks whether
attention is wanted; its exits give back what they have left. So counting costs it nothing: its check for attention is one
decrement and branch, with counting and without. It is at most some milliseconds late; nothing else can happen meanwhile.

A tree counts in the words of its traces' own code: its root at the header, its branches when they are entered. What is left of
the root's passes goes along into the branches, in the register, and comes back with their jumps to the label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from metatracer.backend.emit_exits import SecondLook

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.backend.emit import Branch, Emitter
    from metatracer.ir.values import Operation

Counted = Literal["", "header", "entries"]
"""What is counted: nothing, the passes of the header, or entries."""

PLENTY = 1 << 62
"""A count that is not used up."""

AHEAD = 1000
"""Passes of a loop that calls nothing from one look at the process's state to the next. Each can have thousands of operations."""

Passes = tuple[str, str] | None
"""Operands for what was left of the passes at the loop's start ("" where they were taken ahead) and is left here; None where
they are not in a register."""


def calls_nothing(root: Branch) -> bool:
    """Whether no pass of a loop calls anything that may take long (what runs Python code looks after attention itself)."""
    operations = root.trace.operations
    if root.trace.label is not None:
        operations = operations[operations.index(root.trace.label) + 1 :]
    waiting = [operations]
    branches = [*root.branches.values()]
    while branches:
        branch = branches.pop()
        branches += branch.branches.values()
        waiting.append(branch.trace.operations)
    return not any(_may_take_long(op) for operations in waiting for op in operations)


def _may_take_long(op: Operation) -> bool:
    name = op.opcode.name
    return name.startswith("call") or name in ("str_eq", "bytes_eq")


class PassCounter:
    """Emits the counting of one trace, or of one tree.

    Args:
        counted: What of the trace, or of the root.
        word: The operand for the address of its word.
        ahead: Whether a loop takes its passes `AHEAD`, and looks for attention when they are used up.

    Attributes:
        passes: At the place in hand.
    """

    def __init__(self, counted: Counted, word: str, *, ahead: bool) -> None:
        self._counted = counted
        self._word = word
        self._ahead = ahead
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
        if self._ahead:
            self._edges = [(e.current_block, "1")]  # used up: look at once
        elif self._counted == "header":
            e.declare("declare i64 @llvm.smax.i64(i64, i64)")
            word = e.load("i64", self._word)
            # One more than are left, so that the loop's test for zero is the flag of the subtraction.
            start = e.value(f"add i64 {e.value(f'call i64 @llvm.smax.i64(i64 {word}, i64 0)')}, 1")
            self._edges = [(e.current_block, start)]

    def open_loop(self, e: Emitter) -> None:
        """Behind the loop's other variables."""
        if self._ahead or self._counted == "header":
            self._variable = e.temporary()
            self.passes = "" if self._ahead else self._edges[0][1], self._variable
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

    def takes_ahead(self) -> bool:
        """Whether the check for attention in hand is the one of a loop that takes its passes ahead: see `second_look`."""
        return self._ahead and not self._in_branch and self.passes == ("", self._variable)

    def first_look(self, e: Emitter) -> str:
        """At such a check: the operand that says whether passes are left."""
        self._less = e.value(f"sub i64 {self._variable}, 1")
        return e.value(f"icmp ne i64 {self._less}, 0")

    def second_look(self, e: Emitter, no_attention: Callable[[], str]) -> SecondLook:
        """What such a check does when no passes are left: looks for attention, and takes more passes.

        Args:
            e: The emitter.
            no_attention: Emits the look.
        """
        look, taken = e.new_label("p"), e.temporary()
        main, e.lines = e.lines, []
        holds, more = no_attention(), str(AHEAD)
        if self._counted == "header":
            e.declare("declare i64 @llvm.smin.i64(i64, i64)")
            word = e.load("i64", self._word)
            holds = e.value(f"and i1 {holds}, {e.value(f'icmp sgt i64 {word}, 0')}")
            some = e.value(f"call i64 @llvm.smin.i64(i64 {word}, i64 {AHEAD})")
            more = e.value(f"select i1 {holds}, i64 {some}, i64 0")
            e.store(f"i64 {e.value(f'sub i64 {word}, {more}')}", self._word)
        lines, e.lines = e.lines, main
        self.passes = "", "1"  # the exit has none to give back
        return SecondLook(look, lines, look, holds, taken, "i64", self._less, more)

    def took(self, second: SecondLook) -> None:
        """Behind such a check."""
        self.passes = "", second.result

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

    @property
    def owed(self) -> Passes:
        """What an exit at the place in hand has to settle."""
        return self.passes if self._counted == "header" else None

    def settle(self, e: Emitter, passes: Passes) -> None:
        """Where the function is left: take the passes from the word, or give back those that are left."""
        if passes is None:
            return
        if passes[0]:
            used = e.value(f"sub i64 {passes[0]}, {passes[1]}")
            word = e.load("i64", self._word)
            e.store(f"i64 {e.value(f'sub i64 {word}, {used}')}", self._word)
        elif self._counted == "header":
            left = e.value(f"sub i64 {passes[1]}, 1")  # the pass in hand is one of them
            word = e.load("i64", self._word)
            e.store(f"i64 {e.value(f'add i64 {word}, {left}')}", self._word)
