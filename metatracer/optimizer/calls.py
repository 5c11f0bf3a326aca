"""Calls: what they may see is stored first, what they may change is forgotten, and their guards go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.ir.cfunctions import BUILTIN_ITER, BUILTIN_NEXT
from metatracer.ir.opcodes import (
    CALL,
    CALL_C_F,
    CALL_C_I,
    CALL_C_R,
    CALL_PORTAL,
    GUARD_EXCEPTION,
    GUARD_NO_EXCEPTION,
    Effect,
)
from metatracer.ir.values import Const, Operation
from metatracer.optimizer.verdicts import DROP, EMIT, Contradiction, Verdict, effects

if TYPE_CHECKING:
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.verdicts import Handlers

_READ_BY_NEXT: dict[str, Effect] = {
    "range_iterator": Effect.NONE,
    "tuple_iterator": Effect.NONE,
    "str_iterator": Effect.NONE,
    "str_ascii_iterator": Effect.NONE,
    "bytes_iterator": Effect.NONE,
    "dict_keyiterator": Effect.DICT,
    "dict_valueiterator": Effect.DICT,
    "dict_itemiterator": Effect.DICT,
    "list_iterator": Effect.LIST,
}
"""What stepping an iterator of a builtin class reads besides the iterator."""


class Calls:
    """See the module's docstring."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward

    def handlers(self) -> Handlers:
        for opcode in (CALL, CALL_PORTAL, CALL_C_R, CALL_C_I, CALL_C_F):
            yield opcode, self.call
        yield GUARD_NO_EXCEPTION, self.guard_no_exception
        yield GUARD_EXCEPTION, self.guard_exception

    def call(self, op: Operation) -> Verdict:
        reads, writes, runs_code = effects(op)
        forward = self._forward
        # First of all: what is known of the contents of objects that are allocated for the call must be forgotten, too.
        op.args = tuple([forward.force(arg) for arg in op.args])
        if op.descr is BUILTIN_ITER:
            reads = Effect.NONE  # makes an iterator, without looking into what it iterates over
        elif op.descr is BUILTIN_NEXT:
            cls = forward.state.type_of(op.args[0])
            if cls is not None:
                reads = _READ_BY_NEXT.get(cls.__name__, reads) if cls.__module__ == "builtins" else reads
        seen = Effect.ANY if runs_code else reads | writes
        if seen & Effect.HEAP:
            forward.heap.flush(seen)
        if writes or runs_code:
            forward.heap.invalidate(Effect.ANY if runs_code else writes, runs_code)
        return EMIT

    def guard_no_exception(self, op: Operation) -> Verdict:
        forward = self._forward
        if forward.call_removed:
            forward.call_removed = False
            return DROP
        forward.emit(op)
        for result in op.args:
            if result.kind == "r" and not isinstance(result, Const) and _gives_object(result):
                forward.state.info(result).nonnull = True
        return DROP

    def guard_exception(self, op: Operation) -> Verdict:
        if self._forward.call_removed:
            raise Contradiction
        self._forward.state.info(op).nonnull = True
        return EMIT


def _gives_object(result: object) -> bool:
    """Whether a call that did not raise gave an object (and not the NULL of an exhausted iterator)."""
    if not isinstance(result, Operation):
        return False
    return result.opcode.descr != "cfunction" or result.descr.error == "null"
