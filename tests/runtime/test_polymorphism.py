"""Places with many values and many ways: results stay right, and the number of bridges stays bounded."""

from __future__ import annotations

import pytest

from metatracer import JitDriver, elidable, parameters, promote, unroll_safe
from metatracer.recorder.polymorphism import Branches, Polymorphism, merge_context
from metatracer.runtime import hotness
from metatracer.runtime.host import PORTALS
from metatracer.runtime.pace import Pace
from metatracer.statistics import STATISTICS

# --- a tree of nodes ------------------------------------------------------------------------------------------------------


class Class:
    _immutable_fields_ = ("factor",)

    def __init__(self, factor):
        self.factor = factor

    @elidable
    def method(self, name):
        return self.factor + len(name)


class Node:
    def run(self, frame):
        raise NotImplementedError


class Block(Node):
    _immutable_fields_ = ("nodes[*]",)

    def __init__(self, nodes):
        self.nodes = nodes

    @unroll_safe
    def run(self, frame):
        for node in self.nodes:
            node.run(frame)


class IfBit(Node):
    """Two ways, whose choice has nothing to do with that of any other node."""

    _immutable_fields_ = ("bit", "then", "otherwise")

    def __init__(self, bit, then, otherwise):
        self.bit = bit
        self.then = then
        self.otherwise = otherwise

    def run(self, frame):
        if (frame.seed >> self.bit) & 1:
            self.then.run(frame)
        else:
            self.otherwise.run(frame)


class AddTo(Node):
    _immutable_fields_ = ("amount",)

    def __init__(self, amount):
        self.amount = amount

    def run(self, frame):
        frame.total += self.amount


class Send(Node):
    """A promoted receiver."""

    def run(self, frame):
        frame.total += promote(frame.classes[frame.i % len(frame.classes)]).method("area")


class Frame:
    def __init__(self, classes=()):
        self.classes = classes
        self.seed = 12345
        self.total = 0
        self.i = 0


def interpreter():
    driver = JitDriver(greens=["node"], reds="auto", name="tree")

    @driver.portal
    def run(node, frame, n):
        while frame.i < n:
            driver.jit_merge_point(node=node)
            frame.seed = (frame.seed * 1103515245 + 12345) % 2147483648
            node.run(frame)
            frame.i += 1
        return frame.total

    return run


def expected(node, frame, n):
    while frame.i < n:
        frame.seed = (frame.seed * 1103515245 + 12345) % 2147483648
        node.run(frame)
        frame.i += 1
    return frame.total


@pytest.fixture
def bridges():
    """Counts the bridges made since the start."""
    before = STATISTICS.bridges_compiled
    with parameters(threshold=3, function_threshold=3, trace_eagerness=2, compile_level=0, promotion_limit=3):
        yield lambda: STATISTICS.bridges_compiled - before


def test_promoted_values_of_the_past_do_not_pile_up(bridges):
    run, node = interpreter(), Block([Send(), AddTo(1)])
    counts = []
    for generation in range(12):
        classes = [Class(generation)]
        assert run(node, Frame(classes), 60) == expected(node, Frame(classes), 60)
        counts.append(bridges())
    assert counts[-1] <= 8
    assert counts[-1] == counts[6]


def test_a_polymorphic_receiver_has_a_bounded_number_of_bridges(bridges):
    run, node = interpreter(), Block([Send(), AddTo(1)])
    classes = [Class(factor) for factor in range(10)]
    for _ in range(4):
        assert run(node, Frame(classes), 300) == expected(node, Frame(classes), 300)
    assert bridges() <= 6


def test_few_values_are_promoted_all(bridges):
    """Two receivers are two constants: there is nothing to give up."""
    run, node = interpreter(), Block([Send(), AddTo(1)])
    classes = [Class(3), Class(4)]
    for _ in range(4):
        assert run(node, Frame(classes), 300) == expected(node, Frame(classes), 300)
    assert 1 <= bridges() <= 4
    assert all(loop.record.status == "compiled" for loop in PORTALS[run.__code__].loops.values())


@pytest.mark.parametrize("count", [3, 9])
def test_independent_branches_of_nodes(bridges, count):
    run = interpreter()
    node = Block([IfBit(8 + bit, AddTo(3 << bit), AddTo(-bit)) for bit in range(count)])
    with parameters(tree_limit=12):
        for _ in range(4):
            assert run(node, Frame(), 1500) == expected(node, Frame(), 1500)
    assert bridges() <= (7 + 4 if count == 3 else 60)
    portal = PORTALS[run.__code__]
    assert bool(portal.polymorphism.called) == (count == 9)


def test_nodes_of_many_classes(bridges):
    """What is called is found out by the class of a node that is no constant."""

    def make(number):
        def run(self, frame):
            frame.total += number * frame.i

        return type(f"Node{number}", (Node,), {"run": run})()

    class Choose(Node):
        _immutable_fields_ = ("shift",)

        def __init__(self, shift):
            self.shift = shift

        def run(self, frame):
            frame.classes[(frame.seed >> self.shift) % len(frame.classes)].run(frame)

    run, node = interpreter(), Block([Choose(8), Choose(11), Choose(14), AddTo(1)])
    nodes = [make(number) for number in range(6)]
    with parameters(tree_limit=12):
        for _ in range(4):
            assert run(node, Frame(nodes), 1500) == expected(node, Frame(nodes), 1500)
    assert bridges() <= 60
    assert PORTALS[run.__code__].polymorphism.called


# --- bytecode -------------------------------------------------------------------------------------------------------------


