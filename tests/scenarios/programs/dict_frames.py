"""Environments that are dicts: subclasses with attributes, lookups along a chain, hooks, and what changes under way."""

from metatracer import JitDriver

driver = JitDriver(greens=["node"], reds="auto", name="dict frames")


class Env(dict):
    def __init__(self, outer=None, **names):
        self.update(names)
        self.outer = outer

    def find(self, name):
        return self if name in self else self.outer.find(name)

    @classmethod
    def kind(cls):
        return cls.__name__

    @staticmethod
    def depth(env):
        count = 0
        while env is not None:
            env = env.outer
            count += 1
        return count


class Counting(Env):
    def __missing__(self, name):
        self[name] = len(self)
        return -len(self)

    def __contains__(self, name):
        self.asked = getattr(self, "asked", 0) + 1
        return dict.__contains__(self, name)


class Hooked(Env):
    def __getattr__(self, name):
        if name.startswith("x"):
            return len(name)
        raise AttributeError(name)


class Key(str):
    pass


class Odd(str):
    """Its instances are equal to more than themselves."""

    def __hash__(self):
        return hash(str(self).lower())

    def __eq__(self, other):
        return str(self).lower() == str(other).lower()


class Loop:
    def __init__(self, times, *steps):
        self.times = times
        self.steps = steps


@driver.portal
def run(node, env):
    env["i"] = 0
    while True:
        driver.jit_merge_point(node=node)
        for step in node.steps:
            step(env)
        home = env.find("i")
        home["i"] = home["i"] + 1
        if home["i"] >= node.times:
            return env


def add(env):
    env.find("s")["s"] += env.find(Key("i"))[Key("i")] * env.outer.scale


current = []


def find_in_current(name):
    return current[-1].outer if name == "s" else current[-1]


def shadow(env):
    if env["i"] == 40:
        current.append(env)
        env.find = find_in_current
    if env["i"] == 70:
        del env.find
        current.clear()
    if env["i"] % 30 == 7:
        env.outer.scale += 1


def kinds(env):
    env["k"] = env.kind() + str(env.depth(env))


def missing(env):
    env["m"] = env["nothing" + str(env["i"] % 3)]


def odd(env):
    env[Odd("S")] = env[Odd("I")] if Odd("I") in env else 0


def hooked(env):
    env["h"] = env.xyz + len(env.outer.xs)
    try:
        env["h"] += env.nothing
    except AttributeError as error:
        env["e"] = str(error)


LOOPS = {
    "add": (Env, Loop(120, add)),
    "shadow": (Env, Loop(120, shadow, add)),
    "kinds": (Env, Loop(60, kinds, add)),
    "missing": (Counting, Loop(60, missing, add)),
    "odd": (Env, Loop(60, odd)),
    "hooked": (Hooked, Loop(60, hooked)),
}


def main():
    for name, (cls, node) in LOOPS.items():
        for _ in range(3):
            outer = cls(s=0)
            outer.scale, outer.xs = 1, [1]
            env = run(node, cls(outer))
            print(name, sorted((str(key), value) for key, value in env.items()), outer["s"], outer.scale, env.__dict__.get("asked"))
