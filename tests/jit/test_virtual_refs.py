"""Guest frames as RPython's interpreters keep them: virtualizable, and reachable through virtual references."""

from __future__ import annotations

import pytest

from metatracer import (
    JitDriver,
    dont_look_inside,
    hint,
    parameters,
    unroll_safe,
    virtual_ref,
    virtual_ref_finish,
    vref_None,
)
from metatracer.ir.opcodes import NEW, NEW_LIST
from metatracer.ir.values import Trace
from metatracer.runtime import compiling

driver = JitDriver(greens=["pc", "code"], reds=["frame", "context"], virtualizables=["frame"], name="frames")

INCREMENT, CALL, LOOP, LOOK, DONE = range(5)


class Context:
    """What an interpreter knows of a thread: the frame that is running."""

    def __init__(self):
        self.top = vref_None
        self.seen = []


class Frame:
    _virtualizable_ = ["pc", "registers[*]", "back"]

    def __init__(self, size, back):
        self = hint(self, access_directly=True, fresh_virtualizable=True)
        self.pc = 0
        self.registers = [0] * size
        self.back = back


def enter(context, frame):
    frame.back = context.top
    context.top = virtual_ref(frame)


def leave(context, frame):
    reference = context.top
    context.top = frame.back
    virtual_ref_finish(reference, frame)


@dont_look_inside
def look(context):
    """What a traceback or `sys._getframe` does: all frames, innermost first."""
    frame = context.top()
    found = []
    while frame is not None:
        found.append(tuple(frame.registers))
        frame = frame.back()
    context.seen.append(tuple(found))


@unroll_safe
def call(context, code, argument):
    frame = Frame(2, vref_None)
    enter(context, frame)
    try:
        frame.registers[0] = argument
        for instruction in code:
            if instruction == LOOK:
                if argument % 100 == 99:
                    look(context)
            elif instruction == INCREMENT:
                frame.registers[1] = frame.registers[0] * 3 + 1
        if argument == 700:
            raise ValueError(argument)
        return frame.registers[1]
    finally:
        leave(context, frame)


@driver.portal
def interpret(code, frame, context):
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code, frame=frame, context=context)
        instruction = code[pc][0]
        if instruction == CALL:
            try:
                frame.registers[0] += call(context, code[pc][1], frame.registers[1])
            except ValueError as error:
                frame.registers[0] += error.args[0]
        elif instruction == INCREMENT:
            frame.registers[1] += 1
        elif instruction == LOOP:
            if frame.registers[1] < code[pc][1]:
                pc = 0
                driver.can_enter_jit(pc=pc, code=code, frame=frame, context=context)
                continue
        else:
            return frame.registers[0]
        pc += 1


def run(callee):
    code = ((CALL, callee), (INCREMENT,), (LOOP, 1200), (DONE,))
    context = Context()
    frame = Frame(3, vref_None)
    enter(context, frame)
    result = interpret(code, frame, context)
    leave(context, frame)
    assert context.top is vref_None
    return result, context.seen, frame.registers


@pytest.mark.parametrize("force_exits", [0, 1, 9])
@pytest.mark.parametrize("callee", [(INCREMENT,), (INCREMENT, LOOK), (LOOK, INCREMENT, LOOK)])
def test_frames_are_as_in_the_interpreter(callee, force_exits):
    with parameters(threshold=10**6):
        expected = run(callee)
    with parameters(threshold=3, trace_eagerness=2, force_exits=force_exits, compile_level=0, background=False):
        assert [run(callee) for _ in range(3)] == [expected] * 3


class Watch:
    """The optimized traces."""

    def __init__(self) -> None:
        self.traces: list[Trace] = []

    def optimized(self, recorded, how, result):
        self.traces.append(result)

    def compiled(self, piece, recorded, optimized, code):
        pass


def test_a_call_makes_neither_a_frame_nor_a_reference(monkeypatch):
    watch = Watch()
    monkeypatch.setattr(compiling, "watching", watch)
    with parameters(threshold=3, trace_eagerness=10**6, compile_level=0, background=False):
        run((INCREMENT, INCREMENT, INCREMENT))
    loops = [trace for trace in watch.traces if trace.label is not None]
    assert loops
    for trace in loops:
        inside = trace.operations[trace.operations.index(trace.label) :]
        assert not [op for op in inside if op.opcode in (NEW, NEW_LIST)]
