"""Machine code shared by all traces: entering, decoding exits, calling portals, pending exceptions.

Written as LLVM text and compiled once per process; entry points and portal calls once per number of arguments, spill
stubs once per kinds of live values, all when first needed, and kept.

The *exit buffer* is one block of words for the whole process. That is enough because the GIL is held from the moment
an exit stores into it until `decode` has copied it, and nothing that runs code comes between.
"""

from __future__ import annotations

import ctypes
import itertools
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metatracer.backend import free_lists, free_numbers, freeing_code, llvm, making_code
from metatracer.backend.dict_code import dict_texts
from metatracer.backend.emit import Addresses
from metatracer.backend.emit_exits import MOST_DROPPED
from metatracer.backend.interposers import sweep_address
from metatracer.backend.layout import layout, read_word
from metatracer.backend.once import once
from metatracer.backend.operands import KEEPS_REGISTERS, LLVM_TYPES, pointer, register_positions
from metatracer.backend.reuse_code import store_text
from metatracer.backend.stored_code import compile_stored
from metatracer.backend.string_code import append_text, decimal_texts, slice_texts
from metatracer.ir.opcodes import FINISH, NEW, SETFIELD, Opcode
from metatracer.ir.values import NULL_OBJECT, Input, Operation, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metatracer.ir.shapes import Shape

    StackHandlers = tuple[Callable[[list[Any]], Any], Callable[[list[Any]], Any]]

BUFFER_WORDS = 8192
"""Live values an exit can hand over at most."""

_buffer = (ctypes.c_int64 * BUFFER_WORDS)()
_buffer_pointer = ctypes.c_int64(ctypes.addressof(_buffer))
_leaving = (ctypes.c_int64 * 2)()
"""While an exit stores its values: the slot that it leaves through, and what has to be retained (`emit_exits`)."""
_scratch = (ctypes.c_int64 * 2)()
_epoch = (ctypes.c_int64 * 1)(1)
_stack_limit_of = (ctypes.c_int64 * 2)()
"""A thread's control block, and the lowest C stack address that portal calls of that thread may reach.

The control block (the word at fs:0) is part of the stack's mapping; a thread state may be reused by a thread with another stack.
"""
_handler = (ctypes.c_int64 * 1)()
_unwind_handler = (ctypes.c_int64 * 1)()
_stack_handlers = (ctypes.c_int64 * 2)()
"""For calls and for calls that unwind: what is called in place of a callee."""
_recursion_handler = (ctypes.c_int64 * 1)()
_FINISH = struct.pack("<qq", 0, 1) + b"r"
_FINISH_RAISE = struct.pack("<qq", -1, 0)
_BYTES_DATA = 32
_MESSAGES = {
    "recursion": b"maximum recursion depth exceeded\0",
    "handler": b"metatracer: no exit handler is set\0",
    "memory": b"metatracer: out of memory in machine code, at an allocation that cannot be undone\0",
    "freed": b"metatracer: this machine code has been freed\0",
    "entry": b"metatracer: wrong number of values\0",
}
_STACK_MARGIN = 1 << 20
"""Bytes of C stack that must be left for entering machine code (or a quarter of a smaller stack)."""

_HANDLER_FRAMES = 8
"""Python frames that an exit handler may use before guest code runs again: the callee's own, and the runtime's.

Without them an exit just below the recursion limit, such as that of the RecursionError itself, could not be handled.
Recursion through handlers is still bounded, by the check of the C stack.
"""

_REGIONS = ((ctypes.addressof(_buffer), ctypes.sizeof(_buffer)),)
_machines: list[llvm.Machine] = []
_functions: dict[str, int] = {}


def _message(name: str) -> str:
    return pointer(id(_MESSAGES[name]) + _BYTES_DATA)


def _c(name: str) -> str:
    return pointer(llvm.symbol_address(name))


def _fetch_exception() -> str:
    """`fetch`: the pending exception, normalized, with its traceback, as a new reference, or NULL; clears it."""
    if layout().version >= (3, 12):
        return f"""
define ptr @fetch() nounwind {{
  %e = call ptr {_c("PyErr_GetRaisedException")}()
  ret ptr %e
}}
define void @restore(ptr %e) nounwind {{
  call void {_c("PyErr_SetRaisedException")}(ptr %e)
  ret void
}}"""
    return f"""
define ptr @fetch() nounwind {{
  %t = alloca ptr
  %v = alloca ptr
  %b = alloca ptr
  %pending = call ptr {_c("PyErr_Occurred")}()
  %none = icmp eq ptr %pending, null
  br i1 %none, label %nothing, label %some
nothing:
  ret ptr null
some:
  call void {_c("PyErr_Fetch")}(ptr %t, ptr %v, ptr %b)
  call void {_c("PyErr_NormalizeException")}(ptr %t, ptr %v, ptr %b)
  %type = load ptr, ptr %t
  %value = load ptr, ptr %v
  %back = load ptr, ptr %b
  %bare = icmp eq ptr %back, null
  br i1 %bare, label %done, label %attach
attach:
  %ignored = call i32 {_c("PyException_SetTraceback")}(ptr %value, ptr %back)
  br label %done
done:
  call void {_c("Py_DecRef")}(ptr %type)
  call void {_c("Py_DecRef")}(ptr %back)
  ret ptr %value
}}
define void @restore(ptr %e) nounwind {{
  %tp = getelementptr i8, ptr %e, i64 {layout().ob_type}
  %type = load ptr, ptr %tp
  call void {_c("Py_IncRef")}(ptr %type)
  %back = call ptr {_c("PyException_GetTraceback")}(ptr %e)
  call void {_c("PyErr_Restore")}(ptr %type, ptr %e, ptr %back)
  ret void
}}"""


