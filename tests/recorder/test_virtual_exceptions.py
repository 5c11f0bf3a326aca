"""Exceptions that are raised and caught in a trace: not made when nobody looks, and right when somebody does."""

from __future__ import annotations

import array
import sys
import traceback

import pytest

from tests.recorder.recording import agrees, cases, check, recorded


class Return(Exception):
    def __init__(self, value):
        self.value = value


class Break(Exception):
    pass


class WithDefault(Exception):
    value = 7


class WithProperty(Exception):
    @property
    def value(self):
        return self.args[0] * 2


class WithSlots(Exception):
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class WithSuper(Exception):
    def __init__(self, value):
        super().__init__(value, "more")
        self.value = value


class WithNew(Exception):
    def __new__(cls, value):
        made = super().__new__(cls, value)
        made.value = value + 100
        return made


class OfBuiltin(ValueError):
    def __init__(self, value):
        super().__init__("bad", value)
        self.value = value


class WithKeywords(Exception):
    def __init__(self, value, *, level=0, place=None):
        self.value = value + level
        self.place = place


class Own(Exception):
    def __init__(self, value):
        super().__init__(value)
        self.myself = self
        self.value = value


class Fussy(Exception):
    def __setattr__(self, name, value):
        super().__setattr__(name, value + 1 if name == "value" else value)

    def __init__(self, value):
        self.value = value


def give(cls, value):
    raise cls(value)


def leave():
    raise Break


@recorded(3, 4)
def a_returned_value_is_a_jump(a, b):
    """
    ...
    ! call(
    ! push_exc_info
    """
    try:
        give(Return, a)
    except Return as returned:
        return returned.value


@recorded(3, 4)
def a_class_is_raised(a, b):
    """
    ...
    ! call(
    ! push_exc_info
    """
    try:
        leave()
    except Break:
        return a


def end_unless(more):
    if not more:
        raise StopIteration
    return more


@recorded(3, 0)
def the_end_of_an_iterator_has_no_value(a, b):
    """
    ...
    ! call
    ! push_exc_info
    """
    try:
        return end_unless(b)
    except StopIteration as end:
        return a if end.value is None and not end.args else b


@recorded(3, 4)
def arguments_are_taken_one_by_one(a, b):
    """
    ...
    ! call
    ! push_exc_info
    """
    try:
        give(WithSuper, a)
    except WithSuper as error:
        first, _ = error.args
        return first + error.args[0]


@recorded(3, 4)
def the_tuple_of_arguments_is_one(a, b):
    """
    ...
    r7 = call_c_r(r4, 'args') {object_getattr}
    ...
    """
    try:
        give(WithSuper, a)
    except WithSuper as error:
        return (error.args is error.args) + b


@recorded(3, 4)
def handlers_of_others_are_passed(a, b):
    """
    ...
    ! call(
    ! push_exc_info
    """
    try:
        try:
            give(Return, a)
        except Break:
            return b
    except Return as returned:
        return returned.value


HANDLERS = ((1, 5), (7, 9))


def find(place):
    for low, high in HANDLERS:
        if low <= place < high:
            return high
    return None


@recorded(3, 4)
def a_handler_that_calls_what_the_trace_knows(a, b):
    """
    ...
    ! call(
    ! push_exc_info
    """
    try:
        give(Return, a)
    except Return as returned:
        if find(3) is None:
            return b
        return returned.value


@recorded(3, 4)
def a_handler_that_raises_again(a, b):
    """
    ...
    ! call(
    ! push_exc_info
    """
    try:
        try:
            give(Return, a)
        except Return:
            if find(6) is None:
                raise
    except Return as returned:
        return returned.value


@recorded(3, 4)
def a_handler_raises_another(a, b):
    """
    ...
    ! call(
    ! push_exc_info
    """
    try:
        try:
            raise KeyError(a)
        except KeyError as error:
            raise OfBuiltin(b) from error
    except ValueError as error:
        return error.value


@recorded(3, 4)
def keywords_of_the_initializer(a, b):
    """
    ...
    ! call(
    ! push_exc_info
    """
    try:
        raise WithKeywords(a, level=b)
    except WithKeywords as error:
        return error.value


