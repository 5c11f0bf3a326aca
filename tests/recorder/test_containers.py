"""Lists, tuples, dicts, strings, buffers; iterators, which exist in the trace only; comprehensions."""

from __future__ import annotations

import array
import enum
from typing import NamedTuple

import pytest

from metatracer import parameters
from tests.recorder.recording import agrees, cases, check, fold, outcome, plain, record, recorded

BUFFERS = [bytearray(b"abc"), b"xyz", array.array("q", [5, 6, 7]), array.array("d", [0.5, 1.5])]


@recorded(1, [4, 5])
def lists_in_a_row(a, b):
    """
    guard_type(r1) {list}
    r2 = call_c_r(r1, r1) {list_concat}
    ...
    ! number_add
    """
    twice, items = b + b, [a]
    return (items + [a, 2] + items)[1] + len(twice) - 4  # noqa: RUF005


class Line:
    def __init__(self, *tokens):
        self.tokens = tokens


PROGRAM = [Line("add", 5)]
DATA = {"pair": (1, 2)}


@recorded(1, 2)
def tuple_of_the_program(a, b):
    """
    ...
    r2 = getfield(LINE) {Line.tokens inline:0}
    ...
    guard_value(r2) {<tuple>}
    ...
    i3 = int_unbox(r0)
    i4 = int_add_ovf(i3, 5)
    ...
    ! tuple_
    """
    tokens = LINE.tokens
    return a + tokens[1] if tokens[0].upper() == "ADD" else b


LINE = PROGRAM[0]


@recorded(1, 2)
def text_of_the_program(a, b):
    """
    ...
    r5 = list_getitem(r2, 0)
    guard_type(r5) {str}
    b6 = str_eq(r5, 'Add x')
    guard_true(b6)
    ...
    ! call
    ! str_len
    """
    op = WORDS.words[0]
    if op[0] == "A" and op[1:3].upper() == "DD" and "x" in op and f"{op}!" == "Add x!":
        return a + 1
    return b


class Words:
    def __init__(self, words):
        self.words = words


WORDS = Words(["Add x", "other"])


@recorded("b", 2)
def text_that_is_data(a, b):
    """
    guard_type(r0) {str}
    r2 = call(upper, r0)
    ...
    ! str_eq
    """
    return a.upper().lower()


@recorded(1, 2)
def text_seen_by_a_pure_function(a, b):
    """
    ...
    ! getfield
    ! guard_not_invalidated
    """
    line = Line("x", a)
    b = len(str(b).strip())
    return line.tokens[1] + b


@recorded("b", b"bc")
def text_in_text(a, b):
    """
    guard_type(r0) {str}
    i2 = call_c_i('abc', r0) {text_contains}
    ...
    ! call(
    """
    return str((a in "abc") + ("c" not in "abc") + (b in b"abc") + (b"d" in b"abc"))


@recorded(1, 2)
def formats_of_numbers(a, b):
    """
    ...
    ! {number_remainder}
    ! guard_not_invalidated
    """
    return len(b"%d" % a + b"%5.2f" % a) + len("%x" % b) + len("%s" % b)  # noqa: UP031


@recorded(1, 2)
def list_repeated_no_times(a, b):
    """
    ...
    ! number_multiply
    """
    none, less = [a, b] * 0, [b] * -2
    none.append(a)
    return len(none) + len(less)


