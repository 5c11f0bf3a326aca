"""Machine code of fields, lists, tuples, cells, strings and buffers: results and reference counts."""

from __future__ import annotations

import array
import gc
import signal
import struct
import subprocess
import sys
import types
from typing import Any, NamedTuple

import pytest

from metatracer.backend.fields import field_for, shadow_field
from metatracer.ir.values import NULL_OBJECT
from tests.backend.machine import Counts, compiled, outcome, run


class Named(NamedTuple):
    left: Any
    right: Any = None


class Slotted:
    __slots__ = ("first", "second")


class Plain:
    def __init__(self, x: Any) -> None:
        self.x = x


class Open(Plain):
    def late(self) -> None:
        self.y = 1


class Noisy:
    """Says when it is gone."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log = log
        self.name = name

    def __del__(self) -> None:
        self.log.append(self.name)


def namespace() -> dict[str, Any]:
    return {"Slotted": Slotted, "Plain": Plain, "Open": Open}


def test_slots_are_read_and_written() -> None:
    code = compiled(
        "trace t(r0: Slotted, r1)\n  r2 = getfield(r0) {Slotted.first}\n  guard_nonnull(r2) -> [r0]\n"
        "  setfield(r0, r1) {Slotted.second}\n  finish(r2)",
        namespace(),
    )
    first, second, old = object(), object(), object()
    instance = Slotted()
    instance.first, instance.second = first, old
    counts = Counts(instance, first, second, old).start()
    assert outcome(code, instance, second)[2] is first
    assert instance.second is second
    assert counts.changes() == [0, 0, 1, -1]
    del instance.first
    assert outcome(code, instance, second) == ("guard_nonnull", None, instance)
    assert counts.changes() == [0, -1, 1, -1]
    code.free()


def test_a_new_object_is_filled_without_releasing_anything() -> None:
    text = """trace t(r0)
      r1 = new() {Slotted}
      setfield(r1, r0) {Slotted.first}
      setfield(r1, r0) {Slotted.first}
      finish(r1)"""
    code = compiled(text, namespace())
    value = object()
    counts = Counts(value).start()
    made = outcome(code, value)[2]
    assert type(made) is Slotted
    assert made.first is value
    assert not hasattr(made, "second")
    assert gc.is_tracked(made)
    del made
    assert counts.changes() == [0]
    code.free()


def new_classes() -> list[type]:
    """With slots, inline values, both, and weak references only."""

    class WithValues:
        pass

    class Both(Slotted):
        pass

    class Weak:
        __slots__ = ("__weakref__",)

    return [Slotted, WithValues, Both, Weak]


def test_every_kind_of_new_object_is_as_python_makes_it() -> None:
    gc.collect()  # subclasses made elsewhere
    for cls in new_classes():
        code = compiled("trace t()\n  r0 = new() {cls}\n  finish(r0)", {"cls": cls})
        before = sys.getrefcount(cls)
        made = [outcome(code)[2] for _ in range(50)]
        assert sys.getrefcount(cls) == before + 50
        for instance in made:
            assert type(instance) is cls
            assert gc.is_tracked(instance)
            if hasattr(instance, "__dict__"):
                assert vars(instance) == {}
                instance.name = instance.log = []
                assert vars(instance) == {"name": [], "log": []}
        del instance, made
        assert sys.getrefcount(cls) == before
        code.free()


@pytest.mark.parametrize(
    "operation",
    [
        "new() {Slotted}",
        "new() {Plain}",
        "new_list(r0, r0)",
        "new_tuple(r0, r0, r0)",
        "new_named_tuple(r0) {Named}",
        "new_cell(r0)",
        "int_box(1267650600228229)",
        "float_box(0.25)",
    ],
)
def test_without_memory_the_process_ends_with_a_message(operation: str) -> None:
    pytest.importorskip("_testcapi")
    script = f"""
