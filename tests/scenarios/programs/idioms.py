"""What interpreters write every day, one thing at a time: tables of functions, visitors, environments, frames of all kinds."""

import array
import collections
import contextlib
import dataclasses
import enum
import functools
import math
import operator
import re
import struct
import typing

from tests.scenarios.loops import fold

BODIES = []


def idiom(function):
    BODIES.append(function)
    return function


OPS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "<": operator.lt}


@idiom
def ops_table(i, t):
    return OPS["+"](t, OPS["*"](i, 3)) % 1000003


@functools.singledispatch
def visit(node):
    raise TypeError


@dataclasses.dataclass
class Num:
    v: int


@dataclasses.dataclass
class Add:
    l: object
    r: object


@visit.register
def _(node: Num):
    return node.v


@visit.register
def _(node: Add):
    return visit(node.l) + visit(node.r)


TREE = Add(Num(1), Add(Num(2), Num(3)))


@idiom
def singledispatch(i, t):
    return t + visit(TREE)


class V:
    def visit(self, n):
        return getattr(self, "visit_" + type(n).__name__)(n)

    def visit_Num(self, n):
        return n.v

    def visit_Add(self, n):
        return self.visit(n.l) + self.visit(n.r)


VV = V()


@idiom
def visitor_getattr(i, t):
    return t + VV.visit(TREE)


ADD3 = functools.partial(operator.add, 3)


def mul(a, b, c=1):
    return a * b + c


MUL = functools.partial(mul, 2, c=5)


@idiom
def partial_py(i, t):
    return MUL(i) + t % 7


@idiom
def str_format(i, t):
    return t + len("%d:%s" % (i % 5, "x"))


@idiom
def genexpr_any(i, t):
    return t + any(x > i % 3 for x in (1, 2, 3))


@idiom
def genexpr_sum(i, t):
    return t + sum(x * i for x in (1, 2, 3))


@idiom
def genexpr_all(i, t):
    return t + all(x < i % 30 + 20 for x in NUMBERS)


@idiom
def genexpr_tuple(i, t):
    return t + len(tuple(x * i for x in (1, 2, 3)))


@idiom
def genexpr_join(i, t):
    return t + len(",".join(str(x) for x in (1, i, 3)))


NUMBERS = list(range(30))


@idiom
def genexpr_for(i, t):
    for x in (x ^ i for x in NUMBERS):
        t += x
    return t % 1000003


@idiom
def listcomp(i, t):
    return t + len([x for x in (1, 2, 3) if x != i % 3])


def gen3(i):
    yield i
    yield i + 1
    yield i + 2


@idiom
def generator(i, t):
    for x in gen3(i):
        t += x
    return t % 1000003


class Branch:
    def __init__(self, *parts):
        self.parts = parts

    def numbers(self):
        for part in self.parts:
            if type(part) is int:
                yield part
            else:
                yield from part.parts


BRANCH = Branch(1, 2, Branch(3, 4), 5)


@idiom
def generator_method(i, t):
    for x in BRANCH.numbers():
        t += x
    return t % 1000003


def va(*args):
    return len(args) + args[0]


def kw(**k):
    return k["a"] + len(k)


@idiom
def star_args(i, t):
    return t + va(*(i % 3, 2, 3))


@idiom
def kw_args(i, t):
    return t + kw(a=i % 3, b=2)


@idiom
def deque_stack(i, t):
    q = collections.deque()
    q.append(i)
    q.append(3)
    return t + q.pop() + q.popleft() % 5


CM = collections.ChainMap({"a": 1}, {"b": 2})


@idiom
def chainmap(i, t):
    return t + CM["b"]


DD = collections.defaultdict(int)


@idiom
def defaultdict(i, t):
    DD[i % 7] += 1
    return t + DD[i % 7] % 3


class P(typing.NamedTuple):
    x: int
    y: int


@idiom
def namedtuple_(i, t):
    p = P(i, 2)
    return t + p.x % 3 + p.y


@idiom
def stack_slice(i, t):
    s = [1, 2, 3, i]
    a = s[-2:]
    del s[-2:]
    s.append(sum(a))
    return t + s[-1] % 7


@idiom
def list_extend(i, t):
    s = [1]
    s.extend((i, 2))
    s += [3]
    s.insert(0, 4)
    return t + len(s) + s.index(3)


@contextlib.contextmanager
def ctx():
    yield 1


class C2:
    def __enter__(self):
        return 2

    def __exit__(self, *a):
        return False


CC = C2()


@idiom
def with_gen(i, t):
    with ctx() as x:
        t += x
    return t


MEM = bytearray(100)


@idiom
def bytearray_mem(i, t):
    MEM[i % 100] = (MEM[i % 100] + 1) & 255
    return t + MEM[5]


