"""What an interpreter's author uses: the driver of an interpreter loop, and `install`.

    driver = JitDriver(greens=["pc", "code"], reds="auto", name="calc")

    @driver.portal
    def run(code, stack):
        pc = 0
        while True:
            driver.jit_merge_point(pc=pc, code=code)
            ...

Greens say *where* in the guest program the interpreter is; a trace holds their values as constants. Reds are everything
else that is alive. A portal is rewritten in place; with METATRACER=off only the hint statements are taken out.
This module loads the runtime when the first portal is installed, not before.
"""

from __future__ import annotations

import os
import sys
import weakref
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from metatracer import platforms
from metatracer.errors import UsageError
from metatracer.params import ENVIRONMENT_MISTAKE, Parameters, set_param
from metatracer.places import author_place, function_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

F = TypeVar("F", bound="Callable[..., Any]")

_GENERATOR_FLAGS = 0x20 | 0x80 | 0x200
"""co_flags of generators, coroutines and asynchronous generators."""


_drivers: weakref.WeakSet[JitDriver] = weakref.WeakSet()
"""Every driver there is, so that `install` knows which functions are portals."""


def check_environment() -> None:
    """Complain of what METATRACER or METATRACER_OPT says.

    Raises:
        MetatracerError: With the variable's name in the sentence.
    """
    if ENVIRONMENT_MISTAKE is not None:
        raise ENVIRONMENT_MISTAKE
    if "METATRACER_OPT" in os.environ:
        from metatracer.optimizer.pipeline import selected_passes

        selected_passes()


def _native_problem() -> str:
    """What is not as the toolkit knows it in the running interpreter; "" when all is."""
    from metatracer.backend.layout import native_support

    return native_support()


class JitDriver:
    """One interpreter loop, as the tracer sees it.

    Args:
        greens: Names of the local variables of the portal that tell a place in the guest program. Their values must be
            hashable or instances of a class written in Python. Numbers, strings and None that are equal and of one type mean
            the same place; of other objects each its own.
        reds: Names of the other live local variables, or "auto": found by liveness.
        name: For logs and `explain`; the portal's name if not given.
        virtualizables: Reds that hold a guest frame with `_virtualizable_`: a promise that nobody looks at such a frame
            behind the interpreter's back.
        get_printable_location: Called with the greens, gives a text for logs.
        get_location: Called with the greens, gives (file, line, function, instruction number, instruction name). For
            tools that read it from the driver; the tracer does not call it.
        get_unique_id: Called with the greens, gives an int that identifies the guest function. For tools, as above.
        confirm_enter_jit: Called with the greens and reds before a loop is recorded; False refuses.
        can_never_inline: Called with the greens; True keeps this portal from being inlined there.
        should_unroll_one_iteration: Called with the greens; True unrolls the loop there once.
        is_recursive: The portal calls itself for guest calls.
        vectorize: Accepted for interpreters written for RPython; changes nothing.

    Attributes:
        greens: The names, in order.
        reds: The names, in order; None for "auto".
        params: This driver's parameters, as attributes.
        portals: The functions that were installed for it.

    Raises:
        UsageError: The arguments do not fit together; the message points at the author's line.
        MetatracerError: An environment variable is wrong.
    """

    def __init__(  # noqa: PLR0913 - the names and order that authors know from RPython
        self,
        greens: Sequence[str] = (),
        reds: Sequence[str] | str = "auto",
        *,
        name: str | None = None,
        virtualizables: Sequence[str] | None = None,
        get_printable_location: Callable[..., str] | None = None,
        get_location: Callable[..., tuple[str, int, str, int, str]] | None = None,
        get_unique_id: Callable[..., int] | None = None,
        confirm_enter_jit: Callable[..., bool] | None = None,
        can_never_inline: Callable[..., bool] | None = None,
        should_unroll_one_iteration: Callable[..., bool] | None = None,
        is_recursive: bool = False,
        vectorize: bool = False,
    ) -> None:
        check_environment()
        self.greens = _check_names("greens", greens)
        self.reds = None if reds == "auto" else _check_names("reds", reds)
        self.virtualizables = _check_names("virtualizables", virtualizables or ())
        both = [each for each in self.greens if each in (self.reds or ())]
        if both:
            raise UsageError(f"{', '.join(both)} cannot be green and red at once; take it out of one", *author_place())
        for each in self.virtualizables:
            if each in self.greens or (self.reds is not None and each not in self.reds):
                raise UsageError(f"the virtualizable {each!r} must be one of the reds", *author_place())
        if name is not None and not isinstance(name, str):
            raise UsageError(f"name must be a string, not {name!r}", *author_place())
        self.has_given_name = name is not None
        self.name = name if name is not None else "jitdriver"
        self.get_printable_location = _check_callable("get_printable_location", get_printable_location)
        self.get_location = _check_callable("get_location", get_location)
        self.get_unique_id = _check_callable("get_unique_id", get_unique_id)
        self.confirm_enter_jit = _check_callable("confirm_enter_jit", confirm_enter_jit)
        self.can_never_inline = _check_callable("can_never_inline", can_never_inline)
        self.should_unroll_one_iteration = _check_callable("should_unroll_one_iteration", should_unroll_one_iteration)
        self.is_recursive = is_recursive
        self.vectorize = vectorize
        self.params = Parameters()
        self.portals: list[FunctionType] = []
        _drivers.add(self)

    # The three hints are statements that the rewriting of a portal takes out. They are called only where a function
    # was not made a portal, and in unsupported places, and do nothing there.

    def jit_merge_point(self, /, **names: object) -> None:
        """The place in the interpreter loop where the greens tell the guest's position: once per guest instruction.

        Args:
            names: The greens (and declared reds), each with the local variable of that name: `pc=pc, code=code`.
        """

    def can_enter_jit(self, /, **names: object) -> None:
        """A guest back-edge: here loops are counted. Arguments as for the merge point."""

    def loop_header(self) -> None:
        """A guest loop begins here; for drivers that have no `can_enter_jit`."""

    def portal(self, function: F) -> F:
        """Make a function that contains the interpreter loop a portal of this driver.

        Its code is replaced in place; the function object stays the same.

        Raises:
            UsageError: The function cannot be a portal; the message says what to change.
        """
        plain = _check_portal(function)
        if not self.has_given_name and not self.portals:
            self.name = plain.__qualname__.replace("<locals>.", "")
        reason = platforms.unsupported_reason() or _native_problem()
        if reason:
            platforms.warn_untraced(reason)
            return function
        from metatracer.runtime.driver import install_portal

        install_portal(plain, self)
        self.portals.append(plain)
        return function

    def printable_location(self, greens: Sequence[object]) -> str:
        """A text for the place that `greens` tell; never raises an Exception."""
        if self.get_printable_location is not None:
            try:
                return str(self.get_printable_location(*greens))
            except Exception as error:  # noqa: BLE001 - the author's function; its failure is shown in the text
                return f"<get_printable_location failed: {type(error).__name__}: {error}>"
        return ", ".join(f"{name}={_short(value)}" for name, value in zip(self.greens, greens, strict=False))

    def __repr__(self) -> str:
        return f"<JitDriver {self.name}>"


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - the author's __repr__; only a text is at stake
        text = f"<{type(value).__name__}: repr failed: {type(error).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."


