"""Where the guest takes many values and many ways, and what recordings do there instead of guessing again.

A bridge repeats the rest of an iteration. So a place that sees ever new constants (a promoted class which each run of the
guest makes again) gives a chain of bridges that never ends, and k branches that do not depend on each other give 2**k of
them. Three remedies:

- What traces have recorded behind the same merge point, if it is much in all (two long copies, or more that are shorter),
  further bridges do not repeat: they end there, at a *joint*, which is recorded once more as a root of its own. Roots of the
  guest's loops and functions go on.
- A value that has been promoted to `promotion_limit` different constants at one place stays a variable there: the last bridge of
  the chain takes all others.
- When a tree has grown to `tree_limit` bridges, its root is recorded again with *joins*: the guest's position (merge point)
  from which a branch made many bridges becomes a loop of its own, and the traces that lead there end with a jump to it. If that
  position is the root's own (an AST interpreter has no other), the inlined function that has the branch is called instead:
  behind the call the ways have met. A portal that is inlined there is called, natively, and gets joins of its own; at
  once when several of its branches are to blame, which no join outside of it keeps apart. With 16 bridges already, or 32, if most
  are at one instruction that goes two ways, and twice as many bridges have not made the exits much fewer: in an unrolled loop,
  say, where each way to it gets a bridge of its own.

A *context* says how a frame came about: from which merge point of the innermost portal's frame, through which calls, with
which constants as arguments. It is a hash, and the same one in each recording that comes the same way; a *site* is
an instruction in a context. Contexts only ever decide how much is guessed; a collision costs speed.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from metatracer.ir import opcodes as ops

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FunctionType

    from metatracer.frontend.jitcode import JitCode
    from metatracer.ir.values import FrameState, Operation
    from metatracer.recorder.frames import Box, MetaFrame

Site = tuple[int, int]
_BY_VALUE = (int, str, bytes, bool, float, type(None))
_MOST_COPIES = 2
"""Of `tail_limit` operations behind a merge point, or as much in shorter ones: the next bridge that gets there ends there."""
SHORTEST_COPY = 4
"""A copy counts if it has one part in so many of `tail_limit`: to go to a joint costs some operations, too."""
FIRST_MARK = 4
_SAME = 0.75
_FORKS = frozenset({
    ops.GUARD_TRUE, ops.GUARD_FALSE, ops.GUARD_NONNULL, ops.GUARD_NULL, ops.GUARD_NEXT, ops.GUARD_EXHAUSTED
})
_LEAST_SHARE = 8
"""A site is to blame for a tree if it has an eighth of the bridges."""


def merge_context(portal: object, key: Any) -> int:
    """The context of a portal's frame at the merge point with this green key."""
    return hash((id(portal), key))


def call_context(caller: MetaFrame, jitcode: JitCode, registers: Sequence[Box | None]) -> int:
    """The context of a frame that is about to be entered; `registers` holds its arguments."""
    known = [
        (number, obj if type(obj) in _BY_VALUE else id(obj))
        for number, box in enumerate(registers)
        if box is not None and box.is_const
        for obj in (box.object,)
    ]
    return hash((caller.context, caller.index, id(jitcode), *known))


