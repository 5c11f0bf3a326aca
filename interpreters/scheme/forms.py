"""The special forms."""

from __future__ import annotations

from typing import Any

from interpreters.scheme import core
from interpreters.scheme.core import (
    Apply,
    CaseFunction,
    Const,
    Core,
    If,
    Let,
    LocalRef,
    OneOf,
    SetGlobal,
    SetLocal,
    Var,
)
from interpreters.scheme.expander import (
    SPECIALS, Expander, base, base_apply, expand_define, form_list, native_macro, special, temporary,
)  # fmt: skip
from interpreters.scheme.objects import NIL, UNSPECIFIED, Pair, String, intern, is_list, make_list, to_python_list
from interpreters.scheme.syntax import (
    Environment, GlobalCell, Scope, Special, identifier_text, is_identifier, lookup, strip, syntax_error,
)  # fmt: skip

for _name in ("else", "=>", "...", "_", "syntax-rules", "unquote", "unquote-splicing", "export"):
    SPECIALS[_name] = Special(_name, None)
SPECIALS["define"] = Special("define", expand_define)


def is_keyword(value: Any, scope: Any, name: str) -> bool:
    """Whether this is the built-in keyword; one that means nothing in the scope goes by its name."""
    if not is_identifier(value):
        return False
    binding = lookup(value, scope)
    if type(binding) is Special:
        return bool(binding.name == name)
    return binding is None and identifier_text(value) == name


@special("quote")
def _quote(expander: Expander, form: Any, scope: Any) -> Core:
    return Const(strip(expander.parts(form, 1, 1)[0]))


@special("if")
def _if(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 2, 3)
    test = expander.expand(parts[0], scope)
    then = expander.expand(parts[1], scope)
    return If(test, then, expander.expand(parts[2], scope) if len(parts) == 3 else Const(UNSPECIFIED))


@special("set!")
def _set(expander: Expander, form: Any, scope: Any) -> Core:
    name, value = expander.parts(form, 2, 2)
    expander.identifier(name, form)
    place = expander.place(form)
    expanded = expander.named(value, scope, name)
    binding = lookup(name, scope)
    if type(binding) is Var:
        binding.assigned = True
        return SetLocal(binding, expanded)
    if binding is None or type(binding) is GlobalCell:
        return SetGlobal(expander.toplevel(scope), name, expanded, defines=False, place=place)
    raise syntax_error("set!: a keyword is no variable", form)


@special("lambda")
def _lambda(expander: Expander, form: Any, scope: Any) -> Core:
    expander.parts(form, 2)
    return expander.function(form.cdr.car, form.cdr.cdr, form, scope)


@special("named-lambda")
def _named_lambda(expander: Expander, form: Any, scope: Any) -> Core:
    expander.parts(form, 2)
    target = form.cdr.car
    if type(target) is not Pair or not is_identifier(target.car):
        raise syntax_error("named-lambda: wrong form", form)
    return expander.function(target.cdr, form.cdr.cdr, form, scope, identifier_text(target.car))


@special("case-lambda")
def _case_lambda(expander: Expander, form: Any, scope: Any) -> Core:
    clauses = expander.parts(form, 0)
    if not all(type(clause) is Pair for clause in clauses):
        raise syntax_error("case-lambda: wrong clause", form)
    return CaseFunction([expander.function(clause.car, clause.cdr, form, scope) for clause in clauses])


@special("begin")
def _begin(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 0)
    if not parts:
        return Const(UNSPECIFIED)
    return core.sequence([expander.expand(part, scope) for part in parts])


def _bindings(expander: Expander, form: Any, bindings: Any) -> tuple[list[Any], list[Any]]:
    names, inits = [], []
    if not is_list(bindings):
        raise syntax_error("wrong bindings", form)
    for binding in to_python_list(bindings):
        if not is_list(binding) or binding is NIL:
            raise syntax_error("a binding is (variable value):", form, binding)
        items = to_python_list(binding)
        if len(items) != 2:
            raise syntax_error("a binding is (variable value):", form, binding)
        names.append(expander.identifier(items[0], form))
        inits.append(items[1])
    return names, inits


