"""Shared machine code kept in the user's cache directory: when it is used, and when it is not."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

import pytest

from metatracer.backend.stored_code import compile_stored
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = """
define i64 @read() {
  %word = load i64, ptr inttoptr (i64 ADDRESS to ptr)
  ret i64 %word
}"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "cache"
    monkeypatch.setenv("METATRACER_CACHE", str(found))
    return found


def read(content: int) -> int:
    """What code that reads a word with this content gives."""
    word = ctypes.c_int64(content)
    machine = compile_stored(TEXT.replace("ADDRESS", str(ctypes.addressof(word))), ["read"], level=1)
    return int(ctypes.CFUNCTYPE(ctypes.c_int64)(machine.addresses["read"])())


def counts() -> tuple[int, int, int]:
    return STATISTICS.shared_code_loaded, STATISTICS.shared_code_compiled, STATISTICS.shared_code_not_kept


def change(before: tuple[int, int, int]) -> tuple[int, ...]:
    return tuple(now - then for now, then in zip(counts(), before, strict=True))


def test_code_with_other_addresses_is_loaded(directory: Path) -> None:
    assert read(5) == 5
    before = counts()
    assert read(7) == 7
    assert change(before) == (1, 0, 0)


def test_another_text_is_another_file(directory: Path) -> None:
    read(5)
    before = counts()
    compile_stored(TEXT.replace("ADDRESS", "4096").replace("ret i64 %word", "ret i64 3"), ["read"], level=1)
    assert change(before) == (0, 1, 0)
    assert len(list(directory.iterdir())) == 2


@pytest.mark.parametrize("place", [0, 40, -1])
def test_damaged_file_is_compiled_anew(directory: Path, place: int) -> None:
    read(5)
    (file,) = directory.iterdir()
    whole = file.read_bytes()
    content = bytearray(whole)
    content[place] ^= 1
    file.write_bytes(content)
    before = counts()
    assert read(7) == 7
    assert change(before) == (0, 1, 0)
    assert file.read_bytes() == whole


@pytest.mark.parametrize("length", [0, 31, 100])
def test_cut_file_is_compiled_anew(directory: Path, length: int) -> None:
    read(5)
    (file,) = directory.iterdir()
    file.write_bytes(file.read_bytes()[:length])
    before = counts()
    assert read(7) == 7
    assert change(before) == (0, 1, 0)


def test_file_that_others_can_write_is_not_used(directory: Path) -> None:
    read(5)
    (file,) = directory.iterdir()
    file.chmod(0o666)
    before = counts()
    assert read(7) == 7
    assert change(before) == (0, 1, 0)


def test_directory_that_others_can_write_is_not_used(directory: Path) -> None:
    read(5)
    directory.chmod(0o777)
    before = counts()
    assert read(7) == 7
    assert change(before) == (0, 1, 1)


def test_symbolic_link_is_not_followed(directory: Path) -> None:
    read(5)
    (file,) = directory.iterdir()
    file.rename(directory.parent / "elsewhere")
    file.symlink_to(directory.parent / "elsewhere")
    before = counts()
    assert read(7) == 7
    assert change(before) == (0, 1, 0)


@pytest.mark.parametrize(("make", "failures"), [(os.mkdir, 1), (os.mkfifo, 0)])
def test_what_is_no_file_is_not_read(directory: Path, make: Callable[[Path], None], failures: int) -> None:
    read(5)
    (file,) = directory.iterdir()
    file.unlink()
    make(file)
    before = counts()
    assert read(7) == 7
    assert change(before) == (0, 1, failures)


def test_directory_that_cannot_be_made_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("METATRACER_CACHE", str(tmp_path / "file" / "cache"))
    before = counts()
    assert read(7) == 7
    assert change(before) == (0, 1, 1)


def test_off_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METATRACER_CACHE", "off")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = counts()
    assert read(7) == 7
    assert change(before) == (0, 1, 0)
    assert list(tmp_path.iterdir()) == []


def test_the_default_is_the_users_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METATRACER_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    read(5)
    assert [path.name for path in tmp_path.iterdir()] == ["metatracer"]


def test_old_files_are_removed(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metatracer.kept.MOST_FILES", 3)
    for number in range(4):
        compile_stored(TEXT.replace("ADDRESS", "4096").replace("ret i64 %word", f"ret i64 {number}"), ["read"])
    assert len(list(directory.iterdir())) == 2


def test_places_of_a_region_are_known_to_be_the_same_memory(directory: Path) -> None:
    words = (ctypes.c_int64 * 8)()
    address = ctypes.addressof(words)
    text = f"""
define i64 @swap(i64 %index) {{
  store i64 1, ptr inttoptr (i64 {address + 24} to ptr)
  %place = getelementptr i64, ptr inttoptr (i64 {address} to ptr), i64 %index
  store i64 2, ptr %place
  %word = load i64, ptr inttoptr (i64 {address + 24} to ptr)
  ret i64 %word
}}"""
    machine = compile_stored(text, ["swap"], level=2, regions=[(address, ctypes.sizeof(words))])
    swap = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(machine.addresses["swap"])
    assert (swap(3), swap(2)) == (2, 1)