@idiom
def from_bytes(i, t):
    return t + int.from_bytes(b"\x01\x02\x03\x04"[0:2], "little")


@idiom
def unpack_struct(i, t):
    return t + struct.unpack_from("<i", b"\x01\0\0\0\x02\0\0\0", 4)[0]


A = array.array("i", [1, 2, 3, 4])


@idiom
def array_i(i, t):
    A[i & 3] += 1
    return t + A[0] % 3


@idiom
def map_filter(i, t):
    return t + sum(map(abs, (1, -2, i % 3)))


class D:
    def __init__(self):
        self.__dict__["z"] = 1

    def __getattr__(self, n):
        return 5

    def __getitem__(self, k):
        return k + 1

    def __call__(self, x):
        return x + 2

    def __len__(self):
        return 3

    def __contains__(self, k):
        return k == 1

    def __iter__(self):
        return iter((1, 2))

    def __eq__(self, o):
        return True

    def __hash__(self):
        return 1


DDD = D()


@idiom
def getattr_hook(i, t):
    return t + DDD.foo


@idiom
def dunder_item_call(i, t):
    return t + DDD[i % 3] + DDD(1) + len(DDD) + (1 in DDD)


@idiom
def iter_obj(i, t):
    for x in DDD:
        t += x
    return t


@idiom
def str_join_split(i, t):
    return t + len(",".join(["a", "b"]).split(","))


@idiom
def big_int(i, t):
    return (t * 7 + i) & 0xFFFFFFFFFFFFFFFF


@idiom
def mask32(i, t):
    return (t * 1103515245 + 12345) & 0xFFFFFFFF


@idiom
def float_math(i, t):
    return t + math.sin(i) * math.floor(2.5) + abs(-1.5) + round(2.567, 1)


@idiom
def divmod_pow(i, t):
    q, r = divmod(i, 7)
    return t + q % 3 + r + 2**3


@idiom
def set_ops(i, t):
    s = {1, 2}
    s.add(i % 3)
    return t + len(s) + (2 in s)


@idiom
def lambda_sort(i, t):
    return t + sorted([(2, i), (1, 3)], key=lambda p: p[0])[0][1]


@idiom
def class_attr_store(i, t):
    VV.count = i
    return t + VV.count % 3


@idiom
def global_store(i, t):
    global G
    G = i
    return t + G % 3


G = 0


class S:
    __slots__ = ("v",)

    def __init__(self):
        self.v = 3

    @property
    def twice(self):
        return self.v * 2

    @functools.cached_property
    def c(self):
        return 1

    @staticmethod
    def st(x):
        return x + 1

    @classmethod
    def cm(cls, x):
        return x + 2


S1 = S()


@idiom
def static_class_methods(i, t):
    return t + S1.st(1) + S1.cm(2) + S.cm(1)


class CP:
    @functools.cached_property
    def c(self):
        return 7


CPI = CP()


@idiom
def cached_property(i, t):
    return t + CPI.c


@functools.lru_cache(None)
def memo(x):
    return x * 2


@idiom
def lru(i, t):
    return t + memo(i % 4)


@idiom
def tuple_key_dict(i, t):
    return t + TK[(i % 2, "a")]


TK = {(0, "a"): 1, (1, "a"): 2}


@idiom
def super_call(i, t):
    return t + SUB.f(i % 3)


class B0:
    def f(self, x):
        return x + 1


class B1(B0):
    def f(self, x):
        return super().f(x) * 2


SUB = B1()


@idiom
def unpack_star(i, t):
    a, *b = (1, 2, i % 3)
    return t + a + len(b) + b[1]


@idiom
def copy_list(i, t):
    s = [1, 2, i % 3]
    u = s[:]
    v = list(s)
    return t + len(u) + v[2]


@idiom
def dict_items(i, t):
    for k, v in {"a": 1, "b": 2}.items():
        t += v
    return t


class O:
    pass


@idiom
def hasattr_(i, t):
    return t + hasattr(VV, "visit_Num") + hasattr(VV, "nope")


def ev2(n):
    match n:
        case Num(v):
            return v
        case Add(l, r):
            return ev2(l) + ev2(r)


@idiom
def match_class2(i, t):
    return t + ev2(TREE)


class VC:
    def visit(self, n):
        return getattr(self, "visit_" + n.__class__.__name__)(n)

    def visit_Num(self, n):
        return n.v

    def visit_Add(self, n):
        return self.visit(n.l) + self.visit(n.r)


VCC = VC()


@idiom
def visitor_class(i, t):
    return t + VCC.visit(TREE)


TABLE = {Num: lambda n: n.v, Add: lambda n: dispatch(n.l) + dispatch(n.r)}


def dispatch(n):
    return TABLE[type(n)](n)


