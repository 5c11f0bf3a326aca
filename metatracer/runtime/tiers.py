"""The second level of code: a tree that stays hot becomes one function.

The first compile of each trace is quick, and each trace is a function of its own. Its code counts its runs down
(`CodeMemory.heat_address`) and leaves at a guard that may fail at any time when the count gets to 0. Where roots are looked at,
passes and entries are counted anyway, and a look asks for the tree (`runtime.replacing`). Then the root and
those of its bridges that matter are compiled as one function (`backend.compile.compile_tree`), with the counts as
weights of the branches, and what enters the root is redirected: its cell, its label and its entry from Python.

LLVM works on a background thread, unless the parameter `background` is off. That thread gets text and gives machine
code; nothing else happens there, because objects of the guest must not die, nor guest code run, on a thread that the
guest knows nothing of. When it is done it sets the heat of the code that runs to 1, so that this leaves once more, and
whoever takes that exit puts the tree in place.

Where the root is no loop, a trace that stays hot is compiled once more alone, at the parameter `compile_level`. Most run a few
hundred times in a program's first seconds, and code generation takes eight times as long at level 1 as at level 0.

A tree is dropped, and its root's own code entered again, when a bridge in it is detached. Threads that are in the tree by
then find the bridge's slot changed and leave there.
"""

from __future__ import annotations

import _thread
import atexit
import os
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, ClassVar

from metatracer import log
from metatracer.backend.compile import TreeText, branch_of, emit_tree, link_tree, set_cell
from metatracer.backend.emit import counting_guard
from metatracer.backend.layout import write_word
from metatracer.errors import AbortReason
from metatracer.ir.opcodes import JUMP
from metatracer.platforms import warn_mistake
from metatracer.runtime.collector import OWN_THREADS
from metatracer.runtime.loops import MOST_DOUBLINGS, PLACING, Tree, retire_tree, root_of
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metatracer.backend.compile import TreeCode
    from metatracer.backend.emit import Branch
    from metatracer.ir.values import Operation, Trace
    from metatracer.optimizer.trees import Part
    from metatracer.params import Parameters
    from metatracer.runtime.loops import GuardState, Piece

_log = log.section("tree")
_abort_log = log.section("abort")

MOST_OPERATIONS = 4000
"""Optimized operations of a tree. LLVM needs 0.3 to 0.5 ms for each at level 2, in which a tree can go out of date."""
OFTEN = 16
"""A bridge that is taken at least once in so many runs of the root may have the root made again (`carrying`)."""
RAREST = 1000
"""A bridge is left out when it is taken less than once in so many runs of the root."""


USUAL = 4
"""A root is taken to have run so many times as often as a bridge that became hot after the root's tree was made."""


@dataclass(slots=True)
class _Chosen:
    """A trace that is to be part of a tree."""

    piece: Piece
    count: int
    bridges: dict[Operation, _Chosen] = field(default_factory=dict)


@dataclass(slots=True)
class _Job:
    """A tree, or a trace alone, on its way through LLVM.

    Attributes:
        root: Its root, or that trace's code.
        bridges: The others in it.
        counts: How often the root and these had run.
        text: What LLVM gets.
        wake: Addresses of the heat words of code that may be running.
        code, error: What came of it.
        seconds: Of processor time: on a busy machine the clock says much more, and a tree would seem to be worth its cost late.
    """

    root: Piece
    bridges: tuple[Piece, ...]
    counts: tuple[int, ...]
    text: TreeText
    wake: tuple[int, ...]
    code: TreeCode | None = None
    error: str = ""
    seconds: float = 0.0


FINISHED: deque[_Job] = deque()
"""Trees that LLVM is done with, to be put in place."""


def is_due(root: Piece) -> bool:
    """Whether the tree of a root whose passes are counted should be compiled, or again for the sake of a new bridge."""
    threshold = first_heat(root.trace, None, root.loop.portal.driver.params.tier2_threshold)
    if not threshold or not root.code.counted or root.is_being_compiled:
        return False
    heat = threshold << min(root.trees_compiled, MOST_DOUBLINGS)
    if root.tree is None:
        return root.passes - root.passes_at_tree >= heat
    inside = set(map(id, root.tree.bridges))
    return any(bridge.passes - bridge.passes_at_tree >= heat for bridge in _bridges(root) if id(bridge) not in inside)


