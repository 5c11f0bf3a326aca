"""Layout figures against live objects, and what happens when they are wrong."""

import array
import dataclasses
import os
import random
import resource
import struct
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatracer.backend import layout as lay
from metatracer.backend import layout_checks, probe
from metatracer.backend.layout import (
    eval_breaker_address,
    known_layout,
    layout,
    native_support,
    read_byte,
    read_signed,
    read_u32,
    read_word,
    thread_state,
)
from metatracer.backend.layout_checks import Memory, decode_int, open_memory
from metatracer.errors import LayoutError

pytestmark = pytest.mark.skipif(native_support() != "", reason=native_support() or "supported")
direct = Memory(-1)


def attention():
    return read_u32(eval_breaker_address(layout(), thread_state())) & layout().eval_breaker_mask


def test_support_is_reported_for_this_interpreter():
    assert native_support() == ""
    assert layout().version == sys.version_info[:2]
    assert layout() is layout()


@pytest.mark.parametrize("version", lay.SUPPORTED_VERSIONS)
def test_every_supported_version_has_figures(version):
    assert known_layout(version).version == version


def test_unknown_version_is_refused():
    with pytest.raises(LayoutError, match=r"3\.99"):
        known_layout((3, 99))


@settings(max_examples=200, deadline=None)
@given(st.integers() | st.integers(-(2**64), 2**64) | st.integers(min_value=2**200) | st.integers(-300, 300))
def test_int_is_decoded(value):
    assert decode_int(direct, layout(), value) == value


@pytest.mark.parametrize(
    "value",
    [s * 2**n + d for n in (0, 29, 30, 31, 59, 60, 62, 63, 64, 90) for s in (1, -1) for d in (-1, 0, 1)],
)
def test_int_is_decoded_at_digit_borders(value):
    assert decode_int(direct, layout(), value) == value


def test_small_ints_stand_in_a_table():
    figures = layout()
    for value in range(figures.small_int_min, figures.small_int_max + 1):
        assert id(int(str(value))) == figures.small_int_base + figures.small_int_stride * value
    for value in (figures.small_int_min - 1, figures.small_int_max + 1):
        first, second = int(str(value)), int(str(value))
        assert first is not second


@settings(max_examples=100, deadline=None)
@given(st.floats(allow_nan=True))
def test_float_payload(value):
    assert struct.pack("<d", value) == direct.read(id(value) + layout().float_value, 8)


@settings(max_examples=150, deadline=None)
@given(st.text() | st.text("ab\xe9") | st.text("a\u0416") | st.text("a\U0001f600"))
def test_str_characters(text):
    figures = layout()
    state = read_u32(id(text) + figures.str_state)
    kind, compact, ascii_only = (state >> 2) & 7, (state >> 5) & 1, (state >> 6) & 1
    highest = max(map(ord, text), default=0)
    assert (kind, compact, ascii_only) == (1 if highest < 256 else 2 if highest < 65536 else 4, 1, int(highest < 128))
    start = id(text) + (figures.str_ascii_data if ascii_only else figures.str_compact_data)
    data = direct.read(start, kind * len(text)) if text else b""
    found = [int.from_bytes(data[i : i + kind], "little") for i in range(0, len(data), kind)]
    assert found == [ord(character) for character in text]
    assert read_word(id(text) + figures.str_length) == len(text)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers()))
def test_list_and_tuple_items(values):
    figures = layout()
    values.append(1)
    block = read_word(id(values) + figures.list_items)
    assert [read_word(block + 8 * i) for i in range(len(values))] == [id(value) for value in values]
    assert read_signed(id(values) + figures.list_allocated) >= len(values) == read_word(id(values) + figures.ob_size)
    frozen = tuple(values)
    assert [read_word(id(frozen) + figures.tuple_items + 8 * i) for i in range(len(frozen))] == [id(v) for v in values]


def test_cell_content_follows_assignment():
    cell = types.CellType()
    assert read_word(id(cell) + layout().cell_content) == 0
    cell.cell_contents = content = object()
    assert read_word(id(cell) + layout().cell_content) == id(content)


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1), st.integers(0, 8))
def test_bytes_and_bytearray_contents(data, cut):
    figures = layout()
    assert direct.read(id(data) + figures.bytes_data, len(data)) == data
    buffer = bytearray(data)
    del buffer[:cut]
    start = read_word(id(buffer) + figures.bytearray_start)
    assert not buffer or direct.read(start, len(buffer)) == bytes(buffer)
    assert read_word(id(buffer) + figures.ob_size) == len(buffer)


@pytest.mark.parametrize("typecode", "bBhHiIlLqQfd")
def test_array_items(typecode):
    figures = layout()
    values = array.array(typecode, [1, 2, 3, 100])
    values.append(7)
    items = read_word(id(values) + figures.array_items)
    assert direct.read(items, values.itemsize * 5) == values.tobytes()
    descr = read_word(id(values) + figures.array_descr)
    assert chr(read_byte(descr + figures.arraydescr_typecode)) == typecode


