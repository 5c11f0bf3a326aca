"""Objects that exist only in the trace, in parts: iterators over lists, tuples and ranges, functions and methods just made.

Among the iterators are `enumerate` and `zip` over others. Functions made in the trace are those of comprehensions
(before 3.12), lambdas and inner functions, most of which are called at once and forgotten.

The interpreter keeps an iterator on its operand stack, where nobody else sees it, so the recorder keeps its *parts*
(container and index; next value, stop and step) and records what one step does with them. A snapshot names such an
iterator as a `VirtualSequence` of its parts, from which an exit makes a real one (`make_from_parts`). If it gets anywhere
else (it is passed to a call, say) it is made for real in the trace.
"""

from __future__ import annotations

from types import FunctionType, GeneratorType, MethodType
from typing import TYPE_CHECKING, Any

from metatracer.backend.threadstate import push_exc_info
from metatracer.ir import cfunctions as c
from metatracer.ir import opcodes as ops
from metatracer.ir.values import NULL_OBJECT, CallShape, Const, Operation, Snapshot, Value, VirtualSequence
from metatracer.recorder.frames import LIST_ITERATOR, NULL_BOX, RANGE_ITERATOR, TUPLE_ITERATOR, Box, const_box
from metatracer.recorder.residual import make_function
from metatracer.recorder.tuples import lasting_length, new_tuple, tuple_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from metatracer.frontend.jitcode import JitCode
    from metatracer.recorder.frames import Kind
    from metatracer.recorder.metainterp import MetaInterpreter

_ITERATOR_OF: dict[type, type] = {list: LIST_ITERATOR, tuple: TUPLE_ITERATOR, range: RANGE_ITERATOR}


class VirtualBox(Box):
    """A range or an iterator in parts.

    Attributes:
        cls: Its class.
        parts: (container, index) of a list or tuple iterator; (next, stop, step) of a range or its iterator;
            (iterator, count) of an enumerate; the iterators of a zip; function and iterator of a map or filter;
            (globals, names, code, value of each name...) of a function, see `residual.make_function`; function and receiver
            of a bound method; class and object of a `super`; (function, names of the last arguments, arguments...) of a
            generator that has not begun; (where, locals..., operand stack...) of one that has, see `Suspended`; (names, value
            of each name...) of a dict of keyword arguments; (start, stop) of a slice;
            (container, start, stop) of bytes or a bytearray sliced; (recipe, values...) of an exception (its
            class here is BaseException), see `virtual_exceptions`; the exception of a handler, see `HandledBefore`. Boxes;
            replaced at each step.
    """

    __slots__ = ("_named", "cls", "parts")

    def __init__(self, obj: Any, cls: type, parts: list[Box]) -> None:
        super().__init__(obj)
        self.cls = cls
        self.parts = parts
        self._named: VirtualSequence | None = None

    @property
    def is_virtual(self) -> bool:
        """Not yet made for real."""
        return self.ref is None

    @property
    def is_shared_virtual(self) -> bool:
        """Its parts are named otherwise once they are unboxed."""
        return self.ref is None and self.cls in _SHARED

    def set_parts(self, parts: list[Box]) -> None:
        """One step has been made."""
        self.parts = parts
        self._named = None

    def snapshot_value(self) -> Any:
        """How a snapshot names it."""
        if self.ref is not None:
            return self.ref
        # A part may have changed by itself, so that it has another name.
        parts = [_number(part) or part.snapshot_value() for part in self.parts]
        named = self._named
        if named is None or any(old is not new for old, new in zip(named.items, parts, strict=True)):
            named = self._named = VirtualSequence(self.cls, parts)
        return named

    def make(self, meta: MetaInterpreter) -> Value:
        """Record the making of the real object."""
        if meta.handling:
            meta.make_handled_first()
            if self.ref is not None:
                return self.ref
        made = _made_by_c(meta, self) or self._made_by_call(meta)
        self.ref = made
        meta.know_type(made, type(self.object) if self.cls is BaseException else self.cls)
        meta.heap.clear()
        meta.contents.clear()
        meta.forget_states()
        return made

    def _made_by_call(self, meta: MetaInterpreter) -> Operation:
        callee: list[Value] = [Const("r", make_from_parts), Const("r", self.cls)]
        parts = self.parts
        if self.cls is BaseException:
            callee, parts = [Const("r", parts[0].object.make)], parts[1:]
        elif self.cls in (map, filter, enumerate, zip, range, slice, MethodType, super):
            callee = [Const("r", self.cls)]
        names: tuple[str, ...] = ()
        if self.cls is GeneratorType and type(parts[0].object) is not Suspended:
            callee, names, parts = [], parts[1].object, [parts[0], *parts[2:]]
            _note_generator(meta, parts[0].object)
        callee += [meta.ref(part) for part in parts]
        before = _before(meta)
        made = meta.emit(ops.CALL, *callee, descr=CallShape(names))
        meta.guard(ops.GUARD_NO_EXCEPTION, made, snapshot=before)
        return made


