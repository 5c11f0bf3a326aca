"""Counts what two runs of a guest program, of size N and 2 N, take from CPython's object allocator; prints JSON.

    python allocations.py MODULE PROGRAM WARM_SECONDS SIZE

The counting functions are machine code put around the allocator of the domain "object" (`PyMem_SetAllocator`), so counting
allocates nothing itself. Objects that CPython takes from its own free lists (floats, tuples, lists, dicts) are not seen.
"""

from __future__ import annotations

import ctypes
import importlib
import io
import json
import os
import sys
import time
from typing import Any

from metatracer.backend import llvm

_OBJECT_DOMAIN = 2
_CODE = """
define ptr @counting_malloc(ptr %ctx, i64 %size) {
  %count = load i64, ptr %ctx
  %more = add i64 %count, 1
  store i64 %more, ptr %ctx
  %p0 = getelementptr ptr, ptr %ctx, i64 1
  %inner = load ptr, ptr %p0
  %p1 = getelementptr ptr, ptr %ctx, i64 2
  %function = load ptr, ptr %p1
  %result = tail call ptr %function(ptr %inner, i64 %size)
  ret ptr %result
}
define ptr @counting_calloc(ptr %ctx, i64 %items, i64 %size) {
  %count = load i64, ptr %ctx
  %more = add i64 %count, 1
  store i64 %more, ptr %ctx
  %p0 = getelementptr ptr, ptr %ctx, i64 1
  %inner = load ptr, ptr %p0
  %p1 = getelementptr ptr, ptr %ctx, i64 3
  %function = load ptr, ptr %p1
  %result = tail call ptr %function(ptr %inner, i64 %items, i64 %size)
  ret ptr %result
}
define ptr @passing_realloc(ptr %ctx, ptr %block, i64 %size) {
  %p0 = getelementptr ptr, ptr %ctx, i64 1
  %inner = load ptr, ptr %p0
  %p1 = getelementptr ptr, ptr %ctx, i64 4
  %function = load ptr, ptr %p1
  %result = tail call ptr %function(ptr %inner, ptr %block, i64 %size)
  ret ptr %result
}
define void @passing_free(ptr %ctx, ptr %block) {
  %p0 = getelementptr ptr, ptr %ctx, i64 1
  %inner = load ptr, ptr %p0
  %p1 = getelementptr ptr, ptr %ctx, i64 5
  %function = load ptr, ptr %p1
  tail call void %function(ptr %inner, ptr %block)
  ret void
}
"""
_NAMES = ("counting_malloc", "counting_calloc", "passing_realloc", "passing_free")
_Allocator = ctypes.c_void_p * 5
"""PyMemAllocatorEx: context, malloc, calloc, realloc, free."""


class Census:
    """Counts the blocks taken from the object allocator, from now on. Never taken away again."""

    def __init__(self) -> None:
        inner = _Allocator()
        ctypes.pythonapi.PyMem_GetAllocator(_OBJECT_DOMAIN, ctypes.byref(inner))
        self._machine = llvm.compile_text(_CODE, _NAMES, level=1)
        self._context = (ctypes.c_uint64 * 6)(0, *[word or 0 for word in inner])
        addresses = [self._machine.addresses[name] for name in _NAMES]
        outer = _Allocator(ctypes.addressof(self._context), *addresses)
        ctypes.pythonapi.PyMem_SetAllocator(_OBJECT_DOMAIN, ctypes.byref(outer))

    def count(self) -> int:
        """The blocks so far."""
        return int(self._context[0])


def main() -> None:
    module_name, path, warm_seconds, size_text = sys.argv[1:]
    size = int(size_text)
    interpreter = importlib.import_module(module_name)
    program = interpreter.load(path)
    census = Census()
    stdout, sys.stdout = sys.stdout, io.StringIO()

    def blocks(size: int) -> int:
        sys.stdout.seek(0)
        sys.stdout.truncate()
        before = census.count()
        interpreter.run_program(program, size)
        return census.count() - before

    counts: list[int] = []
    try:
        end = time.perf_counter() + float(warm_seconds)
        while warm_seconds != "0" and time.perf_counter() < end:
            blocks(size)
        # The least of three: a collection of garbage or a compilation may fall into one of them.
        counts = [min(blocks(number) for _ in range(3)) for number in (size, 2 * size)]
        output: Any = sys.stdout.getvalue()
    finally:
        sys.stdout = stdout
    print(json.dumps({"blocks": counts, "output": output}), flush=True)
    os._exit(0)  # the interpreter frees objects long after machine code has gone


if __name__ == "__main__":
    main()
