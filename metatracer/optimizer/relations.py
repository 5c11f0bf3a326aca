"""The order of two integers of which neither is constant: what is known of it, and what follows.

Every fact is an edge ``x <= y + c`` of the inequality graph. They come from guards (``x < y`` is ``x <= y - 1``) and from
the definitions of sums, remainders and masks. That a comparison must come out as true is a path from one side to the
other whose constants add up to little enough (Bodik, Gupta, Sarkar: "ABCD: Eliminating Array Bounds Checks on Demand",
PLDI 2000). The bounds of `ranges` are the edges to constants.

Traces are straight, so there are no phis to decide about: facts hold from where they are noted. Over the back edge of a
loop go those that follow for what the loop carries (`peeling`); a proof that uses one is noted, as for other facts, and so
the fact has to be proved again at the end of the body: that is the induction.

The graph is not a networkx one and is not searched by its shortest paths. A question is asked for each comparison that
bounds do not decide, nearly all of them have short answers or none, and the search stops after `MAX_STEPS` edges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.ir.opcodes import INT_LE, INT_LT, Opcode
from metatracer.ir.values import Const, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metatracer.optimizer.state import State

MAX_STEPS = 40
"""Edges that are looked at for one question."""
MAX_DEPTH = 5
MAX_EDGES = 12
"""Of one value, in each direction."""


class Relations:
    """The inequality graph of one forward walk."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._above: dict[Value, dict[Value, int]] = {}  # x -> {y: c}: x <= y + c
        self._below: dict[Value, dict[Value, int]] = {}  # y -> {x: c}
        self._imported: dict[tuple[Value, Value], Opcode] = {}
        self._steps = 0

    def note(self, x: Value, y: Value, c: int) -> None:
        """``x <= y + c`` holds from here on."""
        if x.__class__ is Const or y.__class__ is Const or x is y:
            return
        above = self._above.setdefault(x, {})
        known = above.get(y)
        if known is not None and known <= c:
            return
        below = self._below.setdefault(y, {})
        if known is None and (len(above) >= MAX_EDGES or len(below) >= MAX_EDGES):
            return
        above[y] = below[x] = c
        self._imported.pop((x, y), None)

    def note_order(self, opcode: Opcode, x: Value, y: Value) -> None:
        """A comparison came out as true."""
        self.note(x, y, -1 if opcode is INT_LT else 0)

    def import_facts(self) -> None:
        """Take over what came with the facts from over the back edge."""
        true = self._state.pool.true
        for (table, head, args), (_, value) in list(self._state.imported.items()):
            if table == "pure" and (head[0] is INT_LT or head[0] is INT_LE) and value is true:
                x, y = args
                self.note_order(head[0], x, y)
                self._imported[x, y] = head[0]

    def decides(self, opcode: Opcode, x: Value, y: Value) -> bool | None:
        """How ``x < y`` or ``x <= y`` must come out, if that follows."""
        if self.proves(x, y, -1 if opcode is INT_LT else 0):
            return True
        if self.proves(y, x, 0 if opcode is INT_LT else -1):
            return False
        return None

    def proves(self, x: Value, y: Value, c: int) -> bool:
        """Whether ``x <= y + c`` follows."""
        if x.__class__ is Const:
            if y not in self._below:
                return False
            self._steps = MAX_STEPS
            return self._is_at_least(y, self._state.bounds(x)[0] - c, MAX_DEPTH)
        if x not in self._above:
            return False
        self._steps = MAX_STEPS
        return self._search(x, y, c, MAX_DEPTH)

    def _search(self, x: Value, y: Value, c: int, depth: int) -> bool:
        if x is y:
            return c >= 0
        bounds = self._state.bounds
        if bounds(x)[1] <= bounds(y)[0] + c:
            return True
        if not depth:
            return False
        resolve = self._state.resolve
        for middle, step in self._above.get(x, _NONE).items():
            self._steps -= 1
            if self._steps < 0:
                return False
            if self._search(resolve(middle), y, c - step, depth - 1):
                self._use(x, middle)
                return True
        return False

    def _is_at_least(self, y: Value, least: int, depth: int) -> bool:
        if self._state.bounds(y)[0] >= least:
            return True
        if not depth:
            return False
        resolve = self._state.resolve
        for middle, step in self._below.get(y, _NONE).items():
            self._steps -= 1
            if self._steps < 0:
                return False
            if self._is_at_least(resolve(middle), least + step, depth - 1):
                self._use(middle, y)
                return True
        return False

    def _use(self, x: Value, y: Value) -> None:
        opcode = self._imported.get((x, y))
        if opcode is not None:
            self._state.hit("pure", (opcode, None), (x, y), self._state.pool.true)

    def orders_among(self, values: set[Value]) -> Iterator[tuple[Opcode, Value, Value]]:
        """The orders between two of these values that follow: (row, x, y)."""
        for x in values:
            if x not in self._above:
                continue
            best: dict[Value, int] = {x: 0}
            frontier = [x]
            for _ in range(MAX_DEPTH):
                reached: list[Value] = []
                for middle in frontier:
                    for y, step in self._above.get(middle, _NONE).items():
                        y = self._state.resolve(y)
                        total = best[middle] + step
                        if y not in best or total < best[y]:
                            best[y] = total
                            reached.append(y)
                if len(best) > MAX_STEPS:
                    break
                frontier = reached
            for y, total in best.items():
                if y in values and y is not x and total <= 0:
                    yield (INT_LT if total < 0 else INT_LE), x, y


_NONE: dict[Value, int] = {}