def _note_generator(meta: MetaInterpreter, function: FunctionType) -> None:
    frame = meta.frames[-1]
    reason = meta.host.jitcode_of(function).refusal
    meta.host.note_residual(function.__qualname__, frame.jitcode.code.co_filename, frame.line, reason)


class GeneratorBox(VirtualBox):
    """A generator in parts; it has none while its frame runs. The real one is made when it is looked at."""

    __slots__ = ("_made",)
    _made: Any

    def __init__(self, obj: Any, parts: list[Box]) -> None:
        super().__init__(obj, GeneratorType, parts)

    def _look(self) -> Any:
        """A generator that is in this state."""
        if self._made is None:
            self._made = make_from_parts(GeneratorType, *[part.object for part in self.parts])
        return self._made

    def _keep(self, obj: Any) -> None:
        self._made = obj

    object = property(_look, _keep)

    @property
    def is_never_observed(self) -> bool:
        """It yields outside of `try` and `with`, and nobody refers to what has not been made."""
        return self.is_virtual

    def set_parts(self, parts: list[Box]) -> None:
        """It has begun to run, or to wait."""
        super().set_parts(parts)
        self._made = None


def _before(meta: MetaInterpreter) -> Snapshot:
    """Where making an object leaves to: it may fail for want of memory only, and the instruction is left by that exception."""
    top = meta.frames[-1]
    return meta.snapshot_of(top.state_at(top.index, top.index))


def _made_by_c(meta: MetaInterpreter, box: VirtualBox) -> Operation | None:
    """The making of what CPython makes with a C function; None if it is something else."""
    parts = box.parts
    if box.cls is FunctionType and parts[1].object == (("closure",) if parts[2].object.co_freevars else ()):
        namespace, _, code, *closure = [meta.ref(part) for part in parts]
        before = _before(meta)
        made = meta.emit(ops.CALL_C_R, code, namespace, descr=c.NEW_FUNCTION)
        meta.guard(ops.GUARD_NO_EXCEPTION, made, snapshot=before)
        for cells in closure:
            given = meta.emit(ops.CALL_C_I, made, cells, descr=c.SET_CLOSURE)
            meta.guard(ops.GUARD_NO_EXCEPTION, given, snapshot=before)
        return made
    if box.cls is RANGE_ITERATOR:
        bounds = [meta.ref(part) for part in parts]
        before = _before(meta)
        made = meta.emit(ops.CALL, Const("r", range), *bounds, descr=CallShape())
        meta.guard(ops.GUARD_NO_EXCEPTION, made, snapshot=before)
        made = meta.emit(ops.CALL_C_R, made, descr=c.BUILTIN_ITER)
        meta.guard(ops.GUARD_NO_EXCEPTION, made, snapshot=before)
        return made
    if box.cls is dict:
        before = _before(meta)
        made = meta.emit(ops.CALL_C_R, descr=c.NEW_DICT)
        meta.guard(ops.GUARD_NO_EXCEPTION, made, snapshot=before)
        for name, part in zip(parts[0].object, parts[1:], strict=True):
            stored = meta.emit(ops.CALL_C_I, made, Const("r", name), meta.ref(part), descr=c.DICT_SETITEM)
            meta.guard(ops.GUARD_NO_EXCEPTION, stored, snapshot=before)
        return made
    if box.cls is MethodType:
        row, arguments = c.NEW_METHOD, parts
    elif box.cls in (LIST_ITERATOR, TUPLE_ITERATOR) and _is_zero(parts[1]):
        row, arguments = c.BUILTIN_ITER, parts[:1]
    else:
        return None
    refs = [meta.ref(part) for part in arguments]
    before = _before(meta)
    made = meta.emit(ops.CALL_C_R, *refs, descr=row)
    meta.guard(ops.GUARD_NO_EXCEPTION, made, snapshot=before)
    return made


