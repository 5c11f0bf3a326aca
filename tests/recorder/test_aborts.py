"""Recordings that are given up: why, where it is said to be, and where the guest goes on."""

from __future__ import annotations

import inspect

import pytest

from metatracer.errors import AbortReason
from metatracer.ir import opcodes as ops
from metatracer.recorder.tracebacks import without_toolkit
from metatracer.runtime.driving import _Driving
from tests.recorder.recording import Recording, agrees, record

DONE: list[int] = []


def _line(function, offset):
    return inspect.getsourcelines(function)[1] + offset


def finished(recording: Recording):
    """Run the frames that a recording left to the end of the portal, which is an exception here."""
    driving = _Driving()
    driving.frames = recording.ended.frames
    driving.exception = recording.ended.exception
    driving.fresh = driving.exception is None
    return driving.run()


def long_trace(a, b):
    total = 0
    for x in b:
        total += x * a
    DONE.append(total)
    raise StopIteration(total)


def helper(n):
    i = total = 0
    while i < n:
        DONE.append(i)
        total += i
        i += 1
    return total


def helper_loop(a, b):
    total = helper(b) + a
    raise StopIteration(total)


def reads_its_frame(a, b):
    seen = a + b
    raise StopIteration(sorted(locals()))


def sees_frames(a, b):
    import sys

    raise StopIteration(sys._getframe().f_code.co_name)


@pytest.fixture(autouse=True)
def _fresh():
    DONE.clear()


def test_too_long_traces_end_and_the_guest_goes_on_there():
    recording = record(long_trace, 2, list(range(300)), trace_limit=100)
    assert recording.aborted.reason is AbortReason.TRACE_TOO_LONG
    assert recording.aborted.filename == __file__
    assert recording.aborted.lineno in range(_line(long_trace, 1), _line(long_trace, 5))
    assert 100 < recording.ended.operations < 120
    exception, _ = finished(recording)
    assert exception.value == sum(range(300)) * 2
    assert DONE == [sum(range(300)) * 2]


def test_long_loops_of_helpers_are_left_and_called_from_then_on():
    first = record(helper_loop, 1, 100, max_unroll_loops=10, helper_loops=False)
    assert first.aborted.reason is AbortReason.HELPER_LOOP
    exception, _ = finished(first)
    assert exception.value == sum(range(100)) + 1
    assert DONE == list(range(100))
    second = record(helper_loop, 1, 100, max_unroll_loops=10, helper_loops=False)
    assert second.ended.recorded is not None
    assert any(op.opcode is ops.CALL for op in second.operations)
    assert any("helper" in note for note in second.residual)


@pytest.mark.parametrize(("step", "value"), [(reads_its_frame, ["a", "b", "seen"]), (sees_frames, "sees_frames")])
def test_readers_of_frames_end_a_recording(step, value):
    recording = record(step, 1, 2)
    assert recording.aborted.reason is AbortReason.UNSUPPORTED
    assert "looks at its caller's frame" in recording.aborted.detail
    exception, _ = finished(recording)
    assert exception.value == value
    again = record(step, 1, 2)
    assert again.ended.recorded is not None, "the function is called from now on"
    assert again.ended.recorded.values[0].value == value


def sums(a, b):
    for row in b:
        total = a
        for x in row:
            total = total * 3 % 1009 + x
        DONE.append(total)


def test_the_loop_that_made_a_trace_too_long_is_kept_out_of_the_next_one():
    rows = [list(range(12)), list(range(12))]
    first = record(sums, 2, rows, trace_limit=100)
    assert first.aborted.reason is AbortReason.TRACE_TOO_LONG
    finished(first)
    second = record(sums, 2, rows, trace_limit=100)
    assert second.aborted.reason is AbortReason.CALLEE_FIRST
    assert second.ended.operations < 50
    finished(second)
    assert len(DONE) == 4
    assert len(set(DONE)) == 1


def test_aborted_or_not_the_guest_does_the_same():
    agrees(lambda a, b: helper(b) + len([name for name in ("x", "y")]) + a, 0, 30)


def test_entries_of_a_compiled_module_are_the_toolkits_whatever_its_file_is_called():
    namespace = {"__name__": "metatracer.recorder.record"}
    exec(compile("def fail(): raise TypeError", "metatracer/recorder/record.py", "exec"), namespace)
    with pytest.raises(TypeError) as raised:
        namespace["fail"]()
    assert without_toolkit(raised.value.__traceback__) is raised.value.__traceback__
    assert without_toolkit(raised.value.__traceback__.tb_next) is None
