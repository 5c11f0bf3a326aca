"""What the runtime knows of guest loops: one `Loop` for each green key of a portal, and the code compiled for it."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metatracer import hooks, log
from metatracer.backend.compile import set_cell
from metatracer.backend.counting import PLENTY
from metatracer.backend.layout import read_word
from metatracer.ir.snapshots import live_values
from metatracer.ir.values import LabelRef, LoopRef, Value
from metatracer.recorder.polymorphism import Branches
from metatracer.recorder.resume import ExitPlan
from metatracer.runtime import summaries
from metatracer.runtime.untracked import take_back
from metatracer.statistics import STATISTICS, LoopRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metatracer.backend.compile import CompiledCode, TreeCode
    from metatracer.ir.opcodes import Effect
    from metatracer.ir.shapes import Shapes
    from metatracer.ir.values import Operation, Trace
    from metatracer.optimizer.carrying import Place
    from metatracer.recorder.resume import Rebuilt
    from metatracer.runtime.pace import Pace
    from metatracer.runtime.portal import Portal
    from metatracer.runtime.replacing import Replacement
    from metatracer.runtime.scattered import Keys
    from metatracer.runtime.summaries import Summary

_log = log.section("invalidate")
_numbers = itertools.count(1)


class Loop:
    """A guest loop (or function entry): the token that a tick gives and that `drive` takes.

    Attributes:
        portal: Whose.
        key, greens: Its green key, and the green values (kept alive with the loop).
        count: Back-edges counted since the last attempt. entries: function entries, likewise.
        spent: Seconds of the interpreter since then. charged: When some were added last (see `hotness`).
        until_look: Visits until the next one that is counted (`Portal.look`).
        rests: Visits until its code is entered again (`pace`). pace: How it gets on, once it has been left.
        misses: Recordings thrown away because they left the loop, or could not be peeled. ways_missed: Because they went a way
            to be avoided.
        waited_for: Recordings given up because they want to call this loop and it has no code yet.
        wait: Factor on the thresholds; grows with each abort.
        attempts: Recordings given up since the last success.
        branches: The bridges of the root code and its versions'.
        done_before: What its code was once found to do although callers relied on less.
        piece: The root code, None when there is none (or it was invalidated).
        beside: Other roots that may be run, during a trial. replacement: What is kept of looks at the root.
        ref: Name of the loop in the IR, with the cell through which other code reaches it.
        incoming: How many live pieces refer to the cell.
        may_unwind: Callers leave their machine code when this loop leaves its own. unwound, unwound_since: How often that
            has happened since when.
        record: For `explain`.
        base: This loop; for a `Version` the loop that it is a version of.
        recorded: The recorded root trace and whether it is a loop: versions are made from it.
        carried: Numbers that its code was made to carry. times_carried: How often that was tried.
        versions: By the shapes of their arguments.
    """

    __slots__ = (
        "attempts",
        "base",
        "beside",
        "branches",
        "carried",
        "charged",
        "count",
        "done_before",
        "entries",
        "greens",
        "incoming",
        "is_recording",
        "key",
        "may_inline",
        "may_unwind",
        "misses",
        "pace",
        "piece",
        "portal",
        "record",
        "recorded",
        "ref",
        "replacement",
        "rests",
        "spent",
        "stale",
        "times_carried",
        "until_look",
        "unwound",
        "unwound_since",
        "versions",
        "wait",
        "waited_for",
        "ways_missed",
    )

    def __init__(self, portal: Portal, key: Any, greens: tuple[Any, ...]) -> None:
        self.portal = portal
        self.key = key
        self.greens = greens
        self.count = 0
        self.entries = 0
        self.spent = self.charged = 0.0
        self.wait = 1.0
        self.until_look = 0
        self.rests = 0
        self.pace: Pace | None = None
        self.attempts = 0
        self.misses = self.ways_missed = 0
        self.waited_for = 0
        self.piece: Piece | None = None
        self.beside: list[Piece] = []
        self.replacement: Replacement | None = None
        self.stale: Piece | None = None
        self.incoming = 0
        self.is_recording = False
        self.may_inline = True
        self.branches = Branches()
        self.done_before = summaries.NOTHING
        self.may_unwind = True
        self.unwound = 0
        self.unwound_since = 0.0
        self.record: LoopRecord = portal.new_record(greens)
        name = f"{portal.driver.name}_{next(_numbers)}"
        self.ref = LoopRef(name, token=self, version_for=self._version_for, effects=self._effects)
        self.base: Loop = self
        self.recorded: tuple[Trace, bool] | None = None
        self.carried: tuple[Place, ...] = ()
        self.times_carried = 0
        self.versions: dict[Shapes, Version] = {}

    @property
    def is_in_use(self) -> bool:
        """Whether there is, or soon will be, more to it than its counts."""
        return bool(self.piece or self.stale or self.incoming or self.is_recording)

    @property
    def is_watched(self) -> bool:
        """Whether its roots are counted and looked at (`replacing`): what begins at a joint is no loop of the guest's."""
        return self.portal.driver.params.replace != "off" and self.base is self and not self.ref.is_joint

    def _version_for(self, shapes: Shapes) -> LoopRef | None:
        from metatracer.runtime.versions import version_for

        return None if self.ref.is_joint else version_for(self, shapes)

    def _effects(self) -> tuple[Effect, Effect, bool]:
        summary = summaries.rely_on(self)
        return summary.reads, summary.writes, summary.runs_code


