"""The virtual machine: its state, errors on their way up, and calls from Python."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING, Any

from interpreters.lua import operations
from interpreters.lua.compiler import compile_chunk
from interpreters.lua.errors import LuaError, lua_error
from interpreters.lua.frames import (
    DIRECT, DIRECT_DEPTH, MAX_DEPTH, Frame, Proto, Values, registers_for, stack_overflow,
)  # fmt: skip
from interpreters.lua.hooks import run_hooked
from interpreters.lua.machine import run
from interpreters.lua.protected import HOST, NO_HANDLER, PCALL, RESUME, XPCALL, unwinding_frame
from interpreters.lua.stack import add_position, caller
from interpreters.lua.strings.numbers import format_number
from interpreters.lua.values import Cell, Coroutine, LuaBuiltin, LuaFunction, LuaTable, StatefulBuiltin, Userdata
from metatracer import dont_look_inside, promote

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_HOST_LEVEL = 190
LOOKS_AT_FRAMES = re.compile(rb"\b(?:traceback|getinfo|getlocal|setlocal|__gc|__mode)\b")
TRACEBACK_AS_HANDLER = re.compile(rb"\bxpcall\s*\([^()]*\bdebug\s*\.\s*traceback\b(?!\s*[({\"'\[])")
RECURSION_LIMIT = 12_000


class VM:
    """The state of one Lua.

    Attributes:
        globals: the table of global variables.
        string_metatable: the metatable of all strings.
        type_metatables: those of other types, set by debug.setmetatable.
        frame: the frame that called the builtin that runs.
        host_level: how many calls from Python into Lua are nested.
        current: the coroutine that runs; None for the main one.
        coroutine_level: how many coroutines are waiting for others.
        direct_depth: frames with fewer below them call on the host's stack.
        looks_at_frames: whether some chunk may look at frames of waiting functions.
        hooked_threads: how many coroutines have a hook.
        output: where `print` writes.
    """

    _immutable_fields_ = ["next_builtin?", "ipairs_iterator?", "string_metatable?", "direct_depth?"]
    # More attributes than CPython keeps inline: without slots, each store would be one to a dict.
    __slots__ = (
        "__weakref__", "called", "collecting", "collector_mode", "coroutine_level", "current", "direct_depth", "errors",
        "files", "finalizable", "finalizer_count", "frame", "getinfo_builtin", "globals", "hooked_threads", "host_level",
        "input", "ipairs_iterator", "looks_at_frames", "main_coroutine", "next_builtin", "output", "pcall_builtin",
        "registry", "resume", "string_metatable", "traceback_builtin", "type_metatables", "warnings", "weak_tables",
        "xpcall_builtin",
    )  # fmt: skip

    def __init__(self) -> None:
        self.globals = LuaTable()
        self.registry = LuaTable()
        self.string_metatable: LuaTable | None = None
        self.type_metatables: dict[bytes, LuaTable] = {}
        self.frame: Frame | None = None
        self.called: Any = None  # the builtin that was called last other than by a call instruction
        self.host_level = 0
        self.current: Coroutine | None = None
        self.main_coroutine = Coroutine(None)
        self.main_coroutine.status = b"running"
        self.coroutine_level = 0
        self.direct_depth = DIRECT_DEPTH
        self.looks_at_frames = False
        self.hooked_threads = 0
        self.next_builtin: LuaBuiltin | None = None
        self.ipairs_iterator: LuaBuiltin | None = None
        self.output: Any = getattr(sys.stdout, "buffer", None) or TextOutput("stdout")
        self.errors: Any = getattr(sys.stderr, "buffer", None) or TextOutput("stderr")
        self.input: Any = getattr(sys.stdin, "buffer", None) or io.BytesIO()
        self.warnings = False
        self.collecting = True
        self.collector_mode = b"generational"
        self.files: Any = None
        self.getinfo_builtin: Any = None
        self.traceback_builtin: Any = None
        self.pcall_builtin: Any = None
        self.xpcall_builtin: Any = None
        self.weak_tables: dict[int, Any] = {}
        self.finalizable: dict[int, LuaTable] = {}
        self.finalizer_count = 0
        self.resume: Callable[..., Frame] = no_coroutines
        if sys.getrecursionlimit() < RECURSION_LIMIT:
            sys.setrecursionlimit(RECURSION_LIMIT)

    # --- from Python into Lua; what goes wrong in a builtin has no position, but for its complaints about arguments

    def load(self, source: bytes, chunk_name: bytes, environment: Any = None) -> LuaFunction:
        """Compile a chunk to a function whose _ENV is the globals, or an environment.

        Raises:
            LuaSyntaxError: It is no Lua.
        """
        if needs_frames(source):
            self.looks_at_frames = True
            self.choose_depth()
        proto = compile_chunk(self, source, chunk_name)
        return self.close_chunk(proto, self.globals if environment is None else environment)

    def choose_depth(self) -> None:
        """Let calls be made on the host's stack unless something needs to find the frames."""
        depth = 0 if self.looks_at_frames or self.hooked_threads else DIRECT_DEPTH
        if depth != self.direct_depth:
            self.direct_depth = depth

    def close_chunk(self, proto: Proto, environment: Any) -> LuaFunction:
        captured = Cell(environment) if proto.environment_is_cell else environment
        return LuaFunction(proto, [captured])

    def call(self, function: Any, arguments: list[Any], handler: Any = None) -> list[Any]:
        """Call a Lua value from Python.

        A Lua function is called on the host's stack where nobody asks for frames, so that a trace can follow.

        Args:
            handler: called with the error value at the place of an error, instead of which what it returns is raised;
                NO_HANDLER keeps those of the calls below from being called.

        Raises:
            LuaError: The call raised one.
        """
        if type(function) is not LuaFunction or handler is not None or self.direct_depth == 0:
            return self.call_nested(function, arguments, handler)
        level, below = self.host_level, self.frame
        if level >= MAX_HOST_LEVEL:
            raise lua_error(b"C stack overflow")
        depth = 0 if below is None else below.depth + 1
        if depth > MAX_DEPTH:
            raise stack_overflow()
        coroutine, coroutine_level = self.current, self.coroutine_level
        proto = promote(function.proto)
        frame = Frame(proto, registers_for(function, proto, arguments), DIRECT, depth)
        self.host_level = level + 1
        try:
            result = run(self, frame)
        except BaseException as error:
            self.leave_call(error, below, level, coroutine, coroutine_level)
            raise
        self.host_level = level
        self.frame = below
        return result.items if type(result) is Values else [result]

    @dont_look_inside
    def leave_call(
        self, error: BaseException, below: Frame | None, level: int, coroutine: Coroutine | None, coroutine_level: int
    ) -> None:
        """Do what an error has to go through that leaves a call from Python on the host's stack.

        Raises:
            LuaError: In its stead, where a variable that is closed raised another one.
        """
        try:
            if isinstance(error, LuaError):
                # Its frames are told who called: for message handlers, and for the traceback.
                host = Frame(HOST, [None, None, below, None], None, 0 if below is None else below.depth + 1)
                run(self, self.unwind(host, 0, error))
        finally:
            self.host_level = level
            self.frame = below
            self.current, self.coroutine_level = coroutine, coroutine_level

    @dont_look_inside
    def call_nested(self, function: Any, arguments: list[Any], handler: Any) -> list[Any]:
        """Call a Lua value from Python, with a frame that stands for Python."""
        if type(function) is LuaBuiltin and (handler is None or handler is NO_HANDLER):
            results: list[Any] = function.function(self, arguments)
            return results
        if type(function) is StatefulBuiltin and handler is None:
            return function.function(self, function.state, arguments)
        if self.host_level >= MAX_HOST_LEVEL:
            raise lua_error(b"C stack overflow")
        below = self.frame
        depth = 0 if below is None else below.depth + 1
        host = Frame(HOST, [None, None, below, handler], None, depth)
        level = self.host_level
        coroutine, coroutine_level = self.current, self.coroutine_level
        self.host_level = level + 1
        try:
            try:
                frame = operations.call_frame(self, host, function, arguments)
            except LuaError as error:
                frame = self.unwind(host, 0, error)
            if self.hooked_threads:
                frame = run_hooked(self, frame)
                if frame.pc < 0:
                    return frame.next  # type: ignore[no-any-return]
            return run(self, frame)  # type: ignore[no-any-return]
        finally:
            self.host_level = level
            self.frame = below
            self.current, self.coroutine_level = coroutine, coroutine_level

    def tostring(self, value: Any) -> bytes:
        """Return what `tostring` says of a value."""
        kind = type(value)
        if kind is bytes:
            return value  # type: ignore[no-any-return]
        if kind is int or kind is float:
            return format_number(value)
        if value is None:
            return b"nil"
        if kind is bool:
            return b"true" if value else b"false"
        handler = operations.metamethod(self, value, b"__tostring")
        if handler is not None:
            results = self.call(handler, [value])
            if not results or type(results[0]) is not bytes:
                if results and type(results[0]) in (int, float):
                    return format_number(results[0])
                raise lua_error(b"'__tostring' must return a string")
            return results[0]
        return b"%s: %s" % (operations.type_name_of(self, value), self.address(value))

    def index(self, table: Any, key: Any) -> Any:
        """Return `table[key]`, with metamethods."""
        for _ in range(operations.MAX_CHAIN):
            if type(table) is LuaTable:
                value = table.get(key)
                if value is not None or table.metatable is None:
                    return value
                handler = table.metatable.index
                if handler is None:
                    return None
            else:
                handler = operations.metamethod(self, table, b"__index")
                if handler is None:
                    raise operations.index_error(self, table, None).unplaced()
            if type(handler) in operations.FUNCTIONS:
                results = self.call(handler, [table, key])
                return results[0] if results else None
            table = handler
        raise lua_error(b"'__index' chain too long; possible loop")

    def set_index(self, table: Any, key: Any, value: Any) -> None:
        """Do `table[key] = value`, with metamethods."""
        for _ in range(operations.MAX_CHAIN):
            if type(table) is LuaTable:
                handler = None
                if table.metatable is not None and table.get(key) is None:
                    handler = table.metatable.get_field(b"__newindex")
                if handler is None:
                    operations.store(table, key, value)
                    return
            else:
                handler = operations.metamethod(self, table, b"__newindex")
                if handler is None:
                    raise operations.index_error(self, table, None).unplaced()
            if type(handler) in operations.FUNCTIONS:
                self.call(handler, [table, key, value])
                return
            table = handler
        raise lua_error(b"'__newindex' chain too long; possible loop")

    def length(self, value: Any) -> Any:
        """Return `#value`, with its metamethod."""
        if type(value) is bytes:
            return len(value)
        handler = operations.metamethod(self, value, b"__len")
        if handler is not None:
            results = self.call(handler, [value])
            return results[0] if results else None
        if type(value) is LuaTable:
            return value.length()
        raise operations.type_error(self, b"get length of", value, None).unplaced()

    def equals(self, a: Any, b: Any) -> bool:
        """Return `a == b`, with its metamethod."""
        if operations.raw_equal(a, b):
            return True
        if type(a) is type(b) and (type(a) is LuaTable or isinstance(a, Userdata)):
            handler = operations.metamethod(self, a, b"__eq")
            if handler is None:
                handler = operations.metamethod(self, b, b"__eq")
            if handler is not None:
                results = self.call(handler, [a, b])
                return bool(results) and results[0] is not None and results[0] is not False
        return False

    def less(self, a: Any, b: Any) -> bool:
        """Return `a < b`, with its metamethod."""
        kind, other = type(a), type(b)
        if (kind in (int, float) and other in (int, float)) or (kind is bytes and other is bytes):
            return bool(a < b)
        handler = operations.metamethod(self, a, b"__lt")
        if handler is None:
            handler = operations.metamethod(self, b, b"__lt")
        if handler is None:
            raise operations.compare_error(self, a, b).unplaced()
        results = self.call(handler, [a, b])
        return bool(results) and results[0] is not None and results[0] is not False

    def metamethod(self, value: Any, event: bytes, /) -> Any:
        """Return a value's metamethod; None when it has none."""
        return operations.metamethod(self, value, event)

    def address(self, value: Any, /) -> bytes:
        """Return what stands for a value's identity in its text."""
        return b"0x%014x" % id(value)

    # --- errors

    def host_error(self, error: BaseException) -> LuaError:
        """Return the Lua error for what Python ran out of."""
        if isinstance(error, RecursionError):
            return lua_error(b"stack overflow")
        return LuaError(b"not enough memory")

    @dont_look_inside
    def unwind(self, frame: Frame, pc: int, error: LuaError) -> Frame:
        """Find the frame that an error goes to; it is ready to go on.

        Raises:
            LuaError: The error leaves the machine.
        """
        error.__traceback__ = None
        frame.pc = pc
        add_position(self, frame, pc, error)
        if error.inner is not None:
            # From a call on the host's stack: now its frame can be told who its caller is.
            error.inner.parent = frame
            error.inner = None
            assert error.place is not None
            frame = error.place
        elif error.origin is None:
            error.origin = frame
        while True:
            catcher = frame
            while not catcher.proto.catches:
                if catcher.parent is DIRECT:
                    error.inner, error.place = catcher, frame
                    raise error
                catcher = catcher.parent
            kind = catcher.proto
            if not error.handled and kind in (XPCALL, HOST):
                handler = handler_of(catcher)
                if handler is not None:
                    error.handled = True
                    error.value = self.handle(error.origin or frame, handler, error.value)
            if kind is RESUME:
                following = self.end_coroutine(frame, catcher, error)
                if following is not None:
                    return following
                frame = error.origin = catcher.parent
                continue
            place = frame
            while place is not catcher:
                register = place.proto.tbc_register
                if register and place.registers[register]:
                    return unwinding_frame(self, place, error)
                place = place.parent
            if kind is HOST:
                raise error
            catcher.registers[1] = [False, error.value]
            catcher.pc = 1
            return catcher

    def handle(self, frame: Frame, handler: Any, value: Any) -> Any:
        """Return what a message handler makes of an error value."""
        below = self.frame
        self.frame = frame
        try:
            for _ in range(MAX_HOST_LEVEL):
                try:
                    results = self.call(handler, [value], NO_HANDLER)
                except LuaError as error:
                    value = error.value
                else:
                    return results[0] if results else None
            return b"error in error handling"
        finally:
            self.frame = below

    def end_coroutine(self, frame: Frame, root: Frame, error: LuaError) -> Frame | None:
        """End a coroutine because of an error: returns the frame that is told; None where the error goes on."""
        coroutine: Coroutine = root.registers[2]
        coroutine.status = b"dead"
        coroutine.frame = frame
        coroutine.failed = True
        coroutine.error_value = error.value
        self.current = coroutine.resumer
        if self.current is not None:
            self.current.status = b"running"
        self.coroutine_level -= 1
        if not root.registers[3]:
            root.registers[1] = [False, error.value]
            root.pc = 1
            return root
        value = self.close_coroutine(coroutine, error.value)
        if type(value) is bytes:
            caller = root.parent
            if caller.proto.is_lua:
                value = b"%s:%d: %s" % (caller.proto.source, caller.proto.lines[caller.pc], value)
        error.value = value
        return None

    def close_coroutine(self, coroutine: Coroutine, error_value: Any) -> Any:
        """Close what a coroutine still has to close; returns the value of the last error."""
        frame = coroutine.frame
        coroutine.frame = None
        while frame is not None and frame is not coroutine.root:
            register = frame.proto.tbc_register
            pending = frame.registers[register] if register else None
            while pending:
                value = frame.registers[pending.pop()]
                if type(value) is Cell:
                    value = value.value
                try:
                    closer = operations.metamethod(self, value, b"__close")
                    self.call(closer, [value, error_value], NO_HANDLER)
                except LuaError as error:
                    error_value = error.value
                    coroutine.failed = True
            frame = frame.parent
        return error_value