class Branches:
    """The bridges of one tree by the sites of their guards.

    Attributes:
        total: How many there are.
        bridges: How many at each site.
        forks: How many of these on guards that have two ways only: of so many one is left, and each further one there has been
            made by what came before.
        marks: Seconds of the guest's, and exits, when there were `FIRST_MARK` bridges, twice as many, and so on.
        contexts: For each site the context of the portal's outermost frame; that with which the innermost portal was
            entered that is inlined there, if there is one; and that of the innermost frame if it is not the outermost.
    """

    __slots__ = ("bridges", "contexts", "forks", "marks", "total")

    def __init__(self) -> None:
        self.total = 0
        self.marks: list[tuple[float, int]] = []
        self.forks: Counter[Site] = Counter()
        self.bridges: dict[Site, int] = {}
        self.contexts: dict[Site, tuple[int, int | None, int | None]] = {}

    def note(self, guard: Operation, portal_of: Callable[[FunctionType], object]) -> None:
        """A bridge has been attached to this guard; `portal_of` tells which portal a function is."""
        self.total += 1
        frames = guard.snapshot.frames if guard.snapshot is not None else ()
        if not frames:
            return
        top: FrameState = frames[-1]
        site = (top.context, top.index)
        self.bridges[site] = self.bridges.get(site, 0) + 1
        self.forks[site] += guard.opcode in _FORKS
        entered = None
        for frame in frames[1:]:
            if frame.entry_key is not None:
                entered = merge_context(portal_of(frame.function), frame.entry_key)
        self.contexts[site] = (frames[0].context, entered, top.context if len(frames) > 1 else None)


    def is_in_vain(self, seconds: float, exits: int) -> bool:
        """Whether one instruction that goes two ways has most of the bridges, and with twice as many exits are about as frequent.

        Args:
            seconds: Of the guest's, until now.
            exits: From the tree, until now.
        """
        if self.total < FIRST_MARK << len(self.marks):
            return False
        self.marks.append((seconds, exits))
        if len(self.marks) < 3 or 3 * max(self.forks.values(), default=0) < 2 * self.total:
            return False
        (first, first_exits), (then, then_exits), _ = self.marks[-3:]
        return (exits - then_exits) * (then - first) >= _SAME * (then_exits - first_exits) * (seconds - then)


class Polymorphism:
    """What the recordings of one portal have learned.

    Attributes:
        called: Contexts of functions, and of entries of portals, that are called instead of being looked into.
        joins: Contexts of merge points of the portal's own frame at which traces end.
    """

    def __init__(self) -> None:
        self.called: set[int] = set()
        self.joins: set[int] = set()
        self._tails: Counter[int] = Counter()
        self._promoted: dict[Site, list[int]] = {}
        self._codes: dict[tuple[Site, int], int] = {}

    def note_tails(self, tails: dict[int, int]) -> None:
        """Code is in place that repeats so many operations behind the merge points of these contexts."""
        self._tails.update(tails)

    def forget_tails(self, tails: dict[int, int]) -> None:
        """Such code is gone."""
        self._tails.subtract(tails)

    def is_joint(self, context: int, limit: int) -> bool:
        """Whether traces repeat so much of what comes behind a merge point that further ones end there."""
        return self._tails[context] >= _MOST_COPIES * max(limit, 1)

    def may_promote(self, site: Site, value: object, limit: int, met: set[Site]) -> bool:
        """Whether a value is to be a constant of the trace, and not one more of too many at this place.

        Args:
            site: The place.
            value: What it is now.
            limit: How many different values are promoted there.
            met: Sites of promotions in this recording. An unrolled loop comes to a place with many values; only the
                first counts.
        """
        known = self._promoted.setdefault(site, [])
        if id(value) in known:
            return True
        if site not in met:
            if len(known) >= limit:
                return False
            known.append(id(value))
            met.add(site)
        return True

    def has_met_copy(self, site: Site, function: FunctionType) -> bool:
        """Whether a place calls functions that one `def` has made, of which this is not the first that came by."""
        return self._codes.setdefault((site, id(function.__code__)), id(function)) != id(function)

    def restrict(self, branches: Branches, own: int) -> bool:
        """Do what keeps a tree from growing like this again; False if there is nothing.

        A join costs what the trace has found out before it; a call costs the speed of CPython in the callee.

        Args:
            branches: Of the tree.
            own: Context of its root's merge point.
        """
        found = False
        blamed = [
            branches.contexts[site]
            for site, count in branches.bridges.items()
            if count >= 2 and count * _LEAST_SHARE >= branches.total
        ]
        calls = Counter([(outer, entered) for outer, entered, _ in blamed])
        for outer, entered, inner in blamed:
            if entered is not None and (outer == own or calls[outer, entered] > 1):
                chosen, context = self.called, entered
            elif outer != own:
                chosen, context = self.joins, outer
            elif inner is not None:
                chosen, context = self.called, inner
            else:
                continue
            if context not in chosen:
                chosen.add(context)
                found = True
        return found
