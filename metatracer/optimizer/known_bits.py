"""Known bits: which bits of an integer are certain, beside its bounds (`ranges`), and what follows from them.

Nothing is computed until it is asked for: by a mask, a shift of an `or`, a comparison with a constant, or a rule of the table
that has a condition on bits. Then the bits of a value follow from its definition, from guards, and from its bounds; the answers
are kept. So a trace without bit operations pays nothing for this pass.

What is learned goes through definitions to their arguments: behind a guard on ``i2 = int_and(i1, 3)`` with 0, two bits of
``i1`` are known.

Over the back edge of a loop go the bits of what the loop carries, as facts ``int_and(x, mask) = ones``. Like the orders of
`relations` they have to be proved again at the end of the body if a conclusion was drawn from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.ir.opcodes import INT_AND, INT_EQ, INT_LE, INT_LT, INT_NE, INT_OR, INT_XOR, Opcode
from metatracer.ir.values import Const, Operation, Value
from metatracer.optimizer.bits import BINARY, THROUGH, UNARY, UNKNOWN, Bits, both, of_range, to_range
from metatracer.optimizer.bounds import decide
from metatracer.optimizer.rewriting import Rewriter
from metatracer.optimizer.state import MAX_INT
from metatracer.optimizer.verdicts import EMIT, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.state import FactKey
    from metatracer.optimizer.verdicts import Handlers

MAX_DEPTH = 6
"""Definitions that are looked through for one question."""
_Sources = tuple[Value, ...]
_NO_SOURCES: _Sources = ()


class KnownBits:
    """See the module's docstring."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._state = forward.state
        self._pool = forward.pool
        self._rules = Rewriter(forward, "bits")
        self._known: dict[Value, Bits] = {}
        self._sources: dict[Value, _Sources] = {}  # values whose bits came over the back edge, that others rest on
        self._imported: dict[Value, list[tuple[Value, ...]]] = {}
        self._is_enabled = "bits" in forward.enabled

    def handlers(self) -> Handlers:
        yield from self._rules.handlers()
        for opcode in (INT_AND, INT_OR, INT_XOR):
            yield opcode, self.bitwise
        yield INT_EQ, self.equal
        yield INT_NE, self.equal
        yield INT_LT, self.less
        yield INT_LE, self.less

    def bitwise(self, op: Operation) -> Verdict:
        """A result of which all bits are known is a constant."""
        known = self.of(op)
        if known[1]:
            return EMIT
        self.use(op)
        return self._pool.get("i", known[0])

    def equal(self, op: Operation) -> Verdict:
        """Numbers that differ in a bit are not equal."""
        left, right = op.args
        if isinstance(left, Const):
            left, right = right, left
        if isinstance(right, Const) and self.excludes(left, right.value):
            return self._pool.false if op.opcode is INT_EQ else self._pool.true
        return EMIT

    def less(self, op: Operation) -> Verdict:
        """A comparison with a constant by the bounds that follow from bits.

        They are not noted as bounds: those that a loop's label has, every trace that enters there has to check.
        """
        left, right = op.args
        if isinstance(left, Const) is isinstance(right, Const):
            return EMIT
        value = right if isinstance(left, Const) else left
        if not self._may_know(value):
            return EMIT
        known = decide(op.opcode, to_range(self.of(left)), to_range(self.of(right)))
        if known is None:
            return EMIT
        self.use(value)
        return self._pool.true if known else self._pool.false

    # --- questions --------------------------------------------------------------------------------------------------

    def of(self, value: Value, depth: int = MAX_DEPTH) -> Bits:
        """What is known of a value's bits at this point."""
        if isinstance(value, Const):
            return value.value, 0
        known = self._known.get(value)
        if known is None:
            known = self._from_definition(value, depth)
        lo, hi = self._state.bounds(value)
        if lo ^ hi < 0:
            return known
        met = both(known, of_range(lo, hi))
        return known if met is None else met

    def excludes(self, value: Value, number: int) -> bool:
        """Whether a value, which is not constant, cannot be this number because of its bits."""
        if not self._may_know(value) or both(self.of(value), (number, 0)) is not None:
            return False
        self.use(value)
        return True

    def _may_know(self, value: Value) -> bool:
        """Whether more may be known of a value than its bounds, which have been asked."""
        return value in self._known or (isinstance(value, Operation) and value.opcode in _BITS_OF_RESULT)

    def of_expression(self, part: Any) -> Bits:
        """The bits of a value, or of an expression that is not to be run, as `Rewriter` has built it: (row, parts...)."""
        if not isinstance(part, tuple):
            return self.of(part)
        args = [self.of_expression(inner) for inner in part[1:]]
        return UNARY[part[0]](*args) if len(args) == 1 else BINARY[part[0]](*args)

    def _from_definition(self, value: Value, depth: int) -> Bits:
        if not depth or not isinstance(value, Operation):
            return UNKNOWN
        opcode = value.opcode
        if opcode in BINARY:
            left, right = [self._state.resolve(arg) for arg in value.args]
            known = BINARY[opcode](self.of(left, depth - 1), self.of(right, depth - 1))
            sources = self._sources.get(left, _NO_SOURCES) + self._sources.get(right, _NO_SOURCES)
        elif opcode in UNARY:
            argument = self._state.resolve(value.args[0])
            known = UNARY[opcode](self.of(argument, depth - 1))
            sources = self._sources.get(argument, _NO_SOURCES)
        else:
            return UNKNOWN
        self._known[value] = known
        if sources:
            self._sources[value] = tuple(dict.fromkeys(sources))
        return known

    def use(self, value: Value) -> None:
        """A conclusion was drawn from the bits of a value: the facts from over the back edge behind them are needed."""
        for source in self._sources.get(value, _NO_SOURCES):
            for args in self._imported[source]:
                self._state.hit("pure", _AND, args, self._state.pure[INT_AND, None, args])

    def use_expression(self, part: Any) -> None:
        """The same for an expression."""
        if isinstance(part, tuple):
            for inner in part[1:]:
                self.use_expression(inner)
        else:
            self.use(part)

    # --- what guards tell -------------------------------------------------------------------------------------------

    def learn(self, value: Value, bits: Bits, depth: int = MAX_DEPTH) -> None:
        """Take note of bits of a value; bits that contradict are left alone (the code is dead)."""
        if not self._is_enabled or isinstance(value, Const):
            return
        before = self.of(value)
        met = both(before, bits)
        if met is None:
            return
        self._known[value] = met
        if not met[1] and depth < MAX_DEPTH:
            self.use(value)
            self._state.substitute(value, self._pool.get("i", met[0]))
        if not isinstance(value, Operation) or not depth:
            return
        if value.opcode in UNARY:  # each undoes itself
            self.learn(self._state.resolve(value.args[0]), UNARY[value.opcode](met), depth - 1)
            return
        if value.opcode not in THROUGH:
            return
        left, right = [self._state.resolve(arg) for arg in value.args]
        if isinstance(left, Const) and value.opcode.commutes:
            left, right = right, left
        if isinstance(right, Const):
            self.learn(left, THROUGH[value.opcode](met, right.value), depth - 1)

    def exclude(self, value: Value, number: int) -> None:
        """A value is not this number: if only one other number has the bits that are known, it is that."""
        if not self._is_enabled or isinstance(value, Const):
            return
        ones, unknown = self.of(value)
        if (unknown & (unknown - 1)) & MAX_INT or number not in (ones, ones | unknown) or not unknown:
            return
        other = ones | unknown if number == ones else ones
        self.use(value)
        self._state.substitute(value, self._pool.get("i", other))
        self.learn(value, (other, 0))

    # --- over the back edge -----------------------------------------------------------------------------------------

    def facts_about(self, values: Iterable[Value]) -> Iterator[tuple[FactKey, Const]]:
        """The known bits of these values that their bounds do not tell, as facts: (key, value)."""
        for value in values:
            unknown = self.of(value)[1]
            lo, hi = self._state.bounds(value)
            mask = of_range(lo, hi)[1] & ~unknown
            if mask:
                ones = self._pool.get("i", self.of(value)[0] & mask)
                yield ("pure", _AND, (value, self._pool.get("i", mask))), ones

    def import_facts(self) -> None:
        """Take over what came with the facts from over the back edge."""
        for (table, head, args), (_, value) in self._state.imported.items():
            if table != "pure" or head[0] is not INT_AND or not isinstance(value, Const):
                continue
            number, mask = args
            if isinstance(number, Const):
                number, mask = mask, number
            if not isinstance(mask, Const) or isinstance(number, Const):
                continue
            met = both(self._known.get(number, UNKNOWN), (value.value & mask.value, ~mask.value))
            if met is not None:
                self._known[number] = met
                self._sources[number] = (number,)
                self._imported.setdefault(number, []).append(args)

    def follows(self, args: Iterable[Value], wanted: Const) -> bool:
        """Whether a fact ``int_and(x, mask) = wanted`` holds here."""
        number, mask = args
        if isinstance(number, Const):
            number, mask = mask, number
        if not isinstance(mask, Const):
            return False
        ones, unknown = self.of(number)
        if unknown & mask.value or (ones & mask.value) != wanted.value:
            return False
        self.use(number)
        return True


_AND: tuple[Opcode, None] = (INT_AND, None)
_BITS_OF_RESULT = frozenset({*BINARY, *UNARY})
