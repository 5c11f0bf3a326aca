"""Live values of snapshots that share frames."""

from __future__ import annotations

from metatracer.ir.snapshots import live_values
from metatracer.ir.values import Const, FrameState, Input, Snapshot, VirtualSequence


def frame_of(*values):
    return FrameState(None, None, 0, -1, tuple(range(len(values))), tuple(values), ())


def test_a_value_comes_once_at_its_first_place() -> None:
    first, second = Input("i"), Input("r")
    outer = frame_of(first, Const("i", 1), second)
    assert live_values(Snapshot((outer, frame_of(second, first)))) == (first, second)
    assert live_values(Snapshot((outer,))) == (first, second)


def test_parts_of_a_virtual_come_with_each_frame_that_is_first_to_have_it() -> None:
    part, other = Input("i"), Input("r")
    virtual = VirtualSequence(tuple, [part])
    outer, inner = frame_of(virtual), frame_of(other, virtual)
    assert live_values(Snapshot((outer, inner))) == (part, other)
    assert live_values(Snapshot((inner,))) == (other, part)
