"""Identifiers, what they are bound to, and `syntax-rules`.

Hygiene is by renaming: an expansion gives each symbol that its template puts in a fresh `Alias`, which remembers the scope
of the macro's definition. An alias is looked for in the scopes around its use under its own identity (something the macro
bound), and then under its symbol in the scope that it remembers.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from interpreters.scheme.core import Var
from interpreters.scheme.objects import (
    NIL, UNSPECIFIED, Closure, Condition, Pair, SchemeError, Singleton, String, Symbol, error,
)  # fmt: skip

UNBOUND = Singleton("#<unbound>")
NOT_CONSTANT = Singleton("#<not constant>")


class Alias:
    """A symbol that a macro's template put into a program."""

    __slots__ = ("name", "scope")

    def __init__(self, name: Any, scope: Any) -> None:
        self.name = name
        self.scope = scope


class GlobalCell:
    """A variable of an environment.

    Attributes:
        const: Its value while it seldom changes (traces hold it as a constant), or NOT_CONSTANT.
        value: Its value, or UNBOUND.
        users: Code that was generated in the belief that the value stays what it is.
        autoload: Called when code refers to this for the first time: defines it.
    """

    _immutable_fields_ = ["const?"]
    __slots__ = ("autoload", "changes", "const", "name", "owner", "users", "value")

    def __init__(self, name: str, owner: Any, value: Any = UNBOUND) -> None:
        self.name = name
        self.owner = owner
        self.value = value
        self.const = NOT_CONSTANT if value is UNBOUND else value
        self.changes = 0
        self.users: weakref.WeakSet[Any] | None = None
        self.autoload: Callable[[], None] | None = None

    def assign(self, value: Any, defines: bool) -> None:
        if self.users is not None:
            self.forget_users()
        if value is self.value:
            return
        first = self.value is UNBOUND
        self.value = value
        if first:
            self.const = value
        elif self.const is not NOT_CONSTANT:
            self.changes += 1 if defines and type(value) is Closure else 5
            self.const = value if self.changes < 10 else NOT_CONSTANT

    def forget_users(self) -> None:
        users, self.users = self.users, None
        for code in users or ():
            code.body = None

    def add_user(self, code: Any) -> None:
        if self.users is None:
            self.users = weakref.WeakSet()
        self.users.add(code)


class Special:
    """A syntactic keyword that the expander knows."""

    __slots__ = ("expand", "name")

    def __init__(self, name: str, expand: Callable[..., Any] | None) -> None:
        self.name = name
        self.expand = expand


class Scope:
    """Local names while a body is expanded."""

    __slots__ = ("names", "parent")

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.names: dict[Any, Any] = {}


class Environment:
    """The names of a program, of a library, or of `eval`."""

    scheme_name = "environment"

    def __init__(self, name: str = "", mutable: bool = True) -> None:
        self.name = name
        self.mutable = mutable
        self.names: dict[Any, Any] = {}
        self.parent = None

    def cell(self, ident: Any) -> GlobalCell:
        """The variable of this name; made without a value when there is none."""
        binding = self.names.get(ident)
        if binding is None:
            if type(ident) is Alias:
                return cell_of(ident.name, ident.scope)
            binding = self.names[ident] = GlobalCell(identifier_text(ident), self)
        return binding

    def define(self, ident: Any) -> GlobalCell:
        """The variable to be defined: never one that was imported."""
        binding = self.names.get(ident)
        if type(binding) is GlobalCell and binding.owner is self:
            return binding
        if not self.mutable:
            raise error("define", "this environment cannot be changed:", strip(ident))
        cell = self.names[ident] = GlobalCell(identifier_text(ident), self)
        if type(binding) is GlobalCell:
            binding.forget_users()
        return cell

    def bind(self, name: str, binding: Any) -> None:
        from interpreters.scheme.objects import intern

        self.names[intern(name)] = binding


def cell_of(ident: Any, scope: Any) -> GlobalCell:
    while type(scope) is Scope:
        scope = scope.parent
    return scope.cell(ident)  # type: ignore[no-any-return]


def lookup(ident: Any, scope: Any) -> Any:
    """What an identifier is bound to: a Var, Special, Macro or GlobalCell; None when it is not bound at all."""
    while True:
        here = scope
        while here is not None:
            binding = here.names.get(ident)
            if binding is not None:
                return binding
            here = here.parent
        if type(ident) is not Alias:
            return None
        scope = ident.scope
        ident = ident.name


def base_symbol(ident: Any) -> Any:
    while type(ident) is Alias:
        ident = ident.name
    return ident


def identifier_text(ident: Any) -> str:
    return base_symbol(ident).name  # type: ignore[no-any-return]


def is_identifier(value: Any) -> bool:
    return type(value) is Symbol or type(value) is Alias


