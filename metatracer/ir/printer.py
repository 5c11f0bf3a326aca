"""Traces to text. The form is described in `ir.text`."""

from __future__ import annotations

import keyword
import re
import types
from typing import TYPE_CHECKING, Any

from metatracer.ir.cfunctions import CFUNCTIONS
from metatracer.ir.lexicon import BARE_NAME, RESERVED, VALUE_NAME, WELL_KNOWN
from metatracer.ir.snapshots import virtual_parts
from metatracer.ir.values import (
    NULL_OBJECT,
    CallShape,
    CFunction,
    Const,
    Field,
    FrameState,
    Input,
    LabelRef,
    LoopRef,
    Operation,
    Site,
    Snapshot,
    Trace,
    Value,
    VirtualObject,
    VirtualSequence,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metatracer.ir.opcodes import Opcode

_SINGLETONS = (None, True, False, ..., NotImplemented)
_NAMED_TYPES = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType, types.ModuleType)


class Printer:
    """Prints one trace; values and objects keep their names over all calls.

    Args:
        trace: Its inputs and results are numbered in order.
        namespace: Objects are called by their names there; names that are invented are added to it, so that the text
            parses with it again.
        snapshots: False leaves them out (for people; such text parses, but its guards have no snapshots).
        annotate: Gives a comment for an operation, or "".
    """

    def __init__(
        self,
        trace: Trace,
        namespace: dict[str, Any] | None = None,
        *,
        snapshots: bool = True,
        annotate: Callable[[Operation], str] | None = None,
    ) -> None:
        self._trace = trace
        self._namespace = {} if namespace is None else namespace
        self._snapshots = snapshots
        self._annotate = annotate
        self._values: dict[int, str] = {}
        self._named: list[Any] = []  # keeps what _objects knows by id alive
        self._objects: dict[int, str] = {}
        for name, value in self._namespace.items():
            if self._is_usable(name):
                self._objects.setdefault(id(value), name)
        self._virtuals: dict[int, str] = {}
        for value in trace.inputs:
            self._number(value)
        for op in trace.operations:
            if op.kind:
                self._number(op)
            for param in op.params:
                self._number(param)

    @staticmethod
    def _is_usable(name: str) -> bool:
        if name.startswith("<"):
            return True
        return bool(BARE_NAME.match(name.partition("~")[0])) and not VALUE_NAME.match(name) and name not in RESERVED

    def _number(self, value: Value) -> str:
        name = f"{value.kind}{len(self._values)}"
        return self._values.setdefault(id(value), name)

    def text(self) -> str:
        """The whole trace, a newline at its end."""
        trace = self._trace
        name = trace.name if BARE_NAME.match(trace.name) and trace.name not in RESERVED else repr(trace.name)
        lines = [f"trace {name}({', '.join(map(self._parameter, trace.inputs))})"]
        lines += ["  " + self.line(op) for op in trace.operations]
        return "\n".join(lines) + "\n"

    def line(self, op: Operation) -> str:
        """One operation, without indentation."""
        if op.params:
            pairs = [f"{self._parameter(p)} = {self.value(a)}" for p, a in zip(op.params, op.args, strict=False)]
            arguments = ", ".join(pairs)
        else:
            arguments = ", ".join(map(self.value, op.args))
        result = f"{self._values.get(id(op)) or self._number(op)} = " if op.kind else ""
        text = f"{result}{op.opcode.name}({arguments}){self._descr(op.opcode, op.descr)}"
        if op.snapshot is not None and self._snapshots:
            text += f" -> {self.snapshot(op.snapshot)}"
        if self._annotate is not None:
            comment = " ".join(self._annotate(op).split())
            if comment:
                text += f"  # {comment}"
        return text

    def _parameter(self, value: Input) -> str:
        name = self.value(value)
        return name if value.known_type is None else f"{name}: {self.name(value.known_type)}"

    def value(self, value: Any) -> str:
        """A value as an argument. One that the trace does not define gets a number of its own."""
        if isinstance(value, Const):
            return self._const(value)
        if isinstance(value, Value):
            return self._values.get(id(value)) or self._number(value)
        if isinstance(value, (VirtualObject, VirtualSequence)):
            return self._virtual(value)
        return f"<not a value: {value!r}>"

    def _const(self, const: Const) -> str:
        if const.kind == "b":
            return "true" if const.value else "false"
        if const.kind == "r":
            if type(const.value) in (int, float):
                text = self.name(const.value)
                return text if text.startswith("<") else "&" + text
            return self.name(const.value)
        return repr(const.value)

    def name(self, value: Any) -> str:
        """An object: a literal, or its name in the namespace (invented and entered there if it has none)."""
        if value is NULL_OBJECT:
            return "NULL"
        if any(value is one for one in _SINGLETONS):
            return repr(value)
        if type(value) in (int, float, str, bytes):
            # The namespace keeps the object of each literal, so that its identity survives the round trip.
            text = repr(value)
            if self._namespace.setdefault(text, value) is value:
                return text
        known = self._objects.get(id(value))
        if known is None:
            known = self._invent(value)
            self._objects[id(value)] = known
            self._named.append(value)
        return known

    def _invent(self, value: Any) -> str:
        namespace = self._namespace
        stem = value.__name__ if isinstance(value, _NAMED_TYPES) else ""
        if isinstance(value, (LoopRef, LabelRef)):
            stem = value.name
        if WELL_KNOWN.get(stem) is value and namespace.get(stem, value) is value and self._is_usable(stem):
            return stem
        if self._is_usable(stem) and not keyword.iskeyword(stem) and not stem.startswith("<"):
            name, before, after = stem, f"{stem}~", ""
        else:
            stem = re.sub(r"[<>\n#]", "", stem or type(value).__name__)
            name, before, after = f"<{stem}>", f"<{stem} ", ">"
        number = 1
        while name in namespace or name in WELL_KNOWN:
            number += 1
            name = f"{before}{number}{after}"
        namespace[name] = value
        return name

    def _descr(self, opcode: Opcode, descr: Any) -> str:
        if descr is None and opcode.descr != "value":
            return ""
        if isinstance(descr, Field):
            return f" {{{self.field(descr)}}}"
        if isinstance(descr, CallShape):
            return f" {{{', '.join(descr.keywords)}}}" if descr.keywords else ""
        if isinstance(descr, CFunction) and CFUNCTIONS.get(descr.name) is descr:
            return f" {{{descr.name}}}"
        if isinstance(descr, Site):
            parts = (descr.driver, descr.location, descr.filename, descr.lineno)
            return f" {{{', '.join(map(repr, parts))}}}"
        if isinstance(descr, LabelRef):
            return f" {{label {self.name(descr)}}}"
        return f" {{{self.name(descr)}}}"

    def field(self, field: Field) -> str:
        """A field without its braces."""
        part = f".{field.name}"
        if field.storage == "item":
            part = f"[{field.name!r}]" if type(field.name) is str else f"[{self.name(field.name)}]"
        text = f"{self.name(field.owner)}{part} {field.storage}:{field.position}"
        flags = [("immutable", field.immutable), ("quasi", field.quasi), ("items", field.immutable_items)]
        return " ".join([text, *(name for name, is_set in flags if is_set)])

    def snapshot(self, snapshot: Snapshot) -> str:
        """A snapshot, in its brackets."""
        self._virtuals = dict.fromkeys(_shared_virtuals(snapshot), "")
        text = " / ".join(map(self._frame, snapshot.frames))
        if snapshot.raising is not None:
            # "[raise r1]" has no frames: an empty anonymous one must be seen.
            text = f"{text or '_ @ 0' if snapshot.frames else ''} raise {self.value(snapshot.raising)}".lstrip()
        elif not snapshot.frames:
            text = "nothing"
        if snapshot.pending:
            stores = [
                f"{s.opcode.name}({', '.join(map(self.value, s.args))}){self._descr(s.opcode, s.descr)}"
                for s in snapshot.pending
            ]
            text += (" ; " if text else "; ") + ", ".join(stores)
        return f"[{text}]"

    def _frame(self, frame: FrameState) -> str:
        plain = FrameState(None, None, 0, -1, tuple(range(len(frame.locals))), frame.locals, ())
        if frame == plain:
            return ", ".join(map(self.value, frame.locals))
        text = f"{self._frame_name(frame)} @ {frame.index}"
        if frame.throw_index != -1:
            text += f"!{frame.throw_index}"
        if frame.locals:
            bound = zip(frame.numbers, frame.locals, strict=True)
            text += ": " + ", ".join(f"{number}={self.value(value)}" for number, value in bound)
        if frame.stack:
            text += " | " + ", ".join(map(self.value, frame.stack))
        if frame.finish is not None or frame.kept:
            text += f" finish {self.name(frame.finish)}({', '.join(map(self.value, frame.kept))})"
        return text if frame.pushes else text + " nopush"

    def _frame_name(self, frame: FrameState) -> str:
        """The function's name; the namespace has the pair of function and JitCode under "@" and that name."""
        stem = "_" if frame.function is None else self.name(frame.function)
        if frame.function is None and frame.jitcode is None:
            return stem
        number = 1
        while True:
            name = stem if number == 1 and stem != "_" else f"<{stem.strip('<>')} frame {number}>"
            function, jitcode = self._namespace.setdefault("@" + name, (frame.function, frame.jitcode))
            if function is frame.function and jitcode is frame.jitcode:
                return name
            number += 1

    def _virtual(self, virtual: VirtualObject | VirtualSequence) -> str:
        prefix = ""
        name = self._virtuals.get(id(virtual))
        if name:
            return name
        if name is not None:
            name = f"v{sum(map(bool, self._virtuals.values())) + 1}"
            self._virtuals[id(virtual)] = name
            prefix = f"{name}: "
        cls = self.name(virtual.cls)
        if isinstance(virtual, VirtualSequence):
            return f"{prefix}virtual {cls}[{', '.join(map(self.value, virtual.items))}]"
        pairs = [f"{self.field(field)} = {self.value(value)}" for field, value in virtual.fields]
        return f"{prefix}virtual {cls}({', '.join(pairs)})"


def _shared_virtuals(snapshot: Snapshot) -> list[int]:
    """Ids of the virtuals that a snapshot mentions more than once."""
    counts: dict[int, int] = {}

    def visit(values: Iterable[Any]) -> None:
        for value in values:
            if isinstance(value, (VirtualObject, VirtualSequence)):
                counts[id(value)] = counts.get(id(value), 0) + 1
                if counts[id(value)] == 1:
                    visit(virtual_parts(value))

    for frame in snapshot.frames:
        visit(frame.values())
    for store in snapshot.pending:
        visit(store.args)
    visit(() if snapshot.raising is None else (snapshot.raising,))
    return [key for key, count in counts.items() if count > 1]


def format_trace(
    trace: Trace,
    namespace: dict[str, Any] | None = None,
    *,
    snapshots: bool = True,
    annotate: Callable[[Operation], str] | None = None,
) -> str:
    """Print a trace; see `Printer` for the arguments."""
    return Printer(trace, namespace, snapshots=snapshots, annotate=annotate).text()
