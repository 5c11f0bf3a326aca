"""Roots are looked at again, and replaced when another one is measured to be better.

A counted root leaves at its header when its passes are used up (`backend.counting`). Then the runtime has a *look*: how many
passes took which way (`flow`). If a look asks for it (`profile.policy`), the next visit of the header is recorded; a recording
that did not take the wanted way is thrown away, and another one is made, a few times. The new root, the *challenger*, is
compiled beside the *champion*. Both are put into the loop's cell in turn (`profile.trial`); the one that is not there has
no passes, so that whoever is still in it comes out at the header. The loser is retired.

A look also asks for the tree of a root that is not to be replaced, once that is hot (`tiers`), and has it laid out anew when the
counts are not those any more that it was laid out by. Trees count in the words of their root's and bridges' own code, so nothing
here needs to know which of the two runs. A champion with a tree is compared with a challenger that has got one, too.

Several threads may run the loop: what is kept of it changes under a lock, but not while code is recorded or compiled.
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metatracer import log
from metatracer.backend.compile import set_cell
from metatracer.backend.counting import PLENTY
from metatracer.errors import AbortReason
from metatracer.ir import opcodes as ops
from metatracer.profile.policy import Budget, Decision, Generation, History, Layout, Way, decide, usual
from metatracer.profile.trial import ForcedTrial, Moments, Side, Trial
from metatracer.recorder.polymorphism import Branches
from metatracer.runtime import earlier, hotness
from metatracer.runtime.compiling import install_recorded
from metatracer.runtime.flow import LEAST_ENTRIES, Flow, cost_of_tree, loops_inside, operations_of_pass, site_of
from metatracer.runtime.joints import Without
from metatracer.runtime.loops import GUARDS, PLACING, detach, retire
from metatracer.runtime.summaries import code_added
from metatracer.runtime.tiers import is_due, is_hot, may_become_tree, note_all_runs, request
from metatracer.statistics import STATISTICS, ReplacementRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metatracer.errors import RecordingAborted
    from metatracer.ir.values import Operation, Trace
    from metatracer.recorder.polymorphism import Site
    from metatracer.recorder.record import Ended
    from metatracer.runtime.host import RecordingHost
    from metatracer.runtime.loops import GuardState, Loop, Piece

_log = log.section("replace")

FIRST_PASSES = 1000
"""Until the first look at a new root."""
PERIOD = 0.05
"""Seconds between two looks, at first."""
LEAST_PERIOD = PERIOD
"""What comes as a surprise sooner than this after a look is no reason for another one."""
LONGEST_PERIOD = {"pgo": 1.0, "co": 1.0, "full": 1.0, "auto": 16.0}
"""While nothing changes, the period doubles up to this, in each mode."""
GROWTH = 8
"""A look asks for at most so many times the passes of the last one."""
MOST_RECORDINGS = 4
"""Of one attempt, because the others took another way."""
MOST_UNLIKE = 3
"""Times as long an operation of one loop may take as one of another, when both lead to each other."""
HEAD_START = 0.8
"""Guards of a challenger of which nothing is known count as having failed this share of `trace_eagerness`."""
MOST_STRAYS = 20
"""Visits of the champion in the challenger's turn, by code that goes to its label, until they are led to the challenger."""
INSIDE = 1.1
"""How much of the time of loops inside is taken from a loop's: their pace was measured at another time."""
TREE_PERIOD = 0.02
"""Seconds between two looks while a tree is being compiled: a look is what puts it in place."""
BUDGET = Budget()
"""Of this process."""
PGO_SECONDS = 10.0
"""In the mode "pgo" a loop that has given no reason for an attempt in this time is not looked at any more."""


@dataclass(slots=True)
class _Attempt:
    """A challenger is wanted, or there.

    Attributes:
        decision: Why. wanted: Its way.
        is_due: The next visit of the header is to be recorded.
        recorder: The thread that records.
        recordings: Made so far.
    """

    decision: Decision
    wanted: Way
    is_due: bool = True
    recorder: int = 0
    recordings: int = 0


