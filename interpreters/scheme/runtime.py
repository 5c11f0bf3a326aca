"""Scheme from Python."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interpreters.scheme import (  # noqa: F401
    forms, library, prims_data, prims_io, prims_lists, prims_numbers, prims_strings, prims_system,
)  # fmt: skip
from interpreters.scheme.calls import is_procedure
from interpreters.scheme.control import CONTROL
from interpreters.scheme.core import Core, Place, Seq
from interpreters.scheme.expander import BASE, SPECIALS, Expander
from interpreters.scheme.files import Program
from interpreters.scheme.generate import BUILT_IN, generate_top
from interpreters.scheme.machine import call, execute
from interpreters.scheme.objects import (
    EOF, NIL, UNSPECIFIED, Char, Closure, Condition, ExitRequest, Pair, Primitive, RecordType, SchemeError, String, Symbol,
    Values, error, intern, make_list, to_python_list,
)  # fmt: skip
from interpreters.scheme.nodes import Node, SetGlobal
from interpreters.scheme.prims_io import PORT_PARAMETERS
from interpreters.scheme.primitives import PRIMITIVES
from interpreters.scheme.printer import to_text
from interpreters.scheme.reader import Reader
from interpreters.scheme.syntax import UNBOUND, Environment, GlobalCell
from metatracer import dont_look_inside

_DEFINITION = re.compile(r"^\(define \(?([^\s()]+)", re.MULTILINE)


def _load_prelude() -> None:
    path = Path(__file__).parent / "prelude.scm"
    text = path.read_text(encoding="utf-8")
    starts = [(match.start(), match[1]) for match in _DEFINITION.finditer(text)]
    for number, (start, name) in enumerate(starts):
        end = starts[number + 1][0] if number + 1 < len(starts) else len(text)
        cell = GlobalCell(name, BASE)
        cell.autoload = _Autoload(cell, text, start, end)
        BASE.names[intern(name)] = cell


class _Autoload:
    """Defines a procedure of the prelude when it is first needed."""

    def __init__(self, cell: GlobalCell, text: str, start: int, end: int) -> None:
        self.cell = cell
        self.text = text
        self.start = start
        self.end = end

    def __call__(self) -> None:
        self.cell.autoload = None
        form = Reader(self.text[self.start : self.end], "prelude").read()
        BASE.mutable = True
        try:
            node: Any = generate_top(Expander("prelude").expand_top(form, BASE))
            node.eval(())
        finally:
            BASE.mutable = False


def _initialize() -> None:
    for name, special in SPECIALS.items():
        BASE.bind(name, special)
    tables: tuple[dict[str, Any], ...] = (PRIMITIVES, CONTROL, PORT_PARAMETERS)
    for table in tables:
        for name, value in table.items():
            BASE.bind(name, GlobalCell(name, BASE, value))
    BUILT_IN.update(PRIMITIVES)
    _load_prelude()
    BASE.mutable = False
    library.register_builtin_libraries()


_initialize()


def from_python(value: Any) -> Any:
    """A Python value as a Scheme value: str, bytes, list, None, numbers and callables are converted, a tuple is a vector."""
    kind = type(value)
    if kind is Procedure:
        return value.value
    if isinstance(value, str):
        return String(str.__str__(value))
    if kind is list:
        return make_list([from_python(item) for item in value])
    if isinstance(value, tuple):
        return [from_python(item) for item in value]
    if kind is bytes:
        return bytearray(value)
    if callable(value):
        return procedure_of(value)
    # Scheme knows no subclasses.
    if isinstance(value, int):
        return value if kind is int or kind is bool else int.__int__(value)
    if isinstance(value, float):
        return value if kind is float else float.__float__(value)
    if isinstance(value, list):
        return make_list([from_python(item) for item in value])
    if isinstance(value, bytes):
        return bytearray(value)
    return UNSPECIFIED if value is None else value


def to_python(value: Any) -> Any:
    """A Scheme value as a Python value: strings, proper lists and vectors are converted, procedures can be called,
    symbols and characters become str, what is unspecified None; the rest stays."""
    kind = type(value)
    if kind is String:
        return value.text
    if kind is Symbol:
        return value.name
    if kind is Char:
        return value.value
    if value is NIL:
        return []
    if kind is list:
        return [to_python(item) for item in value]
    if kind is Values:
        return tuple([to_python(item) for item in value.items])
    if value is UNSPECIFIED or value is EOF:
        return None
    if kind is Pair:
        try:
            return [to_python(item) for item in to_python_list(value)]
        except SchemeError:
            return value
    if is_procedure(value):
        python = getattr(value.function, "_scheme_wraps_", None) if kind is Primitive else None
        return Procedure(value) if python is None else python
    return value


class Procedure:
    """A Scheme procedure: it can be called, with arguments and result converted. Two of the same are equal.

    Attributes:
        environment: What `interaction-environment` gives while it runs: that of the runtime that it was made in.
    """

    __slots__ = ("environment", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.environment = prims_system.INTERACTION[0]

    def __call__(self, *args: Any) -> Any:
        with interacting(self.environment):
            return to_python(outward(call, self.value, [from_python(arg) for arg in args]))

    def __eq__(self, other: object) -> bool:
        return type(other) is Procedure and other.value is self.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return to_text(self.value)


def procedure_of(function: Callable[..., Any], name: str = "") -> Primitive:
    """A Python callable as a Scheme procedure. Traces call it: what it does is Python's business, with all its frames."""
    name = name or getattr(function, "__name__", "") or type(function).__name__

    @dont_look_inside
    def primitive(*args: Any) -> Any:
        try:
            return from_python(function(*[to_python(arg) for arg in args]))
        except (SchemeError, ExitRequest):
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, the guest may handle it
            failure = SchemeError(condition_of(error, name))
        raise failure

    vars(primitive)["_scheme_wraps_"] = function
    return Primitive(name, primitive, 0, -1)


