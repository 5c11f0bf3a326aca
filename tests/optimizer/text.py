"""Trace text in, trace text out."""

from __future__ import annotations

import textwrap
from collections.abc import Collection
from typing import Any

from metatracer.hints import value_class
from metatracer.ir.text import format_trace, parse_trace
from metatracer.ir.values import Field, Operation, Trace
from metatracer.ir.verifier import verify
from metatracer.optimizer.pipeline import PASSES, optimize


class W_Int:
    __slots__ = ("value",)


@value_class
class Amount:
    """A number without identity."""

    _immutable_fields_ = ["value"]
    __slots__ = ("value",)


class W_Float:
    __slots__ = ("value",)


class W_List:
    __slots__ = ("items",)


class W_Pair:
    __slots__ = ("left", "right")


class Frame:
    __slots__ = ("pc", "regs")


class Code:
    __slots__ = ("limit", "table")
    limit: Any
    table: Any


class Finalized:
    __slots__ = ("value",)

    def __del__(self) -> None:
        pass


def callee(*args: Any) -> Any:
    return args


NAMESPACE: dict[str, Any] = {
    "W_Int": W_Int,
    "Amount": Amount,
    "W_Float": W_Float,
    "W_List": W_List,
    "W_Pair": W_Pair,
    "Frame": Frame,
    "Code": Code,
    "Finalized": Finalized,
    "callee": callee,
    "lower": str.lower,
    "split": str.split,
    "code": Code(),
    "range_iterator": type(iter(range(0))),
}
NAMESPACE["code"].limit = 7
NAMESPACE["code"].table = [5, 6]
ALL = frozenset(PASSES)


def parse(text: str) -> Trace:
    """A trace from its operations; the inputs are those that the first line names."""
    trace = parse_trace("trace " + textwrap.dedent(text).strip() + "\n", dict(NAMESPACE))
    verify(trace)
    return trace


def optimized(text: str, passes: Collection[str] = ALL) -> Trace:
    result = optimize(parse(text), passes=passes)
    verify(result)
    return result


def check(text: str, expected: str, passes: Collection[str] = ALL) -> None:
    """`text` is optimized to `expected`."""
    got = format_trace(optimized(text, passes), dict(NAMESPACE))
    want = format_trace(parse(expected), dict(NAMESPACE))
    assert got == want


def unchanged(text: str, passes: Collection[str] = ALL) -> None:
    """Nothing in `text` may be changed."""
    check(text, text, passes)


def names(operations: Collection[Operation]) -> list[str]:
    return [op.opcode.name for op in operations]


def body(trace: Trace) -> list[Operation]:
    """The operations behind the label."""
    label = trace.label
    assert label is not None
    return trace.operations[trace.operations.index(label) + 1 :]


def field(name: str, cls: type, **flags: bool) -> Field:
    return Field(cls, name, "slot", 16, **flags)


NAMESPACE["Amount.value"] = field("value", Amount, immutable=True)
NAMESPACE["Code.limit"] = field("limit", Code, immutable=True)
NAMESPACE["Code.table"] = Field(Code, "table", "slot", 24, immutable=True, immutable_items=True)
