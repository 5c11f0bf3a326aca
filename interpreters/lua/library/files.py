"""The io library: files are binary files of Python."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

from interpreters.common.command import note_written
from interpreters.lua.errors import LuaError, bad_argument, lua_error
from interpreters.lua.strings.arguments import check_integer, check_string, optional_integer, type_error
from interpreters.lua.strings.numbers import format_number, parse_number
from interpreters.lua.values import LuaBuiltin, LuaTable, Userdata

if TYPE_CHECKING:
    from interpreters.lua.vm import VM

_NUMERAL = re.compile(
    rb"[ \t\n\r\f\v]*([+-]?(?:0[xX][0-9a-fA-F]*(?:\.[0-9a-fA-F]*)?(?:[pP][+-]?[0-9]*)?"
    rb"|[0-9]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]*)?))"
)
MODE = re.compile(rb"[rwa]\+?b?")
MAX_NUMERAL = 200


class File(Userdata):
    """An open or closed file."""

    __slots__ = ("file", "is_standard", "name", "process", "writes")

    def __init__(self, metatable: LuaTable, file: Any, *, is_standard: bool = False, process: Any = None) -> None:
        super().__init__(metatable)
        self.file = file
        self.is_standard = is_standard
        self.process = process


def failure(error: OSError, name: bytes | None = None) -> list[Any]:
    """Return what the library's functions return when the system refuses."""
    number = error.errno or 0
    text = os.strerror(number).encode() if number else str(error).encode()
    return [None, text if name is None else name + b": " + text, number]


def is_file(value: Any) -> bool:
    return type(value) is File


def check_file(args: list[Any], index: int, name: str) -> File:
    if index < len(args) and type(args[index]) is File:
        file: File = args[index]
        if file.file is None:
            raise lua_error(b"attempt to use a closed file")
        return file
    raise type_error(args, index, name, "FILE*")


