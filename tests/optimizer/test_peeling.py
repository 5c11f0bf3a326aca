"""Peeling: what the loop behind the label looks like, and when it must be weaker."""

from __future__ import annotations

from typing import Any

from metatracer.ir.evaluator import observable, run
from metatracer.ir.text import parse_trace
from metatracer.ir.values import Const, Trace
from metatracer.ir.verifier import verify
from metatracer.optimizer.pipeline import PASSES, optimize
from tests.ir.strategies import leave_at_attention
from tests.optimizer.text import NAMESPACE, Frame, W_Float, W_Int, W_List, body, names, optimized

CLASSES = {"W_Int": "int", "W_Float": "float"}


class Guest:
    """Writes traces of a register VM: a frame with a list of registers, which hold boxed numbers."""

    def __init__(self) -> None:
        self._lines = [
            "guard_no_attention() -> [r0]",
            "guard_not_invalidated() -> [r0]",
            "guard_type(r0) {Frame} -> [r0]",
        ]
        self._count = 0

    def emit(self, line: str, kind: str = "") -> str:
        if not kind:
            self._lines.append(line)
            return ""
        self._count += 1
        name = f"{kind}{self._count}"
        self._lines.append(f"{name} = {line}")
        return name

    def registers(self, number: int) -> str:
        regs = self.emit("getfield(r0) {Frame.regs}", "r")
        self.emit(f"guard_type({regs}) {{list}} -> [r0]")
        length = self.emit(f"list_len({regs})", "i")
        self.emit(f"guard_true({self.emit(f'uint_lt({number}, {length})', 'b')}) -> [r0]")
        return regs

    def read(self, number: int) -> str:
        return self.emit(f"list_getitem({self.registers(number)}, {number})", "r")

    def write(self, number: int, value: str) -> None:
        self.emit(f"list_setitem({self.registers(number)}, {number}, {value})")

    def number(self, register: int, cls: str = "W_Int") -> str:
        boxed = self.read(register)
        self.emit(f"guard_type({boxed}) {{{cls}}} -> [r0]")
        value = self.emit(f"getfield({boxed}) {{{cls}.value}}", "r")
        self.emit(f"guard_type({value}) {{{CLASSES[cls]}}} -> [r0]")
        return self.emit(
            "int_unbox(" + value + ") -> [r0]" if cls == "W_Int" else f"float_unbox({value})",
            "i" if cls == "W_Int" else "f",
        )

    def put(self, register: int, value: str) -> None:
        kind, cls = ("int", "W_Int") if value[0] == "i" else ("float", "W_Float")
        box = self.emit(f"{kind}_box({value})", "r")
        instance = self.emit(f"new() {{{cls}}}", "r")
        self.emit(f"setfield({instance}, {box}) {{{cls}.value}}")
        self.write(register, instance)

    def below(self, left: str, right: str) -> None:
        kind = "int" if left[0] == "i" else "float"
        self.emit(f"guard_true({self.emit(f'{kind}_lt({left}, {right})', 'b')}) -> [r0]")

    def add(self, register: int, left: str, right: str) -> None:
        self.put(register, self.emit(f"int_add_ovf({left}, {right}) -> [r0]", "i"))

    def trace(self) -> Trace:
        trace = parse_trace("trace loop(r0)\n  " + "\n  ".join(self._lines) + "\n  jump(r0)\n", dict(NAMESPACE))
        verify(trace)
        return trace


def number(value: Any) -> Any:
    made = (W_Float if type(value) is float else W_Int)()
    made.value = value
    return made


def frame(*values: Any) -> Any:
    made = Frame()
    made.pc = None
    made.regs = [value if isinstance(value, W_List) else number(value) for value in values]
    return made


def compare(trace: Trace, make: Any) -> Trace:
    """Optimize, and run both: to the end, and left at the third iteration."""
    result = optimize(trace, passes=PASSES)
    verify(result)
    for force in (None, 3):
        outcomes = []
        for each in (trace, result):
            root = make()
            leaving = run(each, [root], force_exit=None if force is None else leave_at_attention(force))
            outcomes.append(observable(leaving, [root]))
        assert outcomes[0] == outcomes[1]
    return result


def counting_with_modulo() -> Trace:
    guest = Guest()
    guest.below(guest.number(0), guest.number(1))
    guest.add(2, guest.number(2), guest.number(0))
    guest.put(2, guest.emit(f"int_mod({guest.number(2)}, 1000)", "i"))
    guest.add(0, guest.number(0), "1")
    return guest.trace()