def machine():
    driver = JitDriver(greens=["pc", "code"], reds="auto", name="bits")

    @driver.portal
    def run(code, n):
        pc, seed, total, i = 0, 12345, 0, 0
        while True:
            driver.jit_merge_point(pc=pc, code=code)
            op, argument = code[pc]
            pc += 1
            if op == "bit":
                if not (seed >> argument) & 1:
                    pc += 1
            elif op == "add":
                total += argument
            else:
                seed = (seed * 1103515245 + 12345) % 2147483648
                i += 1
                if i >= n:
                    return total
                pc = 0

    return run


@pytest.mark.parametrize("count", [3, 9])
def test_independent_branches_of_bytecode(bridges, count):
    run = machine()
    code = [part for bit in range(count) for part in (("bit", 8 + bit), ("add", 3 << bit))]
    code = (*code, ("again", 0))
    with parameters(tree_limit=12):
        results = [run(code, 1500) for _ in range(4)]
    with parameters(enable=False):
        assert results == [run(code, 1500)] * 4
    # Each position that became a loop may have several versions.
    assert bridges() <= (7 + 4 if count == 3 else 100)
    portal = PORTALS[run.__code__]
    assert bool(portal.polymorphism.joins) == (count == 9)


def calling_machine():
    """A machine whose guest calls are calls of the portal: `call` runs code over `frame.seed`."""
    driver = JitDriver(greens=["pc", "code"], reds="auto", name="calling bits")

    @driver.portal
    def run(code, frame, n):
        pc = total = 0
        while True:
            driver.jit_merge_point(pc=pc, code=code)
            op, argument = code[pc]
            pc += 1
            if op == "bit":
                if not (frame.seed >> argument) & 1:
                    pc += 1
            elif op == "add":
                total += argument
            elif op == "call":
                total += run(argument, frame, 0)
            elif op == "return":
                return total
            else:
                frame.seed = (frame.seed * 1103515245 + 12345) % 2147483648
                n -= 1
                if not n:
                    return total
                pc = 0
                driver.can_enter_jit(pc=pc, code=code)

    return run


@pytest.mark.parametrize("count", [3, 9])
def test_independent_branches_of_a_callee(bridges, count):
    """No join in the caller keeps them apart: the callee is called, and none of the interpreter's functions."""
    run = calling_machine()
    callee = tuple(part for bit in range(count) for part in (("bit", 8 + bit), ("add", 3 << bit)))
    callee = (*callee, ("return", 0))
    code = (("call", callee), ("again", 0))
    with parameters(tree_limit=12):
        results = [run(code, Frame(), 1500) for _ in range(4)]
    with parameters(enable=False):
        assert results == [run(code, Frame(), 1500)] * 4
    assert bridges() <= (7 + 4 if count == 3 else 100)
    portal = PORTALS[run.__code__]
    entry = merge_context(portal, portal.key((0, callee)))
    assert portal.polymorphism.called == ({entry} if count == 9 else set())
    assert portal.loops[portal.key((0, callee))].piece is not None


# --- trees that grow in vain ----------------------------------------------------------------------------------------------


def counting_machine():
    """One instruction that goes two ways, in a loop that is unrolled: one path for each set of bits."""
    driver = JitDriver(greens=["node"], reds="auto", name="bits of a seed")

    def count(seed, bits):
        total = 0
        for bit in bits:
            if (seed >> bit) & 1:
                total += bit
        return total

    @driver.portal
    def run(node, n):
        seed, total = 12345, 0
        bits = [8, 9, 11, 13, 14, 16, 18, 19, 21]
        while n:
            driver.jit_merge_point(node=node)
            seed = (seed * 1103515245 + 12345) % 2147483648
            total += count(seed, bits)
            n -= 1
        return total

    return run


def test_a_tree_whose_bridges_do_not_make_its_exits_fewer_is_given_up_soon(monkeypatch):
    before = STATISTICS.bridges_compiled
    run = counting_machine()
    with parameters(enable=False):
        expected_total = run("node", 6000)
    monkeypatch.setattr(hotness, "guest_time", lambda: STATISTICS.guard_exits / 10000)  # as many in each second
    monkeypatch.setattr(Pace, "left", lambda self, loop: None)
    with parameters(payback=0, compile_level=0, helper_loops=False):
        assert run("node", 6000) == expected_total
    polymorphism = PORTALS[run.__code__].polymorphism
    assert polymorphism.called
    assert STATISTICS.bridges_compiled - before < 48


@pytest.mark.parametrize(
    ("share", "rates", "answers"),
    [
        (1, (1000, 500, 500), [False, False, True]),
        (1, (1000, 500, 370), [False, False, False]),
        (1, (1000, 500, 100, 90), [False, False, False, True]),
        (0, (1000, 500, 500), [False, False, False]),
    ],
)
def test_growing_in_vain_is_to_have_as_many_exits_with_twice_as_many_bridges_at_a_fork(share, rates, answers):
    branches, exits, given = Branches(), 0, []
    for number, rate in enumerate(rates):
        branches.total = 4 << number
        branches.forks[0, 0] = share * branches.total
        exits += rate
        given.append(branches.is_in_vain(number + 1.0, exits))
        assert not branches.is_in_vain(number + 1.5, exits)
    assert given == answers


# --- the table of promoted values -----------------------------------------------------------------------------------------


def test_an_unrolled_loop_counts_once():
    polymorphism = Polymorphism()
    met: set[tuple[int, int]] = set()
    values = [object() for _ in range(9)]
    assert all(polymorphism.may_promote((1, 2), value, 3, met) for value in values)
    assert polymorphism.may_promote((1, 2), values[1], 3, set())
    assert polymorphism.may_promote((1, 2), values[2], 3, set())
    assert not polymorphism.may_promote((1, 2), values[3], 3, set())
    assert polymorphism.may_promote((1, 2), values[0], 3, set())
    assert polymorphism.may_promote((1, 4), values[3], 3, set())