def _check_names(what: str, names: object) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, (list, tuple)):
        hint = ' or "auto"' if what == "reds" else ""
        raise UsageError(f"{what} must be a list of names of local variables{hint}, not {names!r}", *author_place())
    for each in names:
        if not isinstance(each, str) or not each.isidentifier():
            raise UsageError(f"{what}: {each!r} is no name of a local variable", *author_place())
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        raise UsageError(f"{what}: {', '.join(twice)} is there twice", *author_place())
    return tuple(names)


def _check_callable(what: str, function: F | None) -> F | None:
    if function is not None and not callable(function):
        raise UsageError(f"{what} must be a function, not {function!r}", *author_place())
    return function


def _check_portal(function: object) -> FunctionType:
    if isinstance(function, (staticmethod, classmethod, property)):
        kind = type(function).__name__
        raise UsageError(f"put @driver.portal below @{kind}, directly above the def", *author_place())
    if not isinstance(function, FunctionType):
        raise UsageError(f"@driver.portal goes on a function written in Python, not on {function!r}", *author_place())
    if function.__code__.co_flags & _GENERATOR_FLAGS:
        raise UsageError(
            f"{function.__qualname__} is a generator or a coroutine and cannot be a portal; move the loop with the "
            "merge point into a plain function",
            *function_place(function),
        )
    return function


# --- finding the portals of a module


def install(module: ModuleType) -> list[FunctionType]:
    """Make portals of every function of a module, and method of its classes, that calls `jit_merge_point`.

    Functions that are portals already are left alone. The driver is found by the name that it is called on, a global
    of the module (`driver.jit_merge_point`, `settings.driver.jit_merge_point`) or a closure variable.

    Returns:
        The functions that were installed now.

    Raises:
        UsageError: `module` is no module, it has no such function, or a driver cannot be found.
    """
    if not isinstance(module, ModuleType):
        raise UsageError(f"install takes a module object, not {module!r}", *author_place())
    installed: list[FunctionType] = []
    has_portal = False
    for function in _functions_of(module):
        if _is_installed(function):
            has_portal = True
            continue
        if "jit_merge_point" in function.__code__.co_names:
            _driver_of(function).portal(function)
            installed.append(function)
    if not installed and not has_portal:
        raise UsageError(
            f"no function of the module {module.__name__} calls jit_merge_point; call driver.jit_merge_point(...) in "
            "the interpreter loop",
            getattr(module, "__file__", None),
            1,
        )
    return installed