@special("let")
def _let(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 2)
    if not is_identifier(parts[0]):
        names, inits = _bindings(expander, form, parts[0])
        return expander.let(names, inits, form.cdr.cdr, form, scope)
    expander.parts(form, 3)
    names, inits = _bindings(expander, form, parts[1])
    place = expander.place(form)
    values = [expander.expand(init, scope) for init in inits]
    inner, (variable,) = expander.bind([parts[0]], form, scope)
    function = expander.function(make_list(names), form.cdr.cdr.cdr, form, inner, variable.name)
    return core.letrec([variable], [function], Apply(LocalRef(variable), values, place), star=False)


@special("let*")
def _let_star(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 2)
    names, inits = _bindings(expander, form, parts[0])
    levels = []
    for name, init in zip(names, inits, strict=True):
        value = expander.named(init, scope, name)
        scope, variables = expander.bind([name], form, scope)
        levels.append((variables, value))
    result = expander.body(form.cdr.cdr, form, scope)
    for variables, value in reversed(levels):
        result = Let(variables, [value], result)
    return result


def _letrec(expander: Expander, form: Any, scope: Any, star: bool) -> Core:
    parts = expander.parts(form, 2)
    names, inits = _bindings(expander, form, parts[0])
    inner, variables = expander.bind(names, form, scope)
    values = [expander.named(init, inner, name) for name, init in zip(names, inits, strict=True)]
    body = expander.body(form.cdr.cdr, form, inner)
    return core.letrec(variables, values, body, star) if variables else body


@special("letrec")
def _letrec_plain(expander: Expander, form: Any, scope: Any) -> Core:
    return _letrec(expander, form, scope, star=False)


@special("letrec*")
def _letrec_star(expander: Expander, form: Any, scope: Any) -> Core:
    return _letrec(expander, form, scope, star=True)


@special("and")
def _and(expander: Expander, form: Any, scope: Any) -> Core:
    parts = [expander.expand(part, scope) for part in expander.parts(form, 0)]
    result = parts[-1] if parts else Const(True)
    for part in reversed(parts[:-1]):
        result = If(part, result, Const(False))
    return result


def either(first: Core, second: Core) -> Core:
    """The first if it is true, else the second."""
    variable = Var("or")
    return Let([variable], [first], If(LocalRef(variable), LocalRef(variable), second))


@special("or")
def _or(expander: Expander, form: Any, scope: Any) -> Core:
    parts = [expander.expand(part, scope) for part in expander.parts(form, 0)]
    result = parts[-1] if parts else Const(False)
    for part in reversed(parts[:-1]):
        result = either(part, result)
    return result


@special("when")
def _when(expander: Expander, form: Any, scope: Any) -> Core:
    parts = [expander.expand(part, scope) for part in expander.parts(form, 2)]
    return If(parts[0], core.sequence(parts[1:]), Const(UNSPECIFIED))


@special("unless")
def _unless(expander: Expander, form: Any, scope: Any) -> Core:
    parts = [expander.expand(part, scope) for part in expander.parts(form, 2)]
    return If(parts[0], Const(UNSPECIFIED), core.sequence(parts[1:]))


@special("cond")
def _cond(expander: Expander, form: Any, scope: Any) -> Core:
    return cond_clauses(expander, expander.parts(form, 1), form, scope, Const(UNSPECIFIED))


def cond_clauses(expander: Expander, clauses: list[Any], form: Any, scope: Any, otherwise: Core) -> Core:
    """The clauses of a `cond` or `guard`, and what happens when none is taken."""
    result = otherwise
    last = len(clauses) - 1
    for number in range(last, -1, -1):
        clause = clauses[number]
        if not is_list(clause) or clause is NIL:
            raise syntax_error("a clause is (test expression ...):", form, clause)
        items = to_python_list(clause)
        if is_keyword(items[0], scope, "else"):
            if number != last or len(items) < 2:
                raise syntax_error("wrong else clause", form)
            result = core.sequence([expander.expand(item, scope) for item in items[1:]])
            continue
        test = expander.expand(items[0], scope)
        if len(items) == 1:
            result = either(test, result)
        elif is_keyword(items[1], scope, "=>"):
            if len(items) != 3:
                raise syntax_error("wrong => clause:", form, clause)
            variable = Var("test")
            receiver = expander.expand(items[2], scope)
            place = expander.place(clause)
            result = Let(
                [variable], [test], If(LocalRef(variable), Apply(receiver, [LocalRef(variable)], place), result)
            )
        else:
            result = If(test, core.sequence([expander.expand(item, scope) for item in items[1:]]), result)
    return result


