"""The command: what `lua` does, and options about tracing and limits."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import metatracer
from interpreters.common import command as common
from interpreters.lua.collector import close_state
from interpreters.lua.errors import LuaError, LuaSyntaxError
from interpreters.lua.library.base import strip_first_line
from interpreters.lua.library.system import Exit
from interpreters.lua.operations import metamethod
from interpreters.lua.stack import traceback
from interpreters.lua.state import new_state
from interpreters.lua.values import LuaBuiltin, LuaTable, type_name
from interpreters.lua.machine import driver
from interpreters.lua.vm import VM

VERSION = b"Lua 5.4 (metatracer)"
USAGE = """usage: lua [options] [script [args]]
Available options are:
  -e stat   execute string 'stat'
  -i        enter interactive mode after executing 'script'
  -l mod    require library 'mod' into global 'mod'
  -v        show version information
  -E        ignore environment variables
  -W        turn warnings on
  --        stop handling options
  -         stop handling options and execute stdin
  --jit off|on        trace loops, or not
  --param NAME=VALUE  set a parameter of the tracer
  --stats             show counters at the end, on standard error
  --sandbox           no io, os or modules
  --max-seconds N     end with an error after N seconds
  --max-memory MB     end with an error when more memory is wanted
"""


class Options:
    """What the command line says."""

    def __init__(self) -> None:
        self.actions: list[tuple[str, bytes]] = []
        self.interactive = False
        self.version = False
        self.warnings = False
        self.ignores_environment = False
        self.jit: str | None = None
        self.parameters: list[str] = []
        self.statistics = False
        self.sandbox = False
        self.max_seconds = 0.0
        self.max_memory = 0
        self.script: str | None = None
        self.script_index = 0


class BadUsage(Exception):
    """An option that there is not."""


def parse_options(argv: Sequence[str]) -> Options:
    """Read the options; the first other argument is the script."""
    options = Options()
    index = 0

    def value_of(option: str) -> str:
        nonlocal index
        index += 1
        if index >= len(argv):
            raise BadUsage(f"'{option}' needs argument")
        return argv[index]

    while index < len(argv):
        argument = argv[index]
        if not argument.startswith("-") or argument == "-":
            options.script = argument
            break
        if argument == "--":
            index += 1
            options.script = argv[index] if index < len(argv) else None
            break
        if argument in ("-i", "-v", "-W", "-E"):
            options.interactive |= argument == "-i"
            options.version |= argument in ("-v", "-i")
            options.warnings |= argument == "-W"
            options.ignores_environment |= argument == "-E"
        elif argument[:2] in ("-e", "-l"):
            text = argument[2:] or value_of(argument)
            options.actions.append((argument[:2], os.fsencode(text)))
        elif argument == "--jit":
            options.jit = value_of(argument)
            if options.jit not in ("on", "off"):
                raise BadUsage("'--jit' needs 'on' or 'off'")
        elif argument == "--param":
            options.parameters.append(value_of(argument))
        elif argument == "--stats":
            options.statistics = True
        elif argument == "--sandbox":
            options.sandbox = True
        elif argument == "--max-seconds":
            options.max_seconds = float(value_of(argument))
        elif argument == "--max-memory":
            options.max_memory = int(value_of(argument))
        else:
            raise BadUsage(f"unrecognized option '{argument}'")
        index += 1
    options.script_index = index
    return options


def message_handler(vm: VM, args: list[Any]) -> list[Any]:
    """Make of an error value the text that is shown, with a traceback."""
    value = args[0] if args else None
    if type(value) is not bytes:
        if metamethod(vm, value, b"__tostring") is not None:
            return [vm.tostring(value)]
        if type(value) in (int, float):
            value = vm.tostring(value)
        else:
            value = b"(error object is a %s value)" % type_name(value)
    return [traceback(vm, value, vm.frame)]


def set_arguments(vm: VM, argv: Sequence[str], options: Options) -> list[Any]:
    """Set the global `arg`; returns the script's arguments."""
    arguments = LuaTable()
    words = ["lua", *argv]
    script = options.script_index + 1
    for number, word in enumerate(words):
        arguments.set(number - script, os.fsencode(word))
    vm.globals.set_field(b"arg", arguments)
    return [os.fsencode(word) for word in words[script + 1 :]]


def read_script(vm: VM, script: str) -> tuple[bytes, bytes]:
    if script == "-":
        return vm.input.read(), b"=stdin"
    return Path(script).read_bytes(), b"@" + os.fsencode(script)