def _is_installed(function: FunctionType) -> bool:
    return any(function is portal for driver in list(_drivers) for portal in driver.portals)


def _functions_of(module: ModuleType) -> Iterator[FunctionType]:
    """The Python functions defined in a module: its own, under decorators, and in classes (nested ones too)."""
    seen: set[int] = set()

    def walk(value: object) -> Iterator[FunctionType]:
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        if isinstance(value, property):
            for accessor in (value.fget, value.fset, value.fdel):
                yield from walk(accessor)
        elif isinstance(value, type):
            if value.__module__ == module.__name__ and id(value) not in seen:
                seen.add(id(value))
                for member in list(vars(value).values()):
                    yield from walk(member)
        elif isinstance(value, FunctionType):
            if value.__globals__ is vars(module) and id(value) not in seen:
                seen.add(id(value))
                yield value
            if hasattr(value, "__wrapped__"):
                yield from walk(value.__wrapped__)

    for value in list(vars(module).values()):
        yield from walk(value)


def _driver_of(function: FunctionType) -> JitDriver:
    """The driver on which a function calls `jit_merge_point`.

    Raises:
        UsageError: It is not reached by plain names from the module or the closure.
    """
    import dis  # slow to import, so only where it is used

    chain: list[str] = []
    lineno = function.__code__.co_firstlineno
    for instruction in dis.get_instructions(function.__code__):
        if instruction.starts_line is not None:
            lineno = _line_of(instruction, lineno)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_DEREF", "LOAD_NAME"):
            chain = [str(instruction.argval)]
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            if instruction.argval == "jit_merge_point":
                driver = _follow(function, chain)
                if isinstance(driver, JitDriver):
                    return driver
                shown = ".".join(chain) or "the object it is called on"
                raise UsageError(
                    f"{function.__qualname__} calls jit_merge_point, but {shown} is not known to be a JitDriver when "
                    "the module is installed; keep the driver in a global of the module, or use @driver.portal",
                    function.__code__.co_filename,
                    lineno,
                )
            chain.append(str(instruction.argval))
        elif instruction.opname not in ("CACHE", "PUSH_NULL", "EXTENDED_ARG"):
            chain = []
    raise UsageError(
        f"{function.__qualname__} names jit_merge_point but does not call it as driver.jit_merge_point(...)",
        *function_place(function),
    )


def _line_of(instruction: Any, default: int) -> int:
    """The line of an instruction that starts one: `starts_line` was the number itself up to 3.12, a flag since."""
    if sys.version_info >= (3, 13):
        return instruction.line_number or default
    return int(instruction.starts_line)


def _follow(function: FunctionType, chain: list[str]) -> object:
    if not chain:
        return None
    code: CodeType = function.__code__
    value: object = None
    if chain[0] in code.co_freevars and function.__closure__ is not None:
        cell = function.__closure__[code.co_freevars.index(chain[0])]
        try:
            value = cell.cell_contents
        except ValueError:  # an empty cell
            return None
    else:
        value = function.__globals__.get(chain[0])
    for name in chain[1:]:
        value = getattr(value, name, None)
    return value


# --- what the tracer has done


def statistics_snapshot() -> dict[str, Any]:
    """The totals of this process so far, as plain data; units are in the names."""
    if "metatracer.runtime.driver" in sys.modules:
        from metatracer.runtime import driver

        return dict(driver.statistics_snapshot())
    from metatracer.statistics import STATISTICS

    return STATISTICS.as_dict()


def explain_records() -> list[dict[str, Any]]:
    """One record for each guest loop that was seen: what became of it and why, as plain data (see LoopRecord)."""
    if "metatracer.runtime.driver" not in sys.modules:
        return []
    from metatracer.runtime import driver

    records: list[Any] = list(driver.explain_records())
    return [record if isinstance(record, dict) else record.as_dict() for record in records]


def short_lived_greens() -> list[dict[str, Any]]:
    """The greens with so many values that loops with them seldom become hot (see `runtime.driver.short_lived_greens`)."""
    if "metatracer.runtime.driver" not in sys.modules:
        return []
    from metatracer.runtime import driver

    return list(driver.short_lived_greens())


def set_enabled(on: bool) -> None:
    """Switch machine code on or off for all drivers, from now on."""
    set_param(None, "enable", on)
    if "metatracer.runtime.driver" in sys.modules:
        from metatracer.runtime import driver

        driver.set_enabled(on)


def preload() -> None:
    """Load now what the first trace would load: LLVM, the toolkit's own modules, the machine code that all traces share.

    For a process that limits itself (memory, system calls) or forks before it runs a guest. What it takes is in `docs/usage.md`.
    Nothing is loaded where nothing can be traced, or everything is off.
    """
    from metatracer.params import STARTED_OFF

    if not STARTED_OFF and not platforms.unsupported_reason():
        from metatracer.runtime import driver

        driver.preload()
