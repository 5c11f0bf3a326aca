"""CPython 3.12: inlined comprehensions, intrinsics, slices and super() as instructions; and what 3.13 keeps of it."""

from __future__ import annotations

from typing import Any

from metatracer.frontend.code_reader import COMPARISONS, RawInstruction
from metatracer.frontend.decode_311 import NullFirstDecoder
from metatracer.frontend.decode_base import Decoder

INTRINSICS_1 = (
    "INTRINSIC_1_INVALID",
    "INTRINSIC_PRINT",
    "INTRINSIC_IMPORT_STAR",
    "INTRINSIC_STOPITERATION_ERROR",
    "INTRINSIC_ASYNC_GEN_WRAP",
    "INTRINSIC_UNARY_POSITIVE",
    "INTRINSIC_LIST_TO_TUPLE",
    "INTRINSIC_TYPEVAR",
    "INTRINSIC_PARAMSPEC",
    "INTRINSIC_TYPEVARTUPLE",
    "INTRINSIC_SUBSCRIPT_GENERIC",
    "INTRINSIC_TYPEALIAS",
)
"""CPython's names of the intrinsic functions with one argument, by number; 3.12 and 3.13."""

INTRINSICS_2 = (
    "INTRINSIC_2_INVALID",
    "INTRINSIC_PREP_RERAISE_STAR",
    "INTRINSIC_TYPEVAR_WITH_BOUND",
    "INTRINSIC_TYPEVAR_WITH_CONSTRAINTS",
    "INTRINSIC_SET_FUNCTION_TYPE_PARAMS",
    "INTRINSIC_SET_TYPEPARAM_DEFAULT",
)
"""The same with two arguments; the last one is 3.13's."""

_OWN_OPERATION: dict[str, tuple[str, Any]] = {
    "INTRINSIC_UNARY_POSITIVE": ("unary", "+"),
    "INTRINSIC_LIST_TO_TUPLE": ("list_to_tuple", None),
}


class ModernDecoder(Decoder):
    """What 3.12 and 3.13 share."""

    def op_LOAD_FAST(self, raw: RawInstruction, depth: int) -> int:
        # The compiler proved that it is bound (or it is a cell); LOAD_FAST_CHECK is the other case.
        self.emit("move", (self.slot(depth),), (raw.arg,))
        return depth + 1

    def op_LOAD_FAST_CHECK(self, raw: RawInstruction, depth: int) -> int:
        self.emit("load_local", (self.slot(depth),), (raw.arg,), self.names[raw.arg])
        return depth + 1

    def op_LOAD_FAST_AND_CLEAR(self, raw: RawInstruction, depth: int) -> int:
        self.emit("move", (self.slot(depth),), (raw.arg,))
        self.emit("null", (raw.arg,))
        return depth + 1

    def op_RETURN_CONST(self, raw: RawInstruction, depth: int) -> None:
        self.emit("const", (self.scratch,), (), self.code.co_consts[raw.arg])
        self.emit("return", (), (self.scratch,))

    def op_BINARY_SLICE(self, raw: RawInstruction, depth: int) -> int:
        container, start, stop = self.slots(depth - 3, 3)
        self.emit("build_slice", (self.scratch,), (start, stop))
        self.emit("getitem", (container,), (container, self.scratch))
        return depth - 2

    def op_STORE_SLICE(self, raw: RawInstruction, depth: int) -> int:
        value, container, start, stop = self.slots(depth - 4, 4)
        self.emit("build_slice", (self.scratch,), (start, stop))
        self.emit("setitem", (), (container, self.scratch, value))
        return depth - 4

    def op_LOAD_ATTR(self, raw: RawInstruction, depth: int) -> int:
        name = self.code.co_names[raw.arg >> 1]
        if raw.arg & 1:
            self.emit("load_method", self.slots(depth - 1, 2), self.slots(depth - 1, 1), name)
            return depth + 1
        self.emit("getattr", self.slots(depth - 1, 1), self.slots(depth - 1, 1), name)
        return depth

    def op_LOAD_SUPER_ATTR(self, raw: RawInstruction, depth: int) -> int:
        name = self.code.co_names[raw.arg >> 2]
        if raw.arg & 1:
            self.emit("super_method", self.slots(depth - 3, 2), self.slots(depth - 3, 3), name)
            return depth - 1
        self.emit("super_getattr", self.slots(depth - 3, 1), self.slots(depth - 3, 3), name)
        return depth - 2

    def op_LOAD_FROM_DICT_OR_DEREF(self, raw: RawInstruction, depth: int) -> int:
        mapping = self.slot(depth - 1)
        self.emit("load_class_cell", (mapping,), (mapping, raw.arg), self.names[raw.arg])
        return depth

    def op_CALL_INTRINSIC_1(self, raw: RawInstruction, depth: int) -> int:
        name = INTRINSICS_1[raw.arg]
        op, arg = _OWN_OPERATION.get(name, ("intrinsic", name))
        return self._build(op, 1, depth, arg)

    def op_CALL_INTRINSIC_2(self, raw: RawInstruction, depth: int) -> int:
        return self._build("intrinsic", 2, depth, INTRINSICS_2[raw.arg])

    # --- jumps ------------------------------------------------------------------------------------------------------

    def op_POP_JUMP_IF_FALSE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch_not", raw.next_index + 2 * raw.arg, depth)

    def op_POP_JUMP_IF_TRUE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch", raw.next_index + 2 * raw.arg, depth)

    def op_POP_JUMP_IF_NONE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch_none", raw.next_index + 2 * raw.arg, depth)

    def op_POP_JUMP_IF_NOT_NONE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch_not_none", raw.next_index + 2 * raw.arg, depth)


class Decoder312(NullFirstDecoder, ModernDecoder):
    """Decodes code objects of CPython 3.12."""

    end_for_length = 1  # END_FOR

    def op_COMPARE_OP(self, raw: RawInstruction, depth: int) -> int:
        self.emit("compare", self.slots(depth - 2, 1), self.slots(depth - 2, 2), COMPARISONS[raw.arg >> 4])
        return depth - 1

    def op_CALL(self, raw: RawInstruction, depth: int) -> int:
        return self.emit_call(raw.arg, depth)
