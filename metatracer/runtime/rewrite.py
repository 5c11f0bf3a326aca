"""Portals rewritten: the hint statements are taken out, and hot places lead to the runtime.

What happens to the author's code (nothing is changed but this; names, lines and signature stay):

- The merge point and the back-edge hints (`can_enter_jit`, `loop_header`) are removed.
- At function entry and at each back-edge hint stands a tick: FOR_ITER over a ticker, an iterator that lives among the
  constants and gives None, or from time to time a marker. Without back-edge hints the ticks stand behind the stores
  that may send the guest back (`PortalLayout.jumps`), or else at the merge point.
- A marker sends control into a *hot copy* of the code from there to the merge point, where the copy calls
  `portal.tick(marker, *greens)` and goes on in the code proper. So the merge point itself costs nothing, and no local
  variable is needed to remember that the next merge point matters.
- If `tick` gives a token, the values of the live locals are put into a list, all locals are cleared (nothing is kept
  alive by a frame that waits), and `portal.drive(token, values)` runs the loop. It gives (exception, value): the value is
  returned, the exception re-raised without a traceback entry of this frame.

In the twin of a portal `portal.request(token, values)` is *returned* instead, to the drive loop that runs the twin.

A rejected alternative: a hidden local that is tested at each merge point costs about 2 ns for each guest instruction.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Protocol

from metatracer.errors import MetatracerError
from metatracer.ir.values import NULL_OBJECT
from metatracer.runtime.assembly import LABEL, VERSION, Item, Position, Range, Unit, Writer, assemble, take_apart
from metatracer.runtime.portal_layout import Driver, PortalLayout, Statement, analyse_portal
from metatracer.runtime.twin import Body, Twin, promise_twin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

__all__ = [
    "Driver",
    "PortalLayout",
    "PortalRuntime",
    "Statement",
    "analyse_portal",
    "build_portal_twin",
    "rewrite_portal",
    "strip_portal",
]

HOT = ".hot"
"""The hidden local: the marker on the way to the merge point, then the token. Unbound everywhere else."""


class PortalRuntime(Protocol):
    """What rewritten code calls. The two tickers and the bound methods become constants of the code.

    A ticker gives None or its marker, always the same object. When code is rewritten, it is stepped up to its first
    marker. It should never be exhausted, even when two threads step it at once: `itertools.cycle` of a list is not, and
    starts again by itself. If it is exhausted all the same, `refill` is called at each tick.
    """

    @property
    def entry_ticker(self) -> Iterator[Any]:
        """Stepped at each function entry; gives None or a marker."""

    @property
    def back_edge_ticker(self) -> Iterator[Any]:
        """Stepped at each back-edge hint, or at the merge point if there is none; gives None or a marker."""

    def tick(self, marker: Any, *greens: Any) -> Any:
        """At a merge point after a marker: a token if compiled code or recording is to begin, or None."""

    def drive(self, token: Any, values: list[Any]) -> tuple[BaseException | None, Any]:
        """Run from the merge point to the end of the portal.

        `values` is in the order of the layout's value_numbers; NULL_OBJECT stands for an unbound local, cells are given
        as cells.
        """

    def request(self, token: Any, values: list[Any]) -> Any:
        """In the portal's twin: what the twin returns so that the drive loop does the same."""

    def refill(self) -> Any:
        """A ticker was exhausted: a marker or None."""


_LONGEST_PERIOD = 1_000_000


def _markers(portal: PortalRuntime) -> tuple[Any, Any]:
    """Markers of the entry ticker and the back-edge ticker."""
    return _marker_of(portal.entry_ticker), _marker_of(portal.back_edge_ticker)


def _marker_of(ticker: Iterator[Any]) -> Any:
    for marker in itertools.islice(ticker, _LONGEST_PERIOD):
        if marker is not None:
            return marker
    raise MetatracerError("a ticker gives no marker")


def strip_portal(layout: PortalLayout) -> CodeType:
    """The code without its hint statements, and nothing else changed: for METATRACER=off."""
    unit = take_apart(layout.code)
    _remove_statements(unit, layout)
    return assemble(unit)


