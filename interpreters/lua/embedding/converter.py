"""How values, calls and errors cross between Lua and Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from interpreters.lua.embedding.objects import METAMETHODS, PythonArguments, PythonObject, object_of_function
from interpreters.lua.embedding.wrappers import Function, LuaObject, Indexable, Table, Thread
from interpreters.lua.errors import LuaError
from interpreters.lua.library.coroutines import resume
from interpreters.lua.operations import FUNCTIONS
from interpreters.lua.values import Coroutine, FrameBuiltin, LuaBuiltin, LuaTable, Userdata, type_name

if TYPE_CHECKING:
    from interpreters.lua.vm import VM

PLAIN = frozenset([type(None), bool, int, float])
RESUME = FrameBuiltin("resume", resume)


class Way(NamedTuple):
    """A Python object with the way in which Lua is to index it."""

    value: Any
    by_items: bool


def as_attrgetter(value: Any) -> Any:
    """Give an object to Lua such that indexing gets its attributes."""
    return Way(value, by_items=False)


def as_itemgetter(value: Any) -> Any:
    """Give an object to Lua such that indexing gets its items."""
    return Way(value, by_items=True)


class Converter:
    """What crosses over into one state and out of it.

    Attributes:
        encoding: of strings; None leaves them bytes.
        source_encoding: of programs and names, and of Python's texts where there is no encoding.
        attribute_filter, getter, setter: who is asked about attributes, and who gets and sets them; None for nobody.
        unpacks: whether a tuple that a Python function returns is several results.
        known: the userdata that Lua has of an object, by the object's id; each keeps its object alive.
    """

    def __init__(self, vm: VM, encoding: str | None, source_encoding: str | None, *, unpacks: bool) -> None:
        self.vm = vm
        self.encoding = encoding
        self.source_encoding = source_encoding or encoding or "utf-8"
        self.unpacks = unpacks
        self.attribute_filter: Callable[[Any, Any, bool], Any] | None = None
        self.getter: Callable[[Any, Any], Any] | None = None
        self.setter: Callable[[Any, Any, Any], Any] | None = None
        self.overflow_handler: Callable[[int], Any] | None = None
        self.known: WeakValueDictionary[tuple[int, bool | None], PythonObject] = WeakValueDictionary()
        self.metatable = LuaTable()
        for event, function in METAMETHODS.items():
            self.metatable.set_field(event, function)
        self.none = PythonObject(None, self, by_items=False)

    # --- values

    def encode(self, text: str) -> bytes:
        return text.encode(self.encoding or self.source_encoding, "surrogateescape")

    def decode(self, text: bytes) -> str | bytes:
        """Return a Lua string as Python's; as it is where that cannot be."""
        if self.encoding is None:
            return text
        try:
            return text.decode(self.encoding)
        except UnicodeDecodeError:
            return text

    def to_python(self, value: Any) -> Any:
        """Return a Lua value as Python sees it."""
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind is bytes:
            return self.decode(value)
        if kind is PythonObject:
            return value.value
        if kind is LuaTable:
            return Table(self, value)
        if kind in FUNCTIONS:
            wrapped = object_of_function(value) if kind is LuaBuiltin else None
            return Function(self, value) if wrapped is None else wrapped.value
        if kind is Coroutine:
            return Thread(self, value)
        return Indexable(self, value) if isinstance(value, Userdata) else LuaObject(self, value)

    def to_lua(self, value: Any) -> Any:
        """Return a Python value as Lua sees it.

        Raises:
            LuaError: It belongs to another runtime.
            OverflowError: An integer of more than 64 bits, unless there is a handler of those.
        """
        kind = type(value)
        if kind is int:
            return value if -(2**63) <= value < 2**63 else self.overflow(value)
        if kind is str and self.encoding is not None:
            return self.encode(value)
        if kind is bytes or kind in PLAIN:
            return value
        if isinstance(value, LuaObject):
            if value._lua_converter is not self:
                raise LuaError(b"cannot mix objects from different Lua runtimes")
            return value._lua_value
        if kind is Way:
            return self.wrap(value.value, by_items=value.by_items)
        # Lua knows no subclasses.
        if isinstance(value, int):
            return self.to_lua(int.__int__(value))
        if isinstance(value, float):
            return float.__float__(value)
        if isinstance(value, str) and self.encoding is not None:
            return str.encode(value, self.encoding, "surrogateescape")
        return bytes.__getitem__(value, slice(None)) if isinstance(value, bytes) else self.wrap(value)

    def to_lua_not_nil(self, value: Any) -> Any:
        """Return a Python value as Lua sees it; for None `python.none`, where nil cannot be."""
        return self.none if value is None else self.to_lua(value)

    def overflow(self, value: int) -> Any:
        if self.overflow_handler is None:
            raise OverflowError(f"{value} is no 64-bit integer")
        handled = self.overflow_handler(value)
        if isinstance(handled, int) and not -(2**63) <= handled < 2**63:
            raise OverflowError(f"{handled} is no 64-bit integer either")
        return self.to_lua(handled)

    def set_overflow_handler(self, handler: Any) -> None:
        if handler is not None and not callable(handler):
            raise ValueError("overflow_handler must be callable")
        self.overflow_handler = handler

    def wrap(self, value: Any, *, by_items: bool | None = None) -> PythonObject:
        """Return the userdata of an object."""
        key = (id(value), by_items)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = PythonObject(value, self, by_items)
        return found

    def results(self, values: list[Any]) -> Any:
        """Return no result as None, one as it is, and several as a tuple."""
        if len(values) == 1:
            return self.to_python(values[0])
        return tuple([self.to_python(value) for value in values]) if values else None

    # --- Python's objects, for Lua

    def name_of(self, key: Any) -> Any:
        """Return what Lua calls an attribute, as a str if it is a string."""
        if type(key) is not bytes:
            return self.to_python(key)
        try:
            return key.decode(self.encoding or self.source_encoding)
        except UnicodeDecodeError:
            return key

    def has_items(self, subject: PythonObject) -> bool:
        if subject.by_items is None:
            subject.by_items = hasattr(subject.value, "__getitem__")
        return subject.by_items

    def get(self, subject: PythonObject, key: Any) -> Any:
        """Get an object's item or attribute."""
        if self.getter is not None:
            return self.getter(subject.value, self.name_of(key))
        if self.has_items(subject):
            return subject.value[self.to_python(key)]
        name = self.name_of(key)
        if self.attribute_filter is not None:
            name = self.attribute_filter(subject.value, name, False)
        return getattr(subject.value, name)

    def put(self, subject: PythonObject, key: Any, value: Any) -> None:
        """Set an object's item or attribute."""
        if self.setter is not None:
            self.setter(subject.value, self.name_of(key), value)
        elif self.has_items(subject):
            subject.value[self.to_python(key)] = value
        else:
            name = self.name_of(key)
            if self.attribute_filter is not None:
                name = self.attribute_filter(subject.value, name, True)
            setattr(subject.value, name, value)

    def apply(self, function: Any, args: list[Any]) -> list[Any]:
        """Call a Python object; returns Lua's results."""
        arguments: list[Any] = []
        named: dict[str, Any] = {}
        for value in args:
            converted = self.to_python(value)
            if type(converted) is PythonArguments:
                arguments.extend(converted.positional)
                named.update(converted.named)
            else:
                arguments.append(converted)
        if arguments and type(function) is MethodType and function.__self__ is arguments[0]:
            del arguments[0]  # `object:method()`: the method knows its object
        result = function(*arguments, **named)
        if self.unpacks and isinstance(result, tuple):
            return [self.to_lua(item) for item in result]
        return [self.to_lua(result)]

    def raised(self, error: Exception) -> LuaError:
        """Return what Lua is told of an exception: an error whose value is the exception, or Lua's own error again."""
        if not isinstance(error, LuaError):
            return LuaError(self.wrap(error))
        if error.converter is self:
            return LuaError(error.value)
        if error.converter is not None or isinstance(error.value, str):
            return LuaError(self.encode(str(error)))
        return error

    # --- Lua's values, for Python

    def guarded(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have the machine do something; an error becomes what Python is told of it."""
        try:
            return function(*arguments)
        except LuaError as error:
            failure = self.seen(error)
        raise failure  # here, where no exception is being handled that would become its context

    def call(self, function: Any, arguments: Iterable[Any]) -> Any:
        """Call a Lua value."""
        return self.results(self.guarded(self.vm.call, function, [self.to_lua(value) for value in arguments]))

    def resume(self, coroutine: Coroutine, arguments: Iterable[Any]) -> list[Any]:
        """Go on with a coroutine; returns what it yields or returns at last, as Lua has it."""
        converted = [self.to_lua(value) for value in arguments]
        results: list[Any] = self.guarded(self.vm.call, RESUME, [coroutine, *converted])
        if results[0] is not True:
            raise self.seen(LuaError(results[1]))
        return results[1:]

    def seen(self, error: LuaError) -> BaseException:
        """Return what Python is told of an error: the exception that it is about, or itself."""
        value = error.value
        if type(value) is PythonObject and isinstance(value.value, BaseException):
            return value.value
        error.converter = self
        error.origin = error.place = None  # frames, which nothing is to keep alive any more
        error.payload = self.to_python(value)
        error.args = (self.message(value),)
        return error

    def message(self, value: Any) -> str:
        """Return the text of an error."""
        if type(value) is not bytes:
            if type(value) not in (int, float) and self.vm.metamethod(value, b"__tostring") is None:
                return f"(error object is a {type_name(value).decode()} value)"
            try:
                value = self.vm.tostring(value)
            except LuaError as error:
                return f"(no text of the error object: {error})"
        return value.decode(self.encoding or "utf-8", "backslashreplace")  # type: ignore[no-any-return]
