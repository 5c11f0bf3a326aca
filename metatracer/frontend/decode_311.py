"""CPython 3.11: PRECALL and KW_NAMES, LOAD_METHOD, jumps with a direction, unchecked-by-name locals."""

from __future__ import annotations

from metatracer.frontend.code_reader import COMPARISONS, CONVERSIONS, RawInstruction
from metatracer.frontend.decode_base import Decoder


class NullFirstDecoder(Decoder):
    """What 3.11 and 3.12 share: NULL below the callable, KW_NAMES before the call, FORMAT_VALUE."""

    call_layout = "null_first"

    def op_LOAD_GLOBAL(self, raw: RawInstruction, depth: int) -> int:
        place = depth + (raw.arg & 1)
        self.emit("load_global", (self.slot(place),), (), self.code.co_names[raw.arg >> 1])
        if raw.arg & 1:
            self.emit("null", (self.slot(depth),))
        return place + 1

    def op_KW_NAMES(self, raw: RawInstruction, depth: int) -> int:
        # The names live in the evaluation loop only, so the call starts, and can only be done again, from here.
        call = self._call_behind(raw)
        if call is None:
            return self.unsupported(raw, depth, "it is not followed by a call")
        return self.emit_call(call.arg, depth, self.code.co_consts[raw.arg])

    def _call_behind(self, raw: RawInstruction) -> RawInstruction | None:
        return self.merge_next(raw, "CALL")

    def op_FORMAT_VALUE(self, raw: RawInstruction, depth: int) -> int:
        taken = 2 if raw.arg & 4 else 1
        return self._build("format_value", taken, depth, CONVERSIONS[raw.arg & 3])


class Decoder311(NullFirstDecoder):
    """Decodes code objects of CPython 3.11."""

    simple = Decoder.simple | {
        "UNARY_POSITIVE": ("unary", 1, "+"),
        "LIST_TO_TUPLE": ("list_to_tuple", 1, None),
        "PREP_RERAISE_STAR": ("intrinsic", 2, "INTRINSIC_PREP_RERAISE_STAR"),
    }

    def op_LOAD_FAST(self, raw: RawInstruction, depth: int) -> int:
        self.emit("load_local", (self.slot(depth),), (raw.arg,), self.names[raw.arg])
        return depth + 1

    def op_COMPARE_OP(self, raw: RawInstruction, depth: int) -> int:
        self.emit("compare", self.slots(depth - 2, 1), self.slots(depth - 2, 2), COMPARISONS[raw.arg])
        return depth - 1

    def op_LOAD_ATTR(self, raw: RawInstruction, depth: int) -> int:
        self.emit("getattr", self.slots(depth - 1, 1), self.slots(depth - 1, 1), self.code.co_names[raw.arg])
        return depth

    def op_LOAD_METHOD(self, raw: RawInstruction, depth: int) -> int:
        self.emit("load_method", self.slots(depth - 1, 2), self.slots(depth - 1, 1), self.code.co_names[raw.arg])
        return depth + 1

    def _call_behind(self, raw: RawInstruction) -> RawInstruction | None:
        precall = self.merge_next(raw, "PRECALL")
        return None if precall is None else self.merge_next(precall, "CALL")

    def op_PRECALL(self, raw: RawInstruction, depth: int) -> int:
        # PRECALL already rearranges a bound method on the stack: it and CALL are one instruction here.
        call = self.merge_next(raw, "CALL")
        if call is None:
            return self.unsupported(raw, depth, "it is not followed by a call")
        return self.emit_call(call.arg, depth)

    # --- jumps ------------------------------------------------------------------------------------------------------

    def op_JUMP_IF_FALSE_OR_POP(self, raw: RawInstruction, depth: int) -> int:
        self.emit_jump("branch_not", raw.next_index + 2 * raw.arg, depth, (), (self.slot(depth - 1),))
        return depth - 1

    def op_JUMP_IF_TRUE_OR_POP(self, raw: RawInstruction, depth: int) -> int:
        self.emit_jump("branch", raw.next_index + 2 * raw.arg, depth, (), (self.slot(depth - 1),))
        return depth - 1

    def op_POP_JUMP_FORWARD_IF_FALSE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch_not", raw.next_index + 2 * raw.arg, depth)

    def op_POP_JUMP_FORWARD_IF_TRUE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch", raw.next_index + 2 * raw.arg, depth)

    def op_POP_JUMP_FORWARD_IF_NONE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch_none", raw.next_index + 2 * raw.arg, depth)

    def op_POP_JUMP_FORWARD_IF_NOT_NONE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch_not_none", raw.next_index + 2 * raw.arg, depth)

    def op_POP_JUMP_BACKWARD_IF_FALSE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch_not", raw.next_index - 2 * raw.arg, depth)

    def op_POP_JUMP_BACKWARD_IF_TRUE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch", raw.next_index - 2 * raw.arg, depth)

    def op_POP_JUMP_BACKWARD_IF_NONE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch_none", raw.next_index - 2 * raw.arg, depth)

    def op_POP_JUMP_BACKWARD_IF_NOT_NONE(self, raw: RawInstruction, depth: int) -> int:
        return self.pop_branch("branch_not_none", raw.next_index - 2 * raw.arg, depth)