def _is_zero(box: Box) -> bool:
    return isinstance(box.raw, Const) and box.raw.value == 0


def _number(box: Box) -> Value | None:
    """A part that is a number, unboxed."""
    return box.raw if box.raw is not None and box.raw.kind == "i" else None


class HandledBefore:
    """The class of what was handled before a handler was entered with a virtual exception, its only part.

    An exit that makes it enters the handler: it makes the exception the thread's handled one.
    """


class Suspended:
    """Where a generator waits that a loop goes through: the first of its parts.

    Attributes:
        jitcode: Of `fusion.stepping`.
        function: With that code, and without cells of its own.
        index: Byte offset where it goes on.
        numbers: Of the locals that are the next parts; the operand stack comes behind them.
    """

    __slots__ = ("_host", "function", "index", "jitcode", "numbers")

    def __init__(
        self, host: Any, jitcode: JitCode, function: FunctionType, index: int, numbers: tuple[int, ...]
    ) -> None:
        self._host = host
        self.jitcode = jitcode
        self.function = function
        self.index = index
        self.numbers = numbers

    def make(self, *parts: Any) -> Any:
        """The real generator."""
        slots: list[Any] = [NULL_OBJECT] * self.jitcode.n_locals
        for number, part in zip(self.numbers, parts, strict=False):
            slots[number] = part
        return self._host.generator_at(self.function, self.index, slots, parts[len(self.numbers) :])

    def take_apart(self, generator: Any) -> list[Any]:
        """The parts of one that has been made and not been asked for an item."""
        slots, stack = self._host.content_of_generator(generator)
        return [*[slots[number] for number in self.numbers], *stack]


def make_from_parts(cls: type, *parts: Any) -> Any:
    """The real object for the parts of a virtual one."""
    if cls is LIST_ITERATOR or cls is TUPLE_ITERATOR:
        container, index = parts
        iterator: Any = iter(container)
        iterator.__setstate__(index)
        return iterator
    if cls is slice:
        return slice(*parts)
    if cls is bytes or cls is bytearray:
        container, start, stop = parts
        return container[start:stop]
    if cls is int:
        return parts[0] & (1 << 64) - 1
    if cls is range:
        return range(*parts)
    if cls is RANGE_ITERATOR:
        return iter(range(*parts))
    if cls is enumerate:
        return enumerate(*parts)
    if cls is FunctionType:
        return make_function(*parts)
    if cls is dict:
        return dict(zip(parts[0], parts[1:], strict=True))
    if cls is MethodType or cls is super:
        return cls(*parts)
    if cls is BaseException:
        return parts[0].make(*parts[1:])
    if cls is GeneratorType and type(parts[0]) is Suspended:
        return parts[0].make(*parts[1:])
    if cls is GeneratorType:
        function, names, *arguments = parts
        split = len(arguments) - len(names)
        return function(*arguments[:split], **dict(zip(names, arguments[split:], strict=True)))
    if cls is HandledBefore:
        return push_exc_info(parts[0])
    return cls(*parts)  # zip, map, filter


_SHARED = (dict, FunctionType, GeneratorType, MethodType, super, map, filter, BaseException, HandledBefore)
"""Classes of virtuals that several frames may hold."""
MADE_FROM_PARTS = (int, slice, bytes, bytearray, LIST_ITERATOR, TUPLE_ITERATOR, RANGE_ITERATOR, range, enumerate, zip, *_SHARED)
"""Classes of `VirtualSequence`s that `make_from_parts` makes."""


# --- making ---------------------------------------------------------------------------------------------------------------


def virtual_range(meta: MetaInterpreter, arguments: list[Box]) -> VirtualBox | None:
    """`range(...)` of machine integers with a known step."""
    if not 1 <= len(arguments) <= 3 or any(type(box.object) is not int for box in arguments):
        return None
    start, stop, step = const_box(0), arguments[0], const_box(1)
    if len(arguments) > 1:
        start, stop = arguments[:2]
    if len(arguments) > 2:
        step = arguments[2]
        if not step.is_const or step.object == 0:
            return None
    if any(meta.int_value(box) is None for box in (start, stop, step)):
        return None
    made = range(start.object, stop.object, step.object)
    return VirtualBox(made, range, [_plain(box) for box in (start, stop, step)])


