"""Errors of the guest program, and how builtins make them."""

from __future__ import annotations

from typing import Any


class LuaError(Exception):
    """A Lua error on its way to the next protected call.

    Attributes:
        value: the error value, any Lua value; a message is bytes.
        traceback: the text of the stack at the place of the error, or None.
        level: whose position the VM still has to put before a message: 1 is the function that called the builtin which
            raised, 2 its caller; 0 none (any more).
        argument: for a bad argument its number, the function's own name and the complaint: the VM words the message anew
            once it knows under what name the function was called.
        origin: the frame in which it was raised.
        place: the innermost frame that it has not gone through yet with all that this entails.
        inner: on its way out of a call on the host's stack, the frame that was called.
        payload: the error value as Python sees it, once the error has left Lua; `converter` is whose Lua that was.
    """

    payload: Any = None
    converter: Any = None

    def __init__(
        self,
        value: Any,
        traceback: bytes | None = None,
        *,
        level: int = 0,
        argument: tuple[int, bytes, bytes] | None = None,
    ) -> None:
        super().__init__(value)
        self.value = value
        self.traceback = traceback
        self.level = level
        self.argument = argument
        self.handled = False  # whether the message handler of xpcall has seen it
        self.origin: Any = None
        self.place: Any = None
        self.inner: Any = None

    def unplaced(self) -> LuaError:
        """Return this error, to whose message no position is put."""
        self.level = 0
        return self

    def __str__(self) -> str:
        if type(self.args[0]) is str:
            return self.args[0]
        return self.value.decode("utf-8", "backslashreplace") if isinstance(self.value, bytes) else repr(self.value)


class LuaSyntaxError(LuaError):
    """Source text that is no Lua; its message begins with chunk name and line."""


def to_bytes(text: str | bytes) -> bytes:
    """Return a message as Lua has it."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def lua_error(message: str | bytes, level: int = 1) -> LuaError:
    """Make an error from a message, to which the VM puts the position of the caller at `level`."""
    return LuaError(to_bytes(message), level=level)


def bad_argument(index: int, function_name: str | bytes, message: str | bytes) -> LuaError:
    """Make the error of a builtin whose argument `index` (counted from 1) will not do."""
    name, complaint = to_bytes(function_name), to_bytes(message)
    return LuaError(
        b"bad argument #%d to '%s' (%s)" % (index, name, complaint), level=1, argument=(index, name, complaint)
    )
