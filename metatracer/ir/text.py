"""Trace text: the IR that is printed is the IR that is parsed.

One operation per line, values named by kind letter and number::

    trace calc_loop(r0, r1: W_Int)
      guard_type(r0) {W_Int} -> [run @ 24: 0=r0, 3=r1 | r0]
      r2 = getfield(r0) {W_Int.value slot:16}
      i3 = int_unbox(r2) -> [run @ 24: 0=r0]
      i4 = int_add_ovf(i3, 1) -> [run @ 24: 0=r0]
      label(i5 = i4, r6: W_Int = r0)
      jump(i5, r6)

Constants: ``3`` (i), ``3.0``/``nan``/``inf`` (f), ``true``/``false`` (b); references: ``NULL``, ``None``, ``True``,
``'text'``, ``b'bytes'``, ``&3`` and ``&3.0`` (a Python int, float) or a name of the namespace (or of `WELL_KNOWN`).

Descriptors stand in braces: a field ``{Owner.name slot:16 immutable quasi items}`` (``{Owner.name}`` alone for a field
that `Owner` declares in ``__slots__``, or for a `Field` that the namespace has under that name), a type or value
``{W_Int}``, ``{3}``, a C function ``{number_add}``, the keyword names of a call ``{a, b}``, a loop ``{name}``, a site
``{'driver', 'location', 'file', 12}``.

A snapshot is ``[frame / frame ; store, store]``, outermost frame first. A frame is
``function @ index!throw_index: local=value, ... | stack values finish f(kept) nopush``, each part after the index only
when there is something to say. ``[i1, r2]`` is an anonymous frame (no function, index 0) with these as locals 0, 1.
Values of snapshots may be virtual: ``virtual W_Int(W_Int.value slot:16 = i4)``, ``virtual list[r1, i2]``; named at the
first place when used twice (``v1: virtual W_Int(...)``, then ``v1``).

``#`` starts a comment. Not in the text: `Trace.assumptions` and `Operation.guard_id`.
"""

from __future__ import annotations

import array
import builtins
import keyword
import re
import types
from typing import TYPE_CHECKING, Any

from metatracer.errors import IRError
from metatracer.ir.cfunctions import CFUNCTIONS
from metatracer.ir.opcodes import OPCODES, Opcode
from metatracer.ir.snapshots import virtual_parts
from metatracer.ir.values import (
    NULL,
    NULL_OBJECT,
    CallShape,
    CFunction,
    Const,
    Field,
    FrameState,
    Input,
    LoopRef,
    Operation,
    PendingStore,
    Site,
    Snapshot,
    Trace,
    Value,
    VirtualObject,
    VirtualSequence,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WELL_KNOWN: dict[str, Any] = {
    **vars(builtins),
    "array": array.array,
    "cell": types.CellType,
    "function": types.FunctionType,
    "builtin_function_or_method": types.BuiltinFunctionType,
    "method": types.MethodType,
    "module": types.ModuleType,
    "NoneType": type(None),
    **{
        type(iterator).__name__: type(iterator)
        for iterator in (
            iter([]), iter(()), iter(range(0)), iter(range(1 << 70)), iter({}), iter({}.values()), iter({}.items()),
            iter(""), iter("\u0100"), iter(b""), iter(bytearray()), iter(set()), reversed([]),
        )
    },
}  # fmt: skip
"""Names that need not be in the namespace: the builtins, and types that builtins does not name."""

_VALUE_NAME = re.compile(r"[ifrbv]\d+\Z")
_BARE = re.compile(r"[A-Za-z_]\w*\Z")
_RESERVED = frozenset(["true", "false", "NULL", "nan", "inf", "virtual", "finish", "nopush", "trace", "_"])
_CONSTANT_WORDS: dict[str, tuple[str, Any]] = {
    "true": ("b", True),
    "false": ("b", False),
    "nan": ("f", float("nan")),
    "inf": ("f", float("inf")),
    "None": ("r", None),
    "True": ("r", True),
    "False": ("r", False),
    "Ellipsis": ("r", ...),
    "NotImplemented": ("r", NotImplemented),
}
_NAMED_TYPES = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType, types.ModuleType)


