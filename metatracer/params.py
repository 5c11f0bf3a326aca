"""Parameters: one table, the values of each driver, and the ways to set them.

A driver's values are read as plain attributes, `driver.params.threshold`, because the runtime reads them often. Setting
is rare and does the work: a change of a default goes to every driver, and whoever keeps something derived from a
value (a counter's period) is told through `Parameters.watch`.

The environment variable METATRACER is read once, when this module is imported: "off", "on", or "name=value,...".
This module imports nothing of the package but its errors.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from metatracer.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Value = bool | int | float | str
ENVIRONMENT_VARIABLE = "METATRACER"


class Parameter(NamedTuple):
    """One row of the table.

    Attributes:
        name: As the user writes it.
        default: Its type is the parameter's type: bool, int, float, or str for one of several `choices`.
        unit: What is counted; "" for switches and choices.
        low, high: The allowed range, both ends included; 0 and 1 for switches and choices.
        doc: One line.
        choices: The words that are allowed.
    """

    name: str
    default: Value
    unit: str
    low: float
    high: float
    doc: str
    choices: tuple[str, ...] = ()

    @property
    def type_name(self) -> str:
        if self.choices:
            return "one of " + ", ".join(self.choices)
        return {bool: "on or off", int: "a whole number", float: "a number"}[type(self.default)]


_MANY = 10**9
REPLACEMENT_MODES = ("off", "pgo", "co", "full", "auto")

TABLE: tuple[Parameter, ...] = (
    Parameter("enable", True, "", 0, 1, "record and run machine code; off: everything goes on in the interpreter"),
    Parameter("threshold", 0, "back-edges", 0, _MANY, "visits of one guest loop before it is recorded; 0: when it pays"),
    Parameter("function_threshold", 0, "entries", 0, _MANY, "of a portal at one place before it is recorded; 0: when it pays"),
    Parameter("trace_eagerness", 0, "guard failures", 0, _MANY, "of one guard before a bridge is recorded; 0: when it pays"),
    Parameter("payback", 0.3, "times", 0, 1000, "the cost of compiling that a place has to have taken before compiling pays"),
    Parameter(
        "tail_limit", 100, "operations", 0, 1_000_000,
        "that traces repeat behind one merge point: two so long copies, or as much in shorter ones",
    ),
    Parameter("trace_limit", 6000, "operations", 10, 1_000_000, "recorded operations after which a recording aborts"),
    Parameter("inlining", True, "", 0, 1, "trace into the interpreter's own functions; off: they are called"),
    Parameter("max_inline_depth", 30, "frames", 1, 500, "inlined frames above the portal before a callee is called"),
    Parameter("max_unroll_loops", 16, "iterations", 1, 10_000, "iterations of a helper's loop that one trace holds"),
    Parameter(
        "helper_loops", True, "", 0, 1, "a helper's longer loop, and its recursion, get traces of their own; off: it is called"
    ),
    Parameter("max_unroll_recursion", 1, "calls", 1, 100, "times one guest function is inlined in itself"),
    Parameter("promotion_limit", 8, "values", 0, _MANY, "promoted at one place before the value stays a variable"),
    Parameter("tree_limit", 64, "bridges", 1, _MANY, "of one loop before it is recorded again with fewer branches"),
    Parameter("bridge_limit", 200, "bridges", 0, 100_000, "bridges attached to one loop; 0: none are recorded"),
    Parameter("backoff_factor", 2.0, "times", 1, 1000, "growth of the wait for the next attempt after an abort"),
    Parameter("backoff_limit", 64.0, "times", 1, 1_000_000, "largest wait after aborts, in first waits"),
    Parameter("force_exits", 0, "executions", 0, _MANY, "for tests: every guard fails once, at this execution; 0: never"),
    Parameter("compile_level", 1, "level", 0, 2, "LLVM's level for code that gets no second one; 0 compiles fastest"),
    Parameter("replace", "full", "", 0, 1, "whether roots are looked at again and replaced", REPLACEMENT_MODES),
    Parameter("force_replace", 0, "passes", 0, _MANY, "for tests: passes, on the mean, until a root is tried; each second stays"),
    Parameter("replace_margin", 1.05, "times", 1, 1000, "faster a new root must be to replace the old one"),
    Parameter("tier2_threshold", 50_000, "runs", 0, _MANY, "of code before its tree is compiled as one; 0: it never is"),
    Parameter("tier2_level", 2, "level", 0, 2, "LLVM's code generation level for trees"),
    Parameter("background", True, "", 0, 1, "compile trees on a background thread; off: the guest waits for them"),
)
BY_NAME: dict[str, Parameter] = {row.name: row for row in TABLE}

_lock = threading.RLock()
_defaults: dict[str, Value] = {row.name: row.default for row in TABLE}
_every: weakref.WeakSet[Parameters] = weakref.WeakSet()


class Parameters:
    """The values of one driver; each parameter is an attribute.

    A driver starts with the defaults and follows them until a value is set for it alone.
    """

    enable: bool
    threshold: int
    function_threshold: int
    trace_eagerness: int
    payback: float
    tail_limit: int
    trace_limit: int
    inlining: bool
    max_inline_depth: int
    max_unroll_loops: int
    helper_loops: bool
    max_unroll_recursion: int
    promotion_limit: int
    tree_limit: int
    bridge_limit: int
    backoff_factor: float
    backoff_limit: float
    force_exits: int
    compile_level: int
    replace: str
    force_replace: int
    replace_margin: float
    tier2_threshold: int
    tier2_level: int
    background: bool

    def __init__(self) -> None:
        self._own: dict[str, Value] = {}
        self._watchers: list[Callable[[str], None]] = []
        with _lock:
            for name, value in _defaults.items():
                setattr(self, name, value)
            _every.add(self)

    def watch(self, callback: Callable[[str], None]) -> None:
        """Call `callback(name)` whenever a value has changed; kept as long as this object."""
        self._watchers.append(callback)

    def as_dict(self) -> dict[str, Value]:
        """All values, in the order of the table."""
        return {row.name: getattr(self, row.name) for row in TABLE}

    def _refresh(self, name: str) -> None:
        value = self._own.get(name, _defaults[name])
        if getattr(self, name) != value:
            setattr(self, name, value)
            for callback in self._watchers:
                callback(name)

    def __repr__(self) -> str:
        own = ", ".join(f"{name}={value!r}" for name, value in self._own.items())
        return f"Parameters({own})"


def check(name: str, value: object) -> Value:
    """The value in its parameter's type.

    Args:
        name: A name of the table.
        value: A value of the parameter's type, or its text as in METATRACER.

    Raises:
        ParameterError: Unknown name (near names are listed), ill-typed value, or out of range.
    """
    row = BY_NAME.get(name)
    if row is None:
        raise ParameterError(f"there is no parameter {name!r}{near_names(name, BY_NAME)}")
    converted = _convert(row, value)
    if converted is None:
        raise ParameterError(f"parameter {name} takes {row.type_name}, not {value!r}")
    if not isinstance(converted, str) and not row.low <= converted <= row.high:
        raise ParameterError(f"parameter {name} must be from {row.low:g} to {row.high:g} {row.unit}, not {value!r}")
    return converted


_SWITCH_WORDS = dict.fromkeys(("on", "true", "yes", "1"), True) | dict.fromkeys(("off", "false", "no", "0"), False)


def _convert(row: Parameter, value: object) -> Value | None:
    """The value in the row's type, or None when it has no such meaning (1.5 for a whole number, 2 for a switch)."""
    if row.choices:
        word = value.strip().lower() if isinstance(value, str) else ""
        return word if word in row.choices else None
    if isinstance(row.default, bool):
        if isinstance(value, str):
            return _SWITCH_WORDS.get(value.strip().lower())
        return bool(value) if isinstance(value, (bool, int)) and value in (0, 1) else None
    kind = type(row.default)
    if isinstance(value, str):
        try:
            return kind(value)
        except ValueError:
            return None
    # A switch's value given to a number is a mistake even though bool is an int.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return kind(value) if kind is float or isinstance(value, int) else None


