"""Applying the rules of `rules`: the passes "algebra" and, for what depends on bounds and on bits, "ranges" and "bits".

A rule can only match where the kinds of arguments fit: constants, and results of certain rows. So an operation is first
looked up by its row and those of its arguments; for nearly all there is no candidate and nothing more to do.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar

from metatracer.ir.opcodes import OPCODES, GuardFailed, Opcode
from metatracer.ir.values import Const, Operation, Value
from metatracer.optimizer.bounds import decide
from metatracer.optimizer.rules import DERIVED, RULES, Rule
from metatracer.optimizer.verdicts import EMIT, Verdict

if TYPE_CHECKING:
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.verdicts import Handlers

Pattern = tuple[Any, ...]
_CONSTANT = "constant"


def _variants(pattern: Any) -> list[Any]:
    """The pattern, and it with arguments of commuting operations swapped."""
    if not isinstance(pattern, tuple):
        return [pattern]
    opcode = OPCODES[pattern[0]]
    found: list[Any] = []
    for parts in itertools.product(*[_variants(part) for part in pattern[1:]]):
        found.append((opcode, *parts))
        if opcode.commutes and parts[0] != parts[1]:
            found.append((opcode, *reversed(parts)))
    return found


def _admits(part: Any, kind: Opcode | str | None) -> bool:
    """Whether an argument of this kind (a row, a constant, or else None) can fit a part of a pattern."""
    if isinstance(part, tuple):
        return part[0] is kind
    if isinstance(part, str) and part.islower():
        return True
    return kind is _CONSTANT


class Rewriter:
    """The rules of one pass."""

    fired: ClassVar[set[str] | None] = None
    """When set (by tests), the names of the rules that were applied are added to it."""

    def __init__(self, forward: Forward, name: str) -> None:
        self._forward = forward
        self._by_opcode = _TABLES[name]
        self._candidates = _CANDIDATES[name]

    def handlers(self) -> Handlers:
        for opcode in self._by_opcode:
            yield opcode, self.rewrite

    def rewrite(self, op: Operation) -> Verdict:
        opcode, args = op.opcode, op.args
        key: tuple[Any, ...] = (opcode, *[_kind(arg) for arg in args])
        candidates = self._candidates.get(key)
        if candidates is None:
            candidates = self._candidates[key] = self._find_candidates(key)
        for rule, pattern in candidates:
            bound: dict[str, Value] = {}
            if self._match(pattern, args, bound) and self._applies(rule, bound):
                result = self._build(rule.result, bound)
                if result is not None:
                    if Rewriter.fired is not None:
                        Rewriter.fired.add(rule.name)
                    return self._value(result, opcode)
        return EMIT

    def _find_candidates(self, key: tuple[Any, ...]) -> list[tuple[Rule, Pattern]]:
        return [
            (rule, pattern)
            for rule, pattern in self._by_opcode[key[0]]
            if all(_admits(part, kind) for part, kind in zip(pattern[1:], key[1:], strict=True))
        ]

    def _match(self, pattern: Pattern, args: tuple[Value, ...], bound: dict[str, Value]) -> bool:
        for want, arg in zip(pattern[1:], args, strict=True):
            cls = want.__class__
            if cls is str:
                if arg.__class__ is not Const and want.isupper():
                    return False
                if bound.setdefault(want, arg) is not arg:
                    return False
            elif cls is tuple:
                if not isinstance(arg, Operation) or arg.opcode is not want[0]:
                    return False
                resolve = self._forward.state.resolve
                if not self._match(want, tuple([resolve(part) for part in arg.args]), bound):
                    return False
            elif not isinstance(arg, Const) or not _equal(arg.value, want):
                return False
        return True

    def _applies(self, rule: Rule, bound: dict[str, Value]) -> bool:
        pool = self._forward.pool
        for name, function, of in rule.where:
            constant = bound[of]
            assert isinstance(constant, Const)
            derived = DERIVED[function](constant.value)
            if derived is None:
                return False
            bound[name] = pool.get("i", derived)
        bounds = self._forward.state.bounds
        for condition in rule.when:
            left, right = [self._build(part, bound) for part in condition[1:]]
            if left is None or right is None or isinstance(right, tuple):
                return False
            if isinstance(left, tuple):
                if not self._holds_for_bits(condition[0], left, right):
                    return False
            elif decide(OPCODES[condition[0]], bounds(left), bounds(right)) is not True:
                return False
        return True

    def _holds_for_bits(self, comparison: str, left: tuple[Any, ...], right: Value) -> bool:
        assert comparison == "int_eq"
        assert isinstance(right, Const)
        bits = self._forward.bits
        if bits.of_expression(left) != (right.value, 0):
            return False
        bits.use_expression(left)
        return True

    def _build(self, part: Any, bound: dict[str, Value]) -> Value | tuple[Any, ...] | None:
        """The value of an expression; an operation that is yet to be run as (row, values...); None if it overflows."""
        if isinstance(part, str):
            return bound[part]
        if not isinstance(part, tuple):
            kind = "b" if isinstance(part, bool) else "f" if isinstance(part, float) else "i"
            return self._forward.pool.get(kind, part)
        opcode = OPCODES[part[0]]
        args = [self._build(inner, bound) for inner in part[1:]]
        if None in args:
            return None
        if not all(isinstance(arg, Const) for arg in args):
            return (opcode, *args)
        assert opcode.evaluate is not None
        try:
            return self._forward.pool.get(opcode.result, opcode.evaluate(*[arg.value for arg in args]))  # type: ignore[union-attr]
        except GuardFailed:
            return None

    def _value(self, result: Value | tuple[Any, ...], opcode: Opcode) -> Value:
        """Run what `_build` has put together."""
        if not isinstance(result, tuple):
            assert result.kind == opcode.result
            return result
        row: Opcode = result[0]
        return self._forward.new(row, *[self._value(arg, row) if isinstance(arg, tuple) else arg for arg in result[1:]])


def _kind(value: Value) -> Opcode | str | None:
    if value.__class__ is Const:
        return _CONSTANT
    return value.opcode if isinstance(value, Operation) else None


def _equal(value: Any, want: Any) -> bool:
    """Equality of machine values: -0.0 is not 0.0."""
    if type(want) is float:
        return bool(value == want) and repr(value) == repr(want)
    return bool(value == want)


_Table = dict[Opcode, list[tuple[Rule, Pattern]]]
_TABLES: dict[str, _Table] = {"algebra": {}, "ranges": {}, "bits": {}}
for _rule in RULES:
    for _pattern in _variants(_rule.pattern):
        _TABLES[_rule.needs].setdefault(_pattern[0], []).append((_rule, _pattern))
_CANDIDATES: dict[str, dict[tuple[Any, ...], list[tuple[Rule, Pattern]]]] = {name: {} for name in _TABLES}
