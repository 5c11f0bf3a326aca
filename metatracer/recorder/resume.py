"""From a guard's snapshot and its live values back to frames of the interpreter.

Virtual objects are allocated, delayed stores are done, and every frame gets its objects. Used when machine code exits,
and to start the recording of a bridge.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import CellType
from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import write_field
from metatracer.ir.snapshots import live_values
from metatracer.ir.values import NULL_OBJECT, Const, Snapshot, Value, VirtualObject, VirtualSequence
from metatracer.recorder.frames import ResumeFrame
from metatracer.recorder.virtuals import MADE_FROM_PARTS, make_from_parts

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(slots=True)
class Rebuilt:
    """The state at an exit.

    Attributes:
        frames: Outermost first.
        objects: Object of every live value and virtual, by the id() of the IR object (which the snapshot keeps alive).
    """

    frames: list[ResumeFrame]
    objects: dict[int, Any]


class _Builder:
    """Gives the object of each value of one exit; builds each virtual once, cycles included."""

    def __init__(self, objects: dict[int, Any]) -> None:
        self.objects = objects

    def get(self, value: Any) -> Any:
        if isinstance(value, Const):
            return value.value
        known = self.objects
        key = id(value)
        if key in known:
            return known[key]
        if isinstance(value, VirtualObject):
            built: Any = object.__new__(value.cls)
            known[key] = built
            for field, part in value.fields:
                content = self.get(part)
                if content is not NULL_OBJECT:
                    write_field(built, field, content)
            return built
        assert isinstance(value, VirtualSequence), value
        return self._sequence(value)

    def _sequence(self, value: VirtualSequence) -> Any:
        built: Any
        if value.cls is list:
            built = self.objects[id(value)] = []
            built.extend([self.get(part) for part in value.items])
        elif value.cls is CellType:
            built = self.objects[id(value)] = CellType()
            content = self.get(value.items[0])
            if content is not NULL_OBJECT:
                built.cell_contents = content
        elif value.cls in MADE_FROM_PARTS:
            built = make_from_parts(value.cls, *[self.get(part) for part in value.items])
            self.objects[id(value)] = built
        else:
            built = tuple([self.get(part) for part in value.items])
            self.objects[id(value)] = built
        return built


def rebuild(snapshot: Snapshot, values: Sequence[Any], live: Sequence[Value] | None = None) -> Rebuilt:
    """Build the frames of `snapshot` from the objects of its live values (in the order of `live_values`)."""
    if live is None:
        live = live_values(snapshot)
    builder = _Builder({id(value): obj for value, obj in zip(live, values, strict=True)})
    get = builder.get
    frames = [
        ResumeFrame(
            state.jitcode,
            state.function,
            state.index,
            state.throw_index,
            list(zip(state.numbers, [get(value) for value in state.locals], strict=True)),
            tuple([get(value) for value in state.stack]),
            state.finish,
            tuple([get(value) for value in state.kept]) if state.kept else (),
            state.pushes,
        )
        for state in snapshot.frames
    ]
    for store in snapshot.pending:
        arguments = [get(value) for value in store.args]
        name = store.opcode.name
        if name == "setfield":
            write_field(arguments[0], store.descr, arguments[1])
        elif name == "list_setitem":
            arguments[0][arguments[1]] = arguments[2]
        elif name == "list_append":
            arguments[0].append(arguments[1])
        else:
            assert name == "cell_set", name
            if arguments[1] is NULL_OBJECT:
                del arguments[0].cell_contents
            else:
                arguments[0].cell_contents = arguments[1]
    return Rebuilt(frames, builder.objects)
