"""Entering and leaving machine code ten thousand times leaves nothing behind.

Roots are not looked at meanwhile: what is found out about them, and other code for them, stays."""

from __future__ import annotations

import pytest

from tests.scenarios.scripts import EAGER, run_script

_COUNTING = """
import gc, json, os, sys
import metatracer
from tests.scenarios.loops import each, fold

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

{scenario}

def measure():
    gc.collect()
    return {{
        "references": [sys.getrefcount(value) for value in WATCHED],
        "objects": len(gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
        "memory": memory(),
    }}

for _ in range({warm_up}):
    once()
measure()
before_entries = metatracer.statistics_snapshot()
before = measure()
for _ in range(10000):
    once()
after = measure()
statistics = metatracer.statistics_snapshot()
print(json.dumps({{
    "references": [b - a for a, b in zip(before["references"], after["references"])],
    "objects": after["objects"] - before["objects"],
    "blocks": after["blocks"] - before["blocks"],
    "memory": after["memory"] - before["memory"],
    "entries": statistics["loop_entries"] - before_entries["loop_entries"],
    "exits": statistics["guard_exits"] - before_entries["guard_exits"],
}}))
"""

SCENARIOS = {
    "finished loops": """
class Box:
    __slots__ = ("value",)
    def __init__(self, value):
        self.value = value
BOX = Box(1000)
NAMES = ["first", object(), 2.5]
WATCHED = [BOX, NAMES, Box, NAMES[1], None]
def step(i, box):
    box.value = (box.value + i) % 100003
    NAMES[i & 1] = NAMES[1]
def once():
    each(step, 12, BOX)
""",
    "exits by exception": """
class Stop(Exception):
    pass
TOKEN = object()
WATCHED = [TOKEN, Stop, None]
def step(i, token):
    if i == 9:
        raise Stop(token)
def once():
    try:
        each(step, 20, TOKEN)
    except Stop:
        pass
""",
    "exits with fresh objects": """
class Pair:
    def __init__(self, left, right):
        self.left = left
        self.right = right
TOKEN = object()
WATCHED = [TOKEN, Pair, None, True]
ROUND = [0]
def step(i, pair):
    fresh = Pair(TOKEN, (i, pair.right))
    if (i + ROUND[0]) % 13 == 12:
        return Pair(fresh, TOKEN).left
    return fresh if i % 2 else Pair(i * 1.5, fresh.left)
def once():
    ROUND[0] += 1
    fold(step, 10, Pair(1, TOKEN))
""",
    "caught inside": """
TABLE = {}
WATCHED = [TABLE, KeyError, None]
def step(i, value):
    try:
        return TABLE[i, value]
    except KeyError as error:
        return error.args[0][0]
def once():
    fold(step, 10, 0)
""",
    "strings and floats": """
TEXT = "".join(["some", " text"])
FLOAT = 1.5 * len(TEXT)
WATCHED = [TEXT, FLOAT, None]
def step(i, value):
    return f"{value[:3]}{TEXT}{FLOAT * i}"
def once():
    fold(step, 10, TEXT)
""",
    "nested portals": """
TOKEN = object()
WATCHED = [TOKEN, None]
def inner(i, value):
    return (value[0] + i, TOKEN)
def outer(i, value):
    return fold(inner, i % 4, value)
def once():
    fold(outer, 8, (0, TOKEN))
""",
}

_INVALIDATED = """
import json
import metatracer
from tests.scenarios.loops import fold
SCALE = 1
def step(i, value):
    return (value + SCALE) % 1009
total = 0
for SCALE in range(1, 40):
    total += fold(step, 300, 0)
statistics = metatracer.statistics_snapshot()
print(json.dumps([total, statistics["invalidations"], statistics["retired_codes_freed"]]))
"""


@pytest.mark.parametrize(("setting", "warm_up"), [("tier2_threshold=0", 600), ("tier2_threshold=50,background=off", 12_000)])
@pytest.mark.parametrize("name", SCENARIOS)
def test_ten_thousand_entries_leave_nothing(name: str, setting: str, warm_up: int) -> None:
    # A tree is compiled again, ever more seldom, when it grows: its parts live as long as it does.
    found = run_script(_COUNTING.format(scenario=SCENARIOS[name], warm_up=warm_up), f"{EAGER},replace=off,{setting}")
    assert found["entries"] >= 5000
    # None is among the objects watched: caches anywhere in the process move its count a little.
    assert max(abs(count) for count in found["references"]) <= 10
    assert found["objects"] <= 30
    assert found["blocks"] <= 300
    assert found["memory"] <= 2_000_000


def test_retired_code_is_freed() -> None:
    total, invalidations, freed = run_script(_INVALIDATED)
    assert total == sum(300 * scale % 1009 for scale in range(1, 40))
    assert invalidations >= 1
    assert freed >= 1
