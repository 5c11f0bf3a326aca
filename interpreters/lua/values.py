"""Lua values that are no Python values: tables, functions, coroutines.

nil, booleans, integers, floats and strings are None, bool, int (wrapped to 64 bits), float and bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from interpreters.lua.shapes import EMPTY_SHAPE, Shape, extend, find_field
from metatracer import dont_look_inside, isconstant, we_are_jitted

if TYPE_CHECKING:
    from interpreters.lua.frames import Frame, Proto
    from interpreters.lua.hooks import Hook
    from interpreters.lua.vm import VM

Value = Any
BuiltinFunction = Callable[["VM", list[Any]], list[Any]]


class KeyOfBoolean:
    """Stands for a boolean among the keys of a dictionary, where True would be 1."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value


TRUE_KEY = KeyOfBoolean(True)
FALSE_KEY = KeyOfBoolean(False)
NO_ITEMS: list[Any] = [None]
NO_SLOTS: list[Any] = []
INDEX = b"__index"


class LuaTable:
    """A table; its methods are raw, without metamethods.

    Attributes:
        array: the values at 1, 2, ...; its item 0 is not used, and its last item is never nil. It is NO_ITEMS, which all
            tables share and nobody changes, as long as nothing was appended; what appends looks for that.
        shape: which constant names it has as fields.
        slots: their values; a field that was removed keeps its place, with nil. As long as there is none it is NO_SLOTS.
        hash: everything else, or None. Entries that were removed keep their places, with nil, until some insertion.
        keys: the keys of `hash` in order, for `next`, as long as no key came; or None.
        positions: where each of them is in `keys`, once somebody had to know; or None. During a full collection a table that is
            a weak key has a tuple here instead (`collector`).
        index: the value at INDEX, which a metatable is asked for most.
    """

    __slots__ = (
        "__weakref__", "array", "hash", "hash_limit", "index", "keys", "metatable", "positions", "shape", "slots",
    )  # fmt: skip

    hash_limit: int
    keys: list[Any] | None
    positions: Any

    def __init__(self) -> None:
        self.array: list[Any] = NO_ITEMS
        self.shape: Shape = EMPTY_SHAPE
        self.slots: list[Any] = NO_SLOTS
        self.hash: dict[Any, Any] | None = None
        self.metatable: LuaTable | None = None
        self.index: Any = None

    def get(self, key: Value) -> Value:
        """Return the value at a key; nil where there is none."""
        kind = type(key)
        if kind is int:
            array = self.array
            if 0 < key < len(array):
                return array[key]
            return None if self.hash is None else self.hash.get(key)
        if kind is bytes:
            return self.get_string(key)
        if kind is float and key.is_integer():
            return self.get(int(key)) if -(2.0**63) <= key < 2.0**63 else self.get_hash(key)
        if kind is bool:
            key = TRUE_KEY if key else FALSE_KEY
        return None if self.hash is None else self.hash.get(key)

    def get_string(self, key: bytes) -> Value:
        """Return the value at a string that need not be a constant."""
        if we_are_jitted() and isconstant(key):
            return self.get_field(key)
        if self.hash is not None:
            value = self.hash.get(key)
            if value is not None:
                return value
        index = self.shape.indices.get(key, -1)
        return None if index < 0 else self.slots[index]

    def get_hash(self, key: Value) -> Value:
        """Return the value at a key that can be in the hash part alone."""
        return None if self.hash is None else self.hash.get(key)

    def get_field(self, name: bytes) -> Value:
        """Return the value at a constant name."""
        # In the interpreter promoting would cost more than looking.
        index = find_field(self.shape, name) if we_are_jitted() else self.shape.indices.get(name, -1)
        if index >= 0:
            return self.slots[index]
        return None if self.hash is None else self.hash.get(name)

    def set(self, key: Value, value: Value) -> None:
        """Store a value at a key that is neither nil nor NaN."""
        kind = type(key)
        if kind is int:
            self.set_integer(key, value)
        elif kind is bytes:
            self.set_string(key, value)
        elif kind is float and key.is_integer() and -(2.0**63) <= key < 2.0**63:
            self.set_integer(int(key), value)
        elif kind is bool:
            self.set_hash(TRUE_KEY if key else FALSE_KEY, value)
        else:
            self.set_hash(key, value)

    def set_integer(self, key: int, value: Value) -> None:
        """Store a value at an integer."""
        array = self.array
        size = len(array)
        if 0 < key < size:
            array[key] = value
            if value is None and key == size - 1:
                self.shrink()
        elif key == size and value is not None:
            if array is NO_ITEMS:
                self.array = [None, value]
            else:
                array.append(value)
            if self.hash is not None:
                self.migrate()
        else:
            self.set_hash(key, value)

    def shrink(self) -> None:
        """Take the nils off the array's end."""
        array = self.array
        while len(array) > 1 and array[-1] is None:
            array.pop()

    def migrate(self) -> None:
        """Take what follows the array out of the hash part."""
        hash_part, array = self.hash, self.array
        assert hash_part is not None
        size = len(array)
        hash_part.pop(size - 1, None)
        while (value := hash_part.get(size)) is not None:
            array.append(value)
            del hash_part[size]
            size += 1
        self.keys = None

    def set_string(self, key: bytes, value: Value) -> None:
        """Store a value at a string that need not be a constant."""
        if key == INDEX:
            self.index = value
        index = self.shape.indices.get(key, -1)
        if index >= 0:
            self.slots[index] = value
        else:
            self.set_hash(key, value)

    def set_field(self, name: bytes, value: Value) -> None:
        """Store a value at a constant name."""
        if name == INDEX:
            self.index = value
        index = find_field(self.shape, name) if we_are_jitted() else self.shape.indices.get(name, -1)
        if index >= 0:
            self.slots[index] = value
        elif value is not None or self.hash is not None:
            self.add_field(name, value)

    def add_field(self, name: bytes, value: Value) -> None:
        """Store a value at a constant name that the shape does not have."""
        if self.hash is None or name not in self.hash:
            shape = None if we_are_jitted() else self.shape.transitions.get(name)
            if shape is None:
                shape = extend(self.shape, name)
            if shape is not None:
                if shape.count == 1:
                    self.slots = [value]
                else:
                    self.slots.append(value)
                self.shape = shape
                return
        self.set_hash(name, value)

    def set_hash(self, key: Value, value: Value) -> None:
        """Store a value in the hash part."""
        hash_part = self.hash
        if hash_part is not None and key in hash_part:
            hash_part[key] = value
        elif value is not None:
            self.add_hash(key, value)

    def add_hash(self, key: Value, value: Value) -> None:
        """Put a key into the hash part."""
        hash_part = self.hash
        if hash_part is None:
            self.hash = {key: value}
            self.hash_limit = 8
        elif len(hash_part) < self.hash_limit:
            hash_part[key] = value
        else:
            self.rehash(hash_part, key, value)
        self.keys = None

    @dont_look_inside
    def rehash(self, hash_part: dict[Any, Any], key: Value, value: Value) -> None:
        """Put a key into the hash part, and take out the entries that were removed and the integers that the array can have."""
        for dead in [key for key, value in hash_part.items() if value is None]:
            del hash_part[dead]
        hash_part[key] = value
        if type(key) is int and 0 < key < 2 * (len(self.array) + len(hash_part)):
            self.move_dense(hash_part)
        self.hash_limit = max(8, 2 * len(hash_part))

    def move_dense(self, hash_part: dict[Any, Any]) -> None:
        """Let the array grow as long as more than half of it is used."""
        size = len(self.array)
        most = 2 * (size + len(hash_part))
        used, last = size - 1, 0
        numbers = sorted(key for key in hash_part if type(key) is int and 0 < key < most)
        for number in numbers:
            used += 1
            if 2 * used > number:
                last = number
        if not last:
            return
        array = self.array = [*self.array, *[None] * (last + 1 - size)]
        for number in numbers:
            if number > last:
                break
            array[number] = hash_part.pop(number)
        if not hash_part:
            self.hash = None

    def forget_items(self) -> None:
        """Take out of the hash part what the array has."""
        hash_part = self.hash
        assert hash_part is not None
        for key in [key for key in hash_part if type(key) is int and 0 < key < len(self.array)]:
            del hash_part[key]
        self.keys = None

    def length(self) -> int:
        """Return a border."""
        size = len(self.array)
        if size == 1 and self.hash is not None:
            return self.hash_border()
        return size - 1

    @dont_look_inside
    def hash_border(self) -> int:
        """Return a border when the array part is empty: 0, as `1` would be in the array."""
        border = 0
        assert self.hash is not None
        while self.hash.get(border + 1) is not None:
            border += 1
        return border

    def next(self, key: Value) -> tuple[Value, Value] | None:
        """Return the entry after a key in the order of traversal; None at the end.

        Raises:
            KeyError: There is no such key.
        """
        entry = self.next_entry(key, 0)
        return None if entry is None else entry[:2]

    def next_entry(self, key: Value, hint: int) -> tuple[Value, Value, int] | None:
        """Return the entry after a key with its place: in `keys`, or as a complement that of its name.

        Args:
            hint: the key's own place, if that is known.

        Raises:
            KeyError: There is no such key.
        """
        array = self.array
        position = 0  # in the array; then fields; then the hash part
        if key is None:
            pass
        elif type(key) is int and (0 < key < len(array) or self.hash is None or key not in self.hash):
            position = key if key < len(array) else len(array)
        else:
            return self.next_after(key, hint)
        for index in range(position + 1, len(array)):
            if array[index] is not None:
                return index, array[index], 0
        return self.next_field(0)

    def next_after(self, key: Value, hint: int) -> tuple[Value, Value, int] | None:
        """Return the entry after a key that is not in the array."""
        if type(key) is bytes:
            index = self.shape.indices.get(key, -1)
            if index >= 0:
                return self.next_field(index + 1)
        elif type(key) is bool:
            key = TRUE_KEY if key else FALSE_KEY
        if self.hash is None:
            raise KeyError
        keys = self.list_keys() if self.keys is None else self.keys
        if not (0 <= hint < len(keys) and keys[hint] is key):
            if self.positions is None:
                self.positions = {key: position for position, key in enumerate(keys)}
            hint = self.positions[key]
        return self.next_hash(hint + 1)

    def next_field(self, index: int) -> tuple[Value, Value, int] | None:
        """Return the first entry from field `index` on."""
        slots = self.slots
        for place in range(index, len(slots)):
            if slots[place] is not None:
                return self.shape.names[place], slots[place], ~place
        return None if self.hash is None else self.next_hash(0)

    def list_keys(self) -> list[Any]:
        """Make the list of the hash part's keys."""
        assert self.hash is not None
        keys = self.keys = list(self.hash)
        self.positions = None
        return keys

    def next_hash(self, position: int) -> tuple[Value, Value, int] | None:
        """Return the first entry of the hash part from `position` on."""
        hash_part = self.hash
        assert hash_part is not None
        keys = self.list_keys() if self.keys is None else self.keys
        for place in range(position, len(keys)):
            key = keys[place]
            value = hash_part[key]
            if value is not None:
                return (key.value if type(key) is KeyOfBoolean else key), value, place
        return None


