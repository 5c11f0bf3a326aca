"""Roots that are recorded again: what is asked for, what is thrown away, what stays, and that nothing is left behind."""

from __future__ import annotations

import gc
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from metatracer import JitDriver, parameters
from metatracer.backend.compile import CompiledCode, TreeCode
from metatracer.backend.layout import read_word
from metatracer.ir.text import parse_trace
from metatracer.profile import policy, trial
from metatracer.runtime import flow, replacing, tiers
from metatracer.runtime import loops as code_of_loops
from metatracer.runtime.host import PORTALS
from metatracer.statistics import STATISTICS

EAGERLY = {"threshold": 3, "function_threshold": 1000, "trace_eagerness": 2, "compile_level": 0}


def machine() -> Any:
    """A portal whose guest goes one of two ways in each iteration."""
    driver = JitDriver(greens=["code"], reds="auto", name="ways")

    @driver.portal
    def run(code: Any, ways: list[int], n: int) -> Any:
        i = total = 0
        while i < n:
            driver.jit_merge_point(code=code)
            if ways[i % len(ways)]:
                total += code
            else:
                total += i * 3
            i += 1
        return total

    return run


def expected(code: int, ways: list[int], n: int) -> int:
    return sum(code if ways[i % len(ways)] else i * 3 for i in range(n))


def only_loop(run: Any) -> Any:
    (found,) = PORTALS[run.__code__].loops.values()
    return found


@pytest.fixture(autouse=True)
def _always_worth_it(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(replacing, "cost_of_tree", lambda root: 0.0)
    monkeypatch.setattr(policy, "LEAST_PASSES", 20)
    monkeypatch.setattr(policy, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(replacing, "FIRST_PASSES", 40)
    monkeypatch.setattr(replacing, "LEAST_PERIOD", 0.0)
    with parameters(replace="full", **EAGERLY):
        yield


def settle(monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    """Let every trial end so, after a window of each side."""

    def window(self: trial.Trial, seconds: float, passes: int, exits: int, compiled: int) -> None:
        self.side = "champion" if self.side == "challenger" else "challenger"
        self.warm_ups += 1
        if self.warm_ups == 4:
            self.end(outcome, "for the test")

    monkeypatch.setattr(trial.Trial, "window", window)
    monkeypatch.setattr(trial.Trial, "passes", lambda self: 30)


def record_rare_way_first(run: Any) -> None:
    run(5, [0], 60)


def test_the_way_that_most_passes_take_becomes_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch, "installed")
    run = machine()
    record_rare_way_first(run)
    loop = only_loop(run)
    first = loop.piece
    assert run(5, [1], 3000) == 15000
    assert loop.piece is not first
    assert [record.outcome for record in loop.record.replacements] == ["installed"]
    exits = loop.record.guard_exits
    with parameters(replace="off"):
        assert run(5, [1], 3000) == 15000
    assert loop.record.guard_exits - exits <= 2 + 3000 // 40


def test_a_challenger_that_is_not_better_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch, "rolled back")
    run = machine()
    record_rare_way_first(run)
    loop = only_loop(run)
    first, label = loop.piece, loop.ref.label
    assert run(5, [1], 3000) == 15000
    assert loop.piece is first
    assert loop.ref.label is label
    assert loop.beside == []
    assert [record.outcome for record in loop.record.replacements] == ["rolled back"]


def test_a_root_on_the_usual_way_is_left_alone() -> None:
    run = machine()
    run(5, [1], 60)
    ways = [1, 1, 0, 1, 1]
    attempts = STATISTICS.replacement_attempts
    assert run(5, ways, 5000) == expected(5, ways, 5000)
    assert STATISTICS.replacement_attempts == attempts
    assert only_loop(run).replacement.history.seconds > 0


def test_equal_ways_are_left_alone() -> None:
    run = machine()
    ways = [1, 0]
    attempts = STATISTICS.replacement_attempts
    for _ in range(4):
        assert run(5, ways, 4000) == expected(5, ways, 4000)
    assert STATISTICS.replacement_attempts == attempts


def test_recordings_that_take_another_way_are_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacing, "_goes_through", lambda trace, wanted: False)
    run = machine()
    record_rare_way_first(run)
    loop = only_loop(run)
    first = loop.piece
    missed = STATISTICS.replacement_recordings_missed
    assert run(5, [1], 3000) == 15000
    assert STATISTICS.replacement_recordings_missed - missed == replacing.MOST_RECORDINGS
    assert loop.piece is first
    assert [record.outcome for record in loop.record.replacements] == ["given up"]