def near_names(name: str, known: Any) -> str:
    """A piece of a sentence that names what the user may have meant."""
    import difflib  # slow to import, and only an error message needs it

    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    if near:
        return "; did you mean " + " or ".join(near) + "?"
    return "; there are: " + ", ".join(known)


def _params_of(driver: object) -> Parameters:
    if isinstance(driver, Parameters):
        return driver
    found = getattr(driver, "params", None)
    if not isinstance(found, Parameters):
        raise ParameterError(f"the first argument must be a JitDriver or None (all drivers), not {driver!r}")
    return found


def set_param(driver: object, name: str, value: object) -> None:
    """Set a parameter.

    Args:
        driver: A JitDriver, or None: the default of every driver, present and future, also of those which had a
            value of their own.
        name: A name of the table.
        value: The value; None or "default": back to the default (of this driver, or the table's).

    Raises:
        ParameterError: The mistake in a sentence; nothing has changed then.
    """
    back = value is None or (isinstance(value, str) and value.strip() == "default")
    checked = check(name, BY_NAME[name].default if back and name in BY_NAME else value)
    with _lock:
        if driver is not None:
            params = _params_of(driver)
            if back:
                params._own.pop(name, None)
            else:
                params._own[name] = checked
            params._refresh(name)
            return
        _defaults[name] = checked
        for params in list(_every):
            params._own.pop(name, None)
            params._refresh(name)


