"""Hooks: a guest function that is called before an instruction, at each new line or every so many instructions.

While some machine has a hook, its loop leaves the portal at the next jump back or change of frames and goes on in
`run_hooked`, which looks at the hook before each instruction. A program without hooks pays for none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua.errors import LuaError
from interpreters.lua.frames import SWITCH, Frame, Slow
from metatracer import dont_look_inside

if TYPE_CHECKING:
    from interpreters.lua.values import Coroutine
    from interpreters.lua.vm import VM


class HookState:
    """Whether any machine has a hook, which the portal asks: a constant to a trace."""

    _immutable_fields_ = ["active?"]
    __slots__ = ("__weakref__", "active", "threads")

    def __init__(self) -> None:
        self.active = False
        self.threads = 0  # how many threads have one


HOOKS = HookState()


class Hook:
    """The hook of one thread.

    Attributes:
        function: called with what happened and the line.
        mask: as `debug.sethook` was given it: `l` for lines.
        count: after how many instructions it is called; 0 for never.
        left: how many of them are left.
        frame: where the last instruction was, in `line`; None before a function's first.
        interrupted: the frame that waits for the hook while it runs: meanwhile it is not called.
    """

    __slots__ = ("count", "frame", "function", "interrupted", "left", "line", "lines", "mask")

    def __init__(self, function: Any, mask: bytes, count: int) -> None:
        self.function = function
        self.mask = mask
        self.lines = b"l" in mask
        self.count = self.left = count
        self.frame: Frame | None = None
        self.line = 0
        self.interrupted: Frame | None = None

    def before(self, vm: VM, frame: Frame) -> None:
        """Call the function if the instruction that comes next is a reason to."""
        line = frame.proto.lines[frame.pc]
        is_new = line != self.line or frame is not self.frame
        self.frame, self.line = frame, line
        if self.count:
            self.left -= 1
            if self.left == 0:
                self.left = self.count
                self.call(vm, frame, [b"count", None])
        if is_new and self.lines:
            self.call(vm, frame, [b"line", line])

    def call(self, vm: VM, frame: Frame, arguments: list[Any]) -> None:
        below = vm.frame
        vm.frame = self.interrupted = frame
        try:
            vm.call(self.function, arguments)
        finally:
            vm.frame, self.interrupted = below, None

    def goes_to(self, frame: Frame) -> None:
        """Note that another frame goes on: at its beginning, or after the call for which it waited."""
        if frame.pc == 0 or not frame.proto.is_lua:
            self.frame = None
        else:
            self.frame, self.line = frame, frame.proto.lines[frame.pc - 1]


def thread_of(vm: VM) -> Coroutine:
    """Return the coroutine that runs, be it the main one."""
    return vm.main_coroutine if vm.current is None else vm.current


def set_hook(vm: VM, thread: Coroutine, hook: Hook | None) -> None:
    """Give a thread a hook, or none."""
    change = (hook is not None) - (thread.hook is not None)
    thread.hook = hook
    vm.hooked_threads += change
    HOOKS.threads += change
    HOOKS.active = HOOKS.threads > 0
    vm.choose_depth()


@dont_look_inside
def run_hooked(vm: VM, frame: Frame) -> Frame:
    """Run a frame as the machine's loop does, with hooks, as long as there are any.

    Returns:
        The frame that goes on; if its `pc` is negative, the machine's loop ends with the result in its `next`.

    Raises:
        LuaError: An error that no protected call in here caught.
    """
    goes_on_plain = False  # the plain form of an instruction is no other one
    while vm.hooked_threads:
        code, pc = frame.proto.code, frame.pc
        try:
            hook = thread_of(vm).hook
            if hook is not None and hook.interrupted is None and frame.proto.is_lua and not goes_on_plain:
                hook.before(vm, frame)
            goes_on_plain = False
            following = code[pc].execute(frame)
        except Slow:
            frame.pc = code[pc].slow
            goes_on_plain = True
            continue
        except LuaError as error:
            frame = vm.unwind(frame, pc, error)
            continue
        except (RecursionError, MemoryError) as error:
            frame = vm.unwind(frame, pc, vm.host_error(error))
            continue
        hook = thread_of(vm).hook
        followed = None if hook is None or hook.interrupted is not None else hook
        if following >= 0:
            frame.pc = following
        elif following > SWITCH:
            frame.pc = ~following
            if followed is not None:
                followed.frame = None  # a line is new again after a jump back
        elif following == SWITCH:
            going_on = frame.next
            frame.next = None
            frame = going_on
            if followed is not None:
                followed.goes_to(frame)
        else:
            frame.pc = -1
            return frame
    return frame
