"""How joints lead to each other, and which of them a new root is to have.

Code that goes to a loop may have copied an iteration of it before (`optimizer.peeling`). Where the iterations of that loop take
turns, a guard of the copy fails, and what is recorded from there comes to a joint of the next iteration. If joints led to each
other in a circle, the guest could go round through such copies for ever, with everything allocated at each joint, and never get
to the loop: so a trace that would close a circle, from a guard that nearly all passes of a joint fail at, goes on to the loop.
(Where the guest takes many ways some passes get there, and copies of all ways would cost more than they save.)

A root that is tried in place of another one gets bridges as if the other one's tree were not there, which may be all that a joint
is for. When that tree has gone, such joints go, too.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from metatracer.recorder.polymorphism import merge_context
from metatracer.runtime.loops import forget_tails, note_tails, root_of, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metatracer.ir.values import LoopRef
    from metatracer.runtime.loops import GuardState, Loop, Piece

NEARLY_ALL = 0.75
"""The share of a joint's passes that fail at a guard from which others are passed by."""
MOST_PASSING = 2
"""Bridges of a root that is tried that may pass by joints that are there for another tree."""


def passed_by(guard: GuardState) -> Callable[[LoopRef], bool]:
    """Tells the loops with code at which a bridge from a guard does not end."""
    piece = guard.piece
    root = root_of(piece)
    loop = root.loop
    closes = piece is root and loop.ref.is_joint and guard.failures >= NEARLY_ALL * max(root.code.runs, root.passes) > 0
    is_tried = bool(loop.beside) and loop.branches.total <= MOST_PASSING

    def is_passed_by(target: LoopRef) -> bool:
        if target is loop.ref:
            return root.trace.repeats
        if not target.is_joint:
            return False
        joint: Loop = target.token
        return (is_tried and not _is_wanted(joint)) or (closes and loop in behind(_code_of(joint)))

    return is_passed_by


def behind(pieces: Iterable[Piece]) -> list[Loop]:
    """The joints that code leads to, also through others."""
    found: dict[Loop, None] = {}
    work = list(pieces)
    for piece in work:
        for target in piece.targets:
            if target.ref.is_joint and target not in found:
                found[target] = None
                work += _code_of(target)
    return list(found)


class Without:
    """What a tree, and the joints behind it, repeat does not count while another root is tried.

    Attributes:
        root: Of the tree.
        joints: Behind it.
    """

    def __init__(self, root: Piece) -> None:
        self.root = root
        self.joints = behind(tree_of(root))
        code = [*tree_of(root), *chain.from_iterable(map(_code_of, self.joints))]
        self._tails = [(piece, forget_tails(piece)) for piece in code]

    def count_again(self) -> None:
        """The other root is not tried any more."""
        for piece, tails in self._tails:
            note_tails(piece, tails)

    def useless(self) -> list[Piece]:
        """The roots of the joints to which nothing else leads."""
        code = {*tree_of(self.root), *chain.from_iterable(map(_code_of, self.joints))}
        found = []
        for joint in self.joints:
            known = sum([piece.targets.count(joint) for piece in code])
            if joint.piece is not None and not joint.beside and joint.incoming <= known:
                found.append(joint.piece)
        return found


def _code_of(loop: Loop) -> list[Piece]:
    roots = [piece for piece in (loop.piece, *loop.beside) if piece is not None]
    return list(chain.from_iterable(map(tree_of, roots)))


def _is_wanted(joint: Loop) -> bool:
    """Whether what comes behind a joint is still repeated that often."""
    limit = joint.portal.driver.params.tail_limit
    return joint.portal.polymorphism.is_joint(merge_context(joint.portal, joint.key), limit)
