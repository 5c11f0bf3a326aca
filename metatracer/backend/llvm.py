"""LLVM through llvmlite: text to machine code in this process, with the time of each phase.

Imported only when something is compiled, because llvmlite takes a while to import. Modules are made into objects by a
target machine of the wanted level and linked by ORC; code goes away with its `ResourceTracker`. What ORC keeps of a library
that is gone goes away with the linker: after `MOST_FREED` of them the next libraries get a new linker.

llvmlite has a lock around each call of LLVM, for the sake of what threads share. Here each module has a context of its own, and
a `_Generator` its target machine and passes. So `compile_text(..., apart=True)`, with a second set of generators, leaves
that lock out where LLVM works for long (parsing, passes, code generation), and nobody waits meanwhile.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import resource
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metatracer.backend.once import once

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LEVELS = (0, 1, 2)
"""0: cheapest code generation (fast register allocation) and no passes, which took a fifth of LLVM's time and made short loops
up to 1.5 times as fast: what runs long gets another level soon;
1: optimizing code generation behind two light passes; 2: also the linear ones of LLVM's scalar passes."""

_CODEGEN = {0: 0, 1: 1, 2: 2}
_PASSES: dict[int, tuple[str, ...]] = {
    0: (),
    1: ("instruction_combine", "simplify_cfg"),
    2: ("sroa", "instruction_combine", "simplify_cfg", "dead_store_elimination"),
}
_names = itertools.count(1)

MOST_FREED = 32
"""Libraries that a linker may have had that are gone. ORC keeps 9 KB of each for as long as the linker lives; a linker
takes 0.16 MB and 0.5 ms."""


@dataclass(slots=True)
class Machine:
    """Linked machine code. `tracker` keeps it mapped.

    Attributes:
        tracker: llvmlite's owner of the mapping; it keeps its linker, as `linker`.
        addresses: Of the exported symbols.
        size_bytes: Of the machine code.
        seconds: Spent per phase: parse, passes, codegen, link.
    """

    tracker: Any
    addresses: dict[str, int]
    size_bytes: int
    seconds: dict[str, float] = field(default_factory=dict)

    def free(self) -> None:
        """Unmap the code. No thread may be in it, and nothing may point to it."""
        self.tracker.close()
        self.tracker.linker.freed += 1
        self.tracker = None


@functools.lru_cache(maxsize=1)
def _llvmlite() -> Any:
    """The library, which takes 30 ms to load: with the first trace."""
    from llvmlite import binding  # type: ignore[import-untyped]  # it has no stubs

    return binding


@functools.lru_cache(maxsize=1)
def _initialize() -> Any:
    _llvmlite().initialize_native_target()
    _llvmlite().initialize_native_asmprinter()
    return _llvmlite().Target.from_default_triple()


_LEAST_ROOM = 32 << 20
_ROOM_OF_A_LETTER = 64
"""Bytes of address space. The peak of LLVM was seen to grow by up to 25 for each letter of a module's text."""


_ROOM_TO_LOAD = 320 << 20
"""Loading takes half of it. With less than the other half CPython's and the C library's own allocations failed now and then,
which ends the process, too."""