def _plain(box: Box) -> Box:
    """The number alone: an iterator does not keep the object it was made from."""
    return Box(box.object, None, box.raw)


def virtual_iterator(meta: MetaInterpreter, box: Box) -> VirtualBox | None:
    """`iter(x)` of a list, tuple, or virtual range, enumerate or zip; None for anything else."""
    if isinstance(box, VirtualBox) and box.is_virtual:
        if box.cls is range:
            return VirtualBox(iter(box.object), RANGE_ITERATOR, box.parts)
        return None if box.cls in _SHARED else box
    cls = type(box.object)
    if cls not in (list, tuple):
        return None
    meta.guard_class(box)
    return VirtualBox(iter(box.object), _ITERATOR_OF[cls], [box, Box(0, None, Const("i", 0))])


def kind_of(box: Box | None, is_own: Callable[[Box], bool]) -> Kind:
    """The kind of an iterator on the operand stack that may be given in parts: nobody else must hold it."""
    if not isinstance(box, VirtualBox) or not box.is_virtual:
        return None
    if box.cls not in (GeneratorType, RANGE_ITERATOR, LIST_ITERATOR, TUPLE_ITERATOR) or not is_own(box):
        return None
    if box.cls is RANGE_ITERATOR:
        return box.parts[2].object  # type: ignore[no-any-return]
    if box.cls is not GeneratorType:
        return box.cls
    where, *held = box.parts
    if type(where.object) is not Suspended or any(part is NULL_BOX for part in held):
        return None
    return (where.object, *[kind_of(part, is_own) for part in held])


def parts_of(kind: Kind, box: Box) -> list[Box]:
    """What is given to a loop for an iterator of this kind."""
    if kind is None:
        return [box]
    assert isinstance(box, VirtualBox)
    if not isinstance(kind, tuple):
        return box.parts[:2]
    return [part for own, held in zip(kind[1:], box.parts[1:], strict=True) for part in parts_of(own, held)]


def iterator_from(kind: Kind, given: Iterator[Box]) -> Box:
    """An iterator that is given in parts, or whole."""
    first = next(given) if not isinstance(kind, tuple) else NULL_BOX
    if kind is None:
        return first
    if isinstance(kind, tuple):
        return GeneratorBox(None, [const_box(kind[0]), *[iterator_from(own, given) for own in kind[1:]]])
    second = next(given)
    if isinstance(kind, int):
        return VirtualBox(iter(range(first.object, second.object, kind)), RANGE_ITERATOR, [first, second, const_box(kind)])
    return VirtualBox(make_from_parts(kind, first.object, second.object), kind, [first, second])


def held_by(boxes: Iterable[Box | None], wanted: Box) -> int:
    """How often a box is there, in parts of virtual ones, too."""
    found = 0
    for box in boxes:
        found += box is wanted
        if isinstance(box, VirtualBox) and box.is_virtual:
            found += held_by(box.parts, wanted)
    return found


def unbox_parts(meta: MetaInterpreter, box: Box) -> None:
    """Make the numbers among the parts of an iterator unboxed ones, and the class of its container known."""
    if not isinstance(box, VirtualBox):
        return
    if box.cls is GeneratorType:
        for part in box.parts:
            unbox_parts(meta, part)
        return
    for part in box.parts:
        if type(part.object) is int:
            meta.int_value(part)
        else:
            meta.guard_class(part)


def virtual_enumerate(meta: MetaInterpreter, arguments: list[Box]) -> VirtualBox | None:
    """`enumerate(x[, start])`."""
    if not 1 <= len(arguments) <= 2:
        return None
    count = arguments[1] if len(arguments) == 2 else const_box(0)
    if type(count.object) is not int:
        return None
    inner = virtual_iterator(meta, arguments[0])
    if inner is None or meta.int_value(count) is None:
        return None
    return VirtualBox(enumerate(inner.object, count.object), enumerate, [inner, _plain(count)])


