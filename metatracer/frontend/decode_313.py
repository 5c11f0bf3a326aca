"""CPython 3.13: the callable below NULL, CALL_KW, superinstructions in `co_code`, TO_BOOL, split-up formatting."""

from __future__ import annotations

from metatracer.frontend.code_reader import COMPARISONS, CONVERSIONS, FUNCTION_ATTRIBUTES, RawInstruction
from metatracer.frontend.decode_312 import ModernDecoder
from metatracer.frontend.decode_base import Decoder


class Decoder313(ModernDecoder):
    """Decodes code objects of CPython 3.13."""

    call_layout = "callable_first"
    end_for_length = 2  # END_FOR, POP_TOP
    simple = Decoder.simple | {
        "TO_BOOL": ("truth", 1, None),
        "FORMAT_SIMPLE": ("format_value", 1, ""),
        "FORMAT_WITH_SPEC": ("format_value", 2, ""),
    }

    # --- superinstructions: each half is an instruction of its own, done in order ---------------------------------------

    def op_LOAD_FAST_LOAD_FAST(self, raw: RawInstruction, depth: int) -> int:
        self.emit("move", (self.slot(depth),), (raw.arg >> 4,))
        self.emit("move", (self.slot(depth + 1),), (raw.arg & 15,))
        return depth + 2

    def op_STORE_FAST_LOAD_FAST(self, raw: RawInstruction, depth: int) -> int:
        self.emit("move", (raw.arg >> 4,), (self.slot(depth - 1),))
        self.emit("move", (self.slot(depth - 1),), (raw.arg & 15,))
        return depth

    def op_STORE_FAST_STORE_FAST(self, raw: RawInstruction, depth: int) -> int:
        self.emit("move", (raw.arg >> 4,), (self.slot(depth - 1),))
        self.emit("move", (raw.arg & 15,), (self.slot(depth - 2),))
        return depth - 2

    # ----------------------------------------------------------------------------------------------------------------

    def op_LOAD_GLOBAL(self, raw: RawInstruction, depth: int) -> int:
        self.emit("load_global", (self.slot(depth),), (), self.code.co_names[raw.arg >> 1])
        if raw.arg & 1:
            self.emit("null", (self.slot(depth + 1),))
            return depth + 2
        return depth + 1

    def op_COMPARE_OP(self, raw: RawInstruction, depth: int) -> int:
        op = "compare_truth" if raw.arg & 16 else "compare"
        self.emit(op, self.slots(depth - 2, 1), self.slots(depth - 2, 2), COMPARISONS[raw.arg >> 5])
        return depth - 1

    def op_CONVERT_VALUE(self, raw: RawInstruction, depth: int) -> int:
        conversion = CONVERSIONS[raw.arg]
        if self.merge_next(raw, "FORMAT_SIMPLE"):
            return self._build("format_value", 1, depth, conversion)
        return self._build("convert_value", 1, depth, conversion)

    def op_CALL(self, raw: RawInstruction, depth: int) -> int:
        return self.emit_call(raw.arg, depth)

    def op_CALL_KW(self, raw: RawInstruction, depth: int) -> int:
        names = self.previous_constant(raw)
        if names is None:
            return self.unsupported(raw, depth, "its keyword names are not a constant")
        return self.emit_call(raw.arg, depth, names, above=1)

    def op_MAKE_FUNCTION(self, raw: RawInstruction, depth: int) -> int:
        return self._build("make_function", 1, depth, ())

    def op_SET_FUNCTION_ATTRIBUTE(self, raw: RawInstruction, depth: int) -> int:
        name = FUNCTION_ATTRIBUTES[raw.arg.bit_length() - 1]
        return self._build("set_function_attribute", 2, depth, name)
