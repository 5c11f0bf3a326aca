"""Builtins that ask an object's class: `len(x)`, `str(x)`, `bool(x)`. Its method is looked into if it is Python's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from metatracer.backend.fields import lookup_attribute, raw_lookup
from metatracer.errors import AbortReason
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const
from metatracer.recorder import intrinsics  # noqa: F401 - what it knows comes first
from metatracer.recorder.calls import INTRINSICS, call_python, can_inline, deliver_result
from metatracer.recorder.frames import Box, MetaFrame, Pending
from metatracer.recorder.truth import is_false

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.frontend.jitcode import Instruction
    from metatracer.recorder.metainterp import MetaInterpreter


def look_into(
    meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box, name: str, finish: Callable[[Any], Any]
) -> bool:
    """Enter the method of a class of the author's that a builtin asks, whose result is an instance of one builtin class."""
    return _look_into(meta, frame, box, name, Pending(instruction, deliver_result, finish))


def look_into_truth(meta: MetaInterpreter, frame: MetaFrame, box: Box, pending: Pending) -> bool:
    """As `look_into`, for an instruction that wants to know whether the box is true; the `finish` is for a right answer."""
    name = "__len__" if raw_lookup(type(box.object), "__bool__")[1] is None else "__bool__"
    pending.finish = _FINISH_TRUTH[name, pending.finish]
    return _look_into(meta, frame, box, name, pending)


def asking(instruction: Instruction, register: int, finish: Callable[[Any], Any]) -> Pending:
    """What a branch does with the answer to whether its operand is true: it goes on with that as its operand."""

    def branch(_meta: MetaInterpreter, below: MetaFrame, result: Box) -> None:
        below.registers[register] = result
        below.position = below.jitcode.positions[instruction.index]

    name = _ASKED.get(finish)
    check = None if name is None else _CHECKS[name]
    return Pending(instruction, branch, finish, (), True, check, True, again=True)


def _look_into(meta: MetaInterpreter, frame: MetaFrame, box: Box, name: str, pending: Pending) -> bool:
    cls = type(box.object)
    if isinstance(box.object, type) or not meta.is_steady(cls):
        return False
    found = lookup_attribute(cls, name)
    if found.kind != "method" or not can_inline(meta, found.attribute):
        return False
    meta.guard_class(box)
    meta.rely_on_class(cls)
    pending.check, pending.records = _CHECKS[name], True
    return call_python(meta, frame, found.attribute, [box], pending)


def look_into_text(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, box: Box) -> bool:
    """`str(x)`, by `__str__` or else `__repr__`."""
    is_default = raw_lookup(type(box.object), "__str__")[1] is object
    return look_into(meta, frame, instruction, box, "__repr__" if is_default else "__str__", _finish_str)


class _Answer:
    """Gives what the method of another object has given, so that the builtin says what is wrong with it."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def __len__(self) -> Any:
        return self.result

    def __str__(self) -> Any:
        return self.result

    def __repr__(self) -> Any:
        return self.result

    def __bool__(self) -> Any:
        return self.result


def _finish_len(result: Any) -> int:
    return len(_Answer(result))


def _finish_str(result: Any) -> str:
    return str(_Answer(result))


def _finish_repr(result: Any) -> str:
    return repr(_Answer(result))


def _finish_bool(result: Any) -> bool:
    return bool(_Answer(result))


def _finish_false(result: Any) -> bool:
    return not _Answer(result)


def _finish_length(result: Any) -> bool:
    return len(_Answer(result)) != 0


def _finish_no_length(result: Any) -> bool:
    return len(_Answer(result)) == 0


_FINISH_TRUTH: dict[tuple[str, Any], Callable[[Any], Any]] = {
    ("__bool__", bool): _finish_bool,
    ("__bool__", is_false): _finish_false,
    ("__len__", bool): _finish_length,
    ("__len__", is_false): _finish_no_length,
}


_ASKED: dict[Callable[[Any], Any], str] = {_finish_bool: "__bool__", _finish_length: "__len__"}


def _check(wanted: type) -> Callable[[MetaInterpreter, Box], None]:
    def check(meta: MetaInterpreter, result: Box) -> None:
        if type(result.object) is not wanted:
            raise meta.aborted(AbortReason.UNSUPPORTED, f"a special method gave no {wanted.__name__}")
        meta.guard_class(result)
        if wanted is int:
            value, length = meta.int_value(result), cast("int", result.object)
            if value is None or length < 0:
                raise meta.aborted(AbortReason.UNSUPPORTED, "a __len__ gave no length")
            if not isinstance(value, Const):
                meta.guard(ops.GUARD_TRUE, meta.emit(ops.INT_LE, Const("i", 0), value))

    return check


_CHECKS = {"__len__": _check(int), "__str__": _check(str), "__repr__": _check(str), "__bool__": _check(bool)}


def _ask(builtin: Any, name: str, finish: Callable[[Any], Any]) -> None:
    """What else is known of the builtin comes first."""
    others = INTRINSICS.get(builtin)

    def handle(meta: MetaInterpreter, frame: MetaFrame, instruction: Instruction, boxes: list[Box]) -> bool:
        if others is not None and others(meta, frame, instruction, boxes):
            return True
        if len(boxes) != 1:
            return False
        if name == "__str__":
            return look_into_text(meta, frame, instruction, boxes[0])
        return look_into(meta, frame, instruction, boxes[0], name, finish)

    INTRINSICS[builtin] = handle


_ask(len, "__len__", _finish_len)
_ask(str, "__str__", _finish_str)
_ask(repr, "__repr__", _finish_repr)
_ask(bool, "__bool__", _finish_bool)
