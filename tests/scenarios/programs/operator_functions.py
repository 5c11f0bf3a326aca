"""Functions of the module `operator` in tables, with operands of all kinds."""

import operator

from tests.scenarios.loops import fold

BINARY = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "**": operator.pow, "&": operator.and_, "|": operator.or_, "^": operator.xor,
    "<<": operator.lshift, ">>": operator.rshift, "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul,
    "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge,
    "is": operator.is_, "is not": operator.is_not,
}  # fmt: skip
UNARY = {"neg": operator.neg, "pos": operator.pos, "inv": operator.invert, "not": operator.not_, "truth": operator.truth}


class Vector:
    def __init__(self, x):
        self.x = x

    def __add__(self, other):
        return Vector(self.x + other.x) if isinstance(other, Vector) else NotImplemented

    def __radd__(self, other):
        return Vector(other + self.x)

    def __iadd__(self, other):
        self.x += other
        return self

    def __mul__(self, other):
        raise ArithmeticError(self.x)

    def __eq__(self, other):
        return isinstance(other, Vector) and self.x == other.x

    def __lt__(self, other):
        return self.x < other.x and "yes"

    def __bool__(self):
        return self.x % 2 == 0

    __hash__ = None


class Int(int):
    def __add__(self, other):
        return "sum"


def shown(value):
    if isinstance(value, Vector):
        return f"V{value.x}"
    if isinstance(value, float):
        return value.hex()
    return repr(value)


def apply(name, *operands):
    try:
        return (BINARY.get(name) or UNARY[name])(*operands)
    except (ArithmeticError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


OPERANDS = [3, -7, 0, True, 2.5, -0.0, 2**62, 2**64 + 1, "ab", None, (1, 2), b"x"]


def digest(text, t):
    return (t * 31 + sum(map(ord, text)) + len(text)) % 1000003


def everything(i, t):
    left, right = OPERANDS[i % len(OPERANDS)], OPERANDS[i // 7 % len(OPERANDS)]
    for name in BINARY:
        if name in ("**", "<<", "*", "*=") and any(isinstance(x, int) and x > 70 for x in (left, right)):
            continue  # too large
        if name.startswith("is") and isinstance(left, (int, float)):
            continue  # identity of numbers is nobody's business
        t = digest(shown(apply(name, left, right)), t)
    for name in UNARY:
        t = digest(shown(apply(name, left)), t)
    return t


PROGRAM = [("+", 3), ("*", 7), ("%", 1009), ("-", 4), ("^", 21), ("//", 2), ("<<", 1), (">>", 1), ("&", 1023), ("|", 2)]


def calculator(i, t):
    for name, operand in PROGRAM:
        t = BINARY[name](t, operand)
    return t + BINARY["<"](t, i) + BINARY["=="](t, i)


def overflows(i, t):
    return BINARY["*"](t, 3) if abs(t) < 2**70 else BINARY["%"](t, 1000003)


def masks(i, t):
    return BINARY["*"](t + i, 6364136223846793005) & 0xFFFFFFFFFFFFFFFF


def floats(i, t):
    return BINARY["/"](BINARY["+"](t, i), BINARY["-"](i, 40) or 1)


def vectors(i, t):
    v = BINARY["+"](Vector(i), Vector(t % 100))
    w = BINARY["+"](5, v)
    w = BINARY["+="](w, 2)
    return t + w.x + bool(BINARY["<"](v, w)) + BINARY["=="](v, w) + UNARY["not"](v) + UNARY["truth"](w)


def fails(i, t):
    return t + len(apply("*", Vector(i), 2)) + len(apply("+", "a", i)) + len(apply("//", i, 0)) + len(apply("+", i))


def lists(i, t):
    items = [i]
    same = items
    items = BINARY["+="](items, [t % 5])
    other = BINARY["+"](items, [1, 2])
    return t + len(same) + sum(other) + len(BINARY["*"]([0], 3)) + (items is same)


def subclasses(i, t):
    return t + len(str(BINARY["+"](Int(i), 1))) + BINARY["-"](Int(i), 1)


def main():
    for body in (everything, calculator, overflows, masks, floats, vectors, fails, lists, subclasses):
        print(body.__name__, shown(fold(body, 250, 1)))
