"""Files kept in the user's cache directory from one process to the next: each with a hash of its content in front.

The directory is METATRACER_CACHE, else `metatracer` in XDG_CACHE_HOME or `~/.cache`; METATRACER_CACHE=off keeps nothing. Files
and directory are used only if they belong to the user and nobody else can write to them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

_HASH_BYTES = 32
LARGEST = 1 << 20
"""Bytes of a file; the largest made are some ten thousand."""
MOST_FILES = 500
"""The oldest are removed: versions and processors change, and programs bring files of their own."""


def directory() -> Path | None:
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


def read(path: Path) -> bytes | None:
    """The content, or None if there is no file that can be trusted."""
    try:
        if not _is_ours(path.parent.stat()):
            return None
        # A pipe by that name would otherwise be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not _is_ours(status) or status.st_size > LARGEST:
            return None
        content = os.read(descriptor, LARGEST)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    found = content[_HASH_BYTES:]
    return found if hashlib.sha256(found).digest() == content[:_HASH_BYTES] else None


def write(path: Path, content: bytes) -> None:
    """Keep a file. Other processes see it whole or not at all.

    Raises:
        OSError: It cannot be kept.
    """
    import tempfile

    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_ours(folder.stat()):
        raise PermissionError(f"{folder} is not the user's own")
    descriptor, name = tempfile.mkstemp(dir=folder, prefix="new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    _remove_oldest(folder)


def _remove_oldest(folder: Path) -> None:
    paths = list(folder.iterdir())
    if len(paths) <= MOST_FILES:
        return
    files = []
    for path in paths:
        with contextlib.suppress(OSError):  # another process removes them, too
            files.append((path.stat().st_mtime, path))
    for _, path in sorted(files)[: len(paths) // 2]:
        with contextlib.suppress(OSError):
            path.unlink()