def rewrite_portal(layout: PortalLayout, portal: PortalRuntime) -> CodeType:
    """The code to be assigned to the portal function's `__code__`."""
    return assemble(_Rewriter(layout, portal, _markers(portal), for_twin=False).unit)


def build_portal_twin(layout: PortalLayout, portal: PortalRuntime) -> None:
    """Make the twin over the rewritten body the twin of the original code object, built when first asked for.

    It is resumed by the byte offsets of the original code. At `merge_start` it goes on at what has become of the merge
    point; inside of a removed statement, behind it.
    """
    markers = _markers(portal)

    def build() -> Twin:
        rewriter = _Rewriter(layout, portal, markers, for_twin=True)
        moved = {
            offset: (statement.end, statement.depth)
            for statement in layout.statements
            for offset in range(statement.start + 2, statement.end, 2)
        }
        return Twin(Body(rewriter.unit, layout.code, rewriter.places, moved))

    promise_twin(layout.code, build)


def _remove_statements(unit: Unit, layout: PortalLayout) -> dict[int, Item]:
    """Turn each hint statement into a label, at which everything that jumped to the statement arrives.

    A LOAD_FAST_CHECK among the arguments is kept: CPython 3.12+ relies on it and reads the variable unchecked later.
    Gives the labels by the statements' offsets.
    """
    ends = {statement.start: statement.end for statement in layout.statements}
    labels: dict[int, Item] = {}
    kept: list[Item] = []
    end = -1
    for item in unit.items:
        if 0 <= item.offset < end:
            if item.name == "LOAD_FAST_CHECK":
                kept.append(item)
                Writer(unit, kept, item.position).op("POP_TOP")
                item.offset = -1
            continue
        if ends.get(item.offset) == item.offset:  # an empty one: something goes on here
            labels[item.offset] = Item(LABEL, position=item.position)
            kept.append(labels[item.offset])
            kept.append(item)
            continue
        kept.append(item)
        if item.offset in ends:
            end = ends[item.offset]
            labels[item.offset] = item
            if item.name == "LOAD_FAST_CHECK":
                kept.append(item.copy())
                Writer(unit, kept, item.position).op("POP_TOP")
            item.opcode, item.arg, item.target = LABEL, 0, None
    unit.items = kept
    return labels