def _decode() -> str:
    """`decode`: the exit tuple of a descriptor and the exit buffer; steals the references in the buffer."""
    figures = layout()
    none, true, false = pointer(figures.none_address), pointer(figures.true_address), pointer(figures.false_address)
    return f"""
define ptr @decode(ptr %desc) nounwind {{
entry:
  %id = load i64, ptr %desc
  %countp = getelementptr i64, ptr %desc, i64 1
  %count = load i64, ptr %countp
  %isparts = icmp slt i64 %id, -1
  %kindsat = select i1 %isparts, i64 {_FORMAT_BOX + 1}, i64 2
  %kinds = getelementptr i64, ptr %desc, i64 %kindsat
  %israise = icmp eq i64 %id, -1
  br i1 %israise, label %raise, label %copy
raise:
  %raised = load ptr, ptr {pointer(ctypes.addressof(_buffer))}
  %pair = call ptr {_c("PyTuple_New")}(i64 2)
  %minus = call ptr {_c("PyLong_FromLong")}(i64 -1)
  %p0 = getelementptr i8, ptr %pair, i64 {figures.tuple_items}
  store ptr %minus, ptr %p0
  %p1 = getelementptr i8, ptr %pair, i64 {figures.tuple_items + 8}
  store ptr %raised, ptr %p1
  ret ptr %pair
copy:
  %own = alloca i64, i64 %count
  br label %copytest
copytest:
  %k = phi i64 [0, %copy], [%k1, %copynext]
  %copied = icmp eq i64 %k, %count
  br i1 %copied, label %build, label %copynext
copynext:
  %from = getelementptr i64, ptr {pointer(ctypes.addressof(_buffer))}, i64 %k
  %word = load i64, ptr %from
  %to = getelementptr i64, ptr %own, i64 %k
  store i64 %word, ptr %to
  %k1 = add i64 %k, 1
  br label %copytest
build:
  %pending = call ptr @fetch()
  %n = add i64 %count, 2
  %tuple = call ptr {_c("PyTuple_New")}(i64 %n)
  %items = getelementptr i8, ptr %tuple, i64 {figures.tuple_items}
  %number = call ptr {_c("PyLong_FromLongLong")}(i64 %id)
  store ptr %number, ptr %items
  %quiet = icmp eq ptr %pending, null
  br i1 %quiet, label %noexc, label %values
noexc:
  call void {_c("Py_IncRef")}(ptr {none})
  br label %values
values:
  %exc = phi ptr [{none}, %noexc], [%pending, %build]
  %second = getelementptr ptr, ptr %items, i64 1
  store ptr %exc, ptr %second
  %rest = getelementptr ptr, ptr %items, i64 2
  br label %test
test:
  %i = phi i64 [0, %values], [%i1, %put]
  %all = icmp eq i64 %i, %count
  br i1 %all, label %done, label %item
item:
  %vp = getelementptr i64, ptr %own, i64 %i
  %v = load i64, ptr %vp
  %kp = getelementptr i8, ptr %kinds, i64 %i
  %kind = load i8, ptr %kp
  switch i8 %kind, label %ref [ i8 {ord("i")}, label %int  i8 {ord("f")}, label %float  i8 {ord("b")}, label %bool ]
int:
  %int.o = call ptr {_c("PyLong_FromLongLong")}(i64 %v)
  br label %put
float:
  %d = bitcast i64 %v to double
  %float.o = call ptr {_c("PyFloat_FromDouble")}(double %d)
  br label %put
bool:
  %set = icmp ne i64 %v, 0
  %bool.o = select i1 %set, ptr {true}, ptr {false}
  call void {_c("Py_IncRef")}(ptr %bool.o)
  br label %put
ref:
  %ref.o = inttoptr i64 %v to ptr
  %unset = icmp eq i64 %v, 0
  br i1 %unset, label %null, label %put
null:
  call void {_c("Py_IncRef")}(ptr {pointer(id(NULL_OBJECT))})
  br label %put
put:
  %o = phi ptr [%int.o, %int], [%float.o, %float], [%bool.o, %bool], [%ref.o, %ref], [{pointer(id(NULL_OBJECT))}, %null]
  %place = getelementptr ptr, ptr %rest, i64 %i
  store ptr %o, ptr %place
  %i1 = add i64 %i, 1
  br label %test
done:
  ret ptr %tuple
}}"""


