"""Calls: what they may see is stored first, what they may change is forgotten, and their guards go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.hints import is_value_class
from metatracer.ir.cfunctions import (
    BUILTIN_ITER,
    BUILTIN_NEXT,
    DICT_FIND,
    DICT_FIND_INT,
    DICT_SETITEM,
    DICT_SETITEM_INT,
)
from metatracer.ir.opcodes import (
    CALL,
    CALL_C_F,
    CALL_C_I,
    CALL_C_R,
    CALL_LOOP,
    CALL_PORTAL,
    GENERATOR_CLEAR,
    GUARD_EXCEPTION,
    GUARD_NO_EXCEPTION,
    GUARD_PARTS,
    INT_BOX,
    Effect,
)
from metatracer.ir.pure_calls import IMMUTABLE, NOTHING, fold, is_immutable, is_pure
from metatracer.ir.snapshots import virtual_parts
from metatracer.ir.values import Const, Operation, Value
from metatracer.optimizer.state import Virtual, VirtualBox, VirtualInstance
from metatracer.optimizer.verdicts import DROP, EMIT, Contradiction, Verdict, effects
from metatracer.optimizer.versions import received_parts, specialise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.state import State
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


ANYTHING = (Effect.ANY, Effect.ANY, True)


class Calls:
    """See the module's docstring."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward

    def handlers(self) -> Handlers:
        for opcode in (CALL, CALL_PORTAL, CALL_C_R, CALL_C_I, CALL_C_F, GENERATOR_CLEAR):
            yield opcode, self.call
        yield CALL_LOOP, self.call_loop
        yield GUARD_PARTS, self.guard_parts
        yield GUARD_NO_EXCEPTION, self.guard_no_exception
        yield GUARD_EXCEPTION, self.guard_exception

    def call(self, op: Operation) -> Verdict:
        reads, writes, runs_code = effects(op)
        forward = self._forward
        if op.opcode is CALL and is_pure_call(forward.state, op):
            folded = fold(op.args[0].value, [arg.value for arg in op.args[1:]]) if _all_const(op.args) else NOTHING  # type: ignore[attr-defined]
            if folded is not NOTHING and is_immutable(folded):
                return forward.pool.get("r", folded)
            reads = writes = Effect.NONE
            runs_code = False
        row = op.descr
        is_search, is_store = row is DICT_FIND, row is DICT_SETITEM
        if is_search or is_store:
            key = forward.state.resolve(op.args[1])
            if isinstance(key, VirtualBox) and key.box is INT_BOX:
                op.descr = DICT_FIND_INT if is_search else DICT_SETITEM_INT
                op.args = (op.args[0], key.payload, *op.args[2:])
        # First of all: what is known of the contents of objects that are allocated for the call must be forgotten, too.
        op.args = tuple([forward.force(arg) for arg in op.args])
        if is_search or row is DICT_FIND_INT:
            return forward.heap.dict_find(op)
        if is_store or row is DICT_SETITEM_INT:
            forward.heap.dict_store(op)
            forward.state.valid = False
            return EMIT
        if op.descr is BUILTIN_ITER:
            reads = Effect.NONE  # makes an iterator, without looking into what it iterates over
        elif op.descr is BUILTIN_NEXT:
            writes = Effect.NONE  # of iterators, none of which is a generator
            cls = forward.state.type_of(op.args[0])
            if cls is not None:
                reads = _READ_BY_NEXT.get(cls.__name__, reads) if cls.__module__ == "builtins" else reads
        seen = Effect.ANY if runs_code else reads | writes
        if seen & Effect.HEAP:
            forward.heap.flush(seen)
        if writes or runs_code:
            forward.heap.invalidate(Effect.ANY if runs_code else writes, runs_code)
        if op.opcode.descr == "cfunction" and op.descr.releases:
            forward.state.valid = False
        return EMIT

    def call_loop(self, op: Operation) -> Verdict:
        """The callee takes virtual arguments apart; what it may see of other objects is stored first.

        Doing stores can allocate an argument, and then another version of the callee is called, which may do other
        things: in that case nothing is taken for granted.
        """
        forward = self._forward
        target, args = op.descr, op.args
        self._force_shared(args)
        specialise(forward, op)
        called = op.descr
        reads, writes, runs_code = ANYTHING if called.effects is None else called.effects()
        while True:
            self._store(reads | writes, runs_code)
            self._force_shared(args)
            op.descr, op.args = target, tuple([forward.state.resolve(arg) for arg in args])
            specialise(forward, op)
            if op.descr is called:
                break
            called = op.descr
            reads, writes, runs_code = ANYTHING
        op.args = tuple([forward.force(arg) for arg in op.args])
        if writes or runs_code:
            forward.heap.invalidate(Effect.ANY if runs_code else writes, runs_code)
        return EMIT

    def guard_parts(self, op: Operation) -> Verdict:
        """The result in parts is a virtual object; loops that are called at their common entry give objects."""
        forward = self._forward
        call = op.args[0]
        if not isinstance(call, Operation) or not call.descr.returns_parts or "virtuals" not in forward.enabled:
            return DROP
        forward.emit(op)
        forward.state.substitute(call, received_parts(forward, call, op.descr))
        return DROP

    def _force_shared(self, args: tuple[Value, ...]) -> None:
        """Allocate what caller and callee both refer to: it is one object, whoever changes it or asks for its identity."""
        forward = self._forward
        state = forward.state
        following = forward.following
        assert following is not None
        assert following.snapshot is not None, "the guard behind the call says what goes on"
        kept: set[Virtual] = set()
        roots = [value for frame in following.snapshot.frames for value in frame.values()]
        roots += [store.args[-1] for store in state.stores()]
        _collect(state, roots, kept)
        passed: set[Virtual] = set()
        _collect(state, args, passed)
        for virtual in passed & kept:
            if not isinstance(virtual, VirtualInstance) or not is_value_class(virtual.cls):
                forward.force(virtual)

    def _store(self, seen: Effect, runs_code: bool) -> None:
        seen = Effect.ANY if runs_code else seen
        if seen & Effect.HEAP:
            self._forward.heap.flush(seen)

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


def is_pure_call(state: State, op: Operation) -> bool:
    """Whether a call has no effect, and sees nothing but its arguments, which never change."""
    callee, *args = op.args
    if not isinstance(callee, Const) or (op.descr is not None and op.descr.keywords) or not is_pure(callee.value):
        return False
    return all(is_immutable(arg.value) if isinstance(arg, Const) else state.type_of(arg) in IMMUTABLE for arg in args)


def _collect(state: State, values: Iterable[Any], found: set[Virtual]) -> None:
    """Add the virtual objects that can be reached from the values; unboxed numbers have no identity."""
    work = list(values)
    seen: set[int] = set()
    while work:
        value = work.pop()
        if not isinstance(value, Value):  # a virtual of the recording
            if id(value) not in seen:
                seen.add(id(value))
                work.extend(virtual_parts(value))
            continue
        value = state.resolve(value)
        if not isinstance(value, Virtual) or isinstance(value, VirtualBox) or value in found:
            continue
        found.add(value)
        work.extend(value.parts())


def _all_const(values: Iterable[Value]) -> bool:
    return all(isinstance(value, Const) for value in values)


def _gives_object(result: object) -> bool:
    """Whether a call that did not raise gave an object (and not the NULL of an exhausted iterator)."""
    if not isinstance(result, Operation):
        return False
    return result.opcode.descr != "cfunction" or result.descr.error == "null"
