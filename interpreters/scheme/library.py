"""`define-library`, `import`, `cond-expand`, and the libraries that are built in."""

from __future__ import annotations

import os
from typing import Any

from interpreters.scheme.core import Const, Core
from interpreters.scheme.expander import BASE, Expander, base, native_macro, special
from interpreters.scheme.exports import EXPORTS
from interpreters.scheme.generate import generate_top
from interpreters.scheme.machine import execute
from interpreters.scheme.objects import NIL, UNSPECIFIED, Pair, Symbol, error, intern, is_list, make_list, to_python_list
from interpreters.scheme.ports import SANDBOX
from interpreters.scheme.syntax import Environment, base_symbol, identifier_text, is_identifier, strip, syntax_error

FEATURES = ("r7rs", "exact-closed", "ieee-float", "full-unicode", "ratios", "metatracer", "posix",
            *(f"srfi-{number}" for number in (0, 1, 6, 8, 9, 23, 28, 30, 39, 46, 62, 69, 87, 95, 132)))  # fmt: skip


class Library:
    """Attributes:
    env: What is defined and imported inside.
    exports: (name outside, identifier inside); None: everything.
    """

    def __init__(self, env: Environment, exports: list[tuple[Any, Any]] | None) -> None:
        self.env = env
        self.exports = exports

    def bindings(self, form: Any) -> dict[Any, Any]:
        if self.exports is None:
            return dict(self.env.names)
        result = {}
        for outside, inside in self.exports:
            binding = self.env.names.get(inside)
            if binding is None:
                raise syntax_error(f"a library exports {identifier_text(inside)}, which it does not define:", form)
            result[outside] = binding
        return result


LIBRARIES: dict[tuple[Any, ...], Library] = {}


def _key(name: Any) -> tuple[Any, ...]:
    parts = to_python_list(name, "import") if is_list(name) else [name]
    return tuple([part.name if type(part) is Symbol else part for part in parts])


def register_builtin_libraries() -> None:
    """Make the libraries that `exports` lists, of what BASE has."""
    for name, names in EXPORTS.items():
        exports = [(intern(text), intern(text)) for text in names]
        LIBRARIES[name] = Library(BASE, exports)
    LIBRARIES[("metatracer", "scheme")] = Library(BASE, None)


def find_library(name: Any, expander: Expander | None, form: Any) -> Library:
    key = _key(strip(name))
    found = LIBRARIES.get(key)
    if found is None and expander is not None and not SANDBOX[0]:
        path = os.path.join(*[str(part) for part in key])
        for folder in (expander.folder, "."):
            for suffix in (".sld", ".scm"):
                file = os.path.join(folder, path + suffix)
                if os.path.exists(file):
                    _load(file)
                    found = LIBRARIES.get(key)
                    break
            if found is not None:
                break
    if found is None:
        raise syntax_error("import: there is no library", name)
    return found


def _load(path: str) -> None:
    from interpreters.scheme.files import Program, text_of

    try:
        program = Program(text_of(path), path)
    except OSError as failure:
        raise error("import", f"{failure.strerror}: {path}") from None
    env = Environment("library file")
    bind_library_forms(env)
    while True:
        core = program.next_form(env)
        if core is None:
            break
        execute(generate_top(core), program.place)


def bind_library_forms(env: Environment) -> None:
    """What a program may use before it has imported anything."""
    for name in ("import", "define-library", "cond-expand", "begin", "include"):
        env.bind(name, BASE.names[intern(name)])


