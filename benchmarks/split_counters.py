"""`python -m benchmarks.split_counters`: counting from many native threads, with one shared word and with a tree of words.

Three ways to count many times from each thread, in machine code that holds no lock (and no GIL):

- *plain*: load, add, store of one word. Increments get lost.
- *atomic*: one `atomicrmw add` on one word. Exact, and its cache line goes from core to core with each increment.
- *split*: each thread has a word (in a cache line) of its own. When that has reached a batch, the batch is added to the
  word of its group of threads with a relaxed `atomicrmw`, and that of a group, when it passes a batch of its own, to the
  total. The sum over the tree is exact whenever no thread is between two of its steps.

metatracer's own counters (`backend.counting`) are plain words: its code runs with the GIL held.
"""

from __future__ import annotations

import ctypes
import threading
import time
from dataclasses import dataclass

import typer

from benchmarks.common import write_json
from metatracer.backend.llvm import compile_text

LINE = 8
"""Words in a cache line."""
BATCH, GROUP_BATCH = 1 << 10, 1 << 14
GROUP = 4
"""Threads of a group."""

TEXT = f"""
define void @plain(ptr %leaf, ptr %group, ptr %total, i64 %times) nounwind {{
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %old = load volatile i64, ptr %total
  %new = add i64 %old, 1
  store volatile i64 %new, ptr %total
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %times
  br i1 %more, label %loop, label %end
end:
  ret void
}}

define void @atomic(ptr %leaf, ptr %group, ptr %total, i64 %times) nounwind {{
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %old = atomicrmw add ptr %total, i64 1 monotonic
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %times
  br i1 %more, label %loop, label %end
end:
  ret void
}}

define void @split(ptr %leaf, ptr %group, ptr %total, i64 %times) nounwind {{
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %count]
  %old = load volatile i64, ptr %leaf
  %new = add i64 %old, 1
  %full = icmp eq i64 %new, {BATCH}
  br i1 %full, label %overflow, label %store
overflow:
  %before = atomicrmw add ptr %group, i64 {BATCH} monotonic
  %sum = add i64 %before, {BATCH}
  %low = and i64 %sum, {GROUP_BATCH - 1}
  %passes = icmp eq i64 %low, 0
  br i1 %passes, label %up, label %store
up:
  %was = atomicrmw sub ptr %group, i64 {GROUP_BATCH} monotonic
  %above = atomicrmw add ptr %total, i64 {GROUP_BATCH} monotonic
  br label %store
store:
  %kept = phi i64 [%new, %loop], [0, %overflow], [0, %up]
  store volatile i64 %kept, ptr %leaf
  br label %count
count:
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %times
  br i1 %more, label %loop, label %end
end:
  ret void
}}
"""
WAYS = ("plain", "atomic", "split")
Function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)


@dataclass
class Counters:
    """The words of one counter: a leaf for each thread, groups of them, and the total, each in a cache line."""

    threads: int

    def __post_init__(self) -> None:
        self.groups = -(-self.threads // GROUP)
        self.words = (ctypes.c_int64 * (LINE * (self.threads + self.groups + 2)))()
        # The first address in a line of its own.
        self.start = -(-ctypes.addressof(self.words) // (8 * LINE)) * 8 * LINE

    def places(self, thread: int) -> tuple[int, int, int]:
        """Addresses of a thread's leaf, its group's word, and the total."""
        lines = (1 + self.groups + thread, 1 + thread // GROUP, 0)
        leaf, group, total = [self.start + 8 * LINE * line for line in lines]
        return leaf, group, total

    def value(self) -> int:
        """The sum over the tree."""
        return sum(self.words)

    def bytes_used(self, way: str) -> int:
        """Of memory, for this way of counting."""
        return 8 if way != "split" else 8 * LINE * (self.threads + self.groups + 1)


def count(function: ctypes._CFuncPtr, threads: int, times: int) -> tuple[float, Counters]:
    """Count from so many threads; seconds until all are done, and the counter."""
    counters = Counters(threads)
    barrier = threading.Barrier(threads + 1)

    def run(thread: int) -> None:
        places = counters.places(thread)
        barrier.wait()
        function(*places, times)

    started = [threading.Thread(target=run, args=(thread,)) for thread in range(threads)]
    for thread in started:
        thread.start()
    barrier.wait()
    start = time.perf_counter()
    for thread in started:
        thread.join()
    return time.perf_counter() - start, counters


def measure(threads: list[int], times: int, rounds: int) -> list[dict[str, object]]:
    """The best of some rounds for each way and number of threads."""
    machine = compile_text(TEXT, list(WAYS), level=2)
    functions = {way: Function(machine.addresses[way]) for way in WAYS}
    found: list[dict[str, object]] = []
    for number in threads:
        for way in WAYS:
            runs = [count(functions[way], number, times) for _ in range(rounds)]
            seconds = min(run[0] for run in runs)
            lost = max(number * times - run[1].value() for run in runs)
            found.append({
                "way": way, "threads": number, "ns_per_increment": 1e9 * seconds / (number * times),
                "lost": lost, "bytes": runs[0][1].bytes_used(way),
            })  # fmt: skip
    machine.free()
    return found


def main(times: int = 20_000_000, rounds: int = 3, most_threads: int = 8) -> None:
    """Measure and print a table."""
    threads = [number for number in (1, 2, 4, 8) if number <= most_threads]
    found = measure(threads, times, rounds)
    print(f"{'way':8} {'threads':>7} {'ns/increment':>13} {'lost':>10} {'bytes':>6}")
    for row in found:
        print(f"{row['way']:8} {row['threads']:7} {row['ns_per_increment']:13.2f} {row['lost']:10} {row['bytes']:6}")
    write_json("split_counters", found)


if __name__ == "__main__":
    typer.run(main)