def _begin_epoch(name: str) -> str:
    """Instructions that count `Addresses.epoch` up."""
    place = pointer(ctypes.addressof(_epoch))
    return f"""  %{name} = load i64, ptr {place}
  %{name}.next = add i64 %{name}, 1
  store i64 %{name}.next, ptr {place}"""


def _portal_exit(name: str, handler: int) -> str:
    """`portal_exit`, `unwind_exit`: the result of a portal call that left through a guard: what a handler makes of it."""
    return f"""
define ptr @{name}(ptr %desc) nounwind {{
  %israise = icmp eq ptr %desc, {pointer(id(_FINISH_RAISE) + _BYTES_DATA)}
  br i1 %israise, label %raise, label %guard
raise:
  %e = load ptr, ptr {pointer(ctypes.addressof(_buffer))}
  call void @restore(ptr %e)
  ret ptr null
guard:
  %tuple = call ptr @decode(ptr %desc)
  %handler = load ptr, ptr {pointer(handler)}
  %missing = icmp eq ptr %handler, null
  br i1 %missing, label %error, label %handle
error:
  %type = load ptr, ptr {_c("PyExc_SystemError")}
  call void {_c("PyErr_SetString")}(ptr %type, ptr {_message("handler")})
  call void {_c("Py_DecRef")}(ptr %tuple)
  ret ptr null
handle:
  call void {_c("Py_IncRef")}(ptr %handler)
  %result = call ptr {_c("PyObject_CallOneArg")}(ptr %handler, ptr %tuple)
  call void {_c("Py_DecRef")}(ptr %handler)
  call void {_c("Py_DecRef")}(ptr %tuple)
{_begin_epoch("epoch")}
  ret ptr %result
}}"""


def _stack_limit() -> str:
    """`stack_limit`: finds the lowest C stack address that portal calls of this thread may reach, for `_stack_limit_of`."""
    return f"""
define i64 @stack_limit(i64 %tcb) nounwind {{
  %attr = alloca [16 x i64]
  %low = alloca i64
  %size = alloca i64
  store i64 0, ptr %low
  store i64 0, ptr %size
  %self = call i64 {_c("pthread_self")}()
  %failed = call i32 {_c("pthread_getattr_np")}(i64 %self, ptr %attr)
  %ok = icmp eq i32 %failed, 0
  br i1 %ok, label %read, label %note
read:
  %ignored = call i32 {_c("pthread_attr_getstack")}(ptr %attr, ptr %low, ptr %size)
  %ignored2 = call i32 {_c("pthread_attr_destroy")}(ptr %attr)
  br label %note
note:
  %base = load i64, ptr %low
  %bytes = load i64, ptr %size
  %quarter = lshr i64 %bytes, 2
  %small = icmp ult i64 %quarter, {_STACK_MARGIN}
  %margin = select i1 %small, i64 %quarter, i64 {_STACK_MARGIN}
  %limit = add i64 %base, %margin
  store i64 %tcb, ptr {pointer(ctypes.addressof(_stack_limit_of))}
  store i64 %limit, ptr {pointer(ctypes.addressof(_stack_limit_of) + 8)}
  ret i64 %limit
}}"""


def _stack_check(full: str, go: str) -> str:
    """The end of a block, and blocks, from which the C stack's limit leads to the block `full` or `go`."""
    return f"""  %tcb = load i64, ptr addrspace(257) null
  %last = load i64, ptr {pointer(ctypes.addressof(_stack_limit_of))}
  %cached = icmp eq i64 %last, %tcb
  br i1 %cached, label %known, label %ask
ask:
  %asked = call i64 {pointer(function_address("stack_limit"))}(i64 %tcb)
  br label %known
known:
  %limit = load i64, ptr {pointer(ctypes.addressof(_stack_limit_of) + 8)}
  %herep = call ptr @llvm.frameaddress.p0(i32 0)
  %here = ptrtoint ptr %herep to i64
  %isfull = icmp ult i64 %here, %limit
  br i1 %isfull, label %{full}, label %{go}"""


def _no_memory() -> str:
    """`no_memory`: ends the process. A MemoryError cannot be raised where there is no guard to leave by."""
    return f"""
define void @no_memory() noreturn nounwind {{
  call void {_c("Py_FatalError")}(ptr {_message("memory")})
  unreachable
}}"""


