"""Versions of loops: a jump or call passes the parts of virtual arguments, and the loop is compiled for their shapes.

Without this an object that is only there for the loop that is entered (the frame of a callee, its list of registers, the
boxes of its arguments) would have to be allocated, only to be taken apart on the other side.

`shapes_of` describes the arguments at the place of the jump or call; `start_version` gives the recorded trace of the
loop that is entered inputs of these shapes. Numbers are passed as machine values, whether constant or not, so that one
version serves all of them; other constants belong to the shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from dataclasses import field as attribute
from typing import TYPE_CHECKING, Any

from metatracer.backend.shapes import object_shape, slots_of
from metatracer.hints import is_value_class
from metatracer.ir.opcodes import BOOL_BOX, FLOAT_BOX, INT_BOX, RESULT_PART_F, RESULT_PART_I, UINT_BOX, fits_i64
from metatracer.ir.shapes import Known, Shape, Shapes, instance_shape, take_apart
from metatracer.ir.values import NULL_OBJECT, Const, Input, LoopRef, Operation, Value
from metatracer.optimizer.state import Virtual, VirtualBox, VirtualInstance, VirtualItems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metatracer.ir.values import LabelRef
    from metatracer.optimizer.carrying import Place
    from metatracer.optimizer.forward import Forward
    from metatracer.optimizer.state import State

MOST_LEAVES = 48
"""A version with more inputs than this is not made."""
MOST_DEPTH = 12
"""Nor one of more deeply nested virtual objects (a linked list that the trace has built)."""

_BOXES = (INT_BOX, UINT_BOX, FLOAT_BOX, BOOL_BOX)


@dataclass(frozen=True, slots=True)
class Goal:
    """What the code that is made from a trace is for.

    Attributes:
        shapes: For the version of a root, the shapes of its arguments: the code's inputs are their leaves.
        own_label: For a bridge, the label of the code it belongs to, if it jumps to that loop.
        returns_parts: Whoever enters the code takes a result in parts.
        carried: For a loop, places whose numbers it is to have as parameters.
        boxed: For a bridge with `own_label`, is given the places whose numbers it has to box to enter there.
    """

    shapes: Shapes | None = None
    own_label: LabelRef | None = None
    returns_parts: bool = False
    carried: tuple[Place, ...] = ()
    boxed: list[Place] = attribute(default_factory=list, compare=False)


ANY_USE = Goal()


class _TooDeep(Exception):
    """The arguments are made of too much."""


class _Describer:
    """Walks the arguments of one jump or call."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.leaves: list[Value] = []
        self.numbers: dict[Value, int] = {}

    def shape(self, value: Value, depth: int = 0) -> Shape:
        if depth > MOST_DEPTH or len(self.leaves) > MOST_LEAVES:
            raise _TooDeep
        state = self.state
        value = state.resolve(value)
        if isinstance(value, Const):
            return self._constant(value)
        if isinstance(value, VirtualBox):
            return self._box(value.box, value.payload)
        if not isinstance(value, Virtual):
            return self._concrete(value)
        number = self.numbers.get(value)
        if number is not None:
            return Shape("same", number=number)
        number = self.numbers[value] = len(self.numbers)
        parts: list[tuple[Any, Shape]]
        if isinstance(value, VirtualInstance):
            cls = value.cls
            parts = [(field, self.shape(content, depth + 1)) for field, content in value.fields.items()]
            return Shape("object", "r", Known(cls), tuple(parts), number)
        assert isinstance(value, VirtualItems)
        parts = [(None, self.shape(item, depth + 1)) for item in value.items]
        return Shape("items", "r", Known(value.cls), tuple(parts), number)

    def _box(self, opcode: Any, payload: Value) -> Shape:
        payload = self.state.resolve(payload)
        self.leaves.append(payload)
        return Shape("box", "r", Known(opcode), ((None, Shape("leaf", payload.kind)),))

    def _constant(self, value: Const) -> Shape:
        if value.kind != "r":
            self.leaves.append(value)
            return Shape("leaf", value.kind)
        content, state = value.value, self.state
        if value in self.numbers:
            return Shape("same", number=self.numbers[value])
        if type(content) is int and fits_i64(content):
            return self._box(INT_BOX, state.pool.get("i", content))
        if type(content) is float:
            return self._box(FLOAT_BOX, state.pool.get("f", content))
        if is_value_class(type(content)):
            shape = object_shape(content)
            numbers = None if shape is None else take_apart(shape, content)
            if shape is not None and numbers is not None:
                leaves = list(shape.leaves())
                self.leaves += [state.pool.get(leaf.kind, number) for leaf, number in zip(leaves, numbers, strict=True)]
                number = self.numbers[value] = len(self.numbers)
                return replace(shape, number=number)
        return Shape("const", "r", Known(content))

    def _concrete(self, value: Value) -> Shape:
        state = self.state
        if value.kind == "r":
            for box in _BOXES:
                payload = state.payload(value, box)
                if payload is not None:
                    return self._box(box, payload)
            taken = self._known_fields(value)
            if taken is not None:
                return taken
        self.leaves.append(value)
        cls = state.type_of(value) if value.kind == "r" else None
        return Shape("leaf", value.kind, None if cls is None else Known(cls))


    def _known_fields(self, value: Value) -> Shape | None:
        """A real object without identity whose fields are at hand."""
        state = self.state
        cls = state.type_of(value)
        if cls is None or not is_value_class(cls):
            return None
        if value in self.numbers:
            return Shape("same", number=self.numbers[value])
        fields = {field: known[value] for field, known in state.immutable.items() if value in known}
        if len(fields) != len(slots_of(cls)):
            return None
        taken = returned_parts(state, VirtualInstance(cls, fields))
        if taken is None:
            return None
        for field, content in fields.items():
            state.hit("immutable", field, (value,), content)
        shape, numbers = taken
        self.leaves += numbers
        number = self.numbers[value] = len(self.numbers)
        return replace(shape, number=number)


