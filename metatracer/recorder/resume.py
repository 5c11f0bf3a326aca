"""From a guard's snapshot and its live values back to frames of the interpreter.

Virtual objects are allocated, delayed stores are done, and every frame gets its objects. Used when machine code exits,
and to start the recording of a bridge. Guards fail hundreds of times before they get a bridge, so how to build the frames of one
is found out once: all objects of an exit are put into one list, the pool, where each has a fixed place; what a frame needs
is picked from it at once.
"""

from __future__ import annotations

from operator import itemgetter
from types import CellType
from typing import TYPE_CHECKING, Any

from metatracer.backend.fields import field_writer
from metatracer.ir.values import NULL_OBJECT, Const, VirtualObject, VirtualSequence
from metatracer.recorder.frames import ResumeFrame
from metatracer.recorder.virtuals import MADE_FROM_PARTS, HandledBefore, make_from_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metatracer.ir.values import FrameState, PendingStore, Snapshot, Value

    Pool = list[Any]
    _Pick = Callable[[Pool], tuple[Any, ...]]


class Rebuilt:
    """The state at an exit.

    Attributes:
        frames: Outermost first.
        plan: By which it was built.
        pool: The objects.
    """

    __slots__ = ("frames", "plan", "pool")

    def __init__(self, frames: list[ResumeFrame], plan: ExitPlan, pool: Pool) -> None:
        self.frames = frames
        self.plan = plan
        self.pool = pool

    def objects(self) -> dict[int, Any]:
        """Object of every live value and virtual, by the id() of the IR object (which the snapshot keeps alive)."""
        return {key: self.pool[place] for key, place in self.plan.places.items()}

    def raised(self) -> Any:
        """The exception by which a portal without frames is left."""
        return self.pool[self.plan.raising]


class ExitPlan:
    """How the frames of a snapshot are built from its live values.

    The pool begins with the live values (in the order of `live_values`); then come the constants and the virtuals.

    Args:
        snapshot: The guard's.
        live: Its `live_values`.

    Attributes:
        places: In the pool, of live values and virtuals by id().
        raising: In the pool, of the exception that leaves the portal; of NULL_OBJECT if there is none.
    """

    __slots__ = ("_constants", "_frames", "_n_live", "_steps", "places", "raising")

    def __init__(self, snapshot: Snapshot, live: Sequence[Value]) -> None:
        builder = _Planner(live)
        self._frames = [builder.frame(state) for state in snapshot.frames]
        for store in snapshot.pending:
            builder.store(store)
        self.raising = builder.place(snapshot.raising or _NULL)
        builder.close()
        builder.enter_handlers()
        self.places = builder.places
        self._n_live = builder.n_live
        self._constants = builder.constants
        self._steps = builder.steps

    def rebuild(self, values: Sequence[Any]) -> Rebuilt:
        """The frames, from the objects of the live values."""
        if len(values) != self._n_live:
            raise ValueError(f"{len(values)} values for an exit that hands over {self._n_live}")
        pool = [*values, *self._constants]
        for step in self._steps:
            step(pool)
        frames = [
            ResumeFrame(
                state.jitcode,
                state.function,
                state.index,
                state.throw_index,
                locals_(pool),
                stack(pool),
                state.finish,
                kept(pool),
                state.pushes,
            )
            for state, locals_, stack, kept in self._frames
        ]
        return Rebuilt(frames, self, pool)


_NULL = Const("r", NULL_OBJECT)


def _pick(places: Sequence[int]) -> Callable[[Pool], tuple[Any, ...]]:
    """What gives the objects at these places of a pool, as a tuple."""
    if not places:
        return lambda pool: ()
    if len(places) == 1:
        (place,) = places
        return lambda pool: (pool[place],)
    return itemgetter(*places)


