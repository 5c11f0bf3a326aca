"""A generator and the builtin that consumes it, as one function: where the generator yields, the builtin's loop goes on.

`any(f(x) for x in xs)` is a loop that leaves at the first item that is true, written in two parts. Put together they are a
function like others: a recording looks into it, its loop may have traces of its own, it has a resume twin, and no generator is
made.
What it consists of:

- the generator's code, where each `yield` is replaced by what the builtin does with an item (`consumers`), and each `return` by a
  jump to what it does at the end;
- a handler for what the generator raises: StopIteration becomes RuntimeError;
- a handler for what the builtin itself raises, which takes away the traceback entry: a builtin has no frame. It is not seen by
  the handlers of the generator, in whose code it is done.

Not for generators that yield inside of `try` or `with` (what happens there when they are dropped is not done here), nor with a
`yield from` whose value is used.
"""

from __future__ import annotations

import inspect
import itertools
import opcode
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metatracer.frontend.decode import jitcode_for
from metatracer.hints import dont_look_inside
from metatracer.runtime.assembly import LABEL, VERSION, Item, Range, Unit, Writer, assemble, take_apart
from metatracer.runtime.consumers import CONSUMERS, without_entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

    from metatracer.runtime.assembly import Position

_OTHER_FLAGS = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
_STOPITERATION_ERROR = 3
"""Number of the intrinsic function that the compiler calls in the handler around a generator's body."""


_STEPPING = "stepping"


@dataclass(slots=True, frozen=True)
class Fused:
    """A generator put together with a consumer.

    Attributes:
        code: No generator. The parameters of the generator have the same numbers in it.
        arguments: Numbers of the locals for the consumer's other arguments.
    """

    code: CodeType
    arguments: tuple[int, ...]


_fused: dict[int, tuple[weakref.ref[CodeType], dict[str, Any]]] = {}
"""By the id() of the generator's code, as for twins."""


def fused(code: CodeType, consumer: str) -> Fused | None:
    """The function that makes a generator of this code and consumes it; None if it cannot be put together."""
    if not is_consumable(code):
        return None
    made = _of(code)
    if consumer not in made:
        made[consumer] = _fuse(code, CONSUMERS[consumer].__code__, CONSUMERS[consumer].__globals__)
    return made[consumer]  # type: ignore[no-any-return]


def stepping(code: CodeType) -> CodeType | None:
    """A generator's code as the recorder goes through it, item by item: with YIELD_VALUE, but no generator's; None as above.

    Its twin is a generator function: it gives a generator that goes on in the middle.
    """
    if not is_consumable(code):
        return None
    made = _of(code)
    if _STEPPING not in made:
        made[_STEPPING] = _step(code)
    return made[_STEPPING]  # type: ignore[no-any-return]


def _of(code: CodeType) -> dict[str, Any]:
    """What is known of a generator's code: at "" None if it cannot be put together with anything."""
    key = id(code)
    found = _fused.get(key)
    if found is None:

        def forget(reference: weakref.ref[CodeType]) -> None:
            if key in _fused and _fused[key][0] is reference:
                del _fused[key]

        found = _fused[key] = (weakref.ref(code, forget), {"": _can_be_fused(take_apart(code)) or None})
    return found[1]


@dont_look_inside
def stop_error(exception: BaseException) -> RuntimeError:
    """What CPython makes of a StopIteration that leaves a generator's body."""
    error = RuntimeError("generator raised StopIteration")
    error.__cause__ = error.__context__ = exception
    return error


# --- the generator --------------------------------------------------------------------------------------------------------


def is_consumable(code: CodeType) -> bool:
    """Whether this is a generator's code that can be put together with a consumer."""
    if not code.co_flags & inspect.CO_GENERATOR or code.co_flags & _OTHER_FLAGS:
        return False
    return _of(code)[""] is not None


def _can_be_fused(unit: Unit) -> bool:
    ranges = _ranges_after_loops(unit)
    if ranges is None:
        return False
    handled = [ranges[item] for item in unit.items if item.name == "YIELD_VALUE" and item in ranges]
    return all(_is_stop_handler(entry.target) for entry in handled)


