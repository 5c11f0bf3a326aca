"""What a portal looks like: where its merge point is, which locals are green and red there, what can go wrong.

`analyse_portal` reads the author's code object; it changes nothing. The hint statements are recognised as CPython
compiles them: the driver by a name or a dotted chain, keyword arguments that are plain local variables, the result
thrown away. Everything else that calls a hint of the driver is a mistake that gets a sentence.
"""

from __future__ import annotations

import inspect
import itertools
import opcode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from metatracer.errors import UsageError
from metatracer.frontend.decode import jitcode_for
from metatracer.frontend.liveness import JUMPS, NO_FALL_THROUGH
from metatracer.runtime.assembly import VERSION, Item, Unit, take_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, FunctionType

    from metatracer.frontend.jitcode import JitCode

MERGE_POINT = "jit_merge_point"
BACK_EDGES = ("can_enter_jit", "loop_header")
_HINTS = (MERGE_POINT, *BACK_EDGES)
_NOT_PLAIN = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_LOCAL_LOADS = ("LOAD_FAST", "LOAD_FAST_CHECK")
_LOCAL_PAIR = "LOAD_FAST_LOAD_FAST"
_CELL_LOADS = ("LOAD_DEREF", "LOAD_CLASSDEREF")


class Driver(Protocol):
    """What is read of a JitDriver."""

    @property
    def name(self) -> str: ...
    @property
    def greens(self) -> Sequence[str]: ...
    @property
    def reds(self) -> Sequence[str] | None:
        """None (or "auto"): found by liveness."""


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A hint statement: the instructions in [start, end), as byte offsets; `depth` is the stack height before it."""

    hint: str
    start: int
    end: int
    depth: int
    lineno: int
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PortalLayout:
    """A portal's merge point and its variables. Offsets and local numbers are those of the original code object.

    Attributes:
        code: The original code object.
        driver: Whose portal it is.
        merge_start, merge_end: The merge-point statement.
        skips: Start -> end of every can_enter_jit and loop_header statement.
        statements: All of these, in order.
        green_numbers: localsplus numbers of the greens, in the driver's order.
        red_numbers: The same of the reds; for "auto" in ascending order. Greens and reds are all that is alive at the
            merge point, except for free variables, which belong to the function.
        maybe_unbound: Those of the reds that may be unbound there.
        names: Names of greens and reds.
        lineno: Line of the merge point.
        jumps: Without back-edge hints: the instructions (byte offsets) behind which guest back-edges are counted, because
            they give a green a new value other than by adding a positive constant.
        counts_at_merge_point: Whether the merge point itself must count: without back-edge hints, if there is a way
            round to it on which no green changes.
    """

    code: CodeType
    driver: Any
    merge_start: int
    merge_end: int
    skips: dict[int, int]
    statements: tuple[Statement, ...]
    green_numbers: tuple[int, ...]
    red_numbers: tuple[int, ...]
    maybe_unbound: frozenset[int]
    names: tuple[str, ...]
    lineno: int
    jumps: tuple[int, ...]
    counts_at_merge_point: bool

    @property
    def value_numbers(self) -> tuple[int, ...]:
        """The locals in the order in which their values are passed: greens, then reds."""
        return self.green_numbers + self.red_numbers


def analyse_portal(
    function: FunctionType, resolve: Callable[[object], Any], driver: Any = None, code: CodeType | None = None
) -> PortalLayout:
    """Find the merge point of a portal function.

    Args:
        function: The author's function.
        resolve: Given an object on which a hint is called, its driver, or None if it is something else.
        driver: The driver whose portal this is to be; hints of others are left alone, and hints on a receiver that
            cannot be known before the function runs (`self.driver`) are taken to be this one's. None: whichever driver
            has a merge point here.
        code: The function's original code, if it has been replaced already.

    Raises:
        UsageError: The portal cannot be rewritten; says where and what to change.
    """
    analysis = _Analysis(function, code if code is not None else function.__code__)
    return analysis.layout(resolve, driver)


class _Analysis:
    def __init__(self, function: FunctionType, code: CodeType) -> None:
        self.function = function
        self.code = code
        if code.co_flags & _NOT_PLAIN:
            self.mistake(
                "a generator or coroutine cannot be a portal; move the loop with the merge point into a plain function",
                code.co_firstlineno,
            )
        self.unit = take_apart(code)
        self.items = self.unit.items
        self.jitcode = jitcode_for(code)
        if self.jitcode.refusal:
            self.mistake(f"this function cannot be a portal: {self.jitcode.refusal}", code.co_firstlineno)

    def mistake(self, message: str, lineno: int | None) -> NoReturn:
        raise UsageError(f"{self.code.co_qualname}: {message}", self.code.co_filename, lineno)

    def layout(self, resolve: Callable[[object], Any], driver: Any) -> PortalLayout:
        found: list[tuple[Any, Statement]] = []
        for place, item in enumerate(self.items):
            hint = self._hint_name(item)
            if hint is None:
                continue
            start, receiver, is_known = self._receiver(place)
            owner = resolve(receiver) if is_known else driver
            if owner is None or (driver is not None and owner is not driver):
                continue
            found.append((owner, self._statement(hint, place, start, owner)))
        merges = [(owner, statement) for owner, statement in found if statement.hint == MERGE_POINT]
        if not merges:
            name = f" of the driver {driver.name!r}" if driver is not None else ""
            self.mistake(
                f"there is no merge point{name}; call driver.jit_merge_point(...) at the top of the interpreter loop",
                self.code.co_firstlineno,
            )
        owner, merge = merges[0]
        if len(merges) > 1:
            self.mistake(
                f"a second merge point (the first is in line {merge.lineno}); a portal has one, so move one of the "
                "loops into a function of its own",
                merges[1][1].lineno,
            )
        statements = tuple(statement for each, statement in found if each is owner)
        return self._with_variables(owner, merge, statements)

    # --- one statement ------------------------------------------------------------------------------------------------

    def _hint_name(self, item: Item) -> str | None:
        """The hint whose attribute this instruction loads."""
        if item.name == "LOAD_METHOD" or (item.name == "LOAD_ATTR" and VERSION == (3, 11)):
            name = self.code.co_names[item.arg]
        elif item.name == "LOAD_ATTR":
            name = self.code.co_names[item.arg >> 1]
        else:
            return None
        return name if name in _HINTS else None

    def _receiver(self, place: int) -> tuple[int, object, bool]:
        """First item of the expression before an attribute load, the object it denotes, and whether that is known."""
        chain: list[str] = []
        place -= 1
        while place >= 0 and self.items[place].name == "LOAD_ATTR":
            arg = self.items[place].arg
            chain.append(self.code.co_names[arg if VERSION == (3, 11) else arg >> 1])
            place -= 1
        root = self.items[place]
        value: object
        if root.name in ("LOAD_GLOBAL", "LOAD_NAME"):
            name = self.code.co_names[root.arg >> 1 if root.name == "LOAD_GLOBAL" else root.arg]
            spaces = (self.function.__globals__, self.function.__builtins__)
            space = next((each for each in spaces if name in each), None)
            if space is None:
                return place, None, False
            value = space[name]
        elif root.name in _CELL_LOADS:
            free = root.arg - (self.jitcode.n_locals - len(self.code.co_freevars))
            closure = self.function.__closure__ or ()
            if not 0 <= free < len(closure):
                return place, None, False
            try:
                value = closure[free].cell_contents
            except ValueError:  # not assigned yet
                return place, None, False
        else:
            return place, None, False
        for name in reversed(chain):
            try:
                value = getattr(value, name)
            except AttributeError:
                return place, None, False
        return place, value, True

    def _is_called(self, place: int, start: int) -> bool:
        """Whether the attribute is loaded for a call: as a method, or, of a driver that was imported, with a NULL beside it."""
        load, root = self.items[place], self.items[start]
        if load.name == "LOAD_METHOD" or (VERSION >= (3, 12) and load.arg & 1):
            return True
        calling = next((item.name for item in self.items[place:] if item.name.startswith("CALL")), "")
        if calling not in ("CALL", "CALL_KW"):  # with a star
            return False
        if VERSION >= (3, 13):
            return self.items[place + 1].name == "PUSH_NULL"
        return root.name == "LOAD_GLOBAL" and bool(root.arg & 1)

    def _statement(self, hint: str, place: int, start: int, driver: Driver) -> Statement:
        """Check the form of a hint call and find its end."""
        load = self.items[place]
        lineno = load.position[0]
        shown = f"{hint}({', '.join(f'{name}={name}' for name in driver.greens)})"
        if not self._is_called(place, start):
            self.mistake(f"{hint} has to be called as a statement of its own with named arguments: {shown}", lineno)
        if self.items[start].name not in ("LOAD_GLOBAL", "LOAD_NAME", *_LOCAL_LOADS, *_CELL_LOADS):
            self.mistake(f"put {hint} on a line of its own, and call it on a plain name of the driver", lineno)
        variables: list[int] = []
        keywords: tuple[str, ...] = ()
        count = 0
        for end in range(place + 1, len(self.items)):
            item = self.items[end]
            if item.name in _LOCAL_LOADS or item.name in _CELL_LOADS:
                variables.append(item.arg)
            elif item.name == _LOCAL_PAIR:
                variables += (item.arg >> 4, item.arg & 15)
            elif item.name == "KW_NAMES" or (item.name == "LOAD_CONST" and self.items[end + 1].name == "CALL_KW"):
                keywords = self.code.co_consts[item.arg]
            elif item.name in ("CALL", "CALL_KW"):
                count = item.arg
                break
            elif item.name not in ("PRECALL", "NOP", "PUSH_NULL"):
                self.mistake(
                    f"every argument of {hint} has to be the plain local variable of that name: {shown}; "
                    "put other values into local variables first",
                    item.position[0] or lineno,
                )
        if len(keywords) < count:
            self.mistake(f"{hint} takes no positional arguments; write {shown}", lineno)
        if self.items[end + 1].name != "POP_TOP":
            self.mistake(f"{hint} gives nothing back; call it as a statement of its own", lineno)
        for keyword, variable in zip(keywords, variables, strict=True):
            if self.jitcode.local_names[variable] != keyword:
                self.mistake(
                    f"{hint} was given {keyword}={self.jitcode.local_names[variable]}; the variable must have the name "
                    f"that the driver declares, so write {keyword}={keyword}",
                    lineno,
                )
        self._check_keywords(hint, keywords, driver, lineno)
        first, behind = self.items[start], self.items[end + 2]
        if first.offset not in self.jitcode.depths:
            self.mistake(f"this {hint} can never be reached; remove it", lineno)
        return Statement(
            hint, first.offset, behind.offset, self.jitcode.depths[first.offset], lineno or 0, tuple(keywords)
        )

    def _check_keywords(self, hint: str, keywords: Sequence[str], driver: Driver, lineno: int | None) -> None:
        reds = () if driver.reds is None or isinstance(driver.reds, str) else tuple(driver.reds)
        declared = (*driver.greens, *reds)
        for keyword in keywords:
            if keyword not in declared:
                self.mistake(
                    f"{hint} is given {keyword}, which the driver {driver.name!r} does not declare; add it to greens "
                    "or reds, or do not pass it",
                    lineno,
                )
        if hint == MERGE_POINT:
            required: Sequence[str] = declared
        else:
            # At a back-edge all of the values are those that the merge point will see.
            required = driver.greens if keywords else ()
        for name in required:
            if name not in keywords:
                kind = "green" if name in driver.greens else "red"
                self.mistake(
                    f"{hint} is not given the {kind} {name!r} that the driver {driver.name!r} declares; "
                    f"add {name}={name}",
                    lineno,
                )

    # --- variables ----------------------------------------------------------------------------------------------------

    def _with_variables(self, driver: Driver, merge: Statement, statements: tuple[Statement, ...]) -> PortalLayout:
        if merge.depth:
            self.mistake(
                "the merge point is inside a `for` loop or a `with` block, or in an expression, where CPython keeps "
                "hidden values; use a `while` loop, and put the `with` around the call of this function",
                merge.lineno,
            )
        names = self.jitcode.local_names
        first_free = self.jitcode.n_locals - len(self.code.co_freevars)
        numbers = {name: number for number, name in enumerate(names) if number < first_free}
        greens = tuple(self._number(numbers, name, "green", merge) for name in driver.greens)
        for name in driver.greens:
            if name in self.code.co_cellvars:
                self.mistake(
                    f"the green {name!r} is also used by a nested function; copy it into another variable for that",
                    merge.lineno,
                )
        alive = [n for n in sorted(self.jitcode.live_locals[merge.start]) if n < first_free and n not in greens]
        if driver.reds is None or isinstance(driver.reds, str):
            reds = tuple(alive)
        else:
            reds = tuple(self._number(numbers, name, "red", merge) for name in driver.reds)
            missing = [names[number] for number in alive if number not in reds]
            if missing:
                what = "variables that are" if len(missing) > 1 else "a variable that is"
                self.mistake(
                    f"{', '.join(missing)}: {what} used after the merge point, but neither green nor red; add to reds, "
                    'or use reds="auto"',
                    merge.lineno,
                )
        bound = definitely_bound(self.jitcode, merge.start)
        unbound = frozenset(number for number in reds if not bound >> number & 1)
        skips = {statement.start: statement.end for statement in statements if statement.hint != MERGE_POINT}
        jumps, counts = ((), False) if skips else _GreenStores(self.unit, greens, merge).places()
        return PortalLayout(
            self.code,
            driver,
            merge.start,
            merge.end,
            skips,
            statements,
            greens,
            reds,
            unbound,
            tuple(names[number] for number in greens + reds),
            merge.lineno,
            jumps,
            counts,
        )

    def _number(self, numbers: dict[str, int], name: str, kind: str, merge: Statement) -> int:
        if name not in numbers:
            self.mistake(
                f"the {kind} {name!r} of the driver is no local variable of this function; assign it before the merge "
                f"point, or take it out of the driver's {kind}s",
                merge.lineno,
            )
        return numbers[name]


class _GreenStores:
    """Where guest back-edges can be counted if the author does not say.

    Between two visits of the merge point with the same greens, either no green was stored to at all, or one of them was
    stored to other than by adding to it: adding alone never leads back to where it was. To count at these stores costs
    nothing for guest instructions that go straight on, while counting at each merge point costs 6-9 ns for each of them.
    """

    def __init__(self, unit: Unit, greens: tuple[int, ...], merge: Statement) -> None:
        items = unit.items
        self._items = items
        self._greens = frozenset(greens)
        self._code = unit.code
        self._handlers = {item: entry.target for item, entry in unit.range_of().items()}
        self._following = dict(itertools.pairwise(items))
        at = {item.offset: item for item in items}
        self._start, self._end = at[merge.start], at[merge.end]

    def places(self) -> tuple[tuple[int, ...], bool]:
        """(offsets of the stores to count at, whether to count at the merge point)."""
        in_loop = self._reached(stop_at_stores=False)
        if self._start not in in_loop:
            return (), False
        if self._start in self._reached(stop_at_stores=True):
            return (), True
        stores = [place for place, item in enumerate(self._items) if item in in_loop and self._stored(item) is not None]
        return tuple(self._items[place].offset for place in stores if not self._adds(place)), False

    def _reached(self, *, stop_at_stores: bool) -> set[Item]:
        """What control can reach from behind the merge point without passing it (or a store) again."""
        reached: set[Item] = set()
        pending = [self._end]
        while pending:
            item = pending.pop()
            if item in reached:
                continue
            reached.add(item)
            if item is self._start:
                continue
            if item in self._handlers:
                pending.append(self._handlers[item])
            if stop_at_stores and self._stored(item) is not None:
                continue
            if item.target is not None:
                pending.append(item.target)
            if item.falls_through and item in self._following:
                pending.append(self._following[item])
        return reached

    def _stored(self, item: Item) -> int | None:
        """The green that an instruction stores to."""
        name, arg = item.name, item.arg
        if name in ("STORE_FAST", "DELETE_FAST"):
            numbers: tuple[int, ...] = (arg,)
        elif name == "STORE_FAST_STORE_FAST":
            numbers = (arg >> 4, arg & 15)
        elif name == "STORE_FAST_LOAD_FAST":
            numbers = (arg >> 4,)
        else:
            return None
        return next((number for number in numbers if number in self._greens), None)

    def _adds(self, place: int) -> bool:
        """Whether the store is that of `green += constant` (or `green = green + constant`), the constant positive."""
        store = self._items[place]
        if store.name not in ("STORE_FAST", "STORE_FAST_LOAD_FAST") or place < 3:
            return False
        load, constant, add = self._items[place - 3 : place]
        green = self._stored(store)
        loaded = {
            "LOAD_FAST": load.arg,
            "LOAD_FAST_CHECK": load.arg,
            "LOAD_FAST_LOAD_FAST": load.arg & 15,
            "STORE_FAST_LOAD_FAST": load.arg & 15,
        }.get(load.name)
        if loaded != green or constant.name != "LOAD_CONST" or add.name != "BINARY_OP" or add.arg not in _ADD:
            return False
        value = self._code.co_consts[constant.arg]
        return type(value) is int and value > 0


_ADD = frozenset(number for number, (_, symbol) in enumerate(opcode._nb_ops) if symbol in ("+", "+="))  # type: ignore[attr-defined]
_MAYBE_NULL = frozenset({"load_method", "super_method"})


def definitely_bound(jitcode: JitCode, index: int) -> int:
    """Registers, as bits, that hold no NULL whenever control reaches byte offset `index`: forward data flow."""
    instructions = jitcode.instructions
    everything = (1 << jitcode.n_registers) - 1
    states: list[int | None] = [None] * len(instructions)
    states[jitcode.entry] = _bound_on_entry(jitcode)
    pending = [jitcode.entry]

    def reach(position: int, state: int) -> None:
        known = states[position]
        joined = state if known is None else known & state
        if joined != known:
            states[position] = joined
            pending.append(position)

    while pending:
        position = pending.pop()
        instruction = instructions[position]
        state = states[position]
        assert state is not None
        handler = jitcode.handlers.get(instruction.index)
        if handler is not None:
            pushed = 2 if handler.push_lasti else 1
            height = jitcode.n_locals + handler.depth
            kept = state & ((1 << height) - 1)
            reach(jitcode.positions[handler.target], kept | (((1 << pushed) - 1) << height))
        op, dst, src = instruction.op, instruction.dst, instruction.src
        if op in ("move", "swap"):
            after = state
            for target, source in zip(dst, src, strict=True):
                after = after & ~(1 << target) | (state >> source & 1) << target
        elif op in ("null", "delete_local") or op in _MAYBE_NULL:
            after = state
            for target in dst:
                after &= ~(1 << target)
        else:
            after = state
            for target in dst:
                after |= 1 << target
            if op == "load_local":
                after |= 1 << src[0]
        if op in JUMPS:
            reach(instruction.arg, after)
        if op not in NO_FALL_THROUGH and position + 1 < len(instructions):
            reach(position + 1, after)
    found = states[jitcode.positions[index]]
    return everything if found is None else found


def _bound_on_entry(jitcode: JitCode) -> int:
    code = jitcode.code
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    state = (1 << count) - 1
    for register in jitcode.free_registers:
        state |= 1 << register
    return state