class _Planner:
    """Gives each value its place in the pool, and collects what is to be done there: each virtual is made once.

    Fields and cells are filled last, so that objects may refer to each other in circles.
    """

    def __init__(self, live: Sequence[Value]) -> None:
        self.n_live = len(live)
        self.places = {id(value): place for place, value in enumerate(live)}
        self.constants: list[Any] = []
        self.steps: list[Callable[[Pool], None]] = []
        self._last: list[Callable[[Pool], None]] = []
        self._entering: list[Callable[[Pool], None]] = []
        self._places_of_constants: dict[int, int] = {}

    def close(self) -> None:
        """The steps for what has been asked for are complete; they come before those for what is asked for next."""
        self.steps += self._last
        self._last = []

    def enter_handlers(self) -> None:
        """What is made has no context yet, so this comes last; outermost first."""
        self.steps += self._entering

    def place(self, value: Any) -> int:
        """Where the value is; a virtual will be made there."""
        key = id(value)
        if isinstance(value, Const):
            place = self._places_of_constants.get(key)
            if place is None:
                place = self._places_of_constants[key] = self._new_place(value.value)
            return place
        place = self.places.get(key)
        if place is not None:
            return place
        if isinstance(value, VirtualObject):
            place = self.places[key] = self._new_place(None)
            self.steps.append(_new_object(place, value.cls))
            fields = [(field_writer(field), self.place(part)) for field, part in value.fields]
            self._last.append(_fill_object(place, fields))
            return place
        assert isinstance(value, VirtualSequence), value
        return self._sequence(value)

    def _new_place(self, content: Any) -> int:
        self.constants.append(content)
        return self.n_live + len(self.constants) - 1

    def _sequence(self, value: VirtualSequence) -> int:
        cls = value.cls
        place = self._new_place(None)
        if cls is list or cls is CellType:
            self.places[id(value)] = place
            self.steps.append(_new_object(place, cls))
            parts = [self.place(part) for part in value.items]
            if cls is list:
                self.steps.append(_fill_list(place, _pick(parts)))
            else:
                self._last.append(_fill_cell(place, parts[0]))
            return place
        # What holds its parts from the start is in no circle without one of the above.
        pick = _pick([self.place(part) for part in value.items])
        made = self.places.get(id(value))
        if made is not None:
            return made  # one of its parts, which is in a circle with it, has asked for it
        steps = self._entering if cls is HandledBefore else self.steps
        steps.append(_new_from_parts(place, cls, pick) if cls in MADE_FROM_PARTS else _new_tuple(place, cls, pick))
        self.places[id(value)] = place
        return place

    def frame(self, state: FrameState) -> tuple[FrameState, _Pick, _Pick, _Pick]:
        """What gives the frame's locals by number, its stack, and what it keeps for `finish`."""
        locals_ = [self.place(_NULL)] * state.jitcode.n_locals
        for number, value in zip(state.numbers, state.locals, strict=True):
            locals_[number] = self.place(value)
        stack = [self.place(value) for value in state.stack]
        kept = [self.place(value) for value in state.kept]
        return state, _pick(locals_), _pick(stack), _pick(kept)

    def store(self, store: PendingStore) -> None:
        """A store that the trace has put off."""
        places = [self.place(value) for value in store.args]
        self.close()
        self.steps.append(_PUT_OFF[store.opcode.name](store.descr, *places))


# --- steps ----------------------------------------------------------------------------------------------------------------


def _new_object(place: int, cls: type) -> Callable[[Pool], None]:
    make = cls.__new__ if cls in (list, dict, CellType) else object.__new__

    def step(pool: Pool) -> None:
        pool[place] = make(cls)

    return step


def _fill_object(place: int, fields: Sequence[tuple[Callable[[Any, Any], None], int]]) -> Callable[[Pool], None]:
    def step(pool: Pool) -> None:
        built = pool[place]
        for write, part in fields:
            content = pool[part]
            if content is not NULL_OBJECT:
                write(built, content)

    return step


def _fill_list(place: int, pick: _Pick) -> Callable[[Pool], None]:
    def step(pool: Pool) -> None:
        pool[place].extend(pick(pool))

    return step


def _fill_cell(place: int, part: int) -> Callable[[Pool], None]:
    def step(pool: Pool) -> None:
        content = pool[part]
        if content is not NULL_OBJECT:
            pool[place].cell_contents = content

    return step


def _new_tuple(place: int, cls: type, pick: _Pick) -> Callable[[Pool], None]:
    def step(pool: Pool) -> None:
        pool[place] = pick(pool)

    def named(pool: Pool) -> None:
        pool[place] = tuple.__new__(cls, pick(pool))

    return step if cls is tuple else named


def _new_from_parts(place: int, cls: type, pick: _Pick) -> Callable[[Pool], None]:
    def step(pool: Pool) -> None:
        pool[place] = make_from_parts(cls, *pick(pool))

    return step


def _setfield(field: Any, target: int, value: int) -> Callable[[Pool], None]:
    write = field_writer(field)

    def step(pool: Pool) -> None:
        write(pool[target], pool[value])

    return step


def _list_setitem(_descr: Any, target: int, index: int, value: int) -> Callable[[Pool], None]:
    def step(pool: Pool) -> None:
        pool[target][pool[index]] = pool[value]

    return step


def _list_append(_descr: Any, target: int, value: int) -> Callable[[Pool], None]:
    def step(pool: Pool) -> None:
        pool[target].append(pool[value])

    return step


def _cell_set(_descr: Any, target: int, value: int) -> Callable[[Pool], None]:
    def step(pool: Pool) -> None:
        if pool[value] is NULL_OBJECT:
            del pool[target].cell_contents
        else:
            pool[target].cell_contents = pool[value]

    return step


_PUT_OFF: dict[str, Callable[..., Callable[[Pool], None]]] = {
    "setfield": _setfield,
    "list_setitem": _list_setitem,
    "list_append": _list_append,
    "cell_set": _cell_set,
}
