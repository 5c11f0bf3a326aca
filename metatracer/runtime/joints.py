"""Which way joints lead to each other, and which of them a new root is to have.

Code that goes to a loop may have copied an iteration of it before (`optimizer.peeling`). Where the iterations of that loop take
turns, a guard of the copy fails, and what is recorded from there comes to a joint of the next iteration. If joints led to each
other in a circle, the guest could go round through such copies for ever, with everything allocated at each joint, and never get
to the loop: so they lead to each other in one direction, and a trace that would close a circle goes on to the loop.

A root that is tried in place of another one gets bridges as if the other one's tree were not there, which may be all that a joint
is for. When that tree has gone, such joints go, too.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from metatracer.recorder.polymorphism import merge_context
from metatracer.runtime.loops import forget_tails, note_tails, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from metatracer.ir.values import LoopRef
    from metatracer.runtime.loops import Loop, Piece

MOST_PASSING = 2
"""Bridges of a joint that may pass others by: where there are many ways, copies of them all are worse than a circle."""


def passed_by(root: Loop, *, repeats: bool) -> Callable[[LoopRef], bool]:
    """Tells the loops with code at which a trace of a tree does not end.

    Args:
        root: Whose tree it is.
        repeats: The root's code goes to another loop, behind a copy of an iteration of that.
    """

    def is_passed_by(target: LoopRef) -> bool:
        if target is root.ref:
            return repeats
        if not target.is_joint:
            return False
        joint: Loop = target.token
        if root.beside and not _is_wanted(joint):
            return True
        if not root.ref.is_joint or root.branches.total > MOST_PASSING:
            return False
        return root is joint or root in behind(_code_of(joint))

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
