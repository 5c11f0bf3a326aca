"""A portal that keeps the guest's frames on the heap: calls and returns pass its merge point, and are no loops."""

from metatracer import JitDriver

driver = JitDriver(greens=["pc", "code"], reds="auto", name="heap frames")


class Function:
    def __init__(self, code, bound=None):
        self.code = code
        self.bound = bound


class Frame:
    __slots__ = ("cells", "code", "parent", "pc")

    def __init__(self, code, parent, argument, bound):
        self.code = code
        self.parent = parent
        self.cells = [argument, bound, None]
        self.pc = 0


@driver.portal
def run(frame):
    code, pc = frame.code, 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        op, argument = code[pc]
        cells = frame.cells
        pc += 1
        if op == "add":
            cells[0] += argument
        elif op == "call":
            # the function is the frame's second cell, its argument and result the first
            frame.pc = pc
            function = cells[1]
            frame = Frame(function.code, frame, cells[0], function.bound)
            code, pc = frame.code, 0
        elif op == "call if":
            if cells[1] is not None:
                frame.pc = pc
                function = cells[1]
                frame = Frame(function.code, frame, cells[0], function.bound)
                code, pc = frame.code, 0
        elif op == "less":
            if cells[0] < argument:
                pc = 0
                driver.can_enter_jit(pc=pc, code=code)
        elif op == "recurse":
            if cells[0] > argument:
                frame.pc = pc
                frame = Frame(code, frame, cells[0] - 1, None)
                pc = 0
        else:
            result = cells[0]
            frame = frame.parent
            if frame is None:
                return result
            code, pc = frame.code, frame.pc
            frame.cells[0] = result


STEP = (("add", 1), ("call if", None), ("return", None))
LOOP = (("call", None), ("less", 400), ("return", None))
TWICE = (("call", None), ("call", None), ("less", 400), ("return", None))
DOWN = (("recurse", 3), ("add", 1), ("return", None))
INNER = (("add", 1), ("less", 7), ("return", None))
ALONE = Function(STEP)
NESTED = Function(STEP, Function(STEP, ALONE))


def main():
    for _ in range(3):
        for code in (LOOP, TWICE):
            for function in (ALONE, NESTED, Function(INNER), Function(STEP, Function(INNER))):
                print(run(Frame(code, None, 0, function)))
        print(run(Frame(DOWN, None, 300, None)))