def is_hot(root: Piece) -> bool:
    """Whether a root whose passes are counted has had enough of them for a tree, whether it has got one or not."""
    threshold = first_heat(root.trace, None, root.loop.portal.driver.params.tier2_threshold)
    return bool(threshold and root.code.counted and root.passes >= threshold and not root.is_being_compiled)


def may_become_tree(root: Piece) -> bool:
    """Whether a root has no tree, and will have one if it goes on."""
    return root.tree is None and bool(first_heat(root.trace, None, root.loop.portal.driver.params.tier2_threshold))


def note_all_runs(root: Piece) -> None:
    """Let a tree whose entries are counted be laid out by all that was counted so far."""
    for piece in (root, *_bridges(root)):
        piece.runs = piece.passes


def _bridges(root: Piece) -> Iterator[Piece]:
    waiting = [root]
    while waiting:
        for guard in waiting.pop().guards.values():
            if guard.bridge is not None:
                waiting.append(guard.bridge)
                yield guard.bridge


def first_heat(trace: Trace, parent: GuardState | None, threshold: int) -> int:
    """How often new code is to run before its tree is compiled (again), 0 if it never is.

    Only loops become trees: recursive fib took 1.3 to 1.6 times as long as one (why was not measured).

    Args:
        trace: What the code is made from.
        parent: A bridge's guard.
        threshold: The parameter.
    """
    if parent is None:
        return threshold if _is_loop(trace) else 0
    root = root_of(parent.piece)
    return threshold << min(root.trees_compiled, MOST_DOUBLINGS) if _is_loop(root.trace) else 0


def heat_alone(trace: Trace, params: Parameters) -> int:
    """How often code that gets into no tree is to run before it is compiled once more, 0 if the first compile has to do."""
    if not params.compile_level or counting_guard(trace) is None:
        return 0
    return params.tier2_threshold


def _is_loop(trace: Trace) -> bool:
    return trace.operations[-1].opcode is JUMP and trace.operations[-1].descr is None


def attend(guard: GuardState) -> None:
    """Machine code has left at a guard that fails for no reason of the guest's: see whether its tree is hot."""
    if FINISHED:
        put_in_place()
    piece = guard.piece
    if piece.code.is_hot:
        request(piece)


def request(hot: Piece) -> None:
    """Have the tree compiled that `hot` is part of, or `hot` itself once more."""
    root = root_of(hot)
    if not _is_loop(root.trace):
        root = hot
    params = root.loop.portal.driver.params
    if not hot.code.counted:
        hot.runs = max(hot.runs, hot.code.runs)
        hot.code.set_heat(0)
    if root.is_being_compiled or root.reason or not _is_in_use(root):
        return
    root.is_being_compiled = True
    for piece in (root, *_bridges(root)):
        piece.passes_at_tree = piece.passes
    start = time.perf_counter()
    try:
        chosen, pieces = _choose(root) if _is_loop(root.trace) else (_Chosen(root, root.runs), [root])
        if _carries_more(chosen, pieces):
            root.is_being_compiled = False
            return
        part = _refined(chosen, forced=params.force_exits > 0)
        text = emit_tree(
            _branch(chosen, part),
            level=params.tier2_level if _is_loop(root.trace) else params.compile_level,
            force_exits=params.force_exits or None,
            own_label=root.label,
            is_bridge=root.parent is not None,
        )
    except BaseException:
        root.is_being_compiled = False
        raise
    memories = (root.code.memory, hot.code.memory)
    wake = tuple([memory.heat_address for memory in memories if memory is not None and not root.code.counted])
    counts = tuple([piece.runs for piece in pieces])
    job = _Job(root, tuple(pieces[1:]), counts, text, wake)
    STATISTICS.compiling_seconds += time.perf_counter() - start
    if params.background and not _Worker.stopping:
        _start(job)
    else:
        _compile(job)
        put_in_place()


