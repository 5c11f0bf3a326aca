"""Values of the register machine: every one is boxed, and every operation is a method that dispatches on its class."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NoReturn

from metatracer import elidable, promote, value_class

if TYPE_CHECKING:
    from examples.registervm.bytecode import Code


class GuestError(Exception):
    """An error of the guest program, which the guest may catch."""

    def __init__(self, w_value: W_Root) -> None:
        self.w_value = w_value

    def __str__(self) -> str:
        return self.w_value.display()


def fail(message: str) -> NoReturn:
    """Raise a guest error whose value is a string."""
    raise GuestError(W_Str(message))


class W_Root:
    """Base of all values: what they cannot do is a guest error."""

    __slots__ = ()
    type_name = "value"

    def unsupported(self, operation: str) -> NoReturn:
        fail(f"{operation} is not supported by a {self.type_name}")

    def bad_operands(self, operation: str, other: W_Root) -> NoReturn:
        fail(f"{operation} is not supported between a {self.type_name} and a {other.type_name}")

    def display(self) -> str:
        return f"<{self.type_name}>"

    def is_true(self) -> bool:
        return True

    def add(self, other: W_Root) -> W_Root:
        self.bad_operands("add", other)

    def sub(self, other: W_Root) -> W_Root:
        self.bad_operands("sub", other)

    def mul(self, other: W_Root) -> W_Root:
        self.bad_operands("mul", other)

    def div(self, other: W_Root) -> W_Root:
        self.bad_operands("div", other)

    def floordiv(self, other: W_Root) -> W_Root:
        self.bad_operands("floordiv", other)

    def mod(self, other: W_Root) -> W_Root:
        self.bad_operands("mod", other)

    def and_(self, other: W_Root) -> W_Root:
        self.bad_operands("and", other)

    def or_(self, other: W_Root) -> W_Root:
        self.bad_operands("or", other)

    def xor(self, other: W_Root) -> W_Root:
        self.bad_operands("xor", other)

    def shl(self, other: W_Root) -> W_Root:
        self.bad_operands("shl", other)

    def shr(self, other: W_Root) -> W_Root:
        self.bad_operands("shr", other)

    def neg(self) -> W_Root:
        self.unsupported("neg")

    def lt(self, other: W_Root) -> bool:
        self.bad_operands("lt", other)

    def le(self, other: W_Root) -> bool:
        self.bad_operands("le", other)

    def gt(self, other: W_Root) -> bool:
        self.bad_operands("gt", other)

    def ge(self, other: W_Root) -> bool:
        self.bad_operands("ge", other)

    def eq(self, other: W_Root) -> bool:
        return self is other

    def getitem(self, index: W_Root) -> W_Root:
        self.unsupported("getitem")

    def setitem(self, index: W_Root, value: W_Root) -> None:
        self.unsupported("setitem")

    def append(self, value: W_Root) -> None:
        self.unsupported("append")

    def length(self) -> int:
        self.unsupported("len")

    def ord_(self) -> W_Root:
        self.unsupported("ord")

    def chr_(self) -> W_Root:
        self.unsupported("chr")

    def to_float(self) -> W_Root:
        self.unsupported("tofloat")

    def to_int(self) -> W_Root:
        self.unsupported("toint")

    def index(self) -> int:
        """The value as a list index or a size."""
        fail(f"a {self.type_name} is not an index")


def float_of(value: int) -> float:
    """Convert an int, which may be too big for a float."""
    try:
        return float(value)
    except OverflowError:
        fail("int too large for a float")


@value_class
class W_Int(W_Root):
    """An int of any size."""

    _immutable_fields_ = ["value"]
    __slots__ = ("value",)
    type_name = "int"

    def __init__(self, value: int) -> None:
        self.value = value

    def display(self) -> str:
        return str(self.value)

    def is_true(self) -> bool:
        return self.value != 0

    def add(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Int):
            return W_Int(self.value + other.value)
        if isinstance(other, W_Float):
            return W_Float(float_of(self.value) + other.value)
        self.bad_operands("add", other)

    def sub(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Int):
            return W_Int(self.value - other.value)
        if isinstance(other, W_Float):
            return W_Float(float_of(self.value) - other.value)
        self.bad_operands("sub", other)

    def mul(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Int):
            return W_Int(self.value * other.value)
        if isinstance(other, W_Float):
            return W_Float(float_of(self.value) * other.value)
        self.bad_operands("mul", other)

    def div(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Int):
            if other.value == 0:
                fail("division by zero")
            try:
                return W_Float(self.value / other.value)
            except OverflowError:
                fail("division result too large for a float")
        if isinstance(other, W_Float):
            if other.value == 0.0:
                fail("float division by zero")
            return W_Float(float_of(self.value) / other.value)
        self.bad_operands("div", other)

    def floordiv(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Int):
            if other.value == 0:
                fail("division by zero")
            return W_Int(self.value // other.value)
        if isinstance(other, W_Float):
            if other.value == 0.0:
                fail("float division by zero")
            return W_Float(float_of(self.value) // other.value)
        self.bad_operands("floordiv", other)

    def mod(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Int):
            if other.value == 0:
                fail("modulo by zero")
            return W_Int(self.value % other.value)
        if isinstance(other, W_Float):
            if other.value == 0.0:
                fail("float modulo by zero")
            return W_Float(float_of(self.value) % other.value)
        self.bad_operands("mod", other)

    def and_(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Int):
            return W_Int(self.value & other.value)
        self.bad_operands("and", other)

    def or_(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Int):
            return W_Int(self.value | other.value)
        self.bad_operands("or", other)

    def xor(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Int):
            return W_Int(self.value ^ other.value)
        self.bad_operands("xor", other)

    def shl(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Int):
            if other.value < 0:
                fail("negative shift count")
            return W_Int(self.value << other.value)
        self.bad_operands("shl", other)

    def shr(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Int):
            if other.value < 0:
                fail("negative shift count")
            return W_Int(self.value >> other.value)
        self.bad_operands("shr", other)

    def neg(self) -> W_Root:
        return W_Int(-self.value)

    def lt(self, other: W_Root) -> bool:
        if isinstance(other, (W_Int, W_Float)):
            return self.value < other.value
        self.bad_operands("lt", other)

    def le(self, other: W_Root) -> bool:
        if isinstance(other, (W_Int, W_Float)):
            return self.value <= other.value
        self.bad_operands("le", other)

    def gt(self, other: W_Root) -> bool:
        if isinstance(other, (W_Int, W_Float)):
            return self.value > other.value
        self.bad_operands("gt", other)

    def ge(self, other: W_Root) -> bool:
        if isinstance(other, (W_Int, W_Float)):
            return self.value >= other.value
        self.bad_operands("ge", other)

    def eq(self, other: W_Root) -> bool:
        if isinstance(other, (W_Int, W_Float)):
            return self.value == other.value
        return False

    def chr_(self) -> W_Root:
        if 0 <= self.value < 0x110000:
            return W_Str(chr(self.value))
        fail("chr of a number that is no character")

    def to_float(self) -> W_Root:
        return W_Float(float_of(self.value))

    def to_int(self) -> W_Root:
        return W_Int(int(self.value))

    def index(self) -> int:
        return self.value


class W_Bool(W_Int):
    """True or false, which count as 1 and 0 in arithmetic, as in Python."""

    __slots__ = ()
    type_name = "bool"

    def display(self) -> str:
        return "true" if self.value else "false"


W_TRUE = W_Bool(True)
W_FALSE = W_Bool(False)


def w_bool(value: bool) -> W_Bool:
    """Return the boxed truth value."""
    return W_TRUE if value else W_FALSE


class W_None(W_Root):
    """The only value of its class is `W_NONE`."""

    __slots__ = ()
    type_name = "none"

    def display(self) -> str:
        return "none"

    def is_true(self) -> bool:
        return False


W_NONE = W_None()


@value_class
class W_Float(W_Root):
    """A double."""

    _immutable_fields_ = ["value"]
    __slots__ = ("value",)
    type_name = "float"

    def __init__(self, value: float) -> None:
        self.value = value

    def display(self) -> str:
        return repr(self.value)

    def is_true(self) -> bool:
        return self.value != 0.0

    def add(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Float):
            return W_Float(self.value + other.value)
        if isinstance(other, W_Int):
            return W_Float(self.value + float_of(other.value))
        self.bad_operands("add", other)

    def sub(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Float):
            return W_Float(self.value - other.value)
        if isinstance(other, W_Int):
            return W_Float(self.value - float_of(other.value))
        self.bad_operands("sub", other)

    def mul(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Float):
            return W_Float(self.value * other.value)
        if isinstance(other, W_Int):
            return W_Float(self.value * float_of(other.value))
        self.bad_operands("mul", other)

    def divisor(self, other: W_Root, operation: str) -> float:
        if isinstance(other, W_Float):
            value = other.value
        elif isinstance(other, W_Int):
            value = float_of(other.value)
        else:
            self.bad_operands(operation, other)
        if value == 0.0:
            fail(f"float {operation} by zero")
        return value

    def div(self, other: W_Root) -> W_Root:
        return W_Float(self.value / self.divisor(other, "division"))

    def floordiv(self, other: W_Root) -> W_Root:
        return W_Float(self.value // self.divisor(other, "division"))

    def mod(self, other: W_Root) -> W_Root:
        return W_Float(self.value % self.divisor(other, "modulo"))

    def neg(self) -> W_Root:
        return W_Float(-self.value)

    def lt(self, other: W_Root) -> bool:
        if isinstance(other, (W_Float, W_Int)):
            return self.value < other.value
        self.bad_operands("lt", other)

    def le(self, other: W_Root) -> bool:
        if isinstance(other, (W_Float, W_Int)):
            return self.value <= other.value
        self.bad_operands("le", other)

    def gt(self, other: W_Root) -> bool:
        if isinstance(other, (W_Float, W_Int)):
            return self.value > other.value
        self.bad_operands("gt", other)

    def ge(self, other: W_Root) -> bool:
        if isinstance(other, (W_Float, W_Int)):
            return self.value >= other.value
        self.bad_operands("ge", other)

    def eq(self, other: W_Root) -> bool:
        if isinstance(other, (W_Float, W_Int)):
            return self.value == other.value
        return False

    def to_float(self) -> W_Root:
        return self

    def to_int(self) -> W_Root:
        try:
            return W_Int(int(self.value))
        except (OverflowError, ValueError):
            fail("toint of infinity or of no number")


class W_Str(W_Root):
    """A string."""

    _immutable_fields_ = ["value"]
    __slots__ = ("value",)
    type_name = "str"

    def __init__(self, value: str) -> None:
        self.value = value

    def display(self) -> str:
        return self.value

    def is_true(self) -> bool:
        return self.value != ""

    def add(self, other: W_Root) -> W_Root:
        if isinstance(other, W_Str):
            return W_Str(self.value + other.value)
        self.bad_operands("add", other)

    def lt(self, other: W_Root) -> bool:
        if isinstance(other, W_Str):
            return self.value < other.value
        self.bad_operands("lt", other)

    def le(self, other: W_Root) -> bool:
        if isinstance(other, W_Str):
            return self.value <= other.value
        self.bad_operands("le", other)

    def gt(self, other: W_Root) -> bool:
        if isinstance(other, W_Str):
            return self.value > other.value
        self.bad_operands("gt", other)

    def ge(self, other: W_Root) -> bool:
        if isinstance(other, W_Str):
            return self.value >= other.value
        self.bad_operands("ge", other)

    def eq(self, other: W_Root) -> bool:
        return isinstance(other, W_Str) and self.value == other.value

    def getitem(self, index: W_Root) -> W_Root:
        position = index.index()
        if 0 <= position < len(self.value):
            return W_Str(self.value[position])
        fail("string index out of range")

    def length(self) -> int:
        return len(self.value)

    def ord_(self) -> W_Root:
        if len(self.value) == 1:
            return W_Int(ord(self.value))
        fail("ord of a string that is not one character")


class W_List(W_Root):
    """A list of boxed values."""

    _immutable_fields_ = ["items"]
    __slots__ = ("items",)
    type_name = "list"

    def __init__(self, items: list[W_Root]) -> None:
        self.items = items

    def display(self) -> str:
        return "[" + ", ".join([item.display() for item in self.items]) + "]"

    def is_true(self) -> bool:
        return len(self.items) != 0

    def getitem(self, index: W_Root) -> W_Root:
        position = index.index()
        if 0 <= position < len(self.items):
            return self.items[position]
        fail("list index out of range")

    def setitem(self, index: W_Root, value: W_Root) -> None:
        position = index.index()
        if 0 <= position < len(self.items):
            self.items[position] = value
        else:
            fail("list index out of range")

    def append(self, value: W_Root) -> None:
        self.items.append(value)

    def length(self) -> int:
        return len(self.items)


class W_Array(W_Root):
    """A fixed-size array of unboxed doubles."""

    _immutable_fields_ = ["items"]
    __slots__ = ("items",)
    type_name = "array"

    def __init__(self, size: int) -> None:
        self.items = array("d", bytes(8 * size))

    def display(self) -> str:
        return "array[" + ", ".join([repr(item) for item in self.items]) + "]"

    def getitem(self, index: W_Root) -> W_Root:
        position = index.index()
        if 0 <= position < len(self.items):
            return W_Float(self.items[position])
        fail("array index out of range")

    def setitem(self, index: W_Root, value: W_Root) -> None:
        position = index.index()
        if not 0 <= position < len(self.items):
            fail("array index out of range")
        if isinstance(value, W_Float):
            self.items[position] = value.value
        elif isinstance(value, W_Int):
            self.items[position] = float_of(value.value)
        else:
            fail(f"an array cannot hold a {value.type_name}")

    def length(self) -> int:
        return len(self.items)


class W_Class(W_Root):
    """A guest class: the positions of its fields and its methods, fixed by the assembler."""

    _immutable_fields_ = ["name", "fields", "methods"]
    __slots__ = ("fields", "methods", "name")
    type_name = "class"

    def __init__(self, name: str, fields: dict[str, int], methods: dict[str, Code]) -> None:
        self.name = name
        self.fields = fields
        self.methods = methods

    @elidable
    def find_field(self, name: str) -> int:
        """Return the field's position in an object, or -1."""
        return self.fields.get(name, -1)

    @elidable
    def find_method(self, name: str) -> Code | None:
        """Return the method's code, or None."""
        return self.methods.get(name)


class W_Object(W_Root):
    """An instance of a guest class."""

    _immutable_fields_ = ["cls", "storage"]
    __slots__ = ("cls", "storage")
    type_name = "object"

    def __init__(self, cls: W_Class) -> None:
        self.cls = cls
        self.storage: list[W_Root] = [W_NONE] * len(cls.fields)

    def display(self) -> str:
        return f"<{self.cls.name} object>"

    def getfield(self, name: str) -> W_Root:
        position = promote(self.cls).find_field(name)
        if position < 0:
            fail(f"a {self.cls.name} has no field {name}")
        return self.storage[position]

    def setfield(self, name: str, value: W_Root) -> None:
        position = promote(self.cls).find_field(name)
        if position < 0:
            fail(f"a {self.cls.name} has no field {name}")
        self.storage[position] = value

    def find_method(self, name: str) -> Code:
        code = promote(self.cls).find_method(name)
        if code is None:
            fail(f"a {self.cls.name} has no method {name}")
        return code
