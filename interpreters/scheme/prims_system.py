"""Hash tables, error objects, environments and `eval`, time and process."""

from __future__ import annotations

import os
import sys
import time
from fractions import Fraction
from typing import Any

from interpreters.scheme.control import control, give, rewind
from interpreters.scheme.calls import State
from interpreters.scheme.expander import Expander
from interpreters.scheme.generate import generate_top
from interpreters.scheme.machine import TOP_LEVEL
from interpreters.scheme.nodes import Node, failed
from interpreters.scheme.objects import (
    NIL, UNSPECIFIED, Char, Condition, ExitRequest, Pair, Parameter, Primitive, String, Symbol, error, intern,
    make_list, wrong_type,
)  # fmt: skip
from interpreters.scheme.ports import check_allowed
from interpreters.scheme.primitives import PRIMITIVES, opaque, primitive
from interpreters.scheme.syntax import Environment
from metatracer import dont_look_inside

# --- hash tables


class HashTable:
    """Keys are turned into what Python hashes as Scheme compares; entries are [key, value].

    Attributes:
        kind: "equal", "eqv", "string" or "string-ci".
    """

    scheme_name = "hash-table"
    _immutable_fields_ = ["kind"]
    __slots__ = ("entries", "kind")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.entries: dict[Any, list[Any]] = {}


def _atom_key(value: Any) -> Any:
    kind = type(value)
    return value if kind is int or kind is Symbol or kind is Char else _other_key(value)


@dont_look_inside
def _other_key(value: Any) -> Any:
    kind = type(value)
    if kind is bool:
        return ("b", value)
    if kind is float:
        return ("f", value.hex())
    if kind is Fraction or kind is complex:
        return ("n", repr(value))
    return ("i", id(value))


def _equal_key(value: Any) -> Any:
    kind = type(value)
    if kind is String:
        return ("s", value.text)
    if kind is bytearray:
        return ("u", bytes(value))
    if kind is not Pair and kind is not list:
        return _atom_key(value)
    return _compound_key(value)


@dont_look_inside
def _compound_key(value: Any) -> Any:
    parts: list[Any] = []
    work = [value]
    while work:
        item = work.pop()
        if type(item) is Pair:
            parts.append("(")
            work.append(item.cdr)
            work.append(item.car)
        elif type(item) is list:
            parts.append(("v", len(item)))
            work.extend(reversed(item))
        else:
            parts.append(_equal_key(item))
        if len(parts) > 1_000_000:
            raise error("hash-table", "the key is too large")
    return tuple(parts)


def key_of(table: HashTable, key: Any) -> Any:
    kind = table.kind
    if kind == "eqv":
        return _atom_key(key)
    if kind == "equal":
        return _equal_key(key)
    if type(key) is not String:
        raise wrong_type("hash-table", "a string", key)
    return key.text if kind == "string" else key.text.casefold()


def table_of(who: str, value: Any) -> HashTable:
    if type(value) is not HashTable:
        raise wrong_type(who, "a hash table", value)
    return value


_KINDS = {
    "eq?": "eqv", "eqv?": "eqv", "=": "eqv", "char=?": "eqv", "equal?": "equal", "string=?": "string",
    "string-ci=?": "string-ci", "symbol=?": "eqv",
}  # fmt: skip


@opaque("make-hash-table", "make-equal-hash-table", "make-hashtable")
def make_hash_table(test: Any = None, *options: Any) -> Any:
    if test is None or type(test) is int:
        return HashTable("equal")
    if type(test) is not Primitive or test.name not in _KINDS:
        raise error("make-hash-table", "this equivalence is not supported:", test)
    return HashTable(_KINDS[test.name])


@opaque("make-strong-eqv-hash-table", "make-eqv-hash-table", "make-eq-hash-table", "make-strong-eq-hash-table",
        "make-eq-hashtable", "make-eqv-hashtable")  # fmt: skip
def make_eqv_hash_table(*options: Any) -> Any:
    return HashTable("eqv")


@opaque("make-string-hash-table")
def make_string_hash_table(*options: Any) -> Any:
    return HashTable("string")


@primitive("hash-table?")
def is_hash_table(value: Any) -> Any:
    return type(value) is HashTable


@primitive("%hash-table-entry")
def hash_table_entry(table: Any, key: Any) -> Any:
    """A pair with the value, or #f."""
    entry = table_of("hash-table-ref", table).entries.get(key_of(table, key))
    return False if entry is None else Pair(entry[1], NIL)


@primitive("hash-table-ref/default", "hashtable-ref")
def hash_table_ref_default(table: Any, key: Any, default: Any) -> Any:
    entry = table_of("hash-table-ref/default", table).entries.get(key_of(table, key))
    return default if entry is None else entry[1]


