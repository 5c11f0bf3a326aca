"""Dicts that a step makes and drops: what they hold, in which order, and when somebody else gets to see them."""

from tests.scenarios.loops import each, fold

NAMES = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"]
KEPT = []


class Scope:
    def __init__(self, outer=None):
        self.names = {}
        self.outer = outer

    def get(self, name):
        if name in self.names:
            return self.names[name]
        if self.outer is not None:
            return self.outer.get(name)
        raise NameError(name)


class Node:
    def __init__(self, name):
        self.name = name


A, B, C = Node("a"), Node("b"), Node("c")
GLOBAL = Scope()
GLOBAL.names["c"] = 5


def scopes(i, t):
    scope = Scope(Scope(GLOBAL))
    scope.names[A.name] = i
    scope.outer.names[B.name] = t % 100
    scope.names[A.name] += 1
    return t + scope.get("a") + scope.get(B.name) + scope.get(C.name)


def exits(i, t):
    """What the guard's exit makes has the items in their order."""
    d = {}
    d["x"] = i
    d["y"] = t % 7
    if i % 13 == 5:
        d["z"] = 1
        return t + len("".join(d)) + sum(d.values())
    d["x"] = d["y"] + i
    if i % 11 == 3:
        return t + list(d.items())[0][1] * 3 + list(d.items())[1][1]
    return t + d["x"]


def orders(i, t):
    d = {}
    if i % 2:
        d["p"] = i
        d["q"] = 2
    else:
        d["q"] = i
        d["p"] = 2
    if i % 9 == 0:
        KEPT.append(d)
    return t + d["p"] * 3 + d["q"]


def orders_kept(i, t):
    return t + sum(len(next(iter(d))) + ord(next(iter(d))) * value for d in KEPT[-3:] for value in d.values())


class Carrier:
    def __init__(self):
        self.d = {}


CARRIER = Carrier()


def carried(i, t):
    """The dict made in one step is read in the next."""
    before = CARRIER.d
    now = {}
    if i % 3:
        now["one"] = before.get("two", 0) + 1
        now["two"] = before.get("one", 0)
    else:
        now["two"] = i % 5
        now["one"] = before.get("one", 0)
    CARRIER.d = now
    return t + now["one"] * 2 + now["two"] + ord(list(now)[0][0]) * (i % 17 == 0)


def grows(i, t):
    d = {}
    for name in NAMES[: i % 8]:
        d[name] = len(d)
    t += len(d)
    if "zeta" in d:
        t += d["zeta"] * 10
    if i % 5 == 0:
        d.pop("beta", None)
        t += len(list(d))
    return t


def unrolled(i, t):
    d = {}
    d["alpha"] = i
    d["beta"] = 2
    d["gamma"] = 3
    d["delta"] = 4
    d["epsilon"] = 5
    d["zeta"] = 6
    d["eta"] = t % 3
    d["alpha"] += 1
    return t + d["alpha"] + d["eta"] + len(d)


def deletes(i, t):
    d = {}
    d["a"] = 1
    d["b"] = i
    d["c"] = 3
    del d["a"]
    d["a"] = 7
    return t + d["a"] + d["b"] + ord(list(d)[i % 3])


def asked(i, t):
    d = {}
    missing = d.get("a")
    d["a"] = i
    try:
        t += d["nothing"]
    except KeyError as error:
        t += len(str(error))
    t += ("a" in d) + ("b" in d) * 10 + len(d) + (missing is None) + bool(d) + (d == {"a": i})
    return t + d.setdefault("b", 4) + d.setdefault("a", 9)


def equal_names(i, t):
    d = {}
    d["key_" + str(i % 2)] = 1
    d["key_0"] = 2
    return t + len(d) + d.get("key_1", 5)


class Name(str):
    __slots__ = ()

    def __eq__(self, other):
        return str(self)[0] == str(other)[0]

    def __hash__(self):
        return hash(str(self)[0])


def strange_keys(i, t):
    d = {}
    d["x"] = 1
    d[1] = 2
    d[True] = i
    d[Name("xyz")] = 5
    return t + len(d) + d[1] + d["x"]


def cycles(i, t):
    d, e = {}, {}
    d["e"] = e
    e["d"] = d
    e["n"] = i
    if i % 6 == 1:
        KEPT.append(d)
    return t + d["e"]["d"]["e"]["n"]


def closure(i, t):
    d = {}
    d["n"] = i

    def get():
        return d["n"]

    d["n"] += get()
    return t + get()


def shared(i, t):
    scope = Scope()
    alias = scope.names
    alias["v"] = i
    scope.names["v"] += 1
    second = Scope()
    second.names = alias
    second.names["w"] = 2
    return t + alias["v"] + len(scope.names)


def raises(i, t):
    scope = Scope()
    scope.names["v"] = i
    try:
        if i % 4 == 0:
            scope.names["t"] = 1
            raise ValueError(scope.names)
        return t + scope.get("w")
    except ValueError as error:
        return t + sum(error.args[0].values())
    except NameError as error:
        return t + len(str(error)) + scope.names["v"]


class Noisy:
    def __init__(self, log):
        self.log = log

    def __del__(self):
        self.log.append(len(self.log))


def finalized(i, log):
    d = {}
    d["n"] = Noisy(log)
    d["m"] = i
    d["n"] = None
    log.append(-d["m"])
    d["o"] = Noisy(log)


def types(i, t):
    d = {}
    d["v"] = i if i < 90 else i + 0.5 if i < 120 else str(i)
    d["w"] = d["v"] * 2
    return t + (len(d["w"]) if isinstance(d["w"], str) else int(d["w"]))


def literal(i, t):
    d = {"a": i, "b": t % 10}
    e = {**d, "c": 1}
    f = dict()
    f["q"] = d["a"]
    return t + d["a"] + d["b"] + e["c"] + e["a"] + f["q"]


def recursive(env, n):
    inner = {}
    if n % 2:
        inner["n"] = n
        inner["up"] = env
    else:
        inner["up"] = env
        inner["n"] = n
    if n == 0:
        return len(env) + ord(list(env)[0][0])
    return recursive(inner, n - 1) + inner["n"]


def recursion(i, t):
    return t + recursive({"n": 1, "up": None}, i % 6)


def main():
    for body in (scopes, exits, orders, orders_kept, carried, grows, unrolled, deletes, asked, equal_names, strange_keys,
                 cycles, closure, shared, raises, types, literal, recursion):  # fmt: skip
        print(body.__name__, fold(body, 150, 0))
    print(each(finalized, 60, [])[-20:])
    print([list(d) for d in KEPT[:4]], KEPT[-1]["e"]["n"])
