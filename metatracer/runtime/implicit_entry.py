"""Calls of helpers that have traces of their own, without their author: implicit portals at the entry of a function.

An interpreter calls itself where its guest does: the function that runs a guest function is entered again, for the same guest
function, from below itself. The recorder finds such functions (`recorder.recursion`), and says which parameters and free
variables tell what is run; these are the greens. The merge point is where the frame has its cells, the reds are the other
parameters. From then on a recording that comes to the function again makes a native call of it, as it does with portals.

Where CPython calls the function, it enters this code, too: a frame that has left machine code would otherwise do what is left
of the recursion without it. So the functions that traces call natively are given code with a tick at its entry, as portals are
(`rewrite`). It looks for code for these greens, and makes nothing: guest functions come and go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.frontend.decode import jitcode_for
from metatracer.frontend.liveness import JUMPS
from metatracer.runtime.given_code import give_code, original_code
from metatracer.runtime.implicit import MOST_ATTEMPTS, ImplicitDriver, ImplicitPortal, name_of
from metatracer.runtime.portal_layout import PortalLayout, Statement, definitely_bound
from metatracer.runtime.rewrite import rewrite_portal
from metatracer.runtime.tick import make_lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, FunctionType
    from typing import Any

    from metatracer.frontend.jitcode import JitCode
    from metatracer.runtime.loops import Loop
    from metatracer.runtime.portal import Portal


_MOST_IN_VAIN = 3
"""Times in a row that code was made for greens that the guest did not meet again. Also: greens whose recordings were refused."""
_USES = 5
"""Looks that see code in use, if the guest meets its greens again. (Otherwise it is one or two for each.)"""


class EntryPortal(ImplicitPortal):
    """The entry of a helper.

    Attributes:
        uses: How many looks at it saw that the interpreter had entered its code since the last (`is_in_use`).
        in_vain: How often in a row code was made, and something else was wanted before it was used for a while.
        is_outer: It is the entry of a function with a loop around portals (`outer`), not of one that runs a guest function.
    """

    is_outer = False

    def __init__(self, function: FunctionType, driver: ImplicitDriver, layout: PortalLayout, caller: Portal) -> None:
        super().__init__(function, driver, layout, caller)
        self.tick = self._make_tick()
        self._code_with_tick = rewrite_portal(layout, self)
        self.uses = self.in_vain = 0
        self._entered = 0
        self._before = (0, 0)

    def _make_tick(self) -> Callable[..., Loop | None]:
        return make_lookup(self, len(self.layout.green_numbers))

    def is_in_use(self) -> bool:
        """Whether code has been entered since this was asked last."""
        before, self._entered = self._entered, sum(loop.record.entries for loop in list(self.loops.values()))
        self.uses += self._entered != before
        return self._entered != before

    def is_wanted_again(self) -> bool:
        """Told when calls are looked at again, as none that is running has code; says whether what was made before was of use."""
        made = sum(loop.record.traces > 0 for loop in list(self.loops.values()))
        (uses, then), self._before = self._before, (self.uses, made)
        is_of_use = self.uses - uses >= _USES
        self.in_vain = 0 if is_of_use else self.in_vain + (made > then)
        return is_of_use

    def is_short_lived(self) -> bool:
        """Whether the greens are others in each run of the guest (a closure that it makes anew): code is seldom met again."""
        return self.in_vain >= _MOST_IN_VAIN

    def let_in(self, function: FunctionType) -> None:
        """Let calls that CPython makes of a function enter the portal's code."""
        if function.__code__ is not self._code_with_tick and original_code(function) is self.layout.code:
            give_code(function, self._code_with_tick)

    def is_hopeless(self, key: Any) -> bool:
        """Whether recordings that begin with these greens were given up too often, or are not to begin."""
        loop = self.loops.get(key)
        if loop is not None:
            return _is_hopeless(loop)
        return self.is_short_lived() or (len(self.loops) >= _MOST_IN_VAIN and self.has_no_hope())

    def has_no_hope(self) -> bool:
        """Whether nothing that was recorded here is code."""
        loops = list(self.loops.values())
        return bool(loops) and all(loop.piece is None and (loop.attempts or loop.record.traces) for loop in loops)

    def takes(self, loop: Loop, kind: str) -> bool:
        """Not one that ends with an exception: inlined, the function's caller may catch it, and it need not be made."""
        if kind != "raise":
            return True
        loop.attempts = MOST_ATTEMPTS
        loop.record.status, loop.record.reason = "refused", "it ends with an exception: its callers look into it instead"
        return False