def _instance() -> str:
    """`instance`: a new instance of a class that is not for the free lists."""
    return f"""
define ptr @instance(ptr %class) nounwind {{
  %made = call ptr {pointer(read_word(id(object) + layout().tp_alloc))}(ptr %class, i64 0)
{_begin_epoch("epoch")}
  %none = icmp eq ptr %made, null
  br i1 %none, label %nomemory, label %done
done:
  ret ptr %made
nomemory:
  call void @no_memory() noreturn
  unreachable
}}"""


_UNTUPLE = "untuple_"
_DROPS = tuple(f"drop{count}" for count in range(1, MOST_DROPPED + 1))
_BASE = (
    "fetch", "restore", "decode", "portal_exit", "unwind_exit", "stack_limit", "no_memory", "str_append",
    "dict_find", "dict_find_int", "dict_store", "dict_store_int", "dict_put",
    "bytes_slice", "str_slice", "tuple_slice", "list_slice", "list_concat", "bytes_of_int", "str_of_int",
    "leave", "dealloc", "release", "list_push",
    "box_int", "box_float", "instance", "retain", *_DROPS,
)  # fmt: skip


@once
def _base() -> None:
    texts = (
        _fetch_exception(),
        _decode(),
        _portal_exit("portal_exit", ctypes.addressof(_handler)),
        _portal_exit("unwind_exit", ctypes.addressof(_unwind_handler)),
        _stack_limit(),
        _no_memory(),
        append_text(_c),
        dict_texts(_c, _begin_epoch),
        slice_texts(_c),
        decimal_texts(_c),
        _leave(),
        freeing_code.dealloc_text("dealloc", "dealloc_at", _begin_epoch),
        making_code.push_text("list_push"),
        making_code.lists_text(),
        free_numbers.box_texts("no_memory"),
        _instance(),
        _retain(),
        *[_drop(count) for count in range(1, MOST_DROPPED + 1)],
    )
    _link("\n".join(texts), _BASE)


def _link(text: str, names: Iterable[str]) -> None:
    machine = compile_stored(text, names, level=1, regions=(*_REGIONS, free_numbers.REGION, *free_lists.regions()))
    _machines.append(machine)
    _functions.update(machine.addresses)


def function_address(name: str) -> int:
    """Address of a function of this module, or of a C function of the process."""
    if name in _BASE:
        _base()
    if name.startswith(_UNTUPLE):
        _make_untuple(name)
    return _functions.get(name) or llvm.symbol_address(name)


@once
def _make_untuple(name: str) -> None:
    """Make the function that frees a tuple and leaves the items numbered in its name to its caller."""
    taken = tuple([int(index) for index in name.removeprefix(_UNTUPLE).split("_")])
    _link(freeing_code.untuple_text(name, taken, function_address, _begin_epoch("epoch")), [name])


@once
def tuple_maker(length: int) -> int:
    """Address of the function that makes tuples of so many items, and takes these over."""
    name = f"tuple{length}"
    _link(making_code.tuple_text(name, length, function_address("no_memory"), _begin_epoch("epoch")), [name])
    return _functions[name]


@once
def instance_maker(slots: int, weak: bool) -> int:
    """Address of the function that makes instances of plain classes (`free_lists.is_plain`) with so many slots.

    Args:
        slots: How many.
        weak: Whether the class allows weak references.
    """
    name = f"instance{slots}{'weak' if weak else ''}"
    _link(making_code.instance_text(name, slots, weak, function_address("no_memory"), _begin_epoch("epoch")), [name])
    return _functions[name]


def maker_for(cls: type) -> int:
    """Address of the function that, given a class whose instances need no more than memory, makes one."""
    if not free_lists.is_plain(cls):
        return function_address("instance")
    return instance_maker(read_word(id(cls) + layout().ob_size), free_lists.allows_weak(cls))


@once
def list_maker(length: int) -> int:
    """Address of the function that makes lists of so many items, which have to be stored at once."""
    name = f"list{length}"
    _link(making_code.list_text(name, length, function_address("no_memory"), _begin_epoch("epoch")), [name])
    return _functions[name]


def addresses() -> Addresses:
    """What emitters need to know."""
    return Addresses(
        buffer=ctypes.addressof(_buffer),
        epoch=ctypes.addressof(_epoch),
        buffer_pointer=ctypes.addressof(_buffer_pointer),
        leaving=ctypes.addressof(_leaving),
        scratch=ctypes.addressof(_scratch),
        finish=id(_FINISH) + _BYTES_DATA,
        finish_raise=id(_FINISH_RAISE) + _BYTES_DATA,
        function=function_address,
    )


# --- leaving --------------------------------------------------------------------------------------------------------------


def _leave() -> str:
    """`leave`: where the slot of a guard without a bridge leads: out, with the descriptor."""
    return "define tailcc ptr @leave(ptr %exit) nounwind {\n  ret ptr %exit\n}"