def _carries_more(top: _Chosen, pieces: list[Piece]) -> bool:
    """Whether the root has been made again, with what its most frequent bridges box.

    Where the loop is left the numbers are boxed, too: so a bridge has to be taken more often than that.
    """
    left = sum([piece.runs for piece in pieces[1:] if piece.trace.operations[-1].descr is not top.piece.label])
    least = max(top.count // OFTEN, left * 2)
    boxed = [place for piece in pieces for place in piece.boxed if piece.runs >= least]
    if not boxed:
        return False
    from metatracer.runtime.carrying import carry  # it compiles, and what compiles asks here how hot code gets

    return carry(top.piece, boxed)


def _bring_up_to_date(root: Piece) -> None:
    """Runs of a root, and of what is in its tree, were counted up to that tree only, those of other bridges from then on.

    Both are needed beside each other. How often the root has run meanwhile is not known, but bridges that were not there when
    it was hot are taken for the exceptions: LLVM keeps the variables of a loop that seems rarer than what leaves it in memory.
    """
    tree = root.tree
    if tree is None or root.code.counted:
        return
    inside = set(map(id, tree.bridges))
    hottest = max((_runs(bridge, 0) for bridge in _bridges(root) if id(bridge) not in inside), default=0)
    before, root.runs = root.runs, max(root.runs, USUAL * hottest)
    for bridge in tree.bridges:
        bridge.runs = bridge.runs * root.runs // max(before, 1)


def _is_in_use(piece: Piece) -> bool:
    """Whether a bridge is its guard's, or a root its loop's or may become so."""
    if piece.parent is not None:
        return piece.parent.bridge is piece
    return piece.loop.piece is piece or piece in piece.loop.beside


def _choose(root: Piece) -> tuple[_Chosen, list[Piece]]:
    """The root and the bridges that run most, as many as may be."""
    _bring_up_to_date(root)
    top = _Chosen(root, _runs(root, 0))
    pieces = [root]
    room = MOST_OPERATIONS - len(root.trace.operations)
    waiting: list[tuple[int, int, _Chosen, GuardState]] = []

    def consider(chosen: _Chosen) -> None:
        for guard in chosen.piece.guards.values():
            bridge = guard.bridge
            if bridge is not None and bridge.trace.label is None and not bridge.reason:
                heappush(waiting, (-_runs(bridge, chosen.count), bridge.number, chosen, guard))

    consider(top)
    while waiting:
        negative, _, parent, guard = heappop(waiting)
        bridge = guard.bridge
        if bridge is None or -negative * RAREST < top.count or len(bridge.trace.operations) > room:
            continue
        room -= len(bridge.trace.operations)
        chosen = parent.bridges[guard.operation] = _Chosen(bridge, -negative)
        pieces.append(bridge)
        consider(chosen)
    _conserve(top)
    return top, pieces


def _conserve(chosen: _Chosen) -> int:
    """What goes on in bridges has come by: a guess, or a count of another time, is at least the sum of theirs."""
    chosen.count = max(chosen.count, sum(map(_conserve, chosen.bridges.values())))
    return chosen.count


def _runs(piece: Piece, parent: int) -> int:
    """How often code has run, or a guess from its parent's runs where that is not counted."""
    if piece.code.counted:
        return piece.runs
    piece.runs = max(piece.runs, piece.code.runs)
    if counting_guard(piece.trace) is None:
        return parent // 4
    return piece.runs


def _refined(root: _Chosen, *, forced: bool) -> Part:
    """The traces of a tree, those of bridges with what is known where they begin."""
    from metatracer.optimizer.trees import Part, refined  # with the optimizer, when that is first needed

    def part_of(chosen: _Chosen) -> Part:
        return Part(chosen.piece.trace, {guard: part_of(bridge) for guard, bridge in chosen.bridges.items()})

    part = part_of(root)
    return refined(part, forced=forced) if root.bridges else part


def _branch(chosen: _Chosen, part: Part) -> Branch:
    """What the backend is to make of a part of a tree; bridges on guards that are no more are left out."""
    branches = {
        guard: _branch(chosen.bridges[part.origins.get(guard, guard)], bridge) for guard, bridge in part.bridges.items()
    }
    return branch_of(part.trace, chosen.piece.code, chosen.count, branches, part.origins, part.extras)


def put_in_place() -> None:
    """Put finished trees in place, as far as they are still what their root and bridges are."""
    while FINISHED:
        try:
            job = FINISHED.popleft()
        except IndexError:
            return
        root = job.root
        root.is_being_compiled = False
        if job.code is None:
            _failed(job)
            continue
        with PLACING:
            is_valid = (
                _is_in_use(root)
                and not root.reason
                and all(piece.parent is not None and piece.parent.bridge is piece for piece in job.bridges)
            )
            before = root.tree
            if is_valid:
                root.tree = Tree(job.code, job.bridges, job.seconds)
                root.trees_compiled += 1
                _lead_to(root, job.code)
        if not is_valid:
            job.code.free()
            if not root.code.is_freed and not root.code.counted:  # a bridge has gone meanwhile: another time
                root.code.set_heat(root.loop.portal.driver.params.tier2_threshold)
            continue
        if before is not None:
            retire_tree(before)
        _installed(job, job.code)


def _lead_to(piece: Piece, code: TreeCode) -> None:
    """Let what enters a root or a bridge enter `code`."""
    if piece.parent is not None:
        piece.parent.piece.code.reroute(piece.parent.operation.guard_id, code)
        return
    piece.code.redirect(code)
    if piece.loop.piece is piece:
        set_cell(piece.loop.ref, code)


def _installed(job: _Job, code: TreeCode) -> None:
    root = job.root
    STATISTICS.machine_code_bytes += code.size_bytes
    STATISTICS.background_seconds += sum(code.seconds.values())
    if _is_loop(root.trace):
        STATISTICS.trees_compiled += 1
        root.loop.record.trees += 1
        _heat_outside(root, set(map(id, job.bridges)))
    else:
        STATISTICS.traces_compiled_again += 1
    if _log.on:
        runs, *others = job.counts
        bridges = ", ".join([f"{piece.code.name} x{count}" for piece, count in zip(job.bridges, others, strict=True)])
        seconds = " ".join([f"{name} {1000 * each:.1f}" for name, each in code.seconds.items()])
        _log.write(f"{code.name} x{runs}: {code.size_bytes} bytes, milliseconds: {seconds}; bridges: {bridges or 'none'}")


def _heat_outside(root: Piece, inside: set[int]) -> None:
    """Let bridges that are not in the tree ask for a new one when they turn out to run often."""
    threshold = root.loop.portal.driver.params.tier2_threshold
    for bridge in _bridges(root):
        if not bridge.code.counted:
            bridge.code.set_heat(0 if id(bridge) in inside else first_heat(bridge.trace, bridge.parent, threshold))


def _failed(job: _Job) -> None:
    """LLVM would not: the traces' own code goes on."""
    reason = AbortReason.COMPILE_FAILED
    job.root.trees_compiled = MOST_DOUBLINGS  # that would only fail again
    STATISTICS.count_abort(reason.name)
    job.root.loop.record.add_abort(reason.name, reason.value, job.error)
    warn_mistake(reason.value, job.root.loop.record.location)
    if _abort_log.on:
        _abort_log.write(f"{job.root.code.name}: {job.error}")


# --- the thread -----------------------------------------------------------------------------------------------------------


def _compile(job: _Job) -> None:
    start = time.thread_time()
    try:
        job.code = link_tree(job.text)
    except Exception as error:  # noqa: BLE001 - whatever it is: the guest goes on without the tree
        job.error = "".join(traceback.format_exception(error)).strip()
    job.seconds = time.thread_time() - start
    FINISHED.append(job)
    for address in job.wake:
        write_word(address, 1)


class _Worker:
    """The state of the background thread, of which there is one while there are jobs.

    Attributes:
        jobs: Not begun.
        lock: Of the other attributes.
        working: Held while LLVM works.
        is_running: There is a thread, or about to be one.
        stopping: The process is about to end.
    """

    jobs: ClassVar[deque[_Job]] = deque()
    lock = threading.Lock()
    working = threading.Lock()
    is_running = False
    stopping = False


def _start(job: _Job) -> None:
    with _Worker.lock:
        _Worker.jobs.append(job)
        if _Worker.is_running:
            return
        _Worker.is_running = True
    try:
        _thread.start_new_thread(_work, ())
    except RuntimeError:  # no more threads for this process
        _work()


def _work() -> None:
    while True:
        with _Worker.working:
            with _Worker.lock:
                if not _Worker.jobs or _Worker.stopping:
                    _Worker.is_running = False
                    return
                job = _Worker.jobs.popleft()
            _compile(job)
            del job


def _is_at_work() -> bool:
    return _Worker.is_running


def wait_for_trees() -> None:
    """Wait until the background thread has nothing to do, and put in place what it has done."""
    while _Worker.is_running:
        time.sleep(0.001)
    put_in_place()


def _stop() -> None:
    """LLVM must not be at work when the process takes its memory apart."""
    _Worker.stopping = True
    with _Worker.working:
        pass


def _forked() -> None:
    """The child has no background thread."""
    for job in _Worker.jobs:
        job.root.is_being_compiled = False
    _Worker.jobs.clear()
    _Worker.is_running = False
    _Worker.lock.release()
    _Worker.working.release()


def _before_fork() -> None:
    _Worker.working.acquire()
    _Worker.lock.acquire()


def _after_fork() -> None:
    _Worker.lock.release()
    _Worker.working.release()


OWN_THREADS.append(_is_at_work)
atexit.register(_stop)
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forked)
