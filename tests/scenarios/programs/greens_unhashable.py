"""Nodes that are dataclasses, which compare by value and cannot be hashed, are greens: each is a place of its own."""

from dataclasses import dataclass, field

from metatracer import JitDriver

driver = JitDriver(greens=["node"], reds="auto", name="repeat")


@dataclass
class Add:
    amount: int

    def execute(self, env):
        env["total"] = (env["total"] * 3 + self.amount) % 1000003


@dataclass
class Change:
    """Makes a node equal to another one, or different from it."""

    target: Add

    def execute(self, env):
        self.target.amount = (self.target.amount + 1) % 4


@dataclass
class Repeat:
    count: int
    body: list = field(default_factory=list)

    @driver.portal
    def execute(self, env):
        node = self
        i = 0
        while i < node.count:
            driver.jit_merge_point(node=node)
            for child in node.body:
                child.execute(env)
            i += 1


ONE, OTHER = Add(1), Add(1)
FIRST, SECOND = Repeat(40, [ONE]), Repeat(40, [OTHER])
PROGRAMS = (FIRST, SECOND, Repeat(30, [FIRST, SECOND]), Repeat(30, [FIRST, Change(ONE), SECOND]), Repeat(20, [FIRST, SECOND]))
"""Loops keep the nodes that are their greens, so they are made once."""
FIVE = Add(5)


def main():
    assert FIRST == SECOND
    for program in PROGRAMS:
        env = {"total": 1}
        program.execute(env)
        print(env, FIRST == SECOND)
        if len(program.body) == 3:
            FIRST.body.append(FIVE)
