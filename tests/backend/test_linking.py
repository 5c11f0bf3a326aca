"""Code that is linked and freed leaves nothing behind, and takes nothing away that others need."""

from __future__ import annotations

import ctypes
import functools
import gc
import os
import weakref
from pathlib import Path

from metatracer.backend import llvm

PAGE = os.sysconf("SC_PAGE_SIZE")


def compiled(number: int) -> llvm.Machine:
    """A function that gives a number."""
    return llvm.compile_text(f"define i64 @given() {{\n  ret i64 {number}\n}}\n", ["given"])


@functools.cache
def image() -> bytes:
    return llvm.emit_object("define i64 @given() {\n  ret i64 7\n}\n", 0)


def given(machine: llvm.Machine) -> int:
    return int(ctypes.CFUNCTYPE(ctypes.c_int64)(machine.addresses["given"])())


def churn(count: int) -> None:
    for _ in range(count):
        llvm.link(image(), ["given"], {}, {}).free()
    gc.collect()


def resident_kilobytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE // 1024


def test_memory_after_code_was_freed_often_is_as_after_a_few_times() -> None:
    churn(150)
    before = resident_kilobytes()
    churn(300)
    assert resident_kilobytes() - before < 1000


def test_code_stays_while_what_was_linked_after_it_comes_and_goes() -> None:
    early = compiled(-1)
    linker = early.tracker.linker
    churn(2 * llvm.MOST_FREED)
    late = compiled(-2)
    assert late.tracker.linker is not linker
    assert (given(early), given(late)) == (-1, -2)


def test_code_that_is_only_dropped_takes_its_linker_along() -> None:
    churn(llvm.MOST_FREED)
    machines = [compiled(number) for number in range(3)]
    compiler = weakref.ref(machines[0].tracker.linker.compiler)
    churn(llvm.MOST_FREED)
    last = compiled(7)
    del machines[1:]
    assert compiler() is not None
    assert given(machines[0]) == 0
    machines.clear()
    gc.collect()
    assert compiler() is None
    assert given(last) == 7