@special("case")
def _case(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 2)
    key = Var("key")
    result: Core = Const(UNSPECIFIED)
    for number, clause in reversed(list(enumerate(parts[1:]))):
        if not is_list(clause) or clause is NIL or clause.cdr is NIL:
            raise syntax_error("case: a clause is ((datum ...) expression ...):", form, clause)
        items = to_python_list(clause)
        if is_keyword(items[1], scope, "=>") and len(items) == 3:
            action: Core = Apply(expander.expand(items[2], scope), [LocalRef(key)], expander.place(clause))
        else:
            action = core.sequence([expander.expand(item, scope) for item in items[1:]])
        if is_keyword(items[0], scope, "else"):
            if number != len(parts) - 2:
                raise syntax_error("case: else is not last", form)
            result = action
        else:
            if not is_list(items[0]):
                raise syntax_error("case: wrong data:", form, items[0])
            result = If(OneOf(LocalRef(key), to_python_list(strip(items[0]))), action, result)
    return Let([key], [expander.expand(parts[0], scope)], result)


@special("do")
def _do(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 2)
    place = expander.place(form)
    names, inits, steps = [], [], []
    for spec in to_python_list(parts[0]):
        items = to_python_list(spec)
        if len(items) not in (2, 3):
            raise syntax_error("do: a variable is (name init step):", form, spec)
        names.append(items[0])
        inits.append(expander.expand(items[1], scope))
        steps.append(items[2] if len(items) == 3 else items[0])
    inner, variables = expander.bind(names, form, scope)
    ending = to_python_list(parts[1])
    if not ending:
        raise syntax_error("do: the test is missing", form)
    loop = Var("do")
    test = expander.expand(ending[0], inner)
    result = [expander.expand(item, inner) for item in ending[1:]] or [Const(UNSPECIFIED)]
    commands = [expander.expand(item, inner) for item in parts[2:]]
    again = Apply(LocalRef(loop), [expander.expand(step, inner) for step in steps], place)
    body = If(test, core.sequence(result), core.sequence([*commands, again]))
    function = core.Function(variables, None, body, "do", place)
    return core.letrec([loop], [function], Apply(LocalRef(loop), inits, place), star=False)


# --- definitions


@special("define-syntax")
def _define_syntax(expander: Expander, form: Any, scope: Any) -> Core:
    if type(scope) is not Environment:
        raise syntax_error("a definition where an expression is expected", form)
    expander.define_syntax(form, scope)
    return Const(UNSPECIFIED)


def _let_syntax(expander: Expander, form: Any, scope: Any, recursive: bool) -> Core:
    parts = expander.parts(form, 2)
    inner = Scope(scope)
    names, rules = _bindings(expander, form, parts[0])
    for name, rule in zip(names, rules, strict=True):
        inner.names[name] = expander.transformer(rule, inner if recursive else scope, identifier_text(name))
    return expander.body(form.cdr.cdr, form, inner)


@special("let-syntax")
def _let_syntax_plain(expander: Expander, form: Any, scope: Any) -> Core:
    return _let_syntax(expander, form, scope, recursive=False)


@special("letrec-syntax")
def _letrec_syntax(expander: Expander, form: Any, scope: Any) -> Core:
    return _let_syntax(expander, form, scope, recursive=True)


@special("syntax-error")
def _syntax_error(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 1)
    message = parts[0].text if type(parts[0]) is String else "syntax error"
    error = syntax_error(message, NIL)
    error.payload.irritants = [strip(part) for part in parts[1:]]
    raise error


def _formal_names(formals: Any) -> list[Any]:
    names = []
    rest = formals
    while type(rest) is Pair:
        names.append(rest.car)
        rest = rest.cdr
    if rest is not NIL:
        names.append(rest)
    if not all(is_identifier(name) for name in names):
        raise syntax_error("expected identifiers:", formals)
    return names


def _renamed(formals: Any, renames: dict[Any, Any]) -> Any:
    if type(formals) is Pair:
        return Pair(renames[formals.car], _renamed(formals.cdr, renames))
    return renames[formals] if formals is not NIL else NIL