def test_only_a_recording_on_the_wanted_way_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come after even numbers of passes, so the first recording sees the way that one pass in three takes."""
    settle(monkeypatch, "installed")
    run = machine()
    record_rare_way_first(run)
    ways = [0, 1, 1]
    assert run(5, ways, 6000) == expected(5, ways, 6000)
    loop = only_loop(run)
    assert [record.outcome for record in loop.record.replacements] == ["installed"]
    recorded = loop.recorded[0]
    decision = policy.Way(tuple(number for number, guard in loop.piece.guards.items() if guard.bridge is not None), 1)
    assert decision.exits
    assert not replacing._goes_through(recorded, decision)


def test_what_goes_on_in_short_rounds_is_no_surprise_in_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacing, "FIRST_PASSES", 1 << 40)
    monkeypatch.setattr(replacing, "LEAST_PERIOD", 1e9)
    run = machine()
    record_rare_way_first(run)
    loop = only_loop(run)
    looks, exits = STATISTICS.replacement_looks, STATISTICS.guard_exits
    for _ in range(20):
        assert run(5, [1], 5000) == 25000
    bridges = [guard.bridge for guard in loop.piece.guards.values() if guard.bridge is not None]
    assert STATISTICS.replacement_looks == looks
    assert max(bridge.passes for bridge in bridges) >= 99_000
    # Each time it may be entered as often again as it has been.
    assert STATISTICS.guard_exits - exits < 40


@pytest.mark.parametrize(
    ("left_behind", "recorded", "goes_through"),
    [
        ((), ("guard_false",), False),
        ((), ("guard_true",), True),
        ((), (), True),
        ((), ("guard_true", "guard_false"), True),  # the second one asks something else
        (("guard_true",), ("guard_true", "guard_false"), False),  # and here the first one does
        (("guard_true",), ("guard_true", "guard_true", "guard_false"), True),
        ((), ("guard_false", "guard_false"), False),
    ],
)
def test_one_bytecode_may_ask_several_things(
    monkeypatch: pytest.MonkeyPatch, left_behind: tuple[str, ...], recorded: tuple[str, ...], goes_through: bool
) -> None:
    def trace_of(guards: tuple[str, ...]) -> Any:
        return parse_trace("\n".join(["trace some(b0, r1)", *[f"  {name}(b0) -> [r1]" for name in guards], "  finish(r1)"]), {})

    monkeypatch.setattr(replacing, "site_of", lambda operation: (1, 1))
    old = trace_of((*left_behind, "guard_false"))
    guard = SimpleNamespace(operation=old.operations[len(left_behind)], piece=SimpleNamespace(trace=old))
    monkeypatch.setitem(code_of_loops.GUARDS, -5, guard)
    assert replacing._goes_through(trace_of(recorded), policy.Way((-5,), 1)) == goes_through


def test_a_bridge_that_is_used_more_than_expected_asks_for_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch, "installed")
    monkeypatch.setattr(replacing, "FIRST_PASSES", 1 << 40)
    run = machine()
    record_rare_way_first(run)
    loop = only_loop(run)
    looks = STATISTICS.replacement_looks
    assert run(5, [1], 1500) == 7500
    assert STATISTICS.replacement_looks == looks
    monkeypatch.setattr(replacing, "FIRST_PASSES", 40)
    assert run(5, [1], 3000) == 15000
    assert STATISTICS.replacement_looks > looks
    assert run(5, [1], 60_000) == 300_000
    assert [record.outcome for record in loop.record.replacements] == ["installed"]


def test_nothing_is_looked_at_when_it_is_off() -> None:
    looks = STATISTICS.replacement_looks
    with parameters(replace="off"):
        run = machine()
        record_rare_way_first(run)
        assert run(5, [1], 3000) == 15000
    assert STATISTICS.replacement_looks == looks
    assert only_loop(run).replacement is None


def test_pgo_makes_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch, "rolled back")
    monkeypatch.setattr(policy, "FIRST_WAIT", 0.0)
    with parameters(replace="pgo"):
        run = machine()
        record_rare_way_first(run)
        assert run(5, [1], 20_000) == 100_000
    assert len(only_loop(run).record.replacements) == 1


def live_codes(kind: type = CompiledCode) -> int:
    gc.collect()
    return sum(1 for value in gc.get_objects() if type(value) is kind and not value.is_freed)


def replaced(run: Any, count: int) -> None:
    """Run until a root has been replaced, or a challenger rolled back, so many times."""
    loop = only_loop(run)
    done = STATISTICS.replacements_installed + STATISTICS.replacements_rolled_back
    while STATISTICS.replacements_installed + STATISTICS.replacements_rolled_back - done < count:
        assert run(5, [1, 0, 0], 600) == expected(5, [1, 0, 0], 600)
    assert loop.beside == [] or loop.replacement is not None


@pytest.mark.parametrize("count", [50, pytest.param(490, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_old_code_is_freed(count: int) -> None:
    with parameters(force_replace=5, backoff_factor=1.0):
        run = machine()
        run(5, [1, 0, 0], 100)
        replaced(run, 10)
        codes, guards = live_codes(), len(code_of_loops.GUARDS)
        replaced(run, count)
        loop = only_loop(run)
        # A trial may be going on, and one of the roots may have no bridge yet.
        assert abs(live_codes() - codes) <= 4
        assert len(code_of_loops.GUARDS) <= 2 * guards
        assert len(loop.record.replacements) <= 100


def test_a_broken_assumption_during_a_trial_leaves_the_other_root(monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch, "installed")
    monkeypatch.setattr(trial.Trial, "passes", lambda self: 1 << 30)
    run = machine()
    record_rare_way_first(run)
    loop = only_loop(run)
    champion = loop.piece
    assert run(5, [1], 3000) == 15000
    challenger = loop.piece
    assert challenger is not champion
    assert loop.beside == [champion]
    challenger.invalidate("for the test")
    assert run(5, [1], 3000) == 15000
    assert loop.piece is champion
    assert challenger.code.is_freed
    assert loop.record.replacements[-1].outcome == "cancelled"


def test_a_tree_that_is_thrown_away_during_a_trial_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch, "installed")
    monkeypatch.setattr(trial.Trial, "passes", lambda self: 1 << 30)
    run = machine()
    record_rare_way_first(run)
    loop = only_loop(run)
    champion = loop.piece
    assert run(5, [1], 3000) == 15000
    challenger = loop.piece
    replacing.cancel(loop)
    assert champion.code.is_freed
    challenger.invalidate("for the test")
    assert run(5, [1], 3000) == 15000
    assert challenger.code.is_freed
    assert loop.beside == []


def test_threads_share_a_loop_whose_roots_come_and_go() -> None:
    with parameters(force_replace=5, backoff_factor=1.4):
        run = machine()
        ways = [1, 0, 0, 1, 1]
        wanted = expected(5, ways, 400)
        results: list[int] = []
        threads = [threading.Thread(target=lambda: results.extend(run(5, ways, 400) for _ in range(3))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [wanted] * 12
    assert STATISTICS.replacements_installed


def nested() -> Any:
    """A portal whose guest has a loop in a loop, so that code of the outer one enters the inner one's root."""
    driver = JitDriver(greens=["pc", "code"], reds="auto", name="nested")

    @driver.portal
    def run(code: Any, times: int) -> int:
        pc = outer = inner = total = 0
        while True:
            driver.jit_merge_point(pc=pc, code=code)
            op = code[pc]
            if op == "start":
                inner = 0
            elif op == "inner":
                inner += 1
                total += inner
                if inner < 10:
                    driver.can_enter_jit(pc=pc, code=code)
                    continue
            elif op == "outer":
                outer += 1
                if outer < times:
                    pc = 0
                    driver.can_enter_jit(pc=pc, code=code)
                    continue
            else:
                return total
            pc += 1

    return run