@idiom
def type_table(i, t):
    return t + dispatch(TREE)


def ev3(n):
    if isinstance(n, Num):
        return n.v
    elif isinstance(n, Add):
        return ev3(n.l) + ev3(n.r)


SX = ("+", 1, ("*", 2, 3))


def ev4(x, env):
    if isinstance(x, int):
        return x
    if isinstance(x, str):
        return env[x]
    op, *args = x
    vals = [ev4(a, env) for a in args]
    if op == "+":
        return sum(vals)
    return functools.reduce(operator.mul, vals)


@idiom
def sexpr(i, t):
    return t + ev4(SX, {"x": i})


class Env:
    def __init__(self, outer=None):
        self.vars = {}
        self.outer = outer

    def get(self, k):
        e = self
        while e is not None:
            if k in e.vars:
                return e.vars[k]
            e = e.outer
        raise NameError(k)

    def set(self, k, v):
        self.vars[k] = v


G1 = Env()
G1.set("g", 5)


@idiom
def env_chain(i, t):
    e = Env(G1)
    e.set("x", i)
    return t + e.get("x") % 3 + e.get("g")


class Dict2(dict):
    def __init__(self, outer=None, **k):
        super().__init__(**k)
        self.outer = outer

    def find(self, k):
        return self if k in self else self.outer.find(k)

    def __missing__(self, k):
        return 1


GD = Dict2(g=5)


@idiom
def env_subclass(i, t):
    e = Dict2(GD, x=i)
    return t + e.find("x")["x"] % 3 + e.find("g")["g"] + e["zz"]


class Cell2:
    __slots__ = ("v",)

    def __init__(self, v):
        self.v = v

    def __add__(self, o):
        return Cell2(self.v + o.v)

    def __lt__(self, o):
        return self.v < o.v

    def __eq__(self, o):
        return isinstance(o, Cell2) and self.v == o.v

    def __hash__(self):
        return hash(self.v)

    def __bool__(self):
        return self.v != 0

    def __repr__(self):
        return f"C({self.v})"

    def __iter__(self):
        yield self.v


@idiom
def operators_class(i, t):
    a = Cell2(i) + Cell2(2)
    return t + (a < Cell2(5)) + (a == Cell2(3)) + bool(a)


@idiom
def obj_key(i, t):
    return t + OK[Cell2(i % 2)]


OK = {Cell2(0): 1, Cell2(1): 2}


class Code(typing.NamedTuple):
    op: str
    arg: int


PROG = [Code("push", 1), Code("push", 2), Code("add", 0)]


@idiom
def nt_loop(i, t):
    st = []
    for ins in PROG:
        if ins.op == "push":
            st.append(ins.arg + i % 2)
        elif ins.op == "add":
            st.append(st.pop() + st.pop())
    return t + st[0]


@idiom
def tokenize(i, t):
    s = "x = 12 + y"
    p = 0
    k = 0
    while p < len(s):
        c = s[p]
        if c == " ":
            p += 1
        elif c.isalpha():
            q = p
            while q < len(s) and s[q].isalnum():
                q += 1
            k += q - p
            p = q
        elif c.isdigit():
            q = p
            while q < len(s) and s[q].isdigit():
                q += 1
            k += int(s[p:q])
            p = q
        else:
            p += 1
    return t + k


import re

TOK = re.compile(r"\d+|\w+|.")


@idiom
def re_findall(i, t):
    return t + len(TOK.findall("x=12+y"))


@idiom
def dict_comp(i, t):
    return t + len({k: v for k, v in (("a", 1), ("b", 2))})


@idiom
def nested_try(i, t):
    try:
        try:
            if i % 3 == 0:
                raise KeyError("k")
            t += 1
        except KeyError as e:
            raise ValueError("v") from e
    except ValueError:
        t += 2
    return t


class Ret(Exception):
    def __init__(self, v):
        self.v = v


def body(i):
    if i % 2:
        raise Ret(i % 5)
    return 0


@idiom
def return_exc(i, t):
    try:
        t += body(i)
    except Ret as r:
        t += r.v
    return t


class Scope:
    def __init__(self, outer):
        self.names = {}
        self.outer = outer

    def get(self, name):
        if name in self.names:
            return self.names[name]
        return self.outer.get(name)


class Get:
    def __init__(self, name):
        self.name = name

    def eval(self, scope):
        return scope.get(self.name)


class Const:
    def __init__(self, value):
        self.value = value

    def eval(self, scope):
        return self.value


class Minus:
    def __init__(self, left, right):
        self.left, self.right = left, right

    def eval(self, scope):
        return self.left.eval(scope) - self.right.eval(scope)


class FibCall:
    def __init__(self, function, argument):
        self.function, self.argument = function, argument

    def eval(self, scope):
        return self.function.call(self.argument.eval(scope))


