"""What the backend's tests share: compiling trace text, running it, comparing it with the evaluator, counting objects."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from metatracer.backend import support
from metatracer.backend.compile import CompiledCode, compile_trace
from metatracer.backend.layout import layout, write_word
from metatracer.ir.evaluator import Exit
from metatracer.ir.snapshots import live_values
from metatracer.ir.text import parse_trace
from metatracer.ir.values import Trace


def compiled(text: str, namespace: dict[str, Any] | None = None, **options: Any) -> CompiledCode:
    """Compile a trace given as text."""
    return compile_trace(parse_trace(text, namespace or {}), **options)


def run(text: str, *args: Any, namespace: dict[str, Any] | None = None, **options: Any) -> tuple[Any, ...]:
    """Compile and run a trace; the exit tuple with guard ids replaced by the guards' names."""
    code = compiled(text, namespace, **options)
    try:
        return outcome(code, *args)
    finally:
        code.free()


def outcome(code: CompiledCode, *args: Any) -> tuple[Any, ...]:
    """Run code; the exit tuple with the guard id replaced by the guard's name."""
    assert code.enter is not None
    values = list(args)
    result = code.enter(values)
    assert values == []
    name = code.guards[result[0]].opcode.name if result[0] > 0 else {0: "finish", -1: "raise"}[result[0]]
    return (name, *result[1:])


def exit_of(code: CompiledCode, trace: Trace, args: list[Any]) -> Exit:
    """Run code, consuming `args`; what the evaluator would give for the same run."""
    assert code.enter is not None
    result = code.enter(args)
    if result[0] == 0:
        return Exit("finish", trace.operations[-1], result[2:], result[1], None, 0)
    if result[0] == -1:
        return Exit("raise", trace.operations[-1], (result[1],), None, None, 0)
    guard = code.guards[result[0]]
    assert guard.snapshot is not None
    live = live_values(guard.snapshot)
    environment = {id(value): item for value, item in zip(live, result[2:], strict=True)}
    return Exit("guard", guard, result[2:], result[1], None, 0, environment)


class Counts:
    """Reference counts of some objects, to be compared later. Instances of a heap type count as references to it."""

    def __init__(self, *objects: Any) -> None:
        self._objects = list(objects)
        self._before: list[int] = []

    def start(self) -> Counts:
        """Take the counts to compare with. Not done when constructing: the call's arguments would count."""
        self._before = self._now()
        return self

    def _now(self) -> list[int]:
        return [sys.getrefcount(item) for item in self._objects]

    def changes(self) -> list[int]:
        """The change of each count since `start`."""
        now = self._now()
        return [count - before for count, before in zip(now, self._before, strict=True)]


DEALLOC = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(support.function_address("dealloc"))


def free(holder: list[Any], dealloc: Any = DEALLOC) -> None:
    """Free the object that a list alone holds."""
    address = id(holder[0])
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(holder[0]))
    holder.clear()
    assert ctypes.c_uint32.from_address(address + layout().ob_refcnt).value == 1
    write_word(address + layout().ob_refcnt, 0)
    dealloc(address)