@recorded(3, 0)
def a_division_by_zero(a, b):
    """
    ...
    b3 = int_eq(i2, 0)
    guard_true(b3)
    ...
    ! call
    ! push_exc_info
    """
    try:
        return a // b
    except ZeroDivisionError:
        return a


@recorded(3, [])
def an_index_out_of_bounds(a, b):
    """
    ...
    ! call
    ! push_exc_info
    """
    try:
        return b[a]
    except IndexError:
        return a


@recorded(3, "x")
def a_type_error(a, b):
    """
    ...
    ! call
    ! push_exc_info
    """
    try:
        return a + b
    except TypeError:
        return a


@pytest.mark.parametrize("step", cases(globals()), ids=lambda step: step.__name__)
def test_recorded(step):
    check(step)


# --- looked at ------------------------------------------------------------------------------------------------------------


def _entries(error):
    return [(entry.name, entry.lineno) for entry in traceback.extract_tb(error.__traceback__)]


def traceback_is_looked_at(a, b):
    try:
        give(Return, a)
    except Return as error:
        return len(_entries(error)) + _entries(error)[-1][1] + a % 3


def args_are_read(a, b):
    try:
        give(Return, a)
    except Return as error:
        return error.args[0] + 1


def handled_exception_is_asked_for(a, b):
    try:
        give(Return, a)
    except Return as error:
        return 1 if sys.exception() is error else 2


def context_is_what_is_handled(a, b):
    try:
        try:
            leave()
        except Break:
            give(Return, a)
    except Return as error:
        return (type(error.__context__).__name__, error.value % 5)[1] + (type(error.__context__) is Break)


def kept_and_looked_at_in_a_later_handler(a, b):
    saved = None
    try:
        give(Return, a)
    except Return as error:
        saved = error
    try:
        a.missing
    except AttributeError:
        return saved.value % 7 + (saved.__context__ is None)


def raised_again_and_looked_at(a, b):
    try:
        try:
            give(Return, a)
        except Return:
            if find(6) is None:
                raise
    except Return as error:
        return len(_entries(error)) + _entries(error)[-1][1] + (error.__context__ is None)


def known_calls_then_others(a, b):
    try:
        give(Return, a)
    except Return as error:
        found = find(a % 9)
        return (found or 100) + (sys.exception() is error) + error.value


def asked_for_in_a_callee(a, b):
    try:
        give(Return, a)
    except Return as error:
        return handled_is(error) + a


def handled_is(error):
    found = find(3)
    return found + (sys.exception() is error)


def another_is_handled_in_a_callee(a, b):
    try:
        give(Return, a)
    except Return as error:
        inner = catches_another(b)
        return inner + (sys.exception() is error) + error.value


def catches_another(b):
    try:
        give(Break if find(3) else Return, b)
    except Break as error:
        return 10 * (sys.exception() is error) + isinstance(error.__context__, Return)


def raises_another_in_a_callee(a, b):
    try:
        try:
            give(Return, a)
        except Return:
            give(Return, find(3) + b)
    except Return as error:
        return error.value + error.__context__.value


def a_loop_in_the_handler(a, b):
    total = 0
    try:
        give(Return, a)
    except Return as error:
        for number in (1, 2, 3):
            total += number
        for number in range(a % 4):
            total += number * error.value
    return total + (sys.exception() is None)


def kept_over_a_real_handler(a, b):
    saved = None
    try:
        leave()
    except Break as error:
        saved = error
    try:
        [][a]
    except IndexError:
        give_back = str(saved.__context__)
    return len(give_back) + a % 3


def a_known_list_is_iterated_in_the_handler(a, b):
    total = 0
    numbers = [a % 5, b]
    total += len(str(numbers))
    try:
        give(Return, a)
    except Return as error:
        for number in numbers:
            total += number + (sys.exception() is error)
    return total


def a_key_is_looked_for_in_the_handler(a, b):
    numbers = {3: 4}
    total = len(str(numbers))
    try:
        give(Return, a)
    except Return as error:
        if b in numbers:
            return total
        return sys.exception() is error


def the_exception_is_compared_in_the_handler(a, b):
    try:
        give(Return, a)
    except Return as error:
        return (error == b) + (error != a) + (sys.exception() is error)


