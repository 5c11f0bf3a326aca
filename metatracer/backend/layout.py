"""Where CPython keeps things: offsets and encodings that machine code relies on, one `Layout` per Python version.

All offsets are in bytes from the start of the object (`id(obj)`), unless said otherwise. The figures were computed with
`offsetof` from each version's headers; `layout()` verifies every one of them on live objects when it is first used
(`layout_checks`) and raises `LayoutError` if one does not hold, which turns native code off.

Instance attributes of classes without ``__slots__`` live in an array of *values*, whose index is given by the class's
shared keys (`fields.inline_index`). Where the array is depends on the version (`Layout.values_mode`):

* ``"pointer"`` (3.11): the word at ``values_word`` (negative) is the array's address, or NULL when the instance has (or
  had) a dict instead.
* ``"tagged"`` (3.12): the word at ``values_word`` has its lowest bit set when it holds values; the array's address is
  that word + 1. Otherwise the word is the dict or NULL.
* ``"embedded"`` (3.13): the array is part of the object. It is in use when the byte at ``values_valid`` is not 0. The word
  at ``dict_word`` is the dict, once somebody asked for one; then the dict shows the same array, and only reading and
  replacing bound values is allowed behind its back. Machine code asks for both: valid, and no dict.

``values_items`` is the distance from the array's base (``"embedded"``: from the object) to value 0. Value i is NULL when
the attribute is unset. A store over a non-NULL value needs nothing else. A store over NULL must also append the index
to the *insertion order*:

* ``"pointer"`` and ``"tagged"``, with `values` the array's address: ``n = ++*(u8*)(values - 2); *(u8*)(values - 2 - n) = i``.
* ``"embedded"``: ``n = (*(u8*)(obj + values_size))++; *(u8*)(obj + values_items + 8 * capacity + n) = i`` with ``capacity``
  the byte at ``obj + values_capacity``.

This module does not look into classes or instances for the recorder: see `fields`.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
import sysconfig
from dataclasses import dataclass

from metatracer.errors import LayoutError

SUPPORTED_VERSIONS = ((3, 11), (3, 12), (3, 13))

WORD = 8
"""Bytes of a pointer."""

TPFLAGS_INLINE_VALUES = 1 << 2
"""tp_flags, 3.13 on: instances embed their values."""
TPFLAGS_MANAGED_DICT = 1 << 4
"""tp_flags: instances keep attributes in values or in a dict, both found before the object."""
TPFLAGS_IMMUTABLETYPE = 1 << 8
TPFLAGS_HEAPTYPE = 1 << 9
TPFLAGS_VALID_VERSION_TAG = 1 << 19
TPFLAGS_IS_ABSTRACT = 1 << 20

INT_DIGIT_BITS = 30
"""Bits of one digit of an int; digits are stored as 32-bit words, least significant first."""

STR_COMPACT_ASCII = 0b110_0000
"""The bits of `str_state` of a compact ascii string."""

DICT_KEYS_GENERAL = 0
"""dk_kind of keys with entries (hash, key, value); the other kinds have entries (key, value)."""
DICT_KEYS_UNICODE = 1
"""dk_kind of keys that are exactly strings, not shared."""

MEMBER_OBJECT_EX = 16
"""`PyMemberDef.type` of a slot made by ``__slots__``."""
MEMBER_READONLY = 1
"""Bit of `PyMemberDef.flags`."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets and encodings of one CPython version; see the module docstring for the instance attributes.

    Attributes:
        version: (major, minor).
        has_immortal: Objects whose low 32 bits of the reference count are negative as a 32-bit integer must not be
            counted: incref adds 1 to the low 32 bits unless that gives 0; decref does nothing if they are negative.
        int_tagged: False (3.11): the word at `int_size` is the number of digits, negative for negative ints. True (3.12 on):
            it is a tag: bits 0-1 are the sign (0 positive, 1 zero, 2 negative), the number of digits is tag >> 3.
        small_int_base, small_int_stride: The int i with small_int_min <= i <= small_int_max is the object at
            small_int_base + small_int_stride * i, and there is no other int of that value to be made.
        str_hash, bytes_hash: The hash as a signed word, -1 as long as nobody has asked for it.
        dict_watched: Those bits of the word at `dict_version` that are not part of the version: one is set while the dict has
            a watcher.
        str_state: 32-bit word: bits 0-1 interned, 2-4 kind (bytes per character: 1, 2 or 4), 5 compact, 6 ascii.
            A compact ascii string's characters start at str_ascii_data, another compact string's at str_compact_data.
            A string that is not compact (exact `str` objects of old C extensions on 3.11) must be left alone.
        eval_breaker_in_thread: True: the breaker is a 64-bit word of the thread state, and `eval_breaker_mask` its event
            bits. False: a 32-bit word of the interpreter state, not 0 when attention is wanted.
        eval_breaker: Offset in the thread or interpreter state. Prefer `eval_breaker_address`.
        exc_info: In the thread state: pointer to the innermost exception-state item, whose word at `exc_value` is the
            handled exception: NULL or None when there is none, else a strong reference.
        managed_weak: Where ``__weakref__`` among the slots of a class makes the place of weak references; 0 where that is behind
            the slots.
        recursion_remaining: In the thread state, 32 bits: how many more Python frames may be entered.
        frame_running, running_function: In a frame object, the frame that runs; in that, its function.
        generator_state: In a generator, a signed byte: one of the four `generator_begins` (it has not been asked yet),
            `generator_waits` (at a `yield`; 1 more in a `yield from` on 3.13), 0 while it runs, `generator_over` or more. On 3.11
            the frame must have been cleared when it is over.
        generator_handled: In a generator, the exception that it handles itself: NULL or None, else a strong reference.
        generator_frame: In a generator, its frame. In that: `frame_function`; `frame_code`; `frame_object`, NULL as long as
            nobody has looked at the frame; `frame_globals`; `frame_place`, the address of the code unit that
            ran last (of the next one, `place_ahead` bytes on, on 3.13); `frame_top`, 32 bits: how many slots are in use;
            `frame_slots`, the first of them: locals, cells and free variables, then the operand stack. What is in the slots
            that are not in use is not defined.
        code_units: In a code object, its first code unit.
    """

    version: tuple[int, int]
    # object header
    ob_refcnt: int
    ob_type: int
    ob_size: int
    has_immortal: bool
    # numbers
    float_value: int
    int_tagged: bool
    int_size: int
    int_digits: int
    small_int_base: int
    small_int_stride: int
    small_int_min: int
    small_int_max: int
    true_address: int
    false_address: int
    none_address: int
    # sequences and cells
    list_items: int
    list_allocated: int
    tuple_items: int
    cell_content: int
    # strings and buffers
    str_length: int
    str_hash: int
    str_state: int
    str_ascii_data: int
    str_compact_data: int
    bytes_hash: int
    bytes_data: int
    match_string: int
    match_groups: int
    match_marks: int
    bytearray_alloc: int
    bytearray_start: int
    bytearray_exports: int
    array_items: int
    array_descr: int
    array_exports: int
    arraydescr_typecode: int
    arraydescr_itemsize: int
    # type objects
    tp_basicsize: int
    tp_itemsize: int
    tp_dealloc: int
    tp_hash: int
    tp_call: int
    tp_getattro: int
    tp_setattro: int
    tp_flags: int
    tp_weaklistoffset: int
    tp_iter: int
    tp_iternext: int
    tp_base: int
    tp_dictoffset: int
    tp_init: int
    tp_alloc: int
    tp_new: int
    tp_free: int
    tp_version_tag: int
    tp_finalize: int
    ht_cached_keys: int
    # dicts and their keys
    dict_used: int
    dict_version: int
    dict_watched: int
    dict_keys: int
    dict_values: int
    keys_log2_size: int
    keys_log2_index_bytes: int
    keys_kind: int
    keys_version: int
    keys_nentries: int
    keys_indices: int
    # instance attributes
    values_mode: str
    values_word: int
    values_items: int
    values_capacity: int
    values_size: int
    values_valid: int
    dict_word: int
    managed_weak: int
    # functions, methods, member descriptors
    function_code: int
    function_defaults: int
    function_kwdefaults: int
    method_function: int
    method_self: int
    descr_member: int
    member_type: int
    member_offset: int
    member_flags: int
    # thread and interpreter state
    thread_interpreter: int
    exc_info: int
    exc_value: int
    exc_previous: int
    recursion_remaining: int
    frame_running: int
    running_function: int
    generator_state: int
    generator_begins: int
    generator_waits: int
    generator_over: int
    generator_handled: int
    generator_frame: int
    frame_function: int
    frame_code: int
    frame_object: int
    frame_globals: int
    frame_place: int
    place_ahead: int
    frame_top: int
    frame_slots: int
    code_units: int
    eval_breaker_in_thread: bool
    eval_breaker: int
    eval_breaker_mask: int


def known_layout(version: tuple[int, int]) -> Layout:
    """The figures of a supported version, not verified.

    Raises:
        LayoutError: The version is not supported.
    """
    if version not in SUPPORTED_VERSIONS:
        raise LayoutError(f"object layouts of Python {version[0]}.{version[1]} are not known")
    is_311, is_313 = version == (3, 11), version == (3, 13)
    return Layout(
        version=version,
        ob_refcnt=0,
        ob_type=8,
        ob_size=16,
        has_immortal=not is_311,
        float_value=16,
        int_tagged=not is_311,
        int_size=16,
        int_digits=24,
        small_int_base=id(0),
        small_int_stride=id(1) - id(0),
        small_int_min=-5,
        small_int_max=256,
        true_address=id(True),
        false_address=id(False),
        none_address=id(None),
        list_items=24,
        list_allocated=32,
        tuple_items=24,
        cell_content=16,
        str_length=16,
        str_hash=24,
        str_state=32,
        str_ascii_data=48 if is_311 else 40,
        str_compact_data=72 if is_311 else 56,
        bytes_hash=24,
        bytes_data=32,
        match_string=24,
        match_groups=72,
        match_marks=80,
        bytearray_alloc=24,
        bytearray_start=40,
        bytearray_exports=48,
        array_items=24,
        array_descr=40,
        array_exports=56,
        arraydescr_typecode=0,
        arraydescr_itemsize=4,
        tp_basicsize=32,
        tp_itemsize=40,
        tp_dealloc=48,
        tp_hash=120,
        tp_call=128,
        tp_getattro=144,
        tp_setattro=152,
        tp_flags=168,
        tp_weaklistoffset=208,
        tp_iter=216,
        tp_iternext=224,
        tp_base=256,
        tp_dictoffset=288,
        tp_init=296,
        tp_alloc=304,
        tp_new=312,
        tp_free=320,
        tp_version_tag=384,
        tp_finalize=392,
        ht_cached_keys=872 if is_311 else 880,
        dict_used=16,
        dict_version=24,
        dict_watched=0 if is_311 else 0xFFF if is_313 else 0xFF,
        dict_keys=32,
        dict_values=40,
        keys_log2_size=8,
        keys_log2_index_bytes=9,
        keys_kind=10,
        keys_version=12,
        keys_nentries=24,
        keys_indices=32,
        values_mode="pointer" if is_311 else "embedded" if is_313 else "tagged",
        values_word=-32 if is_311 else -24,
        # 3.13: a header of four bytes (and padding) stands at obj + 16, the end of the plain object.
        values_items=24 if is_313 else 0,
        values_capacity=16 if is_313 else -1,
        values_size=17 if is_313 else -2,
        values_valid=19 if is_313 else 0,
        dict_word=-24,
        managed_weak=0 if is_311 else -32,
        function_code=48,
        function_defaults=56,
        function_kwdefaults=64,
        method_function=16,
        method_self=24,
        descr_member=40,
        member_type=8,
        member_offset=16,
        member_flags=24,
        thread_interpreter=16,
        exc_info=104 if version == (3, 12) else 120,
        exc_value=0,
        exc_previous=8,
        recursion_remaining=32 if is_311 else 44 if is_313 else 28,
        frame_running=24,
        running_function=0 if is_311 else 16,
        generator_state=75 if is_311 else 67,
        generator_begins=-3 if is_313 else -2,
        generator_waits=-2 if is_313 else -1,
        generator_over=4 if is_311 else 1,
        generator_handled=48 if is_311 else 40,
        generator_frame=80 if is_311 else 72,
        frame_function=0 if is_311 else 16,
        frame_code=32 if is_311 else 0,
        frame_object=40 if is_311 else 48,
        frame_globals=8 if is_311 else 24,
        frame_place=56,
        place_ahead=2 if is_313 else 0,
        frame_top=64,
        frame_slots=72,
        code_units=184 if is_311 else 200 if is_313 else 192,
        eval_breaker_in_thread=is_313,
        eval_breaker=24 if is_313 else 100 if is_311 else 368,
        eval_breaker_mask=0xFF if is_313 else 0xFFFFFFFF,
    )


@functools.lru_cache(maxsize=1)
def _verified() -> Layout | str:
    """The verified layout of the running interpreter, or why there is none."""
    if sys.implementation.name != "cpython":
        return f"native code needs CPython, this is {sys.implementation.name}"
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64") or sys.maxsize != 2**63 - 1:
        return f"native code needs 64-bit x86 Linux, this is {sys.platform} on {platform.machine()}"
    version = sys.version_info[:2]
    if version not in SUPPORTED_VERSIONS:
        return f"native code needs CPython 3.11 to 3.13, this is {version[0]}.{version[1]}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "native code does not work with a free-threaded build of CPython"
    if hasattr(sys, "gettotalrefcount") or sysconfig.get_config_var("Py_TRACE_REFS"):
        return "native code does not work with a debug build of CPython"
    from metatracer.backend import layout_checks

    try:
        return layout_checks.verify(known_layout(version))
    except LayoutError as error:
        return str(error)


def layout() -> Layout:
    """The verified layout of the running interpreter (cached).

    Raises:
        LayoutError: Native code is not possible here; the message says why.
    """
    result = _verified()
    if isinstance(result, str):
        raise LayoutError(result)
    return result


def native_support() -> str:
    """Why machine code cannot be used in this process, as a sentence; "" when it can."""
    result = _verified()
    return result if isinstance(result, str) else ""


# --- reading memory -----------------------------------------------------------------------------------------------------


def read_word(address: int) -> int:
    """The unsigned 64-bit word at `address`."""
    return ctypes.c_uint64.from_address(address).value


def read_signed(address: int) -> int:
    """The signed 64-bit word at `address`."""
    return ctypes.c_int64.from_address(address).value


def read_u32(address: int) -> int:
    """The unsigned 32-bit word at `address`."""
    return ctypes.c_uint32.from_address(address).value


def read_byte(address: int) -> int:
    """The byte at `address`."""
    return ctypes.c_uint8.from_address(address).value


def write_word(address: int, value: int) -> None:
    """Store the 64-bit word `value` at `address`."""
    ctypes.c_uint64.from_address(address).value = value


def object_at(address: int) -> object:
    """The live object at `address`, as a new reference."""
    return ctypes.cast(address, ctypes.py_object).value


# --- thread and interpreter state -----------------------------------------------------------------------------------------

_thread_state_get = ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThreadState_Get", ctypes.pythonapi))


def thread_state() -> int:
    """Address of the calling thread's PyThreadState. Machine code calls ``PyThreadState_Get`` for it."""
    address = _thread_state_get()
    assert address is not None  # CPython aborts the process rather than giving NULL
    return int(address)


def eval_breaker_address(figures: Layout, thread: int) -> int:
    """Address of the word that is not 0 (under `eval_breaker_mask`) when the evaluation loop wants attention.

    With `eval_breaker_in_thread` it is valid for that thread only; else it is the same for all threads.

    Args:
        figures: The layout.
        thread: Address of a thread state of this interpreter.
    """
    if figures.eval_breaker_in_thread:
        return thread + figures.eval_breaker
    return read_word(thread + figures.thread_interpreter) + figures.eval_breaker
