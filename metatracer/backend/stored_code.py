"""Machine code that is the same in every process: compiled once, and kept as object files in the user's cache directory.

The code that all traces share (`support`, `watchers`, `interposers`, `class_assignments`) differs from process to process
only in the addresses that its LLVM text mentions. They are replaced by symbols before it is compiled, and given to the
linker. A file is named after a hash of everything that its content depends on: the text with its symbols, the level and its
passes, the version of LLVM, the processor. So nothing is ever looked up that does not fit, and nothing need be
invalidated.

LLVM takes different symbols for different memory. So addresses within memory that is also indexed are given as offsets from
one symbol: see `regions`.

The directory is that of `metatracer.kept`. A damaged file is compiled anew. When files cannot be kept, the code is compiled in
each process; the statistics count that.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from metatracer import kept
from metatracer.backend import llvm
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ADDRESS = re.compile(r"inttoptr \(i64 (\d+) to ptr\)")


def compile_stored(
    text: str, exports: Iterable[str], *, level: int = 0, regions: Sequence[tuple[int, int]] = ()
) -> llvm.Machine:
    """Like `llvm.compile_text`, from the user's cache directory if it is there.

    Args:
        text: All addresses in it have the form ``inttoptr (i64 N to ptr)``.
        exports: Symbols whose addresses are wanted.
        level: One of `llvm.LEVELS`.
        regions: (address, bytes) of memory of which the text mentions several places, at least one with an index.
    """
    text, symbols = _with_symbols(text, regions)
    directory = kept.directory()
    path = None if directory is None else directory / f"{_key(text, level)}.o"
    image = None if path is None else kept.read(path)
    if image is None:
        STATISTICS.shared_code_compiled += 1
        image = llvm.emit_object(text, level)
        if path is not None:
            try:
                kept.write(path, image)
            except OSError:
                STATISTICS.shared_code_not_kept += 1
    else:
        STATISTICS.shared_code_loaded += 1
    return llvm.link(image, exports, symbols, {})


def _with_symbols(text: str, regions: Sequence[tuple[int, int]]) -> tuple[str, dict[str, int]]:
    """The text with symbols in place of addresses, and what they stand for."""
    names: dict[int, str] = {}

    def symbol(found: re.Match[str]) -> str:
        address = int(found[1])
        for start, size in regions:
            if start < address < start + size:
                return f"getelementptr (i8, ptr @{name(start)}, i64 {address - start})"
        return f"@{name(address)}"

    def name(address: int) -> str:
        return names.setdefault(address, f"address{len(names)}")

    text = _ADDRESS.sub(symbol, text)
    declarations = "".join(f"@{name} = external global i8\n" for name in names.values())
    return declarations + text, {name: address for address, name in names.items()}


def _key(text: str, level: int) -> str:
    import llvmlite  # type: ignore[import-untyped]  # it has no stubs

    parts = (llvmlite.__version__, *llvm.host(), str(level), *llvm.pass_names(level), text)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