def test_code_that_goes_to_a_replaced_root_is_made_again() -> None:
    """It would leave at the old root's header each time."""
    run, code = nested(), ("start", "inner", "outer", "end")
    with parameters(threshold=2, function_threshold=2):
        assert [run(code, 40) for _ in range(6)] == [2200] * 6
        loops = [loop for loop in PORTALS[run.__code__].loops.values() if loop.piece is not None]
        loop = next(loop for loop in loops if loop.piece.enterers)
        root, enterers = loop.piece, list(loop.piece.enterers)
        with parameters(force_replace=7):
            for _ in range(100):
                assert run(code, 40) == 2200
                if loop.replacement.history.installed:
                    break
        assert {enterer.reason for enterer in enterers} == {f"it goes to {root.code.name}, which was invalidated"}
        assert [run(code, 40) for _ in range(20)] == [2200] * 20
        assert loop.record.status == "compiled"
        assert root.code.is_freed


@pytest.mark.parametrize("outcome", ["installed", "rolled back"])
def test_code_that_goes_to_the_champions_label_is_led_to_the_challenger(monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    """In the challenger's turn, too, the inner loop is entered without an exit."""
    monkeypatch.setattr(trial.Trial, "passes", lambda self: 1 << 40)  # the challenger's turn lasts

    def window(self: trial.Trial, *args: Any) -> None:
        self.end(outcome, "for the test")

    monkeypatch.setattr(trial.Trial, "window", window)
    run, code = nested(), ("start", "inner", "outer", "end")
    with parameters(threshold=2, function_threshold=2):
        assert [run(code, 40) for _ in range(6)] == [2200] * 6
        loops = [loop for loop in PORTALS[run.__code__].loops.values() if loop.piece is not None]
        inner = next(loop for loop in loops if loop.piece.enterers)
        champion, replacement = inner.piece, inner.replacement
        assert all(number in champion.guards for number in champion.code.guards)
        (header,) = [guard for guard in champion.guards.values() if guard.refused and not guard.is_before_label]
        decision = policy.Decision(policy.Way((), 0), "for the test")
        replacement._ask_for(decision)
        replacement._attempt.is_due = True
        for _ in range(20):
            assert run(code, 40) == 2200
        contest = replacement._contest
        assert inner.piece is contest.challenger
        handover = contest.handover
        assert header.bridge is handover is not None
        exits = STATISTICS.guard_exits
        for _ in range(20):
            assert run(code, 40) == 2200
        assert STATISTICS.guard_exits - exits < 20 * 40 / 4
        # The champion's turn: its own bridge would lead it back to itself.
        champion_slot = champion.code.bridges
        assert header.operation.guard_id in champion_slot
        inner.piece.give_passes(0)
        replacement._granted = 1
        for _ in range(5):
            assert run(code, 40) == 2200
        assert replacement._contest is None
        assert header.bridge is None
        assert handover.is_retired
        assert (inner.piece is champion) == (outcome == "rolled back")
        assert [run(code, 40) for _ in range(20)] == [2200] * 20


def test_a_tree_that_is_thrown_away_takes_along_what_led_to_the_challenger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial.Trial, "passes", lambda self: 1 << 40)
    run, code = nested(), ("start", "inner", "outer", "end")
    with parameters(threshold=2, function_threshold=2):
        assert [run(code, 40) for _ in range(6)] == [2200] * 6
        loops = [loop for loop in PORTALS[run.__code__].loops.values() if loop.piece is not None]
        inner = next(loop for loop in loops if loop.piece.enterers)
        inner.replacement._ask_for(policy.Decision(policy.Way((), 0), "for the test"))
        inner.replacement._attempt.is_due = True
        for _ in range(20):
            assert run(code, 40) == 2200
        handover = inner.replacement._contest.handover
        assert handover is not None
        replacing.cancel(inner)
        assert handover.is_retired
        assert handover.parent.bridge is None
        assert [run(code, 40) for _ in range(20)] == [2200] * 20