def _check_room(needed: int) -> None:
    """Where LLVM gets no memory it ends the process; so it is not asked where the address space is limited and nearly used up.

    Raises:
        MemoryError: That is so.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    room = limit - pages * resource.getpagesize()
    if room < needed:
        raise MemoryError(f"of the address space that the process may have (RLIMIT_AS) only {room >> 20} megabytes are left")


def loading_problem() -> str:
    """Why LLVM cannot be loaded into this process, as a piece of a sentence; "" when it is there."""
    try:
        if not _initialize.cache_info().currsize:
            _check_room(_ROOM_TO_LOAD)
        _initialize()
        host()
    except (ImportError, OSError, MemoryError, RuntimeError) as error:
        return f"LLVM cannot be loaded: {error}"
    return ""


class _Generator:
    """LLVM's parser, passes and code generator of a level.

    Under llvmlite's lock threads may share it; without, they take turns. No other lock is held while llvmlite's is waited for:
    who has that one may be in a collection just now, run finalizers of the guest's, and compile what they make hot.

    Args:
        level: One of `LEVELS`.
        is_apart: Without llvmlite's lock.
    """

    def __init__(self, level: int, relocation: str, code_model: str, *, is_apart: bool) -> None:
        cpu, features = host()
        self.machine = _initialize().create_target_machine(
            opt=_CODEGEN[level], jit=True, reloc=relocation, codemodel=code_model, cpu=cpu, features=features
        )
        self._passes: tuple[Any, Any] | None = None
        if _PASSES[level]:
            options = _llvmlite().create_pipeline_tuning_options(speed_level=min(level + 1, 2))
            manager = _llvmlite().create_new_module_pass_manager()
            for name in _PASSES[level]:
                getattr(manager, f"add_{name}_pass")()
            self._passes = manager, _llvmlite().create_pass_builder(self.machine, options)
        self._parse = _entry("LLVMPY_ParseAssembly", is_apart)
        self._run = _entry("LLVMPY_RunNewModulePassManager", is_apart)
        self._emit = _entry("LLVMPY_TargetMachineEmitToMemory", is_apart)
        self._turn = threading.RLock() if is_apart else contextlib.nullcontext()

    @contextlib.contextmanager
    def module(self, text: str, seconds: dict[str, float] | None = None) -> Iterator[Any]:
        """The module of a text, behind the passes; it is gone afterwards.

        Raises:
            RuntimeError: LLVM does not understand the text.
            MemoryError: The process may not have as much memory as that might take.
        """
        _check_room(_LEAST_ROOM + _ROOM_OF_A_LETTER * len(text))
        with self._turn, contextlib.closing(_llvmlite().create_context()) as context:
            start = time.perf_counter()
            with _llvmlite().ffi.OutputString() as message:
                module = _llvmlite().ModuleRef(self._parse(context, ctypes.c_char_p(text.encode()), message), context)
                with contextlib.closing(module):
                    if message:
                        raise RuntimeError(f"LLVM does not understand its text: {message}")
                    parsed = time.perf_counter()
                    if self._passes is not None:
                        manager, builder = self._passes
                        self._run(manager, module, builder)
                    if seconds is not None:
                        seconds["parse"] = parsed - start
                        seconds["passes"] = time.perf_counter() - parsed
                    yield module

    def object_file(self, module: Any) -> bytes:
        """The machine code of a module of `module`."""
        ffi = _llvmlite().ffi
        with ffi.OutputString() as message:
            buffer = self._emit(self.machine, module, 1, message)
            if not buffer:
                raise RuntimeError(f"LLVM does not generate code: {message}")
        try:
            return ctypes.string_at(ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer))
        finally:
            ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


def _entry(name: str, is_apart: bool) -> Any:
    """A function of LLVM's, without llvmlite's lock if it is to be apart (and llvmlite still keeps the function there)."""
    function = getattr(_llvmlite().ffi.lib, name)
    return getattr(function, "_cfn", function) if is_apart else function


@once
def _generator(level: int, is_apart: bool) -> _Generator:
    return _Generator(level, "pic", "small", is_apart=is_apart)


@once
def _object_generator(level: int) -> _Generator:
    """For objects in which addresses of symbols are 64-bit constants in the code."""
    return _Generator(level, "static", "large", is_apart=False)


def pass_names(level: int) -> tuple[str, ...]:
    """Names of the passes that are run at a level."""
    return _PASSES[level]


@once
def host() -> tuple[str, str]:
    """Name and features of the processor that code is generated for."""
    return _llvmlite().get_host_cpu_name(), _llvmlite().get_host_cpu_features().flatten()


@once
def _linking_machine() -> Any:
    return _initialize().create_target_machine(opt=0, jit=True, reloc="pic", codemodel="small")


class Linker:
    """A linker, which goes away when none of its libraries is left and another one has taken its place.

    Attributes:
        compiler: llvmlite's.
        freed: Libraries that are gone.
    """

    def __init__(self) -> None:
        self.compiler = _llvmlite().create_lljit_compiler(_linking_machine(), use_jit_link=False, suppress_errors=False)
        self.freed = 0


_current_linker: Linker | None = None


def _linker() -> Linker:
    """The linker for the next library.

    Two threads may make one each, of which one is not used again: llvmlite's lock is not to be waited for under another one.
    """
    global _current_linker  # noqa: PLW0603 - there is one for the process
    found = _current_linker
    if found is None or found.freed >= MOST_FREED:
        found = _current_linker = Linker()
    return found


def optimized_text(text: str, level: int) -> str:
    """The module of a text behind the passes of a level, as text."""
    with _generator(level, False).module(text) as module:
        return str(module)


def compile_text(text: str, exports: Iterable[str], *, level: int = 0, apart: bool = False) -> Machine:
    """Compile and link a module.

    Args:
        text: Of the module.
        exports: The symbols whose addresses are wanted.
        level: One of `LEVELS`.
        apart: Other threads may compile meanwhile.
    """
    seconds: dict[str, float] = {}
    generator = _generator(level, apart)
    with generator.module(text, seconds) as module:
        start = time.perf_counter()
        image = generator.object_file(module)
        seconds["codegen"] = time.perf_counter() - start
    return link(image, exports, {}, seconds)


def link(image: bytes, exports: Iterable[str], imports: dict[str, int], seconds: dict[str, float]) -> Machine:
    """Link an object file; `imports` gives the addresses of its undefined symbols."""
    _initialize()
    start = time.perf_counter()
    builder = _llvmlite().JITLibraryBuilder().add_object_img(image)
    names = tuple(exports)
    for name in names:
        builder.export_symbol(name)
    for name, address in imports.items():
        builder.import_symbol(name, address)
    linker = _linker()
    tracker = builder.link(linker.compiler, f"metatracer{next(_names)}")
    tracker.linker = linker  # so it goes after the library, whoever drops that
    seconds["link"] = time.perf_counter() - start
    return Machine(tracker, {name: tracker[name] for name in names}, _code_size(image), seconds)


def emit_object(text: str, level: int) -> bytes:
    """The object file of a module with undefined symbols, which may be anywhere in memory."""
    generator = _object_generator(level)
    with generator.module(text) as module:
        return generator.object_file(module)


def owners(machine: Machine) -> tuple[Any, ...]:
    """What must live for `machine` to stay mapped when the interpreter shuts down."""
    return (machine.tracker, machine.tracker.linker, machine.tracker.linker.compiler)


_EXECUTABLE = 4
"""SHF_EXECINSTR, a flag of an ELF section."""


def _code_size(image: bytes) -> int:
    """Bytes of instructions in an ELF object file: the sizes of its executable sections."""
    (table,) = struct.unpack_from("<Q", image, 40)
    entry_size, count = struct.unpack_from("<HH", image, 58)
    total = 0
    for number in range(count):
        flags, _, _, size = struct.unpack_from("<QQQQ", image, table + number * entry_size + 8)
        if flags & _EXECUTABLE:
            total += size
    return total


def assembly(text: str, level: int) -> str:
    """The assembly text that `compile_text` would assemble."""
    generator = _generator(level, False)
    with generator.module(text) as module:
        return str(generator.machine.emit_assembly(module))


@once
def symbol_address(name: str) -> int:
    """Address of a C symbol of this process.

    Raises:
        KeyError: There is no such symbol.
    """
    address = _llvmlite().address_of_symbol(name)
    if address is None:
        try:
            address = ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value
        except AttributeError:
            raise KeyError(name) from None
    assert address is not None
    return int(address)
