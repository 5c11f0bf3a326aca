"""What a trace relies on changes all the time: after a few compiles the recorder does without, and results stay right."""

from __future__ import annotations

import pytest

from tests.scenarios.scripts import run_script

MOST_COMPILES = 12

_SCRIPT = """
import json
import metatracer
from tests.scenarios.loops import each, fold

COUNT = 0

def unseen(function, *arguments):
    '''Called from C, where nothing is traced.'''
    sorted([1], key=lambda _: function(*arguments) or 0)

{definitions}

before = metatracer.statistics_snapshot()
result = fold(step, 6000, 0)
after = metatracer.statistics_snapshot()
late = fold(step, 6000, 0)
end = metatracer.statistics_snapshot()
print(json.dumps({{
    "result": [result, late],
    "compiles": after["loops_compiled"] + after["bridges_compiled"],
    "late": end["loops_compiled"] + end["bridges_compiled"] - after["loops_compiled"] - after["bridges_compiled"],
    "entries": end["loop_entries"],
    "exits": end["guard_exits"] - after["guard_exits"],
}}))
"""

PROGRAMS = {
    "class attribute, traced store": """
class Counter:
    total = 0

def step(i, total):
    Counter.total += 1
    return total + Counter.total
""",
    "class attribute, unseen store": """
class Counter:
    total = 0

def count(i):
    Counter.total = i

def step(i, total):
    unseen(count, i)
    return total + Counter.total
""",
    "class attribute counted by the constructor": """
class Node:
    __slots__ = ("value",)
    made = 0

    def __init__(self, value):
        Node.made += 1
        self.value = value

    def get(self):
        return self.value

def step(i, total):
    node = Node(i)
    return total + node.get() + node.value
""",
    "dict made again, of equal keys": """
TABLES = [None]
MADE = []

def renew(i):
    TABLES[0] = {bytes([97, 98 + number]): number + i for number in range(4)}
    MADE.append(TABLES[0])  # or the new keys are where the old ones were

def step(i, total):
    if i % 5 == 0:
        unseen(renew, i)
    table = TABLES[0]
    return total + table[b"ab"]
""",
    "attribute of a base class": """
class Base:
    total = 0

class Leaf(Base):
    def step(self, i):
        return i + self.total

LEAF = Leaf()

def step(i, total):
    Base.total = i
    return total + LEAF.step(i)
""",
    "method": """
class Thing:
    pass

THING = Thing()

def patch(i):
    Thing.get = lambda self: i

def step(i, total):
    unseen(patch, i)
    return total + THING.get()
""",
    "operators": """
class Number:
    made = 0

    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        return Number(self.value + other.value)

    def __eq__(self, other):
        return self.value == other.value

    def __bool__(self):
        return self.value % 2 == 0

    def __getitem__(self, i):
        return i

    def __setitem__(self, i, value):
        self.value = value

    def __contains__(self, i):
        return i == self.value

    def __call__(self, i):
        return i + 1

class Failed(Exception):
    times = 0

def step(i, total):
    Number.made += 1
    Failed.times += 1
    a, b = Number(i), Number(3)
    c = a + b
    if c == b:
        total += 1
    if c:
        total += 2
    c[0] = c[5] + c(i)
    total += (7 in c) + isinstance(c, Number) + issubclass(Number, object) + (c is a)
    try:
        raise Failed(i)
    except Failed as error:
        total += len(error.args)
    return total + c.value
""",
    "module global, traced store": """
def step(i, total):
    global COUNT
    COUNT += 1
    return total + COUNT
""",
    "module global, unseen store": """
def count(i):
    global COUNT
    COUNT = i

def step(i, total):
    unseen(count, i)
    return total + COUNT
""",
    "quasi-immutable attribute, traced store": """
class Version:
    _immutable_fields_ = ["number?"]

VERSION = Version()

def step(i, total):
    VERSION.number = i
    return total + VERSION.number
""",
    "quasi-immutable attribute, unseen store": """
class Version:
    _immutable_fields_ = ["number?"]
    __slots__ = ("number",)

VERSION = Version()
VERSION.number = 0

def count(i):
    VERSION.number = i

def step(i, total):
    unseen(count, i)
    return total + VERSION.number
""",
    "class of a constant": """
class Odd:
    __slots__ = ()

    def get(self, i):
        return i

class Even:
    __slots__ = ()

    def get(self, i):
        return -1

STATE = Odd()

def turn():
    STATE.__class__ = Odd if type(STATE) is Even else Even

def step(i, total):
    unseen(turn)
    return total + STATE.get(i)
""",
    "class of new objects": """
class Odd:
    __slots__ = ("value",)

    def get(self, i):
        return i

class Even:
    __slots__ = ("value",)

    def get(self, i):
        return self.value

def turn(thing):
    thing.__class__ = Even

def step(i, total):
    thing = Odd()
    thing.value = i * 2
    total += thing.get(i)
    unseen(turn, thing)
    return total + thing.get(i)
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_changes_all_the_time_is_compiled_a_few_times(name: str) -> None:
    text = _SCRIPT.format(definitions=PROGRAMS[name])
    plain = run_script(text, "off")
    # How often a place is compiled follows from `promotion_limit`.
    traced = run_script(text, "threshold=20,function_threshold=20,trace_eagerness=5,compile_level=0,promotion_limit=3")
    assert traced["result"] == plain["result"]
    assert plain["entries"] == 0
    assert traced["entries"] >= 1
    assert 1 <= traced["compiles"] <= MOST_COMPILES
    assert traced["late"] <= 1
    assert traced["exits"] < 6000