class Library:
    """The functions of one machine's io library."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.metatable = LuaTable()
        self.stdin = File(self.metatable, vm.input, is_standard=True)
        self.stdout = File(self.metatable, vm.output, is_standard=True)
        self.stderr = File(self.metatable, vm.errors, is_standard=True)
        self.input = self.stdin
        self.output = self.stdout

    def open_path(self, path: bytes, mode: bytes) -> File:
        python_mode = mode.decode().replace("b", "") + "b"
        if os.path.isdir(path) and "r" not in python_mode:
            raise OSError(errno.EISDIR, "")
        if os.path.isdir(path):
            return File(self.metatable, Directory())
        return File(self.metatable, note_written(open(path, python_mode)))

    def open(self, vm: VM, args: list[Any]) -> list[Any]:
        path = check_string(args, 0, "open")
        mode = b"r" if len(args) < 2 or args[1] is None else check_string(args, 1, "open")
        if not MODE.fullmatch(mode):
            raise bad_argument(2, "open", "invalid mode")
        try:
            return [self.open_path(path, mode)]
        except OSError as error:
            return failure(error, path)

    def close(self, vm: VM, args: list[Any]) -> list[Any]:
        file = check_file(args, 0, "close") if args else self.output
        if file.file is None:
            raise lua_error(b"attempt to use a closed file")
        return self.close_file(file)

    def close_file(self, file: File) -> list[Any]:
        if file.is_standard:
            file.file.flush()
            return [None, b"cannot close standard file"]
        try:
            file.file.close()
        except OSError as error:
            return failure(error)
        finally:
            file.file = None
        if file.process is not None:
            code = file.process.wait()
            return [True if code == 0 else None, b"signal" if code < 0 else b"exit", abs(code)]
        return [True]

    def popen(self, vm: VM, args: list[Any]) -> list[Any]:
        command = check_string(args, 0, "popen")
        mode = b"r" if len(args) < 2 or args[1] is None else check_string(args, 1, "popen")
        if mode not in (b"r", b"w"):
            raise bad_argument(2, "popen", "invalid mode")
        vm.output.flush()
        if mode == b"r":
            process = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE)  # noqa: S602
            return [File(self.metatable, process.stdout, process=process)]
        process = subprocess.Popen(command, shell=True, stdin=subprocess.PIPE)  # noqa: S602
        assert process.stdin is not None
        return [File(self.metatable, note_written(process.stdin), process=process)]

    def tmpfile(self, vm: VM, args: list[Any]) -> list[Any]:
        return [File(self.metatable, tempfile.TemporaryFile())]

    def type(self, vm: VM, args: list[Any]) -> list[Any]:
        if not args:
            raise bad_argument(1, "type", "value expected")
        if type(args[0]) is not File:
            return [None]
        return [b"closed file" if args[0].file is None else b"file"]

    def set_default(self, name: str, mode: bytes, args: list[Any]) -> list[Any]:
        if args and args[0] is not None:
            if type(args[0]) is File:
                file = args[0]
            else:
                path = check_string(args, 0, name)
                try:
                    file = self.open_path(path, mode)
                except OSError as error:
                    text = os.strerror(error.errno or 0).encode()
                    raise lua_error(b"cannot open file '%s' (%s)" % (path, text)) from None
            setattr(self, name, file)
        return [getattr(self, name)]

    def set_input(self, vm: VM, args: list[Any]) -> list[Any]:
        return self.set_default("input", b"r", args)

    def set_output(self, vm: VM, args: list[Any]) -> list[Any]:
        return self.set_default("output", b"w", args)

    def read(self, vm: VM, args: list[Any]) -> list[Any]:
        if self.input.file is None:
            raise lua_error(b"default input file is closed")
        return read_formats(self.input, args, 0, "read")

    def write(self, vm: VM, args: list[Any]) -> list[Any]:
        if self.output.file is None:
            raise lua_error(b"default output file is closed")
        return write_values(self.output, args, 0)

    def lines(self, vm: VM, args: list[Any]) -> list[Any]:
        if not args or args[0] is None:
            if self.input.file is None:
                raise lua_error(b"attempt to use a closed file")
            return [LuaBuiltin("lines", line_reader(self, self.input, args[1:], False))]
        path = check_string(args, 0, "lines")
        try:
            file = self.open_path(path, b"r")
        except OSError as error:
            text = os.strerror(error.errno or 0).encode()
            raise lua_error(b"cannot open file '%s' (%s)" % (path, text)) from None
        return [LuaBuiltin("lines", line_reader(self, file, args[1:], True)), None, None, file]

    # --- methods

    def method_close(self, vm: VM, args: list[Any]) -> list[Any]:
        return self.close_file(check_file(args, 0, "close"))

    def method_collect(self, vm: VM, args: list[Any]) -> list[Any]:
        file = args[0] if args else None
        if type(file) is File and file.file is not None and not file.is_standard:
            self.close_file(file)
        return []

    def method_lines(self, vm: VM, args: list[Any]) -> list[Any]:
        return [LuaBuiltin("lines", line_reader(self, check_file(args, 0, "lines"), args[1:], False))]


class Directory:
    """What opening a directory for reading gives: reading fails."""

    def close(self) -> None:
        pass

    def read(self, count: int = -1) -> bytes:
        raise OSError(errno.EISDIR, "")

    readline = read


def method_read(vm: VM, args: list[Any]) -> list[Any]:
    return read_formats(check_file(args, 0, "read"), args, 1, "read")


def method_write(vm: VM, args: list[Any]) -> list[Any]:
    return write_values(check_file(args, 0, "write"), args, 1)


def method_flush(vm: VM, args: list[Any]) -> list[Any]:
    file = check_file(args, 0, "flush")
    file.file.flush()
    return [file]


def method_seek(vm: VM, args: list[Any]) -> list[Any]:
    file = check_file(args, 0, "seek")
    whence = b"cur" if len(args) < 2 or args[1] is None else check_string(args, 1, "seek")
    offset = optional_integer(args, 2, "seek", 0)
    if whence not in (b"set", b"cur", b"end"):
        raise bad_argument(2, "seek", b"invalid option '%s'" % whence)
    try:
        return [file.file.seek(offset, (b"set", b"cur", b"end").index(whence))]
    except (OSError, ValueError) as error:
        return failure(error if isinstance(error, OSError) and error.errno else OSError(errno.EINVAL, ""))


def method_setvbuf(vm: VM, args: list[Any]) -> list[Any]:
    check_file(args, 0, "setvbuf")
    mode = check_string(args, 1, "setvbuf")
    if mode not in (b"no", b"full", b"line"):
        raise bad_argument(2, "setvbuf", b"invalid option '%s'" % mode)
    return [True]


def method_tostring(vm: VM, args: list[Any]) -> list[Any]:
    file = args[0]
    return [b"file (closed)" if file.file is None else b"file (0x%014x)" % id(file)]


def write_values(file: File, args: list[Any], first: int) -> list[Any]:
    write = file.file.write
    try:
        for index in range(first, len(args)):
            value = args[index]
            if type(value) is int:
                value = b"%d" % value
            elif type(value) is float:  # unlike tostring without ".0"
                value = format_number(value).removesuffix(b".0")
            elif type(value) is not bytes:
                value = check_string(args, index, "write")
            write(value)
    except OSError as error:
        return failure(error)
    except ValueError:  # not open for writing
        return failure(OSError(errno.EBADF, ""))
    return [file]


def read_formats(file: File, args: list[Any], first: int, name: str) -> list[Any]:
    try:
        if len(args) <= first:
            return [read_line(file.file, False)]
        return read_several(file, args, first, name)
    except OSError as error:
        return failure(error if error.errno else OSError(errno.EBADF, ""))


def read_several(file: File, args: list[Any], first: int, name: str) -> list[Any]:
    results: list[Any] = []
    for index in range(first, len(args)):
        value = read_format(file.file, args, index, name)
        results.append(value)
        if value is None:
            break
    return results


def read_format(file: Any, args: list[Any], index: int, name: str) -> Any:
    option = args[index]
    if type(option) in (int, float):
        count = check_integer(args, index, name)
        if count == 0:
            return None if not peek(file) else b""
        return file.read(count) or None
    text = check_string(args, index, name).removeprefix(b"*")
    kind = text[:1]
    if kind == b"l":
        return read_line(file, False)
    if kind == b"L":
        return read_line(file, True)
    if kind == b"a":
        return file.read()
    if kind == b"n":
        return read_number(file)
    raise bad_argument(index + 1, name, "invalid format")


def peek(file: Any) -> bytes:
    """Return some of what comes next, without reading it."""
    if hasattr(file, "peek"):
        return file.peek(1)  # type: ignore[no-any-return]
    here = file.read(1)
    file.seek(-len(here), os.SEEK_CUR)
    return here  # type: ignore[no-any-return]


def read_line(file: Any, keep: bool) -> bytes | None:
    line: bytes = file.readline()
    if not line:
        return None
    return line if keep else line.removesuffix(b"\n")


def read_number(file: Any) -> int | float | None:
    """Read a numeral; what could be no part of one is left."""
    read = b""
    while len(read) < MAX_NUMERAL:
        ahead = peek(file)[:1]
        if not ahead:
            break
        if ahead.isspace() and not read.strip():
            file.read(1)
            continue
        candidate = read + ahead
        found = _NUMERAL.match(candidate)
        if found is None or found.end() < len(candidate):
            break
        read = candidate
        file.read(1)
    return parse_number(read)


def line_reader(library: Library, file: File, formats: list[Any], closes: bool) -> Any:
    """Make an iterator over what formats read."""
    # Messages number them as PUC Lua does, which has the file before them.
    arguments = [file, *formats]

    def read(vm: VM, args: list[Any]) -> list[Any]:
        if file.file is None:
            raise lua_error(b"file is already closed")
        results = read_formats(file, arguments, 1, "lines")
        if results[0] is None:
            if len(results) > 1:
                raise LuaError(results[1], level=1)
            if closes:
                library.close_file(file)
        return results

    return read


def open_files(vm: VM) -> LuaTable:
    """Make the library's table."""
    library = Library(vm)
    vm.files = library
    table = LuaTable()
    functions = {
        "open": library.open, "close": library.close, "popen": library.popen, "tmpfile": library.tmpfile,
        "type": library.type, "input": library.set_input, "output": library.set_output, "read": library.read,
        "write": library.write, "lines": library.lines,
    }  # fmt: skip
    for name, function in functions.items():
        table.set_field(name.encode(), LuaBuiltin(name, function, is_leaf=True))
    for name in ("stdin", "stdout", "stderr"):
        table.set_field(name.encode(), getattr(library, name))
    methods = LuaTable()
    method_functions = {
        "close": library.method_close, "lines": library.method_lines, "read": method_read, "write": method_write,
        "flush": method_flush, "seek": method_seek, "setvbuf": method_setvbuf,
    }  # fmt: skip
    for name, function in method_functions.items():
        methods.set_field(name.encode(), LuaBuiltin(name, function, is_leaf=True))
    metatable = library.metatable
    metatable.set_field(b"__index", methods)
    metatable.set_field(b"__name", b"FILE*")
    metatable.set_field(b"__tostring", LuaBuiltin("tostring", method_tostring))
    metatable.set_field(b"__gc", LuaBuiltin("gc", library.method_collect))
    metatable.set_field(b"__close", LuaBuiltin("close", library.method_collect))
    return table
