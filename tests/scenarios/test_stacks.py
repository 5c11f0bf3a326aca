"""Native recursion in threads whose stacks differ in size, one after the other: their thread states are reused."""

from __future__ import annotations

import threading

from metatracer import JitDriver, parameters

SIZES = (1 << 20, 64 << 20, 256 << 10, 16 << 20)


def test_the_stack_limit_is_that_of_the_thread() -> None:
    driver = JitDriver(greens=["code"], reds="auto", name="stacks")

    @driver.portal
    def run(code: int, n: int) -> int:
        i = total = 0
        while i < 3:
            driver.jit_merge_point(code=code)
            if n > 0:
                total += run(code, n - 1)
            total += 1
            i += 1
        return total

    found: list[int | str] = []

    def recurse() -> None:
        try:
            found.append(run(1, 5))
        except RecursionError:
            found.append("no stack left")

    before = threading.stack_size()
    with parameters(threshold=2, function_threshold=2, trace_eagerness=2):
        for _ in range(30):
            wanted = run(1, 5)
        try:
            for number in range(300):
                threading.stack_size(SIZES[number % len(SIZES)])
                thread = threading.Thread(target=recurse)
                thread.start()
                thread.join()
        finally:
            threading.stack_size(before)
    assert found == [wanted] * 300