@dataclass(slots=True)
class _Contest:
    """Champion and challenger.

    Attributes:
        attempt: Why. trial: What is measured.
        champion, challenger: The roots.
        recorded: The challenger's recording, as in `Loop.recorded`.
        branches: Of each side.
        without: The champion's tree, which the challenger's is made without.
        strays: Visits of the champion in the challenger's turn, by code that goes to its label.
        handover: The bridge by which these get to the cell.
        has_asked: The tree of the challenger was asked for. is_waiting: It is not there yet.
    """

    attempt: _Attempt
    trial: Trial
    champion: Piece
    challenger: Piece
    recorded: tuple[Trace, bool] | None
    branches: dict[Side, Branches]
    without: Without
    strays: int = 0
    handover: Piece | None = None
    has_asked: bool = False
    is_waiting: bool = False

    def piece(self, side: Side) -> Piece:
        """The root of a side."""
        return self.champion if side == "champion" else self.challenger


class Replacement:
    """What the runtime keeps of a loop whose root is looked at.

    Attributes:
        loop: The loop.
        history: Of looks and attempts.
        avoid: Places of the way of the last root that was replaced (`earlier`).
        has_missed: All recordings of the first root went a way that was to be avoided.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.history = History()
        self.avoid: tuple[str, ...] = ()
        self.has_missed = False
        self._hint = earlier.hint_for(loop)
        earlier.watched(self)
        self._lock = threading.RLock()
        self._flow = Flow()
        self._attempt: _Attempt | None = None
        self._contest: _Contest | None = None
        self._compiled: dict[int, Piece | None] = {}
        self._layout = Layout()
        self._usual: Generation | None = None
        self._wants_tree: Piece | None = None
        self._is_tree_next = False
        self._period = PERIOD
        self._granted = 0
        self._pace = self._own_pace = 0.0
        self._loops_inside: list[Loop] = []
        self._inside_as_of = (-1, 0)
        self._inside: dict[Piece, int] = {}
        self._started = 0.0
        self._thread = 0
        self._exits = self._pieces = 0
        self._reason = ""
        self._branches = 0
        self._moments = Moments()

    # --- passes ---------------------------------------------------------------------------------------------------------

    def _grant(self, piece: Piece, passes: int) -> None:
        """Let the root run for so many passes, and start the clock."""
        piece.give_passes(passes)
        self._granted = passes
        self._thread = threading.get_ident()
        self._exits = self.loop.record.guard_exits
        self._pieces = _pieces_compiled()
        self._started = time.thread_time()

    def start(self) -> None:
        """The loop has a new root, recorded without any of this."""
        with self._lock:
            self._forget()
            root = self.loop.piece
            if root is not None:
                self._period = PERIOD if not self._hint.is_steady else LONGEST_PERIOD["auto"]
                self._layout, self._usual = Layout(), None
                self._flow.start(root)
                self._own_seconds(root, 0.0, 0)
                self._grant(root, self._forced_passes() or FIRST_PASSES)

    def used_up(self, piece: Piece) -> None:
        """A root has left its header because it has no passes left."""
        seconds = time.thread_time() - self._started
        with self._lock:
            if piece is not self.loop.piece or piece.code.passes_left > 0:
                return  # the other one is in the cell, or another thread was here first
            passes = self._granted - max(piece.code.passes_left, 0)
            is_own = self._thread == threading.get_ident()
            if self._contest is not None:
                self._window(self._contest, seconds, passes, is_own=is_own)
            elif is_own and self._attempt is None:
                self._look(piece, seconds, passes)
            else:
                self._grant(piece, self._granted)
        self._ask_for_tree()

    def _ask_for_tree(self) -> None:
        """Have the tree compiled that a look wants; not under the lock."""
        root, self._wants_tree = self._wants_tree, None
        if root is not None:
            request(root)

    # --- looks ----------------------------------------------------------------------------------------------------------

    def _look(self, root: Piece, seconds: float, passes: int) -> None:
        params = self.loop.portal.driver.params
        if params.replace == "off":  # by now
            self._grant(root, PLENTY)
            return
        STATISTICS.replacement_looks += 1
        self._pace = seconds / max(passes, 1)
        if params.force_replace:
            self._is_tree_next = not self._is_tree_next
            if self._is_tree_next and is_hot(root):
                note_all_runs(root)
                self._wants_tree = root
            else:
                self._ask_for(Decision(Way((), 0), "it is forced"))
            self._grant(root, self._forced_passes())
            return
        mode = params.replace
        ways = self._flow.ways(root, passes, deep=mode != "co")
        own = self._own_seconds(root, seconds, passes)
        self._own_pace = own / max(passes, 1)
        generation = Generation(passes, own, tuple(ways), cost_of_tree(root), seconds)
        if self.history.look(generation):
            STATISTICS.phases += 1
            self._period = PERIOD
            self._say("another phase: the shares are not those of the last attempt")
        decision = self._put_off(decide(generation, self.history, time.monotonic(), params.replace_margin))
        if decision.reason != self._reason:
            self._reason = decision.reason
            if decision.reason:
                self._say(
                    f"the root stays: {decision.reason} (its own way {decision.root_share:.1%}, another one {decision.share:.1%} "
                    f"of {passes} passes; gain {decision.gain:.3g} s, cost {generation.cost:.3g} s)"
                )
        if decision.wanted is not None:
            self._ask_for(decision)
        else:
            if not decision.is_suspicion:
                self._look_at_tree(root, generation)
            if not decision.gain and generation.is_enough:
                self._period = min(2 * self._period, LONGEST_PERIOD[mode])
        is_over = mode == "pgo" and (self.history.attempts or self.history.watched > PGO_SECONDS)
        if is_over and self._attempt is None and not root.is_being_compiled and not may_become_tree(root):
            self._grant(root, PLENTY)
            return
        wanted = self._until_next_look(root, passes)
        self._grant(root, wanted)
        self._flow.grant(root, wanted / max(passes, 1))

    def _put_off(self, decision: Decision) -> Decision:
        """The decision, or that there is nothing to be done while the tree gets bridges, or attempts have cost too much."""
        before, self._branches = self._branches, self.loop.base.branches.total
        if decision.wanted is None:
            return decision
        if self.loop.portal.driver.params.replace == "pgo" and self.history.attempts:
            return replace(decision, wanted=None, reason="there was an attempt")
        if self._branches != before:
            return replace(decision, wanted=None, reason="its tree still gets bridges")
        if not BUDGET.allows(decision.cost, time.process_time()):
            return replace(decision, wanted=None, reason="attempts have cost enough for the present")
        return decision

    def _own_seconds(self, root: Piece, seconds: float, own_passes: int) -> float:
        """The part of the seconds since the last look that loops inside have not taken, by their passes and pace.

        Where two loops lead to each other, either could have taken all of it: so none is believed to have taken more than
        `MOST_UNLIKE` times its part of the operations. All passes so far of a loop that was not inside at the last look count:
        that says too little, once.
        """
        as_of = _pieces_compiled(), root.number
        if as_of != self._inside_as_of:
            self._inside_as_of, self._loops_inside = as_of, loops_inside(root)
        before, self._inside = self._inside, {}
        taken: list[tuple[float, int]] = []
        for loop in self._loops_inside:
            piece, replacement = loop.piece, loop.replacement
            if piece is not None and replacement is not None:
                self._inside[piece] = piece.passes
                passes = max(piece.passes - before.get(piece, 0), 0)
                taken.append((INSIDE * passes * replacement._own_pace, passes * operations_of_pass(piece)))
        operations = own_passes * operations_of_pass(root) + sum([theirs for _, theirs in taken])
        most = MOST_UNLIKE * seconds / max(operations, 1)
        return max(seconds - sum([min(each, most * theirs) for each, theirs in taken]), 0.0)

    def _look_at_tree(self, root: Piece, generation: Generation) -> None:
        """Ask for the tree of a root that stays if that is hot, or for another one if its counts do not hold any more."""
        seconds = root.tree.seconds if root.tree is not None else 0.0
        generation = self._usual = usual(generation, self._usual)
        is_outdated = root.tree is not None and self._layout.is_outdated(generation, seconds)
        if root.is_being_compiled or not (is_outdated or is_due(root)):
            return
        if is_outdated:
            STATISTICS.trees_laid_out_anew += 1
            self._say(f"the tree is laid out anew: its root's own way now takes {generation.shares()[()]:.1%} of the passes")
        self._layout = Layout(generation.shares())
        self._flow.note_runs(root)
        self._wants_tree = root

    def _until_next_look(self, root: Piece, passes: int) -> int:
        """Passes until the next look, when the last one saw so many."""
        period = self._period
        if self._wants_tree is not None or root.is_being_compiled:
            period = min(period, TREE_PERIOD)
        wanted = min(int(period / max(self._pace, 1e-12)), GROWTH * passes)
        until_hot = self.loop.portal.driver.params.tier2_threshold - root.passes
        if until_hot > 0 and may_become_tree(root):
            wanted = min(wanted, until_hot)
        return max(FIRST_PASSES, wanted)

    def surprised(self, bridge: Piece) -> None:
        """A bridge was entered more often than expected: look at once, unless the last look was just now.

        What comes in rounds shorter than that (the last passes of an inner loop, say) would ask for a look in each.
        """
        seconds = time.thread_time() - self._started
        with self._lock:
            if seconds < LEAST_PERIOD and not self._forced_passes():
                bridge.give_passes(max(self._flow.unseen(bridge), LEAST_ENTRIES))
                return
            bridge.give_passes(PLENTY)
            root = self.loop.piece
            above = bridge
            while above.parent is not None:
                above = above.parent.piece
            if above is not root or self._contest is not None or self._attempt is not None:
                return
            passes = self._granted - max(root.code.passes_left, 0)
            if self._thread == threading.get_ident() and passes > 0 and not self._forced_passes():
                self._period = PERIOD
                self._look(root, seconds, passes)
        self._ask_for_tree()

    def _forced_passes(self) -> int:
        """For tests: passes until the next attempt, at random, the same in each run; they grow by `backoff_factor`."""
        params = self.loop.portal.driver.params
        if not params.force_replace:
            return 0
        return self._moments.passes(int(min(params.force_replace * params.backoff_factor**self.history.attempts, 1e9)))

    # --- recording the challenger -----------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether a challenger is wanted, or there."""
        return self._attempt is not None or self._contest is not None

    def _ask_for(self, decision: Decision) -> None:
        assert decision.wanted is not None
        self._attempt = _Attempt(decision, decision.wanted)
        STATISTICS.replacement_attempts += 1
        BUDGET.spend(decision.cost)
        self._say(
            f"attempt {self.history.attempts + 1}: the root's own way takes {decision.root_share:.1%} of the passes, "
            f"another one {decision.share:.1%}; a root for that would take {decision.predicted:.2f} of the time, "
            f"which saves {decision.gain:.3g} s and costs {decision.cost:.3g} s"
        )

    def claim(self) -> bool:
        """Whether this thread is to record a challenger, at the header where it is."""
        attempt = self._attempt
        if attempt is None or not attempt.is_due:
            return False
        with self._lock:
            is_due, attempt.is_due = attempt.is_due, False
            if is_due:
                attempt.recorder = threading.get_ident()
        return is_due

    def is_recorder(self) -> bool:
        """Whether the root that this thread has just recorded is to be a challenger."""
        return self._attempt is not None and self._attempt.recorder == threading.get_ident()

    def recorded(self, ended: Ended, host: RecordingHost, seconds: float) -> None:
        """The recording that was asked for has ended with a trace."""
        loop, attempt, recorded = self.loop, self._attempt, ended.recorded
        if attempt is None:
            return  # the tree was thrown away meanwhile
        assert recorded is not None
        attempt.recordings += 1
        kept = loop.recorded
        is_loop = kept is None or kept[1]
        if recorded.restarted or (is_loop and recorded.kind != "loop") or not _goes_through(recorded.trace, attempt.wanted):
            with self._lock:
                self._missed(attempt)
            return
        thread = threading.get_ident()
        self._compiled[thread] = made = None
        try:
            install_recorded(loop, ended, host, None, seconds)
        except Exception as error:  # noqa: BLE001 - whatever it is: the champion stays
            STATISTICS.count_abort("COMPILE_FAILED")
            detail = "".join(traceback.format_exception(error)).strip()
            loop.record.add_abort("COMPILE_FAILED", AbortReason.COMPILE_FAILED.value, detail)
            with self._lock:
                self._end_attempt(attempt, "given up", "it could not be compiled")
            return
        finally:
            compiled = self._compiled.pop(thread)
            made, loop.recorded = loop.recorded, kept
        with self._lock:
            if compiled is None:
                self._end_attempt(attempt, "given up", "an assumption broke while it was compiled")
            else:
                self._start_contest(attempt, compiled, made)

    def _missed(self, attempt: _Attempt) -> None:
        """A recording is thrown away: another one is made, unless there were too many."""
        STATISTICS.replacement_recordings_missed += 1
        if attempt.recordings < MOST_RECORDINGS:
            self._say(f"recording {attempt.recordings} took another way and is thrown away")
            attempt.is_due, attempt.recorder = True, 0
        else:
            self._end_attempt(attempt, "given up", f"{MOST_RECORDINGS} recordings took another way")

    def given_up(self, aborted: RecordingAborted) -> None:
        """The recording that was asked for was given up."""
        STATISTICS.count_abort(aborted.reason.name)
        with self._lock:
            if self._attempt is not None:
                self._end_attempt(self._attempt, "given up", f"recording it was given up: {aborted}")

    def takes_over(self, piece: Piece) -> bool:
        """Whether a compiled root is a challenger, which is not to be put in place."""
        thread = threading.get_ident()
        if thread not in self._compiled:
            return False
        self._compiled[thread] = piece
        return True

    # --- the trial --------------------------------------------------------------------------------------------------------

    def _start_contest(self, attempt: _Attempt, challenger: Piece, recorded: tuple[Trace, bool] | None) -> None:
        loop = self.loop
        champion = loop.piece
        if attempt is not self._attempt or champion is None or champion.reason or challenger.reason:
            retire(challenger)
            self._end_attempt(attempt, "given up", "an assumption broke while it was compiled")
            return
        params = loop.portal.driver.params
        attempt.recorder = 0
        loop.ref.label = None  # who comes in goes through the cell
        loop.beside = [challenger]
        code_added(challenger)
        self._inherit(attempt, champion, challenger)
        pace: dict[Side, float] = {"champion": self._pace, "challenger": self._pace}
        trial: Trial
        if params.force_replace:
            number = self.history.attempts
            trial = ForcedTrial(
                pace, params.replace_margin, force=params.force_replace, number=number, moments=self._moments
            )
        else:
            trial = Trial(pace, params.replace_margin)
        branches: dict[Side, Branches] = {"champion": loop.branches, "challenger": Branches()}
        self._contest = _Contest(attempt, trial, champion, challenger, recorded, branches, Without(champion))
        self._activate(self._contest)

    def _inherit(self, attempt: _Attempt, champion: Piece, challenger: Piece) -> None:
        """Let the guards of a challenger have failed as often as they would have, so that it soon has its bridges."""
        eagerness = hotness.wanted_failures(self.loop.portal.driver.params)
        expected = self._flow.inherit(champion, attempt.wanted)
        for guard in challenger.guards.values():
            site = site_of(guard.operation)
            if guard.refused or site is None:
                continue
            failures = expected.get((site, guard.operation.opcode), expected.get((site, None), HEAD_START * eagerness))
            guard.failures = min(int(failures), eagerness - 1)
            guard.spent = hotness.cost_of_bridges() * guard.failures / eagerness

    def _activate(self, contest: _Contest) -> None:
        """Put the side whose turn it is into the cell, for a window."""
        loop, side = self.loop, contest.trial.side
        if contest.champion.reason or contest.challenger.reason:
            self.recover()
            return
        piece = contest.piece(side)
        if loop.piece is not piece:
            other = contest.piece("challenger" if side == "champion" else "champion")
            other.give_passes(0)
            with PLACING:
                set_cell(loop.ref, piece.in_use)
                loop.piece, loop.beside = piece, [other]
            loop.branches = contest.branches[side]
            self._hand_over(contest)
        self._grant(piece, contest.trial.passes())

    def strayed(self, guard: GuardState) -> bool:
        """The champion was left at its header in the challenger's turn. Whether a bridge is to be recorded from there.

        Code of other trees goes to the champion's label, and not to the cell. Without a bridge to the challenger, each visit of
        theirs would be an exit, as it is in no other time, and the challenger's windows would be too long.
        """
        with self._lock:
            contest = self._contest
            if contest is None or guard.piece is not contest.champion or self.loop.piece is not contest.challenger:
                return False
            contest.strays += 1
            return contest.strays == MOST_STRAYS and guard.bridge is None

    def takes_handover(self, bridge: Piece) -> None:
        """Such a bridge was compiled: it is used if the trial goes on."""
        guard = bridge.parent
        assert guard is not None
        bridge.give_passes(PLENTY)
        with self._lock:
            contest = self._contest
            if contest is not None and contest.champion is guard.piece and contest.handover is None:
                with PLACING:
                    guard.bridge = bridge
                contest.handover = bridge
                self._hand_over(contest)

    def _hand_over(self, contest: _Contest) -> None:
        """Let the bridge be entered in the challenger's turn only: in the other it would lead the champion to itself."""
        handover = contest.handover
        if handover is None or handover.reason:
            return
        assert handover.parent is not None
        number = handover.parent.operation.guard_id
        if self.loop.piece is contest.challenger:
            contest.champion.code.attach(number, handover.code)
        else:
            contest.champion.code.detach(number)

    @staticmethod
    def _end_handover(contest: _Contest) -> None:
        handover, contest.handover = contest.handover, None
        if handover is not None:
            detach(handover)
            retire(handover)

    def _window(self, contest: _Contest, seconds: float, passes: int, *, is_own: bool) -> None:
        trial = contest.trial
        if contest.is_waiting and contest.challenger.is_being_compiled:
            trial.pace["champion"] = seconds / max(passes, 1)
        elif contest.is_waiting:
            contest.is_waiting = False
            trial.begin_anew()
        elif self._lacks_tree(contest):
            self._wait_for_tree(contest)
        elif is_own:
            exits = self.loop.record.guard_exits - self._exits - 1
            trial.window(seconds, passes, exits, _pieces_compiled() - self._pieces)
        else:
            trial.lose()
        if trial.outcome:
            self._finish(contest)
        else:
            self._activate(contest)

    def _lacks_tree(self, contest: _Contest) -> bool:
        """Whether the challenger is warm, and should have a tree because the champion has got one."""
        champion = contest.champion
        has_tree = champion.tree is not None or champion.is_being_compiled
        is_possible = may_become_tree(contest.challenger) and not contest.challenger.is_being_compiled
        return contest.trial.is_warm and not contest.has_asked and has_tree and is_possible

    def _wait_for_tree(self, contest: _Contest) -> None:
        """The champion runs until the challenger has its tree, too."""
        contest.has_asked = contest.is_waiting = True
        contest.trial.begin_anew()
        self._wants_tree = contest.challenger
        note_all_runs(contest.challenger)

    def _finish(self, contest: _Contest) -> None:
        """Put the winner in place and retire the other one."""
        trial, attempt = contest.trial, contest.attempt
        decision = attempt.decision
        self.history.measured(trial.ratio or 1.0, decision.own * decision.share)
        side: Side = "challenger" if trial.outcome == "installed" else "champion"
        if side == "challenger":
            left = [GUARDS[number].operation for number in attempt.wanted.exits if number in GUARDS]
            self.avoid = earlier.places(left)
        self._end_attempt(attempt, trial.outcome, trial.reason, trial.ratio)
        self._settle(contest, side)
        self._pace = trial.pace[side]
        winner = contest.piece(side)
        passes = self._forced_passes() or int(self._period / max(self._pace, 1e-12))
        self._grant(winner, max(passes, 1))

    def _settle(self, contest: _Contest, side: Side) -> None:
        """One root is left; the other one is retired."""
        loop = self.loop
        winner, loser = contest.piece(side), contest.piece("challenger" if side == "champion" else "champion")
        if loop.stale is loser:
            loop.stale = None
        with PLACING:
            set_cell(loop.ref, winner.in_use)
            loop.piece, loop.beside = winner, []
        self._end_handover(contest)
        loop.branches = contest.branches[side]
        loop.ref.label = winner.label
        if loser.holders:  # code of other trees goes to its label: that is made again, for the winner's
            loser.invalidate("it was replaced")
        loop.record.status, loop.record.reason = "compiled", ""
        self._contest = None
        useless = contest.without.useless() if side == "challenger" else []
        contest.without.count_again()
        if side == "challenger":
            loop.recorded = contest.recorded
            loop.carried, loop.times_carried = (), 0
            for version in tuple(loop.versions.values()):
                if version.piece is not None:
                    version.piece.invalidate("the root that it was made from was replaced")
            self.history.replaced()
        retire(loser)
        for joint in useless:
            cancel(joint.loop)
            joint.invalidate("nothing leads to this joint any more")
        self._period = PERIOD
        self._layout, self._usual = Layout(), None
        self._flow.start(winner)
        self._own_seconds(winner, 0.0, 0)

    # --- ways out -----------------------------------------------------------------------------------------------------------

    def recover(self) -> Piece | None:
        """The root in place; when it was invalidated during a trial, the other one, if that is valid."""
        loop = self.loop
        if self._contest is None:
            return loop.piece
        with self._lock:
            contest = self._contest
            if contest is None:
                return loop.piece
            self._end_attempt(contest.attempt, "cancelled", "an assumption broke")
            sides: tuple[Side, ...] = ("champion", "challenger")
            for side in sides:
                if not contest.piece(side).reason:
                    self._settle(contest, side)
                    self._grant(contest.piece(side), FIRST_PASSES)
                    return loop.piece
            self._forget()
            return loop.piece

    def cancel(self) -> None:
        """The loop's tree is about to be thrown away."""
        with self._lock:
            if self._attempt is not None:
                self._end_attempt(self._attempt, "cancelled", "the tree is thrown away")
            self._forget()

    def _forget(self) -> None:
        """No attempt and no trial any more; the root in the cell stays what it is."""
        loop, contest = self.loop, self._contest
        self._attempt = self._contest = None
        loop.beside = []
        if contest is not None:
            self._end_handover(contest)
            for piece in (contest.champion, contest.challenger):
                if piece is not loop.piece and piece is not loop.stale and not piece.is_retired:
                    retire(piece)

    def _end_attempt(self, attempt: _Attempt, outcome: str, reason: str, ratio: float = 0.0) -> None:
        """The attempt is over: one line, one record, and the waiting begins."""
        if attempt is not self._attempt:
            return  # it was cancelled
        self._attempt = None
        decision, now = attempt.decision, time.monotonic()
        if outcome == "installed":
            STATISTICS.replacements_installed += 1
        elif outcome == "rolled back":
            STATISTICS.replacements_rolled_back += 1
        self.history.attempted(decision.shares, now)
        record = ReplacementRecord(
            self.history.attempts,
            decision.root_share,
            decision.share,
            decision.predicted,
            ratio,
            decision.gain,
            decision.cost,
            attempt.recordings,
            outcome,
            reason,
        )
        self.loop.record.note_replacement(record)
        measured = f", measured {ratio:.3f}" if ratio else ""
        self._say(
            f"attempt {self.history.attempts}: {outcome}: {reason} "
            f"(predicted {decision.predicted:.3f}{measured}; next not before {self.history.not_before - now:.3g} s)"
        )

    def _say(self, text: str) -> None:
        if _log.on:
            record = self.loop.record
            _log.write(f"{record.driver} {record.location}: {text}")