def shapes_of(state: State, values: Sequence[Value]) -> tuple[Shapes, list[Value]] | None:
    """The shapes of the arguments and the values to pass; None when they are to be passed as they are."""
    describer = _Describer(state)
    try:
        shapes = tuple([describer.shape(value) for value in values])
    except _TooDeep:
        return None
    if all(shape.is_plain for shape in shapes) or len(describer.leaves) > MOST_LEAVES:
        return None
    return shapes, describer.leaves


def specialise(forward: Forward, op: Operation) -> bool:
    """Let a jump or call to a loop go to the version for its arguments; says whether there is to be one."""
    target = op.descr
    if not isinstance(target, LoopRef) or target.version_for is None or "virtuals" not in forward.enabled:
        return False
    described = shapes_of(forward.state, op.args)
    if described is None:
        return False
    shapes, leaves = described
    version = target.version_for(shapes)
    if version is None:
        return False
    if version.shapes is not None and version.shapes != shapes:
        given = iter(leaves)
        leaves = []
        for general, shape in zip(version.shapes, shapes, strict=True):
            _pass(forward.state, general, shape, given, leaves)
    op.descr = version
    op.args = tuple(leaves)
    return True


def _pass(state: State, general: Shape, shape: Shape, given: Iterator[Value], leaves: list[Value]) -> None:
    """Add the leaves of a value to what a version is passed that takes a more general shape of it."""
    if shape.form == "leaf":
        leaves.append(next(given))
    elif general.form == "leaf":
        assert shape.known is not None
        leaves.append(state.pool.get("r", shape.known.object))
    else:
        for (_, general_part), (_, part) in zip(general.parts, shape.parts, strict=True):
            _pass(state, general_part, part, given, leaves)


def returned_parts(state: State, value: Value) -> tuple[Shape, list[Value]] | None:
    """The shape and the numbers of a result that has not been allocated, if it can be returned so."""
    value = state.resolve(value)
    for box in (INT_BOX, FLOAT_BOX):
        payload = state.payload(value, box)
        if payload is not None:
            return Shape("box", "r", Known(box), ((None, Shape("leaf", payload.kind)),)), [payload]
    if not isinstance(value, VirtualInstance):
        return None
    parts: list[tuple[Any, Shape]] = []
    numbers: dict[Any, Value] = {}
    for field, content in value.fields.items():
        taken = None if isinstance(state.resolve(content), VirtualInstance) else returned_parts(state, content)
        if taken is None:
            return None
        shape, (numbers[field],) = taken
        parts.append((field, shape))
    whole = instance_shape(value.cls, parts)
    return None if whole is None else (whole, [numbers[field] for field, _ in whole.parts])


def received_parts(forward: Forward, call: Operation, shape: Shape) -> Virtual:
    """The result of a call whose guard has found it to be in parts: a virtual object made of them."""

    def part(number: int, of: Shape) -> VirtualBox:
        assert of.known is not None
        kind = of.parts[0][1].kind
        opcode = RESULT_PART_I if kind == "i" else RESULT_PART_F
        return VirtualBox(of.known.object, forward.emit(Operation(opcode, (call,), number)))

    assert shape.known is not None
    if shape.form == "box":
        return part(0, shape)
    instance = VirtualInstance(shape.known.object, {})
    for number, (field, of) in enumerate(shape.parts):
        instance.fields[field] = part(number, of)
    return instance


def start_version(forward: Forward, inputs: Sequence[Input], shapes: Shapes) -> tuple[Input, ...]:
    """Let a recorded trace's inputs be what the shapes say; gives the inputs of the version."""
    state = forward.state
    leaves: list[Input] = []
    virtuals: dict[int, Virtual] = {}

    def build(shape: Shape) -> Value:
        if shape.form == "const":
            assert shape.known is not None
            content = shape.known.object
            return state.pool.null if content is NULL_OBJECT else state.pool.get("r", content)
        if shape.form == "same":
            return virtuals[shape.number]
        if shape.form == "leaf":
            cls = None if shape.known is None else shape.known.object
            if cls is not None and state.classes is not None and not state.classes.is_settled(cls):
                cls = None  # what the caller has seen, but may change while this runs
            leaf = Input(shape.kind, known_type=cls)
            leaves.append(leaf)
            if shape.kind == "r":
                info = state.info(leaf)
                info.source = "input"
                info.type = cls
                info.nonnull = cls is not None
            return leaf
        assert shape.known is not None
        known = shape.known.object
        if shape.form == "box":
            return VirtualBox(known, build(shape.parts[0][1]))
        if shape.form == "object":
            instance = virtuals[shape.number] = VirtualInstance(known, {})
            for field, part in shape.parts:
                instance.fields[field] = build(part)
            return instance
        items = virtuals[shape.number] = VirtualItems(known, [])
        for _, part in shape.parts:
            items.items.append(build(part))
        return items

    for given, shape in zip(inputs, shapes, strict=True):
        state.replaced[given] = build(shape)
    return tuple(leaves)