def test_immortal_objects_are_told_by_their_count():
    signed = struct.unpack("<i", direct.read(id(None) + layout().ob_refcnt, 4))[0]
    assert (signed < 0) == layout().has_immortal == (sys.version_info >= (3, 12))


# --- instance attributes ------------------------------------------------------------------------------------------------


def new_class():
    class Instance:
        pass

    return Instance


def test_inline_values_follow_random_assignments():
    figures = layout()
    rng = random.Random(5)
    cls = new_class()
    names = [f"name{i}" for i in range(12)]
    for _ in range(30):
        instance, truth = cls(), {}
        for _ in range(20):
            name = rng.choice(names)
            if name in truth and rng.random() < 0.3:
                delattr(instance, name)
                del truth[name]
            else:
                value = object()
                setattr(instance, name, value)
                truth.pop(name, None) if name not in truth else None
                truth[name] = value
        assert layout_checks._are_inline(direct, figures, id(instance))
        keys = read_word(id(cls) + figures.ht_cached_keys)
        shared = [lay.object_at(key) for key in layout_checks.keys_names(direct, figures, keys)]
        base = layout_checks._values_base(direct, figures, id(instance)) + figures.values_items
        found = {name: read_word(base + 8 * i) for i, name in enumerate(shared)}
        assert {name: value for name, value in found.items() if value} == {k: id(v) for k, v in truth.items()}
        order = layout_checks._insertion_order(direct, figures, id(instance))
        assert [shared[i] for i in order] == list(truth)


@pytest.mark.parametrize(
    "materialize", [vars, lambda o: setattr(o, "__dict__", {"x": 1}), lambda o: vars(o).update(y=2)]
)
def test_materialized_dict_ends_inline_values(materialize):
    instance = new_class()()
    instance.x = 1
    assert layout_checks._are_inline(direct, layout(), id(instance))
    materialize(instance)
    assert not layout_checks._are_inline(direct, layout(), id(instance))
    assert read_word(id(instance) + layout().dict_word) == id(vars(instance))


# --- the thread's state -----------------------------------------------------------------------------------------------------


def handled():
    figures = layout()
    return read_word(read_word(thread_state() + figures.exc_info) + figures.exc_value)


def test_handled_exception():
    seen = []
    assert handled() in (0, id(None))
    try:
        raise KeyError("outer")
    except KeyError as outer:
        seen.append((handled(), id(outer)))
        try:
            raise ValueError("inner")
        except ValueError as inner:
            seen.append((handled(), id(inner)))
        seen.append((handled(), id(outer)))
    assert handled() in (0, id(None))
    assert len(seen) == 3
    assert all(found == expected for found, expected in seen)


def test_recursion_count_falls_by_one_per_call():
    place = thread_state() + layout().recursion_remaining

    def remaining(depth):
        return remaining(depth - 1) if depth else read_u32(place)

    assert remaining(3) - remaining(20) == 17


def test_probe_leaves_no_request_behind():
    base = eval_breaker_address(layout(), thread_state()) - layout().eval_breaker
    for _ in range(3):
        found = probe.attention_offset(base, layout().eval_breaker, in_thread=layout().eval_breaker_in_thread)
        assert found == layout().eval_breaker
        assert attention() == 0


@pytest.mark.parametrize("moved", [-16, -8, 8, 24, 64])
def test_probe_finds_a_breaker_that_has_moved(moved):
    base = eval_breaker_address(layout(), thread_state()) - layout().eval_breaker
    expected = max(0, layout().eval_breaker + moved)
    assert probe.attention_offset(base, expected, in_thread=layout().eval_breaker_in_thread) == layout().eval_breaker


def test_probe_gives_up_where_there_is_no_breaker():
    blank = (lay.ctypes.c_uint64 * 200)()
    with pytest.raises(LayoutError, match="breaker"):
        probe.attention_offset(lay.ctypes.addressof(blank), 400, in_thread=layout().eval_breaker_in_thread)


@pytest.mark.parametrize(
    ("expected", "found"), [(400, [[404], [], [400, 404]]), (416, [[404], [400], [404]]), (400, [[404], [404], [404, 420]])]
)
def test_probe_is_not_misled_by_a_request_that_somebody_else_has_made(monkeypatch, expected, found):
    base = 4096
    attempts = iter(found)
    monkeypatch.setattr(probe, "changed_words", lambda start, *_, **__: [base + place - start for place in next(attempts)])
    assert probe.attention_offset(base, expected, in_thread=False) == min(map(min, filter(None, found)))


def test_probe_works_in_any_thread():
    found = []

    def look():
        base = eval_breaker_address(layout(), thread_state()) - layout().eval_breaker
        found.append(probe.attention_offset(base, layout().eval_breaker, in_thread=layout().eval_breaker_in_thread))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [layout().eval_breaker]