_OPPOSITES = {
    frozenset(pair) for pair in [
        (ops.GUARD_TRUE, ops.GUARD_FALSE), (ops.GUARD_NULL, ops.GUARD_NONNULL), (ops.GUARD_NEXT, ops.GUARD_EXHAUSTED),
    ]
}  # fmt: skip


def _goes_through(trace: Trace, wanted: Way) -> bool:
    """Whether a recorded trace asks for nothing that the guards which the wanted way leaves by ask for.

    One bytecode may ask several things. So where it does ask for the same, it must have found something else more often than
    the code did that was left there.
    """
    recorded = _guards_by_site(trace.operations)
    for number in wanted.exits:
        left = GUARDS.get(number)
        site = site_of(left.operation) if left is not None else None
        there = recorded.get(site, ()) if site is not None else ()
        if left is None or site is None or not any(_is_same(op, left.operation) for op in there):
            continue
        operations = left.piece.trace.operations
        before = _guards_by_site(operations[: operations.index(left.operation)]).get(site, ())
        others, others_before = (sum(_is_other(op, left.operation) for op in guards) for guards in (there, before))
        if others <= others_before:
            return False
    return True


def _guards_by_site(operations: Sequence[Operation]) -> dict[Site, list[Operation]]:
    found: dict[Site, list[Operation]] = {}
    for op in operations:
        site = site_of(op) if op.opcode.is_guard else None
        if site is not None:
            found.setdefault(site, []).append(op)
    return found