# --- printing ---------------------------------------------------------------------------------------------------------


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
        return bool(_BARE.match(name.partition("~")[0])) and not _VALUE_NAME.match(name) and name not in _RESERVED

    def _number(self, value: Value) -> str:
        name = f"{value.kind}{len(self._values)}"
        return self._values.setdefault(id(value), name)

    def text(self) -> str:
        """The whole trace, a newline at its end."""
        trace = self._trace
        name = trace.name if _BARE.match(trace.name) and trace.name not in _RESERVED else repr(trace.name)
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
        return name if value.known_type is None else f"{name}: {self.object(value.known_type)}"

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
                text = self.object(const.value)
                return text if text.startswith("<") else "&" + text
            return self.object(const.value)
        return repr(const.value)

    def object(self, value: Any) -> str:
        """An object: a literal, or its name in the namespace (invented and entered there if it has none)."""
        if value is NULL_OBJECT:
            return "NULL"
        if value is None or value is True or value is False:
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
        if isinstance(value, LoopRef):
            stem = value.name
        if WELL_KNOWN.get(stem) is value and namespace.get(stem, value) is value and self._is_usable(stem):
            return stem
        if self._is_usable(stem) and not keyword.iskeyword(stem) and not stem.startswith("<"):
            candidates = (stem if n == 1 else f"{stem}~{n}" for n in range(1, 1 << 30))
        else:
            stem = re.sub(r"[<>\n#]", "", stem or type(value).__name__)
            candidates = (f"<{stem}>" if n == 1 else f"<{stem} {n}>" for n in range(1, 1 << 30))
        name = next(c for c in candidates if c not in namespace and c not in WELL_KNOWN)
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
        return f" {{{self.object(descr)}}}"

    def field(self, field: Field) -> str:
        """A field without its braces."""
        text = f"{self.object(field.owner)}.{field.name} {field.storage}:{field.position}"
        flags = [("immutable", field.immutable), ("quasi", field.quasi), ("items", field.immutable_items)]
        return " ".join([text, *(name for name, is_set in flags if is_set)])

    def snapshot(self, snapshot: Snapshot) -> str:
        """A snapshot, in its brackets."""
        self._virtuals = dict.fromkeys(_shared_virtuals(snapshot), "")
        text = " / ".join(map(self._frame, snapshot.frames)) if snapshot.frames else "nothing"
        if snapshot.pending:
            stores = (
                f"{s.opcode.name}({', '.join(map(self.value, s.args))}){self._descr(s.opcode, s.descr)}"
                for s in snapshot.pending
            )
            text += (" ; " if text else "; ") + ", ".join(stores)
        return f"[{text}]"

    def _frame(self, frame: FrameState) -> str:
        values = [value for _, value in frame.locals]
        plain = FrameState(None, None, 0, -1, tuple(enumerate(values)), ())
        if frame == plain:
            return ", ".join(map(self.value, values))
        text = f"{self._frame_name(frame)} @ {frame.index}"
        if frame.throw_index != -1:
            text += f"!{frame.throw_index}"
        if frame.locals:
            text += ": " + ", ".join(f"{number}={self.value(value)}" for number, value in frame.locals)
        if frame.stack:
            text += " | " + ", ".join(map(self.value, frame.stack))
        if frame.finish is not None or frame.kept:
            text += f" finish {self.object(frame.finish)}({', '.join(map(self.value, frame.kept))})"
        return text if frame.pushes else text + " nopush"

    def _frame_name(self, frame: FrameState) -> str:
        """The function's name; with a JitCode the namespace has the pair of both under "@" and that name."""
        namespace = self._namespace
        stem = "_" if frame.function is None else self.object(frame.function)
        if frame.jitcode is None:
            if "@" + stem not in namespace:
                return stem
            stem = stem.strip("<>") + " without jitcode"
        number = 1
        while True:
            name = stem if number == 1 else f"<{stem.strip('<>')} frame {number}>"
            function, jitcode = namespace.setdefault("@" + name, (frame.function, frame.jitcode))
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
        cls = self.object(virtual.cls)
        if isinstance(virtual, VirtualSequence):
            return f"{prefix}virtual {cls}[{', '.join(map(self.value, virtual.items))}]"
        pairs = (f"{self.field(field)} = {self.value(value)}" for field, value in virtual.fields)
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