def test_threads_go_from_one_root_to_the_other_in_a_loop_inside() -> None:
    """Whatever asks for attention while a root leads to the other one ends that."""
    run, code = nested(), ("start", "inner", "outer", "end")
    failures: list[object] = []

    def work() -> None:
        failures.extend(result for result in [run(code, 40) for _ in range(150)] if result != 2200)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with parameters(threshold=2, function_threshold=2, force_replace=60):
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []


def test_the_time_of_a_loop_inside_is_not_the_outer_loops() -> None:
    run, code = nested(), ("start", "inner", "outer", "end")
    with parameters(threshold=2, function_threshold=2):
        assert [run(code, 40) for _ in range(6)] == [2200] * 6
        loops = [loop for loop in PORTALS[run.__code__].loops.values() if loop.piece is not None]
        inner = next(loop for loop in loops if loop.piece.enterers)
        outer = next(loop for loop in loops if inner in flow.loops_inside(loop.piece))
        assert flow.loops_inside(inner.piece) == []
        for loop in (inner, outer):
            loop.piece.give_passes(1 << 40)  # no looks
        inner.replacement._own_pace = 0.001
        outer.replacement._own_seconds(outer.piece, 0.0, 0)
        passes = inner.piece.passes
        assert run(code, 40) == 2200
        passes = inner.piece.passes - passes
        assert passes >= 300
        own = outer.replacement._own_seconds(outer.piece, 10.0, 40)
        assert own == pytest.approx(10.0 - replacing.INSIDE * 0.001 * passes)
        assert outer.replacement._own_seconds(outer.piece, 10.0, 40) == 10.0
        # Whatever the pace is: it has taken no more than by its operations.
        inner.replacement._own_pace = 1000.0
        assert run(code, 40) == 2200
        weights = passes * flow.operations_of_pass(inner.piece), 400 * flow.operations_of_pass(outer.piece)
        own = outer.replacement._own_seconds(outer.piece, 10.0, 400)
        assert own == pytest.approx(max(10.0 * (1 - replacing.MOST_UNLIKE * weights[0] / sum(weights)), 0.0))