def test_counting_loop_is_a_machine_loop() -> None:
    result = compare(counting_with_modulo(), lambda: frame(0, 50, 0))
    assert names(body(result)) == [
        "guard_no_attention",
        "int_lt",
        "guard_true",
        "int_add_ovf",
        "int_mod",
        "int_add",
        "jump",
    ]
    assert result.label is not None
    assert sorted(param.kind for param in result.label.params) == ["i", "i", "i", "r", "r"]


def test_float_loop_is_a_machine_loop() -> None:
    guest = Guest()
    x, y = guest.number(0, "W_Float"), guest.number(1, "W_Float")
    guest.put(2, guest.emit(f"float_mul({x}, {x})", "f"))
    guest.put(3, guest.emit(f"float_mul({y}, {y})", "f"))
    guest.below(guest.emit(f"float_add({guest.number(2, 'W_Float')}, {guest.number(3, 'W_Float')})", "f"), "4.0")
    guest.put(1, guest.emit(f"float_add({guest.emit(f'float_mul({x}, {y})', 'f')}, {guest.number(4, 'W_Float')})", "f"))
    difference = guest.emit(f"float_sub({guest.number(2, 'W_Float')}, {guest.number(3, 'W_Float')})", "f")
    guest.put(0, guest.emit(f"float_add({difference}, {guest.number(5, 'W_Float')})", "f"))
    guest.add(6, guest.number(6), "1")
    result = compare(guest.trace(), lambda: frame(0.0, 0.0, 0.0, 0.0, 0.5, 0.6, 0))
    left = set(names(body(result)))
    assert left <= {
        "guard_no_attention",
        "float_mul",
        "float_add",
        "float_sub",
        "float_lt",
        "guard_true",
        "int_add_ovf",
        "jump",
    }


def test_list_loop_stores_only_to_the_list() -> None:
    guest = Guest()
    index, limit = guest.number(0), guest.number(1)
    guest.below(index, limit)
    array = guest.read(2)
    guest.emit(f"guard_type({array}) {{W_List}} -> [r0]")
    items = guest.emit(f"getfield({array}) {{W_List.items}}", "r")
    guest.emit(f"guard_type({items}) {{list}} -> [r0]")
    length = guest.emit(f"list_len({items})", "i")
    guest.emit(f"guard_true({guest.emit(f'uint_lt({index}, {length})', 'b')}) -> [r0]")
    guest.emit(f"list_setitem({items}, {index}, {guest.read(3)})")
    guest.add(0, guest.number(0), guest.number(4))

    def make() -> Any:
        array = W_List()
        array.items = [None] * 40
        return frame(2, 30, array, 7, 3)

    result = compare(guest.trace(), make)
    assert "new" not in names(body(result))
    assert names(body(result)).count("list_setitem") == 1
    assert not {"getfield", "list_getitem", "list_len", "guard_type"} & set(names(body(result)))


def test_call_in_the_loop_sees_real_registers() -> None:
    guest = Guest()
    guest.add(0, guest.number(0), "1")
    called = guest.emit("call(callee, r0)", "r")
    guest.emit(f"guard_no_exception({called}) -> [r0]")
    guest.below(guest.number(0), guest.number(1))
    result = compare(guest.trace(), lambda: frame(0, 20))
    assert {"new", "list_setitem", "call", "int_box"} <= set(names(body(result)))


def test_register_that_changes_its_class_is_not_unboxed() -> None:
    # The class that the first iteration finds and the one it leaves differ: the loop would fail at once.
    guest = Guest()
    guest.put(0, guest.emit(f"int_to_float({guest.number(0)})", "f"))
    result = compare(guest.trace(), lambda: frame(0))
    assert result.operations[0] is result.label


def test_constant_that_turns_out_to_vary_is_a_parameter() -> None:
    trace = optimized(
        """t(r0: W_Pair, r1)
 r2 = getfield(r0) {W_Pair.left}
 guard_nonnull(r2) -> [r0]
 jump(r0, r2)"""
    )
    assert trace.label is not None
    text = """t(r0, r1)
 guard_no_attention() -> [r0, r1]
 guard_type(r1) {int} -> [r0]
 i2 = int_unbox(r1) -> [r0]
 i3 = int_and(i2, 0)
 jump(r0, &1)"""
    assert names(body(optimized(text))) == ["guard_no_attention", "jump"]


def test_invariant_operations_leave_the_loop() -> None:
    result = optimized(
        """t(r0: int, r1: int)
 guard_no_attention() -> [r0, r1]
 guard_type(r0) {int} -> [r0]
 guard_type(r1) {int} -> [r0]
 i2 = int_unbox(r0) -> [r0]
 i3 = int_unbox(r1) -> [r0]
 i4 = int_mul_ovf(i3, i3) -> [r0]
 i5 = int_add_ovf(i2, i4) -> [r0]
 r6 = int_box(i5)
 jump(r6, r1)"""
    )
    assert names(body(result)) == ["guard_no_attention", "int_add_ovf", "jump"]