def condition_of(error: Exception, name: str) -> Condition:
    """What the guest is told of an exception."""
    kind = "file" if isinstance(error, OSError) else "error"
    condition = Condition(String(f"{type(error).__name__}: {error}"), [], kind, name)
    condition.exception = error
    return condition


@contextmanager
def interacting(environment: Environment) -> Iterator[None]:
    """Let an environment be the one that `interaction-environment` gives."""
    before = prims_system.INTERACTION[0]
    prims_system.INTERACTION[0] = environment
    try:
        yield
    finally:
        prims_system.INTERACTION[0] = before


def outward(function: Callable[..., Any], *args: Any) -> Any:
    """Run something of the guest's for Python, which gets to see an exception of its own as it was."""
    try:
        return function(*args)
    except SchemeError as error:
        exception = error.payload.exception if type(error.payload) is Condition else None
        if exception is None:
            raise
    raise exception  # here, where no exception is being handled that would become its context


def symbol(name: str) -> Symbol:
    """The symbol of this name, for Scheme."""
    return intern(name)


_KEPT = frozenset((Closure, Primitive, RecordType))


def forms_of(form: Core) -> list[Core]:
    """The forms of a `begin` at the top level, one by one."""
    found = []
    while isinstance(form, Seq):
        found.append(form.first)
        form = form.rest
    return [*found, form]


class Runtime:
    """A Scheme system: an environment, and programs that run in it.

    >>> runtime = Runtime()
    >>> runtime.eval("(map square '(1 2 3))")
    [1, 4, 9]
    """

    def __init__(self) -> None:
        if sys.getrecursionlimit() < 8000:  # the expander recurses over nested expressions
            sys.setrecursionlimit(8000)
        self.environment = Environment("user")
        self.environment.names.update(BASE.names)
        if prims_system.INTERACTION:
            prims_system.INTERACTION[0] = self.environment
        else:
            prims_system.INTERACTION.append(self.environment)

    def eval(self, text: str) -> Any:
        """Evaluate all forms of a text; gives the last one's value as `to_python` makes it."""
        with interacting(self.environment):
            return to_python(outward(self.evaluate, text))

    def evaluate(self, text: str, name: str = "eval") -> Any:
        """Evaluate all forms of a text; gives the last one's Scheme value."""
        program = Program(text, name)
        value: Any = UNSPECIFIED
        while True:
            core = program.next_form(self.environment)
            if core is None:
                return value
            value = execute(generate_top(core), program.place)

    def run_program(self, text: str, name: str) -> Any:
        """Run a program: one that begins with an `import` sees only what it imports."""
        return self.load_program(text, name)()

    def load_program(self, text: str, name: str) -> Callable[[], Any]:
        """Read a program; the function that is returned runs it, and may be called more than once.

        Later runs leave procedures and record types as the first one defined them: a procedure that was defined again
        would be another one, and have to be compiled again.
        """
        program = Program(text, name)
        env = self.program_environment(program.peek())
        prims_system.INTERACTION[0] = env
        nodes: list[tuple[Node, Place | None]] = []

        def run() -> Any:
            value: Any = UNSPECIFIED
            for node, place in nodes:
                if not (isinstance(node, SetGlobal) and node.defines and type(node.cell.value) in _KEPT):
                    value = execute(node, place)
            while True:
                form = program.next_form(env)
                if form is None:
                    return value
                for core in forms_of(form):
                    node = generate_top(core)
                    nodes.append((node, program.place))
                    value = execute(node, program.place)

        return run

    def program_environment(self, first: Any) -> Environment:
        if type(first) is Pair and first.car in (intern("import"), intern("define-library")):
            env = Environment("program")
            library.bind_library_forms(env)
            return env
        return self.environment

    def define(self, name: str, value: Any) -> None:
        """Define a variable. A Python callable becomes a procedure; arguments and results are converted."""
        made = from_python(value)
        if type(made) is Primitive and made.name != name and to_python(made) is value:
            made = procedure_of(value, name)
        self.environment.define(intern(name)).assign(made, defines=True)

    def call(self, procedure: Any, *args: Any) -> Any:
        """Call a Scheme procedure, or the value of the variable of this name; arguments and result are converted."""
        with interacting(self.environment):
            return Procedure(self.lookup(procedure) if isinstance(procedure, str) else from_python(procedure))(*args)

    def lookup(self, name: str) -> Any:
        """A variable's Scheme value."""
        cell = self.environment.names.get(intern(name))
        if type(cell) is GlobalCell and cell.autoload is not None:
            cell.autoload()
        if type(cell) is not GlobalCell or cell.value is UNBOUND:
            raise error("", f"unbound variable: {name}")
        return cell.value


__all__ = ["Procedure", "Runtime", "from_python", "symbol", "to_python"]