def test_a_tree_that_another_thread_has_thrown_away_is_not_looked_at() -> None:
    run = machine()
    with parameters(force_replace=5):
        run(5, [1, 0, 0], 100)
        loop = only_loop(run)
        assert loop.piece is not None
        guard = next(iter(loop.piece.guards.values()))
        loop.replacement = None
        replacing.used_up(guard)
        assert loop.replacement is None


class Stopped(Exception):
    """A guest's exception with a number."""


def raising() -> Any:
    """A portal that calls itself, whose guest's exceptions are handled, go through calls, and leave it."""
    driver = JitDriver(greens=["code"], reds="auto", name="raising")

    def step(code: int, i: int, ways: list[int]) -> int:
        way = ways[i % len(ways)]
        if way == 2:
            raise Stopped(i)
        if way == 3:
            return int(run(code + 1, [0, 1, 4], i % 5))
        return code if way else 1 // (i % 4)

    @driver.portal
    def run(code: int, ways: list[int], n: int) -> int:
        i = total = 0
        while i < n:
            driver.jit_merge_point(code=code)
            try:
                total += step(code, i, ways)
            except Stopped as stopped:
                total += stopped.args[0]
            except ZeroDivisionError:
                total -= 1
            finally:
                total += 3
            i += 1
            if ways[i % len(ways)] == 4:
                raise Stopped(total)
        return total

    return run