class LuaBuiltin:
    """A function written in Python: `function(vm, args) -> results`.

    A leaf neither calls back into Lua nor asks which frame called it.
    """

    _immutable_fields_ = ["function", "name", "is_leaf"]
    __slots__ = ("__weakref__", "function", "is_leaf", "name")

    def __init__(self, name: str, function: BuiltinFunction, is_leaf: bool = False) -> None:
        self.name = name
        self.function = function
        self.is_leaf = is_leaf


class StatefulBuiltin:
    """A function with a state of its own, such as an iterator: `function(vm, state, args) -> results`.

    All that one maker returns share `function`, for which a trace is made; a closure for each would be another function
    each time, and another trace. It is a leaf (see `LuaBuiltin`).
    """

    _immutable_fields_ = ["function", "state", "name"]
    __slots__ = ("__weakref__", "function", "name", "state")

    def __init__(self, name: str, function: Callable[[Any, Any, list[Any]], list[Any]], state: Any) -> None:
        self.name = name
        self.function = function
        self.state = state


class FrameBuiltin:
    """A function of the VM's own that works on frames: `function(vm, frame, args)` returns the frame to go on with.

    `frame` is the one that called it, waiting at its call instruction.
    """

    _immutable_fields_ = ["function", "name"]
    __slots__ = ("__weakref__", "function", "name")

    def __init__(self, name: str, function: Callable[[VM, Frame, list[Any]], Frame]) -> None:
        self.name = name
        self.function = function


