"""Stores that make the new object in the old one: when, and that nobody can tell."""

from __future__ import annotations

import abc
import gc
import math
import types
from typing import Any

import pytest

from metatracer.backend.reuse import STORE_NEW, fuse_stores, is_reusable
from metatracer.ir.text import parse_trace
from tests.backend.machine import Counts, compiled, outcome


class Box:
    __slots__ = ("value",)


class Pair(Box):
    __slots__ = ("other",)


class Weak:
    __slots__ = ("__weakref__", "value")


class Open(Box):
    pass


class Abstract(abc.ABC):
    __slots__ = ("value",)

    @abc.abstractmethod
    def show(self) -> None: ...


NAMES = {"Box": Box, "Pair": Pair, "Weak": Weak, "Open": Open}
BOX = """trace t(r0: list, r1: int)
  i2 = int_unbox(r1) -> [r0, r1]
  r3 = new() {Box}
  r4 = int_box(i2)
  setfield(r3, r4) {Box.value}
"""
SMALL, ONE_DIGIT, LONG = 7, 1000, 1 << 40


def box(value: Any, cls: type = Box) -> Any:
    made = cls()
    made.value = value
    return made


def fresh(value: Any) -> Any:
    """An equal number that nobody else refers to."""
    return type(value)(repr(value))


def fused(text: str) -> int:
    """How many stores of a trace construct what they store."""
    trace = fuse_stores(parse_trace(text, NAMES))
    return sum(op.opcode is STORE_NEW for op in trace.operations)


# --- what is found ------------------------------------------------------------------------------------------------------


def test_a_box_made_for_a_list_is_constructed_in_place() -> None:
    trace = fuse_stores(parse_trace(BOX + "  list_setitem(r0, 0, r3)\n  finish(r0)", NAMES))
    assert [op.opcode.name for op in trace.operations] == ["int_unbox", "store_new", "finish"]
    assert trace.operations[1].descr.kinds == "i"


def test_a_number_that_is_used_elsewhere_is_stored_as_a_reference() -> None:
    trace = fuse_stores(parse_trace(BOX + "  list_setitem(r0, 0, r3)\n  finish(r4)", NAMES))
    assert [op.opcode.name for op in trace.operations] == ["int_unbox", "int_box", "store_new", "finish"]
    assert trace.operations[2].descr.kinds == "r"


def test_unset_slots_are_null() -> None:
    text = "trace t(r0: list, r1)\n  r2 = new() {Pair}\n  setfield(r2, r1) {Pair.other}\n  list_setitem(r0, 0, r2)\n  finish(r0)"
    trace = fuse_stores(parse_trace(text, NAMES))
    assert [getattr(arg, "is_null", False) for arg in trace.operations[0].args] == [False, False, True, False]


@pytest.mark.parametrize(
    "rest",
    [
        "  list_setitem(r0, 0, r3)\n  finish(r3)",
        "  list_setitem(r0, 0, r3)\n  list_setitem(r0, 1, r3)\n  finish(r0)",
        "  list_setitem(r0, 0, r3)\n  guard_nonnull(r0) -> [r0, r3]\n  finish(r0)",
        "  list_append(r0, r3)\n  finish(r0)",
        "  setfield(r3, r4) {Box.value}\n  list_setitem(r0, 0, r3)\n  finish(r0)",
    ],
)
def test_what_has_other_uses_is_made_as_before(rest: str) -> None:
    assert fused(BOX + rest) == 0


@pytest.mark.parametrize("cls", [Weak, Open, Abstract, Exception, int, types.SimpleNamespace])
def test_objects_that_are_noticed_when_they_are_freed_are_not_reused(cls: type) -> None:
    assert not is_reusable(cls)


def test_the_first_store_into_a_new_object_has_nothing_to_reuse() -> None:
    text = "trace t(f0)\n  r1 = float_box(f0)\n  r2 = new() {Box}\n  setfield(r2, r1) {Box.value}\n  finish(r2)"
    assert fused(text) == 0


# --- what it does -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store_box() -> Any:
    code = compiled(BOX + "  list_setitem(r0, 0, r3)\n  finish(None)", NAMES)
    yield lambda items, value: outcome(code, items, value)
    code.free()


def test_the_box_and_its_int_are_used_again(store_box: Any) -> None:
    items = [box(fresh(ONE_DIGIT))]
    places = id(items[0]), id(items[0].value)
    store_box(items, -ONE_DIGIT)
    assert items[0].value == -ONE_DIGIT
    assert (id(items[0]), id(items[0].value)) == places


@pytest.mark.parametrize("old", [SMALL, ONE_DIGIT, -ONE_DIGIT, LONG, -LONG, 2.5, True, "text", None])
@pytest.mark.parametrize("new", [SMALL, -5, -6, 256, 257, ONE_DIGIT, -ONE_DIGIT, (1 << 30) - 1, 1 << 30, LONG, -(1 << 63)])
def test_any_int_may_follow_anything(store_box: Any, old: Any, new: int) -> None:
    items = [box(fresh(old) if type(old) in (int, float) else old)]
    counts = Counts(Box).start()
    store_box(items, new)
    assert type(items[0]) is Box
    assert (items[0].value, type(items[0].value)) == (new, int)
    assert counts.changes() == [0]
    assert items[0].value + 1 == new + 1
    if -5 <= new <= 256:
        assert items[0].value is int(str(new))


def test_a_box_that_somebody_else_refers_to_stays_as_it_is(store_box: Any) -> None:
    kept = box(ONE_DIGIT)
    items = [kept]
    store_box(items, 2 * ONE_DIGIT)
    assert (kept.value, items[0].value) == (ONE_DIGIT, 2 * ONE_DIGIT)
    assert items[0] is not kept