def same_identifier(left: Any, left_scope: Any, right: Any, right_scope: Any) -> bool:
    """Whether two identifiers mean the same thing."""
    one = lookup(left, left_scope)
    other = lookup(right, right_scope)
    if one is None and other is None:
        return base_symbol(left) is base_symbol(right)
    if type(one) is GlobalCell and type(other) is GlobalCell and one is not other:
        return one.value is UNBOUND and other.value is UNBOUND and one.name == other.name
    if other is None and type(one) is GlobalCell and one.value is UNBOUND:
        return base_symbol(left) is base_symbol(right)
    if one is None and type(other) is GlobalCell and other.value is UNBOUND:
        return base_symbol(left) is base_symbol(right)
    return one is other


def _has_alias(value: Any) -> bool:
    seen: set[int] = set()
    work = [value]
    while work:
        item = work.pop()
        while type(item) is Pair:
            if id(item) in seen:
                break
            seen.add(id(item))
            if type(item.car) is Pair or type(item.car) is Alias or type(item.car) is list:
                work.append(item.car)
            item = item.cdr
        if type(item) is Alias:
            return True
        if type(item) is list and id(item) not in seen:
            seen.add(id(item))
            work.extend(item)
    return False


def strip(value: Any) -> Any:
    """The datum of a piece of syntax: aliases become symbols."""
    if not _has_alias(value):
        return value
    return _strip(value)


def _strip(value: Any) -> Any:
    if type(value) is Alias:
        return base_symbol(value)
    if type(value) is list:
        return [_strip(item) for item in value]
    if type(value) is not Pair:
        return value
    items = []
    while type(value) is Pair:
        items.append(_strip(value.car))
        value = value.cdr
    result = _strip(value)
    for item in reversed(items):
        result = Pair(item, result)
    return result


def syntax_error(message: str, form: Any, *irritants: Any) -> SchemeError:
    """A mistake in a program's form; the expander adds the place."""
    condition = Condition(String(message), [strip(form), *[strip(item) for item in irritants]], kind="syntax")
    return SchemeError(condition)


class _Many:
    """What a pattern variable under an ellipsis matched."""

    __slots__ = ("items",)

    def __init__(self, items: list[dict[Any, Any]]) -> None:
        self.items = items