@native_macro("define-values")
def _define_values(expander: Expander, form: Any, scope: Any) -> Any:
    formals, expression = expander.parts(form, 2, 2)
    names = _formal_names(formals)
    if not names:
        return form_list(base("define"), temporary("none"), form_list(
            base("call-with-values"), form_list(base("lambda"), NIL, expression),
            form_list(base("lambda"), NIL, UNSPECIFIED)))  # fmt: skip
    renames = {name: temporary(identifier_text(name)) for name in names}
    definitions = [form_list(base("define"), name, UNSPECIFIED) for name in names[:-1]]
    sets = [form_list(base("set!"), name, renames[name]) for name in names[:-1]]
    receiver = make_list([base("lambda"), _renamed(formals, renames), *sets, renames[names[-1]]])
    last = form_list(base("define"), names[-1], form_list(
        base("call-with-values"), form_list(base("lambda"), NIL, expression), receiver))  # fmt: skip
    return make_list([base("begin"), *definitions, last])


@special("let-values")
def _let_values(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 2)
    all_names: list[Any] = []
    levels = []
    for binding in to_python_list(parts[0]):
        formals, init = to_python_list(binding)
        names = _formal_names(formals)
        variables = [Var(identifier_text(name)) for name in names]
        all_names.extend(zip(names, variables, strict=True))
        levels.append((formals, variables, expander.expand(init, scope)))
    inner = Scope(scope)
    for name, variable in all_names:
        expander.identifier(name, form)
        inner.names[name] = variable
    result = expander.body(form.cdr.cdr, form, inner)
    for formals, variables, init in reversed(levels):
        result = _receive(formals, variables, init, result, expander.current)
    return result


def _receive(formals: Any, variables: list[Var], init: Core, body: Core, place: Any) -> Core:
    has_rest = not is_list(formals)
    receiver = core.Function(
        variables[:-1] if has_rest else variables, variables[-1] if has_rest else None, body, "", place
    )
    producer = core.Function([], None, init, "", place)
    return base_apply("call-with-values", producer, receiver)


@special("let*-values")
def _let_star_values(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 2)
    levels = []
    for binding in to_python_list(parts[0]):
        formals, init = to_python_list(binding)
        value = expander.expand(init, scope)
        scope, variables = expander.bind(_formal_names(formals), form, scope)
        levels.append((formals, variables, value))
    result = expander.body(form.cdr.cdr, form, scope)
    for formals, variables, value in reversed(levels):
        result = _receive(formals, variables, value, result, expander.current)
    return result


@special("receive")
def _receive_form(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 3)
    value = expander.expand(parts[1], scope)
    inner, variables = expander.bind(_formal_names(parts[0]), form, scope)
    body = expander.body(form.cdr.cdr.cdr, form, inner)
    return _receive(parts[0], variables, value, body, expander.current)


@native_macro("define-record-type")
def _define_record_type(expander: Expander, form: Any, scope: Any) -> Any:
    parts = expander.parts(form, 2)
    name, constructor = parts[0], parts[1]
    predicate = parts[2] if len(parts) > 2 else False
    if type(name) is Pair:
        name = name.car
    expander.identifier(name, form)
    fields: list[Any] = []
    specs = []
    for spec in parts[3:]:
        items = [spec] if is_identifier(spec) else to_python_list(spec)
        fields.append(expander.identifier(items[0], form))
        specs.append(items)
    type_name = identifier_text(name)
    if type_name.startswith("<") and type_name.endswith(">"):
        type_name = type_name[1:-1]
    quoted = make_list([base("quote"), make_list([intern(identifier_text(field)) for field in fields])])
    definitions = [form_list(base("define"), name, form_list(base("%make-record-type"), String(type_name), quoted))]

    def define(target: Any, primitive: str, *args: Any) -> None:
        definitions.append(form_list(base("define"), target, make_list([
            base(primitive), name, form_list(base("quote"), intern(identifier_text(target))), *args])))  # fmt: skip

    if constructor is True:
        constructor = temporary(f"make-{type_name}")
    if is_identifier(constructor):
        constructor = Pair(constructor, make_list(fields))
    if type(constructor) is Pair:
        order = []
        for field in to_python_list(constructor.cdr):
            if field not in fields:
                raise syntax_error("define-record-type: no such field:", form, field)
            order.append(fields.index(field))
        define(constructor.car, "%record-constructor", form_list(base("quote"), make_list(order)))
    if is_identifier(predicate):
        define(predicate, "%record-predicate")
    for index, items in enumerate(specs):
        if len(items) > 1:
            define(items[1], "%record-accessor", index)
        if len(items) > 2:
            define(items[2], "%record-modifier", index)
    return make_list([base("begin"), *definitions])


