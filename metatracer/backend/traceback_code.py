"""Adding traceback entries to an exception, in machine code: CPython's own constructor costs five times as much.

What is made is a builtin function ``f(exception, *places)``, which gives the exception. A place is an object of one class with
two slots: a frame, and bytes with the instruction's offset and the line as two C ints. An exception whose first entry is a
frame of the toolkit's own is left to a Python function of the same signature.
"""

from __future__ import annotations

import ctypes
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from metatracer.backend import llvm
from metatracer.backend.layout import WORD, layout, read_word
from metatracer.backend.once import once
from metatracer.backend.stored_code import compile_stored

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN = "metatracer"
_NEXT, _FRAME, _LASTI, _LINE = 16, 24, 32, 36
_BYTES_DATA = 32
_METH_FASTCALL = 0x80

_LLVM = """
define ptr @add_entries(ptr %self, ptr %args, i64 %count) nounwind {{
  %exception = load ptr, ptr %args
  %old = call ptr {PyException_GetTraceback}(ptr %exception)
  %none = icmp eq ptr %old, null
  br i1 %none, label %loop, label %something
something:
  %isnone = icmp eq ptr %old, {none}
  br i1 %isnone, label %nothing, label %look
nothing:
  call void {Py_DecRef}(ptr %old)
  br label %loop
look:
  %headp = getelementptr i8, ptr %old, i64 {frame}
  %head = load ptr, ptr %headp
  %globals = call ptr {PyFrame_GetGlobals}(ptr %head)
  %name = call ptr {PyDict_GetItemWithError}(ptr %globals, ptr {dunder_name})
  %unnamed = icmp eq ptr %name, null
  br i1 %unnamed, label %general, label %named
named:
  %typep = getelementptr i8, ptr %name, i64 {ob_type}
  %type = load ptr, ptr %typep
  %isstr = icmp eq ptr %type, {str}
  br i1 %isstr, label %compare, label %general
compare:
  %own = call i64 {PyUnicode_Tailmatch}(ptr %name, ptr {own}, i64 0, i64 {longest}, i32 -1)
  %isother = icmp eq i64 %own, 0
  br i1 %isother, label %author, label %general
author:
  call void {Py_DecRef}(ptr %globals)
  br label %loop
general:
  call void {Py_DecRef}(ptr %globals)
  call void {Py_DecRef}(ptr %old)
  call void {PyErr_Clear}()
  %found = call ptr {PyObject_Vectorcall}(ptr {fallback}, ptr %args, i64 %count, ptr null)
  ret ptr %found
loop:
  %i = phi i64 [1, %0], [1, %nothing], [1, %author], [%i1, %made]
  %next = phi ptr [null, %0], [null, %nothing], [%old, %author], [%entry, %made]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %make, label %done
make:
  %entry = call ptr {_PyObject_GC_New}(ptr {traceback})
  %failed = icmp eq ptr %entry, null
  br i1 %failed, label %full, label %made
full:
  call void {Py_DecRef}(ptr %next)
  ret ptr null
made:
  %placep = getelementptr ptr, ptr %args, i64 %i
  %place = load ptr, ptr %placep
  %framep = getelementptr i8, ptr %place, i64 {place_frame}
  %frame = load ptr, ptr %framep
  %bytesp = getelementptr i8, ptr %place, i64 {place_numbers}
  %bytes = load ptr, ptr %bytesp
  %numbersp = getelementptr i8, ptr %bytes, i64 {bytes_data}
  %numbers = load i64, ptr %numbersp
  call void {Py_IncRef}(ptr %frame)
  %nextp = getelementptr i8, ptr %entry, i64 {next}
  store ptr %next, ptr %nextp
  %entryp = getelementptr i8, ptr %entry, i64 {frame}
  store ptr %frame, ptr %entryp
  %lastip = getelementptr i8, ptr %entry, i64 {lasti}
  store i64 %numbers, ptr %lastip
  call void {PyObject_GC_Track}(ptr %entry)
  %i1 = add i64 %i, 1
  br label %loop
done:
  %isempty = icmp eq ptr %next, null
  br i1 %isempty, label %out, label %set
set:
  %error = call i32 {PyException_SetTraceback}(ptr %exception, ptr %next)
  call void {Py_DecRef}(ptr %next)
  br label %out
out:
  call void {Py_IncRef}(ptr %exception)
  ret ptr %exception
}}
"""
_FUNCTIONS = (
    "PyException_GetTraceback", "PyFrame_GetGlobals", "PyDict_GetItemWithError", "PyUnicode_Tailmatch", "Py_DecRef",
    "PyErr_Clear", "PyObject_Vectorcall", "_PyObject_GC_New", "Py_IncRef", "PyObject_GC_Track", "PyException_SetTraceback",
)  # fmt: skip


class _MethodDef(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


_new_function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
    ("PyCFunction_NewEx", ctypes.pythonapi)
)


def _is_as_expected(frame: FrameType) -> bool:
    """Whether a traceback entry looks as the machine code makes it."""
    inner = TracebackType(None, frame, 5, 7)
    entry = TracebackType(inner, frame, 11, 13)
    words = [read_word(id(entry) + place) for place in (_NEXT, _FRAME, _LASTI)]
    return TracebackType.__basicsize__ == _LASTI + WORD and words == [id(inner), id(frame), 11 | 13 << 32]


_kept: list[Any] = []


@once
def entry_adder(general: Callable[..., Any], frame_offset: int, numbers_offset: int, frame: FrameType) -> Callable[..., Any]:
    """The builtin function; `general` itself if this CPython's traceback entries look otherwise.

    Args:
        general: Does it in Python.
        frame_offset: Of the slot of a place with the frame.
        numbers_offset: Of that with the bytes.
        frame: Any.
    """
    if not _is_as_expected(frame):
        return general
    figures = layout()
    dunder_name, own = "__name__", _OWN
    addresses = {name: llvm.symbol_address(name) for name in _FUNCTIONS}
    addresses |= {"str": id(str), "traceback": id(TracebackType), "fallback": id(general), "own": id(own), "none": id(None)}
    addresses["dunder_name"] = id(dunder_name)
    text = _LLVM.format(
        **{name: f"inttoptr (i64 {address} to ptr)" for name, address in addresses.items()},
        ob_type=figures.ob_type, longest=(1 << 63) - 1, next=_NEXT, frame=_FRAME, lasti=_LASTI, bytes_data=_BYTES_DATA,
        place_frame=frame_offset, place_numbers=numbers_offset,
    )  # fmt: skip
    machine = compile_stored(text, ["add_entries"], level=1)
    method = _MethodDef(b"add_entries", machine.addresses["add_entries"], _METH_FASTCALL, None)
    _kept.extend((machine, method, general, dunder_name, own))
    return _new_function(ctypes.addressof(method), None, None)  # type: ignore[no-any-return]
