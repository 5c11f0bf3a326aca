"""Hooks: functions of the user that are told what the tracer does.

    @metatracer.hooks.on_compile
    def show(event):
        print(event.location, event.operations)

Each `on_...` registers a function and gives it back; `unregister` takes it out again. An exception in a hook is printed
with its traceback to standard error and counted; the guest goes on as though the hook had not been there. Hooks are
called in the thread that did the thing, in the order of registration.

The runtime asks `if hooks.registered["compile"]:` before it builds an event.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from metatracer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.events import AbortEvent, CompileEvent, Event, GuardFailureEvent, InvalidateEvent

_EVENTS = ("AbortEvent", "CompileEvent", "Event", "GuardFailureEvent", "InvalidateEvent")


def __getattr__(name: str) -> Any:
    # The classes of events are names of this module, made when first wanted: `import metatracer` stays cheap.
    if name in _EVENTS:
        from metatracer import events

        return getattr(events, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "AbortEvent",
    "CompileEvent",
    "Event",
    "GuardFailureEvent",
    "InvalidateEvent",
    "fire",
    "on_abort",
    "on_bridge",
    "on_compile",
    "on_guard_failure",
    "on_invalidate",
    "registered",
    "unregister",
]


registered: dict[str, list[Callable[[Any], object]]] = {
    "compile": [],
    "bridge": [],
    "abort": [],
    "guard_failure": [],
    "invalidate": [],
}

_F = TypeVar("_F", bound="Callable[[Any], object]")


def _register(kind: str, function: _F) -> _F:
    if not callable(function):
        raise UsageError(f"on_{kind} takes a function of one argument, the event, not {function!r}")
    # A new list each time: whoever is in the middle of `fire` goes on over the old one.
    registered[kind] = [*registered[kind], function]
    return function


def on_compile(function: _F) -> _F:
    """Tell `function` of each compiled loop, as a CompileEvent."""
    return _register("compile", function)


def on_bridge(function: _F) -> _F:
    """Tell `function` of each compiled bridge, as a CompileEvent."""
    return _register("bridge", function)


def on_abort(function: _F) -> _F:
    """Tell `function` of each recording given up, as an AbortEvent."""
    return _register("abort", function)


def on_guard_failure(function: _F) -> _F:
    """Tell `function` of each guard exit into the interpreter, as a GuardFailureEvent. Slows exits down."""
    return _register("guard_failure", function)


def on_invalidate(function: _F) -> _F:
    """Tell `function` of each invalidated trace, as an InvalidateEvent."""
    return _register("invalidate", function)


def unregister(function: Callable[[Any], object]) -> bool:
    """Take `function` out of every kind it was registered for; whether it was registered at all."""
    found = False
    for kind, functions in registered.items():
        kept = [other for other in functions if other is not function and other != function]
        found = found or len(kept) != len(functions)
        registered[kind] = kept
    return found


def fire(kind: str, event: Event) -> None:
    """Call the hooks of a kind. Never raises an Exception; KeyboardInterrupt and SystemExit pass."""
    for function in registered[kind]:
        try:
            function(event)
        except Exception:  # noqa: BLE001 - a hook is foreign code: its failure is reported and counted, never the guest's
            import traceback

            from metatracer.statistics import STATISTICS

            STATISTICS.hook_errors += 1
            if sys.stderr is not None:
                name = getattr(function, "__qualname__", repr(function))
                sys.stderr.write(f"metatracer: the hook {name} failed in on_{kind}; the program goes on:\n")
                traceback.print_exc(file=sys.stderr)