# --- wrong figures ----------------------------------------------------------------------------------------------------------

UNCHECKED = {
    "version": "a name",
    "values_valid": "read on 3.13 only" if sys.version_info < (3, 13) else "",
    "values_capacity": "read on 3.13 only" if sys.version_info < (3, 13) else "",
    "eval_breaker": "found by the probe, wherever it is near",
    "eval_breaker_mask": "which bits are events is stated by CPython's headers only",
    "eval_breaker_in_thread": "decides what the probe does",
    "values_word": "not used on 3.13" if sys.version_info >= (3, 13) else "",
    "none_address": "is id(None)",
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(lay.Layout)])
def test_a_wrong_figure_is_noticed(name):
    if UNCHECKED.get(name):
        pytest.skip(UNCHECKED[name])
    value = getattr(layout(), name)
    wrong = {"values_mode": "embedded" if value == "pointer" else "pointer", "small_int_min": -6}.get(name)
    if wrong is None:
        wrong = (not value) if isinstance(value, bool) else value + 8
    figures = dataclasses.replace(layout(), **{name: wrong})
    with pytest.raises(LayoutError, match="native code is off|a pointer to"):
        layout_checks.verify(figures)


def test_unreadable_memory_is_an_error_and_no_crash():
    with open_memory() as memory:
        for address in (0, 8, 2**47, 2**63 + 8):
            with pytest.raises(LayoutError, match="a pointer to"):
                memory.word(address)


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ("sys.platform = 'darwin'", "64-bit x86 Linux"),
        ("platform.machine = lambda: 'aarch64'", "64-bit x86 Linux"),
        ("sys.version_info = (3, 14, 0, 'final', 0)", "this is 3.14"),
        ("sys.gettotalrefcount = lambda: 0", "debug build"),
        ("sysconfig.get_config_var = lambda name: name == 'Py_GIL_DISABLED'", "free-threaded"),
    ],
)
def test_unsupported_processes_say_why(patch, reason):
    script = (
        "import sys, platform, sysconfig\nfrom metatracer.backend.layout import layout, native_support\n"
        "from metatracer.errors import LayoutError\n"
        f"{patch}\nprint(native_support())\ntry:\n    layout()\nexcept LayoutError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    first, second = result.stdout.splitlines()
    assert reason in first
    assert first == second


GUEST = """
import resource, sys, metatracer
{before}
driver = metatracer.JitDriver(greens=["code"], name="toy")
@driver.portal
def run(code, n):
    i = total = 0
    while i < n:
        driver.jit_merge_point(code=code)
        total += i % 7
        i += 1
    return total
{then}
print(run(1, 3000), run(2, 3000), metatracer.statistics_snapshot()["loops_compiled"])
"""
WITHOUT_LLVM = """
class Absent:
    def find_spec(self, name, path, target=None):
        if name.startswith("llvmlite.binding"):
            raise OSError("not here")
sys.meta_path.insert(0, Absent())
"""
OTHER_LAYOUT = """
from metatracer.backend import layout_checks
from metatracer.errors import LayoutError
def verify(layout):
    raise LayoutError("ob_refcnt is elsewhere")
layout_checks.verify = verify
"""
NO_ROOM = """
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (200 << 20), -1))
"""


@pytest.mark.parametrize(
    ("before", "then", "reason"),
    [
        (OTHER_LAYOUT, "", "ob_refcnt is elsewhere"),
        (WITHOUT_LLVM, "", "LLVM cannot be loaded: not here"),
        ("", NO_ROOM, "LLVM cannot be loaded: of the address space that the process may have (RLIMIT_AS) only "),
    ],
)
def test_where_code_cannot_be_made_guests_run_untraced_after_one_warning(before: str, then: str, reason: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "METATRACER": "threshold=20"}
    command = [sys.executable, "-c", GUEST.format(before=before, then=then)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "8994 8994 0\n"
    assert done.stderr.count("UntracedWarning") == 1
    assert f"metatracer runs everything untraced: {reason}" in done.stderr


def test_a_module_is_not_compiled_where_memory_could_run_out() -> None:
    from metatracer.backend import llvm

    assert llvm.loading_problem() == ""
    before = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (16 << 20), before[1]))
    try:
        with pytest.raises(MemoryError, match="RLIMIT_AS"):
            llvm.emit_object("define void @f() {\nret void\n}\n", 0)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert llvm.emit_object("define void @f() {\nret void\n}\n", 0)


def test_the_checks_read_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are made in each process that imports the toolkit. (Of 90,000 reads a start took a third of a second.)"""
    reads = 0
    read = layout_checks.Memory.read

    def counted(memory: layout_checks.Memory, address: int, size: int) -> bytes:
        nonlocal reads
        reads += 1
        return read(memory, address, size)

    monkeypatch.setattr(layout_checks.Memory, "read", counted)
    layout_checks.verify(lay.known_layout(sys.version_info[:2]))
    assert reads < 6000
