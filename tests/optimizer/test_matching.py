"""What the label state must give up when the body does not give it back.

The second iteration usually knows all that the first knew, so in recorded traces little is ever given up. Here the first
iteration knows more: the classes of the trace's inputs.
"""

from __future__ import annotations

from metatracer.ir.opcodes import FLOAT_BOX, INT_BOX
from metatracer.ir.values import Input, Value
from metatracer.optimizer.forward import Forward
from metatracer.optimizer.matching import Alias, Matcher
from metatracer.optimizer.peeling import LabelState
from metatracer.optimizer.state import ConstantPool, VirtualBox, VirtualInstance, VirtualItems
from tests.optimizer.text import ALL, W_Int, W_Pair, body, field, names, optimized

HEADER = " guard_no_attention() -> [r0, r1]\n"


def test_class_that_only_the_first_iteration_knows_is_forgotten() -> None:
    trace = optimized(
        f"""t(r0: W_Int, r1)
{HEADER} b2 = ptr_eq(r1, None)
 guard_false(b2) -> [r0]
 r3 = getfield(r1) {{W_Pair.left}}
 jump(r3, r0)"""
    )
    assert "ptr_eq" in names(body(trace))


def test_content_that_only_the_first_iteration_keeps_is_read_again() -> None:
    trace = optimized(
        f"""t(r0: W_Pair, r1: W_Int)
{HEADER} r2 = getfield(r0) {{W_Pair.left}}
 setfield(r1, None) {{W_Pair.left}}
 r3 = getfield(r0) {{W_Pair.right}}
 guard_nonnull(r2) -> [r0]
 jump(r0, r3)""",
        ALL - {"lazy"},
    )
    assert trace.operations[0] is not trace.label
    # The other field is not written, so its content stays known.
    assert names(body(trace)) == ["guard_no_attention", "getfield", "setfield", "guard_nonnull", "jump"]


def test_store_that_the_body_does_is_done_before_the_label() -> None:
    trace = optimized(
        f"""t(r0: W_Pair, r1: W_Int, r2)
{HEADER} setfield(r0, r2) {{W_Pair.left}}
 r3 = getfield(r1) {{W_Pair.left}}
 guard_nonnull(r3) -> [r0]
 jump(r0, r3, r2)"""
    )
    label = trace.label
    assert label is not None
    before = names(trace.operations[: trace.operations.index(label)])
    assert before.count("setfield") == 1
    assert "getfield" in names(body(trace))


# --- the comparison alone ---------------------------------------------------------------------------------------------


def compare(roots: list[Value], ends: list[Value]) -> tuple[bool, LabelState, Matcher, Forward]:
    pool = ConstantPool()
    label = LabelState(Forward(pool, ALL), roots)
    inside = Forward(pool, ALL)
    matcher = Matcher(label, inside, ends)
    matcher.match()
    return matcher.weaken(), label, matcher, inside


def test_equal_shapes_agree() -> None:
    number, end = Input("i"), Input("i")
    weakened, _, matcher, _ = compare([VirtualBox(INT_BOX, number)], [VirtualBox(INT_BOX, end)])
    assert not weakened
    assert matcher.found == {number: end}
    assert not matcher.settle()


def test_one_value_that_becomes_two_is_split() -> None:
    shared = Input("r")
    weakened, label, _, _ = compare([shared, shared], [Input("r"), Input("r")])
    assert weakened
    assert label.roots[0] is shared
    assert isinstance(label.roots[1], Alias)


def test_constant_that_varies_becomes_a_parameter() -> None:
    constant = ConstantPool().get("i", 3)
    weakened, label, _, _ = compare([constant], [Input("i")])
    assert weakened
    assert isinstance(label.roots[0], Alias)


def test_boxed_constant_that_varies_becomes_an_unboxed_parameter() -> None:
    constant = ConstantPool().get("r", 3)
    weakened, label, _, _ = compare([constant], [VirtualBox(INT_BOX, Input("i"))])
    assert weakened
    root = label.roots[0]
    assert isinstance(root, VirtualBox)
    assert isinstance(root.payload, Alias)


def test_box_of_another_class_is_forced() -> None:
    weakened, label, _, _ = compare([VirtualBox(INT_BOX, Input("i"))], [VirtualBox(FLOAT_BOX, Input("f"))])
    assert weakened
    assert names(label.forward.out) == ["int_box"]


def test_real_object_for_a_virtual_one_forces() -> None:
    weakened, label, _, _ = compare([VirtualInstance(W_Int, {})], [Input("r")])
    assert weakened
    assert names(label.forward.out) == ["new"]


def test_two_virtuals_that_become_one_are_forced() -> None:
    one = VirtualInstance(W_Int, {})
    weakened, label, _, _ = compare([VirtualInstance(W_Int, {}), VirtualInstance(W_Int, {})], [one, one])
    assert weakened
    assert names(label.forward.out) == ["new", "new"]


def test_one_virtual_that_becomes_two_is_forced() -> None:
    one = VirtualInstance(W_Int, {})
    weakened, label, _, _ = compare([one, one], [VirtualInstance(W_Int, {}), VirtualInstance(W_Int, {})])
    assert weakened
    assert names(label.forward.out) == ["new"]


def test_other_fields_or_length_is_another_shape() -> None:
    left = field("left", W_Pair)
    for value, end in (
        (VirtualInstance(W_Pair, {left: Input("r")}), VirtualInstance(W_Pair, {})),
        (VirtualItems(list, [Input("r")]), VirtualItems(list, [])),
        (VirtualItems(list, []), VirtualItems(tuple, [])),
    ):
        weakened, label, _, _ = compare([value], [end])
        assert weakened
        assert names(label.forward.out)[0] in ("new", "new_list")


def test_virtual_for_a_real_object_is_allocated_at_the_end() -> None:
    root = Input("r")
    weakened, _, matcher, inside = compare([root], [VirtualInstance(W_Int, {})])
    assert not weakened
    assert matcher.settle()
    assert names(inside.out) == ["new"]


def test_bounds_that_do_not_hold_are_widened() -> None:
    pool = ConstantPool()
    root, end = Input("i"), Input("i")
    label = LabelState(Forward(pool, ALL), [root])
    info = label.state.info(root)
    info.lo, info.hi = 0, 9
    inside = Forward(pool, ALL)
    inside.state.info(end).lo = 1
    matcher = Matcher(label, inside, [end])
    matcher.match()
    assert matcher.weaken()
    assert (info.lo, info.hi) == (0, 2**63 - 1)