class _Rewriter:
    """Rewrites one portal; the result is in `unit` and `places`."""

    def __init__(
        self, layout: PortalLayout, portal: PortalRuntime, markers: tuple[Any, Any], *, for_twin: bool
    ) -> None:
        self.layout = layout
        self.portal = portal
        self.for_twin = for_twin
        unit = self.unit = take_apart(layout.code)
        original_locals = len(unit.varnames)
        self.hot = unit.add_local(HOT)
        self._added = self.hot + 1 - original_locals
        self._original_locals = original_locals
        self.author_locals = [
            self._number(number)
            for number in range(original_locals + len(layout.code.co_cellvars))
            if number < self._first_free()
        ]
        labels = _remove_statements(unit, layout)
        self.merge = labels[layout.merge_start]
        self.merge_done = Item(LABEL)
        merge_place = unit.items.index(self.merge)
        behind_checks = self._behind_checks(self.merge)
        unit.items.insert(behind_checks, self.merge_done)
        self.places = {item.offset: item for item in unit.items[:-1] if item.offset >= 0}
        self._checks = unit.items[merge_place + 1 : behind_checks]
        ranges = unit.range_of()

        # Ticking places: (label behind which the tick stands, ticker, marker). The hot copy is made before ticks are put in.
        entry_label = self._label_at(unit.prefix_length(), self._entry_position())
        sites = [(entry_label, portal.entry_ticker, markers[0])]
        back_edges = [labels[start] for start in layout.skips]
        for offset in layout.jumps:
            store = self.places[offset]
            back_edges.append(self._label_at(unit.items.index(store) + 1, store.position))
        if layout.counts_at_merge_point:
            back_edges.append(self.merge)
        sites += [(label, portal.back_edge_ticker, markers[1]) for label in back_edges]
        copies = self._hot_copy([label for label, _, _ in sites], ranges)

        self._tail: list[Item] = []
        self._resume_place(ranges.get(self.merge))
        for label, ticker, marker in sites:
            self._tick(label, ticker, marker, copies[label])
        end = unit.items.pop()
        unit.items += self._tail
        unit.items += self._hot_items
        self._drive()
        unit.items.append(end)
        values = len(layout.value_numbers)
        unit.stacksize = max(unit.stacksize + 4, values + 7)

    def _first_free(self) -> int:
        code = self.layout.code
        arguments = set(code.co_varnames)
        return self._original_locals + sum(name not in arguments for name in code.co_cellvars)

    def _number(self, original: int) -> int:
        """Number of an original local or cell in the new code."""
        return original if original < self._original_locals else original + self._added

    def _label_at(self, place: int, position: Position) -> Item:
        label = Item(LABEL, position=position)
        self.unit.items.insert(place, label)
        return label

    def _behind_checks(self, label: Item) -> int:
        """Place in the item list behind a removed statement's label and what was kept of the statement."""
        items = self.unit.items
        place = items.index(label) + 1
        while items[place].offset < 0 and items[place].opcode != LABEL:
            place += 1
        return place

    def _resume_place(self, entry: Range | None) -> None:
        """Where the twin goes on for the merge point: behind the tick, if there is one.

        So a frame that is resumed at its merge point gets on by one guest instruction before it can ask for the same
        loop again. If variables are checked there, that happens out of line.
        """
        place = self.merge_done
        if self._checks and self.for_twin:
            write = Writer(self.unit, self._tail, self.merge.position)
            place = write.label()
            self._tail += [check.copy() for check in self._checks]
            write.jump_back(self.merge_done)
            if entry is not None:
                self.unit.ranges.append(Range(place, write.label(), entry.target, entry.depth, entry.push_lasti))
        self.places[self.layout.merge_start] = place
        place.position = self.merge.position

    # --- ticks --------------------------------------------------------------------------------------------------------

    def _tick(self, label: Item, ticker: Iterator[Any], marker: Any, hot: Item) -> None:
        """Put a tick behind `label`; a marker leads to the item `hot`.

        The marker is not taken from the ticker, which would need two more instructions on the way that is cold (8 ns
        instead of 6).
        """
        unit = self.unit
        position = label.position
        code: list[Item] = []
        write = Writer(unit, code, position)
        exhausted, has_marker = Item(LABEL), Item(LABEL)
        write.const(ticker)
        write.op("FOR_ITER", 0, exhausted)
        write.jump_if("NOT_NONE", has_marker)
        write.op("POP_TOP")
        done = write.label()
        where = self._behind_checks(label) if label is not self.merge else unit.items.index(self.merge_done)
        unit.items[where:where] = code

        write = Writer(unit, self._tail, position)
        write.exhausted(exhausted)
        write.callee(self.portal.refill)
        write.call(0)
        write.op("COPY", 1)
        nothing = Item(LABEL)
        write.jump_if("NONE", nothing)
        write.op("STORE_FAST", self.hot)
        write.jump(hot)
        write.place(nothing)
        write.op("POP_TOP")
        write.jump_back(done)
        write.place(has_marker)
        write.op("POP_TOP")
        write.const(marker)
        write.op("STORE_FAST", self.hot)
        write.jump(hot)

    def _entry_position(self) -> Position:
        line = self.layout.code.co_firstlineno
        return (line, line, 0, 0)

    # --- the hot copy -------------------------------------------------------------------------------------------------

    def _hot_copy(self, starts: list[Item], ranges: dict[Item, Range]) -> dict[Item, Item]:
        """Copy what can be reached from `starts` without passing the merge point, which becomes a call of `tick`.

        Gives the copy of each start.
        """
        unit = self.unit
        items = unit.items
        reached = self._reached(starts, ranges)
        copies = {item: item.copy() for item in items if item in reached}
        for item, copy in copies.items():
            if item.target is not None:
                copy.target = copies[item.target]
        hot: list[Item] = []
        runs: list[tuple[Range, list[Item]]] = []
        for item in items:
            if item not in copies:
                continue
            first = len(hot)
            hot.append(copies[item])
            if item is self.merge:
                self._call_tick(hot)
            entry = ranges.get(item)
            if entry is not None:
                if runs and runs[-1][0] is entry and runs[-1][1][-1] is hot[first - 1]:
                    runs[-1][1].extend(hot[first:])
                else:
                    runs.append((entry, hot[first:]))
        for entry, run in runs:
            end = Item(LABEL)
            hot.insert(hot.index(run[-1]) + 1, end)
            unit.ranges.append(Range(run[0], end, copies[entry.target], entry.depth, entry.push_lasti))
        self._hot_items = hot
        return copies

    def _reached(self, starts: list[Item], ranges: dict[Item, Range]) -> set[Item]:
        items = self.unit.items
        following = dict(itertools.pairwise(items))
        reached: set[Item] = set()
        pending = list(starts)
        while pending:
            item = pending.pop()
            if item in reached:
                continue
            reached.add(item)
            if item in ranges:
                pending.append(ranges[item].target)
            if item is self.merge:
                continue
            if item.target is not None:
                pending.append(item.target)
            if item.falls_through and item in following:
                pending.append(following[item])
        return reached

    def _call_tick(self, out: list[Item]) -> None:
        """At the merge point of the hot copy."""
        out += [check.copy() for check in self._checks]
        write = Writer(self.unit, out, self.merge.position)
        write.callee(self.portal.tick)
        write.op("LOAD_FAST", self.hot)
        for number in self.layout.green_numbers:
            write.op("LOAD_FAST", self._number(number))
        write.unbind(self.hot)
        write.call(1 + len(self.layout.green_numbers))
        write.op("COPY", 1)
        self.has_token = Item(LABEL)
        write.jump_if("NOT_NONE", self.has_token)
        write.op("POP_TOP")
        write.jump_back(self.merge_done)

    # --- leaving the author's code ------------------------------------------------------------------------------------

    def _drive(self) -> None:
        """Pack the locals, clear them, hand over to the runtime. Outside of every exception range: no locals are left."""
        unit, layout = self.unit, self.layout
        handlers: list[Item] = []
        write = Writer(unit, unit.items, self.merge.position)
        write.place(self.has_token)
        write.op("STORE_FAST", self.hot)
        write.callee(self.portal.request if self.for_twin else self.portal.drive)
        write.op("LOAD_FAST", self.hot)
        for count, number in enumerate(layout.value_numbers):
            if number in layout.maybe_unbound:
                self._load_or_null(write, handlers, self._number(number), 3 + count)
            else:
                write.op("LOAD_FAST", self._number(number))
        write.op("BUILD_LIST", len(layout.value_numbers))
        for number in self.author_locals:
            write.unbind(number)
        write.unbind(self.hot)
        write.call(2)
        if self.for_twin:
            write.op("RETURN_VALUE")
        else:
            raises = Item(LABEL)
            write.op("UNPACK_SEQUENCE", 2)
            write.op("COPY", 1)
            write.jump_if("NOT_NONE", raises)
            write.op("POP_TOP")
            write.op("RETURN_VALUE")
            write.place(raises)
            write.op("RERAISE", 0)
        unit.items += handlers

    def _load_or_null(self, write: Writer, handlers: list[Item], number: int, depth: int) -> None:
        """Push a local or NULL_OBJECT: no instruction asks whether a local is bound but those that raise."""
        start = write.label()
        write.op("LOAD_FAST" if VERSION == (3, 11) else "LOAD_FAST_CHECK", number)
        end = write.label()
        handler = Writer(self.unit, handlers, self.merge.position)
        target = handler.label()
        handler.op("POP_TOP")
        handler.const(NULL_OBJECT)
        handler.jump_back(end)
        self.unit.ranges.append(Range(start, end, target, depth, push_lasti=False))
