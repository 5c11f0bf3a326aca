"""What the decoders of all CPython versions have in common: abstract interpretation of the operand stack.

A `Decoder` walks every reachable instruction of a code object once, starting from the first one and from the handlers of
its exception table, with the height of the operand stack known at each. The method `op_OPNAME` (or a row of `simple`)
emits the JitCode of one instruction; each version's subclass adds the names that only it has. Nothing here looks at a
quickened instruction: `co_code` is always the plain form.

Registers behind the last stack slot are scratch: they hold what one JitCode instruction hands to the next one of the
same CPython instruction, so that no source register is overwritten before the CPython instruction is complete.
"""

from __future__ import annotations

import dis
from typing import TYPE_CHECKING, Any, ClassVar

from metatracer.frontend.code_reader import (
    BINARY_OPERATORS,
    FUNCTION_ATTRIBUTES,
    RawInstruction,
    Target,
    local_names,
    read_exception_table,
    read_instructions,
    refusal,
)
from metatracer.frontend.jitcode import Handler, Instruction, JitCode
from metatracer.frontend.liveness import live_locals

if TYPE_CHECKING:
    from types import CodeType

SCRATCH_REGISTERS = 1


class Decoder:
    """Decodes one code object; see the module docstring.

    Class attributes, set per version:
        call_layout: See `JitCode.call_layout`.
        simple: CPython name -> (JitCode operation, number of stack slots that it takes, arg). The sources are these
            slots, lowest first, and the lowest one is the destination.
        end_for_length: Number of instructions at a `for` loop's exit that FOR_ITER itself jumps over.
    """

    call_layout: ClassVar[str]
    end_for_length: ClassVar[int] = 0
    simple: ClassVar[dict[str, tuple[str, int, Any]]] = {
        "UNARY_NEGATIVE": ("unary", 1, "-"),
        "UNARY_INVERT": ("unary", 1, "~"),
        "UNARY_NOT": ("not", 1, None),
        "BINARY_SUBSCR": ("getitem", 2, None),
        "GET_ITER": ("get_iter", 1, None),
        "LOAD_BUILD_CLASS": ("load_build_class", 0, None),
        "LOAD_ASSERTION_ERROR": ("const", 0, AssertionError),
        "PUSH_NULL": ("null", 0, None),
    }
    no_ops: ClassVar[frozenset[str]] = frozenset({"NOP", "RESUME", "COPY_FREE_VARS"})

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.names = local_names(code)
        self.n_locals = len(self.names)
        self.scratch = self.n_locals + code.co_stacksize
        self.raw = read_instructions(code)
        self.number_at = {ins.index: ins.number for ins in self.raw}
        self.depths: dict[int, int] = {}
        self.handlers: dict[int, Handler] = {}
        self.has_loop = False
        self._emitted: dict[int, list[Instruction]] = {}
        self._work: list[tuple[int, int]] = []
        self._lines: dict[int, int] = {}
        # The instruction being decoded: (index, next_index, depth, line).
        self._index = self._next_index = self._depth = self._line = 0

    # --- the walk ---------------------------------------------------------------------------------------------------

    def decode(self) -> JitCode:
        """Decode the whole code object."""
        jitcode = self._empty()
        jitcode.refusal = refusal(self.code)
        if jitcode.refusal:
            return jitcode
        self._read_lines()
        ranges = read_exception_table(self.code)
        by_index = self._handlers_by_index(ranges)
        self.reach(0, 0)
        while self._work:
            index, depth = self._work.pop()
            if not self._walk(index, depth, by_index):
                jitcode.refusal = f"{self.code.co_qualname} uses its operand stack irregularly at offset {index}"
                return jitcode
        self._assemble(jitcode)
        return jitcode

    def _empty(self) -> JitCode:
        code = self.code
        free = tuple(range(self.n_locals - len(code.co_freevars), self.n_locals))
        return JitCode(
            code=code,
            instructions=[],
            positions={},
            live_locals={},
            depths={},
            handlers={},
            n_locals=self.n_locals,
            n_registers=self.scratch + SCRATCH_REGISTERS,
            local_names=self.names,
            entry=0,
            free_registers=free,
            call_layout=self.call_layout,
            super_arguments=self._super_arguments(),
        )

    def _super_arguments(self) -> tuple[int, int] | None:
        if "__class__" not in self.code.co_freevars or not self.code.co_argcount:
            return None
        return (self.names.index("__class__", self.n_locals - len(self.code.co_freevars)), 0)

    def _read_lines(self) -> None:
        line = self.code.co_firstlineno
        for start, end, number in self.code.co_lines():
            line = line if number is None else number
            for offset in range(start, end, 2):
                self._lines[offset] = line

    def _handlers_by_index(self, ranges: list[tuple[int, int, Handler]]) -> dict[int, Handler]:
        found: dict[int, Handler] = {}
        for start, end, handler in ranges:
            for offset in range(start, end, 2):
                found[offset] = handler
        return found

    def reach(self, index: int, depth: int) -> None:
        """Note that the instruction at `index` can be reached with `depth` values on the stack."""
        self._work.append((index, depth))

    def _walk(self, index: int, depth: int, by_index: dict[int, Handler]) -> bool:
        """Decode from `index` on until control does not fall through. False when the depths disagree."""
        while True:
            if index in self.depths:
                return self.depths[index] == depth
            raw = self.raw[self.number_at[index]]
            self._begin(raw, depth)
            handler = by_index.get(index)
            if handler is not None:
                self.handlers[index] = handler
                self.reach(handler.target, handler.depth + handler.push_lasti + 1)
            after = self._decode_one(raw, depth)
            if after is None:
                return True
            index, depth = self._next_index, after

    def _begin(self, raw: RawInstruction, depth: int) -> None:
        self.depths[raw.index] = depth
        self._emitted[raw.index] = []
        self._index, self._next_index, self._depth = raw.index, raw.next_index, depth
        self._line = self._lines.get(raw.index, self.code.co_firstlineno)

    def _decode_one(self, raw: RawInstruction, depth: int) -> int | None:
        """Emit one instruction; gives the depth behind it, None if control does not go on there."""
        row = self.simple.get(raw.opname)
        if row is not None:
            op, taken, arg = row
            sources = self.slots(depth - taken, taken)
            self.emit(op, (self.slot(depth - taken),), sources, arg)
            return depth - taken + 1
        if raw.opname in self.no_ops:
            return depth
        method = getattr(self, "op_" + raw.opname, None)
        if method is None:
            return self.unsupported(raw, depth, "metatracer does not know this instruction")
        after: int | None = method(raw, depth)
        return after

    def unsupported(self, raw: RawInstruction, depth: int, why: str) -> int:
        """Emit `unsupported`. What follows is still decoded, so that liveness knows what it reads."""
        self.emit("unsupported", (), (), (raw.opname, why))
        has_arg = dis.opmap[raw.opname] >= dis.HAVE_ARGUMENT
        return max(depth + dis.stack_effect(dis.opmap[raw.opname], raw.arg if has_arg else None, jump=False), 0)

    # --- emitting ---------------------------------------------------------------------------------------------------

    def slot(self, depth: int) -> int:
        """Register of the operand stack's slot `depth`."""
        return self.n_locals + depth

    def slots(self, depth: int, count: int) -> tuple[int, ...]:
        """Registers of `count` stack slots from `depth` on."""
        first = self.n_locals + depth
        return tuple(range(first, first + count))

    def emit(self, op: str, dst: tuple[int, ...] = (), src: tuple[int, ...] = (), arg: Any = None) -> None:
        """Append a JitCode instruction to the CPython instruction being decoded."""
        emitted = self._emitted[self._index]
        emitted.append(
            Instruction(op, dst, src, arg, self._index, self._next_index, self._depth, not emitted, self._line)
        )

    def emit_jump(self, op: str, target: int, depth: int, dst: tuple[int, ...] = (), src: tuple[int, ...] = ()) -> None:
        """Append a jump to the byte offset `target`, where the stack has `depth` values."""
        self.has_loop = self.has_loop or target <= self._index
        self.reach(target, depth)
        self.emit(op, dst, src, Target(target))

    def merge_next(self, raw: RawInstruction, opname: str) -> RawInstruction | None:
        """Make the following instruction, if it is an `opname`, part of the one being decoded."""
        if raw.number + 1 >= len(self.raw) or self.raw[raw.number + 1].opname != opname:
            return None
        following = self.raw[raw.number + 1]
        self._next_index = following.next_index
        self._line = self._lines.get(following.index, self._line)
        return following

    def previous_constant(self, raw: RawInstruction) -> Any:
        """The constant that the LOAD_CONST just before `raw` leaves on top of the stack; None if there is none."""
        before = self.raw[raw.number - 1]
        return self.code.co_consts[before.arg] if before.opname == "LOAD_CONST" else None

    # --- putting it together ----------------------------------------------------------------------------------------

    def _assemble(self, jitcode: JitCode) -> None:
        instructions = jitcode.instructions
        for index in sorted(self._emitted):
            jitcode.positions[index] = len(instructions)
            instructions.extend(self._emitted[index])
        for instruction in instructions:
            if isinstance(instruction.arg, Target):
                instruction.arg = jitcode.positions[instruction.arg.index]
        jitcode.depths.update((index, self.depths[index]) for index in sorted(self.depths))
        jitcode.handlers.update((index, self.handlers[index]) for index in sorted(self.handlers))
        jitcode.has_loop = self.has_loop
        jitcode.live_locals.update(live_locals(jitcode))
        self._add_merged(jitcode)

    def _add_merged(self, jitcode: JitCode) -> None:
        """Let the offsets of instructions that were merged into the one before them mean that one."""
        tables: tuple[dict[int, Any], ...] = (
            jitcode.positions,
            jitcode.depths,
            jitcode.live_locals,
            jitcode.handlers,
        )
        for index, emitted in self._emitted.items():
            number = self.number_at[index] + 1
            while emitted and number < len(self.raw) and self.raw[number].index < emitted[0].next_index:
                for table in tables:
                    if index in table:
                        table.setdefault(self.raw[number].index, table[index])
                number += 1

    # --- locals, cells, globals, constants ----------------------------------------------------------------------------

    def op_LOAD_CONST(self, raw: RawInstruction, depth: int) -> int:
        self.emit("const", (self.slot(depth),), (), self.code.co_consts[raw.arg])
        return depth + 1

    def op_STORE_FAST(self, raw: RawInstruction, depth: int) -> int:
        self.emit("move", (raw.arg,), (self.slot(depth - 1),))
        return depth - 1

    def op_DELETE_FAST(self, raw: RawInstruction, depth: int) -> int:
        self.emit("delete_local", (raw.arg,), (raw.arg,), self.names[raw.arg])
        return depth

    def op_MAKE_CELL(self, raw: RawInstruction, depth: int) -> int:
        self.emit("make_cell", (raw.arg,), (raw.arg,))
        return depth

    def op_LOAD_CLOSURE(self, raw: RawInstruction, depth: int) -> int:
        self.emit("move", (self.slot(depth),), (raw.arg,))
        return depth + 1

    def op_LOAD_DEREF(self, raw: RawInstruction, depth: int) -> int:
        self.emit("load_cell", (self.slot(depth),), (raw.arg,), self.names[raw.arg])
        return depth + 1

    def op_STORE_DEREF(self, raw: RawInstruction, depth: int) -> int:
        self.emit("store_cell", (), (raw.arg, self.slot(depth - 1)))
        return depth - 1

    def op_DELETE_DEREF(self, raw: RawInstruction, depth: int) -> int:
        self.emit("delete_cell", (), (raw.arg,), self.names[raw.arg])
        return depth

    def op_STORE_GLOBAL(self, raw: RawInstruction, depth: int) -> int:
        self.emit("store_global", (), (self.slot(depth - 1),), self.code.co_names[raw.arg])
        return depth - 1

    def op_DELETE_GLOBAL(self, raw: RawInstruction, depth: int) -> int:
        self.emit("delete_global", (), (), self.code.co_names[raw.arg])
        return depth

    # --- the stack itself -------------------------------------------------------------------------------------------

    def op_POP_TOP(self, raw: RawInstruction, depth: int) -> int:
        self.emit("null", (self.slot(depth - 1),))
        return depth - 1

    def op_SWAP(self, raw: RawInstruction, depth: int) -> int:
        top, other = self.slot(depth - 1), self.slot(depth - raw.arg)
        self.emit("swap", (top, other), (other, top))
        return depth

    def op_COPY(self, raw: RawInstruction, depth: int) -> int:
        self.emit("move", (self.slot(depth),), (self.slot(depth - raw.arg),))
        return depth + 1

    # --- operators, attributes, items -------------------------------------------------------------------------------

    def op_BINARY_OP(self, raw: RawInstruction, depth: int) -> int:
        self.emit("binary", self.slots(depth - 2, 1), self.slots(depth - 2, 2), BINARY_OPERATORS[raw.arg])
        return depth - 1

    def op_IS_OP(self, raw: RawInstruction, depth: int) -> int:
        self.emit("is", self.slots(depth - 2, 1), self.slots(depth - 2, 2), bool(raw.arg))
        return depth - 1

    def op_CONTAINS_OP(self, raw: RawInstruction, depth: int) -> int:
        self.emit("contains", self.slots(depth - 2, 1), self.slots(depth - 2, 2), bool(raw.arg))
        return depth - 1

    def op_STORE_ATTR(self, raw: RawInstruction, depth: int) -> int:
        self.emit("setattr", (), (self.slot(depth - 1), self.slot(depth - 2)), self.code.co_names[raw.arg])
        return depth - 2

    def op_DELETE_ATTR(self, raw: RawInstruction, depth: int) -> int:
        self.emit("delattr", (), (self.slot(depth - 1),), self.code.co_names[raw.arg])
        return depth - 1

    def op_STORE_SUBSCR(self, raw: RawInstruction, depth: int) -> int:
        value, container, key = self.slots(depth - 3, 3)
        self.emit("setitem", (), (container, key, value))
        return depth - 3

    def op_DELETE_SUBSCR(self, raw: RawInstruction, depth: int) -> int:
        self.emit("delitem", (), self.slots(depth - 2, 2))
        return depth - 2

    # --- displays ---------------------------------------------------------------------------------------------------

    def _build(self, op: str, count: int, depth: int, arg: Any = None) -> int:
        self.emit(op, (self.slot(depth - count),), self.slots(depth - count, count), arg)
        return depth - count + 1

    def op_BUILD_TUPLE(self, raw: RawInstruction, depth: int) -> int:
        return self._build("build_tuple", raw.arg, depth)

    def op_BUILD_LIST(self, raw: RawInstruction, depth: int) -> int:
        return self._build("build_list", raw.arg, depth)

    def op_BUILD_SET(self, raw: RawInstruction, depth: int) -> int:
        return self._build("build_set", raw.arg, depth)

    def op_BUILD_MAP(self, raw: RawInstruction, depth: int) -> int:
        return self._build("build_map", raw.arg * 2, depth)

    def op_BUILD_STRING(self, raw: RawInstruction, depth: int) -> int:
        return self._build("build_string", raw.arg, depth)

    def op_BUILD_SLICE(self, raw: RawInstruction, depth: int) -> int:
        return self._build("build_slice", raw.arg, depth)

    def op_BUILD_CONST_KEY_MAP(self, raw: RawInstruction, depth: int) -> int:
        keys = self.previous_constant(raw)
        if keys is None:
            return self.unsupported(raw, depth, "its keys are not a constant")
        first = depth - raw.arg - 1
        self.emit("build_const_key_map", (self.slot(first),), self.slots(first, raw.arg), keys)
        return first + 1

    def _collect(self, op: str, raw: RawInstruction, depth: int, taken: int = 1) -> int:
        container = self.slot(depth - taken - raw.arg)
        self.emit(op, (), (container, *self.slots(depth - taken, taken)))
        return depth - taken

    def op_LIST_APPEND(self, raw: RawInstruction, depth: int) -> int:
        return self._collect("list_append", raw, depth)

    def op_SET_ADD(self, raw: RawInstruction, depth: int) -> int:
        return self._collect("set_add", raw, depth)

    def op_MAP_ADD(self, raw: RawInstruction, depth: int) -> int:
        return self._collect("map_add", raw, depth, 2)

    def op_LIST_EXTEND(self, raw: RawInstruction, depth: int) -> int:
        return self._collect("list_extend", raw, depth)

    def op_SET_UPDATE(self, raw: RawInstruction, depth: int) -> int:
        return self._collect("set_update", raw, depth)

    def op_DICT_UPDATE(self, raw: RawInstruction, depth: int) -> int:
        return self._collect("dict_update", raw, depth)

    def op_DICT_MERGE(self, raw: RawInstruction, depth: int) -> int:
        # The stack is callable (and NULL behind it or before it), positional tuple, dict ... mapping.
        mapping = depth - 1
        target = mapping - raw.arg
        below = 3 if self.call_layout == "callable_first" else 2
        self.emit("dict_merge", (), (self.slot(target), self.slot(mapping), self.slot(target - below)))
        return depth - 1

    def op_UNPACK_SEQUENCE(self, raw: RawInstruction, depth: int) -> int:
        self.emit("unpack_sequence", self.slots(depth - 1, raw.arg)[::-1], (self.slot(depth - 1),))
        return depth - 1 + raw.arg

    def op_UNPACK_EX(self, raw: RawInstruction, depth: int) -> int:
        before, after = raw.arg & 0xFF, raw.arg >> 8
        count = before + 1 + after
        self.emit("unpack_ex", self.slots(depth - 1, count)[::-1], (self.slot(depth - 1),), (before, after))
        return depth - 1 + count

    # --- control ----------------------------------------------------------------------------------------------------

    def op_JUMP_FORWARD(self, raw: RawInstruction, depth: int) -> None:
        self.emit_jump("jump", raw.next_index + 2 * raw.arg, depth)

    def op_JUMP_BACKWARD(self, raw: RawInstruction, depth: int) -> None:
        self.emit_jump("jump", raw.next_index - 2 * raw.arg, depth)

    def op_JUMP_BACKWARD_NO_INTERRUPT(self, raw: RawInstruction, depth: int) -> None:
        self.op_JUMP_BACKWARD(raw, depth)

    def pop_branch(self, op: str, target: int, depth: int) -> int:
        """Emit a branch that takes its condition off the stack."""
        self.emit_jump(op, target, depth - 1, (), (self.slot(depth - 1),))
        return depth - 1

    def op_FOR_ITER(self, raw: RawInstruction, depth: int) -> int:
        # From 3.12 on the exhausted iterator is dropped by FOR_ITER itself, which skips the clean-up at its target.
        target = raw.next_index + 2 * raw.arg
        for _ in range(self.end_for_length):
            target = self.raw[self.number_at[target]].next_index
        self.emit_jump("for_iter", target, depth - 1, (self.slot(depth),), (self.slot(depth - 1),))
        return depth + 1

    def op_RETURN_VALUE(self, raw: RawInstruction, depth: int) -> None:
        self.emit("return", (), (self.slot(depth - 1),))

    def op_YIELD_VALUE(self, raw: RawInstruction, depth: int) -> int:
        self.emit("yield", self.slots(depth - 1, 1), self.slots(depth - 1, 1))
        return depth

    def op_RAISE_VARARGS(self, raw: RawInstruction, depth: int) -> None:
        self.emit("raise", (), self.slots(depth - raw.arg, raw.arg))

    def op_RERAISE(self, raw: RawInstruction, depth: int) -> None:
        self.emit("reraise", (), (self.slot(depth - 1),))

    # --- exception handlers, with ---------------------------------------------------------------------------------------

    def op_PUSH_EXC_INFO(self, raw: RawInstruction, depth: int) -> int:
        below, top = self.slots(depth - 1, 2)
        self.emit("move", (top,), (below,))
        self.emit("push_exc_info", (below,), (top,))
        return depth + 1

    def op_POP_EXCEPT(self, raw: RawInstruction, depth: int) -> int:
        self.emit("pop_except", (), (self.slot(depth - 1),))
        return depth - 1

    def op_CHECK_EXC_MATCH(self, raw: RawInstruction, depth: int) -> int:
        self.emit("check_exc_match", (self.slot(depth - 1),), self.slots(depth - 2, 2))
        return depth

    def op_CHECK_EG_MATCH(self, raw: RawInstruction, depth: int) -> int:
        self.emit("check_eg_match", self.slots(depth - 2, 2), self.slots(depth - 2, 2))
        return depth

    def op_BEFORE_WITH(self, raw: RawInstruction, depth: int) -> int:
        self.emit("before_with", self.slots(depth - 1, 2), (self.slot(depth - 1),))
        return depth + 1

    def op_WITH_EXCEPT_START(self, raw: RawInstruction, depth: int) -> int:
        # exit function, offset of the raising instruction, handled exception before, exception
        self.emit("with_except_start", (self.slot(depth),), (self.slot(depth - 4), self.slot(depth - 1)))
        return depth + 1

    # --- match ------------------------------------------------------------------------------------------------------

    def _test_top(self, op: str, depth: int) -> int:
        self.emit(op, (self.slot(depth),), (self.slot(depth - 1),))
        return depth + 1

    def op_GET_LEN(self, raw: RawInstruction, depth: int) -> int:
        return self._test_top("get_len", depth)

    def op_MATCH_MAPPING(self, raw: RawInstruction, depth: int) -> int:
        return self._test_top("match_mapping", depth)

    def op_MATCH_SEQUENCE(self, raw: RawInstruction, depth: int) -> int:
        return self._test_top("match_sequence", depth)

    def op_MATCH_KEYS(self, raw: RawInstruction, depth: int) -> int:
        self.emit("match_keys", (self.slot(depth),), self.slots(depth - 2, 2))
        return depth + 1

    def op_MATCH_CLASS(self, raw: RawInstruction, depth: int) -> int:
        self.emit("match_class", (self.slot(depth - 3),), self.slots(depth - 3, 3), raw.arg)
        return depth - 2

    # --- calls, functions, imports ------------------------------------------------------------------------------------

    def emit_call(self, count: int, depth: int, keywords: tuple[str, ...] = (), above: int = 0) -> int:
        """Emit a call of the two callable slots and `count` arguments, with `above` more slots on top of them."""
        first = depth - above - count - 2
        self.emit("call", (self.slot(first),), self.slots(first, count + 2), keywords)
        return first + 1

    def op_MAKE_FUNCTION(self, raw: RawInstruction, depth: int) -> int:
        given = tuple(name for bit, name in enumerate(FUNCTION_ATTRIBUTES) if raw.arg >> bit & 1)
        first = depth - 1 - len(given)
        sources = (self.slot(depth - 1), *self.slots(first, len(given)))
        self.emit("make_function", (self.slot(first),), sources, given)
        return first + 1

    def op_CALL_FUNCTION_EX(self, raw: RawInstruction, depth: int) -> int:
        given = 2 if raw.arg & 1 else 1
        first = depth - given - 2
        callable_slot = first if self.call_layout == "callable_first" else first + 1
        sources: tuple[int, ...] = (self.slot(callable_slot), *self.slots(depth - given, given))
        if not raw.arg & 1:
            # No mapping: a NULL in its place, in scratch as nothing on the stack holds one.
            self.emit("null", (self.scratch,))
            sources = (*sources, self.scratch)
        self.emit("call_ex", (self.slot(first),), sources)
        return first + 1

    def op_IMPORT_NAME(self, raw: RawInstruction, depth: int) -> int:
        self.emit("import_name", (self.slot(depth - 2),), self.slots(depth - 2, 2), self.code.co_names[raw.arg])
        return depth - 1

    def op_IMPORT_FROM(self, raw: RawInstruction, depth: int) -> int:
        self.emit("import_from", (self.slot(depth),), (self.slot(depth - 1),), self.code.co_names[raw.arg])
        return depth + 1