# --- parsing ----------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""(?P<space>[ \t]+|\#.*)
    | (?P<string>b?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))
    | (?P<arrow>->)
    | (?P<float>-?(?:\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+|inf\b|nan\b))
    | (?P<int>-?\d+(?![\w.]))
    | (?P<name>(?:<[^<>]*>|[A-Za-z_]\w*(?:~\d+)?)(?:\.\w+)*)
    | (?P<sign>[()\[\]{},=:|/!;@&])""",
    re.VERBOSE,
)


class _Parser:
    """Reads one trace, a line at a time; tokens are (kind, text, column)."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._values: dict[str, Value] = {}
        self._virtuals: dict[str, VirtualObject | VirtualSequence] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._literals: dict[str, Any] = {}
        self._text = ""
        self._line = 0
        self._tokens: list[tuple[str, str, int]] = []
        self._at = 0

    # -- tokens --

    def error(self, message: str, column: int | None = None) -> IRError:
        """An error at the current token, or at `column` (from 0)."""
        where = self._tokens[self._at][2] if column is None else column
        return IRError(f"line {self._line}, column {where + 1}: {message}")

    def start(self, line: int, text: str) -> bool:
        """Split a line; False when there is nothing on it."""
        self._line, self._text, self._at = line, text, 0
        self._tokens = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.error(f"cannot read {text[position:position + 10]!r}", position)
            if match.lastgroup != "space":
                self._tokens.append((str(match.lastgroup), match.group(), position))
            position = match.end()
        self._tokens.append(("end", "end of line", len(text)))
        return len(self._tokens) > 1

    def peek(self, text: str, ahead: int = 0) -> bool:
        at = self._at + ahead
        return at < len(self._tokens) and self._tokens[at][1] == text and self._tokens[at][0] != "string"

    def accept(self, text: str) -> bool:
        if self.peek(text):
            self._at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.error(f"expected {text!r}, found {self._tokens[self._at][1]!r}")

    def take(self, kind: str) -> str:
        found, text, _ = self._tokens[self._at]
        if found != kind:
            raise self.error(f"expected a {kind}, found {text!r}")
        self._at += 1
        return text

    def sequence(self, item: Callable[[], Any], end: str) -> list[Any]:
        """Comma-separated items up to the sign `end`, which is taken."""
        items: list[Any] = []
        if self.accept(end):
            return items
        while True:
            items.append(item())
            if self.accept(end):
                return items
            if not self.accept(","):
                raise self.error(f"expected ',' or {end!r}, found {self._tokens[self._at][1]!r}")

    # -- lines --

    def header(self) -> tuple[str, tuple[Input, ...]]:
        self.expect("trace")
        name = "trace"
        if self._tokens[self._at][0] == "string":
            name = str(self.literal(self.take("string")))
        elif not self.peek("("):
            name = self.take("name")
        self.expect("(")
        inputs = tuple(self.sequence(self.parameter, ")"))
        self.end()
        return name, inputs

    def end(self) -> None:
        if self._tokens[self._at][0] != "end":
            raise self.error(f"unexpected {self._tokens[self._at][1]!r}")

    def define(self, name: str, value: Value, column: int) -> None:
        if not _VALUE_NAME.match(name) or name[0] == "v":
            raise self.error(f"{name!r} is no name for a value (a kind letter and a number, such as r0)", column)
        if name in self._values:
            raise self.error(f"{name} is defined twice", column)
        if name[0] != value.kind:
            kind = f"gives kind {value.kind!r}" if value.kind else "has no result"
            raise self.error(f"{name} cannot name this: the operation {kind}", column)
        self._values[name] = value

    def parameter(self) -> Input:
        column = self._tokens[self._at][2]
        name = self.take("name")
        known_type = self.type() if self.accept(":") else None
        value = Input(name[0], name, known_type)
        self.define(name, value, column)
        return value

    def operation(self) -> Operation:
        result, column = "", self._tokens[self._at][2]
        if self.peek("=", 1):
            result = self.take("name")
            self.expect("=")
        opcode = self.opcode()
        self.expect("(")
        params: list[Input] = []
        if opcode.name == "label":
            args = self.sequence(lambda: self.label_argument(params), ")")
        else:
            args = self.sequence(self.value, ")")
        descr = self.descr(opcode)
        snapshot = self.snapshot() if self.accept("->") else None
        self.end()
        op = Operation(opcode, args, descr, snapshot, tuple(params))
        if result:
            self.define(result, op, column)
        return op

    def label_argument(self, params: list[Input]) -> Value:
        params.append(self.parameter())
        self.expect("=")
        return self.value()

    def opcode(self) -> Opcode:
        column = self._tokens[self._at][2]
        name = self.take("name")
        opcode = OPCODES.get(name)
        if opcode is None:
            raise self.error(f"unknown operation {name!r}", column)
        return opcode

    # -- values --

    def value(self) -> Value:
        """An argument of an operation: a defined value or a constant."""
        kind, text, column = self._tokens[self._at]
        if kind == "name" and _VALUE_NAME.match(text):
            self._at += 1
            if text not in self._values:
                raise self.error(f"{text} is not defined", column)
            return self._values[text]
        return self.constant()

    def constant(self) -> Const:
        kind, text, _ = self._tokens[self._at]
        if kind == "int":
            self._at += 1
            return Const("i", int(text))
        if kind == "float":
            self._at += 1
            return Const("f", float(text))
        if text == "NULL" and kind == "name":
            self._at += 1
            return NULL
        if kind == "name" and text in _CONSTANT_WORDS:
            self._at += 1
            return Const(*_CONSTANT_WORDS[text])
        return Const("r", self.object())

    def literal(self, text: str) -> Any:
        """The object of a literal: the one that was printed if the namespace has it, and one object per trace."""
        if text in self._namespace:
            return self._namespace[text]
        if text not in self._literals:
            if text[0] in "'\"b":
                value: Any = _unescape(text)
            elif re.fullmatch(r"-?\d+", text):
                value = int(text)
            else:
                value = float(text)
            self._literals[text] = value
        return self._literals[text]

    def object(self) -> Any:
        """An object by literal or name; numbers with or without "&"."""
        self.accept("&")
        kind, text, column = self._tokens[self._at]
        self._at += 1
        if kind in ("string", "int", "float"):
            return self.literal(text)
        if kind != "name":
            raise self.error(f"expected a value, found {text!r}", column)
        if text in self._namespace:
            return self._namespace[text]
        if text == "NULL":
            return NULL_OBJECT
        if text in _CONSTANT_WORDS:
            return _CONSTANT_WORDS[text][1]
        if text in WELL_KNOWN:
            return WELL_KNOWN[text]
        raise self.error(f"the namespace has no {text!r}", column)

    def type(self) -> type:
        column = self._tokens[self._at][2]
        value = self.object()
        if not isinstance(value, type):
            raise self.error(f"{value!r} is not a type", column)
        return value

    # -- descriptors --

    def descr(self, opcode: Opcode) -> Any:
        if not self.accept("{"):
            return CallShape() if opcode.descr == "call" else None
        readers: dict[str, Callable[[], Any]] = {
            "field": self.field,
            "type": self.type,
            "cfunction": self.cfunction,
            "loop": self.loop,
            "site": self.site,
            "call": lambda: CallShape(tuple(self.names())),
        }
        descr = readers.get(opcode.descr, self.object)()
        self.expect("}")
        return descr

    def names(self) -> list[str]:
        names = [self.take("name")]
        while self.accept(","):
            names.append(self.take("name"))
        return names

    def cfunction(self) -> CFunction:
        column = self._tokens[self._at][2]
        name = self.take("name")
        row = self._namespace.get(name, CFUNCTIONS.get(name))
        if not isinstance(row, CFunction):
            raise self.error(f"no C function {name!r}", column)
        return row

    def loop(self) -> LoopRef:
        column = self._tokens[self._at][2]
        name = self.take("name")
        loop = self._namespace.setdefault(name, LoopRef(name.strip("<>")))
        if not isinstance(loop, LoopRef):
            raise self.error(f"{name!r} is not a loop", column)
        return loop

    def site(self) -> Site:
        driver = self.literal(self.take("string"))
        self.expect(",")
        location = self.literal(self.take("string"))
        filename, lineno = "", 0
        if self.accept(","):
            filename = self.literal(self.take("string"))
            self.expect(",")
            lineno = int(self.take("int"))
        return Site(driver, location, filename, lineno)

    def field(self, default_owner: type | None = None) -> Field:
        column = self._tokens[self._at][2]
        text = self.take("name")
        owner_name, _, name = text.rpartition(".")
        storage = self._tokens[self._at][1]
        if storage not in ("slot", "inline"):
            known = self._namespace.get(text)
            if isinstance(known, Field):
                return known
        owner = self._owner(owner_name, default_owner, column)
        if storage in ("slot", "inline"):
            self._at += 1
            self.expect(":")
            position = int(self.take("int"))
            immutable, quasi, items = self.accept("immutable"), self.accept("quasi"), self.accept("items")
            return Field(owner, name, storage, position, immutable, quasi, items)
        found = _slot_field(owner, name)
        if found is None:
            raise self.error(f"{owner.__name__} has no slot {name!r}: say slot:OFFSET or inline:INDEX", column)
        return found

    def _owner(self, name: str, default: type | None, column: int) -> type:
        if not name and default is not None:
            return default
        owner = self._namespace.get(name, WELL_KNOWN.get(name))
        if not isinstance(owner, type):
            raise self.error(f"the namespace has no type {name!r}", column)
        return owner

    # -- snapshots --

    def snapshot(self) -> Snapshot:
        begin = self._tokens[self._at][2]
        self.expect("[")
        self._virtuals = {}
        frames: list[FrameState] = []
        if self.peek("nothing"):
            self._at += 1
        else:
            frames.append(self.frame())
            while self.accept("/"):
                frames.append(self.frame())
        pending: list[PendingStore] = []
        if self.accept(";"):
            pending = self.sequence(self.store, "]")
        else:
            self.expect("]")
        # Guards of one instruction share their snapshot; equal text means equal content in one trace.
        text = self._text[begin : self._tokens[self._at - 1][2]]
        return self._snapshots.setdefault(text, Snapshot(tuple(frames), tuple(pending)))

    def store(self) -> PendingStore:
        opcode = self.opcode()
        self.expect("(")
        args = self.sequence(self.part, ")")
        return PendingStore(opcode, tuple(args), self.descr(opcode))

    def frame(self) -> FrameState:
        if not self.peek("@", 1):
            return FrameState(None, None, 0, -1, tuple(enumerate(self.parts())), ())
        function, jitcode = self.frame_code()
        self.expect("@")
        index = int(self.take("int"))
        throw_index = int(self.take("int")) if self.accept("!") else -1
        locals_: list[tuple[int, Any]] = []
        if self.accept(":"):
            locals_.append(self.local())
            while self.accept(","):
                locals_.append(self.local())
        stack = self.parts() if self.accept("|") else []
        finish, kept = None, []
        if self.accept("finish"):
            finish = self.object()
            self.expect("(")
            kept = self.sequence(self.part, ")")
        pushes = not self.accept("nopush")
        return FrameState(jitcode, function, index, throw_index, tuple(locals_), tuple(stack), finish, tuple(kept), pushes)

    def frame_code(self) -> tuple[Any, Any]:
        pair = self._namespace.get("@" + self._tokens[self._at][1])
        if pair is not None:
            self._at += 1
            return pair[0], pair[1]
        if self.accept("_"):
            return None, None
        return self.object(), None

    def local(self) -> tuple[int, Any]:
        number = int(self.take("int"))
        self.expect("=")
        return number, self.part()

    def parts(self) -> list[Any]:
        """Values up to what ends a frame or a part of it."""
        kind, text, _ = self._tokens[self._at]
        if kind == "sign" and text in "/;]|":
            return []
        parts = [self.part()]
        while self.accept(","):
            parts.append(self.part())
        return parts

    def part(self) -> Any:
        """A value of a snapshot: one of the trace, or virtual."""
        kind, text, column = self._tokens[self._at]
        if kind == "name" and text[0] == "v" and _VALUE_NAME.match(text):
            self._at += 1
            if self.accept(":"):
                return self.virtual(text)
            if text not in self._virtuals:
                raise self.error(f"{text} is not defined in this snapshot", column)
            return self._virtuals[text]
        return self.virtual() if self.peek("virtual") else self.value()

    def virtual(self, name: str = "") -> VirtualObject | VirtualSequence:
        self.expect("virtual")
        cls = self.type()
        if self.accept("["):
            sequence = VirtualSequence(cls)
            self._virtuals[name] = sequence
            sequence.items.extend(self.sequence(self.part, "]"))
            return sequence
        self.expect("(")
        virtual = VirtualObject(cls)
        self._virtuals[name] = virtual
        virtual.fields.extend(self.sequence(lambda: self.virtual_field(cls), ")"))
        return virtual

    def virtual_field(self, cls: type) -> tuple[Field, Any]:
        field = self.field(cls)
        self.expect("=")
        return field, self.part()


