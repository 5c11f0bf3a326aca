"""LLVM through llvmlite: text to machine code in this process, with the time of each phase.

Imported only when something is compiled, because llvmlite takes a while to import. Modules are made into objects by a
target machine of the wanted level and linked by ORC; code goes away with its `ResourceTracker`.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llvmlite import binding  # type: ignore[import-untyped]  # it has no stubs

from metatracer.backend.once import once

if TYPE_CHECKING:
    from collections.abc import Iterable

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
_lock = threading.RLock()


@dataclass(slots=True)
class Machine:
    """Linked machine code. `tracker` keeps it mapped.

    Attributes:
        tracker: llvmlite's owner of the mapping.
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
        self.tracker = None


@functools.lru_cache(maxsize=1)
def _initialize() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding.Target.from_default_triple()


@once
def target_machine(level: int) -> Any:
    """The code generator of a level."""
    return _target_machine(level, "pic", "small")


@once
def _object_machine(level: int) -> Any:
    """The code generator of a level for objects in which addresses of symbols are 64-bit constants in the code."""
    return _target_machine(level, "static", "large")


def _target_machine(level: int, relocation: str, code_model: str) -> Any:
    cpu, features = host()
    return _initialize().create_target_machine(
        opt=_CODEGEN[level], jit=True, reloc=relocation, codemodel=code_model, cpu=cpu, features=features
    )


def pass_names(level: int) -> tuple[str, ...]:
    """Names of the passes that are run at a level."""
    return _PASSES[level]


@once
def host() -> tuple[str, str]:
    """Name and features of the processor that code is generated for."""
    return binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()


@once
def _linker() -> Any:
    machine = _initialize().create_target_machine(opt=0, jit=True, reloc="pic", codemodel="small")
    return binding.create_lljit_compiler(machine, use_jit_link=False, suppress_errors=False)


@once
def _pass_manager(level: int) -> tuple[Any, Any]:
    options = binding.create_pipeline_tuning_options(speed_level=min(level + 1, 2))
    builder = binding.create_pass_builder(target_machine(level), options)
    manager = binding.create_new_module_pass_manager()
    for name in _PASSES[level]:
        getattr(manager, f"add_{name}_pass")()
    return manager, builder


def optimized_module(text: str, level: int, seconds: dict[str, float] | None = None, *, passes: bool = True) -> Any:
    """Parse `text` and run the passes of `level`."""
    _initialize()
    start = time.perf_counter()
    module = binding.parse_assembly(text)
    parsed = time.perf_counter()
    if passes and _PASSES[level]:
        manager, builder = _pass_manager(level)
        manager.run(module, builder)
    if seconds is not None:
        seconds["parse"] = parsed - start
        seconds["passes"] = time.perf_counter() - parsed
    return module


def compile_text(text: str, exports: Iterable[str], *, level: int = 0, passes: bool = True) -> Machine:
    """Compile and link a module; `exports` are the symbols whose addresses are wanted."""
    with _lock:
        seconds: dict[str, float] = {}
        module = optimized_module(text, level, seconds, passes=passes)
        start = time.perf_counter()
        image = target_machine(level).emit_object(module)
        generated = time.perf_counter()
        seconds["codegen"] = generated - start
        return link(image, exports, {}, seconds)


def link(image: bytes, exports: Iterable[str], imports: dict[str, int], seconds: dict[str, float]) -> Machine:
    """Link an object file; `imports` gives the addresses of its undefined symbols."""
    with _lock:
        _initialize()
        start = time.perf_counter()
        builder = binding.JITLibraryBuilder().add_object_img(image)
        names = tuple(exports)
        for name in names:
            builder.export_symbol(name)
        for name, address in imports.items():
            builder.import_symbol(name, address)
        tracker = builder.link(_linker(), f"metatracer{next(_names)}")
        seconds["link"] = time.perf_counter() - start
        return Machine(tracker, {name: tracker[name] for name in names}, _code_size(image), seconds)


def emit_object(text: str, level: int) -> bytes:
    """The object file of a module with undefined symbols, which may be anywhere in memory."""
    with _lock:
        return bytes(_object_machine(level).emit_object(optimized_module(text, level)))


def owners(machine: Machine) -> tuple[Any, ...]:
    """What must live for `machine` to stay mapped when the interpreter shuts down."""
    return (machine.tracker, _linker())


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
    with _lock:
        return str(target_machine(level).emit_assembly(optimized_module(text, level)))


@once
def symbol_address(name: str) -> int:
    """Address of a C symbol of this process.

    Raises:
        KeyError: There is no such symbol.
    """
    address = binding.address_of_symbol(name)
    if address is None:
        try:
            address = ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value
        except AttributeError:
            raise KeyError(name) from None
    assert address is not None
    return int(address)
