"""Records one iteration of a portal whose loop calls a function, and compares what comes of it with plain Python.

A test is a function of two values, `a = step(a, b)` again and again; its docstring is the trace that is expected:

    @recorded(3, 4)
    def add(a, b):
        '''
        guard_type(r0) {int}
        i2 = int_unbox(r0)
        ...
        jump(r5, r1)
        '''
        return a + b

`r0` and `r1` are `a` and `b`; the guards of the loop's header and the merge point are left out. A line `...` stands for
any number of lines, a line `! word` for: no line contains this.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType, NoneType
from typing import Any

from metatracer import JitDriver, parameters
from metatracer.errors import RecordingAborted
from metatracer.ir.text import format_trace
from metatracer.ir.values import Operation
from metatracer.ir.verifier import verify
from metatracer.recorder.metainterp import Limits
from metatracer.recorder.record import Ended, record_loop
from metatracer.runtime.host import PORTALS, RecordingHost
from metatracer.statistics import STATISTICS

spin_driver = JitDriver(greens=["step"], reds=["a", "b"], name="spin")
fold_driver = JitDriver(greens=["step"], reds="auto", name="fold")

Step = Callable[[Any, Any], Any]
_HEADER = ("guard_no_attention", "guard_not_invalidated", "merge_point")


@spin_driver.portal
def spin(step: Step, a: Any, b: Any) -> Any:
    """The portal that is recorded."""
    while True:
        spin_driver.jit_merge_point(step=step, a=a, b=b)
        a = step(a, b)


@fold_driver.portal
def fold(step: Step, n: int, a: Any, b: Any) -> Any:
    """The portal that is compiled and run."""
    i = 0
    while i < n:
        fold_driver.jit_merge_point(step=step)
        a = step(a, b)
        i += 1
    return a


@dataclass
class Recording:
    """What recording one iteration gave.

    Attributes:
        ended: The recorder's answer.
        host: Knows the residual calls.
    """

    step: FunctionType
    ended: Ended
    host: RecordingHost

    @property
    def operations(self) -> list[Operation]:
        assert self.ended.recorded is not None, self.aborted
        return self.ended.recorded.trace.operations

    @property
    def names(self) -> list[str]:
        """Names of the operations behind the header."""
        return [op.opcode.name for op in self.operations[len(_HEADER) :]]

    @property
    def lines(self) -> list[str]:
        """The text behind the header."""
        assert self.ended.recorded is not None
        text = format_trace(self.ended.recorded.trace, dict(self.step.__globals__), snapshots=False)
        return [line.strip() for line in text.splitlines()[1 + len(_HEADER) :]]

    @property
    def aborted(self) -> RecordingAborted:
        assert self.ended.aborted is not None
        return self.ended.aborted

    @property
    def result(self) -> Any:
        """The new `a`."""
        assert self.ended.recorded is not None, self.aborted
        return self.ended.recorded.values[1]

    @property
    def residual(self) -> list[str]:
        """What was called, not looked into, each with the reason."""
        return [f"{call.function}: {call.reason}" for call in self.host.residual_calls]


def record(step: Any, a: Any, b: Any, **limits: Any) -> Recording:
    """Record one iteration, and check that the trace is valid."""
    portal = PORTALS[spin.__code__]
    loop = portal.loop_of(portal.key((step,)), (step,))
    host = RecordingHost()
    ended = record_loop(host, portal, Limits(**limits), loop.ref, loop.key, spin, [step, a, b], "spin")
    if ended.recorded is not None:
        verify(ended.recorded.trace)
        names = tuple(op.opcode.name for op in ended.recorded.trace.operations[: len(_HEADER)])
        assert names == _HEADER
    return Recording(step, ended, host)


def plain(step: Step, n: int, a: Any, b: Any) -> Any:
    """What `fold` means."""
    for _ in range(n):
        a = step(a, b)
    return a


def outcome(function: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    """The result or exception of a call on copies of the arguments, and the copies afterwards."""
    *first, a, b = arguments
    a, b = copy.deepcopy((a, b))
    try:
        result, error = function(*first, a, b), None
    except Exception as exception:  # noqa: BLE001 - compared
        result, error = None, exception
    return state(result), type(error), str(error), state(a), state(b)


def state(value: Any) -> Any:
    """A value by its contents."""
    if isinstance(value, list | tuple):
        return type(value), [state(item) for item in value]
    if isinstance(value, dict):
        return dict, [(state(key), state(item)) for key, item in value.items()]
    contents = getattr(value, "__dict__", None)
    if type(value).__module__ != "builtins" and not isinstance(value, type | FunctionType) and contents is not None:
        return type(value), state(contents)
    slots = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    if slots:
        return type(value), [(name, state(getattr(value, name, None))) for name in slots]
    return type(value), repr(value)


def agrees(step: Step, a: Any, b: Any, n: int = 40) -> None:
    """Compiled, and with every guard failing once, a loop over `step` does what it does in plain Python."""
    expected = outcome(plain, step, n, a, b)
    for force_exits in (0, 1):
        with parameters(threshold=1, function_threshold=1, force_exits=force_exits, compile_level=0):
            PORTALS[fold.__code__].keep_loops(lambda _: False)
            before = STATISTICS.as_dict()
            assert outcome(fold, step, n, a, b) == expected
            after = STATISTICS.as_dict()
        for mistake in ("COMPILE_FAILED", "INTERNAL_ERROR"):
            assert after["aborts"].get(mistake, 0) == before["aborts"].get(mistake, 0)
        if expected[1] is NoneType:
            assert after["loops_compiled"] > before["loops_compiled"], after["aborts"]
            assert force_exits == 0 or after["guard_exits"] > before["guard_exits"]


def recorded(a: Any, b: Any, **limits: Any) -> Callable[[Any], Any]:
    """Mark a function as a test of what is recorded; its docstring is the trace. See the module's docstring."""

    def mark(step: FunctionType) -> FunctionType:
        step.case = (a, b, limits)  # type: ignore[attr-defined]
        return step

    return mark


def cases(namespace: dict[str, Any]) -> list[FunctionType]:
    """The marked functions of a module."""
    return [value for value in namespace.values() if isinstance(value, FunctionType) and hasattr(value, "case")]


def check(step: Any) -> None:
    """Record a marked function, compare the trace with its docstring and all results with plain Python's."""
    a, b, limits = step.case
    mine_a, mine_b = copy.deepcopy((a, b))
    recording = record(step, mine_a, mine_b, **limits)
    expected = outcome(step, a, b)
    assert (state(recording.result), state(mine_a), state(mine_b)) == (expected[0], *expected[3:])
    problem = mismatch(inspect.cleandoc(step.__doc__).splitlines(), recording.lines)
    assert not problem, problem + "\nrecorded:\n" + "\n".join(recording.lines)
    agrees(step, a, b)


def mismatch(expected: list[str], lines: list[str]) -> str:
    """Where lines differ from a pattern; "" if they do not."""
    for word in [line[2:] for line in expected if line.startswith("! ")]:
        if any(word in line for line in lines):
            return f"unexpected: {word}"
    position, is_open = 0, False
    for line in expected:
        if line.startswith("! "):
            continue
        if line == "...":
            is_open = True
            continue
        found = next((i for i in range(position, len(lines)) if lines[i] == line), None) if is_open else position
        if found is None or found >= len(lines) or lines[found] != line:
            return f"not found behind line {position}: {line}"
        position, is_open = found + 1, False
    return "" if is_open or position == len(lines) else f"more than expected: {lines[position]}"