# --- promises, parameters, exceptions


@special("delay")
def _delay(expander: Expander, form: Any, scope: Any) -> Core:
    thunk = expander.function(NIL, make_list(expander.parts(form, 1, 1)), form, scope)
    return base_apply("%delay", thunk)


@special("delay-force")
def _delay_force(expander: Expander, form: Any, scope: Any) -> Core:
    thunk = expander.function(NIL, make_list(expander.parts(form, 1, 1)), form, scope)
    return base_apply("%delay-force", thunk)


@native_macro("cons-stream")
def _cons_stream(expander: Expander, form: Any, scope: Any) -> Any:
    first, rest = expander.parts(form, 2, 2)
    return form_list(base("cons"), first, form_list(base("delay"), rest))


@special("parameterize")
def _parameterize(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 2)
    args: list[Core] = []
    for binding in to_python_list(parts[0]):
        items = to_python_list(binding)
        if len(items) != 2:
            raise syntax_error("parameterize: a binding is (parameter value):", form, binding)
        args.extend(expander.expand(item, scope) for item in items)
    body = expander.function(NIL, form.cdr.cdr, form, scope)
    return base_apply("%parameterize", body, *args)


@special("guard")
def _guard(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 2)
    if type(parts[0]) is not Pair or not is_list(parts[0]):
        raise syntax_error("guard: wrong form", form)
    place = expander.place(form)
    inner, (variable,) = expander.bind([parts[0].car], form, scope)
    reraise = Var("reraise")
    clauses = cond_clauses(
        expander, to_python_list(parts[0].cdr), form, inner, Apply(LocalRef(reraise), [], expander.current)
    )
    handler = core.Function([variable, reraise], None, clauses, "guard", place)
    body = expander.function(NIL, form.cdr.cdr, form, scope)
    return base_apply("%guard", body, handler)


@special("assert")
def _assert(expander: Expander, form: Any, scope: Any) -> Core:
    parts = expander.parts(form, 1)
    place = expander.place(form)
    values = [expander.expand(part, scope) for part in parts]
    cell_call = base_apply("%assertion-failed", Const(strip(parts[0])), *values[1:])
    assert isinstance(cell_call, Apply)
    cell_call.place = place
    return If(values[0], Const(UNSPECIFIED), cell_call)


@special("quasiquote")
def _quasiquote(expander: Expander, form: Any, scope: Any) -> Core:
    return _quasi(expander, expander.parts(form, 1, 1)[0], 1, scope)


_QUASI_DEPTH = {"unquote": -1, "unquote-splicing": -1, "quasiquote": 1}


def _tagged(expander: Expander, template: Any, scope: Any, name: str) -> bool:
    return (
        type(template) is Pair
        and type(template.cdr) is Pair
        and template.cdr.cdr is NIL
        and is_keyword(template.car, scope, name)
    )


def _quasi(expander: Expander, template: Any, depth: int, scope: Any) -> Core:
    if type(template) is list:
        return base_apply("list->vector", _quasi(expander, make_list(template), depth, scope))
    if type(template) is not Pair:
        return Const(strip(template))
    for name, change in _QUASI_DEPTH.items():
        if _tagged(expander, template, scope, name):
            if depth + change > 0:  # what stands there is a list: inner levels may splice into it
                return _cons(Const(intern(name)), _quasi(expander, template.cdr, depth + change, scope))
            if name == "unquote":
                return expander.expand(template.cdr.car, scope)
    first = template.car
    rest = _quasi(expander, template.cdr, depth, scope)
    if depth == 1 and _tagged(expander, first, scope, "unquote-splicing"):
        spliced = expander.expand(first.cdr.car, scope)
        if isinstance(rest, Const) and rest.value is NIL:
            return spliced
        return base_apply("append", spliced, rest)
    return _cons(_quasi(expander, first, depth, scope), rest)


def _cons(head: Core, rest: Core) -> Core:
    if isinstance(head, Const) and isinstance(rest, Const):
        return Const(Pair(head.value, rest.value))
    return base_apply("cons", head, rest)


@special("the-environment")
def _the_environment(expander: Expander, form: Any, scope: Any) -> Core:
    return Const(expander.toplevel(scope))