def an_object_is_made_in_the_handler(a, b):
    try:
        give(Return, a)
    except Return as error:
        made = Sometimes(a)
        pair = [made, error]
        return pair[0].value + (sys.exception() is pair[1]) + len(pair)


def the_handler_calls_an_initializer_that_branches(a, b):
    try:
        give(Return, a)
    except Return:
        return Sometimes(b + a).value


def raised_twice(a, b):
    error = Return(a)
    for _ in range(2):
        try:
            raise error
        except Return as caught:
            last = caught
    return len(_entries(last)) + (last is error)


def raised_from(a, b):
    try:
        try:
            leave()
        except Break as error:
            raise Return(a) from error
    except Return as error:
        return type(error.__cause__) is Break


def _chain(error):
    if error is None:
        return None
    return (repr(error), _entries(error), _chain(error.__context__), _chain(error.__cause__), error.__suppress_context__)


def chain_of_contexts(a, b):
    try:
        try:
            try:
                leave()
            except Break:
                give(Return, a)
        except Return:
            give(OfBuiltin, b)
    except OfBuiltin as error:
        return len(repr(_chain(error))) + error.value


def chain_of_causes(a, b):
    try:
        try:
            leave()
        except Break as error:
            cause = error
            try:
                give(Return, a)
            except Return:
                raise KeyError(b) from cause
    except KeyError as error:
        return len(repr(_chain(error)))


def raised_from_none(a, b):
    try:
        try:
            leave()
        except Break:
            raise Return(a) from None
    except Return as error:
        return len(repr(_chain(error)))


def raised_from_a_real_one(a, b):
    cause = KeyError(str(b))
    try:
        raise Return(a) from cause
    except Return as error:
        return (error.__cause__ is cause) + len(repr(_chain(error)))


def an_older_one_is_raised_in_a_handler(a, b):
    older = None
    try:
        give(Return, a)
    except Return as error:
        older = error
    try:
        try:
            leave()
        except Break:
            raise older
    except Return as error:
        return len(repr(_chain(error)))


def handled_is_raised_by_a_nested_handler(a, b):
    try:
        try:
            give(Return, a)
        except Return as outer:
            try:
                leave()
            except Break:
                raise outer
    except Return as error:
        return len(repr(_chain(error)))


def raised_again_with_a_cause(a, b):
    try:
        try:
            give(Return, a)
        except Return as error:
            raise error from KeyError(b)
    except Return as error:
        return len(repr(_chain(error)))


def a_nested_handler_looks_at_what_is_handled(a, b):
    try:
        leave()
    except Break:
        try:
            give(Return, a)
        except Return as error:
            inner = sys.exception() is error
        return inner + len(repr(_chain(sys.exception())))


def a_nested_handler_branches(a, b):
    try:
        leave()
    except Break:
        try:
            give(Return, a)
        except Return as error:
            if error.value % 3:
                b += len(repr(_chain(error)))
            return b


def arguments_are_exceptions(a, b):
    try:
        try:
            give(Return, a)
        except Return as error:
            raise OfBuiltin(error)
    except OfBuiltin as error:
        return error.args[1].value + error.value.value + len(repr(_chain(error)))


def arguments_with_and_without_a_name(a, b):
    try:
        raise WithKeywords(a, place=b, level=2)
    except WithKeywords as error:
        return error.value + len(error.args) + error.place + len(repr(_chain(error)))


def wrong_keywords(a, b):
    found = 0
    for cls in (WithKeywords, Return, Break, ValueError):
        try:
            raise cls(a, wrong=b)
        except TypeError as error:
            found += len(str(error))
    return a + found


def it_holds_itself(a, b):
    try:
        give(Own, a)
    except Own as error:
        return error.value + (error.myself is error)


