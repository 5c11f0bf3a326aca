"""Portals called with objects that the caller has just made: who shares them, what comes back, and what is in between."""

from metatracer import JitDriver, value_class

driver = JitDriver(greens=["pc", "code"], reds="auto", name="calls")


@value_class
class Number:
    __slots__ = ("value",)
    _immutable_fields_ = ["value"]

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"{self.value!r}"


class Pair:
    """Immutable, but told apart by identity."""

    __slots__ = ("left", "right")
    _immutable_fields_ = ["left", "right"]

    def __init__(self, left, right):
        self.left = left
        self.right = right


class Counter:
    __slots__ = ("count", "next")

    def __init__(self, count, following):
        self.count = count
        self.next = following


class Frame:
    __slots__ = ("cells", "parent", "counter")

    def __init__(self, size, parent, counter):
        self.cells = [None] * size
        self.parent = parent
        self.counter = counter


kept = []
seen = []


@driver.portal
def run(code, frame):
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        op, first, second = code[pc]
        cells = frame.cells
        if op == "const":
            cells[first] = Number(second)
        elif op == "add":
            left, right = cells[first], cells[second]
            cells[first] = Number(left.value + right.value)
        elif op == "pair":
            cells[first] = Pair(cells[first], cells[second])
        elif op == "move":
            cells[first] = cells[second]
        elif op == "left":
            cells[first] = cells[second].left
        elif op == "same":
            cells[first] = Number(1 if cells[first] is cells[second] else 0)
        elif op == "call":
            # the callee gets the caller's argument, and may reach the caller's frame
            inner = Frame(4, frame, Counter(0, frame.counter))
            inner.cells[0] = cells[first]
            cells[first] = run(second, inner)
            frame.counter.count += inner.counter.count
        elif op == "poke":
            # the callee changes what its caller made, and what the caller's caller has
            frame.counter.count += first
            frame.counter.next.count += second
            frame.parent.cells[3] = cells[0]
        elif op == "keep":
            kept.append(cells[first])
        elif op == "odd":
            if cells[first].value % 2:
                pc = second
                continue
        elif op == "third":
            if cells[first].value % 3 == 0:
                pc = second
                continue
        elif op == "raise":
            raise ValueError(cells[first].value)
        elif op == "attempt":
            inner = Frame(4, frame, frame.counter)
            inner.cells[0] = cells[first]
            try:
                cells[first] = run(second, inner)
            except ValueError as error:
                cells[first] = Number(-int(str(error)))
            finally:
                seen.append(len(kept))
        elif op == "less":
            if cells[first].value < second:
                pc = 0
                driver.can_enter_jit(pc=pc, code=code)
                continue
        elif op == "down":
            if cells[0].value > 0:
                inner = Frame(4, frame, frame.counter)
                inner.cells[0] = Number(cells[0].value - 1)
                cells[1] = Number(run(code, inner).value + second)
            else:
                cells[1] = Number(first)
        elif op == "return":
            return cells[first]
        pc += 1


def start(code, value, counter):
    frame = Frame(4, None, Counter(0, counter))
    frame.parent = Frame(4, None, counter)
    frame.cells[0] = Number(value)
    frame.cells[1] = Number(1)
    frame.cells[2] = Number(value)
    frame.cells[3] = Number(0)
    return run(code, frame), frame


ADD = (("const", 1, 3), ("add", 0, 1), ("return", 0, 0))
IDENTITY = (("return", 0, 0),)
POKE = (("poke", 1, 2), ("return", 0, 0))
WRAP = (("const", 1, 7), ("pair", 0, 1), ("return", 0, 0))
SOMETIMES = (("odd", 0, 3), ("const", 1, 0.5), ("add", 0, 1), ("return", 0, 0))
FAILS = (("third", 0, 2), ("return", 0, 0), ("raise", 0, 0))
KEEPS = (("keep", 0, 0), ("return", 0, 0))
BIG = (("odd", 0, 2), ("return", 0, 0), ("const", 1, 1 << 70), ("add", 0, 1), ("return", 0, 0))


def loop(*body):
    return (*body, ("const", 1, 1), ("add", 2, 1), ("less", 2, 105), ("return", 0, 0))


def show(name, code, *values):
    counter = Counter(0, Counter(0, None))
    results = []
    for value in values:
        result, frame = start(code, value, counter)
        results.append((result, frame.cells[3], frame.counter.count))
    print(name, results, counter.count, counter.next.count, len(kept), len(seen))


def main():
    kept.clear()
    seen.clear()
    for name, callee in [("add", ADD), ("identity", IDENTITY), ("poke", POKE), ("keeps", KEEPS), ("big", BIG)]:
        show(name, loop(("const", 0, 5), ("call", 0, callee)), 0, 1)
        code = tuple([("call", 0, callee) if op == ("call", 0, "callee") else op for op in loop(
            ("const", 0, 0), ("add", 0, 2), ("call", 0, "callee"))])
        show(name, code, 0, 1)
    # a pair that the caller still has is the same object behind the call, and what it returns is, too
    show("pair", loop(("const", 0, 5), ("pair", 0, 2), ("move", 3, 0), ("call", 0, IDENTITY), ("same", 3, 0), ("left", 0, 0)), 0)
    show("two", loop(("const", 0, 5), ("pair", 0, 2), ("move", 3, 0), ("call", 0, WRAP), ("left", 0, 0), ("same", 3, 0),
                     ("left", 0, 0)), 0)
    show("wrap", loop(("const", 0, 5), ("call", 0, WRAP), ("left", 0, 0)), 0)
    show("sometimes", loop(("const", 0, 0), ("add", 0, 2), ("call", 0, SOMETIMES)), 0, 1)
    show("attempt", loop(("const", 0, 0), ("add", 0, 2), ("attempt", 0, FAILS)), 0, 1)
    show("down", (("down", 4, 1), ("return", 1, 0)), *range(12), 100)
    show("down and exits", (("odd", 0, 2), ("keep", 0, 0), ("down", 4, 1), ("return", 1, 0)), *range(12), 100)
    show("down to big", (("down", (1 << 62), 1 << 60), ("return", 1, 0)), *range(20))