import _testcapi
from tests.backend.machine import compiled
from tests.backend.test_emit_heap import Named, Slotted, Plain
code = compiled("trace t(r0)\\n  r1 = {operation}\\n  finish(r1)", {{"Slotted": Slotted, "Plain": Plain, "Named": Named}})
enter, values = code.enter, [None]
# Uses up the free lists.
keep = [float(i) for i in range(5000)], [(None, None, i) for i in range(5000)], [[i] for i in range(500)]
_testcapi.set_nomemory(0)
enter(values)
"""
    environment = {"PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == -signal.SIGABRT, result.stderr
    assert "metatracer: out of memory in machine code" in result.stderr


def test_inline_values_are_read_written_and_kept_in_order() -> None:
    Plain(1)
    field = field_for(Plain, "x")
    text = """trace t(r0: Plain, r1)
      guard_inline_values(r0) -> [r0]
      r2 = getfield(r0) {x}
      setfield(r0, r1) {x}
      finish(r2)"""
    code = compiled(text, {**namespace(), "x": field})
    old, new = object(), object()
    instance = Plain(old)
    counts = Counts(old, new).start()
    assert outcome(code, instance, new)[2] is old
    assert instance.x is new
    assert counts.changes() == [-1, 1]
    instance.__dict__  # makes a dict (3.11 and 3.12: instead of the values)
    assert outcome(code, instance, old)[0] == "guard_inline_values"
    code.free()


def test_a_first_store_of_an_inline_value_is_seen_by_the_dict() -> None:
    one = Open(1)
    one.late()
    names = {**namespace(), "x": field_for(Open, "x"), "y": field_for(Open, "y")}
    code = compiled("trace t(r0: Open, r1)\n  setfield(r0, r1) {y}\n  setfield(r0, &5) {x}\n  finish(r0)", names)
    instance = object.__new__(Open)
    assert outcome(code, instance, "late")[2] is instance
    assert list(vars(instance).items()) == [("y", "late"), ("x", 5)]
    code.free()
    code = compiled("trace t(r1)\n  r0 = new() {Open}\n  setfield(r0, r1) {y}\n"
                    "  setfield(r0, &5) {x}\n  finish(r0)", names)
    assert list(vars(outcome(code, "fresh")[2]).items()) == [("y", "fresh"), ("x", 5)]
    code.free()


def test_guard_not_shadowed() -> None:
    shaped = Open(1)
    shaped.late()
    names = {**namespace(), "y": shadow_field(Open, "y", Open(1)), "absent": shadow_field(Open, "absent", Open(1))}
    for name in ("y", "absent"):
        code = compiled(f"trace t(r0: Open)\n  guard_not_shadowed(r0) {{{name}}} -> []\n  finish(None)", names)
        instance = Open(1)
        assert outcome(code, instance)[0] == "finish"
        setattr(instance, name, 3)
        assert outcome(code, instance)[0] == "guard_not_shadowed"
        code.free()


def test_list_operations() -> None:
    text = """trace t(r0: list, r1)
      i2 = list_len(r0)
      i3 = int_sub(i2, 1)
      r4 = list_getitem(r0, i3)
      list_setitem(r0, 0, r1)
      finish(r4)"""
    code = compiled(text)
    first, last, new = object(), object(), object()
    items = [first, last]
    counts = Counts(first, last, new).start()
    assert outcome(code, items, new)[2] is last
    assert items == [new, last]
    assert counts.changes() == [-1, 0, 1]
    code.free()


def test_list_append_grows_as_python_does() -> None:
    code = compiled("trace t(r0: list, r1)\n  list_append(r0, r1)\n  finish(r0)")
    items: list[Any] = []
    other: list[Any] = []
    value = object()
    counts = Counts(value).start()
    for _ in range(100):
        assert outcome(code, items, value)[2] is items
        other.append(value)
        assert sys.getsizeof(items) == sys.getsizeof(other)
    assert items == other
    assert counts.changes() == [200]
    code.free()


def test_list_pop_shrinks_as_python_does() -> None:
    code = compiled("trace t(r0: list)\n  r1 = list_pop(r0)\n  finish(r1)")
    value = object()
    items, other = [value] * 100, [value] * 100
    counts = Counts(value).start()
    for _ in range(100):
        assert outcome(code, items)[2] is value
        other.pop()
        assert sys.getsizeof(items) == sys.getsizeof(other)
    assert items == []
    assert counts.changes() == [-200]
    code.free()


def test_list_pop_leaves_a_short_list_the_memory_that_python_does() -> None:
    code = compiled("trace t(r0: list)\n  r1 = list_pop(r0)\n  finish(r1)")
    for length in range(1, 40):
        items, other = [], []
        for number in range(length):
            items.append(number)
            other.append(number)
        while items:
            assert outcome(code, items)[2] == other.pop()
            assert sys.getsizeof(items) == sys.getsizeof(other)
    code.free()


def test_named_tuples_are_what_their_class_makes() -> None:
    text = "trace t(r0, r1)\n  r2 = new_named_tuple(r0, r1) {Named}\n  finish(r2)"
    code = compiled(text, {"Named": Named})
    one, two = object(), object()
    before = sys.getrefcount(Named)
    counts = Counts(one, two).start()
    made = outcome(code, one, two)[2]
    assert type(made) is Named
    assert (made, len(made), made.right) == ((one, two), 2, two)
    assert gc.is_tracked(made)
    assert counts.changes() == [1, 1]
    del made
    assert counts.changes() == [0, 0]
    assert sys.getrefcount(Named) == before
    code.free()


def test_new_sequences_own_their_items() -> None:
    code = compiled("trace t(r0, r1)\n  r2 = new_list(r0, r1, r0)\n"
                    "  r3 = new_tuple(r2, r0)\n  r4 = new_tuple(r3, None)\n  finish(r4)")
    one, two = object(), object()
    counts = Counts(one, two).start()
    made = outcome(code, one, two)[2]
    assert made == (([one, two, one], one), None)
    assert gc.is_tracked(made)
    assert counts.changes() == [3, 1]
    del made
    assert counts.changes() == [0, 0]
    code.free()
    assert run("trace t()\n  r0 = new_tuple()\n  r1 = new_list()\n  r2 = new_tuple(r0, r1)\n  finish(r2)")[2] == ((), [])


def test_cells() -> None:
    code = compiled("trace t(r0: cell, r1)\n  r2 = cell_get(r0)\n  cell_set(r0, r1)\n"
                    "  r3 = new_cell(r1)\n  guard_null(r2) -> [r2, r3]\n  finish(r3)")
    old, new = object(), object()
    cell = types.CellType()
    counts = Counts(old, new).start()
    made = outcome(code, cell, new)[2]
    assert made.cell_contents is new
    assert cell.cell_contents is new
    assert counts.changes() == [0, 2]
    cell.cell_contents = old
    seen = outcome(code, cell, new)
    assert seen[2] is old
    assert cell.cell_contents is new
    code.free()
    text = "trace t()\n  r0 = new_cell(NULL)\n  r1 = cell_get(r0)\n  guard_nonnull(r1) -> [r1]\n  finish(None)"
    assert run(text)[2] is NULL_OBJECT


@pytest.mark.parametrize("text", ["push", "\u00e9t\u00e9", "\u0100b", "a\U0001f600"])
def test_strings(text: str) -> None:
    code = compiled("trace t(r0: str, r1: int)\n  i2 = int_unbox(r1) -> []\n  i3 = str_ord_at(r0, i2)\n  i4 = str_len(r0)\n"
                    "  i5 = int_mul(i3, 100)\n  i6 = int_add(i5, i4)\n  r7 = int_box(i6)\n  finish(r7)")  # fmt: skip
    for index, char in enumerate(text):
        assert outcome(code, text, index)[2] == ord(char) * 100 + len(text)
    code.free()


def test_str_eq_and_chr() -> None:
    code = compiled("trace t(r0: str, r1: str)\n  b2 = str_eq(r0, r1)\n  r3 = bool_box(b2)\n  finish(r3)")
    words = ["", "a", "b", "ab", "\u0100", "\U0001f600", "ab"[:1] + "b"]
    for left in words:
        for right in words:
            assert outcome(code, left, right)[2] is (left == right)
    code.free()
    code = compiled("trace t(r0: int)\n  i1 = int_unbox(r0) -> []\n  r2 = str_chr(i1)\n  finish(r2)")
    for ordinal in (0, 65, 200, 0x100, 0x10FFFF):
        assert outcome(code, ordinal)[2] == chr(ordinal)
    code.free()


def test_bytes_and_bytearrays() -> None:
    code = compiled("trace t(r0: bytes, r1: bytearray)\n  i2 = bytes_getitem(r0, 1)\n  bytearray_setitem(r1, 0, i2)\n"
                    "  i3 = bytearray_getitem(r1, 1)\n  i4 = bytes_len(r0)\n  i5 = bytearray_len(r1)\n  i6 = int_mul(i4, i5)\n"
                    "  i7 = int_add(i3, i6)\n  r8 = int_box(i7)\n  finish(r8)")  # fmt: skip
    target = bytearray(b"xyz")
    del target[0]  # moves the start, not the content
    assert outcome(code, b"\x00\xff", target)[2] == ord("z") + 4
    assert target == b"\xffz"
    code.free()


@pytest.mark.parametrize("typecode", "bBhHiIlLqQ")
def test_integer_arrays(typecode: str) -> None:
    code = compiled(f"trace t(r0: array)\n  guard_array_typecode(r0) {{'{typecode}'}} -> []\n"
                    f"  i1 = array_getitem_i(r0, 0) {{'{typecode}'}} -> [r0]\n  array_setitem_i(r0, 1, i1) {{'{typecode}'}}\n"
                    "  i2 = array_len(r0)\n  i3 = int_sub(i1, i2)\n  r4 = int_box(i3)\n  finish(r4)")  # fmt: skip
    bits = 8 * array.array(typecode).itemsize
    extremes = [0, (1 << bits) - 1] if typecode.isupper() else [-(1 << bits - 1), (1 << bits - 1) - 1]
    for value in [*extremes, 1]:
        target = array.array(typecode, [value, 5])
        seen = outcome(code, target)
        if value >= 1 << 63:
            assert seen == ("array_getitem_i", None, target)
        else:
            assert seen[2] == (value - 2 if value - 2 >= -(1 << 63) else value - 2 + (1 << 64))
            assert target[1] == value
    assert outcome(code, array.array("d", [1.0]))[0] == "guard_array_typecode"
    code.free()


@pytest.mark.parametrize("form", [order + code for order in "<>" for code in "bBhHiIqQ"])
def test_numbers_in_buffers(form: str) -> None:
    code = compiled(f"trace t(r0: bytes, r1: bytearray)\n  i2 = bytes_load(r0, 1) {{'{form}'}}\n"
                    f"  bytearray_store(r1, 2, i2) {{'{form}'}}\n  i3 = bytearray_load(r1, 2) {{'{form}'}}\n"
                    "  i4 = int_sub(i2, i3)\n  r5 = int_box(i2)\n  r6 = int_box(i4)\n"
                    "  r7 = new_tuple(r5, r6)\n  finish(r7)")  # fmt: skip
    for content in (bytes(range(250, 256)) + bytes(range(6)), bytes(range(1, 13)), b"\x00\x7f" + bytes(10)):
        target = bytearray(12)
        number = struct.unpack_from(form, content, 1)[0]
        assert outcome(code, content, target)[2] == (number - (2**64 if number >= 2**63 else 0), 0)
        assert target[2 : 2 + struct.calcsize(form)] == struct.pack(form, number)
        assert target.count(0) >= 12 - struct.calcsize(form)
    code.free()


@pytest.mark.parametrize("typecode", "fd")
def test_float_arrays(typecode: str) -> None:
    code = compiled(f"trace t(r0: array)\n  f1 = array_getitem_f(r0, 0) {{'{typecode}'}}\n  f2 = float_mul(f1, 0.1)\n"
                    f"  array_setitem_f(r0, 1, f2) {{'{typecode}'}}\n  r3 = float_box(f1)\n  finish(r3)")  # fmt: skip
    target, expected = array.array(typecode, [1.5, 0.0]), array.array(typecode, [1.5, 1.5 * 0.1])
    assert outcome(code, target)[2] == 1.5
    assert target == expected
    code.free()


def test_finalizers_run_where_the_interpreter_would_run_them() -> None:
    """The old item goes after the store; an unused value right behind its last use."""
    log: list[str] = []
    seen: list[Any] = []
    items: list[Any] = [Noisy(log, "old")]
    code = compiled(
        "trace t(r0: list, r1)\n  list_setitem(r0, 0, None)\n  r2 = call(look)\n  guard_no_exception(r2) -> [r0, r1]\n"
        "  r3 = new_tuple(r1)\n  r4 = call(look)\n  guard_no_exception(r4) -> []\n  finish(None)",
        {"look": lambda: seen.append(list(log))},
    )
    assert code.enter is not None
    values = [items, Noisy(log, "argument")]
    code.enter(values)
    assert seen == [["old"], ["old", "argument"]]
    assert items == [None]
    code.free()


@pytest.mark.parametrize("level", [0, 2])
def test_an_object_is_stored_over_others_and_over_itself(level: int) -> None:
    """The reference is taken with the store, and not at all where the item is the object already."""
    code = compiled(
        """trace t(r0: list, r1)
          list_setitem(r0, 0, r1)
          list_setitem(r0, 1, r1)
          list_setitem(r0, 1, r1)
          finish(r1)""",
        level=level,
    )
    old, new = object(), object()
    counts = Counts(old, new).start()
    items = [old, new]
    assert outcome(code, items, new) == ("finish", None, new)
    assert items == [new, new]
    assert counts.changes() == [0, 2]
    assert outcome(code, items, new)[0] == "finish"
    assert counts.changes() == [0, 2]
    items.clear()
    assert counts.changes() == [0, 0]
    assert code.ir_text.count("icmp eq ptr") >= 3
    code.free()