def _unescape(text: str) -> str | bytes:
    import ast

    value = ast.literal_eval(text)
    assert isinstance(value, (str, bytes))
    return value


def _slot_field(owner: type, name: str) -> Field | None:
    """The field of a slot declared with `__slots__`, placed where CPython places it (behind the base, by name)."""
    for cls in owner.__mro__:
        if isinstance(cls.__dict__.get(name), types.MemberDescriptorType):
            slots = sorted(n for n, member in cls.__dict__.items() if isinstance(member, types.MemberDescriptorType))
            base = cls.__base__.__basicsize__ if cls.__base__ is not None else 16
            return Field(cls, name, "slot", base + 8 * slots.index(name))
    return None


def parse_trace(text: str, namespace: dict[str, Any]) -> Trace:
    """Read the text of one trace.

    Args:
        text: As `format_trace` prints it, or lighter; see the module docstring.
        namespace: Meaning of the names of objects. Loops that it does not have are added to it.

    Raises:
        IRError: The text is malformed; the message names line and column (both from 1).
    """
    parser = _Parser(namespace)
    head: tuple[str, tuple[Input, ...]] | None = None
    operations: list[Operation] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not parser.start(number, line):
            continue
        if head is None:
            head = parser.header()
        else:
            operations.append(parser.operation())
    if head is None:
        raise IRError("line 1, column 1: expected 'trace', found nothing")
    return Trace(head[1], operations, name=head[0])
