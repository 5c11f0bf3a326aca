"""The recursion limit is met while a portal's frames have something left to do."""

import sys

from metatracer import JitDriver

driver = JitDriver(greens=["pc", "code"], reds="auto", name="unwinds")


class Machine:
    def __init__(self):
        self.depth = 0
        self.calls = 0
        self.log = []

    def call(self, code):
        return self.run(code)

    @driver.portal
    def run(self, code):
        pc = 0
        self.depth += 1
        try:
            while True:
                driver.jit_merge_point(pc=pc, code=code)
                if pc >= len(code):
                    return self.calls
                op = code[pc]
                pc += 1
                if op == "count":
                    self.calls += 1
                elif op == "run":
                    self.run(code)
                elif op == "call":
                    self.call(code)
                elif op == "log":
                    self.log.append(str(self.calls))
                elif op == "catch":
                    try:
                        self.run(code)
                    except RecursionError:
                        self.calls -= 1
        finally:
            self.depth -= 1


def depth_now():
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    return depth


def main():
    limit = sys.getrecursionlimit()
    codes = (("count", "run"), ("count", "log", "call"), ("log", "catch", "count"), ("log", "count", "count", "call", "log"))
    here = depth_now()
    for room in range(90, 330, 12):
        for code in codes:
            machine = Machine()
            outcomes = []
            for _ in range(3):
                sys.setrecursionlimit(here + room)
                try:
                    machine.run(code)
                    outcomes.append("end")
                except RecursionError:
                    outcomes.append("recursion")
                finally:
                    sys.setrecursionlimit(limit)
            print(room, code, outcomes, machine.depth)
