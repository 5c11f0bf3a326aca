"""Counters and records turn into JSON and back to nothing."""

from __future__ import annotations

import json

from metatracer.statistics import LoopRecord, ResidualCall, Statistics


def test_totals_are_json_with_units():
    figures = Statistics()
    figures.loops_compiled += 2
    figures.count_abort("TOO_DEEP")
    figures.count_abort("TOO_DEEP")
    found = json.loads(json.dumps(figures.as_dict()))
    assert found["loops_compiled"] == 2
    assert found["aborts"] == {"TOO_DEEP": 2}
    assert all(isinstance(found[name], float) for name in found if name.endswith("_seconds"))


def test_a_copy_does_not_follow():
    figures = Statistics()
    copy = figures.as_dict()
    figures.count_abort("X")
    assert copy["aborts"] == {}


def test_reset():
    figures = Statistics(guard_exits=3)
    figures.count_abort("X")
    figures.reset()
    assert figures == Statistics()


def test_records_count_repetitions():
    record = LoopRecord("calc", "pc=3", "calc.py", 10)
    record.add_abort("TOO_DEEP", "too deep", "f", "calc.py", 20)
    record.add_abort("TOO_DEEP", "too deep", "f", "calc.py", 20)
    record.add_abort("TOO_DEEP", "too deep", "g", "calc.py", 30)
    record.add_residual_call(ResidualCall("print", "a C function"))
    record.add_residual_call(ResidualCall("print", "a C function", times=2))
    found = json.loads(json.dumps(record.as_dict()))
    assert [(abort["detail"], abort["times"]) for abort in found["aborts"]] == [("f", 2), ("g", 1)]
    assert [(call["function"], call["times"]) for call in found["residual_calls"]] == [("print", 3)]
    assert found["status"] == "counting"
