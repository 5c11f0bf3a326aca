"""Delayed appends: what is pushed on a list and popped again is never there.

A `list_append` to a real list stays pending (exits do it from their snapshot); a `list_pop` of the same list takes the
value back. Reads of the last items, as in ``stack[-1]``, find them by their distance from the end: the length of a list
is known as a value plus an offset, and indices are compared with it symbolically.

Nothing is carried over a loop's back edge: there an operand stack is as high as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.ir.opcodes import INT_ADD, INT_ADD_OVF, INT_SUB, INT_SUB_OVF, LIST_APPEND
from metatracer.ir.values import Const, Operation, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.optimizer.forward import Forward

MAX_DELAYED = 64
"""More than this many are done at once: every snapshot would repeat them."""


class DelayedAppends:
    """The pending appends of a walk. The caller has seen to other lists that may be the same.

    Attributes:
        sums: Values known to be another one plus a constant, also where their definition is on the other side of the
            loop's label.
    """

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._state = forward.state
        self.sums: dict[Value, tuple[Value, int]] = {}

    def append(self, owner: Value, value: Value) -> None:
        """Put off an append."""
        state = self._state
        if len(state.appended.get(owner, ())) >= MAX_DELAYED:
            self.flush(owner)
        state.appended.setdefault(owner, []).append(value)
        state.stores_version += 1

    def pop(self, owner: Value) -> Value | None:
        """Take back the last item put off, if there is one."""
        delayed = self._state.appended.get(owner)
        if not delayed:
            return None
        self._state.stores_version += 1
        value = delayed.pop()
        if not delayed:
            del self._state.appended[owner]
        return self._state.resolve(value)

    def flush(self, owner: Value) -> None:
        """Do the appends to one list."""
        state = self._state
        for value in state.appended.pop(owner, ()):
            state.stores_version += 1
            self._forward.emit(Operation(LIST_APPEND, (owner, self._forward.force(value))))

    def flush_all(self) -> None:
        for owner in list(self._state.appended):
            self.flush(owner)

    def flush_others(self, owner: Value, may_be: Callable[[Value, Value], bool]) -> None:
        """Do the appends to lists that may be `owner` under another name."""
        for other in [other for other in self._state.appended if other is not owner and may_be(other, owner)]:
            self.flush(other)

    def locate(self, owner: Value, index: Value) -> int | None:
        """Which of the delayed items an index refers to; negative for one that is in the list itself, None if unknown."""
        state = self._state
        delayed = len(state.appended[owner])
        base = state.lengths.get(owner)
        if base is None:
            return None
        base = state.resolve(base)
        state.hit("length", None, (owner,), base)
        offset = state.offsets.get(owner, 0)
        root, constant = self._linear(base)
        index_root, index_constant = self._linear(index)
        if root is index_root:
            return index_constant - constant - (offset - delayed)
        if state.bounds(index)[1] < state.bounds(base)[0] + offset - delayed:
            return -1
        return None

    def _linear(self, value: Value) -> tuple[Value | None, int]:
        """A value as another one plus a constant; without another one for a constant."""
        constant = 0
        while True:
            if isinstance(value, Const):
                return None, constant + value.value
            known = self.sums.get(value)
            if known is not None:
                value, constant = self._state.resolve(known[0]), constant + known[1]
                continue
            if not isinstance(value, Operation) or len(value.args) != 2:
                return value, constant
            left, right = [self._state.resolve(arg) for arg in value.args]
            if value.opcode in (INT_ADD, INT_ADD_OVF):
                if isinstance(left, Const):
                    left, right = right, left
                sign = 1
            elif value.opcode in (INT_SUB, INT_SUB_OVF):
                sign = -1
            else:
                return value, constant
            if not isinstance(right, Const) or abs(right.value) > 1 << 32:
                return value, constant
            value, constant = left, constant + sign * right.value
