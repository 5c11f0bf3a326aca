"""Programs to the core language: scopes, macros, bodies, and the forms that are not defined by others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from interpreters.scheme import core
from interpreters.scheme.core import Apply, Const, Core, Function, GlobalRef, Let, LocalRef, Seq, Var
from interpreters.scheme.objects import (
    NIL, UNSPECIFIED, Condition, Pair, SchemeError, String, Symbol, intern, is_list, make_list, to_python_list,
)  # fmt: skip
from interpreters.scheme.syntax import (
    Alias, Environment, GlobalCell, Macro, Scope, Special, base_symbol, identifier_text, is_identifier, lookup,
    parse_syntax_rules, strip, syntax_error,
)  # fmt: skip

SPECIALS: dict[str, Special] = {}
BASE = Environment("base")
"""Everything that is built in; libraries export parts of it."""


def special(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register `function(expander, form, scope)` as the meaning of a keyword."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        SPECIALS[name] = Special(name, function)
        return function

    return register


class NativeMacro:
    """A macro written in Python: `transform(expander, form, scope)` gives another form."""

    __slots__ = ("name", "transform")

    def __init__(self, name: str, transform: Callable[..., Any]) -> None:
        self.name = name
        self.transform = transform


def native_macro(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        SPECIALS[name] = NativeMacro(name, function)  # type: ignore[assignment]
        return function

    return register


def base(name: str) -> Alias:
    """An identifier that means what is built in, whatever the program calls by this name."""
    return Alias(intern(name), BASE)


def form_list(*items: Any) -> Any:
    return make_list(items)


class Expander:
    """Expands the forms of one text.

    Attributes:
        name: The text's name, for places.
        places: Line and column by the `id` of a pair; the reader's.
    """

    def __init__(self, name: str = "", places: dict[int, tuple[int, int]] | None = None, folder: str = "") -> None:
        self.name = name
        self.places = places if places is not None else {}
        self.folder = folder
        self.current: core.Place | None = None

        self._kept: list[Any] = []

    # --- places and mistakes

    def keep(self, forms: list[Any], places: dict[int, tuple[int, int]]) -> None:
        """Forms of another text belong to this one from now on."""
        self._kept.append(forms)
        self.places.update(places)

    def place(self, form: Any) -> core.Place | None:
        found = self.places.get(id(form))
        if found is not None:
            self.current = (self.name, *found)
        return self.current

    def parts(self, form: Any, least: int, most: int = -1) -> list[Any]:
        """The items of a form behind its keyword, counted."""
        if not is_list(form):
            raise syntax_error("not a proper list:", form)
        items = to_python_list(form)[1:]
        if len(items) < least or (most >= 0 and len(items) > most):
            raise syntax_error(f"{identifier_text(form.car)}: wrong form", form)
        return items

    def identifier(self, value: Any, form: Any) -> Any:
        if not is_identifier(value):
            raise syntax_error("expected an identifier:", form, value)
        return value

    def located(self, error: SchemeError, place: core.Place | None) -> SchemeError:
        payload = error.payload
        if type(payload) is Condition and not payload.place and place is not None:
            payload.place = f"{place[0]}:{place[1]}:{place[2]}"
        return error

    # --- expressions

    def expand_top(self, form: Any, env: Environment) -> Core:
        """A form of a program or library."""
        self.current = None
        try:
            return self.expand(form, env)
        except SchemeError as error:
            raise self.located(error, self.current) from None
        except RecursionError:
            condition = Condition(String("the program is nested too deeply"), [], kind="syntax")
            raise self.located(SchemeError(condition), self.current) from None
        except (AttributeError, TypeError, ValueError, LookupError):
            # A form of another shape than its keyword expects, which that did not look for.
            raise self.located(syntax_error("wrong form", form), self.current) from None

    def expand(self, form: Any, scope: Any) -> Core:
        while True:
            kind = type(form)
            if kind is Pair:
                head = form.car
                if type(head) is Symbol or type(head) is Alias:
                    binding = lookup(head, scope)
                    if type(binding) is Special:
                        self.place(form)
                        if binding.expand is None:
                            raise syntax_error(f"{binding.name}: not to be used here", form)
                        return binding.expand(self, form, scope)  # type: ignore[no-any-return]
                    if type(binding) is Macro:
                        self.place(form)
                        form = binding.expand(form, scope)
                        continue
                    if type(binding) is NativeMacro:
                        self.place(form)
                        form = binding.transform(self, form, scope)
                        continue
                return self.application(form, scope)
            if kind is Symbol or kind is Alias:
                return self.reference(form, scope)
            if form is NIL:
                raise syntax_error("() is no expression", form)
            return Const(strip(form) if kind is list else form)

    def reference(self, ident: Any, scope: Any) -> Core:
        binding = lookup(ident, scope)
        if type(binding) is Var:
            return LocalRef(binding, self.current)
        if binding is None or type(binding) is GlobalCell:
            return GlobalRef(self.toplevel(scope), ident, self.current)
        raise syntax_error("a keyword is no expression:", ident)

    def toplevel(self, scope: Any) -> Environment:
        while scope.parent is not None:
            scope = scope.parent
        return scope  # type: ignore[no-any-return]

    def application(self, form: Any, scope: Any) -> Core:
        place = self.place(form)
        if not is_list(form):
            raise syntax_error("not a proper list:", form)
        head = form.car
        if type(head) is Pair and is_identifier(head.car):
            binding = lookup(head.car, scope)
            if type(binding) is Special and binding.name == "lambda" and type(head.cdr) is Pair:
                names = head.cdr.car
                if is_list(names):
                    parameters = to_python_list(names)
                    arguments = to_python_list(form.cdr)
                    if len(parameters) == len(arguments):
                        return self.let(parameters, arguments, head.cdr.cdr, form, scope)
        function = self.expand(head, scope)
        arguments = [self.expand(item, scope) for item in to_python_list(form.cdr)]
        return Apply(function, arguments, place)

    def let(self, names: list[Any], inits: list[Any], body: Any, form: Any, scope: Any) -> Core:
        values = [self.named(init, scope, name) for name, init in zip(names, inits, strict=True)]
        inner, variables = self.bind(names, form, scope)
        expanded = self.body(body, form, inner)
        return Let(variables, values, expanded) if variables else expanded

    def named(self, form: Any, scope: Any, name: Any) -> Core:
        """Expand; a function gets the name of the variable that it is for."""
        expanded = self.expand(form, scope)
        if isinstance(expanded, Function) and not expanded.name:
            expanded.name = identifier_text(name)
        return expanded

    def bind(self, names: list[Any], form: Any, scope: Any) -> tuple[Scope, list[Var]]:
        inner = Scope(scope)
        variables = []
        for name in names:
            self.identifier(name, form)
            if name in inner.names:
                raise syntax_error("a variable is bound twice:", form, name)
            variable = inner.names[name] = Var(identifier_text(name))
            variables.append(variable)
        return inner, variables

    def function(self, formals: Any, body: Any, form: Any, scope: Any, name: str = "") -> Function:
        place = self.place(form)
        names = []
        while type(formals) is Pair:
            names.append(formals.car)
            formals = formals.cdr
        rest = formals is not NIL
        inner, variables = self.bind([*names, formals] if rest else names, form, scope)
        expanded = self.body(body, form, inner)
        return Function(variables[:-1] if rest else variables, variables[-1] if rest else None, expanded, name, place)

    # --- bodies

    def body(self, forms: Any, form: Any, scope: Any) -> Core:
        """Definitions, then expressions."""
        if not is_list(forms) or forms is NIL:
            raise syntax_error("a body is missing", form)
        inner = Scope(scope)
        waiting = deque(to_python_list(forms))
        variables: list[Var] = []
        inits: list[Callable[[], Core]] = []
        expressions: list[Any] = []

        def flush() -> None:
            """Expressions before a definition become its predecessors."""
            for expression in expressions:
                variables.append(Var("_"))
                inits.append(lambda expression=expression: Seq(self.expand(expression, inner), Const(UNSPECIFIED)))  # type: ignore[misc]
            expressions.clear()

        while waiting:
            item = waiting.popleft()
            item, name = self.head(item, inner)
            if name == "begin":
                waiting.extendleft(reversed(self.parts(item, 0)))
            elif name == "define":
                flush()
                target, value = self.definition(item)
                if type(inner.names.get(target)) is Var:
                    raise syntax_error("a variable is defined twice:", item, target)
                variable = inner.names[target] = Var(identifier_text(target))
                variables.append(variable)
                inits.append(lambda value=value, target=target: value(inner, identifier_text(target)))  # type: ignore[misc]
            elif name == "define-syntax":
                self.define_syntax(item, inner)
            else:
                expressions.append(item)
        if not expressions:
            if not variables:
                raise syntax_error("a body without an expression", form)
            expressions.append(UNSPECIFIED)
        values = []
        for variable, init in zip(variables, inits, strict=True):
            expanded = init()
            if isinstance(expanded, Function) and not expanded.name:
                expanded.name = variable.name
            values.append(expanded)
        result = core.sequence([self.expand(item, inner) for item in expressions])
        return core.letrec(variables, values, result, star=True) if variables else result

    def head(self, form: Any, scope: Any) -> tuple[Any, str]:
        """Expand macros at a form's head until it is something else; also gives the keyword's name."""
        while type(form) is Pair and is_identifier(form.car):
            binding = lookup(form.car, scope)
            if type(binding) is Macro:
                self.place(form)
                form = binding.expand(form, scope)
            elif type(binding) is NativeMacro:
                self.place(form)
                form = binding.transform(self, form, scope)
            else:
                return form, binding.name if type(binding) is Special else ""
        return form, ""

    def definition(self, form: Any) -> tuple[Any, Callable[[Any, str], Core]]:
        """The name that a `define` defines, and what expands its value in a scope."""
        parts = self.parts(form, 1)
        target = parts[0]
        if type(target) is Pair:
            body = form.cdr.cdr
            formals = target.cdr
            target = target.car
            while type(target) is Pair:  # (define ((f a) b) ...)
                body = form_list(Pair(base("lambda"), Pair(formals, body)))
                formals = target.cdr
                target = target.car
            self.identifier(target, form)
            return target, lambda scope, name: self.function(formals, body, form, scope, name)
        self.identifier(target, form)
        if len(parts) > 2:
            raise syntax_error("define: wrong form", form)
        value = parts[1] if len(parts) == 2 else UNSPECIFIED
        return target, lambda scope, _: self.named(value, scope, target)

    def define_syntax(self, form: Any, scope: Any) -> None:
        name, rules = self.parts(form, 2, 2)
        if type(name) is Pair:
            raise syntax_error("define-syntax: expected an identifier", form)
        self.identifier(name, form)
        scope.names[name] = self.transformer(rules, scope, identifier_text(name))

    def transformer(self, form: Any, scope: Any, name: str) -> Any:
        form, keyword = self.head(form, scope)
        if keyword == "syntax-rules":
            return parse_syntax_rules(form, scope, name)
        if is_identifier(form):
            binding = lookup(form, scope)
            if type(binding) in (Macro, NativeMacro, Special):
                return binding
        raise syntax_error("expected (syntax-rules ...)", form)

    def included(self, form: Any) -> list[Any]:
        from interpreters.scheme.files import read_forms

        forms: list[Any] = []
        for name in self.parts(form, 1):
            if type(name) is not String:
                raise syntax_error("include: expected a file's name", form)
            forms.extend(read_forms(name.text, self, fold=identifier_text(form.car) == "include-ci"))
        return forms


def expand_define(expander: Expander, form: Any, scope: Any) -> Core:
    if type(scope) is not Environment:
        raise syntax_error("a definition where an expression is expected", form)
    target, value = expander.definition(form)
    place = expander.place(form)
    binding = scope.names.get(target)
    if binding is not None and type(binding) is not GlobalCell:
        del scope.names[target]
    return core.SetGlobal(scope, target, value(scope, identifier_text(target)), defines=True, place=place)


def temporary(name: str) -> Alias:
    """An identifier that nothing else is called."""
    return Alias(intern(name), BASE)


def base_apply(name: str, *args: Core) -> Core:
    """A call of a built-in procedure."""
    cell = BASE.cell(intern(name))
    if cell.autoload is not None:
        cell.autoload()
    return Apply(Const(cell.value), list(args), None)


__all__ = ["BASE", "SPECIALS", "Expander", "base", "base_apply", "base_symbol", "native_macro", "special", "temporary"]
