"""The core language: what the expander makes of programs, and what nodes are generated from."""

from __future__ import annotations

from typing import Any, TypeAlias

Place = tuple[str, int, int]
"""File, line, column."""


class Var:
    """A local variable.

    Attributes:
        name: For messages.
        assigned: Some `set!` (or a `letrec` that is no plain function definition) changes it: it lives in a Cell.
    """

    __slots__ = ("assigned", "checked", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.assigned = False
        self.checked = False


class Const:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class LocalRef:
    __slots__ = ("place", "var")

    def __init__(self, var: Var, place: Place | None = None) -> None:
        self.var = var
        self.place = place


class GlobalRef:
    __slots__ = ("env", "ident", "place")

    def __init__(self, env: Any, ident: Any, place: Place | None) -> None:
        self.env = env
        self.ident = ident
        self.place = place


class SetLocal:
    __slots__ = ("value", "var")

    def __init__(self, var: Var, value: Core) -> None:
        self.var = var
        self.value = value


class SetGlobal:
    """`set!` or `define` of a variable of an environment."""

    __slots__ = ("defines", "env", "ident", "place", "value")

    def __init__(self, env: Any, ident: Any, value: Core, defines: bool, place: Place | None) -> None:
        self.env = env
        self.ident = ident
        self.value = value
        self.defines = defines
        self.place = place


class If:
    __slots__ = ("otherwise", "test", "then")

    def __init__(self, test: Core, then: Core, otherwise: Core) -> None:
        self.test = test
        self.then = then
        self.otherwise = otherwise


class OneOf:
    """Whether a value is `eqv?` to one of some constants."""

    __slots__ = ("items", "value")

    def __init__(self, value: Core, items: list[Any]) -> None:
        self.value = value
        self.items = items


class Seq:
    __slots__ = ("first", "rest")

    def __init__(self, first: Core, rest: Core) -> None:
        self.first = first
        self.rest = rest


class Function:
    """A lambda expression."""

    __slots__ = ("body", "free", "name", "params", "place", "rest")

    def __init__(self, params: list[Var], rest: Var | None, body: Core, name: str, place: Place | None) -> None:
        self.params = params
        self.rest = rest
        self.body = body
        self.name = name
        self.place = place
        self.free: frozenset[Var] | None = None


class CaseFunction:
    __slots__ = ("clauses",)

    def __init__(self, clauses: list[Function]) -> None:
        self.clauses = clauses


class Apply:
    __slots__ = ("args", "function", "place")

    def __init__(self, function: Core, args: list[Core], place: Place | None) -> None:
        self.function = function
        self.args = args
        self.place = place


class Let:
    __slots__ = ("body", "inits", "vars")

    def __init__(self, variables: list[Var], inits: list[Core], body: Core) -> None:
        self.vars = variables
        self.inits = inits
        self.body = body


class FixOne:
    """A variable that stands for a function, which may refer to it."""

    __slots__ = ("body", "function", "var")

    def __init__(self, var: Var, function: Function, body: Core) -> None:
        self.var = var
        self.function = function
        self.body = body


Core: TypeAlias = (
    Const
    | LocalRef
    | GlobalRef
    | SetLocal
    | SetGlobal
    | If
    | OneOf
    | Seq
    | Function
    | CaseFunction
    | Apply
    | Let
    | FixOne
)


def children(core: Core) -> list[Core]:
    """The expressions directly inside, functions' bodies included."""
    kind = type(core)
    if kind in (Const, LocalRef, GlobalRef):
        return []
    if isinstance(core, Apply):
        return [core.function, *core.args]
    if isinstance(core, If):
        return [core.test, core.then, core.otherwise]
    if isinstance(core, Seq):
        return [core.first, core.rest]
    if isinstance(core, Let):
        return [*core.inits, core.body]
    if isinstance(core, FixOne):
        return [core.function, core.body]
    if isinstance(core, Function):
        return [core.body]
    if isinstance(core, CaseFunction):
        return list(core.clauses)
    return [core.value]  # type: ignore[union-attr]


def references(core: Core) -> set[Var]:
    """All local variables that are read or assigned inside."""
    found: set[Var] = set()
    work = [core]
    while work:
        item = work.pop()
        if isinstance(item, LocalRef | SetLocal):
            found.add(item.var)
        if isinstance(item, Function):
            if item.free is None:
                item.free = frozenset(references(item.body))
            found |= item.free
        else:
            work.extend(children(item))
    return found


def sequence(items: list[Core]) -> Core:
    """The expressions one after the other."""
    result = items[-1]
    for item in reversed(items[:-1]):
        result = Seq(item, result)
    return result


def letrec(variables: list[Var], inits: list[Core], body: Core, star: bool) -> Core:
    """A `letrec` or `letrec*` in terms of lets, functions that know themselves, and assignments.

    Function definitions are sorted by what refers to what ("Fixing Letrec", Waddell, Sarkar and Dybvig): a function that
    only refers to itself and to earlier variables needs no cell.
    """
    if not star and not all(isinstance(init, Function | Const) for init in inits):
        return _by_assignment(variables, inits, body, star=False)
    number = {var: index for index, var in enumerate(variables)}
    edges: list[set[int]] = []
    last_complex = -1
    for index, init in enumerate(inits):
        needs = {number[var] for var in references(init) if var in number}
        if not isinstance(init, Function | CaseFunction | Const) or variables[index].assigned:
            if last_complex >= 0:
                needs.add(last_complex)
            last_complex = index
        edges.append(needs)
    for group in reversed(_components(edges)):
        first = group[0]
        init = inits[first]
        if len(group) == 1 and first not in edges[first]:
            body = Let([variables[first]], [init], body)
        elif len(group) == 1 and isinstance(init, Function) and not variables[first].assigned:
            body = FixOne(variables[first], init, body)
        else:
            group.sort()
            body = _by_assignment([variables[i] for i in group], [inits[i] for i in group], body, star=True)
    return body


def _by_assignment(variables: list[Var], inits: list[Core], body: Core, star: bool) -> Core:
    from interpreters.scheme.objects import UNINITIALIZED

    for var in variables:
        var.assigned = True
        var.checked = True
    sets: list[Core]
    if star:
        sets = [SetLocal(var, init) for var, init in zip(variables, inits, strict=True)]
        inner = sequence([*sets, body])
    else:
        temporaries = [Var(var.name) for var in variables]
        sets = [SetLocal(var, LocalRef(temporary)) for var, temporary in zip(variables, temporaries, strict=True)]
        inner = Let(temporaries, inits, sequence([*sets, body]))
    return Let(variables, [Const(UNINITIALIZED) for _ in variables], inner)


def _components(edges: list[set[int]]) -> list[list[int]]:
    """Strongly connected components, those that are needed before those that need them (Tarjan, without recursion)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    result: list[list[int]] = []
    for root in range(len(edges)):
        if root in order:
            continue
        work: list[tuple[int, list[int]]] = [(root, sorted(edges[root], reverse=True))]
        order[root] = low[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            if rest:
                target = rest.pop()
                if target not in order:
                    order[target] = low[target] = len(order)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, sorted(edges[target], reverse=True)))
                elif target in on_stack:
                    low[node] = min(low[node], order[target])
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == order[node]:
                group = []
                while True:
                    member = stack.pop()
                    on_stack.discard(member)
                    group.append(member)
                    if member == node:
                        break
                result.append(group)
    return result
