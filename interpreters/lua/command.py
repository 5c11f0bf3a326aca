"""The command: what `lua` does, and options about tracing and limits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from interpreters.common import command as common
from interpreters.lua.collector import close_state
from interpreters.lua.errors import LuaError
from interpreters.lua.library.base import load_source, strip_first_line
from interpreters.lua.library.system import Exit
from interpreters.lua.operations import metamethod
from interpreters.lua.stack import traceback
from interpreters.lua.state import new_state
from interpreters.lua.values import LuaBuiltin, LuaTable, type_name
from interpreters.lua.vm import VM, TextOutput

VERSION = b"Lua 5.4 (metatracer)"
USAGE = """usage: lua [options] [script [args]]
Available options are:
  -e stat   execute string 'stat'
  -i        enter interactive mode after executing 'script'
  -l mod    require library 'mod' into global 'mod'
  -l g=mod  require library 'mod' into global 'g'
  -v        show version information
  -E        ignore environment variables
  -W        turn warnings on
  --        stop handling options
  -         stop handling options and execute stdin
""" + common.SHARED_HELP


class Options(common.Shared):
    """What the command line says."""

    def __init__(self) -> None:
        super().__init__()
        self.actions: list[tuple[str, bytes]] = []
        self.interactive = False
        self.version = False
        self.warnings = False
        self.ignores_environment = False
        self.script: str | None = None
        self.arguments: list[str] = []


def parse_options(argv: Sequence[str]) -> Options:
    """Read the options; the first other argument is the script.

    Raises:
        OptionError: There is no such option, or its value is missing or wrong.
    """
    options = Options()
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest[0]
        if word == "--":
            del rest[0]
            break
        if common.take_shared(options, rest):
            continue
        if word in ("-i", "-v", "-W", "-E"):
            options.interactive |= word == "-i"
            options.version |= word in ("-v", "-i")
            options.warnings |= word == "-W"
            options.ignores_environment |= word == "-E"
        elif word[:2] in ("-e", "-l"):
            if not word[2:] and (len(rest) < 2 or rest[1].startswith("-")):
                raise common.OptionError(f"'{word}' needs argument")
            text = word[2:] or rest.pop(1)
            options.actions.append((word[:2], os.fsencode(text)))
        else:
            raise common.OptionError(f"unrecognized option '{word}'")
        del rest[0]
    if rest:
        options.script = rest.pop(0)
        options.arguments = rest
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
    script = 0 if options.script is None else len(words) - len(options.arguments) - 1
    for number, word in enumerate(words):
        arguments.set(number - script, os.fsencode(word))
    vm.globals.set_field(b"arg", arguments)
    return [os.fsencode(word) for word in options.arguments]


def read_script(vm: VM, script: str) -> tuple[bytes, bytes]:
    """A script's text, without a first line for the shell, and its chunk's name."""
    if script == "-":
        return strip_first_line(vm.input.read()), b"=stdin"
    return strip_first_line(Path(script).read_bytes()), b"@" + os.fsencode(script)


class Shell:
    """One run of the command."""

    def __init__(self, vm: VM) -> None:
        self.vm = vm
        self.handler = LuaBuiltin("message handler", message_handler)

    def report(self, text: bytes) -> None:
        self.vm.output.flush()
        self.vm.errors.write(b"lua: " + text + b"\n")
        self.vm.errors.flush()

    def read(self, script: str) -> tuple[bytes, bytes] | None:
        """As `read_script`; says why it cannot be read."""
        try:
            return read_script(self.vm, script)
        except OSError as error:
            reason = b"" if error.errno is None else b": " + os.strerror(error.errno).encode()
            self.report(b"cannot open %s%s" % (os.fsencode(script), reason))
            return None

    def run_source(self, source: bytes, name: bytes, arguments: list[Any]) -> bool:
        """Compile and run; says what went wrong."""
        function, *complaint = load_source(self.vm, source, name, b"bt", [])
        if complaint:
            self.report(complaint[0])
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
                read = shell.read(os.fsdecode(initial[1:]))
                if read is None:
                    return 1
                initial, name = read
            if not shell.run_source(initial, name, []):
                return 1
    for kind, text in options.actions:
        done = shell.run_source(text, b"=(command line)", []) if kind == "-e" else shell.require(text)
        if not done:
            return 1
    if options.script is not None:
        read = shell.read(options.script)
        if read is None or not shell.run_source(*read, arguments):
            return 1
    if options.interactive or (options.script is None and not options.actions and not options.version):
        from interpreters.lua.repl import interact

        if sys.stdin.isatty() or options.interactive:
            if not options.version:
                vm.output.write(VERSION + b"\n")
            interact(vm, shell.handler)
        elif not shell.run_source(*read_script(vm, "-"), []):
            return 1
    return 0


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    try:
        options = parse_options(argv)
        common.apply_parameters(options)
    except common.OptionError as error:
        sys.stderr.write(f"lua: {error}\n{USAGE}")
        return 1
    with common.like_a_program_of_the_shell(), common.as_the_program(options.script, options.arguments):
        vm = new_state(sandbox=options.sandbox, ignores_environment=options.ignores_environment)
        common.collect_seldom()
        code = 1
        try:
            code = common.limited(options, lambda: run_to_the_end(vm, argv, options))
        except common.LimitExceededError as reached:
            sys.stderr.write(f"lua: {reached}\n")
        except KeyboardInterrupt:
            sys.stderr.write("lua: interrupted!\n")
        finish(vm)
        if options.stats:
            common.show_statistics()
    return code


def run_to_the_end(vm: VM, argv: Sequence[str], options: Options) -> int:
    """Run the command, and close the state, which runs what the script has left to be run: that is a part of the script, too."""
    closes = True
    try:
        code = run_command(vm, argv, options)
    except Exit as leaving:
        code, closes = leaving.status & 0xFF, leaving.closes
    if closes:
        try:
            close_state(vm)
        except Exit as leaving:
            code = leaving.status & 0xFF
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
    function = vm.load(source, name)

    def run() -> None:
        vm.output = sys.stdout.buffer if hasattr(sys.stdout, "buffer") else TextOutput("stdout")
        vm.files.stdout.file = vm.output
        vm.call(function, arguments)
        vm.output.flush()

    return run