def _drop(count: int) -> str:
    """`drop1` ...: give up references, of which some may be NULL. No register of the caller's is lost (`KEEPS_REGISTERS`)."""
    params = ", ".join(f"ptr %o{number}" for number in range(count))
    calls = "\n".join(f"  call void @release(ptr %o{number})" for number in range(count))
    return f"define {KEEPS_REGISTERS} void @drop{count}({params}) nounwind {{\n{calls}\n  ret void\n}}"


def _retain() -> str:
    """`retain`: take references to the objects (or NULL) at places in the buffer, which are bits of a word."""
    if layout().has_immortal:
        count = """%count = load i32, ptr %object
  %more = call i32 @llvm.uadd.sat.i32(i32 %count, i32 1)
  store i32 %more, ptr %object"""
    else:
        count = """%count = load i64, ptr %object
  %more = add i64 %count, 1
  store i64 %more, ptr %object"""
    return f"""
declare i64 @llvm.cttz.i64(i64, i1)
declare i32 @llvm.uadd.sat.i32(i32, i32)
define void @retain(ptr %buffer, i64 %places) nounwind {{
  br label %next
next:
  %left = phi i64 [%places, %0], [%rest, %done]
  %all = icmp eq i64 %left, 0
  br i1 %all, label %end, label %one
one:
  %place = call i64 @llvm.cttz.i64(i64 %left, i1 true)
  %address = getelementptr ptr, ptr %buffer, i64 %place
  %object = load ptr, ptr %address
  %none = icmp eq ptr %object, null
  br i1 %none, label %done, label %there
there:
  {count}
  br label %done
done:
  %below = sub i64 %left, 1
  %rest = and i64 %left, %below
  br label %next
end:
  ret void
}}"""


def require_buffer(count: int) -> None:
    """See that so many values fit into the exit buffer.

    Raises:
        OverflowError: They do not.
    """
    if count > BUFFER_WORDS:
        raise OverflowError(f"an exit hands over {count} values, more than {BUFFER_WORDS}")


def _pass_values(kinds: str) -> tuple[str, str]:
    """Arguments ``%a0`` ... of a call of trace code: the instructions that pass what does not fit, and the others."""
    in_registers = register_positions(kinds)
    stores = []
    for number, kind in enumerate(kinds):
        if number in in_registers:
            continue
        place = pointer(ctypes.addressof(_buffer) + 8 * number)
        if kind == "b":
            stores += [f"  %w{number} = zext i1 %a{number} to i64", f"  store i64 %w{number}, ptr {place}"]
        else:
            stores.append(f"  store {LLVM_TYPES[kind]} %a{number}, ptr {place}")
    passed = "".join(f", {LLVM_TYPES[kind]} %a{number}" for number, kind in enumerate(kinds) if number in in_registers)
    return "\n".join(stores), passed


# --- entering -------------------------------------------------------------------------------------------------------------


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_METH_O = 8
_new_function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
    ("PyCFunction_NewEx", ctypes.pythonapi)
)


@once
def _entry_method(count: int) -> _MethodDef:
    """The method definition of entry points with `count` values; NULL_OBJECT among them becomes NULL."""
    _base()
    figures = layout()
    name = f"enter{count}"
    absent = pointer(id(NULL_OBJECT))
    loads = "\n".join(
        f"""  %p{number} = getelementptr ptr, ptr %items, i64 {number}
  %o{number} = load ptr, ptr %p{number}
  %is{number} = icmp eq ptr %o{number}, {absent}
  %a{number} = select i1 %is{number}, ptr null, ptr %o{number}
  %one{number} = zext i1 %is{number} to i64
  %absent{number + 1} = add i64 %absent{number}, %one{number}"""
        for number in range(count)
    )
    stores, args = _pass_values("r" * count)
    sweep = sweep_address()
    look_around = f"call void {pointer(sweep)}()" if sweep else ""
    _link(
        f"""
declare ptr @llvm.frameaddress.p0(i32)
define ptr @{name}(ptr %self, ptr %list) nounwind {{
  %typep = getelementptr i8, ptr %list, i64 {figures.ob_type}
  %type = load ptr, ptr %typep
  %islist = icmp eq ptr %type, {pointer(id(list))}
  br i1 %islist, label %sized, label %wrong
sized:
  %sizep = getelementptr i8, ptr %list, i64 {figures.ob_size}
  %size = load i64, ptr %sizep
  %fits = icmp eq i64 %size, {count}
  br i1 %fits, label %go, label %wrong
wrong:
  %error = load ptr, ptr {_c("PyExc_SystemError")}
  call void {_c("PyErr_SetString")}(ptr %error, ptr {_message("entry")})
  ret ptr null
go:
  %codep = getelementptr i8, ptr %self, i64 {_BYTES_DATA}
  %code = load ptr, ptr %codep
  %gone = icmp eq ptr %code, null
  br i1 %gone, label %freed, label %run
freed:
  %error2 = load ptr, ptr {_c("PyExc_SystemError")}
  call void {_c("PyErr_SetString")}(ptr %error2, ptr {_message("freed")})
  ret ptr null
run:
{_stack_check("full", "enter")}
full:
  call void {_c("PyErr_SetNone")}(ptr {pointer(id(StackFull))})
  ret ptr null
enter:
  {look_around}
{_begin_epoch("epoch")}
  store i64 0, ptr %sizep
  %itemsp = getelementptr i8, ptr %list, i64 {figures.list_items}
  %items = load ptr, ptr %itemsp
  %absent0 = add i64 0, 0
{loads}
  %countp = getelementptr i8, ptr {absent}, i64 {figures.ob_refcnt}
  %count = load i64, ptr %countp
  %left = sub i64 %count, %absent{count}
  store i64 %left, ptr %countp
{stores}
  %desc = call tailcc ptr %code(ptr null{args})
  %result = call ptr {pointer(function_address("decode"))}(ptr %desc)
  ret ptr %result
}}""",
        [name],
    )
    return _MethodDef(name.encode(), _functions[name], _METH_O, None)