def test_a_number_that_somebody_else_refers_to_stays_as_it_is(store_box: Any) -> None:
    number = fresh(ONE_DIGIT)
    items = [box(number)]
    counts = Counts(number).start()
    store_box(items, 2 * ONE_DIGIT)
    assert (number, items[0].value) == (ONE_DIGIT, 2 * ONE_DIGIT)
    assert counts.changes() == [-1]


@pytest.mark.parametrize("old", [None, "text", (), box(1, Pair), 5])
def test_other_objects_are_replaced(store_box: Any, old: Any) -> None:
    items = [old]
    store_box(items, ONE_DIGIT)
    assert (type(items[0]), items[0].value) == (Box, ONE_DIGIT)


def test_an_unset_slot_is_filled(store_box: Any) -> None:
    items = [Box()]
    store_box(items, ONE_DIGIT)
    assert items[0].value == ONE_DIGIT


def test_a_finalizer_that_the_class_gets_later_runs() -> None:
    class Late:
        __slots__ = ("value",)

    code = compiled(BOX.replace("Box", "Late") + "  list_setitem(r0, 0, r3)\n  finish(None)", {"Late": Late})
    items = [box(ONE_DIGIT, Late)]
    gone: list[int] = []
    Late.__del__ = lambda self: gone.append(self.value)  # type: ignore[attr-defined]
    outcome(code, items, 2 * ONE_DIGIT)
    assert gone == [ONE_DIGIT]
    del Late.__del__  # type: ignore[attr-defined]
    code.free()


class Noisy:
    """Looks at a list when it is gone."""

    def __init__(self, items: list[Any], log: list[Any]) -> None:
        self.items = items
        self.log = log

    def __del__(self) -> None:
        self.log.append([(box.value, box.other) for box in self.items])


def test_finalizers_of_what_the_old_object_held_see_the_new_one_whole() -> None:
    text = """trace t(r0: list, r1: int, r2)
      i3 = int_unbox(r1) -> [r0, r1]
      r4 = new() {Pair}
      r5 = int_box(i3)
      setfield(r4, r2) {Pair.other}
      setfield(r4, r5) {Box.value}
      list_setitem(r0, 0, r4)
      finish(None)"""
    for held in ("value", "other"):
        code = compiled(text, NAMES)
        log: list[Any] = []
        items = [Pair()]
        items[0].value = items[0].other = fresh(ONE_DIGIT)
        setattr(items[0], held, Noisy(items, log))
        outcome(code, items, 5 * ONE_DIGIT, "new")
        assert log == [[(5 * ONE_DIGIT, "new")]]
        code.free()


@pytest.mark.parametrize("shared", [False, True])
def test_references_among_the_parts_are_counted(shared: bool) -> None:
    text = """trace t(r0: list, r1)
      r2 = new() {Pair}
      setfield(r2, r1) {Box.value}
      setfield(r2, r1) {Pair.other}
      list_setitem(r0, 0, r2)
      finish(None)"""
    old, new = object(), object()
    code = compiled(text, NAMES)
    items = [Pair()]
    items[0].value = items[0].other = old
    keep = items[0] if shared else None
    counts = Counts(old, new).start()
    outcome(code, items, new)
    assert counts.changes() == [0 if shared else -2, 2]
    assert items[0].value is items[0].other is new
    assert keep is not items[0]
    code.free()


@pytest.mark.parametrize("value", [0.0, -0.0, 1e300, math.inf, math.nan])
def test_floats_are_stored_in_place(value: float) -> None:
    text = "trace t(r0: Box, r1: float)\n  f2 = float_unbox(r1)\n  r3 = float_box(f2)\n  setfield(r0, r3) {Box.value}\n"
    code = compiled(text + "  finish(None)", NAMES)
    holder = box(fresh(2.5))
    place = id(holder.value)
    outcome(code, holder, value)
    assert repr(holder.value) == repr(value)
    assert id(holder.value) == place
    for old in (2.5, None, 5):
        holder.value = old
        outcome(code, holder, value)
        assert repr(holder.value) == repr(value)
        assert holder.value is not old
    del holder.value
    outcome(code, holder, value)
    assert repr(holder.value) == repr(value)
    code.free()


def test_numbers_in_cells_are_stored_in_place() -> None:
    text = "trace t(r0, r1: float)\n  f2 = float_unbox(r1)\n  r3 = float_box(f2)\n  cell_set(r0, r3)\n  finish(None)"
    code = compiled(text)
    cell = types.CellType()
    outcome(code, cell, 0.5)
    assert cell.cell_contents == 0.5
    place = id(cell.cell_contents)
    outcome(code, cell, 1.5)
    assert (cell.cell_contents, id(cell.cell_contents)) == (1.5, place)
    code.free()


def test_a_list_that_moves_while_garbage_is_collected(store_box: Any) -> None:
    """3.11 collects garbage in allocations; a finalizer may make the list grow then."""

    class Growing:
        def __init__(self, items: list[Any]) -> None:
            self.cycle = self
            self.items = items

        def __del__(self) -> None:
            self.items.extend(range(10_000))

    items: list[Any] = [None]
    thresholds = gc.get_threshold()
    gc.collect()
    gc.set_threshold(1, 1, 1)
    try:
        Growing(items)
        store_box(items, ONE_DIGIT)
    finally:
        gc.set_threshold(*thresholds)
    assert items[0].value == ONE_DIGIT