@primitive("hash-table-set!", "hashtable-set!")
def hash_table_set(table: Any, key: Any, value: Any) -> Any:
    entries = table_of("hash-table-set!", table).entries
    found = key_of(table, key)
    entry = entries.get(found)
    if entry is None:
        entries[found] = [key, value]
    else:
        entry[0] = key
        entry[1] = value
    return UNSPECIFIED


@primitive("hash-table-delete!", "hashtable-delete!")
def hash_table_delete(table: Any, key: Any) -> Any:
    table_of("hash-table-delete!", table).entries.pop(key_of(table, key), None)
    return UNSPECIFIED


@primitive("hash-table-exists?", "hash-table-contains?", "hashtable-contains?")
def hash_table_exists(table: Any, key: Any) -> Any:
    return key_of(table_of("hash-table-exists?", table), key) in table.entries


@primitive("hash-table-size", "hash-table-count", "hash-table/count", "hashtable-size")
def hash_table_size(table: Any) -> Any:
    return len(table_of("hash-table-size", table).entries)


_FUNCTIONS = {
    "eqv": ("eqv?", "hash-by-identity"), "equal": ("equal?", "hash"), "string": ("string=?", "string-hash"),
    "string-ci": ("string-ci=?", "string-ci-hash"),
}  # fmt: skip
"""By a table's kind: what it takes for equal, and a hash function that fits."""


@opaque("hash-table-equivalence-function")
def hash_table_equivalence(table: Any) -> Any:
    return PRIMITIVES[_FUNCTIONS[table_of("hash-table-equivalence-function", table).kind][0]]


@opaque("hash-table-hash-function")
def hash_table_hash(table: Any) -> Any:
    return PRIMITIVES[_FUNCTIONS[table_of("hash-table-hash-function", table).kind][1]]


@opaque("hash-table-keys", "hash-table/key-list")
def hash_table_keys(table: Any) -> Any:
    return make_list([entry[0] for entry in table_of("hash-table-keys", table).entries.values()])


@opaque("hash-table-values", "hash-table/datum-list")
def hash_table_values(table: Any) -> Any:
    return make_list([entry[1] for entry in table_of("hash-table-values", table).entries.values()])


@opaque("hash-table->alist")
def hash_table_alist(table: Any) -> Any:
    return make_list([Pair(*entry) for entry in table_of("hash-table->alist", table).entries.values()])


@opaque("hash-table-copy")
def hash_table_copy(table: Any, mutable: Any = True) -> Any:
    copy = HashTable(table_of("hash-table-copy", table).kind)
    copy.entries = {key: list(entry) for key, entry in table.entries.items()}
    return copy


@opaque("hash-table-clear!")
def hash_table_clear(table: Any) -> Any:
    table_of("hash-table-clear!", table).entries.clear()
    return UNSPECIFIED


@opaque("hash-table-merge!")
def hash_table_merge(table: Any, other: Any) -> Any:
    for key, value in table_of("hash-table-merge!", other).entries.values():
        hash_table_set(table, key, value)
    return table


def _bounded(number: int, bound: Any) -> int:
    return number % bound if type(bound) is int else number


@opaque("hash", "equal-hash")
def equal_hash(value: Any, bound: Any = None) -> Any:
    return _bounded(hash(_equal_key(value)) & 0x3FFFFFFF, bound)


@opaque("string-hash")
def string_hash(value: Any, bound: Any = None) -> Any:
    return _bounded(hash(value.text) & 0x3FFFFFFF, bound)


@opaque("string-ci-hash")
def string_ci_hash(value: Any, bound: Any = None) -> Any:
    return _bounded(hash(value.text.casefold()) & 0x3FFFFFFF, bound)


@opaque("hash-by-identity", "eq-hash", "eqv-hash")
def identity_hash(value: Any, bound: Any = None) -> Any:
    return _bounded(hash(_atom_key(value)) & 0x3FFFFFFF, bound)


# --- error objects


@primitive("error-object?", "condition?", "error?")
def is_error_object(value: Any) -> Any:
    return type(value) is Condition


@primitive("error-object-message", "condition/report-string-message")
def error_object_message(value: Any) -> Any:
    if type(value) is not Condition:
        raise wrong_type("error-object-message", "an error object", value)
    if value.who and type(value.message) is String:
        return String(f"{value.who}: {value.message.text}")
    return value.message


@primitive("error-object-irritants")
def error_object_irritants(value: Any) -> Any:
    if type(value) is not Condition:
        raise wrong_type("error-object-irritants", "an error object", value)
    return make_list(value.irritants)


