"""The os library."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.lua.errors import bad_argument, lua_error
from interpreters.lua.library.base import check_table
from interpreters.lua.library.files import failure
from interpreters.lua.strings.arguments import check_integer, check_number, check_string
from interpreters.lua.strings.numbers import tointeger
from interpreters.lua.values import LuaBuiltin, LuaTable

if TYPE_CHECKING:
    from interpreters.lua.vm import VM

CONVERSIONS = b"aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%"
EXTENDED = {b"E": b"cCxXyY", b"O": b"deHImMSuUVwWy"}
FIELDS = (
    (b"year", "tm_year", 0), (b"month", "tm_mon", 0), (b"day", "tm_mday", 0), (b"hour", "tm_hour", 0),
    (b"min", "tm_min", 0), (b"sec", "tm_sec", 0), (b"yday", "tm_yday", 0),
)  # fmt: skip


class Exit(SystemExit):
    """`os.exit`; a Python program that does not look ends with that status, as by `sys.exit`."""

    def __init__(self, status: int, closes: bool) -> None:
        super().__init__(status)
        self.status = status
        self.closes = closes


def as_path(name: bytes) -> Path:
    return Path(os.fsdecode(name))


def clock(vm: VM, args: list[Any]) -> list[Any]:
    return [time.process_time()]


def lua_time(vm: VM, args: list[Any]) -> list[Any]:
    if not args or args[0] is None:
        return [int(time.time())]
    table = check_table(args, 0, "time")
    year = field(vm, table, b"year", None)
    month, day = field(vm, table, b"month", None), field(vm, table, b"day", None)
    hour, minute = field(vm, table, b"hour", 12), field(vm, table, b"min", 0)
    second = field(vm, table, b"sec", 0)
    daylight = vm.index(table, b"isdst")
    flag = -1 if daylight is None else int(daylight is not False)
    month -= 1
    year += month // 12
    month = month % 12 + 1
    try:
        seconds = int(time.mktime((year, month, 1, 0, 0, 0, 0, 0, flag)))
        seconds += (day - 1) * 86400 + hour * 3600 + minute * 60 + second
    except (OverflowError, ValueError):
        raise lua_error(b"time result cannot be represented in this installation") from None
    store_date(table, time.localtime(seconds))
    return [seconds]


def field(vm: VM, table: LuaTable, name: bytes, default: int | None) -> int:
    value = vm.index(table, name)
    number = tointeger(value)
    if number is None:
        if value is not None:
            raise lua_error(b"field '%s' is not an integer" % name)
        if default is None:
            raise lua_error(b"field '%s' missing in date table" % name)
        return default
    if not -(1 << 31) <= number - (1900 if name == b"year" else 0) < 1 << 31:
        raise lua_error(b"field '%s' is out-of-bound" % name)
    return number


def store_date(table: LuaTable, moment: time.struct_time) -> None:
    for name, attribute, offset in FIELDS:
        table.set_field(name, getattr(moment, attribute) + offset)
    table.set_field(b"wday", (moment.tm_wday + 1) % 7 + 1)
    table.set_field(b"isdst", moment.tm_isdst > 0)


def date(vm: VM, args: list[Any]) -> list[Any]:
    form = b"%c" if not args or args[0] is None else check_string(args, 0, "date")
    seconds = int(time.time()) if len(args) < 2 or args[1] is None else check_integer(args, 1, "date")
    to_struct = time.localtime
    if form.startswith(b"!"):
        to_struct = time.gmtime
        form = form[1:]
    try:
        moment = to_struct(seconds)
    except (OverflowError, OSError, ValueError):
        raise lua_error(b"date result cannot be represented in this installation") from None
    if form.startswith(b"*t"):
        table = LuaTable()
        store_date(table, moment)
        return [table]
    parts: list[bytes] = []
    position = 0
    while position < len(form):
        here = form[position : position + 1]
        if here != b"%":
            parts.append(here)
            position += 1
            continue
        letter = form[position + 1 : position + 2]
        size = 2
        valid = bool(letter) and letter in CONVERSIONS
        if letter in EXTENDED and letter:
            last = form[position + 2 : position + 3]
            size = 3
            valid = bool(last) and last in EXTENDED[letter]
            letter = last
        if not valid:
            shown = form[position : position + size]
            raise bad_argument(1, "date", b"invalid conversion specifier '%s'" % shown)
        parts.append(time.strftime("%" + letter.decode(), moment).encode())
        position += size
    return [b"".join(parts)]


def difftime(vm: VM, args: list[Any]) -> list[Any]:
    return [float(check_number(args, 0, "difftime") - check_number(args, 1, "difftime"))]


def getenv(vm: VM, args: list[Any]) -> list[Any]:
    value = os.environb.get(check_string(args, 0, "getenv"))
    return [value]


def remove(vm: VM, args: list[Any]) -> list[Any]:
    name = check_string(args, 0, "remove")
    try:
        path = as_path(name)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
    except (OSError, ValueError) as error:
        return failure(error if isinstance(error, OSError) else OSError(errno.ENOENT, ""), name)
    return [True]


def rename(vm: VM, args: list[Any]) -> list[Any]:
    name = check_string(args, 0, "rename")
    try:
        as_path(name).rename(as_path(check_string(args, 1, "rename")))
    except (OSError, ValueError) as error:
        return failure(error if isinstance(error, OSError) else OSError(errno.ENOENT, ""))
    return [True]


def tmpname(vm: VM, args: list[Any]) -> list[Any]:
    descriptor, name = tempfile.mkstemp(prefix="lua_")
    os.close(descriptor)
    return [name.encode()]


def execute(vm: VM, args: list[Any]) -> list[Any]:
    if not args or args[0] is None:
        return [True]
    vm.output.flush()
    code = subprocess.call(check_string(args, 0, "execute"), shell=True)  # noqa: S602
    return [True if code == 0 else None, b"signal" if code < 0 else b"exit", abs(code)]


def lua_exit(vm: VM, args: list[Any]) -> list[Any]:
    value = args[0] if args else None
    code = 0 if value is None or value is True else 1 if value is False else check_integer(args, 0, "exit")
    raise Exit(code, len(args) > 1 and args[1] is True)


def setlocale(vm: VM, args: list[Any]) -> list[Any]:
    name = None if not args or args[0] is None else check_string(args, 0, "setlocale")
    if name in (None, b"", b"C", b"POSIX"):
        return [b"C"]
    return [None]


FUNCTIONS = {
    "clock": clock, "time": lua_time, "date": date, "difftime": difftime, "getenv": getenv, "remove": remove,
    "rename": rename, "tmpname": tmpname, "execute": execute, "exit": lua_exit, "setlocale": setlocale,
}  # fmt: skip


def open_system(vm: VM) -> LuaTable:
    """Make the library's table."""
    table = LuaTable()
    for name, function in FUNCTIONS.items():
        table.set_field(name.encode(), LuaBuiltin(name, function, is_leaf=True))
    return table


