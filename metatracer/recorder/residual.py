"""Functions that traces call because what they do is not worth looking into, and raising from within a trace."""

from __future__ import annotations

from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NoReturn

from metatracer.recorder.frames import MetaFrame, const_box

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.recorder.metainterp import MetaInterpreter


def raise_new(_meta: MetaInterpreter, frame: MetaFrame, cls: type[BaseException], message: str) -> NoReturn:
    """Record the raising of a new builtin exception at the current instruction."""
    from metatracer.recorder.exceptions import record_raise

    record_raise(const_box(NewException(cls, message)))


def raise_known(
    meta: MetaInterpreter, cls: type[BaseException], function: Callable[..., Any], *objects: Any
) -> None:
    """Record the raising of such an exception if a builtin operation raises it; what decides its message is guarded already."""
    from metatracer.recorder.exceptions import record_raise
    from metatracer.recorder.virtual_exceptions import is_plain_class, virtual_exception

    try:
        function(*objects)
    except Exception as error:  # noqa: BLE001 - whatever a builtin operation raises
        raised, arguments = type(error), error.args
    else:
        return
    if raised is cls and is_plain_class(cls):
        record_raise(virtual_exception(cls, [const_box(argument) for argument in arguments]))


class NewException:
    """A recipe for an exception; made anew each time, as exceptions have state."""

    __slots__ = ("cls", "message")

    def __init__(self, cls: type[BaseException], message: str) -> None:
        self.cls = cls
        self.message = message


def make_exception(what: Any) -> BaseException:
    """The exception instance that `raise what` raises; TypeError for what cannot be raised."""
    if isinstance(what, NewException):
        return what.cls(what.message)
    if isinstance(what, BaseException):
        return what
    if isinstance(what, type) and issubclass(what, BaseException):
        made = what()
        if not isinstance(made, BaseException):
            raise TypeError(
                f"calling {what!r} should have returned an instance of BaseException, not {type(made)!r}"
            )
        return made
    raise TypeError("exceptions must derive from BaseException")


# --- updates in place ---------------------------------------------------------------------------------------------------


def delete_item(container: Any, key: Any) -> None:
    """`del container[key]`."""
    del container[key]


def store_cell(cell: CellType, value: Any) -> None:
    """Assign a captured variable."""
    cell.cell_contents = value


# --- functions, imports ---------------------------------------------------------------------------------------------------


def make_function(
    namespace: dict[str, Any], parts: tuple[str, ...], code: CodeType, *values: Any
) -> FunctionType:
    """MAKE_FUNCTION."""
    given = dict(zip(parts, values, strict=True))
    closure: tuple[CellType, ...] | None = given.get("closure")
    if closure is None and code.co_freevars:
        # 3.13 gives a new function its closure with a later instruction; until then these cells stand for it.
        closure = tuple([CellType() for _ in code.co_freevars])
    function = FunctionType(code, namespace, code.co_name, given.get("defaults"), closure)
    if "kwdefaults" in given:
        function.__kwdefaults__ = given["kwdefaults"]
    if "annotations" in given:
        annotations = given["annotations"]
        if isinstance(annotations, tuple):
            annotations = dict(zip(annotations[::2], annotations[1::2], strict=True))
        function.__annotations__ = annotations
    function.__qualname__ = code.co_qualname
    return function


def import_name(namespace: dict[str, Any], name: str, level: int, fromlist: Any) -> Any:
    """`import name`."""
    return __import__(name, namespace, None, fromlist, level)


def class_cell(mapping: Any, cell: CellType, name: str) -> Any:
    """A free variable as a class body sees it."""
    return mapping[name] if name in mapping else cell.cell_contents  # noqa: SIM401 - the cell may be empty


# --- with ------------------------------------------------------------------------------------------------------------


def exit_method(manager: Any) -> Any:
    """The bound exit method of a context manager, checked to have both methods."""
    cls = type(manager)
    for name in ("__enter__", "__exit__"):
        if not hasattr(cls, name):
            raise TypeError(
                f"'{cls.__name__}' object does not support the context manager protocol"
                + (" (missed __exit__ method)" if name == "__exit__" else "")
            )
    return cls.__exit__.__get__(manager, cls)


def enter(manager: Any) -> Any:
    """What `with manager as x` binds."""
    return type(manager).__enter__(manager)