@opaque("condition/report-string", "error-message-string")
def report_string(value: Any) -> Any:
    from interpreters.scheme.printer import error_text

    return String(error_text(value))


@primitive("read-error?")
def is_read_error(value: Any) -> Any:
    return type(value) is Condition and value.kind == "read"


@primitive("file-error?")
def is_file_error(value: Any) -> Any:
    return type(value) is Condition and value.kind == "file"


# --- environments and eval

INTERACTION: list[Environment] = []
"""The environment of the program that runs."""


@opaque("interaction-environment", "system-global-environment")
def interaction_environment() -> Any:
    return INTERACTION[0]


@opaque("environment", "%environment")
def environment(*sets: Any) -> Any:
    from interpreters.scheme.library import import_set

    env = Environment("environment", mutable=False)
    for item in sets:
        env.names.update(import_set(item, None))
    return env


@opaque("scheme-report-environment", "null-environment")
def report_environment(version: Any = 5) -> Any:
    return environment(make_list([intern("scheme"), intern("r5rs")]))


@control("eval", 1, 2)
def _eval(args: Any, cont: Any) -> State:
    env = args[1] if len(args) > 1 else INTERACTION[0]
    if type(env) is not Environment:
        raise wrong_type("eval", "an environment", env)
    return generate_top(Expander("eval").expand_top(args[0], env)), (), cont


class _LoadPoint(Node):
    """The form before has been evaluated: go on with the next one of a file."""

    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        program, environment_ = cont[3]
        core = program.next_form(environment_)
        if core is None:
            return give(UNSPECIFIED, cont[2])
        return generate_top(core), (), cont


_LOAD = _LoadPoint()


@control("load", 1, 2)
def _load(args: Any, cont: Any) -> State:
    from interpreters.scheme.files import Program, text_of

    if type(args[0]) is not String:
        raise wrong_type("load", "a file's name", args[0])
    check_allowed("load", args[0])
    try:
        program = Program(text_of(args[0].text), args[0].text)
    except OSError as failure:
        raise failed(failure, "load", args[:1], None) from None
    env = args[1] if len(args) > 1 else INTERACTION[0]
    return give(UNSPECIFIED, (_LOAD, (), cont, (program, env)))


# --- time and process


class _ExitPoint(Node):
    __slots__ = ()

    def step(self, env: Any, cont: Any) -> State:
        raise ExitRequest(exit_status(env))


_EXIT = _ExitPoint()


def exit_status(value: Any) -> int:
    if type(value) is int:
        return value & 0xFF
    return 1 if value is False else 0


@control("exit", 0, 1)
def _exit(args: Any, cont: Any) -> State:
    return rewind(TOP_LEVEL, args[0] if args else True, (_EXIT, (), cont))


@opaque("emergency-exit")
def emergency_exit(value: Any = True) -> Any:
    raise ExitRequest(exit_status(value))


_COMMAND_LINE: list[Any] = []
"""A cell with the list of strings."""


def set_command_line(words: list[str]) -> None:
    """What `command-line` is to give."""
    _COMMAND_LINE[:] = [make_list([String(word) for word in words])]


set_command_line(["scheme"])


@primitive("command-line")
def command_line() -> Any:
    return _COMMAND_LINE[0]


@opaque("get-environment-variable")
def get_environment_variable(name: Any) -> Any:
    check_allowed("get-environment-variable", name)
    value = os.environ.get(name.text)
    return False if value is None else String(value)


@opaque("get-environment-variables")
def get_environment_variables() -> Any:
    check_allowed("get-environment-variables")
    return make_list([Pair(String(name), String(value)) for name, value in os.environ.items()])


@opaque("current-second")
def current_second() -> Any:
    return time.time()


@opaque("current-jiffy")
def current_jiffy() -> Any:
    return time.perf_counter_ns()


@opaque("jiffies-per-second")
def jiffies_per_second() -> Any:
    return 1_000_000_000


@opaque("runtime", "real-time")
def runtime() -> Any:
    return time.perf_counter()


@opaque("features")
def features() -> Any:
    from interpreters.scheme.library import FEATURES

    return make_list([intern(name) for name in FEATURES])


@opaque("make-unsettable-parameter", "make-settable-parameter")
def make_simple_parameter(value: Any) -> Any:
    return Parameter(value, None)


@opaque("gc")
def collect_garbage() -> Any:
    import gc

    gc.collect()
    return UNSPECIFIED


@opaque("implementation-version")
def implementation_version() -> Any:
    return String(f"Python {sys.version.split()[0]}")