def parse(text: str) -> dict[str, Value]:
    """The assignments in "off", "on", "default" or "a=1,b=2".

    "off" may stand beside assignments; "default" (alone) means every parameter's default.

    Raises:
        ParameterError: Anything else.
    """
    if text.strip() == "default":
        return {row.name: row.default for row in TABLE}
    found: dict[str, Value] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if equals:
            found[name] = check(name, value)
        elif part.lower() in _SWITCH_WORDS:
            found["enable"] = _SWITCH_WORDS[part.lower()]
        else:
            raise ParameterError(f"expected off, on, default or name=value, not {part!r}{near_names(part, BY_NAME)}")
    return found


def set_user_param(driver: object, text: str) -> None:
    """Set parameters from a user's text: "off", "on", "default", or "a=1,b=2"; `driver` as in `set_param`."""
    for name, value in parse(text).items():
        set_param(driver, name, value if text.strip() != "default" else None)


@contextmanager
def parameters(driver: object = None, /, **values: object) -> Iterator[None]:
    """Set parameters for the time of a `with` block, and put everything back behind it.

    Args:
        driver: As in `set_param`.
        values: Parameters by name.

    Raises:
        ParameterError: At the `with`, before anything has changed.
    """
    for name, value in values.items():
        check(name, value)
    with _lock:
        saved_defaults = dict(_defaults)
        saved_own = {params: dict(params._own) for params in list(_every)}
    try:
        for name, value in values.items():
            set_param(driver, name, value)
        yield
    finally:
        with _lock:
            for name in values:
                if driver is None:
                    _defaults[name] = saved_defaults[name]
                for params in list(_every) if driver is None else [_params_of(driver)]:
                    own = saved_own.get(params, {})
                    if name in own:
                        params._own[name] = own[name]
                    else:
                        params._own.pop(name, None)
                    params._refresh(name)


def defaults() -> dict[str, Value]:
    """The values that a new driver would get."""
    with _lock:
        return dict(_defaults)


def _read_environment() -> tuple[bool, ParameterError | None]:
    """Apply METATRACER to the defaults; whether it says "off", and what is wrong with it."""
    text = os.environ.get(ENVIRONMENT_VARIABLE, "")
    try:
        values = parse(text)
    except ParameterError as error:
        return False, ParameterError(f"in the environment variable {ENVIRONMENT_VARIABLE}={text!r}: {error}")
    _defaults.update(values)
    return values.get("enable") is False, None


STARTED_OFF, ENVIRONMENT_MISTAKE = _read_environment()
"""METATRACER said "off" when the process started: portals are only stripped of their hints, nothing is counted. And what is wrong
with it: raised where the first driver is made, or told by the command, rather than raised by an import."""
