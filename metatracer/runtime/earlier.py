"""What earlier runs of the same program have recorded of its loops, and what this one will leave behind (mode "auto").

A *place* is where the guest stands at a guard, and what the guard asks: a fingerprint of the functions and instructions of its
frames, of the greens of portals among them, and of its operation. So places are the same in each process. A loop whose root
was replaced leaves behind the places where the old root's way was left. In the next run a root that is recorded on a way which
asks the same there is thrown away, and another visit recorded, a few times.

The program is what `sys.argv` begins with. The file is read when the first loop is compiled, and written at exit.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metatracer.ir.values import Const
from metatracer.profile.earlier import MOST_AVOIDED, NOTHING, Hint, learned, load, path_for
from metatracer.profile.fingerprint import fingerprint
from metatracer.runtime.host import PORTALS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metatracer.ir.values import FrameState, Operation, Trace
    from metatracer.profile.earlier import Profile
    from metatracer.runtime.loops import Loop
    from metatracer.runtime.replacing import Replacement


@dataclass(slots=True)
class _Known:
    """What is known in this process.

    Attributes:
        is_read: The file has been looked for. path, program, profile: None or "" where nothing is kept.
        seen: What there is to be left behind.
    """

    is_read: bool = False
    path: Path | None = None
    program: str = ""
    profile: Profile | None = None
    seen: weakref.WeakSet[Replacement] = field(default_factory=weakref.WeakSet)


_known = _Known()


def _profile() -> Profile | None:
    """The profile, read when it is first asked for."""
    if not _known.is_read:
        _known.is_read = True
        program = os.path.realpath(sys.argv[0]) if getattr(sys, "argv", None) and sys.argv[0] else ""
        if program and Path(program).is_file():
            _known.program, _known.path = program, path_for(program, str(sys.implementation.cache_tag))
        if _known.path is not None:
            _known.profile = load(_known.path, program)
            atexit.register(leave_behind)
    return _known.profile


def hint_for(loop: Loop) -> Hint:
    """What earlier runs say of a loop."""
    params = loop.portal.driver.params
    if params.replace != "auto" or params.force_replace:
        return NOTHING
    profile = _profile()
    return NOTHING if profile is None or not profile.loops else profile.loops.get(_name(loop), NOTHING)


def _name(loop: Loop) -> str:
    portal = loop.portal
    return fingerprint(portal.driver.name, portal.layout.code.co_qualname, *loop.greens)


def watched(replacement: Replacement) -> None:
    """A loop is looked at: what is found out is to be left behind."""
    if replacement.loop.portal.driver.params.replace == "auto" and _profile() is not None:
        _known.seen.add(replacement)


# --- places ---------------------------------------------------------------------------------------------------------------


def places(guards: Iterable[Operation]) -> tuple[str, ...]:
    """The places of some guards."""
    known: dict[int, str] = {}
    return tuple([_place(guard, known) for guard in guards if guard.snapshot is not None][:MOST_AVOIDED])


def goes_avoided_way(trace: Trace, hint: Hint) -> bool:
    """Whether a recorded root asks for what one was replaced for."""
    avoid, known = frozenset(hint.avoid), {}  # type: frozenset[str], dict[int, str]
    return any(
        op.opcode.is_guard and op.snapshot is not None and _place(op, known) in avoid for op in trace.operations
    )


def _place(guard: Operation, known: dict[int, str]) -> str:
    """See the module docstring; `known` has the fingerprints of greens by their identity."""
    assert guard.snapshot is not None
    asked = guard.descr if isinstance(guard.descr, (int, str, type(None), type)) else type(guard.descr)
    parts: list[Any] = [guard.opcode.name, asked]
    for frame in guard.snapshot.frames:
        parts += (frame.jitcode.code.co_qualname, frame.index)
        for green in _greens(frame):
            if id(green) not in known:
                known[id(green)] = fingerprint(green)
            parts.append(known[id(green)])
    return fingerprint(*parts)


def _greens(frame: FrameState) -> list[Any]:
    """The greens of a portal's frame, as far as they are there."""
    portal = PORTALS.get(frame.function.__code__)
    if portal is None:
        return []
    bound = dict(zip(frame.numbers, frame.locals, strict=True))
    values = [bound.get(number) for number in portal.green_numbers]
    return [value.value if isinstance(value, Const) else None for value in values]


# --- the end --------------------------------------------------------------------------------------------------------------


def leave_behind() -> None:
    """Write what this process has found out, if that is news."""
    path, profile = _known.path, _known.profile
    if path is None or profile is None:
        return
    news: dict[str, Hint] = {}
    for replacement in list(_known.seen):
        name = _name(replacement.loop)
        before = profile.loops.get(name, NOTHING)
        hint = learned(before, replacement.history, replacement.avoid, has_missed=replacement.has_missed)
        if hint != before:
            news[name] = hint
    if not news:
        return
    now = load(path, _known.program)  # another process may have written it meanwhile
    for name, hint in news.items():
        now.note(name, hint)
        profile.note(name, hint)
    with suppress(OSError):  # a read-only or full disk: the next run finds out for itself
        now.save(path)