def _ranges_after_loops(unit: Unit) -> dict[Item, Range] | None:
    """Make loops of `yield from` statements; gives the handlers of the instructions, None if one cannot be a loop.

    `yield from x` is `for value in x: yield value` if nobody looks at its value and nothing but None is sent.
    """
    following = dict(itertools.pairwise(unit.items))
    handled = {item for item, entry in unit.range_of().items() if not _is_stop_handler(entry.target)}
    unit.ranges = [entry for entry in unit.ranges if entry.target.name != "CLEANUP_THROW"]
    for number, item in enumerate(unit.items):
        if item.name != "SEND":
            continue
        end = item.target
        assert end is not None
        first, constant = unit.items[number - 2 : number]
        last = end if VERSION == (3, 11) else following[end]
        if item in handled or first.name != "GET_YIELD_FROM_ITER" or constant.name != "LOAD_CONST" or last.name != "POP_TOP":
            return None
        _replace(first, "GET_ITER")
        _replace(constant, "NOP")
        item.opcode = opcode.opmap["FOR_ITER"]
        resumed = following[following[item]]
        assert resumed.name == "RESUME"
        _replace(resumed, "POP_TOP")  # what is sent
        following[resumed].opcode = opcode.opmap["JUMP_BACKWARD"]
        if VERSION == (3, 11):
            _replace(end, "NOP")
        else:
            _replace(end, "END_FOR")
        if VERSION == (3, 12):
            _replace(last, "NOP")
    return unit.range_of()


def _step(code: CodeType) -> CodeType | None:
    unit = take_apart(code)
    _ranges_after_loops(unit)
    handlers = _Handlers(unit)
    given = _iterator_of(unit)
    _without_start(unit)
    items: list[Item] = []
    for item in unit.items[:-1]:
        items.append(item)
        if item is given:
            Writer(unit, items, item.position).unbind(0)
    handlers.finish(items, (code.co_firstlineno, code.co_firstlineno, 0, 0))
    unit.items = [*items, unit.items[-1]]
    unit.stacksize += 4
    made = assemble(unit)
    made = made.replace(co_flags=made.co_flags & ~inspect.CO_GENERATOR)
    return None if jitcode_for(made).refusal else made


def _without_start(unit: Unit) -> None:
    """Let a generator's code begin at once."""
    first = unit.items.index(next(item for item in unit.items if item.name == "RETURN_GENERATOR"))
    for item in unit.items[first : first + 2]:
        _replace(item, "NOP")


def _fuse(code: CodeType, consumer: CodeType, namespace: dict[str, Any]) -> Fused | None:
    unit = take_apart(code)
    _ranges_after_loops(unit)
    yields = [item for item in unit.items if item.name == "YIELD_VALUE"]
    depths = _depths(unit, yields)
    part = _Consumer(unit, consumer, namespace)
    handlers = _Handlers(unit)
    _without_start(unit)
    given = _iterator_of(unit)
    position: Position = (code.co_firstlineno, code.co_firstlineno, 0, 0)
    end = Item(LABEL)
    items: list[Item] = []
    prefix = unit.prefix_length()
    for number, item in enumerate(unit.items[:-1]):
        items.append(item)
        if number == prefix - 1:
            handlers.outside(items, part.prologue(position))
        elif item is given:
            Writer(unit, items, item.position).unbind(0)  # the stack alone holds it: so its parts may be known
        elif item.name == "YIELD_VALUE":
            _replace(item, "NOP")
            done = Item(LABEL)
            handlers.outside(items, part.body(item.position, depths[item], done))
            items.append(done)
            Writer(unit, items, item.position).const(None)
        elif item.name == "RESUME" and number >= prefix:
            _replace(item, "NOP")
        elif item.name in ("RETURN_VALUE", "RETURN_CONST"):
            _replace(item, "POP_TOP" if item.name == "RETURN_VALUE" else "NOP")
            Writer(unit, items, item.position).jump(end)
    items.append(end)
    handlers.outside(items, part.epilogue(position))
    handlers.finish(items, position)
    unit.items = [*items, unit.items[-1]]
    unit.stacksize += consumer.co_stacksize + 4
    made = assemble(unit)
    made = made.replace(co_flags=made.co_flags & ~inspect.CO_GENERATOR)
    result = Fused(made, part.arguments)
    return None if jitcode_for(made).refusal else result


