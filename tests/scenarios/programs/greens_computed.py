"""Greens that the guest computes, so that merge points are reached with values that are never there again; and places with many."""

import operator

from metatracer import JitDriver

machine = JitDriver(greens=["head"], reds="auto", name="machine")
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "%": operator.mod}
ARITY = {"S": 3, "K": 2, "I": 1, "B": 3, "C": 3, "Y": 1, "=": 2, **dict.fromkeys(ARITHMETIC, 2)}


class Stuck(Exception):
    pass


@machine.portal
def reduce(root):
    """Combinators: numbers are heads, too."""
    spine = []
    node = root
    while True:
        while isinstance(node, list):
            spine.append(node)
            node = node[0]
        head = node
        machine.jit_merge_point(head=head)
        if isinstance(head, int):
            if head == 1066:
                raise Stuck(head)
            return head
        if len(spine) < ARITY[head]:
            raise Stuck(head)
        if head == "S":
            f, g, c = spine.pop(), spine.pop(), spine.pop()
            x = c[1]
            c[0] = [f[1], x]
            c[1] = [g[1], x]
            node = c
        elif head == "K":
            k = spine.pop()
            c = spine.pop()
            c[0] = "I"
            node = c[1] = k[1]
        elif head == "I":
            node = spine.pop()[1]
        elif head == "B":
            f, g, c = spine.pop(), spine.pop(), spine.pop()
            c[0], c[1] = f[1], [g[1], c[1]]
            node = c
        elif head == "C":
            f, g, c = spine.pop(), spine.pop(), spine.pop()
            c[0], c[1] = [f[1], c[1]], g[1]
            node = c
        elif head == "Y":
            c = spine.pop()
            c[0], c[1] = c[1], c
            node = c
        else:
            a, c = spine.pop(), spine.pop()
            x, y = a[1], c[1]
            x = x if isinstance(x, int) else reduce(x)
            y = y if isinstance(y, int) else reduce(y)
            c[0] = "I"
            if head == "=":
                node = c[1] = "K" if x == y else ["K", "I"]
            else:
                node = c[1] = ARITHMETIC[head](x, y)
        machine.can_enter_jit(head=head)


def free(name, term):
    return term == name or (isinstance(term, tuple) and (free(name, term[0]) or free(name, term[1])))


def abstract(name, term):
    if term == name:
        return "I"
    if not free(name, term):
        return ("K", term)
    f, a = term
    if not free(name, f):
        return f if a == name else (("B", f), abstract(name, a))
    if not free(name, a):
        return (("C", abstract(name, f)), a)
    return (("S", abstract(name, f)), abstract(name, a))


def call(f, *args):
    for arg in args:
        f = (f, arg)
    return f


def graph(term):
    return [graph(term[0]), graph(term[1])] if isinstance(term, tuple) else term


def total(i, a):
    step = call("go", call("-", "i", 1), call("%", call("+", "a", call("*", "i", "i")), 9973))
    body = call(call("=", "i", 0), "a", step)
    return call(("Y", abstract("go", abstract("i", abstract("a", body)))), i, a)


def sums():
    answers = []
    for i in range(120):
        try:
            answers.append(reduce(graph(total(i % 23 + 1, 17 * i))))
        except Stuck as stuck:
            answers.append(str(stuck))
    try:
        reduce(["+", 3])
    except Stuck as stuck:
        answers.append(stuck.args)
    return answers


# A place that many places call, which are told by a number: behind the return there is no end of what may come.

calls = JitDriver(greens=["pc"], reds="auto", name="calls")


def program(callers):
    """Each caller calls the same function, which goes back behind it."""
    code = []
    for number in range(callers):
        code += [("push", 3 * number + 2), ("jump", 3 * callers + 1), ("add", number)]
    code.append(("loop", 0))
    code += [("twice", 0), ("return", 0)]
    return code


@calls.portal
def run(code, rounds):
    pc = total = 0
    stack = []
    while True:
        calls.jit_merge_point(pc=pc)
        op, operand = code[pc]
        pc += 1
        if op == "push":
            stack.append(operand)
        elif op == "jump":
            pc = operand
            calls.can_enter_jit(pc=pc)
        elif op == "twice":
            total = total * 2 % 1000003
        elif op == "return":
            pc = stack.pop()
        elif op == "add":
            total += operand
        else:
            rounds -= 1
            if not rounds:
                return total
            pc = 0
            calls.can_enter_jit(pc=pc)


# A guest function that is made anew each time, and the same work in each.

closures = JitDriver(greens=["pc", "callee"], reds="auto", name="closures")


@closures.portal
def enter(callee, value):
    pc = 0
    while True:
        closures.jit_merge_point(pc=pc, callee=callee)
        op = callee[0][pc]
        pc += 1
        if op == "held":
            value += callee[1]
        elif op == "call":
            value += enter((("held", "end"), value % 7), value) % 5
        elif op == "back":
            if value % 4:
                pc = 0
                closures.can_enter_jit(pc=pc, callee=callee)
        else:
            return value


def made_anew():
    outer = (("call", "held", "back", "end"), 1)
    value = 0
    for i in range(150):
        value = enter(outer, value + i) % 10007
        value += enter((("held", "held", "end"), i), value) % 3
    return value


def main():
    print(sums())
    for callers in (3, 12, 30):
        print([run(program(callers), rounds) for rounds in (1, 2, 30)])
    print(made_anew())
    print(made_anew())