class LuaFunction:
    """A closure: a function's code with what it captured; variables that never change once captured are no cells."""

    _immutable_fields_ = ["proto", "upvalues"]
    __slots__ = ("__weakref__", "proto", "upvalues")

    def __init__(self, proto: Proto, upvalues: list[Any]) -> None:
        self.proto = proto
        self.upvalues = upvalues


class Cell:
    """A local variable that a closure captured and somebody assigns to."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value


class Coroutine:
    """A coroutine: a chain of frames that runs by turns with others.

    Attributes:
        frame: the innermost frame while it is suspended (or has died of an error).
        root: the frame below its first function's; its parent is the resumer's frame while it runs.
        function: the function to start with; None once started.
        host_level: how many Python calls of the VM were nested when it was resumed.
        hook: what `debug.sethook` set for it.
    """

    __slots__ = (
        "__weakref__", "error_value", "failed", "frame", "function", "hook", "host_level", "resumer", "root", "status",
    )  # fmt: skip

    def __init__(self, function: Value) -> None:
        self.function = function
        self.frame: Frame | None = None
        self.root: Frame | None = None
        self.resumer: Coroutine | None = None
        self.status = b"suspended"
        self.host_level = 0
        self.failed = False  # died of an error, which is error_value
        self.error_value: Any = None
        self.hook: Hook | None = None


class WrappedCoroutine:
    """The function that `coroutine.wrap` returns."""

    _immutable_fields_ = ["coroutine"]
    __slots__ = ("__weakref__", "coroutine")

    def __init__(self, coroutine: Coroutine) -> None:
        self.coroutine = coroutine


class Userdata:
    """A value of the host, such as a file; its metatable belongs to its class."""

    __slots__ = ("__weakref__", "metatable")

    def __init__(self, metatable: LuaTable | None = None) -> None:
        self.metatable = metatable


TYPE_NAMES: dict[type, bytes] = {
    type(None): b"nil",
    bool: b"boolean",
    int: b"number",
    float: b"number",
    bytes: b"string",
    LuaTable: b"table",
    LuaBuiltin: b"function",
    StatefulBuiltin: b"function",
    FrameBuiltin: b"function",
    LuaFunction: b"function",
    WrappedCoroutine: b"function",
    Coroutine: b"thread",
}


def type_name(value: Value) -> bytes:
    """Return what `type` says of a value."""
    return TYPE_NAMES.get(type(value), b"userdata")


def is_function(value: Value) -> bool:
    """Tell whether a value is a function."""
    return type(value) in (LuaFunction, LuaBuiltin, StatefulBuiltin, FrameBuiltin, WrappedCoroutine)
