"""Machine arithmetic for interpreters: 64-bit wrap-around, unsigned numbers, overflow checks.

In the interpreter these are ordinary functions on Python ints. In a trace `intmask(a + b)` is one wrapping addition
without a guard, and `ovfcheck(a + b)` an addition whose overflow guard raises.

`r_uint` is a class of its own, as in RPython, so that `/`, `>>` and `<` mean the unsigned ones by the type of the
operand. It keeps the 64 bits as a *signed* int in a slot: a value above 2**63 would not fit a machine register as a
Python int, the signed pattern always does. Its operators are plain Python that the recorder looks into; the objects
between two operations do not exist in a trace.
"""

from __future__ import annotations

from operator import index

LONG_BIT = 64
LONG_MAX = (1 << (LONG_BIT - 1)) - 1
LONG_MIN = -LONG_MAX - 1
_MODULUS = 1 << LONG_BIT
_MASK = _MODULUS - 1


def intmask(n: object) -> int:
    """The signed 64-bit number with the low 64 bits of `n`.

    Args:
        n: An int, a bool or anything else with `__index__`; or an r_uint.

    Raises:
        TypeError: For a float: truncate it with `int` first.
    """
    if type(n) is not int:
        n = n.bits if isinstance(n, r_uint) else int(index(n))  # type: ignore[arg-type]
    if LONG_MIN <= n <= LONG_MAX:
        return n
    n &= _MASK
    return n - _MODULUS if n > LONG_MAX else n


def ovfcheck(n: int) -> int:
    """`n` itself.

    Raises:
        OverflowError: When it is no signed 64-bit number.
    """
    if LONG_MIN <= n <= LONG_MAX:
        return n
    raise OverflowError("signed 64-bit integer overflow")


class r_uint:  # noqa: N801 - the name authors know from RPython
    """An unsigned 64-bit number; arithmetic wraps around.

    The other operand may be an r_uint or an int (its low 64 bits are taken). `int(x)` gives the number as a Python
    int. Immutable by agreement: `bits` is never assigned after the constructor.

    Attributes:
        bits: The same 64 bits as a signed number.
    """

    __slots__ = ("bits",)
    _immutable_fields_ = ("bits",)

    def __init__(self, value: object = 0) -> None:
        self.bits: int = intmask(value)

    def __int__(self) -> int:
        bits = self.bits
        return bits if bits >= 0 else bits + _MODULUS

    __index__ = __int__

    def __float__(self) -> float:
        return float(int(self))

    def __bool__(self) -> bool:
        return self.bits != 0

    def __hash__(self) -> int:
        return hash(int(self))

    def __repr__(self) -> str:
        return f"r_uint({int(self)})"

    def __str__(self) -> str:
        return str(int(self))

    def __add__(self, other: object) -> r_uint:
        return r_uint(self.bits + intmask(other))

    __radd__ = __add__

    def __sub__(self, other: object) -> r_uint:
        return r_uint(self.bits - intmask(other))

    def __rsub__(self, other: object) -> r_uint:
        return r_uint(intmask(other) - self.bits)

    def __mul__(self, other: object) -> r_uint:
        return r_uint(self.bits * intmask(other))

    __rmul__ = __mul__

    def __floordiv__(self, other: object) -> r_uint:
        return r_uint(int(self) // int(r_uint(other)))

    def __rfloordiv__(self, other: object) -> r_uint:
        return r_uint(other) // self

    def __mod__(self, other: object) -> r_uint:
        return r_uint(int(self) % int(r_uint(other)))

    def __rmod__(self, other: object) -> r_uint:
        return r_uint(other) % self

    def __and__(self, other: object) -> r_uint:
        return r_uint(self.bits & intmask(other))

    __rand__ = __and__

    def __or__(self, other: object) -> r_uint:
        return r_uint(self.bits | intmask(other))

    __ror__ = __or__

    def __xor__(self, other: object) -> r_uint:
        return r_uint(self.bits ^ intmask(other))

    __rxor__ = __xor__

    def __lshift__(self, count: object) -> r_uint:
        return r_uint(self.bits << _shift_count(count))

    def __rshift__(self, count: object) -> r_uint:
        places = _shift_count(count)
        if places == 0:
            return r_uint(self.bits)
        # The sign bit's copies that an arithmetic shift brings in are cut off again: zeros come in from the left.
        return r_uint((self.bits >> places) & (LONG_MAX >> (places - 1)))

    def __invert__(self) -> r_uint:
        return r_uint(~self.bits)

    def __neg__(self) -> r_uint:
        return r_uint(-self.bits)

    def __pos__(self) -> r_uint:
        return self

    def __eq__(self, other: object) -> bool:
        if isinstance(other, r_uint):
            return self.bits == other.bits
        return int(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    # Ordering is that of the numbers: flipping the top bit turns it into the signed one.
    def __lt__(self, other: object) -> bool:
        return self.bits ^ LONG_MIN < intmask(other) ^ LONG_MIN

    def __le__(self, other: object) -> bool:
        return self.bits ^ LONG_MIN <= intmask(other) ^ LONG_MIN

    def __gt__(self, other: object) -> bool:
        return self.bits ^ LONG_MIN > intmask(other) ^ LONG_MIN

    def __ge__(self, other: object) -> bool:
        return self.bits ^ LONG_MIN >= intmask(other) ^ LONG_MIN


def _shift_count(count: object) -> int:
    places = intmask(count)
    if not 0 <= places < LONG_BIT:
        raise ValueError(f"the shift count of an r_uint must be from 0 to {LONG_BIT - 1}, not {places}")
    return places


def r_longlong(n: object) -> int:
    """A signed 64-bit number: on the supported platforms the same as `intmask`."""
    return intmask(n)