@pytest.mark.parametrize("trees", [{}, {"tier2_threshold": 3, "tier2_level": 0}])
def test_exceptions_are_in_flight_in_threads_while_roots_come_and_go(trees: dict[str, Any]) -> None:
    calls = [([0, 2, 1, 3, 0], 150), ([2, 2, 0], 60), ([3, 1], 40), ([0, 0, 0, 0, 0, 4], 90), ([1, 3, 2, 0, 1, 1], 120)]

    def results(run: Any) -> list[Any]:
        found: list[Any] = []
        for ways, n in calls * 3:
            try:
                found.append(run(1, ways, n))
            except Stopped as stopped:
                found.append(("stopped", *stopped.args))
        return found

    with parameters(enable=False):
        wanted = results(raising())
    found: list[Any] = []
    with parameters(force_replace=5, backoff_factor=1.3, **trees):
        run = raising()
        threads = [threading.Thread(target=lambda: found.append(results(run))) for _ in range(4)]
        done = STATISTICS.replacements_installed
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tiers.wait_for_trees()
    assert found == [wanted] * 4
    assert STATISTICS.replacements_installed > done


# --- trees ----------------------------------------------------------------------------------------------------------------

TREES = {"tier2_threshold": 200, "tier2_level": 0, "background": False}


@pytest.fixture
def _looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacing, "PERIOD", 1e-4)
    monkeypatch.setitem(replacing.LONGEST_PERIOD, "full", 1e-4)


@pytest.mark.usefixtures("_looked_at_often")
def test_a_root_that_is_left_alone_becomes_a_tree_that_is_looked_at() -> None:
    run = machine()
    with parameters(**TREES):
        run(5, [1], 60)
        ways = [1, 1, 0, 1, 1]
        assert run(5, ways, 5000) == expected(5, ways, 5000)
        root, looks = only_loop(run).piece, STATISTICS.replacement_looks
        assert root.tree is not None
        assert [bridge.parent.piece for bridge in root.tree.bridges] == [root]
        own = root.passes
        assert run(5, ways, 20_000) == expected(5, ways, 20_000)
        assert root.passes - own >= 20_000
        assert STATISTICS.replacement_looks > looks
    assert only_loop(run).record.replacements == []


@pytest.mark.usefixtures("_looked_at_often")
def test_a_tree_competes_with_a_tree_and_the_winner_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    run = machine()
    with parameters(**TREES, replace_margin=1.0):
        record_rare_way_first(run)
        assert run(5, [0], 3000) == expected(5, [0], 3000)
        loop = only_loop(run)
        champion = loop.piece
        assert champion.tree is not None
        compared = []

        def window(self: trial.Trial, seconds: float, passes: int, exits: int, compiled: int) -> None:
            self.side = "champion" if self.side == "challenger" else "challenger"
            if not self.is_warm:
                self.is_warm = True
                return
            compared.append([piece.tree is not None for piece in (loop.piece, *loop.beside)])
            if len(compared) == 4:
                self.end("installed", "for the test")

        monkeypatch.setattr(trial.Trial, "window", window)
        monkeypatch.setattr(trial.Trial, "passes", lambda self: 30)
        for _ in range(4):
            assert run(5, [1], 5000) == 25_000
    assert compared == [[True, True]] * 4
    assert [record.outcome for record in loop.record.replacements] == ["installed"]
    assert loop.piece is not champion
    assert loop.piece.tree is not None
    assert champion.code.is_freed