def _is_same(op: Operation, other: Operation) -> bool:
    """Whether two guards at one place ask for the same."""
    return op.opcode is other.opcode and (op.descr is other.descr or op.descr == other.descr)


def _is_other(op: Operation, other: Operation) -> bool:
    """Whether two guards at one place ask alike, but for something else."""
    if op.opcode is other.opcode:
        return not _is_same(op, other)
    return {op.opcode, other.opcode} in _OPPOSITES


def _pieces_compiled() -> int:
    return STATISTICS.bridges_compiled + STATISTICS.loops_compiled + STATISTICS.versions_compiled


# --- what the drive loop asks -------------------------------------------------------------------------------------------------


def is_to_be_avoided(loop: Loop, trace: Trace) -> bool:
    """Whether a first root goes a way that an earlier run has found not to be the best: it is thrown away then."""
    if loop.base is not loop or loop.replacement is not None:
        return False
    hint = earlier.hint_for(loop)
    if not hint.avoid or not earlier.goes_avoided_way(trace, hint):
        return False
    loop.ways_missed += 1
    return loop.ways_missed < MOST_RECORDINGS


def watch(loop: Loop) -> None:
    """A loop has got a root: look at it from time to time, if that is wanted."""
    if loop.piece is None or not loop.is_watched:
        return
    if loop.replacement is None:
        loop.replacement = Replacement(loop)
        loop.replacement.has_missed = loop.ways_missed >= MOST_RECORDINGS
    loop.replacement.start()


