"""Signals reach a native loop, and other threads run beside it."""

from __future__ import annotations

from tests.scenarios.scripts import run_script

_INTERRUPTED = """
import json, signal, time
import metatracer
from tests.scenarios.loops import each, fold

def spin(i, state):
    state[0] = (state[0] * 3 + i) & 1023

def nothing(i, value):
    return i

each(spin, 2000, [1])
fold(nothing, 2000, 0)
delays = []
due = 0.0

def interrupt(number, frame):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
signal.signal(signal.SIGINT, interrupt)
for attempt in range(6):
    due = time.monotonic() + 0.2
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        if attempt % 2:
            each(spin, 10**15, [1])
        else:
            fold(nothing, 10**15, 0)
    except KeyboardInterrupt:
        delays.append(time.monotonic() - due)
state = each(spin, 5000, [1])
print(json.dumps({"delays": delays, "after": state[0], "loops": metatracer.statistics_snapshot()["loops_compiled"]}))
"""

_SIGINT = """
import json, os, signal, threading, time
import metatracer
from tests.scenarios.loops import fold

def nothing(i, value):
    return value + i & 7

fold(nothing, 3000, 0)
sent = 0.0

def press():
    global sent
    time.sleep(0.3)
    sent = time.monotonic()
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=press).start()
try:
    fold(nothing, 10**15, 0)
except KeyboardInterrupt:
    stopped = time.monotonic()
print(json.dumps({"delay": stopped - sent, "loops": metatracer.statistics_snapshot()["loops_compiled"]}))
"""

_THREADS = """
import json, threading, time
import metatracer
from tests.scenarios.loops import each

class State:
    def __init__(self):
        self.stop = False
        self.rounds = 0

class Stop(Exception):
    pass

def wait(i, state):
    state.rounds += 1
    if state.stop:
        raise Stop

state = State()
each(wait, 2000, state)
ticks = 0

def tick():
    global ticks
    for _ in range(30):
        time.sleep(0.001)
        ticks += 1
    state.stop = True

thread = threading.Thread(target=tick)
thread.start()
try:
    each(wait, 10**15, state)
except Stop:
    thread.join()
print(json.dumps({"ticks": ticks, "rounds": state.rounds > 2000,
                  "loops": metatracer.statistics_snapshot()["loops_compiled"]}))
"""

_TWO_TRACING = """
import json, threading
import metatracer
from tests.scenarios.loops import each, fold

def make(k):
    def step(i, value):
        if i % 7 == k:
            return value * 3 % 1000003
        return value + i * k
    return step

def shared(i, value):
    return (value * 31 + i) % 65521 if i % 3 else value + 1

results = {}
barrier = threading.Barrier(4)

def work(number):
    own = make(number)
    barrier.wait()
    got = []
    for round in range(20):
        got.append(fold(shared, 700, number))
        got.append(fold(own, 700, 1))
    results[number] = got

threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

def plain(step, n, value):
    for i in range(n):
        value = step(i, value)
    return value

expected = {number: [plain(shared, 700, number), plain(make(number), 700, 1)] * 20 for number in range(4)}
print(json.dumps({"equal": results == expected, "loops": metatracer.statistics_snapshot()["loops_compiled"]}))
"""


def test_signal_stops_a_native_loop() -> None:
    found = run_script(_INTERRUPTED)
    assert found["loops"] >= 2
    assert len(found["delays"]) == 6
    assert min(found["delays"]) < 0.05


def test_signal_leaves_the_same_result_behind() -> None:
    assert run_script(_INTERRUPTED)["after"] == run_script(_INTERRUPTED, setting="off")["after"]


def test_control_c_from_another_thread_stops_a_native_loop() -> None:
    delays = []
    for _ in range(2):
        found = run_script(_SIGINT)
        assert found["loops"] >= 1
        delays.append(found["delay"])
    assert min(delays) < 0.05


def test_other_threads_run_and_their_stores_are_seen() -> None:
    found = run_script(_THREADS)
    assert found == {"ticks": 30, "rounds": True, "loops": found["loops"]}
    assert found["loops"] >= 1


def test_four_threads_trace_at_once() -> None:
    found = run_script(_TWO_TRACING)
    assert found["equal"] is True
    assert found["loops"] >= 2


_FIRST_AT_ONCE = """
import json, sys, threading, time
from metatracer.backend import interposers, watchers
made = []
kind = interposers.Interposers if sys.version_info < (3, 12) else watchers.Watchers
make = kind.__init__

def slowly(self):
    made.append(self)
    time.sleep(0.05)
    make(self)

kind.__init__ = slowly
found = []
threads = [threading.Thread(target=lambda: found.append(watchers.watchers())) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"made": len(made), "found": len(found), "same": all(each is found[0] for each in found)}))
"""


def test_threads_that_compile_first_at_once_share_what_notices_changes() -> None:
    assert run_script(_FIRST_AT_ONCE) == {"made": 1, "found": 4, "same": True}