class EntryPoint:
    """A builtin function that enters machine code with a list of values, whose references it takes out of the list.

    Attributes:
        enter: The builtin function. Once the code is freed it raises SystemError. Where the C stack is used up it raises
            StackFull, and the list is as it was.
    """

    def __init__(self, address: int, count: int) -> None:
        self._holder = struct.pack("<q", address)
        self.enter: Callable[[list[Any]], tuple[Any, ...]] = _new_function(
            ctypes.addressof(_entry_method(count)), self._holder, None
        )

    def redirect(self, address: int) -> None:
        """Let further calls enter other code."""
        ctypes.c_int64.from_address(id(self._holder) + _BYTES_DATA).value = address

    def close(self) -> None:
        """Make further calls fail."""
        self.redirect(0)


# --- results in parts -------------------------------------------------------------------------------------------------------

_FORMAT_BOX = 2
"""Word of a format's descriptor that holds the address of its boxing function; the kinds come behind it."""


@dataclass(frozen=True, slots=True)
class ResultFormat:
    """How objects of one shape are returned as numbers.

    Attributes:
        shape: Returnable.
        number: In exit tuples, below -1.
        address: Of the descriptor that is returned.
        kinds: Of the parts.
    """

    shape: Shape
    number: int
    address: int
    kinds: str
    descriptor: bytes


_formats: dict[Shape, ResultFormat] = {}
_format_lock = threading.RLock()


def result_format(shape: Shape) -> ResultFormat:
    """The format for a shape; made when first asked for, and kept."""
    with _format_lock:
        known = _formats.get(shape)
        if known is None:
            number = -2 - len(_formats)
            kinds = "".join(leaf.kind for leaf in shape.leaves())
            boxer = _boxer(shape, kinds, f"box{-number}")
            descriptor = struct.pack("<qqq", number, len(kinds), boxer) + kinds.encode()
            known = ResultFormat(shape, number, id(descriptor) + _BYTES_DATA, kinds, descriptor)
            _formats[shape] = FORMATS[number] = known
        return known


FORMATS: dict[int, ResultFormat] = {}
"""By the numbers in exit tuples."""


def _boxer(shape: Shape, kinds: str, name: str) -> int:
    """Address of ``ptr ()``: the object made of the parts in the exit buffer."""
    from metatracer.backend.compile import compile_trace

    leaves = tuple([Input(kind) for kind in kinds])
    operations: list[Operation] = []

    def box(opcode: Opcode, leaf: Input) -> Operation:
        operations.append(Operation(opcode, (leaf,)))
        return operations[-1]

    assert shape.known is not None
    if shape.form == "box":
        result = box(shape.known.object, leaves[0])
    else:
        result = Operation(NEW, (), shape.known.object)
        operations.append(result)
        for (field, part), leaf in zip(shape.parts, leaves, strict=True):
            assert part.known is not None
            operations.append(Operation(SETFIELD, (result, box(part.known.object, leaf)), field))
    operations.append(Operation(FINISH, (result,)))
    code = compile_trace(Trace(leaves, operations, [], name))
    _boxers.append(code)
    types = {"i": "i64", "f": "double", "b": "i64"}
    loads = []
    for number, kind in enumerate(kinds):
        place = pointer(ctypes.addressof(_buffer) + 8 * number)
        loads.append(f"  %{'w' if kind == 'b' else 'a'}{number} = load {types[kind]}, ptr {place}")
        if kind == "b":
            loads.append(f"  %a{number} = trunc i64 %w{number} to i1")
    stores, args = _pass_values(kinds)
    text = "\n".join(loads)
    _link(
        f"""
define ptr @{name}() nounwind {{
{text}
{stores}
  %desc = call tailcc ptr {pointer(code.address)}(ptr null{args})
  %value = load ptr, ptr {pointer(ctypes.addressof(_buffer))}
  ret ptr %value
}}""",
        [name],
    )
    return _functions[name]


_boxers: list[Any] = []