def is_used_up(guard: GuardState) -> bool:
    """Whether code was left at a guard because its passes, or the entries that were expected of it, are used up."""
    piece = guard.piece
    left = piece.code.passes_left
    return piece.loop.replacement is not None and (left <= 0 if piece.parent is None else left < 0)


def strayed(guard: GuardState) -> bool:
    """Whether a bridge is to be recorded from the header of a root that is not in the cell."""
    replacement = guard.piece.loop.replacement
    is_header = guard.piece.parent is None and guard.operation.opcode is ops.GUARD_NO_ATTENTION
    return replacement is not None and is_header and replacement.strayed(guard)


def used_up(guard: GuardState) -> None:
    """Do what is due then."""
    piece = guard.piece
    replacement = piece.loop.replacement
    if replacement is None:
        return  # another thread has thrown the tree away meanwhile
    if piece.parent is None:
        replacement.used_up(piece)
    else:
        replacement.surprised(piece)


def bridge_added(bridge: Piece) -> None:
    """A tree has got a bridge: if that is used much, the next look is soon."""
    parent = bridge.parent
    assert parent is not None
    if parent.refused:
        if parent.bridge is not bridge:
            retire(bridge)  # the trial was over
    elif bridge.loop.replacement is not None:
        bridge.give_passes(LEAST_ENTRIES)


def cancel(loop: Loop) -> None:
    """The loop's tree is about to be thrown away."""
    if loop.replacement is not None:
        loop.replacement.cancel()
