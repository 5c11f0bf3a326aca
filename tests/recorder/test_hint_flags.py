"""`hint(x, flag=True)`: is `x` in a trace, promoted where a flag says so."""

from __future__ import annotations

import pytest

from metatracer import hint, parameters
from metatracer.errors import UsageError
from tests.recorder.recording import agrees, cases, check, fold, plain, record, recorded


@recorded(5, 7)
def a_promoting_flag_promotes(a, b):
    """
    ...
    i2 = int_unbox(r1)
    guard_int_value(i2) {7}
    ...
    ! call
    """
    return hint(b, promote=True) + a - 7


@recorded(5, 7)
def a_flag_that_is_false_does_nothing(a, b):
    """
    ...
    i4 = int_add_ovf(i2, i3)
    ...
    ! guard_int_value
    ! call
    """
    return a + hint(b, promote=False, promote_string=False)


@recorded(5, [1, 2])
def flags_of_virtualizables_are_remarks(a, b):
    """
    guard_type(r1) {list}
    ...
    ! call
    """
    b = hint(b, access_directly=True, fresh_virtualizable=True)
    return len(hint(b, force_virtualizable=True))


@pytest.mark.parametrize("step", cases(globals()), ids=lambda step: step.__name__)
def test_recorded(step):
    check(step)


def unknown_flag(a, b):
    return hint(a, promoted=True)


def flag_of_data(a, b):
    return hint(a, promote=bool(a & 1)) + b


def test_an_unknown_flag_is_a_mistake():
    with pytest.raises(UsageError, match="no flag 'promoted'"):
        plain(unknown_flag, 3, 1, 2)
    with pytest.raises(UsageError, match="no flag 'promoted'"), parameters(threshold=1):
        fold(unknown_flag, 3, 1, 2)


def test_a_flag_that_is_not_constant_is_left_to_the_function():
    assert "guard_int_value" not in record(flag_of_data, 1, 2).names
    agrees(flag_of_data, 3, 4)