class TextOutput:
    """A stream of `sys` where that takes text alone, as in a notebook."""

    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, data: bytes) -> None:
        stream = getattr(sys, self.name)
        if stream is not None:
            stream.write(data.decode("utf-8", "surrogateescape"))

    def flush(self) -> None:
        stream = getattr(sys, self.name)
        if stream is not None:
            stream.flush()


def needs_frames(source: bytes) -> bool:
    """Tell whether a chunk may look at frames of waiting functions: then no calls are made on the host's stack any more.

    Their callers are not to be found until an error comes up. A traceback as the message handler finds them all.
    """
    return LOOKS_AT_FRAMES.search(TRACEBACK_AS_HANDLER.sub(b"", source)) is not None


def handler_of(catcher: Frame) -> Any:
    """Return the message handler of the call that an error will stop at, through calls from Python."""
    place: Frame | None = catcher
    while place is not None:
        if place.proto is XPCALL:
            return place.registers[2]
        if place.proto is HOST and place.registers[3] is not None:
            return None if place.registers[3] is NO_HANDLER else place.registers[3]
        if place.proto is PCALL or place.proto is RESUME:
            return None
        place = caller(place)
    return None


def no_coroutines(vm: VM, frame: Frame, coroutine: Coroutine, arguments: list[Any]) -> Frame:
    raise lua_error(b"there is no coroutine library")