def virtual_zip(meta: MetaInterpreter, arguments: list[Box]) -> VirtualBox | None:
    """`zip(x, y, ...)`."""
    inner = [virtual_iterator(meta, box) for box in arguments]
    known = [box for box in inner if box is not None]
    if not inner or len(known) < len(inner) or len({id(box) for box in known}) < len(known):
        return None
    return VirtualBox(zip(*[box.object for box in known], strict=False), zip, list(known))


def virtual_mapping(meta: MetaInterpreter, cls: type, arguments: list[Box]) -> VirtualBox | None:
    """`map(function, x)` and `filter(function, x)`."""
    if len(arguments) != 2 or arguments[0].object is None:
        return None
    inner = virtual_iterator(meta, arguments[1])
    return None if inner is None else VirtualBox(cls(arguments[0].object, inner.object), cls, [arguments[0], inner])


def is_virtual_mapping(box: Box | None) -> bool:
    """Whether this is a `map` or `filter` that has not been made."""
    return isinstance(box, VirtualBox) and box.is_virtual and box.cls in (map, filter)


def virtual_function(namespace: dict[str, Any], names: tuple[str, ...], code: Box, values: list[Box]) -> VirtualBox:
    """A function that an instruction has just made; `names` say what the values are."""
    made = make_function(namespace, names, code.object, *[box.object for box in values])
    return VirtualBox(made, FunctionType, [const_box(namespace), const_box(names), code, *values])


def virtual_dict(names: tuple[Any, ...], values: list[Box]) -> VirtualBox:
    """The dict of a call's keyword arguments, or one that is written out for one item to be taken of it."""
    made = dict(zip(names, [box.object for box in values], strict=True))
    return VirtualBox(made, dict, [const_box(names), *values])


def is_virtual_dict(box: Box | None) -> bool:
    """Whether this is a dict that has not been made."""
    return isinstance(box, VirtualBox) and box.is_virtual and box.cls is dict


def virtual_method(function: FunctionType, receiver: Box) -> VirtualBox:
    """A method that was bound just now."""
    return VirtualBox(MethodType(function, receiver.object), MethodType, [const_box(function), receiver])


def with_attribute(box: VirtualBox, name: str, value: Box) -> VirtualBox:
    """A virtual function with one more of its attributes given (3.13)."""
    namespace, names, code, *values = box.parts
    return virtual_function(namespace.object, (*names.object, name), code, [*values, value])


def closure_of(meta: MetaInterpreter, box: VirtualBox) -> tuple[Box, ...] | None:
    """The cells of a virtual function; None if they are not known one by one, or it has other parts that vary."""
    names, values = box.parts[1].object, box.parts[3:]
    cells: tuple[Box, ...] | None = ()
    for name, value in zip(names, values, strict=True):
        if name == "closure":
            if value.is_const:
                cells = tuple([const_box(cell) for cell in value.object])
            else:
                cells = meta.cells.get(value.ref) if value.ref is not None else None
        elif not value.is_const:
            return None
    return cells


# --- stepping -------------------------------------------------------------------------------------------------------------


def step(meta: MetaInterpreter, box: VirtualBox) -> Box | None:
    """Record one step; gives the item, or None at the end. Guards leave to the instruction's start.

    The parts are replaced only when no guard can follow any more, so that those of the whole step see the old ones.
    """
    steps: list[tuple[VirtualBox, list[Box]]] = []
    if box.cls is RANGE_ITERATOR or box.cls in (LIST_ITERATOR, TUPLE_ITERATOR):
        unbox_parts(meta, box)
    item = _step(meta, box, steps)
    # At the end, too: the first iterators of a zip have made a step when a later one ends.
    meta.effect_done = True
    for stepped, parts in steps:
        stepped.set_parts(parts)
    meta.forget_states()
    next(_real(box), None)
    return item


def _real(box: VirtualBox) -> Iterator[Any]:
    real: Iterator[Any] = box.object
    return real


