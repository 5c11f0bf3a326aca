"""Text to traces. The form is described in `ir.text`."""

from __future__ import annotations

import ast
import re
import types
from typing import TYPE_CHECKING, Any

from metatracer.errors import IRError
from metatracer.ir.cfunctions import CFUNCTIONS
from metatracer.ir.lexicon import CONSTANT_WORDS, VALUE_NAME, WELL_KNOWN
from metatracer.ir.opcodes import OPCODES
from metatracer.ir.values import (
    NULL,
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
    PendingStore,
    Site,
    Snapshot,
    Trace,
    Value,
    VirtualObject,
    VirtualSequence,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.ir.opcodes import Opcode

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

_STORAGES = ("slot", "inline", "entry", "split", "item", "keys", "none")
_SPELLED = {"name": "a name", "int": "a whole number", "string": "a string"}


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
                raise self.error(f"cannot read {text[position : position + 10]!r}", position)
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
            raise self.error(f"expected {_SPELLED[kind]}, found {text!r}")
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
        if not VALUE_NAME.match(name) or name[0] == "v":
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
        known_type = self.read_type() if self.accept(":") else None
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
        if kind == "name" and VALUE_NAME.match(text):
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
        if kind == "name" and text in CONSTANT_WORDS:
            self._at += 1
            return Const(*CONSTANT_WORDS[text])
        return Const("r", self.read_object())

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

    def read_object(self) -> Any:
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
        if text in CONSTANT_WORDS:
            return CONSTANT_WORDS[text][1]
        if text in WELL_KNOWN:
            return WELL_KNOWN[text]
        raise self.error(f"the namespace has no {text!r}", column)

    def read_type(self) -> type:
        column = self._tokens[self._at][2]
        value = self.read_object()
        if not isinstance(value, type):
            raise self.error(f"{value!r} is not a type", column)
        return value

    # -- descriptors --

    def descr(self, opcode: Opcode) -> Any:
        if not self.accept("{"):
            return CallShape() if opcode.descr == "call" else None
        readers: dict[str, Callable[[], Any]] = {
            "field": self.field,
            "type": self.read_type,
            "cfunction": self.cfunction,
            "loop": self.loop,
            "site": self.site,
            "call": lambda: CallShape(tuple(self.names())),
        }
        descr = readers.get(opcode.descr, self.read_object)()
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

    def loop(self) -> LoopRef | LabelRef:
        column = self._tokens[self._at][2]
        name = self.take("name")
        if name == "label" and self._tokens[self._at][0] == "name":
            column = self._tokens[self._at][2]
            name = self.take("name")
            label = self._namespace.setdefault(name, LabelRef(name.strip("<>")))
            if not isinstance(label, LabelRef):
                raise self.error(f"{name!r} is not a label", column)
            return label
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
        if self.accept("["):
            owner_name, name = text, self.literal(self.take("string"))
            self.expect("]")
        storage = self._tokens[self._at][1]
        if storage not in _STORAGES:
            known = self._namespace.get(text)
            if isinstance(known, Field):
                return known
        owner = self._owner(owner_name, default_owner, column)
        if storage in _STORAGES:
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
        if not self.accept("nothing") and not self.peek("raise"):
            frames.append(self.frame())
            while self.accept("/"):
                frames.append(self.frame())
        raising = self.part() if self.accept("raise") else None
        pending: list[PendingStore] = []
        if self.accept(";"):
            pending = self.sequence(self.store, "]")
        else:
            self.expect("]")
        # Guards of one instruction share their snapshot; equal text means equal content in one trace.
        text = self._text[begin : self._tokens[self._at - 1][2]]
        return self._snapshots.setdefault(text, Snapshot(tuple(frames), tuple(pending), raising))

    def store(self) -> PendingStore:
        opcode = self.opcode()
        self.expect("(")
        args = self.sequence(self.part, ")")
        return PendingStore(opcode, tuple(args), self.descr(opcode))

    def frame(self) -> FrameState:
        if not self.peek("@", 1):
            values = tuple(self.parts())
            return FrameState(None, None, 0, -1, tuple(range(len(values))), values, ())
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
            finish = self.read_object()
            self.expect("(")
            kept = self.sequence(self.part, ")")
        pushes = not self.accept("nopush")
        numbers, values = tuple(number for number, _ in locals_), tuple(value for _, value in locals_)
        items = tuple(stack)
        return FrameState(jitcode, function, index, throw_index, numbers, values, items, finish, tuple(kept), pushes)

    def frame_code(self) -> tuple[Any, Any]:
        pair = self._namespace.get("@" + self._tokens[self._at][1])
        if pair is not None:
            self._at += 1
            return pair[0], pair[1]
        if self.accept("_"):
            return None, None
        return self.read_object(), None

    def local(self) -> tuple[int, Any]:
        number = int(self.take("int"))
        self.expect("=")
        return number, self.part()

    def parts(self) -> list[Any]:
        """Values up to what ends a frame or a part of it."""
        kind, text, _ = self._tokens[self._at]
        if (kind == "sign" and text in "/;]|") or self.peek("raise"):
            return []
        parts = [self.part()]
        while self.accept(","):
            parts.append(self.part())
        return parts

    def part(self) -> Any:
        """A value of a snapshot: one of the trace, or virtual."""
        kind, text, column = self._tokens[self._at]
        if kind == "name" and text[0] == "v" and VALUE_NAME.match(text):
            self._at += 1
            if self.accept(":"):
                return self.virtual(text)
            if text not in self._virtuals:
                raise self.error(f"{text} is not defined in this snapshot", column)
            return self._virtuals[text]
        return self.virtual() if self.peek("virtual") else self.value()

    def virtual(self, name: str = "") -> VirtualObject | VirtualSequence:
        self.expect("virtual")
        cls = self.read_type()
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
