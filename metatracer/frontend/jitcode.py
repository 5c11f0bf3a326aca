"""JitCode: the version-free register form of a CPython code object.

Registers 0 .. n_locals-1 are the frame's "localsplus" in CPython's order (`co_varnames`, then cells that are not
arguments, then free variables); register n_locals + d is the operand stack's slot d. Cell and free variables hold their
cell *object* in the register (after `make_cell`). A register may hold NULL (an unbound local, a cleared stack slot).
Registers from n_locals + co_stacksize on are scratch: they carry a value from one JitCode instruction to the next of the
same CPython instruction, and are never part of a snapshot.

Where a callable stands beside its self-or-NULL differs between versions. The two stack slots are always named (lower,
upper), as they lie on CPython's stack, and `JitCode.call_layout` tells what they hold:

- "null_first" (3.11, 3.12): (NULL, callable) or (function, self). A `call` whose lower slot is NULL calls the upper one;
  otherwise it calls the lower one with the upper one as first argument. `load_method` and `super_method` give
  (unbound function, s) or (NULL, s.arg).
- "callable_first" (3.13): (callable, self-or-NULL). `load_method` and `super_method` give (unbound function, s) or
  (s.arg, NULL).

Every instruction knows the CPython instruction that it comes from: `index` is the byte offset of that one in `co_code`
(of its first EXTENDED_ARG prefix if it has any), so that `resume` data and twins speak of the same places in every
version. One CPython instruction may become several JitCode instructions, or none (NOP); `is_start` marks the first of
them, and `depth` is the height of the stack before it. What only makes sense together is one instruction that starts at
the first one's offset: KW_NAMES, PRECALL and CALL; CONVERT_VALUE and FORMAT_SIMPLE.

`INSTRUCTIONS` documents the operations: destination registers first, then source registers, then `arg`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType

INSTRUCTIONS: dict[str, str] = {
    # data movement
    "move": "d <- s; s may hold NULL, which is copied. s keeps its value: whether a stack slot is dead follows from the "
    "depth behind the CPython instruction alone (COPY is a move, too)",
    "swap": "d0, d1 <- s0, s1: both at once (SWAP)",
    "const": "d <- arg",
    "null": "d <- NULL",
    "load_local": "d <- s, raising UnboundLocalError(arg: the name) if s is unbound",
    "delete_local": "d <- NULL; raises UnboundLocalError(arg: the name) if it is unbound",
    "make_cell": "d <- a new cell with d's content (NULL: empty)",
    "load_cell": "d <- content of cell s; NameError/UnboundLocalError(arg: the name) if empty",
    "store_cell": "content of cell s0 <- s1",
    "delete_cell": "content of cell s0 <- NULL; NameError(arg: the name) if empty",
    "load_class_cell": "d <- arg name from mapping s0 if there, else content of cell s1 (LOAD_FROM_DICT_OR_DEREF)",
    "load_global": "d <- global or builtin of name arg",
    "store_global": "global of name arg <- s",
    "delete_global": "del of global of name arg; NameError if there is none",
    "load_build_class": "d <- builtins.__build_class__",
    # operators
    "binary": "d <- s0 arg s1, arg one of + - * @ / // % << >> & | ^ ** or with '=' behind for the in-place form",
    "unary": "d <- arg s, arg one of + - ~",
    "not": "d <- not s",
    "truth": "d <- bool(s) (TO_BOOL)",
    "compare": "d <- s0 arg s1, arg one of < <= == != > >=; the result is any object",
    "compare_truth": "d <- bool(s0 arg s1) (3.13's COMPARE_OP with the bool flag)",
    "is": "d <- s0 is s1; arg True: is not",
    "contains": "d <- s0 in s1; arg True: not in",
    # attributes, items
    "getattr": "d <- s.arg",
    "setattr": "s0.arg <- s1",
    "delattr": "del s0.arg",
    "load_method": "d0, d1 (lower, upper) <- (unbound function, s) for a plain method, else s.arg and NULL in the order "
    "of call_layout",
    "super_getattr": "d <- super(s1, s2).arg; s0 holds the global `super` (checked to be builtins.super)",
    "super_method": "d0, d1 (lower, upper) <- as load_method, of super(s1, s2).arg; s0 as above",
    "getitem": "d <- s0[s1]",
    "setitem": "s0[s1] <- s2",
    "delitem": "del s0[s1]",
    # calls
    "call": "d <- call; sources: lower, upper (which is the callable: call_layout), arguments...; arg: tuple of keyword "
    "names of the last ones",
    "call_ex": "d <- s0(*s1, **s2); s2 may hold NULL",
    "intrinsic": "d <- intrinsic function arg (a name of CPython's intrinsics) of s...",
    # displays
    "build_tuple": "d <- (s...,)",
    "build_list": "d <- [s...]",
    "build_set": "d <- {s...}",
    "build_map": "d <- {s0: s1, ...}",
    "build_const_key_map": "d <- dict(zip(arg, s...)); arg is the tuple of keys",
    "build_string": "d <- ''.join(s...), all exactly str",
    "build_slice": "d <- slice(s...), two or three",
    "format_value": "d <- format(conv(s0), s1 or ''); arg: '', 's', 'r', 'a'; s1 may be absent",
    "convert_value": "d <- str, repr or ascii of s; arg: 's', 'r', 'a' (3.13, before a format_value with a spec)",
    "list_append": "list s0 .append(s1) in a comprehension (never seen by others)",
    "set_add": "set s0 .add(s1)",
    "map_add": "dict s0 [s1] = s2",
    "list_extend": "list s0 .extend(s1)",
    "list_to_tuple": "d <- tuple(s)",
    "set_update": "set s0 .update(s1)",
    "dict_update": "dict s0 .update(s1)",
    "dict_merge": "dict s0 merged with mapping s1, TypeError on duplicates; s2: the callable, for the message",
    "unpack_sequence": "d... <- items of s in order (d[0] gets the first item), ValueError unless exactly that many",
    "unpack_ex": "d... <- before-items, list of the rest, after-items; arg: (number before, number after)",
    # iteration
    "get_iter": "d <- iter(s)",
    "for_iter": "d <- next(s); arg: target JitCode position when exhausted (the iterator register is dead there)",
    # control
    "jump": "arg: target position",
    "branch": "if s is true (any object: its truth is taken): arg: target position; else fall through",
    "branch_not": "the same, jumping when s is false",
    "branch_none": "jump when s is None",
    "branch_not_none": "jump when s is not None",
    "return": "s",
    "yield": "give s to who asks the generator for an item; when asked again d <- what is sent (only in code made by "
    "`runtime.fusion`)",
    "raise": "raise s0 from s1; sources may be absent: () re-raises the handled exception, (s0,), (s0, s1)",
    "reraise": "raise exception s again, no traceback entry for this frame",
    # exception handlers
    "push_exc_info": "d0 <- the thread's handled exception (None if none); s (the caught one) becomes the handled one",
    "pop_except": "s becomes the thread's handled exception",
    "check_exc_match": "d <- isinstance-like match of exception s0 with class or tuple s1 (TypeError if it is neither)",
    "check_eg_match": "d0, d1 <- rest, match of exception group s0 with type s1; no match: (s0, None). A match becomes the "
    "handled one",
    "before_with": "d0, d1 <- bound __exit__ of s, result of its __enter__()",
    "with_except_start": "d <- exit function s0(type(s1), s1, s1.__traceback__)",
    # match
    "get_len": "d <- len(s)",
    "match_mapping": "d <- bool",
    "match_sequence": "d <- bool",
    "match_keys": "d <- tuple of the values of keys s1 in s0, or None",
    "match_class": "d <- tuple of attributes or None: subject s0, class s1, keyword names s2; arg: positional count",
    # the rest
    "make_function": "d <- function of code s0; arg: tuple of what the other sources are, of "
    "'defaults', 'kwdefaults', 'annotations', 'closure' in that order",
    "set_function_attribute": "d <- function s1 with attribute arg set to s0 (3.13), arg of the same names",
    "import_name": "d <- import of arg: name; s0 level, s1 fromlist",
    "import_from": "d <- attribute or submodule arg of s",
    "load_locals": "d <- locals() of a class body: makes the function untraceable",
    "unsupported": "arg: (CPython opname, why); a trace stops here",
}


@dataclass(slots=True, eq=False)
class Instruction:
    """One JitCode instruction.

    Attributes:
        op: A key of `INSTRUCTIONS`.
        dst: Destination registers.
        src: Source registers.
        arg: Constant operand; for jumps the *position* in `JitCode.instructions` of the target.
        index: Byte offset of the CPython instruction it belongs to.
        next_index: Byte offset of the CPython instruction behind that one (its fall-through successor).
        depth: Height of the operand stack before the CPython instruction.
        is_start: First JitCode instruction of its CPython instruction.
        lineno: The author's line.
    """

    op: str
    dst: tuple[int, ...]
    src: tuple[int, ...]
    arg: Any
    index: int
    next_index: int
    depth: int
    is_start: bool
    lineno: int


@dataclass(frozen=True, slots=True)
class Handler:
    """An exception table entry as it applies to an instruction.

    An exception raised there cuts the stack to `depth`, pushes the number of the raising instruction (`index // 2`, an
    int, as CPython counts in code units) if `push_lasti`, then the exception, and goes on at `target` (a byte offset).
    """

    target: int
    depth: int
    push_lasti: bool


@dataclass(slots=True, eq=False)
class JitCode:
    """A function's code in register form. Made once per code object by `frontend.decode.jitcode_for`; immutable after.

    Attributes:
        code: The original code object (before any portal rewriting).
        instructions: In the order of the code object.
        positions: Byte offset of each CPython instruction -> position of its first JitCode instruction (of the next
            one, if it became none; of the first of a group, for one that was merged into the instruction before).
        live_locals: Byte offset -> frozenset of localsplus numbers that may be read at or after that instruction
            (cells and free variables that are captured count as live everywhere).
        depths: Byte offset -> stack height before the instruction (unreachable instructions are absent).
        handlers: Byte offset -> Handler, for instructions inside a try range.
        n_locals: Number of localsplus registers.
        n_registers: n_locals + co_stacksize + scratch registers.
        local_names: Names of the localsplus.
        entry: Position of the first instruction to execute in a call: behind the frame set-up (RESUME,
            COPY_FREE_VARS; MAKE_CELLs are instructions here and come at or after `entry`).
        free_registers: Registers that hold the function's closure cells on entry, in the order of `__closure__`.
        refusal: Why the function cannot be looked into (a generator, a coroutine ...), or "".
        has_loop: Whether it contains a backward jump.
        call_layout: "null_first" or "callable_first", see the module docstring.
        super_arguments: Registers that a call of `builtins.super` without arguments reads from its caller's frame: the
            cell of `__class__` and the first argument (which is a cell holding it, if it is among `co_cellvars`);
            None if the function has no `__class__`.
    """

    code: CodeType
    instructions: list[Instruction]
    positions: dict[int, int]
    live_locals: dict[int, frozenset[int]]
    depths: dict[int, int]
    handlers: dict[int, Handler]
    n_locals: int
    n_registers: int
    local_names: tuple[str, ...]
    entry: int
    free_registers: tuple[int, ...] = ()
    refusal: str = ""
    has_loop: bool = False
    call_layout: str = "null_first"
    super_arguments: tuple[int, int] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    _liveness: dict[tuple[int, int], tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)

    def liveness(self, index: int, throw_index: int = -1) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The locals that may be read at or after an instruction, and all others; both ascending.

        Args:
            index: Byte offset of the instruction.
            throw_index: What the handler of an exception thrown there reads counts, too; -1: nowhere.
        """
        found = self._liveness.get((index, throw_index))
        if found is None:
            live = self.live_locals[index]
            if throw_index >= 0:
                live |= self.live_locals[throw_index]
            others = tuple(number for number in range(self.n_locals) if number not in live)
            found = self._liveness[index, throw_index] = tuple(sorted(live)), others
        return found