class Macro:
    """`syntax-rules`.

    Attributes:
        scope: Where it was defined.
        literals: Identifiers that match themselves.
        ellipsis: The identifier that means repetition.
        rules: (pattern without its keyword, template).
    """

    __slots__ = ("ellipsis", "literals", "name", "rules", "scope")

    def __init__(self, scope: Any, literals: list[Any], ellipsis: Any, rules: list[tuple[Any, Any]], name: str) -> None:
        self.scope = scope
        self.literals = literals
        self.ellipsis = None if ellipsis in literals else ellipsis
        self.rules = rules
        self.name = name

    def expand(self, form: Any, scope: Any) -> Any:
        """The form that this use of the macro stands for."""
        for pattern, template in self.rules:
            bindings: dict[Any, Any] = {}
            if self._match(pattern, form.cdr, scope, bindings):
                return self._instantiate(template, bindings, {}, True)
        raise syntax_error(f"{self.name}: no rule matches", form)

    def _is_ellipsis(self, value: Any) -> bool:
        if self.ellipsis is None or not is_identifier(value):
            return False
        if value is self.ellipsis:
            return True
        return base_symbol(value) is self.ellipsis and self.ellipsis.name == "..." and not self._is_literal(value)

    def _is_literal(self, value: Any) -> bool:
        return any(value is literal for literal in self.literals)

    def _match(self, pattern: Any, form: Any, scope: Any, bindings: dict[Any, Any]) -> bool:
        while True:
            if is_identifier(pattern):
                if self._is_literal(pattern):
                    return is_identifier(form) and same_identifier(form, scope, pattern, self.scope)
                if base_symbol(pattern).name != "_":
                    bindings[pattern] = form
                return True
            if type(pattern) is list:
                if type(form) is not list:
                    return False
                pattern, form = _as_list(pattern), _as_list(form)
                continue
            if type(pattern) is not Pair:
                return _same_datum(pattern, form)
            if type(pattern.cdr) is Pair and self._is_ellipsis(pattern.cdr.car):
                return self._match_ellipsis(pattern, form, scope, bindings)
            if type(form) is not Pair or not self._match(pattern.car, form.car, scope, bindings):
                return False
            pattern, form = pattern.cdr, form.cdr

    def _match_ellipsis(self, pattern: Any, form: Any, scope: Any, bindings: dict[Any, Any]) -> bool:
        after = pattern.cdr.cdr
        needed = 0
        rest = after
        while type(rest) is Pair:
            needed += 1
            rest = rest.cdr
        items = []
        while type(form) is Pair:
            items.append(form)
            form = form.cdr
        count = len(items) - needed
        if count < 0:
            return False
        matches = []
        for item in items[:count]:
            inner: dict[Any, Any] = {}
            if not self._match(pattern.car, item.car, scope, inner):
                return False
            matches.append(inner)
        many = _Many(matches)
        for variable in self._variables(pattern.car, []):
            bindings[variable] = many
        return self._match(after, items[count] if count < len(items) else form, scope, bindings)

    def _variables(self, pattern: Any, found: list[Any]) -> list[Any]:
        if is_identifier(pattern):
            if not self._is_ellipsis(pattern) and not self._is_literal(pattern):
                found.append(pattern)
        elif type(pattern) is list:
            for item in pattern:
                self._variables(item, found)
        else:
            dotted = type(pattern) is Pair
            while type(pattern) is Pair:
                self._variables(pattern.car, found)
                pattern = pattern.cdr
            if dotted and pattern is not NIL:
                self._variables(pattern, found)
        return found

    def _instantiate(self, template: Any, bindings: dict[Any, Any], renames: dict[Any, Any], dots: bool) -> Any:
        if is_identifier(template):
            if template in bindings:
                value = bindings[template]
                if type(value) is _Many:
                    raise syntax_error(f"{self.name}: an ellipsis is missing after", template)
                return value
            alias = renames.get(template)
            if alias is None:
                alias = renames[template] = Alias(template, self.scope)
            return alias
        if type(template) is list:
            result = []
            value = self._instantiate(_as_list(template), bindings, renames, dots)
            while type(value) is Pair:
                result.append(value.car)
                value = value.cdr
            return result
        if type(template) is not Pair:
            return template
        if dots and self._is_ellipsis(template.car):
            if type(template.cdr) is not Pair:
                raise syntax_error(f"{self.name}: nothing after the ellipsis in a template", template)
            return self._instantiate(template.cdr.car, bindings, renames, False)
        items: list[Any] = []
        while type(template) is Pair:
            if dots and items and self._is_ellipsis(template.car):
                break
            part = template.car
            template = template.cdr
            depth = 0
            while dots and type(template) is Pair and self._is_ellipsis(template.car):
                depth += 1
                template = template.cdr
            if depth == 0:
                items.append(self._instantiate(part, bindings, renames, dots))
            else:
                items.extend(self._repeat(part, bindings, renames, depth))
        result_list = NIL if template is NIL else self._instantiate(template, bindings, renames, dots)
        for item in reversed(items):
            result_list = Pair(item, result_list)
        return result_list

    def _repeat(self, part: Any, bindings: dict[Any, Any], renames: dict[Any, Any], depth: int) -> list[Any]:
        used = self._variables(part, [])
        groups: list[_Many] = []
        for variable in used:
            value = bindings.get(variable)
            if type(value) is _Many and not any(value is group for group in groups):
                groups.append(value)
        if not groups:
            raise syntax_error(f"{self.name}: an ellipsis follows what does not repeat", part)
        length = max(len(group.items) for group in groups)
        result: list[Any] = []
        for number in range(length):
            inner = dict(bindings)
            for group in groups:
                if number < len(group.items):
                    inner.update(group.items[number])
                elif length != len(group.items):
                    raise syntax_error(f"{self.name}: repetitions of different lengths", part)
            if depth > 1:
                result.extend(self._repeat(part, inner, renames, depth - 1))
            else:
                result.append(self._instantiate(part, inner, renames, True))
        return result


def _as_list(items: list[Any]) -> Any:
    result: Any = NIL
    for item in reversed(items):
        result = Pair(item, result)
    return result


def _same_datum(left: Any, right: Any) -> bool:
    from interpreters.scheme.equality import is_equal

    return is_equal(left, right)


def parse_syntax_rules(form: Any, scope: Any, name: str) -> Macro:
    """`(syntax-rules ...)` as a Macro."""
    from interpreters.scheme.objects import intern, to_python_list

    ellipsis: Any = intern("...")
    parts = to_python_list(form.cdr, "syntax-rules")
    if parts and is_identifier(parts[0]):
        ellipsis = parts.pop(0)
    if not parts:
        raise syntax_error("syntax-rules: the literals are missing", form)
    literals = to_python_list(parts[0], "syntax-rules")
    rules = []
    for rule in parts[1:]:
        items = to_python_list(rule, "syntax-rules")
        if len(items) != 2 or type(items[0]) is not Pair:
            raise syntax_error("syntax-rules: a rule is (pattern template)", rule)
        rules.append((items[0].cdr, items[1]))
    return Macro(scope, literals, ellipsis, rules, name)


__all__ = [
    "NOT_CONSTANT", "UNBOUND", "UNSPECIFIED", "Alias", "Environment", "GlobalCell", "Macro", "Scope", "Special", "Var",
    "base_symbol", "identifier_text", "is_identifier", "lookup", "parse_syntax_rules", "same_identifier", "strip",
    "syntax_error",
]  # fmt: skip