@pytest.mark.usefixtures("_looked_at_often")
def test_a_champion_with_a_tree_goes_on_as_that_when_the_challenger_is_not_better(monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch, "rolled back")
    run = machine()
    with parameters(**TREES):
        record_rare_way_first(run)
        run(5, [0], 3000)
        loop = only_loop(run)
        champion = loop.piece
        assert champion.tree is not None
        for _ in range(4):
            assert run(5, [1], 5000) == 25_000
    assert {record.outcome for record in loop.record.replacements} == {"rolled back"}
    assert loop.piece is champion
    assert champion.tree is not None
    assert not champion.tree.code.is_freed
    assert read_word(loop.ref.cell) == champion.in_use.address


@pytest.mark.usefixtures("_looked_at_often")
def test_a_tree_is_laid_out_anew_when_its_counts_do_not_hold_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "DOMINANCE", 1e9)  # no challengers
    monkeypatch.setattr(policy, "LAYOUT_SAVING", 1e9)
    run = machine()
    with parameters(**TREES):
        record_rare_way_first(run)
        run(5, [0, 0, 0, 1], 3000)
        loop = only_loop(run)
        root, tree = loop.piece, loop.piece.tree
        anew = STATISTICS.trees_laid_out_anew
        for _ in range(5):
            assert run(5, [1, 1, 1, 0], 20_000) == expected(5, [1, 1, 1, 0], 20_000)
    assert STATISTICS.trees_laid_out_anew == anew + 1
    assert loop.piece is root
    assert root.tree is not tree
    assert tree.code.is_freed
    assert max(bridge.runs for bridge in root.tree.bridges) > root.runs / 2


@pytest.mark.usefixtures("_looked_at_often")
def test_a_bridge_that_was_used_long_ago_asks_for_no_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "LEAST_SHARE", 2.0)  # no challengers
    run = machine()
    with parameters(**{**TREES, "tier2_threshold": 0}):
        run(5, [1], 60)
        assert run(5, [0], 30_000) == expected(5, [0], 30_000)
        monkeypatch.setattr(replacing, "FIRST_PASSES", 5000)
        monkeypatch.setattr(replacing, "GROWTH", 1)  # many looks
        assert run(5, [1], 200_000) == 1_000_000
    root = only_loop(run).piece
    with parameters(**TREES):
        for _ in range(10):
            assert run(5, [1], 5000) == 25_000
    assert root.tree.bridges == ()
    assert root.trees_compiled == 1


def test_trees_and_old_code_are_freed() -> None:
    with parameters(force_replace=5, backoff_factor=1.0, tier2_threshold=3, tier2_level=0, background=False):
        run = machine()
        run(5, [1, 0, 0], 100)
        replaced(run, 10)
        codes, trees, guards = live_codes(), STATISTICS.trees_compiled, len(code_of_loops.GUARDS)
        live_trees = live_codes(TreeCode)
        replaced(run, 40)
        assert STATISTICS.trees_compiled - trees >= 20
        assert abs(live_codes() - codes) <= 4
        assert len(code_of_loops.GUARDS) <= 2 * guards
        assert live_codes(TreeCode) - live_trees <= 2


@pytest.mark.parametrize("background", [False, True])
def test_threads_share_a_loop_whose_roots_and_trees_come_and_go(background: bool) -> None:
    trees = {"tier2_threshold": 3, "tier2_level": 0, "background": background}
    with parameters(force_replace=5, backoff_factor=1.4, **trees):
        run = machine()
        ways = [1, 0, 0, 1, 1]
        wanted = expected(5, ways, 400)
        results: list[int] = []
        threads = [threading.Thread(target=lambda: results.extend(run(5, ways, 400) for _ in range(3))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tiers.wait_for_trees()
    assert results == [wanted] * 12