def import_set(form: Any, expander: Expander | None) -> dict[Any, Any]:
    """The bindings that an import set stands for, by symbol."""
    if not is_list(form) or form is NIL:
        raise syntax_error("import: wrong import set", form)
    head = base_symbol(form.car)
    operator = head.name if type(head) is Symbol else ""
    if operator in ("only", "except", "prefix", "rename") and type(form.cdr) is Pair and type(form.cdr.car) is Pair:
        names = import_set(form.cdr.car, expander)
        args = [strip(item) for item in to_python_list(form.cdr.cdr)]
        if operator == "prefix":
            return {intern(args[0].name + name.name): binding for name, binding in names.items()}
        changed = [arg.car if operator == "rename" else arg for arg in args]
        for arg in changed:
            if arg not in names:
                raise syntax_error(f"import: not exported: {identifier_text(arg)}", form)
        if operator == "only":
            return {arg: names[arg] for arg in args}
        if operator == "except":
            return {name: binding for name, binding in names.items() if name not in args}
        renames = {arg.car: arg.cdr.car for arg in args}
        return {renames.get(name, name): binding for name, binding in names.items()}
    return find_library(form, expander, form).bindings(form)


@special("import")
def _import(expander: Expander, form: Any, scope: Any) -> Core:
    if type(scope) is not Environment:
        raise syntax_error("import: only at the top level", form)
    for item in expander.parts(form, 0):
        scope.names.update(import_set(strip(item), expander))
    return Const(UNSPECIFIED)


@special("define-library")
def _define_library(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 1)
    key = _key(strip(parts[0]))
    env = Environment(str(key))
    exports: list[tuple[Any, Any]] = []
    bodies: list[Any] = []
    _declarations(expander, parts[1:], env, exports, bodies)
    LIBRARIES[key] = Library(env, exports)
    for body in bodies:
        execute(generate_top(expander.expand(body, env)))
    return Const(UNSPECIFIED)


def _declarations(expander: Expander, parts: list[Any], env: Environment, exports: Any, bodies: list[Any]) -> None:
    for part in parts:
        if type(part) is not Pair or not is_identifier(part.car):
            raise syntax_error("define-library: wrong declaration", part)
        expander.place(part)
        name = identifier_text(part.car)
        items = expander.parts(part, 0)
        if name == "export":
            for item in items:
                if is_identifier(item):
                    exports.append((item, item))
                else:
                    _, inside, outside = to_python_list(item)
                    exports.append((outside, inside))
        elif name == "import":
            for item in items:
                env.names.update(import_set(strip(item), expander))
        elif name == "begin":
            bodies.extend(items)
        elif name in ("include", "include-ci"):
            bodies.extend(expander.included(part))
        elif name == "include-library-declarations":
            _declarations(expander, expander.included(part), env, exports, bodies)
        elif name == "cond-expand":
            _declarations(expander, _chosen(expander, part), env, exports, bodies)
        else:
            raise syntax_error("define-library: unknown declaration", part)


def _chosen(expander: Expander, form: Any) -> list[Any]:
    for clause in expander.parts(form, 0):
        if type(clause) is not Pair:
            raise syntax_error("cond-expand: wrong clause", form)
        if _holds(expander, clause.car, form):
            return to_python_list(clause.cdr)
    return []


def _holds(expander: Expander, requirement: Any, form: Any) -> bool:
    if is_identifier(requirement):
        name = identifier_text(requirement)
        return name == "else" or name in FEATURES
    if not is_list(requirement) or requirement is NIL or not is_identifier(requirement.car):
        raise syntax_error("cond-expand: wrong requirement", form, requirement)
    name = identifier_text(requirement.car)
    items = to_python_list(requirement.cdr)
    if name == "and":
        return all(_holds(expander, item, form) for item in items)
    if name == "or":
        return any(_holds(expander, item, form) for item in items)
    if name == "not" and len(items) == 1:
        return not _holds(expander, items[0], form)
    if name == "library" and len(items) == 1:
        return _key(strip(items[0])) in LIBRARIES
    raise syntax_error("cond-expand: wrong requirement", form, requirement)


@native_macro("cond-expand")
def _cond_expand(expander: Expander, form: Any, scope: Any) -> Any:
    return make_list([base("begin"), *_chosen(expander, form)])


@native_macro("include")
def _include(expander: Expander, form: Any, scope: Any) -> Any:
    return make_list([base("begin"), *expander.included(form)])


@native_macro("include-ci")
def _include_ci(expander: Expander, form: Any, scope: Any) -> Any:
    return make_list([base("begin"), *expander.included(form)])