def _step(meta: MetaInterpreter, box: VirtualBox, steps: list[tuple[VirtualBox, list[Box]]]) -> Box | None:
    if box.cls is RANGE_ITERATOR:
        return _step_range(meta, box, steps)
    if box.cls is enumerate:
        inner, count = box.parts
        assert isinstance(inner, VirtualBox)
        item = _step(meta, inner, steps)
        if item is None:
            return None
        assert count.raw is not None
        following = _add(meta, count, 1)
        steps.append((box, [inner, following]))
        return _tuple(meta, [Box(count.object, None, count.raw), item])
    if box.cls is zip:
        items = []
        for part in box.parts:
            assert isinstance(part, VirtualBox)
            item = _step(meta, part, steps)
            if item is None:
                return None
            items.append(item)
        return _tuple(meta, items)
    return _step_sequence(meta, box, steps)


def _add(meta: MetaInterpreter, box: Box, amount: int) -> Box:
    """A counter's next value; the overflow guard leaves to the instruction's start like all others of the step."""
    raw = box.raw
    assert raw is not None
    total = box.object + amount
    if isinstance(raw, Const):
        return Box(total, None, Const("i", total))
    return Box(total, None, meta.guard(ops.INT_ADD_OVF, raw, Const("i", amount)))


def _tuple(meta: MetaInterpreter, items: list[Box]) -> Box:
    op = new_tuple(meta, [meta.ref(item) for item in items])
    return Box(tuple([item.object for item in items]), op)


def _decide(meta: MetaInterpreter, condition: Value | bool, expected: bool) -> None:
    if not isinstance(condition, bool):
        meta.guard(ops.GUARD_TRUE if expected else ops.GUARD_FALSE, condition)


def _step_range(meta: MetaInterpreter, box: VirtualBox, steps: list[tuple[VirtualBox, list[Box]]]) -> Box | None:
    current, stop, width = box.parts
    assert current.raw is not None
    assert stop.raw is not None
    more = current.object < stop.object if width.object > 0 else current.object > stop.object
    if not (isinstance(current.raw, Const) and isinstance(stop.raw, Const)):
        opcode = ops.INT_LT if width.object > 0 else ops.INT_GT
        _decide(meta, meta.emit(opcode, current.raw, stop.raw), more)
    if not more:
        return None
    if width.object in (1, -1) and not isinstance(current.raw, Const):
        # Within the bounds of `stop`, which is a machine integer: this cannot overflow.
        following = Box(
            current.object + width.object, None, meta.emit(ops.INT_ADD, current.raw, Const("i", width.object))
        )
    elif not ops.fits_i64(current.object + width.object):
        return _last_of_range(meta, box, steps, current)
    else:
        following = _add(meta, current, width.object)
    steps.append((box, [following, stop, width]))
    return Box(current.object, None, current.raw)


def _last_of_range(
    meta: MetaInterpreter, box: VirtualBox, steps: list[tuple[VirtualBox, list[Box]]], current: Box
) -> Box:
    """The step from here leaves the machine integers: what is left is an empty range."""
    assert current.raw is not None
    if not isinstance(current.raw, Const):
        meta.guard(ops.GUARD_INT_VALUE, current.raw, descr=current.object)
    nothing = Box(0, None, Const("i", 0))
    steps.append((box, [nothing, nothing, box.parts[2]]))
    return Box(current.object, None, current.raw)


def _step_sequence(meta: MetaInterpreter, box: VirtualBox, steps: list[tuple[VirtualBox, list[Box]]]) -> Box | None:
    container, index = box.parts
    position, value = index.object, index.raw
    assert value is not None
    owner = meta.ref(container)
    more = position < len(container.object)
    is_tuple = box.cls is TUPLE_ITERATOR
    known = isinstance(value, Const) and meta.is_frozen(container)
    if not known:
        length = lasting_length(meta, ops.TUPLE_LEN, owner) if is_tuple else meta.emit(ops.LIST_LEN, owner)
        _decide(meta, meta.emit(ops.INT_LT, value, length), more)
    if not more:
        # It stays at its end even if the list grows.
        steps.append((box, [const_box(() if is_tuple else []), Box(0, None, Const("i", 0))]))
        return None
    following = Box(position + 1, None, Const("i", position + 1))
    if not isinstance(value, Const):
        following = Box(position + 1, None, meta.emit(ops.INT_ADD, value, Const("i", 1)))
    steps.append((box, [container, following]))
    obj = container.object[position]
    if known:
        return const_box(obj)
    if is_tuple:
        return tuple_item(meta, owner, value, obj)
    return meta.ref_box(obj, meta.emit(ops.LIST_GETITEM, owner, value))