def errors_of_builtins(a, b):
    found = []
    containers = [], (1, 2), "ab", b"ab", bytearray(b"x"), array.array("i", [1]), array.array("d")
    for container in containers:
        for index in (2, -3, a + 10, -a - 10):
            try:
                found.append(container[index])
            except IndexError as error:
                found.append(_chain(error))
    for left, right in ((a, 0), (True, False), (1.5, 0), (a, 0.0), (1 << 70, 0), (1 << 2000, 0.0)):
        try:
            found.append(left // right)
        except ArithmeticError as error:
            found.append(_chain(error))
        try:
            found.append(left / right)
        except ArithmeticError as error:
            found.append(_chain(error))
        try:
            left %= right
        except ArithmeticError as error:
            found.append(_chain(error))
    return len(repr(found))


def errors_of_types(a, b):
    found = []
    for left, right in ((a, "x"), ("x", a), (None, a), (True, "y"), (b"x", "x"), ("x", "x"), (1j, 2)):
        try:
            left -= right
        except TypeError as error:
            found.append(str(error))
        try:
            left += right
        except TypeError as error:
            found.append(str(error))
        try:
            found.append(left // right)
        except TypeError as error:
            found.append(str(error))
    return len(repr(found))


def assigned_out_of_bounds(a, b):
    items = [a]
    try:
        items[b] = 1
    except IndexError as error:
        return len(repr(_chain(error)))


def no_handler_wants_it(a, b):
    try:
        give(Return, a + b)
    except Break:
        return b


def finally_runs_code(a, b):
    try:
        try:
            give(Return, a)
        finally:
            b = len(str(b))
    except Return as error:
        return error.value + b


def made_but_not_raised(a, b):
    made = Return(a)
    return made.value + len(made.args) + (made.__traceback__ is None)


def changed_in_the_handler(a, b):
    try:
        give(Return, a)
    except Return as error:
        error.value = b
        error.more = a
        return error.value + error.more + len(vars(error))


def iterated(a, b):
    try:
        for _ in Return(a):
            pass
    except TypeError as error:
        return len(str(error))


def _with(cls):
    def step(a, b):
        try:
            give(cls, a)
        except Exception as error:  # noqa: BLE001 - several classes
            return error.value + len(error.args)

    step.__name__ = cls.__name__
    return step


def branch_in_the_initializer(a, b):
    class_ = Sometimes
    try:
        raise class_(a)
    except Sometimes as error:
        return error.value


class Sometimes(Exception):
    def __init__(self, value):
        self.value = value
        if value % 3:
            self.value += 1
        else:
            self.value += 5


@pytest.mark.parametrize(
    "step",
    [
        traceback_is_looked_at, args_are_read, handled_exception_is_asked_for, context_is_what_is_handled,
        kept_and_looked_at_in_a_later_handler, kept_over_a_real_handler,
        a_known_list_is_iterated_in_the_handler, a_key_is_looked_for_in_the_handler,
        the_exception_is_compared_in_the_handler, an_object_is_made_in_the_handler,
        the_handler_calls_an_initializer_that_branches, raised_twice, raised_from, no_handler_wants_it, finally_runs_code,
        raised_again_and_looked_at, known_calls_then_others, asked_for_in_a_callee, another_is_handled_in_a_callee,
        raises_another_in_a_callee, a_loop_in_the_handler, made_but_not_raised, changed_in_the_handler, iterated,
        branch_in_the_initializer, chain_of_contexts, chain_of_causes, raised_from_none, raised_from_a_real_one,
        an_older_one_is_raised_in_a_handler, handled_is_raised_by_a_nested_handler, raised_again_with_a_cause,
        a_nested_handler_looks_at_what_is_handled, a_nested_handler_branches, arguments_are_exceptions, it_holds_itself,
        errors_of_builtins, errors_of_types, assigned_out_of_bounds, arguments_with_and_without_a_name, wrong_keywords,
        *map(_with, (WithDefault, WithProperty, WithSlots, WithSuper, WithNew, Fussy, OfBuiltin)),
    ],
    ids=lambda step: step.__name__,
)  # fmt: skip
def test_same_as_plain(step):
    agrees(step, 3, 4)


def test_context_of_the_callers_handler():
    """The trace is recorded while nothing is handled, and entered from a handler."""

    def step(a, b):
        try:
            give(Return, a)
        except Return as error:
            b.append(error.__context__)
            return error.value

    agrees(step, 3, [])
    from tests.recorder.recording import fold

    seen: list[object] = []
    outer = KeyError("outer")
    try:
        raise outer
    except KeyError:
        fold(step, 5, 1, seen)
    assert seen == [outer] * 5
