"""Sorting: what `table.sort` does with the values that it has taken out of the table.

The loop is a portal of its own: a trace follows it into the function that compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua.values import LuaFunction
from metatracer import JitDriver, dont_look_inside

if TYPE_CHECKING:
    from interpreters.lua.vm import VM

driver = JitDriver(greens=["comparator"], reds="auto", name="lua sort")


def sorted_values(vm: VM, values: list[Any], function: Any) -> list[Any]:
    """Sort by a function that says whether its first argument comes before its second; None for `<`."""
    if function is None:
        if are_comparable(values):
            return sorted(values)
        return merge_sort(vm, values, None, None)
    return merge_sort(vm, values, function, function.proto if type(function) is LuaFunction else None)


@dont_look_inside
def are_comparable(values: list[Any]) -> bool:
    """Tell whether Python compares all values as Lua does: all are strings, or numbers and none of them NaN."""
    kinds = set(map(type, values))
    if kinds <= {int, float}:
        return float not in kinds or all(value == value for value in values)
    return kinds == {bytes}


def comes_first(vm: VM, function: Any, a: Any, b: Any) -> bool:
    """Tell whether a value has to come before another one that now stands before it."""
    if function is None:
        return vm.less(a, b)
    results = vm.call(function, [a, b])
    return bool(results) and results[0] is not None and results[0] is not False


@driver.portal
def merge_sort(vm: VM, values: list[Any], function: Any, comparator: Any) -> list[Any]:
    """Sort, with one comparison at a time; an inconsistent order gives some order.

    Args:
        comparator: the code of `function`, None where it has none that a trace can be made for.
    """
    size = len(values)
    width = 1
    merged: list[Any] = []
    left, middle, high = 0, 1, 2  # two sorted runs are merged: from `left` to `middle`, from `right` to `high`
    right = middle
    while True:
        driver.jit_merge_point(comparator=comparator)
        if left < middle and right < high:
            if comes_first(vm, function, values[right], values[left]):
                merged.append(values[right])
                right += 1
            else:
                merged.append(values[left])
                left += 1
        else:
            merged.extend(values[left:middle] if left < middle else values[right:high])
            if high == size:
                width *= 2
                if width >= size:
                    return merged
                values, merged = merged, []
                high = 0
            left = high
            right = middle = left + width if left + width < size else size
            high = right + width if right + width < size else size
        driver.can_enter_jit(comparator=comparator)
