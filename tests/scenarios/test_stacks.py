"""Native recursion in threads whose stacks differ in size, one after the other: their thread states are reused."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

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


RECURSION = '''
import sys
import threading
from metatracer import JitDriver, parameters

driver = JitDriver(greens=["code"], reds="auto", name="deep")


class Frame:
    def __init__(self, n: int, weight: float) -> None:
        self.n = n
        self.weight = weight


class Below:
    """A call that machine code makes through CPython."""

    def __getattr__(self, name: str) -> float:
        frame = self.__dict__["frame"]
        return run(1, Frame(frame.n - 1, frame.weight))


@driver.portal
def run(code: int, frame: Frame) -> float:
    i = 0
    total = 0.0
    while i < 2:
        driver.jit_merge_point(code=code)
        if i == 1 and frame.n > 0:
            if frame.n % SHARE == 0:
                below = Below()
                below.__dict__["frame"] = frame
                total += below.value
            else:
                total += run(code, Frame(frame.n - 1, frame.weight))
        total += frame.weight
        i += 1
    return total


def recurse(depth: int) -> str:
    try:
        return str(run(1, Frame(depth, 0.5)))
    except RecursionError:
        return "RecursionError"


def main() -> None:
    for _ in range(50):
        recurse(10)
    for depth in DEPTHS:
        print(depth, recurse(depth))
    print(recurse(10))


sys.setrecursionlimit(LIMIT)
threading.stack_size(STACK)
thread = threading.Thread(target=main)
thread.start()
thread.join()
'''


def deep(setting: str, share: int, limit: int, stack: int, depths: tuple[int, ...]) -> str:
    return output(setting, f"SHARE, LIMIT, STACK, DEPTHS = {share}, {limit}, {stack}, {depths}\n{RECURSION}")


def output(setting: str, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "METATRACER": setting},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


EAGER = "threshold=2,function_threshold=2,trace_eagerness=2"


@pytest.mark.parametrize("setting", [EAGER, f"{EAGER},max_unroll_recursion=1,tier2_threshold=50", f"{EAGER},force_exits=5"])
def test_recursion_ends_at_pythons_limit_and_not_where_the_machines_stack_does(setting: str) -> None:
    # 8,000 calls need more than the megabyte, traced; so they go on in the interpreter, or wait on the heap.
    wanted = deep("off", 1 << 60, 20_000, 1 << 20, (3000, 8000, 100))
    assert "RecursionError" not in wanted
    assert deep(setting, 1 << 60, 20_000, 1 << 20, (3000, 8000, 100)) == wanted


@pytest.mark.parametrize("setting", [EAGER, f"{EAGER},force_exits=5"])
def test_recursion_through_cpython_may_fill_the_stack_with_machine_code(setting: str) -> None:
    # One call in seven is CPython's own, on the same stack.
    wanted = deep("off", 7, 20_000, 2 << 20, (500, 2000, 100))
    assert "RecursionError" not in wanted
    assert deep(setting, 7, 20_000, 2 << 20, (500, 2000, 100)) == wanted


HELPER_LOOPS = """
import sys
import threading
from metatracer import JitDriver

driver = JitDriver(greens=[], reds=["node"], name="nodes")


class Node:
    def __init__(self, weight: int, children: list) -> None:
        self.weight = weight
        self.children = children


def visit_all(nodes: list, start: int) -> int:
    total = start
    for node in nodes:
        total += run(node)
    return total


@driver.portal
def run(node: Node) -> int:
    while True:
        driver.jit_merge_point(node=node)
        return visit_all(node.children, node.weight)


def chain(depth: int) -> Node:
    node = Node(1, [])
    for _ in range(depth):
        node = Node(1, [Node(2, []) for _ in range(20)] + [node])
    return node


def main() -> None:
    for depth in (3, 3, 3, 3, 3, 50, 50, 50, 300, 6000, 6000, 7):
        node = chain(depth)
        print(depth, run(node))
        while node.children:
            node = node.children.pop()


sys.setrecursionlimit(60_000)  # frames of the runtime's count, too
# Which call finds the stack full depends on its size.
for size in range(512 << 10, 1 << 20, 130 << 10):
    threading.stack_size(size)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
"""


@pytest.mark.parametrize("setting", [EAGER, f"{EAGER},helper_loops=off"])
def test_recursion_in_the_loops_of_helpers_may_fill_the_stack(setting: str) -> None:
    wanted = output("off", HELPER_LOOPS)
    assert wanted.splitlines()[-1] == "7 288"
    assert output(setting, HELPER_LOOPS) == wanted


def test_endless_recursion_is_a_recursion_error() -> None:
    for limit in (1000, 30_000):
        found = deep(EAGER, 1 << 60, limit, 1 << 20, (1 << 40, 10))
        assert found.splitlines() == [f"{1 << 40} RecursionError", "10 11.0", "11.0"]
