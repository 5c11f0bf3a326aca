"""The machine: one loop over (node, environment, frame), and what happens to errors."""

from __future__ import annotations

from typing import Any

from interpreters.scheme.calls import Frame, State, apply_procedure
from interpreters.scheme.core import Place
from interpreters.scheme.nodes import CAUGHT, Node, failed, located
from interpreters.scheme.objects import ExitRequest, SchemeError
from metatracer import JitDriver, dont_look_inside


def place_of(node: Node) -> str:
    """Where that is in the program."""
    function = getattr(node, "whose", None)
    place = node.place if function is None else function.place
    what = type(node).__name__ if function is None else function.name or "a procedure"
    return what if place is None else f"{place[0]}:{place[1]}:{place[2]}: {what}"


driver = JitDriver(greens=["node"], reds="auto", name="scheme", get_printable_location=place_of)


class Dynamic:
    """The dynamic environment; never changed, only replaced.

    Attributes:
        handlers: (innermost exception handler, the others) or None.
        parameters: (parameter, value, the others) or None.
        winds: The innermost `dynamic-wind` that is active, or None.
    """

    _immutable_fields_ = ["handlers", "parameters", "winds"]
    __slots__ = ("handlers", "parameters", "winds")

    def __init__(self, handlers: Any, parameters: Any, winds: Any) -> None:
        self.handlers = handlers
        self.parameters = parameters
        self.winds = winds


TOP_LEVEL = Dynamic(None, None, None)


class Machine:
    """What is one of a kind while a program runs: the dynamic environment that is in force."""

    __slots__ = ("dynamic",)

    def __init__(self) -> None:
        self.dynamic = TOP_LEVEL


MACHINE = Machine()


class _Halt(Node):
    """The end of everything: the loop returns the value."""

    __slots__ = ()

    def __init__(self) -> None:
        self.header = True


HALT = _Halt()
BOTTOM: Frame = (HALT, (), None)


@driver.portal
def run(node: Any, env: Any, cont: Any) -> Any:
    """Take steps until there is a value for the bottom frame."""
    while True:
        driver.jit_merge_point(node=node)
        try:
            node, env, cont = node.step(env, cont)
        except CAUGHT as failure:
            node, env, cont = handle(failure, node, cont)
        if node.header:
            if node is HALT:
                return env
            driver.can_enter_jit(node=node)


@dont_look_inside
def handle(failure: BaseException, node: Any, cont: Any) -> State:
    """An error happened in a node: call the guest's handler, or end the run."""
    from interpreters.scheme.control import raise_object

    error = failure if isinstance(failure, SchemeError) else failed(failure, "", (), None)
    located(error, node.place or _place_around(cont))
    if MACHINE.dynamic.handlers is None:
        raise error from None
    return raise_object(error.payload, error.continuable, cont)


def _place_around(cont: Frame | None) -> Place | None:
    """Of the innermost call of the program's that waits: what the library in Scheme does has no place of its own."""
    for _ in range(FRAMES_SEARCHED):
        if cont is None:
            break
        place: Place | None = cont[0].place
        if place is not None:
            return place
        cont = cont[2]
    return None


FRAMES_SEARCHED = 1000


def execute(node: Any, place: Place | None = None) -> Any:
    """Run a node that needs no environment, and comes from `place`; the dynamic environment is as before afterwards."""
    before = MACHINE.dynamic
    MACHINE.dynamic = TOP_LEVEL
    try:
        return run(node, (), BOTTOM)
    except SchemeError as failure:
        raise located(failure, node.place or place) from failure.__cause__
    finally:
        MACHINE.dynamic = before


def call(procedure: Any, args: list[Any]) -> Any:
    """Call a guest procedure from Python."""
    before = MACHINE.dynamic
    MACHINE.dynamic = TOP_LEVEL
    try:
        node, env, cont = apply_procedure(procedure, tuple(args), BOTTOM)
        return env if node is HALT else run(node, env, cont)
    finally:
        MACHINE.dynamic = before


__all__ = ["BOTTOM", "HALT", "MACHINE", "Dynamic", "ExitRequest", "call", "execute", "run"]