# --- stores of new objects ------------------------------------------------------------------------------------------------


@once
def store_new(structure: str) -> int:
    """Address of the function of `reuse_code` for a structure."""
    _base()
    name = f"store_new{next(_store_numbers)}"
    _link(store_text(name, structure, function_address), [name])
    return _functions[name]


_store_numbers = itertools.count()


# --- portal calls ---------------------------------------------------------------------------------------------------------


def set_exit_handler(handler: Callable[[tuple[Any, ...]], Any] | None) -> Callable[[tuple[Any, ...]], Any] | None:
    """Set what finishes a called portal that left its machine code: takes the exit tuple, returns the result or raises.

    Returns:
        The handler before, for who sets one for a while.
    """
    before: Callable[[tuple[Any, ...]], Any] | None = _owners.get("exit")
    _handler[0] = 0 if handler is None else id(handler)
    _owners["exit"] = handler
    return before


class StackFull(BaseException):
    """Machine code was not entered, because little is left of the C stack; never seen by a guest."""


class Unwound(BaseException):
    """Passes through the machine code of callers whose callee has left its own; never seen by a guest.

    Attributes:
        exit: The exit tuple of the callee.
    """

    def __init__(self, exit_tuple: tuple[Any, ...]) -> None:
        self.exit = exit_tuple


def _unwind(exit_tuple: tuple[Any, ...]) -> Any:
    raise Unwound(exit_tuple)


_owners: dict[str, Any] = {"unwind": _unwind}
_unwind_handler[0] = id(_unwind)


def set_stack_handlers(handlers: StackHandlers | None) -> StackHandlers | None:
    """Set what is called in place of a callee when the C stack is used up, with the list [address of its cell, argument, ...].

    The first one gives the callee's result, or raises its exception; the second one is for calls that unwind, and raises
    Unwound. Returns those before.
    """
    before: StackHandlers | None = _owners.get("stack")
    _stack_handlers[0], _stack_handlers[1] = map(id, handlers) if handlers is not None else (0, 0)
    _owners["stack"] = handlers
    return before


def set_recursion_handler(handler: Callable[[list[Any]], Any] | None) -> Callable[[list[Any]], Any] | None:
    """Set what is called in place of a callee that the recursion limit does not allow, with such a list.

    The callee's frame has been entered as far as its merge point, so that it may have a `finally` to run: the handler raises
    RecursionError there, and gives what comes of that. Returns the handler before.
    """
    before: Callable[[list[Any]], Any] | None = _owners.get("recursion")
    _recursion_handler[0] = 0 if handler is None else id(handler)
    _owners["recursion"] = handler
    return before


def portal_call(kinds: str, *, unwinds: bool, parts: int = 0) -> int:
    """Address of ``ptr (ptr cell, i32 frames, ptr format, ptr out, args...)``: a portal call, which consumes its arguments.

    It accounts for `frames` Python frames, as the calls it stands for would, and when those are used up, the handler of
    `set_recursion_handler` is called instead (RecursionError while there is none). When the callee leaves its machine code,
    the exit handler runs it to its end; or, if the call `unwinds`, the unwind handler is called, which raises Unwound. When the
    C stack is used up, the callee is not entered, and a handler of `set_stack_handlers` gets the list of the cell's address
    and the arguments instead (RecursionError while there is none).

    Args:
        kinds: Of the arguments.
        unwinds: See above.
        parts: Of the result: if the callee returns parts in the `format`, they are copied to `out`, and the format is
            returned in place of an object.
    """
    _base()
    name = f"portal_call_{kinds}_{parts}{'_unwinding' if unwinds else ''}"
    if name not in _functions:
        _link(_portal_call(name, kinds, "unwind_exit" if unwinds else "portal_exit", parts), [name])
    return _functions[name]


def _box_argument(number: int, kind: str) -> str:
    """Instructions that put an argument ``%a0`` ... behind the first item of ``%list``, which takes its reference."""
    box = {
        "i": f"call ptr {_c('PyLong_FromLongLong')}(i64 %a{number})",
        "f": f"call ptr {_c('PyFloat_FromDouble')}(double %a{number})",
        "b": f"call ptr {_c('PyBool_FromLong')}(i64 %word{number})",
        "r": f"select i1 %unbound{number}, ptr {pointer(id(NULL_OBJECT))}, ptr %a{number}",
    }
    before = {
        "b": f"  %word{number} = zext i1 %a{number} to i64\n",
        "r": f"""  %unbound{number} = icmp eq ptr %a{number}, null
  %more{number} = select i1 %unbound{number}, ptr {pointer(id(NULL_OBJECT))}, ptr null
  call void {_c("Py_IncRef")}(ptr %more{number})
""",
    }
    return f"""{before.get(kind, "")}  %object{number} = {box[kind]}
  %put{number} = call i32 {_c("PyList_SetItem")}(ptr %list, i64 {number + 1}, ptr %object{number})"""


