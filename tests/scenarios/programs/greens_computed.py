"""Guest jumps to computed places: bridges begin at merge points with other greens, and rely on what their parents do not."""

from metatracer import JitDriver, dont_look_inside

driver = JitDriver(greens=["pc", "code"], reds="auto", name="computed")

settings = {}
exec("step = 1\ndef even():\n    return step\n", settings)  # a namespace of its own
even = settings["even"]


@dont_look_inside
def change(state):
    if state[0] % 24 == 22:
        settings["step"] += 1
    state[1] += 1


@driver.portal
def run(code, table, count, state):
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        op = code[pc]
        if op == "jump":
            pc = table[state[0] % len(table)]
            continue
        if op == "even":
            state[1] += 100 * even()
        elif op == "odd":
            state[1] += 10_000
        elif op == "change":
            change(state)
        elif op == "loop":
            state[0] += 1
            if state[0] >= count:
                return state[1]
            pc = 0
            driver.can_enter_jit(pc=pc, code=code)
            continue
        elif op == "back":
            pc = 5
            continue
        pc += 1


CODE = ("jump", "even", "back", "odd", "change", "loop")
TABLES = ((3, 3, 3, 1), (3, 1), (3, 3, 1, 1), (1, 3, 3))


def main():
    settings["step"] = 1
    for table in TABLES:
        for _ in range(3):
            print(run(CODE, table, 300, [0, 0]), settings["step"])