class Version(Loop):
    """A loop as it is entered by traces that have not allocated its arguments; `base` is the loop itself.

    Attributes:
        shapes: Of the arguments.
        visits: How often it was entered before it had code.
    """

    __slots__ = ("shapes", "visits")

    def __init__(self, base: Loop, shapes: Shapes) -> None:
        super().__init__(base.portal, base.key, base.greens)
        self.base = base
        self.record = base.record
        self.shapes = shapes
        self.visits = 0
        name = f"{base.ref.name}_v{len(base.versions) + 1}"
        self.ref = LoopRef(name, token=self, shapes=shapes, effects=self._effects, returns_parts=True)


@dataclass(slots=True, eq=False)
class GuardState:
    """A guard of compiled code.

    Attributes:
        operation: With its snapshot.
        piece: The code it belongs to.
        live: Its live values, in the order in which exits hand them over.
        plan: How the frames are built from them; made at the first failure.
        failures: Exits into the interpreter so far. spent: Seconds from them to the next machine code.
        wait: At how many failures the next bridge is tried.
        callees: Recordings of it given up since a callee had no code yet.
        bridge: The code attached.
        refused: No bridge is ever recorded here (the guard's meaning is to leave).
        is_before_label: It belongs to the iteration that comes before a peeled loop.
        bridges_seen: How many bridges the tree had when a bridge here was last due, -1 if none was.
        keys: For one that asks for the greens, those with which such have failed there. passes: The bridge that is due is for any
            greens.
    """

    operation: Operation
    piece: Piece
    live: tuple[Value, ...]
    failures: int = 0
    spent: float = 0.0
    wait: float = 0.0
    callees: int = 0
    bridge: Piece | None = None
    refused: bool = False
    is_before_label: bool = False
    bridges_seen: int = -1
    plan: ExitPlan | None = None
    keys: Keys | None = None
    passes: bool = False

    def rebuild(self, values: Sequence[Any]) -> Rebuilt:
        """The frames at an exit, from what it has handed over."""
        plan = self.plan
        if plan is None:
            snapshot = self.operation.snapshot
            assert snapshot is not None
            plan = self.plan = ExitPlan(snapshot, self.live)
        return plan.rebuild(values)


