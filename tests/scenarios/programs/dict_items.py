"""Dicts as environments: items with constant names in registers, while the dict is looked at and changed in other ways."""

from metatracer import dont_look_inside
from tests.scenarios.loops import each


class Node:
    def __init__(self, name, left=None, right=None):
        self.name = name
        self.left = left
        self.right = right

    def __repr__(self):
        return f"Node({self.name!r})"


class Scope(dict):
    """A subclass that changes nothing."""

    def __init__(self, outer=None):
        super().__init__()
        self.outer = outer

    def find(self, name):
        return self if name in self else self.outer.find(name)


class Counted(dict):
    """A subclass that gives what is missing."""

    def __missing__(self, key):
        self[key] = value = len(self)
        return value


@dont_look_inside
def peek(mapping):
    return sorted(mapping.items(), key=str)


@dont_look_inside
def poke(mapping, name, value):
    mapping[name] = value


@dont_look_inside
def poke_list(items, value):
    items[0] = value


def counts(i, state):
    env, log = state
    env["i"] = env["i"] + 1
    env["total"] = env["total"] + env["i"] % 7
    if i % 60 == 5:
        log.append(peek(env))
    if i % 70 == 9:
        poke(env, "total", -i)
    if i == 200:
        env["total"] = 0.5
    if i == 300:
        env["total"] = "s"
        env["total"] = 1


def comes_and_goes(i, state):
    env, log = state
    if "x" in env:
        env["x"] += i
        if i % 9 == 0:
            del env["x"]
    else:
        env["x"] = env.get("y", 1)
    if i % 40 == 0:
        env["y"] = i
    elif i % 40 == 20:
        log.append(env.pop("y", None))
    if i % 101 == 100:
        env.clear()
        env.update(total=i, i=i)


def grows(i, state):
    env, log = state
    env["i"] = env.get("i", 0) + 1
    if i % 25 == 0:
        env[f"name{i}"] = i
    if i == 200:
        env[5] = "a key that is no string"
    if i == 250:
        del env[5]
    env["total"] = len(env) + env["i"]


def seen_while_stored(i, state):
    env, log = state
    env["total"] = i
    found = 0
    for key in env:
        if key == "total":
            found += env[key]
    env["i"] = found + sum(value for value in env.values() if type(value) is int) % 1000
    if i % 50 == 0:
        log.append((len(env), list(env), dict(env), env == dict(env), env | {"z": 1}))


def equal_names(i, state):
    """Keys that are equal and not identical."""
    env, log = state
    name = "".join(["to", "tal"])
    env[name] = env["total"] + 1
    env["total"] += name in env
    if i % 80 == 0:
        value = env.pop("total")
        env[name] = value


def through_an_instance(i, state):
    """The dict is that of an object whose attributes are used beside it."""
    env, log = state
    node = env["node"]
    view = vars(node)
    view["left"] = i
    node.right = node.left + view["left"]
    view["right"] += 1
    node.left = view["right"]
    if view["left"] != node.left or node.right != view["right"]:
        log.append(i)


def two_dicts(i, state):
    """Which may be one."""
    env, log = state
    first = env["first"]
    second = first if i % 10 == 3 else env["second"]
    first["v"] = i
    second["v"] = second["v"] + 1
    first["w"] = first["v"] + second["v"]


def scopes(i, state):
    env, log = state
    scope = env["scope"]
    scope.find("x")["x"] = scope.find("x")["x"] + 1
    if i % 90 == 10:
        scope = env["scope"] = Scope(scope)
        if i > 200:
            scope["x"] = i
    try:
        scope.find("nothing")
    except AttributeError as error:
        log.append(str(error)) if i % 100 == 0 else None


def missing(i, state):
    env, log = state
    counted = env["counted"]
    counted["a"] += 1
    if i % 30 == 0:
        del counted["a"]
    try:
        env["nothing"] += 1
    except KeyError as error:
        log.append(error.args) if i % 150 == 0 else None


class Frame:
    def __init__(self, outer):
        self.values = {}
        self.outer = outer

    def __repr__(self):
        return "Frame"

    def get(self, name):
        if name in self.values:
            return self.values[name]
        return self.outer.get(name) if self.outer is not None else -1

    def define(self, name, value):
        self.values[name] = value


def fresh_frames(i, state):
    """A dict that each iteration makes, whose items are known until somebody else may have changed it."""
    env, log = state
    frame = Frame(env["frame"])
    frame.define("a", i)
    alias = [frame.values]
    frame.define("b", frame.get("a") + frame.get("x"))
    alias[0]["b"] += 1
    frame.define("b", frame.get("b") + 1)
    if i % 20 == 0:
        poke(frame.values, "a", 0)
    other = alias[0] if i % 30 == 0 else env["second"]
    other["a"] = -i
    frame.values[i % 3] = 5
    frame.define("c", frame.get("a") + frame.get("b"))
    env["total"] = (env["total"] + frame.get("c") + len(frame.values)) % 100_000
    if i % 77 == 0:
        log.append(dict(frame.values))
        env["frame"] = frame if i % 2 else None
    if env["frame"] is None:
        env["frame"] = Frame(None)
        env["frame"].define("x", i)


class Touchy:
    """A key that is asked about equality by a search for "x", and raises from some time on."""

    raises = [False]

    def __hash__(self):
        return hash("x")

    def __repr__(self):
        return "Touchy"

    def __eq__(self, other):
        if Touchy.raises[0]:
            raise ValueError(f"compared with {other!r}")
        return self is other


def searches_that_raise(i, state):
    env, log = state
    touchy = env["touchy"]
    poke_list(Touchy.raises, i % 20 == 19)
    found = 0
    try:
        found = touchy.get("x", 1)
        found += "x" in touchy
        found += touchy["y"]
    except ValueError as error:
        log.append(str(error)) if i % 100 == 99 else None
        found = -1
    poke_list(Touchy.raises, False)
    env["total"] += found


def walk(node, env):
    if node.left is None:
        return env[node.name] if node.name in env else 0
    return walk(node.left, env) + walk(node.right, env)


def trees(i, state):
    env, log = state
    fresh = {"a": i, "b": 2}
    if i % 3 == 0:
        fresh["c"] = 1
    if i % 50 == 0:
        fresh = {"c": 3, "a": 1}
    env["total"] = (env["total"] + walk(env["tree"], fresh)) % 100_000
    if i == 333:
        env["tree"].left.name = "c"


def main():
    for step in (
        counts, comes_and_goes, grows, seen_while_stored, equal_names, through_an_instance, two_dicts, scopes, missing, trees,
        fresh_frames, searches_that_raise,
    ):  # fmt: skip
        top, shared = Scope(), {"v": 0, "w": 0}
        top["x"] = 0
        env = {
            "i": 0, "total": 0, "node": Node("n", 0, 0), "first": shared, "second": {"w": 1, "v": 2}, "scope": top,
            "frame": Frame(None), "touchy": {Touchy(): 0, "y": 2}, "counted": Counted(), "tree": Node("", Node("a"), Node("", Node("b"), Node("c"))),
        }  # fmt: skip
        env, log = each(step, 400, (env, []))
        print(step.__name__, log)
        print({key: value for key, value in env.items() if type(value) in (int, float, str, dict, Counted)})
