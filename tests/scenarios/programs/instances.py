"""Instance dictionaries that are looked at, copied, swapped and grown while traces use their fields."""

from metatracer import dont_look_inside
from tests.scenarios.loops import each


class Thing:
    def __init__(self, value):
        self.value = value
        self.count = 0


@dont_look_inside
def peek(thing):
    return dict(thing.__dict__)


@dont_look_inside
def poke(thing, value):
    thing.count = value


def stores_then_peeks(i, state):
    thing, log = state
    thing.value += i
    thing.count += 1
    if i % 50 == 7:
        log.append(peek(thing))
    thing.value -= 1


def poked(i, state):
    thing, log = state
    thing.count += 1
    if i % 40 == 3:
        poke(thing, -1000)
    thing.count += thing.value % 2


def swaps_dict(i, state):
    thing, log = state
    thing.count += 1
    if i == 250:
        thing.__dict__ = {"value": 5, "count": 1000, "more": 1}
    if i == 300:
        thing.__dict__["count"] = 0
    thing.value += 1


def grows(i, state):
    thing, log = state
    if i % 30 == 0:
        setattr(thing, f"field{i}", i)
    thing.count += 1
    if i == 280:
        del thing.value
        thing.value = 3
    thing.value += getattr(thing, "field60", 0)


def fresh_escapes(i, state):
    thing, log = state
    fresh = Thing(i)
    fresh.count = thing.count
    if i % 64 == 0:
        log.append(fresh)
    thing.count = fresh.count + 1


def main():
    for step in (stores_then_peeks, poked, swaps_dict, grows, fresh_escapes):
        thing, log = each(step, 400, (Thing(1), []))
        print(step.__name__, sorted(vars(thing).items()), [vars(x) if isinstance(x, Thing) else x for x in log])
