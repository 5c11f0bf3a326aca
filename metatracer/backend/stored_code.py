"""Machine code that is the same in every process: compiled once, and kept as object files in the user's cache directory.

The code that all traces share (`support`, `watchers`, `interposers`, `class_assignments`) differs from process to process
only in the addresses that its LLVM text mentions. They are replaced by symbols before it is compiled, and given to the
linker. A file is named after a hash of everything that its content depends on: the text with its symbols, the level and its
passes, the version of LLVM, the processor. So nothing is ever looked up that does not fit, and nothing need be
invalidated.

LLVM takes different symbols for different memory. So addresses within memory that is also indexed are given as offsets from
one symbol: see `regions`.

The directory is METATRACER_CACHE, else `metatracer` in XDG_CACHE_HOME or `~/.cache`; METATRACER_CACHE=off keeps nothing. Files
and directory are used only if they belong to the user and nobody else can write to them. A damaged file is compiled anew. When
files cannot be kept, the code is compiled in each process; the statistics count that.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from metatracer.backend import llvm
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ADDRESS = re.compile(r"inttoptr \(i64 (\d+) to ptr\)")
_HASH_BYTES = 32
_LARGEST = 1 << 20
"""Bytes of a file; the largest made are some ten thousand."""
_MOST_FILES = 500
"""The oldest are removed: versions and processors change, and programs bring texts of their own."""


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
    directory = _directory()
    path = None if directory is None else directory / f"{_key(text, level)}.o"
    image = None if path is None else _read(path)
    if image is None:
        STATISTICS.shared_code_compiled += 1
        image = llvm.emit_object(text, level)
        if path is not None:
            try:
                _write(path, image)
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


def _directory() -> Path | None:
    """Where the files are, or None when none are to be kept."""
    wanted = os.environ.get("METATRACER_CACHE", "")
    if wanted == "off":
        return None
    if wanted:
        return Path(wanted)
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "metatracer"
    try:
        return Path.home() / ".cache" / "metatracer"
    except RuntimeError:  # there is no home directory
        return None


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path) -> bytes | None:
    """The object file, or None if there is none that can be trusted."""
    try:
        if not _is_ours(path.parent.stat()):
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not _is_ours(status) or status.st_size > _LARGEST:
            return None
        try:
            content = file.read()
        except OSError:
            return None
    image = content[_HASH_BYTES:]
    return image if hashlib.sha256(image).digest() == content[:_HASH_BYTES] else None


def _write(path: Path, image: bytes) -> None:
    """Keep an object file. Other processes see it whole or not at all."""
    import tempfile

    directory = path.parent
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_ours(directory.stat()):
        raise PermissionError(f"{directory} is not the user's own")
    descriptor, name = tempfile.mkstemp(dir=directory, prefix="new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(image).digest() + image)
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    _remove_oldest(directory)


def _remove_oldest(directory: Path) -> None:
    paths = list(directory.iterdir())
    if len(paths) <= _MOST_FILES:
        return
    files = []
    for path in paths:
        with contextlib.suppress(OSError):  # another process removes them, too
            files.append((path.stat().st_mtime, path))
    for _, path in sorted(files)[: len(paths) // 2]:
        with contextlib.suppress(OSError):
            path.unlink()