@recorded(1, [5, 6, 7])
def list_read(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {list}
    i3 = list_len(r1)
    b4 = uint_lt(i2, i3)
    guard_true(b4)
    r5 = list_getitem(r1, i2)
    jump(r5, r1)
    """
    return b[a]


@recorded(1, [5, 6, 7])
def list_read_from_the_end(a, b):
    """
    guard_type(r1) {list}
    ...
    ! object_getitem
    ! call
    """
    return b[-1] - 6


@recorded(1, [5, 6, 7])
def list_bound_is_checked_once_for_smaller_constant_indices(a, b):
    """
    guard_type(r1) {list}
    i2 = list_len(r1)
    b3 = uint_lt(2, i2)
    guard_true(b3)
    r4 = list_getitem(r1, 2)
    r5 = list_getitem(r1, 0)
    list_setitem(r1, 1, r4)
    guard_type(r5) {int}
    i6 = int_unbox(r5)
    i7 = int_add_ovf(i6, i6)
    guard_type(r4) {int}
    i8 = int_unbox(r4)
    i9 = int_sub_ovf(i7, i8)
    i10 = int_add_ovf(i9, i8)
    r11 = int_box(i10)
    jump(r11, r1)
    """
    x = b[2]
    y = b[0]
    b[1] = x
    return y + b[0] - x + b[2]


@recorded(1, [5, 6, 7])
def list_bound_is_checked_again_for_a_larger_index(a, b):
    """
    guard_type(r1) {list}
    i2 = list_len(r1)
    b3 = uint_lt(0, i2)
    guard_true(b3)
    r4 = list_getitem(r1, 0)
    i5 = list_len(r1)
    b6 = uint_lt(2, i5)
    guard_true(b6)
    ...
    """
    return b[0] - b[2]


@recorded(1, [5, 6, 7])
def list_bound_is_checked_again_when_a_list_has_become_shorter(a, b):
    """
    ...
    r7 = list_pop(r1)
    i8 = list_len(r1)
    b9 = uint_lt(1, i8)
    guard_true(b9)
    r10 = list_getitem(r1, 1)
    ...
    """
    x = b[1]
    y = b.pop()
    x += b[1]
    b.append(y)
    return x


@recorded([1, 2, 3], [5, 6, 7])
def store_at_one_index_forgets_what_other_lists_have_there_alone(a, b):
    """
    ...
    list_setitem(r0, 1, r4)
    ...
    r13 = list_getitem(r1, 1)
    guard_type(r13) {int}
    i14 = int_unbox(r13)
    i15 = int_add_ovf(i12, i14)
    i16 = int_sub_ovf(i15, i10)
    ...
    """
    x, y = b[0], b[1]
    a[1] = x
    return x - y + b[1] - b[0]


@recorded(1, [5, 6, 7])
def a_list_that_the_trace_makes_is_none_that_was_there_before(a, b):
    """
    ...
    list_setitem(r2, 1, r5)
    guard_type(r5) {int}
    i11 = int_unbox(r5)
    guard_type(r8) {int}
    i12 = int_unbox(r8)
    i13 = int_sub_ovf(i11, i12)
    i14 = int_add_ovf(i13, i12)
    ...
    """
    c = [0, 0, 0]
    x, y = b[0], b[1]
    d = c if a else b
    d[1] = x
    return x - y + b[1] - b[0]


@recorded(1, [5, 6, 7])
def a_list_that_was_there_before_is_none_that_the_trace_makes(a, b):
    """
    guard_type(r1) {list}
    i2 = list_len(r1)
    b3 = int_le(2, i2)
    guard_true(b3)
    i4 = int_add(-2, i2)
    r5 = list_getitem(r1, i4)
    i6 = int_add(-1, i2)
    r7 = list_getitem(r1, i6)
    r8 = new_list(r5, r7)
    i9 = list_len(r1)
    b10 = int_le(2, i9)
    guard_true(b10)
    r11 = list_pop(r1)
    r12 = list_pop(r1)
    list_append(r1, r0)
    guard_type(r5) {int}
    i13 = int_unbox(r5)
    i14 = int_add_ovf(0, i13)
    guard_type(r7) {int}
    i15 = int_unbox(r7)
    i16 = int_add_ovf(i14, i15)
    ...
    """
    c = b[-2:]
    del b[-2:]
    b.append(a)
    return sum(c)


@recorded(1, [5])
def class_in_a_tuple_of_classes(a, b):
    """
    guard_type(r0) {int}
    ...
    ! contains
    ! call(
    """
    return a + 1 if type(a) in (float, int) and type(a) not in (bytes, float) else b


class NoisyMeta(type):
    def __eq__(cls, other):
        return False

    __hash__ = type.__hash__


class Noisy(metaclass=NoisyMeta):
    pass


@recorded(1, [5])
def class_in_a_tuple_with_a_metaclass_of_its_own(a, b):
    """
    ...
    r2 = call(contains, <tuple>, int)
    ...
    """
    return a + 1 if type(a) in (Noisy, bytes) else a


@recorded(1, [5])
def items_of_a_list_that_is_made_are_known(a, b):
    """
    r2 = new_list(r0)
    list_append(r2, &7)
    ...
    ! list_len
    ! list_getitem
    """
    c = [a]
    c.append(7)
    return c[0] + c[-1] + len(c)


@recorded(1, [5, 6, 7])
def append_to_a_list_that_may_be_another_forgets_its_length(a, b):
    """
    r2 = new_list(r0)
    ...
    list_append(r8, &7)
    i9 = list_len(r2)
    ...
    """
    c = [a]
    b[a] = c
    b[a].append(7)
    return len(c)


@recorded(1, [5, 6, 7])
def pop_forgets_items_and_lengths(a, b):
    """
    ...
    r11 = list_pop(r8)
    i12 = list_len(r2)
    ...
    r15 = list_getitem(r2, 0)
    ...
    """
    c = [a, a]
    b[a] = c
    b[a].pop()
    return len(c) + c[0]


@recorded(1, [5])
def repeated_items_are_known(a, b):
    """
    r2 = new_list(r0)
    r3 = new_list(r0, r0, r0)
    ...
    ! list_len
    ! list_getitem
    """
    c = [a] * 3
    c[1] = a + 1
    return c[0] + c[1] + len(c)


@recorded(1, [5, 6, 7])
def list_write(a, b):
    """
    ...
    ! object_setitem
    """
    b[a] = a
    return a


@recorded(1, [5, 6, 7])
def list_append_and_pop(a, b):
    """
    guard_type(r1) {list}
    ...
    ! object_getattr
    """
    b.append(a)
    return b.pop()


@recorded(1, (5, 1))
def tuple_unpacking(a, b):
    """
    guard_type(r1) {tuple}
    i2 = tuple_len(r1)
    guard_int_value(i2) {2}
    r3 = tuple_getitem(r1, 0)
    r4 = tuple_getitem(r1, 1)
    guard_type(r3) {int}
    i5 = int_unbox(r3)
    guard_type(r4) {int}
    i6 = int_unbox(r4)
    i7 = int_mul_ovf(i5, i6)
    guard_type(r0) {int}
    i8 = int_unbox(r0)
    i9 = int_add_ovf(i8, i7)
    i10 = int_sub_ovf(i9, 5)
    r11 = int_box(i10)
    jump(r11, r1)
    """
    x, y = b
    return a + x * y - 5


@recorded(1, (5, 1))
def tuple_items_are_read_and_checked_once(a, b):
    """
    guard_type(r1) {tuple}
    i2 = tuple_len(r1)
    b3 = uint_lt(1, i2)
    guard_true(b3)
    r4 = tuple_getitem(r1, 1)
    r5 = tuple_getitem(r1, 0)
    guard_type(r5) {int}
    i6 = int_unbox(r5)
    guard_type(r4) {int}
    i7 = int_unbox(r4)
    i8 = int_sub_ovf(i6, i7)
    i9 = int_sub_ovf(i8, i7)
    i10 = int_add_ovf(i9, i2)
    r11 = int_box(i10)
    jump(r11, r1)
    """
    x = b[1]
    return b[0] - x - b[1] + len(b)


@recorded((1, 2), 3)
def tuples_made(a, b):
    """
    guard_type(r0) {tuple}
    i2 = tuple_len(r0)
    guard_int_value(i2) {2}
    r3 = tuple_getitem(r0, 0)
    r4 = tuple_getitem(r0, 1)
    r5 = new_tuple(r4, r3)
    jump(r5, r1)
    """
    x, y = a
    return (y, x)


@recorded(2, b"hello")
def a_slice_of_bytes(a, b):
    """
    guard_type(r1) {bytes}
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    r3 = call_c_r(r1, i2, 9223372036854775807) {bytes_slice}
    guard_no_exception(r3)
    i4 = bytes_len(r3)
    r5 = int_box(i4)
    jump(r5, r1)
    """
    return len(b[a:])


@recorded(2, [1, 2, 3])
def a_slice_of_a_list_ends_nothing_that_is_known(a, b):
    """
    ...
    r4 = list_getitem(r1, 0)
    r5 = call_c_r(r1, 0, -1) {list_slice}
    guard_no_exception(r5)
    r6 = new_tuple(r4, r5, r4)
    jump(r6, r1)
    """
    x = b[0]
    rest = b[:-1]
    return x, rest, b[0]


@recorded(2, 3)
def a_slice_of_known_items(a, b):
    """
    r2 = new_list(r0, r1, r1)
    r3 = new_list(r1, r1)
    ...
    ! call_c_r
    """
    return [a, b, b][1:]


@recorded("x", {"x": "y", "y": "x"})
def dict_read(a, b):
    """
    guard_type(r1) {dict}
    guard_type(r0) {str}
    r2 = call_c_r(r1, r0) {dict_find}
    guard_no_exception(r2)
    guard_nonnull(r2)
    jump(r2, r1)
    """
    return b[a]


@recorded(1, {"count": 1, "total": 5})
def dict_items_with_constant_names(a, b):
    """
    guard_type(r1) {dict}
    guard_dict_field(r1) {dict['count'] item:3}
    r2 = getfield(r1) {dict['count'] item:3}
    ...
    setfield(r1, r6) {dict['count'] item:3}
    guard_dict_field(r1) {dict['total'] item:259}
    ...
    ! call
    """
    b["count"] = b["count"] + a
    return b.get("total") - 4 if "total" in b else 0


class Named:
    def __init__(self, name):
        self.name = name


@recorded(Named("x"), {"x": 1})
def dict_item_named_by_an_attribute(a, b):
    """
    ...
    b3 = str_eq(r2, 'x')
    guard_true(b3)
    guard_dict_field(r1) {dict['x'] item:3}
    jump(r0, r1)
    """
    return a if a.name in b else None


class Kind(enum.IntEnum):
    ADD = 1
    SUB = 2


class Instruction(NamedTuple):
    kind: Kind
    count: int


@recorded(1, Instruction(Kind.SUB, 1))
def an_instruction_that_is_a_named_tuple(a, b):
    """
    ...
    i5 = int_of_subclass(r3)
    b6 = int_eq(i5, 1)
    ...
    ! call
    ! call_c_r
    """
    kind, count = b
    if kind == Kind.ADD:
        return a + count
    if kind == Kind.SUB:
        return a - count + len(b) - 1
    return b[1]


@recorded(1, 2)
def an_instruction_that_is_made(a, b):
    """
    r2 = new_tuple(<Kind>, r1)
    r3 = new_named_tuple(<Kind>, r1) {Instruction}
    ...
    ! tuple_getitem
    ! tuple_len
    ! call
    """
    made = Instruction(Kind.ADD, b)
    return made.count + a + len(made)


@recorded(1, 2)
def a_named_tuple_with_another_item(a, b):
    """
    ...
    r3 = new_named_tuple(<Kind>, r1) {Instruction}
    r4 = new_named_tuple(<Kind>, r0) {Instruction}
    ...
    ! tuple_getitem
    ! call
    """
    return Instruction(Kind.ADD, b)._replace(count=a).count + b


@recorded(1, 2)
def tuples_put_together(a, b):
    """
    ...
    r4 = new_tuple(r0, r1)
    ...
    ! call_c_r
    """
    one, other = (a,), (b,)
    return len(one + other) + a


@recorded(1, (2, 3))
def a_tuple_of_another_ones_items_and_one_more(a, b):
    """
    ...
    r6 = new_tuple(r4, r5, r0)
    ...
    ! call
    """
    longer = (*b, a)
    return longer[0] + longer[2] + len(longer)


@recorded(1, [2, 3])
def a_dict_that_is_written_out_for_one_item(a, b):
    """
    ...
    ! call
    ! call_c_r
    """
    return {"+": a + 1, "-": a - 1}["-"] + {int: 1, list: 2}[type(b)]


@recorded(6, 3)
def a_dict_with_a_name_asked_for_an_item_that_is_worked_out(a, b):
    """
    ...
    guard_int_value(i9) {2}
    ...
    guard_int_value(i19) {3}
    ...
    ! call
    ! call_c_r
    """
    table = {2: lambda: a + b, 3: lambda: a - b}
    other = {3: lambda: b, 5: None}
    return table[a & 3]() + (other.get(b & 7, int)() if b in other else 0)


@recorded(6, 3)
def a_dict_that_is_read_again_is_made(a, b):
    """
    ...
    r8 = call_c_r(r2, r7) {dict_find}
    ...
    """
    table = {2: a, 3: b}
    return table[a & 3] + table[b & 3]


@recorded("x", {"x": 1})
def dict_write(a, b):
    """
    ...
    ! object_setitem
    """
    b[a] = 2
    return a


@recorded(1, bytearray(b"\1\2\3"))
def bytearray_access(a, b):
    """
    ...
    guard_type(r1) {bytearray}
    ...
    ! object_getitem
    ! object_setitem
    """
    b[0] = b[a] & 1
    return b[0] + 1


@recorded(1, array.array("q", [5, 1, 7]))
def array_access(a, b):
    """
    ...
    i3 = array_len(r1)
    ...
    ! object_getitem
    ! object_setitem
    """
    b[0] = b[a]
    return b[0]


@recorded(1, b"\0\1\2")
def bytes_access(a, b):
    """
    ...
    guard_type(r1) {bytes}
    ...
    ! object_getitem
    """
    return b[a]


@recorded(0, [5, 6])
def list_iterator(a, b):
    """
    guard_type(r1) {list}
    i2 = list_len(r1)
    b3 = int_lt(0, i2)
    guard_true(b3)
    ...
    ! call
    """
    a = 0
    for x in b:
        a += x
    return a


@recorded(0, (5, 6))
def tuple_iterator(a, b):
    """
    guard_type(r1) {tuple}
    ...
    ! call
    """
    a = 0
    for x in b:
        a += x
    return a


@recorded(0, 3)
def range_iterator(a, b):
    """
    ...
    ! call
    """
    a = 0
    for x in range(b):
        a += x
    return a


@recorded(0, [5, 6])
def enumerate_and_zip(a, b):
    """
    ...
    ! call
    """
    a = 0
    for i, x in enumerate(b):
        a += i * x
    for x, y in zip(b, (1, 2)):
        a -= x * y
    return a


@recorded(0, [5, 6])
def comprehension(a, b):
    """
    ...
    ! call
    """
    return [x + 1 for x in b][0] - 6 + a


@pytest.mark.parametrize("step", cases(globals()), ids=lambda step: step.__name__)
def test_recorded(step):
    check(step)


def _out_of_range(a, b):
    try:
        return b[a] + a
    except IndexError as error:
        return len(str(error)) % 2


def _missing_key(a, b):
    try:
        return b[a % 3]
    except KeyError as error:
        b[error.args[0]] = a + 7
        return a + 1


def _slices(a, b):
    b[1:2] = [a, a]
    del b[0]
    return a + len(b[:2]) + sum(b[::2]) % 5


def _unpacking(a, b):
    first, *rest = b
    b[:] = [*rest, first]
    return (a + first + len([*b, *rest])) % 1000


def _unpack_error(a, b):
    try:
        x, y = b[: a % 4]
    except ValueError as error:
        return a + len(str(error)) % 2 + 1
    return a + x + y


def _grows_while_iterated(a, b):
    for x in b:
        if len(b) < 12:
            b.append(x + 1)
    return a + len(b)


def _left_early(a, b):
    for i, x in enumerate(b):
        if x > a % 9:
            break
    else:
        i = 100
    return a + i % 7


def _dict_iteration(a, b):
    total = 0
    for key, value in b.items():
        total += value * len(key)
    return (a + total + len(b.keys() | {"q"}) + max(b.values())) % 1009


def _changes_size(a, b):
    try:
        for key in b:
            b[key + str(a)] = 1
    except RuntimeError:
        b.clear()
        b["k"] = 1
        return a + 1
    return a


def _sets(a, b):
    seen = {a, b}
    seen.add(a + 1)
    return a + len(seen) + (b in seen)


def _buffers(a, b):
    data, text, integers, floats = b
    data[a % 3] = (a + text[a % 3]) % 256
    integers[a % 3] += data[0]
    floats[1] += 0.5
    return a + data[1] + integers[2] % 3 + int(floats[1]) % 2


def _bad_byte(a, b):
    try:
        b[0] = a
    except ValueError:
        return 0
    return a + 100


def _comprehensions(a, b):
    squares = {x: x * x for x in b}
    pairs = [(x, y) for x in b for y in range(2) if (x + y) % 2]
    return a + len(pairs) + sum(squares.values()) % 7 + len({x % 2 for x in b}) + next(x for x in b if x)


def _format(a, b):
    b[0] = f"{a:>4}|{a!r}|{b[1]:.2f}"
    return a + len(b[0])


def _other_sequences(a, b):
    x = b[a % len(b)]
    return a + len(x) + (x[0] == "a")


def _shrinks(a, b):
    x = b[2] + b[1]
    del b[1:]
    try:
        x += b[2]
    except IndexError:
        b.extend((x % 7, a % 5))
    return x


def _shrinks_by_alias(a, b):
    c = [b, b]
    x = b[2] + b[0]
    c[a % 2].pop()
    try:
        x += b[2]
    except IndexError:
        b.append(x % 9)
    return x


@pytest.mark.parametrize(
    ("step", "a", "b"),
    [
        (_out_of_range, 0, [1, 2, 3]),
        (_out_of_range, 0, (1, 2, 3)),
        (_missing_key, 0, {}),
        (_slices, 0, [1, 2, 3]),
        (_unpacking, 0, [1, 2, 3]),
        (_unpack_error, 0, [1, 2, 3]),
        (_grows_while_iterated, 0, [1]),
        (_left_early, 0, [1, 3, 5, 7]),
        (_left_early, 0, (1, 3, 5, 7)),
        (_left_early, 0, range(1, 8, 3)),
        (_dict_iteration, 0, {"a": 1, "bb": 2}),
        (_sets, 0, 5),
        (_buffers, 0, BUFFERS),
        (_bad_byte, 0, bytearray(b"x")),
        (_comprehensions, 0, [3, 4, 5]),
        (_format, 0, ["", 1.5]),
        (_other_sequences, 0, ["abc", b"abc", [1, 2], ("a",), bytearray(b"a")]),
        (lambda a, b: b[a], 0, [1, 2, 3]),
        (lambda a, b: b["x"], 0, {}),
        (lambda a, b: (a + 1) if a in b else (a + 2), 0, [4, 5, 6]),
        (lambda a, b: [*b, a][-4:], 0, [4, 5, 6]),
        (lambda a, b: (*b, a, *b), 0, (4, 5, 6)),
        (lambda a, b: (*b, a), 0, list(range(20))),
        (lambda a, b: (a, *"xy", *{b: 1}), 0, 5),
        (lambda a, b: max(*b, a, *(a, b[0])), 7, (4, 5)),
        (_shrinks, 0, [4, 5, 6]),
        (_shrinks_by_alias, 0, [4, 5, 6]),
        (lambda a, b: a + len(list(reversed(b))) + any(b) + sum(range(3)), 0, [4, 5, 6]),
    ],
)
def test_same_as_plain(step, a, b):
    agrees(step, a, b)


def test_errors_of_iterators_end_a_recording_and_are_the_guests():
    recording = record(_changes_size, 0, {"a": 1})
    assert recording.aborted.detail == "builtin_next raised RuntimeError"
    assert isinstance(recording.ended.exception, RuntimeError)
    with parameters(threshold=1, function_threshold=1):
        assert outcome(fold, _changes_size, 40, 0, {"a": 1}) == outcome(plain, _changes_size, 40, 0, {"a": 1})


def test_iterators_that_escape_are_made():
    recording = record(lambda a, b: list(iter(b))[0] + a, 0, [1, 2])
    assert recording.result == 1
    assert "call" in recording.names