def _is_hopeless(loop: Loop) -> bool:
    return loop.piece is None and loop.attempts >= MOST_ATTEMPTS


_known: dict[int, tuple[JitCode, dict[str, Any], EntryPortal]] = {}
"""By the id() of the author's code; with what keeps it alive, and the globals of the function."""


def entry_portals() -> list[EntryPortal]:
    """All there are."""
    return [portal for _, _, portal in list(_known.values())]


def entry_with(code: CodeType) -> EntryPortal | None:
    """The portal at the entry of functions with this code of the author's, if it has code or is about to get it."""
    known = _known.get(id(code))
    return None if known is None or known[2].has_no_hope() else known[2]


def entry_of(function: FunctionType) -> EntryPortal | None:
    """The portal at the entry of a function, or None."""
    known = _known.get(id(original_code(function)))
    return known[2] if known is not None and known[1] is function.__globals__ else None


def make_entry(caller: Portal, function: FunctionType, greens: Sequence[int]) -> EntryPortal | None:
    """Make the entry of a helper an implicit portal, if it can be one.

    Args:
        caller: Whose trace found it.
        function: The helper.
        greens: Numbers of parameters and free variables.
    """
    code = original_code(function)
    known = _known.get(id(code))
    if known is not None and not known[2].is_outer:
        return None
    layout = entry_layout(code, greens)
    if layout is None:
        return None
    jitcode = jitcode_for(code)
    names = tuple([jitcode.local_names[number] for number in greens])
    driver = ImplicitDriver(name_of(function, layout.lineno), f"calls of {code.co_qualname}", caller.driver.params, names)
    portal = EntryPortal(function, driver, layout, caller)
    if known is not None:
        forget_entry(known[2])
    return _known.setdefault(id(code), (jitcode, function.__globals__, portal))[2]


def set_entry(function: FunctionType, portal: EntryPortal) -> bool:
    """Let a portal be that at the entry of a function; whether there was none."""
    code = portal.layout.code
    return _known.setdefault(id(code), (jitcode_for(code), function.__globals__, portal))[2] is portal


def forget_entry(portal: EntryPortal) -> None:
    """Let there be no portal at the entry of functions with this code."""
    code = portal.layout.code
    known = _known.get(id(code))
    if known is not None and known[2] is portal:
        del _known[id(code)]


def entry_layout(code: CodeType, greens: Sequence[int]) -> PortalLayout | None:
    """The merge point where a function's frame has its cells; None if there can be none, or the function never returns."""
    jitcode = jitcode_for(code)
    if jitcode.refusal or all(each.op != "return" for each in jitcode.instructions):
        return None
    position = jitcode.entry
    own_cells = set()
    while jitcode.instructions[position].op == "make_cell":
        own_cells.add(jitcode.instructions[position].dst[0])
        position += 1
    is_loop = any(each.op in JUMPS and each.arg == position for each in jitcode.instructions)
    if is_loop or not own_cells.isdisjoint(greens):
        return None
    return _layout(jitcode, position, tuple(greens))


def _layout(jitcode: JitCode, position: int, greens: tuple[int, ...]) -> PortalLayout:
    first = jitcode.instructions[position]
    index, names = first.index, jitcode.local_names
    bound = definitely_bound(jitcode, index)
    alive = {*jitcode.live_locals[index], *jitcode.free_registers} - {*greens}
    reds = tuple([number for number in sorted(alive) if bound >> number & 1])
    shown = tuple([names[number] for number in greens + reds])
    here = Statement("entry", index, index, 0, first.lineno, shown)
    return PortalLayout(
        jitcode.code, None, index, index, {}, (here,), greens, reds, frozenset(), shown, first.lineno, (), False
    )