def test_growing_structure_is_allocated_once_per_iteration() -> None:
    result = optimized(
        """t(r0)
 guard_no_attention() -> [r0]
 r1 = new() {W_Pair}
 setfield(r1, r0) {W_Pair.left}
 jump(r1)"""
    )
    assert names(body(result)) == ["guard_no_attention", "new", "setfield", "jump"]


def test_swapped_inputs() -> None:
    result = optimized(
        """t(r0, r1)
 guard_no_attention() -> [r0, r1]
 guard_type(r0) {int} -> [r0]
 guard_type(r1) {int} -> [r0]
 i2 = int_unbox(r0) -> [r0]
 i3 = int_unbox(r1) -> [r0]
 i4 = int_add_ovf(i2, i3) -> [r0]
 r5 = int_box(i4)
 jump(r1, r5)"""
    )
    assert names(body(result)) == ["guard_no_attention", "int_add_ovf", "jump"]


def test_two_inputs_that_were_one_object_need_not_stay_so() -> None:
    trace = optimized(
        """t(r0: W_Pair, r1)
 guard_no_attention() -> [r0, r1]
 guard_type(r0) {W_Pair} -> [r0]
 r2 = getfield(r0) {W_Pair.left}
 guard_type(r2) {W_Pair} -> [r0]
 b3 = ptr_eq(r0, r1)
 jump(r2, r2)"""
    )
    verify(trace)


def test_loop_without_peeling_has_its_label_at_the_start() -> None:
    trace = optimize(counting_with_modulo(), peel=False, passes=PASSES)
    verify(trace)
    assert trace.operations[0] is trace.label


def test_bounds_that_grow_are_forgotten() -> None:
    text = """t(r0: list, r1: int)
 guard_no_attention() -> [r0, r1]
 guard_type(r0) {list} -> [r0]
 guard_type(r1) {int} -> [r0]
 i2 = list_len(r0)
 i3 = int_unbox(r1) -> [r0]
 b4 = int_lt(i3, i2)
 guard_true(b4) -> [r0]
 i5 = int_add_ovf(i3, 1) -> [r0]
 r6 = int_box(i5)
 jump(r0, r6)"""
    assert names(body(optimized(text))) == ["guard_no_attention", "int_lt", "guard_true", "int_add", "jump"]


CARRY = """t(r0: list)
 guard_no_attention() -> [r0]
 guard_not_invalidated() -> [r0]
 i1 = list_len(r0)
 b2 = int_lt(2, i1)
 guard_true(b2) -> [r0]
 r3 = list_getitem(r0, 0)
 guard_type(r3) {int} -> [r0]
 i4 = int_unbox(r3) -> [r0]
 r5 = list_getitem(r0, 1)
 guard_type(r5) {int} -> [r0]
 i6 = int_unbox(r5) -> [r0]
 i7 = int_add_ovf(i4, i6) -> [r0]
 b8 = int_lt(i7, 100)
 guard_true(b8) -> [r0]
 r9 = int_box(i7)
 list_setitem(r0, 0, r9)
 list_setitem(r0, 1, &1)
 list_setitem(r0, 2, &7)
 jump(r0)
"""


def test_a_number_that_one_way_leaves_where_a_number_is_read_is_a_parameter() -> None:
    found = optimized(CARRY)
    label = next(op for op in found.operations if op.opcode.name == "label")
    added = next(op for op in body(found) if op.opcode.name == "int_add_ovf")
    assert set(added.args) <= set(label.params)  # the other way leaves 0 there, and enters here
    assert all(not isinstance(arg, Const) for arg in added.args)
    jump = found.operations[-1]
    assert isinstance(jump.args[label.params.index(added.args[1])], Const)


def test_a_number_that_is_left_where_nobody_has_read_stays_a_constant() -> None:
    label = next(op for op in optimized(CARRY).operations if op.opcode.name == "label")
    assert [param.kind for param in label.params].count("i") == 2  # not the one in place 2


def test_a_constant_that_saves_much_of_the_loop_stays() -> None:
    # Place 1 holds what the loop multiplies again and again.
    steps = "".join([f" i{n} = int_mul_ovf(i{n - 1}, i6) -> [r0]\n" for n in range(20, 30)])
    text = CARRY.replace(" b8 =", f" i19 = int_mul_ovf(i6, i6) -> [r0]\n{steps} b8 =").replace("int_box(i7)", "int_box(i29)")
    label = next(op for op in optimized(text).operations if op.opcode.name == "label")
    assert [param.kind for param in label.params].count("i") < 2