def _iterator_of(unit: Unit) -> Item | None:
    """Where a generator expression puts the iterator that it was given onto the stack."""
    if unit.varnames[:1] != [".0"]:
        return None
    loads = [item for item in unit.items if item.name == "LOAD_FAST" and item.arg == 0]
    return loads[0] if len(loads) == 1 else None


def _replace(item: Item, name: str) -> None:
    item.opcode, item.arg, item.target = opcode.opmap[name], 0, None


def _is_stop_handler(item: Item) -> bool:
    return item.name == "CALL_INTRINSIC_1" and item.arg == _STOPITERATION_ERROR


def _depths(unit: Unit, yields: Sequence[Item]) -> dict[Item, int]:
    """How many values lie below what is yielded."""
    following = dict(itertools.pairwise(unit.items))
    depths: dict[Item, int] = {}
    pending: list[tuple[Item, int]] = [(unit.items[unit.prefix_length()], 0)]
    pending += [(entry.target, entry.depth + entry.push_lasti + 1) for entry in unit.ranges]
    while pending:
        item, depth = pending.pop()
        if item in depths:
            continue
        depths[item] = depth
        if item.opcode == LABEL:
            continue
        argument = item.arg if item.opcode >= opcode.HAVE_ARGUMENT else None
        if item.target is not None:
            pending.append((item.target, depth + opcode.stack_effect(item.opcode, argument, jump=True)))
        if item.falls_through:
            pending.append((following[item], depth + opcode.stack_effect(item.opcode, argument, jump=False)))
    return {item: depths[item] - 1 for item in yields}