@dataclass(slots=True, eq=False, weakref_slot=True)
class Piece:
    """A compiled trace: a root, or a bridge below one.

    Attributes:
        loop: The loop whose tree it belongs to.
        code: The machine code.
        trace: The optimized trace.
        parent: For a bridge, the guard it hangs on.
        number: Of the trace, for people.
        targets: Loops that the code refers to by their cells.
        label: The label of a loop's code, where other code may enter it.
        entered: Code of other trees that this code enters at their labels.
        holders: How much live code of other trees enters this code at its label: it is not retired before they are.
        enterers: That code, as far as it is in place. When this code is invalidated, it is, too: it would leave here each time.
        is_waiting: It is to be retired when there are no holders. is_retired: that has happened.
        reason: Why it was invalidated, "" while valid.
        cpu_seconds: That compiling it took.
        granted: Passes or entries given to it in all.
        summary: What its own operations may do, and the loops it goes to or calls.
        tree: For a root, the code in which it is one function with its bridges, if there is any.
        is_being_compiled: Such code is on its way. trees_compiled: How much there was.
        passes_at_tree: Where passes are counted, how many there were when it was last asked for.
        runs: How often its own code has run, as far as that was looked at; of counted code, when that was last looked at.
        tails: Of the recording (`Recorded.tails`), as long as they count.
        boxed: Of a bridge, the numbers that it boxes to enter its loop.
    """

    loop: Loop
    code: CompiledCode
    trace: Trace
    parent: GuardState | None
    number: int
    targets: list[Loop] = field(default_factory=list)
    label: LabelRef | None = None
    entered: list[Piece] = field(default_factory=list)
    holders: int = 0
    enterers: list[Piece] = field(default_factory=list)
    is_waiting: bool = False
    is_retired: bool = False
    reason: str = ""
    cpu_seconds: float = 0.0
    granted: int = PLENTY
    guards: dict[int, GuardState] = field(default_factory=dict)
    tree: Tree | None = None
    is_being_compiled: bool = False
    trees_compiled: int = 0
    passes_at_tree: int = 0
    runs: int = 0
    tails: dict[int, int] = field(default_factory=dict)
    boxed: tuple[Place, ...] = ()
    summary: tuple[Summary, tuple[Loop, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.summary = summaries.own_summary(self.trace)

    @property
    def passes(self) -> int:
        """Passes of its header, or entries, so far (as far as its code is counted)."""
        return self.granted - self.code.passes_left

    @property
    def in_use(self) -> CompiledCode | TreeCode:
        """What a loop's cell leads to when this is its root."""
        return self.code if self.tree is None else self.tree.code

    def give_passes(self, count: int) -> None:
        """Let it run for so many passes or entries."""
        self.granted = self.passes + count
        self.code.give_passes(count)

    def invalidate(self, reason: str) -> None:
        """An assumption broke (called by the registry, from any place that changed something)."""
        if self.reason:
            return
        self.reason = reason
        if not self.code.is_freed:
            self.code.invalidate()
        STATISTICS.invalidations += 1
        loop = self.loop
        loop.record.status = "invalidated"
        loop.record.reason = reason
        if loop.piece is self:
            # Other code may still jump here through the cell: the code stays, and leaves at once, until it is replaced.
            loop.stale, loop.piece = self, None
            loop.ref.label = None
            loop.count = loop.entries = 0
        elif self.parent is not None:
            detach(self)
            retire(self)
        if _log.on:
            _log.write(f"{self.code.name}: {reason}")
        for enterer in tuple(self.enterers):
            enterer.invalidate(f"it goes to {self.code.name}, which was invalidated")
        if hooks.registered["invalidate"]:
            record = loop.record
            hooks.fire(
                "invalidate",
                hooks.InvalidateEvent(
                    driver=record.driver,
                    location=record.location,
                    filename=record.filename,
                    lineno=record.lineno,
                    trace=self.number,
                    assumption=reason,
                ),
            )


@dataclass(slots=True, eq=False)
class Tree:
    """A root and some of its bridges as one function (`runtime.tiers`); `seconds` of processor time were spent on it."""

    code: TreeCode
    bridges: tuple[Piece, ...]
    seconds: float


PLACING = threading.RLock()
"""Held while what a loop's cell, a root's label or a guard's slot leads to is decided and changed."""

GUARDS: dict[int, GuardState] = {}
"""Every guard of live code by its number."""

_retired: list[tuple[int, Piece | Tree]] = []
_epochs = itertools.count(1)
MOST_DOUBLINGS = 20
"""Of the heat that code needs to get another tree."""
_tickets = itertools.count(1)
_active: dict[int, int] = {}
"""Machine code being run: ticket -> epoch at its start. Code retired in an epoch is freed when all began later."""
_epoch = [0]
_lock = threading.Lock()


def began() -> int:
    """A thread is about to run machine code; gives the ticket for `ended`."""
    ticket = next(_tickets)
    _active[ticket] = _epoch[0]
    return ticket


def ended(ticket: int) -> None:
    """It has left it."""
    del _active[ticket]
    if _retired:
        free_retired()


def register_guards(piece: Piece) -> None:
    """Make the guards of new code known."""
    operations = piece.trace.operations
    start = operations.index(piece.trace.label) if piece.trace.label is not None else 0
    before_label = {operation.guard_id for operation in operations[:start] if operation.opcode.is_guard}
    for number, operation in piece.code.guards.items():
        assert operation.snapshot is not None
        state = GuardState(operation, piece, live_values(operation.snapshot))
        state.refused = operation.opcode.name in ("guard_no_attention", "guard_not_invalidated")
        state.is_before_label = operation.guard_id in before_label
        piece.guards[number] = state
        GUARDS[number] = state


def detach(bridge: Piece) -> None:
    """Let the guard of a bridge exit again."""
    parent = bridge.parent
    assert parent is not None
    with PLACING:
        if parent.bridge is bridge:
            parent.bridge = None
            parent.failures = 0
            if not parent.piece.code.is_freed:
                parent.piece.code.detach(parent.operation.guard_id)
    root = root_of(bridge)
    if root.tree is not None and bridge in root.tree.bridges:
        drop_tree(root)


def root_of(piece: Piece) -> Piece:
    """The root of the tree that code belongs to."""
    while piece.parent is not None:
        piece = piece.parent.piece
    return piece


def tree_of(root: Piece) -> Iterator[Piece]:
    """A root and its bridges."""
    pieces = [root]
    while pieces:
        piece = pieces.pop()
        pieces += [guard.bridge for guard in piece.guards.values() if guard.bridge is not None]
        yield piece


def drop_tree(root: Piece) -> None:
    """Let a root be entered in its own code again, which asks for another tree when it stays hot."""
    with PLACING:
        tree, root.tree = root.tree, None
        if tree is None or root.code.is_freed:
            return
        root.code.redirect(None)
        ref = root.loop.ref
        if read_word(ref.cell) == tree.code.address:
            set_cell(ref, root.code)
        if not root.code.counted:
            params = root.loop.portal.driver.params
            root.code.set_heat(params.tier2_threshold << min(root.trees_compiled, MOST_DOUBLINGS))
    retire_tree(tree)


def retire_tree(tree: Tree) -> None:
    """Nothing leads to the tree any more: free it when no thread is in it."""
    with _lock:
        _epoch[0] = next(_epochs)
        _retired.append((_epoch[0], tree))
    free_retired()


def retire(piece: Piece) -> None:
    """No slot and no cell leads to the code any more: free it, and its bridges, when no thread is in it.

    Code that others enter at its label waits until they are retired. Two threads may both find that it is due.
    """
    with _lock:
        if piece.is_retired:
            return
        if piece.holders:
            piece.is_waiting = True
            return
        piece.is_retired = True
        _epoch[0] = next(_epochs)
        _retired.append((_epoch[0], piece))
    forget_tails(piece)
    while piece.entered:
        other = piece.entered.pop()
        if piece in other.enterers:
            other.enterers.remove(piece)
        release(other)
    for guard in piece.guards.values():
        if guard.bridge is not None:
            bridge, guard.bridge = guard.bridge, None
            retire(bridge)
    free_retired()


def note_tails(piece: Piece, tails: dict[int, int]) -> None:
    """Code has been put in place whose recording repeats these ways."""
    with _lock:
        if not piece.is_retired:
            piece.tails = tails
            piece.loop.portal.polymorphism.note_tails(tails)


def forget_tails(piece: Piece) -> dict[int, int]:
    """What code repeats does not count any more: it goes, or something is recorded that is to be without it."""
    with _lock:
        tails, piece.tails = piece.tails, {}
    if tails:
        piece.loop.portal.polymorphism.forget_tails(tails)
    return tails


def hold(piece: Piece) -> bool:
    """Keep code from being retired; says whether it is not too late."""
    with _lock:
        if piece.is_retired:
            return False
        piece.holders += 1
        return True


def release(piece: Piece) -> None:
    """Undo `hold`."""
    with _lock:
        piece.holders -= 1
        ready = piece.is_waiting and not piece.holders
    if ready:
        retire(piece)


def free_retired() -> None:
    """Free the retired code that no thread can be in."""
    from metatracer.runtime import assumptions

    with _lock:
        oldest = min(list(_active.values()), default=_epoch[0])
        ready = [piece for epoch, piece in _retired if epoch <= oldest]
        _retired[:] = [(epoch, piece) for epoch, piece in _retired if epoch > oldest]
    for piece in ready:
        if isinstance(piece, Tree):
            piece.code.free()
            continue
        if piece.tree is not None:
            piece.tree.code.free()
        for number in piece.guards:
            GUARDS.pop(number, None)
        assumptions.forget(piece)
        summaries.forget(piece)
        take_back(piece)
        piece.code.free()
        STATISTICS.retired_codes_freed += 1
        for target in piece.targets:
            target.incoming -= 1
            if not target.incoming and target.stale is not None and target.piece is None:
                stale, target.stale = target.stale, None
                retire(stale)