def _portal_call(name: str, kinds: str, leave: str, parts: int) -> str:
    figures = layout()
    copies = "\n".join(
        f"""  %from{n} = load i64, ptr {pointer(ctypes.addressof(_buffer) + 8 * n)}
  %to{n} = getelementptr i64, ptr %out, i64 {n}
  store i64 %from{n}, ptr %to{n}"""
        for n in range(parts)
    )
    params = "".join(f", {LLVM_TYPES[kind]} %a{number}" for number, kind in enumerate(kinds))
    stores, args = _pass_values(kinds)
    drops = "\n".join(
        f"  call void {_c('Py_DecRef')}(ptr %a{number})" for number, kind in enumerate(kinds) if kind == "r"
    )
    boxes = "\n".join(_box_argument(number, kind) for number, kind in enumerate(kinds))
    handlers = ctypes.addressof(_stack_handlers) + (8 if leave == "unwind_exit" else 0)
    return f"""
declare ptr @llvm.frameaddress.p0(i32)
define ptr @{name}(ptr %cell, i32 %frames, ptr %format, ptr %out{params}) nounwind {{
  %thread = call ptr {_c("PyThreadState_Get")}()
  %leftp = getelementptr i8, ptr %thread, i64 {figures.recursion_remaining}
  %left = load i32, ptr %leftp
  %less = sub i32 %left, %frames
  %few = icmp slt i32 %less, 0
  br i1 %few, label %deep, label %stack
stack:
{_stack_check("full", "go")}
deep:
  %thrower = load ptr, ptr {pointer(ctypes.addressof(_recursion_handler))}
  %some = icmp ne ptr %thrower, null
  %more = add i32 %frames, {_HANDLER_FRAMES}
  br i1 %some, label %instead, label %lost
lost:
{drops}
  %error = load ptr, ptr {_c("PyExc_RecursionError")}
  call void {_c("PyErr_SetString")}(ptr %error, ptr {_message("recursion")})
{_begin_epoch("epoch")}
  ret ptr null
full:
  %handler0 = load ptr, ptr {pointer(handlers)}
  %nobody = icmp eq ptr %handler0, null
  br i1 %nobody, label %lost, label %instead
instead:
  %handler = phi ptr [%handler0, %full], [%thrower, %deep]
  %room = phi i32 [{_HANDLER_FRAMES}, %full], [%more, %deep]
  store i32 %less, ptr %leftp
  %list = call ptr {_c("PyList_New")}(i64 {len(kinds) + 1})
  %address = ptrtoint ptr %cell to i64
  %callee = call ptr {_c("PyLong_FromLongLong")}(i64 %address)
  %first = call i32 {_c("PyList_SetItem")}(ptr %list, i64 0, ptr %callee)
{boxes}
  %low0 = load i32, ptr %leftp
  %raised0 = add i32 %low0, %room
  store i32 %raised0, ptr %leftp
  %result0 = call ptr {_c("PyObject_CallOneArg")}(ptr %handler, ptr %list)
  call void {_c("Py_DecRef")}(ptr %list)
  %high0 = load i32, ptr %leftp
  %lowered0 = sub i32 %high0, %room
  store i32 %lowered0, ptr %leftp
{_begin_epoch("epoch0")}
  br label %done
go:
  store i32 %less, ptr %leftp
  %code = load ptr, ptr %cell
{stores}
  %desc = call tailcc ptr %code(ptr null{args})
  %finished = icmp eq ptr %desc, {pointer(id(_FINISH) + _BYTES_DATA)}
  br i1 %finished, label %finish, label %other
finish:
  %value = load ptr, ptr {pointer(ctypes.addressof(_buffer))}
  br label %done
other:
  %same = icmp eq ptr %desc, %format
  br i1 %same, label %parts, label %different
parts:
{copies}
  br label %done
different:
  %id = load i64, ptr %desc
  %isparts = icmp slt i64 %id, -1
  br i1 %isparts, label %box, label %leave
box:
  %boxp = getelementptr i64, ptr %desc, i64 {_FORMAT_BOX}
  %boxer = load ptr, ptr %boxp
  %boxed = call ptr %boxer()
  br label %done
leave:
  %low = load i32, ptr %leftp
  %raised = add i32 %low, {_HANDLER_FRAMES}
  store i32 %raised, ptr %leftp
  %handled = call ptr {pointer(function_address(leave))}(ptr %desc)
  %high = load i32, ptr %leftp
  %lowered = sub i32 %high, {_HANDLER_FRAMES}
  store i32 %lowered, ptr %leftp
  br label %done
done:
  %result = phi ptr [%value, %finish], [%format, %parts], [%boxed, %box], [%handled, %leave], [%result0, %instead]
  %now = load i32, ptr %leftp
  %back = add i32 %now, %frames
  store i32 %back, ptr %leftp
  ret ptr %result
}}"""