class _Handlers:
    """Keeps the consumer's instructions out of the generator's handlers, and gives both parts theirs."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._own = {item: entry for item, entry in unit.range_of().items() if not _is_stop_handler(entry.target)}
        self._outside: set[Item] = set()

    def outside(self, items: list[Item], added: list[Item]) -> None:
        """Append instructions of the consumer."""
        items += added
        self._outside.update(added)

    def finish(self, items: list[Item], position: Position) -> None:
        """Append the two handlers, and make the exception table anew."""
        unit = self._unit
        stop, strip = Item(LABEL), Item(LABEL)
        ranges: list[Range] = []
        body = list(items)
        for key, run in itertools.groupby(body, self._handler_of):
            members = list(run)
            start, end = Item(LABEL), Item(LABEL)
            items.insert(items.index(members[0]), start)
            items.insert(items.index(members[-1]) + 1, end)
            if isinstance(key, Range):
                ranges.append(Range(start, end, key.target, key.depth, key.push_lasti))
            else:
                ranges.append(Range(start, end, strip if key else stop, 0, push_lasti=False))
        unit.ranges = ranges
        write = Writer(unit, items, position)
        write.place(stop)
        reraise = Item(LABEL)
        write.const(StopIteration)
        write.op("CHECK_EXC_MATCH")
        write.jump_if("FALSE", reraise)
        write.callee(stop_error)
        write.op("COPY", 3)
        write.call(1)
        write.op("SWAP", 2)
        write.op("POP_TOP")
        write.place(reraise)
        write.op("RERAISE", 0)
        write.place(strip)
        write.callee(without_entry)
        write.op("COPY", 3)
        write.call(1)
        write.op("POP_TOP")
        write.op("RERAISE", 0)

    def _handler_of(self, item: Item) -> Range | bool:
        return True if item in self._outside else self._own.get(item, False)


# --- the consumer ---------------------------------------------------------------------------------------------------------


class _Consumer:
    """The parts of a consumer, which are copied into a generator's code.

    Attributes:
        arguments: Numbers of its parameters but the first one there.
    """

    def __init__(self, unit: Unit, code: CodeType, namespace: dict[str, Any]) -> None:
        self._unit = unit
        self._namespace = namespace
        self._names = code.co_names
        self._consts = code.co_consts
        own = _without_pairs(take_apart(code))
        self._items = own.items
        self._following = dict(itertools.pairwise(own.items))
        self._depths = jitcode_for(code).depths
        self._locals = {number: unit.add_local(f".{name}") for number, name in enumerate(code.co_varnames) if number}
        self.arguments = tuple([self._locals[number] for number in range(1, code.co_argcount)])
        place = next(number for number, item in enumerate(own.items) if item.name == "FOR_ITER")
        self._loop = own.items[place]
        self._before = own.items[own.prefix_length() : place - 2]

    def prologue(self, position: Position) -> list[Item]:
        """What comes before the loop."""
        return self._copied(self._before, position, 0, None)

    def body(self, position: Position, depth: int, done: Item) -> list[Item]:
        """What is done with an item, which is on top of the stack; goes on at `done`.

        Args:
            position: Of the copies.
            depth: How many values the generator has below it.
            done: Where the next item is asked for.
        """
        return self._copied(self._reached(self._following[self._loop]), position, depth, done)

    def epilogue(self, position: Position) -> list[Item]:
        """What comes behind the loop."""
        end = self._loop.target
        assert end is not None
        while end.name == "END_FOR":  # 3.12 has one, 3.13 a POP_TOP behind it
            end = self._following[end]
            if VERSION >= (3, 13):
                end = self._following[end]
        return self._copied(self._reached(end), position, 0, None)

    def _reached(self, start: Item) -> list[Item]:
        """The instructions that can be reached without going round the loop, in order."""
        reached: set[Item] = set()
        pending = [start]
        while pending:
            item = pending.pop()
            if item in reached or item is self._loop or item.opcode == LABEL:
                continue
            reached.add(item)
            if item.target is not None:
                pending.append(item.target)
            if item.falls_through:
                pending.append(self._following[item])
        return [item for item in self._items if item in reached]

    def _copied(self, items: Sequence[Item], position: Position, depth: int, done: Item | None) -> list[Item]:
        """Copies of instructions, with the numbers of the unit's locals and constants."""
        found: list[Item] = []
        firsts: dict[Item, Item] = {}
        jumps: list[tuple[Item, Item]] = []
        write = Writer(self._unit, found, position)
        for item in items:
            firsts[item] = write.label()
            name = item.name
            if name in ("LOAD_FAST", "STORE_FAST", "LOAD_FAST_CHECK"):
                write.op(name, self._locals[item.arg])
            elif name == "LOAD_CONST":
                write.const(self._consts[item.arg])
            elif name == "RETURN_CONST":
                write.const(self._consts[item.arg])
                write.op("RETURN_VALUE")
            elif name == "LOAD_GLOBAL":
                self._load_global(write, item)
            elif name == "POP_TOP" and self._depths[item.offset] == 1:
                for _ in range(depth):  # it is the iterator that goes
                    write.op("POP_TOP")
            elif item.target is not None:
                jumps.append((write.op(name.replace("BACKWARD", "FORWARD"), 0), item.target))
            else:
                write.op(name, item.arg)
        for jump, target in jumps:
            goal = done if target is self._loop else firsts[target]
            assert goal is not None
            jump.target = goal
        return found

    def _load_global(self, write: Writer, item: Item) -> None:
        name = self._names[item.arg >> 1]
        value = self._namespace.get(name, _BUILTINS.get(name))
        if item.arg & 1:
            write.callee(value)
        else:
            write.const(value)


_BUILTINS: dict[str, Any] = vars(__import__("builtins"))


def _without_pairs(unit: Unit) -> Unit:
    """Split 3.13's instructions for two locals."""
    items: list[Item] = []
    for item in unit.items:
        items.append(item)
        pair = _PAIRS.get(item.name)
        if pair is None:
            continue
        first, second = pair
        items.append(Item(opcode.opmap[second], item.arg & 15, None, -1, item.position))
        item.opcode, item.arg = opcode.opmap[first], item.arg >> 4
    unit.items = items
    return unit