class Shell:
    """One run of the command."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.handler = LuaBuiltin("message handler", message_handler)

    def report(self, text: bytes) -> None:
        self.vm.output.flush()
        self.vm.errors.write(b"lua: " + text + b"\n")
        self.vm.errors.flush()

    def run_source(self, source: bytes, name: bytes, arguments: list[Any]) -> bool:
        """Compile and run; says what went wrong."""
        try:
            function = self.vm.load(source, name)
        except LuaSyntaxError as error:
            self.report(error.value)
            return False
        return self.run_function(function, arguments)

    def run_function(self, function: Any, arguments: list[Any]) -> bool:
        try:
            self.vm.call(function, arguments, self.handler)
        except LuaError as error:
            value = error.value
            self.report(value if type(value) is bytes else self.vm.tostring(value))
            return False
        return True

    def require(self, name: bytes) -> bool:
        target, equals, module = name.partition(b"=")
        if not equals:
            module = target
        try:
            results = self.vm.call(self.vm.globals.get(b"require"), [module], self.handler)
        except LuaError as error:
            self.report(self.vm.tostring(error.value))
            return False
        self.vm.globals.set(target, results[0])
        return True


def limits_of(options: Options) -> common.Options:
    """Return the limits that were asked for.

    The address space is limited, too, but less: that stops what takes too much at one stroke, before the clock looks.
    """
    if options.max_memory > 0:
        with open("/proc/self/statm", encoding="ascii") as file:
            size = int(file.read().split()[0]) * resource.getpagesize() + options.max_memory * 2_000_000
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    return common.Options(max_seconds=options.max_seconds or None, max_memory=options.max_memory or None)


def run_command(vm: VM, argv: Sequence[str], options: Options) -> int:
    shell = Shell(vm)
    arguments = set_arguments(vm, argv, options)
    vm.warnings = options.warnings
    if options.version:
        vm.output.write(VERSION + b"\n")
    if not options.ignores_environment and not options.sandbox:
        initial = os.environb.get(b"LUA_INIT_5_4") or os.environb.get(b"LUA_INIT")
        if initial:
            name = b"=LUA_INIT"
            if initial.startswith(b"@"):
                name, initial = initial, Path(os.fsdecode(initial[1:])).read_bytes()
            if not shell.run_source(initial, name, []):
                return 1
    for kind, text in options.actions:
        done = shell.run_source(text, b"=(command line)", []) if kind == "-e" else shell.require(text)
        if not done:
            return 1
    if options.script is not None:
        try:
            source, name = read_script(vm, options.script)
        except OSError as error:
            shell.report(b"cannot open %s" % os.fsencode(options.script) + (
                b"" if error.errno is None else b" (%s)" % os.strerror(error.errno).encode()))  # fmt: skip
            return 1
        if not shell.run_source(strip_first_line(source), name, arguments):
            return 1
    if options.interactive or (options.script is None and not options.actions and not options.version):
        from interpreters.lua.repl import interact

        if sys.stdin.isatty() or options.interactive:
            if not options.version:
                vm.output.write(VERSION + b"\n")
            interact(vm)
        elif not shell.run_source(strip_first_line(vm.input.read()), b"=stdin", []):
            return 1
    return 0


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    try:
        options = parse_options(argv)
    except BadUsage as error:
        sys.stderr.write(f"lua: {error}\n{USAGE}")
        return 1
    if options.jit == "off":
        metatracer.set_user_param(driver, "off")
    for parameter in options.parameters:
        metatracer.set_user_param(driver, parameter)
    vm = new_state(sandbox=options.sandbox)
    common.collect_seldom()
    code = 1
    try:
        with common.limits(limits_of(options)):
            code = run_command(vm, argv, options)
    except common.LimitExceededError as reached:
        sys.stderr.write(f"lua: {reached}\n")
    except Exit as leaving:
        code = leaving.code & 0xFF
        if leaving.closes:
            close_state(vm)
    except KeyboardInterrupt:
        sys.stderr.write("lua: interrupted!\n")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        close_state(vm)
    finish(vm)
    if options.statistics:
        sys.stderr.write(f"{metatracer.statistics_snapshot()}\n")
    return code


def finish(vm: VM) -> None:
    """Write out what is buffered."""
    try:
        vm.output.flush()
        for file in (vm.files.output,):
            if file.file is not None and not file.is_standard:
                file.file.flush()
    except (OSError, ValueError):
        pass


def prepare(argv: Sequence[str]) -> Callable[[], object]:
    """For `metatracer compare`: the script is compiled once and run many times."""
    options = parse_options(argv)
    if options.script is None:
        raise SystemExit("a script is needed")
    vm = new_state()
    common.collect_seldom()
    arguments = set_arguments(vm, argv, options)
    source, name = read_script(vm, options.script)
    function = vm.load(strip_first_line(source), name)

    def run() -> None:
        vm.output = sys.stdout.buffer if hasattr(sys.stdout, "buffer") else TextOutput()
        vm.files.stdout.file = vm.output
        vm.call(function, arguments)
        vm.output.flush()

    return run


class TextOutput:
    """Standard output where it takes text alone."""

    def write(self, data: bytes) -> None:
        sys.stdout.write(data.decode("utf-8", "surrogateescape"))

    def flush(self) -> None:
        sys.stdout.flush()