class FibFunction:
    def __init__(self):
        self.parameter = "n"
        self.first = FibCall(self, Minus(Get("n"), Const(1)))
        self.second = FibCall(self, Minus(Get("n"), Const(2)))

    def call(self, argument):
        scope = Scope(GLOBAL_SCOPE)
        scope.names[self.parameter] = argument
        if scope.get("n") < scope.get("two"):
            return argument
        return self.first.eval(scope) + self.second.eval(scope)


GLOBAL_SCOPE = Scope(None)
GLOBAL_SCOPE.names["two"] = 2
FIB_FUNCTION = FibFunction()


@idiom
def tree_recursion(i, t):
    """Guest recursion through nodes of a tree, with a scope in a dict for each call."""
    return t + FIB_FUNCTION.call(i % 8)


def closure_of_fib():
    argument = lambda frame: frame[0]  # noqa: E731
    first, second = (lambda frame: call([argument(frame) - 1])), (lambda frame: call([argument(frame) - 2]))

    def call(frame):
        return argument(frame) if argument(frame) < 2 else first(frame) + second(frame)

    return call


CLOSURE_FIB = closure_of_fib()


@idiom
def closure_recursion(i, t):
    return t + CLOSURE_FIB([i % 8])


@idiom
def block_scope(i, t):
    scope = Scope(GLOBAL_SCOPE)
    scope.names["x"] = i
    scope.names["y"] = scope.get("x") + scope.get("two")
    return t + scope.get("y")


def guest_adder(n):
    return lambda x: x + n


ADDERS = [guest_adder(n) for n in range(12)]


@idiom
def guest_closures(i, t):
    """Functions that one `def` has made, each with cells of its own."""
    return t + ADDERS[i % 12](i)


class Opcode(enum.IntEnum):
    LOAD = 0
    STORE = 1
    JUMP = 2


WORDS = [0x1005, 0x0003, 0x2001]


@idiom
def enum_of_bits(i, t):
    word = WORDS[i % 3]
    op = Opcode(word >> 12)
    return t + (word & 0xFF if op is Opcode.LOAD else 1 if op is Opcode.STORE else 2)


class Dual:
    __slots__ = ("slope", "value")

    def __init__(self, value, slope):
        self.value, self.slope = value, slope

    def __add__(self, other):
        return Dual(self.value + other, self.slope)

    __radd__ = __add__

    def __rmul__(self, other):
        return Dual(other * self.value, other * self.slope)

    def __bool__(self):
        return self.slope != 0


@idiom
def reflected_operators(i, t):
    x = 2 * Dual(i, 1) + 3
    return t + (x.value if x else 0)


class Continuation(typing.NamedTuple):
    done: tuple
    next: object


@idiom
def named_replace(i, t):
    k = Continuation((), None)
    k = k._replace(done=k.done + (i,))
    return t + k.done[0]


class NamesOutside(dict):
    def __init__(self, outer, **names):
        dict.__init__(self, names)
        self.outer = outer

    def __missing__(self, name):
        return self.outer[name]


INNER_NAMES = NamesOutside(NamesOutside({"x": 3}, y=4), z=5)


@idiom
def missing_in_scope(i, t):
    INNER_NAMES["z"] = i
    return t + INNER_NAMES["x"] + INNER_NAMES["z"]


@idiom
def counter(i, t):
    COUNTS[i & 7] += 1
    return t + COUNTS[3]


COUNTS = collections.Counter()


class StackMachine:
    def __init__(self):
        self.top = 0

    def op_add(self, n):
        self.top += n

    def op_neg(self, _n):
        self.top = -self.top


MACHINE = StackMachine()


@idiom
def fstring_dispatch(i, t):
    for name in ("add", "neg"):
        getattr(MACHINE, f"op_{name}")(i)
    return t + MACHINE.top


class RowsWhere:
    def __init__(self, child, divisor):
        self.child, self.divisor = child, divisor

    def __iter__(self):
        for row in self.child:
            if row % self.divisor:
                yield row


PLAN = RowsWhere(RowsWhere(RowsWhere(range(20), 2), 3), 5)


@idiom
def pipeline(i, t):
    for row in PLAN:
        t += row
    return t


class TreeNode:
    def __init__(self, left, value, right):
        self.left, self.value, self.right = left, value, right

    def __iter__(self):
        if self.left:
            yield from self.left
        yield self.value
        if self.right:
            yield from self.right


SMALL_TREE = TreeNode(TreeNode(None, 1, None), 2, TreeNode(TreeNode(None, 3, None), 4, None))


@idiom
def tree_iteration(i, t):
    for value in SMALL_TREE:
        t += value
    return t


def main():
    for function in BODIES:
        print(function.__name__, fold(function, 40, 0))
