"""Builtins that consume a generator which the trace has made: both are recorded as one function, whose loop may have traces.

See `runtime.fusion` for what that function is. Where it is not known what an argument is, or somebody else holds the
generator, the handlers decline: the generator is made and the builtin called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const
from metatracer.recorder.calls import call_python, deliver_result, enter_fused, intrinsic, refusal, set_result
from metatracer.recorder.containers import advance
from metatracer.recorder.control import operation_call
from metatracer.recorder.dicts import copy_dict, note_made
from metatracer.recorder.frames import Box, Pending, const_box
from metatracer.recorder.generators import is_held_once, is_virtual_generator, take_from_locals
from metatracer.recorder.hashing import is_dict_class, know_dict
from metatracer.recorder.lists import new_list
from metatracer.recorder.metainterp import handles
from metatracer.recorder.numeric import compare_numbers, int_binary
from metatracer.recorder.sequences import copy_to_list, extend, items_of
from metatracer.recorder.tuples import new_tuple
from metatracer.recorder.virtuals import VirtualBox, is_virtual_dict, is_virtual_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.frames import MetaFrame
    from metatracer.recorder.metainterp import MetaInterpreter


def consume(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    consumer: str,
    generator: Box,
    others: Sequence[Box] = (),
) -> bool:
    """Enter the function that makes a generator and consumes it; False if that cannot be done."""
    if is_virtual_mapping(generator):
        return _collect(meta, frame, instruction, consumer, generator, others)
    if not is_virtual_generator(generator) or not is_held_once(meta, generator, instruction.next_index):
        return False
    assert isinstance(generator, VirtualBox)
    return enter_fused(meta, frame, instruction, consumer, generator, others)


_COLLECTED: dict[str, Any] = {
    "list": None, "any": None, "all": None, "tuple": tuple, "set": set, "join": str.join, "sorted": sorted,
}  # fmt: skip
"""What is done at last with the list of all items; None: nothing."""


def _collect(
    meta: MetaInterpreter,
    frame: MetaFrame,
    instruction: Instruction,
    consumer: str,
    mapping: Box,
    others: Sequence[Box],
) -> bool:
    """Enter the function that collects what a `map` or `filter` gives; False if there is none."""
    assert isinstance(mapping, VirtualBox)
    if consumer not in _COLLECTED or not is_held_once(meta, mapping, instruction.next_index):
        return False
    last = _COLLECTED[consumer]
    collector = meta.host.collector(mapping.cls, consumer if last is None else "list")
    if collector is None or refusal(meta, collector):
        return False
    if last is None:
        pending = Pending(instruction, deliver_result)
    else:
        finish = _FINISH[consumer]

        def deliver(meta: MetaInterpreter, below: MetaFrame, result: Box) -> None:
            boxes = [*others, result]
            if consumer == "tuple" and (made := tuple_of_list(meta, result)) is not None:
                set_result(below, instruction, made)
                return
            meta.stand_at(below, instruction.index)
            meta.residual_call(below, instruction, const_box(last), boxes, known=_RESULTS[consumer])

        pending = Pending(instruction, deliver, finish, tuple(others), True, None, True)
    result = Box([], new_list(meta, []))
    boxes = [*mapping.parts, result]
    take_from_locals(meta, mapping)
    for register in instruction.src:
        if frame.registers[register] is mapping:
            frame.registers[register] = None
    return call_python(meta, frame, collector, boxes, pending)


def _finish_join(result: Any, separator: str) -> str:
    return separator.join(result)


_FINISH: dict[str, Any] = {"tuple": tuple, "set": set, "sorted": sorted, "join": _finish_join}
_RESULTS: dict[str, type] = {"tuple": tuple, "set": set, "sorted": list, "join": str}


def _consuming(consumer: str) -> Any:
    """The handler of a builtin that takes an iterable."""

    def handle(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
        return len(boxes) == 1 and consume(meta, frame, instruction, consumer, boxes[0])

    return handle


intrinsic(any)(_consuming("any"))
intrinsic(all)(_consuming("all"))
intrinsic(set)(_consuming("set"))
intrinsic(sorted)(_consuming("sorted"))


@intrinsic(list)
def _list(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if len(boxes) != 1:
        return False
    return consume(meta, frame, instruction, "list", boxes[0]) or copy_to_list(meta, frame, instruction, boxes[0])


def _extreme(function: Any, symbol: str) -> None:
    """`min` and `max`, of an iterable or of some numbers."""

    def handle(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
        items: list[Box] | None = boxes
        if len(boxes) == 1:
            if consume(meta, frame, instruction, function.__name__, boxes[0]):
                return True
            items = items_of(meta, boxes[0])
        if items is None or len(items) > _MOST_COMPARED:
            return False
        result = _best(meta, symbol, items)
        if result is None:
            return False
        set_result(frame, instruction, result)
        return True

    intrinsic(function)(handle)


def _total(meta: MetaInterpreter, values: Box, start: Box) -> Box | None:
    """`sum(values, start)` of exact ints whose partial sums are machine integers, too."""
    boxes = items_of(meta, values)
    if boxes is None or type(start.object) is not int or any(type(box.object) is not int for box in boxes):
        return None
    result = start
    for box in boxes:
        added = int_binary(meta, "+", result, box, masked=False)
        if added is None:
            return None
        result = added
    return result


def _best(meta: MetaInterpreter, symbol: str, boxes: Sequence[Box]) -> Box | None:
    """`min` and `max` of numbers: the first one that no later one compares `symbol` to; guards which."""
    if not boxes or not all(type(box.object) in (int, float, bool) for box in boxes):
        return None
    best = boxes[0]
    for box in boxes[1:]:
        better = compare_numbers(meta, symbol, box, best)
        if better is None:
            return None
        if not better.is_const:
            assert better.raw is not None
            meta.guard(ops.GUARD_TRUE if better.object else ops.GUARD_FALSE, better.raw)
        if better.object:
            best = box
    return best


_MOST_COMPARED = 4
"""More have too many orders: each would be a bridge."""

_extreme(min, "<")
_extreme(max, ">")


@intrinsic(sum)
def _sum(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if not 1 <= len(boxes) <= 2:
        return False
    start = boxes[1] if len(boxes) == 2 else const_box(0)
    if not is_virtual_generator(boxes[0]):
        result = _total(meta, boxes[0], start)
        if result is not None:
            set_result(frame, instruction, result)
        return result is not None
    if type(start.object) not in (int, float):
        return False
    meta.guard_class(start)
    return consume(meta, frame, instruction, "sum", boxes[0], [start])


@intrinsic(next)
def _next(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if not 1 <= len(boxes) <= 2:
        return False
    if consume(meta, frame, instruction, "next_or" if len(boxes) == 2 else "next", boxes[0], boxes[1:]):
        return True
    return advance(meta, frame, instruction, boxes)


@intrinsic(dict)
def _dict(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if boxes and (len(boxes) > 1 or consume(meta, frame, instruction, "dict", boxes[0])):
        return len(boxes) == 1
    if boxes and not _gives_pairs(boxes[0]):
        return copy_dict(meta, frame, instruction, boxes[0])
    start = meta.snapshot()
    made = meta.c_call(frame, instruction, c.NEW_DICT, [], [], known=dict, store=lambda _: None, snapshot=lambda: start)
    meta.effect_done = False  # nobody has seen it
    note_made(meta, made)
    if not boxes:
        set_result(frame, instruction, made)
        return True
    return _fill(meta, frame, instruction, boxes[0], made, Pending(instruction, deliver_result))


def _gives_pairs(box: Box) -> bool:
    """Whether this is an iterator in parts whose items are pairs."""
    if not isinstance(box, VirtualBox) or not box.is_virtual:
        return False
    return box.cls is enumerate or (box.cls is zip and len(box.parts) == 2)


def _fill(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, pairs: Box, target: Box, pending: Pending
) -> bool:
    """Enter the function that stores pairs in a dict; False if it is not looked into, or somebody else has the iterator."""
    assert isinstance(pairs, VirtualBox)
    filler = meta.host.collector(pairs.cls, "dict")
    if filler is None or refusal(meta, filler) or not is_held_once(meta, pairs, instruction.next_index):
        return False
    take_from_locals(meta, pairs)
    for register in instruction.src:
        if frame.registers[register] is pairs:
            frame.registers[register] = None
    return call_python(meta, frame, filler, [pairs, target], pending)


def finish_update(_result: Any) -> None:
    """`dict.update` gives None."""


@intrinsic(dict.update, dict.__init__)
def _update(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    """`d.update(zip(names, values))`, also of a subclass that stores as dicts do."""
    if len(boxes) != 2 or not _gives_pairs(boxes[1]) or is_virtual_dict(boxes[0]):
        return False
    target = boxes[0]
    if not is_dict_class(type(target.object)) or not know_dict(meta, target, "__setitem__"):
        return False

    def deliver(_meta: MetaInterpreter, below: MetaFrame, _result: Box) -> None:
        set_result(below, instruction, const_box(None))

    return _fill(meta, frame, instruction, boxes[1], target, Pending(instruction, deliver, finish_update))


@intrinsic(tuple)
def _tuple(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if len(boxes) != 1:
        return False
    if consume(meta, frame, instruction, "tuple", boxes[0]):
        return True
    made = tuple_of_list(meta, boxes[0])
    if made is None:
        return False
    set_result(frame, instruction, made)
    return True


@handles("list_to_tuple")
def list_to_tuple(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction) -> None:
    """The end of `(a, *b)`, and of `f(*a, *b)`."""
    made = tuple_of_list(meta, frame.box(instruction.src[0]))
    if made is None:
        operation_call(meta, frame, instruction)
    else:
        frame.registers[instruction.dst[0]] = made


def tuple_of_list(meta: MetaInterpreter, box: Box) -> Box | None:
    """`tuple(x)` of a list that the trace has made and whose items it knows."""
    if type(box.object) is not list or box.ref is None:
        return None
    length = meta.heap.get((box.ref, "length"))
    if not isinstance(length, Const):
        return None
    items = [meta.heap.get((box.ref, "item", index)) for index in range(length.value)]
    known = [item for item in items if item is not None]
    if len(known) < length.value:
        return None
    objects = tuple(box.object)
    return Box(objects, new_tuple(meta, known)) if objects else const_box(())


@intrinsic(str.join)
def _join(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if len(boxes) != 2 or type(boxes[0].object) is not str:
        return False
    if not is_virtual_generator(boxes[1]) and not is_virtual_mapping(boxes[1]):
        return False
    meta.guard_class(boxes[0])
    return consume(meta, frame, instruction, "join", boxes[1], boxes[:1])


@intrinsic(list.extend)
def _extend(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
    if len(boxes) != 2 or type(boxes[0].object) is not list:
        return False
    if not is_virtual_generator(boxes[1]):
        return extend(meta, frame, instruction, boxes[0], boxes[1], const_box(None))
    meta.guard_class(boxes[0])
    return consume(meta, frame, instruction, "extend", boxes[1], boxes[:1])
